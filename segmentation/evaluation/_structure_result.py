"""The result of `structure_verdict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from segmentation._format import count
from segmentation._results import Result
from segmentation.evaluation._latent_test import LatentTest
from segmentation.evaluation._structure_pool import HeldOut

__all__ = ["StructureVerdict"]

MEANING = {
    "natural": "there are groups in the data",
    "reproducible": "no groups were found, but refits give the same segments: a stable choice, not a discovery",
    "constructive": "no groups were found, and refits give other segments: they are created, not found",
    "cannot tell": "too little to go by",
}


@dataclass(frozen=True, repr=False, eq=False)
class StructureVerdict(Result):
    """Whether segments are natural, reproducible or constructive, with the evidence.

    Attributes
    ----------
    verdict : str
        "natural", "reproducible", "constructive" or "cannot tell".
    n_segments : int or None
        Number of segments at which groups are natural: the segmenter's own if it is one of them.
    evidence : tuple of str
        Sentences.
    table : pandas.DataFrame
        Index ``n_segments``: ``own`` (the segmenter as it came), ``test`` ("dip" or "latent normal"), ``n_groups``
        (left when segments with nothing between them are taken together), ``distance`` (of the nearest two groups, in
        standard deviations within them, on customers not learnt from), ``apartness`` (sqrt(n) times the dip of the
        least separated group where it was learnt, about .5 for an even crowd: the order of testing), ``p_value``,
        ``p_adjusted`` (the largest up to this number in that order), ``natural``; with point masses
        ``p_without_masses``; ``smallest`` (customers), ``smallest_share``, ``ari``, ``ari_q25``, ``ari_q75`` (global
        stability), ``weakest_slsw``, ``restart_ari``, ``reproducible``.
        A p-value of passes that were ended early, because nothing could come of them, is that of the passes made.
    groups : pandas.DataFrame
        Groups on customers not learnt from, each with its nearest neighbour: sizes, ``distance``, ``loneliness``
        (chance that a customer at the border is farther from the neighbours than another), ``p_value``.
    point_masses : pandas.DataFrame
        ``column``, ``value``, ``share``.
    held_out : tuple of HeldOut
        What `plot` draws: projections of customers that were not learnt from.
    simulated : LatentTest or None
        The statistics behind the test of items with few levels.
    settings : dict
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "own",
            "natural",
            "reproducible",
            "p_adjusted",
            "n_groups",
            "distance",
            "ari",
            "weakest_slsw",
            "smallest_share",
        ),
    }

    verdict: str
    n_segments: int | None
    evidence: tuple[str, ...]
    table: pd.DataFrame
    groups: pd.DataFrame
    point_masses: pd.DataFrame
    held_out: tuple[HeldOut, ...]
    simulated: LatentTest | None
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def _headline(self) -> str:
        return (
            f"Verdict on {count(self.settings['n_customers'], 'customer')} ({self.settings['segmenter']}): "
            f"{self.verdict} - {MEANING[self.verdict]}"
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "n_segments": self.n_segments,
            "evidence": self.evidence,
            "settings": self.settings,
            "warnings": self.warnings,
            "table": self.table.reset_index(),
            "groups": self.groups.reset_index(),
            "point_masses": self.point_masses,
        }

    def _shown(self) -> pd.DataFrame:
        names = ["test", "n_groups", "p_adjusted", "p_without_masses", "natural", "ari", "weakest_slsw", "reproducible"]
        shown = self.table[[name for name in [*names[:5], "smallest_share", *names[5:]] if name in self.table]].copy()
        for name in ("natural", "reproducible"):
            shown[name] = ["yes" if value else "no" for value in shown[name]]
        return shown.rename(index=lambda k: f"{k} (own)" if k == self.settings["own"] else str(k))

    def __str__(self) -> str:
        lines = [self._headline(), *(f"  {sentence}" for sentence in self.evidence)]
        lines.append(self._shown().to_string(float_format="{:.3f}".format, na_rep=""))
        return "\n".join([*lines, *(f"  Warning: {note}" for note in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(), *self.evidence)

    def plot(self, ax: Any = None, *, max_groups: int = 8) -> Any:
        """Draw each group and its nearest neighbour along the line between them (`StructureDisplay`).

        Parameters
        ----------
        ax : matplotlib Axes, optional
        max_groups : int, default=8
            The least separated ones are drawn.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.evaluation._structure_display import StructureDisplay

        return StructureDisplay.from_verdict(self).plot(ax, max_groups=max_groups).ax_
