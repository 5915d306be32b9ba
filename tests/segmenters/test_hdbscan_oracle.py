"""HDBSCANSegmenter beside the package that it rests on, on real customers and on generated shapes."""

import warnings

import hdbscan
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import pairwise_distances

from segmentation.exceptions import WeakDensityWarning
from segmentation.segmenters import HDBSCANSegmenter
from segmentation.segmenters._density_package import METRICS
from segmentation.segmenters._scaling import apply_scaling


def shape(name):
    if name == "moons":
        return make_moons(2000, noise=0.08, random_state=0)[0]
    if name == "circles":
        return make_circles(2000, noise=0.05, factor=0.4, random_state=0)[0]
    return make_blobs(2000, centers=5, n_features=4, cluster_std=[0.5, 1.0, 1.5, 1.0, 0.7], random_state=1)[0]


SHAPES = ["moons", "circles", "blobs"]


def real(folder, name):
    table = pd.read_parquet(folder / name / f"{name}.parquet")
    if name == "bfi":
        items = table[[f"{scale}{i}" for scale in "ACENO" for i in range(1, 6)]]
        return items.fillna(items.median()).to_numpy(dtype=float)
    if name == "mcdonalds":
        return (table.iloc[:, :11] == "Yes").to_numpy(dtype=float)
    if name == "volunteers":
        return table.drop(columns=["GENDER", "AGEG"]).to_numpy(dtype=float)
    if name == "vacmot":
        return table.to_numpy(dtype=float)
    if name == "cc_general":
        numbers = table.drop(columns="CUST_ID")
    else:
        numbers = table[["Income", "Recency", *(c for c in table if c.startswith(("Mnt", "Num")))]]
    return numbers.fillna(numbers.median()).to_numpy(dtype=float)


def halves(X):
    p = np.random.default_rng(1).permutation(len(X))
    cut = int(0.75 * len(X))
    return X[p[:cut]], X[p[cut:]]


def fit_both(train, **parameters):
    """Fit ours, and the bare package with the same settings on the same scaled values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakDensityWarning)
        model = HDBSCANSegmenter(**parameters).fit(train)
    settings = {
        k: v for k, v in model.get_params().items() if k.startswith("cluster_") or k in ("min_samples", "metric")
    }
    bare = hdbscan.HDBSCAN(
        min_cluster_size=model.min_cluster_size_, prediction_data=True, core_dist_n_jobs=1, **settings
    ).fit(apply_scaling(train, model.scaling_))
    return model, bare


def codes_of(model, bare):
    """Return our code of each of the package's labels, in their order."""
    return [
        int(np.bincount(model.hdbscan_labels_[bare.labels_ == label]).argmax())
        for label in range(bare.labels_.max() + 1)
    ]


def agreement(model, bare, new):
    theirs, _ = hdbscan.approximate_predict(bare, apply_scaling(new, model.scaling_))
    return (np.array([*codes_of(model, bare), -1])[theirs] == model.predict(new)).mean()


def far_away(X):
    rng = np.random.default_rng(3)
    spread = X.std(axis=0) + np.abs(X).max(axis=0)
    return X.mean(axis=0) + 1e4 * spread * rng.choice([-1, 1], size=(50, X.shape[1]))


@pytest.mark.parametrize(
    "parameters", [{}, {"cluster_selection_method": "leaf"}, {"cluster_selection_epsilon": 0.3}], ids=str
)
@pytest.mark.parametrize("name", SHAPES)
def test_unseen_customers_of_generated_shapes(name, parameters):
    train, new = halves(shape(name))
    model, bare = fit_both(train, **parameters)
    assert len(model.segments_) >= 2
    assert adjusted_rand_score(bare.labels_, model.hdbscan_labels_) == 1
    assert model.n_relabelled_ == 0
    assert (model.labels_ == model.hdbscan_labels_).all()
    assert agreement(model, bare, new) >= 0.99
    assert (model.predict(far_away(train)) == -1).all()


@pytest.mark.parametrize("name", ["cc_general", "marketing_campaign"])
def test_unseen_customers_of_real_tables(shared_data, name):
    train, new = halves(real(shared_data, name))
    model, bare = fit_both(train)
    assert len(model.segments_) >= 2
    assert adjusted_rand_score(bare.labels_, model.hdbscan_labels_) == 1
    assert agreement(model, bare, new) >= 0.99
    assert (model.predict(far_away(train)) == -1).all()
    if name == "cc_general":  # dense groups there are
        assert 0.3 < model.share_unassigned_ < 0.5
        assert not any("What to try" in note for note in model.notes_)


