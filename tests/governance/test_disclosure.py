"""Small cells: hidden, and not to be computed from what is left; an attacker tries."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as sg
from segmentation.exceptions import AssignmentError, ColumnError
from segmentation.governance import merge_small_segments, suppress_small_cells
from segmentation.governance._cells import protect
from segmentation.prioritizers import ValuePrioritizer, WeightedPrioritizer


def make(sizes, seed=0):
    """Return assignment, features and scores of segments of these sizes."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    ids = pd.RangeIndex(n, name="customer_id")
    segment = pd.Categorical.from_codes(np.repeat(np.arange(len(sizes)), sizes), [f"s{i}" for i in range(len(sizes))])
    features = pd.DataFrame(
        {
            "age": rng.normal(50, 10, n),
            "region": rng.choice(["north", "south", "west"], n, p=[0.6, 0.35, 0.05]),
            "member": rng.random(n) < 0.1,
        },
        index=ids,
    )
    features.loc[rng.random(n) < 0.1, "region"] = None
    scores = pd.DataFrame({"clv": rng.gamma(2, 50, n)}, index=ids)
    return pd.Series(segment, index=ids), features, scores


def profile_of(sizes, seed=0):
    assignment, features, scores = make(sizes, seed)
    return sg.profile_segments(assignment, features=features, scores=scores), assignment, features, scores


def test_protect_known_answers():
    def hidden(counts, minimum=10):
        return np.flatnonzero(protect(np.asarray(counts, dtype=float), minimum)).tolist()

    assert hidden([50, 40, 30]) == []
    assert hidden([50, 3, 40]) == [1, 2]  # one alone is the total less the others
    assert hidden([50, 3, 9, 40]) == [1, 2]  # two, 12 together
    assert hidden([50, 3, 4, 40]) == [1, 2, 3]  # 7 together could be computed
    assert hidden([50, 0, 0]) == []
    assert hidden([50, 0, 3]) == [0, 2]  # an empty one hides nothing
    assert hidden([3]) == [0]
    assert hidden([3, 4]) == [0, 1]
    assert hidden([10, 10]) == []


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(2, 15))
@settings(max_examples=200, deadline=None)
def test_protect_leaves_nothing_to_compute(counts, minimum):
    counts = np.asarray(counts, dtype=float)
    hide = protect(counts, minimum)
    assert not ((counts[~hide] > 0) & (counts[~hide] < minimum)).any()
    assert (counts[hide] > 0).all()
    if hide.any() and (~hide & (counts > 0)).any():
        # the sum is known: it is the total less what is shown
        assert hide.sum() >= 2
        assert counts[hide].sum() >= minimum


