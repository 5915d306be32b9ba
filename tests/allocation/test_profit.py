"""The plan with the most profit, and the word of warning where a plan spends more than it brings back."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from segmentation.allocation import Resource, UnboundedError, allocate
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve

TWO = {"loyal": LogCurve(300.0, 1.0, randomized=True), "new": LogCurve(100.0, 1.0, randomized=True)}


def money(amount: float, price: float = 1.0) -> Resource:
    return Resource("budget", amount, unit="EUR", price=price)


def test_by_hand():
    """A next euro brings 300 / (1 + x) and 100 / (1 + y), and costs one: 299 and 99, whatever there is above 398."""
    for amount in (400.0, 1000.0, 1e9, np.inf):
        plan = allocate(TWO, money(amount), objective="profit")
        assert plan.efforts.tolist() == pytest.approx([299, 99], rel=1e-9)
        assert plan.resources.loc["budget", "shadow_price"] == 0
        assert plan.profit == pytest.approx(300 * np.log(300) + 100 * np.log(100) - 398)
        assert set(plan.table["holds"]) == {"balanced: its next unit earns what it costs"}
    assert plan.total == pytest.approx(plan.profit + 398)
    assert plan.cost == pytest.approx(398)


def test_scarce_money_is_worth_more_than_it_costs():
    plan = allocate(TWO, money(98.0), objective="profit")
    assert plan.efforts.tolist() == pytest.approx([74, 24])
    assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(3)
    assert plan.resources.loc["budget", "why"] == "used up: one more EUR brings 3 above its price"
    assert plan.table["opportunity_cost"].tolist() == pytest.approx([4, 4])
    row = plan.scenarios.loc[("budget", 0.1)]
    assert row["profit"] == pytest.approx(plan.replan({"budget": 107.8}).profit)


@pytest.mark.parametrize("seed", range(8))
def test_against_a_grid(seed):
    rng = np.random.default_rng(seed)
    kinds = (
        lambda: ExponentialCurve(rng.uniform(5, 60), rng.uniform(0.05, 1)),
        lambda: LogCurve(rng.uniform(1, 20), 1.0),
        lambda: HillCurve(rng.uniform(10, 60), 4.0, 2.5),
    )
    curves = {name: kinds[rng.integers(3)]() for name in "ab"}
    amount, price, once = rng.uniform(3, 40), rng.uniform(0.2, 3), rng.uniform(0, 4) * (seed % 2)
    whole = seed % 3 == 0
    resource = Resource("agents", amount, integer=whole, price=price)
    plan = allocate(curves, resource, objective="profit", fixed_costs=once or None, gap=1e-6)
    grid = np.arange(np.floor(amount) + 1) if whole else np.linspace(0, amount, 801)
    x, y = np.meshgrid(grid, grid)
    profit = curves["a"].value(x) + curves["b"].value(y) - price * (x + y) - once * ((x > 0) * 1.0 + (y > 0))
    best = float(profit[x + y <= amount + 1e-9].max())
    assert plan.profit >= best - 2e-6 * abs(best)
    assert plan.profit <= best + (1e-9 if whole else 5e-3) * abs(best)
    # the programme is solved to 1e-7 of profit and unspent money together
    assert plan.gap <= 2e-5


def test_several_resources_least_shares_and_caps():
    curves = {key: LogCurve(scale, 1.0, randomized=True) for key, scale in zip("ab", (300.0, 100.0), strict=True)}
    resources = [money(50.0), Resource("hours", np.inf, price=10.0)]
    given = {
        "uses": {"effort": {"budget": 1.0, "hours": 0.5}},
        "min_share": {"b": {"budget": 0.6}},
        "contact_cap": 0.9,
        "n_customers": {"a": 20, "b": 200},
    }
    plan = allocate(curves, resources, objective="profit", **given)
    # a unit costs 6: a would go on to 49 and gets 18 contacts, b would stop at 15.7 and must get 30
    assert plan.efforts.tolist() == pytest.approx([18.0, 30.0])
    assert plan.contacts.loc[0, "price"] == pytest.approx(300 / 19 - 6)
    assert plan.floors.loc[0, "price"] == pytest.approx(6 - 100 / 31)
    assert plan.floor_cost == pytest.approx(
        allocate(curves, resources, objective="profit", **{**given, "min_share": None}).profit - plan.profit
    )


def test_what_it_cannot_do_is_said():
    with pytest.raises(UnboundedError, match="'a': its return never falls below its price"):
        allocate({"a": LinearCurve(2.0)}, money(np.inf), objective="profit")
    with pytest.raises(ValueError, match="'hours' \\(no unit\\) has no price"):
        allocate(TWO, [money(5), Resource("hours", 3)], uses={"effort": {"budget": 1, "hours": 1}}, objective="profit")
    with pytest.raises(ValueError, match="together with overlap"):
        allocate(TWO, money(5), objective="profit", overlap={("loyal",): 3, ("loyal", "new"): 2})


def test_nothing_is_worth_its_price():
    for once in (None, 2.0):
        plan = allocate(
            {"a": LinearCurve(0.5), "b": LogCurve(0.5, 1.0)}, money(9.0), objective="profit", fixed_costs=once
        )
        assert (plan.profit, plan.cost, plan.gap) == (0, 0, 0)
        assert plan.solution.status == "optimal"
        assert plan.table["holds"].tolist() == ["not funded: earns less than it costs"] * 2


def test_gain_is_one_of_profit():
    draws = np.column_stack([np.linspace(250, 350, 101), np.ones(101)])
    curves = {"loyal": LogCurve(300.0, 1.0, draws=draws, randomized=True), "new": TWO["new"]}
    plan = allocate(curves, money(1000.0), objective="profit", current={"loyal": 500, "new": 500})
    row = plan.comparison.loc["current"]

    def profit(x, y):
        return 300 * np.log1p(x) + 100 * np.log1p(y) - x - y

    assert row["gain_of_plan"] == pytest.approx(profit(299, 99) - profit(500, 500))
    assert row["gain_low"] < row["gain_of_plan"] < row["gain_high"]
    assert "this plan earns" in str(plan)


# ---------------------------------------------------------------------- the warning
def said(plan):
    return [text for text in plan.warnings if "less than it costs" in text]


def test_a_plan_that_spends_more_than_it_brings_back_says_so():
    plan = allocate(TWO, money(1000.0))
    (text,) = said(plan)
    assert text.startswith("One more EUR of 'budget' brings 0.3992, less than it costs (1).")
    assert "about 602 EUR of 'budget' would better stay unspent" in text
    assert not said(allocate(TWO, money(398.0)))
    # an outcome may be orders: without a price nothing is said
    assert not said(allocate(TWO, Resource("budget", 1000.0)))
    assert not said(allocate(TWO, money(1000.0), objective="cost", target=1500.0))


def test_hours_that_are_left_are_paid_for_too():
    plan = allocate(
        TWO,
        [money(100.0), Resource("hours", 90.0, unit="h", price=30.0)],
        uses={"effort": {"budget": 1.0, "hours": 0.5}},
    )
    (text,) = said(plan)
    # 300 / (1 + x) = 16 at 17.75, 100 / (1 + y) = 16 at 5.25: 23 of the 100
    assert text.startswith("The last unit of 2 efforts brings less than it costs: 'loyal', 'new'.")
    assert "about 77 EUR of 'budget' and 38.5 h of 'hours' would better stay unspent" in text


def test_what_must_be_given_is_not_complained_about():
    assert not said(allocate(TWO, money(1000.0), bounds={"loyal": (600, None), "new": (400, None)}))


def test_discrete_plans_say_it_without_the_amount():
    plan = allocate(TWO, money(1000.0), fixed_costs=5.0)
    (text,) = said(plan)
    assert "less would better be spent" in text


# ---------------------------------------------------------------------- prices where nothing is free to move
def test_least_amounts_that_take_everything_leave_a_price():
    for given in ({"min_share": 0.5}, {"bounds": {"loyal": (49, None), "new": (49, None)}}):
        plan = allocate(TWO, Resource("budget", 98.0), **given)
        assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(300 / 50)
    assert allocate(TWO, Resource("budget", 98.0), min_share=0.5).floors["price"].tolist() == pytest.approx([0, 4])


def test_the_only_one_that_is_funded_leaves_a_price():
    for given in ({"exclusive": ["loyal", "new"]}, {"fixed_costs": {"new": 1e6}}, {"fixed_costs": {"budget": 60.0}}):
        plan = allocate(TWO, Resource("budget", 98.0), **given)
        effort = plan.efforts["loyal", "effort"]
        assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(300 / (1 + effort))


# ---------------------------------------------------------------------- people
def test_scenarios_of_people_are_whole():
    curves = {"a": HillCurve(100.0, 2.0, 3.0, randomized=True), "b": LogCurve(20.0, 1.0, randomized=True)}
    plan = allocate(curves, Resource("agents", 6, integer=True))
    assert plan.scenarios["amount"].tolist() == [5.0, 7.0]
    best = max(curves["a"].value(k) + curves["b"].value(7 - k) for k in range(8))
    assert plan.scenarios["outcome"].iloc[1] == pytest.approx(float(best))
    assert plan.resources.loc["agents", "why"] == "used up; what one whole unit more or less brings is in .scenarios"


def test_who_gets_nobody_is_not_said_to_be_too_dear():
    plan = allocate(
        {"a": HillCurve(900.0, 50.0, 3.0, randomized=True), "b": HillCurve(200.0, 50.0, 3.0, randomized=True)},
        [Resource("agents", 1, integer=True), Resource("budget", 1000.0)],
        uses={"effort": {"agents": 0.01, "budget": 1.0}},
        fixed_costs={"budget": 10.0},
    )
    assert plan.table["holds"].iloc[1] == "not funded: a whole unit earns more elsewhere, or does not fit"


def test_scenarios_keep_least_shares():
    plan = allocate(TWO, Resource("budget", 98.0), min_share={"new": 0.5})
    assert plan.scenarios.loc[("budget", 0.1), "outcome"] == pytest.approx(plan.replan({"budget": 107.8}).total)


# ---------------------------------------------------------------------- units, names, order
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_conflicts_are_found_in_any_unit(unit):
    from segmentation.allocation import InfeasibleError

    curves = {"a": {"mail": LogCurve(1.0, 1 / unit), "call": LogCurve(1.0, 1 / unit)}, "b": LogCurve(1.0, 1 / unit)}
    with pytest.raises(InfeasibleError) as caught:
        allocate(
            curves,
            Resource("budget", 9.0),
            uses={"effort": {"budget": 1 / unit}, "mail": {"budget": 1 / unit}, "call": {"budget": 0.5 / unit}},
            min_share={"a": 0.5},
            contact_cap=1.0,
            n_customers={"a": 4.0 * unit, "b": 100 * unit},
        )
    assert len(caught.value.requirements) == 2


def test_effort_beyond_a_flat_curve_is_no_more_than_a_share_needs():
    curves = {("a", "mail"): LinearCurve(2.0, 3.0), ("a", "call"): LinearCurve(1.0, 4.0), "b": LinearCurve(0.5, 1.0)}
    plan = allocate(curves, Resource("budget", 20.0), min_share={"a": 0.25})
    assert plan.efforts.tolist() == pytest.approx([3.0, 4.0, 1.0])
    more = allocate(curves, Resource("budget", 20.0), min_share={"a": 0.5})
    assert float(more.table["budget"].iloc[:2].sum()) == pytest.approx(10.0)


def test_order_of_capped_segments_and_of_resources_changes_nothing():
    rng = np.random.default_rng(5)
    curves = {
        (f"s{i}", action): HillCurve(rng.lognormal(3, 1), rng.lognormal(0, 0.5), rng.uniform(1.5, 4))
        for i in range(6)
        for action in ("mail", "call")
    }
    customers = {f"s{i}": rng.uniform(0.3, 3) for i in range(6)}
    resources = [Resource("r", 4.0), Resource("q", 3.0)]
    given = {
        "uses": {"mail": {"r": 1.0, "q": 0.5}, "call": {"r": 0.4, "q": 1.0}},
        "contact_cap": 1.0,
        "n_customers": customers,
        "fixed_costs": {"call": {"r": 0.1}},
    }
    first = allocate(curves, resources, **given)
    for names in (list(curves)[::-1], sorted(curves, key=lambda key: key[1])):
        other = allocate({key: curves[key] for key in names}, resources[::-1], **given)
        assert (other.efforts[first.efforts.index] - first.efforts).abs().max() <= 1e-9


def test_series_and_arrays_are_taken():
    plan = allocate(TWO, Resource("budget", 98.0))
    again = allocate(
        pd.Series(TWO),
        Resource("budget", 98.0),
        current=plan.efforts,
        revenue=pd.Series({"loyal": 3.0, "new": 1.0}),
        bounds={"new": np.array([0, 50])},
    )
    assert again.comparison.loc["current", "gain_of_plan"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(TypeError, match="the current effort of 'loyal' must be a number, got 'x'"):
        allocate(TWO, Resource("budget", 98.0), current={"loyal": "x"})
    with pytest.raises(TypeError, match="revenue must map each segment"):
        allocate(TWO, Resource("budget", 98.0), revenue=[1, 2])


def test_a_target_that_nothing_reaches_costs_nothing():
    for target in (0.0, -5.0):
        plan = allocate({"a": HillCurve(9.0, 2.0, 3.0)}, Resource("budget", 98.0), objective="cost", target=target)
        assert (plan.cost, plan.gap) == (0, 0)
        assert plan.solution.status == "optimal"


def test_fewer_is_said_in_words():
    plan = allocate(TWO, Resource("budget", 98.0), bounds=(0, 10), current={"loyal": 90, "new": 8})
    (line,) = [line for line in str(plan).splitlines() if line.startswith("  current")]
    lost = -plan.comparison.loc["current", "gain_of_plan"]
    assert lost > 0
    assert line.endswith(f"this plan brings {lost:.1f} less")


@pytest.mark.parametrize("objective", ["return", "profit"])
def test_nobody_waits_without_end(objective):
    from inspect import signature

    assert signature(allocate).parameters["time_limit"].default == 60.0
    rng = np.random.default_rng(0)
    curves = {i: HillCurve(rng.lognormal(3, 1), 5.0, 3.0) for i in range(40)}
    plan = allocate(curves, money(98.0), objective=objective, time_limit=1e-6)
    assert any("The search was stopped (by time_limit=1e-06 seconds" in text for text in plan.warnings)
    assert plan.problem.is_feasible(plan.solution.x)


def test_integer_resource_that_is_taken_only_once():
    """Half a person cannot be taken: what must be funded cannot be."""
    from segmentation.allocation._problem import Problem
    from segmentation.allocation._requirements import is_possible, requirements

    resources = (Resource("budget", 9.0), Resource("agents", 3.0, integer=True))
    for once, possible in ((0.5, False), (1.0, True)):
        problem = Problem(
            items=(("a", "visit"),),
            curves=(LogCurve(1.0, 1.0),),
            use=np.array([[1.0, 0.0]]),
            supply=np.array([9.0, 3.0]),
            lower=np.ones(1),
            upper=np.full(1, np.inf),
            resources=("budget", "agents"),
            fixed=np.array([[0.0, once]]),
            integer=np.array([False, True]),
        )
        assert is_possible(requirements(problem, resources), problem) is possible


def test_few_against_every_choice_of_people():
    """Brute force: how many of seven people go to each of three segments, with a set-up and a price."""
    curves = [HillCurve(60.0, 2.0, 3.0), LogCurve(20.0, 1.0), ExponentialCurve(40.0, 0.4)]
    agents = Resource("agents", 7, integer=True, price=6.0)
    plan = allocate(dict(enumerate(curves)), agents, objective="profit", fixed_costs=3.0, gap=1e-6)
    best = max(
        sum(float(curve.value(k)) - 6 * k - 3 * (k > 0) for curve, k in zip(curves, units, strict=True))
        for units in itertools.product(range(8), repeat=3)
        if sum(units) <= 7
    )
    assert plan.profit == pytest.approx(best)


def test_fairness_of_a_plan_for_profit_has_no_price():
    from segmentation.allocation import allocation_fairness

    ids = pd.RangeIndex(100, name="customer_id")
    segment = pd.Series(np.repeat(["loyal", "new"], 50), index=ids)
    gender = pd.Series(np.repeat(["f", "m", "f", "m"], [40, 10, 10, 40]), index=ids, name="gender")
    plan = allocate(TWO, money(1000.0), objective="profit")
    fair = allocation_fairness(plan, segment, gender, parity=1.0)
    assert fair.price["reason"].tolist() == ["not computed: the plan is for the most profit, not the largest outcome"]
    one = allocation_fairness(plan, segment, gender.where(gender == "f", "f"), parity=None)
    assert "fewer than two groups to compare" in str(one)
    assert "nobody gets any" not in str(one)
