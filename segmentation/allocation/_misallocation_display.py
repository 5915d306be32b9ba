"""Pictures of misallocation: the way from today to the plan by cause, and what changes in each segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, number
from segmentation._plotting import COLOURS, axes_or_new, new_figure, shorten, take_literally, tidy

if TYPE_CHECKING:
    from segmentation.allocation._misallocation_result import Misallocation

__all__ = ["MisallocationDisplay", "SegmentChangeDisplay", "distinct"]

MAX_SEGMENTS = 30
WIDTH = 28


def distinct(names: Sequence[Any]) -> list[str]:
    """Return short names that differ: those that look alike when cut get their row."""
    labels = [shorten(name, WIDTH) for name in names]
    times = Counter(labels)
    return [label if times[label] == 1 else shorten(f"({k}) {label}", WIDTH) for k, label in enumerate(labels, start=1)]


def whiskers(ax: Any, place: float, low: float, high: float) -> None:
    """Draw an interval over a bar; nothing where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return
    ax.plot([low, high], [place, place], color=COLOURS["actual"], linewidth=1.2, solid_capstyle="butt", zorder=4)
    for end in (low, high):
        ax.plot([end, end], [place - 0.12, place + 0.12], color=COLOURS["actual"], linewidth=1.2, zorder=4)


