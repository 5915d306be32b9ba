"""Who gets what: by hand, against fairlearn and cvxpy, what is hidden and counted, bad input."""

import importlib.util
import json
import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.allocation import (
    AllocationFairness,
    FairnessDisplay,
    Resource,
    allocate,
    allocation_fairness,
)
from segmentation.allocation._fairness_price import plan_with_parity
from segmentation.curves import LinearCurve, LogCurve, PowerCurve
from segmentation.exceptions import ColumnError, CustomerTableError

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_fairness.py"
TWO = {"loyal": LogCurve(300.0, 1.0, randomized=True), "new": LogCurve(100.0, 1.0, randomized=True)}


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_fairness", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_fairness"] = module
    spec.loader.exec_module(module)
    return module


def customers(cells):
    """Return segment and group of customers, from {(segment, group): count}; None is no value."""
    segment, group = [], []
    for (s, g), n in cells.items():
        segment += [s] * n
        group += [g] * n
    ids = pd.Index([f"c{i}" for i in range(len(segment))], name="customer_id")
    return pd.Series(segment, index=ids, dtype=object), pd.Series(group, index=ids, dtype=object, name="gender")


def rows(fair, measure):
    return fair.table[fair.table["measure"] == measure].set_index("group")


HAND = customers({("loyal", "f"): 40, ("loyal", "m"): 10, ("new", "f"): 10, ("new", "m"): 40})


def test_shares_and_ratios_by_hand():
    """74 for 50 loyal and 24 for 50 new: f gets 40 * 74/50 + 10 * 24/50 = 64, m 10 * 74/50 + 40 * 24/50 = 34."""
    fair = allocation_fairness(allocate(TWO, Resource("budget", 98.0)), *HAND)
    budget = rows(fair, "budget")
    assert budget["amount"].tolist() == pytest.approx([64.0, 34.0])
    assert budget["share"].tolist() == pytest.approx([64 / 98, 34 / 98])
    assert budget["per_customer"].tolist() == pytest.approx([1.28, 0.68])
    assert budget["ratio_to_average"].tolist() == pytest.approx([1.28 / 0.98, 0.68 / 0.98])
    assert budget["ratio_to_best"].tolist() == pytest.approx([1.0, 34 / 64])
    assert budget["share_of_customers"].tolist() == [0.5, 0.5]
    outcome = rows(fair, "outcome")
    loyal, new = 300 * math.log(75) / 50, 100 * math.log(25) / 50
    assert outcome["amount"].tolist() == pytest.approx([40 * loyal + 10 * new, 10 * loyal + 40 * new])
    summary = fair.summary.set_index("measure").loc["budget"]
    assert (summary["least"], summary["most"]) == ("m", "f")
    assert summary["minimum_ratio"] == pytest.approx(34 / 64)
    assert summary["difference"] == pytest.approx(0.6)
    assert budget["per_customer_low"].isna().all()  # nothing about effort is estimated


def test_price_of_parity_by_hand():
    """Equal per head: the same effort for both segments, 49 each, brings 400 log 50.

    For 0.8: with x for loyal and 98 - x for new f gets (40 x + 10 (98 - x)) / 50, m the rest; x = 2352 / 40.5.
    """
    plan = allocate(TWO, Resource("budget", 98.0))
    fair = allocation_fairness(plan, *HAND, parity=(1.0, 0.8, 0.5))
    best = 300 * math.log(75) + 100 * math.log(25)
    assert fair.price["outcome"][0] == pytest.approx(400 * math.log(50), rel=1e-7)
    assert fair.price["price"][0] == pytest.approx(best - 400 * math.log(50), abs=1e-4)
    x = 98 * (40 - 0.8 * 10) / (30 + 0.8 * 30)  # from 10 x + 40 (98 - x) = 0.8 (40 x + 10 (98 - x))
    assert fair.plans["gender", "budget", 0.8].tolist() == pytest.approx([x, 98 - x], rel=1e-6)
    assert fair.price["outcome"][1] == pytest.approx(300 * math.log1p(x) + 100 * math.log1p(98 - x), rel=1e-7)
    assert fair.price["minimum_ratio"].tolist() == pytest.approx([1.0, 0.8, 34 / 64])
    assert fair.price["price"][2] == 0.0  # the plan has it already: 34 / 64 > 0.5
    assert fair.price["effort_moved"][0] == pytest.approx(25 / 98)
    assert fair.price["price_share"][0] == pytest.approx((best - 400 * math.log(50)) / best, abs=1e-6)


