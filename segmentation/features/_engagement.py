"""Events as one row per customer: how many of each type, older ones counting less."""

from __future__ import annotations

import dataclasses
import datetime as dt
import numbers
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, nearest
from segmentation._frames import is_pandas
from segmentation._validation import as_customers
from segmentation.exceptions import CustomerTableError, DroppedRowsWarning
from segmentation.features import _days
from segmentation.features._activity import ACTIVITY, activity_columns, channel_columns, checked_minutes
from segmentation.features._event_rows import EVENT, Cells, EventRoles, decayed_counts, read_cells
from segmentation.features._events_report import LEFT_OUT, EventsReport
from segmentation.features._labels import checked_wanted
from segmentation.features._orders import CUSTOMER, DAY, check_choice
from segmentation.features._purchases import plain_index

__all__ = ["engagement_table", "update_engagement"]

Unknown = Literal["raise", "drop"]
Late = Literal["raise", "add", "drop"]

# What a table of engagement knows about itself, in DataFrame.attrs.
ATTRS = "engagement"


@overload
def engagement_table(
    events: Any,
    *,
    customer_id: str,
    timestamp: str,
    event_type: str,
    half_life_days: float = 30.0,
    as_of: Any = None,
    event_types: Iterable[str] | None = None,
    unknown: Unknown = "raise",
    activity: bool = False,
    session_minutes: float = 30.0,
    channel: str | None = None,
    channels: int | Iterable[str] = 10,
    return_report: Literal[False] = False,
) -> pd.DataFrame: ...
@overload
def engagement_table(
    events: Any,
    *,
    customer_id: str,
    timestamp: str,
    event_type: str,
    half_life_days: float = 30.0,
    as_of: Any = None,
    event_types: Iterable[str] | None = None,
    unknown: Unknown = "raise",
    activity: bool = False,
    session_minutes: float = 30.0,
    channel: str | None = None,
    channels: int | Iterable[str] = 10,
    return_report: Literal[True],
) -> tuple[pd.DataFrame, EventsReport]: ...
def engagement_table(
    events: Any,
    *,
    customer_id: str,
    timestamp: str,
    event_type: str,
    half_life_days: float = 30.0,
    as_of: Any = None,
    event_types: Iterable[str] | None = None,
    unknown: Unknown = "raise",
    activity: bool = False,
    session_minutes: float = 30.0,
    channel: str | None = None,
    channels: int | Iterable[str] = 10,
    return_report: bool = False,
) -> Any:
    """Turn events into one row per customer: of each type how many, an event counting half after each half-life.

    Parameters
    ----------
    events : dataframe
        One row per event: pandas, polars (eager or lazy), pyarrow, a DuckDB relation, Dask or PySpark, never
        changed. It is brought down to one row per customer, type and day in its own engine.
    customer_id, timestamp : str
        Columns, read as in `rfm_table`.
    event_type : str
        Column with the type of the event: text or whole numbers. Missing are nulls and text that is empty or blank.
    half_life_days : float, default=30
        Days after which an event counts half.
    as_of : date, datetime, Timestamp or ISO 8601 text, optional
        The day from which ages are counted. The whole day counts, later events are left out and counted. Default:
        the day of the last event that can be used.
    event_types : iterable of str, optional
        The types to count, in the order of the columns, for instance the weights of an `EngagementScorer`; a type
        without events gets a column of 0. By default every type there is, sorted.
    unknown : {"raise", "drop"}, default="raise"
        What other types do: an error, or left out and counted.
    activity : bool, default=False
        Add how active the customers are, whatever the type of the event: recency, frequency, sessions, decayed sum.
    session_minutes : float, default=30
        The gap between two events of a customer that ends a session; with ``activity=True``.
    channel : str, optional
        Column with the channel of the event, text or whole numbers. Adds counts and shares per channel.
    channels : int or iterable of str, default=10
        The channels that get columns: so many, those of most customers (ties in the order of the alphabet); or a
        list, which gives a later table the same columns. All others share one.
    return_report : bool, default=False
        Return ``(table, report)``. Otherwise one `DroppedRowsWarning` counts the rows that were left out, if any
        other than those after `as_of`.

    Returns
    -------
    table : pandas.DataFrame of shape (n_customers, n_types), or more columns where asked for
        Index ``customer_id``, sorted: customers with at least one event that counts. One float64 column per type,
        the sum of ``2 ** (-age_in_days / half_life_days)`` over the customer's events. ``attrs["engagement"]``
        holds ``as_of`` and ``half_life_days``, for `update_engagement`.

        With ``activity=True``, of all events that count:

        * ``days_since_last_event`` (float64): calendar days from the last one to `as_of`;
        * ``n_events`` (int64): their number, none decayed;
        * ``n_active_days`` (int64): calendar days with one;
        * ``n_sessions`` (int64): see the notes;
        * ``decayed_events`` (float64): the sum of the columns of the types.

        With `channel`, for each ``=<name>``, ``_other`` and ``_missing``: ``n_channel_events...`` (int64), events in
        the channel, none decayed; ``channel_share...`` (float64), their share of the customer's events.
    report : EventsReport
        Only with ``return_report=True``.

    Raises
    ------
    ColumnError
        If a column is not there, or one is named for two roles.
    ValueError
        If there are no rows, none can be used, the half-life or the gap is not positive, a type is unknown, none of
        the listed channels is there, timestamps are text that is not ISO 8601, `as_of` is no date, or an event type
        has the name of a column that was asked for.
    TypeError
        If `events` is no dataframe, or a column has a type that cannot be read.

    Warns
    -----
    DroppedRowsWarning
        If rows were left out and no report was asked for.

    Notes
    -----
    **Days.** Ages are differences of calendar days, as in `rfm_table`: an event of the day `as_of` counts 1 whatever
    its clock time. So the result is the same to the bit in whatever order the events come, and does not
    depend on the engine.

    **Customers without events** are not in the table. Where the log covers everybody, they have 0:
    ``table.reindex(customers.index, fill_value=0.0)``.

    Exact duplicates are kept: two equal rows may be two events.

    **Sessions.** The events of a customer in the order of their times, whatever their types and channels: the first
    one starts a session, and so does each that comes `session_minutes` or more after the one before. Midnight
    ends none. Times are taken to the second; those with a zone as time that passed, also where the clocks change,
    except in DuckDB, where narwhals has only the clock of the session's zone. Of text the clock counts as written.
    Where the times are only dates, every active day is one session (while `session_minutes` is at most 1440).

    **What can be carried forward** by `update_engagement` are the columns of the types alone: last days, sessions and
    active days are not sums that decay. That is why the others have to be asked for.

    See Also
    --------
    update_engagement : Carry a table forward with new events, without reading the old ones again.
    segmentation.scorers.EngagementScorer : Weighs the types into one score.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import engagement_table
    >>> events = pd.DataFrame({
    ...     "customer": ["a", "a", "b"], "day": ["2024-01-01", "2024-01-31", "2024-01-16"],
    ...     "type": ["visit", "visit", "cart"]})
    >>> engagement_table(events, customer_id="customer", timestamp="day", event_type="type", half_life_days=30)
                     cart  visit
    customer_id
    a            0.000000    1.5
    b            0.707107    0.0
    """
    half_life, minutes = _half_life(half_life_days), checked_minutes(session_minutes)
    wanted = checked_wanted(channels, "channels")
    check_choice(unknown, "unknown", Unknown)
    roles = EventRoles(customer_id, timestamp, event_type, channel)
    cells = read_cells(events, roles, as_of, seconds=activity)
    types, rows, unknown_types = _types(cells, event_types, unknown, event_type)
    end = cells.as_of if cells.as_of is not None else int(rows[DAY].max())
    table = _finished(decayed_counts(rows, end, half_life, types), end, half_life)
    report = _report(cells, rows, unknown_types, 0, end, half_life)
    more: list[pd.DataFrame] = []
    if activity:
        in_time = cells.events_of(types)
        more.append(activity_columns(in_time, rows, table, end=end, minutes=minutes, eager=cells.eager))
    if channel is not None:
        by_channel, n_missing = channel_columns(cells.events_of(types), table, wanted)
        more.append(by_channel)
        report = dataclasses.replace(report, n_missing_channel=n_missing)
    return _returned(_with_columns(table, more, event_type), report, return_report)


