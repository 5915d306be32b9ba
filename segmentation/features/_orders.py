"""Read a table of orders in its own engine: the columns used, what each row is good for, and the counts.

Everything here is one chain of lazy expressions. Only the counts come back; the rows stay where they are until
`segmentation.features._purchases` brings them down to one row per customer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import narwhals as nw
import pandas as pd
from narwhals.dtypes import DType

from segmentation._format import column_difference, count, name_some, nearest
from segmentation._frames import as_lazy, is_pandas, to_pandas
from segmentation.exceptions import ColumnError
from segmentation.features import _days, _objects

__all__ = ["OrderLines", "Refunds", "Roles", "check_choice", "one_row", "read_orders"]

Refunds = Literal["net", "drop", "raise"]

# Inside, the columns have these names, whatever the user's are called.
CUSTOMER, TIME, AMOUNT = "customer_id", "time", "amount"
DAY, REASON, IS_REFUND = "day", "reason", "is_refund"
TEXT, DATE, IS_DATE = "text", "date", "is_date"

# Why a row is left out; the first that applies. USED is none of them.
USED, NO_CUSTOMER, BAD_TIMESTAMP, BAD_AMOUNT, AFTER_END, REFUND_DROPPED = range(6)


@dataclass(frozen=True)
class Roles:
    """Which columns of the user's table are the customer, the timestamp and the amount."""

    customer_id: Any
    timestamp: Any
    amount: Any = None

    # The parameters that name columns, for messages.
    WORDS: ClassVar[str] = "customer_id, timestamp and amount"

    def names(self) -> dict[str, Any]:
        """Return the user's column name for each internal one that is in use."""
        names = {CUSTOMER: self.customer_id, TIME: self.timestamp}
        return names if self.amount is None else {**names, AMOUNT: self.amount}

    def readers(self) -> dict[str, Callable[[pd.Series, Any], pd.Series]]:
        """Return for each internal name what turns such a column of pandas into one that every engine has."""
        return {CUSTOMER: _objects.plain_ids, TIME: _objects.plain_times, AMOUNT: _objects.plain_amounts}

    def check(self, present: list[Any]) -> None:
        """Raise `ColumnError` unless each role has a column of its own."""
        names = list(self.names().values())
        if not all(isinstance(name, Hashable) for name in names):
            raise TypeError(f"{self.WORDS} are names of one column each, got {name_some(names)}.")
        if missing := [name for name in names if name not in present]:
            noun = "a column that was" if len(missing) == 1 else "columns that were"
            raise ColumnError(f"orders lacks {noun} named: {column_difference(names, present)}.")
        if len(set(names)) < len(names):
            raise ColumnError(f"{self.WORDS} must be different columns of orders, got {name_some(names)}.")


@dataclass(frozen=True)
class OrderLines:
    """The rows of a table of orders that can be used, still in their engine, and the counts of all rows.

    `lines` has the columns `CUSTOMER`, `TIME`, `DAY` (ordinal), `IS_REFUND` and, where there is an amount,
    `AMOUNT`. `first_day` and `end` are ordinals: the first day with a usable row, and the last that counts.
    """

    lines: nw.LazyFrame[Any]
    roles: Roles
    refunds: str | None
    counts: Mapping[str, Any]
    first_day: int
    end: int
    time_zone: str | None
    eager: bool

    @property
    def has_amount(self) -> bool:
        """Tell whether the orders have an amount."""
        return self.roles.amount is not None

    def n_duplicates(self) -> int:
        """Count rows that repeat an earlier one in every column used; a pass over the data of its own."""
        distinct = self.lines.select(*self.roles.names()).unique()
        return int(self.counts["n_usable"]) - int(one_row(distinct.select(n=nw.len()))["n"])


def check_choice(value: Any, name: str, choices: Any) -> None:
    """Raise `ValueError` unless `value` is one of the choices of a `Literal`."""
    allowed = get_args(choices)
    if value not in allowed:
        close = nearest(value, allowed)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{name} must be one of {name_some(allowed)}, got {value!r}.{hint}")


