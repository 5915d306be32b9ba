"""A picture of what changed each segment: customers who moved, definitions that moved, entries and exits."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation._format import percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.monitoring._split_migration_result import SplitMigration

__all__ = ["SplitMigrationDisplay"]

NAME_WIDTH = 30
PARTS = {
    "moved": ("customers who moved", COLOURS["model"]),
    "definition": ("definition that moved", COLOURS["first"]),
    "entered": ("entered", "#56B4E9"),
    "left": ("left", COLOURS["quiet"]),
}


class SplitMigrationDisplay:
    """One bar per segment made of the parts of its change, losses to the left; a diamond marks the sum.

    Parameters
    ----------
    result : SplitMigration
    outside : bool, default=False
        Whether those who entered or left are drawn; they often outnumber the others.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    """

    def __init__(self, result: SplitMigration, *, outside: bool = False) -> None:
        if not isinstance(result, SplitMigration):
            raise TypeError(f"result must come from split_migration, got {type(result).__name__}.")
        self.result = result
        self.outside = outside

    @classmethod
    def from_result(cls, result: SplitMigration, **options: Any) -> SplitMigrationDisplay:
        """Make the picture of a result; options as for the class."""
        return cls(result, **options)

    def plot(self, ax: Any = None) -> SplitMigrationDisplay:
        """Draw into `ax`, or into a new figure whose size fits the segments."""
        parts = PARTS if self.outside else {name: PARTS[name] for name in ("moved", "definition")}
        table = self.result.table
        many = len(table)
        ax = axes_or_new(ax, 8.0, max(2.6, 1.5 + (0.34 if many <= 12 else 0.22) * many))
        places = np.arange(many)[::-1]
        above, below = np.zeros(many), np.zeros(many)
        for name, (label, colour) in parts.items():
            value = table[name].to_numpy(dtype=np.float64)
            left = np.where(value >= 0, above, below)
            ax.barh(places, value, left=left, color=colour, height=0.7, label=label)
            above, below = above + np.maximum(value, 0), below + np.minimum(value, 0)
        sums = table[list(parts)].sum(axis=1)
        ax.scatter(sums, places, marker="D", s=22, color="black", zorder=4, label="together")
        summary = self.result.summary
        changed = int(summary["n_changed"])
        title = f"Change of each segment: {changed:,} of {int(summary['n_compared']):,} changed"
        if changed:
            title += (
                f"\n{percent(summary['share_moved'])} customers who moved, "
                f"{percent(summary['share_definition'])} definitions that moved"
            )
        tidy(ax, title=title, x="customers won or lost", y="")
        ax.grid(visible=False, axis="y")
        ax.axvline(0, color="black", linewidth=0.8)
        font = 9 if many <= 12 else 7
        ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in table.index], fontsize=font)
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_ = ax
        self.figure_ = ax.figure
        take_literally(self.ax_)
        return self
