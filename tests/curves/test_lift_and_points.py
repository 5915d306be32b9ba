"""Curves from a lift and from points: through the numbers given, draws, assumptions in words, what is refused."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segmentation.curves import (
    ExponentialCurve,
    HillCurve,
    LinearCurve,
    LogCurve,
    PowerCurve,
    from_lift,
    from_points,
)

FAMILIES = ["exponential", "log", "power", "linear", "hill"]


# ---------------------------------------------------------------------- from a lift
@pytest.mark.parametrize("family", FAMILIES)
def test_curve_and_draws_go_through_the_effect(family):
    curve = from_lift(6.0, effort=2.5, se=1.5, family=family, n_draws=4000, random_state=0)
    assert curve.family == family
    assert curve.value(2.5) == pytest.approx(6.0)
    at = curve.value_draws(2.5)
    assert at.mean() == pytest.approx(6.0, abs=0.1)
    assert at.std() == pytest.approx(1.5, rel=0.05)
    assert curve.interval(2.5) == pytest.approx((6 - 1.645 * 1.5, 6 + 1.645 * 1.5), abs=0.15)
    assert curve.randomized is True
    assert "One effort was tested (2.5), so the form is an assumption" in curve.notes[0]
    assert curve == from_lift(6.0, effort=2.5, se=1.5, family=family, n_draws=4000, random_state=0)


def test_assumptions_fix_the_form():
    assert from_lift(6.0, 2.0, half=4.0).parameters == pytest.approx(
        {"top": 6 / (1 - 0.5**0.5), "rate": math.log(2) / 4}
    )
    assert from_lift(6.0, 2.0).top == pytest.approx(12.0)
    assert from_lift(6.0, 2.0, family="hill", half=2.0, shape=3.0).parameters == pytest.approx(
        {"top": 12.0, "half": 2.0, "shape": 3.0}
    )
    log = from_lift(6.0, 2.0, family="log", half=3.0)
    assert log.slope(3.0) == pytest.approx(log.slope(0.0) / 2)
    assert from_lift(6.0, 4.0, family="power", exponent=0.25).parameters == pytest.approx(
        {"scale": 6 / 4**0.25, "exponent": 0.25}
    )
    assert from_lift(6.0, 2.0, family="linear").parameters == {"slope_value": 3.0, "cap": 2.0}


def test_a_range_of_the_assumption_spreads_the_draws():
    curve = from_lift(6.0, 2.0, se=0.0, half=(1.0, 4.0), n_draws=4000, random_state=1)
    assert curve.rate == pytest.approx(math.log(2) / 2.0)
    halves = math.log(2) / curve.draws[:, 1]
    assert halves.min() >= 1.0
    assert halves.max() <= 4.0
    assert np.median(halves) == pytest.approx(2.0, rel=0.05)
    assert curve.value_draws(2.0) == pytest.approx(6.0)
    assert np.ptp(curve.value_draws(6.0)) > 2.0
    assert "1 to 4" in curve.notes[0]


def test_effects_that_are_not_above_zero():
    curve = from_lift(0.5, 1.0, se=1.0, n_draws=4000, random_state=0)
    assert (curve.draws[:, 0] == 0).mean() == pytest.approx(0.309, abs=0.03)
    assert "of the draws of the effect are below 0 and stand as no response" in curve.notes[1]
    below = from_lift(-2.0, 1.0, se=0.1)
    assert below.value(5.0) == 0.0
    assert below.value_draws(5.0).max() == 0.0
    assert "The effect was below 0 (-2)" in below.notes[1]


def test_draws_of_the_effect_may_be_given():
    effects = np.array([1.0, 2.0, -1.0])
    curve = from_lift(1.0, 3.0, draws=effects, randomized=None)
    assert curve.value_draws(3.0) == pytest.approx([1.0, 2.0, 0.0])
    assert curve.randomized is None
    assert from_lift(1.0, 3.0).draws is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"effect": math.nan}, "effect must be finite, got nan"),
        ({"effort": 0.0}, "effort must be above 0, got 0: without effort nothing was tested"),
        ({"effort": -1.0}, "effort must be above 0, got -1"),
        ({"se": -1.0}, "se must be 0 or more, got -1"),
        ({"se": 1.0, "draws": [1.0]}, "give se= or draws= of the effect, not both"),
        ({"draws": [[1.0]]}, "draws must be finite numbers of shape"),
        ({"half": 0.0}, "half must be above 0, the lower bound first, got 0"),
        ({"half": (3.0, 1.0)}, "the lower bound first"),
        ({"half": (1.0, 2.0, 3.0)}, "half must be a number or .low, high."),
        ({"half": 1.0, "family": "power"}, "half= has no meaning for the power curve"),
        ({"half": 1.0, "family": "linear"}, "half= has no meaning for the linear curve"),
        ({"exponent": 0.5}, "exponent= has no meaning for the exponential curve"),
        ({"exponent": 1.5, "family": "power"}, "exponent must be above 0 and at most 1, got 1.5"),
        ({"family": "auto"}, "family must be one of"),
    ],
)
def test_errors_of_lifts(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_lift(**{"effect": 1.0, "effort": 1.0, **arguments})


def test_wrong_type():
    with pytest.raises(TypeError, match="effect must be a number, got 'much'"):
        from_lift("much", 1.0)


# ---------------------------------------------------------------------- from points
CURVES = st.one_of(
    st.builds(ExponentialCurve, st.floats(1, 1000), st.floats(0.02, 2)),
    st.builds(LogCurve, st.floats(1, 1000), st.floats(0.02, 20)),
    st.builds(PowerCurve, st.floats(1, 1000), st.floats(0.05, 0.99)),
    st.builds(LinearCurve, st.floats(1, 1000), st.floats(1.0, 3.0)),
)


@given(curve=CURVES)
@settings(deadline=None, max_examples=80)
def test_two_points_of_a_curve_give_it_back(curve):
    points = [(1.0, curve.value(1.0)), (3.0, curve.value(3.0))]
    found = from_points(points, family=curve.family)
    at = np.array([1.0, 3.0])
    assert found.value(at) == pytest.approx(curve.value(at), rel=1e-6)
    assume(curve.family != "linear" or curve.cap < 2.99)
    assert found.value(2.0) == pytest.approx(curve.value(2.0), rel=1e-3)


@given(curve=st.builds(HillCurve, st.floats(1, 1000), st.floats(0.5, 6), st.floats(0.5, 4)))
@settings(deadline=None, max_examples=20)
def test_three_points_of_a_hill_curve_give_it_back(curve):
    at = np.array([1.0, 3.0, 7.0])
    found = from_points(list(zip(at, curve.value(at), strict=True)), family="hill")
    assert found.value(at) == pytest.approx(curve.value(at), rel=2e-3, abs=2e-3 * curve.value(7.0))


def test_two_points_of_a_hill_curve():
    found = from_points([(2, 30), (6, 50)], family="hill")
    assert found.shape == 1.0
    assert found.parameters == pytest.approx({"top": 75.0, "half": 3.0, "shape": 1.0}, rel=1e-5)
    assert "Two points do not tell the shape of a Hill curve: 1 is assumed." in found.notes
    assert from_points([(2, 30), (6, 50)], family="hill", shape=1.5).value([2, 6]) == pytest.approx([30, 50], rel=1e-5)


def test_three_points_by_least_squares():
    points = [(0, 0), (1, 10), (2, 14), (5, 22)]
    found = from_points(points)
    from scipy.optimize import least_squares

    x, y = np.array(points[1:], dtype=float).T
    best = least_squares(lambda p: p[0] * (1 - np.exp(-p[1] * x)) - y, [20.0, 0.5], xtol=1e-14)
    assert found.parameters == pytest.approx({"top": best.x[0], "rate": best.x[1]}, rel=1e-4)
    assert any("misses the points by up to" in note for note in found.notes)


def test_uncertainty_gives_draws_around_the_points():
    curve = from_points([(2, 300), (6, 500)], uncertainty=0.1, n_draws=2000, random_state=0)
    logs = np.log(curve.value_draws(2.0))
    assert np.median(logs) == pytest.approx(math.log(300), abs=0.02)
    assert logs.std() == pytest.approx(0.1, rel=0.2)
    assert (curve.draws > 0).all()
    assert curve.randomized is None
    assert from_points([(2, 300), (6, 500)]).draws is None


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        ([(2, 10)], {}, "at least two points with effort are needed, got 1: of one effort, see from_lift"),
        ([(0, 5), (2, 10), (3, 12)], {}, "without effort the outcome is 5 here"),
        ([(1, 10), (2, 9)], {}, "outcomes must not fall with more effort"),
        ([(1, 0), (2, 0)], {}, "not all be 0"),
        ([(1, 5), (1, 6)], {}, "each effort may stand once"),
        ([(1, math.nan), (2, 6)], {}, "points must be finite"),
        ([(-1, 5), (2, 6)], {}, "efforts and outcomes must be 0 or more"),
        ([1, 2], {}, "points must be pairs"),
        ([(1, 10), (2, 30)], {}, "rises faster than the effort, which no concave curve does"),
        ([(1, 10), (2, 30)], {"family": "hill"}, "no hill curve goes through the points"),
        ([(1, 10), (2, 15)], {"uncertainty": 0.0}, "uncertainty must be above 0, such as 0.2 for 20 %"),
        ([(1, 10), (2, 15)], {"shape": 2.0}, "shape= has no meaning for the exponential curve"),
        ([(1, 10), (2, 15)], {"family": "spline"}, "family must be one of"),
    ],
)
def test_errors_of_points(points, settings, message):
    with pytest.raises(ValueError, match=message):
        from_points(points, **settings)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"family": "hill", "shape": -1}, ValueError, "shape must be above 0"),
        ({"family": "hill", "shape": "a"}, TypeError, "shape must be a number"),
        ({"family": "hill", "shape": np.nan}, ValueError, "shape must be finite"),
        ({"family": "power", "exponent": (0.2, 1.5)}, ValueError, "exponent must be above 0 and at most 1"),
        ({"se": 0.1, "n_draws": 0}, ValueError, "n_draws must be a whole number"),
        ({"se": 0.1, "n_draws": 50.5}, ValueError, "n_draws must be a whole number"),
        ({"draws": ["a"]}, TypeError, "draws must be numbers"),
    ],
)
def test_lift_of_nonsense(settings, error, words):
    with pytest.raises(error, match=words):
        from_lift(1.0, 1.0, **settings)


def test_points_need_draws_that_are_some():
    with pytest.raises(ValueError, match="n_draws must be a whole number"):
        from_points([(1, 5), (4, 9)], uncertainty=0.2, n_draws=0)


def test_nobody_has_no_curve():
    for n in (0, -3, np.nan, "a"):
        with pytest.raises(ValueError, match="n_customers must be"):
            from_lift(1.0, 1.0).for_customers(n)
