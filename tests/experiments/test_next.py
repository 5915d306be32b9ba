"""What to test next: the allocation's value of information, sizes, costs and verdicts."""

import numpy as np
import pandas as pd
import pytest

from segmentation.allocation import Resource, value_of_information
from segmentation.curves import from_lift
from segmentation.experiments import analyze_experiment, curves_from_experiment, next_experiment, plan_experiment

CURVES = {
    "loyal": from_lift(500.0, effort=20, se=25, half=10, random_state=1),
    "new": from_lift(500.0, effort=20, se=200, half=10, random_state=2),
    "old": from_lift(100.0, effort=20, se=50, half=10, random_state=3),
}
BUDGET = Resource("budget", 40)


def test_values_are_those_of_the_allocation():
    found = next_experiment(CURVES, BUDGET, test_customers={"loyal": 1000, "new": 2000, "old": 500}, evidence=1000,
                            cost_per_customer=0.002, fixed_cost=1.0, horizon=3)  # fmt: skip
    size = {"loyal": 1.0, "new": 2.0, "old": 0.5}
    direct = value_of_information(CURVES, BUDGET, test_size=size).table
    table = found.table
    np.testing.assert_allclose(table["value"], 3 * direct["value"].reindex(table.index), rtol=1e-12)
    np.testing.assert_allclose(table["standard_error"], 3 * direct["standard_error"].reindex(table.index))
    np.testing.assert_allclose(table["test_cost"], 1 + 0.002 * table["n_test"])
    np.testing.assert_allclose(table["net"], table["value"] - table["test_cost"])
    assert table["net"].is_monotonic_decreasing
    assert table["data"].to_dict() == {name: size[name] for name in table.index}
    assert found.segment == table.index[0] == "new"
    assert found.headline.startswith("Test 'new' next with 2,000 customers")


def test_no_test_is_worth_too_much_money():
    found = next_experiment(CURVES, BUDGET, test_customers=1000, evidence=1000, cost_per_customer=10)
    assert found.segment is None
    assert (found.table["verdict"] == "not worth it").all()
    assert found.headline.startswith("No test is worth its cost")
    known = {name: from_lift(500.0, effort=20, half=10) for name in ("a", "b")}
    known["c"] = from_lift(500.0, effort=20, se=1e-9, half=10, random_state=0)
    free = next_experiment(known, BUDGET, test_customers=10, evidence=10)
    assert free.segment is None


def test_without_evidence_values_are_upper_bounds():
    upper = next_experiment(CURVES, BUDGET)
    tested = next_experiment(CURVES, BUDGET, test_customers=1000, evidence=1000)
    assert (upper.table["value"] >= tested.table["value"].reindex(upper.table.index) - 1e-9).all()
    assert any("upper bounds" in text for text in upper.warnings)
    assert upper.table["n_test"].isna().all()
    assert upper.segment is not None


def test_monte_carlo_error_can_leave_it_open():
    first = next_experiment(CURVES, BUDGET, test_customers=1000, evidence=1000, n_draws=100)
    row = first.table.loc["new"]
    found = next_experiment(CURVES, BUDGET, test_customers=1000, evidence=1000, n_draws=100,
                            fixed_cost={"new": row["value"], "loyal": 1e4, "old": 1e4})  # fmt: skip
    assert found.table.loc["new", "verdict"] == "cannot be told"
    assert "cannot be told" in found.headline
    assert found.segment is None


def experiment(n=3000):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"segment": rng.choice(list("abc"), n), "arm": rng.choice(["none", "mail"], n)})
    rows["spend"] = 10 + 2 * (rows["arm"] == "mail") + rng.normal(0, 4, n)
    return analyze_experiment(rows, segment="segment", arm="arm", outcomes="spend", control="none")


