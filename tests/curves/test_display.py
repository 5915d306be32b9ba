"""Pictures of response curves, by their content."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from segmentation.curves import CurveDisplay, ExponentialCurve, LinearCurve, PowerCurve, fit_response_curve, from_lift

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 7, 2000).astype(float)
    return fit_response_curve(
        x, 20 + 30 * (1 - np.exp(-0.4 * x)) + rng.normal(0, 20, 2000), n_draws=100, random_state=0
    )


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_fit_shows_line_band_and_data(fitted):
    ax = fitted.plot(mark=2.0, name="families with children, by phone")
    assert labels(ax)[:2] == ["90.0 % interval", "exponential curve"]
    assert "chosen effort and its slope" in labels(ax)
    assert "mean of 2,000 rows by effort" in labels(ax)
    line = ax.get_lines()[0]
    assert line.get_ydata()[0] == pytest.approx(fitted.baseline)
    assert line.get_xdata()[-1] == 6.0
    assert ax.get_title(loc="left") == "families with children, by phone\nnot known to be causal"


def test_mark_has_the_slope_of_the_curve():
    curve = ExponentialCurve(10.0, 0.5, randomized=True)
    display = CurveDisplay.from_curve(curve, mark=[1.0, 3.0], up_to=8.0).plot()
    lines = display.ax_.get_lines()
    assert len(lines) == 5
    for at, line in zip((1.0, 3.0), lines[2::2], strict=True):
        x, y = line.get_xdata(), line.get_ydata()
        assert np.diff(y) / np.diff(x) == pytest.approx(curve.slope(at))
        assert np.interp(at, x, y) == pytest.approx(curve.value(at))
    assert display.ax_.get_title(loc="left") == "Response curve"
    assert display.low is None
    assert display.figure_ is display.ax_.figure


def test_the_picture_says_what_was_not_randomized_and_where_data_end(fitted):
    curve = ExponentialCurve(10.0, 0.5, randomized=False)
    assert "not randomized: an association" in curve.plot().get_title(loc="left")
    assert "highest effort seen" in labels(fitted.plot(up_to=9.0))
    assert "highest effort seen" not in labels(fitted.plot())


def test_own_axes_long_names_and_infinite_slopes():
    _, ax = plt.subplots()
    long = "a very long name of a segment that goes on and on until nobody reads it any more, truly"
    assert PowerCurve(3.0, 0.5).plot(ax, mark=0.0, name=long) is ax
    assert len(ax.get_title(loc="left").split("\n")[0]) <= 48
    assert LinearCurve(3.0).plot().get_xlim()[1] > 10.0
    band = CurveDisplay.from_curve(from_lift(3.0, 1.0, se=1.0, random_state=0), level=0.5)
    assert (band.low <= band.outcome + 1e-9).all()
    with pytest.raises(ValueError, match="up_to must be a finite effort above 0, got 0"):
        CurveDisplay.from_curve(LinearCurve(3.0), up_to=0)
    with pytest.raises(ValueError, match="mark must be 0 or more"):
        CurveDisplay.from_curve(LinearCurve(3.0), mark=-1)
