"""Descriptions of segments: markers by the rule, descriptors against references, shuffled segments quiet."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from segmentation.evaluation import describe_segments
from segmentation.evaluation._describe_variables import customer_table, read_variables
from segmentation.evaluation._descriptors_levels import exact_p_values, newcombe, table_test
from segmentation.evaluation._descriptors_numeric import explained, mean_differences, shuffle_means, tail_p_value
from segmentation.exceptions import ColumnError, CustomerTableError


def labels(**sizes):
    return pd.Series(np.repeat(list(sizes), list(sizes.values())), name="segment")


def yes(*shares_and_sizes):
    """A 0/1 column with exactly these shares, one after the other."""
    return np.concatenate([(np.arange(n) < round(p * n)).astype(float) for p, n in shares_and_sizes])


def row(found, segment, variable, level=""):
    table = found.table
    rows = table[(table["segment"] == segment) & (table["variable"] == variable) & (table["level"] == level)]
    assert len(rows) == 1
    return rows.iloc[0]


# --- markers


def test_figures_of_a_binary_variable_by_hand():
    segments = labels(a=200, b=300)
    found = describe_segments(segments, pd.DataFrame({"golf": yes((0.8, 200), (0.3, 300))}))
    one = row(found, "a", "golf")
    assert (one["n"], one["kind"]) == (200, "binary")
    expected = {"value": 0.8, "total": 0.5, "rest": 0.3, "difference": 0.3, "relative_difference": 0.6, "effect": 0.5}
    assert {name: one[name] for name in expected} == pytest.approx(expected)
    assert found.markers == {"a": ["golf"], "b": []}  # b: 0.3 against 0.5 is 20 points and 40 %


def test_figures_of_a_quantity_by_hand():
    values = np.array([10.0, 20, 30, 1, 2, 3, 4, 5])
    found = describe_segments(labels(a=3, b=5), pd.DataFrame({"spend": values}))
    one = row(found, "a", "spend")
    pooled = np.sqrt((values[:3].var() * 3 + values[3:].var() * 5) / 6)
    assert one["effect"] == pytest.approx((20 - 3) / pooled)
    assert one["relative_difference"] == pytest.approx(20 / values.mean() - 1)


@pytest.mark.parametrize(
    ("share", "total", "flagged"),
    [(0.75, 0.5, True), (0.74, 0.5, False), (0.25, 0.5, True), (0.06, 0.04, True), (0.059, 0.04, False)],
)
def test_the_rule_at_its_limits(share, total, flagged):
    """At least .25 absolute or 50 % relative: the limit itself counts."""
    m, n = 1000, 4000
    rest = (total * n - share * m) / (n - m)
    found = describe_segments(labels(a=m, b=n - m), pd.DataFrame({"x": yes((share, m), (rest, n - m))}))
    assert row(found, "a", "x")["rule"] == flagged


def test_a_relative_difference_in_a_tiny_segment_is_no_marker():
    # 2 of 12 against 5.2 %: three times the total, and nothing for a segment of 12
    found = describe_segments(labels(a=12, b=988), pd.DataFrame({"x": yes((2 / 12, 12), (50 / 988, 988))}))
    one = row(found, "a", "x")
    assert (one["rule"], one["beyond_chance"], one["marker"]) == (True, False, False)
    assert any("1 difference would be a marker" in text for text in found.warnings)
    larger = describe_segments(labels(a=600, b=5400), pd.DataFrame({"x": yes((0.16, 600), (0.05, 5400))}))
    assert row(larger, "a", "x")["marker"]


def test_numbers_without_a_zero_point_are_judged_in_standard_deviations():
    rng = np.random.default_rng(0)
    z = rng.normal(size=600)
    z[:200] += 1.0
    z -= z.mean()  # a relative difference to this mean would be astronomical
    noise = rng.normal(size=600)
    found = describe_segments(labels(a=200, b=400), pd.DataFrame({"z": z, "noise": noise}))
    assert found.markers == {"a": ["z"], "b": []}
    assert row(found, "a", "z")["kind"] == "interval"
    assert np.isnan(row(found, "a", "z")["relative_difference"])
    answers = pd.DataFrame({"q": np.repeat([5.0, 3.0, 4.0], 200)})
    assert describe_segments(labels(a=200, b=400), answers).markers["a"] == []
    as_interval = describe_segments(labels(a=200, b=400), answers, kinds={"q": "interval"})
    assert as_interval.markers["a"] == ["q"]


def test_random_segments_exceed_the_chance_bound_as_rarely_as_it_says():
    """A single comparison at 5 %: two-sided p-values of random groups are below 5 % in about 5 % of them."""
    rng = np.random.default_rng(1)
    skewed = rng.lognormal(0, 1.5, 400)
    hits = 0
    for _ in range(200):
        segments = pd.Series(rng.permutation(np.repeat(["a", "unassigned"], [25, 375])))
        found = describe_segments(segments, pd.DataFrame({"x": skewed}), min_relative=1e-9, n_medoids=0)
        hits += bool(found.table["marker"].any())
    assert hits <= stats.binom.ppf(0.999, 200, 0.05)
    assert hits >= 1  # and the bound is not empty


def test_shuffled_segments_have_no_markers_beyond_the_level():
    rng = np.random.default_rng(2)
    n, flagged, rule = 400, 0, 0
    sizes = np.repeat(["a", "b", "c", "d"], [200, 120, 50, 30])
    for _ in range(60):
        features = pd.DataFrame({f"i{j}": rng.random(n) < p for j, p in enumerate((0.5, 0.2, 0.05, 0.02))})
        features["money"] = rng.lognormal(0, 1.5, n) * (rng.random(n) < 0.3)
        features["kind"] = rng.choice(list("uvw"), n, p=[0.8, 0.15, 0.05])
        found = describe_segments(pd.Series(rng.permutation(sizes)), features, n_medoids=0)
        flagged += bool(found.table["marker"].any())
        rule += bool(found.table["rule"].any())
    assert flagged <= stats.binom.ppf(0.999, 60, 0.05)
    assert rule > 50  # the rule of thumb alone flags noise nearly always


def test_features_have_no_p_values():
    found = describe_segments(labels(a=60, b=60), pd.DataFrame({"x": yes((0.9, 60), (0.1, 60))}))
    assert not [name for name in found.table.columns if name.startswith("p_")]
    assert "no test of them" in str(found)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_weighted_means_are_the_total_whatever_the_data(data):
    n = data.draw(st.integers(6, 40))
    # columns of which nothing reaches 1e-90 are refused
    amounts = st.floats(-1e6, 1e6).filter(lambda amount: amount == 0 or abs(amount) > 1e-80)
    values = data.draw(st.lists(amounts | st.just(np.nan), min_size=n, max_size=n))
    names = data.draw(st.lists(st.sampled_from(["a", "b", "c", "unassigned"]), min_size=n, max_size=n))
    if set(names) == {"unassigned"} or np.isnan(values).all():
        return
    x = np.array(values)
    found = describe_segments(pd.Series(names), pd.DataFrame({"x": x}), kinds={"x": "numeric"}, n_medoids=0)
    for one in found.table.to_dict("records"):
        inside = np.array(names) == one["segment"]
        known = x[inside & ~np.isnan(x)]
        assert one["n"] == len(known)
        scale = max(1.0, np.nanmax(np.abs(x)))
        if len(known):
            assert one["value"] == pytest.approx(known.mean(), abs=1e-9 * scale)
        assert one["total"] == pytest.approx(np.nanmean(x), abs=1e-9 * scale)


# --- reading


def test_kinds_of_columns_and_of_frames():
    table = pd.DataFrame(
        {
            "yes": ["Yes", "No", "Yes", None],
            "flag": [True, False, True, True],
            "zero_one": [0, 1, 1, 0],
            "spend": [1.5, 2.0, np.nan, 3.0],
            "score": [-1.0, 0.0, 2.0, 1.0],
            "city": ["Ulm", "Bonn", "Ulm", None],
            "size": pd.Categorical(["s", "m", "l", "s"], categories=["s", "m", "l"], ordered=True),
        },
        index=pd.Index([1, 2, 3, 4], name="customer_id"),
    )
    kinds = {"yes": "binary", "flag": "binary", "zero_one": "binary", "spend": "numeric", "score": "interval",
             "city": "category", "size": "category"}  # fmt: skip
    for frame in (table, pl.from_pandas(table.reset_index().assign(size=table["size"].astype(str).to_numpy()))):
        found = read_variables(customer_table(frame, "features"), {}, "features")
        assert {one.name: one.kind for one in found} == kinds
        assert found[0].numbers.tolist()[:3] == [1.0, 0.0, 1.0]
        assert [one.n_missing for one in found] == [1, 0, 0, 1, 0, 1, 0]
        assert found[5].levels == ("Bonn", "Ulm")
    assert read_variables(table, {}, "features")[6].levels == ("s", "m", "l")
    assert read_variables(table, {"zero_one": "category"}, "features")[2].levels == ("0", "1")


def test_levels_of_a_category_are_variables():
    found = describe_segments(labels(a=100, b=100), pd.DataFrame({"city": ["Ulm"] * 90 + ["Bonn"] * 110}))
    assert found.markers == {"a": ["city=Bonn", "city=Ulm"], "b": ["city=Bonn", "city=Ulm"]}
    assert row(found, "a", "city", "Ulm")["value"] == pytest.approx(0.9)


def test_customers_on_one_side_are_counted_and_an_array_is_aligned_by_position():
    segments = pd.Series(["a", "a", "b", "b"], index=[1, 2, 3, 4])
    features = pd.DataFrame({"x": [1, 0, 0]}, index=[2, 3, 9])
    found = describe_segments(segments, features)
    assert found.settings["n_customers"] == 2
    assert "2 customers of the assignment not in features, left out." in found.warnings
    assert "1 customer of features not in the assignment, left out." in found.warnings
    array = describe_segments(segments, np.array([[1.0], [1.0], [0.0], [0.0]]))
    assert row(array, "a", "x0")["value"] == 1.0


def test_unassigned_and_empty_segments():
    segments = pd.Series(pd.Categorical(["a"] * 50 + ["unassigned"] * 50, categories=["a", "empty", "unassigned"]))
    found = describe_segments(segments, pd.DataFrame({"x": yes((1.0, 50), (0.0, 50))}))
    assert list(found.sizes.index) == ["a", "empty"]
    assert row(found, "a", "x")["total"] == pytest.approx(0.5)  # unassigned customers are customers
    assert np.isnan(row(found, "empty", "x")["value"])
    assert found.markers == {"a": ["x"], "empty": []}
    assert any("50 unassigned customers" in text for text in found.warnings)
    assert any("1 segment has no customers: 'empty'" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (pd.DataFrame({"when": pd.date_range("2024-01-01", periods=100)}), "Turn it into days first"),
        (pd.DataFrame({"name": [f"person {i}" for i in range(100)]}), "100 different values"),
        (pd.DataFrame({"x": [np.inf] + [1.0] * 99}), "infinity"),
        (pd.DataFrame({"x": [[1]] * 100}), "a string or a number"),
        (pd.DataFrame(index=range(100)), "no column"),
    ],
)
def test_columns_that_cannot_be_described(features, message):
    with pytest.raises(ColumnError, match=message):
        describe_segments(labels(a=50, b=50), features)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"alpha": 0}, "alpha must be a number between 0 and 1"),
        ({"level": 1.5}, "level must be"),
        ({"min_relative": -1}, "min_relative must be a number above 0"),
        ({"n_medoids": -1}, "n_medoids must be a whole number of at least 0"),
        ({"n_permutations": 3}, "n_permutations must be a whole number of at least 99"),
        ({"kinds": {"x": "ordinal"}}, "must be one of"),
        ({"kinds": {"y": "binary"}}, "not there"),
        ({"kinds": {"x": "binary"}}, "other than 0 and 1"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(ValueError, match=message):
        describe_segments(labels(a=50, b=50), pd.DataFrame({"x": np.arange(100)}), **setting)


def test_nothing_to_describe():
    with pytest.raises(CustomerTableError, match="every customer is unassigned"):
        describe_segments(labels(unassigned=5), pd.DataFrame({"x": np.arange(5)}))
    with pytest.raises(CustomerTableError, match="no customer of features"):
        describe_segments(labels(a=5), pd.DataFrame({"x": np.arange(5)}, index=list("abcde")))


# --- descriptors


def test_newcombe_is_statsmodels_and_fisher_is_scipys():
    for a, m, b, n in ((56, 70, 48, 80), (0, 20, 5, 90), (3, 200, 900, 1000)):
        assert newcombe(a, m, b, n, 0.95) == pytest.approx(
            confint_proportions_2indep(a, m, b, n, compare="diff", method="newcomb", alpha=0.05), abs=2e-3
        )
        one_sided = [
            stats.fisher_exact([[a, m - a], [b, n - b]], alternative=side).pvalue for side in ("less", "greater")
        ]
        mine = exact_p_values(*np.array([[a], [m], [a + b], [m + n]], dtype=float))
        assert mine[0] == pytest.approx(min(1.0, 2 * min(one_sided)))


def test_shuffled_welch_is_scipys_permutation_test():
    rng = np.random.default_rng(3)
    group = np.repeat([0, 1], [15, 45])
    y = rng.lognormal(size=60) + 0.5 * (group == 0)

    def welch(a, b, axis=-1):
        return np.abs(stats.ttest_ind(a, b, equal_var=False, axis=axis).statistic)

    reference = stats.permutation_test(
        (y[:15], y[15:]), welch, n_resamples=9999, alternative="greater", vectorized=True, rng=np.random.default_rng(0)
    ).pvalue
    mine = shuffle_means(y[:, None], group, 2, n_permutations=9999, rng=rng).against_rest
    assert mine[0, 0] == pytest.approx(reference, abs=0.015)
    assert mine[1, 0] == pytest.approx(mine[0, 0])  # with two segments both rows ask the same


def test_missing_values_are_left_out_of_the_shuffles():
    rng = np.random.default_rng(4)
    group = np.repeat([0, 1, 2], 40)
    y = rng.normal(size=120) + group
    with_gaps = np.append(y, np.full(30, np.nan))[:, None]
    found = shuffle_means(with_gaps, np.append(group, np.repeat([0, 1, 2], 10)), 3, n_permutations=999, rng=rng)
    whole = shuffle_means(y[:, None], group, 3, n_permutations=999, rng=rng)
    assert found.overall[0] < 1e-3 > whole.overall[0]
    assert found.against_rest[1, 0] > 0.2  # the middle one is like the rest


def test_fitted_tails_are_no_smaller_than_the_truth():
    rng = np.random.default_rng(5)
    for df in (5, 30, 300):
        drawn = np.abs(rng.standard_t(df, 999))
        for x in (4.0, 6.0, 10.0):
            truth = 2 * stats.t.sf(x, df)
            fitted = tail_p_value(x, drawn)
            assert fitted > truth / 3
            assert fitted < max(5e-3, 3 * truth)
    assert np.isnan(tail_p_value(np.nan, drawn))
    assert tail_p_value(0.0, drawn) == 1.0


def test_share_of_variance_explained_is_epsilon_squared():
    rng = np.random.default_rng(6)
    group = rng.integers(0, 4, 300)
    y = rng.normal(size=300) + 0.6 * group
    f = stats.f_oneway(*(y[group == g] for g in range(4))).statistic
    expected = 3 * (f - 1) / (3 * f + 296)
    share, low, high = explained(y, group, 4, 0.9)
    assert share == pytest.approx(expected)
    assert low < share < high
    assert explained(np.ones(10), np.arange(10) % 2, 2, 0.9) == pytest.approx([np.nan] * 3, nan_ok=True)


def test_welch_bounds_without_skewness_and_halls_with():
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=400), rng.normal(size=500)
    symmetric = np.concatenate([a, 2 * a.mean() - a, b, 2 * b.mean() - b])
    group = np.repeat([0, 1], [800, 1000])
    n, value, rest, difference, low, high = mean_differences(symmetric, group, 1, 0.9)[0]
    reference = stats.ttest_ind(symmetric[:800], symmetric[800:], equal_var=False).confidence_interval(0.9)
    assert (n, value, rest) == pytest.approx((800, symmetric[:800].mean(), symmetric[800:].mean()))
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    skewed = np.concatenate([rng.lognormal(size=100), rng.lognormal(size=5000)])
    _, _, _, difference, low, high = mean_differences(skewed, np.repeat([0, 1], [100, 5000]), 1, 0.9)[0]
    assert high - difference > difference - low  # the unseen tail is above


def test_bounds_of_means_are_the_shifts_that_scipys_permutation_test_keeps():
    rng = np.random.default_rng(17)
    group = np.repeat([0, 1], [12, 40])
    y = rng.lognormal(size=52) + 1.0 * (group == 0)
    found = shuffle_means(y[:, None], group, 2, n_permutations=999, rng=rng, level=0.9)

    def welch(a, b, axis=-1):
        return stats.ttest_ind(a, b, equal_var=False, axis=axis).statistic

    def p_value(shift, alternative):
        parts = (y[:12] - shift, y[12:])
        seed = np.random.default_rng(0)
        return stats.permutation_test(
            parts, welch, n_resamples=4999, alternative=alternative, vectorized=True, rng=seed
        ).pvalue

    low, high = found.low[0, 0], found.high[0, 0]
    assert low < y[:12].mean() - y[12:].mean() < high
    assert p_value(low, "greater") == pytest.approx(0.05, abs=0.02)
    assert p_value(high, "less") == pytest.approx(0.05, abs=0.02)
    assert (found.low[1, 0], found.high[1, 0]) == pytest.approx((-high, -low), rel=0.1)  # the other way round


def test_bounds_of_means_follow_unit_origin_and_gaps():
    rng = np.random.default_rng(18)
    group = rng.permutation(np.repeat([0, 1, 2], [20, 60, 10]))  # the last ones are unassigned
    y = rng.lognormal(size=90)

    def bounds(values, codes=group):
        found = shuffle_means(values, codes, 2, n_permutations=199, rng=np.random.default_rng(0), level=0.9)
        return np.stack([found.low, found.high])

    plain = bounds(y[:, None])[..., 0]
    assert bounds(-3 * y[:, None] + 1e6)[..., 0] == pytest.approx(-3 * plain[::-1], rel=1e-6)
    with_gaps = np.column_stack([y, y])
    with_gaps[::5, 1] = np.nan
    both = bounds(with_gaps)
    assert both[..., 0] == pytest.approx(plain)
    known = np.flatnonzero(~np.isnan(with_gaps[:, 1]))
    assert both[..., 1] == pytest.approx(bounds(y[known, None], group[known])[..., 0], rel=0.25)
    assert np.isnan(bounds(np.ones((90, 1)))).all()
    alone = np.where(np.arange(90) == 0, 0, 1)
    assert np.isnan(bounds(y[:, None], alone)[:, 0]).all()  # one customer has no spread
    assert np.isnan(bounds(np.array([[1.0], [2.0], [5.0], [7.0]]), np.array([0, 0, 1, 1]))).all()  # six orders only


def test_bounds_of_means_cover_also_for_skewed_money_in_unequal_segments():
    rng = np.random.default_rng(19)
    group, hits, halls = np.repeat([0, 1], [30, 270]), 0, 0
    for _ in range(300):
        y = rng.lognormal(size=300)
        found = shuffle_means(y[:, None], group, 1, n_permutations=199, rng=rng, level=0.9)
        hits += found.low[0, 0] <= 0 <= found.high[0, 0]
        low, high = mean_differences(y, group, 1, 0.9)[0, 4:]
        halls += low <= 0 <= high
    assert stats.binomtest(hits, 300, 0.9).pvalue > 0.005
    assert halls < hits  # what the segment alone shows is too short


@pytest.mark.parametrize("factor", [1e200, 1e-200])
@pytest.mark.parametrize("what", ["features", "descriptors"])
def test_numbers_that_no_float_can_square_are_refused(factor, what):
    ids = pd.RangeIndex(40, name="customer_id")
    money = pd.DataFrame({"money": np.arange(1.0, 41) * factor}, index=ids)
    age = pd.DataFrame({"age": np.arange(40.0)}, index=ids)
    given = {"features": money, "descriptors": age} if what == "features" else {"features": age, "descriptors": money}
    with pytest.raises(ColumnError, match=rf"{what}: column 'money' reaches .* give it in another unit"):
        describe_segments(pd.Series(["a", "b"] * 20, index=ids), given.pop("features"), **given)


def test_what_cannot_be_compared_is_said_without_figures():
    ids = pd.RangeIndex(40, name="customer_id")
    sport = pd.DataFrame({"sport": [0, 1] * 20}, index=ids)
    age = pd.DataFrame({"age": np.arange(40.0) % 7}, index=ids)
    found = describe_segments(pd.Series("all", index=ids), sport, descriptors=age)
    assert "age: nothing to compare" in str(found)
    assert "nan" not in str(found)


def test_intervals_cover():
    rng = np.random.default_rng(8)
    group, hits = np.repeat([0, 1], [60, 240]), 0
    for _ in range(400):
        low, high = mean_differences(rng.gamma(2.0, size=300), group, 1, 0.9)[0, 4:]
        hits += low <= 0 <= high
    assert stats.binomtest(hits, 400, 0.9).pvalue > 0.001
    between = float(np.array([0.5, 0.3, 0.2]) @ (np.array([0, 0.5, 1.0]) - 0.35) ** 2)
    hits = 0
    for _ in range(400):
        group = rng.choice(3, 800, p=[0.5, 0.3, 0.2])
        _, low, high = explained(rng.normal(size=800) + 0.5 * group, group, 3, 0.9)
        hits += low <= between / (between + 1) <= high
    assert stats.binomtest(hits, 400, 0.9).pvalue > 0.001


def test_sparse_tables_are_shuffled_and_full_ones_not():
    rng = np.random.default_rng(9)
    full = np.array([[60.0, 40], [40, 60]])
    name, p_value, *_ = table_test(full, level=0.9, n_permutations=199, rng=rng)
    assert name == "chi-squared"
    assert p_value == pytest.approx(stats.chi2_contingency(full, correction=False).pvalue)
    sparse = np.array([[8.0, 0, 1], [2, 3, 0], [0, 0, 0]])
    name, p_value, *_ = table_test(sparse, level=0.9, n_permutations=4999, rng=rng)
    assert name == "chi-squared, shuffled"
    exact = stats.chi2_contingency(
        sparse[:2].astype(int), correction=False, method=stats.PermutationMethod(n_resamples=9999, rng=rng)
    ).pvalue
    assert p_value == pytest.approx(exact, abs=0.02)
    assert np.isnan(table_test(full[:1], level=0.9, n_permutations=99, rng=rng)[1])


def people(n=900, seed=0):
    rng = np.random.default_rng(seed)
    segments = pd.Series(rng.choice(["a", "b", "c"], n), name="segment")
    features = pd.DataFrame({"f": rng.normal(size=n) + (segments == "a")})
    other = pd.DataFrame(
        {
            "age": rng.normal(45, 12, n) + 8 * (segments == "a"),
            "income": rng.lognormal(10, 1, n),
            "region": np.where((segments == "b") & (rng.random(n) < 0.6), "north", rng.choice(["south", "east"], n)),
            "gender": rng.choice(["f", "m"], n),
            "member": rng.random(n) < 0.3,
        }
    )
    other.loc[rng.choice(n, 90, replace=False), "income"] = np.nan
    return segments, features, other


def test_planted_differences_are_found_and_the_others_are_not():
    segments, features, other = people()
    found = describe_segments(segments, features, descriptors=other, random_state=0)
    assert found.descriptors.set_index("descriptor")["differs"].to_dict() == {
        "age": True, "income": False, "region": True, "gender": False, "member": False,
    }  # fmt: skip
    rows = found.contrasts[found.contrasts["differs"]]
    assert {"age"} == set(rows.loc[rows["segment"] == "a", "descriptor"]) - {"region"}
    north = found.levels.query("segment == 'b' and level == 'north'").iloc[0]
    inside = (other["region"] == "north")[segments == "b"].mean()
    assert (north["value"], north["rest"]) == pytest.approx((inside, 0.0))
    assert north["difference_low"] < north["difference"] < north["difference_high"]
    assert found.descriptors.set_index("descriptor").loc["income", "n_missing"] == 90
    assert any("income 90" in text for text in found.warnings)


def test_holm_is_over_all_tests_and_two_levels_are_one():
    segments, features, other = people(seed=1)
    found = describe_segments(segments, features, descriptors=other[["age", "gender"]], random_state=0)
    once = found.contrasts[~((found.contrasts["descriptor"] == "gender") & (found.contrasts["level"] == "m"))]
    p = np.concatenate([found.descriptors["p_value"], once["p_value"]])
    assert len(p) == 2 + 3 + 3
    order = np.argsort(p)
    adjusted = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(8, 0, -1)))
    mine = np.concatenate([found.descriptors["p_adjusted"], once["p_adjusted"]])
    assert mine[order] == pytest.approx(adjusted)
    f, m = (found.levels.query(f"level == '{one}'").reset_index() for one in "fm")
    assert f["p_adjusted"].tolist() == m["p_adjusted"].tolist()
    assert f["difference"].to_numpy() == pytest.approx(-m["difference"].to_numpy())


def test_shuffled_segments_differ_in_descriptors_as_rarely_as_stated():
    rng = np.random.default_rng(10)
    sizes = np.repeat(["a", "b", "c", "unassigned"], [120, 60, 12, 8])
    n, wrong = len(sizes), 0
    other = pd.DataFrame(
        {
            "money": rng.lognormal(0, 1.5, n) * (rng.random(n) < 0.5),
            "age": rng.integers(18, 80, n),
            "rare": rng.choice(list("uvwxyz"), n, p=[0.7, 0.2, 0.04, 0.03, 0.02, 0.01]),
            "member": rng.random(n) < 0.05,
        }
    )
    only = pd.DataFrame({"f": rng.normal(size=n)})
    for _ in range(80):
        found = describe_segments(
            pd.Series(rng.permutation(sizes)), only, descriptors=other, n_permutations=199, random_state=rng
        )
        wrong += bool(found.descriptors["differs"].any() or found.contrasts["differs"].any())
    assert wrong <= stats.binom.ppf(0.999, 80, 0.05)


def test_copies_of_features_are_refused_and_near_copies_not_tested():
    segments, features, other = people()
    with pytest.raises(ColumnError, match="descriptors and features both hold 'f'"):
        describe_segments(segments, features, descriptors=other.assign(f=1.0))
    for copy in (np.exp(features["f"]), -features["f"]):
        with pytest.raises(ColumnError, match="'copy' is the feature 'f' in another coding"):
            describe_segments(segments, features, descriptors=other.assign(copy=copy))
    near = features["f"] + np.random.default_rng(0).normal(0, 0.2, len(features))
    found = describe_segments(segments, features, descriptors=other.assign(near=near), random_state=0)
    one = found.descriptors.set_index("descriptor").loc["near"]
    assert np.isnan(one["p_adjusted"])
    assert not one["differs"]
    assert not found.contrasts.query("descriptor == 'near'")["differs"].any()
    assert any("'near' is not tested" in text for text in found.warnings)
    coded = pd.DataFrame({"city": np.where(segments == "a", "Ulm", "Bonn")})
    with pytest.raises(ColumnError, match="in another coding"):
        describe_segments(segments, coded, descriptors=(coded["city"] == "Ulm").to_frame("in_ulm"))


def test_missingness_as_a_descriptor():
    segments, features, other = people()
    other.loc[segments == "c", "income"] = np.nan
    found = describe_segments(segments, features, descriptors=other, missing_as_descriptors=True, random_state=0)
    assert found.descriptors.set_index("descriptor").loc["income (missing)", "differs"]
    row = found.contrasts.query("descriptor == 'income (missing)' and segment == 'c'").iloc[0]
    assert row["value"] == 1.0


def test_descriptors_without_anything_to_say():
    segments = labels(a=30, b=30)
    other = pd.DataFrame({"same": 1.0, "none": np.nan, "one_level": "x", "age": np.arange(60) % 7})
    found = describe_segments(
        segments, pd.DataFrame({"f": np.arange(60.0)}), descriptors=other, kinds={"none": "numeric"}, random_state=0
    )
    rows = found.descriptors.set_index("descriptor")
    assert rows.loc[["same", "none", "one_level"], "p_adjusted"].isna().all()
    assert rows.loc["age", "p_adjusted"] == pytest.approx(1.0)
    assert not rows["differs"].any()


def test_equal_seeds_give_equal_results():
    segments, features, other = people(300)
    a, b = (describe_segments(segments, features, descriptors=other, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(a.descriptors, b.descriptors)
    pd.testing.assert_frame_equal(a.contrasts, b.contrasts)


def test_polars_and_pandas_say_the_same():
    segments, features, other = people(300)
    ids = np.arange(300)
    a = describe_segments(segments, features, descriptors=other, random_state=0)
    b = describe_segments(
        pl.DataFrame({"customer_id": ids, "segment": segments.to_numpy()}),
        pl.from_pandas(features.assign(customer_id=ids)),
        descriptors=pl.from_pandas(other.assign(customer_id=ids)),
        random_state=0,
    )
    pd.testing.assert_frame_equal(a.table, b.table)
    pd.testing.assert_frame_equal(a.descriptors, b.descriptors)


# --- typical customers


def test_the_medoid_has_the_least_summed_squared_distance():
    rng = np.random.default_rng(11)
    ids = [f"c{i}" for i in range(90)]
    features = pd.DataFrame(rng.lognormal(size=(90, 3)), columns=list("xyz"), index=ids)
    segments = pd.Series(np.repeat(["a", "b"], [50, 40]), index=ids)
    found = describe_segments(segments, features, n_medoids=2)
    scaled = (features / features.std(ddof=0)).to_numpy()
    by_segment = found.medoids.groupby("segment")["customer_id"].agg(list)
    for segment, start, end in (("a", 0, 50), ("b", 50, 90)):
        part = scaled[start:end]
        summed = ((part[:, None] - part[None]) ** 2).sum(axis=(1, 2))
        expected = [ids[start + i] for i in np.argsort(summed)[:2]]
        assert by_segment[segment] == expected
    row = found.medoids.iloc[0]
    assert row[["x", "y", "z"]].tolist() == features.loc[row["customer_id"]].tolist()


def test_medoids_can_be_nameless_few_or_none():
    features = pd.DataFrame({"x": np.arange(30.0), "city": ["Ulm"] * 30})
    features.loc[3, "x"] = np.nan
    segments = labels(a=21, b=9)
    found = describe_segments(segments, features, ids=False)
    assert "customer_id" not in found.medoids
    assert found.medoids["segment"].tolist() == ["a"]
    assert any("fewer than 10 customers" in text for text in found.warnings)
    assert not len(describe_segments(segments, features, n_medoids=0).medoids)
    features.loc[:20, "x"] = np.nan
    assert any(
        "lacks a value" in text for text in describe_segments(segments, features, kinds={"x": "numeric"}).warnings
    )


# --- the result


def test_what_a_person_reads():
    segments, features, other = people()
    odd = segments.replace({"a": "<script>alert(1)</script>"})
    found = describe_segments(odd, features.rename(columns={"f": "<b>"}), descriptors=other, random_state=0)
    text = str(found)
    assert text.splitlines()[0] == (
        "3 segments, 1 feature, 900 customers: "
        "1 of the segments has markers; 2 of 5 descriptors differ between segments"
    )
    assert "  gender: Cramer's V" in text
    assert repr(found) == text
    html = found._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    as_dict = found.to_dict()
    assert as_dict["markers"] == found.markers
    assert len(as_dict["table"]) == 3
    assert as_dict["settings"]["n_customers"] == 900
    import json

    assert json.loads(json.dumps(as_dict, default=str))["descriptors"][0]["descriptor"] == "age"
    mine = found.to_pandas()
    mine["value"] = 0.0
    assert (found.table["value"] != 0).all()


def test_vacmot_markers_are_the_books_kind(shared_data):
    """Reference solution of the R package flexclust: nature lovers, and gender that says nothing about segments."""
    motives = pd.read_parquet(shared_data / "vacmot" / "vacmot.parquet")
    segments = pd.read_parquet(shared_data / "vacmot" / "vacmot6.parquet")["vacmot6"].astype(str)
    other = pd.read_parquet(shared_data / "vacmot" / "vacmotdesc.parquet")
    found = describe_segments(segments, motives, descriptors=other, random_state=0)
    assert "maintain unspoilt surroundings" in found.markers["6"]
    assert "cultural offers" in found.markers["4"]
    rows = found.descriptors.set_index("descriptor")
    assert not rows.loc["Gender", "differs"]
    assert rows.loc["Obligation", "differs"]
    gender = stats.chi2_contingency(pd.crosstab(segments, other["Gender"]), correction=False)
    assert rows.loc["Gender", "p_value"] == pytest.approx(gender.pvalue)
    by_hand = motives.groupby(segments.to_numpy()).mean() - motives.mean()
    relative = by_hand / motives.mean()
    expected = (by_hand.abs() >= 0.25) | (relative.abs() >= 0.5)
    mine = found.table.pivot_table(index="segment", columns="variable", values="rule").astype(bool)
    assert (mine[motives.columns] == expected).all(axis=None)
