"""The drift panel: every feature as a multiple of its own limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.monitoring._drift import feature_drift
from segmentation.monitoring._drift_report import DriftReport

__all__ = ["DriftDisplay"]

ROWS_AT_MOST = 30
# Below a hundredth of the limit a dot says no more than at it.
LEAST = 0.01


class DriftDisplay:
    """How far each feature moved, as a multiple of what chance is allowed; beyond 1 it drifted.

    A dot is the greatest of PSI, Jensen-Shannon, Kolmogorov-Smirnov and chi-squared, each divided by its limit. Beside
    a feature that drifted stands the bin that changed most. The 30 that moved most are drawn.

    Attributes
    ----------
    report : DriftReport
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, report: DriftReport) -> None:
        self.report = report

    @classmethod
    def from_tables(cls, reference: Any, current: Any, **settings: Any) -> DriftDisplay:
        """Compare two tables and draw; settings are those of `feature_drift`."""
        return cls(feature_drift(reference, current, **settings))

    @classmethod
    def from_report(cls, report: DriftReport) -> DriftDisplay:
        """Draw a report that is there."""
        if not isinstance(report, DriftReport):
            raise TypeError(f"expected what feature_drift returns, got {type(report).__name__}.")
        return cls(report)

    def plot(self, ax: Any = None, *, name_width: int = 30) -> DriftDisplay:
        """Draw the panel.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name_width : int, default=30
            Characters of a name; longer ones are cut in their middle.
        """
        ranked = self.report.ranked
        left_out = max(len(ranked) - ROWS_AT_MOST, 0)
        rows = ranked.head(ROWS_AT_MOST).iloc[::-1]
        ax = axes_or_new(ax, 8.5, 1.4 + 0.3 * max(len(rows), 3))
        places = np.arange(len(rows))
        values = np.clip(rows["times_limit"].to_numpy(dtype=float), LEAST, None)
        moved = rows["drifted"].to_numpy(dtype=bool)
        ax.set_xscale("log")
        ax.axvline(1.0, color=COLOURS["actual"], linewidth=1.2)
        ax.hlines(places, LEAST, values, color="#D9D9D9", linewidth=1)
        for shown, colour, marker, label in (
            (~moved, COLOURS["quiet"], "o", "within chance"),
            (moved, COLOURS["first"], "D", "drifted"),
        ):
            if shown.any():
                ax.scatter(values[shown], places[shown], color=colour, marker=marker, s=36, zorder=3, label=label)
        for place, value, drifted, what in zip(places, values, moved, rows["what"], strict=True):
            if drifted:
                ax.annotate(
                    shorten(what, 44),
                    (value, place),
                    xytext=(7, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                )
        features = [shorten(name, name_width) for name in rows["feature"]]
        if self.report.settings["within"]:  # two names in the place of one
            half = max(name_width * 2 // 3, 8)
            pairs = zip(rows["feature"], rows["segment"], strict=True)
            features = [f"{shorten(feature, half)} | {shorten(segment, half)}" for feature, segment in pairs]
        ax.set_yticks(places, features)
        ax.set_ylim(-0.7, len(rows) - 0.3)
        # room for the words beside the dots, which lie on a logarithmic axis
        low = max(LEAST, min(float(values.min()), 0.3) / 2)
        high = max(float(values.max()), 1.5)
        ax.set_xlim(low, high * (high / low) ** (0.9 if moved.any() else 0.1))
        n = int(self.report.table["drifted"].sum())
        more = f"; {left_out} that moved less not drawn" if left_out else ""
        tidy(ax, title=f"{n} of {len(ranked)} beyond the limit{more}", x="times the limit of chance (log scale)", y="")
        ax.grid(visible=False, axis="y")
        if len(rows):
            ax.legend(frameon=False, fontsize=8, loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
