"""The profile table, against figures by hand, an independent reading in pandas, and its own arithmetic."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

import segmentation as sg
from segmentation.exceptions import ColumnError, CustomerTableError, UnmatchedCustomersWarning

IDS = pd.Index(["c1", "c2", "c3", "c4", "c5", "c6"], name="customer_id")
NAMES = ["b", "a", "empty"]


@pytest.fixture
def segments():
    """Declared order b, a, empty; nobody in "empty"; c6 in no segment."""
    return pd.Series(pd.Categorical(["a", "b", "a", "b", "a", None], categories=NAMES), index=IDS)


def profile_of(feature, segments):
    """Return the columns that one feature gives, without size and share."""
    features = pd.DataFrame({"f": pd.Series(feature)}).set_axis(IDS)
    return sg.profile_segments(segments, features=features).drop(columns=["n_customers", "share"])


def missing(values):
    return [None if pd.isna(value) else value for value in values]


# --- rows, sizes and shares


def test_rows_stand_in_the_order_of_the_categories_with_the_unassigned_last(segments):
    profile = sg.profile_segments(segments)
    assert profile.index.tolist() == ["b", "a", "empty", "unassigned"]
    assert profile.index.name == "segment"
    assert profile["n_customers"].tolist() == [2, 3, 0, 1]
    assert profile["share"].tolist() == [2 / 6, 3 / 6, 0, 1 / 6]
    assert profile.attrs["unmatched"] == {}


def test_there_is_no_row_of_unassigned_where_there_are_none(segments):
    profile = sg.profile_segments(segments.iloc[:5])
    assert profile.index.tolist() == ["b", "a", "empty"]
    assert profile["share"].sum() == 1


def test_only_unassigned_customers_are_a_profile_too():
    profile = sg.profile_segments(pd.Series([None, None], dtype=object))
    assert profile["n_customers"].to_dict() == {"unassigned": 2}


def test_one_customer_is_a_profile():
    ids = pd.Index([7], name="customer_id")
    profile = sg.profile_segments(
        pd.Series(["only"], index=ids),
        scores=pd.DataFrame({"clv": [5.0]}, index=ids),
        features=pd.DataFrame({"town": ["x"]}, index=ids),
    )
    assert profile.loc["only"].to_dict() == {
        **{"n_customers": 1, "share": 1, "clv_mean": 5, "clv_total": 5, "clv_share": 1, "clv_n": 1},
        "town=x": 1,
    }


def test_nobody_is_no_profile(segments):
    with pytest.raises(CustomerTableError, match=r"the assignment has no customers \(0 rows\)"):
        sg.profile_segments(segments.iloc[:0])


# --- scores


def test_customers_without_a_score_are_left_out_of_mean_and_total(segments):
    clv = pd.DataFrame({"clv": [10.0, np.nan, 30.0, 8.0, np.nan, 12.0]}, index=IDS)
    profile = sg.profile_segments(segments, scores=clv)
    assert list(profile.columns) == ["n_customers", "share", "clv_mean", "clv_total", "clv_share", "clv_n"]
    assert missing(profile["clv_mean"]) == [8, 20, None, 12]
    assert profile["clv_total"].tolist() == [8, 40, 0, 12]
    assert profile["clv_share"].tolist() == [8 / 60, 40 / 60, 0, 12 / 60]
    assert profile["clv_n"].tolist() == [1, 2, 0, 1]
    assert profile["n_customers"].tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, 2, 3, 4, 5, 6], dtype="Int64"),
        pd.array([1, 2, 3, 4, 5, 6], dtype=pd.ArrowDtype(pa.int32())),
        np.array([1, 2, 3, 4, 5, 6], dtype=np.uint8),
        pd.Series([Decimal(i) for i in range(1, 7)], dtype=object),
        pd.Series([1, 2, 3.0, 4, 5, 6], dtype=object),
    ],
)
def test_every_type_of_number_is_a_score(segments, values):
    profile = sg.profile_segments(segments, scores=pd.DataFrame({"s": values}).set_axis(IDS))
    assert profile["s_total"].tolist() == [6, 9, 0, 6]


def test_a_boolean_score_is_counted(segments):
    values = pd.array([True, False, None, True, True, False], dtype="boolean")
    profile = sg.profile_segments(segments, scores=pd.DataFrame({"s": values}).set_axis(IDS))
    assert profile["s_total"].tolist() == [1, 2, 0, 0]
    assert profile["s_n"].tolist() == [2, 2, 0, 1]


@pytest.mark.parametrize(
    "values", [[0.0] * 6, [1.0, 1.0, -1.0, -1.0, 0.0, 0.0], [np.nan] * 6, [9.0, 9.0, 9.0, -1.0, -1.0, -1.0]]
)
def test_there_is_no_share_of_nothing(segments, values):
    profile = sg.profile_segments(segments, scores=pd.DataFrame({"s": values}, index=IDS))
    assert profile["s_share"].isna().all()


def test_a_series_is_a_score_by_its_name(segments):
    score = pd.Series(range(6), index=IDS, name="s")
    assert "s_total" in sg.profile_segments(segments, scores=score)
    with pytest.raises(ColumnError, match="scores is a Series without a name"):
        sg.profile_segments(segments, scores=score.rename(None))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"s": ["x"] * 6}, r"score 's' holds .* \(values 'x', 'x', 'x', .*not numbers; give it as one of the features"),
        ({"s": pd.to_datetime(["2024-01-01"] * 6)}, "score 's' holds datetime64"),
        ({"s": [1j] * 6}, "score 's' holds complex128"),
        ({"s": [1.0, np.inf, 1.0, -np.inf, 1.0, np.nan]}, "score 's' is infinite for 'c2', 'c4'"),
        ({0: [1.0] * 6}, "score names must be text, got 0"),
    ],
)
def test_what_is_no_score_is_refused(segments, scores, message):
    with pytest.raises(ColumnError, match=message):
        sg.profile_segments(segments, scores=pd.DataFrame(scores, index=IDS))


@pytest.mark.parametrize("thing", [[1, 2], np.ones((6, 1)), {"s": [1]}])
@pytest.mark.parametrize("argument", ["scores", "features"])
def test_what_is_no_table_is_refused(segments, argument, thing):
    with pytest.raises(TypeError, match=f"{argument} must be a dataframe with one row per customer"):
        sg.profile_segments(segments, **{argument: thing})


# --- features


def test_numbers_give_means_and_booleans_the_share_of_true(segments):
    assert missing(profile_of([1, 2, 3, 4, 8, 9], segments)["f"]) == [3, 4, None, 9]
    assert missing(profile_of([1, np.nan, 3, np.nan, 8, 9], segments)["f"]) == [None, 4, None, 9]
    for flags in (
        pd.array([True, False, None, None, False, True], dtype="boolean"),
        pd.Series([True, False, None, None, False, True], dtype=object),
        pd.array([True, False, None, None, False, True], dtype=pd.ArrowDtype(pa.bool_())),
    ):
        assert missing(profile_of(flags, segments)["f"]) == [0, 0.5, None, 1]


def test_categories_give_the_share_of_each_level_also_of_those_not_used(segments):
    towns = pd.Categorical(["x", "y", None, "x", "y", None], categories=["y", "never", "x"])
    profile = profile_of(towns, segments)
    assert list(profile.columns) == ["f=y", "f=never", "f=x"]
    assert missing(profile["f=y"]) == [0.5, 0.5, None, None]
    assert missing(profile["f=never"]) == [0, 0, None, None]
    assert missing(profile["f=x"]) == [0.5, 0.5, None, None]


@pytest.mark.parametrize(
    "towns",
    [
        ["x", "y", None, "x", "y", np.nan],
        pd.array(["x", "y", None, "x", "y", pd.NA], dtype="string"),
        pd.array(["x", "y", None, "x", "y", None], dtype=pd.ArrowDtype(pa.string())),
        pd.Series(["x", "y", None, "x", "y", pd.NaT], dtype=object),
    ],
)
def test_text_gives_the_share_of_each_level_in_sorted_order(segments, towns):
    profile = profile_of(towns, segments)
    assert list(profile.columns) == ["f=x", "f=y"]
    assert missing(profile["f=x"]) == [0.5, 0.5, None, None]


@pytest.mark.parametrize(
    "dates",
    [
        pd.to_datetime(["2024-01-01", None, "2024-01-02", "2024-03-01", None, None]),
        pd.Series([dt.date(2024, 1, 1), None, dt.date(2024, 1, 2), dt.date(2024, 3, 1), None, None], dtype=object),
        pd.array(
            [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2), dt.date(2024, 3, 1), None, None],
            dtype=pd.ArrowDtype(pa.date32()),
        ),
    ],
)
def test_dates_give_their_mean(segments, dates):
    profile = profile_of(dates, segments)
    assert profile["f"].dtype.kind == "M"
    assert missing(profile["f"]) == [pd.Timestamp("2024-03-01"), pd.Timestamp("2024-01-01 12:00"), None, None]


def test_times_with_a_zone_and_durations_give_their_mean(segments):
    moments = pd.to_datetime(["2024-01-01", None, "2024-01-02", "2024-03-01", None, None]).tz_localize("Asia/Tokyo")
    assert profile_of(moments, segments)["f"]["a"] == pd.Timestamp("2024-01-01 12:00", tz="Asia/Tokyo")
    spans = pd.to_timedelta([1, 2, 3, 4, 5, 6], unit="D")
    assert profile_of(spans, segments)["f"]["a"] == pd.Timedelta(days=3)


@pytest.mark.parametrize(
    "nothing", [[None] * 6, [np.nan] * 6, pd.Categorical([None] * 6), pd.array([None] * 6, "Int64")]
)
def test_a_feature_known_of_nobody_stays_visible(segments, nothing):
    profile = profile_of(nothing, segments)
    assert list(profile.columns) == ["f"]
    assert profile["f"].isna().all()


def test_more_than_fifty_texts_are_no_levels():
    texts = pd.DataFrame({"note": [f"text {i:02}" for i in range(51)]})
    one = pd.Series(["a"] * 51)
    with pytest.raises(
        ColumnError,
        match=r"feature 'note' has 51 different values \('text 00', 'text 01', .*\); a profile takes at most",
    ):
        sg.profile_segments(one, features=texts)
    assert sg.profile_segments(one.head(50), features=texts.head(50)).shape == (1, 52)


@pytest.mark.parametrize("values", [[[1], [2], [3], [4], [5], [6]], [{"x": 1}] * 6])
def test_values_that_are_no_levels_are_refused(segments, values):
    with pytest.raises(ColumnError, match=r"feature 'f' holds values such as .*: neither numbers nor levels"):
        profile_of(values, segments)


def test_an_infinite_feature_is_refused(segments):
    with pytest.raises(ColumnError, match="feature 'f' is infinite for 'c1', 'c2'"):
        profile_of([np.inf, -np.inf, 0, 0, 0, 0], segments)


# --- names


@pytest.mark.parametrize(
    ("scores", "features", "name"),
    [
        (["clv"], ["clv_mean"], "clv_mean"),
        ([], ["n_customers"], "n_customers"),
        ([], ["share"], "share"),
        (["clv"], ["clv_n"], "clv_n"),
    ],
)
def test_name_clashes_are_an_error(segments, scores, features, name):
    tables = {
        "scores": pd.DataFrame({one: [1.0] * 6 for one in scores}, index=IDS) if scores else None,
        "features": pd.DataFrame({one: [1.0] * 6 for one in features}, index=IDS),
    }
    with pytest.raises(ColumnError, match=f"two columns of the profile would be called '{name}'"):
        sg.profile_segments(segments, **tables)


def test_levels_that_are_equal_as_text_are_an_error(segments):
    with pytest.raises(ColumnError, match="two columns of the profile would be called 'f=1'"):
        profile_of(pd.Series([1, "1", 1, "1", 1, "1"], dtype=object), segments)
    with pytest.raises(ColumnError, match="would be called 'a=b=c'"):
        sg.profile_segments(segments, features=pd.DataFrame({"a": ["b=c"] * 6, "a=b": ["c"] * 6}, index=IDS))


def test_the_interval_of_a_score_can_clash_too(segments):
    scores = pd.DataFrame({"clv": [1.0] * 6}, index=IDS)
    features = pd.DataFrame({"clv_total_low": [1.0] * 6}, index=IDS)
    assert "clv_total_low" in sg.profile_segments(segments, scores=scores, features=features)
    with pytest.raises(ColumnError, match="'clv_total_low'"):
        sg.profile_segments(segments, scores=scores, features=features, draws=np.ones((3, 6)))


# --- customers of one table only


def test_customers_on_one_side_only_are_counted_and_warned_of(segments):
    scores = pd.DataFrame({"clv": [1.0, 2.0, 4.0]}, index=["c1", "c2", "stranger"])
    features = pd.DataFrame({"age": [30.0] * 6}, index=IDS)
    with pytest.warns(
        UnmatchedCustomersWarning,
        match=r"^1 customer of scores not in the assignment \(left out\); "
        r"4 customers of the assignment not in scores \(counted in n_customers only\)\.$",
    ) as warned:
        profile = sg.profile_segments(segments, scores=scores, features=features)
    assert warned[0].filename == __file__
    assert profile.attrs["unmatched"] == {
        "scores": {"only_in_scores": 1, "only_in_assignment": 4},
        "features": {"only_in_features": 0, "only_in_assignment": 0},
    }
    assert profile["clv_total"].tolist() == [2, 1, 0, 0]
    assert profile["clv_n"].tolist() == [1, 1, 0, 0]
    assert profile["n_customers"].tolist() == [2, 3, 0, 1]


def test_ids_that_never_match_are_refused(segments):
    scores = pd.DataFrame({"clv": [1.0, 2.0]}, index=[1, 2])
    with pytest.raises(
        CustomerTableError,
        match=r"no customer of scores is in the assignment: its ids look like 1, 2 \(int64\), .*'c1'",
    ):
        sg.profile_segments(segments, scores=scores)


def test_rows_of_scores_and_features_may_stand_in_any_order(segments):
    scores = pd.DataFrame({"clv": range(6)}, index=IDS)
    features = pd.DataFrame({"town": list("xxyyzz"), "age": range(6)}, index=IDS)
    expected = sg.profile_segments(segments, scores=scores, features=features)
    mixed = [3, 0, 5, 1, 4, 2]
    got = sg.profile_segments(segments.iloc[mixed[::-1]], scores=scores.iloc[mixed], features=features.iloc[mixed])
    pd.testing.assert_frame_equal(got, expected)


# --- draws


def test_draws_are_aggregated_within_each_draw(segments):
    """The definition, spelt out with loops; and bounds of single customers are never summed."""
    rng = np.random.default_rng(0)
    draws = rng.lognormal(3, 1.5, size=(400, 6))
    scores = pd.DataFrame({"clv": draws.mean(axis=0)}, index=IDS)
    profile = sg.profile_segments(segments, scores=scores, draws=draws, level=0.8)
    whole = draws.sum(axis=1)
    members = {"b": [1, 3], "a": [0, 2, 4], "unassigned": [5]}
    for name, columns in members.items():
        within = [sum(draw[c] for c in columns) for draw in draws]
        means = [total / len(columns) for total in within]
        shares = [total / everything for total, everything in zip(within, whole, strict=True)]
        for figure, values in (("total", within), ("mean", means), ("share", shares)):
            bounds = profile.loc[name, [f"clv_{figure}_low", f"clv_{figure}_high"]].tolist()
            np.testing.assert_allclose(bounds, np.quantile(values, [0.1, 0.9]))
    assert (
        profile.loc["empty", ["clv_total_low", "clv_total_high", "clv_share_low", "clv_share_high"]].tolist() == [0] * 4
    )
    assert profile.loc["empty", ["clv_mean_low", "clv_mean_high"]].isna().all()


def test_the_interval_of_a_total_is_not_the_sum_of_bounds():
    """1,000 independent customers worth 100 times a chi-square of 1 degree of freedom: the total has 1,000 of them."""
    draws = 100 * np.random.default_rng(0).chisquare(1, size=(2000, 1000))
    ids = pd.RangeIndex(1000, name="customer_id")
    profile = sg.profile_segments(
        pd.Series(["all"] * 1000, index=ids), scores=pd.DataFrame({"clv": draws.mean(axis=0)}, index=ids), draws=draws
    )
    interval = profile.loc["all", ["clv_total_low", "clv_total_high"]].tolist()
    assert interval == pytest.approx(100 * chi2(1000).ppf([0.05, 0.95]), rel=0.005)  # 92,759 to 107,468
    of_customers = np.quantile(draws, [0.05, 0.95], axis=0)
    assert of_customers.sum(axis=1) == pytest.approx(100_000 * chi2(1).ppf([0.05, 0.95]), rel=0.05)  # 393 to 384,146


def test_shared_uncertainty_does_not_average_out():
    """Draws that move all customers together keep their spread in the total; independent ones lose it."""
    rng = np.random.default_rng(0)
    ids = pd.RangeIndex(400, name="customer_id")
    together = np.repeat(rng.normal(10, 1, size=(2000, 1)), 400, axis=1)
    apart = rng.normal(10, 1, size=(2000, 400))
    widths = []
    for draws in (together, apart):
        scores = pd.DataFrame({"s": [10.0] * 400}, index=ids)
        profile = sg.profile_segments(pd.Series(["all"] * 400, index=ids), scores=scores, draws=draws)
        widths.append(float(profile["s_mean_high"].iloc[0] - profile["s_mean_low"].iloc[0]))
    # 2 * 1.645 standard deviations, and a twentieth (1 / sqrt(400)) of it
    assert widths[0] == pytest.approx(3.29, rel=0.1)
    assert widths[1] == pytest.approx(3.29 / 20, rel=0.1)


def test_draws_may_be_a_table_by_customer_or_a_mapping_by_score(segments):
    rng = np.random.default_rng(1)
    scores = pd.DataFrame({"clv": range(6), "risk": range(6)}, index=IDS)
    draws = rng.random((50, 6))
    expected = sg.profile_segments(segments, scores=scores, draws=draws)
    mixed = [3, 0, 5, 1, 4, 2]
    table = pd.DataFrame(draws, columns=IDS).iloc[:, mixed].assign(stranger=np.nan)
    pd.testing.assert_frame_equal(sg.profile_segments(segments, scores=scores, draws=table), expected)
    by_name = {"clv": draws}
    pd.testing.assert_frame_equal(sg.profile_segments(segments, scores=scores, draws=by_name), expected)
    polars = pl.DataFrame({one: draws[:, i] for i, one in enumerate(IDS)})
    pd.testing.assert_frame_equal(sg.profile_segments(segments, scores=scores, draws=polars), expected)
    both = sg.profile_segments(segments, scores=scores, draws={"risk": draws, "clv": draws})
    assert both["risk_total_low"].tolist() == both["clv_total_low"].tolist() == expected["clv_total_low"].tolist()
    assert "risk_total_low" not in expected


def test_intervals_are_over_the_customers_of_the_figure(segments):
    """c1 has no score and the stranger no segment: their draws count neither in total nor in mean."""
    scores = pd.DataFrame({"s": [np.nan, 1.0, 3.0, 1.0, 5.0, 7.0, 100.0]}, index=[*IDS, "stranger"])
    draws = np.tile([1000.0, 1.0, 3.0, 1.0, 5.0, 7.0, 1000.0], (9, 1))
    with pytest.warns(UnmatchedCustomersWarning):
        profile = sg.profile_segments(segments, scores=scores, draws=draws)
    for figure in ("mean", "total", "share"):
        expected = missing(profile[f"s_{figure}"])
        assert missing(profile[f"s_{figure}_low"]) == expected
        assert missing(profile[f"s_{figure}_high"]) == expected
    assert profile.loc["a", "s_total"] == 8


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (np.ones(6), r"shape \(n_draws, 6\), got \(6,\)"),
        (np.ones((6, 3)), r"draws of 's' must have one column per customer of scores: .* got \(6, 3\)"),
        (np.ones((2, 6, 1)), r"got \(2, 6, 1\)"),
        (np.ones((0, 6)), "draws of 's' have no rows"),
        (pd.DataFrame(np.ones((2, 5)), columns=IDS[:5]), "draws of 's' lack 1 customer of scores: 'c6'"),
        (pd.DataFrame(np.ones((2, 7)), columns=[*IDS, "c1"]), "more than one column for 'c1'"),
        (
            [[1.0, np.nan, 1.0, np.inf, 1.0, 1.0]],
            "not finite for 2 customers who have the score: 'c4', 'c2'|'c2', 'c4'",
        ),
        ({"other": np.ones((2, 6))}, "draws for 'other', which is no score: 's'"),
        ([["a"] * 6], "could not convert"),
    ],
)
def test_wrong_draws_are_refused(segments, draws, message):
    scores = pd.DataFrame({"s": [1.0] * 6}, index=IDS)
    with pytest.raises(ValueError, match=message):
        sg.profile_segments(segments, scores=scores, draws=draws)


def test_draws_without_scores_are_refused(segments):
    with pytest.raises(ValueError, match="draws need the scores they belong to"):
        sg.profile_segments(segments, draws=np.ones((2, 6)))
    with pytest.raises(ColumnError, match="scores has no column"):
        sg.profile_segments(segments, scores=pd.DataFrame(index=IDS), draws=np.ones((2, 6)))


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, np.nan, "0.9", None, True])
def test_a_wrong_level_is_refused(segments, level):
    with pytest.raises(ValueError, match="level must be a number between 0 and 1"):
        sg.profile_segments(segments, level=level)


# --- an independent reading, and arithmetic that must hold for every table


def by_hand(segment, score, age, town):
    by_segment = [score[segment == name].dropna().sum() for name in segment.unique()]
    shares = min(by_segment) >= 0 and score.dropna().sum() > 0  # a loss is no share of a whole
    """Profile with masks and loops instead of group-bys."""
    rows = {}
    for name in segment.cat.categories:
        inside = (segment == name).to_numpy()
        s, a, t = score[inside], age[inside], town[inside]
        rows[name] = {
            "n_customers": inside.sum(),
            "share": inside.sum() / len(segment),
            "s_mean": s.dropna().mean() if s.notna().any() else np.nan,
            "s_total": s.dropna().sum(),
            "s_share": s.dropna().sum() / score.dropna().sum() if shares else np.nan,
            "s_n": s.notna().sum(),
            "age": a.dropna().mean() if a.notna().any() else np.nan,
            **{
                f"town={level}": (t == level).sum() / t.notna().sum() if t.notna().any() else np.nan
                for level in sorted(town.dropna().unique())
            },
        }
    return pd.DataFrame.from_dict(rows, orient="index")


@st.composite
def tables(draw):
    n = draw(st.integers(1, 25))
    number = st.one_of(st.none(), st.integers(-50, 50).map(float))
    return pd.DataFrame(
        {
            "segment": draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=n, max_size=n)),
            "s": draw(st.lists(number, min_size=n, max_size=n)),
            "age": draw(st.lists(number, min_size=n, max_size=n)),
            "town": draw(st.lists(st.sampled_from(["north", "south", None]), min_size=n, max_size=n)),
        },
        index=pd.Index(draw(st.permutations(range(n))), name="customer_id"),
    ).astype({"s": float, "age": float, "town": object})


def profile_table(table):
    segment = pd.Series(pd.Categorical(table["segment"], categories=["z", "x", "y"]), index=table.index)
    return segment, sg.profile_segments(segment, scores=table[["s"]], features=table[["age", "town"]])


@given(tables())
@settings(deadline=None, max_examples=30)
def test_the_profile_is_what_a_reading_by_hand_gives(table):
    segment, profile = profile_table(table)
    expected = by_hand(segment, table["s"], table["age"], table["town"])
    if table["town"].isna().all():
        expected["town"] = np.nan
    pd.testing.assert_frame_equal(profile, expected, check_dtype=False, check_names=False, check_index_type=False)


@given(tables(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_sizes_shares_and_totals_add_up_and_row_order_is_nothing(table, random):
    _, profile = profile_table(table)
    assert profile["n_customers"].sum() == len(table)
    assert profile["share"].sum() == pytest.approx(1)
    assert profile["s_total"].sum() == pytest.approx(table["s"].sum())
    assert profile["s_n"].sum() == table["s"].notna().sum()
    if profile["s_share"].notna().any():
        assert profile["s_share"].sum() == pytest.approx(1)
    levels = profile.filter(like="town=")
    if levels.shape[1]:
        known = levels.notna().all(axis=1)
        np.testing.assert_allclose(levels[known].sum(axis=1), 1)
    order = list(range(len(table)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(profile_table(table.iloc[order])[1], profile)
