"""From scores, exclusions and human judgement to one list: what every prioritizer does."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as sg
from segmentation import Prioritizer, _priorities
from segmentation.exceptions import ColumnError, OutputError, SegmentationWarning
from segmentation.prioritizers import Override, ValuePrioritizer
from segmentation.testing import make_profile


class Given(sg.Prioritizer):
    """Returns what it is told to."""

    def __init__(self, scores=None, exclusions=None, reasons=None):
        self.scores = scores
        self.exclusions = exclusions
        self.reasons = reasons

    def _priority_scores(self, profile):
        return profile["value"].to_numpy(float) if self.scores is None else self.scores(profile)

    def _exclusions(self, profile):
        return super()._exclusions(profile) if self.exclusions is None else self.exclusions(profile)

    def _reasons(self, profile, scores):
        return super()._reasons(profile, scores) if self.reasons is None else self.reasons(profile)


@pytest.fixture
def profile():
    """a is worth most, c is empty, and some customers are in no segment."""
    return pd.DataFrame(
        {"n_customers": [10, 20, 0, 5, 7], "value": [5.0, 3.0, 9.0, 1.0, 99.0]},
        index=pd.Index(["a", "b", "c", "d", "unassigned"], name="segment"),
    )


def places(plan):
    return {name: None if pd.isna(place) else int(place) for name, place in plan["priority"].items()}


# --- the list


def test_the_table_is_as_promised(profile):
    plan = Given().prioritize(profile)
    assert list(plan.columns) == ["priority", "priority_score", "reason"]
    assert plan.index.name == "segment"
    assert plan["priority"].dtype == "Int64"
    assert plan["priority_score"].dtype == np.float64
    assert all(isinstance(reason, str) and reason for reason in plan["reason"])
    assert plan.index.dtype == profile.index.dtype


def test_empty_and_unassigned_stand_last_with_the_reason_whatever_they_are_worth(profile):
    plan = Given().prioritize(profile)
    assert plan.index.tolist() == ["a", "b", "d", "c", "unassigned"]
    assert places(plan) == {"a": 1, "b": 2, "d": 3, "c": None, "unassigned": None}
    assert plan["priority_score"].tolist()[:3] == [5, 3, 1]
    assert plan["priority_score"].iloc[3:].isna().all()
    assert plan["reason"].iloc[3:].tolist() == ["excluded: no customers", "excluded: customers in no segment"]


def test_the_profile_is_not_changed(profile):
    before = profile.copy(deep=True)
    Given().prioritize(profile, overrides={"a": (2, "tested")})
    pd.testing.assert_frame_equal(profile, before)


def test_equal_scores_go_by_size_then_name_and_say_so(profile):
    tied = profile.assign(value=[1.0, 1.0, 1.0, 1.0, 1.0], n_customers=[5, 20, 0, 5, 7])
    plan = Given().prioritize(tied)
    assert plan.index.tolist() == ["b", "a", "d", "c", "unassigned"]
    assert plan.loc["a", "reason"].endswith("; equal score with 'b', 'd': larger segment first, then by name")
    assert "equal" not in "".join(Given().prioritize(profile)["reason"])


def test_a_segment_without_a_score_stands_last(profile):
    plan = Given().prioritize(profile.assign(value=[5.0, np.nan, 9.0, 1.0, 99.0]))
    assert plan.index.tolist() == ["a", "d", "b", "c", "unassigned"]
    assert plan.loc["b", "reason"] == "no priority score: a value it rests on is missing"
    assert places(plan)["b"] is None


def test_excluded_segments_keep_the_reason_given(profile):
    plan = Given(exclusions=lambda _: {"a": "too far away"}).prioritize(profile)
    assert places(plan) == {"b": 1, "d": 2, "a": None, "c": None, "unassigned": None}
    assert plan.index.tolist()[2:] == ["a", "c", "unassigned"]  # somebody, nobody, no segment
    assert plan.loc["a", "reason"] == "too far away"


@pytest.mark.parametrize("rows", [[], ["c"], ["unassigned"], ["c", "unassigned"]])
def test_nothing_to_rank_is_a_defined_result(profile, rows):
    def must_not_run(profile):
        raise AssertionError

    plan = Given(scores=must_not_run).prioritize(profile.loc[rows])
    assert plan.index.tolist() == rows
    assert plan["priority"].isna().all()
    assert plan["priority"].dtype == "Int64"


def test_infinite_scores_are_first_and_last(profile):
    plan = Given(scores=lambda p: [-np.inf, 0.0, np.inf]).prioritize(profile)
    assert plan.index.tolist()[:3] == ["d", "b", "a"]


@pytest.mark.parametrize(
    "index", [[1, 2, 3, 4, 5], pd.CategoricalIndex(list("abcde")), pd.Index(list("abcde"), dtype=object)]
)
def test_segments_may_have_names_of_any_type(profile, index):
    plan = Given().prioritize(profile.set_axis(index, axis=0))
    assert sorted(plan.index) == sorted(index)
    assert plan.index.dtype == pd.Index(index).dtype


# --- profiles that are none


def test_what_is_no_profile_is_refused(profile):
    with pytest.raises(TypeError, match=r"prioritize takes a profile .* got polars\.DataFrame"):
        Given().prioritize(pl.from_pandas(profile))
    with pytest.raises(ColumnError, match="a profile has a column 'n_customers'; this table has 'value'"):
        Given().prioritize(profile[["value"]])
    with pytest.raises(ColumnError, match="one row per segment; repeated or missing: 'a'"):
        Given().prioritize(profile.set_axis(["a", "a", "b", "c", "d"]))
    with pytest.raises(ColumnError, match="one row per segment"):
        Given().prioritize(profile.set_axis(["a", None, "b", "c", "d"]))


# --- plug-ins that return what they may not


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda p: None, r"one number per segment, shape \(3,\); got object of shape \(\)"),
        (lambda p: [1.0, 2.0], r"of shape \(2,\)"),
        (lambda p: [[1.0], [2.0], [3.0]], r"of shape \(3, 1\)"),
        (lambda p: ["1", "2", "3"], "got <U1"),
    ],
)
def test_wrong_scores_are_refused(profile, scores, message):
    with pytest.raises(OutputError, match=f"Given: _priority_scores must return .*{message}"):
        Given(scores).prioritize(profile)


@pytest.mark.parametrize("exclusions", [None, "a", ["a"], {"a"}])
def test_exclusions_that_are_no_mapping_are_refused(profile, exclusions):
    with pytest.raises(OutputError, match="Given: _exclusions must return a mapping of segment to reason"):
        Given(exclusions=lambda _: exclusions).prioritize(profile)


@pytest.mark.parametrize("name", ["zzz", "c", "unassigned"])
def test_exclusions_of_what_the_hook_did_not_see_are_refused(profile, name):
    with pytest.raises(OutputError, match=f"Given: _exclusions names '{name}', which the profile does not have"):
        Given(exclusions=lambda _: {name: "why"}).prioritize(profile)


@pytest.mark.parametrize("reasons", [None, "abc", ["one"], ["one"] * 4])
def test_wrong_reasons_are_refused(profile, reasons):
    with pytest.raises(OutputError, match=r"Given: _reasons must return one text per segment \(3\)"):
        Given(reasons=lambda _: reasons).prioritize(profile)


def test_reasons_may_be_any_sequence_of_texts(profile):
    for kind in (tuple, np.array, pd.Series):
        plan = Given(reasons=lambda _, kind=kind: kind(["one", "two", "three"])).prioritize(profile)
        assert plan["reason"].tolist()[:3] == ["one", "two", "three"]


# --- overrides


def test_a_segment_goes_where_people_put_it_and_the_others_keep_their_order(profile):
    plan = Given().prioritize(profile, overrides={"d": (1, "board decision"), "a": (3, "later")})
    assert places(plan) == {"d": 1, "b": 2, "a": 3, "c": None, "unassigned": None}
    assert plan.loc["d", "reason"] == "override: board decision (computed priority 3)"
    assert plan.loc["a", "reason"] == "override: later (computed priority 1)"
    assert plan.loc["b", "reason"] == "priority score 3"
    assert plan["priority_score"].tolist()[:3] == [1, 3, 5]  # the computed scores stay


def test_none_excludes_a_segment(profile):
    plan = Given().prioritize(profile, overrides={"a": (None, "in court")})
    assert places(plan) == {"b": 1, "d": 2, "c": None, "unassigned": None, "a": None}
    assert plan.loc["a", "reason"] == "override: in court (computed priority 1)"
    assert np.isnan(plan.loc["a", "priority_score"])


@pytest.mark.parametrize("name", ["a", "c", "unassigned"])
def test_people_can_bring_back_what_was_excluded(profile, name):
    plan = Given(exclusions=lambda _: {"a": "too far away"}).prioritize(profile, overrides={name: (2, "we want it")})
    assert places(plan)[name] == 2
    assert plan.index.tolist()[:3] == ["b", name, "d"]
    assert plan.loc[name, "reason"].startswith("override: we want it (otherwise ")
    assert np.isnan(plan.loc[name, "priority_score"])
    assert plan["priority"].dropna().tolist() == [1, 2, 3]


def test_excluding_the_excluded_keeps_both_reasons(profile):
    plan = Given().prioritize(profile, overrides={"c": (None, "closed")})
    assert plan.loc["c", "reason"] == "override: closed (otherwise excluded: no customers)"


def test_a_tie_that_people_decided_is_no_tie_any_more(profile):
    plan = Given().prioritize(profile.assign(value=1.0), overrides={"d": (1, "ours")})
    assert plan.loc["d", "reason"] == "override: ours (computed priority 3)"


class FixedDate(dt.date):
    @classmethod
    def today(cls):
        return cls(2026, 3, 31)


@pytest.fixture
def on_march_31(monkeypatch):
    class Module:
        date = FixedDate
        datetime = dt.datetime

    monkeypatch.setattr(_priorities, "dt", Module)


@pytest.mark.usefixtures("on_march_31")
@pytest.mark.parametrize(
    "expires", ["2026-03-31", FixedDate(2026, 3, 31), dt.datetime(2026, 3, 31, 0, 0), "2026-04-01"]
)
def test_an_override_holds_through_its_last_day(profile, expires):
    plan = Given().prioritize(profile, overrides={"d": Override(1, "trial", expires)})
    day = "2026-04-01" if expires == "2026-04-01" else "2026-03-31"
    assert plan.index[0] == "d"
    assert plan.loc["d", "reason"] == f"override until {day}: trial (computed priority 3)"


@pytest.mark.usefixtures("on_march_31")
@pytest.mark.parametrize("expires", ["2026-03-30", FixedDate(2026, 3, 30), pd.Timestamp("2026-03-30 23:59")])
def test_an_expired_override_is_ignored_aloud(profile, expires):
    overrides = {"d": (1, "trial", expires)}
    with pytest.warns(SegmentationWarning, match="override for 'd' expired on 2026-03-30 and is ignored") as warned:
        plan = Given().prioritize(profile, overrides=overrides)
    assert warned[0].filename == __file__
    pd.testing.assert_frame_equal(plan, Given().prioritize(profile))


@pytest.mark.usefixtures("on_march_31")
def test_an_expired_override_frees_its_place(profile):
    overrides = {"d": (1, "trial", "2026-01-01"), "b": (1, "now")}
    with pytest.warns(SegmentationWarning, match="expired"):
        plan = Given().prioritize(profile, overrides=overrides)
    assert plan.index[0] == "b"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"A": (1, "x")}, r"override for 'A', which the profile does not have: .*Did you mean 'a'\?"),
        ({"a": (1, "x"), "b": (1, "y")}, "overrides for 'b' and 'a' both ask for priority 1"),
        ({"a": (4, "x")}, r"override priorities must lie in 1\.\.3 \(the segments that are ranked\), got 4"),
        ({"a": (None, "x"), "b": (3, "y")}, r"must lie in 1\.\.2 .* got 3"),
        ({"a": (0, "x")}, "priority must be an integer >= 1 or None, got 0"),
        ({"a": (-1, "x")}, "got -1"),
        ({"a": (1.0, "x")}, "got 1.0"),
        ({"a": (True, "x")}, "got True"),
        ({"a": ("1", "x")}, "got '1'"),
        ({"a": (1, "")}, "override for 'a' needs a reason in words, got ''"),
        ({"a": (1, " ")}, "needs a reason in words"),
        ({"a": (1, None)}, "needs a reason in words, got None"),
        ({"a": (1,)}, r"must be \(priority, reason\) or \(priority, reason, expires\)"),
        ({"a": (1, "x", None, None)}, r"must be \(priority, reason\)"),
        ({"a": [1, "x"]}, r"must be \(priority, reason\)"),
        ({"a": 1}, r"must be \(priority, reason\)"),
        ({"a": (1, "x", "31.12.2027")}, "expires must be a date or ISO text such as '2027-03-31', got '31.12.2027'"),
        ({"a": (1, "x", 2027)}, "expires must be a date"),
        ({"a": (1, "x", pd.NaT)}, "expires must be a date or ISO text .* got NaT"),
    ],
)
def test_wrong_overrides_are_refused(profile, overrides, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        Given().prioritize(profile, overrides=overrides)


def test_overrides_that_are_no_mapping_are_refused(profile):
    with pytest.raises(TypeError, match="overrides must be a mapping of segment to"):
        Given().prioritize(profile, overrides=[("a", (1, "x"))])


def test_a_place_may_be_a_numpy_integer(profile):
    assert Given().prioritize(profile, overrides={"d": (np.int64(1), "x")}).index[0] == "d"


# --- properties


@st.composite
def profiles(draw):
    n = draw(st.integers(1, 8))
    return pd.DataFrame(
        {
            "n_customers": draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)),
            "value": draw(st.lists(st.sampled_from([0.0, 1.0, 2.5, np.nan]), min_size=n, max_size=n)),
        },
        index=pd.Index([f"s{i}" for i in range(n)], name="segment"),
    )


@given(profiles(), st.randoms(use_true_random=False), st.booleans())
@settings(deadline=None, max_examples=60)
def test_every_segment_stands_once_in_an_order_that_rows_do_not_decide(profile, random, ascending):
    prioritizer = ValuePrioritizer("value", higher_is_better=not ascending)
    plan = prioritizer.prioritize(profile)
    assert sorted(plan.index) == sorted(profile.index)
    ranked = plan[plan["priority"].notna()]
    assert ranked["priority"].tolist() == list(range(1, len(ranked) + 1))
    assert plan["priority"].iloc[len(ranked) :].isna().all()
    assert set(ranked.index) == set(profile.index[(profile["n_customers"] > 0) & profile["value"].notna()])
    assert (ranked["priority_score"].diff().dropna() <= 0).all()
    shuffled = list(profile.index)
    random.shuffle(shuffled)
    again = prioritizer.prioritize(profile.loc[shuffled])
    pd.testing.assert_frame_equal(again.loc[ranked.index], ranked)
    pd.testing.assert_frame_equal(again.sort_index(), plan.sort_index())


@given(profiles(), st.data())
@settings(deadline=None, max_examples=60)
def test_an_override_gets_its_place_and_the_rest_keep_their_order(profile, data):
    prioritizer = ValuePrioritizer("value")
    computed = [name for name, place in places(prioritizer.prioritize(profile)).items() if place is not None]
    name = data.draw(st.sampled_from(list(profile.index)))
    n_ranked = len(computed) + (name not in computed)
    place = data.draw(st.one_of(st.none(), st.integers(1, n_ranked)))
    plan = prioritizer.prioritize(profile, overrides={name: (place, "why")})
    assert sorted(plan.index) == sorted(profile.index)
    assert places(plan)[name] == place
    ranked = [one for one, rank in places(plan).items() if rank is not None]
    assert [one for one in ranked if one != name] == [one for one in computed if one != name]


def test_a_column_that_a_plug_in_misses_is_named():
    class Growth(Prioritizer):
        def _priority_scores(self, profile):
            return profile["clv_men"].to_numpy()

    with pytest.raises(ColumnError, match=r"Growth needs a column; missing: 'clv_men' \(nearest: 'clv_mean'"):
        Growth().prioritize(make_profile())
