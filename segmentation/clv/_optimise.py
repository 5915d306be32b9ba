"""Maximum likelihood: climb, then Newton steps, then a judgement of how good the point is and how sharp.

Everything is in logarithms of the parameters (coefficients of covariates as they are). "Converged" is relative to
what matters: the log-likelihood that is still to be gained, beside a standard error, which is worth 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.exceptions import FitError

__all__ = ["Climb", "Objective", "Optimum", "bootstrap", "climb_on", "maximise"]

Floats = NDArray[np.float64]
# (start) -> theta near the maximum, and the negative Hessian there if it is known roughly
Climb = Callable[[Floats], tuple[Floats, Floats | None]]

# Log-likelihood still to be gained below which a fit counts as converged; a standard error is worth 0.5.
NEGLIGIBLE_GAIN = 1e-6
# Newton steps are tried until this is left, and one more is taken.
LAST_GAIN = 1e-9
# A step that is not tried is at most this long.
LAST_STEP = 1e-3
# Beside a large log-likelihood its own rounding is larger than that.
ROUNDING = 1e-13
# Where rounding stops all progress, it is enough if no more than this seems left.
SMALL_GAIN = 1e-2
# Two starts whose log-likelihoods agree to this have found the same maximum, or the same flat ridge.
SAME_MAXIMUM = 1e-3
# Standard error of the logarithm of a parameter above which the data say nothing about it: a factor of 20.
UNDETERMINED = 3.0
# Parameters are limited to about e^-7 ... e^7, so a standard error of a logarithm is never worth more than 7.
LARGEST_STANDARD_ERROR = 7.0
# A maximum is sharp where no direction has a standard error (of a logarithm) above this.
SHARP = 1.0
NEWTON_STEPS = 25
# A Newton step moves no logarithm by more than this.
LONGEST_STEP = 2.0
# A Hessian is computed anew once a step has gained more than this, or has left more than this share of what was to
# be gained.
STALE_GAIN, STALE_SHARE = 1e-2, 0.2
# A parameter this close to its limit stands at it.
AT_LIMIT = 1e-9
# Step of the differences of the gradient that give the Hessian; their error is about its square.
STEP = 1e-4
# Resamples of a bootstrap; rows times resamples are limited.
RESAMPLES, RESAMPLED_ROWS = 50, 200_000
# What a likelihood that cannot be computed counts as.
HOPELESS = 1e100


@dataclass(frozen=True)
class Objective:
    """A log-likelihood, summed over customers.

    Attributes
    ----------
    value_and_gradient : callable (theta) -> (float, ndarray of shape (n_params,))
    hessian : callable (theta) -> ndarray of shape (n_params, n_params), optional
        By default differences of the gradient.
    """

    value_and_gradient: Callable[[Floats], tuple[float, Floats]]
    hessian: Callable[[Floats], Floats] | None = None

    def at(self, theta: Floats) -> tuple[float, Floats]:
        """Return value and gradient; where they cannot be computed, a hopeless value and no slope."""
        with np.errstate(all="ignore"):
            value, gradient = self.value_and_gradient(theta)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            return float(value), gradient
        return -HOPELESS, np.zeros_like(theta)

    def information_at(self, theta: Floats) -> Floats:
        """Return the negative Hessian, symmetric; zeros where it cannot be computed."""
        with np.errstate(all="ignore"):
            if self.hessian is not None:
                matrix = self.hessian(theta)
            else:
                steps = STEP * np.eye(len(theta))
                matrix = np.array([self.at(theta + h)[1] - self.at(theta - h)[1] for h in steps]) / (2 * STEP)
        matrix = np.where(np.isfinite(matrix), matrix, 0.0)
        return np.asarray(-(matrix + matrix.T) / 2, dtype=np.float64)


@dataclass(frozen=True)
class Optimum:
    """Where the likelihood is largest, and what is known about that point.

    Attributes
    ----------
    theta : ndarray of shape (n_params,)
        Logarithms of the parameters, then coefficients.
    value : float
        Log-likelihood (penalty included) there.
    information : ndarray of shape (n_params, n_params)
        The negative Hessian there.
    covariance : ndarray of shape (n_params, n_params)
        Of `theta`, from the Hessian; always finite: a flat direction gets a large variance.
    converged : bool
        Whether the log-likelihood still to be gained is negligible.
    sharp : bool
        Whether the Hessian is clearly negative definite and no parameter at a limit, so that the normal
        approximation behind `covariance` makes sense.
    at_bound, towards_infinity, undetermined : ndarray of shape (n_params,), bool
        Which parameters ran to a limit; whether to the upper one; about which the data say next to nothing.
    """

    theta: Floats
    value: float
    information: Floats
    covariance: Floats
    converged: bool
    sharp: bool
    at_bound: NDArray[np.bool_]
    towards_infinity: NDArray[np.bool_]
    undetermined: NDArray[np.bool_]


def maximise(
    objective: Objective,
    starts: Sequence[Floats],
    low: Floats,
    high: Floats,
    n_customers: float,
    climb: Climb | None = None,
    n_always: int = 1,
) -> Optimum:
    """Maximise a log-likelihood within limits.

    Parameters
    ----------
    objective : Objective
    starts : sequence of ndarray of shape (n_params,)
        After the first `n_always`, further ones are tried only where the one before did not converge, or to no sharp
        maximum, and no two agree.
    low, high : ndarray of shape (n_params,)
        Limits of theta.
    n_customers : float
        Scales the objective, so that tolerances are those of one customer.
    climb : callable (start) -> (theta, information or None), optional
        Takes a start to the neighbourhood of the maximum, and may know the negative Hessian there well enough for a
        first step. By default L-BFGS-B.
    n_always : int, default=1
        How many starts are always tried, because the likelihood may have several sharp maxima.

    Raises
    ------
    FitError
        If the likelihood cannot be computed at any start.
    """
    found: list[Optimum] = []
    for start in starts:
        begin = np.clip(start, low, high)
        near, information = _climb(objective, begin, low, high, n_customers) if climb is None else climb(begin)
        near = np.where(np.isfinite(near), near, begin)
        optimum = _polish(objective, np.clip(near, low, high), low, high, information)
        agree = any(abs(optimum.value - other.value) < SAME_MAXIMUM for other in found)
        agree = agree and optimum.value > -HOPELESS
        found.append(optimum)
        if len(found) >= n_always and optimum.converged and (optimum.sharp or agree):
            break
    best = max(found, key=lambda one: one.value)
    if best.value <= -HOPELESS:
        raise FitError(
            "the likelihood of these data cannot be computed at any start of the optimiser. Likely cause: values "
            "far beyond what customers do, such as times or amounts above 1e100; check the largest ones."
        )
    return best


def climb_on(
    objective: Objective, low: Floats, high: Floats, n_customers: float, others: Sequence[Floats] = ()
) -> Climb:
    """Let another objective, that of a sample, find the neighbourhood of the maximum, from other starts too."""

    def climb(start: Floats) -> tuple[Floats, Floats | None]:
        near = maximise(objective, [start, *others], low, high, n_customers, n_always=1 + len(others))
        return near.theta, near.information

    return climb


def bootstrap(
    objective_of: Callable[[Floats], Objective | None],
    weights: Floats,
    theta: Floats,
    low: Floats,
    high: Floats,
) -> Floats:
    """Fit to resampled customers, for the spread of parameters whose likelihood is no parabola.

    Parameters
    ----------
    objective_of : callable (weights) -> Objective, or None where such customers say nothing
    weights : ndarray of shape (n_rows,)
        How many customers each row stands for.
    theta, low, high : ndarray of shape (n_params,)
        Where to start, and the limits.

    Returns
    -------
    ndarray of shape (n_resamples, n_params)
        At least one row; resamples without an objective are left out.
    """
    rng = np.random.default_rng(0)
    n_customers = max(1, round(float(weights.sum())))
    found = []
    for _ in range(int(np.clip(RESAMPLED_ROWS // len(weights), 10, RESAMPLES))):
        drawn = rng.multinomial(n_customers, weights / weights.sum()).astype(np.float64)
        objective = objective_of(drawn)
        if objective is not None:
            # the maximum is near: Newton's method finds it without a climb, nearly always
            near = maximise(objective, [theta], low, high, n_customers, lambda start: (start, None))
            found.append((near if near.converged else maximise(objective, [theta], low, high, n_customers)).theta)
    return np.array(found) if found else theta[None, :]


def _climb(
    objective: Objective, start: Floats, low: Floats, high: Floats, n_customers: float
) -> tuple[Floats, Floats | None]:
    from scipy.optimize import minimize  # a slow import, needed in fit only

    def downhill(theta: Floats) -> tuple[float, Floats]:
        value, gradient = objective.at(theta)
        return -value / n_customers, -gradient / n_customers

    result = minimize(
        downhill,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"ftol": 1e-9, "gtol": 1e-5, "maxiter": 200, "maxfun": 400},
    )
    return np.asarray(result.x, dtype=np.float64), None


def _polish(
    objective: Objective, theta: Floats, low: Floats, high: Floats, rough_information: Floats | None = None
) -> Optimum:
    """Take Newton steps until nothing worth having is left, and judge the point."""
    value, gradient = objective.at(theta)
    rough = rough_information is not None
    information = objective.information_at(theta) if rough_information is None else rough_information
    enough, last = (max(one, ROUNDING * abs(value)) for one in (NEGLIGIBLE_GAIN, LAST_GAIN))
    step, gain, stalled, fresh = np.zeros_like(theta), np.inf, False, not rough
    for _ in range(NEWTON_STEPS):
        before = gain
        step, gain = _newton(theta, gradient, information, low, high)
        if not fresh and gain > max(enough, STALE_SHARE * before):
            information, fresh, rough = objective.information_at(theta), True, False
            step, gain = _newton(theta, gradient, information, low, high)
        if gain < last or stalled:
            if not rough:
                break
            information, fresh, rough = objective.information_at(theta), True, False
            continue
        moved = False
        for shrink in (1.0, 0.3, 0.1, 0.01):
            candidate = np.clip(theta + shrink * step, low, high)
            new_value, new_gradient = objective.at(candidate)
            if new_value > value:
                moved = True
                break
        if not moved:
            if fresh:
                stalled = True
                continue
            information, fresh, rough = objective.information_at(theta), True, False
            continue
        gained = new_value - value
        theta, value, gradient, fresh = candidate, new_value, new_gradient, False
        if gained > STALE_GAIN:
            information, fresh, rough = objective.information_at(theta), True, False
    if gain < last and float(np.abs(step).max()) < LAST_STEP:
        # the last step costs nothing and squares the error, so that no version of an optimiser shows in the digits
        theta = np.clip(theta + step, low, high)
    return _judge(theta, value, information, gain < (SMALL_GAIN if stalled else enough), low, high)


def _newton(theta: Floats, gradient: Floats, information: Floats, low: Floats, high: Floats) -> tuple[Floats, float]:
    """Return a step uphill within the limits, and the log-likelihood that is still to be gained.

    A parameter at its limit whose slope points outwards is not free to move, and has nothing to gain.
    """
    at_low, at_high = theta <= low + AT_LIMIT, theta >= high - AT_LIMIT
    free = ~((at_low & (gradient < 0)) | (at_high & (gradient > 0)))
    step = np.zeros_like(theta)
    while free.any():
        values, vectors = np.linalg.eigh(information[np.ix_(free, free)])
        # a saddle or a flat direction is walked along its slope; nothing is to be gained where there is no slope
        floor = max(1e-12 * float(np.abs(values).max()), 1e-8)
        along = vectors.T @ gradient[free]
        step[:] = 0.0
        step[free] = vectors @ (along / np.maximum(np.abs(values), floor))
        # others may push a parameter beyond the limit it stands at: without it, they find their own way
        outwards = (at_low & (step < 0)) | (at_high & (step > 0))
        if not outwards.any():
            break
        free &= ~outwards
    if not free.any():
        return np.zeros_like(theta), 0.0
    # in nearly flat directions the quadratic form is no guide: a factor e along the slope is the most
    gain = min(float(gradient @ step) / 2, float(np.abs(gradient[free]).sum()))
    # the step ends where the first parameter comes to its limit: cut off there alone, it would leave the ridge
    moving = np.abs(step) > 1e-300
    room = np.where(step > 0, high - theta, theta - low)[moving] / np.abs(step[moving])
    longest = float(np.abs(step).max())
    return step * min([1.0, LONGEST_STEP / longest, *room]) if longest > 0 else step, gain


def _judge(theta: Floats, value: float, information: Floats, converged: bool, low: Floats, high: Floats) -> Optimum:
    at_low, at_high = theta <= low + 1e-6, theta >= high - 1e-6
    at_bound = at_low | at_high
    values, vectors = np.linalg.eigh(information)
    weakest = 1.0 / LARGEST_STANDARD_ERROR**2
    covariance = (vectors / (np.maximum(values, 0.0) + weakest)) @ vectors.T
    errors = np.sqrt(np.diag(covariance))
    return Optimum(
        theta=theta,
        value=value,
        information=information,
        covariance=covariance,
        converged=bool(converged),
        sharp=bool(not at_bound.any() and values.min() > 1.0 / SHARP**2),
        at_bound=at_bound,
        towards_infinity=at_high,
        undetermined=errors > UNDETERMINED,
    )
