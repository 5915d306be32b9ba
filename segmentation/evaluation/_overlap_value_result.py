"""What `overlap_value` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from segmentation._format import count, money, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, tidy
from segmentation.evaluation._overlap_text import Reported

__all__ = ["OverlapValue"]


@dataclass(frozen=True, eq=False, repr=False)
class OverlapValue(Reported):
    """What segments that overlap are worth, every customer counted once.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment, see `overlap_value`.
    whole : pandas.DataFrame
        Index ``figure``: ``total`` (all customers), ``exclusive`` (in one segment), ``shared`` (in several, counted
        once), ``nobody`` (in none), ``in_segments`` (exclusive and shared), ``sum_of_segments`` (each segment's total
        added) and ``double_counted`` (by how much that is above ``in_segments``). Columns ``n_customers`` and
        ``value``, with draws ``value_low`` and ``value_high``.
    settings : dict
        Parameters as resolved, the order, and the numbers of customers.
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "segment",
            "n_customers",
            "total",
            "share_of_total",
            "exclusive",
            "shared",
            "increment",
            "position",
        ),
    }

    table: pd.DataFrame
    whole: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def waterfall(self) -> pd.DataFrame:
        """The segments in the order in which they took their customers, with what each added."""
        kept = [name for name in WATERFALL if name in self.table]
        return self.table.sort_values("position", ignore_index=True)[kept]

    def _figure(self, name: str) -> str:
        row = {str(column): float(self.whole[column].to_dict()[name]) for column in self.whole}
        text = money(row["value"])
        if "value_low" in row:
            text += f" ({money(row['value_low'])} to {money(row['value_high'])})"
        return text

    def _headline(self) -> str:
        return (
            f"{count(len(self.table), 'segment')} of {count(self.settings['n_customers'], 'customer')}: "
            f"{self._figure('in_segments')} of {self._figure('total')} in segments; their sum exceeds that by "
            f"{self._figure('double_counted')} because of double counting"
        )

    def _shown(self) -> pd.DataFrame:
        table = self.table
        whole = self.whole["value"]
        shares = table["share_of_total"]
        columns = {
            "segment": table["segment"].map(lambda name: shorten(name, 36)),
            "customers": table["n_customers"].map("{:,}".format),
            "exclusive": table["exclusive"].map(money),
            "shared": table["shared"].map(money),
            "total": table["total"].map(money),
            "of all": shares.map(lambda share: "" if np.isnan(share) else percent(share)),
            "adds": table["increment"].map(money),
            "as no.": table["position"],
        }
        last = {
            "segment": "all, counted once",
            "customers": f"{self.settings['n_customers']:,}",
            "exclusive": money(whole["exclusive"]),
            "shared": money(whole["shared"]),
            "total": money(whole["total"]),
            "of all": "",
            "adds": money(whole["in_segments"]),
            "as no.": "",
        }
        return pd.concat([pd.DataFrame(columns).astype(object), pd.DataFrame([last])], ignore_index=True)

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "whole": self.whole.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw what each segment has alone and what it shares, and how much it adds in the order.

        Returns
        -------
        matplotlib Axes
        """
        table = self.waterfall
        n = len(table)
        ax = axes_or_new(ax, 7.5, 2.0 + 0.34 * n)
        places = np.arange(n)
        exclusive, shared = table["exclusive"].to_numpy(), table["shared"].to_numpy()
        # parts of opposite sign start at 0 both, so that neither hides the other
        start = np.where(np.sign(shared) == np.sign(exclusive), exclusive, 0.0)
        ax.barh(places, exclusive, color=COLOURS["model"], height=0.62, label="of customers in no other segment")
        ax.barh(places, shared, left=start, color="#A6CEE8", height=0.62, label="of customers in others, too")
        ax.plot(
            table["increment"], places, linestyle="none", marker="|", markersize=15, markeredgewidth=2.6,
            color=COLOURS["first"], label="added in this order",
        )  # fmt: skip
        if "total_low" in table:
            reach = np.array([table["total"] - table["total_low"], table["total_high"] - table["total"]])
            bars = ax.errorbar(
                table["total"], places, xerr=np.maximum(reach, 0.0), fmt="none", color=COLOURS["actual"], linewidth=1.2
            )
            bars.set_label(f"{100 * self.settings['level']:g} % interval of the total")
        ax.set_yticks(places, [f"{i + 1}. {shorten(name, 34)}" for i, name in enumerate(table["segment"])])
        ax.set_ylim(n - 0.4, -0.6)
        if (table[["exclusive", "shared", "increment"]] < 0).any(axis=None):
            ax.axvline(0.0, color=COLOURS["quiet"], linewidth=1.0)
        tidy(ax, title="", x=self.settings["value"], y="")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}")
        ax.grid(visible=False, axis="y")
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=8, borderaxespad=0.2)
        ax.set_title("Value of overlapping segments, in their order", loc="left", fontsize=11, pad=34)
        return ax


WATERFALL = (
    "position", "segment", "n_new", "increment", "increment_low", "increment_high", "cumulative", "cumulative_share",
    "exclusive", "shared", "total", "total_low", "total_high",
)  # fmt: skip