@overload
def update_engagement(
    table: Any,
    events: Any,
    *,
    customer_id: str,
    timestamp: str,
    event_type: str,
    as_of: Any = None,
    half_life_days: float | None = None,
    table_as_of: Any = None,
    event_types: Iterable[str] | None = None,
    unknown: Unknown = "raise",
    late: Late = "raise",
    return_report: Literal[False] = False,
) -> pd.DataFrame: ...
@overload
def update_engagement(
    table: Any,
    events: Any,
    *,
    customer_id: str,
    timestamp: str,
    event_type: str,
    as_of: Any = None,
    half_life_days: float | None = None,
    table_as_of: Any = None,
    event_types: Iterable[str] | None = None,
    unknown: Unknown = "raise",
    late: Late = "raise",
    return_report: Literal[True],
) -> tuple[pd.DataFrame, EventsReport]: ...
def update_engagement(
    table: Any,
    events: Any,
    *,
    customer_id: str,
    timestamp: str,
    event_type: str,
    as_of: Any = None,
    half_life_days: float | None = None,
    table_as_of: Any = None,
    event_types: Iterable[str] | None = None,
    unknown: Unknown = "raise",
    late: Late = "raise",
    return_report: bool = False,
) -> Any:
    """Carry a table of `engagement_table` forward with new events, without reading the old ones again.

    What was in the table decays by ``2 ** (-days / half_life_days)``, the new events are added: up to rounding the
    table that all events together would give.

    Parameters
    ----------
    table : dataframe
        From `engagement_table` or this function. Never changed.
    events, customer_id, timestamp, event_type, unknown, return_report
        As for `engagement_table`; the new events only.
    as_of : date, datetime, Timestamp or ISO 8601 text, optional
        The new day from which ages are counted, not before that of `table`. Default: the day of the last new event,
        or that of `table` if it is later.
    half_life_days : float, optional
        Needed only where `table` has lost its ``attrs``, for instance on the way through a file.
    table_as_of : date, datetime, Timestamp or ISO 8601 text, optional
        The `as_of` of `table`; needed only where it has lost its ``attrs``.
    event_types : iterable of str, optional
        As for `engagement_table`. By default all types there are; one that `table` does not have gets a new column.
    late : {"raise", "add", "drop"}, default="raise"
        What events do that are dated on or before the `as_of` of `table`. They are probably in it already, which
        nothing in `table` can tell: an error; added, as late arrivals; or left out and counted.

    Returns
    -------
    table : pandas.DataFrame
        As from `engagement_table`: the customers of both, and the types of both.
    report : EventsReport
        On the new events. Only with ``return_report=True``.

    Raises
    ------
    ColumnError, ValueError, TypeError
        As `engagement_table`; and if `as_of` is before that of `table`, that is not known, or its half-life is
        another one.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import engagement_table, update_engagement
    >>> columns = dict(customer_id="customer", timestamp="day", event_type="type")
    >>> january = pd.DataFrame({"customer": ["a"], "day": ["2024-01-31"], "type": ["visit"]})
    >>> table = engagement_table(january, **columns, half_life_days=30)
    >>> march = pd.DataFrame({"customer": ["b"], "day": ["2024-03-01"], "type": ["visit"]})
    >>> update_engagement(table, march, **columns)
                 visit
    customer_id
    a              0.5
    b              1.0
    """
    for value, name, choices in ((unknown, "unknown", Unknown), (late, "late", Late)):
        check_choice(value, name, choices)
    old, old_end, half_life = _old_table(table, half_life_days, table_as_of)
    if as_of is not None and getattr(events, "shape", (1,))[0] == 0:
        # a quiet day: nothing is new, what there is grows older
        end = _as_of_day(as_of)
        _refuse_earlier(end, old_end)
        aged = _finished(old * np.exp2((old_end - end) / half_life), end, half_life)
        zero = dict.fromkeys(("n_rows", "n_used", "n_customers", *LEFT_OUT), 0)
        today = dt.date.fromordinal(end)
        nothing = EventsReport(**zero, unknown_types={}, first_day=None, as_of=today, half_life_days=half_life)
        return _returned(aged, nothing, return_report)
    cells = read_cells(events, EventRoles(customer_id, timestamp, event_type), as_of)
    types, rows, unknown_types = _types(cells, event_types, unknown, event_type)
    types = list(dict.fromkeys([*old.columns, *types]))
    end = max(old_end, int(rows[DAY].max())) if cells.as_of is None else cells.as_of
    _refuse_earlier(end, old_end)
    rows, n_late = _without_late(rows, old_end, late)
    new = _finished(decayed_counts(rows, end, half_life, types), end, half_life)
    if len(old) and len(new) and pd.api.types.is_numeric_dtype(old.index) != pd.api.types.is_numeric_dtype(new.index):
        raise CustomerTableError(
            f"ids of the table are {old.index.dtype} ({name_some(old.index[:3])}), those of the events "
            f"{new.index.dtype} ({name_some(new.index[:3])}): customers would count twice. Convert one of the two."
        )
    customers = old.index.union(new.index)
    aged = old.reindex(index=customers, columns=types, fill_value=0.0) * np.exp2((old_end - end) / half_life)
    both = aged + new.reindex(index=customers, fill_value=0.0)
    report = _report(cells, rows, unknown_types, n_late, end, half_life)
    return _returned(_finished(both, end, half_life), report, return_report)


