"""Shares of a segment against the rest, with customers as units: sums, lifts, tests corrected for being many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from segmentation._progress import progress
from segmentation.governance._association import holm

__all__ = ["CellSums", "exact_p_values", "lifts", "permutation_p_values", "sum_cells"]

Floats = NDArray[np.float64]
# Fewer customers than this who buy a thing at all say too little about how their shares vary.
FEWEST_FOR_VARIANCE = 10


@dataclass(frozen=True, eq=False)
class CellSums:
    """Sums over the customers of each segment, shape (n_segments, n_categories); `n` has shape (n_segments,).

    ``buyers`` counts those who bought, ``total`` adds what is compared (1 or a share of the own basket) and
    ``squares`` its square. The sums of all customers have shape (n_categories,).
    """

    n: Floats
    buyers: Floats
    total: Floats
    squares: Floats
    n_all: float
    buyers_all: Floats
    total_all: Floats
    squares_all: Floats


def sum_cells(segment: NDArray[np.int64], n_segments: int, table: sparse.csr_matrix) -> CellSums:
    """Add the rows of `table`, customers x categories, up by segment; code `n_segments` is the unassigned."""
    chosen = _indicator(segment, n_segments)
    bought = (table > 0).astype(np.float64)
    squared = table.multiply(table).tocsr()
    buyers, total, squares = (
        np.asarray((chosen @ one).todense(), dtype=np.float64) for one in (bought, table, squared)
    )
    alls = [np.asarray(one.sum(axis=0), dtype=np.float64).ravel() for one in (bought, table, squared)]
    n = np.bincount(segment, minlength=n_segments + 1)[:n_segments].astype(np.float64)
    return CellSums(n, buyers, total, squares, float(table.shape[0]), *alls)


def _indicator(segment: NDArray[np.int64], n_segments: int) -> sparse.csr_matrix:
    """Return the segments x customers table of ones, without the unassigned."""
    inside = np.flatnonzero(segment < n_segments)
    ones = np.ones(len(inside))
    return sparse.csr_matrix((ones, (segment[inside], inside)), shape=(n_segments, len(segment)))


def exact_p_values(cells: CellSums, tested: NDArray[np.bool_], direction: str) -> tuple[Floats, Floats]:
    """Return exact p-values of shares of customers, and the same corrected by Holm; missing where not tested.

    Whoever shuffles the customers over the segments gets hypergeometric numbers of buyers: Fisher's test.
    """
    rows, columns = np.nonzero(tested)
    a = cells.buyers[rows, columns]
    margins = (cells.n_all, cells.buyers_all[columns], cells.n[rows])
    p = stats.hypergeom.sf(a - 1, *margins)
    if direction == "both":
        p = np.minimum(1.0, 2 * np.minimum(p, stats.hypergeom.cdf(a, *margins)))
    # a sum of many tiny terms may miss 0 or 1 by a hair
    p = np.clip(p, np.finfo(float).tiny, 1.0)
    return _spread_out(p, tested), _spread_out(holm(p), tested)


def _spread_out(values: Floats, tested: NDArray[np.bool_]) -> Floats:
    out = np.full(tested.shape, np.nan)
    out[tested] = values
    return out


def permutation_p_values(
    segment: NDArray[np.int64],
    n_segments: int,
    table: sparse.csr_matrix,
    tested: NDArray[np.bool_],
    direction: str,
    n_permutations: int,
    rng: np.random.Generator,
    *,
    show: bool | None = None,
) -> tuple[Floats, Floats]:
    """Return p-values of mean shares by shuffling the customers, and the same corrected for all comparisons.

    The statistic is Welch's (see `_spread`), so that shares which vary more are no reason to be found (Janssen 1997);
    the correction is the step-down procedure of Westfall and Young (1993): each is compared with the largest of all
    that are not above it, within the same shuffle, so that dependence between categories costs nothing.
    """
    both = direction == "both"
    squared = table.multiply(table).tocsr()
    observed = _welch(segment, n_segments, table, squared, both)[tested]
    order = np.argsort(-observed, kind="stable")
    beyond_alone = np.zeros(len(order))
    beyond_all = np.zeros(len(order))
    shuffles = progress(range(n_permutations), what="shuffling customers", unit="shuffle", show=show)
    for _ in shuffles:
        again = _welch(rng.permutation(segment), n_segments, table, squared, both)[tested]
        beyond_alone += again >= observed - 1e-12
        in_order = again[order]
        most = np.maximum.accumulate(in_order[::-1])[::-1]
        beyond_all += most >= observed[order] - 1e-12
    alone = (1 + beyond_alone) / (1 + n_permutations)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate((1 + beyond_all) / (1 + n_permutations))
    return _spread_out(alone, tested), _spread_out(adjusted, tested)


def _welch(
    segment: NDArray[np.int64], n_segments: int, table: sparse.csr_matrix, squared: sparse.csr_matrix, both: bool
) -> Floats:
    """Return Welch's statistic of each segment against the rest, its size only where both directions count."""
    chosen = _indicator(segment, n_segments)
    total = np.asarray((chosen @ table).todense())
    squares = np.asarray((chosen @ squared).todense())
    n = np.bincount(segment, minlength=n_segments + 1)[:n_segments, None].astype(np.float64)
    n_rest = len(segment) - n
    total_all, squares_all = table.sum(axis=0).A1, squared.sum(axis=0).A1
    average = total_all / len(segment)
    difference = total / np.maximum(n, 1) - (total_all - total) / np.maximum(n_rest, 1)
    spread = _spread(total, squares, n, average) + _spread(total_all - total, squares_all - squares, n_rest, average)
    t = difference / np.sqrt(np.maximum(spread, 1e-18))
    result: Floats = np.abs(t) if both else t
    return result


