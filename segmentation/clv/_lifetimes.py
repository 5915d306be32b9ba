"""The fence around `lifetimes`, the only module that imports it.

lifetimes 0.11.3 is no longer maintained: importing it sets a global pandas option, puts an "ignore" filter on
every FutureWarning, and warns on current pandas; its ``fit`` inverts a Hessian that may be singular, starts the
Pareto/NBD from ``numpy.random``, prints when it fails, and leaves fitters that cannot be pickled. Inside the
fence it supplies what it is good at, its likelihoods with their gradients by automatic differentiation; the
optimiser, its starts and its tolerances are ours, and only plain floats come out. The native engine needs none of
it; it stays for those who must match old results, and as an oracle in the tests.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["fit_with_lifetimes"]

Floats = NDArray[np.float64]

# What an objective that cannot be computed counts as: worse than any that can.
HOPELESS = 1e100


@contextmanager
def _fenced() -> Iterator[None]:
    """Keep warnings, warning filters and the pandas option as they were before."""
    import pandas as pd

    option = "mode.chained_assignment"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            before = pd.get_option(option)
        except (KeyError, AttributeError):  # a pandas without that option has nothing to restore
            before = None
        try:
            yield
        finally:
            if before is not None:
                pd.set_option(option, before)


def _objective(model: str) -> tuple[Callable[..., Any], bool]:
    """Return lifetimes' negative log-likelihood of `model`, and whether it comes with its gradient."""
    import lifetimes
    from autograd import value_and_grad

    fitters = {
        "BG/NBD": lifetimes.BetaGeoFitter,
        "MBG/NBD": lifetimes.ModifiedBetaGeoFitter,
        "Pareto/NBD": lifetimes.ParetoNBDFitter,
        "Gamma-Gamma": lifetimes.GammaGammaFitter,
    }
    likelihood = fitters[model]._negative_log_likelihood
    if model == "Pareto/NBD":  # written in plain numpy, and in the parameters themselves
        return lambda log_params, *data: likelihood(np.exp(log_params), *data), False
    return value_and_grad(likelihood), True


def fit_with_lifetimes(
    model: str,
    data: Sequence[NDArray[Any]],
    weights: Floats,
    start: Sequence[float],
    bounds: Sequence[tuple[float, float]],
) -> tuple[float, ...]:
    """Maximise lifetimes' likelihood from one start.

    Parameters
    ----------
    model : {"BG/NBD", "MBG/NBD", "Pareto/NBD", "Gamma-Gamma"}
    data : sequence of arrays of shape (n_rows,)
        (x, t_x, T) with the largest T scaled to 1, or (x, mean spend).
    weights : ndarray of shape (n_rows,)
        How many customers each row stands for.
    start : sequence of float
        Logarithms of the parameters to start from.
    bounds : sequence of (low, high)
        Limits of these logarithms.

    Returns
    -------
    tuple of float
        Logarithms of the parameters where the optimiser stopped. It may have stopped short; the caller judges
        by the likelihood.
    """
    with _fenced():
        objective, has_gradient = _objective(model)
        scale = 1.0 if has_gradient else len(weights)  # Pareto/NBD: a sum over rows, divided by the mean weight
        arguments = (*data, weights, 0.0)

        def guarded(log_params: Floats) -> Any:
            if not has_gradient:
                value = objective(log_params, *arguments) / scale
                return value if np.isfinite(value) else HOPELESS
            value, gradient = objective(log_params, *arguments)
            if np.isfinite(value) and np.all(np.isfinite(gradient)):
                return value, gradient
            return HOPELESS, np.zeros_like(log_params)

        found = minimize(
            guarded,
            np.asarray(start, dtype=np.float64),
            jac=has_gradient or None,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 500, "maxfun": 800},
        )
    return tuple(float(value) for value in found.x)
