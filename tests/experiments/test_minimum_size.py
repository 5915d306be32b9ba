"""How many customers an experiment in a segment needs: against statsmodels, by simulation, and with bad input."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import MinimumSize, minimum_segment_size, outcome_baseline

power_of = pytest.importorskip("statsmodels.stats.power")
proportions = pytest.importorskip("statsmodels.stats.proportion")


@pytest.mark.parametrize("control_share", [0.5, 0.2, 0.8])
@pytest.mark.parametrize(("mean", "sd", "lift"), [(20, 60, 2), (20, 3, 2), (5, 5, -1)])
def test_means_agree_with_statsmodels(mean, sd, lift, control_share):
    ratio = (1 - control_share) / control_share
    expected = power_of.TTestIndPower().solve_power(abs(lift) / sd, power=0.8, alpha=0.05, ratio=ratio)
    row = minimum_segment_size(mean, sd=sd, lift=lift, control_share=control_share).table.loc["all"]
    # ours counts the right direction only, statsmodels both: they differ by less than a customer here
    assert abs(row["n_control"] - math.ceil(expected)) <= 1
    assert row["n_treated"] == pytest.approx(ratio * expected, abs=1.5)
    assert row["n_needed"] == row["n_control"] + row["n_treated"]


@pytest.mark.parametrize("control_share", [0.5, 0.2, 0.8])
@pytest.mark.parametrize(("rate", "lift"), [(0.1, 0.02), (0.4, -0.1), (0.02, 0.005)])
def test_proportions_agree_with_statsmodels(rate, lift, control_share):
    # there the first group is the treated one, and the ratio is that of the control
    ratio = control_share / (1 - control_share)
    expected = proportions.samplesize_proportions_2indep_onetail(
        lift, rate, 0.8, ratio=ratio, alpha=0.05, alternative="two-sided"
    )
    row = minimum_segment_size(rate, lift=lift, control_share=control_share).table.loc["all"]
    assert row["n_treated"] == pytest.approx(expected, abs=1.5)
    assert row["n_control"] == pytest.approx(ratio * expected, abs=1.5)


def test_one_sided_and_comparisons_are_a_matter_of_alpha():
    one = minimum_segment_size(20, sd=60, lift=2, alternative="one-sided", alpha=0.025)
    two = minimum_segment_size(20, sd=60, lift=2, alpha=0.05)
    assert one.table.equals(two.table)
    corrected = minimum_segment_size({"a": 20, "b": 20}, sd=60, lift=2)
    alone = minimum_segment_size({"a": 20, "b": 20}, sd=60, lift=2, alpha=0.025, n_comparisons=1)
    assert corrected.settings["n_comparisons"] == 2
    assert corrected.table.equals(alone.table)


def test_arms_share_the_treated_and_are_all_counted():
    result = minimum_segment_size(0.1, lift=0.02, n_arms=4)
    row = result.table.loc["all"]
    assert result.settings["n_comparisons"] == 3
    assert row["n_control"] == row["n_treated"]
    assert row["n_needed"] == 4 * row["n_control"]


def test_power_is_reached_in_simulated_experiments():
    n = int(minimum_segment_size(0.2, lift=0.06).table.loc["all", "n_control"])
    rng = np.random.default_rng(0)
    control, treated = rng.binomial(n, 0.2, 20_000) / n, rng.binomial(n, 0.26, 20_000) / n
    pooled = (control + treated) / 2
    z = (treated - control) / np.sqrt(2 * pooled * (1 - pooled) / n)
    assert np.mean(z > 1.959964) == pytest.approx(0.8, abs=0.015)


@given(
    mean=st.floats(0.02, 0.9),
    size=st.floats(0.01, 0.09),
    power=st.floats(0.5, 0.95),
)
@settings(deadline=None, max_examples=40)
def test_detectable_lift_turns_the_size_around(mean, size, power):
    needed = minimum_segment_size(mean, lift=size, power=power, privacy_minimum=0).table.loc["all", "n_needed"]
    back = minimum_segment_size(mean, lift=size, power=power, n_customers=int(needed)).table.loc["all"]
    assert back["enough"]
    assert back["detectable_lift"] <= size + 1e-9
    fewer = minimum_segment_size(mean, lift=size, power=power, n_customers=int(needed * 0.9) - 2).table.loc["all"]
    assert not fewer["enough"] or fewer["n_needed"] <= 10
    assert math.isnan(fewer["detectable_lift"]) or fewer["detectable_lift"] > size - 1e-9


@given(sd=st.floats(0.1, 1e4), lift=st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=40)
def test_a_larger_lift_never_needs_more(sd, lift):
    small, large = (minimum_segment_size(10, sd=sd, lift=x).n_needed.iloc[0] for x in (lift, 2 * lift))
    assert pd.isna(small) or large <= small


def test_outcomes_of_customers_become_a_baseline():
    rng = np.random.default_rng(1)
    index = pd.Index([f"c{i}" for i in range(600)], name="customer_id")
    segments = pd.Series(np.repeat(["a", "b"], 300), index=index)
    spend = pd.Series(np.where(rng.random(600) < 0.3, rng.lognormal(3, 1, 600), 0), index=index).iloc[:-100]
    table = outcome_baseline(segments, spend)
    assert table.loc["a", "sd"] == pytest.approx(spend.iloc[:300].std())
    assert table["n_customers"].tolist() == [300, 300]
    assert table["n_known"].tolist() == [300, 200]
    result = minimum_segment_size(table, rel_lift=0.1)
    assert result.settings["outcome"] == "mean"
    assert result.too_small == ["a", "b"]
    assert result.table.loc["a", "lift"] == pytest.approx(0.1 * table.loc["a", "mean"])
    bought = outcome_baseline(segments, spend > 0)
    assert "sd" not in bought
    assert minimum_segment_size(bought, lift=0.05).settings["outcome"] == "proportion"


def test_an_empty_segment_is_shown_and_must_be_left_out():
    index = pd.RangeIndex(4, name="customer_id")
    segments = pd.Series(pd.Categorical(["a"] * 4, categories=["a", "empty"]), index=index)
    table = outcome_baseline(segments, pd.Series([1.0, 2, 3, 4], index=index))
    assert table.index.tolist() == ["a", "empty"]
    with pytest.raises(ValueError, match=r"'empty'\. Leave these segments out"):
        minimum_segment_size(table, lift=1)


def test_where_no_number_is_enough_it_says_so():
    result = minimum_segment_size({"a": 0.95, "b": 0.5}, lift=0.1, n_customers=5000)
    assert pd.isna(result.n_needed["a"])
    assert not result.table.loc["a", "enough"]
    assert "'a': no number of customers" in result.warnings[0]
    assert result.table.loc["b", "enough"]


def test_privacy_minimum_is_the_least():
    result = minimum_segment_size(10, sd=0.001, lift=5, privacy_minimum=30)
    assert result.n_needed.item() == 30
    assert minimum_segment_size(10, sd=0, lift=5).n_needed.item() == 10


def test_the_result_says_what_it_rests_on():
    result = minimum_segment_size({"<b>": 0.1}, lift=0.02, n_customers=100)
    assert isinstance(result, MinimumSize)
    assert "80%" in str(result)
    assert "&lt;b&gt;" in result._repr_html_()
    assert result.to_dict()["table"][0]["segment"] == "<b>"
    assert result.to_pandas() is not result.table
    assert result.to_pandas().equals(result.table)
    with pytest.raises(AttributeError):
        result.table = None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: minimum_segment_size(0.1), ValueError, "either lift="),
        (lambda: minimum_segment_size(0.1, lift=0.1, rel_lift=0.1), ValueError, "either lift="),
        (lambda: minimum_segment_size(0.1, lift=0), ValueError, "other than 0"),
        (lambda: minimum_segment_size(20, lift=1), ValueError, "without sd the baseline is a proportion"),
        (lambda: minimum_segment_size(20, lift=1, sd=-1), ValueError, "negative"),
        (lambda: minimum_segment_size(20, lift=1, sd={"a": 1}), ValueError, "no value for 'all'"),
        (lambda: minimum_segment_size(0.1, lift=0.1, power=1), ValueError, "power must be"),
        (lambda: minimum_segment_size(0.1, lift=0.1, power=0.01), ValueError, "larger than alpha"),
        (lambda: minimum_segment_size(0.1, lift=0.1, alternative="both"), ValueError, "alternative must be"),
        (lambda: minimum_segment_size(0.1, lift=0.1, n_arms=1), ValueError, "n_arms must be"),
        (lambda: minimum_segment_size("0.1", lift=0.1), TypeError, "baseline must be"),
        (lambda: minimum_segment_size({"a": "x"}, lift=0.1), (TypeError, ValueError), "x"),
        (lambda: minimum_segment_size({}, lift=0.1), ValueError, "one row per segment"),
        (lambda: minimum_segment_size(pd.DataFrame({"m": [1]}), lift=0.1), ColumnError, "column 'mean'"),
        (lambda: minimum_segment_size(math.nan, lift=0.1), ValueError, "finite"),
        (lambda: outcome_baseline(pd.Series(["a"]), [1]), TypeError, "Series indexed by customer"),
        (lambda: outcome_baseline(pd.Series(["a"]), pd.Series([1], index=[7])), CustomerTableError, "no customer"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
