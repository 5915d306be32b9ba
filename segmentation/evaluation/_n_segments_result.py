"""The result of `suggest_n_segments`, and the picture of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from segmentation._format import count
from segmentation._plotting import COLOURS, new_figure, take_literally
from segmentation._results import Result

__all__ = ["KTableDisplay", "SegmentNumbers"]

PANELS = (
    ("ari", "global stability\n(ARI, quartiles)", "least_ari"),
    ("weakest_slsw", "weakest segment\n(median SLSW)", "least_slsw"),
    ("silhouette", "silhouette", None),
    ("smallest_share", "smallest segment\n(share)", "min_share"),
)


@dataclass(frozen=True, repr=False, eq=False)
class SegmentNumbers(Result):
    """What each number of segments costs and gives.

    Attributes
    ----------
    recommended : int or None
        The number that stands out, if one does.
    reason : str
        Why, or why none.
    table : pandas.DataFrame
        Index ``n_segments``: ``smallest``, ``smallest_share``; ``ari``, ``ari_q25``, ``ari_q75`` (global stability);
        ``weakest_slsw``; ``restart_ari``; ``silhouette``; ``stable``, ``large_enough``.
    settings : dict
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "stable",
            "large_enough",
            "ari",
            "weakest_slsw",
            "smallest",
            "smallest_share",
        ),
    }

    recommended: int | None
    reason: str
    table: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def _headline(self) -> str:
        what = "none recommended" if self.recommended is None else f"{self.recommended} recommended"
        n = count(self.settings["n_customers"], "customer")
        return f"Number of segments ({self.settings['segmenter']}, {n}): {what}"

    @property
    def _sentence(self) -> str:
        return self.reason[:1].upper() + self.reason[1:]

    def _facts(self) -> dict[str, Any]:
        return {
            "recommended": self.recommended,
            "reason": self.reason,
            "settings": self.settings,
            "warnings": self.warnings,
            "table": self.table.reset_index(),
        }

    def _shown(self) -> pd.DataFrame:
        shown = self.table.drop(columns=["restart_ari"])
        for name in ("stable", "large_enough"):
            shown[name] = ["yes" if value else "no" for value in shown[name]]
        return shown

    def __str__(self) -> str:
        table = self._shown().to_string(float_format="{:.2f}".format, na_rep="")
        lines = [self._headline(), f"  {self._sentence}", table]
        return "\n".join([*lines, *(f"  Warning: {note}" for note in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(), self._sentence)

    def plot(self, ax: Any = None) -> Any:
        """Draw the table (`KTableDisplay`).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Is divided into four.

        Returns
        -------
        matplotlib Axes
            That of the stability.
        """
        return KTableDisplay.from_numbers(self).plot(ax).ax_


class KTableDisplay:
    """Four small pictures above each other, all against the number of segments.

    Attributes
    ----------
    table : pandas.DataFrame
    recommended : int or None
    limits : dict
        Lines below which a number does not qualify.
    ax_, axes_, figure_
        After ``plot``: the axes of the stability, all four, and the figure.
    """

    ax_: Any
    axes_: tuple[Any, ...]
    figure_: Any

    def __init__(self, table: pd.DataFrame, recommended: int | None, limits: dict[str, float]) -> None:
        self.table = table
        self.recommended = recommended
        self.limits = limits

    @classmethod
    def from_numbers(cls, numbers: SegmentNumbers) -> KTableDisplay:
        """Take the table of `suggest_n_segments`."""
        limits = {column: numbers.settings[name] for column, _, name in PANELS if name is not None}
        return cls(numbers.table, numbers.recommended, limits)

    def plot(self, ax: Any = None) -> KTableDisplay:
        """Draw the four pictures.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Is divided into four; by default a new figure.
        """
        if ax is None:
            figure = new_figure(7.0, 7.5)
            axes = tuple(figure.subplots(len(PANELS), 1, sharex=True))
        else:
            figure = ax.figure
            ax.set_axis_off()
            axes = tuple(ax.inset_axes([0.0, 1 - (i + 0.9) / 4, 1.0, 0.19]) for i in range(len(PANELS)))
        self.axes_, self.ax_, self.figure_ = axes, axes[0], figure
        for panel, (column, label, _) in zip(axes, PANELS, strict=True):
            self._panel(panel, column, label)
        for panel in axes[:-1]:
            panel.tick_params(labelbottom=False)
        axes[-1].set_xlabel("number of segments")
        chosen = "none stands out" if self.recommended is None else f"{self.recommended} stands out"
        axes[0].set_title(f"How many segments: {chosen}", loc="left", fontsize=11)
        take_literally(self.axes_)
        return self

    def _panel(self, ax: Any, column: str, label: str) -> None:
        numbers, values = self.table.index.to_numpy(), self.table[column]
        if column == "ari":
            ax.vlines(numbers, self.table["ari_q25"], self.table["ari_q75"], color=COLOURS["model"], linewidth=2)
        ax.plot(numbers, values, color=COLOURS["model"], marker="o", linewidth=1)
        if column in self.limits:
            ax.axhline(self.limits[column], color=COLOURS["quiet"], linestyle="--", linewidth=1)
        if self.recommended is not None:
            ax.plot(
                [self.recommended],
                [values[self.recommended]],
                marker="o",
                color=COLOURS["first"],
                markersize=9,
                zorder=3,
            )
        ax.set_ylabel(label, fontsize=8)
        step = max(1, len(numbers) // 12)
        ax.set_xticks(numbers[::step])
        ax.set_ylim(bottom=min(0.0, float(values.min(skipna=True))) if values.notna().any() else 0.0)
        ax.margins(y=0.15)
        ax.grid(visible=True, color="#E6E6E6", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
