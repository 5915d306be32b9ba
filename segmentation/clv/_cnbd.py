"""(M)BG/CNBD-k: customers who buy at regular times and may leave after each purchase."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, expit, gammaln, psi

from segmentation._format import name_some
from segmentation.clv._beta_geo import LEAVE_OR_STAY
from segmentation.clv._diagnosis import Finding, purchase_findings, refuse_purchases
from segmentation.clv._model import Params, PurchaseModel, SimulatedPurchases
from segmentation.clv._optimise import Climb, Objective, Optimum, bootstrap, climb_on, maximise
from segmentation.clv._purchase_fit import limits_of
from segmentation.clv._rows import Histories, columns_of, read_histories, read_weights, unique_rows
from segmentation.clv._special import mean_purchases_while_dying
from segmentation.clv._stages import (
    mean_purchases,
    n_purchases,
    p_purchase,
    silence,
    stage_slopes,
    stage_total,
    stage_weights,
)
from segmentation.exceptions import CustomerTableError

__all__ = ["BetaGeoCNBD"]

Floats = NDArray[np.float64]

# k is chosen among 1 ... 12; beyond 30, times between purchases vary by less than a fifth of their mean.
LARGEST_CHOICE, LARGEST_K = 12, 30
# The choice stops after so many falls of the log-likelihood in a row.
FALLS = 2
# Another k whose log-likelihood is no further away would do as well.
AS_GOOD = 2.0
# Above this many rows a sample of so many finds the neighbourhood of the maximum.
MANY_ROWS, SAMPLE_ROWS = 12_000, 3_000
# A Poisson mean beyond this is no count of purchases any more; numpy refuses much larger ones.
LARGEST_MEAN = 1e15
# Times between purchases drawn at once.
DRAWN_AT_ONCE = 4096


class BetaGeoCNBD(PurchaseModel):
    r"""(M)BG/CNBD-k: customers buy at more or less regular times, and may leave after each purchase.

    Between two purchases a customer passes k stages, each after an exponential time with the customer's own rate
    lambda: the times have an Erlang-k distribution with mean k / lambda and, relative to it, a standard deviation of
    1 / sqrt(k). Rates have the gamma distribution with shape r and rate alpha; the probability of leaving after a
    purchase has the beta distribution with a and b [1]_ [2]_. With k = 1 these are `BetaGeoNBD` (``modified=False``)
    and `ModifiedBetaGeoNBD`. Silence says more of a regular customer: forecasts react sooner.

    Parameters
    ----------
    k : int, optional
        From 1 to 30. By default it is chosen from 1, 2, ... 12 by the likelihood, which is followed until it has
        fallen twice in a row.
    modified : bool, default=True
        Whether a customer may leave after the first purchase too (MBG), or only after repeat purchases (BG).

    Attributes
    ----------
    k_ : int
        As given, or chosen.
    params_ : dict
        r, alpha, a, b. The rate is that of stages: somebody with k = 2 and mean rate r / alpha = 1 buys every two
        time units.
    candidates_ : dict of int to float
        Log-likelihood of each k tried.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `segmentation.clv`. The choice of k is not counted as a parameter in aic_ and bic_.

    Notes
    -----
    With x repeat purchases, the last at t_x, and R = r + k x, the likelihood of a customer is

    .. math::
        \frac{\prod_i \Delta_i^{k-1}}{(k-1)!^x} \frac{\Gamma(R)\,\alpha^r}{\Gamma(r)} \left[
        \frac{B(a, b + x')}{B(a, b)} \sum_{j=0}^{k-1} \frac{\Gamma(R + j)}{\Gamma(R)\,j!}
        \frac{(T - t_x)^j}{(\alpha + T)^{R + j}}
        + \frac{B(a + 1, b + x' - 1)}{B(a, b)} \frac{1}{(\alpha + t_x)^{R}} \right]

    where x' = x + 1 (MBG) or x (BG, and then without the second term for x = 0). The times between purchases enter
    only through the sum of their logarithms, which the parameters do not depend on, but k does.

    Predictions are exact, not the approximations of [1]_: of an active customer the number of stages since the last
    purchase, the rate and the probability of leaving are integrated out; expected purchases have a relative error
    below 1e-6. Parameters stay within e^-7 ... e^7 (alpha: e^-18 ... e^18 longest histories); one that runs to a
    limit is named in ``diagnosis_``.

    References
    ----------
    .. [1] Platzer, Reutterer (2016), Ticking Away the Moments: Timing Regularity Helps to Better Predict Customer
       Activity, Marketing Science 35(5), 779-799, doi:10.1287/mksc.2015.0963.
    .. [2] Reutterer, Platzer, Schröder (2021), Leveraging purchase regularity for predicting customer behavior the
       easy way, International Journal of Research in Marketing 38(1), 194-215,
       doi:10.1016/j.ijresmar.2020.09.002.

    Examples
    --------
    Buyers of some regularity, simulated; then fitted, without being told how regular they are:

    >>> from segmentation.clv import BetaGeoCNBD
    >>> market = BetaGeoCNBD.from_params(r=2.0, alpha=10.0, a=0.5, b=3.0, k=3).simulate(2000, T=100, random_state=0)
    >>> model = BetaGeoCNBD().fit(
    ...     market.frequency, market.recency, market.T, sum_log_intervals=market.sum_log_intervals)
    >>> model.k_, {k: round(value) for k, value in model.candidates_.items()}
    (3, {1: -31491, 2: -30118, 3: -29861, 4: -30027, 5: -30415})

    Who buys every 10 days and has been silent for 30 is missed earlier than a model of random buying would:

    >>> from segmentation.clv import ModifiedBetaGeoNBD
    >>> model.p_alive(9, 90, [100, 120]).round(2)
    array([0.9 , 0.24])
    >>> ModifiedBetaGeoNBD().fit(market.frequency, market.recency, market.T).p_alive(9, 90, [100, 120]).round(2)
    array([0.94, 0.77])
    """

    title: ClassVar[str] = "(M)BG/CNBD-k"
    parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    in_time: ClassVar[tuple[bool, ...]] = (False, True, False, False)
    forgets_recency: ClassVar[bool] = False

    k_: int
    candidates_: dict[int, float]

    def __init__(self, k: int | None = None, modified: bool = True) -> None:
        self.k = k
        self.modified = modified

    @classmethod
    def from_params(cls, *values: Any, **named: Any) -> Self:
        """Make a model with given parameters, without data.

        Parameters
        ----------
        *values : float, or one mapping of name to float
            r, alpha, a, b.
        **named : float
            Parameters by name, and `k` (needed) and `modified`.

        Examples
        --------
        >>> from segmentation.clv import BetaGeoCNBD
        >>> round(BetaGeoCNBD.from_params(0.5, 4.0, 0.8, 2.5, k=2).expected_purchases_new_customer(52), 3)
        1.457
        """
        model = super().from_params(*values, **named)
        if model.k is None:
            raise ValueError("from_params needs k, the stages between two purchases, as in from_params(..., k=2).")
        model.k_ = model._checked_k()
        return model

    def _checked_k(self) -> int:
        k: Any = self.k
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= LARGEST_K:
            raise ValueError(f"k must be a whole number from 1 to {LARGEST_K}, or None to choose it; got {k!r}.")
        return int(k)

    def _settings(self) -> dict[str, Any]:
        return {"k": self.k_, "modified": self.modified}

    # --- likelihood ---

    def _chances(self, x: Floats) -> Floats:
        """How often an active customer has not left."""
        return x + 1.0 if self.modified else x

    def _log_terms(self, params: Params, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        """Logarithms of the two terms in brackets, over B(a, b + x') / B(a, b) (alpha + T)^-R: active, and left."""
        r, alpha, a, b = params
        R, chances = r + self.k_ * x, self._chances(x)
        active = np.log(stage_total(self.k_, R, (T - t_x) / (alpha + T)))
        left = np.log(a) - np.log(b + np.maximum(chances, 1.0) - 1.0) + R * np.log1p((T - t_x) / (alpha + t_x))
        return active, np.where(chances > 0, left, -np.inf)

    def _log_likelihood_rows(self, params: Params, *history: Floats) -> Floats:
        """Everything but (k - 1) times the sum of the logarithms of the times between purchases."""
        r, alpha, a, b = params
        x, t_x, T = history
        stages = self.k_ * x
        active, left = self._log_terms(params, x, t_x, T)
        bought = gammaln(r + stages) - gammaln(r) - r * np.log1p(T / alpha) - stages * np.log(alpha + T)
        stayed = betaln(a, b + self._chances(x)) - betaln(a, b)
        return np.asarray(bought + stayed + np.logaddexp(active, left) - x * gammaln(self.k_))

    def log_likelihood(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        sum_log_intervals: ArrayLike | None = None,
    ) -> float:
        """Return the log-likelihood of histories at the parameters, summed over customers.

        Parameters
        ----------
        frequency, recency, T : arrays of shape (n,)
        weights : array of shape (n,), optional
            How many customers each row stands for.
        sum_log_intervals : array of shape (n,), optional
            As `fit` takes it. Needed for k > 1, without it (k - 1) times its total is missing.
        """
        total = super().log_likelihood(frequency, recency, T, weights)
        if sum_log_intervals is None:
            return total
        history = read_histories(frequency, recency, T)
        w = read_weights(weights, len(history[0]))
        return total + (self.k_ - 1) * _total_log(sum_log_intervals, w, *history[:2])

    # --- fitting ---

    def fit(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        sum_log_intervals: ArrayLike | None = None,
    ) -> Self:
        """Fit by maximum likelihood.

        Parameters
        ----------
        frequency : array of shape (n,)
            Repeat purchases.
        recency : array of shape (n,)
            Time from the first to the last purchase, 0 where there is no repeat purchase.
        T : array of shape (n,)
            Time from the first purchase to the end of observation, in the same unit.
        weights : array of shape (n,), optional
            How many customers each row stands for. Rows with weight 0 are left out.
        sum_log_intervals : array of shape (n,), optional
            Sum of the logarithms of the times between consecutive purchases, 0 where there is no repeat purchase;
            where a row stands for several customers, the sum over all of them. In the unit of the other times: where
            `recency` is divided by 7, subtract ``frequency * log(7)``. `features.btyd_table` returns it for days. It
            is needed to choose k. With k given, parameters and predictions are the same without it, but for k > 1
            (k - 1) times its total is missing in `log_likelihood_`, and `diagnosis_` says so.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If k is to be chosen and `sum_log_intervals` is not given.
        FitError
            If nobody was observed or nobody bought again.
        CustomerTableError
            If values are missing or impossible.
        """
        history = read_histories(frequency, recency, T)
        if self.k is None and sum_log_intervals is None:
            raise ValueError(
                "choosing k needs sum_log_intervals, the sum of the logarithms of the times between a customer's "
                "purchases (features.btyd_table returns it). Pass it, or set k."
            )
        ks = range(1, LARGEST_CHOICE + 1) if self.k is None else [self._checked_k()]
        w = read_weights(weights, len(history[0]))
        refuse_purchases(*(column[w > 0] for column in (history[0], history[2])))
        logs = None if sum_log_intervals is None else _total_log(sum_log_intervals, w, *history[:2])
        rows, places, counts = unique_rows(*history)
        totals = np.bincount(places, w, len(counts))
        used = totals > 0
        x, t_x, T = (column[used] for column in rows)
        histories = Histories.of(x, t_x, T, np.asarray(totals[used], dtype=np.float64))
        return self._fit(histories, ks, logs)

    def _fit(self, histories: Histories, ks: Any, logs: float | None) -> Self:
        longest = float(histories.T.max())
        scaled = histories.scaled(1.0 / longest)
        n_customers, n_purchases_ = float(scaled.weights.sum()), float(scaled.weights @ scaled.x)
        optima: dict[int, Optimum] = {}
        candidates: dict[int, float] = {}
        near: list[Floats] = []
        previous, falls = -np.inf, 0
        for k in ks:
            optimum = self._maximise(k, scaled, near)
            # the density of purchase times changes with their unit
            value = optimum.value - k * n_purchases_ * math.log(longest) + (k - 1) * (logs or 0.0)
            optima[k], candidates[k] = optimum, value
            # with one stage more, stages are as much faster
            near = [optimum.theta + np.array([0.0, math.log(k / (k + 1)), 0.0, 0.0])]
            falls = falls + 1 if value < previous else 0
            previous = value
            if falls == FALLS:
                break
        self.k_ = max(candidates, key=lambda k: candidates[k])
        self.candidates_, optimum, value = candidates, optima[self.k_], candidates[self.k_]
        params = np.exp(optimum.theta) * np.where(self.in_time, longest, 1.0)
        self._store(optimum, params.tolist(), value, n_customers)
        resampled = None if optimum.sharp else self._resample(scaled, optimum)
        self._resampled = None if resampled is None else resampled + np.where(self.in_time, math.log(longest), 0.0)
        self._findings: list[Finding] = [
            *purchase_findings(self, optimum, histories),
            *_regularity_findings(self.k_, candidates, logs is None),
        ]
        self.diagnosis_ = tuple(finding.text for finding in self._findings)
        return self

    def _maximise(self, k: int, histories: Histories, near: list[Floats]) -> Optimum:
        """Start near the parameters of another k, or around the overall rate, as the other models do."""
        rate = k * float(histories.weights @ histories.x / (histories.weights @ histories.T))
        shapes = [(0.5, 0.7, 2.0), (1.0, 0.1, 2.0), (5.0, 0.5, 2.0), (0.5, 2.0, 1.0)]
        usual = [*near, *(np.log([r, r / (1.5 * rate), a, b]) for r, a, b in shapes)]
        r, a, b = LEAVE_OR_STAY
        always = [np.log([r, r / (1.5 * rate), a, b])] if self.modified else []
        starts = [usual[0], *always, *usual[1:]]
        low, high = limits_of(self.parameters)
        objective = _SummedLikelihood(k, self.modified, histories).objective()
        climb: Climb | None = None
        if len(histories.x) > MANY_ROWS:
            sample = histories.some(SAMPLE_ROWS)
            few = _SummedLikelihood(k, self.modified, sample).objective()
            climb = climb_on(few, low, high, float(sample.weights.sum()), always)
        n_always = 1 if climb is not None else 1 + len(always)
        return maximise(objective, starts, low, high, float(histories.weights.sum()), climb, n_always)

    def _resample(self, histories: Histories, optimum: Optimum) -> Floats:
        """Fit to resampled customers; one in which nobody bought again says nothing."""

        def objective_of(drawn: Floats) -> Objective | None:
            if not drawn @ histories.x > 0:
                return None
            return _SummedLikelihood(self.k_, self.modified, replace(histories, weights=drawn)).objective()

        return bootstrap(objective_of, histories.weights, optimum.theta, *limits_of(self.parameters))

    # --- predictions ---

    def _p_alive_rows(self, params: Params, *history: Floats) -> Floats:
        """Probability of being active; 1 where nobody has had an occasion to leave."""
        active, left = self._log_terms(params, *history)
        return np.asarray(expit(active - left))

    def _stages(self, params: Params, time: Any, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats, Floats]:
        """Return R, u and h of `_stages`."""
        r, alpha, _, _ = params
        return r + self.k_ * x, (T - t_x) / (alpha + T), np.broadcast_to(time / (alpha + T), x.shape)

    def _purchases_if_alive(self, params: Params, horizon: float, *history: Floats) -> Floats:
        _, _, a, b = params
        R, elapsed, ahead = self._stages(params, horizon, *history)
        b_now = b + self._chances(history[0])
        if self.k_ == 1:
            return mean_purchases_while_dying(R, a, b_now, ahead)
        return mean_purchases(self.k_, R, a, b_now, elapsed, ahead)

    def _silence_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        return silence(self.k_, *self._stages(params, time, *history))

    def _buys_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        return p_purchase(self.k_, *self._stages(params, time, *history))

    def _pmf_if_alive(self, params: Params, n: int, horizon: float, *history: Floats) -> Floats:
        _, _, a, b = params
        exactly, more = n_purchases(self.k_, n, *self._stages(params, horizon, *history))
        if n == 0:
            return exactly
        b_now = b + self._chances(history[0])
        stayed = np.exp(betaln(a, b_now + n - 1.0) - betaln(a, b_now))
        # n purchases without having left before, or more, had the customer not left at the n-th
        return np.asarray(stayed * (exactly + more * (a / (a + b_now + n - 1.0))))

    # --- simulation ---

    def _simulate_if_alive(self, params: Params, horizon: float, rng: np.random.Generator, *history: Floats) -> Floats:
        _, _, a, b = params
        R, elapsed, ahead = self._stages(params, horizon, *history)
        reached = np.cumsum(stage_weights(self.k_, R, elapsed), axis=0)[:-1]
        done = (rng.random(len(R)) >= reached).sum(axis=0)
        stages = done + rng.poisson(np.minimum(rng.gamma(R + done) * ahead, LARGEST_MEAN))
        allowed = _purchases_until_leaving(rng, a, b + self._chances(history[0]))
        return np.asarray(np.minimum(stages // self.k_, allowed), dtype=np.float64)

    def _simulate(self, params: Params, T: Floats, horizon: float, rng: np.random.Generator) -> SimulatedPurchases:
        r, alpha, a, b = params
        n = len(T)
        rate = np.maximum(rng.gamma(r, size=n) / alpha, 1e-280)
        allowed = _purchases_until_leaving(rng, a, np.full(n, b)) - (1.0 if self.modified else 0.0)
        x, t_x, later, logs, now = (np.zeros(n) for _ in range(5))
        end = T + horizon
        active = np.flatnonzero(allowed > 0)
        while active.size:
            n_drawn = max(1, DRAWN_AT_ONCE // active.size)
            # a waiting time of exactly 0 has no logarithm
            waits = np.maximum(rng.gamma(self.k_, size=(active.size, n_drawn)) / rate[active, None], 1e-280)
            times = now[active, None] + np.cumsum(waits, axis=1)
            left = allowed[active] - x[active] - later[active]
            made = np.arange(n_drawn) < left[:, None]
            before, after = made & (times <= T[active, None]), made & (times > T[active, None])
            after &= times <= end[active, None]
            x[active] += before.sum(axis=1)
            later[active] += after.sum(axis=1)
            t_x[active] = np.maximum(t_x[active], np.where(before, times, 0.0).max(axis=1))
            logs[active] += np.where(before, np.log(waits), 0.0).sum(axis=1)
            now[active] = times[:, -1]
            active = active[(times[:, -1] <= end[active]) & (left > n_drawn)]
        return SimulatedPurchases(x, t_x, T.copy(), x < allowed, later, logs)


def _purchases_until_leaving(rng: np.random.Generator, a: float, b: Floats) -> Floats:
    """Draw after which of the coming occasions customers leave, 1 being the next; may be infinite."""
    stay = np.log1p(-np.clip(rng.beta(a, b), 1e-300, 1.0 - 1e-16))
    with np.errstate(over="ignore"):
        return np.asarray(1.0 + np.floor(-rng.exponential(size=len(b)) / stay), dtype=np.float64)


def _total_log(sum_log_intervals: ArrayLike, weights: Floats, x: Floats, t_x: Floats) -> float:
    """Check the sums of logarithms against what the histories allow, and add them up."""
    (values,) = columns_of(sum_log_intervals)
    if len(values) != len(x):
        raise ValueError(f"sum_log_intervals must be one per row: {len(values):,} for {len(x):,} rows.")
    used = weights > 0
    # x times that add up to t_x have the largest sum of logarithms when they are equal
    most = weights * x * np.log(np.where(x > 0, t_x, 1.0) / np.maximum(x, 1.0))
    bad = used & ~(np.isfinite(values) & (values <= most + 1e-6 * (1.0 + np.abs(most))))
    bad |= used & (x == 0) & (values != 0)
    if bad.any():
        rows = np.flatnonzero(bad)
        shown = name_some(f"row {i}: {values[i]:.6g}, at most {most[i]:.6g}" for i in rows)
        raise CustomerTableError(
            "sum_log_intervals must be the sum of the logarithms of the times between purchases, 0 where frequency "
            "is 0, in the unit of recency; for x equal times it is x log(recency / x), and never more. "
            f"Got {shown}. If recency was divided by 7, subtract frequency * log(7); on grouped rows, take the sum "
            "over the customers of the row."
        )
    return float(values[used].sum())


def _regularity_findings(k: int, candidates: dict[int, float], no_logs: bool) -> list[Finding]:
    findings = []
    if no_logs and k > 1:
        findings.append(
            Finding(
                "sum_log_intervals was not given: log_likelihood_, aic_ and bic_ lack a constant and cannot be "
                "compared with those of another k or model; parameters and predictions do not depend on it.",
                False,
            )
        )
    if len(candidates) == 1:
        return findings
    if k == LARGEST_CHOICE:
        findings.append(
            Finding(
                f"the most regular buying that was tried, k = {k}, fits best: purchases come as if by the clock, such "
                "as subscriptions or standing orders, for which models of contracts are made.",
                True,
            )
        )
    others = [str(other) for other, value in candidates.items() if other != k and value > candidates[k] - AS_GOOD]
    if others:
        findings.append(
            Finding(
                f"how regularly customers buy is not settled: k = {' and '.join(others)} fits about as well as "
                f"k = {k}. There are too few repeat purchases to tell.",
                False,
            )
        )
    return findings


class _SummedLikelihood:
    """The log-likelihood of all customers and its gradient by the logarithms of the parameters."""

    def __init__(self, k: int, modified: bool, histories: Histories) -> None:
        self.k, self.modified, self.histories = k, modified, histories
        self.n_x = np.bincount(histories.x_index, histories.weights, len(histories.x_values))
        self.constant = -float(histories.weights @ histories.x) * math.lgamma(k)

    def objective(self) -> Objective:
        return Objective(self.value_and_gradient)

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = (float(v) for v in np.exp(theta))
        h = self.histories
        # what depends on the number of purchases alone
        stages, n_x = self.k * h.x_values, self.n_x
        chances = h.x_values + 1.0 if self.modified else h.x_values
        n_left = b + np.maximum(chances, 1.0) - 1.0
        value = n_x @ (gammaln(r + stages) - gammaln(r) + betaln(a, b + chances) - betaln(a, b)) + self.constant
        both = psi(a + b) - psi(a + b + chances)
        slope = np.array([n_x @ (psi(r + stages) - psi(r)), 0.0, n_x @ both, n_x @ (both + psi(b + chances) - psi(b))])
        # what depends on the whole history
        w, R = h.weights, r + self.k * h.x
        late, last = 1.0 / (alpha + h.T), 1.0 / (alpha + h.t_x)
        growth = np.log1p(h.T / alpha)
        value -= w @ (r * growth + (R - r) * np.log(alpha + h.T))
        slope[0] -= w @ growth
        slope[1] += w @ (r * h.T * late / alpha - (R - r) * late)
        total, along_R, along_u = stage_slopes(self.k, R, (h.T - h.t_x) * late)
        quiet = np.log1p((h.T - h.t_x) * last)
        active, left = np.log(total), R * quiet + (np.log(a) - np.log(n_left))[h.x_index]
        if not self.modified:
            left = np.where(h.x > 0, left, -np.inf)
        value += w @ np.logaddexp(active, left)
        gone = expit(left - active)
        slope[0] += w @ ((1.0 - gone) * along_R + gone * quiet)
        slope[1] += w @ (gone * R * (late - last) - (1.0 - gone) * along_u * late)
        leaving = float(w @ gone)
        gradient = slope * [r, alpha, a, b]
        gradient[2] += leaving
        gradient[3] -= b * float(w @ (gone / n_left[h.x_index]))
        return float(value), gradient
