"""What is known of a plan that was chosen on the same estimates that value it.

Let V(x; t) be the outcome of efforts x if t are the curves, t^ the estimates, p(t) the best plan for t, a any other
plan. Three things differ from V(p(t^); t^) - V(a; t^):

* the gain V(p(t^); t) - V(a; t) of the plan that was chosen: lower, because p(t^) looks better on the estimates that
  chose it than it is;
* the cost V(p(t); t) - V(a; t) against the optimum that nobody knows: lower on average, because a maximum of
  estimates is too high;
* the regret V(p(t); t) - V(p(t^); t) of having acted on estimates, which is the difference of the two.

The draws t_d scatter around t^ as t^ does around t, so the same errors are seen once more in the draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._misallocation_draws import Batch, batch_of, best_plans, is_smooth, mixed, point_batch
from segmentation.allocation._problem import Problem
from segmentation.curves import LinearCurve

__all__ = ["Figure", "Study", "cost_of", "figure_of", "net_value", "n_drawn", "study_of"]

Array = NDArray[np.float64]
# Plans are chosen this part of the way to the draws and valued all the way: the optimism at nearly the noise of the
# estimates. At 1, with twice their variance, a choice among equals would look only 0.7 times as optimistic as it is;
# the nearer to 0, the noisier is the figure.
PART = 0.5
# Worlds in which the problem is solved again, at most: all at once; one by one; one by one where it is discrete.
MOST, ONE_BY_ONE, DISCRETE = 1000, 300, 60
# Steps of the scale along which the cost is tested, and its end relative to what is seen.
SCALES = np.linspace(0.0, 4.0, 201)
FEW_WORLDS = 20
# From the 5 % to the 95 % quantile of a standard normal distribution.
NORMAL_RANGE = 3.2897


@dataclass(frozen=True)
class Figure:
    """A figure corrected for having been chosen, its interval, and what it looks like without correction."""

    value: float
    low: float
    high: float
    uncorrected: float

    def less(self, amount: float) -> Figure:
        """Return the figure with a known amount taken off."""
        return Figure(self.value - amount, self.low - amount, self.high - amount, self.uncorrected - amount)


@dataclass(frozen=True, eq=False)
class Study:
    """A problem solved in the world of the estimates and in those of the draws.

    Attributes
    ----------
    problem : Problem
    point, draws, solved, near : Batch
        The estimates; all draws; those in which it was solved again, and a part of the way to them.
    plan, plans, near_plans : ndarray of shape (n,), (D, n), (D, n)
        The best efforts in each.
    regret : ndarray of shape (D,)
        What the plan of the estimates brings less than the best in each draw.
    """

    problem: Problem
    point: Batch
    draws: Batch
    solved: Batch
    near: Batch
    plan: Array
    plans: Array
    near_plans: Array
    regret: Array

    def value(self, worlds: Batch, x: Array) -> Array:
        """Return the outcome of each item less its fixed cost, (D, n)."""
        return net_value(self.problem, worlds, x)


def net_value(problem: Problem, worlds: Batch, x: Array) -> Array:
    """Return the outcome of each item less its fixed cost, in each world."""
    return np.asarray(worlds.value(x) - np.where(x > 0, np.asarray(problem.fixed_cost), 0.0))


def n_drawn(problem: Problem) -> int:
    """Return how many draws all curves have; 0 where none has any."""
    return min((len(curve.draws) for curve in problem.curves if curve.draws is not None), default=0)


def study_of(problem: Problem, plan: Array, n_draws: int | None) -> Study | None:
    """Solve again in the worlds of the draws; None where no curve has at least 20 draws."""
    available = n_drawn(problem)
    if available < FEW_WORLDS:
        return None
    point, draws = point_batch(problem), batch_of(problem, available)
    n = min(available, _worlds(problem, draws) if n_draws is None else n_draws)
    # evenly spread, should the draws have an order
    solved = draws.take(np.unique(np.linspace(0, available - 1, n).astype(np.int64)))
    near = mixed(point, solved, PART, plan)
    plans, near_plans = best_plans(problem, solved), best_plans(problem, near)
    best, here = net_value(problem, solved, plans).sum(axis=1), net_value(problem, solved, plan).sum(axis=1)
    # where a solver stops at its gap, the plan of the estimates may be the better one
    plans = np.where((best >= here)[:, None], plans, plan)
    return Study(problem, point, draws, solved, near, plan, plans, near_plans, np.maximum(best - here, 0.0))


def _worlds(problem: Problem, draws: Batch) -> int:
    if not is_smooth(problem, draws):
        return DISCRETE
    joint = len(problem.supply) > 1 or len(problem.caps) > 0 or any(len(f.positions) > 1 for f in problem.floors)
    return ONE_BY_ONE if joint else MOST


def figure_of(uncorrected: float, first: Array, second: Array, optimism: float, level: float) -> Figure:
    """Return the figure with its optimism taken off, and its interval.

    Parameters
    ----------
    uncorrected : float
        At the estimates.
    first : ndarray of shape (n_draws,)
        How much it is off in each draw at the efforts chosen on the estimates.
    second : ndarray of shape (n_solved,)
        How much more it is off at the efforts chosen on the draw.
    optimism : float
        The mean of that.
    level : float

    Notes
    -----
    In the leading order the error is u'e + e'Ke for normal errors e of the estimates, where u is the gradient at the
    estimates (`first`) and K comes from the efforts that follow the errors (`second` is e'Ke). By Stein's identity its
    mean is tr(K) and its variance is estimated without bias by u'u + tr(K^2), which is var(first) + var(second) / 2.
    The shape is that of `first`, turned around its mean as in a percentile interval, so that positive curves have
    positive bounds.
    """
    mean, spread = float(first.mean()), _spread(first)
    wider = np.sqrt(1 + 0.5 * (_spread(second) / spread) ** 2) if spread > 0 else 1.0
    value = uncorrected - optimism - mean
    low, high = np.quantile(wider * (first - mean), [(1 - level) / 2, (1 + level) / 2])
    return Figure(value, value + float(low), value + float(high), uncorrected)


def _spread(values: Array) -> float:
    """Return the standard deviation that a normal distribution with these quantiles has; few extremes do not count."""
    low, high = np.quantile(values, [0.05, 0.95])
    return float(high - low) / NORMAL_RANGE


def cost_of(study: Study, actual: Array, level: float, prices: Array) -> Figure:
    """Return the cost of `actual` against the unknown optimum, not below 0, and its interval.

    Notes
    -----
    The cost seen is C^ = C + s l + Q: l is how much it is off at fixed efforts, Q what the best efforts make of the
    errors, never below 0. A cost C = s^2 C^ (the loss grows with the square of how far apart the plans are, the error
    with the distance) is in the interval if C^ is not among the smallest or largest (1 - level) / 2 of what it would be
    seen as; for errors that are normal and losses that are quadratic this is exact: C^ is then a noncentral chi-square.
    """
    point, solved = study.point, study.solved
    seen = float((study.value(point, study.plan) - study.value(point, actual)).sum())
    change = study.value(solved, study.plan) - study.value(solved, actual)
    off = change.sum(axis=1) - seen
    mean = float(off.mean())
    # a maximum of estimates is too high by what choosing on them brings
    value = max(seen - mean - float(study.regret.mean()), 0.0)
    most = float(np.quantile(study.regret, (1 + level) / 2))
    if seen <= 0:
        return Figure(0.0, 0.0, most, seen)
    would_be = SCALES[:, None] ** 2 * seen + SCALES[:, None] * (2 * mean - off) + study.regret
    above = np.maximum.accumulate((would_be >= seen).mean(axis=1))
    low, high = (_scale_at(above, share) ** 2 * seen for share in ((1 - level) / 2, (1 + level) / 2))
    if _may_be_best(study, actual, seen, prices, (1 - level) / 2):
        low = 0.0
    # a plan that was chosen on these estimates costs what they are off
    return Figure(value, min(low, value), max(high, most, value), seen)


def _scale_at(above: Array, share: float) -> float:
    """Return the scale at which a share of the worlds shows more than was seen; 0 where even none does at 0."""
    return 0.0 if above[0] >= share else float(np.interp(share, above, SCALES))


def _may_be_best(study: Study, actual: Array, seen: float, prices: Array, share: float) -> bool:
    """Test where curves are straight, whose ties no quadratic shows, whether `actual` may be best after all.

    The curves are raised or lowered until their slopes at `actual` are in balance, and scattered as the draws are.
    """
    if not any(isinstance(curve, LinearCurve) for curve in study.problem.curves):
        return False
    use = study.problem.use @ prices
    slope = study.point.slope(actual)[0]
    held = actual > study.problem.lower
    if (use <= 0).any() or (slope[held] <= 0).any():
        return False
    with np.errstate(all="ignore"):
        factor = use / slope
        worth = study.point.value(actual)[0]
        scale = float(worth[held].sum() / (factor * worth)[held].sum()) if held.any() else 1.0
        factor = np.where(held, factor * scale, np.minimum(factor * scale, 1.0))
    stacks = []
    for (family, where, start), (_, _, end) in zip(study.point.stacks, study.solved.stacks, strict=True):
        params = end.copy()
        params[..., 0] = np.maximum(factor[where] * start[..., 0] + end[..., 0] - start[..., 0], 0.0)
        stacks.append((family, where, params))
    worlds = Batch(tuple(stacks), study.solved.n_worlds, study.solved.n_items)
    best = study.value(worlds, best_plans(study.problem, worlds)) - study.value(worlds, actual)
    return bool((best.sum(axis=1) >= seen).mean() > share)
