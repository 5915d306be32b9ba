"""From the choices of the linear programme to a plan that keeps everything, as good as it gets with these choices."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._concave import solve_concave
from segmentation.allocation._discrete_domain import Domain
from segmentation.allocation._discrete_model import Choice
from segmentation.allocation._discrete_pieces import CONCAVE, Pieces
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._problem import Floor, Problem, Solution

__all__ = ["plan_of"]

Array = NDArray[np.float64]
# How much, of its piece, an effort on the convex part of a curve may be lowered to undo the rounding of the solver.
LOWERED = (0.0, 1e-8, 1e-6, 1e-4)


def plan_of(domain: Domain, pieces: Pieces, choice: Choice) -> tuple[Array, Solution] | None:
    """Return efforts and the solution of the concave problem that is left; None where rounding leaves no plan."""
    problem = domain.problem
    n = len(problem.items)
    chosen = np.flatnonzero(choice.weight > 0.5)
    item = pieces.item[chosen]
    funded = np.zeros(n, dtype=bool)
    funded[item] = True
    free = np.zeros(n, dtype=bool)
    free[item] = (pieces.kind[chosen] == CONCAVE) & (pieces.step[chosen] == 0)
    low, high, at, length = (np.zeros(n) for _ in range(4))
    low[item], high[item], length[item] = pieces.a[chosen], pieces.b[chosen], pieces.span[chosen]
    at[item] = _allowed(pieces, chosen, choice.effort[chosen])
    # a concave piece may have been narrowed to what was thought to matter: the whole of it is allowed
    bent = np.maximum(domain.lower, domain.inflection)
    low = np.where(free, np.minimum(low, bent), low)
    # ... and beyond what the resources allow it: what ends it then is the resource, which so gets its price
    high = np.where(free, np.maximum(high, problem.upper), high)
    stepped = np.zeros(n, dtype=bool)
    stepped[item] = pieces.step[chosen] > 0
    supply = problem.supply - np.asarray(problem.fixed)[funded].sum(axis=0)
    # floors of choices alone are kept or not: nothing is left to be chosen
    floors = tuple(f for f in problem.floors if free[f.positions].any())
    in_floor = np.zeros(n, dtype=bool)
    for floor in floors:
        in_floor[floor.positions] = True
    not_flat = np.where(in_floor, np.maximum(np.minimum(high, domain.flat), low), high)
    for lowered, top in itertools.product(LOWERED, (not_flat, high)):
        fixed_at = np.where(stepped, at, np.maximum(at - lowered * length, low))
        rest = dataclasses.replace(
            problem,
            lower=np.where(free, low, np.where(funded, fixed_at, 0.0)),
            upper=np.where(free, top, np.where(funded, fixed_at, 0.0)),
            supply=np.maximum(supply, 0.0),
            floors=floors,
            _stacks_given=problem.stacks,
        )
        try:
            solution = solve_concave(rest)
        except InfeasibleError:
            continue
        if problem.is_feasible(solution.x):
            return solution.x, _with_all_floors(problem, floors, solution)
    return None


def _with_all_floors(problem: Problem, floors: tuple[Floor, ...], solution: Solution) -> Solution:
    prices = np.zeros(len(problem.floors))
    kept_at = [k for k, floor in enumerate(problem.floors) if any(floor is other for other in floors)]
    if len(solution.floor_prices):
        prices[kept_at] = solution.floor_prices
    return dataclasses.replace(solution, floor_prices=prices)


def _allowed(pieces: Pieces, which: NDArray[np.int64], x: Array) -> Array:
    a, b, step = pieces.a[which], pieces.b[which], pieces.step[which]
    whole = step > 0
    units = np.round((x - a) / np.where(whole, step, 1.0))
    return np.clip(np.where(whole, a + units * step, x), a, b)
