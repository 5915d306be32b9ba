"""The columns of order lines that `order_features` reads beside customer, time and amount, in their own engine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import narwhals as nw
import pandas as pd
from narwhals.dtypes import DType

from segmentation.features import _objects
from segmentation.features._labels import MISSING, label_text, no_labels, plain_labels
from segmentation.features._orders import (
    AMOUNT,
    CUSTOMER,
    DAY,
    IS_REFUND,
    OrderLines,
    Roles,
    _is_text,
    _number_of,
    _stripped,
    one_row,
)

__all__ = [
    "BUYS", "CATEGORY", "DISCOUNT", "DISCOUNTED", "DISCOUNT_BASE", "HAS_DISCOUNT", "HAS_QUANTITY", "LineRoles", "ORDER",
    "ORDER_DAY", "QUANTITY", "REFUNDED", "VALUE", "count_gaps", "prepared",
]  # fmt: skip

ORDER, CATEGORY, QUANTITY, DISCOUNT = "order_id", "category", "quantity", "discount"

BUYS, VALUE, REFUNDED = "buys", "value", "refunded"
ORDER_DAY, HAS_ORDER, HAS_QUANTITY, HAS_DISCOUNT = "order_day", "has_order", "has_quantity", "has_discount"
DISCOUNTED, DISCOUNT_BASE, IS_NEGATIVE = "discounted", "discount_base", "is_negative"


@dataclass(frozen=True)
class LineRoles(Roles):
    """Which columns of the user's table are what; those that are None are not there."""

    order_id: Any = None
    category: Any = None
    quantity: Any = None
    discount: Any = None

    WORDS: ClassVar[str] = "customer_id, timestamp, amount, order_id, category, quantity and discount"

    def names(self) -> dict[str, Any]:
        """Return the user's column name for each internal one that is in use."""
        more = {ORDER: self.order_id, CATEGORY: self.category, QUANTITY: self.quantity, DISCOUNT: self.discount}
        return {**super().names(), **{role: name for role, name in more.items() if name is not None}}

    def readers(self) -> dict[str, Callable[[pd.Series, Any], pd.Series]]:
        """Return what turns a column of pandas into one that every engine has."""
        return {
            **super().readers(),
            ORDER: _plain_order_ids,
            CATEGORY: functools.partial(plain_labels, what=CATEGORY, table="orders"),
            QUANTITY: functools.partial(_plain_numbers, what=QUANTITY),
            DISCOUNT: functools.partial(_plain_numbers, what=DISCOUNT),
        }


def _plain_order_ids(column: pd.Series, name: Any) -> pd.Series:
    try:
        return _objects.plain_ids(column, name)
    except TypeError as error:
        message = str(error).replace("customer id column", "order id column").replace("one customer", "one order")
        raise TypeError(message) from error


def _plain_numbers(column: pd.Series, name: Any, *, what: str) -> pd.Series:
    try:
        return _objects.plain_amounts(column, name)
    except TypeError as error:
        raise TypeError(str(error).replace("amount column", f"{what} column")) from error


def prepared(orders: OrderLines) -> nw.LazyFrame[Any]:
    """Return the lines with what each adds to the figures of its customer; refunds add to `REFUNDED` alone.

    Missing and unusable values become 0 and are told apart by ``has_...``, so that no engine's own rule for nulls
    and NaN takes part in a sum.
    """
    names, schema = orders.roles.names(), orders.lines.collect_schema()
    buys = ~nw.col(IS_REFUND)
    columns: dict[str, nw.Expr] = {BUYS: buys.cast(nw.Int64)}
    if orders.has_amount:
        columns[VALUE] = nw.when(buys).then(nw.col(AMOUNT)).otherwise(nw.lit(0.0))
        columns[REFUNDED] = nw.when(buys).then(nw.lit(0.0)).otherwise(nw.lit(0.0) - nw.col(AMOUNT))
    if ORDER in names:
        columns |= _order_key(schema[ORDER], names[ORDER])
    if CATEGORY in names:
        if not (_is_text(schema[CATEGORY]) or schema[CATEGORY].is_integer()):
            raise no_labels(names[CATEGORY], str(schema[CATEGORY]), what=CATEGORY, table="orders")
        columns[CATEGORY] = label_text(CATEGORY, schema[CATEGORY])
    lines = orders.lines
    for role, has in ((QUANTITY, HAS_QUANTITY), (DISCOUNT, HAS_DISCOUNT)):
        if role in names:
            lines = _usable_numbers(lines, role, has, schema[role], names[role])
    if DISCOUNT in names:
        columns[DISCOUNTED] = (nw.col(DISCOUNT) > 0).cast(nw.Int64)
        if orders.has_amount:
            known = nw.col(HAS_DISCOUNT) == 1
            columns[DISCOUNT_BASE] = nw.when(known).then(nw.col(AMOUNT)).otherwise(nw.lit(0.0))
    kept = [role for role in (QUANTITY, HAS_QUANTITY, DISCOUNT, HAS_DISCOUNT) if role.removeprefix("has_") in names]
    negative = [IS_NEGATIVE] if DISCOUNT in names else []
    return lines.select(CUSTOMER, DAY, *kept, *negative, **columns)


