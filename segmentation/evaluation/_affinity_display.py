"""A picture of affinities: a dot per segment and category, with its interval, on a scale of lifts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.evaluation._affinity_report import AffinityReport

__all__ = ["AffinityDisplay"]

MOST_ROWS = 60
WIDTH = 38
STRIPE = "#F4F4F4"
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)


class AffinityDisplay:
    """A picture of an `AffinityReport`.

    Parameters
    ----------
    report : AffinityReport
    n_largest : int, default=5
        So many categories per segment, those with the highest lower bound of the shrunken lift; fewer where segments
        are many (60 rows in all, at least one each).
    segments : list of str, optional
        Draw these only.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    drawn_ : pandas.DataFrame
        The rows drawn, from the top.

    Notes
    -----
    Filled dots were found (corrected for all comparisons), hollow ones were not. The line is the interval of the
    shrunken lift.
    """

    def __init__(self, report: AffinityReport, *, n_largest: int = 5, segments: Any = None) -> None:
        if isinstance(n_largest, bool) or not isinstance(n_largest, int | np.integer) or n_largest < 1:
            raise ValueError(f"n_largest must be a whole number of at least 1, got {n_largest!r}.")
        known = list(report.segments["segment"])
        wanted = known if segments is None else list(segments)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ValueError(f"no segments {unknown}; there are {known}.")
        self.report = report
        self.n_largest = int(n_largest)
        self.segments = wanted

    @classmethod
    def from_report(cls, report: AffinityReport, **options: Any) -> AffinityDisplay:
        """Make the picture of a report; options as for the class."""
        return cls(report, **options)

    def plot(self, ax: Any = None) -> AffinityDisplay:
        """Draw into `ax`, or into a new figure whose height fits the rows."""
        rows, starts = self._rows()
        self.drawn_ = rows
        ax = axes_or_new(ax, 8.0, 1.5 + 0.24 * max(len(rows) + len(starts), 2))
        self.ax_, self.figure_ = ax, ax.figure
        places = rows["place"].to_numpy(dtype=np.float64)
        for found, group in rows.groupby("found"):
            at = group["place"].to_numpy(dtype=np.float64)
            colour = COLOURS["model"] if found else COLOURS["quiet"]
            ax.hlines(at, group["shrunken_lift_low"], group["shrunken_lift_high"], color=colour, linewidth=1.6)
            face = colour if found else "white"
            ax.plot(
                group["shrunken_lift"], at, linestyle="none", marker="o", markersize=6, markeredgecolor=colour,
                markerfacecolor=face, label="found" if found else "not found: may be chance",
            )  # fmt: skip
        measure = {
            "customers": "share of customers who buy it",
            "lines": "share of their lines",
            "spend": "share of spend",
        }
        what = measure[self.report.settings["measure"]]
        tidy(ax, title="", x=f"shrunken lift: {what}, segment / rest", y="")
        ax.set_title("What segments buy more of (beside the name: share in it)", loc="left", fontsize=11, pad=22)
        self._scale(ax, rows)
        labels = [
            f"{shorten(row['category'], WIDTH)}  {100 * row['share']:.0f} %" if row["share"] >= 0.01
            else f"{shorten(row['category'], WIDTH)}  {100 * row['share']:.1f} %"
            for _, row in rows.iterrows()
        ]  # fmt: skip
        ax.set_yticks(places, labels, fontsize=8)
        last = float(places[-1]) if len(places) else 0.0
        ax.set_ylim(last + 0.8, -1.0)
        ax.grid(visible=False, axis="y")
        ax.tick_params(axis="y", length=0)
        sizes = dict(zip(self.report.segments["segment"], self.report.segments["n_customers"], strict=True))
        for name, start in starts:
            n = sizes[name]
            ax.axhspan(start - 0.45, start + 0.45, color=STRIPE, zorder=0)
            ax.annotate(
                f"{shorten(name, 46)} ({n:,} customers)", (0.01, start), xycoords=("axes fraction", "data"),
                va="center", fontsize=9, fontweight="bold",
            )  # fmt: skip
        if len(rows):
            ax.legend(
                loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=8, frameon=False, borderaxespad=0.2
            )  # fmt: skip
        take_literally(self.ax_)
        return self

    def _rows(self) -> tuple[pd.DataFrame, list[tuple[str, float]]]:
        """Return the rows to draw with their places, and the places of the segments' names."""
        table = self.report.table[self.report.table["direction"] == "over"]
        each = max(1, min(self.n_largest, MOST_ROWS // max(len(self.segments), 1)))
        parts, starts, place = [], [], 0.0
        for name in self.segments:
            own = table[table["segment"] == name].head(each)
            if not len(own):
                continue
            starts.append((name, place))
            parts.append(own.assign(place=place + 1 + np.arange(len(own))))
            place += 1.5 + len(own)
        empty = table.head(0).assign(place=np.empty(0))
        return (pd.concat(parts, ignore_index=True) if parts else empty), starts

    def _scale(self, ax: Any, rows: pd.DataFrame) -> None:
        """Put lifts on a logarithmic scale with ticks that are read as times."""
        from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

        ticker: Any = FixedLocator(list(TICKS))
        ax.set_xscale("log")
        low = float(min(rows["shrunken_lift_low"].min(), 0.95)) if len(rows) else 0.5
        high = float(max(rows["shrunken_lift_high"].max(), 1.3)) if len(rows) else 2.0
        ax.set_xlim(low / 1.08, high * 1.15)
        if high / low < 2.5:  # too few of the round ticks would be in sight
            ticker = FixedLocator([0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0])
        ax.xaxis.set_major_locator(ticker)
        nothing: Any = NullLocator
        unnamed: Any = NullFormatter
        ax.xaxis.set_minor_locator(nothing())
        ax.xaxis.set_minor_formatter(unnamed())
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        ax.axvline(1.0, color=COLOURS["actual"], linewidth=1.0)
