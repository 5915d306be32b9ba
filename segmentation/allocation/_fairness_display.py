"""The picture of who gets the effort of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

if TYPE_CHECKING:
    from segmentation.allocation._fairness_result import AllocationFairness

__all__ = ["FairnessDisplay"]

WIDTH = 28
# Filled and of different lightness, so that they differ in print too.
SHADES = ("model", "first", "second", "third")


@dataclass
class FairnessDisplay:
    """Bars of what each group gets per customer, as a multiple of what all customers get on average.

    Attributes
    ----------
    values : pandas.DataFrame
        One row per group in the order of the picture from top to bottom, per measure its ratio to the average, and
        ``<measure>_low``, ``<measure>_high``; NaN where too few to show.
    labels : list of str
    measures : list of str
    title : str
    ax_, figure_
        After `plot`.
    """

    values: pd.DataFrame
    labels: list[str]
    measures: list[str]
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_fairness(
        cls, fairness: AllocationFairness, *, protected: str | None = None, measures: Any = None
    ) -> FairnessDisplay:
        """Take the figures from a result.

        Parameters
        ----------
        fairness : AllocationFairness
        protected : str, optional
            Which attribute, by default the first.
        measures : sequence of str, optional
            By default all, at most four.
        """
        attributes = list(fairness.table["protected"].unique())
        name = attributes[0] if protected is None else protected
        if name not in attributes:
            raise ValueError(f"protected must be one of {name_some(attributes)}, got {protected!r}.")
        known = list(fairness.table["measure"].unique())
        wanted = (
            known[: len(SHADES)] if measures is None else [measures] if isinstance(measures, str) else list(measures)
        )
        unknown = [measure for measure in wanted if measure not in known]
        if unknown or not wanted or len(wanted) > len(SHADES):
            raise ValueError(f"measures must be one to {len(SHADES)} of {name_some(known)}, got {name_some(wanted)}.")
        rows = fairness.table[fairness.table["protected"] == name]
        groups = list(rows["group"].unique())
        columns: dict[str, Any] = {}
        for measure in wanted:
            of = rows[rows["measure"] == measure].set_index("group").loc[groups]
            columns[measure] = of["ratio_to_average"]
            columns |= {f"{measure}_{end}": of[f"ratio_to_average_{end}"] for end in ("low", "high")}
        size = rows.drop_duplicates("group").set_index("group").loc[groups, "n_customers"]
        labels = [
            f"{shorten(group, WIDTH)}\n{'too few to show' if pd.isna(n) else f'{n:,} customers'}"
            for group, n in zip(groups, size, strict=True)
        ]
        title = f"What each group gets per customer: {shorten(name, WIDTH)}"
        return cls(pd.DataFrame(columns, index=groups), labels, wanted, title)

    def plot(self, ax: Any = None) -> FairnessDisplay:
        """Draw on the axes given, or on new ones."""
        n, n_measures = len(self.values), len(self.measures)
        ax = axes_or_new(ax, 7.0, 1.6 + n * (0.3 + 0.22 * n_measures))
        places = np.arange(n)[::-1].astype(float)
        height = 0.76 / n_measures
        for k, measure in enumerate(self.measures):
            at = places + 0.38 - height * (k + 0.5)
            ratio = self.values[measure].to_numpy(dtype=float)
            colour = COLOURS[SHADES[k]]
            ax.barh(at, np.nan_to_num(ratio), height * 0.9, color=colour, alpha=0.75, label=measure)
            low, high = (self.values[f"{measure}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
            known = np.isfinite(low) & np.isfinite(high)
            ax.hlines(at[known], low[known], high[known], color=COLOURS["actual"], linewidth=1.5)
        ax.axvline(1.0, color=COLOURS["quiet"], linewidth=1.2, linestyle="--")
        ax.set_yticks(places, self.labels)
        ax.set_ylim(-0.6, n - 0.4)
        label = "multiple of the average customer (dashed: 1)\nblack: interval, where there is one"
        tidy(ax, title=self.title, x=label, y="")
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
