"""Cronbach's alpha from pairwise covariances, with an interval that assumes no distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Alpha", "alpha_of", "cronbach_alpha", "item_rest", "pairwise_covariance"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alpha:
    """Cronbach's alpha with its interval; NaN where it does not exist."""

    alpha: float
    low: float
    high: float
    mean_correlation: float


def pairwise_covariance(X: Floats) -> tuple[Floats, Floats]:
    """Return covariances and numbers of customers, each pair from those who answered both items.

    Parameters
    ----------
    X : ndarray of shape (n_customers, n_items)
        NaN where an answer is missing.

    Returns
    -------
    covariance, n : ndarray of shape (n_items, n_items)
        As ``pandas.DataFrame.cov``: means and divisor n - 1 of the pair. NaN with fewer than two customers.
    """
    seen = (~np.isnan(X)).astype(np.float64)
    shifted = _deviations(X, seen)  # sums of squares of small numbers lose nothing
    n = seen.T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = shifted.T @ seen  # of item i, over those who answered j as well
        covariance = (shifted.T @ shifted - sums * sums.T / n) / (n - 1)
    return np.where(n > 1, covariance, np.nan), n


def _deviations(X: Floats, seen: Floats) -> Floats:
    """Distance from the mean of each item, 0 where the answer is missing."""
    filled = np.where(seen > 0, X, 0.0)
    return np.asarray(np.where(seen > 0, filled - filled.sum(axis=0) / np.maximum(seen.sum(axis=0), 1.0), 0.0))


def alpha_of(covariance: Floats) -> float:
    """Cronbach's alpha of a covariance matrix: ``k / (k - 1) * (1 - trace / sum)``.

    Examples
    --------
    >>> round(alpha_of(np.array([[1.0, 0.5], [0.5, 1.0]])), 4)
    0.6667
    """
    k, total = len(covariance), float(covariance.sum())
    return float("nan") if k < 2 or not total > 0 else k / (k - 1) * (1.0 - float(np.trace(covariance)) / total)


def cronbach_alpha(X: Floats, level: float) -> Alpha:
    """Return alpha of items, with an interval from the influence of every customer on it.

    The covariances are means of products, so alpha changes with each customer by gradient times product: the
    asymptotically distribution-free variance [1]_, here of pairwise covariances. The interval is symmetric in
    log(1 - alpha), in which alpha is nearer to normal, and which keeps it below 1.

    References
    ----------
    .. [1] Maydeu-Olivares, Coffman, Hartmann (2007), Asymptotically distribution-free interval estimation of
       coefficient alpha, Psychological Methods 12(2), doi:10.1037/1082-989X.12.2.157.
    """
    covariance, n = pairwise_covariance(X)
    alpha = alpha_of(covariance)
    if np.isnan(alpha):
        return Alpha(alpha, alpha, alpha, float("nan"))
    deviation = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / np.outer(deviation, deviation)
    mean_correlation = float(correlation[np.triu_indices(len(correlation), 1)].mean())
    error = float(np.sqrt((_influence(X, covariance, n) ** 2).sum()))
    if not alpha < 1 or not error > 0:
        return Alpha(alpha, float("nan"), float("nan"), mean_correlation)
    z = float(stats.norm.ppf(0.5 + level / 2)) * error / (1.0 - alpha)
    return Alpha(alpha, 1.0 - (1.0 - alpha) * np.exp(z), 1.0 - (1.0 - alpha) * np.exp(-z), mean_correlation)


def _influence(X: Floats, covariance: Floats, n: Floats) -> Floats:
    """Return by how much each customer moves alpha, shape (n_customers,); the squares add up to its variance."""
    k, trace, total = len(covariance), float(np.trace(covariance)), float(covariance.sum())
    gradient = np.full((k, k), trace / total**2)
    np.fill_diagonal(gradient, trace / total**2 - 1.0 / total)
    gradient *= k / (k - 1)
    seen = (~np.isnan(X)).astype(np.float64)
    d = _deviations(X, seen)
    weight = gradient / n
    products: Floats = np.einsum("pi,ij,pj->p", d, weight, d, optimize=True)
    expected: Floats = np.einsum("pi,ij,pj->p", seen, weight * covariance, seen, optimize=True)
    return products - expected


def item_rest(covariance: Floats, item: int) -> float:
    """Correlation of an item with the sum of the others, from a covariance matrix."""
    rest = np.delete(np.arange(len(covariance)), item)
    variance = float(covariance[np.ix_(rest, rest)].sum() * covariance[item, item])
    return float(covariance[item, rest].sum() / np.sqrt(variance)) if variance > 0 else float("nan")
