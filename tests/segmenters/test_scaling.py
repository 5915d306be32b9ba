"""Scaling of columns: what is chosen, by hand; and that it is undone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import skew
from sklearn.preprocessing import StandardScaler

from segmentation.segmenters._scaling import apply_scaling, learn_scaling, undo_scaling

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(50, 5, 500)
LOGNORMAL = RNG.lognormal(3, 1, 500)
NET = np.r_[RNG.lognormal(3, 1, 480), -RNG.lognormal(2, 1, 20)]


def column(values):
    return np.asarray(values, dtype=float)[:, None]


def learn(values, scale="auto"):
    return learn_scaling(column(values), ["x"], scale).loc["x"]


def scaled(values, scale="auto"):
    return apply_scaling(column(values), learn_scaling(column(values), ["x"], scale))[:, 0]


@pytest.mark.parametrize(
    ("values", "treatment"),
    [
        (NORMAL, "standard"),
        (-NORMAL, "standard"),
        (RNG.uniform(0, 1, 500), "standard"),
        (LOGNORMAL, "log1p"),
        (np.r_[LOGNORMAL, np.zeros(50)], "log1p"),
        (RNG.poisson(0.5, 500), "log1p"),
        (NET, "asinh"),
        (-LOGNORMAL, "asinh"),
        ([0, 1, 1, 0, 1], "binary"),
        ([0] * 500 + [1], "binary"),
        ([-1, 5, 5], "binary"),
        ([7.0] * 5, "constant"),
        ([0.0] * 5, "constant"),
        ([0.1 + 0.2, 0.3, 0.3], "constant"),  # they differ by rounding only
        (100 - LOGNORMAL, "standard"),  # no logarithm lowers this skewness
    ],
)
def test_auto_chooses_by_what_the_column_is(values, treatment):
    assert learn(values)["treatment"] == treatment


@pytest.mark.parametrize("values", [NORMAL, LOGNORMAL, NET, [0, 1, 1, 0]])
def test_other_scales_do_not_choose(values):
    assert learn(values, "standard")["treatment"] == "standard"
    np.testing.assert_allclose(scaled(values, "standard"), StandardScaler().fit_transform(column(values))[:, 0])
    assert learn(values, None).drop("skewness").tolist() == ["none", 1.0, 0.0, 1.0]
    np.testing.assert_array_equal(scaled(values, None), values)


def test_the_table_of_a_heavy_tailed_column_by_hand():
    logged = np.log1p(LOGNORMAL)
    row = learn(LOGNORMAL)
    assert row["unit"] == 1
    assert row["center"] == pytest.approx(logged.mean())
    assert row["width"] == pytest.approx(logged.std())
    assert row["skewness"] == pytest.approx(skew(LOGNORMAL))
    np.testing.assert_allclose(scaled(LOGNORMAL), (logged - logged.mean()) / logged.std())


def test_the_table_of_net_amounts_by_hand():
    """asinh in units of the typical amount: linear around 0, so both signs are treated alike."""
    unit = np.median(np.abs(NET))
    drawn_in = np.arcsinh(NET / unit)
    row = learn(NET)
    assert row["unit"] == pytest.approx(unit)
    assert row["center"] == pytest.approx(drawn_in.mean())
    assert row["width"] == pytest.approx(drawn_in.std())
    np.testing.assert_allclose(scaled(NET), (drawn_in - drawn_in.mean()) / drawn_in.std())
    np.testing.assert_allclose(scaled(-NET), -scaled(NET))


def test_small_and_large_refunds_do_not_change_the_picture():
    """A few refunds turn log1p into asinh; the customers' scaled values hardly move against each other."""
    without = np.abs(NET)
    assert learn(without)["treatment"] == "log1p"
    assert np.corrcoef(scaled(without)[:480], scaled(NET)[:480])[0, 1] > 0.95


def test_money_in_millions_has_the_shape_of_money_in_units():
    """log1p of tiny numbers would change nothing: then the unit is the typical amount."""
    tiny = LOGNORMAL / 1e6
    assert learn(tiny)["treatment"] == "log1p"
    assert learn(tiny)["unit"] == pytest.approx(np.median(tiny))
    assert abs(skew(scaled(tiny))) < 0.5 * skew(tiny)
    scaling = learn_scaling(column(tiny), ["x"], "auto")
    np.testing.assert_allclose(undo_scaling(apply_scaling(column(tiny), scaling), scaling), column(tiny))


