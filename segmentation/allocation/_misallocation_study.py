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

__all__ = ["Figure", "Study", "figure_of", "net_value", "n_drawn", "n_worlds", "study_of"]

Array = NDArray[np.float64]
# Plans are chosen this part of the way to the draws and valued all the way: the optimism at nearly the noise of the
# estimates. At 1, with twice their variance, a choice among equals would look only 0.7 times as optimistic as it is;
# the nearer to 0, the noisier is the figure.
PART = 0.5
# Worlds in which the problem is solved again, at most: all at once; one by one; one by one where it is discrete.
WORLDS = (1000, 300, 60)
FEW_WORLDS = 20
# From the 5 % to the 95 % quantile of a standard normal distribution.
NORMAL_RANGE = 3.2897
# First-order errors of more standard deviations count as so many where second-order ones are put beside them.
EXTREME = 3.0
# Plans that chance would bring as near to each other with no more than this probability, though both were the best,
# are taken for chosen on the same estimates.
UNLIKELY = 0.005


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

    def follows(self, actual: Array) -> bool:
        """Tell whether `actual` is nearer to the plan than errors would let it be if it had been there before them.

        Who acts on a plan, and compares it with itself or with what it was rounded to, must not read that it loses.
        """
        at_point, at_plan = self.value(self.point, actual), self.value(self.point, self.plan)
        seen, digits = float((at_plan - at_point).sum()), 1e-9 * float(np.abs(at_plan).sum())
        off = (self.value(self.solved, self.plan) - self.value(self.solved, actual)).sum(axis=1) - seen
        near = abs(seen) <= max(float(np.quantile(self.regret, UNLIKELY)), digits)
        return near and float(off.std()) <= max(2 * float(self.regret.std()), digits)


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
    n = min(available, n_worlds(problem, draws, WORLDS) if n_draws is None else n_draws)
    # evenly spread, should the draws have an order
    solved = draws.take(np.unique(np.linspace(0, available - 1, n).astype(np.int64)))
    near = mixed(point, solved, PART, plan)
    plans, near_plans = best_plans(problem, solved), best_plans(problem, near)
    best, here = net_value(problem, solved, plans).sum(axis=1), net_value(problem, solved, plan).sum(axis=1)
    # where a solver stops at its gap, the plan of the estimates may be the better one
    plans = np.where((best >= here)[:, None], plans, plan)
    return Study(problem, point, draws, solved, near, plan, plans, near_plans, np.maximum(best - here, 0.0))


def n_worlds(problem: Problem, draws: Batch, most: tuple[int, int, int]) -> int:
    """Return in how many worlds to solve: all at once, one by one, or one by one where the problem is discrete."""
    if not is_smooth(problem, draws):
        return most[2]
    joint = len(problem.supply) > 1 or len(problem.caps) > 0 or any(len(f.positions) > 1 for f in problem.floors)
    return most[1] if joint else most[0]


def figure_of(uncorrected: float, first: Array, again: Array, second: Array, optimism: float, level: float) -> Figure:
    """Return the figure with its optimism taken off, and its interval.

    Parameters
    ----------
    uncorrected : float
        At the estimates.
    first : ndarray of shape (n_draws,)
        How much it is off in each draw at the efforts chosen on the estimates.
    again : ndarray of shape (n_solved,)
        That in the draws in which the problem was solved again.
    second : ndarray of shape (n_solved,)
        How much more it is off at the efforts chosen on the draw.
    optimism : float
        The mean of that.
    level : float

    Notes
    -----
    In the leading order the error is u'e for normal errors e of the estimates, where u is the gradient at the
    estimates (u'e_d is `first`) and follows them itself: u = m + Ke, K from the efforts that follow the errors (e'Ke
    is `second`). By Stein's identity the mean of the error is tr(K).

    Where the plans are far apart, Ke is small beside m, and u'e + e'Ke is as good as normal. Where they are equal but
    for the errors, the error is e'Ke, a sum of squares, and a normal interval around its mean is too wide: with one
    way to move effort its coverage at 90 % is 97.5 %. But with one way, u is a number that is seen, the error is u e,
    and e lies within 1.64 standard errors in 90 % however large u is. So only what e'Ke is apart from its part along
    `first` needs a correction: c is that part (the slope of `second` on the square of `first`), tr(K) - c the shift of
    the interval, and u'u + (tr(K^2) - c^2) (1 - c / tr(K)) its variance. For quadratic outcomes and normal errors the
    coverage at 90 % is 89 to 92 %, wherever the plans are and whatever the errors are along 1 to 30 directions. Where
    the plans are equal, nearly all of the rest lies above the interval; c^2 / 2 more variance for the lower end
    makes it no more than 8 %, and the coverage 94 % at most.

    The shape is that of `first`, turned around its mean as in a percentile interval, so that positive curves have
    positive bounds.
    """
    mean, spread = float(first.mean()), _spread(first)
    value = uncorrected - optimism - mean
    low, high = np.quantile(first - mean, [(1 - level) / 2, (1 + level) / 2]).tolist()
    if spread > 0:
        along = min(max(_along(again / spread, second), min(optimism, 0.0)), max(optimism, 0.0))
        rest = 1 - along / optimism if optimism else 1.0
        variance = max(0.5 * _spread(second) ** 2 - along**2, 0.0) * rest
        low = along + low * float(np.sqrt(1 + (variance + 0.5 * along**2) / spread**2))
        high = along + high * float(np.sqrt(1 + variance / spread**2))
    return Figure(value, min(value + low, value), max(value + high, value), uncorrected)


def _along(scaled: Array, second: Array) -> float:
    """Return the slope of second-order errors on the square of the first-order ones; few extremes do not count."""
    square = np.minimum((scaled - scaled.mean()) ** 2, EXTREME**2)
    square = square - square.mean()
    size = float(square @ square)
    return float(square @ second) / size if size > 0 else 0.0


def _spread(values: Array) -> float:
    """Return the standard deviation that a normal distribution with these quantiles has; few extremes do not count."""
    low, high = np.quantile(values, [0.05, 0.95])
    return float(high - low) / NORMAL_RANGE
