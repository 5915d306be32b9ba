"""What holds each item where it is, and why something of a resource is left, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._resource import Resource

__all__ = ["HELD", "in_words_of_price", "what_holds", "why_left"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
AT_LOWER = "least amount"
AT_UPPER = "upper bound"
SHARE = "least share of the segment"
CAPPED = "contact cap of the segment"
NOT_FUNDED = "not funded: what it takes earns more elsewhere"
NO_RESPONSE = "no response"
SATURATED = "saturated: more brings nothing"
BETWEEN = "balanced: its next unit earns what it would elsewhere"
TIED = "tied: shares with others of equal return"
IMPOSSIBLE = "nothing to give: a resource it takes is used up by least amounts, or zero"
RISING = "rising: all that is to be had, and its next unit would earn more"
UNITS = "whole units: one more or less earns less"
NO_UNIT = "not funded: a whole unit earns more elsewhere, or does not fit"
LEAST_IF = "least amount of what is funded"
NO_LEAST = "not funded: its least amount earns more elsewhere, or does not fit"
FIXED = "not funded: not worth its fixed cost"
NO_FIXED = "not funded: its fixed cost earns more elsewhere, or does not fit"
OTHER = "not funded: another of its group is"
PAYS = "balanced: its next unit earns what it costs"
NO_PROFIT = "not funded: earns less than it costs"
ELSEWHERE = "not funded: its customers are served as members of other segments"
HELD = (
    AT_LOWER, AT_UPPER, SHARE, CAPPED, NOT_FUNDED, NO_RESPONSE, SATURATED, BETWEEN, TIED, IMPOSSIBLE, RISING, UNITS,
    NO_UNIT, LEAST_IF, NO_LEAST, FIXED, NO_FIXED, OTHER, ELSEWHERE, PAYS,
    NO_PROFIT,
)  # fmt: skip
NEAR = 1e-9
# Kinds that leave a resource unused, and what is said of them.
LEFT_BY = (
    (AT_UPPER, "at the upper bound"),
    (CAPPED, "at the contact cap"),
    (SATURATED, "saturated"),
    (NO_RESPONSE, "without response"),
    (UNITS, "in whole units"),
    (NO_UNIT, "for which a whole unit does not fit or pay"),
    (NO_LEAST, "whose least amount does not fit or pay"),
    (FIXED, "not worth the fixed cost"),
    (NO_FIXED, "whose fixed cost does not fit or pay"),
    (OTHER, "of a group of which another is funded"),
    (PAYS, "at the effort where the next unit earns no more than it costs"),
    (NO_PROFIT, "not worth its cost"),
    (ELSEWHERE, "whose customers are served elsewhere"),
)


def what_holds(problem: Problem, x: Array, opportunity: Array) -> list[str]:
    """Return for each item what keeps its effort from being more or less.

    `opportunity` (n,) is what the resources that a unit of effort takes would bring elsewhere.
    """
    slope = problem.slope(x)
    with np.errstate(all="ignore"):
        at_upper = np.asarray(x >= problem.upper * (1 - NEAR))
        at_lower = np.asarray((x <= problem.lower * (1 + NEAR)) & (problem.lower > 0))
        zero: Mask = np.asarray(x <= 0)
        first: Array = np.asarray(problem.slope(np.zeros(len(x))))
        mute = np.asarray(
            problem.value(np.where(np.isfinite(problem.upper), np.maximum(problem.upper, 1.0), 1e12)) <= 0
        )
        needed = np.where(np.asarray(problem.optional), 0.0, problem.lower)
        reach = problem.supply - problem.used(needed)
        nothing = np.isfinite(problem.supply) & (reach <= NEAR * np.maximum(problem.supply, 1e-300))
        exhausted = np.asarray((problem.use[:, nothing] > 0).any(axis=1))
        fastest = np.where(np.isfinite(first) & (first > 0), first, np.where(x > 0, problem.value(x) / x, np.inf))
        # what nothing holds back goes to where its curve is flat, the slope of which depends on its form
        flat = np.asarray((slope <= 1e-12 * fastest) | ((opportunity <= 0) & (slope * x <= 1e-6 * problem.value(x))))
        straight = (problem.slope(0.5 * x) <= slope * (1 + 1e-9)) & (slope > 0)
        rising = straight & np.array([not curve.concave for curve in problem.curves])
    wanted = slope > opportunity * (1 + 1e-6)
    in_floor, in_cap = _in_floor(problem, x, slope, opportunity), _in_cap(problem, x) & wanted
    in_units = np.asarray((problem.use[:, np.asarray(problem.integer)] > 0).any(axis=1))
    unfunded = _why_unfunded(problem, x, opportunity, in_units)
    words = []
    for i in range(len(x)):
        if mute[i]:
            words.append(NO_RESPONSE if zero[i] else AT_LOWER)
        elif zero[i]:
            if exhausted[i]:
                words.append(IMPOSSIBLE)
            elif problem.upper[i] == 0:
                words.append(AT_UPPER)
            else:
                words.append(CAPPED if in_cap[i] else unfunded[i])
        elif at_upper[i]:
            words.append(AT_UPPER)
        elif in_cap[i]:
            words.append(CAPPED)
        elif in_floor[i]:
            words.append(SHARE)
        elif at_lower[i] and problem.optional is not None and problem.optional[i]:
            words.append(LEAST_IF)
        elif at_lower[i]:
            words.append(AT_LOWER)
        elif in_units[i]:
            words.append(UNITS)
        elif flat[i]:
            words.append(SATURATED)
        else:
            words.append(RISING if rising[i] else TIED if straight[i] else BETWEEN)
    return words


def in_words_of_price(holds: list[str], problem: Problem, solution: Solution) -> list[str]:
    """Say of what no scarce resource holds that it is its price that does."""
    scarce = problem.use @ solution.shadow_prices > 0
    other = {BETWEEN: PAYS, NOT_FUNDED: NO_PROFIT}
    return [word if scarce[i] else other.get(word, word) for i, word in enumerate(holds)]


def _in_floor(problem: Problem, x: Array, slope: Array, opportunity: Array) -> Mask:
    """Tell which items a share holds: it is at its amount, and another unit earns less than what it takes is worth."""
    result = np.zeros(len(x), dtype=bool)
    for floor in problem.floors:
        here = floor.positions
        taken = float(x[here] @ problem.use[here, floor.resource])
        if taken <= floor.amount * (1 + 1e-7):
            result[here] |= slope[here] < opportunity[here] * (1 - 1e-6)
    return result


def _in_cap(problem: Problem, x: Array) -> Mask:
    result = np.zeros(len(x), dtype=bool)
    for cap in problem.caps:
        if float(x[cap.positions] @ cap.weights) >= cap.amount * (1 - 1e-7):
            result[cap.positions] = True
    return result


def _why_unfunded(problem: Problem, x: Array, opportunity: Array, in_units: Mask) -> list[str]:
    """Say of each item, were it not funded, why."""
    result = [NOT_FUNDED] * len(x)
    if not problem.is_discrete:
        return result
    optional, fixed_cost, fixed = (np.asarray(a) for a in (problem.optional, problem.fixed_cost, problem.fixed))
    with np.errstate(all="ignore"):
        reach = np.where(problem.use > 0, problem.supply / problem.use, np.inf).min(axis=1)
        furthest = np.minimum(np.minimum(problem.upper, reach), 1e12)
        best = np.clip(problem.effort_at(np.maximum(opportunity, 0.0)), 0.0, furthest)
        # what it would earn above what it takes, were there no fixed cost and no least amount
        surplus = problem.value(best) - opportunity * best
    beside = np.zeros(len(x), dtype=bool)
    for group in problem.exclusive:
        beside[group] |= bool((x[group] > 0).any())
    # of people who come whole, what is left of one is of no use to anybody
    gone = np.asarray(problem.integer) & (problem.supply - problem.used(x) < 1 - NEAR)
    without_unit = np.asarray((problem.use[:, gone] > 0).any(axis=1))
    for i in np.flatnonzero(surplus > NEAR * np.maximum(problem.value(best), 1e-300)):
        if beside[i]:
            result[i] = OTHER
        elif without_unit[i] and surplus[i] > fixed_cost[i]:
            result[i] = NO_UNIT
        elif fixed[i].any() and surplus[i] > fixed_cost[i]:
            result[i] = NO_FIXED
        elif fixed_cost[i] > 0 or fixed[i].any():
            result[i] = FIXED
        elif optional[i]:
            result[i] = NO_LEAST
        elif in_units[i]:
            result[i] = NO_UNIT
    return result


def why_left(
    problem: Problem,
    solution: Solution,
    resources: Sequence[Resource],
    holds: Sequence[str],
    left: Array,
    *,
    objective: str = "return",
) -> list[str]:
    """Return for each resource why something is left of it, or what one more unit would bring."""
    cost, result = objective == "cost", []
    for j, resource in enumerate(resources):
        price = float(solution.shadow_prices[j])
        unit = resource.unit or "unit"
        takes = (problem.use[:, j] > 0).any() or np.asarray(problem.fixed)[:, j].any()
        if np.isinf(resource.amount):
            result.append("no limit")
        elif resource.amount == 0:
            result.append("there is none" + (f"; one {unit} would bring {price:.4g}" if price > 0 and not cost else ""))
        elif left[j] <= 0:
            gain = f"saves {price:.4g}" if cost else f"brings {price:.4g}"
            if objective == "profit":
                gain += f" above its price of {resource.price or 0.0:.4g}" if len(resources) > 1 else " above its price"
            idle = "used up; with these choices more of it alone brings nothing" if problem.is_discrete else ""
            if resource.integer:
                idle = "used up; what one whole unit more or less brings is in .scenarios"
            used_up = f"used up: one more {unit} {gain}"
            result.append(used_up if price > 0 else idle or "used up, to no avail at the margin")
        elif not takes:
            result.append("left: no action takes it")
        elif resource.integer and left[j] < 1 - NEAR:
            result.append("left: less than one whole unit")
        elif solution.status == "stopped":
            result.append("left: the search was stopped")
        elif cost:
            result.append("left: the target is reached without it")
        else:
            result.append(f"left: {_reasons(problem, solution, holds, j)}")
    return result


def _reasons(problem: Problem, solution: Solution, holds: Sequence[str], j: int) -> str:
    takers = np.flatnonzero((problem.use[:, j] > 0) | (np.asarray(problem.fixed)[:, j] > 0))
    others = [
        problem.resources[k]
        for k in np.flatnonzero(solution.shadow_prices > 0)
        if k != j and (problem.use[takers, k] > 0).any()
    ]
    kinds = [holds[i] for i in takers.tolist()]
    parts = []
    for word, text in LEFT_BY:
        n = kinds.count(word)
        if n:
            parts.append(f"{count(n, 'item')} {text}")
    held = len(kinds) - sum(kinds.count(word) for word, _ in LEFT_BY)
    if held and others:
        parts.append(f"{count(held, 'item')} held back by {name_some(others)}")
    return ", ".join(parts) or "what it would bring is nothing"
