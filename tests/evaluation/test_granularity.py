"""The review of granularity: verdicts, merge plan, what is refused, and how it shows itself."""

import numpy as np
import pandas as pd
import pytest

import segmentation as sg
from segmentation.evaluation import GranularityDisplay, GranularityReport, review_granularity
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import minimum_segment_size

N = 1500


def customers(means, n=N, seed=0, names=None):
    rng = np.random.default_rng(seed)
    index = pd.Index([f"c{i}" for i in range(n * len(means))], name="customer_id")
    names = names or [f"s{i}" for i in range(len(means))]
    segments = pd.Series(pd.Categorical.from_codes(np.repeat(np.arange(len(means)), n), names), index=index)
    spend = pd.Series(rng.gamma(2, 1, len(index)) * np.repeat(means, n), index=index, name="spend")
    return segments, spend


@pytest.fixture(scope="module")
def reviewed():
    segments, spend = customers([10, 10, 15, 40])
    return (
        segments,
        spend,
        review_granularity(segments, spend, margin=4, running_cost={f"s{i}": 100 + i for i in range(4)}),
    )


def test_equal_segments_are_merged_and_others_kept(reviewed):
    segments, _, report = reviewed
    assert report.table["verdict"].tolist() == ["merge", "merge", "keep", "keep"]
    assert report.table.loc["s0", "merge_with"] == ["s1"]
    merged = report.merges.iloc[0]
    assert merged["segments"] == ["s0", "s1"]
    assert merged["n_customers"] == 2 * N
    assert merged["saves"] == 100  # the dearer of both stays
    assert 0 < merged["largest_difference"] < 4
    assert report.apply(segments)["segment"].value_counts()["s0 + s1"] == 2 * N
    assert sg.relabel(segments, report.merge_names).equals(report.apply(segments))
    assert report.headline == "Granularity of 4 segments: 2 to keep, 2 to merge; the merge plan saves 100.00."


def test_intervals_tell_the_decisions(reviewed):
    pairs = reviewed[2].pairs
    inside = (pairs["difference_low"] > -pairs["margin"]) & (pairs["difference_high"] < pairs["margin"])
    outside = (pairs["difference_low"] > pairs["margin"]) | (pairs["difference_high"] < -pairs["margin"])
    assert (inside == (pairs["decision"] == "equivalent")).all()
    assert (outside == (pairs["decision"] == "different")).all()
    assert (pairs["n_first_needed"] == pairs["n_first"]).all()


def test_what_the_data_cannot_decide_is_neither_merged_nor_kept():
    segments, spend = customers([10, 10, 40], n=60)
    report = review_granularity(segments, spend, margin=4)
    assert report.table["verdict"].tolist()[:2] == ["cannot tell"] * 2
    needed = report.table.loc["s0", "n_needed"]
    assert needed > 60
    assert f"needs about {needed:,} customers of this segment" in report.table.loc["s0", "evidence"]
    assert report.merges.empty
    assert report.apply(segments)["segment"].nunique() == 3


def test_small_segments_by_experiment_by_number_and_by_privacy():
    segments, spend = customers([10, 40])
    needed = minimum_segment_size(30, sd=20, rel_lift=0.05)
    report = review_granularity(segments, spend, margin=4, min_size=needed)
    assert report.table["verdict"].tolist() == ["too small"] * 2
    assert report.table["n_needed"].tolist() == [needed.n_needed.item()] * 2
    assert review_granularity(segments, spend, margin=4, min_size={"s0": 1501, "s1": 3}).table["verdict"].tolist() == [
        "too small",
        "keep",
    ]
    few = pd.concat([segments.iloc[:5], segments.iloc[N:]])
    table = review_granularity(few, spend, margin=4).table
    assert table.loc["s0", "verdict"] == "too small"
    assert table.loc["s0", "min_size"] == 10
    impossible = minimum_segment_size(0.95, lift=0.1)
    evidence = review_granularity(segments, spend, margin=4, min_size=impossible).table["evidence"]
    assert evidence.str.contains("no number of customers is enough").all()


def test_a_small_segment_is_merged_where_it_is_equivalent():
    segments, spend = customers([10, 10])
    report = review_granularity(segments, spend, margin=4, min_size=2000)
    assert report.table["verdict"].tolist() == ["merge", "merge"]
    assert (
        "Too small: 1,500 customers of 2,000 needed; merged it is one of 3,000." in report.table.loc["s0", "evidence"]
    )


