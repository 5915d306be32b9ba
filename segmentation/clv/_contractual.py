"""Contractual settings: how long customers stay where it is known who has left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from segmentation.clv._discrete import digamma_step, log_beta_ratio
from segmentation.clv._model import MaximumLikelihoodModel, Params
from segmentation.clv._retention import RetentionModel

__all__ = ["BetaDiscreteWeibull", "ShiftedBetaGeo"]

Floats = NDArray[np.float64]

# Limits of the logarithms of alpha and beta, and of c.
LOW, HIGH = -7.0, 9.0
LOW_C, HIGH_C = -4.0, 3.0
# Periods ** c is cut off here, before it overflows.
LARGEST_TIME = 1e150
# The smallest chance that a logarithm is taken of, and the smallest chance to leave that is drawn for.
TINY = 1e-300
# A step in t^c is small beside its start below this, and integrated with so many nodes.
SMALL_STEP, STEP_NODES = 0.1, 6
SMALLEST_CHANCE = 1e-15


class ShiftedBetaGeo(RetentionModel):
    """sBG: customers leave at the end of each period with a chance of their own.

    The chance is Beta(alpha, beta) distributed over customers and does not change in time. Retention of a cohort
    rises nevertheless, because those who leave easily go first [1]_.

    Attributes
    ----------
    params_ : dict
        alpha, beta.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `MaximumLikelihoodModel`.

    References
    ----------
    .. [1] Fader, Hardie (2007), How to Project Customer Retention, Journal of Interactive Marketing 21(1), 76-90,
       doi:10.1002/dir.20074.

    Examples
    --------
    The cohort "High End" of the paper, seven years of 1,000 customers:

    >>> from segmentation.clv import ShiftedBetaGeo
    >>> model = ShiftedBetaGeo().fit_survivors([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> model
    ShiftedBetaGeo(alpha=0.6680..., beta=3.8060...)
    >>> model.survival([1, 7, 12]).round(3)
    array([0.851, 0.489, 0.378])
    >>> round(model.churn_probability(1, tenure=0), 3), round(model.churn_probability(1, tenure=7), 3)
    (0.149, 0.058)
    """

    title = "sBG"
    parameters = ("alpha", "beta")

    def _log_survival(self, params: Params, t: Any) -> Any:
        alpha, beta = params
        return log_beta_ratio(alpha, beta, t)

    def _log_churn(self, params: Params, t: Floats) -> Floats:
        alpha, beta = params
        chance = np.log(alpha) - np.log(alpha + beta + t - 1.0)
        return np.asarray(log_beta_ratio(alpha, beta, t - 1.0) + chance, dtype=np.float64)

    def _survival_slopes(self, params: Params, t: Floats) -> Floats:
        alpha, beta = params
        together = digamma(alpha + beta + t) - digamma(alpha + beta)
        return np.stack([-alpha * together, beta * (digamma(beta + t) - digamma(beta) - together)])

    def _churn_slopes(self, params: Params, t: Floats) -> Floats:
        alpha, beta = params
        among = alpha + beta + t - 1.0
        chance = np.stack([1.0 - alpha / among, -beta / among])
        return np.asarray(self._survival_slopes(params, t - 1.0) + chance, dtype=np.float64)

    def _draw_churn_period(self, params: Params, n: int, rng: np.random.Generator) -> Floats:
        alpha, beta = params
        chance = np.clip(rng.beta(alpha, beta, n), SMALLEST_CHANCE, 1.0)
        return np.asarray(rng.geometric(chance), dtype=np.float64)

    def _limits(self) -> tuple[Floats, Floats]:
        return np.full(2, LOW), np.full(2, HIGH)

    def _starts(self, hazard: float) -> list[Floats]:
        return [np.log([size * hazard, size * (1.0 - hazard)]) for size in (3.0, 0.5, 30.0)]


class BetaDiscreteWeibull(RetentionModel):
    """BdW: as sBG, but the chance to leave may change with the time a customer has stayed.

    S(t) = B(alpha, beta + t^c) / B(alpha, beta): with c > 1 customers leave more easily the longer they stay, with
    c < 1 less easily; c = 1 is sBG [1]_.

    Attributes
    ----------
    params_ : dict
        alpha, beta, c.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `MaximumLikelihoodModel`.

    References
    ----------
    .. [1] Fader, Hardie, Liu, Davin, Steenburgh (2018), "How to Project Customer Retention" Revisited: The Role of
       Duration Dependence, Journal of Interactive Marketing 43, 1-16, doi:10.1016/j.intmar.2018.01.002.

    Examples
    --------
    >>> from segmentation.clv import BetaDiscreteWeibull, ShiftedBetaGeo
    >>> survivors = [1000, 869, 743, 653, 593, 551, 517, 491]
    >>> model = BetaDiscreteWeibull().fit_survivors(survivors)
    >>> model.survival([1, 7, 12]).round(3)
    array([0.869, 0.491, 0.404])
    >>> model.likelihood_ratio_test(ShiftedBetaGeo().fit_survivors(survivors)).p_value < 0.01
    True
    """

    title = "BdW"
    parameters = ("alpha", "beta", "c")

    def _nests(self, smaller: MaximumLikelihoodModel) -> bool:
        return isinstance(smaller, ShiftedBetaGeo)

    def _log_survival(self, params: Params, t: Any) -> Any:
        alpha, beta, c = params
        return log_beta_ratio(alpha, beta, _power(t, c))

    def _log_churn(self, params: Params, t: Floats) -> Floats:
        stays = self._log_stay_period(params, t)
        return np.asarray(self._log_survival(params, t - 1.0) + np.log(-np.expm1(stays)), dtype=np.float64)

    def _log_stay_period(self, params: Params, t: Floats) -> Floats:
        """Return log S(t) - log S(t - 1) < 0, without cancellation where the step is small."""
        alpha, beta, c = params
        before = _power(t - 1.0, c)
        step = np.where(t > 1, -_power(t, c) * np.expm1(c * np.log1p(-1.0 / np.maximum(t, 2.0))), 1.0)
        small = step < SMALL_STEP * (beta + before)
        nodes, weights = np.polynomial.legendre.leggauss(STEP_NODES)
        inside = beta + before + step * ((nodes + 1.0) / 2.0)[:, None]
        integral = -step * (weights / 2.0 @ digamma_step(inside, alpha))
        difference = log_beta_ratio(alpha, beta, _power(t, c)) - log_beta_ratio(alpha, beta, before)
        return np.asarray(np.minimum(np.where(small, integral, difference), -TINY), dtype=np.float64)

    def _survival_slopes(self, params: Params, t: Floats) -> Floats:
        alpha, beta, c = params
        aged = _power(t, c)
        by_time = -digamma_step(beta + aged, alpha)
        by_alpha = digamma(alpha + beta) - digamma(alpha + beta + aged)
        at_start = digamma(alpha + beta) - digamma(beta)
        return np.stack(
            [
                alpha * by_alpha,
                beta * (by_time + at_start),
                by_time * aged * c * np.log(np.maximum(t, 1.0)),
            ]
        )

    def _churn_slopes(self, params: Params, t: Floats) -> Floats:
        before, after = self._survival_slopes(params, t - 1.0), self._survival_slopes(params, t)
        stays = self._log_stay_period(params, t)
        return np.asarray(before + (after - before) * np.exp(stays) / np.expm1(stays), dtype=np.float64)

    def _draw_churn_period(self, params: Params, n: int, rng: np.random.Generator) -> Floats:
        alpha, beta, c = params
        chance = np.clip(rng.beta(alpha, beta, n), SMALLEST_CHANCE, 1.0 - SMALLEST_CHANCE)
        # S(t) = (1 - chance)^(t^c): the first t at which it falls to a uniform number, in logarithms
        log_time = (np.log(np.maximum(rng.exponential(size=n), TINY)) - np.log(-np.log1p(-chance))) / c
        time = np.ceil(np.exp(np.minimum(log_time, math.log(LARGEST_TIME))))
        return np.asarray(np.maximum(time, 1.0), dtype=np.float64)

    def _limits(self) -> tuple[Floats, Floats]:
        return np.array([LOW, LOW, LOW_C]), np.array([HIGH, HIGH, HIGH_C])

    def _starts(self, hazard: float) -> list[Floats]:
        return [np.log([size * hazard, size * (1.0 - hazard), c]) for size, c in ((3.0, 1.0), (1.0, 1.5), (10.0, 0.7))]


def _power(t: Any, c: float) -> Any:
    """Return t^c for whole t from 0 on, cut off before it overflows."""
    log_t = np.log(np.maximum(t, 1.0))
    return np.where(np.asarray(t) > 0, np.exp(np.minimum(c * log_t, math.log(LARGEST_TIME))), 0.0)
