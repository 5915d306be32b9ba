"""Events to engagement: decay by the half-life, whatever the order, the batches and the engine."""

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.datasets import make_market
from segmentation.exceptions import ColumnError, CustomerTableError, DroppedRowsWarning
from segmentation.features import EventsReport, engagement_table, update_engagement
from segmentation.scorers import EngagementScorer
from segmentation.testing import check_scorer

COLUMNS = {"customer_id": "who", "timestamp": "when", "event_type": "what"}
START = pd.Timestamp("2024-01-01")

histories = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 400), st.sampled_from(["visit", "cart", "help"])),
    min_size=1,
    max_size=60,
)


def frame(events):
    """Events given as (customer, day, type)."""
    who, day, what = zip(*events, strict=True)
    return pd.DataFrame({"who": who, "when": START + pd.to_timedelta(list(day), unit="D"), "what": what})


def by_hand(events, half_life, as_of):
    """The definition, event by event."""
    sums = {}
    for who, day, what in events:
        if day <= as_of:
            sums[who, what] = sums.get((who, what), 0.0) + 0.5 ** ((as_of - day) / half_life)
    return sums


# -- known answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half_life", [1, 7, 30, 90.5])
def test_half_lives_are_exact(half_life):
    whole = [0, 1, 2, 5] if float(half_life).is_integer() else [0, 2, 4, 10]
    events = frame([("a", 1000 - int(k * half_life), "visit") for k in whole])
    for k, row in zip(whole, range(4), strict=True):
        table = engagement_table(
            events.iloc[[row]], **COLUMNS, half_life_days=half_life, as_of=START + pd.Timedelta(days=1000)
        )
        assert table.loc["a", "visit"] == 0.5**k


def test_days_not_hours_make_the_age():
    times = ["2024-01-31T23:59:59", "2024-01-31T00:00:00", "2024-01-30T23:59:59"]
    events = pd.DataFrame({"who": list("abc"), "when": pd.to_datetime(times), "what": "visit"})
    table = engagement_table(events, **COLUMNS, half_life_days=1, as_of="2024-01-31")
    assert table["visit"].tolist() == [1.0, 1.0, 0.5]


@settings(max_examples=60, deadline=None)
@given(histories, st.floats(0.5, 400), st.integers(0, 400))
def test_the_definition(events, half_life, as_of):
    expected = by_hand(events, half_life, as_of)
    day = START + pd.Timedelta(days=as_of)
    if not expected:
        with pytest.raises(ValueError, match=f"after as_of {day.date()}"):
            engagement_table(frame(events), **COLUMNS, half_life_days=half_life, as_of=day)
        return
    table, report = engagement_table(frame(events), **COLUMNS, half_life_days=half_life, as_of=day, return_report=True)
    for who in table.index:
        for what in table.columns:
            assert table.loc[who, what] == pytest.approx(expected.get((who, what), 0.0), rel=1e-12)
    assert set(table.index) == {who for who, _ in expected}
    assert report.n_after_as_of == sum(day > as_of for _, day, _ in events)
    assert report.n_used + report.n_left_out == report.n_rows == len(events)


# -- order, batches, engines ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(histories, st.randoms(use_true_random=False), st.floats(0.5, 400))
def test_order_changes_nothing_to_the_bit(events, random, half_life):
    shuffled = events.copy()
    random.shuffle(shuffled)
    first = engagement_table(frame(events), **COLUMNS, half_life_days=half_life)
    second = engagement_table(frame(shuffled), **COLUMNS, half_life_days=half_life)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    weights = {"visit": 1.0, "cart": 5.1, "help": -0.3}
    known = {name: weights[name] for name in first.columns}
    if max(known.values()) > 0:
        scores = [EngagementScorer(known).fit(one).transform(one) for one in (first, second)]
        np.testing.assert_array_equal(*scores)