def test_unstable_segments_by_their_median():
    segments, spend = customers([10, 40])
    slsw = pd.DataFrame({"s0": [0.9, 0.4, 0.5], "s1": [0.9, 0.8, 0.9]})

    class Stability:
        pass

    given = Stability()
    given.slsw = slsw
    for stability in (given, slsw, slsw.median()):
        table = review_granularity(segments, spend, margin=4, stability=stability).table
        assert table["verdict"].tolist() == ["unstable", "keep"]
        assert table["stability"].tolist() == [0.5, 0.9]


def test_a_split_worth_having_is_found_and_blocks_a_merge():
    segments, spend = customers([10, 10, 40])
    rng = np.random.default_rng(1)
    features = pd.DataFrame(
        {"age": rng.integers(18, 80, len(spend)), "noise": rng.normal(size=len(spend))}, spend.index
    )
    two = (segments == "s0") & (features["age"] > 48)
    spend = spend.where(segments != "s0", spend * np.where(two, 1.6, 0.4))
    run = {"margin": 6, "features": features, "n_halvings": 5}
    report = review_granularity(segments, spend, random_state=0, **run)
    assert report.table["verdict"].tolist() == ["split", "keep", "keep"]
    assert report.table.loc["s0", "split_on"].startswith("age > ")
    row = report.splits.iloc[0]
    assert row["direction"] == "more"
    assert row["difference_low"] > 6
    assert report.splits["decision"].tolist() == ["split", "none found", "none found"]
    assert "what is two in one is not merged" in report.table.loc["s1", "evidence"]
    assert any("yours to say" in text for text in report.warnings)
    again = review_granularity(segments, spend, random_state=0, **run)
    pd.testing.assert_frame_equal(report.splits, again.splits)
    # a margin that the difference does not exceed
    dear = review_granularity(segments, spend, random_state=0, **(run | {"margin": 25}))
    assert dear.splits["decision"].iloc[0] == "not shown to be worth it"


def test_actions_decide_by_gain():
    segments, spend = customers([10, 40])
    rng = np.random.default_rng(2)
    features = pd.DataFrame({"age": rng.integers(18, 80, len(spend))}, spend.index)
    older = features["age"] > 48
    action = pd.Series(np.where(rng.random(len(spend)) < 0.5, "call", "mail"), index=spend.index)
    right = (segments == "s0") & ((action == "call") == older)
    run = {"margin": 4, "features": features, "n_halvings": 5, "random_state": 0}
    report = review_granularity(segments, spend + 10 * right, actions=action, running_cost=200, **run)
    row = report.splits.iloc[0]
    assert row["decision"] == "split"
    assert (row["action_inside"], row["action_outside"]) == ("call", "mail")
    assert row["gain"] == pytest.approx(10 * N * min(older.mean(), 1 - older.mean()), rel=0.35)
    assert "'call' there and 'mail' for the others" in report.table.loc["s0", "evidence"]
    assert report.splits.iloc[1]["decision"] == "none found"
    dear = review_granularity(segments, spend + 10 * right, actions=action, running_cost=1e6, **run)
    assert dear.splits.iloc[0]["decision"] == "not shown to be worth it"
    worth = pd.DataFrame({"call": 10.0 * older, "mail": 10.0 * ~older})
    known = review_granularity(segments, spend, actions=worth, **run)
    assert known.splits["decision"].tolist() == ["split", "split"]
    assert any("known without error" in text for text in known.warnings)


@pytest.mark.parametrize(
    "made",
    [
        lambda spend: spend,
        lambda spend: np.log1p(spend),
        lambda spend: spend.round(1) * -3 + 2,
        lambda spend: (spend > 12).astype(int),
    ],
)
@pytest.mark.parametrize("parameter", ["formed_by", "features"])
def test_outcomes_that_formed_the_segments_are_refused(made, parameter):
    segments, spend = customers([10, 40])
    table = pd.DataFrame({"past": spend, "noise": np.arange(len(spend)) % 7})
    with pytest.raises(ColumnError, match=rf"'later' follows from the column 'past' of {parameter}"):
        review_granularity(segments, made(spend).rename("later"), margin=4, **{parameter: table})


