"""Pictures say what the results say, and no label lies on another."""

import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from segmentation.exceptions import ColumnError
from segmentation.prioritizers import (
    Criterion,
    EvaluationMatrixDisplay,
    RankDisplay,
    Rating,
    ValuePrioritizer,
    WeightedPrioritizer,
    rank_table,
)
from segmentation.prioritizers._labels import beside

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def profile_of(n, width=10, seed=0):
    rng = np.random.default_rng(seed)
    value = rng.gamma(2, 1000, n)
    return pd.DataFrame(
        {
            "n_customers": rng.integers(10, 1000, n),
            "clv_total": value,
            "clv_total_low": 0.8 * value,
            "clv_total_high": 1.2 * value,
            "churn": rng.random(n),
            "brand": rng.integers(2, 11, n).astype(float),
        },
        index=pd.Index([f"segment {i:02d} {'w' * (width - 11)}" for i in range(n)], name="segment"),
    )


PRIORITIZER = WeightedPrioritizer(
    {"clv_total": 60, "churn": Criterion(40, higher_is_better=False)},
    competitiveness={"brand": Rating(1)},
    normalization="minmax",
)


def overlaps(texts, figure):
    boxes = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    return [
        (i, j)
        for (i, one), (j, other) in itertools.combinations(enumerate(boxes), 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 0.5 and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.5
    ]


@pytest.mark.parametrize(("n", "width"), [(2, 12), (6, 80), (15, 80), (30, 80)])
def test_no_label_of_the_matrix_lies_on_another(n, width):
    profile = profile_of(n, width)
    display = EvaluationMatrixDisplay.from_prioritizer(PRIORITIZER, profile, size="clv_total").plot()
    display.figure_.canvas.draw()
    assert len(display.labels_) == n
    assert overlaps(display.labels_, display.figure_) == []
    inside = display.ax_.get_window_extent()
    for label in display.labels_:
        box = label.get_window_extent()
        assert box.x0 >= inside.x0 - 1
        assert box.x1 <= inside.x1 + 1


def test_the_matrix_shows_place_and_size():
    profile = profile_of(6)
    table = PRIORITIZER.evaluate(profile).table
    display = EvaluationMatrixDisplay.from_prioritizer(PRIORITIZER, profile, size="clv_total").plot()
    bubbles = display.ax_.collections[0]
    order = np.argsort(-profile.loc[table.index, "clv_total"].to_numpy(), kind="stable")
    np.testing.assert_allclose(bubbles.get_offsets(), table[["attractiveness", "competitiveness"]].to_numpy()[order])
    areas, sizes = bubbles.get_sizes(), profile.loc[table.index, "clv_total"].to_numpy()[order]
    np.testing.assert_allclose(areas / areas[0], sizes / sizes[0])
    assert [label.get_text() for label in display.labels_] == [name.strip() for name in table.index]
    assert "clv_total" in display.ax_.get_xlabel()
    assert display.ax_.get_title(loc="left") == "Segment evaluation matrix: 6 segments"


def test_many_segments_have_numbers_and_a_key():
    profile = profile_of(20)
    display = PRIORITIZER.evaluate(profile.assign(n_customers=[0] + [5] * 19))
    picture = EvaluationMatrixDisplay.from_evaluation(display).plot()
    assert [label.get_text() for label in picture.labels_] == [str(i) for i in range(1, 20)]
    assert picture.key_.get_text().splitlines()[0].endswith(display.table.index[0].strip())
    assert picture.ax_.get_title(loc="left").endswith("19 segments; 1 left out")


def test_thirty_segments_on_one_spot_are_still_numbered():
    profile = profile_of(30).assign(clv_total=1.0, churn=0.5, brand=5.0)
    display = EvaluationMatrixDisplay.from_prioritizer(PRIORITIZER, profile).plot()
    assert len(display.labels_) == 30


def test_labels_find_places_beside_their_bubbles():
    points, radii, sizes = np.full((8, 2), 100.0), np.full(8, 6.0), np.tile([40.0, 12.0], (8, 1))
    centres, found = beside(points, radii, sizes, (200, 200))
    assert found.all()
    gaps = np.abs(centres[:, None] - centres[None])
    apart = (gaps[..., 0] >= 40 - 1e-9) | (gaps[..., 1] >= 12 - 1e-9)
    assert apart[~np.eye(8, dtype=bool)].all()
    assert not beside(points, radii, sizes, (30, 200))[1].any()


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        ("clv", ColumnError, "size: missing: 'clv'"),
        (pd.Series([1.0, -1.0], index=["segment 00 ", "segment 01 "]), ValueError, "0 or more, got -1.0"),
        (pd.Series([1.0], index=["segment 00 "]), ValueError, "got nan for 'segment 01 '"),
        (pd.Series(["x"] * 2, index=["segment 00 ", "segment 01 "], name="t"), ColumnError, "'t' holds"),
        ([1, 2], TypeError, "a Series by segment or the name of a column, got list"),
    ],
)
def test_sizes_that_cannot_be_drawn_are_refused(size, error, message):
    with pytest.raises(error, match=message):
        EvaluationMatrixDisplay.from_prioritizer(PRIORITIZER, profile_of(2), size=size).plot()


