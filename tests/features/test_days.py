"""The calendar: ordinals, weeks, ISO 8601 texts and the ends that users give, in every engine."""

import datetime as dt
import re

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation._frames import as_lazy, to_pandas
from segmentation.features import _days, rfm_table

usable_days = st.dates(dt.date(_days.FIRST_YEAR, 1, 1), dt.date(_days.LAST_YEAR, 12, 31))


@settings(deadline=None, max_examples=300)
@given(day=usable_days)
def test_pattern_takes_every_day_of_the_calendar(day):
    assert re.search(_days.ISO_PATTERN, day.isoformat())
    assert re.search(_days.ISO_PATTERN, day.strftime("%Y%m%d"))


@settings(deadline=None, max_examples=500)
@given(year=st.integers(0, 9999), month=st.integers(0, 13), day=st.integers(0, 32))
def test_pattern_takes_nothing_but_days_of_the_calendar(year, month, day):
    try:
        exists = _days.FIRST_YEAR <= dt.date(year, month, day).year <= _days.LAST_YEAR
    except ValueError:
        exists = False
    for text in (f"{year:04}-{month:02}-{day:02}", f"{year:04}{month:02}{day:02}"):
        assert bool(re.search(_days.ISO_PATTERN, text)) == exists


@pytest.mark.parametrize("year", [1700, 1800, 1900, 2000, 2004, 2023, 2100])
def test_pattern_knows_leap_years(year):
    exists = year in {2000, 2004}
    assert bool(re.search(_days.ISO_PATTERN, f"{year}-02-29")) == exists


GOOD = {
    "2024-02-29": "2024-02-29",
    "20240229": "2024-02-29",
    " 2024-02-29 ": "2024-02-29",
    "2024-02-29 23:59": "2024-02-29",
    "2024-02-29T23:59:59.123456": "2024-02-29",
    "2024-02-29T23:59:59,5Z": "2024-02-29",
    "2024-02-29 23:30:00+02:00": "2024-02-29",
    "2024-02-29 23:30:00 +0200": "2024-02-29",
    "2024-02-29 00:00:00-11": "2024-02-29",
    "20240229T2359Z": "2024-02-29",
    "1999-12-31T07": "1999-12-31",
}
BAD = ["", " ", "soon", "31/12/2010", "12-31-2010", "2024-2-9", "24-02-29", "2023-02-29", "2024-04-31", "2024-13-01"]
BAD += ["2024-00-10", "2024-01-00", "2024-01-05T24:00", "2024-01-05T10:60", "2024-01-05 at noon", "2024-0105"]
BAD += [
    "0001-01-01",
    "9999-12-31",
    "2024",
    "2024-01",
    "1706572800",
    "2024-01-05\n2024-01-06",
    "\u0662\u0660\u0662\u0664-01-05",
    None,
]


def test_texts_are_read_as_written_in_every_engine(build):
    texts = [*GOOD, *BAD]
    frame = build(pa.table({"row": list(range(len(texts))), "raw": pa.array(texts, pa.string())}))
    text = nw.col("raw").fill_null("").str.strip_chars()
    dates = as_lazy(frame).select("row", text.alias("text")).with_columns(_days.day_of_text(nw.col("text")).alias("t"))
    rows = to_pandas(_days.with_ordinals(dates, nw.col("t"), day="day", usable="ok")).sort_values("row")
    assert list(rows["ok"]) == [True] * len(GOOD) + [False] * len(BAD)
    read = [dt.date.fromordinal(int(day)).isoformat() for day in rows["day"][: len(GOOD)]]
    assert read == list(GOOD.values())


def test_days_are_local_in_every_engine(build):
    """Half past eleven in the evening and half past midnight in Berlin, in winter and in summer."""
    moments = ["2024-01-10T22:30", "2024-01-10T23:30", "2024-07-10T21:30", "2024-07-10T22:30", "1969-12-31T12:00"]
    utc = [dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in moments]
    table = pa.table({"row": range(5), "t": pa.array(utc, pa.timestamp("us", tz="Europe/Berlin"))})
    purchases = rfm_table(build(table), customer_id="row", timestamp="t", as_of="2024-07-11")
    end = dt.date(2024, 7, 11)
    days = [(end - dt.timedelta(ago)).isoformat() for ago in purchases["days_since_last_purchase"]]
    assert days == ["2024-01-10", "2024-01-11", "2024-07-10", "2024-07-11", "1969-12-31"]


def test_ordinals_are_those_of_python_in_every_engine(build):
    years = range(_days.FIRST_YEAR, _days.LAST_YEAR + 1)
    days = [day for year in years for day in (dt.date(year, 1, 1), dt.date(year, 3, 1), dt.date(year, 12, 31))]
    frame = build(pa.table({"t": pa.array(days, pa.date32())}))
    if isinstance(frame, pd.DataFrame) and frame["t"].dtype == object:
        frame = frame.assign(t=pd.to_datetime(frame["t"]))
    rows = to_pandas(_days.with_ordinals(as_lazy(frame), nw.col("t"), day="day", usable="ok"))
    assert sorted(rows["day"]) == [day.toordinal() for day in days]
    assert rows["ok"].all()


@settings(deadline=None)
@given(day=usable_days)
def test_a_week_is_monday_to_sunday(day):
    first = dt.date.fromordinal(_days.period_start(day.toordinal(), "W"))
    last = dt.date.fromordinal(_days.last_day_of(day.toordinal(), "W"))
    assert (first.weekday(), last.weekday()) == (0, 6)
    assert first <= day <= last
    assert (last - first).days == 6


@settings(deadline=None)
@given(day=usable_days)
def test_a_day_is_its_own_period(day):
    ordinal = day.toordinal()
    assert _days.period_start(ordinal, "D") == _days.last_day_of(ordinal, "D") == ordinal


def read(value, time_zone=None):
    ordinal = _days.as_ordinal(value, name="as_of", time_zone=time_zone, column="t")
    return ordinal if ordinal is None else dt.date.fromordinal(ordinal).isoformat()


@pytest.mark.parametrize(
    "value",
    [
        "1997-09-30",
        " 19970930 ",
        "1997-09-30T23:59",
        dt.date(1997, 9, 30),
        dt.datetime(1997, 9, 30, 23, 59),
        pd.Timestamp("1997-09-30 23:59"),
        np.datetime64("1997-09-30"),
    ],
)
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_an_end_without_a_zone_is_local(value, zone):
    assert read(value, zone) == "1997-09-30"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "+09:00", "UTC+09:00"])
@pytest.mark.parametrize(
    "value",
    [
        "1997-09-30T20:00:00Z",
        dt.datetime(1997, 9, 30, 20, tzinfo=dt.UTC),
        pd.Timestamp("1997-09-30 16:00", tz="America/New_York"),
    ],
)
def test_an_end_with_a_zone_is_converted(value, zone):
    assert read(value, zone) == "1997-10-01"


def test_no_end_is_no_end():
    assert read(None) is None


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("30.9.1997", ValueError, "ISO 8601 text.*got '30.9.1997'"),
        (pd.NaT, ValueError, "got NaT. Leave as_of out"),
        (np.datetime64("NaT"), ValueError, "got NaT"),
        (19970930, TypeError, "must be a date.*got 19970930"),
        (["1997-09-30"], TypeError, "must be a date"),
        ("1997-09-30T00:00Z", ValueError, "has a time zone and the timestamps in 't' have none"),
    ],
)
def test_an_end_that_is_no_date_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        read(value)