def test_outcomes_are_refused_by_name_and_in_combination():
    segments, spend = customers([10, 40])
    for names in ("Spend", ["age", "SPEND"], spend.rename("spend")):
        with pytest.raises(ColumnError, match="'spend' is in formed_by"):
            review_granularity(segments, spend, margin=4, formed_by=names)
    rng = np.random.default_rng(3)
    parts = pd.DataFrame(
        {"orders": rng.poisson(5, len(spend)) + 1, "basket": rng.lognormal(2, 1, len(spend))}, spend.index
    )
    for outcome in (parts["orders"] * parts["basket"], parts["orders"] + parts["basket"]):
        with pytest.raises(ColumnError, match="together of formed_by"):
            review_granularity(segments, outcome.rename("money"), margin=4, formed_by=parts)
    noisy = pd.DataFrame({"past": spend * rng.lognormal(0, 0.5, len(spend))})
    review_granularity(segments, spend, margin=4, formed_by=noisy)


def test_what_is_not_known_is_said():
    segments, spend = customers([10, 40])
    report = review_granularity(segments, spend, margin=4)
    assert any("formed_by= does not say" in text for text in report.warnings)
    assert not any(
        "formed_by=" in text for text in review_granularity(segments, spend, margin=4, formed_by="age").warnings
    )
    cut = pd.Series(np.where(spend > 20, "high", "low"), index=spend.index)
    assert any("intervals of 'spend'" in text for text in review_granularity(cut, spend, margin=4).warnings)


def test_customers_left_out_are_counted():
    segments, spend = customers([10, 40])
    segments = segments.astype(object)
    segments.iloc[:3] = None
    spend = pd.concat([spend.iloc[:-7], pd.Series([1.0, 2.0], index=["x", "y"])]).rename("spend")
    text = str(review_granularity(segments, spend, margin=4))
    assert "2 customers of the outcomes not in the assignment" in text
    assert "3 customers in no segment" in text
    assert "7 customers without a value of 'spend'" in text


def test_empty_and_single_segments():
    segments, spend = customers([10])
    alone = review_granularity(segments, spend, margin=4)
    assert alone.pairs.empty
    assert alone.table["verdict"].tolist() == ["keep"]
    assert "no other segment" in alone.table["evidence"].item()
    segments, spend = customers([10, 40])
    segments = segments.cat.add_categories(["empty"])
    report = review_granularity(segments, spend, margin=4)
    assert report.table.loc["empty", "verdict"] == "too small"
    assert "1 segment without customers" in str(report)
    assert len(report.pairs) == 1


def test_several_outcomes_and_margins():
    segments, spend = customers([10, 10])
    outcomes = pd.DataFrame({"spend": spend, "visits": np.where(segments == "s0", 1.0, 3.0) + spend.to_numpy() % 1})
    report = review_granularity(segments, outcomes, margin={"spend": 4, "visits": 0.5})
    assert report.table["verdict"].tolist() == ["keep", "keep"]
    assert report.pairs["outcome"].tolist() == ["spend", "visits"]
    assert (
        review_granularity(segments, outcomes, margin={"spend": 4, "visits": 5}).table["verdict"].tolist()
        == ["merge"] * 2
    )


def test_frames_and_arrays_agree():
    segments, spend = customers([10, 10, 40])
    pairs = review_granularity(segments, spend, margin=4).pairs
    array = review_granularity(segments, spend.to_numpy(), margin=4).pairs
    pd.testing.assert_frame_equal(pairs.drop(columns="outcome"), array.drop(columns="outcome"))
    shuffled = review_granularity(segments, spend.sample(frac=1, random_state=0), margin=4).pairs
    pd.testing.assert_frame_equal(pairs, shuffled)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"customer_id": spend.index.to_list(), "spend": spend.to_numpy()})
    pd.testing.assert_frame_equal(pairs, review_granularity(segments, frame, margin=4).pairs)


