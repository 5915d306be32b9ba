"""How far probabilities can be taken at their word: recalibration, its slope, and observed against predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

__all__ = [
    "SMALLEST",
    "PlattCalibrator",
    "calibration_measures",
    "log_odds",
    "logistic_line",
    "reliability_table",
    "roc_auc",
]

Floats = NDArray[np.float64]

# Probabilities are kept this far from 0 and 1 where their logarithm is taken.
SMALLEST = 1e-6
MOST_STEPS = 100


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 - p)), with p kept `SMALLEST` away from 0 and 1."""
    return np.asarray(special.logit(np.clip(probability, SMALLEST, 1 - SMALLEST)), dtype=np.float64)


def logistic_line(x: Floats, y: Floats) -> tuple[float, float, Floats]:
    """Fit P(y = 1) = 1 / (1 + exp(-(intercept + slope x))) by maximum likelihood; `y` may lie between 0 and 1.

    Returns
    -------
    intercept, slope : float
    covariance : ndarray of shape (2, 2)
        All NaN where the data do not determine the line: `x` has no spread, or separates the outcomes.

    Examples
    --------
    >>> x = np.repeat([-1.0, 1.0], 4)
    >>> intercept, slope, _ = logistic_line(x, np.array([0, 0, 0, 1, 0, 1, 1, 1.0]))
    >>> round(abs(intercept), 6), round(slope, 4)  # log odds -log 3 and log 3
    (0.0, 1.0986)
    """
    unknown = np.full((2, 2), np.nan)
    centre, spread = float(x.mean()), float(x.std())
    if spread <= 1e-12 * max(1.0, abs(centre)):
        return float(special.logit(y.mean())), np.nan, unknown
    design = np.column_stack([np.ones_like(x), (x - centre) / spread])
    at = np.array([special.logit(np.clip(y.mean(), SMALLEST, 1 - SMALLEST)), 0.0])
    loss = _loss(design, y, at)
    for _ in range(MOST_STEPS):
        p = special.expit(design @ at)
        curvature = (design * (p * (1 - p))[:, None]).T @ design
        gradient = design.T @ (y - p)
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        while _loss(design, y, at + step) > loss and np.abs(step).max() > 1e-12:
            step = step / 2  # Newton's step overshoots where the curve is flat
        at, before = at + step, loss
        loss = _loss(design, y, at)
        if before - loss <= 1e-12 * (1.0 + abs(loss)):
            break
    slope = at[1] / spread
    # standardised slopes beyond this are separation, where the likelihood has no maximum
    determined = abs(at[1]) < 50 and np.linalg.cond(curvature) < 1e12
    back = np.array([[1.0, -centre / spread], [0.0, 1.0 / spread]])
    covariance = back @ np.linalg.inv(curvature) @ back.T if determined else unknown
    return float(at[0] - slope * centre), float(slope), covariance


def _loss(design: Floats, y: Floats, at: Floats) -> float:
    value = design @ at
    return float(np.sum(np.logaddexp(0.0, value) - y * value))


class PlattCalibrator:
    """Logistic line on the log odds, with Platt's targets, which keep it finite where the outcomes are separated."""

    def fit(self, x: Floats, y: Floats) -> PlattCalibrator:
        """Learn the line."""
        positive = float(y.sum())
        negative = len(y) - positive
        targets = np.where(y > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
        self.intercept_, slope, _ = logistic_line(x, targets)
        self.slope_ = 0.0 if np.isnan(slope) else slope
        return self

    def predict(self, x: Floats) -> Floats:
        """Return probabilities."""
        return np.asarray(special.expit(self.intercept_ + self.slope_ * x), dtype=np.float64)


def calibration_measures(y: Floats, p: Floats, level: float) -> pd.DataFrame:
    """Measure predicted probabilities against outcomes: index ``figure``; ``estimate``, ``low``, ``high``."""
    z = float(stats.norm.ppf(0.5 + level / 2))
    n = len(y)
    intercept, slope, covariance = logistic_line(log_odds(p), y)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    brier = (p - y) ** 2
    kept = np.clip(p, SMALLEST, 1 - SMALLEST)
    loss = -(y * np.log(kept) + (1 - y) * np.log1p(-kept))
    auc, auc_error = roc_auc(y, p)
    rows: dict[str, tuple[float, float, float]] = {
        "calibration_slope": (slope, slope - z * errors[1], slope + z * errors[1]),
        "calibration_intercept": (intercept, intercept - z * errors[0], intercept + z * errors[0]),
    }
    for name, each in (("brier", brier), ("log_loss", loss)):
        mean, error = float(each.mean()), float(each.std() / np.sqrt(n))
        rows[name] = (mean, mean - z * error, mean + z * error)
    rows["roc_auc"] = (auc, max(auc - z * auc_error, 0.0), min(auc + z * auc_error, 1.0))
    low, high = _wilson(y.sum(), n, z)
    rows["base_rate"] = (float(y.mean()), float(low), float(high))
    index = pd.Index(list(rows), name="figure")
    return pd.DataFrame(list(rows.values()), index=index, columns=["estimate", "low", "high"], dtype=np.float64)


def roc_auc(y: Floats, p: Floats) -> tuple[float, float]:
    """Return the area under the ROC curve and its standard error by DeLong's placements."""
    positive, negative = np.sort(p[y > 0]), np.sort(p[y == 0])

    def share_below(values: Floats, others: Floats) -> Floats:
        left, right = np.searchsorted(others, values, "left"), np.searchsorted(others, values, "right")
        return np.asarray((left + right) / (2.0 * len(others)))

    above, below = share_below(positive, negative), 1 - share_below(negative, positive)
    m, n = len(positive), len(negative)
    variance = (above.var(ddof=1) / m if m > 1 else 0.0) + (below.var(ddof=1) / n if n > 1 else 0.0)
    return float(above.mean()), float(np.sqrt(variance))


def _wilson(successes: Any, n: Any, z: float) -> tuple[Any, Any]:
    """Return the Wilson interval of a share."""
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def reliability_table(y: Floats, p: Floats, n_bins: int, level: float) -> pd.DataFrame:
    """Group customers by predicted probability, as equal in size as ties allow, and set the outcomes beside it."""
    order = np.argsort(p, kind="stable")
    edges = p[order][np.linspace(0, len(p), n_bins + 1).astype(int)[1:-1]]  # equal probabilities stay together
    bins = np.searchsorted(np.unique(edges), p, side="right")
    grouped = pd.DataFrame({"p": p, "y": y}).groupby(bins)
    table = pd.DataFrame(
        {
            "from": grouped["p"].min(),
            "to": grouped["p"].max(),
            "n_customers": grouped.size().astype("int64"),
            "predicted": grouped["p"].mean(),
            "observed": grouped["y"].mean(),
        }
    )
    z = float(stats.norm.ppf(0.5 + level / 2))
    table["observed_low"], table["observed_high"] = _wilson(grouped["y"].sum(), table["n_customers"], z)
    return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="bin"), axis=0)
