"""The profile picture: what is drawn where, for 2 to 30 segments and long names."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from segmentation.evaluation import ProfileDisplay, describe_segments
from segmentation.evaluation._profile_bars import MARKED, PLAIN


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def world(k, p=6, n=1200, name="segment {}"):
    rng = np.random.default_rng(k)
    group = np.arange(n) % k
    shares = rng.uniform(0.05, 0.95, (k, p))
    features = pd.DataFrame((rng.random((n, p)) < shares[group]).astype(int), columns=[f"item {i}" for i in range(p)])
    return pd.Series([name.format(i) for i in group]), features


def test_bars_are_the_table():
    segments, features = world(3)
    display = ProfileDisplay.from_assignment(segments, features).plot(order="given")
    table = display.description.table
    assert len(display.ax_.containers) == 3
    for i, bars in enumerate(display.ax_.containers):
        rows = table[table["segment"] == f"segment {i}"]
        assert [bar.get_width() for bar in bars] == pytest.approx(rows["value"].tolist())
        expected = [MARKED.lower() if marked else PLAIN.lower() for marked in rows["marker"]]
        assert [to_hex(bar.get_facecolor()) for bar in bars] == expected
    dots = [one for one in display.ax_.collections if hasattr(one, "get_offsets") and len(one.get_offsets()) == 6]
    assert np.asarray(dots[0].get_offsets())[:, 0].tolist() == pytest.approx(features.mean().tolist())
    titles = [text.get_text() for text in display.ax_.texts]
    assert titles == ["segment 0 (33 %)", "segment 1 (33 %)", "segment 2 (33 %)"]
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == list(features.columns)
    assert display.figure_ is display.ax_.figure


def test_orders():
    segments, features = world(3)
    features["item 9"] = features["item 2"]  # the two stand together
    description = describe_segments(segments, features)
    shown = [tick.get_text() for tick in ProfileDisplay(description).plot().ax_.get_yticklabels()]
    assert sorted(shown) == sorted(features.columns)
    assert abs(shown.index("item 9") - shown.index("item 2")) == 1
    some = ProfileDisplay(description).plot(order=["item 3", "item 1"]).ax_
    assert [tick.get_text() for tick in some.get_yticklabels()] == ["item 3", "item 1"]
    with pytest.raises(ValueError, match="order names 'item 77'"):
        ProfileDisplay(description).plot(order=["item 77"])
    with pytest.raises(ValueError, match="order must be"):
        ProfileDisplay(description).plot(order="size")
    with pytest.raises(ValueError, match="style must be"):
        ProfileDisplay(description).plot(style="pie")


@pytest.mark.parametrize(("k", "rows"), [(2, 1), (4, 1), (6, 2), (9, 3)])
def test_panels(k, rows):
    segments, features = world(k)
    ax = describe_segments(segments, features).plot()
    assert len(ax.containers) == k
    assert len(ax.get_yticklabels()) == rows * len(features.columns)


def test_many_segments_are_a_map_with_a_dot_per_marker():
    segments, features = world(30, n=6000)
    display = ProfileDisplay.from_assignment(segments, features).plot()
    assert len(display.ax_.get_xticklabels()) == 30
    image = display.ax_.images[0].get_array()
    assert image.shape == (6, 30)
    first = display.description.table.query("segment == 'segment 0' and variable == 'item 0'").iloc[0]
    row = [tick.get_text() for tick in display.ax_.get_yticklabels()].index("item 0")
    assert image[row, 0] == pytest.approx(np.clip(first["effect"] / 0.5, -1, 1))
    dots = display.ax_.collections[0].get_offsets()
    assert len(dots) == display.description.table["marker"].sum()
    assert ProfileDisplay(display.description).plot(style="bars").ax_.containers


def test_long_names_are_cut_and_stay_distinct():
    segments, features = world(3, name="people who travel by train every summer, number {}, and never in winter at all")
    features.columns = [f"a variable with a very long name that is number {i} in all of the table" for i in range(6)]
    ax = describe_segments(segments, features).plot()
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    titles = [text.get_text() for text in ax.texts]
    assert max(map(len, labels)) <= 30
    assert max(map(len, titles)) <= 40
    assert len(set(labels)) == 6
    assert len(set(titles)) == 3


def test_quantities_share_a_scale_of_their_own_and_empty_segments_stay():
    rng = np.random.default_rng(0)
    names = pd.Categorical(["a"] * 60 + ["b"] * 40, categories=["a", "empty", "b"])
    features = pd.DataFrame(
        {"spend": np.append(rng.normal(200, 1, 60), rng.normal(100, 1, 40)), "z": rng.normal(size=100)}
    )
    display = ProfileDisplay.from_assignment(pd.Series(names), features).plot(order="given")
    widths = [[bar.get_width() for bar in bars] for bars in display.ax_.containers]
    low = min(0.0, *(display.description.table.query("variable == 'z'")["value"].dropna() / 1))
    assert widths[0][0] > widths[2][0] > 0
    assert np.isnan(widths[1]).all()
    assert low <= 0
    assert "relative to their largest value" in display.ax_.get_xlabel()


def test_too_many_variables_are_counted_and_the_axes_given_is_used():
    segments, features = world(3, p=12)
    figure, ax = plt.subplots()
    display = ProfileDisplay.from_assignment(segments, features).plot(ax, max_variables=5)
    assert display.ax_ is ax
    assert plt.get_fignums() == [figure.number]
    assert "7 variables not drawn" in ax.get_xlabel()
    assert len(ax.get_yticklabels()) == 5


def test_only_a_description_is_drawn():
    with pytest.raises(TypeError, match="what describe_segments returns, got dict"):
        ProfileDisplay.from_report({})
