"""From efforts to the tables and sentences of a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, number
from segmentation.allocation._comparison import compare
from segmentation.allocation._outcome import Outcome, outcome_of
from segmentation.allocation._overlap import Shared
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._resource import Resource
from segmentation.allocation._result import Allocation
from segmentation.allocation._unspent import spends_too_much
from segmentation.allocation._words import ELSEWHERE, in_words_of_price, what_holds, why_left

__all__ = ["COLUMNS", "Found", "build"]

Array = NDArray[np.float64]
# Names of columns that no resource may have.
COLUMNS = (
    "segment",
    "action",
    "effort",
    "cost",
    "fixed_cost",
    "outcome",
    "outcome_low",
    "outcome_high",
    "marginal_return",
    "opportunity_cost",
    "return_on_investment",
    "holds",
)


@dataclass(frozen=True, eq=False)
class Found:
    """The problem, what solves it, and what is needed to speak of it.

    ``target_price`` is the money for one more unit of the target with ``objective="cost"``; ``marginal`` takes the
    place of the slopes where what is maximised is not the total (risk); ``shared`` says who serves shared customers.
    """

    problem: Problem
    solution: Solution
    resources: tuple[Resource, ...]
    prices: Array
    target_price: float = 1.0
    marginal: Array | None = None
    shared: Shared | None = None
    notes: tuple[str, ...] = field(default=())


def build(
    found: Found, settings: dict[str, Any], others: Mapping[str, Array], again: Any, risk: Any = None
) -> Allocation:
    """Return the plan with its tables."""
    problem, solution, x = found.problem, found.solution, found.solution.x
    cost_run, for_profit = settings["objective"] == "cost", settings["objective"] == "profit"
    # of the cheapest plan to a target, fixed costs are part of the cost and not of the outcome
    gross = replace(problem, fixed_cost=None, _stacks_given=problem.stacks) if cost_run else problem
    outcome = outcome_of(gross, x, settings["level"])
    low, high = outcome.total_interval(settings["level"])
    cost = _cost(found)
    marginal = problem.slope(x) if found.marginal is None else found.marginal
    opportunity = problem.use @ solution.shadow_prices
    if cost_run:
        opportunity = (opportunity + problem.use @ found.prices) / max(found.target_price, 1e-300)
    if for_profit:
        opportunity = opportunity + problem.use @ found.prices
    holds = _holds(found, opportunity)
    if for_profit:
        holds = in_words_of_price(holds, problem, solution)
    used, left = _used_and_left(problem, x)
    why = why_left(problem, solution, found.resources, holds, left, objective=settings["objective"])
    rests = () if cost_run else tuple(zip(found.resources, left, why, strict=True))
    return Allocation(
        table=_table(found, outcome, cost, marginal, opportunity, holds),
        resources=_resource_table(found, used, left, why),
        comparison=compare(
            gross,
            outcome,
            float(cost.sum()),
            others,
            found.prices,
            settings["level"],
            charged=np.asarray(problem.fixed_cost) if cost_run else None,
            profit=for_profit,
            paid=float(problem.fixed_costs(x).sum()),
        ),
        total=outcome.total,
        total_low=low,
        total_high=high,
        cost=float(cost.sum()),
        gap=solution.gap,
        settings=settings,
        warnings=(
            *_warnings(found, rests, settings),
            *_spends_too_much(found, marginal, settings),
            *found.notes,
            *(() if risk is None else risk.warnings),
        ),
        problem=problem,
        solution=solution,
        others=dict(others),
        prices=found.prices,
        floors=_floors(problem, solution),
        contacts=_contacts(problem, solution),
        cells=None if found.shared is None else found.shared.cells_table(x),
        overlap=None if found.shared is None else found.shared.comparison(outcome, settings["level"]),
        risk=risk,
        _again=again,
    )


def _cost(found: Found) -> Array:
    """Return the money for each item; NaN where a price is unknown."""
    taken, prices = found.problem.taken(found.solution.x), found.prices
    if np.isnan(prices).all():
        return np.full(len(taken), np.nan)
    unknown = (taken[:, np.isnan(prices)] > 0).any(axis=1)
    money = taken @ np.nan_to_num(prices) + found.problem.fixed_costs(found.solution.x)
    return np.where(unknown, np.nan, money)


def _holds(found: Found, opportunity: Array) -> list[str]:
    holds = what_holds(found.problem, found.solution.x, opportunity)
    if found.shared is not None:
        for i, (segment, _) in enumerate(found.problem.items):
            if segment in found.shared.served_elsewhere and found.solution.x[i] <= 0:
                holds[i] = ELSEWHERE
    return holds


def _table(
    found: Found, outcome: Outcome, cost: Array, marginal: Array, opportunity: Array, holds: list[str]
) -> pd.DataFrame:
    problem, x = found.problem, found.solution.x
    with np.errstate(all="ignore"):
        ratio = np.where(cost > 0, outcome.each / cost, np.nan)
    taken, paid = problem.taken(x), problem.fixed_costs(x)
    return pd.DataFrame(
        {
            "segment": [segment for segment, _ in problem.items],
            "action": [action for _, action in problem.items],
            "effort": x,
            **{name: taken[:, j] for j, name in enumerate(problem.resources)},
            "cost": cost,
            **({"fixed_cost": paid} if np.any(problem.fixed_cost) else {}),
            "outcome": outcome.each,
            "outcome_low": outcome.low,
            "outcome_high": outcome.high,
            "marginal_return": marginal,
            "opportunity_cost": opportunity,
            "return_on_investment": ratio,
            "holds": holds,
        }
    )


def _resource_table(found: Found, used: Array, left: Array, why: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": [resource.unit or "" for resource in found.resources],
            "amount": found.problem.supply,
            "used": used,
            "left": left,
            "shadow_price": found.solution.shadow_prices,
            "why": why,
        },
        index=pd.Index(found.problem.resources, name="resource"),
    )


def _floors(problem: Problem, solution: Solution) -> pd.DataFrame:
    x = solution.x
    return pd.DataFrame(
        {
            "segment": [floor.segment for floor in problem.floors],
            "resource": [problem.resources[floor.resource] for floor in problem.floors],
            "amount": [floor.amount for floor in problem.floors],
            "given": [float(x[f.positions] @ problem.use[f.positions, f.resource]) for f in problem.floors],
            "price": solution.floor_prices,
        }
    )


def _contacts(problem: Problem, solution: Solution) -> pd.DataFrame:
    given = np.array([float(solution.x[cap.positions] @ cap.weights) for cap in problem.caps])
    most = np.array([cap.amount for cap in problem.caps])
    return pd.DataFrame(
        {
            "segment": [cap.segment for cap in problem.caps],
            "most": most,
            "given": given,
            "binds": given >= most * (1 - 1e-7),
            "price": solution.cap_prices,
        }
    )


def _used_and_left(problem: Problem, x: Array) -> tuple[Array, Array]:
    """Return what is used and left; what differs from all by rounding only is all."""
    used = problem.used(x)
    limited = np.isfinite(problem.supply)
    supply = np.where(limited, problem.supply, 0.0)
    used = np.where(limited & (np.abs(supply - used) <= 1e-9 * supply), supply, used)
    return used, np.where(limited, supply - used, np.inf)


def _spends_too_much(found: Found, marginal: Array, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say where the last unit of an effort brings less than it costs at the prices that were named."""
    if settings["objective"] != "return" or found.shared is not None or settings["risk"] is not None:
        return ()
    return spends_too_much(found.problem, found.solution, found.resources, marginal)


