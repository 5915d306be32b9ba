"""Pictures of stability: SLSW as boxplots, SLSA as paths of segments over the number of segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.evaluation._stability_reading import LIMITS

__all__ = ["SLSADisplay", "SLSWDisplay"]

NAME_WIDTH = 28


@dataclass(eq=False)
class SLSWDisplay:
    """Distribution of the stability of each segment within a solution.

    Parameters
    ----------
    slsw : pandas.DataFrame
        Pairs by segments.
    restart_median : pandas.Series, optional
        Per segment, what comes back on the same customers from other starts.
    n_customers : pandas.Series, optional
        Per segment, written beside its name.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    slsw: pd.DataFrame
    restart_median: pd.Series[Any] | None = None
    n_customers: pd.Series[Any] | None = None
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_report(cls, report: Any) -> Self:
        """Make the display from a `StabilityReport`."""
        return cls(report.slsw, report.table["restart_median"], report.table["n_customers"])

    def plot(self, ax: Any = None, *, limits: bool = True) -> Self:
        """Draw it: a box holds the middle half of the pairs, whiskers 90 % of them, dots lie beyond.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        limits : bool, default=True
            Whether to draw 0.5, 0.6, 0.75 and 0.85 as lines.
        """
        names = list(self.slsw.columns)
        ax = axes_or_new(ax, 7.0, 1.9 + 0.34 * max(len(names), 3))
        places = np.arange(len(names))
        self._boxes(ax, places)
        self._restarts(ax, places)
        ax.set_yticks(places, [self._label(name) for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlim(0, 1.02)
        legend = ["Jaccard coefficient with refits on other samples"]
        if self._shows_restarts:
            legend.append("orange: median on the same customers, other starts")
        if limits:
            legend.append("dotted: .5 dissolved, .75 stable (Hennig 2007); .6, .85 (fpc)")
        tidy(ax, title="Stability of each segment (SLSW)", x="\n".join(legend), y="")
        if limits:
            _limit_lines(ax)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    @property
    def _shows_restarts(self) -> bool:
        return self.restart_median is not None and not bool(self.restart_median.isna().all())

    def _boxes(self, ax: Any, places: NDArray[Any]) -> None:
        """Draw boxes from quantiles, by hand: what lies beyond the whiskers is the tenth of the pairs that is left."""
        q05, q25, q50, q75, q95 = self.slsw.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).to_numpy()
        ax.hlines(places, q05, q95, color=COLOURS["model"], linewidth=1.2, zorder=2)
        for ends in (q05, q95):
            ax.vlines(ends, places - 0.14, places + 0.14, color=COLOURS["model"], linewidth=1.2, zorder=2)
        ax.barh(places, q75 - q25, left=q25, height=0.56, color="#CFE3F1", edgecolor=COLOURS["model"], zorder=2.5)
        ax.vlines(q50, places - 0.28, places + 0.28, color=COLOURS["actual"], linewidth=2.2, zorder=3)
        for place, name, low, high in zip(places, self.slsw.columns, q05, q95, strict=True):
            values = self.slsw[name].to_numpy()
            beyond = values[(values < low) | (values > high)]
            ax.scatter(beyond, np.full(len(beyond), place), s=6, color=COLOURS["quiet"], zorder=2)

    def _restarts(self, ax: Any, places: NDArray[Any]) -> None:
        if self.restart_median is None or not self._shows_restarts:
            return
        where = self.restart_median.reindex(self.slsw.columns)
        ax.scatter(
            where,
            places,
            marker="D",
            s=26,
            color=COLOURS["first"],
            zorder=4,
        )

    def _label(self, name: Any) -> str:
        text = shorten(name, NAME_WIDTH)
        return text if self.n_customers is None else f"{text} ({int(self.n_customers[name]):,})"


def _limit_lines(ax: Any) -> None:
    for limit, _ in LIMITS[:-1]:
        ax.axvline(limit, color=COLOURS["quiet"], linestyle=":", linewidth=1, zorder=1)


@dataclass(eq=False)
class SLSADisplay:
    """Where segments come from as their number grows.

    Parameters
    ----------
    nodes : pandas.DataFrame
        One row per number of segments and segment: ``n_segments``, ``segment``, ``track`` (position in the picture),
        ``share`` of customers, ``slsa``.
    flows : pandas.DataFrame
        One row per way from one solution to the next: ``n_segments``, ``segment``, ``origin``,
        ``previous_n_segments``, ``share`` of all customers.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    nodes: pd.DataFrame
    flows: pd.DataFrame
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_path(cls, path: Any) -> Self:
        """Make the display from a `StabilityPath`."""
        return cls(path.table.reset_index(), path.flows)

    def plot(self, ax: Any = None) -> Self:
        """Draw it: columns are solutions, the width of a line is the share of all customers who take that way.

        A node carries the number of its segment, which it keeps as long as it is matched; the darker, the more of
        its members come from one segment. The bar beside gives the scale.
        """
        solutions = sorted(self.nodes["n_segments"].unique())
        tracks = track_order(self.nodes, self.flows)
        ax = axes_or_new(ax, 1.8 + 0.85 * max(len(solutions), 4), 1.6 + 0.5 * max(len(tracks), 4))
        columns = {n: i for i, n in enumerate(solutions)}
        heights = {track: i for i, track in enumerate(tracks)}
        places = {
            (row.n_segments, row.segment): (columns[row.n_segments], heights[row.track]) for row in _rows(self.nodes)
        }
        self._ways(ax, places)
        self._points(ax, places, len(tracks))
        ax.set_xticks(range(len(solutions)), [str(n) for n in solutions])
        ax.set_yticks([])
        ax.set_xlim(-0.5, len(solutions) - 0.5)
        ax.set_ylim(len(tracks) - 0.5, -0.5)
        tidy(ax, title="Stability of segments across solutions (SLSA)", x="number of segments", y="")
        ax.grid(visible=False)
        ax.spines["left"].set_visible(False)
        self._scale(ax)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _ways(self, ax: Any, places: Mapping[Any, tuple[int, int]]) -> None:
        """Draw flows as smooth lines, thin ones below; those from the unassigned have no node and are left out."""
        for row in _rows(self.flows.sort_values("share")):
            start, end = (row.previous_n_segments, row.origin), (row.n_segments, row.segment)
            if row.share <= 0 or start not in places or end not in places:
                continue
            (x0, y0), (x1, y1) = places[start], places[end]
            t = np.linspace(0, 1, 25)
            bend = t * t * (3 - 2 * t)
            width = 0.4 + 26 * row.share
            shade = 0.25 + 0.5 * min(1.0, row.share / 0.2)
            ax.plot(
                x0 + (x1 - x0) * t,
                y0 + (y1 - y0) * bend,
                color=COLOURS["model"],
                alpha=shade,
                linewidth=width,
                solid_capstyle="butt",
                zorder=1,
            )

    def _points(self, ax: Any, places: Mapping[Any, tuple[int, int]], n_tracks: int) -> None:
        size = 420 if n_tracks <= 12 else 160
        for row in _rows(self.nodes):
            x, y = places[(row.n_segments, row.segment)]
            grey = node_grey(row.slsa)
            ax.scatter([x], [y], s=size, color=str(grey), edgecolor=COLOURS["actual"], linewidth=0.8, zorder=3)
            label = shorten(str(row.segment).removeprefix("segment_"), 8)
            ink = "white" if grey < 0.55 else "black"
            ax.text(x, y, label, ha="center", va="center", fontsize=9 if n_tracks <= 12 else 7, color=ink, zorder=4)

    def _scale(self, ax: Any) -> None:
        from matplotlib import cm, colors

        greys = [str(node_grey(value)) for value in np.linspace(0, 1, 64)]
        scale: Any = cm.ScalarMappable(colors.Normalize(0, 1), colors.ListedColormap(greys))
        bar = ax.figure.colorbar(scale, ax=ax, fraction=0.04, pad=0.02)
        bar.set_label("SLSA (1: one origin)", fontsize=9)


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return iter(table.itertuples())


def node_grey(value: float) -> float:
    """Return the grey of a node, 0 black to 1 white: the surer its origin, the darker; white where unknown.

    Examples
    --------
    >>> node_grey(1.0), round(node_grey(0.0), 2), node_grey(float("nan"))
    (0.25, 0.95, 1.0)
    """
    return 1.0 if np.isnan(value) else 0.95 - 0.7 * float(value)


def track_order(nodes: pd.DataFrame, flows: pd.DataFrame) -> list[Any]:
    """Order the tracks so that a segment that splits off stands right below the one most of it comes from."""
    order: list[Any] = []
    track_of = dict(zip(nodes["segment"], nodes["track"], strict=True))
    for n in sorted(nodes["n_segments"].unique()):
        for row in _rows(nodes[nodes["n_segments"] == n]):
            if row.track in order:
                continue
            ways = flows[(flows["n_segments"] == n) & (flows["segment"] == row.segment)].sort_values("share")
            parents = [track_of[origin] for origin in ways["origin"] if track_of.get(origin) in order]
            order.insert(order.index(parents[-1]) + 1 if parents else len(order), row.track)
    return order
