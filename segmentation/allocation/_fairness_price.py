"""The best plan in which no group of customers gets less per head than it should: cutting planes, with proof."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from segmentation.allocation._problem import Problem, with_caps_as_rows

__all__ = ["ParityPlan", "plan_with_parity"]

Array = NDArray[np.float64]
# Proven distance from the best possible total, relative to it, at which the search ends.
CLOSE = 1e-8
MAX_ROUNDS = 200
# Rounds in which the distance was not halved, after which arithmetic gives no more.
PATIENCE = 25
# HiGHS keeps rows to this, relative to each.
KEPT = 1e-10
# Where curves are touched before the first round, as shares of the range.
FIRST = (1e-6, 1e-4, 1e-2, 0.05, 0.15, 0.35, 0.6, 1.0)
# A curve with an endless first slope is touched nearer to 0 by this factor each round.
NEARER = 1e-3


@dataclass(frozen=True, eq=False)
class ParityPlan:
    """Efforts x (n,) or None with the ``reason``; ``total`` and ``cost`` of them; proven relative ``gap``."""

    x: Array | None
    total: float
    cost: float
    gap: float
    reason: str = ""


class _Tangents:
    """Upper bounds of concave curves: ``v_i <= height + slope * x_i``, one row each, in scaled efforts and values."""

    def __init__(self, problem: Problem, span: Array, worth: float) -> None:
        self.problem, self.span, self.worth = problem, span, worth
        self.item: list[NDArray[np.int64]] = []
        self.slope: list[Array] = []
        self.height: list[Array] = []
        self.lowest = np.full(len(span), np.inf)

    def touch(self, x: Array, which: NDArray[np.bool_]) -> None:
        """Add tangents of the items in `which` at efforts x (n,); where a slope is endless, nearer to 0 than yet."""
        with np.errstate(all="ignore"):
            at, slope = x.copy(), self.problem.slope(x)
            endless = which & ~np.isfinite(slope)
            at[endless] = np.where(np.isfinite(self.lowest), self.lowest, self.span)[endless] * NEARER
            slope = np.where(endless, self.problem.slope(at), slope)
            value = self.problem.value(at)
        good = np.flatnonzero(which & np.isfinite(slope))
        self.lowest[good] = np.where(at[good] > 0, np.minimum(self.lowest[good], at[good]), self.lowest[good])
        self.item.append(good)
        self.slope.append(slope[good] * self.span[good] / self.worth)
        self.height.append((value - slope * at)[good] / self.worth)

    def rows(self) -> tuple[sparse.csr_matrix, Array]:
        """Return the rows over (x, v) and their bounds, each divided by its largest coefficient."""
        item, slope, height = (np.concatenate(part) for part in (self.item, self.slope, self.height))
        size = np.maximum(1.0, np.abs(slope))
        n, each = len(self.span), np.arange(len(item))
        matrix = sparse.csr_matrix(
            (np.r_[-slope / size, 1 / size], (np.r_[each, each], np.r_[item, n + item])), shape=(len(item), 2 * n)
        )
        return matrix, np.asarray(height / size, dtype=np.float64)


def plan_with_parity(
    problem: Problem, per_head: Array, parity: float, *, prices: Array | None = None, target: float | None = None
) -> ParityPlan:
    """Find the plan with the largest total in which every group gets its share.

    Kelley's method of cutting planes [1]_ with a linear programme in each round: tangents bound the curves from above,
    so the programme bounds every plan, and its efforts are a plan.

    Parameters
    ----------
    problem : Problem
        With concave curves, and nothing that makes it discrete.
    per_head : ndarray of shape (n_groups, n)
        What one customer of each group gets of a unit of effort of each item.
    parity : float
        The group that gets the least per head gets at least so much of what that with the most gets; 1 for equal.
    prices : ndarray of shape (n_resources,), optional
        With `target`: the least money for that outcome, instead of the largest total.
    target : float, optional

    References
    ----------
    .. [1] Kelley, J. E. (1960). The cutting-plane method for solving convex programs. doi:10.1137/0108053
    """
    n = len(problem.items)
    own, problem = problem, with_caps_as_rows(problem)
    upper = np.where(_barred(per_head, parity), 0.0, problem.upper)
    groups = per_head[per_head.max(axis=1, initial=0.0) > 0]
    if (upper < problem.lower).any():
        return _none("no plan gives every group its share: a group that no effort reaches stands against least amounts")
    span = _span(problem, upper)
    worth = max(float(problem.value(span).max(initial=0.0)), 1e-300)
    tangents = _Tangents(problem, span, worth)
    everything = np.ones(n, dtype=bool)
    tangents.touch(problem.lower.astype(np.float64), everything)
    for share in FIRST:
        tangents.touch(problem.lower + share * (span - problem.lower), everything)
    fixed, fixed_bound, equal = _fixed_rows(problem, span, groups, parity)
    money = None if prices is None or target is None else (own.use @ prices) * span
    goal = np.r_[np.zeros(n), -np.ones(n)] if money is None else np.r_[money / max(money.max(), 1e-300), np.zeros(n)]
    if target is not None:
        row = sparse.csr_matrix(np.r_[np.zeros(n), -np.ones(n)][None, :])
        fixed, fixed_bound = sparse.vstack([fixed, row]), np.r_[fixed_bound, -target / worth]
    least = problem.lower.astype(np.float64)
    # what cannot move is worth what it is, and needs no tangent
    most = np.where(upper > least, np.inf, problem.value(least) / worth)
    bounds = np.column_stack([np.r_[least / span, np.full(n, -np.inf)], np.r_[upper / span, most]])
    best, gap, since = np.zeros(n), np.inf, 0
    for _ in range(MAX_ROUNDS):
        cuts, height = tangents.rows()
        found = optimize.linprog(
            goal,
            A_ub=sparse.vstack([fixed, cuts]),
            b_ub=np.r_[fixed_bound, height],
            A_eq=equal if equal.shape[0] else None,
            b_eq=np.zeros(equal.shape[0]) if equal.shape[0] else None,
            bounds=bounds,
            method="highs",
            options={"primal_feasibility_tolerance": KEPT, "dual_feasibility_tolerance": KEPT},
        )
        if found.status == 2:
            return _none(_why_none(target))
        if found.x is None:
            return _none(f"the linear programme was not solved ({found.message})")
        x = np.clip(found.x[:n] * span, problem.lower, upper)
        value, bound = problem.value(x) / worth, found.x[n:]
        reached, promised = float(value.sum()), float(bound.sum())
        rest = (promised - reached if target is None else target / worth - reached) / max(abs(promised), 1e-300)
        since = 0 if rest < 0.5 * gap else since + 1
        if rest < gap:
            best, gap = x, rest
        if rest <= CLOSE or since >= PATIENCE:
            break
        tangents.touch(x, bound - value > 0.1 * CLOSE * abs(promised) / n)
    cost = float("nan") if prices is None else float(own.used(best) @ prices)
    return ParityPlan(best, own.total(best), cost, max(gap, 0.0))


def _none(reason: str) -> ParityPlan:
    return ParityPlan(None, float("nan"), float("nan"), float("nan"), reason)


def _why_none(target: float | None) -> str:
    least = "bounds, least shares and parity cannot all be met"
    return least if target is None else f"the target cannot be reached with parity, or {least}"


def _barred(per_head: Array, parity: float) -> NDArray[np.bool_]:
    """Tell which items must be 0, because no plan that has them, whatever else it has, gives groups their share.

    Such as all that reach anybody, where a group is reached by none. Left to the tolerance of a solver, a curve with an
    endless first slope would make much of very little effort there.
    """
    reaches = per_head.max(axis=0, initial=0.0) > 0
    if not reaches.any() or (per_head.max(axis=1, initial=0.0) <= 0).any():
        return np.asarray(reaches)
    # as many as can be had together, in any amount: s <= x, s <= 1
    each = per_head[:, reaches] / per_head[:, reaches].max(axis=0)
    n, groups = each.shape[1], range(len(each))
    parity_rows = np.array([parity * each[h] - each[g] for g in groups for h in groups if h != g]).reshape(-1, n)
    found = optimize.linprog(
        np.r_[np.zeros(n), -np.ones(n)],
        A_ub=np.block([[parity_rows, np.zeros_like(parity_rows)], [-np.eye(n), np.eye(n)]]),
        b_ub=np.zeros(len(parity_rows) + n),
        bounds=[(0, None)] * n + [(0, 1)] * n,
        method="highs",
    )
    result = np.zeros(per_head.shape[1], dtype=bool)
    if found.x is not None:
        result[reaches] = found.x[n:] < 0.5
    return result


def _span(problem: Problem, upper: Array) -> Array:
    """Return the size of the effort of each item: as far as its bound, a resource or its curve lets it make sense."""
    with np.errstate(all="ignore"):
        reach = np.where(problem.use > 0, problem.supply / problem.use, np.inf).min(axis=1, initial=np.inf)
        furthest = np.minimum(upper, reach)
        slope = problem.slope(problem.lower.astype(np.float64))
        flat = problem.effort_at(np.where(np.isfinite(slope), np.maximum(1e-13 * slope, 1e-300), 1e-300))
        furthest = np.where(np.isfinite(furthest), furthest, np.maximum(flat, problem.lower))
    return np.where(np.isfinite(furthest) & (furthest > 0), furthest, 1.0)


def _fixed_rows(
    problem: Problem, span: Array, groups: Array, parity: float
) -> tuple[sparse.csr_matrix, Array, sparse.csr_matrix]:
    """Return rows of resources, floors and parity over (x, v): ``A z <= b``, and those that must be 0."""
    n = len(span)
    rows: list[Array] = []
    limits: list[float] = []
    for j, amount in enumerate(problem.supply):
        if np.isfinite(amount):
            row = problem.use[:, j] * span
            size = amount if amount > 0 else max(float(row.max(initial=0.0)), 1e-300)
            rows.append(row / size)
            limits.append(amount / size)
    for floor in problem.floors:
        row = np.zeros(n)
        row[floor.positions] = -problem.use[floor.positions, floor.resource] * span[floor.positions] / floor.amount
        rows.append(row)
        limits.append(-1.0)
    scaled = groups * span
    scaled = scaled / max(float(scaled.max(initial=0.0)), 1e-300)
    equal = np.zeros((0, n))
    if parity >= 1:
        equal = scaled[1:] - scaled[:1]
    else:
        for g in range(len(scaled)):
            rows += [parity * scaled[h] - scaled[g] for h in range(len(scaled)) if h != g]
            limits += [0.0] * (len(scaled) - 1)
    left = np.array(rows).reshape(len(rows), n)
    wide = sparse.csr_matrix(np.hstack([left, np.zeros_like(left)]))
    return wide, np.array(limits), sparse.csr_matrix(np.hstack([equal, np.zeros_like(equal)]))
