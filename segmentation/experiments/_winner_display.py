"""Picture of the best of many segments: all as measured, and the best one corrected for having been picked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["BestSegmentDisplay"]

MOST = 30
NAME_WIDTH = 30
OFF = 0.24


@dataclass(eq=False)
class BestSegmentDisplay:
    """Segments as measured, best first, and below the best one its corrected effect.

    Parameters
    ----------
    segments : pandas.DataFrame
        Index segment, best first: ``estimate``, ``low``, ``high`` as measured.
    corrected : pandas.DataFrame
        Index "corrected", "simultaneous": ``estimate``, ``low``, ``high`` of the best segment.
    title, unit : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    segments: pd.DataFrame
    corrected: pd.DataFrame
    title: str
    unit: str
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_best(cls, found: Any, *, max_segments: int = MOST) -> Self:
        """Take the figures from `BestSegment`; of many segments the best are drawn."""
        settings = found.settings
        table = found.segments.dropna().sort_values("estimate", ascending=not settings["largest"], kind="stable")
        # the first of equally good ones is the one that was taken
        table = table.loc[[found.segment, *(name for name in table.index if name != found.segment)]]
        reach = stats.norm.ppf(0.5 + settings["level"] / 2) * table["se"]
        rows = table.assign(low=table["estimate"] - reach, high=table["estimate"] + reach)
        corrected = found.table.loc[[settings["method"], "simultaneous"]].set_axis(
            ["corrected", "simultaneous"], axis=0
        )
        rest = len(rows) - max_segments
        more = f"; {rest} behind them not drawn" if rest > 0 else ""
        title = f"Best of {len(rows)}: {shorten(found.segment, NAME_WIDTH)}{more}"
        unit = f"effect ({100 * settings['level']:g} % intervals)"
        return cls(rows[["estimate", "low", "high"]].head(max_segments), corrected, title, unit)

    def plot(self, ax: Any = None) -> Self:
        """Draw it; an end that is infinite becomes an arrow."""
        n = len(self.segments)
        ax = axes_or_new(ax, 7.2, 2.2 + 0.34 * n)
        places = np.arange(n, dtype=float)
        places[1:] += 2 * OFF  # room below the first for what is corrected
        blue, orange, grey = COLOURS["model"], COLOURS["first"], COLOURS["quiet"]
        rows = self.segments
        ax.axvline(0, color=COLOURS["actual"], linewidth=1, zorder=1)
        ax.hlines(places, rows["low"], rows["high"], color=blue, linewidth=1.6, zorder=2)
        ax.scatter(rows["estimate"], places, color=blue, s=34, zorder=3)
        ends = [*rows[["low", "high"]].to_numpy().ravel(), *self.corrected.to_numpy(dtype=float).ravel()]
        finite = np.array([end for end in [*ends, 0.0] if np.isfinite(end)])
        room = 0.06 * max(float(np.ptp(finite)), 1e-300)
        low, high = float(finite.min()) - room, float(finite.max()) + room
        ax.set_xlim(low, high)
        self._interval(ax, "corrected", OFF, orange, (low, high))
        self._interval(ax, "simultaneous", 2 * OFF, grey, (low, high))
        ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in rows.index])
        ax.set_ylim(places[-1] + 0.5, -0.5)
        said = "blue: as measured; orange: corrected for having been picked\ngrey: simultaneous, whichever is picked"
        tidy(ax, title=self.title, x=f"{self.unit}\n{said}", y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(ax)
        return self

    def _interval(self, ax: Any, which: str, place: float, colour: str, ends: tuple[float, float]) -> None:
        row = self.corrected.loc[which]
        ax.hlines(place, *np.clip([row["low"], row["high"]], *ends), color=colour, linewidth=1.6, zorder=2)
        for end, marker, edge in ((row["low"], "<", ends[0]), (row["high"], ">", ends[1])):
            if not np.isfinite(end):
                ax.scatter(edge, place, marker=marker, color=colour, s=40, zorder=4, clip_on=False)
        drawn = np.clip(row["estimate"], *ends) if which == "corrected" and np.isfinite(row["estimate"]) else np.nan
        marker = "s" if which == "corrected" else "_"
        ax.scatter(drawn, place, color=colour, marker=marker, s=28, zorder=3)
