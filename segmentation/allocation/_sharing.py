"""Who serves shared customers, as linear programmes.

What a segment brings that serves a share v of its members with effort x is concave in v and x together (the perspective
of its curve). Tangents turn the best shares and efforts into linear programmes that bound them from above; where the
tangents touch, the problem is solved (Kelley (1960), doi:10.1137/0108053).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation._format import name_some, number
from segmentation.allocation._cells import Cells
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._problem import Problem

__all__ = ["CRUMB", "NOBODY", "SharingProgram"]

Array = NDArray[np.float64]
MAX_ROUNDS = 60
CLOSE = 1e-8
# First tangents, as a share of the furthest effort; none at 0, where slopes may have no limit.
GRID = np.array([1e-6, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0])
# Tangents for segments that serve nobody go out so far, in the furthest efforts.
FARTHEST = 1e9
# What the tie rule may cost, relative to the best total.
TIE = 1e-9
# A share that could move by less than this at that cost stays.
MOVES = 1e-3
EVEN_ROUNDS = 12
# A segment that serves less than this share of its members serves none.
NOBODY = 1e-9
# A smaller part of a group than this is what the rounding of the linear programmes left.
CRUMB = 1e-5


class SharingProgram:
    """Linear programmes in shares s of groups (M), efforts (n) and outcomes (n), all scaled.

    Parameters
    ----------
    problem : Problem
        Concave, as if nobody were shared.
    cells : Cells
    prices : ndarray of shape (R,), optional
        Money per unit of each resource, with `target`: the cheapest plan that reaches it.
    target : float, optional
    """

    def __init__(self, problem: Problem, cells: Cells, prices: Array | None, target: float | None) -> None:
        self.problem, self.cells, self.target = problem, cells, target
        self.cell, self.segment = np.nonzero(cells.member)
        place = {name: k for k, name in enumerate(cells.segments)}
        self.of_item = np.array([place[segment] for segment, _ in problem.items])
        members = cells.size @ cells.member
        self.M, self.n = len(self.cell), len(problem.items)
        with np.errstate(all="ignore"):
            reach = np.where(problem.use > 0, problem.supply / problem.use, np.inf).min(axis=1)
            reach = np.minimum(reach, problem.upper)
            flat = problem.effort_at(np.full(self.n, 1e-12) * np.maximum(problem.slope(np.ones(self.n)), 1e-300))
            reach = np.where(np.isfinite(reach), reach, np.where(np.isfinite(flat) & (flat > 0), flat, 1.0))
        self.span = np.maximum(np.maximum(reach, problem.lower), 1e-12)
        self.worth = max(float(problem.value(self.span).max()), 1e-300)
        # share of its members that the segment of each item serves
        weight = cells.size[self.cell] / members[self.segment]
        by_segment = sparse.csr_matrix((weight, (self.segment, np.arange(self.M))), (len(members), self.M))
        self.share = sparse.csr_matrix(by_segment[self.of_item])
        self.cuts: list[sparse.csr_matrix] = []
        self.prices = None if prices is None else (problem.use @ prices) * self.span
        self.money = 1.0 if self.prices is None else max(float(self.prices.max()), 1e-300)
        self._rows()
        self.furthest = self.span.copy()
        for part in GRID:
            self.touch(part * self.span, np.ones(self.n, dtype=bool))

    def _rows(self) -> None:
        problem, span = self.problem, self.span
        rows, limits = [], []
        for j in np.flatnonzero(np.isfinite(problem.supply)):
            amount = float(problem.supply[j]) or max(float((problem.use[:, j] * span).max()), 1e-300)
            rows.append(self._row(effort=problem.use[:, j] * span / amount))
            limits.append(float(problem.supply[j]) / amount)
        for floor in problem.floors:
            row = np.zeros(self.n)
            row[floor.positions] = -problem.use[floor.positions, floor.resource] * span[floor.positions] / floor.amount
            rows.append(self._row(effort=row))
            limits.append(-1.0)
        for cap in problem.caps:
            row = np.zeros(self.n)
            amount = cap.amount or max(float((cap.weights * span[cap.positions]).max()), 1e-300)
            row[cap.positions] = cap.weights * span[cap.positions] / amount
            rows.append(self._row(effort=row, share=-self.share[[int(cap.positions[0])]] * (cap.amount / amount)))
            limits.append(0.0)
        if self.target is not None:
            rows.append(self._row(outcome=np.full(self.n, -1.0)))
            limits.append(-self.target / self.worth)
        self.fixed = sparse.vstack(rows).tocsr() if rows else sparse.csr_matrix((0, self.M + 2 * self.n))
        self.limits = np.array(limits)

    def _row(self, effort: Array | None = None, outcome: Array | None = None, share: Any = None) -> Any:
        none = np.zeros(self.n)
        shares = sparse.csr_matrix((1, self.M)) if share is None else share
        parts = [none if effort is None else effort, none if outcome is None else outcome]
        return sparse.hstack([shares, *(sparse.csr_matrix(part[None, :]) for part in parts)])

    def touch(self, effort: Array, which: NDArray[np.bool_]) -> None:
        """Add tangents at efforts (n,) as if a segment served all: outcome <= slope x + (value - slope effort) v."""
        i = np.flatnonzero(which)
        with np.errstate(all="ignore"):
            value, slope = self.problem.value(effort)[i], self.problem.slope(effort)[i]
        good = np.isfinite(value) & np.isfinite(slope)
        i, value, slope = i[good], value[good], slope[good]
        rows = np.arange(len(i))
        left = sparse.diags(-(value - slope * effort[i]) / self.worth) @ self.share[i]
        middle = sparse.csr_matrix((-slope * self.span[i] / self.worth, (rows, i)), (len(i), self.n))
        right = sparse.csr_matrix((np.ones(len(i)), (rows, i)), (len(i), self.n))
        self.cuts.append(sparse.hstack([left, middle, right]).tocsr())

    def _solve(self, objective: Array, rows: Any = None, limits: Array | None = None, *, fine: bool = True) -> Any:
        """Solve with these further rows; columns beyond shares, efforts and outcomes are 0 or more."""
        from scipy.optimize import linprog

        extra = len(objective) - self.M - 2 * self.n
        own = sparse.vstack([self.fixed, *self.cuts])
        own = sparse.hstack([own, sparse.csr_matrix((own.shape[0], extra))])
        none = np.zeros(own.shape[0] - len(self.limits))
        none_more = np.zeros(0) if limits is None else limits
        whole = sparse.csr_matrix(
            (np.ones(self.M), (self.cell, np.arange(self.M))), (len(self.cells.size), len(objective))
        )
        bounds = np.zeros((len(objective), 2))
        bounds[:, 1] = np.inf
        bounds[: self.M, 1] = 1.0
        bounds[self.M : self.M + self.n] = (
            np.column_stack([self.problem.lower, self.problem.upper]) / self.span[:, None]
        )
        tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        found = linprog(
            objective,
            A_ub=sparse.csr_matrix(own if rows is None else sparse.vstack([own, rows])),
            b_ub=np.concatenate([self.limits, none, none_more]),
            A_eq=whole,
            b_eq=np.ones(len(self.cells.size)),
            bounds=bounds,
            method="highs",
            options=tight if fine else {},
        )
        if found.status == 2 and fine and self.target is not None:
            raise self._infeasible()
        if found.x is None and fine:
            raise RuntimeError(f"the linear programme of the shared customers was not solved: {found.message}")
        return found

    def _objective(self) -> Array:
        if self.prices is None:
            return np.concatenate([np.zeros(self.M + self.n), np.full(self.n, -1.0)])
        return np.concatenate([np.zeros(self.M), self.prices / self.money, np.zeros(self.n)])

    def solve(self) -> tuple[Array, float]:
        """Return the shares, and the bound of the total (of the cost, with a target)."""
        objective = self._objective()
        for _ in range(MAX_ROUNDS):
            found = self._solve(objective)
            if not self._touched(found.x):
                break
        self.value = float(found.fun)
        self.reduced = np.asarray(found.lower.marginals[: self.M])
        scale = self.worth if self.prices is None else self.money
        return found.x[: self.M], abs(float(found.fun)) * scale

    def _touched(self, z: Array) -> bool:
        """Add tangents where outcomes are above the curves; False where they nowhere are by much."""
        share = np.asarray(self.share @ z[: self.M]).ravel()
        x, y = z[self.M : self.M + self.n] * self.span, z[self.M + self.n :] * self.worth
        with np.errstate(all="ignore"):
            at = np.where(share > NOBODY, x / share, 0.0)
            true = np.where(share > NOBODY, share * self.problem.value(at), 0.0)
        above = y - true > CLOSE * max(float(true.sum()), 1e-300) / self.n
        # effort for hardly any customers: tangents further out tell that it brings nothing
        nobody = above & (share <= NOBODY) & (self.furthest < FARTHEST * self.span)
        self.furthest = np.where(nobody, 10.0 * self.furthest, self.furthest)
        above &= (share > NOBODY) | nobody
        if above.any():
            self.touch(np.where(nobody, self.furthest, np.maximum(at, 1e-12 * self.span)), above)
        return bool(above.any())

    def evened(self, s: Array) -> Array:
        """Return the optimal shares nearest to an equal division of each group among its segments: the tie rule.

        The sum of squares of the shares, in customers, is smallest; tangents take the place of the squares.
        """
        slack = TIE * max(abs(self.value), 1e-300) + 1e-10
        # a share that costs much more than the slack stays 0; a group with one segment left has no choice
        open_to = (self.reduced <= slack / MOVES) | (s > CRUMB)
        several = np.bincount(self.cell[open_to], minlength=len(self.cells.size)) > 1
        free = np.flatnonzero(open_to & several[self.cell])
        m = len(free)
        if not m:
            return s
        objective = np.concatenate([np.zeros(self.M + 2 * self.n), np.ones(m)])
        rows = [sparse.csr_matrix(np.concatenate([self._objective(), np.zeros(m)])[None, :])]
        limits = [np.array([self.value + slack])]
        weight = self.cells.size[self.cell[free]] / self.cells.size.max()
        pick = sparse.csr_matrix((np.ones(m), (np.arange(m), free)), (m, self.M + 2 * self.n))

        def touch(at: Array) -> None:
            # square >= weight (2 at s - at^2)
            rows.append(sparse.hstack([sparse.diags(2 * at * weight) @ pick, -sparse.identity(m)]))
            limits.append(weight * at**2)

        for part in np.linspace(0.0, 1.0, 9):
            touch(np.full(m, part))
        result = s
        for _ in range(EVEN_ROUNDS):
            found = self._solve(objective, sparse.vstack(rows), np.concatenate(limits), fine=False)
            if found.x is None:
                break
            before, result = result, np.asarray(found.x[: self.M])
            if np.abs(before - result).max() < 2e-5:
                break
            touch(result[free])
        return result

    def _infeasible(self) -> InfeasibleError:
        """Requirements of effort alone were looked at before: it is the target."""
        assert self.target is not None  # noqa: S101
        _, most = SharingProgram(self.problem, self.cells, None, None).solve()
        used_up = name_some(self.problem.resources)
        return InfeasibleError(
            f"the target of {number(self.target)} is out of reach once each shared customer is counted once: no plan "
            f"brings more than {number(most)} with what there is of {used_up}. Lower the target, or provide more.",
            (f"the target of {number(self.target)}", *(f"the amount of {name!r}" for name in self.problem.resources)),
        )
