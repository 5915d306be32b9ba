"""Which variables characterise a segment: the rule of thumb of the textbook, and what random segments would show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation.evaluation._describe_variables import Variable
from segmentation.evaluation._descriptors_levels import exact_p_values
from segmentation.evaluation._descriptors_numeric import tail_p_value

__all__ = ["marker_table"]

Floats = NDArray[np.float64]
# .5 - .25 and the like must reach a limit of .25 in spite of rounding.
ROUNDING = 1e-9
# A mean with less skewness than this is described well by three moments, far into the tails.
LEAST_SKEWNESS = 0.1
# Values that are shuffled per variable at most, and how often that is at least and at most.
SHUFFLED, SHUFFLES = 100_000_000, (999, 9999)
# Shuffles expected beyond the bound: enough to count them.
BEYOND = 20


def marker_table(
    variables: Sequence[Variable],
    codes: NDArray[np.int64],
    segments: Sequence[str],
    *,
    min_difference: float,
    min_relative: float,
    min_standardised: float,
    alpha: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Describe every segment on every variable that formed the segments.

    Parameters
    ----------
    variables : sequence of Variable
    codes : ndarray of shape (n_customers,)
        Position in `segments`, len(segments) for unassigned customers, who count in the total and in the rest.
    segments : sequence of str
    min_difference, min_relative, min_standardised : float
        The rule: share points of binary variables, difference relative to the total of these and of quantities,
        standard deviations of interval variables.
    alpha : float
        Chance that random segments of the same sizes show any marker.
    rng : Generator
        For heavy-tailed means.
    """
    rows = []
    for variable in variables:
        for level, values in variable.columns():
            rows += _rows(variable, level, values, codes, segments)
    table = pd.DataFrame(rows)
    shares = table["kind"].isin(["binary", "category"])
    relative = table["relative_difference"].abs().fillna(0.0) >= min_relative - ROUNDING
    wide = table["difference"].abs() >= min_difference - ROUNDING
    far = (table["difference"] / table["sd"]).abs() >= min_standardised - ROUNDING
    table["rule"] = np.where(shares, wide | relative, np.where(table["kind"] == "interval", far, relative))
    compared = table["value"].notna() & (table["n"] < table["n_total"])
    each = alpha / max(int(compared.sum()), 1)
    asked = (table["rule"] & compared).to_numpy()
    # no p-value is shown: it would be taken for evidence, and says nothing about variables that formed the segments
    table["beyond_chance"] = False
    by_chance = _by_chance(table[asked])
    _shuffle_heavy_tails(table[asked], by_chance, each, variables, rng)
    table.loc[asked, "beyond_chance"] = by_chance < each
    table["marker"] = table["rule"] & table["beyond_chance"]
    order = {segment: i for i, segment in enumerate(segments)}
    table = table.iloc[np.argsort(table["segment"].map(order).to_numpy(), kind="stable")].reset_index(drop=True)
    shown = ["segment", "variable", "level", "kind", "n", "value", "total", "rest", "difference", "relative_difference"]
    return table[[*shown, "effect", "rule", "beyond_chance", "marker"]].astype({"rule": bool, "beyond_chance": bool})


def _rows(
    variable: Variable, level: str, values: Floats, codes: NDArray[np.int64], segments: Sequence[str]
) -> list[dict[str, Any]]:
    known = ~np.isnan(values)
    y, group = values[known], codes[known]
    n = len(y)
    total = float(y.mean()) if n else math.nan
    centred = y - total
    sd = float(np.sqrt((centred**2).mean())) if n else math.nan
    size = np.bincount(group, minlength=len(segments) + 1)[: len(segments)]
    # around the total: sums of large numbers would lose the difference
    sums = np.bincount(group, weights=centred, minlength=len(segments) + 1)[: len(segments)]
    squares = np.bincount(group, weights=centred**2, minlength=len(segments) + 1)[: len(segments)]
    of_shares = variable.kind in ("binary", "category")
    skewness = float((centred**3).mean() / sd**3) if n and sd > 0 else 0.0
    rows = []
    for i, segment in enumerate(segments):
        m = int(size[i])
        difference = sums[i] / m if m else math.nan
        rest = total - sums[i] / (n - m) if n > m else math.nan
        contrast = (total + difference) - rest
        rows.append(
            {
                "segment": segment,
                "variable": variable.name,
                "level": level,
                "kind": variable.kind,
                "n": m,
                "value": total + difference,
                "total": total,
                "rest": rest,
                "difference": difference,
                "relative_difference": _relative(difference, total, variable.kind),
                "effect": contrast if of_shares else contrast / _pooled(sums[i], squares[i], m, (centred**2).sum(), n),
                "n_total": n,
                "sd": sd if sd > 0 else math.nan,
                "skewness": skewness,
            }
        )
    return rows


