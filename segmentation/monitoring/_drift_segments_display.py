"""A picture of segment drift: the change of share, membership and value of each segment, with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._plotting import COLOURS, new_figure, shorten, take_literally, tidy
from segmentation.monitoring._drift_segments import SegmentDrift, segment_drift

__all__ = ["SegmentDriftDisplay"]

ROWS_AT_MOST = 30
NAME_WIDTH = 28
FOR_NAMES = 0.28
QUANTITIES = {
    "share": "share of customers\n(percentage points)",
    "membership": "mean membership",
    "value": "mean value",
}


class SegmentDriftDisplay:
    """The change of each figure of each segment, a panel per quantity; the line through a mark is its interval.

    An orange diamond has moved beyond chance, a grey dot has not. A segment without a mark was too small to compare, or
    the figure is the same for all. The 30 segments whose figures moved most, by their p-values, are drawn.

    Attributes
    ----------
    drift : SegmentDrift
    drawn_ : pandas.DataFrame
        The rows drawn.
    axes_ : dict of quantity to matplotlib Axes
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`; the first panel.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.monitoring import SegmentDriftDisplay
    >>> then, now = pd.Series(np.repeat(["a", "b"], 200)), pd.Series(np.repeat(["a", "b"], [150, 250]))
    >>> display = SegmentDriftDisplay.from_assignments(then, now, random_state=0).plot()
    >>> display.figure_.get_suptitle()
    '2 of 2 figures of segments moved; lines: 90 % intervals'
    """

    def __init__(self, drift: SegmentDrift) -> None:
        if not isinstance(drift, SegmentDrift):
            raise TypeError(f"drift must come from segment_drift, got {type(drift).__name__}.")
        self.drift = drift

    @classmethod
    def from_assignments(cls, before: Any, after: Any, **settings: Any) -> SegmentDriftDisplay:
        """Compare two assignments and draw; settings are those of `segment_drift`."""
        return cls(segment_drift(before, after, **settings))

    @classmethod
    def from_drift(cls, drift: SegmentDrift) -> SegmentDriftDisplay:
        """Draw a result that is there."""
        return cls(drift)

    def plot(self, ax: Any = None) -> SegmentDriftDisplay:
        """Draw into `ax`, divided into a panel per quantity, or into a new figure whose size fits the segments."""
        table, names, left_out = self._rows()
        self.drawn_ = table
        quantities = [name for name in QUANTITIES if (table["quantity"] == name).any()]
        many = len(names)
        step = 0.32 if many <= 12 else 0.22
        axes, write_title = _side_by_side(ax, len(quantities), 1.9 + step * max(many, 3))
        self.axes_ = dict(zip(quantities, axes, strict=True))
        for panel, quantity in zip(axes, quantities, strict=True):
            self._panel(panel, table[table["quantity"] == quantity], names, quantity)
        axes[0].set_yticks(
            np.arange(many), [shorten(name, NAME_WIDTH) for name in names], fontsize=9 if many <= 12 else 7
        )
        for panel in axes[1:]:
            panel.set_yticks(np.arange(many), [""] * many)
        whole, level = self.drift.table, 100 * self.drift.settings["level"]
        title = f"{int(whole['moved'].sum())} of {len(whole)} figures of segments moved; lines: {level:g} % intervals"
        write_title(f"{title}\n{left_out} segments that moved less are not drawn" if left_out else title)
        self.ax_, self.figure_ = axes[0], axes[0].figure
        take_literally(axes)
        return self

    def _rows(self) -> tuple[pd.DataFrame, list[str], int]:
        """Return the rows drawn, their segments from the bottom up, and how many are left out."""
        table = self.drift.table
        names = list(dict.fromkeys(table["segment"]))
        if len(names) <= ROWS_AT_MOST:
            return table, names[::-1], 0
        least = table.groupby("segment", sort=False)["p_adjusted"].min().sort_values(kind="stable")
        chosen = set(least.index[:ROWS_AT_MOST])
        kept = [name for name in names if name in chosen]
        return table[table["segment"].isin(chosen)].reset_index(drop=True), kept[::-1], len(names) - len(kept)

    def _panel(self, ax: Any, rows: pd.DataFrame, names: list[str], quantity: str) -> None:
        scale = 100.0 if quantity == "share" else 1.0
        place = {name: i for i, name in enumerate(names)}
        at = rows["segment"].map(place).to_numpy(dtype=np.float64)
        change, low, high = (
            scale * rows[name].to_numpy(dtype=np.float64) for name in ("change", "change_low", "change_high")
        )
        moved = rows["moved"].to_numpy(dtype=bool)
        tidy(ax, title="", x=QUANTITIES[quantity], y="")
        ax.grid(visible=False, axis="y")
        ax.axvline(0.0, color=COLOURS["actual"], linewidth=1.0)
        for these, colour, marker in ((~moved, COLOURS["quiet"], "o"), (moved, COLOURS["first"], "D")):
            ax.hlines(at[these], low[these], high[these], color=colour, linewidth=1.6)
            ax.plot(change[these], at[these], linestyle="none", marker=marker, markersize=5, color=colour)
        ax.set_ylim(-0.7, len(names) - 0.3)
        ax.tick_params(axis="x", labelsize=8)


def _side_by_side(ax: Any, n: int, height: float) -> tuple[list[Any], Any]:
    """Return `n` axes beside each other, and what writes the title over all of them."""
    if ax is None:
        figure = new_figure(3.2 + 2.6 * n, height)
        panels = list(figure.subplots(1, n, squeeze=False)[0])
        return panels, lambda text: figure.suptitle(text, x=0.01, ha="left", fontsize=11)
    ax.set_axis_off()
    width = (1 - FOR_NAMES) / n  # the names stand inside the axes that were given
    panels = [ax.inset_axes((FOR_NAMES + (i + 0.04) * width, 0.1, 0.92 * width, 0.84)) for i in range(n)]
    return panels, lambda text: ax.set_title(text, loc="left", fontsize=11)
