"""Pictures of misallocation and of the value of information, by content."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from segmentation.allocation import (
    MisallocationDisplay,
    Resource,
    SegmentChangeDisplay,
    ValueOfInformationDisplay,
    misallocation_cost,
    value_of_information,
)
from segmentation.curves import from_lift


def made(n):
    names = [f"families who travel by train every summer and buy dear things {i}" for i in range(n)]
    curves = {
        k: from_lift(100.0 + 10 * i, effort=20, se=20, half=10, n_draws=40, random_state=i) for i, k in enumerate(names)
    }
    return names, curves, Resource("budget", 20.0 * n, unit="EUR")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_waterfall_goes_from_today_to_the_gain():
    names, curves, budget = made(6)
    today = dict.fromkeys(names[:4], 30.0)
    found = misallocation_cost(today, curves, budget, n_customers=dict.fromkeys(names, 10), period="a quarter")
    display = MisallocationDisplay.from_misallocation(found)
    causes = display.steps[display.steps["kind"] == "cause"]
    assert causes["start"].iloc[0] == 0.0
    np.testing.assert_allclose(causes["start"].iloc[1:], causes["end"].iloc[:-1])
    assert causes["end"].iloc[-1] == pytest.approx(found.gain.value)
    assert display.steps.loc["recommended plan", ["low", "high"]].tolist() == [found.gain.low, found.gain.high]
    assert display.steps.loc["best split (unknown)", "end"] == found.cost.value
    ax = found.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(display.steps.index)
    assert ax.get_title(loc="left").endswith(" a quarter")
    assert "90 % intervals" in ax.get_xlabel()


@pytest.mark.parametrize("n", [2, 6, 35])
def test_segments_are_drawn_from_most_gained_to_most_lost(n):
    names, curves, budget = made(n)
    found = misallocation_cost({names[0]: 20.0 * n}, curves, budget, n_draws=20)
    display = SegmentChangeDisplay.from_misallocation(found).plot()
    assert len(display.values) == min(n, 30)
    assert display.values["change"].is_monotonic_decreasing
    assert display.values.index.is_unique
    left, right = display.axes_
    assert len(left.patches) == 2 * min(n, 30)
    assert len(right.patches) == min(n, 30)
    assert ("5 more not drawn" in left.get_title(loc="left")) == (n == 35)
    with pytest.raises(ValueError, match="resource must be one of 'budget'"):
        SegmentChangeDisplay.from_misallocation(found, resource="hours")


def test_tests_of_segments_are_drawn_with_their_cost():
    names, curves, budget = made(6)
    found = value_of_information(curves, budget, test_cost=dict(zip(names, range(6), strict=True)), n_draws=20)
    display = ValueOfInformationDisplay.from_value(found)
    assert display.values["test_cost"].tolist() == found.table["test_cost"].tolist()
    ax = found.plot()
    assert len(ax.patches) == 6
    assert "know its curve" in ax.get_title(loc="left")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cost of the test", "value"]


def test_without_draws_nothing_is_drawn_as_an_interval():
    from segmentation.curves import LogCurve

    found = misallocation_cost({"a": 10}, {"a": LogCurve(9.0, 1.0), "b": LogCurve(5.0, 1.0)}, Resource("budget", 10))
    ax = found.plot()
    assert "interval" not in ax.get_xlabel()
