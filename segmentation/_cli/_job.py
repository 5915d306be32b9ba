"""The main job, from orders to segments in order of priority, out of the library's public parts."""

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._cli._errors import CommandError, one_line, refused_as
from segmentation._cli._files import Orders
from segmentation._format import count
from segmentation._notes import notes_of
from segmentation.compose import assign, score_customers
from segmentation.draws import sample_segments
from segmentation.exceptions import ColumnError, CustomerTableError, FitError, SegmentationWarning
from segmentation.features import OrdersReport, btyd_table, rfm_table
from segmentation.governance import suppress_small_cells
from segmentation.governance._anonymity import MINIMUM
from segmentation.prioritizers import ValuePrioritizer
from segmentation.profile import profile_segments
from segmentation.scorers import CLVScorer
from segmentation.segmenters import KMeansSegmenter

__all__ = ["Result", "Settings", "run"]

# The library's messages name its parameters; here they are arguments of the command.
ARGUMENTS = {"as_of": "--as-of", "refunds='net'": "--refunds net", "refunds='drop'": "--refunds drop"}

# Draws for the intervals of the segments' totals; fewer where there are many customers, whom they average over.
DRAWS, FEWEST_DRAWS, DRAWN_AT_MOST = 400, 100, 20_000_000

STEPS = ("counting purchases", "forming segments", "fitting customer value", "describing segments")


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    n_segments: int = 5
    as_of: dt.date | None = None
    horizon_days: int = 365
    refunds: Any = "net"
    purchase_model: Any = "mbg_nbd"
    annual_discount_rate: float = 0.0
    margin: float = 1.0
    random_state: int = 0
    minimum_cell: int = MINIMUM


@dataclass(frozen=True)
class Result:
    """What the job found.

    `customers` is indexed by customer: the assignment, the features, the scores; `segmenter` placed them; `purchases`
    is what the value model was fitted to. `profile` and `plan` are the library's tables, `published` both in one, in
    the order of the plan, small cells blanked where that was asked for, and `not_shown` says what was blanked.
    `no_value` says why there are no scores, and is None where there are; `diagnosis` is what the fit of the model found
    worth knowing.
    """

    report: OrdersReport
    segmenter: KMeansSegmenter
    customers: pd.DataFrame
    features: pd.DataFrame
    purchases: pd.DataFrame
    profile: pd.DataFrame
    plan: pd.DataFrame
    published: pd.DataFrame
    not_shown: tuple[str, ...]
    ranked_by: str
    no_value: str | None
    diagnosis: tuple[str, ...]

    @property
    def segments(self) -> pd.DataFrame:
        """One row per segment, first the one to act on first: the profile, the priorities, then the intervals."""
        table = self.published
        bounds = [name for name in self.profile.columns if name.endswith(("_low", "_high"))]
        return table[[*(name for name in table.columns if name not in bounds), *bounds]]

    @property
    def hidden(self) -> tuple[Any, ...]:
        """Segments of which nothing is shown."""
        return tuple(self.published.index[self.published["n_customers"].isna()])


def run(orders: Orders, settings: Settings, bar: Any) -> Result:
    """Run the job.

    Raises
    ------
    CommandError
        If the orders cannot be used, or there are more segments than customers.
    """
    bar.set_description_str(STEPS[0])
    features, purchases, report = _features(orders, settings)
    _check_size(len(features), settings.n_segments)
    _note_of_the_future(report, settings)
    _next(bar, STEPS[1])
    with refused_as(CustomerTableError, ColumnError):
        segmenter = KMeansSegmenter(settings.n_segments, random_state=settings.random_state).fit(features)
    segments = assign(segmenter, features)
    _next(bar, STEPS[2])
    scores, draws, no_value, diagnosis = _scores(purchases, segments, settings)
    _next(bar, STEPS[3])
    # Without a model, the past stands in for the future: what customers have spent, or how often they have bought.
    ranking = (
        scores if scores is not None else features[["total_spend" if "total_spend" in features else "n_purchases"]]
    )
    profile = profile_segments(segments, scores=ranking, features=features, draws=draws)
    ranked_by = f"{ranking.columns[0]}_total"
    plan = ValuePrioritizer(by=ranked_by).prioritize(profile)
    published, not_shown = _published(profile, plan, segments, features, settings.minimum_cell)
    bar.update()
    tables = [segments, features] if scores is None else [segments, features, scores]
    return Result(
        report=report,
        segmenter=segmenter,
        customers=pd.concat(tables, axis=1),
        features=features,
        purchases=purchases,
        profile=profile,
        plan=plan,
        published=published,
        not_shown=not_shown,
        ranked_by=ranked_by,
        no_value=no_value,
        diagnosis=diagnosis,
    )


