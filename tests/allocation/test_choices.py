"""All-or-nothing choices in plans: against exhaustive search, what is said of them, what cannot be done."""

import itertools
import math
import pickle

import numpy as np
import pytest

from segmentation.allocation import InfeasibleError, Resource, allocate
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve

KNOWN = {"randomized": True}
TWO_BY_TWO = {
    "a": {"mail": LogCurve(30.0, 1.0, **KNOWN), "call": LogCurve(40.0, 0.5, **KNOWN)},
    "b": {"mail": LogCurve(20.0, 1.0, **KNOWN), "call": LogCurve(45.0, 0.4, **KNOWN)},
}
BUDGET = Resource("budget", 20.0, unit="EUR")


def holds(plan):
    return plan.table.set_index(["segment", "action"])["holds"].to_dict()


def test_s_shaped_curves_get_all_or_nothing_by_hand():
    """Half of 10 EUR to each of two S-curves brings 2 * 100 / 9; all to one brings 200 / 3."""
    curve = HillCurve(100.0, 7.07106781, 2.0, **KNOWN)
    plan = allocate({"a": curve, "b": HillCurve(99.0, 7.07106781, 2.0, **KNOWN)}, Resource("budget", 10.0))
    assert plan.efforts.tolist() == pytest.approx([10.0, 0.0], abs=1e-6)
    assert plan.total == pytest.approx(200 / 3, rel=1e-6)
    assert plan.gap <= 1e-4
    # what one more EUR brings with these choices: the slope there
    assert plan.resources.loc["budget", "shadow_price"] == pytest.approx(float(curve.slope(10.0)), rel=1e-6)


def test_s_shaped_curves_against_a_grid():
    curves = [HillCurve(100, 6, 2.5, **KNOWN), HillCurve(70, 3, 4, **KNOWN), LogCurve(20, 1, **KNOWN)]
    for amount in (4.0, 9.0, 15.0):
        plan = allocate(dict(zip("abc", curves, strict=True)), Resource("budget", amount), gap=1e-6)
        first, second = np.meshgrid(np.linspace(0, amount, 801), np.linspace(0, amount, 801))
        rest = amount - first - second
        total = curves[0].value(first) + curves[1].value(second) + curves[2].value(np.maximum(rest, 0))
        best = float(total[rest >= -1e-9].max())
        assert plan.total >= best * (1 - 1e-6)
        assert plan.total <= best * (1 + 1e-3)


@pytest.mark.parametrize("amount", [5.0, 12.0, 40.0])
def test_fixed_costs_least_amounts_and_groups_against_every_choice(amount):
    """With the choice made, what is left is a concave problem: the best of all choices is the best plan."""
    items = [(s, a) for s in TWO_BY_TWO for a in ("mail", "call")]
    fixed = {"mail": 8.0, "call": {"budget": 1.5}}
    found = allocate(
        TWO_BY_TWO,
        Resource("budget", amount),
        fixed_costs=fixed,
        minimum_if_funded={"call": 4.0},
        exclusive=["mail", "call"],
        gap=1e-6,
    )
    best = 0.0
    for chosen in itertools.product([False, True], repeat=4):
        on = [item for item, c in zip(items, chosen, strict=True) if c]
        n_calls = sum(a == "call" for _, a in on)
        left = amount - 1.5 * n_calls
        if len({s for s, _ in on}) < len(on) or left < 4.0 * n_calls or not on:
            continue
        plain = allocate(
            {item: TWO_BY_TWO[item[0]][item[1]] for item in on},
            Resource("budget", left),
            bounds={item: (4.0, None) for item in on if item[1] == "call"},
        )
        best = max(best, plain.total - 8.0 * sum(a == "mail" for _, a in on))
    assert found.total == pytest.approx(best, rel=1e-5)
    assert found.problem.is_feasible(found.solution.x)
    table = found.table
    assert found.total == pytest.approx(table["outcome"].sum() - table["fixed_cost"].sum())
    on = table["effort"] > 0
    assert table["fixed_cost"].tolist() == [8.0 * (a == "mail" and o) for a, o in zip(table["action"], on, strict=True)]
    # the budget pays effort and fixed costs, to the cent
    calls = int((on & (table["action"] == "call")).sum())
    assert table["budget"].sum() == pytest.approx(table["effort"].sum() + 1.5 * calls)
    row = found.resources.loc["budget"]
    assert row["used"] + row["left"] == pytest.approx(amount, abs=1e-9)


