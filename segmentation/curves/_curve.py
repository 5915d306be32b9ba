"""The families of response curves: what effort brings, above what comes without any."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from segmentation._format import name_some
from segmentation.curves._base import ResponseCurve

__all__ = [
    "FAMILIES",
    "ExponentialCurve",
    "HillCurve",
    "LinearCurve",
    "LogCurve",
    "PowerCurve",
    "ResponseCurve",
    "curve_from_dict",
]

Array = NDArray[np.float64]
NEWTON_STEPS = 100


def _never_below(slope: Array, effort: Array) -> Array:
    """Every slope is at least 0 and those below it, however large the effort."""
    return np.where(slope <= 0, np.inf, effort)


@dataclass(frozen=True, eq=False, repr=False)
class ExponentialCurve(ResponseCurve):
    """Exponential saturation: ``top * (1 - exp(-rate * effort))``.

    Parameters
    ----------
    top : float
        What the most effort brings, 0 or more.
    rate : float
        How fast it gets there, per unit of effort, above 0: half of the top is reached at ``log(2) / rate``.

    Examples
    --------
    >>> curve = ExponentialCurve(top=100.0, rate=0.5)
    >>> curve.value([0.0, 2.0]).round(2)
    array([ 0.  , 63.21])
    >>> round(curve.effort_at(10.0), 3), curve.effort_at(60.0)
    (np.float64(3.219), np.float64(0.0))
    """

    top: float
    rate: float

    parameter_names = ("top", "rate")
    family = "exponential"
    _positive = frozenset({"rate"})

    @staticmethod
    def _value(params: Array, effort: Array) -> Array:
        return np.asarray(-params[..., 0] * np.expm1(-params[..., 1] * effort))

    @staticmethod
    def _slope(params: Array, effort: Array) -> Array:
        top, rate = params[..., 0], params[..., 1]
        return np.asarray(top * rate * np.exp(-rate * effort))

    @staticmethod
    def _effort_at(params: Array, slope: Array) -> Array:
        top, rate = params[..., 0], params[..., 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            # the quotient of the two could be too large for a float
            effort = np.maximum((np.log(top * rate) - np.log(slope)) / rate, 0.0)
        return _never_below(slope, effort)

    @staticmethod
    def _rescaled(params: Array, outcome: float, effort: float) -> Array:
        return np.asarray(params * np.array([outcome, 1 / effort]))


@dataclass(frozen=True, eq=False, repr=False)
class LogCurve(ResponseCurve):
    """Logarithmic returns without a top: ``scale * log(1 + rate * effort)``.

    Parameters
    ----------
    scale : float
        Money per factor e of effort once the effort is large, 0 or more.
    rate : float
        Per unit of effort, above 0.

    Examples
    --------
    >>> LogCurve(scale=10.0, rate=2.0).slope([0.0, 4.5])
    array([20.,  2.])
    """

    scale: float
    rate: float

    parameter_names = ("scale", "rate")
    family = "log"
    _positive = frozenset({"rate"})

    @staticmethod
    def _value(params: Array, effort: Array) -> Array:
        return np.asarray(params[..., 0] * np.log1p(params[..., 1] * effort))

    @staticmethod
    def _slope(params: Array, effort: Array) -> Array:
        scale, rate = params[..., 0], params[..., 1]
        return np.asarray(scale * rate / (1.0 + rate * effort))

    @staticmethod
    def _effort_at(params: Array, slope: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            effort = np.maximum(params[..., 0] / slope - 1.0 / params[..., 1], 0.0)
        return _never_below(slope, effort)

    @staticmethod
    def _rescaled(params: Array, outcome: float, effort: float) -> Array:
        return np.asarray(params * np.array([outcome, 1 / effort]))


@dataclass(frozen=True, eq=False, repr=False)
class PowerCurve(ResponseCurve):
    """Constant elasticity: ``scale * effort ** exponent``; its first unit of effort is worth infinitely much.

    Parameters
    ----------
    scale : float
        What one unit of effort brings, 0 or more.
    exponent : float
        Above 0, at most 1: 1 % more effort brings so many percent more.

    Examples
    --------
    >>> PowerCurve(scale=10.0, exponent=0.5).effort_at(1.0)
    np.float64(25.0)
    """

    scale: float
    exponent: float

    parameter_names = ("scale", "exponent")
    family = "power"
    _positive = frozenset({"exponent"})

    @classmethod
    def _limits(cls, name: str) -> str:
        return "above 0 and at most 1" if name == "exponent" else super()._limits(name)

    @classmethod
    def _allowed(cls, name: str, values: Array) -> NDArray[np.bool_]:
        allowed = super()._allowed(name, values)
        return allowed & (values <= 1) if name == "exponent" else allowed

    @staticmethod
    def _value(params: Array, effort: Array) -> Array:
        return np.asarray(params[..., 0] * effort ** params[..., 1])

    @staticmethod
    def _slope(params: Array, effort: Array) -> Array:
        scale, exponent = params[..., 0], params[..., 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = scale * exponent * np.asarray(effort, dtype=np.float64) ** (exponent - 1.0)
        return np.where(scale == 0, 0.0, slope)

    @staticmethod
    def _effort_at(params: Array, slope: Array) -> Array:
        scale, exponent = params[..., 0], params[..., 1]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            curved = (scale * exponent / slope) ** (1.0 / (1.0 - exponent))
        straight = np.where(slope <= scale, np.inf, 0.0)
        return _never_below(slope, np.where(exponent < 1, curved, straight))

    @staticmethod
    def _rescaled(params: Array, outcome: float, effort: float) -> Array:
        scale, exponent = params[..., 0], params[..., 1]
        return np.stack([scale * outcome * effort**-exponent, exponent], axis=-1)


@dataclass(frozen=True, eq=False, repr=False)
class LinearCurve(ResponseCurve):
    """A straight line up to a cap: ``slope_value * min(effort, cap)``.

    Parameters
    ----------
    slope_value : float
        What each unit of effort brings, 0 or more.
    cap : float, default=inf
        The effort above which nothing more comes, 0 or more.

    Examples
    --------
    >>> curve = LinearCurve(slope_value=3.0, cap=20.0)
    >>> curve.value([10.0, 50.0]), curve.effort_at([2.0, 3.5])
    (array([30., 60.]), array([20.,  0.]))
    """

    slope_value: float
    cap: float = math.inf

    parameter_names = ("slope_value", "cap")
    family = "linear"
    _may_be_infinite = frozenset({"cap"})

    @staticmethod
    def _value(params: Array, effort: Array) -> Array:
        slope, reached = params[..., 0], np.minimum(effort, params[..., 1])
        with np.errstate(invalid="ignore"):
            return np.where(slope == 0, 0.0, slope * reached)

    @staticmethod
    def _slope(params: Array, effort: Array) -> Array:
        return np.where(effort < params[..., 1], params[..., 0], 0.0)

    @staticmethod
    def _effort_at(params: Array, slope: Array) -> Array:
        return _never_below(slope, np.where(slope <= params[..., 0], params[..., 1], 0.0))

    @staticmethod
    def _rescaled(params: Array, outcome: float, effort: float) -> Array:
        return np.asarray(params * np.array([outcome / effort, effort]))


@dataclass(frozen=True, eq=False, repr=False)
class HillCurve(ResponseCurve):
    """Hill's curve: ``top * effort**shape / (half**shape + effort**shape)``, S-shaped where ``shape > 1``.

    Parameters
    ----------
    top : float
        What the most effort brings, 0 or more.
    half : float
        The effort that brings half of it, above 0.
    shape : float
        Above 0. At most 1: concave. Above: the first efforts bring little, until there is enough of them.

    Examples
    --------
    >>> curve = HillCurve(top=100.0, half=3.0, shape=2.0)
    >>> curve.value(3.0), curve.concave
    (np.float64(50.0), False)
    >>> curve.slope([0.0, 3.0]).round(2)
    array([ 0.  , 16.67])

    `effort_at` gives the larger of the two efforts with that slope:

    >>> round(curve.effort_at(curve.slope(5.0)), 6)
    np.float64(5.0)
    """

    top: float
    half: float
    shape: float = 1.0

    parameter_names = ("top", "half", "shape")
    family = "hill"
    _positive = frozenset({"half", "shape"})

    @property
    def concave(self) -> bool:
        """Whether every further unit of effort brings no more than the one before: ``shape <= 1``."""
        return self.shape <= 1.0

    @staticmethod
    def _logit(params: Array, effort: Array) -> Array:
        # shape * log(effort / half): powers of large efforts would overflow
        with np.errstate(divide="ignore"):
            return np.asarray(params[..., 2] * (np.log(effort) - np.log(params[..., 1])))

    @staticmethod
    def _value(params: Array, effort: Array) -> Array:
        return np.asarray(params[..., 0] * expit(HillCurve._logit(params, effort)))

    @staticmethod
    def _slope(params: Array, effort: Array) -> Array:
        top, half, shape = params[..., 0], params[..., 1], params[..., 2]
        logit = HillCurve._logit(params, effort)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = top * shape / effort * expit(logit) * expit(-logit)
            first = np.where(shape < 1, np.inf, np.where(shape == 1, top / half, 0.0))
        return np.where(top == 0, 0.0, np.where(effort == 0, first, slope))

    @staticmethod
    def _effort_at(params: Array, slope: Array) -> Array:
        top, half, shape = params[..., 0], params[..., 1], params[..., 2]
        possible = (top > 0) & (slope > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            level = np.where(possible, np.log(top * shape / half) - np.log(slope), -1.0)
        logit = _falling_logit(level, shape)
        with np.errstate(over="ignore"):
            effort = np.where(possible & ~np.isnan(logit), half * np.exp(logit / shape), 0.0)
        return _never_below(slope, effort)

    @staticmethod
    def _rescaled(params: Array, outcome: float, effort: float) -> Array:
        return np.asarray(params * np.array([outcome, effort, 1.0]))


def _falling_logit(level: Array, shape: Array) -> Array:
    """Solve ``level + (1 - 1/shape) t - 2 log(1 + exp(t)) = 0`` for the largest t, NaN where there is none.

    The left side is the log of the slope at t = shape * log(effort / half), over the slope asked for. It is concave,
    so Newton's steps from the right of the root never jump over it.
    """
    power = 1.0 - 1.0 / shape
    level, power = np.broadcast_arrays(level, power)
    t = np.where(level == -np.inf, 0.0, np.maximum(level / (2.0 - power), 0.0))
    peak = np.where(power > 0, level + _log_slope(np.log(np.maximum(power, 1e-300) / (2.0 - power)), power), np.inf)
    lowest = np.where(power > 0, np.log(np.maximum(power, 1e-300) / (2.0 - power)), -np.inf)
    solvable = peak >= 0
    for _ in range(NEWTON_STEPS):
        gap = level + _log_slope(t, power)
        fall = power - 2.0 * expit(t)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(solvable & (fall < 0), gap / fall, 0.0)
        new = np.maximum(t - step, lowest)
        done = np.abs(new - t) <= 1e-15 * np.maximum(np.abs(new), 1.0)
        t = new
        if (done | ~solvable).all():
            break
    return np.where(solvable, t, np.nan)


def _log_slope(t: Array, power: Array) -> Array:
    return np.asarray(power * t - 2.0 * np.logaddexp(0.0, t))


FAMILIES: Mapping[str, type[ResponseCurve]] = {
    curve.family: curve for curve in (ExponentialCurve, LogCurve, PowerCurve, LinearCurve, HillCurve)
}


def curve_from_dict(values: Mapping[str, Any]) -> ResponseCurve:
    """Return the curve that ``to_dict`` wrote.

    Examples
    --------
    >>> curve = PowerCurve(scale=3.0, exponent=0.4, notes=("from last year",))
    >>> curve_from_dict(curve.to_dict()) == curve
    True
    """
    if not isinstance(values, Mapping) or "parameters" not in values:
        raise ValueError(f'expected a mapping with "family" and "parameters", got {values!r}.')
    family: Any = values.get("family")
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {name_some(FAMILIES, 9)}, got {family!r}.")
    curve = FAMILIES[family]
    given = values["parameters"]
    if not isinstance(given, Mapping):
        raise ValueError(f'"parameters" must map names to numbers, got {given!r}.')
    wrong = set(given) ^ set(curve.parameter_names)
    if wrong:
        raise ValueError(
            f"the {family} curve has the parameters {name_some(curve.parameter_names)}, got {name_some(given)}."
        )
    draws = values.get("draws")
    return curve(
        **{name: math.inf if value is None else value for name, value in given.items()},
        draws=None if draws is None else np.array([[math.inf if v is None else v for v in row] for row in draws]),
        randomized=values.get("randomized"),
        notes=tuple(values.get("notes", ())),
    )
