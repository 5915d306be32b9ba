"""Are two segments' means within a margin of money of each other: bounds that hold for skewed money.

The mean of a sample of zero-inflated, heavy-tailed money is skewed itself, and the smaller of two very unequal segments
decides how much. Hall's (1992) cubic transformation of the studentised difference takes that skewness out, monotonely
and without resampling; Zhou and Dinh (2005) give it for two samples.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

__all__ = ["CANNOT_TELL", "DIFFERENT", "EQUIVALENT", "Levels", "Moments", "compare_pairs", "corrected", "moments_of"]

Array = NDArray[np.float64]

EQUIVALENT = "equivalent"
DIFFERENT = "different"
CANNOT_TELL = "cannot tell"

# Skewness of the difference beyond which no more is corrected. The expansion behind the transformation is one in small
# skewness; where a sample shows more, it shows a handful of customers. Corrected in full, equal segments of strongly
# skewed money go unmerged in 5 to 45 of 100 worlds and segments that differ by the margin are merged hardly less often
# (benchmarks/bench_granularity.py --skewness prints both for several limits).
MOST_SKEWNESS = 0.15
# Customers of a segment whose outcome is not the most common one (for money: not zero). With fewer, mean and spread
# rest on nobody in particular: fifty customers without a purchase have no spread at all, and prove nothing.
LEAST_EVENTS = 20
# A pair whose difference exceeds the margin by this many standard errors is no candidate for being equivalent, so it
# need not be paid for when correcting for many (the first of the two steps of Romano, Shaikh and Wolf 2014).
CLEARLY_APART = 3.0
OUT_OF_REACH = 100.0
# Whether the margin is wide enough asks what would be found if the segments were equal, so the spread of both together
# counts: a small sample of skewed money mostly shows too little. No more than this many times the standard error seen,
# so that segments of truly unequal spread stay decidable where the margin is 5.5 standard errors.
MOST_POOLED = 1.5
# More standard errors than this are as many as this; their cube is a number still.
FARTHEST = 1e50
# The standard error that a needed number is computed from is itself uncertain: so a fifth more customers are asked for.
SLACK = 1.2


@dataclass(frozen=True)
class Moments:
    """What a comparison needs to know of each segment: arrays of one value per segment."""

    n: Array
    mean: Array
    variance: Array
    third: Array
    n_events: Array
    common: float


@dataclass(frozen=True)
class Levels:
    """Chance of any wrong decision about a pair, and of finding equal segments equivalent."""

    alpha: float
    power: float

    @property
    def one_sided(self) -> float:
        """Half of alpha is for any wrong "equivalent", the other for any wrong "different"."""
        return self.alpha / 2

    @property
    def gate(self) -> float:
        """Standard errors that the margin must have, or equal segments would too often go unnoticed."""
        return float(stats.norm.isf(self.one_sided) + stats.norm.isf((1 - self.power) / 2))


def moments_of(values: Array, codes: NDArray[np.int64], n_segments: int) -> Moments:
    """Return the moments of the values per segment; values must be finite, codes from 0 to `n_segments` - 1."""
    n = np.bincount(codes, minlength=n_segments).astype(np.float64)
    divisor = np.maximum(n, 1)
    mean = np.bincount(codes, weights=values, minlength=n_segments) / divisor
    gap = values - mean[codes]
    square = np.bincount(codes, weights=gap**2, minlength=n_segments)
    third = np.bincount(codes, weights=gap**3, minlength=n_segments) / divisor
    levels, sizes = np.unique(values, return_counts=True)
    common = float(levels[np.argmax(sizes)]) if len(levels) else 0.0
    events = np.zeros(n_segments)
    for code in range(n_segments):  # rarely many segments; the commonest value of each is its own
        inside = values[codes == code]
        if inside.size:
            events[code] = inside.size - np.unique(inside, return_counts=True)[1].max()
    variance = np.where(n > 1, square / np.maximum(n - 1, 1), np.nan)
    return Moments(n, mean, variance, third, events, common)


def corrected(studentised: Any, skewness: Any) -> Any:
    """Hall's transformation of a studentised mean or difference: without its skewness, nearly Student's t.

    Examples
    --------
    >>> corrected(-2.0, 0.0)
    -2.0
    >>> round(corrected(-2.0, 0.2), 3)  # too small a mean comes with too small a spread: less of a surprise
    -1.712
    """
    return studentised + skewness * (studentised**2 / 3 + 1 / 6) + skewness**2 * studentised**3 / 27


def uncorrected(quantile: Any, skewness: Any) -> Any:
    """Inverse of `corrected`: the studentised value that belongs to a quantile of Student's t."""
    safe = np.where(np.abs(skewness) < 1e-6, 1.0, skewness)
    bent = 3 / safe * (np.cbrt(1 + safe * (quantile - safe / 6)) - 1)
    return np.where(np.abs(skewness) < 1e-6, quantile, bent)


