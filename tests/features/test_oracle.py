"""The three tables against plain Python that walks over the lines, on random orders, in every engine."""

import datetime as dt
import math
import warnings
from collections import defaultdict
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation.exceptions import DroppedRowsWarning
from segmentation.features import btyd_table, calibration_holdout, rfm_table

BERLIN = ZoneInfo("Europe/Berlin")
COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}

# Around the change of the clocks on 2024-03-31, when the day in Berlin has 23 hours.
START = dt.datetime(2024, 3, 20, tzinfo=dt.UTC)

customers = st.sampled_from(["ada", "bo", "Cy", "dé", None, "", "  "])
amounts = st.one_of(
    st.sampled_from([None, math.nan, math.inf, -math.inf, 0.0, -5.0, 10.0]),
    st.integers(-2_000, 8_000).map(lambda cents: cents / 100),
)
moments = st.one_of(
    st.none(), st.integers(0, 40 * 24 * 4).map(lambda quarters: START + quarters * dt.timedelta(minutes=15))
)
tables = st.lists(st.tuples(customers, moments, amounts), min_size=1, max_size=30)


class NothingError(Exception):
    """No table can be made of these orders."""


def written(moment, kind):
    """Return the moment as the column of that kind holds it, and the local day it stands for."""
    if moment is None:
        return None, None
    local = moment.astimezone(BERLIN)
    values = {
        "zoned": moment,
        "naive": local.replace(tzinfo=None),
        "date": local.date(),
        "text": local.isoformat(),
        "text day": local.strftime("%Y%m%d"),
    }
    return values[kind], local.date()


TYPES = {
    "zoned": pa.timestamp("us", tz="Europe/Berlin"),
    "naive": pa.timestamp("ns"),
    "date": pa.date32(),
    "text": pa.string(),
    "text day": pa.string(),
}


def as_arrow(rows, kind):
    return pa.table(
        {
            "who": pa.array([who for who, _, _ in rows], pa.string()),
            "when": pa.array([written(when, kind)[0] for _, when, _ in rows], TYPES[kind]),
            "paid": pa.array([paid for _, _, paid in rows], pa.float64()),
        }
    )


def classify(rows, *, last, refunds):
    """Return the usable lines as (customer, day, amount), and the counts of the others."""
    counts, lines = defaultdict(int), []
    for who, when, paid in rows:
        if who is None or not who.strip():
            counts["n_missing_customer"] += 1
        elif when is None:
            counts["n_bad_timestamp"] += 1
        elif paid is None or not math.isfinite(paid):
            counts["n_bad_amount"] += 1
        elif last is not None and when.astimezone(BERLIN).date() > last:
            counts["n_after_end"] += 1
        elif refunds == "drop" and paid < 0:
            counts["n_refunds_dropped"] += 1
        else:
            lines.append((who, when.astimezone(BERLIN).date(), paid))
    if not lines:
        raise NothingError
    return lines, counts


def monday(day):
    return day - dt.timedelta(days=day.weekday())


def by_customer(lines):
    grouped = defaultdict(list)
    for who, day, paid in lines:
        grouped[who].append((day, paid))
    return grouped


def expected_rfm(rows, *, as_of, refunds):
    lines, counts = classify(rows, last=as_of, refunds=refunds)
    end = as_of or max(day for _, day, _ in lines)
    table = {}
    for who, own in by_customer(lines).items():
        days = {day for day, paid in own if paid >= 0}
        if days:
            table[who] = ((end - max(days)).days, len(days), sum(paid for _, paid in own))
        else:
            counts["n_refund_only_rows"] += len(own)
    if not table:
        raise NothingError
    return table, counts


def summary(own, end, start):
    """Frequency, recency, T, money per repeat purchase and regularity of one customer's lines."""
    periods = sorted({start(day) for day, paid in own if paid >= 0})
    repeats = len(periods) - 1
    later = sum(paid for day, paid in own if start(day) > periods[0])
    money = later / repeats if repeats else 0.0
    logs = math.fsum(math.log((later - before).days) for before, later in pairwise(periods))
    return repeats, (periods[-1] - periods[0]).days, (start(end) - periods[0]).days, money, logs


def expected_btyd(rows, *, end, weeks, refunds):
    start = monday if weeks else lambda day: day
    last = monday(end) + dt.timedelta(days=6) if end and weeks else end
    lines, counts = classify(rows, last=last, refunds=refunds)
    end = end or max(day for _, day, _ in lines)
    table = {}
    for who, own in by_customer(lines).items():
        if any(paid >= 0 for _, paid in own):
            table[who] = summary(own, end, start)
        else:
            counts["n_refund_only_rows"] += len(own)
    if not table:
        raise NothingError
    return table, counts


def expected_split(rows, *, split, end, weeks, refunds):
    start = monday if weeks else lambda day: day
    lines, counts = classify(rows, last=end, refunds=refunds)
    days = [day for _, day, _ in lines]
    if (end and end <= split) or split < min(days) or max(days) <= split:
        raise NothingError
    end = end or max(days)
    table = {}
    for who, own in by_customer(lines).items():
        before, after = [line for line in own if line[0] <= split], [line for line in own if line[0] > split]
        bought = len({start(day) for day, paid in after if paid >= 0})
        if any(paid >= 0 for _, paid in before):
            money = sum(paid for _, paid in after) / bought if bought else 0.0
            table[who] = (*summary(before, split, start), bought, money, (end - split).days)
        else:
            counts["n_new_in_holdout_rows" if bought else "n_refund_only_rows"] += len(own)
    if not table:
        raise NothingError
    return table, counts


