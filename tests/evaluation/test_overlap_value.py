"""Value of overlapping segments: exact sums against fractions, orders, draws, what is missing."""

import itertools
import json
import math
from fractions import Fraction

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.evaluation import overlap_value
from segmentation.evaluation._overlap_sums import Grid, exact_sums
from segmentation.exceptions import ColumnError, CustomerTableError

matplotlib.use("Agg")

money = st.floats(-1e12, 1e12, allow_nan=False, allow_subnormal=True)


@st.composite
def worlds(draw, elements=money):
    n, k = draw(st.integers(1, 25)), draw(st.integers(1, 6))
    member = draw(st.lists(st.lists(st.booleans(), min_size=k, max_size=k), min_size=n, max_size=n))
    values = draw(st.lists(elements, min_size=n, max_size=n))
    return np.array(member), np.array(values)


def table_of(member):
    return pd.DataFrame(member, columns=[f"s{j}" for j in range(member.shape[1])])


def exact(values):
    return sum((Fraction(float(value)) for value in values), Fraction(0))


@settings(max_examples=80, deadline=None)
@given(worlds(), st.sampled_from(["given", "greedy"]), st.randoms(use_true_random=False))
def test_everything_adds_up_to_the_last_bit(world, order, random):
    """In floats, by plain addition, in any order; and each figure is the exact one but for the grid."""
    member, values = world
    report = overlap_value(table_of(member), values, order=order)
    table, whole = report.table, report.whole["value"]
    parts = [*table["exclusive"], whole["shared"], whole["nobody"]]
    random.shuffle(parts)
    assert sum(parts) == whole["total"]
    assert np.add.reduce(parts) == whole["total"]
    assert (table["exclusive"] + table["shared"] == table["total"]).all()
    added = list(table["increment"])
    random.shuffle(added)
    assert sum(added) == whole["in_segments"]
    assert sum(table["split_evenly"]) == whole["in_segments"]
    assert whole["in_segments"] + whole["nobody"] == whole["total"]
    assert whole["exclusive"] + whole["shared"] == whole["in_segments"]
    assert report.waterfall["cumulative"].iloc[-1] == whole["in_segments"]
    n_in = member.sum(axis=1)
    size = sum((abs(Fraction(float(value))) for value in values), Fraction(0))
    close = size * member.shape[1] / 2**50
    assert abs(Fraction(whole["total"]) - exact(values)) <= close
    for j in range(member.shape[1]):
        row = table.iloc[j]
        assert abs(Fraction(row["exclusive"]) - exact(values[member[:, j] & (n_in == 1)])) <= close
        assert abs(Fraction(row["total"]) - exact(values[member[:, j]])) <= close


@settings(max_examples=40, deadline=None)
@given(worlds(st.floats(0, 1e9)))
def test_total_of_positive_values_is_that_of_fsum(world):
    member, values = world
    whole = overlap_value(table_of(member), values).whole["value"]
    assert math.isclose(whole["total"], math.fsum(values), rel_tol=2**-52)
    assert whole["double_counted"] == pytest.approx(
        sum(values[i] * max(0, member[i].sum() - 1) for i in range(len(values))), abs=1e-3, rel=1e-12
    )
    exceeds = math.fsum([whole["sum_of_segments"], -whole["in_segments"]])
    assert abs(whole["double_counted"] - exceeds) <= math.ulp(whole["sum_of_segments"])


def test_total_is_fsum_where_sums_of_sums_are_not():
    n_naive_differ = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = rng.lognormal(3, 2, 5_000)
        member = rng.random((5_000, 5)) < 0.3
        assert overlap_value(table_of(member), values).whole.loc["total", "value"] == math.fsum(values)
        n_in = member.sum(axis=1)
        naive = sum(values[member[:, j] & (n_in == 1)].sum() for j in range(5))
        naive += values[n_in > 1].sum() + values[n_in == 0].sum()
        n_naive_differ += naive != math.fsum(values)
    assert n_naive_differ > 0  # or this test could not fail


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e290, 1e290), min_size=1, max_size=40), st.integers(1, 4))
def test_exact_sums_are_those_of_fractions(values, n_codes):
    values = np.array(values)
    codes = np.arange(len(values)) % n_codes
    for code, found in enumerate(exact_sums(values, codes, None, n_codes)):
        assert found == exact(values[codes == code])


