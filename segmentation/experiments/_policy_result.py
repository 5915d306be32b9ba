"""What `policy_value` returns, and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Self

import numpy as np
import pandas as pd

from segmentation._format import count, number
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation._results import Result

__all__ = ["METHODS", "PolicyDisplay", "PolicyValue"]

METHODS = ("aipw", "hajek", "ipw")
WORDS = {"aipw": "doubly robust", "hajek": "inverse probability, weights to 1", "ipw": "inverse probability"}
SHOWN = 15


@dataclass(frozen=True, eq=False, repr=False)
class PolicyValue(Result):
    """What a rule of treatment would earn per customer, as `policy_value` returns it.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``policy``: the rule, "nobody", "all <arm>" and those compared with. ``value`` per customer after cost,
        ``low``, ``high``, ``se``, ``share_treated``, ``cost`` per customer (with `learn` those of the rule of all
        rows).
    differences : pandas.DataFrame
        Index ``against``: ``difference`` (the rule less the other), ``low``, ``high``, ``se``, ``p_value``,
        ``p_adjusted`` (Holm). Paired: of the same customers.
    by_segment : pandas.DataFrame
        Index ``segment``: ``n_customers``, ``arm`` (what the rule gives; "several"), ``share_treated``, ``change`` per
        customer of the segment against treating nobody (doubly robust) with ``change_low`` and ``change_high``, each
        segment by itself (missing where it has one customer or cluster). With `learn` the arm is that of the rule of
        all rows, the change that of rules valued on customers they were not learnt from.
    estimates : pandas.DataFrame
        Everything by each ``method``: ``kind`` ("value" or "difference"), ``policy``, ``value``, ``low``, ``high``,
        ``se``.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    by_segment: pd.DataFrame
    estimates: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The finding in a sentence."""
        row, level = self.table.iloc[0], f"{100 * self.settings['level']:g} %"
        said = [
            f"{_signed(part['difference'])} ({_signed(part['low'])} to {_signed(part['high'])}) against {against!r}"
            for against, part in self.differences.iterrows()
        ]
        learnt = "" if self.settings["learn"] is None else " (learnt and valued on different customers)"
        return (
            f"{self.settings['name']!r}{learnt} earns {number(row['value'])} per customer ({level} interval "
            f"{number(row['low'])} to {number(row['high'])}): {'; '.join(said)}"
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "table": self.table.reset_index(),
            "differences": self.differences.reset_index(),
            "by_segment": self.by_segment.reset_index(),
            "estimates": self.estimates,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _parts(self) -> list[tuple[str, pd.DataFrame]]:
        what = f"Value per customer ({WORDS[self.settings['method']]})"
        parts = [(what, self.table), ("Difference of the rule, paired", self.differences)]
        if len(self.by_segment) > 1:
            rest = f", {SHOWN} of {count(len(self.by_segment), 'segment')}" if len(self.by_segment) > SHOWN else ""
            parts.append((f"Against treating nobody, by segment{rest}", self.by_segment.head(SHOWN)))
        return parts

    def __str__(self) -> str:
        lines = [self.headline]
        for title, table in self._parts():
            lines += ["", title, _cut(table).to_string(float_format="{:.4g}".format)]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = "".join(
            f"<p>{escape(title)}</p>{_cut(table).to_html(float_format='{:.4g}'.format, escape=True)}"
            for title, table in self._parts()
        )
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{shown}{notes}"

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the rule against the simple policies; arguments as in `PolicyDisplay.from_value`."""
        return PolicyDisplay.from_value(self, **kwargs).plot(ax).ax_


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)


def _cut(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(index=lambda name: shorten(name, 40))


@dataclass(eq=False)
class PolicyDisplay:
    """Differences of a rule to simple policies, or its change by segment, one line each.

    Parameters
    ----------
    rows : pandas.DataFrame
        Index of labels; ``estimate``, ``low``, ``high``.
    title, unit : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    rows: pd.DataFrame
    title: str
    unit: str
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_value(cls, value: PolicyValue, *, by_segment: bool = False) -> Self:
        """Take the figures from a result: against other policies, or by segment against treating nobody."""
        level = f"{100 * value.settings['level']:g} % intervals"
        if by_segment:
            table = value.by_segment
            labels = [f"{shorten(name, 26)}: {shorten(row['arm'], 16)}" for name, row in table.iterrows()]
            figures = table[["change", "change_low", "change_high"]].to_numpy(dtype=float)
            title = f"{shorten(value.settings['name'], 40)}:\nwhat it changes in each segment"
            unit = f"earned more per customer than by treating nobody\n({level}, each segment by itself)"
        else:
            table = value.differences
            labels = [f"against {shorten(name, 30)}" for name in table.index]
            figures = table[["difference", "low", "high"]].to_numpy(dtype=float)
            title = f"{shorten(value.settings['name'], 40)}:\nearned more per customer than by other policies"
            unit = f"difference per customer\n({level}, {WORDS[value.settings['method']]})"
        return cls(pd.DataFrame(figures, index=labels, columns=["estimate", "low", "high"]), title, unit)

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        n = len(self.rows)
        ax = axes_or_new(ax, 7.2, 1.5 + 0.32 * max(n, 2))
        places = np.arange(n)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1, zorder=1)
        ax.hlines(places, self.rows["low"], self.rows["high"], color=COLOURS["model"], linewidth=1.8, zorder=2)
        ax.scatter(self.rows["estimate"], places, color=COLOURS["model"], s=34, zorder=3)
        ax.set_yticks(places, list(self.rows.index))
        ax.set_ylim(n - 0.4, -0.6)
        tidy(ax, title=self.title, x=self.unit, y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
