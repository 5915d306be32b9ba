"""What caution costs and what it buys, in figures and a picture."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import number, percent
from segmentation._plotting import COLOURS, axes_or_new, take_literally, tidy
from segmentation._results import Result
from segmentation.allocation._risk import CVaR, Quantile, Risk

__all__ = ["RiskDisplay", "RiskReport", "report_on"]

Array = NDArray[np.float64]
THIS = "this plan"
NEUTRAL = "highest mean"
# Share of the draws that the picture shows: a few very high ones would squeeze the rest.
SEEN = 0.99
DRAWN = (COLOURS["model"], COLOURS["first"], COLOURS["quiet"])


@dataclass(frozen=True, eq=False, repr=False)
class RiskReport(Result):
    """A plan chosen with an eye on risk, beside the plan with the highest mean.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``plan``: "this plan", "highest mean" (the plan that is neutral to risk; not where that is this plan) and
        "curves taken as known" (the plan without draws). Columns, all over the draws of the curves:

        ``criterion``
            What was maximised.
        ``mean``, ``standard_deviation``
            Of the total.
        ``quantile``, ``worst_mean``
            The total that is missed in ``settings["share"]`` of the draws only, and the mean over these worst draws.
        ``p_below_mean_plan``
            Share of draws that bring less than the mean of the plan with the highest mean.
        ``p_below_target``
            Share of draws that bring less than the target; NaN without one.
    price_of_caution, price_low, price_high : float
        Mean given up against the plan with the highest mean; interval of equal tails of the draw-wise difference (what
        one would be seen to have given up, which may be less than nothing).
    draws : dict of str to ndarray of shape (n_draws,)
        Totals of each plan.
    bound : float
        What no plan's criterion exceeds.
    settings, warnings
    """

    table: pd.DataFrame
    price_of_caution: float
    price_low: float
    price_high: float
    draws: Mapping[str, Array] = field(repr=False)
    bound: float
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def p_below(self, total: float) -> pd.Series[Any]:
        """Return for each plan the share of draws that bring less than a total: the risk of missing a goal."""
        goal = float(total)
        near = 1e-9 * abs(goal)
        return pd.Series({name: float((values < goal - near).mean()) for name, values in self.draws.items()}, name=goal)

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table.reset_index(),
            "price_of_caution": self.price_of_caution,
            "price_low": self.price_low,
            "price_high": self.price_high,
            "bound": self.bound,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        s, row = self.settings, _figures(self.table, THIS)
        return (
            f"Risk: {s['risk']} of {s['n_draws']:,} draws, {s['status']}: {number(row['criterion'])}; "
            f"mean {number(row['mean'])}, {100 * s['share']:g} % of draws below {number(row['quantile'])}"
        )

    def _lines(self) -> list[str]:
        row, s = _figures(self.table, THIS), self.settings
        lines = []
        if NEUTRAL in self.table.index:
            other = _figures(self.table, NEUTRAL)
            lines.append(
                f"Price of caution: {number(self.price_of_caution)} of the mean "
                f"({percent(self.price_of_caution / other['mean']) if other['mean'] else '0 %'}); by draw between "
                f"{number(self.price_low)} and {number(self.price_high)} ({100 * s['level']:g} %). It buys "
                f"{number(row['quantile'] - other['quantile'])} of the {100 * s['share']:g} % quantile and "
                f"{number(row['worst_mean'] - other['worst_mean'])} of the mean below it."
            )
        lines.append(f"Less than the highest mean in {percent(row['p_below_mean_plan'])} of the draws.")
        if s["target"] is not None:
            also = (
                f" (highest mean: {percent(_figures(self.table, NEUTRAL)['p_below_target'])})"
                if len(self.table) > 2
                else ""
            )
            lines.append(
                f"Less than the target of {number(s['target'])} in {percent(row['p_below_target'])} of the draws{also}."
            )
        return lines

    def __str__(self) -> str:
        shown = self.table if self.settings["target"] is not None else self.table.drop(columns="p_below_target")
        table = shown.to_string(float_format=lambda value: number(float(value)))
        return "\n".join([self._headline(), *self._lines(), "", table, *(f"Note: {w}" for w in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table = self.table.to_html(escape=True, float_format=lambda value: number(float(value)))
        return f"<p>{html.escape(self._headline())}</p><ul>{lines}</ul>{table}{notes}"

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw how the totals are spread over the draws; arguments as in `RiskDisplay.from_report`."""
        return RiskDisplay.from_report(self, **kwargs).plot(ax).ax_


