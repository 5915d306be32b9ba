"""The problem of allocation as arrays: items, what each takes of the resources, bounds and floors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.curves import ResponseCurve

__all__ = ["Cap", "Floor", "Problem", "Solution", "with_caps_as_rows"]

Array = NDArray[np.float64]
# Step of the numerical second derivative of a curve that is none of ours, relative to the effort.
RELATIVE_STEP = 1e-4


def _exponential(p: Array, x: Array) -> Array:
    return p[:, 0] * p[:, 1] ** 2 * np.exp(-p[:, 1] * x)


def _log(p: Array, x: Array) -> Array:
    return p[:, 0] * p[:, 1] ** 2 / (1 + p[:, 1] * x) ** 2


def _power(p: Array, x: Array) -> Array:
    return p[:, 0] * p[:, 1] * (1 - p[:, 1]) * x ** (p[:, 1] - 2)


def _linear(p: Array, x: Array) -> Array:
    return np.zeros(len(p))


def _hill(p: Array, x: Array) -> Array:
    top, half, shape = p[:, 0], p[:, 1], p[:, 2]
    z = (x / half) ** shape
    return top * shape * z / x**2 * ((1 + shape) * z + (1 - shape)) / (1 + z) ** 3


# How fast the slope falls, -f''(x) at x > 0, by the name of the family.
CURVATURES: dict[str, Callable[[Array, Array], Array]] = {
    "ExponentialCurve": _exponential,
    "LogCurve": _log,
    "PowerCurve": _power,
    "LinearCurve": _linear,
    "HillCurve": _hill,
}


@dataclass(frozen=True, eq=False)
class Floor:
    """At least so much of a resource goes to these items together (a segment's share)."""

    segment: Any
    resource: int
    positions: NDArray[np.int64]
    amount: float


@dataclass(frozen=True, eq=False)
class Cap:
    """At most so much effort of these items together, each weighed: the contacts of a segment."""

    segment: Any
    positions: NDArray[np.int64]
    weights: Array
    amount: float


@dataclass(frozen=True, eq=False)
class Problem:
    """Maximise the sum of the curves within what there is of each resource.

    Attributes
    ----------
    items : tuple of (segment, action), n of them
    curves : tuple of ResponseCurve, one per item
    use : ndarray of shape (n, R), 0 or more
        What one unit of effort takes of each resource.
    supply : ndarray of shape (R,)
        What there is; infinite where there is no limit.
    lower, upper : ndarray of shape (n,)
        Bounds of effort; ``upper`` may be infinite.
    resources : tuple of str, R names
    floors : tuple of Floor
    optional, fixed, fixed_cost, integer, exclusive
        What makes a problem discrete: items (n,) that may be 0 although ``lower`` is above 0; use (n, R) and money
        (n,) that an item takes once it is above 0; resources (R,) of which each item takes whole units; groups of
        positions of which at most one is above 0. By default none.
    caps : tuple of Cap
        Limits of items together that are no resource; `with_caps_as_rows` turns them into some for a solver.
    """

    items: tuple[tuple[Any, Any], ...]
    curves: tuple[ResponseCurve, ...]
    use: Array
    supply: Array
    lower: Array
    upper: Array
    resources: tuple[str, ...] = ()
    floors: tuple[Floor, ...] = ()
    optional: NDArray[np.bool_] | None = None
    fixed: Array | None = None
    fixed_cost: Array | None = None
    integer: NDArray[np.bool_] | None = None
    exclusive: tuple[NDArray[np.int64], ...] = ()
    caps: tuple[Cap, ...] = ()
    _stacks_given: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n, n_resources = self.use.shape
        defaults: dict[str, Any] = {
            "resources": self.resources or tuple(f"resource {j + 1}" for j in range(n_resources)),
            "optional": np.zeros(n, dtype=bool) if self.optional is None else self.optional,
            "fixed": np.zeros((n, n_resources)) if self.fixed is None else self.fixed,
            "fixed_cost": np.zeros(n) if self.fixed_cost is None else self.fixed_cost,
            "integer": np.zeros(n_resources, dtype=bool) if self.integer is None else self.integer,
        }
        for name, value in defaults.items():
            object.__setattr__(self, name, value)

    @cached_property
    def stacks(self) -> tuple[tuple[type[ResponseCurve], Any, Array], ...]:
        """Per family: its class, the positions of its items (a slice where it has all), its parameters (k, p)."""
        if self._stacks_given is not None:
            return tuple(self._stacks_given)
        by_class: dict[type[ResponseCurve], list[int]] = {}
        for i, curve in enumerate(self.curves):
            by_class.setdefault(type(curve), []).append(i)
        stacks = []
        for family, positions in by_class.items():
            names = family.parameter_names
            curves = self.curves
            values = np.array([[getattr(curves[i], name) for name in names] for i in positions], dtype=np.float64)
            where = slice(None) if len(by_class) == 1 else np.array(positions)
            stacks.append((family, where, values))
        return tuple(stacks)

    @cached_property
    def is_discrete(self) -> bool:
        """Whether there is anything that a concave problem has not."""
        marks = (self.optional, self.fixed, self.fixed_cost, self.integer)
        return (
            bool(self.exclusive)
            or any(mark is not None and bool(np.any(mark)) for mark in marks)
            or not all(curve.concave for curve in self.curves)
        )

    def _by_family(self, call: Callable[[type[ResponseCurve], Array, Array], Array], argument: Array) -> Array:
        result = np.empty(argument.shape)
        with np.errstate(all="ignore"):
            for family, where, params in self.stacks:
                result[where] = call(family, params, argument[where])
        return result

    def value(self, x: Array) -> Array:
        """Return the outcome of each item, (n,)."""
        return self._by_family(lambda family, params, part: family._value(params, part), x)

    def slope(self, x: Array) -> Array:
        """Return what one more unit of effort brings in each item, (n,)."""
        return self._by_family(lambda family, params, part: family._slope(params, part), x)

    def effort_at(self, slope: Array) -> Array:
        """Return per item the largest effort whose slope is at least so much, (n,); concave curves only."""
        return self._by_family(lambda family, params, part: family._effort_at(params, part), slope)

    def curvature(self, x: Array) -> Array:
        """Return how fast the slope of each item falls, (n,), at efforts above 0."""
        return self._by_family(_curvature, x)

    def total(self, x: Array) -> float:
        """Return the outcome of all items together, fixed costs not taken off."""
        return float(self.value(x).sum())

    def fixed_costs(self, x: Array) -> Array:
        """Return the money that each item takes once it is above 0, (n,)."""
        return np.where(x > 0, np.asarray(self.fixed_cost), 0.0)

    def net(self, x: Array) -> float:
        """Return what is maximised: the outcome of all items together less the fixed costs of those above 0."""
        return self.total(x) - float(self.fixed_costs(x).sum())

    def taken(self, x: Array) -> Array:
        """Return what each item takes of each resource, (n, R)."""
        assert self.fixed is not None  # noqa: S101 - set in __post_init__
        return np.asarray(self.use * x[:, None] + np.where((x > 0)[:, None], self.fixed, 0.0))

    def used(self, x: Array) -> Array:
        """Return what is taken of each resource, (R,)."""
        assert self.fixed is not None  # noqa: S101 - set in __post_init__
        return np.asarray(x @ self.use + (x > 0) @ self.fixed)

    def is_feasible(self, x: Array, tol: float = 1e-9) -> bool:
        """Tell whether bounds, floors, caps, groups, whole units and resources are kept, to `tol` relative to each."""
        scale = np.where(np.isfinite(self.supply), np.maximum(self.supply, 1e-300), 1.0)
        within = (x >= self.lower * (1 - tol)) & (x <= self.upper * (1 + tol))
        if self.optional is not None:
            within |= self.optional & (x == 0)
        enough = all(
            float(x[f.positions] @ self.use[f.positions, f.resource]) >= f.amount * (1 - tol) for f in self.floors
        )
        capped = all(float(x[c.positions] @ c.weights) <= c.amount * (1 + tol) for c in self.caps)
        alone = all((x[group] > 0).sum() <= 1 for group in self.exclusive)
        units = self.taken(x)[:, np.asarray(self.integer, dtype=bool)]
        whole = bool((np.abs(units - np.round(units)) <= np.maximum(tol * units, 1e-9)).all())
        kept = bool(((self.used(x) - self.supply) / scale <= tol).all())
        return bool(within.all()) and enough and capped and alone and whole and kept


def with_caps_as_rows(problem: Problem) -> Problem:
    """Return the problem as solvers take it: caps of one item as upper bounds, the others as further resources."""
    if not problem.caps:
        return problem
    upper = problem.upper.astype(np.float64)
    together = []
    for cap in problem.caps:
        if len(cap.positions) == 1:
            i = int(cap.positions[0])
            upper[i] = min(upper[i], cap.amount / float(cap.weights[0]))
        else:
            together.append(cap)
    n, m = len(problem.items), len(together)
    rows = np.zeros((n, m))
    for k, cap in enumerate(together):
        rows[cap.positions, k] = cap.weights
    return replace(
        problem,
        use=np.hstack([problem.use, rows]),
        supply=np.append(problem.supply, [cap.amount for cap in together]),
        upper=upper,
        resources=(*problem.resources, *(f"contacts of {cap.segment!r}" for cap in together)),
        fixed=np.hstack([np.asarray(problem.fixed), np.zeros((n, m))]),
        integer=np.append(np.asarray(problem.integer), np.zeros(m, dtype=bool)),
        caps=(),
        _stacks_given=problem.stacks,
    )


def _curvature(family: type[ResponseCurve], params: Array, x: Array) -> Array:
    known = CURVATURES.get(family.__name__)
    if known is not None:
        return known(params, x)
    step = RELATIVE_STEP * x
    fall = family._slope(params, x - step) - family._slope(params, x + step)
    return np.maximum(fall / (2 * step), 0.0)


@dataclass(frozen=True, eq=False)
class Solution:
    """Efforts that solve a `Problem`.

    Attributes
    ----------
    x : ndarray of shape (n,)
    shadow_prices : ndarray of shape (R,)
        What one more unit of each resource would bring.
    gap : float
        Proven distance from the best possible total, relative to it.
    status : str
        "optimal" or "within gap".
    floor_prices : ndarray of shape (n_floors,)
        What one unit less of each floor would bring.
    cap_prices : ndarray of shape (n_caps,)
        What one more unit of each cap would bring.
    n_iterations : int
    """

    x: Array
    shadow_prices: Array
    gap: float
    status: str
    floor_prices: Array = field(default_factory=lambda: np.zeros(0))
    n_iterations: int = 0
    cap_prices: Array = field(default_factory=lambda: np.zeros(0))
