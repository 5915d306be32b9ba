"""Figures of answers by group: means and shares with intervals, differences, change over periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._multiplicity import holm
from segmentation.feedback._intervals import (
    Floats,
    alike_within_customers,
    effective_sizes,
    mean_interval,
    promoter_interval,
    proportion_interval,
)

__all__ = ["Answers", "Group", "compare", "differ_at_all", "slopes"]

Kind = Literal["promoters", "share", "mean"]
Codes = NDArray[np.int64]
# Answers added to each of two groups before they are compared, and the sum of their squares. Agresti and Caffo (2000),
# doi:10.1080/00031305.2000.10474560: one yes and one no. Rocks (2016), doi:10.1080/00031305.2016.1198278: 3/4, 3/2 and
# 3/4 to the three kinds of answer.
ADDED: dict[str, tuple[float, float]] = {"promoters": (3.0, 1.5), "share": (2.0, 1.0), "mean": (0.0, 0.0)}

# The largest difference that there can be.
REACH = {"promoters": 2.0, "share": 1.0, "mean": np.inf}


@dataclass(frozen=True, eq=False)
class Group:
    """Figures of groups, arrays of shape (n_groups,). ``n`` is the effective number of answers."""

    n_answers: Floats
    n_customers: Floats
    n: Floats
    estimate: Floats
    low: Floats
    high: Floats
    variance: Floats


@dataclass(frozen=True, eq=False)
class Answers:
    """Numbers (1, 0, -1 for promoters and detractors; 1, 0 for a share) of customers."""

    kind: Kind
    numbers: Floats
    customer: Codes
    alike: float

    @classmethod
    def of(cls, kind: Kind, values: Floats, customer: Codes, segment: Codes) -> Answers:
        """Measure how alike the answers of one customer are, and keep it with the answers."""
        return cls(kind, values, customer, alike_within_customers(values, customer, segment))

    def by(self, group: Codes, n_groups: int, level: float) -> Group:
        """Return the figures of each group; rows with group -1 are in none."""
        inside = group >= 0
        of, values, customer = group[inside], self.numbers[inside], self.customer[inside]
        n_answers = np.bincount(of, minlength=n_groups).astype(np.float64)
        pairs = np.unique(np.column_stack([of, customer]), axis=0)
        n_customers = np.bincount(pairs[:, 0], minlength=n_groups).astype(np.float64)
        n = effective_sizes(customer, of, n_groups, self.alike, level)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(of, values, minlength=n_groups) / n_answers
            centred = values - mean[of]
            squares = np.bincount(of, centred**2, minlength=n_groups)
            variance = squares / (n_answers - 1) if self.kind == "mean" else squares / n_answers
            up = np.bincount(of, values > 0, minlength=n_groups) / n_answers
            down = np.bincount(of, values < 0, minlength=n_groups) / n_answers
        if self.kind == "promoters":
            low, high = promoter_interval(up * n, down * n, n, level)
        elif self.kind == "share":
            low, high = proportion_interval(mean, n, level)
        else:
            low, high = mean_interval(mean, variance, n, n_customers, level)
        return Group(n_answers, n_customers, n, mean, low, high, variance)


def compare(kind: Kind, one: Group, other: Group, level: float) -> pd.DataFrame:
    """Compare groups with others, row by row, by Student's t with Welch's degrees of freedom.

    A few answers are added to both groups (`ADDED`); without, intervals are too short for few or extreme answers.
    """
    extra, squares = ADDED[kind]
    centres, parts, freedom = [], [], []
    for group in (one, other):
        n = group.n + extra
        shift = 1.0 if kind == "share" else 0.0
        centre = (group.n * group.estimate + shift) / n
        if kind == "mean":
            part = group.variance / n
        else:
            second = group.variance + group.estimate**2
            added = squares if kind == "promoters" else 1.0
            part = ((group.n * second + added) / n - centre**2) / n
        centres.append(centre)
        parts.append(part)
        freedom.append(np.maximum(np.minimum(group.n_customers, n) - 1, 1))
    total = parts[0] + parts[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        df = total**2 / (parts[0] ** 2 / freedom[0] + parts[1] ** 2 / freedom[1])
        gap = centres[0] - centres[1]
        p = np.where(total > 0, 2 * stats.t.sf(np.abs(gap) / np.sqrt(total), df), np.where(gap == 0, 1.0, 0.0))
        half = stats.t.ppf(0.5 + level / 2, df) * np.sqrt(total)
    difference = one.estimate - other.estimate
    reach = REACH[kind]
    return pd.DataFrame(
        {
            "difference": difference,
            # the added answers must not leave the difference itself outside, nor the ends beyond what there is
            "difference_low": np.minimum(np.maximum(gap - half, -reach), difference),
            "difference_high": np.maximum(np.minimum(gap + half, reach), difference),
            "p_value": p,
        }
    )


def differ_at_all(group: Group, kept: NDArray[np.bool_]) -> float:
    """Return the p-value of "all groups are the same" (Welch's F test, 1951, doi:10.1093/biomet/38.3-4.330)."""
    n, mean, variance = group.n[kept], group.estimate[kept], group.variance[kept]
    k = n.size
    if k < 2:
        return float("nan")
    # a group in which all answered the same would weigh without bound
    variance = np.maximum(variance, group.variance[kept].mean() / np.maximum(n, 1))
    if not (variance > 0).all():
        return 1.0
    weight = n / variance
    centre = (weight * mean).sum() / weight.sum()
    lack = (1 - weight / weight.sum()) ** 2 / np.maximum(n - 1, 1)
    statistic = (weight * (mean - centre) ** 2).sum() / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * lack.sum())
    return float(stats.f.sf(statistic, k - 1, (k**2 - 1) / (3 * lack.sum())))


