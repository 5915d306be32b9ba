"""What `describe_segments` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from segmentation._format import count, number, percent
from segmentation._results import Result

__all__ = ["SegmentDescription", "column_name", "figure"]

SHOWN_PER_SEGMENT = 6
SHOWN_DESCRIPTORS = 12
LONGEST = 60


def column_name(variable: str, level: str) -> str:
    """Name a column of the description: the variable, or ``variable=level``."""
    return f"{variable}={level}" if level else variable


def figure(value: float, kind: str) -> str:
    """Write a figure of a variable: shares as percentages.

    Examples
    --------
    >>> figure(0.614, "binary"), figure(1234.5, "numeric")
    ('61.4 %', '1,234')
    """
    return percent(value) if kind in ("binary", "category") and value == value else number(value)


@dataclass(frozen=True, repr=False, eq=False)
class SegmentDescription(Result):
    """What characterises each segment, and on what else segments differ.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment and variable that formed the segments, in the order of the segments: ``segment``,
        ``variable``, ``level`` (of a category, else empty), ``kind``, ``n`` (customers with a value), ``value`` (mean;
        share of a yes or of the level), ``total`` (of all customers), ``rest`` (of all others), ``difference`` (value -
        total), ``relative_difference`` (divided by the total; missing where there is no zero point), ``effect``
        (segment against rest: difference of shares, or of means in standard deviations within them), ``rule`` (the
        rule of thumb holds), ``beyond_chance`` (random segments of these sizes do not show as much), ``marker`` (both).
        No p-values: the segments differ on these by construction.
    descriptors : pandas.DataFrame
        One row per variable that did not form the segments: ``descriptor``, ``kind``, ``test``, ``n``, ``n_missing``,
        ``effect_name``, ``effect`` with ``effect_low`` and ``effect_high``, ``p_value``, ``p_adjusted`` (Holm, over all
        tests of this and the next table), ``differs``.
    contrasts : pandas.DataFrame
        One row per segment and descriptor (or level), against all other customers: ``value``, ``rest``, ``difference``
        with ``difference_low`` and ``difference_high``, ``effect`` (standard deviations, or difference of shares),
        ``p_value``, ``p_adjusted``, ``differs``. `levels` is the part of it that is about levels.
    medoids : pandas.DataFrame
        The most typical customers of each segment, with their features as they came.
    sizes : pandas.DataFrame
        Index ``segment``: ``n_customers``, ``share`` of all customers, the unassigned among them.
    order : tuple of (variable, level)
        The columns in the order of a hierarchical clustering.
    settings : dict
    warnings : tuple of str
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "segment",
            "variable",
            "level",
            "marker",
            "value",
            "total",
            "difference",
        ),
        "descriptors": (
            "descriptor",
            "differs",
            "effect_name",
            "effect",
            "p_adjusted",
        ),
        "contrasts": (
            "segment",
            "descriptor",
            "level",
            "differs",
            "value",
            "rest",
            "difference",
            "p_adjusted",
        ),
    }

    table: pd.DataFrame
    descriptors: pd.DataFrame
    contrasts: pd.DataFrame
    medoids: pd.DataFrame
    sizes: pd.DataFrame
    order: tuple[tuple[str, str], ...]
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def markers(self) -> dict[str, list[str]]:
        """Marker variables of every segment, the largest effect first; a level as ``variable=level``."""
        found: dict[str, list[str]] = {str(segment): [] for segment in self.sizes.index}
        for segment, rows in self.table[self.table["marker"]].groupby("segment", sort=False):
            ordered = rows.sort_values("effect", key=lambda effect: -effect.abs(), kind="stable")
            names = zip(ordered["variable"], ordered["level"], strict=True)
            found[str(segment)] = [column_name(*name) for name in names]
        return found

    @property
    def levels(self) -> pd.DataFrame:
        """The contrasts that are about levels of descriptors."""
        return self.contrasts[self.contrasts["level"] != ""].reset_index(drop=True)

    def _facts(self) -> dict[str, Any]:
        return {
            "markers": self.markers,
            "sizes": self.sizes.reset_index(),
            "table": self.table,
            "descriptors": self.descriptors,
            "contrasts": self.contrasts,
            "medoids": self.medoids,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        with_marker = sum(bool(names) for names in self.markers.values())
        tested = ""
        if len(self.descriptors):
            tested = (
                f"; {int(self.descriptors['differs'].sum())} of {count(len(self.descriptors), 'descriptor')} "
                f"{'differs' if self.descriptors['differs'].sum() == 1 else 'differ'} between segments"
            )
        return (
            f"{count(len(self.sizes), 'segment')}, {count(self.settings['n_features'], 'feature')}, "
            f"{count(self.settings['n_customers'], 'customer')}: {with_marker} of the segments "
            f"{'has' if with_marker == 1 else 'have'} markers{tested}"
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """A sentence per segment that has markers, and one per descriptor: what a report lists."""
        marked = [name for name in self.sizes.index if self.markers[str(name)]]
        return (
            *(f"Markers of {self._told(segment, str(segment))}" for segment in marked),
            *(
                self._descriptor_line(row).strip()
                for row in self.descriptors.head(SHOWN_DESCRIPTORS).to_dict("records")
            ),
        )

    def _segment_line(self, segment: Any) -> str:
        size: Any = self.sizes.loc[segment]
        head = f"  {segment} ({count(int(size['n_customers']), 'customer')}, {percent(size['share'])})"
        return self._told(segment, head)

    def _told(self, segment: Any, head: str) -> str:
        rows = self.table[self.table["marker"] & (self.table["segment"] == segment)]
        rows = rows.sort_values("effect", key=lambda effect: -effect.abs(), kind="stable")
        if not len(rows):
            return f"{head}: no marker"
        told = [
            f"{column_name(row['variable'], row['level'])} {figure(row['value'], row['kind'])} "
            f"(all: {figure(row['total'], row['kind'])})"
            for row in rows.head(SHOWN_PER_SEGMENT).to_dict("records")
        ]
        more = f", ... ({len(rows)} markers in all)" if len(rows) > SHOWN_PER_SEGMENT else ""
        return f"{head}: {', '.join(told)}{more}"

    def _descriptor_line(self, row: Mapping[Any, Any]) -> str:
        if row["effect"] != row["effect"]:
            return f"  {row['descriptor']}: nothing to compare (one value only, or one segment with values)"
        said = f"  {row['descriptor']}: {row['effect_name']} {row['effect']:.2f}"
        said += f" ({row['effect_low']:.2f} to {row['effect_high']:.2f})"
        if row["p_adjusted"] != row["p_adjusted"]:
            return f"{said}, not tested"
        p = "< 0.0001" if row["p_adjusted"] < 1e-4 else f"= {row['p_adjusted']:.4f}"
        return f"{said}, {'differs' if row['differs'] else 'no difference found'}, p {p}"

    def __str__(self) -> str:
        lines = [self._headline()]
        if len(self.table):
            lines.append(
                "Markers: variables that formed the segments, no test of them (segments differ on them by construction)"
            )
            lines += [self._segment_line(segment) for segment in self.sizes.index]
        if len(self.descriptors):
            lines.append("Descriptors: variables that did not, Holm's correction over all tests")
            rows = self.descriptors.to_dict("records")
            lines += [self._descriptor_line(row) for row in rows[:SHOWN_DESCRIPTORS]]
            if len(rows) > SHOWN_DESCRIPTORS:
                lines.append(f"  ... ({len(rows)} descriptors in all)")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(),)

    def _html_tables(self) -> list[str]:
        parts = []
        markers = self.table[self.table["marker"]]
        if len(markers):
            shown = ["segment", "variable", "level", "value", "total", "difference", "relative_difference", "effect"]
            parts.append(f"<p>Markers</p>{markers[shown].round(3).to_html(index=False, escape=True)}")
        if len(self.descriptors):
            parts.append(f"<p>Descriptors</p>{self.descriptors.round(4).to_html(index=False, escape=True)}")
        return parts

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the profile of every segment; see `ProfileDisplay`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **options
            As `ProfileDisplay.plot` takes them.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.evaluation._profile_bars import ProfileDisplay

        return ProfileDisplay.from_report(self).plot(ax, **options).ax_
