"""The curves of a problem in every draw at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.allocation._problem import Problem, _curvature
from segmentation.curves import HillCurve, LinearCurve, ResponseCurve

__all__ = ["DrawnProblem", "drawn_problem"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Stack:
    """Items of one family: their positions, parameters (rows * k, p) of D rows, or of one where nothing is drawn."""

    family: type[ResponseCurve]
    where: NDArray[np.int64]
    params: Array
    rows: int


@dataclass(frozen=True, eq=False)
class DrawnProblem(Problem):
    """A problem whose outcome is the mean over draws; also gives each draw's.

    Draws beyond those of the curve with the fewest are left out; curves without draws are the same in all.
    """

    @cached_property
    def n_draws(self) -> int:
        return min(len(curve.draws) for curve in self.curves if curve.draws is not None)

    @cached_property
    def drawn(self) -> tuple[_Stack, ...]:
        found: dict[tuple[type[ResponseCurve], bool], list[int]] = {}
        for i, curve in enumerate(self.curves):
            found.setdefault((type(curve), curve.draws is not None), []).append(i)
        stacks = []
        for (family, has_draws), where in found.items():
            rows = self.n_draws if has_draws else 1
            each = [
                curve._params[None, :] if curve.draws is None else curve.draws[:rows]
                for curve in (self.curves[i] for i in where)
            ]
            params = np.stack(each, axis=1)
            stacks.append(_Stack(family, np.array(where), params.reshape(rows * len(where), -1), rows))
        return tuple(stacks)

    def _each(self, call: Any, x: Array) -> Array:
        result = np.empty((self.n_draws, len(x)))
        with np.errstate(all="ignore"):
            for stack in self.drawn:
                tiled = np.tile(x[stack.where], stack.rows)
                values = call(stack.family, stack.params, tiled)
                result[:, stack.where] = values.reshape(stack.rows, len(stack.where))
        return result

    def value_draws(self, x: Array) -> Array:
        """Return the outcome of each item in each draw, (D, n)."""
        return self._each(lambda family, params, part: family._value(params, part), x)

    def slope_draws(self, x: Array) -> Array:
        """Return the slope of each item in each draw, (D, n)."""
        return self._each(lambda family, params, part: family._slope(params, part), x)

    def conjugate_draws(self, price: Array, lower: Array, upper: Array) -> Array:
        """Return the most that value less price can be within bounds, (D, n)."""
        result = np.empty((self.n_draws, len(price)))
        with np.errstate(all="ignore"):
            for stack in self.drawn:
                where, rows = stack.where, stack.rows
                slope = np.tile(price[where], rows)
                effort = stack.family._effort_at(stack.params, slope)
                effort = np.clip(effort, np.tile(lower[where], rows), np.tile(upper[where], rows))
                surplus = stack.family._value(stack.params, effort) - slope * effort
                result[:, where] = surplus.reshape(rows, len(where))
        return result

    def with_curvature(self, x: Array) -> tuple[Array, Array, Array]:
        """Return value, slope and how fast it falls in each draw, each (D, n)."""
        return self.value_draws(x), self.slope_draws(x), self._each(_curvature, x)

    def line_ends(self) -> Array:
        """Return where capped lines end in each draw, (D, n); NaN for other curves."""
        result = np.full((self.n_draws, len(self.curves)), np.nan)
        for stack in self.drawn:
            if stack.family is LinearCurve:
                result[:, stack.where] = stack.params[:, 1].reshape(stack.rows, len(stack.where))
        return result

    # ------------------------------------------------------------------ the mean, for what reduces a problem
    def value(self, x: Array) -> Array:
        """Return the mean outcome of each item over the draws, (n,)."""
        return np.asarray(self.value_draws(x).mean(axis=0))

    def slope(self, x: Array) -> Array:
        """Return the mean slope of each item over the draws, (n,)."""
        return np.asarray(self.slope_draws(x).mean(axis=0))

    def effort_at(self, slope: Array) -> Array:
        """Return per item the largest effort at which the slope is so much in any draw, (n,)."""
        result = np.empty(len(slope))
        with np.errstate(all="ignore"):
            for stack in self.drawn:
                effort = stack.family._effort_at(stack.params, np.tile(slope[stack.where], stack.rows))
                result[stack.where] = effort.reshape(stack.rows, -1).max(axis=0)
        return result


def drawn_problem(problem: Problem) -> DrawnProblem:
    """Return the problem with its draws, or say why criteria over draws cannot be maximised."""
    without = [item for item, curve in zip(problem.items, problem.curves, strict=True) if curve.draws is None]
    if len(without) == len(problem.items):
        raise ValueError(
            "risk needs curves with draws of their parameters, and none has any: fit them (fit_response_curve), give "
            "se= to from_lift or uncertainty= to from_points, or leave risk out."
        )
    _check_continuous(problem)
    _check_concave(problem)
    names = ("items", "curves", "use", "supply", "lower", "upper", "resources", "floors")
    return DrawnProblem(**{name: getattr(problem, name) for name in names})


def _check_continuous(problem: Problem) -> None:
    parts = {
        "whole units (integer=True)": problem.integer,
        "fixed costs": problem.fixed_cost,
        "fixed use of resources": problem.fixed,
        "all-or-nothing efforts": problem.optional,
    }
    found = [name for name, value in parts.items() if value is not None and np.asarray(value).any()]
    found += ["exclusive actions"] if problem.exclusive else []
    if found:
        raise ValueError(
            f"risk is for efforts that can be divided at will, and the problem has {', '.join(found)}. Leave risk out, "
            "or leave these out, look at the plan, and fix with bounds what it should round to."
        )


def _check_concave(problem: Problem) -> None:
    wrong = {}
    for item, curve in zip(problem.items, problem.curves, strict=True):
        if curve.draws is None:
            n = 0 if curve.concave else 1
        elif isinstance(curve, HillCurve):
            n = int((curve.draws[:, curve.parameter_names.index("shape")] > 1).sum())
        elif type(curve).concave is ResponseCurve.concave:
            n = 0
        else:
            n = sum(
                not type(curve)(**dict(zip(curve.parameter_names, row, strict=True))).concave
                for row in curve.draws.tolist()
            )
        if n:
            wrong[item] = f"{item!r} (in {count(n, 'draw')})"
    if wrong:
        raise ValueError(
            "risk needs curves that flatten from the start in every draw, and these are S-shaped: "
            f"{name_some(wrong.values())}. Fit a family that flattens (exponential, log, power), or leave risk out."
        )