def test_whole_units_against_every_number():
    """3.5 agents, 20 visits each: 0 to 3 agents over three segments."""
    curves = {
        "a": ExponentialCurve(900, 0.03, **KNOWN),
        "b": ExponentialCurve(700, 0.05, **KNOWN),
        "c": LinearCurve(4.0, **KNOWN),
    }
    plan = allocate(curves, Resource("agents", 3.5, integer=True), uses={"agents": 0.05}, gap=1e-7)
    best = max(
        sum(float(curve.value(20.0 * n)) for curve, n in zip(curves.values(), agents, strict=True))
        for agents in itertools.product(range(4), repeat=3)
        if sum(agents) <= 3
    )
    assert plan.total == pytest.approx(best, rel=1e-9)
    assert plan.table["agents"].tolist() == pytest.approx(np.round(plan.table["agents"]).tolist(), abs=1e-9)
    assert plan.resources.loc["agents", ["used", "left"]].tolist() == pytest.approx([3.0, 0.5])
    assert plan.resources.loc["agents", "why"] == "left: less than one whole unit"
    assert any("0.5 of 'agents' left: less than one whole unit" in text for text in plan.warnings)


def test_what_holds_says_which_choice():
    plan = allocate(TWO_BY_TWO, BUDGET, exclusive=True, fixed_costs={("b", "call"): 500.0}, minimum_if_funded=6.0)
    said = holds(plan)
    assert said["b", "call"] == "not funded: another of its group is"
    alone = allocate(TWO_BY_TWO, BUDGET, fixed_costs={("b", "call"): 500.0})
    assert holds(alone)["b", "call"] == "not funded: not worth its fixed cost"
    least = allocate(TWO_BY_TWO, BUDGET, minimum_if_funded={("b", "mail"): 19.0})
    assert holds(least)["b", "mail"].startswith("not funded: its least amount")
    units = allocate(
        TWO_BY_TWO,
        [BUDGET, Resource("agents", 1.0, integer=True)],
        uses={"mail": {"budget": 1}, "call": {"budget": 0.1, "agents": 0.1}},
    )
    assert sorted(text for (_, action), text in holds(units).items() if action == "call") == [
        "not funded: a whole unit earns more elsewhere, or does not fit",
        "whole units: one more or less earns less",
    ]


def test_groups_in_every_form_are_the_same():
    forms = [
        True,
        ["mail", "call"],
        [["mail", "call"]],
        ("mail", "call"),
        [[("a", "mail"), ("a", "call")], [("b", "mail"), ("b", "call")]],
    ]
    plans = [allocate(TWO_BY_TWO, BUDGET, exclusive=form) for form in forms]
    for plan in plans:
        assert (plan.table[plan.table["effort"] > 0].groupby("segment").size() == 1).all()
        assert plan.table["effort"].tolist() == pytest.approx(plans[0].table["effort"].tolist())
    either = allocate({"a": LogCurve(3, 1), "b": LogCurve(4, 1)}, BUDGET, exclusive=["a", "b"])
    assert either.efforts.tolist() == pytest.approx([0.0, 20.0])


