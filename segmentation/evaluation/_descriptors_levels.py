"""Levels that did not form the segments: shares of each segment against the rest, and tests of whole tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation.evaluation._descriptors_numeric import tail_p_value
from segmentation.governance._association import associate

__all__ = ["exact_p_values", "newcombe", "table_test"]

Floats = NDArray[np.float64]
# Expected customers per cell from which chi-squared's own distribution is used (Cochran 1954).
PER_CELL = 5
CELLS_AT_ONCE = 2_000_000
N_BOUNDS = 199


def table_test(
    table: Floats, *, level: float, n_permutations: int, rng: np.random.Generator
) -> tuple[str, float, float, float, float]:
    """Test a table of segments by levels: name of the test, p-value, Cramer's V and its bounds.

    Chi-squared; where a cell expects fewer than five customers, against tables drawn with the same margins.
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape, default=0) < 2:
        return "none: only one level or segment", float("nan"), float("nan"), float("nan"), float("nan")
    found = associate(table, level=level, n_permutations=N_BOUNDS, rng=rng)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    if expected.min() >= PER_CELL:
        p_value = float(stats.chi2.sf(statistic, (table.shape[0] - 1) * (table.shape[1] - 1)))
        return "chi-squared", p_value, found.cramers_v, found.cramers_v_low, found.cramers_v_high
    margins = stats.random_table(table.sum(axis=1).astype(np.int64), table.sum(axis=0).astype(np.int64))
    drawn = []
    each = max(1, CELLS_AT_ONCE // table.size)
    for start in range(0, n_permutations, each):
        tables = margins.rvs(size=min(each, n_permutations - start), random_state=rng)
        drawn.append(((tables - expected) ** 2 / expected).sum(axis=(-2, -1)))
    p_value = tail_p_value(statistic, np.concatenate(drawn))
    return "chi-squared, shuffled", p_value, found.cramers_v, found.cramers_v_low, found.cramers_v_high


def exact_p_values(inside: Floats, size: Floats, yes: Floats, n: Floats) -> Floats:
    """Two-sided p-values of Fisher's exact test, twice the smaller tail; NaN where one side is empty.

    Examples
    --------
    >>> exact_p_values(*np.array([[8.0, 2.0], [10.0, 10.0], [10.0, 10.0], [40.0, 10.0]])).round(6)
    array([4.7e-05,     nan])
    """
    usable = (size > 0) & (size < n) & (yes > 0) & (yes < n)
    result = np.full(len(inside), np.nan)
    k, m, good, whole = (part[usable] for part in (inside, size, yes, n))
    if len(k):
        lower, upper = stats.hypergeom.cdf(k, whole, good, m), stats.hypergeom.sf(k - 1, whole, good, m)
        result[usable] = np.minimum(1.0, 2 * np.minimum(lower, upper))
    return result


def newcombe(a: float, m: float, b: float, n: float, level: float) -> tuple[float, float]:
    """Bounds of the difference of two shares, a / m - b / n: Newcombe's hybrid of Wilson intervals.

    Source: Newcombe (1998), method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.

    Examples
    --------
    >>> [round(bound, 4) for bound in newcombe(56, 70, 48, 80, 0.95)]
    [0.0524, 0.3339]
    """
    if not m or not n:
        return float("nan"), float("nan")
    p, q = a / m, b / n
    (l1, u1), (l2, u2) = _wilson(a, m, level), _wilson(b, n, level)
    return (p - q) - float(np.hypot(p - l1, u2 - q)), (p - q) + float(np.hypot(u1 - p, q - l2))


def _wilson(x: float, n: float, level: float) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + level) / 2))
    p = x / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float((centre - half) / (1 + z * z / n)), float((centre + half) / (1 + z * z / n))
