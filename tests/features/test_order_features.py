"""How customers buy, against a slow reference in plain Python, and what no engine and no order of rows changes."""

import datetime as dt
import itertools
import math
import statistics

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.datasets import load_cdnow
from segmentation.exceptions import ColumnError, DroppedRowsWarning
from segmentation.features import OrderFeaturesReport, btyd_table, order_features, rfm_table
from segmentation.features._gaps import GAP, SINCE_FIRST, _gaps

START = dt.date(2024, 1, 1)
FIELDS = ("who", "when", "paid", "order", "kind", "units", "off")
COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}
ALL = {**COLUMNS, "order_id": "order", "category": "kind", "quantity": "units", "discount": "off"}

# -- the reference: one customer, one line at a time, no dataframe ----------------------------------------------------


def number(value):
    """Return a number of 0 and more, None for what is unknown."""
    return None if value is None or not math.isfinite(value) or value < 0 else value


def over(part, whole):
    return part / whole if whole > 0 else math.nan


def reference(lines, end, *, roles=ALL, refunds="net", categories=10):
    """Return {customer: {column: value}} from dicts with `FIELDS`, the day a `date` or None."""
    has = {name: name in roles for name in ("amount", "order_id", "category", "quantity", "discount")}
    used = []
    for line in lines:
        unknown = line["who"] is None or line["when"] is None or line["when"] > end
        if unknown or (has["amount"] and (line["paid"] is None or not math.isfinite(line["paid"]))):
            continue
        used.append(line)
    end = end if end != dt.date.max else max(line["when"] for line in used)
    buys = [line for line in used if not (has["amount"] and line["paid"] < 0)]
    reach = {}
    for line in buys:
        if has["category"] and line["kind"] is not None and line["kind"].strip():
            reach.setdefault(line["kind"], set()).add(line["who"])
    if isinstance(categories, int):
        ranked = sorted(reach, key=lambda kind: (-len(reach[kind]), kind))
        named = sorted(ranked[:categories])
    else:
        named = list(categories)
    table = {}
    for who in {line["who"] for line in buys}:
        mine = [line for line in buys if line["who"] == who]
        refunded = -sum(line["paid"] for line in used if line["who"] == who and line not in buys)
        table[who] = one_customer(mine, refunded, end, has, refunds, named)
    return table


def is_usable(line, end, roles):
    """Tell whether a line is a purchase that counts."""
    if line["who"] is None or line["when"] is None or (end is not None and line["when"] > end):
        return False
    return "amount" not in roles or number(line["paid"]) is not None


def one_customer(mine, refunded, end, has, refunds, named):
    orders = {}
    for line in mine:
        known = has["order_id"] and line["order"] is not None and line["order"].strip()
        orders.setdefault(("id", line["order"]) if known else ("day", line["when"]), []).append(line)
    row = {"n_orders": len(orders), "lines_per_order": len(mine) / len(orders)}
    value = sum(line["paid"] for line in mine) if has["amount"] else 0
    if has["quantity"]:
        counted = [o for o in orders.values() if any(number(line["units"]) is not None for line in o)]
        row["quantity_per_order"] = over(sum(number(line["units"]) or 0 for line in mine), len(counted))
    if has["amount"]:
        row["value_per_order"] = value / len(orders)
    days = sorted({line["when"] for line in mine})
    row["tenure_days"] = (end - days[0]).days
    gaps = [(b - a).days for a, b in itertools.pairwise(days)]
    row["mean_interval_days"] = statistics.mean(gaps) if gaps else math.nan
    row["interval_cv"] = row["interval_regularity"] = math.nan
    if len(gaps) >= 2:
        row["interval_cv"] = statistics.stdev(gaps) / statistics.mean(gaps)
        row["interval_regularity"] = statistics.geometric_mean(gaps) / statistics.mean(gaps)
    money = {day: sum(line["paid"] for line in mine if line["when"] == day) if has["amount"] else 0 for day in days}
    early = late = early_money = late_money = middle_money = 0
    middle = (row["tenure_days"] + 1) / 2
    for day in days[1:]:
        since = (day - days[0]).days
        if since < middle:
            early, early_money = early + 1, early_money + money[day]
        elif since > middle:
            late, late_money = late + 1, late_money + money[day]
        else:
            middle_money += money[day]
    row["purchase_trend"] = (late - early) / (len(days) - 1 + 2)
    if has["amount"]:
        mean = value / len(days)
        row["spend_trend"] = over(late_money - early_money, early_money + late_money + middle_money + 2 * mean)
        if refunds == "net":
            row["refund_share"] = over(refunded, value)
    if has["discount"]:
        known = [line for line in mine if number(line["off"]) is not None]
        off = sum(line["off"] for line in known)
        if has["amount"]:
            row["discount_share"] = over(off, off + sum(line["paid"] for line in known))
        row["discounted_lines_share"] = over(sum(line["off"] > 0 for line in known), len(known))
    row["weekend_share"] = sum(day.weekday() >= 5 for day in days) / len(days)
    if has["category"]:
        shares = {f"category_share={kind}": 0 for kind in named}
        shares |= {"category_share_other": 0, "category_share_missing": 0}
        for line in mine:
            kind = line["kind"]
            missing = kind is None or not kind.strip()
            where = "_missing" if missing else f"={kind}" if kind in named else "_other"
            shares[f"category_share{where}"] += line["paid"] if has["amount"] else 1
        row |= {name: over(part, sum(shares.values())) for name, part in shares.items()}
    return row


