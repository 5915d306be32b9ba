"""Recency, frequency and money as one row per customer."""

from __future__ import annotations

from typing import Any, Literal, overload

import narwhals as nw
import pandas as pd

from segmentation.features._orders import Refunds, Roles, read_orders
from segmentation.features._purchases import counted, customer_periods, finish
from segmentation.features._report import OrdersReport

__all__ = ["rfm_table"]


@overload
def rfm_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: Literal[False] = False,
    collect: Literal[True] = True,
) -> pd.DataFrame: ...
@overload
def rfm_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: Literal[True],
    collect: Literal[True] = True,
) -> tuple[pd.DataFrame, OrdersReport]: ...
@overload
def rfm_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: Literal[False],
) -> Any: ...
def rfm_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: bool = True,
) -> Any:
    """Turn order lines into recency, frequency and money: one row per customer.

    The work runs in the engine that holds the orders; only one row per customer comes back.

    Parameters
    ----------
    orders : dataframe
        One row per order or order line: pandas, polars (eager or lazy), pyarrow, a DuckDB relation, Dask or
        PySpark, never changed. A lazy one is run twice, and once more for the report.
    customer_id : str
        Column with the customer. Missing are null, NaN, infinite numbers and text that is empty or only
        blanks.
    timestamp : str
        Column with the time of the order: dates, timestamps with or without a time zone, or ISO 8601 text
        (``2024-01-31``, ``20240131``, ``2024-01-31T12:30+02:00``). No other text is guessed at.
    amount : str, optional
        Column with the money, any numeric type. Negative amounts are refunds; amounts of 0 are purchases.
        Without it every row is a purchase, refunds included, because nothing tells them apart.
    as_of : date, datetime, Timestamp or ISO 8601 text, optional
        The day from which recency is counted. The whole day counts, later rows are left out. Default: the day
        of the last row with a customer, a timestamp and an amount that can be used; under ``"net"`` it may be a
        refund.
    refunds : {"net", "drop", "raise"}, default="net"
        What negative amounts do. ``"net"``: they reduce `total_spend` and are no purchases, whenever they
        happen. ``"drop"``: their rows are left out. ``"raise"``: they are an error.
    return_report : bool, default=False
        Return ``(table, report)``. Otherwise one `DroppedRowsWarning` counts the rows that were left out, if
        any other than those after `as_of`.
    collect : bool, default=True
        Bring the table to pandas. With False it stays in the engine of `orders`: a frame of its kind, lazy where
        `orders` is lazy, with a column ``customer_id`` and no index, rows in any order; the counts are still made.

    Returns
    -------
    table : pandas.DataFrame of shape (n_customers, 2 or 3)
        Index ``customer_id``, sorted, one row per customer with at least one purchase (whole-number float ids
        come back as integers):

        * ``days_since_last_purchase`` (float64): calendar days from the last purchase to `as_of`, at least 0;
        * ``n_purchases`` (int64): distinct **days** with a purchase, at least 1;
        * ``total_spend`` (float64): sum of the amounts up to `as_of`, refunds subtracted under ``"net"``, so it
          may be negative; only where `amount` is named.
    report : OrdersReport
        Only with ``return_report=True``.

    Raises
    ------
    ColumnError
        If a column is not there, or one is named for two roles.
    ValueError
        If there are no rows, none can be used, no customer has a purchase, fewer than half of the texts in
        `timestamp` are ISO 8601 dates, `as_of` is no date or has a time zone where the timestamps have none, a
        choice is unknown, or there are refunds under ``"raise"``.
    TypeError
        If `orders` is no dataframe, `timestamp` holds numbers, `amount` holds text, or pandas ids mix types.

    Warns
    -----
    DroppedRowsWarning
        If rows were left out and no report was asked for.

    Notes
    -----
    A **day** is a calendar day in the time zone of the timestamp column: local days of a zoned column, the day as
    written for text (an offset in the text is not applied), the session's zone in DuckDB. Days apart are
    differences of calendar dates, so changes of the clocks do not count. A zoned `as_of` is converted to the
    column's zone first; one without a zone is read as local. Dates outside the years 1700 to 2199 are
    placeholders or errors and count as bad.

    Exact duplicates are kept and counted in the report: two equal lines may be two equal articles.

    Sums of money agree between engines up to the rounding of floating-point addition.

    See Also
    --------
    btyd_table : Columns for purchase and spend models, where *recency* means the opposite.

    Examples
    --------
    >>> from segmentation.datasets import load_cdnow
    >>> from segmentation.features import rfm_table
    >>> columns = dict(customer_id="customer_id", timestamp="timestamp", amount="amount")
    >>> rfm_table(load_cdnow(), **columns).head(3)
                 days_since_last_purchase  n_purchases  total_spend
    customer_id
    4                               200.0            4       100.50
    18                              542.0            1        14.96
    21                              533.0            2        75.11
    """
    lines = read_orders(orders, Roles(customer_id, timestamp, amount), refunds=refunds, end=as_of, end_name="as_of")
    columns = {
        "days_since_last_purchase": (nw.lit(lines.end) - nw.col("last")).cast(nw.Float64),
        "n_purchases": counted("n_periods"),
    }
    if lines.has_amount:
        columns["total_spend"] = nw.col("spend").cast(nw.Float64)
    return finish(columns, customer_periods(lines), lines, return_report=return_report, collect=collect)
