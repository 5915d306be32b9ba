"""The families of response curves: values, slopes, their inverse, units, draws, errors."""

import copy
import json
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.curves import (
    ExponentialCurve,
    HillCurve,
    LinearCurve,
    LogCurve,
    PowerCurve,
    ResponseCurve,
    curve_from_dict,
)

CURVES = [
    ExponentialCurve(120.0, 0.4),
    LogCurve(30.0, 2.0),
    PowerCurve(12.0, 0.6),
    PowerCurve(12.0, 1.0),
    LinearCurve(3.0, 20.0),
    LinearCurve(3.0),
    HillCurve(50.0, 4.0, 1.0),
    HillCurve(50.0, 4.0, 0.5),
    HillCurve(50.0, 4.0, 2.5),
]
CONCAVE = [curve for curve in CURVES if curve.concave]
ids = repr
positive = st.floats(0.01, 100.0)
random_curves = st.one_of(
    st.builds(ExponentialCurve, positive, positive),
    st.builds(LogCurve, positive, positive),
    st.builds(PowerCurve, positive, st.floats(0.05, 0.98)),
    st.builds(HillCurve, positive, positive, st.floats(0.1, 1.0)),
    st.builds(HillCurve, positive, positive, st.floats(1.05, 6.0)),
)


def test_known_values():
    assert ExponentialCurve(10.0, math.log(2)).value(1.0) == pytest.approx(5.0)
    assert LogCurve(10.0, math.e - 1).value(1.0) == pytest.approx(10.0)
    assert PowerCurve(10.0, 0.5).value(9.0) == pytest.approx(30.0)
    assert LinearCurve(2.0, 5.0).value([3.0, 9.0]).tolist() == [6.0, 10.0]
    assert HillCurve(10.0, 2.0, 3.0).value([2.0, 4.0]) == pytest.approx([5.0, 10.0 * 8 / 9])


@pytest.mark.parametrize("curve", CURVES, ids=ids)
def test_starts_at_zero_and_never_falls(curve):
    x = np.linspace(0.0, 60.0, 400)
    assert curve.value(0.0) == 0.0
    assert (np.diff(curve.value(x)) >= 0).all()
    assert (curve.slope(x) >= 0).all()
    second = np.diff(curve.value(x), 2)
    assert (second <= 1e-9).all() == curve.concave


@pytest.mark.parametrize("curve", CURVES, ids=ids)
def test_slope_is_the_derivative(curve):
    x = np.array([0.3, 1.0, 4.0, 11.0, 19.0, 40.0])
    h = 1e-6
    assert curve.slope(x) == pytest.approx((curve.value(x + h) - curve.value(x - h)) / (2 * h), rel=1e-5, abs=1e-6)


def test_right_derivative_at_kinks_and_at_zero():
    assert LinearCurve(3.0, 20.0).slope([0.0, 20.0]).tolist() == [3.0, 0.0]
    assert PowerCurve(3.0, 0.5).slope(0.0) == math.inf
    assert [HillCurve(8.0, 2.0, s).slope(0.0) for s in (0.5, 1.0, 2.0)] == [math.inf, 4.0, 0.0]
    assert HillCurve(0.0, 2.0, 0.5).slope(0.0) == PowerCurve(0.0, 0.5).slope(0.0) == 0.0


@given(curve=random_curves, x=st.floats(0.01, 50.0))
@settings(deadline=None, max_examples=150)
def test_effort_at_inverts_the_slope(curve, x):
    slope = curve.slope(x)
    effort = curve.effort_at(slope)
    if slope < 1e-250:
        return  # below what floats can tell
    assert effort >= x * (1 - 1e-6)  # the largest effort with at least that slope
    if curve.concave:
        if curve.family == "exponential" and curve.rate * x > 600:
            return
        assert effort == pytest.approx(x, rel=1e-8, abs=1e-9)
    else:
        assert curve.slope(effort) == pytest.approx(slope, rel=1e-8)
        assert curve.slope(effort * 1.001) <= slope * (1 + 1e-9)