def check(function, frame, rows, expect, asked, **settings_):
    """Compare one table and its report with plain Python, or the error where there is nothing to return."""
    try:
        table, counts = expect(rows, **asked)
    except NothingError:
        with pytest.raises(ValueError, match=r"orders|order|observation_end"):
            function(frame, **COLUMNS, **settings_, return_report=True)
        return
    result, report = function(frame, **COLUMNS, **settings_, return_report=True)
    expected = pd.DataFrame.from_dict(table, orient="index", columns=list(result.columns)).sort_index()
    expected.index = pd.Index(expected.index, name="customer_id")
    pd.testing.assert_frame_equal(result, expected, check_dtype=False, atol=1e-9)
    assert result.index.dtype == pd.Index(["a"]).dtype
    assert {reason: n for reason, n in report.left_out.items() if n} == dict(counts)
    assert report.n_rows == len(rows) == report.n_used + report.n_left_out
    assert report.n_customers == len(result)
    unexpected = set(counts) - {"n_after_end", "n_new_in_holdout_rows"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pd.testing.assert_frame_equal(function(frame, **COLUMNS, **settings_), result)
    assert [warning.category for warning in caught] == [DroppedRowsWarning] * bool(unexpected)


kinds = st.sampled_from(list(TYPES))
policies = st.sampled_from(["net", "drop"])
days = st.one_of(st.none(), st.integers(-2, 42).map(lambda days: START.date() + dt.timedelta(days)))


@settings(deadline=None, max_examples=40)
@given(rows=tables, kind=kinds, refunds=policies, as_of=days)
def test_rfm_table_is_what_a_walk_over_the_lines_gives(builders, rows, kind, refunds, as_of):
    frame = builders["pandas"](as_arrow(rows, kind))
    check(rfm_table, frame, rows, expected_rfm, {"as_of": as_of, "refunds": refunds}, as_of=as_of, refunds=refunds)


@settings(deadline=None, max_examples=40)
@given(rows=tables, kind=kinds, refunds=policies, end=days, weeks=st.booleans())
def test_btyd_table_is_what_a_walk_over_the_lines_gives(builders, rows, kind, refunds, end, weeks):
    check(
        btyd_table,
        builders["pandas"](as_arrow(rows, kind)),
        rows,
        expected_btyd,
        {"end": end, "weeks": weeks, "refunds": refunds},
        observation_end=end,
        granularity="W" if weeks else "D",
        refunds=refunds,
    )


splits = st.integers(3, 38).map(lambda days: START.date() + dt.timedelta(days))


@settings(deadline=None, max_examples=40)
@given(rows=tables, kind=kinds, refunds=policies, split=splits, end=days, weeks=st.booleans())
def test_calibration_holdout_is_what_a_walk_over_the_lines_gives(builders, rows, kind, refunds, split, end, weeks):
    check(
        calibration_holdout,
        builders["pandas"](as_arrow(rows, kind)),
        rows,
        expected_split,
        {"split": split, "end": end, "weeks": weeks, "refunds": refunds},
        calibration_end=split,
        observation_end=end,
        granularity="W" if weeks else "D",
        refunds=refunds,
    )


@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(customers, moments, amounts), min_size=10, max_size=30),
    kind=kinds,
    refunds=policies,
    weeks=st.booleans(),
    split=splits,
    end=days,
)
def test_every_engine_gives_the_same(build, rows, kind, refunds, weeks, split, end):
    frame, granularity = build(as_arrow(rows, kind)), "W" if weeks else "D"
    check(rfm_table, frame, rows, expected_rfm, {"as_of": end, "refunds": refunds}, as_of=end, refunds=refunds)
    check(
        btyd_table,
        frame,
        rows,
        expected_btyd,
        {"end": end, "weeks": weeks, "refunds": refunds},
        observation_end=end,
        granularity=granularity,
        refunds=refunds,
    )
    check(
        calibration_holdout,
        frame,
        rows,
        expected_split,
        {"split": split, "end": end, "weeks": weeks, "refunds": refunds},
        calibration_end=split,
        observation_end=end,
        granularity=granularity,
        refunds=refunds,
    )


@settings(deadline=None, max_examples=20)
@given(rows=tables, split=splits, weeks=st.booleans(), moved=st.randoms(use_true_random=False))
def test_nothing_of_the_holdout_leaks_into_the_calibration(builders, rows, split, weeks, moved):
    """Whatever happens after the calibration's end, its columns stay; so does the order of the rows."""
    sure = [("ada", START, 10.0), ("ada", START + dt.timedelta(days=60), 1.0)]
    other = [row for row in rows if row[1] is not None and row[1].astimezone(BERLIN).date() <= split]
    moved.shuffle(other)
    ask = {**COLUMNS, "calibration_end": split, "granularity": "W" if weeks else "D", "return_report": True}
    whole, _ = calibration_holdout(builders["pandas"](as_arrow(rows + sure, "zoned")), **ask)
    alone, _ = calibration_holdout(builders["pandas"](as_arrow(other + sure, "zoned")), **ask)
    columns = ["frequency", "recency", "T", "monetary_value", "sum_log_intervals"]
    pd.testing.assert_frame_equal(whole[columns], alone[columns], atol=1e-9)
