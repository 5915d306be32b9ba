"""WeightedPrioritizer, by hand and by the properties that a weighted sum has."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from segmentation.exceptions import ColumnError
from segmentation.prioritizers import Criterion, Limits, WeightedPrioritizer


@pytest.fixture
def profile():
    return pd.DataFrame(
        {
            "n_customers": [100, 200, 300, 400],
            "clv": [10.0, 20.0, 40.0, 0.0],
            "churn": [0.1, 0.3, 0.5, 0.2],
        },
        index=["a", "b", "c", "d"],
    )


CRITERIA = {"clv": 0.6, "churn": Criterion(0.4, higher_is_better=False)}


def scores(prioritizer, profile):
    return prioritizer.prioritize(profile)["priority_score"].to_dict()


def test_minmax_by_hand(profile):
    got = scores(WeightedPrioritizer(CRITERIA, normalization="minmax"), profile)
    expected = {
        "a": 0.6 * 10 / 40 + 0.4 * 4 / 4,
        "b": 0.6 * 20 / 40 + 0.4 * 2 / 4,
        "c": 0.6 * 40 / 40 + 0.4 * 0 / 4,
        "d": 0.6 * 0 / 40 + 0.4 * 3 / 4,
    }
    assert got == pytest.approx(expected)
    assert list(got) == ["c", "a", "b", "d"]


def test_ranks_by_hand(profile):
    got = scores(WeightedPrioritizer(CRITERIA), profile)
    expected = {
        "a": 0.6 * 1 / 3 + 0.4 * 3 / 3,
        "b": 0.6 * 2 / 3 + 0.4 * 1 / 3,
        "c": 0.6 * 3 / 3 + 0.4 * 0 / 3,
        "d": 0.6 * 0 / 3 + 0.4 * 2 / 3,
    }
    assert got == pytest.approx(expected)
    # c 0.6, a 0.6, b 0.53, d 0.27: c and a are equal, and c is larger
    plan = WeightedPrioritizer(CRITERIA).prioritize(profile)
    assert plan.index.tolist() == ["c", "a", "b", "d"]
    assert plan.loc["a", "reason"] == (
        "score 0.60 of 1: clv 10.00 adds 0.20; churn 0.10 adds 0.40; "
        "equal score with 'c': larger segment first, then by name"
    )


def test_ties_share_their_rank_and_do_not_stretch_the_others(profile):
    tied = profile.assign(clv=[5.0, 5.0, 1.0, 9.0])
    assert scores(WeightedPrioritizer({"clv": 1}), tied) == pytest.approx({"d": 1, "b": 0.5, "a": 0.5, "c": 0})


def test_one_giant_segment_flattens_minmax_but_not_ranks(profile):
    giant = profile.assign(clv=[1.0, 2.0, 3.0, 1e9])
    assert scores(WeightedPrioritizer({"clv": 1}), giant)["c"] == pytest.approx(2 / 3)
    assert scores(WeightedPrioritizer({"clv": 1}, normalization="minmax"), giant)["c"] < 1e-8


@pytest.mark.parametrize("normalization", ["rank", "minmax"])
def test_equal_segments_count_a_half_each(profile, normalization):
    same = profile.assign(clv=7.0)
    prioritizer = WeightedPrioritizer({"clv": 1}, normalization=normalization)
    assert set(scores(prioritizer, same).values()) == {0.5}
    assert scores(prioritizer, same.head(1)) == {"a": 0.5}


@pytest.mark.parametrize("normalization", ["rank", "minmax"])
def test_best_in_everything_is_1_and_worst_is_0(profile, normalization):
    best = profile.assign(clv=[1.0, 2.0, 3.0, 9.0], churn=[0.9, 0.5, 0.4, 0.1])
    got = scores(WeightedPrioritizer(CRITERIA, normalization=normalization), best)
    assert got["d"] == pytest.approx(1)
    assert got["a"] == pytest.approx(0)


def test_a_missing_value_of_a_criterion_puts_the_segment_last(profile):
    gap = profile.assign(churn=[0.1, np.nan, 0.5, 0.2])
    plan = WeightedPrioritizer(CRITERIA, normalization="minmax").prioritize(gap)
    assert plan.index.tolist() == ["c", "a", "d", "b"]
    assert plan.loc["b", "reason"] == "no priority score: a value it rests on is missing"
    # the criteria that it has still count in the normalisation: churn of the three others, clv of all four
    assert plan.loc["d", "priority_score"] == pytest.approx(0.4 * 0.75)


# --- knock-out


@pytest.mark.parametrize(
    ("limits", "out", "reason"),
    [
        (200, ["a"], "excluded: n_customers is 100, minimum 200"),
        ((200, None), ["a"], "excluded: n_customers is 100, minimum 200"),
        (Limits(minimum=200), ["a"], "excluded: n_customers is 100, minimum 200"),
        ((None, 300), ["d"], "excluded: n_customers is 400, maximum 300"),
        (Limits(maximum=300.0), ["d"], "excluded: n_customers is 400, maximum 300"),
        ((200, 300), ["a", "d"], "excluded: n_customers is 100, minimum 200"),
        (np.int64(101), ["a"], "excluded: n_customers is 100, minimum 101"),
        (100, [], None),  # a limit itself is allowed
    ],
)
def test_knock_out_limits(profile, limits, out, reason):
    plan = WeightedPrioritizer(CRITERIA, knock_out={"n_customers": limits}).prioritize(profile)
    assert plan.index[plan["priority"].isna()].tolist() == out
    assert not out or plan.loc[out[0], "reason"] == reason


def test_all_reasons_of_a_knock_out_are_given(profile):
    knock_out = {"n_customers": 150, "clv": (15, None), "churn": Limits(maximum=0.4)}
    plan = WeightedPrioritizer(CRITERIA, knock_out=knock_out).prioritize(profile)
    assert plan.index.tolist() == ["b", "a", "c", "d"]
    assert plan.loc["a", "reason"] == "excluded: n_customers is 100, minimum 150; clv is 10, minimum 15"
    assert plan.loc["c", "reason"] == "excluded: churn is 0.5, maximum 0.4"


def test_a_missing_value_of_a_knock_out_excludes(profile):
    gap = profile.assign(churn=pd.array([0.1, None, 0.5, 0.2], dtype="Float64"))
    plan = WeightedPrioritizer({"clv": 1}, knock_out={"churn": (None, 1)}).prioritize(gap)
    assert plan.loc["b", "reason"] == "excluded: churn is missing"


def test_criteria_are_normalised_over_those_that_are_left(profile):
    prioritizer = WeightedPrioritizer({"clv": 1}, knock_out={"n_customers": (None, 250)}, normalization="minmax")
    got = prioritizer.prioritize(profile)
    assert got.loc[["b", "a"], "priority_score"].tolist() == [1, 0]


def test_everybody_knocked_out_is_a_defined_result(profile):
    plan = WeightedPrioritizer(CRITERIA, knock_out={"clv": 1e9}).prioritize(profile)
    assert plan["priority"].isna().all()
    assert plan["reason"].str.startswith("excluded: clv is ").all()


def test_people_can_bring_back_a_knocked_out_segment(profile):
    plan = WeightedPrioritizer(CRITERIA, knock_out={"n_customers": 200}).prioritize(
        profile, overrides={"a": (1, "pilot")}
    )
    assert plan.index[0] == "a"
    assert plan.loc["a", "reason"] == "override: pilot (otherwise excluded: n_customers is 100, minimum 200)"


# --- what cannot be


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"criteria": {}}, "criteria must be a mapping of profile column to weight or Criterion"),
        ({"criteria": ["clv"]}, "criteria must be a mapping"),
        ({"criteria": None}, "criteria must be a mapping"),
        ({"criteria": {"clv": 0}}, r"criterion 'clv': the weight must be a positive number, got 0\."),
        ({"criteria": {"clv": -1}}, "For 'less is better' keep it positive"),
        ({"criteria": {"clv": np.nan}}, "got nan"),
        ({"criteria": {"clv": np.inf}}, "got inf"),
        ({"criteria": {"clv": "1"}}, "got '1'"),
        ({"criteria": {"clv": True}}, "got True"),
        ({"criteria": {"clv": (0.4, False)}}, r"got \(0\.4, False\)"),
        ({"normalization": "z"}, "normalization must be 'rank' or 'minmax', got 'z'"),
        ({"knock_out": ["clv"]}, "knock_out must be a mapping of profile column to limits"),
        ({"knock_out": {"clv": None}}, r"knock_out\['clv'\] must be a minimum"),
        ({"knock_out": {"clv": [1, 2]}}, "must be a minimum"),
        ({"knock_out": {"clv": (1, 2, 3)}}, "must be a minimum"),
        ({"knock_out": {"clv": True}}, "must be a minimum"),
        ({"knock_out": {"clv": (None, None)}}, "lets no segment, or every segment, through"),
        ({"knock_out": {"clv": (2, 1)}}, "lets no segment, or every segment, through"),
        ({"knock_out": {"clv": np.nan}}, r"knock_out\['clv'\]: a limit must be a number or None, got nan"),
        ({"knock_out": {"clv": ("1", None)}}, "a limit must be a number or None, got '1'"),
        ({"knock_out": {"clv": Limits(maximum=True)}}, "a limit must be a number or None, got True"),
    ],
)
def test_wrong_parameters_are_refused(profile, arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightedPrioritizer(**({"criteria": CRITERIA} | arguments)).prioritize(profile)


def test_columns_are_looked_for_with_the_nearest_name(profile):
    with pytest.raises(
        ColumnError, match=r"WeightedPrioritizer\(criteria=\.\.\.\): missing: 'Churn' \(nearest: 'churn'\)"
    ):
        WeightedPrioritizer({"Churn": 1}).prioritize(profile)
    with pytest.raises(ColumnError, match=r"WeightedPrioritizer\(knock_out=\.\.\.\): missing: 'size'"):
        WeightedPrioritizer({"clv": 1}, knock_out={"size": 1}).prioritize(profile)
    with pytest.raises(ColumnError, match=r"column 'town' holds .*not numbers"):
        WeightedPrioritizer({"town": 1}).prioritize(profile.assign(town="x"))


def test_it_is_a_plain_estimator():
    prioritizer = WeightedPrioritizer(CRITERIA, knock_out={"n_customers": 5}, normalization="minmax")
    assert clone(prioritizer).get_params() == prioritizer.get_params()
    assert "Criterion(weight=0.4, higher_is_better=False)" in repr(prioritizer)


def test_other_columns_of_the_profile_do_no_harm(profile):
    rich = profile.assign(town="x", signup=pd.Timestamp("2024-01-01"), gap=pd.array([None] * 4, dtype="Int64"))
    pd.testing.assert_frame_equal(
        WeightedPrioritizer(CRITERIA).prioritize(rich), WeightedPrioritizer(CRITERIA).prioritize(profile)
    )


# --- properties


@pytest.mark.parametrize("normalization", ["rank", "minmax"])
def test_a_tie_is_one_in_whatever_units_and_order_the_weights_are_given(normalization):
    """0.1 + 0.2 = 0.3 in arithmetic though not in binary: x and y are equal, and y is larger."""
    profile = pd.DataFrame(
        {"n_customers": [10, 20], "p": [1.0, 0.0], "q": [1.0, 0.0], "r": [0.0, 1.0]}, index=["x", "y"]
    )
    for weights in ((0.1, 0.2, 0.3), (1, 2, 3), (10, 20, 30), (0.7, 0.1, 0.8), (7, 1, 8)):
        for order in itertools.permutations(zip("pqr", weights, strict=True)):
            plan = WeightedPrioritizer(dict(order), normalization=normalization).prioritize(profile)
            assert plan.index.tolist() == ["y", "x"]
            assert plan["reason"].str.contains("equal score").all()


@st.composite
def cases(draw):
    n = draw(st.integers(1, 7))
    value = st.one_of(st.none(), st.integers(-5, 5).map(float))
    column = st.lists(value, min_size=n, max_size=n)
    profile = pd.DataFrame(
        {
            "n_customers": draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)),
            "p": draw(column),
            "q": draw(column),
            "r": draw(column),
        },
        index=[f"s{i}" for i in range(n)],
        dtype=float,
    )
    weights = {name: Criterion(draw(st.integers(1, 9)), draw(st.booleans())) for name in "pqr"}
    return profile, weights, draw(st.sampled_from(["rank", "minmax"])), draw(st.sampled_from([None, {"p": (-2, 4)}]))


@given(cases(), st.floats(0.001, 1000), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_depends_on_nothing_but_the_relative_weights(case, factor, random):
    profile, weights, normalization, knock_out = case
    plan = WeightedPrioritizer(weights, knock_out=knock_out, normalization=normalization).prioritize(profile)
    ranked = plan.loc[plan["priority"].notna(), "priority_score"]
    assert ranked.between(0, 1).all()
    assert (ranked.diff().dropna() <= 0).all()

    scaled = {name: Criterion(weight * factor, higher) for name, (weight, higher) in weights.items()}
    again = WeightedPrioritizer(scaled, knock_out=knock_out, normalization=normalization).prioritize(profile)
    pd.testing.assert_frame_equal(again, plan, check_exact=False, rtol=1e-9, atol=1e-9)

    rows = list(profile.index)
    random.shuffle(rows)
    order = list(weights)
    random.shuffle(order)
    shuffled = WeightedPrioritizer(
        {name: weights[name] for name in order}, knock_out=knock_out, normalization=normalization
    ).prioritize(profile.loc[rows])
    columns = ["priority", "priority_score"]
    pd.testing.assert_frame_equal(shuffled.loc[ranked.index, columns], plan.loc[ranked.index, columns])
    assert set(shuffled.index) == set(plan.index)


@given(cases())
@settings(deadline=None, max_examples=60)
def test_reversing_all_directions_reverses_the_scores(case):
    profile, weights, normalization, knock_out = case
    reverse = {name: Criterion(weight, not higher) for name, (weight, higher) in weights.items()}
    forward = WeightedPrioritizer(weights, knock_out=knock_out, normalization=normalization).prioritize(profile)
    backward = WeightedPrioritizer(reverse, knock_out=knock_out, normalization=normalization).prioritize(profile)
    np.testing.assert_allclose(
        backward["priority_score"].loc[forward.index].to_numpy(), 1 - forward["priority_score"].to_numpy(), atol=1e-9
    )


@given(cases())
@settings(deadline=None, max_examples=60)
def test_ranks_do_not_change_with_the_unit_and_minmax_not_with_scale_and_origin(case):
    profile, weights, normalization, _ = case
    prioritizer = WeightedPrioritizer(weights, normalization=normalization)
    other = profile.assign(p=np.exp(profile["p"]) if normalization == "rank" else 100 + 4 * profile["p"])
    expected, got = prioritizer.prioritize(profile), prioritizer.prioritize(other)
    columns = ["priority", "priority_score"]
    pd.testing.assert_frame_equal(got[columns], expected[columns], check_exact=False, rtol=1e-9, atol=1e-9)
