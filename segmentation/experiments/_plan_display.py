"""A picture of a plan: customers needed beside those there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._plotting import COLOURS, axes_or_new, take_literally, tidy
from segmentation.experiments._randomize_display import short_labels

if TYPE_CHECKING:
    from segmentation.experiments._plan_result import ExperimentPlan

__all__ = ["PlanDisplay"]

MOST = 30


@dataclass
class PlanDisplay:
    """Bars of the customers who can enter, with marks at the number that a segment needs.

    Attributes
    ----------
    values : pandas.DataFrame
        Index segment, columns ``n_available``, ``n_needed`` (missing where no number is enough), ``enough``.
    title : str
    ax_, figure_
        After `plot`.
    """

    values: pd.DataFrame
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_plan(cls, plan: ExperimentPlan, *, max_segments: int = MOST) -> PlanDisplay:
        """Take the figures from an `ExperimentPlan`; of many segments the largest are drawn, in their order."""
        table = plan.table
        largest = table["n_available"].sort_values(ascending=False, kind="stable").index[:max_segments]
        kept = table.index.isin(largest)
        values = table.loc[kept, ["n_available", "n_needed", "enough"]].astype({"n_needed": "float64"})
        left_out = int((~kept).sum())
        more = f" ({left_out} smaller ones not shown)" if left_out else ""
        title = f"{int(table['enough'].sum())} of {len(table)} segments can show the lift on their own{more}"
        return cls(values, title)

    def plot(self, ax: Any = None) -> PlanDisplay:
        """Draw it."""
        values = self.values
        n = len(values)
        ax = axes_or_new(ax, 7.5, 1.9 + 0.3 * n)
        places = np.arange(n)[::-1]
        needed = values["n_needed"].to_numpy()
        available = values["n_available"].to_numpy(dtype=float)
        top = float(np.nanmax(np.concatenate([needed, available, [1.0]])))
        positive = np.concatenate([needed, available])
        positive = positive[np.isfinite(positive) & (positive > 0)]
        wide = bool(positive.size) and top / positive.min() > 50
        low = float(10 ** np.floor(np.log10(positive.min() / 2))) if wide else 0.0
        for enough, colour, label in ((True, "model", "can enter: enough"), (False, "first", "can enter: too few")):
            chosen = values["enough"].to_numpy(dtype=bool) == enough
            if chosen.any():
                if wide:  # the length of a bar means nothing on a logarithmic axis
                    ax.scatter(
                        np.maximum(available[chosen], low), places[chosen], s=45, color=COLOURS[colour], label=label
                    )
                else:
                    width = available[chosen]
                    ax.barh(places[chosen], width, height=0.62, color=COLOURS[colour], alpha=0.75, label=label)
        known = np.isfinite(needed)
        if wide:
            ax.hlines(places[known], needed[known], np.maximum(available[known], low), color="#BDBDBD", zorder=0)
        ax.scatter(
            needed[known], places[known], marker="|", s=190, linewidths=2.5, color=COLOURS["actual"], label="needed"
        )
        for place in places[~known]:
            where = (0.99, place)
            ax.annotate(
                "no number is enough",
                where,
                xycoords=("axes fraction", "data"),
                ha="right",
                va="center",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
        if wide:
            ax.set_xscale("log")
            ax.set_xlim(low, top * 1.6)
        else:
            ax.set_xlim(0, top * 1.06)
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.set_yticks(places, short_labels(values.index), fontsize=9)
        ax.set_ylim(-0.7, n - 0.3)
        scale = " (logarithmic)" if wide else ""
        tidy(ax, title=self.title, x=f"customers, all arms together{scale}", y="")
        ax.grid(visible=False, axis="y")
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
