"""The plan that leaves the most money: what it brings, less what the resources it takes cost."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._errors import UnboundedError
from segmentation.allocation._keys import named
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._solve import GAP, solve
from segmentation.curves import LinearCurve

__all__ = ["profit_of", "solve_profit"]

Array = NDArray[np.float64]
# There is so much more of what is bought than can be of use, so that some is left and the price is that of the market.
MORE = 1.1
FINEST = 5e-7
# Gaps are relative to the profit, or to this share of it and of all that is not spent together, where that is more.
LEAST = 1e-3
# Searches of a discrete problem: the gap is relative to the profit, which is known only after the first.
SEARCHES = 3


def profit_of(problem: Problem, x: Array, prices: Array) -> float:
    """Return the outcome less fixed costs and less what the resources taken cost; NaN where a price is unknown."""
    used = problem.used(x)
    return problem.net(x) - float(np.where(used > 0, used * prices, 0.0).sum())


def solve_profit(problem: Problem, prices: Array, *, gap: float = GAP, time_limit: float | None = None) -> Solution:
    """Find the efforts with the most profit.

    What is not spent of a resource is an item like others: its curve is a straight line with the price as its slope.
    The most of everything together is then the most profit, and all that holds for `solve` holds here.

    Returns
    -------
    Solution
        ``shadow_prices`` are what one more unit brings above its price; ``gap`` is relative to the profit.
    """
    bought = np.flatnonzero(prices > 0)
    n, m = len(problem.items), len(bought)
    supply = problem.supply.astype(np.float64)
    supply[bought] = np.minimum(supply, _of_use(problem, prices))[bought]
    use = np.zeros((m, len(supply)))
    use[np.arange(m), bought] = 1.0

    def longer(values: Array, rest: object) -> Array:
        return np.append(values, np.full(m, rest))

    whole = dataclasses.replace(
        problem,
        items=(*problem.items, *((None, problem.resources[j]) for j in bought)),
        curves=(*problem.curves, *(LinearCurve(float(prices[j])) for j in bought)),
        use=np.vstack([problem.use, use]),
        supply=supply,
        lower=longer(problem.lower, 0.0),
        upper=longer(problem.upper, np.inf),
        optional=np.append(np.asarray(problem.optional), np.zeros(m, dtype=bool)),
        fixed=np.vstack([np.asarray(problem.fixed), np.zeros_like(use)]),
        fixed_cost=longer(np.asarray(problem.fixed_cost), 0.0),
        _stacks_given=None,
    )
    deadline = None if time_limit is None else time.perf_counter() + time_limit
    asked, proven, found = gap, np.inf, None
    for _ in range(SEARCHES if problem.is_discrete else 1):
        try:
            newer = solve(whole, gap=asked, time_limit=time_limit)
        except TimeoutError:
            if found is None:
                raise
            break
        everything = abs(whole.net(newer.x))
        # a profit of next to nothing is no measure
        size = max(abs(profit_of(problem, newer.x[:n], np.where(prices > 0, prices, 0.0))), LEAST * everything)
        distance = newer.gap * everything / size if everything > 0 else newer.gap
        if found is None or distance < proven:
            proven, found = distance, newer
        if proven <= gap or asked <= FINEST:
            break
        asked = max(0.9 * asked * gap / proven, FINEST)
        if deadline is not None:
            time_limit = deadline - time.perf_counter()
            if time_limit <= 0:
                break
    assert found is not None  # noqa: S101 - the first search found it or raised
    above = np.maximum(found.shadow_prices - np.where(prices > 0, prices, 0.0), 0.0)
    # rounding of a price is no worth
    above[above <= 1e-9 * prices] = 0.0
    status = "optimal" if proven <= 1e-6 else "within gap" if proven <= gap else "stopped"
    return dataclasses.replace(found, x=found.x[:n], shadow_prices=above, gap=proven, status=status)


def _of_use(problem: Problem, prices: Array) -> Array:
    """Return how much of each resource can be of use where each item goes on until its next unit earns its price."""
    cost = problem.use @ np.nan_to_num(prices)
    with np.errstate(all="ignore"):
        worth = np.where(cost > 0, problem.effort_at(np.maximum(cost, 1e-300)), 0.0)
    most = np.maximum(np.minimum(worth, problem.upper), problem.lower)
    for floor in problem.floors:
        here = floor.positions
        most[here] = np.maximum(most[here], floor.amount / problem.use[here, floor.resource])
    endless = np.flatnonzero(np.isinf(most) & (problem.use[:, np.isinf(problem.supply) & (prices > 0)] > 0).any(axis=1))
    if len(endless):
        raise UnboundedError(
            f"nothing limits the effort of {named(problem.items[int(endless[0])])}: its return never falls below its "
            "price, and there is no end of what it takes. Give it an upper bound."
        )
    with np.errstate(invalid="ignore"):
        taken = np.where(problem.use > 0, problem.use * most[:, None], 0.0)
    # whole units may go one further
    taken += np.asarray(problem.integer) * (problem.use > 0)
    needed = MORE * (taken + np.asarray(problem.fixed)).sum(axis=0)
    return np.asarray(np.where(np.asarray(problem.integer), np.ceil(needed), needed))
