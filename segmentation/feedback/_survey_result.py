"""What `net_promoter` and `satisfaction` return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, percent
from segmentation._results import Result
from segmentation.feedback._survey_display import NetPromoterDisplay, SatisfactionDisplay

__all__ = ["NetPromoter", "Satisfaction"]


@dataclass(frozen=True, repr=False, eq=False)
class _Survey(Result, ABC):
    table: pd.DataFrame
    overall: pd.DataFrame
    differences: pd.DataFrame
    trend: pd.DataFrame
    changes: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        names = ("table", "overall", "differences", "trend", "changes")
        tables = {name: getattr(self, name).astype(object).reset_index() for name in names}
        return {"settings": self.settings, "warnings": self.warnings, **tables}

    def _opening(self) -> list[str]:
        return [self._headline(), *self._lines()]

    @abstractmethod
    def _headline(self) -> str:
        """Return the first line of what is printed."""

    @abstractmethod
    def _shown(self) -> pd.DataFrame:
        """Return the rows and columns that a person reads first."""

    def _findings(self) -> list[str]:
        found = self.differences[self.differences["differs"]]
        return [self._difference(row) for _, row in found.iterrows()][:8]

    def _difference(self, row: pd.Series[Any]) -> str:
        item = f"{row['item']}: " if "item" in row else ""
        return (
            f"{item}{row['segment']} {row['difference']:+.{self._digits}f} against {row['other']} "
            f"({row['difference_low']:+.{self._digits}f} to {row['difference_high']:+.{self._digits}f})"
        )

    @property
    def _digits(self) -> int:
        return 1

    def _moves(self) -> list[str]:
        if not len(self.changes):
            return []
        moved = self.changes[self.changes["changes"]]
        found = []
        for _, row in moved.iterrows():
            item = f"{row['item']}: " if "item" in row else ""
            found.append(
                f"{item}{row['segment']} changes by {row['change']:+.2f} a period "
                f"({row['change_low']:+.2f} to {row['change_high']:+.2f})"
            )
        return found or ["no change over the periods that chance does not give as well"]

    def _lines(self) -> list[str]:
        none = "no difference between segments that chance does not give as well"
        return [*(self._findings() or [none]), *self._moves()]

    def __str__(self) -> str:
        table = self._shown().to_string(na_rep="-").splitlines()
        lines = [self._headline(), *(f"  {line}" for line in table), *(f"  {line}" for line in self._lines())]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _html_tables(self) -> list[str]:
        return [self._shown().to_html(na_rep="-")]


@dataclass(frozen=True, repr=False, eq=False)
class NetPromoter(_Survey):
    """Net promoter scores.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment``: ``n_answers``, ``n_customers``; ``promoters``, ``passives``, ``detractors`` (shares of the
        answers; missing where one stands for too few); ``nps``, ``nps_low``, ``nps_high`` (-100 to 100). Rows of small
        segments are missing.
    overall : pandas.DataFrame
        The same of all answers, one row "all".
    differences : pandas.DataFrame
        ``segment``, ``other``, ``difference``, ``difference_low``, ``difference_high`` (points), ``p_value``,
        ``p_adjusted`` (Holm), ``differs``. Intervals are not corrected for being many.
    trend : pandas.DataFrame
        With a timestamp: ``segment``, ``period``, ``n_customers``, ``nps``, ``nps_low``, ``nps_high``.
    changes : pandas.DataFrame
        With a timestamp: ``segment``, ``change`` (points per period), ``change_low``, ``change_high``, ``p_value``,
        ``p_adjusted``, ``changes``.
    settings : dict
        As resolved; ``alike_within_customers`` (intraclass correlation), ``p_value_all`` (all segments are the same).
    warnings : tuple of str
    """

    def _headline(self) -> str:
        row = self.overall.iloc[0]
        return (
            f"Net promoter score {row['nps']:+.1f} ({row['nps_low']:+.1f} to {row['nps_high']:+.1f}), "
            f"{count(self.settings['n_answers'], 'answer')} of {count(self.settings['n_customers'], 'customer')}"
        )

    def _shown(self) -> pd.DataFrame:
        return self.table.drop(columns="n_answers").round(3)

    def plot(self, ax: Any = None) -> Any:
        """Draw shares and score of each segment; see `NetPromoterDisplay`."""
        return NetPromoterDisplay.from_result(self).plot(ax).ax_


@dataclass(frozen=True, repr=False, eq=False)
class Satisfaction(_Survey):
    """Means, top boxes and bottom boxes of questions.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per question and segment: ``segment``, ``item``, ``n_answers``, ``n_customers``, ``mean``, ``top_box``,
        ``bottom_box``, each with ``_low`` and ``_high``. Small cells are missing.
    overall : pandas.DataFrame
        The same of all answers, index ``item``.
    differences, trend, changes : pandas.DataFrame
        As in `NetPromoter`, with a column ``item``; of the mean or the top box, as ``compare`` says.
    settings : dict
        As resolved, with the ``scale``.
    warnings : tuple of str
    """

    @property
    def _digits(self) -> int:
        return 2

    def _headline(self) -> str:
        row = self.overall.iloc[0]
        low, high = self.settings["scale"]
        top = self.settings["top"]
        boxes = "top box" if top == 1 else f"top {top} boxes"
        box = "" if pd.isna(row["top_box"]) else f", {boxes} {percent(row['top_box'])}"
        more = f" and {len(self.overall) - 1} more" if len(self.overall) > 1 else ""
        return (
            f"Satisfaction with {self.overall.index[0]}{more}: mean {row['mean']:.2f} of {low:g} to {high:g}{box}, "
            f"{count(self.settings['n_answers'], 'answer')} of {count(self.settings['n_customers'], 'customer')}"
        )

    def _shown(self) -> pd.DataFrame:
        names = ["segment", "item", "n_customers", "mean", "mean_low", "mean_high", "top_box", "bottom_box"]
        return self.table[names].round(3).set_index(["item", "segment"])

    def plot(self, ax: Any = None, *, item: Any = None) -> Any:
        """Draw the means of one question with their intervals; see `SatisfactionDisplay`."""
        return SatisfactionDisplay.from_result(self, item=item).plot(ax).ax_
