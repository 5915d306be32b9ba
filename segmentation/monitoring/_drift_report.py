"""What `feature_drift` returns: a row per feature, its limits, and which moved."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, percent
from segmentation._results import Result
from segmentation.monitoring._drift_measures import MEASURES
from segmentation.monitoring._whole_html import whole_html

__all__ = ["DriftReport"]

SHOWN = 12


@dataclass(frozen=True, repr=False, eq=False)
class DriftReport(Result):
    """Which features moved, and how surely.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per feature (and segment), see `feature_drift`.
    bins : pandas.DataFrame
        ``feature`` (``segment``), ``bin``, ``share_reference``, ``share_current``.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    bins: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def drifted(self) -> tuple[Any, ...]:
        """The features that drifted, the most evident first."""
        ranked = self.ranked
        return tuple(dict.fromkeys(ranked.loc[ranked["drifted"], "feature"]))

    @property
    def ranked(self) -> pd.DataFrame:
        """The table with ``times_limit``, the greatest measure as a multiple of its limit; that first."""
        ratios = [self.table[measure] / self.table[f"{measure}_limit"] for measure in MEASURES]
        ranked = self.table.assign(times_limit=pd.concat(ratios, axis=1).max(axis=1).fillna(0.0))
        return ranked.sort_values("times_limit", ascending=False, kind="stable", ignore_index=True)

    def _facts(self) -> dict[str, Any]:
        drifted = [str(name) for name in self.drifted]
        return {"settings": self.settings, "warnings": self.warnings, "drifted": drifted, "table": self.table}

    def _headline(self) -> str:
        n_features, both = self.table["feature"].nunique(), self.settings["n_both"]
        inside = " inside segments" if self.settings["within"] else ""
        who = f"{self.settings['n_reference']:,} customers, then {self.settings['n_current']:,}"
        return (
            f"Feature drift{inside}: {len(self.drifted)} of {count(n_features, 'feature')} moved ({who}; {both:,} in "
            f"both; false alarms in at most {percent(self.settings['alpha'])} of reports)"
        )

    def __str__(self) -> str:
        columns = ["feature", *(["segment"] if self.settings["within"] else []), "drifted", "p_adjusted"]
        columns += ["psi", "psi_limit", "jensen_shannon", "ks", "superiority", "what"]
        short = self.ranked[columns].head(SHOWN).copy()
        for name in ("p_adjusted", "psi", "psi_limit", "jensen_shannon", "ks", "superiority"):
            short[name] = [("" if pd.isna(value) else f"{value:.3f}") for value in short[name]]
        lines = [self._headline(), *(f"  {line}" for line in short.to_string(index=False).splitlines())]
        if len(self.table) > SHOWN:
            lines.append(f"  ... {len(self.table) - SHOWN} more rows in .table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table = whole_html(self.ranked.round(3), index=False)
        return f"<p>{html.escape(self._headline())}</p>{table}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the drift panel, see `DriftDisplay`; return its axes."""
        from segmentation.monitoring._drift_display import DriftDisplay

        return DriftDisplay.from_report(self).plot(ax).ax_
