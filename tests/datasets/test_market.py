"""The market as a whole: tables and keys, seeds, arguments, the result object."""

import dataclasses
import hashlib
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from segmentation.datasets import Market, make_market
from segmentation.datasets import _market as generator

SEGMENTS = ("bargain", "convenience", "inspiration", "quality", "reassurance")
TEXT = str(pd.Series(["text"]).dtype)
ORDER_COLUMNS = {
    "customer_id": TEXT,
    "order_id": TEXT,
    "timestamp": "datetime64[ns]",
    "quantity": "int64",
    "amount": "float64",
}
COLUMNS = {
    "profiles": {"age": "int64", "gender": TEXT, "income": "float64", "region": TEXT, "channel": TEXT},
    "orders": ORDER_COLUMNS,
    "future_orders": ORDER_COLUMNS,
    "survey": {f"q{number:02d}": "int64" for number in range(1, 21)},
    "events": {"customer_id": TEXT, "timestamp": "datetime64[ns]", "type": TEXT},
    "feedback": {
        "feedback_id": TEXT,
        "customer_id": TEXT,
        "timestamp": "datetime64[ns]",
        "nps": "int64",
        "text": TEXT,
    },
    "campaign": {"arm": TEXT, "visited": "bool", "converted": "bool", "spend": "float64"},
    "truth": {
        "segment": "category",
        "purchase_rate": "float64",
        "dropout_probability": "float64",
        "mean_spend": "float64",
        "erlang_shape": "int64",
        "alive": "bool",
        "expected_purchases": "float64",
        "clv": "float64",
        "income": "float64",
        "response_style": TEXT,
        "effect_visited": "float64",
        "effect_converted": "float64",
        "effect_spend": "float64",
        **{f"posterior_{name}": "float64" for name in SEGMENTS},
    },
    "feedback_truth": {
        "customer_id": TEXT,
        "segment": "category",
        "kind": TEXT,
        "theme": TEXT,
        "denied_theme": TEXT,
        "phrasing": "int64",
        "n_typos": "int64",
        "has_contact": "bool",
    },
}
PER_CUSTOMER = ("profiles", "survey", "campaign", "truth")
WITH_TIMES = ("orders", "future_orders", "events", "feedback")


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "misspecified"])
def market(request):
    return make_market(4_000, random_state=7, misspecified=request.param)


def assert_equal_markets(one, other):
    tables, others = one.to_dict(), other.to_dict()
    assert tables.keys() == others.keys()
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, others[name], obj=name)


def types_of(table):
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


# --- tables and keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(COLUMNS))
def test_columns_and_types(market, name):
    assert types_of(getattr(market, name)) == COLUMNS[name]


@pytest.mark.parametrize("name", PER_CUSTOMER)
def test_tables_with_a_row_per_customer_are_indexed_by_customer(market, name):
    table = getattr(market, name)
    assert table.index.name == "customer_id"
    assert table.index.is_unique
    if name == "survey":
        assert 0.5 < len(table) / 4_000 < 0.7
        assert set(table.index) < set(market.profiles.index)
    else:
        assert table.index.equals(market.profiles.index)


def test_keys_of_the_other_tables_lead_to_customers(market):
    known = set(market.profiles.index)
    assert set(market.orders["customer_id"]) == known, "everybody has a first order"
    for name in ("future_orders", "events", "feedback", "feedback_truth"):
        assert set(getattr(market, name)["customer_id"]) < known
    orders = pd.concat([market.orders, market.future_orders])
    assert orders["order_id"].is_unique
    assert market.feedback["feedback_id"].is_unique
    assert market.feedback_truth.index.tolist() == market.feedback["feedback_id"].tolist()
    assert market.feedback_truth["customer_id"].tolist() == market.feedback["customer_id"].tolist()
    told = market.truth["segment"].loc[market.feedback["customer_id"]].to_numpy()
    assert (market.feedback_truth["segment"].to_numpy() == told).all()


def test_ids_are_texts_of_equal_width_in_no_order(market):
    first = market.orders.drop_duplicates("customer_id").set_index("customer_id")["timestamp"]
    for ids in (pd.Series(market.profiles.index), market.orders["order_id"], market.feedback["feedback_id"]):
        assert ids.str.fullmatch("[COF][0-9]{8}").all()
        ranks = ids.rank().to_numpy()
        assert abs(np.corrcoef(ranks, np.arange(len(ids)))[0, 1]) < 4 / np.sqrt(len(ids))
    by_id = first.sort_index()
    assert abs(np.corrcoef(by_id.rank(), np.arange(len(by_id)))[0, 1]) < 4 / np.sqrt(len(by_id))


