"""Least squares of baseline + scale * form(effort), by profile over what enters the form, and its bootstrap."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from segmentation.curves._curve import FAMILIES
from segmentation.curves._rows import Rows

__all__ = [
    "HIGHEST_RETENTION",
    "RETENTION",
    "Fitted",
    "Form",
    "Sums",
    "bootstrap",
    "first_pass",
    "held_out_errors",
    "n_points",
    "solve",
]

Array = NDArray[np.float64]
RETENTION = "retention"
HIGHEST_RETENTION = 0.95
COLUMNS_AT_ONCE = 48
# Efforts of more levels than this are put in so many bins in the search over a grid; the estimate is refined without.
LEVELS = 400
FIRST_DRAWS = 200


@dataclass(frozen=True, eq=False)
class Form:
    """A family with the bounds of the parameters that least squares cannot solve for in closed form.

    ``bounds``: name -> (lowest, highest), equal where the value is fixed; the last may be the retention. The search
    goes over logs, of the retention over -log(1 - retention).
    """

    family: str
    bounds: dict[str, tuple[float, float]]

    def axis(self, name: str, n: int, low: float | None = None, high: float | None = None) -> Array:
        """Return `n` values between two (by default between the bounds), evenly spaced on the scale of the search."""
        first, last = self.bounds[name]
        low, high = max(first, first if low is None else low), min(last, last if high is None else high)
        if low >= high:
            return np.array([low])
        steps = np.linspace(self.to_search(name, low), self.to_search(name, high), n)
        return np.asarray(self.from_search(name, steps))

    @staticmethod
    def to_search(name: str, value: Any) -> Any:
        return -np.log1p(-np.asarray(value)) if name == RETENTION else np.log(value)

    @staticmethod
    def from_search(name: str, value: Any) -> Any:
        return -np.expm1(-np.asarray(value)) if name == RETENTION else np.exp(value)

    @property
    def free(self) -> list[str]:
        return [name for name, (low, high) in self.bounds.items() if low < high]

    def grid(self, axes: dict[str, Array]) -> Array:
        """Return all combinations, of shape (n, n_bounds), retention slowest."""
        names = list(self.bounds)
        slowest = sorted(names, key=lambda name: name != RETENTION)
        rows = np.array(list(itertools.product(*(axes[name] for name in slowest))))
        return rows[:, [slowest.index(name) for name in names]].reshape(len(rows), len(names))

    def retention(self, points: Array) -> float:
        """Return the retention that all points share, 0 where the form has none."""
        names = list(self.bounds)
        return float(points[0, names.index(RETENTION)]) if RETENTION in names else 0.0

    def values(self, stock: Array, points: Array) -> Array:
        """Return the form at each point, of shape (n_efforts, n_points)."""
        inner = [i for i, name in enumerate(self.bounds) if name != RETENTION]
        if self.family == "hill" and len(points) > 1:
            return _hill_of_grid(stock, *points[:, inner].T)
        params = np.column_stack([np.ones(len(points)), points[:, inner]])
        return np.asarray(FAMILIES[self.family]._value(params, stock[:, None]))

    def columns(self, rows: Rows, points: Array) -> Array:
        """Return the form in each row at points of one retention, of shape (n_rows, n_points)."""
        return self.values(rows.stock(self.retention(points)), points)


def _hill_of_grid(stock: Array, half: Array, shape: Array) -> Array:
    """Return Hill forms of top 1: one power per shape instead of one per point, which is most of the work."""
    top = max(float(stock.max()), 1e-300)
    shapes, which = np.unique(shape, return_inverse=True)
    result = np.take((stock[:, None] / top) ** shapes, which, axis=1)
    return np.asarray(np.divide(result, result + (half / top) ** shape, out=result))


@dataclass(frozen=True, eq=False)
class Fitted:
    """Scale, baseline and the parameters of the form: one value each, or one per draw."""

    scale: Array
    baseline: Array
    points: Array


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums by group of resampling: weights and outcome, and for each point of a grid the form, its square, and both."""

    points: Array
    weight: Array
    outcome: Array
    form: Array
    square: Array
    product: Array
    outcome_square: Array
    mean_outcome: float
    mean_form: Array
    not_negative: bool

    @classmethod
    def of(
        cls, form: Form, rows: Rows, points: Array, group: NDArray[np.intp], outcomes: _Outcomes | None = None
    ) -> Sums:
        """Sum over the rows of each group, after means and controls are taken out."""
        known = _Outcomes.of(rows, group) if outcomes is None else outcomes
        binned = rows.plain and len(points) > 1
        total = (_Totals if binned else _RowTotals)(rows, known.w, known.y, group, len(known.weight))
        parts = [total.of(form, some) for some in _batches(form, points)]
        joined = [np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)]
        return cls(
            points,
            known.weight,
            known.outcome,
            joined[0],
            joined[1],
            joined[2],
            known.square,
            known.mean,
            joined[3],
            known.not_negative,
        )

    def solve(self, draw: Array) -> tuple[Array, Array, Array]:
        """Solve for each row of group weights and each point of the grid.

        Returns
        -------
        scale, baseline, gain : ndarray of shape (n_draws, n_points)
            Scale is 0 where least squares would have it negative, and so small that the baseline is not below 0 where
            no outcome is; the gain is the fall in the mean square.
        """
        n = (draw @ self.weight)[:, None]
        y = (draw @ self.outcome)[:, None] / n
        g = draw @ self.form / n
        square = np.maximum(draw @ self.square / n - g * g, 0.0)
        product = draw @ self.product / n - g * y
        tiny = 1e-14 * np.maximum(self.square.sum(axis=0) / self.weight.sum(), 1e-300)
        scale = np.where(square > tiny, np.maximum(product, 0.0) / np.maximum(square, 1e-300), 0.0)
        mean, height = self.mean_outcome + y, self.mean_form + g
        if self.not_negative:
            # what is never negative has no negative mean without effort: the curve brings the whole mean at most
            scale = np.minimum(scale, np.maximum(mean, 0.0) / np.maximum(height, 1e-300))
        return scale, mean - scale * height, scale * (2.0 * product - scale * square)

    def error(self, fitted: Fitted, column: NDArray[np.intp], chosen: NDArray[np.intp]) -> Array:
        """Return the sum of squared errors of each group under the fit of row ``chosen`` at grid point ``column``.

        ``chosen`` names for each group the row of `fitted` that did not see it.
        """
        scale, at = fitted.scale[chosen], column[chosen]
        every = np.arange(len(self.weight))
        form, square, product = self.form[every, at], self.square[every, at], self.product[every, at]
        level = fitted.baseline[chosen] - self.mean_outcome + scale * self.mean_form[at]
        return np.asarray(
            self.outcome_square
            - 2 * scale * product
            - 2 * level * self.outcome
            + scale**2 * square
            + 2 * scale * level * form
            + level**2 * self.weight
        )


