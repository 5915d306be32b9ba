"""What all pictures share: matplotlib when it is needed, colours that everybody can tell apart, labels on the lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "COLOURS",
    "axes_or_new",
    "date_number",
    "date_ticks",
    "label_lines",
    "new_figure",
    "shorten",
    "take_literally",
    "tidy",
]

# Okabe and Ito's palette, which people with any colour vision can tell apart; black is kept for what happened.
COLOURS: Mapping[str, str] = {
    "actual": "#000000",
    "model": "#0072B2",
    "first": "#D55E00",
    "second": "#009E73",
    "third": "#CC79A7",
    "quiet": "#8C8C8C",
}


def _pyplot() -> Any:
    """Import matplotlib's pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'plots need matplotlib, which is not installed: pip install "customer-segments[plot]". '
            "The figures behind the plots are in the result's tables."
        ) from error
    return plt


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of pyplot, in inches; the caller closes it."""
    return _pyplot().figure(figsize=(width, height), layout="constrained")


def axes_or_new(ax: Any, width: float = 7.0, height: float = 4.5) -> Any:
    """Return the axes given, or those of a new figure."""
    return ax if ax is not None else new_figure(width, height).subplots()


def tidy(ax: Any, *, title: str, x: str, y: str) -> None:
    """Title and axis labels, a light grid, no box around the data."""
    ax.set_title(title, loc="left", fontsize=11)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(visible=True, color="#E6E6E6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def shorten(text: Any, width: int = 24) -> str:
    """Cut a long name in its middle, so that both ends, which tell names apart, stay.

    Examples
    --------
    >>> shorten("families who travel by train every summer", 21)
    'families w…ery summer'
    """
    whole = " ".join(str(text).split())
    if len(whole) <= width:
        return whole
    return f"{whole[: width // 2].rstrip()}…{whole[len(whole) - (width - 1) // 2 :].lstrip()}"


def take_literally(axes: Any) -> None:
    """Take ``$`` in the texts of axes, or of several, as a dollar sign and not as the beginning of a formula.

    Labels of ticks that matplotlib writes itself stay what they are.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    own = set()
    several = list(axes) if isinstance(axes, Iterable) else [axes]
    for one in [*several, *(inset for outer in several for inset in outer.child_axes)]:
        for axis in (one.xaxis, one.yaxis):
            # these write powers of ten as formulas; others, such as labels that were given, do not
            if isinstance(axis.get_major_formatter(), LogFormatter | ScalarFormatter):
                own |= {id(label) for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)}
                own.add(id(axis.get_offset_text()))
            own |= {id(label) for tick in axis.get_minor_ticks() for label in (tick.label1, tick.label2)}
    for one in several:
        for text in one.findobj(Text):
            if id(text) not in own:
                text.set_parse_math(False)


def date_number(day: dt.date) -> float:
    """Return where a day lies on an axis of dates."""
    from matplotlib import dates

    untyped: Any = dates
    return float(untyped.date2num(day))


def date_ticks(ax: Any) -> None:
    """Put ticks on a horizontal axis of dates, the year only where it changes."""
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=4, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


def label_lines(ax: Any, x: float, labels: Sequence[tuple[str, float, str]], *, gap: float = 0.06) -> None:
    """Write the name of each line beside its right end, moved apart where they would lie on each other.

    Parameters
    ----------
    ax : matplotlib Axes
        Its limits must be final.
    x : float
        Where the lines end.
    labels : sequence of (text, y at the end, colour)
    gap : float, default=0.06
        Smallest distance of two labels, as a share of the height.
    """
    low, high = ax.get_ylim()
    heights = _moved_apart([(y - low) / (high - low) for _, y, _ in labels], gap)
    to_axes = ax.transAxes.inverted()
    right = float(to_axes.transform(ax.transData.transform((x, low)))[0])
    for (text, _, colour), height in zip(labels, heights, strict=True):
        ax.annotate(
            text,
            (right, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=9,
            annotation_clip=False,
        )


def _moved_apart(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart until none is nearer than `gap` to the next, in their order and around where they were.

    Examples
    --------
    >>> [round(height, 2) for height in _moved_apart([0.5, 0.5, 0.9], 0.1)]
    [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    # groups of labels that touch, each spread around the mean of what it names; merged until none overlap
    groups: list[list[int]] = []
    for i in order:
        groups.append([i])
        while len(groups) > 1 and _bottom(groups[-1], heights, gap) < _top(groups[-2], heights, gap) + gap - 1e-12:
            last = groups.pop()
            groups[-1].extend(last)
    moved = [0.0] * len(heights)
    for group in groups:
        bottom = _bottom(group, heights, gap)
        for step, i in enumerate(group):
            moved[i] = bottom + step * gap
    return moved


def _bottom(group: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return sum(heights[i] for i in group) / len(group) - gap * (len(group) - 1) / 2


def _top(group: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return _bottom(group, heights, gap) + gap * (len(group) - 1)
