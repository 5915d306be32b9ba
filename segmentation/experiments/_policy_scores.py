"""Scores of each customer under each arm: outcome models made on other customers, and what they leave over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmentation.experiments._moments import Floats
from segmentation.experiments._policy_input import Codes, Trial

__all__ = ["Valued", "arm_means", "cell_means", "folds_of", "predictions", "scores_of", "value_of"]

# A cell with fewer rows than this in the folds that teach takes the mean of its arm.
FEWEST = 2


def folds_of(trial: Trial, n_folds: int, rng: np.random.Generator) -> Codes:
    """Put customers in folds of equal size at random; a cluster stays together."""
    return np.asarray((rng.permutation(trial.n_clusters) % n_folds)[trial.cluster], dtype=np.int64)


def cell_means(trial: Trial, rows: Floats) -> tuple[Floats, Floats, Floats]:
    """Return n, mean and squared error of the mean per segment and arm, weighted by `rows` over the chance of the arm.

    Shapes (segments, arms). Without variation of the chance within a cell these are plain means.
    """
    shape = (len(trial.segments), len(trial.arms))
    size, cell = shape[0] * shape[1], trial.segment * shape[1] + trial.arm
    weight = rows / trial.received
    n, total, sums = (
        np.asarray(np.bincount(cell, values, size).reshape(shape), dtype=float)
        for values in (rows, weight, weight * trial.y)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / total
        off = (trial.y - mean.ravel()[cell]) ** 2
        within = np.bincount(cell, np.where(weight > 0, weight**2 * off, 0.0), size).reshape(shape)
        error = within / total**2 * n / np.maximum(n - 1, 0)
    return n, mean, error


def arm_means(trial: Trial, rows: Floats) -> Floats:
    """Return the mean of each arm over all segments, weighted as in `cell_means`."""
    weight = rows / trial.received
    total = np.bincount(trial.arm, weight, len(trial.arms))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(trial.arm, weight * trial.y, len(trial.arms)) / total
    return np.where(np.isfinite(mean), mean, 0.0)


def predictions(trial: Trial, fold: Codes, n_folds: int, *, before: bool = False) -> Floats:
    """Predict the outcome under each arm, (n, arms), for each fold from the others (or only from those before it)."""
    result = np.zeros((trial.n, len(trial.arms)))
    for k in range(n_folds):
        held = fold == k
        teach = fold < k if before else fold != k
        if not teach.any():
            teach = ~held if before else np.ones(trial.n, dtype=bool)
        rows = teach.astype(float)
        if trial.x.shape[1]:
            result[held] = _linear(trial, rows, held)
        else:
            n, mean, _ = cell_means(trial, rows)
            table = np.where(n >= FEWEST, np.nan_to_num(mean), arm_means(trial, rows))
            result[held] = table[trial.segment[held]]
    return result


def _linear(trial: Trial, rows: Floats, held: Floats) -> Floats:
    """Least squares in each arm on segments and covariates; a segment without rows of the arm takes the arm's mean."""
    n_segments, p = len(trial.segments), trial.x.shape[1]
    result = np.empty((int(held.sum()), len(trial.arms)))
    centre = arm_means(trial, rows)
    for a in range(len(trial.arms)):
        mine = (trial.arm == a) & (rows > 0)
        s, x, y = trial.segment[mine], trial.x[mine], trial.y[mine]
        n = np.bincount(s, minlength=n_segments).astype(float)
        safe = np.maximum(n, 1.0)
        mean_y = np.where(n > 0, np.bincount(s, y, n_segments) / safe, centre[a])
        mean_x = np.column_stack([np.bincount(s, column, n_segments) / safe for column in x.T])
        # one slope for all segments, from deviations within them
        off = x - mean_x[s]
        slope = np.linalg.lstsq(off.T @ off, off.T @ (y - mean_y[s]), rcond=1e-10)[0] if len(y) > p else np.zeros(p)
        # a segment with too few rows of the arm would carry a mean of one or none
        level = np.where(n >= FEWEST, mean_y - mean_x @ slope, centre[a])
        result[:, a] = level[trial.segment[held]] + trial.x[held] @ slope
    return result


@dataclass(frozen=True, eq=False)
class Valued:
    """The value of one policy by one method, and what each customer adds to its error."""

    value: float
    influence: Floats


def value_of(trial: Trial, policy: Codes, cost: Floats, model: Floats, method: str) -> Valued:
    """Value a policy, an arm per customer, per customer and after cost.

    Methods: "aipw" (doubly robust), "hajek" (weights that sum to 1), "ipw" (plain). Influence values have mean 0, and
    `Trial.error` of them is the standard error of the value.
    """
    got = (trial.arm == policy).astype(float) / trial.received
    at = np.arange(trial.n)
    if method == "aipw":
        left = trial.y - model[at, trial.arm]
        score = scores_of(trial, policy, model)
        value = float(score.mean())
        influence = score - value
    elif method == "ipw":
        left = trial.y
        value = float((got * left).mean())
        influence = got * left - value
    else:
        weight = float(got.mean())
        value = float((got * trial.y).mean() / weight) if weight > 0 else float("nan")
        got = got / weight if weight > 0 else np.full(trial.n, np.nan)
        left = trial.y - value
        influence = got * left
    if trial.estimated:
        influence = influence - _of_shares(trial, policy, got * left)
        influence = influence if method == "aipw" else _widened(trial, influence)
    spent = cost[policy]
    return Valued(value - float(spent.mean()), influence - (spent - spent.mean()))


def _widened(trial: Trial, influence: Floats) -> Floats:
    """Give deviations within segment and arm the size they have around a mean not made of them: n - 1 for n."""
    cell = trial.segment * len(trial.arms) + trial.arm
    n = np.bincount(cell)
    mean = (np.bincount(cell, influence) / np.maximum(n, 1))[cell]
    return np.asarray(mean + (influence - mean) * np.sqrt(n / np.maximum(n - 1, 1))[cell])


def scores_of(trial: Trial, policy: Codes, model: Floats) -> Floats:
    """Return the doubly robust score of each customer, whose mean is the value of the policy before cost."""
    at = np.arange(trial.n)
    got = (trial.arm == policy).astype(float) / trial.received
    return np.asarray(model[at, policy] + got * (trial.y - model[at, trial.arm]))


def _of_shares(trial: Trial, policy: Codes, weighted: Floats) -> Floats:
    """What estimating the shares takes away from the error of a weighted mean: its projection on them."""
    n_segments, n_arms = len(trial.segments), len(trial.arms)
    size = np.maximum(np.bincount(trial.segment, minlength=n_segments), 1)
    # mean of the weighted outcome of those who follow the policy with each arm, per segment
    follows = np.bincount(trial.segment * n_arms + policy, weighted, n_segments * n_arms).reshape(n_segments, n_arms)
    mean = (follows / size[:, None])[trial.segment]
    residual = -trial.chance.copy()
    residual[np.arange(trial.n), trial.arm] += 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(trial.chance > 0, mean * residual / trial.chance, 0.0)
    return np.asarray(part.sum(axis=1))