def _order_key(dtype: DType, name: Any) -> dict[str, nw.Expr]:
    """Return the order's id and the day that stands in for one that is missing, and whether it is there.

    A missing id is a fixed value: engines differ in whether null and NaN form groups.
    """
    order = nw.col(ORDER)
    nothing: Any
    if _is_text(dtype):
        has, nothing = _stripped(order, dtype) != "", ""
        order = order.cast(nw.String)
    elif dtype.is_float():
        has, nothing = order.is_finite().fill_null(False), 0.0
    elif dtype.is_integer() or dtype.is_decimal():
        has, nothing = ~order.is_null(), 0
    else:
        raise TypeError(
            f"the order id column {name!r} holds {dtype}; it must hold text or numbers, for example "
            f"orders[{name!r}].astype(str)."
        )
    return {
        ORDER: nw.when(has).then(order).otherwise(nw.lit(nothing)),
        ORDER_DAY: nw.when(has).then(nw.lit(0)).otherwise(nw.col(DAY)).cast(nw.Int64),
        HAS_ORDER: has.cast(nw.Int64),
    }


def _usable_numbers(lines: nw.LazyFrame[Any], role: str, has: str, dtype: DType, name: Any) -> nw.LazyFrame[Any]:
    """Replace a column by numbers of 0 and more, 0 where there is none, and say which are known."""
    if not dtype.is_numeric():
        raise TypeError(str(_objects.no_numbers(name, str(dtype))).replace("amount column", f"{role} column"))
    lines = lines.with_columns(nw.col(role).cast(nw.Float64))
    finite = nw.col(role).is_finite().fill_null(False) & ~nw.col(IS_REFUND)
    below = (nw.col(role) < 0).fill_null(False)
    if role == DISCOUNT:
        lines = lines.with_columns((finite & below).cast(nw.Int64).alias(IS_NEGATIVE))
    usable = finite & ~below
    return lines.with_columns(usable.cast(nw.Int64).alias(has)).with_columns(
        nw.when(nw.col(has) == 1).then(nw.col(role)).otherwise(nw.lit(0.0)).alias(role)
    )


def count_gaps(lines: nw.LazyFrame[Any], roles: LineRoles) -> dict[str, int]:
    """Count the purchase lines without a usable value in each further column: one pass."""
    names, buys = roles.names(), nw.col(BUYS) == 1
    nothing = {"n_missing_order_id": 0, "n_missing_category": 0, "n_bad_quantity": 0, "n_bad_discount": 0}
    gaps = {
        "n_missing_order_id": (ORDER, HAS_ORDER),
        "n_bad_quantity": (QUANTITY, HAS_QUANTITY),
        "n_bad_discount": (DISCOUNT, HAS_DISCOUNT),
    }
    figures = {name: _number_of(buys & (nw.col(has) == 0)) for name, (role, has) in gaps.items() if role in names}
    if CATEGORY in names:
        figures["n_missing_category"] = _number_of(buys & (nw.col(CATEGORY) == MISSING))
    if DISCOUNT in names:
        figures |= {"n_negative": nw.col(IS_NEGATIVE).sum(), "n_positive": nw.col(DISCOUNTED).sum()}
    if not figures:
        return nothing
    found = one_row(lines.select(**figures))
    if found.pop("n_negative", 0) > found.pop("n_positive", 0):
        name = roles.discount
        raise ValueError(
            f"most discounts in {name!r} are negative; discount is the money taken off a line as a positive number, "
            f"in the unit of amount. Change the sign first: orders.assign(**{{{name!r}: -orders[{name!r}]}})."
        )
    return {**nothing, **found}
