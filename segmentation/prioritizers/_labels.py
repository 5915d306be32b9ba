"""Labels beside bubbles: none on another, none on a small bubble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["beside", "write_beside"]

Array = NDArray[np.float64]
# Directions that are tried at each distance: right, left, above, below, then between.
ANGLES = np.pi * np.array([0, 1, 0.5, 1.5, 0.25, 0.75, 1.25, 1.75, 0.125, 0.875, 1.125, 1.875, 0.375, 0.625])
DISTANCES = (0.0, 6.0, 14.0, 24.0, 36.0, 50.0, 66.0, 84.0)


def beside(
    points: Array, radii: Array, sizes: Array, box: tuple[float, float], reach: float = np.inf
) -> tuple[Array, NDArray[np.bool_]]:
    """Find centres of labels near their points such that they lie inside the box and on no other label or bubble.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        From the lower left corner of the box, in one unit with all the others.
    radii : ndarray of shape (n,)
        Of the bubbles.
    sizes : ndarray of shape (n, 2)
        Widths and heights of the labels.
    box : (width, height)
    reach : float, optional
        How far from its bubble a label may be.

    Returns
    -------
    centres : ndarray of shape (n, 2)
    found : ndarray of shape (n,)
        False for a label that has no room; it stays at its point.

    Examples
    --------
    >>> beside(np.array([[50.0, 50.0]]), np.array([5.0]), np.array([[20.0, 10.0]]), (100, 100))[0].tolist()
    [[65.0, 50.0]]
    """
    centres, found = points.copy(), np.zeros(len(points), dtype=bool)
    # the crowded ones choose first
    distances = np.hypot(*np.moveaxis(points[:, None] - points[None], 2, 0))
    crowd = (distances < 2 * sizes[:, 0].mean()).sum(axis=1)
    done: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (-crowd[i], i)):
        for place in _places(points[i], radii[i], sizes[i], reach):
            if _is_free(place, sizes[i], centres[done], sizes[done], points, radii, box):
                centres[i], found[i] = place, True
                done.append(i)
                break
    return centres, found


def _places(point: Array, radius: float, size: Array, reach: float) -> Any:
    for distance in (distance for distance in DISTANCES if distance <= reach):
        for angle in ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            yield point + direction * (radius + distance) + np.round(direction, 1) * size / 2


def _is_free(
    place: Array, size: Array, centres: Array, sizes: Array, points: Array, radii: Array, box: tuple[float, float]
) -> bool:
    half = size / 2
    if (place < half).any() or (place > np.array(box) - half).any():
        return False
    if (np.abs(centres - place) < (sizes + size) / 2).all(axis=1).any():
        return False
    # the nearest point of the label to each bubble
    nearest = np.clip(points, place - half, place + half)
    return bool((np.hypot(*(nearest - points).T) >= radii * 0.98).all())


def write_beside(
    ax: Any, points: Array, areas: Array, texts: Sequence[str], fontsize: float, reach: float = np.inf
) -> list[Any] | None:
    """Write labels beside bubbles, with a line to those that had to move away; None where one has no room.

    Parameters
    ----------
    ax : matplotlib Axes
        Its limits must be final.
    points : ndarray of shape (n, 2)
        In data coordinates.
    areas : ndarray of shape (n,)
        Of the bubbles, in points squared, as ``scatter`` takes them.
    texts : sequence of n str
    fontsize : float
    reach : float, optional
        How far from its bubble a label may be, in points.

    Returns
    -------
    list of matplotlib Annotation, or None
    """
    figure = ax.figure.get_figure(root=True) if hasattr(ax.figure, "get_figure") else ax.figure
    figure.draw_without_rendering()  # the layout decides where the axes are
    frame = ax.get_window_extent()
    pixels = figure.dpi / 72.0
    style = {"ha": "center", "va": "center", "fontsize": fontsize, "zorder": 6}
    labels = [
        ax.annotate(text, tuple(point), xytext=(0, 0), textcoords="offset points", **style)
        for text, point in zip(texts, points, strict=True)
    ]
    extents = [label.get_window_extent() for label in labels]
    sizes = np.array([[extent.width, extent.height] for extent in extents]) / pixels + np.array([4.0, 2.0])
    anchors = (ax.transData.transform(points) - [frame.x0, frame.y0]) / pixels
    # scatter's area is that of the square around the circle
    radii = np.sqrt(areas) / 2 + 1
    centres, found = beside(anchors, radii, sizes, (frame.width / pixels, frame.height / pixels), reach)
    if not found.all():
        for label in labels:
            label.remove()
        return None
    for label, anchor, radius, centre, size, point in zip(labels, anchors, radii, centres, sizes, points, strict=True):
        label.set_position(tuple(centre - anchor))
        label.set_in_layout(False)
        edge = np.clip(anchor, centre - size / 2, centre + size / 2) - anchor
        if np.hypot(*edge) > radius + 5:
            line = ax.annotate(
                "",
                tuple(point),
                xytext=tuple(edge),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": "#8C8C8C", "linewidth": 0.8},
                zorder=2,
            )
            line.set_in_layout(False)
    return labels
