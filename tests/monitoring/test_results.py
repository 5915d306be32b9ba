"""Every result of monitoring: it prints, is escaped in a notebook, turns into strict JSON, is pickled and drawn."""

import functools
import html
import json
import pickle
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from segmentation.monitoring import (
    ReturnLedger,
    decompose_change,
    feature_drift,
    match_segments,
    migration,
    recommend_refresh,
    retention,
    segment_drift,
    segment_quality,
    split_migration,
)
from segmentation.segmenters import RuleSegmenter

EVIL = "<script>alert('x')</script> costs $5 or $x^{2$, " + "a very long name " * 10  # over 200 characters
PLAIN = "loyal"
N = 200
IDS = pd.RangeIndex(N, name="customer_id")
DATES = (pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-29"))


def features(seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"spend": rng.lognormal(3, 1, N), EVIL: rng.choice(["a", EVIL], N), "visits": rng.integers(0, 9, N)}, index=IDS
    ).assign(gaps=lambda table: table["spend"].where(table["visits"] > 2))


def segments(seed, moved=0):
    rng = np.random.default_rng(seed)
    names = np.where(np.arange(N) < 100, EVIL, PLAIN).astype(object)
    names[rng.integers(0, N, moved)] = None
    return pd.Series(names, index=IDS)


def money(seed):
    return pd.Series(np.random.default_rng(seed).normal(10, 30, N), index=IDS).where(IDS > 3)


def rules(limit):
    return RuleSegmenter({EVIL: f"spend >= {limit}", PLAIN: f"spend < {limit}"}).fit(features(0)[["spend"]])


def ledger_returns(folder):
    with ReturnLedger(folder / "returns.db") as ledger:
        for i in range(4):
            for segment, cost in ((EVIL, 10.0 + i), (PLAIN, None), (None, 3.0)):
                ledger.add(segment=segment, action="mail", period=f"2024-0{i + 1}", cost=cost, outcome=20.0 - i)
        return ledger.returns(
            ("segment", "action"), plan=pd.DataFrame({"segment": [EVIL], "action": ["mail"], "cost": [50]}), budget=99
        )


def orders():
    rng = np.random.default_rng(1)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 900), unit="D")
    return pd.DataFrame({"customer": rng.integers(0, N, 900), "day": days})


def change():
    tables = [features(i).assign(segment=segments(i, 20)) for i in (0, 1)]
    return decompose_change("spend", *tables, n_resamples=99, random_state=np.int64(0))


MAKERS = {
    "match": lambda folder: match_segments(segments(0), segments(1, 30)),
    "migration": lambda folder: migration(segments(0), segments(1, 30), value=money(0)),
    "history": lambda folder: migration(
        dict(zip([*DATES, pd.Timestamp("2024-03-31")], [segments(i, 9) for i in range(3)], strict=True)),
        n_simulations=19,
        random_state=np.random.default_rng(0),
    ),
    "split": lambda folder: split_migration(
        rules(20), features(0)[["spend"]], rules(25), features(1)[["spend"]], value=money(0)
    ),
    "drift": lambda folder: feature_drift(features(0), features(1), n_draws=99, random_state=0),
    "drift inside": lambda folder: feature_drift(
        features(0), features(1), within=(segments(0), segments(1)), n_draws=99, random_state=0
    ),
    "segment drift": lambda folder: segment_drift(
        segments(0), segments(1, 60), values=(money(0), money(1)), n_draws=99, random_state=np.random.default_rng(0)
    ),
    "quality": lambda folder: segment_quality(
        {DATES[0]: (features(0), segments(0)), DATES[1]: (features(1).loc[40:].reindex(IDS), segments(1, 9))}
    ),
    "change": lambda folder: change(),
    "advice": lambda folder: recommend_refresh(
        rules(20), features(0)[["spend"]], features(1)[["spend"]] * 2, values=money(0), refresh_cost=np.int64(50),
        n_refits=5, n_draws=99, reference_date=DATES[0], current_date=DATES[1], random_state=0,
    ),
    "returns": ledger_returns,
    "retention": lambda folder: retention(
        orders(), segments(0, 20), customer_id="customer", timestamp="day", by="segment", inactive_after=60
    ),
}  # fmt: skip


