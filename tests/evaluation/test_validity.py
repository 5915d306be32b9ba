"""Validity: every index against another implementation, the sample against everybody, and bad input."""

import hdbscan.validity as package
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_samples
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

import segmentation as sg
from segmentation.evaluation import SilhouetteDisplay, clustering_space, validity
from segmentation.evaluation._silhouette import exact_silhouettes, group_customers, sampled_silhouettes
from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError
from segmentation.segmenters import ClustererSegmenter, HDBSCANSegmenter, KMeansSegmenter, RuleSegmenter


def crowds(n=600, k=4, d=3, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    codes = rng.choice(k, n, p=rng.dirichlet(np.full(k, 5.0)))
    return rng.normal(size=(n, d)) + apart * rng.normal(size=(k, d))[codes], codes


@pytest.mark.parametrize(
    "metric",
    ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "canberra", "cosine", "hamming", "jaccard"],
)
def test_silhouettes_are_those_of_sklearn(metric):
    X, codes = crowds(n=1200)  # several tiles
    if metric in ("hamming", "jaccard"):
        X = (X > 0).astype(float)
        X[:, 0] = 1.0
    report = validity(X, codes, metric=metric)
    given = X.astype(bool) if metric == "jaccard" else X
    expected = silhouette_samples(given, codes, metric=metric)
    assert report.settings["method"] == "exact"
    assert report.silhouette_se == 0
    np.testing.assert_allclose(report.samples["silhouette"].sort_index(), expected, atol=1e-12)
    assert report.silhouette == pytest.approx(expected.mean())
    means = pd.Series(expected).groupby(codes).mean().to_numpy()
    np.testing.assert_allclose(report.table["silhouette"], means)
    shares = pd.Series(expected < 0).groupby(codes).mean().to_numpy()
    np.testing.assert_allclose(report.table["share_negative"], shares)


def test_many_columns_take_the_product_and_keep_equal_customers_equal():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 30)) + 1e6  # a common offset must cost no digits
    X[200:] += 0.5
    codes = np.repeat([0, 1], 200)
    report = validity(X, codes)
    np.testing.assert_allclose(report.samples["silhouette"], silhouette_samples(X - 1e6, codes), atol=1e-7)
    same = np.tile(rng.normal(size=30), (6, 1))
    assert validity(same, [0, 0, 0, 1, 1, 1]).samples["silhouette"].tolist() == [0.0] * 6


@pytest.mark.parametrize("seed", range(3))
def test_centre_indices_are_those_of_sklearn(seed):
    X, codes = crowds(seed=seed, k=5, d=4)
    report = validity(X, codes, metric="manhattan")
    assert report.calinski_harabasz == pytest.approx(calinski_harabasz_score(X, codes))
    assert report.davies_bouldin == pytest.approx(davies_bouldin_score(X, codes))
    assert report.table["davies_bouldin"].mean() == pytest.approx(report.davies_bouldin)
    own = X[codes == 2]
    assert report.table["dispersion"].iloc[2] == pytest.approx(np.linalg.norm(own - own.mean(axis=0), axis=1).mean())


def test_where_indices_have_no_finite_value():
    X = np.array([[0.0, 0], [0, 2], [1, 1], [-1, 1]])
    report = validity(X, [0, 0, 1, 1])  # one centre for both
    assert report.davies_bouldin == np.inf
    assert report.calinski_harabasz == 0
    points = validity(np.repeat([[0.0], [3.0]], 3, axis=0), [0, 0, 0, 1, 1, 1])
    assert points.calinski_harabasz == np.inf
    assert points.davies_bouldin == 0
    assert points.silhouette == 1


def densest_tree(reach):
    """Kruskal's tree of mutual reachability, equal links to the denser customer first: as documented, another way."""
    n, core = len(reach), densest_tree.core
    pairs = [(reach[i, j], min(core[i], core[j]), i, j) for i in range(n) for j in range(i)]
    root, edges = list(range(n)), []

    def find(i):
        while root[i] != i:
            i = root[i]
        return i

    for length, _, i, j in sorted(pairs):
        if find(i) != find(j):
            root[find(i)] = find(j)
            edges.append((i, j, length))
    edges = np.array(edges)
    links = np.bincount(edges[:, :2].astype(int).ravel(), minlength=n)
    inner = np.flatnonzero(links > 1)
    within = edges[(links[edges[:, :2].astype(int)] > 1).all(axis=1)]
    return inner, within if len(within) else edges


