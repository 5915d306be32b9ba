"""The segment map: projection against scikit-learn, outlines that hold their share, labels that do not overlap."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.path import Path
from sklearn.decomposition import PCA

import segmentation as sg
from segmentation.evaluation import SegmentMapDisplay
from segmentation.evaluation._map_labels import free_places
from segmentation.exceptions import CustomerTableError
from segmentation.segmenters import KMeansSegmenter


def crowds(n, k, d=4, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    return rng.normal(size=(n, d)) + 5 * rng.normal(size=(k, d))[codes], codes


def test_axes_are_principal_components():
    X, codes = crowds(300, 3)
    display = SegmentMapDisplay.from_assignment(X, codes)
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(np.abs(display.points), np.abs(pca.transform(X)), atol=1e-8)
    np.testing.assert_allclose(display.shares, pca.explained_variance_ratio_)
    np.testing.assert_allclose(display.centres, [display.points[codes == k].mean(axis=0) for k in range(3)])
    ax = display.plot(Figure().subplots()).ax_
    assert f"({100 * display.shares[0]:.1f} % of variance)" in ax.get_xlabel()
    assert "second principal component" in ax.get_ylabel()


@pytest.mark.parametrize("hull", [0.5, 0.75, 1.0])
def test_outlines_hold_the_middle_of_each_segment(hull):
    X, codes = crowds(600, 3)
    display = SegmentMapDisplay.from_assignment(X, codes, hull=hull)
    for code, outline in enumerate(display.outlines):
        own = display.points[codes == code]
        middle = outline.mean(axis=0)
        inside = Path(middle + (outline - middle) * (1 + 1e-9)).contains_points(own)
        assert inside.mean() == pytest.approx(hull, abs=0.04)


@pytest.mark.parametrize(("k", "n"), [(2, 200), (6, 900), (30, 2_000), (6, 8_000), (30, 8_000)])
def test_every_segment_is_labelled_and_no_label_lies_on_another(k, n):
    X, codes = crowds(n, k, seed=k)
    codes[: n // 20] = -1
    names = pd.Series(
        pd.Categorical.from_codes(codes, [f"{i} a name of eighty characters {'x' * 50}" for i in range(k)])
    )
    figure = Figure(figsize=(9, 6), layout="constrained")
    display = SegmentMapDisplay.from_assignment(X, names).plot(figure.subplots())
    ax = display.ax_
    title = ax.get_title(loc="left")
    assert f"Map of {k} segments: {n:,} customers, {n // 20:,} unassigned in grey" in title
    assert len(display.labels_) == k
    written = [text for text in ax.texts if text.get_text() in display.labels_]
    assert len(written) == k
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in written]
    overlaps = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert overlaps == 0
    if k > 10:  # numbers at the centres, names beside them
        assert display.labels_ == [str(i) for i in range(1, k + 1)]
        key = next(text.get_text() for text in ax.texts if "\n" in text.get_text())
        assert [line.split()[0] for line in key.splitlines()] == display.labels_
    assert bool(ax.images) == (n > 3_000)


def test_cells_take_the_colour_of_most_and_grow_darker():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 0.3, (5_000, 2)), rng.normal(6, 0.3, (500, 2))])
    codes = np.repeat([0, 1], [5_000, 500])
    ax = SegmentMapDisplay.from_assignment(X, codes).plot(Figure().subplots()).ax_
    image = np.asarray(ax.images[0].get_array())
    shown = image[image[..., 3] > 0]
    assert len(np.unique(shown[:, :3].round(3), axis=0)) == 2
    blue = shown[shown[:, 2] > 0.6]
    assert blue[:, 3].max() > shown[shown[:, 2] < 0.6][:, 3].max()


def test_space_segments_of_one_line_and_point():
    X = pd.DataFrame({"a": np.r_[np.arange(20.0), 100.0], "b": np.r_[np.zeros(20), 5.0], "spend": np.arange(21.0) ** 2})
    model = KMeansSegmenter(2, random_state=0).fit(X)
    SegmentMapDisplay.from_assignment(X, sg.assign(model, X), space=model).plot(Figure().subplots())
    on_a_line = np.column_stack([np.arange(10.0), np.arange(10.0)])
    display = SegmentMapDisplay.from_assignment(on_a_line, [0] * 9 + [1]).plot(Figure().subplots())
    assert [len(outline) for outline in display.outlines] == [2, 1]
    assert display.shares == (pytest.approx(1.0), pytest.approx(0.0))
    one_column = SegmentMapDisplay.from_assignment(np.arange(6.0)[:, None], [0, 0, 0, 1, 1, 1])
    assert (one_column.points[:, 1] == 0).all()
    nobody = SegmentMapDisplay.from_assignment(on_a_line, [-1] * 10).plot(Figure().subplots())
    assert "Map of 0 segments" in nobody.ax_.get_title(loc="left")


def test_bad_input():
    X, codes = crowds(50, 2)
    for hull in (0, 1.5, True, "all"):
        with pytest.raises(ValueError, match="hull must be"):
            SegmentMapDisplay.from_assignment(X, codes, hull=hull)
    with pytest.raises(CustomerTableError, match="same values"):
        SegmentMapDisplay.from_assignment(np.ones((4, 2)), [0, 0, 1, 1])


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
def test_rectangles_find_places_inside_and_apart(n, seed):
    rng = np.random.default_rng(seed)
    anchors, sizes = rng.uniform(0, 400, (n, 2)), np.column_stack([rng.uniform(10, 60, n), np.full(n, 14.0)])
    places = free_places(anchors, sizes, (500.0, 400.0))
    assert (places - sizes / 2 >= -1e-9).all()
    assert (places + sizes / 2 <= [500 + 1e-9, 400 + 1e-9]).all()
    for i in range(n):
        for j in range(i):
            assert (np.abs(places[i] - places[j]) >= (sizes[i] + sizes[j]) / 2 - 1e-9).any()
