"""The integral behind the BG/NBD family's forecasts, computed so that no input makes it overflow or cancel.

It has a closed form with Gauss's hypergeometric function. scipy evaluates it to near machine precision where its
parameters are moderate; for very active customers, or near the removable singularity at a = 1, it is a difference of
large numbers. There the integral itself is summed: it is positive everywhere, so the sum loses nothing. So it is where
the third parameter less the first two is a whole number, for which scipy has another series, which can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp2f1

__all__ = ["mean_purchases_while_dying"]

Floats = NDArray[np.float64]

# The closed form is kept where its estimated relative error stays below this.
CLOSED_FORM_ERROR = 1e-7
# Nodes of the trapezoidal rule. After the sinh substitution its error falls exponentially with their number, and
# varies smoothly with the parameters. Over all shapes from 0.001 to 1,000 and ratios of times up to e^12 these
# leave relative errors below 1e-7 in 99 % of cases, and below 1e-5 in all.
DROPOUT_NODES = 241
# Rows per block, which bounds the memory at about 50 MB.
BLOCK = 4096
# scipy takes that other series above this argument (with some room for rounding).
OTHER_SERIES = 0.89
# exp(-40) is far below machine precision: tails that have fallen by it are cut off.
TAIL = 40.0


def _in_blocks(function: Callable[..., Floats], columns: Sequence[Floats]) -> Floats:
    """Evaluate `function` on blocks of rows, so that nodes times rows never fill the memory."""
    n_rows = len(columns[0])
    if n_rows <= BLOCK:
        return function(*columns)
    parts = [function(*(c[i : i + BLOCK] for c in columns)) for i in range(0, n_rows, BLOCK)]
    return np.concatenate(parts)


def _sinh_grid(low: Floats, high: Floats, n_nodes: int) -> tuple[Floats, Floats]:
    """Spread nodes y = sinh(u) over [-low, high], dense at 0; return y and dy/du, a row for each of `low`."""
    start, end = -np.arcsinh(low), np.arcsinh(high)
    step = ((end - start) / (n_nodes - 1))[:, None]
    u = start[:, None] + step * np.arange(n_nodes)
    return np.sinh(u), np.cosh(u)


def mean_purchases_while_dying(shape: Floats, a: Floats | float, b: Floats, span: Floats) -> Floats:
    """Return E[(1 - (1 + p h)^-R) / p] for p ~ Beta(a, b): purchases of an active customer in the BG/NBD family.

    A customer whose purchase rate has the gamma distribution of shape R and rate alpha + T, and who leaves with
    probability p after each purchase, buys this often on average in the next t = h (alpha + T) time units.

    Parameters
    ----------
    shape : ndarray of shape (n,)
        R > 0.
    a : float or ndarray of shape (n,)
        First parameter of the distribution of p, > 0.
    b : ndarray of shape (n,)
        Second parameter, > 0.
    span : ndarray of shape (n,)
        h >= 0.

    Returns
    -------
    ndarray of shape (n,)
        Between 0 and R h, smooth in all parameters (a = 1 included).

    Notes
    -----
    The closed form is (a+b-1)/(a-1) [1 - (1+h)^(1-a) 2F1(a-1, a+b-1-R; a+b-1; h/(1+h))], equation (10) of [1]_
    after Euler's transformation: for BG/NBD and MBG/NBD the second parameter no longer grows with the number of
    purchases, so nothing overflows for heavy buyers.

    References
    ----------
    .. [1] Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), 275-284,
       doi:10.1287/mksc.1040.0098.

    Examples
    --------
    >>> one = np.ones(1)
    >>> mean_purchases_while_dying(2 * one, 1.0, 3 * one, one).round(6)
    array([1.5])
    """
    a = np.asarray(a, dtype=np.float64)
    c = a + b - 1.0
    second = c - shape
    with np.errstate(all="ignore"):
        ratio = np.asarray(c / (a - 1.0))
        argument = span / (1.0 + span)
        hypergeometric = hyp2f1(a - 1.0, second, c, argument)
        result = np.asarray(ratio * (1.0 - (1.0 + span) ** (1.0 - a) * hypergeometric), dtype=np.float64)
        # The difference from 1 is known to rounding; parameters of hyp2f1 amplify rounding by their square.
        error = 2e-16 * np.abs(ratio) * (1.0 + a**2 + second**2) / result
    difference = c - second - (a - 1.0)
    other_series = (argument > OTHER_SERIES) & (np.abs(difference - np.round(difference)) < 1e-9)
    exact = (error < CLOSED_FORM_ERROR) & (result > 0) & (result <= shape * span) & ~other_series
    rest = ~exact & (span > 0)
    result[span == 0] = 0.0
    if rest.any():
        columns = [shape[rest], np.broadcast_to(a, b.shape)[rest], b[rest], span[rest]]
        result[rest] = _in_blocks(_sum_over_dropout, columns)
    return result


def _sum_over_dropout(shape: Floats, a: Floats, b: Floats, span: Floats) -> Floats:
    """Sum the same expectation over p on the logit scale, centred on the distribution of p."""
    spread = np.sqrt(1.0 / a + 1.0 / b)
    width = np.minimum(spread, 1.0)
    low, high = (9.0 * spread + TAIL / a) / width, (9.0 * spread + TAIL / b) / width
    y, weight = _sinh_grid(low, high, DROPOUT_NODES)
    logit = np.log(a / b)[:, None] + width[:, None] * y
    log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
    log_weight = a[:, None] * log_p + b[:, None] * log_q + np.log(weight)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    p = np.exp(log_p)
    gain = p * span[:, None]
    rate = shape[:, None]
    # where p has underflowed the customer never leaves, and buys at the full rate
    purchases = np.where(gain > 1e-10, -np.expm1(-rate * np.log1p(gain)) / np.maximum(p, 1e-300), rate * span[:, None])
    return np.asarray((weight * purchases).sum(axis=1) / weight.sum(axis=1), dtype=np.float64)
