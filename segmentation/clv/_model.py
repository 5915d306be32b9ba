"""What all maximum-likelihood models of this package have in common, and what the purchase models do besides."""

from __future__ import annotations

import copy
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation._format import name_some
from segmentation.clv._optimise import Optimum
from segmentation.clv._rows import columns_of, read_histories, read_weights

__all__ = [
    "LikelihoodRatioTest",
    "MaximumLikelihoodModel",
    "NextPurchase",
    "PurchaseModel",
    "SimulatedPurchases",
    "check_horizon",
    "generator",
]

Floats = NDArray[np.float64]
# Nobody buys more often; beyond, formulas would only overflow.
MOST_PURCHASES = 1_000_000_000
# By so much the larger of two nested models may seem to fit worse, because optimisers stop.
LARGEST_SHORTFALL = 1e-3
Params = Sequence[Any]


class NextPurchase(NamedTuple):
    """When customers buy next, arrays of shape (n,).

    Attributes
    ----------
    probability : ndarray
        Of at least one purchase within the horizon.
    median, low, high : ndarray
        Of the time until the next purchase, given that there is one within the horizon, in the caller's unit.
        The mean over an unlimited horizon does not exist: somebody who has left never buys.
    """

    probability: Floats
    median: Floats
    low: Floats
    high: Floats


class LikelihoodRatioTest(NamedTuple):
    """Whether a larger model fits better than chance would make it."""

    statistic: float
    df: int
    p_value: float


class SimulatedPurchases(NamedTuple):
    """Customers simulated from a model, arrays of shape (n_customers,).

    Attributes
    ----------
    frequency, recency, T : ndarray
        As the model takes them.
    alive : ndarray of bool
        Whether the customer is still active at T: what no data shows.
    holdout_frequency : ndarray
        Purchases within `horizon` after T; 0 where no horizon was asked for.
    sum_log_intervals : ndarray
        Sum of the logarithms of the times between purchases; 0 where there are none.
    """

    frequency: Floats
    recency: Floats
    T: Floats
    alive: NDArray[np.bool_]
    holdout_frequency: Floats
    sum_log_intervals: Floats

    def __getitem__(self, key: Any) -> Any:
        """Return a field by its name, as from a table, or by position."""
        return getattr(self, key) if isinstance(key, str) else tuple.__getitem__(self, key)


