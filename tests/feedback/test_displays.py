"""Pictures, by what is in them."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from segmentation.feedback import (
    NetPromoterDisplay,
    PainPointsDisplay,
    SatisfactionDisplay,
    net_promoter,
    pain_points,
    satisfaction,
)

mpl.use("Agg")
LONG = "families who travel by train every summer and come back with more than they had planned"


@pytest.fixture(autouse=True)
def closing():
    yield
    plt.close("all")


def answers(n_segments):
    rng = np.random.default_rng(0)
    n = 80 * n_segments
    ids = pd.RangeIndex(n, name="customer_id")
    names = [LONG if i == 1 else f"segment {i}" for i in range(n_segments)]
    codes = np.arange(n) % n_segments
    segments = pd.Series(pd.Categorical.from_codes(codes, names), index=ids)
    scores = pd.Series(np.clip(np.round(rng.normal(6.5 + 2 * codes / n_segments, 2)), 0, 10).astype(int), index=ids)
    return scores, segments


@pytest.mark.parametrize("n_segments", [2, 6, 30])
def test_net_promoter_bars(n_segments):
    scores, segments = answers(n_segments)
    result = net_promoter(scores, segments)
    display = NetPromoterDisplay.from_result(result).plot()
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert len(labels) == n_segments
    assert max(map(len, labels)) <= 30
    order = result.table.sort_values("nps", ascending=False).index
    assert labels[0][:9] == order[0][:9]
    drawn = display.ax_.collections[-1].get_offsets()[:, 0]
    np.testing.assert_allclose(drawn, result.table.loc[order, "nps"])
    assert {"detractors", "promoters", "score", "all answers"} == {
        text.get_text() for text in display.ax_.get_legend().get_texts()
    }
    _, ax = plt.subplots()
    assert result.plot(ax) is ax


def test_satisfaction_dots():
    scores, segments = answers(6)
    segments[segments == "segment 3"] = "segment 0"
    segments.iloc[3] = "segment 3"
    result = satisfaction(scores, segments, scale=(0, 10))
    display = SatisfactionDisplay.from_result(result).plot()
    means = result.table.sort_values("mean", ascending=False)["mean"].dropna()
    np.testing.assert_allclose(display.ax_.collections[-1].get_offsets()[:, 0], means)
    assert sum(text.get_text() == "too few answers" for text in display.ax_.texts) == 2
    with pytest.raises(ValueError, match="item must be one of"):
        result.plot(item="colour")


@pytest.mark.parametrize("n_segments", [2, 6, 30])
def test_pain_point_dots(n_segments):
    rng = np.random.default_rng(1)
    _, segments = answers(n_segments)
    complaints = ["late", "slow", "dear", "broken", "rude", "wet", "cold", "loud", "tiny", "dirty"]
    texts = pd.Series(
        [
            f"the {complaints[code % 10]} thing of kind{'x' * (code // 10)}" if rng.random() < 0.6 else "all fine here"
            for code in segments.cat.codes
        ],
        index=segments.index,
    )
    result = pain_points(texts, segments, n_permutations=99, random_state=0)
    display = PainPointsDisplay.from_result(result).plot()
    assert [text.get_text()[:9] for text in display.ax_.get_xticklabels()] == [
        name[:9] for name in segments.cat.categories
    ]
    orange = display.ax_.collections[1].get_offsets()
    shown = {display.prevalence.index[int(row)] for row in orange[:, 1]}
    expected = result.table[result.table["theme"].isin(display.prevalence.index)]
    assert len(orange) == len(expected)
    assert shown == set(expected["theme"])
    few = PainPointsDisplay.from_result(result, max_themes=1).plot()
    assert few.prevalence.shape[0] == 1
    assert "not drawn" in few.ax_.get_xlabel()
