"""What `allocation_fairness` returns."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, number, percent
from segmentation._results import Result

__all__ = ["AllocationFairness"]

SHOWN = 16


@dataclass(frozen=True, eq=False, repr=False)
class AllocationFairness(Result):
    """Who gets the effort of a plan and what it brings, by group of customers.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per attribute, group and measure, see `allocation_fairness`.
    summary : pandas.DataFrame
        One row per attribute and measure: the groups that get the ``least`` and the ``most`` per customer,
        ``minimum_ratio`` of the two and their ``difference``, with intervals. These are of this pair of groups, which
        was picked because it is the furthest apart; where all get the same they still name one.
    price : pandas.DataFrame
        One row per attribute, resource and parity asked for: the ``outcome`` of the best plan with it, the ``price``
        (outcome given up, with interval over the draws of the curves, and ``price_share`` of the plan's),
        ``more_money`` (of a plan for the least cost), ``effort_moved`` (share of the resource that goes elsewhere),
        ``minimum_ratio`` that it has, the proven relative ``gap``, and the ``reason`` where there is none.
    composition : pandas.DataFrame
        One row per attribute, segment and group: ``n_customers`` and their ``share`` of the segment; missing where
        fewer than ``minimum_cell``, or where such a count could be computed from it. Amounts per group are exact: where
        there are as few segments as amounts, counts can be computed from those. Round them before publishing.
    plans : dict
        (attribute, resource, parity) to the efforts of that plan by (segment, action).
    settings : dict
    warnings : tuple of str
        Who is counted how, and what the figures cannot say.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    price: pd.DataFrame
    composition: pd.DataFrame
    plans: Mapping[tuple[str, str, float], pd.Series[Any]] = field(repr=False)
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        plain = self.table.astype({"n_customers": object, "n_unassigned": object}).replace({pd.NA: None})
        return {
            "table": plain,
            "summary": self.summary,
            "price": self.price,
            "composition": self.composition.astype({"n_customers": object}).replace({pd.NA: None}),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        names = self.summary["protected"].unique()
        return f"Who gets the effort: {count(self.settings['n_customers'], 'customer')} by {name_some(names)}"

    def _lines(self) -> list[str]:
        lines = []
        for _, row in self.summary.iterrows():
            if np.isnan(row["minimum_ratio"]):
                why = "nobody gets any" if row.notna()["least"] else "fewer than two groups to compare"
                lines.append(f"  {row['protected']}, {row['measure']}: {why}")
                continue
            between = _between(row["minimum_ratio_low"], row["minimum_ratio_high"])
            lines.append(
                f"  {row['protected']}, {row['measure']}: {row['least']!r} gets least per customer, "
                f"{number(row['minimum_ratio'])}{between} of what {row['most']!r} gets"
            )
        return lines + [self._price_line(row) for _, row in self.price.iterrows()]

    def _price_line(self, row: pd.Series[Any]) -> str:
        what = (
            f"equal {row['resource']} per customer"
            if row["parity"] == 1
            else f"at least {number(row['parity'])} of the most {row['resource']} per customer"
        )
        start = f"  {row['protected']}, {what}"
        if np.isnan(row["outcome"]):
            return f"{start}: {row['reason']}"
        after = f" ({row['reason']})" if row["reason"] else ""
        if not np.isnan(row["more_money"]):
            return f"{start} would take {number(row['more_money'])} more money{after}"
        between = _between(row["price_low"], row["price_high"])
        share = f", {percent(row['price_share'])} of the outcome" if not np.isnan(row["price_share"]) else ""
        return f"{start} would cost {number(row['price'])}{between}{share}{after}"

    def _short_table(self) -> pd.DataFrame:
        columns = ["protected", "group", "n_customers", "measure", "share_of_customers", "share", "per_customer"]
        table = self.table[[*columns, "ratio_to_average"]].head(SHOWN).copy()
        table["n_customers"] = ["too few" if pd.isna(n) else f"{n:,}" for n in table["n_customers"]]
        return table

    def __str__(self) -> str:
        shown = self._short_table().to_string(index=False, na_rep="", float_format=lambda value: number(float(value)))
        lines = [f"{self._headline()}; intervals of {percent(self.settings['level'])}", *self._lines(), "", shown]
        more = len(self.table) - SHOWN
        if more > 0:
            lines.append(f"... and {count(more, 'row')} more in .table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line.strip())}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table: Any = self._short_table()
        shown = table.to_html(index=False, escape=True, na_rep="", float_format=lambda value: number(float(value)))
        return f"<p>{html.escape(self._headline())}</p><ul>{lines}</ul>{shown}{notes}"

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw what each group gets per customer beside the average; arguments as in `FairnessDisplay`."""
        from segmentation.allocation._fairness_display import FairnessDisplay

        return FairnessDisplay.from_fairness(self, **kwargs).plot(ax).ax_


def _between(low: float, high: float) -> str:
    return "" if np.isnan(low) else f" ({number(low)} to {number(high)})"