def _figures(table: pd.DataFrame, plan: str) -> dict[str, float]:
    return {str(name): float(table[name].to_dict()[plan]) for name in table.columns}


def report_on(
    draws: Mapping[str, Array],
    *,
    risk: Risk,
    share: float,
    target: float | None,
    level: float,
    status: str,
    bound: float,
    warnings: tuple[str, ...],
) -> RiskReport:
    """Compute the figures from the totals of each plan by draw; the first is this plan."""
    neutral = draws.get(NEUTRAL, draws[THIS])
    highest = float(neutral.mean())
    # what rounding leaves is no shortfall
    near = 1e-9 * abs(highest)
    rows = [
        {
            "plan": name,
            "criterion": risk.of(totals),
            "mean": float(totals.mean()),
            "standard_deviation": float(totals.std()),
            "quantile": Quantile(share).of(totals),
            "worst_mean": CVaR(share).of(totals),
            "p_below_mean_plan": float((totals < highest - near).mean()),
            "p_below_target": np.nan if target is None else float((totals < target - near).mean()),
        }
        for name, totals in draws.items()
    ]
    difference = neutral - draws[THIS]
    low, high = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2])
    settings = {
        "risk": str(risk),
        "share": share,
        "target": target,
        "level": level,
        "n_draws": len(neutral),
        "status": status,
    }
    return RiskReport(
        table=pd.DataFrame(rows).set_index("plan"),
        price_of_caution=float(difference.mean()),
        price_low=float(low),
        price_high=float(high),
        draws=dict(draws),
        bound=bound,
        settings=settings,
        warnings=warnings,
    )


@dataclass
class RiskDisplay:
    """Share of draws that bring less than a total, for each plan: the lower the line on the left, the safer.

    The axis ends where the highest hundredth of the draws begins.

    Attributes
    ----------
    totals : dict of str to ndarray
        Sorted totals by plan.
    share : float
        The level at which a quantile is marked.
    target : float or None
    title : str
    ax_, figure_
        After `plot`.
    """

    totals: dict[str, Array]
    share: float
    target: float | None
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_report(cls, report: RiskReport) -> RiskDisplay:
        """Take the totals from a report.

        Parameters
        ----------
        report : RiskReport
        """
        totals = {name: np.sort(values) for name, values in report.draws.items()}
        title = f"What the plans bring over {report.settings['n_draws']:,} draws of the curves"
        return cls(totals, report.settings["share"], report.settings["target"], title)

    def plot(self, ax: Any = None) -> RiskDisplay:
        """Draw on the axes given, or on new ones."""
        ax = axes_or_new(ax, 7.0, 4.2)
        styles = ("-", "--", ":")
        for (name, values), colour, style in zip(self.totals.items(), DRAWN, styles, strict=False):
            ax.step(
                values,
                np.arange(1, len(values) + 1) / len(values),
                where="post",
                color=colour,
                linestyle=style,
                linewidth=2,
                label=f"{name}: mean {number(float(values.mean()))}",
            )
        marks = [] if self.target is None else [self.target]
        low = min([*marks, *(float(values[0]) for values in self.totals.values())])
        high = max([*marks, *(float(np.quantile(values, SEEN)) for values in self.totals.values())])
        ax.axhline(self.share, color=COLOURS["quiet"], linewidth=1)
        ax.text(0.01, self.share, f"{100 * self.share:g} %", transform=ax.get_yaxis_transform(), va="bottom", ha="left")
        if self.target is not None:
            ax.axvline(self.target, color=COLOURS["actual"], linewidth=1)
            side = "right" if self.target > 0.5 * (low + high) else "left"
            ax.text(self.target, 0.99, " target ", va="top", ha=side, transform=ax.get_xaxis_transform())
        ax.set_ylim(0, 1)
        margin = 0.03 * (high - low) or 1.0
        ax.set_xlim(low - margin, high + margin)
        tidy(ax, title=self.title, x="total", y="share of draws that bring less")
        ax.legend(frameon=False, loc="lower right", fontsize=9)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