def test_exact_sums_of_the_widest_range():
    values = np.array([5e-324, 1e290, -1e290, 1e-310, 3.0, 1e16, -1e16, 2.0**-1074])
    (found,) = exact_sums(values, np.zeros(8, dtype=np.int64), None, 1)
    assert found == exact(values)


def test_a_grid_gives_the_rest_to_those_nearest():
    parts = [Fraction(1, 10**9), Fraction(1), Fraction(-1, 3)]
    grid = Grid(parts)
    whole = grid.one(sum(parts))
    rounded = grid.parts(parts, whole)
    assert sum(rounded) == whole
    assert all(abs(Fraction(a) - b) <= grid.unit for a, b in zip(rounded, parts, strict=True))
    empty = Grid([Fraction(0)])
    assert empty.parts([Fraction(0)], empty.one(Fraction(0))) == [0.0]


def test_figures_equal_brute_force():
    rng = np.random.default_rng(1)
    member = rng.random((300, 4)) < 0.35
    values = rng.integers(-50, 500, 300).astype(float)
    report = overlap_value(table_of(member), values, order=["s2", "s0", "s3", "s1"])
    n_in = member.sum(axis=1)
    taken = np.zeros(300, dtype=bool)
    for place, j in enumerate([2, 0, 3, 1], start=1):
        row = report.table.iloc[j]
        new = member[:, j] & ~taken
        taken |= member[:, j]
        assert row["position"] == place
        assert row["n_new"] == new.sum()
        assert row["increment"] == values[new].sum()
        assert row["cumulative"] == values[taken].sum()
        assert row["shared"] == values[member[:, j] & (n_in > 1)].sum()
        assert row["n_exclusive"] == (member[:, j] & (n_in == 1)).sum()
        assert row["split_evenly"] == pytest.approx((values / np.maximum(n_in, 1))[member[:, j]].sum())
    whole = report.whole
    assert whole["n_customers"].tolist() == [
        300, (n_in == 1).sum(), (n_in > 1).sum(), (n_in == 0).sum(), (n_in > 0).sum(), n_in.sum(),
        n_in.sum() - (n_in > 0).sum(),
    ]  # fmt: skip
    assert report.waterfall["segment"].tolist() == ["s2", "s0", "s3", "s1"]


def test_no_order_takes_more_than_the_total_or_less_than_the_exclusive():
    rng = np.random.default_rng(2)
    member, values = rng.random((200, 4)) < 0.4, rng.lognormal(2, 1, 200)
    names = [f"s{j}" for j in range(4)]
    seen = []
    for order in itertools.permutations(names):
        table = overlap_value(table_of(member), values, order=order).table
        assert (table["exclusive"] <= table["increment"] + 1e-9).all()
        assert (table["increment"] <= table["total"] + 1e-9).all()
        seen.append(table["increment"].to_numpy())
    np.testing.assert_allclose(np.min(seen, axis=0), table["exclusive"])
    np.testing.assert_allclose(np.max(seen, axis=0), table["total"])


def test_greedy_takes_what_adds_most():
    member = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 1]], dtype=bool)
    report = overlap_value(table_of(member), np.array([10.0, 10, 1, 4, 5]), order="greedy")
    assert report.settings["segments_in_order"] == ["s1", "s2", "s0"]
    assert report.waterfall["increment"].tolist() == [21.0, 9.0, 0.0]


