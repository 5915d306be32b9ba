"""correlated_groups: planted groups, chains, singletons, the measure beside scipy's, representatives."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features import correlated_groups
from segmentation.features._association import Feature, associate

N = 600


def planted(seed=0, n=N):
    """Two groups of quantities, one of categories, one across kinds; four features alone."""
    rng = np.random.default_rng(seed)
    money, visits = rng.lognormal(3, 1, n), rng.normal(size=n)
    place = rng.choice(list("abcd"), n)
    height = np.array([0.0, 10.0, 20.0, 30.0])[np.searchsorted(list("abcd"), place)] + rng.normal(size=n)
    house = rng.choice(["flat", "house", "farm"], n)
    noisy_house = np.where(rng.random(n) < 0.03, "flat", house)
    return pd.DataFrame(
        {
            "alone_1": rng.normal(size=n),
            "spend": money,
            "spend_log": np.log(money),
            "spend_noisy": money * rng.lognormal(0, 0.1, n),
            "visits": visits,
            "alone_2": rng.lognormal(size=n),
            "absence": -visits + rng.normal(0, 0.1, n),
            "place": place,
            "height": height,
            "house": house,
            "home": noisy_house,
            "alone_3": rng.choice(["red", "green", "blue"], n),
            "alone_4": rng.random(n) < 0.5,
        }
    )


GROUPS = [{"spend", "spend_log", "spend_noisy"}, {"visits", "absence"}, {"place", "height"}, {"house", "home"}]


@pytest.mark.parametrize("linkage", ["complete", "average"])
@pytest.mark.parametrize("seed", range(5))
def test_planted_groups_are_found_and_singletons_stay_alone(seed, linkage):
    found = correlated_groups(planted(seed), linkage=linkage)
    assert sorted(map(sorted, found.groups.values())) == sorted(map(sorted, GROUPS))
    assert sorted(found.singletons) == ["alone_1", "alone_2", "alone_3", "alone_4"]
    assert found.warnings == ()
    assert len(found.representatives) == 8


@pytest.mark.parametrize("seed", range(10))
def test_unrelated_features_stay_alone_also_among_few_customers(seed):
    rng = np.random.default_rng(100 + seed)
    # with 8 customers some of 435 pairs reach 0.8 by chance alone
    X = rng.normal(size=(8, 30))
    found = correlated_groups(X)
    assert found.groups == {}
    raw = np.abs(stats.spearmanr(X).statistic)
    n_by_chance = int((raw[np.triu_indices(30, 1)] >= 0.8).sum())
    assert bool(found.warnings) == (n_by_chance > 0)
    if n_by_chance:
        assert found.warnings[0].startswith(f"{n_by_chance} pair")


def test_a_chain_does_not_become_one_group():
    rng = np.random.default_rng(0)
    steps = np.cumsum(np.c_[rng.normal(size=N) * 2, rng.normal(size=(N, 7)) * 0.8], axis=1)
    table = pd.DataFrame(steps, columns=[f"week_{i}" for i in range(8)])
    found = correlated_groups(table, 0.9)
    neighbours = [found.association.at[f"week_{i}", f"week_{i + 1}"] for i in range(7)]
    assert min(neighbours) > 0.9  # single linkage would make one group
    assert len(found.groups) > 1
    for members in found.groups.values():
        assert found.association.loc[members, members].to_numpy().min() >= 0.9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 0.95))
def test_every_feature_once_and_every_pair_of_a_group_related(seed, threshold):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(60, 3))
    X = pd.DataFrame(base @ rng.normal(size=(3, 9)) + 0.3 * rng.normal(size=(60, 9))).rename(columns=str)
    found = correlated_groups(X, threshold)
    assert sorted(found.table.index) == sorted(X.columns)
    assert sum(map(len, found.groups.values())) + len(found.singletons) == 9
    for representative, members in found.groups.items():
        assert representative == members[0]
        assert found.association.loc[members, members].to_numpy().min() >= threshold - 1e-8
    # the order of the columns changes nothing but the order
    again = correlated_groups(X[X.columns[::-1]], threshold)
    assert {frozenset(m) for m in again.groups.values()} == {frozenset(m) for m in found.groups.values()}


# --- the measure


def test_quantities_are_compared_by_spearman():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=80), rng.normal(size=80)
    y += 0.5 * x
    y[:10] = np.nan
    expected = stats.spearmanr(x[10:], y[10:])
    strength, p = associate(Feature("x", "ranked", x), Feature("y", "ranked", y))
    assert strength == pytest.approx(abs(expected.statistic))
    assert p == pytest.approx(expected.pvalue)


def test_categories_are_compared_by_cramers_v_corrected():
    rng = np.random.default_rng(4)
    x = rng.integers(0, 4, 200)
    y = np.where(rng.random(200) < 0.5, x % 3, rng.integers(0, 3, 200))
    table = pd.crosstab(x, y)
    chi2, p, _, _ = stats.chi2_contingency(table, correction=False)
    n, (r, c) = 200, table.shape
    phi2 = max(chi2 / n - (r - 1) * (c - 1) / (n - 1), 0)
    r_c, c_c = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    strength, found_p = associate(Feature("x", "nominal", x.astype(float)), Feature("y", "nominal", y.astype(float)))
    assert strength == pytest.approx(np.sqrt(phi2 / min(r_c - 1, c_c - 1)))
    assert found_p == pytest.approx(p)


def test_category_and_quantity_are_compared_by_kruskal_wallis():
    rng = np.random.default_rng(5)
    group = rng.integers(0, 4, 150)
    y = group + rng.normal(size=150)
    h, p = stats.kruskal(*(y[group == k] for k in range(4)))
    for pair in [("nominal", "ranked")]:
        a, b = Feature("g", pair[0], group.astype(float)), Feature("y", pair[1], y)
        assert associate(a, b) == pytest.approx((np.sqrt((h - 3) / (150 - 4)), p))
        assert associate(b, a) == associate(a, b)


def test_two_valued_columns_mean_the_same_whatever_the_measure():
    rng = np.random.default_rng(6)
    n = 5000
    flag = (rng.random(n) < 0.4).astype(float)
    other = np.where(rng.random(n) < 0.8, flag, 1 - flag)
    by_rank = associate(Feature("a", "ranked", flag), Feature("b", "ranked", other))[0]
    by_table = associate(Feature("a", "nominal", flag), Feature("b", "nominal", other))[0]
    by_ratio = associate(Feature("a", "nominal", flag), Feature("b", "ranked", other))[0]
    assert by_table == pytest.approx(by_rank, abs=0.002)
    assert by_ratio == pytest.approx(by_rank, abs=0.002)


def test_independent_columns_have_no_association_on_average():
    rng = np.random.default_rng(7)
    values = [
        associate(
            Feature("a", "nominal", rng.integers(0, 8, 100).astype(float)),
            Feature("b", "nominal", rng.integers(0, 8, 100).astype(float)),
        )[0]
        for _ in range(100)
    ]
    # without the correction it would be about 0.26: sqrt(49 / 100 / 7)
    assert np.mean(values) < 0.1


def test_what_is_missing_together_still_counts_by_those_who_have_both():
    table = planted()
    table.loc[::3, "spend"] = np.nan
    table.loc[1::4, "home"] = None
    found = correlated_groups(table)
    assert sorted(map(sorted, found.groups.values())) == sorted(map(sorted, GROUPS))


# --- representatives and the result


def test_rules_for_the_representative():
    rng = np.random.default_rng(8)
    middle = rng.normal(size=N)
    table = pd.DataFrame(
        {
            "left": middle + 0.3 * rng.normal(size=N),
            "middle": middle,
            "right": middle + 0.3 * rng.normal(size=N),
        }
    )
    table.loc[:50, "left"] = np.nan
    table.loc[:10, "middle"] = np.nan
    rules = {"central": "middle", "fewest_missing": "right", "first": "left"}
    for rule, expected in rules.items():
        found = correlated_groups(table, representative=rule)
        assert found.representatives == [expected]
        assert found.table.index[0] == expected
        assert found.table["association"].iloc[0] == 1.0
        assert list(found.table["representative"]) == [expected] * 3


def test_ties_go_to_fewer_missing_then_to_the_first():
    x = np.arange(50.0)
    table = pd.DataFrame({"a": x, "b": 2 * x, "c": x**3})
    assert correlated_groups(table).representatives == ["a"]
    table.loc[0, "a"] = np.nan
    assert correlated_groups(table).representatives == ["b"]


def test_constant_and_empty_columns_are_named_and_alone():
    table = planted().assign(market="DE", nothing=np.nan)
    found = correlated_groups(table)
    assert {"market", "nothing"} <= set(found.singletons)
    assert found.warnings == ("2 features without any difference between customers: 'market', 'nothing'.",)


def test_ids_and_free_text_are_not_compared():
    table = planted().assign(remark=[f"called about order {i}" for i in range(N)])
    found = correlated_groups(table)
    assert found.warnings == ("ids and free text were not compared: 'remark'.",)
    assert "remark" in found.singletons


def test_many_levels_take_no_table_of_all_pairs():
    rng = np.random.default_rng(9)
    street = rng.integers(0, 6000, 20_000)
    table = pd.DataFrame({"street": street, "district": street // 10}).map(lambda value: f"d{value}")
    found = correlated_groups(table)
    assert list(found.groups.values()) == [["street", "district"]]


def test_a_large_table_is_sampled_and_says_so():
    found = correlated_groups(planted(n=3000), max_customers=500)
    assert found.settings["n_customers"] == 3000
    assert found.settings["n_used"] == 500
    assert sorted(map(sorted, found.groups.values())) == sorted(map(sorted, GROUPS))
    assert "500 customers" in str(found)


def test_frames_agree_and_ids_are_no_features():
    table = planted().rename_axis("customer_id").reset_index()
    expected = correlated_groups(table)
    assert "customer_id" not in expected.table.index
    pd.testing.assert_frame_equal(correlated_groups(pl.from_pandas(table)).table, expected.table)


def test_result_prints_and_escapes():
    table = planted().rename(columns={"spend": "<b>spend"})
    found = correlated_groups(table)
    assert "4 groups of two or more, 4 alone; 8 would stand for all" in str(found)
    assert "<b>" not in found._repr_html_()
    assert found.to_dict()["groups"] == {str(k): v for k, v in found.groups.items()}
    pd.testing.assert_frame_equal(found.to_pandas(), found.table)


def test_picture():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = correlated_groups(planted()).plot(max_features=9)
    assert "4 more not drawn" in ax.get_title(loc="left")
    assert len(ax.patches) == 4  # three groups of two or three, and what is shown of the fourth
    matplotlib.pyplot.close(ax.figure)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.2}, "threshold"),
        ({"linkage": "single"}, "linkage"),
        ({"representative": "best"}, "representative"),
        ({"max_customers": 2}, "max_customers"),
    ],
)
def test_bad_parameters(arguments, text):
    with pytest.raises(ValueError, match=text):
        correlated_groups(planted(), **arguments)


def test_bad_tables():
    with pytest.raises(CustomerTableError, match="three are the least"):
        correlated_groups(planted().head(2))
    with pytest.raises(ColumnError, match="no feature to compare"):
        correlated_groups(pd.DataFrame({"customer_id": [1, 2, 3]}))
    with pytest.raises(ColumnError, match="infinity"):
        correlated_groups(pd.DataFrame({"a": [1.0, np.inf, 2.0, 3.0]}))
    with pytest.raises(ValueError, match="shape"):
        correlated_groups(np.arange(5.0))


def test_one_feature_is_alone():
    assert correlated_groups(pd.DataFrame({"a": [1.0, 2.0, 4.0]})).singletons == ["a"]
