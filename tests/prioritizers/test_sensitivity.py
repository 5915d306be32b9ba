"""How far weights can move: by hand, and against lists that are made anew with other weights."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.prioritizers import Criterion, Rating, WeightedPrioritizer

BALANCE = ("balance", "competitiveness_weight")


@pytest.fixture
def profile():
    return pd.DataFrame(
        {"n_customers": [3, 2, 1], "p": [10.0, 1.0, 5.5], "q": [1.0, 10.0, 5.5], "r": [1.0, 1.0, 7.0]},
        index=["a", "b", "c"],
    )


def test_two_criteria_by_hand(profile):
    """Values p 1, 0, 0.5 and q 0, 1, 0.5: a leads above a half; at a half all three are equal, and below it b leads."""
    result = WeightedPrioritizer({"p": Rating(70), "q": Rating(30)}).sensitivity(profile)
    assert result.table.index.tolist() == [("attractiveness", "p"), ("attractiveness", "q")]
    assert result.table.to_dict("list") == {
        "weight": [70.0, 30.0],
        "weight_low": [50.0, 0.0],
        "weight_high": [100.0, 50.0],
        "overtaken_below_by": ["b", None],
        "overtaken_above_by": [None, "b"],
        "margin": [20.0, 20.0],
    }
    assert str(result).startswith(
        "'a' stays first until the weight of 'p' goes from 70 below 50 %: then 'b' overtakes.\n"
    )


def test_three_criteria_by_hand(profile):
    """c gains in r, 6/9 of it: 1 - t/2 ... a has 0.5 of p : q = 70 : 30 shared out over 1 - t."""
    result = WeightedPrioritizer({"p": Rating(70), "q": Rating(20), "r": Rating(10)}).sensitivity(profile)
    # weight t of r, the others 7/9 and 2/9 of 1 - t: a has 7/9 (1 - t), c has 1/2 (1 - t) + 2/3 t
    crossing = (7 / 9 - 1 / 2) / (7 / 9 - 1 / 2 + 2 / 3)
    row = result.table.loc[("attractiveness", "r")]
    assert row["weight_high"] == pytest.approx(100 * crossing, rel=1e-12)
    assert row["overtaken_above_by"] == "c"
    assert row["overtaken_below_by"] is None


def test_the_weight_of_competitiveness_moves_too(profile):
    prioritizer = WeightedPrioritizer({"p": Rating(1)}, competitiveness={"q": Rating(1)}, competitiveness_weight=0.25)
    result = prioritizer.sensitivity(profile)
    assert result.table.loc[BALANCE, ["weight", "weight_low", "weight_high"]].tolist() == [25, 0, 50]
    assert result.table.loc[BALANCE, "overtaken_above_by"] == "b"
    assert "the weight of competitiveness goes from 25 above 50 %" in result.headline
    assert len(result.warnings) == 2
    assert result.table.drop(index=[BALANCE])["margin"].tolist() == [np.inf, np.inf]


def test_equal_leaders_cannot_move_towards_the_other(profile):
    """a and b are equal now, a is larger: with less of p b is ahead at once."""
    result = WeightedPrioritizer({"p": Rating(50), "q": Rating(50)}).sensitivity(profile.drop(index="c"))
    row = result.table.loc[("attractiveness", "p")]
    assert row[["weight_low", "weight_high", "margin"]].tolist() == [50, 100, 0]
    assert row["overtaken_below_by"] == "b"


def test_identical_segments_never_overtake(profile):
    twins = pd.concat([profile.loc[["a"]], profile.loc[["a"]].rename(index={"a": "twin"}).assign(n_customers=1)])
    result = WeightedPrioritizer({"p": Rating(70), "q": Rating(30)}).sensitivity(twins)
    assert result.headline == "'a' stays first whatever any one weight is."
    assert result.table["margin"].tolist() == [np.inf, np.inf]


def test_the_first_places_as_a_set(profile):
    prioritizer = WeightedPrioritizer({"p": Rating(70), "q": Rating(30)})
    assert prioritizer.prioritize(profile).index.tolist() == ["a", "c", "b"]
    result = prioritizer.sensitivity(profile, top=2)
    assert result.table.loc[("attractiveness", "p"), "weight_low"] == 50
    assert prioritizer.sensitivity(profile, top=3).headline == (
        "'a', 'c', 'b' stay the first 3 whatever any one weight is."
    )


def test_what_cannot_be(profile):
    prioritizer = WeightedPrioritizer({"p": 1})
    for top in (0, -1, 1.0, True):
        with pytest.raises(ValueError, match="top must be a whole number of at least 1"):
            prioritizer.sensitivity(profile, top=top)
    with pytest.raises(ValueError, match="no segment is ranked"):
        WeightedPrioritizer({"p": 1}, knock_out={"p": 99}).sensitivity(profile)


def test_excluded_segments_have_no_part(profile):
    prioritizer = WeightedPrioritizer({"p": Rating(70), "q": Rating(30)}, knock_out={"n_customers": 3})
    assert prioritizer.sensitivity(profile).headline == "'a' stays first whatever any one weight is."


# --- brute force: lists made anew with other weights


@st.composite
def cases(draw):
    n = draw(st.integers(2, 5))
    value = st.lists(st.integers(1, 5).map(float), min_size=n, max_size=n)
    gaps = st.lists(st.sampled_from([1.0, 2.0, 5.0, np.nan]), min_size=n, max_size=n)
    profile = pd.DataFrame(
        {"n_customers": draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))}
        | {name: draw(value) for name in "pqs"}
        | {"r": draw(st.one_of(value, gaps))},
        index=[f"s{i}" for i in range(n)],
    )
    weight = st.integers(1, 6)
    criteria = {name: Criterion(float(draw(weight)), draw(st.booleans())) for name in "pqr"}
    axis = draw(st.sampled_from([None, {"s": 2.0, "p": 3.0}]))
    prioritizer = WeightedPrioritizer(
        criteria,
        competitiveness=axis,
        competitiveness_weight=draw(st.sampled_from([0.25, 0.5, 0.8])),
        normalization=draw(st.sampled_from(["rank", "minmax"])),
    )
    return profile, prioritizer, draw(st.integers(1, 2))


def with_weight(prioritizer, axis, name, share):
    """Give one weight its share and rescale the others of its axis in proportion."""
    parameters = prioritizer.get_params()
    if axis == "balance":
        return WeightedPrioritizer(**parameters | {"competitiveness_weight": share})
    key = "criteria" if axis == "attractiveness" else axis
    given = {n: c if isinstance(c, Criterion) else Criterion(c) for n, c in parameters[key].items()}
    others = sum(c.weight for n, c in given.items() if n != name)
    changed = {n: c._replace(weight=share if n == name else c.weight / others * (1 - share)) for n, c in given.items()}
    return WeightedPrioritizer(**parameters | {key: changed})


def leaders(prioritizer, profile, top):
    plan = prioritizer.prioritize(profile)
    return list(plan.index[plan["priority"].notna()][:top])


@given(cases())
@settings(deadline=None, max_examples=25)
def test_it_equals_brute_force(case):
    profile, prioritizer, top = case
    first = leaders(prioritizer, profile, top)
    if not first:
        return
    for (axis, name), row in prioritizer.sensitivity(profile, top=top).table.iterrows():
        low, high = row["weight_low"] / 100, row["weight_high"] / 100
        inside = [low + (high - low) * part for part in (1e-4, 0.3, 0.5, 0.9, 1 - 1e-4)]
        for share in inside if high > low else []:
            got = leaders(with_weight(prioritizer, axis, name, share), profile, top)
            assert set(got) == set(first), (axis, name, share)
        for share, rival in ((low - 1e-7, row["overtaken_below_by"]), (high + 1e-7, row["overtaken_above_by"])):
            if rival is None:
                assert share < 0 or share > 1
                continue
            got = leaders(with_weight(prioritizer, axis, name, share), profile, top)
            assert set(got) != set(first), (axis, name, share)
            assert top > 1 or got == [rival]


@given(cases(), st.floats(0.01, 100), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=15)
def test_the_unit_of_weights_and_the_order_of_rows_change_nothing(case, factor, random):
    profile, prioritizer, top = case
    if not leaders(prioritizer, profile, top):
        return
    rows = list(profile.index)
    random.shuffle(rows)
    scaled = WeightedPrioritizer(
        **prioritizer.get_params()
        | {"criteria": {n: c._replace(weight=factor * c.weight) for n, c in prioritizer.criteria.items()}}
    )
    expected = prioritizer.sensitivity(profile, top=top).table
    got = scaled.sensitivity(profile.loc[rows], top=top).table
    pd.testing.assert_frame_equal(got, expected, rtol=1e-6, atol=1e-6)
