"""What prices prove about a discrete problem: a bound of every plan, and what no better plan can do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._discrete_domain import Domain
from segmentation.allocation._discrete_model import Prices
from segmentation.allocation._discrete_pieces import Pieces

__all__ = ["bound_at", "tightened", "uniform_price"]

Array = NDArray[np.float64]
# Halvings of the interval of log prices that the search for one price starts from.
HALVINGS = 22


def _per_piece(domain: Domain, pieces: Pieces, prices: Prices) -> tuple[Array, Array, float]:
    """Return the price of effort and of being chosen for each piece (P,), and what the prices leave for nothing."""
    problem = domain.problem
    per_effort = problem.use @ prices.resources
    for floor, price in zip(problem.floors, prices.floors, strict=True):
        per_effort[floor.positions] -= problem.use[floor.positions, floor.resource] * price
    once = np.asarray(problem.fixed) @ prices.resources + np.asarray(problem.fixed_cost)
    for group, price in zip(problem.exclusive, prices.groups, strict=True):
        once[group] += price
    limited = np.isfinite(problem.supply)
    rest = float(problem.supply[limited] @ prices.resources[limited] + prices.groups.sum())
    rest -= float(sum(f.amount * price for f, price in zip(problem.floors, prices.floors, strict=True)))
    return per_effort[pieces.item], once[pieces.item], rest


def bound_at(domain: Domain, pieces: Pieces, prices: Prices) -> tuple[float, Array, Array]:
    """Return what no plan can exceed, and per piece the best effort at the prices and what it leaves.

    The Lagrangian dual: at given prices every item can be looked at by itself, whatever its curve.
    """
    per_effort, once, rest = _per_piece(domain, pieces, prices)
    x, left = pieces.best(per_effort)
    left = left - once
    return rest + float(_best_of_items(pieces, left).sum()), x, left


def _best_of_items(pieces: Pieces, left: Array) -> Array:
    best = np.where(pieces.can_be_zero, 0.0, -np.inf)
    np.maximum.at(best, pieces.item, left)
    return best


def tightened(domain: Domain, pieces: Pieces, prices: Prices, least: float) -> Pieces:
    """Leave out what cannot be part of a plan that brings at least so much (by the bound at the prices)."""
    bound, _, left = bound_at(domain, pieces, prices)
    if not np.isfinite(bound):
        return pieces
    per_effort, once, _ = _per_piece(domain, pieces, prices)
    best = _best_of_items(pieces, left)
    # how much worse than its best an item may do; a little more for rounding
    spare = max(bound - least, 0.0) * (1 + 1e-9) + 1e-12 * abs(bound)
    can_be_zero = pieces.can_be_zero & (best <= spare)
    narrower = pieces.within(per_effort, (best - spare)[pieces.item] + once)
    return narrower.take(np.arange(len(narrower)), can_be_zero)


def uniform_price(domain: Domain, pieces: Pieces) -> Prices | None:
    """Return prices of equal worth for all of each resource at which the scarcest is just used up; None without any."""
    problem = domain.problem
    limited = np.isfinite(problem.supply) & (problem.supply > 0)
    if not limited.any() or not len(pieces):
        return None
    supply = problem.supply[limited]
    use, fixed = problem.use[:, limited][pieces.item], np.asarray(problem.fixed)[:, limited][pieces.item]
    floors, groups = np.zeros(len(problem.floors)), np.zeros(len(problem.exclusive))
    worth = max(float(np.maximum(pieces.at_b, 0.0).sum()), 1e-300)
    low, high = -16.0, 8.0
    prices = Prices(np.zeros(len(problem.supply)), floors, groups)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        resources = np.zeros(len(problem.supply))
        resources[limited] = np.exp(middle) * worth / supply
        prices = Prices(resources, floors, groups)
        _, x, left = bound_at(domain, pieces, prices)
        best = _best_of_items(pieces, left)
        chosen = left >= np.maximum(best[pieces.item], 1e-300)
        taken = (use * x[:, None] + fixed)[chosen].sum(axis=0)
        low, high = (middle, high) if (taken > supply).any() else (low, middle)
    return prices
