"""Draws of several curves at once, given one series of outcomes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from segmentation.curves._joint_forms import Candidates

__all__ = ["Errors", "Sample", "Series", "draw_curves", "largest_ratio"]

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
# What lasts of an error from one period to the next is one of these.
PERSISTENCE = np.linspace(-0.2, 0.9, 12)
CHAINS = 8
PILOT, PILOT_BURN = 60, 20
# A column that controls explain to this share of its sum of squares says nothing.
NOTHING = 1e-8
# Beyond so many standard deviations a normal value is not met.
TAIL = 9.0


@dataclass(frozen=True, eq=False)
class Series:
    """Outcomes (n,), in shares of their mean size, and what is held equal (n, p), with a column of ones.

    ``whole``: the mean outcome where no outcome is negative, so that efforts cannot bring more; else infinite.
    """

    outcome: Array
    held: Array
    whole: float


def _lag(x: Array, persistence: float) -> Array:
    """Take out of each value what lasts of the one before, along the first axis."""
    result = x.copy()
    result[1:] -= persistence * x[:-1]
    result[0] *= math.sqrt(1.0 - persistence**2)
    return result


def _back(x: Array, persistence: float) -> Array:
    """Apply the transpose of `_lag`."""
    result = x.copy()
    result[0] *= math.sqrt(1.0 - persistence**2)
    result[:-1] -= persistence * x[1:]
    return result


@dataclass(eq=False)
class Errors:
    """Errors of which a share lasts: sums of squares after what is held equal is taken out.

    ``log_weight``: what the data say of the persistence beside the sum of squares.
    """

    persistence: float
    basis: Array
    log_weight: float
    squares: dict[int, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, held: Array, persistence: float) -> Errors:
        size = np.sqrt((held**2).mean(axis=0))
        left, values, _ = np.linalg.svd(_lag(held / size, persistence), full_matrices=False)
        log_weight = 0.5 * math.log(1.0 - persistence**2) - float(np.log(values).sum())
        return cls(persistence, left, log_weight)

    def apply(self, x: Array) -> Array:
        """Return the columns as they enter sums of products with others."""
        lagged = _lag(x, self.persistence)
        return _back(lagged - self.basis @ (self.basis.T @ lagged), self.persistence)

    def left(self, x: Array) -> Array:
        """Return the sum of squares of each column."""
        lagged = _lag(x, self.persistence)
        return np.asarray((lagged**2).sum(axis=0) - ((self.basis.T @ lagged) ** 2).sum(axis=0))

    def squares_of(self, j: int, candidates: Candidates) -> Array:
        """Return the sums of squares of all candidates of effort j."""
        if j not in self.squares:
            lagged = (_lag(candidates.columns, self.persistence) ** 2).sum(axis=0)
            self.squares[j] = np.maximum(self.left(candidates.columns), NOTHING * lagged)
        return self.squares[j]


@dataclass(frozen=True, eq=False)
class Sample:
    """Draws, chain by chain: (n_chains, n_sweeps, n_efforts) but for ``persistence`` and ``spread`` of the errors.

    ``scale``: 0 where the effort does nothing; ``share``: what it brings, in shares of the mean outcome; ``point``:
    number of the candidate, -1 where it does nothing.
    """

    scale: Array
    share: Array
    point: Ints
    persistence: Array
    spread: Array


def _log_difference(high: Array, low: Array) -> Array:
    """Return log(exp(high) - exp(low))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(high + np.log1p(-np.exp(np.minimum(low - high, 0.0))))


