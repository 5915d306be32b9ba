"""Colours that belong to segments and not to places, so that a segment keeps its colour over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from segmentation._plotting import COLOURS
from segmentation.assignment import UNASSIGNED

__all__ = ["NOBODY", "PALETTE", "identity_colours"]

# Okabe and Ito, without black, which is kept for text, and with yellow last because it is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442")
NOBODY = "#D9D9D9"


def identity_colours(segments: Iterable[str], palette: Sequence[str] | None = None) -> dict[str, str]:
    """Return a colour per segment by its place in the order of codes; grey for the unassigned.

    Examples
    --------
    >>> identity_colours(["a", "b"])
    {'a': '#0072B2', 'b': '#D55E00', 'unassigned': '#8C8C8C'}
    """
    colours = tuple(palette) if palette is not None else PALETTE
    if not colours:
        raise ValueError("palette must have at least one colour, got none.")
    names = [name for name in segments if name != UNASSIGNED]
    return {name: colours[i % len(colours)] for i, name in enumerate(names)} | {UNASSIGNED: COLOURS["quiet"]}
