"""What `targeting_curve` returns, and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Self

import numpy as np
import pandas as pd

from segmentation._format import count, number, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation._results import Result

__all__ = ["TargetingCurve", "TargetingDisplay"]

SHOWN = 15
COLUMNS = ["n_customers", "share", "gain", "low", "high", "over_random", "effect", "effect_low", "effect_high"]
LABEL_GAP = 0.04
STRIP = 0.42


@dataclass(frozen=True, eq=False, repr=False)
class TargetingCurve(Result):
    """What is gained by treating in an order, as `targeting_curve` returns it.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment`` in the order (or ``knot``, about a hundred shares of customers): ``n_customers`` added,
        ``share`` treated so far, ``gain`` per customer of all against treating nobody, ``low`` and ``high`` (for one
        share fixed before), ``se``, ``band_low`` and ``band_high`` (all at once), ``over_random`` (gain less that of
        treating as many at random) with bounds, ``effect`` on those added with bounds.
    areas : pandas.DataFrame
        Index "qini", "autoc": ``value``, ``se``, ``low``, ``high``, ``p_value`` (two-sided), ``p_permutation``
        (one-sided).
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    areas: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The finding in words."""
        area, last = self.areas.loc["qini"], self.table.iloc[-1]
        level = f"{100 * self.settings['level']:g} %"
        if area["low"] > 0:
            verdict = "The order gains more than one at random"
        elif area["high"] < 0:
            verdict = "The order gains less than one at random"
        else:
            verdict = "That the order gains more than one at random is not shown"
        return (
            f"{verdict}: Qini area {number(area['value'])} per customer ({level} interval {number(area['low'])} to "
            f"{number(area['high'])}); treating all gains {number(last['gain'])} ({number(last['low'])} to "
            f"{number(last['high'])})"
        )

    def _best(self) -> str:
        place = int(self.table["gain"].argmax())
        row, name = self.table.iloc[place], self.table.index[place]
        if row["gain"] <= 0:
            return "At no share is the gain above 0."
        where = f"up to {shorten(name, 40)!r}" if self.settings["by"] == "segment" else "in order"
        return (
            f"The gain is highest with {percent(row['share'])} treated, {where}: {number(row['gain'])}, band "
            f"{number(row['band_low'])} to {number(row['band_high'])} (all shares at once, so it may be picked)."
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "table": self.table.reset_index(),
            "areas": self.areas.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _cut(self) -> tuple[pd.DataFrame, str]:
        table = self.table[COLUMNS]
        if self.settings["by"] == "customer" and len(table) > SHOWN:
            table = table.iloc[np.unique(np.linspace(0, len(table) - 1, 10).astype(int))]
        rest = count(len(self.table), "segment") if self.settings["by"] == "segment" else count(len(self.table), "knot")
        more = f"... {rest} in .table" if len(table.head(SHOWN)) < len(self.table) else ""
        return table.head(SHOWN).rename(index=lambda name: shorten(name, 40)), more

    def __str__(self) -> str:
        table, more = self._cut()
        lines = [self.headline, self._best(), "", table.to_string(float_format="{:.4g}".format), *filter(None, [more])]
        lines += ["", self.areas.to_string(float_format="{:.4g}".format)]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table, more = self._cut()
        shown = "".join(part.to_html(float_format="{:.4g}".format, escape=True) for part in (table, self.areas))
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}<br>{escape(self._best())}</p>{shown}<p>{escape(more)}</p>{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the curve (`TargetingDisplay`)."""
        return TargetingDisplay.from_curve(self).plot(ax).ax_


@dataclass(eq=False)
class TargetingDisplay:
    """Gain by share treated, with interval and band, beside an order at random.

    Parameters
    ----------
    curve : pandas.DataFrame
        ``share``, ``gain``, ``low``, ``high``, ``band_low``, ``band_high``; index: names of the knots.
    title : str
    unit : str
    named : bool
        Whether knots are segments, whose names are written.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    """

    curve: pd.DataFrame
    title: str
    unit: str
    named: bool
    ax_: Any = field(init=False, default=None, repr=False)
    figure_: Any = field(init=False, default=None, repr=False)

    @classmethod
    def from_curve(cls, found: TargetingCurve) -> Self:
        """Take the figures from a result."""
        area = found.areas.loc["qini"]
        level = f"{100 * found.settings['level']:g} %"
        title = (
            f"{shorten(found.settings['treated'], 24)} in this order: Qini {number(area['value'])} "
            f"({number(area['low'])} to {number(area['high'])})"
        )
        columns = ["share", "gain", "low", "high", "band_low", "band_high"]
        unit = f"gain per customer of all\n(dark: {level} interval; light: all shares at once)"
        return cls(found.table[columns], title, unit, found.settings["by"] == "segment")

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        ax = axes_or_new(ax, 7.4, 5.0)
        start = pd.DataFrame(0.0, index=[""], columns=self.curve.columns)
        drawn = pd.concat([start, self.curve])
        x, colour = drawn["share"].to_numpy(), COLOURS["model"]
        ax.fill_between(x, drawn["band_low"], drawn["band_high"], color=colour, alpha=0.12, linewidth=0)
        ax.fill_between(x, drawn["low"], drawn["high"], color=colour, alpha=0.25, linewidth=0)
        ax.axhline(0, color=COLOURS["actual"], linewidth=0.8, zorder=1)
        end = float(self.curve["gain"].iloc[-1])
        ax.plot([0, 1], [0, end], "--", color=COLOURS["first"], linewidth=1.6, label="order at random")
        marker = {"marker": "o", "markersize": 5} if self.named else {}
        ax.plot(x, drawn["gain"], color=colour, linewidth=2, label="this order", **marker)
        ax.set_xlim(0, 1)
        ax.set_xticks(np.linspace(0, 1, 6), [f"{100 * v:.0f} %" for v in np.linspace(0, 1, 6)])
        if self.named:
            self._names(ax)
        # names stand at the bottom; the curve starts at 0 and is far from that corner which its end is not near
        where = "upper left" if end >= 0 else "upper right"
        ax.legend(loc=where, fontsize=9, edgecolor="none", framealpha=0.9)
        tidy(ax, title=self.title, x="customers treated", y=self.unit)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _names(self, ax: Any) -> None:
        """Write the segments along the bottom, where their stretch is wide enough for a name."""
        edges = np.concatenate([[0.0], self.curve["share"].to_numpy(dtype=float)])
        # a strip of its own below the curve, so that names and lines do not lie on each other
        low, high = ax.get_ylim()
        ax.set_ylim(low - STRIP * (high - low), high)
        last = -1.0
        for left, right, name in zip(edges[:-1], edges[1:], self.curve.index, strict=True):
            middle = (left + right) / 2
            if middle - last < LABEL_GAP:
                continue
            last = middle
            ax.annotate(
                shorten(name, 20), (middle, 0.015), xycoords=ax.get_xaxis_transform(), rotation=90, ha="center",
                va="bottom", fontsize=8, color="#4D4D4D", zorder=1,
            )  # fmt: skip
        for edge in edges[1:-1]:
            ax.axvline(edge, color="#D9D9D9", linewidth=0.7, zorder=0)
