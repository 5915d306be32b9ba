"""What `survey_scales` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._plotting import COLOURS, axes_or_new, tidy
from segmentation._results import Result

__all__ = ["SurveyScales"]


@dataclass(frozen=True, repr=False)
class SurveyScales(Result):
    """Scores of scales, and what there is to know before they are used.

    Attributes
    ----------
    scores : pandas.DataFrame
        Index ``customer_id``, one column per scale: the mean of the items answered, reversed ones turned round, in the
        units of the answers. NaN where fewer items are answered than asked for.
    reliability : pandas.DataFrame
        Index ``scale``: ``n_items``, ``n_reversed``, ``alpha`` with ``alpha_low`` and ``alpha_high``,
        ``mean_correlation`` (of pairs of items), ``n_scored``, ``n_completed`` (scored with answers missing),
        ``n_unscored``, ``low`` and ``high`` (range of the answers) and ``range`` ("given" or "learnt").
    items : pandas.DataFrame
        Index ``item``, in the order of the scales: ``scale``, ``reversed``, ``n_answered``, ``mean`` (as answered),
        ``item_rest_correlation`` (with the sum of the others, after keying), ``alpha_if_dropped``,
        ``alpha_if_reversed``.
    styles : pandas.DataFrame
        Index ``customer_id``: ``n_answered``, ``longest_string``, ``straight_lining``, ``acquiescence``,
        ``acquiescent``, ``disacquiescent``.
    settings : dict
        ``reverse``, ``min_answered``, ``level``.
    warnings : tuple of str
        Items with a likely wrong key, styles of answering, ranges that were learnt, customers without a score.
    """

    scores: pd.DataFrame
    reliability: pd.DataFrame
    items: pd.DataFrame
    styles: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return the scores."""
        return self.scores.copy()

    def _facts(self) -> dict[str, Any]:
        return {
            "reliability": self.reliability.to_dict("index"),
            "items": self.items.to_dict("index"),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        return (
            f"{count(len(self.reliability), 'scale')} of {count(len(self.items), 'item')}, "
            f"{count(len(self.scores), 'customer')}"
        )

    def __str__(self) -> str:
        lines = [self._headline()]
        rows: Any = self.reliability.to_dict("index")
        for scale, row in rows.items():
            lines.append(
                f"  {scale}: alpha {row['alpha']:.2f} ({row['alpha_low']:.2f} to {row['alpha_high']:.2f}), "
                f"{row['n_items']} items, {row['n_scored']:,} scored, {row['n_unscored']:,} not"
            )
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(),)

    def _shown(self) -> pd.DataFrame:
        return self.reliability

    def plot(self, ax: Any = None) -> Any:
        """Draw alpha of every scale with its interval, and what it would be without each item.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        scales = list(self.reliability.index)
        ax = axes_or_new(ax, 7.0, 1.6 + 0.68 * len(scales))
        for i, scale in enumerate(scales):
            row = self.reliability.loc[scale]
            ax.plot([row["alpha_low"], row["alpha_high"]], [i, i], color=COLOURS["model"], linewidth=2.5)
            ax.plot(row["alpha"], i, "o", color=COLOURS["model"], label="alpha, with interval" if not i else None)
            dropped = self.items[self.items["scale"] == scale]["alpha_if_dropped"]
            label = "without one item" if not i else None
            ax.plot(dropped, np.full(len(dropped), i + 0.22), "|", color=COLOURS["actual"], markersize=9, label=label)
            for place, (item, value) in enumerate(dropped.dropna().sort_values().items()):
                # in turn on three lines, so that close ones can be read
                ax.annotate(
                    str(item),
                    (value, i + 0.22),
                    xytext=(0, -7 - 7 * (place % 3)),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=7,
                )
        ax.set_yticks(range(len(scales)), [str(scale) for scale in scales])
        ax.set_ylim(len(scales) - 0.2, -0.5)
        level = 100 * float(self.settings["level"])
        tidy(ax, title="Reliability of the scales", x=f"Cronbach's alpha, {level:g} % interval", y="")
        ax.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
        return ax