@functools.cache
def made(name):
    with tempfile.TemporaryDirectory() as folder:
        return MAKERS[name](Path(folder))


@pytest.fixture(params=MAKERS)
def result(request):
    return made(request.param)


@pytest.fixture(autouse=True)
def close_pictures():
    yield
    plt.close("all")


def test_strict_json(result):
    again = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert again["warnings"] == list(result.warnings)
    assert set(again["settings"]) == {str(name) for name in result.settings}


def test_pickle(result):
    again = pickle.loads(pickle.dumps(result))
    assert str(again) == str(result)
    pd.testing.assert_frame_equal(again.to_pandas(), result.to_pandas())
    assert again.to_dict() == result.to_dict()


def test_text_and_notebook(result):
    assert repr(result) == str(result)
    page = result._repr_html_()
    assert "<script" not in page
    assert "<table" in page
    assert str(result).splitlines()[0]
    assert all(warning in str(result) for warning in result.warnings)


def test_notebooks_show_evidence_and_names_whole():
    advice = made("advice")
    assert all(html.escape(text, quote=False) in advice._repr_html_() for text in advice.table["evidence"])
    assert html.escape(EVIL, quote=False).strip() in made("segment drift")._repr_html_()


def test_picture_takes_names_literally(result):
    ax = result.plot()
    ax.figure.canvas.draw()  # a formula that cannot be read would raise here
    given = plt.figure().subplots()
    result.plot(given)
    given.figure.canvas.draw()


def test_figures_of_json_are_those_of_the_tables():
    returns = made("returns")
    row = returns.to_dict()["table"][0]
    assert row["cost"] == returns.table["cost"].iloc[0]
    assert row["n_periods"] == int(returns.table["n_periods"].iloc[0])
    unpaid = next(one for one in returns.to_dict()["table"] if one["segment"] == PLAIN)
    assert unpaid["return_on_investment"] is None  # not NaN, which is no JSON
    advice = made("advice").to_dict()
    assert advice["next_review"].startswith("2024-")
    history = made("history")
    assert "2024-01-31 to 2024-03-31" in str(history).splitlines()[0]
    assert history.to_dict()["settings"]["random_state"] == "generator"


@functools.cache
def many(n_segments):
    rng = np.random.default_rng(n_segments)
    names = np.array([f"{i:02d} {'name of eighty characters ' * 3}"[:80] for i in range(n_segments)], dtype=object)
    n = 60 * n_segments
    then, now = (pd.Series(names[rng.integers(0, n_segments, n)], name="segment") for _ in range(2))
    now[rng.random(n) < 0.3] = names[0]
    values = pd.Series(rng.lognormal(3, 1, n))
    return names, then, now, values


@pytest.mark.parametrize("n_segments", [2, 6, 30])
def test_picture_of_segment_drift(n_segments):
    names, then, now, values = many(n_segments)
    drift = segment_drift(then, now, values=(values, values + 1), n_draws=99, random_state=0)
    from segmentation.monitoring import SegmentDriftDisplay

    display = SegmentDriftDisplay.from_drift(drift).plot()
    assert list(display.axes_) == ["share", "value"]  # membership is 1 for all: nothing to draw
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert len(labels) == n_segments
    assert labels[-1].startswith("00")
    assert max(map(len, labels)) <= 28
    moved = drift.table[(drift.table["quantity"] == "share") & drift.table["moved"]]
    diamonds = next(line for line in display.ax_.lines if line.get_marker() == "D")
    assert sorted(diamonds.get_xdata()) == pytest.approx(sorted(100 * moved["change"]))
    assert display.figure_.get_suptitle().startswith(f"{len(drift.moved)} of {2 * n_segments} figures")
    with pytest.raises(TypeError, match="segment_drift"):
        SegmentDriftDisplay.from_drift(names)


