"""The table of comparisons: one row per segment, or one for all customers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segmentation.experiments._analyze_estimates import Compared, Estimator
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._effects import fieller
from segmentation.experiments._moments import Floats

__all__ = ["comparison_table"]

FEW_EVENTS = 30


def comparison_table(
    estimator: Estimator, outcome: Outcome, treated: int, compared: Compared, *, overall: bool, power: float,
    stratified: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Lay out one outcome and arm, with what each row needs said beside it."""
    lifts, level = compared.lifts, estimator.level
    n, missing, share = _counts(estimator, outcome, overall=overall)
    means = _plain_means(estimator, outcome, overall=overall)
    proportion = estimator.is_proportion(outcome)
    relative, rel_low, rel_high, rel_se = _relative(outcome, compared, level)
    with np.errstate(invalid="ignore"):
        reach = np.asarray(stats.t.ppf(0.5 + level / 2, lifts.df) + stats.t.ppf(power, lifts.df), dtype=float)
    made: dict[str, Any] = {"outcome": outcome.label, "arm": estimator.arms[treated]}
    if not overall:
        made["segment"] = estimator.segments
    made |= {
        "n_control": n[:, 0].astype(np.int64), "n_treated": n[:, treated].astype(np.int64),
        "n_missing": (missing[:, 0] + missing[:, treated]).astype(np.int64),
    }  # fmt: skip
    if compared.n_clusters is not None:
        made["n_clusters"] = compared.n_clusters
    made |= {
        "control": means[:, 0], "treated": means[:, treated], "lift": lifts.lift, "lift_low": compared.low,
        "lift_high": compared.high, "se": lifts.se, "df": lifts.df, "p_value": compared.p_value, "rel_lift": relative,
        "rel_lift_low": rel_low, "rel_lift_high": rel_high, "rel_se": rel_se, "detectable_lift": reach * lifts.se,
    }  # fmt: skip
    if compared.raw is not None and compared.raw_bounds is not None:
        low, high = compared.raw_bounds
        made |= {"raw_lift": compared.raw.lift, "raw_lift_low": low, "raw_lift_high": high, "raw_se": compared.raw.se}
    made["method"] = _method(estimator, outcome, proportion=proportion, stratified=stratified)
    made["note"] = _notes(
        n[:, [0, treated]],
        share[:, [0, treated]],
        compared,
        rel_high,
        relative,
        proportion=proportion,
        ratio=outcome.per is not None,
    )
    made["kind"] = "proportion" if proportion else "mean"
    return pd.DataFrame(made, index=range(len(lifts.lift)))


def _counts(estimator: Estimator, outcome: Outcome, *, overall: bool) -> tuple[Floats, Floats, Floats]:
    """Customers with and without the outcome, and its plain mean, by scope and arm."""
    scope, arm = estimator.codes()
    if overall:
        scope = np.zeros_like(scope)
    size = 1 if overall else len(estimator.segments)
    a = len(estimator.arms)
    inside = scope >= 0
    cell = scope[inside] * a + arm[inside]
    m = estimator.aggregates.moments[outcome.label]
    n = np.bincount(cell, m.n[inside], size * a)
    rows = np.bincount(cell, estimator.aggregates.cells["n_customers"].to_numpy(dtype=float)[inside], size * a)
    total = np.bincount(cell, (m.n * (m.mean[:, 0] + m.origin[0]))[inside], size * a)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = total / n
    shape = (size, a)
    return n.reshape(shape).astype(float), (rows - n).reshape(shape).astype(float), share.reshape(shape)


def _plain_means(estimator: Estimator, outcome: Outcome, *, overall: bool) -> Floats:
    """Mean (or ratio, or trimmed mean) of every arm as it is, before any adjustment."""
    if outcome.trim is not None:
        return estimator.trimmed_means(outcome, overall=overall)
    moments = estimator.moments(outcome, overall=overall)
    return np.where(moments.n > 0, moments.mean[..., 0] + moments.origin[0], np.nan)


def _relative(outcome: Outcome, compared: Compared, level: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Relative lift with bounds and standard error (delta method)."""
    lifts = compared.lifts
    if outcome.log:
        ratio = np.exp(lifts.lift)
        return ratio - 1, np.exp(compared.low) - 1, np.exp(compared.high) - 1, ratio * lifts.se
    relative, low, high = fieller(lifts, level)
    if compared.rel_bounds is not None:
        low, high = compared.rel_bounds
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = lifts.treated / lifts.control
        variance = (
            lifts.variance_treated - 2 * ratio * lifts.covariance + ratio**2 * lifts.variance_control
        ) / lifts.control**2
        se = np.where(lifts.control > 0, np.sqrt(np.maximum(variance, 0.0)), np.nan)
    return relative, low, high, se


def _method(estimator: Estimator, outcome: Outcome, *, proportion: bool, stratified: bool) -> str:
    adjust = {"none": "", "lin": "regression in each arm", "cuped": "CUPED"}[estimator.adjust]
    if outcome.trim is not None:
        text = "trimmed means (Yuen)"
    elif estimator.aggregates.clustered:
        text = f"{adjust + ', ' if adjust else ''}clusters ({estimator.variance.upper()})"
    elif adjust:
        text = adjust + ("" if estimator.variance == "arms" else f" ({estimator.variance.upper()})")
    elif proportion and not stratified:
        return "proportions (score)"
    else:
        text = "means (Welch)" if estimator.variance == "arms" else f"means ({estimator.variance.upper()})"
        if proportion:
            text = "proportions (unpooled)"
    if outcome.per:
        text = f"ratio (delta), {text}"
    return f"{text}, stratified" if stratified else text


def _notes(
    n: Floats,
    share: Floats,
    compared: Compared,
    rel_high: Floats,
    relative: Floats,
    *,
    proportion: bool,
    ratio: bool,
) -> list[str]:
    """Say per row what is special: arms without customers, no variation, few events."""
    notes = []
    for i in range(len(n)):
        said = []
        if (n[i] == 0).any():
            both = bool((n[i] == 0).all())
            said.append("nobody in either arm" if both else f"nobody in {'control' if n[i, 0] == 0 else 'this arm'}")
        elif proportion:
            events = n[i] * share[i]
            fewest = float(np.minimum(events, n[i] - events).min())
            if (events == n[i]).any() or (events == 0).any():
                said.append("all or none converted in an arm")
            elif fewest < FEW_EVENTS:
                said.append(f"under {FEW_EVENTS} events in an arm")
        elif (n[i] == 1).any():
            said.append("one customer in an arm: no standard error")
        elif compared.lifts.variance[i] == 0:
            said.append("no variation in either arm: no interval")
        elif ratio and not np.isfinite(compared.lifts.lift[i]):
            said.append("denominators sum to 0 in an arm: no ratio")
        elif not np.isfinite(compared.lifts.variance[i]):
            said.append("too few customers or clusters for a standard error")
        if not said and np.isfinite(relative[i]) and not np.isfinite(rel_high[i]):
            said.append("control is not shown to be above 0: no bounds of the relative lift")
        notes.append("; ".join(said))
    return notes
