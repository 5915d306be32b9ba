"""A picture of returns over time: each period, and all so far with their interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._plotting import COLOURS, shorten, take_literally, tidy
from segmentation.monitoring._returns_panels import panel_axes
from segmentation.monitoring._returns_result import LedgerReturns, group_name

__all__ = ["ReturnsDisplay"]

MOST_PANELS = 12
MOST_TICKS = 5
# The scale does not follow the first intervals, which rest on two periods.
PERIODS_FOR_SCALE = 3
SINGLE_PERIODS_SHOWN = (0.02, 0.98)


class ReturnsDisplay:
    """A picture of `LedgerReturns` over time, a panel per group.

    Parameters
    ----------
    returns : LedgerReturns
    measure : {"auto", "gross", "incremental"}, default="auto"
        Outcome per 1 spent, or that beyond the control group; "auto" is the second where all the cost of every group
        drawn has a control group.
    n_groups : int, default=12
        So many groups, those of the largest cost; a line under the title says how many are left out.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`; with several panels, the first of them.
    drawn_ : pandas.DataFrame
        The rows of ``over_time`` drawn, with the name of their panel.

    Notes
    -----
    Dots are single periods, which have no interval. The line is the return of all periods so far, the band its
    interval; it begins with the second period and is cut off where it would hide the rest. Single periods far off the
    scale are triangles at its edge. The dashed line is the money back.
    """

    def __init__(self, returns: LedgerReturns, *, measure: str = "auto", n_groups: int = MOST_PANELS) -> None:
        if measure not in ("auto", "gross", "incremental"):
            raise ValueError(f"measure must be 'auto', 'gross' or 'incremental', got {measure!r}.")
        if isinstance(n_groups, bool) or not isinstance(n_groups, int | np.integer) or n_groups < 1:
            raise ValueError(f"n_groups must be a whole number of at least 1, got {n_groups!r}.")
        if measure == "incremental" and not returns.settings["control"]:
            raise ValueError("the ledger has no control groups; draw measure='gross'.")
        self.returns, self.measure, self.n_groups = returns, measure, int(n_groups)

    @classmethod
    def from_returns(cls, returns: LedgerReturns, **options: Any) -> ReturnsDisplay:
        """Make the picture of returns; options as for the class."""
        return cls(returns, **options)

    def plot(self, ax: Any = None) -> ReturnsDisplay:
        """Draw into `ax`, divided into panels where there are several groups, or into a new figure."""
        rows, left_out, without = self._rows()
        self.drawn_ = rows
        names = list(dict.fromkeys(rows["panel"]))
        incremental = self._incremental(rows)
        value, to_date = ("incremental_return", "incremental_to_date") if incremental else (
            "return_on_investment", "to_date",
        )  # fmt: skip
        axes, holder = panel_axes(ax, max(len(names), 1))
        low, high = _scale(rows, value, to_date)
        for panel, name in zip(axes, names, strict=False):
            own = rows[rows["panel"] == name]
            self._panel(panel, own, value, to_date, low, high)
            panel.set_title(shorten(name, 34), loc="left", fontsize=10)
        level = 100 * self.returns.settings["level"]
        what = "Return beyond the control group" if incremental else "Return"
        title = f"{what} per 1 spent: periods (dots), all so far with {level:g} % interval (line)"
        said = [f"{left_out} groups of smaller cost are not drawn"] if left_out else []
        said += [f"{count(without, 'group')} without cost or outcome not drawn"] if without else []
        holder(f"{title}\n{'; '.join(said)}" if said else title)
        axes[0].set_ylabel("per 1 spent")
        self.ax_, self.figure_ = axes[0], axes[0].figure
        take_literally(self.ax_)
        return self

    def _rows(self) -> tuple[pd.DataFrame, int, int]:
        """Return the rows drawn, how many groups were left out, and how many have nothing to draw."""
        table = self.returns.over_time.copy()
        by = [name for name in self.returns.settings["by"] if name != "period"]
        parts = [[group_name(value, name) for value in table[name]] for name in by]
        table["panel"] = [" / ".join(row) for row in zip(*parts, strict=True)] if parts else "everything"
        drawable = table.groupby("panel", sort=False)["return_on_investment"].apply(lambda own: bool(own.notna().any()))
        cost = table.groupby("panel", sort=False)["cost"].sum()[drawable].sort_values(ascending=False, kind="stable")
        chosen = set(cost.index[: self.n_groups])
        order = {name: i for i, name in enumerate(cost.index)}
        rows = table[table["panel"].isin(chosen)]
        rows = rows.iloc[np.argsort(rows["panel"].map(order).to_numpy(), kind="stable")].reset_index(drop=True)
        return rows, len(cost) - len(chosen), int((~drawable).sum())

    def _incremental(self, rows: pd.DataFrame) -> bool:
        if self.measure != "auto":
            return self.measure == "incremental"
        spent = rows[rows["cost"] > 0]
        return bool(len(spent)) and bool(spent["incremental_return"].notna().all())

    def _panel(self, ax: Any, own: pd.DataFrame, value: str, to_date: str, low: float, high: float) -> None:
        x = own["position"].to_numpy(dtype=np.float64)
        tidy(ax, title="", x="", y="")
        ax.axhline(1.0, color=COLOURS["quiet"], linestyle="--", linewidth=1.0)
        ax.fill_between(
            x, own[f"{to_date}_low"], own[f"{to_date}_high"], color=COLOURS["model"], alpha=0.2, linewidth=0
        )
        ax.plot(x, own[to_date], color=COLOURS["model"], linewidth=1.8)
        y = own[value].to_numpy(dtype=np.float64)
        inside = (y >= low) & (y <= high)
        for marker, these in (("o", inside), ("^", y > high), ("v", y < low)):
            if not these.any():
                continue
            ax.plot(
                x[these], np.clip(y[these], low, high), linestyle="none", marker=marker, markersize=4,
                color=COLOURS["actual"], clip_on=False,
            )  # fmt: skip
        ax.set_ylim(low, high)
        periods = self.returns.settings["periods"]
        n = len(periods)
        step = max(1, -(-n // MOST_TICKS))
        at = list(range(0, n, step))
        ax.set_xticks(at, [shorten(periods[i], 12) for i in at], fontsize=8)
        ax.set_xlim(-0.5, n - 0.5)
        ax.tick_params(axis="y", labelsize=8)


def _scale(rows: pd.DataFrame, value: str, to_date: str) -> tuple[float, float]:
    nth = rows.groupby("panel", sort=False).cumcount()
    later = rows[nth >= PERIODS_FOR_SCALE - 1]
    dots = rows[value].dropna().to_numpy()
    ends = np.quantile(dots, SINGLE_PERIODS_SHOWN) if len(dots) else []
    shown = np.concatenate([ends, later[to_date], later[f"{to_date}_low"], later[f"{to_date}_high"], [0.0, 1.0]])
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    room = 0.06 * (high - low)
    return (low - room if low < 0 else 0.0), high + room
