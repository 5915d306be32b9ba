"""What holds each item where it is, and why something of a resource is left, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._resource import Resource

__all__ = ["HELD", "what_holds", "why_left"]

Array = NDArray[np.float64]
AT_LOWER = "least amount"
AT_UPPER = "upper bound"
SHARE = "least share of the segment"
NOT_FUNDED = "not funded: what it takes earns more elsewhere"
NO_RESPONSE = "no response"
SATURATED = "saturated: more brings nothing"
BETWEEN = "balanced: its next unit earns what it would elsewhere"
TIED = "tied: shares with others of equal return"
IMPOSSIBLE = "nothing to give: a resource it takes is used up by least amounts, or zero"
HELD = (AT_LOWER, AT_UPPER, SHARE, NOT_FUNDED, NO_RESPONSE, SATURATED, BETWEEN, TIED, IMPOSSIBLE)
NEAR = 1e-9


def what_holds(problem: Problem, x: Array, opportunity: Array) -> list[str]:
    """Return for each item what keeps its effort from being more or less.

    `opportunity` (n,) is what the resources that a unit of effort takes would bring elsewhere.
    """
    slope = problem.slope(x)
    with np.errstate(all="ignore"):
        at_upper = np.asarray(x >= problem.upper * (1 - NEAR))
        at_lower = np.asarray((x <= problem.lower * (1 + NEAR)) & (problem.lower > 0))
        zero: NDArray[np.bool_] = np.asarray(x <= 0)
        first: Array = np.asarray(problem.slope(np.zeros(len(x))))
        reach = problem.supply - problem.lower @ problem.use
        exhausted = np.asarray((problem.use[:, reach <= NEAR * np.maximum(problem.supply, 1e-300)] > 0).any(axis=1))
        fastest = np.where(np.isfinite(first), first, np.where(x > 0, problem.value(x) / x, np.inf))
        flat = np.asarray(slope <= 1e-12 * fastest)
        straight = (problem.slope(0.5 * x) <= slope * (1 + 1e-9)) & (slope > 0)
    in_floor = np.zeros(len(x), dtype=bool)
    for floor in problem.floors:
        taken = float(x[floor.positions] @ problem.use[floor.positions, floor.resource])
        price = opportunity[floor.positions]
        # held by the share: at its amount, and another unit earns less than the resources it takes are worth
        if taken <= floor.amount * (1 + 1e-7):
            in_floor[floor.positions] |= slope[floor.positions] < price * (1 - 1e-6)
    words = []
    for i in range(len(x)):
        if first[i] <= 0:
            words.append(NO_RESPONSE if zero[i] else AT_LOWER)
        elif at_upper[i] and not zero[i]:
            words.append(AT_UPPER)
        elif in_floor[i] and not zero[i]:
            words.append(SHARE)
        elif at_lower[i]:
            words.append(AT_LOWER)
        elif zero[i]:
            words.append(IMPOSSIBLE if exhausted[i] else AT_UPPER if problem.upper[i] == 0 else NOT_FUNDED)
        elif flat[i]:
            words.append(SATURATED)
        else:
            words.append(TIED if straight[i] else BETWEEN)
    return words


def why_left(
    problem: Problem,
    solution: Solution,
    resources: Sequence[Resource],
    holds: Sequence[str],
    left: Array,
    *,
    cost: bool,
) -> list[str]:
    """Return for each resource why something is left of it, or what one more unit would bring."""
    result = []
    for j, resource in enumerate(resources):
        price = float(solution.shadow_prices[j])
        unit = resource.unit or "unit"
        if np.isinf(resource.amount):
            result.append("no limit")
        elif resource.amount == 0:
            result.append("there is none")
        elif left[j] <= 0:
            gain = f"saves {price:.4g}" if cost else f"brings {price:.4g}"
            result.append(f"used up: one more {unit} {gain}" if price > 0 else "used up, to no avail at the margin")
        elif not (problem.use[:, j] > 0).any():
            result.append("left: no action takes it")
        elif cost:
            result.append("left: the target is reached without it")
        else:
            result.append(f"left: {_reasons(problem, solution, holds, j)}")
    return result


def _reasons(problem: Problem, solution: Solution, holds: Sequence[str], j: int) -> str:
    takers = np.flatnonzero(problem.use[:, j] > 0)
    others = [
        problem.resources[k]
        for k in np.flatnonzero(solution.shadow_prices > 0)
        if k != j and (problem.use[takers, k] > 0).any()
    ]
    kinds = [holds[i] for i in takers.tolist()]
    parts = []
    for word, text in ((AT_UPPER, "at the upper bound"), (SATURATED, "saturated"), (NO_RESPONSE, "without response")):
        n = kinds.count(word)
        if n:
            parts.append(f"{count(n, 'item')} {text}")
    held = len(kinds) - sum(kinds.count(word) for word in (AT_UPPER, SATURATED, NO_RESPONSE))
    if held and others:
        parts.append(f"{count(held, 'item')} held back by {name_some(others)}")
    return ", ".join(parts) or "what it would bring is nothing"