def _as_of_day(as_of: Any) -> int:
    end = _days.as_ordinal(as_of, name="as_of", time_zone=None, column="table")
    if end is None:
        raise ValueError(f"as_of must be a day, got {as_of!r}.")
    return end


def _refuse_earlier(end: int, old_end: int) -> None:
    if end < old_end:
        raise ValueError(
            f"as_of {dt.date.fromordinal(end)} is before that of the table, {dt.date.fromordinal(old_end)}: what has "
            "been added up cannot be taken apart again. Make the table anew from all events."
        )


def _with_columns(table: pd.DataFrame, more: list[pd.DataFrame], column: str) -> pd.DataFrame:
    """Put the columns that were asked for behind those of the types."""
    clash = [name for columns in more for name in columns.columns if name in table.columns]
    if clash:
        raise ValueError(
            f"events has types in {column!r} that are called like a column of the result: {name_some(clash)}. Rename "
            f"them first, for example events.replace({{{column!r}: {{{clash[0]!r}: {clash[0] + '_event'!r}}}}})."
        )
    if not more:
        return table
    attrs = {ATTRS: table.attrs[ATTRS]}  # concat keeps attrs only where all parts have equal ones
    both = pd.concat([table, *more], axis=1)
    both.attrs.update(attrs)
    return both


