"""What `affinity` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from segmentation._format import count, percent
from segmentation._plotting import shorten
from segmentation.evaluation._overlap_text import Reported

__all__ = ["AffinityReport"]

SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class AffinityReport(Reported):
    """What the customers of each segment buy more of than all others.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment and category, see `affinity`.
    segments : pandas.DataFrame
        One row per segment: ``segment``, ``n_customers`` (who bought something), ``n_found``, ``n_suppressed`` (rows
        with too few buyers, tested and not shown), ``categories_per_customer`` and ``categories_per_customer_rest``.
    settings : dict
        Parameters as resolved; comparisons tested and not shown; rows and customers by what became of them.
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "segment",
            "category",
            "found",
            "shrunken_lift",
            "n_customers",
            "share",
            "share_rest",
            "direction",
            "p_adjusted",
        ),
    }

    table: pd.DataFrame
    segments: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def found(self) -> pd.DataFrame:
        """The rows of ``table`` that were found: any false one has a chance of at most `alpha` for the whole report."""
        return self.table[self.table["found"]].reset_index(drop=True)

    def top(self, segment: str, n: int = 5) -> pd.DataFrame:
        """Return the categories found for a segment, those with the highest lower bound first.

        Raises
        ------
        KeyError
            If there is no such segment.
        """
        if segment not in set(self.segments["segment"]):
            raise KeyError(f"no segment {segment!r}; there are {list(self.segments['segment'])}.")
        rows = self.table[(self.table["segment"] == segment) & self.table["found"] & self.table["direction"].eq("over")]
        return rows.head(n).reset_index(drop=True)

    def _headline(self) -> str:
        s = self.settings
        n_found = int(self.table["found"].sum())
        with_any = int((self.segments["n_found"] > 0).sum())
        what = {"customers": "shares of customers", "lines": "shares of lines", "spend": "shares of spend"}[
            s["measure"]
        ]
        return (
            f"{count(n_found, 'affinity', 'affinities')} in {with_any} of {count(len(self.segments), 'segment')}, by "
            f"{what}: {count(s['n_customers'], 'customer')}, {s['n_tested']:,} comparisons "
            f"({s['correction']}: any false one in at most {percent(s['alpha'])} of reports)"
        )

    def _shown(self) -> pd.DataFrame:
        found = self.table[self.table["found"]]
        each = max(1, SHOWN // max(1, len(found["segment"].unique())))
        rows = found.groupby("segment", sort=False).head(each)
        lift = zip(rows["shrunken_lift"], rows["shrunken_lift_low"], rows["shrunken_lift_high"], strict=True)
        return pd.DataFrame(
            {
                "segment": rows["segment"].map(lambda name: shorten(name, 28)),
                self.settings["category"]: rows["category"].map(lambda name: shorten(name, 36)),
                "buyers": rows["n_customers"].map("{:,}".format),
                "share": rows["share"].map(percent),
                "of the rest": rows["share_rest"].map(percent),
                "lift, shrunken": [f"{one:.2f} ({low:.2f} to {high:.2f})" for one, low, high in lift],
            }
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "segments": self.segments,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the strongest affinities of each segment; see `AffinityDisplay`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.evaluation._affinity_display import AffinityDisplay

        return AffinityDisplay.from_report(self, **options).plot(ax).ax_
