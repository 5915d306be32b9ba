"""An interior-point method for concave criteria over draws of separable concave curves.

Maximise ``c(T_1(t), ..., T_D(t))`` subject to ``G t <= h`` and ``0 <= t <= 1``, where T_d is the total of draw d. Every
criterion is a worst case over weights of the draws, so that the weights are the dual variables of
``v_d <= T_d(t)``, and the Newton system has one row per item and per constraint, however many draws there are
(Mehrotra's predictor and corrector, Nocedal and Wright (2006), chapters 16 and 19, doi:10.1007/978-0-387-40065-5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

__all__ = ["Criterion", "Found", "maximise"]

Array = NDArray[np.float64]
MAX_ITERATIONS = 120
TO_BOUNDARY = 0.995
FURTHEST = 1e-3
TOLERANCE = 1e-11
PATIENCE = 15
# total (D,), slope and curvature by draw (D, n), corners left out
Curves = Callable[[Array], tuple[Array, Array, Array]]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Criterion:
    """A concave criterion of totals.

    Attributes
    ----------
    most : float
        The largest weight of a draw in a worst case, 1 / (share * D); inf where there is none.
    bend : float
        ``D / (2 * aversion)`` of mean less variance; 0 for others.
    weights : ndarray of shape (D,), optional
        Weights that are given, and not a worst case.
    equal : ndarray of bool of shape (D,), optional
        Draws whose total counts as it is, in which direction it may go (only with `bend`, and straight curves).
    """

    most: float = np.inf
    bend: float = 0.0
    weights: Array | None = None
    equal: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Corners:
    """Capped lines, ``height * min(t, cap)`` with 0 < cap < 1 each, of an item in a draw.

    Each becomes a variable of its own, at most t and at most the cap, so that there is no corner any more.
    """

    draw: Indices
    item: Indices
    height: Array
    cap: Array

    @classmethod
    def none(cls) -> Corners:
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))

    def by_draw(self, values: Array, n_draws: int) -> Array:
        return np.asarray(np.bincount(self.draw, values, n_draws), dtype=np.float64)

    def by_item(self, values: Array, n: int) -> Array:
        return np.asarray(np.bincount(self.item, values, n), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Found:
    """Shares t (n,), prices y of the rows (m,), weights w of the draws (D,)."""

    t: Array
    y: Array
    w: Array
    steps: int


@dataclass
class _State:
    t: Array
    zl: Array
    zu: Array
    y: Array
    z: Array
    # of the draws: weight, slack, shortfall below the level
    w: Array
    s: Array
    u: Array
    # the level: threshold of the worst draws, or mean of what counts
    level: float
    # of the corners: what counts, its distance from t and from the cap, and the prices of these
    v: Array
    p: Array
    q: Array
    a: Array
    b: Array

    def positive(self, criterion: Criterion) -> list[tuple[Array, str]]:
        names = ["zl", "zu", "y", "z", "p", "q", "a", "b"]
        names += [] if criterion.weights is not None else ["w", "s"]
        names += ["u"] if np.isfinite(criterion.most) else []
        return [(getattr(self, name), name) for name in names]


def maximise(
    curves: Curves,
    G: Array,
    h: Array,
    criterion: Criterion,
    n: int,
    *,
    corners: Corners | None = None,
    start: Array | None = None,
    tolerance: float = TOLERANCE,
) -> Found:
    """Solve; from shares strictly between 0 and 1 where given.

    Parameters
    ----------
    curves : callable
        ``curves(t)`` gives total (D,), slopes and curvatures (D, n), without the corners.
    G : ndarray of shape (m, n)
    h : ndarray of shape (m,)
    criterion : Criterion
    n : int
    corners : Corners, optional
    start : ndarray of shape (n,), optional
    tolerance : float
        Of the remaining gap and violation, relative to the total.
    """
    return _Method(curves, G, h, criterion, corners or Corners.none()).run(n, start, tolerance)


class _Method:
    def __init__(self, curves: Curves, G: Array, h: Array, criterion: Criterion, corners: Corners) -> None:
        self.curves, self.G, self.h, self.c, self.k = curves, G, h, criterion, corners

    def run(self, n: int, start: Array | None, tolerance: float) -> Found:
        t = np.full(n, 0.25) if start is None else np.clip(start, 0.01, 0.99)
        if len(self.G):
            resource = self.h > 0
            over = float((self.G[resource] @ t).max(initial=0.0))
            t = np.clip(t * min(1.0, 0.9 / max(over, 1e-300)), 1e-4, 0.99)
        values = self.curves(t)
        state = self._first(t, *values[:2])
        best, best_rest, since, steps = state, np.inf, 0, 0
        for _ in range(MAX_ITERATIONS):
            system = _System(self, state, values)
            worth = max(abs(float(state.w @ values[0])), 1e-12)
            gap = self._gap(state)
            rest = gap / worth + system.violation
            if rest < 0.9 * best_rest:
                best, best_rest, since = state, rest, 0
            else:
                since += 1
            if best_rest < tolerance or since > PATIENCE or not np.isfinite(rest):
                break
            mu = gap / self._products(state)
            affine = system.step(0.0, None, 0.0)
            reach = self._reach(state, affine, system.steep)
            centring = (self._gap(self._moved(state, affine, reach)) / max(gap, 1e-300)) ** 3
            step = system.step(float(np.clip(centring, 1e-6, 1.0)) * mu, affine, reach**2)
            steps += 1
            length = min(1.0, TO_BOUNDARY * self._reach(state, step, system.steep))
            state, values = self._accepted(state, step, length, system, gap)
        return Found(best.t, best.y, best.w, steps)

    # ------------------------------------------------------------------ start
    def _first(self, t: Array, total: Array, slope: Array) -> _State:
        n_draws, c, k = len(total), self.c, self.k
        v = 0.5 * np.minimum(t[k.item], k.cap)
        total = total + k.by_draw(k.height * v, n_draws)
        w = np.full(n_draws, 1.0 / n_draws) if c.weights is None else c.weights
        price = np.maximum(w[k.draw] * k.height, 0.0) / 2 + 1e-9
        gradient = w @ slope + k.by_item(price, len(t))
        corner = (v, t[k.item] - v, k.cap - v, price, price.copy())
        mu = 0.1 * max(float((np.abs(gradient) * t).mean()), 1e-9)
        y = np.full(len(self.h), max(float(np.median(gradient * t)), 1e-6))
        excess = gradient - self.G.T @ y
        centre = mu / (t * (1 - t))
        half = np.sqrt(0.25 * excess**2 + centre**2)
        zu = np.where(excess > 0, half + 0.5 * excess, centre**2 / (half - 0.5 * excess))
        zl = np.where(excess > 0, centre**2 / (half + 0.5 * excess), half - 0.5 * excess)
        z = np.maximum(self.h - self.G @ t, 0.1)
        level = float(total.mean())
        wide = 0.1 * max(float(total.std()), 1e-3 * abs(level), 1e-9)
        if c.bend:
            s = np.maximum(total - level, wide)
            if c.equal is not None:
                s = np.where(c.equal, 0.0, s)
            return _State(t, zl, zu, y, z, w, s, np.zeros(n_draws), level, *corner)
        below = level - total
        u = 0.5 * (below + np.sqrt(below**2 + 4 * wide**2))
        return _State(t, zl, zu, y, z, w, u - below, u, level, *corner)

    # ------------------------------------------------------------------ what is left
    def _gap(self, p: _State) -> float:
        result = float(p.z @ p.y + p.t @ p.zl + (1 - p.t) @ p.zu + p.a @ p.p + p.b @ p.q)
        if self.c.weights is None:
            result += float(p.s @ p.w)
            if np.isfinite(self.c.most):
                result += float(p.u @ (self.c.most - p.w))
        return result

    def _products(self, p: _State) -> int:
        n = 2 * len(p.t) + len(p.y) + 2 * len(p.v)
        if self.c.weights is None:
            n += len(p.w) * (2 if np.isfinite(self.c.most) else 1)
        return n

    def _reach(self, p: _State, d: _State, steep: NDArray[np.bool_]) -> float:
        def worst(step: Array, value: Array, where: NDArray[np.bool_]) -> float:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                return float(np.max(-step / value, initial=0.0, where=where))

        worst_of = [worst(d.t, p.t, ~steep), worst(-d.t, 1 - p.t, ~steep)]
        for value, name in p.positive(self.c):
            where = np.ones(len(value), dtype=bool)
            if self.c.equal is not None and name in ("w", "s"):
                where = ~self.c.equal
            worst_of.append(worst(getattr(d, name), value, where))
        if np.isfinite(self.c.most):
            worst_of.append(worst(-d.w, self.c.most - p.w, np.ones(len(p.w), dtype=bool)))
        most = max(worst_of)
        return 1.0 if most <= 1.0 else 1.0 / most

    def _moved(self, p: _State, d: _State, length: float) -> _State:
        moved = {f.name: getattr(p, f.name) + length * getattr(d, f.name) for f in fields(_State)}
        moved["t"] = np.clip(moved["t"], FURTHEST * p.t, 1 - FURTHEST * (1 - p.t))
        return _State(**moved)

    def _accepted(
        self, p: _State, d: _State, length: float, system: _System, gap: float
    ) -> tuple[_State, tuple[Array, Array, Array]]:
        """Shorten a step where slopes turn out far from what their second derivative promised."""
        allowed = max(2.0 * float(np.abs(system.residual) @ p.t), 2.0 * gap)
        for _ in range(6):
            new = self._moved(p, d, length)
            new = replace(new, t=np.clip(new.t, 1e-300, 1 - 1e-16))
            values = self.curves(new.t)
            gradient = new.w @ values[1] + self.k.by_item(new.a, len(new.t))
            after = float(np.abs(gradient - self.G.T @ new.y + new.zl - new.zu) @ new.t)
            if after <= allowed:
                break
            length *= 0.5
        return new, values


class _System:
    """One factorisation of the Newton system, solved for several right-hand sides."""

    def __init__(self, method: _Method, p: _State, values: tuple[Array, Array, Array]) -> None:
        c, G = method.c, method.G
        total, slope, bend = values
        k = method.k
        self.method, self.p = method, p
        # corners: what a unit of t, and of the weight, does to what counts
        self.alpha, self.beta = p.a / p.p, p.b / p.q
        self.both = self.alpha + self.beta
        self.off = (p.t[k.item] - p.v - p.p, k.cap - p.v - p.q, p.w[k.draw] * k.height - p.a - p.b)
        if len(p.v):
            total = total + k.by_draw(k.height * p.v, len(total))
            slope = slope.copy()
            slope[k.draw, k.item] += k.height * self.alpha / self.both
        self.slope = slope
        self.residual = p.w @ values[1] + k.by_item(p.a, len(p.t)) - G.T @ p.y + p.zl - p.zu
        self.missing = method.h - G @ p.t - p.z
        curvature = np.maximum(np.nan_to_num(p.w @ bend, nan=0.0, posinf=1e280), 0.0)
        curvature += k.by_item(self.alpha * self.beta / self.both, len(p.t))
        bounds = p.zl / p.t + p.zu / (1 - p.t)
        theta = curvature + bounds
        # slopes that rise without limit at 0 make steps over the bound that must not hold up all the other items
        self.steep = curvature > bounds
        self.fixed = c.weights is not None
        self.violation = float(np.abs(self.missing).max(initial=0.0)) + float(
            np.abs(self.residual) @ np.minimum(1.0, p.t + 1e-9)
        ) / max(abs(float(p.w @ total)), 1e-12)
        self.violation += float(sum(np.abs(part).max(initial=0.0) for part in self.off[:2]))
        if self.fixed:
            self.matrix: Array = theta
            self.C, self.diagonal = G, p.z / p.y
        else:
            self.part = self._draws(total)
            E = self.E
            self.matrix = slope.T @ (E[:, None] * slope)
            self.matrix[np.diag_indices_from(self.matrix)] += theta
            self.C = np.vstack([-(E @ slope), G])
            self.diagonal = np.append(-E.sum(), p.z / p.y)
            self.violation += float(np.abs(self.part).max()) / max(abs(float(p.w @ total)), 1e-12)
            scale = 1 / np.sqrt(np.diag(self.matrix))
            scaled = self.matrix * scale[:, None] * scale
            self.scale, self.factor = scale, _factor(scaled)
        self.inverse_C = self._solve(self.C.T)
        self.schur = self.C @ self.inverse_C + np.diag(self.diagonal)

    def _draws(self, total: Array) -> Array:
        """Return what is missing in ``v_d = T_d - slack``, and set what a unit of it does to the weight."""
        p, c = self.p, self.method.c
        if c.bend:
            n_draws = len(total)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = p.s / p.w
            if c.equal is not None:
                ratio = np.where(c.equal, 0.0, ratio)
            self.E = 1 / (c.bend + ratio + self._by_weight(n_draws))
            return total - p.level - c.bend * (1.0 / n_draws - p.w) - p.s
        self.E = 1 / (p.u / (c.most - p.w) + p.s / p.w + self._by_weight(len(total)))
        return p.u + total - p.level - p.s

    def _by_weight(self, n_draws: int) -> Array:
        """Return what a unit of its weight adds to the total of each draw: more of its corners counts."""
        k = self.method.k
        return k.by_draw(k.height**2 / self.both, n_draws)

    def _solve(self, right: Array) -> Array:
        if self.fixed:
            return np.asarray((right.T / self.matrix).T)
        scale = self.scale if right.ndim == 1 else self.scale[:, None]
        return np.asarray(scale * cho_solve(self.factor, scale * right, check_finite=False))

    def step(self, mu: float, affine: _State | None, weight: float) -> _State:
        p, c = self.p, self.method.c
        zero = np.zeros_like
        a = affine
        cz = mu - p.z * p.y - (weight * a.z * a.y if a else 0.0)
        cl = mu - p.t * p.zl - (weight * a.t * a.zl if a else 0.0)
        cu = mu - (1 - p.t) * p.zu + (weight * a.t * a.zu if a else 0.0)
        right = self.residual + cl / p.t - cu / (1 - p.t)
        below = self.missing - cz / p.y
        k, (off_p, off_q, off_w) = self.method.k, self.off
        ca = mu - p.a * p.p - (weight * a.a * a.p if a else 0.0)
        cb = mu - p.b * p.q - (weight * a.b * a.q if a else 0.0)
        push = off_w - ca / p.p + self.alpha * off_p - cb / p.q + self.beta * off_q
        right = right + k.by_item(ca / p.p - self.alpha * off_p + self.alpha * push / self.both, len(p.t))
        dw, ds, du, level = zero(p.w), zero(p.s), zero(p.u), 0.0
        if not self.fixed:
            worst = np.isfinite(c.most)
            left = c.most - p.w if worst else np.ones_like(p.w)
            cs = mu - p.s * p.w - (weight * a.s * a.w if a else 0.0)
            cp = mu - p.u * left + (weight * a.u * a.w if a else 0.0) if worst else zero(p.u)
            with np.errstate(divide="ignore", invalid="ignore"):
                by_slack = cs / p.w if c.equal is None else np.where(c.equal, 0.0, cs / p.w)
            rho = -self.part + by_slack - (cp / left if worst else 0.0)
            rho = rho - k.by_draw(k.height * push / self.both, len(rho))
            right = right + (self.E * rho) @ self.slope
            below = np.append(1 - p.w.sum(), below)
            below[0] -= float(self.E @ rho)
        base = self._solve(right)
        q = _lstsq(self.schur, self.C @ base - below)
        dt = base - self.inverse_C @ q
        if not self.fixed:
            level, dy = float(q[0]), q[1:]
            dw = self.E * (rho - self.slope @ dt + level)
            with np.errstate(divide="ignore", invalid="ignore"):
                ds = (cs - p.s * dw) / p.w
            if c.equal is not None:
                ds = np.where(c.equal, 0.0, ds)
            if worst:
                du = (cp + p.u * dw) / left
        else:
            dy = q
        dz = (cz - p.z * dy) / p.y
        dv = (k.height * dw[k.draw] + self.alpha * dt[k.item] + push) / self.both
        dp, dq = off_p + dt[k.item] - dv, off_q - dv
        da, db = (ca - p.a * dp) / p.p, (cb - p.b * dq) / p.q
        dzl, dzu = (cl - p.zl * dt) / p.t, (cu + p.zu * dt) / (1 - p.t)
        return _State(dt, dzl, dzu, dy, dz, dw, ds, du, level, dv, dp, dq, da, db)


def _factor(matrix: Array) -> tuple[Array, bool]:
    """Return the Cholesky factor of a matrix with unit diagonal, made a little heavier where rounding spoilt it."""
    for heavier in (1e-15, 1e-13, 1e-11, 1e-9):
        tried = matrix.copy()
        tried[np.diag_indices_from(tried)] += heavier
        try:
            factor, lower = cho_factor(tried, lower=True, check_finite=False, overwrite_a=True)
            return factor, bool(lower)
        except np.linalg.LinAlgError:
            continue
    return np.eye(len(matrix)), True


def _lstsq(matrix: Array, right: Array) -> Array:
    if not len(matrix):
        return np.zeros(0)
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    scaled = matrix * scale[:, None] * scale
    try:
        return np.asarray(scale * np.linalg.solve(scaled, scale * right))
    except np.linalg.LinAlgError:
        return np.asarray(scale * np.linalg.lstsq(scaled, scale * right, rcond=None)[0])
