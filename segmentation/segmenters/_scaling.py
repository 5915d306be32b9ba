"""Scaling of the columns a distance is computed on: learnt once, readable as a table, invertible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Scale", "apply_scaling", "learn_scaling", "undo_scaling"]

Scale = Literal["auto", "standard"] | None
Treatment = Literal["log1p", "asinh", "standard", "binary", "constant", "none"]

# Skewness of the exponential distribution is 2, of a normal one 0; above 1 a column is commonly called highly
# skewed, and its largest values would form segments of a few customers each.
HEAVY_TAIL_SKEWNESS = 1.0
# A new customer may lie anywhere; the square of this is still a number, so that every distance is one.
LARGEST = 1e150


def _mean_and_width(x: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation, in units of the largest value: squares of 1e200 or 1e-200 are no numbers."""
    largest = np.abs(x).max()
    if largest == 0:
        return 0.0, 0.0
    shares = x / largest
    return float(shares.mean() * largest), float(shares.std() * largest)


def _skewness(x: NDArray[np.float64]) -> float:
    """Third standardised moment, 0 where there is no spread."""
    mean, width = _mean_and_width(x)
    return float((((x - mean) / width) ** 3).mean()) if width > 0 else 0.0


def _has_spread(x: NDArray[np.float64]) -> bool:
    """Tell whether a column varies by more than the rounding of its values."""
    return bool(np.ptp(x) > 8 * np.finfo(np.float64).eps * np.abs(x).max())


def _compressed(x: NDArray[np.float64]) -> tuple[Treatment, float, NDArray[np.float64]] | None:
    """Return treatment, unit and values of a heavy-tailed column with its tail drawn in; None for any other.

    Net spend can fall below zero. asinh is linear for amounts up to the typical one (the unit) and logarithmic
    beyond, on both sides: a small negative amount stays beside a small positive one. log1p counts in units of 1,
    or of the typical amount where that is below 1 (money in millions): log1p of tiny numbers would change nothing.
    """
    skewness = abs(_skewness(x))
    if skewness <= HEAVY_TAIL_SKEWNESS:
        return None
    treatment: Treatment = "log1p" if x.min() >= 0 else "asinh"
    typical = float(np.median(np.abs(x[x != 0])))
    unit = min(typical, 1.0) if treatment == "log1p" else typical
    drawn_in = _draw_in(x, treatment, unit)
    return (treatment, unit, drawn_in) if _has_spread(drawn_in) and abs(_skewness(drawn_in)) < skewness else None


def _draw_in(x: NDArray[np.float64], treatment: str, unit: float) -> NDArray[np.float64]:
    """Draw in the tail of a column; a negative value in a column learnt without any counts as 0."""
    if treatment == "log1p":
        return np.log1p(np.maximum(x, 0.0) / unit)
    return np.arcsinh(x / unit) if treatment == "asinh" else x


def _one_column(x: NDArray[np.float64], scale: Scale) -> tuple[Treatment, float, float, float, float]:
    """Choose how one column is treated; return treatment, unit, centre, width and skewness."""
    skewness = _skewness(x)
    if scale is None:
        return "none", 1.0, 0.0, 1.0, skewness
    if not _has_spread(x):
        return "constant", 1.0, float(x[0]), 1.0, 0.0
    if scale == "auto":
        low, high = float(x.min()), float(x.max())
        if not ((x != low) & (x != high)).any():  # two values: their distance becomes 1, which leaves 0/1 alone
            return "binary", 1.0, low, high - low, skewness
        compressed = _compressed(x)
        if compressed is not None:
            treatment, unit, drawn_in = compressed
            return treatment, unit, *_mean_and_width(drawn_in), skewness
    return "standard", 1.0, *_mean_and_width(x), skewness


def learn_scaling(X: NDArray[np.float64], names: Sequence[Any], scale: Scale) -> pd.DataFrame:
    """Learn how each column is brought to a common scale.

    Parameters
    ----------
    X : ndarray of shape (n_customers, n_features)
    names : sequence of length n_features
    scale : {"auto", "standard"} or None

    Returns
    -------
    pandas.DataFrame
        Index ``feature``; ``treatment`` ("log1p", "asinh", "standard", "binary", "constant" or "none"), ``unit``
        (divided by before the logarithm or asinh), ``center`` and ``width`` (subtracted and divided by, after the
        logarithm or asinh where there is one) and ``skewness`` of the column as it came.
    """
    if scale not in ("auto", "standard", None):
        raise ValueError(f"scale must be 'auto', 'standard' or None, got {scale!r}.")
    return pd.DataFrame(
        [_one_column(column, scale) for column in X.T],
        index=pd.Index(list(names), name="feature"),
        columns=["treatment", "unit", "center", "width", "skewness"],
    )


def apply_scaling(X: NDArray[np.float64], scaling: pd.DataFrame) -> NDArray[np.float64]:
    """Bring customers to the learnt scale; a column without spread becomes 0 and counts nothing."""
    result = np.empty(X.shape)
    columns = zip(scaling["treatment"], scaling["unit"], scaling["center"], scaling["width"], strict=True)
    with np.errstate(over="ignore"):
        for j, (treatment, unit, center, width) in enumerate(columns):
            drawn_in = _draw_in(X[:, j], treatment, unit)
            result[:, j] = 0.0 if treatment == "constant" else (drawn_in - center) / width
    return np.clip(result, -LARGEST, LARGEST, out=result)


def undo_scaling(Z: NDArray[np.float64], scaling: pd.DataFrame) -> NDArray[np.float64]:
    """Return to original units."""
    result = Z * scaling["width"].to_numpy() + scaling["center"].to_numpy()
    for j, (treatment, unit) in enumerate(zip(scaling["treatment"], scaling["unit"], strict=True)):
        if treatment == "log1p":
            result[:, j] = np.expm1(result[:, j]) * unit
        elif treatment == "asinh":
            result[:, j] = np.sinh(result[:, j]) * unit
    return np.asarray(result, dtype=np.float64)
