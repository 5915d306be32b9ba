"""Gorge plots: similarities by hand, histograms by count, and bad input."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import segmentation as sg
from segmentation.evaluation import GorgeDisplay
from segmentation.exceptions import AssignmentError, CustomerTableError
from segmentation.segmenters import KMeansSegmenter


def crowds(n=300, k=3, apart=4.0, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    return rng.normal(size=(n, 3)) + apart * rng.normal(size=(k, 3))[codes], codes


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_similarities_are_the_books(gamma):
    X, codes = crowds(60)
    display = GorgeDisplay.from_assignment(X, codes, gamma=gamma)
    centres = np.array([X[codes == k].mean(axis=0) for k in range(3)])
    powers = np.exp(-(np.linalg.norm(X[:, None] - centres, axis=2) ** gamma))
    np.testing.assert_allclose(display.similarity, powers / powers.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(display.similarity.sum(axis=1), 1)


def test_the_far_off_still_have_similarities():
    display = GorgeDisplay.from_assignment(np.array([[0.0], [1.0], [5e5], [9e5]]), [0, 0, 1, 1])
    assert np.isfinite(display.similarity).all()
    assert display.similarity[:, 0].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("heights", ["group", "count"])
def test_every_customer_stands_in_every_row(heights):
    X, codes = crowds(400, apart=1.5)
    codes[:40] = -1
    display = GorgeDisplay.from_assignment(X, codes).plot(Figure().subplots(), heights=heights)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    sizes = np.bincount(codes[codes >= 0])
    assert labels == [f"{k}  ({size:,})" for k, size in enumerate(sizes)]
    assert display.ax_.yaxis_inverted()
    steps = [patch.get_data() for patch in display.ax_.patches]
    assert len(steps) == 6
    for row in range(3):
        own, others = (np.abs(tops - bases) for tops, _, bases in steps[2 * row : 2 * row + 2])
        mine, rest = (
            np.histogram(display.similarity[some, row], np.linspace(0, 1, 41))[0]
            for some in (codes == row, codes != row)
        )
        for drawn, counted in ((own, mine), (others, rest)):
            np.testing.assert_allclose(drawn / max(drawn), counted / counted.max(), atol=1e-12)
        if heights == "count":  # one scale for both
            assert sum(own) / sum(others) == pytest.approx(mine.sum() / rest.sum())


def test_a_gorge_tells_crowds_from_a_cut_crowd():
    def between(X, codes):
        similarity = GorgeDisplay.from_assignment(X, codes).similarity
        return ((similarity > 0.1) & (similarity < 0.9)).mean()

    X, codes = crowds(500, k=2, apart=6.0)
    crowd = np.random.default_rng(0).normal(size=(500, 3))
    assert between(X, codes) < 0.02
    assert between(crowd, (crowd[:, 0] > 0).astype(int)) > 0.5


def test_memberships_of_a_model():
    X, _ = crowds()
    model = KMeansSegmenter(3, random_state=0).fit(X)
    display = GorgeDisplay.from_membership(model.transform(X), model.segments_)
    assert display.segments == ["segment_1", "segment_2", "segment_3"]
    assert display.codes.tolist() == model.labels_.tolist()
    table = pd.DataFrame(model.transform(X), columns=["a", "b", "c"])
    assert GorgeDisplay.from_membership(table).segments == ["a", "b", "c"]
    given = GorgeDisplay.from_membership(table, codes=np.full(len(X), -1))
    assert (given.codes == -1).all()
    assert GorgeDisplay.from_membership([[0.5, 0.5]]).segments == ["segment_1", "segment_2"]


def test_a_space_is_used():
    X = pd.DataFrame({"spend": np.random.default_rng(0).lognormal(3, 1, 100), "visits": np.arange(100)})
    model = KMeansSegmenter(2, random_state=0).fit(X)
    raw, scaled = (GorgeDisplay.from_assignment(X, sg.assign(model, X), space=space) for space in (None, model))
    assert np.abs(raw.similarity - scaled.similarity).max() > 0.1


@pytest.mark.parametrize("k", [2, 30])
def test_rows_in_order_with_long_names(k):
    X, codes = crowds(40 * k, k=k)
    names = pd.Series(pd.Categorical.from_codes(codes, [f"{i:02d} {'long ' * 16}{i}" for i in range(k)]))
    ax = GorgeDisplay.from_assignment(X, names).plot(Figure(figsize=(7, 12)).subplots()).ax_
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert [int(label[:2]) for label in labels] == list(range(k))
    assert max(map(len, labels)) < 36
    assert f"{40 * k:,} customers, {k} segments" in ax.get_title(loc="left")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: GorgeDisplay.from_assignment([[0.0], [1.0]], [0, 1], gamma=0), ValueError, "gamma must be"),
        (lambda: GorgeDisplay.from_assignment([[0.0], [1.0]], [-1, -1]), AssignmentError, "nobody is in a segment"),
        (lambda: GorgeDisplay.from_membership([0.5, 0.5]), CustomerTableError, "row per customer"),
        (lambda: GorgeDisplay.from_membership([[0.5, 1.5]]), AssignmentError, r"\[0, 1\]"),
        (lambda: GorgeDisplay.from_membership([[0.5, np.nan]]), AssignmentError, r"\[0, 1\]"),
        (lambda: GorgeDisplay.from_membership([[0.0, 1.0]]), AssignmentError, "from_assignment"),
        (lambda: GorgeDisplay.from_membership([[0.5, 0.5]], ["a"]), CustomerTableError, "2 columns, but there are 1"),
        (lambda: GorgeDisplay.from_membership([[0.5, 0.5]], codes=[2]), CustomerTableError, "codes must be"),
        (
            lambda: GorgeDisplay.from_membership([[0.5, 0.5]]).plot(Figure().subplots(), heights="tall"),
            ValueError,
            "heights must be",
        ),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