def as_table(lines):
    """Return lines as Arrow, whose nulls and NaN are told apart."""
    types = [pa.string(), pa.date32(), pa.float64(), pa.string(), pa.string(), pa.float64(), pa.float64()]
    columns = {f: pa.array([line[f] for line in lines], t) for f, t in zip(FIELDS, types, strict=True)}
    return pa.table(columns)


def assert_equal(table, expected):
    assert set(table.index) == set(expected)
    assert table.index.is_monotonic_increasing
    for who, row in expected.items():
        assert list(table.columns) == list(row)
        for name, value in row.items():
            assert table.loc[who, name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (who, name)


# Days lie close together, so that several lines share one, halves have a middle day and intervals are equal.
line = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["a", "b", "c", None]),
        "when": st.one_of(st.integers(0, 40).map(lambda d: START + dt.timedelta(days=d)), st.none()),
        "paid": st.one_of(st.integers(0, 40).map(lambda n: n / 4), st.sampled_from([0.0, -3.0, -0.5, math.nan, None])),
        "order": st.sampled_from(["1", "2", "3", " ", None]),
        "kind": st.sampled_from(["tea", "cups", "other", "a=b", "", None]),
        "units": st.sampled_from([0.0, 1.0, 3.0, -1.0, math.inf, math.nan, None]),
        "off": st.sampled_from([0.0, 0.5, 2.0, 1.5, math.nan, None]),
    }
)
logs = st.lists(line, min_size=1, max_size=40)
SETS = [
    COLUMNS,
    {"customer_id": "who", "timestamp": "when"},
    {k: v for k, v in ALL.items() if k != "amount"},
    {k: v for k, v in ALL.items() if k != "order_id"},
    ALL,
]


@settings(max_examples=50, deadline=None)
@given(
    lines=logs,
    roles=st.sampled_from(SETS),
    end=st.sampled_from([None, 25, 60]),
    categories=st.sampled_from([0, 1, 2, 10, ["tea", "none"]]),
    name=st.sampled_from(["pandas", "pandas-nullable", "polars", "pyarrow"]),
)
def test_equals_the_reference(lines, roles, end, categories, name, builders):
    as_of = None if end is None else START + dt.timedelta(days=end)
    try:
        expected = reference(lines, as_of or dt.date.max, roles=roles, categories=categories)
    except ValueError:  # no row that can be used, so no last day
        expected = {}
    frame = builders[name](as_table(lines))
    call = {**roles, "as_of": as_of, "categories": categories, "return_report": True}
    tea_is_there = any(row.get("category_share=tea") is not None for row in expected.values()) and any(
        is_usable(line, as_of, roles) and line["kind"] == "tea" for line in lines
    )
    if not expected or (isinstance(categories, list) and "category" in roles and not tea_is_there):
        with pytest.raises(ValueError, match=r"orders can be used|has a purchase|none of categories"):
            order_features(frame, **call)
        return
    table, report = order_features(frame, **call)
    assert_equal(table, expected)
    assert report.n_used + report.n_left_out == report.n_rows == len(lines)
    assert report.n_customers == len(table)
    if "category" in roles:
        shares = table.filter(like="category_share").sum(axis=1, skipna=False).dropna()
        assert shares.to_numpy() == pytest.approx(1)


