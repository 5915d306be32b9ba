"""density_path: the same figures as single fits, over settings."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs, make_moons

from segmentation.exceptions import ColumnError, CustomerTableError, WeakDensityWarning
from segmentation.segmenters import HDBSCANSegmenter, density_path

COLUMNS = [
    "min_cluster_size",
    "min_samples",
    "n_segments",
    "n_unassigned",
    "share_unassigned",
    "share_largest",
    "validity",
]


def answers(n=300):
    rng = np.random.default_rng(0)
    return rng.binomial(3, rng.choice([0.1, 0.9], size=(n, 1)), size=(n, 4)).astype(float)


@pytest.mark.parametrize("X", [make_moons(600, noise=0.15, random_state=0)[0], answers()], ids=["moons", "answers"])
@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize("limit", [None, 200])
def test_each_row_is_what_a_single_fit_finds(X, method, limit):
    common = {"cluster_selection_method": method, "max_fit_customers": limit, "random_state": 0}
    path = density_path(X, [8, 0.05, 30], [3, 10], **common)
    assert list(path.columns) == COLUMNS
    share = round(0.05 * (limit or len(X)))
    assert path[["min_samples", "min_cluster_size"]].to_numpy().tolist() == [
        [least, size] for least in (3, 10) for size in (8, share, 30)
    ]
    for row in path.itertuples():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakDensityWarning)
            model = HDBSCANSegmenter(row.min_cluster_size, min_samples=row.min_samples, **common).fit(X)
        learnt = model.labels_[model.fit_positions_]
        assert row.n_segments == len(model.segments_)
        assert row.n_unassigned == (learnt < 0).sum()
        assert row.share_unassigned == (learnt < 0).mean()
        assert row.share_largest == pytest.approx(np.bincount(learnt[learnt >= 0], minlength=1).max() / len(learnt))


def test_validity_is_the_packages_and_undefined_without_two_segments():
    import hdbscan

    X = make_blobs(500, centers=3, random_state=0)[0]
    path = density_path(X, [10, 25, 400], scale=None)
    for row in path.itertuples():
        bare = hdbscan.HDBSCAN(
            min_cluster_size=row.min_cluster_size, min_samples=10, gen_min_span_tree=True, core_dist_n_jobs=1
        ).fit(X)
        if row.n_segments < 2:
            assert np.isnan(row.validity)
        else:
            assert row.validity == pytest.approx(bare.relative_validity_)
    assert path["n_segments"].tolist()[-1] == 0
    assert path["share_unassigned"].tolist()[-1] == 1
    assert path["share_largest"].tolist()[-1] == 0


def test_separated_groups_have_a_higher_validity_than_one_cloud():
    apart = density_path(make_blobs(500, centers=3, cluster_std=0.4, random_state=0)[0], [15])
    cloud = density_path(np.random.default_rng(0).normal(size=(500, 2)), [15])
    assert apart["validity"].iloc[0] > 0.5
    assert not cloud["validity"].iloc[0] > 0.5


def test_surveys_have_no_stretch_of_settings_without_noise(shared_data):
    items = pd.read_parquet(shared_data / "bfi" / "bfi.parquet")[[f"{s}{i}" for s in "ACENO" for i in range(1, 6)]]
    path = density_path(items.fillna(items.median()), [15, 0.02, 0.05], [5, 10])
    assert (path["share_unassigned"] > 0.9).all()


def test_progress_is_shown_where_asked_for(capsys):
    X = make_blobs(200, centers=3, random_state=0)[0]
    density_path(X, [15, 20], show_progress=True)
    assert "density path" in capsys.readouterr().err
    density_path(X, [15, 20])
    assert capsys.readouterr().err == ""


def test_bad_input_is_refused():
    X = make_blobs(100, centers=2, random_state=0)[0]
    with pytest.raises(ValueError, match="at least one value in min_cluster_sizes"):
        density_path(X, [])
    with pytest.raises(ValueError, match="min_samples must be an integer of at least 1, got 0"):
        density_path(X, [10], 0)
    with pytest.raises(ValueError, match="min_cluster_size must be an integer of at least 2, got 1"):
        density_path(X, [1])
    with pytest.raises(CustomerTableError, match="NaN"):
        density_path([[1.0], [np.nan]], [2])
    with pytest.raises(ColumnError, match="column 'a'"):
        density_path(pd.DataFrame({"a": ["x", "y"]}), [2])