@pytest.mark.parametrize(
    "make",
    [
        lambda: crowds(n=150, k=3, d=2, seed=1, apart=5.0),
        lambda: crowds(n=120, k=2, d=5, seed=2, apart=1.0),
        lambda: make_moons(160, noise=0.05, random_state=0),
    ],
)
def test_dbcv_is_the_packages_but_for_the_tree(make, monkeypatch):
    X, codes = make()
    codes = np.array(codes, dtype=int)
    codes[:12] = -1
    plain = package.all_points_core_distance

    def remember(distances, d=2.0):
        densest_tree.core = plain(distances, d=d)
        return densest_tree.core

    monkeypatch.setattr(package, "all_points_core_distance", remember)
    monkeypatch.setattr(package, "internal_minimum_spanning_tree", densest_tree)
    value, per_segment = package.validity_index(X.astype(float), codes, per_cluster_scores=True)
    report = validity(X, codes)  # there are unassigned customers, so it is computed unasked
    assert report.dbcv == pytest.approx(value)
    np.testing.assert_allclose(report.table["dbcv"], per_segment)
    assert report.summary["recommended"].idxmax() == "dbcv"


def test_dbcv_does_not_depend_on_the_order_of_rows_and_the_packages_does():
    X, codes = make_moons(200, noise=0.05, random_state=0)
    ours, theirs = [], []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(200)
        ours.append(validity(X[order], codes[order], dbcv=True).dbcv)
        theirs.append(package.validity_index(X[order], codes[order]))
    assert np.ptp(ours) == pytest.approx(0, abs=1e-12)
    assert np.ptp(theirs) > 0.01


def test_dbcv_knows_moons_and_the_silhouette_does_not():
    X, truth = make_moons(600, noise=0.04, random_state=1)
    cut = KMeans(2, n_init=5, random_state=0).fit_predict(X)
    moons, halves = (validity(X, codes, dbcv=True) for codes in (truth, cut))
    assert moons.dbcv > 0.5 > 0 > halves.dbcv
    assert halves.silhouette > moons.silhouette + 0.1


def test_dbcv_of_large_segments_is_sampled_and_says_so():
    X, codes = make_blobs(900, centers=3, random_state=3)
    all_of_them = validity(X, codes, dbcv=True)
    drawn = validity(X, codes, dbcv=True, dbcv_size=100, random_state=0)
    assert drawn.summary.loc["dbcv", "se"] > 0
    assert drawn.table["dbcv_n"].tolist() == [100] * 3
    assert drawn.dbcv == pytest.approx(all_of_them.dbcv, abs=0.15)
    assert any("at most 100 customers" in text for text in drawn.warnings)
    assert validity(X, codes, dbcv=True, dbcv_size=100, random_state=0).dbcv == drawn.dbcv


def test_dbcv_of_tiny_segments_and_repeated_customers():
    X = np.array([[0.0, 0], [0, 0], [0, 0], [5, 5], [5, 6], [9, 0]])
    report = validity(X, [0, 0, 0, 1, 1, 2], dbcv=True)
    assert report.table["dbcv"].tolist()[0] == 1.0  # on one spot, far from the others
    assert np.isnan(report.table["dbcv"].iloc[2])  # one customer
    assert -1 <= report.dbcv <= 1


WORLDS = {
    "overlapping": lambda: crowds(n=3000, k=5, d=6, apart=1.0),
    "unbalanced": lambda: crowds_of(np.where(np.random.default_rng(0).random(3000) < 0.01, 1, 0), 3.0),
    "one crowd, cut at random": lambda: crowds_of(np.random.default_rng(0).integers(0, 6, 3000), 0.0),
}


def crowds_of(codes, apart):
    return np.random.default_rng(1).normal(size=(len(codes), 4)) + apart * codes[:, None], codes


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("world", WORLDS)
def test_two_standard_errors_hold_the_exact_value(world, metric):
    X, codes = WORLDS[world]()
    grouped = group_customers(X, codes, metric)
    exact = exact_silhouettes(grouped)
    runs = [sampled_silhouettes(grouped, 300, check_random_state(seed)) for seed in range(100)]
    hits = sum(abs(run.mean - exact.mean) <= 2 * run.error for run in runs)
    assert hits >= 89  # 95 of 100 less the 99 % band
    spread, stated = np.std([run.mean for run in runs]), np.mean([run.error for run in runs])
    assert stated < 10 * spread  # not bought by absurdly wide errors
    assert stated < exact.scores.std() / np.sqrt(len(runs[0].positions))  # nor wider than a plain random sample's
    near = (
        np.abs(np.array([run.means - exact.means for run in runs]))
        <= 2 * np.array([run.errors for run in runs]) + 1e-12
    )
    assert near.mean() >= 0.9


