"""Estimates from a handful of periods: a ratio of sums with its interval, a sum, a trend."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["natural", "ratio", "ratios_to_date", "total", "trend"]

Floats = NDArray[np.float64]
Three = tuple[float, float, float]
NOTHING: Three = (np.nan, np.nan, np.nan)
# A line through two points leaves nothing to judge it by.
LEAST_FOR_TREND = 3


def natural(text: str) -> tuple[Any, ...]:
    """Return a key that sorts texts as people count.

    Examples
    --------
    >>> sorted(["week 10", "week 9", "2024-01"], key=natural)
    ['2024-01', 'week 9', 'week 10']
    """
    parts = re.split(r"(\d+)", text)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part)


def ratio(cost: Floats, outcome: Floats, level: float) -> Three:
    """Return the sum of outcomes over the sum of costs, with its interval; periods are the replicates.

    The variance is the jackknife's (how the ratio changes when a period is left out), which costs that differ much from
    period to period do not make too small, with Student's t of one degree of freedom less than periods (Cochran (1977),
    Sampling Techniques, sections 6.4 and 6.17). No interval for one period, nor where one period has all the cost; no
    ratio where the costs do not add up to something.

    Examples
    --------
    >>> [round(float(value), 2) for value in ratio(np.array([10.0, 20, 10]), np.array([20.0, 50, 15]), 0.9)]
    [2.12, 1.1, 3.15]
    """
    spent = float(cost.sum())
    if not spent > 0:
        return NOTHING
    value = float(outcome.sum()) / spent
    n = len(cost)
    if n < 2:
        return value, np.nan, np.nan
    others = spent - cost
    if (others <= 0).any():
        return value, np.nan, np.nan
    change = (outcome - value * cost) / others
    spread = np.sqrt((n - 1) / n * float(change @ change))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * spread
    return value, value - half, value + half


def ratios_to_date(cost: Floats, outcome: Floats, level: float) -> list[Three]:
    """Return the `ratio` of the first period, of the first two, and so on."""
    return [ratio(cost[: i + 1], outcome[: i + 1], level) for i in range(len(cost))]


def total(values: Floats, level: float) -> Three:
    """Return a sum over periods with the interval of such sums; none for one period."""
    value, n = float(values.sum()), len(values)
    if n < 2:
        return value, np.nan, np.nan
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * values.std(ddof=1) * np.sqrt(n))
    return value, value - half, value + half


def trend(position: Floats, cost: Floats, outcome: Floats, level: float) -> tuple[float, float, float, float]:
    """Return the change of the return per period, its interval, and the p-value of no change.

    A straight line through the returns of periods, each weighted by its cost; errors are the robust ones called HC3
    (MacKinnon and White (1985), doi:10.1016/0304-4076(85)90158-7), because returns of cheap periods are not always more
    variable. NaN for fewer than three periods.
    """
    used = (cost > 0) & ~np.isnan(outcome)
    x, weight = position[used], cost[used]
    n = len(x)
    if n < LEAST_FOR_TREND or not np.ptp(x) > 0:
        return (*NOTHING, np.nan)
    y = outcome[used] / weight
    weight = weight / weight.sum()
    centred = x - weight @ x
    spread = float(weight @ centred**2)
    slope = float(weight @ (centred * y)) / spread
    rest = y - weight @ y - slope * centred
    leverage = weight * (1 + centred**2 / spread)
    if (leverage >= 1 - 1e-9).any():  # a period through which the line goes whatever it says
        return slope, np.nan, np.nan, np.nan
    error = float(np.linalg.norm(weight * centred * rest / (1 - leverage))) / spread
    half = float(stats.t.ppf(0.5 + level / 2, n - 2)) * error
    if error <= 1e-12 * max(1.0, abs(slope)):  # the points lie on a line
        p = 1.0 if abs(slope) <= 1e-12 * float(np.abs(y).max() + 1e-300) else 0.0
    else:
        p = float(2 * stats.t.sf(abs(slope) / error, n - 2))
    return slope, slope - half, slope + half, p
