"""backtest_clv: every measure by hand and by brute force, naive forecasts, tracking, words, plots, bad input."""

import itertools
import json
import sys
import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from segmentation import Scorer
from segmentation.datasets import load_cdnow
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning
from segmentation.features import calibration_holdout, rfm_table
from segmentation.scorers import CLVBacktest, CLVScorer, DummyScorer, backtest_clv
from segmentation.scorers._backtest_measures import (
    MEASURES,
    Interval,
    Ranking,
    calibrate,
    capture_curve,
    measure,
    paired_intervals,
)

COLUMNS = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
NO_MONEY = {"customer_id": "customer_id", "timestamp": "timestamp"}


class Stub(Scorer):
    """Expects `rate` purchases a day from customers whose recency is positive, each worth 10; no discount."""

    def __init__(self, rate=0.1, horizon_days=30, margin=1.0, annual_discount_rate=0.0, names=("clv",)):
        self.rate = rate
        self.horizon_days = horizon_days
        self.margin = margin
        self.annual_discount_rate = annual_discount_rate
        self.names = names

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self):
        return ["frequency", "recency", "T"]

    def _fit(self, X, y):
        self.seen_ = X.copy()
        return [*self.names, "expected_purchases"]

    def _scores(self, X):
        purchases = self.rate * self.horizon_days * (X["recency"].to_numpy() > 0)
        return np.column_stack([10.0 * self.margin * purchases] * len(self.names) + [purchases])


class StubWithCurve(Stub):
    def expected_purchases_new_customer(self, days):
        return 0.5 * np.asarray(days)


def orders_of(rows):
    return pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])


# Calibration to 2024-01-20, holdout of 10 days to 2024-01-30.
SMALL = orders_of(
    [
        ("a", "2024-01-01", 10.0),
        ("a", "2024-01-05", 20.0),
        ("a", "2024-01-15", 30.0),
        ("a", "2024-01-16", -6.0),
        ("a", "2024-01-22", 40.0),
        ("a", "2024-01-30", 8.0),
        ("b", "2024-01-11", 5.0),
        ("b", "2024-01-19", 7.0),
        ("b", "2024-01-19", 1.0),
        ("b", "2024-01-25", -3.0),
        ("c", "2024-01-20", 50.0),
        ("c", "2024-01-21", 2.0),
        ("d", "2024-01-08", 4.0),
        ("new", "2024-01-22", 9.0),
        ("new", "2024-01-23", 9.0),
    ]
)
SPLIT = {"calibration_end": "2024-01-20", "observation_end": "2024-01-30", "n_resamples": 100}


@pytest.fixture(scope="module")
def small():
    return backtest_clv(SMALL, Stub(), **COLUMNS, **SPLIT)


@pytest.fixture(scope="module")
def cdnow():
    return backtest_clv(load_cdnow(), CLVScorer("bg_nbd"), **COLUMNS, calibration_end="1997-09-30", n_resamples=200)


# --- measures on arrays ----------------------------------------------------------------------------------------------


def test_measures_by_hand():
    """Ten customers; the best decile is the first one, who has 4 of 10 purchases."""
    predicted = np.array([5.0, 3, 2, 0, 0, 0, 0, 0, 0, 0])
    actual = np.array([4.0, 0, 4, 2, 0, 0, 0, 0, 0, 0])
    found = measure(predicted, actual)
    assert found["total_error"] == pytest.approx(0)
    assert found["mae"] == pytest.approx((1 + 3 + 2 + 2) / 10)
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 9 + 4 + 4) / 10))
    assert found["best_decile"] == pytest.approx(0.4)
    # curve .4 .4 .8 then straight to 1; perfect .4 .8 1 1 ...: twice the areas less 1
    area = 2 * (0.2 + 0.4 + 0.6 + 7 * 0.9) / 10 - 1
    perfect = 2 * (0.2 + 0.6 + 0.9 + 7) / 10 - 1
    assert found["gini"] == pytest.approx(area / perfect)
    assert found["spearman"] == pytest.approx(spearmanr(predicted, actual).statistic)


def test_total_error_is_relative_to_what_happened():
    assert measure(np.array([1.0, 2.0]), np.array([2.0, 2.0]))["total_error"] == pytest.approx(0.25)
    assert measure(np.array([3.0, 2.0]), np.array([2.0, 2.0]))["total_error"] == pytest.approx(0.25)