@pytest.mark.parametrize("values", [[0, 1, 1, 0, 1], [-3, 7, 7, -3, 7], [0.25, 0.75, 0.75, 0.25, 0.75]])
@pytest.mark.parametrize("factor", [1, 1e-9, 1e9])
def test_columns_of_two_values_become_0_and_1(values, factor):
    np.testing.assert_allclose(scaled(np.multiply(values, factor)), [0, 1, 1, 0, 1])


def test_a_column_without_spread_counts_nothing_and_comes_back():
    for scale in ("auto", "standard"):
        scaling = learn_scaling(column([7.0, 7.0, 7.0]), ["x"], scale)
        assert apply_scaling(column([7.0, 8.0, -1e9]), scaling).tolist() == [[0.0]] * 3
        assert undo_scaling(np.zeros((2, 1)), scaling).tolist() == [[7.0]] * 2


def test_one_customer_has_no_spread():
    assert learn([3.0])["treatment"] == "constant"


def test_new_customers_outside_what_was_learnt():
    scaling = learn_scaling(column(LOGNORMAL), ["x"], "auto")
    below, at_zero, above = apply_scaling(column([-50.0, 0.0, 1e12]), scaling)[:, 0]
    assert below == at_zero  # a negative value where there were none counts as 0
    assert np.isfinite(above)
    binary = learn_scaling(column([0, 1, 0, 1]), ["x"], "auto")
    np.testing.assert_array_equal(apply_scaling(column([2.0, 0.5]), binary)[:, 0], [2.0, 0.5])


@pytest.mark.parametrize("values", [NORMAL, LOGNORMAL, NET])
@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e-9, 1e9, 1e200, 1e300])
def test_no_unit_of_measurement_is_too_large_or_too_small(values, factor):
    for scale in ("auto", "standard"):
        result = scaled(values * factor, scale)
        assert np.isfinite(result).all()
        assert result.mean() == pytest.approx(0, abs=1e-9)
        assert result.std() == pytest.approx(1)
        np.testing.assert_array_equal(np.argsort(result), np.argsort(values))


def test_the_largest_numbers_have_finite_distances():
    scaling = learn_scaling(column(NORMAL), ["x"], "auto")
    far = apply_scaling(column([1.7e308, -1.7e308]), scaling)
    assert np.isfinite(far**2).all()


def test_an_offset_does_not_hide_the_spread():
    seconds = 1.7e9 + np.arange(100.0)  # timestamps of a hundred seconds
    assert learn(seconds)["treatment"] == "standard"
    assert scaled(seconds).std() == pytest.approx(1)


def test_the_table_names_the_columns_and_the_input_is_not_changed():
    X = np.column_stack([NORMAL, LOGNORMAL])
    before = X.copy()
    scaling = learn_scaling(X, ["a", "b"], "auto")
    apply_scaling(X, scaling)
    np.testing.assert_array_equal(X, before)
    assert scaling.index.name == "feature"
    assert scaling.index.tolist() == ["a", "b"]
    assert list(scaling.columns) == ["treatment", "unit", "center", "width", "skewness"]
    assert isinstance(scaling, pd.DataFrame)


@pytest.mark.parametrize("scale", ["robust", "none", "", 0, False, True, ["auto"]])
def test_an_unknown_scale_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be 'auto', 'standard' or None, got"):
        learn_scaling(column(NORMAL), ["x"], scale)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from(["auto", "standard", None]),
)
@settings(deadline=None, max_examples=60)
def test_undoing_returns_what_came(X, scale):
    scaling = learn_scaling(X, ["a", "b"], scale)
    result = apply_scaling(X, scaling)
    assert np.isfinite(result).all()
    spread = np.abs(X).max(axis=0)
    np.testing.assert_allclose(
        undo_scaling(result, scaling) / np.where(spread > 0, spread, 1), X / np.where(spread > 0, spread, 1), atol=1e-6
    )


@given(arrays(np.float64, st.integers(2, 40), elements=st.integers(-20, 2000).map(float)))
@settings(deadline=None, max_examples=60)
def test_scaling_keeps_the_order_of_customers(values):
    result = scaled(values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(result[order]) >= 0).all()
    if len(set(values)) > 1:
        assert (np.diff(result[order])[np.diff(values[order]) > 0] > 0).all()
