"""BG/NBD and MBG/NBD: customers buy at random and may leave after each purchase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, expit, gammaln, polygamma, psi

from segmentation.clv._model import Params, SimulatedPurchases
from segmentation.clv._optimise import Objective
from segmentation.clv._purchase_fit import RegressionPurchaseModel
from segmentation.clv._rows import Histories
from segmentation.clv._special import mean_purchases_while_dying

__all__ = ["LEAVE_OR_STAY", "BetaGeoNBD", "ModifiedBetaGeoNBD"]

Floats = NDArray[np.float64]

# (r, a, b) of customers who either leave at once or stay: where the first purchase counts too, this is often a second
# sharp maximum of the likelihood beside that of customers who all leave now and then.
LEAVE_OR_STAY = (1.0, 0.1, 0.1)
# A Poisson mean beyond this is no purchase count any more; numpy refuses much larger ones.
LARGEST_MEAN = 1e12


class _BetaGeo(RegressionPurchaseModel):
    """What BG/NBD and MBG/NBD share: they differ in whether a customer may leave after the first purchase."""

    parameters = ("r", "alpha", "a", "b")
    in_time = (False, True, False, False)
    dropout_parameter = 2
    dropout_sign = 1.0
    # 1 where a customer may leave after the first purchase too, 0 where only after repeat purchases
    first: ClassVar[int]

    # --- likelihood ---

    def _log_odds_left(self, params: Params, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Log odds of having left at the last purchase rather than being active, where leaving is possible."""
        r, alpha, a, b = params
        chances = np.maximum(x, 1.0) - 1.0 if self.first == 0 else x
        return np.asarray(np.log(a) - np.log(b + chances) + (r + x) * np.log1p((T - t_x) / (alpha + t_x)))

    def _log_likelihood_rows(self, params: Params, *history: Floats) -> Floats:
        """Equation (6) of Fader, Hardie, Lee (2005); equation (4) of Batislam et al. (2007)."""
        r, alpha, a, b = params
        x, t_x, T = history
        chances = x + self.first
        may_leave = chances > 0
        some = np.maximum(chances, 1.0)
        stayed = np.where(may_leave, betaln(a + b, some) - betaln(b, some), 0.0)
        bought = gammaln(r + x) - gammaln(r) - r * np.log1p(T / alpha) - x * np.log(alpha + T)
        left = np.where(may_leave, np.logaddexp(0.0, self._log_odds_left(params, x, t_x, T)), 0.0)
        return np.asarray(bought + stayed + left)

    def _gradient_rows(self, params: Params, *history: Floats) -> tuple[Floats, list[Floats]]:
        r, alpha, a, b = params
        x, t_x, T = history
        chances = x + self.first
        may_leave = (chances > 0).astype(np.float64)
        left = expit(self._log_odds_left(params, x, t_x, T)) * may_leave
        silence = np.log1p((T - t_x) / (alpha + t_x))
        late, last = 1.0 / (alpha + T), 1.0 / (alpha + t_x)
        both = psi(a + b) - psi(a + b + chances)
        slopes = [
            r * (psi(r + x) - psi(r) - np.log1p(T / alpha) + left * silence),
            r * T * late - alpha * x * late + left * alpha * (r + x) * (late - last),
            a * both + left,
            b * (both + psi(b + chances) - psi(b) - left / (b + np.maximum(chances, 1.0) - 1.0)),
        ]
        return self._log_likelihood_rows(params, *history), slopes

    def _objective(self, histories: Histories) -> Objective:
        summed = _SummedLikelihood(histories, self.first)
        return Objective(summed.value_and_gradient, summed.hessian)

    def _starts(self, rate: float) -> list[tuple[float, ...]]:
        """Start around the overall rate: ordinary, few leave, buyers alike, most leave at once."""
        shapes = [(0.5, 0.7, 2.0), (1.0, 0.1, 2.0), (5.0, 0.5, 2.0), (0.5, 2.0, 1.0)]
        if self.first:
            shapes.insert(1, LEAVE_OR_STAY)
        return [(r, r / (1.5 * rate), a, b) for r, a, b in shapes]

    # --- predictions ---

    def _p_alive_rows(self, params: Params, *history: Floats) -> Floats:
        """Probability of being active; 1 where nobody has had an occasion to leave."""
        alive = expit(-self._log_odds_left(params, *history))
        return np.asarray(alive if self.first else np.where(history[0] > 0, alive, 1.0))

    def _state(self, params: Params, x: Floats, T: Floats) -> tuple[Any, ...]:
        """Return shape and rate of the purchase rate, and a, b of the leaving probability, of active customers."""
        r, alpha, a, b = params
        return r + x, alpha + T, a, b + x + self.first

    def _purchases_if_alive(self, params: Params, horizon: float, *history: Floats) -> Floats:
        x, _, T = history
        shape, rate, a, b = self._state(params, x, T)
        return mean_purchases_while_dying(shape, a, b, horizon / rate)

    def _silence_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        x, _, T = history
        shape, rate, _, _ = self._state(params, x, T)
        return np.asarray(np.exp(-shape * np.log1p(time / rate)))

    def _buys_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        x, _, T = history
        shape, rate, _, _ = self._state(params, x, T)
        return np.asarray(-np.expm1(-shape * np.log1p(time / rate)))

    def _waiting_time(self, params: Params, probability: Floats, horizon: float, *history: Floats) -> Floats:
        x, _, T = history
        shape, rate, _, _ = self._state(params, x, T)
        # the logarithm of 1 + time / rate; beyond that a double has no room
        log_growth = -np.log1p(-np.minimum(probability, 1.0 - 1e-16)) / shape
        most = 690.0 - np.maximum(np.log(rate), 0.0)
        return np.asarray(np.minimum(rate * np.expm1(np.minimum(log_growth, most)), horizon))

    def _pmf_if_alive(self, params: Params, n: int, horizon: float, *history: Floats) -> Floats:
        """Equation (8) of Fader, Hardie, Lee (2005), for an active customer's own distributions."""
        x, _, T = history
        shape, rate, a, b = self._state(params, x, T)
        share = horizon / (rate + horizon)
        log_none = -shape * np.log1p(horizon / rate)
        log_some = n * np.log(share) if horizon > 0 and n else np.zeros_like(share)
        bought = np.exp(gammaln(shape + n) - gammaln(shape) - gammaln(n + 1.0) + log_none + log_some)
        if n == 0:
            return np.asarray(bought)
        if horizon == 0:
            return np.zeros_like(share)
        stayed = np.exp(betaln(a, b + n) - betaln(a, b))
        stopped = np.exp(betaln(a + 1.0, b + n - 1.0) - betaln(a, b))
        return np.asarray(stayed * bought + stopped * betainc(float(n), shape, share))

    # --- simulation ---

    def _simulate_if_alive(self, params: Params, horizon: float, rng: np.random.Generator, *history: Floats) -> Floats:
        x, _, T = history
        shape, rate, a, b = self._state(params, x, T)
        bought = rng.poisson(np.minimum(rng.gamma(shape) * (horizon / rate), LARGEST_MEAN))
        leaving = np.clip(rng.beta(a, b), 1e-12, 1.0)
        return np.asarray(np.minimum(bought, rng.geometric(leaving)), dtype=np.float64)

    def _simulate(self, params: Params, T: Floats, horizon: float, rng: np.random.Generator) -> SimulatedPurchases:
        r, alpha, a, b = (np.broadcast_to(value, T.shape) for value in params)
        rate = np.maximum(rng.gamma(r) / alpha, 1e-300)
        leaving = rng.beta(a, b)
        n = len(T)
        x, t_x, later, logs = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
        now = np.zeros(n)
        stays = rng.random(n) >= leaving if self.first else np.ones(n, dtype=bool)
        alive = stays.copy()
        active = np.flatnonzero(stays)
        while active.size:
            wait = rng.exponential(size=active.size) / rate[active]
            now[active] += wait
            seen = now[active] <= T[active]
            bought, waits = active[seen], wait[seen]
            x[bought] += 1
            t_x[bought] = now[bought]
            logs[bought] += np.log(np.maximum(waits, 1e-300))
            after = active[~seen]
            after = after[now[after] <= T[after] + horizon]
            later[after] += 1
            buyers = np.concatenate([bought, after])
            goes = rng.random(buyers.size) < leaving[buyers]
            gone = buyers[goes]
            alive[gone[now[gone] <= T[gone]]] = False
            active = buyers[~goes]
        return SimulatedPurchases(x, t_x, T.copy(), alive, later, logs)