def curve_by_permutations(predicted, actual, position):
    """Mean over all orders of the customers, each then sorted stably by prediction, of the cumulative share."""
    n, found = len(actual), []
    for order in itertools.permutations(range(n)):
        ranked = sorted(order, key=lambda i: -predicted[i])
        cumulative = np.concatenate([[0], np.cumsum(actual[ranked])]) / actual.sum()
        found.append(np.interp(position, np.arange(n + 1) / n, cumulative))
    return np.mean(found, axis=0)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=5))
def test_ties_are_broken_at_random_in_expectation(rows):
    predicted, actual = np.array(rows, dtype=float).T
    if actual.sum() == 0:
        actual[0] = 1.0
    positions = np.linspace(0, 1, 11)
    expected = curve_by_permutations(predicted, actual, positions)
    curve = capture_curve(Ranking(predicted), actual)
    assert curve.at(positions) == pytest.approx(expected, abs=1e-12)
    assert measure(predicted, actual)["best_decile"] == pytest.approx(expected[1])
    # customer by customer: the mean of the cumulative shares before and after each
    heights = curve_by_permutations(predicted, actual, np.arange(len(actual) + 1) / len(actual))
    assert curve.area() == pytest.approx((heights[1:] + heights[:-1]).mean() - 1)


def gini_by_pairs(predicted, actual):
    """Somers-like form: mean over pairs of sign(predicted_i - predicted_j) (actual_i - actual_j), halved and scaled."""
    difference = np.sign(predicted[:, None] - predicted[None, :]) * (actual[:, None] - actual[None, :])
    return difference.sum() / (2 * len(actual) * actual.sum())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=40), st.randoms())
def test_measures_do_not_depend_on_the_order_of_rows(rows, random):
    predicted, actual = np.array(rows, dtype=float).T
    actual[0] += 1.0
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    first, second = measure(predicted, actual), measure(predicted[shuffled], actual[shuffled])
    assert first == pytest.approx(second, nan_ok=True)
    area = capture_curve(Ranking(predicted), actual).area()
    assert area == pytest.approx(gini_by_pairs(predicted, actual), abs=1e-12)
    perfect = gini_by_pairs(actual, actual)
    if perfect > 0:
        assert first["gini"] == pytest.approx(area / perfect)
        assert first["gini"] <= 1 + 1e-12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy on constant input
        rho = spearmanr(predicted, actual).statistic
    assert first["spearman"] == pytest.approx(0.0 if np.isnan(rho) else rho, abs=1e-9)


def test_rounding_makes_no_ranks():
    """0.1 + 0.2 and 0.3 are one prediction; so the curve is straight through both."""
    curve = capture_curve(Ranking(np.array([0.1 + 0.2, 0.3])), np.array([1.0, 0.0]))
    assert curve.at(0.5) == pytest.approx(0.5)
    assert len(Ranking(np.array([1.0, 1.0 + 1e-9])).distinct) == 2


def test_weights_are_copies():
    """The bootstrap weights customers; copying them gives the same figures and the same intervals."""
    rng = np.random.default_rng(3)
    actual = rng.poisson(1.0, 60).astype(float)
    model, naive = np.round(actual + rng.normal(1, 1, 60), 1), rng.poisson(1.0, 60).astype(float)
    found = paired_intervals(model, {"naive": naive}, actual, level=0.8, n_resamples=150, rng=np.random.default_rng(7))
    again, differences = np.random.default_rng(7), {name: [] for name in MEASURES}
    for _ in range(150):
        chosen = again.integers(60, size=60)
        ours, theirs = (measure(values[chosen], actual[chosen]) for values in (model, naive))
        for name in MEASURES:
            sign = -1 if name in ("total_error", "mae", "rmse") else 1
            differences[name].append(sign * (ours[name] - theirs[name]))
    for name in MEASURES:
        interval = found[name, "naive"]
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(differences[name], [0.1, 0.9])))


def test_verdicts():
    assert Interval(1, 0.1, 2).verdict == "better"
    assert Interval(-1, -2, -0.1).verdict == "worse"
    assert Interval(1, -0.1, 2).verdict == "no difference to speak of"
    assert Interval(1, np.nan, np.nan).verdict == "cannot be said"


