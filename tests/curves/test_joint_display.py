"""Pictures of joint fits, by their content."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from segmentation.curves import CurveFits, LinearCurve, SharesDisplay

matplotlib.use("Agg")
LONG = "an effort with a name that goes on for eighty characters so that no axis can hold {:02d}"


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def fits(n, names=None, randomized=False, seed=0):
    """A result with made-up shares: the i-th effort brings about i parts, the first nothing."""
    names = [f"effort {i}" for i in range(n)] if names is None else names
    rng = np.random.default_rng(seed)
    shares = pd.DataFrame(rng.gamma(8.0, 1.0, (200, n)) * np.arange(n) / (8.0 * n * n), columns=names)
    shares.insert(0, "baseline", 1 - shares.sum(axis=1))
    found = pd.DataFrame({"vif": 1.0, "width_left": np.where(np.arange(n) % 3 == 2, 0.9, 0.2)}, index=names)
    return CurveFits(
        curves={name: LinearCurve(1.0) for name in names},
        shares=shares,
        draws=pd.DataFrame(),
        identification=found,
        decomposition=pd.DataFrame(),
        mean_outcome=100.0,
        efforts=pd.DataFrame(),
        settings={"level": 0.9, "randomized": randomized, "family": dict.fromkeys(names, "linear"), "n_periods": 200},
        warnings=(),
    )


@pytest.mark.parametrize("n", [2, 6, 30])
def test_points_and_intervals_are_the_table(n):
    result = fits(n)
    display = SharesDisplay.from_fits(result).plot()
    ax, table = display.ax_, result.table.drop(index="baseline").sort_values("share", ascending=False)
    ticks = [text.get_text() for text in ax.get_yticklabels()]
    assert ticks == ["all efforts together", *table.index]
    drawn = {}
    for container in ax.containers:
        line, _, (bars,) = container.lines
        for x, y, segment in zip(line.get_xdata(), line.get_ydata(), bars.get_segments(), strict=True):
            drawn[ticks[int(y)]] = (x, segment[0][0], segment[1][0])
    for name, row in table.iterrows():
        assert drawn[name] == pytest.approx((row["share"], row["share_low"], row["share_high"]))
    together = 1 - result.shares["baseline"]
    assert drawn["all efforts together"] == pytest.approx((together.mean(), *together.quantile([0.05, 0.95])))
    # the largest stand above
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert ax.get_title(loc="left") == "What efforts bring\nnot randomized: an association"
    legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    expected = ["all efforts together", "90.0 % interval", "90.0 % interval, mostly expected before the data"]
    assert legend == (expected if n > 2 else expected[:2])


def test_names_that_look_alike_when_cut_differ():
    result = fits(6, [LONG.format(i) + " and then the same end of them all" for i in range(6)], randomized=True)
    display = SharesDisplay.from_fits(result, name="costs $5 to $9").plot()
    ticks = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert len(set(ticks)) == 7
    assert max(map(len, ticks)) <= 32
    assert display.ax_.get_title(loc="left") == "costs $5 to $9"
    assert display.figure_ is display.ax_.figure


def test_more_than_thirty_are_counted_and_own_axes_are_used():
    _, ax = plt.subplots()
    result = fits(40, randomized=None)
    assert result.plot(ax) is ax
    assert len(ax.get_legend().get_texts()) == 3
    assert len(ax.get_yticklabels()) == 31
    assert "10 more not drawn" in ax.get_xlabel()
    assert "not known to be causal" in ax.get_title(loc="left")
    nothing = fits(2)
    zero = nothing.shares.assign(baseline=1.0, **{"effort 0": 0.0, "effort 1": 0.0})
    object.__setattr__(nothing, "shares", zero)
    assert nothing.plot().get_xlim()[1] > 0
