"""Segments that share customers: whom each of them serves, so that a customer is paid and counted once.

A segment that serves a share v of its members with effort x brings ``v f(x / v)``: its curve with fewer customers.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._cells import Cells
from segmentation.allocation._outcome import Outcome, interval, outcome_of
from segmentation.allocation._problem import Problem
from segmentation.allocation._sharing import CRUMB, NOBODY, SharingProgram

__all__ = ["Shared", "check_shareable", "share_customers"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shared:
    """Who serves shared customers.

    Attributes
    ----------
    cells : Cells
    served : ndarray of shape (C, K)
        Customers of each group that each segment serves.
    share : ndarray of shape (K,)
        Share of its members that each segment serves.
    full : Problem
        The problem as if nobody were shared.
    bound : float
        No plan brings more than this (with a target: costs less).
    ignored : ndarray of shape (n,) or None
        The plan that ignores the overlap.
    """

    cells: Cells
    served: Array
    share: Array
    full: Problem
    bound: float
    ignored: Array | None = field(default=None)

    @property
    def served_elsewhere(self) -> set[Any]:
        return {name for name, v in zip(self.cells.segments, self.share, strict=True) if v <= NOBODY}

    def _of_item(self) -> NDArray[np.int64]:
        place = {name: k for k, name in enumerate(self.cells.segments)}
        return np.array([place[segment] for segment, _ in self.full.items])

    def problem(self) -> Problem:
        """Return the problem in which each segment has the customers that it serves."""
        share = self.share[self._of_item()]
        nobody = share <= NOBODY
        # effort that must go where nobody is served brings nothing
        must = self.full.lower > 0
        for floor in self.full.floors:
            must[floor.positions] = True
        curves = tuple(
            curve if v == 1.0 else curve.rescaled(outcome=max(v, NOBODY), effort=max(v, NOBODY))
            for curve, v in zip(self.full.curves, share.tolist(), strict=True)
        )
        place = {name: k for k, name in enumerate(self.cells.segments)}
        return dataclasses.replace(
            self.full,
            curves=curves,
            upper=np.where(nobody & ~must, 0.0, self.full.upper),
            caps=tuple(
                dataclasses.replace(cap, amount=cap.amount * float(self.share[place[cap.segment]]))
                for cap in self.full.caps
                if self.share[place[cap.segment]] > NOBODY
            ),
            _stacks_given=None,
        )

    def cells_table(self, x: Array) -> pd.DataFrame:
        """Return what the members of each group get, by the segment that serves them."""
        problem, of_item, names = self.problem(), self._of_item(), self.cells.names
        value, taken = problem.value(x), problem.taken(x)
        rows = []
        for c, k in zip(*np.nonzero(self.served > NOBODY), strict=True):
            part = self.served[c, k] / self.served[:, k].sum()
            here = of_item == k
            rows.append(
                {
                    "cell": names[c],
                    "n_customers": float(self.cells.size[c]),
                    "segment": self.cells.segments[k],
                    "served": float(self.served[c, k]),
                    **{name: part * float(taken[here, j].sum()) for j, name in enumerate(problem.resources)},
                    "outcome": part * float(value[here].sum()),
                }
            )
        return pd.DataFrame(rows)

    def comparison(self, plan: Outcome, level: float) -> pd.DataFrame:
        """Return this plan beside the one that ignores the overlap."""
        assert self.ignored is not None  # noqa: S101 - set before a result is built
        x, of_item, size = self.ignored, self._of_item(), self.cells.size
        members = np.array(list(self.cells.n_customers.values()))

        def per_customer(amount: Array) -> Array:
            return np.asarray(np.bincount(of_item, weights=amount, minlength=len(members)) / members)

        # a customer who is reached as a member of several segments counts where most is expected of them
        best = np.where(self.cells.member, per_customer(self.full.value(x)), -np.inf).argmax(axis=1)
        counted = np.bincount(best, weights=size, minlength=len(members)) / members
        ignored = outcome_of(self.full, x, level, weights=counted[of_item])
        claimed = self.full.total(x)
        paid = [per_customer(amount) for amount in self.full.taken(x).T]
        twice = [float(size @ ((self.cells.member * each).sum(axis=1) - each[best])) for each in paid]
        difference = (
            plan.total_draws - ignored.total_draws
            if plan.total_draws is not None and ignored.total_draws is not None
            else None
        )
        names = [f"{name}_twice" for name in self.full.resources]
        columns = ["claimed", "counted_once", "double_counted", *names, "gain_of_plan", "gain_low", "gain_high"]
        nothing = [0.0] * len(names)
        return pd.DataFrame(
            [
                [plan.total, plan.total, 0.0, *nothing, 0.0, np.nan, np.nan],
                [
                    claimed,
                    ignored.total,
                    claimed - ignored.total,
                    *twice,
                    plan.total - ignored.total,
                    *interval(difference, level),
                ],
            ],
            columns=columns,
            index=pd.Index(["this plan", "overlap ignored"], name="plan"),
        )


def check_shareable(problem: Problem) -> None:
    """Raise ValueError where the model of shared customers does not hold."""
    if not problem.is_discrete:
        return
    bent = [problem.items[i] for i, curve in enumerate(problem.curves) if not curve.concave]
    what = (
        f"the S-shaped curves of {name_some(bent)}"
        if bent
        else ("fixed_costs, minimum_if_funded, exclusive and resources in whole units")
    )
    raise ValueError(
        f"overlap divides curves over groups of customers, which {what} do not allow: use curves that flatten from the "
        "start and no all-or-nothing choices, or segments that do not overlap."
    )


def share_customers(
    problem: Problem, cells: Cells, *, prices: Array | None = None, target: float | None = None
) -> Shared:
    """Find the shares of customers, and so the problem that is left, of the best (or cheapest) plan."""
    program = SharingProgram(problem, cells, prices, target)
    s, bound = program.solve()
    even = program.evened(s)
    served = np.zeros(cells.member.shape)
    served[program.cell, program.segment] = even * cells.size[program.cell]
    # what rounding leaves of a group goes with the rest of it
    served[served <= CRUMB * cells.size[:, None]] = 0.0
    served *= (cells.size / served.sum(axis=1))[:, None]
    members = np.array(list(cells.n_customers.values()))
    share = served.sum(axis=0) / members
    return Shared(cells, served, np.where(share > 1 - 1e-12, 1.0, share), problem, bound)
