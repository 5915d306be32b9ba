"""Claims about segments are one family: what may be celebrated is wrong in 5 % of experiments, whatever the effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.experiments import analyze_experiment
from segmentation.experiments._analyze_family import corrected_family, family_p
from segmentation.experiments._interaction import interaction_test
from segmentation.experiments._multiplicity import adjusted_p


def family(z, correction="holm"):
    """Correct normal estimates of outcomes x segments, each with standard error 1."""
    n_outcomes, k = z.shape
    tests = pd.DataFrame(
        {"outcome": o, "arm": "mail", "p_value": interaction_test(z[o], np.ones(k), np.full(k, np.inf)).p_value}
        for o in range(n_outcomes)
    )
    table = pd.DataFrame({
        "outcome": np.repeat(np.arange(n_outcomes), k), "arm": "mail", "segment": np.tile(np.arange(k), n_outcomes),
        "lift_high": 0.0, "p_value": 2 * stats.norm.sf(np.abs(z.ravel())),
    })  # fmt: skip
    return corrected_family(tests, table, correction, 0.95, lambda _: (np.zeros(z.size), np.zeros(z.size)))


def wrong(truth, runs, seed, *, together=True):
    """Share of experiments with any wrong claim: of a difference that is not, or of a lift where there is none."""
    n_outcomes, k = truth.shape
    z = truth + np.random.default_rng(seed).standard_normal((runs, *truth.shape))
    q = stats.chi2.sf(((z - z.mean(axis=2, keepdims=True)) ** 2).sum(axis=2), k - 1)
    p = 2 * stats.norm.sf(np.abs(z)).reshape(runs, -1)
    own = [np.arange(k) + k * o for o in range(n_outcomes)]
    same, none = np.ptp(truth, axis=1) == 0, truth.ravel() == 0
    found = 0
    for one, several in zip(q, p, strict=True):
        if together:
            _, tests, table = family_p(one, several, own, "holm")
        else:
            tests, table = adjusted_p(one, "holm"), adjusted_p(several, "holm")
        found += bool((tests[same] < 0.05).any() or (table[none] < 0.05).any())
    return found / runs


@pytest.mark.parametrize(
    "truth",
    [
        np.zeros((1, 3)),
        np.zeros((3, 7)),
        np.array([[3.0] * 5, [8.0] + [0.0] * 4]),  # equal effects on one outcome, one segment alone on the other
        np.array([[4.0] * 4, [0.0] * 4, [0.0, 0.0, 0.0, 9.0]]),
    ],
)
def test_any_wrong_claim_is_made_in_at_most_5_percent(truth):
    runs = 2000
    limit = 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / runs)
    assert wrong(truth, runs, 0) <= limit
    # the check can fail: two families, each with 5 % by itself, have more together
    assert wrong(truth, runs, 0, together=False) > limit or len(truth) == 3


def test_by_hand():
    z = np.array([[0.0, 0.0, 4.0], [2.5, 2.5, 2.5]])
    tests, table, text = family(z)
    p = 2 * stats.norm.sf(np.abs(z))
    q = stats.chi2.sf([((row - row.mean()) ** 2).sum() for row in z], 2)
    roads = [2 * min(q[0], 3 * p[0].min()), 2 * min(q[1], 3 * p[1].min())]
    assert tests["p_any"].to_numpy() == pytest.approx([2 * roads[0], 2 * roads[1]])
    assert tests["p_adjusted"].to_numpy() == pytest.approx(
        [min(1, 2 * max(roads[0], q[0])), min(1, 2 * max(roads[1], q[1]))]
    )
    got = table["p_adjusted"].to_numpy().reshape(2, 3)
    assert got[0, 2] == pytest.approx(2 * max(roads[0], 3 * p[0, 2]))
    assert got[1] == pytest.approx(np.full(3, 2 * max(roads[1], 3 * p[1, 0])))
    assert text == "6 comparisons (3 segments x 1 arm x 2 outcomes) and 2 tests of a difference between segments"


def test_a_shown_overall_lift_leaves_the_interaction_its_own_level():
    """With effects shown in segments the interaction pays nothing for them."""
    tests, _, _ = family(np.array([[5.0, 5.5, 8.0]]))
    assert 0.025 < tests["p_value"].iloc[0] < 0.1
    assert tests["p_adjusted"].iloc[0] == tests["p_value"].iloc[0]


@pytest.mark.parametrize("correction", ["holm", "bonferroni", "sidak", "bh", "by"])
def test_nothing_is_claimed_below_p_any(correction):
    rng = np.random.default_rng(1)
    for _ in range(20):
        tests, table, _ = family(1.5 * rng.standard_normal((2, 4)), correction)
        least = tests.set_index("outcome")["p_any"].reindex(table["outcome"]).to_numpy()
        assert (table["p_adjusted"].to_numpy() >= least).all()
        assert (tests["p_adjusted"] >= tests["p_any"]).all()
        assert (table["p_adjusted"] >= table["p_value"]).all()


def test_segments_without_estimates_are_no_part_of_it():
    z = np.array([[3.0, np.nan, np.nan], [np.nan] * 3])
    tests, table, text = family(z)
    assert tests["p_any"].iloc[0] == pytest.approx(2 * stats.norm.sf(3))  # one test, one outcome
    assert np.isnan(tests["p_any"].iloc[1])
    assert tests["p_adjusted"].isna().all()
    assert table["p_adjusted"].iloc[0] == pytest.approx(2 * stats.norm.sf(3))
    assert table["p_adjusted"].iloc[1:].isna().all()
    assert text == "1 comparison (3 segments x 1 arm x 2 outcomes), 5 more without a p-value"


def test_pooled_intervals_name_segments_only_where_something_is_shown():
    """An average effect just beyond its interval shows in every pooled interval; several outcomes are looked at."""
    rng = np.random.default_rng(5)
    n = 4000
    rows = pd.DataFrame({"tier": rng.choice(list("abcde"), n), "arm": np.tile(["mail", "none"], n // 2)})
    mail = np.where(rows["arm"] == "mail", 1.0, 0.0)
    for i, shift in enumerate((0.11, 0.066, 0.0)):
        y = rng.normal(size=n)
        for name in "abcde":  # the same estimated lift in every segment, 3.5 and 2.1 standard errors over all
            for one in (0.0, 1.0):
                here = (rows["tier"] == name) & (mail == one)
                y[here] += shift * one - y[here].mean()
        rows[f"y{i}"] = y
    found = analyze_experiment(rows, segment="tier", arm="arm", outcomes=["y0", "y1", "y2"], control="none")
    assert (found.pooled.query("outcome == 'y0'")["pooled_low"] > 0).any()
    assert (found.interaction["p_any"] > 0.05).all()
    text = str(found)
    assert "segments by itself, which is not shown once corrected." in text
    assert "interval above 0 in" not in text
    assert "'y1': no effect shown after correction for 3 comparisons (p = .0" in found.headline
    assert "In no single segment is a lift shown" in found.headline