def test_price_of_a_plan_for_the_least_cost():
    """The target of 400 log 50 with equal shares takes 98; without it, less: it is the price in money."""
    target = 400 * math.log(50)
    plan = allocate(TWO, Resource("budget", 500.0), objective="cost", target=target)
    row = allocation_fairness(plan, *HAND).price.iloc[0]
    assert plan.cost + row["more_money"] == pytest.approx(98.0, rel=1e-6)
    assert row["outcome"] == pytest.approx(target, rel=1e-6)
    assert np.isnan(row["price"])
    assert "more money" in str(allocation_fairness(plan, *HAND))


# the last: parity leaves nothing to curves whose first slope is endless
@pytest.mark.parametrize("seed", [*range(12), 209])
def test_price_equals_conic_solver(bench, seed):
    pytest.importorskip("cvxpy", reason="cvxpy is the oracle: pip install cvxpy")
    problem, per_head, parity = bench.random_problem(seed)
    found = plan_with_parity(problem, per_head, parity)
    assert found.total == pytest.approx(bench.conic(problem, per_head, parity), rel=1e-6)
    assert found.gap <= 1e-6
    assert bench.violation(problem, per_head, parity, found.x) <= 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_equals_fairlearn(seed):
    """Effort 0 or 1 per customer: demographic parity of the selection."""
    metrics = pytest.importorskip("fairlearn.metrics", reason="fairlearn is the oracle: pip install fairlearn")
    rng = np.random.default_rng(seed)
    ids = pd.RangeIndex(400, name="customer_id")
    code = rng.integers(0, 4, 400)
    group = pd.Series(rng.choice(list("abc"), 400), index=ids, name="g")
    chosen = np.array([1, 0, seed % 2, 0])
    effort = pd.Series(chosen * np.bincount(code), index=list("wxyz"))
    row = allocation_fairness(effort, pd.Series(np.array(list("wxyz"))[code], index=ids), group).summary.iloc[0]
    selected = chosen[code]
    assert row["minimum_ratio"] == pytest.approx(
        metrics.demographic_parity_ratio(selected, selected, sensitive_features=group)
    )
    assert row["difference"] == pytest.approx(
        metrics.demographic_parity_difference(selected, selected, sensitive_features=group)
    )


