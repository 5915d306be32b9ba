"""A map of the segments: customers on the two directions in which they differ most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.evaluation._map_colours import colour_of
from segmentation.evaluation._map_labels import label_points
from segmentation.evaluation._validity_input import place_customers
from segmentation.exceptions import CustomerTableError

__all__ = ["SegmentMapDisplay"]

# More points than this lie on each other: cells are shaded by how many there are instead.
POINTS_UP_TO = 3_000
CELLS = 90
# So many names have room at the centres; of more the numbers stand there, and the names beside the map.
NAMES_UP_TO = 10


@dataclass(eq=False)
class SegmentMapDisplay:
    """Customers and segments on the first two principal components of their space.

    Make one by `from_assignment`.

    Parameters
    ----------
    points : ndarray of shape (n_customers, 2)
    codes : ndarray of shape (n_customers,)
        Position in `segments`, -1 for unassigned.
    segments : list of str
        Those with customers.
    centres : ndarray of shape (n_segments, 2)
    shares : (float, float)
        Share of the variance along each axis.
    hull : float
        Share of a segment's customers inside its outline.
    outlines : list of ndarray of shape (n_corners, 2)
        Corners of the outlines; fewer than three where the customers lie on a point or a line.
    notes : tuple of str
        What must be known beside the picture.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Of the last ``plot``.
    labels_ : list of str
        What is written at the centres, in the order of the segments.
    """

    points: NDArray[np.float64]
    codes: NDArray[np.int64]
    segments: list[str]
    centres: NDArray[np.float64]
    shares: tuple[float, float]
    hull: float
    outlines: list[NDArray[np.float64]]
    notes: tuple[str, ...] = ()
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)
    labels_: list[str] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def from_assignment(cls, X: Any, assignment: Any, *, space: Any = None, hull: float = 0.75) -> SegmentMapDisplay:
        """Project customers, and outline the middle of each segment.

        Parameters
        ----------
        X, assignment, space
            As in `validity`: with ``space=model`` the map is of the scaled columns that the model used.
        hull : float, default=0.75
            Share of a segment's customers that its outline holds: the convex hull of those who are nearest to its
            centre on the map, so that a few far ones do not make segments seem to overlap.

        Returns
        -------
        SegmentMapDisplay

        Raises
        ------
        ValueError
            If `hull` is not in (0, 1].
        CustomerTableError
            If there are no customers, or no column varies; those of `validity`.

        Notes
        -----
        Two axes show only their share of the variance, which stands on them: segments that lie on each other here
        may be apart in other directions.
        """
        if isinstance(hull, bool) or not isinstance(hull, int | float | np.number) or not 0 < hull <= 1:
            raise ValueError(f"hull must be a share above 0 and at most 1, got {hull!r}.")
        placed = place_customers(X, assignment, space, "SegmentMapDisplay")
        points, shares = _project(placed.points)
        found = np.flatnonzero(placed.sizes)
        codes = np.full(len(placed.codes), -1)
        inside = placed.codes >= 0
        codes[inside] = np.searchsorted(found, placed.codes[inside])
        parts = [points[codes == code] for code in range(len(found))]
        centres = np.array([part.mean(axis=0) for part in parts]).reshape(-1, 2)
        outlines = [_outline(part, centre, hull) for part, centre in zip(parts, centres, strict=True)]
        names = [placed.segments[code] for code in found]
        return cls(points, codes, names, centres, shares, float(hull), outlines, placed.warnings)

    def plot(self, ax: Any = None) -> SegmentMapDisplay:
        """Draw the map.

        Up to 3,000 customers are points; of more the map shows cells in the colour of the segment that most of the
        customers there are in, darker where there are more. Unassigned customers are grey.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        self
        """
        from matplotlib.patches import Polygon

        ax = axes_or_new(ax, 7.5 if len(self.segments) <= NAMES_UP_TO else 9.0, 6.0)
        if len(self.points) > POINTS_UP_TO:
            self._draw_cells(ax)
        else:
            self._draw_points(ax)
        for code, outline in enumerate(self.outlines):
            if len(outline) >= 2:
                style = {"edgecolor": colour_of(code), "linewidth": 1.6, "zorder": 4}
                ax.add_patch(Polygon(outline, closed=True, facecolor=(*_rgb(colour_of(code)), 0.08), **style))
        ax.scatter(*self.centres.T, marker="+", s=40, color=COLOURS["actual"], linewidth=1.2, zorder=5)
        n_left = int((self.codes < 0).sum())
        left = f", {n_left:,} unassigned in grey" if n_left else ""
        shown = "cells: segment of most there, darker = more customers" if len(self.points) > POINTS_UP_TO else "points"
        title = f"Map of {count(len(self.segments), 'segment')}: {count(len(self.codes), 'customer')}{left}"
        tidy(ax, title=f"{title}\noutlines: middle {100 * self.hull:.0f} %; {shown}", x=self._axis(0), y=self._axis(1))
        ax.set_xlim(*_limits(self.points[:, 0]))
        ax.set_ylim(*_limits(self.points[:, 1]))
        self._label(ax)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _axis(self, which: int) -> str:
        first = "first" if which == 0 else "second"
        return f"{first} principal component ({percent(self.shares[which])} of variance)"

    def _draw_points(self, ax: Any) -> None:
        size = float(np.clip(4000 / max(len(self.points), 1), 5, 30))
        left = self.codes < 0
        ax.scatter(*self.points[left].T, s=size, marker="x", color=COLOURS["quiet"], alpha=0.5, linewidth=0.8, zorder=1)
        colours = np.array([colour_of(code) for code in range(len(self.segments))] or ["none"])
        ax.scatter(*self.points[~left].T, s=size, c=colours[self.codes[~left]], alpha=0.45, linewidth=0, zorder=2)

    def _draw_cells(self, ax: Any) -> None:
        """Shade cells by their customers; memory grows with cells and segments, not with customers."""
        (left, right), (low, high) = (_limits(self.points[:, axis]) for axis in (0, 1))
        x = np.clip(((self.points[:, 0] - left) / (right - left) * CELLS).astype(np.int64), 0, CELLS - 1)
        y = np.clip(((self.points[:, 1] - low) / (high - low) * CELLS).astype(np.int64), 0, CELLS - 1)
        k = len(self.segments) + 1  # the last for unassigned
        flat = (y * CELLS + x) * k + np.where(self.codes < 0, k - 1, self.codes)
        counts = np.bincount(flat, minlength=CELLS * CELLS * k).reshape(CELLS, CELLS, k)
        totals = counts.sum(axis=2)
        palette = np.array([_rgb(colour_of(code)) for code in range(k - 1)] + [_rgb(COLOURS["quiet"])])
        image = np.zeros((CELLS, CELLS, 4))
        image[..., :3] = palette[counts.argmax(axis=2)]
        image[..., 3] = np.where(totals > 0, 0.15 + 0.75 * np.log1p(totals) / np.log1p(totals.max()), 0.0)
        extent = (left, right, low, high)
        ax.imshow(image, extent=extent, origin="lower", aspect="auto", interpolation="nearest", zorder=1)

    def _label(self, ax: Any) -> None:
        k = len(self.segments)
        few = k <= NAMES_UP_TO
        self.labels_ = [shorten(name, 22) if few else str(n) for n, name in enumerate(self.segments, 1)]
        if not few:
            self._key(ax)
        if k:
            label_points(ax, self.centres, self.labels_, [colour_of(code) for code in range(k)], 9 if few else 8)

    def _key(self, ax: Any) -> None:
        """Write the names that belong to the numbers beside the map, small enough to stand in its height."""
        points = ax.get_window_extent().height * 72.0 / ax.figure.dpi
        size = float(np.clip(points / (1.6 * len(self.segments)), 4.0, 8.0))
        lines = [f"{n}  {shorten(name, 26)}" for n, name in enumerate(self.segments, 1)]
        place = {"xy": (1.02, 1.0), "xycoords": "axes fraction", "va": "top"}
        ax.annotate("\n".join(lines), **place, fontsize=size, linespacing=1.4)


def _rgb(colour: str) -> tuple[float, float, float]:
    """Return a colour as three shares of 1.

    Examples
    --------
    >>> _rgb("#FF0000")
    (1.0, 0.0, 0.0)
    """
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Limits that hold everybody but the farthest one in a thousand, where those lie far off."""
    low, high = float(values.min()), float(values.max())
    inner_low, inner_high = (float(q) for q in np.quantile(values, [0.0005, 0.9995]))
    if len(values) > POINTS_UP_TO and high - low > 1.5 * (inner_high - inner_low) > 0:
        low, high = inner_low, inner_high
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _project(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return coordinates on two principal components and their shares of variance, from the covariance matrix.

    The sign of a component is arbitrary; here its largest loading is positive.
    """
    if not len(values):
        raise CustomerTableError("there are no customers to draw.")
    centred = values - values.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(values))
    total = float(variances.clip(0).sum())
    if total <= 0:
        raise CustomerTableError("all customers have the same values: there is no direction in which they differ.")
    axes = directions[:, ::-1][:, :2]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    points, shares = centred @ (axes * signs), variances[::-1][:2].clip(0) / total
    if points.shape[1] == 1:
        return np.column_stack([points, np.zeros(len(points))]), (float(shares[0]), 0.0)
    return points, (float(shares[0]), float(shares[1]))


def _outline(points: NDArray[np.float64], centre: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Corners of the convex hull of the given share of points, those nearest to the centre."""
    from scipy.spatial import ConvexHull, QhullError

    apart = ((points - centre) ** 2).sum(axis=1)
    kept = np.unique(points[apart <= np.quantile(apart, share)], axis=0)
    if len(kept) < 3:
        return kept
    try:
        corners: NDArray[np.float64] = kept[ConvexHull(kept).vertices]
    except QhullError:  # all on a line
        along = (kept - kept.mean(axis=0)) @ np.ptp(kept, axis=0)
        corners = kept[[int(along.argmin()), int(along.argmax())]]
    return corners
