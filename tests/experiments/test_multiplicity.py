"""Corrections for many comparisons: statsmodels as oracle, what claims and intervals promise, and bad input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.experiments import correct_comparisons
from segmentation.experiments._multiplicity import METHODS, adjusted_p, interval_level

NAMES = {"holm": "holm", "bonferroni": "bonferroni", "sidak": "sidak", "bh": "fdr_bh", "by": "fdr_by"}


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=40)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_p_values_equal_statsmodels(method, p):
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    with np.errstate(divide="ignore"):
        expected = multipletests(p, method=NAMES[method])[1]
    assert adjusted_p(p, method) == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_missing_p_values_do_not_count():
    for method in METHODS:
        got = adjusted_p([0.01, np.nan, 0.04, np.nan], method)
        assert np.isnan(got[[1, 3]]).all()
        assert got[[0, 2]] == pytest.approx(adjusted_p([0.01, 0.04], method))
    assert len(adjusted_p([], "holm")) == 0
    assert np.isnan(adjusted_p([np.nan], "bh")).all()


def lifts(z, **more):
    z = np.asarray(z, dtype=float)
    return pd.DataFrame({"segment": [f"s{i}" for i in range(len(z))], "lift": z, "se": 1.0, **more})


def test_bonferroni_intervals_exclude_0_exactly_where_claimed():
    found = correct_comparisons(lifts(np.linspace(0, 5, 40)), method="bonferroni").table
    assert (found["claimed"] == (found["low"] > 0)).all()
    found = correct_comparisons(lifts(np.linspace(0, 5, 40)), method="sidak").table
    assert (found["claimed"] == (found["low"] > 0)).all()
    assert 0 < found["claimed"].sum() < 40


def test_false_coverage_rate_intervals_agree_with_the_claims_of_benjamini_and_hochberg():
    """A claim of the step-up procedure has p <= R alpha / m, so its interval of level 1 - R alpha / m excludes 0."""
    found = correct_comparisons(lifts(np.linspace(0, 5, 40)), method="bh")
    table = found.table
    n = found.settings["n_claimed"]
    assert 0 < n < 40
    assert found.settings["interval_level"] == pytest.approx(1 - n * 0.05 / 40)
    assert (table["low"][table["claimed"]] >= 0).all()
    assert table["low"][~table["claimed"]].isna().all()
    reach = stats.norm.ppf(1 - n * 0.05 / 40 / 2)
    assert (table["estimate"] - table["low"]).dropna().to_numpy() == pytest.approx(np.full(n, reach))


def test_levels():
    assert interval_level(0.95, 10, "holm") == pytest.approx(0.995)
    assert interval_level(0.95, 10, "sidak") == pytest.approx(0.95**0.1)
    assert interval_level(0.95, 1, "sidak") == pytest.approx(0.95)
    assert interval_level(0.95, 0, "holm") == 0.95
    assert interval_level(0.95, 10, "bh", 4) == pytest.approx(0.98)


def test_family_is_said():
    rows = pd.MultiIndex.from_product(
        [["visit", "spend"], ["mail"], ["a", "b", "c"]], names=["outcome", "arm", "segment"]
    )
    table = rows.to_frame(index=False).assign(lift=[3.5, 0, 0, 0, 0, 0.1], se=1.0)
    table.loc[2, "lift"] = np.nan
    found = correct_comparisons(table)
    assert found.family == "5 comparisons (3 segments x 1 arm x 2 outcomes), 1 more without a p-value"
    assert found.headline.startswith("1 of 5 comparisons")
    assert found.claimed[["outcome", "segment"]].to_numpy().tolist() == [["visit", "a"]]
    assert any("never claimed" in text for text in found.warnings)


def test_p_values_given_are_used_and_student_where_degrees_of_freedom_are():
    found = correct_comparisons(lifts([3.0], p_value=0.2)).table
    assert found["p_value"].item() == 0.2
    small = correct_comparisons(lifts([3.0], df=4.0)).table
    assert small["p_value"].item() == pytest.approx(2 * stats.t.sf(3, 4))
    assert small["high"].item() == pytest.approx(3 + stats.t.ppf(0.975, 4))
    assert small["single_high"].item() == small["high"].item()


def test_holm_claims_beyond_its_interval_are_said():
    found = correct_comparisons(lifts([6.0, 2.1]))
    assert found.table["claimed"].all()
    assert found.table["low"].iloc[1] < 0
    assert any("sharper" in text for text in found.warnings)


def test_any_claim_and_false_share_in_small():
    """400 tables of 20 comparisons; the full sizes are those of the benchmark."""
    rng = np.random.default_rng(0)
    real = np.r_[np.full(8, 3.0), np.zeros(12)]
    any_claim, false_share, together = [], [], []
    for _ in range(400):
        any_claim.append(len(correct_comparisons(lifts(rng.standard_normal(20))).claimed) > 0)
        table = correct_comparisons(lifts(real + rng.standard_normal(20)), method="bh").table
        claimed = table["claimed"].to_numpy()
        false_share.append((claimed & (real == 0)).sum() / max(claimed.sum(), 1))
        wide = correct_comparisons(lifts(real + rng.standard_normal(20)), method="sidak").table
        together.append(((wide["low"] <= real) & (real <= wide["high"])).all())
    assert np.mean(any_claim) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean(false_share) <= 0.05 + 2.6 * np.std(false_share) / 20
    assert np.mean(together) >= 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / 400)


def test_no_comparison_and_zero_error():
    nothing = correct_comparisons(lifts([np.nan]))
    assert nothing.settings["n_claimed"] == 0
    assert "nothing was tested" in nothing.warnings[0]
    flat = correct_comparisons(lifts([0.0, 3.0]).assign(se=[0.0, 1.0]))
    assert np.isnan(flat.table["p_adjusted"].iloc[0])
    assert flat.settings["n_comparisons"] == 1


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        (lifts([1.0]), {"method": "tukey"}, "method must be one of 'holm'"),
        (lifts([1.0]), {"estimate": "effect"}, "no column 'effect'"),
        (lifts([1.0], p_value=1.5), {}, "no p-values: 1.5"),
        (lifts([1.0]).assign(se=-1.0), {}, "negative standard errors"),
        (lifts([1.0]).assign(lift="x"), {}, "must hold numbers"),
        (lifts([1.0]), {"level": 5}, "level is the share"),
    ],
)
def test_bad_input(table, more, message):
    with pytest.raises(ValueError, match=message):
        correct_comparisons(table, **more)
    with pytest.raises(TypeError, match="pandas dataframe"):
        correct_comparisons([1.0])


def test_result_speaks():
    found = correct_comparisons(lifts([3.5, 0.0]).assign(segment=["<i>", "b"]))
    assert "claimed after correction by Holm at 5 %" in str(found)
    assert "&lt;i&gt;" in found._repr_html_()
    assert found.to_dict()["family"] == found.family
    assert found.to_pandas().equals(found.table)
