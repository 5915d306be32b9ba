"""A primal-dual interior-point method for separable concave problems with few linear rows.

Maximise ``sum_i phi_i(t_i)`` subject to ``G t <= h`` and ``0 <= t <= 1``. Every Newton step costs ``n m^2`` for n items
and m rows, because the second derivative is a diagonal (Mehrotra's predictor and corrector, Nocedal and Wright (2006),
chapter 19, doi:10.1007/978-0-387-40065-5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Point", "interior_point"]

Array = NDArray[np.float64]
MAX_ITERATIONS = 200
# Share of the way to the nearest bound that a step may go.
TO_BOUNDARY = 0.995
# Share of the distance to a bound that every effort keeps in a step.
FURTHEST = 1e-3
TOLERANCE = 1e-12
CLOSED = 1e-15
# Iterations without a smaller remaining gap after which arithmetic gives no more.
PATIENCE = 12


@dataclass
class Point:
    """Primal and dual variables: t (n,), slack s and price y of each row (m,), prices of the bounds zl, zu (n,)."""

    t: Array
    s: Array
    y: Array
    zl: Array
    zu: Array

    def gap(self) -> float:
        """Return the sum of all products of slack and price: the duality gap where both sides are feasible."""
        return float(self.s @ self.y + self.t @ self.zl + (1 - self.t) @ self.zu)

    def moved(self, step: Point, length: float) -> Point:
        """Return the point `length` along a step; efforts go at most 0.999 of the way to a bound."""
        return Point(
            np.clip(self.t + length * step.t, FURTHEST * self.t, 1 - FURTHEST * (1 - self.t)),
            self.s + length * step.s,
            self.y + length * step.y,
            self.zl + length * step.zl,
            self.zu + length * step.zu,
        )


def interior_point(
    slope: Callable[[Array], Array], curvature: Callable[[Array], Array], G: Array, h: Array, start: tuple[Array, Array]
) -> tuple[Point, int]:
    """Solve, from efforts strictly between 0 and 1 and prices above 0.

    Parameters
    ----------
    slope, curvature : callable
        First and minus the second derivative of each phi at t, both (n,).
    G : ndarray of shape (m, n)
    h : ndarray of shape (m,)
    start : tuple of ndarray of shape (n,), ndarray of shape (m,)

    Returns
    -------
    Point
        The best one found, by remaining gap and violation.
    n_iterations : int
    """
    point = _first(slope, G, h, *start)
    best, best_rest, since = point, np.inf, 0
    n_products = 2 * len(start[0]) + len(h)
    steps = 0
    gradient = slope(point.t)
    for _ in range(MAX_ITERATIONS):
        residual = gradient - G.T @ point.y + point.zl - point.zu
        missing = h - G @ point.t - point.s
        worth = max(float(gradient @ point.t), 1e-300)
        rest = (point.gap() + float(np.abs(residual) @ np.minimum(1.0, point.t + 1e-9))) / worth + float(
            np.abs(missing).max(initial=0.0)
        )
        if rest < 0.9 * best_rest:
            best, best_rest, since = point, rest, 0
        else:
            since += 1
        if best_rest < TOLERANCE or since > PATIENCE or point.gap() < CLOSED * worth:
            break
        mu = point.gap() / n_products
        solve = _Newton(point, np.maximum(curvature(point.t), 0.0), G, residual, missing)
        affine = solve(0.0, None)
        reach = _reach(point, affine, solve.steep)
        centring = (point.moved(affine, reach).gap() / n_products / mu) ** 3
        steps += 1
        step = solve(min(centring, 1.0) * mu, affine, reach**2)
        length = min(1.0, TO_BOUNDARY * _reach(point, step, solve.steep))
        point, gradient = _accepted(point, step, length, slope, G, residual)
    return best, steps


def _first(slope: Callable[[Array], Array], G: Array, h: Array, t: Array, y: Array) -> Point:
    """Start with bound prices that make the slopes agree, so that only slack and price have to meet."""
    excess = slope(t) - G.T @ y
    s = np.maximum(h - G @ t, 0.1)
    mu = 0.1 * max(float((slope(t) * t).mean()), 1e-9)
    centre = mu / (t * (1 - t))
    half = np.sqrt(0.25 * excess**2 + centre**2)
    zu = np.where(excess > 0, half + 0.5 * excess, centre**2 / (half - 0.5 * excess))
    zl = np.where(excess > 0, centre**2 / (half + 0.5 * excess), half - 0.5 * excess)
    return Point(t, s, y, zl, zu)


class _Newton:
    """One factorisation of the Newton system, solved for several right-hand sides."""

    def __init__(self, point: Point, curvature: Array, G: Array, residual: Array, missing: Array) -> None:
        self.point, self.G, self.residual, self.missing = point, G, residual, missing
        self.theta = curvature + point.zl / point.t + point.zu / (1 - point.t)
        # slopes that rise without limit at 0 make steps over the bound that must not hold up all the other items
        self.steep = curvature > point.zl / point.t + point.zu / (1 - point.t)
        self.scaled = G / self.theta
        self.schur = self.scaled @ G.T + np.diag(point.s / point.y)

    def __call__(self, mu: float, affine: Point | None, weight: float = 0.0) -> Point:
        p, G = self.point, self.G
        second = (
            (0.0, 0.0, 0.0) if affine is None else (affine.s * affine.y, affine.t * affine.zl, affine.t * affine.zu)
        )
        # what the products of slack and price should become, less what they are
        cs = mu - p.s * p.y - weight * second[0]
        cl = mu - p.t * p.zl - weight * second[1]
        cu = mu - (1 - p.t) * p.zu + weight * second[2]
        right = self.residual + cl / p.t - cu / (1 - p.t)
        # rows: G dt + ds = missing, y ds + s dy = cs; items: theta dt + G'dy = right
        rhs = self.scaled @ right - self.missing + cs / p.y
        dy = _solve(self.schur, rhs)
        dt = (right - G.T @ dy) / self.theta
        ds = (cs - p.s * dy) / p.y
        return Point(dt, ds, dy, (cl - p.zl * dt) / p.t, (cu + p.zu * dt) / (1 - p.t))


def _solve(matrix: Array, right: Array) -> Array:
    scale = 1 / np.sqrt(np.diag(matrix))
    scaled = matrix * scale[:, None] * scale[None, :]
    try:
        return np.asarray(scale * np.linalg.solve(scaled, scale * right))
    except np.linalg.LinAlgError:
        return np.asarray(scale * np.linalg.lstsq(scaled, scale * right, rcond=None)[0])


def _reach(point: Point, step: Point, steep: NDArray[np.bool_]) -> float:
    """Return how far along a step everything but the steep items stays above 0 (and t below 1), at most 1."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        worst = max(
            float(np.max(-step.t / point.t, initial=0.0, where=~steep)),
            float(np.max(step.t / (1 - point.t), initial=0.0, where=~steep)),
            float(np.max(-step.s / point.s, initial=0.0)),
            float(np.max(-step.y / point.y, initial=0.0)),
            float(np.max(-step.zl / point.zl, initial=0.0)),
            float(np.max(-step.zu / point.zu, initial=0.0)),
        )
    return 1.0 if worst <= 1.0 else 1.0 / worst


def _accepted(
    point: Point, step: Point, length: float, slope: Callable[[Array], Array], G: Array, residual: Array
) -> tuple[Point, Array]:
    """Shorten a step where slopes turn out far from what their second derivative promised; return them too."""
    before = float(np.abs(residual) @ point.t)
    allowed = max(2.0 * before, 2.0 * point.gap())
    for _ in range(6):
        new = point.moved(step, length)
        new.t = np.clip(new.t, 1e-300, 1 - 1e-16)
        gradient = slope(new.t)
        after = float(np.abs(gradient - G.T @ new.y + new.zl - new.zu) @ new.t)
        if after <= allowed:
            break
        length *= 0.5
    return new, gradient
