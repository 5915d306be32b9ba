"""Rows of customers: an order that depends on their values alone, repeated ones, and a sample of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_identical", "sample_rows"]

# splitmix64 (Steele, Lea, Flood 2014, Fast splittable pseudorandom number generators, OOPSLA,
# doi:10.1145/2660193.2660195): a bijection whose output looks random however regular the input is.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


def group_identical(values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sort rows by their values, and number those that are identical alike.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    order : ndarray of shape (n_rows,)
        Positions in the order of the values: first column first.
    group : ndarray of shape (n_rows,)
        Number of each row's group, 0, 1, ... in that order.

    Examples
    --------
    >>> order, group = group_identical(np.array([[2.0], [1.0], [2.0]]))
    >>> order.tolist(), group.tolist()
    ([1, 0, 2], [1, 0, 1])
    """
    order = np.lexsort(values.T[::-1])
    as_before = np.ones(max(len(values) - 1, 0), dtype=bool)
    for column in values.T:  # one column at a time: no sorted copy of the whole table
        in_order = column[order]
        as_before &= in_order[1:] == in_order[:-1]
    group = np.zeros(len(values), dtype=np.intp)
    group[order[1:]] = np.cumsum(~as_before)
    return order, group


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    keys = keys + GOLDEN
    keys = (keys ^ (keys >> np.uint64(30))) * MIX_1
    keys = (keys ^ (keys >> np.uint64(27))) * MIX_2
    mixed: NDArray[np.uint64] = keys ^ (keys >> np.uint64(31))
    return mixed


def sample_rows(
    values: NDArray[np.float64], order: NDArray[np.intp], group: NDArray[np.intp], size: int, seed: int
) -> NDArray[np.intp]:
    """Take a uniform sample of rows that depends on their values and the seed, not on where they stand.

    Every row gets a pseudo-random number from its values, the seed and its rank among identical rows; the smallest
    are taken. So the sample of a table with a few more or fewer customers is nearly the same.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    order, group : from `group_identical`
    size : int
        How many to take; all where there are not more.
    seed : int

    Returns
    -------
    ndarray of shape (min(size, n_rows),)
        Positions, in the order of the values.

    Examples
    --------
    >>> values = np.arange(6.0).reshape(-1, 1)
    >>> taken = sample_rows(values, *group_identical(values), size=3, seed=0)
    >>> turned = values[::-1].copy()
    >>> again = sample_rows(turned, *group_identical(turned), size=3, seed=0)
    >>> (values[taken] == turned[again]).all()
    np.True_
    """
    if size >= len(values):
        return order
    keys = np.full(len(values), seed, dtype=np.uint64)
    for column in values.T:
        # adding 0 turns -0.0, which equals 0.0, into it; copying gives a contiguous column to look at as integers
        keys = _mixed(keys ^ np.ascontiguousarray(column + 0.0).view(np.uint64))
    in_order = group[order]
    first = np.searchsorted(in_order, in_order)  # where the group of each begins
    keys[order] ^= (np.arange(len(values)) - first).astype(np.uint64)
    taken = np.zeros(len(values), dtype=bool)
    taken[np.argpartition(_mixed(keys), size)[:size]] = True
    chosen: NDArray[np.intp] = order[taken[order]]
    return chosen
