"""Plans: known answers by hand, what is said about them, bad input."""

import dataclasses
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.allocation import Allocation, InfeasibleError, Resource, UnboundedError, allocate
from segmentation.curves import ExponentialCurve, LinearCurve, LogCurve, PowerCurve

MONEY = Resource("budget", 98.0, unit="EUR")
TWO = {"loyal": LogCurve(300.0, 1.0, randomized=True), "new": LogCurve(100.0, 1.0, randomized=True)}


def efforts(plan):
    return plan.table.set_index("segment")["effort"].to_dict()


def test_two_logs_by_hand():
    """300 / (1 + x) = 100 / (1 + y) and x + y = 98: 1 + x = 75, 1 + y = 25, price 4."""
    plan = allocate(TWO, MONEY)
    assert efforts(plan) == pytest.approx({"loyal": 74.0, "new": 24.0}, rel=1e-12)
    assert plan.total == pytest.approx(300 * math.log(75) + 100 * math.log(25), rel=1e-14)
    assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(4.0, rel=1e-12)
    assert plan.table["marginal_return"].to_numpy() == pytest.approx([4.0, 4.0])
    assert plan.table["opportunity_cost"].to_numpy() == pytest.approx([4.0, 4.0])
    assert plan.table["return_on_investment"].tolist() == pytest.approx(
        [300 * math.log(75) / 74, 100 * math.log(25) / 24]
    )
    assert plan.gap <= 1e-12
    assert plan.warnings == ()


def test_exponential_by_hand():
    """100 exp(-x) = 50 exp(-y), x + y = 10 + log 2: x = 5 + log 2, y = 5."""
    plan = allocate({"a": ExponentialCurve(100, 1), "b": ExponentialCurve(50, 1)}, Resource("b", 10 + math.log(2)))
    assert plan.table["effort"].tolist() == pytest.approx([5 + math.log(2), 5.0])


def test_power_curves_get_a_little_each():
    """With s sqrt(x) efforts are as s squared: 9 to 1 of 10."""
    plan = allocate({"a": PowerCurve(3.0, 0.5), "b": PowerCurve(1.0, 0.5)}, Resource("hours", 10))
    assert plan.table["effort"].tolist() == pytest.approx([9.0, 1.0], rel=1e-10)


def test_two_resources_two_actions_by_hand():
    """A linear programme: 3 mail + 8 call, mail + 2 call <= 100, call / 2 <= 20: call 40, mail 20."""
    plan = allocate(
        {"a": {"mail": LinearCurve(3.0), "call": LinearCurve(8.0)}},
        [Resource("budget", 100, price=1.0), Resource("hours", 20, price=5.0)],
        uses={"mail": {"budget": 1}, "call": {"budget": 2, "hours": 0.5}},
    )
    assert plan.efforts["a", "call"] == pytest.approx(40, rel=1e-7)
    assert plan.efforts["a", "mail"] == pytest.approx(20, rel=1e-7)
    assert plan.total == pytest.approx(380, rel=1e-7)
    assert plan.resources["shadow_price"].tolist() == pytest.approx([3.0, 4.0], rel=1e-6)
    assert plan.cost == pytest.approx(100 + 5 * 20, rel=1e-7)
    call = plan.table.set_index("action").loc["call"]
    assert call["budget"] == pytest.approx(80, rel=1e-7)
    assert call["hours"] == pytest.approx(20, rel=1e-7)
    assert call["cost"] == pytest.approx(180, rel=1e-7)


def test_ties_share_in_proportion_to_range():
    """Three equal lines with caps of 10, 30 and 60 and half of what they could take."""
    curves = {"a": LinearCurve(2.0, 10), "b": LinearCurve(2.0, 30), "c": LinearCurve(2.0, 60), "d": LinearCurve(1.0)}
    plan = allocate(curves, Resource("budget", 50))
    assert plan.table["effort"].tolist() == pytest.approx([5, 15, 30, 0], abs=1e-6)
    assert plan.table["holds"].tolist()[:3] == ["tied: shares with others of equal return"] * 3
    assert plan.table["holds"].tolist()[3].startswith("not funded")
    assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(2.0, rel=1e-6)


