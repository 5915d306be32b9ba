"""Net promoter score and satisfaction by segment."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.feedback import net_promoter, satisfaction
from segmentation.feedback._groups import Answers

IDS = pd.RangeIndex(100, name="customer_id")
# 60 in a: 24 promoters, 18 passives, 18 detractors; 40 in b: 10, 10, 20
SCORES = pd.Series([9] * 14 + [10] * 10 + [7] * 10 + [8] * 8 + [0] * 18 + [9] * 10 + [8] * 10 + [6] * 20, index=IDS)
SEGMENTS = pd.Series(["a"] * 60 + ["b"] * 40, index=IDS)


def market(n=600, effect=0.0, repeat=False, segments=4, seed=0):
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, segments, n)
    own = rng.normal(size=n)
    times = rng.integers(1, 4, n) if repeat else np.ones(n, dtype=int)
    who = np.repeat(np.arange(n), times)
    latent = 7.4 + 1.2 * own[who] + effect * (segment[who] == 0) + 1.2 * rng.normal(size=who.size)
    answers = pd.DataFrame(
        {
            "customer_id": who,
            "nps": np.clip(np.round(latent), 0, 10).astype(int),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 360, who.size), unit="D"),
        }
    )
    return answers, pd.Series([f"s{code}" for code in segment], index=pd.RangeIndex(n, name="customer_id"))


def test_known_answer():
    result = net_promoter(SCORES, SEGMENTS)
    a, b = result.table.loc["a"], result.table.loc["b"]
    assert a[["promoters", "passives", "detractors"]].round(3).tolist() == [0.4, 0.3, 0.3]
    assert a["nps"] == pytest.approx(10.0)
    assert b["nps"] == pytest.approx(-25.0)
    assert result.overall.loc["all", "nps"] == pytest.approx(100 * (34 - 38) / 100)
    assert a["nps_low"] < 10 < a["nps_high"]
    assert result.differences["difference"].round(6).tolist() == [35.0, -35.0]
    assert "Net promoter score -4.0" in str(result)


def test_frames_of_other_kinds_give_the_same():
    answers, segments = market()
    assigned = pd.DataFrame({"customer_id": segments.index, "segment": segments.to_numpy()}).set_index("customer_id")
    expected = net_promoter(answers, assigned).table
    pd.testing.assert_frame_equal(net_promoter(pl.from_pandas(answers), assigned).table, expected)
    pd.testing.assert_frame_equal(net_promoter(answers.sample(frac=1, random_state=0), assigned).table, expected)


def test_small_segments_are_blanked_and_cannot_be_computed():
    segments = SEGMENTS.copy()
    segments[:3] = "tiny"
    segments[60:75] = "c"
    result = net_promoter(SCORES, segments)
    blank = result.table["n_customers"].isna()
    assert blank["tiny"]
    assert blank.sum() == 2  # with the next smallest, so that the total does not give it away
    assert result.table.loc[blank].isna().all().all()
    assert not set(result.differences["segment"]) & set(blank.index[blank])
    assert any("not shown" in text for text in result.warnings)


def test_small_shares_are_blanked_and_the_score_stays():
    scores = SCORES.copy()
    scores[:60] = [9] * 40 + [7] * 15 + [2] * 5
    result = net_promoter(scores, SEGMENTS)
    assert result.table.loc["a", ["promoters", "passives", "detractors"]].isna().all()
    assert result.table.loc["a", "nps"] == pytest.approx(100 * 35 / 60)


def test_several_answers_of_a_customer_widen_the_interval():
    segments = pd.Series(["a"] * 60 + ["b"] * 40, index=IDS)
    three_times = pd.concat([SCORES] * 3)
    three_times.index.name = "customer_id"
    once, often = net_promoter(SCORES, segments), net_promoter(three_times, segments)
    assert often.settings["alike_within_customers"] == pytest.approx(1.0)
    wide, narrow = (r.table["nps_high"] - r.table["nps_low"] for r in (once, often))
    np.testing.assert_allclose(wide, narrow, rtol=0.05)
    assert often.table["n_answers"].tolist() == [180, 120]
    assert often.table["n_customers"].tolist() == [60, 40]


def test_left_out_rows_are_counted():
    answers, segments = market()
    answers["nps"] = answers["nps"].astype("float64")
    answers.loc[:4, "nps"] = np.nan
    segments = segments.drop(index=range(10, 17)).where(lambda s: s.index > 20)
    notes = " ".join(net_promoter(answers, segments).warnings)
    assert "7 answers left out: their customers are not in the assignment" in notes
    assert "14 answers left out: their customers are in no segment" in notes


def test_a_difference_is_found_and_the_right_one():
    answers, segments = market(1500, effect=1.0)
    result = net_promoter(answers, segments)
    found = result.differences[result.differences["differs"]]
    assert "s0" in set(found["segment"])
    assert result.settings["p_value_all"] < 1e-4
    pairs = net_promoter(answers, segments, against="pairs").differences
    assert len(pairs) == 6
    assert set(pairs[pairs["differs"]]["segment"]) == {"s0"}
    one = net_promoter(answers, segments, against="s0").differences
    assert (one["other"] == "s0").all()
    assert (one["difference"] < 0).all()


def test_nothing_is_called_a_difference_by_chance():
    """Of 30 markets without any, with several answers per customer: at most the 99.9 % binomial bound of 5 %."""
    wrong = trend = 0
    for seed in range(30):
        answers, segments = market(160, repeat=True, seed=seed)
        result = net_promoter(answers, segments, timestamp="day", period="Q")
        wrong += bool(result.differences["differs"].any())
        trend += bool(result.changes["changes"].any())
    most = stats.binom.ppf(0.999, 30, 0.05)
    assert wrong <= most
    assert trend <= most


def test_intervals_cover_with_repeated_answers():
    """400 samples of 60 customers who answer up to three times; the true figures from a large market."""
    big, _ = market(400_000, repeat=True, segments=1, seed=99)
    truth = float((big["nps"] >= 9).mean()), float((big["nps"] <= 6).mean())
    inside = np.zeros(2)
    for seed in range(400):
        answers, _ = market(60, repeat=True, segments=1, seed=seed)
        who, nps = answers["customer_id"].to_numpy(), answers["nps"].to_numpy()
        one = np.zeros(nps.size, dtype=np.int64)
        sign = (nps >= 9).astype(float) - (nps <= 6)
        score = Answers.of("promoters", sign, who, one).by(one, 1, 0.95)
        share = Answers.of("share", (nps >= 9).astype(float), who, one).by(one, 1, 0.95)
        inside += score.low[0] <= truth[0] - truth[1] <= score.high[0], share.low[0] <= truth[0] <= share.high[0]
    # 95 +- 1.5 % widened by three standard errors of 400 samples
    assert (np.abs(inside / 400 - 0.95) < 0.015 + 3 * np.sqrt(0.05 * 0.95 / 400)).all(), inside


def test_trend_by_period():
    answers, segments = market(3000, seed=5)
    month = (answers["day"].dt.month - 1).to_numpy()
    falling = (segments.loc[answers["customer_id"]] == "s1").to_numpy()
    answers.loc[falling, "nps"] = np.clip(answers.loc[falling, "nps"] - month[falling] // 3, 0, 10)
    result = net_promoter(answers, segments, timestamp="day")
    assert result.trend["period"].nunique() == 12
    assert set(result.changes[result.changes["changes"]]["segment"]) == {"s1"}
    assert result.changes.set_index("segment").loc["s1", "change_high"] < 0
    cell = result.trend.iloc[0]
    rows = answers[(answers["day"].dt.month == 1) & (segments.loc[answers["customer_id"]] == "s0").to_numpy()]
    assert cell["nps"] == pytest.approx(100 * ((rows["nps"] >= 9).mean() - (rows["nps"] <= 6).mean()))


def test_small_periods_are_blanked_in_rows_and_columns():
    answers, segments = market(400, seed=1)
    trend = net_promoter(answers, segments, timestamp="day").trend
    counts = answers.assign(s=segments.loc[answers["customer_id"]].to_numpy(), p=answers["day"].dt.month)
    true = counts.groupby(["s", "p"])["customer_id"].nunique().to_numpy().reshape(4, 12)
    hidden = trend["n_customers"].isna().to_numpy().reshape(4, 12)
    assert hidden[(true > 0) & (true < 10)].all()
    for axis in (0, 1):
        n_hidden = hidden.sum(axis=axis)
        assert not (n_hidden == 1).any()


def test_satisfaction_known_answer():
    answers = pd.DataFrame({"speed": [5] * 30 + [2] * 30 + [4] * 20 + [1] * 20, "price": 3}, index=IDS)
    result = satisfaction(answers, SEGMENTS, scale=(1, 5))
    rows = result.table.set_index(["item", "segment"])
    assert rows.loc[("speed", "a"), "mean"] == pytest.approx(3.5)
    assert rows.loc[("speed", "a"), "top_box"] == pytest.approx(0.5)
    assert rows.loc[("speed", "b"), "bottom_box"] == pytest.approx(0.5)
    low, high = stats.t.interval(0.95, 59, 3.5, np.std([5] * 30 + [2] * 30, ddof=1) / np.sqrt(60))
    assert rows.loc[("speed", "a"), ["mean_low", "mean_high"]].tolist() == pytest.approx([low, high])
    found = result.differences[result.differences["differs"]]
    assert set(found["item"]) == {"speed"}
    assert not result.warnings


def test_satisfaction_top_box_and_trend():
    answers, segments = market(800, effect=1.2)
    result = satisfaction(
        answers, segments, items="nps", scale=(0, 10), compare="top_box", timestamp="day", period="Q", against="pairs"
    )
    assert set(result.differences[result.differences["differs"]]["segment"]) == {"s0"}
    assert list(result.trend["period"].unique()) == ["2024Q1", "2024Q2", "2024Q3", "2024Q4"]
    assert {"item", "segment", "change", "changes"} <= set(result.changes.columns)
    assert "scale taken from the answers" in " ".join(satisfaction(answers, segments, items=["nps"]).warnings)


def test_results_are_plain():
    import json

    answers, segments = market(300)
    for result in (net_promoter(answers, segments, timestamp="day"), satisfaction(answers, segments, items=["nps"])):
        assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["settings"]["level"] == 0.95
        assert result.to_pandas().equals(result.table)
        assert result._repr_html_().startswith("<p>")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"answers": [1, 2]}, TypeError, "must be a table with one row per answer"),
        ({"score": "mark"}, ColumnError, "mark"),
        ({"customer_id": "who"}, ColumnError, "name the column with customer_id="),
        ({"level": 95}, ValueError, "level must be a number between 0 and 1"),
        ({"minimum": 1}, ValueError, "minimum must be a whole number of at least 2"),
        ({"against": "nobody"}, ValueError, "against must be 'rest', 'pairs' or a segment"),
        ({"period": "M"}, ValueError, "timestamp="),
        ({"timestamp": "nps"}, ColumnError, "must hold dates"),
        ({"timestamp": "day", "period": "fortnight"}, ValueError, "period must be a length of time"),
    ],
)
def test_bad_input(change, error, message):
    answers, segments = market(200)
    arguments = {"answers": answers} | change
    frame = arguments.pop("answers")
    with pytest.raises(error, match=message):
        net_promoter(frame, segments, **arguments)


def test_bad_answers():
    answers, segments = market(200)
    with pytest.raises(ColumnError, match=r"whole numbers from 0 to 10.*11"):
        net_promoter(answers.assign(nps=11), segments)
    with pytest.raises(ColumnError, match="must hold numbers"):
        net_promoter(answers.assign(nps="ten"), segments)
    with pytest.raises(CustomerTableError, match="ids of the answers look like"):
        net_promoter(answers.assign(customer_id=answers["customer_id"].astype(str)), segments)
    with pytest.raises(CustomerTableError, match="nobody in a segment answered"):
        net_promoter(answers.assign(nps=np.nan), segments)
    with pytest.raises(ColumnError, match="outside of the scale"):
        satisfaction(answers, segments, items=["nps"], scale=(1, 5))
    with pytest.raises(ValueError, match="more than half"):
        satisfaction(answers, segments, items=["nps"], scale=(0, 10), top=6)
    with pytest.raises(ValueError, match="compare must be"):
        satisfaction(answers, segments, items=["nps"], compare="median")
    with pytest.raises(ColumnError, match="no column of numbers"):
        satisfaction(answers[["customer_id"]].assign(text="x"), segments)


@pytest.mark.parametrize("scale", [3, "15", (1, 2, 3), (5, 1)])
def test_bad_scales(scale):
    ids = pd.RangeIndex(60, name="customer_id")
    segments = pd.Series(["a", "b"] * 30, index=ids)
    with pytest.raises(ValueError, match=r"scale must be \(lowest, highest\)"):
        satisfaction(pd.DataFrame({"q": [1, 5] * 30}, index=ids), segments, scale=scale)
    with pytest.raises(ValueError, match="all answers are 3"):
        satisfaction(pd.DataFrame({"q": 3}, index=ids), segments)


def test_tables_that_cannot_be_read():
    ids = pd.RangeIndex(60, name="customer_id")
    segments = pd.Series(["a", "b"] * 30, index=ids)
    answers = pd.DataFrame({"nps": [1, 5] * 30}, index=ids)
    with pytest.raises(ColumnError, match="columns of the same name: 'nps'"):
        net_promoter(pd.concat([answers, answers], axis=1), segments)
    with pytest.raises(CustomerTableError, match="answers has no rows"):
        net_promoter(answers.head(0), segments)


def test_a_difference_lies_in_its_own_interval():
    ids = pd.RangeIndex(20, name="customer_id")
    segments = pd.Series(["a"] * 10 + ["b"] * 10, index=ids)
    row = net_promoter(pd.Series([10] * 10 + [0] * 10, index=ids), segments).differences.iloc[0]
    assert row["difference"] == 200
    assert 100 < row["difference_low"] < row["difference_high"] == 200
    shares = satisfaction(
        pd.DataFrame({"q": [5] * 10 + [1] * 10}, index=ids), segments, scale=(1, 5), compare="top_box"
    ).differences.iloc[0]
    assert shares["difference_low"] < shares["difference"] == shares["difference_high"] == 1
