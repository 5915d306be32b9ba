"""Pictures of a backtest: week by week, calibration, and what the best customers of each ranking caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation import _plotting

if TYPE_CHECKING:
    from segmentation.scorers._backtest_result import CLVBacktest

__all__ = ["plot_all", "plot_calibration", "plot_capture", "plot_tracking"]

# Colour and line of each method: they differ in both, so a print in grey can be read too.
LOOKS: dict[str, dict[str, Any]] = {
    "actual": {"color": _plotting.COLOURS["actual"], "linewidth": 1.6},
    "model": {"color": _plotting.COLOURS["model"], "linewidth": 2.2},
    "historical_rate": {"color": _plotting.COLOURS["first"], "linewidth": 1.4, "linestyle": "--"},
    "last_period": {"color": _plotting.COLOURS["second"], "linewidth": 1.4, "linestyle": "-."},
    "past_spend": {"color": _plotting.COLOURS["third"], "linewidth": 1.4, "linestyle": (0, (1, 1))},
    "perfect": {"color": _plotting.COLOURS["quiet"], "linewidth": 1.2},
}
NAMES = {
    "actual": "happened",
    "model": "model",
    "historical_rate": "historical rate",
    "last_period": "last period again",
    "past_spend": "past spend",
    "perfect": "perfect ranking",
}
WEEK = 7


def plot_all(result: CLVBacktest, figure: Any = None) -> Any:
    """Draw one row of two panels for tracking and one for each target."""
    rows = 1 + len(result.targets)
    if figure is None:
        figure = _plotting.new_figure(12.5, 4.3 * rows)
        figure.get_layout_engine().set(wspace=0.06)  # labels at the right of a panel are not the next one's
    axes = figure.subplots(rows, 2, squeeze=False)
    plot_tracking(result, axes[0, 0], cumulative=False)
    plot_tracking(result, axes[0, 1], cumulative=True)
    for row, target in enumerate(result.targets, 1):
        plot_calibration(result, axes[row, 0], target=target)
        plot_capture(result, axes[row, 1], target=target)
    return figure


def plot_tracking(result: CLVBacktest, ax: Any, *, cumulative: bool) -> Any:
    """Draw repeat purchases by week; the cut is a vertical line."""
    ax = _plotting.axes_or_new(ax, 8.0)
    weeks = result.tracking
    days = pd.to_datetime(weeks["last_day"])
    shown = np.ones(len(weeks), dtype=bool) if cumulative else (weeks["days"] == WEEK).to_numpy()
    past = (weeks["period"] == "calibration").to_numpy()
    ends = []
    for name in ("actual", "model", "historical_rate", "last_period"):
        column = weeks[f"{name}_cumulative" if cumulative else name].to_numpy()
        there = shown & np.isfinite(column)
        if there.any():
            # forecasts of the holdout start anew at what had happened by then: two lines, not one with a step
            parts = [past, ~past] if cumulative and name != "actual" else [np.ones(len(weeks), dtype=bool)]
            for part in parts:
                ax.plot(days[there & part].to_numpy(), column[there & part], **LOOKS[name])
            ends.append((NAMES[name], _end_height(column[there], name, cumulative), LOOKS[name]["color"]))
    ax.set_ylim(bottom=0)
    _mark_cut(ax, pd.Timestamp(weeks.loc[weeks["period"] == "calibration", "last_day"].iloc[-1]))
    _plotting.tidy(
        ax,
        title="Repeat purchases since the beginning" if cumulative else "Repeat purchases per week",
        x="week ending",
        y="purchases" if cumulative else "purchases per week",
    )
    _plotting.date_ticks(ax)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    _plotting.label_lines(ax, _plotting.date_number(days.iloc[-1]), ends)
    return ax


def _end_height(values: Any, name: str, cumulative: bool) -> float:
    """Return where a line ends; the jagged one of single weeks at the mean of its last month."""
    return float(np.mean(values[-4:]) if name == "actual" and not cumulative else values[-1])


def _mark_cut(ax: Any, cut: pd.Timestamp) -> None:
    ax.axvline(cut, color=_plotting.COLOURS["quiet"], linewidth=1)
    for text, offset, side in (("calibration ", -4, "right"), ("holdout", 4, "left")):
        ax.annotate(
            text.strip(),
            (_plotting.date_number(cut), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(offset, -3),
            textcoords="offset points",
            ha=side,
            va="top",
            fontsize=8,
            color="#595959",
        )


def plot_calibration(result: CLVBacktest, ax: Any, *, target: str) -> Any:
    """Draw actual over predicted means by tenth; on the diagonal both agree."""
    ax = _plotting.axes_or_new(ax, 6.0, 5.0)
    table = result.calibration[result.calibration["target"] == target]
    ours = table[table["method"] == "model"]
    top = max(table["predicted_mean"].max(), table["actual_high"].max()) * 1.08
    bottom = min(0.0, float(table["predicted_mean"].min()), float(table["actual_low"].min())) * 1.08
    ax.plot([bottom, top], [bottom, top], color=_plotting.COLOURS["quiet"], linewidth=1, zorder=1, label="as predicted")
    for name, marker in (("historical_rate", "s"), ("last_period", "^")):
        other = table[table["method"] == name]
        colour = LOOKS[name]["color"]
        ax.scatter(
            other["predicted_mean"],
            other["actual_mean"],
            s=26,
            marker=marker,
            facecolor="none",
            edgecolor=colour,
            label=NAMES[name],
            zorder=2,
        )
    mean = ours["actual_mean"].to_numpy()
    spread = np.vstack([mean - ours["actual_low"], ours["actual_high"] - mean])
    ax.errorbar(
        ours["predicted_mean"],
        mean,
        yerr=spread,
        fmt="o",
        color=LOOKS["model"]["color"],
        capsize=2,
        label=f"model, {100 * result.level:.0f} % interval of what happened",
        zorder=3,
    )
    ax.set_xscale("function", functions=(_root, _squared))
    ax.set_yscale("function", functions=(_root, _squared))
    for axis in (ax.xaxis, ax.yaxis):
        _round_ticks(axis, bottom, top)
    ax.set_xlim(bottom, top)
    ax.set_ylim(bottom, top)
    what = "purchases" if target == "purchases" else "spend"
    _plotting.tidy(
        ax,
        title=f"Tenths of customers by predicted {what}",
        x=f"predicted {what} per customer, root scale",
        y=f"actual {what} per customer, root scale",
    )
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], loc="upper left", frameon=False, fontsize=8)
    return ax


def _round_ticks(axis: Any, bottom: float, top: float) -> None:
    """Put ticks at round values, for a scale by the square root: most tenths buy little, and one buys much."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    step = 10.0 ** np.floor(np.log10(top))
    rounds = np.array([0.1, 0.5, 1, 2, 4, 6, 8]) * step
    ticks = np.concatenate([-rounds[::-1], [0.0], rounds])
    axis.set_major_locator(FixedLocator(ticks[(ticks >= bottom) & (ticks <= top)].tolist()))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _squared(values: Any) -> Any:
    return np.sign(values) * np.square(values)


