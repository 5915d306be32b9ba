"""What is resampled together, with which weights, and how much of the fit each of them decides by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation.curves._profile import Fitted, Form
from segmentation.curves._rows import Rows

__all__ = ["bootstrap_weights", "group_codes", "leverages"]

Array = NDArray[np.float64]
# Resampled groups at most; customers beyond are put together at random, which leaves the variance as it is.
GROUPS = 1000
HIGHEST_LEVERAGE = 0.75


def group_codes(rows: Rows, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the group of resampling of each kept row: its cluster, or one of `GROUPS` random sets of clusters."""
    n = int(rows.cluster.max()) + 1
    if n <= GROUPS:
        return rows.cluster
    return np.asarray(rng.permutation(n)[rows.cluster] % GROUPS)


def leverages(form: Form, rows: Rows, point: Fitted, group: NDArray[np.intp]) -> Array:
    """Return how much of its own fit each group decides: the largest eigenvalue of its block of the hat matrix.

    Of the model made linear at the estimate, in the baseline, the scale and what enters the form.
    """
    at = point.points
    columns = [form.columns(rows, at)]
    for i, name in enumerate(form.bounds):
        if name not in form.free or point.scale[0] == 0:
            continue
        ends = []
        for step in (-1e-3, 1e-3):
            moved = at.copy()
            moved[0, i] = np.clip(form.from_search(name, form.to_search(name, at[0, i]) + step), *form.bounds[name])
            ends.append(form.columns(rows, moved))
        columns.append(ends[1] - ends[0])
    design = rows.clean(np.hstack(columns))
    size = np.sqrt((design**2).mean(axis=0))
    design = np.column_stack([np.ones(len(design)), design[:, size > 0] / size[size > 0]])
    w, n, p = rows.weights[rows.keep], int(group.max()) + 1, design.shape[1]
    blocks = np.empty((n, p, p))
    for j in range(p):
        for k in range(j + 1):
            blocks[:, j, k] = blocks[:, k, j] = np.bincount(group, w * design[:, j] * design[:, k], n)
    values, vectors = np.linalg.eigh(blocks.sum(axis=0))
    good = values > 1e-8 * values.max()
    root = vectors[:, good] / np.sqrt(values[good])
    return np.asarray(np.linalg.eigvalsh(root.T @ blocks @ root)[:, -1].clip(0.0, HIGHEST_LEVERAGE))


def bootstrap_weights(leverage: Array, n_draws: int, rng: np.random.Generator, *, spent: float = 0.0) -> Array:
    """Return weights of mean 1, of shape (n_draws, n_groups), of a Bayesian bootstrap [1]_.

    Controls are taken out once and leave residuals too small by what they could fit by themselves (`spent`, a share of
    the rows): the variance of all weights is 1 / (1 - spent) for it.

    Of groups with leverage the weights vary more, by 1 / (1 - leverage): their residuals are too small by that factor,
    as in the jackknife (CR3) estimate of a variance by groups [2]_. Without it intervals from few customers are short.

    .. [1] Rubin, D. B. (1981). The Bayesian bootstrap. Annals of Statistics 9. doi:10.1214/aos/1176345338
    .. [2] Cameron, A. C., Miller, D. L. (2015). A practitioner's guide to cluster-robust inference. Journal of Human
       Resources 50. doi:10.3368/jhr.50.2.317
    """
    if leverage.max() < 0.01 and spent < 0.01:
        return rng.standard_exponential((n_draws, len(leverage)))
    shape = (1.0 - leverage) ** 2 * (1.0 - spent)
    return rng.standard_gamma(shape, (n_draws, len(leverage))) / shape