def _published(
    profile: pd.DataFrame, plan: pd.DataFrame, segments: pd.DataFrame, features: pd.DataFrame, minimum: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return profile and plan in one, without figures about fewer than `minimum` customers, and what is blanked."""
    table = profile.loc[plan.index].join(plan)
    if minimum < 2:  # nobody is fewer than one customer
        return table, ()
    shown = suppress_small_cells(table, minimum, assignment=segments, features=features)
    blanked = tuple(note for note in notes_of(shown) if note not in notes_of(profile))
    counts = [name for name in shown.columns if name == "n_customers" or name.endswith("_n")]
    # counts stay whole numbers, also where some are blank
    return pd.DataFrame(shown).astype(dict.fromkeys(counts, "Int64")) if blanked else table, blanked


def _next(bar: Any, what: str) -> None:
    bar.update()
    bar.set_description_str(what)


def _features(orders: Orders, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame, OrdersReport]:
    columns: dict[str, Any] = orders.columns
    # A TypeError here is a column of a kind that the library does not take.
    with refused_as(ValueError, TypeError, words=ARGUMENTS):
        features, report = rfm_table(
            orders.table, **columns, as_of=settings.as_of, refunds=settings.refunds, return_report=True
        )
        purchases, _ = btyd_table(
            orders.table, **columns, observation_end=settings.as_of, refunds=settings.refunds, return_report=True
        )
    return features, purchases, report


def _note_of_the_future(report: OrdersReport, settings: Settings) -> None:
    """Say where the last order lies after today: one mistyped year makes everybody look long gone."""
    if settings.as_of is None and report.observation_end > dt.date.today():
        warnings.warn(
            f"the last order is dated {report.observation_end}, after today, and everything is counted from that day; "
            "if it is a typing error, give --as-of with the last day that is right, or correct the order.",
            SegmentationWarning,
            stacklevel=2,
        )


def _check_size(n_customers: int, n_segments: int) -> None:
    if n_segments > n_customers:
        raise CommandError(
            f"{count(n_customers, 'customer')} cannot make {count(n_segments, 'segment')}: "
            f"give --segments {n_customers} or fewer."
        )


def _scores(
    purchases: pd.DataFrame, segments: pd.DataFrame, settings: Settings
) -> tuple[pd.DataFrame | None, pd.DataFrame | None, str | None, tuple[str, ...]]:
    """Return the scores and draws of the segments' totals, why there are none, and what the fit found worth knowing."""
    scorer = CLVScorer(
        settings.purchase_model,
        spend_model="gamma_gamma" if "monetary_value" in purchases else None,
        horizon_days=settings.horizon_days,
        annual_discount_rate=settings.annual_discount_rate,
        margin=settings.margin,
    )
    try:
        scorer.fit(purchases)
    except FitError as error:
        return None, None, one_line(error), ()
    n_draws = min(DRAWS, max(FEWEST_DRAWS, DRAWN_AT_MOST // len(purchases)))
    draws = sample_segments(
        scorer, purchases, segments, n_draws=n_draws, random_state=settings.random_state, progress_bar=False
    )
    return score_customers(scorer, purchases), draws, None, scorer.diagnosis_
