"""What `ReturnLedger.returns` returns."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, money, number
from segmentation._plotting import shorten
from segmentation._results import Result

__all__ = ["LedgerReturns", "group_name"]

SHOWN = 15


def group_name(value: str, kind: str) -> str:
    """Return the name of a group for a reader.

    Examples
    --------
    >>> group_name("", "segment"), group_name("loyal", "segment")
    ('(no segment)', 'loyal')
    """
    return value or f"(no {kind})"


@dataclass(frozen=True, eq=False, repr=False)
class LedgerReturns(Result):
    """Return on investment with intervals.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per group; the groups, then:

        ``n_periods``, ``n_entries``, ``effort``, ``cost``, ``outcome``, ``n_customers``, ``net``
            Sums over the treated entries (``net`` is outcome less cost); ``stated_...`` says how many entries state
            each. A group without a name ("") is what is not attributed.
        ``return_on_investment``, ``_low``, ``_high``
            Outcome per unit of cost (1 is the money back), NaN without cost or any stated outcome; interval from the
            periods, NaN for one.
        ``outcome_low``, ``outcome_high``
            Interval of the outcome of so many periods like these.
        ``incremental_outcome``, ``incremental_cost``, ``incremental_return``, with ``_low`` and ``_high``
            Beyond the control group, scaled by customers; only over cells with a control (their cost is
            ``controlled_cost``), NaN where there are none.
        ``basis``
            "control" where all the cost has a control group, "part" or "gross".
        ``trend``, ``trend_low``, ``trend_high``, ``trend_p``, ``trend_p_adjusted``, ``trend_says``
            Change of the return (incremental with basis "control") per period; p-value of no change, adjusted for all
            groups (Holm); "rising", "falling", "not shown" or "too few periods".
        ``planned_effort``, ``planned_cost``, ``planned_outcome``, ``not_spent``, ``beyond_plan`` with ``_low``,
        ``_high``, ``in_plan``
            Only with a plan. ``beyond_plan`` is the outcome (incremental with basis "control") less the planned one.

        With ``by="period"``, the rows of `over_time` (and the plan).
    over_time : pandas.DataFrame
        One row per group and period: the sums, ``return_on_investment`` and ``incremental_return`` of the period,
        which have no interval, and of all periods so far: ``to_date``, ``incremental_to_date``, each with ``_low``,
        ``_high``.
    total : dict
        The figures of ``table`` for everything together.
    amounts : pandas.DataFrame
        What all entries add up to, what is not attributed, control groups, what was not spent of the budget.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    over_time: pd.DataFrame
    total: Mapping[str, Any]
    amounts: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "over_time": self.over_time,
            "total": self.total,
            "amounts": self.amounts.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        total, level = self.total, 100 * self.settings["level"]
        periods = self.settings["periods"]
        when = periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"
        text = (
            f"Returns over {count(len(periods), 'period')} ({when}): {money(total['cost'])} spent, "
            f"outcome {money(total['outcome'])}"
        )
        if np.isfinite(total["return_on_investment"]):
            between = _interval(total, "return_on_investment", level)
            text += f", {number(total['return_on_investment'])} per 1 spent{between}"
        return text

    def _lines(self) -> list[str]:
        level, lines = 100 * self.settings["level"], []
        if np.isfinite(self.total["incremental_return"]):
            between = _interval(self.total, "incremental_return", level)
            lines.append(
                f"  against control groups: {money(self.total['incremental_outcome'])} more, "
                f"{number(self.total['incremental_return'])} per 1 spent{between}"
            )
        for name, row in self.amounts.iterrows():
            if str(name).startswith("treated, without") and row["n_entries"]:
                lines.append(f"  {str(name)[9:]}: cost {money(row['cost'])}, outcome {money(row['outcome'])}")
            elif name == "control groups" and row["n_entries"]:
                lines.append(f"  control groups: cost {money(row['cost'])}, outcome {money(row['outcome'])}")
            elif name == "not spent of the budget":
                spent = "not spent of the budget" if row["cost"] >= 0 else "spent beyond the budget"
                lines.append(f"  {spent}: {money(abs(row['cost']))}")
        if "not_spent" in self.table.columns:
            gap = float(self.table["not_spent"].sum())
            lines.append(f"  {'not spent of the plan' if gap >= 0 else 'spent beyond the plan'}: {money(abs(gap))}")
        return lines

    def _short_table(self) -> pd.DataFrame:
        by, table = self.settings["by"], self.table.head(SHOWN)
        shown = pd.DataFrame(
            {name: [shorten(group_name(v, name), 40) for v in table[name]] for name in by if name != "period"}
        )
        if "period" in by:
            shown["period"] = table["period"].to_numpy()
        for name in ("cost", "outcome"):
            stated = table[f"stated_{name}"] > 0
            shown[name] = [money(value) if given else "-" for value, given in zip(table[name], stated, strict=True)]
        shown["per 1"] = [_figure(value) for value in table["return_on_investment"]]
        level = f"{100 * self.settings['level']:g} % interval"
        to_date = "period" in by
        if to_date:
            shown["to date"] = [_figure(value) for value in table["to_date"]]
        shown[level] = _ranges(table, "to_date" if to_date else "return_on_investment")
        if self.settings["control"]:
            name, column = (
                ("incremental to date", "incremental_to_date") if to_date else ("incremental", "incremental_return")
            )
            shown[name] = [_figure(value) for value in table[column]]
            shown[f"its {level}"] = _ranges(table, column)
        if not to_date:
            shown["trend"] = table["trend_says"].to_numpy()
        for name in ("not_spent", "beyond_plan"):
            if name in table.columns:
                shown[name.replace("_", " ")] = [money(value) for value in table[name]]
        return shown

    def __str__(self) -> str:
        lines = [self._headline(), *self._lines(), "", self._short_table().to_string(index=False)]
        if len(self.table) > SHOWN:
            lines.append(f"... and {count(len(self.table) - SHOWN, 'row')} more in .table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line.strip())}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table = self._short_table().to_html(index=False, escape=True)
        return f"<p>{html.escape(self._headline())}</p><ul>{lines}</ul>{table}{notes}"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the returns over time with their intervals; options as in `ReturnsDisplay`."""
        from segmentation.monitoring._returns_display import ReturnsDisplay

        return ReturnsDisplay.from_returns(self, **options).plot(ax).ax_


def _figure(value: float) -> str:
    return number(value) if np.isfinite(value) else "-"


def _ranges(table: pd.DataFrame, name: str) -> list[str]:
    return [
        f"{number(low)} to {number(high)}" if np.isfinite(low) else "-"
        for low, high in zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    ]


def _interval(row: Mapping[str, Any], name: str, level: float) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f" ({level:g} % interval {number(low)} to {number(high)})" if np.isfinite(low) else " (no interval)"
