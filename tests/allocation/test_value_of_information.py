"""What it is worth to know the curve of a segment."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from segmentation.allocation import Resource, allocate, misallocation_cost, value_of_information
from segmentation.curves import ExponentialCurve, LinearCurve, LogCurve, from_lift

BUDGET = Resource("budget", 40.0)


def curves_of(*errors, n_draws=400):
    return {
        f"s{i}": from_lift(400.0, effort=20, se=se, half=10, n_draws=n_draws, random_state=i)
        for i, se in enumerate(errors)
    }


def test_one_segment_by_hand():
    # all goes to a (slope 3) rather than b (2); in half of the worlds a has slope 1, and 10 units are worth 10 less
    a = LinearCurve(3.0, draws=[[1.0, np.inf], [5.0, np.inf]] * 20)
    found = value_of_information({"a": a, "b": LinearCurve(2.0)}, Resource("budget", 10.0))
    assert found.table.loc["a", "value"] == pytest.approx(0.5 * 10 * (2 - 1))
    assert found.table.loc["a", "changes_plan"] == 0.5
    assert found.table.loc["b", "value"] == 0.0
    assert found.knowing_all == pytest.approx(5.0)
    assert any("'b'" in text and "without draws" in text for text in found.warnings)


def test_values_against_a_plain_loop():
    curves = curves_of(30, 120, 60, n_draws=40)
    found = value_of_information(curves, BUDGET)
    plan = allocate(curves, BUDGET)
    worth = []
    for top, rate in curves["s1"].draws:
        known = curves | {"s1": ExponentialCurve(top, rate)}
        best = allocate(known, BUDGET)
        here = sum(float(known[s].value(x)) for (s, _), x in plan.efforts.items())
        worth.append(best.total - here)
    assert found.table.loc["s1", "value"] == pytest.approx(np.mean(worth), rel=1e-6)
    assert found.table.loc["s1", "standard_error"] == pytest.approx(np.std(worth, ddof=1) / np.sqrt(40), rel=1e-6)


def test_the_least_known_segment_is_worth_most_and_a_known_one_nothing():
    found = value_of_information(curves_of(10, 160, 40), BUDGET)
    assert found.table.index.tolist() == ["s1", "s2", "s0"]
    assert (found.table["value"] >= 0).all()
    assert found.knowing_all >= found.table["value"].max() - 3 * found.knowing_all_se


def test_knowing_all_is_the_regret_of_acting_on_estimates():
    curves = curves_of(30, 120, 60)
    found = value_of_information(curves, BUDGET)
    cost = misallocation_cost({"s0": 40.0}, curves, BUDGET)
    assert found.knowing_all == pytest.approx(cost.regret, rel=1e-9)
    assert found.knowing_all_se == pytest.approx(cost.regret_se, rel=1e-9)


def test_a_larger_test_is_worth_more_and_perfect_knowledge_most():
    curves = curves_of(30, 120, 60)
    values = [
        value_of_information(curves, BUDGET, test_size=size).table["value"].sort_index().to_numpy()
        for size in (0.0, 0.2, 1.0, 10.0, None)
    ]
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    for smaller, larger in itertools.pairwise(values):
        assert (smaller < larger).all()


def test_costs_decide_the_order_and_the_headline():
    curves = curves_of(30, 120, 60)
    found = value_of_information(curves, BUDGET, test_cost={"s0": 0.0, "s1": 1e6, "s2": 0.0})
    assert found.table.index[-1] == "s1"
    np.testing.assert_allclose(found.table["net"], found.table["value"] - found.table["test_cost"])
    assert "A test pays most in 's2'" in str(found)
    assert "No test pays for itself" in str(value_of_information(curves, BUDGET, test_cost=1e6))


def test_all_actions_of_a_segment_are_learnt_together():
    curves = {(s, a): c for (s, c) in curves_of(60, 60).items() for a in ("mail", "call")}
    found = value_of_information(curves, BUDGET, uses={"budget": 1.0}, n_draws=20)
    assert found.table.index.tolist() == sorted(found.table.index, key=lambda s: -found.table.loc[s, "value"])
    assert len(found.table) == 2


def test_where_nothing_changes_no_test_pays():
    draws = [[300.0 + i, 1.0] for i in range(20)]
    found = value_of_information({"a": LogCurve(310.0, 1.0, draws=draws)}, BUDGET)
    assert found.table["value"].tolist() == pytest.approx([0.0], abs=1e-9)
    assert "No test pays" in str(found)


def test_as_a_result():
    found = value_of_information(curves_of(30, 60), BUDGET, test_size=1, n_draws=20)
    json.dumps(found.to_dict())
    assert found.to_pandas().equals(found.table)
    assert "<table" in found._repr_html_()
    assert any(text.startswith("One segment at a time") for text in found.warnings)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"curves": {"a": LogCurve(1.0, 1.0)}}, ValueError, "no curve has 20 draws"),
        ({"test_size": -1}, ValueError, "test_size of 's0' must be finite and 0 or more"),
        ({"test_cost": {"s0": 1.0}}, ValueError, "test_cost has nothing for 's1'"),
        ({"test_cost": {"x": 1.0}}, ValueError, "test_cost names 'x'"),
        ({"n_draws": 3}, ValueError, "n_draws must be"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        value_of_information(**({"curves": curves_of(30, 60), "resources": BUDGET} | arguments))