def test_the_gap_is_stated():
    plan = allocate(TWO_BY_TWO, BUDGET, exclusive=True, gap=0.02)
    assert 0 <= plan.gap <= 0.02
    assert plan.settings["gap"] == 0.02
    if plan.gap > 1e-6:
        assert "% of the best possible" in str(plan).splitlines()[0]
    assert "of the best possible" not in str(allocate(TWO_BY_TWO, BUDGET)).splitlines()[0]


def test_scenarios_and_replan_make_the_choices_anew():
    curves = {"a": ExponentialCurve(100.0, 0.3, **KNOWN), "b": ExponentialCurve(90.0, 0.4, **KNOWN)}
    plan = allocate(curves, Resource("agents", 10.0, integer=True))
    table = plan.scenarios
    for change in (-0.1, 0.1):
        again = plan.replan({"agents": 10.0 * (1 + change)})
        assert table.loc[("agents", change), "outcome"] == pytest.approx(again.total, rel=2e-4)
    assert table.loc[("agents", -0.1), "difference"] < 0 < table.loc[("agents", 0.1), "difference"]
    stored = pickle.loads(pickle.dumps(plan))
    assert stored.replan({"agents": 9.0}).total == pytest.approx(plan.replan({"agents": 9.0}).total)


def test_order_and_names_change_nothing_in_discrete_plans():
    curves = {
        "a": HillCurve(100, 6, 2.5, **KNOWN),
        "b": HillCurve(70, 3, 4, **KNOWN),
        "c": LogCurve(20, 1, **KNOWN),
        "d": LogCurve(15, 1, **KNOWN),
    }
    plain = allocate(curves, Resource("budget", 14), fixed_costs={"c": 5.0, "d": 5.0}, gap=1e-7)
    other = {"a": "x", "b": "w", "c": "v", "d": "u"}
    moved = allocate(
        {other[k]: curves[k] for k in "dbca"}, Resource("budget", 14), fixed_costs={"v": 5.0, "u": 5.0}, gap=1e-7
    )
    before, after = plain.table.set_index("segment")["effort"], moved.table.set_index("segment")["effort"]
    for old, new in other.items():
        assert after[new] == pytest.approx(before[old], abs=1e-4)


def test_intervals_take_fixed_costs_off():
    draws = np.column_stack([np.linspace(25, 35, 200), np.ones(200)])
    plan = allocate({"a": LogCurve(30.0, 1.0, draws=draws, **KNOWN)}, BUDGET, fixed_costs=7.0)
    low, high = np.quantile(draws[:, 0] * math.log(21), [0.05, 0.95]) - 7.0
    assert (plan.total_low, plan.total_high) == pytest.approx((low, high))
    assert plan.total == pytest.approx(30 * math.log(21) - 7)
    assert plan.table["outcome"][0] == pytest.approx(30 * math.log(21))
    assert plan.cost == pytest.approx(27.0)
    assert plan.comparison.loc["equal split", "outcome"] == pytest.approx(plan.total)


# ---------------------------------------------------------------------- the cheapest way to a target
def test_cheapest_with_fixed_costs_by_hand():
    """Lines of 2 and 5 per unit, the second with 30 once: below an outcome of 100 the first is cheaper."""
    curves = {"a": {"mail": LinearCurve(2.0, **KNOWN), "call": LinearCurve(5.0, **KNOWN)}}
    for target, effort, cost in ((60.0, (30.0, 0.0), 30.0), (200.0, (0.0, 40.0), 70.0)):
        plan = allocate(
            curves, Resource("budget", 1000.0), fixed_costs={"call": 30.0}, objective="cost", target=target, gap=1e-5
        )
        assert plan.table["effort"].tolist() == pytest.approx(effort, abs=1e-3)
        assert plan.cost == pytest.approx(cost, rel=2e-5)
        # fixed costs are money here, not less outcome
        assert plan.total == pytest.approx(target, rel=1e-6)
        assert plan.gap <= 1e-5


