"""Pictures of response curves: the curve, its band, the data by effort, chosen efforts with their marginal lines."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from segmentation._format import count, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.curves._base import ResponseCurve, check_efforts
from segmentation.curves._result import CurveFit

__all__ = ["CurveDisplay"]

Array = NDArray[np.float64]
N_POINTS = 201


class CurveDisplay:
    """One response curve as a picture; made by `from_fit` or `from_curve`.

    Attributes
    ----------
    effort, outcome : ndarray of shape (n_points,)
        The line; with a fit the baseline is part of the outcome.
    low, high : ndarray or None
        The band, where the curve has draws.
    bins : pandas.DataFrame or None
        The data by effort.
    marks : ndarray
        Efforts that are marked, each with the line of its slope.
    ax_, figure_
        After `plot`.
    """

    def __init__(
        self,
        curve: ResponseCurve,
        effort: Array,
        outcome: Array,
        *,
        low: Array | None,
        high: Array | None,
        baseline: float,
        level: float,
        bins: pd.DataFrame | None,
        marks: Array,
        title: str,
        seen: float | None,
    ) -> None:
        self.curve, self.effort, self.outcome, self.low, self.high = curve, effort, outcome, low, high
        self.baseline, self.level, self.bins, self.marks, self.title, self.seen = (
            baseline,
            level,
            bins,
            marks,
            title,
            seen,
        )

    @classmethod
    def from_curve(
        cls,
        curve: ResponseCurve,
        *,
        up_to: float | None = None,
        mark: ArrayLike = (),
        level: float = 0.9,
        name: str = "",
    ) -> Self:
        """Return the picture of a curve.

        Parameters
        ----------
        curve : ResponseCurve
        up_to : float, optional
            Highest effort drawn, by default one at which the curve has most of its rise.
        mark : float or array-like, optional
            Efforts to mark, such as today's and the planned one; the line through each has the slope there.
        level : float, default=0.9
        name : str
            For the title, such as the segment and the action.
        """
        marks = check_efforts(np.atleast_1d(np.asarray(mark, dtype=np.float64)), "mark")
        effort = np.linspace(0.0, _highest(curve, up_to, marks), N_POINTS)
        low, high = curve.interval(effort, level) if curve.draws is not None else (None, None)
        return cls(
            curve,
            effort,
            curve.value(effort),
            low=low,
            high=high,
            baseline=0.0,
            level=level,
            bins=None,
            marks=marks,
            title=name,
            seen=None,
        )

    @classmethod
    def from_fit(cls, fit: CurveFit, *, up_to: float | None = None, mark: ArrayLike = (), name: str = "") -> Self:
        """Return the picture of a fit, with the mean outcome of the rows by effort; see `from_curve`."""
        marks = check_efforts(np.atleast_1d(np.asarray(mark, dtype=np.float64)), "mark")
        seen = float(fit.settings["effort_high"])
        level = float(fit.settings["level"])
        effort = np.linspace(0.0, max(seen if up_to is None else up_to, *marks, 0.0), N_POINTS)
        total = fit.draws["baseline"].to_numpy()[:, None] + fit.curve.value_draws(effort)
        low, high = np.quantile(total, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return cls(
            fit.curve,
            effort,
            fit.baseline + fit.curve.value(effort),
            low=low,
            high=high,
            baseline=fit.baseline,
            level=level,
            bins=fit.bins,
            marks=marks,
            title=name,
            seen=seen,
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        ax = axes_or_new(ax)
        if self.low is not None:
            ax.fill_between(
                self.effort,
                self.low,
                self.high,
                color=COLOURS["model"],
                alpha=0.18,
                linewidth=0,
                label=f"{percent(self.level)} interval",
            )
        ax.plot(self.effort, self.outcome, color=COLOURS["model"], linewidth=2, label=f"{self.curve.family} curve")
        if self.bins is not None:
            self._draw_bins(ax)
        if self.seen is not None and self.effort[-1] > self.seen:
            ax.axvline(self.seen, color=COLOURS["quiet"], linewidth=1, linestyle=":", label="highest effort seen")
        for i, at in enumerate(self.marks):
            self._draw_mark(ax, float(at), "chosen effort and its slope" if i == 0 else None)
        above = " above no effort" if self.bins is None else ""
        tidy(ax, title=self._title(), x="effort", y=f"outcome{above}")
        ax.set_xlim(left=min(0.0, -0.02 * self.effort[-1]))
        ax.legend(frameon=False, fontsize=9)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _title(self) -> str:
        doubt = {True: "", False: "not randomized: an association", None: "not known to be causal"}
        parts = [shorten(self.title, 48) if self.title else "Response curve", doubt[self.curve.randomized]]
        return "\n".join(part for part in parts if part)

    def _draw_bins(self, ax: Any) -> None:
        bins: Any = self.bins
        inside = bins[bins["effort"] <= self.effort[-1]]
        ax.errorbar(
            inside["effort"],
            inside["outcome"],
            yerr=float(ndtri((1 + self.level) / 2)) * inside["standard_error"],
            fmt="o",
            color=COLOURS["actual"],
            markersize=4,
            linewidth=1,
            label=f"mean of {count(int(bins['n_rows'].sum()), 'row')} by effort",
        )

    def _draw_mark(self, ax: Any, at: float, label: str | None) -> None:
        value, slope = self.baseline + float(self.curve.value(at)), float(self.curve.slope(at))
        ax.plot([at], [value], "o", color=COLOURS["first"], markersize=8, zorder=4, label=label)
        if np.isfinite(slope):
            reach = 0.12 * self.effort[-1]
            x = np.array([max(at - reach, 0.0), at + reach])
            ax.plot(x, value + slope * (x - at), color=COLOURS["first"], linewidth=1.6, zorder=3)


def _highest(curve: ResponseCurve, up_to: float | None, marks: Array) -> float:
    """Return the highest effort to draw."""
    if up_to is not None:
        if not (np.isfinite(up_to) and up_to > 0):
            raise ValueError(f"up_to must be a finite effort above 0, got {up_to!r}.")
        return float(up_to)
    p = curve.parameters
    usual = {
        "exponential": lambda: 4.0 / p["rate"],
        "log": lambda: 10.0 / p["rate"],
        "power": lambda: 10.0,
        "linear": lambda: 1.4 * p["cap"] if 0 < p["cap"] < np.inf else 10.0,
        "hill": lambda: 4.0 * p["half"],
    }.get(curve.family, lambda: 10.0)()
    return float(max(usual, 1.25 * marks.max() if marks.size else 0.0))