@dataclass(frozen=True, eq=False)
class _Outcomes:
    """What sums have in common whatever the form: weights and outcomes of the kept rows, and their sums by group."""

    w: Array
    y: Array
    weight: Array
    outcome: Array
    square: Array
    mean: float
    not_negative: bool

    @classmethod
    def of(cls, rows: Rows, group: NDArray[np.intp]) -> _Outcomes:
        w, raw = rows.weights[rows.keep], rows.outcome[rows.keep]
        y = rows.clean(raw[:, None])[:, 0]
        n = int(group.max()) + 1
        weight, outcome, square = (np.bincount(group, column, n).astype(np.float64) for column in (w, w * y, w * y * y))
        return cls(w, y, weight, outcome, square, float(w @ raw / w.sum()), bool(raw.min() >= 0))


class _RowTotals:
    """Sums by group of the form, its square and its product with the outcome, row by row."""

    def __init__(self, rows: Rows, w: Array, y: Array, group: NDArray[np.intp], n: int) -> None:
        self.rows, self.w, self.y = rows, w, y
        # a sparse product sums columns by group several times faster than ufunc.reduceat; of one group there is no need
        self.sums: Any = w[None, :]
        if n > 1:
            self.sums = sparse.csr_matrix((w, (group, np.arange(len(w)))), shape=(n, len(w)))

    def of(self, form: Form, points: Array) -> tuple[Array, Array, Array, Array]:
        """Return the sums (n_groups, n_points) and the mean of the form (n_points,), which they are about."""
        g = form.columns(self.rows, points)
        mean = self.w @ g / self.w.sum()
        g = self.rows.clean(g)
        return self.sums @ g, self.sums @ (g * g), self.sums @ (g * self.y[:, None]), mean