class BetaGeoNBD(_BetaGeo):
    r"""BG/NBD: customers buy at random at their own rate, and may leave after each repeat purchase.

    Rates have the gamma distribution with shape r and rate alpha; the probability of leaving after a purchase has the
    beta distribution with a and b [1]_. Nobody can leave before the first repeat purchase, so everybody who has bought
    once counts as active for ever; `ModifiedBetaGeoNBD` lets them go.

    Parameters
    ----------
    penalty : float, default=0.0
        Times the sum of the squared coefficients of covariates is subtracted from the log-likelihood.

    Attributes
    ----------
    params_ : dict
        r, alpha, a, b; with covariates then ``purchase_<name>`` and ``dropout_<name>``.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `segmentation.clv`.

    Notes
    -----
    **Covariates** z change the rate, alpha_i = alpha exp(-g'z) (a purchase coefficient of 0.1 means 10.5 % more
    purchases per unit of z), and the odds of leaving, a_i = a exp(h'z) with b as it is, so that exp(h) multiplies the
    odds a / b of leaving after a purchase. (In [2]_ a and b have coefficients of their own, which data hardly tell
    apart; the purchase part is the same.)

    Fitted on unique histories with analytic first and second derivatives, on logarithms of the parameters, with the
    longest history as the unit of time. Further starts are taken only where the first does not converge, or to no
    sharp maximum. Parameters stay within e^-7 ... e^7 (times: in units of the longest history); one that runs to a
    limit is named in ``diagnosis_``, and predictions stay finite.

    References
    ----------
    .. [1] Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model,
       Marketing Science 24(2), 275-284, doi:10.1287/mksc.1040.0098.
    .. [2] Fader, Hardie (2007), Incorporating Time-Invariant Covariates into the Pareto/NBD and BG/NBD Models,
       http://brucehardie.com/notes/019/.

    Examples
    --------
    >>> from segmentation import datasets, features
    >>> from segmentation.clv import BetaGeoNBD
    >>> table = features.btyd_table(
    ...     datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", observation_end="1997-09-30")
    >>> model = BetaGeoNBD().fit(table["frequency"], table["recency"] / 7, table["T"] / 7)
    >>> {name: round(value, 3) for name, value in model.params_.items()}, round(model.log_likelihood_, 1)
    ({'r': 0.243, 'alpha': 4.414, 'a': 0.793, 'b': 2.426}, -9582.4)
    >>> model.expected_purchases(39, 2, 30.43, 38.86).round(3)
    array([1.226])
    """

    title = "BG/NBD"
    first = 0


