"""Fitting of the purchase models that take covariates: BG/NBD, MBG/NBD, Pareto/NBD."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation._format import name_some
from segmentation.clv._covariates import Covariates, Standard, read_covariates
from segmentation.clv._diagnosis import Finding, purchase_findings, refuse_purchases
from segmentation.clv._model import Params, PurchaseModel
from segmentation.clv._optimise import Climb, Objective, Optimum, bootstrap, climb_on, maximise
from segmentation.clv._rows import Histories, read_histories, read_weights, unique_rows
from segmentation.exceptions import ColumnError

__all__ = ["LARGEST_COEFFICIENT", "RegressionPurchaseModel", "limits_of"]

Floats = NDArray[np.float64]

# Shape parameters beyond e^7 = 1,097 (or below its inverse) stand for infinity (or zero): all customers alike
# to within 3 %, or nobody of a kind. In units of the longest history, alpha = r / (mean rate) may lie anywhere
# that rates do; beta beyond e^9 means that leaving takes more than a thousand histories.
SHAPE_BOUND = 7.0
BOUNDS = {"alpha": 18.0, "beta": 9.0}
# A coefficient of 10 per standard deviation multiplies rates by 22,026.
LARGEST_COEFFICIENT = 10.0
# Logarithms beyond this leave no room in a double for what parameters are multiplied by.
LARGEST_LOGARITHM = 600.0
# Above this many rows a sample of so many finds the neighbourhood of the maximum.
MANY_ROWS, SAMPLE_ROWS = 5_000, 1_500

# lifetimes (or whoever else) proposes parameters: (histories, weights, start, limits) -> logarithms
Engine = Callable[..., Sequence[float]]


def limits_of(names: Sequence[str], n_coefficients: int = 0) -> tuple[Floats, Floats]:
    """Return the limits of the logarithms of parameters, and of coefficients of standardised covariates."""
    high = np.array(
        [BOUNDS.get(name, SHAPE_BOUND) for name in names] + [LARGEST_COEFFICIENT] * n_coefficients, dtype=np.float64
    )
    return -high, high


class RegressionPurchaseModel(PurchaseModel):
    """A purchase model with optional covariates.

    Parameters
    ----------
    penalty : float, default=0.0
        Times the sum of the squared coefficients of covariates (in the units passed, so standardise them first) is
        subtracted from the log-likelihood.
    """

    # which parameter the dropout covariates multiply, and by the exponential of plus or minus their sum
    dropout_parameter: ClassVar[int]
    # how many of the starts are always tried
    n_always: ClassVar[int] = 1
    dropout_sign: ClassVar[float]

    def __init__(self, penalty: float = 0.0) -> None:
        self.penalty = penalty
        self._names: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    # --- what a model has to say ---

    @abstractmethod
    def _gradient_rows(self, params: Params, *history: Floats) -> tuple[Floats, list[Floats]]:
        """Return the log-likelihood of each customer and its slopes along the logarithms of the parameters."""

    @abstractmethod
    def _objective(self, histories: Histories) -> Objective:
        """Return the log-likelihood of all customers without covariates."""

    @abstractmethod
    def _starts(self, rate: float) -> list[tuple[float, ...]]:
        """Return parameters to start from, given the purchases per longest history."""

    # --- fitting ---

    def fit(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        covariates: Any = None,
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
            How many customers each row stands for.
        covariates : dataframe or array of shape (n, n_covariates), or mapping, optional
            One table for both processes, or ``{"purchase": ..., "dropout": ...}``. Numbers; standardise them where
            there is a penalty. See the class for what a coefficient means.

        Returns
        -------
        self

        Raises
        ------
        FitError
            If nobody was observed or nobody bought again.
        CustomerTableError, ColumnError
            If values are missing or impossible.
        """
        return self._fit(read_histories(frequency, recency, T), weights, covariates)

    def _fit(
        self,
        history: tuple[Floats, Floats, Floats],
        weights: ArrayLike | None,
        covariates: Any,
        engine: Engine | None = None,
    ) -> Self:
        """Fit to checked histories; `engine` climbs instead of our optimiser."""
        if not (np.ndim(self.penalty) == 0 and 0 <= float(self.penalty) < np.inf):
            raise ValueError(f"penalty must be a number from 0 on, got {self.penalty!r}.")
        x, T = history[0], history[2]
        given = None if weights is None else read_weights(weights, len(x))
        refuse_purchases(x if given is None else x[given > 0], T if given is None else T[given > 0])
        table = None if covariates is None else read_covariates(covariates, len(x))
        self._names = ((), ()) if table is None else (table.purchase_names, table.dropout_names)
        histories, places = _collapse(history, given, table)
        longest = float(histories.T.max())
        scaled = histories.scaled(1.0 / longest)
        total = float(scaled.weights.sum())
        rate = float(scaled.weights @ scaled.x / (scaled.weights @ scaled.T))
        starts = [np.log(start) for start in self._starts(rate)]
        if table is None:
            objective, back = self._objective(scaled), None
            low, high = limits_of(self.parameters)
            others = starts[1 : self.n_always]
            if engine is None:
                climb = self._climb_on_sample(scaled, low, high, others)
            else:
                climb = _engine_climb(engine, self, scaled)
        else:
            standards = self._standards(scaled.weights, table, places)
            objective, back = self._regression(scaled, table, places, standards)
            low, high = limits_of(self.parameters, len(table.coefficients))
            starts = [np.concatenate([start, np.zeros(len(table.coefficients))]) for start in starts]
            climb = None
        # a sample has been climbed from all of them
        n_always = 1 if climb is not None and engine is None else self.n_always
        optimum = maximise(objective, starts, low, high, total, climb, n_always)
        resampled = None
        if not optimum.sharp:

            def objective_of(drawn: Floats) -> Objective | None:
                """Return the objective of resampled customers; if nobody bought again, they say nothing."""
                if not drawn @ scaled.x > 0:
                    return None
                again = replace(scaled, weights=drawn)
                return self._objective(again) if table is None else self._regression(again, table, places, standards)[0]

            resampled = bootstrap(objective_of, scaled.weights, optimum.theta, low, high)
        penalty = 0.0
        if back is not None:
            resampled = None if resampled is None else back(optimum, resampled)[2]
            optimum, penalty, _ = back(optimum)
            self._check_centred(optimum.theta, table)
        params = np.exp(optimum.theta[: len(self.parameters)])
        params[[i for i, timed in enumerate(self.in_time) if timed]] *= longest
        # the density of purchase times changes with their unit, once for every repeat purchase
        log_likelihood = optimum.value + penalty - float(histories.weights @ histories.x) * np.log(longest)
        coefficients = optimum.theta[len(self.parameters) :]
        self._store(optimum, [*params, *coefficients], log_likelihood, total)
        shift = np.zeros(len(optimum.theta))
        shift[: len(self.parameters)] = np.where(self.in_time, np.log(longest), 0.0)
        self._resampled = None if resampled is None else resampled + shift
        self._findings: list[Finding] = purchase_findings(self, optimum, histories)
        self.diagnosis_ = tuple(finding.text for finding in self._findings)
        return self

    def _climb_on_sample(
        self, histories: Histories, low: Floats, high: Floats, others: Sequence[Floats]
    ) -> Climb | None:
        """Let a sample of the rows find the neighbourhood of the maximum, where there are many."""
        if len(histories.x) <= MANY_ROWS:
            return None
        sample = histories.some(SAMPLE_ROWS)
        return climb_on(self._objective(sample), low, high, float(sample.weights.sum()), others)

    # --- covariates ---

    def _standards(self, weights: Floats, table: Covariates, places: NDArray[np.int64]) -> tuple[Standard, Standard]:
        """Return mean and spread of the covariates of purchase and of dropout."""
        return (
            Standard.of(table.purchase[places], weights, table.purchase_names, "purchase"),
            Standard.of(table.dropout[places], weights, table.dropout_names, "dropout"),
        )

    def _check_centred(self, theta: Floats, table: Covariates | None) -> None:
        """Refuse covariates so far from 0 that the parameters of a customer with all of them 0 overflow."""
        if table is not None and float(np.abs(theta[: len(self.parameters)]).max()) > LARGEST_LOGARITHM:
            raise ColumnError(
                f"the parameters of a customer whose covariates are all 0 lie beyond floating point: some of "
                f"{name_some(table.coefficients)} vary little around a value far from 0. Subtract the mean first."
            )

    def _regression(
        self, histories: Histories, table: Covariates, places: NDArray[np.int64], standards: tuple[Standard, Standard]
    ) -> tuple[Objective, Callable[..., tuple[Optimum, float, Floats | None]]]:
        """Return the log-likelihood with covariates, and the way back from standardised ones."""
        weights = histories.weights
        buying, leaving = standards[0].apply(table.purchase[places]), standards[1].apply(table.dropout[places])
        n_params, n_buying = len(self.parameters), buying.shape[1]
        spread = np.concatenate([standards[0].spread, standards[1].spread])
        shrink = float(self.penalty) / spread**2
        dropout, sign = self.dropout_parameter, self.dropout_sign
        history = (histories.x, histories.t_x, histories.T)

        def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
            coefficients = theta[n_params:]
            logs: list[Any] = list(theta[:n_params])
            logs[1] = logs[1] - buying @ coefficients[:n_buying]
            logs[dropout] = logs[dropout] + sign * (leaving @ coefficients[n_buying:])
            rows, slopes = self._gradient_rows([np.exp(v) for v in logs], *history)
            along = [weights * slope for slope in slopes]
            gradient = np.concatenate(
                [
                    [float(slope.sum()) for slope in along],
                    -(along[1] @ buying),
                    sign * (along[dropout] @ leaving),
                ]
            )
            gradient[n_params:] -= 2 * shrink * coefficients
            return float(weights @ rows) - float(shrink @ coefficients**2), gradient

        def back(optimum: Optimum, resampled: Floats | None = None) -> tuple[Optimum, float, Floats | None]:
            turn = np.eye(len(optimum.theta))
            turn[n_params:, n_params:] /= spread[:, None]
            turn[1, n_params : n_params + n_buying] = standards[0].mean / standards[0].spread
            turn[dropout, n_params + n_buying :] = -sign * standards[1].mean / standards[1].spread
            penalty = float(shrink @ optimum.theta[n_params:] ** 2)
            raw = replace(optimum, theta=turn @ optimum.theta, covariance=turn @ optimum.covariance @ turn.T)
            return raw, penalty, None if resampled is None else resampled @ turn.T

        return Objective(value_and_gradient), back

    def _coefficients(self) -> Sequence[str]:
        buying, leaving = self._names
        return (*(f"purchase_{name}" for name in buying), *(f"dropout_{name}" for name in leaving))

    def _params(self, covariates: Any, n: int) -> Params:
        values: list[Any] = list(self._values())
        if not self._coefficients():
            if covariates is not None:
                raise ValueError(f"this {type(self).__name__} was fitted without covariates; leave them out.")
            return values
        if covariates is None:
            raise ValueError(
                f"this {type(self).__name__} was fitted with covariates ({name_some(self._coefficients())}); pass "
                "those of these customers as covariates=."
            )
        table = read_covariates(covariates, n)
        logs = []
        for role, matrix, names, expected in (
            ("purchase", table.purchase, table.purchase_names, self._names[0]),
            ("dropout", table.dropout, table.dropout_names, self._names[1]),
        ):
            missing = [name for name in expected if name not in names]
            if missing:
                raise ValueError(f"covariates of {role} lack {name_some(missing)}; fit had {name_some(expected)}.")
            chosen = matrix[:, [names.index(name) for name in expected]]
            logs.append(chosen @ np.array([self.params_[f"{role}_{name}"] for name in expected]))
        with np.errstate(over="ignore"):
            values[1] = np.clip(values[1] * np.exp(-logs[0]), 1e-300, 1e300)
            dropout = self.dropout_parameter
            values[dropout] = np.clip(values[dropout] * np.exp(self.dropout_sign * logs[1]), 1e-300, 1e300)
        return values

    @classmethod
    def from_params(cls, *values: Any, **named: Any) -> Self:
        """Make a model with given parameters, without data.

        Parameters
        ----------
        *values : float, or one mapping of name to float
            In the order of the papers.
        **named : float
            Parameters by name, coefficients as ``purchase_<name>`` and ``dropout_<name>``, and `penalty`.
        """
        if len(values) == 1 and isinstance(values[0], Mapping):
            named, values = {**values[0], **named}, ()
        coefficients = {
            name: float(named.pop(name)) for name in list(named) if name.startswith(("purchase_", "dropout_"))
        }
        model = super().from_params(*values, **named)
        buying = tuple(name.removeprefix("purchase_") for name in coefficients if name.startswith("purchase_"))
        leaving = tuple(name.removeprefix("dropout_") for name in coefficients if name.startswith("dropout_"))
        model._names = (buying, leaving)
        model.params_ |= {name: coefficients[name] for name in model._coefficients()}
        return model

    def _settings(self) -> dict[str, Any]:
        return {"penalty": self.penalty}


