"""Are two segments' means within a margin: formulas against independent ones, decisions where the truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.evaluation import _equivalence
from segmentation.evaluation._equivalence import (
    CANNOT_TELL,
    DIFFERENT,
    EQUIVALENT,
    Levels,
    compare_pairs,
    corrected,
    decide,
    moments_of,
    uncorrected,
)
from segmentation.evaluation._equivalence_groups import group_equivalent, merge_table

LEVELS = Levels(0.05, 0.9)


def compared(samples, margin, outcome="spend"):
    values = np.concatenate(samples)
    codes = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    return compare_pairs(moments_of(values, codes, len(samples)), margin, outcome)


def money(rng, n, mean=1.0, share=0.3, sigma=1.0):
    return np.where(rng.random(n) < share, mean / share * np.exp(sigma * rng.normal(size=n) - sigma**2 / 2), 0.0)


def test_the_gate_is_what_the_power_needs():
    assert pytest.approx(3.605, abs=0.001) == LEVELS.gate


def test_moments_agree_with_scipy():
    rng = np.random.default_rng(0)
    samples = [rng.gamma(1, 2, 40), money(rng, 300)]
    codes = np.repeat([0, 1], [40, 300])
    found = moments_of(np.concatenate(samples), codes, 2)
    for code, sample in enumerate(samples):
        assert found.mean[code] == pytest.approx(sample.mean())
        assert found.variance[code] == pytest.approx(sample.var(ddof=1))
        assert found.third[code] == pytest.approx(stats.moment(sample, 3))
    assert found.n_events.tolist() == [39, (samples[1] != 0).sum()]


def test_without_skewness_it_is_two_welch_tests():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 50), rng.normal(0, 3, 80)
    a, b = np.concatenate([a, -a]), np.concatenate([b, -b])  # symmetric: nothing to correct
    row = compared([a, b], 1.0).iloc[0]
    over = stats.ttest_ind(a - 1.0, b, equal_var=False, alternative="less").pvalue
    under = stats.ttest_ind(a + 1.0, b, equal_var=False, alternative="greater").pvalue
    assert row["skewness"] == pytest.approx(0, abs=1e-12)
    assert row["p_equivalent"] == pytest.approx(max(over, under))


@given(quantile=st.floats(-6, 6), skewness=st.floats(-0.2, 0.2))
@settings(deadline=None, max_examples=200)
def test_the_transformation_and_its_inverse(quantile, skewness):
    assert corrected(uncorrected(quantile, skewness), skewness) == pytest.approx(quantile, abs=1e-3)


@given(a=st.floats(-6, 6), b=st.floats(-6, 6), skewness=st.floats(-0.2, 0.2))
@settings(deadline=None, max_examples=200)
def test_the_transformation_keeps_the_order(a, b, skewness):
    low, high = sorted((a, b))
    assert corrected(low, skewness) <= corrected(high, skewness) + 1e-12


def test_the_correction_makes_one_sided_tests_of_skewed_means_right():
    rng = np.random.default_rng(2)
    samples = rng.exponential(1, (20_000, 60))
    error = samples.std(axis=1, ddof=1) / np.sqrt(60)
    t = (samples.mean(axis=1) - 1) / error
    gap = samples - samples.mean(axis=1, keepdims=True)
    skewness = (gap**3).mean(axis=1) / 60**2 / error**3
    plain = stats.t.cdf(t, 59)
    better = stats.t.cdf(corrected(t, np.clip(skewness, -0.15, 0.15)), 59)
    assert np.mean(plain < 0.05) > 0.08
    assert np.mean(better < 0.05) < 0.07


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.0, EQUIVALENT), (0.45, CANNOT_TELL), (2.0, DIFFERENT), (-2.0, DIFFERENT)]
)
def test_decisions_of_clear_cases(shift, expected):
    rng = np.random.default_rng(3)
    row = decide(compared([rng.normal(0, 1, 400), rng.normal(shift, 1, 400)], 0.45), LEVELS).iloc[0]
    assert row["decision"] == expected
    inside = row["difference_low"] > -0.45 and row["difference_high"] < 0.45
    outside = row["difference_low"] > 0.45 or row["difference_high"] < -0.45
    assert (inside, outside) == (expected == EQUIVALENT, expected == DIFFERENT)
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_too_small_a_margin_is_never_equivalent():
    rng = np.random.default_rng(4)
    for _ in range(50):
        rows = decide(compared([rng.normal(0, 1, 200), rng.normal(0, 1, 200)], 0.3), LEVELS)  # 3.0 standard errors
        assert rows["decision"].tolist() == [CANNOT_TELL]
        # what it asks for is what it needs, 3.605 standard errors, and a fifth more
        needed = 1.2 * (3.605 / rows["margin_in_se"].item()) ** 2
        assert rows["times_needed"].item() == pytest.approx(needed, rel=1e-3)


def test_customers_asked_for_do_decide():
    rng = np.random.default_rng(5)
    decided = 0
    for _ in range(60):
        samples = [rng.normal(0, 1, 150), rng.normal(0, 1, 600)]
        times = decide(compared(samples, 0.25), LEVELS)["times_needed"].item()
        assert times > 1
        more = [rng.normal(0, 1, int(np.ceil(150 * times))), rng.normal(0, 1, int(np.ceil(600 * times)))]
        decided += decide(compared(more, 0.25), LEVELS)["decision"].item() == EQUIVALENT
    assert decided >= 46  # 90 % of 60, less what the uncertain spread and 60 tries leave open


def test_a_difference_like_the_margin_asks_for_no_number():
    samples = [np.tile([0.0, 2.0], 500), np.tile([1.0, 3.0], 500)]
    row = decide(compared(samples, 1.0), LEVELS).iloc[0]
    assert row["decision"] == CANNOT_TELL
    assert np.isinf(row["times_needed"])


def test_a_segment_without_purchases_proves_nothing():
    rng = np.random.default_rng(6)
    for small in (np.zeros(500), np.r_[np.zeros(490), np.ones(10)]):
        row = decide(compared([small, money(rng, 5000, share=0.02)], 50.0), LEVELS).iloc[0]
        assert row["few_events"]
        assert row["decision"] == CANNOT_TELL
        assert np.isnan(row["difference_low"])


def test_several_outcomes_must_all_agree_to_merge_and_one_keeps_apart():
    rng = np.random.default_rng(7)
    n = 2000
    same, other = [rng.normal(0, 1, n), rng.normal(0, 1, n)], [rng.normal(0, 1, n), rng.normal(3, 1, n)]
    rows = decide(pd.concat([compared(same, 0.5, "a"), compared(other, 0.5, "b")]), LEVELS)
    assert set(rows["decision"]) == {DIFFERENT}
    rows = decide(pd.concat([compared(same, 0.5, "a"), compared(same, 0.05, "b")]), LEVELS)
    assert set(rows["decision"]) == {CANNOT_TELL}
    rows = decide(pd.concat([compared(same, 0.5, "a"), compared(same, 0.4, "b")]), LEVELS)
    assert set(rows["decision"]) == {EQUIVALENT}


def test_holm_gives_levels_that_tell_what_it_decided():
    p = np.array([0.001, 0.02, 0.04, 0.5, 0.01])
    inside = np.array([True, True, True, True, False])
    rejected, level, adjusted = _equivalence._holm(p, inside, 0.05)
    assert rejected.tolist() == [True, False, False, False, False]
    np.testing.assert_allclose(adjusted, [0.004, 0.06, 0.08, 0.5, 1.0])
    np.testing.assert_allclose(level, [0.05 / 4, 0.05 / 3, 0.05 / 3, 0.05 / 3, 0.05 / 4])
    assert ((p < level) == rejected)[inside].all()


def test_groups_are_equivalent_throughout():
    # a is like b and b like c, and a is not like c
    rng = np.random.default_rng(8)
    rows = decide(compared([rng.normal(mean, 1, 4000) for mean in (0.0, 0.2, 0.4, 5.0)], 0.3), LEVELS)
    found = {(row["first"], row["second"]): row["decision"] for row in rows.to_dict("records")}
    assert found[0, 1] == found[1, 2] == EQUIVALENT
    assert found[0, 2] != EQUIVALENT
    groups = group_equivalent(rows, 4)
    assert groups in ([[0, 1]], [[1, 2]])
    merges = merge_table(groups, list("abcd"), rows, np.array([4000] * 4), dict.fromkeys("abcd", 7.0) | {"b": 9.0})
    assert merges["saves"].tolist() == [7.0]
    assert merges["largest_difference"].item() < 0.3


@given(seed=st.integers(0, 10_000), k=st.integers(2, 6))
@settings(deadline=None, max_examples=25)
def test_every_two_of_a_group_are_equivalent(seed, k):
    rng = np.random.default_rng(seed)
    samples = [rng.normal(rng.choice([0, 0.2, 0.4]), 1, rng.integers(100, 1500)) for _ in range(k)]
    rows = decide(compared(samples, 0.35), LEVELS)
    decision = {frozenset((row["first"], row["second"])): row["decision"] for row in rows.to_dict("records")}
    groups = group_equivalent(rows, k)
    members = [code for group in groups for code in group]
    assert len(members) == len(set(members))
    for group in groups:
        assert all(decision[frozenset((a, b))] == EQUIVALENT for a in group for b in group if a < b)


@pytest.mark.parametrize(("n_small", "n_large"), [(500, 500), (400, 8000)])
def test_rates_on_zero_inflated_money(n_small, n_large):
    """Limits 95, 10 and 5 of 100, widened by the error of 150 worlds; full size: benchmarks/bench_granularity.py."""
    rng = np.random.default_rng(9)
    n_worlds = 150
    variance = 0.3 * (1 / 0.3) ** 2 * np.exp(1) - 1
    # purchases at a higher mean are larger in proportion: so is their spread
    merged = {}
    for times in (0.0, 1.0, 1.5):
        margin = 5.5 * np.sqrt(variance / n_small + variance / n_large)
        for _ in range(100):
            margin = 5.5 * np.sqrt(variance * (1 + times * margin) ** 2 / n_large + variance / n_small)
        count = 0
        for _ in range(n_worlds):
            samples = [money(rng, n_small), money(rng, n_large, mean=1 + times * margin)]
            count += decide(compared(samples, margin), LEVELS)["decision"].item() == EQUIVALENT
        merged[times] = count
    assert merged[0.0] >= stats.binom.ppf(0.005, n_worlds, 0.95)
    assert merged[1.0] <= stats.binom.ppf(0.995, n_worlds, 0.10)
    assert merged[1.5] <= stats.binom.ppf(0.995, n_worlds, 0.05)


def test_pairs_clearly_apart_cost_nothing():
    rng = np.random.default_rng(10)
    samples = [rng.normal(mean, 1, 1000) for mean in (0, 0, 10, 20, 30, 40)]
    rows = decide(compared(samples, 0.3), LEVELS)
    row = rows[(rows["first"] == 0) & (rows["second"] == 1)].iloc[0]
    assert row["level"] == 0.025  # alone in its family
    assert row["decision"] == EQUIVALENT
