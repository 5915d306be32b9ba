"""Normal estimates known to lie in an interval: which means they are compatible with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from segmentation.experiments._moments import Floats

__all__ = ["conditional_mean", "hybrid_mean", "truncated_cdf"]

# In standard errors: beyond this the tails of a normal have no digits left, and the bound is infinite.
REACH = 1e6


def _log_between(low: Floats, high: Floats) -> Floats:
    """Return the log of the normal probability between two points, also far out in either tail."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    top, bottom = special.log_ndtr(b), special.log_ndtr(a)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(b > a, top + np.log(-np.expm1(np.minimum(bottom - top, 0.0))), -np.inf))


def truncated_cdf(x: Floats, mean: Floats, low: Floats, high: Floats) -> Floats:
    """Return the probability of at most x for a standard normal around `mean` known to lie between low and high.

    Examples
    --------
    >>> import numpy as np
    >>> at = truncated_cdf(np.array([1.0]), np.array([0.0]), np.array([-np.inf]), np.array([np.inf]))
    >>> at.round(4).item()
    0.8413
    """
    with np.errstate(invalid="ignore", over="ignore"):
        below, above = _log_between(low - mean, x - mean), _log_between(x - mean, high - mean)
        share = special.expit(below - above)  # below / (below + above), without leaving the logs
    # without a width there is nothing to divide: at the lower end no mass is below
    return np.where(x <= low, 0.0, np.where(x >= high, 1.0, share))


def _falling_root(function: Callable[[Floats], Floats], low: Floats, high: Floats, p: float) -> Floats:
    """Solve function(mean) = p by bisection; the function falls."""
    low, high = low.astype(float).copy(), high.astype(float).copy()
    for _ in range(100):
        middle = 0.5 * (low + high)
        above = function(middle) > p
        low, high = np.where(above, middle, low), np.where(above, high, middle)
        if np.all(high - low <= 1e-12 * np.maximum(1.0, np.abs(middle))):
            break
    return 0.5 * (low + high)


def conditional_mean(x: Floats, low: Floats, high: Floats, p: float) -> Floats:
    """Return the mean at which an observation of at most x has probability p, given truncation to [low, high].

    In units of the standard error. p = 1/2 is the median-unbiased estimate; p = .975 and .025 are bounds.
    """
    # sinh spaces the search: fine near x, and far out where x lies close to where it is cut
    t = np.arcsinh(REACH)

    def at(where: Floats) -> Floats:
        return truncated_cdf(x, x + np.sinh(where), low, high)

    found = _falling_root(at, np.full_like(x, -t), np.full_like(x, t), p)
    result = x + np.sinh(found)
    result = np.where(found <= -t + 1e-6, -np.inf, np.where(found >= t - 1e-6, np.inf, result))
    return np.where(x <= low, -np.inf, np.where(x >= high, np.inf, result))


def hybrid_mean(x: Floats, low: Floats, high: Floats, p: float, reach: float) -> Floats:
    """Do the same given also that the estimate lies within `reach` of the mean."""

    def at(mean: Floats) -> Floats:
        return truncated_cdf(x, mean, np.maximum(low, mean - reach), np.minimum(high, mean + reach))

    return _falling_root(at, x - reach, x + reach, p)
