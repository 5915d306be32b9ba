"""Labels at points of a picture, moved apart until none lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["free_places", "label_points"]

# Directions and distances that are tried around a point, nearest first.
ANGLES = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
RINGS = range(0, 40)


def free_places(
    anchors: NDArray[np.float64], sizes: NDArray[np.float64], box: tuple[float, float]
) -> NDArray[np.float64]:
    """Find centres of rectangles near their anchors such that none overlap and all lie inside the box.

    Parameters
    ----------
    anchors, sizes : ndarray of shape (n, 2)
        In one unit, from the lower left corner of the box; widths and heights.
    box : (width, height)

    Returns
    -------
    ndarray of shape (n, 2)
        A rectangle that finds no room stays at the last place tried.

    Examples
    --------
    >>> free_places(np.array([[50.0, 50], [50, 50]]), np.array([[20.0, 10], [20, 10]]), (100, 100)).round(0).tolist()
    [[50.0, 50.0], [57.0, 61.0]]
    """
    places = np.zeros_like(anchors)
    corner = np.array(box, dtype=np.float64)
    for n, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
        low, high = size / 2, np.maximum(corner - size / 2, size / 2)
        step = float(sizes[:, 1].mean()) * 0.6
        for place in _around(anchor, step):
            inside = np.clip(place, low, high)
            apart = np.abs(places[:n] - inside) >= (sizes[:n] + size) / 2
            if apart.any(axis=1).all():
                break
        places[n] = inside
    return places


def _around(anchor: NDArray[np.float64], step: float) -> Any:
    """Yield the anchor, then places on growing rings around it."""
    for ring in RINGS:
        for angle in ANGLES if ring else ANGLES[:1]:
            yield anchor + ring * step * np.array([1.6 * np.cos(angle), np.sin(angle)])


def label_points(
    ax: Any, points: NDArray[np.float64], texts: Sequence[str], colours: Sequence[str], size: float
) -> list[Any]:
    """Write a label at each point, with a line to it where it had to move.

    Parameters
    ----------
    ax : matplotlib Axes
        Its limits must be final.
    points : ndarray of shape (n, 2)
        In data coordinates.
    texts, colours : sequences of length n
    size : float
        Of the font, in points.

    Returns
    -------
    list of matplotlib Annotation
    """
    ax.figure.draw_without_rendering()  # the layout decides where the axes are
    frame = ax.get_window_extent()
    pixels_per_point = ax.figure.dpi / 72.0
    style = {
        "ha": "center",
        "va": "center",
        "fontsize": size,
        "zorder": 6,
        "bbox": {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.85, "linewidth": 1.0},
    }
    labels = [
        ax.annotate(text, tuple(point), xytext=(0, 0), textcoords="offset points", **style)
        for text, point in zip(texts, points, strict=True)
    ]
    extents = [label.get_window_extent() for label in labels]
    padding = (0.6 * size + 2.0) * pixels_per_point
    sizes = np.array([[extent.width + padding, extent.height + padding] for extent in extents])
    anchors = ax.transData.transform(points) - [frame.x0, frame.y0]
    places = free_places(anchors, sizes, (frame.width, frame.height))
    for label, colour, anchor, place, point in zip(labels, colours, anchors, places, points, strict=True):
        moved = (place - anchor) / pixels_per_point
        label.set_position(tuple(moved))
        label.get_bbox_patch().set_edgecolor(colour)
        if np.hypot(*moved) > size:
            ax.annotate(
                "",
                tuple(point),
                xytext=tuple(moved),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.9},
                zorder=5,
            )
    return labels