@pytest.fixture(scope="module")
def many_lines():
    rng = np.random.default_rng(3)
    pick = lambda values, p=None: rng.choice(np.array(values, dtype=object), p=p)  # noqa: E731
    return [
        {
            "who": pick(["a", "b", "c", "d", "e", "f", "g", None]),
            "when": None if rng.random() < 0.02 else START + dt.timedelta(days=int(rng.integers(0, 300))),
            "paid": pick([None, math.nan, -5.0, 0.0, round(rng.gamma(2, 9), 2)], [0.02, 0.02, 0.06, 0.05, 0.85]),
            "order": pick([None, "", str(rng.integers(60))], [0.05, 0.05, 0.9]),
            "kind": pick([None, " ", "tea", "cups", "pots", "books"]),
            "units": pick([None, -1.0, math.nan, 1.0, 2.0, 7.0]),
            "off": pick([None, -1.0, 0.0, round(rng.gamma(1, 2), 2)], [0.1, 0.02, 0.4, 0.48]),
        }
        for _ in range(500)
    ]


def test_every_engine_equals_the_reference(build, many_lines):
    end = START + dt.timedelta(days=250)
    table, report = order_features(build(as_table(many_lines)), **ALL, as_of=end, categories=2, return_report=True)
    assert_equal(table, reference(many_lines, end, categories=2))
    # counted here again, line by line
    buys = [
        r
        for r in many_lines
        if r["who"] is not None and r["when"] is not None and r["when"] <= end
        if r["paid"] is not None and r["paid"] >= 0
    ]
    assert report.unknown == {
        "n_missing_order_id": sum(not (r["order"] or "").strip() for r in buys),
        "n_missing_category": sum(not (r["kind"] or "").strip() for r in buys),
        "n_bad_quantity": sum(number(r["units"]) is None for r in buys),
        "n_bad_discount": sum(number(r["off"]) is None for r in buys),
    }
    assert (report.n_categories, len(report.categories)) == (4, 2)


@pytest.mark.parametrize("refunds", ["net", "drop"])
def test_without_order_ids_and_without_refunds(build, many_lines, refunds):
    roles = {name: column for name, column in ALL.items() if name != "order_id"}
    frame = build(as_table(many_lines))
    table, report = order_features(frame, **roles, refunds=refunds, return_report=True)
    expected = reference(many_lines, dt.date.max, roles=roles, refunds=refunds)
    assert_equal(table, expected)
    assert ("refund_share" in table) == (refunds == "net")
    rfm, other = rfm_table(frame, **COLUMNS, refunds=refunds, return_report=True)
    assert (table["n_orders"] == rfm["n_purchases"]).all()
    assert (report.left_out, report.n_used) == (other.left_out, other.n_used)


