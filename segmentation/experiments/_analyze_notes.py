"""What stands beside the figures of an experiment: who was left out, what is taken for granted, what looks wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from segmentation._format import count, name_some
from segmentation.experiments._analyze_estimates import Estimator
from segmentation.experiments._analyze_intake import CLUSTER
from segmentation.experiments._analyze_words import attrition
from segmentation.experiments._moments import Floats

__all__ = ["cluster_unit", "data_notes"]

FEW_CLUSTERS = 10
HEAVY = 30.0  # variance this many times the squared mean
UNEQUAL = 0.01
MIXED = 0.001


def cluster_unit(estimator: Estimator, counts: Floats, everyone: Floats) -> tuple[str, Floats, Floats]:
    """Return what the sample-ratio check counts: customers, or clusters where whole clusters were randomized."""
    if not estimator.aggregates.clustered:
        return "customers", counts, everyone
    cells = estimator.aggregates.cells
    if (cells.groupby(CLUSTER)["arm"].nunique() > 1).any():
        return "customers", counts, everyone
    places = {name: i for i, name in enumerate(estimator.arms)}
    inside = cells[cells["segment"].isin(estimator.segments)]
    by_segment = np.zeros_like(counts)
    numbers: Any = inside.groupby(["segment", "arm"])[CLUSTER].nunique().reset_index(name="n")
    for row in numbers.itertuples():
        by_segment[estimator.segments.index(row.segment), places[row.arm]] = row.n
    total = np.zeros_like(everyone)
    for arm, n in cells.groupby("arm")[CLUSTER].nunique().items():
        total[places[str(arm)]] = n
    return "clusters", by_segment, total


def data_notes(estimator: Estimator, settings: Mapping[str, Any], counts: Floats, stratify: bool) -> list[str]:
    """Collect the notes."""
    notes = [*_left_out(estimator, settings), *_missing(estimator)]
    notes += _mixed(estimator, counts, stratify)
    notes += _clusters(estimator)
    notes += _heavy(estimator)
    if settings["segments_from"] is None and counts.shape[0]:
        notes.append(
            "segments are taken as made before the experiment, without its outcomes (segments_from= checks that)."
        )
    return notes


def _left_out(estimator: Estimator, settings: Mapping[str, Any]) -> list[str]:
    notes = []
    if settings["n_without_arm"]:
        notes.append(f"{count(settings['n_without_arm'], 'row')} without an arm left out.")
    if settings["n_repeated"]:
        notes.append(
            f"{count(settings['n_repeated'], 'row repeats', 'rows repeat')} a customer_id (or lack it): every row is "
            "taken as a customer, so standard errors are too small. Give one row per customer, or "
            "cluster='customer_id'."
        )
    if settings["n_not_held_out"]:
        notes.append(
            f"{count(settings['n_not_held_out'], 'customer')} not held out ({settings['held_out']!r} is not true): the "
            "segments were learnt from them, so they are left out."
        )
    if settings["n_unassigned"]:
        notes.append(
            f"{count(settings['n_unassigned'], 'customer')} in no segment: in the figures of all customers"
            f"{', not in the stratified ones' if settings['overall'] == 'stratified' else ''}, in no row per segment."
        )
    missing = estimator.aggregates.n_missing_covariates.sum(axis=0)
    for name, n in zip(estimator.aggregates.covariates, missing, strict=True):
        if n:
            notes.append(f"{count(int(n), 'customer')} without {name!r} count with the mean of all.")
    return notes


def _missing(estimator: Estimator) -> list[str]:
    """Missing outcomes, and whether the arms lost unequal shares of them."""
    notes = []
    _, arm = estimator.codes()
    rows = np.bincount(arm, estimator.aggregates.cells["n_customers"].to_numpy(dtype=float), len(estimator.arms))
    for outcome in estimator.aggregates.outcomes:
        n = np.bincount(arm, estimator.aggregates.moments[outcome.label].n, len(estimator.arms))
        lost = rows - n
        if not lost.sum():
            continue
        notes.append(f"{outcome.label!r} is missing for {count(int(lost.sum()), 'customer')}, left out for it.")
        some = rows > 0
        if n.sum() and some.sum() > 1:
            p = float(stats.chi2_contingency(np.vstack([lost[some], n[some]]), correction=False).pvalue)
            if p < UNEQUAL:
                shares = {a: lost[i] / rows[i] for i, a in enumerate(estimator.arms) if rows[i]}
                notes.append(attrition({"outcome": outcome.label, "shares": shares, "p_value": p}))
    return notes


def _mixed(estimator: Estimator, counts: Floats, stratify: bool) -> list[str]:
    """Say where segments have other shares of the arms, so that the plain difference mixes them."""
    some = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if stratify or estimator.aggregates.clustered or min(some.shape) < 2:
        return []
    p = float(stats.chi2_contingency(some, correction=False).pvalue)
    if p >= MIXED:
        return []
    return [
        "arms have other shares in other segments, so the plain difference over all customers also mixes segments: "
        'overall="stratified" compares like with like.'
    ]


def _clusters(estimator: Estimator) -> list[str]:
    if not estimator.aggregates.clustered:
        return []
    cells = estimator.aggregates.cells
    per_arm = cells.groupby("arm")[CLUSTER].nunique()
    notes = []
    few = per_arm[per_arm < FEW_CLUSTERS]
    if len(few):
        named = ", ".join(f"{arm} {n}" for arm, n in few.items())
        notes.append(f"few clusters in an arm ({named}): intervals rest on them, and on their being alike.")
    spread = cells[cells["segment"].isin(estimator.segments)].groupby(CLUSTER)["segment"].nunique()
    n = int((spread > 1).sum())
    if n:
        notes.append(
            f"{count(n, 'cluster has', 'clusters have')} customers in several segments, whose lifts then are not "
            "independent: the interaction test, pooled effects and the best segment take them as if they were."
        )
    return notes


def _heavy(estimator: Estimator) -> list[str]:
    """Name outcomes whose mean hangs on few customers."""
    heavy = []
    for outcome in estimator.aggregates.outcomes:
        if outcome.log or outcome.cap is not None or outcome.trim is not None or outcome.per:
            continue
        if estimator.is_proportion(outcome):
            continue
        m = estimator.aggregates.moments[outcome.label]
        whole = m.grouped(np.zeros(len(m.n), dtype=np.int64), 1)
        mean = float(whole.mean[0, 0] + whole.origin[0])
        if whole.n[0] > 1 and mean and whole.cross[0, 0, 0] / (whole.n[0] - 1) > HEAVY * mean**2:
            heavy.append(outcome.label)
    if not heavy:
        return []
    return [
        f"{name_some(heavy)}: the standard deviation is over {np.sqrt(HEAVY):.1f} times the mean, so a few "
        "customers carry "
        "it and intervals need many customers. Look at it capped (cap=), trimmed or on logs too, "
        "decided before you look."
    ]
