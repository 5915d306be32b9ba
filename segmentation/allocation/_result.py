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

from segmentation._format import count, number
from segmentation.allocation._cost import solve_cost
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._problem import Problem, Solution

__all__ = ["Allocation"]

SHOWN = 12
SCENARIO = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class Allocation:
    """A plan: how much effort each segment and action gets.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment and action, see `allocate`.
    resources : pandas.DataFrame
        One row per resource: ``unit``, ``amount``, ``used``, ``left`` (``used + left`` is the amount), ``shadow_price``
        (what one more unit brings; with ``objective="cost"`` the money it saves), ``why``.
    comparison : pandas.DataFrame
        The plan beside an equal split and those given: ``outcome`` with interval, ``gain_of_plan`` with interval,
        ``takes_too_much_of``.
    total : float
        Expected outcome of all items together.
    total_low, total_high : float
        Its interval; NaN where no curve has draws.
    cost : float
        Money for what is used; NaN where no resource has a price.
    gap : float
        Proven distance from the best possible plan, relative to the total (``objective="cost"``: to the cost).
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
    _again: Any = field(default=None, repr=False)

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
        """The same plan with a tenth less and a tenth more of each resource.

        Index ``resource``, ``change``; ``amount``, ``outcome`` (with ``objective="cost"``: ``cost``), ``difference``
        from this plan, ``per_unit`` of the resource, ``effort_moved`` (share of the resource that goes to another item
        than in this plan, 0 to 1). NaN where there is no plan. Computed when first asked for.
        """
        goal = "cost" if self.settings["objective"] == "cost" else "outcome"
        now = self.cost if goal == "cost" else self.total
        rows = []
        for j, (name, amount) in enumerate(zip(self.problem.resources, self.problem.supply, strict=True)):
            if not np.isfinite(amount):
                continue
            for change in (-SCENARIO, SCENARIO):
                new = amount * (1 + change)
                value, moved = self._with_supply(j, new)
                per_unit = (value - now) / (new - amount) if new != amount else np.nan
                rows.append(
                    {
                        "resource": name,
                        "change": change,
                        "amount": new,
                        goal: value,
                        "difference": value - now,
                        "per_unit": per_unit,
                        "effort_moved": moved,
                    }
                )
        columns = ["resource", "change", "amount", goal, "difference", "per_unit", "effort_moved"]
        return pd.DataFrame(rows, columns=columns).set_index(["resource", "change"])

    def _with_supply(self, j: int, amount: float) -> tuple[float, float]:
        from segmentation.allocation._allocate import solve

        supply = self.problem.supply.copy()
        supply[j] = amount
        changed = dataclasses.replace(self.problem, supply=supply, _stacks_given=self.problem.stacks)
        cost_of = self.prices
        try:
            if self.settings["objective"] == "cost":
                found, _ = solve_cost(changed, cost_of, self.settings["target"])
            else:
                found = solve(changed)
        except InfeasibleError:
            return np.nan, np.nan
        use = self.problem.use[:, j]
        before, after = use * self.solution.x, use * found.x
        moved = 0.0
        if before.sum() > 0 and after.sum() > 0:
            moved = 0.5 * float(np.abs(before / before.sum() - after / after.sum()).sum())
        if self.settings["objective"] == "cost":
            return float(changed.use @ cost_of @ found.x), moved
        return changed.total(found.x), moved

    # ------------------------------------------------------------------ as a result
    def to_pandas(self) -> pd.DataFrame:
        """Return the table."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "total": self.total,
            "total_low": self.total_low,
            "total_high": self.total_high,
            "cost": self.cost,
            "gap": self.gap,
            "table": self.table.to_dict("records"),
            "resources": self.resources.reset_index().to_dict("records"),
            "comparison": self.comparison.reset_index().to_dict("records"),
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
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
        else:
            goal = f"{number(self.total)} expected{between}"
        return f"{what}{goal}; {funded} of {count(len(self.table), 'item')} funded"

    def _lines(self) -> list[str]:
        lines = [
            f"  {name}: {number(row['used'])} of {number(row['amount'])}{' ' + row['unit'] if row['unit'] else ''}; "
            f"{row['why']}"
            for name, row in self.resources.iterrows()
        ]
        for name, row in self.comparison.iloc[1:].iterrows():
            gain = row["gain_of_plan"]
            between = f" ({number(row['gain_low'])} to {number(row['gain_high'])})" if row.notna()["gain_low"] else ""
            too_much = f" although it takes too much {row['takes_too_much_of']}" if row["takes_too_much_of"] else ""
            if self.settings["objective"] == "cost":
                lines.append(f"  {name}: {number(row['outcome'])} for {number(row['cost'])}{too_much}")
            else:
                more = f"{number(gain)}{between} {'more' if gain >= 0 else '(so it brings less)'}"
                lines.append(f"  {name}: {number(row['outcome'])}{too_much}; this plan brings {more}")
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
