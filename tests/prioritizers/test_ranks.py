"""How sure the order is: by hand, against lists that are made in every world, and against normal theory."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import segmentation as sg
from segmentation.curves import LinearCurve
from segmentation.exceptions import ColumnError, OutputError, SegmentationWarning
from segmentation.prioritizers import (
    Criterion,
    ParetoPrioritizer,
    ReturnPrioritizer,
    ValuePrioritizer,
    WeightedPrioritizer,
    rank_table,
)
from segmentation.prioritizers._places import place_probability


@pytest.fixture
def profile():
    return pd.DataFrame(
        {
            "n_customers": [10, 20, 40, 0, 5],
            "clv_mean": [30.0, 10.0, 2.0, np.nan, 9.0],
            "clv_total": [300.0, 200.0, 80.0, 0.0, 45.0],
            "clv_share": [0.48, 0.32, 0.128, 0.0, 0.072],
            "clv_n": [10, 20, 40, 0, 5],
            "churn": [0.5, 0.4, 0.1, np.nan, 0.2],
        },
        index=pd.Index(["a", "b", "c", "empty", "unassigned"], name="segment"),
    )


@pytest.fixture
def draws():
    table = pd.DataFrame(
        {"a": [300.0, 310, 190, 250], "b": [200.0, 210, 220, 240], "c": [80.0, 70, 90, 245], "unassigned": 45.0}
    )
    table.attrs["score"] = "clv"
    return table


def test_by_hand(profile, draws):
    ranks = rank_table(ValuePrioritizer("clv_total"), profile, draws)
    assert ranks.probabilities.loc["a"].to_dict() == {1: 0.75, 2: 0.25, 3: 0, "excluded": 0}
    assert ranks.probabilities.loc["b"].to_dict() == {1: 0.25, 2: 0.5, 3: 0.25, "excluded": 0}
    assert ranks.probabilities.loc["c"].to_dict() == {1: 0, 2: 0.25, 3: 0.75, "excluded": 0}
    assert ranks.pairs.loc["a"].to_dict() == {"a": 0.5, "b": 0.75, "c": 1}
    table = ranks.table
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["priority"].tolist() == [1, 2, 3]
    assert table["priority_low"].tolist() == [1, 1, 2]
    assert table["priority_high"].tolist() == [2, 3, 3]
    assert table["p_priority"].tolist() == [0.75, 0.5, 0.75]
    assert table["p_ahead_of_next"].tolist()[:2] == [0.75, 0.75]
    assert table["told_apart"].tolist() == [False, False, pd.NA]
    assert table["tier"].tolist() == [1, 1, 1]
    assert ranks.headline == "'a' comes first with a probability of 0.75; cannot be told apart: 'a' and 'b' and 'c'."
    assert ranks.settings["source"] == "draws"
    assert ranks.warnings == ("only 4 draws: a probability is known to about +- 0.50 at worst",)
    # with less asked for, all are told apart
    less = rank_table(ValuePrioritizer("clv_total"), profile, draws, level=0.75)
    assert less.table["tier"].tolist() == [1, 2, 3]
    assert less.headline.endswith("all neighbours are told apart at 75 %.")


def test_totals_give_means_and_shares(profile, draws):
    by_mean = rank_table(ValuePrioritizer("clv_mean"), profile, draws)
    assert by_mean.probabilities.loc["a", 1] == 1  # 19 at least, against 12 at most
    by_share = rank_table(ValuePrioritizer("clv_share"), profile, draws)
    pd.testing.assert_frame_equal(
        by_share.probabilities, rank_table(ValuePrioritizer("clv_total"), profile, draws).probabilities
    )
    knocked = WeightedPrioritizer({"clv_total": 1}, knock_out={"clv_share": 0.4})
    shares = draws.div(draws.sum(axis=1), axis=0)
    got = rank_table(knocked, profile, {"clv": draws})
    assert got.probabilities["excluded"].to_dict() == (shares[["a", "b", "c"]] < 0.4).mean().to_dict()


def test_it_agrees_with_rank_probability(profile):
    rng = np.random.default_rng(0)
    draws = pd.DataFrame(rng.integers(0, 6, (500, 3)).astype(float), columns=list("abc"))
    ranks = rank_table(ValuePrioritizer("churn"), profile, {"churn": draws})
    order = ranks.table.index
    pairs, places = sg.rank_probability(draws), sg.rank_probability(draws, kind="ranks")
    np.testing.assert_allclose(ranks.pairs, pairs.loc[order, order])
    np.testing.assert_allclose(ranks.probabilities[[1, 2, 3]], places.loc[order])


@st.composite
def worlds(draw):
    """Worlds without ties, in which people placed some, and knock-outs come and go."""
    n, n_draws = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    names = [f"s{i}" for i in range(n)]
    rows = [draw(st.permutations(range(n))) for _ in range(n_draws + 1)]
    profile = pd.DataFrame({"n_customers": 5, "value": np.array(rows[0], dtype=float)}, index=names)
    table = pd.DataFrame(rows[1:], columns=names, dtype=float)
    # worlds in which fewer are ranked would refuse a place beyond their number, so people use the first one only
    placed = draw(st.sampled_from([None, (1, "x"), (None, "y")]))
    overrides = {} if placed is None else {draw(st.sampled_from(names)): placed}
    knock_out = {"value": draw(st.integers(0, 2))}
    return profile, table, overrides, WeightedPrioritizer({"value": 1}, knock_out=knock_out)


@given(worlds())
@settings(deadline=None, max_examples=50)
def test_it_equals_the_lists_of_all_worlds(case):
    profile, table, overrides, prioritizer = case
    ranks = rank_table(prioritizer, profile, {"value": table}, overrides=overrides)
    columns = list(ranks.probabilities.columns)
    expected = pd.DataFrame(0.0, index=ranks.probabilities.index, columns=columns)
    for _, row in table.iterrows():
        plan = prioritizer.prioritize(profile.assign(value=row), overrides=overrides)
        for name, place in plan["priority"].items():
            expected.loc[name, "excluded" if pd.isna(place) else int(place)] += 1 / len(table)
    np.testing.assert_allclose(ranks.probabilities, expected, atol=1e-12)
    np.testing.assert_allclose(ranks.probabilities.sum(axis=1), 1)
    assert ranks.table["override"].to_dict() == {name: name in overrides for name in ranks.table.index}


def test_places_beyond_those_that_are_ranked_become_the_last():
    scores = np.array([[3.0, 2.0, 1.0], [3.0, np.nan, np.nan]])
    got = place_probability(scores, {0: 3})
    # in the second world only the placed one is ranked
    assert got.tolist() == [[0.5, 0, 0.5, 0], [0.5, 0, 0, 0.5], [0, 0.5, 0, 0.5]]


def test_overrides_stay_visible(profile, draws):
    ranks = rank_table(ValuePrioritizer("clv_total"), profile, draws, overrides={"c": (1, "promised")})
    assert ranks.table.index.tolist() == ["c", "a", "b"]
    assert ranks.table["override"].tolist() == [True, False, False]
    assert ranks.table["p_ahead_of_next"].isna().tolist() == [True, False, True]
    assert ranks.probabilities.loc["c", 1] == 1
    assert ranks.probabilities.loc["a", 2] == 0.75
    assert ranks.headline.startswith(
        "'c' comes first because people placed it there; cannot be told apart: 'a' and 'b'"
    )
    assert any("people placed 1 segment" in warning for warning in ranks.warnings)


def test_an_expired_override_warns_once(profile, draws):
    with pytest.warns(SegmentationWarning, match="expired") as caught:
        ranks = rank_table(
            ValuePrioritizer("clv_total"), profile, draws, overrides={"c": (1, "promised", "2020-01-01")}
        )
    assert len(caught) == 1
    assert not ranks.table["override"].any()


# --- from intervals


def intervals(level=0.9):
    """Normal figures: 100, 90 and 50 with standard errors 10, 20 and 5."""
    z = norm.ppf((1 + level) / 2)
    figure, error = np.array([100.0, 90.0, 50.0]), np.array([10.0, 20.0, 5.0])
    return pd.DataFrame(
        {
            "n_customers": [1, 2, 3],
            "clv_total": figure,
            "clv_total_low": figure - z * error,
            "clv_total_high": figure + z * error,
        },
        index=pd.Index(["a", "b", "c"], name="segment"),
    )


@pytest.mark.parametrize("level", [0.9, 0.5])
def test_intervals_of_normal_figures_give_normal_theory(level):
    ranks = rank_table(
        ValuePrioritizer("clv_total"), intervals(level), interval_level=level, n_draws=4000, random_state=0
    )
    for one, other, difference, error in (("a", "b", 10, 500), ("b", "c", 40, 425), ("a", "c", 50, 125)):
        expected = norm.cdf(difference / np.sqrt(error))
        assert ranks.pairs.loc[one, other] == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(4000))
    assert ranks.settings["source"] == "intervals"
    assert "independent between segments" in ranks.warnings[0]
    assert f"{100 * level:g} % intervals of 'clv_total'" in ranks.warnings[0]


def test_skewed_intervals_keep_their_bounds_as_quantiles():
    """One segment against three that are known: the shares of worlds below low, below the figure, above high."""
    profile = pd.DataFrame(
        {
            "n_customers": [1, 2, 3, 4],
            "v": [10.0, 8.0, 10.0, 30.0],
            "v_low": [8.0, 8.0, 10.0, 30.0],
            "v_high": [30.0, 8.0, 10.0, 30.0],
        },
        index=["skewed", "low", "figure", "high"],
    )
    ranks = rank_table(ValuePrioritizer("v"), profile, n_draws=4000, random_state=1)
    assert ranks.pairs.loc["skewed", ["low", "figure", "high"]].tolist() == pytest.approx([0.95, 0.5, 0.05], abs=0.03)


def test_what_belongs_to_one_score_moves_together():
    """Mean and total of a segment are the same draw: with equal sizes the better mean always has the better total."""
    profile = pd.DataFrame(
        {"n_customers": [10, 10], "clv_mean": [5.0, 4.0], "clv_total": [50.0, 40.0]}, index=["a", "b"]
    )
    for name in ("clv_mean", "clv_total"):
        profile[f"{name}_low"], profile[f"{name}_high"] = 0.5 * profile[name], 1.5 * profile[name]
    ranks = rank_table(ParetoPrioritizer(["clv_mean", "clv_total"], within="size"), profile, random_state=0)
    assert ranks.pairs.loc["a", "b"] not in (0, 0.5, 1)
    single = rank_table(ValuePrioritizer("clv_mean"), profile, random_state=0)
    assert ranks.pairs.loc["a", "b"] == single.pairs.loc["a", "b"]  # no world in which neither dominates


def test_missing_and_odd_intervals_are_said():
    profile = intervals()
    profile.loc["c", ["clv_total_low", "clv_total_high"]] = np.nan
    profile.loc["b", "clv_total"] = 200.0
    ranks = rank_table(ValuePrioritizer("clv_total"), profile, n_draws=300, random_state=0)
    assert any(w == "1 figure has no interval and is taken as known: 'clv_total of c'" for w in ranks.warnings)
    assert any("some figures of 'b' lie outside of their interval" in w for w in ranks.warnings)
    crossed = intervals().assign(clv_total_low=1000.0)
    with pytest.raises(ValueError, match="clv_total_low must not be above clv_total_high"):
        rank_table(ValuePrioritizer("clv_total"), crossed)


def test_rows_and_names_change_nothing_and_neither_does_the_unit():
    profile = intervals()
    prioritizer = WeightedPrioritizer({"clv_total": 1, "n_customers": Criterion(0.4)})
    expected = rank_table(prioritizer, profile, n_draws=200, random_state=3).probabilities
    other = 100 * profile.iloc[[2, 0, 1]].rename(index=lambda name: f"z{name}")
    got = rank_table(prioritizer, other, n_draws=200, random_state=3).probabilities
    pd.testing.assert_frame_equal(got.rename(index=lambda name: name[1:]), expected)
    same = rank_table(prioritizer, profile, n_draws=200, random_state=3)
    pd.testing.assert_frame_equal(same.probabilities, expected)


# --- from curves


def test_draws_of_curves_by_hand():
    """Slopes of a are 1 and 3 by turns, those of b always 2; of independent a and c, one in four has a 1 and c 4."""
    curves = {
        "a": LinearCurve(2.0, np.inf, draws=np.tile([[1.0, np.inf], [3.0, np.inf]], (50, 1))),
        "b": LinearCurve(2.0, np.inf, draws=np.tile([2.0, np.inf], (100, 1))),
        "c": LinearCurve(2.5, np.inf, draws=np.tile([[1.5, np.inf], [4.0, np.inf]], (50, 1))),
        "d": LinearCurve(0.5, np.inf),
    }
    profile = pd.DataFrame({"n_customers": [1, 2, 3, 4, 5]}, index=list("abcde"))
    ranks = rank_table(ReturnPrioritizer(curves, effort=1.0, unit_cost=2.0), profile, n_draws=4000, random_state=0)
    assert ranks.pairs.loc["a", "b"] == 0.5
    assert ranks.pairs.loc["a", "c"] == pytest.approx(0.25, abs=0.03)
    assert ranks.probabilities.loc["d", 4] == 1
    assert ranks.probabilities.loc["e", "excluded"] == 1
    assert ranks.settings["source"] == "curves"
    assert "independent of each other" in ranks.warnings[0]
    steps = rank_table(ReturnPrioritizer(curves, effort=1.0, step=2.0), profile, n_draws=200, random_state=0)
    assert steps.pairs.loc["a", "b"] == 0.5


# --- what cannot be, and what is said


def test_nothing_varies_is_said(profile, draws):
    ranks = rank_table(ValuePrioritizer("churn"), profile, draws)
    assert any("varies over the draws" in warning for warning in ranks.warnings)


def test_without_anything_uncertain_there_is_no_answer(profile):
    with pytest.raises(ValueError, match="nothing says how uncertain the scores are"):
        rank_table(ValuePrioritizer("clv_total"), profile)
    curves = {"a": LinearCurve(1.0, np.inf)}
    with pytest.raises(ValueError, match="nothing says how uncertain"):
        rank_table(ReturnPrioritizer(curves, effort=1), profile)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: pd.DataFrame(d.to_numpy(), columns=d.columns), ValueError, "do not say which figure"),
        (lambda d: {}, ValueError, "empty mapping"),
        (lambda d: {"clv": d, "clv_total": d}, ColumnError, "'clv_total' twice"),
        (lambda d: {"clv": d, "churn": d.head(2)}, ValueError, "same number of rows"),
        (lambda d: {"clvv": d}, ColumnError, r"neither of a column of the profile.*missing: 'clvv_total'"),
        (lambda d: {"clv": d.drop(columns="b")}, ValueError, "not those of this profile: they lack 'b'"),
        (lambda d: {"clv": d.assign(z=1.0)}, ValueError, "the profile has no 'z'"),
        (lambda d: {"clv": d.assign(a=np.nan)}, ColumnError, "missing or infinite for 'a'"),
        (lambda d: {"clv": d.assign(a="x")}, ColumnError, "must be numbers"),
        (lambda d: {"clv": d.head(0)}, ColumnError, "need rows"),
        (lambda d: {"clv": d.to_numpy()}, TypeError, "must be a dataframe with one column per segment"),
    ],
)
def test_wrong_draws_are_refused(profile, draws, change, error, message):
    with pytest.raises(error, match=message):
        rank_table(ValuePrioritizer("clv_total"), profile, change(draws))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 1.0}, "level must be a number between 0 and 1, got 1.0"),
        ({"level": 0.2}, "level must be at least 0.5"),
        ({"interval_level": 0}, "interval_level must be a number between 0 and 1"),
        ({"n_draws": 0}, "n_draws must be a positive integer, got 0"),
        ({"n_draws": True}, "n_draws must be a positive integer"),
    ],
)
def test_wrong_parameters_are_refused(profile, draws, arguments, message):
    with pytest.raises(ValueError, match=message):
        rank_table(ValuePrioritizer("clv_total"), profile, draws, **arguments)


def test_what_is_no_prioritizer_or_no_profile_is_refused(profile, draws):
    with pytest.raises(TypeError, match="rank_table takes a Prioritizer, got str"):
        rank_table("value", profile, draws)
    with pytest.raises(ValueError, match="no segment can be ranked"):
        rank_table(ValuePrioritizer("clv_total"), profile.loc[["empty", "unassigned"]], draws)


def test_a_plug_in_that_breaks_its_promise_is_named(profile, draws):
    class Odd(sg.Prioritizer):
        def _priority_scores(self, profile):
            # right for the list, wrong in the worlds
            good = profile["clv_total"].to_numpy(float)
            return good if good[0] == 300 and good[1] == 200 else good[:1]

    with pytest.raises(OutputError, match="Odd: _priority_scores must return one number per segment"):
        rank_table(Odd(), profile, draws)


def test_the_result_becomes_plain_values(profile, draws):
    ranks = rank_table(ValuePrioritizer("clv_total"), profile, draws)
    plain = ranks.to_dict()
    assert plain["probabilities"]["a"]["1"] == 0.75
    assert plain["pairs"]["a"]["b"] == 0.75
    assert plain["table"][0]["segment"] == "a"
    assert str(ranks).startswith(ranks.headline)
    assert "Note: only 4 draws" in str(ranks)


def test_draws_of_customers_come_all_the_way_from_a_scorer():
    from segmentation import datasets, features
    from segmentation.scorers import CLVScorer

    orders = datasets.load_cdnow()
    purchases = features.btyd_table(orders, customer_id="customer_id", timestamp="timestamp", amount="amount")
    groups = purchases["frequency"].gt(1).map({True: "regular", False: "rare"}).rename("segment")
    scorer = CLVScorer().fit(purchases)
    draws = sg.sample_segments(scorer, purchases, groups, n_draws=50, random_state=0)
    profile = sg.profile_segments(groups, scores=sg.score_customers(scorer, purchases), draws=draws)
    ranks = rank_table(ValuePrioritizer("clv_total"), profile, draws)
    assert ranks.probabilities.loc["regular", 1] == sg.rank_probability(draws).loc["regular", "rare"]
    assert ranks.settings["n_draws"] == 50


def test_figures_that_do_not_vary_are_not_called_probabilities_of_0_or_1():
    profile = pd.DataFrame(
        {"n_customers": [3, 2, 1], "same": 1.0, "v": [1.0, 2, 3], "v_low": [0.0, 1, 2], "v_high": [2.0, 3, 4]},
        index=["a", "b", "c"],
    )
    ranks = rank_table(ValuePrioritizer("same"), profile, n_draws=300, random_state=0, show_progress=False)
    assert ranks.probabilities.loc["a", 1] == pytest.approx(1 / 3)
    assert any("say nothing of how sure they are" in text for text in ranks.warnings)


def test_the_headline_does_not_speak_of_neighbours_that_people_placed():
    profile = pd.DataFrame(
        {"n_customers": 1, "v": [9.0, 5, 1], "v_low": [8.9, 4.9, 0.9], "v_high": [9.1, 5.1, 1.1]}, index=["a", "b", "c"]
    )
    plain = rank_table(ValuePrioritizer("v"), profile, n_draws=300, random_state=0)
    assert plain.headline.endswith("; all neighbours are told apart at 90 %.")
    placed = rank_table(ValuePrioritizer("v"), profile, overrides={"c": (1, "promised")}, n_draws=300, random_state=0)
    assert placed.headline.endswith("; all neighbours that people did not place are told apart at 90 %.")
