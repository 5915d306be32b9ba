"""What a backtest found: tables, sentences and pictures."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, money, percent
from segmentation._results import records
from segmentation.features import OrdersReport
from segmentation.scorers import _backtest_plots as plots

__all__ = ["CLVBacktest"]

METHODS = {
    "model": "the model",
    "historical_rate": "historical rate",
    "last_period": "last period again",
    "past_spend": "ranking by past spend",
}

WIDTH = 118


@dataclass(frozen=True, repr=False, eq=False)
class CLVBacktest:
    """What a scorer expected of a holdout period, what happened, and what naive forecasts expected.

    Two targets: ``"purchases"`` and, where amounts were named, ``"value"``. Four methods: ``"model"``,
    ``"historical_rate"``, ``"last_period"`` and, with amounts, ``"past_spend"``, which only ranks.

    Attributes
    ----------
    measures : pandas.DataFrame
        One row per target and method: ``target``, ``method``, ``predicted`` and ``actual`` (totals), ``ratio``
        (predicted / actual), ``bias`` (mean of predicted - actual, per customer), ``mae``, ``rmse``, ``gini`` (of the
        ranking, divided by that of the perfect ranking: 1 perfect, 0 as good as chance), ``best_decile`` (share of the
        actual total that the tenth of the customers with the highest predictions has), ``spearman``. NaN where a
        method only ranks.
    comparisons : pandas.DataFrame
        The model against each baseline: ``target``, ``measure``, ``baseline``, ``model_figure``, ``baseline_figure``,
        ``advantage`` (their difference, positive where the model is better), ``advantage_low``, ``advantage_high``
        and ``verdict``: ``"better"`` or ``"worse"`` where the interval leaves out 0, else ``"no difference to speak
        of"``. The measure ``total_error`` is ``abs(ratio - 1)``.
    calibration : pandas.DataFrame
        Customers in ten groups of equal size by prediction, 1 the lowest: ``target``, ``method``, ``decile``, ``n``,
        ``predicted_mean``, ``actual_mean``, ``actual_low``, ``actual_high``, ``ratio``.
    tracking : pandas.DataFrame
        Repeat purchases week by week, index ``week``: ``period`` (``"calibration"`` or ``"holdout"``), ``first_day``,
        ``last_day``, ``days`` (fewer than 7 at the two ends), ``actual``, ``model``, ``historical_rate``,
        ``last_period``, and the same with ``_cumulative``. NaN where there is no forecast.
    capture : pandas.DataFrame
        Share of the actual total (``caught``) that the best ``customers_share`` of the customers have, by
        ``target`` and ``method``; the method ``"perfect"`` ranks by what happened.
    customers : pandas.DataFrame
        Index ``customer_id``: ``purchases`` and ``value`` of the holdout, and each with ``_model``,
        ``_historical_rate`` and ``_last_period``; with amounts ``past_spend``.
    scorer : Scorer
        The scorer fitted to the calibration, its horizon that of the holdout.
    report : OrdersReport
        What became of every row of the orders.
    horizon_days, window_days : int
        Days of the holdout, and of the last period before it that is continued by ``"last_period"``.
    level : float
        Of the intervals.
    n_resamples : int
        Resamples of the customers behind ``comparisons``.
    notes : tuple of str
        What limits the result, in plain words, with the scorer's own diagnosis.
    """

    measures: pd.DataFrame
    comparisons: pd.DataFrame
    calibration: pd.DataFrame
    tracking: pd.DataFrame
    capture: pd.DataFrame
    customers: pd.DataFrame
    scorer: Any
    report: OrdersReport
    horizon_days: int
    window_days: int
    level: float
    n_resamples: int
    notes: tuple[str, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """``("purchases",)`` or ``("purchases", "value")``."""
        return tuple(self.measures["target"].unique())

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One sentence for each comparison of the model with a baseline."""
        return tuple(self._sentence(row) for row in self.comparisons.to_dict("records"))

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``measures``."""
        return self.measures.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that can be written as JSON: settings, tables as lists of rows, verdicts, notes."""
        tables = {
            "measures": self.measures,
            "comparisons": self.comparisons,
            "calibration": self.calibration,
            "tracking": self.tracking.reset_index(),
            "capture": self.capture,
        }
        return {
            "scorer": _described(self.scorer),
            "horizon_days": self.horizon_days,
            "window_days": self.window_days,
            "level": self.level,
            "n_resamples": self.n_resamples,
            "orders": self.report.to_dict(),
            **{name: records(table) for name, table in tables.items()},
            "verdicts": list(self.verdicts),
            "notes": list(self.notes),
        }

    def plot(self, figure: Any = None) -> Any:
        """Draw tracking, calibration and capture in one figure.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            To draw into, for instance ``matplotlib.figure.Figure(figsize=(12, 12), layout="constrained")`` in an
            application. By default a new one of pyplot.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed; the message has the command.
        """
        return plots.plot_all(self, figure)

    def plot_tracking(self, ax: Any = None, *, cumulative: bool = False) -> Any:
        """Draw weekly repeat purchases, what happened beside what was expected; return the matplotlib Axes.

        Incomplete weeks at the two ends are left out of the weekly picture. Cumulative forecasts of the holdout
        start at what happened up to its beginning.
        """
        return plots.plot_tracking(self, ax, cumulative=cumulative)

    def plot_calibration(self, ax: Any = None, *, target: str = "purchases") -> Any:
        """Draw the actual mean of each tenth of the customers over the predicted one; return the matplotlib Axes."""
        return plots.plot_calibration(self, ax, target=self._checked_target(target))

    def plot_capture(self, ax: Any = None, *, target: str = "purchases") -> Any:
        """Draw which share of the total the best customers of each ranking have; return the matplotlib Axes."""
        return plots.plot_capture(self, ax, target=self._checked_target(target))

    def _checked_target(self, target: str) -> str:
        if target in self.targets:
            return target
        named = " or ".join(repr(name) for name in self.targets)
        why = " There is no money here, because amount was not named." if target == "value" else ""
        raise ValueError(f"target must be {named}, got {target!r}.{why}")

    def figures(self, target: str, method: str = "model") -> dict[str, float]:
        """Return one row of ``measures`` as a dict.

        Parameters
        ----------
        target : {"purchases", "value"}
        method : {"model", "historical_rate", "last_period", "past_spend"}
        """
        rows = self.measures[self.measures["target"] == self._checked_target(target)].set_index("method")
        if method not in rows.index:
            raise ValueError(f"method must be one of {', '.join(map(repr, rows.index))}, got {method!r}.")
        values = rows.loc[method].drop("target").to_numpy(np.float64)
        return dict(zip(rows.columns.drop("target"), values.tolist(), strict=True))

    def __str__(self) -> str:
        lines = [self._headline(), *self._population()]
        for target in self.targets:
            lines += ["", self._total(target), *_indented(self._shown(target)), ""]
            lines += [self._intervals_title(), *_indented(self._against(target)), "", *self._best_decile(target)]
        lines += ["", *(f"note: {note}" for note in self.notes)]
        # tables are as wide as they are; sentences are folded
        return "\n".join(line if line.startswith("  ") else _folded(line) for line in lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(line)}</p>" for line in (self._headline(), *self._population())]
        for target in self.targets:
            shown = self._shown(target).to_html(escape=True, border=0)
            against = self._against(target).to_html(escape=True, border=0)
            parts += [f"<p><b>{html.escape(self._total(target))}</b></p>", shown]
            parts += [f"<p>{html.escape(line)}</p>" for line in self._best_decile(target)]
            parts += [f"<p>{html.escape(self._intervals_title())}</p>", against]
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return "".join([*parts, f"<p>Notes</p><ul>{notes}</ul>"])

    def _headline(self) -> str:
        report = self.report
        return (
            f"Backtest of {_described(self.scorer)}: calibration {report.observation_start} to "
            f"{report.calibration_end}, holdout {count(self.horizon_days, 'day')} to {report.observation_end}"
        )

    def _population(self) -> list[str]:
        report = self.report
        lines = [f"{count(report.n_customers, 'customer')} who bought in the calibration"]
        left_out = []
        if report.n_new_in_holdout_customers:
            left_out.append(f"{count(report.n_new_in_holdout_customers, 'customer')} who first bought in the holdout")
        if report.n_refund_only_customers:
            left_out.append(f"{count(report.n_refund_only_customers, 'customer')} with refunds and no purchase")
        if bad := report.n_missing_customer + report.n_bad_timestamp + report.n_bad_amount:
            left_out.append(f"{count(bad, 'row')} without a usable customer, date or amount")
        return [*lines, f"left out: {', '.join(left_out)}"] if left_out else lines

    def _total(self, target: str) -> str:
        """Say in one sentence how the total came out."""
        found = self.figures(target)
        noun = "purchases" if target == "purchases" else "spend"
        figure = _whole if target == "purchases" else money
        return (
            f"{noun.capitalize()} in the holdout: {figure(found['predicted'])} predicted, {figure(found['actual'])} "
            f"happened: the model {_direction(found['ratio'])}."
        )

    def _shown(self, target: str) -> pd.DataFrame:
        """Return the measures as text, one row per method."""
        rows = self.measures[self.measures["target"] == target].set_index("method").drop(columns="target")
        figure = _whole if target == "purchases" else money
        formats = {
            "predicted": ("predicted", figure),
            "ratio": ("pred/actual", "{:.2f}".format),
            "bias": ("bias", "{:+,.2f}".format),
            "mae": ("MAE", "{:,.2f}".format),
            "rmse": ("RMSE", "{:,.2f}".format),
            "gini": ("Gini", "{:.3f}".format),
            "best_decile": ("best decile", percent),
            "spearman": ("Spearman", "{:.3f}".format),
        }
        shown = {
            title: ["-" if math.isnan(value) else text(value) for value in rows[name]]
            for name, (title, text) in formats.items()
        }
        return pd.DataFrame(shown, index=[METHODS[str(name)] for name in rows.index])

    def _intervals_title(self) -> str:
        return (
            f"The model against each baseline; in brackets by how much it is better, {100 * self.level:.0f} % interval:"
        )

    def _against(self, target: str) -> pd.DataFrame:
        """Return the verdicts as text, a row per measure and a column per baseline."""
        rows = self.comparisons[self.comparisons["target"] == target]
        names = list(dict.fromkeys(rows["baseline"]))
        cells = {(row["measure"], row["baseline"]): self._cell(row) for row in rows.to_dict("records")}
        return pd.DataFrame(
            [[cells.get((measure, name), "-") for name in names] for measure in _TITLES],
            index=list(_TITLES.values()),
            columns=[METHODS[name] for name in names],
        )

    def _cell(self, row: Mapping[Any, Any]) -> str:
        if math.isnan(row["advantage_low"]):
            return str(row["verdict"])
        verdict = "no difference" if row["verdict"].startswith("no") else row["verdict"]
        _, difference = _SHOWN[row["measure"]](row["target"] == "value")
        return f"{verdict} ({difference(row['advantage_low'])} to {difference(row['advantage_high'])})"

    def _best_decile(self, target: str) -> list[str]:
        chosen = (self.comparisons["target"] == target) & (self.comparisons["measure"] == "best_decile")
        return [self._sentence(row) for row in self.comparisons[chosen].to_dict("records")]

    def _sentence(self, row: Mapping[Any, Any]) -> str:
        """Compare the model with one baseline on one measure, in words."""
        value, name = row["target"] == "value", METHODS[row["baseline"]]
        show, difference = _SHOWN[row["measure"]](value)
        ours, theirs = show(row["model_figure"]), show(row["baseline_figure"])
        subject = _SUBJECTS[row["measure"]].format(what="spend" if value else "purchases")
        subject = subject[0].upper() + subject[1:]
        low, high = difference(row["advantage_low"]), difference(row["advantage_high"])
        said = row["verdict"] if row["verdict"].startswith(("no", "cannot")) else f"the model is {row['verdict']}"
        if math.isnan(row["advantage_low"]):
            return f"{subject}: model {ours}, {name} {theirs}: {said}."
        unit = " points" if difference is _points else ""
        interval = f"{100 * self.level:.0f} % interval of the advantage {low} to {high}{unit}"
        return f"{subject}: model {ours}, {name} {theirs}: {said} ({interval})."


