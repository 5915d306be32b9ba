"""What the models of retention share: everything but the survival curve."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation._format import count
from segmentation.clv._diagnosis import Finding, parameter_findings
from segmentation.clv._discrete import check_discount_rate, discounted_sum, whole_periods
from segmentation.clv._model import MaximumLikelihoodModel, Params, generator
from segmentation.clv._optimise import Objective, Optimum, bootstrap, maximise
from segmentation.clv._rows import columns_of, read_weights, unique_rows
from segmentation.exceptions import CustomerTableError, FitError

__all__ = ["RetentionModel", "SimulatedContracts"]

Floats = NDArray[np.float64]

LARGEST_TENURE = 1e9

_ALIKE = (
    "customers seem to leave with the same chance, so tenure says nothing about them; where they leave more easily the "
    "longer they stay, BdW fits better"
)
# What it means that a parameter ran to its limit: (parameter, towards infinity) -> words.
_RUNAWAYS = {
    ("alpha", True): _ALIKE,
    ("alpha", False): "nearly nobody who has stayed so far seems ever to leave",
    ("beta", True): _ALIKE,
    ("beta", False): "nearly everybody who would leave seems to do so in the first period",
    ("c", True): "nearly everybody seems to leave soon after the first period",
    ("c", False): "after the first period nearly nobody seems to leave",
}


class SimulatedContracts(NamedTuple):
    """Customers simulated from a model, arrays of shape (n_customers,).

    Attributes
    ----------
    tenure : ndarray
        Period in which the customer left, or periods observed.
    churned : ndarray of bool
        Whether the customer left within the periods observed.
    """

    tenure: Floats
    churned: NDArray[np.bool_]


class RetentionModel(MaximumLikelihoodModel):
    """A cohort of customers of whom it is known who has left, in whole periods."""

    _findings: list[Finding]

    @abstractmethod
    def _log_survival(self, params: Params, t: Any) -> Any:
        """Return the logarithm of the chance to stay for t periods."""

    @abstractmethod
    def _log_churn(self, params: Params, t: Floats) -> Floats:
        """Return the logarithm of the chance to leave in period t >= 1."""

    @abstractmethod
    def _survival_slopes(self, params: Params, t: Floats) -> Floats:
        """Return the derivatives of `_log_survival` by the logarithms of the parameters, shape (n_params, n)."""

    @abstractmethod
    def _churn_slopes(self, params: Params, t: Floats) -> Floats:
        """Return those of `_log_churn`."""

    @abstractmethod
    def _draw_churn_period(self, params: Params, n: int, rng: np.random.Generator) -> Floats:
        """Draw the periods in which n customers leave."""

    @abstractmethod
    def _limits(self) -> tuple[Floats, Floats]:
        """Return the limits of the logarithms of the parameters."""

    @abstractmethod
    def _starts(self, hazard: float) -> list[Floats]:
        """Return where to begin, given the overall chance to leave per period."""

    # --- learning ---

    def fit(self, tenure: ArrayLike, churned: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit by maximum likelihood.

        Parameters
        ----------
        tenure : array of shape (n,)
            Whole periods: the period, from 1 on, in which a customer left, or how many periods somebody who is
            still there has stayed so far.
        churned : array of shape (n,), bool
            Whether the customer has left.
        weights : array of shape (n,), optional
            How many customers each row stands for.

        Raises
        ------
        CustomerTableError
            If values are missing or impossible.
        FitError
            If nobody could have left yet.
        """
        periods, left = _read_tenures(tenure, churned)
        weight = read_weights(weights, len(periods)) if len(periods) else np.zeros(0)
        if not periods[weight > 0].any():
            raise FitError(
                f"{self.title} learns from who left and who stayed; of these {count(len(periods), 'row')} nobody could "
                "have left yet (tenure is 0 everywhere). Wait for the end of the first period."
            )
        (periods, left), places, _ = unique_rows(periods, left)
        totals = np.bincount(places, weights=weight, minlength=len(periods)).astype(np.float64)
        return self._fit_rows(periods[totals > 0], left[totals > 0] > 0, totals[totals > 0])

    def fit_survivors(self, survivors: ArrayLike) -> Self:
        """Fit to a cohort: how many customers were still there after 0, 1, 2, ... periods.

        Parameters
        ----------
        survivors : array of shape (n_periods + 1,)
            Counts, the first at the start. With shares the log-likelihood and the standard errors are those of so
            few customers: multiply them by the size of the cohort.

        Raises
        ------
        CustomerTableError
            If counts are missing, negative or rise.
        FitError
            If there are fewer than two counts, or nobody at the start.
        """
        (counts,) = columns_of(survivors)
        wrong = ~(np.isfinite(counts) & (counts >= 0))
        wrong[1:] |= counts[1:] > counts[:-1]
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise CustomerTableError(
                "survivors are the customers still there after 0, 1, 2, ... periods: not negative, and never more than "
                f"before; number {i} is {counts[i]:g}{f' after {counts[i - 1]:g}' if i else ''}."
            )
        if len(counts) < 2 or counts[0] == 0:
            raise FitError(
                "survivors must start with a count above 0 and have at least one more, got "
                f"{count(len(counts), 'count')}"
                f"{': nobody at the start' if len(counts) else ''}."
            )
        last = len(counts) - 1
        tenure = np.append(np.arange(1.0, last + 1.0), last)
        return self.fit(tenure, np.append(np.ones(last), 0.0), np.append(counts[:-1] - counts[1:], counts[-1]))

    def _fit_rows(self, periods: Floats, left: NDArray[np.bool_], weights: Floats) -> Self:
        gone, stayed = periods[left], periods[~left]

        def objective_of(drawn: Floats) -> Objective:
            n_gone, n_stayed = drawn[left], drawn[~left]

            def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
                params = tuple(np.exp(theta))
                value = n_gone @ self._log_churn(params, gone) + n_stayed @ self._log_survival(params, stayed)
                slopes = self._churn_slopes(params, gone) @ n_gone + self._survival_slopes(params, stayed) @ n_stayed
                return float(value), slopes

            return Objective(value_and_gradient)

        total = float(weights.sum())
        low, high = self._limits()
        exposed = float(weights @ periods)
        hazard = (float(weights[left].sum()) + 0.5) / (exposed + 1.0)
        optimum = maximise(objective_of(weights), self._starts(hazard), low, high, total)
        self._store(optimum, np.exp(optimum.theta).tolist(), optimum.value, total)
        self._resampled = None if optimum.sharp else bootstrap(objective_of, weights, optimum.theta, low, high)
        self._findings = _findings(self, optimum, periods, left, weights)
        self.diagnosis_ = tuple(finding.text for finding in self._findings)
        return self

    def log_likelihood(self, tenure: ArrayLike, churned: ArrayLike, weights: ArrayLike | None = None) -> float:
        """Return the log-likelihood of customers at the parameters, summed.

        Parameters
        ----------
        tenure, churned, weights
            As in `fit`.
        """
        periods, left = _read_tenures(tenure, churned)
        params = self._values()
        logs = np.where(
            left > 0, self._log_churn(params, np.maximum(periods, 1.0)), self._log_survival(params, periods)
        )
        return float(read_weights(weights, len(periods)) @ logs)

    # --- predictions ---

    def survival(self, t: ArrayLike) -> Any:
        """Return the share of a cohort that is still there after t periods.

        Parameters
        ----------
        t : int or array
            Whole periods from 0 on.

        Returns
        -------
        float or ndarray of the same shape
        """
        return _as_given(np.exp(self._log_survival(self._values(), _read_periods(t, "t"))), t)

    def retention_rate(self, t: ArrayLike) -> Any:
        """Return the share of those there after t - 1 periods who stay for period t.

        Parameters
        ----------
        t : int or array
            Periods from 1 on.

        Returns
        -------
        float or ndarray of the same shape
        """
        periods = _read_periods(t, "t", least=1)
        return _as_given(np.exp(self._log_stay(1.0, periods - 1.0)), t)

    def _log_stay(self, horizon: float, tenure: Floats) -> Floats:
        """Return the logarithm of the chance of customers who have stayed `tenure` periods to stay some more."""
        params = self._values()
        stay = self._log_survival(params, tenure + horizon) - self._log_survival(params, tenure)
        return np.asarray(np.minimum(stay, 0.0), dtype=np.float64)

    def churn_probability(self, horizon: float, tenure: ArrayLike = 0) -> Any:
        """Return the chance to leave within `horizon` periods, of customers who have stayed for `tenure` periods.

        Parameters
        ----------
        horizon : int
            Periods.
        tenure : int or array, default=0
            By default a new customer.

        Returns
        -------
        float or ndarray of the same shape as `tenure`
        """
        horizon = _finite(whole_periods(horizon, "horizon", "periods"))
        return _as_given(-np.expm1(self._log_stay(horizon, _read_periods(tenure, "tenure"))), tenure)

    def expected_remaining_periods(self, horizon: float, tenure: ArrayLike = 0) -> Any:
        """Return the further periods that customers are expected to stay for, out of the next `horizon`.

        Parameters
        ----------
        horizon : int
        tenure : int or array, default=0

        Returns
        -------
        float or ndarray of the same shape as `tenure`
            From 0 to `horizon`.
        """
        return self._remaining(_finite(whole_periods(horizon, "horizon", "periods")), 0.0, tenure)

    def discounted_expected_remaining(
        self, discount_rate: float, tenure: ArrayLike = 0, *, horizon: float = math.inf
    ) -> Any:
        """Return the discounted expected residual lifetime (DERL [1]_), in periods.

        Seen from the moment before the next renewal is due: a renewal then counts in full, the one after it
        1 / (1 + discount_rate), and so on.

        Parameters
        ----------
        discount_rate : float
            Per period; 0 only with a horizon.
        tenure : int or array, default=0
            Periods stayed for so far: the n - 1 renewals of the paper.
        horizon : int, default=inf
            Renewals that count.

        References
        ----------
        .. [1] Fader, Hardie (2010), Customer-Base Valuation in a Contractual Setting: The Perils of Ignoring
           Heterogeneity, Marketing Science 29(1), 85-93, doi:10.1287/mksc.1080.0482.
        """
        horizon = whole_periods(horizon, "horizon", "periods")
        return self._remaining(horizon, check_discount_rate(discount_rate, horizon), tenure)

    def _remaining(self, horizon: float, rate: float, tenure: ArrayLike) -> Any:
        stayed = _read_periods(tenure, "tenure")
        if not stayed.size:
            return np.zeros(np.shape(tenure))
        params = self._values()
        (distinct,), places, _ = unique_rows(stayed.ravel())
        before = self._log_survival(params, distinct)[:, None]
        total = discounted_sum(
            lambda i: np.minimum(self._log_survival(params, distinct[:, None] + 1.0 + i) - before, 0.0),
            len(distinct),
            horizon,
            rate,
        )
        return _as_given(total[places].reshape(stayed.shape), tenure)

    def simulate(self, n_customers: int, T: ArrayLike, random_state: Any = None) -> SimulatedContracts:
        """Simulate customers from the model.

        Parameters
        ----------
        n_customers : int
        T : int or array of shape (n_customers,)
            For how many periods each is observed.
        random_state : int, Generator or None
        """
        if not isinstance(n_customers, int | np.integer) or isinstance(n_customers, bool) or n_customers < 0:
            raise ValueError(f"n_customers must be a whole number from 0 on, got {n_customers!r}.")
        observed = _read_periods(T, "T")
        if observed.ndim > 1 or observed.size not in (1, n_customers):
            raise ValueError(
                f"T must be one number of periods, or one for each of {count(int(n_customers), 'customer')}."
            )
        observed = np.broadcast_to(observed, (n_customers,))
        leaves = self._draw_churn_period(self._values(), int(n_customers), generator(random_state))
        return SimulatedContracts(np.minimum(leaves, observed), leaves <= observed)


