"""What `misallocation_cost` returns."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import number
from segmentation._results import Result
from segmentation.allocation._misallocation_study import Figure
from segmentation.allocation._result import Allocation

__all__ = ["Misallocation", "told"]

SHOWN = 12


def told(figure: Figure, level: float) -> str:
    """Write a figure with its interval."""
    if not np.isfinite(figure.low):
        return number(figure.value)
    return f"{number(figure.value)} ({100 * level:g} % interval {number(figure.low)} to {number(figure.high)})"


@dataclass(frozen=True, eq=False, repr=False)
class Misallocation(Result):
    """What today's split costs, and what the recommended plan would bring.

    Attributes
    ----------
    gain : Figure
        What the plan is expected to bring more than today's: ``value``, ``low``, ``high``, and ``uncorrected``, what
        it looks like on the estimates that chose it.
    cost : Figure
        What today's split brings less than the best possible one; 0 or more.
    expected_return : Figure
        What the plan is expected to bring in all.
    regret, regret_se : float
        Expected loss of acting on estimates: what the plan brings less than the best possible one on average over the
        draws, which is the value of knowing all curves; and its Monte Carlo standard error.
    by_segment : pandas.DataFrame
        One row per segment: of each resource and of effort, today and in the plan; ``served`` (under-served: gets more
        in the plan); ``outcome_today`` and ``outcome_plan`` as estimated; ``change`` with interval, corrected. The
        changes add up to ``gain.value``.
    by_cause : pandas.DataFrame
        One row per cause: ``amount`` with interval. The amounts add up to ``gain.value``.
    today : float
        What today's split brings, as estimated.
    plan : Allocation
    settings : dict
    warnings : tuple of str
    """

    gain: Figure
    cost: Figure
    expected_return: Figure
    regret: float
    regret_se: float
    by_segment: pd.DataFrame
    by_cause: pd.DataFrame
    today: float
    plan: Allocation = field(repr=False)
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The figures, one per row: ``value``, ``low``, ``high``, ``uncorrected``."""
        rows = {
            "cost of today's split": self.cost,
            "gain of the plan": self.gain,
            "return of the plan": self.expected_return,
            "regret of acting on estimates": Figure(self.regret, np.nan, np.nan, np.nan),
        }
        return pd.DataFrame(
            [(f.value, f.low, f.high, f.uncorrected) for f in rows.values()],
            index=pd.Index(list(rows), name="figure"),
            columns=["value", "low", "high", "uncorrected"],
        )

    @property
    def sentences(self) -> tuple[str, str]:
        """The two figures in words."""
        level, period = self.settings["level"], self.settings["period"]
        per = f" {period}" if period else ""
        return (
            f"today's split costs about {told(self.cost, level)}{per}",
            f"the recommended plan is expected to bring {told(self.gain, level)}{per} more than today's",
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """What stands below the headline, sentence by sentence."""
        return tuple(f"{line[0].upper()}{line[1:]}." for line in self._lines())

    # ------------------------------------------------------------------ as a result
    def _facts(self) -> dict[str, Any]:
        return {
            "figures": self.table.reset_index(),
            "by_segment": self.by_segment.reset_index(),
            "by_cause": self.by_cause.reset_index(),
            "regret_se": self.regret_se,
            "today": self.today,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _lines(self) -> list[str]:
        level = self.settings["level"]
        causes = [f"{name}: {_bounded(row)}" for name, row in self.by_cause.iterrows()]
        lines = [
            f"{self.sentences[1]}; it brings {told(self.expected_return, level)} in all",
            "of the gain: " + "; ".join(causes),
        ]
        if np.isfinite(self.regret):
            lines.append(
                f"acting on estimates is expected to cost {number(self.regret)}: so much it would be worth to know all "
                "curves"
            )
        return lines

    def _short_table(self) -> pd.DataFrame:
        table = self.by_segment
        if len(table) > SHOWN:
            order = table["change"].abs().sort_values(ascending=False, kind="stable").index[:SHOWN]
            table = table.loc[order]
        columns = ["effort_today", "effort_plan", "served", "change", "change_low", "change_high"]
        return table[columns].reset_index()

    def __str__(self) -> str:
        head = self.sentences[0]
        table = self._short_table().to_string(index=False, float_format=lambda value: number(float(value)))
        more = len(self.by_segment) - SHOWN
        lines = [head[0].upper() + head[1:], *(f"  {line}" for line in self._lines()), "", table]
        if more > 0:
            lines.append(f"... and {more} more in .by_segment")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        head = self.sentences[0]
        table: Any = self._short_table()
        return (
            f"<p>{html.escape(head[0].upper() + head[1:])}</p><ul>{lines}</ul>"
            f"{table.to_html(index=False, escape=True, float_format=lambda value: number(float(value)))}{notes}"
        )

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the way from today to the plan; arguments as in `MisallocationDisplay`."""
        from segmentation.allocation._misallocation_display import MisallocationDisplay

        return MisallocationDisplay.from_misallocation(self, **kwargs).plot(ax).ax_


def _bounded(row: pd.Series[Any]) -> str:
    between = f" ({number(row['low'])} to {number(row['high'])})" if np.isfinite(row["low"]) else ""
    return f"{number(row['amount'])}{between}"
