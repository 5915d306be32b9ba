"""Where a plan spends more than it brings back: the return of the last unit beside its price."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, number
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._keys import listed, named
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._profit import solve_profit
from segmentation.allocation._resource import Resource

__all__ = ["spends_too_much"]

Array = NDArray[np.float64]
# So much below its price, relative, the return of the last unit is worth a word; and so much of a resource.
BELOW = 1e-6
WORTH_SAYING = 1e-4
# With more items the better amount is not computed beside the plan.
COMPUTED = 2000


def spends_too_much(
    problem: Problem, solution: Solution, resources: Sequence[Resource], marginal: Array
) -> tuple[str, ...]:
    """Return a sentence where the last unit of some effort brings less than it costs.

    Only prices that were named count: an outcome may be orders, and a lone budget without a price says nothing of it.
    """
    prices = np.array([resource.price or 0.0 for resource in resources])
    if not (prices > 0).any():
        return ()
    x, cost = solution.x, problem.use @ prices
    whole = (problem.use[:, np.asarray(problem.integer)] > 0).any(axis=1)
    over = (x > problem.lower * (1 + 1e-9)) & ~whole & (marginal < cost * (1 - BELOW))
    if not over.any():
        return ()
    saved = None
    if not problem.is_discrete and len(x) <= COMPUTED:
        saved = _saved(problem, x, prices)
        if saved is None:
            return ()
    who = [named(problem.items[i]) for i in np.flatnonzero(over)]
    if len(resources) == 1:
        resource, price = resources[0], float(solution.shadow_prices[0])
        last = float((marginal[over] / problem.use[over, 0]).max()) if price <= 0 else price
        first = (
            f"one more {resource.unit or 'unit'} of {resource.name!r} brings {number(last)}, less than it costs "
            f"({number(float(prices[0]))})"
        )
        first = first[0].upper() + first[1:]
    else:
        first = f"The last unit of {count(len(who), 'effort')} brings less than it costs: {listed(who)}"
    rest = ""
    if saved is not None:
        amounts = [
            f"{r.of(float(saved[j]))} of {r.name!r}"
            for j, r in enumerate(resources)
            if saved[j] > WORTH_SAYING * r.amount
        ]
        if amounts:
            rest = f", about {' and '.join(amounts)} would better stay unspent"
    return (
        f"{first}. If outcomes are money in the unit of the prices{rest or ', less would better be spent'}: "
        'objective="profit" finds how much.',
    )


def _saved(problem: Problem, x: Array, prices: Array) -> Array | None:
    """Return how much less of each resource the plan with the most profit takes; None where it takes no less."""
    try:
        best = solve_profit(problem, prices).x
    except InfeasibleError:
        return None
    saved = problem.used(x) - problem.used(best)
    return np.asarray(saved) if (saved > WORTH_SAYING * problem.used(x)).any() else None