def test_effort_at_limits():
    for curve in CURVES:
        assert curve.effort_at(0.0) == math.inf
        assert curve.effort_at(-1.0) == math.inf
    assert ExponentialCurve(10.0, 0.5).effort_at([5.0, 5.1, math.inf]).tolist() == [0.0, 0.0, 0.0]
    assert LogCurve(10.0, 0.5).effort_at([5.0, 6.0]).tolist() == [0.0, 0.0]
    assert PowerCurve(4.0, 1.0).effort_at([3.9, 4.0, 4.1]).tolist() == [math.inf, math.inf, 0.0]
    assert LinearCurve(4.0, 7.0).effort_at([4.0, 4.1]).tolist() == [7.0, 0.0]
    assert LinearCurve(4.0).effort_at(4.0) == math.inf
    steepest = HillCurve(10.0, 1.0, 2.0).slope(np.linspace(0, 2, 10_001)).max()
    assert HillCurve(10.0, 1.0, 2.0).effort_at([steepest * 1.001, steepest * 0.999]) == pytest.approx(
        [0.0, 0.591], abs=0.01
    )
    for nothing in (ExponentialCurve(0.0, 1.0), LogCurve(0.0, 1.0), PowerCurve(0.0, 0.5), HillCurve(0.0, 1.0, 0.7)):
        assert nothing.effort_at([0.1, 0.0]).tolist() == [0.0, math.inf]
        assert nothing.value(1e300) == 0.0


@pytest.mark.parametrize("curve", CURVES, ids=ids)
def test_extreme_efforts_give_no_nan(curve):
    x = np.array([0.0, 1e-300, 1e300, math.inf])
    assert not np.isnan(curve.value(x)).any()
    assert not np.isnan(curve.slope(x)).any()
    assert not np.isnan(curve.effort_at([1e-300, 1e-8, 1e300])).any()


@pytest.mark.parametrize("curve", CURVES, ids=ids)
def test_stacks_of_parameters_broadcast(curve):
    stack = np.array([list(curve.parameters.values())] * 3)
    stack[:, 0] *= [1.0, 2.0, 0.5]
    x = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 25.0]])
    each = [type(curve)(*row) for row in stack]
    for kernel, method in (("_value", "value"), ("_slope", "slope"), ("_effort_at", "effort_at")):
        together = getattr(type(curve), kernel)(stack, x)
        one_by_one = np.stack([getattr(c, method)(x[:, i]) for i, c in enumerate(each)], axis=1)
        assert together == pytest.approx(one_by_one, rel=1e-12)


@pytest.mark.parametrize("curve", CURVES, ids=ids)
def test_other_units(curve):
    new = curve.rescaled(outcome=3.0, effort=60.0)
    x = np.array([0.0, 5.0, 100.0, 3000.0])
    assert new.value(x) == pytest.approx(3.0 * curve.value(x / 60.0), rel=1e-12)
    assert curve.for_customers(50).value(x) == pytest.approx(50 * curve.value(x / 50), rel=1e-12)


def test_other_units_of_draws():
    curve = PowerCurve(2.0, 0.5, draws=[[2.0, 0.5], [3.0, 0.25]], randomized=True, notes=("a",))
    new = curve.for_customers(16)
    assert new.value_draws(32.0) == pytest.approx(16 * curve.value_draws(2.0))
    assert (new.randomized, new.notes) == (True, ("a",))
    with pytest.raises(ValueError, match="effort must be a finite factor above 0, got 0"):
        curve.rescaled(effort=0)


def test_draws_and_intervals():
    draws = np.column_stack([np.arange(1.0, 102.0), np.full(101, 1e9)])
    curve = ExponentialCurve(50.0, 1e9, draws=draws)
    assert curve.value_draws([[1.0, 2.0]]).shape == (101, 1, 2)
    assert curve.value_draws(1.0).shape == (101,)
    assert curve.slope_draws([0.0, 1.0]).shape == (101, 2)
    assert curve.interval(1.0, level=0.9) == (pytest.approx(6.0), pytest.approx(96.0))
    with pytest.raises(ValueError, match="no draws"):
        ExponentialCurve(1.0, 1.0).value_draws(1.0)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 90"):
        curve.interval(1.0, level=90)