def test_tied_answers_agree_mostly(shared_data):
    """There the package decides by chance; held to so that a change is noticed."""
    train, new = halves(real(shared_data, "mcdonalds"))
    model, bare = fit_both(train)
    assert agreement(model, bare, new) >= 0.9


@pytest.mark.parametrize("parameters", [{}, {"cluster_selection_method": "leaf", "min_cluster_size": 40}], ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_membership_is_the_packages(name, parameters):
    train, new = halves(shape(name))
    model, bare = fit_both(train, **parameters)
    new = apply_scaling(new[:200], model.scaling_)
    theirs = np.empty((200, len(model.segments_)))
    theirs[:, codes_of(model, bare)] = hdbscan.membership_vector(bare, new)
    ours = model.transform(new * model.scaling_["width"].to_numpy() + model.scaling_["center"].to_numpy())
    shares = [degrees / degrees.sum(axis=1, keepdims=True) for degrees in (ours, theirs)]
    # where a segment ends at the density at which it began, the package's single precision decides
    assert (np.abs(shares[0] - shares[1]) < 1e-5).all(axis=1).mean() >= 0.95
    # outside of all segments the package divides by the largest density of its first segment
    labels, _ = hdbscan.approximate_predict(bare, new)
    assert (labels >= 0).sum() > 50
    assert (np.abs(ours - theirs)[labels >= 0] < 1e-5).all(axis=1).mean() >= 0.95


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_finds_planted_groups_as_the_package_does(metric):
    rng = np.random.default_rng(0)
    if metric in ("hamming", "jaccard"):
        X = (rng.random((300, 40)) < np.repeat(np.eye(3), 100, axis=0).repeat([14, 13, 13], axis=1) * 0.8 + 0.1).astype(
            float
        )
    else:
        X = rng.normal(np.repeat([[0.2, 0.2], [1.0, 0.3], [0.5, 1.2]], 100, axis=0), 0.05)
    model, bare = fit_both(X, metric=metric, scale=None, min_samples=5, noise="nearest")
    assert len(model.segments_) == 3
    assert adjusted_rand_score(np.repeat([0, 1, 2], 100), model.labels_) > 0.9
    assert adjusted_rand_score(bare.labels_, model.hdbscan_labels_) == 1
    # the neighbour of customers in no dense group, found by comparing with everybody
    dense = model.density_["code"][model.density_["row_node"]] >= 0
    new = X[~dense] if (~dense).any() else X[:1]
    if metric == "jaccard":
        distances = pairwise_distances(new.astype(bool), X[dense].astype(bool), metric=metric)
    else:
        distances = pairwise_distances(new, X[dense], metric=metric)
    nearest = distances.min(axis=1, keepdims=True)
    labels = np.where(np.isclose(distances, nearest), model.labels_[dense], -1)
    assert (labels == model.predict(new)[:, None]).any(axis=1).all()


def test_exact_spanning_trees_hardly_depend_on_the_order_of_rows(shared_data):
    X = real(shared_data, "marketing_campaign")
    p = np.random.default_rng(0).permutation(len(X))
    models = [HDBSCANSegmenter(approx_min_span_tree=False) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakDensityWarning)
        labels = [model.fit(rows).labels_ for model, rows in zip(models, (X, X[p]), strict=True)]
    assert adjusted_rand_score(labels[0][p], labels[1]) > 0.99


@pytest.mark.parametrize(
    ("name", "low", "high"), [("bfi", 1, 1), ("vacmot", 0.5, 0.95), ("volunteers", 0.3, 0.9), ("mcdonalds", 0.2, 0.5)]
)
@pytest.mark.parametrize("noise", ["keep", "nearest", "soft"])
def test_surveys_are_warned_of(shared_data, name, low, high, noise):
    X = real(shared_data, name)
    with pytest.warns(WeakDensityWarning):
        model = HDBSCANSegmenter(noise=noise).fit(X)
    assert low <= model.share_unassigned_ <= high
    assert any("What to try" in note for note in model.notes_)
    kinds = pd.DataFrame(X).groupby(list(range(X.shape[1]))).ngroup()
    assert pd.Series(model.labels_).groupby(kinds).nunique().max() == 1
    if name == "mcdonalds":
        assert pd.Series(model.hdbscan_labels_).groupby(kinds).nunique().max() > 1
        assert model.n_relabelled_ > 0
        repeated = pd.DataFrame(X).duplicated(keep=False).to_numpy()
        in_dense = model.hdbscan_labels_ >= 0
        assert repeated[in_dense].mean() > 0.9
    if len(model.segments_) and noise != "keep":
        assert model.labels_.min() >= 0
