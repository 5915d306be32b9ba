"""A problem with draws as the interior-point method wants it, and what it finds as a feasible plan with a proof."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._problem import Problem
from segmentation.allocation._reduced import Reduced, reduce_problem, with_floors_as_bounds
from segmentation.allocation._risk_draws import DrawnProblem, drawn_problem
from segmentation.allocation._risk_interior import TOLERANCE, Corners, Criterion, Found, maximise

__all__ = ["RiskModel"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
HALVINGS = 50
# An item whose part of the gap is below this share of the total is bounded by its tangent.
TANGENT = 1e-11
# Shares below this are nothing where the price is above the slope.
NOTHING = 1e-7


@dataclass(frozen=True, eq=False)
class RiskModel:
    """The problem in shares of ranges, totals in units of ``scale``."""

    problem: DrawnProblem
    reduced: Reduced

    @classmethod
    def of(cls, problem: Problem) -> RiskModel:
        drawn = with_floors_as_bounds(drawn_problem(problem))
        assert isinstance(drawn, DrawnProblem)  # noqa: S101 - replace keeps the class
        return cls(drawn, reduce_problem(drawn))

    @property
    def n(self) -> int:
        return len(self.reduced.free)

    @property
    def scale(self) -> float:
        return self.reduced.scale

    def totals(self, t: Array) -> Array:
        """Return the total of each draw, (D,), in the unit of the outcome."""
        return np.asarray(self.problem.value_draws(self.reduced.efforts(t)).sum(axis=1))

    def share(self, x: Array) -> Array:
        """Return efforts as shares of the ranges."""
        return np.clip((x[self.reduced.free] - self.reduced.lower) / self.reduced.span, 0.0, 1.0)

    def slopes(self, t: Array) -> Array:
        """Return slopes of the free items by draw, (D, n), in units of scale per range."""
        slope = self.problem.slope_draws(self.reduced.efforts(t))[:, self.reduced.free]
        return np.asarray(slope * self.reduced.span / self.scale)

    @cached_property
    def _corners(self) -> Corners:
        """Return where capped lines end inside the range of their item, all draws."""
        r = self.reduced
        cap = (self.problem.line_ends()[:, r.free] - r.lower) / r.span
        height = self.slopes(np.zeros(self.n))
        with np.errstate(invalid="ignore"):
            draw, item = np.nonzero((cap > 0) & (cap < 1) & (height > 0))
        return Corners(draw, item, height[draw, item], cap[draw, item])

    def _curves(self, t: Array) -> tuple[Array, Array, Array]:
        """Return totals, slopes and curvatures by draw; items with a corner as at the lower end of their range."""
        r, k = self.reduced, self._corners
        value, slope, bend = self.problem.with_curvature(r.efforts(t))
        slope, bend = slope[:, r.free] * r.span / r.scale, bend[:, r.free] * r.span**2 / r.scale
        total = value.sum(axis=1) / r.scale
        if len(k.draw):
            total -= k.by_draw(k.height * np.minimum(t[k.item], k.cap), len(total))
            slope[k.draw, k.item] = bend[k.draw, k.item] = 0.0
        return total, slope, bend

    # ------------------------------------------------------------------ solving
    def solve(
        self,
        criterion: Criterion,
        *,
        draws: NDArray[np.int64] | None = None,
        start: Array | None = None,
        around: Array | None = None,
        tolerance: float = TOLERANCE,
    ) -> Found:
        """Maximise a criterion; of some draws only; with the ``equal`` ones as straight lines around a point."""
        if not self.n:
            n_draws = self.problem.n_draws
            return Found(np.zeros(0), np.zeros(len(self.reduced.h)), np.full(n_draws, 1 / n_draws), 0)
        k, n_draws = self._corners, self.problem.n_draws
        rows = np.arange(n_draws) if draws is None else draws
        straight = np.zeros(n_draws, dtype=bool)
        if around is not None and criterion.equal is not None:
            straight = criterion.equal
            line = self.totals(around) / self.scale, self.slopes(around)
        place = np.full(n_draws, -1)
        place[rows] = np.arange(len(rows))
        place[straight] = -1
        kept = place[k.draw] >= 0
        corners = Corners(place[k.draw[kept]], k.item[kept], k.height[kept], k.cap[kept])

        def curves(t: Array) -> tuple[Array, Array, Array]:
            total, slope, bend = self._curves(t)
            if around is not None and straight.any():
                total[straight] = line[0][straight] + line[1][straight] @ (t - around)
                slope[straight], bend[straight] = line[1][straight], 0.0
            return total[rows], slope[rows], bend[rows]

        G, h = self.reduced.G, self.reduced.h
        with np.errstate(all="ignore"):
            found = maximise(curves, G, h, criterion, self.n, corners=corners, start=start, tolerance=tolerance)
            return replace(found, t=self._cleaned(found, rows))

    def _cleaned(self, found: Found, rows: NDArray[np.int64]) -> Array:
        """Put items on the bound that they stand next to, and use up exactly what has a price."""
        G, h, y = self.reduced.G, self.reduced.h, np.maximum(found.y, 0.0)
        t = np.clip(found.t, 0.0, 1.0)
        price = G.T @ y
        slope = found.w @ self.slopes(t)[rows]
        t[(t < NOTHING) & (slope < price * (1 - 1e-3))] = 0.0
        t[(1 - t < NOTHING) & (slope > price * (1 + 1e-3))] = 1.0
        if not len(h):
            return t
        worth = y * np.abs(h)
        for _ in range(3):
            slack = h - G @ t
            active = (worth > 1e-6 * worth.max(initial=0.0)) & (np.abs(slack) < 1e-4) | (slack < 0)
            if not active.any():
                break
            weight = np.minimum(t, 1 - t) ** 2
            part = G[active] * weight
            step = part.T @ np.linalg.lstsq(part @ G[active].T, slack[active], rcond=1e-13)[0]
            t = np.clip(t + step, 0.0, 1.0)
        over = float((G[h > 0] @ t).max(initial=0.0))
        return t / over if 1.0 < over < 1 + 1e-6 and not (h < 0).any() else t

    # ------------------------------------------------------------------ proof
    def bound(self, t: Array, y: Array, w: Array) -> float:
        """Return what the weighted mean of the totals cannot exceed, in the unit of the outcome.

        Prices y of the resources prove it: no plan is above the best that each item can do at these prices, plus what
        all resources are worth at them.
        """
        r = self.reduced
        y = np.maximum(y, 0.0)
        if not self.n:
            return float(w @ self.totals(t))
        with np.errstate(all="ignore"):
            price = r.G.T @ y
            excess = w @ self.slopes(t) - price
            rest = np.where(excess > 0, excess * (1 - t), -excess * t)
            total = float(w @ self.totals(t)) / r.scale
            open_ = ~(rest <= TANGENT * max(abs(total), 1e-300))
            # the part of the items that their tangents bound
            result = total - float(price @ t) + float(r.h @ y) + float(rest[~open_].sum())
            if open_.any():
                result += float(self._surplus(t, w, price, excess, open_))
        return result * r.scale

    def _surplus(self, t: Array, w: Array, price: Array, excess: Array, open_: Bools) -> float:
        """Return how much more the open items could bring at these prices, from intervals that hold the best of each.

        On an interval a concave function is below the tangent at its lower end, and a rising one below its upper end.
        """
        low, high = np.where(excess >= 0, t, 0.0), np.where(excess >= 0, 1.0, t)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            up = w @ self.slopes(middle) >= price
            low, high = np.where(up, middle, low), np.where(up, high, middle)
        free = self.reduced.free

        def value(at: Array) -> Array:
            x = self.reduced.efforts(at)
            return np.asarray(w @ self.problem.value_draws(x)[:, free]) / self.reduced.scale

        at_low = value(low)
        best = np.minimum(
            at_low + np.maximum(w @ self.slopes(low) - price, 0.0) * (high - low) - price * low,
            value(high) - price * low,
        )
        gain = best - (value(t) - price * t)
        return float(gain[open_].sum())

    def draw_bounds(self, y: Array) -> Array:
        """Return for each draw what its total cannot exceed, whatever the plan, (D,)."""
        r, n_draws = self.reduced, self.problem.n_draws
        best = np.full(n_draws, np.inf)
        upper = self.problem.lower.astype(np.float64)
        upper[r.free] = r.lower + r.span
        fixed = np.setdiff1d(np.arange(len(upper)), r.free)
        constant = self.problem.value_draws(self.problem.lower.astype(np.float64))[:, fixed].sum(axis=1)
        for factor in np.geomspace(0.25, 4.0, 9):
            prices = factor * np.maximum(y, 0.0)
            price = np.zeros(len(upper))
            price[r.free] = (r.G.T @ prices) * r.scale / r.span
            surplus = self.problem.conjugate_draws(price, self.problem.lower, upper)[:, r.free]
            offset = float(price[r.free] @ r.lower) + float(r.h @ prices) * r.scale
            best = np.minimum(best, surplus.sum(axis=1) + offset + constant)
        return best