def _half_life(value: Any) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not np.isfinite(float(value)) or value <= 0:
        raise ValueError(f"half_life_days must be a positive number of days, got {value!r}.")
    return float(value)


def _types(
    cells: Cells, event_types: Iterable[str] | None, unknown: str, column: str
) -> tuple[list[str], pd.DataFrame, dict[str, int]]:
    """Return the types that count, their rows, and how many events are of which other type."""
    per_type = cells.table.groupby(EVENT)["n"].sum()
    if event_types is None:
        return sorted(per_type.index), cells.table, {}
    if isinstance(event_types, str):
        raise TypeError(f"event_types must be a list of types, got the text {event_types!r}.")
    types = [str(one) for one in event_types]
    if len(set(types)) < len(types) or not types:
        raise ValueError(f"event_types must name each type once, got {name_some(types) or 'none'}.")
    others = {str(one): int(n) for one, n in per_type.items() if one not in types}
    if others and unknown == "raise":
        close = {other: nearest(other, types) for other in others}
        hints = "".join(f" Is {other!r} meant to be {near[0]!r}?" for other, near in close.items() if near)
        raise ValueError(
            f"events has types in {column!r} that are not in event_types: {name_some(others)} "
            f"({count(sum(others.values()), 'event')}).{hints} Add them, or leave them out with unknown='drop'."
        )
    rows = cells.table[cells.table[EVENT].isin(types)]
    if rows.empty:
        raise ValueError(f"no event has one of the types {name_some(types)}; there are {name_some(per_type.index)}.")
    return types, rows, others


def _without_late(rows: pd.DataFrame, old_end: int, late: str) -> tuple[pd.DataFrame, int]:
    is_late = rows[DAY] <= old_end
    n = int(rows.loc[is_late, "n"].sum())
    if n and late == "raise":
        first, last = (dt.date.fromordinal(int(d)) for d in rows.loc[is_late, DAY].agg(["min", "max"]))
        raise ValueError(
            f"{count(n, 'event is', 'events are')} dated on or before the as_of of the table, "
            f"{dt.date.fromordinal(old_end)} ({first} to {last}). If the table holds them already, late='drop' leaves "
            "them out; if they arrived late, late='add' adds them."
        )
    return (rows[~is_late], n) if late == "drop" else (rows, 0)


