"""Likelihoods and predictions of the purchase and spend models: pure functions on arrays, no fitting.

Notation of the papers: a customer has made x repeat purchases, the last at t_x, and has been observed until T;
all times count from the first purchase, in any unit, and parameters are in the same unit. Everything is
computed in logarithms where numbers can become large.

References
----------
.. [1] BG/NBD: Fader, Hardie, Lee (2005), Marketing Science 24(2), 275-284, doi:10.1287/mksc.1040.0098.
.. [2] MBG/NBD: Batislam, Denizel, Filiztekin (2007), International Journal of Research in Marketing 24(3),
   201-209, doi:10.1016/j.ijresmar.2006.12.005; erratum by Wagner and Hoppe (2008), 25(3), 225-226.
.. [3] Pareto/NBD: Schmittlein, Morrison, Colombo (1987), Management Science 33(1), 1-24,
   doi:10.1287/mnsc.33.1.1; the forms of Fader and Hardie (2005), http://brucehardie.com/notes/009/.
.. [4] Gamma-Gamma: Fader, Hardie (2013), http://brucehardie.com/notes/025/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, expit, exprel, gammaln

from segmentation.clv._special import mean_purchases_while_dying, shifted_power_integral

__all__ = [
    "PURCHASE_MODELS",
    "PurchaseModel",
    "expected_spend",
    "population_spend",
    "spend_log_likelihood",
    "unique_rows",
]

Floats = NDArray[np.float64]
Params = Sequence[float]


def _columns(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Turn inputs into float arrays of one shape (n,)."""
    return tuple(np.array(c, dtype=np.float64) for c in np.broadcast_arrays(*map(np.atleast_1d, columns)))


