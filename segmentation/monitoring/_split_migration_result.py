"""What `split_migration` returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, percent
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.monitoring._match_result import SegmentMatch

__all__ = ["SplitMigration"]

NAME_WIDTH = 28
CAUSES = ("stayed", "moved", "definition", "both", "undone", "entered", "left")


@dataclass(frozen=True, repr=False, eq=False)
class SplitMigration(Result):
    """How much of the change of the segments is customers who moved, and how much is definitions that moved.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment`` (names from now on; the unassigned last where there are any): ``n_before``, ``left``,
        ``entered``, ``moved``, ``definition``, ``n_after`` and ``change``. ``n_before + left + entered + moved +
        definition = n_after``, to rounding. Halves of customers come from the mean of two orders.
    orders : pandas.DataFrame
        Index ``order``, ``segment``: the same four parts by "shapley", "moved_first" and "definition_first".
    summary : pandas.Series
        Of those who are there at both dates: ``n_compared``; ``n_changed`` = ``n_moved`` + ``n_definition`` (Shapley);
        ``share_changed``; ``share_moved`` and ``share_definition`` of those who changed; ``n_entered``, ``n_left``.
    flows : pandas.DataFrame
        One row per pair of segments that customers changed between: ``before``, ``after``, ``n``, ``n_moved``,
        ``n_definition``, the largest first.
    customers : pandas.DataFrame
        Index ``customer_id``: ``before``; ``old_definition_now`` and ``new_definition_then`` (where they would be);
        ``after``; ``cause`` ("stayed", "moved", "definition", "both", "undone", "entered", "left").
    values : pandas.DataFrame or None
        As ``table``, of the value that was given, in its unit.
    match : SegmentMatch or None
        How the segments of the new model were named; None where names decided.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    orders: pd.DataFrame
    summary: pd.Series[Any]
    flows: pd.DataFrame
    customers: pd.DataFrame
    values: pd.DataFrame | None
    match: SegmentMatch | None
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def who(self, cause: str | Iterable[str], *, segment: str | None = None) -> pd.DataFrame:
        """Return the customers concerned.

        Parameters
        ----------
        cause : str or several
            "stayed", "moved", "definition", "both", "undone", "entered" or "left".
        segment : str, optional
            Only those who are in this segment before or after.
        """
        wanted = [cause] if isinstance(cause, str) else list(cause)
        unknown = [one for one in wanted if one not in CAUSES]
        if unknown:
            raise ValueError(f"no cause {name_some(unknown)}; the causes are {name_some(CAUSES, 7)}.")
        rows = self.customers["cause"].isin(wanted)
        if segment is not None:
            if segment not in self.table.index:
                raise ValueError(f"no segment {segment!r}; there are {name_some(self.table.index)}.")
            rows &= (self.customers["before"] == segment) | (self.customers["after"] == segment)
        return self.customers[rows]

    def _facts(self) -> dict[str, Any]:
        return {
            "summary": self.summary,
            "table": self.table.reset_index(),
            "orders": self.orders.reset_index(),
            "flows": self.flows,
            "values": None if self.values is None else self.values.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        s = self.summary
        n, changed = int(s["n_compared"]), int(s["n_changed"])
        text = f"Split of migration: {changed:,} of {count(n, 'customer')} there at both dates changed segment"
        if changed:
            text += f" ({percent(s['share_changed'])}): {percent(s['share_moved'])} of this is customers who moved, "
            text += f"{percent(s['share_definition'])} definitions that moved"
        return text

    def _shown(self) -> pd.DataFrame:
        shown = self.table.rename(index=lambda name: shorten(name, NAME_WIDTH))
        return shown.map(_signed).assign(
            n_before=[f"{n:,.0f}" for n in self.table["n_before"]],
            n_after=[f"{n:,.0f}" for n in self.table["n_after"]],
        )

    def __str__(self) -> str:
        return "\n".join([self._headline(), self._shown().to_string(), *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self._headline())}</p>{self._shown().to_html(escape=True)}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the parts of every segment's change, see `SplitMigrationDisplay`.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.monitoring._split_migration_display import SplitMigrationDisplay

        return SplitMigrationDisplay.from_result(self).plot(ax).ax_


def _signed(value: float) -> str:
    """Write a change, whole or with a half."""
    return "0" if abs(value) < 0.05 else f"{value:+,.1f}".removesuffix(".0")
