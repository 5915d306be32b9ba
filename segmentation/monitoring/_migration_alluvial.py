"""Flows of customers between the segments of dates side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._plotting import _moved_apart, shorten
from segmentation.monitoring._inputs import date_label

__all__ = ["NAME_WIDTH", "draw_flows"]

BLOCK = 0.06
# Of the height: all gaps between the blocks of one date together.
GAPS = 0.12
NAME_WIDTH = 26
# Thinner ribbons are lines that nobody can follow.
THINNEST = 0.002
STEPS = 30
# Of the dates side by side; more would lie on each other.
CHARACTERS_BELOW = 40


def draw_flows(
    ax: Any,
    flows: Sequence[NDArray[np.int64]],
    names: Sequence[Sequence[str]],
    colours: Sequence[Mapping[str, str]],
    dates: Sequence[Any],
) -> float:
    """Draw a column of blocks per date and a ribbon per flow, coloured by where it comes from.

    `flows[i]` has shape (len(names[i]), len(names[i + 1])). Returns the share of the customers whose flow is drawn.
    """
    total = max(float(flow.sum()) for flow in flows)
    sizes = [_sizes(flows, date) for date in range(len(dates))]
    gaps = GAPS / max(max(int((size > 0).sum()) for size in sizes) - 1, 1)
    tops = [_tops(size, total, gaps) for size in sizes]
    drawn = 0.0
    for step, flow in enumerate(flows):
        start, end = tops[step].copy(), tops[step + 1].copy()
        for i, j in np.argwhere(flow).tolist():
            height = flow[i, j] / total
            if height >= THINNEST:
                colour = colours[step][names[step][i]]
                _ribbon(ax, (step + BLOCK / 2, start[i]), (step + 1 - BLOCK / 2, end[j]), height, colour)
                drawn += float(flow[i, j])
            start[i] -= height
            end[j] -= height
    for date, size in enumerate(sizes):
        for i in np.flatnonzero(size).tolist():
            height = size[i] / total
            colour = colours[date][names[date][i]]
            ax.bar(date, height, BLOCK, bottom=tops[date][i] - height, color=colour, zorder=3)
    _labels(ax, sizes, tops, total, names)
    ax.set_xlim(-0.1, len(dates) - 0.9)
    ax.set_ylim(-0.02, 1 + GAPS + 0.02)
    labels = [date_label(date) for date in dates]
    ax.set_xticks(range(len(dates)), labels)
    if sum(len(label) for label in labels) > CHARACTERS_BELOW:
        ax.tick_params(axis="x", rotation=30)
    ax.set_yticks([])
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    return drawn / sum(float(flow.sum()) for flow in flows)


def _sizes(flows: Sequence[NDArray[np.int64]], date: int) -> NDArray[np.float64]:
    """Return the customers of every block: who leaves it or who came to it, whichever is known and more."""
    out = flows[date].sum(axis=1) if date < len(flows) else None
    into = flows[date - 1].sum(axis=0) if date else None
    if out is None or into is None:
        return np.asarray(into if out is None else out, dtype=np.float64)
    largest: NDArray[np.float64] = np.maximum(out, into).astype(np.float64)
    return largest


def _tops(size: NDArray[np.float64], total: float, gap: float) -> NDArray[np.float64]:
    """Stack the blocks of a date from the top down."""
    heights = size / total
    there = size > 0
    before = np.concatenate([[0.0], np.cumsum(heights + gap * there)[:-1]])
    result: NDArray[np.float64] = 1 + GAPS - before
    return result


def _ribbon(ax: Any, start: tuple[float, float], end: tuple[float, float], height: float, colour: str) -> None:
    """Fill between two curves that leave and arrive level."""
    t = np.linspace(0, 1, STEPS)
    smooth = t * t * (3 - 2 * t)
    x = start[0] + t * (end[0] - start[0])
    top = start[1] + smooth * (end[1] - start[1])
    ax.fill_between(x, top - height, top, color=colour, alpha=0.4, linewidth=0, zorder=2)


def _labels(
    ax: Any,
    sizes: Sequence[NDArray[np.float64]],
    tops: Sequence[NDArray[np.float64]],
    total: float,
    names: Sequence[Sequence[str]],
) -> None:
    """Write the names beside the first and the last blocks, moved apart where blocks are thin."""
    many = max(int((size > 0).sum()) for size in sizes)
    font = 9 if many <= 12 else 7
    for date, side, shift in ((0, "right", -1), (len(sizes) - 1, "left", 1)):
        shown = np.flatnonzero(sizes[date]).tolist()
        gap = 1.0 / max(len(shown), 20)
        middles = [(tops[date][i] - sizes[date][i] / total / 2) / (1 + GAPS) for i in shown]
        places = _inside(_moved_apart(middles, gap), gap)
        for i, middle in zip(shown, places, strict=True):
            ax.annotate(
                f"{shorten(names[date][i], NAME_WIDTH)}  {sizes[date][i]:,.0f}",
                (date + shift * BLOCK / 2, middle * (1 + GAPS)),
                xytext=(5 * shift, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=font,
                annotation_clip=False,
            )


def _inside(places: Sequence[float], gap: float) -> list[float]:
    """Bring labels that were moved beyond the picture back into it, and push the others on."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    lowest = 0.0
    for i in order:
        moved[i] = lowest = max(moved[i], lowest)
        lowest += gap
    highest = 1.0
    for i in reversed(order):
        moved[i] = highest = min(moved[i], highest)
        highest -= gap
    return moved
