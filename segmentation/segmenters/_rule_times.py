"""Dates and times in rules: reading ISO texts, and comparing them with columns of any resolution and zone."""

from __future__ import annotations

import re
from datetime import date, datetime, time

import narwhals as nw

from segmentation.segmenters._rule_columns import Kind, Typed
from segmentation.segmenters._rule_logic import Truth, compare

__all__ = ["compare_time", "compare_time_columns", "read_time"]

ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")

# What 64 bits of nanoseconds hold; a literal beyond is decided without the engine, some of which wrap or refuse.
NANOSECONDS = (datetime(1677, 9, 21, 0, 12, 44), datetime(2262, 4, 11, 23, 47, 16))

COMPARED_AS_NUMBERS = (nw.Implementation.POLARS, nw.Implementation.PYARROW)


def read_time(text: str) -> date | datetime:
    """Read an ISO date, or date and time with or without an offset.

    Raises
    ------
    ValueError
        If it is none; the message says what is accepted.

    Examples
    --------
    >>> read_time("2024-05-01"), read_time("2024-05-01T12:30")
    (datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1, 12, 30))
    """
    if not ISO.fullmatch(text):
        raise ValueError(
            f"{text!r:.60} is no date; write '2024-05-01', '2024-05-01 12:30' or '2024-05-01T12:30:00+02:00'"
        )
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: {error}") from error


def compare_time(sign: str, column: Typed, literal: date | datetime) -> Truth:
    """Compare a column of dates, or dates and times, with a literal.

    A date is its midnight. A literal without offset is read in the column's time zone.

    Raises
    ------
    ValueError
        If the literal has an offset and the column no time zone.
    """
    if column.kind is Kind.DATE and not isinstance(literal, datetime):
        return compare(sign, column.values, literal)
    moment = literal if isinstance(literal, datetime) else datetime.combine(literal, time())
    if column.kind is Kind.DATE and moment.tzinfo is None:
        return _compare_day(sign, column, moment)
    if moment.tzinfo is not None and column.zone is None:
        raise ValueError(
            f"the column has no time zone, so a time with an offset ({moment:%z}) cannot be compared with it"
        )
    if column.zone is None:
        return _compare_moment(sign, column, moment, None)
    local = moment if moment.tzinfo else moment.replace(tzinfo=column.zone)
    try:
        return _compare_moment(sign, column, local.astimezone(column.stored_zone), column.zone_name)
    except OverflowError:  # the first or last day that Python has, elsewhere the day before or after
        return _beyond(sign, above=moment.year > 5000)


def _compare_day(sign: str, column: Typed, moment: datetime) -> Truth:
    """Compare dates with a moment as dates: as times, the last days of the calendar overflow in some engines."""
    if moment.time() == time():
        return compare(sign, column.values, moment.date())
    if sign in ("==", "!="):  # no date is a moment within a day
        return sign == "!="
    return compare({"<": "<=", ">=": ">"}.get(sign, sign), column.values, moment.date())


def _compare_moment(sign: str, column: Typed, moment: datetime, zone_name: str | None) -> Truth:
    """Compare at the resolution of the column, or of the literal where that is finer."""
    if column.unit == "ns":
        earliest, latest = (end.replace(tzinfo=moment.tzinfo) for end in NANOSECONDS)
        if not earliest <= moment <= latest:
            return _beyond(sign, above=moment > latest)
        return compare(sign, column.values, nw.lit(moment, dtype=nw.Datetime("ns", zone_name)))
    return compare(sign, _microseconds(column, zone_name), moment)


def _microseconds(column: Typed, zone_name: str | None) -> nw.Expr:
    """Give a coarser column the resolution of Python's times; Polars would round the literal instead."""
    if column.kind is Kind.TIME and column.unit in {"us", "ns"}:
        return column.values
    return column.values.cast(nw.Datetime("us", zone_name))


def _beyond(sign: str, *, above: bool) -> bool:
    """Answer a comparison with something that lies above, or below, every value of the column."""
    return sign in ({"<", "<=", "!="} if above else {">", ">=", "!="})


def compare_time_columns(sign: str, left: Typed, right: Typed, engine: nw.Implementation) -> Truth:
    """Compare two columns of dates, or dates and times.

    Columns of different resolution or time zone are compared to the microsecond on Polars and PyArrow, which
    would round or refuse; the other engines compare them exactly.

    Raises
    ------
    ValueError
        If one has a time zone and the other has none.
    """
    if (left.zone is None) != (right.zone is None):
        raise ValueError(
            "one of the two columns has a time zone and the other has none; give one to both, or to neither"
        )
    if left.kind is right.kind and left.written == right.written:
        return compare(sign, left.values, right.values)
    if engine in COMPARED_AS_NUMBERS:
        return compare(sign, _as_number(left), _as_number(right))
    return compare(sign, _microseconds(left, left.zone_name), _microseconds(right, right.zone_name))


def _as_number(column: Typed) -> nw.Expr:
    values = column.values if column.kind is Kind.TIME else column.values.cast(nw.Datetime("us"))
    return values.dt.timestamp("us")
