"""Weighted log-odds against the formulas written out one word at a time."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.feedback import weighted_log_odds


def reference(counts, prior, word, group):
    """Monroe, Colaresi, Quinn (2008): log-odds of equation 16, variance of 20, z of 22, in plain Python."""
    groups = list(counts)
    a, a0 = prior[word], sum(prior.values())
    y_i, n_i = counts[group][word], sum(counts[group].values())
    y_j = sum(counts[g][word] for g in groups if g != group)
    n_j = sum(sum(counts[g].values()) for g in groups if g != group)
    odds_i = (y_i + a) / (n_i + a0 - y_i - a)
    odds_j = (y_j + a) / (n_j + a0 - y_j - a)
    delta = math.log(odds_i) - math.log(odds_j)
    error = math.sqrt(1 / (y_i + a) + 1 / (y_j + a))
    return delta, error, delta / error


@pytest.mark.parametrize("own_prior", [False, True])
def test_equals_a_reference_computation(own_prior):
    rng = np.random.default_rng(4)
    words, groups = [f"w{i}" for i in range(40)], ["a", "b", "c", "d"]
    values = rng.poisson(rng.gamma(0.6, 30, (40, 1)) * rng.uniform(0.2, 3, (40, 4)))
    values[:, 0] += 1  # every word is used
    frame = pd.DataFrame(values, index=words, columns=groups)
    prior = dict(zip(words, rng.uniform(0.01, 20, 40), strict=True)) if own_prior else None
    result = weighted_log_odds(frame, None if prior is None else pd.Series(prior), prior_strength=0.3)
    used = prior or {w: 0.3 * float(frame.loc[w].sum()) for w in words}
    counts = {g: {w: float(frame.loc[w, g]) for w in words} for g in groups}
    for row in result.itertuples():
        expected = reference(counts, used, row.word, row.group)
        np.testing.assert_allclose((row.log_odds, row.standard_error, row.z), expected, rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=8))
def test_two_groups_mirror_each_other(pairs):
    frame = pd.DataFrame([(x + 1, y) for x, y in pairs], columns=["a", "b"])
    result = weighted_log_odds(frame)
    mine, theirs = (result[result["group"] == g]["log_odds"].to_numpy() for g in ("a", "b"))
    np.testing.assert_allclose(mine, -theirs, atol=1e-12)


def test_the_prior_pulls_rare_words_more():
    frame = pd.DataFrame({"a": [4, 400, 596], "b": [1, 100, 899]}, index=["rare", "frequent", "other"])
    result = weighted_log_odds(frame).query("group == 'a'").set_index("word")
    assert result.loc["frequent", "z"] > 3 * result.loc["rare", "z"] > 0


@pytest.mark.parametrize(
    ("counts", "arguments", "message"),
    [
        ([1, 2], {}, "a table, words by groups"),
        (pd.DataFrame({"a": [1]}), {}, "two groups or more"),
        (pd.DataFrame({"a": [1], "b": [1]}), {}, "two words or more"),
        (pd.DataFrame({"a": [1, 1], "b": [1, -1]}), {}, "not negative"),
        (pd.DataFrame({"a": ["x", "y"], "b": ["y", "z"]}), {}, "must be numbers"),
        (pd.DataFrame({"a": [0, 1], "b": [0, 1]}, index=["late", "dear"]), {}, "'late' has none"),
        (pd.DataFrame({"a": [1, 1], "b": [1, 1]}), {"prior_strength": 0}, "above 0"),
        (pd.DataFrame({"a": [1, 1], "b": [1, 1]}), {"prior": [1.0]}, "1 has none"),
        (pd.DataFrame({"a": [1, 1], "b": [1, 1]}, index=["x", "x"]), {"prior": {"x": 1}}, "stand once"),
    ],
)
def test_bad_input(counts, arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        weighted_log_odds(counts, **arguments)