def _relative(difference: float, total: float, kind: str) -> float:
    return math.nan if kind == "interval" or not total > 0 else difference / total


def _pooled(s: float, q: float, m: int, whole: float, n: int) -> float:
    """Return the standard deviation within a segment and the rest, NaN where there is none."""
    if m < 1 or n - m < 1 or n < 3:
        return math.nan
    within = whole - s**2 / m - s**2 / (n - m)  # the sum over the rest is -s
    return math.sqrt(within / (n - 2)) if within > 1e-12 * whole else math.nan


def _by_chance(rows: pd.DataFrame) -> Floats:
    """How often random groups of these sizes differ as far from the total: two-sided, shape (n_rows,).

    Exact (hypergeometric) for shares. For means the Pearson type III distribution that has the mean, variance and
    skewness of the mean of a sample without replacement; `_shuffle_heavy_tails` checks it where that is not enough.
    """
    m, n = rows["n"].to_numpy(dtype=np.float64), rows["n_total"].to_numpy(dtype=np.float64)
    value, total = rows["value"].to_numpy(dtype=np.float64), rows["total"].to_numpy(dtype=np.float64)
    shares = rows["kind"].isin(["binary", "category"]).to_numpy()
    result = np.ones(len(rows))
    result[shares] = exact_p_values(*(one[shares] for one in (np.round(value * m), m, np.round(total * n), n)))
    sd = rows["sd"].to_numpy(dtype=np.float64)
    means = ~shares & (n >= 3) & (sd > 0)
    m, n, sd = m[means], n[means], sd[means]
    spread = sd * np.sqrt((n - m) / (m * (n - 1)))
    skew = _skewness_of_mean(rows["skewness"].to_numpy(dtype=np.float64)[means], m, n)
    z = (value - total)[means] / spread
    result[means] = 2 * np.minimum(stats.pearson3.cdf(z, skew), stats.pearson3.sf(z, skew))
    return np.nan_to_num(result, nan=1.0)


def _skewness_of_mean(skewness: Floats, m: Floats, n: Floats) -> Floats:
    """Skewness of the mean of m values drawn from n without replacement."""
    result: Floats = skewness * (n - 2 * m) / (n - 2) * np.sqrt((n - 1) / (m * (n - m)))
    return result


def _shuffle_heavy_tails(
    rows: pd.DataFrame, by_chance: Floats, each: float, variables: Sequence[Variable], rng: np.random.Generator
) -> None:
    """Replace figures of means whose null is too skewed for three moments by those of shuffles, in place.

    Only where the three moments say that it is not chance: the others are no markers anyway.
    """
    known = {variable.name: variable for variable in variables}
    kinds, names = rows["kind"].to_numpy(), rows["variable"].to_numpy()
    m, n = rows["n"].to_numpy(dtype=np.float64), rows["n_total"].to_numpy(dtype=np.float64)
    difference = rows["difference"].to_numpy(dtype=np.float64)
    doubtful = (by_chance < each) & np.isin(kinds, ["numeric", "interval"]) & (m < n) & (n > 2)
    skew = np.zeros(len(rows))
    of_values = rows["skewness"].to_numpy(dtype=np.float64)[doubtful]
    skew[doubtful] = _skewness_of_mean(of_values, m[doubtful], n[doubtful])
    doubtful &= np.abs(skew) > LEAST_SKEWNESS
    for name in dict.fromkeys(names[doubtful]):
        places = np.flatnonzero(doubtful & (names == name))
        values = known[name].numbers
        values = values[~np.isnan(values)]
        values = values - values.mean()
        sizes = m[places].astype(np.int64)
        n_draws = np.clip(min(SHUFFLED // len(values), BEYOND / each), *SHUFFLES)
        drawn = np.empty((int(n_draws), len(places)))
        for i in range(len(drawn)):
            drawn[i] = np.cumsum(rng.permutation(values))[sizes - 1] / sizes
        for j, place in enumerate(places):
            side = np.sign(difference[place])
            by_chance[place] = min(1.0, 2 * tail_p_value(side * difference[place], side * drawn[:, j]))
