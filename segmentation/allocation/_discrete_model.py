"""The discrete problem as a mixed-integer linear programme (HiGHS) that is never worse than the problem itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, vstack

from segmentation.allocation._discrete_domain import Domain
from segmentation.allocation._discrete_pieces import CONCAVE, Pieces

__all__ = ["Choice", "Cuts", "Model", "Prices"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
# The right-hand side of resources: a violation of the solver's tolerance (1e-6) is then 1e-8 of the resource.
ROW = 100.0


@dataclass
class Cuts:
    """Tangents of concave pieces: ``v <= value + slope (x - at)``; `piece` is the position of the piece."""

    piece: Index
    at: Array
    value: Array
    slope: Array

    @classmethod
    def none(cls) -> Cuts:
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0))

    def with_tangents(self, pieces: Pieces, which: Index, x: Array) -> Cuts:
        """Add tangents at efforts; where only steps are allowed, the line through the two allowed next to it."""
        a, b, step = pieces.a[which], pieces.b[which], pieces.step[which]
        items = pieces.item[which]
        x = np.clip(x, a + 1e-9 * (b - a), b)
        whole = step > 0
        units = np.floor((x - a) / np.where(whole, step, 1.0) + 1e-9)
        left = np.where(whole, np.clip(a + units * step, a, b - step), x)
        value = pieces.curves.value(items, left)
        with np.errstate(all="ignore"):
            chord = (pieces.curves.value(items, left + step) - value) / np.where(whole, step, 1.0)
            slope = np.where(whole, chord, pieces.curves.slope(items, left))
        good = np.isfinite(slope) & np.isfinite(value)
        return Cuts(
            np.append(self.piece, which[good]),
            np.append(self.at, left[good]),
            np.append(self.value, value[good]),
            np.append(self.slope, slope[good]),
        )


@dataclass
class Prices:
    """Prices of resources (R,), floors (F,) and exclusive groups (G,)."""

    resources: Array
    floors: Array
    groups: Array


@dataclass
class Choice:
    """What the programme found: weight, effort and hoped-for value of each piece (P,), its bound; or a bound only."""

    weight: Array
    effort: Array
    value: Array
    bound: float
    prices: Prices | None = None
    found: bool = True


def _no_plan(bound: float, *, found: bool) -> Choice:
    """Return a choice of no piece."""
    nothing = np.zeros(0)
    return Choice(nothing, nothing, nothing, bound, None, found)


class Model:
    """Rows and columns over pieces: weights w (0 or 1), positions t in the piece (or steps), values v."""

    def __init__(self, domain: Domain, pieces: Pieces, cuts: Cuts, worth: float, *, any_plan: bool = False) -> None:
        self.domain, self.pieces, self.worth = domain, pieces, worth
        problem, p = domain.problem, pieces
        n_pieces = len(p)
        self.long = np.flatnonzero(p.b > p.a)
        self.bent = np.flatnonzero((p.kind == CONCAVE) & (p.b > p.a))
        n_long, n_bent = len(self.long), len(self.bent)
        self.n = n_pieces + n_long + n_bent
        self.t_of = np.full(n_pieces, -1)
        self.t_of[self.long] = n_pieces + np.arange(n_long)
        self.v_of = np.full(n_pieces, -1)
        self.v_of[self.bent] = n_pieces + n_long + np.arange(n_bent)
        # t counts steps where only those are allowed, else it is the share of the piece
        self.unit = np.where(p.step[self.long] > 0, p.step[self.long], p.span[self.long])
        self.most = np.where(p.step[self.long] > 0, np.round(p.span[self.long] / self.unit), 1.0)
        self.fixed = np.asarray(problem.fixed)[p.item]
        self.fixed_cost = np.asarray(problem.fixed_cost)[p.item]
        self._objective()
        self._rows: list[tuple[Any, Array, Array]] = []
        self._resources()
        self._choices()
        self._links(cuts)

    # ------------------------------------------------------------------ building
    def _objective(self) -> None:
        p = self.pieces
        gain = np.zeros(self.n)
        straight = np.ones(len(p), dtype=bool)
        straight[self.bent] = False
        gain[: len(p)] = np.where(straight, p.at_a, 0.0) - self.fixed_cost
        line = self.long[straight[self.long]]
        gain[self.t_of[line]] = (p.at_b - p.at_a)[line] / self.most[self.t_of[line] - len(p)]
        gain[self.v_of[self.bent]] = 1.0
        # v is counted in units of `worth` as well
        gain[: len(p) + len(self.long)] /= self.worth
        self.gain = gain
        w_low = np.zeros(len(p))
        w_low[self._always()] = 1.0
        self.low = np.concatenate([w_low, np.zeros(len(self.long) + len(self.bent))])
        top = np.maximum(p.at_b[self.bent], 0.0) / self.worth
        self.high = np.concatenate([np.ones(len(p)), self.most, top])
        self.whole = np.concatenate([w_low == 0, p.step[self.long] > 0, np.zeros(len(self.bent), dtype=bool)]).astype(
            np.int64
        )

    def _always(self) -> NDArray[np.bool_]:
        """Pieces that are the only one of their item and include what not being funded would be."""
        p = self.pieces
        alone = np.bincount(p.item, minlength=len(self.domain.lower))[p.item] == 1
        zero_included = ~self.domain.zero_differs[p.item] & (p.a == 0)
        return np.asarray(alone & (~p.can_be_zero[p.item] | zero_included))

    def _add(self, rows: Any, columns: Any, data: Any, low: Array, high: Array) -> None:
        matrix = coo_array((data, (rows, columns)), shape=(len(high), self.n))
        self._rows.append((csr_array(matrix), low, high))

    def _effort_row(self, per_effort: Array, per_choice: Array | float) -> Array:
        """Return the row of ``sum per_effort * x + per_choice * w`` over the pieces."""
        row = np.zeros(self.n)
        row[: len(self.pieces)] = per_effort * self.pieces.a + per_choice
        row[self.t_of[self.long]] = per_effort[self.long] * self.unit
        return row

    def _resources(self) -> None:
        problem, items = self.domain.problem, self.pieces.item
        rows, limits, self.row_scale = [], [], []
        self.limited = np.flatnonzero(np.isfinite(problem.supply))
        for j in self.limited:
            scale = ROW / problem.supply[j] if problem.supply[j] > 0 else 1.0
            rows.append(self._effort_row(problem.use[items, j], self.fixed[:, j]) * scale)
            limits.append(problem.supply[j] * scale)
            self.row_scale.append(scale)
        for floor in problem.floors:
            scale = ROW / max(floor.amount, 1e-300)
            inside = np.isin(items, floor.positions)
            rows.append(-self._effort_row(np.where(inside, problem.use[items, floor.resource], 0.0), 0.0) * scale)
            limits.append(-floor.amount * scale)
            self.row_scale.append(scale)
        self.n_priced = len(rows)
        if rows:
            matrix = csr_array(np.array(rows))
            self._rows.append((matrix, np.full(len(rows), -np.inf), np.array(limits)))
        # groups
        columns, numbers = [], []
        for g, group in enumerate(problem.exclusive):
            members = np.flatnonzero(np.isin(items, group))
            columns.append(members)
            numbers.append(np.full(len(members), g))
        n_groups = len(problem.exclusive)
        if n_groups:
            c, r = np.concatenate(columns), np.concatenate(numbers)
            self._add(r, c, np.ones(len(c)), np.full(n_groups, -np.inf), np.ones(n_groups))

    def _choices(self) -> None:
        p = self.pieces
        counts = np.bincount(p.item, minlength=len(self.domain.lower))
        must = ~p.can_be_zero
        needs = np.flatnonzero((counts > 1) | must)
        place = np.full(len(counts), -1)
        place[needs] = np.arange(len(needs))
        columns = np.flatnonzero(place[p.item] >= 0)
        low = np.where(must[needs], 1.0, -np.inf)
        self._add(place[p.item[columns]], columns, np.ones(len(columns)), low, np.ones(len(needs)))

    def _links(self, cuts: Cuts) -> None:
        p = self.pieces
        open_ = self.long[self.low[self.long] == 0]
        m = len(open_)
        rows = np.tile(np.arange(m), 2)
        columns = np.concatenate([self.t_of[open_], open_])
        data = np.concatenate([np.ones(m), -self.most[self.t_of[open_] - len(p)]])
        self._add(rows, columns, data, np.full(m, -np.inf), np.zeros(m))
        k = np.flatnonzero(self.v_of[cuts.piece] >= 0)
        piece, slope = cuts.piece[k], cuts.slope[k] / self.worth
        at_start = cuts.value[k] / self.worth + slope * (p.a[piece] - cuts.at[k])
        per_t = slope * self.unit[self.t_of[piece] - len(p)]
        rows = np.tile(np.arange(len(k)), 3)
        columns = np.concatenate([self.v_of[piece], piece, self.t_of[piece]])
        data = np.concatenate([np.ones(len(k)), -at_start, -per_t])
        # rows with steep slopes are brought to the size of the others
        size = np.tile(1 / np.maximum(1.0, np.abs(per_t)), 3)
        self._add(rows, columns, data * size, np.full(len(k), -np.inf), np.zeros(len(k)))

    # ------------------------------------------------------------------ solving
    def relaxed(self, seconds: float | None = None) -> Choice | None:
        """Solve without whole numbers, with prices; None where nothing is feasible."""
        if not self.n:
            return self._nothing()
        if seconds is not None and seconds <= 0:
            return _no_plan(np.inf, found=False)
        upper = vstack([matrix for matrix, _, _ in self._rows], format="csr")
        high = np.concatenate([high for _, _, high in self._rows])
        low = np.concatenate([low for _, low, _ in self._rows])
        equal = low == high
        bounds = np.column_stack([self.low, self.high])
        options = {} if seconds is None else {"time_limit": seconds}
        found = linprog(
            -self.gain, A_ub=upper[~equal], b_ub=high[~equal], A_eq=upper[equal], b_eq=high[equal], bounds=bounds,
            method="highs", options=options,
        )  # fmt: skip
        if found.status == 2:
            return None
        if found.x is None:
            return _no_plan(np.inf, found=False)
        marginal = -found.ineqlin.marginals * self.worth
        problem = self.domain.problem
        resources = np.zeros(len(problem.supply))
        n_limited, n_floors = len(self.limited), len(problem.floors)
        scale = np.array(self.row_scale)
        resources[self.limited] = marginal[:n_limited] * scale[:n_limited]
        floors = marginal[n_limited : n_limited + n_floors] * scale[n_limited:]
        groups = marginal[n_limited + n_floors : n_limited + n_floors + len(problem.exclusive)]
        prices = Prices(*(np.maximum(part, 0.0) for part in (resources, floors, groups)))
        return self._choice(found.x, -found.fun * self.worth, prices)

    def solve(self, gap: float, seconds: float | None, fixed: tuple[Array, Array] | None = None) -> Choice | None:
        """Solve with whole numbers to a relative gap; None where nothing is feasible.

        `fixed` narrows the bounds of all columns.
        """
        if not self.n:
            return self._nothing()
        if seconds is not None and seconds <= 0:
            return _no_plan(np.inf, found=False)
        low, high = (self.low, self.high) if fixed is None else fixed
        options: dict[str, Any] = {"mip_rel_gap": gap}
        if seconds is not None:
            options["time_limit"] = seconds
        found = milp(
            -self.gain,
            integrality=self.whole,
            bounds=Bounds(low, high),
            constraints=[LinearConstraint(*row) for row in self._rows],
            options=options,
        )
        if found.status == 2:
            return None
        bound = np.inf if found.mip_dual_bound is None else -float(found.mip_dual_bound) * self.worth
        if found.x is None:
            return _no_plan(bound, found=False)
        return self._choice(found.x, bound, None)

    def _nothing(self) -> Choice | None:
        """Return the choice of no piece at all, where there is none to choose."""
        if any((low > 0).any() or (high < 0).any() for _, low, high in self._rows):
            return None
        return _no_plan(0.0, found=True)

    def _choice(self, z: Array, bound: float, prices: Prices | None) -> Choice:
        p = self.pieces
        weight = z[: len(p)]
        effort = weight * p.a
        effort[self.long] += z[self.t_of[self.long]] * self.unit
        straight = weight * p.at_a
        along = np.zeros(len(p))
        along[self.long] = z[self.t_of[self.long]] / self.most
        value = straight + along * (p.at_b - p.at_a)
        value[self.bent] = z[self.v_of[self.bent]] * self.worth
        return Choice(weight, effort, value, bound, prices)

    def near(self, choice: Choice) -> tuple[Array, Array]:
        """Return bounds of columns that leave pieces without weight in a relaxed solution at 0, and steps near it."""
        p = self.pieces
        low, high = self.low.copy(), self.high.copy()
        idle = choice.weight < 1e-7
        # an item without any weight may stay away; what must be funded keeps all its pieces
        idle &= p.can_be_zero[p.item] | (np.bincount(p.item, choice.weight, len(p.can_be_zero))[p.item] > 0.5)
        high[: len(p)][idle] = 0.0
        high[self.t_of[self.long]] = np.where(idle[self.long], 0.0, high[self.t_of[self.long]])
        stepped = self.long[(p.step[self.long] > 0) & ~idle[self.long]]
        if len(stepped):
            steps = (choice.effort[stepped] / np.maximum(choice.weight[stepped], 1e-9) - p.a[stepped]) / p.step[stepped]
            high[self.t_of[stepped]] = np.minimum(high[self.t_of[stepped]], np.ceil(steps + 1e-6) + 1)
        return low, high
