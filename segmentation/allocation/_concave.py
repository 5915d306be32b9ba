"""The best plan of a concave problem, with proof of how near it is to the best possible."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._interior import Point, interior_point
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._reduced import Reduced, reduce_problem, with_flat_parts, with_floors_as_bounds

__all__ = ["solve_concave"]

Array = NDArray[np.float64]
# A polished plan is taken where its proven gap is no larger than this, or than that of the rough one.
POLISHED = 1e-7
# Newton's method on the prices has done it where the proven gap is this small; it may take so many steps.
PRICES_DO = 1e-11
MAX_PRICE_STEPS = 40
# A share that is missed by more than this, relative to it, cannot be met.
SHORT = 1e-7
# A plan is called optimal where it is proven to be this near.
PROVEN = 1e-6
# Halvings of the interval of log prices that the search starts from.
HALVINGS = 14


@np.errstate(all="ignore")
def solve_concave(problem: Problem) -> Solution:
    """Find the efforts with the largest total outcome of concave curves.

    Parameters
    ----------
    problem : Problem
        Curves must be concave; what makes a problem discrete is not looked at.

    Returns
    -------
    Solution
        ``gap`` is proven: the total at the best response to the shadow prices bounds every plan from above.

    Raises
    ------
    InfeasibleError
        If lower bounds take more than there is.
    UnboundedError
        If an item is limited by nothing.
    """
    whole = with_flat_parts(with_floors_as_bounds(problem))
    if len(whole.items) > len(problem.items):
        found = solve_concave(whole)
        n = len(problem.items)
        x = found.x[:n].copy()
        np.add.at(x, [i for i, _ in whole.items[n:]], _needed_extra(whole, n, found.x))
        return dataclasses.replace(found, x=x)
    reduced = reduce_problem(whole)
    n_rows = len(problem.supply) + len(problem.floors)
    if not len(reduced.free) or not len(reduced.rows):
        x = reduced.efforts(np.ones(len(reduced.free)))
        return _solution(reduced, x, np.zeros(n_rows), 0.0, 0)
    t, y, gap, iterations = _solve(reduced)
    prices = np.zeros(n_rows)
    prices[reduced.rows] = y * reduced.scale / reduced.row_scale
    return _solution(reduced, reduced.efforts(t), prices, gap, iterations)


def _needed_extra(whole: Problem, n: int, x: Array) -> Array:
    """Return what the second parts, which bring nothing, must have for the sake of the shares, and no more."""
    keep = np.zeros(len(x))
    for floor in whole.floors:
        second = floor.positions[floor.positions >= n]
        first = floor.positions[floor.positions < n]
        extra = float(x[second] @ whole.use[second, floor.resource])
        short = floor.amount - float(x[first] @ whole.use[first, floor.resource])
        if extra > 0 and short > 0:
            keep[second] = np.maximum(keep[second], min(short / extra, 1.0))
    return np.asarray((keep * x)[n:])


def _start(reduced: Reduced) -> tuple[Array, Array]:
    """Find the one price for all scarce resources at which the most wanted of them is just used up, and its efforts."""
    resource = reduced.h > 0
    G = reduced.G[resource]
    taken = G.sum(axis=0)
    low, high = -40.0, 40.0
    response = np.zeros(len(reduced.free))
    for _ in range(HALVINGS if len(G) else 0):
        middle = 0.5 * (low + high)
        response = reduced.best_response(np.exp(middle) * taken)
        if (G @ response).max() > 1.0:
            low = middle
        else:
            high = middle
    most = float(np.abs(reduced.G).sum(axis=1).max())
    room = min(0.25, 0.1 / most)
    prices = np.full(len(reduced.h), np.exp(0.5 * (low + high)))
    return np.clip(response, room, 1 - 0.1), prices


def _solve(reduced: Reduced) -> tuple[Array, Array, float, int]:
    """Return shares, prices, proven gap and iterations: Newton's method on the prices where that does it."""
    start = _start(reduced)
    if not reduced.tie.any():
        t, y, steps = _by_prices(reduced, start[1])
        t = _within(reduced, t)
        gap = _gap(reduced, t, y)
        if gap <= PRICES_DO:
            return t, y, gap, steps
    point, steps = interior_point(reduced.slope, reduced.curvature, reduced.G, reduced.h, start)
    t, y = _cleaned(reduced, point)
    gap = _gap(reduced, t, y)
    polished = _polished(reduced, point)
    if polished is not None:
        better = _gap(reduced, *polished)
        # the last digits of the gap are noise, while ties are resolved exactly only here
        if better <= max(gap, POLISHED):
            t, y, gap = *polished, better
    return t, y, gap, steps


