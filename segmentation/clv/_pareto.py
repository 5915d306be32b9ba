"""Pareto/NBD: customers buy at random and may leave at any time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, exprel, gammaln, polygamma, psi

from segmentation.clv._dropout_time import dropout_nodes, log_peaked_integral, panels_of
from segmentation.clv._model import Params, SimulatedPurchases
from segmentation.clv._optimise import Objective
from segmentation.clv._purchase_fit import RegressionPurchaseModel
from segmentation.clv._rows import Histories, unique_rows

__all__ = ["ParetoNBD"]

Floats = NDArray[np.float64]

LARGEST_MEAN = 1e12
# Nodes for integrals over the future, and where a discounted purchase counts for nothing.
FUTURE_NODES, TAIL = 24, 40.0


class ParetoNBD(RegressionPurchaseModel):
    r"""Pareto/NBD: customers buy at random at their own rate, and leave at random at their own rate.

    Purchase rates have the gamma distribution with shape r and rate alpha, leaving rates the gamma distribution with
    shape s and rate beta [1]_; the forms are those of [2]_.

    Parameters
    ----------
    penalty : float, default=0.0
        Times the sum of the squared coefficients of covariates is subtracted from the log-likelihood.

    Attributes
    ----------
    params_ : dict
        r, alpha, s, beta; with covariates then ``purchase_<name>`` and ``dropout_<name>``.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `segmentation.clv`.

    Notes
    -----
    **Covariates** z: alpha_i = alpha exp(-g'z), beta_i = beta exp(-h'z), as in [3]_: a coefficient of 0.1 means
    10.5 % more purchases, or that customers leave 10.5 % faster, per unit of z.

    The likelihood integrates over the time at which a customer may have left, by quadrature of a positive integrand
    on the logarithm of time. Nothing overflows or cancels for heavy buyers, and first and second derivatives come from
    the same nodes.

    References
    ----------
    .. [1] Schmittlein, Morrison, Colombo (1987), Counting Your Customers: Who Are They and What Will They Do Next?,
       Management Science 33(1), 1-24, doi:10.1287/mnsc.33.1.1.
    .. [2] Fader, Hardie (2005), A Note on Deriving the Pareto/NBD Model and Related Expressions,
       http://brucehardie.com/notes/009/.
    .. [3] Fader, Hardie (2007), Incorporating Time-Invariant Covariates into the Pareto/NBD and BG/NBD Models,
       http://brucehardie.com/notes/019/.
    .. [4] Fader, Hardie, Lee (2005), RFM and CLV: Using Iso-Value Curves for Customer Base Analysis, Journal of
       Marketing Research 42(4), 415-430, doi:10.1509/jmkr.2005.42.4.415.

    Examples
    --------
    >>> from segmentation.clv import ParetoNBD
    >>> model = ParetoNBD.from_params(r=0.5533, alpha=10.578, s=0.6062, beta=11.669)
    >>> model.p_alive([0, 2], [0, 30.43], [38.86, 38.86]).round(2)
    array([0.3 , 0.87])
    """

    title = "Pareto/NBD"
    parameters = ("r", "alpha", "s", "beta")
    in_time = (False, True, False, True)
    dropout_parameter = 3
    dropout_sign = -1.0

    # --- likelihood ---

    def _log_left_and_active(self, params: Params, *history: Floats) -> tuple[Floats, Floats]:
        """Log weights of having left between t_x and T, and of being active at T."""
        r, alpha, s, beta = (np.broadcast_to(value, history[0].shape) for value in params)
        x, t_x, T = history
        A, B = alpha + t_x, beta + t_x
        left = np.full(x.shape, -np.inf)
        for nodes in dropout_nodes(r + x, s + 1.0, A, B, T - t_x):
            left[nodes.rows] = nodes.log_total
        left += np.log(s) - (r + x) * np.log(A) - (s + 1.0) * np.log(B)
        return left, -(r + x) * np.log(alpha + T) - s * np.log(beta + T)

    def _log_likelihood_rows(self, params: Params, *history: Floats) -> Floats:
        r, alpha, s, beta = params
        left, active = self._log_left_and_active(params, *history)
        constant = gammaln(r + history[0]) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        return np.asarray(constant + np.logaddexp(left, active))

    def _gradient_rows(self, params: Params, *history: Floats) -> tuple[Floats, list[Floats]]:
        x, t_x, T = history
        r, alpha, s, beta = (np.broadcast_to(value, x.shape) for value in params)
        A, B = alpha + t_x, beta + t_x
        log_A, log_B = np.log(A), np.log(B)
        left = np.full(x.shape, -np.inf)
        # means over the time of leaving: of log(alpha + t), 1 / (alpha + t), and the same for beta
        means = np.zeros((4, len(x)))
        for nodes in dropout_nodes(r + x, s + 1.0, A, B, T - t_x):
            rows = nodes.rows
            left[rows] = nodes.log_total
            means[0, rows] = np.einsum("ij,ij->i", nodes.share, nodes.log_a)
            means[1, rows] = np.einsum("ij,ij->i", nodes.share, nodes.inverse_a) / A[rows]
            means[2, rows] = np.einsum("ij,ij->i", nodes.share, nodes.log_b)
            means[3, rows] = np.einsum("ij,ij->i", nodes.share, nodes.inverse_b) / B[rows]
        left += np.log(s) - (r + x) * log_A - (s + 1.0) * log_B
        active = -(r + x) * np.log(alpha + T) - s * np.log(beta + T)
        gone = expit(left - active)
        here = 1.0 - gone
        rows_value = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.logaddexp(left, active)
        slopes = [
            r * (psi(r + x) - psi(r) + np.log(alpha) - gone * (log_A + means[0]) - here * np.log(alpha + T)),
            r - alpha * (r + x) * (gone * means[1] + here / (alpha + T)),
            s * (np.log(beta) + gone * (1.0 / s - log_B - means[2]) - here * np.log(beta + T)),
            s - beta * (gone * (s + 1.0) * means[3] + here * s / (beta + T)),
        ]
        return rows_value, slopes

    def _objective(self, histories: Histories) -> Objective:
        history, weights = (histories.x, histories.t_x, histories.T), histories.weights

        def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
            rows, slopes = self._gradient_rows(list(np.exp(theta)), *history)
            return float(weights @ rows), np.array([float(weights @ slope) for slope in slopes])

        def hessian(theta: Floats) -> Floats:
            params: Floats = np.exp(theta)
            slope, second = _derivatives(list(params), weights, *history)
            # by logarithms of the parameters: the slope comes back on the diagonal
            return np.asarray(second * np.outer(params, params) + np.diag(params * slope))

        return Objective(value_and_gradient, hessian)

    def _starts(self, rate: float) -> list[tuple[float, ...]]:
        """Start around the overall rate: ordinary, few leave, buyers alike, most leave at once."""
        shapes = [(0.5, 0.5, 0.5), (1.0, 0.1, 1.0), (5.0, 0.5, 1.0), (0.5, 2.0, 0.2)]
        return [(r, r / (1.5 * rate), s, beta) for r, s, beta in shapes]

    # --- predictions ---

    def _p_alive_rows(self, params: Params, *history: Floats) -> Floats:
        left, active = self._log_left_and_active(params, *history)
        return np.asarray(expit(active - left))

    def _purchases_if_alive(self, params: Params, horizon: float, *history: Floats) -> Floats:
        """Equation (41) of [2]_ without its p_alive; smooth at s = 1."""
        r, alpha, s, beta = params
        x, _, T = history
        growth = np.log1p(horizon / (beta + T))
        return np.asarray((r + x) * (beta + T) / (alpha + T) * growth * exprel((1.0 - s) * growth))

    def _buys_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        """Integrate, over the time of a purchase, that it is the first and the customer still there."""
        r, alpha, s, beta = params
        x, _, T = history
        shape, rate, scale = r + x, alpha + T, beta + T
        power = np.broadcast_to(s, x.shape).astype(np.float64)
        # beyond this both factors together have fallen by more than a double resolves
        endless = np.minimum(rate, scale) * math.exp(600.0)
        length = np.minimum(np.broadcast_to(time, x.shape), endless)
        log_total = np.full(x.shape, -np.inf)
        for nodes in dropout_nodes(shape + 1.0, power, rate, scale, length):
            log_total[nodes.rows] = nodes.log_total
        return np.asarray(np.minimum(shape / rate * np.exp(log_total), 1.0))

    def _silence_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        return 1.0 - self._buys_if_alive(params, time, *history)

    def _pmf_if_alive(self, params: Params, n: int, horizon: float, *history: Floats) -> Floats:
        """Exactly n purchases: the customer stays to the end, or leaves at a time that is integrated over."""
        r, alpha, s, beta = params
        x, _, T = history
        if horizon == 0:
            return np.full(x.shape, float(n == 0))
        shape, rate, scale = (np.broadcast_to(v, x.shape).astype(np.float64) for v in (r + x, alpha + T, beta + T))
        power = np.broadcast_to(s, x.shape).astype(np.float64)
        choose = gammaln(shape + n) - gammaln(shape) - gammaln(n + 1.0)
        growth = np.log1p(horizon / rate)
        some = n * (np.log(horizon) - np.log(rate) - growth) if n else 0.0
        stays = choose - shape * growth + some - power * np.log1p(horizon / scale)
        leaves = choose - n * np.log(rate) + np.log(power / scale)
        if n:
            leaves += log_peaked_integral(n, shape + n, power + 1.0, rate, scale, horizon)
        else:
            for nodes in dropout_nodes(shape, power + 1.0, rate, scale, np.full(x.shape, horizon)):
                leaves[nodes.rows] += nodes.log_total
        return np.asarray(np.minimum(np.exp(stays) + np.exp(leaves), 1.0))

    def discounted_expected_purchases(
        self, discount_rate: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, covariates: Any = None
    ) -> Floats:
        """Return the discounted expected residual purchases over an unlimited horizon, shape (n,).

        Parameters
        ----------
        discount_rate : float
            Continuous rate per unit of time: log(1 + annual rate) / 52.18 for weeks. With 0 the sum is finite
            only where s > 1.
        frequency, recency, T : arrays of shape (n,)
        covariates : optional
            As in ``fit``, where it was given any.

        Notes
        -----
        Equation (3) of [4]_ with the confluent hypergeometric function as the integral it stands for.
        """
        rate = float(discount_rate)
        if not 0 <= rate < np.inf:
            raise ValueError(f"discount_rate must be a number from 0 on, got {discount_rate!r}.")
        history = self._history(frequency, recency, T)
        params = self._params(covariates, len(history[0]))
        return self._p_alive_rows(params, *history) * self._discounted_if_alive(params, rate, *history)

    def _discounted_if_alive(self, params: Params, discount_rate: float, *history: Floats) -> Floats:
        """Return the discounted residual purchases of customers active at T."""
        r, alpha, s, beta = params
        x, _, T = history
        scale = np.broadcast_to(beta + T, x.shape)
        power = np.broadcast_to(s, x.shape)
        if discount_rate == 0:
            if not np.all(power > 1):
                raise ValueError(
                    f"without discounting the purchases of an unlimited horizon are infinite for s <= 1 (s is "
                    f"{np.min(power):.3g}); use a positive discount rate or a finite horizon."
                )
            return np.asarray((r + x) / (alpha + T) * scale / (power - 1.0))
        (scales, powers), places, _ = unique_rows(scale, power)
        # discounting alone, or leaving alone, has ended it by then
        reach = np.minimum(np.log1p(TAIL / (discount_rate * scales)), TAIL / np.maximum(powers - 1.0, 1e-3))
        unit, weights = panels_of(float(reach.max()), FUTURE_NODES)
        y = reach[:, None] * unit
        value = np.exp(-discount_rate * scales[:, None] * np.expm1(y) + (1.0 - powers[:, None]) * y)
        return np.asarray((r + x) / (alpha + T) * ((value * weights).sum(axis=1) * reach * scales)[places])

    # --- simulation ---

    def _draw_discounted(
        self, params: Params, annual_rate: float, rng: np.random.Generator, *history: Floats
    ) -> Floats:
        """Draw discounted purchases over an unlimited horizon (times in days).

        Purchases of a customer with rate l who leaves after the time u are worth, discounted at d, l (1 - e^-du) / d
        on average with the variance l (1 - e^-2du) / 2d; a Poisson number is scaled to have both.
        """
        r, alpha, s, beta = params
        x, _, T = history
        discount = math.log1p(annual_rate) / 365.0
        alive = rng.random(len(x)) < self._p_alive_rows(params, *history)
        rate = rng.gamma(r + x) / (alpha + T)
        leaving = np.maximum(rng.gamma(np.broadcast_to(s, x.shape)) / (beta + T), 1e-300)
        left = np.exp(-discount * (rng.exponential(size=len(x)) / leaving))
        mean, units = rate * (1.0 - left) / discount, 2.0 / (1.0 + left)
        return np.where(alive, rng.poisson(np.minimum(mean * units, LARGEST_MEAN)) / units, 0.0)

    def _simulate_if_alive(self, params: Params, horizon: float, rng: np.random.Generator, *history: Floats) -> Floats:
        r, alpha, s, beta = params
        x, _, T = history
        rate = rng.gamma(r + x) / (alpha + T)
        leaving = np.maximum(rng.gamma(np.broadcast_to(s, x.shape)) / (beta + T), 1e-300)
        time = np.minimum(rng.exponential(size=len(x)) / leaving, horizon)
        return np.asarray(rng.poisson(np.minimum(rate * time, LARGEST_MEAN)), dtype=np.float64)

    def _simulate(self, params: Params, T: Floats, horizon: float, rng: np.random.Generator) -> SimulatedPurchases:
        r, alpha, s, beta = (np.broadcast_to(value, T.shape) for value in params)
        n = len(T)
        rate = np.maximum(rng.gamma(r) / alpha, 1e-300)
        left = rng.exponential(size=n) / np.maximum(rng.gamma(s) / beta, 1e-300)
        x, t_x, later, logs, now = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
        end = np.minimum(left, T + horizon)
        active = np.arange(n)
        while active.size:
            wait = rng.exponential(size=active.size) / rate[active]
            now[active] += wait
            there = now[active] <= end[active]
            active, wait = active[there], wait[there]
            seen = now[active] <= T[active]
            bought = active[seen]
            x[bought] += 1
            t_x[bought] = now[bought]
            logs[bought] += np.log(np.maximum(wait[seen], 1e-300))
            later[active[~seen]] += 1
        return SimulatedPurchases(x, t_x, T.copy(), left > T, later, logs)


def _derivatives(params: Params, weights: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """First and second derivatives of the log-likelihood by the parameters, summed over customers.

    The likelihood is a sum over times of leaving (and of not leaving), so its second derivatives are those of the
    logarithms of the summands, and the spread of their slopes, averaged with the shares of the summands.
    """
    r, alpha, s, beta = (float(value) for value in params)
    powers, A, B = r + x, alpha + t_x, beta + t_x
    log_A, log_B = np.log(A), np.log(B)
    active = -powers * np.log(alpha + T) - s * np.log(beta + T)
    late_a, late_b = 1.0 / (alpha + T), 1.0 / (beta + T)
    slope_active = np.stack([-np.log(alpha + T), -powers * late_a, -np.log(beta + T), -s * late_b])
    mean = slope_active.copy()
    here = np.ones_like(x)
    h = np.zeros((4, 4))
    for nodes in dropout_nodes(powers, np.full_like(x, s + 1.0), A, B, T - t_x):
        i = nodes.rows
        log_left = nodes.log_total + np.log(s) - powers[i] * log_A[i] - (s + 1.0) * log_B[i]
        gone = expit(log_left - active[i])
        here[i] = 1.0 - gone
        early_a, early_b = nodes.inverse_a / A[i, None], nodes.inverse_b / B[i, None]
        slopes = np.stack(
            [
                -(log_A[i, None] + nodes.log_a),
                -powers[i, None] * early_a,
                1.0 / s - log_B[i, None] - nodes.log_b,
                -(s + 1.0) * early_b,
            ]
        )
        flat = slopes.reshape(4, -1)
        share = nodes.share * (weights[i] * gone)[:, None]
        h += (flat * share.ravel()) @ flat.T
        h[0, 1] -= float(np.sum(share * early_a))
        h[1, 1] -= float(np.sum(share * early_a * slopes[1]))
        h[2, 2] -= float(weights[i] @ gone) / s**2
        h[2, 3] -= float(np.sum(share * early_b))
        h[3, 3] -= float(np.sum(share * early_b * slopes[3]))
        mean[:, i] = gone * np.einsum("ij,kij->ki", nodes.share, slopes) + here[i] * slope_active[:, i]
    some = weights * here
    h += (slope_active * some) @ slope_active.T - (mean * weights) @ mean.T
    h[0, 1] -= float(some @ late_a)
    h[1, 1] += float(some @ (powers * late_a**2))
    h[2, 3] -= float(some @ late_b)
    h[3, 3] += float(some @ (s * late_b**2))
    total = float(weights.sum())
    h[0, 0] += float(weights @ (polygamma(1, powers) - polygamma(1, r)))
    h[0, 1] += total / alpha
    h[1, 1] -= total * r / alpha**2
    h[2, 3] += total / beta
    h[3, 3] -= total * s / beta**2
    h[1, 0], h[3, 2] = h[0, 1], h[2, 3]
    constant = [
        float(weights @ psi(powers)) + total * (np.log(alpha) - psi(r)),
        total * r / alpha,
        total * np.log(beta),
        total * s / beta,
    ]
    return mean @ weights + constant, h
