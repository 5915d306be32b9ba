"""The integral over the unseen time of leaving that the Pareto/NBD rests on, by Gauss-Legendre quadrature.

Its closed forms are Gauss hypergeometric functions, which overflow or cancel for heavy buyers and have no
convenient derivatives by their parameters. The integrand is positive and smooth on the logarithm of time, so a
few nodes give the integral, its derivatives and its second derivatives to about twelve digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["Nodes", "dropout_nodes", "log_peaked_integral", "panels_of"]

Floats = NDArray[np.float64]

# Where the integrand, on the logarithm of time, has fallen by e^-36 nothing is left of it.
TAIL = 36.0
# (longest range of log time, largest fall of the logarithm of the integrand, nodes): these leave about 1e-12.
RULES = ((0.4, 1.5, 6), (1.0, 4.0, 8), (1.5, 8.0, 10), (3.0, 20.0, 16), (5.0, np.inf, 24))
# A longer range of log time is cut into panels of this length.
LONGEST_PANEL = 5.0
# Rows per block, which bounds the memory.
BLOCK = 768
_LEGENDRE = {n: np.polynomial.legendre.leggauss(n) for _, _, n in RULES}


class Nodes(NamedTuple):
    """Quadrature of some customers, arrays of shape (n_rows, n_nodes) unless said.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,), int
        Which customers.
    log_total : ndarray of shape (n_rows,)
        Logarithm of the integral of (1 + u/A)^-power_a (1 + u/B)^-power_b over u from 0 to the end.
    share : ndarray
        Share of each node in it; a row sums to 1.
    log_a, log_b : ndarray
        log(1 + u/A) and log(1 + u/B).
    inverse_a, inverse_b : ndarray
        1 / (1 + u/A) and 1 / (1 + u/B).
    """

    rows: NDArray[np.int64]
    log_total: Floats
    share: Floats
    log_a: Floats
    log_b: Floats
    inverse_a: Floats
    inverse_b: Floats


def dropout_nodes(power_a: Floats, power_b: Floats, A: Floats, B: Floats, length: Floats) -> Iterator[Nodes]:
    """Yield the quadrature of the integral of (1 + u/A)^-power_a (1 + u/B)^-power_b from 0 to `length`.

    All arguments have the shape (n,) and are positive; `length` may be 0. Customers come in groups that share a
    number of nodes, each customer once; those with `length` 0 do not come at all.
    """
    reach, fall = _reach(power_a, power_b, A, B, length)
    todo = length > 0
    for longest, steepest, n_nodes in RULES:
        chosen = todo & (reach <= longest) & (fall <= steepest) if np.isfinite(steepest) else todo
        todo = todo & ~chosen
        rows = np.flatnonzero(chosen)
        block = max(1, BLOCK * 10 // n_nodes)
        for i in range(0, len(rows), block):
            some = rows[i : i + block]
            yield _quadrature(some, power_a[some], power_b[some], A[some], B[some], reach[some], n_nodes)


def _reach(power_a: Floats, power_b: Floats, A: Floats, B: Floats, length: Floats) -> tuple[Floats, Floats]:
    """Return the range of y = log(1 + time / min(A, B)) to integrate over, and the fall of the integrand on it.

    It ends at `length`, or where the integrand on y has fallen by e^-36.
    """
    a_smaller = A <= B
    small, large = np.where(a_smaller, A, B), np.where(a_smaller, B, A)
    steep, flat = np.where(a_smaller, power_a, power_b), np.where(a_smaller, power_b, power_a)
    ratio = small / large
    reach = np.log1p(length / small)
    fall = steep * reach + flat * np.log1p(length / large)
    # dt = small * e^y dy takes one power away
    far = fall - reach > TAIL
    if not far.any():
        return reach, fall
    p, q, c = steep[far], flat[far], ratio[far]
    # each factor alone would have fallen by then, so this is too far
    with np.errstate(divide="ignore"):
        by_steep = np.where(p > 1.0, TAIL / np.maximum(p - 1.0, 1e-300), np.inf)
        growth = np.where(q > 1.0, (TAIL - np.log(c)) / np.maximum(q - 1.0, 1e-300), np.inf)
    y = np.minimum(np.minimum(by_steep, np.log1p(np.expm1(np.minimum(growth, 600.0)) / c)), reach[far])
    # the fall is convex in y, so that Newton's method comes down to the end from above, and never stops too early
    for _ in range(5):
        excess = (p - 1.0) * y + q * np.log1p(c * np.expm1(y)) - TAIL
        slope = p - 1.0 + q * c * np.exp(y) / (1.0 + c * np.expm1(y))
        y = y - np.maximum(excess, 0.0) / np.maximum(slope, 1e-300)
    reach[far] = y
    fall[far] = p * y + q * np.log1p(c * np.expm1(y))
    return reach, fall


def panels_of(reach: float, n_nodes: int) -> tuple[Floats, Floats]:
    """Return nodes and weights on [0, 1] for a range of log time that is at most `reach`."""
    n_panels = max(1, int(np.ceil(reach / LONGEST_PANEL)))
    nodes, weights = _LEGENDRE[n_nodes]
    starts = np.arange(n_panels)[:, None]
    return ((starts + (nodes + 1) / 2) / n_panels).ravel(), np.tile(weights / 2 / n_panels, n_panels)


def _quadrature(
    rows: NDArray[np.int64], power_a: Floats, power_b: Floats, A: Floats, B: Floats, reach: Floats, n_nodes: int
) -> Nodes:
    unit, weights = panels_of(float(reach.max()), n_nodes)
    # time runs on the logarithmic scale of the smaller of A and B, on which both factors are smooth
    a_smaller = A <= B
    small, large = np.where(a_smaller, A, B), np.where(a_smaller, B, A)
    log_small = reach[:, None] * unit
    growth = np.exp(log_small)
    large_growth = growth - 1.0
    large_growth *= (small / large)[:, None]
    large_growth += 1.0
    log_large = np.log(large_growth)
    power_small, power_large = np.where(a_smaller, power_a, power_b), np.where(a_smaller, power_b, power_a)
    # dt = small * e^y dy takes one power away
    log_value = (1.0 - power_small)[:, None] * log_small
    log_value -= power_large[:, None] * log_large
    top = log_value.max(axis=1)
    log_value -= top[:, None]
    share = np.exp(log_value, out=log_value)
    share *= weights
    total = share.sum(axis=1)
    share /= total[:, None]
    log_total = np.log(total * reach) + np.log(small) + top
    np.divide(1.0, growth, out=growth)
    np.divide(1.0, large_growth, out=large_growth)
    if a_smaller.all():
        return Nodes(rows, log_total, share, log_small, log_large, growth, large_growth)
    if not a_smaller.any():
        return Nodes(rows, log_total, share, log_large, log_small, large_growth, growth)
    first = a_smaller[:, None]
    log_a, log_b = np.where(first, log_small, log_large), np.where(first, log_large, log_small)
    inverse_a, inverse_b = np.where(first, growth, large_growth), np.where(first, large_growth, growth)
    return Nodes(rows, log_total, share, log_a, log_b, inverse_a, inverse_b)


def log_peaked_integral(n: int, power_a: Floats, power_b: Floats, A: Floats, B: Floats, length: float) -> Floats:
    """Return the logarithm of the integral of u^n (1 + u/A)^-power_a (1 + u/B)^-power_b over u from 0 to `length`.

    Arguments have the shape (n_rows,) and are positive, `n` from 1 on. On the logarithm z of time the integrand is
    log-concave: a single peak, narrow for heavy buyers, is found and integrated on each side as far as it counts.
    """
    blocks = [slice(i, i + BLOCK) for i in range(0, len(A), BLOCK)]
    parts = [_peaked(n, power_a[some], power_b[some], A[some], B[some], length) for some in blocks]
    return np.concatenate(parts) if parts else np.zeros(0)


def _peaked(n: int, power_a: Floats, power_b: Floats, A: Floats, B: Floats, length: float) -> Floats:
    log_a, log_b = np.log(A), np.log(B)

    def value(z: Floats, rows: tuple[Floats, ...] = (power_a, power_b, log_a, log_b)) -> Floats:
        p, q, a, b = rows
        return np.asarray((n + 1.0) * z - p * np.logaddexp(0.0, z - a) - q * np.logaddexp(0.0, z - b))

    end = np.full(len(A), np.log(length))
    # below this time either factor has hardly begun to fall, and the integrand grows at least like time
    early = np.minimum(np.minimum(log_a, log_b) - np.log(power_a + power_b), end)

    def rising(z: Floats) -> NDArray[np.bool_]:
        return np.asarray(n + 1.0 > power_a * expit(z - log_a) + power_b * expit(z - log_b))

    peak = _last(rising, early, end)
    top = value(peak)
    first = _last(lambda z: value(z) < top - TAIL, np.minimum(early, peak) - TAIL - 4.0, peak)
    last = _last(lambda z: value(z) > top - TAIL, peak, end)
    total = np.zeros(len(A))
    for low, high in ((first, peak), (peak, last)):
        unit, weights = panels_of(float((high - low).max()), RULES[-1][2])
        z = low[:, None] + (high - low)[:, None] * unit
        shares = np.exp(value(z, tuple(v[:, None] for v in (power_a, power_b, log_a, log_b))) - top[:, None])
        total += (shares * weights).sum(axis=1) * (high - low)
    return np.asarray(top + np.log(total))


def _last(holds: Callable[[Floats], NDArray[np.bool_]], low: Floats, high: Floats) -> Floats:
    """Return where a condition that holds at first ceases to, or `high` where it always holds; by bisection."""
    always = holds(high)
    for _ in range(40):
        middle = (low + high) / 2
        yes = holds(middle)
        low, high = np.where(yes, middle, low), np.where(yes | always, high, middle)
    return np.where(always, high, low)
