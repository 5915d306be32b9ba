"""Items of few levels: who stands between segments, and the comparison with tables cut from a normal distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.evaluation import _latent_test
from segmentation.evaluation._latent import learn_latent
from segmentation.evaluation._latent_between import MOST, Items, density_between
from segmentation.evaluation._latent_test import APART, _compared, _filled, against_latent_normal
from segmentation.evaluation._refits import Customers
from segmentation.segmenters import KMeansSegmenter


class Bar:
    def __init__(self):
        self.done = 0

    def update(self, n=1):
        self.done += n


def judged(X, numbers=(2, 3, 4), n_simulations=19, seed=0):
    models = {k: KMeansSegmenter(k, n_init=3) for k in numbers}
    bar = Bar()
    found = against_latent_normal(models, Customers.of(X), np.random.SeedSequence(seed).spawn(n_simulations + 1), bar)
    assert bar.done == n_simulations
    return found


def answers(rng, places, first, second):
    """Draw answers of customers at these places of the line between two segments with these shares of yes."""
    logit = (1 - places[:, None]) * np.log(first / (1 - first)) + places[:, None] * np.log(second / (1 - second))
    return (rng.random((len(places), len(first))) < 1 / (1 + np.exp(-logit))).astype(float)


FIRST, SECOND = np.full(12, 0.2), np.r_[np.full(8, 0.8), np.full(4, 0.2)]


def on_the_line(rng, between, n=6000, items=(FIRST, SECOND)):
    """Return the density found for customers spread evenly but for the middle, which has this share of the density."""
    places = rng.uniform(-0.4, 1.4, 2 * n)
    kept = (np.abs(places - 0.5) > 0.25) | (rng.random(len(places)) < between)
    places = places[kept][:n]
    truth = (places > 0.5).astype(int)
    # shares of answers are those at the two ends of the line
    learnt = np.concatenate([answers(rng, np.full(n, end), *items) for end in (0.0, 1.0)])
    both = Items.of(np.concatenate([learnt, answers(rng, places, *items)]))
    rows = np.arange(len(both.given))
    codes = np.repeat([0, 1], n)
    return density_between(both.rows(rows[: 2 * n]), codes, both.rows(rows[2 * n :]), truth)


# --- who stands between ---


@pytest.mark.parametrize(("between", "low", "high"), [(0.0, 0.0, 0.25), (0.5, 0.35, 0.75), (1.0, 0.85, 1.0)])
def test_a_planted_density_is_found(between, low, high):
    found = [on_the_line(np.random.default_rng(seed), between) for seed in range(3)]
    assert low <= np.mean(found) <= high


def test_answers_that_say_little_leave_the_density_even():
    """Nobody stands between, but four items of .4 and .6 cannot tell: no gap is claimed."""
    weak = (np.full(4, 0.4), np.full(4, 0.6))
    assert on_the_line(np.random.default_rng(0), 0.0, items=weak) > 0.8


def classes(rng, n=800, levels=2):
    leaning = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0, 1, 1, 1, 1]])
    code = rng.integers(0, 3, n)
    yes = np.where(leaning, 0.9, 0.1)[code]
    return (rng.random((levels - 1, n, 10)) < yes).sum(axis=0).astype(float), code


def one_trait(rng, n=800, d=10, rho=0.5):
    return (np.sqrt(rho) * rng.normal(size=(n, 1)) + np.sqrt(1 - rho) * rng.normal(size=(n, d)) > 0.2).astype(float)


@pytest.mark.parametrize("levels", [2, 3])
def test_latent_classes_leave_nobody_between(levels):
    X, code = classes(np.random.default_rng(0), levels=levels)
    items, half = Items.of(X), np.arange(400)
    assert density_between(items.rows(half), code[:400], items.rows(half + 400), code[400:]) < 0.2


def test_a_continuous_trait_cut_in_two_leaves_many():
    X = one_trait(np.random.default_rng(1))
    code, items, half = (X.sum(axis=1) > 4).astype(int), Items.of(X), np.arange(400)
    assert density_between(items.rows(half), code[:400], items.rows(half + 400), code[400:]) > 0.7


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_names_of_segments_levels_and_the_order_of_items_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    X, code = classes(rng, 300)
    X[rng.random(X.shape) < 0.1] = np.nan
    half = np.arange(150)

    def between(values, codes):
        items = Items.of(values)
        return density_between(items.rows(half), codes[:150], items.rows(half + 150), codes[150:])

    expected = between(X, code)
    assert 0 <= expected <= MOST
    assert between(X[:, rng.permutation(10)], code) == pytest.approx(expected)
    assert between(5 - 3 * X, code) == pytest.approx(expected)
    assert between(X, rng.permutation(3)[code]) == pytest.approx(expected)


def test_customers_in_no_segment_count_nowhere():
    X, code = classes(np.random.default_rng(0))
    out = np.arange(800) % 7 == 0
    items, half = Items.of(X), np.arange(400)
    codes = np.where(out, -1, code)
    kept_first, kept_second = half[~out[:400]], half[~out[400:]] + 400
    expected = density_between(items.rows(kept_first), code[kept_first], items.rows(kept_second), code[kept_second])
    # the average of all answers, with which shares are smoothed, is of everybody
    found = density_between(items.rows(half), codes[:400], items.rows(half + 400), codes[400:])
    assert found == pytest.approx(expected, abs=0.01)


def test_too_little_to_go_by_is_no_gap():
    X, code = classes(np.random.default_rng(0), 100)
    items = Items.of(X)
    assert density_between(items, np.zeros(100, dtype=int), items, code) == MOST
    assert density_between(items, code, items, np.zeros(100, dtype=int)) == MOST
    assert density_between(items, np.full(100, -1), items, code) == MOST
    assert density_between(items, np.where(np.arange(100) < 9, 0, 1), items, code) == MOST
    nothing = Items.of(np.ones((100, 3)))
    assert nothing.given.shape == (100, 0)
    assert density_between(nothing, code, nothing, code) == MOST


def test_items_have_a_column_for_each_level():
    items = Items.of(np.array([[0, 7, 1], [2, 7, np.nan], [1, 7, 0]]))
    assert items.starts.tolist() == [0, 3]
    assert items.given.tolist() == [[1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0]]


# --- the comparison ---


def test_latent_classes_are_apart_and_the_normal_tables_are_not():
    X, _ = classes(np.random.default_rng(2))
    found = judged(X)
    assert found.apart[3]
    assert found.between[3] < 0.2
    assert found.p_adjusted[3] == found.p_value[3] == pytest.approx(1 / 20)
    assert found.simulated.shape == (19, 3)
    assert found.simulated.min(axis=1).median() > APART


def straight_liners(rng):
    X = one_trait(rng, rho=0.3)
    X[:40] = (np.arange(40) % 2)[:, None]
    return X


def skewed_trait(rng):
    trait = rng.exponential(size=(800, 1)) - 1
    return (0.8 * trait + 0.6 * rng.normal(size=(800, 10)) > rng.normal(0, 0.5, 10)).astype(float)


@pytest.mark.parametrize("world", [one_trait, straight_liners, skewed_trait])
def test_without_groups_nothing_is_apart_and_nothing_simulated(world):
    found = judged(world(np.random.default_rng(3)))
    assert not found.apart.any()
    assert (found.p_adjusted == 1).all()
    assert len(found.simulated) == 0


def test_steep_items_leave_few_between_in_simulated_tables_too(monkeypatch):
    """All yes or all no: a gap that correlated items make by themselves."""
    X = one_trait(np.random.default_rng(4), d=8, rho=0.95)
    monkeypatch.setattr(_latent_test, "APART", 1.0)
    found = judged(X, numbers=(2,))
    assert found.apart.all()
    assert found.p_adjusted[2] > 0.1


def test_p_values_from_densities():
    numbers = pd.Index([2, 3])
    simulated = np.array([[0.9, 0.2], [0.3, 0.8], [1.0, 1.0]])
    found = _compared(np.array([0.3, 0.4]), simulated, np.array([True, True]), numbers)
    assert found.p_value.tolist() == [0.5, 0.5]
    assert found.p_adjusted.tolist() == [0.75, 0.75]
    found = _compared(np.array([0.1, 0.6]), simulated, np.array([True, False]), numbers)
    assert found.p_value.tolist() == found.p_adjusted.tolist() == [0.25, 1.0]


def test_equal_seeds_give_equal_results_for_tables_and_arrays():
    X, _ = classes(np.random.default_rng(5), 400)
    first = judged(X, numbers=(3,))
    again = judged(pd.DataFrame(X, columns=[f"item {j}" for j in range(10)]), numbers=(3,))
    pd.testing.assert_series_equal(first.between, again.between)
    pd.testing.assert_frame_equal(first.simulated, again.simulated)


def test_the_seed_hardly_moves_what_stands_between():
    X = one_trait(np.random.default_rng(6))
    found = np.array([judged(X, seed=seed).between for seed in range(4)])
    assert found.std(axis=0).max() < 0.1


def test_a_number_for_which_no_fit_succeeds_is_not_apart():
    X, _ = classes(np.random.default_rng(7), 300)
    found = judged(X, numbers=(3, 200))
    assert found.apart.tolist() == [True, False]
    assert found.between[200] == MOST


def test_simulated_tables_keep_margins_and_correlations_of_rare_items():
    rng = np.random.default_rng(8)
    X = (rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 5)) > np.array([1.0, 1.5, 2.0, 2.5, 3.0])).astype(float)
    latent = learn_latent(X)
    drawn = [latent.draw(rng) for _ in range(20)]
    assert all((table.sum(axis=0) == X.sum(axis=0)).all() for table in drawn)
    mean = np.mean([np.corrcoef(table, rowvar=False) for table in drawn], axis=0)
    assert mean == pytest.approx(np.corrcoef(X, rowvar=False), abs=0.03)


def test_missing_answers_are_drawn_from_the_others():
    values = np.array([[0, np.nan], [1, np.nan], [np.nan, np.nan]])
    filled = _filled(values, np.random.default_rng(0))
    assert filled[2, 0] in (0, 1)
    assert np.isnan(filled[:, 1]).all()
    assert np.isnan(values[2, 0])