def test_times_lie_in_their_windows_and_rows_in_order_of_time(market):
    windows = {
        "orders": ("2023-01-01", "2025-01-01"),
        "future_orders": ("2025-01-01", "2026-01-01"),
        "events": ("2024-01-02", "2025-01-01"),
        "feedback": ("2024-07-05", "2025-01-01"),
    }
    for name, (begin, end) in windows.items():
        times = getattr(market, name)["timestamp"]
        assert times.is_monotonic_increasing
        assert times.min() >= pd.Timestamp(begin)
        assert times.min() < pd.Timestamp(begin) + pd.Timedelta(days=3)
        assert times.max() < pd.Timestamp(end)
        assert times.max() > pd.Timestamp(end) - pd.Timedelta(days=3)
    assert (market.start, market.observation_end, market.future_end) == (
        pd.Timestamp("2023-01-01"),
        pd.Timestamp("2024-12-31"),
        pd.Timestamp("2025-12-31"),
    )


@pytest.mark.parametrize("name", WITH_TIMES)
def test_times_have_seconds_and_the_rhythm_of_a_day(market, name):
    times = getattr(market, name)["timestamp"].dt
    assert times.second.nunique() == 60
    assert (times.nanosecond == 0).all()
    assert (times.microsecond == 0).all()
    night, evening = times.hour.isin([1, 2, 3, 4]).mean(), times.hour.isin([18, 19, 20, 21]).mean()
    assert night < 0.03
    assert 0.28 < evening < 0.42


def test_every_customer_is_observed_for_30_days_at_least(market):
    first = market.orders.drop_duplicates("customer_id")["timestamp"]
    assert first.max() < pd.Timestamp("2024-12-03")
    assert first.max() > pd.Timestamp("2024-11-25")


def test_at_most_ten_orders_per_customer_on_average(market):
    assert 3 < len(market.orders) / market.n_customers < 10
    assert (market.orders["amount"] > 0).all()
    assert (market.orders["quantity"] >= 1).all()
    pd.testing.assert_series_equal(market.orders["amount"], market.orders["amount"].round(2))


def test_nothing_observed_carries_the_truth(market):
    hidden = set(market.truth.columns) - {"income"}  # of those who tell it
    hidden |= set(market.feedback_truth.columns) - {"customer_id"}
    observed = [market.profiles, market.orders, market.survey, market.events, market.feedback, market.campaign]
    for table in observed:
        assert hidden.isdisjoint(table.columns)
        assert not any("segment" in str(column) or "posterior" in str(column) for column in table.columns)
    # No column tells the segment: for each of them the commonest segment of a value is wrong for many customers.
    segment = market.truth["segment"].astype(str)
    answers = market.survey.join(segment)
    for item in market.survey.columns:
        shares = pd.crosstab(answers[item], answers["segment"], normalize="index")
        assert shares.max().max() < 0.9, item
    assert list(market.survey_items.columns) == ["need", "reversed", "text"]
    told = market.profiles["income"].dropna()
    assert (told == market.truth["income"].loc[told.index]).all()


def test_segment_truth_adds_up(market):
    truth, table = market.truth, market.segment_truth
    assert tuple(table.index) == market.segments == SEGMENTS
    assert tuple(truth["segment"].cat.categories) == SEGMENTS
    assert table["share"].sum() == pytest.approx(1)
    assert table["n_customers"].sum() == 4_000
    assert table["clv_total"].sum() == pytest.approx(truth["clv"].sum())
    for segment in SEGMENTS:
        own = truth[truth["segment"] == segment]
        row = table.loc[segment]
        assert row["n_customers"] == len(own)
        assert row["n_alive"] == own["alive"].sum()
        assert row["n_answered"] == own.index.isin(market.survey.index).sum()
        assert row["clv_mean"] == pytest.approx(own["clv"].mean())
        assert row["effect_spend_mean"] == pytest.approx(own["effect_spend"].mean())
        sd = np.sqrt(row["share"] * (1 - row["share"]) / 4_000)
        assert abs(len(own) / 4_000 - row["share"]) < 4 * sd


