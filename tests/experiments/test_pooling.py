"""Partial pooling: the posterior by an independent quadrature, what it does to outliers, and bad input."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

mpl.use("Agg")

import matplotlib.pyplot as plt

from segmentation.experiments import PoolingDisplay, pool_effects
from segmentation.experiments._pooling import PRIOR_SCALE, plug_in, posterior_of


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def by_quadrature(y, s, i):
    """Posterior mean of effect i and of its cdf, by adaptive quadrature over tau and the textbook formulas."""
    scale = PRIOR_SCALE * np.exp(np.mean(np.log(s)))

    def parts(tau):
        w = 1 / (s**2 + tau**2)
        mu = np.sum(w * y) / np.sum(w)
        like = np.prod(np.sqrt(w)) / np.sqrt(w.sum()) * np.exp(-0.5 * np.sum(w * (y - mu) ** 2))
        own = tau**2 / (tau**2 + s[i] ** 2)
        mean = own * y[i] + (1 - own) * mu
        return like / (1 + (tau / scale) ** 2), mean, np.sqrt(own * s[i] ** 2 + (1 - own) ** 2 / w.sum())

    def whole(function):
        pieces = [(0, 1), (1, 5), (5, 50), (50, np.inf)]
        return sum(integrate.quad(function, *piece, epsabs=0, epsrel=1e-10, limit=200)[0] for piece in pieces)

    total = whole(lambda t: parts(t)[0])
    mean = whole(lambda t: parts(t)[0] * parts(t)[1]) / total

    def cdf(x):
        return whole(lambda t: parts(t)[0] * stats.norm.cdf(x, parts(t)[1], parts(t)[2])) / total

    return mean, cdf


@pytest.mark.parametrize("seed", range(4))
def test_equals_an_independent_quadrature(seed):
    rng = np.random.default_rng(seed)
    k = [3, 4, 6, 9][seed]
    s = rng.uniform(0.5, 2, k)
    y = rng.normal(1, [0.1, 1, 3, 6][seed], k) + s * rng.standard_normal(k)
    found = pool_effects(y, s).table
    for i in (0, k - 1):
        mean, cdf = by_quadrature(y, s, i)
        # the weights that are left out as negligible, and the last digits of the quadrature
        assert found["pooled"].iloc[i] == pytest.approx(mean, abs=2e-4 * s[i])
        assert cdf(found["pooled_low"].iloc[i]) == pytest.approx(0.025, abs=1e-4)
        assert cdf(found["pooled_high"].iloc[i]) == pytest.approx(0.975, abs=1e-4)
        assert found["probability_positive"].iloc[i] == pytest.approx(1 - cdf(0), abs=1e-4)


def test_given_the_spread_it_is_the_known_formula():
    y, s = np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])
    posterior = posterior_of(y, s)
    j = len(posterior.tau) // 2
    tau = posterior.tau[j]
    # with a flat mean integrated out the prior's precision is that of deviations from the mean
    prior = (np.eye(3) - np.full((3, 3), 1 / 3)) / tau**2
    covariance = np.linalg.inv(np.diag(s**-2) + prior)
    assert posterior.effects().mean[j] == pytest.approx(covariance @ (y / s**2), rel=1e-9)
    assert posterior.effects().sd[j] ** 2 == pytest.approx(np.diag(covariance), rel=1e-9)
    weights = np.array([5.0, 1.0, -2.0])
    assert posterior.combined(weights).sd[j] ** 2 == pytest.approx(weights @ covariance @ weights, rel=1e-9)


def test_draws_have_the_moments_of_the_posterior():
    found = pool_effects({"a": 1.0, "b": 2.5, "c": 0.0, "d": 1.0}, {"a": 0.5, "b": 1.0, "c": 1.0, "d": 2.0})
    draws = found.draws(200_000, random_state=0)
    assert list(draws.columns) == ["a", "b", "c", "d"]
    assert draws.mean().to_numpy() == pytest.approx(found.table["pooled"].to_numpy(), abs=0.02)
    assert draws.quantile(0.025).to_numpy() == pytest.approx(found.table["pooled_low"].to_numpy(), abs=0.04)
    weights = {"a": 10, "b": 20, "c": 5, "d": 1}
    sums = draws @ pd.Series(weights)
    whole = found.combine(weights)
    assert whole["sd"] == pytest.approx(sums.std(), rel=0.01)
    assert (whole["low"], whole["high"]) == pytest.approx(tuple(sums.quantile([0.025, 0.975])), rel=0.02)
    assert draws.equals(found.draws(200_000, random_state=0))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=8), st.floats(0.2, 30), st.floats(-100, 100), st.randoms())
def test_follows_units_places_and_order(values, factor, shift, random):
    y = np.array(values)
    s = np.linspace(0.5, 1.5, len(y))
    plain = pool_effects(y, s).table
    moved = pool_effects(factor * y + shift, factor * s).table
    for column in ("pooled", "pooled_low", "pooled_high"):
        assert moved[column].to_numpy() == pytest.approx(factor * plain[column].to_numpy() + shift, abs=1e-5 * factor)
    order = list(range(len(y)))
    random.shuffle(order)
    shuffled = pool_effects(y[order], s[order]).table
    assert shuffled["pooled"].to_numpy() == pytest.approx(plain["pooled"].to_numpy()[order], abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-20, 20), min_size=3, max_size=12))
def test_pooled_lies_between_the_estimates_and_inside_its_bounds(values):
    y = np.array(values)
    table = pool_effects(y, np.ones(len(y))).table
    assert (table["pooled"] >= y.min() - 1e-9).all()
    assert (table["pooled"] <= y.max() + 1e-9).all()
    assert ((table["pooled_low"] < table["pooled"]) & (table["pooled"] < table["pooled_high"])).all()
    assert table["own_weight"].between(0, 1).all()


def test_alike_segments_are_drawn_together_and_unlike_ones_left_alone():
    alike = pool_effects([1.0, 1.1, 0.9, 1.0, 1.05, 0.95], np.ones(6))
    assert np.ptp(alike.table["pooled"]) < 0.05
    assert (alike.table["pooled_se"] < 0.8).all()
    unlike = pool_effects([-100.0, 0.0, 50.0, 100.0], np.ones(4))
    assert unlike.table["pooled"].to_numpy() == pytest.approx([-100, 0, 50, 100], abs=0.1)
    assert unlike.between_sd["low"] > 30


def test_intervals_hold_where_plugged_in_ones_do_not():
    """300 experiments of 5 segments at a spread of 1; the full sizes are those of the benchmark."""
    rng = np.random.default_rng(0)
    ours, plugged = [], []
    for _ in range(300):
        true = rng.normal(0, 1, 5)
        y = true + rng.standard_normal(5)
        table = pool_effects(y, np.ones(5)).table
        ours.append(((table["pooled_low"] <= true) & (true <= table["pooled_high"])).mean())
        _, low, high, _ = plug_in(y, np.ones(5), 0.95, method="reml")
        plugged.append(((low <= true) & (true <= high)).mean())
    assert np.mean(ours) >= 0.92 - 2.6 * np.std(ours) / np.sqrt(300)
    assert np.mean(plugged) < 0.92


def test_plug_in_equals_statsmodels():
    combine = pytest.importorskip("statsmodels.stats.meta_analysis").combine_effects
    y, s = np.array([0.1, 0.6, -0.4, 1.4, 0.3]), np.array([0.2, 0.3, 0.25, 0.5, 0.1])
    tau = plug_in(y, s, 0.95, method="dl")[3]
    assert tau**2 == pytest.approx(combine(y, s**2, method_re="chi2").tau2, rel=1e-10)

    def restricted(variance):
        w = 1 / (s**2 + variance)
        return -0.5 * (np.sum((y - w @ y / w.sum()) ** 2 * w) - np.log(w).sum() + np.log(w.sum()))

    grid = np.linspace(0, 2, 20_001)
    assert plug_in(y, s, 0.95, method="reml")[3] ** 2 == pytest.approx(
        grid[np.argmax([restricted(v) for v in grid])], abs=2e-4
    )


def test_a_lone_outlier_is_named_with_what_pooling_did_to_it():
    y = [0.1, -0.4, 0.3, 0.2, -0.2, 0.0, 0.4, 9.0]
    found = pool_effects(dict(zip("abcdefgh", y, strict=True)), dict.fromkeys("abcdefgh", 1.0))
    (text,) = [text for text in found.warnings if "stands alone" in text]
    assert text.startswith("segment 'h' stands alone: the other 7 do not predict its 9")
    assert f"to {found.table.loc['h', 'pooled']:.4g}" in text
    calm = pool_effects([0.1, -0.4, 0.3, 0.2, -0.2, 0.0, 0.4, 1.5], np.ones(8))
    assert not [text for text in calm.warnings if "stands alone" in text]


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_segments_are_not_pooled_and_it_is_said(n):
    y, s = [1.0, 3.0][:n], [0.5, 1.0][:n]
    found = pool_effects(y, s)
    assert not found.pooled
    assert found.table["pooled"].tolist() == y
    assert found.table["pooled_high"].to_numpy() == pytest.approx(y + 1.959964 * np.array(s), abs=1e-6)
    assert "not pooled" in found.headline
    assert "pooling needs 3" in found.warnings[0]
    assert np.isnan(found.between_sd["median"])
    assert np.isnan(found.mean["mean"])


def test_missing_segments_are_left_out_and_stay_visible():
    found = pool_effects({"a": 1.0, "b": np.nan, "c": 2.0, "d": 0.5, "e": 1.0},
                         {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": np.nan})  # fmt: skip
    assert found.settings["n_segments"] == 3
    assert found.table["pooled"].isna().to_dict() == {"a": False, "b": True, "c": False, "d": False, "e": True}
    assert "2 segments without an estimate or standard error left out: 'b', 'e'" in found.warnings[0]
    plain = pool_effects({"a": 1.0, "c": 2.0, "d": 0.5}, {"a": 1.0, "c": 1.0, "d": 1.0})
    assert found.table["pooled"].dropna().tolist() == plain.table["pooled"].tolist()
    with pytest.raises(ValueError, match="weights of segments without an estimate"):
        found.combine({"a": 1, "b": 1, "c": 0, "d": 0, "e": 0})


def test_few_degrees_of_freedom_reach_as_far_as_student():
    found = pool_effects([0.0, 100.0], [1.0, 1.0], df=[5, np.inf]).table
    assert found["pooled_high"].to_numpy() == pytest.approx([stats.t.ppf(0.975, 5), 101.959964], abs=1e-6)
    assert found["se"].tolist() == [1.0, 1.0]


def test_a_table_of_estimates_and_aligned_names():
    table = pd.DataFrame({"estimate": [1.0, 2.0, 3.0], "se": [0.1, 0.2, 0.3], "df": [9.0, np.inf, np.nan]},
                         index=["x", "y", "z"])  # fmt: skip
    by_table = pool_effects(table).table
    by_name = pool_effects({"x": 1.0, "y": 2.0, "z": 3.0}, {"z": 0.3, "y": 0.2, "x": 0.1}, df={"x": 9, "y": np.inf,
                           "z": np.inf}).table  # fmt: skip
    pd.testing.assert_frame_equal(by_table, by_name)


@pytest.mark.parametrize(
    ("estimates", "errors", "message"),
    [
        ([1.0, 2.0, 3.0], [1.0, 0.0, 1.0], "standard errors are 0 in segments 1"),
        ([1.0, 2.0, 3.0], [1.0, -1.0, 1.0], "negative in segments 1: -1.0"),
        ([1.0, np.inf, 3.0], [1.0, 1.0, 1.0], "estimates are infinite in segments 1"),
        ([1.0, 2.0, 3.0], [1.0, np.inf, 1.0], "standard errors are infinite"),
        ([1.0, 2.0, 3.0], [1.0, 1.0], "of one length, got 2 and 3"),
        ([], [], "estimates are empty"),
        ([np.nan, np.nan], [1.0, 1.0], "nothing to pool"),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}, "missing 'b'; not in the estimates 'c'"),
        (pd.Series([1.0, 2.0], index=["a", "a"]), pd.Series([1.0, 2.0], index=["a", "a"]), "named twice: 'a'"),
        (["x", "y"], [1.0, 1.0], "estimates must be numbers"),
        ([[1.0, 2.0]], [1.0], "array of 2 dimensions"),
        ([1.0, 2.0], None, "standard_errors are missing"),
        (pd.DataFrame({"estimate": [1.0]}), None, "missing: 'se'"),
        ([1.0, 2.0], {"a": 1.0, "b": 1.0}, "have names and the estimates have none"),
    ],
)
def test_bad_input(estimates, errors, message):
    with pytest.raises(ValueError, match=message):
        pool_effects(estimates, errors)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, True, "high"])
def test_bad_level(level):
    with pytest.raises(ValueError, match="level is the share of truths"):
        pool_effects([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], level=level)


def test_very_unequal_errors_and_far_away_effects_stay_finite():
    y = np.array([1e9, 1e9 + 5, 1e9 - 3, 1e9 + 1])
    table = pool_effects(y, [1e-3, 10.0, 1.0, 1e3]).table
    assert np.isfinite(table.to_numpy()).all()
    assert table["pooled"].iloc[0] == pytest.approx(1e9, abs=0.01)
    assert (table["pooled_high"] > table["pooled_low"]).all()


def test_result_speaks_and_escapes():
    found = pool_effects({"<b>": 1.0, "b": 2.0, "c": 3.0}, {"<b>": 0.2, "b": 0.2, "c": 0.2})
    assert str(found).startswith("3 segments pooled: mean effect")
    assert "above 0 in 3, below 0 in 0" in found.headline
    assert "&lt;b&gt;" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    assert found.to_dict()["table"][0]["segment"] == "<b>"
    assert found.to_pandas().equals(found.table)


@pytest.mark.parametrize("k", [2, 6, 30])
def test_display_shows_every_segment_twice_where_pooled(k):
    names = [f"a segment with a rather long name that goes on and on and on and on {i}" for i in range(k)]
    rng = np.random.default_rng(0)
    found = pool_effects(dict(zip(names, rng.standard_normal(k), strict=True)), dict.fromkeys(names, 1.0))
    display = PoolingDisplay.from_pooled(found).plot()
    assert [len(text.get_text()) <= 30 for text in display.ax_.get_yticklabels()] == [True] * k
    points = [np.asarray(each.get_offsets())[:, 0] for each in display.ax_.collections if len(each.get_offsets()) == k]
    assert points[0] == pytest.approx(found.table["estimate"].to_numpy())
    assert len(points) == (2 if k > 2 else 1)
    assert ("not pooled" in display.ax_.get_title(loc="left")) == (k == 2)
    assert found.plot(display.figure_.subplots()) is not None


def test_weights_must_be_finite_and_draws_need_a_seed():
    found = pool_effects({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.5, "b": 0.5, "c": 0.5})
    with pytest.raises(ValueError, match="weights must be finite"):
        found.combine({"a": 1, "b": np.inf, "c": 0})
    assert found.combine({"a": 1, "b": np.nan, "c": 0})["mean"] == found.combine({"a": 1, "b": 0, "c": 0})["mean"]
    with pytest.raises(ValueError, match="random_state must be"):
        found.draws(5, random_state="a")


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_table_of_any_library_with_a_column_of_segments(kind):
    table = pd.DataFrame({"segment": ["a", "b", "c"], "estimate": [1.0, 2.0, 3.0], "se": [0.5, 0.6, 0.7]})
    expected = pool_effects(table.set_index("segment"))
    if kind == "polars":
        table = pytest.importorskip("polars").from_pandas(table)
    elif kind == "pyarrow":
        table = pytest.importorskip("pyarrow").Table.from_pandas(table)
    pd.testing.assert_frame_equal(pool_effects(table).table, expected.table)


def test_names_in_the_index_win_over_a_column():
    table = pd.DataFrame({"estimate": [1.0, 2.0, 3.0], "se": 1.0, "segment": [7, 8, 9]}, index=list("abc"))
    assert list(pool_effects(table).table.index) == ["a", "b", "c"]
