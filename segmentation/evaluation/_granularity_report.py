"""The result of `review_granularity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from segmentation._format import count, money, number
from segmentation._results import Result
from segmentation.assignment import relabel
from segmentation.evaluation._granularity_display import GranularityDisplay

__all__ = ["GranularityReport"]

SHOWN = 12


@dataclass(frozen=True, repr=False, eq=False)
class GranularityReport(Result):
    """Which segments are too many, which hold more than one, and where the data cannot tell.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment``: ``n_customers``, ``verdict`` ("keep", "merge", "split", "too small", "unstable" or "cannot
        tell"), ``merge_with``, ``split_on``, ``min_size``, ``n_needed`` (customers of this segment that it takes to
        decide; missing where it is decided, or where no number in reach would do), ``stability`` (where given) and
        ``evidence`` in words.
    pairs : pandas.DataFrame
        One row per two segments and outcome: ``first``, ``second``, ``outcome``, ``difference`` (mean of the first -
        of the second) with ``difference_low`` and ``difference_high``, ``margin``, ``margin_in_se`` (margin over the
        standard error of the difference; of the two segments' common spread where that gives a larger one),
        ``decision`` ("equivalent", "different" or "cannot tell"; of all outcomes together), ``p_equivalent`` and
        ``p_different`` (corrected for all pairs), ``level`` (one-sided, of the bounds: the interval lies inside the
        margin where the pair is equivalent), ``n_first``, ``n_second``, ``n_first_needed``, ``n_second_needed``,
        ``reason`` (why it cannot tell).
    merges : pandas.DataFrame
        The merge plan, one row per group: ``merged`` (its new name), ``segments``, ``n_customers``,
        ``largest_difference`` (of any two of its segments, that the data leave possible), ``outcome`` it is in,
        ``margin``, ``saves`` (running cost).
    splits : pandas.DataFrame
        One row per segment and outcome tried: ``segment``, ``outcome``, ``rule``, ``column_share`` (how many of the
        halves found the same column), ``n_inside``, ``n_outside``, ``direction`` (whether those inside have more or
        less), ``difference`` (of the richer part - of the other) with ``difference_low``, ``margin``,
        ``gain`` and ``gain_low`` (where actions are known; of the whole segment, before the running cost),
        ``action_inside``, ``action_outside``, ``action_common``, ``p_value``, ``p_adjusted`` (there is a difference, or
        a gain), ``p_worth_adjusted`` (it is larger than the margin, or than the running cost), ``decision``
        ("split", "not shown to be worth it", "none found" or "nothing to try").
    settings : dict
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "verdict",
            "merge_with",
            "split_on",
            "n_customers",
            "n_needed",
            "evidence",
        ),
        "pairs": (
            "first",
            "second",
            "outcome",
            "decision",
            "difference",
            "margin",
            "reason",
            "n_first_needed",
            "n_second_needed",
        ),
        "splits": (
            "segment",
            "outcome",
            "decision",
            "rule",
            "difference",
            "gain",
            "p_adjusted",
            "p_worth_adjusted",
        ),
    }

    table: pd.DataFrame
    pairs: pd.DataFrame
    merges: pd.DataFrame
    splits: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def merge_names(self) -> dict[str, str]:
        """New name of every segment of the merge plan, as `segmentation.relabel` takes it."""
        rows = zip(self.merges["merged"], self.merges["segments"], strict=True)
        return {str(name): str(merged) for merged, segments in rows for name in segments}

    def apply(self, assignment: pd.DataFrame) -> pd.DataFrame:
        """Return the assignment with the merge plan carried out."""
        return relabel(assignment, self.merge_names)

    @property
    def headline(self) -> str:
        """The result in one line."""
        n = self.table["verdict"].value_counts()
        words = {
            "keep": "to keep",
            "merge": "to merge",
            "split": "to split",
            "too small": "too small",
            "unstable": "unstable",
            "cannot tell": "of which the data cannot tell",
        }
        parts = [f"{n[verdict]} {text}" for verdict, text in words.items() if n.get(verdict)]
        saves = float(self.merges["saves"].sum())
        saved = f"; the merge plan saves {money(saves)}" if saves else ""
        return f"Granularity of {count(len(self.table), 'segment')}: {', '.join(parts)}{saved}."

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "table": self.table.reset_index(),
            "pairs": self.pairs,
            "merges": self.merges,
            "splits": self.splits,
            "warnings": self.warnings,
            "settings": self.settings,
        }

    def __str__(self) -> str:
        lines = [self.headline]
        lines += [f"  {row.Index}: {row.verdict}. {row.evidence}" for row in self.table.head(SHOWN).itertuples()]
        if len(self.table) > SHOWN:
            lines.append(f"  ... ({len(self.table):,} segments in all; see table)")
        lines += [f"Note: {text}" for text in self.warnings]
        return "\n".join(lines)

    def _opening(self) -> tuple[str, ...]:
        return (self.headline,)

    def _html_tables(self) -> tuple[str, ...]:
        columns = ["n_customers", "verdict", "n_needed", "evidence"]
        return (self.table[columns].to_html(na_rep="", float_format=number),)

    def plot(self, ax: Any = None, *, outcome: Any = None) -> Any:
        """Draw the pairs' differences with intervals against the margin; see `GranularityDisplay`."""
        return GranularityDisplay.from_report(self, outcome=outcome).plot(ax).ax_