def read_orders(
    orders: Any,
    roles: Roles,
    *,
    refunds: str,
    end: Any = None,
    end_name: str = "as_of",
    granularity: _days.Granularity = "D",
) -> OrderLines:
    """Classify every row of `orders`, count the reasons, and keep the rows that can be used.

    `end` counts at the granularity: with weeks, the rest of the week that holds it counts too.
    """
    check_choice(refunds, "refunds", Refunds)
    frame, time_zone = _columns_used(orders, roles)
    schema = frame.collect_schema()
    time_zone = time_zone or getattr(schema[TIME], "time_zone", None)
    end_day = _days.as_ordinal(end, name=end_name, time_zone=time_zone, column=str(roles.timestamp))
    frame = _with_day(frame, schema[TIME], roles)
    bad: dict[int, nw.Expr] = {NO_CUSTOMER: ~_has_customer(schema[CUSTOMER]), BAD_TIMESTAMP: ~nw.col(IS_DATE)}
    is_refund: nw.Expr = nw.lit(False)
    if roles.amount is not None:
        frame = _with_amount(frame, schema[AMOUNT], roles)
        bad[BAD_AMOUNT] = ~nw.col(AMOUNT).is_finite().fill_null(False)
        is_refund = (nw.col(AMOUNT) < 0).fill_null(False)
    if end_day is not None:
        bad[AFTER_END] = nw.col(DAY) > _days.last_day_of(end_day, granularity)
    if refunds == "drop" and roles.amount is not None:
        bad[REFUND_DROPPED] = nw.col(IS_REFUND)
    frame = frame.with_columns(is_refund.alias(IS_REFUND)).with_columns(_first_reason(bad).alias(REASON))
    counts = _count_rows(frame, roles)
    _refuse_unusable(counts, frame, roles, end_day, end_name)
    usable = frame.filter(nw.col(REASON) == USED)
    if refunds == "raise" and counts["n_refunds"]:
        raise _refunds_error(usable, counts["n_refunds"], roles)
    kept = [*roles.names(), DAY, IS_REFUND]
    return OrderLines(
        lines=usable.select(*kept),
        roles=roles,
        refunds=refunds if roles.amount is not None else None,
        counts=counts,
        first_day=int(counts["first_day"]),
        end=end_day if end_day is not None else int(counts["last_day"]),
        time_zone=time_zone,
        eager=is_pandas(orders) or isinstance(nw.from_native(orders, pass_through=True), nw.DataFrame),
    )


def _columns_used(orders: Any, roles: Roles) -> tuple[nw.LazyFrame[Any], str | None]:
    """Select the columns that have a role, under their internal names; and a zone that narwhals cannot read."""
    if not is_pandas(orders):
        lazy = as_lazy(orders, name="orders")
        roles.check(lazy.collect_schema().names())
        eager = nw.from_native(orders, eager_only=True, pass_through=True)
        if isinstance(eager, nw.DataFrame) and not len(eager):
            raise _no_rows()
        return lazy.select(nw.col(name).alias(role) for role, name in roles.names().items()), None
    if hidden := [n for n in roles.names().values() if n in orders.index.names and n not in orders.columns]:
        raise ColumnError(f"{name_some(hidden)} is the index of orders, no column: pass orders.reset_index().")
    roles.check(list(orders.columns))
    if orders.empty:
        raise _no_rows()
    readers = roles.readers()
    columns = {}
    for role, name in roles.names().items():
        column = orders[name]
        if not isinstance(column, pd.Series):
            raise ColumnError(f"orders has {count(column.shape[1], 'column')} named {name!r}; rename all but one.")
        columns[role] = readers[role](column.reset_index(drop=True), name)
    columns[TIME], zone = _objects.readable_zone(columns[TIME])
    return as_lazy(pd.DataFrame(columns, copy=False)), zone


