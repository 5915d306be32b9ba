"""Is a segment two: the cuts, the permutation test against scipy's, and false and true splits."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.evaluation._split import best_cut, permutation_p, try_split, twice_median
from segmentation.evaluation._split_actions import KnownActions, ObservedActions, try_action_split
from segmentation.evaluation._split_difference import difference_of, mean_of, sum_of
from segmentation.evaluation._split_rules import candidates_of, check_features
from segmentation.exceptions import ColumnError

RUN = {"alpha": 0.05, "n_halvings": 5, "n_permutations": 499}


def money(rng, n, mean=1.0, share=0.3):
    return np.where(rng.random(n) < share, mean / share * np.exp(rng.normal(size=n) - 0.5), 0.0)


def described(rng, n):
    return pd.DataFrame({"age": rng.integers(18, 80, n), "region": rng.choice(["n", "s", "e"], n)})


def test_cuts_are_rules_that_say_who_is_inside():
    features = pd.DataFrame(
        {
            "visits": [0, 1, 2, 3, 0, 1, 2, 3],
            "app": [True, False] * 4,
            "region": ["n", "n", "s", "s", "e", "e", "e", None],
            "size": pd.Categorical(list("SMLSMLSM"), categories=list("SML"), ordered=True),
            "income": [1.0, np.nan, 3.0, np.nan, 5.0, 6.0, 7.0, 8.0],
        }
    )
    found = candidates_of(features, 2)
    inside = dict(zip(found.rules, found.inside.T, strict=True))
    assert inside["visits > 1"].tolist() == [False, False, True, True] * 2
    assert inside["app == True"].tolist() == [True, False] * 4
    assert inside["region == 'e'"].tolist() == [False] * 4 + [True] * 3 + [False]
    assert inside["size > 'S'"].tolist() == [level in "ML" for level in "SMLSMLSM"]
    assert inside["is_missing(income)"].tolist() == [False, True, False, True] + [False] * 4
    assert not inside["income > 6"][1]
    assert all(2 <= cut.sum() <= 6 for cut in found.inside.T)
    assert "is_missing(region)" not in inside  # one customer: too small a part


def test_rules_are_in_the_language_of_rule_segments():
    from segmentation.segmenters import RuleSegmenter

    rng = np.random.default_rng(0)
    features = described(rng, 300).assign(income=np.where(rng.random(300) < 0.2, np.nan, rng.normal(size=300)))
    found = candidates_of(features, 10)
    for rule, inside in zip(found.rules, found.inside.T, strict=True):
        matched = RuleSegmenter({"part": rule}).fit(features).match_table(features)["part"]
        np.testing.assert_array_equal(matched.fillna(False).to_numpy(dtype=bool), inside)


def test_many_values_are_cut_at_their_tenths():
    found = candidates_of(pd.DataFrame({"x": np.arange(1000.0)}), 1)
    assert len(found.rules) == 9
    np.testing.assert_allclose(found.inside.mean(axis=0), np.linspace(0.9, 0.1, 9), atol=0.002)


@pytest.mark.parametrize(
    ("column", "message"),
    [(pd.to_datetime(["2024-01-01"] * 3), "days since"), (pd.Series(["a", 1, 2.5], dtype=object), "mixes kinds")],
)
def test_columns_that_cannot_be_cut_are_refused(column, message):
    with pytest.raises(ColumnError, match=message):
        check_features(pd.DataFrame({"x": column}))


def test_the_permutation_test_agrees_with_scipy():
    rng = np.random.default_rng(1)
    values, side = money(rng, 80), np.arange(80) < 25

    def studentised(a, b):
        return (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))

    expected = stats.permutation_test(
        (values[side], values[~side]), studentised, alternative="greater", n_resamples=20_000, rng=rng
    ).pvalue
    for swapped in (1, -1):  # the larger side is drawn through the smaller one
        ours = permutation_p([(swapped * values, side if swapped == 1 else ~side, 1.0)], 20_000, rng)
        # it stops at 10 as good ones: a standard error of about a third
        assert ours == pytest.approx(expected, rel=1.0)
    many = np.mean([permutation_p([(values, side, 1.0)], 20_000, rng) for _ in range(60)])
    assert many == pytest.approx(expected, rel=0.2)


def test_permutation_p_values_are_uniform_where_there_is_nothing():
    rng = np.random.default_rng(2)
    p = [permutation_p([(money(rng, 60), np.arange(60) < 12, 1.0)], 99, rng) for _ in range(1000)]
    for level in (0.05, 0.2, 0.5):  # the 99 % band of each in 1,000
        band = stats.binom.ppf([0.005, 0.995], 1000, level)
        assert band[0] <= np.sum(np.array(p) <= level) <= band[1]


def test_sides_without_spread():
    rng = np.random.default_rng(3)
    values = np.r_[np.ones(10), np.zeros(10)]
    assert permutation_p([(values, values == 1, 1.0)], 99, rng) == 0.01
    assert permutation_p([(values, values == 0, 1.0)], 99, rng) == 1.0
    assert permutation_p([(np.zeros(20), values == 1, 1.0)], 99, rng) > 0.5


def test_differences_against_scipy():
    rng = np.random.default_rng(4)
    values, side = rng.normal(size=200), rng.random(200) < 0.3
    found = difference_of(values, side)
    expected = stats.ttest_ind(values[side], values[~side], equal_var=False)
    assert found.difference / found.error == pytest.approx(expected.statistic)
    assert found.df == pytest.approx(expected.df)
    half = sum_of([(values, side, 0.5)])
    assert (half.difference, half.error) == pytest.approx((found.difference / 2, found.error / 2))
    assert mean_of(np.r_[values, -values]).p_above(0.0) == pytest.approx(0.5)
    assert difference_of(np.ones(4), np.arange(4) < 2).p_above(0.5) == 1.0


def test_twice_the_median_is_never_too_small():
    assert twice_median([0.01, 0.02, 0.03, 0.9]) == 0.06
    assert twice_median([0.9]) == 1.0


def test_the_best_cut_has_the_largest_difference_and_its_sign():
    rng = np.random.default_rng(5)
    features = described(rng, 2000)
    cuts = candidates_of(features, 50)
    values = rng.normal(size=2000) - 2.0 * (features["age"] > 60)
    moments = np.column_stack([np.ones(2000), values, values**2, np.ones(2000)])
    place, sign = best_cut(cuts.inside, moments)
    assert cuts.columns[place] == "age"
    assert sign == -1
    assert best_cut(cuts.inside, np.zeros((2000, 4))) is None


def test_false_splits_are_rare_on_money():
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(60):
        cuts = candidates_of(described(rng, 800), 50)
        result = try_split(money(rng, 800), cuts, margin=0.01, rng=rng, **RUN)
        found += result.p_value < 0.05
    assert found <= stats.binom.ppf(0.99, 60, 0.05)


def test_a_planted_split_is_found_with_its_column_and_size():
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(8):
        features = described(rng, 3000)
        values = money(rng, 3000) * np.where(features["age"] > 48, 3.0, 1.0)
        result = try_split(values, candidates_of(features, 50), margin=0.5, rng=rng, **RUN)
        found += result.p_value < 0.05 and result.p_worth < 0.05 and result.column == "age"
        assert result.direction == "more"
        assert result.difference == pytest.approx(2.0, abs=0.9)
    assert found == 8


def test_the_seed_does_not_decide():
    rng = np.random.default_rng(8)
    features = described(rng, 2000)
    cuts = candidates_of(features, 50)
    values = money(rng, 2000) * np.where(features["age"] > 48, 2.2, 1.0)
    p = [
        try_split(values, cuts, margin=0.1, rng=np.random.default_rng(seed), **(RUN | {"n_halvings": 10})).p_value
        for seed in range(6)
    ]
    assert len({value < 0.05 for value in p}) == 1


def test_too_few_buyers_try_nothing():
    rng = np.random.default_rng(9)
    values = np.zeros(500)
    values[:12] = 100.0
    assert try_split(values, candidates_of(described(rng, 500), 50), margin=1, rng=rng, **RUN) is None


def test_a_level_is_no_gain_and_a_changed_action_is():
    rng = np.random.default_rng(10)
    n = 4000
    features = described(rng, n)
    cuts = candidates_of(features, 50)
    older = (features["age"] > 48).to_numpy()
    action = rng.integers(0, 2, n)
    labels = ["call", "mail"]
    run = RUN | {"cost_per_customer": 0.0, "rng": rng}
    level = money(rng, n) + 3.0 * older + 0.5 * action
    result = try_action_split(ObservedActions(level, action, 2), labels, cuts, **run)
    assert result is None or result.p_value > 0.05
    changed = money(rng, n) + 2.0 * (action == older)
    result = try_action_split(ObservedActions(changed, action, 2), labels, cuts, **run)
    assert result.p_value < 0.05
    assert result.actions[:2] == ("mail", "call")
    # those who got the wrong common action have 2 more with the other one: about 48 % of all
    assert result.difference == pytest.approx(2 * min(older.mean(), 1 - older.mean()), abs=0.3)
    dear = try_action_split(ObservedActions(changed, action, 2), labels, cuts, **(run | {"cost_per_customer": 1.5}))
    assert dear.p_worth > 0.5
    worth = np.column_stack([np.where(older, 1.0, 3.0), np.where(older, 3.0, 1.0)]) + rng.normal(size=(n, 1))
    known = try_action_split(KnownActions(worth), labels, cuts, **run)
    assert known.actions[:2] == ("mail", "call")
    assert known.gain == pytest.approx(n * 2 * min(older.mean(), 1 - older.mean()), rel=0.15)
    same = np.column_stack([np.where(older, 5.0, 3.0), np.where(older, 4.0, 1.0)])
    assert try_action_split(KnownActions(same), labels, cuts, **run) is None
