"""Several scores in one: against the distribution of fit, never against the table at hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.base import clone

from segmentation import Scorer
from segmentation.scorers import CompositeScorer, DummyScorer, RFMScorer
from segmentation.testing import check_scorer, make_customers


class Column(Scorer):
    """One column as a score; missing where the value is negative."""

    def __init__(self, position=0, higher_is_better=True):
        self.position = position
        self.higher_is_better = higher_is_better

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.higher_is_better = self.higher_is_better
        return tags

    def _fit(self, X, y):
        return ["column"]

    def _scores(self, X):
        return X[:, [self.position % X.shape[1]]]


class Sometimes(Column):
    def _scores(self, X):
        scores = super()._scores(X)
        return np.where(scores < 0, np.nan, scores)


def test_ranks_by_hand():
    X = np.array([[1.0, 10.0], [2.0, 30.0], [2.0, 20.0], [5.0, 40.0]])
    model = CompositeScorer(
        [("up", Column(0)), ("down", Column(1, higher_is_better=False))], weights={"up": 3, "down": 1}
    )
    scores = model.fit(X).score_customers(X)
    assert scores["up"].tolist() == [0.125, 0.5, 0.5, 0.875]
    assert scores["down"].tolist() == [0.875, 0.375, 0.625, 0.125]
    assert scores["composite"].tolist() == pytest.approx([0.3125, 0.46875, 0.53125, 0.6875])
    assert model.weights_ == {"up": 0.75, "down": 0.25}
    assert scores.columns.tolist() == ["composite", "up", "down"]


def test_new_customers_are_compared_with_those_of_fit():
    model = CompositeScorer([("up", Column())]).fit(np.arange(10.0)[:, None])
    assert model.score_samples([[-1.0], [4.5], [99.0]]).tolist() == [0.0, 0.5, 1.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.sampled_from(["rank", "zscore"]))
def test_one_customer_gets_the_same_number_as_among_all(values, normalization):
    X = np.array(values)[:, None]
    model = CompositeScorer([("a", Column()), ("b", Column(higher_is_better=False))], normalization=normalization).fit(
        X
    )
    everybody = model.transform(X)
    alone = np.vstack([model.transform(row[None, :]) for row in X])
    np.testing.assert_array_equal(everybody, alone)
    if normalization == "rank":
        np.testing.assert_allclose(everybody[:, 1], (rankdata(X[:, 0]) - 0.5) / len(X))
        np.testing.assert_allclose(everybody[:, 0], 0.5)  # up and down cancel
    else:
        spread = X.std()
        if spread > 1e-6 * max(1, abs(X).max()):
            np.testing.assert_allclose(everybody[:, 1], (X[:, 0] - X.mean()) / spread, atol=1e-6)


def test_missing_parts_make_no_composite():
    X = np.array([[1.0], [-1.0], [3.0]])
    scores = CompositeScorer([("sometimes", Sometimes()), ("always", Column())]).fit(X).score_customers(X)
    assert scores["composite"].isna().tolist() == [False, True, False]
    assert scores["always"].notna().all()
    with pytest.raises(ValueError, match="missing for every customer of fit"):
        CompositeScorer([("sometimes", Sometimes())]).fit(-np.ones((3, 1)))


def test_parameters_reach_the_parts():
    model = CompositeScorer([("rfm", RFMScorer(bins=3)), ("flat", DummyScorer(1.0))])
    assert model.get_params()["rfm__bins"] == 3
    changed = clone(model).set_params(rfm__bins=4, flat=DummyScorer(2.0))
    assert changed.get_params()["rfm"].bins == 4
    assert changed.get_params()["flat"].constant == 2.0
    assert model.get_params()["rfm"].bins == 3
    assert "CompositeScorer" in repr(model)


def test_tables_and_arrays():
    customers = make_customers(60)
    model = CompositeScorer([("fine", RFMScorer()), ("coarse", RFMScorer(bins=2))]).fit(customers)
    assert model.feature_names_in_.tolist() == ["days_since_last_purchase", "n_purchases", "total_spend"]
    assert not [r for r in check_scorer(clone(model)) if r.status == "failed"]
    arrays = CompositeScorer([("a", Column()), ("b", DummyScorer())], normalization="zscore")
    results = check_scorer(arrays)
    assert not [r for r in results if r.status == "failed"]
    assert sum(r.check.startswith("sklearn.") for r in results) > 30


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scorers": []}, ValueError, "scorers must be a list"),
        ({"scorers": [("a", 3)]}, TypeError, r"\('a', 3\) is not such a pair"),
        ({"scorers": [("a", Column()), ("a", Column())]}, ValueError, "unique"),
        ({"scorers": [("composite", Column())]}, ValueError, "'composite' is the name of the result"),
        ({"scorers": [("a", Column())], "weights": {"b": 1}}, ValueError, "scorers 'a', weights 'b'"),
        ({"scorers": [("a", Column())], "weights": {"a": 0}}, ValueError, "weight of 'a' must be a positive number"),
        (
            {"scorers": [("a", Column())], "normalization": "max"},
            ValueError,
            "normalization must be 'rank' or 'zscore'",
        ),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        CompositeScorer(**arguments).fit(pd.DataFrame({"x": [1.0, 2.0]}))


@pytest.mark.parametrize(
    "scorers", [[Column()], {"value": Column()}, {"ab": Column()}, [("a", Column()), ("a", Column())], 3]
)
def test_natural_mistakes_get_a_clear_error(scorers):
    with pytest.raises((TypeError, ValueError), match="scorers must"):
        CompositeScorer(scorers).fit(pd.DataFrame({"x": [1.0, 2.0]}))