class _Totals(_RowTotals):
    """The same where only the mean is taken out: by level of effort, or by bins of equal numbers of rows."""

    def __init__(self, rows: Rows, w: Array, y: Array, group: NDArray[np.intp], n: int) -> None:
        self.rows, self.w, self.y, self.group, self.n = rows, w, y, group, n
        self.known: float | None = None

    def _prepare(self, retention: float) -> None:
        """Put the rows in cells of group and level."""
        if self.known == retention:
            return
        self.known = retention
        stock = self.rows.stock(retention)
        self.levels, code = np.unique(stock, return_inverse=True)
        if len(self.levels) > LEVELS:
            position = np.cumsum(np.bincount(code)) - 1
            bins = np.unique(position * LEVELS // len(stock), return_inverse=True)[1]
            # no effort keeps its own bin, because the curve is 0 there
            bins += (self.levels[0] == 0.0) & (np.arange(len(bins)) > 0)
            code = bins[code]
            weight = np.bincount(code, self.w)
            used = np.maximum(weight, 1e-300)
            self.levels = np.bincount(code, self.w * stock) / used
        cell, shape = self.group * len(self.levels) + code, (self.n, len(self.levels))
        size = self.n * len(self.levels)
        self.weight = np.bincount(cell, self.w, size).reshape(shape)
        self.outcome = np.bincount(cell, self.w * self.y, size).reshape(shape)

    def of(self, form: Form, points: Array) -> tuple[Array, Array, Array, Array]:
        self._prepare(form.retention(points))
        g = form.values(self.levels, points)
        by_level = self.weight.sum(axis=0)
        mean = by_level @ g / by_level.sum()
        g = g - mean
        return self.weight @ g, self.weight @ (g * g), self.outcome @ g, mean


def _batches(form: Form, points: Array) -> list[Array]:
    """Cut a grid in pieces of one retention and not too many columns."""
    names = list(form.bounds)
    if RETENTION in names:
        retention = points[:, names.index(RETENTION)]
        cuts = np.flatnonzero(np.diff(retention)) + 1
        pieces = np.split(points, cuts)
    else:
        pieces = [points]
    return [piece[i : i + COLUMNS_AT_ONCE] for piece in pieces for i in range(0, len(piece), COLUMNS_AT_ONCE)]


def first_pass(form: Form, rows: Rows, group: NDArray[np.intp], *, points_per_axis: int) -> Sums:
    """Return the sums over a grid of the whole range, which the estimate and its bootstrap both start from."""
    coarse = _coarse(form, points_per_axis)
    return Sums.of(form, rows, form.grid({name: form.axis(name, coarse) for name in form.bounds}), group)


def solve(form: Form, rows: Rows, first: Sums, *, points_per_axis: int) -> Fitted:
    """Return the least squares fit: the best of the grid, then refined."""
    everything = np.zeros(int(rows.keep.sum()), dtype=np.intp)
    points_per_axis = _coarse(form, points_per_axis)
    grid = first.points
    gain = first.solve(np.ones((1, len(first.weight))))[2][0]
    best = grid[int(np.argmax(gain)) if gain.max() > 0 else len(grid) // 2]
    outcomes = _Outcomes.of(rows, everything)
    best = _refined(form, rows, best, points_per_axis, everything, outcomes)
    scale, baseline, _ = Sums.of(form, rows, best[None, :], everything, outcomes).solve(np.ones((1, 1)))
    return Fitted(scale[0], baseline[0], best[None, :])


def _coarse(form: Form, points_per_axis: int) -> int:
    """Return the number of points per axis of a first pass."""
    return points_per_axis if len(form.free) < 2 else max(2 * points_per_axis // 3, 5)


def _refined(form: Form, rows: Rows, best: Array, n: int, everything: NDArray[np.intp], outcomes: _Outcomes) -> Array:
    names = list(form.bounds)
    free = [names.index(name) for name in form.free]
    if not free:
        return best
    ends = [[float(form.to_search(names[i], end)) for end in form.bounds[names[i]]] for i in free]
    start = np.array([float(form.to_search(names[i], best[i])) for i in free])
    unit = np.array([(high - low) / (n - 1) for low, high in ends])

    def point(at: Array) -> Array:
        result = best.copy()
        for i, value in zip(free, at, strict=True):
            result[i] = np.clip(form.from_search(names[i], value), *form.bounds[names[i]])
        return result

    def loss(at: Any) -> float:
        here = point(np.atleast_1d(at))[None, :]
        return -float(Sums.of(form, rows, here, everything, outcomes).solve(np.ones((1, 1)))[2][0, 0])

    at_start = loss(start)
    if at_start == 0.0:
        return best
    if len(free) == 1:
        low, high = max(start[0] - unit[0], ends[0][0]), min(start[0] + unit[0], ends[0][1])
        found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
        new = np.array([found.x])
    else:
        simplex = np.vstack([start, start + np.diag(unit / 2)])
        lows, highs = np.array(ends).T
        simplex = np.clip(np.where(simplex > highs, 2 * start - simplex, simplex), lows, highs)
        found = optimize.minimize(
            loss,
            start,
            method="Nelder-Mead",
            bounds=ends,
            options={"initial_simplex": simplex, "xatol": 1e-6, "fatol": 1e-12 * abs(at_start), "maxfev": 400},
        )
        new = np.asarray(found.x)
    return point(new) if loss(new) <= at_start else best


def bootstrap(
    form: Form, rows: Rows, group: NDArray[np.intp], draw: Array, first_sums: Sums, *, points_per_axis: int
) -> Fitted:
    """Return the fit under each row of group weights.

    A first pass over the whole range with some of the draws shows where the parameters lie; the second has its grid
    there, so that its steps are small beside what is not known.
    """
    names = list(form.bounds)
    coarse = _coarse(form, points_per_axis)
    first = _best_of_grid(first_sums, draw[:FIRST_DRAWS])
    axes = {}
    for i, name in enumerate(names):
        found = form.to_search(name, first.points[first.scale > 0, i]) if (first.scale > 0).any() else np.array([])
        if not found.size or name not in form.free:
            axes[name] = form.axis(name, points_per_axis)
            continue
        low, high = (float(form.to_search(name, end)) for end in form.bounds[name])
        step = (high - low) / (coarse - 1)
        low, high = found.min() - 1.5 * step, found.max() + 1.5 * step
        axes[name] = form.axis(name, points_per_axis, *(float(form.from_search(name, end)) for end in (low, high)))
    return _best_of_grid(Sums.of(form, rows, form.grid(axes), group), draw)


def held_out_errors(
    form: Form, rows: Rows, group: NDArray[np.intp], fold: NDArray[np.intp], *, points_per_axis: int
) -> Array:
    """Return the squared error of each group under the fit to the other folds; `fold` is the fold of each group."""
    grid = form.grid({name: form.axis(name, points_per_axis) for name in form.bounds})
    sums = Sums.of(form, rows, grid, group)
    folds = np.unique(fold)
    train = (fold[None, :] != folds[:, None]).astype(np.float64)
    scale, baseline, gain = sums.solve(train)
    best, each = np.argmax(gain, axis=1), np.arange(len(folds))
    fitted = Fitted(scale[each, best], baseline[each, best], sums.points[best])
    return sums.error(fitted, best, np.searchsorted(folds, fold))


def _best_of_grid(sums: Sums, draw: Array) -> Fitted:
    scale, baseline, gain = sums.solve(draw)
    best = np.argmax(gain, axis=1)
    rows = np.arange(len(draw))
    points = sums.points[best]
    # without any rise the form says nothing: take the middle of the grid, not its first point
    points[scale[rows, best] == 0] = sums.points[len(sums.points) // 2]
    return Fitted(scale[rows, best], baseline[rows, best], points)


def n_points(n_free: int) -> int:
    """Return the number of grid points per free parameter."""
    return {0: 1, 1: 60, 2: 16}[n_free] if n_free < 3 else math.ceil(500 ** (1 / n_free))
