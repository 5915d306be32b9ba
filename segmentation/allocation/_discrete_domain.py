"""Which efforts each item of a discrete problem may have, and its curve, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._errors import InfeasibleError, UnboundedError
from segmentation.allocation._keys import listed, named
from segmentation.allocation._problem import Problem
from segmentation.curves import HillCurve
from segmentation.curves._curve import FAMILIES

__all__ = ["CurveTable", "Domain", "make_domain"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
TOLERANCE = 1e-9
# A curve is flat where its slope is this share of its steepest.
FLAT = 1e-13
ENDLESS = 0.01
HALVINGS = 60
# Points on which the slope of a curve that is none of ours is looked at.
LOOKED_AT = 2001
MOST_UNITS = 2_000_000


class CurveTable:
    """Values and slopes of any items' curves at any efforts, by families at once."""

    def __init__(self, problem: Problem) -> None:
        n = len(problem.items)
        self._family = np.zeros(n, dtype=np.int64)
        self._row = np.zeros(n, dtype=np.int64)
        self._stacks: list[tuple[type[Any], Array]] = []
        for k, (family, where, params) in enumerate(problem.stacks):
            self._family[where] = k
            self._row[where] = np.arange(len(params))
            self._stacks.append((family, params))
        self._known = np.array([family in FAMILIES.values() for family, _ in self._stacks])

    def _each(self, name: str, items: Index, argument: Array) -> Array:
        result = np.empty(len(items))
        families = self._family[items]
        with np.errstate(all="ignore"):
            for k, (family, params) in enumerate(self._stacks):
                where = families == k
                if where.any():
                    result[where] = getattr(family, name)(params[self._row[items[where]]], argument[where])
        return result

    def value(self, items: Index, x: Array) -> Array:
        """Return the outcome of items at efforts, both (k,)."""
        return self._each("_value", items, x)

    def slope(self, items: Index, x: Array) -> Array:
        """Return the slope of items at efforts, both (k,)."""
        return self._each("_slope", items, x)

    def effort_at(self, items: Index, price: Array, a: Array, b: Array) -> Array:
        """Return where between a and b, on which the curve is concave, its slope falls below a price, all (k,)."""
        known = self._known[self._family[items]]
        result = np.empty(len(items))
        own = np.flatnonzero(known)
        result[own] = self._each("_effort_at", items[own], np.maximum(price[own], 0.0))
        other = np.flatnonzero(~known)
        if len(other):
            # of a curve that is none of ours, nothing but value and slope is relied on
            low, high = a[other].copy(), b[other].copy()
            steep = self.slope(items[other], high) >= price[other]
            for _ in range(HALVINGS):
                middle = 0.5 * (low + high)
                above = self.slope(items[other], middle) >= price[other]
                low, high = np.where(above, middle, low), np.where(above, high, middle)
            result[other] = np.where(steep, b[other], 0.5 * (low + high))
        return np.clip(np.nan_to_num(result, nan=0.0, posinf=np.inf), a, b)


@dataclass
class Domain:
    """Efforts that items may have: 0 where `can_be_zero`; where `fundable`, `lower` to `upper` by `step` (0: all).

    The curve is convex below `inflection` and concave above.
    """

    problem: Problem
    curves: CurveTable
    lower: Array
    upper: Array
    step: Array
    inflection: Array
    fundable: NDArray[np.bool_]
    can_be_zero: NDArray[np.bool_]
    # whether being above 0 costs something or excludes something, so that 0 is a choice of its own
    zero_differs: NDArray[np.bool_]
    # above which curves bring nothing
    flat: Array


