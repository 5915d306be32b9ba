"""Picture of what a test of each segment is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._plotting import COLOURS, axes_or_new, take_literally, tidy
from segmentation.allocation._misallocation_display import MAX_SEGMENTS, distinct, whiskers

if TYPE_CHECKING:
    from segmentation.allocation._value_of_information import ValueOfInformation

__all__ = ["ValueOfInformationDisplay"]


@dataclass
class ValueOfInformationDisplay:
    """Bars of what a test of each segment is worth, with Monte Carlo errors, and what it costs.

    Attributes
    ----------
    values : pandas.DataFrame
        One row per segment drawn, from top to bottom: ``value``, ``standard_error`` and ``test_cost`` (or NaN).
    title : str
    ax_, figure_
        After `plot`.
    """

    values: pd.DataFrame
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_value(cls, value: ValueOfInformation, *, max_segments: int = MAX_SEGMENTS) -> ValueOfInformationDisplay:
        """Take the figures from a result: the segments in which a test pays most."""
        table = value.table.head(max_segments)
        cost = table["test_cost"] if "test_cost" in table else pd.Series(np.nan, index=table.index)
        values = pd.DataFrame(
            {
                "value": table["value"].to_numpy(),
                "standard_error": table["standard_error"].to_numpy(),
                "test_cost": cost.to_numpy(),
            },
            index=pd.Index(distinct(list(table.index))),
        )
        left_out = len(value.table) - len(values)
        what = "know its curve" if value.settings["test_size"] is None else "test it"
        title = f"What it is worth to {what}, by segment" + (f"; {left_out} more not drawn" if left_out else "")
        return cls(values, title)

    def plot(self, ax: Any = None) -> ValueOfInformationDisplay:
        """Draw on the axes given, or on new ones."""
        n = len(self.values)
        ax = axes_or_new(ax, 7.0, 1.4 + 0.36 * n)
        places = np.arange(n)[::-1]
        ax.barh(places, self.values["value"], 0.6, color=COLOURS["model"], zorder=2, label="value")
        for place, (_, row) in zip(places, self.values.iterrows(), strict=True):
            whiskers(ax, place, row["value"] - row["standard_error"], row["value"] + row["standard_error"])
        if self.values["test_cost"].notna().any():
            ax.plot(self.values["test_cost"], places, "|", color=COLOURS["first"], markersize=14, markeredgewidth=2.5,
                    label="cost of the test", zorder=5)  # fmt: skip
            ax.legend(frameon=False, loc="best", fontsize=9)
        ax.set_yticks(places, list(self.values.index))
        ax.set_ylim(-0.7, n - 0.3)
        tidy(ax, title=self.title, x="outcome (lines: one Monte Carlo standard error)", y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
