"""Pictures of a plan: bars before and after, curves with the chosen points."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, number
from segmentation._plotting import COLOURS, axes_or_new, new_figure, shorten, take_literally, tidy

if TYPE_CHECKING:
    from segmentation.allocation._result import Allocation

__all__ = ["AllocationDisplay", "CurvesDisplay"]

MAX_ITEMS = 30
WIDTH = 28
MAX_CURVES = 12
POINTS = 200
REASON = 40
# An S-shaped curve is drawn to this share of its top; whole units are marked up to so many.
FLATTENED = 0.85
MAX_UNITS = 25


def _labels(table: pd.DataFrame) -> list[str]:
    """Return short names that differ: those that look alike when cut get their row."""
    one = len(set(table["action"])) == 1
    labels = [
        shorten(segment if one else f"{segment}, {action}", WIDTH)
        for segment, action in zip(table["segment"], table["action"], strict=True)
    ]
    times = Counter(labels)
    return [
        label if times[label] == 1 else shorten(f"({row}) {label}", WIDTH) for row, label in enumerate(labels, start=1)
    ]


@dataclass
class AllocationDisplay:
    """Bars of what each item takes of a resource in the plan, beside before or an equal split.

    Attributes
    ----------
    values : pandas.DataFrame
        One row per item drawn, columns ``other`` and ``plan``, in the order of the picture from top to bottom.
    other : str
        What the plan is compared with.
    what, title : str
    ax_, figure_
        After `plot`.
    """

    values: pd.DataFrame
    other: str
    what: str
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_allocation(
        cls,
        allocation: Allocation,
        *,
        resource: str | None = None,
        other: str | None = None,
        max_items: int = MAX_ITEMS,
    ) -> AllocationDisplay:
        """Take the figures from a plan.

        Parameters
        ----------
        allocation : Allocation
        resource : str, optional
            What of each item is drawn; by default the first resource.
        other : str, optional
            A split of ``allocation.comparison``; by default "current" where given, else the equal split.
        max_items : int, default=30
            The items that take the most; the title says how many are left out.
        """
        names = list(allocation.problem.resources)
        name = names[0] if resource is None else resource
        if name not in names:
            raise ValueError(f"resource must be one of {name_some(names)}, got {resource!r}.")
        splits = allocation.others
        if other is None:
            other = "current" if "current" in splits else next(iter(splits), "")
        elif other not in splits:
            raise ValueError(f"other must be one of {name_some(splits)}, got {other!r}.")
        j = names.index(name)
        before = allocation.problem.taken(splits[other])[:, j] if other else np.full(len(allocation.table), np.nan)
        values = pd.DataFrame({"other": before, "plan": allocation.table[name].to_numpy()})
        values.index = pd.Index(_labels(allocation.table))
        order = np.argsort(-values["plan"].to_numpy(), kind="stable")[:max_items]
        unit = str(allocation.resources.loc[name, "unit"])
        left_out = len(values) - len(order)
        title = f"What each gets of {name}" + (f"; {left_out} more not drawn" if left_out else "")
        return cls(values.iloc[order], other, f"{name} ({unit})" if unit else name, title)

    def plot(self, ax: Any = None) -> AllocationDisplay:
        """Draw on the axes given, or on new ones."""
        n = len(self.values)
        ax = axes_or_new(ax, 7.0, 1.4 + 0.36 * n)
        places = np.arange(n)[::-1]
        height = 0.38
        if self.other:
            ax.barh(places + height / 2, self.values["other"], height, color=COLOURS["quiet"], label=self.other)
        ax.barh(places - height / 2, self.values["plan"], height, color=COLOURS["model"], label="this plan")
        ax.set_yticks(places, list(self.values.index))
        ax.set_ylim(-0.7, n - 0.3)
        tidy(ax, title=self.title, x=self.what, y="")
        ax.legend(frameon=False, loc="best", fontsize=9)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self


@dataclass
class CurvesDisplay:
    """Response curves with the chosen point of each item and its marginal line.

    In an optimal plan the lines of funded items rise as much as what they take would bring elsewhere: with one resource
    and no bound in the way they are parallel.

    Attributes
    ----------
    curves : list of dict
        Per item drawn: ``label``, ``effort``, ``value`` (arrays), ``low``, ``high`` (arrays or None), ``chosen``,
        ``chosen_value``, ``slope``, ``other`` (the effort compared with, or NaN), ``units`` (efforts that take whole
        units, few enough to be marked), ``holds`` (why it is not funded stands in the title).
    other, title : str
    axes_, figure_
        After `plot`.
    """

    curves: list[dict[str, Any]]
    other: str
    title: str
    axes_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_allocation(
        cls, allocation: Allocation, *, other: str | None = None, max_items: int = MAX_CURVES
    ) -> CurvesDisplay:
        """Take curves and points from a plan: the items with the largest outcome.

        Parameters
        ----------
        allocation : Allocation
        other : str, optional
            A split of ``allocation.comparison`` whose efforts are marked too; by default "current" where given.
        max_items : int, default=12
        """
        splits = allocation.others
        if other is None:
            other = "current" if "current" in splits else ""
        elif other not in splits:
            raise ValueError(f"other must be one of {name_some(splits)}, got {other!r}.")
        table = allocation.table
        order = np.argsort(-table["outcome"].to_numpy(), kind="stable")[:max_items]
        labels = _labels(table)
        curves = []
        for i in order:
            chosen = float(table["effort"].iloc[i])
            compared = float(splits[other][i]) if other else np.nan
            curves.append(_points(allocation, int(i), labels[i], chosen, compared))
        left_out = len(table) - len(order)
        title = "Response curves, chosen points and marginal lines"
        return cls(curves, other, title + (f"; {left_out} more not drawn" if left_out else ""))

    def plot(self) -> CurvesDisplay:
        """Draw one small picture per item on a new figure."""
        n = len(self.curves)
        n_columns = min(n, 3)
        n_rows = -(-n // n_columns)
        figure = new_figure(3.3 * n_columns + 0.6, 2.5 * n_rows + 0.6)
        axes = np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel()
        for ax, item in zip(axes, self.curves, strict=False):
            _draw(ax, item, self.other)
        for ax in axes[n:]:
            ax.set_visible(False)
        figure.suptitle(self.title, x=0.01, ha="left", fontsize=11)
        self.axes_, self.figure_ = axes[:n], figure
        take_literally(self.axes_)
        return self


def _points(allocation: Allocation, i: int, label: str, chosen: float, compared: float) -> dict[str, Any]:
    curve = allocation.problem.curves[i]
    furthest = _furthest(allocation, i, chosen, compared)
    effort = np.linspace(0.0, furthest, POINTS)
    low, high = (None, None) if curve.draws is None else curve.interval(effort, allocation.settings["level"])
    units = _whole_units(allocation, i, furthest)
    return {
        "label": label,
        "effort": effort,
        "value": curve.value(effort),
        "low": low,
        "high": high,
        "chosen": chosen,
        "chosen_value": float(curve.value(chosen)),
        "slope": float(curve.slope(chosen)),
        "other": compared,
        "other_value": float(curve.value(compared)) if np.isfinite(compared) else np.nan,
        "units": units,
        "units_value": curve.value(units),
        "holds": str(allocation.table["holds"].iloc[i]),
    }


def _furthest(allocation: Allocation, i: int, chosen: float, compared: float) -> float:
    """Return how far a curve is drawn: beyond its points, of an S-shaped one to where it has flattened."""
    curve = allocation.problem.curves[i]
    furthest = 1.5 * max(chosen, compared if np.isfinite(compared) else 0.0)
    if furthest <= 0:
        # nothing was given: as far as all of the scarcest resource would go
        with np.errstate(divide="ignore", invalid="ignore"):
            use = allocation.problem.use[i]
            furthest = float(np.where(use > 0, allocation.problem.supply / use, np.inf).min())
        furthest = furthest if np.isfinite(furthest) and furthest > 0 else 1.0
    if not curve.concave:
        top = float(curve.value(1e12))
        while float(curve.value(furthest)) < FLATTENED * top:
            furthest *= 1.25
    return furthest


def _whole_units(allocation: Allocation, i: int, furthest: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the efforts that take whole units, where they are few enough to be seen."""
    use = allocation.problem.use[i, np.asarray(allocation.problem.integer)]
    use = use[use > 0]
    if len(use) != 1 or furthest * float(use[0]) > MAX_UNITS:
        return np.zeros(0)
    step = 1.0 / float(use[0])
    return np.arange(0.0, furthest * (1 + 1e-9), step)


