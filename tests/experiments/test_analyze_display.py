"""The forest plot shows every segment, the effect on all customers, and what the test says."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from segmentation.experiments import ForestDisplay, analyze_experiment


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def analysed(names, lost=0):
    rng = np.random.default_rng(0)
    n = 400 * len(names)
    table = pd.DataFrame({"segment": rng.choice(names, n), "arm": rng.choice(["none", "mail"], n)})
    table["spend"] = rng.gamma(1, 10, n)
    table["visit"] = rng.random(n) < 0.2
    table = table[~((table["arm"] == "mail") & (np.arange(n) < lost))]
    return analyze_experiment(table, segment="segment", arm="arm", outcomes=["spend", "visit"], control="none")


@pytest.mark.parametrize("count", [2, 6, 30])
def test_one_line_per_segment_and_all_customers_first(count):
    names = [f"segment {i:02d}" for i in range(count)]
    got = analysed(names)
    display = ForestDisplay.from_analysis(got, outcome="visit").plot()
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert labels[0] == "all customers"
    assert [label[:10] for label in labels[1:]] == names
    assert labels[1].endswith(f"({got.segments.iloc[0][['n_control', 'n_treated']].sum():,})")
    title = display.ax_.get_title(loc="left")
    assert title.startswith("visit: mail against none")
    assert "do segments differ? p = " in title
    low, high = display.ax_.get_ylim()
    assert low > high  # the first segment stands above


def test_points_are_the_lifts_and_pooled_ones_stand_beside():
    got = analysed(["a", "b", "c"])
    pooled = pd.DataFrame({"estimate": 0.0, "low": -1.0, "high": 1.0}, index=["a", "b", "c"])
    display = ForestDisplay.from_analysis(got, outcome="spend", pooled=pooled).plot()
    raw, shrunk = display.ax_.collections[-3], display.ax_.collections[-1]
    np.testing.assert_allclose(raw.get_offsets()[:, 0], got.segments["lift"][:3])
    assert (shrunk.get_offsets()[:, 0] == 0).all()
    assert "partially pooled" in display.ax_.get_xlabel()


def test_relative_lifts_and_a_broken_experiment():
    got = analysed(["a", "b"], lost=200)
    assert not got.trustworthy
    display = ForestDisplay.from_analysis(got, relative=True).plot()
    assert display.ax_.get_xlabel().startswith("relative lift (95 % intervals")
    assert "SAMPLE RATIO FAILED" in display.ax_.get_title(loc="left")
    figure, axes = plt.subplots()
    assert got.plot(axes) is axes
    assert display.figure_ is not figure


def test_a_segment_without_an_estimate_keeps_its_line():
    table = pd.DataFrame({"segment": ["a"] * 40 + ["b"] * 20, "arm": ["x", "y"] * 20 + ["x"] * 20})
    table["spend"] = np.random.default_rng(0).normal(size=60)
    got = analyze_experiment(
        table, segment="segment", arm="arm", outcomes="spend", control="x", shares={"x": 2, "y": 1}
    )
    display = ForestDisplay.from_analysis(got).plot()
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["all customers", "a (40)", "b (20)"]
    assert len(display.ax_.collections[-1].get_offsets()) == 1
