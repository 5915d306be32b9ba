"""What `recommend_refresh` returns."""

from __future__ import annotations

import datetime as dt
import html
import textwrap
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count
from segmentation._results import Result
from segmentation.monitoring._drift_report import DriftReport
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._whole_html import whole_html

__all__ = ["RefreshAdvice"]

WIDTH = 120


@dataclass(frozen=True, repr=False, eq=False)
class RefreshAdvice(Result):
    """Keep, rename, refit or rebuild, and why.

    Attributes
    ----------
    action : {"keep", "rename", "refit", "rebuild"}
    reason : str
    table : pandas.DataFrame
        One row per question that was asked: ``found`` (bool), ``figure``, ``limit``, ``evidence`` in words.
    segments : pandas.DataFrame
        By segment of the model: ``n_reference``, ``n_current``, ``share_reference``, ``share_current``, ``event`` (what
        a refit makes of it), ``displaced`` (share of its customers whom a refit puts elsewhere).
    cost : pandas.DataFrame
        What waiting exposes: rows ``customers`` (and ``value``), columns ``now``, ``now_low``, ``now_high``,
        ``added_per_day``, ``at_next_review``.
    next_review : datetime.date or None
        None where no dates were given.
    names : dict
        What is in force (if that was given) or the refit's segments, by name, with the name of the model's segment
        that goes on in it.
    challenger : fitted segmenter or pipeline
        The refit that the model was compared with; `refit` makes one whose names go on.
    match : SegmentMatch
        What a refit makes of each segment.
    drift, drift_inside : DriftReport
        Of the features of all customers, and inside the model's segments.
    settings : dict
    warnings : tuple of str
    """

    action: str
    reason: str
    table: pd.DataFrame
    segments: pd.DataFrame
    cost: pd.DataFrame
    next_review: dt.date | None
    names: dict[str, str]
    challenger: Any
    match: SegmentMatch
    drift: DriftReport
    drift_inside: DriftReport | None
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "reason": self.reason,
            "next_review": self.next_review,
            "evidence": self.table.to_dict("index"),
            "segments": self.segments.to_dict("index"),
            "cost": self.cost.to_dict("index"),
            "names": self.names,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        return (
            f"Advice: {self.action} ({count(self.settings['n_segments'], 'segment')}; "
            f"{count(self.settings['n_reference'], 'customer')}, then {self.settings['n_current']:,})"
        )

    def _sentences(self) -> list[str]:
        return [str(text) for text in self.table["evidence"]]

    def _what_waiting_costs(self) -> list[str]:
        lines = []
        what = "in another segment than a refreshed definition says, beyond what refits do anyway"
        if self.settings["exposed_by"] == "names":
            what = "under a name or definition that is not the model's"
        for name, row in self.cost.iterrows():
            later = f"; {row['at_next_review']:,.0f} by the next review" if pd.notna(row["at_next_review"]) else ""
            figures = f"{row['now']:,.0f} ({row['now_low']:,.0f} to {row['now_high']:,.0f})"
            if name == "value":
                lines.append(f"Waiting: {self.settings['values']} of {figures} lies with customers {what}{later}.")
            else:
                lines.append(f"Waiting: {figures} {name} {what}{later}.")
        return lines

    def __str__(self) -> str:
        width = max(len(str(name)) for name in self.table.index)
        lines = [self._headline(), textwrap.fill(self.reason, WIDTH, initial_indent="  ", subsequent_indent="  ")]
        for name, row in self.table.iterrows():
            head = f"  {'yes' if row['found'] else 'no':<4}{name:<{width}}  "
            lines.append(textwrap.fill(row["evidence"], WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
        lines += [f"  {text}" for text in self._what_waiting_costs()]
        if self.next_review is not None:
            lines.append(f"  Next review: {self.next_review.isoformat()}")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = [*self._what_waiting_costs()]
        if self.next_review is not None:
            notes.append(f"Next review: {self.next_review.isoformat()}")
        notes += [f"Note: {text}" for text in self.warnings]
        tail = "".join(f"<p>{html.escape(text)}</p>" for text in notes)
        head = "".join(f"<p>{html.escape(text)}</p>" for text in (self._headline(), self.reason))
        return f"{head}{whole_html(self.table.round(3))}{whole_html(self.segments.round(3))}{tail}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the segments then and today, and whom a refit puts elsewhere, see `RefreshDisplay`; return its axes."""
        from segmentation.monitoring._refresh_display import RefreshDisplay

        return RefreshDisplay.from_advice(self).plot(ax).ax_
