"""Plans read from TOML: what becomes of each table, and what is said of mistakes."""

import copy

import numpy as np
import pandas as pd
import pytest

from segmentation.allocation import PlanFileError, Resource, allocate, read_plan
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, from_lift, from_points

TEXT = """
period = "quarter"
note = "guesses of the sales team"
level = 0.8

[[resources]]
name = "budget"
amount = 500
unit = "EUR"
price = 1

[[resources]]
name = "hours"
amount = 40

[actions.mail]
uses = { budget = 1.0 }

[actions.call]
uses = { budget = 0.5, hours = 0.25 }

[curves.loyal.mail]
family = "exponential"
top = 900
rate = 0.01
randomized = true

[curves.loyal.call]
effect = 2.0
effort = 1.0
se = 0.5
per = "customer"

[curves."*".mail]
points = [[1, 0.02], [4, 0.05]]
uncertainty = 0.3
per = "customer"
times = "clv_mean"

[bounds]
call = [0, 60]

[min_share.new]
budget = 0.1

[current.loyal]
mail = 100

[current."*"]
mail = 50
"""
PROFILE = pd.DataFrame(
    {"n_customers": [40, 60, 0, 5], "clv_mean": [90.0, 10.0, np.nan, 3.0]},
    index=["loyal", "new", "empty", "unassigned"],
)
SMALL = {
    "resources": [{"name": "budget", "amount": 100}],
    "curves": {"loyal": {"family": "log", "scale": 10, "rate": 1}},
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_file_becomes_the_arguments_of_allocate(path):
    plan = read_plan(path)
    assert (plan.period, plan.note) == ("quarter", "guesses of the sales team")
    assert plan.resources == (Resource("budget", 500, unit="EUR", price=1), Resource("hours", 40))
    arguments = plan.arguments(PROFILE)
    assert set(arguments["curves"]) == {("loyal", "mail"), ("loyal", "call"), ("new", "mail")}
    assert arguments["curves"]["loyal", "mail"] == ExponentialCurve(900, 0.01, randomized=True)
    assert arguments["uses"] == {"mail": {"budget": 1.0}, "call": {"budget": 0.5, "hours": 0.25}}
    assert arguments["bounds"] == {"call": (0, 60)}
    assert arguments["min_share"] == {"new": {"budget": 0.1}}
    assert arguments["level"] == 0.8
    assert arguments["current"] == {("loyal", "mail"): 100, ("new", "mail"): 50}
    result = allocate(**arguments)
    assert result.table["segment"].tolist() == ["loyal", "loyal", "new"]
    assert result.resources.loc["budget", "used"] == pytest.approx(500)


def test_curves_are_those_of_the_library_scaled_by_customers_and_column(path):
    curves = read_plan(path).arguments(PROFILE)["curves"]
    lift = from_lift(2.0, 1.0, se=0.5, random_state=0)
    assert curves["loyal", "call"].value(40.0) == pytest.approx(40 * lift.value(1.0))
    assert curves["loyal", "call"].draws is not None
    guess = from_points([[1, 0.02], [4, 0.05]])
    for effort in (0.5, 1.0, 4.0, 9.0):
        assert curves["new", "mail"].value(60 * effort) == pytest.approx(60 * 10.0 * guess.value(effort))
    # whoever says nothing of chance has not told it
    assert curves["new", "mail"].randomized is None


def test_doubt_is_shared_within_a_description_and_not_between_two():
    one = {"points": [[1, 2.0], [4, 5.0]], "uncertainty": 0.3}
    same = read_plan({**SMALL, "curves": {"*": one}}).arguments(PROFILE)["curves"]
    assert same["loyal"] == same["new"]
    apart = read_plan({**SMALL, "curves": {"loyal": one, "new": one}}).arguments(PROFILE)["curves"]
    first, second = (apart[name].value_draws(2.0) for name in ("loyal", "new"))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15
    again = read_plan({**SMALL, "curves": {"loyal": one, "new": one}}).arguments(PROFILE)["curves"]
    assert again["loyal"] == apart["loyal"]


def test_segments_without_customers_and_the_unassigned_are_not_every_segment():
    plan = read_plan({**SMALL, "curves": {"*": {"family": "log", "scale": 10, "rate": 1}}})
    assert list(plan.arguments(PROFILE)["curves"]) == ["loyal", "new"]
    named = {"unassigned": {"family": "hill", "top": 3, "half": 2, "shape": 0.5}, "loyal": SMALL["curves"]["loyal"]}
    curves = read_plan({**SMALL, "curves": named}).arguments(PROFILE)["curves"]
    assert curves["unassigned"] == HillCurve(3, 2, 0.5)


def test_a_column_that_is_zero_means_no_response():
    described = {"family": "log", "scale": 1, "rate": 1, "times": "clv_mean"}
    profile = PROFILE.assign(clv_mean=[90.0, 0.0, 0.0, 0.0])
    curve = read_plan({**SMALL, "curves": {"*": described}}).arguments(profile)["curves"]["new"]
    assert isinstance(curve, LinearCurve)
    assert curve.value(5.0) == 0
    assert curve.notes == ("clv_mean of 'new' is 0: no response.",)


def test_efforts_of_today_per_customer():
    content = {**SMALL, "current": {"*": 0.5}, "current_per": "customer"}
    assert read_plan(content).arguments(PROFILE)["current"] == {"loyal": 20.0}


def changed(**changes):
    return {**copy.deepcopy(SMALL), **changes}


CURVE = {"family": "log", "scale": 10, "rate": 1}
BAD = [
    (changed(resource=1), "the plan has 'resource', which means nothing there. Do you mean 'resources'"),
    (changed(resources=[]), r"no \[\[resources\]\]"),
    (changed(resources=[{"name": "budget"}]), "resource 1 has no 'amount'"),
    (changed(resources=[{"name": "budget", "amount": -1}]), "resource 1: the amount of resource 'budget' must be 0 or"),
    (changed(resources=[{"name": "budget", "amount": 1, "units": "h"}]), "resource 1 has 'units'.*'unit'"),
    (changed(actions={"mail": {"uses": {"bugdet": 1}}}), "actions.mail.uses has 'bugdet'.*'budget'"),
    (changed(actions={"mail": {"uses": 3}}), "actions.mail.uses must be a table"),
    (changed(curves={}), r"no \[curves.SEGMENT\]"),
    (changed(curves={"loyl": CURVE}), r"\[curves\] names 'loyl', which is no segment; segments: 'loyal'"),
    (changed(curves={"loyal": {"scale": 1}}), "curves.loyal says not what the curve is"),
    (changed(curves={"loyal": {"family": "cubic"}}), "curves.loyal.family must be one of .*'hill'.* got 'cubic'"),
    (changed(curves={"loyal": {"family": "log", "scale": 1}}), "curves.loyal has no 'rate', which the log curve needs"),
    (changed(curves={"loyal": {**CURVE, "top": 1}}), "curves.loyal has 'top', which means nothing there"),
    (
        changed(curves={"loyal": {**CURVE, "rate": -1}}),
        "curves.loyal: LogCurve: rate must be finite and above 0, got -1",
    ),
    (changed(curves={"loyal": {"points": [[1, 2]]}}), "curves.loyal: at least two points"),
    (changed(curves={"loyal": {"effect": 2.0}}), "curves.loyal has an effect, but not the effort"),
    (changed(curves={"loyal": {**CURVE, "per": "head"}}), 'curves.loyal.per must be "segment" or "customer"'),
    (changed(curves={"loyal": {**CURVE, "times": "value"}}), "curves.loyal.times: the profile has no column 'value'"),
    (changed(curves={"empty": {**CURVE, "times": "clv_mean"}}), "curves.empty.times: 'clv_mean' of segment 'empty' is"),
    (changed(curves={"loyal": 3}), "curves.loyal must be a table"),
    (changed(current={"loyal": "much"}), "current.loyal: an effort must be a number, got 'much'"),
    (changed(current={"gone": 1.0}), r"\[current\] names 'gone'"),
    (changed(current_per="head"), "current_per must be one of"),
    (changed(period=3), "period must be text, got 3"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_mistakes_are_named_with_their_place(content, message):
    with pytest.raises(PlanFileError, match=message):
        read_plan(content).arguments(PROFILE)


def test_what_is_no_toml_is_said(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("budget: 3\n", encoding="utf-8")
    with pytest.raises(PlanFileError, match=r"plan.toml' is no TOML file: .*line 1"):
        read_plan(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanFileError, match="no TOML file"):
        read_plan(path)
    with pytest.raises(PlanFileError, match="is a folder"):
        read_plan(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_plan(tmp_path / "none.toml")