class ModifiedBetaGeoNBD(_BetaGeo):
    r"""MBG/NBD: as BG/NBD, but a customer may leave after the first purchase too.

    Rates have the gamma distribution with shape r and rate alpha; the probability of leaving after a purchase, the
    first included, has the beta distribution with a and b [1]_ [2]_.

    Parameters
    ----------
    penalty : float, default=0.0
        As for `BetaGeoNBD`, which also says what covariates do and how the model is fitted.

    Attributes
    ----------
    params_ : dict
        r, alpha, a, b; with covariates then ``purchase_<name>`` and ``dropout_<name>``.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `segmentation.clv`.

    References
    ----------
    .. [1] Batislam, Denizel, Filiztekin (2007), Empirical validation and comparison of models for customer base
       analysis, International Journal of Research in Marketing 24(3), 201-209,
       doi:10.1016/j.ijresmar.2006.12.005.
    .. [2] Wagner, Hoppe (2008), Erratum on the MBG/NBD Model, International Journal of Research in Marketing 25(3),
       225-226, doi:10.1016/j.ijresmar.2008.04.003.

    Examples
    --------
    >>> from segmentation.clv import ModifiedBetaGeoNBD
    >>> model = ModifiedBetaGeoNBD.from_params(r=0.525, alpha=6.183, a=0.891, b=1.614)
    >>> model.p_alive([0, 2], [0, 30.43], [38.86, 38.86]).round(2)
    array([0.39, 0.71])
    """

    title = "MBG/NBD"
    first = 1
    n_always = 2