def _old_table(table: Any, half_life_days: float | None, table_as_of: Any) -> tuple[pd.DataFrame, int, float]:
    """Return the table that is updated, the ordinal of its day and its half-life."""
    attrs: Any = table.attrs.get(ATTRS, {}) if is_pandas(table) else {}
    known = attrs if isinstance(attrs, Mapping) else {}
    old = as_customers(table)
    if not all(pd.api.types.is_numeric_dtype(dtype) for dtype in old.dtypes):
        raise TypeError("table must be one of engagement_table: numbers, a column per event type.")
    sums = old.to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.all(np.isfinite(sums)) or (sums < 0).any():
        wrong = old.index[~(np.isfinite(sums) & (sums >= 0)).all(axis=1)]
        raise CustomerTableError(
            f"table holds sums that are missing, infinite or negative for {name_some(wrong)}; decayed counts are "
            "numbers from 0 on. Make the table anew from all events."
        )
    added = [name for name in old.columns if name in ACTIVITY or str(name).startswith(("n_channel_", "channel_share"))]
    if added:
        raise ValueError(
            f"table has columns that are no decayed counts and cannot be carried forward: {name_some(added)}. Keep the "
            f"columns of the types, table.drop(columns=[...]), or make the table anew from all events."
        )
    given = {"half_life_days": half_life_days, "table_as_of": table_as_of}
    kept = {"half_life_days": known.get("half_life_days"), "table_as_of": known.get("as_of")}
    unknown = [name for name in given if given[name] is None and kept[name] is None]
    if unknown:
        raise ValueError(f"table does not say its {' and '.join(unknown)} (its attrs are gone): give {unknown[0]}=.")
    half_life = _half_life(given["half_life_days"] if given["half_life_days"] is not None else kept["half_life_days"])
    if kept["half_life_days"] is not None and half_life != kept["half_life_days"]:
        raise ValueError(
            f"table was made with half_life_days={kept['half_life_days']:g}, got {half_life:g}: sums of one half-life "
            "cannot be turned into those of another. Make the table anew from all events."
        )
    moment = table_as_of if table_as_of is not None else kept["table_as_of"]
    end = _days.as_ordinal(moment, name="table_as_of", time_zone=None, column="table")
    if end is None:  # pragma: no cover  (refused above)
        raise ValueError("table_as_of is missing.")
    if kept["table_as_of"] is not None and end != dt.date.fromisoformat(str(kept["table_as_of"])).toordinal():
        raise ValueError(f"table was made as of {kept['table_as_of']}, got table_as_of={table_as_of!r}: leave it out.")
    return old.astype(np.float64), end, half_life


def _finished(table: pd.DataFrame, end: int, half_life: float) -> pd.DataFrame:
    table = table.set_axis(plain_index(pd.Series(table.index)), axis=0)
    table.columns.name = None
    table.attrs[ATTRS] = {"as_of": dt.date.fromordinal(end).isoformat(), "half_life_days": half_life}
    return table


def _report(
    cells: Cells, rows: pd.DataFrame, unknown_types: dict[str, int], n_late: int, end: int, half_life: float
) -> EventsReport:
    by_row = {name: int(cells.counts[name]) for name in LEFT_OUT if name in cells.counts}
    return EventsReport(
        n_rows=int(cells.counts["n_rows"]),
        n_used=int(rows["n"].sum()),
        n_customers=int(rows[CUSTOMER].nunique()),
        **by_row,
        n_unknown_type=sum(unknown_types.values()),
        n_late=n_late,
        unknown_types=unknown_types,
        first_day=dt.date.fromordinal(int(rows[DAY].min())) if len(rows) else None,
        as_of=dt.date.fromordinal(end),
        half_life_days=half_life,
    )


def _returned(table: pd.DataFrame, report: EventsReport, return_report: bool) -> Any:
    if return_report:
        return table, report
    # what lies after an end that the user chose, or what they chose to drop, is no defect of the data
    chosen = {"n_after_as_of", "n_late"}
    unexpected = {name: n for name, n in report.left_out.items() if n and name not in chosen}
    if unexpected:
        reasons = ", ".join(f"{n:,} {LEFT_OUT[name]}" for name, n in unexpected.items())
        warnings.warn(
            f"{count(sum(unexpected.values()), 'event')} of {report.n_rows:,} left out: {reasons}. "
            "return_report=True returns all counts and does not warn.",
            DroppedRowsWarning,
            stacklevel=3,
        )
    return table
