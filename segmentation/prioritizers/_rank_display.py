"""A picture of how sure a priority list is: the probability of each place."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.prioritizers._ranks import RankTable, rank_table

__all__ = ["RankDisplay"]

NAME_WIDTH = 28
# From so many segments on, figures no longer fit into the cells.
LABELLED_AT_MOST = 12


class RankDisplay:
    """Heatmap of the probability that each segment has each place.

    Segments stand in the order of the list, so that a sure list is a dark diagonal. A frame marks the place in the
    list, a bar at the right joins neighbours that cannot be told apart, and a star marks what people placed. Segments
    that are excluded in every draw are left out, and counted.

    Parameters
    ----------
    ranks : RankTable

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    mesh_ : matplotlib AxesImage
        The probabilities that are drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.prioritizers import RankDisplay, ValuePrioritizer
    >>> profile = pd.DataFrame({"n_customers": [10, 10], "value": [12.0, 9.0]}, index=["a", "b"])
    >>> draws = pd.DataFrame({"a": [11.0, 13, 12, 10], "b": [9.0, 8, 8, 11]})
    >>> display = RankDisplay.from_prioritizer(ValuePrioritizer("value"), profile, {"value": draws}).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['a', 'b']
    """

    def __init__(self, ranks: RankTable) -> None:
        self.ranks = ranks

    @classmethod
    def from_table(cls, ranks: RankTable) -> RankDisplay:
        """Make the picture of a result of `rank_table`."""
        return cls(ranks)

    @classmethod
    def from_prioritizer(cls, prioritizer: Any, profile: Any, draws: Any = None, **options: Any) -> RankDisplay:
        """Rank in many worlds and make the picture; options as for `rank_table`."""
        return cls(rank_table(prioritizer, profile, draws, **options))

    def plot(self, ax: Any = None) -> RankDisplay:
        """Draw into `ax`, or into a new figure whose size fits the segments."""
        table = self.ranks.table
        table = table[table["p_excluded"] < 1]
        n = len(table)
        n_out = len(self.ranks.table) - n
        shares = self.ranks.probabilities.loc[table.index]
        columns = [*range(1, n + 1), *(["excluded"] if (table["p_excluded"] > 0).any() else [])]
        values = shares[columns].to_numpy(dtype=np.float64)
        ax = axes_or_new(ax, min(12.0, 4.2 + 0.5 * len(columns)), min(11.0, 1.9 + 0.34 * max(n, 2)))
        self.mesh_ = ax.imshow(values, cmap=_colours(), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        names = [
            shorten(name, NAME_WIDTH) + ("*" if own else "")
            for name, own in zip(table.index, table["override"], strict=True)
        ]
        ax.set_yticks(np.arange(n), names, fontsize=9 if n <= LABELLED_AT_MOST else 8)
        every = 1 if len(columns) <= LABELLED_AT_MOST else 2
        ticks = [i for i, column in enumerate(columns) if column == "excluded" or i % every == 0]
        ax.set_xticks(ticks, ["out" if columns[i] == "excluded" else str(columns[i]) for i in ticks])
        self._frames(ax, table)
        if n <= LABELLED_AT_MOST:
            self._figures(ax, values)
        left_out = f"; {n_out} excluded in all, not shown" if n_out else ""
        tidy(
            ax,
            title=f"How sure is the order? {self.ranks.settings['n_draws']:,} draws{left_out}",
            x="Priority (frame: in the list; bar at the right: cannot be told apart)",
            y="* placed by people" if table["override"].any() else "",
        )
        ax.grid(visible=False)
        bar = ax.figure.colorbar(self.mesh_, ax=ax, fraction=0.04, pad=0.02)
        bar.set_label("probability", fontsize=9)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _frames(self, ax: Any, table: Any) -> None:
        from matplotlib.patches import Rectangle

        right = len(table) - 0.5 + (1 if (table["p_excluded"] > 0).any() else 0)
        for i, place in enumerate(table["priority"].to_numpy(dtype=np.float64, na_value=np.nan)):
            if not np.isnan(place):
                box = (place - 1.5, i - 0.5)
                ax.add_patch(Rectangle(box, 1, 1, fill=False, edgecolor=COLOURS["actual"], linewidth=1.2, zorder=4))
        listed = table[table["priority"].notna()]
        for _, rows in listed.groupby("tier"):
            if len(rows) > 1:
                first, last = table.index.get_loc(rows.index[0]), table.index.get_loc(rows.index[-1])
                ax.plot([right + 0.22] * 2, [first - 0.3, last + 0.3], color=COLOURS["actual"], linewidth=3)
        ax.set_xlim(-0.5, right + 0.45)
        ax.set_ylim(len(table) - 0.5, -0.5)

    def _figures(self, ax: Any, values: Any) -> None:
        for (i, j), value in np.ndenumerate(values):
            if value >= 0.005:
                colour = "white" if value > 0.4 else COLOURS["actual"]
                ax.text(j, i, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=8, color=colour)


def _colours() -> Any:
    """Return shades from white to the colour of models: dark is likely, also in grey."""
    from matplotlib.colors import LinearSegmentedColormap

    untyped: Any = LinearSegmentedColormap
    return untyped.from_list("probability", ["#FFFFFF", COLOURS["model"], "#00304D"])