@settings(max_examples=20, deadline=None)
@given(lines=logs, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(lines, random):
    shuffled = lines.copy()
    random.shuffle(shuffled)
    try:
        first, report = order_features(as_table(lines), **ALL, return_report=True)
    except ValueError:
        return
    second, other = order_features(as_table(shuffled), **ALL, return_report=True)
    pd.testing.assert_frame_equal(first, second, rtol=1e-12)
    assert report == other


# -- known answers ----------------------------------------------------------------------------------------------------


def purchases(days, paid=10.0, who="a"):
    """Return purchases of one customer so many days after the first of January."""
    days = list(days)
    when = [START + dt.timedelta(days=int(d)) for d in days]
    return pd.DataFrame({"who": who, "when": pd.to_datetime(when), "paid": paid})


def at_the_end(frame, end):
    return order_features(frame, **COLUMNS, as_of=START + dt.timedelta(days=end)).iloc[0]


def test_clockwork_is_fully_regular():
    row = at_the_end(purchases(range(0, 70, 7)), 70)
    assert (row["interval_cv"], row["mean_interval_days"]) == (0, 7)
    assert 1 - 1e-12 < row["interval_regularity"] <= 1


@pytest.mark.parametrize("shape", [1, 3, 12])
def test_regularity_recovers_the_shape_of_gamma_intervals(shape):
    """The shape solves log k - digamma(k) = -log r, by scipy; whole days hardly matter in so long a history."""
    from scipy.optimize import brentq
    from scipy.special import digamma

    gaps = np.maximum(np.random.default_rng(shape).gamma(shape, 30 / shape, 1500).round(), 1)
    row = at_the_end(purchases(np.cumsum(gaps)), int(gaps.sum()) + 10)
    k = brentq(lambda k: np.log(k) - digamma(k) + np.log(row["interval_regularity"]), 1e-3, 1e3)
    assert k == pytest.approx(shape, rel=0.15)
    assert row["interval_cv"] == pytest.approx(1 / np.sqrt(shape), rel=0.08)


def test_random_intervals_look_regular_where_there_are_few():
    """The figures of the notes: 0.79 (pi / 4) on average from two exponential intervals, 0.56 in the long run."""
    rng = np.random.default_rng(0)
    gaps = rng.exponential(1e4, (2000, 2)).round().astype(int)
    days = np.c_[np.zeros(2000), gaps.cumsum(axis=1)].astype(int)
    when = np.datetime64("1800-01-01", "s") + days.ravel().astype("timedelta64[D]")
    table = order_features(
        pd.DataFrame({"who": np.repeat(np.arange(2000), 3), "when": when, "paid": 1.0})[
            lambda f: f["when"] < "2199-01-01"
        ],
        **COLUMNS,
    )
    assert table["interval_regularity"].mean() == pytest.approx(np.pi / 4, abs=4 * 0.22 / np.sqrt(2000))
    assert math.exp(-0.57722) == pytest.approx(0.56, abs=0.005)


@pytest.mark.parametrize(
    ("days", "end", "trend"),
    [
        ([0], 100, 0.0),  # nothing but the first purchase
        ([0], 0, 0.0),  # on the last day
        ([0, 10, 20], 100, -0.5),  # two early: -2 / (2 + 2)
        ([0, 90, 95, 99], 100, 0.6),  # three late: 3 / 5
        ([0, 50, 51], 100, 0.0),  # 1, ..., 50 are early, 51, ..., 100 are late
        ([0, 51], 101, 0.0),  # the middle of 1, ..., 101
        ([0, 1], 2, -1 / 3),
        ([0, 2], 2, 1 / 3),
        ([0, 1], 1, 0.0),
    ],
)
def test_trend_by_hand(days, end, trend):
    row = at_the_end(purchases(days), end)
    assert row["purchase_trend"] == pytest.approx(trend)
    assert row["spend_trend"] == pytest.approx(trend)  # purchases of equal size


def test_spend_trend_by_hand():
    row = at_the_end(purchases([0, 10, 90], [40.0, 10.0, 70.0]), 100)
    assert row["purchase_trend"] == 0
    assert row["spend_trend"] == pytest.approx((70 - 10) / (10 + 70 + 2 * 40))


def test_a_constant_rate_has_no_trend_on_average():
    rng = np.random.default_rng(1)
    n = 3000
    who = np.repeat(np.arange(n), 8)
    days = rng.integers(1, 366, 8 * n)
    frame = pd.concat([purchases(days, who=who), purchases(np.zeros(n), who=np.arange(n))])
    table = order_features(frame, **COLUMNS, as_of=START + dt.timedelta(days=365))
    for name in ("purchase_trend", "spend_trend"):
        assert abs(table[name].mean()) < 4 * table[name].std() / np.sqrt(n)
        assert table[name].abs().max() < 1


def test_an_order_over_two_days_is_one_and_customers_do_not_share_orders():
    frame = pd.concat([purchases([0, 1]), purchases([0], who="b")]).assign(order="X")
    assert order_features(frame, **COLUMNS, order_id="order")["n_orders"].to_dict() == {"a": 1, "b": 1}
    assert order_features(frame, **COLUMNS)["n_orders"].to_dict() == {"a": 2, "b": 1}


def test_cdnow_fits_the_other_tables():
    orders = load_cdnow()
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    table, rfm, btyd = (make(orders, **columns) for make in (order_features, rfm_table, btyd_table))
    assert (table["n_orders"] == rfm["n_purchases"]).all()
    np.testing.assert_allclose(table["value_per_order"] * table["n_orders"], rfm["total_spend"])
    assert (table["tenure_days"] == btyd["T"]).all()
    repeat = btyd[btyd["frequency"] > 1]
    mean = repeat["recency"] / repeat["frequency"]
    np.testing.assert_allclose(table.loc[repeat.index, "mean_interval_days"], mean)
    regularity = np.exp(repeat["sum_log_intervals"] / repeat["frequency"]) / mean
    np.testing.assert_allclose(table.loc[repeat.index, "interval_regularity"], regularity)
    assert table.loc[~table.index.isin(repeat.index), "interval_cv"].isna().all()
    assert rfm.join(table).shape[1] == rfm.shape[1] + table.shape[1]


def test_shared_baskets(shared_data):
    lines = pd.read_parquet(
        shared_data / "complete_journey" / "transactions.parquet",
        columns=["household_id", "basket_id", "quantity", "sales_value", "retail_disc", "transaction_timestamp"],
    )
    lines = lines[lines["household_id"] <= 200]
    table = order_features(
        lines, customer_id="household_id", timestamp="transaction_timestamp", amount="sales_value",
        order_id="basket_id", quantity="quantity", discount="retail_disc",
    )  # fmt: skip
    by = lines.groupby("household_id")
    assert (table["n_orders"] == by["basket_id"].nunique()).all()
    np.testing.assert_allclose(table["lines_per_order"], by.size() / by["basket_id"].nunique())
    np.testing.assert_allclose(table["quantity_per_order"], by["quantity"].sum() / by["basket_id"].nunique())
    off = by["retail_disc"].sum()
    np.testing.assert_allclose(table["discount_share"], off / (off + by["sales_value"].sum()))


# -- kinds of columns, what is left out and refused -------------------------------------------------------------------


def test_zones_texts_and_categories_of_pandas():
    at = ["2024-01-05 23:30", "2024-01-06 00:30", "2024-01-08 12:00"]
    frame = pd.DataFrame({"who": ["a", "a", "a"], "when": at, "kind": [3, None, 4], "paid": [1.0, 1, 2]})
    frame["when"] = pd.to_datetime(frame["when"]).dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    frame["kind"] = frame["kind"].astype("Int64").astype("category")
    row = order_features(frame, **COLUMNS, category="kind", categories=1, return_report=True)[0].iloc[0]
    assert (row["n_orders"], row["weekend_share"]) == (2, 0)  # one Friday evening in New York, and a Monday
    assert row.filter(like="category_share").to_dict() == {
        "category_share=3": 0.25, "category_share_other": 0.5, "category_share_missing": 0.25,
    }  # fmt: skip
    texts = frame.assign(when=["2024-01-05T23:30Z", "2024-01-06T00:30Z", "20240108"])
    assert order_features(texts, **COLUMNS)["weekend_share"].tolist() == [pytest.approx(1 / 3)]


def test_missing_order_ids_of_any_type_are_the_day(build):
    table = pa.table(
        {
            "who": ["a"] * 5,
            "when": [START, START, START, START + dt.timedelta(days=1), START],
            "n": pa.array([7, None, None, None, 0], pa.int64()),
            "x": pa.array([7, math.nan, None, math.inf, 0], pa.float64()),
            "s": pa.array(["7", "", None, " ", "0"]),
        }
    )
    for name in "nxs":
        row = order_features(
            build(table), customer_id="who", timestamp="when", order_id=name, return_report=True
        )[0].iloc[0]  # fmt: skip
        assert (row["n_orders"], row["lines_per_order"]) == (4, 1.25), name


def test_the_report():
    frame = pd.DataFrame(
        [("a", "2024-01-01", 4.0, 1, "tea", None), ("a", "2024-01-02", -1.0, 1, "tea", 0),
         (None, "2024-01-03", 1.0, 2, None, 0), ("a", "2024-01-03", 2.0, None, None, 1.0)],
        columns=["who", "when", "paid", "order", "kind", "off"])  # fmt: skip
    roles = {**COLUMNS, "order_id": "order", "category": "kind", "discount": "off"}
    table, report = order_features(frame, **roles, return_report=True)
    assert isinstance(report, OrderFeaturesReport)
    assert str(report).splitlines() == [
        "4 rows read, 3 used: 1 customer, 2024-01-01 to 2024-01-03",
        "left out, 1 row:",
        "  1 without a customer id",
        "kept, worth knowing:",
        "  1 refund, together -1.00",
        "  1 purchase line without an order id; those of a day make one order",
        "  1 purchase line without a category; they are in category_share_missing",
        "  1 purchase line with a discount that is missing, negative or not finite; not in the shares of discounts",
        "  1 different categories, 1 with a column: 'tea'",
    ]
    assert table.loc["a", "refund_share"] == pytest.approx(1 / 6)
    assert table.loc["a", "discount_share"] == pytest.approx(1 / 3)
    assert report.to_dict()["categories"] == ["tea"]
    assert report.to_pandas().loc["n_bad_discount", "value"] == 1
    assert "&lt;" not in report._repr_html_()
    assert "tea" in report._repr_html_()
    with pytest.warns(DroppedRowsWarning) as caught:
        order_features(frame, **roles)
    assert len(caught) == 2
    assert all(warning.filename == __file__ for warning in caught)
    assert "values left out: 1 purchase line without an order id" in str(caught[1].message)


def test_labels_are_escaped():
    frame = purchases([0, 1]).assign(kind="<b>&")
    _, report = order_features(frame, **COLUMNS, category="kind", return_report=True)
    assert "<b>&" not in report._repr_html_()
    assert "&lt;b&gt;&amp;" in report._repr_html_()


@pytest.mark.parametrize(
    ("change", "call", "error", "message"),
    [
        ({}, {"category": "knid"}, ColumnError, r"missing: 'knid' \(nearest: 'kind'\)"),
        ({}, {"order_id": "paid"}, ColumnError, "category, quantity and discount must be different columns of orders"),
        ({"kind": [1.5, 2.5]}, {"category": "kind"}, TypeError, "the category column 'kind' holds .* whole numbers"),
        ({"kind": [1, "a"]}, {"category": "kind"}, TypeError, "category column 'kind' holds mixed"),
        ({"units": ["one", "two"]}, {"quantity": "units"}, TypeError, "the quantity column 'units' holds"),
        ({"off": ["one", "two"]}, {"discount": "off"}, TypeError, "the discount column 'off' holds"),
        ({"off": [-1.0, 0.0]}, {"discount": "off"}, ValueError, "most discounts in 'off' are negative"),
        ({"order": [True, False]}, {"order_id": "order"}, TypeError, "the order id column 'order' holds Boolean"),
        ({"order": [1, "a"]}, {"order_id": "order"}, TypeError, "order id column 'order' mixes types"),
        ({}, {"category": "kind", "categories": -1}, ValueError, "0 or more, or a list"),
        ({}, {"category": "kind", "categories": "tea"}, TypeError, "a list of names, got 'tea'"),
        ({}, {"category": "kind", "categories": True}, TypeError, "a list of names, got True"),
        ({}, {"category": "kind", "categories": ["tea", "tea"]}, ValueError, "name each one once"),
        ({}, {"category": "kind", "categories": ["Tea"]}, ValueError, "none of categories is there: 'Tea'; .* 'tea'"),
        ({"paid": [-1.0, 2.0]}, {"refunds": "raise"}, ValueError, "has 1 refund"),
        ({"paid": [-1.0, -2.0]}, {}, ValueError, "no customer of orders has a purchase"),
        ({}, {"as_of": "2023-12-31"}, ValueError, "2 after as_of 2023-12-31"),
    ],
)
def test_what_is_refused(change, call, error, message):
    frame = purchases([0, 5]).assign(kind=["tea", "cups"], units=1, off=0.0, order=[1, 2]).assign(**change)
    with pytest.raises(error, match=message):
        order_features(frame, **COLUMNS, **call)


def test_orders_are_not_changed():
    frame = purchases([0, 5, 9]).assign(kind=["tea", None, "tea"], units=[1, None, 2], off=0.0, order=1)
    before = frame.copy(deep=True)
    order_features(frame, **ALL, return_report=True)
    pd.testing.assert_frame_equal(frame, before)


# -- gaps -------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-50, 10**10)), max_size=30))
def test_gaps_by_hand(rows):
    codes, values = np.array([c for c, _ in rows], np.int64), np.array([v for _, v in rows], np.int64)
    found = _gaps(codes, values)
    for code in set(codes.tolist()):
        mine = values[codes == code]
        assert sorted(found[GAP][codes == code]) == sorted([0, *np.diff(np.sort(mine))])
        assert (found[SINCE_FIRST][codes == code] == mine - mine.min()).all()