def _as_given(values: Any, like: Any) -> Any:
    """Return a float where a number was given, and an array otherwise."""
    return float(values) if np.ndim(like) == 0 else np.asarray(values, dtype=np.float64)


def _finite(horizon: float) -> float:
    if math.isinf(horizon):
        raise ValueError(
            "horizon must be finite here; discounted_expected_remaining(discount_rate) looks ahead without an end."
        )
    return horizon


def _read_periods(values: ArrayLike, name: str, least: int = 0) -> Floats:
    """Check whole numbers of periods."""
    periods = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        wrong = ~((periods >= least) & (periods <= LARGEST_TENURE) & (periods == np.floor(periods)))
    if wrong.any():
        raise ValueError(
            f"{name} must be whole periods from {least} on (and at most {LARGEST_TENURE:,.0f}), got "
            f"{periods[wrong].ravel()[0]:g}."
        )
    return periods


def _read_tenures(tenure: ArrayLike, churned: ArrayLike) -> tuple[Floats, Floats]:
    """Check who stayed for how long, and who left."""
    periods, left = columns_of(tenure, churned)
    for wrong, text in (
        (~np.isfinite(periods) | ~np.isfinite(left), "tenure or churned is missing or infinite"),
        (
            (periods < 0) | (periods > LARGEST_TENURE) | (periods != np.floor(periods)),
            "tenure must be a whole number of periods from 0 on; round the last, unfinished one down for those who "
            "stay, up for those who left in it",
        ),
        ((left != 0) & (left != 1), "churned must be True or False (or 1 or 0)"),
        (
            (left == 1) & (periods == 0),
            "somebody who left did so in period 1 or later, so tenure cannot be 0 where churned is True",
        ),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            more = f", and {count(int(wrong.sum()) - 1, 'more row')}" if wrong.sum() > 1 else ""
            raise CustomerTableError(f"{text} (row {row}: tenure {periods[row]:g}, churned {left[row]:g}{more}).")
    return periods, left


def _findings(
    model: RetentionModel, optimum: Optimum, periods: Floats, left: NDArray[np.bool_], weights: Floats
) -> list[Finding]:
    """Say in plain words what the data cannot tell."""
    longest, n_params, text = int(periods.max()), len(model.parameters), None
    if not left.any():
        text = (
            "nobody has left: how many will cannot be told from these data, only that it is few so far; how customers "
            "differ is not determined at all. Use a longer history."
        )
    elif left.all() and longest == 1:
        text = (
            "everybody left in the first period, so nothing shows who would stay, or how customers differ. If those "
            "who are still there were left out of the table, put them back."
        )
    elif longest < n_params:
        text = (
            f"only {count(longest, 'period')} observed, and {n_params} parameters need at least {n_params}: how "
            "customers differ, and so how retention goes on, is not determined. Use a longer history."
        )
    elif weights.sum() < n_params:
        text = (
            f"{count(round(weights.sum()), 'customer')} cannot show how customers differ: {n_params} parameters are "
            "not determined by so few."
        )
    found = [] if text is None else [Finding(f"{model.title}: {text}", True)]
    flagged = (optimum.at_bound & optimum.towards_infinity) | optimum.undetermined
    if text is None and n_params == 3 and flagged[:2].all() and not flagged[2] and optimum.converged:
        found.append(
            Finding(
                f"{model.title}: customers hardly differ in how easily they leave; that retention changes with tenure "
                f"is in c = {np.exp(optimum.theta[2]):.2f} alone, and alpha and beta are known by their ratio only.",
                False,
            )
        )
        return found
    return found + parameter_findings(model.title, model.parameters, (False,) * n_params, optimum, _RUNAWAYS)
