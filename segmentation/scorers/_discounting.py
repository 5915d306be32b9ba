"""Purchases within a horizon, as they are and discounted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

__all__ = ["DAYS_PER_YEAR", "check_infinite_horizon", "discounted_purchases"]

Floats = NDArray[np.float64]

DAYS_PER_YEAR = 365.0
DISCOUNT_STEP_DAYS = 7.0
# The expected purchases are a smooth curve on the logarithm of time: so many points of it give all weeks to 1e-8.
CURVE_POINTS = 18


def check_infinite_horizon(model: Any, annual_discount_rate: float) -> None:
    """Refuse an unlimited horizon where the sum over it need not be finite, or has no closed form."""
    if not hasattr(model, "_discounted_if_alive"):
        raise ValueError(
            f"horizon_days=inf is for purchase_model='pareto_nbd': the {model.title} has no closed form for it. "
            "Use a long finite horizon, or the Pareto/NBD."
        )
    if annual_discount_rate <= 0:
        raise ValueError(
            "horizon_days=inf needs an annual_discount_rate above 0: without discounting the purchases of an unlimited "
            "horizon need not be finite."
        )


def discounted_purchases(
    model: Any, params: Sequence[Any], horizon: float, annual_rate: float, *history: Floats
) -> tuple[Floats, Floats]:
    """Return the purchases of active customers within the horizon, as they are and discounted.

    With an unlimited horizon both are the discounted ones, which alone are always finite. The two are the same
    object where nothing is discounted.

    Notes
    -----
    Discounted: the sum over weeks i of (purchases expected in week i) * (1 + annual rate)^(-m_i / 365), m_i the middle
    of the week in days. Long horizons have many weeks, so their curve is interpolated by a polynomial on the
    logarithm of time.
    """
    if math.isinf(horizon):
        total = model._discounted_if_alive(params, math.log1p(annual_rate) / DAYS_PER_YEAR, *history)
        return total, total
    total = model._purchases_if_alive(params, horizon, *history)
    if annual_rate == 0:
        return total, total
    ends = np.append(np.arange(DISCOUNT_STEP_DAYS, horizon, DISCOUNT_STEP_DAYS), horizon)
    middles = (np.append(0.0, ends[:-1]) + ends) / 2
    factors = (1.0 + annual_rate) ** (-middles / DAYS_PER_YEAR)
    # sum of (M_i - M_(i-1)) d_i, by parts: M_n d_n - sum of M_i (d_(i+1) - d_i)
    discounted = total * factors[-1]
    weights = factors[:-1] - factors[1:]
    if len(weights) <= CURVE_POINTS:
        for end, weight in zip(ends[:-1], weights, strict=True):
            discounted = discounted + weight * model._purchases_if_alive(params, float(end), *history)
        return total, discounted
    scale = _scale(model, params, history)
    reach = math.log1p(horizon / scale)
    points = (chebyshev.chebpts1(CURVE_POINTS) + 1) / 2 * reach
    weeks = np.log1p(ends[:-1] / scale) / reach * 2 - 1
    # what each point of the curve counts for in the weighted sum over weeks
    basis = chebyshev.chebvander(weeks, CURVE_POINTS - 1)
    inverse = np.linalg.inv(chebyshev.chebvander(chebyshev.chebpts1(CURVE_POINTS), CURVE_POINTS - 1))
    for point, weight in zip(points, weights @ basis @ inverse, strict=True):
        discounted = discounted + weight * model._purchases_if_alive(params, scale * math.expm1(point), *history)
    return total, discounted


def _scale(model: Any, params: Sequence[Any], history: Sequence[Floats]) -> float:
    """Return the shortest time on which a customer's curve bends: the parameters that are times, plus T."""
    times = [np.min(value + history[2]) for value, timed in zip(params, model.in_time, strict=False) if timed]
    return max(float(np.min(times)), 1e-6) if times else 1.0