def unique_rows(*columns: ArrayLike) -> tuple[tuple[Floats, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Collapse equal rows: return the unique rows as columns, each row's place among them, and their counts.

    Customers with equal histories have equal likelihoods and equal expectations, so both are computed once.

    Examples
    --------
    >>> rows, inverse, counts = unique_rows([1, 0, 1], [7, 0, 7])
    >>> rows, inverse, counts
    ((array([0., 1.]), array([0., 7.])), array([1, 0, 1]), array([1, 2]))
    """
    values = _columns(*columns)
    order = np.lexsort(values[::-1])
    ordered = [v[order] for v in values]
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for v in ordered:
        new[1:] |= v[1:] != v[:-1]
    starts = np.flatnonzero(new)
    inverse = np.empty(len(order), dtype=np.int64)
    inverse[order] = np.cumsum(new) - 1
    counts = np.diff(np.append(starts, len(order))).astype(np.int64)
    return tuple(v[starts] for v in ordered), inverse, counts


# --- BG/NBD: a customer may leave after each repeat purchase -------------------------------------------------


def _bg_log_likelihood(params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    """Equation (6) of [1]_, one value per customer."""
    r, alpha, a, b = params
    x, t_x, T = _columns(x, t_x, T)
    repeats = np.maximum(x, 1.0)
    stayed = np.where(x > 0, betaln(a + b, repeats) - betaln(b, repeats), 0.0)
    purchases = gammaln(r + x) - gammaln(r) - r * np.log1p(T / alpha) - x * np.log(alpha + T)
    return np.asarray(
        purchases + stayed + np.where(x > 0, np.logaddexp(0.0, _bg_log_odds_left(params, x, t_x, T)), 0.0)
    )


def _bg_log_odds_left(params: Params, x: Floats, t_x: Floats, T: Floats) -> Floats:
    """Log odds of having left at the last repeat purchase rather than being active, for x > 0."""
    r, alpha, a, b = params
    silence = (r + x) * np.log1p((T - t_x) / (alpha + t_x))
    return np.asarray(np.log(a) - np.log(b + np.maximum(x, 1.0) - 1.0) + silence)


def _bg_p_alive(params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    """Probability of being active at T; 1 for x = 0, because nobody leaves before a first repeat purchase."""
    x, t_x, T = _columns(x, t_x, T)
    return np.where(x > 0, expit(-_bg_log_odds_left(params, x, t_x, T)), 1.0)


def _bg_purchases(params: Params, x: ArrayLike, T: ArrayLike, horizon: float) -> Floats:
    """Equation (10) of [1]_ without its p_alive: purchases of a customer who is active at T."""
    r, alpha, a, b = params
    x, T = _columns(x, T)
    return mean_purchases_while_dying(r + x, a, b + x, horizon / (alpha + T))


# --- MBG/NBD: a customer may leave after each purchase, the first included -----------------------------------


def _mbg_log_odds_left(params: Params, x: Floats, t_x: Floats, T: Floats) -> Floats:
    r, alpha, a, b = params
    return np.asarray(np.log(a) - np.log(b + x) + (r + x) * np.log1p((T - t_x) / (alpha + t_x)))


def _mbg_log_likelihood(params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    """Equation (4) of [2]_, one value per customer."""
    r, alpha, a, b = params
    x, t_x, T = _columns(x, t_x, T)
    stayed = betaln(a + b, x + 1.0) - betaln(b, x + 1.0)
    purchases = gammaln(r + x) - gammaln(r) - r * np.log1p(T / alpha) - x * np.log(alpha + T)
    return np.asarray(purchases + stayed + np.logaddexp(0.0, _mbg_log_odds_left(params, x, t_x, T)))


def _mbg_p_alive(params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    return np.asarray(expit(-_mbg_log_odds_left(params, *_columns(x, t_x, T))))


def _mbg_purchases(params: Params, x: ArrayLike, T: ArrayLike, horizon: float) -> Floats:
    """Purchases of a customer who is active at T, after the erratum of [2]_."""
    r, alpha, a, b = params
    x, T = _columns(x, T)
    return mean_purchases_while_dying(r + x, a, b + x + 1.0, horizon / (alpha + T))


# --- Pareto/NBD: a customer may leave at any time ------------------------------------------------------------


def _pareto_terms(params: Params, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats, Floats]:
    """Log weights of three events: left between t_x and later, active at T and will buy again, active at T.

    The first integrates the time of leaving from t_x on; the second is what remains of "active at T" after
    "left after T" is taken out of it, so that first + second is the likelihood: a sum of two positive terms
    where equation (18) of [3]_ has a difference.
    """
    r, alpha, s, beta = params
    at_least = shifted_power_integral(r + x, np.full_like(x, s + 1.0), alpha + t_x, beta + t_x)
    beyond = shifted_power_integral(r + x + 1.0, np.full_like(x, s), alpha + T, beta + T)
    active = -(r + x) * np.log(alpha + T) - s * np.log(beta + T)
    left = np.log(s * at_least) - (r + x) * np.log(alpha + t_x) - (s + 1.0) * np.log(beta + t_x)
    buys_again = np.log((r + x) * beyond / (alpha + T)) + active
    return left, buys_again, active


def _pareto_log_likelihood(params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    """Equation (18) of [3]_, one value per customer."""
    r, alpha, s, beta = params
    x, t_x, T = _columns(x, t_x, T)
    left, buys_again, _ = _pareto_terms(params, x, t_x, T)
    constant = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return np.asarray(constant + np.logaddexp(left, buys_again))


def _pareto_p_alive(params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    """Equations (36) and (37) of [3]_."""
    left, buys_again, active = _pareto_terms(params, *_columns(x, t_x, T))
    return np.exp(np.minimum(active - np.logaddexp(left, buys_again), 0.0))


def _pareto_purchases(params: Params, x: ArrayLike, T: ArrayLike, horizon: float) -> Floats:
    """Equation (41) of [3]_ without its p_alive; smooth at s = 1."""
    r, alpha, s, beta = params
    x, T = _columns(x, T)
    growth = np.log1p(horizon / (beta + T))
    return np.asarray((r + x) * (beta + T) / (alpha + T) * growth * exprel((1.0 - s) * growth))


@dataclass(frozen=True)
class PurchaseModel:
    """The functions of one purchase model.

    Attributes
    ----------
    title : str
        Its name in the papers.
    parameters : tuple of str
        Names of the parameters, in the order of the papers.
    in_time : tuple of bool
        Which of them are times: these scale with the time unit.
    log_likelihood, p_alive : callable (params, x, t_x, T) -> ndarray of shape (n,)
    purchases_if_alive : callable (params, x, T, horizon) -> ndarray of shape (n,)
    """

    title: str
    parameters: tuple[str, ...]
    in_time: tuple[bool, ...]
    log_likelihood: Callable[[Params, ArrayLike, ArrayLike, ArrayLike], Floats]
    p_alive: Callable[[Params, ArrayLike, ArrayLike, ArrayLike], Floats]
    purchases_if_alive: Callable[[Params, ArrayLike, ArrayLike, float], Floats]

    def rescale(self, params: Params, factor: float) -> tuple[float, ...]:
        """Return the parameters after every time has been multiplied by `factor`."""
        return tuple(float(p * factor) if timed else float(p) for p, timed in zip(params, self.in_time, strict=True))

    def expected_purchases(self, params: Params, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon: float) -> Floats:
        """Return the purchases expected within `horizon` after T, given the history.

        Examples
        --------
        >>> bg = PURCHASE_MODELS["bg_nbd"]
        >>> bg.expected_purchases((0.2426, 4.4136, 0.7929, 2.4259), 2, 30.43, 38.86, 39).round(3)
        array([1.226])
        """
        return self.p_alive(params, x, t_x, T) * self.purchases_if_alive(params, x, T, horizon)


PURCHASE_MODELS = {
    "bg_nbd": PurchaseModel(
        "BG/NBD",
        ("r", "alpha", "a", "b"),
        (False, True, False, False),
        _bg_log_likelihood,
        _bg_p_alive,
        _bg_purchases,
    ),
    "mbg_nbd": PurchaseModel(
        "MBG/NBD",
        ("r", "alpha", "a", "b"),
        (False, True, False, False),
        _mbg_log_likelihood,
        _mbg_p_alive,
        _mbg_purchases,
    ),
    "pareto_nbd": PurchaseModel(
        "Pareto/NBD",
        ("r", "alpha", "s", "beta"),
        (False, True, False, True),
        _pareto_log_likelihood,
        _pareto_p_alive,
        _pareto_purchases,
    ),
}


# --- Gamma-Gamma spend ---------------------------------------------------------------------------------------


def spend_log_likelihood(params: Params, x: ArrayLike, mean_spend: ArrayLike) -> Floats:
    """Return the log-likelihood of each customer's mean spend over x > 0 purchases, equation (1a) of [4]_."""
    p, q, v = params
    x, mean_spend = _columns(x, mean_spend)
    total, shape = x * mean_spend, p * x
    return np.asarray(-betaln(shape, q) - q * np.log1p(total / v) - shape * np.log1p(v / total) - np.log(mean_spend))


def population_spend(params: Params) -> float:
    """Return the model's expected spend per purchase of a customer nothing is known of: p v / (q - 1).

    It is infinite for q <= 1.
    """
    p, q, v = params
    return float(p * v / (q - 1.0)) if q > 1.0 else float("inf")


def expected_spend(params: Params, x: ArrayLike, mean_spend: ArrayLike, fallback: float | None = None) -> Floats:
    """Return the expected spend per purchase of customers, equation (5) of [4]_.

    Parameters
    ----------
    params : (p, q, v)
    x : array of shape (n,)
        Repeat purchases that `mean_spend` averages over; 0 for customers whose spend is not known.
    mean_spend : array of shape (n,)
        Ignored where x is 0.
    fallback : float, optional
        The population's spend to use instead of the model's, where that is infinite (q <= 1) or absurd.
        Customers' own means are then shrunk towards it with the weight p x / (p x + q), which is finite for
        every q, in place of p x / (p x + q - 1).

    Examples
    --------
    >>> expected_spend((6.25, 3.74, 15.44), [2, 0], [22.35, 0]).round(1)
    array([24.7, 35.2])
    """
    p, q, _ = params
    x, mean_spend = _columns(x, mean_spend)
    population, prior = (population_spend(params), q - 1.0) if fallback is None else (fallback, q)
    weight = p * x / (p * x + prior)
    return np.asarray(population + weight * (np.where(x > 0, mean_spend, population) - population))
