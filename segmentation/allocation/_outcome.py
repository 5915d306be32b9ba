"""What efforts bring, with what the draws of the curves say about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._problem import Problem

__all__ = ["Outcome", "interval", "outcome_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Outcome of each item and of all, with intervals where curves have draws (NaN where not).

    Fixed costs are taken off the total, not off the items. ``total_draws`` is None where no curve has draws; curves
    without any are taken as known.
    """

    each: Array
    low: Array
    high: Array
    total: float
    total_draws: Array | None

    def total_interval(self, level: float) -> tuple[float, float]:
        """Return the interval of the total, of equal tails; NaN without draws."""
        return interval(self.total_draws, level)


def interval(draws: Array | None, level: float) -> tuple[float, float]:
    """Return lower and upper bound of equal tails; NaN without draws."""
    if draws is None:
        return np.nan, np.nan
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def outcome_of(problem: Problem, x: Array, level: float, *, weights: Array | None = None) -> Outcome:
    """Return what efforts bring. The d-th draws of all curves are added up: curves drawn together stay together.

    With `weights` (n,), only so much of each item counts.
    """
    weight = np.ones(len(x)) if weights is None else weights
    each = weight * problem.value(x)
    paid = float(problem.fixed_costs(x).sum())
    low, high = np.full(len(x), np.nan), np.full(len(x), np.nan)
    drawn = [i for i, curve in enumerate(problem.curves) if curve.draws is not None]
    if not drawn:
        return Outcome(each, low, high, float(each.sum()) - paid, None)
    n_draws = min(len(problem.curves[i].draws) for i in drawn)  # type: ignore[arg-type]
    total = np.full(n_draws, float(np.delete(each, drawn).sum()) - paid)
    for i in drawn:
        draws = weight[i] * problem.curves[i].value_draws(float(x[i]))
        low[i], high[i] = interval(draws, level)
        total += draws[:n_draws]
    return Outcome(each, low, high, float(each.sum()) - paid, total)
