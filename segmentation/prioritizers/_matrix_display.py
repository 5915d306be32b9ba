"""A picture of the segment evaluation matrix: attractiveness, competitiveness, and size as a bubble."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.exceptions import ColumnError
from segmentation.prioritizers._evaluation import SegmentEvaluation
from segmentation.prioritizers._labels import write_beside

__all__ = ["EvaluationMatrixDisplay"]

LARGEST, SMALLEST = 1500.0, 12.0
NAME_WIDTH = 24
KEY_WIDTH = 34
# From so many segments on, names are numbers with a key beside the picture.
NAMED_AT_MOST = 15
# Where a name has to stand further from its bubble, in points, lines would cross: numbers are easier to read.
REACH = 14.0


class EvaluationMatrixDisplay:
    """The segment evaluation matrix: how attractive each segment is, and how strong the organisation is in it.

    Excluded segments are not drawn; the title counts them. The first in the list has its own colour.

    Parameters
    ----------
    evaluation : SegmentEvaluation
        With an axis of competitiveness.
    size : Series or str, default="n_customers"
        What the area of a bubble stands for, in proportion: a Series by segment (for instance the profile's
        ``clv_total``), not negative, or a column of the evaluation's table.
    size_label : str, optional
        What the size is called; by default its name.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.
    labels_ : list of matplotlib Text
        One per segment drawn, in the order of the list: its name, or where there is no room for names its number in
        the key, which is ``key_``.

    Examples
    --------
    >>> from segmentation.prioritizers import EvaluationMatrixDisplay, Rating, WeightedPrioritizer
    >>> from segmentation.testing import make_profile
    >>> profile = make_profile().assign(brand=[9.0, 4.0, 4.0, 7.0, 1.0, 1.0])
    >>> prioritizer = WeightedPrioritizer({"clv_total": 100}, competitiveness={"brand": Rating(100, low=1, high=9)})
    >>> display = EvaluationMatrixDisplay.from_prioritizer(prioritizer, profile, size="clv_total").plot()
    >>> [label.get_text() for label in display.labels_]
    ['champions', 'steady', 'newcomers', 'occasional']
    """

    def __init__(
        self, evaluation: SegmentEvaluation, *, size: Any = "n_customers", size_label: str | None = None
    ) -> None:
        if "competitiveness" not in evaluation.table.columns:
            raise ValueError(
                "the matrix needs a second axis: WeightedPrioritizer(..., competitiveness={column: weight, ...})."
            )
        self.evaluation = evaluation
        self.size = size
        self.size_label = size_label

    @classmethod
    def from_evaluation(cls, evaluation: SegmentEvaluation, **options: Any) -> EvaluationMatrixDisplay:
        """Make the picture of an evaluation; options as for the class."""
        return cls(evaluation, **options)

    @classmethod
    def from_prioritizer(
        cls,
        prioritizer: Any,
        profile: pd.DataFrame,
        *,
        size: Any = "n_customers",
        size_label: str | None = None,
        overrides: Any = None,
    ) -> EvaluationMatrixDisplay:
        """Evaluate a profile and make the picture; `size` may name a column of the profile."""
        evaluation = prioritizer.evaluate(profile, overrides=overrides)
        if isinstance(size, str):
            if size not in profile.columns:
                raise ColumnError(f"size: {column_difference([size], list(profile.columns))}.")
            size = profile[size]
        return cls(evaluation, size=size, size_label=size_label)

    def plot(self, ax: Any = None) -> EvaluationMatrixDisplay:
        """Draw into `ax`, or into a new figure."""
        table = self.evaluation.table
        drawn = table[table["attractiveness"].notna() & table["competitiveness"].notna()]
        sizes, label = self._sizes(drawn)
        ax = axes_or_new(ax, 8.0, 6.0)
        points = drawn[["attractiveness", "competitiveness"]].to_numpy(dtype=np.float64)
        areas = np.full(len(drawn), SMALLEST)
        if len(drawn) and sizes.max() > 0:
            areas = np.maximum(SMALLEST, LARGEST / max(1.0, len(drawn) / 8) * sizes / sizes.max())
        colours = [COLOURS["first"] if name == table.index[0] else COLOURS["model"] for name in drawn.index]
        # large ones first, so that they do not hide the small ones
        back = np.argsort(-areas, kind="stable")
        ax.scatter(
            *points[back].T, s=areas[back], c=[colours[i] for i in back], alpha=0.6, edgecolors="white", zorder=3
        )
        ax.axhline(0.5, color="#CFCFCF", linewidth=1, zorder=1)
        ax.axvline(0.5, color="#CFCFCF", linewidth=1, zorder=1)
        ax.set_xlim(-0.12, 1.12)
        ax.set_ylim(-0.12, 1.12)
        ax.set_xticks(np.linspace(0, 1, 6))
        ax.set_yticks(np.linspace(0, 1, 6))
        left_out = f"; {len(table) - len(drawn)} left out" if len(drawn) < len(table) else ""
        tidy(
            ax,
            title=f"Segment evaluation matrix: {len(drawn)} segments{left_out}",
            x=f"Attractiveness of the segment, 0 to 1 best\n(area of a bubble: {label}; orange: first in the list)",
            y="Competitiveness of the organisation, 0 to 1 best",
        )
        self.ax_, self.figure_ = ax, ax.figure
        self._label(drawn, points, areas)
        take_literally(self.ax_)
        return self

    def _sizes(self, drawn: pd.DataFrame) -> tuple[NDArray[np.float64], str]:
        given = self.size
        if isinstance(given, str):
            if given not in drawn.columns:
                raise ColumnError(f"size: {column_difference([given], list(drawn.columns))}.")
            given = drawn[given]
        if not isinstance(given, pd.Series):
            raise TypeError(f"size must be a Series by segment or the name of a column, got {type(given).__name__}.")
        if not pd.api.types.is_numeric_dtype(given.dtype):
            raise ColumnError(f"size must be numbers, {given.name!r} holds {given.dtype}.")
        values = given.reindex(drawn.index).to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = ~np.isfinite(values) | (values < 0)
        if wrong.any():
            raise ValueError(
                f"the size of a bubble must be finite and 0 or more, got {name_some(values[wrong])} for "
                f"{name_some(drawn.index[wrong])}."
            )
        return values, self.size_label or shorten(given.name if given.name is not None else "size", 40)

    def _label(self, drawn: pd.DataFrame, points: NDArray[np.float64], areas: NDArray[np.float64]) -> None:
        """Write names beside the bubbles, or numbers and a key where there is no room for them."""
        self.key_: Any = None
        self.labels_: list[Any] = []
        if not len(drawn):
            return
        names = [shorten(name, NAME_WIDTH) for name in drawn.index]
        found = None
        if len(names) <= NAMED_AT_MOST and len(set(names)) == len(names):
            found = write_beside(self.ax_, points, areas, names, 9, REACH)
        if found is None:
            key = "\n".join(f"{i:>2}  {shorten(name, KEY_WIDTH)}" for i, name in enumerate(drawn.index, start=1))
            self.key_ = self.ax_.text(
                1.02, 1.0, key, transform=self.ax_.transAxes, va="top", ha="left", fontsize=8, linespacing=1.35
            )
            numbers = [str(i) for i in range(1, len(drawn) + 1)]
            found = write_beside(self.ax_, points, areas, numbers, 8)
        if found is None:
            # more bubbles on one spot than numbers fit around: the numbers stand on them
            found = [
                self.ax_.annotate(number, tuple(point), ha="center", va="center", fontsize=7, zorder=6)
                for number, point in zip(numbers, points, strict=True)
            ]
        self.labels_ = found
