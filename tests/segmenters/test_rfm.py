"""RFM segments and scores against hand-made tables and an independent computation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation import assign, datasets, features
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning
from segmentation.scorers import RFMScorer
from segmentation.segmenters import RFMSegmenter
from segmentation.testing import check_scorer, check_segmenter

COLUMNS = ["days_since_last_purchase", "n_purchases", "total_spend"]


def table(rows):
    return pd.DataFrame(rows, columns=COLUMNS, dtype=float).rename_axis(index="customer_id")


@pytest.fixture(scope="module")
def cdnow():
    orders = datasets.load_cdnow()
    return features.rfm_table(orders, customer_id="customer_id", timestamp="timestamp", amount="amount")


def test_scores_equal_a_hand_made_table():
    """Ten customers; quintiles of 1..10 are 2.8, 4.6, 6.4, 8.2 (numpy's default definition)."""
    customers = table([(10 * i, i, 100 * i) for i in range(1, 11)])
    scorer = RFMScorer().fit(customers)
    expected_f = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    scores = scorer.score_customers(customers)
    assert scores["f_score"].tolist() == expected_f
    assert scores["m_score"].tolist() == expected_f
    assert scores["r_score"].tolist() == [6 - f for f in expected_f]
    assert scores["rfm_score"].tolist() == [6 + f for f in expected_f]
    assert scorer.cuts_.loc["n_purchases", ["cut_1", "cut_2", "cut_3", "cut_4"]].tolist() == pytest.approx(
        [2.8, 4.6, 6.4, 8.2]
    )


def test_segments_equal_a_hand_made_table():
    cuts = dict.fromkeys(COLUMNS, (1, 2, 3, 4))  # days 1 -> r 5, ..., days 5 -> r 1; others score their value
    wanted = {
        (1, 5, 5): "champions",
        (1, 4, 3): "champions",  # fm (4 + 3) / 2 = 3.5, rounded half up
        (1, 1, 1): "new",
        (2, 1, 1): "promising",
        (2, 3, 3): "potential loyalists",
        (1, 2, 2): "potential loyalists",
        (2, 5, 4): "loyal",
        (3, 4, 4): "loyal",
        (3, 3, 3): "need attention",
        (3, 2, 1): "about to sleep",
        (4, 5, 5): "cannot lose",
        (5, 3, 4): "at risk",
        (5, 1, 2): "hibernating",
    }
    customers = table(list(wanted))
    model = RFMSegmenter(bins=cuts).fit(customers)
    assert assign(model, customers)["segment"].tolist() == list(wanted.values())


def test_standard_map_is_exclusive_and_exhaustive():
    cuts = dict.fromkeys(COLUMNS, (1, 2, 3, 4))
    every = table([(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)])
    model = RFMSegmenter(bins=cuts).fit(every)
    membership = model.transform(every)
    assert (membership.sum(axis=1) == 1).all()
    assert (membership.sum(axis=0) > 0).all()
    assert len(model.segments_) == 10


def test_cdnow_frequency_cuts_are_fixed(cdnow):
    """51.7 % of the customers bought once: the quintile cuts are 1, 1, 2, 4, so the fixed ones step in."""
    assert np.quantile(cdnow["n_purchases"], [0.2, 0.4, 0.6, 0.8]).tolist() == [1, 1, 2, 4]
    model = RFMSegmenter().fit(cdnow)
    assert model.cuts_.loc["n_purchases", "source"] == "fixed"
    f = RFMScorer().fit(cdnow).score_customers(cdnow)["f_score"]
    n = cdnow["n_purchases"]
    hand = np.select([n == 1, n == 2, n <= 4, n <= 9], [1, 2, 3, 4], 5)
    assert (f == hand).all()
    assert (model.score_counts_.sum() == len(cdnow)).all()


def test_scores_equal_pandas_cut_on_cdnow(cdnow):
    """An independent way to bins closed on the right."""
    model = RFMScorer().fit(cdnow)
    scores = model.score_customers(cdnow)
    for column, score, labels in ((COLUMNS[0], "r_score", [5, 4, 3, 2, 1]), (COLUMNS[2], "m_score", [1, 2, 3, 4, 5])):
        edges = [-np.inf, *np.quantile(cdnow[column], [0.2, 0.4, 0.6, 0.8]), np.inf]
        hand = pd.cut(cdnow[column], edges, labels=labels).astype(int)
        assert (scores[score] == hand).all()


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.FitDiagnosisWarning")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), st.integers(-50, 200)), min_size=1, max_size=60),
    st.integers(2, 10),
)
def test_properties(rows, bins):
    """Equal values get equal scores, scores rise with the value, and do not depend on who else is scored."""
    customers = table(rows)
    model = RFMScorer(bins=bins).fit(customers)
    scores = model.score_customers(customers)
    for column, score in zip(COLUMNS, ["r_score", "f_score", "m_score"], strict=True):
        assert scores[score].between(1, bins).all()
        direction = -1 if score == "r_score" else 1
        ordered = scores[score].to_numpy()[np.argsort(direction * customers[column].to_numpy(), kind="stable")]
        assert (np.diff(ordered) >= 0).all()
        assert scores.groupby(customers[column])[score].nunique().max() == 1
    assert model.score_customers(customers.iloc[[0]]).equals(scores.iloc[[0]])


