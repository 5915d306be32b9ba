"""What deciding by segment earns over treating all alike."""

from __future__ import annotations

import json

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from segmentation.allocation import Resource, ValueOfSegmentationDisplay, value_of_segmentation
from segmentation.curves import ExponentialCurve, LogCurve

BUDGET = Resource("budget", 98.0)


def experiment(seed, n=3000, n_segments=6, *, matters, gap=0.0, noise=12.0):
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, n_segments, size=n)
    arm = rng.choice(["none", "mail", "call"], size=n)
    effect = np.where(arm == "none", 0.0, gap)
    if matters:
        effect = np.where(arm == "none", 0.0, np.where((segment % 2 == 0) == (arm == "mail"), 3.0, 0.0))
    return {"outcome": 20 + effect + rng.normal(0, noise, size=n), "arm": arm, "assignment": segment}


# ---------------------------------------------------------------------- from rows
@pytest.mark.parametrize(("n_segments", "gap"), [(6, 0.0), (20, 0.0), (6, 1.5)])
def test_segments_that_mean_nothing_are_worth_nothing(n_segments, gap):
    held, values, hopes = [], [], []
    for seed in range(60):
        rows = experiment(seed, n_segments=n_segments, matters=False, gap=gap)
        found = value_of_segmentation(**rows, n_repeats=2, random_state=seed)
        held.append(found.earns.low <= 0 <= found.earns.high)
        values.append(found.earns.value)
        hopes.append(found.earns.uncorrected)
    # the limit of 0.9 widened by two Monte Carlo errors of 60 simulations
    assert np.mean(held) >= 0.9 - 0.08
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60) + 1e-9
    # on the rows that decide, every segmentation looks worth something
    assert min(hopes) > 0


def test_segments_that_matter_are_worth_what_they_bring():
    values, held = [], []
    for seed in range(30):
        found = value_of_segmentation(**experiment(seed, n=6000, matters=True, noise=6.0), random_state=seed)
        values.append(found.earns.value)
        held.append(found.earns.low <= 0.5 * 3.0 * 6000 <= found.earns.high)
    # alike brings 1.5 on average, by segment 3
    assert np.mean(values) == pytest.approx(0.5 * 3.0 * 6000, rel=0.05)
    assert np.mean(held) >= 0.78


def test_where_all_choose_the_same_arm_it_is_exactly_zero():
    rng = np.random.default_rng(0)
    arm = rng.choice(["a", "b"], size=600)
    found = value_of_segmentation(
        outcome=np.where(arm == "b", 10.0, 0.0) + rng.normal(size=600),
        arm=arm,
        assignment=rng.choice(["x", "y"], size=600),
        running_cost=5.0,
        random_state=0,
    )
    assert (found.earns.low, found.earns.value, found.earns.high) == (0.0, 0.0, 0.0)
    assert found.net.value == -5.0
    assert "it does not pay" in str(found)
    assert any("every segment chooses the arm that is best for all" in text for text in found.warnings)


def test_costs_of_arms_decide_and_the_running_cost_is_taken_off():
    rng = np.random.default_rng(1)
    segment, arm = rng.choice(["x", "y"], size=4000), rng.choice(["none", "call"], size=4000)
    outcome = np.where((arm == "call") & (segment == "x"), 6.0, 0.0) + rng.normal(size=4000)
    rows = {"outcome": outcome, "arm": arm, "assignment": segment, "random_state": 0}
    free = value_of_segmentation(**rows)
    # without a cost calling all is as good
    assert free.earns.value == pytest.approx(0.0, abs=200)
    paid = value_of_segmentation(**rows, arm_cost={"call": 2.0}, running_cost=1000.0, n_target=10_000)
    assert paid.earns.value == pytest.approx(0.5 * 2.0 * 10_000, rel=0.1)
    assert paid.net.value == pytest.approx(paid.earns.value - 1000)
    assert paid.table["arm"].to_dict() == {"x": "call", "y": "none"}
    assert paid.table["change"].sum() == pytest.approx(paid.earns.value)
    assert "it pays" in str(paid)