def _no_rows() -> ValueError:
    return ValueError("orders has no rows.")


def _has_customer(dtype: DType) -> nw.Expr:
    customer = nw.col(CUSTOMER)
    if dtype.is_float():
        return customer.is_finite().fill_null(False)
    if _is_text(dtype):
        return _stripped(customer, dtype) != ""
    return ~customer.is_null()


def _with_day(frame: nw.LazyFrame[Any], dtype: DType, roles: Roles) -> nw.LazyFrame[Any]:
    """Add the ordinal of the calendar day, and whether there is one."""
    time = nw.col(TIME)
    if _is_text(dtype):
        frame = frame.with_columns(_stripped(time, dtype).alias(TEXT))
        frame = frame.with_columns(_days.day_of_text(nw.col(TEXT)).alias(DATE))
        time = nw.col(DATE)
    elif not isinstance(dtype, nw.Datetime | nw.Date):
        raise _no_dates(roles.timestamp, dtype)
    elif getattr(dtype, "time_zone", None) is not None:
        # The wall clock of the zone: some engines count the days of a zoned column in UTC.
        time = time.dt.replace_time_zone(None)
    return _days.with_ordinals(frame, time, day=DAY, usable=IS_DATE)


def _no_dates(name: Any, dtype: DType) -> TypeError:
    found = "no type with dates" if isinstance(dtype, nw.Object | nw.Unknown) else f"{dtype}, no dates"
    return TypeError(
        f"the timestamp column {name!r} holds {found}. Convert it first, for example numbers such as "
        f"20240131 with pandas.to_datetime(orders[{name!r}].astype(str), format='%Y%m%d'), or seconds since 1970 "
        f"with pandas.to_datetime(orders[{name!r}], unit='s'); periods with .dt.to_timestamp()."
    )


def _with_amount(frame: nw.LazyFrame[Any], dtype: DType, roles: Roles) -> nw.LazyFrame[Any]:
    if not dtype.is_numeric():
        raise _objects.no_numbers(roles.amount, str(dtype))
    return frame.with_columns(nw.col(AMOUNT).cast(nw.Float64))


def _is_text(dtype: DType) -> bool:
    return isinstance(dtype, nw.String | nw.Categorical | nw.Enum)


def _stripped(column: nw.Expr, dtype: DType) -> nw.Expr:
    """Return text without blanks around it, and nulls as empty text."""
    # Only categories need the cast, and it may turn a missing object into the text "None".
    text = column if isinstance(dtype, nw.String) else column.cast(nw.String)
    return text.fill_null("").str.strip_chars()


def _first_reason(bad: Mapping[int, nw.Expr]) -> nw.Expr:
    """Return the code of the first reason to leave a row out, `USED` where there is none."""
    reason: nw.Expr = nw.lit(USED)
    for code, applies in sorted(bad.items(), reverse=True):
        reason = nw.when(applies).then(nw.lit(code)).otherwise(reason)
    return reason


def _count_rows(frame: nw.LazyFrame[Any], roles: Roles) -> dict[str, Any]:
    """Count rows by reason, refunds, zero amounts and dates, and find the first and last day: one pass."""
    reason, usable = nw.col(REASON), nw.col(REASON) == USED
    figures = {
        "n_rows": nw.len(),
        "n_usable": _number_of(usable),
        "n_missing_customer": _number_of(reason == NO_CUSTOMER),
        "n_bad_timestamp": _number_of(reason == BAD_TIMESTAMP),
        "n_bad_amount": _number_of(reason == BAD_AMOUNT),
        "n_after_end": _number_of(reason == AFTER_END),
        "n_refunds_dropped": _number_of(reason == REFUND_DROPPED),
        "first_day": nw.when(usable).then(nw.col(DAY)).min(),
        "last_day": nw.when(usable).then(nw.col(DAY)).max(),
        "n_dates": _number_of(nw.col(IS_DATE)),
    }
    if TEXT in frame.collect_schema().names():
        figures["n_texts"] = _number_of(nw.col(TEXT) != "")
    if roles.amount is not None:
        refund = (usable | (reason == REFUND_DROPPED)) & nw.col(IS_REFUND)
        figures["n_refunds"] = _number_of(refund)
        figures["refunds_total"] = nw.when(refund).then(nw.col(AMOUNT)).otherwise(nw.lit(0.0)).sum()
        figures["n_zero_amounts"] = _number_of((usable & (nw.col(AMOUNT) == 0)).fill_null(False))
    nothing = {"n_texts": 0, "n_refunds": 0, "refunds_total": 0.0, "n_zero_amounts": 0}
    return {**nothing, **one_row(frame.select(**figures))}


