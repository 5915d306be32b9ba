"""What all response curves have in common: checks, draws, units, equality."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation._format import count, name_some, number

__all__ = ["ResponseCurve", "check_efforts"]

Array = NDArray[np.float64]
NOT_RANDOMIZED = (
    "The effort was not assigned at random: customers or weeks that get more of it may differ in other ways, "
    "so this curve is an association and not what more effort would bring."
)
UNKNOWN = (
    "Nobody said whether the effort was assigned at random (randomized=None): read this curve as an association, "
    "not as what more effort would bring."
)


def check_efforts(effort: ArrayLike, name: str = "effort") -> Array:
    """Return efforts as floats, or raise ValueError where one is negative or NaN."""
    try:
        values = np.asarray(effort, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number or numbers: {error}.") from error
    wrong = ~(values >= 0)
    if wrong.any():
        raise ValueError(f"{name} must be 0 or more and not NaN, got {name_some(values[wrong].ravel())}.")
    return values


@dataclass(frozen=True, eq=False, repr=False)
class ResponseCurve(ABC):
    """What effort brings above the outcome without any effort.

    ``value(0)`` is 0 and values never fall with more effort. Outcome and effort are in the unit of the caller,
    usually money and contacts (or money, hours) per period of a whole segment; `for_customers` turns a curve of one
    customer into that of a segment. Curves are immutable and compare by value.

    Parameters
    ----------
    draws : array-like of shape (n_draws, n_parameters), optional
        Draws of the parameters, in the order of ``parameter_names``: what is not known about the curve.
    randomized : bool, optional
        Whether the effort behind the curve was assigned at random. None: not known.
    notes : tuple of str
        Sentences that belong beside any result of the curve.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()
    family: ClassVar[str] = ""
    # the parameters that cannot be 0
    _positive: ClassVar[frozenset[str]] = frozenset()
    _may_be_infinite: ClassVar[frozenset[str]] = frozenset()

    draws: Array | None = field(default=None, kw_only=True)
    randomized: bool | None = field(default=None, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        for name in self.parameter_names:
            object.__setattr__(self, name, self._checked(name, getattr(self, name)))
        if self.randomized is not None and not isinstance(self.randomized, bool | np.bool_):
            raise TypeError(f"randomized must be True, False or None, got {self.randomized!r}.")
        object.__setattr__(self, "randomized", None if self.randomized is None else bool(self.randomized))
        notes = (self.notes,) if isinstance(self.notes, str) else tuple(self.notes)
        object.__setattr__(self, "notes", notes)
        if self.draws is not None:
            object.__setattr__(self, "draws", self._checked_draws(self.draws))

    # ------------------------------------------------------------------ checks
    @classmethod
    def _limits(cls, name: str) -> str:
        above = "above 0" if name in cls._positive else "0 or more"
        return f"{above} (or infinite)" if name in cls._may_be_infinite else f"finite and {above}"

    @classmethod
    def _allowed(cls, name: str, values: Array) -> NDArray[np.bool_]:
        low = values > 0 if name in cls._positive else values >= 0
        return low if name in cls._may_be_infinite else low & np.isfinite(values)

    @classmethod
    def _checked(cls, name: str, value: Any) -> float:
        try:
            result = float(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{cls.__name__}: {name} must be a number, got {value!r}.") from error
        if not cls._allowed(name, np.array(result)):
            raise ValueError(f"{cls.__name__}: {name} must be {cls._limits(name)}, got {result!r}.")
        return result

    @classmethod
    def _checked_draws(cls, draws: ArrayLike) -> Array:
        array = np.array(draws, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != len(cls.parameter_names) or not len(array):
            raise ValueError(
                f"{cls.__name__}: draws must have one row per draw and the {len(cls.parameter_names)} columns "
                f"{name_some(cls.parameter_names)}, got shape {array.shape}."
            )
        for i, name in enumerate(cls.parameter_names):
            wrong = ~cls._allowed(name, array[:, i])
            if wrong.any():
                raise ValueError(
                    f"{cls.__name__}: draws of {name} must be {cls._limits(name)}, got {name_some(array[wrong, i])}."
                )
        array.flags.writeable = False
        return array

    # ------------------------------------------------------------------ kernels: params (..., n_parameters)
    @staticmethod
    @abstractmethod
    def _value(params: Array, effort: Array) -> Array: ...

    @staticmethod
    @abstractmethod
    def _slope(params: Array, effort: Array) -> Array: ...

    @staticmethod
    @abstractmethod
    def _effort_at(params: Array, slope: Array) -> Array: ...

    @staticmethod
    @abstractmethod
    def _rescaled(params: Array, outcome: float, effort: float) -> Array:
        """Return the parameters of outcome * f(x / effort)."""

    # ------------------------------------------------------------------ use
    @property
    def _params(self) -> Array:
        return np.array([getattr(self, name) for name in self.parameter_names])

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self.parameter_names}

    @property
    def concave(self) -> bool:
        """Whether every further unit of effort brings no more than the one before."""
        return True

    @property
    def caveats(self) -> tuple[str, ...]:
        """What must stand beside any result: the notes, and that the effort was not randomized where it was not."""
        if self.randomized:
            return self.notes
        return tuple(dict.fromkeys([UNKNOWN if self.randomized is None else NOT_RANDOMIZED, *self.notes]))

    def value(self, effort: ArrayLike) -> Any:
        """Return the outcome above that of no effort, in the shape of `effort` (0 or more)."""
        return self._value(self._params, check_efforts(effort))[()]

    def slope(self, effort: ArrayLike) -> Any:
        """Return what a little more effort brings, per unit of effort; at a kink, to its right."""
        return self._slope(self._params, check_efforts(effort))[()]

    def effort_at(self, slope: ArrayLike) -> Any:
        """Return the largest effort at which the slope is at least so much.

        0 where the slope never is, infinity where it never falls below. Of a capped line, the cap.
        """
        slopes = np.asarray(slope, dtype=np.float64)
        if np.isnan(slopes).any():
            raise ValueError("slope must be a number, got NaN.")
        return self._effort_at(self._params, slopes)[()]

    def value_draws(self, effort: ArrayLike) -> Array:
        """Return the value under each draw of the parameters.

        Returns
        -------
        ndarray of shape (n_draws, *effort.shape)
        """
        efforts = check_efforts(effort)
        return self._value(self._draw_stack(efforts.ndim), efforts)

    def slope_draws(self, effort: ArrayLike) -> Array:
        """Return the slope under each draw of the parameters, of shape (n_draws, *effort.shape)."""
        efforts = check_efforts(effort)
        return self._slope(self._draw_stack(efforts.ndim), efforts)

    def _draw_stack(self, n_dimensions: int) -> Array:
        if self.draws is None:
            raise ValueError(
                f"this {type(self).__name__} has no draws of its parameters, so nothing is known of its uncertainty: "
                "fit it (fit_response_curve), or give se= to from_lift or uncertainty= to from_points."
            )
        return self.draws.reshape(len(self.draws), *[1] * n_dimensions, -1)

    def interval(self, effort: ArrayLike, level: float = 0.9) -> tuple[Any, Any]:
        """Return the lower and the upper bound of the value, of equal tails over the draws."""
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, got {level!r}.")
        low, high = np.quantile(self.value_draws(effort), [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low[()], high[()]

    def rescaled(self, *, outcome: float = 1.0, effort: float = 1.0) -> Self:
        """Return ``outcome * value(x / effort)`` as a curve: other units of outcome and effort.

        Examples
        --------
        >>> from segmentation.curves import LinearCurve
        >>> LinearCurve(2.0, 10.0).rescaled(effort=60)  # hours to minutes
        LinearCurve(slope_value=0.03333, cap=600)
        """
        for name, factor in (("outcome", outcome), ("effort", effort)):
            if isinstance(factor, str) or not (math.isfinite(factor) and factor > 0):
                raise ValueError(f"{name} must be a finite factor above 0, got {factor!r}.")
        new = self._rescaled(self._params, outcome, effort)
        draws = None if self.draws is None else self._rescaled(self.draws, outcome, effort)
        return dataclasses.replace(self, **dict(zip(self.parameter_names, new.tolist(), strict=True)), draws=draws)

    def for_customers(self, n_customers: float) -> Self:
        """Return the curve of `n_customers` who share an effort equally, from the curve of one.

        Examples
        --------
        >>> from segmentation.curves import ExponentialCurve
        >>> one = ExponentialCurve(top=8.0, rate=0.5)
        >>> many = one.for_customers(1000)
        >>> bool(np.isclose(many.value(3000.0), 1000 * one.value(3.0)))
        True
        """
        if isinstance(n_customers, str) or not (math.isfinite(n_customers) and n_customers > 0):
            raise ValueError(f"n_customers must be finite and above 0, got {n_customers!r}: nobody has no curve.")
        return self.rescaled(outcome=n_customers, effort=n_customers)

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the curve with its band; arguments as in `CurveDisplay.from_curve`."""
        from segmentation.curves._display import CurveDisplay

        return CurveDisplay.from_curve(self, **kwargs).plot(ax).ax_

    # ------------------------------------------------------------------ as a value
    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain values that JSON can hold (an infinite cap is None)."""
        return {
            "family": self.family,
            "parameters": {name: _plain(value) for name, value in self.parameters.items()},
            "draws": None if self.draws is None else [[_plain(v) for v in row] for row in self.draws.tolist()],
            "randomized": self.randomized,
            "notes": list(self.notes),
        }

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        same_draws = (
            self.draws is other.draws
            if self.draws is None or other.draws is None
            else np.array_equal(self.draws, other.draws)
        )
        return (
            same_draws
            and self.parameters == other.parameters
            and (self.randomized, self.notes) == (other.randomized, other.notes)
        )

    def __hash__(self) -> int:
        return hash((type(self), *self.parameters.values()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={number(value)}" for name, value in self.parameters.items())
        known = "" if self.draws is None else f", {count(len(self.draws), 'draw')}"
        return f"{type(self).__name__}({inside}{known})"


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
