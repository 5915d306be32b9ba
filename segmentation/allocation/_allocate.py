"""How much of what there is each segment should get."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, number, percent
from segmentation.allocation._comparison import compare, split
from segmentation.allocation._concave import solve_concave
from segmentation.allocation._cost import solve_cost
from segmentation.allocation._infeasible import check_feasible
from segmentation.allocation._input import as_resources, by_item, by_segment, make_problem
from segmentation.allocation._outcome import outcome_of
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._resource import Resource
from segmentation.allocation._result import Allocation
from segmentation.allocation._words import what_holds, why_left

__all__ = ["allocate", "solve"]

Array = NDArray[np.float64]
OBJECTIVES = ("return", "cost")
# Names of columns that no resource may have.
COLUMNS = (
    "segment",
    "action",
    "effort",
    "cost",
    "outcome",
    "outcome_low",
    "outcome_high",
    "marginal_return",
    "opportunity_cost",
    "return_on_investment",
    "holds",
)


def allocate(
    curves: Any,
    resources: Any,
    *,
    uses: Any = None,
    bounds: Any = None,
    objective: str = "return",
    target: float | None = None,
    min_share: Any = None,
    current: Any = None,
    revenue: Any = None,
    level: float = 0.9,
) -> Allocation:
    """Split resources over segments and actions so that they bring the most, or reach a target for the least.

    Parameters
    ----------
    curves : mapping
        What effort brings: segment to `ResponseCurve`, (segment, action) to curve, or segment to {action: curve}.
        Curves must flatten (``curve.concave``).
    resources : Resource or list of Resource
    uses : mapping, optional
        What one unit of effort takes: action (or segment, or (segment, action)) to {resource: amount}; or one
        {resource: amount} for all. By default effort is in the unit of the only resource.
    bounds : mapping or tuple, optional
        (least, most) effort by (segment, action), action or segment, or one for all; None for an open end.
    objective : {"return", "cost"}, default="return"
        Bring the most with the resources, or reach `target` for the least money.
    target : float, optional
        The outcome to reach, with ``objective="cost"``.
    min_share : float or mapping, optional
        The least share of a resource that a segment gets, all its actions together: segment to share (of the only
        resource), segment to {resource: share}, or one share for every segment.
    current : mapping, optional
        Efforts of the last period, by (segment, action) or segment, for comparison; what is not named was 0.
    revenue : mapping, optional
        Revenue by segment: the split in proportion to it is compared.
    level : float, default=0.9
        Level of the intervals, which come from the draws of the curves.

    Returns
    -------
    Allocation
        Its ``table`` has one row per segment and action:

        ``segment``, ``action``, ``effort``
            What the plan is.
        one column per resource
            What the effort takes of it.
        ``cost``
            Money for that; NaN where a resource has no price.
        ``outcome``, ``outcome_low``, ``outcome_high``
            What it is expected to bring above no effort; interval over the draws of the curve, NaN without.
        ``marginal_return``, ``opportunity_cost``
            What one more unit of effort brings here; what the resources that it takes would bring elsewhere (with
            ``objective="cost"``: what it brings, and what it would have to bring).
        ``return_on_investment``
            ``outcome / cost``; NaN where the cost is 0 or unknown.
        ``holds``
            What keeps the effort where it is.

    Raises
    ------
    InfeasibleError
        If no plan meets all requirements: names a set of them that conflict, and would not with any one less.
    UnboundedError
        If nothing limits an effort whose return never ends.
    TypeError, ValueError
        If an argument is not what it should be.

    Notes
    -----
    The optimum is global: an interior-point method finds prices of the resources and efforts at the same time, and
    ``gap`` bounds the distance from the best possible total, which the prices prove (Boyd and Vandenberghe (2004),
    Convex Optimization, section 5.5.1, doi:10.1017/CBO9780511804441). Where straight curves of equal return compete,
    any split of what is left to them brings the same; then each gets the same share of its range, from its least to
    its most (the cap, the upper bound or twice what the resources allow), so that neither order nor names of segments
    matter. With several resources: the split nearest to that.

    Effort where no resource is scarce goes to where the curve is flat or its upper bound. A plan is as good as its
    curves: what is not from randomized effort is said in ``warnings``.

    Examples
    --------
    >>> from segmentation.allocation import Resource, allocate
    >>> from segmentation.curves import LogCurve
    >>> curves = {"loyal": LogCurve(300.0, 1.0, randomized=True), "new": LogCurve(100.0, 1.0, randomized=True)}
    >>> plan = allocate(curves, Resource("budget", 98.0, unit="EUR"))
    >>> plan.efforts.round(6).tolist()
    [74.0, 24.0]
    >>> round(float(plan.resources.loc["budget", "shadow_price"]), 6)
    4.0
    """
    _check_choices(objective, target, level)
    given = as_resources(resources)
    taken = [resource.name for resource in given if resource.name in COLUMNS]
    if taken:
        raise ValueError(f"a resource cannot be called {name_some(taken)}: the table has a column of this name.")
    problem = make_problem(curves, given, uses=uses, bounds=bounds, min_share=min_share)
    prices = _prices(given, objective)
    check_feasible(problem, given)
    if objective == "cost":
        goal = float(target)  # type: ignore[arg-type]
        solution, target_price = solve_cost(problem, prices, goal)
    else:
        solution, target_price = solve(problem), 1.0
    settings = {
        "objective": objective,
        "target": target,
        "level": level,
        "n_items": len(problem.items),
        "resources": [dataclasses.asdict(resource) for resource in given],
        "target_price": target_price if objective == "cost" else None,
    }
    others = _others(problem, current, revenue)

    call = {
        "curves": curves, "uses": uses, "bounds": bounds, "objective": objective, "target": target,
        "min_share": min_share, "current": current, "revenue": revenue, "level": level,
    }  # fmt: skip
    return _result(problem, solution, given, prices, settings, others, partial(_again, given, call))


def _again(given: Sequence[Resource], call: Mapping[str, Any], amounts: Mapping[str, float]) -> Allocation:
    """Allocate once more, with other amounts; no closure, so that a plan can be pickled."""
    changed = [dataclasses.replace(resource, amount=amounts.get(resource.name, resource.amount)) for resource in given]
    return allocate(resources=changed, **call)


def solve(problem: Problem) -> Solution:
    """Solve for the most return; the one place where the method is chosen."""
    return solve_concave(problem)


def _check_choices(objective: Any, target: Any, level: Any) -> None:
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {name_some(OBJECTIVES)}, got {objective!r}.")
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    if objective == "return":
        if target is not None:
            raise ValueError('target is for objective="cost", the cheapest way to it; leave it out, or ask for that.')
        return
    if isinstance(target, bool) or not isinstance(target, int | float | np.number) or not math.isfinite(target):
        raise ValueError(f'objective="cost" needs a target, the outcome to reach as a finite number, got {target!r}.')


def _prices(resources: Sequence[Resource], objective: str) -> Array:
    """Return the price of each resource: 1 for the only one where none is given; NaN where unknown."""
    if len(resources) == 1 and resources[0].price is None:
        return np.ones(1)
    prices = np.array([np.nan if resource.price is None else resource.price for resource in resources])
    if objective == "cost":
        without = [f"{r.name!r} ({r.unit or 'no unit'})" for r in resources if r.price is None]
        if without:
            raise ValueError(
                f'objective="cost" adds up money, and {", ".join(without)} has no price: say what a unit costs: '
                f"Resource({resources[0].name!r}, {resources[0].amount:g}, price=1.0); 0 where it is paid anyway."
            )
        if not (prices > 0).any():
            raise ValueError('objective="cost" needs a price above 0 for at least one resource; all are 0.')
    return prices


def _others(problem: Problem, current: Any, revenue: Any) -> dict[str, Array]:
    """Return the efforts of the splits that the plan is compared with, by name."""
    result: dict[str, Array] = {}
    if np.isfinite(problem.supply).all():
        result["equal split"] = split(problem)
        if revenue is not None:
            result["split by revenue"] = split(problem, _weights(problem, revenue))
    elif revenue is not None:
        raise ValueError("a split by revenue needs resources with a limit; one has none.")
    if current is not None:
        efforts = np.zeros(len(problem.items))
        for i, effort in by_item(current, problem.items, "current").items():
            efforts[i] = _finite(effort, f"current effort of {problem.items[i]!r}")
        result["current"] = efforts
    return result


def _weights(problem: Problem, revenue: Any) -> dict[Any, float]:
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    given = revenue.to_dict() if isinstance(revenue, pd.Series) else revenue
    weights = by_segment(given, problem.items, "revenue")
    missing = [segment for segment in segments if segment not in weights]
    if missing:
        raise ValueError(f"revenue has nothing for {name_some(missing)}.")
    result = {segment: _finite(weights[segment], f"revenue of {segment!r}") for segment in segments}
    if sum(result.values()) <= 0:
        raise ValueError("revenue is 0 for every segment: there is nothing to split by.")
    return result


def _finite(value: Any, what: str) -> float:
    result = float(value)
    if not (math.isfinite(result) and result >= 0):
        raise ValueError(f"{what} must be finite and 0 or more, got {value!r}.")
    return result


def _result(
    problem: Problem,
    solution: Solution,
    resources: Sequence[Resource],
    prices: Array,
    settings: dict[str, Any],
    others: Mapping[str, Array],
    again: Any,
) -> Allocation:
    x, level = solution.x, settings["level"]
    cost_run = settings["objective"] == "cost"
    taken = problem.use * x[:, None]
    # where a price is unknown, so is the money for what takes of that resource
    unknown = (taken[:, np.isnan(prices)] > 0).any(axis=1)
    cost = np.where(unknown, np.nan, taken @ np.nan_to_num(prices))
    if np.isnan(prices).all():
        cost = np.full(len(x), np.nan)
    outcome = outcome_of(problem, x, level)
    low, high = outcome.total_interval(level)
    marginal = problem.slope(x)
    if cost_run:
        opportunity = (problem.use @ prices + problem.use @ solution.shadow_prices) / max(
            settings["target_price"], 1e-300
        )
    else:
        opportunity = problem.use @ solution.shadow_prices
    holds = what_holds(problem, x, opportunity)
    used, left = _used_and_left(problem, x)
    with np.errstate(all="ignore"):
        ratio = np.where(cost > 0, outcome.each / cost, np.nan)
    table = pd.DataFrame(
        {
            "segment": [segment for segment, _ in problem.items],
            "action": [action for _, action in problem.items],
            "effort": x,
            **{name: taken[:, j] for j, name in enumerate(problem.resources)},
            "cost": cost,
            "outcome": outcome.each,
            "outcome_low": outcome.low,
            "outcome_high": outcome.high,
            "marginal_return": marginal,
            "opportunity_cost": opportunity,
            "return_on_investment": ratio,
            "holds": holds,
        }
    )
    why = why_left(problem, solution, resources, holds, left, cost=cost_run)
    resource_table = pd.DataFrame(
        {
            "unit": [resource.unit or "" for resource in resources],
            "amount": problem.supply,
            "used": used,
            "left": left,
            "shadow_price": solution.shadow_prices,
            "why": why,
        },
        index=pd.Index(problem.resources, name="resource"),
    )
    return Allocation(
        table=table,
        resources=resource_table,
        comparison=compare(problem, outcome, float(cost.sum()), others, prices, level),
        total=outcome.total,
        total_low=low,
        total_high=high,
        cost=float(cost.sum()),
        gap=solution.gap,
        settings=settings,
        warnings=_warnings(problem, solution, () if cost_run else tuple(zip(resources, left, why, strict=True))),
        problem=problem,
        solution=solution,
        others=dict(others),
        prices=prices,
        _again=again,
    )


def _used_and_left(problem: Problem, x: Array) -> tuple[Array, Array]:
    """Return what is used and left; what differs from all by rounding only is all."""
    used = problem.used(x)
    limited = np.isfinite(problem.supply)
    supply = np.where(limited, problem.supply, 0.0)
    used = np.where(limited & (np.abs(supply - used) <= 1e-9 * supply), supply, used)
    return used, np.where(limited, supply - used, np.inf)


def _warnings(problem: Problem, solution: Solution, rests: Sequence[tuple[Resource, float, str]]) -> tuple[str, ...]:
    by_sentence: dict[str, list[str]] = {}
    for (segment, _), curve in zip(problem.items, problem.curves, strict=True):
        for sentence in curve.caveats:
            by_sentence.setdefault(sentence, []).append(str(segment))
    result = [f"{sentence} (Curves of {name_some(dict.fromkeys(who))}.)" for sentence, who in by_sentence.items()]
    with_draws = sum(curve.draws is not None for curve in problem.curves)
    if 0 < with_draws < len(problem.curves):
        result.append(
            f"{len(problem.curves) - with_draws} of {len(problem.curves)} curves have no draws: what they bring is "
            "taken as known, and intervals of totals are too narrow by that."
        )
    if solution.status != "optimal":
        result.append(f"The plan is proven to be within {percent(solution.gap)} of the best possible only.")
    for resource, rest, reason in rests:
        if rest > 0 and math.isfinite(rest):
            result.append(f"{resource.of(float(rest))} of {resource.name!r} {reason}.")
    if problem.total(np.where(np.isfinite(problem.upper), problem.upper, 1e9)) <= 0:
        result.append(f"No curve brings anything at any effort: the total is {number(0)}, whatever the plan.")
    return tuple(result)