def test_the_report_shows_itself(reviewed):
    report = reviewed[2]
    assert isinstance(report, GranularityReport)
    assert str(report).splitlines()[0] == report.headline
    assert report.to_pandas() is not report.table
    assert report.to_pandas().equals(report.table)
    assert set(report.to_dict()) == {"headline", "table", "pairs", "merges", "splits", "warnings", "settings"}
    assert report.settings["margin_in_se_at_least"] == pytest.approx(3.605, abs=0.001)
    with pytest.raises(AttributeError):
        report.table = None
    segments, spend = customers([10, 40], names=["<script>", "b"])
    assert "<script>" not in review_granularity(segments, spend, margin=4)._repr_html_()


def test_the_picture_has_the_pairs_in_order(reviewed):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = GranularityDisplay.from_report(reviewed[2]).plot()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    pairs = reviewed[2].pairs
    order = pairs.loc[pairs["difference"].abs().sort_values().index]
    expected = [
        f"{r.second} - {r.first}" if r.difference < 0 else f"{r.first} - {r.second}" for r in order.itertuples()
    ]
    assert labels == expected
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["equivalent: merge", "different: keep apart"]
    assert "4.00" in display.ax_.get_xlabel()
    pyplot.close(display.figure_)
    segments, spend = customers(np.linspace(10, 40, 12), n=50)
    ax = review_granularity(segments, spend, margin=4).plot()
    assert len(ax.get_yticklabels()) == 30
    assert "36 more pairs not drawn" in ax.get_title(loc="left")
    pyplot.close(ax.figure)
    segments, spend = customers([10])
    ax = review_granularity(segments, spend, margin=4).plot()
    assert "No two segments" in ax.get_title(loc="left")
    pyplot.close(ax.figure)
    with pytest.raises(ValueError, match="outcome must be one of 'spend'"):
        reviewed[2].plot(outcome="visits")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"margin": 0}, ValueError, "positive number"),
        ({"margin": {"visits": 1}}, ValueError, "missing 'spend'"),
        ({"margin": True}, ValueError, "positive number"),
        ({"running_cost": -1}, ValueError, "running_cost must be"),
        ({"running_cost": {"s0": 1}}, ValueError, "no value for 's1'"),
        ({"min_size": {"s0": 1}}, ValueError, "no value for 's1'"),
        ({"min_size": minimum_segment_size({"s0": 0.1}, lift=0.1)}, ValueError, "no row for 's1'"),
        ({"alpha": 0.9}, ValueError, "alpha must be"),
        ({"power": 1}, ValueError, "power must be"),
        ({"n_halvings": 0}, ValueError, "n_halvings must be"),
        ({"n_permutations": 9}, ValueError, "n_permutations must be"),
        ({"stability": {"s0": 1.0}}, ValueError, "no value for 's1'"),
        ({"stability": 3}, TypeError, "segment_stability"),
        ({"actions": pd.Series(["a"])}, ValueError, "give both"),
        ({"features": [1, 2]}, (TypeError, ColumnError), "features"),
        ({"features": pd.DataFrame({"x": [1]}, index=["nobody"])}, CustomerTableError, "no customer"),
    ],
)
def test_bad_input_is_refused(given, error, message):
    segments, spend = customers([10, 40], n=30)
    with pytest.raises(error, match=message):
        review_granularity(segments, spend, **({"margin": 4} | given))


def test_bad_outcomes_are_refused():
    segments, spend = customers([10, 40], n=30)
    with pytest.raises(ColumnError, match="must be numbers"):
        review_granularity(segments, spend.astype(str) + "x", margin=4)
    with pytest.raises(CustomerTableError, match="infinite for 1 customer"):
        review_granularity(segments, spend.where(spend.index != "c0", np.inf), margin=4)
    with pytest.raises(ValueError, match="one row per customer"):
        review_granularity(segments, spend.to_numpy()[:5], margin=4)
    with pytest.raises(CustomerTableError, match="no customer is in both"):
        review_granularity(segments, pd.Series([1.0], index=["nobody"]), margin=4)
    with pytest.raises(TypeError, match="outcomes must be"):
        review_granularity(segments, "spend", margin=4)
    with pytest.raises(ValueError, match="at least two different actions"):
        review_granularity(
            segments, spend, margin=4, features=spend.to_frame("x") % 1, actions=pd.Series("a", index=spend.index)
        )