def _collapse(
    history: tuple[Floats, Floats, Floats], weights: Floats | None, table: Covariates | None
) -> tuple[Histories, NDArray[np.int64]]:
    """Collapse equal customers; return them and, where there are covariates, one row of each kind."""
    if table is None and weights is None:
        rows, _, counts = unique_rows(*history, inverse=False)
        return Histories.of(rows[0], rows[1], rows[2], counts.astype(np.float64)), np.zeros(0, dtype=np.int64)
    columns = list(history) if table is None else [*history, *table.purchase.T, *table.dropout.T]
    rows, places, counts = unique_rows(*columns)
    total = counts.astype(np.float64) if weights is None else np.bincount(places, weights, len(counts))
    first = np.zeros(len(counts), dtype=np.int64)
    first[places] = np.arange(len(places))
    used, total = total > 0, np.asarray(total, dtype=np.float64)
    x, t_x, T = (column[used] for column in rows[:3])
    return Histories.of(x, t_x, T, total[used]), first[used]


def _engine_climb(engine: Engine, model: RegressionPurchaseModel, histories: Histories) -> Climb:
    low, high = limits_of(model.parameters)
    data = (histories.x, histories.t_x, histories.T)
    bounds = list(zip(low, high, strict=True))
    return lambda start: (np.asarray(engine(model.title, data, histories.weights, start, bounds), np.float64), None)
