"""ParetoPrioritizer, by hand, against the definition, and by what must change nothing."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from segmentation.exceptions import ColumnError
from segmentation.prioritizers import ParetoPrioritizer


@pytest.fixture
def profile():
    """a, b, c are the first front, d is beaten by b only, e by everybody."""
    return pd.DataFrame(
        {
            "n_customers": [10, 20, 30, 40, 50],
            "value": [9.0, 6.0, 2.0, 5.0, 1.0],
            "churn": [0.9, 0.5, 0.1, 0.6, 0.95],
        },
        index=list("abcde"),
    )


def test_fronts_by_hand(profile):
    plan = ParetoPrioritizer(maximize="value", minimize="churn").prioritize(profile)
    # within the first front: b dominates two, a and c only e; of these c is larger
    assert plan.index.tolist() == ["b", "c", "a", "d", "e"]
    assert np.floor(plan["priority_score"]).tolist() == [2, 2, 2, 1, 0]
    assert plan["reason"].to_dict() == {
        "b": "front 1 of 3: dominated by none; dominates 'd', 'e'",
        "c": "front 1 of 3: dominated by none; dominates 'e'; equal score with 'a': larger segment first, then by name",
        "a": "front 1 of 3: dominated by none; dominates 'e'; equal score with 'c': larger segment first, then by name",
        "d": "front 2 of 3: dominated by 'b' (value 6 against 5, churn 0.5 against 0.6)",
        "e": "front 3 of 3: dominated by 'a' (value 9 against 1, churn 0.9 against 0.95); also by 'b', 'c', 'd'",
    }


def test_crowding_by_hand(profile):
    """Of a (9, .9), b (6, .5), c (2, .1) the ends come first; with f between a and b, f is the more crowded."""
    front = pd.concat(
        [profile.loc[["a", "b", "c"]], pd.DataFrame({"n_customers": 99, "value": 8.0, "churn": 0.8}, index=["f"])]
    )
    plan = ParetoPrioritizer(maximize="value", minimize="churn", within="crowding").prioritize(front)
    # b: (8 - 2) / 7 + (0.8 - 0.1) / 0.8; f: (9 - 6) / 7 + (0.9 - 0.5) / 0.8
    assert plan.index.tolist() == ["c", "a", "b", "f"]
    assert plan["priority_score"].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3, 0])


def test_size_leaves_the_front_equal(profile):
    plan = ParetoPrioritizer(maximize="value", minimize="churn", within="size").prioritize(profile)
    assert plan.index.tolist() == ["c", "b", "a", "d", "e"]
    assert plan["priority_score"].tolist() == [2, 2, 2, 1, 0]


def test_equal_segments_do_not_dominate_each_other(profile):
    twins = profile.assign(value=1.0, churn=0.5)
    for within in ("dominates", "crowding", "size"):
        plan = ParetoPrioritizer(maximize="value", minimize="churn", within=within).prioritize(twins)
        assert plan["priority_score"].tolist() == [0] * 5
        assert plan.index.tolist() == list("edcba")


def test_one_criterion_is_its_order(profile):
    plan = ParetoPrioritizer(minimize=["churn"]).prioritize(profile)
    assert plan.index.tolist() == list("cbdae")


def test_missing_values_and_knock_outs_have_no_part(profile):
    gap = profile.assign(churn=[0.9, np.nan, 0.1, 0.6, 0.95])
    plan = ParetoPrioritizer("value", minimize="churn", knock_out={"value": 2}).prioritize(gap)
    assert plan.index.tolist() == ["d", "c", "a", "e", "b"]
    assert plan.loc["b", "reason"] == "no priority score: a value it rests on is missing"
    assert plan.loc["e", "reason"] == "excluded: value is 1, minimum 2"
    assert plan.loc["d", "reason"].startswith("front 1 of 1: dominated by none; dominates none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs columns to maximize or minimize, each once; there is none"),
        ({"maximize": "value", "minimize": ["value"]}, "'value' stands twice"),
        ({"maximize": 3}, "maximize must be a column of the profile or a list of them, got 3"),
        ({"maximize": "value", "within": "rank"}, "within must be one of 'dominates', 'crowding', 'size', got 'rank'"),
        ({"maximize": "value", "knock_out": 3}, "knock_out must be a mapping"),
    ],
)
def test_wrong_parameters_are_refused(profile, arguments, message):
    with pytest.raises(ValueError, match=message):
        ParetoPrioritizer(**arguments).prioritize(profile)


def test_columns_are_looked_for_with_the_nearest_name(profile):
    with pytest.raises(
        ColumnError, match=r"ParetoPrioritizer\(minimize=\.\.\.\): missing: 'chrn' \(nearest: 'churn'\)"
    ):
        ParetoPrioritizer(minimize="chrn").prioritize(profile)


def test_it_is_a_plain_estimator():
    prioritizer = ParetoPrioritizer("value", minimize=["churn"], within="size")
    assert clone(prioritizer).get_params() == prioritizer.get_params()


@st.composite
def profiles(draw):
    n = draw(st.integers(1, 8))
    column = st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(np.nan)), min_size=n, max_size=n)
    columns = {name: draw(column) for name in "pqr"}
    sizes = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    return pd.DataFrame({"n_customers": sizes, **columns}, index=[f"s{i}" for i in range(n)])


def dominated(profile, one, other):
    """The definition, word by word, for p and q up and r down."""
    signs = {"p": 1, "q": 1, "r": -1}
    pairs = [(sign * profile.loc[one, c], sign * profile.loc[other, c]) for c, sign in signs.items()]
    return all(b >= a for a, b in pairs) and any(b > a for a, b in pairs)


def make(within="dominates"):
    return ParetoPrioritizer(["p", "q"], minimize="r", within=within)


@given(profiles())
@settings(deadline=None, max_examples=40)
def test_fronts_are_those_of_the_definition(profile):
    plan = make().prioritize(profile)
    left, fronts = set(profile.dropna().index), []
    while left:
        fronts.append({one for one in left if not any(dominated(profile, one, other) for other in left)})
        left -= fronts[-1]
    found = np.floor(plan["priority_score"].dropna()).astype(int)
    assert {name: len(fronts) - 1 - score for name, score in found.items()} == {
        name: i for i, front in enumerate(fronts) for name in front
    }
    place = plan["priority"]
    for one, other in itertools.permutations(found.index, 2):
        if dominated(profile, one, other):
            assert place[other] < place[one]
            assert f"{other!r}" in plan.loc[one, "reason"]


@given(profiles(), st.sampled_from(["dominates", "crowding", "size"]), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_rows_names_and_units_change_nothing(profile, within, random):
    expected = make(within).prioritize(profile)["priority_score"]
    rows = list(profile.index)
    random.shuffle(rows)
    other = profile.loc[rows].rename(index=lambda name: f"other {name}")
    other["p"] = 1000 + 8 * other["p"] if within == "crowding" else np.exp(other["p"])
    got = make(within).prioritize(other)["priority_score"].rename(index=lambda name: name[6:])
    pd.testing.assert_series_equal(got.loc[expected.index], expected)
