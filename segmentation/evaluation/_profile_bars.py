"""The profile picture: every segment on every variable beside all customers, markers shaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally
from segmentation.evaluation._describe import describe_segments
from segmentation.evaluation._describe_result import SegmentDescription, column_name

__all__ = ["ProfileDisplay"]

# Beyond, bars become too narrow to compare; a map of all differences is read instead.
BARS_AT_MOST = 9
PANELS_A_ROW = 4
MARKED, PLAIN = COLOURS["model"], "#BFD3E2"
GAP = 0.16
# Width of a character of a panel's title, in points; points to the inch.
CHARACTER, POINTS = 5.8, 72


class ProfileDisplay:
    """Segment profiles as bars, with the total of all customers as a dot and markers dark [1]_.

    Attributes
    ----------
    description : SegmentDescription
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    .. [1] Dolnicar, Gruen, Leisch (2018), Market Segmentation Analysis, chapter 8, doi:10.1007/978-981-10-8818-6.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.evaluation import ProfileDisplay
    >>> ids = pd.RangeIndex(60, name="customer_id")
    >>> segments = pd.Series(["a", "b"] * 30, index=ids)
    >>> display = ProfileDisplay.from_assignment(segments, pd.DataFrame({"golf": [1, 0] * 30}, index=ids))
    >>> display.description.markers
    {'a': ['golf'], 'b': ['golf']}
    """

    def __init__(self, description: SegmentDescription) -> None:
        self.description = description

    @classmethod
    def from_assignment(cls, assignment: Any, features: Any, **settings: Any) -> ProfileDisplay:
        """Describe segments and draw them; settings are those of `describe_segments`."""
        return cls(describe_segments(assignment, features, **settings))

    @classmethod
    def from_report(cls, description: SegmentDescription) -> ProfileDisplay:
        """Draw a description that is there."""
        if not isinstance(description, SegmentDescription):
            raise TypeError(f"expected what describe_segments returns, got {type(description).__name__}.")
        return cls(description)

    def plot(
        self,
        ax: Any = None,
        *,
        style: str = "auto",
        order: str | Sequence[str] = "cluster",
        max_variables: int = 60,
        name_width: int = 30,
    ) -> ProfileDisplay:
        """Draw the profiles.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        style : {"auto", "bars", "map"}, default="auto"
            bars: one panel per segment; map: one coloured cell per segment and variable, markers with a dot. "auto"
            takes bars for up to 9 segments.
        order : {"cluster", "given"} or sequence of str, default="cluster"
            cluster: variables that go together stand together; given: as in the data; or the names in their order, a
            level as ``variable=level``; those that are not named are left out.
        max_variables : int, default=60
            So many are drawn, those with markers first; the title says where there are more.
        name_width : int, default=30
            Longer names of variables are cut in their middle.

        Returns
        -------
        self
        """
        if style not in ("auto", "bars", "map"):
            raise ValueError(f"style must be 'auto', 'bars' or 'map', got {style!r}.")
        shown, left_out = self._columns(order, max_variables)
        segments = list(self.description.sizes.index)
        bars = style == "bars" or (style == "auto" and len(segments) <= BARS_AT_MOST)
        table = self.description.table.assign(
            column=[
                column_name(variable, level)
                for variable, level in zip(
                    self.description.table["variable"], self.description.table["level"], strict=True
                )
            ]
        )
        figures = {
            name: table.set_index(["column", "segment"])[name].unstack().loc[shown, segments]  # noqa: PD010
            for name in ("value", "total", "effect", "marker", "kind")
        }
        labels = _distinct(shown, name_width)
        draw = _draw_bars if bars else _draw_map
        self.ax_ = draw(ax, figures, labels, self._titles(segments), left_out)
        self.figure_ = self.ax_.figure
        take_literally(self.ax_)
        return self

    def _columns(self, order: str | Sequence[str], at_most: int) -> tuple[list[str], int]:
        given = self.description.table.drop_duplicates(["variable", "level"])
        names = [column_name(v, level) for v, level in zip(given["variable"], given["level"], strict=True)]
        if isinstance(order, str):
            if order not in ("cluster", "given"):
                raise ValueError(f"order must be 'cluster', 'given' or a list of names, got {order!r}.")
            wanted = names if order == "given" else [column_name(*name) for name in self.description.order]
        else:
            wanted = [str(name) for name in order]
            unknown = [name for name in wanted if name not in names]
            if unknown:
                raise ValueError(f"order names {name_some(unknown)}; the variables are {name_some(names)}.")
        if len(wanted) <= at_most:
            return wanted, 0
        marked = {name for found in self.description.markers.values() for name in found}
        kept = set(sorted(wanted, key=lambda name: name not in marked)[:at_most])
        return [name for name in wanted if name in kept], len(wanted) - at_most

    def _titles(self, segments: Sequence[Any]) -> list[tuple[str, str]]:
        sizes: Any = self.description.sizes
        return [(str(segment), f"{100 * sizes.loc[segment, 'share']:.0f} %") for segment in segments]


def _draw_bars(
    ax: Any, figures: dict[str, pd.DataFrame], labels: list[str], titles: list[tuple[str, str]], left_out: int
) -> Any:
    """Draw all panels into one axes: segments beside each other, every row of panels below the last."""
    k, p = len(titles), len(labels)
    rows = math.ceil(k / PANELS_A_ROW)
    wide = math.ceil(k / rows)  # six are three and three, not four and two
    block = p + 2.2  # a panel, its title, and air
    ax = axes_or_new(ax, 2.4 + 1.75 * wide, 1.1 + 0.21 * block * rows)
    low, high = _scale(figures)
    ticks, names = [], []
    inches = ax.get_window_extent().width / ax.figure.dpi / (wide * (1 + GAP))
    short = _with_share(titles, max(int(inches * POINTS / CHARACTER), 12))
    for i, (name, _) in enumerate(titles):
        row, column = divmod(i, wide)
        left, top = column * (1 + GAP), row * block
        y = top + np.arange(p)
        value = figures["value"].iloc[:, i].to_numpy(dtype=np.float64)
        total = figures["total"].iloc[:, i].to_numpy(dtype=np.float64)
        marker = figures["marker"].iloc[:, i].to_numpy(dtype=bool)
        width = high - low
        zero = left + (0 - low) / width
        ends = left + (value - low) / width
        bars = ax.barh(y, ends - zero, left=zero, height=0.72, color=[MARKED if m else PLAIN for m in marker], zorder=2)
        bars.set_label(f"segment {name}")
        dots = left + (total - low) / width
        ax.hlines(y, zero, dots, color=COLOURS["actual"], linewidth=0.7, zorder=3)
        ax.scatter(dots, y, s=11, color=COLOURS["actual"], zorder=4)
        ax.plot([left, left], [top - 0.6, top + p - 0.4], color="#BBBBBB", linewidth=0.8, zorder=1)
        ax.plot([left + 1, left + 1], [top - 0.6, top + p - 0.4], color="#E6E6E6", linewidth=0.8, zorder=1)
        ax.text(left, top - 0.9, short[i], fontsize=8.5, va="bottom", weight="bold")
        if column == 0:
            ticks += list(y)
            names += labels
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.03, wide * (1 + GAP) - GAP + 0.03)
    ax.set_ylim(rows * block - 1.6, -2.3)
    shares = set(figures["kind"].to_numpy().ravel()) <= {"binary", "category"}
    unit = "each panel 0 to 100 %" if shares else "shares 0 to 100 %, others relative to their largest value"
    ax.set_xlabel(f"bar: segment (dark: marker); dot: all customers\n{unit}{_more(left_out)}", fontsize=8.5, loc="left")
    ax.set_title("Segment profiles", loc="left", fontsize=11)
    return ax


def _distinct(names: Sequence[str], width: int) -> list[str]:
    """Shorten names; where two would look the same, their numbers tell them apart.

    Examples
    --------
    >>> _distinct(["people who travel in May, often", "people who travel in June, often"], 12)
    ['1: peop…ften', '2: peop…ften']
    """
    short = [shorten(name, width) for name in names]
    if len(set(short)) == len(short):
        return short
    return [
        f"{i}: {shorten(name, max(width - len(str(i)) - 2, 4))}" if short.count(cut) > 1 else cut
        for i, (name, cut) in enumerate(zip(names, short, strict=True), start=1)
    ]


def _with_share(titles: Sequence[tuple[str, str]], width: int) -> list[str]:
    names = _distinct([name for name, _ in titles], width - 7)
    return [f"{name} ({share})" for name, (_, share) in zip(names, titles, strict=True)]


def _more(left_out: int) -> str:
    return f"; {count(left_out, 'variable')} not drawn" if left_out else ""


def _scale(figures: dict[str, pd.DataFrame]) -> tuple[float, float]:
    """Bring other variables than shares to [-1, 1], in place, and return the common range."""
    shares = figures["kind"].isin(["binary", "category"]).to_numpy().any(axis=1)
    both = np.hstack([figures["value"].to_numpy(dtype=np.float64), figures["total"].to_numpy(dtype=np.float64)])
    largest = np.max(np.abs(np.nan_to_num(both)), axis=1)
    by = np.where(shares | (largest == 0), 1.0, largest)
    for name in ("value", "total"):
        figures[name] = figures[name].astype(float).div(by, axis=0)
    return min(0.0, float(np.nanmin(np.append(both / by[:, None], 0.0)))), 1.0


def _draw_map(
    ax: Any, figures: dict[str, pd.DataFrame], labels: list[str], titles: list[tuple[str, str]], left_out: int
) -> Any:
    """Draw effects as colours: purple above the rest, orange below, which everybody can tell apart."""
    k, p = len(titles), len(labels)
    ax = axes_or_new(ax, 3.6 + 0.3 * k, 2.6 + 0.23 * p)
    effect = figures["effect"].to_numpy(dtype=np.float64)
    shares = figures["kind"].isin(["binary", "category"]).to_numpy().any(axis=1)
    # half of all customers more, or one standard deviation: full colour
    strength = np.clip(effect / np.where(shares, 0.5, 1.0)[:, None], -1, 1)
    image = ax.imshow(np.ma.masked_invalid(strength), cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    y, x = np.nonzero(figures["marker"].to_numpy(dtype=bool))
    ax.scatter(x, y, s=22, color=COLOURS["actual"], edgecolors="white", linewidths=0.8, label="marker")
    ax.set_xticks(range(k), _with_share(titles, 30), rotation=90, fontsize=8)
    ax.set_yticks(range(p), labels, fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title("Segment profiles against all other customers", loc="left", fontsize=11)
    ax.set_xlabel(f"dot: marker{_more(left_out)}", fontsize=8.5, loc="left")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["much less", "like the rest", "much more"], fontsize=8)
    return ax