def test_increments_are_what_the_rules_assign():
    """The order of rules is the given order: what a segment adds is the value of those who are assigned to it."""
    from segmentation.segmenters import RuleSegmenter

    rng = np.random.default_rng(3)
    people = pd.DataFrame({"age": rng.integers(18, 80, 400), "visits": rng.integers(0, 10, 400)})
    rules = {"loyal": "visits >= 6", "young": "age < 35", "old": "age >= 60"}
    table = RuleSegmenter(rules).match_table(people)
    values = pd.Series(rng.integers(1, 100, 400).astype(float), index=table.index)
    report = overlap_value(table, values)
    assigned = values.groupby(table["segment"], observed=False).sum()
    assert report.table.set_index("segment")["increment"].to_dict() == assigned.drop("unassigned").to_dict()
    assert report.whole.loc["nobody", "value"] == assigned["unassigned"]


def test_missing_values_and_strangers_are_counted():
    member = pd.DataFrame({"a": [True, True, False], "b": [True, False, False]}, index=pd.Index(list("xyz")))
    values = pd.Series([np.nan, 5.0, 7.0, 99.0], index=list("xyzq"), name="clv")
    report = overlap_value(member, values)
    assert report.whole.loc["total", "value"] == 12.0
    assert report.table["n_without_value"].tolist() == [1, 1]
    assert report.settings["n_without_value"] == 1
    assert report.settings["n_not_in_membership"] == 1
    assert "1 customer without a value" in str(report)
    assert "1 customer of the values not in membership" in str(report)
    assert report.table["n_customers"].tolist() == [2, 1]


def test_values_in_many_forms():
    member = table_of(np.array([[True, False], [True, True], [False, True]]))
    expected = overlap_value(member, np.array([1.0, 2.0, 4.0])).table
    several = pd.DataFrame({"a": [0, 0, 0], "clv": [1, 2, 4]})
    for values in (
        pd.Series([1, 2, 4]),
        several[["clv"]],
        pl.DataFrame({"customer_id": [2, 0, 1], "clv": [4, 1, 2]}),
        pd.Series([1, 2, 4]).astype("Int64"),
    ):
        pd.testing.assert_frame_equal(overlap_value(member, values).table, expected)
    pd.testing.assert_frame_equal(overlap_value(member, several, by="clv").table, expected)
    with pytest.raises(ColumnError, match="by="):
        overlap_value(member, several)


def test_shares_of_a_loss_are_missing():
    member = table_of(np.array([[True, False], [False, True]]))
    assert overlap_value(member, np.array([-5.0, 2.0])).table["share_of_total"].isna().all()
    mixed = overlap_value(member, np.array([-1.0, 3.0]))
    assert mixed.table["share_of_total"].isna().all()  # -0.5 and 1.5 are no shares
    assert any("negative value" in text for text in mixed.warnings)


def test_intervals_are_aggregated_within_draws():
    rng = np.random.default_rng(4)
    member, values = rng.random((60, 3)) < 0.4, rng.lognormal(1, 1, 60)
    shock = rng.normal(1, 0.2, (400, 1))  # all customers move together, so bounds of customers must not be added
    draws = values * shock * rng.lognormal(0, 0.1, (400, 60))
    report = overlap_value(table_of(member), values, draws=draws, level=0.8)
    n_in = member.sum(axis=1)
    for j in range(3):
        row = report.table.iloc[j]
        for name, who in (("total", member[:, j]), ("exclusive", member[:, j] & (n_in == 1))):
            expected = np.quantile(draws[:, who].sum(axis=1), [0.1, 0.9])
            np.testing.assert_allclose([row[f"{name}_low"], row[f"{name}_high"]], expected)
    row = report.whole.loc["double_counted"]
    excess = (draws * np.maximum(n_in - 1, 0)).sum(axis=1)
    np.testing.assert_allclose([row["value_low"], row["value_high"]], np.quantile(excess, [0.1, 0.9]))
    nobody = report.whole.loc["nobody"]
    np.testing.assert_allclose(nobody["value_high"], np.quantile(draws[:, n_in == 0].sum(axis=1), 0.9))
    assert report.settings["n_draws"] == 400
    assert " to " in str(report).splitlines()[0]