def compare_pairs(moments: Moments, margin: float, outcome: Any) -> pd.DataFrame:
    """Compare every two segments in one outcome; no decision yet, which takes all outcomes and pairs together.

    Returns
    -------
    pandas.DataFrame
        ``first``, ``second`` (codes), ``outcome``, ``margin``, ``difference`` (mean of the first - of the second),
        ``standard_error``, ``df``, ``skewness``, ``margin_in_se``, ``p_equivalent``, ``p_different``, ``excess_in_se``
        (how far beyond the margin the difference lies) and ``few_events`` (too few for any claim).
    """
    pairs = np.array(list(itertools.combinations(range(len(moments.n)), 2)), dtype=np.int64).reshape(-1, 2)
    first, second = pairs[:, 0], pairs[:, 1]
    n1, n2 = moments.n[first], moments.n[second]
    with np.errstate(divide="ignore", invalid="ignore"):
        part1, part2 = moments.variance[first] / n1, moments.variance[second] / n2
        error = np.sqrt(part1 + part2)
        df = (part1 + part2) ** 2 / (part1**2 / (n1 - 1) + part2**2 / (n2 - 1))
        skewness = (moments.third[first] / n1**2 - moments.third[second] / n2**2) / error**3
        few = np.minimum(moments.n_events[first], moments.n_events[second]) < LEAST_EVENTS
        usable = np.isfinite(error) & (error > 0) & np.isfinite(df) & ~few
        skewness = np.clip(np.nan_to_num(skewness), -MOST_SKEWNESS, MOST_SKEWNESS)
        spread = ((n1 - 1) * moments.variance[first] + (n2 - 1) * moments.variance[second]) / (n1 + n2 - 2)
        pooled = np.sqrt(spread * (1 / n1 + 1 / n2))
        cautious = np.maximum(error, np.minimum(pooled, MOST_POOLED * error))
        difference = moments.mean[first] - moments.mean[second]
        over, under = (np.clip(gap / error, -FARTHEST, FARTHEST) for gap in (difference - margin, difference + margin))
        below = np.where(usable, stats.t.cdf(corrected(over, skewness), df), 1.0)  # against a difference of +margin
        above = np.where(usable, stats.t.sf(corrected(under, skewness), df), 1.0)  # against one of -margin
        # far above +margin, or far below -margin; a margin of hardly a standard error leaves room for both by chance
        one_sided = np.minimum(stats.t.sf(corrected(over, skewness), df), stats.t.cdf(corrected(under, skewness), df))
        other_side = stats.norm.sf(stats.norm.isf(one_sided) + 2 * margin / error)
        different = np.where(usable, np.minimum(1.0, one_sided + other_side), 1.0)
    return pd.DataFrame(
        {
            "first": first,
            "second": second,
            "outcome": outcome,
            "margin": margin,
            "difference": difference,
            "standard_error": error,
            "df": df,
            "skewness": skewness,
            "margin_in_se": np.where(usable, margin / np.where(usable, cautious, 1.0), 0.0),
            "p_equivalent": np.maximum(below, above),
            "p_different": different,
            "excess_in_se": np.where(usable, np.maximum(over, -under), -math.inf),
            "few_events": few,
        }
    )


