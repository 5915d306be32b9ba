"""Checks of what `analyze_experiment` is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segmentation._format import name_some
from segmentation.experiments._analyze_aggregates import ExperimentAggregates
from segmentation.experiments._analyze_outcomes import Outcome, as_outcomes

__all__ = ["Request", "check_request", "of_aggregates", "untrimmed"]

ADJUST = ("auto", "lin", "cuped", "none")
VARIANCE = ("auto", "arms", "hc2", "hc3", "cr2", "cr1")
OVERALL = ("auto", "plain", "stratified")


@dataclass(frozen=True)
class Request:
    """How to estimate."""

    adjust: str
    variance: str

    def resolve(self, covariates: bool, clustered: bool) -> Request:
        """Replace "auto" by what it means here."""
        adjust = ("lin" if covariates else "none") if self.adjust == "auto" else self.adjust
        if adjust in ("lin", "cuped") and not covariates:
            raise ValueError(f"adjust={adjust!r} needs covariates=: columns known before the experiment.")
        variance = ("cr2" if clustered else "arms") if self.variance == "auto" else self.variance
        if clustered and variance not in ("cr1", "cr2"):
            raise ValueError(
                f'with cluster= the variance is "cr2" or "cr1", got {variance!r}, which takes rows as single.'
            )
        if not clustered and variance in ("cr1", "cr2"):
            raise ValueError(f"variance={variance!r} needs cluster=: the column of what moves together.")
        if variance in ("hc2", "hc3") and adjust == "cuped":
            raise ValueError(f'variance={variance!r} is of a regression: use it with adjust="lin" or "none".')
        return Request(adjust, variance)


def check_request(
    level: float,
    power: float,
    adjust: str,
    variance: str,
    overall: str,
    covariates: Any,
    cluster: str | None,
    data: Any,
) -> Request:
    """Check single options."""
    for name, value in (("level", level), ("power", power)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0.5 <= value < 1:
            raise ValueError(f"{name} must be at least .5 and below 1, got {value!r}.")
    for name, choice, known in (
        ("adjust", adjust, ADJUST),
        ("variance", variance, VARIANCE),
        ("overall", overall, OVERALL),
    ):
        if choice not in known:
            raise ValueError(f"{name} must be one of {name_some(known, 6)}, got {choice!r}.")
    request = Request(adjust, variance)
    if not isinstance(data, ExperimentAggregates):
        request.resolve(bool(covariates), cluster is not None)
    return request


def of_aggregates(
    data: ExperimentAggregates, outcomes: Any, covariates: Sequence[str] | None, cluster: str | None,
    held_out: str | None,
) -> ExperimentAggregates:  # fmt: skip
    """Choose outcomes and covariates from aggregates."""
    made = data
    if held_out is not None and data.settings["held_out"] != held_out:
        raise ValueError(
            f"the aggregates are not known to hold only customers with {held_out!r}: give held_out= where they "
            "are made "
            "(aggregate_experiment, or from_table for a saved one)."
        )
    if outcomes is not None:
        made = _with_outcomes(made, outcomes)
    if covariates is not None:
        wanted = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        absent = [name for name in wanted if name not in made.covariates]
        if absent:
            raise ValueError(
                f"the aggregates were made without {name_some(absent)} (they have "
                f"{name_some(made.covariates) or 'none'}): "
                "aggregate the rows again with covariates=."
            )
        made = _with_covariates(made, wanted)
    if cluster is not None and not data.clustered:
        raise ValueError(
            "the aggregates were made without cluster=: sums per cluster are needed, aggregate the rows again."
        )
    return made


def _with_outcomes(data: ExperimentAggregates, outcomes: Any) -> ExperimentAggregates:
    known = {outcome.label: outcome for outcome in data.outcomes}
    chosen = []
    for outcome in as_outcomes(outcomes):
        if outcome.trim is not None:
            raise ValueError(
                f"{outcome.label!r}: a trimmed mean needs the sorted values of every arm, which no aggregates "
                "hold. Give "
                "rows, or make aggregates with cap= (a fixed amount)."
            )
        if outcome.label not in known:
            reason = ", whose sums are those of the logs" if outcome.log else ""
            raise ValueError(
                f"the aggregates hold {name_some(known, 12)}, not {outcome.label!r}{reason}: aggregate the rows "
                "again with it."
            )
        chosen.append(known[outcome.label])
    moments = {outcome.label: data.moments[outcome.label] for outcome in chosen}
    return replace(data, outcomes=tuple(chosen), moments=moments)


def _with_covariates(data: ExperimentAggregates, wanted: tuple[str, ...]) -> ExperimentAggregates:
    from segmentation.experiments._moments import Moments

    places = [data.covariates.index(name) for name in wanted]
    moments = {}
    for outcome in data.outcomes:
        m, first = data.moments[outcome.label], 2 if outcome.per else 1
        keep = [*range(first), *(first + place for place in places)]
        moments[outcome.label] = Moments(m.n, m.mean[:, keep], m.cross[:, keep][:, :, keep], m.origin[keep])
    return replace(data, covariates=wanted, moments=moments, n_missing_covariates=data.n_missing_covariates[:, places])


def untrimmed(outcomes: Any) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
    """Return the outcomes, and the same with trimmed ones as their plain columns, which counts are taken from."""
    stated = as_outcomes(outcomes)
    plain = tuple(
        outcome if outcome.trim is None else replace(outcome, trim=None, name=outcome.label) for outcome in stated
    )
    return stated, plain
