"""How good a forecast per customer is: errors, ranking, calibration, and differences with intervals. Pure arrays.

Rankings treat ties as if they were broken at random, and give the expectation: customers with equal predictions
share equally in what happened to all of them. So no figure depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LOWER_IS_BETTER",
    "MEASURES",
    "RANKING_MEASURES",
    "Calibration",
    "Interval",
    "Ranking",
    "calibrate",
    "capture_curve",
    "measure",
    "paired_intervals",
]

Floats = NDArray[np.float64]

BEST_SHARE = 0.1
N_GROUPS = 10

# What a forecast is judged by; a ranking without an amount only by the last three.
MEASURES = ("total_error", "mae", "rmse", "gini", "best_decile", "spearman")
RANKING_MEASURES = MEASURES[3:]
LOWER_IS_BETTER = frozenset(MEASURES[:3])

# Bits of the mantissa in which predictions must differ to be different: sums in another order are still equal.
SIGNIFICANT_BITS = 40


class Ranking:
    """Customers by a value, in groups of equal ones; ascending."""

    def __init__(self, values: Floats) -> None:
        mantissa, exponent = np.frexp(values)
        scale = 2.0**SIGNIFICANT_BITS
        self.distinct, self.group = np.unique(
            np.ldexp(np.round(mantissa * scale) / scale, exponent), return_inverse=True
        )

    def sums(self, weights: Floats) -> Floats:
        """Add up `weights` of shape (n_customers,) within each group."""
        return np.bincount(self.group, weights, minlength=len(self.distinct)).astype(np.float64)

    def mid_ranks(self, weights: Floats) -> Floats:
        """Return each customer's rank, the mean one of the group, where customers count `weights` times."""
        sizes = self.sums(weights)
        ranks: Floats = (np.cumsum(sizes) - sizes / 2)[self.group]
        return ranks


class Curve(NamedTuple):
    """Share of the customers taken, best first, and share of the actual total that is theirs."""

    customers: Floats
    caught: Floats

    def at(self, share: float | Floats) -> Floats:
        """Return the share caught among this share of the customers."""
        return np.asarray(np.interp(share, self.customers, self.caught), dtype=np.float64)

    def area(self) -> float:
        """Return the Gini coefficient: twice the area between the curve and the diagonal."""
        return float(np.sum(np.diff(self.customers) * (self.caught[1:] + self.caught[:-1])) - 1)


def capture_curve(ranking: Ranking, actual: Floats, weights: Floats | None = None) -> Curve:
    """Return the curve of a ranking, highest value first, straight within groups of equal values.

    Examples
    --------
    >>> curve = capture_curve(Ranking(np.array([9.0, 5.0, 5.0, 1.0])), np.array([6.0, 4.0, 0.0, 0.0]))
    >>> curve.at(np.array([0.25, 0.5, 0.75])).tolist()
    [0.6, 0.8, 1.0]
    """
    weights = np.ones(len(actual)) if weights is None else weights
    sizes, sums = ranking.sums(weights)[::-1], ranking.sums(weights * actual)[::-1]
    customers, caught = np.cumsum(sizes), np.cumsum(sums)
    start = np.zeros(1)
    return Curve(np.concatenate([start, customers / customers[-1]]), np.concatenate([start, caught / caught[-1]]))


class _Forecast:
    """One method's forecast beside what happened, prepared for many weightings of the customers."""

    def __init__(self, predicted: Floats, actual: Floats, *, ranks_only: bool) -> None:
        self.predicted, self.actual, self.ranks_only = predicted, actual, ranks_only
        self.ranking = Ranking(predicted)
        error = predicted - actual
        self.absolute, self.squared = np.abs(error), error**2

    def measures(self, weights: Floats, best_area: float, truth_ranks: Floats) -> Floats:
        """Return `MEASURES`; NaN where one is not defined."""
        total, n = float(weights @ self.actual), float(weights.sum())
        result = np.full(len(MEASURES), np.nan)
        if not self.ranks_only:
            result[0] = abs(weights @ self.predicted / total - 1) if total > 0 else np.nan
            result[1] = weights @ self.absolute / n
            result[2] = np.sqrt(weights @ self.squared / n)
        if total > 0:
            curve = capture_curve(self.ranking, self.actual, weights)
            result[3] = curve.area() / best_area if best_area > 0 else np.nan
            result[4] = curve.at(BEST_SHARE)
        result[5] = _correlation(self.ranking.mid_ranks(weights), truth_ranks, weights)
        return result


def _all_measures(forecasts: Iterable[_Forecast], actual: Floats, truth: Ranking, weights: Floats) -> Floats:
    """Return the measures of all forecasts, shape (n_forecasts, n_measures); what they share is computed once."""
    best_area = capture_curve(truth, actual, weights).area() if weights @ actual > 0 else np.nan
    ranks = truth.mid_ranks(weights)
    return np.array([forecast.measures(weights, best_area, ranks) for forecast in forecasts])