@settings(max_examples=30, deadline=None)
@given(histories, st.lists(st.integers(0, 400), max_size=4), st.floats(1.0, 400))
def test_batches_give_what_all_events_give(events, cuts, half_life):
    """Cut the history at any days; carry the table forward from batch to batch."""
    as_of = START + pd.Timedelta(days=max(day for _, day, _ in events) + 3)
    expected = engagement_table(frame(events), **COLUMNS, half_life_days=half_life, as_of=as_of)
    edges = [-1, *sorted(set(cuts)), 401]
    table = None
    for low, high in itertools.pairwise(edges):
        batch = [event for event in events if low < event[1] <= high]
        if not batch:
            continue
        if table is None:
            table = engagement_table(frame(batch), **COLUMNS, half_life_days=half_life)
        else:
            table = update_engagement(table, frame(batch), **COLUMNS)
    # nothing new: carried to the day by an event that is taken off again
    probe = pd.DataFrame({"who": ["probe"], "when": [as_of], "what": [expected.columns[0]]})
    table = update_engagement(table, probe, **COLUMNS, as_of=as_of).drop(index="probe")
    pd.testing.assert_frame_equal(table[expected.columns], expected, check_exact=False, rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(histories, st.integers(1, 5), st.randoms(use_true_random=False))
def test_batches_at_random_are_late_arrivals(events, n_batches, random):
    where = [random.randrange(n_batches) for _ in events]
    batches = [[e for e, w in zip(events, where, strict=True) if w == i] for i in range(n_batches)]
    batches = [batch for batch in batches if batch]
    table = engagement_table(frame(batches[0]), **COLUMNS)
    for batch in batches[1:]:
        table = update_engagement(
            table,
            frame(batch),
            **COLUMNS,
            late="add",
            as_of=max(
                START + pd.Timedelta(days=max(day for _, day, _ in batch)),
                pd.Timestamp(table.attrs["engagement"]["as_of"]),
            ),
        )
    expected = engagement_table(frame(events), **COLUMNS)
    pd.testing.assert_frame_equal(table[expected.columns], expected, rtol=1e-9, atol=1e-12)


def engines():
    import duckdb

    return {
        "pandas-arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
        "pandas-category": lambda table: table.to_pandas().astype({"what": "category", "who": "category"}),
        "polars": pl.from_arrow,
        "polars-lazy": lambda table: pl.from_arrow(table).lazy(),
        "pyarrow": lambda table: table,
        "duckdb": duckdb.connect().from_arrow,
    }


@pytest.fixture(scope="module")
def web_log():
    return make_market(300, random_state=0).events


MARKET = {"customer_id": "customer_id", "timestamp": "timestamp", "event_type": "type"}


@pytest.mark.parametrize("name", ["pandas-arrow", "pandas-category", "polars", "polars-lazy", "pyarrow", "duckdb"])
def test_engines_agree_to_the_bit(web_log, name):
    columns = web_log.rename(columns={"customer_id": "who", "timestamp": "when", "type": "what"})
    expected, report = engagement_table(columns, **COLUMNS, as_of="2024-11-30", return_report=True)
    build = engines()[name]
    table, other = engagement_table(
        build(pa.Table.from_pandas(columns, preserve_index=False)), **COLUMNS, as_of="2024-11-30", return_report=True
    )
    pd.testing.assert_frame_equal(table, expected, check_exact=True, check_index_type=False)
    assert other == report


def test_the_market_by_hand(web_log):
    table = engagement_table(web_log, **MARKET, half_life_days=14)
    last = web_log["timestamp"].max().normalize()
    age = (last - web_log["timestamp"].dt.normalize()).dt.days
    decayed = web_log.assign(weight=0.5 ** (age / 14))
    expected = decayed.pivot_table(index="customer_id", columns="type", values="weight", aggfunc="sum", fill_value=0.0)
    np.testing.assert_allclose(table, expected.loc[table.index, table.columns], rtol=1e-12)
    assert table.index.name == "customer_id"
    assert table.attrs["engagement"] == {"as_of": last.date().isoformat(), "half_life_days": 14.0}


# -- what is left out and refused -------------------------------------------------------------------------------------


def messy():
    return pd.DataFrame(
        {
            "who": ["a", None, "b", "b", "c", "a"],
            "when": ["2024-01-01", "2024-01-02", "soon", "2024-01-03", "2024-01-04", "2024-02-01"],
            "what": ["visit", "visit", "visit", " ", "spam", "visit"],
        }
    )


def test_every_row_is_accounted_for():
    table, report = engagement_table(
        messy(), **COLUMNS, as_of="2024-01-31", event_types=["cart", "visit"], unknown="drop", return_report=True
    )
    assert table.to_dict() == {"cart": {"a": 0.0}, "visit": {"a": 0.5}}
    assert report == EventsReport(
        n_rows=6, n_used=1, n_customers=1, n_missing_customer=1, n_bad_timestamp=1, n_missing_type=1, n_after_as_of=1,
        n_unknown_type=1, n_late=0, unknown_types={"spam": 1}, first_day=dt.date(2024, 1, 1),
        as_of=dt.date(2024, 1, 31), half_life_days=30.0,
    )  # fmt: skip
    assert report.to_dict()["as_of"] == "2024-01-31"
    assert str(report).splitlines()[:2] == [
        "6 events read, 1 used: 1 customer, 2024-01-01 to 2024-01-31, half-life 30 days",
        "  left out: 1 without a customer id",
    ]
    with pytest.warns(DroppedRowsWarning, match=r"3 events of 6 left out: 1 without a customer id, 1 with a time"):
        engagement_table(messy(), **COLUMNS)


def test_types_of_numbers_and_order_of_columns():
    events = frame([("a", 0, "x"), ("a", 0, "y")]).assign(what=[10, 2])
    assert engagement_table(events, **COLUMNS).columns.tolist() == ["10", "2"]
    assert engagement_table(events, **COLUMNS, event_types=["2", "10"]).columns.tolist() == ["2", "10"]


@pytest.mark.parametrize(
    ("change", "settings_", "error", "message"),
    [
        (
            {},
            {"event_types": ["visit", "crat"]},
            ValueError,
            r"not in event_types: 'cart' \(1 event\)\. Is 'cart' meant",
        ),
        ({}, {"event_types": ["spam"], "unknown": "drop"}, ValueError, "no event has one of the types 'spam'"),
        ({}, {"event_types": "visit"}, TypeError, "must be a list of types"),
        ({}, {"event_types": ["visit", "visit"]}, ValueError, "must name each type once"),
        ({}, {"half_life_days": 0}, ValueError, "positive number of days, got 0"),
        ({}, {"half_life_days": "30"}, ValueError, "positive number of days"),
        ({}, {"unknown": "ignore"}, ValueError, "unknown must be one of 'raise', 'drop'"),
        ({}, {"as_of": "2023-01-01"}, ValueError, "none of the 2 rows of events can be used: 2 after as_of 2023-01-01"),
        ({}, {"event_type": "typ"}, ColumnError, r"missing: 'typ'"),
        ({}, {"event_type": "who"}, ColumnError, "must be different columns"),
        ({"what": [1.5, 2.5]}, {}, TypeError, "must hold text or whole numbers"),
        ({"what": [1, "a"]}, {}, TypeError, "must hold text or whole numbers"),
        ({"what": [None, None]}, {}, ValueError, "2 without a type in 'what'"),
        ({"when": [20240101, 20240102]}, {}, TypeError, r"pandas.to_datetime\(events\['when'\]"),
        ({"when": ["01/02/2024", "02/02/2024"]}, {}, ValueError, "are ISO 8601 dates"),
    ],
)
def test_what_is_refused(change, settings_, error, message):
    events = frame([("a", 0, "visit"), ("b", 3, "cart")]).assign(**change)
    with pytest.raises(error, match=message):
        engagement_table(events, **{**COLUMNS, **settings_})


def test_no_events():
    with pytest.raises(ValueError, match="events has no rows"):
        engagement_table(frame([("a", 0, "visit")]).iloc[:0], **COLUMNS)
    with pytest.raises(TypeError, match="events must be a dataframe"):
        engagement_table([("a", 0, "visit")], **COLUMNS)


def test_updates_refuse_what_cannot_be_right():
    table = engagement_table(frame([("a", 10, "visit")]), **COLUMNS)
    new = frame([("a", 10, "visit"), ("b", 40, "cart")])
    with pytest.raises(ValueError, match=r"1 event is dated on or before the as_of of the table, 2024-01-11"):
        update_engagement(table, new, **COLUMNS)
    added = update_engagement(table, new, **COLUMNS, late="add")
    assert added.to_dict() == {"visit": {"a": 1.0, "b": 0.0}, "cart": {"a": 0.0, "b": 1.0}}
    dropped, report = update_engagement(table, new, **COLUMNS, late="drop", return_report=True)
    assert dropped.loc["a", "visit"] == 0.5
    assert (report.n_late, report.n_used) == (1, 1)
    with pytest.raises(ValueError, match="as_of 2024-01-05 is before that of the table, 2024-01-11"):
        update_engagement(table, frame([("b", 2, "cart")]), **COLUMNS, as_of="2024-01-05")
    with pytest.raises(ValueError, match="half_life_days=30, got 7"):
        update_engagement(table, new, **COLUMNS, half_life_days=7)
    through_a_file = pd.DataFrame(table.to_dict())
    with pytest.raises(ValueError, match="does not say its half_life_days and table_as_of"):
        update_engagement(through_a_file, new, **COLUMNS)
    again = update_engagement(through_a_file, new, **COLUMNS, half_life_days=30, table_as_of="2024-01-11", late="add")
    pd.testing.assert_frame_equal(again, added)
    with pytest.raises(TypeError, match="table must be one of engagement_table"):
        update_engagement(table.astype(str), new, **COLUMNS)


# -- the scorer -------------------------------------------------------------------------------------------------------


@pytest.fixture
def table():
    return pd.DataFrame(
        {"visit": [2.0, 0.5, 0.0], "cart": [0.0, 1.0, 0.0], "complaint": [0.0, 0.0, 3.0]},
        index=pd.Index(list("abc"), name="customer_id"),
    )


def test_weights_by_hand(table):
    model = EngagementScorer({"visit": 1, "cart": 4, "complaint": -2}).fit(table)
    scores = model.score_customers(table)
    assert scores["engagement"].tolist() == [2.0, 4.5, -6.0]
    assert scores["engagement_rank"].tolist() == pytest.approx([0.5, 5 / 6, 1 / 6])
    new = pd.DataFrame({"visit": [9.0], "cart": [0.0], "complaint": [0.0]})
    assert model.transform(new).tolist() == [[9.0, 1.0]]
    assert model.__sklearn_tags__().scorer_tags.unit == "index"


def test_conformance(table):
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"visit": rng.gamma(1, 3, 60), "cart": rng.gamma(1, 1, 60), "age": 4.0})
    customers.index = [f"C{i}" for i in rng.permutation(60)]
    results = check_scorer(EngagementScorer({"visit": 1, "cart": 2.5}), customers)
    assert [result.check for result in results if result.status != "passed"] == ["check_draws"]


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({}, TypeError, "must be a mapping"),
        (["visit"], TypeError, "must be a mapping"),
        ({"visit": np.nan}, ValueError, "weight of 'visit' must be a finite number"),
        ({"visit": True}, ValueError, "weight of 'visit' must be a finite number"),
        ({"visit": 0, "cart": -1}, ValueError, "no weight is positive"),
        ({"visits": 1}, ColumnError, r"missing: 'visits' \(nearest: 'visit'\)"),
    ],
)
def test_bad_weights(table, weights, error, message):
    with pytest.raises(error, match=message):
        EngagementScorer(weights).fit(table)


