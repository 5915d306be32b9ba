"""Any scikit-learn clusterer as a segmenter, and the baselines."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN, AgglomerativeClustering, Birch, KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from segmentation import assign
from segmentation.exceptions import OutOfSampleError, SegmentationWarning
from segmentation.scorers import DummyScorer
from segmentation.segmenters import ClustererSegmenter, DummySegmenter
from segmentation.testing import check_scorer, check_segmenter


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs([60, 100, 40], centers=[[0, 0], [8, 8], [-8, 8]], random_state=3)
    return pd.DataFrame(X, columns=["a", "b"]).rename_axis(index="customer_id"), y


@pytest.mark.parametrize(
    "clusterer",
    [
        KMeans(3, n_init=3),
        GaussianMixture(3),
        Birch(n_clusters=3),
        make_pipeline(PCA(2), KMeans(3, n_init=3)),
        AgglomerativeClustering(3),
    ],
    ids=lambda one: type(one).__name__,
)
def test_wraps_any_clusterer_in_canonical_order(clusterer, blobs):
    X, truth = blobs
    model = ClustererSegmenter(clusterer, random_state=0).fit(X)
    assert adjusted_rand_score(truth, model.labels_) == 1
    assert np.bincount(model.labels_).tolist() == [100, 60, 40]
    assert model.segments_.tolist() == ["segment_1", "segment_2", "segment_3"]
    assert model.n_relabelled_ == 0
    assert ClustererSegmenter(clusterer, random_state=0).fit_predict(X).tolist() == model.labels_.tolist()


def test_random_state_seeds_every_nested_one(blobs):
    X, _ = blobs
    model = ClustererSegmenter(
        make_pipeline(PCA(2, svd_solver="randomized"), KMeans(3, n_init=1)),
        classifier=DecisionTreeClassifier(),
        random_state=5,
    ).fit(X)
    seeds = [model.clusterer_[0].random_state, model.clusterer_[1].random_state, model.classifier_.random_state]
    assert all(isinstance(seed, int) for seed in seeds)
    assert len(set(seeds)) == 3
    kept = ClustererSegmenter(KMeans(3, n_init=1, random_state=9)).fit(X)
    assert kept.clusterer_.random_state == 9


def test_without_predict_the_error_names_the_remedy(blobs):
    X, truth = blobs
    segmenter = ClustererSegmenter(AgglomerativeClustering(3))
    assert segmenter.__sklearn_tags__().segmenter_tags.out_of_sample is False
    assert adjusted_rand_score(truth, segmenter.fit_predict(X)) == 1
    table = ClustererSegmenter(AgglomerativeClustering(3)).fit_assign(X)
    assert table.index.equals(X.index)
    assert table["segment"].value_counts().to_dict() == {
        "segment_1": 100,
        "segment_2": 60,
        "segment_3": 40,
        "unassigned": 0,
    }
    for method in (segmenter.predict, segmenter.transform, segmenter.assign):
        with pytest.raises(OutOfSampleError, match=r"AgglomerativeClustering cannot predict .*classifier="):
            method(X)


def test_classifier_extends_to_new_customers(blobs):
    X, truth = blobs
    model = ClustererSegmenter(AgglomerativeClustering(3), classifier=KNeighborsClassifier(3)).fit(X.iloc[::2])
    assert adjusted_rand_score(truth[1::2], model.predict(X.iloc[1::2])) == 1


def test_relabelled_customers_are_counted():
    """A classifier that cannot follow the clusters: labels_ are what predict says, and the difference is counted."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 300)
    radius = np.repeat([1.0, 6.0], 150)
    rings = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    with pytest.warns(
        SegmentationWarning, match=r"of 300 customers get another segment from LinearDiscriminantAnalysis"
    ):
        model = ClustererSegmenter(DBSCAN(eps=1.5), classifier=LinearDiscriminantAnalysis()).fit(rings)
    own = DBSCAN(eps=1.5).fit_predict(rings)
    assert model.n_relabelled_ > 30
    assert (model.labels_ == model.predict(rings)).all()
    assert adjusted_rand_score(own, model.labels_) < 0.9


def test_unassigned_and_no_cluster(blobs):
    X, _ = blobs
    lonely = pd.concat([X, pd.DataFrame({"a": [99.0], "b": [99.0]}, index=[999])]).rename_axis(index="customer_id")
    model = ClustererSegmenter(DBSCAN(eps=2), classifier=KNeighborsClassifier(1)).fit(lonely)
    assert assign(model, lonely)["segment"].loc[999] == "unassigned"
    with pytest.warns(SegmentationWarning, match="DBSCAN found no cluster: everybody is unassigned"):
        none = ClustererSegmenter(DBSCAN(eps=1e-6), classifier=KNeighborsClassifier(1)).fit(X)
    assert none.segments_.tolist() == []
    assert set(none.predict(X)) == {-1}


def test_bad_parameters(blobs):
    X, _ = blobs
    with pytest.raises(TypeError, match="clusterer must have fit_predict, got PCA"):
        ClustererSegmenter(PCA()).fit(X)
    with pytest.raises(TypeError, match="classifier must have predict, got PCA"):
        ClustererSegmenter(KMeans(3), classifier=PCA()).fit(X)


def test_kit_and_sklearn_checks():
    for plugin in (
        ClustererSegmenter(KMeans(), random_state=0),
        ClustererSegmenter(GaussianMixture(2), random_state=0),
        ClustererSegmenter(AgglomerativeClustering(2), classifier=KNeighborsClassifier()),
        ClustererSegmenter(AgglomerativeClustering(2)),
    ):
        results = check_segmenter(plugin)
        assert not [r for r in results if r.status == "failed"]
    results = check_segmenter(ClustererSegmenter(KMeans(), random_state=0))
    assert sum(r.check.startswith("sklearn.") for r in results) > 40


def test_dummy_segmenter_depends_on_the_customer_alone():
    customers = pd.DataFrame({"text": list("abcdef") * 500}, index=[f"C{i}" for i in range(3000)])
    model = DummySegmenter(4, random_state=0).fit(customers)
    sizes = assign(model, customers)["segment"].value_counts(sort=False).to_numpy()[:4]
    # 3,000 draws over 4 equal cells: chi-squared with 3 degrees of freedom, 99.9 % point 16.3
    assert ((sizes - 750) ** 2 / 750).sum() < 16.3
    shuffled = customers.sample(frac=1, random_state=1)
    assert assign(model, shuffled)["segment"].reindex(customers.index).equals(assign(model, customers)["segment"])
    other = DummySegmenter(4, random_state=1).fit(customers)
    assert abs(adjusted_rand_score(model.labels_, other.labels_)) < 0.01
    with pytest.raises(ValueError, match="n_segments must be a positive integer, got 0"):
        DummySegmenter(0).fit(customers)


def test_dummies_pass_the_kit():
    assert not [r for r in check_segmenter(DummySegmenter(random_state=0)) if r.status == "failed"]
    assert not [r for r in check_scorer(DummyScorer()) if r.status == "failed"]
    assert DummyScorer().fit([[1.0], [2.0]]).score_samples([[5.0]]).tolist() == [0.0]
    assert DummyScorer(2.5, name="flat").fit([[1.0]]).score_customers([[5.0]])["flat"].tolist() == [2.5]
    with pytest.raises(ValueError, match="constant must be a number or None, got 'x'"):
        DummyScorer("x").fit([[1.0]])