def _correlation(first: Floats, second: Floats, weights: Floats) -> float:
    """Return the weighted correlation; 0 where one of the two does not vary, as no ranking orders anything."""
    share = weights / weights.sum()
    first, second = first - share @ first, second - share @ second
    spread = (share @ first**2) * (share @ second**2)
    return float(share @ (first * second) / np.sqrt(spread)) if spread > 0 else 0.0


def measure(predicted: Floats, actual: Floats, *, ranks_only: bool = False) -> dict[str, float]:
    """Measure one forecast.

    Parameters
    ----------
    predicted, actual : ndarray of shape (n_customers,)
    ranks_only : bool, default=False
        Whether `predicted` orders customers without saying how much they will buy.

    Returns
    -------
    dict of str to float
        ``total_error`` (absolute, relative to the actual total), ``mae``, ``rmse``, ``gini`` (of the ranking,
        divided by that of the perfect ranking), ``best_decile`` (share of the actual total that the tenth with the
        highest predictions has), ``spearman``. NaN where not defined.

    Examples
    --------
    >>> found = measure(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    >>> found["total_error"], found["mae"], found["gini"], found["spearman"]
    (1.0, 1.0, 1.0, 1.0)
    """
    forecast = _Forecast(predicted, actual, ranks_only=ranks_only)
    found = _all_measures([forecast], actual, Ranking(actual), np.ones(len(actual)))[0]
    return dict(zip(MEASURES, found.tolist(), strict=True))


class Interval(NamedTuple):
    """By how much the model is better than a baseline (negative: worse), with an interval."""

    advantage: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """In one word, or five."""
        if not np.isfinite([self.advantage, self.low, self.high]).all():
            return "cannot be said"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no difference to speak of"


def paired_intervals(
    model: Floats,
    baselines: Mapping[str, Floats],
    actual: Floats,
    *,
    ranks_only: Sequence[str] = (),
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[tuple[str, str], Interval]:
    """Compare the model with each baseline on the same resamples of the customers (percentile bootstrap).

    Returns
    -------
    dict of (measure, baseline) to Interval
        Only the pairs that are defined; signs are such that positive means that the model is better.
    """
    n, truth = len(actual), Ranking(actual)
    forecasts = {
        name: _Forecast(predicted, actual, ranks_only=name in ranks_only)
        for name, predicted in {"": model, **baselines}.items()
    }
    sign = np.array([-1.0 if name in LOWER_IS_BETTER else 1.0 for name in MEASURES])

    def advantages(weights: Floats) -> Floats:
        found = _all_measures(forecasts.values(), actual, truth, weights)
        result: Floats = sign * (found[0] - found[1:])
        return result

    observed = advantages(np.ones(n))
    resampled = np.array(
        [advantages(np.bincount(rng.integers(n, size=n), minlength=n).astype(float)) for _ in range(n_resamples)]
    )
    return {
        (name, baseline): Interval(float(observed[i, j]), *_bounds(resampled[:, i, j], level))
        for j, name in enumerate(MEASURES)
        for i, baseline in enumerate(baselines)
        if name in RANKING_MEASURES or baseline not in ranks_only
    }


def _bounds(values: Floats, level: float) -> tuple[float, float]:
    """Return the middle `level` of the values; NaN where a share of them that matters is not defined."""
    defined = values[np.isfinite(values)]
    if len(defined) < (1 + level) / 2 * len(values):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class Calibration(NamedTuple):
    """Groups of customers by prediction, lowest first; arrays of shape (n_groups,)."""

    n: NDArray[np.int64]
    predicted: Floats
    actual: Floats
    standard_error: Floats


def calibrate(predicted: Floats, actual: Floats, n_groups: int = N_GROUPS) -> Calibration:
    """Cut customers into groups of equal size by prediction, and give the means of each.

    A group of equal predictions that a cut divides counts on both sides in proportion: the expectation if its
    customers were divided at random. The standard error is that of the mean of `actual`.

    Examples
    --------
    >>> calibrate(np.array([1.0, 1.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.0, 5.0]), n_groups=2).actual.tolist()
    [1.0, 4.0]
    """
    n, ranking = len(actual), Ranking(predicted)
    n_groups = min(n_groups, n)
    cuts = np.round(np.linspace(0, n, n_groups + 1)).astype(np.int64)
    edges = np.concatenate([np.zeros(1), np.cumsum(ranking.sums(np.ones(n)))])
    sizes = np.diff(cuts)

    def means(values: Floats) -> Floats:
        sums = np.concatenate([np.zeros(1), np.cumsum(ranking.sums(values))])
        result: Floats = np.diff(np.interp(cuts, edges, sums)) / sizes
        return result

    mean = means(actual)
    variance = np.maximum(means(actual**2) - mean**2, 0.0)
    return Calibration(sizes, means(predicted), mean, np.sqrt(variance / np.maximum(sizes - 1, 1)))