def test_immutable_and_equal_by_value():
    draws = np.ones((4, 2))
    curve = ExponentialCurve(1.0, 2.0, draws=draws)
    draws[:] = 5.0
    assert (curve.draws == 1.0).all()
    with pytest.raises(ValueError, match="read-only"):
        curve.draws[0, 0] = 3.0
    with pytest.raises(FrozenInstanceError):
        curve.top = 3.0
    same = ExponentialCurve(1, 2, draws=np.ones((4, 2)))
    assert curve == same
    assert hash(curve) == hash(same)
    others = [
        ExponentialCurve(1.0, 2.0),
        ExponentialCurve(1.0, 2.0, draws=np.ones((3, 2))),
        ExponentialCurve(1.0, 2.1, draws=np.ones((4, 2))),
        ExponentialCurve(1.0, 2.0, draws=np.ones((4, 2)), randomized=True),
        LogCurve(1.0, 2.0, draws=np.ones((4, 2))),
        "curve",
    ]
    assert all(curve != other for other in others)


@pytest.mark.parametrize("curve", CURVES, ids=ids)
def test_copies_through_json_pickle_and_copy(curve):
    full = type(curve)(**curve.parameters, draws=[list(curve.parameters.values())] * 2, randomized=False, notes=("x",))
    for one in (curve, full):
        assert curve_from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False))) == one
        assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialCurve(math.nan, 1.0), "ExponentialCurve: top must be finite and 0 or more, got nan"),
        (lambda: ExponentialCurve(-1.0, 1.0), "top must be finite and 0 or more, got -1"),
        (lambda: ExponentialCurve(math.inf, 1.0), "top must be finite and 0 or more, got inf"),
        (lambda: LogCurve(1.0, 0.0), "LogCurve: rate must be finite and above 0, got 0"),
        (lambda: PowerCurve(1.0, 1.2), "exponent must be above 0 and at most 1, got 1.2"),
        (lambda: LinearCurve(1.0, math.nan), "cap must be 0 or more .or infinite., got nan"),
        (lambda: HillCurve(1.0, 1.0, 0.0), "shape must be finite and above 0, got 0"),
        (lambda: ExponentialCurve(1.0, 1.0, draws=[1.0, 2.0]), "columns 'top', 'rate', got shape"),
        (lambda: ExponentialCurve(1.0, 1.0, draws=[[1.0, -2.0]]), "draws of rate must be finite and above 0, got -2"),
        (lambda: ExponentialCurve(1.0, 1.0).value([1.0, -2.0]), "effort must be 0 or more and not NaN, got -2"),
        (lambda: ExponentialCurve(1.0, 1.0).slope(math.nan), "effort must be 0 or more and not NaN, got nan"),
        (lambda: ExponentialCurve(1.0, 1.0).effort_at(math.nan), "slope must be a number, got NaN"),
        (lambda: curve_from_dict({"family": "cubic", "parameters": {}}), "family must be one of 'exponential'"),
        (lambda: curve_from_dict({"family": "log", "parameters": {"top": 1}}), "parameters 'scale', 'rate', got 'top'"),
        (lambda: curve_from_dict({}), "expected a mapping"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types():
    with pytest.raises(TypeError, match="top must be a number, got 'high'"):
        ExponentialCurve("high", 1.0)
    with pytest.raises(TypeError, match="randomized must be True, False or None, got 'yes'"):
        ExponentialCurve(1.0, 1.0, randomized="yes")
    with pytest.raises(TypeError, match="abstract"):
        ResponseCurve()


def test_caveats_say_what_was_not_randomized():
    assert ExponentialCurve(1.0, 1.0, randomized=True, notes="one note").caveats == ("one note",)
    assert "not assigned at random" in ExponentialCurve(1.0, 1.0, randomized=False).caveats[0]
    assert "Nobody said" in ExponentialCurve(1.0, 1.0).caveats[0]
