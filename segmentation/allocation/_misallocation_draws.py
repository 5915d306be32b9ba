"""Many problems at once: the same items and resources under each draw of the curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._problem import Problem, with_caps_as_rows
from segmentation.allocation._reduced import with_floors_as_bounds
from segmentation.allocation._solve import solve
from segmentation.curves import HillCurve, ResponseCurve
from segmentation.curves._curve import FAMILIES

__all__ = ["Batch", "batch_of", "best_plans", "is_smooth", "mixed", "point_batch"]

Array = NDArray[np.float64]
# Halvings of the interval of log prices at most, and the width at which it is narrow enough: the mixture of the plans
# at its ends, which fits, is then as good as the best to the last digits.
HALVINGS = 45
NARROW = 1e-11
# A plan fits that takes this much more or less, relative to what there is.
EXACT = 1e-13
# The log of the price is searched so far around that of the mean return.
WIDE = 46.0
# A resource is kept when no more than this is taken too much of it, relative to what there is.
KEPT = 1e-9
# A curve has flattened where its slope is this share of that at the lower end.
FLAT = 1e-13


@dataclass(frozen=True, eq=False)
class Batch:
    """Parameters of all curves in D worlds.

    Attributes
    ----------
    stacks : tuple of (family, positions of its items (k,), parameters (D, k, n_parameters))
    n_worlds, n_items : int
    """

    stacks: tuple[tuple[type[ResponseCurve], NDArray[np.int64], Array], ...]
    n_worlds: int
    n_items: int

    def _each(self, kernel: str, argument: Array) -> Array:
        """Evaluate a kernel at arguments of shape (n,) or (D, n); one world takes arguments of many."""
        result = np.empty(np.broadcast_shapes((self.n_worlds, self.n_items), argument.shape))
        with np.errstate(all="ignore"):
            for family, where, params in self.stacks:
                result[:, where] = getattr(family, kernel)(params, argument[..., where])
        return result

    def value(self, x: Array) -> Array:
        """Return the outcome of each item in each world, (D, n)."""
        return self._each("_value", x)

    def slope(self, x: Array) -> Array:
        """Return what one more unit brings, (D, n)."""
        return self._each("_slope", x)

    def effort_at(self, slope: Array) -> Array:
        """Return the largest effort whose slope is at least so much, (D, n)."""
        return self._each("_effort_at", slope)

    def take(self, worlds: NDArray[np.int64]) -> Batch:
        """Return some of the worlds."""
        return Batch(tuple((f, w, p[worlds]) for f, w, p in self.stacks), len(worlds), self.n_items)

    def curves(self, world: int, like: Sequence[ResponseCurve]) -> tuple[ResponseCurve, ...]:
        """Return the curves of one world as objects."""
        found: list[ResponseCurve] = list(like)
        for family, where, params in self.stacks:
            for k, i in enumerate(where.tolist()):
                values = dict(zip(family.parameter_names, params[world, k].tolist(), strict=True))
                found[i] = dataclasses.replace(like[i], **values, draws=None)
        return tuple(found)


def _by_family(curves: Sequence[ResponseCurve]) -> dict[type[ResponseCurve], list[int]]:
    result: dict[type[ResponseCurve], list[int]] = {}
    for i, curve in enumerate(curves):
        result.setdefault(type(curve), []).append(i)
    return result


def _parameters(curve: ResponseCurve) -> Array:
    return np.array([getattr(curve, name) for name in curve.parameter_names], dtype=np.float64)


def point_batch(problem: Problem) -> Batch:
    """Return the one world in which every curve is as estimated."""
    stacks = [
        (family, np.array(where), np.stack([_parameters(problem.curves[i]) for i in where])[None])
        for family, where in _by_family(problem.curves).items()
    ]
    return Batch(tuple(stacks), 1, len(problem.items))


def batch_of(problem: Problem, n_worlds: int) -> Batch:
    """Return the first draws of all curves as worlds; a curve without draws is the same in all."""
    stacks = []
    for family, where in _by_family(problem.curves).items():
        params = np.empty((n_worlds, len(where), len(family.parameter_names)))
        for k, i in enumerate(where):
            draws = problem.curves[i].draws
            params[:, k] = _parameters(problem.curves[i]) if draws is None else draws[:n_worlds]
        stacks.append((family, np.array(where), params))
    return Batch(tuple(stacks), n_worlds, len(problem.items))


def mixed(point: Batch, draws: Batch, part: float | Array, at: Array) -> Batch:
    """Go a part of the way from the estimate to each draw.

    The slope at the efforts `at` goes straight, the parameters of the form in logs where both ends are finite and above
    0: where data do not tell a high and slow curve from a low and fast one, half of the way in each parameter would be
    a curve that is high and fast. `part` is one number, or one per item (n,).
    """
    typical = float(at.mean()) if at.any() else 1.0
    stacks = []
    for (family, where, start), (_, _, end) in zip(point.stacks, draws.stacks, strict=True):
        share = np.broadcast_to(np.asarray(part, dtype=np.float64), (point.n_items,))[where][:, None]
        with np.errstate(all="ignore"):
            straight = start + share * (end - start)
            logs = np.exp(np.log(start) + share * (np.log(end) - np.log(start)))
        params = np.where((start > 0) & (end > 0) & np.isfinite(start) & np.isfinite(end), logs, straight)
        # an infinite cap has no way to or from it
        params = np.where(np.isfinite(params), params, np.where(share >= 0.5, end, np.broadcast_to(start, end.shape)))
        params[..., 0] = _height(family, start, end, params, straight[..., 0], share[:, 0], at[where], typical)
        whole, none = (np.broadcast_to(share == limit, params.shape) for limit in (1.0, 0.0))
        params = np.where(whole, end, np.where(none, start, params))
        stacks.append((family, where, params))
    return Batch(tuple(stacks), draws.n_worlds, draws.n_items)


def _height(
    family: type[ResponseCurve],
    start: Array,
    end: Array,
    form: Array,
    straight: Array,
    share: Array,
    at: Array,
    typical: float,
) -> Array:
    """Return the first parameter, in which our curves are linear, that puts the slope between those of the ends."""
    if family not in FAMILIES.values():
        return straight
    one = form.copy()
    one[..., 0] = 1.0
    with np.errstate(all="ignore"):
        # the first effort of a power curve is worth infinitely much
        place = np.where(np.isfinite(family._slope(one, at)), at, typical)
        per_height = family._slope(one, place)
        slope = (1 - share) * family._slope(start, place) + share * family._slope(end, place)
        height = slope / per_height
    return np.where(np.isfinite(height) & (per_height > 0), height, straight)


def is_smooth(problem: Problem, draws: Batch) -> bool:
    """Tell whether the problem is concave in every world: no S-shape, nothing whole or all-or-nothing."""
    s_shaped = any(
        (issubclass(family, HillCurve) and bool((params[..., 2] > 1).any())) for family, _, params in draws.stacks
    )
    return not problem.is_discrete and not s_shaped


def best_plans(problem: Problem, worlds: Batch) -> Array:
    """Return the best efforts in each world, (D, n).

    One resource that binds: its price by bisection in all worlds at once, which is exact. What is left (several
    resources that bind together, shares over several actions, discrete problems) is solved one by one.
    """
    x = np.full((worlds.n_worlds, worlds.n_items), np.nan)
    rest = np.arange(worlds.n_worlds)
    narrowed = with_floors_as_bounds(with_caps_as_rows(problem))
    joint = any(len(floor.positions) > 1 for floor in problem.floors)
    if is_smooth(problem, worlds) and not joint and np.isfinite(narrowed.lower).all():
        x = _one_price(narrowed, worlds)
        rest = np.flatnonzero(np.isnan(x).any(axis=1))
    for d in rest.tolist():
        x[d] = solve(dataclasses.replace(problem, curves=worlds.curves(d, problem.curves), _stacks_given=None)).x
    return x


def _one_price(problem: Problem, worlds: Batch) -> Array:
    """Solve with the price of one resource only; NaN where more than one binds."""
    use, lower = problem.use, problem.lower.astype(np.float64)
    left = problem.supply - lower @ use
    with np.errstate(all="ignore"):
        reach = np.where(use > 0, np.maximum(left, 0.0) / use, np.inf).min(axis=1, initial=np.inf)
        upper = np.broadcast_to(np.minimum(problem.upper, lower + reach), (worlds.n_worlds, len(lower)))
        at_lower = worlds.slope(lower)
        flat = worlds.effort_at(np.where(np.isfinite(at_lower), np.maximum(FLAT * at_lower, 1e-300), 1e-300))
    upper = np.maximum(np.where(np.isfinite(upper), upper, np.maximum(flat, lower)), lower)
    result = np.full((worlds.n_worlds, worlds.n_items), np.nan)
    if not np.isfinite(upper).all():
        return result
    scale = np.where(np.isfinite(problem.supply), np.maximum(problem.supply, 1e-300), np.inf)
    rest = np.arange(worlds.n_worlds)
    for j in [-1, *np.argsort(-(upper.mean(axis=0) @ use / scale), kind="stable").tolist()]:
        if not len(rest):
            break
        part = worlds.take(rest)
        x = upper[rest] if j < 0 else _by_bisection(part, use[:, j], float(problem.supply[j]), lower, upper[rest])
        kept = ((x @ use - problem.supply) / scale <= KEPT).all(axis=1)
        result[rest[kept]] = x[kept]
        rest = rest[~kept]
    return result


def _by_bisection(worlds: Batch, use: Array, supply: float, lower: Array, upper: Array) -> Array:
    """Find in each world the price at which what is wanted just fits; between two prices, the mixture that fits.

    Halving and the secant in turns: smooth curves need a dozen prices, straight ones all of the halvings.
    """
    n = worlds.n_worlds
    worth = np.maximum((worlds.value(upper) - worlds.value(lower)).max(axis=1), 1e-300) / max(supply, 1e-300)
    low, high = np.log(worth) - WIDE, np.log(worth) + WIDE
    more, less = np.broadcast_to(upper, (n, len(lower))).copy(), np.broadcast_to(lower, (n, len(lower))).copy()
    excess, room = more @ use - supply, supply - less @ use
    rest = np.arange(n)
    for step in range(2 * HALVINGS):
        if not len(rest):
            break
        part = worlds if len(rest) == n else worlds.take(rest)
        with np.errstate(all="ignore"):
            share = np.where(step % 2 == 0, 0.5, np.clip(excess[rest] / (excess[rest] + room[rest]), 0.0, 1.0))
        price = low[rest] + np.where(np.isfinite(share), share, 0.5) * (high[rest] - low[rest])
        effort = part.effort_at(np.exp(price)[:, None] * use)
        effort = np.where(use > 0, np.clip(effort, lower, upper[rest]), upper[rest])
        over = effort @ use - supply
        above, below = rest[over > 0], rest[over <= 0]
        more[above], excess[above], low[above] = effort[over > 0], over[over > 0], price[over > 0]
        less[below], room[below], high[below] = effort[over <= 0], -over[over <= 0], price[over <= 0]
        fits = np.abs(over) <= EXACT * supply
        less[rest[fits]], room[rest[fits]] = effort[fits], -over[fits]
        rest = rest[~fits & (high[rest] - low[rest] > NARROW)]
    gap = (more - less) @ use
    with np.errstate(all="ignore"):
        part_of = np.where((gap > 0) & (room > 0), np.clip(room / gap, 0.0, 1.0), 0.0)
    return np.asarray(less + part_of[:, None] * (more - less))
