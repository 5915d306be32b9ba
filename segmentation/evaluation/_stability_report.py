"""The result of `segment_stability`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.evaluation._stability_reading import optimiser_reading

__all__ = ["StabilityReport"]

NAME_WIDTH = 30
SAMPLES = {"bootstrap": "bootstrap samples", "subsample": "subsamples", "split": "random halves"}
THRESHOLDS = (
    "Readings are of the mean SLSW: .75 stable and .5 dissolved by Hennig (2007, doi:10.1016/j.csda.2006.11.025), .6 "
    "and .85 from the documentation of his R package fpc."
)


@dataclass(frozen=True, repr=False, eq=False)
class StabilityReport(Result):
    """How stable a segmentation is, as a whole and segment by segment.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment``, in the order of the base solution: ``n_customers``, ``share``; quantiles ``q05``, ``q25``,
        ``median``, ``q75``, ``q95``, ``mean`` and ``mean_se`` (Monte Carlo error of the mean) of SLSW over the pairs;
        ``restart_median``, ``restart_mean`` of the Jaccard coefficients between base and restarts on the same
        customers; ``reading`` in words.
    global_stability : ndarray of shape (n_pairs_compared,)
        Adjusted Rand index of the two refits of each pair.
    slsw : pandas.DataFrame
        Pairs by segments: the raw values behind ``table``.
    restart_agreement : ndarray of shape (n_restarts * (n_restarts - 1) / 2,)
        Adjusted Rand index of every two restarts on the same customers; empty where there are none.
    restart_jaccard : pandas.DataFrame
        Restarts by segments: what of each segment of the base solution comes back in each restart.
    pairs : pandas.DataFrame
        Per pair: ``ari``, and of its two refits the number of segments, share of unassigned and, where the
        segmenter says so (``restarts_``), how many of its starts reached the best objective; ``trivial``: both put
        everybody into one group, so that their agreement says nothing.
    failures : pandas.DataFrame
        One row per kind of error: ``where`` ("sample" or "restart"), ``error``, ``n_refits``, ``first_number``.
    settings : dict
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "reading",
            "n_customers",
            "share",
            "median",
            "mean",
        ),
    }

    table: pd.DataFrame
    global_stability: NDArray[np.float64]
    slsw: pd.DataFrame
    restart_agreement: NDArray[np.float64]
    restart_jaccard: pd.DataFrame
    pairs: pd.DataFrame
    failures: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def weakest(self) -> str | None:
        """The segment with the smallest median SLSW."""
        medians = self.table["median"].dropna()
        return None if medians.empty else str(medians.idxmin())

    @property
    def findings(self) -> tuple[str, ...]:
        """The sentences above the table: global stability, optimiser noise, base solution."""
        low, mid, high = np.quantile(self.global_stability, [0.05, 0.5, 0.95])
        settings = self.settings
        pairs = count(settings["n_pairs_compared"], "pair")
        return (
            f"Stability of {count(len(self.table), 'segment')} ({settings['segmenter']}, {pairs} of "
            f"{SAMPLES[settings['scheme']]}): global ARI {mid:.2f} (5 to 95 %: {low:.2f} to {high:.2f})",
            optimiser_reading(self.restart_agreement, settings["starts"]) + self._reached(),
            f"Base solution: {settings['base']}. Customers: {settings['n_customers']:,}.",
        )

    def _reached(self) -> str:
        reached = self.settings["best_starts_median"]
        if reached is None or self.settings["starts"].startswith("one"):
            return ""
        return f" In the median refit {reached:g} of them reached its best objective."

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "warnings": self.warnings,
            "findings": self.findings,
            "table": self.table.reset_index(),
            "global_stability": self.global_stability.tolist(),
            "slsw": self.slsw.to_dict("list"),
            "restart_agreement": self.restart_agreement.tolist(),
            "failures": self.failures,
        }

    def _shown(self) -> pd.DataFrame:
        table = self.table[["n_customers", "median", "q05", "q95", "mean", "restart_median", "reading"]]
        return table.rename(index=lambda name: shorten(name, NAME_WIDTH))

    def __str__(self) -> str:
        head, *more = self.findings
        table = self._shown()
        left = {"reading": f"{{:<{table['reading'].str.len().max()}}}".format}
        lines = [head, *(f"  {sentence}" for sentence in more)]
        lines += [table.to_string(float_format="{:.2f}".format, formatters=left, na_rep=""), f"  {THRESHOLDS}"]
        return "\n".join([*lines, *(f"  Warning: {note}" for note in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return self.findings

    def _closing(self) -> list[str]:
        return [THRESHOLDS, *super()._closing()]

    def plot(self, ax: Any = None, *, limits: bool = True) -> Any:
        """Draw the distribution of SLSW of each segment (`SLSWDisplay`).

        Parameters
        ----------
        ax : matplotlib Axes, optional
        limits : bool, default=True
            Whether to draw the values by which the readings go.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.evaluation._stability_display import SLSWDisplay

        return SLSWDisplay.from_report(self).plot(ax=ax, limits=limits).ax_
