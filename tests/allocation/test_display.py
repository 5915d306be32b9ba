"""Pictures of a plan, by what they hold."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt

from segmentation.allocation import AllocationDisplay, CurvesDisplay, Resource, allocate
from segmentation.curves import HillCurve, LogCurve, PowerCurve


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def plan(n=3, **arguments):
    curves = {
        f"segment number {i} with a very long name that goes on for ever": LogCurve(10.0 * (i + 1), 1.0)
        for i in range(n)
    }
    return allocate(curves, Resource("budget", 10.0 * n, unit="EUR"), **arguments)


def test_bars_are_the_plan_and_the_equal_split():
    result = plan()
    display = AllocationDisplay.from_allocation(result).plot()
    bars = [[bar.get_width() for bar in group] for group in display.ax_.containers]
    efforts = sorted(result.table["effort"], reverse=True)
    assert bars[0] == pytest.approx([10, 10, 10])
    assert bars[1] == pytest.approx(efforts)
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert len(set(labels)) == 3
    assert max(map(len, labels)) <= 28
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["equal split", "this plan"]
    assert display.ax_.get_xlabel() == "budget (EUR)"


def test_bars_beside_last_period():
    names = list(plan().table["segment"])
    result = plan(current={names[0]: 30})
    ax = result.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["current", "this plan"]
    assert sorted(bar.get_width() for bar in ax.containers[0]) == pytest.approx([0, 0, 30])
    assert AllocationDisplay.from_allocation(result, other="equal split").other == "equal split"
    with pytest.raises(ValueError, match="other must be one of"):
        result.plot(other="next year")
    with pytest.raises(ValueError, match="resource must be one of"):
        result.plot(resource="hours")


def test_many_items_are_counted():
    display = AllocationDisplay.from_allocation(plan(40), max_items=25)
    assert len(display.values) == 25
    assert display.title.endswith("15 more not drawn")


def test_marginal_lines_touch_the_curves():
    display = CurvesDisplay.from_allocation(plan(), max_items=2).plot()
    assert len(display.axes_) == 2
    assert display.title.endswith("1 more not drawn")
    for ax, item in zip(display.axes_, display.curves, strict=True):
        line = ax.lines[1].get_xydata()
        rise = (line[1, 1] - line[0, 1]) / (line[1, 0] - line[0, 0])
        assert rise == pytest.approx(item["slope"])
        assert np.interp(item["chosen"], line[:, 0], line[:, 1]) == pytest.approx(item["chosen_value"])


def test_unfunded_and_endless_slopes_are_drawn():
    curves = {"a": PowerCurve(1.0, 0.5), "b": LogCurve(0.0, 1.0)}
    result = allocate(curves, Resource("budget", 0.0))
    assert len(result.plot_curves().axes_) == 2


def test_choices_are_drawn():
    """S-shaped curves go on to where they flatten, whole units are marked, and why nothing is funded is the title."""
    curves = {"a": HillCurve(100.0, 40.0, 3.0), "b": HillCurve(10.0, 40.0, 3.0)}
    result = allocate(curves, Resource("agents", 3.5, integer=True), uses={"agents": 0.05})
    display = result.plot_curves()
    first, second = display.curves
    assert first["chosen"] == pytest.approx(60.0)
    assert first["units"][:4] == pytest.approx([0, 20, 40, 60])
    marks = np.asarray(display.axes_[0].collections[0].get_offsets())
    assert marks[:, 1] == pytest.approx(curves["a"].value(marks[:, 0]))
    assert second["value"][-1] >= 8.5
    assert "not funded: a whole unit earns" in display.axes_[1].get_title(loc="left")
    # a steep line of what is not funded does not flatten the curve
    steep = allocate({"a": LogCurve(300, 50.0), "b": LogCurve(300, 1.0)}, Resource("budget", 9.0), bounds={"a": (0, 0)})
    for ax, item in zip(steep.plot_curves().axes_, steep.plot_curves().curves, strict=True):
        assert ax.get_ylim()[1] <= 1.2 * item["value"].max()
    bars = AllocationDisplay.from_allocation(
        allocate({"a": LogCurve(30, 1.0), "b": LogCurve(20, 1.0)}, Resource("budget", 9.0), fixed_costs={"budget": 2.0})
    )
    assert bars.values["plan"].sum() == pytest.approx(9.0)
