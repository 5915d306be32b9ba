"""Purchase histories as arrays: checked, collapsed to unique rows, and put in order for the likelihoods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation.exceptions import CustomerTableError

__all__ = ["Histories", "columns_of", "read_histories", "read_weights", "unique_rows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A table of counts of at most this many cells is filled directly; above, keys are sorted.
LARGEST_TABLE = 4_000_000
# Customers that weights may stand for.
LARGEST_TOTAL = 1e15


def columns_of(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Turn inputs into float arrays of one shape (n,); they may be views of what was passed.

    Examples
    --------
    >>> columns_of(1, [2, 3])
    (array([1., 1.]), array([2., 3.]))
    """
    arrays = [np.atleast_1d(np.asarray(column, dtype=np.float64)) for column in columns]
    wrong = [array.shape for array in arrays if array.ndim != 1]
    if wrong:
        raise ValueError(f"one value per customer is expected, that is one dimension; got the shape {wrong[0]}.")
    lengths = {len(array) for array in arrays} - {1}
    if len(lengths) > 1:
        raise ValueError(f"all arrays must have one value per customer; got the lengths {sorted(lengths)}.")
    return tuple(np.broadcast_arrays(*arrays)) if lengths and len({len(a) for a in arrays}) > 1 else tuple(arrays)


def _integer_keys(columns: tuple[Floats, ...]) -> tuple[Ints, list[tuple[int, int]]] | None:
    """Pack whole numbers of moderate size into one integer per row; None where that cannot be done."""
    ranges = []
    size = 1
    for column in columns:
        low, high = float(column.min()), float(column.max())
        if not (abs(low) < 2**31 and abs(high) < 2**31):
            return None
        span = int(high) - int(np.floor(low)) + 1
        size *= span
        if size > 2**62:
            return None
        ranges.append((int(np.floor(low)), span))
    keys = np.zeros(len(columns[0]), dtype=np.int64)
    for column, (low_value, span) in zip(columns, ranges, strict=True):
        whole = column.astype(np.int64)
        if not np.array_equal(whole, column):
            return None
        keys *= span
        keys += whole - low_value
    return keys, ranges


def _unpack(keys: Ints, ranges: list[tuple[int, int]]) -> tuple[Floats, ...]:
    """Undo `_integer_keys`."""
    columns = []
    for low, span in reversed(ranges):
        columns.append((keys % span + low).astype(np.float64))
        keys = keys // span
    return tuple(reversed(columns))


def unique_rows(*columns: ArrayLike, inverse: bool = True) -> tuple[tuple[Floats, ...], Ints, Ints]:
    """Collapse equal rows: return the unique rows as columns, each row's place among them, and their counts.

    Customers with equal histories have equal likelihoods and equal expectations, so both are computed once.

    Parameters
    ----------
    *columns : arrays of shape (n,)
    inverse : bool, default=True
        Whether the places are wanted; without them the second result is empty, and the work is less.

    Examples
    --------
    >>> rows, places, counts = unique_rows([1, 0, 1], [7, 0, 7])
    >>> rows, places, counts
    ((array([0., 1.]), array([0., 7.])), array([1, 0, 1]), array([1, 2]))
    """
    values = columns_of(*columns)
    if not len(values[0]):
        return values, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    packed = _integer_keys(values)
    if packed is None:
        return _unique_by_sorting(values, inverse)
    keys, ranges = packed
    size = int(np.prod([float(span) for _, span in ranges]))
    places = np.zeros(0, dtype=np.int64)
    if size <= max(LARGEST_TABLE, len(keys)) and size <= 32 * len(keys) + 1024:
        table = np.bincount(keys, minlength=size)
        present = np.flatnonzero(table)
        counts = table[present]
        if inverse:
            table[present] = np.arange(len(present))
            places = table[keys]
        return _unpack(present, ranges), places, counts.astype(np.int64, copy=False)
    if inverse:
        present, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
        return _unpack(present, ranges), places.astype(np.int64, copy=False), counts.astype(np.int64, copy=False)
    keys.sort()
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    counts = np.diff(np.append(starts, len(keys)))
    return _unpack(keys[starts], ranges), places, counts.astype(np.int64, copy=False)


