"""Agreement of segmentations, worked out on codes: plain arrays of whole numbers, -1 for customers in no segment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = [
    "adjusted_rand",
    "best_jaccard",
    "contingency",
    "jaccard_matrix",
    "match_codes",
    "origin_certainty",
]

Codes = NDArray[np.int64]


def contingency(first: Codes, second: Codes, n_first: int, n_second: int) -> NDArray[np.int64]:
    """Count the customers of every combination of segments.

    Parameters
    ----------
    first, second : ndarray of shape (n_customers,)
        Codes in the same order of customers; -1 for unassigned.
    n_first, n_second : int
        Numbers of segments.

    Returns
    -------
    ndarray of shape (n_first + 1, n_second + 1)
        The last row and the last column are the unassigned.

    Examples
    --------
    >>> contingency(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 1]), 2, 2)
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 1, 0]])
    """
    rows = np.where(first < 0, n_first, first).astype(np.int64)
    columns = np.where(second < 0, n_second, second).astype(np.int64)
    shape = (n_first + 1, n_second + 1)
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.int64)


def adjusted_rand(table: NDArray[Any]) -> float:
    """Return the adjusted Rand index of two segmentations from the counts of their combinations.

    Parameters
    ----------
    table : ndarray of shape (n_groups, n_other_groups)
        Whatever stands in it counts as a group; with `contingency`, so do the unassigned.

    Returns
    -------
    float
        1 for the same groups, 0 on average by chance, and below 0 if worse than that; 1 where both have everybody in
        one group, or both have everybody alone.

    References
    ----------
    .. [1] Hubert, Arabie (1985), Comparing partitions, Journal of Classification 2, doi:10.1007/BF01908075.

    Examples
    --------
    >>> adjusted_rand(np.array([[5, 0], [0, 5]])), round(adjusted_rand(np.array([[3, 2], [2, 3]])), 3)
    (1.0, -0.08)
    """
    counts = np.asarray(table, dtype=np.float64)
    together = _pairs(counts).sum()
    in_rows, in_columns = _pairs(counts.sum(axis=1)).sum(), _pairs(counts.sum(axis=0)).sum()
    everything = _pairs(counts.sum())
    if everything == 0:
        return 1.0
    expected, largest = in_rows * in_columns / everything, (in_rows + in_columns) / 2
    if largest == expected:  # both trivial in the same way: nothing they could disagree on
        return 1.0
    return float((together - expected) / (largest - expected))


def _pairs(counts: Any) -> Any:
    """Return how many pairs of customers there are among so many."""
    return counts * (counts - 1) / 2


def jaccard_matrix(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Jaccard coefficient of every two segments from their `contingency`.

    Returns
    -------
    ndarray of shape (n_first, n_second)
        Customers in both segments, divided by customers in at least one of them; all customers count, those who are
        unassigned in the other solution too. NaN where both segments are empty.

    Examples
    --------
    >>> jaccard_matrix(np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0]])).round(3)
    array([[0.5  , 0.25 ],
           [0.   , 0.333]])
    """
    both = table[:-1, :-1].astype(np.float64)
    either = table.sum(axis=1)[:-1, None] + table.sum(axis=0)[None, :-1] - both
    result = np.full(both.shape, np.nan)
    np.divide(both, either, out=result, where=either > 0)
    return result


def best_jaccard(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for every segment of the first solution, its largest Jaccard coefficient with any of the second.

    Being unassigned is no segment and nobody's counterpart. 0 where the second solution has no segment; NaN for a
    segment that is empty in the first, of which nothing can come back.

    Examples
    --------
    >>> best_jaccard(np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0]])).round(3)
    array([0.5  , 0.333])
    """
    sizes = table.sum(axis=1)[:-1]
    matrix = np.nan_to_num(jaccard_matrix(table), nan=0.0)
    best = matrix.max(axis=1) if matrix.shape[1] else np.zeros(len(sizes))
    return np.where(sizes > 0, best, np.nan)


def match_codes(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pair the segments of two solutions one to one so that as many customers as possible keep their segment.

    Parameters
    ----------
    table : ndarray of shape (n_first + 1, n_second + 1)
        From `contingency`.

    Returns
    -------
    ndarray of shape (n_second,)
        For every segment of the second solution the code of its counterpart in the first; -1 where it has none, or
        shares no customer with it.

    Examples
    --------
    >>> match_codes(np.array([[0, 7, 2, 0], [6, 1, 3, 0], [0, 0, 0, 0]]))
    array([ 1,  0, -1])
    """
    counts = table[:-1, :-1]
    counterpart = np.full(counts.shape[1], -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(-counts)
    shared = counts[rows, columns] > 0
    counterpart[columns[shared]] = rows[shared]
    return counterpart


def origin_certainty(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how surely the members of each later segment come from one earlier segment (SLSA).

    1 - entropy of the shares of their origins / log(number of all groups of the earlier solution) [1]_: 1 if all come
    from one group, 0 if from all in equal parts; 1 where there was only one group before. Those who were unassigned
    before are a group of origin, counted where there are any. NaN for an empty segment.

    Parameters
    ----------
    table : ndarray of shape (n_earlier + 1, n_later + 1)
        From `contingency`.

    Returns
    -------
    ndarray of shape (n_later,)

    References
    ----------
    .. [1] Dolnicar, Leisch (2017), Using segment level stability to select target segments in data-driven market
       segmentation studies, Marketing Letters 28(3), doi:10.1007/s11002-017-9423-8.

    Examples
    --------
    >>> origin_certainty(np.array([[10, 0, 0], [0, 5, 0], [0, 5, 0], [0, 0, 0]])).round(3)
    array([1.   , 0.369])
    """
    counts = table[:, :-1].astype(np.float64)
    n_groups = len(table) - 1 + int(table[-1].sum() > 0)
    sizes = counts.sum(axis=0)
    shares = np.divide(counts, sizes, out=np.zeros_like(counts), where=sizes > 0)
    entropy = -(shares * np.log(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=0)
    certainty = np.ones(len(sizes)) if n_groups <= 1 else 1 - entropy / np.log(n_groups)
    return np.where(sizes > 0, np.clip(certainty, 0.0, 1.0), np.nan)
