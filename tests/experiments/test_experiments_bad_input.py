"""What people bring by mistake: said clearly, counted, and never dropped in silence."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import (
    ExperimentAggregates,
    Outcome,
    aggregate_experiment,
    analyze_experiment,
    check_balance,
    confidence_sequence,
    correct_comparisons,
    minimum_segment_size,
    outcome_baseline,
    plan_experiment,
)

KEYS = {"segment": "tier", "arm": "arm", "control": "none"}


def rows(n=240, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "customer_id": np.arange(n), "tier": rng.choice(list("abc"), n), "arm": rng.choice(["none", "mail"], n),
        "spend": rng.gamma(2, 10, n), "visit": rng.random(n) < 0.4, "orders": rng.poisson(2, n),
        "before": rng.normal(size=n), "store": rng.integers(0, 30, n),
    })  # fmt: skip


@pytest.mark.parametrize("kind", ["pandas", "index", "polars", "lazy", "duckdb"])
def test_repeated_customers_are_counted_and_said(kind):
    table = pd.concat([rows(), rows().head(40)], ignore_index=True)
    if kind == "index":
        given = table.set_index("customer_id")
    elif kind in ("polars", "lazy"):
        polars = pytest.importorskip("polars")
        given = polars.from_pandas(table) if kind == "polars" else polars.from_pandas(table).lazy()
    elif kind == "duckdb":
        given = pytest.importorskip("duckdb").from_df(table)
    else:
        given = table
    found = analyze_experiment(given, **KEYS, outcomes="spend")
    assert found.settings["n_repeated"] == 40
    assert any(text.startswith("40 rows repeat a customer_id") for text in found.warnings)
    by_cluster = analyze_experiment(table, **KEYS, outcomes="spend", cluster="customer_id")
    assert by_cluster.settings["n_repeated"] == 0
    assert (by_cluster.segments["se"] > found.segments["se"]).all()
    assert analyze_experiment(rows(), **KEYS, outcomes="spend").settings["n_repeated"] == 0


def test_amounts_too_small_for_their_squares_are_no_proportions():
    found = analyze_experiment(rows().assign(spend=lambda t: t["spend"] * 1e-12), **KEYS, outcomes="spend")
    assert (found.segments["method"] == "means (Welch)").all()


def test_an_amount_that_never_varies_has_no_interval_however_large():
    found = analyze_experiment(rows().assign(spend=1e150), **KEYS, outcomes="spend")
    assert (found.segments["note"] == "no variation in either arm: no interval").all()


def test_what_was_left_out_is_in_the_saved_table_and_adds_up():
    table = rows()
    table.loc[:5, "arm"] = None
    table["held"] = table["before"] > -1
    made = aggregate_experiment(
        pd.concat([table, table.head(20)]), segment="tier", arm="arm", outcomes="spend", held_out="held"
    )
    assert made.settings["n_without_arm"] > 0
    assert made.settings["n_not_held_out"] > 0
    assert made.settings["n_repeated"] > 0
    read = ExperimentAggregates.from_table(made.to_table(), held_out="held")
    assert read.settings == {**made.settings, "cluster": None}
    assert (read + read).settings["n_without_arm"] == 2 * made.settings["n_without_arm"]
    assert analyze_experiment(read, control="none").warnings == analyze_experiment(made, control="none").warnings


def test_clusters_in_several_segments_are_said():
    found = analyze_experiment(rows(), **KEYS, outcomes="spend", cluster="store")
    assert any("clusters have customers in several segments" in text for text in found.warnings)
    alone = rows().assign(store=lambda table: table["store"].astype(str) + table["tier"] + table["arm"])
    found = analyze_experiment(alone, **KEYS, outcomes="spend", cluster="store")
    assert not any("in several segments" in text for text in found.warnings)


@pytest.mark.parametrize("more", [{}, {"covariates": ["before"]}, {"cluster": "store"}])
def test_a_ratio_without_denominators_is_none(more):
    table = rows()
    table.loc[table["tier"] == "a", "orders"] = 0
    found = analyze_experiment(table, **KEYS, outcomes=Outcome("spend", per="orders"), **more)
    row = found.segments.set_index("segment").loc["a"]
    assert row[["lift", "se", "lift_low", "p_value", "p_adjusted"]].isna().all()
    assert row["note"] == "denominators sum to 0 in an arm: no ratio"
    assert found.segments.set_index("segment").loc[["b", "c"], "lift_low"].notna().all()
    assert found.overall["lift_low"].notna().all()
    stratified = analyze_experiment(
        table, **KEYS, outcomes=Outcome("spend", per="orders"), overall="stratified", **more
    )
    assert np.isfinite(stratified.overall["lift"]).all()


@pytest.mark.parametrize("unit", [1e-12, 1e12, 1e70])
def test_the_unit_of_an_outcome_changes_no_test(unit):
    plain = analyze_experiment(rows(), **KEYS, outcomes="spend")
    found = analyze_experiment(rows().assign(spend=lambda t: t["spend"] * unit), **KEYS, outcomes="spend")
    for name in ("q", "p_value", "p_any", "p_adjusted"):
        assert found.interaction[name].to_numpy() == pytest.approx(plain.interaction[name].to_numpy(), rel=1e-9)
    assert found.interaction["between_sd"].item() == pytest.approx(plain.interaction["between_sd"].item() * unit)
    assert found.segments["p_adjusted"].to_numpy() == pytest.approx(plain.segments["p_adjusted"].to_numpy(), rel=1e-9)


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"spend": np.geomspace(1e150, 1e200, 240)}, {}, ColumnError, "too large to be squared"),
        ({"held": "yes"}, {"held_out": "held"}, ColumnError, "must be a column of True and False"),
        ({"held": False}, {"held_out": "held"}, CustomerTableError, "no customer for whom it is true"),
        ({}, {"segment": "arm"}, ValueError, "must be different columns, got 'arm', 'arm'"),
        ({}, {"level": "95"}, ValueError, "level must be at least .5"),
        ({}, {"power": True}, ValueError, "power must be at least .5"),
        ({}, {"shares": {"none": "half", "mail": 1}}, TypeError, "planned shares must be numbers, got 'half', 1"),
    ],
)
def test_bad_requests_say_what_came(change, options, error, message):
    table = rows().assign(**change)
    with pytest.raises(error, match=message):
        analyze_experiment(table, **{**KEYS, "outcomes": "spend", **options})


SUMS = {"tier": ["a", "a"], "arm": ["none", "mail"], "n": [100, 100], "sum_y": [10.0, 20.0], "sum_y_y": [10.0, 20.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": [-1, 100]}, "'n' must count customers"),
        ({"n": [1.5, 100]}, "'n' must count customers"),
        ({"n": [np.nan, 100]}, "'n' must count customers"),
        ({"n": [0, 100]}, "'sum_y_y' must hold a finite sum in every row that has customers, and 0"),
        ({"n_y": [200, 100]}, "'n_y' counts more customers than 'n'"),
        ({"sum_y": [np.nan, 20.0]}, "'sum_y' must hold a finite sum"),
        ({"sum_y": [np.inf, 20.0]}, "'sum_y' must hold a finite sum"),
        ({"sum_y": ["ten", "20"]}, "'sum_y' must hold numbers, got 'ten', '20'"),
        ({"sum_y_y": [0.001, 20.0]}, "no values have the sums of 'y'"),
        ({"sum_y_y": [-5.0, 20.0]}, "no values have the sums of 'y'"),
    ],
)
def test_impossible_sums_are_refused(change, message):
    with pytest.raises(ColumnError, match=message):
        ExperimentAggregates.from_sums(pd.DataFrame({**SUMS, **change}), segment="tier", arm="arm", outcomes="y")


def test_sums_of_nobody_may_be_missing():
    table = pd.DataFrame({**SUMS, "n": [100, 0], "sum_y": [10, None], "sum_y_y": [10, None]})
    made = ExperimentAggregates.from_sums(table, segment="tier", arm="arm", outcomes="y")
    assert made.moments["y"].n.tolist() == [0, 100] or made.moments["y"].n.tolist() == [100, 0]


def test_balance_refuses_what_it_cannot_compare_and_names_arms_as_text():
    ids = pd.RangeIndex(60, name="customer_id")
    arm = pd.Series(np.tile([0, 1], 30), index=ids)
    age = pd.Series(np.random.default_rng(0).normal(size=60), index=ids, name="age")
    check = check_balance(arm, age, control=0, random_state=0)
    assert check.settings["control"] == "0"
    assert list(check.table["arm"]) == ["1"]
    json.dumps(check.to_dict())
    clash = pd.DataFrame({"region": np.where(age > 0, "n", "s"), "region=n": age}, index=ids)
    with pytest.raises(ColumnError, match="compared as 'region=n', and another one is called that"):
        check_balance(arm, clash)
    with pytest.raises(ColumnError, match="too large to be squared"):
        check_balance(arm, age * 1e200)
    for alpha in (2, "x", True):
        with pytest.raises(ValueError, match="alpha must be a number between 0 and 1"):
            check_balance(arm, age, alpha=alpha)


def test_small_requests_say_what_came():
    with pytest.raises(ValueError, match="n_customers must be 0 or more"):
        minimum_segment_size(0.1, lift=0.1, n_customers=-5)
    with pytest.raises(TypeError, match="between_sd must be one or several numbers"):
        plan_experiment({"a": 10}, metric="proportion", baseline=0.1, minimum_lift=0.1, between_sd="x")
    with pytest.raises(TypeError, match="must be numbers: could not convert"):
        confidence_sequence(["a"], [1.0], [10])
    with pytest.raises(ValueError, match="tightest_at must be a number of customers"):
        confidence_sequence([1.0], [1.0], [10], tightest_at="x")
    ids = pd.RangeIndex(4, name="customer_id")
    with pytest.raises(ValueError, match="the outcome is infinite for customers 2"):
        outcome_baseline(pd.Series(list("aabb"), index=ids), pd.Series([1.0, 2.0, np.inf, 3.0], index=ids))
    with pytest.raises(ValueError, match="column 'lift' has infinite values"):
        correct_comparisons(pd.DataFrame({"lift": [np.inf], "se": [1.0]}))
    with pytest.raises(ValueError, match=r"degrees of freedom not above 0: -1\.0"):
        correct_comparisons(pd.DataFrame({"lift": [1.0], "se": [1.0], "df": [-1.0]}))


def test_names_that_mean_something_to_others_stay_names():
    names = {"a": "<script>alert(1)</script>", "b": "$0 - $100 \\frac{", "c": "z" * 200}
    table = rows().assign(tier=lambda t: t["tier"].map(names), **{"<b>$x_1$</b>": rows()["spend"]})
    found = analyze_experiment(table, **KEYS, outcomes=["<b>$x_1$</b>", "visit"])
    html = found._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert json.loads(json.dumps(found.to_dict()))["segments"][0]["segment"] in names.values()
    back = pickle.loads(pickle.dumps(found))
    assert str(back) == str(found)
    axes = found.plot()
    axes.figure.canvas.draw()
    assert any("$0 - $100" in label.get_text() for label in axes.get_yticklabels())
