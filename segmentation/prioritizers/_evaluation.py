"""The segment evaluation matrix as a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count
from segmentation.prioritizers._result import HeadedTable

__all__ = ["SegmentEvaluation", "evaluation_headline"]


@dataclass(frozen=True, repr=False, eq=False)
class SegmentEvaluation(HeadedTable):
    """Attractiveness of segments and competitiveness in them, see `WeightedPrioritizer.evaluate`.

    ``table`` has every segment of the priority list in its order, index ``segment``: ``priority``, ``n_customers``,
    ``attractiveness`` and ``competitiveness`` (where it is given) in [0, 1], ``priority_score``, ``reason``. Axes and
    score are missing for segments that are excluded, also where people brought them back.

    Attributes
    ----------
    contributions : pandas.DataFrame
        Points out of 100 that each criterion adds to its axis; columns ``axis``, ``criterion``.
    """

    contributions: pd.DataFrame

    def _facts(self) -> dict[str, Any]:
        points = {
            axis: self.contributions[axis].to_dict("index")
            for axis in self.contributions.columns.get_level_values("axis").unique()
        }
        return {**super()._facts(), "contributions": points}

    def __str__(self) -> str:
        shown = self.table.drop(columns="reason").to_string(float_format=lambda value: f"{value:,.3g}")
        return "\n".join([self.headline, shown, *(f"Note: {text}" for text in self.warnings)])

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the matrix; options as for `EvaluationMatrixDisplay`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.prioritizers._matrix_display import EvaluationMatrixDisplay

        return EvaluationMatrixDisplay.from_evaluation(self, **options).plot(ax).ax_


def evaluation_headline(plan: pd.DataFrame) -> str:
    """Say who comes first, and how many were left out."""
    ranked = plan.index[plan["priority"].notna()]
    left_out = len(plan) - len(ranked)
    excluded = f"; {count(left_out, 'row is', 'rows are')} excluded" if left_out else ""
    first = f"{ranked[0]!r} comes first of {count(len(ranked), 'segment')}" if len(ranked) else "No segment is ranked"
    return f"{first}{excluded}."
