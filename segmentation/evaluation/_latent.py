"""Tables without groups that look like a given one: the same columns, cut from one correlated normal distribution.

The correlation of the normal variables behind two columns is the one that gives the covariance observed between them
(tetrachoric for two levels, polychoric for more): with cuts a and b of the two,
``cov = sum over cuts of step_a * step_b * integral from 0 to r of phi2(a, b; t) dt``, which grows with r. phi2 is the
density of two standard normal variables with correlation t (Plackett 1954, doi:10.1093/biomet/41.3-4.351).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["LatentNormal", "learn_latent"]

# A column of more levels is binned for the correlations: finer bins move them by less than their standard error.
LEVELS = 8
LARGEST = 0.999
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
STEPS = 30


@dataclass(frozen=True, eq=False)
class LatentNormal:
    """A normal distribution behind the columns of a table.

    Attributes
    ----------
    correlation : ndarray of shape (n_columns, n_columns)
        Of the normal variables.
    ordered : ndarray of shape (n_customers, n_columns)
        Each column of the table, sorted: every table drawn has the same values in its columns.
    """

    correlation: NDArray[np.float64]
    ordered: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw a table of as many customers."""
        values, vectors = np.linalg.eigh(self.correlation)
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
        latent = rng.standard_normal(self.ordered.shape) @ root.T
        ranks = latent.argsort(axis=0).argsort(axis=0)
        drawn: NDArray[np.float64] = np.take_along_axis(self.ordered, ranks, axis=0)
        return drawn


def learn_latent(values: NDArray[np.float64]) -> LatentNormal:
    """Learn the normal distribution behind the columns.

    Parameters
    ----------
    values : ndarray of shape (n_customers, n_columns)

    Returns
    -------
    LatentNormal
        Where the correlations of pairs do not fit together, the nearest that do: eigenvalues below zero become zero,
        and the diagonal one again.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> latent = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=5000)
    >>> round(float(learn_latent((latent > 0.5).astype(float)).correlation[0, 1]), 1)
    0.6
    """
    columns = [_binned(column) for column in values.T]
    cuts = [_cuts(column) for column in columns]
    size = len(columns)
    correlation = np.eye(size)
    for i in range(size):
        for j in range(i):
            correlation[i, j] = correlation[j, i] = _latent_correlation(columns[i], columns[j], cuts[i], cuts[j])
    return LatentNormal(_consistent(correlation), np.sort(values, axis=0))


def _binned(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return levels 0, 1, ...; of many different values, bins of about equally many customers."""
    levels, codes = np.unique(column, return_inverse=True)
    if len(levels) > LEVELS:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, LEVELS + 1)[1:-1]))
        _, codes = np.unique(np.searchsorted(edges, column, side="left"), return_inverse=True)
    return codes.astype(np.int64)


def _cuts(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return where a standard normal variable is cut into levels of these sizes."""
    shares = np.cumsum(np.bincount(codes))[:-1] / len(codes)
    cuts: NDArray[np.float64] = ndtri(shares)
    return cuts


def _latent_correlation(
    first: NDArray[np.int64], second: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> float:
    """Return the correlation that gives the covariance of two columns, by bisection."""
    if not len(a) or not len(b):
        return 0.0
    covariance = float(np.mean(first * second) - first.mean() * second.mean())
    low, high = (0.0, LARGEST) if covariance > 0 else (-LARGEST, 0.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _covariance(a, b, middle) < covariance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _covariance(a: NDArray[np.float64], b: NDArray[np.float64], r: float) -> float:
    """Return the covariance of two columns of levels 0, 1, ... cut from normal variables of correlation r."""
    # in the angle: with t = sin(u) the square root in the density drops out and r near 1 does no harm
    top = np.arcsin(r)
    u = top / 2 * (NODES + 1)
    sine, cosine_squared = np.sin(u), np.cos(u) ** 2
    x, y = a[:, None, None], b[None, :, None]
    exponent = -(x * x + y * y - 2 * x * y * sine) / (2 * cosine_squared)
    return float((np.exp(exponent) @ WEIGHTS).sum() * top / 2 / (2 * np.pi))


def _consistent(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(correlation)
    if values.min() >= 0:
        return correlation
    repaired = (vectors * np.clip(values, 0.0, None)) @ vectors.T
    width = np.sqrt(np.diag(repaired))
    result: NDArray[np.float64] = repaired / np.outer(width, width)
    return result
