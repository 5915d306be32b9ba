"""What `overlap` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from segmentation._format import count, percent
from segmentation.evaluation._overlap_text import ROWS_SHOWN, Reported

__all__ = ["OverlapReport"]

MEASURES = ("jaccard", "share", "n_both", "soft_overlap")


def _two_digits(value: float) -> str:
    """Write an index, 0.00 without a sign; nothing where it is missing.

    Examples
    --------
    >>> _two_digits(-0.001), _two_digits(0.256), _two_digits(float("nan"))
    ('0.00', '0.26', '')
    """
    return "" if np.isnan(value) else f"{round(float(value), 2) + 0.0:.2f}"


@dataclass(frozen=True, eq=False, repr=False)
class OverlapReport(Reported):
    """How far segments share customers, and how far segmentations agree.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per pair of segments, those that share most first, see `overlap`.
    segments : pandas.DataFrame
        One row per segment: ``segment``, ``n_customers``, ``share``, ``n_exclusive`` (in no other), ``n_shared``,
        ``share_shared``; with degrees ``degree_total`` too.
    multiplicity : pandas.DataFrame
        ``n_segments`` (0, 1, 2, ...), ``n_customers`` who are in so many, ``share``.
    intersections : pandas.DataFrame
        Exclusive combinations, as in an UpSet plot, the most frequent first: ``combination``, ``segments`` (tuple),
        ``n_segments``, ``n_customers``, ``share``. ``settings`` counts those beyond `top`.
    conflicts : pandas.DataFrame
        ``scheme``, ``conflict`` (the segments a customer is in, or the move), ``segments`` (the same as a tuple),
        ``n_customers``, ``share``.
    conflict_ids : pandas.DataFrame or None
        The customers in conflict, index ``customer_id``; None with ``ids=False``.
    agreement : pandas.DataFrame or None
        One row per pair of segmentations; None for one overlapping segmentation.
    crosstabs : dict of (str, str) to pandas.DataFrame
        Customers by segment of both, "unassigned" last.
    matches : pandas.DataFrame or None
        For each segment the one of the other segmentation that shares most with it.
    settings : dict
        Parameters as resolved, and the numbers of customers.
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "first",
            "second",
            "n_both",
            "jaccard",
            "share_of_first",
            "share_of_second",
            "near_duplicate",
            "contained",
            "soft_overlap",
        ),
        "agreement": (
            "first",
            "second",
            "ari",
            "ari_with_unassigned",
            "ami",
        ),
    }

    table: pd.DataFrame
    segments: pd.DataFrame
    multiplicity: pd.DataFrame
    intersections: pd.DataFrame
    conflicts: pd.DataFrame
    conflict_ids: pd.DataFrame | None
    agreement: pd.DataFrame | None
    crosstabs: Mapping[tuple[str, str], pd.DataFrame]
    matches: pd.DataFrame | None
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def near_duplicates(self) -> pd.DataFrame:
        """The pairs whose Jaccard coefficient reaches ``settings["near_duplicate"]``."""
        return self.table[self.table["near_duplicate"]].reset_index(drop=True)

    @property
    def nested(self) -> pd.DataFrame:
        """The pairs of which one lies in the other to at least ``settings["contained"]``."""
        return self.table[self.table["contained"] != ""].reset_index(drop=True)

    def matrix(self, measure: str = "jaccard") -> pd.DataFrame:
        """Return one measure of all pairs as a square table.

        Parameters
        ----------
        measure : {"jaccard", "share", "n_both", "soft_overlap"}, default="jaccard"
            "share" is the share of the segment of the row that is in that of the column, too. "soft_overlap" is there
            for degrees of membership only.

        Returns
        -------
        pandas.DataFrame
            Pairs that are not in `table` (segments of the same segmentation) are missing; the diagonal is that of a
            segment with itself.
        """
        if measure not in MEASURES or (measure == "soft_overlap" and measure not in self.table):
            there = [name for name in MEASURES if name != "soft_overlap" or name in self.table]
            raise ValueError(f"measure must be one of {there}, got {measure!r}.")
        names = list(self.segments["segment"])
        place = {name: i for i, name in enumerate(names)}
        values = np.full((len(names), len(names)), np.nan)
        first = self.table["first"].map(place).to_numpy()
        second = self.table["second"].map(place).to_numpy()
        one, other = ("share_of_first", "share_of_second") if measure == "share" else (measure, measure)
        values[first, second] = self.table[one]
        values[second, first] = self.table[other]
        sizes = self.segments["n_customers"].to_numpy()
        np.fill_diagonal(values, sizes if measure == "n_both" else np.where(sizes > 0, 1.0, np.nan))
        labels = pd.Index(names, name="segment", dtype=object)
        return pd.DataFrame(values, index=labels, columns=labels.rename("other"))

    def _headline(self) -> str:
        n = self.settings["n_customers"]
        if self.agreement is not None:
            return (
                f"{len(self.settings['segmentations'])} segmentations of {count(n, 'customer')}: {self._agreement(n)}"
            )
        several = self.multiplicity.loc[self.multiplicity["n_segments"] > 1, "n_customers"].sum()
        nobody = self.multiplicity.loc[self.multiplicity["n_segments"] == 0, "n_customers"].sum()
        duplicates = len(self.near_duplicates)
        return (
            f"{len(self.segments)} segments, {count(n, 'customer')}: {percent(several / n)} in two or more, "
            f"{percent(nobody / n)} in none; {count(duplicates, 'pair')} nearly the same "
            f"(Jaccard of at least {self.settings['near_duplicate']:g})"
        )

    def _agreement(self, n: int) -> str:
        """Say how far the segmentations agree, and how many customers are in segments that do not match."""
        assert self.agreement is not None  # noqa: S101  # asked for only where there are several
        moved = list(self.settings["n_in_conflict"].values())
        if len(self.agreement) == 1:
            row = self.agreement.iloc[0]
            ari, low, high = (_two_digits(row[name]) for name in ("ari", "ari_low", "ari_high"))
            index = (
                f"{ari} ({low} to {high})"
                if ari
                else f"unknown ({count(row['n_assigned_in_both'], 'customer')} in a segment of both)"
            )
            return (
                f"adjusted Rand index {index}; "
                f"{count(moved[0], 'customer')} ({percent(moved[0] / n)}) in segments that do not match"
            )
        ends = [_two_digits(self.agreement["ari"].agg(end)) or "unknown" for end in ("min", "max")]
        return (
            f"adjusted Rand index {ends[0]} to {ends[1]} between two; "
            f"{percent(min(moved) / n)} to {percent(max(moved) / n)} of the customers in segments that do not match"
        )

    def _shown(self) -> pd.DataFrame:
        shown = self.table.loc[self.table["n_both"] > 0].head(ROWS_SHOWN)
        bounds = [
            f"{low:.2f} to {high:.2f}" for low, high in zip(shown["jaccard_low"], shown["jaccard_high"], strict=True)
        ]
        columns = {
            "first": shown["first"],
            "second": shown["second"],
            "in both": shown["n_both"].map("{:,}".format),
            "Jaccard": shown["jaccard"].map("{:.2f}".format),
            f"{100 * self.settings['level']:g} % interval": bounds,
            "of first": shown["share_of_first"].map(percent),
            "of second": shown["share_of_second"].map(percent),
        }
        if "soft_overlap" in shown:
            columns["soft"] = shown["soft_overlap"].map("{:.2f}".format)
        return pd.DataFrame(columns)

    def _facts(self) -> dict[str, Any]:
        crosstabs = [
            {"first": first, "second": second, "counts": {str(k): v for k, v in table.to_dict(orient="index").items()}}
            for (first, second), table in self.crosstabs.items()
        ]
        named = None if self.conflict_ids is None else self.conflict_ids.reset_index()
        return {
            "table": self.table,
            "segments": self.segments,
            "multiplicity": self.multiplicity,
            "intersections": self.intersections,
            "conflicts": self.conflicts,
            "conflict_ids": named,
            "agreement": self.agreement,
            "crosstabs": crosstabs,
            "matches": self.matches,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def plot(self, ax: Any = None, *, kind: str = "upset", **options: Any) -> Any:
        """Draw the overlap; see `OverlapDisplay.plot` for `kind` and `options`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.evaluation._overlap_display import OverlapDisplay

        return OverlapDisplay.from_report(self, kind=kind, **options).plot(ax).ax_
