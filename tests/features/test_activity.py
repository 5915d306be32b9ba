"""Activity and channels of `engagement_table`, against a slow reference in plain Python."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.datasets import make_market
from segmentation.exceptions import ColumnError
from segmentation.features import engagement_table, update_engagement
from segmentation.scorers import EngagementScorer

COLUMNS = {"customer_id": "who", "timestamp": "when", "event_type": "what"}
START = dt.datetime(2024, 1, 1)
ACTIVITY = ["days_since_last_event", "n_events", "n_active_days", "n_sessions", "decayed_events"]

# -- the reference: one customer, one event at a time -----------------------------------------------------------------


def reference(events, *, half_life=30.0, minutes=30.0, end=None, types=None, named=None):
    """Return {customer: {column: value}} from (customer, time, type, channel)."""
    events = [e for e in events if (end is None or e[1].date() <= end) and (types is None or e[2] in types)]
    end = end or max(when.date() for _, when, _, _ in events)
    reach = {}
    for who, _, _, channel in events:
        if channel is not None and channel.strip():
            reach.setdefault(channel, set()).add(who)
    if isinstance(named, int):
        named = sorted(sorted(reach, key=lambda c: (-len(reach[c]), c))[:named])
    table = {}
    for who in sorted({event[0] for event in events}):
        mine = sorted((event for event in events if event[0] == who), key=lambda event: event[1])
        sessions, before = 0, None
        for _, when, _, _ in mine:
            if before is None or (when - before).total_seconds() >= minutes * 60:
                sessions += 1
            before = when
        row = {
            "days_since_last_event": (end - mine[-1][1].date()).days,
            "n_events": len(mine),
            "n_active_days": len({when.date() for _, when, _, _ in mine}),
            "n_sessions": sessions,
            "decayed_events": math.fsum(0.5 ** ((end - when.date()).days / half_life) for _, when, _, _ in mine),
        }
        if named is not None:
            counts = dict.fromkeys([*(f"={name}" for name in named), "_other", "_missing"], 0)
            for *_, channel in mine:
                missing = channel is None or not channel.strip()
                counts["_missing" if missing else f"={channel}" if channel in named else "_other"] += 1
            row |= {f"n_channel_events{name}": n for name, n in counts.items()}
            row |= {f"channel_share{name}": n / len(mine) for name, n in counts.items()}
        table[who] = row
    return table


def as_table(events):
    columns = list(zip(*events, strict=True))
    types = [pa.string(), pa.timestamp("us"), pa.string(), pa.string()]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(dict(zip(["who", "when", "what", "where"], arrays, strict=True)))


def assert_equal(table, expected):
    assert list(table.index) == list(expected)
    for who, row in expected.items():
        assert list(table.columns)[-len(row) :] == list(row)
        for name, value in row.items():
            assert table.loc[who, name] == pytest.approx(value, rel=1e-12), (who, name)


# Minutes lie around the gaps that end a session, also over midnight.
when = st.tuples(st.integers(0, 60), st.integers(-90, 90)).map(lambda t: START + dt.timedelta(days=t[0], minutes=t[1]))
event = st.tuples(
    st.sampled_from("abc"),
    when,
    st.sampled_from(["visit", "cart"]),
    st.sampled_from(["web", "app", "other", "a=b", " ", None]),
)


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(event, min_size=1, max_size=50),
    minutes=st.sampled_from([1, 15, 30, 60.5]),
    named=st.sampled_from([None, 0, 1, 10]),
    end=st.sampled_from([None, 30]),
    name=st.sampled_from(["pandas", "pandas-nullable", "polars", "pyarrow"]),
)
def test_equals_the_reference(events, minutes, named, end, name, builders):
    end = None if end is None else (START + dt.timedelta(days=end)).date()
    call = {"as_of": end, "activity": True, "session_minutes": minutes, "return_report": True}
    if named is not None:
        call |= {"channel": "where", "channels": named}
    frame = builders[name](as_table(events))
    if end is not None and all(when.date() > end for _, when, _, _ in events):
        with pytest.raises(ValueError, match="can be used"):
            engagement_table(frame, **COLUMNS, **call)
        return
    table, report = engagement_table(frame, **COLUMNS, **call)
    assert_equal(table, reference(events, minutes=minutes, named=named, end=end))
    assert report.n_used + report.n_left_out == report.n_rows == len(events)
    assert table["n_events"].sum() == report.n_used
    if named is not None:
        missing = table["n_channel_events_missing"].sum()
        assert (
            report.n_missing_channel
            == missing
            == sum(not (where or "").strip() for _, when, _, where in events if end is None or when.date() <= end)
        )


@pytest.fixture(scope="module")
def web_log():
    rng = np.random.default_rng(5)
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    return [
        (
            pick("a", "b", "c", "d"),
            START + dt.timedelta(days=int(rng.integers(30)), seconds=int(rng.integers(86_400))),
            pick("visit", "cart", "spam"),
            pick("web", "app", "shop", "", None),
        )
        for _ in range(600)
    ]


def test_every_engine_equals_the_reference(build, web_log):
    table, report = engagement_table(
        build(as_table(web_log)), **COLUMNS, activity=True, channel="where", channels=2, as_of="2024-01-25",
        event_types=["cart", "visit"], unknown="drop", half_life_days=7, session_minutes=90, return_report=True,
    )  # fmt: skip
    expected = reference(web_log, half_life=7, minutes=90, end=dt.date(2024, 1, 25), types=["cart", "visit"], named=2)
    assert_equal(table, expected)
    assert table["n_sessions"].gt(table["n_active_days"]).any()
    assert table.attrs["engagement"] == {"as_of": "2024-01-25", "half_life_days": 7.0}
    assert "kept: " in str(report)


def test_by_type_stays_as_it_was():
    events = make_market(300, random_state=0).events
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "event_type": "type"}
    plain, report = engagement_table(events, **columns, return_report=True)
    table, other = engagement_table(events, **columns, activity=True, return_report=True)
    pd.testing.assert_frame_equal(table[plain.columns], plain, check_exact=True)
    assert list(table.columns[plain.shape[1] :]) == ACTIVITY
    assert other == report
    weights = dict.fromkeys(plain.columns, 1.5)
    pd.testing.assert_frame_equal(
        EngagementScorer(weights).fit(table).score_customers(table),
        EngagementScorer(weights).fit(plain).score_customers(plain),
    )


# -- sessions and time ------------------------------------------------------------------------------------------------


def n_sessions(times, **more):
    frame = pd.DataFrame({"who": "a", "when": times, "what": "visit"})
    return int(engagement_table(frame, **COLUMNS, activity=True, **more).loc["a", "n_sessions"])


def test_a_gap_of_exactly_the_minutes_ends_a_session():
    times = pd.to_datetime(["2024-01-01 10:00:00", "2024-01-01 10:29:59", "2024-01-01 10:59:59"])
    assert n_sessions(times) == 2
    assert n_sessions(times, session_minutes=30.02) == 1
    assert n_sessions(times, session_minutes=29) == 3


def test_midnight_ends_no_session():
    assert n_sessions(pd.to_datetime(["2024-01-01 23:50", "2024-01-02 00:10"])) == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_changes_of_the_clocks_do_not_count(zone, builders):
    """Twenty minutes pass each time; the clock goes an hour back or forth between them."""
    days = {
        "Europe/Berlin": ("2024-10-27 00:50", "2024-03-31 00:50"),
        "America/New_York": ("2024-11-03 05:50", "2024-03-10 06:50"),
    }
    for start in days[zone]:
        times = pd.to_datetime([start]).append(pd.to_datetime([start]) + pd.Timedelta(minutes=20)).tz_localize("UTC")
        assert n_sessions(times.tz_convert(zone)) == 1
        assert n_sessions(times.tz_convert(zone), session_minutes=20) == 2
        frame = pd.DataFrame({"who": "a", "when": times.tz_convert(zone).as_unit("us"), "what": "visit"})
        for name in ("pandas-arrow", "polars", "polars-lazy", "pyarrow"):
            table = engagement_table(builders[name](pa.Table.from_pandas(frame)), **COLUMNS, activity=True)
            assert table.loc["a", "n_sessions"] == 1, name


TEXTS = [
    "2024-01-01", "20240101T0010", "2024-01-01T00:25:30.123Z", "20240101 00:55:29+0200", "2024-01-01 01-05",
    "2024-01-02T13:45",
]  # fmt: skip


def test_clocks_of_texts_are_read_as_written(build):
    """After midnight 10 and 25:30 minutes, then 29:59 later, then 01:00 after 4:31, then the next day."""
    table = pa.table({"who": ["a"] * 6, "when": TEXTS, "what": ["visit"] * 6})
    found = engagement_table(build(table), **COLUMNS, activity=True)
    assert found.loc["a", ["n_sessions", "n_active_days"]].tolist() == [2, 2]
    assert engagement_table(build(table), **COLUMNS, activity=True, session_minutes=29.9)["n_sessions"].tolist() == [3]


def test_dates_are_a_session_a_day(build):
    days = [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 9)]
    table = pa.table({"who": ["a"] * 4, "when": pa.array(days), "what": ["visit"] * 4})
    found = engagement_table(build(table), **COLUMNS, activity=True)
    assert found[["n_sessions", "n_active_days"]].iloc[0].tolist() == [3, 3]


# -- channels, and what is refused ------------------------------------------------------------------------------------


def small():
    return pd.DataFrame(
        {
            "who": ["a", "a", "b"],
            "when": pd.to_datetime(["2024-01-01", "2024-01-31", "2024-01-16"]),
            "what": ["visit", "visit", "cart"],
            "where": [1, None, 2],
        }
    ).astype({"where": "Int64"})


def test_listed_channels_keep_their_columns():
    table = engagement_table(small(), **COLUMNS, channel="where", channels=["2", "9"])
    assert table.filter(like="n_channel").to_dict("list") == {
        "n_channel_events=2": [0, 1], "n_channel_events=9": [0, 0], "n_channel_events_other": [1, 0],
        "n_channel_events_missing": [1, 0],
    }  # fmt: skip
    assert table.filter(like="channel_share").sum(axis=1).tolist() == [1, 1]
    assert table[["cart", "visit"]].shape == (2, 2)


@pytest.mark.parametrize(
    ("change", "call", "error", "message"),
    [
        ({}, {"activity": True, "session_minutes": 0}, ValueError, "positive number of minutes, got 0"),
        ({}, {"session_minutes": "30"}, ValueError, "positive number of minutes"),
        ({}, {"channel": "were"}, ColumnError, r"missing: 'were' \(nearest: 'where'\)"),
        ({}, {"channel": "what"}, ColumnError, "event_type and channel must be different columns"),
        ({"where": [0.5, 1, 2]}, {"channel": "where"}, TypeError, "the channel column 'where' holds"),
        ({}, {"channel": "where", "channels": ["web"]}, ValueError, "none of channels is there: 'web'"),
        ({"what": "n_sessions"}, {"activity": True}, ValueError, "called like a column of the result: 'n_sessions'"),
    ],
)
def test_what_is_refused(change, call, error, message):
    with pytest.raises(error, match=message):
        engagement_table(small().assign(**change), **COLUMNS, **call)


@pytest.mark.parametrize("call", [{"activity": True}, {"channel": "where"}])
def test_what_does_not_decay_is_not_carried_forward(call):
    table = engagement_table(small(), **COLUMNS, **call)
    new = small().assign(when=pd.Timestamp("2024-03-01"))
    with pytest.raises(ValueError, match="no decayed counts and cannot be carried forward"):
        update_engagement(table, new, **COLUMNS)
    types = table[["cart", "visit"]]
    plain = engagement_table(small(), **COLUMNS)
    pd.testing.assert_frame_equal(update_engagement(types, new, **COLUMNS), update_engagement(plain, new, **COLUMNS))