def test_one_axis_is_no_matrix():
    with pytest.raises(ValueError, match="the matrix needs a second axis"):
        WeightedPrioritizer({"brand": 1}).evaluate(profile_of(3)).plot()


def test_an_evaluation_without_ranked_segments_is_an_empty_picture():
    nobody = WeightedPrioritizer({"brand": 1}, competitiveness={"brand": 1}, knock_out={"brand": 99})
    ax = nobody.evaluate(profile_of(3)).plot()
    assert ax.get_title(loc="left") == "Segment evaluation matrix: 0 segments; 3 left out"


@pytest.mark.parametrize("n", [1, 2, 6, 30])
def test_the_heatmap_shows_the_probabilities(n):
    profile = profile_of(n, 80)
    ranks = rank_table(PRIORITIZER, profile, n_draws=60, random_state=0)
    display = RankDisplay(ranks).plot()
    np.testing.assert_allclose(display.mesh_.get_array(), ranks.probabilities.drop(columns="excluded"))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert len(labels) == n
    assert all(len(label) <= 28 for label in labels)
    assert labels[0].startswith(ranks.table.index[0][:10])
    shown = {text.get_text() for text in display.ax_.texts}
    assert bool(shown) == (n <= 12)
    frames = [patch for patch in display.ax_.patches if not patch.get_fill()]
    assert len(frames) == n
    assert ranks.plot() is not display.ax_


def test_the_heatmap_says_who_was_placed_excluded_and_not_told_apart():
    profile = profile_of(5)
    names = list(profile.index)
    same = profile.assign(
        brand=[9.0, 9.0, 5.0, 4.0, 1.0], brand_low=[8.0, 8.0, 5.0, 1.0, 1.0], brand_high=[10.0, 10.0, 5.0, 6.0, 1.0]
    )
    prioritizer = WeightedPrioritizer({"brand": 1}, knock_out={"brand": 3}, normalization="minmax")
    ranks = rank_table(prioritizer, same, overrides={names[2]: (3, "x")}, n_draws=200, random_state=0)
    ax = RankDisplay.from_table(ranks).plot().ax_
    assert [label.get_text() for label in ax.get_yticklabels()][2] == f"{names[2].strip()}*"
    assert ax.get_ylabel() == "* placed by people"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3", "4", "out"]
    assert ax.get_title(loc="left").endswith("200 draws; 1 excluded in all, not shown")
    bars = [line.get_ydata().tolist() for line in ax.lines]
    assert bars == [[-0.3, 1.3]]  # of the two that are equal; beside a placed one nothing is compared


def test_the_ranges_of_weights_are_drawn():
    profile = pd.DataFrame({"n_customers": [2, 1], "p": [10.0, 1.0], "q": [1.0, 10.0]}, index=["a", "b"])
    result = WeightedPrioritizer({"p": Rating(70), "q": Rating(30)}).sensitivity(profile)
    ax = result.plot()
    assert ax.get_title(loc="left") == "How far can one weight move before a is overtaken?"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["q", "p"]
    assert {text.get_text() for text in ax.texts} == {"below 50: b", "above 50: b"}
    ranges = [(bar.get_x(), bar.get_width()) for bar in ax.patches if bar.get_alpha()]
    assert ranges == [(0, 50), (50, 50)]


def test_a_figure_without_a_window_will_do():
    axes = Figure().subplots()
    assert PRIORITIZER.evaluate(profile_of(4)).plot(axes) is axes
    assert {text.get_text() for text in axes.texts} >= {name.strip() for name in profile_of(4).index}


def test_pictures_use_the_axes_given():
    axes = plt.subplots(1, 3)[1]
    profile = profile_of(4)
    assert PRIORITIZER.evaluate(profile).plot(axes[0]) is axes[0]
    assert rank_table(ValuePrioritizer("clv_total"), profile, n_draws=20).plot(axes[1]) is axes[1]
    assert PRIORITIZER.sensitivity(profile, top=2).plot(axes[2]) is axes[2]
    assert len(plt.get_fignums()) == 1
