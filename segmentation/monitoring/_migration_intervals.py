"""Intervals of transition rates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["dirichlet_rows", "wilson"]


def wilson(hits: Any, n: Any, level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's score interval of proportions; NaN where there is nobody.

    References
    ----------
    .. [1] Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158),
       doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson(np.array([0, 5]), np.array([10, 10]), 0.95)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.237]), array([0.278, 0.763]))
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64))
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = hits / n
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    low, high = np.where(hits == 0, 0.0, middle - half), np.where(hits == n, 1.0, middle + half)
    nobody = n == 0
    return np.where(nobody, np.nan, low), np.where(nobody, np.nan, high)


def dirichlet_rows(
    counts: NDArray[Any], n_draws: int, rng: np.random.Generator, prior: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Draw transition rates given counts, shape (n_draws, n_rows, n_columns).

    The posterior of a multinomial with a Dirichlet prior of total weight 1 per row, spread evenly or as `prior` says
    (rows that sum to 1): one customer's worth of what is not known, whatever the number of segments.
    """
    counts = np.asarray(counts, dtype=np.float64)
    weight = np.full(counts.shape, 1.0 / counts.shape[1]) if prior is None else prior
    shape = np.broadcast_to(counts + weight, (n_draws, *counts.shape))
    draws: NDArray[np.float64] = rng.standard_gamma(np.maximum(shape, 1e-12))
    rates: NDArray[np.float64] = draws / draws.sum(axis=2, keepdims=True)
    return rates
