"""From usable order lines to one row per customer, still in the engine, and from there to pandas.

Two group-bys do it: first to one row per customer and period, where same-period lines become one purchase, then
to one row per customer. Durations are differences of ordinals, which any engine can subtract.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import narwhals as nw
import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._frames import to_pandas
from segmentation.exceptions import DroppedRowsWarning
from segmentation.features._days import Granularity, period_start
from segmentation.features._intervals import LOG_INTERVALS, with_log_intervals
from segmentation.features._orders import AMOUNT, CUSTOMER, DAY, IS_REFUND, OrderLines, one_row
from segmentation.features._report import LEFT_OUT, MEANINGS, OrdersReport

__all__ = ["NO_PERIOD", "counted", "customer_periods", "finish", "per_purchase", "plain_index"]

PERIOD, IN_HOLDOUT, BUYS = "period", "in_holdout", "buys"

# Columns of `customer_periods` that tell who belongs into the result.
SIDES = ("n_rows", "n_periods", "holdout_periods")

# Later than any date: the first purchase of a customer who has none.
NO_PERIOD = 10**7


def customer_periods(
    orders: OrderLines,
    *,
    granularity: Granularity = "D",
    calibration_end: int | None = None,
    repeat_spend: bool = False,
    intervals: bool = False,
) -> nw.LazyFrame[Any]:
    """Bring the lines down to one row per customer, with or without a purchase, still in the engine.

    Returns
    -------
    narwhals.LazyFrame
        ``customer_id``; ``n_rows``, ``first`` and ``last`` (ordinals of the first day of the first and the last
        purchase period, up to `calibration_end` where there is one), ``n_periods``, ``holdout_periods``; with
        amounts ``spend``, ``holdout_spend`` and, where asked for, ``repeat_spend``: everything after the first
        purchase period, which may be null where there is nothing. With `intervals` also ``log_intervals``: the sum
        of the logarithms of the days between consecutive purchase periods up to `calibration_end`.
    """
    cells = _cells(orders, granularity, calibration_end)
    if intervals:
        cells = with_log_intervals(cells, counted="n_periods", period=PERIOD, eager=orders.eager)
    customers = cells.group_by(CUSTOMER).agg(
        nw.col("n_rows").sum(),
        nw.col("first").min(),
        nw.col("last").max(),
        nw.col("n_periods").sum(),
        nw.col("holdout_periods").sum(),
        *([nw.col("spend").sum(), nw.col("holdout_spend").sum()] if orders.has_amount else []),
        *([nw.col(LOG_INTERVALS).sum()] if intervals else []),
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
    return customers


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


def counted(column: str) -> nw.Expr:
    """A whole number of the result."""
    return nw.col(column).cast(nw.Int64)


def per_purchase(spend: str, purchases: nw.Expr) -> nw.Expr:
    """Divide, with 0.0 where there is no purchase, even if a refund was paid."""
    divisor = nw.when(purchases > 0).then(purchases).otherwise(nw.lit(1)).cast(nw.Float64)
    money = nw.when(purchases > 0).then(nw.col(spend).fill_null(0.0)).otherwise(nw.lit(0.0))
    return money / divisor


def _indexed(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Index by customer, sorted, in the types pandas has by itself, whichever engine the rows came from."""
    index = plain_index(table[CUSTOMER])
    whole = {name for name in columns if name.startswith(("frequency", "n_"))}
    values = {name: table[name].to_numpy(dtype="float64" if name not in whole else "int64") for name in columns}
    return pd.DataFrame(values, index=index).sort_index()


def plain_index(ids: pd.Series) -> pd.Index:
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


