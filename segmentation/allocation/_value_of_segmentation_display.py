"""Picture of what deciding by segment earns, and what is left of it after the cost of the segmentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import number
from segmentation._plotting import COLOURS, axes_or_new, take_literally, tidy
from segmentation.allocation._misallocation_display import whiskers
from segmentation.allocation._misallocation_study import Figure

if TYPE_CHECKING:
    from segmentation.allocation._value_of_segmentation import ValueOfSegmentation

__all__ = ["ValueOfSegmentationDisplay"]

SHADES = {"segments": "model", "cost": "first", "left": "second", "optimum": "quiet"}


@dataclass
class ValueOfSegmentationDisplay:
    """The way from treating all alike to deciding by segment, and from there to what its running cost leaves.

    Attributes
    ----------
    steps : pandas.DataFrame
        One row per bar, from top to bottom: ``start``, ``end`` (outcome above that of treating all alike), ``low``,
        ``high`` (interval of the end), ``label`` (the name and what is brought in all), ``kind`` ("alike",
        "segments", "cost", "left" or "optimum").
    title, what : str
    ax_, figure_
        After `plot`.
    """

    steps: pd.DataFrame
    title: str
    what: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_value(cls, value: ValueOfSegmentation) -> ValueOfSegmentationDisplay:
        """Take the figures from a result; a running cost of 0 is left out."""
        earns, net, cost = value.earns, value.net, float(value.settings["running_cost"])
        rows = [
            _row("treating all alike", 0.0, Figure(0.0, np.nan, np.nan, 0.0), "alike", value.alike),
            _row("deciding by segment", 0.0, earns, "segments", value.by_segment),
        ]
        if cost:
            rows.append(_row("running cost", earns.value, Figure(net.value, np.nan, np.nan, net.value), "cost"))
            rows.append(_row("what is left", 0.0, net, "left"))
        if value.potential is not None:
            rows.append(_row("best by segment (unknown)", 0.0, value.potential, "optimum"))
        settings = value.settings
        period = f" {settings['period']}" if settings["period"] else ""
        intervals = f"; lines: {100 * settings['level']:g} % intervals" if np.isfinite(earns.low) else ""
        return cls(
            pd.DataFrame(rows).set_index("name"),
            f"What deciding by segment earns: about {number(earns.value)}{period}",
            f"outcome above that of treating all alike{',' if period else ''}{period}{intervals}",
        )

    def plot(self, ax: Any = None) -> ValueOfSegmentationDisplay:
        """Draw on the axes given, or on new ones."""
        n = len(self.steps)
        ax = axes_or_new(ax, 8.0, 1.5 + 0.5 * n)
        places = np.arange(n)[::-1]
        ends = self.steps[["start", "end", "low", "high"]].to_numpy(dtype=float)
        left, right = min(float(np.nanmin(ends)), 0.0), max(float(np.nanmax(ends)), 0.0)
        span = (right - left) or 1.0
        for place, (_, row) in zip(places, self.steps.iterrows(), strict=True):
            if row["kind"] != "alike":
                shade = COLOURS[SHADES[row["kind"]]]
                ax.barh(place, row["end"] - row["start"], 0.6, left=row["start"], color=shade, zorder=2)
                whiskers(ax, place, row["low"], row["high"])
            if row["kind"] == "cost":
                for at, step in ((row["start"], 1), (row["end"], -1)):
                    ax.plot([at, at], [place, place + step], color=COLOURS["quiet"], linewidth=0.8, zorder=1)
            beside = float(np.nanmax([row["start"], row["end"], row["high"], 0.0]))
            ax.text(beside + 0.015 * span, place, number(float(row["end"] - row["start"])), va="center", fontsize=9)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1)
        # room for the numbers beside the bars
        ax.set_xlim(left - 0.05 * span, right + 0.18 * span)
        ax.set_yticks(places, list(self.steps["label"]))
        ax.set_ylim(-0.7, n - 0.3)
        tidy(ax, title=self.title, x=self.what, y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self


def _row(name: str, start: float, end: Figure, kind: str, brings: Figure | None = None) -> dict[str, Any]:
    label = name
    if brings is not None:
        between = f" ({number(brings.low)} to {number(brings.high)})" if np.isfinite(brings.low) else ""
        label = f"{name}\nbrings {number(brings.value)}{between}"
    figures = {"start": start, "end": end.value, "low": end.low, "high": end.high}
    return {"name": name, **figures, "label": label, "kind": kind}
