"""What `allocate` returns."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, number
from segmentation._progress import progress
from segmentation._results import Result
from segmentation.allocation._cost import solve_cost
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._profit import profit_of, solve_profit
from segmentation.allocation._solve import solve

__all__ = ["Allocation"]

SHOWN = 12
SCENARIO = 0.1
# A difference below this share is rounding.
NOISE = 1e-12
# A gap below this is none, for a reader.
EXACT = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Allocation(Result):
    """A plan: how much effort each segment and action gets.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment and action, see `allocate`.
    resources : pandas.DataFrame
        One row per resource: ``unit``, ``amount``, ``used``, ``left`` (``used + left`` is the amount), ``shadow_price``
        (what one more unit brings, least shares staying the amounts they are; with ``objective="cost"`` the money it
        saves, with ``"profit"`` what it brings above its price), ``why``.
    comparison : pandas.DataFrame
        The plan beside an equal split and those given: ``outcome`` with interval, ``gain_of_plan`` with interval (of
        the outcome; with ``objective="profit"`` of the profit),
        ``takes_too_much_of``, ``breaks`` (kinds of requirements that it does not keep).
    floors : pandas.DataFrame
        One row per least share: ``segment``, ``resource``, ``amount``, ``given``, ``price`` (what one unit less of it
        would bring; with ``objective="cost"`` save). What all of them cost together is `floor_cost`.
    contacts : pandas.DataFrame
        One row per contact cap: ``segment``, ``most``, ``given``, ``binds``, ``price`` (of one contact more).
    cells : pandas.DataFrame or None
        With ``overlap``, one row per group of customers who are in the same segments, and segment that serves them:
        ``cell``, ``n_customers``, ``segment``, ``served`` (so many of them), the resources taken, ``outcome``.
    overlap : pandas.DataFrame or None
        This plan beside the one that would ignore the overlap: ``claimed`` (outcome summed over segments),
        ``counted_once`` (as a member of the segment from which most is expected), ``double_counted``, per resource what
        goes to customers a second time, and ``gain_of_plan`` with interval.
    risk : result of the risk, or None
    total : float
        Expected outcome of all items together, less fixed costs in its unit (with ``objective="cost"``, where these are
        part of the cost, not less).
    total_low, total_high : float
        Its interval; NaN where no curve has draws.
    cost : float
        Money for what is used, and fixed costs; NaN where a price is missing.
    gap : float
        Proven distance from the best possible plan, relative to the total (``objective="cost"``: to the cost,
        ``"profit"``: to the profit).
    settings : dict
    warnings : tuple of str
        What stands in doubt: curves that are not from randomized effort, their notes, resources that are left.
    problem, solution, others, prices
        The arrays behind, for those who go on computing: `Problem`, `Solution`, the efforts of every split in
        ``comparison``, the price of each resource.
    """

    table: pd.DataFrame
    resources: pd.DataFrame
    comparison: pd.DataFrame
    total: float
    total_low: float
    total_high: float
    cost: float
    gap: float
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]
    problem: Problem = field(repr=False)
    solution: Solution = field(repr=False)
    others: Mapping[str, NDArray[np.float64]] = field(repr=False)
    prices: NDArray[np.float64] = field(repr=False)
    floors: pd.DataFrame = field(default_factory=pd.DataFrame)
    contacts: pd.DataFrame = field(default_factory=pd.DataFrame)
    cells: pd.DataFrame | None = None
    overlap: pd.DataFrame | None = None
    risk: Any = None
    _again: Any = field(default=None, repr=False)

    @property
    def profit(self) -> float:
        """What the plan brings above what the resources taken and its fixed costs cost; NaN where a price is missing.

        Meant for outcomes that are money in the unit of the prices.
        """
        return profit_of(self.problem, self.solution.x, self.prices)

    @property
    def efforts(self) -> pd.Series[Any]:
        """The effort by (segment, action)."""
        return self.table.set_index(["segment", "action"])["effort"]

    def replan(self, amounts: Mapping[str, float]) -> Allocation:
        """Return the best plan with other amounts of some resources, all else equal.

        Parameters
        ----------
        amounts : mapping of resource name to amount

        Examples
        --------
        >>> from segmentation.allocation import Resource, allocate
        >>> from segmentation.curves import LogCurve
        >>> plan = allocate({"a": LogCurve(100.0, 1.0)}, Resource("budget", 10))
        >>> round(plan.replan({"budget": 20}).total, 1)
        304.5
        """
        unknown = [name for name in amounts if name not in self.resources.index]
        if unknown:
            raise ValueError(f"no resource is called {unknown[0]!r}; resources: {list(self.resources.index)}.")
        result: Allocation = self._again(dict(amounts))
        return result

    @cached_property
    def scenarios(self) -> pd.DataFrame:
        """The same plan with a tenth less and a tenth more of each resource; of people, at least one less and one more.

        Index ``resource``, ``change``; ``amount``, ``outcome`` (with ``objective="cost"``: ``cost``, with ``"profit"``:
        ``profit``, with ``risk``: ``criterion``), ``difference`` from this plan, ``per_unit`` of the resource,
        ``effort_moved`` (share of the resource that goes to another item than in this plan, 0 to 1). NaN where there is
        no plan. Choices are made anew, and least shares are those of the new amount. Computed when first asked for.
        """
        goal, now = self._goal()
        asked = [
            (j, change)
            for j in np.flatnonzero(np.isfinite(self.problem.supply)).tolist()
            for change in (-SCENARIO, SCENARIO)
        ]
        rows = []
        for j, change in progress(asked, what="other amounts", unit="plan") if self.problem.is_discrete else asked:
            amount = float(self.problem.supply[j])
            new, share = self._other_amount(j, amount, change)
            value, moved = self._with_supply(j, new)
            if abs(value - now) <= NOISE * abs(now):
                value = now
            per_unit = (value - now) / (new - amount) + 0.0 if new != amount else np.nan
            rows.append((self.problem.resources[j], share, new, value, value - now, per_unit, moved))
        columns = ["resource", "change", "amount", goal, "difference", "per_unit", "effort_moved"]
        return pd.DataFrame(rows, columns=columns).set_index(["resource", "change"])

    def _other_amount(self, j: int, amount: float, change: float) -> tuple[float, float]:
        """Return an amount of a resource that differs by a share, and that share."""
        if not np.asarray(self.problem.integer)[j]:
            return amount * (1 + change), change
        # a part of a person changes nothing: whole ones, one at least
        new = max(float(np.floor(amount) + np.sign(change) * max(np.floor(SCENARIO * amount), 1.0)), 0.0)
        return new, (new - amount) / amount if amount > 0 else change

    def _goal(self) -> tuple[str, float]:
        """Return what is minimised or maximised, and how much of it this plan reaches."""
        if self.settings["objective"] == "cost":
            return "cost", self.cost
        if self.settings["objective"] == "profit":
            return "profit", self.profit
        if self.risk is not None:
            return "criterion", float(self.risk.table.loc["this plan", "criterion"])
        return "outcome", self.total

    def _with_supply(self, j: int, amount: float) -> tuple[float, float]:
        """Return what is reached with another amount of one resource, and the share of it that moves."""
        try:
            if self.cells is not None or self.risk is not None:
                other = self.replan({self.problem.resources[j]: amount})
                value, x = other._goal()[1], other.solution.x
            else:
                value, x = self._solved_with(j, amount)
        except InfeasibleError:
            return np.nan, np.nan
        before, after = self.problem.taken(self.solution.x)[:, j], self.problem.taken(x)[:, j]
        moved = 0.0
        if before.sum() > 0 and after.sum() > 0:
            moved = 0.5 * float(np.abs(before / before.sum() - after / after.sum()).sum())
        return value, moved

    def _solved_with(self, j: int, amount: float) -> tuple[float, NDArray[np.float64]]:
        supply = self.problem.supply.copy()
        supply[j] = amount
        before = float(self.problem.supply[j])
        # a least share is one of what there is then
        floors = tuple(
            dataclasses.replace(floor, amount=floor.amount * amount / before) if floor.resource == j else floor
            for floor in self.problem.floors
        )
        changed = dataclasses.replace(self.problem, supply=supply, floors=floors, _stacks_given=self.problem.stacks)
        search = {"gap": self.settings["gap"], "time_limit": self.settings["time_limit"]}
        if self.settings["objective"] == "cost":
            x = solve_cost(changed, self.prices, self.settings["target"], **search)[0].x
            return float(changed.used(x) @ self.prices + changed.fixed_costs(x).sum()), x
        if self.settings["objective"] == "profit":
            x = solve_profit(changed, self.prices, **search).x
            return profit_of(changed, x, self.prices), x
        x = solve(changed, **search).x
        return changed.net(x), x

    @cached_property
    def floor_cost(self) -> float:
        """What the least shares cost: the total of the best plan without them, less that of this plan.

        With ``objective="cost"``, the money that would be saved without them; with ``risk``, what the criterion would
        gain. Computed when first asked for.
        """
        if not self.problem.floors:
            return 0.0
        free = self._again({}, min_share=None)
        difference = free._goal()[1] - self._goal()[1]
        return float(-difference if self.settings["objective"] == "cost" else difference)

    @property
    def findings(self) -> tuple[str, ...]:
        """What stands below the headline: resources, and other splits."""
        return tuple(line.strip() for line in self._lines())

    # ------------------------------------------------------------------ as a result
    def _facts(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "total_low": self.total_low,
            "total_high": self.total_high,
            "cost": self.cost,
            "profit": self.profit,
            "gap": self.gap,
            "table": self.table,
            "resources": self.resources.reset_index(),
            "comparison": self.comparison.reset_index(),
            "floors": self.floors,
            "contacts": self.contacts,
            "cells": None if self.cells is None else self.cells,
            "overlap": None if self.overlap is None else self.overlap.reset_index(),
            "risk": None if self.risk is None else self.risk.to_dict(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        level = self.settings["level"]
        between = (
            f" ({100 * level:g} % interval {number(self.total_low)} to {number(self.total_high)})"
            if np.isfinite(self.total_low)
            else ""
        )
        funded = int((self.table["effort"] > 0).sum())
        what = f"Plan for {count(self.table['segment'].nunique(), 'segment')}: "
        if self.settings["objective"] == "cost":
            goal = f"the target of {number(self.settings['target'])} for {number(self.cost)}"
        elif self.settings["objective"] == "profit":
            goal = f"{number(self.profit)} profit, {number(self.total)} expected{between}"
        else:
            goal = f"{number(self.total)} expected{between}"
        near = f"; within {100 * self._stated_gap:.2g} % of the best possible" if self._stated_gap else ""
        return f"{what}{goal}; {funded} of {count(len(self.table), 'item')} funded{near}"

    @property
    def _stated_gap(self) -> float:
        """The gap that the headline states: of problems that are not solved to the last digits."""
        return self.gap if self.problem.is_discrete and self.total != 0 and EXACT < self.gap < 1 else 0.0

    def _lines(self) -> list[str]:
        lines = [
            f"  {name}: {number(row['used'])} of {number(row['amount'])}{' ' + row['unit'] if row['unit'] else ''}; "
            f"{row['why']}"
            for name, row in self.resources.iterrows()
        ]
        lines += self._more_lines()
        for name, row in self.comparison.iloc[1:].iterrows():
            too_much = f" although it takes too much {row['takes_too_much_of']}" if row["takes_too_much_of"] else ""
            if row["breaks"]:
                too_much += f"{' and' if too_much else ', although it'} does not keep {row['breaks']}"
            if self.settings["objective"] == "cost":
                lines.append(f"  {name}: {number(row['outcome'])} for {number(row['cost'])}{too_much}")
            else:
                earns = "earns" if self.settings["objective"] == "profit" else "brings"
                lines.append(f"  {name}: {number(row['outcome'])}{too_much}; this plan {earns} {self._gain(row)}")
        return lines

    @staticmethod
    def _gain(row: Any) -> str:
        gain, low, high, word = row["gain_of_plan"], row["gain_low"], row["gain_high"], "more"
        if gain < 0:
            gain, low, high, word = -gain, -high, -low, "less"
        between = f" ({number(low)} to {number(high)})" if row.notna()["gain_low"] else ""
        return f"{number(gain)}{between} {word}"

    def _more_lines(self) -> list[str]:
        """Say what least shares cost, which contact caps bind, and what the overlap does."""
        lines = []
        saves = "saves" if self.settings["objective"] == "cost" else "brings"
        for _, row in self.floors[self.floors["price"] > 0].head(SHOWN).iterrows() if len(self.floors) else ():
            unit = self.resources.loc[row["resource"], "unit"] or "unit"
            lines.append(
                f"  least {row['resource']} of {row['segment']}: one {unit} less of it {saves} {number(row['price'])}"
            )
        binding = (
            [str(name) for name in self.contacts.loc[self.contacts["binds"], "segment"]] if len(self.contacts) else []
        )
        if binding:
            lines.append(f"  contact caps that bind: {name_some(dict.fromkeys(binding))}")
        if self.overlap is not None:
            ignored = self.overlap.loc["overlap ignored"]
            lines.append(
                f"  segments share customers: a plan that ignores it claims {number(ignored['claimed'])} and brings "
                f"{number(ignored['counted_once'])}; this plan brings {self._gain(ignored)}"
            )
        if self.risk is not None:
            lines.append(f"  {self.risk._headline()}")
        return lines

    def _short_table(self) -> pd.DataFrame:
        table = (
            self.table.sort_values("outcome", ascending=False, kind="stable") if len(self.table) > SHOWN else self.table
        )
        columns = ["segment", "action", "effort", "outcome", "marginal_return", "holds"]
        if len(set(table["action"])) == 1:
            columns.remove("action")
        return table[columns].head(SHOWN)

    def __str__(self) -> str:
        table = self._short_table().to_string(index=False, float_format=lambda value: number(float(value)))
        more = len(self.table) - SHOWN
        lines = [self._headline(), *self._lines(), "", table]
        if more > 0:
            lines.append(f"... and {count(more, 'item')} more in .table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line.strip())}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table: Any = self._short_table()
        return (
            f"<p>{html.escape(self._headline())}</p><ul>{lines}</ul>"
            f"{table.to_html(index=False, escape=True, float_format=lambda value: number(float(value)))}{notes}"
        )

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw what each item gets, beside before or an equal split; arguments as in `AllocationDisplay`."""
        from segmentation.allocation._display import AllocationDisplay

        return AllocationDisplay.from_allocation(self, **kwargs).plot(ax).ax_

    def plot_curves(self, **kwargs: Any) -> Any:
        """Draw the response curves with the chosen points and their marginal lines; see `CurvesDisplay`."""
        from segmentation.allocation._display import CurvesDisplay

        return CurvesDisplay.from_allocation(self, **kwargs).plot()
