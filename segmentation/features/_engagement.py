"""Events as one row per customer: how many of each type, older ones counting less."""

from __future__ import annotations

import dataclasses
import datetime as dt
import numbers
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, nearest
from segmentation._frames import is_pandas
from segmentation._validation import as_customers
from segmentation.exceptions import DroppedRowsWarning
from segmentation.features import _days
from segmentation.features._event_rows import EVENT, Cells, EventRoles, decayed_counts, read_cells
from segmentation.features._orders import CUSTOMER, DAY, check_choice
from segmentation.features._purchases import plain_index

__all__ = ["EventsReport", "engagement_table", "update_engagement"]

Unknown = Literal["raise", "drop"]
Late = Literal["raise", "add", "drop"]

# What a table of engagement knows about itself, in DataFrame.attrs.
ATTRS = "engagement"

LEFT_OUT = {
    "n_missing_customer": "without a customer id",
    "n_bad_timestamp": "with a timestamp that is missing or no date",
    "n_missing_type": "without an event type",
    "n_after_as_of": "after as_of",
    "n_unknown_type": "of a type that is not in event_types",
    "n_late": "on or before the as_of of the table",
}


@dataclass(frozen=True)
class EventsReport:
    """What became of every row of a table of events; ``n_rows == n_used + n_left_out`` always holds.

    Attributes
    ----------
    n_rows, n_used : int
        Rows in the table that was given; those that count.
    n_customers : int
        Customers with an event that counts.
    n_missing_customer, n_bad_timestamp, n_missing_type, n_after_as_of, n_unknown_type, n_late : int
        Rows left out, each for the first of these reasons that applies: no customer id; no date; no type; after
        `as_of`; a type that is not in ``event_types`` (``unknown="drop"``); on or before the `as_of` of the table
        that is updated (``late="drop"``).
    unknown_types : dict of str to int
        The types behind `n_unknown_type`.
    first_day, as_of : datetime.date
        Day of the first event that counts; day from which ages are counted.
    half_life_days : float
    """

    n_rows: int
    n_used: int
    n_customers: int
    n_missing_customer: int
    n_bad_timestamp: int
    n_missing_type: int
    n_after_as_of: int
    n_unknown_type: int
    n_late: int
    unknown_types: dict[str, int]
    first_day: dt.date | None
    as_of: dt.date
    half_life_days: float

    @property
    def left_out(self) -> dict[str, int]:
        """Rows left out, by the name of the field that counts them."""
        return {name: getattr(self, name) for name in LEFT_OUT}

    @property
    def n_left_out(self) -> int:
        """Rows left out, for whatever reason."""
        return sum(self.left_out.values())

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, dates as ISO 8601 text."""
        values = dataclasses.asdict(self)
        return {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in values.items()}

    def __str__(self) -> str:
        lines = [
            f"{count(self.n_rows, 'event')} read, {self.n_used:,} used: {count(self.n_customers, 'customer')}, "
            f"{self.first_day or 'none'} to {self.as_of}, half-life {self.half_life_days:g} days"
        ]
        lines += [f"  left out: {number:,} {LEFT_OUT[name]}" for name, number in self.left_out.items() if number]
        return "\n".join(lines)


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
    return_report : bool, default=False
        Return ``(table, report)``. Otherwise one `DroppedRowsWarning` counts the rows that were left out, if any
        other than those after `as_of`.

    Returns
    -------
    table : pandas.DataFrame of shape (n_customers, n_types)
        Index ``customer_id``, sorted: customers with at least one event that counts. One float64 column per type,
        the sum of ``2 ** (-age_in_days / half_life_days)`` over the customer's events. ``attrs["engagement"]``
        holds ``as_of`` and ``half_life_days``, for `update_engagement`.
    report : EventsReport
        Only with ``return_report=True``.

    Raises
    ------
    ColumnError
        If a column is not there, or one is named for two roles.
    ValueError
        If there are no rows, none can be used, the half-life is not positive, a type is unknown, timestamps are
        text that is not ISO 8601, or `as_of` is no date.
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
    half_life = _half_life(half_life_days)
    check_choice(unknown, "unknown", Unknown)
    cells = read_cells(events, EventRoles(customer_id, timestamp, event_type), as_of)
    types, rows, unknown_types = _types(cells, event_types, unknown, event_type)
    end = cells.as_of if cells.as_of is not None else int(rows[DAY].max())
    table = _finished(decayed_counts(rows, end, half_life, types), end, half_life)
    report = _report(cells, rows, unknown_types, 0, end, half_life)
    return _returned(table, report, return_report)


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
    cells = read_cells(events, EventRoles(customer_id, timestamp, event_type), as_of)
    types, rows, unknown_types = _types(cells, event_types, unknown, event_type)
    types = list(dict.fromkeys([*old.columns, *types]))
    end = max(old_end, int(rows[DAY].max())) if cells.as_of is None else cells.as_of
    if end < old_end:
        raise ValueError(
            f"as_of {dt.date.fromordinal(end)} is before that of the table, {dt.date.fromordinal(old_end)}: what has "
            "been added up cannot be taken apart again. Make the table anew from all events."
        )
    rows, n_late = _without_late(rows, old_end, late)
    new = _finished(decayed_counts(rows, end, half_life, types), end, half_life)
    customers = old.index.union(new.index)
    aged = old.reindex(index=customers, columns=types, fill_value=0.0) * np.exp2((old_end - end) / half_life)
    both = aged + new.reindex(index=customers, fill_value=0.0)
    report = _report(cells, rows, unknown_types, n_late, end, half_life)
    return _returned(_finished(both, end, half_life), report, return_report)


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
