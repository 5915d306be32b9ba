"""What `migration` returns for more than two dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import numpy as np
import pandas as pd

from segmentation._format import count, percent
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.monitoring._colours import identity_colours
from segmentation.monitoring._inputs import date_label
from segmentation.monitoring._migration_ahead import simulate_ahead
from segmentation.monitoring._migration_input import ALL_SEGMENTS, States, check_level, check_whole, seeds_of
from segmentation.monitoring._migration_result import Migration

__all__ = ["MigrationHistory"]

NAME_WIDTH = 26
# Characters of a line that people read, and dates shown of a history too long for it.
WIDTH, SOME_DATES = 120, 8
# The usual level; beyond it future steps are drawn from single past steps, whose rates differ.
DIFFERENT = 0.05


@dataclass(frozen=True, repr=False, eq=False)
class MigrationHistory(Result):
    """Who went where over several dates.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per date and segment: ``date``, ``segment``, ``n``, ``share`` of all who are there with ``share_low``
        and ``share_high`` (Wilson), and ``value`` (total) where values were given.
    transitions : pandas.DataFrame
        As ``table`` of `Migration`, with ``date_from`` and ``date_to`` in front.
    steps : tuple of Migration
        One for every two dates that follow each other.
    rates : pandas.DataFrame
        Of all steps together: from, to (the last column is who left).
    stationarity : pandas.DataFrame
        Index ``segment``, "(all segments)" first: ``statistic`` (likelihood ratio of rates of their own in every step),
        ``df``, ``p_value`` (by permutation), ``p_adjusted`` (Holm, over segments), ``largest_difference`` of a rate in
        a step from the common one. Small p-values say that rates differed between steps; NaN where nothing can differ.
    memory_p_value : float
        Of the hypothesis that where customers go depends only on where they are, not on where they were before.
    customers : pandas.DataFrame
        Index ``customer_id``, one column per date: segment; missing where not there.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    transitions: pd.DataFrame
    steps: tuple[Migration, ...]
    rates: pd.DataFrame
    stationarity: pd.DataFrame
    memory_p_value: float
    customers: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]
    _states: States = field(repr=False)

    @property
    def dates(self) -> tuple[Any, ...]:
        """The dates, or their numbers."""
        return tuple(self.settings["dates"])

    def colours(self) -> dict[str, str]:
        """Return the colour of every segment by its place in the order of codes."""
        return identity_colours(self._states.names)

    def shares(self) -> pd.DataFrame:
        """Return the share of every segment (columns) at every date (rows)."""
        shares = self.table["share"].to_numpy().reshape(len(self.dates), -1)  # every segment at every date, in order
        index = pd.Index(list(self.dates), name="date")
        return pd.DataFrame(shares, index=index, columns=pd.Index(self._states.names, name="segment", dtype=object))

    def ahead(
        self,
        n_steps: int = 1,
        *,
        rates: Literal["auto", "pooled", "vary"] = "auto",
        entries: bool = True,
        level: float = 0.9,
        n_draws: int = 2000,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    ) -> pd.DataFrame:
        """Return how many customers each segment would have if they went on moving as they did.

        Parameters
        ----------
        n_steps : int, default=1
            Steps ahead, each as long as those of the history should be.
        rates : {"auto", "pooled", "vary"}, default="auto"
            "pooled": the rates of all steps together hold from now on. "vary": every future step is like one of the
            past steps, by lot, which gives wider intervals. "auto": "vary" where the check of equal rates says that
            they differed (p at most 0.05), else "pooled".
        entries : bool, default=True
            Whether customers go on entering as they did; otherwise nobody enters.
        level : float, default=0.9
        n_draws : int, default=2000
        random_state : int, Generator, RandomState or None, default=0

        Returns
        -------
        pandas.DataFrame
            Index ``step``, ``segment``: ``n``, ``share`` with their bounds. They are predictive: they hold what is not
            known of the rates and that every customer goes their own way.

        Notes
        -----
        A projection, not a forecast: it assumes that customers who are in one segment now move alike, wherever they
        were before (see ``memory_p_value``), and that nothing new happens. Rates are drawn from a Dirichlet
        distribution whose prior is worth one customer per segment. Where rates differ between steps by too little for
        the check to see, the intervals of "auto" are somewhat narrow some steps ahead (in simulations of three steps
        ahead, those of 90 % held 84 to 86 %); those of "vary" err to the wide side.
        """
        if rates not in ("auto", "pooled", "vary"):
            raise ValueError(f"rates must be 'auto', 'pooled' or 'vary', got {rates!r}.")
        if rates == "auto":
            p = float(self.stationarity["p_value"].to_dict()[ALL_SEGMENTS])
            rates = "vary" if p <= DIFFERENT else "pooled"
        return simulate_ahead(
            self._states,
            [self._states.counts(step) for step in range(len(self.steps))],
            check_whole("n_steps", n_steps, 1),
            vary=rates == "vary",
            entries=bool(entries),
            level=check_level(level),
            n_draws=check_whole("n_draws", n_draws, 100),
            seed=seeds_of(random_state, 1)[0],
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "transitions": self.transitions,
            "stationarity": self.stationarity.reset_index(),
            "memory_p_value": self.memory_p_value,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        n, dates = len(self.customers), [date_label(date) for date in self.dates]
        return (
            f"Migration history of {count(n, 'customer')} over {len(dates)} dates ({dates[0]} to {dates[-1]}), "
            f"{count(len(self._states.names), 'segment')}"
        )

    def _lines(self) -> list[str]:
        rows = [step.segments for step in self.steps]
        changed = sum(int(row["moved_out"].sum()) for row in rows) / max(
            sum(int(step.settings["n_both"]) for step in self.steps), 1
        )
        lines = [f"{percent(changed)} of those who are there at two dates change segment from one to the next"]
        p = float(self.stationarity["p_value"].to_dict()[ALL_SEGMENTS])
        if np.isfinite(p):
            difference = float(self.stationarity["largest_difference"].iloc[0])
            verdict = (
                "rates of moving differ between steps" if p <= DIFFERENT else "no sign that rates of moving differ"
            )
            lines.append(f"{verdict} (p = {p:.3f}; a rate differs from the common one by up to {percent(difference)})")
        if np.isfinite(self.memory_p_value):
            text = (
                "where customers were before matters too"
                if self.memory_p_value <= DIFFERENT
                else ("no sign that it matters where customers were before")
            )
            lines.append(f"{text} (p = {self.memory_p_value:.3f})")
        return lines

    def _shown(self) -> pd.DataFrame:
        """Return the shares, at the first, the last and some dates in between where all make lines too long to read."""
        shown = self.shares().T.map(percent).rename(index=lambda name: shorten(name, NAME_WIDTH))
        column = 1 + max(*(len(date_label(date)) for date in self.dates), len("100.0 %"))
        fitting = max((WIDTH - max(len(str(name)) for name in shown.index)) // column, 2)
        if len(self.dates) <= fitting:
            return shown
        some = np.linspace(0, len(self.dates) - 1, min(fitting, SOME_DATES)).round().astype(np.int64)
        return shown.iloc[:, some]

    def _shares_heading(self, shown: pd.DataFrame) -> str:
        n, some = len(self.dates), len(shown.columns)
        return "Shares:" if some == n else f"Shares at {some} of {n} dates (all in .table):"

    def __str__(self) -> str:
        shown = self._shown()
        lines = [self._headline(), *(f"  {line}" for line in self._lines()), self._shares_heading(shown)]
        lines.append(shown.to_string())
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        shown = self._shown()
        table = f"<p>{escape(self._shares_heading(shown))}</p>{shown.to_html(escape=True)}"
        return f"<p>{escape(self._headline())}</p><ul>{lines}</ul>{table}{notes}"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the share of every segment over time, or the flows (``kind="alluvial"``), see `MigrationDisplay`.

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
