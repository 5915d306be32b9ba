"""Draws of segments: totals within each draw, chunks, and how sure an order is."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.pipeline import make_pipeline

import segmentation as sg
from segmentation import Scorer, draws, rank_probability, sample_segments
from segmentation.datasets import load_cdnow
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features import btyd_table
from segmentation.scorers import CLVScorer, DummyScorer


class Noisy(Scorer):
    """Score x; draws are x plus noise of sd 1 per customer and a shared one of sd 0.5."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.draws = True
        return tags

    def _fit(self, X, y):
        return ["value"]

    def _scores(self, X):
        return np.asarray(X, dtype=float)[:, :1]

    def _sample(self, X, n_draws, rng):
        x = np.asarray(X, dtype=float)[:, 0]
        return x + rng.normal(0, 0.5, (n_draws, 1)) + rng.normal(size=(n_draws, len(x)))


@pytest.fixture
def customers():
    index = pd.Index([f"c{i}" for i in range(60)], name="customer_id")
    return pd.DataFrame({"x": np.arange(60.0)}, index=index)


@pytest.fixture
def segment(customers):
    names = pd.Categorical(["low"] * 20 + ["high"] * 30 + ["unassigned"] * 10, categories=["high", "low", "unassigned"])
    return pd.Series(names, index=customers.index, name="segment")


def test_totals_are_added_within_each_draw(customers, segment):
    scorer = Noisy().fit(customers)
    shuffled = customers.sample(frac=1, random_state=1)
    totals = sample_segments(scorer, shuffled, segment, n_draws=50, random_state=3)
    single = scorer.sample_customers(shuffled, 50, np.random.RandomState(3))
    assert list(totals.columns) == ["high", "low", "unassigned"]
    assert (totals.columns.name, totals.index.name) == ("segment", "draw")
    theirs = segment.reindex(shuffled.index)
    for name in totals:
        np.testing.assert_allclose(totals[name], single[:, (theirs == name).to_numpy()].sum(axis=1))


def test_chunks_change_nothing_in_distribution(customers, segment, monkeypatch):
    scorer = Noisy().fit(customers)
    whole = sample_segments(scorer, customers, segment, n_draws=3000, random_state=0)
    monkeypatch.setattr(draws, "LARGEST_CHUNK", 60 * 7)
    parts = sample_segments(scorer, customers, segment, n_draws=3000, random_state=0)
    assert len(parts) == 3000
    assert parts.drop_duplicates().shape == parts.shape  # no chunk repeats another
    # sd of a total: sqrt(n + (n / 2)^2); means within 4 standard errors, spreads within 6 %
    for name, n in (("high", 30), ("low", 20)):
        sd = np.sqrt(n + (n / 2) ** 2)
        assert abs(parts[name].mean() - whole[name].mean()) < 4 * sd * np.sqrt(2 / 3000)
        assert parts[name].std() == pytest.approx(sd, rel=0.06)


