"""Customers who moved and definitions that moved: known answers, an independent oracle, exact sums."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import CustomerTableError
from segmentation.monitoring import SplitMigrationDisplay, match_segments, refit, split_migration
from segmentation.monitoring._split_migration_parts import Labels, causes, changed_shares, parts
from segmentation.segmenters import KMeansSegmenter, RuleSegmenter


def rules(cut, high="high", low="low"):
    table = pd.DataFrame({"spend": [1.0, 99.0]}, index=pd.Index(["x", "y"], name="customer_id"))
    return RuleSegmenter({high: f"spend >= {cut}", low: f"spend < {cut}"}).fit(table)


def spend(**values):
    return pd.DataFrame({"spend": list(values.values())}, index=pd.Index(list(values), name="customer_id"))


def total(table):
    return table[["n_before", "left", "entered", "moved", "definition"]].sum(axis=1) - table["n_after"]


def test_only_customers_moved():
    then, now = spend(a=1, b=1, c=9), spend(a=1, b=9, c=9)
    result = split_migration(rules(5), then, rules(5), now)
    assert result.summary["share_moved"] == 1
    assert result.table["moved"].to_dict() == {"high": 1.0, "low": -1.0}
    assert (result.table["definition"] == 0).all()
    assert result.customers["cause"].to_dict() == {"a": "stayed", "b": "moved", "c": "stayed"}
    assert list(result.who("moved").index) == ["b"]


def test_only_the_definition_moved():
    then = spend(a=1, b=6, c=9)
    result = split_migration(rules(5), then, rules(8), then)
    assert result.summary["share_definition"] == 1
    assert result.table["definition"].to_dict() == {"high": -1.0, "low": 1.0}
    assert result.customers["cause"].to_dict() == {"a": "stayed", "b": "definition", "c": "stayed"}
    assert result.flows.to_dict("records") == [
        {"before": "high", "after": "low", "n": 1, "n_moved": 0.0, "n_definition": 1.0}
    ]


def test_all_causes_entries_and_exits_by_hand():
    #                 stayed, moved, definition, undone, left / entered
    then = spend(a=9, b=1, c=6, d=1, gone=9)
    now = spend(a=9, b=9, c=6, d=6, new=6)
    result = split_migration(rules(5), then, rules(8), now, order="moved_first", value=pd.Series(2.0, index=then.index))
    assert result.customers["cause"].to_dict() == {
        "a": "stayed", "b": "moved", "c": "definition", "d": "undone", "gone": "left", "new": "entered",
    }  # fmt: skip
    high = result.table.loc["high"]
    assert high.to_dict() == {
        "n_before": 3, "left": -1, "entered": 1, "moved": 2, "definition": -3, "n_after": 2, "change": -1,
    }  # fmt: skip
    other = result.orders.loc["definition_first"].loc["high"]
    assert other.to_dict() == {"left": -1, "entered": 0, "moved": 1, "definition": -1}
    shapley = result.orders.loc["shapley"].loc["high"]
    assert shapley.to_dict() == {"left": -1, "entered": 0.5, "moved": 1.5, "definition": -2}
    assert result.values.loc["high", "value_before"] == 6  # noqa: PD011
    assert "1 customer has no value" in " ".join(result.warnings)
    assert "1 customer moved by the old definition and came back by the new one" in str(result)
    assert result.summary["n_changed"] == result.summary["n_moved"] + result.summary["n_definition"] == 2


codes = st.integers(0, 3)
there = st.tuples(codes, codes, codes, codes)
before_only = st.tuples(codes, st.just(-1), codes, st.just(-1))
after_only = st.tuples(st.just(-1), codes, st.just(-1), codes)


def shapley_by_permutations(labels, weights, k):
    """Average over the six orders of: who is there, their features, the definition; the textbook formula."""

    def value(people, features, definition):
        result = np.zeros(k)
        for (a, p, q, b), weight in zip(labels, weights, strict=True):
            if a >= 0 and b >= 0:
                code = {(0, 0): a, (1, 0): p, (0, 1): q, (1, 1): b}[features, definition]
            elif a >= 0:
                code = -1 if people else (q if definition else a)
            else:
                code = (b if definition else p) if people else -1
            if code >= 0:
                result[code] += weight
        return result

    result = {name: np.zeros(k) for name in ("people", "features", "definition")}
    for order in itertools.permutations(result):
        state = dict.fromkeys(result, 0)
        for name in order:
            first = value(**state)
            state[name] = 1
            result[name] += (value(**state) - first) / math.factorial(3)
    return result


@given(st.lists(st.one_of(there, before_only, after_only), min_size=1, max_size=30), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_parts_are_the_shapley_value_and_add_up(rows, seed):
    array = np.array(rows).T
    labels = Labels(*array)
    weights = np.random.default_rng(seed).normal(size=len(rows))
    before = np.bincount(labels.before[labels.before >= 0], weights[labels.before >= 0], minlength=4)
    after = np.bincount(labels.after[labels.after >= 0], weights[labels.after >= 0], minlength=4)
    for order in ("shapley", "moved_first", "definition_first"):
        pieces = parts(labels, weights, 4, order)
        np.testing.assert_allclose(sum(pieces.values()), after - before, atol=1e-9)
    oracle, pieces = shapley_by_permutations(rows, weights, 4), parts(labels, weights, 4, "shapley")
    np.testing.assert_allclose(pieces["left"] + pieces["entered"], oracle["people"], atol=1e-9)
    np.testing.assert_allclose(pieces["moved"], oracle["features"], atol=1e-9)
    np.testing.assert_allclose(pieces["definition"], oracle["definition"], atol=1e-9)
    moved, definition = changed_shares(labels)
    changed = labels.stays & (labels.before != labels.after)
    np.testing.assert_array_equal(moved + definition, changed)
    found = causes(labels)
    assert set(found[changed]) <= {"moved", "definition", "both"}
    assert not set(found[labels.stays & ~changed]) & {"moved", "definition", "both", "left", "entered"}


def people(seed, centres, n=60):
    rng = np.random.default_rng(seed)
    values = np.concatenate([c + rng.normal(size=(n, 2)) for c in np.asarray(centres, dtype=float)])
    return pd.DataFrame(values, columns=["x", "y"], index=pd.RangeIndex(len(values), name="customer_id"))


CENTRES = [[0, 0], [9, 0], [0, 9]]


def test_refits_and_learnt_names():
    """New k-means models call their segments by size: a plain refit must not look as if everybody moved."""
    then = people(0, CENTRES)
    now = then.copy()
    now.iloc[:25] += [9, 0]  # from the first group to the second
    old = KMeansSegmenter(3, random_state=0).fit(then)
    plain, continued = (KMeansSegmenter(3, random_state=0).fit(now), refit(old, now, previous=old))
    for new in (plain, continued):
        result = split_migration(old, then, new, now)
        assert result.summary["n_changed"] == 25
        assert result.summary["share_moved"] == 1
        assert set(result.who("moved").index) == set(range(25))
    assert split_migration(old, then, plain, now).settings["match"] == "evidence"
    assert split_migration(old, then, continued, now).settings["match"] == "names"
    given_match = match_segments(old.assign(now), plain.assign(now))
    assert split_migration(old, then, plain, now, match=given_match).settings["match"] == "given"


def test_a_definition_that_splits_is_said():
    then = people(0, CENTRES)
    old, new = (KMeansSegmenter(k, scale=None, random_state=0).fit(then) for k in (2, 3))
    result = split_migration(old, then, new, then)
    assert result.summary["share_definition"] == 1
    assert "did not simply go on" in " ".join(result.warnings)
    np.testing.assert_allclose(total(result.table), 0, atol=1e-9)


def test_unassigned_is_a_row_where_there_are_any():
    table = spend(a=1, b=9)
    narrow = RuleSegmenter({"high": "spend >= 5"}).fit(table)
    wide = RuleSegmenter({"high": "spend >= 0"}).fit(table)
    result = split_migration(narrow, table, wide, table)
    assert list(result.table.index) == ["high", "unassigned"]
    assert result.table["definition"].to_dict() == {"high": 1.0, "unassigned": -1.0}
    assert list(split_migration(wide, table, wide, table).table.index) == ["high"]


def test_prints_and_converts_and_draws():
    plt = pytest.importorskip("matplotlib.pyplot")
    long = "the families who travel by train every summer and every winter with their large dog"
    then, now = spend(a=1, b=6, c=9, d=1), spend(a=9, b=6, c=9, d=1)
    result = split_migration(rules(5, high=long, low="<b>"), then, rules(8, high=long, low="<b>"), now)
    assert str(result).splitlines()[0] == (
        "Split of migration: 2 of 4 customers there at both dates changed segment (50.0 %): 50.0 % of this is "
        "customers who moved, 50.0 % definitions that moved"
    )
    assert "<b>" not in result._repr_html_()
    assert "…" in str(result)
    assert result.to_dict()["summary"]["n_changed"] == 2
    ax = SplitMigrationDisplay.from_result(result, outside=True).plot().ax_
    labels = ["customers who moved", "definition that moved", "entered", "left", "together"]
    assert sorted(text.get_text() for text in ax.get_legend().get_texts()) == labels
    assert all(len(label.get_text()) <= 30 for label in ax.get_yticklabels())
    assert result.plot().get_title(loc="left").endswith("50.0 % definitions that moved")
    plt.close("all")
    unchanged = split_migration(rules(5), then, rules(5), then)
    assert np.isnan(unchanged.summary["share_moved"])
    assert "0 of 4 customers" in str(unchanged)
    unchanged.plot()
    plt.close("all")
    with pytest.raises(TypeError, match="must come from split_migration"):
        SplitMigrationDisplay(1)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"order": "random"}, ValueError, "order must be one of"),
        ({"match": "size"}, ValueError, "match must be"),
        ({"X_new": np.array([[1.0]])}, CustomerTableError, "X_new must be a table with customer ids"),
        ({"X_new": spend(z=1)}, CustomerTableError, "no customer is in both"),
        ({"value": [1.0]}, TypeError, "value must be a pandas Series"),
    ],
)
def test_bad_arguments(change, error, text):
    full = {"model_old": rules(5), "X_old": spend(a=1), "model_new": rules(5), "X_new": spend(a=1)} | change
    with pytest.raises(error, match=text):
        split_migration(**full)


def test_asking_for_what_is_not_there():
    result = split_migration(rules(5), spend(a=1), rules(5), spend(a=1))
    with pytest.raises(ValueError, match="no cause 'fled'"):
        result.who("fled")
    with pytest.raises(ValueError, match="no segment 'x'"):
        result.who("moved", segment="x")
    assert list(result.who(["stayed"], segment="low").index) == ["a"]
