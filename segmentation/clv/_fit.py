"""Fitting: several starts, an engine, and a judgement of the result by our own likelihood.

The engine proposes parameters. They are then improved on our likelihood until the improvement still to be had is
negligible against the sampling error of the data, which is what "converged" means here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from segmentation.clv._formulas import PURCHASE_MODELS, spend_log_likelihood
from segmentation.exceptions import FitError

__all__ = ["Fit", "fit_purchases", "fit_spend"]

Floats = NDArray[np.float64]
Engine = Callable[..., tuple[float, ...]]

# Shape parameters beyond e^7 = 1,097 (or below its inverse) stand for infinity (or zero): all customers alike
# to within 3 %, or nobody of a kind. In units of the longest history, alpha = r / (mean rate) may lie anywhere
# that rates do; beta beyond e^9 means that leaving takes more than a thousand histories.
SHAPE_BOUND = 7.0
BOUNDS = {"alpha": 18.0, "beta": 9.0, "v": 18.0}
# Log-likelihood still to be gained below which a fit counts as converged. A whole standard error is 0.5.
NEGLIGIBLE_GAIN = 1e-6
# Where rounding keeps that estimate up, it is enough if optimising anew gains nothing and the estimate is this low.
SMALL_GAIN = 1e-2
# Standard error of the logarithm of a parameter above which the data say nothing about it: a factor of 20.
UNDETERMINED = 3.0
# Steps of the numerical gradient in the logarithm of a parameter; the error of a central difference is step^2.
STEP = 1e-4
ROUNDS = 4
# What a likelihood that cannot be computed counts as.
HOPELESS = 1e100
# Two starts whose log-likelihoods agree to this have found the same maximum, or the same flat ridge.
SAME_MAXIMUM = 1e-3


@dataclass(frozen=True)
class Fit:
    """What a fit found.

    Attributes
    ----------
    params : tuple of float
        In the order and with the time or money unit of the data.
    log_likelihood : float
        Our formula, summed over customers, in the unit of the data.
    converged : bool
        Whether the log-likelihood still to be gained is negligible.
    at_bound : tuple of bool
        Which parameters ran to a limit, standing for zero or infinity.
    towards_infinity : tuple of bool
        Whether that limit, if any, stands for infinity rather than zero.
    undetermined : tuple of bool
        About which parameters the data say next to nothing: any value within a factor of 20 is as good.
    """

    params: tuple[float, ...]
    log_likelihood: float
    converged: bool
    at_bound: tuple[bool, ...]
    towards_infinity: tuple[bool, ...]
    undetermined: tuple[bool, ...]


def fit_purchases(model: str, histories: Sequence[Floats], weights: NDArray[np.int64], engine: Engine) -> Fit:
    """Fit a purchase model to unique histories (x, t_x, T) with weights; neither T nor x may be all zero.

    Times are scaled so that the longest history is 1: the numbers are then the same whatever the unit was.
    """
    functions = PURCHASE_MODELS[model]
    x, t_x, T = histories
    longest = float(T.max())
    data = (x, t_x / longest, T / longest)
    rate = float(weights @ x / (weights @ data[2]))
    bounds = _bounds(functions.parameters)
    scaled = _maximise(
        lambda p: functions.log_likelihood(p, *data),
        weights,
        _purchase_starts(model, rate),
        bounds,
        lambda start: engine(model, data, weights, start, bounds),
    )
    params = functions.rescale(scaled.params, longest)
    total = float(weights @ functions.log_likelihood(params, x, t_x, T))
    return replace(scaled, params=params, log_likelihood=total)


def fit_spend(spends: Sequence[Floats], weights: NDArray[np.int64], engine: Engine) -> Fit:
    """Fit the Gamma-Gamma model to unique (x > 0, mean spend > 0) with weights; money is scaled to mean 1."""
    x, mean_spend = spends
    unit = float(weights @ mean_spend / weights.sum())
    data = (x, mean_spend / unit)
    bounds = _bounds(("p", "q", "v"))
    scaled = _maximise(
        lambda p: spend_log_likelihood(p, *data),
        weights,
        [(4.0, 4.0, 0.75), (1.0, 2.0, 1.0), (30.0, 10.0, 0.3), (0.5, 1.2, 0.5)],
        bounds,
        lambda start: engine("gamma_gamma", data, weights, start, bounds),
    )
    p, q, v = scaled.params
    params = (p, q, v * unit)
    total = float(weights @ spend_log_likelihood(params, x, mean_spend))
    return replace(scaled, params=params, log_likelihood=total)


def _bounds(names: Sequence[str]) -> list[tuple[float, float]]:
    """Return the limits of the logarithms of the parameters."""
    return [(-bound, bound) for bound in (BOUNDS.get(name, SHAPE_BOUND) for name in names)]


def _purchase_starts(model: str, rate: float) -> list[tuple[float, ...]]:
    """Return starts around the overall purchase rate: ordinary, few leave, buyers alike, most leave at once."""
    if model == "pareto_nbd":
        shapes = [(0.5, 0.5, 0.5), (1.0, 0.1, 1.0), (5.0, 0.5, 1.0), (0.5, 2.0, 0.2)]
        return [(r, r / (1.5 * rate), s, beta) for r, s, beta in shapes]
    shapes = [(0.5, 0.7, 2.0), (1.0, 0.1, 2.0), (5.0, 0.5, 2.0), (0.5, 2.0, 1.0)]
    return [(r, r / (1.5 * rate), a, b) for r, a, b in shapes]


def _maximise(
    log_likelihood: Callable[[Sequence[float]], Floats],
    weights: NDArray[np.int64],
    starts: Sequence[Sequence[float]],
    bounds: Sequence[tuple[float, float]],
    propose: Callable[[Floats], tuple[float, ...]],
) -> Fit:
    """Take further starts until one ends converged inside the bounds, or two agree; keep the best."""
    low, high = np.array(bounds).T
    fits: list[Fit] = []
    for start in starts:
        proposed = np.asarray(propose(np.log(start)), dtype=np.float64)
        if not np.all(np.isfinite(proposed)):
            proposed = np.log(start)
        fit = _refine(log_likelihood, weights, proposed, low, high)
        agree = any(abs(fit.log_likelihood - other.log_likelihood) < SAME_MAXIMUM for other in fits)
        fits.append(fit)
        if fit.converged and (agree or not any(fit.at_bound)):
            break
    best = max(fits, key=lambda fit: fit.log_likelihood)
    if best.log_likelihood <= -HOPELESS:
        raise FitError(
            "the likelihood of these data cannot be computed at any start of the optimiser. Likely cause: values "
            "far beyond what customers do, such as times or amounts above 1e100; check the largest ones."
        )
    return best


def _refine(
    log_likelihood: Callable[[Sequence[float]], Floats],
    weights: NDArray[np.int64],
    log_params: Floats,
    low: Floats,
    high: Floats,
) -> Fit:
    """Improve `log_params` on our likelihood until nothing worth having is left, and judge the result."""
    n_customers = float(weights.sum())
    # differences below a hundredth of the negligible gain are rounding of the numerical gradient
    enough = NEGLIGIBLE_GAIN / 100 / n_customers

    def rows(theta: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return log_likelihood([float(v) for v in np.exp(theta)])

    def objective(theta: Floats) -> tuple[float, Floats]:
        value, slopes = float(weights @ rows(theta)), _slopes(rows, theta)
        if not (np.isfinite(value) and np.all(np.isfinite(slopes))):
            return HOPELESS, np.zeros_like(theta)
        return -value / n_customers, -(weights @ slopes) / n_customers

    theta = np.clip(log_params, low, high)
    state = _State.at(rows, weights, theta, low, high)
    for _ in range(ROUNDS):
        if state.gain_left < NEGLIGIBLE_GAIN:
            break
        found = minimize(
            objective,
            theta,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"ftol": enough, "gtol": 1e-9, "maxiter": 200},
        )
        theta, before = np.clip(found.x, low, high), state.log_likelihood
        state = _State.at(rows, weights, theta, low, high)
        if state.log_likelihood - before < NEGLIGIBLE_GAIN:
            state = replace(state, stalled=True)
            break
    return Fit(
        params=tuple(float(v) for v in np.exp(theta)),
        log_likelihood=state.log_likelihood,
        converged=state.gain_left < (SMALL_GAIN if state.stalled else NEGLIGIBLE_GAIN),
        at_bound=tuple(bool(v) for v in _at_low(theta, low) | _at_high(theta, high)),
        towards_infinity=tuple(bool(v) for v in _at_high(theta, high)),
        undetermined=tuple(bool(v) for v in state.standard_errors > UNDETERMINED),
    )


def _at_low(theta: Floats, low: Floats) -> NDArray[np.bool_]:
    return np.asarray(theta <= low + 1e-6)


def _at_high(theta: Floats, high: Floats) -> NDArray[np.bool_]:
    return np.asarray(theta >= high - 1e-6)


def _slopes(rows: Callable[[Floats], Floats], theta: Floats) -> Floats:
    """Return the gradient of each row's log-likelihood, by central differences, shape (n_rows, n_params)."""
    steps = STEP * np.eye(len(theta))
    return np.column_stack([(rows(theta + step) - rows(theta - step)) / (2 * STEP) for step in steps])