def test_intervals_of_equal_forecasts_leave_out_zero_at_their_rate():
    """Two forecasts of the same quality: the 90 % interval of MAE leaves out 0 in 10 % of 200 markets (99 % band)."""
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(200):
        mean = rng.gamma(2.0, 1.0, 150)
        actual = rng.poisson(mean).astype(float)
        first, second = mean * rng.lognormal(0, 0.5, 150), mean * rng.lognormal(0, 0.5, 150)
        found = paired_intervals(first, {"b": second}, actual, level=0.9, n_resamples=100, rng=rng)
        rejected += found["mae", "b"].verdict != "no difference to speak of"
    assert 9 <= rejected <= 34


def test_calibration_by_hand():
    """Twelve customers in four groups; the tie of five at 1.0 shares its actual purchases evenly."""
    predicted = np.array([0, 0, 1, 1, 1, 1, 1, 2, 3, 3, 4, 5.0])
    actual = np.array([0, 1, 5, 0, 0, 0, 0, 2, 3, 0, 6, 6.0])
    found = calibrate(predicted, actual, n_groups=4)
    assert found.n.tolist() == [3, 3, 3, 3]
    assert found.predicted == pytest.approx([1 / 3, 1.0, (1 + 2 + 3) / 3, (3 + 4 + 5) / 3])
    assert found.actual == pytest.approx([(0 + 1 + 1) / 3, 1.0, (1 + 2 + 1.5) / 3, (1.5 + 6 + 6) / 3])
    assert found.n @ found.actual == pytest.approx(actual.sum())
    # the third group without its ties: mean of squares less square of the mean, over n - 1
    squares = (5.0 + 4 + 4.5) / 3
    assert found.standard_error[2] == pytest.approx(np.sqrt((squares - 1.5**2) / 2))
    assert calibrate(predicted[:3], actual[:3]).n.tolist() == [1, 1, 1]


# --- a small market by hand ------------------------------------------------------------------------------------------


def test_what_happened_by_hand(small):
    customers = small.customers
    assert customers.index.tolist() == ["a", "b", "c", "d"]
    assert customers["purchases"].tolist() == [2, 0, 1, 0]
    # the refund of b belongs to the holdout, though b bought nothing there
    assert customers["value"].tolist() == [48.0, -3.0, 2.0, 0.0]
    assert customers["past_spend"].tolist() == [54.0, 13.0, 50.0, 4.0]
    assert small.horizon_days == 10
    assert small.window_days == 10


def test_naive_forecasts_by_hand(small):
    customers = small.customers
    # a: 2 in 19 days, 54 over 3 purchases; b: 1 in 9 days, 13 over 2; c: T = 0; d: never again
    assert customers["purchases_historical_rate"].tolist() == pytest.approx([20 / 19, 10 / 9, 0, 0])
    assert customers["value_historical_rate"].tolist() == pytest.approx([20 / 19 * 18, 10 / 9 * 6.5, 0, 0])
    # 11 to 20 January: a one purchase and its refund, b one repeat purchase (not the first, on the 11th), c none
    assert customers["purchases_last_period"].tolist() == [1, 1, 0, 0]
    assert customers["value_last_period"].tolist() == [24.0, 8.0, 0.0, 0.0]


def test_measures_of_the_small_market(small):
    model = small.figures("purchases")
    assert small.customers["purchases_model"].tolist() == [1, 1, 0, 0]
    assert model["predicted"] == 2
    assert model["actual"] == 3
    assert model["ratio"] == pytest.approx(2 / 3)
    assert model["bias"] == pytest.approx(-1 / 4)
    assert model["mae"] == pytest.approx(3 / 4)
    value = small.figures("value")
    assert (value["predicted"], value["actual"]) == (20, 47)
    # a tenth of four customers is 0.4 of one of the two ties a and b: 0.4 (48 - 3) / 2 of 47
    assert value["best_decile"] == pytest.approx(0.4 * 22.5 / 47)
    ranking = small.figures("value", "past_spend")
    assert ranking["best_decile"] == pytest.approx(0.4 * 48 / 47)
    assert np.isnan([ranking[name] for name in ("predicted", "ratio", "bias", "mae", "rmse")]).all()


def test_a_calibration_shorter_than_the_holdout_is_scaled_up():
    found = backtest_clv(SMALL, Stub(), **COLUMNS, **{**SPLIT, "calibration_end": "2024-01-12"})
    assert (found.window_days, found.horizon_days) == (12, 18)
    assert found.customers["purchases_last_period"].to_dict() == {"a": 1.5, "b": 0, "d": 0}
    assert any("the calibration has 12 days, fewer than the holdout's 18" in note for note in found.notes)


