"""assign and score_customers on models and on pipelines that end in one."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import segmentation as sg
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.segmenters import KMeansSegmenter

RNG = np.random.default_rng(0)
# two groups in both columns, ids that are no row numbers, rows in no order
CUSTOMERS = pd.DataFrame(
    {
        "spend": np.r_[RNG.normal(10, 1, 20), RNG.normal(90, 1, 20)],
        "orders": np.r_[RNG.normal(2, 0.1, 20), RNG.normal(9, 0.1, 20)],
    },
    index=pd.Index([f"c{i}" for i in range(40)], name="customer_id"),
).sample(frac=1, random_state=1)
TRUTH = np.where(CUSTOMERS["spend"] > 50, "high", "low")


def kmeans(**parameters):
    return KMeansSegmenter(**({"n_clusters": 2, "scale": None, "random_state": 0, "n_init": 1} | parameters))


class Spend(sg.Scorer):
    """Scores are the columns themselves."""

    def _fit(self, X, y):
        return [f"score_{i}" for i in range(X.shape[1])]

    def _scores(self, X):
        return X


class Counting(TransformerMixin, BaseEstimator):
    """A step that counts how often it runs."""

    def fit(self, X, y=None):
        self.runs_ = 0
        return self

    def transform(self, X):
        self.runs_ += 1
        return X


def same_groups(table):
    """Tell whether the segments of an assignment are the two true groups, whatever their names."""
    return len(set(zip(table["segment"], TRUTH, strict=True))) == 2 == table["segment"].nunique()


def scale_then_segment(**output):
    pipeline = make_pipeline(StandardScaler(), kmeans())
    return pipeline.set_output(**output) if output else pipeline


PIPELINES = {
    "single step": Pipeline([("segments", kmeans())]),
    "scaled": scale_then_segment(),
    "scaled, pandas inside": scale_then_segment(transform="pandas"),
    "scaled, polars inside": scale_then_segment(transform="polars"),
    "passthrough": Pipeline([("nothing", "passthrough"), ("segments", kmeans())]),
    "None": Pipeline([("nothing", None), ("segments", kmeans())]),
    "columns": make_pipeline(ColumnTransformer([("scale", StandardScaler(), ["spend"])], remainder="drop"), kmeans()),
    "union with a segmenter": make_pipeline(
        FeatureUnion([("scale", StandardScaler()), ("degrees", kmeans(membership="hard"))]), kmeans()
    ),
    "segmenter on memberships": make_pipeline(kmeans(n_clusters=3), kmeans(membership="hard")),
    "pipeline in a pipeline": make_pipeline(make_pipeline(StandardScaler(), SimpleImputer()), kmeans()),
}


@pytest.fixture(params=list(PIPELINES))
def pipeline(request):
    return clone(PIPELINES[request.param])


def test_assign_on_a_pipeline_equals_its_steps_by_hand(pipeline):
    pipeline.fit(CUSTOMERS)
    table = sg.assign(pipeline, CUSTOMERS)
    assert table.index.equals(CUSTOMERS.index)
    assert table.index.name == "customer_id"
    segmenter = pipeline[-1]
    names = [*segmenter.segments_, sg.UNASSIGNED]
    assert table["segment"].cat.categories.tolist() == names
    codes = pipeline.predict(CUSTOMERS)
    assert table["segment"].tolist() == [names[code] for code in codes]
    degrees = np.asarray(pipeline.transform(CUSTOMERS))
    np.testing.assert_array_equal(table["membership"], degrees[np.arange(40), codes])
    assert same_groups(table)


def test_customers_may_come_as_any_frame_or_array(pipeline):
    expected = sg.assign(pipeline.fit(CUSTOMERS), CUSTOMERS)
    polars = pl.from_pandas(CUSTOMERS.reset_index())
    for frame in (CUSTOMERS.reset_index(), polars, polars.lazy(), polars.to_arrow()):
        pd.testing.assert_frame_equal(sg.assign(pipeline, frame), expected, check_index_type=False)
    part = CUSTOMERS.iloc[5:9]
    pd.testing.assert_frame_equal(sg.assign(pipeline, part), expected.iloc[5:9])


def test_arrays_get_row_numbers():
    pipeline = scale_then_segment().fit(CUSTOMERS.to_numpy())
    table = sg.assign(pipeline, CUSTOMERS.to_numpy())
    pd.testing.assert_index_equal(table.index, pd.RangeIndex(40, name="customer_id"))
    assert same_groups(table)
    pd.testing.assert_frame_equal(sg.assign(pipeline, CUSTOMERS.to_numpy().tolist()), table)
    inside = scale_then_segment(transform="pandas").fit(CUSTOMERS.to_numpy())
    pd.testing.assert_frame_equal(sg.assign(inside, CUSTOMERS.to_numpy()), table)


def test_assign_on_a_model_is_its_method():
    model = kmeans().fit(CUSTOMERS)
    pd.testing.assert_frame_equal(sg.assign(model, CUSTOMERS), model.assign(CUSTOMERS))


def test_mixed_columns_go_through_a_column_transformer():
    people = CUSTOMERS.assign(town=np.where(TRUTH == "high", "x", "y"), note="free text")
    steps = [("number", StandardScaler(), ["spend", "orders"]), ("text", OneHotEncoder(sparse_output=False), ["town"])]
    pipeline = make_pipeline(ColumnTransformer(steps), kmeans()).fit(people)
    assert same_groups(sg.assign(pipeline, people))
    assert same_groups(sg.assign(pipeline, people[["note", "town", "orders", "spend"]]))


def test_a_step_may_impute_what_the_segmenter_would_refuse():
    gaps = CUSTOMERS.copy()
    gaps.iloc[0, 0] = np.nan
    with pytest.raises(CustomerTableError, match="'spend': 1"):
        kmeans().fit(gaps)
    pipeline = make_pipeline(SimpleImputer(), kmeans()).fit(gaps)
    assert sg.assign(pipeline, gaps).shape == (40, 2)


def test_earlier_steps_run_once_and_the_membership_once(monkeypatch):
    calls = []
    original = KMeansSegmenter._membership
    monkeypatch.setattr(KMeansSegmenter, "_membership", lambda self, X: calls.append(1) or original(self, X))
    pipeline = make_pipeline(Counting(), kmeans()).fit(CUSTOMERS)
    pipeline[0].runs_ = 0
    calls.clear()
    sg.assign(pipeline, CUSTOMERS)
    assert pipeline[0].runs_ == 1
    assert len(calls) == 1


def test_a_column_called_customer_id_is_never_a_feature():
    with_ids = CUSTOMERS.set_axis(range(1000, 1040), axis=0).rename_axis("customer_id").reset_index()
    model = kmeans().fit(with_ids)
    assert model.feature_names_in_.tolist() == ["spend", "orders"]
    assert same_groups(sg.assign(model, with_ids))
    # scikit-learn's own steps take every column for a feature; applying such a pipeline fails aloud
    leaked = scale_then_segment().fit(with_ids)
    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- customer_id"):
        sg.assign(leaked, with_ids)


def test_no_customers_are_a_defined_result(pipeline):
    pipeline.fit(CUSTOMERS)
    for nobody in (CUSTOMERS.head(0), CUSTOMERS.head(0).reset_index(), pl.from_pandas(CUSTOMERS.head(0).reset_index())):
        table = sg.assign(pipeline, nobody)
        assert table.shape == (0, 2)
        assert table.index.name == "customer_id"
        assert table["segment"].cat.categories.tolist() == [*pipeline[-1].segments_, sg.UNASSIGNED]
    by_row = scale_then_segment().fit(CUSTOMERS.to_numpy())
    assert sg.assign(by_row, np.empty((0, 2))).shape == (0, 2)
    scorer = make_pipeline(StandardScaler(), Spend()).fit(CUSTOMERS)
    assert sg.score_customers(scorer, CUSTOMERS.head(0)).shape == (0, 2)


def test_scores_on_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), Spend()).fit(CUSTOMERS)
    table = sg.score_customers(pipeline, CUSTOMERS)
    assert table.index.equals(CUSTOMERS.index)
    assert list(table.columns) == ["score_0", "score_1"]
    np.testing.assert_array_equal(table.to_numpy(), StandardScaler().fit_transform(CUSTOMERS))
    scorer = Spend().fit(CUSTOMERS)
    pd.testing.assert_frame_equal(sg.score_customers(scorer, CUSTOMERS), scorer.score_customers(CUSTOMERS))
    assert sg.score_customers(scorer, CUSTOMERS)["score_0"].tolist() == CUSTOMERS["spend"].tolist()


def test_a_step_that_loses_customers_is_refused():
    pipeline = make_pipeline(FunctionTransformer(lambda X: X.iloc[:3] if len(X) < 40 else X), kmeans()).fit(CUSTOMERS)
    with pytest.raises(CustomerTableError, match="the steps before KMeansSegmenter made 3 rows of 10 customers"):
        sg.assign(pipeline, CUSTOMERS.head(10))


def test_columns_and_ids_are_checked_before_the_steps_run():
    pipeline = scale_then_segment().fit(CUSTOMERS)
    with pytest.raises(CustomerTableError, match="more than one row: 'same'"):
        sg.assign(pipeline, CUSTOMERS.set_axis(["same"] * 40))
    with pytest.raises(ColumnError, match="column names must be unique"):
        sg.assign(pipeline, CUSTOMERS.set_axis(["spend", "spend"], axis=1))
    with pytest.raises(ValueError, match="missing:\n- orders"):
        sg.assign(pipeline, CUSTOMERS[["spend"]])


@pytest.mark.parametrize(
    ("model", "got"),
    [
        (StandardScaler(), r"got sklearn\.StandardScaler\.$"),
        (make_pipeline(kmeans(), StandardScaler()), r"got sklearn\.Pipeline that ends in StandardScaler\.$"),
        (Pipeline([("segments", kmeans()), ("nothing", "passthrough")]), r"got sklearn\.Pipeline that ends in str\.$"),
        (GridSearchCV(kmeans(), {"n_clusters": [2]}), r"got sklearn\.GridSearchCV\.$"),
        (KMeansSegmenter, "got abc.ABCMeta"),
        (Spend(), r"got .*Spend\.$"),
        (None, "got NoneType"),
    ],
)
def test_what_cannot_assign_is_refused(model, got):
    with pytest.raises(TypeError, match=f"assign takes a fitted Segmenter, or a Pipeline that ends in one; {got}"):
        sg.assign(model, CUSTOMERS)


def test_what_cannot_score_is_refused():
    with pytest.raises(
        TypeError, match="score_customers takes a fitted Scorer, or a Pipeline that ends in one; got seg"
    ):
        sg.score_customers(kmeans().fit(CUSTOMERS), CUSTOMERS)


@pytest.mark.parametrize("model", [kmeans(), scale_then_segment(), Pipeline([("segments", kmeans())])])
def test_an_unfitted_model_says_so(model):
    with pytest.raises(NotFittedError, match="This KMeansSegmenter instance is not fitted yet"):
        sg.assign(model, CUSTOMERS)


# --- scikit-learn's own composition


def test_memberships_are_features_of_a_union():
    union = FeatureUnion([("scale", StandardScaler()), ("group", kmeans())]).fit(CUSTOMERS)
    assert union.get_feature_names_out().tolist() == [
        *("scale__spend", "scale__orders"),
        *("group__segment_1", "group__segment_2"),
    ]
    table = union.set_output(transform="pandas").transform(CUSTOMERS)
    np.testing.assert_allclose(table[["group__segment_1", "group__segment_2"]].sum(axis=1), 1)
    assert table.index.equals(CUSTOMERS.index)


def test_a_segmenter_works_on_a_part_of_the_columns():
    transformer = ColumnTransformer([("group", kmeans(), ["spend"])], remainder="passthrough")
    table = transformer.set_output(transform="pandas").fit_transform(CUSTOMERS)
    assert list(table.columns) == ["group__segment_1", "group__segment_2", "remainder__orders"]


def test_clone_and_set_params_reach_the_segmenter():
    pipeline = scale_then_segment().fit(CUSTOMERS)
    other = clone(pipeline).set_params(kmeanssegmenter__n_clusters=3)
    assert pipeline.get_params()["kmeanssegmenter__n_clusters"] == 2
    assert len(other.fit(CUSTOMERS)[-1].segments_) == 3
    assert len(pipeline[-1].segments_) == 2


def test_grid_search_over_the_number_of_segments():
    search = GridSearchCV(
        scale_then_segment(),
        {"kmeanssegmenter__n_clusters": [2, 3]},
        scoring=lambda model, X, y=None: -len(model[-1].segments_),
        cv=2,
    ).fit(CUSTOMERS)
    assert search.best_params_ == {"kmeanssegmenter__n_clusters": 2}
    assert same_groups(sg.assign(search.best_estimator_, CUSTOMERS))


def test_a_fitted_pipeline_survives_pickling(pipeline):
    expected = sg.assign(pipeline.fit(CUSTOMERS), CUSTOMERS)
    pd.testing.assert_frame_equal(sg.assign(pickle.loads(pickle.dumps(pipeline)), CUSTOMERS), expected)