def generator(random_state: Any) -> np.random.Generator:
    """Turn a seed, a Generator or None into a Generator."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(np.iinfo(np.int32).max))
    return np.random.default_rng(random_state)


def _whole_counts(n: Any) -> list[int]:
    """Return numbers of purchases as integers; refuse what is none, and more than anybody buys."""
    counts = np.atleast_1d(np.asarray(n))
    numbers_ = counts.ndim == 1 and (not counts.size or np.issubdtype(counts.dtype, np.number))
    if not numbers_ or not np.all(np.isfinite(counts)) or (counts < 0).any() or (counts % 1).any():
        raise ValueError(f"n must be whole numbers of purchases from 0 on, got {n!r}.")
    if counts.size and counts.max() > MOST_PURCHASES:
        raise ValueError(f"n is at most {MOST_PURCHASES:,}, got {n!r}.")
    return [int(count) for count in counts]


def check_horizon(horizon: Any, *, infinite: bool = False) -> float:
    """Return a horizon as a float: one number from 0 on."""
    single: Any = horizon.item() if isinstance(horizon, np.ndarray) and horizon.ndim == 0 else horizon
    is_number = isinstance(single, numbers.Real) and not isinstance(single, bool)
    value = float(single) if is_number else math.nan
    if not value >= 0 or (math.isinf(value) and not infinite):
        raise ValueError(
            f"horizon must be one number from 0 on, in the time unit of the model{'' if infinite else ', and finite'}; "
            f"got {horizon!r}."
        )
    return value


class MaximumLikelihoodModel(ABC):
    """A model with named positive parameters, fitted by maximum likelihood.

    Attributes
    ----------
    params_ : dict of str to float
        In the order of the papers and the unit of the data.
    log_likelihood_ : float
        Summed over customers.
    standard_errors_ : dict of str to float
        Of the parameters, from the Hessian on their logarithms; finite also where the data say nothing (then
        about 7 times the parameter).
    covariance_ : ndarray of shape (n_params, n_params)
        Of the logarithms of the parameters (of coefficients as they are).
    n_customers_ : float
        Customers, or the sum of the weights.
    converged_ : bool
        Whether less than 1e-6 of log-likelihood was left to gain.
    diagnosis_ : tuple of str
        What in the data limits the result, in plain words; empty when nothing does.
    aic_, bic_ : float
        -2 log L + 2 k and -2 log L + k log n; smaller is better.
    """

    title: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]

    # what a fitted model knows besides its parameters
    _STATE: ClassVar[tuple[str, ...]] = (
        "log_likelihood_",
        "standard_errors_",
        "covariance_",
        "n_customers_",
        "converged_",
        "diagnosis_",
        "_resampled",
    )

    params_: dict[str, float]
    log_likelihood_: float
    standard_errors_: dict[str, float]
    covariance_: Floats
    n_customers_: float
    converged_: bool
    diagnosis_: tuple[str, ...]
    # logarithms of parameters from bootstrap samples, where a normal distribution will not do
    _resampled: Floats | None = None

    @property
    def aic_(self) -> float:
        """Akaike's information criterion."""
        return -2.0 * self.log_likelihood_ + 2.0 * self._n_free()

    @property
    def bic_(self) -> float:
        """Bayesian (Schwarz's) information criterion."""
        return -2.0 * self.log_likelihood_ + self._n_free() * math.log(self.n_customers_)

    def likelihood_ratio_test(self, smaller: MaximumLikelihoodModel) -> LikelihoodRatioTest:
        """Test whether this model fits better than one nested in it, fitted to the same customers.

        Parameters
        ----------
        smaller : fitted model
            This one with some parameters fixed: the same model without (some of) the covariates, or an sBG for a
            BdW.

        Returns
        -------
        LikelihoodRatioTest
            ``statistic`` = 2 (log L - log L of `smaller`), ``df``, ``p_value`` from the chi-squared distribution.
        """
        from scipy.stats import chi2  # a slow import, needed here only

        if not self._nests(smaller):
            raise ValueError(
                f"the test compares models one of which is nested in the other; {type(smaller).__name__} is not nested "
                f"in {type(self).__name__}. Compare aic_ or bic_ instead."
            )
        if not all(hasattr(model, "log_likelihood_") for model in (self, smaller)):
            raise ValueError("the test needs two models that were fitted to data; one has only given parameters.")
        df = self._n_free() - smaller._n_free()
        if df <= 0:
            raise ValueError("the model to test against must have fewer parameters; swap the two?")
        if not math.isclose(self.n_customers_, smaller.n_customers_, rel_tol=1e-9):
            raise ValueError(
                f"the two models were fitted to different customers ({self.n_customers_:,.0f} and "
                f"{smaller.n_customers_:,.0f}), so their likelihoods cannot be compared."
            )
        unknown = [name for name in smaller.params_ if name not in self.params_]
        if unknown and type(self) is type(smaller):
            raise ValueError(f"the smaller model has {name_some(unknown)}, which this one has not: not nested.")
        if any(getattr(model, "penalty", 0.0) for model in (self, smaller)):
            raise ValueError("the test holds for penalty=0 only; fit both models without a penalty.")
        statistic = 2.0 * (self.log_likelihood_ - smaller.log_likelihood_)
        if statistic < -LARGEST_SHORTFALL:
            raise ValueError(
                f"the larger model fits worse (2 times the difference of log-likelihoods is {statistic:.4g}), which "
                "nested models of the same data cannot: were both fitted to the same customers, with times "
                "in one unit?"
            )
        return LikelihoodRatioTest(statistic, df, float(chi2.sf(max(statistic, 0.0), df)))

    def _nests(self, smaller: MaximumLikelihoodModel) -> bool:
        """Tell whether the other is this model with parameters fixed."""
        return type(self) is type(smaller)

    def _n_free(self) -> int:
        """Return how many parameters were estimated."""
        self._check_fitted()
        return len(self.params_)

    @classmethod
    def from_params(cls, *values: Any, **named: Any) -> Self:
        """Make a model with given parameters, without data.

        Parameters
        ----------
        *values : float, or one mapping of name to float
            In the order of the papers.
        **named : float
            Parameters by name; other names go to the constructor.

        Raises
        ------
        ValueError
            If parameters are missing, unknown or not positive and finite.
        """
        if len(values) == 1 and isinstance(values[0], Mapping):
            named, values = {**values[0], **named}, ()
        given = dict(zip(cls.parameters, values, strict=False))
        given |= {name: named.pop(name) for name in cls.parameters if name in named}
        missing = [name for name in cls.parameters if name not in given]
        if missing or len(values) > len(cls.parameters):
            raise ValueError(
                f"{cls.__name__} has the parameters {name_some(cls.parameters)}; "
                f"{'missing: ' + name_some(missing) if missing else f'got {len(values)} values'}."
            )
        model = cls(**named)
        for name, value in given.items():
            if not (np.ndim(value) == 0 and np.isfinite(float(value)) and float(value) > 0):
                raise ValueError(f"{cls.__name__}: {name} must be a positive number, got {value!r}.")
        model.params_ = {name: float(given[name]) for name in cls.parameters}
        return model

    def _check_fitted(self) -> None:
        if not hasattr(self, "params_"):
            raise ValueError(f"this {type(self).__name__} has no parameters yet: fit it, or use from_params.")

    def _values(self) -> tuple[float, ...]:
        """Return the parameters in the order of the papers."""
        self._check_fitted()
        return tuple(self.params_[name] for name in self.parameters)

    def _store(self, optimum: Optimum, params: Sequence[float], log_likelihood: float, n_customers: float) -> None:
        """Keep what a fit has found; `params` in the unit of the data, coefficients last."""
        names = [*self.parameters, *self._coefficients()]
        self.params_ = dict(zip(names, (float(value) for value in params), strict=True))
        self.log_likelihood_ = float(log_likelihood)
        self.covariance_ = optimum.covariance
        errors = np.sqrt(np.diag(optimum.covariance))
        n_positive = len(self.parameters)
        scales = np.concatenate([np.asarray(params[:n_positive], dtype=np.float64), np.ones(len(names) - n_positive)])
        self.standard_errors_ = dict(zip(names, (scales * errors).tolist(), strict=True))
        self.n_customers_ = float(n_customers)
        self.converged_ = optimum.converged

    def _coefficients(self) -> Sequence[str]:
        """Return the names of coefficients of covariates, if any."""
        return ()

    def draw_params(self, n_draws: int, random_state: Any = None) -> Floats:
        """Draw parameters from what the data leave open about them.

        Parameters
        ----------
        n_draws : int
        random_state : int, Generator or None

        Returns
        -------
        ndarray of shape (n_draws, n_params)
            In the order and unit of ``params_``: normal on the logarithms with ``covariance_``; where the likelihood
            is no parabola there (a Hessian that is not clearly negative definite, a parameter at its limit), fits to
            bootstrap samples of the customers instead.
        """
        self._check_fitted()
        if not isinstance(n_draws, int | np.integer) or isinstance(n_draws, bool) or n_draws < 1:
            raise ValueError(f"n_draws must be a positive integer, got {n_draws!r}.")
        if not hasattr(self, "covariance_"):
            raise ValueError(f"this {type(self).__name__} was made from given parameters: fit it to draw new ones.")
        rng = generator(random_state)
        names = list(self.params_)
        n_positive = len(self.parameters)
        centre = np.array([self.params_[name] for name in names])
        centre[:n_positive] = np.log(centre[:n_positive])
        if self._resampled is not None:
            draws = self._resampled[rng.integers(len(self._resampled), size=n_draws)]
        else:
            # units of coefficients may differ by many orders of magnitude, so correlations are decomposed
            spread = np.sqrt(np.diag(self.covariance_))
            values, vectors = np.linalg.eigh(self.covariance_ / np.outer(spread, spread))
            normal = rng.standard_normal((n_draws, len(values))) * np.sqrt(np.maximum(values, 0.0))
            draws = centre + (normal @ vectors.T) * spread
        positive = np.exp(np.clip(draws[:, :n_positive], -690.0, 690.0))
        return np.asarray(np.concatenate([positive, draws[:, n_positive:]], axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain numbers, lists and text, from which `from_dict` makes it again, bit by bit."""
        self._check_fitted()
        state: dict[str, Any] = {"model": type(self).__name__, "settings": self._settings(), "params": self.params_}
        for name in self._STATE:
            if hasattr(self, name):
                value = getattr(self, name)
                state[name] = value.tolist() if isinstance(value, np.ndarray) else value
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Make the model that `to_dict` described."""
        if state.get("model") != cls.__name__:
            raise ValueError(f"this describes a {state.get('model')!r}, not a {cls.__name__}.")
        model = cls.from_params(dict(state["params"]), **state["settings"])
        n = len(model.params_)
        for name, dimensions in (("covariance_", (n, n)), ("_resampled", (None, n))):
            if state.get(name) is not None:
                found = np.asarray(state[name], dtype=np.float64)
                good = found.ndim == 2 and all(
                    d in (None, have) for d, have in zip(dimensions, found.shape, strict=True)
                )
                if not good or not np.all(np.isfinite(found)):
                    raise ValueError(f"{name} of this state is damaged: a finite table for {n} parameters is expected.")
        for name in cls._STATE:
            if name in state:
                value = state[name]
                if isinstance(value, list):
                    value = tuple(value) if value and isinstance(value[0], str) else np.array(value, dtype=np.float64)
                if name == "diagnosis_":
                    value = tuple(state[name])
                setattr(model, name, value)
        return model

    def _settings(self) -> dict[str, Any]:
        """Return what the constructor took."""
        return {}

    def __repr__(self) -> str:
        shown = [f"{name}={value:.6g}" for name, value in getattr(self, "params_", {}).items()]
        shown += [f"{name}={value!r}" for name, value in self._settings().items() if value]
        return f"{type(self).__name__}({', '.join(shown)})"


class PurchaseModel(MaximumLikelihoodModel):
    """A model of purchases in continuous time by customers who leave without saying so.

    Every prediction is the probability of being active at T times what is expected of an active customer with
    this history; a new customer is one with the history (0, 0, 0).
    """

    # which parameters are times, and so scale with the time unit
    in_time: ClassVar[tuple[bool, ...]]
    # whether the purchases of an active customer depend on frequency and T alone, not on recency
    forgets_recency: ClassVar[bool] = True

    # --- what a model has to say: pure functions of parameters and checked arrays of shape (n,) ---

    @abstractmethod
    def _log_likelihood_rows(self, params: Params, *history: Floats) -> Floats:
        """Return the log-likelihood of each customer."""

    @abstractmethod
    def _p_alive_rows(self, params: Params, *history: Floats) -> Floats:
        """Return the probability of being active at T."""

    @abstractmethod
    def _purchases_if_alive(self, params: Params, horizon: float, *history: Floats) -> Floats:
        """Return the expected purchases within the horizon of customers active at T."""

    @abstractmethod
    def _silence_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        """Return the probability that customers active at T buy nothing within `time` (n,) after it."""

    @abstractmethod
    def _pmf_if_alive(self, params: Params, n: int, horizon: float, *history: Floats) -> Floats:
        """Return the probability of exactly n purchases within the horizon of customers active at T."""

    @abstractmethod
    def _simulate_if_alive(self, params: Params, horizon: float, rng: np.random.Generator, *history: Floats) -> Floats:
        """Draw the purchases within the horizon of customers active at T, rates and leaving from their posterior."""

    # --- public ---

    def _history(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> tuple[Floats, ...]:
        return read_histories(frequency, recency, T)

    def log_likelihood(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        covariates: Any = None,
    ) -> float:
        """Return the log-likelihood of histories at the parameters, summed over customers.

        Parameters
        ----------
        frequency, recency, T : arrays of shape (n,)
        weights : array of shape (n,), optional
            How many customers each row stands for.
        covariates : optional
            As in ``fit``, where it was given any.
        """
        history = self._history(frequency, recency, T)
        params = self._params(covariates, len(history[0]))
        return float(read_weights(weights, len(history[0])) @ self._log_likelihood_rows(params, *history))

    def p_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, covariates: Any = None) -> Floats:
        """Return the probability that customers have not left by T, shape (n,), in [0, 1]."""
        history = self._history(frequency, recency, T)
        return self._p_alive_rows(self._params(covariates, len(history[0])), *history)

    def expected_purchases(
        self, horizon: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, covariates: Any = None
    ) -> Floats:
        """Return the purchases expected within `horizon` after T, shape (n,)."""
        horizon, history = check_horizon(horizon), self._history(frequency, recency, T)
        params = self._params(covariates, len(history[0]))
        return self._p_alive_rows(params, *history) * self._purchases_if_alive(params, horizon, *history)

    def _params(self, covariates: Any, n: int) -> Params:
        """Return the parameters, one value or one per customer; a model with covariates overrides it."""
        if covariates is not None:
            raise ValueError(f"{type(self).__name__} takes no covariates.")
        return self._values()

    def expected_purchases_new_customer(self, horizon: ArrayLike, covariates: Any = None) -> Any:
        """Return the repeat purchases expected of a customer within `horizon` after the first purchase.

        Parameters
        ----------
        horizon : float or array
            Several give the unconditional curve.
        covariates : optional
            One row, where ``fit`` was given covariates.

        Returns
        -------
        float or ndarray of the same shape
        """
        new, params = self._new_customer(), self._params(covariates, 1)
        alive = float(self._p_alive_rows(params, *new)[0])
        times = np.asarray(horizon, dtype=np.float64)
        curve = [alive * self._purchases_if_alive(params, check_horizon(t), *new)[0] for t in times.ravel()]
        return float(curve[0]) if times.ndim == 0 else np.array(curve).reshape(times.shape)

    def _new_customer(self) -> tuple[Floats, ...]:
        return (np.zeros(1), np.zeros(1), np.zeros(1))

    def probability_of_purchases(
        self,
        n: ArrayLike,
        horizon: float,
        frequency: ArrayLike = 0,
        recency: ArrayLike = 0,
        T: ArrayLike = 0,
        covariates: Any = None,
    ) -> Floats:
        """Return the probability of exactly n purchases within `horizon` after T.

        Parameters
        ----------
        n : int or array of shape (n_counts,)
        horizon : float
        frequency, recency, T : arrays of shape (n,), default=0
            By default a new customer.

        Returns
        -------
        ndarray of shape (n_customers,) or (n_customers, n_counts)
            The second where `n` is an array. Over all n they sum to 1.
        """
        counts = _whole_counts(n)
        horizon, history = check_horizon(horizon), self._history(frequency, recency, T)
        params = self._params(covariates, len(history[0]))
        alive = self._p_alive_rows(params, *history)
        table = np.zeros((len(history[0]), len(counts)))
        for i, k in enumerate(counts):
            table[:, i] = alive * self._pmf_if_alive(params, k, horizon, *history) + (1 - alive) * (k == 0)
        return table if np.ndim(n) else table[:, 0]

    def next_purchase(
        self,
        horizon: float,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        level: float = 0.9,
        covariates: Any = None,
    ) -> NextPurchase:
        """Return the probability of a purchase within `horizon`, and when it comes if it does.

        Parameters
        ----------
        horizon : float
            May be infinite: a purchase at any time.
        frequency, recency, T : arrays of shape (n,)
        level : float, default=0.9
            Of the interval of the time until the purchase.
        """
        horizon, history = check_horizon(horizon, infinite=True), self._history(frequency, recency, T)
        if not (isinstance(level, numbers.Real) and 0 < level < 1):
            raise ValueError(f"level must lie between 0 and 1, got {level!r}.")
        params = self._params(covariates, len(history[0]))
        if horizon == 0:  # nobody buys in no time
            nothing = np.zeros(len(history[0]))
            return NextPurchase(nothing, nothing.copy(), nothing.copy(), nothing.copy())
        buys = self._buys_if_alive(params, np.full(len(history[0]), horizon), *history)
        low, median, high = (
            self._waiting_time(params, q * buys, horizon, *history) for q in ((1 - level) / 2, 0.5, (1 + level) / 2)
        )
        return NextPurchase(self._p_alive_rows(params, *history) * buys, median, low, high)

    def _buys_if_alive(self, params: Params, time: Floats, *history: Floats) -> Floats:
        """Return the probability that customers active at T buy within `time`, which may be infinite."""
        return 1.0 - self._silence_if_alive(params, time, *history)

    def _waiting_time(self, params: Params, probability: Floats, horizon: float, *history: Floats) -> Floats:
        """Invert `_buys_if_alive` by bisection on the logarithm of time; a model with a closed form overrides it."""
        scale = np.maximum(history[2], 1.0) if math.isinf(horizon) else np.full(len(probability), max(horizon, 1e-300))
        low, high = np.log(scale) - 60.0, np.log(scale) + (60.0 if math.isinf(horizon) else 0.0)
        for _ in range(48):
            middle = (low + high) / 2
            below = self._buys_if_alive(params, np.exp(middle), *history) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.exp((low + high) / 2)

    def simulate(
        self,
        n_customers: int,
        T: ArrayLike,
        random_state: Any = None,
        *,
        horizon: float = 0.0,
        covariates: Any = None,
    ) -> SimulatedPurchases:
        """Simulate customers from the model.

        Parameters
        ----------
        n_customers : int
        T : float or array of shape (n_customers,)
            How long each is observed after the first purchase.
        random_state : int, Generator or None
        horizon : float, default=0
            How long they are followed afterwards.
        """
        if not isinstance(n_customers, int | np.integer) or isinstance(n_customers, bool) or n_customers < 0:
            raise ValueError(f"n_customers must be a whole number from 0 on, got {n_customers!r}.")
        (observed,) = columns_of(T)
        if len(observed) not in (1, n_customers) or not np.all(np.isfinite(observed)) or (observed < 0).any():
            raise ValueError(f"T must be one duration, or one for each of the {n_customers:,} customers, from 0 on.")
        observed = np.broadcast_to(observed, (n_customers,)).astype(np.float64)
        params = self._params(covariates, int(n_customers))
        return self._simulate(params, observed, check_horizon(horizon), generator(random_state))

    @abstractmethod
    def _simulate(self, params: Params, T: Floats, horizon: float, rng: np.random.Generator) -> SimulatedPurchases:
        """Simulate one customer for each T."""

    def simulate_purchases(
        self,
        horizon: float,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        random_state: Any = None,
        covariates: Any = None,
    ) -> Floats:
        """Draw the purchases of customers with these histories within `horizon` after T, shape (n,).

        Whether they are active, how often they buy and when they leave is drawn from what their history says; the
        parameters are taken as they are. Means over many draws are `expected_purchases`.
        """
        horizon, history = check_horizon(horizon), self._history(frequency, recency, T)
        params = self._params(covariates, len(history[0]))
        return self._draw(params, horizon, generator(random_state), *history)

    def _with_params(self, params: Mapping[str, float]) -> Self:
        """Return a copy with other parameters, coefficients included."""
        other = copy.copy(self)
        other.params_ = dict(params)
        return other

    def _draw(self, params: Params, horizon: float, rng: np.random.Generator, *history: Floats) -> Floats:
        alive = rng.random(len(history[0])) < self._p_alive_rows(params, *history)
        purchases = np.zeros(len(alive))
        if alive.any():
            some = [column[alive] for column in history]
            theirs = [value[alive] if np.ndim(value) else value for value in params]
            purchases[alive] = self._simulate_if_alive(theirs, horizon, rng, *some)
        return purchases

    def rescaled(self, factor: float) -> Self:
        """Return the same model for times multiplied by `factor` (1 / 7 turns a model in days into one in weeks).

        Predictions do not change; the log-likelihood changes by -log(factor) for every repeat purchase, so it is
        not carried over.
        """
        values = [v * factor if timed else v for v, timed in zip(self._values(), self.in_time, strict=True)]
        other = type(self).from_params(*values, **self._settings())
        other.params_ |= {name: self.params_[name] for name in self._coefficients()}
        return other