def test_picture_of_segment_drift_says_what_it_leaves_out():
    rng = np.random.default_rng(0)
    names = np.array([f"s{i}" for i in range(40)], dtype=object)
    then, now = (pd.Series(names[rng.integers(0, 40, 1200)]) for _ in range(2))
    now[:300] = "s7"
    drift = segment_drift(then, now, n_draws=99, random_state=0)
    ax = drift.plot()
    assert "10 segments that moved less are not drawn" in ax.figure.get_suptitle()
    assert "s7" in [text.get_text() for text in ax.get_yticklabels()]


@pytest.mark.parametrize("n_segments", [2, 6, 30])
def test_picture_of_quality(n_segments):
    from segmentation.monitoring import SegmentQualityDisplay

    names, then, _, values = many(n_segments)
    table = pd.DataFrame({"spend": values, "age": values.mask(then == names[-1]), "x" * 80: 1.0})
    quality = segment_quality({"May": (table.assign(age=1.0), then), "June": (table, then)})
    display = SegmentQualityDisplay.from_quality(quality).plot()
    assert display.drawn_.shape == (n_segments, 3)
    assert display.drawn_.loc[names[-1], "age"] == 1.0
    assert display.drawn_.to_numpy().sum() == 1.0
    frames = [patch for patch in display.ax_.patches if patch.get_edgecolor()[0] > 0.8]
    assert len(frames) == 1
    assert frames[0].get_y() == pytest.approx(n_segments - 1 - 0.46)
    written = [text.get_text() for text in display.ax_.texts]
    assert written.count("100") == (1 if n_segments <= 12 else 0)
    assert display.ax_.get_title(loc="left").startswith("Missing in June")
    first = SegmentQualityDisplay.from_quality(quality, period="May").plot()
    assert first.drawn_.to_numpy().sum() == 0
    assert "differ" not in first.ax_.get_title(loc="left")
    with pytest.raises(ValueError, match="period must be one of"):
        SegmentQualityDisplay.from_quality(quality, period="July")
    with pytest.raises(TypeError, match="segment_quality"):
        SegmentQualityDisplay(names)


def test_picture_of_quality_draws_where_most_is_missing():
    ids = pd.RangeIndex(100)
    table = pd.DataFrame({f"f{i}": 1.0 for i in range(35)}, index=ids)
    segments = pd.Series("all", index=ids)
    quality = segment_quality({1: (table, segments), 2: (table.assign(f34=np.nan), segments)})
    ax = quality.plot()
    assert "5 features with less missing not drawn" in ax.get_title(loc="left")
    assert ax.get_xticklabels()[-1].get_text() == "f34"


@pytest.mark.parametrize("n_segments", [2, 6, 30])
def test_picture_of_advice(n_segments):
    import dataclasses

    from segmentation.monitoring import RefreshDisplay

    names, then, now, _ = many(n_segments)
    shares = [series.value_counts(normalize=True).reindex(names) for series in (then, now)]
    table = pd.DataFrame(
        {
            "n_reference": 1, "n_current": 1, "share_reference": shares[0], "share_current": shares[1],
            "event": ["split", *["continued"] * (n_segments - 1)], "displaced": [0.25, *[0.0] * (n_segments - 1)],
        }
    )  # fmt: skip
    advice = dataclasses.replace(made("advice"), segments=table)
    display = RefreshDisplay.from_advice(advice).plot()
    assert [text.get_text() for text in display.ax_.texts] == ["25.0 % elsewhere, split"]
    widths = [bar.get_width() for bar in display.ax_.patches]
    assert len(widths) == n_segments
    assert widths[-1] == pytest.approx(25 * shares[1].iloc[0])
    rings, dots = (line.get_xdata() for line in display.ax_.lines[-2:])
    assert rings[::-1] == pytest.approx(100 * shares[0])
    assert dots[::-1] == pytest.approx(100 * shares[1])
    title = display.ax_.get_title(loc="left")
    assert f"Advice: {advice.action}; next review {advice.next_review.isoformat()}" in title
    assert all(name in title for name in advice.table.index[advice.table["found"]])
    with pytest.raises(TypeError, match="recommend_refresh"):
        RefreshDisplay(names)
