"""The three interfaces: what the final methods promise, and what a plug-in may not return."""

import pickle
from dataclasses import asdict

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags

from segmentation import Prioritizer, Scorer, Segmenter
from segmentation._tags import ScorerTags, SegmentationTags, SegmenterTags, extend_tags
from segmentation.base import largest_degree
from segmentation.exceptions import ColumnError, CustomerTableError, OutputError

IDS = ["p", "q", "r", "s"]
CUSTOMERS = pd.DataFrame(
    {"x": [0.0, 1.0, 5.0, 9.0], "y": [1.0, 1.0, 2.0, 2.0]}, index=pd.Index(IDS, name="customer_id")
)


class Given(Segmenter):
    """Returns what it is told to."""

    def __init__(self, names=("low", "high"), membership=None, codes=None):
        self.names = names
        self.membership = membership
        self.codes = codes

    def _fit(self, X, y):
        self.y_ = y
        return self.names

    def _membership(self, X):
        if self.membership is not None:
            return self.membership(X)
        high = X[:, 0] > 3
        return np.column_stack([~high, high]) * 0.75

    def _codes(self, X, membership):
        return super()._codes(X, membership) if self.codes is None else self.codes(X)


class GivenScores(Scorer):
    def __init__(self, names=("total", "first"), scores=None, draws=None):
        self.names = names
        self.scores = scores
        self.draws = draws

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.draws = self.draws is not None
        return tags

    def _fit(self, X, y):
        self.y_ = y
        return self.names

    def _scores(self, X):
        return np.column_stack([X.sum(axis=1), X[:, 0]]) if self.scores is None else self.scores(X)

    def _sample(self, X, n_draws, rng):
        return super()._sample(X, n_draws, rng) if self.draws == "forgotten" else self.draws(X, n_draws, rng)