def _by_prices(reduced: Reduced, y: Array) -> tuple[Array, Array, int]:
    """Minimise the dual, convex in one price per row, by projected Newton steps (Bertsekas (1982), 10.1137/0320018).

    Fast where curves are smooth and bend; the caller checks what comes out.
    """
    G, h = reduced.G, reduced.h
    y = y.copy()
    t, bound = _dual(reduced, y)
    steps = 0
    for _ in range(MAX_PRICE_STEPS):
        gradient = h - G @ t
        free = (y > 0) | (gradient < 0)
        if not free.any() or np.abs(gradient[free]).max() < 1e-14:
            break
        inner = (t > 0) & (t < 1)
        hessian = (G[free][:, inner] / np.maximum(reduced.curvature(t)[inner], 1e-300)) @ G[free][:, inner].T
        scale = 1 / np.sqrt(np.maximum(np.diag(hessian), 1e-300))
        scaled = hessian * scale[:, None] * scale + 1e-14 * np.eye(len(scale))
        steps += 1
        step = np.zeros(len(y))
        step[free] = -scale * np.linalg.lstsq(scaled, scale * gradient[free], rcond=1e-13)[0]
        length = 1.0
        for _backtrack in range(30):
            new = np.maximum(y + length * step, 0.0)
            new_t, new_bound = _dual(reduced, new)
            if new_bound <= bound + 1e-4 * float(gradient @ (new - y)) + 1e-15 * abs(bound):
                break
            length *= 0.4
        moved = float(np.abs(new - y).max())
        y, t, bound = new, new_t, new_bound
        if not moved > 1e-16 * float(y.max()):
            break
    return t, y, steps


def _dual(reduced: Reduced, y: Array) -> tuple[Array, float]:
    price = reduced.G.T @ y
    t = reduced.best_response(price)
    return t, float((reduced.value(t) - price * t).sum() + reduced.h @ y)


def _solution(reduced: Reduced, x: Array, prices: Array, gap: float, iterations: int) -> Solution:
    n = len(reduced.problem.supply)
    if np.isinf(gap):
        _check_floors(reduced.problem, x)
    status = "optimal" if gap <= PROVEN else "within gap" if np.isfinite(gap) else "stopped"
    return Solution(x, prices[:n], max(gap, 0.0), status, prices[n:], iterations)


def _check_floors(problem: Problem, x: Array) -> None:
    """Raise InfeasibleError where shares cannot be met: the search then ends without them."""
    short = [
        f"{floor.segment!r} gets at least {floor.amount:.6g} of {problem.resources[floor.resource]!r}"
        for floor in problem.floors
        if float(x[floor.positions] @ problem.use[floor.positions, floor.resource]) < floor.amount * (1 - SHORT)
    ]
    if short:
        raise InfeasibleError(f"no plan keeps all least shares within what there is: {name_some(short)}.", tuple(short))


def _gap(reduced: Reduced, t: Array, y: Array) -> float:
    """Return how far the total can be from the best possible, relative to the total; inf where a row is violated."""
    if (reduced.G @ t - reduced.h > 1e-9).any():
        return np.inf
    price = reduced.G.T @ y
    best = reduced.best_response(price)
    # t itself is a response, too: where effort_at is rounded, the better of both
    surplus = np.maximum(reduced.value(best) - price * best, reduced.value(t) - price * t)
    bound = float(surplus.sum() + reduced.h @ y)
    total = abs(reduced.problem.total(reduced.efforts(t))) / reduced.scale
    return (bound - float(reduced.value(t).sum())) / max(total, 1e-300)


def _within(reduced: Reduced, t: Array) -> Array:
    """Pull efforts back by the last digits that they take too much."""
    resource = reduced.h > 0
    over = float((reduced.G[resource] @ t).max(initial=0.0))
    return t / over if over > 1.0 else t


def _cleaned(reduced: Reduced, point: Point) -> tuple[Array, Array]:
    """Put items on the bound that they stand next to."""
    t = point.t.copy()
    price = np.maximum(reduced.G.T @ point.y, 1e-300)
    t[(t < 1e-7) & (point.zl > 1e-4 * price)] = 0.0
    t[(1 - t < 1e-7) & (point.zu > 1e-4 * price)] = 1.0
    return _within(reduced, t), point.y


def _polished(reduced: Reduced, point: Point) -> tuple[Array, Array] | None:
    """Solve the conditions of the optimum for the items between their bounds to the last digits; None if that fails."""
    price = np.maximum(reduced.G.T @ point.y, 1e-300)
    at_lower = point.t * price < point.zl
    at_upper = (1 - point.t) * price < point.zu
    inner = ~(at_lower | at_upper)
    active = point.s * max(float(point.y.max()), 1e-300) < point.y
    if not inner.any() or not active.any():
        return None
    t = np.where(at_lower, 0.0, np.where(at_upper, 1.0, point.t))
    y = np.where(active, point.y, 0.0)
    G = reduced.G[active][:, inner]
    for _ in range(4):
        residual = (reduced.slope(t) - reduced.G.T @ y)[inner]
        theta = np.maximum(reduced.curvature(t)[inner], 1e-300)
        missing = reduced.h[active] - reduced.G[active] @ t
        schur = (G / theta) @ G.T
        scale = 1 / np.sqrt(np.maximum(np.diag(schur), 1e-300))
        right = (G / theta) @ residual - missing
        dy = scale * np.linalg.lstsq(schur * scale[:, None] * scale, scale * right, rcond=1e-13)[0]
        step = (residual - G.T @ dy) / theta
        t[inner] = np.clip(t[inner] + step, 0.0, 1.0)
        y[active] += dy
    if not np.isfinite(t).all() or (y < 0).any():
        return None
    return _within(reduced, t), y
