"""Calendar days as whole numbers, in whichever engine holds the timestamps.

A day is its proleptic Gregorian ordinal, the number that `datetime.date.toordinal` gives: 1 is 0001-01-01, a
Monday. Differences of ordinals are differences of calendar days, so the 23 and 25 hours of a change of the
clocks never enter, and no engine's own idea of durations, weeks or time zones is needed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, TypeVar

import narwhals as nw
import numpy as np
import pandas as pd

__all__ = [
    "FIRST_YEAR",
    "ISO_PATTERN",
    "LAST_YEAR",
    "Granularity",
    "as_ordinal",
    "day_of_text",
    "last_day_of",
    "period_start",
    "with_ordinals",
]

Granularity = Literal["D", "W"]

# Outside these years a date is a placeholder (0001-01-01, 9999-12-31) or an error. The narrower limits of
# nanosecond timestamps, 1677 and 2262, lie outside too, so every engine can hold what is left.
FIRST_YEAR, LAST_YEAR = 1700, 2199

DAYS_PER_WEEK = 7

YEAR = "year"

IntOrExpr = TypeVar("IntOrExpr", int, nw.Expr)


def _iso_pattern() -> str:
    """Build the regular expression that a valid ISO 8601 date, with or without a time, matches.

    It holds the length of the months and the leap years, because no engine parses dates without either
    raising on the first bad one or, worse, accepting 31 February as 3 March.
    """
    century = "(?:1[789]|2[01])"
    year = century + "[0-9]{2}"
    leap_year = f"(?:{century}(?:0[48]|[2468][048]|[13579][26])|2000)"

    def dates(dash: str) -> list[str]:
        return [
            f"{year}{dash}(?:0[13578]|1[02]){dash}(?:0[1-9]|[12][0-9]|3[01])",
            f"{year}{dash}(?:0[469]|11){dash}(?:0[1-9]|[12][0-9]|30)",
            f"{year}{dash}02{dash}(?:0[1-9]|1[0-9]|2[0-8])",
            f"{leap_year}{dash}02{dash}29",
        ]

    seconds = "(?::?[0-5][0-9](?:[.,][0-9]+)?)?"
    clock = f"(?:[01][0-9]|2[0-3])(?::?[0-5][0-9]{seconds})?"
    offset = "(?: ?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?))?"
    # Non-capturing groups and [0-9]: the syntax that means the same to Python, RE2 and Rust.
    return f"^(?:{'|'.join(dates('-') + dates(''))})(?:[T ]{clock}{offset})?$"


ISO_PATTERN = _iso_pattern()


def day_of_text(text: nw.Expr) -> nw.Expr:
    """Read texts without blanks around them as ISO 8601: the day as written, null where there is none."""
    valid = text.str.contains(ISO_PATTERN).fill_null(False)
    # Engines parse every value of a column, also those that a condition leaves out, so all must be dates.
    safe = nw.when(valid).then(text).otherwise(nw.lit("1970-01-01"))
    digits = safe.str.slice(0, 10).str.replace_all("-", "", literal=True).str.slice(0, 8)
    return nw.when(valid).then(digits.str.to_datetime(format="%Y%m%d"))


def with_ordinals(frame: nw.LazyFrame[Any], time: nw.Expr, *, day: str, usable: str) -> nw.LazyFrame[Any]:
    """Add the ordinals of dates, or of timestamps without a zone, and whether they can be used.

    Usable are those that are there and lie in the years 1700 to 2199; the ordinals of others mean nothing.
    """
    # A column of its own for the year: it enters five times, and reading it off a timestamp is what costs.
    frame = frame.with_columns(time.dt.year().alias(YEAR))
    before = nw.col(YEAR) - 1
    ordinal = before * 365 + before // 4 - before // 100 + before // 400 + time.dt.ordinal_day()
    return frame.with_columns(
        ordinal.fill_null(0).cast(nw.Int64).alias(day), _year_is_usable(nw.col(YEAR)).alias(usable)
    ).drop(YEAR)


def _year_is_usable(year: nw.Expr) -> nw.Expr:
    return ((year >= FIRST_YEAR) & (year <= LAST_YEAR)).fill_null(False)


def period_start(ordinal: IntOrExpr, granularity: Granularity) -> IntOrExpr:
    """Return the ordinal of the day on which the day's period begins: itself, or the Monday of its week.

    Examples
    --------
    >>> from datetime import date
    >>> date.fromordinal(period_start(date(1997, 9, 30).toordinal(), "W")).isoformat()
    '1997-09-29'
    """
    if granularity == "D":
        return ordinal
    return (ordinal - 1) // DAYS_PER_WEEK * DAYS_PER_WEEK + 1


def last_day_of(ordinal: int, granularity: Granularity) -> int:
    """Return the ordinal of the last day of the period that holds the day."""
    return period_start(ordinal, granularity) + (0 if granularity == "D" else DAYS_PER_WEEK - 1)


def as_ordinal(value: Any, *, name: str, time_zone: str | None, column: str) -> int | None:
    """Read what a user gave as the end of a period as the ordinal of a calendar day.

    Parameters
    ----------
    value : str, datetime.date, datetime.datetime, pandas.Timestamp, numpy.datetime64 or None
        An ISO 8601 text or a date. Without a time zone it is read as local; with one it is converted to
        the zone of the timestamps first.
    name : str
        The parameter it came in by, for messages.
    time_zone : str or None
        Zone of the timestamp column.
    column : str
        Name of the timestamp column, for messages.

    Examples
    --------
    >>> when = dt.datetime(2024, 1, 1, 23, 30, tzinfo=dt.timezone.utc)
    >>> day = as_ordinal(when, name="as_of", time_zone="Europe/Berlin", column="t")
    >>> dt.date.fromordinal(day).isoformat()
    '2024-01-02'
    """
    if value is None:
        return None
    moment = _as_date(value, name)
    if isinstance(moment, dt.datetime) and moment.tzinfo is not None:
        if time_zone is None:
            raise ValueError(
                f"{name}={value!r} has a time zone and the timestamps in {column!r} have none, so their local "
                f"day is not known. Give {name} without a zone, as a day of the calendar the orders use."
            )
        moment = pd.Timestamp(moment).tz_convert(time_zone)
    return moment.toordinal()


def _as_date(value: Any, name: str) -> dt.date:
    """Read a date, a datetime or an ISO 8601 text; a datetime is a date with a clock."""
    expected = f"{name} must be a date: datetime.date, datetime, pandas.Timestamp or ISO 8601 text (2024-01-31)"
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(f"{expected}, got {value!r}.") from error
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if value is pd.NaT:
        raise ValueError(f"{expected}, got NaT. Leave {name} out for the day of the last order used.")
    if isinstance(value, dt.date):
        return value
    raise TypeError(f"{expected}, got {value!r}.")
