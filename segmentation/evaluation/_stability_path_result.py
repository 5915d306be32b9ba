"""The result of `stability_path`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, percent
from segmentation._plotting import shorten
from segmentation._results import Result

__all__ = ["StabilityPath"]

SHOWN = 45
# What counts as going through unchanged: with two groups before, 96 % of the members from one of them.
FROM_ONE = 0.75


@dataclass(frozen=True, repr=False, eq=False)
class StabilityPath(Result):
    """Solutions of growing number, relabelled to match the one before, and where each segment came from.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``n_segments``, ``segment``: ``track`` (number that a segment keeps as long as it is matched),
        ``n_customers``, ``share``, ``slsa`` (1: all members come from one segment of the solution before; NaN in the
        first solution and for empty segments), ``main_origin`` and ``main_origin_share`` (of the members).
    flows : pandas.DataFrame
        One row per way: ``previous_n_segments``, ``origin``, ``n_segments``, ``segment``, ``n_customers``, ``share``
        (of all customers), ``share_of_segment``. Unassigned customers are an origin, and a segment they move to.
    solutions : pandas.DataFrame
        Index ``n_segments``: ``n_found``, ``smallest`` and ``share_unassigned``; ``ari_previous``, agreement with the
        solution before.
    assignments : pandas.DataFrame
        Index ``customer_id``, one column per number of segments: the relabelled segment of each customer.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    flows: pd.DataFrame
    solutions: pd.DataFrame
    assignments: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "warnings": self.warnings,
            "findings": self.findings,
            "table": self.table.reset_index(),
            "flows": self.flows,
            "solutions": self.solutions.reset_index(),
        }

    @property
    def findings(self) -> tuple[str, ...]:
        """Which segments go through all solutions nearly unchanged, and which are put together anew."""
        later = self.table[self.table["slsa"].notna()].reset_index()
        if later.empty:
            return ()
        last = later["n_segments"].max()
        final = later[later["n_segments"] == last]
        through = [
            str(row["segment"])
            for _, row in final.iterrows()
            if (rows := later[later["track"] == row["track"]])["n_segments"].nunique() == len(self.solutions) - 1
            and (rows["slsa"] >= FROM_ONE).all()
        ]
        mixed = final.loc[final["slsa"].idxmin()]
        text = (
            f"{count(len(through), 'segment goes', 'segments go')} through all solutions with an SLSA of at least .75"
            f"{f': {name_some(through)}' if through else ''}."
        )
        return (
            text,
            f"At {last} segments the most mixed is {mixed['segment']!r} (SLSA {mixed['slsa']:.2f}); "
            f"{percent(mixed['main_origin_share'])} of it come from {mixed['main_origin']!r}.",
        )

    def _shown(self) -> pd.DataFrame:
        columns = ["n_customers", "share", "slsa", "main_origin", "main_origin_share"]
        table = self.table[columns].copy()
        table["main_origin"] = [shorten(name, 24) if isinstance(name, str) else "" for name in table["main_origin"]]
        return table

    def _headline(self) -> str:
        numbers = list(self.solutions.index)
        which = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        return (
            f"Stability of segments across {count(len(numbers), 'solution')} of {which} segments "
            f"({self.settings['segmenter']}, {self.settings['n_customers']:,} customers)"
        )

    def __str__(self) -> str:
        shown = self._shown().reset_index()
        shown["segment"] = [shorten(name, 30) for name in shown["segment"]]
        lines = [self._headline(), *(f"  {text}" for text in self.findings)]
        lines.append(shown.head(SHOWN).to_string(index=False, float_format="{:.2f}".format, na_rep=""))
        if len(shown) > SHOWN:
            lines.append(f"  ... {len(shown) - SHOWN} more rows in .table")
        return "\n".join([*lines, *(f"  Warning: {note}" for note in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(), *self.findings)

    def plot(self, ax: Any = None) -> Any:
        """Draw the paths of the segments (`SLSADisplay`)."""
        from segmentation.evaluation._stability_display import SLSADisplay

        return SLSADisplay.from_path(self).plot(ax=ax).ax_
