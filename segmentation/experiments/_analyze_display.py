"""Forest plot: the lift of every segment with its interval, beside that of all customers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["ForestDisplay"]

NAME_WIDTH = 30


@dataclass(eq=False)
class ForestDisplay:
    """Lifts of segments, one line each, with the effect on all customers as a band.

    Parameters
    ----------
    segments : pandas.DataFrame
        Index ``segment``: ``estimate``, ``low``, ``high``, ``n``.
    overall : pandas.Series
        ``estimate``, ``low``, ``high``.
    title, unit : str
    pooled : pandas.DataFrame, optional
        Index ``segment``: ``estimate``, ``low``, ``high`` after partial pooling, drawn below the raw ones.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    segments: pd.DataFrame
    overall: pd.Series[Any]
    title: str = "Lift by segment"
    unit: str = "lift"
    pooled: pd.DataFrame | None = None
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_analysis(
        cls, analysis: Any, *, outcome: str | None = None, arm: str | None = None, relative: bool = False,
        pooled: pd.DataFrame | None = None,
    ) -> Self:  # fmt: skip
        """Make the display from an `ExperimentAnalysis`; the first outcome and arm by default."""
        outcome, arm = analysis._choose(outcome, arm, first=True)
        what = "rel_lift" if relative else "lift"
        names = {what: "estimate", f"{what}_low": "low", f"{what}_high": "high"}

        def of(table: pd.DataFrame) -> pd.DataFrame:
            rows: Any = table[(table["outcome"] == outcome) & (table["arm"] == arm)]
            made: pd.DataFrame = rows.assign(n=rows["n_control"] + rows["n_treated"]).rename(columns=names)
            return made

        segments = of(analysis.segments).set_index("segment")[["estimate", "low", "high", "n"]]
        tests: Any = analysis.interaction
        test = tests[(tests["outcome"] == outcome) & (tests["arm"] == arm)]
        title = f"{shorten(outcome, 30)}: {shorten(arm, 24)} against {shorten(analysis.settings['control'], 24)}"
        if len(test) and np.isfinite(test["p_value"].iloc[0]):
            p = test["p_value"].iloc[0]
            title += f"\ndo segments differ? p {'< .001' if p < 0.001 else f'= {p:.2g}'}"
            title += f" ({test['p_adjusted'].iloc[0]:.2g} corrected)" if len(tests) > 1 else ""
        if not analysis.trustworthy:
            title += "\nSAMPLE RATIO FAILED: not to be used"
        unit = "relative lift" if relative else "lift"
        level = f"{100 * analysis.settings['level']:g} % intervals"
        return cls(segments, of(analysis.overall).iloc[0], title, f"{unit} ({level}, each segment by itself)", pooled)

    def plot(self, ax: Any = None) -> Self:
        """Draw it; a segment without an estimate keeps its line, and an interval without bounds has no bar."""
        n = len(self.segments)
        ax = axes_or_new(ax, 7.2, 1.8 + 0.32 * max(n + 1, 3))
        places = np.arange(1, n + 1)
        low, high = float(self.overall["low"]), float(self.overall["high"])
        if np.isfinite([low, high]).all():
            ax.axvspan(low, high, color="#E3EDF5", zorder=0, linewidth=0)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1, zorder=1)
        self._bars(ax, np.array([0]), self.overall.to_frame().T, COLOURS["actual"], "D", 44)
        shift = 0.14 if self.pooled is not None else 0.0
        self._bars(ax, places - shift, self.segments, COLOURS["model"], "o", 34)
        if self.pooled is not None:
            self._bars(ax, places + shift, self.pooled.reindex(self.segments.index), COLOURS["first"], "s", 26)
        labels = [f"{shorten(name, NAME_WIDTH)} ({int(row.n):,})" for name, row in self.segments.iterrows()]
        ax.set_yticks([0, *places], ["all customers", *labels])
        ax.set_ylim(n + 0.6, -0.6)
        tidy(ax, title=self.title, x=self.unit, y="")
        ax.set_title(self.title, loc="left", fontsize=11, parse_math=False)  # "$0 - $100" is a name, not a formula
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
        if self.pooled is not None:
            ax.set_xlabel(f"{self.unit}\nblue: as measured; orange: partially pooled")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    @staticmethod
    def _bars(ax: Any, places: Any, table: pd.DataFrame, colour: str, marker: str, size: int) -> None:
        estimate, low, high = (table[name].to_numpy(dtype=float) for name in ("estimate", "low", "high"))
        bounded = np.isfinite(low) & np.isfinite(high)
        ax.hlines(places[bounded], low[bounded], high[bounded], color=colour, linewidth=1.6, zorder=2)
        known = np.isfinite(estimate)
        ax.scatter(estimate[known], places[known], color=colour, marker=marker, s=size, zorder=3)