def test_rows_of_one_customer_are_kept_together():
    rows = experiment(3, n=400, matters=True)
    doubled = {name: np.concatenate([value] * 5) for name, value in rows.items()}
    who = np.concatenate([np.arange(400)] * 5)
    alone = value_of_segmentation(**doubled, customer=who, random_state=0)
    ignored = value_of_segmentation(**doubled, random_state=0)
    assert alone.settings["n_customers"] == 400
    assert alone.earns.high - alone.earns.low > 1.5 * (ignored.earns.high - ignored.earns.low)


def test_equal_seeds_give_equal_results_and_tables_are_taken():
    rows = experiment(4, matters=True)
    first = value_of_segmentation(**rows, random_state=7)
    assignment = pd.DataFrame({"segment": pd.Categorical(rows["assignment"])})
    again = value_of_segmentation(**(rows | {"assignment": assignment}), random_state=7)
    assert first.earns == again.earns


# ---------------------------------------------------------------------- from curves
def test_from_curves_by_hand():
    curves = {"a": LogCurve(300.0, 1.0), "b": LogCurve(100.0, 1.0)}
    found = value_of_segmentation(curves, BUDGET, n_customers={"a": 10, "b": 10}, running_cost=20.0)
    best = 300 * np.log(75) + 100 * np.log(25)
    alike = 400 * np.log(50)
    assert found.earns.value == pytest.approx(best - alike)
    assert found.net.value == pytest.approx(best - alike - 20)
    assert found.table["effort_alike"].tolist() == [49.0, 49.0]
    assert np.isnan(found.earns.low)


def test_curves_of_segments_that_mean_nothing_have_no_sure_potential():
    zero = []
    sizes = np.array([0.5, 1.0, 1.5, 2.0])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        curves = {}
        for i, size in enumerate(sizes):
            top = 100 * size * (1 + 0.2 * rng.normal())
            draws = np.column_stack([np.maximum(top + 20 * size * rng.normal(size=100), 0.0), np.full(100, 0.1 / size)])
            curves[i] = ExponentialCurve(max(top, 0.0), 0.1 / size, draws=draws)
        found = value_of_segmentation(curves, Resource("budget", 50.0), n_customers=dict(enumerate(sizes)))
        zero.append(found.potential.low <= 1e-9)
    assert np.mean(zero) >= 0.9 - 0.08


# ---------------------------------------------------------------------- both levels
def test_alike_and_by_segment_differ_by_what_is_earned():
    rng = np.random.default_rng(2)
    segment, arm = rng.choice(["x", "y"], size=4000), rng.choice(["none", "call"], size=4000)
    outcome = 20 + np.where((arm == "call") & (segment == "x"), 6.0, 0.0) + rng.normal(size=4000)
    found = value_of_segmentation(
        outcome=outcome, arm=arm, assignment=segment, arm_cost={"call": 2.0}, running_cost=500.0, n_target=1000,
        random_state=0,
    )  # fmt: skip
    # calling all brings 23 less 2, calling x only 23 less 1
    assert found.alike.low < 21_000 < found.alike.high
    assert found.by_segment.low < 22_000 < found.by_segment.high
    assert found.alike.uncorrected == pytest.approx(21_000, rel=0.01)
    assert found.by_segment.value - found.alike.value == pytest.approx(found.earns.value)


def test_from_curves_both_levels_are_told():
    rng = np.random.default_rng(0)
    curves = {
        k: LogCurve(100.0 * k, 1.0, draws=np.column_stack([100.0 * k * (1 + 0.1 * rng.normal(size=100)), np.ones(100)]))
        for k in (1, 2, 3)
    }
    found = value_of_segmentation(curves, BUDGET, n_customers=dict.fromkeys(curves, 10))
    seen = sum(100.0 * k * np.log1p(98 / 3) for k in (1, 2, 3))
    assert found.alike.uncorrected == pytest.approx(seen)
    assert found.alike.low < found.alike.value < found.alike.high
    assert found.alike.value == pytest.approx(seen, rel=0.02)
    assert found.by_segment.value - found.alike.value == pytest.approx(found.earns.value)
    bare = {k: LogCurve(100.0 * k, 1.0) for k in (1, 2)}
    known = value_of_segmentation(bare, BUDGET, n_customers={1: 1, 2: 1})
    assert known.alike.value == pytest.approx(300 * np.log(50))
    assert np.isnan(known.alike.low)


