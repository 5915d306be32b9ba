"""The waterfall of a change: from before to after, piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import number
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.monitoring._decompose import decompose_change
from segmentation.monitoring._decompose_result import ChangeDecomposition

__all__ = ["WaterfallDisplay"]

ROWS_AT_MOST = 30


class WaterfallDisplay:
    """The metric before and after, and between them one bar for each component or segment, with its interval.

    Blue bars raise it, orange ones lower it; the black line through a bar's end is the interval of that piece alone.
    The axis need not begin at 0: before and after are lines, not bars.

    Attributes
    ----------
    change : ChangeDecomposition
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, change: ChangeDecomposition) -> None:
        self.change = change

    @classmethod
    def from_tables(cls, metric: Any, before: Any, after: Any, **settings: Any) -> WaterfallDisplay:
        """Decompose a change and draw it; settings are those of `decompose_change`."""
        return cls(decompose_change(metric, before, after, **settings))

    @classmethod
    def from_report(cls, change: ChangeDecomposition) -> WaterfallDisplay:
        """Draw a decomposition that is there."""
        if not isinstance(change, ChangeDecomposition):
            raise TypeError(f"expected what decompose_change returns, got {type(change).__name__}.")
        return cls(change)

    def _pieces(self, by: str) -> pd.DataFrame:
        if by == "component":
            return self.change.table.drop(index="total").iloc[:, :3].set_axis(["value", "low", "high"], axis=1)
        if by not in ["segment", *self.change.components]:
            raise ValueError(f"by must be 'component', 'segment' or one of {self.change.components}, got {by!r}.")
        name = "total" if by == "segment" else by
        rows = self.change.segments[[name, f"{name}_low", f"{name}_high"]].set_axis(["value", "low", "high"], axis=1)
        rows = rows.reindex(rows["value"].abs().sort_values(ascending=False, kind="stable").index)
        if len(rows) <= ROWS_AT_MOST:
            return rows
        rest = rows.iloc[ROWS_AT_MOST - 1 :]["value"].sum()
        other = pd.DataFrame(
            {"value": rest, "low": np.nan, "high": np.nan}, index=[f"{len(rows) - ROWS_AT_MOST + 1} others"]
        )
        return pd.concat([rows.head(ROWS_AT_MOST - 1), other])

    def plot(self, ax: Any = None, *, by: str = "component", name_width: int = 30) -> WaterfallDisplay:
        """Draw the waterfall.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        by : str, default="component"
            ``"component"``; ``"segment"``, the whole change by segment; or a component, that one by segment, from 0.
        name_width : int, default=30
            Characters of a name; longer ones are cut in their middle.
        """
        pieces = self._pieces(by)
        ends = by in ("component", "segment")
        start = self.change.before if ends else 0.0
        values = pieces["value"].to_numpy(dtype=float)
        lefts = start + np.r_[0.0, np.cumsum(values)[:-1]]
        places = np.arange(len(values), 0, -1, dtype=float)
        ax = axes_or_new(ax, 8.5, 1.6 + 0.33 * (len(values) + 2))
        colours = [COLOURS["model"] if value >= 0 else COLOURS["first"] for value in values]
        ax.barh(places, values, left=lefts, color=colours, height=0.62)
        low, high = lefts + pieces["low"].to_numpy(dtype=float), lefts + pieces["high"].to_numpy(dtype=float)
        ax.hlines(places, low, high, color=COLOURS["actual"], linewidth=1.2)
        for place, left, value in zip(places, lefts, values, strict=True):  # from bar to bar
            ax.vlines(left + value, place - 1.31 if place > 1 or ends else place, place, color="#B0B0B0", linewidth=0.8)
        final = start + values.sum()
        top, bottom = len(values) + 1.0, 0.0
        if ends:
            ax.vlines(
                [start, final], [top - 0.31, bottom - 0.31], [top + 0.31, bottom + 0.31], color="black", linewidth=3
            )
            ax.vlines(start, top - 1, top, color="#B0B0B0", linewidth=0.8)
        edges = np.r_[low, high, lefts, lefts + values, start, final]
        edges = edges[np.isfinite(edges)]
        span = float(np.ptp(edges)) or max(abs(start), 1.0)
        ax.set_xlim(edges.min() - 0.05 * span, edges.max() + 0.22 * span)
        right = np.nanmax(np.c_[lefts, lefts + values, np.nan_to_num(high, nan=-np.inf)], axis=1)
        for place, where, value in zip(places, right, values, strict=True):
            ax.annotate(f"{'+' if value > 0 else ''}{number(value)}", (where, place), xytext=(5, 0),
                        textcoords="offset points", va="center", fontsize=8)  # fmt: skip
        ticks, names = list(places), [shorten(name, name_width) for name in pieces.index.astype(str)]
        if ends:
            ticks, names = [top, *ticks, bottom], ["before", *names, "after"]
            for where, place in ((start, top), (final, bottom)):
                ax.annotate(
                    number(where), (where, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9
                )
        ax.set_yticks(ticks, names)
        ax.set_ylim((bottom if ends else 1) - 0.6, (top if ends else len(values)) + 0.6)
        settings = self.change.settings
        level = f"{settings['level']:.0%}".replace("%", " %")
        metric = f"{settings['metric']} per {settings['denominator']}" if settings["denominator"] is not None else (
            f"{settings['kind']} {settings['metric']}")  # fmt: skip
        what = {"component": "", "segment": " by segment"}.get(by, f": {by} by segment")
        tidy(ax, title=shorten(f"Change of {metric}{what}", 70), x=f"black lines: {level} intervals", y="")
        ax.grid(visible=False, axis="y")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
