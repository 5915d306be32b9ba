"""Who gets the effort of a plan and what it brings, by group of customers; and what equal shares would cost."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count
from segmentation.allocation._fairness_input import OUTCOME, Amounts, Groups, amounts_of, groups_of, matched
from segmentation.allocation._fairness_price import ParityPlan, plan_with_parity
from segmentation.allocation._fairness_result import AllocationFairness
from segmentation.allocation._outcome import interval, outcome_of
from segmentation.allocation._result import Allocation
from segmentation.governance._anonymity import MINIMUM

__all__ = ["allocation_fairness"]

Array = NDArray[np.float64]
# A plan whose smallest ratio misses the parity by no more has it.
MET = 1e-9
AVERAGED = (
    "Every customer of a segment is taken to get the same: a plan says nothing of who gets more within a segment, and "
    "these figures cannot."
)
OVERLAPPING = (
    "The segments of the plan share customers, and the assignment names one segment of each: effort that a customer "
    "gets as a member of another one is counted for the members of that."
)
NEED = "Equal shares are not equal need: what a group ought to get has to be judged, these figures do not say it."


def allocation_fairness(
    allocation: Any,
    assignment: Any,
    protected: Any,
    *,
    parity: float | Sequence[float] | None = 1.0,
    measures: Any = None,
    combine: bool = False,
    resample: bool = False,
    n_resamples: int = 1000,
    minimum_cell: int = MINIMUM,
    level: float = 0.9,
    random_state: Any = None,
) -> AllocationFairness:
    """Compare what groups of customers get of a plan: effort, and what it is expected to bring.

    Parameters
    ----------
    allocation : Allocation, Series or dataframe
        A plan from `allocate`; or the effort of each segment: a Series, or a table with the segments as index or column
        ``segment``, and the columns ``effort`` and, if known, ``outcome``. Rows of one segment are added up.
    assignment : dataframe or Series
        From `segmentation.assign`: the segment of each customer.
    protected : Series or dataframe
        One or several protected attributes, indexed by customer, at most 20 groups each. Who has no value is the group
        "missing": counted, shown, and not compared.
    parity : float or sequence of float in (0, 1], default=1.0
        For a plan: the group that gets the least of a resource per head gets at least this share of what the group with
        the most gets. 1 is equal. The plan is made again under that condition, to see what it would cost. None: not.
    measures : str or sequence of str, optional
        Columns of a table to compare, in place of effort and outcome.
    combine : bool, default=False
        Compare also all attributes together ("f, 18-30").
    resample : bool, default=False
        Take the customers as a sample of those that the plan is for, and say how far the figures would differ for
        another one (bootstrap). By default they are all there are, and effort has no interval.
    n_resamples : int, default=1000
    minimum_cell : int, default=10
        Groups, and groups within a segment, of fewer customers are not shown; nor are others from which they could be
        computed. 1 shows all.
    level : float, default=0.9
        Level of the intervals.
    random_state : int or Generator, optional
        For `resample`.

    Returns
    -------
    AllocationFairness
        Its ``table`` has one row per attribute, group and measure (each resource of the plan, and the outcome):

        ``protected``, ``group``, ``measure``
        ``n_customers``, ``share_of_customers``, ``n_unassigned``
            Customers of the group; in no segment of them. Missing (<NA>, NaN) where too few to show.
        ``amount``, ``share``, ``per_customer``
            What the group gets: in all, as a share of what all groups get, and per customer of it.
        ``ratio_to_average``, ``ratio_to_best``
            ``per_customer`` over that of all customers; over that of the compared group that gets the most.
        ``_low``, ``_high`` of ``share``, ``per_customer``, ``ratio_to_average``, ``ratio_to_best``
            Intervals: of the outcome over the draws of the curves; with `resample` of all over samples of customers.
        ``compared``
            Whether the group counts for ratios: not those of no known value, nor of too few customers.

        ``summary`` has the smallest ratio per attribute and measure, ``price`` what parity would cost.

    Raises
    ------
    TypeError, ValueError, ColumnError, CustomerTableError
        If an argument is not what it should be, or nothing matches.

    Notes
    -----
    Where effort is 0 or 1 per customer, ``minimum_ratio`` and ``difference`` are the demographic parity ratio and
    difference of that selection [1]_.

    The plan under parity has the same curves, resources, bounds and least shares. It is the best there is, to
    ``price["gap"]``: a linear programme over tangents of the curves bounds every other one. Only effort is made equal,
    not what it brings. With several actions the effort is that of a resource, all actions together. There is always a
    plan with parity where every customer is in a segment and no bound is in the way: as much for each customer.

    References
    ----------
    .. [1] Agarwal, A. et al. (2018). A reductions approach to fair classification. ICML, arXiv:1803.02453

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.allocation import Resource, allocate, allocation_fairness
    >>> from segmentation.curves import LogCurve
    >>> curves = {"loyal": LogCurve(300.0, 1.0, randomized=True), "new": LogCurve(100.0, 1.0, randomized=True)}
    >>> plan = allocate(curves, Resource("budget", 98.0))
    >>> ids = pd.RangeIndex(100, name="customer_id")
    >>> segment = pd.Series(np.where(ids < 50, "loyal", "new"), index=ids)
    >>> gender = pd.Series(np.where((ids < 40) | (ids >= 90), "f", "m"), index=ids, name="gender")
    >>> fair = allocation_fairness(plan, segment, gender)
    >>> fair.table.query("measure == 'budget'")[["group", "n_customers", "per_customer", "ratio_to_best"]].round(3)
      group  n_customers  per_customer  ratio_to_best
    0     f           50          1.28          1.000
    1     m           50          0.68          0.531
    >>> fair.price[["parity", "price", "price_share"]].round(3)
       parity   price  price_share
    0     1.0  52.325        0.032
    """
    _check(level, n_resamples, minimum_cell)
    asked = _parities(parity)
    amounts = amounts_of(allocation, measures)
    attributes, notes = groups_of(assignment, protected, minimum_cell=int(minimum_cell), combine=combine)
    rng = np.random.default_rng(random_state)
    rows, summary, composition, price, plans = [], [], [], [], {}
    more: list[str] = []
    for groups in attributes:
        each, told = matched(amounts, groups)
        more += [text for text in told if text not in more]
        more += _on_groups(groups, int(minimum_cell))
        counts = _resampled(groups.counts, int(n_resamples), rng) if resample else None
        for m, measure in enumerate(amounts.measures):
            draws = _draws_per_customer(amounts, groups) if measure == OUTCOME else None
            figures, overall = _figures(groups, each[m], draws, counts, level)
            rows += [{"protected": groups.name, "group": g, "measure": measure} | f for g, f in figures]
            summary.append({"protected": groups.name, "measure": measure} | overall)
        composition.append(_composition(groups))
        if isinstance(allocation, Allocation):
            found, made = _prices(allocation, amounts, groups, asked, level)
            price += found
            plans.update(made)
    no_draws = OUTCOME in amounts.measures and amounts.outcome_draws is None
    if no_draws and not resample:
        more.append("The outcome has no draws, so it has no interval: what it brings is taken as known.")
    settings = {
        "parity": list(asked),
        "measures": amounts.measures,
        "combine": combine,
        "resample": resample,
        "n_resamples": int(n_resamples) if resample else None,
        "minimum_cell": int(minimum_cell),
        "level": level,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
        "n_customers": int(attributes[0].counts.sum()),
    }
    on_curves = allocation.warnings if isinstance(allocation, Allocation) else ()
    if isinstance(allocation, Allocation) and allocation.cells is not None:
        more.append(OVERLAPPING)
    return AllocationFairness(
        table=_tidy(pd.DataFrame(rows)),
        summary=pd.DataFrame(summary),
        price=pd.DataFrame(price, columns=PRICE_COLUMNS),
        composition=pd.concat(composition, ignore_index=True),
        plans=plans,
        settings=settings,
        warnings=(*notes, *more, AVERAGED, NEED, *on_curves),
    )


PRICE_COLUMNS = [
    "protected",
    "resource",
    "parity",
    "minimum_ratio",
    "outcome",
    "price",
    "price_low",
    "price_high",
    "price_share",
    "more_money",
    "effort_moved",
    "gap",
    "reason",
]


def _check(level: Any, n_resamples: Any, minimum_cell: Any) -> None:
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    for name, value, least in (("n_resamples", n_resamples, 20), ("minimum_cell", minimum_cell, 1)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _parities(parity: Any) -> tuple[float, ...]:
    if parity is None:
        return ()
    given = [parity] if isinstance(parity, numbers.Real) else parity
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
        raise TypeError(f"parity must be a number in (0, 1], several of them, or None, got {parity!r}.")
    for value in given:
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real) or not 0 < float(value) <= 1:
            raise ValueError(f"parity must be above 0 and at most 1 (equal), got {value!r}.")
    return tuple(dict.fromkeys(float(value) for value in given))


def _on_groups(groups: Groups, minimum: int) -> list[str]:
    notes = []
    size = groups.counts.sum(axis=0)
    unknown = [g for g in range(len(size)) if not groups.compared[g] and not groups.hidden[g]]
    if unknown:
        n = int(size[unknown].sum())
        notes.append(f"{groups.name}: {count(n, 'customer')} without a known value, shown and not compared.")
    if groups.hidden.any():
        notes.append(
            f"{groups.name}: {count(int(groups.hidden.sum()), 'group')} not shown and not compared (fewer than "
            f"{minimum} customers, or needed to hide such a group)."
        )
    if groups.compared.sum() < 2:
        notes.append(f"{groups.name}: fewer than two groups to compare, so there is no ratio.")
    return notes


def _resampled(counts: Array, n: int, rng: np.random.Generator) -> Array:
    total = int(counts.sum())
    return rng.multinomial(total, counts.ravel() / total, size=n).reshape(n, *counts.shape).astype(np.float64)


def _draws_per_customer(amounts: Amounts, groups: Groups) -> Array | None:
    """Return draws of the outcome of one customer of each segment, (n_draws, n_segments + 1)."""
    if amounts.outcome_draws is None:
        return None
    size = groups.counts.sum(axis=1)
    result = np.zeros((len(amounts.outcome_draws), len(size)))
    for s, name in enumerate(groups.segments):
        if name in amounts.segments and size[s] > 0:
            result[:, s] = amounts.outcome_draws[:, amounts.segments.index(name)] / size[s]
    return result


def _shares(each: Array, counts: Array) -> dict[str, Array]:
    """Return per group, (..., n_groups): ``amount``, ``share``, ``per_customer``, ``ratio_to_average``."""
    amount = np.einsum("...s,...sg->...g", each, counts)
    size = counts.sum(axis=-2)
    total = amount.sum(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        per_customer = amount / size
        return {
            "amount": amount,
            "share": np.where(total != 0, amount / total, np.nan),
            "per_customer": per_customer,
            "ratio_to_average": per_customer / np.where(total != 0, total / size.sum(axis=-1, keepdims=True), np.nan),
        }


def _figures(
    groups: Groups, each: Array, draws: Array | None, resampled: Array | None, level: float
) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """Return the figures of each group, and the ratio of the worst to the best."""
    point = _shares(each, groups.counts)
    drawn = None
    if draws is not None or resampled is not None:
        n = len(resampled) if resampled is not None else len(draws)  # type: ignore[arg-type]
        several = np.broadcast_to(each, (n, len(each))) if draws is None else draws[np.arange(n) % len(draws)]
        tables = np.broadcast_to(groups.counts, (n, *groups.counts.shape)) if resampled is None else resampled
        drawn = _shares(several, tables)
    compared = np.flatnonzero(groups.compared)
    best = worst = -1
    if len(compared):
        per = point["per_customer"][compared]
        best, worst = int(compared[np.argmax(per)]), int(compared[np.argmin(per)])
        for one in (point, *([drawn] if drawn is not None else [])):
            with np.errstate(all="ignore"):
                top = one["per_customer"][..., [best]]
                one["ratio_to_best"] = np.where(top != 0, one["per_customer"] / top, np.nan)
    size = groups.counts.sum(axis=0)
    result = []
    for g, name in enumerate(groups.groups):
        shown = not groups.hidden[g]
        row: dict[str, Any] = {
            "n_customers": int(size[g]) if shown else pd.NA,
            "share_of_customers": size[g] / size.sum() if shown else np.nan,
            "n_unassigned": pd.NA if groups.hidden_cells[-1, g] or not shown else int(groups.counts[-1, g]),
            "amount": point["amount"][g] if shown else np.nan,
        }
        for figure in ("share", "per_customer", "ratio_to_average", "ratio_to_best"):
            known = shown and figure in point
            row[figure] = point[figure][g] if known else np.nan
            low, high = _between(drawn[figure][:, g], level) if known and drawn is not None else (np.nan, np.nan)
            row |= {f"{figure}_low": low, f"{figure}_high": high}
        result.append((name, row | {"compared": bool(groups.compared[g])}))
    return result, _overall(groups, point, drawn, (worst, best), level)


def _between(values: Array, level: float) -> tuple[float, float]:
    """Return the interval; a resample without anybody of a group says nothing of it."""
    known = values[np.isfinite(values)]
    return interval(known if len(known) else None, level)


def _overall(
    groups: Groups, point: dict[str, Array], drawn: dict[str, Array] | None, pair: tuple[int, int], level: float
) -> dict[str, Any]:
    worst, best = pair
    empty = dict.fromkeys(
        ("minimum_ratio", "minimum_ratio_low", "minimum_ratio_high", "difference", "difference_low", "difference_high"),
        np.nan,
    )
    if groups.compared.sum() < 2:
        return {"least": None, "most": None, **empty}
    row: dict[str, Any] = {"least": groups.groups[worst], "most": groups.groups[best]}
    per = point["per_customer"]
    row["minimum_ratio"] = float(point["ratio_to_best"][worst])
    low, high = (np.nan, np.nan) if drawn is None else _between(drawn["ratio_to_best"][:, worst], level)
    row |= {"minimum_ratio_low": low, "minimum_ratio_high": high, "difference": float(per[best] - per[worst])}
    apart = None if drawn is None else drawn["per_customer"][:, best] - drawn["per_customer"][:, worst]
    low, high = (np.nan, np.nan) if apart is None else _between(apart, level)
    return row | {"difference_low": low, "difference_high": high}


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({"n_customers": "Int64", "n_unassigned": "Int64"})


def _composition(groups: Groups) -> pd.DataFrame:
    """Return one row per segment and group; what is too small, or tells it, is missing."""
    size = groups.counts.sum(axis=1)
    rows = []
    for s, segment in enumerate([*groups.segments, "unassigned"]):
        for g, group in enumerate(groups.groups):
            hide = bool(groups.hidden_cells[s, g]) or size[s] == 0
            n = pd.NA if groups.hidden_cells[s, g] else int(groups.counts[s, g])
            share = np.nan if hide else groups.counts[s, g] / size[s]
            rows.append(
                {"protected": groups.name, "segment": segment, "group": group, "n_customers": n, "share": share}
            )
    return pd.DataFrame(rows).astype({"n_customers": "Int64"})


# ---------------------------------------------------------------------- the price of parity
def _prices(
    plan: Allocation, amounts: Amounts, groups: Groups, parities: Sequence[float], level: float
) -> tuple[list[dict[str, Any]], dict[tuple[str, str, float], pd.Series[Any]]]:
    rows: list[dict[str, Any]] = []
    plans: dict[tuple[str, str, float], pd.Series[Any]] = {}
    if groups.compared.sum() < 2:
        return rows, plans
    cannot = _why_not(plan)
    for j, resource in enumerate(plan.problem.resources):
        per_head = _per_head(plan, amounts, groups, j)
        for parity in parities:
            row = {"protected": groups.name, "resource": resource, "parity": parity}
            found = ParityPlan(None, np.nan, np.nan, np.nan, cannot) if cannot else _again(plan, per_head, parity)
            rows.append(row | _priced(plan, found, per_head, j, level))
            if found.x is not None:
                plans[groups.name, resource, parity] = pd.Series(found.x, index=plan.efforts.index, name="effort")
    return rows, plans


def _why_not(plan: Allocation) -> str:
    if plan.problem.is_discrete:
        return "not computed: for S-shaped curves, whole units, fixed costs and exclusive actions there is no proof"
    if plan.settings.get("risk") is not None:
        return "not computed: the plan is not for the largest expected outcome"
    if plan.settings["objective"] == "profit":
        return "not computed: the plan is for the most profit, not the largest outcome"
    if plan.cells is not None:
        return "not computed: segments share customers"
    return ""


def _per_head(plan: Allocation, amounts: Amounts, groups: Groups, j: int) -> Array:
    """Return what a customer of each compared group gets of a resource per unit of effort, (n_groups, n_items)."""
    size, counts = groups.counts.sum(axis=1), groups.counts[:, groups.compared]
    result = np.zeros((counts.shape[1], len(plan.problem.items)))
    of_group = counts.sum(axis=0)
    for i, position in enumerate(amounts.item_segment):  # type: ignore[arg-type]
        name = amounts.segments[position]
        s = groups.segments.index(name) if name in groups.segments else -1
        if s >= 0 and size[s] > 0:
            result[:, i] = plan.problem.use[i, j] * counts[s] / size[s] / of_group
    return result


def _again(plan: Allocation, per_head: Array, parity: float) -> ParityPlan:
    x = plan.table["effort"].to_numpy()
    got = per_head @ x
    if got.min() >= parity * got.max() * (1 - MET):
        return ParityPlan(x, plan.total, plan.cost, plan.gap)
    cost_run = plan.settings["objective"] == "cost"
    return plan_with_parity(
        plan.problem,
        per_head,
        parity,
        prices=np.nan_to_num(plan.prices) if cost_run else None,
        target=plan.settings["target"] if cost_run else None,
    )


def _priced(plan: Allocation, found: ParityPlan, per_head: Array, j: int, level: float) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(PRICE_COLUMNS[3:-1], np.nan) | {"reason": found.reason, "gap": found.gap}
    if found.x is None:
        return row
    got = per_head @ found.x
    row["minimum_ratio"] = float(got.min() / got.max()) if got.max() > 0 else np.nan
    before, after = plan.problem.use[:, j] * plan.table["effort"].to_numpy(), plan.problem.use[:, j] * found.x
    if before.sum() > 0 and after.sum() > 0:
        row["effort_moved"] = 0.5 * float(np.abs(before / before.sum() - after / after.sum()).sum())
    if not after.sum() > 0:
        row["reason"] = "only by giving nobody anything of it"
    row["outcome"] = found.total
    if plan.settings["objective"] == "cost":
        return row | {"more_money": max(found.cost - plan.cost, 0.0)}
    x = plan.table["effort"].to_numpy()
    old, new = outcome_of(plan.problem, x, level), outcome_of(plan.problem, found.x, level)
    # a plan that has parity already is not beaten by more than the search leaves open
    row["price"] = max(plan.total - found.total, 0.0)
    row["price_share"] = row["price"] / plan.total if plan.total > 0 else np.nan
    if old.total_draws is not None and new.total_draws is not None:
        row["price_low"], row["price_high"] = interval(old.total_draws - new.total_draws, level)
    return row