class Named(Segmenter):
    """Needs a table, and of it only two columns."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags

    def _required_columns(self):
        return ["town", "age"]

    def _fit(self, X, y):
        return ["young", "old"]

    def _membership(self, X):
        assert list(X.columns) == ["town", "age"]
        old = X["age"].to_numpy() > 40
        return np.column_stack([~old, old]).astype(float)


class NamedScorer(Scorer):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _fit(self, X, y):
        return ["age"]

    def _scores(self, X):
        return X[["age"]].to_numpy(float)


# --- Segmenter: what comes out


def test_fitted_attributes_have_the_promised_types():
    model = Given().fit(CUSTOMERS)
    assert model.segments_.dtype == object
    assert model.segments_.tolist() == ["low", "high"]
    assert all(type(name) is str for name in Given(np.array(["low", "high"])).fit(CUSTOMERS).segments_)
    assert model.labels_.dtype == np.int64
    assert model.labels_.tolist() == [0, 0, 1, 1]
    assert model.n_features_in_ == 2
    assert model.feature_names_in_.dtype == object
    assert model.feature_names_in_.tolist() == ["x", "y"]


def test_predict_gives_codes_and_transform_degrees():
    model = Given().fit(CUSTOMERS)
    codes = model.predict(CUSTOMERS.head(3))
    assert codes.dtype == np.int64
    assert codes.tolist() == [0, 0, 1]
    degrees = model.transform(CUSTOMERS.head(3))
    assert degrees.dtype == np.float64
    assert degrees.tolist() == [[0.75, 0.0], [0.75, 0.0], [0.0, 0.75]]
    np.testing.assert_array_equal(Given().fit_predict(CUSTOMERS), model.labels_)
    np.testing.assert_array_equal(Given().fit_transform(CUSTOMERS), model.transform(CUSTOMERS))


def test_assign_gives_the_assignment_table():
    table = Given(codes=lambda X: [1, -1, 0, 1][: len(X)]).fit(CUSTOMERS).assign(CUSTOMERS)
    assert table.index.equals(CUSTOMERS.index)
    assert table.index.name == "customer_id"
    assert list(table.columns) == ["segment", "membership"]
    assert table["segment"].tolist() == ["high", "unassigned", "low", "high"]
    assert table["segment"].cat.categories.tolist() == ["low", "high", "unassigned"]
    assert table["membership"].tolist() == [0.0, 0.0, 0.0, 0.75]  # the degree in the assigned segment, not the largest


def test_an_array_gets_row_numbers_as_ids():
    model = Given().fit(CUSTOMERS.to_numpy())
    assert not hasattr(model, "feature_names_in_")
    table = model.assign(CUSTOMERS.to_numpy())
    pd.testing.assert_index_equal(table.index, pd.RangeIndex(4, name="customer_id"))
    assert Given().fit(CUSTOMERS.to_numpy().tolist()).labels_.tolist() == [0, 0, 1, 1]


def test_refitting_on_an_array_forgets_the_names():
    model = Given().fit(CUSTOMERS).fit(CUSTOMERS.to_numpy())
    assert not hasattr(model, "feature_names_in_")


def test_set_output_names_the_columns_after_the_segments():
    model = Given().set_output(transform="pandas").fit(CUSTOMERS)
    table = model.transform(CUSTOMERS)
    assert list(table.columns) == ["low", "high"] == model.get_feature_names_out().tolist()
    assert table.index.tolist() == IDS
    assert list(Given().set_output(transform="pandas").fit_transform(CUSTOMERS).columns) == ["low", "high"]
    assert isinstance(Given().set_output(transform="polars").fit(CUSTOMERS).transform(CUSTOMERS), pl.DataFrame)


def test_fit_assign_is_the_assignment_of_the_customers_learnt_from():
    table = Given().fit_assign(CUSTOMERS)
    pd.testing.assert_frame_equal(table, Given().fit(CUSTOMERS).assign(CUSTOMERS))


def test_get_feature_names_out_is_a_copy():
    model = Given().fit(CUSTOMERS)
    model.get_feature_names_out()[0] = "changed"
    assert model.segments_[0] == "low"


def test_y_reaches_the_hook():
    assert Given().fit(CUSTOMERS, y="outcome").y_ == "outcome"
    assert GivenScores().fit(CUSTOMERS, y="outcome").y_ == "outcome"


@pytest.mark.parametrize("method", ["fit_predict", "fit_transform"])
def test_an_argument_that_nobody_uses_is_refused(method):
    with pytest.raises(TypeError, match="sample_weight"):
        getattr(Given(), method)(CUSTOMERS, sample_weight=[1, 1, 1, 1])


def test_a_soft_row_of_zeros_is_unassigned():
    model = Given(membership=lambda X: np.zeros((len(X), 2))).fit(CUSTOMERS)
    assert model.labels_.tolist() == [-1] * 4
    assert model.assign(CUSTOMERS)["segment"].tolist() == ["unassigned"] * 4


def test_no_segments_at_all_leave_everybody_unassigned():
    model = Given(names=[], membership=lambda X: np.zeros((len(X), 0))).fit(CUSTOMERS)
    assert model.labels_.tolist() == [-1] * 4
    assert model.assign(CUSTOMERS)["segment"].cat.categories.tolist() == ["unassigned"]


def test_one_customer_is_enough():
    model = Given().fit(CUSTOMERS.head(1))
    assert model.assign(CUSTOMERS.head(1))["segment"].to_dict() == {"p": "low"}


def test_no_customers_give_empty_results_without_asking_the_plug_in():
    calls = []

    def membership(X):
        calls.append(len(X))
        return np.zeros((len(X), 2))

    model = Given(membership=membership).fit(CUSTOMERS)
    nobody = CUSTOMERS.head(0)
    assert model.predict(nobody).shape == (0,)
    assert model.transform(nobody).shape == (0, 2)
    assert model.assign(nobody).shape == (0, 2)
    assert model.assign(nobody)["segment"].cat.categories.tolist() == ["low", "high", "unassigned"]
    assert calls == [4]
    with pytest.raises(ColumnError):
        model.predict(nobody[["x"]])
    with pytest.raises(CustomerTableError, match="Given cannot learn from a table without customers"):
        Given().fit(nobody)
    with pytest.raises(ValueError, match="0 sample"):
        Given().fit(np.empty((0, 2)))


def test_membership_is_computed_once_per_call():
    calls = []

    def membership(X):
        calls.append(len(X))
        return np.ones((len(X), 2))

    model = Given(membership=membership).fit(CUSTOMERS)
    assert calls == [4]
    model.assign(CUSTOMERS.head(2))
    assert calls == [4, 2]
    model.predict(CUSTOMERS.head(3))
    assert calls == [4, 2, 3]


def test_the_membership_of_fit_can_be_one_that_fit_knows():
    class Knows(Given):
        def _fit_membership(self, X):
            return np.tile([0.0, 1.0], (len(X), 1))

    model = Knows().fit(CUSTOMERS)
    assert model.labels_.tolist() == [1, 1, 1, 1]
    assert model.predict(CUSTOMERS).tolist() == [0, 0, 1, 1]
    assert Knows().fit_transform(CUSTOMERS).tolist() == [[0.0, 1.0]] * 4


@pytest.mark.parametrize("method", ["predict", "transform", "assign", "get_feature_names_out"])
def test_an_unfitted_segmenter_says_so(method):
    with pytest.raises(NotFittedError, match="This Given instance is not fitted yet"):
        getattr(Given(), method)(CUSTOMERS)


@pytest.mark.parametrize("method", ["score_samples", "transform", "score_customers", "get_feature_names_out"])
def test_an_unfitted_scorer_says_so(method):
    with pytest.raises(NotFittedError, match="This GivenScores instance is not fitted yet"):
        getattr(GivenScores(), method)(CUSTOMERS)


def test_models_clone_and_pickle():
    model = Given().fit(CUSTOMERS)
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(again.assign(CUSTOMERS), model.assign(CUSTOMERS))
    assert not hasattr(clone(model), "segments_")
    scorer = pickle.loads(pickle.dumps(GivenScores().fit(CUSTOMERS)))
    assert scorer.score_samples(CUSTOMERS).tolist() == [1.0, 2.0, 7.0, 11.0]


# --- Segmenter: what a plug-in may not return


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "Given: _fit must return a list of segment names, each a non-empty text; got None"),
        (3, "non-empty text; got 3"),
        ("ab", "non-empty text; got 'ab'"),
        (["a", 1], "got 'a', 1"),
        (["a", None], "got 'a', None"),
        (["a", ""], "got 'a', ''"),
        (["a", "  "], "got 'a', '  '"),
        (["a", "b", "a"], "Given: segment names must be unique; repeated: 'a'"),
        (["a", "unassigned"], "Given: 'unassigned' is the name of being in no segment"),
    ],
)
def test_wrong_segment_names_are_refused(names, message):
    with pytest.raises(OutputError, match=message):
        Given(names).fit(CUSTOMERS)


@pytest.mark.parametrize(
    ("membership", "message"),
    [
        (lambda n: None, r"membership must be numbers of shape \(4, 2\), got object of shape \(\)"),
        (lambda n: np.ones(n), r"shape \(4, 2\), got float64 of shape \(4,\)"),
        (lambda n: np.ones((n, 3)), r"shape \(4, 2\), got float64 of shape \(4, 3\)"),
        (lambda n: np.ones((n - 1, 2)), r"shape \(4, 2\), got float64 of shape \(3, 2\)"),
        (lambda n: [[1.0, 0.0], [1.0]], r"membership must be numbers of shape \(4, 2\): "),
        (lambda n: np.full((n, 2), "1"), "got <U1"),
        (lambda n: np.full((n, 2), 1, dtype=object), "got object of shape"),
        (lambda n: np.full((n, 2), 1j), "got complex128"),
        (lambda n: sparse.csr_matrix(np.ones((n, 2))), r"got object of shape \(\)"),
        (lambda n: np.full((n, 2), np.nan), "membership must be finite; they are not in rows 0, 1, 2, 3"),
        (lambda n: np.array([[0, 1], [0, np.inf], [0, 1], [0, 1]]), "finite; they are not in rows 1"),
        (lambda n: np.full((n, 2), 1.001), r"membership must lie in \[0, 1\], got 1.001 to 1.001"),
        (lambda n: np.full((n, 2), -0.001), r"membership must lie in \[0, 1\], got -0.001 to -0.001"),
    ],
)
def test_wrong_memberships_are_refused_in_fit_and_later(membership, message):
    with pytest.raises(OutputError, match=message):
        Given(membership=lambda X: membership(len(X))).fit(CUSTOMERS)
    model = Given().fit(CUSTOMERS).set_params(membership=lambda X: membership(len(X)))
    for method in ("predict", "transform", "assign"):
        with pytest.raises(OutputError, match=message):
            getattr(model, method)(CUSTOMERS)


def test_rounding_beyond_the_range_is_clipped():
    model = Given(membership=lambda X: np.tile([1 + 1e-12, -1e-12], (len(X), 1))).fit(CUSTOMERS)
    assert model.transform(CUSTOMERS).tolist() == [[1.0, 0.0]] * 4


def test_boolean_and_integer_memberships_are_numbers():
    for one in (True, 1, np.int8(1)):
        model = Given(membership=lambda X, one=one: np.full((len(X), 2), one)).fit(CUSTOMERS)
        assert model.transform(CUSTOMERS).dtype == np.float64


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (lambda n: None, r"codes must be integers of shape \(4,\), got object of shape \(\)"),
        (lambda n: np.zeros(n), "got float64"),
        (lambda n: np.zeros(n, dtype=bool), "got bool"),
        (lambda n: np.full(n, "low"), "got <U3"),
        (lambda n: np.zeros((n, 1), dtype=int), r"of shape \(4, 1\)"),
        (lambda n: np.zeros(n + 1, dtype=int), r"of shape \(5,\)"),
        (lambda n: np.full(n, 2), r"codes must lie in -1\.\.1, got 2 to 2"),
        (lambda n: np.full(n, -2), r"codes must lie in -1\.\.1, got -2 to -2"),
    ],
)
def test_wrong_codes_are_refused_in_fit_and_later(codes, message):
    with pytest.raises(OutputError, match=message):
        Given(codes=lambda X: codes(len(X))).fit(CUSTOMERS)
    model = Given().fit(CUSTOMERS).set_params(codes=lambda X: codes(len(X)))
    for method in ("predict", "assign"):
        with pytest.raises(OutputError, match=message):
            getattr(model, method)(CUSTOMERS)


def test_small_integer_codes_become_int64():
    model = Given(codes=lambda X: np.zeros(len(X), dtype=np.uint8)).fit(CUSTOMERS)
    assert model.labels_.dtype == model.predict(CUSTOMERS).dtype == np.int64


@pytest.mark.parametrize(
    ("membership", "codes"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], [1, 0]),
        ([[0.0, 0.0], [0.0, 1e-300]], [-1, 1]),
        (np.zeros((2, 0)), [-1, -1]),
        (np.zeros((0, 3)), []),
    ],
)
def test_largest_degree(membership, codes):
    result = largest_degree(np.asarray(membership))
    assert result.dtype == np.int64
    assert result.tolist() == codes


# --- estimators that need names


@pytest.mark.parametrize("estimator", [Named(), NamedScorer()])
def test_a_dataframe_only_estimator_refuses_arrays(estimator):
    with pytest.raises(TypeError, match=r"Named\w* needs a table with named columns .* got numpy\.ndarray"):
        estimator.fit(np.eye(2))


def test_only_the_columns_used_are_recorded_and_required():
    people = pd.DataFrame(
        {"name": ["u", "v"], "age": [30, 50], "town": ["a", None], "since": pd.to_datetime(["2024-01-01", None])},
        index=[8, 9],
    )
    model = Named().fit(people)
    assert model.feature_names_in_.tolist() == ["town", "age"]
    assert model.n_features_in_ == 2
    assert model.predict(people[["town", "name", "age"]]).tolist() == [0, 1]
    assert model.predict(pl.from_pandas(people.rename_axis("customer_id").reset_index())).tolist() == [0, 1]
    with pytest.raises(ColumnError, match=r"Named needs columns that are not there; missing: 'age' \(nearest: 'Age'\)"):
        model.predict(people.rename(columns={"age": "Age"}))
    with pytest.raises(ColumnError, match="missing: 'town'"):
        Named().fit(people[["age"]])


def test_without_required_columns_all_are_used():
    scorer = NamedScorer().fit(pd.DataFrame({"age": [1.0], "town": ["a"]}))
    assert scorer.feature_names_in_.tolist() == ["age", "town"]
    assert scorer.score_samples(pd.DataFrame({"town": ["a"], "age": [5.0]})).tolist() == [5.0]


def test_a_dataframe_only_estimator_refuses_no_customers_in_fit_only():
    nobody = pd.DataFrame({"town": [], "age": []})
    with pytest.raises(CustomerTableError, match="Named cannot learn from a table without customers"):
        Named().fit(nobody)
    model = Named().fit(pd.DataFrame({"town": ["a"], "age": [50]}))
    assert model.predict(nobody).tolist() == []
    with pytest.raises(ColumnError, match="missing: 'town'"):
        model.predict(nobody[["age"]])


def test_duplicate_ids_are_refused_by_every_estimator():
    twice = CUSTOMERS.set_axis(["p", "p", "q", "r"])
    for estimator in (Given(), GivenScores()):
        with pytest.raises(CustomerTableError, match="1 customer id stands in more than one row: 'p'"):
            estimator.fit(twice)
        with pytest.raises(CustomerTableError, match="1 customer id stands in more than one row: 'p'"):
            estimator.fit(CUSTOMERS).transform(twice)


# --- Scorer


def test_scores_come_out_in_three_shapes():
    scorer = GivenScores().fit(CUSTOMERS)
    assert scorer.score_names_.tolist() == ["total", "first"]
    assert scorer.score_samples(CUSTOMERS).tolist() == [1.0, 2.0, 7.0, 11.0]
    assert scorer.transform(CUSTOMERS).shape == (4, 2)
    table = scorer.score_customers(CUSTOMERS)
    assert list(table.columns) == ["total", "first"]
    assert table.index.equals(CUSTOMERS.index)
    assert scorer.get_feature_names_out().tolist() == ["total", "first"]
    assert list(GivenScores().set_output(transform="pandas").fit_transform(CUSTOMERS).columns) == ["total", "first"]
    by_row = GivenScores().fit(CUSTOMERS.to_numpy()).score_customers(CUSTOMERS.to_numpy())
    pd.testing.assert_index_equal(by_row.index, pd.RangeIndex(4, name="customer_id"))


def test_a_scorer_has_no_method_that_scikit_learn_would_take_for_model_quality():
    assert not hasattr(GivenScores(), "score")


def test_no_customers_have_no_scores():
    scorer = GivenScores(draws=lambda X, n, rng: np.zeros((n, len(X)))).fit(CUSTOMERS)
    nobody = CUSTOMERS.head(0)
    assert scorer.score_samples(nobody).shape == (0,)
    assert scorer.transform(nobody).shape == (0, 2)
    assert scorer.score_customers(nobody).shape == (0, 2)
    assert scorer.sample_customers(nobody, 7).shape == (7, 0)


def test_a_score_may_be_missing_but_not_infinite():
    scorer = GivenScores(scores=lambda X: np.full((len(X), 2), np.nan)).fit(CUSTOMERS)
    assert np.isnan(scorer.score_samples(CUSTOMERS)).all()
    scorer.set_params(scores=lambda X: np.full((len(X), 2), -np.inf))
    with pytest.raises(OutputError, match="scores must be finite; they are not in rows 0, 1, 2, 3"):
        scorer.score_samples(CUSTOMERS)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "_fit must return a list of score names"),
        ("total", "got 'total'"),
        ([], "GivenScores: _fit must return at least one score name"),
        (["a", "a"], "score names must be unique; repeated: 'a'"),
        ([1.0], "got 1.0"),
    ],
)
def test_wrong_score_names_are_refused(names, message):
    with pytest.raises(OutputError, match=message):
        GivenScores(names).fit(CUSTOMERS)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda n: None, r"scores must be numbers of shape \(4, 2\), got object"),
        (lambda n: np.ones(n), r"of shape \(4,\)"),
        (lambda n: np.ones((n, 1)), r"of shape \(4, 1\)"),
        (lambda n: np.full((n, 2), "a"), "got <U1"),
    ],
)
def test_wrong_scores_are_refused(scores, message):
    scorer = GivenScores(scores=lambda X: scores(len(X))).fit(CUSTOMERS)
    for method in ("score_samples", "transform", "score_customers"):
        with pytest.raises(OutputError, match=message):
            getattr(scorer, method)(CUSTOMERS)


def test_draws_exist_only_where_the_tag_says_so():
    assert not hasattr(GivenScores(), "sample_customers")
    with pytest.raises(AttributeError, match="sample_customers"):
        GivenScores().fit(CUSTOMERS).sample_customers(CUSTOMERS)
    forgotten = GivenScores(draws="forgotten").fit(CUSTOMERS)
    with pytest.raises(OutputError, match="has the tag draws=True but does not implement _sample"):
        forgotten.sample_customers(CUSTOMERS)


def test_draws_have_one_row_per_draw_and_follow_the_seed():
    scorer = GivenScores(draws=lambda X, n, rng: rng.normal(size=(n, len(X))))
    with pytest.raises(NotFittedError):
        scorer.sample_customers(CUSTOMERS)
    scorer.fit(CUSTOMERS)
    draws = scorer.sample_customers(CUSTOMERS, 6, random_state=1)
    assert draws.shape == (6, 4)
    np.testing.assert_array_equal(draws, scorer.sample_customers(CUSTOMERS, 6, random_state=1))
    assert not np.array_equal(draws, scorer.sample_customers(CUSTOMERS, 6, random_state=2))
    state = np.random.RandomState(1)
    np.testing.assert_array_equal(draws, scorer.sample_customers(CUSTOMERS, 6, random_state=state))
    assert not np.array_equal(draws, scorer.sample_customers(CUSTOMERS, 6, random_state=state))
    assert scorer.sample_customers(CUSTOMERS).shape == (1000, 4)


@pytest.mark.parametrize("n_draws", [0, -1, 1.5, "many", None])
def test_a_wrong_number_of_draws_is_refused(n_draws):
    scorer = GivenScores(draws=lambda X, n, rng: np.zeros((n, len(X)))).fit(CUSTOMERS)
    with pytest.raises(ValueError, match="n_draws must be a positive integer"):
        scorer.sample_customers(CUSTOMERS, n_draws)


def test_wrong_draws_are_refused():
    scorer = GivenScores(draws=lambda X, n, rng: np.zeros((len(X), n))).fit(CUSTOMERS)
    with pytest.raises(OutputError, match=r"draws must be numbers of shape \(3, 4\), got float64 of shape \(4, 3\)"):
        scorer.sample_customers(CUSTOMERS, 3)


# --- Prioritizer


def test_hooks_see_only_segments_that_can_be_acted_on():
    class Watching(Prioritizer):
        def _priority_scores(self, profile):
            assert profile.index.tolist() == ["a", "c"]
            return [1, 2]

    profile = pd.DataFrame({"n_customers": [1, 0, 2, 5]}, index=["a", "b", "c", "unassigned"])
    plan = Watching().prioritize(profile)
    assert plan.index.tolist() == ["c", "a", "b", "unassigned"]
    assert plan.index.name == "segment"
    assert plan["priority"].dtype == "Int64"
    assert plan["reason"].tolist() == [
        "priority score 2",
        "priority score 1",
        "excluded: no customers",
        "excluded: customers in no segment",
    ]


@pytest.mark.parametrize("interface", [Segmenter, Scorer, Prioritizer])
def test_an_interface_without_hooks_cannot_be_made(interface):
    with pytest.raises(TypeError, match="abstract"):
        interface()


# --- tags


def test_tags_ride_on_those_of_scikit_learn():
    tags = Given().__sklearn_tags__()
    assert isinstance(tags, Tags)
    assert tags.estimator_type == "clusterer"
    assert asdict(tags.segmenter_tags) == {
        "membership": "hard",
        "unassigned": False,
        "out_of_sample": True,
        "dataframe_only": False,
    }
    assert GivenScores().__sklearn_tags__().scorer_tags == ScorerTags()
    assert extend_tags(tags) is tags


def test_tags_of_two_estimators_are_not_shared():
    first, second = Given().__sklearn_tags__(), Given().__sklearn_tags__()
    first.segmenter_tags.membership = "soft"
    assert second.segmenter_tags == SegmenterTags()
    assert isinstance(first, SegmentationTags)
    with pytest.raises(AttributeError):
        first.segmenter_tags.not_a_tag = 1
