"""Groups and their nearest neighbours along the line between them, on customers that were not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import number
from segmentation._plotting import COLOURS, axes_or_new, take_literally, tidy

if TYPE_CHECKING:
    from segmentation.evaluation._structure_pool import HeldOut
    from segmentation.evaluation._structure_result import StructureVerdict

__all__ = ["StructureDisplay"]

SHOWN = (-1.5, 2.5)
BINS = 60


class StructureDisplay:
    """One row per group: how its customers, and those of its nearest neighbour, lie along the line between them.

    Attributes
    ----------
    groups : tuple of HeldOut
        Least separated first.
    title : str
    ax_, figure_
        After ``plot``.
    """

    ax_: Any
    figure_: Any

    def __init__(self, groups: Sequence[HeldOut], title: str, empty: str = "") -> None:
        self.groups = tuple(sorted(groups, key=lambda group: -group.p_value))
        self.title = title
        self.empty = empty

    @classmethod
    def from_verdict(cls, verdict: StructureVerdict) -> StructureDisplay:
        """Take the groups of a `StructureVerdict`."""
        if "dip" in verdict.settings["tests"]:
            empty = "nothing lies between any two segments:\nthere is one group, and no line between groups to draw"
        else:
            empty = "items of few levels are compared with simulated tables:\nthere is no line between groups to draw"
        return cls(verdict.held_out, f"Verdict: {verdict.verdict}", empty)

    def plot(self, ax: Any = None, *, max_groups: int = 8) -> StructureDisplay:
        """Draw the groups.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        max_groups : int, default=8
            The least separated ones; the title says how many are left out.
        """
        shown = self.groups[:max_groups]
        n = len(shown)
        self.ax_ = ax = axes_or_new(ax, 7.0, 1.6 + 0.85 * max(n, 1))
        self.figure_ = ax.figure
        left_out = f" ({len(self.groups) - n} better separated groups not drawn)" if len(self.groups) > n else ""
        label = "place between the centres of the group (0) and its nearest neighbour (1),\n"
        label += "customers not learnt from; black: the stretch tested"
        tidy(ax, title=f"{self.title}{left_out}", x=label, y="")
        if not n:
            ax.text(0.5, 0.5, self.empty, transform=ax.transAxes, ha="center", va="center")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_xlabel("")
            return self
        edges = np.linspace(*SHOWN, BINS + 1)
        for row, group in enumerate(shown):
            self._one(n - 1 - row, group, edges)
        ax.set_yticks([n - 1 - row + 0.3 for row in range(n)], [self._label(group) for group in shown])
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(*SHOWN)
        ax.set_ylim(-0.15, n + 0.25)
        ax.legend(loc="upper right", fontsize=8, frameon=False, ncols=2)
        take_literally(self.ax_)
        return self

    def _one(self, base: int, group: HeldOut, edges: NDArray[np.float64]) -> None:
        """Draw one pair, both on the same scale; the stretch that is tested is underlined."""
        place = np.clip(group.projection, *SHOWN)
        counts = [np.histogram(place[side], edges)[0] for side in (~group.is_neighbour, group.is_neighbour)]
        # where one group is much larger, its bars would flatten the other's: roots of the counts show both
        heights = [np.sqrt(c) for c in counts]
        top = max(float(max(h.max() for h in heights)), 1.0)
        for height, colour, name in zip(heights, ("model", "first"), ("group", "nearest neighbour"), strict=True):
            label = name if base == 0 else None
            self.ax_.stairs(
                base + 0.8 * height / top,
                edges,
                baseline=base,
                fill=True,
                color=COLOURS[colour],
                alpha=0.6,
                label=label,
            )
        low, high = np.clip(group.window, *SHOWN)
        self.ax_.hlines(base - 0.04, low, high, color=COLOURS["actual"], linewidth=1.5)

    @staticmethod
    def _label(group: HeldOut) -> str:
        codes = ", ".join(str(code + 1) for code in group.members[:4]) + (", ..." if len(group.members) > 4 else "")
        what = f"segment {codes}" if len(group.members) == 1 else f"segments {codes}"
        p_value = number(float(f"{group.p_value:.2g}"))
        return f"{what}\n{int((~group.is_neighbour).sum()):,} customers\np = {p_value}"
