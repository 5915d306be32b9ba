"""From usable order lines to one row per customer, still in the engine, and from there to pandas.

Two group-bys do it: first to one row per customer and period, where same-period lines become one purchase, then
to one row per customer. Durations are differences of ordinals, which any engine can subtract.
"""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any, cast

import narwhals as nw
import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._frames import to_pandas
from segmentation.exceptions import DroppedRowsWarning
from segmentation.features._days import Granularity, period_start
from segmentation.features._orders import AMOUNT, CUSTOMER, DAY, IS_REFUND, OrderLines
from segmentation.features._report import LEFT_OUT, MEANINGS, OrdersReport

__all__ = ["NO_PERIOD", "customer_periods", "finish", "require_customers"]

PERIOD, IN_HOLDOUT, BUYS = "period", "in_holdout", "buys"

# Later than any date: the first purchase of a customer who has none.
NO_PERIOD = 10**7


def customer_periods(
    orders: OrderLines,
    *,
    granularity: Granularity = "D",
    calibration_end: int | None = None,
    repeat_spend: bool = False,
) -> pd.DataFrame:
    """Bring the lines down to one row per customer, with or without a purchase.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id``, sorted; columns ``n_rows``, ``first`` and ``last`` (ordinals of the first day of
        the first and the last purchase period, up to `calibration_end` where there is one), ``n_periods``,
        ``holdout_periods``; with amounts ``spend``, ``holdout_spend`` and, where asked for, ``repeat_spend``:
        everything after the first purchase period.
    """
    cells = _cells(orders, granularity, calibration_end)
    customers = cells.group_by(CUSTOMER).agg(
        nw.col("n_rows").sum(),
        nw.col("first").min(),
        nw.col("last").max(),
        nw.col("n_periods").sum(),
        nw.col("holdout_periods").sum(),
        *([nw.col("spend").sum(), nw.col("holdout_spend").sum()] if orders.has_amount else []),
    )
    if repeat_spend and orders.has_amount:
        first = customers.select(CUSTOMER, nw.col("first").alias("first_of_all"))
        after = (
            cells.join(first, on=CUSTOMER, how="inner")
            .filter(nw.col(PERIOD) > nw.col("first_of_all"))
            .group_by(CUSTOMER)
            .agg(nw.col("spend").sum().alias("repeat_spend"))
        )
        customers = customers.join(after, on=CUSTOMER, how="left")
    return _indexed(to_pandas(customers))


def _cells(orders: OrderLines, granularity: Granularity, calibration_end: int | None) -> nw.LazyFrame[Any]:
    """Return one row per customer, period and side of the calibration's end; same-period lines are summed."""
    side = nw.lit(False) if calibration_end is None else nw.col(DAY) > calibration_end
    lines = orders.lines.with_columns(
        period_start(nw.col(DAY), granularity).alias(PERIOD),
        side.alias(IN_HOLDOUT),
        (~nw.col(IS_REFUND)).cast(nw.Int64).alias(BUYS),
    )
    # Without a holdout its flag is the same everywhere and would only slow the grouping down.
    keys = [CUSTOMER, PERIOD] if calibration_end is None else [CUSTOMER, PERIOD, IN_HOLDOUT]
    cells = (
        lines.group_by(*keys)
        .agg(
            nw.len().alias("n_rows"),
            nw.col(BUYS).max(),
            *([nw.col(AMOUNT).sum()] if orders.has_amount else []),
        )
        .with_columns(nw.lit(False).alias(IN_HOLDOUT) if calibration_end is None else nw.col(IN_HOLDOUT))
    )
    is_purchase, in_holdout = nw.col(BUYS) == 1, nw.col(IN_HOLDOUT)
    counted = is_purchase & ~in_holdout
    return cells.with_columns(
        nw.when(counted).then(nw.col(PERIOD)).otherwise(nw.lit(NO_PERIOD)).alias("first"),
        nw.when(counted).then(nw.col(PERIOD)).otherwise(nw.lit(0)).alias("last"),
        counted.cast(nw.Int64).alias("n_periods"),
        (is_purchase & in_holdout).cast(nw.Int64).alias("holdout_periods"),
        *(_spend_by_side() if orders.has_amount else []),
    )


def _spend_by_side() -> list[nw.Expr]:
    in_holdout, nothing = nw.col(IN_HOLDOUT), nw.lit(0.0)
    return [
        nw.when(in_holdout).then(nothing).otherwise(nw.col(AMOUNT)).alias("spend"),
        nw.when(in_holdout).then(nw.col(AMOUNT)).otherwise(nothing).alias("holdout_spend"),
    ]


