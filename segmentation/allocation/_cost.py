"""The cheapest plan that reaches a target."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some, number
from segmentation.allocation._concave import solve_concave
from segmentation.allocation._errors import InfeasibleError, UnboundedError
from segmentation.allocation._keys import listed, named
from segmentation.allocation._problem import Problem, Solution, with_caps_as_rows
from segmentation.allocation._solve import GAP, with_own_prices

__all__ = ["out_of_reach", "solve_concave_cost", "solve_cost"]

Array = NDArray[np.float64]
MAX_ROUNDS = 60
CLOSE = 1e-10


def solve_cost(
    problem: Problem, price: Array, target: float, *, gap: float = GAP, time_limit: float | None = None
) -> tuple[Solution, float]:
    """Find the efforts that bring the target for the least money.

    Concave problems: the most that can be had for so much money is a concave function of it, and each solved problem
    gives its value and its slope: tangents bound the least cost from below (Newton's method), chords from above.
    Discrete ones: see `solve_discrete_cost`.

    Parameters
    ----------
    problem : Problem
    price : ndarray of shape (R,)
        Money per unit of each resource.
    target : float
        Of the outcome, fixed costs not taken off: they are part of the cost.
    gap, time_limit
        For discrete problems.

    Returns
    -------
    Solution
        Its ``shadow_prices`` are the money saved by one more unit of each resource, its ``gap`` relative to the cost.
    target_price : float
        The money for one more unit of the target.
    """
    rows = with_caps_as_rows(problem)
    padded = np.concatenate([price, np.zeros(len(rows.supply) - len(price))])
    if rows.is_discrete:
        from segmentation.allocation._cost_search import solve_discrete_cost

        solution, target_price = solve_discrete_cost(rows, padded, target, gap=gap, time_limit=time_limit)
    else:
        solution, target_price = solve_concave_cost(rows, padded, target)
    return with_own_prices(problem, solution, worth=target_price, price=price), target_price


def solve_concave_cost(problem: Problem, price: Array, target: float) -> tuple[Solution, float]:
    """Find the cheapest plan of a concave problem without caps."""
    cost_of = problem.use @ price
    most = _most(problem, cost_of, target)
    total_most = problem.total(most.x)
    if target > total_most * (1 + 1e-9):
        raise out_of_reach(problem, most, total_most, target)
    target = min(target, total_most)
    least = _least_cost(problem, cost_of)
    low, low_total, low_x = float(cost_of @ least), problem.total(least), least
    if low_total >= target:
        return Solution(least, np.zeros(len(price)), 0.0, "optimal", np.zeros(len(problem.floors))), 0.0
    high, high_total, high_x = float(cost_of @ most.x), total_most, most.x
    bound, solution = low, most
    money = high
    for k in range(MAX_ROUNDS):
        chord = low + (target - low_total) / max(high_total - low_total, 1e-300) * (high - low)
        high_is_close = high - bound <= CLOSE * max(high, 1e-300)
        if high_is_close or high - low <= CLOSE * max(high, 1e-300):
            break
        money = chord if k == 0 or not bound > low else bound
        money = min(max(money, low + 1e-12 * (high - low)), high)
        solution = _with_money(problem, cost_of, money)
        total = problem.total(solution.x)
        slope = float(solution.shadow_prices[-1])
        if total >= target:
            high, high_total, high_x = money, total, solution.x
        else:
            low, low_total, low_x = money, total, solution.x
        if slope > 0:
            bound = max(bound, money + (target - total * (1 + solution.gap)) / slope)
        if abs(total - target) <= 1e-12 * abs(target):
            high, high_total, high_x = money, total, solution.x
            break
    weight = (target - low_total) / (high_total - low_total) if high_total > target else 1.0
    # on a concave function the mean of two plans brings at least the mean of what they bring
    x = high_x if weight >= 1.0 else weight * high_x + (1 - weight) * low_x
    slope = max(float(solution.shadow_prices[-1]), 1e-300)
    cost = float(cost_of @ x)
    gap = max(cost - bound, 0.0) / max(cost, 1e-300)
    result = Solution(
        x,
        solution.shadow_prices[:-1] / slope if len(solution.shadow_prices) > len(price) else np.zeros(len(price)),
        gap,
        "optimal",
        solution.floor_prices / slope,
        solution.n_iterations,
    )
    return result, 1.0 / slope


def _most(problem: Problem, cost_of: Array, target: float) -> Solution:
    """Return the plan with the most return, or one that is above the target where return has no end."""
    try:
        return solve_concave(problem)
    except UnboundedError:
        if target <= 0:
            return _with_money(problem, cost_of, float(cost_of @ problem.lower))
    one = problem.lower + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        money = target / float(np.nanmax(problem.value(one) / np.maximum(cost_of, 1e-300))) + float(cost_of @ one)
    for _ in range(MAX_ROUNDS):
        found = _with_money(problem, cost_of, money)
        if problem.total(found.x) >= target:
            break
        money *= 10.0
    return found


def _with_money(problem: Problem, cost_of: Array, money: float) -> Solution:
    limited = dataclasses.replace(
        problem,
        use=np.column_stack([problem.use, cost_of]),
        supply=np.append(problem.supply, money),
        resources=(*problem.resources, "money"),
        fixed=None,
        integer=None,
        _stacks_given=problem.stacks,
    )
    return solve_concave(limited)


def _least_cost(problem: Problem, cost_of: Array) -> Array:
    """Return the cheapest efforts that keep bounds and shares."""
    if not problem.floors:
        return problem.lower.astype(np.float64)
    from scipy.optimize import linprog

    finite = np.isfinite(problem.supply)
    floors = np.zeros((len(problem.floors), len(cost_of)))
    for k, floor in enumerate(problem.floors):
        floors[k, floor.positions] = -problem.use[floor.positions, floor.resource] / floor.amount
    supply = np.maximum(problem.supply[finite], 1e-300)
    found = linprog(
        cost_of / max(float(cost_of.max()), 1e-300),
        A_ub=np.vstack([problem.use[:, finite].T / supply[:, None], floors]),
        b_ub=np.concatenate([np.ones(len(supply)), -np.ones(len(floors))]),
        bounds=np.column_stack([problem.lower, problem.upper]),
        method="highs",
    )
    return np.asarray(found.x, dtype=np.float64)


def out_of_reach(problem: Problem, most: Solution, total: float, target: float) -> InfeasibleError:
    """Say what holds the outcome below the target."""
    scarce = [problem.resources[j] for j in np.flatnonzero(most.shadow_prices > 0)]
    at_upper = [named(problem.items[i]) for i in np.flatnonzero(most.x >= problem.upper * (1 - 1e-9))]
    requirements = (
        f"the target of {number(target)}",
        *(f"the amount of {name!r}" for name in scarce),
        *(f"the upper bound of {item}" for item in at_upper),
    )
    return InfeasibleError(
        f"the target of {number(target)} is out of reach: the best plan brings {number(total)}. What holds it down: "
        f"{'the amount of ' + name_some(scarce) if scarce else 'no resource'}"
        f"{'; the upper bounds of ' + listed(at_upper) if at_upper else ''}"
        f"{'' if scarce or at_upper else '; the curves bring no more'}. Lower the target, or provide more.",
        requirements,
    )
