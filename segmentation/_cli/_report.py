"""The report that the main job writes: the library's own, of what the job found."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from segmentation._cli._files import Orders
from segmentation._cli._job import Result, Settings
from segmentation._cli._plan import Plan
from segmentation._format import percent
from segmentation.exceptions import ColumnError
from segmentation.governance._cells import score_groups
from segmentation.scorers import check_purchases

if TYPE_CHECKING:
    from segmentation.reporting import Report

__all__ = ["INSTALL", "is_possible", "missing", "report_of"]

NEEDED = ("jinja2", "matplotlib")
INSTALL = "pip install 'customer-segments[report]'"
LABELS = {
    "days_since_last_purchase": "days since the last purchase",
    "n_purchases": "number of purchases",
    "total_spend": "total spend",
    "clv": "customer lifetime value",
    "expected_purchases": "expected purchases",
}
MONEY = ("total_spend", "clv")


def missing() -> str:
    """Name the first package that a report needs and that is not installed; nothing if all are there."""
    return next((name for name in NEEDED if importlib.util.find_spec(name) is None), "")


def is_possible() -> bool:
    """Whether the packages that a report needs are installed."""
    return not missing()


def report_of(
    orders: Orders, result: Result, settings: Settings, notes: Iterable[tuple[str, str]], plan: Plan | None = None
) -> Report:
    """Return the report; `notes` are about the models, each with its label."""
    # not when the command starts: most of the library is behind them
    from segmentation.evaluation import describe_segments
    from segmentation.reporting import Report, personas

    profile = _first_score_only(result.profile, result.ranked_by.removesuffix("_total"))
    report = Report.from_segmentation(
        result.customers[["segment", "membership"]],
        profile,
        result.plan,
        features=result.features,
        title="Customer segments",
        text=_opening(orders, result, settings),
        minimum_cell=settings.minimum_cell,
    )
    description = describe_segments(
        result.customers["segment"],
        result.features,
        n_medoids=0,
        minimum=max(settings.minimum_cell, 1),
        random_state=settings.random_state,
    )
    people = personas(description, profile=profile, labels=LABELS, money=MONEY)
    report.add(people, "The segments in words", "Written by templates from the tables; nothing in it is guessed.")
    report.add(description, "What sets the segments apart")
    if plan is not None:
        _add_plan(report, plan)
    report.add(result.report, "The orders", "\n\n".join(orders.notes))
    _add_checks(report, result, settings)
    if listed := "\n".join(f"- {label}: {text}" for label, text in notes):
        report.add(listed, "What the models have to say")
    report.add(_settings_table(orders, result, settings), "The settings")
    return report


def _first_score_only(profile: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the profile without the scores of which the first is made; their sums say nothing more."""
    others = [name for name in score_groups(list(profile.columns)) if name != score]
    return profile.drop(columns=[column for name in others for column in score_groups(list(profile.columns))[name]])


def _opening(orders: Orders, result: Result, settings: Settings) -> str:
    features = ", ".join(LABELS[name] for name in result.features.columns)
    lines = [f"Orders: {orders.source}. Customers were put into segments by k-means on {features}."]
    if result.no_value is not None:
        lines.append(f"No customer lifetime value could be computed: {result.no_value}")
    elif "total_spend" in result.features:
        what = "revenue" if settings.margin == 1 else f"profit at a margin of {settings.margin:g}"
        text = f"clv is the expected {what} of the next {settings.horizon_days:,} days"
        if settings.annual_discount_rate:
            text += f", discounted at {percent(settings.annual_discount_rate)} a year"
        lines.append(f"{text}; intervals are of 90 %, from draws of the model.")
    else:
        lines.append(f"There are no amounts: expected purchases are those of the next {settings.horizon_days:,} days.")
    return "\n\n".join(lines)


def _add_plan(report: Report, plan: Plan) -> None:
    period = f"Outcomes are per {plan.period}." if plan.period else ""
    title, opening = "What each segment should get", plan.note
    if plan.is_example:
        title = f"Illustration: {title[0].lower()}{title[1:]}"
        opening = f"This shows what a plan looks like, and is no advice: {plan.note}."
    report.add(plan.allocation, title, "\n\n".join(text for text in (opening, period) if text), tables=["resources"])
    if plan.misallocation is not None:
        example = "Illustration: what" if plan.is_example else "What"
        report.add(plan.misallocation, f"{example} today's split costs", opening, tables=["by_segment", "by_cause"])


def _add_checks(report: Report, result: Result, settings: Settings) -> None:
    spend = "monetary_value" in result.purchases
    try:
        checks = check_purchases(result.purchases, horizon_days=settings.horizon_days, spend=spend)
    except (ColumnError, ValueError) as error:
        report.add(f"The purchases could not be checked: {error}", "Checks before the models")
    else:
        report.add(checks, "Checks before the models")


def _settings_table(orders: Orders, result: Result, settings: Settings) -> pd.DataFrame:
    values = {
        "orders": orders.source,
        "n_segments": settings.n_segments,
        "as_of": settings.as_of or f"day of the last order, {result.report.observation_end}",
        "horizon_days": settings.horizon_days,
        "refunds": settings.refunds,
        "purchase_model": settings.purchase_model,
        "annual_discount_rate": settings.annual_discount_rate,
        "margin": settings.margin,
        "random_state": settings.random_state,
        "minimum_cell": settings.minimum_cell,
        "ranked_by": result.ranked_by,
    }
    return pd.DataFrame({"value": pd.Series(list(values.values()), index=list(values), dtype=object)}).rename_axis(
        "setting"
    )