def slopes(answers: Answers, segment: Codes, period: Codes, shown: NDArray[np.bool_], level: float) -> pd.DataFrame:
    """Return the change of each segment from one period to the next: least squares, errors clustered by customer.

    Parameters
    ----------
    answers : Answers
    segment, period : ndarray of shape (n_answers,)
        Period -1 is in none.
    shown : ndarray of shape (n_segments, n_periods)
        Cells that count.
    """
    records = []
    for s in range(shown.shape[0]):
        rows = (segment == s) & (period >= 0)
        rows[rows] = shown[s, period[rows]]
        records.append(_slope(answers.numbers[rows], period[rows].astype(np.float64), answers.customer[rows], level))
    table = pd.DataFrame(records, columns=["change", "change_low", "change_high", "p_value"])
    table["p_adjusted"] = holm(table["p_value"].to_numpy(dtype=np.float64))
    return table


def _slope(y: Floats, x: Floats, customer: Codes, level: float) -> tuple[float, float, float, float]:
    missing = (np.nan, np.nan, np.nan, np.nan)
    if np.unique(x).size < 2:
        return missing
    centred = x - x.mean()
    spread = float((centred**2).sum())
    slope = float((centred * y).sum()) / spread
    residual = y - y.mean() - slope * centred
    _, code = np.unique(customer, return_inverse=True)
    scores = np.bincount(code, centred * residual)
    m, n = scores.size, y.size
    if m < 3:
        return missing
    variance = float((scores**2).sum()) / spread**2 * m / (m - 1) * (n - 1) / (n - 2)
    if variance == 0:
        return slope, slope, slope, float(slope == 0)
    error = np.sqrt(variance)
    half = float(stats.t.ppf(0.5 + level / 2, m - 1) * error)
    return slope, slope - half, slope + half, float(2 * stats.t.sf(abs(slope) / error, m - 1))


def merged(group: Group, members: Any) -> Group:
    """Return the figures of some groups."""
    return Group(*(getattr(group, name)[members] for name in Group.__dataclass_fields__))
