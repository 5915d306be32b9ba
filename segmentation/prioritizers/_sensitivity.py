"""How far a weight can move before first place changes: straight lines and where they cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, tidy
from segmentation.prioritizers._result import HeadedTable

__all__ = ["WeightSensitivity", "range_columns", "sensitivity_headline", "weight_range"]

Array = NDArray[np.float64]
# Scores are equal where they differ by less, as in the list itself.
EQUAL = 5e-13


@dataclass(frozen=True, repr=False, eq=False)
class WeightSensitivity(HeadedTable):
    """How far each weight can move before the first places change, see `WeightedPrioritizer.sensitivity`.

    ``table`` has one row per weight, index ``axis`` ("attractiveness", "competitiveness", or "balance" for the weight
    of competitiveness itself) and ``criterion``:

    ``weight``
        As it is, in percent of its axis.
    ``weight_low``, ``weight_high``
        Between these the first places stay as they are while the other weights of the axis are rescaled in
        proportion; at the ends two segments are equal. 0 and 100 where no weight changes them.
    ``overtaken_below_by``, ``overtaken_above_by``
        Who overtakes beyond; None where nobody does.
    ``margin``
        Percentage points to the nearer change; infinite where there is none.
    """

    def plot(self, ax: Any = None) -> Any:
        """Draw the range in which each weight can move, and who comes first beyond it.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        rows = self.table.iloc[::-1]
        ax = axes_or_new(ax, 8.0, 1.6 + 0.5 * len(rows))
        places = np.arange(len(rows))
        ax.barh(places, 100.0, height=0.5, color="#EFEFEF")
        width = rows["weight_high"] - rows["weight_low"]
        ax.barh(places, width, left=rows["weight_low"], height=0.5, color=COLOURS["model"], alpha=0.55)
        ax.scatter(rows["weight"], places, color=COLOURS["actual"], zorder=3, s=36)
        for place, (_, row) in zip(places, rows.iterrows(), strict=True):
            _name_rivals(ax, float(place), row)
        ax.set_yticks(places, [_label(axis, criterion) for axis, criterion in rows.index])
        ax.set_xlim(-1, 101)
        ax.set_ylim(-0.6, len(rows) - 0.3)
        leaders = self.settings["leaders"]
        who = f"{shorten(leaders[0], 30)} is overtaken" if len(leaders) == 1 else f"the first {len(leaders)} change"
        tidy(
            ax,
            title=f"How far can one weight move before {who}?",
            x="Weight, % of its axis (dot: now; blue: no change)",
            y="",
        )
        ax.grid(visible=False, axis="y")
        return ax


def _label(axis: str, criterion: str) -> str:
    if axis == "balance":
        return "weight of\ncompetitiveness"
    return shorten(criterion, 26) if axis == "attractiveness" else f"{shorten(criterion, 26)}\n(competitiveness)"


def _name_rivals(ax: Any, place: float, row: pd.Series[Any]) -> None:
    """Write who overtakes above the grey part of the bar, where there is one."""
    style = {"va": "bottom", "fontsize": 8, "color": COLOURS["actual"]}
    if row["overtaken_below_by"] is not None:
        ax.text(0, place + 0.26, f"below {row['weight_low']:.3g}: {shorten(row['overtaken_below_by'], 22)}", **style)
    if row["overtaken_above_by"] is not None:
        text = f"above {row['weight_high']:.3g}: {shorten(row['overtaken_above_by'], 22)}"
        ax.text(100, place + 0.26, text, ha="right", **style)


def weight_range(
    now: float, intercepts: Array, slopes: Array, order: Sequence[int], top: int
) -> tuple[float, float, int | None, int | None]:
    """Return where the set of the first `top` places stays the same while one weight moves.

    The score of segment i is ``intercepts[i] + slopes[i] * weight``, so that every pair has one crossing at most and
    the range is bounded by the nearest crossings of a segment inside the set with one outside it.

    Parameters
    ----------
    now : float
        The weight, in [0, 1].
    intercepts, slopes : ndarray of shape (n_segments,)
    order : sequence of int
        Segments from first to last, ties already broken.
    top : int

    Returns
    -------
    low, high : float
    below, above : int or None
        Who overtakes beyond: where several cross at once, the one that leads afterwards.

    Examples
    --------
    >>> weight_range(0.6, np.array([0.0, 0.5]), np.array([1.0, 0.0]), [0, 1], 1)
    (0.5, 1.0, 1, None)
    """
    inside, outside = np.array(order[:top], dtype=np.int64), np.array(order[top:], dtype=np.int64)
    slope = slopes[inside][:, None] - slopes[outside][None, :]
    ahead = intercepts[inside][:, None] - intercepts[outside][None, :] + slope * now
    ahead[np.abs(ahead) <= EQUAL] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(np.abs(slope) > EQUAL, now - ahead / slope, np.nan)
    # equal at the very end of the scale is no change: no weight lies beyond
    falling = np.where((slope > 0) & (crossing > EQUAL), crossing, -np.inf)
    rising = np.where((slope < 0) & (crossing < 1 - EQUAL), crossing, np.inf)
    low, high = float(falling.max(initial=-np.inf)), float(rising.min(initial=np.inf))
    below = _steepest(outside, slope, falling >= low - EQUAL) if low > -np.inf else None
    above = _steepest(outside, -slope, rising <= high + EQUAL) if high < np.inf else None
    return max(low, 0.0), min(high, 1.0), below, above


def _steepest(outside: NDArray[np.int64], slope: Array, at_bound: NDArray[np.bool_]) -> int:
    """Of those that cross at the bound, return the one that leads beyond it; the first in the list where equal."""
    gain = np.where(at_bound, slope, -np.inf).max(axis=0)
    return int(outside[int(np.argmax(gain >= gain.max() - EQUAL))])


def range_columns(weight: float, intercepts: Array, slopes: Array, names: list[Any], top: int) -> dict[str, Any]:
    """Return the columns of one weight, in percent; `names` are the segments from first to last."""
    low, high, below, above = weight_range(weight, intercepts, slopes, range(len(names)), top)
    distances = [weight - low if below is not None else np.inf, high - weight if above is not None else np.inf]
    return {
        "weight_low": round(100 * low, 10),
        "weight_high": round(100 * high, 10),
        "overtaken_below_by": None if below is None else names[below],
        "overtaken_above_by": None if above is None else names[above],
        "margin": round(100 * min(distances), 10),
    }


def sensitivity_headline(leaders: Sequence[str], table: pd.DataFrame) -> str:
    """Say which weight decides the first places."""
    who = name_some(leaders)
    verb = "stays" if len(leaders) == 1 else "stay"
    place = "first" if len(leaders) == 1 else f"the first {len(leaders)}"
    if not np.isfinite(table["margin"].min()):
        return f"{who} {verb} {place} whatever any one weight is."
    nearest = int(np.argmin(table["margin"]))
    row = table.iloc[nearest]
    axis, criterion = table.index.to_list()[nearest]
    up = row["weight_high"] - row["weight"] if row["overtaken_above_by"] is not None else np.inf
    down = row["weight"] - row["weight_low"] if row["overtaken_below_by"] is not None else np.inf
    to, rival = ("above", row["overtaken_above_by"]) if up <= down else ("below", row["overtaken_below_by"])
    bound = row["weight_high"] if up <= down else row["weight_low"]
    named = "competitiveness" if axis == "balance" else repr(criterion)
    return (
        f"{who} {verb} {place} until the weight of {named} goes from {row['weight']:.4g} {to} {bound:.4g} %: "
        f"then {rival!r} overtakes."
    )
