"""Themes by segments, as dots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["PainPointsDisplay"]


class PainPointsDisplay:
    """A dot per theme and segment: its area is the share that mentions it, orange where it is claimed.

    Parameters
    ----------
    prevalence : pandas.DataFrame
        Themes by segments; missing where too few mention it.
    claimed : pandas.DataFrame of bool
    n_left_out : int
        Themes that are not drawn.

    Attributes
    ----------
    ax_, figure_
        After `plot`.
    """

    def __init__(self, prevalence: pd.DataFrame, claimed: pd.DataFrame, n_left_out: int = 0) -> None:
        self.prevalence = prevalence
        self.claimed = claimed
        self.n_left_out = n_left_out

    @classmethod
    def from_result(cls, result: Any, *, max_themes: int | None = None) -> PainPointsDisplay:
        """Take the themes that set segments apart most, each segment in turn.

        Parameters
        ----------
        result : PainPoints
        max_themes : int, optional
            By default 20, or as many as there are segments.
        """
        table = result.table.copy()
        ranked = table.sort_values("difference", ascending=False, kind="stable")
        turn = ranked.groupby("segment", observed=True).cumcount()
        order = ranked.assign(_turn=turn).sort_values(["_turn", "difference"], ascending=[True, False], kind="stable")
        chosen = list(dict.fromkeys(order["theme"]))[: max_themes or max(20, result.prevalence.shape[1])]
        # in the order of the segments, so that the dots run down a diagonal
        by_segment = table[table["theme"].isin(chosen)].sort_values(["segment", "difference"], ascending=[True, False])
        themes = list(dict.fromkeys(by_segment["theme"]))
        prevalence = result.prevalence.loc[themes]
        claimed = pd.DataFrame(data=False, index=prevalence.index, columns=prevalence.columns)
        for segment, theme in zip(table["segment"], table["theme"], strict=True):
            if theme in claimed.index:
                claimed.loc[theme, segment] = True
        return cls(prevalence, claimed, len(result.prevalence) - len(themes))

    def plot(self, ax: Any = None) -> PainPointsDisplay:
        """Draw the dots.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        PainPointsDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        n_themes, n_segments = self.prevalence.shape
        ax = axes_or_new(ax, max(6.5, 4.4 + 0.42 * n_segments), 3.2 + 0.28 * max(n_themes, 1))
        values = self.prevalence.to_numpy(dtype=np.float64)
        flags = self.claimed.to_numpy(dtype=bool)
        rows, columns = np.nonzero(np.nan_to_num(values) > 0)
        largest = float(np.nanmax(values)) if rows.size else 1.0
        for flag, colour, label in (
            (False, COLOURS["quiet"], "not more"),
            (True, COLOURS["first"], "more than the others"),
        ):
            at = flags[rows, columns] == flag
            ax.scatter(
                columns[at],
                rows[at],
                s=260 * values[rows[at], columns[at]] / largest,
                color=colour,
                label=label,
                zorder=3,
            )
        missing = np.argwhere(np.isnan(values))
        ax.scatter(
            missing[:, 1], missing[:, 0], marker="x", s=14, color=COLOURS["quiet"], linewidth=0.8, label="too few"
        )
        ax.set_xticks(
            range(n_segments), [shorten(name, 22) for name in self.prevalence.columns], rotation=90, fontsize=9
        )
        ax.set_yticks(range(n_themes), [shorten(name, 40) for name in self.prevalence.index], fontsize=9)
        ax.set_xlim(-0.6, n_segments - 0.4)
        ax.set_ylim(max(n_themes, 1) - 0.4, -0.6)
        more = f"; {count(self.n_left_out, 'more theme')} not drawn" if self.n_left_out else ""
        tidy(ax, title="What segments write about", x=f"largest dot: {100 * largest:.0f} % of a segment{more}", y="")
        ax.set_title(ax.get_title(loc="left"), loc="left", fontsize=11, pad=24)
        legend = ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, fontsize=8, frameon=False)
        for handle in legend.legend_handles:
            handle.set_sizes([30])
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
