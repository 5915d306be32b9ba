"""The ways in which a segment might be split: one column, one cut, written as a rule that a person can read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.exceptions import ColumnError

__all__ = ["Candidates", "candidates_of", "check_features"]

# Tenths: a finer grid finds hardly a better cut among a few thousand customers, and costs ten times as much.
N_CUTS = 9
MOST_LEVELS = 20


@dataclass(frozen=True)
class Candidates:
    """All cuts of one segment: ``inside`` (n_customers, n_cuts), and per cut its column and the rule in words."""

    inside: NDArray[np.bool_]
    columns: tuple[Any, ...]
    rules: tuple[str, ...]


def check_features(features: pd.DataFrame) -> None:
    """Raise ColumnError where a column can be neither cut nor told by its levels."""
    for position, name in enumerate(features.columns):
        kind = features.dtypes.iloc[position]
        if pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind):
            raise ColumnError(
                f"the feature {name!r} is a time ({kind}): turn it into a number first, such as days since then."
            )
        values = features.iloc[:, position].dropna()
        if (
            pd.api.types.is_object_dtype(kind)
            and len(values)
            and not values.map(lambda value: isinstance(value, str | bool)).all()
        ):
            other = values[~values.map(lambda value: isinstance(value, str | bool))]
            raise ColumnError(f"the feature {name!r} mixes kinds of values, such as {name_some(other.iloc[:3])}.")


def candidates_of(features: pd.DataFrame, least: int) -> Candidates:
    """Return the cuts of a segment that leave at least `least` customers on both sides.

    The cuts are made from the features alone, never from an outcome: numbers at their tenths (at every value where
    there are few), ordered categories between levels, other levels against the rest, and missing against known.
    """
    found: dict[bytes, tuple[NDArray[np.bool_], Any, str]] = {}
    for position, name in enumerate(features.columns):
        for inside, rule in _cuts(features.iloc[:, position], name):
            size = int(inside.sum())
            if least <= size <= len(inside) - least:
                # `sex == 'f'` and `sex == 'm'` are one cut: the first stays
                key = np.packbits(inside if inside[0] else ~inside).tobytes()
                found.setdefault(key, (inside, name, rule))
    inside = np.column_stack([cut for cut, _, _ in found.values()]) if found else np.zeros((len(features), 0), bool)
    return Candidates(inside, tuple(c for _, c, _ in found.values()), tuple(r for _, _, r in found.values()))


def _cuts(column: pd.Series[Any], name: Any) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield who is inside, and the rule; a missing value is on the other side of every cut but its own."""
    missing = column.isna().to_numpy(dtype=bool)
    label = str(name)
    if missing.any():
        yield missing, f"is_missing({label})"
    levels = set(column.dropna().unique())
    if not levels:
        return
    if pd.api.types.is_bool_dtype(column.dtype) or levels <= {True, False}:
        yield column.astype(object).where(~missing, False).to_numpy(dtype=bool), f"{label} == True"
    elif pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        for cut in _cut_points(values[~missing]):
            with np.errstate(invalid="ignore"):
                yield values > cut, f"{label} > {cut:.6g}"
    elif isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        codes = column.cat.codes.to_numpy()
        for code, level in enumerate(column.cat.categories[:-1]):
            yield codes > code, f"{label} > {level!r}"
    else:
        known = column.astype(object).where(~missing, None).tolist()
        for level in column[~missing].astype(object).value_counts().index[:MOST_LEVELS]:
            yield np.asarray([value == level for value in known]), f"{label} == {level!r}"


def _cut_points(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut points of a number: between its values where there are few, else its tenths."""
    levels = np.unique(values[np.isfinite(values)])
    if len(levels) <= N_CUTS + 1:
        # the lower value itself: `visits > 3` reads better than `visits > 3.5`
        return levels[:-1]
    tenths = np.quantile(values[np.isfinite(values)], np.linspace(0, 1, N_CUTS + 2)[1:-1], method="lower")
    rounded = np.array([float(f"{cut:.6g}") for cut in tenths])
    return np.unique(rounded[rounded < levels[-1]])