def test_counts_of_who_is_left_out(small):
    assert small.report.n_new_in_holdout_customers == 1
    note = "1 customer first bought in the holdout and cannot be scored: they made 2 of its 5 purchases (40.0 %), "
    assert small.notes[0] == note + "spending 18.00."
    assert "1 customer with T = 0: their historical rate is taken as 0." in small.notes
    assert any("negative for 1 customer" in one for one in small.notes)
    assert "left out: 1 customer who first bought in the holdout" in str(small)


def test_refunds_can_be_left_out():
    found = backtest_clv(SMALL, Stub(), **COLUMNS, **SPLIT, refunds="drop")
    assert found.customers["value"].tolist() == [48.0, 0.0, 2.0, 0.0]
    assert found.customers["past_spend"].tolist() == [60.0, 13.0, 50.0, 4.0]
    assert "value is all money dated in the holdout, refunds left out." in found.notes


def test_the_scorer_is_cloned_and_sees_the_calibration_only(small):
    scorer = Stub(margin=0.3, annual_discount_rate=0.1, horizon_days=99)
    found = backtest_clv(SMALL, scorer, **COLUMNS, **SPLIT)
    assert not hasattr(scorer, "seen_")
    assert scorer.get_params()["horizon_days"] == 99
    assert found.scorer.horizon_days == 10
    pd.testing.assert_frame_equal(found.measures, small.measures)
    assert "margin=0.3 is not applied: forecasts are compared with revenue as it came in." in found.notes
    assert any(note.startswith("annual_discount_rate=0.1 is not applied") for note in found.notes)
    split, _ = calibration_holdout(
        SMALL, **COLUMNS, calibration_end="2024-01-20", observation_end="2024-01-30", return_report=True
    )
    pd.testing.assert_frame_equal(found.scorer.seen_, split[["frequency", "recency", "T"]])


def test_tracking_by_hand(small):
    weeks = small.tracking
    # counted from the cut both ways: 6, 7, 7 | 7, 3 days
    assert weeks["days"].tolist() == [6, 7, 7, 7, 3]
    assert weeks["period"].tolist() == ["calibration"] * 3 + ["holdout"] * 2
    assert [str(day) for day in weeks["first_day"]] == [
        "2024-01-01",
        "2024-01-07",
        "2024-01-14",
        "2024-01-21",
        "2024-01-28",
    ]
    # repeat purchases: a on the 5th, a on the 15th and b on the 19th; then a and c, then a
    assert weeks["actual"].tolist() == [1, 0, 2, 2, 1]
    assert weeks["actual_cumulative"].tolist() == [1, 1, 3, 5, 6]
    # two customers at 0.1 a day, from what had happened on
    assert weeks["model"].tolist()[3:] == pytest.approx([1.4, 0.6])
    assert weeks["model_cumulative"].tolist()[3:] == pytest.approx([4.4, 5.0])
    assert weeks["model"].iloc[:3].isna().all()
    assert weeks["historical_rate"].tolist()[3:] == pytest.approx([0.7 * (20 / 19 + 10 / 9), 0.3 * (20 / 19 + 10 / 9)])
    assert weeks["last_period_cumulative"].iloc[-1] == pytest.approx(3 + 2)


def test_tracking_of_the_calibration_where_the_scorer_has_a_curve():
    weeks = backtest_clv(SMALL, StubWithCurve(), **COLUMNS, **SPLIT).tracking
    # ages on 6, 13 and 20 January, at half a purchase a day: a 5 12 19, b - 2 9, c - - 0, d - 5 12
    assert weeks["model_cumulative"].tolist()[:3] == pytest.approx([2.5, 9.5, 20.0])
    assert weeks["model"].tolist()[:3] == pytest.approx([2.5, 7.0, 10.5])
    assert weeks["model_cumulative"].tolist()[3:] == pytest.approx([4.4, 5.0])


def test_whole_weeks_end_the_holdout():
    weeks = backtest_clv(SMALL, Stub(), **COLUMNS, **{**SPLIT, "calibration_end": "2024-01-16"}).tracking
    assert weeks["days"].tolist() == [2, 7, 7, 7, 7]
    assert weeks["last_day"].iloc[-1].isoformat() == "2024-01-30"


# --- on real orders --------------------------------------------------------------------------------------------------


