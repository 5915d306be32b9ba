"""Plans: power against statsmodels, totals and weeks by hand, what pooling buys by simulation, bad input."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import segmentation as sg
from segmentation.exceptions import ColumnError
from segmentation.experiments import (
    PlanDisplay,
    minimum_segment_size,
    outcome_baseline,
    plan_experiment,
    ratio_baseline,
)
from segmentation.experiments._plan_pooling import holm_power, pooling_table
from segmentation.experiments._plan_power import Comparison

power_of = pytest.importorskip("statsmodels.stats.power")
proportions = pytest.importorskip("statsmodels.stats.proportion")

SIZES = {"loyal": 20_000, "new": 6_000, "lapsed": 9_000}
RATES = {"loyal": 0.18, "new": 0.10, "lapsed": 0.05}
RATE = {"metric": "proportion", "baseline": RATES, "minimum_lift": 0.02}
MONEY = {"metric": "mean", "baseline": {"loyal": 30, "new": 10, "lapsed": 5}, "sd": 60, "minimum_rel_lift": 0.1}


@pytest.mark.parametrize("ratio", [1, 0.25, 3])
@pytest.mark.parametrize("n", [5, 40, 900, 30_000])
def test_power_of_means_is_that_of_statsmodels(n, ratio):
    ours = Comparison(0.05, 0.8, 1, ratio)
    for effect in (0.02, 0.1, 0.4):
        expected = power_of.TTestIndPower().power(effect, n, 0.05, ratio, alternative="larger")
        assert ours.reached(20, effect * 50, 50, n) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("ratio", [1, 0.25, 3])
@pytest.mark.parametrize(("rate", "lift"), [(0.1, 0.02), (0.4, 0.1), (0.02, 0.005)])
def test_power_of_proportions_is_that_of_statsmodels(rate, lift, ratio):
    for n in (50, 400, 5_000):
        found = Comparison(0.05, 0.8, 1, ratio).reached(rate, lift, None, n)
        # there the first group is the treated one, and the ratio is that of the second to the first
        expected = proportions.power_proportions_2indep(
            lift, rate, n * ratio, ratio=1 / ratio, alpha=0.05, alternative="larger", return_results=False
        )
        assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("shares", [{"control": 0.5, "treated": 0.5}, {"control": 0.2, "treated": 0.8}])
@pytest.mark.parametrize("given", [RATE, MONEY])
def test_a_plan_is_a_minimum_size_with_sizes(given, shares):
    plan = plan_experiment(SIZES, arms=shares, **given)
    one = minimum_segment_size(
        given["baseline"],
        sd=given.get("sd"),
        lift=given.get("minimum_lift"),
        rel_lift=given.get("minimum_rel_lift"),
        n_customers=SIZES,
        control_share=shares["control"],
    )
    assert plan.settings["alpha_per_comparison"] == one.settings["alpha_per_comparison"]
    assert plan.table["n_needed"].tolist() == one.table["n_needed"].tolist()
    assert plan.arms["control"].tolist() == one.table["n_control"].tolist()
    assert plan.table["enough"].tolist() == one.table["enough"].tolist()
    assert plan.table["detectable_lift"].to_numpy() == pytest.approx(one.table["detectable_lift"].to_numpy())
    assert plan.too_small == one.too_small


def test_power_at_the_size_needed_is_the_power_asked_for():
    plan = plan_experiment(SIZES, **RATE)
    again = plan_experiment(plan.n_needed.astype(int).to_dict(), **RATE)
    assert again.table["power"].to_numpy() == pytest.approx([0.8] * 3, abs=0.002)
    assert (again.table["power"] >= 0.8 - 1e-9).all()
    assert again.table["enough"].all()
    assert again.table["detectable_lift"].to_numpy() == pytest.approx([0.02] * 3, rel=0.002)


def test_several_arms_take_what_the_hardest_comparison_needs():
    arms = {"control": 0.5, "mail": 0.3, "call": 0.2}
    plan = plan_experiment({"all": 1e6}, metric="mean", baseline=20, sd=60, minimum_lift=2, arms=arms)
    expected = power_of.TTestIndPower().solve_power(2 / 60, power=0.8, alpha=0.025, ratio=0.4)
    assert plan.arms.loc["all", "control"] == pytest.approx(expected, abs=1.5)
    assert plan.table.loc["all", "n_needed"] == pytest.approx(expected / 0.5, abs=3)
    assert plan.settings["n_comparisons"] == 2


def test_a_covariate_saves_its_correlation_squared():
    without = plan_experiment(SIZES, **MONEY).table["n_needed"].astype(float)
    with_it = plan_experiment(SIZES, covariate_correlation=0.6, **MONEY)
    assert (with_it.table["n_needed"] / without).to_numpy() == pytest.approx([0.64] * 3, rel=1e-3)
    assert with_it.table["variance_kept"].to_numpy() == pytest.approx([0.64] * 3)
    assert "only if the analysis adjusts" in with_it.warnings[0]
    rates = plan_experiment(SIZES, covariate_correlation=0.6, **RATE).table["n_needed"].astype(float)
    assert (rates / plan_experiment(SIZES, **RATE).table["n_needed"]).to_numpy() == pytest.approx([0.64] * 3, rel=1e-3)


def test_power_of_means_with_a_covariate_in_simulated_experiments():
    """Regression on the covariate from before reaches the power planned."""
    plan = plan_experiment({"all": 1}, metric="mean", baseline=10, sd=5, minimum_lift=1.5, covariate_correlation=0.7)
    n = int(plan.arms.loc["all", "control"])
    rng, found, runs = np.random.default_rng(0), 0, 3_000
    for _ in range(runs):
        before = rng.normal(size=2 * n)
        y = 10 + 5 * (0.7 * before + math.sqrt(0.51) * rng.normal(size=2 * n))
        y[n:] += 1.5
        x = np.column_stack([np.ones(2 * n), np.repeat([0, 1], n), before])
        beta, rest = np.linalg.lstsq(x, y)[:2]
        se = math.sqrt(rest[0] / (2 * n - 3) * np.linalg.inv(x.T @ x)[1, 1])
        found += beta[1] / se > stats.t.isf(0.025, 2 * n - 3)
    assert found / runs == pytest.approx(0.8, abs=2.6 * math.sqrt(0.16 / runs) + 0.005)


def test_ratios_by_the_delta_method_and_in_simulated_experiments():
    table = ratio_baseline(numerator_mean=60, numerator_sd=30, denominator_mean=2, denominator_sd=0.8, correlation=0.5)
    variance = (30**2 + 30**2 * 0.8**2 - 2 * 30 * 0.5 * 30 * 0.8) / 2**2
    assert table.loc["all", "sd"] == pytest.approx(math.sqrt(variance))
    n = int(plan_experiment({"a": 1}, metric="ratio", baseline=table, minimum_lift=1.5).arms.loc["a", "control"])
    rng = np.random.default_rng(0)
    runs, covariance = 2_000, [[900, 12], [12, 0.64]]
    estimates = []
    for lift in (0, 1.5):
        draws = rng.multivariate_normal([2 * (30 + lift), 2], covariance, (runs, n)).mean(axis=1)
        estimates.append(draws[:, 0] / draws[:, 1])
    z = (estimates[1] - estimates[0]) / math.sqrt(2 * variance / n)
    assert np.mean(z > stats.norm.isf(0.025)) == pytest.approx(0.8, abs=0.035)


def test_ratio_and_covariate_are_measured_from_customers():
    rng = np.random.default_rng(0)
    ids = pd.RangeIndex(4_000, name="customer_id")
    segments = pd.Series(rng.choice(["a", "b"], 4_000), index=ids)
    orders = pd.Series(rng.poisson(2, 4_000), index=ids)
    spend = orders * 30 + pd.Series(rng.normal(0, 20, 4_000), index=ids)
    table = outcome_baseline(segments, spend, denominator=orders, covariate=spend + rng.normal(0, 30, 4_000))
    for name, row in table.iterrows():
        mine = segments == name
        parts = ratio_baseline(
            numerator_mean=spend[mine].mean(),
            numerator_sd=spend[mine].std(),
            denominator_mean=orders[mine].mean(),
            denominator_sd=orders[mine].std(),
            correlation=np.corrcoef(spend[mine], orders[mine])[0, 1],
        )
        assert row[["mean", "sd"]].tolist() == pytest.approx(parts.loc["all"].tolist(), rel=1e-9)
    assert (table["covariate_correlation"] > 0).all()
    plan = plan_experiment(segments, metric="ratio", baseline=table, minimum_rel_lift=0.05)
    assert plan.table["n_customers"].tolist() == segments.value_counts().sort_index().tolist()
    assert "variance_kept" in plan.table


def test_standard_error_of_the_spread_is_that_of_the_data():
    rng = np.random.default_rng(0)
    ids = pd.RangeIndex(2_000, name="customer_id")
    one = pd.Series("a", index=ids)
    normal = outcome_baseline(one, pd.Series(rng.normal(size=2_000), index=ids)).loc["a"]
    assert normal["sd_se"] == pytest.approx(normal["sd"] / math.sqrt(4_000), rel=0.1)
    heavy = outcome_baseline(one, pd.Series(rng.lognormal(0, 1.5, 2_000), index=ids)).loc["a"]
    assert heavy["sd_se"] > 3 * heavy["sd"] / math.sqrt(4_000)


def test_range_of_the_size_needed_comes_from_the_baseline():
    table = pd.DataFrame({"mean": [0.1], "n_known": [1_000]}, index=["a"])
    plan = plan_experiment({"a": 5_000}, metric="proportion", baseline=table, minimum_lift=0.02)
    low, high = proportions.proportion_confint(100, 1_000, method="wilson")
    for rate, column in ((low, "n_needed_low"), (high, "n_needed_high")):
        expected = plan_experiment({"a": 5_000}, metric="proportion", baseline=rate, minimum_lift=0.02).n_needed["a"]
        assert plan.table.loc["a", column] == pytest.approx(expected, abs=2)
    money = pd.DataFrame({"mean": [10.0], "sd": [40.0], "sd_se": [8.0], "n_known": [500]}, index=["a"])
    row = plan_experiment({"a": 5_000}, metric="mean", baseline=money, minimum_lift=2).table.loc["a"]
    assert row["n_needed_high"] / row["n_needed"] == pytest.approx((1 + 1.96 * 0.2) ** 2, rel=0.01)
    noisy = plan_experiment({"a": 5_000}, metric="mean", baseline=money.assign(n_known=9), minimum_rel_lift=0.1).table
    assert pd.isna(noisy.loc["a", "n_needed_high"])
    assert 0 < noisy.loc["a", "n_needed_low"] < noisy.loc["a", "n_needed"]


def test_totals_and_weeks_by_hand():
    plan = plan_experiment(SIZES, traffic={"loyal": 1_000, "new": 100, "lapsed": 500}, holdout=0.1, **RATE)
    needed = plan.table["n_needed"].astype(int)
    assert plan.table["n_available"].tolist() == [18_000, 5_400, 8_100]
    weeks = [math.ceil(n / rate) for n, rate in zip(needed, [900, 90, 450], strict=True)]
    assert plan.table["weeks"].tolist() == weeks
    assert plan.totals["n_needed"] == needed.sum()
    assert plan.totals["weeks"] == max(weeks)
    assert plan.totals["weeks_together"] == math.ceil(plan.totals["n_together"] / 1_440)
    by_then = plan_experiment(SIZES, traffic=1_000, max_weeks=8, **RATE).table
    assert by_then["n_available"].tolist() == [8_000] * 3
    none = plan_experiment(SIZES, traffic={"loyal": 0, "new": 1, "lapsed": 1}, **RATE)
    assert pd.isna(none.table.loc["loyal", "weeks"])
    assert none.totals["weeks"] is None


def test_all_together_is_a_stratified_analysis():
    plan = plan_experiment(SIZES, **MONEY)
    weight = np.array([20, 6, 9]) / 35
    lift = weight @ [3.0, 1.0, 0.5]
    expected = 2 * power_of.TTestIndPower().solve_power(lift / 60, power=0.8, alpha=0.05)
    assert plan.totals["n_together"] == pytest.approx(expected, abs=2)
    alone = plan_experiment({"a": 100}, **{**RATE, "baseline": 0.1})
    assert alone.totals["n_together"] == pytest.approx(alone.totals["n_needed"], abs=2)


def test_holm_finds_at_least_what_bonferroni_finds():
    holm, plain = (plan_experiment(SIZES, correction=name, **RATE).table for name in ("holm", "bonferroni"))
    assert holm["n_needed"].tolist() == plain["n_needed"].tolist()
    assert (holm["power_holm"] >= holm["power"] - 0.01).all()
    assert (holm["power_holm"] > holm["power"]).any()
    none = plan_experiment(SIZES, correction="none", **RATE)
    assert none.settings["alpha_per_comparison"] == 0.05
    assert (none.table["n_needed"] < plain["n_needed"]).all()


def test_holm_power_against_the_definition():
    """Two independent segments: found if the smaller p passes alpha / 2 and the larger alpha, or it alone alpha / 2."""
    power = np.array([[0.6], [0.6]])
    shift = stats.norm.isf(0.0125) + stats.norm.ppf(0.6)
    easy = stats.norm.sf(stats.norm.isf(0.025) - shift)
    expected = 0.6 + 0.6 * (easy - 0.6)  # alone, or by the other one being found first
    assert holm_power(power, np.array([1.0]), 0.05, 2).ravel() == pytest.approx([expected] * 2, abs=0.015)


@pytest.mark.parametrize("t", [0.0, 0.01, 0.04])
def test_pooling_figures_in_simulated_experiments(t):
    """Width, coverage and power of pooled estimates whose effects scatter as assumed."""
    lift = pd.Series(0.02, index=list("abcd"))
    variance = pd.Series([0.0001, 0.0002, 0.0004, 0.001], index=lift.index)
    table = pooling_table(lift, variance, [t], 0.05, 2)
    rng, runs, v = np.random.default_rng(0), 40_000, variance.to_numpy()
    effects = 0.02 + t * rng.normal(size=(runs, 4))
    y = effects + np.sqrt(v) * rng.normal(size=(runs, 4))
    # the pooled estimate as generalised least squares gives it, written another way than in the library
    inverse = np.linalg.inv(np.diag(t**2 + v))
    mean = y @ inverse.sum(axis=1) / inverse.sum()
    pooled = mean[:, None] + (y - mean[:, None]) * (t**2 / (t**2 + v))
    half = table["half_width_pooled"].to_numpy()
    assert (np.abs(pooled - effects) <= half).mean(axis=0) == pytest.approx([0.95] * 4, abs=0.006)
    assert (pooled > half).mean(axis=0) == pytest.approx(table["power_pooled"].to_numpy(), abs=0.01)
    separate = table["half_width_separate"].to_numpy()
    assert (y > separate).mean(axis=0) == pytest.approx(table["power_separate"].to_numpy(), abs=0.01)
    assert table["worth_customers"].to_numpy() == pytest.approx((separate / half) ** 2)


def test_pooling_needs_three_segments_and_brings_nothing_where_effects_differ_widely():
    assert plan_experiment({"a": 900, "b": 900}, **{**RATE, "baseline": 0.1}).pooling is None
    wide = plan_experiment(SIZES, between_sd=100, **RATE).pooling
    assert wide["own_weight"].to_numpy() == pytest.approx([1] * 3)
    assert wide["worth_customers"].to_numpy() == pytest.approx([1] * 3)
    assert plan_experiment(SIZES, **RATE).settings["between_sd"] == pytest.approx([0, 0.01, 0.02])


def test_baselines_of_every_kind_agree():
    profile = pd.DataFrame({"n_customers": SIZES, "visit_mean": RATES, "visit_n": 500, "wanted": 0.02}).rename_axis(
        "segment"
    )
    expected = plan_experiment(SIZES, **RATE).table["n_needed"].tolist()
    options = {"metric": "proportion", "minimum_lift": 0.02}
    for baseline in (pd.Series(RATES), pd.DataFrame({"mean": RATES}), "visit_mean"):
        plan = plan_experiment(profile, baseline=baseline, **options)
        assert plan.table["n_needed"].tolist() == expected
    assert "n_needed_low" in plan.table
    from_column = plan_experiment(profile, metric="proportion", baseline="visit_mean", minimum_lift="wanted")
    assert from_column.table["n_needed"].tolist() == expected
    pl = pytest.importorskip("polars")
    assert plan_experiment(pl.DataFrame(profile.reset_index()), **RATE).table["n_needed"].tolist() == expected


def test_a_profile_of_the_library_and_its_unassigned():
    ids = pd.RangeIndex(300, name="customer_id")
    segments = pd.Series(["a", "b", None] * 100, index=ids)
    bought = pd.Series(np.arange(300) % 5 == 0, index=ids)
    profile = sg.profile_segments(segments, scores=bought.astype(float).rename("bought").to_frame())
    plan = plan_experiment(profile, metric="proportion", baseline="bought_mean", minimum_lift=0.1)
    assert plan.table.index.tolist() == ["a", "b"]
    assert "100 customers are in no segment" in plan.warnings[0]
    direct = plan_experiment(
        segments, metric="proportion", baseline=outcome_baseline(segments, bought), minimum_lift=0.1
    )
    pd.testing.assert_frame_equal(direct.table, plan.table, check_index_type=False)


def test_labels_of_a_clusterer_are_customers_not_sizes():
    labels = pd.Series([0, 1, 1, -1] * 50, index=pd.RangeIndex(200, name="customer_id"))
    plan = plan_experiment(labels, **{**RATE, "baseline": 0.1})
    assert plan.table["n_customers"].to_dict() == {"0": 50, "1": 100}


def test_an_empty_segment_is_left_out_and_said():
    baseline = pd.DataFrame({"mean": [0.1, np.nan]}, index=["a", "empty"])
    plan = plan_experiment({"a": 100, "empty": 0}, metric="proportion", baseline=baseline, minimum_lift=0.1)
    assert plan.table.index.tolist() == ["a"]
    assert "1 segment without customers left out: 'empty'" in plan.warnings[0]


def test_what_a_plan_warns_of():
    plan = plan_experiment(
        {"a": 1e5, "b": 1e5, "c": 1e5},
        metric="proportion",
        baseline={"a": 0.95, "b": 0.0001, "c": 0.2},
        minimum_lift=0.1,
        arms={"control": 0.9, "treated": 0.1},
    )
    text = " ".join(plan.warnings)
    assert "no number of customers shows the lift in 'a'" in text
    assert "fewer than 30 events (or non-events) in an arm of 'b'" in text
    assert pd.isna(plan.table.loc["a", "n_needed"])
    assert plan.totals["n_impossible"] == 1
    skewed = plan_experiment({"a": 100}, **{**MONEY, "baseline": 10, "arms": {"control": 0.1, "treated": 0.9}})
    assert "skewness" in skewed.warnings[0]


@given(st.floats(0.02, 0.9), st.floats(0.01, 0.09), st.integers(50, 100_000))
@settings(deadline=None, max_examples=30)
def test_more_customers_never_hurt(rate, lift, n):
    few, many = (
        plan_experiment({"a": size}, metric="proportion", baseline=rate, minimum_lift=lift).table.loc["a"]
        for size in (n, 2 * n)
    )
    assert many["power"] >= few["power"] - 1e-12
    assert many["n_needed"] == few["n_needed"]
    assert few["enough"] <= many["enough"]


def test_what_a_plan_says():
    plan = plan_experiment({**SIZES, "<b>": 10}, **{**RATE, "baseline": {**RATES, "<b>": 0.1}}, traffic=100)
    text = str(plan)
    assert text.startswith(
        "Plan for proportions: 2 of 4 segments can show the lift on their own (power 80%, alpha 0.05"
    )
    assert "Too small on their own: 'new', '<b>'." in text
    assert "Partial pooling" in text
    assert "&lt;b&gt;" in plan._repr_html_()
    assert set(plan.to_dict()) == {"table", "arms", "pooling", "totals", "settings", "warnings"}
    assert plan.to_pandas().equals(plan.table)


def test_a_picture_of_the_plan():
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    plan = plan_experiment(SIZES, **RATE)
    display = PlanDisplay.from_plan(plan).plot()
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["loyal", "new", "lapsed"]
    assert [patch.get_width() for patch in display.ax_.patches] == [20_000, 9_000, 6_000]
    assert {text.get_text() for text in display.ax_.get_legend().get_texts()} == {
        "can enter: enough",
        "can enter: too few",
        "needed",
    }
    assert display.ax_.get_xscale() == "linear"
    many = {f"a segment with a very long name indeed, number {k}": 10 ** (2 + k % 4) for k in range(40)}
    wide = PlanDisplay.from_plan(plan_experiment(many, **{**RATE, "baseline": 0.1})).plot()
    assert len(wide.values) == 30
    assert wide.ax_.get_xscale() == "log"
    assert "(10 smaller ones not shown)" in wide.ax_.get_title(loc="left")
    impossible = plan_experiment({"a": 100}, **{**RATE, "baseline": 0.99}).plot()
    assert impossible.texts[0].get_text() == "no number is enough"
    plt.close("all")


def plan_of(**changes):
    return lambda: plan_experiment(changes.pop("profile", SIZES), **{**RATE, **changes})


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (plan_of(metric="median"), ValueError, "'proportion', 'mean', 'ratio'"),
        (plan_of(metric="mean"), ValueError, "a mean needs the sd"),
        (plan_of(metric="ratio"), ValueError, "ratio_baseline"),
        (plan_of(sd=3), ValueError, "a proportion has no sd"),
        (plan_of(minimum_lift=None), ValueError, "either minimum_lift= .* or minimum_rel_lift="),
        (plan_of(minimum_rel_lift=0.1), ValueError, "one of them only"),
        (plan_of(minimum_lift=0), ValueError, "other than 0"),
        (plan_of(baseline={"loyal": 0.1}), ValueError, "baseline has nothing for 'new', 'lapsed'"),
        (plan_of(baseline="visits"), ColumnError, "no column of the profile"),
        (plan_of(baseline=[0.1]), TypeError, "baseline must be a number"),
        (plan_of(baseline=20), ValueError, "between 0 and 1"),
        (plan_of(correction="fdr"), ValueError, "'bonferroni', 'holm', 'none'"),
        (plan_of(covariate_correlation=1), ValueError, "between -1 and 1"),
        (plan_of(control="none"), ValueError, "control must be one of"),
        (plan_of(arms={"a": 0.5}), ValueError, "two arms"),
        (plan_of(holdout=1), ValueError, "holdout"),
        (plan_of(traffic=-1), ValueError, "traffic must be 0 or more"),
        (plan_of(max_weeks=4), ValueError, "needs traffic"),
        (plan_of(traffic=1, max_weeks=0), ValueError, "max_weeks must be"),
        (plan_of(between_sd=-1), ValueError, "between_sd"),
        (plan_of(power=1.2), ValueError, "power must be"),
        (plan_of(alternative="less"), ValueError, "alternative must be"),
        (plan_of(privacy_minimum=-1), ValueError, "privacy_minimum"),
        (plan_of(profile={"a": -5}), ValueError, "n_customers must be 0 or more"),
        (plan_of(profile=pd.DataFrame({"x": [1]})), ColumnError, "n_customers"),
        (plan_of(profile=3), TypeError, "profile must be"),
        (plan_of(profile={}), ValueError, "no segments"),
        (plan_of(profile={"a": 0}, baseline={}), ValueError, "one row per segment"),
        (
            lambda: ratio_baseline(
                numerator_mean=1, numerator_sd=1, denominator_mean=0, denominator_sd=1, correlation=0
            ),
            ValueError,
            "must not be 0",
        ),
        (
            lambda: ratio_baseline(
                numerator_mean=1, numerator_sd=1, denominator_mean={"a": 1}, denominator_sd=1, correlation=2
            ),
            ValueError,
            "it does not for 'a'",
        ),
    ],
)
def test_bad_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