def test_bad_counts(table):
    model = EngagementScorer({"visit": 1})
    with pytest.raises(CustomerTableError, match=r"cannot use missing values .* 1 customer: 'b'"):
        model.fit(table.assign(visit=[1, None, 2]))
    with pytest.raises(CustomerTableError, match="0 or more; it does not for 2 customers: 'a', 'c'"):
        model.fit(table.assign(visit=[-1.0, 0, np.inf]))
    with pytest.raises(TypeError, match="column 'visit' must hold decayed counts"):
        model.fit(table.assign(visit="often"))


def test_updates_that_contradict_the_table():
    columns = {"customer_id": "customer", "timestamp": "day", "event_type": "type"}
    events = pd.DataFrame({"customer": ["a", "b"], "day": ["2024-01-30", "2024-01-31"], "type": ["visit", "buy"]})
    later = events.assign(day=["2024-02-20", "2024-02-21"])
    table = engagement_table(events, **columns, half_life_days=30)
    with pytest.raises(ValueError, match="made as of 2024-01-31, got table_as_of='2023-01-01'"):
        update_engagement(table, later, **columns, table_as_of="2023-01-01")
    for broken in (table * np.nan, -table):
        broken.attrs = table.attrs
        with pytest.raises(ValueError, match="missing, infinite or negative for 'a', 'b'"):
            update_engagement(broken, later, **columns)
    with pytest.raises(ValueError, match=r"ids of the table are .*'a', 'b'.* those of the events int64"):
        update_engagement(table, later.assign(customer=[1, 2]), **columns)


def test_a_quiet_day_ages_the_table():
    columns = {"customer_id": "customer", "timestamp": "day", "event_type": "type"}
    events = pd.DataFrame({"customer": ["a"], "day": ["2024-01-31"], "type": ["visit"]})
    table = engagement_table(events, **columns, half_life_days=30)
    aged, report = update_engagement(table, events.iloc[:0], **columns, as_of="2024-03-01", return_report=True)
    assert aged.loc["a", "visit"] == pytest.approx(0.5)
    assert (report.n_rows, report.as_of.isoformat()) == (0, "2024-03-01")
    again = update_engagement(aged, events.assign(day="2024-03-02"), **columns)
    assert again.loc["a", "visit"] == pytest.approx(1 + 2 ** (-31 / 30))
