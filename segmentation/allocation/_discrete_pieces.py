"""The items of a discrete problem cut into pieces on which the curve is convex or concave."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._discrete_domain import CurveTable, Domain

__all__ = ["CONCAVE", "CONVEX", "Pieces", "first_pieces"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Enough = Callable[[Index, Array], NDArray[np.bool_]]
CONVEX, CONCAVE = 0, 1
# So few whole units in the convex part of a curve are listed one by one.
LISTED = 8
HALVINGS = 52


@dataclass
class Pieces:
    """Pieces of items: at most one of those of an item is chosen, and the effort of the item lies in it.

    Attributes
    ----------
    item : ndarray of shape (P,)
    a, b : ndarray of shape (P,)
        The ends of the piece; ``a == b`` is a single effort.
    kind : ndarray of shape (P,)
        CONVEX (bounded from above by the straight line between its ends) or CONCAVE (by tangents).
    step : ndarray of shape (P,)
        The distance of the efforts that are allowed, from `a` on; 0 where all are.
    can_be_zero : ndarray of shape (n,)
        Items that need no piece: their effort may be 0.
    curves : CurveTable
    """

    item: Index
    a: Array
    b: Array
    kind: Index
    step: Array
    can_be_zero: NDArray[np.bool_]
    curves: CurveTable

    def __post_init__(self) -> None:
        # one allowed effort is a point, whatever rounding makes of its ends
        self.b = np.where(self.b - self.a < 0.5 * self.step, self.a, self.b)
        self.at_a = self.curves.value(self.item, self.a)
        self.at_b = self.curves.value(self.item, self.b)

    def __len__(self) -> int:
        return len(self.item)

    @property
    def span(self) -> Array:
        """The length of each piece."""
        return np.asarray(self.b - self.a)

    def take(self, where: NDArray[np.bool_] | Index, can_be_zero: NDArray[np.bool_] | None = None) -> Pieces:
        """Return some of the pieces."""
        zero = self.can_be_zero if can_be_zero is None else can_be_zero
        return Pieces(
            self.item[where], self.a[where], self.b[where], self.kind[where], self.step[where], zero, self.curves
        )

    def with_ends(self, a: Array, b: Array) -> Pieces:
        """Return the pieces with other ends."""
        return dataclasses.replace(self, a=a, b=b)

    def best(self, price: Array) -> tuple[Array, Array]:
        """Return per piece the effort that is best at a price per unit of effort (P,), and what it leaves."""
        at_a, at_b = self.at_a - price * self.a, self.at_b - price * self.b
        x = np.where(at_b > at_a, self.b, self.a)
        left = np.maximum(at_a, at_b)
        bent = np.flatnonzero((self.kind == CONCAVE) & (self.b > self.a))
        if len(bent):
            items, price = self.item[bent], price[bent]
            inner = self.curves.effort_at(items, price, self.a[bent], self.b[bent])
            for candidate in self._allowed(bent, inner):
                value = self.curves.value(items, candidate) - price * candidate
                better = value > left[bent]
                x[bent[better]], left[bent[better]] = candidate[better], value[better]
        return x, left

    def _allowed(self, which: Index, x: Array) -> tuple[Array, ...]:
        """Return the allowed efforts next to x: x itself, or the whole units below and above it."""
        a, b, step = self.a[which], self.b[which], self.step[which]
        whole = step > 0
        if not whole.any():
            return (x,)
        units = np.floor((x - a) / np.where(whole, step, 1.0) + 1e-9)
        below = np.where(whole, np.minimum(a + units * step, b), x)
        above = np.where(whole, np.minimum(a + (units + 1) * step, b), x)
        return below, above

    def within(self, price: Array, least: Array) -> Pieces:
        """Keep what leaves at least so much at a price (both (P,)): pieces get shorter, convex ones two."""
        top, most = self.best(price)
        kept = np.flatnonzero(most >= least)
        a, b = self.a.copy(), self.b.copy()

        def enough(which: Index, x: Array) -> NDArray[np.bool_]:
            return np.asarray(self.curves.value(self.item[which], x) - price[which] * x >= least[which])

        bent = kept[(self.kind[kept] == CONCAVE) & (self.b[kept] > self.a[kept])]
        a[bent] = self._edge(bent, top[bent], self.a[bent], enough)
        b[bent] = self._edge(bent, top[bent], self.b[bent], enough)
        # a convex piece leaves most at its ends: what is not enough lies in its middle
        hollow = kept[(self.kind[kept] == CONVEX) & (self.b[kept] > self.a[kept])]
        bottom = self._bottom(hollow, price[hollow])
        hollow, bottom = hollow[(deep := ~enough(hollow, bottom))], bottom[deep]
        ok_a, ok_b = enough(hollow, self.a[hollow]), enough(hollow, self.b[hollow])
        from_a = self._edge(hollow, self.a[hollow], bottom, enough)
        from_b = self._edge(hollow, self.b[hollow], bottom, enough)
        b[hollow[ok_a]] = from_a[ok_a]
        a[hollow[~ok_a]] = from_b[~ok_a]
        both = ok_a & ok_b
        second = self.with_ends(a, b).take(hollow[both]).with_ends(from_b[both], self.b[hollow[both]])
        return self.with_ends(a, b).take(kept).joined(second)

    def _bottom(self, which: Index, price: Array) -> Array:
        """Return where convex pieces leave least at a price."""
        low, high = self.a[which].copy(), self.b[which].copy()
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            falls = self.curves.slope(self.item[which], middle) < price
            low, high = np.where(falls, middle, low), np.where(falls, high, middle)
        return 0.5 * (low + high)

    def _edge(self, which: Index, inside: Array, outside: Array, enough: Enough) -> Array:
        """Return where, from inside to outside, it stops to be enough; a little further out, on an allowed effort."""
        low, high = inside.copy(), outside.copy()
        all_the_way = enough(which, high)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            good = enough(which, middle)
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        edge = np.where(all_the_way, outside, high)
        a, b, step = self.a[which], self.b[which], self.step[which]
        units = (edge - a) / np.where(step > 0, step, 1.0)
        rounded = np.where(outside >= inside, np.floor(units + 1e-6), np.ceil(units - 1e-6))
        return np.where(step > 0, np.clip(a + rounded * step, a, b), edge)

    def joined(self, other: Pieces) -> Pieces:
        """Return these pieces and others of the same items."""
        both = [(getattr(self, name), getattr(other, name)) for name in ("item", "a", "b", "kind", "step")]
        item, a, b, kind, step = (np.concatenate(pair) for pair in both)
        order = np.lexsort((a, item))
        return Pieces(item[order], a[order], b[order], kind[order], step[order], self.can_be_zero, self.curves)

    def split(self, which: Index, x: Array) -> Pieces:
        """Cut convex pieces in two at x, where the straight lines then are exact."""
        step = self.step[which]
        units = np.round((x - self.a[which]) / np.where(step > 0, step, 1.0))
        left_end = np.where(step > 0, self.a[which] + units * step, x)
        left_end = np.clip(left_end, self.a[which], np.where(step > 0, self.b[which] - step, self.b[which]))
        right_start = np.minimum(left_end + step, self.b[which])
        rest = np.setdiff1d(np.arange(len(self)), which)
        first = self.take(which).with_ends(self.a[which], left_end)
        second = self.take(which).with_ends(right_start, self.b[which])
        return self.take(rest).joined(first).joined(second)


def first_pieces(domain: Domain) -> Pieces:
    """Cut the items at the inflection of their curves."""
    rows: list[tuple[int, float, float, int, float]] = []
    for i in np.flatnonzero(domain.fundable).tolist():
        a, b, step = float(domain.lower[i]), float(domain.upper[i]), float(domain.step[i])
        bend = float(domain.inflection[i])
        if bend <= a or b <= a:
            rows.append((i, a, b, CONCAVE if b > a else CONVEX, step))
        elif step == 0:
            rows.append((i, a, min(bend, b), CONVEX, 0.0))
            if bend < b:
                rows.append((i, bend, b, CONCAVE, 0.0))
        else:
            rows.extend(_whole_units(i, a, b, step, bend))
    item, a_, b_, kind, step_ = (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 5
    return Pieces(
        item.astype(np.int64),
        a_.astype(np.float64),
        b_.astype(np.float64),
        kind.astype(np.int64),
        step_.astype(np.float64),
        domain.can_be_zero,
        domain.curves,
    )


def _whole_units(i: int, a: float, b: float, step: float, bend: float) -> list[tuple[int, float, float, int, float]]:
    last = round((b - a) / step)
    convex = min(int(np.floor((bend - a) / step + 1e-9)), last)
    rows: list[tuple[int, float, float, int, float]] = []
    if convex + 1 <= LISTED:
        rows += [(i, a + k * step, a + k * step, CONVEX, step) for k in range(convex + 1)]
    else:
        rows.append((i, a, a + convex * step, CONVEX, step))
    if convex < last:
        start = a + (convex + 1) * step
        rows.append((i, start, b, CONCAVE if last > convex + 1 else CONVEX, step))
    return rows
