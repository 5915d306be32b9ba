"""Numbers of segments: what stands out, what does not, why; and the picture."""

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score

from segmentation.evaluation import KTableDisplay, suggest_n_segments
from segmentation.evaluation._n_segments import recommend
from segmentation.segmenters import KMeansSegmenter, RuleSegmenter

mpl.use("Agg")


def suggest(X, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmenter = KMeansSegmenter(scale=None, n_init=3)
        return suggest_n_segments(segmenter, X, **({"n_pairs": 6, "random_state": 0} | settings))


@pytest.fixture(scope="module")
def four():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(4)
    X = np.concatenate([rng.normal(centre, 1, (60, 4)) for centre in centres])
    return X, suggest(X, n_segments=range(2, 7))


def test_separated_groups_stand_out(four):
    X, numbers = four
    assert numbers.recommended == 4
    assert "finest number" in numbers.reason
    assert numbers.table.loc[4, "ari"] == 1.0
    assert numbers.table.loc[4, "weakest_slsw"] == 1.0
    assert numbers.table.loc[4, "smallest"] == 60
    codes = np.repeat(range(4), 60)
    assert numbers.table.loc[4, "silhouette"] == pytest.approx(silhouette_score(X, codes))


def test_nothing_stands_out_of_a_round_cloud():
    numbers = suggest(np.random.default_rng(0).normal(size=(400, 5)), n_segments=[2, 3, 4])
    assert numbers.recommended is None
    assert "no number stands out" in numbers.reason
    assert str(numbers).splitlines()[0].endswith("none recommended")


def frame(ari, share):
    ari = np.array(ari)
    return pd.DataFrame(
        {"ari": ari, "ari_q25": ari - 0.03, "ari_q75": ari + 0.03, "smallest_share": share, "stable": ari >= 0.8},
        index=range(2, 2 + len(ari)),
    ).assign(large_enough=lambda table: table["smallest_share"] >= 0.05)


def test_the_rule():
    assert recommend(frame([0.99, 0.95, 0.6, 0.9, 0.5], 0.1), 0.05)[0] == 3
    assert recommend(frame([1.0, 0.99, 1.0, 0.86, 0.5], 0.1), 0.05)[0] == 4  # not 5, a split of one of the four
    assert recommend(frame([0.9, 0.89, 0.88, 0.87], 0.1), 0.05)[0] is None  # no drop
    assert recommend(frame([0.5, 0.6, 0.5], 0.1), 0.05)[0] is None
    number, reason = recommend(frame([0.99, 0.95, 0.6], [0.01, 0.01, 0.2]), 0.05)
    assert number is None
    assert "5.0 %" in reason


def test_bad_input():
    X = np.random.default_rng(0).normal(size=(60, 2))
    for settings, message in [
        ({"min_share": 1}, "min_share must be"),
        ({"n_pairs": 1}, "n_pairs must be"),
        ({"n_segments": []}, "n_segments must be"),
        ({"n_segments": [2, 40]}, "too many for 60 customers"),
    ]:
        with pytest.raises(ValueError, match=message):
            suggest(X, **settings)
    with pytest.raises(ValueError, match="no parameter for the number"):
        suggest_n_segments(RuleSegmenter({"a": "x > 0"}), pd.DataFrame({"x": X[:, 0]}))


def test_what_people_read(four):
    _, numbers = four
    assert "4 recommended" in str(numbers)
    assert "<table" in numbers._repr_html_()
    assert numbers.to_dict()["recommended"] == 4
    assert numbers.to_pandas() is not numbers.table
    assert numbers.to_pandas().equals(numbers.table)


def test_picture(four):
    _, numbers = four
    display = KTableDisplay.from_numbers(numbers).plot()
    assert len(display.axes_) == 4
    assert "4 stands out" in display.ax_.get_title(loc="left")
    assert display.axes_[2].get_ylabel() == "silhouette"
    line = display.axes_[3].lines[0]
    assert list(line.get_xdata()) == [2, 3, 4, 5, 6]
    assert line.get_ydata() == pytest.approx(numbers.table["smallest_share"])
    ax = mpl.pyplot.figure().subplots()
    assert numbers.plot(ax).figure is ax.figure
    mpl.pyplot.close("all")