def test_seed_decides(customers, segment):
    scorer = Noisy().fit(customers)
    first, again, other = (sample_segments(scorer, customers, segment, n_draws=5, random_state=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first, other)


def test_pipeline_and_no_unassigned(customers, segment):
    from sklearn.preprocessing import FunctionTransformer

    model = make_pipeline(FunctionTransformer(), Noisy()).fit(customers)
    everybody = segment.cat.remove_categories("unassigned").fillna("low")
    assert list(sample_segments(model, customers, everybody, n_draws=2).columns) == ["high", "low"]


def test_profile_takes_totals_of_segments(customers, segment):
    scorer = Noisy().fit(customers)
    single = scorer.sample_customers(customers, 200, np.random.RandomState(0))
    totals = sample_segments(scorer, customers, segment, n_draws=200, random_state=0)
    value = scorer.score_customers(customers)
    by_customer = sg.profile_segments(segment, scores=value, draws=single)
    by_segment = sg.profile_segments(segment, scores=value, draws={"value": totals})
    pd.testing.assert_frame_equal(by_customer, by_segment)


def test_profile_refuses_totals_of_other_segments(customers, segment):
    totals = sample_segments(Noisy().fit(customers), customers, segment, n_draws=5)
    value = Noisy().fit(customers).score_customers(customers)
    with pytest.raises(ColumnError, match="not those of this assignment: unknown segments 'other'"):
        sg.profile_segments(segment, scores=value, draws=totals.rename(columns={"low": "other"}))
    with pytest.raises(ColumnError, match="none for 'low'"):
        sg.profile_segments(segment, scores=value, draws=totals.drop(columns="low"))


def test_what_cannot_be_drawn(customers, segment):
    with pytest.raises(TypeError, match="DummyScorer draws nothing"):
        sample_segments(DummyScorer().fit(customers), customers, segment)
    with pytest.raises(CustomerTableError, match=r"10 of 60 customers are not in the assignment \('c50'"):
        sample_segments(Noisy().fit(customers), customers, segment.iloc[:50])
    for n_draws in (0, 2.5, True):
        with pytest.raises(ValueError, match=f"n_draws must be a positive integer, got {n_draws}"):
            sample_segments(Noisy().fit(customers), customers, segment, n_draws=n_draws)


def test_interval_of_a_total_is_far_narrower_than_the_sum_of_bounds():
    """The figures that the profile page quotes: bounds of customers are never summed."""
    table = btyd_table(load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
    scorer = CLVScorer().fit(table)
    single = scorer.sample_customers(table, 200, 0)
    low, high = np.quantile(single, [0.05, 0.95], axis=0).sum(axis=1)
    total = np.quantile(single.sum(axis=1), [0.05, 0.95])
    assert high - low > 5 * (total[1] - total[0])
    expected = scorer.score_samples(table).sum()
    assert total[0] < expected < total[1]


# --- rank_probability ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=8))
def test_ranks_are_those_counted_by_hand(rows):
    table = pd.DataFrame(rows, columns=["a", "b", "c"], dtype=float)
    pairs, ranks = rank_probability(table), rank_probability(table, kind="ranks")
    np.testing.assert_allclose(pairs + pairs.T, 1.0)
    np.testing.assert_allclose(ranks.sum(axis=0), 1.0)
    np.testing.assert_allclose(ranks.sum(axis=1), 1.0)
    # a mean rank is one more than the expected number of segments above
    np.testing.assert_allclose(ranks @ np.arange(1, 4), 1 + pairs.T.sum(axis=1) - 0.5)
    np.testing.assert_allclose(ranks @ np.arange(1, 4), rankdata(-table, axis=1).mean(axis=0))


def test_known_probability():
    """Normal totals: P(A > B) = Phi(difference / sd of the difference)."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"A": rng.normal(1, 1, 20_000), "B": rng.normal(0, 1, 20_000), "unassigned": 99.0})
    found = rank_probability(table)
    assert list(found.columns) == ["A", "B"]
    assert found.loc["A", "B"] == pytest.approx(0.7602, abs=0.012)
    assert rank_probability(table, kind="ranks").loc["A", 1] == found.loc["A", "B"]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ([[1.0]], TypeError, "one column per segment, got list"),
        (pd.DataFrame({"a": [np.nan], "b": [1.0]}), ColumnError, "missing or infinite for 'a'"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), ColumnError, "one column per segment"),
        (pd.DataFrame({"a": []}), ColumnError, "need rows"),
    ],
)
def test_draws_that_are_none(table, error, message):
    with pytest.raises(error, match=message):
        rank_probability(table)
    with pytest.raises(ValueError, match="kind must be 'pairs' or 'ranks', got 'best'"):
        rank_probability(pd.DataFrame({"a": [1.0]}), kind="best")


# --- CLVScorer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mbg_nbd", "bg_nbd", "pareto_nbd", "mbg_cnbd"])
def test_means_of_clv_draws_are_the_scores(model):
    table = btyd_table(load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
    scorer = CLVScorer(model, horizon_days=180, annual_discount_rate=0.1, margin=0.4).fit(table)
    for spend in (True, False):
        if not spend:
            with warnings.catch_warnings():
                scorer = CLVScorer(model, horizon_days=180, spend_model=None).fit(table)
        totals = scorer.sample_customers(table, 400, 0).sum(axis=1)
        expected = scorer.score_samples(table).sum()
        # parameters are drawn too, which moves the mean of a total by little
        assert totals.mean() == pytest.approx(expected, rel=0.02)


def test_unlimited_horizon_draws():
    table = btyd_table(load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
    scorer = CLVScorer("pareto_nbd", horizon_days=np.inf, annual_discount_rate=0.3).fit(table)
    totals = scorer.sample_customers(table, 400, 0).sum(axis=1)
    assert totals.mean() == pytest.approx(scorer.score_samples(table).sum(), rel=0.03)


def test_draws_of_other_settings_are_refused():
    table = btyd_table(load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
    segment = table["frequency"].gt(0).map({True: "again", False: "once"}).rename("segment")
    scorer = CLVScorer(currency="USD").fit(table)
    totals = sample_segments(scorer, table, segment, n_draws=60, random_state=0)
    assert totals.attrs == {"score": "clv", "n_without_score": 0, "currency": "USD"}
    value = scorer.score_customers(table)
    # they find their score wherever it stands
    profile = sg.profile_segments(segment, scores=value[["p_alive", "clv"]], draws=totals)
    assert "clv_total_low" in profile
    assert "p_alive_total_low" not in profile
    with pytest.raises(ColumnError, match="draws for 'clv', which is no score"):
        sg.profile_segments(segment, scores=value[["p_alive"]], draws=totals)
    soon = scorer.set_params(horizon_days=60).score_customers(table)
    with pytest.raises(ValueError, match=r"made with other settings \(horizon, margin, discount rate\)"):
        sg.profile_segments(segment, scores=soon, draws=totals)


def test_many_draws_of_many_segments():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(5000, 120)), columns=[f"s{i}" for i in range(120)])
    ranks = rank_probability(table, kind="ranks")
    np.testing.assert_allclose(ranks.sum(axis=1), 1.0)
    huge = rank_probability(pd.DataFrame({"a": [1e308], "b": [-1e308]}))
    assert huge.loc["a", "b"] == 1.0
    with pytest.raises(ColumnError, match="draws must be numbers; 'a' are not"):
        rank_probability(pd.DataFrame({"a": ["x"], "b": [1.0]}))


def test_customers_without_a_score_add_nothing_and_are_counted(customers, segment):
    class Partly(Noisy):
        def _sample(self, X, n_draws, rng):
            draws = super()._sample(X, n_draws, rng)
            draws[:, :3] = np.nan
            return draws

    totals = sample_segments(Partly().fit(customers), customers, segment, n_draws=5, random_state=0)
    assert totals.attrs["n_without_score"] == 3
    assert np.isfinite(totals).all(axis=None)


def test_arrays_and_mappings_of_draws():
    worlds = {"a": [3.0, 1.0, 2.0], "b": [1.0, 2.0, 1.0]}
    expected = rank_probability(pd.DataFrame(worlds))
    pd.testing.assert_frame_equal(rank_probability(worlds), expected)
    found = rank_probability(np.column_stack(list(worlds.values())))
    assert list(found.columns) == ["0", "1"]
    np.testing.assert_array_equal(found, expected)