def _unique_by_sorting(values: tuple[Floats, ...], inverse: bool) -> tuple[tuple[Floats, ...], Ints, Ints]:
    order = np.lexsort(values[::-1])
    ordered = [v[order] for v in values]
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for v in ordered:
        new[1:] |= v[1:] != v[:-1]
    starts = np.flatnonzero(new)
    places = np.zeros(0, dtype=np.int64)
    if inverse:
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.cumsum(new) - 1
    counts = np.diff(np.append(starts, len(order))).astype(np.int64)
    return tuple(v[starts] for v in ordered), places, counts


def _refuse(wrong: NDArray[np.bool_], message: str, *columns: tuple[str, Floats]) -> None:
    """Raise with the first rows that are wrong, and their values."""
    if not wrong.any():
        return
    rows = np.flatnonzero(wrong)
    named = "; ".join(
        f"row {row}: " + ", ".join(f"{name} {values[row]:g}" for name, values in columns) for row in rows[:3]
    )
    more = f" and {len(rows) - 3:,} more" if len(rows) > 3 else ""
    raise CustomerTableError(f"{message} ({named}{more}).")


def read_histories(frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Check purchase histories and return them as float arrays of shape (n,).

    Raises
    ------
    CustomerTableError
        If values are missing, infinite or impossible; the message names rows and values.
    """
    x, t_x, T = columns_of(frequency, recency, T)
    named = (("frequency", x), ("recency", t_x), ("T", T))
    for name, values in named:
        _refuse(~np.isfinite(values), f"{name} is missing or infinite", (name, values))
    _refuse(
        (x < 0) | (x != np.floor(x)), "frequency counts repeat purchases, a whole number from 0 on", ("frequency", x)
    )
    _refuse((t_x < 0) | (T < 0), "recency and T are durations, not negative", *named[1:])
    _refuse(t_x > T, "recency (first to last purchase) cannot exceed T (first purchase to the end)", *named[1:])
    _refuse(
        (x > 0) != (t_x > 0),
        "recency is the time from the first to the last purchase: 0 where frequency is 0, positive elsewhere",
        *named[:2],
    )
    return x, t_x, T


def read_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Check weights, one per row: how many customers it stands for; all 1 by default."""
    if weights is None:
        return np.ones(n)
    (values,) = columns_of(weights)
    if len(values) != n:
        raise ValueError(f"weights must be one per row: {len(values):,} weights for {n:,} rows.")
    if not np.all(np.isfinite(values)) or (values < 0).any() or not values.any():
        raise ValueError("weights must be finite, not negative, and not all 0: how many customers a row stands for.")
    if values.sum() > LARGEST_TOTAL:
        raise ValueError(f"weights add up to {values.sum():.3g} customers; at most {LARGEST_TOTAL:.0e} can be.")
    return values


@dataclass(frozen=True)
class Histories:
    """Unique purchase histories in the form in which likelihoods are fast.

    Attributes
    ----------
    x, t_x, T, weights : ndarray of shape (n_rows,)
    x_values, t_values, T_values : ndarray
        Their distinct values, so that logarithms and gamma functions are computed once for each.
    x_index, t_index, T_index : ndarray of shape (n_rows,), int
    """

    x: Floats
    t_x: Floats
    T: Floats
    weights: Floats
    x_values: Floats
    x_index: NDArray[Any]
    t_values: Floats
    t_index: NDArray[Any]
    T_values: Floats
    T_index: NDArray[Any]

    @classmethod
    def of(cls, x: Floats, t_x: Floats, T: Floats, weights: Floats) -> Histories:
        """Index the distinct values of unique rows."""
        indexed: list[Any] = []
        for column in (x, t_x, T):
            (values,), places, _ = unique_rows(column)
            indexed += [values, places]
        return cls(x, t_x, T, weights, *indexed)

    def scaled(self, factor: float) -> Histories:
        """Multiply all times by `factor`."""
        return Histories(
            self.x,
            self.t_x * factor,
            self.T * factor,
            self.weights,
            self.x_values,
            self.x_index,
            self.t_values * factor,
            self.t_index,
            self.T_values * factor,
            self.T_index,
        )

    def some(self, n_rows: int) -> Histories:
        """Take about `n_rows` of the rows, spread evenly, each with the weight of those it stands for."""
        taken = np.unique(np.linspace(0, len(self.x) - 1, n_rows).astype(np.int64))
        weights = self.weights[taken]
        return Histories.of(
            self.x[taken], self.t_x[taken], self.T[taken], weights * (self.weights.sum() / weights.sum())
        )
