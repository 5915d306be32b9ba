"""Read a table of events in its own engine, down to how many events of each type a customer has on each day.

The events themselves stay in the engine, for what needs their order.

Counts per day are whole numbers, so they do not depend on the order of the rows, nor on the engine.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from narwhals.dtypes import DType

from segmentation._format import column_difference, count, name_some
from segmentation._frames import as_lazy, is_pandas, to_pandas
from segmentation.exceptions import ColumnError
from segmentation.features import _days, _objects, _orders
from segmentation.features._activity import CHANNEL, SECOND, seconds_of_pandas, with_seconds
from segmentation.features._labels import label_text, no_labels, plain_labels
from segmentation.features._orders import CUSTOMER, DAY, IS_DATE, REASON, TIME, USED

__all__ = ["EVENT", "Cells", "EventRoles", "decayed_counts", "read_cells"]

EVENT = "event_type"

# Why a row is left out; the first that applies.
NO_CUSTOMER, BAD_TIMESTAMP, NO_TYPE, AFTER_END = 1, 2, 3, 4


@dataclass(frozen=True)
class EventRoles:
    """Which columns of the user's table are the customer, the timestamp, the type of the event and its channel."""

    customer_id: Any
    timestamp: Any
    event_type: Any
    channel: Any = None

    def names(self) -> dict[str, Any]:
        """Return the user's column name for each internal one."""
        names = {CUSTOMER: self.customer_id, TIME: self.timestamp, EVENT: self.event_type}
        return names if self.channel is None else {**names, CHANNEL: self.channel}

    @property
    def words(self) -> str:
        """The parameters that name columns, for messages."""
        return (
            "customer_id, timestamp and event_type"
            if self.channel is None
            else ("customer_id, timestamp, event_type and channel")
        )

    def check(self, present: list[Any]) -> None:
        """Raise `ColumnError` unless each role has a column of its own."""
        names = list(self.names().values())
        if not all(isinstance(name, Hashable) for name in names):
            raise TypeError(f"{self.words} name one column each, got {name_some(names)}.")
        if any(name not in present for name in names):
            raise ColumnError(f"events lacks columns that were named: {column_difference(names, present)}.")
        if len(set(names)) < len(names):
            raise ColumnError(f"{self.words} must be different columns of events, got {name_some(names)}.")


@dataclass(frozen=True)
class Cells:
    """Events that can be used, counted.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per customer, type and day: `CUSTOMER`, `EVENT`, `DAY` (ordinal), ``n``; in any order.
    counts : mapping
        Rows by reason.
    as_of : int or None
        Ordinal of the day that was given.
    events : LazyFrame
        The events themselves, in their engine: `CUSTOMER`, `EVENT`, `DAY`; where asked for `SECOND` and `CHANNEL`.
    eager : bool
        Whether they were a frame in memory.
    """

    table: pd.DataFrame
    counts: Mapping[str, int]
    as_of: int | None
    events: nw.LazyFrame[Any]
    eager: bool

    def events_of(self, types: list[str]) -> nw.LazyFrame[Any]:
        """Return the events of these types."""
        return self.events.filter(nw.col(EVENT).cast(nw.String).is_in(types))


def read_cells(events: Any, roles: EventRoles, as_of: Any, *, seconds: bool = False) -> Cells:
    """Classify every row, and count those that can be used by customer, type and day."""
    frame, time_zone = _columns_used(events, roles)
    schema = frame.collect_schema()
    time_zone = time_zone or getattr(schema[TIME], "time_zone", None)
    end = _days.as_ordinal(as_of, name="as_of", time_zone=time_zone, column=str(roles.timestamp))
    event = schema[EVENT]
    if not (_orders._is_text(event) or event.is_integer()):
        raise no_labels(roles.event_type, str(event), what="event type", table="events")
    try:
        order_roles = _orders.Roles(roles.customer_id, roles.timestamp)
        frame = _orders._with_day(frame, schema[TIME], order_roles)
    except TypeError as error:  # the reader of orders says what is wrong with the type of the times
        raise TypeError(str(error).replace("orders[", "events[")) from error
    has_type = _orders._stripped(nw.col(EVENT), event) != "" if _orders._is_text(event) else ~nw.col(EVENT).is_null()
    bad: dict[int, nw.Expr] = {
        NO_CUSTOMER: ~_orders._has_customer(schema[CUSTOMER]),
        BAD_TIMESTAMP: ~nw.col(IS_DATE),
        NO_TYPE: ~has_type,
    }
    if end is not None:
        bad[AFTER_END] = nw.col(DAY) > end
    frame = frame.with_columns(_orders._first_reason(bad).alias(REASON))
    counts = _count_rows(frame)
    _refuse_unusable(counts, frame, roles, end)
    usable = frame.filter(nw.col(REASON) == USED)
    table = to_pandas(usable.group_by(CUSTOMER, EVENT, DAY).agg(nw.len().alias("n")))
    table[EVENT] = table[EVENT].astype(str)
    eager = is_pandas(events) or isinstance(nw.from_native(events, pass_through=True), nw.DataFrame)
    return Cells(table, counts, end, _in_time(usable, schema, roles, seconds), eager)


