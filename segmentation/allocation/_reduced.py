"""A problem in shares of ranges: only what can move and what can bind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._errors import InfeasibleError, UnboundedError
from segmentation.allocation._keys import named
from segmentation.allocation._problem import Problem
from segmentation.curves import LinearCurve

__all__ = ["Reduced", "reduce_problem", "with_flat_parts", "with_floors_as_bounds"]

Array = NDArray[np.float64]
# A range ends where a curve has flattened to this share of its slope at the lower end.
FLAT = 1e-13
# Where a curve still grows by this share over the next ten times as much effort, it has not flattened.
ENDLESS = 0.01
# Where curves are straight, a plan that shares in proportion to range is preferred at this relative price.
TIE = 1e-8
# A range that the resources end goes on this much further, so that the price is the resource's and not the bound's.
BEYOND = 2.0
# Slack below this share of a resource is none.
NOTHING = 1e-12


@dataclass
class Reduced:
    """The problem in shares t of the range of the items that can move, rows ``G t <= h``."""

    problem: Problem
    free: NDArray[np.int64]
    lower: Array
    span: Array
    scale: float
    G: Array
    h: Array
    rows: NDArray[np.int64]
    row_scale: Array
    tie: Array

    def efforts(self, t: Array) -> Array:
        x = self.problem.lower.astype(np.float64)
        x[self.free] = self.lower + self.span * t
        return x

    def slope(self, t: Array) -> Array:
        with np.errstate(all="ignore"):
            raw = self._part(self.problem.slope, t) * self.span / self.scale
        return np.asarray(raw - self.tie * t)

    def curvature(self, t: Array) -> Array:
        with np.errstate(all="ignore"):
            raw = self._part(self.problem.curvature, t) * self.span**2 / self.scale
        return np.asarray(raw + self.tie)

    def value(self, t: Array) -> Array:
        return self._part(self.problem.value, t) / self.scale

    def best_response(self, price: Array) -> Array:
        """Return the t of each item that is best at its price, without the preference among ties."""
        slopes = np.zeros(len(self.problem.lower))
        slopes[self.free] = np.maximum(price, 0.0) * self.scale / self.span
        with np.errstate(all="ignore"):
            effort = self.problem.effort_at(slopes)[self.free]
            return np.asarray(np.clip((effort - self.lower) / self.span, 0.0, 1.0))

    def _part(self, call: Any, t: Array) -> Array:
        return np.asarray(call(self.efforts(t))[self.free])


def reduce_problem(problem: Problem) -> Reduced:
    supply, use, lower = problem.supply, problem.use, problem.lower.astype(np.float64)
    left = supply - lower @ use
    scale = np.where(np.isfinite(supply), np.maximum(supply, 1e-300), 1.0)
    if (left < -1e-9 * scale).any():
        short = [problem.resources[j] for j in np.flatnonzero(left < -1e-9 * scale)]
        raise InfeasibleError(f"the lower bounds take more than there is of {', '.join(map(repr, short))}.")
    left = np.maximum(left, 0.0)
    none_left = left <= NOTHING * scale
    with np.errstate(all="ignore"):
        reach = np.where(use > 0, left / use, np.inf).min(axis=1, initial=np.inf)
        reach[(use[:, none_left] > 0).any(axis=1)] = 0.0
        upper = np.minimum(problem.upper, lower + BEYOND * reach)
        in_floor = np.zeros(len(lower), dtype=bool)
        for floor in problem.floors:
            in_floor[floor.positions] = len(floor.positions) > 1
        flat = _flattens_at(problem, lower)
        # a curve that still grows there never flattens
        endless = np.isinf(upper) & ~(problem.value(10 * flat) <= problem.value(flat) * (1 + ENDLESS))
        upper = np.where(in_floor, upper, np.minimum(upper, flat))
    endless |= ~np.isfinite(upper)
    if endless.any():
        i = int(np.flatnonzero(endless)[0])
        raise UnboundedError(
            f"nothing limits the effort of {named(problem.items[i])}: it takes no resource that ends, has no upper "
            "bound, and its curve never flattens. Give it an upper bound."
        )
    free = np.flatnonzero((upper - lower > NOTHING * np.maximum(np.abs(lower), 1e-300)) & (upper > lower))
    span = upper[free] - lower[free]
    rows, G, h, row_scale = _rows(problem, free, span, left)
    gain = problem.value(np.where(np.isfinite(upper), upper, lower)) - problem.value(lower)
    worth = max(float(gain.max(initial=0.0)), 1e-300)
    reduced = Reduced(problem, free, lower[free], span, worth, G, h, rows, row_scale, np.zeros(len(free)))
    if len(free):
        low, high = reduced.slope(np.full(len(free), 1e-3)), reduced.slope(np.full(len(free), 1 - 1e-3))
        straight = high >= low * (1 - 1e-7)
        reduced.tie = np.where(straight, TIE * np.maximum(low, 1e-9), 0.0)
    return reduced


def _rows(
    problem: Problem, free: NDArray[np.int64], span: Array, left: Array
) -> tuple[NDArray[np.int64], Array, Array, Array]:
    """Return the rows that can bind: resources scaled to 1, floors likewise with the other sign."""
    rows, G, h, scales = [], [], [], []
    place = np.full(len(problem.lower), -1)
    place[free] = np.arange(len(free))
    for j, amount in enumerate(left):
        row = problem.use[free, j] * span
        if np.isfinite(amount) and row.sum() > amount:
            rows.append(j)
            G.append(row / amount)
            h.append(1.0)
            scales.append(amount)
    for k, floor in enumerate(problem.floors):
        needed = floor.amount - float(problem.lower[floor.positions] @ problem.use[floor.positions, floor.resource])
        if needed <= NOTHING * floor.amount:
            continue
        row = np.zeros(len(free))
        movable = floor.positions[place[floor.positions] >= 0]
        row[place[movable]] = problem.use[movable, floor.resource] * span[place[movable]] / needed
        rows.append(len(problem.supply) + k)
        G.append(-row)
        h.append(-1.0)
        scales.append(needed)
    shape = (len(rows), len(free))
    return np.array(rows, dtype=np.int64), np.array(G).reshape(shape), np.array(h), np.array(scales)


def with_floors_as_bounds(problem: Problem) -> Problem:
    """Turn the share of a segment with one action that takes the resource into a lower bound of it."""
    if not any(len(floor.positions) == 1 for floor in problem.floors):
        return problem
    lower = problem.lower.astype(np.float64)
    for floor in problem.floors:
        if len(floor.positions) == 1:
            i = int(floor.positions[0])
            lower[i] = min(max(lower[i], floor.amount / problem.use[i, floor.resource]), problem.upper[i])
    return dataclasses.replace(problem, lower=lower, _stacks_given=problem.stacks)


def with_flat_parts(problem: Problem) -> Problem:
    """Cut items that a share may push beyond where they flatten in two there: a kink inside stops Newton's method.

    The second parts bring nothing; their item is (position of the first part, None).
    """
    if not problem.floors or problem.items[-1][1] is None:
        return problem
    together = [floor.positions.tolist() for floor in problem.floors if len(floor.positions) > 1]
    members = np.array(sorted({i for positions in together for i in positions}), dtype=np.int64)
    flat = _flattens_at(problem, problem.lower)
    cut = members[(flat[members] < problem.upper[members]) & (flat[members] > problem.lower[members])]
    if not len(cut):
        return problem
    n = len(problem.items)
    upper = problem.upper.copy()
    upper[cut] = flat[cut]
    second: dict[Any, int] = {int(i): n + k for k, i in enumerate(cut)}
    floors = tuple(
        dataclasses.replace(
            # a list without numbers would make all of them floats
            f,
            positions=np.append(
                f.positions, np.array([second[i] for i in f.positions.tolist() if i in second], dtype=np.int64)
            ),
        )
        if len(f.positions) > 1
        else f
        for f in problem.floors
    )
    return Problem(
        items=(*problem.items, *((int(i), None) for i in cut)),
        curves=(*problem.curves, *([LinearCurve(0.0)] * len(cut))),
        use=np.vstack([problem.use, problem.use[cut]]),
        supply=problem.supply,
        lower=np.append(problem.lower, np.zeros(len(cut))),
        upper=np.append(upper, problem.upper[cut] - flat[cut]),
        resources=problem.resources,
        floors=floors,
    )


def _flattens_at(problem: Problem, lower: Array) -> Array:
    """Return per item the effort above which its curve brings nothing to speak of."""
    with np.errstate(all="ignore"):
        at_lower = problem.slope(lower)
        threshold = np.where(np.isfinite(at_lower), np.maximum(FLAT * at_lower, 1e-300), 1e-300)
        return np.asarray(np.maximum(problem.effort_at(threshold), lower))
