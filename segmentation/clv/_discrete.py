"""Sums over opportunities or periods, and differences of special functions, for the models in discrete time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma

__all__ = ["check_discount_rate", "discounted_sum", "log_beta_ratio", "digamma_step", "sum_nodes", "whole_periods"]

Floats = NDArray[np.float64]

# So many terms of a sum are added one by one; what follows is smooth enough to be integrated.
DIRECT_TERMS = 512
# Nodes for each doubling of the number of terms beyond.
NODES_PER_DOUBLING = 24
# exp(-45) is far below machine precision: a discounted sum ends there.
TAIL = 45.0
# Above this argument the asymptotic series of the digamma function is exact, and a difference of two cancels.
LARGE_ARGUMENT = 1e4


def sum_nodes(n_terms: Floats, direct: int = DIRECT_TERMS) -> tuple[Floats, Floats]:
    """Return nodes i and weights w so that the sum of f(0), ..., f(n_terms - 1) is the sum of w f(i).

    Exact for up to `direct` terms. The rest of a longer sum is integrated from half a term before on, with
    nodes on a logarithmic scale; for terms that fall like powers or exponentials the relative error is below 1e-7.

    Parameters
    ----------
    n_terms : ndarray of shape (n_rows,)
        Whole numbers from 0 on, finite.
    direct : int

    Returns
    -------
    nodes, weights : ndarray of shape (n_rows, n_nodes)
        The weight of a node that a row does not need is 0.

    Examples
    --------
    >>> nodes, weights = sum_nodes(np.array([3.0, 1.0]))
    >>> nodes[0], weights
    (array([0., 1., 2.]), array([[1., 1., 1.],
           [1., 0., 0.]]))
    """
    longest = float(n_terms.max(initial=0.0))
    first = np.arange(min(longest, direct))
    nodes = np.broadcast_to(first, (len(n_terms), len(first)))
    weights = (first < n_terms[:, None]).astype(np.float64)
    if longest <= direct:
        return nodes, weights
    start, end = math.log(direct - 0.5), np.log(np.maximum(n_terms, direct) - 0.5)
    n_panels = max(1, math.ceil((math.log(longest) - start) / math.log(2.0)))
    x, w = np.polynomial.legendre.leggauss(NODES_PER_DOUBLING)
    shares = ((np.arange(n_panels)[:, None] + (x + 1) / 2) / n_panels).ravel()
    log_nodes = start + (end - start)[:, None] * shares
    later = np.exp(log_nodes)
    later_weights = later * np.tile(w / 2 / n_panels, n_panels) * (end - start)[:, None]
    return np.concatenate([nodes, later], axis=1), np.concatenate([weights, later_weights], axis=1)


def discounted_sum(
    log_term: Callable[[Floats], Floats], n_rows: int, horizon: float, discount_rate: float = 0.0
) -> Floats:
    """Return the sum over i = 0, ..., horizon - 1 of exp(log_term(i)) (1 + discount_rate)^-i for each row.

    Parameters
    ----------
    log_term : callable (ndarray of shape (n_rows, n_nodes)) -> ndarray of the same shape
    n_rows : int
    horizon : float
        A whole number, or infinite where there is a discount rate.
    discount_rate : float, default=0.0
        Per period.

    Examples
    --------
    >>> discounted_sum(np.zeros_like, 1, np.inf, 0.25)
    array([5.])
    """
    log_factor = math.log1p(discount_rate)
    n_terms = min(horizon, math.ceil(TAIL / log_factor)) if log_factor > 0 else horizon
    nodes, weights = sum_nodes(np.full(n_rows, n_terms))
    return np.asarray((np.exp(log_term(nodes) - log_factor * nodes) * weights).sum(axis=1), dtype=np.float64)


def log_beta_ratio(a: Any, b: Any, more: Any) -> Any:
    """Return log B(a, b + more) - log B(a, b): the chance to have stayed, where that of staying is Beta distributed.

    Examples
    --------
    >>> round(float(np.exp(log_beta_ratio(1.0, 1.0, 1.0))), 12)
    0.5
    """
    return betaln(a, b + more) - betaln(a, b)


def digamma_step(z: Floats, step: float) -> Floats:
    """Return digamma(z + step) - digamma(z), without cancellation for large z.

    Examples
    --------
    >>> digamma_step(np.array([1.0, 1e20]), 1.0)
    array([1.e+00, 1.e-20])
    """
    middle = np.maximum(z, LARGE_ARGUMENT) - 0.5
    series = np.log1p(step / middle) + (1.0 / (middle + step) ** 2 - 1.0 / middle**2) / 24.0
    return np.asarray(np.where(z > LARGE_ARGUMENT, series, digamma(z + step) - digamma(z)), dtype=np.float64)


def whole_periods(value: Any, name: str, unit: str) -> float:
    """Return a number of opportunities or periods: whole, from 0 on, or infinite.

    Raises
    ------
    ValueError
        If it is not.
    """
    number = float(value) if np.ndim(value) == 0 else math.nan
    if not number >= 0 or (math.isfinite(number) and number != math.floor(number)):
        raise ValueError(f"{name} must be one whole number of {unit} from 0 on, got {value!r}.")
    return number


def check_discount_rate(rate: Any, horizon: float) -> float:
    """Return a discount rate per period: from 0 on, and positive where the horizon is infinite.

    Raises
    ------
    ValueError
        If it is not.
    """
    number = float(rate) if np.ndim(rate) == 0 else math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"the discount rate per period must be one number from 0 on, got {rate!r}; 10 % is 0.1.")
    if number == 0 and math.isinf(horizon):
        raise ValueError(
            "without discounting the sum over an infinite horizon may be infinite: give a positive discount rate per "
            "period, or a horizon."
        )
    return number
