"""What `migration` returns for two dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, percent
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.monitoring._colours import identity_colours

__all__ = ["Migration"]

NAME_WIDTH = 26


@dataclass(frozen=True, repr=False, eq=False)
class Migration(Result):
    """Who went where between two dates.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per transition that somebody made: ``from`` ("(entered)" for who was not there before), ``to``
        ("(left)" for who is not there any more), ``n``, ``n_from`` (all who were in ``from``), ``rate`` with
        ``rate_low`` and ``rate_high`` (Wilson), ``kind`` ("stayed", "moved", "left", "entered"), ``small`` (fewer
        customers than the minimum in the cell or in its segment: do not read the rate), and where values were given
        ``value_before`` and ``value_after`` (totals of these customers at the two dates).
    segments : pandas.DataFrame
        Index ``segment``: ``n_before``, ``stayed``, ``moved_out``, ``left``, ``moved_in``, ``entered``, ``n_after``;
        ``n_before - moved_out - left + moved_in + entered = n_after``; ``share_before``, ``share_after``,
        ``stay_rate`` with its interval, ``small``, and the values.
    counts : pandas.DataFrame
        Square: from, to; the last row is who entered, the last column who left.
    rates : pandas.DataFrame
        ``counts`` divided by the totals of their rows; NaN for a segment that nobody was in.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    segments: pd.DataFrame
    counts: pd.DataFrame
    rates: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def colours(self) -> dict[str, str]:
        """Return the colour of every segment by its place in the order of codes."""
        return identity_colours(self.segments.index)

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "segments": self.segments.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        s = self.settings
        changed = int(self.segments["moved_out"].sum())
        text = f"Migration: {changed:,} of {count(s['n_both'], 'customer')} there at both dates changed segment "
        text += f"({percent(changed / s['n_both'])}, {percent(s['changed_low'])} to {percent(s['changed_high'])})"
        return f"{text}; {s['n_entered']:,} entered, {s['n_left']:,} left"

    def _moves(self) -> list[str]:
        """Return the largest moves in words."""
        moves = self.table[self.table["kind"] == "moved"].sort_values("n", ascending=False, kind="stable").head(3)
        lines = []
        for row in moves.to_dict("records"):
            line = f"{row['n']:,} from {shorten(row['from'], NAME_WIDTH)!r} to {shorten(row['to'], NAME_WIDTH)!r} "
            line += f"({percent(row['rate'])}, {percent(row['rate_low'])} to {percent(row['rate_high'])})"
            lines.append(line)
        return lines

    def _shown(self) -> pd.DataFrame:
        shown = self.segments.drop(columns=["share_before", "share_after"]).rename(
            index=lambda name: shorten(name, NAME_WIDTH)
        )
        stay = [
            "" if pd.isna(rate) else f"{percent(rate)} [{percent(low)[:-2]}, {percent(high)[:-2]}]"
            for rate, low, high in zip(shown["stay_rate"], shown["stay_rate_low"], shown["stay_rate_high"], strict=True)
        ]
        stay = [f"{text} small" if small and text else text for text, small in zip(stay, shown["small"], strict=True)]
        shown = shown.drop(columns=["stay_rate", "stay_rate_low", "stay_rate_high", "small"]).assign(stay_rate=stay)
        for name in ("value_before", "value_after"):
            if name in shown:
                shown[name] = shown[name].map("{:,.0f}".format)
        return shown

    def __str__(self) -> str:
        lines = [self._headline(), *(f"  {line}" for line in self._moves()), self._shown().to_string()]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self._moves())
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self._headline())}</p><ul>{lines}</ul>{self._shown().to_html(escape=True)}{notes}"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the rates as a heatmap, or the flows (``kind="alluvial"``), see `MigrationDisplay`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **options
            Of `MigrationDisplay`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.monitoring._migration_display import MigrationDisplay

        return MigrationDisplay.from_migration(self, **options).plot(ax).ax_
