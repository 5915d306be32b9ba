"""From prepared order lines to one row per customer: baskets, rhythm, trend and categories, still in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import pandas as pd

from segmentation._frames import to_pandas
from segmentation.features._gaps import GAP, SINCE_FIRST, with_gaps
from segmentation.features._labels import MISSING, choose_labels, label_columns
from segmentation.features._order_features_lines import (
    BUYS,
    CATEGORY,
    DISCOUNT,
    DISCOUNT_BASE,
    DISCOUNTED,
    HAS_DISCOUNT,
    HAS_QUANTITY,
    ORDER,
    ORDER_DAY,
    QUANTITY,
    REFUNDED,
    VALUE,
)
from segmentation.features._orders import CUSTOMER, DAY, OrderLines
from segmentation.features._purchases import NO_PERIOD

__all__ = ["CATEGORY_WEIGHT", "category_parts", "columns_of", "customer_parts"]

N_LINES, N_DAYS, N_ORDERS, N_COUNTED = "n_lines", "n_periods", "orders", "orders_with_quantity"
FIRST, LAST, WEEKENDS = "first", "last", "weekends"
LOGS, SQUARES, DRIFT, SPEND_DRIFT, FIRST_VALUE = "logs", "squares", "drift", "spend_drift", "first_value"
CATEGORY_WEIGHT = "category_weight"

SUMS = (VALUE, REFUNDED, QUANTITY, HAS_QUANTITY, DISCOUNT, HAS_DISCOUNT, DISCOUNTED, DISCOUNT_BASE)

DAYS_PER_WEEK, SATURDAY = 7, 5

# Beyond every float that a ratio of integers may give by rounding; the true bound of the regularity.
FULLY_REGULAR = 1.0


def customer_parts(lines: nw.LazyFrame[Any], orders: OrderLines) -> nw.LazyFrame[Any]:
    """Bring prepared lines down to one row per customer, with or without a purchase.

    Two group-bys, as for the other tables: to one row per customer, day and order, and from there to customers.
    Orders without an id are days, so without `order_id` the second needs no detour over orders.
    """
    has_order_id = ORDER in orders.roles.names()
    keys = [ORDER, ORDER_DAY] if has_order_id else []
    sums = [name for name in SUMS if name in lines.collect_schema().names()]
    cells = lines.group_by(CUSTOMER, DAY, *keys).agg(
        nw.len().alias("n_rows"), nw.col(BUYS).sum().alias(N_LINES), *(nw.col(name).sum() for name in sums)
    )
    if orders.eager:  # three figures are made of it, and a lazy frame would start anew for each
        cells = cells.collect().lazy()
    days = cells
    if has_order_id:
        days = cells.group_by(CUSTOMER, DAY).agg(*(nw.col(name).sum() for name in ["n_rows", N_LINES, *sums]))
    customers = (
        days.with_columns(*_per_day(orders.end))
        .group_by(CUSTOMER)
        .agg(
            nw.col(FIRST).min(),
            nw.col(LAST).max(),
            *(nw.col(name).sum() for name in ["n_rows", N_DAYS, WEEKENDS, N_LINES, *sums]),
        )
    )
    customers = customers.with_columns(nw.lit(0).alias("holdout_periods"))
    baskets = _baskets(
        cells.group_by(CUSTOMER, *keys).agg(*_sums(N_LINES, HAS_QUANTITY, sums=sums)) if keys else days, sums
    )
    customers = customers.join(baskets, on=CUSTOMER, how="left")
    return customers.join(_rhythm(days, orders), on=CUSTOMER, how="left")


def _sums(*names: str, sums: list[str]) -> list[nw.Expr]:
    return [nw.col(name).sum() for name in names if name == N_LINES or name in sums]


def _per_day(end: int) -> list[nw.Expr]:
    """Say of each day whether it has a purchase, and what that makes it."""
    buys = nw.col(N_LINES) > 0
    weekday = nw.col(DAY) - 1 - (nw.col(DAY) - 1) // DAYS_PER_WEEK * DAYS_PER_WEEK  # Monday is 0; not all have a modulo
    return [
        nw.when(buys).then(nw.col(DAY)).otherwise(nw.lit(NO_PERIOD)).alias(FIRST),
        nw.when(buys).then(nw.col(DAY)).otherwise(nw.lit(0)).alias(LAST),
        buys.cast(nw.Int64).alias(N_DAYS),
        (buys & (weekday >= SATURDAY)).cast(nw.Int64).alias(WEEKENDS),
    ]


def _baskets(orders: nw.LazyFrame[Any], sums: list[str]) -> nw.LazyFrame[Any]:
    """Count the orders with a purchase, and those of which a quantity is known."""
    flags = [(nw.col(N_LINES) > 0).cast(nw.Int64).alias(N_ORDERS)]
    if HAS_QUANTITY in sums:
        flags.append((nw.col(HAS_QUANTITY) > 0).cast(nw.Int64).alias(N_COUNTED))
    counts = [nw.col(N_ORDERS).sum(), *([nw.col(N_COUNTED).sum()] if HAS_QUANTITY in sums else [])]
    return orders.select(CUSTOMER, *flags).group_by(CUSTOMER).agg(*counts)


def _rhythm(days: nw.LazyFrame[Any], orders: OrderLines) -> nw.LazyFrame[Any]:
    """Sum over the days with a purchase what tells how regular they are, and in which half they lie."""
    values = [VALUE] if orders.has_amount else []
    purchases = with_gaps(days.filter(nw.col(N_LINES) > 0).select(CUSTOMER, DAY, *values), DAY, eager=orders.eager)
    since, gap = nw.col(SINCE_FIRST), nw.col(GAP)
    # twice the distance from the middle of the days that follow the first: 1, ..., T has the middle (T + 1) / 2
    from_middle = 2 * since - (orders.end - nw.col(DAY) + since + 1)
    is_repeat = since > 0
    drift = (is_repeat & (from_middle > 0)).cast(nw.Int64) - (is_repeat & (from_middle < 0)).cast(nw.Int64)
    figures = {
        LOGS: nw.when(gap > 0).then(gap).otherwise(nw.lit(1)).cast(nw.Float64).log(),
        SQUARES: gap * gap,
        DRIFT: drift,
    }
    if orders.has_amount:
        figures[FIRST_VALUE] = nw.when(is_repeat).then(nw.lit(0.0)).otherwise(nw.col(VALUE))
    purchases = purchases.with_columns(**figures)
    if orders.has_amount:
        purchases = purchases.with_columns((nw.col(DRIFT).cast(nw.Float64) * nw.col(VALUE)).alias(SPEND_DRIFT))
    more = [FIRST_VALUE, SPEND_DRIFT] if orders.has_amount else []
    return purchases.group_by(CUSTOMER).agg(*(nw.col(name).sum() for name in [LOGS, SQUARES, DRIFT, *more]))


def category_parts(
    lines: nw.LazyFrame[Any], orders: OrderLines, wanted: int | list[str]
) -> tuple[nw.LazyFrame[Any], dict[str, str], int]:
    """Return what each customer bought of each category, the columns it is in, and how many categories there are.

    Returns
    -------
    parts : LazyFrame
        One row per customer with a purchase: a column per category, the rest, what has none, `CATEGORY_WEIGHT`.
    columns : dict
        Name in the result -> name in `parts`.
    n_categories : int
        Different categories in the purchase lines.
    """
    bought = lines.filter(nw.col(BUYS) == 1)
    weight = (nw.col(VALUE) if orders.has_amount else nw.col(BUYS).cast(nw.Float64)).alias(CATEGORY_WEIGHT)
    pairs = bought.select(CUSTOMER, CATEGORY, weight).group_by(CUSTOMER, CATEGORY).agg(nw.col(CATEGORY_WEIGHT).sum())
    if orders.eager:
        pairs = pairs.collect().lazy()
    reach = to_pandas(pairs.group_by(CATEGORY).agg(nw.len().alias("n")))
    n_customers = pd.Series(reach["n"].to_numpy(dtype="int64"), index=reach[CATEGORY].to_list())
    labels = choose_labels(n_customers, wanted, "categories")
    names = label_columns("category_share", labels)
    inner = {name: f"category_{i}" for i, name in enumerate(names)}
    category, nothing = nw.col(CATEGORY), nw.lit(0.0)
    chosen: dict[str, nw.Expr] = {}
    for name, label in names.items():
        # membership is written out: engines differ in what a missing value is in or not in, and there is none here
        belongs = category == nw.lit(label) if label is not None else ~category.is_in([*labels, MISSING])
        chosen[inner[name]] = nw.when(belongs).then(nw.col(CATEGORY_WEIGHT)).otherwise(nothing)
    wide = pairs.with_columns(**chosen).group_by(CUSTOMER)
    parts = wide.agg(*(nw.col(name).sum() for name in [CATEGORY_WEIGHT, *chosen]))
    return parts, inner, len(n_customers.drop(MISSING, errors="ignore"))


def columns_of(orders: OrderLines, categories: Mapping[str, str]) -> dict[str, nw.Expr]:
    """Return the columns of the result as expressions on the columns of the parts."""
    names = orders.roles.names()
    span = (nw.col(LAST) - nw.col(FIRST)).cast(nw.Float64)
    intervals = nw.col(N_DAYS) - 1
    columns = {"n_orders": nw.col(N_ORDERS).cast(nw.Int64), "lines_per_order": _ratio(N_LINES, N_ORDERS)}
    if QUANTITY in names:
        columns["quantity_per_order"] = _ratio(QUANTITY, N_COUNTED)
    if orders.has_amount:
        columns["value_per_order"] = _ratio(VALUE, N_ORDERS)
    columns["tenure_days"] = (nw.lit(orders.end) - nw.col(FIRST)).cast(nw.Float64)
    columns["mean_interval_days"] = _where(intervals >= 1, span / _at_least_one(intervals))
    columns["interval_cv"] = _where(intervals >= 2, _variation(intervals, span))
    columns["interval_regularity"] = _where(intervals >= 2, _regularity(intervals, span))
    columns["purchase_trend"] = nw.col(DRIFT).cast(nw.Float64) / (intervals + 2).cast(nw.Float64)
    if orders.has_amount:
        columns["spend_trend"] = _spend_trend()
        if orders.refunds == "net":
            columns["refund_share"] = _ratio(REFUNDED, VALUE)
    if DISCOUNT in names:
        if orders.has_amount:
            columns["discount_share"] = _over(nw.col(DISCOUNT), nw.col(DISCOUNT) + nw.col(DISCOUNT_BASE))
        columns["discounted_lines_share"] = _ratio(DISCOUNTED, HAS_DISCOUNT)
    columns["weekend_share"] = _ratio(WEEKENDS, N_DAYS)
    return columns | {name: _ratio(inner, CATEGORY_WEIGHT) for name, inner in categories.items()}


def _where(holds: nw.Expr, value: nw.Expr) -> nw.Expr:
    return nw.when(holds).then(value).otherwise(nw.lit(float("nan")))


def _over(part: nw.Expr, whole: nw.Expr) -> nw.Expr:
    """Divide, NaN where there is nothing to divide by: engines give null, NaN or an error for 0 / 0."""
    part, whole = part.cast(nw.Float64), whole.cast(nw.Float64)
    return _where(whole > 0, part / nw.when(whole > 0).then(whole).otherwise(nw.lit(1.0)))


def _ratio(part: str, whole: str) -> nw.Expr:
    return _over(nw.col(part), nw.col(whole))


def _at_least_one(number: nw.Expr) -> nw.Expr:
    return nw.when(number > 1).then(number).otherwise(nw.lit(1)).cast(nw.Float64)


def _variation(intervals: nw.Expr, span: nw.Expr) -> nw.Expr:
    """Return the sample standard deviation of the intervals over their mean; the sums are whole numbers, so exact."""
    n, fewer = _at_least_one(intervals), _at_least_one(intervals - 1)
    days = nw.col(LAST) - nw.col(FIRST)
    variance_times = (intervals * nw.col(SQUARES) - days * days).cast(nw.Float64) / (n * fewer)
    return variance_times.abs().sqrt() * n / nw.when(span > 0).then(span).otherwise(nw.lit(1.0))


def _regularity(intervals: nw.Expr, span: nw.Expr) -> nw.Expr:
    """Return the geometric mean of the intervals over their arithmetic mean, at most 1."""
    n = _at_least_one(intervals)
    ratio = (nw.col(LOGS) / n).exp() * n / nw.when(span > 0).then(span).otherwise(nw.lit(1.0))
    return nw.when(ratio > FULLY_REGULAR).then(nw.lit(FULLY_REGULAR)).otherwise(ratio)


def _spend_trend() -> nw.Expr:
    """Return the spend of the late half less that of the early one, a mean purchase added to each."""
    mean = nw.col(VALUE) / _at_least_one(nw.col(N_DAYS))
    return _over(nw.col(SPEND_DRIFT), nw.col(VALUE) - nw.col(FIRST_VALUE) + 2 * mean)