@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_amounts_add_up_whatever_the_groups(seed):
    """Groups of an attribute, those without value and in no segment included, get together what there is."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 300))
    ids = pd.RangeIndex(n, name="customer_id")
    segment = pd.Series(rng.choice(["a", "b", "c", None], n), index=ids, dtype=object)
    segment.iloc[:3] = ["a", "b", "c"]
    group = pd.Series(rng.choice(["f", "m", None], n), index=ids, name="g", dtype=object)
    effort = pd.Series(rng.random(3), index=list("abc"))
    fair = allocation_fairness(effort, segment, group, minimum_cell=1)
    assert fair.table["amount"].sum() == pytest.approx(effort.sum())
    assert fair.table["share"].sum() == pytest.approx(1.0)
    assert fair.table["n_customers"].sum() == n
    assert fair.table["n_unassigned"].sum() == segment.isna().sum()
    renamed = allocation_fairness(
        effort.rename({"a": "z"}), segment.replace({"a": "z"}).sample(frac=1, random_state=0), group, minimum_cell=1
    )
    assert renamed.table["amount"].tolist() == pytest.approx(fair.table["amount"].tolist())


def test_missing_and_unassigned_are_counted():
    segment, group = customers(
        {("loyal", "f"): 50, ("loyal", None): 20, ("new", "m"): 30, (None, "m"): 30, (None, None): 15}
    )
    fair = allocation_fairness(pd.Series({"loyal": 70.0, "new": 30.0}), segment, group)
    table = rows(fair, "effort")
    assert table.index.tolist() == ["f", "m", "missing"]
    assert table["n_customers"].tolist() == [50, 60, 35]
    assert table["n_unassigned"].tolist() == [0, 30, 15]
    assert table["amount"].tolist() == pytest.approx([50, 30, 20])
    assert table["per_customer"].tolist() == pytest.approx([1.0, 0.5, 20 / 35])
    assert table["compared"].tolist() == [True, True, False]
    text = " ".join(fair.warnings)
    assert "45 customers in no segment: counted as getting nothing" in text
    assert "35 customers without a known value" in text


def test_ids_on_one_side_only():
    segment, group = customers({("a", "f"): 30, ("a", "m"): 30})
    extra = pd.concat([group.iloc[10:], pd.Series(["m"] * 7, index=[f"x{i}" for i in range(7)], name="gender")])
    fair = allocation_fairness(pd.Series({"a": 60.0}), segment, extra.rename_axis("customer_id"))
    assert rows(fair, "effort")["n_customers"].to_dict() == {"f": 20, "m": 30, "missing": 10}
    assert any(text.startswith("7 customers of protected not in the assignment") for text in fair.warnings)
    assert any(text.startswith("10 customers of the assignment not in protected") for text in fair.warnings)


def test_small_cells_are_hidden_and_cannot_be_computed():
    segment, group = customers(
        {("a", "f"): 3, ("a", "m"): 40, ("a", "x"): 40, ("b", "f"): 50, ("b", "m"): 60, ("b", "x"): 50,
         ("c", "f"): 30, ("c", "m"): 30, ("c", "x"): 35}
    )  # fmt: skip
    fair = allocation_fairness(pd.Series({"a": 1.0, "b": 1.0, "c": 1.0}), segment, group)
    cells = fair.composition.set_index(["segment", "group"])["n_customers"].unstack().loc[["a", "b", "c"]]  # noqa: PD010
    assert pd.isna(cells.loc["a", "f"])
    hidden = cells.isna()
    # a row or column with one hidden cell would tell it
    assert (hidden.sum(axis=0) != 1).all()
    assert (hidden.sum(axis=1) != 1).all()
    assert fair.composition["share"].isna().sum() >= hidden.to_numpy().sum()
    shown = allocation_fairness(pd.Series({"a": 1.0, "b": 1.0, "c": 1.0}), segment, group, minimum_cell=1)
    assert shown.composition["n_customers"].notna().all()


def test_small_groups_are_not_shown():
    segment, group = customers({("a", "f"): 100, ("b", "m"): 90, ("b", "x"): 4, ("a", "y"): 30})
    fair = allocation_fairness(pd.Series({"a": 10.0, "b": 0.0}), segment, group)
    table = rows(fair, "effort")
    figures = [name for name in table.columns if name not in ("protected", "measure", "compared")]
    # x has four customers; y hides it, or the sum would tell
    assert table.loc[["x", "y"], figures].isna().all(axis=None)
    assert table["compared"].tolist() == [True, True, False, False]
    assert any("2 groups not shown" in text for text in fair.warnings)
    assert "too few" in str(fair)
    assert json.dumps(fair.to_dict())


def test_one_group_has_no_ratio_and_no_price():
    segment, group = customers({("loyal", "f"): 30, ("new", "f"): 30})
    fair = allocation_fairness(allocate(TWO, Resource("budget", 98.0)), segment, group)
    assert fair.summary["minimum_ratio"].isna().all()
    assert not len(fair.price)
    assert any("fewer than two groups" in text for text in fair.warnings)
    assert "fewer than two groups to compare" in str(fair)


def test_nobody_gets_any():
    fair = allocation_fairness(pd.Series({"loyal": 0.0, "new": 0.0}), *HAND)
    assert fair.summary["minimum_ratio"].isna().all()
    assert "nobody gets any" in str(fair)


def test_group_that_no_effort_reaches_stops_the_plan():
    segment, group = customers({("loyal", "f"): 30, ("new", "f"): 30, (None, "m"): 30})
    fair = allocation_fairness(allocate(TWO, Resource("budget", 98.0)), segment, group)
    row = fair.price.iloc[0]
    assert row["outcome"] == 0
    assert row["price_share"] == pytest.approx(1.0)
    assert row["reason"] == "only by giving nobody anything of it"
    least = allocate(TWO, Resource("budget", 98.0), bounds={"new": (5, None)})
    reason = allocation_fairness(least, segment, group).price.iloc[0]
    assert np.isnan(reason["outcome"])
    assert "against least amounts" in reason["reason"]


def test_what_parity_leaves_nothing_to_gets_nothing_and_proves_it():
    """Both segments reach mostly women: no mixture gives men 0.8 of what women get, and nobody gets any."""
    curves = {"loyal": PowerCurve(50.0, 1 / 3), "new": PowerCurve(9.0, 0.5), "web": LinearCurve(6.0)}
    problem = allocate(curves, [Resource("calls", 12.0), Resource("mails", 40.0)],
                       uses={"loyal": {"calls": 1.0, "mails": 1.0}, "new": {"calls": 1.0, "mails": 1.0},
                             "web": {"calls": 2.0, "mails": 0.0}}).problem  # fmt: skip
    per_head = np.array([[0.4, 0.3, 0.0], [0.1, 0.2, 0.0]])
    found = plan_with_parity(problem, per_head, 0.8)
    np.testing.assert_allclose(found.x, [0.0, 0.0, 6.0])
    assert found.gap <= 1e-12
    # where 0.6 is enough, those of the second segment can be had
    some = plan_with_parity(problem, per_head, 0.6)
    assert some.x[1] > 0.1
    assert some.gap <= 1e-6


def test_bounds_that_parity_cannot_keep():
    plan = allocate(TWO, Resource("budget", 98.0), bounds={"loyal": (60, None), "new": (0, 10)})
    row = allocation_fairness(plan, *HAND).price.iloc[0]
    assert np.isnan(row["price"])
    assert row["reason"] == "bounds, least shares and parity cannot all be met"


def test_intervals_from_draws_hold_every_draw_together():
    """The outcome of the loyal is 1, 2 or 3 times what it is; of the new known: the ratio follows in each draw."""
    draws = np.column_stack([np.repeat([1.0, 2.0, 3.0], 40), np.full(120, 10.0)])
    curves = {"loyal": LinearCurve(2.0, 10.0, draws=draws), "new": LinearCurve(2.0, 10.0)}
    segment, group = customers({("loyal", "f"): 50, ("new", "m"): 50})
    fair = allocation_fairness(allocate(curves, Resource("budget", 20.0)), segment, group, level=0.9)
    row = rows(fair, "outcome").loc["f"]
    assert (row["per_customer_low"], row["per_customer_high"]) == (0.2, 0.6)
    assert (row["share_low"], row["share_high"]) == pytest.approx((10 / 30, 30 / 50))
    assert rows(fair, "budget")["share_low"].isna().all()
    assert any("not assigned" in text or "assigned at random" in text for text in fair.warnings)


def test_resampling_gives_effort_an_interval_and_is_repeatable():
    plan = allocate(TWO, Resource("budget", 98.0))
    one = allocation_fairness(plan, *HAND, resample=True, random_state=3)
    two = allocation_fairness(plan, *HAND, resample=True, random_state=3)
    pd.testing.assert_frame_equal(one.table, two.table)
    budget = rows(one, "budget")
    assert (budget["per_customer_low"] < budget["per_customer"]).all()
    assert (budget["per_customer"] < budget["per_customer_high"]).all()
    # the amount per customer of f is a mean of 1.48 and 0.48 with 40 of 50: standard error sqrt(0.16 / 50)
    wide = budget.loc["f", "per_customer_high"] - budget.loc["f", "per_customer_low"]
    assert wide == pytest.approx(2 * 1.645 * math.sqrt(0.16 / 50), rel=0.15)


def test_several_attributes_and_all_together():
    segment, gender = HAND
    protected = pd.DataFrame(
        {"gender": gender, "age": np.where(np.arange(100) % 2, "old", "young")}, index=gender.index
    )
    fair = allocation_fairness(
        pd.Series({"loyal": 74.0, "new": 24.0}), segment, protected, combine=True, minimum_cell=1
    )
    assert list(fair.table["protected"].unique()) == ["gender", "age", "gender x age"]
    assert "f, young" in fair.table["group"].tolist()
    both = fair.table[fair.table["protected"] == "gender x age"]
    assert both["amount"].sum() == pytest.approx(98.0)


def test_actions_of_a_segment_and_resources():
    """Parity is per resource, all actions together; the other resource keeps its own."""
    curves = {
        s: {"mail": LogCurve(k, 1.0), "call": LogCurve(3 * k, 1.0)} for s, k in (("loyal", 300.0), ("new", 100.0))
    }
    plan = allocate(
        curves,
        [Resource("budget", 100.0), Resource("hours", 20.0)],
        uses={"mail": {"budget": 1.0}, "call": {"budget": 1.0, "hours": 0.5}},
    )
    fair = allocation_fairness(plan, *HAND)
    assert fair.price["resource"].tolist() == ["budget", "hours"]
    for resource, use in (("budget", {"mail": 1.0, "call": 1.0}), ("hours", {"mail": 0.0, "call": 0.5})):
        efforts = fair.plans["gender", resource, 1.0]
        taken = efforts * efforts.index.get_level_values("action").map(use)
        per_segment = taken.groupby(level="segment").sum()
        assert per_segment["loyal"] == pytest.approx(per_segment["new"], rel=1e-7)
    assert (fair.price["price"] > 0).all()
    assert set(fair.summary["measure"]) == {"budget", "hours", "outcome"}


def test_contact_caps_are_kept_under_parity():
    plan = allocate(TWO, Resource("budget", 98.0), contact_cap=1.0, n_customers={"loyal": 50, "new": 50})
    fair = allocation_fairness(plan, *HAND)
    assert fair.plans["gender", "budget", 1.0].max() <= 50 * (1 + 1e-9)
    assert fair.price["outcome"][0] == pytest.approx(400 * math.log(50), rel=1e-7)
    tight = allocate(TWO, Resource("budget", 98.0), contact_cap={"new": 0.1}, n_customers={"loyal": 50, "new": 50})
    assert allocation_fairness(tight, *HAND).plans["gender", "budget", 1.0].tolist() == pytest.approx([5.0, 5.0])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"fixed_costs": 5.0}, "there is no proof"),
        ({"risk": "mean"}, "not for the largest expected outcome"),
        ({"overlap": {("loyal",): 40, ("new",): 40, ("loyal", "new"): 10}}, "segments share customers"),
    ],
)
def test_plans_without_a_price_say_why_and_show_the_rest(settings, reason):
    draws = np.random.default_rng(0).lognormal(0, 0.1, (50, 2)) * [300.0, 1.0]
    curves = TWO | {"loyal": LogCurve(300.0, 1.0, draws=draws, randomized=True)}
    fair = allocation_fairness(allocate(curves, Resource("budget", 98.0), **settings), *HAND)
    assert np.isnan(fair.price["price"][0])
    assert reason in fair.price["reason"][0]
    assert reason in str(fair)
    assert fair.table["amount"].notna().all()
    assert any("share customers" in text for text in fair.warnings) == ("overlap" in settings)


def test_codes_and_tables_as_input():
    segment, group = HAND
    codes = group.map({"f": 1.0, "m": 2.0})
    codes.iloc[0] = np.nan
    table = pd.DataFrame({"segment": ["loyal", "loyal", "new"], "effort": [70, 4, 24.0], "outcome": [5.0, 1.0, 2.0]})
    fair = allocation_fairness(table, segment, codes)
    assert rows(fair, "effort").index.tolist() == ["1", "2", "missing"]
    assert rows(fair, "effort")["amount"].sum() == pytest.approx(98)  # who is not known is never hidden
    assert rows(fair, "effort").loc["missing", "n_customers"] == 1
    assert rows(fair, "outcome")["amount"].sum() == pytest.approx(8)
    assert any("has no draws" in text for text in fair.warnings)
    chosen = allocation_fairness(table.assign(calls=1.0), segment, codes, measures="calls")
    assert chosen.summary["measure"].tolist() == ["calls"]


def test_groups_stand_in_their_order():
    segment, group = HAND
    effort = pd.Series({"loyal": 74.0, "new": 24.0})
    bands = pd.cut(
        pd.Series(np.arange(100) % 80, index=group.index, name="age"), [-1, 8, 40, 99], labels=["<9", "9+", "41+"]
    )
    assert allocation_fairness(effort, segment, bands, minimum_cell=1).table["group"].tolist() == ["<9", "9+", "41+"]
    numbers = pd.Series(np.arange(100) % 12, index=group.index, name="code")
    table = allocation_fairness(effort, segment, numbers, minimum_cell=1).table
    assert table["group"].tolist() == [str(i) for i in range(12)]
    yes = pd.Series(np.arange(100) % 2 == 0, index=group.index, name="member")
    assert allocation_fairness(effort, segment, yes).table["group"].tolist() == ["False", "True"]


def test_polars_input():
    pl = pytest.importorskip("polars")
    segment, group = HAND
    frame = pl.DataFrame({"customer_id": segment.index.tolist(), "segment": segment.tolist()})
    who = pl.DataFrame({"customer_id": group.index.tolist(), "gender": group.tolist()})
    amounts = pl.DataFrame({"segment": ["loyal", "new"], "effort": [74.0, 24.0]})
    assert allocation_fairness(amounts, frame, who).table["amount"].tolist() == pytest.approx([64, 34])


def test_segments_on_one_side_are_said():
    segment, group = customers({("a", "f"): 20, ("b", "m"): 20})
    fair = allocation_fairness(pd.Series({"a": 5.0, "gone": 7.0}), segment, group)
    text = " ".join(fair.warnings)
    assert "7 of effort goes to segments without a customer" in text
    assert "1 segment of the assignment not in the allocation ('b'): 20 customers" in text
    assert fair.table["amount"].sum() == 5.0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"parity": 0.0}, ValueError, "at most 1"),
        ({"parity": 1.2}, ValueError, "at most 1"),
        ({"parity": True}, ValueError, "at most 1"),
        ({"parity": "equal"}, TypeError, "parity must be"),
        ({"parity": float("nan")}, ValueError, "at most 1"),
        ({"level": 1.0}, ValueError, "level must be"),
        ({"minimum_cell": 0}, ValueError, "minimum_cell must be"),
        ({"n_resamples": 3}, ValueError, "n_resamples must be"),
        ({"allocation": [1, 2]}, TypeError, "allocation must be a plan"),
        ({"allocation": pd.DataFrame({"money": [1.0]}, index=["a"])}, ColumnError, "no column 'effort'"),
        ({"allocation": pd.Series({"a": np.nan})}, ValueError, "must be finite"),
        ({"allocation": pd.Series({"a": -1.0})}, ValueError, "0 or more"),
        ({"allocation": pd.Series({"a": "much"})}, ColumnError, "must hold numbers"),
        ({"allocation": pd.Series({"z": 1.0})}, ValueError, "no segment of the allocation"),
        ({"allocation": pd.Series({"a": 1.0}).iloc[:0]}, ValueError, "has no row"),
        (
            {"protected": pd.Series(range(40), index=range(40), name="age")},
            CustomerTableError,
            "no customer is in both",
        ),
        ({"protected": ["f", "m"]}, TypeError, "protected must be"),
    ],
)
def test_bad_input(change, error, words):
    segment, group = customers({("a", "f"): 20, ("b", "m"): 20})
    call = {"allocation": pd.Series({"a": 5.0, "b": 5.0}), "assignment": segment, "protected": group} | change
    with pytest.raises(error, match=words):
        allocation_fairness(**call)


def test_attributes_that_are_no_groups():
    segment, group = customers({("a", "f"): 20, ("b", "m"): 20})
    ages = pd.Series(np.arange(40.0), index=group.index, name="age")
    with pytest.raises(ColumnError, match="cut it into groups"):
        allocation_fairness(pd.Series({"a": 1.0}), segment, ages)
    with pytest.raises(ColumnError, match="has no value for any customer"):
        allocation_fairness(pd.Series({"a": 1.0}), segment, ages * np.nan)


def test_a_result_is_a_result():
    fair = allocation_fairness(allocate(TWO, Resource("budget", 98.0)), *HAND, parity=(1.0, 0.8))
    assert isinstance(fair, AllocationFairness)
    assert str(fair) == repr(fair)
    assert str(fair).startswith("Who gets the effort: 100 customers by 'gender'")
    assert "'m' gets least per customer, 0.5312 of what 'f' gets" in str(fair)
    assert "equal budget per customer would cost" in str(fair)
    assert "at least 0.8 of the most budget" in str(fair)
    assert json.dumps(fair.to_dict())
    assert pickle.loads(pickle.dumps(fair)).summary.equals(fair.summary)
    pd.testing.assert_frame_equal(fair.to_pandas(), fair.table)


def test_html_is_escaped():
    segment, group = HAND
    html = allocation_fairness(pd.Series({"loyal": 1.0, "new": 2.0}), segment, group.replace("f", "<b>"))._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_picture_shows_groups_and_intervals():
    plt = pytest.importorskip("matplotlib.pyplot")
    segment, group = HAND
    fair = allocation_fairness(allocate(TWO, Resource("budget", 98.0)), segment, group, resample=True, random_state=0)
    display = FairnessDisplay.from_fairness(fair)
    ax = display.plot().ax_
    assert [label.get_text() for label in ax.get_yticklabels()] == ["f\n50 customers", "m\n50 customers"]
    assert [patch.get_width() for patch in ax.patches][:2] == pytest.approx([1.28 / 0.98, 0.68 / 0.98])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["budget", "outcome"]
    segments = [len(lines.get_segments()) for lines in ax.collections]
    assert segments == [2, 2]
    with pytest.raises(ValueError, match="protected must be one of 'gender'"):
        fair.plot(protected="age")
    with pytest.raises(ValueError, match="measures must be"):
        fair.plot(measures="money")
    plt.close("all")
