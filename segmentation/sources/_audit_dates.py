"""Checks of dates: kept as text or digits, several formats, days that stand for "unknown", the future, old data."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_table import Column, Table, naive
from segmentation.sources._audit_words import SENTINEL_DAYS, is_blank, is_missing_word

__all__ = ["date_checks", "dates_in", "parse_dates", "stale"]

MIN_SHARE_PARSED = 0.9
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {month: i for i, month in enumerate(_MONTH_NAMES, start=1)}
_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s*[AaPp][Mm])?(?:Z|[+-]\d{2}:?\d{2})?)?"
_SHAPES = {
    "2024-01-31": re.compile(rf"(?P<y>\d{{4}})-(?P<m>\d{{1,2}})-(?P<d>\d{{1,2}}){_TIME}"),
    "2024/01/31": re.compile(rf"(?P<y>\d{{4}})/(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}}){_TIME}"),
    "31/01/2024": re.compile(rf"(?P<a>\d{{1,2}})/(?P<b>\d{{1,2}})/(?P<y>\d{{4}}|\d{{2}}){_TIME}"),
    "31.01.2024": re.compile(rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}|\d{{2}}){_TIME}"),
    "31-01-2024": re.compile(rf"(?P<a>\d{{1,2}})-(?P<b>\d{{1,2}})-(?P<y>\d{{4}}){_TIME}"),
    "20240131": re.compile(r"(?P<y>(?:18|19|20|99)\d{2})(?P<m>0[1-9]|1[0-2])(?P<d>[0-3]\d)"),
    "31 Jan 2024": re.compile(rf"(?P<d>\d{{1,2}})[ -](?P<n>[A-Za-z]{{3,9}})[ -,]+(?P<y>\d{{4}}|\d{{2}}){_TIME}"),
    "Jan 31, 2024": re.compile(rf"(?P<n>[A-Za-z]{{3,9}})\.? (?P<d>\d{{1,2}}),? (?P<y>\d{{4}}){_TIME}"),
}
_MAY_BE_FUTURE = frozenset(
    {
        "end", "due", "expiry", "expires", "expiration", "until", "renewal",
        "next", "planned", "valid", "maturity", "to", "deadline",
    }
)  # fmt: skip


def _read(text: str, *, day_first: bool = True) -> tuple[str, dt.date | None, tuple[int, int] | None]:
    """Return the format of a date, the day, and where its order is open the two numbers."""
    text = text.strip()
    for shape, pattern in _SHAPES.items():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        part = match.groupdict()
        year = int(part["y"])
        year += (2000 if year < 50 else 1900) if len(part["y"]) == 2 else 0
        open_order = None
        if part.get("a"):
            first, second = int(part["a"]), int(part["b"])
            open_order = (first, second)
            day, month = (first, second) if (day_first and second <= 12) or first > 12 else (second, first)
        elif part.get("n"):
            day, month = int(part["d"]), _MONTHS.get(part["n"][:3].lower(), 0)
        else:
            day, month = int(part["d"]), int(part["m"])
        try:
            return shape, dt.date(year, month, day), open_order
        except ValueError:
            return "", None, None
    return "", None, None


def parse_dates(series: pd.Series, *, day_first: bool = True) -> pd.Series:
    """Read a column of dates kept as text or yyyymmdd digits, in whatever formats; what is none becomes missing."""
    if pd.api.types.is_datetime64_any_dtype(series):
        return series
    values = list(series.dropna().unique())
    texts = [str(int(v)) if isinstance(v, int | float | np.number) else str(v) for v in values]
    days = {value: _read(text, day_first=day_first)[1] for value, text in zip(values, texts, strict=True)}
    mapped = series.astype(object).map(days)
    return pd.Series(np.array([day if isinstance(day, dt.date) else None for day in mapped], dtype="datetime64[us]"),
                     index=series.index, name=series.name)  # fmt: skip


def _is_birth(column: Column) -> bool:
    return bool(column.words & {"birth", "born", "dob", "birthday", "birthdate"})


def dates_in(table: Table, column: Column) -> Iterator[Finding | Column]:
    """Find dates kept as text or digits: findings on how they are written, then the dates as a column of their own."""
    if column.kind == "number":
        values = column.distinct[0]
        compact = (
            column.is_whole and len(values) >= 3 and not column.looks_like_id
            and values[0] >= 18000101 and values[-1] <= 99991231
        )  # fmt: skip
        if not compact:
            return
        texts = [str(int(value)) for value in values]
    elif column.kind == "text":
        texts = column.texts
    else:
        return
    start = [_read(text)[0] for text in texts[:500] if not is_blank(text) and not is_missing_word(text)]
    if not start or np.mean([shape != "" for shape in start]) < MIN_SHARE_PARSED:
        return
    read = [_read(text) for text in texts]
    yield from _how_written(table, column, texts, read)
    days = parse_dates(column.series)
    yield Column(column.name, days, "date")


def _how_written(
    table: Table, column: Column, texts: list[str], read: list[tuple[str, dt.date | None, tuple[int, int] | None]]
) -> Iterator[Finding]:
    counts = column.distinct[1]
    shapes: Counter[str] = Counter()
    for (shape, _, _), n in zip(read, counts, strict=True):
        if shape:
            shapes[shape] += int(n)
    values = column.distinct[0]
    fix = {"action": "to_date", "columns": [column.name]}
    good = np.asarray(column.series.isin([v for v, (s, _, _) in zip(values, read, strict=True) if s]))
    yield table.finding(
        "date_as_text" if column.kind == "text" else "date_as_number", "note", [column.name], good,
        f"days written as {name_some(shapes)}, not kept as dates", "Turn it into dates.", fix,
    )  # fmt: skip
    usual = shapes.most_common(1)[0][0]
    if len(shapes) > 1:
        other = [v for v, (s, _, _) in zip(values, read, strict=True) if s and s != usual]
        shown = ", ".join(f"{shape} ({n:,})" for shape, n in shapes.most_common(5))
        yield table.finding(
            "mixed_date_formats", "warning", [column.name], np.asarray(column.series.isin(other)),
            f"dates in {count(len(shapes), 'format')}: {shown}", "Read each format on its own, then keep dates.", fix,
        )  # fmt: skip
    yield from _day_month_order(table, column, read, fix)
    unread = [
        (v, t) for v, t, (s, _, _) in zip(values, texts, read, strict=True)
        if not s and not is_blank(t) and not is_missing_word(t)
    ]  # fmt: skip
    if unread:
        yield table.finding(
            "invalid_date", "error", [column.name], np.asarray(column.series.isin([v for v, _ in unread])),
            f"no day of the calendar: {name_some(t for _, t in unread)}", "Correct or set missing.",
            {"action": "set_missing", "columns": [column.name], "values": [v for v, _ in unread]},
        )  # fmt: skip


def _day_month_order(table, column, read, fix) -> Iterator[Finding]:  # type: ignore[no-untyped-def]
    """Day first in some cells and month first in others: both orders have proof in the column."""
    values = column.distinct[0]
    day_first = [v for v, (_, _, o) in zip(values, read, strict=True) if o and o[0] > 12]
    month_first = [v for v, (_, _, o) in zip(values, read, strict=True) if o and o[1] > 12]
    if not day_first or not month_first:
        return
    n_day, n_month = int(column.series.isin(day_first).sum()), int(column.series.isin(month_first).sum())
    fewer = month_first if n_month <= n_day else day_first
    yield table.finding(
        "day_month_order", "error", [column.name], np.asarray(column.series.isin(fewer)),
        f"{n_day:,} cells have the day first and {n_month:,} the month first; the other dates can be read both ways",
        "Ask the source of each row for its format: the days up to the 12th cannot be told from the text.",
        {**fix, "day_first": n_day >= n_month},
    )  # fmt: skip


def date_checks(table: Table, column: Column) -> Iterator[Finding]:
    """Run all checks of one column of dates."""
    values, counts = column.distinct
    if len(values) == 0:
        return
    days = values.astype("datetime64[D]")
    dates = pd.Series(naive(column.series))
    plausible = np.ones(len(values), dtype=bool)
    zone = getattr(column.series.dtype, "tz", None)
    # midnight of 1900-01-01 in Berlin is the day before in UTC: days that people write are days of their own clock
    wall = dates if zone is None else column.series.dt.tz_localize(None)
    written = days if zone is None else (
        pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[D]")
    )  # fmt: skip
    for finding, chosen in _sentinels(table, column, wall, written, counts):
        plausible &= ~chosen
        yield finding
    yield from _future(table, column, dates, days, plausible)
    yield from _too_old(table, column, dates, days, plausible)


def _rows_on(dates: pd.Series, days: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    return np.isin(dates.to_numpy().astype("datetime64[D]"), np.unique(days)) & dates.notna().to_numpy()


def _sentinels(
    table: Table, column: Column, dates: pd.Series, days: NDArray[np.datetime64], counts: NDArray[np.int64]
) -> Iterator[tuple[Finding, NDArray[np.bool_]]]:
    """Days of the list that lie far from the others, and any day that comes far too often.

    A day lies far off where the distance to the nearest other day exceeds the span between the quartiles of all
    other days. It comes too often where it is five times the next most frequent day, ten times the mean, and ten times
    in all: orders cluster on busy days, but none has five times the second busiest by itself.
    """
    unique, inverse = np.unique(days, return_inverse=True)
    daily = np.bincount(inverse, weights=counts).astype(np.int64)
    listed = np.array([str(day) in SENTINEL_DAYS for day in unique])
    chosen = np.zeros(len(unique), dtype=bool)
    ordinary = unique[~listed].astype("int64")
    if len(ordinary) < 3:
        return
    low, high = np.quantile(np.repeat(ordinary, np.minimum(daily[~listed], 1000)), [0.25, 0.75])
    for i in np.flatnonzero(listed):
        distance = np.abs(ordinary - unique[i].astype("int64")).min()
        chosen[i] = distance > max(high - low, 30)
    rest = np.where(chosen, 0, daily)
    if len(ordinary) >= 20:
        top = int(np.argmax(rest))
        second = np.partition(rest, -2)[-2]
        chosen[top] |= rest[top] >= max(10, 5 * second, 10 * rest.mean()) or (
            listed[top] and rest[top] >= max(5, 3 * second)
        )
    if chosen.any():
        rows = _rows_on(dates, unique[chosen])
        shown = ", ".join(f"{day} ({n:,})" for day, n in zip(unique[chosen], daily[chosen], strict=True))
        finding = table.finding(
            "placeholder_date", "warning", [column.name], rows,
            f"stands in for an unknown day: {shown}; the others run from {ordinary.min().astype('datetime64[D]')} to "
            f"{ordinary.max().astype('datetime64[D]')}",
            "Set missing.",
            {"action": "set_missing", "columns": [column.name],
             "values": list(table.frame[column.name][rows].unique())},
        )  # fmt: skip
        yield finding, np.isin(days, unique[chosen])


def _future(table, column, dates, days, plausible) -> Iterator[Finding]:  # type: ignore[no-untyped-def]
    if column.words & _MAY_BE_FUTURE:
        return
    # a day given without a time means the whole of it
    limit = table.as_of if table.as_of != table.as_of.normalize() else table.as_of + pd.Timedelta(days=1)
    bad = dates.notna().to_numpy() & (dates >= limit).to_numpy() & _rows_on(dates, days[plausible])
    if bad.any():
        yield table.finding(
            "future_date", "error", [column.name], bad,
            f"after {table.as_of:%Y-%m-%d}: up to {dates[bad].max()}",
            "Check clock, time zone and the day the table was drawn.",
            {"action": "set_missing", "columns": [column.name], "above": limit - pd.Timedelta(1, "us")},
        )  # fmt: skip


def _too_old(table, column, dates, days, plausible) -> Iterator[Finding]:  # type: ignore[no-untyped-def]
    """Births more than 110 years ago: about one person in ten million lives that long."""
    if not _is_birth(column):
        return
    limit = table.as_of - pd.DateOffset(years=110)
    bad = dates.notna().to_numpy() & (dates < limit).to_numpy() & _rows_on(dates, days[plausible])
    if bad.any():
        yield table.finding(
            "impossible_value", "error", [column.name], bad,
            f"born more than 110 years before {table.as_of:%Y-%m-%d}: from {dates[bad].min():%Y-%m-%d}",
            "Set missing, or correct from the source.",
            {"action": "set_missing", "columns": [column.name], "below": limit},
        )  # fmt: skip


def stale(table: Table, dates: list[Column]) -> Iterator[Finding]:
    """The newest day of the whole table lies long before `as_of`: ten times the longest pauses between its days."""
    newest: list[tuple[np.int64, int, Column]] = []
    for column in dates:
        unique = np.unique(column.distinct[0].astype("datetime64[D]")).astype("int64")
        unique = unique[[str(day) not in SENTINEL_DAYS for day in unique.astype("datetime64[D]")]]
        if len(unique) >= 30 and not _is_birth(column):
            newest.append((unique[-1], int(np.quantile(np.diff(unique), 0.99)), column))
    if not newest or not table.as_of_given:
        return
    last, pause, column = max(newest, key=lambda item: item[0])
    age = int(np.datetime64(table.as_of.date(), "D").astype("int64") - last)
    if age > 10 * max(pause, 1) and age > 30:
        yield table.finding(
            "stale", "note", [column.name], ~column.missing,
            f"the newest day of the table is {last.astype('datetime64[D]')}, "
            f"{age:,} days before {table.as_of:%Y-%m-%d}",
            "Draw the table again, or judge it from its own last day.",
        )  # fmt: skip