def test_large_tables_are_sampled_by_default_and_the_result_says_so():
    X, codes = crowds(n=20_400, k=3, d=2)
    report = validity(X, codes, random_state=1)
    assert report.settings["method"] == "sampled"
    assert 1_900 < report.settings["n_evaluated"] < 2_200
    assert report.silhouette_se > 0
    assert "two standard errors" in str(report)
    assert len(report.samples) == report.settings["n_evaluated"]
    assert report.table["n_customers"].sum() == 20_400
    again = validity(X, codes, random_state=1)
    pd.testing.assert_frame_equal(again.table, report.table)
    exact = validity(X[:2_000], codes[:2_000])
    assert exact.settings["method"] == "exact"
    # each value of the sample is exact: it is that of the customer among all
    some = report.samples.iloc[[0, -1]]
    grouped = group_customers(X, codes, "euclidean")
    everybody = pd.Series(exact_silhouettes(grouped).scores, index=grouped.rows)
    np.testing.assert_allclose(everybody[some.index], some["silhouette"], atol=1e-12)


def test_a_sample_has_fifty_of_every_segment_or_all():
    codes = np.repeat([0, 1, 2], [2_000, 200, 20])
    X, _ = crowds_of(codes, 2.0)
    report = validity(X, codes, sample_size=100, random_state=0)
    assert report.table["n_evaluated"].tolist() == [90, 50, 20]
    assert report.table["silhouette_se"].iloc[2] == 0
    assert report.table["silhouette_se"].iloc[0] > 0


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 5), n=st.integers(12, 60))
def test_order_shift_turn_and_scale_change_nothing(seed, k, n):
    rng = np.random.default_rng(seed)
    X, codes = rng.normal(size=(n, 3)), rng.integers(-1, k, n)
    codes[:2] = 0, 1
    report = validity(X, codes)
    order = rng.permutation(n)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    other = validity(3.0 * (X @ turn)[order] + 7.0, codes[order])
    for name in ("silhouette", "calinski_harabasz", "davies_bouldin"):
        assert getattr(other, name) == pytest.approx(getattr(report, name), nan_ok=True, rel=1e-6)
    assert -1 <= report.silhouette <= 1
    assert report.table["n_customers"].sum() + report.settings["n_unassigned"] == n
    assert np.average(report.table["silhouette"].fillna(0), weights=report.table["n_customers"]) == pytest.approx(
        report.silhouette
    )


def test_unassigned_are_no_segment():
    X, codes = crowds(n=300, k=3)
    codes[:60] = -1
    report = validity(X, codes)
    assert report.silhouette == pytest.approx(silhouette_samples(X[60:], codes[60:]).mean())
    assert report.settings["n_unassigned"] == 60
    assert any("60 customers (20.0 %) unassigned" in text for text in report.warnings)
    zero = validity(X, codes, unassigned="zero")
    assert zero.silhouette == pytest.approx(0.8 * report.silhouette)
    assert "with a silhouette of 0" in str(zero)
    assert zero.calinski_harabasz == report.calinski_harabasz


def test_the_space_of_a_model_is_where_it_measured():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"spend": rng.lognormal(3, 1, 200), "visits": rng.poisson(3, 200)}).rename_axis("customer_id")
    kmeans = KMeansSegmenter(n_clusters=3, random_state=0).fit(X)
    space = clustering_space(kmeans, X)
    distances = ((space.to_numpy()[:, None] - kmeans.scaled_centers_) ** 2).sum(axis=2)
    assert distances.argmin(axis=1).tolist() == kmeans.labels_.tolist()
    assert distances.min(axis=1).sum() == pytest.approx(kmeans.inertia_)

    pipeline = make_pipeline(StandardScaler(), KMeansSegmenter(n_clusters=3, scale=None, random_state=0)).fit(X)
    np.testing.assert_allclose(clustering_space(pipeline, X), StandardScaler().fit_transform(X))
    wrapped = ClustererSegmenter(make_pipeline(StandardScaler(), KMeans(3, random_state=0))).fit(X)
    np.testing.assert_allclose(clustering_space(wrapped, X), StandardScaler().fit_transform(X))
    bare = ClustererSegmenter(AgglomerativeClustering(3)).fit(X)
    np.testing.assert_array_equal(clustering_space(bare, X), X)
    blobs = np.random.default_rng(0).normal(size=(200, 2)) + np.repeat([[0.0], [9.0]], 100, axis=0)
    crowd = HDBSCANSegmenter(scale="standard").fit(blobs)
    np.testing.assert_allclose(clustering_space(crowd, blobs), StandardScaler().fit_transform(blobs))

    report = validity(X, sg.assign(kmeans, X), space=kmeans)
    assert report.silhouette == pytest.approx(silhouette_samples(space, kmeans.labels_).mean())
    assert report.settings["space"] == "as KMeansSegmenter measured distances"
    assert "StandardScaler > KMeansSegmenter" in validity(X, sg.assign(pipeline, X), space=pipeline).settings["space"]


