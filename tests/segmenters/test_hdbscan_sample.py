"""Learning from a sample: it is uniform, depends on no row order, and finds what all customers show."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from segmentation.exceptions import WeakDensityWarning
from segmentation.segmenters import HDBSCANSegmenter
from segmentation.segmenters._density_rows import group_identical, sample_rows


def sample(values, size, seed=0):
    return sample_rows(values, *group_identical(values), size, seed)


@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.sampled_from([-1.0, 0.0, -0.0, 2.5])
    )
)
@settings(max_examples=100, deadline=None)
def test_identical_rows_are_grouped_in_the_order_of_their_values(values):
    order, group = group_identical(values)
    assert sorted(order) == list(range(len(values)))
    expected = pd.DataFrame(values + 0.0).groupby(list(range(values.shape[1])), sort=True).ngroup()
    assert group.tolist() == expected.tolist()
    assert (np.diff(group[order]) >= 0).all()


@given(st.integers(0, 2**31 - 1), st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_sample_does_not_depend_on_the_order_of_rows(seed, size, shuffle):
    rng = np.random.default_rng(shuffle)
    values = rng.integers(0, 4, size=(50, 2)).astype(float)  # many rows are repeated
    shuffled = values[rng.permutation(50)]
    one, other = sample(values, size, seed), sample(shuffled, size, seed)
    assert len(one) == len(set(one.tolist())) == min(size, 50)
    np.testing.assert_array_equal(values[one], shuffled[other])


def test_the_sample_is_uniform_over_customers():
    values = np.repeat(np.arange(20.0), [1] * 15 + [1, 2, 3, 4, 35]).reshape(-1, 1)  # 60 rows, 35 of them alike
    n_seeds, size = 2000, 15
    chosen = np.stack(
        [np.bincount(values[sample(values, size, seed), 0].astype(int), minlength=20) for seed in range(n_seeds)]
    )
    counts = np.bincount(values[:, 0].astype(int))
    # the number of a kind in the sample is hypergeometric: mean and variance are known
    mean = size * counts / 60
    variance = mean * (1 - counts / 60) * (60 - size) / 59
    z = (chosen.mean(axis=0) - mean) / np.sqrt(variance / n_seeds)
    assert np.abs(z).max() < 3.5
    np.testing.assert_allclose(chosen.var(axis=0), variance, rtol=0.15)


def test_columns_and_signs_of_zero_do_not_confuse_the_sample():
    values = np.random.default_rng(0).normal(size=(100, 2))
    assert set(sample(values, 50)) != set(sample(values[:, ::-1].copy(), 50))
    zeros = np.where(np.arange(100)[:, None] % 2, 0.0, -0.0) * np.ones((100, 2))
    zeros[:, 1] = np.arange(100)
    np.testing.assert_array_equal(sample(zeros, 50), sample(np.abs(zeros), 50))


def test_a_few_more_customers_change_the_sample_a_little():
    values = np.random.default_rng(0).normal(size=(1000, 3))
    one, other = sample(values, 200), sample(values[:990], 200)
    assert len(set(one) & set(other)) >= 195


def blobs():
    centers = [[0, 0], [12, 0], [0, 12], [14, 14]]
    return make_blobs(3000, centers=centers, cluster_std=[1, 1.5, 0.7, 1], random_state=1)[0]


def test_learning_from_a_sample_finds_the_same_groups_and_assigns_all_customers():
    X = blobs()
    everybody = HDBSCANSegmenter().fit(X)
    model = HDBSCANSegmenter(max_fit_customers=1000, random_state=0).fit(X)
    assert model.labels_.shape == (3000,)
    assert model.fit_positions_.shape == model.hdbscan_labels_.shape == (1000,)
    assert model.min_cluster_size_ == 20
    assert adjusted_rand_score(everybody.labels_, model.labels_) > 0.9
    assert (model.predict(X) == model.labels_).all()
    assert (model.labels_[model.fit_positions_] == model.hdbscan_labels_).all()
    assert model.n_relabelled_ == 0
    assert "Segments were learnt from a sample of 1,000 of 3,000 customers; the others were assigned" in model.notes_[0]


@pytest.mark.parametrize("size", [700, 3000, 10**6])
def test_with_a_limit_the_result_does_not_depend_on_the_order_of_rows(size):
    X = blobs()
    p = np.random.default_rng(0).permutation(3000)
    one = HDBSCANSegmenter(max_fit_customers=size, random_state=3).fit(X)
    other = HDBSCANSegmenter(max_fit_customers=size, random_state=3).fit(X[p])
    assert (one.labels_[p] == other.labels_).all()
    np.testing.assert_allclose(one.transform(X[:100]), other.transform(X[:100]), rtol=1e-9)
    assert set(p[other.fit_positions_]) == set(one.fit_positions_)


def test_with_a_limit_ties_do_not_depend_on_the_order_of_rows_either():
    rng = np.random.default_rng(0)
    X = rng.binomial(2, rng.choice([0.1, 0.9], size=(500, 1)), size=(500, 5)).astype(float)
    p = rng.permutation(500)

    def labels(X, **parameters):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakDensityWarning)
            return HDBSCANSegmenter(10, min_samples=5, cluster_selection_method="leaf", **parameters).fit(X).labels_

    assert (labels(X)[p] != labels(X[p])).any()  # the package's own result does depend on it
    assert (labels(X, max_fit_customers=500)[p] == labels(X[p], max_fit_customers=500)).all()


def test_the_seed_chooses_the_sample():
    X = blobs()
    first, same, other = (
        HDBSCANSegmenter(max_fit_customers=500, random_state=seed).fit(X).fit_positions_.tolist() for seed in (0, 0, 1)
    )
    assert first == same != other
