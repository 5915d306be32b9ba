"""The hidden part of the market: how each customer buys, and which need drives them.

The purchase rate, the dropout probability and the level of spend are drawn first, independently, from the
distributions of the MBG/NBD and the Gamma-Gamma model, and the needs segment is then drawn given the three. Read the
other way round, needs drive behaviour: it is the same joint distribution. Drawn in this order, the *population*
follows the two models exactly, and so does what a pooled fit assumes, although the segments differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betainc, gammainc, gammainccinv, ndtr, ndtri, softmax

__all__ = ["NEEDS", "POPULATION", "REGULAR_SHARE", "SEGMENTS", "SHARES", "SPEND_RATE_CORRELATION", "Latents", "draw"]
__all__ += ["pick", "probabilities"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SEGMENTS = ("bargain", "convenience", "inspiration", "quality", "reassurance")
SHARES = np.array([0.26, 0.24, 0.17, 0.18, 0.15])

# MBG/NBD (r, alpha in days, a, b) and Gamma-Gamma (p, q, v in currency), in the notation of the papers.
POPULATION = pd.Series({"r": 1.2, "alpha": 50.0, "a": 0.7, "b": 2.8, "p": 6.0, "q": 4.0, "v": 20.0}, name="value")

# Log weights of the segments: intercept + slopes times the normal scores of rate, dropout and mean spend. The
# intercepts are those for which the expected weights are SHARES (a test recomputes them by quadrature).
NEEDS = pd.DataFrame(
    {
        "intercept": [0.0, -0.045394, -0.292446, -0.766088, -0.991504],
        "purchase_rate": [0.6, 2.0, 0.3, -0.6, -2.2],
        "dropout_probability": [1.2, -1.2, 1.5, -1.2, -0.3],
        "mean_spend": [-2.1, -0.3, 1.0, 2.1, -0.3],
    },
    index=pd.Index(SEGMENTS, name="segment"),
)

# The misspecified market: rank correlation (of the normal scores) of spend and rate, share of regular buyers.
SPEND_RATE_CORRELATION = 0.5
REGULAR_SHARE = 0.75

# Normal scores are finite also where a distribution function rounds to 0 or 1.
TINY = 1e-12


@dataclass(frozen=True)
class Latents:
    """What nobody observes about the customers; every array has shape (n_customers,) unless it says otherwise.

    Attributes
    ----------
    segment : ndarray of int64
        Position in `SEGMENTS`.
    rate : ndarray
        Orders per day while active.
    dropout : ndarray
        Probability of leaving after an order, the first included.
    mean_spend : ndarray
        Mean amount of an order.
    erlang_shape : ndarray of int64
        1: the time between orders is exponential; 2: more regular, the sum of two exponential times.
    scores : ndarray of shape (n_customers, 3)
        Normal scores of rate, dropout and spend that the segment was drawn from.
    """

    segment: Codes
    rate: Floats
    dropout: Floats
    mean_spend: Floats
    erlang_shape: Codes
    scores: Floats


def pick(probability: Floats, uniform: Floats) -> Codes:
    """Choose a column per row with the probabilities of that row, given one uniform number per row.

    Examples
    --------
    >>> pick(np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([0.1, 0.7]))
    array([0, 1])
    """
    # The last column takes what rounding leaves over.
    return np.asarray((uniform[:, None] >= np.cumsum(probability, axis=1)[:, :-1]).sum(axis=1), dtype=np.int64)


def probabilities(scores: Floats) -> Floats:
    """Return the probability of each segment given the normal scores, shape (n_customers, n_segments)."""
    needs = NEEDS.to_numpy()
    return np.asarray(softmax(needs[:, 0] + scores @ needs[:, 1:].T, axis=1))


def draw(n_customers: int, rng: np.random.Generator, *, misspecified: bool) -> Latents:
    """Draw the customers; segments, rates and dropout are the same in both markets of a seed."""
    r, alpha, a, b, p, q, v = POPULATION
    rate = rng.gamma(r, 1.0 / alpha, n_customers)
    dropout = rng.beta(a, b, n_customers)
    # Mean spend is p / nu with nu ~ Gamma(q, v): a high nu is a low spend, hence the minus.
    nu = rng.gamma(q, 1.0 / v, n_customers)
    scores = np.column_stack(
        [
            _normal_score(gammainc(r, alpha * rate)),
            _normal_score(betainc(a, b, dropout)),
            -_normal_score(gammainc(q, v * nu)),
        ]
    )
    segment = pick(probabilities(scores), rng.random(n_customers))
    shape = np.ones(n_customers, dtype=np.int64)
    if misspecified:
        rho = SPEND_RATE_CORRELATION
        spend_score = rho * scores[:, 0] + np.sqrt(1.0 - rho**2) * scores[:, 2]
        nu = gammainccinv(q, ndtr(spend_score)) / v
        shape += rng.random(n_customers) < REGULAR_SHARE
    return Latents(segment, rate, dropout, p / nu, shape, scores)


def _normal_score(level: Floats) -> Floats:
    return np.asarray(ndtri(np.clip(level, TINY, 1.0 - TINY)))