def test_a_model_without_distances_has_no_space():
    X = pd.DataFrame({"age": [20.0, 70.0]}, index=pd.Index(["a", "b"], name="customer_id"))
    rules = RuleSegmenter({"young": "age < 30", "old": "age >= 60"}).fit(X)
    with pytest.raises(TypeError, match="measures no distances"):
        clustering_space(rules, X)
    with pytest.raises(TypeError, match="takes a fitted Segmenter"):
        clustering_space(StandardScaler().fit(X), X)
    assert validity(X, sg.assign(rules, X)).table.index.tolist() == ["young", "old"]


def test_wild_scales_are_said_unless_a_space_is_given():
    X, codes = crowds(n=200, k=2)
    assert not validity(X, codes).warnings
    X = pd.DataFrame(X * [1, 1, 5000], columns=["a", "b", "spend"])
    (warning,) = validity(X, codes).warnings
    assert "'spend' spreads" in warning
    assert "hardly notice 2 of 3 columns ('a', 'b')" in warning
    assert "space=model" in warning
    model = KMeansSegmenter(2, random_state=0).fit(X)
    assert not validity(X, sg.assign(model, X), space=model).warnings


def test_tables_meet_by_id_and_arrays_by_position():
    X, codes = crowds(n=100, k=2)
    ids = pd.Index([f"c{i}" for i in range(100)], name="customer_id")
    table, names = pd.DataFrame(X, index=ids).add_prefix("x"), pd.Series(codes, index=ids).map({0: "a", 1: "b"})
    expected = validity(X, codes).silhouette
    order = np.random.default_rng(0).permutation(100)
    for customers, assignment in (
        (table, names.iloc[order]),
        (table.iloc[order], names),
        (table, codes),
        (X, names),
        (pl.from_pandas(table.reset_index()), pl.DataFrame({"customer_id": ids.tolist(), "segment": names.tolist()})),
    ):
        assert validity(customers, assignment).silhouette == pytest.approx(expected)
    assert validity(table, codes).samples.index[0] in ids
    less = validity(table.iloc[5:], names.iloc[:90])
    assert less.warnings == (
        "10 customers of X not in the assignment: left out.",
        "5 customers of the assignment not in X: left out.",
    )
    assert less.silhouette == pytest.approx(validity(X[5:90], codes[5:90]).silhouette)


def test_segments_of_one_none_and_nobody():
    X = np.array([[0.0], [1.0], [9.0]])
    names = pd.Series(pd.Categorical(["a", "a", "b"], categories=["a", "b", "c"]))
    report = validity(X, names)
    assert report.table["n_customers"].tolist() == [2, 1, 0]
    assert report.table["silhouette"].iloc[1] == 0
    assert np.isnan(report.table["silhouette"].iloc[2])
    assert any("1 segment has no customers: 'c'" in text for text in report.warnings)
    assert any("1 segment has one customer ('b')" in text for text in report.warnings)

    single = validity(X, ["a", "a", "a"])
    assert np.isnan([single.silhouette, single.calinski_harabasz, single.davies_bouldin, single.dbcv]).all()
    assert "only one segment" in str(single)
    nobody = validity(X, [-1, -1, -1])
    assert np.isnan(nobody.silhouette)
    assert "nobody is in a segment" in str(nobody)
    assert nobody.to_dict()["settings"]["n_unassigned"] == 3
    with pytest.raises(ValueError, match="no silhouettes to draw"):
        SilhouetteDisplay.from_report(single)
    assert "fewer than two segments" in single.plot(Figure().subplots()).texts[0].get_text()

    everyone_alone = validity(X, ["a", "b", "c"])
    assert everyone_alone.silhouette == 0
    assert everyone_alone.davies_bouldin == 0


