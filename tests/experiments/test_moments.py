"""Moments of groups add up and keep their digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.experiments._moments import Moments, moments_of


def made(values, codes, size, origin):
    """Moments computed group by group, from the values themselves."""
    k = values.shape[1]
    n, mean, cross = np.zeros(size), np.zeros((size, k)), np.zeros((size, k, k))
    for g in range(size):
        part = values[codes == g]
        n[g] = len(part)
        if len(part):
            mean[g] = (part - origin).mean(axis=0)
            apart = part - origin - mean[g]
            cross[g] = apart.T @ apart
    return Moments(n, mean, cross, origin)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.0, 3.0, 1e9]), size=st.integers(1, 6))
def test_groups_of_groups_are_the_groups(seed, level, size):
    rng = np.random.default_rng(seed)
    values = level + rng.normal(size=(200, 2))
    fine = rng.integers(0, 12, 200)
    coarse = rng.integers(0, size, 12)
    origin = np.full(2, level)
    whole = made(values, coarse[fine], size, origin)
    together = made(values, fine, 12, origin).grouped(coarse, size)
    np.testing.assert_allclose(together.n, whole.n)
    np.testing.assert_allclose(together.mean, whole.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(together.cross, whole.cross, rtol=1e-10, atol=1e-10)


def test_pooled_is_grouped_along_one_axis():
    rng = np.random.default_rng(1)
    values, codes = rng.normal(size=(300, 3)), rng.integers(0, 6, 300)
    flat = made(values, codes, 6, np.zeros(3))
    square = Moments(flat.n.reshape(2, 3), flat.mean.reshape(2, 3, 3), flat.cross.reshape(2, 3, 3, 3), flat.origin)
    by_row = flat.grouped(np.repeat([0, 1], 3), 2)
    for axis in (1, -1):
        pooled = square.pooled(axis)
        np.testing.assert_allclose(pooled.mean, by_row.mean, atol=1e-14)
        np.testing.assert_allclose(pooled.cross, by_row.cross, rtol=1e-12)


def test_another_origin_moves_nothing():
    values = 1e9 + np.random.default_rng(2).normal(size=(100, 1))
    near = made(values, np.zeros(100, dtype=int), 1, np.array([1e9]))
    far = near.rebased(np.array([1e9 - 5]))
    assert far.mean[0, 0] == pytest.approx(near.mean[0, 0] + 5, rel=1e-15)
    both = near.joined(far)
    np.testing.assert_allclose(both.mean[0], both.mean[1], rtol=1e-12)


def test_sums_tell_what_rounding_cost():
    values = 1e9 + np.random.default_rng(3).normal(size=1000)
    n = np.array([1000.0])

    def read(shift):
        moved = values - shift
        return moments_of(
            n, np.array([[moved.sum()]]), np.array([[[moved @ moved]]]), np.array([[shift]]), np.array([1e9])
        )

    good, loss = read(1e9)
    assert loss < 1
    assert good.cross[0, 0, 0] == pytest.approx(((values - values.mean()) ** 2).sum(), rel=1e-12)
    assert read(0.0)[1] > 1e6


def test_equal_values_have_no_spread_at_all():
    # 0.1 has no exact sum, 1 has; neither may leave a spread that is not there
    for value in (0.1, 1.0, 0.0):
        v = np.full(7, value)
        made_of, loss = moments_of(
            np.array([7.0]), np.array([[v.sum()]]), np.array([[[v @ v]]]), np.zeros((1, 1)), np.zeros(1)
        )
        assert made_of.cross[0, 0, 0] == 0
        assert (loss == 0) == (value != 0.1)


def test_a_group_without_rows_has_moments_of_zero():
    empty, loss = moments_of(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2, 2)), np.ones((1, 2)), np.zeros(2))
    assert loss == 0
    assert not empty.mean.any()
    assert not empty.cross.any()