def test_draws_of_a_frame_are_aligned_by_customer():
    member = pd.DataFrame({"a": [True, True], "b": [True, False]}, index=["x", "y"])
    draws = pd.DataFrame({"y": [1.0, 2.0], "x": [10.0, 20.0]})
    values = pd.Series([1.5, 15.0], index=["y", "x"], name="clv")
    report = overlap_value(member, values, draws=draws, level=0.9)
    assert report.table.loc[1, "total_low"] == pytest.approx(10.5)
    with pytest.raises(ValueError, match="lack 1 customer"):
        overlap_value(member, values, draws=draws[["y"]])
    with pytest.raises(ValueError, match="not finite"):
        overlap_value(member, values, draws=draws.replace(2.0, np.nan))
    with pytest.raises(ValueError, match="totals of segments"):
        overlap_value(member, values, draws=draws.rename_axis(columns="segment"))


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (np.array([1.0]), {}, ValueError, "one per customer"),
        (pd.Series([1.0, np.inf, 1.0]), {}, ColumnError, "infinite"),
        (pd.Series(["1", "2", "3"]), {}, ColumnError, "not numbers"),
        (pd.Series([1.0], index=["q"]), {}, CustomerTableError, "no customer of values"),
        (pd.Series([np.nan] * 3), {}, CustomerTableError, "all are missing"),
        (pd.Series([1.0, 2, 3]), {"order": ["s0"]}, ValueError, "'s1'"),
        (pd.Series([1.0, 2, 3]), {"order": "best"}, ValueError, "'best'"),
        (pd.Series([1.0, 2, 3]), {"level": 90}, ValueError, "level"),
        (pd.DataFrame({"clv": [1.0, 2, 3]}), {"by": "value"}, ColumnError, "no column 'value'"),
    ],
)
def test_bad_input(values, options, error, message):
    with pytest.raises(error, match=message):
        overlap_value(table_of(np.ones((3, 2), dtype=bool)), values, **options)


@pytest.mark.parametrize("n_segments", [2, 30])
def test_picture_shows_the_order(n_segments):
    rng = np.random.default_rng(5)
    member, values = rng.random((200, n_segments)) < 0.3, rng.lognormal(1, 1, 200)
    table = table_of(member).rename(columns={"s0": "long " * 20})
    report = overlap_value(table, values, order="greedy", draws=values * rng.lognormal(0, 0.1, (50, 200)))
    ax = report.plot()
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert len(names) == n_segments
    assert all(name.startswith(f"{i}. ") for i, name in enumerate(names, start=1))
    widths = [patch.get_width() for patch in ax.patches[:n_segments]]
    np.testing.assert_allclose(widths, report.waterfall["exclusive"])
    matplotlib.pyplot.close(ax.figure)


def test_report_is_plain_values():
    report = overlap_value(table_of(np.eye(2, dtype=bool)), np.array([1.0, 2.0]))
    assert json.loads(json.dumps(report.to_dict()))["whole"][0] == {
        "figure": "total", "n_customers": 2, "value": 3.0,
    }  # fmt: skip
    named = overlap_value(table_of(np.eye(2, dtype=bool)).set_axis(["<b>", "c"], axis=1), np.array([1.0, 2.0]))
    assert "<b>" not in named._repr_html_()
    assert named.to_pandas() is not named.table


def test_an_order_that_is_none_is_refused_and_extreme_values_are_readable():
    ids = pd.RangeIndex(4, name="customer_id")
    members = pd.DataFrame({"a": [1, 1, 0, 0], "b": [0, 1, 1, 0]}, index=ids).astype(bool)
    values = pd.Series([10.0, 20, 5, 1], index=ids, name="clv")
    with pytest.raises(TypeError, match="order must be 'given', 'greedy' or a list of all segments, got int"):
        overlap_value(members, values, order=3)
    assert "3.5e+201 of 3.6e+201 in segments" in str(overlap_value(members, values * 1e200))
    assert "3.5e-199 of 3.6e-199 in segments" in str(overlap_value(members, values * 1e-200))