def test_published_total_on_cdnow(cdnow):
    """Fader, Hardie, Lee (2005), Marketing Science 24(2): BG/NBD expects 1,653 in the 39 weeks; 1,882 happened."""
    model = cdnow.figures("purchases")
    assert model["predicted"] == pytest.approx(1653, abs=1)
    assert model["actual"] == 1882
    assert "1,653 predicted, 1,882 happened: the model under-predicts by 12.1 %." in " ".join(str(cdnow).split())
    split = calibration_holdout(load_cdnow(), **COLUMNS, calibration_end="1997-09-30")
    assert cdnow.figures("purchases", "historical_rate")["predicted"] == pytest.approx(
        (split["frequency"] / split["T"]).sum() * 273
    )
    # the calibration has as many days as the holdout, so its last period is all of it
    assert cdnow.figures("purchases", "last_period")["predicted"] == split["frequency"].sum() == 2457


def test_figures_agree_with_the_feature_tables(cdnow):
    split = calibration_holdout(load_cdnow(), **COLUMNS, calibration_end="1997-09-30")
    assert cdnow.customers["purchases"].tolist() == split["frequency_holdout"].tolist()
    money = split["frequency_holdout"] * split["monetary_value_holdout"]
    assert cdnow.customers["value"].tolist() == pytest.approx(money.tolist())
    past = rfm_table(load_cdnow(), **COLUMNS, as_of="1997-09-30")["total_spend"]
    assert cdnow.customers["past_spend"].tolist() == pytest.approx(past.tolist())
    recent = split["frequency"] * split["monetary_value"]
    assert cdnow.customers["value_last_period"].tolist() == pytest.approx(recent.tolist())


def test_tables_of_one_backtest_agree(cdnow):
    for target in cdnow.targets:
        rows = cdnow.calibration[(cdnow.calibration["target"] == target) & (cdnow.calibration["method"] == "model")]
        model = cdnow.figures(target)
        assert rows["n"].sum() == 2357
        assert rows["n"] @ rows["predicted_mean"] == pytest.approx(model["predicted"])
        assert rows["n"] @ rows["actual_mean"] == pytest.approx(model["actual"])
        assert rows["predicted_mean"].is_monotonic_increasing
        curve = cdnow.capture[(cdnow.capture["target"] == target) & (cdnow.capture["method"] == "model")]
        tenth = np.isclose(curve["customers_share"], 0.1)
        assert curve.loc[tenth, "caught"].item() == pytest.approx(model["best_decile"])
    weeks = cdnow.tracking
    holdout = weeks["period"] == "holdout"
    assert weeks.loc[holdout, "actual"].sum() == 1882
    assert weeks.loc[holdout, "model"].sum() == pytest.approx(cdnow.figures("purchases")["predicted"])
    assert weeks.loc[~holdout, "actual"].sum() == 2457
    assert len(weeks) == 78
    assert cdnow.scorer.horizon_days == 273  # put back after the tracking


def test_comparisons_agree_with_the_measures(cdnow):
    for row in cdnow.comparisons.to_dict("records"):
        ours, theirs = (cdnow.figures(row["target"], name) for name in ("model", row["baseline"]))
        if row["measure"] == "total_error":
            expected = abs(theirs["ratio"] - 1) - abs(ours["ratio"] - 1)
        else:
            sign = -1 if row["measure"] in ("mae", "rmse") else 1
            expected = sign * (ours[row["measure"]] - theirs[row["measure"]])
        assert row["advantage"] == pytest.approx(expected)
        assert row["advantage_low"] <= row["advantage_high"]
    # per target: six measures for the two forecasts, three for the ranking
    assert len(cdnow.comparisons) == 2 * (2 * 6 + 3)


def test_cdnow_verdicts_in_words(cdnow):
    lines = [line for line in cdnow.verdicts if "spend caught" in line and "past spend" in line]
    assert len(lines) == 1
    assert "model 50.2 %, ranking by past spend 48.1 %: no difference to speak of (90 % interval" in lines[0]
    assert any(
        line.startswith("Total purchases, off by: model 12.1 %, historical rate 55.7 %: the model is better")
        for line in cdnow.verdicts
    )


def test_any_engine_and_the_same_seed_give_the_same(cdnow):
    orders = pl.from_pandas(load_cdnow()).sample(fraction=1.0, shuffle=True, seed=1).lazy()
    again = backtest_clv(orders, CLVScorer("bg_nbd"), **COLUMNS, calibration_end="1997-09-30", n_resamples=200)
    for name in ("measures", "comparisons", "calibration", "tracking", "capture", "customers"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(cdnow, name), rtol=1e-9)