def _in_time(
    usable: nw.LazyFrame[Any], schema: Mapping[str, DType], roles: EventRoles, seconds: bool
) -> nw.LazyFrame[Any]:
    """Keep of the events what tells their sessions and channels."""
    more: list[Any] = []
    if roles.channel is not None:
        channel = schema[CHANNEL]
        if not (_orders._is_text(channel) or channel.is_integer()):
            raise no_labels(roles.channel, str(channel), what="channel", table="events")
        more.append(label_text(CHANNEL, channel).alias(CHANNEL))
    if seconds:
        usable = with_seconds(usable, schema[TIME])
        more.append(SECOND)
    return usable.select(CUSTOMER, EVENT, DAY, *more)


def _columns_used(events: Any, roles: EventRoles) -> tuple[nw.LazyFrame[Any], str | None]:
    """Select the columns that have a role, under internal names; and a zone that narwhals cannot read."""
    if not is_pandas(events):
        lazy = as_lazy(events, name="events")
        roles.check(lazy.collect_schema().names())
        return lazy.select(nw.col(name).alias(role) for role, name in roles.names().items()), None
    roles.check(list(events.columns))
    readers: dict[str, Callable[[pd.Series, Any], pd.Series]] = {
        CUSTOMER: _objects.plain_ids,
        TIME: _objects.plain_times,
        EVENT: functools.partial(plain_labels, what="event type", table="events"),
        CHANNEL: functools.partial(plain_labels, what="channel", table="events"),
    }
    columns = {}
    for role, name in roles.names().items():
        column = events[name]
        if not isinstance(column, pd.Series):
            raise ColumnError(f"events has {count(column.shape[1], 'column')} named {name!r}; rename all but one.")
        columns[role] = readers[role](column.reset_index(drop=True), name)
    times = columns[TIME]
    columns[TIME], zone = _objects.readable_zone(times)
    if zone is not None:
        columns[SECOND] = seconds_of_pandas(times)
    return as_lazy(pd.DataFrame(columns, copy=False)), zone


def _count_rows(frame: nw.LazyFrame[Any]) -> dict[str, int]:
    reason = nw.col(REASON)
    figures = {
        "n_rows": nw.len(),
        "n_usable": _orders._number_of(reason == USED),
        "n_missing_customer": _orders._number_of(reason == NO_CUSTOMER),
        "n_bad_timestamp": _orders._number_of(reason == BAD_TIMESTAMP),
        "n_missing_type": _orders._number_of(reason == NO_TYPE),
        "n_after_as_of": _orders._number_of(reason == AFTER_END),
        "n_dates": _orders._number_of(nw.col(IS_DATE)),
    }
    if _orders.TEXT in frame.collect_schema().names():
        figures["n_texts"] = _orders._number_of(nw.col(_orders.TEXT) != "")
    return {"n_texts": 0, **_orders.one_row(frame.select(**figures))}


def _refuse_unusable(counts: Mapping[str, int], frame: nw.LazyFrame[Any], roles: EventRoles, end: int | None) -> None:
    if not counts["n_rows"]:
        raise ValueError("events has no rows.")
    if counts["n_texts"] and 2 * counts["n_dates"] < counts["n_texts"]:
        error = _orders._format_error(frame, counts, _orders.Roles(roles.customer_id, roles.timestamp))
        raise ValueError(str(error).replace("orders[", "events["))
    if counts["n_usable"]:
        return
    reasons = {
        f"without a customer id in {roles.customer_id!r}": counts["n_missing_customer"],
        f"without a date in {roles.timestamp!r}": counts["n_bad_timestamp"],
        f"without a type in {roles.event_type!r}": counts["n_missing_type"],
    }
    if end is not None:
        reasons[f"after as_of {dt.date.fromordinal(end)}"] = counts["n_after_as_of"]
    listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
    raise ValueError(f"none of the {count(counts['n_rows'], 'row')} of events can be used: {listed}.")


def decayed_counts(cells: pd.DataFrame, as_of: int, half_life_days: float, types: list[str]) -> pd.DataFrame:
    """Sum 2^(-age / half-life) over the events of each customer and type; customers sorted.

    The order of the additions is that of the days, whatever the order of the rows: equal events give equal bits.
    """
    ids = cells[CUSTOMER]
    customers = pd.Index(ids.unique()).sort_values()
    codes = customers.get_indexer(pd.Index(ids)) * len(types) + pd.Index(types).get_indexer(pd.Index(cells[EVENT]))
    days = cells[DAY].to_numpy(dtype=np.int64)
    order = np.lexsort((days, codes))
    weight = cells["n"].to_numpy(dtype=np.float64) * np.exp2((days - as_of) / half_life_days)
    sums = np.bincount(codes[order], weights=weight[order], minlength=len(customers) * len(types))
    return pd.DataFrame(sums.reshape(len(customers), len(types)), index=customers, columns=types)