# ---------------------------------------------------------------------- as a picture
def test_the_picture_goes_from_alike_to_what_is_left():
    rows = experiment(5, matters=True)
    found = value_of_segmentation(**rows, period="a quarter", running_cost=1000, random_state=0)
    display = ValueOfSegmentationDisplay.from_value(found)
    steps = display.steps
    assert list(steps.index) == ["treating all alike", "deciding by segment", "running cost", "what is left"]
    assert steps["kind"].tolist() == ["alike", "segments", "cost", "left"]
    assert steps.loc["deciding by segment", ["start", "end"]].tolist() == [0.0, found.earns.value]
    assert steps.loc["deciding by segment", ["low", "high"]].tolist() == [found.earns.low, found.earns.high]
    assert steps.loc["running cost", ["start", "end"]].tolist() == [found.earns.value, found.net.value]
    assert steps.loc["what is left", ["end", "low", "high"]].tolist() == [
        found.net.value, found.net.low, found.net.high
    ]  # fmt: skip
    ax = found.plot()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0].startswith("treating all alike\nbrings ")
    assert labels[2:] == ["running cost", "what is left"]
    assert [text.get_text() for text in ax.texts][2] == "-1,000"
    assert len(ax.patches) == 3
    assert ax.get_title(loc="left").endswith(" a quarter")
    assert "90 % intervals" in ax.get_xlabel()
    given = plt.subplots()[1]
    assert found.plot(given) is given
    plt.close("all")


def test_the_picture_without_cost_and_draws_shows_neither():
    curves = {"a": LogCurve(300.0, 1.0), "b": LogCurve(100.0, 1.0)}
    found = value_of_segmentation(curves, BUDGET, n_customers={"a": 10, "b": 10})
    display = ValueOfSegmentationDisplay.from_value(found).plot()
    assert list(display.steps.index) == ["treating all alike", "deciding by segment", "best by segment (unknown)"]
    assert "interval" not in display.ax_.get_xlabel()
    assert display.steps["label"].iloc[0] == "treating all alike\nbrings 1,565"
    plt.close("all")


def test_as_a_result():
    rows = experiment(5, matters=True)
    rows["assignment"] = np.where(rows["assignment"] == 0, "<b>", "c")
    found = value_of_segmentation(**rows, period="a quarter", running_cost=3, random_state=0)
    json.dumps(found.to_dict())
    assert found.to_dict()["alike"]["value"] == found.alike.value
    assert str(found).startswith("Deciding by segment earns ")
    assert " a quarter over treating all alike" in str(found)
    assert "<b>" not in found._repr_html_()
    assert found.to_pandas().equals(found.table)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "got neither"),
        ({"curves": {"a": LogCurve(1.0, 1.0)}, "outcome": [1.0]}, ValueError, "got both"),
        ({"curves": {"a": LogCurve(1.0, 1.0)}, "resources": BUDGET}, ValueError, "give resources and n_customers"),
        ({"outcome": [1.0]}, ValueError, "arm, assignment is missing"),
        ({"level": 2}, ValueError, "level must be"),
        ({"outcome": [np.nan] * 20, "arm": ["a", "b"] * 10, "assignment": [0] * 20}, ValueError, "outcome must be fin"),
        ({"outcome": [1.0] * 20, "arm": ["a"] * 20, "assignment": [0] * 20}, ValueError, "at least two arms"),
        ({"outcome": [1.0] * 20, "arm": ["a", "b"] * 9, "assignment": [0] * 20}, ValueError, "arm must have one value"),
        ({"outcome": [1.0] * 4, "arm": ["a", "b"] * 2, "assignment": [0] * 4}, ValueError, "too few for 5 parts"),
        ({"outcome": [1.0] * 20, "arm": ["a", "b"] * 10, "assignment": [None] * 20}, ValueError, "assignment is miss"),
        (
            {"outcome": [1.0] * 20, "arm": ["a", "b"] * 10, "assignment": [0] * 20, "arm_cost": {"c": 1}},
            ValueError,
            "arm_cost names 'c'",
        ),
        (
            {"outcome": [1.0] * 20, "arm": ["a", "b"] * 10, "assignment": [0] * 20, "probability": {"a": 0.5}},
            ValueError,
            "probability has nothing for 'b'",
        ),
        (
            {"outcome": [1.0] * 20, "arm": ["a", "b"] * 10, "assignment": [0] * 20, "running_cost": -1},
            ValueError,
            "running_cost must be",
        ),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        value_of_segmentation(**arguments)
