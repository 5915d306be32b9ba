"""What `validity` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, number
from segmentation._plotting import axes_or_new, shorten
from segmentation._results import Result

__all__ = ["ValidityReport"]


@dataclass(frozen=True, repr=False, eq=False)
class ValidityReport(Result):
    """How well segments hold together and stand apart, in the space they are judged in.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment``, every segment of the assignment:

        ``n_customers``, ``n_evaluated``
            Customers, and those whose silhouette was worked out.
        ``silhouette``, ``silhouette_se``
            Mean, from -1 to 1, and the standard error of having evaluated a sample (0 where all were).
        ``share_negative``
            Share of customers who are on average nearer to another segment.
        ``nearest_segment``, ``nearest_share``
            The other segment that most of its customers are nearest to, and how many of them.
        ``dispersion``
            Mean Euclidean distance to the segment's centre.
        ``davies_bouldin``
            The segment's term: its dispersion and its worst neighbour's, over the distance of the centres.
        ``dbcv``, ``dbcv_n``
            The segment's density validity, from -1 to 1, and how many customers it rests on; where it was computed.
    summary : pandas.DataFrame
        Index ``index``: "silhouette", "dbcv", "calinski_harabasz", "davies_bouldin"; ``value``, ``se`` (of sampling
        customers; NaN where none applies), ``better`` ("higher" or "lower"), ``range`` and ``recommended``.
    samples : pandas.DataFrame
        Customers whose silhouette was worked out: index ``customer_id``; ``segment``, ``silhouette``,
        ``nearest_segment``.
    settings : dict
        metric, space, unassigned, method ("exact" or "sampled"), n_customers, n_assigned, n_unassigned, n_evaluated,
        sample_size, dbcv_size, random_state.
    warnings : tuple of str
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    samples: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _value(self, name: str, column: str = "value") -> float:
        return float(self.summary[column].to_dict()[name])

    @property
    def silhouette(self) -> float:
        """Mean silhouette."""
        return self._value("silhouette")

    @property
    def silhouette_se(self) -> float:
        """Its standard error of sampling; 0 where everybody was evaluated."""
        return self._value("silhouette", "se")

    @property
    def calinski_harabasz(self) -> float:
        """Variance between over variance within, per degree of freedom."""
        return self._value("calinski_harabasz")

    @property
    def davies_bouldin(self) -> float:
        """Mean overlap of each segment with its worst neighbour: lower is better."""
        return self._value("davies_bouldin")

    @property
    def dbcv(self) -> float:
        """Density-based validity; NaN where it was not computed."""
        return self._value("dbcv")

    def _facts(self) -> dict[str, Any]:
        return {
            "summary": self.summary.reset_index(),
            "table": self.table.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        s = self.settings
        text = f"Validity of {count(int((self.table['n_customers'] > 0).sum()), 'segment')}"
        parts = [f"{count(s['n_assigned'], 'customer')} assigned"]
        if s["n_unassigned"]:
            parts.append(f"{s['n_unassigned']:,} unassigned {UNASSIGNED_WORDS[s['unassigned']]}")
        parts.append(f"{s['metric']} distances, {s['space']}")
        return f"{text} ({'; '.join(parts)})"

    def _lines(self) -> list[str]:
        s, lines = self.settings, []
        for name, row in self.summary.iterrows():
            if np.isnan(row["value"]):
                continue
            spread = f" +- {2 * row['se']:.2g} (two standard errors)" if row["se"] > 0 else ""
            text = f"{name}: {number(row['value'])}{spread}, {row['range']}, {row['better']} is better"
            if name == "silhouette" and s["method"] == "sampled":
                text += f"; from {count(s['n_evaluated'], 'customer')}, each against all"
            lines.append(text + (" [recommended here]" if row["recommended"] else ""))
        return lines

    def _shown(self) -> pd.DataFrame:
        columns = ["n_customers", "silhouette", "silhouette_se", "share_negative", "nearest_segment", "dbcv"]
        shown = self.table[columns].dropna(axis=1, how="all")
        if self.settings["method"] == "exact":
            shown = shown.drop(columns="silhouette_se", errors="ignore")
        return shown

    def __str__(self) -> str:
        shown = self._shown()
        if "nearest_segment" in shown:
            near: Any = shown["nearest_segment"]
            shown = shown.assign(nearest_segment=near.map(lambda name: shorten(name, 28), na_action="ignore"))
        shown = shown.rename(index=lambda name: shorten(name, 28)).round(3)
        lines = [self._headline(), *(f"  {line}" for line in self._lines()), shown.to_string(na_rep="")]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(), *self._lines())

    def plot(self, ax: Any = None) -> Any:
        """Draw the silhouettes of every segment, see `SilhouetteDisplay`.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.evaluation._silhouette_display import SilhouetteDisplay

        if not len(self.samples):  # a report on fewer than two segments is a result too, and is shown as one
            ax = axes_or_new(ax, 7.0, 1.5)
            ax.set_axis_off()
            ax.text(0.0, 0.5, "No silhouettes: fewer than two segments with customers.", va="center")
            return ax
        return SilhouetteDisplay.from_report(self).plot(ax).ax_


UNASSIGNED_WORDS = {"exclude": "left out of all but DBCV", "zero": "counted with a silhouette of 0"}
