"""The BG/BB model: purchases at discrete opportunities by customers who leave without saying so."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln

from segmentation._format import count
from segmentation.clv._diagnosis import Finding, parameter_findings
from segmentation.clv._discrete import (
    DIRECT_TERMS,
    check_discount_rate,
    discounted_sum,
    log_beta_ratio,
    sum_nodes,
    whole_periods,
)
from segmentation.clv._model import Params, PurchaseModel, SimulatedPurchases
from segmentation.clv._opportunities import blocks_of, log_likelihoods, summed_likelihood
from segmentation.clv._optimise import Objective, Optimum, bootstrap, maximise
from segmentation.clv._rows import read_histories, read_weights, unique_rows
from segmentation.exceptions import CustomerTableError, FitError

__all__ = ["BetaGeoBetaBernoulli"]

Floats = NDArray[np.float64]

# Limits of the logarithms of the parameters: beyond, customers cannot be told from all alike, or from extremes.
LOW, HIGH = -7.0, 10.0
# From so many different histories on, a sample of so many is fitted first.
MANY_ROWS, SAMPLE_ROWS = 20_000, 4_000
# An unlimited wait for a purchase is added up to here, and a power law beyond.
LONG_WAIT = 1e9
# Longest wait that is told apart from an even longer one.
LONGEST_WAIT = 2.0**60
# The smallest chance to leave that random numbers are drawn for.
TINY = 1e-15

_ALIKE_BUYING = "active customers seem to buy with the same chance, so frequency says nothing about a customer"
_EXTREME_BUYING = "active customers seem to buy either at nearly every opportunity or at almost none"
_ALIKE_LEAVING = "customers seem to leave with the same chance"
# What it means that a parameter ran to its limit: (parameter, towards infinity) -> words.
_RUNAWAYS = {
    ("alpha", True): _ALIKE_BUYING,
    ("alpha", False): _EXTREME_BUYING,
    ("beta", True): _ALIKE_BUYING,
    ("beta", False): _EXTREME_BUYING,
    ("gamma", True): _ALIKE_LEAVING,
    ("gamma", False): "nearly nobody who is still there seems ever to leave",
    ("delta", True): f"{_ALIKE_LEAVING}, or never",
    ("delta", False): "those who leave seem to do so at once",
}


class BetaGeoBetaBernoulli(PurchaseModel):
    """BG/BB: who buys at which opportunity, where there is at most one purchase at each.

    An active customer buys at each opportunity with chance p, and has left before each opportunity with chance
    theta, unseen and for good. p ~ Beta(alpha, beta) and theta ~ Beta(gamma, delta), independent of each other
    [1]_. For purchases that happen at fixed times (yearly donations, weekly issues, conferences), and for times
    that are only known as periods.

    Attributes
    ----------
    params_ : dict
        alpha, beta, gamma, delta.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `MaximumLikelihoodModel`.

    Notes
    -----
    `frequency` is the number of opportunities with a purchase after the first purchase, `recency` the number of
    the last of them (0 where there is none) and `T` the number of opportunities, all whole. Being alive means
    here, as in the paper, to be still there at the next opportunity, T + 1. Horizons are numbers of
    opportunities. Sums over more than 512 opportunities are integrated beyond the first 512.

    References
    ----------
    .. [1] Fader, Hardie, Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual Setting,
       Marketing Science 29(6), 1086-1108, doi:10.1287/mksc.1100.0580.

    Examples
    --------
    >>> from segmentation.clv import BetaGeoBetaBernoulli
    >>> model = BetaGeoBetaBernoulli.from_params(1.2035, 0.7497, 0.6567, 2.7834)
    >>> model.p_alive([0, 2, 6], [0, 4, 6], 6).round(2)
    array([0.11, 0.59, 0.93])
    >>> model.expected_purchases(5, [0, 6], [0, 6], 6).round(2)
    array([0.07, 3.75])
    """

    title = "BG/BB"
    parameters = ("alpha", "beta", "gamma", "delta")
    in_time = (False, False, False, False)

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit by maximum likelihood.

        Parameters
        ----------
        frequency : array of shape (n,)
            Opportunities with a purchase.
        recency : array of shape (n,)
            Number of the last opportunity with a purchase, 0 where there is none.
        T : array of shape (n,)
            Opportunities.
        weights : array of shape (n,), optional
            How many customers each row stands for.

        Raises
        ------
        CustomerTableError
            If values are missing or impossible, or not whole numbers.
        FitError
            If there are no customers, or nobody had an opportunity.
        """
        history = self._history(frequency, recency, T)
        weight = read_weights(weights, len(history[0])) if len(history[0]) else np.zeros(0)
        if not len(weight) or not history[2][weight > 0].any():
            raise FitError(
                f"BG/BB learns from what customers did at opportunities to buy; these {count(len(weight), 'row')} have "
                "none (T is 0 everywhere). Count at least one opportunity after the first purchase."
            )
        rows, places, _ = unique_rows(*(column[weight > 0] for column in history))
        totals = np.bincount(places, weights=weight[weight > 0]).astype(np.float64)
        x, t_x, n = rows
        starts = _starts(float(totals @ x), float(totals @ t_x))
        if len(x) > MANY_ROWS:  # a sample of the rows finds the neighbourhood of the maximum
            some = np.unique(np.linspace(0, len(x) - 1, SAMPLE_ROWS).astype(np.int64))
            starts = [_maximum((x[some], t_x[some], n[some]), totals[some], starts).theta, *starts]
        optimum = _maximum((x, t_x, n), totals, starts)
        self._store(optimum, np.exp(optimum.theta).tolist(), optimum.value, float(totals.sum()))
        self._resampled = None if optimum.sharp else _resample((x, t_x, n), totals, optimum.theta)
        self._findings = _findings(optimum, x, n, totals)
        self.diagnosis_ = tuple(finding.text for finding in self._findings)
        return self

    def discounted_expected_purchases(
        self,
        discount_rate: float,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        horizon: float = math.inf,
    ) -> Floats:
        """Return the discounted expected residual transactions (DERT), shape (n,).

        Parameters
        ----------
        discount_rate : float
            Per opportunity: 0.1 makes a purchase at the next opportunity worth 1 / 1.1. 0 only with a horizon.
        frequency, recency, T : arrays of shape (n,)
        horizon : float, default=inf
            Opportunities that count.
        """
        horizon = whole_periods(horizon, "horizon", "opportunities")
        rate = check_discount_rate(discount_rate, horizon)
        history, params = self._history(frequency, recency, T), self._values()
        total = self._discounted_if_alive(params, horizon, rate, *history) / (1.0 + rate)
        return self._p_alive_rows(params, *history) * total

    def rescaled(self, factor: float) -> Self:
        """Refuse: opportunities have no other unit.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "BG/BB counts opportunities, which have no other unit: count the purchases by the other period, and fit "
            "again."
        )

    # --- the formulas; numbers are those of the paper ---

    def _history(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> tuple[Floats, ...]:
        x, t_x, n = read_histories(frequency, recency, T)
        wrong = (t_x % 1 != 0) | (n % 1 != 0)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise CustomerTableError(
                f"recency and T are whole numbers of opportunities; row {row} has recency {t_x[row]:g} and T "
                f"{n[row]:g}{_more(int(wrong.sum()))}. For purchases at any time take a model in continuous time."
            )
        wrong = x > t_x
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise CustomerTableError(
                f"there is at most one purchase at each opportunity, so frequency cannot exceed recency; row {row} has "
                f"frequency {x[row]:g} and recency {t_x[row]:g}{_more(int(wrong.sum()))}. Count several purchases "
                "at one opportunity once."
            )
        return x, t_x, n

    def _log_likelihood_rows(self, params: Params, *history: Floats) -> Floats:
        return log_likelihoods(params, *history)

    def _p_alive_rows(self, params: Params, *history: Floats) -> Floats:
        alpha, beta, gamma, delta = params
        x, _, n = history
        log_alive = betaln(alpha + x, beta + n - x) - betaln(alpha, beta) + log_beta_ratio(gamma, delta, n + 1)
        alive = np.exp(log_alive - self._log_likelihood_rows(params, *history))
        return np.asarray(np.clip(alive, 0.0, 1.0), dtype=np.float64)

    def _purchases_if_alive(self, params: Params, horizon: float, *history: Floats) -> Floats:
        return self._discounted_if_alive(params, whole_periods(horizon, "horizon", "opportunities"), 0.0, *history)

    def _discounted_if_alive(self, params: Params, horizon: float, rate: float, *history: Floats) -> Floats:
        """Return the purchases of customers who are there at T + 1, the one then counted in full."""
        alpha, beta, gamma, delta = params
        x, _, n = history
        (lived,), places, _ = unique_rows(n)
        stays = delta + 1.0 + lived[:, None]
        opportunities = discounted_sum(lambda i: log_beta_ratio(gamma, stays, i), len(lived), horizon, rate)
        return np.asarray((alpha + x) / (alpha + beta + n) * opportunities[places], dtype=np.float64)

    def _silence_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        return 1.0 - self._buys_if_alive(params, time, *history)

    def _buys_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        """Add up the chances that the next purchase comes at the first, second, ... opportunity."""
        alpha, _, gamma, _ = params
        for value in np.unique(time):
            whole_periods(value, "horizon", "opportunities")
        (x, n, horizon), places, _ = unique_rows(history[0], history[2], time)
        result = np.zeros(len(x))
        for block in blocks_of((x,), min(float(horizon.max(initial=0.0)), 2.0 * DIRECT_TERMS)):
            first = _first_purchase(params, x[block], n[block])
            nodes, weights = sum_nodes(np.minimum(horizon[block], LONG_WAIT))
            result[block] = (np.exp(first(nodes)) * weights).sum(axis=1)
            # the chances fall like i^-(alpha + x + 1 + gamma) in the end
            last = np.full((len(nodes), 1), LONG_WAIT)
            beyond = np.exp(first(last))[:, 0] * LONG_WAIT / (alpha + x[block] + gamma)
            result[block] += np.where(np.isinf(horizon[block]), beyond, 0.0)
        return np.clip(result, 0.0, 1.0)[places]

    def _waiting_time(self, params: Params, probability: Floats, horizon: float, *history: Floats) -> Floats:
        """Return the first opportunity by which the probability is reached."""
        (x, n, target), places, _ = unique_rows(history[0], history[2], probability)
        wait = np.zeros(len(x))
        # the same sum may differ by rounding
        target = target * (1.0 - 1e-12)
        n_direct = int(min(horizon, DIRECT_TERMS))
        for block in blocks_of((x,), n_direct):
            nodes, _ = sum_nodes(np.full(len(x[block]), float(n_direct)))
            reached = np.cumsum(np.exp(_first_purchase(params, x[block], n[block])(nodes)), axis=1)
            wait[block] = (reached < target[block][:, None]).sum(axis=1) + 1.0
        later = np.flatnonzero(wait > n_direct)
        if len(later) and horizon > n_direct:
            wait[later] = self._long_wait(params, target[later], min(horizon, LONGEST_WAIT), x[later], n[later])
        return np.minimum(wait, horizon)[places]

    def _long_wait(self, params: Params, target: Floats, horizon: float, x: Floats, n: Floats) -> Floats:
        """Find it by bisection."""
        low, high = np.full(len(x), float(DIRECT_TERMS)), np.full(len(x), horizon)
        while (high - low > 1).any():
            middle = np.floor((low + high) / 2)
            below = self._buys_if_alive(params, middle, x, x, n) < target
            stuck = high - low <= 1
            low, high = np.where(below & ~stuck, middle, low), np.where(below | stuck, high, middle)
        return high

    def _pmf_if_alive(self, params: Params, n: int, horizon: float, *history: Floats) -> Floats:
        """Add up how many opportunities they live to see; a purchase count is then beta-binomial."""
        alpha, beta, gamma, delta = params
        horizon = whole_periods(horizon, "horizon", "opportunities")
        if n > horizon or horizon == 0:
            return np.full(len(history[0]), float(n == horizon))
        (x, T), places, _ = unique_rows(history[0], history[2])
        result = np.zeros(len(x))
        first = max(n, 1)
        for block in blocks_of((x,), min(horizon - first + 1, 2.0 * DIRECT_TERMS)):
            a, b, d = (v[:, None] for v in (alpha + x[block], beta + T[block] - x[block], delta + 1.0 + T[block]))

            def log_buys(k: Any, a: Floats = a, b: Floats = b) -> Any:
                orders = gammaln(k + 1.0) - gammaln(n + 1.0) - gammaln(k - n + 1.0)
                return orders + betaln(a + n, b + k - n) - betaln(a, b)

            nodes, weights = sum_nodes(np.full(len(a), horizon - first))
            lived = first + nodes
            gone = log_buys(lived) + betaln(gamma + 1.0, d + lived - 1.0) - betaln(gamma, d)
            stays = log_buys(horizon) + log_beta_ratio(gamma, d, horizon - 1.0)
            result[block] = (np.exp(gone) * weights).sum(axis=1) + np.exp(stays)[:, 0]
        return np.clip(result, 0.0, 1.0)[places]

    def _simulate_if_alive(self, params: Params, horizon: float, rng: np.random.Generator, *history: Floats) -> Floats:
        alpha, beta, gamma, delta = params
        horizon = whole_periods(horizon, "horizon", "opportunities")
        x, _, n = history
        chance, leaves = rng.beta(alpha + x, beta + n - x), rng.beta(gamma, delta + 1.0 + n)
        lived = np.minimum(rng.geometric(np.clip(leaves, TINY, 1.0)), horizon)
        return np.asarray(rng.binomial(lived.astype(np.int64), chance), dtype=np.float64)

    def _simulate(self, params: Params, T: Floats, horizon: float, rng: np.random.Generator) -> SimulatedPurchases:
        alpha, beta, gamma, delta = params
        horizon = whole_periods(horizon, "horizon", "opportunities")
        if (T % 1).any():
            raise ValueError("T must be whole numbers of opportunities.")
        chance, leaves = rng.beta(alpha, beta, len(T)), rng.beta(gamma, delta, len(T))
        lived = rng.geometric(np.clip(leaves, TINY, 1.0)) - 1.0
        frequency, recency, log_gaps = np.zeros(len(T)), np.zeros(len(T)), np.zeros(len(T))
        here = np.flatnonzero(np.minimum(lived, T) > 0)
        while len(here):  # from one purchase to the next
            gap = rng.geometric(np.maximum(chance[here], TINY)).astype(np.float64)
            buys = recency[here] + gap <= np.minimum(lived, T)[here]
            here, gap = here[buys], gap[buys]
            frequency[here] += 1
            recency[here] += gap
            log_gaps[here] += np.log(gap)
        left = np.clip(lived - T, 0, horizon)
        later = rng.binomial(left.astype(np.int64), chance).astype(np.float64)
        return SimulatedPurchases(frequency, recency, T, lived > T, later, log_gaps)


def _first_purchase(params: Params, x: Floats, n: Floats) -> Any:
    """Return the log-chance, of customers there at T + 1, to buy next at opportunity T + 1 + i, as a function of i."""
    alpha, beta, gamma, delta = params
    a, b, d = (v[:, None] for v in (alpha + x, beta + n - x, delta + 1.0 + n))
    return lambda i: betaln(a + 1.0, b + i) - betaln(a, b) + log_beta_ratio(gamma, d, i)


def _more(n_wrong: int) -> str:
    return "" if n_wrong == 1 else f" (and {count(n_wrong - 1, 'more row')})"


def _maximum(rows: tuple[Floats, Floats, Floats], weights: Floats, starts: list[Floats]) -> Optimum:
    likelihood = summed_likelihood(rows, weights)
    return maximise(likelihood, starts, np.full(4, LOW), np.full(4, HIGH), float(weights.sum()))


def _resample(rows: tuple[Floats, Floats, Floats], weights: Floats, theta: Floats) -> Floats:
    """Fit to resampled customers, for the spread of parameters whose likelihood is no parabola."""

    def objective_of(drawn: Floats) -> Objective:
        some = drawn > 0
        x, t_x, n = (column[some] for column in rows)
        return summed_likelihood((x, t_x, n), drawn[some])

    return bootstrap(objective_of, weights, theta, np.full(4, LOW), np.full(4, HIGH))


def _starts(purchases: float, opportunities_seen: float) -> list[Floats]:
    """Return where to begin: the chance to buy from those known to be there, and three guesses about leaving."""
    chance = (purchases + 0.5) / (opportunities_seen + 1.0)
    return [
        np.log([size * chance, size * (1.0 - chance), gamma, delta])
        for size, gamma, delta in ((1.5, 0.5, 2.0), (5.0, 1.0, 10.0), (0.5, 0.1, 0.2))
    ]


def _findings(optimum: Optimum, x: Floats, n: Floats, weights: Floats) -> list[Finding]:
    """Say in plain words what the data cannot tell."""
    longest, text = int(n.max()), None
    if not x.any():
        text = (
            "nobody bought at any opportunity: whether customers left at once or buy rarely cannot be told, so p_alive "
            "is not determined; few purchases are expected either way."
        )
    elif (x == n).all():
        text = (
            "everybody bought at every opportunity, so nothing shows how often customers leave or let an opportunity "
            "pass. If those who did not buy were left out of the table, put them back."
        )
    elif longest <= 2:
        text = (
            f"nobody had more than {count(longest, 'opportunity', 'opportunities')}: four parameters need at least "
            "three, so buying rarely and having left cannot be told apart, and p_alive is not determined. Use a longer "
            "history."
        )
    elif weights.sum() < 4:
        text = (
            f"{count(round(weights.sum()), 'customer')} cannot show how customers differ: four parameters are not "
            "determined by so few."
        )
    model = BetaGeoBetaBernoulli
    found = [] if text is None else [Finding(f"{model.title}: {text}", True)]
    return found + parameter_findings(model.title, model.parameters, model.in_time, optimum, _RUNAWAYS)
