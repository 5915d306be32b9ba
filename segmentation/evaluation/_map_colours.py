"""Colours of segments in pictures: few that everybody can tell apart, repeated; labels tell the rest."""

from __future__ import annotations

__all__ = ["SEGMENT_COLOURS", "colour_of"]

# Okabe and Ito's palette without black and yellow, which is too light for thin lines.
SEGMENT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")


def colour_of(position: int) -> str:
    """Return the colour of a segment by its position; the seventh has the first's again.

    Examples
    --------
    >>> colour_of(0) == colour_of(6), colour_of(0) == colour_of(1)
    (True, False)
    """
    return SEGMENT_COLOURS[position % len(SEGMENT_COLOURS)]