def decide(rows: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """Decide all pairs of all outcomes together; return the rows with decision, interval and customers needed.

    A pair is equivalent if it is in every outcome: no correction over outcomes is needed for that (an
    intersection-union test), but Holm's over pairs. It is different if it is in one outcome: that is corrected over
    pairs and outcomes.
    """
    rows = rows.sort_values(["first", "second"], kind="stable", ignore_index=True)
    keys = [rows["first"], rows["second"]]
    by_pair = rows.groupby(["first", "second"], sort=True)
    n_outcomes = int(by_pair.size().max()) if len(rows) else 1
    pair = by_pair.agg(
        p_equivalent=("p_equivalent", "max"),
        p_different=("p_different", "min"),
        margin_in_se=("margin_in_se", "min"),
        excess=("excess_in_se", "max"),
    )
    pair["precise"] = pair["margin_in_se"] >= levels.gate
    contending = (pair["precise"] & (pair["excess"] < CLEARLY_APART)).to_numpy()
    equivalent, level_equivalent, adjusted = _holm(pair["p_equivalent"].to_numpy(), contending, levels.one_sided)
    p_different = np.minimum(1.0, n_outcomes * pair["p_different"].to_numpy())
    different, level_different, adjusted_different = _holm(
        p_different, np.ones(len(pair), dtype=bool), levels.one_sided
    )
    pair["decision"] = np.select([equivalent, different], [EQUIVALENT, DIFFERENT], CANNOT_TELL)
    level_different = level_different / n_outcomes
    pair["level"] = np.select(
        [equivalent, different], [level_equivalent, level_different], np.minimum(level_equivalent, level_different)
    )
    pair["p_adjusted_equivalent"], pair["p_adjusted_different"] = adjusted, adjusted_different
    place = pd.MultiIndex.from_arrays(keys)
    for name in ("decision", "level", "precise", "p_adjusted_equivalent", "p_adjusted_different"):
        rows[name] = pair[name].reindex(place).to_numpy()
    quantile = stats.t.isf(rows["level"].to_numpy(dtype=float), rows["df"].to_numpy(dtype=float))
    error, skewness = rows["standard_error"].to_numpy(), rows["skewness"].to_numpy()
    rows["difference_low"] = rows["difference"] - uncorrected(quantile, skewness) * error
    rows["difference_high"] = rows["difference"] - uncorrected(-quantile, skewness) * error
    few = rows["few_events"].to_numpy()
    rows.loc[few, ["difference_low", "difference_high"]] = np.nan
    rows["times_needed"] = [
        1.0 if decision != CANNOT_TELL else _times_needed(row, levels)
        for decision, row in zip(rows["decision"], rows.to_dict("records"), strict=True)
    ]
    return rows


def _times_needed(row: Mapping[Any, Any], levels: Levels) -> float:
    """How many times as many customers would decide an undecided pair; infinite where hardly any number would.

    Enough that equal segments are found equivalent; and where that is given, so that the difference seen, if it is the
    true one, is told from the margin.
    """
    error, margin = float(row["standard_error"]), float(row["margin"])
    if row["few_events"] or not error > 0:
        return math.nan  # the caller knows how many events there are
    z = float(stats.norm.isf(row["level"]))
    half, full = float(stats.norm.isf((1 - levels.power) / 2)), float(stats.norm.isf(1 - levels.power))
    short = max(levels.gate / row["margin_in_se"], (z + half) * error / margin)
    if short > FARTHEST:
        return math.inf
    equal = float(SLACK * short**2)
    if equal > 1 and not (row["precise"] and equal <= SLACK):
        return equal
    gap = abs(margin - abs(row["difference"]))
    near = (z + full) * error / gap if gap > 0 else math.inf
    seen = float(SLACK * min(near, FARTHEST) ** 2)
    return seen if seen <= OUT_OF_REACH else math.inf


def _holm(p_values: Array, inside: NDArray[np.bool_], alpha: float) -> tuple[NDArray[np.bool_], Array, Array]:
    """Holm's test of the p-values that are inside the family.

    Returns
    -------
    rejected, level, adjusted : arrays
        `level` is the one at which the interval of each tells what Holm decided: that of its own step if rejected, that
        of the step that failed otherwise; outside of the family that of the whole family.
    """
    n = int(inside.sum())
    rejected, adjusted = np.zeros(len(p_values), dtype=bool), np.ones(len(p_values))
    level = np.full(len(p_values), alpha / max(n, 1))
    order = np.flatnonzero(inside)[np.argsort(p_values[inside], kind="stable")]
    running, failed = 0.0, False
    for step, place in enumerate(order):
        level[place] = alpha / (n - step) if not failed else level[order[step - 1]]
        running = max(running, min(1.0, (n - step) * p_values[place]))
        adjusted[place] = running
        failed = failed or running > alpha
        rejected[place] = not failed
    return rejected, level, adjusted
