"""The value of deciding by segment from the rows of an experiment: decide on the first, value on the next."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2
from scipy.stats import t as student

from segmentation._format import count, name_some, number
from segmentation.allocation._keys import amount_of
from segmentation.allocation._misallocation_study import Figure
from segmentation.curves._fit import seed_of

__all__ = ["from_rows"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
# A segment with fewer rows of an arm than this in the deciding parts takes the arm that is best for all.
FEWEST = 2
# Segments whose differences would be as large by chance with more than this probability get the same arm.
DIFFERENT = 0.01
# Below this number of customers an interval by the normal approximation of a mean is doubtful.
FEW_CUSTOMERS = 100


def from_rows(
    outcome: Any,
    arm: Any,
    assignment: Any,
    *,
    arm_cost: Any,
    probability: Any,
    customer: Any,
    n_target: float | None,
    level: float,
    n_folds: int,
    n_repeats: int,
    random_state: Any,
) -> tuple[tuple[Figure, Figure, Figure], pd.DataFrame, dict[str, Any], tuple[str, ...]]:
    """Return what is earned, what alike and by segment bring, the table of segments, the settings and the warnings."""
    y = _outcome(outcome)
    arms, w = _codes(arm, "arm", len(y))
    segments, s = _codes(assignment, "assignment", len(y))
    who = np.arange(len(y)) if customer is None else _codes(customer, "customer", len(y))[1]
    n_who = int(who.max()) + 1
    if len(arms) < 2:
        raise ValueError(f"an experiment needs at least two arms, got only {name_some(arms)}.")
    for name, given, least in (("n_folds", n_folds, 2), ("n_repeats", n_repeats, 1)):
        if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {given!r}.")
    if n_who < 2 * n_folds:
        raise ValueError(f"{count(n_who, 'customer')} are too few for {n_folds} parts; at least {2 * n_folds}.")
    cost = _costs(arm_cost, arms)
    chance = _chances(probability, arms, w)
    target = float(len(y)) if n_target is None else amount_of(n_target, "n_target")
    seed = seed_of(random_state)
    rng = np.random.default_rng(seed)
    net = y - cost[w]
    # rows of a segment, and of all, that a part of the value belongs to
    groups = np.vstack([np.ones(len(y)), np.eye(len(segments))[s].T])
    values, errors = np.zeros(len(groups) + 2), np.zeros(len(groups) + 2)
    for _ in range(n_repeats):
        fold = (rng.permutation(n_who) % n_folds)[who]
        score, alike = np.zeros(len(y)), np.zeros(len(y))
        for k in range(1, n_folds):
            held = fold == k
            score[held], alike[held] = _scores(net, w, s, fold < k, held, chance, len(arms), len(segments))
        valued = fold > 0
        parts = [*(score * groups), alike, alike + score]
        found = [_mean_and_error(part[valued], who[valued]) for part in parts]
        values += np.array([average for average, _ in found]) / n_repeats
        errors += np.array([error for _, error in found]) / n_repeats
    means = _means(net, w, s, np.ones(len(y), dtype=bool), len(arms), len(segments))
    chosen, common = _choices(means)
    every = means.mean
    size = np.bincount(s, minlength=len(segments))
    naive = float((size * (every.max(axis=1) - every[:, common])).sum() / len(y) * target)
    half = float(student.ppf((1 + level) / 2, n_who - 1)) * errors * target
    values *= target
    table = _table(values[1:-2], half[1:-2], segments, arms, chosen, common, size)
    value, alone = float(values[0]), float(means.by_arm[common]) * target
    earns, brings, by_segment = (
        Figure(float(values[k]), float(values[k] - half[k]), float(values[k] + half[k]), looks)
        for k, looks in ((0, naive), (-2, alone), (-1, alone + naive))
    )
    settings = {
        "n_rows": len(y),
        "n_customers": n_who,
        "n_target": target,
        "arms": [str(a) for a in arms],
        "arm_cost": dict(zip(map(str, arms), cost.tolist(), strict=True)),
        "probability": dict(zip(map(str, arms), chance.tolist(), strict=True)),
        "n_folds": n_folds,
        "n_repeats": n_repeats,
        "random_state": seed,
        "arm_for_all": str(arms[common]),
    }
    return (earns, brings, by_segment), table, settings, _notes(arms, chosen, common, n_who, naive, value, probability)


def _scores(
    net: Array,
    w: Codes,
    s: Codes,
    before: NDArray[np.bool_],
    held: NDArray[np.bool_],
    chance: Array,
    n_arms: int,
    n_segments: int,
) -> tuple[Array, Array]:
    """Value both choices, made on the rows before, in the rows held out: scores of their difference, and of alike."""
    means = _means(net, w, s, before, n_arms, n_segments)
    chosen, common = _choices(means)
    mean = means.mean
    mine, arm = s[held], w[held]
    own = chosen[mine]
    differs = own != common
    left = (net[held] - mean[mine, arm]) / chance[arm]
    gain = mean[mine, own] - mean[mine, common]
    alike = mean[mine, common] + left * (arm == common)
    return np.where(differs, gain + left * ((arm == own).astype(float) - (arm == common)), 0.0), alike


@dataclass(frozen=True)
class _Means:
    """Means by segment and arm (that of the arm where there are too few rows), their squared errors, means by arm."""

    mean: Array
    variance: Array
    by_arm: Array


def _means(net: Array, w: Codes, s: Codes, rows: NDArray[np.bool_], n_arms: int, n_segments: int) -> _Means:
    cell, shape = s[rows] * n_arms + w[rows], (n_segments, n_arms)
    n, total, squares = (
        np.asarray(np.bincount(cell, weights=weights, minlength=n_segments * n_arms), dtype=float).reshape(shape)
        for weights in (None, net[rows], net[rows] ** 2)
    )
    with np.errstate(all="ignore"):
        size = n.sum(axis=0)
        by_arm = np.where(size > 0, total.sum(axis=0) / size, -np.inf)
        within = np.maximum(squares.sum(axis=0) - (total**2 / np.maximum(n, 1)).sum(axis=0), 0.0)
        enough = (n >= FEWEST).all(axis=1, keepdims=True)
        mean = np.where(enough, total / n, by_arm)
        freedom = np.maximum(size - (n > 0).sum(axis=0), 1)
        variance = np.where(enough, within / freedom / n, np.inf)
    return _Means(np.where(np.isfinite(mean), mean, 0.0), variance, by_arm)


def _choices(means: _Means) -> tuple[Codes, int]:
    """Choose an arm by segment and one for all.

    How much segments differ is estimated for each arm against that for all (DerSimonian and Laird), and each segment's
    difference is shrunk by what is noise in it; segments that differ no more than by chance (Cochran's Q) get the same
    arm.
    """
    common = int(np.argmax(means.by_arm))
    score = np.zeros_like(means.mean)
    for arm in range(len(means.by_arm)):
        centre = means.by_arm[arm] - means.by_arm[common]
        if arm == common or not np.isfinite(centre):
            score[:, arm] = 0.0 if arm == common else -np.inf
            continue
        difference = means.mean[:, arm] - means.mean[:, common]
        noise = np.maximum(means.variance[:, arm] + means.variance[:, common], 1e-300)
        score[:, arm] = centre + _shrinkage(difference - centre, noise) * (difference - centre)
    chosen = np.argmax(score, axis=1)
    # of equal arms the one that all would get
    return np.where(score[np.arange(len(score)), chosen] <= 0, common, chosen), common


def _shrinkage(off: Array, noise: Array) -> Array:
    """Return the share of each deviation that is not noise."""
    weight = 1 / noise
    freedom = int((weight > 0).sum()) - 1
    if freedom < 1:
        return np.zeros(len(off))
    spread = float((weight * off**2).sum())
    if chi2.sf(spread, freedom) > DIFFERENT:
        return np.zeros(len(off))
    between = (spread - freedom) / float(weight.sum() - (weight**2).sum() / weight.sum())
    return np.asarray(between / (between + noise)) if between > 0 else np.zeros(len(off))


def _mean_and_error(score: Array, who: Codes) -> tuple[float, float]:
    """Return the mean of rows and its standard error, where customers are independent."""
    groups, code = np.unique(who, return_inverse=True)
    mean, n = float(score.mean()), len(groups)
    off = np.asarray(np.bincount(code, weights=score - mean))
    return mean, math.sqrt(n / (n - 1) * float((off**2).sum())) / len(score)


def _table(
    values: Array, half: Array, segments: Any, arms: Any, chosen: Codes, common: int, size: Codes
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n_rows": size,
            "arm_for_all": str(arms[common]),
            "arm": [str(arms[k]) for k in chosen],
            "change": values,
            "change_low": values - half,
            "change_high": values + half,
        },
        index=pd.Index(list(segments), name="segment", tupleize_cols=False),
    )


def _notes(
    arms: Any, chosen: Codes, common: int, n_customers: int, naive: float, value: float, probability: Any
) -> tuple[str, ...]:
    notes = ["That chance gave the arms is taken from you: where it did not, the figure is an association."]
    if (chosen == common).all():
        notes.append(f"With all rows every segment chooses the arm that is best for all ({arms[common]}).")
    if probability is None:
        notes.append("Probabilities of arms are their shares of the rows, equal for all customers.")
    if n_customers < FEW_CUSTOMERS:
        notes.append(f"The interval rests on {count(n_customers, 'customer')} only.")
    if naive > value:
        notes.append(
            f"The best arm of each segment, valued on the rows that chose it, would look like {number(naive)}; the "
            "difference is what choosing promises and does not keep."
        )
    return tuple(notes)


def _outcome(outcome: Any) -> Array:
    y = np.asarray(outcome, dtype=np.float64)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"outcome must be numbers of shape (n_rows,), got shape {y.shape}.")
    if not np.isfinite(y).all():
        raise ValueError(f"outcome must be finite, got {name_some(y[~np.isfinite(y)])}.")
    return y


def _codes(values: Any, name: str, n: int) -> tuple[Any, Codes]:
    if isinstance(values, pd.DataFrame):
        if "segment" not in values:
            raise ValueError(f"{name} as a table needs a column 'segment'; it has {name_some(values.columns)}.")
        values = values["segment"]
    array = pd.Series(np.asarray(values, dtype=object))
    if len(array) != n:
        raise ValueError(f"{name} must have one value per outcome ({n}), got {len(array)}.")
    if array.isna().any():
        raise ValueError(f"{name} is missing in {count(int(array.isna().sum()), 'row')}; leave these out, or name it.")
    codes, found = pd.factorize(array, sort=False)
    order = np.argsort([str(value) for value in found], kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(found, dtype=object)[order], rank[codes]


def _costs(given: Any, arms: Any) -> Array:
    if given is None:
        return np.zeros(len(arms))
    _known(given, arms, "arm_cost")
    return np.array([amount_of(given.get(arm, 0.0), f"arm_cost of {arm!r}") for arm in arms])


def _chances(given: Any, arms: Any, w: Codes) -> Array:
    if given is None:
        return np.bincount(w, minlength=len(arms)) / len(w)
    _known(given, arms, "probability")
    lacking = [arm for arm in arms if arm not in given]
    if lacking:
        raise ValueError(f"probability has nothing for {name_some(lacking)}.")
    result = np.array([amount_of(given[arm], f"probability of {arm!r}") for arm in arms])
    if (result <= 0).any() or result.sum() > 1 + 1e-9:
        raise ValueError("probabilities of arms must be above 0 and add up to 1 at most.")
    return result


def _known(given: Any, arms: Any, what: str) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} must map arms to numbers, got {given!r}.")
    unknown = [key for key in given if key not in list(arms)]
    if unknown:
        raise ValueError(f"{what} names {name_some(unknown)}, which is no arm; arms: {name_some(arms)}.")