def test_a_merged_segment_gets_a_name_of_its_own():
    segments, spend = customers([10, 10, 40], names=["a", "b", "a + b"])
    report = review_granularity(segments, spend, margin=4)
    assert report.merges["merged"].tolist() == ["a + b (merged)"]
    sizes = report.apply(segments)["segment"].value_counts()
    assert (sizes["a + b (merged)"], sizes["a + b"]) == (2 * N, N)


def test_what_formed_the_segments_is_looked_at_or_refused():
    segments, spend = customers([10, 20], n=200)
    forming = pd.DataFrame({"past": np.arange(400.0)}, index=segments.index)
    with pytest.raises(TypeError, match=r"got numpy.ndarray; an array becomes one by pandas.DataFrame\(array"):
        review_granularity(segments, spend, margin=4, formed_by=np.column_stack([spend, spend]))
    with pytest.raises(TypeError, match=r"must be names of columns, or a table .* got int"):
        review_granularity(segments, spend, margin=4, formed_by=5)
    with pytest.raises(
        CustomerTableError, match=r"no customer of the assignment is in formed_by: .*'c0'.* and 0, 1, 2"
    ):
        review_granularity(segments, spend, margin=4, formed_by=forming.reset_index(drop=True))
    report = review_granularity(segments, spend, margin=4, formed_by=forming.iloc[:300])
    assert report.warnings[0].startswith("100 customers not in formed_by: ")


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda y: y * 1e200, CustomerTableError, "'spend' reaches .*e.20[0-9], whose powers no float can hold"),
        (lambda y: y * 1e-200, CustomerTableError, "another unit, and the margin with it"),
        (lambda y: y.astype(str), ColumnError, "it holds string"),
        (lambda y: y.astype(object).where(y > 10, "1,234"), ColumnError, "must be numbers .* it holds mixed"),
        (lambda y: pd.Series(pd.Timestamp("2027-01-01"), index=y.index, name="spend"), ColumnError, "datetime"),
    ],
)
def test_outcomes_that_are_no_amounts_are_refused(spoil, error, message):
    segments, spend = customers([10, 20], n=50)
    with pytest.raises(error, match=message):
        review_granularity(segments, spoil(spend), margin=4)


def test_numbers_of_every_kind_are_outcomes():
    segments, spend = customers([10, 20], n=50)
    whole = spend.round()
    expected = review_granularity(segments, whole, margin=4).pairs
    for given in (whole.astype("Int64"), whole.astype(object), whole.astype("float32")):
        pd.testing.assert_frame_equal(review_granularity(segments, given, margin=4).pairs, expected)
    for margin in (1e-300, 1e300):
        with pytest.raises(ValueError, match="is it in the outcome's own unit"):
            review_granularity(segments, spend, margin=margin)
    for margin in (1e-80, 1e80):  # senseless, and still an answer
        assert len(review_granularity(segments, spend, margin=margin).pairs) == 1


def test_too_few_events_name_who_needs_more():
    segments, spend = customers([10, 10, 10], n=400)
    spend.iloc[10:400] = 0.0  # ten of the first segment buy
    spend.iloc[400:800] = 0.0  # nobody of the second
    report = review_granularity(segments, spend, margin=4)
    said = report.table["evidence"]
    assert "needs about 800 customers of this segment" in said["s0"]
    assert "not this one: the other needs about 800" in said["s2"]
    assert "one of them none at all: no number of customers can be named" in said["s1"]
    assert "about as large as the margin" not in " ".join(said)
    needed = report.pairs.set_index(["first", "second"])[["n_first_needed", "n_second_needed"]]
    assert needed.loc[("s0", "s2")].tolist() == [800, 400]
    assert needed.loc[("s1", "s2")].isna().all()


def test_features_without_a_value_or_with_odd_ones_are_no_obstacle():
    segments, spend = customers([10], n=400)
    odd = pd.DataFrame(
        {
            "nothing": np.nan,
            "maybe": pd.array([True, False, None, True] * 100, dtype="boolean"),
            "flag": pd.Categorical([True, False, None, True] * 100),
            "infinite": np.where(np.arange(400) % 3, np.inf, -np.inf),
            "huge": np.arange(400) * 1e300,
        },
        index=segments.index,
    )
    report = review_granularity(segments, spend, margin=4, features=odd, n_halvings=2, random_state=0)
    assert report.splits["decision"].tolist() == ["none found"]