def test_empty_scores_are_reported():
    customers = table([(d, 1 + d, 10.0) for d in range(10)] + [(5, 3, 99.0)])
    with pytest.warns(FitDiagnosisWarning, match=r"total_spend: 2, 3, 4"):
        model = RFMSegmenter().fit(customers)
    assert model.score_counts_["total_spend"].tolist() == [10, 0, 0, 0, 1]


def test_own_segments_and_bins():
    customers = table([(1, 1, 5), (1, 3, 50), (9, 3, 50), (9, 1, 5)])
    model = RFMSegmenter(
        bins={"days_since_last_purchase": (5,), "n_purchases": (2,), "total_spend": (20,)},
        segments={"vip": {"r": 2, "f": 2}, "asleep": {"r": (1, 1)}},
    ).fit(customers)
    assert assign(model, customers)["segment"].tolist() == ["unassigned", "vip", "asleep", "asleep"]
    assert model.predict(customers).tolist() == [-1, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "bins must be between 2 and 10, got 1"),
        ({"bins": "five"}, "bins must be an integer, or a mapping"),
        ({"bins": {"spend": (1, 2)}}, "bins names 'spend'; the RFM columns are"),
        ({"bins": {"n_purchases": (2, 2)}}, "must be finite and ascend"),
        ({"bins": {"n_purchases": "ab"}}, "must be a sequence of numbers"),
        ({"bins": {"n_purchases": (1,), "total_spend": (1, 2)}}, "same number of cut points"),
        ({"segments": "usual"}, "segments must be 'standard' or a mapping"),
        ({"segments": {"a": {"r": 5}, "b": {"f": 5}}}, "'a', 'b' overlap: both take the scores r=5, f=5, m=1"),
        ({"segments": {"a": {"q": 5}}}, r"segments\['a'\]\['q'\] is 5"),
        ({"segments": {"a": {"r": (4, 6)}}}, r"range \(low, high\) within 1..5"),
        ({"segments": {"a": 5}}, "must be a mapping such as"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        RFMSegmenter(**arguments).fit(table([(i, i, i) for i in range(1, 11)]))


def test_bad_customers():
    good = table([(1, 1, 5), (2, 3, 50)])
    with pytest.raises(ColumnError, match="missing: 'total_spend'"):
        RFMSegmenter().fit(good.drop(columns="total_spend"))
    with pytest.raises(CustomerTableError, match=r"column 'total_spend' must be finite .* for 1: 1"):
        RFMScorer(bins=2).fit(good).score_samples(good.assign(total_spend=[1.0, np.inf]))
    with pytest.raises(CustomerTableError, match=r"cannot use missing values .* 'total_spend': 1; 1 customer: 1"):
        RFMScorer(bins=2).fit(good).score_samples(good.assign(total_spend=[1.0, np.nan]))
    for name, value in (("n_purchases", 0.5), ("days_since_last_purchase", -1.0)):
        with pytest.raises(CustomerTableError, match=f"column {name!r} must be at least"):
            RFMSegmenter(bins=2).fit(good.assign(**{name: [5.0, value]}))
    with pytest.raises(CustomerTableError, match="'n_purchases' must hold numbers"):
        RFMScorer(bins=2).fit(good.assign(n_purchases=["a", "b"]))


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.FitDiagnosisWarning")
def test_kit(cdnow):
    for plugin in (RFMSegmenter(), RFMSegmenter(3), RFMSegmenter(segments={"vip": {"r": (4, 5), "fm": (4, 5)}})):
        assert {r.status for r in check_segmenter(plugin)} == {"passed"}
        assert {r.status for r in check_segmenter(plugin, cdnow.iloc[:300])} == {"passed"}
    assert {r.status for r in check_scorer(RFMScorer())} == {"passed", "skipped"}


def test_the_cause_of_an_empty_score_is_that_of_its_cuts():
    few = table([(d, 1 + d % 2, 10.0 + d) for d in range(20)])
    with pytest.warns(FitDiagnosisWarning, match=r"n_purchases: 3, 4, 5 \(nobody is between the fixed cuts\)"):
        RFMSegmenter().fit(few)
    with pytest.warns(FitDiagnosisWarning, match=r"n_purchases: 3, 4, 5 \(nobody is between the cuts given\)"):
        RFMSegmenter(bins={"n_purchases": (1, 2, 4, 9)}).fit(few)