def test_from_experiment_and_plan_to_the_next():
    found = experiment()
    sizes = pd.Series({"a": 5000, "b": 400, "c": 30000}, name="n_customers")
    curves = curves_from_experiment(found, effort=1, n_customers=sizes, random_state=0, n_draws=200)
    plan = plan_experiment(
        sizes.to_frame(), metric="mean", baseline=pd.DataFrame({"mean": 10.0, "sd": 4.0}, index=list("abc")),
        minimum_lift=1.0)  # fmt: skip
    answer = next_experiment(
        curves, Resource("mails", 9000), plan=plan, evidence=found, cost_per_customer=0.01, horizon=4
    )
    needed = plan.table["n_needed"].astype(float)
    expected = np.minimum(needed, sizes).rename_axis("segment")
    pd.testing.assert_series_equal(answer.table["n_test"].sort_index(), expected, check_names=False)
    assert any("'b'" in text and "cannot fill" in text for text in answer.warnings)
    # a pooled effect rests on more than the segment's own customers
    raw = next_experiment(curves, Resource("mails", 9000), plan=plan, evidence=found, pooled=False, n_draws=50)
    own = found.estimates()
    n = own["n_control"] + own["n_treated"]
    np.testing.assert_allclose(raw.table["data"].sort_index(), expected / n)
    assert (answer.table["data"].sort_index() < raw.table["data"].sort_index()).all()


def test_a_segment_that_cannot_be_tested():
    found = next_experiment(
        CURVES, BUDGET, test_customers={"loyal": 100, "new": 0, "old": 100}, evidence=100, fixed_cost=1
    )
    assert found.table.loc["new", ["value", "test_cost", "verdict"]].tolist() == [0, 0, "no test possible"]
    assert found.table.index[-1] == "new"


@pytest.mark.parametrize(("more", "error", "text"), [
    ({"test_size": 1}, TypeError, "'test_size'"),
    ({"horizon": 0}, ValueError, "horizon"),
    ({"evidence": 5}, ValueError, "test_customers"),
    ({"cost_per_customer": 1}, ValueError, "size of the test"),
    ({"test_customers": -1}, ValueError, "0 or more"),
    ({"test_customers": {"new": 1}}, ValueError, "nothing for"),
    ({"test_customers": 1, "evidence": 0}, ValueError, "above 0"),
    ({"fixed_cost": -1}, ValueError, "0 or more"),
    ({"fixed_cost": dict.fromkeys(CURVES, "much")}, ValueError, "fixed_cost must be numbers"),
    ({"plan": 3}, TypeError, "plan must be what plan_experiment returned"),
    ({"test_customers": 10, "evidence": pd.DataFrame({"estimate": [1.0] * 3, "se": 1.0}, index=list(CURVES))},
     ValueError, "on how many customers"),
])  # fmt: skip
def test_bad_input(more, error, text):
    with pytest.raises(error, match=text):
        next_experiment(CURVES, BUDGET, **more)


def test_result_is_complete():
    found = next_experiment(CURVES, BUDGET, test_customers=100, evidence=1000)
    assert set(found.to_dict()) == {"headline", "segment", "table", "value_of_information", "settings", "warnings"}
    assert "<table" in found._repr_html_()
    labels = [text.get_text() for text in found.plot().get_yticklabels()]
    assert set(labels) == set(CURVES)
    assert found.to_pandas() is not found.table
    with pytest.raises(TypeError, match="curves must map"):
        next_experiment([], BUDGET)


def test_no_segment_can_be_tested():
    found = next_experiment(CURVES, BUDGET, test_customers=0, evidence=100)
    assert found.segment is None
    assert found.headline == "No test is possible: no segment has customers for one"


def test_values_do_not_depend_on_how_the_horizon_is_spelt():
    once = next_experiment(CURVES, BUDGET, test_customers=500, evidence=1000, fixed_cost=10, horizon=1)
    year = next_experiment(CURVES, BUDGET, test_customers=500, evidence=1000, fixed_cost=120, horizon=12)
    assert year.table["value"].to_numpy() == pytest.approx(12 * once.table["value"].to_numpy())
    assert year.table["verdict"].to_dict() == once.table["verdict"].to_dict()
