"""How regularly customers buy: the sum of the logarithms of the days between their purchases, in any engine.

It is the one figure that needs the purchase before, so rows in order. Engines differ in how they give that: frames in
memory are sorted as whole numbers, SQL engines and lazy polars have window functions, Dask sorts within partitions.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.features._orders import CUSTOMER

__all__ = ["LOG_INTERVALS", "with_log_intervals"]

LOG_INTERVALS = "log_intervals"

BEFORE = "before"


def with_log_intervals(cells: nw.LazyFrame[Any], *, counted: str, period: str, eager: bool) -> nw.LazyFrame[Any]:
    """Add `LOG_INTERVALS`, whose sum over the rows of a customer is the sum over the purchases.

    Parameters
    ----------
    cells : LazyFrame
        One row per customer and period.
    counted, period : str
        Columns: 1 where the row is a purchase that counts, else 0; ordinal of the period's first day.
    eager : bool
        Whether the orders were a frame in memory.
    """
    if eager:
        frame = cells.collect()
        values = _of_frame(frame, counted, period)
        return frame.with_columns(nw.new_series(LOG_INTERVALS, values, backend=frame.implementation)).lazy()
    if cells.implementation.is_dask():
        return _in_dask(cells, counted, period)
    # rows that do not count have an order of their own, which is not used
    before = nw.col(period).shift(1).over(CUSTOMER, counted, order_by=period)
    is_first = nw.col(BEFORE).is_null() | (nw.col(counted) == 0)
    days = nw.when(is_first).then(nw.lit(1)).otherwise(nw.col(period) - nw.col(BEFORE))
    return cells.with_columns(before.alias(BEFORE)).with_columns(days.cast(nw.Float64).log().alias(LOG_INTERVALS))


def _codes(customers: nw.Series[Any]) -> tuple[NDArray[np.int64], int]:
    """Number the customers from 0; return the number of each row, and how many there are."""
    like_pandas = customers.implementation.is_pandas_like()
    encoded = None if like_pandas or customers.dtype != nw.String else _dictionary(customers)
    if encoded is not None:
        return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
    codes, ids = pd.factorize(customers.to_native() if like_pandas else customers.to_numpy())
    return codes.astype(np.int64, copy=False), len(ids)


def _dictionary(texts: nw.Series[Any]) -> Any:
    """Let Arrow number texts, which is faster than Python objects; None where there is no pyarrow."""
    try:
        return texts.to_arrow().dictionary_encode()
    except ImportError:  # polars does without
        return None


def _log_intervals(
    codes: NDArray[np.int64], n_customers: int, counted: NDArray[Any], periods: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the sum of a customer at one of the customer's rows, and 0 at the others."""
    result = np.zeros(len(codes))
    purchases = np.flatnonzero(counted == 1)
    if not purchases.size:
        return result
    codes, days = codes[purchases], periods[purchases].astype(np.int64)
    # one whole number for customer and day: sorting these is many times faster than sorting two columns
    first_day = days.min()
    span = int(days.max() - first_day) + 1
    keys = np.sort(codes * span + (days - first_day))
    owners = keys // span
    same = owners[1:] == owners[:-1]
    logs = np.log(np.arange(1, span + 1))[np.diff(keys)[same] - 1]
    sums = np.bincount(owners[1:][same], logs, n_customers)
    rows = np.full(n_customers, -1)
    rows[codes] = purchases
    result[rows[rows >= 0]] = sums[rows >= 0]
    return result


def _of_frame(frame: nw.DataFrame[Any], counted: str, period: str) -> NDArray[np.float64]:
    codes, n_customers = _codes(frame[CUSTOMER])
    return _log_intervals(codes, n_customers, frame[counted].to_numpy(), frame[period].to_numpy())


def _in_dask(cells: nw.LazyFrame[Any], counted: str, period: str) -> nw.LazyFrame[Any]:
    """Bring the rows of a customer into one partition, and treat each partition as a frame in memory."""

    def add(part: pd.DataFrame) -> pd.DataFrame:
        return part.assign(**{LOG_INTERVALS: _of_frame(nw.from_native(part, eager_only=True), counted, period)})

    native: Any = nw.to_native(cells)
    meta = native._meta.assign(**{LOG_INTERVALS: 0.0})
    moved = native.shuffle(on=CUSTOMER).map_partitions(add, meta=meta)
    result: nw.LazyFrame[Any] = nw.from_native(moved).lazy()
    return result
