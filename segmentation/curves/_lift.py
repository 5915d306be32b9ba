"""A response curve from the lift of an experiment: plain numbers, and an assumption about the form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation._format import number, percent
from segmentation.curves._base import ResponseCurve
from segmentation.curves._curve import FAMILIES
from segmentation.curves._fit import check_n_draws, seed_of
from segmentation.curves._forms import check_family, rate_of_half

__all__ = ["finite", "from_lift"]

Array = NDArray[np.float64]
Range = float | tuple[float, float]


def from_lift(
    effect: float,
    effort: float,
    *,
    se: float | None = None,
    family: str = "exponential",
    half: Range | None = None,
    exponent: Range | None = None,
    shape: float = 1.0,
    draws: ArrayLike | None = None,
    randomized: bool | None = True,
    n_draws: int = 1000,
    random_state: Any = None,
) -> ResponseCurve:
    """Return the curve through the effect of one tested effort.

    One effort says how high the curve is there and nothing about its form: that is an assumption, and the curve's
    notes say which.

    Parameters
    ----------
    effect : float
        What the tested effort brought above none, per customer or per segment; the curve is in the same unit
        (`ResponseCurve.for_customers` makes one of the other).
    effort : float
        The effort tested, above 0.
    se : float, optional
        Standard error of the effect. With it the curve has draws: of the effect from a normal distribution, those
        below 0 set to 0, because no curve falls with effort (a note says how many).
    family : {"exponential", "log", "power", "linear", "hill"}, default="exponential"
        "linear" rises to the tested effort and no further: the most careful assumption.
    half : float or (float, float), optional
        Assumption for "exponential" and "hill", the effort that brings half of the top; for "log" that at which one
        more unit brings half of what the first does. By default the tested effort. A range: draws are spread over it
        (evenly in logs), the curve has its geometric mean.
    exponent : float or (float, float), optional
        Assumption for "power", by default 0.5: 1 % more effort brings 0.5 % more.
    shape : float, default=1.0
        Assumption for "hill".
    draws : array-like of shape (n_draws,), optional
        Draws of the effect, in place of `se`.
    randomized : bool or None, default=True
        Whether chance decided who got the effort.
    n_draws : int, default=1000
    random_state : int, numpy Generator or RandomState, optional
        Give each segment another: with the same number the draws of all segments are high together and low together,
        and the interval of their sum is too wide.

    Returns
    -------
    ResponseCurve

    Examples
    --------
    >>> curve = from_lift(2.4, effort=2, se=0.5, half=3.0, random_state=0)
    >>> curve
    ExponentialCurve(top=6.486, rate=0.231, 1,000 draws)
    >>> round(float(curve.value(2)), 2), [round(float(bound), 1) for bound in curve.interval(2)]
    (2.4, [1.6, 3.2])
    >>> print(curve.notes[0])
    One effort was tested (2), so the form is an assumption: an exponential curve with half of its top at effort 3.
    """
    check_family(family)
    check_n_draws(n_draws)
    effect, effort = finite(effect, "effect"), finite(effort, "effort")
    if effort <= 0:
        raise ValueError(f"effort must be above 0, got {effort:g}: without effort nothing was tested.")
    rng = np.random.default_rng(seed_of(random_state))
    effects = _effect_draws(effect, se, draws, n_draws, rng)
    spread, told = _assumed(family, effort, half, exponent, shape)
    notes = [f"One effort was tested ({number(effort)}), so the form is an assumption: {told}."]
    if effect < 0:
        notes.append(
            f"The effect was below 0 ({number(effect)}): the curve is 0 everywhere, more effort is not better."
        )
    table = None
    if effects is not None:
        below = float((effects < 0).mean())
        if below >= 0.005:
            notes.append(f"{percent(below)} of the draws of the effect are below 0 and stand as no response.")
        inner = np.column_stack([_between(values, len(effects), rng) for values in spread.values()])
        table = _through(family, np.maximum(effects, 0.0), effort, inner)
    point = np.array([[math.sqrt(low * high) for low, high in spread.values()]])
    params = _through(family, np.array([max(effect, 0.0)]), effort, point)[0]
    return FAMILIES[family](*params.tolist(), draws=table, randomized=randomized, notes=tuple(notes))


def finite(value: Any, name: str) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number, got {value!r}.") from error
    if not math.isfinite(result):
        raise ValueError(f"{name} must be finite, got {result!r}.")
    return result


def _effect_draws(
    effect: float, se: float | None, draws: ArrayLike | None, n_draws: int, rng: np.random.Generator
) -> Array | None:
    if draws is not None:
        if se is not None:
            raise ValueError("give se= or draws= of the effect, not both.")
        try:
            effects = np.array(draws, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"draws must be numbers: {error}.") from error
        if effects.ndim != 1 or not effects.size or not np.isfinite(effects).all():
            raise ValueError(f"draws must be finite numbers of shape (n_draws,), got shape {effects.shape}.")
        return effects
    if se is None:
        return None
    se = finite(se, "se")
    if se < 0:
        raise ValueError(f"se must be 0 or more, got {se:g}.")
    return effect + se * rng.standard_normal(n_draws)


def _assumed(
    family: str, effort: float, half: Range | None, exponent: Range | None, shape: float
) -> tuple[dict[str, tuple[float, float]], str]:
    """Return the range of each parameter of the form, and the assumption in words."""
    if exponent is not None and family != "power":
        raise ValueError(f"exponent= has no meaning for the {family} curve, only for 'power'.")
    if family == "linear":
        if half is not None:
            rate_of_half(family, 1.0)
        return {"cap": (effort, effort)}, f"a straight line up to effort {number(effort)} and nothing beyond it"
    if family == "power":
        if half is not None:
            rate_of_half(family, 1.0)
        low, high = _range(0.5 if exponent is None else exponent, "exponent")
        if high > 1:
            raise ValueError(f"exponent must be above 0 and at most 1, got {exponent!r}.")
        return {"exponent": (low, high)}, f"a power curve with exponent {_words(low, high)}"
    low, high = _range(effort if half is None else half, "half")
    ((name, _),) = rate_of_half(family, low).items()
    ends = sorted(rate_of_half(family, end)[name] for end in (low, high))
    spread = {name: (ends[0], ends[1])}
    if family == "log":
        return spread, (
            f"a log curve on which one more unit brings half as much as the first at effort {_words(low, high)}"
        )
    article = "an" if family == "exponential" else "a"
    told = f"{article} {family} curve with half of its top at effort {_words(low, high)}"
    if family == "hill":
        shape = finite(shape, "shape")
        if shape <= 0:
            raise ValueError(f"shape must be above 0, got {shape:g}.")
        spread["shape"] = (shape, shape)
        told += f" and shape {number(shape)}"
    return spread, told


def _range(value: Any, name: str) -> tuple[float, float]:
    several = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    pair = tuple(value) if several else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a number or (low, high), got {value!r}.")
    low, high = (finite(end, name) for end in pair)
    if not 0 < low <= high:
        raise ValueError(f"{name} must be above 0, the lower bound first, got {value!r}.")
    return low, high


def _words(low: float, high: float) -> str:
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _between(ends: tuple[float, float], n: int, rng: np.random.Generator) -> Array:
    low, high = ends
    return np.full(n, low) if low == high else np.exp(rng.uniform(math.log(low), math.log(high), n))


def _through(family: str, effects: Array, effort: float, inner: Array) -> Array:
    """Return the parameters, the first scaled so that the curve has the effects at this effort."""
    one = np.column_stack([np.ones(len(inner)), inner])
    height = FAMILIES[family]._value(one, np.array(effort))
    return np.column_stack([effects / height, inner])