def finish(
    columns: Mapping[str, nw.Expr],
    customers: nw.LazyFrame[Any],
    orders: OrderLines,
    *,
    return_report: bool,
    collect: bool,
    calibration_end: int | None = None,
) -> Any:
    """Compute the columns of the result for the customers who belong into it, and count the others.

    Parameters
    ----------
    columns : mapping of name to expression on the columns of `customers`
    customers : LazyFrame
        From `customer_periods`.
    orders : OrderLines
    return_report, collect : bool
        As the public functions take them.
    calibration_end : int, optional

    Returns
    -------
    table, or (table, report)
        pandas with ``collect=True``, else a frame of the engine, lazy where the orders were.
    """
    table = customers.filter(nw.col("n_periods") > 0).select(
        CUSTOMER, *(value.alias(name) for name, value in columns.items())
    )
    if collect:
        everybody = to_pandas(
            customers.select(
                CUSTOMER,
                *(value.alias(name) for name, value in columns.items()),
                **{name: nw.col(name) for name in SIDES},
            )
        )
        sides = {name: everybody[name].to_numpy(dtype="int64") for name in SIDES}
        result: Any = _indexed(everybody[sides["n_periods"] > 0], list(columns))
        found = _found(pd.DataFrame(sides))
    else:
        result = _native(table, orders)
        found = one_row(customers.select(**_found_in_engine()))
    if not found["n_customers"]:
        raise _no_purchase(found["n_new"] + found["n_refund_only"], orders)
    left_out, report = _account(found, orders, calibration_end)
    if return_report:
        return result, report()
    _warn_of_rows_left_out(left_out, int(orders.counts["n_rows"]))
    return result


def _native(table: nw.LazyFrame[Any], orders: OrderLines) -> Any:
    """Return the engine's own frame, collected where the orders were no lazy frame."""
    return nw.to_native(table.collect() if orders.eager else table)


def _found(customers: pd.DataFrame) -> dict[str, int]:
    """Count customers, and the rows of those who are not in the result."""
    buys, later = customers["n_periods"] > 0, customers["holdout_periods"] > 0
    new, refund_only = ~buys & later, ~buys & ~later
    return {
        "n_customers": int(buys.sum()),
        "n_new": int(new.sum()),
        "n_refund_only": int(refund_only.sum()),
        "new_rows": int(customers.loc[new, "n_rows"].sum()),
        "refund_only_rows": int(customers.loc[refund_only, "n_rows"].sum()),
    }


def _found_in_engine() -> dict[str, nw.Expr]:
    """The same counts as expressions."""
    buys, later, rows = nw.col("n_periods") > 0, nw.col("holdout_periods") > 0, nw.col("n_rows")
    new, refund_only = ~buys & later, ~buys & ~later
    return {
        "n_customers": buys.cast(nw.Int64).sum(),
        "n_new": new.cast(nw.Int64).sum(),
        "n_refund_only": refund_only.cast(nw.Int64).sum(),
        "new_rows": nw.when(new).then(rows).otherwise(nw.lit(0)).sum(),
        "refund_only_rows": nw.when(refund_only).then(rows).otherwise(nw.lit(0)).sum(),
    }


def _no_purchase(n_customers: int, orders: OrderLines) -> ValueError:
    first, end = dt.date.fromordinal(orders.first_day), dt.date.fromordinal(orders.end)
    return ValueError(
        f"no customer of orders has a purchase in the period a table can be made for: {n_customers:,} "
        f"with usable rows from {first} to {end} have only refunds (negative amounts in "
        f"{orders.roles.amount!r}), or only purchases after the calibration period. Check the sign of the "
        "amounts and the dates."
    )


def _account(
    found: Mapping[str, int], orders: OrderLines, calibration_end: int | None
) -> tuple[dict[str, int], Callable[[], OrdersReport]]:
    """Return the rows left out by reason, and a function that makes the report (which counts duplicates first)."""
    left_out_later = {"n_refund_only_rows": found["refund_only_rows"], "n_new_in_holdout_rows": found["new_rows"]}
    by_row = {name: orders.counts[name] for name in LEFT_OUT if name not in left_out_later}
    left_out = {**by_row, **left_out_later}
    n_rows = int(orders.counts["n_rows"])

    def report() -> OrdersReport:
        return OrdersReport(
            n_rows=n_rows,
            n_used=n_rows - sum(left_out.values()),
            n_customers=found["n_customers"],
            **left_out,
            n_refund_only_customers=found["n_refund_only"],
            n_new_in_holdout_customers=found["n_new"],
            n_refunds=orders.counts["n_refunds"],
            refunds_total=orders.counts["refunds_total"],
            n_zero_amounts=orders.counts["n_zero_amounts"],
            n_duplicates=orders.n_duplicates(),
            observation_start=dt.date.fromordinal(orders.first_day),
            observation_end=dt.date.fromordinal(orders.end),
            calibration_end=None if calibration_end is None else dt.date.fromordinal(calibration_end),
            refunds=orders.refunds,
        )

    return left_out, report


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