def _tails(low: Array, high: Array, right: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return two log probabilities whose difference is that of a normal value between low and high.

    Of the nearer tail, so that nothing vanishes far out. The farther end is looked at only where it matters.
    """
    near = log_ndtr(-np.abs(low))
    far = np.where(right, -np.inf, 0.0)
    with np.errstate(over="ignore"):
        close = np.where(right, high * high - low * low < TAIL**2, high < TAIL)
    far[close] = log_ndtr(np.where(right, -high, high)[close])
    return np.where(right, near, far), np.where(right, far, near)


class _Chains:
    """Gibbs draws of all chains at once: for each effort in turn, whether it works, its curve, and its scale.

    Given the other efforts all three are drawn together from their exact distribution over the grid: the scale of a
    curve has a truncated normal distribution with a known integral.
    """

    def __init__(self, series: Series, candidates: Sequence[Candidates], rng: np.random.Generator) -> None:
        self.series, self.candidates, self.rng = series, candidates, rng
        self.errors = [Errors.of(series.held, float(p)) for p in PERSISTENCE]
        n, j = len(series.outcome), len(candidates)
        self.scale, self.share = np.zeros((CHAINS, j)), np.zeros((CHAINS, j))
        self.point = np.full((CHAINS, j), -1, dtype=np.intp)
        self.column, self.applied = np.zeros((CHAINS, j, n)), np.zeros((CHAINS, j, n))
        self.which = np.full(CHAINS, int(np.argmin(np.abs(PERSISTENCE))), dtype=np.intp)
        self.spread = np.ones(CHAINS)
        self.draw_errors()

    def move_to(self, candidates: Sequence[Candidates]) -> None:
        """Go on with other grids, from the nearest point of each."""
        for j, (old, new) in enumerate(zip(self.candidates, candidates, strict=True)):
            if new is old:
                continue
            for errors in self.errors:
                errors.squares.pop(j, None)
            form = old.form
            here, there = (
                np.column_stack([form.to_search(name, c.points[:, i]) for i, name in enumerate(form.bounds)])
                for c in (old, new)
            )
            width = np.maximum(np.ptp(there, axis=0), 1e-12)
            for c in np.flatnonzero(self.point[:, j] >= 0):
                gap = ((there - here[self.point[c, j]]) / width) ** 2
                # of two as near, always the first, however sums are rounded
                k = int(np.argmin(np.round(gap.sum(axis=1), 9)))
                self.point[c, j] = k
                self.column[c, j] = new.columns[:, k]
                self.share[c, j] = min(self.scale[c, j] * new.mean[k], self._room(j)[c])
                self.scale[c, j] = self.share[c, j] / new.mean[k]
        self.candidates = candidates
        self.draw_errors()

    def _room(self, j: int) -> Array:
        """Return the share of the outcome that the other efforts leave to effort j."""
        taken = self.share.sum(axis=1) - self.share[:, j]
        return np.asarray(np.maximum(self.series.whole - taken, 1e-9))

    def draw_errors(self) -> None:
        """Draw persistence and spread of the errors given the curves."""
        rest = self.series.outcome - np.einsum("cj,cjn->cn", self.scale, self.column)
        free = self.series.held.shape[0] - self.errors[0].basis.shape[1]
        squares = np.array([errors.left(rest.T) for errors in self.errors])
        squares = np.maximum(squares, 1e-20 * len(self.series.outcome))
        chance = np.array([errors.log_weight for errors in self.errors])[:, None] - 0.5 * free * np.log(squares)
        chance = np.exp(chance - chance.max(axis=0)).cumsum(axis=0)
        drawn = self.rng.random(CHAINS) * chance[-1]
        self.which = np.minimum((chance < drawn).sum(axis=0), len(self.errors) - 1)
        each = np.arange(CHAINS)
        self.spread = np.sqrt(squares[self.which, each] / self.rng.chisquare(free, CHAINS))
        self.left = np.empty_like(rest)
        for k in np.unique(self.which):
            here = np.flatnonzero(self.which == k)
            self.left[here] = self.errors[k].apply(rest[here].T).T
            flat = self.errors[k].apply(self.column[here].reshape(-1, rest.shape[1]).T).T
            self.applied[here] = flat.reshape(len(here), -1, rest.shape[1])

    def sweep(self) -> None:
        for j in self.rng.permutation(len(self.candidates)):
            self._draw_effort(int(j))

    def _draw_effort(self, j: int) -> None:
        these, each = self.candidates[j], np.arange(CHAINS)
        self.left += self.scale[:, j, None] * self.applied[:, j]
        product = self.left @ these.columns
        square = np.array([self.errors[k].squares_of(j, these) for k in self.which])
        variance = self.spread[:, None] ** 2
        rate = these.mean / these.expected.share
        mean, deviation = (product - rate * variance) / square, np.sqrt(variance / square)
        room = self._room(j)[:, None] / these.mean
        low, high = -mean / deviation, (room - mean) / deviation
        right = low > 0
        outer, inner = _tails(low, high, right)
        inside = _log_difference(outer, inner)
        log_chance = these.weight + np.log(rate * deviation * math.sqrt(2 * math.pi)) + 0.5 * low**2 + inside
        log_chance += math.log(these.expected.works)
        nothing = math.log1p(-these.expected.works) if these.expected.works < 1 else -math.inf
        top = np.maximum(log_chance.max(axis=1), nothing)
        chance = np.exp(log_chance - top[:, None]).cumsum(axis=1)
        drawn = self.rng.random(CHAINS) * (chance[:, -1] + np.exp(nothing - top))
        works = drawn < chance[:, -1]
        k = np.minimum((chance < drawn[:, None]).sum(axis=1), len(these.mean) - 1)
        a, b, m, d = outer[each, k], inner[each, k], mean[each, k], deviation[each, k]
        with np.errstate(divide="ignore"):
            share_inside = self.rng.random(CHAINS)
            log_tail = np.logaddexp(b, np.log(share_inside) + _log_difference(a, b))
        normal = ndtri_exp(np.minimum(log_tail, -1e-300))
        scale = m + d * np.where(right[each, k], -normal, normal)
        scale = np.where(works, np.clip(scale, 0.0, room[each, k]), 0.0)
        self.point[:, j] = np.where(works, k, -1)
        self.scale[:, j], self.share[:, j] = scale, scale * these.mean[k]
        self.column[:, j] = np.where(works[:, None], these.columns[:, k].T, 0.0)
        for i in np.unique(self.which):
            here = np.flatnonzero(self.which == i)
            self.applied[here, j] = self.errors[i].apply(self.column[here, j].T).T
        self.left -= scale[:, None] * self.applied[:, j]

    def run(self, n_sweeps: int, thin: int = 1) -> Sample:
        """Return what every `thin`-th of the sweeps draws."""
        kept: list[tuple[Any, ...]] = []
        for step in range(n_sweeps * thin):
            self.sweep()
            self.draw_errors()
            if (step + 1) % thin == 0:
                kept.append(
                    (self.scale.copy(), self.share.copy(), self.point.copy(), PERSISTENCE[self.which], self.spread)
                )
        return Sample(*(np.stack(parts, axis=1) for parts in zip(*kept, strict=True)))


def draw_curves(
    series: Series, candidates: Sequence[Candidates], n_draws: int, rng: np.random.Generator
) -> tuple[Sample, list[Candidates]]:
    """Draw curves: a few sweeps show where they lie, finer grids there give the draws.

    Chains go on until their means agree, at most four times as long.
    """
    chains = _Chains(series, candidates, rng)
    current = list(candidates)
    for _ in range(2):
        chains.run(PILOT_BURN)
        pilot = chains.run(PILOT)
        seen = [pilot.point[:, :, j].ravel() for j in range(len(current))]
        current = [c.narrowed(c.points[drawn[drawn >= 0]]) for c, drawn in zip(current, seen, strict=True)]
        chains.move_to(current)
    chains.run(PILOT_BURN)
    per_chain = math.ceil(n_draws / CHAINS)
    for thin in (1, 2, 4):
        sample = chains.run(per_chain, thin)
        if largest_ratio(sample) < 1.05:
            break
    return sample, current


def largest_ratio(sample: Sample) -> float:
    """Return the largest ratio of the spread of all draws to that within chains, of any share (1: chains agree)."""
    share, n = sample.share, sample.share.shape[1]
    within = share.var(axis=1, ddof=1).mean(axis=0)
    between = share.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(np.where(within > 0, (n - 1) / n + between / within, 1.0))
    return float(ratio.max(initial=1.0))