def test_cheapest_in_whole_units_against_every_number():
    curves = {"a": ExponentialCurve(90, 0.6, **KNOWN), "b": HillCurve(70, 2.0, 3.0, **KNOWN)}
    target = 100.0
    plan = allocate(curves, Resource("agents", 12, integer=True, price=7.0), objective="cost", target=target)
    best = min(
        7.0 * (i + j)
        for i, j in itertools.product(range(13), repeat=2)
        if i + j <= 12 and float(curves["a"].value(i) + curves["b"].value(j)) >= target
    )
    assert plan.cost == pytest.approx(best)
    assert plan.total >= target
    with pytest.raises(InfeasibleError, match="out of reach"):
        allocate(curves, Resource("agents", 2, integer=True), objective="cost", target=target)


def test_cheapest_without_a_limit_by_hand():
    """One of two logs alone, as much money as it takes: 100 log(1 + x) = 250, or 60 log(1 + y)."""
    curves = {"a": LogCurve(100.0, 1.0, **KNOWN), "b": LogCurve(60.0, 1.0, **KNOWN)}
    endless = Resource("budget", math.inf)
    plan = allocate(curves, endless, exclusive=["a", "b"], objective="cost", target=250.0)
    assert plan.cost == pytest.approx(math.expm1(2.5), rel=1e-4)
    nothing = allocate(curves, BUDGET, fixed_costs=3.0, objective="cost", target=0.0)
    assert nothing.cost == 0


def test_a_search_that_is_stopped_says_so():
    plan = allocate(TWO_BY_TWO, BUDGET, fixed_costs=1.0, exclusive=True, time_limit=1e-6)
    if plan.gap > 1e-4:
        assert any("The search was stopped" in text for text in plan.warnings)
    assert plan.problem.is_feasible(plan.solution.x)


def test_cheapest_s_shaped_against_a_grid():
    curves = [HillCurve(100, 6, 2.5, **KNOWN), LogCurve(20, 1, **KNOWN)]
    plan = allocate(
        dict(zip("ab", curves, strict=True)), Resource("budget", 100), objective="cost", target=70.0, gap=1e-5
    )
    x = np.linspace(0, 40, 40_001)
    missing = 70.0 - curves[0].value(x)
    needed = x + np.where(missing > 0, np.expm1(np.maximum(missing, 0) / 20.0), 0.0)
    assert plan.cost == pytest.approx(float(needed.min()), rel=1e-4)
    assert plan.total >= 70.0 * (1 - 1e-9)


# ---------------------------------------------------------------------- what cannot be done
@pytest.mark.parametrize(
    ("curves", "resource", "arguments", "requirements"),
    [
        (
            dict.fromkeys("abc", LogCurve(1, 1)),
            Resource("agents", 2, integer=True),
            {"bounds": (0.5, None)},
            [
                "there are 2 of 'agents'",
                "'a' gets at least 0.5",
                "'b' gets at least 0.5",
                "'c' gets at least 0.5",
                "what each takes of 'agents' comes in whole units",
            ],
        ),
        (
            TWO_BY_TWO,
            BUDGET,
            {"bounds": {"a": (1, None)}, "exclusive": True},
            [
                "'a' (mail) gets at least 1",
                "'a' (call) gets at least 1",
                "at most one of 'a' (mail), 'a' (call) is funded",
            ],
        ),
        (
            TWO_BY_TWO,
            BUDGET,
            {"bounds": {("a", "mail"): (5, None)}, "fixed_costs": {"budget": 17.0}},
            ["'a' (mail) gets at least 5 (takes 22 EUR with its fixed cost)", "there are 20 EUR of 'budget'"],
        ),
        (
            {"a": LogCurve(1, 1), "b": LogCurve(1, 1)},
            BUDGET,
            {"min_share": {"a": 0.5}, "bounds": {"b": (6, None)}, "minimum_if_funded": {"a": 15.0}},
            [
                "there are 20 EUR of 'budget'",
                "'a' gets at least 50 % of 'budget' (10 EUR)",
                "'a' gets at least 15 or nothing",
                "'b' gets at least 6",
            ],
        ),
    ],
)
def test_infeasible_choices_name_a_smallest_conflict(curves, resource, arguments, requirements):
    with pytest.raises(InfeasibleError, match="no plan meets all requirements") as caught:
        allocate(curves, resource, **arguments)
    assert sorted(caught.value.requirements) == sorted(requirements)