def test_constant_columns_count_nothing():
    X, codes = crowds(n=150, k=3, d=2, apart=4)
    codes[:5] = -1
    wider = np.column_stack([X, np.full(150, 7.0)])
    assert validity(wider, codes).silhouette == pytest.approx(validity(X, codes).silhouette)
    assert validity(wider, codes).dbcv == pytest.approx(validity(X, codes).dbcv)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"metric": "cubic"}, ValueError, "metric must be one of 'euclidean'"),
        ({"sample_size": 0}, ValueError, "sample_size must be a whole number of at least 1, got 0"),
        ({"sample_size": True}, ValueError, "sample_size must be"),
        ({"unassigned": "drop"}, ValueError, "'exclude' or 'zero', got 'drop'"),
        ({"dbcv": "yes"}, ValueError, "dbcv must be"),
        ({"dbcv_size": 2}, ValueError, "dbcv_size must be"),
        ({"assignment": [0, 1]}, CustomerTableError, "X has 4 rows and the assignment 2"),
        ({"assignment": np.zeros((4, 2))}, AssignmentError, "one label per customer"),
        ({"X": [[1.0], [np.nan], [2.0], [3.0]]}, CustomerTableError, "contains NaN"),
        ({"X": pd.DataFrame({"a": list("uvwx")})}, ColumnError, "column 'a'"),
        ({"X": np.array([[0.0, 0], [1, 2], [3, 4], [5, 6]]), "metric": "cosine"}, CustomerTableError, "all 0"),
    ],
)
def test_bad_input(arguments, error, words):
    X, assignment = arguments.pop("X", np.arange(4.0)[:, None]), arguments.pop("assignment", [0, 0, 1, 1])
    with pytest.raises(error, match=words):
        validity(X, assignment, **arguments)


def test_ids_that_never_meet():
    table = pd.DataFrame({"a": [1.0, 2.0]}, index=["u", "v"])
    with pytest.raises(CustomerTableError, match=r"no customer of X in the assignment.*'u', 'v'.*'7', '8'"):
        validity(table, pd.Series(["s", "t"], index=["7", "8"]))


def test_report_in_other_forms():
    X, codes = crowds(n=100, k=2)
    name = "<script>alert(1)</script>"
    report = validity(X, pd.Series(codes).map({0: name, 1: "b" * 200}))
    assert name not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()
    assert max(map(len, str(report).splitlines())) < 160
    assert report.to_pandas().equals(report.table)
    assert report.to_dict()["summary"][0]["index"] == "silhouette"
    assert report.settings["n_assigned"] == 100
    with pytest.raises(AttributeError):
        report.table = None


def test_silhouette_display_shows_every_segment_in_order():
    X, codes = crowds(n=300, k=3)
    codes[:30] = -1
    names = pd.Series(pd.Categorical.from_codes(codes, ["first", "second" * 14, "third"]))
    report = validity(X, names)
    ax = report.plot(Figure().subplots())
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert [label.split()[0] for label in labels] == ["first", labels[1].split()[0], "third"]
    assert "…" in labels[1]
    for label, size, mean in zip(labels, report.table["n_customers"], report.table["silhouette"], strict=True):
        assert label.endswith(f"{mean:.2f}  ({size:,})")
    assert "30 unassigned left out" in ax.get_title(loc="left")
    assert f"{report.silhouette:.2f}" in ax.get_xlabel()
    assert ax.yaxis_inverted()


def test_shadow_values_by_hand():
    X = np.array([[0.0], [2.0], [10.0], [12.0], [4.0]])  # centres 2 and 11
    display = SilhouetteDisplay.from_assignment(X, [0, 0, 1, 1, 0], kind="shadow").plot(Figure().subplots())
    first, second = display.scores.values()
    assert first == pytest.approx(sorted([2 * 2 / 13, 0.0, 2 * 2 / 9], reverse=True))
    assert second == pytest.approx([2 * 1 / 9, 2 * 1 / 11])
    assert display.mean == pytest.approx(np.mean([*first, *second]))
    assert "shadow" in display.ax_.get_xlabel()
    with pytest.raises(ValueError, match="at least two segments"):
        SilhouetteDisplay.from_assignment(X, [0] * 5, kind="shadow")
    with pytest.raises(ValueError, match="kind must be"):
        SilhouetteDisplay.from_assignment(X, [0] * 5, kind="light")
    with pytest.raises(ValueError, match="about silhouettes only"):
        SilhouetteDisplay.from_assignment(X, [0, 0, 1, 1, 0], kind="shadow", metric="manhattan")


def test_memory_does_not_grow_with_pairs():
    import tracemalloc

    X, codes = crowds(n=6_000, k=4)
    codes[:100] = -1
    tracemalloc.start()
    try:
        validity(X, codes, dbcv_size=500)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000 * 6_000 * 8 / 8  # all pairs would take 288 MB, an eighth of that is tiles and copies