class _SummedLikelihood:
    """The log-likelihood of all customers with its derivatives, each special function once per distinct value."""

    def __init__(self, histories: Histories, first: int) -> None:
        self.first = first
        w, x = histories.weights, histories.x
        self.x_values = histories.x_values
        self.n_x = np.bincount(histories.x_index, w, len(self.x_values))
        self.T_values = histories.T_values
        self.n_T = np.bincount(histories.T_index, w, len(self.T_values))
        self.x_T = np.bincount(histories.T_index, w * x, len(self.T_values))
        self.t_values = histories.t_values
        # customers who had an occasion to leave: all, or those with a repeat purchase
        some = slice(None) if first else x > 0
        self.w, self.x = w[some], x[some]
        self.x_index, self.t_index = histories.x_index[some], histories.t_index[some]
        self.T_index = histories.T_index[some]

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        value, gradient, _ = self._all(theta, second=False)
        return value, gradient

    def hessian(self, theta: Floats) -> Floats:
        return self._all(theta, second=True)[2]

    def _all(self, theta: Floats, *, second: bool) -> tuple[float, Floats, Floats]:
        r, alpha, a, b = (float(v) for v in np.exp(theta))
        hessian = np.zeros((4, 4))
        # what depends on the number of purchases alone
        x, n_x = self.x_values, self.n_x
        chances = x + self.first
        occasion = n_x * (chances > 0)
        some = np.maximum(chances, 1.0)
        value = float(n_x @ (gammaln(r + x) - gammaln(r)) + occasion @ (betaln(a + b, some) - betaln(b, some)))
        both = float(occasion @ (psi(a + b) - psi(a + b + some)))
        slope = np.array(
            [n_x @ (psi(r + x) - psi(r)), 0.0, both, both + occasion @ (psi(b + some) - psi(b))], dtype=np.float64
        )
        # what depends on the length of the history alone
        T, n_T, x_T = self.T_values, self.n_T, self.x_T
        late = 1.0 / (alpha + T)
        log_growth = np.log1p(T / alpha)
        log_T = np.log(alpha + T)
        value -= r * float(n_T @ log_growth) + float(x_T @ log_T)
        slope[0] -= n_T @ log_growth
        slope[1] += r * float(n_T @ (T * late)) / alpha - float(x_T @ late)
        # whether the customer left at the last purchase
        last = 1.0 / (alpha + self.t_values)
        silence = log_T[self.T_index]
        silence -= np.log(alpha + self.t_values)[self.t_index]
        powers = r + self.x
        log_chances = np.log(b + some - 1.0)
        odds = silence * powers
        odds += (np.log(a) - log_chances)[self.x_index]
        small = np.exp(-np.abs(odds))
        value += float(self.w @ np.maximum(odds, 0.0) + self.w @ np.log1p(small))
        left = np.where(odds > 0, 1.0, small)
        left /= 1.0 + small
        gone = self.w * left
        shift = late[self.T_index]
        shift -= last[self.t_index]
        shift *= powers
        gone_by_x = np.bincount(self.x_index, gone, len(x))
        weight_b = 1.0 / (b + some - 1.0)
        slope += [gone @ silence, gone @ shift, 0.0, 0.0]
        gradient = slope * [r, alpha, a, b]
        n_gone = float(gone_by_x.sum())
        gradient[2] += n_gone
        gradient[3] -= b * float(gone_by_x @ weight_b)
        if second:
            hessian = self._second(r, alpha, a, b, gradient, (silence, shift, powers, gone, left, gone_by_x, weight_b))
        return value, gradient, hessian

    def _second(self, r: float, alpha: float, a: float, b: float, gradient: Floats, parts: Sequence[Any]) -> Floats:
        silence, shift, powers, gone, left, gone_by_x, weight_b = parts
        x, n_x, T, n_T, x_T = self.x_values, self.n_x, self.T_values, self.n_T, self.x_T
        some = np.maximum(x + self.first, 1.0)
        occasion = n_x * (x + self.first > 0)
        late, last = 1.0 / (alpha + T), 1.0 / (alpha + self.t_values)
        h = np.zeros((4, 4))
        h[0, 0] = n_x @ (polygamma(1, r + x) - polygamma(1, r))
        h[0, 1] = float(n_T @ (T * late)) / alpha
        h[1, 1] = -r * float(n_T @ (T * late * (late + 1.0 / alpha))) / alpha + float(x_T @ late**2)
        both = float(occasion @ (polygamma(1, a + b) - polygamma(1, a + b + some)))
        h[2, 2] = h[2, 3] = both
        h[3, 3] = both + float(occasion @ (polygamma(1, b + some) - polygamma(1, b)))
        squares = late[self.T_index] ** 2 - last[self.t_index] ** 2
        h[0, 1] += float(gone @ (shift / powers))
        h[1, 1] -= float(gone @ (powers * squares))
        h[1, 0], h[3, 2] = h[0, 1], h[2, 3]
        scale = np.array([r, alpha, a, b])
        h *= np.outer(scale, scale)
        # the last log odds are linear in log a, and curved in log b
        h[3, 3] += float(gone_by_x @ (b**2 * weight_b**2))
        mixed = gone * (1.0 - left)
        slopes = np.stack([r * silence, alpha * shift, np.ones_like(shift), -(b * weight_b)[self.x_index]])
        h += (slopes * mixed) @ slopes.T
        # derivatives by logarithms: the slope comes back on the diagonal, but for the odds that are linear in log a
        return h + np.diag(gradient - [0.0, 0.0, float(gone_by_x.sum()), 0.0])