def test_what_cannot_be_funded_is_no_error():
    plan = allocate(TWO_BY_TWO, BUDGET, minimum_if_funded=30.0)
    assert plan.total == 0
    assert plan.resources.loc["budget", "why"] == "left: 4 items whose least amount does not fit or pay"
    none = allocate(TWO_BY_TWO, Resource("agents", 0.5, integer=True))
    assert none.total == 0
    assert none.resources.loc["agents", "why"] == "left: less than one whole unit"
    dull = allocate({"a": HillCurve(0.0, 1.0, 3.0), "b": HillCurve(5.0, 1.0, 3.0)}, BUDGET)
    assert holds(dull)["a", "effort"] == "no response"
    assert allocate({"a": HillCurve(5.0, 1.0, 3.0)}, Resource("budget", 0.0)).total == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fixed_costs": -3.0}, ValueError, r"fixed_costs of 'a' \(mail\) must be finite and 0 or more, got -3.0"),
        ({"fixed_costs": {"mail": math.nan}}, ValueError, "fixed_costs of 'a'"),
        ({"fixed_costs": {"mail": {"money": 3}}}, ValueError, "names 'money', which is no resource"),
        ({"fixed_costs": {"male": 3.0}}, ValueError, "nearest: 'mail'"),
        ({"fixed_costs": {"mail": "3 EUR"}}, TypeError, "must be a number, got '3 EUR'"),
        ({"minimum_if_funded": 9.0, "bounds": (0, 5)}, ValueError, "above its upper bound of 5"),
        ({"minimum_if_funded": -1}, ValueError, "minimum_if_funded of 'a'"),
        ({"exclusive": "mail"}, TypeError, "exclusive must be True, a list of actions"),
        ({"exclusive": ["mail", "fax"]}, ValueError, "exclusive names 'mail'|exclusive names 'fax'"),
        ({"exclusive": [["mail", "call"], "mail"]}, TypeError, "not a mixture"),
        ({"exclusive": [[("a", "mail")]]}, ValueError, "two members or more"),
        ({"gap": 0.0}, ValueError, "gap must be a number above 0"),
        ({"gap": True}, ValueError, "gap must be a number above 0"),
        ({"time_limit": -1}, ValueError, "time_limit must be seconds above 0"),
    ],
)
def test_bad_choices(arguments, error, message):
    with pytest.raises(error, match=message):
        allocate(TWO_BY_TWO, BUDGET, **arguments)


def test_more_bad_choices():
    with pytest.raises(ValueError, match="here each has one"):
        allocate({"a": LogCurve(1, 1)}, BUDGET, exclusive=True)
    with pytest.raises(ValueError, match="comes in whole units"):
        allocate({"a": LogCurve(1, 1)}, Resource("agents", 3, integer=True), fixed_costs={"agents": 0.5})
    with pytest.raises(TypeError, match="integer of resource 'agents' must be True or False"):
        Resource("agents", 3, integer=1)


class _Broken(LogCurve):
    """A family whose values are no numbers."""

    @staticmethod
    def _value(params, effort):
        return np.full(np.shape(effort), np.nan)


def test_curves_that_give_nan_are_named():
    with pytest.raises(ValueError, match="curve of 'a' gives NaN"):
        allocate({"a": _Broken(1.0, 1.0), "b": LogCurve(1.0, 1.0)}, BUDGET)
    with pytest.raises(ValueError, match="scale must be finite"):
        LogCurve(math.nan, 1.0)
