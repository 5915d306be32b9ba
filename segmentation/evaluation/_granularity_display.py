"""Picture of a granularity review: differences of segments against the margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import money, name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.evaluation._equivalence import CANNOT_TELL, DIFFERENT, EQUIVALENT

if TYPE_CHECKING:
    from segmentation.evaluation._granularity_report import GranularityReport

__all__ = ["GranularityDisplay"]

SHOWN = 30
LOOKS = {
    EQUIVALENT: {"color": COLOURS["second"], "marker": "o", "label": "equivalent: merge"},
    CANNOT_TELL: {"color": COLOURS["quiet"], "marker": "s", "label": "cannot tell"},
    DIFFERENT: {"color": COLOURS["first"], "marker": "^", "label": "different: keep apart"},
}


class GranularityDisplay:
    """Differences of every two segments with their intervals, against the margin band.

    Each line is a pair: inside the band it is equivalent, outside different, across its edge undecided. The sign is
    such that all differences are positive: the segment named first has more.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Rows of ``GranularityReport.pairs`` of one outcome.
    max_pairs : int, default=30
        Where there are more, those nearest to a decision's edge are drawn, and the title says how many are not.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure, after `plot`
    """

    def __init__(self, pairs: pd.DataFrame, *, max_pairs: int = SHOWN) -> None:
        self.pairs = pairs
        self.max_pairs = max_pairs

    @classmethod
    def from_report(
        cls, report: GranularityReport, *, outcome: Any = None, max_pairs: int = SHOWN
    ) -> GranularityDisplay:
        """Take the pairs of one outcome, by default of the first."""
        names = list(dict.fromkeys(report.pairs["outcome"]))
        chosen = names[0] if outcome is None and names else outcome
        if names and chosen not in names:
            raise ValueError(f"outcome must be one of {name_some(names)}, got {outcome!r}.")
        return cls(report.pairs[report.pairs["outcome"] == chosen], max_pairs=max_pairs)

    def plot(self, ax: Any = None) -> GranularityDisplay:
        """Draw, on the axes given or on new ones; the display has them as ``ax_``."""
        rows = self._rows()
        ax = axes_or_new(ax, 8.0, 1.9 + 0.27 * max(len(rows), 2))
        self.ax_, self.figure_ = ax, ax.figure
        if not len(rows):
            tidy(ax, title="No two segments to compare", x="", y="")
            return self
        margin = float(rows["margin"].iloc[0])
        places = np.arange(len(rows))[::-1]
        ax.axvspan(-margin, margin, color="#E8F1F8", zorder=0)
        for edge in (-margin, margin):
            ax.axvline(edge, color=COLOURS["model"], linewidth=1, linestyle="--", zorder=1)
        for decision, look in LOOKS.items():
            of = (rows["decision"] == decision).to_numpy()
            if of.any():
                known = of & rows["low"].notna().to_numpy()
                ax.hlines(places[known], rows["low"][known], rows["high"][known], color=look["color"], linewidth=2)
                ax.scatter(
                    rows["difference"][of], places[of], s=28, zorder=3, **look, facecolor=look["color"], linewidth=0
                )
        names = [
            f"{shorten(first, 22)} - {shorten(second, 22)}"
            for first, second in zip(rows["first"], rows["second"], strict=True)
        ]
        ax.set_yticks(places, names, fontsize=8)
        ax.set_ylim(-0.7, len(rows) - 0.3)
        outcome = str(rows["outcome"].iloc[0])
        left_out = len(self.pairs) - len(rows)
        more = f" ({left_out:,} more pairs not drawn)" if left_out else ""
        tidy(
            ax,
            title=f"How far segments are apart in {shorten(outcome, 30)}{more}",
            x=f"difference of means per customer; the band is the margin, {money(margin)}",
            y="",
        )
        ax.grid(visible=False, axis="y")
        # between title and picture, at a distance in points: right for two pairs and for thirty
        ax.set_title(ax.get_title(loc="left"), loc="left", fontsize=11, pad=24)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8, borderaxespad=0.3)
        take_literally(self.ax_)
        return self

    def _rows(self) -> pd.DataFrame:
        """Return the pairs to draw, differences positive, the smallest first."""
        pairs = self.pairs
        flip = (pairs["difference"] < 0).to_numpy()
        rows = pd.DataFrame(
            {
                "first": np.where(flip, pairs["second"], pairs["first"]),
                "second": np.where(flip, pairs["first"], pairs["second"]),
                "difference": pairs["difference"].abs().to_numpy(),
                "low": np.where(flip, -pairs["difference_high"], pairs["difference_low"]),
                "high": np.where(flip, -pairs["difference_low"], pairs["difference_high"]),
                "margin": pairs["margin"].to_numpy(),
                "outcome": pairs["outcome"].to_numpy(),
                "decision": pairs["decision"].to_numpy(),
            }
        )
        rows = rows.sort_values("difference", kind="stable", ignore_index=True)
        if len(rows) > self.max_pairs:
            edge = ((rows["difference"] - rows["margin"]).abs() / rows["margin"]).sort_values(kind="stable")
            rows = rows.loc[np.sort(edge.index[: self.max_pairs])].reset_index(drop=True)
        return rows
