"""Sums over the unseen stages of regular buying: what an active customer of the CNBD-k models does next.

Between two purchases a customer passes k stages, each after an exponential time of the same rate. Given that the
customer is active at T, Z counts the stages passed from the last purchase to T + t: first those before T, fewer
than k, then those after it. The customer makes M = floor(Z / k) purchases unless leaving stops them.

The arguments are the same throughout: R = r + k x; `elapsed` u = (T - t_x) / (alpha + T); `ahead`
h = t / (alpha + T). The rate has the gamma density of shape R + j with the weight R (R+1) ... (R+j-1) / j! u^j, if j
stages are done; all sums below have positive terms only, so that nothing cancels.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, gammaln

__all__ = ["mean_purchases", "n_purchases", "p_purchase", "silence", "stage_slopes", "stage_total", "stage_weights"]

Floats = NDArray[np.float64]

# Terms of the sum over purchases whose remainder is below this share are left out.
NEGLIGIBLE = 1e-10
# The sum over purchases is taken term by term up to this many (or 3 k, whichever is more), and as an integral after.
TERMS = 20
# Below this share of the time known, a purchase is as good as impossible; powers up to the thirtieth stay finite.
SOONEST, LATEST = 1e-30, 1e100
# Panels end where normal tails have fallen by e^-30.
FALL = 30.0
BLOCK = 4096
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)


def stage_total(k: int, R: Floats, elapsed: Floats) -> Floats:
    """Return the sum over j < k of R (R+1) ... (R+j-1) / j! u^j; at most 30 factors, so it stays finite.

    Examples
    --------
    >>> stage_total(3, np.array([2.0]), np.array([0.5]))
    array([2.75])
    """
    term, total = np.ones_like(R), np.ones_like(R)
    for j in range(k - 1):
        term = term * ((R + j) / (j + 1) * elapsed)
        total = total + term
    return total


def stage_slopes(k: int, R: Floats, elapsed: Floats) -> tuple[Floats, Floats, Floats]:
    """Return `stage_total`, and the slopes of its logarithm along R and along log u."""
    term, total, harmonic = np.ones_like(R), np.ones_like(R), np.zeros_like(R)
    along_R, along_u = np.zeros_like(R), np.zeros_like(R)
    for j in range(k - 1):
        term = term * ((R + j) / (j + 1) * elapsed)
        harmonic = harmonic + 1.0 / (R + j)
        total = total + term
        along_R = along_R + term * harmonic
        along_u = along_u + term * (j + 1)
    return total, along_R / total, along_u / total


def stage_weights(k: int, R: Floats, elapsed: Floats) -> Floats:
    """Return the probabilities that j = 0 ... k - 1 stages are done, shape (k, n)."""
    terms = np.ones((k, len(R)))
    for j in range(k - 1):
        terms[j + 1] = terms[j] * ((R + j) / (j + 1) * elapsed)
    return np.asarray(terms / terms.sum(axis=0), dtype=np.float64)


def silence(k: int, R: Floats, elapsed: Floats, ahead: Floats) -> Floats:
    """Return P(Z < k), no purchase: the same sum at T + t over that at T, times (1 + h)^-R; h may be infinite."""
    with np.errstate(invalid="ignore"):
        later = np.where(np.isinf(ahead), 1.0, (elapsed + ahead) / (1.0 + ahead))
    ratio = np.log(stage_total(k, R, later)) - np.log(stage_total(k, R, elapsed))
    return np.exp(np.minimum(ratio - R * np.log1p(ahead), 0.0))


def p_purchase(k: int, R: Floats, elapsed: Floats, ahead: Floats) -> Floats:
    """Return P(Z >= k) without taking it from 1, so that it is exact for short times; h may be infinite."""
    result = np.where(np.isinf(ahead), 1.0, 0.0)
    some = np.isfinite(ahead) & (ahead > 0)
    if some.any():
        tail = _Tail(k, R[some], elapsed[some], ahead[some])
        result[some] = tail(np.full(int(some.sum()), float(k)))
    return result


class _Tail:
    """P(Z >= n), a smooth function of n >= k, for the rows given (h > 0)."""

    def __init__(self, k: int, R: Floats, elapsed: Floats, ahead: Floats) -> None:
        ahead = np.clip(ahead, SOONEST, LATEST)
        self.k, self.R, self.ahead = k, R, ahead
        self.q, self.rest = ahead / (1.0 + ahead), 1.0 / (1.0 + ahead)
        self.log_q, self.log_rest = -np.log1p(1.0 / ahead), -np.log1p(ahead)
        # at least j stages are done before T, j = 0 ... k - 1
        self.at_least = np.cumsum(stage_weights(k, R, elapsed)[::-1], axis=0)[::-1]

    def some(self, rows: NDArray[np.bool_]) -> _Tail:
        """Take some of the rows."""
        other = object.__new__(_Tail)
        other.k, other.at_least = self.k, self.at_least[:, rows]
        for name in ("R", "ahead", "q", "rest", "log_q", "log_rest"):
            setattr(other, name, getattr(self, name)[rows])
        return other

    def __call__(self, n: Floats) -> Floats:
        """Return P(Z >= n); `n` has the shape (n_rows,) or (n_nodes, n_rows).

        With j stages done the chance of n - j more is the regularised incomplete beta function I_q(n - j, R + j).
        It grows with j, by steps whose ratios are simple; so one such function is enough.
        """
        k, R, ahead = self.k, self.R, self.ahead
        R_all, n = np.broadcast_arrays(R, n)
        q, rest = np.broadcast_to(self.q, n.shape), np.broadcast_to(self.rest, n.shape)
        near = q <= 0.5
        total = np.empty(n.shape)
        total[near] = betainc(n[near], R_all[near], q[near])
        # a chance near 1 cannot be told from 1 exactly enough to be an argument
        total[~near] = 1.0 - betainc(R_all[~near], n[~near], rest[~near])
        if k == 1:
            return total
        log_step = (n - k + 1) * self.log_q + (R + k - 2) * self.log_rest - betaln(n - k + 2, R + (k - 1))
        step = np.exp(log_step) / (R + n)
        for j in range(k - 2, -1, -1):
            total = total + step * self.at_least[j + 1]
            step = step * (ahead * (R + j) / (n - j))
        return np.minimum(total, 1.0)


def mean_purchases(k: int, R: Floats, a: float, b: Floats, elapsed: Floats, ahead: Floats) -> Floats:
    """Return E[min(M, D)], D the purchase after which the customer leaves, with the probability p ~ Beta(a, b).

    Parameters
    ----------
    k : int
    R, b, elapsed, ahead : ndarray of shape (n,)
    a : float

    Notes
    -----
    It is the sum over m >= 1 of P(Z >= k m) P(D >= m), where P(D >= m) = B(a, b + m - 1) / B(a, b). Both factors are
    smooth in m, so that after the first 20 (or 3 k) terms the sum is an integral with the first two corrections of
    Euler and Maclaurin, taken on the logarithm of m by Gauss-Legendre quadrature. The relative error is below
    1e-6.

    Examples
    --------
    >>> one = np.ones(1)
    >>> mean_purchases(2, one, 1.0, 3 * one, 0 * one, one).round(6)
    array([0.308739])
    """
    result = np.zeros_like(R)
    some = np.flatnonzero(ahead > 0)
    for i in range(0, len(some), BLOCK):
        rows = some[i : i + BLOCK]
        result[rows] = _mean_purchases(_Tail(k, R[rows], elapsed[rows], ahead[rows]), a, b[rows])
    return result


def _mean_purchases(tail: _Tail, a: float, b: Floats) -> Floats:
    k = tail.k
    n_terms = max(TERMS, 3 * k)
    result = np.zeros_like(b)
    rows, stay, before = np.arange(len(b)), np.ones_like(b), np.full_like(b, np.inf)
    last: list[Floats] = []
    slowest = np.exp(k * tail.log_q)
    for m in range(1, n_terms + 3):
        term = tail(np.full(len(rows), float(k * m))) * stay
        last = [*last[-3:], term]
        if m <= n_terms:
            result[rows] += term
        # terms fall at least as fast as they do now, or in the end by q^k
        fall = np.maximum(term / np.maximum(before, 1e-300), slowest)
        going = (term * fall > NEGLIGIBLE * (1.0 - fall) * result[rows]) | (m == 1) | (m > n_terms)
        stay, before = stay * ((b + m - 1) / (a + b + m - 1)), term
        if not going.all():
            if not going.any():
                return result
            rows, stay, before, slowest, b = rows[going], stay[going], before[going], slowest[going], b[going]
            last, tail = [column[going] for column in last], tail.some(going)
    slope = last[2] - last[1]
    bend = last[3] - 3 * last[2] + 3 * last[1] - last[0]
    result[rows] += _integral(tail, a, b, n_terms + 0.5) + slope / 24 - 17 / 5760 * bend
    return result


def _integral(tail: _Tail, a: float, b: Floats, start: float) -> Floats:
    """Integrate P(Z >= k m) P(D >= m) over m from `start`."""
    k, R, ahead = tail.k, tail.R, tail.ahead
    # the gamma distribution of the rate, then the Poisson distribution of stages, with all but e^-30 of either
    high = _above(_above(R + k) * ahead) / k
    low = _below(_below(R) * ahead) / k
    centre = (R * ahead + 1.0) / k
    # as long as customers stay
    stay = (b + 1.0) / a
    ends = np.log(np.clip(np.array([low, centre, stay, 4 * stay, FALL * stay, high]), start, None))
    ends = np.minimum(np.sort(ends, axis=0), np.log(np.maximum(high, start)))
    ends = np.concatenate([np.full((1, len(R)), np.log(start)), ends])
    total = np.zeros_like(R)
    for first, second in pairwise(ends):
        width = second - first
        some = width > 0
        if not some.any():
            continue
        log_m = first[some] + width[some] * (_NODES[:, None] + 1) / 2
        m = np.exp(log_m)
        stayed = np.exp(betaln(a, b[some] + m - 1) - betaln(a, b[some]))
        values = tail.some(some)(k * m) * stayed * m
        total[some] += (_NODE_WEIGHTS @ values) * width[some] / 2
    return total


def _above(mean: Floats) -> Floats:
    return mean + FALL + np.sqrt(2 * FALL * mean)


def _below(mean: Floats) -> Floats:
    return np.maximum(mean - np.sqrt(2 * FALL * mean), 0.0)


def n_purchases(k: int, n: int, R: Floats, elapsed: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """Return P(M = n) and P(M > n): sums of negative binomial probabilities over the stages done before T.

    Examples
    --------
    >>> n_purchases(1, 0, np.ones(1), np.zeros(1), np.ones(1))
    (array([0.5]), array([0.5]))
    """
    exactly, more = (np.ones_like(R) if n == 0 else np.zeros_like(R)), np.zeros_like(R)
    some = ahead > 0
    if not some.any():
        return exactly, more
    R, elapsed = R[some], elapsed[some]
    tail = _Tail(k, R, elapsed, ahead[some])
    more[some] = tail(np.full(len(R), float(k * (n + 1))))
    if n == 0:
        exactly[some] = silence(k, R, elapsed, tail.ahead)
        return exactly, more
    weights = stage_weights(k, R, elapsed)
    last, probability = R + (k - 1), np.zeros_like(R)
    for z in range(k * n, k * (n + 1)):
        missing = z - k + 1
        log_chance = gammaln(last + missing) - gammaln(last) - gammaln(missing + 1)
        chance = np.exp(log_chance + missing * tail.log_q + last * tail.log_rest)
        for j in range(k - 1, -1, -1):
            probability += weights[j] * chance
            # with one stage less done, one more is to come
            chance = chance * ((R + (j - 1)) * tail.ahead / (z - j + 1)) if j else chance
    exactly[some] = np.minimum(probability, 1.0)
    return exactly, more