def make_domain(problem: Problem) -> Domain:
    """Work out which efforts are possible for each item by itself.

    Raises
    ------
    InfeasibleError
        If items that must get something cannot.
    UnboundedError
        If nothing limits an item.
    ValueError
        If a curve is neither concave nor S-shaped.
    """
    optional, fixed, integer = problem.optional, problem.fixed, problem.integer
    assert optional is not None  # noqa: S101 - set in __post_init__
    assert fixed is not None  # noqa: S101
    assert integer is not None  # noqa: S101
    n = len(problem.items)
    required = (problem.lower > 0) & ~optional
    curves = CurveTable(problem)
    lower, upper = problem.lower.astype(np.float64), _reach(problem, required, fixed)
    fundable = upper >= lower * (1 - TOLERANCE)
    fundable &= (upper > 0) | required
    upper = np.where(fundable, np.maximum(upper, lower), lower)
    inflection = _inflections(problem, curves, lower, np.where(np.isfinite(upper), upper, np.inf))
    upper, flat = _flattened(problem, curves, lower, upper, inflection)
    step = np.zeros(n)
    for i in np.flatnonzero(fundable & ((problem.use > 0) | (fixed > 0))[:, integer].any(axis=1)).tolist():
        units = _units(problem, i, float(lower[i]), float(upper[i]))
        if units is None:
            fundable[i] = False
        else:
            lower[i], upper[i], step[i] = units
    stuck = np.flatnonzero(required & ~fundable)
    if len(stuck):
        raise _no_effort(problem, stuck)
    in_group = np.zeros(n, dtype=bool)
    for group in problem.exclusive:
        in_group[group] = True
    costs = (fixed > 0).any(axis=1) | (np.asarray(problem.fixed_cost) != 0)
    zero_differs = ~required & (in_group | costs | (lower > 0) | (step > 0))
    return Domain(problem, curves, lower, upper, step, inflection, fundable, ~required, zero_differs, flat)


def _reach(problem: Problem, required: NDArray[np.bool_], fixed: Array) -> Array:
    """Return the most effort that the resources leave each item, after what others must get; -1 where none."""
    own = np.where(required[:, None], problem.lower[:, None] * problem.use + fixed, 0.0)
    needed = own.sum(axis=0)
    scale = np.where(np.isfinite(problem.supply), np.maximum(problem.supply, 1e-300), 1.0)
    short = np.flatnonzero(needed - problem.supply > TOLERANCE * scale)
    if len(short):
        scarce = name_some([problem.resources[j] for j in short])
        demands = tuple(
            f"{named(problem.items[i])} gets at least {problem.lower[i]:g}" for i in np.flatnonzero(required)
        )
        raise InfeasibleError(
            f"the least amounts, with what they take once, need more than there is of {scarce}: lower one of the least "
            "amounts, or provide more.",
            (*demands, *(f"there are {problem.supply[j]:g} of {problem.resources[j]!r}" for j in short)),
        )
    room = problem.supply - needed + own - fixed
    impossible = ((room < -TOLERANCE * scale) & (fixed > 0)).any(axis=1)
    with np.errstate(all="ignore"):
        reach = np.where(problem.use > 0, np.maximum(room, 0.0) / problem.use, np.inf).min(axis=1, initial=np.inf)
    upper = np.minimum(problem.upper, reach)
    # what rounding takes from a least amount that just fits
    upper = np.where(required & (upper >= problem.lower * (1 - 1e-6)), np.maximum(upper, problem.lower), upper)
    return np.where(impossible, -1.0, upper)


def _inflections(problem: Problem, curves: CurveTable, lower: Array, upper: Array) -> Array:
    result = np.zeros(len(problem.items))
    strange: list[str] = []
    for i, curve in enumerate(problem.curves):
        if curve.concave:
            continue
        if type(curve) is HillCurve:
            result[i] = curve.half * ((curve.shape - 1) / (curve.shape + 1)) ** (1 / curve.shape)
        elif not np.isfinite(upper[i]):
            raise ValueError(
                f"the curve of {named(problem.items[i])} is S-shaped and of a class of your own "
                f"({type(curve).__name__}): give the item an upper bound, so that it is known where to "
                "look for its inflection."
            )
        elif upper[i] > lower[i]:
            found = _peak(curves, i, float(lower[i]), float(upper[i]))
            if found is None:
                strange.append(f"{named(problem.items[i])} ({type(curve).__name__})")
            else:
                result[i] = found
    if strange:
        raise ValueError(
            f"the curve of {name_some(strange)} is neither concave nor S-shaped: its slope must rise once and then "
            "fall. Only for such curves is the best plan proven."
        )
    return result