def _spread(total: Floats, squares: Floats, n: Floats, average: Floats) -> Floats:
    """Return the variance of the mean share in a group: as seen, or, if that is more, as its baskets make likely.

    In small baskets a share is large or nothing at all. A group that happened to buy a rare category less than it would
    has then seen too little of its own variance as well. Over all categories, it shows how large a share is where there
    is one (``concentration``), and so what variance a share of the average size would have.
    """
    size = np.maximum(n, 1)
    seen = np.maximum(squares - total**2 / size, 0.0) / np.maximum(n - 1, 1)
    concentration = squares.sum(axis=1, keepdims=True) / np.maximum(total.sum(axis=1, keepdims=True), 1e-300)
    likely = concentration * average - average**2
    result: Floats = np.maximum(seen, likely) / size
    return result


def lifts(cells: CellSums, *, binary: bool) -> tuple[Floats, Floats]:
    """Return the log of the lift against the rest, and its variance.

    One customer of the average kind is added to the segment and to the rest, so that there is always a lift.
    The variance of the log is linearised. Where few customers buy a thing, how much their shares vary is not known, and
    the largest variance that shares of this mean can have is taken instead.
    """
    average = cells.total_all / cells.n_all
    n = cells.n[:, None]
    sides = []
    for total, squares, buyers, size in (
        (cells.total, cells.squares, cells.buyers, n),
        (
            cells.total_all - cells.total,
            cells.squares_all - cells.squares,
            cells.buyers_all - cells.buyers,
            cells.n_all - n,
        ),
    ):
        share = (total + average) / (size + 1)
        largest = share * (1 - share)
        seen = np.maximum(squares - size * (total / np.maximum(size, 1)) ** 2, 0.0) / np.maximum(size - 1, 1)
        variance = largest if binary else np.where(buyers >= FEWEST_FOR_VARIANCE, np.minimum(seen, largest), largest)
        sides.append((np.log(share), variance / ((size + 1) * share**2)))
    (own, own_variance), (rest, rest_variance) = sides
    return own - rest, own_variance + rest_variance
