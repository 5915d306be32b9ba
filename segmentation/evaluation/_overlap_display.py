"""Pictures of overlap: exclusive combinations as in an UpSet plot, a heatmap of pairs, customers in conflict."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from segmentation._format import count, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.evaluation._overlap_report import OverlapReport

__all__ = ["OverlapDisplay"]

CONFLICT_WIDTH = 54
KINDS = ("upset", "heatmap", "conflicts")
NAME_WIDTH = 28
EMPTY = "#DEDEDE"
STRIPE = "#F4F4F4"
# From so many segments on, figures no longer fit into the cells of a heatmap.
LABELLED_AT_MOST = 12
# Of an UpSet picture: share of the width for the sizes, and inches that a letter of a name takes.
SIZES_WIDTH, LETTER_WIDTH = 0.17, 0.075

Kind = Literal["upset", "heatmap", "conflicts"]


class OverlapDisplay:
    """A picture of an `OverlapReport`.

    Parameters
    ----------
    report : OverlapReport
    kind : {"upset", "heatmap", "conflicts"}, default="upset"
        "upset": a bar per exclusive combination of segments over dots that say which they are, and a bar per segment.
        "heatmap": a measure of all pairs. "conflicts": the most frequent conflicts or moves.
    measure : {"jaccard", "share", "n_both", "soft_overlap"}, default="jaccard"
        Of the heatmap, see `OverlapReport.matrix`.
    n_largest : int, default=15
        So many combinations or conflicts are drawn; the title says what is left out.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`. The parts of an UpSet picture are ``bars_``, ``dots_`` and ``sizes_``, axes inside ``ax_``.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.evaluation import OverlapDisplay, overlap
    >>> members = pd.DataFrame({"young": [True, True, False], "urban": [False, True, True]})
    >>> display = OverlapDisplay.from_membership(members, kind="heatmap").plot()
    >>> display.ax_.get_title(loc="left")
    'Overlap of 3 customers: Jaccard coefficient'
    """

    def __init__(
        self, report: OverlapReport, *, kind: Kind = "upset", measure: str = "jaccard", n_largest: int = 15
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        if isinstance(n_largest, bool) or not isinstance(n_largest, int | np.integer) or n_largest < 1:
            raise ValueError(f"n_largest must be a whole number of at least 1, got {n_largest!r}.")
        self.report = report
        self.kind = kind
        self.measure = measure
        self.n_largest = int(n_largest)

    @classmethod
    def from_report(cls, report: OverlapReport, **options: Any) -> OverlapDisplay:
        """Make the picture of a report; options as for the class."""
        return cls(report, **options)

    @classmethod
    def from_membership(
        cls, membership: Any, *, settings: dict[str, Any] | None = None, **options: Any
    ) -> OverlapDisplay:
        """Make the picture of a membership or of several assignments; `settings` are those of `overlap`."""
        from segmentation.evaluation._overlap import overlap

        given = dict(settings or {})
        if options.get("kind", "upset") == "upset":
            given.setdefault("top", max(20, options.get("n_largest", 15)))
        return cls(overlap(membership, **given), **options)

    def plot(self, ax: Any = None) -> OverlapDisplay:
        """Draw into `ax`, or into a new figure whose size fits the segments."""
        if self.kind == "upset":
            self._upset(ax)
        elif self.kind == "heatmap":
            self._heatmap(ax)
        else:
            self._conflicts(ax)
        take_literally(self.ax_)
        return self

    def _keep(self, ax: Any) -> None:
        self.ax_ = ax
        self.figure_ = ax.figure

    def _upset(self, ax: Any) -> None:
        sets = self.report.intersections.head(self.n_largest)
        segments = self.report.segments.sort_values("n_customers", ascending=False, kind="stable", ignore_index=True)
        n, k = len(segments), len(sets)
        ax = axes_or_new(ax, 4.8 + 0.34 * k, 2.9 + 0.27 * n)
        height = 0.27 * n / (2.2 + 0.27 * n)  # of the dots; the bars above keep about the same size
        longest = max(len(shorten(name, NAME_WIDTH)) for name in segments["segment"])
        inches = ax.figure.get_figwidth() * ax.get_position().width
        left = min(0.6, SIZES_WIDTH + (0.25 + LETTER_WIDTH * longest) / inches)
        ax.axis("off")
        self.bars_ = ax.inset_axes((left, height + 0.02, 1 - left, 0.98 - height))
        self.dots_ = ax.inset_axes((left, 0.0, 1 - left, height))
        self.sizes_ = ax.inset_axes((0.0, 0.0, SIZES_WIDTH, height))
        self._upset_bars(sets)
        self._upset_dots(sets, list(segments["segment"]))
        self._upset_sizes(segments)
        ax.set_title(self._upset_title(sets), loc="left", fontsize=11)
        self._keep(ax)

    def _upset_title(self, sets: pd.DataFrame) -> str:
        n = self.report.settings["n_customers"]
        n_left = self.report.settings["n_combinations"] - len(sets)
        text = f"Who is in which segments: {count(n, 'customer')}"
        if n_left:
            others = n - int(sets["n_customers"].sum())
            text += f"\n{count(n_left, 'more combination')} of {count(others, 'customer')} not drawn"
        return text

    def _upset_bars(self, sets: pd.DataFrame) -> None:
        ax, places = self.bars_, np.arange(len(sets))
        colours = np.where(sets["n_segments"] > 1, COLOURS["first"], COLOURS["model"])
        colours = np.where(sets["n_segments"] == 0, COLOURS["quiet"], colours)
        ax.bar(places, sets["n_customers"], color=colours.tolist(), width=0.66)
        for x, n in zip(places, sets["n_customers"], strict=True):
            ax.annotate(
                _short_number(n),
                (x, n),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
            )
        tidy(ax, title="", x="", y="customers")
        ax.grid(visible=False, axis="x")
        ax.set_xticks([])
        ax.set_xlim(-0.6, len(sets) - 0.4)
        ax.margins(y=0.12)
        ax.yaxis.set_major_formatter(lambda value, _: _short_number(value))
        handles = [
            ax.bar([0], [0], color=COLOURS[name])
            for name in ("model", "first", "quiet")
            if name != "quiet" or _nobody(sets)
        ]
        labels = ["in one segment", "in several", *(["in none"] if _nobody(sets) else [])]
        ax.legend(handles, labels, frameon=False, fontsize=8, loc="upper right")

    def _upset_dots(self, sets: pd.DataFrame, names: list[str]) -> None:
        ax = self.dots_
        place = {name: i for i, name in enumerate(names)}
        for i in range(0, len(names), 2):
            ax.axhspan(i - 0.5, i + 0.5, color=STRIPE, zorder=0)
        size = 34 if len(names) <= LABELLED_AT_MOST else 20
        x, y = np.meshgrid(np.arange(len(sets)), np.arange(len(names)))
        ax.scatter(x.ravel(), y.ravel(), s=size, color=EMPTY, zorder=1)
        for i, members in enumerate(sets["segments"]):
            rows = sorted(place[name] for name in members)
            colour = COLOURS["first"] if len(rows) > 1 else COLOURS["model"]
            if len(rows) > 1:
                ax.plot([i, i], [rows[0], rows[-1]], color=colour, linewidth=1.6, zorder=2)
            ax.scatter([i] * len(rows), rows, s=size, color=colour, zorder=3)
        ax.set_yticks(range(len(names)), [shorten(name, NAME_WIDTH) for name in names], fontsize=8)
        ax.set_xticks([])
        ax.set_xlim(-0.6, len(sets) - 0.4)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    def _upset_sizes(self, segments: pd.DataFrame) -> None:
        ax = self.sizes_
        ax.barh(range(len(segments)), segments["n_customers"], color=COLOURS["quiet"], height=0.6)
        for y, n in enumerate(segments["n_customers"]):
            ax.annotate(
                _short_number(n),
                (n, y),
                xytext=(-2, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=7,
            )
        ax.set_ylim(len(segments) - 0.5, -0.5)
        ax.set_xlim(max(1.0, 1.45 * float(segments["n_customers"].max())), 0)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel("size", fontsize=8)
        ax.spines[:].set_visible(False)

    def _heatmap(self, ax: Any) -> None:
        matrix = self.report.matrix(self.measure)
        if self.report.agreement is not None:
            matrix = self._across(matrix)
        rows, columns = matrix.shape
        ax = axes_or_new(ax, 3.6 + 0.36 * max(columns, 4), 2.4 + 0.34 * max(rows, 4))
        values = matrix.to_numpy(copy=True)
        if self.report.agreement is None and self.measure != "n_both":
            np.fill_diagonal(values, np.nan)  # a segment with itself would outshine all others
        ax.set_facecolor(STRIPE)
        most = 1.0 if self.measure != "n_both" else max(1.0, float(np.nanmax(values, initial=1.0)))
        image = ax.imshow(values, vmin=0.0, vmax=most, cmap="Blues", aspect="auto")
        if max(rows, columns) <= LABELLED_AT_MOST:
            for i, j in zip(*np.nonzero(~np.isnan(values)), strict=True):
                text = _short_number(values[i, j]) if self.measure == "n_both" else f"{values[i, j]:.2f}"
                colour = "white" if values[i, j] > 0.55 * most else "black"
                ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
        ax.set_xticks(range(columns), [shorten(name, NAME_WIDTH) for name in matrix.columns], rotation=90, fontsize=8)
        ax.set_yticks(range(rows), [shorten(name, NAME_WIDTH) for name in matrix.index], fontsize=8)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        what = MEASURE_TITLES[self.measure]
        title = f"Overlap of {count(self.report.settings['n_customers'], 'customer')}: {what}"
        ax.set_title(title, loc="left", fontsize=11)
        ax.figure.colorbar(image, ax=ax, shrink=0.7)
        self._keep(ax)

    def _across(self, matrix: pd.DataFrame) -> pd.DataFrame:
        """Keep the segments of the first segmentation as rows, those of all others as columns."""
        first = f"{self.report.settings['segmentations'][0]}: "
        own = self.report.segments["segment"].head(sum(name.startswith(first) for name in matrix.index))
        return matrix.loc[list(own), [name for name in matrix.columns if name not in set(own)]]

    def _conflicts(self, ax: Any) -> None:
        table = self.report.conflicts.head(self.n_largest)
        several = len(self.report.conflicts["scheme"].unique()) > 1
        names = [self._conflict_name(row["segments"], row["scheme"] if several else "") for _, row in table.iterrows()]
        longest = max((len(name) for name in names), default=0)
        ax = axes_or_new(ax, 4.6 + 0.065 * longest, 1.5 + 0.3 * max(len(table), 1))
        places = np.arange(len(table))
        ax.barh(places, table["n_customers"], color=COLOURS["first"], height=0.66)
        for y, (n, share) in enumerate(zip(table["n_customers"], table["share"], strict=True)):
            ax.annotate(
                f"{n:,} ({percent(share)})", (n, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8
            )
        tidy(ax, title=self._conflict_title(len(table)), x="customers", y="")
        ax.grid(visible=False, axis="y")
        ax.set_yticks(places, names, fontsize=8)
        ax.set_ylim(max(len(table), 1) - 0.4, -0.6)
        ax.margins(x=0.2)
        ax.xaxis.set_major_formatter(lambda value, _: _short_number(value))
        self._keep(ax)

    def _conflict_name(self, segments: tuple[str, ...], scheme: str) -> str:
        """Write the segments of a conflict, each cut so that all can be read."""
        width = max(8, CONFLICT_WIDTH // max(len(segments), 1))
        joined = (" → " if self.report.agreement is not None else " + ").join(shorten(one, width) for one in segments)
        return f"{shorten(scheme, 24)}: {joined}" if scheme else joined

    def _conflict_title(self, n_drawn: int) -> str:
        if not n_drawn:
            return "No customer is in conflict"
        left = len(self.report.conflicts) - n_drawn
        what = (
            "Moves between segments that do not match" if self.report.agreement is not None else "In several segments"
        )
        return what + (f"; {left} rarer not drawn" if left else "")


MEASURE_TITLES = {
    "jaccard": "Jaccard coefficient",
    "share": "share of the row that is in the column",
    "n_both": "customers in both",
    "soft_overlap": "smaller over larger degrees",
}


def _nobody(sets: pd.DataFrame) -> bool:
    return bool((sets["n_segments"] == 0).any())


def _short_number(value: Any) -> str:
    """Write a count in few letters.

    Examples
    --------
    >>> [_short_number(n) for n in (950, 9500, 12345, 1234567)]
    ['950', '9,500', '12k', '1.2M']
    """
    value = float(value)
    if abs(value) >= 999_500:
        return f"{value / 1e6:.1f}M"
    if abs(value) >= 10_000:
        return f"{value / 1e3:.0f}k"
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"
