"""The row before and the first row of the same customer, in any engine: gaps between purchases and between events.

Engines differ in how they give rows in order: frames in memory are sorted as whole numbers, SQL engines and lazy
polars have window functions, Dask sorts within partitions.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.features._intervals import _codes
from segmentation.features._orders import CUSTOMER

__all__ = ["GAP", "SINCE_FIRST", "with_gaps"]

GAP, SINCE_FIRST = "gap", "since_first"


def with_gaps(frame: nw.LazyFrame[Any], value: str, *, eager: bool) -> nw.LazyFrame[Any]:
    """Add `GAP` and `SINCE_FIRST`: how far `value` lies above the customer's one before, and above the smallest.

    Both are 0 in the row with the smallest value. Of rows with equal values it does not matter which is before
    which: the gaps of a customer, as a set, are the same.

    Parameters
    ----------
    frame : LazyFrame
        With the column `CUSTOMER`, and no row that does not count.
    value : str
        Column of whole numbers, none missing.
    eager : bool
        Whether what the user gave was a frame in memory.
    """
    if eager:
        part = frame.collect()
        columns = [
            nw.new_series(name, values, backend=part.implementation) for name, values in _of_frame(part, value).items()
        ]
        return part.with_columns(*columns).lazy()
    if frame.implementation.is_dask():
        return _in_dask(frame, value)
    before = nw.col(value).shift(1).over(CUSTOMER, order_by=value)
    first = nw.col(value).min().over(CUSTOMER)
    frame = frame.with_columns(before.alias(GAP), (nw.col(value) - first).alias(SINCE_FIRST))
    gap = nw.when(nw.col(GAP).is_null()).then(nw.lit(0)).otherwise(nw.col(value) - nw.col(GAP))
    return frame.with_columns(gap.alias(GAP))


def _of_frame(frame: nw.DataFrame[Any], value: str) -> dict[str, NDArray[np.int64]]:
    codes, _ = _codes(frame[CUSTOMER])
    return _gaps(codes, frame[value].to_numpy().astype(np.int64))


def _gaps(codes: NDArray[np.int64], values: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the gaps of rows in any order, in that order."""
    if not len(values):
        return {GAP: np.zeros(0, np.int64), SINCE_FIRST: np.zeros(0, np.int64)}
    # one whole number for customer and value: sorting these is many times faster than sorting two columns
    smallest = values.min()
    span = int(values.max() - smallest) + 1
    keys = codes * span + (values - smallest)
    order = np.argsort(keys)
    keys = keys[order]
    owners = codes[order]
    starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
    gaps = np.diff(keys, prepend=keys[0])
    gaps[starts] = 0
    firsts = np.repeat(keys[starts], np.diff(np.r_[starts, len(keys)]))
    result = {GAP: np.empty_like(gaps), SINCE_FIRST: np.empty_like(gaps)}
    result[GAP][order] = gaps
    result[SINCE_FIRST][order] = keys - firsts
    return result


def _in_dask(frame: nw.LazyFrame[Any], value: str) -> nw.LazyFrame[Any]:
    """Bring the rows of a customer into one partition, and treat each partition as a frame in memory."""

    def add(part: pd.DataFrame) -> pd.DataFrame:
        return part.assign(**_of_frame(nw.from_native(part, eager_only=True), value))

    native: Any = nw.to_native(frame)
    meta = native._meta.assign(**{name: np.zeros(0, np.int64) for name in (GAP, SINCE_FIRST)})
    result: nw.LazyFrame[Any] = nw.from_native(native.shuffle(on=CUSTOMER).map_partitions(add, meta=meta)).lazy()
    return result