@dataclass(frozen=True)
class _State:
    """Where an optimiser stands: the likelihood, what is left to gain, and how sharply the data speak."""

    log_likelihood: float
    gain_left: float
    standard_errors: Floats
    stalled: bool = False

    @classmethod
    def at(
        cls,
        rows: Callable[[Floats], Floats],
        weights: NDArray[np.int64],
        theta: Floats,
        low: Floats,
        high: Floats,
    ) -> _State:
        """Judge the point `theta`.

        The information J is estimated by the outer product of the customers' own gradients. What is left to gain
        is g' J^-1 g / 2; with few customers J is too small, so it is also limited to the gain of moving every
        parameter by a factor e along the slope. A parameter at its bound whose slope points outwards is not
        free to move, and has nothing to gain.
        """
        value, slopes = float(weights @ rows(theta)), _slopes(rows, theta)
        gradient = weights @ slopes
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            return cls(value if np.isfinite(value) else -HOPELESS, np.inf, np.full(len(theta), np.inf))
        information = (slopes * weights[:, None]).T @ slopes
        # a little is added to the diagonal, so that a flat likelihood gives a large standard error, not a failure
        errors = np.sqrt(np.diag(np.linalg.inv(information + 1e-3 * np.eye(len(theta)))))
        free = ~((_at_low(theta, low) & (gradient < 0)) | (_at_high(theta, high) & (gradient > 0)))
        pull = gradient[free]
        # the pseudo-inverse drops directions in which the likelihood is flat: there is nothing to gain in them
        newton = pull @ np.linalg.pinv(information[np.ix_(free, free)], rcond=1e-12) @ pull / 2
        return cls(value, min(float(newton), float(np.abs(pull).sum())), errors)
