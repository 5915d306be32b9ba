"""ReturnPrioritizer, by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve
from segmentation.prioritizers import ReturnPrioritizer


@pytest.fixture
def profile():
    return pd.DataFrame(
        {"n_customers": [10, 20, 30], "calls": [4.0, 0.0, 9.0], "cost": [2.0, 2.0, 0.5], "marginal": [3.0, 8.0, 1.0]},
        index=["a", "b", "c"],
    )


CURVES = {
    "a": LogCurve(10.0, 1.0, randomized=True),  # slope 10 / (1 + x)
    "b": LinearCurve(3.0, 5.0, randomized=True),
    "c": PowerCurve(6.0, 0.5, randomized=True),  # slope 3 / sqrt(x)
}


def scores(prioritizer, profile):
    return prioritizer.prioritize(profile)["priority_score"].to_dict()


def test_slopes_at_the_present_effort(profile):
    plan = ReturnPrioritizer(CURVES, effort="calls").prioritize(profile)
    assert plan["priority_score"].to_dict() == pytest.approx({"b": 3, "a": 10 / 5, "c": 3 / 3})
    assert plan.index.tolist() == ["b", "a", "c"]
    assert plan.loc["a", "reason"] == "the next unit brings 2 (at an effort of 4)"
    # more effort in b reaches its cap, and nothing is left
    moved = ReturnPrioritizer(CURVES, effort={"a": 1, "b": 5.0, "c": 36, "z": 9}).prioritize(profile)
    assert moved["priority_score"].to_dict() == pytest.approx({"a": 5, "c": 0.5, "b": 0})
    assert scores(ReturnPrioritizer(CURVES, effort=1), profile) == pytest.approx({"a": 5, "b": 3, "c": 3})


def test_returns_per_unit_of_cost(profile):
    plan = ReturnPrioritizer(CURVES, effort="calls", unit_cost="cost").prioritize(profile)
    assert plan["priority_score"].to_dict() == pytest.approx({"c": 2, "b": 1.5, "a": 1})
    assert plan.loc["c", "reason"] == "the next unit brings 1 at a cost of 0.5: 2 per unit of cost (at an effort of 9)"


def test_the_mean_of_a_step(profile):
    prioritizer = ReturnPrioritizer(CURVES, effort="calls", step=7)
    expected = {"a": 10 * np.log(12 / 5) / 7, "b": 15 / 7, "c": 6 * (4 - 3) / 7}
    assert scores(prioritizer, profile) == pytest.approx(expected)
    assert prioritizer.prioritize(profile).loc["b", "reason"] == "7 more units bring 2.143 each (at an effort of 0)"


def test_returns_from_a_column(profile):
    plan = ReturnPrioritizer(by="marginal", unit_cost={"a": 1, "b": 4, "c": 1}).prioritize(profile)
    assert plan["priority_score"].to_dict() == {"a": 3, "b": 2, "c": 1}
    assert plan.loc["b", "reason"] == "the next unit brings 8 at a cost of 4: 2 per unit of cost"


def test_a_segment_without_a_curve_is_excluded(profile):
    plan = ReturnPrioritizer({"a": CURVES["a"], "B": CURVES["b"]}, effort=1).prioritize(profile)
    assert plan.loc["b", "reason"] == "excluded: no response curve (there is one for 'B')"
    assert plan.loc["c", "reason"] == "excluded: no response curve"
    assert plan["priority"].notna().sum() == 1


def test_what_must_be_known_stands_in_the_reason(profile):
    curves = CURVES | {
        "a": ExponentialCurve(5.0, 1.0, randomized=False),
        "b": HillCurve(5.0, 2.0, 3.0),
    }
    reasons = ReturnPrioritizer(curves, effort=1).prioritize(profile)["reason"]
    assert "was not randomized: an association" in reasons["a"]
    assert "nobody said whether the effort behind the curve was randomized; S-shaped" in reasons["b"]
    assert "random" not in reasons["c"]


def test_an_infinite_slope_cannot_be_compared(profile):
    with pytest.raises(ValueError, match=r"slope of the curve of 'c' at an effort of 0 is inf.*give step="):
        ReturnPrioritizer(CURVES, effort=0.0).prioritize(profile)
    assert scores(ReturnPrioritizer(CURVES, effort=0.0, step=1), profile)["c"] == pytest.approx(6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "needs either curves"),
        ({"curves": CURVES, "effort": 1, "by": "marginal"}, ValueError, "needs either curves"),
        ({"curves": CURVES}, ValueError, "curves need the present effort"),
        ({"by": "marginal", "effort": 1}, ValueError, "effort and step belong to curves"),
        ({"by": "marginal", "step": 1}, ValueError, "effort and step belong to curves"),
        ({"curves": [1], "effort": 1}, TypeError, "curves must be a mapping of segment to response curve"),
        ({"curves": {"a": 3.0}, "effort": 1}, TypeError, r"a method slope\(effort\), those of 'a' have none"),
        ({"curves": CURVES, "effort": -1}, ValueError, "effort must be finite and 0 or more, got -1.0"),
        ({"curves": CURVES, "effort": np.nan}, ValueError, "effort must be finite"),
        ({"curves": CURVES, "effort": {"a": 1, "B": 2, "c": 1}}, ValueError, r"effort lacks 'b' \(there is 'B'\)"),
        (
            {"curves": CURVES, "effort": {"a": 1, "b": "2", "c": 1}},
            ValueError,
            "effort must be numbers, not so for 'b'",
        ),
        ({"curves": CURVES, "effort": 1, "step": 0}, ValueError, "step must be a positive number or None, got 0"),
        ({"curves": CURVES, "effort": 1, "unit_cost": 0}, ValueError, "unit_cost must be finite and above 0, got 0.0"),
        ({"curves": CURVES, "effort": "cals"}, ValueError, r"effort=\.\.\.\): missing: 'cals' \(nearest: 'calls'\)"),
    ],
)
def test_wrong_parameters_are_refused(profile, arguments, error, message):
    with pytest.raises(error, match=message):
        ReturnPrioritizer(**arguments).prioritize(profile)


def test_a_missing_return_is_no_score(profile):
    plan = ReturnPrioritizer(by="marginal").prioritize(profile.assign(marginal=[1.0, np.nan, 2.0]))
    assert plan.loc["b", "reason"] == "no priority score: a value it rests on is missing"


def test_other_units_of_effort_change_nothing_but_the_unit(profile):
    """Minutes instead of hours: slopes and costs are a sixtieth, so the return per unit of cost is the same."""
    curves = {name: curve.rescaled(effort=60) for name, curve in CURVES.items()}
    hours = ReturnPrioritizer(CURVES, effort="calls", unit_cost="cost")
    minutes = ReturnPrioritizer(curves, effort="calls", unit_cost="cost")
    other = profile.assign(calls=60 * profile["calls"], cost=profile["cost"] / 60)
    assert scores(minutes, other) == pytest.approx(scores(hours, profile))


def test_it_is_a_plain_estimator():
    prioritizer = ReturnPrioritizer(CURVES, effort="calls", step=2)
    assert clone(prioritizer).get_params() == prioritizer.get_params()
