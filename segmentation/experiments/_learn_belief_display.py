"""Picture of a belief: what was held before the newest experiment, what that showed, and what is held now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._format import count
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["BeliefDisplay"]

MOST = 40
NAME_WIDTH = 30
OFF = 0.22
PARTS = (("before", "quiet", "D", -OFF), ("newest", "model", "o", 0.0), ("now", "first", "s", OFF))
WORDS = {"before": "grey", "newest": "blue", "now": "orange"}


@dataclass(eq=False)
class BeliefDisplay:
    """Effects by segment before, in and after the newest experiment.

    Parameters
    ----------
    rows : pandas.DataFrame
        Index segment; for each of "before", "newest", "now" the columns ``<part>``, ``<part>_low``, ``<part>_high``,
        missing where a segment was not tested.
    labels : dict of str
        What the three are called; only those that are there are drawn.
    title, unit : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    rows: pd.DataFrame
    labels: dict[str, str]
    title: str
    unit: str
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_belief(cls, belief: Any, *, max_segments: int = MOST) -> Self:
        """Take the figures from an `EffectBelief`; of many segments those are drawn that were tested last."""
        level, as_of = belief.settings["level"], belief.settings["as_of"]
        reach = float(stats.norm.ppf(0.5 + level / 2))
        evidence = belief.evidence
        name = evidence["experiment"].iloc[-1]  # evidence is in order of time
        part = evidence[evidence["experiment"] == name].set_index("segment")
        newest = pd.DataFrame(
            {"newest": part["estimate"], "newest_low": part["estimate"] - reach * part["se"],
             "newest_high": part["estimate"] + reach * part["se"]}
        )  # fmt: skip
        now = belief.table[["estimate", "low", "high"]].set_axis(["now", "now_low", "now_high"], axis=1)
        rows = now.join(newest)
        labels = {"newest": shorten(name, 24), "now": f"believed on {as_of.date()}"}
        earlier = belief.without(name)
        if earlier is not None:
            before = earlier.table[["estimate", "low", "high"]].set_axis(
                ["before", "before_low", "before_high"], axis=1
            )
            rows, labels = rows.join(before), {"before": f"without {shorten(name, 24)}"} | labels
        rest = len(rows) - max_segments
        if rest > 0:
            latest = belief.table["latest"].sort_values(ascending=False, kind="stable").index[:max_segments]
            rows = rows[rows.index.isin(latest)]
        n = evidence["experiment"].nunique()
        title = f"{count(len(belief.table), 'segment')} after {count(n, 'experiment')}"
        title += f" ({rest} tested before not drawn)" if rest > 0 else ""
        return cls(rows, labels, title, f"effect ({100 * level:g} % intervals)")

    def plot(self, ax: Any = None) -> Self:
        """Draw it."""
        n = len(self.rows)
        ax = axes_or_new(ax, 7.2, 2.3 + 0.42 * max(n, 2))
        places = np.arange(n)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1, zorder=1)
        for part, colour, marker, moved in PARTS:
            if part not in self.labels:
                continue
            ends = self.rows[[f"{part}_low", f"{part}_high"]].to_numpy(dtype=float)
            ax.hlines(places + moved, ends[:, 0], ends[:, 1], color=COLOURS[colour], linewidth=1.5, zorder=2)
            ax.scatter(self.rows[part], places + moved, color=COLOURS[colour], marker=marker, s=26, zorder=3)
        ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in self.rows.index])
        ax.set_ylim(n - 0.4, -0.6)
        said = "\n".join(f"{word}: {self.labels[part]}" for part, word in WORDS.items() if part in self.labels)
        tidy(ax, title=self.title, x=f"{self.unit}\n{said}", y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(ax)
        return self
