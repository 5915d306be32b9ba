"""What `acquisition_cost` returns, and its pictures."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, money, name_some, number
from segmentation._plotting import COLOURS, axes_or_new, new_figure, shorten, take_literally, tidy
from segmentation._results import Result

__all__ = ["AcquisitionCost", "AcquisitionDisplay"]

SHOWN = 12
MAX_SEGMENTS = 30
WIDTH = 28
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, eq=False, repr=False)
class AcquisitionCost(Result):
    """What acquiring a customer costs against what one is worth, per segment.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment, see `acquisition_cost`.
    net_total, net_total_low, net_total_high : float
        What all spend together has earned, ``acquired * value - spend``; interval of the values, NaN where all
        are known.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    net_total: float
    net_total_low: float
    net_total_high: float
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table.reset_index(),
            "net_total": self.net_total,
            "net_total_low": self.net_total_low,
            "net_total_high": self.net_total_high,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        between = ""
        if np.isfinite(self.net_total_low):
            level = 100 * self.settings["level"]
            between = f" ({level:g} % interval {money(self.net_total_low)} to {money(self.net_total_high)})"
        return (
            f"Acquisition in {count(len(self.table), 'segment')}: {money(float(self.table['spend'].sum()))} for "
            f"{count(int(self.table['acquired'].sum()), 'customer')}, net value {money(self.net_total)}{between}"
        )

    def _lines(self) -> list[str]:
        lines = []
        losing = self.table.index[self.table["ratio_high"] < 1]
        if len(losing):
            lines.append(f"Costs more than it brings, interval below 1: {name_some(losing)}.")
        unsure = self.table.index[(self.table["ratio_low"] <= 1) & (self.table["ratio_high"] >= 1)]
        if len(unsure):
            lines.append(f"Cannot be told whether it pays, 1 in the interval: {name_some(unsure)}.")
        return lines

    def _short_table(self) -> pd.DataFrame:
        columns = ["spend", "acquired", "cost", "value", "ratio", "ratio_low", "ratio_high", "net_value"]
        columns += ["payback"] if "payback" in self.table else []
        return self.table[columns].sort_values("ratio", ascending=False, kind="stable").head(SHOWN)

    def __str__(self) -> str:
        table = self._short_table().to_string(float_format=lambda value: number(float(value)), na_rep="")
        lines = [self._headline(), *self._lines(), "", table]
        if len(self.table) > SHOWN:
            lines.append(f"... and {count(len(self.table) - SHOWN, 'segment')} more in .table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table = self._short_table().to_html(escape=True, float_format=lambda value: number(float(value)), na_rep="")
        return f"<p>{html.escape(self._headline())}</p><ul>{lines}</ul>{table}{notes}"

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw value over cost with intervals; arguments as in `AcquisitionDisplay.from_result`."""
        return AcquisitionDisplay.from_result(self, **kwargs).plot(ax).ax_

    def plot_payback(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw days until the cost is paid; arguments as in `AcquisitionDisplay.from_result`."""
        return AcquisitionDisplay.from_result(self, **kwargs).plot_payback(ax).ax_


@dataclass
class AcquisitionDisplay:
    """Value over cost per segment with its interval, and days until the cost is paid.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment drawn, in the order of the picture from top to bottom: ``label``, ``ratio``, ``ratio_low``,
        ``ratio_high``, and ``payback_days``, ``payback_low``, ``payback_high`` where there are margins.
    lines : tuple of float
        Ratios at which a line is drawn.
    horizon : float or None
    level : float
    left_out : int
    ax_, figure_
        After `plot` or `plot_payback`.
    """

    table: pd.DataFrame
    lines: tuple[float, ...]
    horizon: float | None
    level: float
    left_out: int = 0
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_result(
        cls, result: AcquisitionCost, *, lines: Sequence[float] = (1.0,), max_segments: int = MAX_SEGMENTS
    ) -> AcquisitionDisplay:
        """Take the figures from a result.

        Parameters
        ----------
        result : AcquisitionCost
        lines : sequence of float, default=(1.0,)
            Ratios at which a line is drawn: 1, where a customer brings what one costs, and any that you ask for.
        max_segments : int, default=30
            Those with the most spend.
        """
        given = tuple(float(line) for line in lines)
        if not all(np.isfinite(given)) or any(line <= 0 for line in given):
            raise ValueError(f"lines must be finite ratios above 0, got {lines!r}.")
        labels = pd.Series(_labels(result.table.index), index=result.table.index)
        table = result.table.sort_values("spend", ascending=False, kind="stable").head(max_segments)
        table = table.sort_values("ratio", ascending=False, kind="stable", na_position="last")
        columns = [name for name in table.columns if name.startswith(("ratio", "payback")) and name != "payback"]
        values = table[[*columns, "acquired", "spend"]].copy()
        values.insert(0, "label", labels[table.index])
        return cls(
            values, given, result.settings["horizon_days"], result.settings["level"], len(result.table) - len(table)
        )

    def _axes(self, ax: Any) -> tuple[Any, Any]:
        n = len(self.table)
        ax = axes_or_new(ax, 7.0, 1.4 + 0.34 * n)
        places = np.arange(n)[::-1]
        ax.set_yticks(places, list(self.table["label"]))
        ax.set_ylim(-0.7, n - 0.3)
        return ax, places

    def _more(self) -> str:
        return f"; {self.left_out} more not drawn" if self.left_out else ""

    def plot(self, ax: Any = None) -> AcquisitionDisplay:
        """Draw value over cost on the axes given, or on new ones; on a logarithmic scale where it spans much."""
        ax, places = self._axes(ax)
        v = self.table
        ratio, low, high = (v[name].to_numpy(dtype=np.float64) for name in ("ratio", "ratio_low", "ratio_high"))
        there, nobody = np.isfinite(ratio) & (ratio > 0), (v["acquired"] == 0).to_numpy() & np.isfinite(high)
        shown = np.concatenate([ratio[there], low[there], high[there], self.lines])
        wide = bool(len(shown)) and bool((shown > 0).all()) and shown.max() > 10 * shown.min()
        if wide:
            ax.set_xscale("log")
            inside = [t for t in TICKS if shown.min() / 2 <= t <= shown.max() * 2]
            ax.set_xticks(inside, [f"{t:g}" for t in inside])
            ax.minorticks_off()
        for line in self.lines:
            ax.axvline(line, color=COLOURS["actual"], linewidth=1, linestyle="-" if line == 1 else "--")
        ax.hlines(places[there], low[there], high[there], color=COLOURS["model"], linewidth=2)
        losing = there & (high < 1)
        ax.scatter(ratio[there & ~losing], places[there & ~losing], color=COLOURS["model"], zorder=3)
        if losing.any():
            ax.hlines(places[losing], low[losing], high[losing], color=COLOURS["first"], linewidth=2)
            ax.scatter(
                ratio[losing], places[losing], color=COLOURS["first"], marker="s", zorder=3, label="interval below 1"
            )
        if nobody.any():
            ax.scatter(
                high[nobody],
                places[nobody],
                color=COLOURS["quiet"],
                marker="<",
                zorder=3,
                label="nobody acquired: at most",
            )
        if losing.any() or nobody.any():
            ax.legend(frameon=False, fontsize=9, loc="best")
        title = f"Value of a customer over cost, {100 * self.level:g} % intervals{self._more()}"
        tidy(ax, title=title, x="value / cost" + (" (logarithmic)" if wide else ""), y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def plot_payback(self, ax: Any = None) -> AcquisitionDisplay:
        """Draw the days until the margin has paid the cost; what is not paid within the horizon reaches its edge."""
        if "payback_days" not in self.table:
            raise ValueError("there is no payback: give acquisition_cost cumulative_margin or margin_per_day.")
        ax, places = self._axes(ax)
        v = self.table
        days, low, high = (v[f"payback_{name}"].to_numpy(dtype=np.float64) for name in ("days", "low", "high"))
        finite = np.concatenate([part[np.isfinite(part)] for part in (days, low, high)])
        edge = self.horizon if self.horizon is not None and np.isfinite(self.horizon) else None
        edge = float(edge) if edge else 1.1 * float(finite.max(initial=1.0))
        paid = np.isfinite(days)
        ax.barh(places[paid], days[paid], 0.6, color=COLOURS["model"], label="paid back")
        if (~paid).any():
            ax.barh(
                places[~paid],
                edge,
                0.6,
                color="white",
                edgecolor=COLOURS["quiet"],
                hatch="///",
                label="not within horizon",
            )
        some = np.isfinite(low)
        ends = np.where(np.isfinite(high), high, edge)
        ax.hlines(places[some], low[some], ends[some], color=COLOURS["actual"], linewidth=1.5)
        open_ = some & np.isinf(high)
        ax.scatter(np.full(int(open_.sum()), edge), places[open_], marker=">", color=COLOURS["actual"], zorder=3)
        ax.set_xlim(0, 1.04 * edge)
        if (~paid).any():
            ax.legend(frameon=False, fontsize=9, loc="best")
        tidy(ax, title=f"Days until the cost is paid, {100 * self.level:g} % intervals{self._more()}", x="days", y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def plot_both(self) -> AcquisitionDisplay:
        """Draw both beside each other on a new figure."""
        figure = new_figure(12.0, 1.6 + 0.34 * len(self.table))
        left, right = figure.subplots(1, 2)
        self.plot(left)
        self.plot_payback(right)
        self.ax_, self.figure_ = left, figure
        take_literally(self.ax_)
        return self


def _labels(names: Any) -> list[str]:
    """Return short names that differ: those that look alike when cut get their row."""
    labels = [shorten(name, WIDTH) for name in names]
    times = Counter(labels)
    return [
        label if times[label] == 1 else shorten(f"({row}) {label}", WIDTH) for row, label in enumerate(labels, start=1)
    ]