def plot_capture(result: CLVBacktest, ax: Any, *, target: str) -> Any:
    """Draw the share of the total that the best customers of each ranking have."""
    ax = _plotting.axes_or_new(ax, 6.5, 5.0)
    table = result.capture[result.capture["target"] == target]
    ax.plot([0, 100], [0, 100], color="#CFCFCF", linewidth=1)
    ax.axvline(10, color=_plotting.COLOURS["quiet"], linewidth=0.8, linestyle=":")
    order = [
        name
        for name in ("perfect", "past_spend", "last_period", "historical_rate", "model")
        if (table["method"] == name).any()
    ]
    lines = {}
    for name in order:
        rows = table[table["method"] == name]
        label = NAMES[name]
        best = rows.loc[np.isclose(rows["customers_share"], 0.1), "caught"].iloc[0]
        (lines[name],) = ax.plot(
            100 * rows["customers_share"], 100 * rows["caught"], **LOOKS[name], label=f"{label}: {100 * best:.1f} %"
        )
    ax.set_xlim(0, 100)
    ax.set_ylim(0, max(102.0, 102 * float(table["caught"].max())))
    what = "purchases" if target == "purchases" else "spend"
    _plotting.tidy(
        ax,
        title=f"Share of the {what} of the best-ranked customers",
        x="best-ranked customers, % of all",
        y=f"% of the holdout's {what}",
    )
    ax.legend(
        handles=list(lines.values())[::-1],
        loc="lower right",
        frameon=False,
        fontsize=8.5,
        title="caught by the best tenth",
        title_fontsize=8.5,
        alignment="left",
    )
    return ax
