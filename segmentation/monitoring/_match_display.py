"""A picture of matched segments: who of the old ones is in which new one."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation._plotting import axes_or_new, take_literally
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._migration_alluvial import NAME_WIDTH, draw_flows

__all__ = ["MatchDisplay"]


class MatchDisplay:
    """Flows from the old segments to the new ones; a segment that goes on keeps its colour.

    Parameters
    ----------
    match : SegmentMatch

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import MatchDisplay, match_segments
    >>> match = match_segments(pd.Series(["a", "a", "b"]), pd.Series(["x", "x", "y"]))
    >>> MatchDisplay.from_match(match).plot().ax_.get_title(loc="left")
    'Old segments and new ones: 2 renamed'
    """

    def __init__(self, match: SegmentMatch) -> None:
        if not isinstance(match, SegmentMatch):
            raise TypeError(f"match must come from match_segments, got {type(match).__name__}.")
        self.match = match

    @classmethod
    def from_match(cls, match: SegmentMatch) -> MatchDisplay:
        """Make the picture of a match."""
        return cls(match)

    def plot(self, ax: Any = None) -> MatchDisplay:
        """Draw into `ax`, or into a new figure whose size fits the segments."""
        match = self.match
        old = list(match.old.index)
        new = sorted(match.new.index, key=lambda name: match.codes[name])
        flow = np.zeros((len(old), len(new)), dtype=np.int64)
        place_old, place_new = {name: i for i, name in enumerate(old)}, {name: i for i, name in enumerate(new)}
        for a, b, n in zip(match.pairs["old"], match.pairs["new"], match.pairs["n_both"], strict=True):
            flow[place_old[a], place_new[b]] = n
        many = max(len(old), len(new))
        ax = axes_or_new(ax, 8.5, max(3.6, 1.2 + (0.28 if many <= 12 else 0.19) * many))
        title = f"Old segments and new ones: {match._headline().split('): ', 1)[1]}"
        if not flow.any():
            ax.set_axis_off()
            ax.text(0.0, 0.5, "No customers in common.", va="center")
        else:
            colours = match.colours()
            named = [_named(match.names[name], name) for name in new]
            after = {text: colours[match.names[name]] for text, name in zip(named, new, strict=True)}
            drawn = draw_flows(ax, [flow], [old, named], [colours, after], ["before", "after"])
            if drawn < 1:
                title += f"\nflows of {100 * (1 - drawn):.1f} % of the customers are too thin to draw"
        ax.set_title(title, loc="left", fontsize=11, wrap=True)
        self.ax_ = ax
        self.figure_ = ax.figure
        take_literally(self.ax_)
        return self


def _named(name: str, came: str) -> str:
    """Return the name from now on, and the one with which the segment came where both are short."""
    both = f"{name} ({came})"
    return both if name != came and len(both) <= NAME_WIDTH else name