def _peak(curves: CurveTable, i: int, a: float, b: float) -> float | None:
    """Return where the slope is largest, None where it does not rise and then fall."""
    even = np.linspace(a, b, LOOKED_AT)
    near = a + (b - a) * np.geomspace(1e-6, 1e-3, LOOKED_AT // 4)
    x = np.unique(np.concatenate([even, near]))
    slope = curves.slope(np.full(len(x), i), x)
    slope = np.where(np.isfinite(slope), slope, np.finfo(float).max)
    top = int(slope.argmax())
    noise = 1e-9 * float(slope[top])
    change = np.diff(slope)
    if (change[:top] < -noise).any() or (change[top:] > noise).any():
        return None
    low, high = x[max(top - 1, 0)], x[min(top + 1, len(x) - 1)]
    for _ in range(HALVINGS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        at_left, at_right = curves.slope(np.array([i, i]), np.array([left, right]))
        low, high = (left, high) if at_left < at_right else (low, right)
    return float(0.5 * (low + high))


def _flattened(
    problem: Problem, curves: CurveTable, lower: Array, upper: Array, inflection: Array
) -> tuple[Array, Array]:
    """End ranges where curves bring nothing more, but where a floor may ask for it."""
    n = len(problem.items)
    everything = np.arange(n)
    start = np.maximum(lower, inflection)
    with np.errstate(all="ignore"):
        steepest = curves.slope(everything, start)
        threshold = np.where(np.isfinite(steepest), np.maximum(FLAT * steepest, 1e-300), 1e-300)
        known = np.array([type(curve) in FAMILIES.values() for curve in problem.curves])
        flat = np.full(n, np.inf)
        own = np.flatnonzero(known)
        flat[own] = curves.effort_at(own, threshold[own], start[own], np.full(len(own), np.inf))
        flat = np.maximum(flat, lower)
        open_end = np.isinf(upper)
        grows = ~(curves.value(everything, 10 * flat) <= curves.value(everything, flat) * (1 + ENDLESS))
    in_floor = np.zeros(n, dtype=bool)
    for floor in problem.floors:
        in_floor[floor.positions] = True
    endless = open_end & (grows | ~np.isfinite(flat) | in_floor)
    if endless.any():
        i = int(np.flatnonzero(endless)[0])
        raise UnboundedError(
            f"nothing limits the effort of {named(problem.items[i])}: it takes no resource that ends, has no upper "
            "bound, and its curve never flattens. Give it an upper bound."
        )
    # whole units may have to go a little further than where the curve flattens
    whole = problem.use[:, np.asarray(problem.integer)]
    furthest = np.where(whole > 0, 1 / np.where(whole > 0, whole, 1.0), 0.0).max(axis=1, initial=0.0)
    return np.where(in_floor, upper, np.minimum(upper, flat + furthest)), flat


def _units(problem: Problem, i: int, lower: float, upper: float) -> tuple[float, float, float] | None:
    """Return first, last and distance of the efforts at which whole units are taken; None where there is none."""
    integer, fixed = np.asarray(problem.integer), np.asarray(problem.fixed)[i]
    use = problem.use[i]
    for j in np.flatnonzero(integer & (use == 0)).tolist():
        if abs(fixed[j] - round(fixed[j])) > TOLERANCE * max(1.0, fixed[j]):
            return None
    moving = np.flatnonzero(integer & (use > 0))
    if not len(moving):
        return lower, upper, 0.0
    j = int(moving[np.argmin(use[moving])])
    first = int(np.ceil(use[j] * lower + fixed[j] - TOLERANCE * max(1.0, use[j] * lower)))
    last = int(np.floor(use[j] * upper + fixed[j] + TOLERANCE * max(1.0, use[j] * upper)))
    if last - first > MOST_UNITS:
        raise ValueError(
            f"{named(problem.items[i])} can take {last - first:,} whole units of {problem.resources[j]!r}: too many "
            "to look at each. So many need not be whole: use integer=False, and round."
        )
    units = np.arange(first, last + 1)
    x = (units - fixed[j]) / use[j]
    keep = x > TOLERANCE / use[j]
    for k in moving:
        taken = use[k] * x + fixed[k]
        keep &= np.abs(taken - np.round(taken)) <= 1e-8
    x = x[keep]
    if not len(x):
        return None
    return float(x[0]), float(x[-1]), float((x[-1] - x[0]) / (len(x) - 1)) if len(x) > 1 else 1.0


def _no_effort(problem: Problem, stuck: Index) -> InfeasibleError:
    whole = [problem.resources[j] for j in np.flatnonzero(np.asarray(problem.integer))]
    why = f" with whole units of {name_some(whole)}" if whole else ""
    demands = tuple(
        f"{named(problem.items[i])} gets {problem.lower[i]:g} to {problem.upper[i]:g}{why}" for i in stuck.tolist()
    )
    return InfeasibleError(
        f"no effort is possible for what must get some: {listed(demands)}. Widen the bounds, or make it optional.",
        demands,
    )