def test_segments_differ_in_behaviour(market):
    table = market.segment_truth
    assert table["purchase_rate_mean"].idxmax() == "convenience"
    assert table["purchase_rate_mean"].max() > 3 * table["purchase_rate_mean"].min()
    assert table["clv_mean"].max() > 3 * table["clv_mean"].min()


# --- seeds ---------------------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_markets_and_others_do_not(market):
    again = make_market(4_000, random_state=7, misspecified=market.misspecified)
    assert_equal_markets(market, again)
    other = make_market(4_000, random_state=8, misspecified=market.misspecified)
    assert len(set(market.profiles.index) & set(other.profiles.index)) < 10
    assert len(market.orders) != len(other.orders)
    assert market.truth["clv"].sum() != other.truth["clv"].sum()


DIGEST = """
import hashlib, json, sys
import pandas as pd
from segmentation.datasets import make_market

tables = make_market(300, random_state=3, misspecified=True).to_dict()
print(json.dumps({name: hashlib.sha256(t.to_csv().encode()).hexdigest() for name, t in tables.items()}))
"""


def test_equal_across_processes():
    env = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env=env)
    tables = make_market(300, random_state=3, misspecified=True).to_dict()
    here = {name: hashlib.sha256(table.to_csv().encode()).hexdigest() for name, table in tables.items()}
    assert json.loads(done.stdout) == here


def test_without_a_seed_the_result_keeps_the_one_it_drew():
    one, other = make_market(30), make_market(30)
    assert one.random_state != other.random_state
    assert_equal_markets(one, make_market(30, random_state=one.random_state))


def test_numpy_generators_are_seeds_too():
    for make in (np.random.default_rng, np.random.RandomState):
        rng, again = make(4), make(4)
        first = make_market(20, random_state=rng)
        assert_equal_markets(first, make_market(20, random_state=again))
        assert make_market(20, random_state=rng).random_state != first.random_state, "the generator moved on"


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("profiles", {"profiles", "truth"}),
        ("survey", {"survey", "truth", "segment_truth"}),
        ("events", {"events"}),
        ("campaign", {"campaign"}),
        ("feedback", {"feedback", "feedback_truth", "theme_truth"}),
    ],
)
def test_a_table_drawn_in_another_way_changes_no_other(monkeypatch, module, changed):
    before = make_market(400, random_state=1).to_dict()
    original = getattr(generator, module).draw

    def otherwise(*arguments):
        rng = arguments[-1]
        rng.random(3)  # moves the stream ...
        rng.spawn(2)  # ... and those of the columns
        return original(*arguments)

    monkeypatch.setattr(getattr(generator, module), "draw", otherwise)
    after = make_market(400, random_state=1).to_dict()
    differing = {name for name, table in before.items() if not table.equals(after[name])}
    assert differing == changed


def test_the_misspecified_market_differs_in_the_orders_and_what_hangs_on_them():
    plain, other = make_market(2_000, random_state=5), make_market(2_000, random_state=5, misspecified=True)
    for name in ("profiles", "survey", "survey_items", "curves"):
        pd.testing.assert_frame_equal(getattr(plain, name), getattr(other, name))
    same = ["segment", "purchase_rate", "dropout_probability", "income", *plain.truth.filter(like="posterior_")]
    pd.testing.assert_frame_equal(plain.truth[same], other.truth[same])
    assert (plain.truth["mean_spend"] != other.truth["mean_spend"]).all()
    assert set(plain.truth["erlang_shape"]) == {1}
    assert other.truth["erlang_shape"].eq(2).mean() == pytest.approx(0.75, abs=0.04)
    assert len(plain.orders) != len(other.orders)


# --- arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_customers", [0, -3, True, False])
def test_too_few_customers(n_customers):
    with pytest.raises(ValueError, match=rf"n_customers={n_customers}: expected the number of customers, 1 or more"):
        make_market(n_customers)


@pytest.mark.parametrize("n_customers", [1e3, 2.5, "100", None, [10]])
def test_number_of_customers_must_be_whole(n_customers):
    with pytest.raises(TypeError, match=r"n_customers=.*: expected a whole number"):
        make_market(n_customers)


