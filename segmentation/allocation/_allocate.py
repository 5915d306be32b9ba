"""How much of what there is each segment should get."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._arguments import (
    check_choices,
    check_search,
    counted,
    other_splits,
    prices_of,
    segments_of,
)
from segmentation.allocation._build import COLUMNS, Found, build
from segmentation.allocation._cells import Cells, read_cells
from segmentation.allocation._cost import solve_cost
from segmentation.allocation._infeasible import check_feasible
from segmentation.allocation._input import as_resources, make_problem
from segmentation.allocation._overlap import check_shareable, share_customers
from segmentation.allocation._problem import Solution, with_caps_as_rows
from segmentation.allocation._profit import solve_profit
from segmentation.allocation._resource import Resource
from segmentation.allocation._result import Allocation
from segmentation.allocation._risk import as_risk
from segmentation.allocation._solve import GAP, solve, with_own_prices

__all__ = ["allocate", "solve"]

Array = NDArray[np.float64]
# Seconds after which nobody should have to wait for a plan without being told.
TIME_LIMIT = 60.0
_NOTHING = Solution(np.zeros(0), np.zeros(0), np.inf, "stopped")


def allocate(
    curves: Any,
    resources: Any,
    *,
    uses: Any = None,
    bounds: Any = None,
    objective: str = "return",
    target: float | None = None,
    min_share: Any = None,
    fixed_costs: Any = None,
    minimum_if_funded: Any = None,
    exclusive: Any = None,
    overlap: Any = None,
    contact_cap: Any = None,
    contacts: Any = None,
    n_customers: Any = None,
    risk: Any = None,
    gap: float = GAP,
    time_limit: float | None = TIME_LIMIT,
    current: Any = None,
    revenue: Any = None,
    level: float = 0.9,
) -> Allocation:
    """Split resources over segments and actions so that they bring the most, or reach a target for the least.

    Parameters
    ----------
    curves : mapping
        What effort brings: segment to `ResponseCurve`, (segment, action) to curve, or segment to {action: curve}.
        S-shaped ones are allowed.
    resources : Resource or list of Resource
        With ``Resource(..., integer=True)`` each segment and action takes whole units of it.
    uses : mapping, optional
        What one unit of effort takes: action (or segment, or (segment, action)) to {resource: amount}; or one
        {resource: amount} for all. By default effort is in the unit of the only resource.
    bounds : mapping or tuple, optional
        (least, most) effort by (segment, action), action or segment, or one for all; None for an open end.
    objective : {"return", "cost", "profit"}, default="return"
        Bring the most with the resources, which spends all that brings anything; reach `target` for the least money; or
        bring the most above what the resources cost, for outcomes that are money in the unit of their prices.
    target : float, optional
        The outcome to reach, with ``objective="cost"``.
    min_share : float or mapping, optional
        The least share of a resource that a segment gets, all its actions together: segment to share (of the only
        resource), segment to {resource: share}, or one share for every segment.
    fixed_costs : float or mapping, optional
        What a segment and action takes once, if it gets any effort, by (segment, action), action or segment, or one for
        all. A number is in the unit of the outcome and taken off the total (with ``objective="cost"``: money that adds
        to the cost); ``{resource: amount}`` comes out of the resource. What is paid from a budget belongs there.
    minimum_if_funded : float or mapping, optional
        The least effort of a segment and action that gets any: either 0 or at least so much.
    exclusive : bool or list, optional
        Of which actions a segment gets at most one: True for all its actions, ``["mail", "call"]``, or a list of such
        groups; a group may also be of (segment, action).
    overlap : table or mapping, optional
        Who is in which segments, where they share customers: each customer is then paid and counted once, as a member
        of one of them, see Notes. A table customers x segments of true and false; several assignments, ``{"name":
        assignment}``; or numbers of customers, ``{("a",): 900, ("a", "b"): 100}``, of those in these segments only.
    contact_cap : float or mapping, optional
        At most so many contacts per customer, all actions of the segment together; by segment or one for all. Needs
        `n_customers`, unless `overlap` counts them.
    contacts : float or mapping, optional
        Contacts per unit of effort, by action (or as in `bounds`); 1 by default.
    n_customers : mapping, optional
        Customers by segment, for `contact_cap`. A segment with 0 gets nothing.
    risk : str or risk, optional
        What of the total is maximised over the draws of the curves instead of the total itself: "mean", `Mean`,
        `Quantile`, `CVaR` or `MeanVariance`.
    gap : float, default=1e-4
        How near to the best possible total (or cost) a plan with all-or-nothing choices must be proven to be, relative
        to it. Others are solved to the last digits.
    time_limit : float or None, default=60.0
        Seconds for such a plan, after which the best one found is returned; how near it is proven to be is stated in
        ``gap`` and ``warnings``. None for no limit. Each row of ``scenarios`` may take as long again.
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
            Money for that, fixed costs among it; NaN where a resource has no price.
        ``fixed_cost``
            What is taken off the outcome once; only where there is any.
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
    Concave problems: the optimum is global. An interior-point method finds prices of the resources and efforts at the
    same time, and ``gap`` bounds the distance from the best possible total, which the prices prove (Boyd and
    Vandenberghe (2004), Convex Optimization, section 5.5.1, doi:10.1017/CBO9780511804441). Where straight curves of
    equal return compete, any split of what is left to them brings the same; then each gets the same share of its range,
    from its least to its most (the cap, the upper bound or twice what the resources allow), so that neither order nor
    names of segments matter. With several resources: the split nearest to that.

    S-shaped curves, fixed costs, least amounts of what is funded, groups and whole units: the optimum is global to
    `gap`, which is proven, too. Shadow prices, and prices of floors and caps, are then those of the plan with its
    choices fixed: they say what a little more brings, not what another choice would.

    Overlap: each customer is served by one segment, and a group of customers may be divided among several. A segment
    that serves a share v of its members with effort x brings v f(x / v), f being its curve: customers of a group answer
    like the average of the segment that serves them, whatever else they are in. This is a concave problem in shares and
    efforts, solved to 1e-6, also with bounds, shares and caps, but not with S-shaped curves and all-or-nothing choices.
    Where several divisions are equally good, that nearest to equal parts is taken. The splits in ``comparison`` serve
    the same customers as the plan.

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
    call = {
        "curves": curves, "uses": uses, "bounds": bounds, "objective": objective, "target": target,
        "min_share": min_share, "fixed_costs": fixed_costs, "minimum_if_funded": minimum_if_funded,
        "exclusive": exclusive, "overlap": overlap, "contact_cap": contact_cap, "contacts": contacts,
        "n_customers": n_customers, "risk": risk, "gap": gap, "time_limit": time_limit, "current": current,
        "revenue": revenue, "level": level,
    }  # fmt: skip
    check_choices(objective, target, level)
    check_search(gap, time_limit)
    given = as_resources(resources)
    taken = [resource.name for resource in given if resource.name in COLUMNS]
    if taken:
        raise ValueError(f"a resource cannot be called {name_some(taken)}: the table has a column of this name.")
    cells = None if overlap is None else read_cells(overlap, segments_of(curves))
    problem = make_problem(
        curves,
        given,
        uses=uses,
        bounds=bounds,
        min_share=min_share,
        fixed_costs=fixed_costs,
        minimum_if_funded=minimum_if_funded,
        exclusive=exclusive,
        contact_cap=contact_cap,
        contacts=contacts,
        n_customers=n_customers if cells is None else counted(cells, n_customers),
    )
    found = Found(problem, _NOTHING, given, prices_of(given, objective))
    check_feasible(problem, given, cells)
    search: dict[str, Any] = {"gap": gap, "time_limit": time_limit}
    if objective == "profit" and (cells is not None or risk is not None):
        raise ValueError(
            f'objective="profit" cannot be had together with {"risk" if cells is None else "overlap"}: use '
            'objective="return" with the amounts that are worth spending.'
        )
    if cells is not None:
        found = _shared(found, cells, None if target is None else float(target), search)
    report = None
    if risk is not None:
        found, report = _with_risk(found, risk, objective, level)
    elif objective == "cost":
        solution, price = solve_cost(found.problem, found.prices, float(target), **search)  # type: ignore[arg-type]
        found = dataclasses.replace(found, solution=solution, target_price=price)
    elif objective == "profit":
        found = dataclasses.replace(found, solution=solve_profit(found.problem, found.prices, **search))
    else:
        found = dataclasses.replace(found, solution=solve(found.problem, **search))
    if found.shared is not None and report is None:
        found = _with_proof(found, objective)
    settings = {
        "objective": objective,
        "target": target,
        "level": level,
        "n_items": len(problem.items),
        "resources": [dataclasses.asdict(resource) for resource in given],
        "target_price": found.target_price if objective == "cost" else None,
        "gap": gap,
        "time_limit": time_limit,
        "contact_cap": contact_cap,
        "risk": None if risk is None else str(as_risk(risk)),
        "n_customers": None if cells is None else float(cells.size.sum()),
    }
    others = other_splits(found.problem, current, revenue)
    return build(found, settings, others, partial(_again, given, call), report)