@given(
    st.lists(st.integers(0, 80), min_size=2, max_size=6).filter(lambda sizes: max(sizes) >= 20),
    st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_an_attacker_cannot_compute_a_small_count(sizes, seed):
    profile, assignment, features, _ = profile_of(sizes, seed)
    shown = suppress_small_cells(profile, 10, assignment=assignment, features=features)
    size = pd.Series(sizes, index=profile.index)
    n = shown["n_customers"]
    assert (n.dropna() == size[n.notna()]).all()
    assert not n[(size > 0) & (size < 10)].notna().any()
    if n.notna().any() and n.max() > 0:  # the rest of all customers, from size and share
        largest = n.idxmax()
        rest = round(n[largest] / shown.loc[largest, "share"]) - n.sum()
        assert rest == 0 or rest >= 10
        assert rest == 0 or n.isna().sum() >= 2
    levels = [name for name in profile.columns if name.startswith("region=")]
    known = features["region"].notna().groupby(assignment, observed=False).sum()
    for segment in profile.index[n.notna() & (size > 0)]:
        counts = shown.loc[segment, levels].astype(float) * known[segment]
        open_ = counts.dropna()
        assert not ((open_.round(6) > 0) & (open_.round(6) < 10)).any()
        assert not ((known[segment] - open_).round(6).between(1, 9)).any()
        rest = known[segment] - open_.sum() if len(open_) else 0
        assert round(rest, 6) == 0 or round(rest, 6) >= 10
        yes = shown.loc[segment, "member"] * size[segment]
        assert np.isnan(yes) or not (0 < round(yes) < 10 or 0 < size[segment] - round(yes) < 10)


def test_without_features_shares_are_taken_of_all_customers():
    profile = pd.DataFrame(
        {
            "n_customers": [100, 100],
            "share": [0.5, 0.5],
            "city=A": [0.95, 0.6],
            "city=B": [0.05, 0.4],
            "member": [0.04, 0.5],
            "loyal": [0.96, 0.5],
            "score": [0.123, 0.456],
        },
        index=pd.Index(["x", "y"], name="segment"),
    )
    shown = suppress_small_cells(profile)
    assert shown.loc["x"].isna().to_dict() == {
        "n_customers": False,
        "share": False,
        "city=A": True,  # 100 % less 5 %
        "city=B": True,
        "member": True,
        "loyal": True,
        "score": False,
    }
    assert shown.loc["y"].notna().all()
    assert "4 more figures blanked" in str(shown)


def test_a_level_shown_alone_has_the_rest_for_complement():
    profile = pd.DataFrame({"n_customers": [100], "share": [1.0], "city=A": [0.95]}, index=["x"])
    assert np.isnan(suppress_small_cells(profile).loc["x", "city=A"])
    profile["city=A"] = 0.5
    assert suppress_small_cells(profile).loc["x", "city=A"] == 0.5


def test_scores_that_few_have():
    ids = pd.RangeIndex(100, name="customer_id")
    assignment = pd.Series(["a"] * 40 + ["b"] * 35 + ["c"] * 25, index=ids)
    clv = pd.Series(np.arange(100.0), index=ids, name="clv").to_frame()
    clv.loc[45:74] = np.nan  # 5 of b have one
    profile = sg.profile_segments(assignment, scores=clv)
    shown = suppress_small_cells(profile)
    score = [name for name in profile.columns if name.startswith("clv")]
    assert shown.loc["b", score].isna().all()
    assert shown.loc["c", score].isna().all()  # or the total of b is the whole less the others
    assert shown.loc["a", score].notna().all()
    assert shown["n_customers"].tolist() == [40, 35, 25]
    few_without = clv.copy()
    few_without.loc[45:74] = 1.0
    few_without.loc[0:2] = np.nan
    shown = suppress_small_cells(sg.profile_segments(assignment, scores=few_without))
    assert shown.loc["a", ["clv_n", "clv_mean"]].isna().all()
    assert shown.loc["a", ["clv_total", "clv_share"]].notna().all()


def test_intervals_go_with_their_score():
    assignment, _, scores = make([50, 40, 3])
    draws = np.random.default_rng(0).gamma(2, 50, (50, len(scores)))
    profile = sg.profile_segments(assignment, scores=scores, draws=draws)
    shown = suppress_small_cells(profile)
    assert shown.loc[["s1", "s2"]].isna().all(axis=None)
    assert shown.loc["s0"].notna().all()


def test_means_over_few_known_values():
    assignment, features, _ = make([60, 40])
    features.loc[4:59, "age"] = np.nan
    profile = sg.profile_segments(assignment, features=features[["age"]])
    shown = suppress_small_cells(profile, assignment=assignment, features=features[["age"]])
    assert np.isnan(shown.loc["s0", "age"])
    assert shown.loc["s1", "age"] == profile.loc["s1", "age"]


def test_prioritizers_take_it_and_a_joined_plan_says_nothing_more():
    profile, *_ = profile_of([60, 50, 40, 3])
    plan = ValuePrioritizer(by="clv_total").prioritize(profile)
    joined = suppress_small_cells(profile.join(plan))
    hidden = joined.index[joined["n_customers"].isna()]
    assert list(hidden) == ["s2", "s3"]
    assert joined.loc[hidden, "priority_score"].isna().all()
    assert set(joined.loc[hidden, "reason"]) == {"not shown: it rests on figures that are suppressed"}
    assert joined["priority"].notna().all()
    assert joined.loc["s0", "reason"] == plan.loc["s0", "reason"]
    shown = suppress_small_cells(profile)
    for prioritizer in (ValuePrioritizer(by="clv_total"), WeightedPrioritizer({"clv_total": 1.0, "age": 0.5})):
        ranked = prioritizer.prioritize(shown)
        assert ranked["priority"].notna().sum() == 2
        assert set(ranked.index) == set(profile.index)


def test_nothing_small_nothing_changed():
    profile, *_ = profile_of([60, 50])
    profile = profile[["n_customers", "share", "clv_mean", "clv_total", "age"]]
    shown = suppress_small_cells(profile)
    pd.testing.assert_frame_equal(shown, profile)
    assert "Note" not in str(shown)


def test_input_stays_and_counts_of_matching_go():
    profile, *_ = profile_of([60, 50, 3])
    before = profile.copy()
    shown = suppress_small_cells(profile)
    pd.testing.assert_frame_equal(profile, before)
    assert "unmatched" in profile.attrs
    assert "unmatched" not in shown.attrs
    assert list(shown.columns) == list(profile.columns)
    assert "2 segments blanked ('s1', 's2')" in str(shown)


def test_dates_and_text_columns():
    profile = pd.DataFrame(
        {
            "n_customers": [30, 20, 2],
            "share": [30 / 52, 20 / 52, 2 / 52],
            "since": pd.to_datetime(["2020-01-01"] * 3),
            "label": ["big", "middle", "small"],
        },
        index=["a", "b", "c"],
    )
    shown = suppress_small_cells(profile)
    assert shown["since"].isna().tolist() == [False, True, True]
    assert shown["label"].isna().tolist() == [False, True, True]


def test_merge():
    assignment, _, scores = make([60, 50, 4, 3, 30])
    merged = merge_small_segments(assignment)
    assert merged["segment"].value_counts().to_dict() == {"s0": 60, "s1": 50, "other": 37, "unassigned": 0}
    assert "3 small segments put together as 'other': 's2', 's3', 's4'" in str(merged)
    shown = suppress_small_cells(sg.profile_segments(merged, scores=scores))
    assert shown.notna().all(axis=None)
    same = merge_small_segments(make([60, 50])[0])
    assert same["segment"].value_counts().to_dict() == {"s0": 60, "s1": 50, "unassigned": 0}
    with pytest.raises(ColumnError, match="a segment that stays is called 's0'"):
        merge_small_segments(assignment, name="s0")
    with pytest.raises(AssignmentError, match="non-empty text"):
        merge_small_segments(assignment, name=" ")


def test_refusals():
    profile, assignment, *_ = profile_of([60, 50])
    for minimum in (1, 2.5, True):
        with pytest.raises(ValueError, match="minimum must be a whole number of at least 2"):
            suppress_small_cells(profile, minimum)
        with pytest.raises(ValueError, match="minimum must be a whole number of at least 2"):
            merge_small_segments(assignment, minimum)
    with pytest.raises(ValueError, match="assignment and features together"):
        suppress_small_cells(profile, assignment=assignment)
    with pytest.raises(ColumnError, match="'n_customers'"):
        suppress_small_cells(profile.drop(columns="n_customers"))
    with pytest.raises(TypeError, match="takes a profile"):
        suppress_small_cells(5)
