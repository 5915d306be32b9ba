"""A difference of means, or a weighted sum of such differences, and what its distribution needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation.evaluation._equivalence import MOST_SKEWNESS, corrected, uncorrected

__all__ = ["Difference", "difference_of", "mean_of", "sum_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """An estimated mean or difference: its standard error, degrees of freedom, skewness, and the fewest events."""

    difference: float
    error: float
    df: float
    skewness: float
    events: float

    def p_above(self, margin: float) -> float:
        """P-value of "it is larger than the margin"."""
        if not self.error > 0:
            return 0.0 if self.difference > margin else 1.0
        return float(stats.t.sf(corrected((self.difference - margin) / self.error, self.skewness), self.df))

    def low(self, alpha: float) -> float:
        """Lower one-sided bound."""
        if not self.error > 0:
            return self.difference
        return self.difference - float(uncorrected(stats.t.isf(alpha, self.df), self.skewness)) * self.error


def mean_of(values: Array) -> Difference:
    """Return the mean of a sample; its events are the values other than 0."""
    n = len(values)
    if n < 2:
        return Difference(math.nan, 0.0, 1.0, 0.0, 0.0)
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    skewness = float(((values - mean) ** 3).mean()) / n**2 / (variance / n) ** 1.5 if variance > 0 else 0.0
    return Difference(mean, math.sqrt(variance / n), n - 1.0, _limited(skewness), float((values != 0).sum()))


def difference_of(values: Array, side: NDArray[np.bool_]) -> Difference:
    """Return the mean of the values on the side less that of the others."""
    return sum_of([(values, side, 1.0)])


def sum_of(parts: Sequence[tuple[Array, NDArray[np.bool_], float]]) -> Difference:
    """Return the weighted sum over parts of (values, side, weight) of mean on the side less mean of the others."""
    total = variance = third = spread_of_variance = 0.0
    events = math.inf
    for values, side, weight in parts:
        levels, sizes = np.unique(values, return_counts=True)
        common = levels[np.argmax(sizes)] if len(levels) else 0.0
        for group, sign in ((values[side], 1.0), (values[~side], -1.0)):
            n = len(group)
            events = min(events, float((group != common).sum()))
            if n < 2:
                return Difference(math.nan, 0.0, 1.0, 0.0, 0.0)
            mean = float(group.mean())
            part = weight**2 * float(group.var(ddof=1)) / n
            total += sign * weight * mean
            variance += part
            third += sign * weight**3 * float(((group - mean) ** 3).mean()) / n**2
            spread_of_variance += part**2 / (n - 1)
    if not variance > 0:
        return Difference(total, 0.0, 1.0, 0.0, events)
    df = variance**2 / spread_of_variance
    return Difference(total, math.sqrt(variance), df, _limited(third / variance**1.5), events)


def _limited(skewness: float) -> float:
    return float(np.clip(skewness, -MOST_SKEWNESS, MOST_SKEWNESS))