def _warnings(
    found: Found, rests: Sequence[tuple[Resource, float, str]], settings: Mapping[str, Any]
) -> tuple[str, ...]:
    problem, solution = found.problem, found.solution
    by_sentence: dict[str, list[Any]] = {}
    for (segment, _), curve in zip(problem.items, problem.curves, strict=True):
        for sentence in curve.caveats:
            by_sentence.setdefault(sentence, []).append(segment)
    result = [f"{sentence} (Curves of {name_some(dict.fromkeys(who))}.)" for sentence, who in by_sentence.items()]
    with_draws = sum(curve.draws is not None for curve in problem.curves)
    if 0 < with_draws < len(problem.curves):
        result.append(
            f"{len(problem.curves) - with_draws} of {len(problem.curves)} curves have no draws: what they bring is "
            "taken as known, and intervals of totals are too narrow by that."
        )
    if solution.status not in ("optimal", "within gap"):
        proven = f"proven to be within {100 * solution.gap:.2g} % of the best possible only"
        unknown = "not proven to be near the best possible"
        limit = settings["time_limit"]
        when = f" (by time_limit={limit:g} seconds, or the precision of the solver)" if limit is not None else ""
        result.append(f"The search was stopped{when}: the plan is {proven if solution.gap < 1 else unknown}.")
    for resource, rest, reason in rests:
        if rest > 0 and math.isfinite(rest):
            result.append(f"{resource.of(float(rest))} of {resource.name!r} {reason}.")
    empty = list(dict.fromkeys(str(cap.segment) for cap in problem.caps if cap.amount == 0))
    if empty:
        result.append(f"{name_some(empty)} may have no contact, or no customers: no effort goes there.")
    if problem.total(np.where(np.isfinite(problem.upper), problem.upper, 1e9)) <= 0:
        result.append(f"No curve brings anything at any effort: the total is {number(0)}, whatever the plan.")
    return tuple(result)
