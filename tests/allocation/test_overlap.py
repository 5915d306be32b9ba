"""Segments that share customers: by hand, against an independent solver, and what is said."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest

from segmentation.allocation import InfeasibleError, Resource, allocate
from segmentation.allocation._cells import read_cells
from segmentation.assignment import make_assignment
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve

KNOWN = {"randomized": True}
BUDGET = Resource("budget", 98.0, unit="EUR")
TWO = {"a": LogCurve(300.0, 1.0, **KNOWN), "b": LogCurve(100.0, 1.0, **KNOWN)}


def test_without_shared_customers_nothing_changes():
    plain, plan = allocate(TWO, BUDGET), allocate(TWO, BUDGET, overlap={("a",): 30, ("b",): 70})
    assert plan.efforts.tolist() == pytest.approx(plain.efforts.tolist(), rel=1e-9)
    assert plan.total == pytest.approx(plain.total, rel=1e-12)
    assert plan.gap <= 1e-6
    assert plan.overlap["double_counted"].tolist() == pytest.approx([0.0, 0.0], abs=1e-9)


def test_the_same_customers_are_served_once():
    """b has the same customers as a and answers less: all go to a, and b gets nothing."""
    plan = allocate(TWO, BUDGET, overlap={("a", "b"): 500})
    assert plan.efforts.tolist() == pytest.approx([98.0, 0.0])
    assert plan.total == pytest.approx(300 * math.log(99), rel=1e-9)
    assert plan.table["holds"][1] == "not funded: its customers are served as members of other segments"
    # ignoring it: 74 and 24 are paid, and what a brings at 74 is all that comes
    ignored = plan.overlap.loc["overlap ignored"]
    assert ignored["claimed"] == pytest.approx(300 * math.log(75) + 100 * math.log(25))
    assert ignored["counted_once"] == pytest.approx(300 * math.log(75))
    assert ignored["budget_twice"] == pytest.approx(24.0)
    assert ignored["double_counted"] == pytest.approx(100 * math.log(25))


def test_equal_segments_share_what_they_share_equally():
    """Two equal curves per customer: who serves the shared makes no difference, so each serves half of them."""
    curves = {"a": LogCurve(100.0, 0.5, **KNOWN), "b": LogCurve(100.0, 0.5, **KNOWN)}
    plan = allocate(curves, BUDGET, overlap={("a",): 60, ("b",): 60, ("a", "b"): 40})
    shared = plan.cells[plan.cells["cell"] == "a + b"]
    assert shared["served"].tolist() == pytest.approx([20.0, 20.0], rel=1e-3)
    assert plan.efforts.tolist() == pytest.approx([49.0, 49.0], rel=1e-3)
    # 160 customers instead of 200, each as before
    assert plan.total == pytest.approx(2 * 0.8 * 100 * math.log1p(0.5 * 49 / 0.8), rel=1e-8)
    assert plan.cells["served"].sum() == pytest.approx(160)
    assert plan.cells["budget"].sum() == pytest.approx(98.0)
    assert plan.cells["outcome"].sum() == pytest.approx(plan.total)


def test_what_ignoring_the_overlap_costs_has_an_interval():
    rng = np.random.default_rng(1)
    draws = np.column_stack([rng.normal(300, 30, 400), np.ones(400)])
    curves = {"a": LogCurve(300.0, 1.0, draws=draws, **KNOWN), "b": TWO["b"]}
    plan = allocate(curves, BUDGET, overlap={("a", "b"): 500})
    gain = draws[:, 0] * (math.log(99) - math.log(75))
    ignored = plan.overlap.loc["overlap ignored"]
    assert ignored["gain_of_plan"] == pytest.approx(300 * math.log(99 / 75))
    assert ignored[["gain_low", "gain_high"]].tolist() == pytest.approx(np.quantile(gain, [0.05, 0.95]).tolist())


def _conic(curves, cells, budget, floor=None, cap=None):
    """The same problem for cvxpy: shares of groups, effort per segment, perspectives of log and exponential."""
    cp = pytest.importorskip("cvxpy", reason="cvxpy is the oracle: pip install cvxpy")
    names = list(curves)
    members = {k: sum(n for key, n in cells.items() if k in key) for k in names}
    s = {(c, k): cp.Variable(nonneg=True) for c in cells for k in c}
    x = {k: cp.Variable(nonneg=True) for k in names}
    total, conditions = 0, [sum(x.values()) <= budget]
    conditions += [sum(s[c, k] for k in c) == 1 for c in cells]
    for k, curve in curves.items():
        v = sum(cells[c] / members[k] * s[c, k] for c in cells if k in c)
        if isinstance(curve, LogCurve):
            total = total + curve.scale * -cp.rel_entr(v, v + curve.rate * x[k])
        elif isinstance(curve, LinearCurve):
            y = cp.Variable()
            conditions += [y <= curve.slope_value * x[k], y <= curve.slope_value * curve.cap * v]
            total = total + y
        else:
            # top (v - v exp(-rate x / v)): u >= v exp(-rate x / v) is an exponential cone
            u, part = cp.Variable(), cp.Variable()
            conditions += [cp.ExpCone(-curve.rate * x[k], part, u), part == v]
            total = total + curve.top * (v - u)
        if cap is not None:
            conditions.append(x[k] <= cap * members[k] * v)
    for k, amount in (floor or {}).items():
        conditions.append(x[k] >= amount)
    problem = cp.Problem(cp.Maximize(total), conditions)
    problem.solve(solver="CLARABEL")
    return problem.value


@pytest.mark.parametrize("seed", range(6))
def test_equals_conic_solver(seed):
    rng = np.random.default_rng(seed)
    names = [f"s{k}" for k in range(rng.integers(2, 6))]
    families = [
        lambda: LogCurve(rng.uniform(50, 400), rng.uniform(0.05, 0.5), **KNOWN),
        lambda: ExponentialCurve(rng.uniform(100, 900), rng.uniform(0.01, 0.1), **KNOWN),
        lambda: LinearCurve(rng.uniform(2, 9), rng.uniform(10, 60), **KNOWN),
    ]
    curves = {name: families[rng.integers(3)]() for name in names}
    cells = {(name,): float(rng.integers(50, 500)) for name in names}
    for _ in range(5):
        chosen = tuple(sorted(rng.choice(names, size=min(len(names), rng.integers(2, 4)), replace=False).tolist()))
        cells[chosen] = float(rng.integers(20, 400))
    floor = {names[0]: 20.0} if seed % 2 else None
    cap = 0.15 if seed % 3 == 0 else None
    plan = allocate(
        curves,
        BUDGET,
        overlap=cells,
        min_share={names[0]: 20.0 / 98.0} if floor else None,
        contact_cap=cap,
    )
    assert plan.total == pytest.approx(_conic(curves, cells, 98.0, floor, cap), rel=2e-6)
    assert plan.gap <= 2e-6
    assert plan.problem.is_feasible(plan.solution.x)
    served = plan.cells.groupby("cell").agg(n=("n_customers", "first"), served=("served", "sum"))
    assert served["served"].tolist() == pytest.approx(served["n"].tolist())


def test_two_actions_and_resources_are_all_of_the_one_segment():
    """Customers of both are served by the segment whose mail and calls together bring more."""
    curves = {
        "a": {"mail": LogCurve(30.0, 1.0, **KNOWN), "call": LogCurve(40.0, 0.5, **KNOWN)},
        "b": {"mail": LogCurve(10.0, 1.0, **KNOWN), "call": LogCurve(10.0, 0.5, **KNOWN)},
    }
    resources = [Resource("budget", 60.0), Resource("hours", 8.0)]
    uses = {"mail": {"budget": 1.0}, "call": {"budget": 2.0, "hours": 0.5}}
    plan = allocate(curves, resources, uses=uses, overlap={("a", "b"): 10, ("a",): 90, ("b",): 90})
    assert set(plan.cells.loc[plan.cells["cell"] == "a + b", "segment"]) == {"a"}
    b = plan.problem.curves[2]
    assert b.value(9.0) == pytest.approx(0.9 * 10 * math.log(11))
    assert plan.gap <= 1e-6
    row = plan.resources
    assert (row["used"] + row["left"]).tolist() == pytest.approx([60.0, 8.0], abs=1e-9)


def test_order_and_names_change_nothing():
    curves = [LogCurve(100.0, 0.5, **KNOWN)] * 3 + [PowerCurve(20.0, 0.5, **KNOWN)]
    cells = {(0,): 10, (1,): 20, (2,): 30, (3,): 10, (0, 1): 40, (1, 2): 15, (0, 1, 2): 30, (2, 3): 25}
    plain = allocate(dict(enumerate(curves)), BUDGET, overlap=cells)
    order, new = [2, 0, 3, 1], {0: "z", 1: "m", 2: "q", 3: "b"}
    moved = allocate(
        {new[k]: curves[k] for k in order},
        BUDGET,
        overlap={tuple(new[k] for k in key): n for key, n in reversed(cells.items())},
    )
    assert moved.total == pytest.approx(plain.total, rel=1e-7)
    before, after = plain.table.set_index("segment")["effort"], moved.table.set_index("segment")["effort"]
    for k in range(4):
        assert after[new[k]] == pytest.approx(before[k], abs=0.02)


def test_cheapest_with_shared_customers():
    """All customers shared and a the better: as if there were a alone."""
    plan = allocate(
        TWO, Resource("budget", 1000.0), overlap={("a", "b"): 50}, objective="cost", target=300 * math.log(99)
    )
    assert plan.cost == pytest.approx(98.0, rel=1e-6)
    assert plan.gap <= 1e-6
    with pytest.raises(InfeasibleError, match=r"out of reach once each shared customer is counted once.*1,379"):
        allocate(TWO, BUDGET, overlap={("a", "b"): 50}, objective="cost", target=300 * math.log(101))


def test_a_plan_with_overlap_can_be_stored_and_taken_up_again():
    plan = allocate(TWO, BUDGET, overlap={("a", "b"): 50, ("b",): 50})
    again = pickle.loads(pickle.dumps(plan)).replan({"budget": 107.8})
    assert plan.scenarios.loc[("budget", 0.1), "outcome"] == pytest.approx(again.total)
    assert plan.to_dict()["cells"][0]["cell"]
    assert "share customers" in str(plan)


# ---------------------------------------------------------------------- who is in which segment
def _cells(given, names="ab"):
    cells = read_cells(given, list(names))
    return dict(zip(cells.names, cells.size.tolist(), strict=True)), cells.notes


def test_all_forms_of_membership_are_the_same():
    expected = {"a": 1.0, "b": 2.0, "a + b": 2.0}
    ids = pd.Index([f"c{i}" for i in range(6)], name="customer_id")
    frame = pd.DataFrame({"a": [1, 1, 1, 0, 0, 0], "b": [0, 1, 1, 1, 1, 0]}, index=ids).astype(bool)
    found, notes = _cells(frame)
    assert found == expected
    assert any("1 customer of overlap are in no segment" in text for text in notes)
    assert _cells(frame.astype(int).assign(segment="a"))[0] == expected
    grouped = pd.DataFrame(
        {"a": [True, False, True], "b": [False, True, True], "n_customers": [1, 2, 2]}, index=["x", "y", "z"]
    )
    assert _cells(grouped)[0] == expected
    assert _cells({("a",): 1, ("b",): 2, ("b", "a"): 2})[0] == expected
    one = make_assignment(np.array([0, 0, 0, -1, -1, -1]), np.ones((6, 1)), ["a"], ids)
    two = make_assignment(np.array([-1, 0, 0, 0, 0, -1]), np.ones((6, 1)), ["b"], ids)
    assert _cells({"first": one, "second": two})[0] == expected
    both = _cells({"first": one, "second": two.rename(columns=str)}, ["first: a", "second: b"])[0]
    assert both == {"first: a": 1.0, "second: b": 2.0, "first: a + second: b": 2.0}
    found, notes = _cells({("a",): 1, ("b", "c"): 2})
    assert found == {"a": 1.0, "b": 2.0}
    assert notes == ("Segments of overlap without a curve were left aside: 'c'.",)


@pytest.mark.parametrize(
    ("overlap", "error", "message"),
    [
        ({("a",): 3}, ValueError, "does not say who is in 'b'"),
        ({("a",): 3, ("b",): 0}, ValueError, "no customers in 'b'"),
        ({("a",): -3, ("b",): 3}, ValueError, "must be finite and 0 or more"),
        ([1, 2], TypeError, "overlap takes a table"),
        (pd.DataFrame({"a": [0.5, 1.0], "b": [0, 1]}, index=["x", "y"]), ValueError, "true or false"),
        (pd.DataFrame({"segment": ["a", "b"]}, index=["x", "y"]), ValueError, "nothing overlaps"),
        ({"one": pd.Series(["a", "b"], index=["x", "y"])}, ValueError, "takes two or more"),
        (
            {"one": pd.Series(["a"], index=["x"]), "two": pd.Series(["b"], index=["y"])},
            ValueError,
            "no customer stands in two",
        ),
        (
            {"one": pd.Series(["a", "b"], index=["x", "y"]), "two": pd.Series(["b", "a"], index=["x", "y"])},
            ValueError,
            "is in two assignments",
        ),
    ],
)
def test_bad_overlap(overlap, error, message):
    with pytest.raises(error, match=message):
        allocate(TWO, BUDGET, overlap=overlap)


def test_overlap_is_refused_where_its_model_does_not_hold():
    cells = {("a",): 5, ("a", "b"): 5}
    with pytest.raises(ValueError, match="all-or-nothing"):
        allocate(TWO, BUDGET, overlap=cells, fixed_costs=3.0)
    with pytest.raises(ValueError, match="S-shaped"):
        allocate({"a": HillCurve(3, 4, 2), "b": LogCurve(1, 1)}, BUDGET, overlap=cells)
    with pytest.raises(ValueError, match="count differently"):
        allocate(TWO, BUDGET, overlap=cells, contact_cap=3, n_customers={"a": 7})


def test_caps_per_customer_count_the_customers_that_are_served():
    """10 customers in both, one contact each: not two, whoever serves them."""
    plan = allocate(TWO, BUDGET, overlap={("a", "b"): 10}, contact_cap=1.0)
    assert plan.efforts.sum() == pytest.approx(10.0, rel=1e-6)
    assert plan.contacts["binds"].tolist() == [True]
    with pytest.raises(InfeasibleError) as caught:
        allocate(TWO, BUDGET, overlap={("a", "b"): 10, ("a",): 2}, contact_cap=1.0, bounds=(7, None))
    assert sorted(caught.value.requirements) == [
        "'a' gets at least 7",
        "'a' gets at most 1 contact for each customer that it serves",
        "'b' gets at least 7",
        "'b' gets at most 1 contact for each customer that it serves",
        "each customer is served as a member of one segment",
    ]


def test_effort_that_must_go_to_a_worse_segment_is_given():
    """All customers shared, b the worse: what b must get goes to few of them, and brings little, as it is proven."""
    for arguments in ({"bounds": {"b": (10, None)}}, {"min_share": {"b": 10 / 98}}):
        plan = allocate(TWO, BUDGET, overlap={("a", "b"): 3}, **arguments)
        assert plan.efforts.tolist() == pytest.approx([88.0, 10.0])
        # v 100 log(1 + 10 / v) + (1 - v) 300 log(1 + 88 / (1 - v)), at its best in v
        v = np.linspace(1e-7, 1e-2, 200_001)
        best = v * 100 * np.log1p(10 / v) + (1 - v) * 300 * np.log1p(88 / (1 - v))
        assert plan.total == pytest.approx(best.max(), rel=1e-6)
        assert plan.gap <= 1e-6


def test_nothing_to_give_or_to_gain_with_shared_customers():
    cells = {("a",): 5, ("b",): 7, ("a", "b"): 3}
    assert allocate(TWO, Resource("budget", 0.0), overlap=cells).total == 0
    dull = {"a": LogCurve(0.0, 1.0, **KNOWN), "b": LogCurve(3.0, 1.0, **KNOWN)}
    assert allocate(dull, Resource("budget", 5.0), overlap=cells).efforts.tolist() == pytest.approx([0.0, 5.0])
    full = {"a": ExponentialCurve(300, 0.1, **KNOWN), "b": ExponentialCurve(100, 0.1, **KNOWN)}
    endless = allocate(full, Resource("budget", math.inf), overlap=cells)
    # the shared count with a, where they bring 300 / 8 instead of 100 / 10 each
    assert endless.total == pytest.approx(300 + 100 * 7 / 10, rel=1e-6)
    assert allocate(TWO, BUDGET, overlap=cells, contact_cap=0.0).total == 0
