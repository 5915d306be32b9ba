"""The curves that are thought possible for each of several efforts, and how likely before the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from segmentation.curves._forms import parameter_ranges
from segmentation.curves._profile import HIGHEST_RETENTION, RETENTION, Form

__all__ = ["Candidates", "Expectation", "carried", "form_for", "log_prior"]

Array = NDArray[np.float64]
# Standard deviation of the log of the effort that brings half: within a factor of 7 of the typical one in 95 of 100.
HALF_SPREAD = 1.0
SHAPE_SPREAD = 0.5
POINTS = {0: 1, 1: 40, 2: 12, 3: 7}
# Values per axis over which a prior is summed to 1.
FINE = 401
# Draws in which an effort works, below which its grid is not narrowed.
ENOUGH_DRAWS = 40


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is expected of an effort before the data.

    ``share``: mean of an exponential prior of its share of the outcome where it works at all; ``works``: the chance
    that it does; ``typical``: the effort about which half of the rise is looked for.
    """

    share: float
    works: float
    typical: float


def carried(effort: Array, retention: float) -> Array:
    """Return the running mean of one series of efforts, as `Rows.stock` has it; it starts at the mean effort."""
    if retention == 0.0:
        return effort
    start = np.array([retention * effort.mean()])
    return np.asarray(lfilter([1.0 - retention], [1.0, -retention], effort, zi=start)[0])


def form_for(family: str, effort: Array, carry_over: str | float | None) -> Form:
    """Return the form of an effort, over the same range of parameters as for a single effort.

    Of two levels without carry-over, a straight line.
    """
    low, high = float(np.quantile(effort[effort > 0], 0.05)), float(effort.max())
    if carry_over in (None, 0) and len(np.unique(effort)) == 2:
        return Form("linear", {"cap": (high, high)})
    bounds = parameter_ranges(family, low, high)
    if carry_over == "geometric":
        bounds[RETENTION] = (0.0, HIGHEST_RETENTION)
    elif carry_over not in (None, 0):
        bounds[RETENTION] = (float(carry_over), float(carry_over))
    return Form(family, bounds)


def log_prior(form: Form, typical: float, name: str, value: Array) -> Array:
    """Return the log density of a parameter on the scale of the search, up to a constant."""
    if name == RETENTION:  # each retention as likely as any other
        return np.asarray(np.log1p(-value))
    if name == "shape":
        return np.asarray(-0.5 * (np.log(value) / SHAPE_SPREAD) ** 2)
    if name == "exponent":  # each exponent as likely as any other
        return np.log(value)
    if name == "cap":
        return np.zeros_like(value)
    half = value if name == "half" else (math.log(2.0) if form.family == "exponential" else 1.0) / value
    return np.asarray(-0.5 * (np.log(half / typical) / HALF_SPREAD) ** 2)


@dataclass(frozen=True, eq=False)
class Candidates:
    """A grid of curves of one effort.

    ``axes``: parameter -> values; ``points`` (n_points, n_parameters); ``columns`` (n_periods, n_points): the form in
    each period; ``mean`` (n_points,): its mean; ``weight`` (n_points,): log of the prior probability of the point.
    """

    form: Form
    effort: Array
    expected: Expectation
    axes: dict[str, Array]
    points: Array
    columns: Array
    mean: Array
    weight: Array

    @classmethod
    def of(cls, form: Form, effort: Array, expected: Expectation, axes: dict[str, Array] | None = None) -> Candidates:
        """Return the candidates over the whole range, or over the axes given."""
        n = POINTS[len(form.free)]
        axes = {name: form.axis(name, n) for name in form.bounds} if axes is None else axes
        points = form.grid(axes)
        columns = np.empty((len(effort), len(points)))
        names = list(form.bounds)
        if RETENTION in names:
            each = points[:, names.index(RETENTION)]
            for retention in np.unique(each):
                here = each == retention
                columns[:, here] = form.values(carried(effort, float(retention)), points[here])
        else:
            columns[:] = form.values(effort, points)
        weight = np.zeros(len(points))
        for i, name in enumerate(names):
            if name in form.free:
                whole = form.axis(name, FINE)
                total = (np.exp(log_prior(form, expected.typical, name, whole)) * _widths(form, name, whole)).sum()
                each = log_prior(form, expected.typical, name, axes[name]) + np.log(
                    _widths(form, name, axes[name]) / total
                )
                weight += each[np.searchsorted(axes[name], points[:, i])]
        return cls(form, effort, expected, axes, points, columns, columns.mean(axis=0), weight)

    def narrowed(self, seen: Array) -> Candidates:
        """Return a finer grid about the points that were drawn, of shape (n_draws, n_parameters)."""
        if len(seen) < ENOUGH_DRAWS or not self.form.free:
            return self
        axes = dict(self.axes)
        for i, name in enumerate(self.form.bounds):
            if name in self.form.free:
                found, step = self.form.to_search(name, seen[:, i]), _step(self.form, name, self.axes[name])
                ends = (found.min() - 1.5 * step, found.max() + 1.5 * step)
                low, high = (float(self.form.from_search(name, end)) for end in ends)
                axes[name] = self.form.axis(name, len(self.axes[name]), low, high)
        return Candidates.of(self.form, self.effort, self.expected, axes)

    def prior_points(self, n: int, rng: np.random.Generator) -> Array:
        """Return points drawn from the prior over this grid."""
        chance = np.exp(self.weight - self.weight.max())
        return np.asarray(self.points[rng.choice(len(self.points), n, p=chance / chance.sum())])


def _widths(form: Form, name: str, axis: Array) -> Array:
    """Return how much of the scale of the search each value stands for: half as much at an end of the range."""
    widths = np.full(len(axis), _step(form, name, axis))
    for i, end in ((0, form.bounds[name][0]), (-1, form.bounds[name][1])):
        if math.isclose(axis[i], end, rel_tol=1e-9):
            widths[i] /= 2
    return widths


def _step(form: Form, name: str, axis: Array) -> float:
    ends: Any = form.to_search(name, axis[[0, -1]])
    return float(ends[1] - ends[0]) / (len(axis) - 1)