def _again(
    given: Sequence[Resource], call: Mapping[str, Any], amounts: Mapping[str, float], **changes: Any
) -> Allocation:
    """Allocate once more, with other amounts; no closure, so that a plan can be pickled."""
    changed = [dataclasses.replace(resource, amount=amounts.get(resource.name, resource.amount)) for resource in given]
    return allocate(resources=changed, **{**call, **changes})


def _shared(found: Found, cells: Cells, target: float | None, search: Mapping[str, Any]) -> Found:
    """Decide who serves shared customers; what is left is a problem as any other."""
    check_shareable(found.problem)
    if target is None:
        ignored = solve(found.problem, **search).x
    else:
        ignored = solve_cost(found.problem, found.prices, target, **search)[0].x
    shared = share_customers(found.problem, cells, prices=None if target is None else found.prices, target=target)
    shared = dataclasses.replace(shared, ignored=ignored)
    return dataclasses.replace(found, problem=shared.problem(), shared=shared, notes=cells.notes)


def _with_proof(found: Found, objective: str) -> Found:
    """State how far the plan can be from the best possible one, whoever serves shared customers."""
    assert found.shared is not None  # noqa: S101 - the caller looked
    x, bound = found.solution.x, found.shared.bound
    if objective == "cost":
        cost = float(found.problem.used(x) @ found.prices)
        distance = (cost - bound) / max(cost, 1e-300)
    else:
        distance = (bound - found.problem.total(x)) / max(abs(bound), 1e-300)
    proven = max(distance, 0.0)
    status = "optimal" if proven <= 1e-6 else "within gap" if proven <= GAP else "stopped"
    return dataclasses.replace(found, solution=dataclasses.replace(found.solution, gap=proven, status=status))


def _with_risk(found: Found, risk: Any, objective: str, level: float) -> tuple[Found, Any]:
    """Maximise what `risk` says instead of the total."""
    from segmentation.allocation._risk_plan import plan_with_risk

    wanted = as_risk(risk)
    if objective == "cost":
        raise ValueError('risk is for objective="return": what the least cost does not reach has no criterion.')
    if found.shared is not None:
        raise ValueError("risk and overlap cannot be had together: decide first who serves shared customers.")
    rows = with_caps_as_rows(found.problem)
    plan = plan_with_risk(rows, wanted, level=level)
    solution = with_own_prices(found.problem, plan.solution, marginal=plan.marginal)
    return dataclasses.replace(found, solution=solution, marginal=plan.marginal), plan.report
