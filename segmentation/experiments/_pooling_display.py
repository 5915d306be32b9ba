"""Picture of pooled effects: what was measured, what remains after pooling, and the mean of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["PoolingDisplay"]

NAME_WIDTH = 30


@dataclass(eq=False)
class PoolingDisplay:
    """Estimates and pooled effects of segments, one line each.

    Parameters
    ----------
    table : pandas.DataFrame
        Index ``segment``: ``estimate``, ``low``, ``high``, ``pooled``, ``pooled_low``, ``pooled_high``.
    mean : tuple of float, optional
        Mean of all, with bounds; none where nothing is pooled.
    title, unit : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    table: pd.DataFrame
    mean: tuple[float, float, float] | None
    title: str = "Effects by segment"
    unit: str = "effect"
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_pooled(cls, found: Any) -> Self:
        """Make the display from `PooledEffects`."""
        level = found.settings["level"]
        z = stats.norm.ppf(0.5 + level / 2)
        table = found.table.assign(
            low=found.table["estimate"] - z * found.table["se"], high=found.table["estimate"] + z * found.table["se"]
        )
        unit = f"effect ({100 * level:g} % intervals)"
        if not found.pooled:
            return cls(table, None, f"{len(table)} segments, not pooled", unit)
        mean = (found.mean["mean"], found.mean["low"], found.mean["high"])
        between = found.between_sd
        title = f"{found.settings['n_segments']} segments, partially pooled\nspread between them "
        title += f"{between['median']:.3g} ({between['low']:.2g} to {between['high']:.3g})"
        return cls(table, mean, title, unit)

    def plot(self, ax: Any = None) -> Self:
        """Draw it; segments without an estimate keep their line."""
        n = len(self.table)
        ax = axes_or_new(ax, 7.2, 1.8 + 0.34 * max(n, 3))
        places = np.arange(n)
        if self.mean is not None:
            ax.axvspan(self.mean[1], self.mean[2], color="#E3EDF5", zorder=0, linewidth=0)
            ax.axvline(self.mean[0], color=COLOURS["quiet"], linewidth=1, linestyle="--", zorder=1)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1, zorder=1)
        shift = 0.14 if self.mean is not None else 0.0
        sets = [("estimate", "low", "high", COLOURS["model"], "o", 34, -shift)]
        if self.mean is not None:
            sets.append(("pooled", "pooled_low", "pooled_high", COLOURS["first"], "s", 26, shift))
        for middle, low, high, colour, marker, size, moved in sets:
            ax.hlines(places + moved, self.table[low], self.table[high], color=colour, linewidth=1.6, zorder=2)
            ax.scatter(self.table[middle], places + moved, color=colour, marker=marker, s=size, zorder=3)
        ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in self.table.index])
        ax.set_ylim(n - 0.4, -0.6)
        said = "\nblue: as measured; orange: partially pooled; band: mean of all" if self.mean is not None else ""
        tidy(ax, title=self.title, x=f"{self.unit}{said}", y="")
        for label in ax.get_yticklabels():  # "$0 - $100" is a name, not a formula
            label.set_parse_math(False)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
