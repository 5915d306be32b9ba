"""Draw figures towards nothing the more, the less is known of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["Spread", "learn_spread"]

Floats = NDArray[np.float64]
STEP = 2.0
# The likelihood is concave in the shares; later rounds change the shares by less than a reader sees.
ROUNDS = 300
# Halvings of an interval of a few standard deviations: to a millionth.
HALVINGS = 32


@dataclass(frozen=True, eq=False)
class Spread:
    """How far true effects lie from 0: a mixture of normal distributions around it.

    Attributes
    ----------
    deviations, shares : ndarray of shape (n_components,)
        Standard deviations, none 0, and their shares.
    """

    deviations: Floats
    shares: Floats

    @property
    def overall(self) -> float:
        """Standard deviation of true effects."""
        return float(np.sqrt((self.shares * self.deviations**2).sum()))

    def shrink(self, effects: Floats, variances: Floats, levels: tuple[float, ...]) -> Floats:
        """Return quantiles of what each true effect is likely to be, shape (n_levels, n_effects)."""
        weight = _responsibilities(effects, variances, self.deviations, self.shares)
        part = self.deviations**2 / (self.deviations**2 + variances[:, None])
        # what is known exactly has no width, and the halving needs one
        centre, width = part * effects[:, None], np.maximum(np.sqrt(part * variances[:, None]), 1e-9)
        low, high = (centre - 9 * width).min(axis=1), (centre + 9 * width).max(axis=1)
        return np.array([_quantile(level, weight, centre, width, low, high) for level in levels])


def learn_spread(effects: Floats, variances: Floats) -> Spread:
    """Learn how far true effects lie from 0, from estimates with known variances.

    Adaptive shrinkage (Stephens 2017, doi:10.1093/biostatistics/kxw041): shares of normal distributions around 0 on a
    grid of standard deviations, by maximum likelihood (EM). A few large effects among many of nothing are then drawn
    in but little, where a single normal distribution would take them for noise. The smallest deviation is a tenth of
    the standard error of the best known, so no interval has no width.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(0, 0.5, 2000)
    >>> round(learn_spread(truth + rng.normal(0, 0.2, 2000), np.full(2000, 0.04)).overall, 1)
    0.5
    """
    if not len(effects):
        return Spread(np.array([1.0]), np.array([1.0]))
    least = max(float(np.sqrt(variances.min())) / 10, 1e-3)
    most = max(2 * float(np.sqrt(max(float((effects**2 - variances).max()), 0.0))), 2 * least)
    steps = np.arange(int(np.ceil(np.log(most / least) / np.log(STEP))) + 1, dtype=np.float64)
    deviations: Floats = least * STEP**steps
    shares = np.full(len(deviations), 1 / len(deviations))
    likelihood = _likelihood(effects, variances, deviations)
    for _ in range(ROUNDS):
        weight = likelihood * shares
        shares = (weight / weight.sum(axis=1, keepdims=True)).mean(axis=0)
    return Spread(deviations, shares)


def _likelihood(effects: Floats, variances: Floats, deviations: Floats) -> Floats:
    """Return the likelihood of each effect under each component, up to a factor per effect."""
    whole = deviations**2 + variances[:, None]
    log = -0.5 * (np.log(whole) + effects[:, None] ** 2 / whole)
    result: Floats = np.exp(log - log.max(axis=1, keepdims=True))
    return result


def _responsibilities(effects: Floats, variances: Floats, deviations: Floats, shares: Floats) -> Floats:
    weight = _likelihood(effects, variances, deviations) * shares
    result: Floats = weight / weight.sum(axis=1, keepdims=True)
    return result


def _quantile(level: float, weight: Floats, centre: Floats, width: Floats, low: Floats, high: Floats) -> Floats:
    """Return a quantile of each mixture of normal distributions, by halving."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = (weight * ndtr((middle[:, None] - centre) / width)).sum(axis=1) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    result: Floats = (low + high) / 2
    return result