def test_an_engine_outside_the_process(small):
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is one engine of many")
    relation = duckdb.connect().from_df(SMALL)
    found = backtest_clv(relation, Stub(), **COLUMNS, **SPLIT)
    pd.testing.assert_frame_equal(found.customers, small.customers)
    pd.testing.assert_frame_equal(found.tracking, small.tracking)


def test_weeks_as_granularity():
    split = {"calibration_end": "1997-09-30", "granularity": "W"}
    found = backtest_clv(load_cdnow(), CLVScorer("bg_nbd", spend_model=None), **NO_MONEY, **split, n_resamples=100)
    table = calibration_holdout(load_cdnow(), **NO_MONEY, **split)
    assert found.customers["purchases"].tolist() == table["frequency_holdout"].tolist()
    assert found.customers["purchases_last_period"].sum() == table["frequency"].sum()
    assert found.tracking["actual"].sum() == table[["frequency", "frequency_holdout"]].sum().sum()


def test_float_ids_are_found_again():
    orders = SMALL.assign(customer_id=SMALL["customer_id"].map({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "new": 5.0}))
    found = backtest_clv(orders, Stub(), **COLUMNS, **SPLIT)
    assert found.customers.index.tolist() == [1, 2, 3, 4]
    assert found.customers["purchases"].tolist() == [2, 0, 1, 0]


# --- a world in which the model is true ------------------------------------------------------------------------------


