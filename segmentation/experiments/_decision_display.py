"""Picture of decisions: what treating each segment is expected to bring, and how likely it loses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from segmentation._format import money, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["DecisionDisplay"]

MOST = 40
NAME_WIDTH = 30
# Shape and colour both tell decisions apart.
MARKS = {"treat": ("model", "o"), "test further": ("quiet", "D"), "do not treat": ("first", "X")}
SAID = {"treat": "blue dot", "test further": "grey diamond", "do not treat": "orange cross"}


@dataclass(eq=False)
class DecisionDisplay:
    """Expected value of treating each segment with its interval, and the probability of a loss beside it.

    Parameters
    ----------
    rows : pandas.DataFrame
        Index segment: ``value``, ``low``, ``high``, ``probability_of_loss``, ``decision``.
    title, unit : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    rows: pd.DataFrame
    title: str
    unit: str
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_decisions(cls, found: Any, *, per_customer: bool = False, max_segments: int = MOST) -> Self:
        """Take the figures from `SegmentDecisions`: of all customers of a segment, or of one.

        Of many segments those are drawn whose value is largest either way.
        """
        name = "value" if per_customer else "total"
        table = found.table[[name, f"{name}_low", f"{name}_high", "probability_of_loss", "decision"]]
        rows = table.set_axis(["value", "low", "high", "probability_of_loss", "decision"], axis=1)
        rest = len(rows) - max_segments
        if rest > 0:
            kept = rows["value"].abs().sort_values(ascending=False, kind="stable").index[:max_segments]
            rows = rows[rows.index.isin(kept)]
        chosen = int((found.table["decision"] == "treat").sum())
        title = f"Treat {chosen} of {len(found.table)} segments"
        if chosen:
            title += f": {money(found.total['treat']['mean'])} expected after cost"
        title += f"\n({rest} that matter least not drawn)" if rest > 0 else ""
        who = "one customer" if per_customer else "all its customers"
        unit = f"what treating {who} brings after cost ({100 * found.settings['level']:g} % intervals)"
        return cls(rows, title, unit)

    def plot(self, ax: Any = None) -> Self:
        """Draw it; segments without an estimate keep their line."""
        n = len(self.rows)
        ax = axes_or_new(ax, 7.6, 1.9 + 0.34 * max(n, 2))
        places = np.arange(n)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1, zorder=1)
        for decision, (colour, marker) in MARKS.items():
            mine = (self.rows["decision"] == decision).to_numpy()
            if mine.any():
                part = self.rows[mine]
                ax.hlines(places[mine], part["low"], part["high"], color=COLOURS[colour], linewidth=1.6, zorder=2)
                ax.scatter(part["value"], places[mine], color=COLOURS[colour], marker=marker, s=40, zorder=3)
        for place, loss in zip(places, self.rows["probability_of_loss"], strict=True):
            self._beside(ax, float(place), "no estimate" if np.isnan(loss) else percent(loss))
        self._beside(ax, -0.62, "loss", weight="bold")
        ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in self.rows.index])
        ax.set_ylim(n - 0.4, -0.6)
        ax.margins(x=0.06)
        ax.xaxis.set_major_formatter(_plainly)
        said = "; ".join(f"{mark}: {name}" for name, mark in SAID.items() if (self.rows["decision"] == name).any())
        tidy(ax, title=self.title, x=f"{self.unit}\n{said}", y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(ax)
        return self

    @staticmethod
    def _beside(ax: Any, place: float, text: str, **how: Any) -> None:
        ax.annotate(
            text, (1.0, place), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
            va="center", ha="left", fontsize=9, color="#4D4D4D", annotation_clip=False, **how,
        )  # fmt: skip


def _plainly(value: float, _: Any) -> str:
    return "0" if value == 0 else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
