"""What `match_segments` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, percent
from segmentation._notes import notes_of, with_notes
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import AssignmentError
from segmentation.monitoring._colours import identity_colours

__all__ = ["SegmentMatch"]

EVENTS = ("continued", "renamed", "split", "merged", "returned", "born", "died")
NAME_WIDTH = 26


@dataclass(frozen=True, repr=False, eq=False)
class SegmentMatch(Result):
    """What became of the segments of an earlier segmentation.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per event; a split has a row per part, a merger one per source. ``event`` ("continued", "renamed",
        "split", "merged", "returned", "born", "died"); ``old`` and ``new`` (names as they came; missing where there is
        none);
        ``name`` (what the new segment is called from now on); ``carried`` (whether the new segment goes on under the
        old one's id); ``n_old``, ``n_new`` (customers in the tables); ``n_both`` (of those compared), ``n_expected``
        (by chance), ``jaccard``, ``share_of_old``, ``share_of_new``, ``distance`` (of the centres, in standard
        deviations; NaN where customers were compared), ``p_value``, ``p_adjusted`` (Holm, over all pairs);
        ``reason`` in words. Of a segment born or died it is the evidence of the nearest counterpart, which ``nearest``
        names.
    old : pandas.DataFrame
        Index ``segment``, all old segments: ``code``, ``event``, ``successor`` (new segment that carries its id on,
        as it came; missing where none does), ``n_customers``, ``n_compared``. A segment that died in an earlier match
        is "retired" here and has no row in ``table``, or "returned" where a segment of its name is there again.
    new : pandas.DataFrame
        Index ``segment``, all new segments as they came: ``code`` (from now on), ``name`` (from now on), ``event``,
        ``predecessor``, ``n_customers``, ``n_compared``.
    pairs : pandas.DataFrame
        The evidence of every pair that shares customers.
    segments : tuple of str
        Names from now on in the order of the codes: the old ones first, also those that are gone, whose code nobody
        else gets; then the new ones.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    old: pd.DataFrame
    new: pd.DataFrame
    pairs: pd.DataFrame
    segments: tuple[str, ...]
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def names(self) -> dict[str, str]:
        """Name from now on of every new segment, by the name with which it came."""
        return {str(name): str(to) for name, to in self.new["name"].items()}

    @property
    def codes(self) -> dict[str, int]:
        """Code from now on of every new segment, by the name with which it came."""
        return {str(name): int(code) for name, code in self.new["code"].items()}

    @property
    def retired(self) -> tuple[str, ...]:
        """Old segments whose id nobody carries on."""
        return tuple(str(name) for name in self.old.index[self.old["successor"].isna()])

    def events(self, event: str) -> pd.DataFrame:
        """Return the rows of the table with this event."""
        if event not in EVENTS:
            raise ValueError(f"event must be one of {name_some(EVENTS, 6)}, got {event!r}.")
        return self.table[self.table["event"] == event].reset_index(drop=True)

    def relabel(self, assignment: Any, *, retired: bool = True) -> pd.DataFrame:
        """Give the segments of a new assignment the names that go on, in the order of their codes.

        Parameters
        ----------
        assignment : assignment table or Series
            With the segments of ``new``, as they came.
        retired : bool, default=True
            Whether segments that are gone stay as categories without customers, so that codes stay what they were.

        Returns
        -------
        pandas.DataFrame
            An assignment table.
        """
        table = as_assignment(assignment)
        came, names = list(table["segment"].cat.categories[:-1]), self.names
        unknown = [name for name in came if name not in names]
        if unknown:
            raise AssignmentError(
                f"the assignment has segments that were not matched: {name_some(unknown)}; matched were "
                f"{name_some(names)}. Relabel the assignment whose segments were given as new."
            )
        used = set(names.values())
        order = [name for name in self.segments if retired or name in used]
        categories = pd.Index([*order, UNASSIGNED], dtype=object)
        text = table["segment"].astype(object).map(lambda name: names.get(name, UNASSIGNED))
        segment = pd.Categorical(text, categories=categories)
        result = pd.DataFrame({"segment": segment, "membership": table["membership"]}, index=table.index)
        return with_notes(result, notes_of(assignment))

    def colours(self, palette: Sequence[str] | None = None) -> dict[str, str]:
        """Return a colour for every name from now on; a segment keeps its colour as it keeps its code.

        Parameters
        ----------
        palette : sequence of colours, optional
            By default colours that people with any colour vision can tell apart; with more segments than colours
            they come again, so write the names beside them.
        """
        return identity_colours(self.segments, palette)

    def _facts(self) -> dict[str, Any]:
        return {
            "events": self.table,
            "old": self.old.reset_index(),
            "new": self.new.reset_index(),
            "segments": self.segments,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        s = self.settings
        there = (self.old["n_customers"] > 0) | self.old["event"].isin(["died", "returned"])
        before, after = self.old["event"][there], self.new["event"]
        parts = []
        for event in EVENTS:
            n = int((after == event).sum()) if event == "born" else int((before == event).sum())
            if n:
                parts.append(f"{n} {event}")
        if s["by"] == "customers":
            basis = f"compared on {count(s['n_compared'], 'customer')} in both"
        else:
            basis = f"compared by the nearest centres, {s['n_old']:,} and {s['n_new']:,} customers"
        which = f"{count(len(self.old), 'segment')} before, {len(self.new)} after"
        return f"Match of segments ({which}; {basis}): {', '.join(parts) or 'nothing to match'}"

    def _shown(self) -> pd.DataFrame:
        columns = ["event", "old", "new", "name", "n_both", "jaccard", "share_of_old", "share_of_new", "p_adjusted"]
        shown = self.table[columns].copy()
        for column in ("old", "new", "name"):
            shown[column] = [shorten(name, NAME_WIDTH) if isinstance(name, str) else "" for name in shown[column]]
        for column in ("share_of_old", "share_of_new"):
            shown[column] = [percent(share) for share in shown[column]]
        shown["jaccard"] = shown["jaccard"].map("{:.2f}".format)
        shown["p_adjusted"] = ["< 0.001" if p < 0.001 else f"{p:.3f}" for p in shown["p_adjusted"]]
        return shown

    def __str__(self) -> str:
        lines = [self._headline()]
        if len(self.table):
            lines.append(self._shown().to_string(index=False))
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self._headline())}</p>{self._shown().to_html(escape=True, index=False)}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw which customers of the old segments are in which new one, as flows, see `MatchDisplay`.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.monitoring._match_display import MatchDisplay

        return MatchDisplay.from_match(self).plot(ax).ax_