def _number_of(rows: nw.Expr) -> nw.Expr:
    """Count rows by a condition; DuckDB before 1.2 adds up numbers only."""
    return rows.cast(nw.Int64).sum()


def one_row(frame: nw.LazyFrame[Any]) -> dict[str, Any]:
    """Bring back a table of one row as plain numbers; a sum or minimum of nothing, which may be null, as 0."""
    row = {str(name): value for name, value in to_pandas(frame).iloc[0].items()}
    numbers = {name: 0 if pd.isna(value) else value for name, value in row.items()}
    return {name: float(value) if name == "refunds_total" else int(value) for name, value in numbers.items()}


def _refuse_unusable(
    counts: Mapping[str, Any], frame: nw.LazyFrame[Any], roles: Roles, end_day: int | None, end_name: str
) -> None:
    """Raise where nothing is left, or where the dates are plainly in another format."""
    if not counts["n_rows"]:
        raise _no_rows()
    if counts["n_texts"] and 2 * counts["n_dates"] < counts["n_texts"]:
        raise _format_error(frame, counts, roles)
    if counts["n_usable"]:
        return
    reasons = {
        f"without a customer id in {roles.customer_id!r}": counts["n_missing_customer"],
        f"without a date in {roles.timestamp!r}": counts["n_bad_timestamp"],
        f"without a finite amount in {roles.amount!r}": counts["n_bad_amount"],
        "refunds, which refunds='drop' leaves out": counts["n_refunds_dropped"],
    }
    if end_day is not None:
        reasons[f"after {end_name} {dt.date.fromordinal(end_day)}"] = counts["n_after_end"]
    listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
    raise ValueError(f"none of the {count(counts['n_rows'], 'row')} of orders can be used: {listed}.")


def _format_error(frame: nw.LazyFrame[Any], counts: Mapping[str, Any], roles: Roles) -> ValueError:
    bad = to_pandas(frame.filter(~nw.col(IS_DATE) & (nw.col(TEXT) != "")).select(TEXT).head(1))
    name = roles.timestamp
    return ValueError(
        f"{counts['n_dates']:,} of {counts['n_texts']:,} texts in the timestamp column {name!r} are ISO 8601 "
        f"dates such as 2024-01-31 or 2024-01-31T12:30; the first that is not: {bad[TEXT].iloc[0]!r}. Other "
        "formats are not guessed, because 03/04/2024 can be read in two ways. Convert the column first: "
        f"pandas.to_datetime(orders[{name!r}], format='%d/%m/%Y'), with the format it has."
    )


def _refunds_error(usable: nw.LazyFrame[Any], n_refunds: int, roles: Roles) -> ValueError:
    refunds = usable.filter(nw.col(IS_REFUND)).group_by(CUSTOMER).agg(n=nw.len())
    customers = to_pandas(refunds)[CUSTOMER].sort_values()
    return ValueError(
        f"orders has {count(n_refunds, 'refund')} (negative amounts in {roles.amount!r}), of the customers "
        f"{name_some(customers)}. refunds='net' subtracts them from what the customers spent, refunds='drop' "
        "leaves them out."
    )