def _indexed(customers: pd.DataFrame) -> pd.DataFrame:
    """Index by customer, sorted, in the types pandas has by itself, whichever engine the rows came from."""
    index = _plain_index(customers[CUSTOMER])
    columns = {}
    for name in customers.columns.drop(CUSTOMER):
        kind = np.float64 if name.endswith("spend") else np.int64
        # The left join leaves a hole where there is no spend after the first purchase.
        columns[name] = customers[name].to_numpy(dtype="float64", na_value=0.0).astype(kind)
    return pd.DataFrame(columns, index=index).sort_index()


def _plain_index(ids: pd.Series) -> pd.Index:
    """Return ids as int64, as text or as they are; floats that are all whole numbers become int64."""
    values: Any = ids.to_list()
    if pd.api.types.is_float_dtype(ids.dtype):
        numbers = ids.to_numpy(dtype="float64")
        whole = np.array_equal(numbers, np.floor(numbers)) and bool((np.abs(numbers) < 2**63).all())
        values = numbers.astype("int64") if whole else numbers
    elif pd.api.types.is_integer_dtype(ids.dtype):
        too_big = pd.api.types.is_unsigned_integer_dtype(ids.dtype) and (ids > np.iinfo("int64").max).any()
        values = ids.to_numpy(dtype="uint64" if too_big else "int64")
    return cast("pd.Index[Any]", pd.Index(values, name=CUSTOMER, tupleize_cols=False))


def require_customers(customers: pd.DataFrame, orders: OrderLines) -> pd.DataFrame:
    """Return the customers who belong into the result, those with a purchase, and raise if there is none."""
    buyers = customers[customers["n_periods"] > 0]
    if buyers.empty:
        first, end = dt.date.fromordinal(orders.first_day), dt.date.fromordinal(orders.end)
        raise ValueError(
            f"no customer of orders has a purchase in the period a table can be made for: {len(customers):,} "
            f"with usable rows from {first} to {end} have only refunds (negative amounts in "
            f"{orders.roles.amount!r}), or only purchases after the calibration period. Check the sign of the "
            "amounts and the dates."
        )
    return buyers


def finish(
    table: pd.DataFrame,
    customers: pd.DataFrame,
    orders: OrderLines,
    *,
    return_report: bool,
    calibration_end: int | None = None,
) -> pd.DataFrame | tuple[pd.DataFrame, OrdersReport]:
    """Return the table with its report, or alone with one warning where rows were left out."""
    new = (customers["n_periods"] == 0) & (customers["holdout_periods"] > 0)
    refund_only = (customers["n_periods"] == 0) & (customers["holdout_periods"] == 0)
    left_out_later = {
        "n_refund_only_rows": int(customers.loc[refund_only, "n_rows"].sum()),
        "n_new_in_holdout_rows": int(customers.loc[new, "n_rows"].sum()),
    }
    by_row = {name: orders.counts[name] for name in LEFT_OUT if name not in left_out_later}
    left_out = {**by_row, **left_out_later}
    n_rows = int(orders.counts["n_rows"])
    if not return_report:
        _warn_of_rows_left_out(left_out, n_rows)
        return table
    report = OrdersReport(
        n_rows=n_rows,
        n_used=n_rows - sum(left_out.values()),
        n_customers=len(table),
        **left_out,
        n_refund_only_customers=int(refund_only.sum()),
        n_new_in_holdout_customers=int(new.sum()),
        n_refunds=orders.counts["n_refunds"],
        refunds_total=orders.counts["refunds_total"],
        n_zero_amounts=orders.counts["n_zero_amounts"],
        n_duplicates=orders.n_duplicates(),
        observation_start=dt.date.fromordinal(orders.first_day),
        observation_end=dt.date.fromordinal(orders.end),
        calibration_end=None if calibration_end is None else dt.date.fromordinal(calibration_end),
        refunds=orders.refunds,
    )
    return table, report


def _warn_of_rows_left_out(left_out: dict[str, int], n_rows: int) -> None:
    # What lies after an end that the user chose is not a defect of the data.
    unexpected = {
        name: number
        for name, number in left_out.items()
        if number and name not in {"n_after_end", "n_new_in_holdout_rows"}
    }
    if unexpected:
        reasons = ", ".join(f"{number:,} {MEANINGS[name]}" for name, number in unexpected.items())
        warnings.warn(
            f"{count(sum(unexpected.values()), 'row')} of {n_rows:,} left out: {reasons}. "
            "return_report=True returns all counts and does not warn.",
            DroppedRowsWarning,
            stacklevel=4,
        )