def test_bad_seeds_and_flags():
    with pytest.raises(ValueError, match="random_state=-1: a seed is 0 or more"):
        make_market(5, random_state=-1)
    for seed in (1.5, "abc", [1, 2]):
        with pytest.raises(TypeError, match=r"random_state=.*expected a whole number, a numpy Generator"):
            make_market(5, random_state=seed)
    with pytest.raises(TypeError, match="misspecified='yes': expected True or False"):
        make_market(5, random_state=0, misspecified="yes")


@pytest.mark.parametrize("misspecified", [False, True])
@pytest.mark.parametrize("n_customers", [1, 2, 5, np.int64(17)])
def test_small_markets_have_the_same_tables(n_customers, misspecified):
    for seed in range(6):
        market = make_market(n_customers, random_state=seed, misspecified=misspecified)
        for name, columns in COLUMNS.items():
            assert types_of(getattr(market, name)) == columns, name
        assert market.n_customers == len(market.truth) == n_customers
        assert len(market.segment_truth) == 5
        assert len(market.theme_truth) == 45
        assert market.truth["clv"].ge(0).all()
        assert f"Market({n_customers}," in repr(market)
        assert market.segment_truth["n_customers"].sum() == n_customers


# --- the result ----------------------------------------------------------------------------------------------


def test_repr_says_what_is_in_it():
    market = make_market(1_500, random_state=2)
    shown = repr(market)
    assert shown.startswith("Market(1500, random_state=2, misspecified=False)\n")
    assert "period         2023-01-01 to 2024-12-31, future to 2025-12-31" in shown
    assert f"1,500 customers, income missing for {100 * market.profiles['income'].isna().mean():.1f} %" in shown
    assert f"{len(market.orders):,} orders over {market.orders['amount'].sum():,.0f}" in shown
    assert f"(expected {market.truth['clv'].sum():,.0f})" in shown
    assert len(shown.splitlines()) <= 12
    page = market._repr_html_()
    assert page.startswith("<table>")
    assert page.count("<tr>") == 9
    for line in shown.splitlines()[1:]:
        assert line[17:] in page


def test_fields_cannot_be_replaced_and_parameters_are_copies():
    market = make_market(5, random_state=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        market.orders = None
    for table in [*market.generator.values(), market.curves, market.survey_items]:
        table.iloc[:, -1] = table.iloc[::-1, -1].to_numpy()
    fresh = make_market(5, random_state=0)
    assert fresh.generator["population"]["value"].tolist()[:4] == [1.2, 50, 0.7, 2.8]
    assert_equal_markets(fresh, make_market(5, random_state=0))


def test_pickles():
    market = make_market(50, random_state=0)
    assert_equal_markets(market, pickle.loads(pickle.dumps(market)))


def test_to_dict_has_every_table():
    market = make_market(5, random_state=0)
    fields = {field.name for field in dataclasses.fields(Market)}
    assert set(market.to_dict()) == fields - {
        *("generator", "random_state", "misspecified", "start", "observation_end", "future_end")
    }


# --- response curves -----------------------------------------------------------------------------------------


def test_response_follows_its_row_of_the_table():
    market = make_market(5, random_state=0)
    curves = market.curves.set_index(["segment", "action"])
    assert len(curves) == 15
    assert (curves["ceiling"] > 0).all()
    effort = np.array([0.0, 0.5, 1.0, 3.0, 50.0])
    for (segment, action), row in curves.iterrows():
        gain = market.response(segment, action, effort)
        if row["form"] == "exponential":
            expected = row["ceiling"] * (1 - np.exp(-effort / row["scale"]))
        else:
            power = effort ** row["shape"]
            expected = row["ceiling"] * power / (row["scale"] ** row["shape"] + power)
        np.testing.assert_allclose(gain, expected, rtol=1e-12)
        assert gain[0] == 0
        assert (np.diff(gain) > 0).all()
    assert market.response("quality", "mail", 1.0).shape == ()


def test_response_refuses_what_it_does_not_know():
    market = make_market(5, random_state=0)
    with pytest.raises(ValueError, match="unknown segment 'vip'; the market has 'bargain', 'convenience'"):
        market.response("vip", "mail", 1)
    with pytest.raises(ValueError, match="unknown action 'tv'; the market has 'mail', 'call', 'visit'"):
        market.response("quality", "tv", 1)
    for effort in (-1.0, [0.0, np.nan], np.inf):
        with pytest.raises(ValueError, match="efforts must be finite and not negative, got"):
            market.response("quality", "mail", effort)
