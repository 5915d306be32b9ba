"""The segment evaluation matrix: ratings, two axes, and what each criterion adds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.prioritizers import Criterion, Rating, WeightedPrioritizer


@pytest.fixture
def profile():
    """Ratings from 1 to 10 as people give them, and a figure."""
    return pd.DataFrame(
        {
            "n_customers": [100, 200, 300, 0, 40],
            "growth": [10.0, 7.0, 1.0, 5.0, 5.0],
            "reach": [4.0, 10.0, 1.0, 5.0, 5.0],
            "image": [1.0, 10.0, 5.5, 5.0, 5.0],
            "cost": [2.0, 4.0, 3.0, 1.0, 1.0],
        },
        index=["a", "b", "c", "empty", "unassigned"],
    )


BOTH = WeightedPrioritizer(
    {"growth": Rating(60), "reach": Rating(40)},
    competitiveness={"image": Rating(75), "cost": Criterion(25, higher_is_better=False)},
    competitiveness_weight=0.25,
    normalization="minmax",
)


def test_both_axes_and_the_score_by_hand(profile):
    table = BOTH.evaluate(profile).table
    attractiveness = {"a": 0.6 * 1 + 0.4 * 3 / 9, "b": 0.6 * 6 / 9 + 0.4 * 1, "c": 0.0}
    competitiveness = {"a": 0.75 * 0 + 0.25 * 1, "b": 0.75 * 1 + 0.25 * 0, "c": 0.75 * 0.5 + 0.25 * 0.5}
    assert table.index.tolist() == ["b", "a", "c", "empty", "unassigned"]
    for name in "abc":
        assert table.loc[name, "attractiveness"] == pytest.approx(attractiveness[name])
        assert table.loc[name, "competitiveness"] == pytest.approx(competitiveness[name])
        score = 0.75 * attractiveness[name] + 0.25 * competitiveness[name]
        assert table.loc[name, "priority_score"] == pytest.approx(score)
    assert table.loc[["empty", "unassigned"], ["attractiveness", "competitiveness"]].isna().all(axis=None)
    pd.testing.assert_series_equal(table["reason"], BOTH.prioritize(profile)["reason"])


def test_contributions_are_points_out_of_100(profile):
    result = BOTH.evaluate(profile)
    assert result.contributions.columns.tolist() == [
        ("attractiveness", "growth"),
        ("attractiveness", "reach"),
        ("competitiveness", "image"),
        ("competitiveness", "cost"),
    ]
    assert result.contributions.loc["b"].tolist() == pytest.approx([40, 40, 75, 0])
    sums = result.contributions["attractiveness"].sum(axis=1, skipna=False)
    np.testing.assert_allclose(sums, 100 * result.table["attractiveness"])
    assert result.settings["weights"] == {
        "attractiveness": {"growth": 60, "reach": 40},
        "competitiveness": {"image": 75, "cost": 25},
    }


def test_the_reason_names_both_axes(profile):
    reason = BOTH.prioritize(profile).loc["b", "reason"]
    assert reason == (
        "score 0.79 of 1: attractiveness 0.80 (counts 75 %: growth 7.00 adds 0.40; reach 10.00 adds 0.40); "
        "competitiveness 0.75 (counts 25 %: image 10.00 adds 0.75; cost 4.00 adds 0.00)"
    )


@pytest.mark.parametrize("weight", [0, 1])
def test_at_the_ends_one_axis_decides_alone(profile, weight):
    axis = ["attractiveness", "competitiveness"][weight]
    prioritizer = WeightedPrioritizer(
        BOTH.criteria, competitiveness=BOTH.competitiveness, competitiveness_weight=weight
    )
    table = prioritizer.evaluate(profile).table.dropna()
    np.testing.assert_allclose(table["priority_score"], table[axis])


def test_ratings_do_not_depend_on_the_other_segments(profile):
    prioritizer = WeightedPrioritizer({"growth": Rating(60), "reach": Rating(40, higher_is_better=False)})
    whole = prioritizer.prioritize(profile)["priority_score"]
    assert prioritizer.prioritize(profile.loc[["a", "b"]])["priority_score"].to_dict() == whole[["a", "b"]].to_dict()
    assert whole["a"] == pytest.approx(0.6 + 0.4 * 6 / 9)


def test_people_placing_a_segment_do_not_move_the_others(profile):
    plain = BOTH.evaluate(profile)
    placed = BOTH.evaluate(profile, overrides={"a": (None, "sold"), "c": (1, "promised")})
    assert placed.table.index.tolist()[:2] == ["c", "b"]
    assert placed.table.loc["a", "reason"].startswith("override: sold")
    columns = ["attractiveness", "competitiveness"]
    pd.testing.assert_frame_equal(placed.table.loc[["a", "b", "c"], columns], plain.table.loc[["a", "b", "c"], columns])


def test_without_competitiveness_there_is_one_axis(profile):
    result = WeightedPrioritizer({"growth": 1}).evaluate(profile)
    assert "competitiveness" not in result.table
    assert result.settings["competitiveness_weight"] is None
    assert result.table["attractiveness"].dropna().tolist() == [1, 0.5, 0]


def test_a_missing_rating_is_missing_on_its_axis(profile):
    gap = profile.assign(image=[1.0, np.nan, 5.0, 1.0, 1.0])
    table = BOTH.evaluate(gap).table
    assert np.isnan(table.loc["b", "competitiveness"])
    assert table.loc["b", "attractiveness"] == pytest.approx(0.8)
    assert pd.isna(table.loc["b", "priority"])


def test_everybody_knocked_out_is_a_defined_evaluation(profile):
    result = WeightedPrioritizer({"growth": 1}, knock_out={"growth": 99}).evaluate(profile)
    assert result.headline == "No segment is ranked; 5 rows are excluded."
    assert result.table["attractiveness"].isna().all()


def test_the_result_prints_and_becomes_plain_values(profile):
    result = BOTH.evaluate(profile.rename(index={"a": "<a>"}))
    assert str(result).startswith("'b' comes first of 3 segments; 2 rows are excluded.\n")
    assert "&lt;a&gt;" in result._repr_html_()
    assert "<a>" not in result._repr_html_()
    assert result.to_dict()["contributions"]["competitiveness"]["b"]["image"] == pytest.approx(75)
    assert result.to_pandas() is not result.table
    assert result.to_pandas().equals(result.table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"competitiveness": {}}, "competitiveness must be a mapping of profile column to weight"),
        ({"competitiveness": {"image": -1}}, "criterion 'image': the weight must be a positive number"),
        ({"competitiveness_weight": 1.1}, "competitiveness_weight must be a number from 0 to 1, got 1.1"),
        ({"competitiveness_weight": np.nan}, "from 0 to 1, got nan"),
        ({"competitiveness_weight": True}, "from 0 to 1, got True"),
        ({"criteria": {"growth": Rating(1, low=5, high=5)}}, "a rating needs finite ends, low below high"),
        ({"criteria": {"growth": Rating(1, high=np.inf)}}, "finite ends"),
        ({"criteria": {"growth": Rating(1, low="1")}}, "finite ends"),
        (
            {"criteria": {"growth": Rating(1, 1, 5)}},
            r"ratings in 'growth' must lie in 1 to 5, got 10.0, 7.0 for 'a', 'b'",
        ),
    ],
)
def test_wrong_parameters_are_refused(profile, arguments, message):
    given = {"criteria": {"growth": 1}, "competitiveness": {"image": 1}} | arguments
    with pytest.raises(ValueError, match=message):
        WeightedPrioritizer(**given).prioritize(profile)


@given(
    st.lists(st.tuples(*[st.integers(1, 10)] * 3), min_size=1, max_size=6),
    st.tuples(*[st.integers(1, 9)] * 3),
    st.floats(0, 1),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=40)
def test_order_names_and_unit_change_nothing(rows, weights, balance, random):
    """Ratings in other units with their scale, rows shuffled, segments renamed: the same axes."""
    frame = pd.DataFrame(rows, columns=["p", "q", "r"], dtype=float).assign(n_customers=5)
    frame.index = [f"s{i}" for i in range(len(frame))]

    def evaluated(table, low, high):
        return (
            WeightedPrioritizer(
                {"p": Rating(weights[0], low, high), "q": Rating(weights[1], low, high)},
                competitiveness={"r": Rating(weights[2], low, high)},
                competitiveness_weight=balance,
            )
            .evaluate(table)
            .table[["attractiveness", "competitiveness", "priority_score"]]
        )

    expected = evaluated(frame, 1, 10)
    shuffled = list(frame.index)
    random.shuffle(shuffled)
    other = frame.loc[shuffled].rename(index=lambda name: f"z{name}")
    other[["p", "q", "r"]] = 100 * other[["p", "q", "r"]] - 7
    got = evaluated(other, 93, 993).rename(index=lambda name: name[1:])
    pd.testing.assert_frame_equal(got.loc[expected.index], expected, rtol=1e-9, atol=1e-9)
