"""A picture of an advice: how segments grew or shrank, and whom of each a refit would put elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation._format import percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.monitoring._refresh_result import RefreshAdvice

__all__ = ["RefreshDisplay"]

ROWS_AT_MOST = 30
NAME_WIDTH = 28


class RefreshDisplay:
    """The share of each segment then (ring) and today (dot), and the part of it that a refit puts elsewhere (bar).

    Beside a segment stand the share of its customers who are put elsewhere, and what becomes of it where it does not
    simply go on. The 30 largest segments are drawn.

    Attributes
    ----------
    advice : RefreshAdvice
    drawn_ : pandas.DataFrame
        The rows of ``advice.segments`` drawn.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    """

    def __init__(self, advice: RefreshAdvice) -> None:
        if not isinstance(advice, RefreshAdvice):
            raise TypeError(f"advice must come from recommend_refresh, got {type(advice).__name__}.")
        self.advice = advice

    @classmethod
    def from_advice(cls, advice: RefreshAdvice) -> RefreshDisplay:
        """Draw an advice that is there."""
        return cls(advice)

    def plot(self, ax: Any = None) -> RefreshDisplay:
        """Draw into `ax`, or into a new figure whose size fits the segments."""
        segments = self.advice.segments
        largest = segments[["share_reference", "share_current"]].max(axis=1).sort_values(ascending=False, kind="stable")
        kept = set(largest.index[:ROWS_AT_MOST])
        rows = segments[[name in kept for name in segments.index]].iloc[::-1]
        self.drawn_ = rows.iloc[::-1]
        many = len(rows)
        ax = axes_or_new(ax, 8.5, 1.9 + (0.34 if many <= 12 else 0.22) * max(many, 3))
        places = np.arange(many)
        then, now = (100 * rows[name].to_numpy(dtype=np.float64) for name in ("share_reference", "share_current"))
        away = np.nan_to_num(rows["displaced"].to_numpy(dtype=np.float64)) * now
        tidy(ax, title=self._title(len(segments) - many), x="share of customers, in %", y="")
        ax.grid(visible=False, axis="y")
        ax.barh(places, away, color=COLOURS["first"], alpha=0.45, height=0.7, label="put elsewhere by a refit")
        ax.hlines(places, np.minimum(then, now), np.maximum(then, now), color=COLOURS["quiet"], linewidth=1.2)
        ax.plot(
            then, places, linestyle="none", marker="o", markersize=6, color="white", label="then",
            markeredgecolor=COLOURS["actual"],
        )  # fmt: skip
        ax.plot(now, places, linestyle="none", marker="o", markersize=6, color=COLOURS["model"], label="today")
        for place, right, (_, row) in zip(places, np.maximum(then, now), rows.iterrows(), strict=True):
            if text := _said(row["displaced"], row["event"]):
                ax.annotate(
                    text, (right, place), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8,
                    annotation_clip=False,
                )  # fmt: skip
        top = max(float(np.max([then, now], initial=0.0)), 1.0)
        ax.set_xlim(0, 1.35 * top)
        ax.set_ylim(-0.7, many - 0.3)
        font = 9 if many <= 12 else 7
        ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in rows.index], fontsize=font)
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _title(self, left_out: int) -> str:
        advice = self.advice
        found = [str(name) for name in advice.table.index[advice.table["found"]]]
        title = f"Advice: {advice.action}"
        if advice.next_review is not None:
            title += f"; next review {advice.next_review.isoformat()}"
        title += f"\nfound: {', '.join(found)}" if found else "\nnothing found"
        return f"{title}; {left_out} smaller segments not drawn" if left_out else title


def _said(displaced: Any, event: Any) -> str:
    parts = [f"{percent(displaced)} elsewhere"] if displaced == displaced and displaced > 0 else []
    parts += [event] if isinstance(event, str) and event not in ("continued", "renamed") else []
    return ", ".join(parts)