@dataclass
class MisallocationDisplay:
    """The way from today's outcome to that of the plan, cause by cause, and the cost against the unknown optimum.

    Attributes
    ----------
    steps : pandas.DataFrame
        One row per bar, from top to bottom: ``start``, ``end`` (outcome above today's), ``low``, ``high`` (interval of
        the end, the start held), ``kind`` ("cause", "plan" or "optimum").
    title, what : str
    ax_, figure_
        After `plot`.
    """

    steps: pd.DataFrame
    title: str
    what: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_misallocation(cls, misallocation: Misallocation) -> MisallocationDisplay:
        """Take the figures from a result; causes that are exactly 0 are left out."""
        rows: list[dict[str, Any]] = []
        at = 0.0
        size = max(abs(misallocation.gain.value), misallocation.cost.value, 1e-300)
        for cause, row in misallocation.by_cause.iterrows():
            amount = float(row["amount"])
            if abs(amount) <= 1e-9 * size and not (row["high"] > row["low"]):
                continue
            rows.append(
                {"name": str(cause), "start": at, "end": at + amount, "low": at + row["low"], "high": at + row["high"],
                 "kind": "cause"}
            )  # fmt: skip
            at += amount
        gain, cost = misallocation.gain, misallocation.cost
        rows.append(
            {"name": "recommended plan", "start": 0.0, "end": gain.value, "low": gain.low, "high": gain.high,
             "kind": "plan"}
        )  # fmt: skip
        rows.append(
            {"name": "best split (unknown)", "start": 0.0, "end": cost.value, "low": cost.low, "high": cost.high,
             "kind": "optimum"}
        )  # fmt: skip
        settings = misallocation.settings
        period = f" {settings['period']}" if settings["period"] else ""
        low = f"; lines: {100 * settings['level']:g} % intervals" if np.isfinite(gain.low) else ""
        title = f"What today's split costs: about {number(cost.value)}{period}"
        return cls(
            pd.DataFrame(rows).set_index("name"),
            title,
            f"outcome above today's{period}{low}".replace("today's ", "today's, ", 1),
        )

    def plot(self, ax: Any = None) -> MisallocationDisplay:
        """Draw on the axes given, or on new ones."""
        n = len(self.steps)
        ax = axes_or_new(ax, 7.5, 1.5 + 0.5 * n)
        colours = {"cause": COLOURS["first"], "plan": COLOURS["model"], "optimum": COLOURS["quiet"]}
        places = np.arange(n)[::-1]
        for place, (_, row) in zip(places, self.steps.iterrows(), strict=True):
            ax.barh(place, row["end"] - row["start"], 0.6, left=row["start"], color=colours[row["kind"]], zorder=2)
            whiskers(ax, place, row["low"], row["high"])
            if row["kind"] == "cause":
                ax.plot([row["end"], row["end"]], [place - 1.3, place], color=COLOURS["quiet"], linewidth=0.8, zorder=1)
        span = float(np.nanmax(self.steps[["start", "end", "low", "high"]].to_numpy())) - min(
            0.0, float(np.nanmin(self.steps[["start", "end", "low", "high"]].to_numpy()))
        )
        for place, (_, row) in zip(places, self.steps.iterrows(), strict=True):
            right = float(np.nanmax([row["start"], row["end"], row["high"]]))
            ax.text(right + 0.015 * span, place, number(float(row["end"] - row["start"])), va="center", fontsize=9)
        ax.axvline(0, color=COLOURS["actual"], linewidth=1)
        ax.margins(x=0.12)
        ax.set_yticks(places, list(self.steps.index))
        ax.set_ylim(-0.7, n - 0.3)
        tidy(ax, title=self.title, x=self.what, y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self


@dataclass
class SegmentChangeDisplay:
    """What each segment gets today and in the plan, and beside it what that changes, with intervals.

    Attributes
    ----------
    values : pandas.DataFrame
        One row per segment drawn, from top to bottom: ``today``, ``plan``, ``change``, ``low``, ``high``.
    what, title : str
    axes_, figure_
        After `plot`.
    """

    values: pd.DataFrame
    what: str
    title: str
    axes_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_misallocation(
        cls, misallocation: Misallocation, *, resource: str | None = None, max_segments: int = MAX_SEGMENTS
    ) -> SegmentChangeDisplay:
        """Take the figures from a result.

        Parameters
        ----------
        misallocation : Misallocation
        resource : str, optional
            What of each segment is drawn; by default the first resource.
        max_segments : int, default=30
            Those that change most; the title says how many are left out.
        """
        names = list(misallocation.plan.problem.resources)
        name = names[0] if resource is None else resource
        if name not in names:
            raise ValueError(f"resource must be one of {name_some(names)}, got {resource!r}.")
        table = misallocation.by_segment
        order = np.argsort(-table["change"].abs().to_numpy(), kind="stable")[:max_segments]
        chosen = table.iloc[order].sort_values("change", ascending=False, kind="stable")
        values = pd.DataFrame(
            {
                "today": chosen[f"{name}_today"].to_numpy(),
                "plan": chosen[f"{name}_plan"].to_numpy(),
                "change": chosen["change"].to_numpy(),
                "low": chosen["change_low"].to_numpy(),
                "high": chosen["change_high"].to_numpy(),
            },
            index=pd.Index(distinct(list(chosen.index))),
        )
        unit = str(misallocation.plan.resources.loc[name, "unit"])
        left_out = len(table) - len(values)
        title = f"What each segment gets of {name}" + (f"; {left_out} more not drawn" if left_out else "")
        return cls(values, f"{name} ({unit})" if unit else name, title)

    def plot(self) -> SegmentChangeDisplay:
        """Draw on a new figure."""
        n = len(self.values)
        figure = new_figure(10.0, 1.5 + 0.36 * n)
        left, right = figure.subplots(1, 2, sharey=True)
        places = np.arange(n)[::-1]
        left.barh(places + 0.19, self.values["today"], 0.38, color=COLOURS["quiet"], label="today", zorder=2)
        left.barh(places - 0.19, self.values["plan"], 0.38, color=COLOURS["model"], label="recommended plan", zorder=2)
        left.set_yticks(places, list(self.values.index))
        left.set_ylim(-0.7, n - 0.3)
        tidy(left, title=self.title, x=self.what, y="")
        left.legend(frameon=False, loc="best", fontsize=9)
        right.barh(places, self.values["change"], 0.5, color=COLOURS["first"], zorder=2)
        for place, (_, row) in zip(places, self.values.iterrows(), strict=True):
            whiskers(right, place, row["low"], row["high"])
        right.axvline(0, color=COLOURS["actual"], linewidth=1)
        tidy(right, title="What that changes", x="outcome above today's", y="")
        self.axes_, self.figure_ = [left, right], figure
        take_literally(self.axes_)
        return self
