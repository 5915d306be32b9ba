"""What `plan_experiment` returns."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, number
from segmentation._plotting import shorten
from segmentation._results import Result

__all__ = ["ExperimentPlan"]

SHOWN = 15


def _short(name: Any) -> str:
    return shorten(name, 40)


@dataclass(frozen=True, repr=False, eq=False)
class ExperimentPlan(Result):
    """How many customers an experiment needs per segment, as `plan_experiment` returns it.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment``: ``baseline``; ``sd`` (means and ratios); ``variance_kept`` (with a covariate); ``lift`` (the
        smallest worth finding); ``n_needed`` (all arms, missing where no number is enough) and, where the baseline says
        from how many customers it is, ``n_needed_low`` and ``n_needed_high``; ``n_customers`` of the profile;
        ``n_available`` (without the hold-out, or those who come in `max_weeks`); ``enough``; ``power`` and
        ``detectable_lift`` (in the direction of the one asked for, missing where there is none) with those available;
        ``power_holm``; ``weeks``.
    arms : pandas.DataFrame
        Customers needed per segment and arm.
    pooling : pandas.DataFrame or None
        One row per segment and assumed ``between_sd``: ``own_weight`` of a segment's own data in its pooled estimate,
        ``half_width_separate`` and ``half_width_pooled`` of the corrected intervals, ``power_separate`` and
        ``power_pooled`` (chance that the interval lies above 0, or below for a negative lift, averaged over effects
        that scatter around the lift), ``worth_customers`` (how many times its customers a separate segment would need
        for the pooled width). None with fewer than three segments.
    totals : dict
        ``n_needed`` (sum of the segments), ``n_together`` (for the average lift of all segments), ``n_customers``,
        ``n_available``, ``n_impossible`` (segments where no number is enough); with traffic ``weeks`` (until the last
        segment is done) and ``weeks_together``.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    arms: pd.DataFrame
    pooling: pd.DataFrame | None
    totals: dict[str, Any]
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def n_needed(self) -> pd.Series[Any]:
        """Customers needed per segment, all arms together; missing where no number is enough."""
        return self.table["n_needed"]

    @property
    def too_small(self) -> list[str]:
        """Segments with fewer customers than they need on their own."""
        return [str(name) for name in self.table.index[~self.table["enough"].to_numpy(dtype=bool)]]

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table.reset_index(),
            "arms": self.arms.reset_index(),
            "pooling": None if self.pooling is None else self.pooling.reset_index(),
            "totals": dict(self.totals),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _lines(self) -> list[str]:
        settings, totals = self.settings, self.totals
        corrected = (
            "" if settings["n_comparisons"] == 1 else f", {settings['correction']} over {settings['n_comparisons']}"
        )
        small = self.too_small
        verdict = (
            f"{len(self.table) - len(small)} of {count(len(self.table), 'segment')} can show the lift on their own"
        )
        head = (
            f"Plan for {settings['metric']}s: {verdict} (power {settings['power']:.0%}, alpha {settings['alpha']:g} "
            f"{settings['alternative']}{corrected})"
        )
        lines = [head]
        if totals["n_together"] is not None:
            each = f"{totals['n_needed']:,} customers in all for every segment on its own"
            if totals["n_impossible"]:
                each += f" (without {count(totals['n_impossible'], 'segment')} where no number is enough)"
            lines.append(
                f"  {each}, {totals['n_together']:,} for the average lift of all; {totals['n_available']:,} can enter."
            )
        if totals.get("weeks") is not None:
            lines.append(f"  {count(totals['weeks'], 'week')} until the slowest segment is done.")
        if small:
            lines.append(f"  Too small on their own: {name_some(map(_short, small))}.")
        return [*lines, *self._pooled()]

    def _pooled(self) -> list[str]:
        if self.pooling is None:
            return []
        parts = []
        for value, rows in self.pooling.groupby("between_sd", sort=False):
            parts.append(
                f"{number(value)}: {rows['power_separate'].median():.0%} -> {rows['power_pooled'].median():.0%}, "
                f"intervals x {(rows['half_width_pooled'] / rows['half_width_separate']).median():.2f}"
            )
        return [
            "  Partial pooling with those who can enter (median segment's power, separate -> pooled, by the assumed sd "
            f"between segments): {'; '.join(parts)}."
        ]

    def __str__(self) -> str:
        columns = [name for name in self.table.columns if name not in ("n_needed_low", "n_needed_high")]
        shown = self.table[columns].head(SHOWN).round(4).rename(index=_short).to_string()
        rest = f"... ({count(len(self.table), 'segment')} in all)" if len(self.table) > SHOWN else ""
        return "\n".join([*self._lines(), *filter(None, (shown, rest)), *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<p>{escape(text)}</p>" for text in self._lines())
        notes = "".join(f"<p>{escape(text)}</p>" for text in self.warnings)
        return f"{head}{self.table.round(4).to_html()}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw customers needed beside those available, per segment; returns the axes."""
        from segmentation.experiments._plan_display import PlanDisplay

        return PlanDisplay.from_plan(self).plot(ax).ax_