def _folded(line: str) -> str:
    """Fold a sentence; a figure stays with its percent sign."""
    joined = line.replace(" %", "\u00a0%")
    return textwrap.fill(joined, WIDTH, subsequent_indent="    ", break_on_hyphens=False).replace("\u00a0%", " %")


def _indented(table: pd.DataFrame) -> list[str]:
    return [f"  {line}" for line in table.to_string().splitlines()]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _direction(ratio: float) -> str:
    """Say whether a total was over- or under-predicted, and by how much."""
    off = abs(ratio - 1)
    if off < 0.005:
        return "predicts the total to within half a percent"
    return f"{'over' if ratio > 1 else 'under'}-predicts by {percent(off)}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _signed(decimals: int) -> Any:
    return lambda difference: f"{difference:+,.{decimals}f}"


# How a measure and an advantage in it are written; the interval is that of the advantage.
_SHOWN: dict[str, Any] = {
    "total_error": lambda value: (percent, _points),
    "mae": lambda value: (money if value else "{:.3f}".format, _signed(2 if value else 3)),
    "rmse": lambda value: (money if value else "{:.3f}".format, _signed(2 if value else 3)),
    "gini": lambda value: ("{:.3f}".format, _signed(3)),
    "best_decile": lambda value: (percent, _points),
    "spearman": lambda value: ("{:.3f}".format, _signed(3)),
}
_TITLES = {
    "total_error": "total (points)",
    "mae": "MAE",
    "rmse": "RMSE",
    "gini": "Gini",
    "best_decile": "best decile (points)",
    "spearman": "Spearman",
}
_SUBJECTS = {
    "total_error": "total {what}, off by",
    "mae": "mean absolute error of a customer's {what}",
    "rmse": "root mean squared error of a customer's {what}",
    "gini": "Gini of the ranking by {what}",
    "best_decile": "share of the {what} caught by the best decile",
    "spearman": "rank correlation with the {what}",
}


def _described(scorer: Any) -> str:
    """Return the scorer as code, on one line."""
    return " ".join(repr(scorer).split())
