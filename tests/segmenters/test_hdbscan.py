"""HDBSCANSegmenter: what it promises, on customers of whom the answer is known."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

import segmentation as sg
from segmentation.exceptions import SegmentationWarning, WeakDensityWarning
from segmentation.segmenters import HDBSCANSegmenter
from segmentation.testing import parametrize_with_checks

NOISE = ["keep", "nearest", "soft"]


def crowds(sizes=(200, 120, 80), scatter=0, random_state=0):
    """Well separated groups of these sizes in two dimensions, and some customers scattered far and wide."""
    rng = np.random.default_rng(random_state)
    corners = [(0, 0), (30, 0), (0, 30), (30, 30), (60, 0)]
    groups = [rng.normal(corner, 1, size=(size, 2)) for corner, size in zip(corners, sizes, strict=False)]
    everywhere = rng.uniform(-100, 130, size=(scatter, 2))
    truth = np.repeat([*range(len(sizes)), -1], [*sizes, scatter])
    return np.concatenate([*groups, everywhere]), truth


def surveys(n=400, n_items=5, random_state=0):
    """Answers from 1 to 3, so that many customers give the same."""
    rng = np.random.default_rng(random_state)
    return rng.binomial(2, rng.choice([0.1, 0.9], size=(n, 1)), size=(n, n_items)) + 1.0


def fit_quietly(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakDensityWarning)
        return model.fit(X)


@parametrize_with_checks(
    [
        *(HDBSCANSegmenter(noise=noise) for noise in NOISE),
        HDBSCANSegmenter(8, min_samples=4, max_fit_customers=60, noise="nearest"),
        HDBSCANSegmenter(
            0.1, cluster_selection_method="leaf", metric="manhattan", scale=None, approx_min_span_tree=False
        ),
    ]
)
def test_keeps_the_promises_of_a_segmenter(plugin, check):
    check(plugin)


def test_known_groups_are_found_in_canonical_order():
    X, truth = crowds((80, 200, 120))
    model = HDBSCANSegmenter().fit(X)
    assert model.segments_.tolist() == ["segment_1", "segment_2", "segment_3"]
    assert np.bincount(model.labels_[model.labels_ >= 0]).tolist() == sorted(
        np.bincount(model.labels_[model.labels_ >= 0]), reverse=True
    )
    assert adjusted_rand_score(truth, model.labels_) > 0.97
    np.testing.assert_allclose(model.centers_.to_numpy().round(-1), [[30, 0], [0, 30], [0, 0]], atol=1e-9)
    assert model.n_relabelled_ == 0


def test_groups_of_equal_size_are_ordered_by_the_first_coordinate_of_their_centre():
    group = np.random.default_rng(0).normal(size=(60, 2))
    X = np.concatenate([group + np.array(corner) for corner in ((50, 0), (0, 0), (25, 25))])
    model = HDBSCANSegmenter(scale=None).fit(X)
    assert len(set(np.bincount(model.labels_ + 1, minlength=4)[1:])) == 1
    assert model.centers_["x0"].is_monotonic_increasing


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_moons(1500, noise=0.06, random_state=0),
        lambda: make_circles(1500, noise=0.04, factor=0.4, random_state=0),
    ],
    ids=["moons", "circles"],
)
def test_groups_that_are_not_convex_are_found(make):
    X, truth = make()
    assert adjusted_rand_score(truth, HDBSCANSegmenter().fit(X).labels_) > 0.99


@pytest.mark.parametrize(
    ("given", "n", "used"),
    [(None, 400, 15), (None, 1500, 30), (40, 400, 40), (0.1, 400, 40), (0.001, 400, 2), (np.int64(20), 400, 20)],
)
def test_least_size_is_a_count_a_share_or_the_default(given, n, used):
    X, _ = crowds((n // 2, n - n // 2))
    assert fit_quietly(HDBSCANSegmenter(given), X).min_cluster_size_ == used


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"min_cluster_size": 1}, "min_cluster_size must be an integer of at least 2, got 1"),
        ({"min_cluster_size": 1.5}, "a share of them .* got 1.5"),
        ({"min_cluster_size": 0.0}, "got 0.0"),
        ({"min_cluster_size": True}, "got True"),
        ({"min_cluster_size": "many"}, "got 'many'"),
        ({"min_samples": 0}, "min_samples must be an integer of at least 1, got 0"),
        ({"min_samples": 2.0}, "min_samples must be an integer"),
        ({"cluster_selection_method": "best"}, "must be 'eom' or 'leaf', got 'best'"),
        ({"cluster_selection_epsilon": -1}, "0 or more, got -1"),
        ({"cluster_selection_epsilon": np.nan}, "0 or more, got nan"),
        ({"metric": "cosine"}, "metric must be one of .* got 'cosine'. For cosine, bring rows to length 1"),
        ({"scale": "robust"}, "scale must be"),
        ({"noise": "drop"}, "noise must be 'keep', 'nearest' or 'soft', got 'drop'"),
        ({"max_fit_customers": 0}, "max_fit_customers must be a positive integer or None, got 0"),
        ({"max_fit_customers": 10.0}, "max_fit_customers must be a positive integer or None, got 10.0"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        HDBSCANSegmenter(**parameters).fit(crowds()[0])


def test_noise_keep_leaves_scattered_and_far_away_customers_unassigned():
    X, truth = crowds(scatter=40)
    model = HDBSCANSegmenter(scale=None).fit(X)
    assert (model.labels_[truth < 0] < 0).mean() > 0.8
    assert (model.labels_[truth >= 0] >= 0).mean() > 0.95
    assert model.share_unassigned_ == (model.labels_ < 0).mean()
    far = [[1e3, 1e3], [-1e6, 0], [15, 1e9]]
    assert model.predict(far).tolist() == [-1, -1, -1]
    assert model.transform(far).sum(axis=1).max() < 0.01
    assert sg.assign(model, np.array(far))["segment"].tolist() == ["unassigned"] * 3


def test_noise_nearest_assigns_everybody_to_the_segment_of_the_nearest_assigned_customer():
    X, _ = crowds(scatter=40)
    keep, nearest = HDBSCANSegmenter(scale=None).fit(X), HDBSCANSegmenter(scale=None, noise="nearest").fit(X)
    new = np.random.default_rng(1).uniform(-200, 200, size=(300, 2))
    codes = nearest.predict(new)
    assert codes.min() >= 0
    assigned = X[keep.labels_ >= 0]
    brute = np.linalg.norm(new[:, None] - assigned[None], axis=2).argmin(axis=1)
    # names may differ between the two models, as sizes do: compare through the customers in dense groups
    expected = nearest.labels_[keep.labels_ >= 0][brute]
    dense = keep.predict(new) >= 0
    assert (codes[~dense] == expected[~dense]).all()
    assert (~dense).sum() > 200
    assert nearest.share_unassigned_ == keep.share_unassigned_ > 0
    assert any("were put into the nearest segment (noise='nearest')" in note for note in nearest.notes_)


def test_noise_soft_assigns_everybody_to_the_largest_degree():
    X, _ = crowds(scatter=40)
    model = HDBSCANSegmenter(scale=None, noise="soft").fit(X)
    new = np.random.default_rng(1).uniform(-200, 200, size=(300, 2))
    assert (model.predict(new) == model.transform(new).argmax(axis=1)).all()
    assert any("segment of their largest degree (noise='soft')" in note for note in model.notes_)
    assert model.labels_.min() == 0


@pytest.mark.parametrize("noise", NOISE)
def test_segments_are_ordered_by_the_sizes_that_people_see(noise):
    X, _ = crowds((60, 200, 120), scatter=60)
    model = HDBSCANSegmenter(15, noise=noise, scale=None).fit(X)
    sizes = np.bincount(model.labels_[model.labels_ >= 0], minlength=len(model.segments_))
    assert sizes.tolist() == sorted(sizes, reverse=True)


def test_labels_are_not_always_the_largest_degree():
    X = make_blobs(1500, centers=6, cluster_std=[0.4, 2, 1, 1.5, 0.6, 1], random_state=3)[0]
    model = HDBSCANSegmenter(15, min_samples=5).fit(X)
    degrees = model.transform(X)
    assert (model.labels_ != degrees.argmax(axis=1)).any()
    assert (degrees.sum(axis=1) <= 1 + 1e-9).all()
    # those at the heart of a segment have it as their largest, near 1
    heart = degrees.max(axis=1) > 0.9
    assert heart.sum() > 100
    assert (model.labels_[heart] == degrees[heart].argmax(axis=1)).all()


def test_membership_falls_with_the_distance_to_the_segments():
    X, _ = crowds((200, 200))
    model = HDBSCANSegmenter(scale=None).fit(X)
    steps = np.column_stack([np.linspace(0, -40, 9), np.zeros(9)])
    own = model.transform(steps)[:, model.predict([[0.0, 0.0]])[0]]
    assert (np.diff(own[1:]) < 0).all()
    assert own[0] > 0.5
    assert own[-1] < 0.05


@pytest.mark.parametrize("noise", NOISE)
def test_membership_does_not_depend_on_units(noise):
    X, _ = crowds(scatter=30)
    new = np.random.default_rng(1).uniform(-50, 80, size=(100, 2))
    one = HDBSCANSegmenter(scale=None, noise=noise).fit(X)
    other = HDBSCANSegmenter(scale=None, noise=noise).fit(X * 2.0**20)
    np.testing.assert_allclose(one.transform(new), other.transform(new * 2.0**20), rtol=1e-9, atol=1e-12)
    assert (one.predict(new) == other.predict(new * 2.0**20)).all()


@pytest.mark.parametrize("noise", NOISE)
def test_finding_no_segment_is_a_result(noise):
    X = np.random.default_rng(0).uniform(size=(300, 6))
    with pytest.warns(WeakDensityWarning, match="No segment was found: none of 300 customers") as caught:
        model = HDBSCANSegmenter(60, noise=noise).fit(X)
    assert model.segments_.tolist() == []
    assert (model.labels_ == -1).all()
    assert (model.predict(X[:5]) == -1).all()
    assert model.transform(X).shape == (300, 0)
    assert model.share_unassigned_ == 1
    assert ("All are unassigned, also with noise" in str(caught[0].message)) == (noise != "keep")
    table = sg.assign(model, X)
    assert table["segment"].eq("unassigned").all()
    assert table["segment"].cat.categories.tolist() == ["unassigned"]
    assert model.centers_.shape == (0, 6)


def test_too_few_customers_find_no_segment():
    for n in (1, 2, 29):
        with pytest.warns(WeakDensityWarning, match="No segment was found"):
            model = HDBSCANSegmenter().fit(crowds()[0][:n])
        assert model.labels_.tolist() == [-1] * n


def test_all_customers_alike_are_no_segment_or_one():
    with pytest.warns(WeakDensityWarning, match="299 of 300 customers .* repeat the values of another"):
        model = HDBSCANSegmenter().fit(np.ones((300, 2)))
    assert len(set(model.labels_)) == 1
    assert len(model.segments_) <= 1
    assert model.predict([[1.0, 1.0]])[0] == model.labels_[0]


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize("seed", range(3))
def test_identical_customers_always_share_a_segment(noise, method, seed):
    X = surveys(random_state=seed)
    model = fit_quietly(HDBSCANSegmenter(10, min_samples=5, noise=noise, cluster_selection_method=method), X)
    assert len(model.segments_) >= 2
    table = pd.DataFrame(X).assign(label=model.labels_)
    assert table.groupby([0, 1, 2, 3, 4])["label"].nunique().max() == 1
    assert (model.predict(X) == model.labels_).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakDensityWarning)
        np.testing.assert_array_equal(model.transform(X), clone(model).fit_transform(X))
    # and each of them alone, in another order
    assert (model.predict(X[::-1])[::-1] == model.labels_).all()
    assert all(model.predict(X[[i]])[0] == model.labels_[i] for i in range(0, len(X), 40))


def test_relabelled_customers_are_counted_and_have_the_label_of_most_of_their_kind():
    X = surveys(600)
    model = fit_quietly(HDBSCANSegmenter(10, min_samples=5, cluster_selection_method="leaf"), X)
    differ = model.labels_ != model.hdbscan_labels_
    assert model.n_relabelled_ == differ.sum() > 0
    assert sum("given another label than HDBSCAN's own" in note for note in model.notes_) == 1
    table = pd.DataFrame(X).assign(label=model.labels_, package=model.hdbscan_labels_)
    for _, kind in table.groupby([0, 1, 2, 3, 4]):
        votes = kind["package"].value_counts()
        assert votes[kind["label"].iloc[0]] == votes.max()


def test_a_cluster_of_rows_identical_to_more_in_another_is_no_segment():
    X = np.concatenate([np.zeros((400, 2)), np.random.default_rng(0).normal(9, 1, size=(100, 2))])
    model = fit_quietly(HDBSCANSegmenter(20, cluster_selection_method="leaf", scale=None), X)
    sizes = np.bincount(model.labels_[model.labels_ >= 0], minlength=len(model.segments_))
    assert (sizes > 0).all()
    assert len(set(model.labels_[:400])) == 1
    lost = model.hdbscan_labels_ >= len(model.segments_)
    assert model.n_relabelled_ == (model.labels_ != model.hdbscan_labels_).sum() >= lost.sum()


@given(
    answers=st.integers(2, 4),
    n=st.integers(30, 120),
    seed=st.integers(0, 10_000),
    noise=st.sampled_from(NOISE),
    method=st.sampled_from(["eom", "leaf"]),
    metric=st.sampled_from(["euclidean", "manhattan", "hamming"]),
)
@settings(max_examples=40, deadline=None)
def test_properties_on_tied_data(answers, n, seed, noise, method, metric):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, answers, size=(n, 3)).astype(float)
    X[: n // 3] = X[0]
    model = fit_quietly(
        HDBSCANSegmenter(5, min_samples=3, noise=noise, cluster_selection_method=method, metric=metric, scale=None), X
    )
    codes, degrees = model.predict(X), model.transform(X)
    assert (codes == model.labels_).all()
    assert model.n_relabelled_ >= 0
    assert np.isfinite(degrees).all()
    assert (degrees.sum(axis=1) <= 1 + 1e-9).all()
    kinds = pd.DataFrame(X).groupby([0, 1, 2]).ngroup()
    assert pd.Series(codes).groupby(kinds).nunique().max() == 1
    if noise != "keep" and len(model.segments_):
        assert codes.min() >= 0
    new = rng.integers(-1, answers + 1, size=(20, 3)).astype(float)
    assert (model.predict(new)[::-1] == model.predict(new[::-1])).all()


def test_weak_density_is_warned_of_with_figures_and_what_to_try():
    X, _ = crowds((40, 40), scatter=200)
    with pytest.warns(WeakDensityWarning) as caught:
        model = HDBSCANSegmenter(scale=None).fit(X)
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    n = round(model.share_unassigned_ * 280)
    assert f"{n} of 280 customers ({n / 2.8:.1f} %) are in none of the 2 dense groups (min_cluster_size=15" in message
    assert "scale scores" in message
    assert "five dimensions" in message
    assert "latent classes or k-means" in message
    assert "density_path" in message
    assert " ".join(model.notes_).startswith(message)
    assert issubclass(WeakDensityWarning, SegmentationWarning)


def test_repeated_rows_are_warned_of():
    X = np.concatenate([crowds((200, 100))[0], np.zeros((100, 2))])
    with pytest.warns(WeakDensityWarning, match=r"99 of 400 customers \(24.8 %\) repeat the values of another"):
        model = HDBSCANSegmenter(scale=None).fit(X)
    assert model.share_repeated_ == 99 / 400


def test_clear_groups_warn_of_nothing():
    model = HDBSCANSegmenter(scale=None).fit(crowds()[0])  # a warning would be an error here
    assert not any("What to try" in note for note in model.notes_)
    assert model.share_repeated_ == 0


def test_fitted_state_is_arrays_and_plain_values():
    X, _ = crowds(scatter=20)
    model = HDBSCANSegmenter().fit(X)
    assert all(type(value) is np.ndarray for value in model.density_.values())
    state = {name: value for name, value in vars(model).items() if name not in model.get_params()}
    modules = {type(value).__module__.split(".")[0] for value in state.values()}
    assert modules <= {"builtins", "numpy", "pandas"}
    assert b"hdbscan.hdbscan_" not in pickle.dumps(model)
    assert b"sklearn.neighbors" not in pickle.dumps(model)
    restored = pickle.loads(pickle.dumps(model))
    new = np.random.default_rng(1).uniform(-50, 80, size=(100, 2))
    np.testing.assert_array_equal(restored.transform(new), model.transform(new))
    np.testing.assert_array_equal(restored.predict(new), model.predict(new))


def test_a_prediction_changes_nothing_and_remembers_nothing():
    X, _ = crowds(scatter=20)
    model = HDBSCANSegmenter().fit(X)
    new = np.random.default_rng(1).uniform(-50, 80, size=(100, 2))
    expected = model.predict(new)
    moved = new.copy()
    assert (model.predict(moved) == expected).all()
    moved += 1000  # the same array with other customers in it
    assert (model.predict(moved) == -1).all()


def test_a_table_keeps_ids_and_a_column_without_spread_counts_nothing():
    X, _ = crowds()
    table = pd.DataFrame(X, columns=["a", "b"], index=pd.Index(np.arange(400) + 7, name="customer_id"))
    model = HDBSCANSegmenter().fit(table.assign(c=1.0))
    assert sg.assign(model, table.assign(c=1.0)).index.equals(table.index)
    assert model.centers_.columns.tolist() == ["a", "b", "c"]
    assert (model.labels_ == HDBSCANSegmenter().fit(table).labels_).all()


@pytest.mark.parametrize("n", [40, 300, 374, 500])
def test_customers_who_are_all_alike_are_no_segment(n):
    """The package answers one group or none, depending on their number."""
    with pytest.warns(WeakDensityWarning):
        assert len(HDBSCANSegmenter().fit(pd.DataFrame({"a": np.ones(n)})).segments_) == 0


def test_groups_larger_than_the_table_are_named_as_the_cause():
    X = np.random.default_rng(0).normal(size=(500, 2))
    with pytest.warns(WeakDensityWarning, match=r"two groups of 5,000 take at least 10,000 customers, and 500 were"):
        HDBSCANSegmenter(min_cluster_size=5000).fit(X)