def _draw(ax: Any, item: dict[str, Any], other: str) -> None:
    if item["low"] is not None:
        ax.fill_between(item["effort"], item["low"], item["high"], color=COLOURS["model"], alpha=0.15, linewidth=0)
    ax.plot(item["effort"], item["value"], color=COLOURS["model"])
    if len(item["units"]):
        ax.scatter(item["units"], item["units_value"], s=14, color=COLOURS["model"], zorder=2, label="whole units")
    reach = 0.25 * item["effort"][-1]
    highest = 1.12 * max(float(np.max(item["value"] if item["high"] is None else item["high"])), item["chosen_value"])
    if np.isfinite(item["slope"]):
        if item["slope"] > 0:
            # a steep line ends where the picture does
            reach = min(reach, max(highest - item["chosen_value"], 0.1 * highest) / item["slope"])
        ends = np.array([max(item["chosen"] - reach, 0.0), item["chosen"] + reach])
        line = item["chosen_value"] + item["slope"] * (ends - item["chosen"])
        ax.plot(ends, line, color=COLOURS["first"], linewidth=1.5)
    ax.scatter([item["chosen"]], [item["chosen_value"]], color=COLOURS["first"], zorder=3, label="this plan")
    if np.isfinite(item["other"]):
        ax.scatter(
            [item["other"]],
            [item["other_value"]],
            facecolor="white",
            edgecolor=COLOURS["actual"],
            zorder=3,
            label=other,
        )
    if np.isfinite(item["other"]) or len(item["units"]):
        ax.legend(frameon=False, fontsize=8, loc="lower right")
    said = item["holds"] if item["chosen"] <= 0 else f"next unit brings {number(item['slope'])}"
    tidy(ax, title=f"{item['label']}\n{textwrap.shorten(said, REASON, placeholder=' …')}", x="effort", y="outcome")
    if highest > 0:
        ax.set_ylim(0, highest)
