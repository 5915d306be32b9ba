"""Four measures of how far two distributions over bins lie apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

__all__ = ["MEASURES", "GammaNull", "measures"]

MEASURES = ("psi", "jensen_shannon", "ks", "chi2")
# Added to every count before logarithms are taken: an empty bin would make PSI infinite (Jeffreys' prior).
HALF = 0.5

Shares = NDArray[np.float64]


def psi(before: Shares, after: Shares, n_before: float, n_after: float) -> Shares:
    """Return the population stability index, natural logarithms, half a customer added to every bin.

    Examples
    --------
    >>> float(psi(np.array([[0.5, 0.5]]), np.array([[0.4, 0.6]]), 1e9, 1e9)[0].round(4))
    0.0405
    """
    bins = before.shape[-1]
    p = (before * n_before + HALF) / (n_before + HALF * bins)
    q = (after * n_after + HALF) / (n_after + HALF * bins)
    result: Shares = ((q - p) * np.log(q / p)).sum(axis=-1)
    return result


def _entropy(shares: Shares) -> Shares:
    safe = np.where(shares > 0, shares, 1.0)
    result: Shares = -(safe * np.log2(safe) * (shares > 0)).sum(axis=-1)
    return result


def jensen_shannon(before: Shares, after: Shares) -> Shares:
    """Return the Jensen-Shannon distance: the root of the divergence in bits, 0 to 1.

    Examples
    --------
    >>> jensen_shannon(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist()
    [1.0]
    """
    divergence = _entropy((before + after) / 2) - (_entropy(before) + _entropy(after)) / 2
    distance: Shares = np.sqrt(np.maximum(divergence, 0.0))
    return distance


def chi_squared(before: Shares, after: Shares, n_before: float, n_after: float) -> Shares:
    """Return Pearson's statistic of homogeneity of two samples."""
    pooled = (n_before * before + n_after * after) / (n_before + n_after)
    safe = np.where(pooled > 0, pooled, 1.0)
    scale = n_before * n_after / (n_before + n_after)
    result: Shares = scale * ((after - before) ** 2 / safe).sum(axis=-1)
    return result


def kolmogorov_smirnov(before: Shares, after: Shares) -> Shares:
    """Return the greatest distance of the two distribution functions, shares in the order of the values."""
    known = (
        np.maximum(before.sum(axis=-1, keepdims=True), 1e-300),
        np.maximum(after.sum(axis=-1, keepdims=True), 1e-300),
    )
    gap = np.cumsum(after / known[1] - before / known[0], axis=-1)
    result: Shares = np.abs(gap).max(axis=-1) if gap.shape[-1] else np.zeros(gap.shape[:-1])
    return result


def _widen(shares: Shares, coarse: NDArray[np.int64]) -> Shares:
    """Sum fine bins into wide ones."""
    wide: Shares = shares @ (coarse[:, None] == np.arange(coarse.max() + 1)[None, :]).astype(np.float64)
    return wide


def measures(
    pooled: Shares, gap: Shares, sizes: tuple[float, float], coarse: NDArray[np.int64], *, ordered: bool
) -> Shares:
    """Return all measures of draws of the difference of two distributions.

    Parameters
    ----------
    pooled : ndarray of shape (n_fine,)
        Shares of the bins in both samples together; the last bin is that of missing values.
    gap : ndarray of shape (n_draws, n_fine)
        Share in the second sample less that in the first.
    sizes : (float, float)
        Sizes of the samples.
    coarse : ndarray of shape (n_fine,)
        The wide bin of each fine one.
    ordered : bool
        Whether the bins have an order; without one, ks is NaN.

    Returns
    -------
    ndarray of shape (n_draws, 4), in the order of `MEASURES`
    """
    n_before, n_after = sizes
    total = n_before + n_after
    # random signs may take a hair more than there is out of a small bin
    before = np.maximum(pooled - gap * (n_after / total), 0.0)
    after = np.maximum(pooled + gap * (n_before / total), 0.0)
    ks = kolmogorov_smirnov(before[:, :-1], after[:, :-1]) if ordered else np.full(len(gap), np.nan)
    wide = _widen(before, coarse), _widen(after, coarse)
    used = _widen(pooled[None, :], coarse)[0] > 0
    before, after = wide[0][:, used], wide[1][:, used]
    return np.stack(
        [
            psi(before, after, n_before, n_after),
            jensen_shannon(before, after),
            ks,
            chi_squared(before, after, n_before, n_after),
        ],
        axis=1,
    )


# Powers at which the measures behave like sums of squares of normal variables when nothing has moved.
POWERS = np.array([1.0, 2.0, 2.0, 1.0])


class GammaNull:
    """What chance gives for each measure: a gamma distribution with the mean and variance of the draws."""

    def __init__(self, draws: Any) -> None:
        squares = np.asarray(draws, dtype=np.float64) ** POWERS
        mean, variance = squares.mean(axis=0), squares.var(axis=0)
        self.moves = (variance > 1e-300) & (mean > 0)
        self.shape = np.where(self.moves, mean**2 / np.where(self.moves, variance, 1.0), 1.0)
        self.scale = np.where(self.moves, variance / np.where(self.moves, mean, 1.0), 1.0)

    def log_chance(self, values: Any) -> NDArray[np.float64]:
        """Return the logarithm of the chance of so much or more; 0 for a measure that cannot move."""
        squares = np.asarray(values, dtype=np.float64) ** POWERS
        with np.errstate(divide="ignore"):
            found = gamma.logsf(squares, self.shape, scale=self.scale)
        return np.where(self.moves, np.nan_to_num(found, nan=0.0, neginf=-1e6), 0.0)

    def limit(self, log_chance: float) -> NDArray[np.float64]:
        """Return the value of each measure that chance exceeds so rarely."""
        found = gamma.isf(np.exp(log_chance), self.shape, scale=self.scale) ** (1 / POWERS)
        return np.where(self.moves, found, np.nan)
