"""The cheapest plan that reaches a target where some choices are all or nothing."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._concave import solve_concave
from segmentation.allocation._cost import out_of_reach, solve_concave_cost
from segmentation.allocation._discrete import solve_discrete
from segmentation.allocation._errors import InfeasibleError, UnboundedError
from segmentation.allocation._problem import Problem, Solution

__all__ = ["solve_discrete_cost"]

Array = NDArray[np.float64]
MAX_ROUNDS = 60
# Each search for the most return is this much nearer than the cost is asked to be, at first.
FINER = 0.1
FINEST = 1e-8


def solve_discrete_cost(
    problem: Problem, price: Array, target: float, *, gap: float, time_limit: float | None
) -> tuple[Solution, float]:
    """Find the cheapest plan of a discrete problem without caps.

    The most that can be had for so much money never falls with it, so an amount of money for which no plan can reach
    the target (its proven bound is below) bounds the least cost from below, and every plan that reaches it from above.
    The distance between the two is narrowed until it is within the gap, or until neither can be said: what is left is
    stated as the gap.
    """
    deadline = None if time_limit is None else time.perf_counter() + time_limit
    plain = dataclasses.replace(problem, fixed_cost=None, _stacks_given=problem.stacks)
    cost_of, once = problem.use @ price, np.asarray(problem.fixed) @ price + np.asarray(problem.fixed_cost)
    least = np.where(np.asarray(plain.optional), 0.0, plain.lower)
    if plain.total(least) >= target and plain.is_feasible(least):
        nothing = np.zeros(len(price))
        return Solution(least, nothing, 0.0, "optimal", np.zeros(len(plain.floors))), 0.0
    most = _most(plain, cost_of, once, target, FINER * gap, deadline)
    total = plain.total(most.x)
    if target > total + _above(total, most.gap):
        raise out_of_reach(plain, most, total, target)
    if target > total:
        raise InfeasibleError(
            f"the best plan found brings {total:.10g}, the target is {target:.10g}, and it is proven only that no plan "
            f"brings more than {total + _above(total, most.gap):.10g}: lower the target a little, or gap.",
            (f"the target of {target:g}",),
        )
    best, high, at_high = most.x, _cost(most.x, cost_of, once), total
    low, unsure, at_start, fine = 0.0, 0.0, 0.0, FINER * gap
    for k in range(MAX_ROUNDS):
        start = max(low, unsure)
        width = high - start
        if width <= 0.5 * gap * high or (deadline is not None and time.perf_counter() > deadline):
            break
        money = start + 0.5 * width
        if k % 3:
            # a straight line through what is known hits nearly where nothing jumps; a little beside it, to be sure
            line = start + width * min(max((target - at_start) / max(at_high - at_start, 1e-300), 0.0), 1.0)
            beside = 0.2 * gap * high
            money = min(max(line + (beside if k % 3 == 1 else -beside), start + 0.02 * width), high - 0.02 * width)
        try:
            found = solve_discrete(_with_money(plain, cost_of, once, money), gap=fine, time_limit=_seconds(deadline))
        except InfeasibleError:
            low = money
            continue
        except TimeoutError:
            # a plan is known already: what is proven of it stands
            break
        reached = plain.total(found.x)
        if reached >= target:
            best, high, at_high = found.x, min(money, _cost(found.x, cost_of, once)), reached
        elif reached + _above(reached, found.gap) < target:
            low, at_start = money, reached
        elif fine > FINEST:
            # it may be reached or not: look more closely
            fine = max(0.1 * fine, FINEST)
        else:
            unsure, at_start = money, reached
    return _with_choices_kept(plain, best, price, once, target, low, gap)


def _most(problem: Problem, cost_of: Array, once: Array, target: float, gap: float, deadline: float | None) -> Solution:
    """Return the plan with the most return, or one above the target where return has no end."""
    try:
        return solve_discrete(problem, gap=gap, time_limit=_seconds(deadline))
    except UnboundedError:
        money = float(cost_of @ (problem.lower + 1.0)) + float(once.sum())
    for _ in range(MAX_ROUNDS):
        found = solve_discrete(_with_money(problem, cost_of, once, money), gap=gap, time_limit=_seconds(deadline))
        if problem.total(found.x) >= target:
            break
        money *= 4.0
    return found


def _seconds(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.perf_counter(), 0.1)


def _above(total: float, gap: float) -> float:
    return gap * abs(total)


def _cost(x: Array, cost_of: Array, once: Array) -> float:
    return float(cost_of @ x) + float(once[x > 0].sum())


def _with_money(problem: Problem, cost_of: Array, once: Array, money: float) -> Problem:
    return dataclasses.replace(
        problem,
        use=np.column_stack([problem.use, cost_of]),
        fixed=np.column_stack([np.asarray(problem.fixed), once]),
        supply=np.append(problem.supply, money),
        integer=np.append(np.asarray(problem.integer), False),
        resources=(*problem.resources, "money"),
        _stacks_given=problem.stacks,
    )


def _with_choices_kept(
    problem: Problem, x: Array, price: Array, once: Array, target: float, low: float, gap: float
) -> tuple[Solution, float]:
    """Return the cheapest plan with the same items funded and the same whole units, and its prices."""
    funded = x > 0
    stays = funded & (problem.use[:, np.asarray(problem.integer)] > 0).any(axis=1)
    bent = np.array([not curve.concave for curve in problem.curves])
    # beyond its steepest point an S-shaped curve flattens: there it may move
    stays |= funded & bent & ~(problem.slope(x * (1 - 1e-4)) > problem.slope(x))
    start = np.where(stays | (funded & bent), x, problem.lower)
    rest = dataclasses.replace(
        problem,
        lower=np.where(funded, start, 0.0),
        upper=np.where(stays, x, np.where(funded, problem.upper, 0.0)),
        supply=np.maximum(problem.supply - np.asarray(problem.fixed)[funded].sum(axis=0), 0.0),
        optional=None,
        fixed=None,
        integer=None,
        exclusive=(),
        _stacks_given=problem.stacks,
    )
    cost_of = problem.use @ price
    paid = _cost(x, cost_of, once)
    try:
        found, worth = solve_concave_cost(rest, price, min(target, problem.total(x)))
        cost = _cost(found.x, cost_of, once)
        kept = problem.is_feasible(found.x) and problem.total(found.x) >= target * (1 - 1e-9)
    except InfeasibleError:
        kept = False
    if not kept or cost > paid * (1 + 1e-12):
        found, worth, cost = dataclasses.replace(solve_concave(rest), x=x), 0.0, paid
        found = dataclasses.replace(found, shadow_prices=np.zeros(len(price)))
    distance = max(cost - low, 0.0) / max(cost, 1e-300)
    status = "optimal" if distance <= 1e-6 else "within gap" if distance <= gap else "stopped"
    return dataclasses.replace(found, gap=distance, status=status), worth
