"""Which figures of a table of moves between segments rest on few people, or would let one that does be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.governance._cells import protect

__all__ = ["Flows", "few_on_a_side", "protect_flows", "protect_together"]

Mask = NDArray[np.bool_]
Counts = NDArray[np.float64]
# Of so many hidden cells each is looked at whether it need be; of more, nobody would read the table by eye.
PRUNED_AT_MOST = 150


@dataclass(frozen=True)
class Flows:
    """What is hidden of k segments.

    `cells` has shape (k + 1, k + 1); `n_before`, `n_after`, `moved_out`, `moved_in` say of which segments these are
    hidden; `totals` whether the numbers of all who changed, entered and left are.
    """

    cells: Mask
    n_before: Mask
    n_after: Mask
    moved_out: Mask
    moved_in: Mask
    totals: bool

    @property
    def any(self) -> bool:
        """Whether anything is hidden."""
        return bool(self.cells.any() or self.n_before.any() or self.n_after.any())


def protect_flows(counts: NDArray[Any], minimum: int) -> Flows:
    """Say what is hidden of a table of moves of which the sums of rows and columns are known.

    Parameters
    ----------
    counts : ndarray of shape (k + 1, k + 1)
        From (rows) to (columns); the last row is who entered, the last column who left.
    minimum : int
        Cells of 1 to minimum - 1 customers are hidden; with them others, so that none of them follows from what is
        shown: the number of each segment before and after, who moved out and in, all who changed, entered and left.

    Notes
    -----
    First every line is widened until what is hidden in it are two or more and `minimum` or more together. What is still
    given away by several sums together is found by linear algebra: a hidden cell is known if it is the same in all
    solutions of the sums. Bounds, such as that a cell is less than its line, are not looked at.

    Examples
    --------
    >>> moves = np.array([[400, 3, 20, 30], [30, 500, 25, 40], [12, 35, 200, 15], [15, 60, 70, 0]])
    >>> protect_flows(moves, 10).cells.astype(int)
    array([[0, 1, 1, 0],
           [1, 0, 1, 0],
           [1, 1, 0, 0],
           [1, 1, 0, 0]])
    """
    size = np.asarray(counts, dtype=np.float64)
    k = len(size) - 1
    few_before, few_after = protect(size[:k].sum(axis=1), minimum), protect(size[:, :k].sum(axis=0), minimum)
    small = (size > 0) & (size < minimum)
    small[:k][few_before] = size[:k][few_before] > 0
    small[:, :k][:, few_after] = size[:, :k][:, few_after] > 0
    hide, hidden_sums = small.copy(), np.ones((2, k), dtype=bool)
    _widen(size, hide, minimum)
    totals, few_moved = False, _few_moved(size, minimum)
    while known := _given_away(size, hide, hidden_sums, minimum, totals=totals):
        if any(_open(size, hide, i, j) for i, j in known) or _open_diagonal(size, hide):
            _widen(size, hide, minimum)
        elif not totals:
            totals = True
        else:  # nothing is left to hide but the sizes of the segments
            everything = np.ones(k, dtype=bool)
            return Flows(hide, everything, everything, everything, everything, totals)
    _show_again(size, hide, small, hidden_sums, minimum, totals=totals)
    for one in np.ndindex(2, k):  # what gives nothing away is shown
        hidden_sums[one] = bool(few_moved[one])
        hidden_sums[one] |= bool(_given_away(size, hide, hidden_sums, minimum, totals=totals))
    return Flows(hide, few_before, few_after, hidden_sums[0], hidden_sums[1], totals)


def _open(size: Counts, hide: Mask, i: int, j: int) -> bool:
    """Hide another cell of the row, or else of the column, of a cell that is given away; tell whether there was one."""
    for line in (np.s_[i, :], np.s_[:, j]):
        more = np.flatnonzero((size[line] > 0) & ~hide[line])
        if more.size:
            hide[line][more[size[line][more].argmin()]] = True
            return True
    return False


def _open_diagonal(size: Counts, hide: Mask) -> bool:
    """Hide the fewest who stayed somewhere, by which the number of all who moved tells less."""
    stayed = np.where(hide.diagonal() | (size.diagonal() == 0), np.inf, size.diagonal())
    i = int(stayed.argmin())
    hide[i, i] |= bool(np.isfinite(stayed[i]))
    return bool(np.isfinite(stayed[i]))


def _show_again(size: Counts, hide: Mask, small: Mask, hidden_sums: Mask, minimum: int, *, totals: bool) -> None:
    """Show, in place, what was hidden beside small cells and turns out not to be needed, the largest first."""
    beside = np.argwhere(hide & ~small)
    if hide.sum() > PRUNED_AT_MOST:
        return
    for i, j in beside[np.argsort(-size[hide & ~small], kind="stable")].tolist():
        hide[i, j] = False
        if not (_safe(size[i], hide[i], minimum) and _safe(size[:, j], hide[:, j], minimum)) or _given_away(
            size, hide, hidden_sums, minimum, totals=totals
        ):
            hide[i, j] = True


def _safe(size: Counts, hide: Mask, minimum: int) -> bool:
    return not hide.any() or bool(hide.sum() >= 2 and size[hide].sum() >= minimum)


def _widen(size: Counts, hide: Mask, minimum: int) -> None:
    """Hide more, in place, until no line has one hidden cell only, or hidden ones of fewer than `minimum` together."""
    while True:
        before = hide.sum()
        for i in range(len(size)):
            hide[i] = protect(size[i], minimum, hide[i])
            hide[:, i] = protect(size[:, i], minimum, hide[:, i])
        if hide.sum() == before:
            return


def _given_away(size: Counts, hide: Mask, hidden_sums: Mask, minimum: int, *, totals: bool) -> list[tuple[int, int]]:
    """Return where small figures are the same in all tables with the sums that are shown.

    A cell stands for itself; a cell of the diagonal also for who moved out of its row or into its column.
    """
    places = np.argwhere(hide)
    if not len(places):
        return []
    row, column = places.T
    k = len(hide) - 1
    moved = (row < k) & (column < k) & (row != column)
    out, into = [moved & (row == i) for i in range(k)], [moved & (column == j) for j in range(k)]
    sums = [row == i for i in range(k + (not totals))] + [column == j for j in range(k + (not totals))]
    sums += [one for one, gone in zip([*out, *into], hidden_sums.ravel(), strict=True) if not gone]
    if not totals:
        sums.append(moved)
    _, values, vectors = np.linalg.svd(np.array(sums, dtype=np.float64), full_matrices=True)
    rank = int((values > 1e-9 * max(values.max(initial=0.0), 1.0)).sum())
    ways = vectors[rank:]  # in which the hidden cells can differ and all sums stay
    free = np.abs(ways).max(axis=0, initial=0.0) > 1e-9
    found = [(int(i), int(j)) for (i, j), one in zip(places, free, strict=True) if not one and size[i, j] < minimum]
    for side, figures in enumerate((out, into)):
        few = _few_moved(size, minimum)[side]
        found += [
            (i, i)
            for i, one in enumerate(figures)
            if few[i] and one.any() and np.abs(ways @ one).max(initial=0.0) <= 1e-9
        ]
    return found


def _few_moved(size: Counts, minimum: int) -> Mask:
    """Say of which segments so few moved out (first row) or in (second) that their sum is hidden, shape (2, k)."""
    inner = size[:-1, :-1] * ~np.eye(len(size) - 1, dtype=bool)
    sums = np.array([inner.sum(axis=1), inner.sum(axis=0)])
    return np.asarray((sums > 0) & (sums < minimum), dtype=np.bool_)


def protect_together(counts: Sequence[NDArray[Any]], minimum: int) -> Mask:
    """Say which rows are hidden where several counts stand in each, and the sums of all of them are known.

    Examples
    --------
    >>> protect_together([np.array([90, 40, 30]), np.array([80, 4, 70])], 10)
    array([False,  True,  True])
    """
    sizes = [np.nan_to_num(np.asarray(size, dtype=np.float64)) for size in counts]
    hide = np.zeros(len(sizes[0]), dtype=bool)
    while True:
        before = hide.sum()
        for size in sizes:
            hide |= protect(size, minimum, hide)
        if hide.sum() == before:
            return hide


def few_on_a_side(part: Any, whole: Any, minimum: int) -> Mask:
    """Tell where a part of a whole, or what is left of it, is 1 .. minimum - 1 customers.

    Examples
    --------
    >>> few_on_a_side(np.array([3, 20, 0, 30]), 32, 10)
    array([ True, False, False,  True])
    """
    part = np.asarray(part, dtype=np.float64)
    rest = np.asarray(whole, dtype=np.float64) - part
    return np.asarray(((part > 0) & (part < minimum)) | ((rest > 0) & (rest < minimum)), dtype=np.bool_)
