"""Contact caps, and the price of least shares."""

import numpy as np
import pytest

from segmentation.allocation import InfeasibleError, Resource, allocate
from segmentation.curves import LinearCurve, LogCurve

KNOWN = {"randomized": True}
ONE = {"a": LogCurve(300.0, 1.0, **KNOWN), "b": LogCurve(100.0, 1.0, **KNOWN)}
TWO = {s: {"mail": LogCurve(30.0, 1.0, **KNOWN), "call": LogCurve(40.0, 0.5, **KNOWN)} for s in "ab"}
BUDGET = Resource("budget", 98.0, unit="EUR")


def test_one_action_is_an_upper_bound_by_hand():
    """At most 0.5 contacts for each of 80 customers: 40, and b gets the other 58."""
    plan = allocate(ONE, BUDGET, contact_cap=0.5, n_customers={"a": 80, "b": 1000})
    assert plan.efforts.tolist() == pytest.approx([40.0, 58.0])
    assert plan.table["holds"][0] == "contact cap of the segment"
    table = plan.contacts.set_index("segment")
    assert table.loc["a", ["most", "given", "binds"]].tolist() == [40.0, pytest.approx(40.0), True]
    assert not table.loc["b", "binds"]
    # one contact more in a, one less in b
    assert table.loc["a", "price"] == pytest.approx(300 / 41 - 100 / 59)
    assert "contact caps that bind: 'a'" in str(plan)


def test_several_actions_share_the_cap():
    """A call counts twice. The price of a contact equals what a little more of the cap brings."""
    given = {"contacts": {"call": 2.0}, "n_customers": {"a": 10.0, "b": 100.0}}
    plan = allocate(TWO, BUDGET, contact_cap=1.0, **given)
    a = plan.table[plan.table["segment"] == "a"].set_index("action")["effort"]
    assert a["mail"] + 2 * a["call"] == pytest.approx(10.0, rel=1e-9)
    # both actions bring the same per contact above what the budget would bring elsewhere
    price = float(plan.resources.loc["budget", "shadow_price"])
    per_contact = [30 / (1 + a["mail"]) - price, (20 / (1 + 0.5 * a["call"]) - price) / 2]
    assert plan.contacts.loc[0, "price"] == pytest.approx(per_contact[0], rel=1e-6)
    assert per_contact[0] == pytest.approx(per_contact[1], rel=1e-6)
    step = 1e-4
    more = allocate(TWO, BUDGET, contact_cap=1.0, **(given | {"n_customers": {"a": 10.0 + step, "b": 100.0}}))
    assert (more.total - plan.total) / step == pytest.approx(plan.contacts.loc[0, "price"], rel=1e-3)
    assert len(plan.resources) == 1
    assert plan.problem.is_feasible(plan.solution.x)


def test_caps_by_segment_and_with_choices():
    plan = allocate(TWO, BUDGET, contact_cap={"a": 0.5}, n_customers={"a": 10}, exclusive=True)
    by_segment = plan.table.groupby("segment")["effort"].sum()
    assert by_segment["a"] == pytest.approx(5.0)
    assert by_segment["b"] == pytest.approx(93.0)
    cheap = allocate(ONE, BUDGET, contact_cap=0.5, n_customers={"a": 80, "b": 99}, objective="cost", target=1400.0)
    assert cheap.efforts.iloc[0] == pytest.approx(40.0)
    assert cheap.total == pytest.approx(1400.0)
    missing = 1400.0 - 300 * np.log(41)
    assert cheap.cost == pytest.approx(40 + np.expm1(missing / 100), rel=1e-6)


def test_empty_segments_get_nothing_and_it_is_said():
    plan = allocate(ONE, BUDGET, n_customers={"a": 0, "b": 10})
    assert plan.efforts.tolist() == pytest.approx([0.0, 98.0])
    assert any("'a' may have no contact, or no customers" in text for text in plan.warnings)
    with pytest.raises(InfeasibleError) as caught:
        allocate(ONE, BUDGET, bounds={"a": (5, None)}, contact_cap=1, n_customers={"a": 4, "b": 10})
    assert caught.value.requirements == ("'a' gets at least 5", "'a' gets at most 4 contacts")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"contact_cap": 1.0}, ValueError, "give n_customers"),
        ({"contacts": 2.0}, ValueError, "is for contact_cap"),
        ({"contact_cap": 1.0, "n_customers": {"a": 3}}, ValueError, "needs n_customers of 'b'"),
        ({"contact_cap": -1.0, "n_customers": {"a": 3, "b": 3}}, ValueError, "contact_cap of 'a'"),
        ({"contact_cap": 1.0, "n_customers": {"a": -3, "b": 3}}, ValueError, "n_customers of 'a'"),
        ({"contact_cap": {"c": 1.0}, "n_customers": {"a": 3}}, ValueError, "names 'c', which is no segment"),
        ({"contact_cap": 1.0, "n_customers": 7}, TypeError, "n_customers must map"),
    ],
)
def test_bad_caps(arguments, error, message):
    with pytest.raises(error, match=message):
        allocate(ONE, BUDGET, **arguments)


def test_price_of_a_floor_of_one_action_by_hand():
    """Half for b: 300 / 50 for a unit in a, 100 / 50 in b; without, the plan is 74 and 24."""
    plan = allocate(ONE, BUDGET, min_share={"b": 0.5})
    row = plan.floors.iloc[0]
    assert row[["segment", "resource", "amount", "given"]].tolist() == ["b", "budget", 49.0, pytest.approx(49.0)]
    assert row["price"] == pytest.approx(6.0 - 2.0)
    without = 300 * np.log(75) + 100 * np.log(25)
    assert plan.floor_cost == pytest.approx(without - 400 * np.log(50), rel=1e-9)
    assert "least budget of b: one EUR less of it brings 4" in str(plan)
    free = allocate(ONE, BUDGET, min_share={"b": 0.1})
    assert free.floors["price"].tolist() == [0.0]
    assert free.floor_cost == pytest.approx(0.0, abs=1e-9)
    assert "least budget" not in str(free)


def test_price_of_a_floor_is_what_one_unit_less_brings():
    curves = {
        "a": {"mail": LogCurve(300, 1), "call": LogCurve(300, 1)},
        "b": {"mail": LinearCurve(1, 40), "call": LogCurve(9, 1)},
    }
    plan = allocate(curves, Resource("budget", 100), min_share={"b": 0.6})
    less = allocate(curves, Resource("budget", 100), min_share={"b": 0.6 - 1e-5})
    assert plan.floors["price"][0] == pytest.approx((less.total - plan.total) / 1e-3, rel=1e-3)
    cost = allocate(ONE, Resource("budget", 1000.0), min_share={"b": 0.05}, objective="cost", target=1600.0)
    other = allocate(ONE, Resource("budget", 1000.0), min_share={"b": 0.05 - 1e-6}, objective="cost", target=1600.0)
    assert cost.floors["price"][0] == pytest.approx((cost.cost - other.cost) / 1e-3, rel=1e-2)
    assert cost.floor_cost > 0
