"""Gamma-Gamma: what a purchase is worth, from the mean spend of each customer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, polygamma, psi

from segmentation.clv._diagnosis import refuse_spend, spend_findings
from segmentation.clv._model import MaximumLikelihoodModel, generator
from segmentation.clv._optimise import Climb, Objective, bootstrap, climb_on, maximise
from segmentation.clv._purchase_fit import MANY_ROWS, SAMPLE_ROWS, Engine
from segmentation.clv._rows import columns_of, read_weights, unique_rows
from segmentation.exceptions import CustomerTableError

__all__ = ["GammaGamma", "draw_spend"]

Floats = NDArray[np.float64]

# Limits of the logarithms; v is in units of the mean spend.
HIGH = np.array([7.0, 7.0, 18.0])
# Sums and squares of larger amounts would overflow.
LARGEST_AMOUNT = 1e100
STARTS = ((4.0, 4.0, 0.75), (1.0, 2.0, 1.0), (30.0, 10.0, 0.3), (0.5, 1.2, 0.5))
# A population mean this many times the observed one is the work of a tail that the data do not show.
ABSURD_MEAN = 2.0


class GammaGamma(MaximumLikelihoodModel):
    r"""Gamma-Gamma: purchases of a customer vary around a mean of their own, and means differ between customers.

    Amounts of one customer have the gamma distribution with shape p and a rate that has the gamma distribution with
    shape q and rate v across customers [1]_. They do not depend on how often somebody buys.

    Attributes
    ----------
    params_ : dict
        p, q, v; v in the unit of the money.
    population_spend_ : float
        Expected spend per purchase of a customer nothing is known of: p v / (q - 1), or the observed mean; see Notes.
    observed_spend_ : float
        Mean of the mean spends that were fitted.
    n_left_out_ : float
        Repeat customers without positive spend, left out of the fit.
    log_likelihood_, standard_errors_, covariance_, n_customers_, converged_, diagnosis_, aic_, bic_
        See `segmentation.clv`.

    Notes
    -----
    Where q <= 1 the population mean is infinite, and close above 1 it can be many times the observed one. Where it is
    more than twice that, the observed mean takes its place, and a customer's own mean keeps the weight p x / (p x + q)
    in place of p x / (p x + q - 1): the same model with q + 1 for q. The variance is infinite for q <= 2, which is
    said in ``diagnosis_``: totals of segments then hang on single customers.

    References
    ----------
    .. [1] Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value, http://brucehardie.com/notes/025/.

    Examples
    --------
    >>> from segmentation.clv import GammaGamma
    >>> model = GammaGamma.from_params(p=6.25, q=3.74, v=15.44)
    >>> model.expected_spend([2, 1, 0], [22.35, 11.77, 0]).round(2)
    array([24.66, 18.92, 35.22])
    """

    title = "Gamma-Gamma"
    parameters = ("p", "q", "v")

    _STATE = (*MaximumLikelihoodModel._STATE, "_fallback", "observed_spend_", "n_left_out_")

    def __init__(self) -> None:
        self._fallback: float | None = None

    def fit(self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit by maximum likelihood to customers with a repeat purchase and positive spend.

        Parameters
        ----------
        frequency : array of shape (n,)
            Repeat purchases, which `monetary_value` averages over; rows with 0 are ignored.
        monetary_value : array of shape (n,)
            Mean spend per repeat purchase; rows where it is 0 or negative are left out and counted.
        weights : array of shape (n,), optional
            How many customers each row stands for.

        Raises
        ------
        FitError
            If nobody has a repeat purchase of positive value.
        """
        return self._fit(frequency, monetary_value, weights, None)

    def _fit(
        self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None, engine: Engine | None
    ) -> Self:
        x, spend = _read_spend(frequency, monetary_value)
        given = read_weights(weights, len(x))
        refuse_spend(x[given > 0], spend[given > 0])
        usable = (x > 0) & (spend > 0) & (given > 0)
        self.n_left_out_ = float(given[(x > 0) & (given > 0)].sum() - given[usable].sum())
        rows, places, _ = unique_rows(x[usable], spend[usable])
        counts = np.asarray(np.bincount(places, given[usable], len(rows[0])), dtype=np.float64)
        n_customers = float(counts.sum())
        self.observed_spend_ = float(counts @ rows[1] / n_customers)
        unit = self.observed_spend_
        scaled = (rows[0], rows[1] / unit)
        optimum = maximise(
            _objective(scaled, counts),
            [np.log(start) for start in STARTS],
            -HIGH,
            HIGH,
            n_customers,
            _climb_on_sample(scaled, counts) if engine is None else _engine_climb(engine, scaled, counts),
        )
        resampled = None if optimum.sharp else _resample(scaled, counts, optimum.theta)
        params = np.exp(optimum.theta) * [1.0, 1.0, unit]
        # a density of mean spend per unit of money: log(unit) for each customer
        self._store(optimum, params.tolist(), optimum.value - n_customers * np.log(unit), n_customers)
        self._resampled = None if resampled is None else resampled + np.array([0.0, 0.0, np.log(unit)])
        model_mean = _model_mean(params)
        self._fallback = unit if model_mean > ABSURD_MEAN * unit else None
        self._findings = spend_findings(
            optimum, rows[0], rows[1], counts, self.n_left_out_, model_mean, self._fallback, float(params[1])
        )
        self.diagnosis_ = tuple(finding.text for finding in self._findings)
        return self

    @property
    def population_spend_(self) -> float:
        """Expected spend per purchase of a customer nothing is known of."""
        p, q, v = self._prior()
        return float(p * v / (q - 1.0)) if q > 1.0 else float("inf")

    def _prior(self, params: Any = None) -> tuple[float, float, float]:
        """Return p, q, v as predictions use them: with a finite mean wherever the model was fitted."""
        if params is None:
            p, q, v = self._values()
            return (p, q, v) if self._fallback is None else (p, q + 1.0, self._fallback * q / p)
        p, q, v = (float(value) for value in params)
        absurd = _model_mean(np.array([p, q, v])) > ABSURD_MEAN * self.observed_spend_
        return (p, q + 1.0, self.observed_spend_ * q / p) if absurd or self._fallback is not None else (p, q, v)

    def log_likelihood(
        self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None = None
    ) -> float:
        """Return the log-likelihood of mean spends at the parameters, over rows with a positive one."""
        x, spend = _read_spend(frequency, monetary_value)
        given = read_weights(weights, len(x))
        usable = (x > 0) & (spend > 0)
        return float(given[usable] @ _rows(self._values(), x[usable], spend[usable]))

    def expected_spend(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Floats:
        """Return the expected spend per purchase, equation (5) of [1]_, shape (n,).

        Parameters
        ----------
        frequency, monetary_value : arrays of shape (n,)
            `monetary_value` is ignored where `frequency` is 0; negative (refunds) counts as 0.
        """
        x, spend = _read_spend(frequency, monetary_value)
        p, q, _ = self._prior()
        population = self.population_spend_
        if not np.isfinite(population):
            raise ValueError(f"the expected spend is infinite for q <= 1 (q is {q:.3g}); fit to data, or use q > 1.")
        weight = p * x / (p * x + q - 1.0)
        return np.asarray(population + weight * (np.where(x > 0, np.maximum(spend, 0.0), population) - population))

    def simulate(self, frequency: ArrayLike, random_state: Any = None) -> Floats:
        """Simulate the mean spend over `frequency` repeat purchases of customers; 0 where there are none."""
        (x,) = columns_of(frequency)
        p, q, v = self._values()
        rng = generator(random_state)
        rate = np.maximum(rng.gamma(q, size=len(x)) / v, 1e-300)
        total = rng.gamma(p * np.maximum(x, 1.0)) / rate
        return np.where(x > 0, total / np.maximum(x, 1.0), 0.0)

    def simulate_spend(
        self, purchases: ArrayLike, frequency: ArrayLike, monetary_value: ArrayLike, random_state: Any = None
    ) -> Floats:
        """Draw what future purchases of customers with this history cost together, shape (n,).

        Parameters
        ----------
        purchases : array of shape (n,)
            Future purchases, for instance from ``simulate_purchases``.
        frequency, monetary_value : arrays of shape (n,)
            As for `expected_spend`.
        random_state : int, Generator or None
        """
        x, spend = _read_spend(frequency, monetary_value)
        future, _ = columns_of(purchases, x)
        if not np.all(np.isfinite(future)) or (future < 0).any():
            raise CustomerTableError("purchases must be numbers from 0 on, one per customer.")
        return draw_spend(self._prior(), future, x, np.maximum(spend, 0.0), generator(random_state))


def draw_spend(prior: Any, future: Floats, x: Floats, spend: Floats, rng: np.random.Generator) -> Floats:
    """Draw the sum of future purchases; only those who buy are drawn."""
    p, q, v = prior
    total = np.zeros(len(x))
    buys = np.flatnonzero(future > 0)
    known, mean = x[buys], spend[buys]
    rate = np.maximum(rng.gamma(q + p * known), 1e-300) / (v + known * mean)
    total[buys] = rng.gamma(p * future[buys]) / rate
    return total


def _read_spend(frequency: ArrayLike, monetary_value: ArrayLike) -> tuple[Floats, Floats]:
    x, spend = columns_of(frequency, monetary_value)
    wrong = ~np.isfinite(x) | (x < 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise CustomerTableError(
            f"frequency counts repeat purchases, a number from 0 on; {int(wrong.sum()):,} are not "
            f"(row {row}: {x[row]:g})."
        )
    spend = np.where(x > 0, spend, 0.0)
    large = np.abs(spend) > LARGEST_AMOUNT
    if large.any() and np.all(np.isfinite(spend)):
        row = int(np.flatnonzero(large)[0])
        raise CustomerTableError(
            f"monetary_value is beyond {LARGEST_AMOUNT:.0e} in {int(large.sum()):,} rows (row {row}: {spend[row]:g}): "
            "no money is. Check the unit."
        )
    wrong = ~np.isfinite(spend)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise CustomerTableError(
            f"monetary_value is missing or infinite although frequency is positive in {int(wrong.sum()):,} rows "
            f"(row {row}: {spend[row]:g}). Fill it in, or leave these customers out."
        )
    return x, spend


def _model_mean(params: Floats) -> float:
    p, q, v = (float(value) for value in params)
    return p * v / (q - 1.0) if q > 1.0 else float("inf")


def _rows(params: Any, x: Floats, spend: Floats) -> Floats:
    """Log-likelihood of mean spends, equation (1a) of [1]_."""
    p, q, v = params
    total, shape = x * spend, p * x
    return np.asarray(-betaln(shape, q) - q * np.log1p(total / v) - shape * np.log1p(v / total) - np.log(spend))


def _objective(data: tuple[Floats, Floats], weights: Floats) -> Objective:
    x, spend = data
    (x_values,), places, _ = unique_rows(x)
    n_x = np.bincount(places, weights, len(x_values))
    total = x * spend
    with np.errstate(divide="ignore"):  # amounts so far apart that the smallest vanish: no likelihood, so FitError
        log_spend = float(weights @ np.log(spend))

    def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
        p, q, v = np.exp(theta)
        shape = p * x_values
        over, under = weights * np.log1p(total / v), weights * x * np.log1p(v / total)
        value = -float(n_x @ betaln(shape, q)) - q * float(over.sum()) - p * float(under.sum()) - log_spend
        both = psi(shape + q)
        slope_p = -float(n_x @ (x_values * (psi(shape) - both))) - float(under.sum())
        slope_q = -float(n_x @ (psi(q) - both)) - float(over.sum())
        slope_v = float(weights @ ((q * total / v - p * x) / (v + total)))
        return value, np.array([p * slope_p, q * slope_q, v * slope_v])

    def hessian(theta: Floats) -> Floats:
        p, q, v = np.exp(theta)
        shape = p * x_values
        both = polygamma(1, shape + q)
        h = np.zeros((3, 3))
        h[0, 0] = -float(n_x @ (x_values**2 * (polygamma(1, shape) - both)))
        h[0, 1] = float(n_x @ (x_values * both))
        h[1, 1] = -float(n_x @ (polygamma(1, q) - both))
        h[0, 2] = -float(weights @ (x / (v + total)))
        h[1, 2] = float(weights @ (total / (v * (v + total))))
        h[2, 2] = float(weights @ (p * x / (v + total) ** 2 - q * total * (2 * v + total) / (v * (v + total)) ** 2))
        h += np.triu(h, 1).T
        scale = np.array([p, q, v])
        return h * np.outer(scale, scale) + np.diag(value_and_gradient(theta)[1])

    return Objective(value_and_gradient, hessian)


def _climb_on_sample(data: tuple[Floats, Floats], weights: Floats) -> Climb | None:
    """Let a sample of the rows find the neighbourhood of the maximum, where there are many."""
    if len(weights) <= MANY_ROWS:
        return None
    taken = np.linspace(0, len(weights) - 1, SAMPLE_ROWS).astype(np.int64)
    scaled = weights[taken] * (weights.sum() / weights[taken].sum())
    objective = _objective((data[0][taken], data[1][taken]), scaled)
    return climb_on(objective, -HIGH, HIGH, float(weights.sum()))


def _engine_climb(engine: Engine, data: tuple[Floats, Floats], weights: Floats) -> Climb:
    bounds = list(zip(-HIGH, HIGH, strict=True))
    return lambda start: (np.asarray(engine(GammaGamma.title, data, weights, start, bounds), np.float64), None)


def _resample(data: tuple[Floats, Floats], weights: Floats, theta: Floats) -> Floats:
    """Fit to resampled customers."""

    def objective_of(drawn: Floats) -> Objective:
        some = drawn > 0
        return _objective((data[0][some], data[1][some]), drawn[some])

    return bootstrap(objective_of, weights, theta, -HIGH, HIGH)
