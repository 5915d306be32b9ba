"""How far a planned size may be off because the baseline is an estimate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

__all__ = ["needed_range", "wilson"]

Z = 1.959963984540054


def wilson(rate: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion.

    Examples
    --------
    >>> low, high = wilson(0.1, 1000)
    >>> round(low, 4), round(high, 4)
    (0.0829, 0.1202)
    """
    centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def needed_range(
    row: pd.Series[Any], size: Callable[[pd.Series[Any]], float], *, relative: bool, proportion: bool
) -> tuple[float, float]:
    """Return the smallest and largest size over the corners of the intervals of mean and standard deviation."""
    n = float(row["n_known"])
    if n < 2:
        return math.nan, math.nan
    mean = float(row["mean"])
    share = float(row["lift"]) / mean if relative and mean else None
    sds: list[float | None]
    if proportion:
        means, sds = [mean, *wilson(mean, n)], [None]
    else:
        sd = float(row["sd"])
        half = Z * sd / math.sqrt(n)
        means = [mean, mean - half, mean + half] if relative else [mean]
        error = Z * float(row.get("sd_se", sd / math.sqrt(2 * (n - 1))))
        sds = [sd, max(0.0, sd - error), sd + error]
    found = []
    for each, spread in itertools.product(means, sds):
        lift = float(row["lift"]) if share is None else share * each
        if lift == 0 or (relative and mean * each <= 0):  # a share of nothing cannot be found
            found.append(math.inf)
            continue
        changed = row.copy()
        changed["mean"], changed["lift"] = each, lift
        if spread is not None:
            changed["sd"] = spread
        found.append(size(changed))
    return min(found), max(found)
