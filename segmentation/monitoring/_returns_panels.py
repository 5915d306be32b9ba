"""Several small axes in one picture, in a new figure or in the axes that were given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from segmentation._plotting import axes_or_new, new_figure

__all__ = ["panel_axes"]

COLUMNS = 3


def panel_axes(ax: Any, n: int) -> tuple[list[Any], Callable[[str], Any]]:
    """Return `n` axes of one vertical scale, and what writes the title over all of them."""
    if n == 1:
        one = axes_or_new(ax)
        return [one], lambda text: one.set_title(text, loc="left", fontsize=11)
    columns = min(COLUMNS, n)
    rows = -(-n // columns)
    if ax is None:
        figure = new_figure(3.4 * columns, 1.0 + 2.3 * rows)
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        panels = [panel for line in grid for panel in line]
        for spare in panels[n:]:
            spare.set_visible(False)
        return panels[:n], lambda text: figure.suptitle(text, x=0.01, ha="left", fontsize=11)
    ax.set_axis_off()
    height, width = 1 / rows, 1 / columns
    panels = [
        ax.inset_axes(((i % columns + 0.08) * width, 1 - (i // columns + 0.85) * height, 0.86 * width, 0.64 * height))
        for i in range(n)
    ]
    return panels, lambda text: ax.set_title(text, loc="left", fontsize=11)
