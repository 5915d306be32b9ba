"""The one place where the method for a problem is chosen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._concave import solve_concave
from segmentation.allocation._problem import Problem, Solution, with_caps_as_rows

__all__ = ["GAP", "solve", "with_own_prices"]

Array = NDArray[np.float64]
# The gap to which discrete problems are solved unless another is asked for.
GAP = 1e-4
NEAR = 1e-7


def solve(problem: Problem, *, gap: float = GAP, time_limit: float | None = None) -> Solution:
    """Solve for the most return: concave problems to the last digits, discrete ones to the gap.

    ``shadow_prices`` are those of the resources, ``floor_prices`` and ``cap_prices`` those of floors and caps; in a
    discrete problem those of the plan with its choices fixed.
    """
    rows = with_caps_as_rows(problem)
    if rows.is_discrete:
        from segmentation.allocation._discrete import solve_discrete

        solution = _with_rising(rows, solve_discrete(rows, gap=gap, time_limit=time_limit))
        solution = _with_idle(rows, solution, _may_grow(rows, solution.x))
    else:
        solution = _with_idle(rows, solve_concave(rows), np.ones(len(rows.items), dtype=bool))
    return with_own_prices(problem, solution)


def _with_rising(problem: Problem, solution: Solution) -> Solution:
    """Add what a resource brings in an S-shaped curve that still rises faster, where nothing else ends its effort."""
    x, slope = solution.x, problem.slope(solution.x)
    moves = (x > 0) & (x < problem.upper * (1 - NEAR)) & ~(problem.use[:, np.asarray(problem.integer)] > 0).any(axis=1)
    bent = np.array([not curve.concave for curve in problem.curves])
    scarce = problem.used(x) >= problem.supply * (1 - NEAR)
    prices = solution.shadow_prices.copy()
    for i in np.flatnonzero(moves & bent):
        binding = np.flatnonzero(scarce & (problem.use[i] > 0))
        if len(binding) == 1:
            j = int(binding[0])
            prices[j] = max(prices[j], float(slope[i]) / problem.use[i, j])
    return dataclasses.replace(solution, shadow_prices=prices)


def _may_grow(problem: Problem, x: Array) -> NDArray[np.bool_]:
    """Tell which items a little more can go to while the choices stay: not whole units, nor what would be a choice."""
    whole = (problem.use[:, np.asarray(problem.integer)] > 0).any(axis=1)
    chosen = np.asarray(problem.optional) | (np.asarray(problem.fixed) > 0).any(axis=1)
    chosen |= np.asarray(problem.fixed_cost) > 0
    for group in problem.exclusive:
        chosen[group] = True
    return np.asarray(~whole & ((x > 0) | ~chosen))


def _with_idle(problem: Problem, solution: Solution, may_grow: NDArray[np.bool_]) -> Solution:
    """Add the price of resources that least amounts use up, or of which there is none: what a little more would bring.

    No item is free to move there, so that the optimum itself leaves the price open between this and infinity.
    """
    x, prices = solution.x, solution.shadow_prices
    used = problem.used(x)
    scarce = np.isfinite(problem.supply) & (used >= problem.supply * (1 - 1e-12))
    idle = np.flatnonzero(scarce & (prices <= 0))
    if not len(idle):
        return solution
    grows = may_grow & (x < problem.upper * (1 - NEAR))
    takes = problem.use[:, idle] > 0
    # who needs two such resources gets no further with one of them
    candidates = np.flatnonzero(grows & (takes.sum(axis=1) == 1))
    surplus = problem.slope(x)[candidates] - problem.use[candidates] @ prices
    prices = prices.copy()
    for k, j in enumerate(idle.tolist()):
        here = takes[candidates, k]
        worth = surplus[here] / problem.use[candidates[here], j]
        most = float(worth.max(initial=0.0))
        # a slope without limit at no effort has no price that could be stated
        if np.isfinite(most):
            prices[j] = max(most, 0.0)
    return dataclasses.replace(solution, shadow_prices=prices)


def with_own_prices(
    problem: Problem, solution: Solution, *, worth: float = 1.0, price: Any = 0.0, marginal: Array | None = None
) -> Solution:
    """Return the solution with prices sorted by what they belong to, those of single items computed from slopes.

    With ``objective="cost"`` prices are money: `worth` is that of one unit of outcome, `price` that of each resource.
    `marginal` takes the place of the slopes where something else than the total is maximised.
    """
    n = len(problem.supply)
    x, prices = solution.x, solution.shadow_prices[:n]
    if not problem.floors and not problem.caps:
        return solution
    together = [k for k, cap in enumerate(problem.caps) if len(cap.positions) > 1]
    cap_prices = np.zeros(len(problem.caps))
    cap_prices[together] = solution.shadow_prices[n : n + len(together)]
    # what one more unit of effort brings above what it takes elsewhere, shares and caps of one item left aside
    slope = problem.slope(x) if marginal is None else marginal
    # where a slope has no limit, neither has what more effort brings
    surplus = np.where(np.isfinite(slope), worth * np.where(np.isfinite(slope), slope, 0.0), np.inf)
    surplus -= problem.use @ (prices + price)
    for k in together:
        cap = problem.caps[k]
        surplus[cap.positions] -= cap.weights * cap_prices[k]
    floor_prices = solution.floor_prices.copy() if len(solution.floor_prices) else np.zeros(len(problem.floors))
    for k, floor in enumerate(problem.floors):
        if len(floor.positions) == 1:
            i = int(floor.positions[0])
            per_unit = float(problem.use[i, floor.resource])
            held = x[i] * per_unit <= floor.amount * (1 + NEAR) and floor.amount > problem.lower[i] * per_unit
            floor_prices[k] = max(-float(surplus[i]), 0.0) / per_unit if held else 0.0
    for k, cap in enumerate(problem.caps):
        if len(cap.positions) == 1:
            i, weight = int(cap.positions[0]), float(cap.weights[0])
            limit = cap.amount / weight
            held = x[i] >= limit * (1 - NEAR) and limit < problem.upper[i]
            cap_prices[k] = max(float(surplus[i]), 0.0) / weight if held and np.isfinite(surplus[i]) else 0.0
    return dataclasses.replace(solution, shadow_prices=prices, floor_prices=floor_prices, cap_prices=cap_prices)