def test_ties_start_from_least_amounts():
    curves = {"a": LinearCurve(2.0, 10), "b": LinearCurve(2.0, 30)}
    plan = allocate(curves, Resource("budget", 22), bounds={"a": (4, None)})
    # 18 of the 36 that are left of both ranges: half of 6, half of 30
    assert plan.table["effort"].tolist() == pytest.approx([7, 15], abs=1e-6)


@given(st.permutations(range(6)), st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_order_and_names_change_nothing(order, seed):
    rng = np.random.default_rng(seed)
    curves = [LinearCurve(2.0, c) for c in rng.uniform(1, 5, 3)] + [
        LogCurve(5, 0.5),
        PowerCurve(3, 0.4),
        LinearCurve(1.0),
    ]
    plain = allocate({f"s{i}": curves[i] for i in range(6)}, Resource("budget", 9))
    moved = allocate({f"z{9 - i}": curves[i] for i in order}, Resource("budget", 9))
    for i in range(6):
        assert efforts(moved)[f"z{9 - i}"] == pytest.approx(efforts(plain)[f"s{i}"], abs=1e-6)


def test_bounds_and_what_holds():
    plan = allocate(TWO | {"old": LogCurve(1.0, 0.01)}, MONEY, bounds={"loyal": (None, 50), "old": (8, None)})
    assert efforts(plan) == pytest.approx({"loyal": 50, "new": 40, "old": 8})
    assert plan.table["holds"].tolist()[0] == "upper bound"
    assert plan.table["holds"].tolist()[1].startswith("balanced")
    assert plan.table["holds"].tolist()[2] == "least amount"
    # the price of the bounds stands in the table: what it brings against what it takes
    assert plan.table["marginal_return"][0] > plan.table["opportunity_cost"][0]
    assert plan.table["marginal_return"][2] < plan.table["opportunity_cost"][2]


def test_min_share_of_one_action_and_of_several():
    one = allocate(TWO, MONEY, min_share={"new": 0.5})
    assert efforts(one) == pytest.approx({"loyal": 49, "new": 49})
    assert one.table["holds"].tolist()[1] == "least share of the segment"
    everyone = allocate(TWO, MONEY, min_share=0.5)
    assert efforts(everyone) == pytest.approx({"loyal": 49, "new": 49})
    curves = {
        "a": {"mail": LogCurve(300, 1), "call": LogCurve(300, 1)},
        "b": {"mail": LinearCurve(1, 40), "call": LogCurve(9, 1)},
    }
    several = allocate(curves, Resource("budget", 100), min_share={"b": {"budget": 0.6}})
    by_segment = several.table.groupby("segment")["budget"].sum()
    assert by_segment["b"] == pytest.approx(60, rel=1e-9)
    # within b: the line takes 40 (its cap), the log 20; the slope of the log at 20 is below that of the line
    assert several.efforts["b", "mail"] + several.efforts["b", "call"] == pytest.approx(60)
    assert several.efforts["b", "call"] == pytest.approx(20, rel=1e-6)
    assert several.gap < 1e-8


def test_share_may_push_beyond_what_brings_anything():
    curves = {"a": {"mail": LogCurve(300, 1)}, "b": {"mail": LinearCurve(1, 10), "call": LinearCurve(1, 10)}}
    plan = allocate(curves, Resource("budget", 100), min_share={"b": 0.5})
    assert plan.table.groupby("segment")["budget"].sum().to_dict() == pytest.approx({"a": 50, "b": 50})
    assert plan.table.groupby("segment")["outcome"].sum()["b"] == pytest.approx(20)


def test_used_and_left_are_the_amount():
    curves = {"a": LinearCurve(2.0, 10), "b": LogCurve(5.0, 1.0)}
    plan = allocate(
        curves,
        [Resource("budget", 123.45, unit="EUR"), Resource("hours", 7.0), Resource("cars", 2.0)],
        uses={"a": {"budget": 1.0}, "b": {"budget": 0.5, "hours": 1.0}},
    )
    table = plan.resources
    assert (table["used"] + table["left"]).tolist() == pytest.approx([123.45, 7.0, 2.0], abs=1e-12)
    assert table.loc["hours", "left"] == 0
    assert table.loc["hours", "why"].startswith("used up: one more unit brings")
    assert table.loc["budget", "used"] == pytest.approx(13.5)
    assert "1 item saturated" in table.loc["budget", "why"]
    assert "held back by 'hours'" in table.loc["budget", "why"]
    assert table.loc["cars", "why"] == "left: no action takes it"
    assert any("'budget' left" in text for text in plan.warnings)


def test_scenarios_follow_the_shadow_price():
    plan = allocate(TWO, MONEY)
    table = plan.scenarios
    assert table.loc[("budget", 0.1), "amount"] == pytest.approx(107.8)
    # 1 + x = 0.75 (109.8), so the total has 300 log(0.75 109.8) + 100 log(0.25 109.8)
    expected = 300 * math.log(0.75 * 109.8) + 100 * math.log(0.25 * 109.8)
    assert table.loc[("budget", 0.1), "outcome"] == pytest.approx(expected)
    assert table.loc[("budget", 0.1), "per_unit"] < 4 < table.loc[("budget", -0.1), "per_unit"]
    again = plan.replan({"budget": 107.8})
    assert again.total == pytest.approx(expected)
    with pytest.raises(ValueError, match="no resource is called 'time'"):
        plan.replan({"time": 3})


def test_scenario_without_a_plan_is_missing():
    plan = allocate(TWO, MONEY, bounds={"loyal": (95, None)})
    assert np.isnan(plan.scenarios.loc[("budget", -0.1), "outcome"])
    assert plan.scenarios.loc[("budget", 0.1), "outcome"] > plan.total


def test_comparison_by_hand():
    plan = allocate(TWO, MONEY, current={"new": 98}, revenue={"loyal": 1, "new": 6})
    table = plan.comparison
    assert table.loc["equal split", "outcome"] == pytest.approx(400 * math.log(50))
    assert table.loc["split by revenue", "outcome"] == pytest.approx(300 * math.log(15) + 100 * math.log(85))
    assert table.loc["current", "outcome"] == pytest.approx(100 * math.log(99))
    assert table.loc["current", "gain_of_plan"] == pytest.approx(plan.total - 100 * math.log(99))
    assert allocate(TWO, MONEY, current={"new": 100}).comparison.loc["current", "takes_too_much_of"] == "budget"


def test_intervals_come_from_draws():
    rng = np.random.default_rng(0)
    draws = np.column_stack([rng.normal(300, 20, 500), np.ones(500)])
    curves = {"loyal": LogCurve(300.0, 1.0, draws=draws, randomized=True), "new": TWO["new"]}
    plan = allocate(curves, MONEY)
    low, high = np.quantile(draws[:, 0] * math.log(75), [0.05, 0.95])
    assert plan.table["outcome_low"][0] == pytest.approx(low)
    assert plan.table["outcome_high"][0] == pytest.approx(high)
    assert np.isnan(plan.table["outcome_low"][1])
    assert (plan.total_low, plan.total_high) == pytest.approx((low + 100 * math.log(25), high + 100 * math.log(25)))
    assert plan.comparison.loc["equal split", "gain_low"] < plan.comparison.loc["equal split", "gain_of_plan"]
    assert any("1 of 2 curves have no draws" in text for text in plan.warnings)


def test_curves_of_unknown_origin_are_said():
    curves = {"a": LogCurve(3, 1, randomized=False, notes=("From 2021.",)), "b": LogCurve(3, 1, randomized=True)}
    text = str(allocate(curves, MONEY))
    assert "not assigned at random" in text
    assert "From 2021. (Curves of 'a'.)" in text


def test_cheapest_way_to_a_target():
    """The target is what 98 bring at best, so the least money is 98, and a further unit costs 1 / 4."""
    target = 300 * math.log(75) + 100 * math.log(25)
    plan = allocate(TWO, Resource("budget", 1000), objective="cost", target=target)
    assert plan.cost == pytest.approx(98, rel=1e-8)
    assert efforts(plan) == pytest.approx({"loyal": 74, "new": 24}, rel=1e-7)
    assert plan.total >= target * (1 - 1e-12)
    assert plan.settings["target_price"] == pytest.approx(0.25, rel=1e-6)
    assert plan.gap < 1e-8
    assert "for 98" in str(plan)
    free = allocate(TWO, Resource("budget", math.inf), objective="cost", target=target)
    assert free.cost == pytest.approx(98, rel=1e-8)
    nothing = allocate(TWO, MONEY, objective="cost", target=0.0)
    assert nothing.cost == 0


def test_cost_with_prices_and_lines():
    """Two lines: 2 per unit that costs 1, 5 per unit that costs 4: 10 of the first, its cap, the rest by the second."""
    curves = {"a": {"mail": LinearCurve(2.0, 10), "call": LinearCurve(5.0)}}
    plan = allocate(
        curves,
        [Resource("budget", 100, price=1.0), Resource("hours", 50, price=8.0)],
        uses={"mail": {"budget": 1}, "call": {"hours": 0.5}},
        objective="cost",
        target=70.0,
    )
    assert plan.efforts["a", "mail"] == pytest.approx(10, rel=1e-6)
    assert plan.efforts["a", "call"] == pytest.approx(10, rel=1e-6)
    assert plan.cost == pytest.approx(50, rel=1e-6)


def test_cost_keeps_shares():
    curves = {"a": {"m": LogCurve(300, 1)}, "b": {"m": LogCurve(1, 1), "c": LogCurve(2, 1)}}
    plan = allocate(curves, Resource("budget", 100), min_share={"b": 0.2}, objective="cost", target=300.0)
    assert plan.table.groupby("segment")["budget"].sum()["b"] == pytest.approx(20, rel=1e-7)
    assert plan.total == pytest.approx(300, rel=1e-7)


def test_target_out_of_reach():
    with pytest.raises(InfeasibleError, match="out of reach: the best plan brings 1,617") as caught:
        allocate(TWO, MONEY, objective="cost", target=1e6)
    assert caught.value.requirements == ("the target of 1,000,000", "the amount of 'budget'")


@pytest.mark.parametrize(
    ("arguments", "requirements"),
    [
        # the fewest lower bounds that are too much together: c is not needed
        (
            {"bounds": {"a": (40, None), "b": (30, None), "c": (1, None)}},
            ["'a' gets at least 40", "'b' gets at least 30", "there are 60 of 'money'"],
        ),
        (
            {"min_share": {"a": 0.6, "b": 0.5}},
            [
                "'a' gets at least 60 % of 'money' (36)",
                "'b' gets at least 50 % of 'money' (30)",
                "there are 60 of 'money'",
            ],
        ),
        (
            {"bounds": {"a": (0, 5)}, "min_share": {"a": 0.3}},
            ["'a' gets at most 5", "'a' gets at least 30 % of 'money' (18)"],
        ),
        ({"bounds": {"a": (61, None)}}, ["'a' gets at least 61", "there are 60 of 'money'"]),
    ],
)
def test_infeasible_names_a_smallest_conflict(arguments, requirements):
    curves = dict.fromkeys("abc", LogCurve(1, 1))
    with pytest.raises(InfeasibleError, match="no plan meets all requirements") as caught:
        allocate(curves, Resource("money", 60), **arguments)
    assert sorted(caught.value.requirements) == sorted(requirements)


def test_conflict_of_shares_through_another_resource():
    """Both shares ask for calls, which all need hours: none of the three can be left out."""
    curves = {
        "a": {"call": LogCurve(1, 1), "visit": LogCurve(1, 1)},
        "b": {"call": LogCurve(1, 1), "visit": LogCurve(1, 1)},
    }
    with pytest.raises(InfeasibleError) as caught:
        allocate(
            curves,
            [Resource("budget", 100), Resource("hours", 30), Resource("cars", 1000)],
            uses={"call": {"budget": 1, "hours": 0.5}, "visit": {"budget": 1, "hours": 1, "cars": 1}},
            min_share={"a": {"budget": 0.4}, "b": {"budget": 0.3}},
        )
    assert len(caught.value.requirements) == 3
    assert "there are 30 of 'hours'" in caught.value.requirements


def test_nothing_to_give_and_nothing_to_gain():
    plan = allocate(TWO, Resource("budget", 0))
    assert plan.total == 0
    assert plan.resources.loc["budget", "why"] == "there is none; one unit would bring 300"
    assert plan.resources.loc["budget", "shadow_price"] == 300
    assert plan.table["holds"].str.startswith("nothing to give").all()
    dull = allocate({"a": LogCurve(0, 1), "b": LinearCurve(0)}, MONEY)
    assert dull.table["effort"].tolist() == [0, 0]
    assert dull.resources.loc["budget", "left"] == 98
    assert "2 items without response" in dull.resources.loc["budget", "why"]
    assert any("No curve brings anything" in text for text in dull.warnings)


def test_one_segment_takes_all():
    plan = allocate({"a": PowerCurve(2.0, 0.5)}, Resource("budget", 16))
    assert efforts(plan) == pytest.approx({"a": 16})
    assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(0.25)


def test_flat_curves_leave_the_rest():
    plan = allocate({"a": ExponentialCurve(10, 1.0)}, Resource("budget", 1e6))
    assert plan.table["effort"][0] < 40
    assert plan.total == pytest.approx(10)
    assert plan.resources.loc["budget", "left"] > 999_000
    assert "saturated" in plan.resources.loc["budget", "why"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Resource("budget", -5), ValueError, "amount of resource 'budget' must be 0 or more"),
        (lambda: Resource("budget", math.nan), ValueError, "amount of resource 'budget'"),
        (lambda: Resource("budget", "5 EUR"), TypeError, "amount of resource 'budget' must be a number"),
        (
            lambda: Resource("budget", 5, price=-1),
            ValueError,
            "price of resource 'budget' must be finite and 0 or more",
        ),
        (lambda: Resource("", 5), TypeError, "needs a name"),
        (lambda: allocate({}, MONEY), ValueError, "curves is empty"),
        (lambda: allocate([LogCurve(1, 1)], MONEY), TypeError, "curves must map each segment"),
        (lambda: allocate({"a": 3.0}, MONEY), TypeError, "curve of 'a' must be a ResponseCurve"),
        (lambda: allocate({"a": {}}, MONEY), ValueError, "curves has no action for 'a'"),
        (lambda: allocate(TWO, []), ValueError, "no resource was given"),
        (lambda: allocate(TWO, 98.0), TypeError, "resources must be a Resource"),
        (lambda: allocate(TWO, [MONEY, MONEY]), ValueError, "repeated: 'budget'"),
        (lambda: allocate(TWO, Resource("effort", 3)), ValueError, "cannot be called 'effort'"),
        (lambda: allocate(TWO, [MONEY, Resource("hours", 3)]), ValueError, "uses must say"),
        (lambda: allocate(TWO, MONEY, uses={"loyal": {"budget": 1}}), ValueError, "does not say what 'new' takes"),
        (lambda: allocate(TWO, MONEY, uses={"loyal": {"time": 1}, "new": {"budget": 1}}), ValueError, "names 'time'"),
        (
            lambda: allocate(TWO, MONEY, uses={"loyal": {"budget": "2 USD"}, "new": {"budget": 1}}),
            TypeError,
            "uses of 'loyal' of 'budget' must be a number, got '2 USD'",
        ),
        (
            lambda: allocate(
                {"call": {"call": LogCurve(1, 1)}, "b": {"call": LogCurve(1, 1)}}, MONEY, bounds={"call": (1, 2)}
            ),
            ValueError,
            r"'call' is a segment and an action: use \(segment, action\)",
        ),
        (lambda: Resource("budget", 5, unit=3), TypeError, "unit of resource 'budget' must be text"),
        (lambda: allocate(TWO, MONEY, uses={"budget": -1.0}), ValueError, "finite and 0 or more, got -1.0"),
        (lambda: allocate(TWO, MONEY, bounds={"loyal": (5, 3)}), ValueError, "lower bound is above the upper bound"),
        (lambda: allocate(TWO, MONEY, bounds={"loyl": (0, 3)}), ValueError, "nearest: 'loyal'"),
        (lambda: allocate(TWO, MONEY, bounds={"loyal": 3}), TypeError, r"must be \(least, most\)"),
        (lambda: allocate(TWO, MONEY, bounds={"loyal": (math.nan, 3)}), ValueError, "lower bound of 'loyal'"),
        (lambda: allocate(TWO, MONEY, min_share={"loyal": 1.5}), ValueError, "between 0 and 1"),
        (lambda: allocate(TWO, MONEY, min_share={"old": 0.5}), ValueError, "names 'old', which is no segment"),
        (lambda: allocate(TWO, MONEY, min_share={"loyal": {"time": 0.5}}), ValueError, "which is no resource"),
        (lambda: allocate(TWO, MONEY, objective="profits"), ValueError, "objective must be one of"),
        (lambda: allocate(TWO, MONEY, target=5), ValueError, "target is for"),
        (lambda: allocate(TWO, MONEY, objective="cost"), ValueError, "needs a target"),
        (lambda: allocate(TWO, MONEY, level=90), ValueError, "level must be"),
        (lambda: allocate(TWO, MONEY, current={"loyal": -1}), ValueError, "current effort"),
        (lambda: allocate(TWO, MONEY, revenue={"loyal": 3}), ValueError, "revenue has nothing for 'new'"),
        (lambda: allocate(TWO, Resource("budget", math.inf)), UnboundedError, "nothing limits"),
        (
            lambda: allocate(
                TWO,
                [Resource("budget", 9, unit="EUR"), Resource("time", 9, unit="hours")],
                uses={"budget": 1, "time": 1},
                objective="cost",
                target=1.0,
            ),
            ValueError,
            r"'budget' \(EUR\), 'time' \(hours\) has no price",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_splits_say_what_they_do_not_keep():
    plan = allocate(TWO, MONEY, bounds={"new": (60, None), "loyal": (None, 38)}, current={"loyal": 90, "new": 8})
    assert plan.comparison.loc["equal split", "breaks"] == "least amounts"
    assert plan.comparison.loc["current", "breaks"] == "least amounts, upper bounds"
    assert "current: " in str(plan)
    assert "although it does not keep least amounts, upper bounds" in str(plan)


def test_risk_takes_the_place_of_the_total():
    """Of two equal curves the uncertain one gets less where the worst tenth counts."""
    rng = np.random.default_rng(3)
    draws = np.column_stack([200 * np.exp(rng.normal(-0.32, 0.8, 400)), np.ones(400)])
    curves = {
        "sure": TWO["loyal"].rescaled(outcome=2 / 3),
        "unsure": LogCurve(200.0, 1.0, draws=draws, randomized=True),
    }
    neutral = allocate(curves, MONEY, contact_cap=5, n_customers={"sure": 50, "unsure": 50})
    plan = allocate(curves, MONEY, risk=("cvar", 0.1), contact_cap=5, n_customers={"sure": 50, "unsure": 50})
    assert neutral.efforts.tolist() == pytest.approx([49, 49])
    assert plan.efforts["unsure", "effort"] < 40
    assert plan.risk is not None
    assert plan.settings["risk"]
    assert plan.scenarios.loc[("budget", 0.1), "criterion"] > plan.scenarios.loc[("budget", -0.1), "criterion"]
    with pytest.raises(ValueError, match='risk is for objective="return"'):
        allocate(curves, MONEY, risk=("cvar", 0.1), objective="cost", target=3.0)
    with pytest.raises(ValueError, match="risk and overlap"):
        allocate(curves, MONEY, risk=("cvar", 0.1), overlap={("sure", "unsure"): 4})


def test_result_protocol():
    plan = allocate({"<b>": LogCurve(3, 1), "new": LogCurve(2, 1)}, MONEY)
    assert isinstance(plan, Allocation)
    assert str(plan).splitlines()[0].startswith("Plan for 2 segments: ")
    assert "<b>" not in plan._repr_html_().replace("&lt;b&gt;", "")
    assert isinstance(plan.to_pandas(), pd.DataFrame)
    figures = plan.to_dict()
    assert figures["total"] == plan.total
    assert figures["table"][0]["segment"] == "<b>"
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.total = 3.0


def test_a_plan_can_be_stored_and_taken_up_again():
    plan = allocate(TWO, MONEY, current={"loyal": 50, "new": 48})
    stored = pickle.loads(pickle.dumps(plan))
    assert str(stored.to_dict()) == str(plan.to_dict())
    assert str(stored.replan({"budget": 50.0})) == str(plan.replan({"budget": 50.0}))