def bg_nbd_orders(n, seed):
    """Buyers as the BG/NBD describes them: first purchases over 200 days, 600 days in all, gamma-gamma spend."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 200, n)
    rate, leave = rng.gamma(0.8, 1 / 80, n), rng.beta(1.0, 3.0, n)
    mean = rng.gamma(6.0, 1.0, n) * 5
    rows = []
    for i in range(n):
        when, days = float(start[i]), [start[i]]
        while True:
            when += rng.exponential(1 / rate[i])
            if when >= 600:
                break
            days.append(int(when))
            if rng.random() < leave[i]:
                break
        rows += [(i, day, mean[i] * rng.gamma(6.0, 1 / 6)) for day in sorted(set(days))]
    orders = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    orders["timestamp"] = pd.Timestamp("2022-01-01") + pd.to_timedelta(orders["day"], unit="D")
    return orders


@pytest.fixture(scope="module")
def true_world():
    return backtest_clv(
        bg_nbd_orders(4000, 0), CLVScorer("bg_nbd"), **COLUMNS, calibration_end="2022-12-27", n_resamples=200
    )


def test_a_true_model_is_calibrated(true_world):
    """Total and tenths within Monte Carlo error (four standard errors of 22 figures; the fit adds a little)."""
    for target in ("purchases", "value"):
        model = true_world.figures(target)
        actual = true_world.customers[target]
        error = actual.std() / np.sqrt(len(actual)) / actual.mean()
        assert abs(model["ratio"] - 1) < 4 * error
        assert error < 0.06
    tenths = true_world.calibration.query("target == 'purchases' and method == 'model'")
    spread = (tenths["actual_high"] - tenths["actual_mean"]) / 1.645
    assert (abs(tenths["predicted_mean"] - tenths["actual_mean"]) < 4 * spread).all()


def test_a_true_model_beats_naive_forecasts(true_world):
    verdict = true_world.comparisons.query("target == 'purchases'").set_index(["measure", "baseline"])["verdict"]
    assert verdict["total_error", "historical_rate"] == "better"
    assert verdict["rmse", "historical_rate"] == "better"
    assert verdict["rmse", "last_period"] == "better"


# --- what can go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scorer", "error", "message"),
    [
        (CLVScorer, TypeError, r"got the class CLVScorer: pass CLVScorer\(...\)"),
        ("bg_nbd", TypeError, r"must be a Scorer such as CLVScorer\(\), got str"),
        (DummyScorer(), ValueError, "DummyScorer has no parameter horizon_days"),
    ],
)
def test_scorers_that_cannot_be_tested(scorer, error, message):
    with pytest.raises(error, match=message):
        backtest_clv(SMALL, scorer, **COLUMNS, **SPLIT)


class Doubting(Stub):
    def _fit(self, X, y):
        self.diagnosis_ = ("only 4 customers.",)
        warnings.warn("doubtful", FitDiagnosisWarning, stacklevel=2)
        return super()._fit(X, y)


def test_what_the_scorer_says_is_in_the_notes():
    """As a note, not as a warning, which the settings of these tests would turn into an error."""
    found = backtest_clv(SMALL, Doubting(), **COLUMNS, **SPLIT)
    assert found.notes[-1] == "the scorer says: only 4 customers."


class OnlyValue(Stub):
    def _fit(self, X, y):
        return ["clv", "worth"]


def test_a_scorer_without_expected_purchases():
    with pytest.raises(ValueError, match="OnlyValue gives clv, worth, no expected_purchases"):
        backtest_clv(SMALL, OnlyValue(), **COLUMNS, **SPLIT)


def test_a_scorer_without_value_is_compared_by_purchases():
    found = backtest_clv(SMALL, Stub(names=()), **COLUMNS, **SPLIT)
    assert found.targets == ("purchases",)
    assert "the scorer gives no clv, so only purchases are compared." in found.notes


def test_a_holdout_of_refunds_has_no_value():
    orders = pd.concat([SMALL, orders_of([("d", "2024-01-29", -500.0)])])
    found = backtest_clv(orders, Stub(), **COLUMNS, **SPLIT)
    assert found.targets == ("purchases",)
    assert "the value of the holdout is -453.00, so only purchases are compared." in found.notes


def test_money_asked_of_orders_without_amount():
    with pytest.raises(ColumnError, match=r"monetary_value.*The orders have no amount here: name it"):
        backtest_clv(SMALL, CLVScorer(), **NO_MONEY, **SPLIT)


def test_the_default_scorer_follows_the_amount():
    found = backtest_clv(load_cdnow(), **NO_MONEY, calibration_end="1997-09-30", n_resamples=100)
    assert found.scorer.spend_model is None
    assert found.targets == ("purchases",)
    assert "past_spend" not in found.customers
    with pytest.raises(ValueError, match=r"target must be 'purchases', got 'value'. There is no money here"):
        found.figures("value")


def test_nobody_bought_in_the_holdout():
    orders = orders_of([("a", "2024-01-01", 1.0), ("a", "2024-01-09", 1.0), ("b", "2024-02-01", 1.0)])
    with pytest.raises(ValueError, match="none of the 1 customer of the calibration bought in the holdout of 12 days"):
        backtest_clv(orders, Stub(), **COLUMNS, calibration_end="2024-01-20")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"level": 90}, "level must lie between 0 and 1, got 90; 90 % is 0.9"),
        ({"n_resamples": 10}, "n_resamples must be a whole number of at least 100, got 10"),
        ({"n_resamples": 1e3}, "n_resamples must be a whole number"),
        ({"calibration_end": None}, "calibration_end must be given"),
        ({"calibration_end": "2023-01-01"}, "lies before the first order"),
        ({"refunds": "raise"}, "orders has 2 refunds"),
        ({"granularity": "M"}, "granularity must be one of"),
    ],
)
def test_settings_that_mean_nothing(wrong, message):
    with pytest.raises(ValueError, match=message):
        backtest_clv(SMALL, Stub(), **{**COLUMNS, **SPLIT, **wrong})


def test_resamples_by_default(small):
    default = backtest_clv(SMALL, Stub(), **COLUMNS, **{**SPLIT, "n_resamples": None})
    assert (default.n_resamples, small.n_resamples) == (1000, 100)


def test_names_of_targets_and_methods(small):
    with pytest.raises(ValueError, match="target must be 'purchases' or 'value', got 'money'"):
        small.plot_capture(target="money")
    with pytest.raises(ValueError, match="method must be one of 'model', 'historical_rate'"):
        small.figures("value", "magic")


# --- the result as an object -----------------------------------------------------------------------------------------


def test_the_result_is_a_value(small):
    assert isinstance(small, CLVBacktest)
    with pytest.raises(FrozenInstanceError):
        small.level = 0.5
    assert small.to_pandas() is not small.measures
    assert small.to_pandas().equals(small.measures)
    plain = json.loads(json.dumps(small.to_dict(), allow_nan=False))
    assert plain["orders"]["calibration_end"] == "2024-01-20"
    assert plain["measures"][0]["predicted"] == 2
    assert plain["tracking"][0]["first_day"] == "2024-01-01"
    assert plain["tracking"][0]["model"] is None
    assert len(plain["verdicts"]) == len(small.comparisons)


def test_html_is_escaped(small):
    class Tagged(Stub):
        def __repr__(self, **_):
            return "<script>"

    found = backtest_clv(SMALL, Tagged(), **COLUMNS, **SPLIT)._repr_html_()
    assert "<script>" not in found
    assert "&lt;script&gt;" in found
    assert "ranking by past spend" in found


def test_totals_in_words(small):
    assert "Purchases in the holdout: 2 predicted, 3 happened: the model under-predicts by 33.3 %." in str(small)
    twice = backtest_clv(SMALL, Stub(rate=0.3), **COLUMNS, **SPLIT)
    assert "6 predicted, 3 happened: the model over-predicts by 100.0 %." in str(twice)
    exact = backtest_clv(SMALL, Stub(rate=0.15), **COLUMNS, **SPLIT)
    assert "the model predicts the total to within half a percent." in str(exact)


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def agg():
    matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    matplotlib.use("Agg")
    yield matplotlib
    import matplotlib.pyplot as plt

    plt.close("all")


def test_one_figure_with_all_panels(small, cdnow, agg):
    from matplotlib.figure import Figure

    figure = cdnow.plot()
    figure.canvas.draw()
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[:2] == ["Repeat purchases per week", "Repeat purchases since the beginning"]
    assert len(titles) == 6
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    own = Figure(figsize=(10, 12), layout="constrained")
    assert small.plot(own) is own
    own.canvas.draw()  # negative spend on the scale by roots


def test_tracking_picture_shows_the_table(cdnow, agg):
    ax = cdnow.plot_tracking()
    shown = [line.get_ydata() for line in ax.get_lines()]
    assert np.array_equal(shown[0], cdnow.tracking["actual"])
    assert np.array_equal(shown[1], cdnow.tracking["model"].dropna())
    assert len(shown[2]) == 39
    words = {text.get_text() for text in ax.texts}
    assert words == {"happened", "model", "historical rate", "last period again", "calibration", "holdout"}
    total = cdnow.plot_tracking(cumulative=True)
    assert total.get_lines()[0].get_ydata()[-1] == 2457 + 1882


def test_incomplete_weeks_are_not_drawn(small, agg):
    ax = small.plot_tracking()
    assert len(ax.get_lines()[0].get_ydata()) == 3


def test_capture_picture_names_the_best_tenth(cdnow, agg):
    import matplotlib.pyplot as plt

    ax = plt.figure().subplots()
    assert cdnow.plot_capture(ax, target="value") is ax
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    share = 100 * cdnow.figures("value")["best_decile"]
    assert words[0] == f"model: {share:.1f} %"
    assert words[3].startswith("past spend: 48.1 %")


def test_calibration_picture(cdnow, agg):
    ax = cdnow.plot_calibration()
    points = ax.containers[0].lines[0].get_xydata()
    rows = cdnow.calibration.query("target == 'purchases' and method == 'model'")
    assert points == pytest.approx(rows[["predicted_mean", "actual_mean"]].to_numpy())


def test_no_matplotlib(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "customer-segments\[plot\]"'):
        small.plot()


@pytest.mark.parametrize("model", ["mbg_cnbd", "pareto_nbd"])
def test_every_purchase_model_can_be_backtested(model):
    result = backtest_clv(
        load_cdnow(), CLVScorer(model), customer_id="customer_id", timestamp="timestamp", amount="amount",
        calibration_end="1997-09-30", n_resamples=100,
    )  # fmt: skip
    assert 1500 < result.figures("purchases")["predicted"] < 1800
    assert result.tracking["model"].notna().all()


def test_covariates_come_from_a_table_of_customers():
    orders = load_cdnow()
    rng = np.random.default_rng(0)
    ids = pd.Index(orders["customer_id"].unique(), name="customer_id")
    customers = pd.DataFrame({"z": rng.normal(size=len(ids))}, index=ids)
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    settings = columns | {"calibration_end": "1997-09-30", "n_resamples": 100}
    scorer = CLVScorer("bg_nbd", covariates=["z"])
    result = backtest_clv(orders, scorer, customers=customers, **settings)
    assert result.figures("purchases")["predicted"] == pytest.approx(1653, rel=0.03)
    with pytest.raises(ColumnError, match=r"missing: 'z'.*backtest_clv\(\.\.\., customers=table\)"):
        backtest_clv(orders, scorer, **settings)
    with pytest.raises(CustomerTableError, match="7 of 2,357 customers of the calibration are not in customers"):
        backtest_clv(orders, scorer, customers=customers.iloc[7:], **settings)
    with pytest.raises(ColumnError, match="made from the orders: 'T'"):
        backtest_clv(orders, scorer, customers=customers.assign(T=1.0), **settings)
