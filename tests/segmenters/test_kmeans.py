"""KMeansSegmenter: scikit-learn's checks, bare k-means, the formulas, and real customers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.utils.estimator_checks import estimator_checks_generator
from threadpoolctl import threadpool_limits

import segmentation as sg
from segmentation import datasets, features
from segmentation.exceptions import (
    ColumnError,
    CustomerTableError,
    DroppedRowsWarning,
    EmptySegmentWarning,
    FitDiagnosisWarning,
    SmallSegmentWarning,
)
from segmentation.segmenters import KMeansSegmenter
from segmentation.segmenters._kmeans import _fuzzy, _squared_distances
from segmentation.segmenters._scaling import apply_scaling

RNG = np.random.default_rng(0)
CENTERS = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
SIZES = [30, 50, 40]
BLOBS = np.vstack([center + RNG.normal(size=(size, 2)) for center, size in zip(CENTERS, SIZES, strict=True)])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small tables gain nothing from threads, and lose much where other work holds the cores."""
    with threadpool_limits(1):
        yield


def seeds(random_state, n_init):
    """Seeds of the single starts, as the segmenter draws them."""
    return np.random.RandomState(random_state).randint(np.iinfo(np.int32).max, size=n_init)


# a list: scikit-learn's own decorator hands pytest a generator in some versions, which pytest refuses
CHECKS = [
    pytest.param(estimator, check, id=f"{name}-{getattr(check, 'func', check).__name__}-{i}")
    for name, model in {
        "default": KMeansSegmenter(),
        "bare": KMeansSegmenter(scale=None, membership="hard", n_init=1),
    }.items()
    for i, (estimator, check) in enumerate(estimator_checks_generator(model))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


# --- it is k-means


@pytest.mark.parametrize("scale", ["auto", "standard", None])
def test_it_equals_the_best_of_scikit_learns_starts_on_the_same_scaled_data(scale):
    X = np.c_[BLOBS, RNG.lognormal(3, 1, len(BLOBS))]
    model = KMeansSegmenter(4, scale=scale, n_init=6, random_state=3).fit(X)
    scaled = apply_scaling(X, model.scaling_)
    fits = [KMeans(4, n_init=1, tol=0, random_state=int(seed)).fit(scaled) for seed in seeds(3, 6)]
    inertias = [fit.inertia_ for fit in fits]
    np.testing.assert_allclose(model.restart_inertias_, inertias)
    best = fits[int(np.argmin(inertias))]
    assert model.inertia_ == pytest.approx(best.inertia_)
    assert model.n_iter_ == best.n_iter_
    # the same groups and centres, in another order
    pairs = set(zip(model.labels_, best.labels_, strict=True))
    assert len(pairs) == 4
    for ours, theirs in pairs:
        np.testing.assert_allclose(model.scaled_centers_[ours], best.cluster_centers_[theirs])
    assert model.inertia_ == pytest.approx(
        sum(((scaled[model.labels_ == k] - model.scaled_centers_[k]) ** 2).sum() for k in range(4))
    )


def test_without_scaling_it_is_bare_k_means():
    X = np.c_[BLOBS, 1e4 * RNG.random(len(BLOBS))]
    model = KMeansSegmenter(3, scale=None, random_state=0).fit(X)
    bare = KMeans(3, n_init=10, tol=0, random_state=0).fit(X)
    assert model.inertia_ == pytest.approx(bare.inertia_)
    np.testing.assert_array_equal(model.scaled_centers_, model.cluster_centers_)
    assert set(model.scaling_["treatment"]) == {"none"}
    assert len(set(zip(model.labels_, bare.labels_, strict=True))) == 3


def test_the_solution_is_a_fixed_point_of_lloyds_algorithm():
    model = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    scaled = apply_scaling(BLOBS, model.scaling_)
    again = KMeans(3, init=model.scaled_centers_, n_init=1, tol=0).fit(scaled)
    assert again.n_iter_ <= 2
    assert again.inertia_ == pytest.approx(model.inertia_)
    np.testing.assert_array_equal(again.labels_, model.labels_)


def test_well_separated_groups_are_found_and_the_centres_stand_in_original_units():
    model = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    assert np.bincount(model.labels_).tolist() == [50, 40, 30]
    np.testing.assert_allclose(model.cluster_centers_, CENTERS[[1, 2, 0]], atol=0.6)
    for k, table in pd.DataFrame(BLOBS).groupby(model.labels_):
        np.testing.assert_allclose(model.cluster_centers_[k], table.mean())  # both columns are standardised
    assert model.centers_.index.tolist() == ["segment_1", "segment_2", "segment_3"]
    assert model.centers_.index.name == "segment"
    assert list(model.centers_.columns) == ["x0", "x1"]
    np.testing.assert_array_equal(model.centers_, model.cluster_centers_)


def test_the_centre_of_a_logged_column_is_the_geometric_mean_of_one_plus_x():
    spend = np.r_[RNG.lognormal(1, 0.3, 90), RNG.lognormal(6, 0.3, 10)]
    model = KMeansSegmenter(2, random_state=0).fit(pd.DataFrame({"spend": spend}))
    assert model.scaling_.loc["spend", "treatment"] == "log1p"
    for k in range(2):
        inside = spend[model.labels_ == k]
        assert model.centers_["spend"].iloc[k] == pytest.approx(np.expm1(np.log1p(inside).mean()))
        assert model.centers_["spend"].iloc[k] < inside.mean()


# --- the order of segments


def test_segments_stand_largest_first_whatever_the_seed_and_the_order_of_customers():
    expected = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(BLOBS))
        model = KMeansSegmenter(3, random_state=seed).fit(BLOBS[order])
        np.testing.assert_allclose(model.cluster_centers_, expected.cluster_centers_)
        np.testing.assert_array_equal(model.labels_, expected.labels_[order])


@pytest.mark.parametrize("scale", ["auto", None])
def test_equal_sizes_stand_by_their_centres_whatever_rounding_does(scale):
    """Corners of a square: two share the first coordinate but for its last digits, which the row order decides."""
    corners = np.array([[0, 0], [0, 10], [10, 0], [10, 10]], dtype=float)
    X = np.vstack([corner + RNG.normal(size=(7, 2)) * 0.3 for corner in np.zeros((1, 2))] * 4)
    X = X + np.repeat(corners, 7, axis=0)
    first = None
    for seed in range(12):
        order = np.random.default_rng(seed).permutation(len(X))
        model = KMeansSegmenter(4, scale=scale, n_init=3, random_state=seed).fit(X[order])
        first = model.cluster_centers_ if first is None else first
        np.testing.assert_allclose(model.cluster_centers_, first, atol=1e-9)
    np.testing.assert_allclose(first, corners + X[:7].mean(axis=0), atol=1e-9)


@given(
    st.integers(1, 3).flatmap(
        lambda d: st.lists(st.lists(st.integers(0, 3), min_size=d, max_size=d), min_size=4, max_size=14)
    ),
    st.integers(1, 4),
    st.sampled_from(["auto", None]),
)
@settings(deadline=None, max_examples=40)
@pytest.mark.filterwarnings("ignore::segmentation.exceptions.SegmentationWarning")
def test_what_holds_for_every_table(rows, n_clusters, scale):
    """Small integers: many equal customers, and many as near to one centre as to another."""
    X = np.array(rows, dtype=float)
    fuzzy = KMeansSegmenter(n_clusters, scale=scale, n_init=1, random_state=0).fit(X)
    sizes = np.bincount(fuzzy.labels_, minlength=n_clusters)
    assert sizes.tolist() == sorted(sizes, reverse=True)
    np.testing.assert_array_equal(fuzzy.predict(X), fuzzy.labels_)
    np.testing.assert_array_equal(fuzzy.predict(X[::-1]), fuzzy.labels_[::-1])
    degrees = fuzzy.transform(X)
    np.testing.assert_allclose(degrees.sum(axis=1), 1)
    scaled = apply_scaling(X, fuzzy.scaling_)
    nearest = _squared_distances(scaled, fuzzy.scaled_centers_).min(axis=1)
    assert fuzzy.inertia_ == pytest.approx(nearest.sum(), abs=1e-9)
    hard = KMeansSegmenter(n_clusters, scale=scale, n_init=1, random_state=0, membership="hard").fit(X)
    np.testing.assert_array_equal(hard.labels_, fuzzy.labels_)
    assert set(np.unique(hard.transform(X))) <= {0.0, 1.0}
    np.testing.assert_array_equal(hard.transform(X).argmax(axis=1), hard.labels_)


def test_a_customer_between_two_centres_does_not_upset_the_order():
    """[1, 2] is as near to [2, 2] as to [0, 2]: it counts where predict puts it, in the sizes too."""
    X = [[1, 1], [2, 2], [1, 0], [0, 2], [0, 2], [1, 2], [2, 2], [2, 2], [2, 2], [1, 1]]
    for seed in range(20):
        model = KMeansSegmenter(3, scale=None, n_init=1, random_state=seed).fit(X)
        sizes = np.bincount(model.labels_).tolist()
        assert sizes == sorted(sizes, reverse=True)


# --- degrees of membership


def test_degrees_are_those_of_fuzzy_c_means():
    """u_k = (1 / d_k^2) / sum_j (1 / d_j^2): Bezdek, Ehrlich, Full (1984), equation 11a with m = 2."""
    model = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    new = RNG.uniform(-10, 30, size=(25, 2))
    scaled = apply_scaling(new, model.scaling_)
    for row, degrees in zip(scaled, model.transform(new), strict=True):
        closeness = [1 / sum((row[j] - center[j]) ** 2 for j in range(2)) for center in model.scaled_centers_]
        np.testing.assert_allclose(degrees, [one / sum(closeness) for one in closeness])


def test_a_customer_on_a_centre_belongs_to_it_wholly():
    model = KMeansSegmenter(3, scale=None, random_state=0).fit(BLOBS)
    np.testing.assert_array_equal(model.transform(model.cluster_centers_), np.eye(3))


@pytest.mark.parametrize(
    ("distances", "degrees"),
    [
        ([0.0, 4.0, 9.0], [1, 0, 0]),
        ([0.0, 0.0, 9.0], [0.5, 0.5, 0]),  # two centres in one place
        ([0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1.0, 2.0, 2.0], [0.5, 0.25, 0.25]),
        ([1e-320, 1.0, 1.0], [1, 0, 0]),
        ([1e300, 1e300, 3e300], [3 / 7, 3 / 7, 1 / 7]),
        ([1e-310, 1e-310, 1.0], [0.5, 0.5, 0]),
    ],
)
def test_degrees_where_the_formula_divides_by_zero_or_overflows(distances, degrees):
    np.testing.assert_allclose(_fuzzy(np.array([distances])), [degrees], atol=1e-12)


def test_the_nearest_centre_has_the_largest_degree_after_rounding():
    distances = RNG.random((20_000, 5)) + 0.5
    distances[:, 1] = distances.min(axis=1)
    distances[:, 0] = np.nextafter(distances[:, 1], 2)  # farther by the last digit
    assert (_fuzzy(distances).argmax(axis=1) == 1).all()


def test_between_all_centres_degrees_are_equal_and_far_away_too():
    model = KMeansSegmenter(2, scale=None, random_state=0).fit([[0.0], [0.0], [0.0], [10.0], [10.0]])
    np.testing.assert_allclose(model.transform([[5.0]]), [[0.5, 0.5]])
    np.testing.assert_allclose(model.transform([[1e9], [1e200], [-1e308]]), 0.5, atol=1e-6)
    assert model.predict([[1e308], [-1e308]]).tolist() == [0, 0]


def test_hard_membership_is_0_or_1():
    model = KMeansSegmenter(3, membership="hard", random_state=0).fit(BLOBS)
    assert np.array_equal(model.transform(BLOBS), np.eye(3)[model.labels_])
    assert set(model.assign(BLOBS)["membership"]) == {1.0}
    assert model.__sklearn_tags__().segmenter_tags.membership == "hard"
    assert KMeansSegmenter().__sklearn_tags__().segmenter_tags.membership == "soft"


def test_nobody_is_unassigned():
    table = KMeansSegmenter(3, random_state=0).fit(BLOBS).assign(BLOBS)
    assert table["segment"].tolist() != []
    assert (table["segment"] != sg.UNASSIGNED).all()
    assert (table["membership"] > 1 / 3).all()


# --- scaling, as a customer sees it


def test_a_column_without_spread_changes_nothing():
    expected = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    for constant in (0.0, 7.0, 1e9, -1e-9):
        X = np.c_[BLOBS, np.full(len(BLOBS), constant)]
        for scale in ("auto", "standard"):
            model = KMeansSegmenter(3, scale=scale, random_state=0).fit(X)
            np.testing.assert_array_equal(model.labels_, expected.labels_)
            np.testing.assert_array_equal(model.cluster_centers_[:, 2], constant)
            np.testing.assert_array_equal(model.predict(np.add(X, [0, 0, 1e6])), expected.labels_)


def test_customers_who_are_all_the_same():
    with pytest.warns(EmptySegmentWarning, match=r"2 segments have no customers \('segment_2', 'segment_3'\)"):
        model = KMeansSegmenter(3, random_state=0).fit(np.full((9, 2), 4.0))
    assert model.labels_.tolist() == [0] * 9
    assert model.inertia_ == 0
    assert model.restarts_ == 10
    np.testing.assert_array_equal(model.cluster_centers_, 4.0)


@pytest.mark.parametrize("factor", [1e-300, 1e-100, 1e-6, 1e6, 1e100, 1e300])
def test_the_unit_of_measurement_changes_nothing(factor):
    expected = KMeansSegmenter(3, scale="standard", random_state=0).fit(BLOBS)
    model = KMeansSegmenter(3, scale="standard", random_state=0).fit(BLOBS * factor)
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    np.testing.assert_allclose(model.cluster_centers_ / factor, expected.cluster_centers_)
    np.testing.assert_array_equal(KMeansSegmenter(3, random_state=0).fit(BLOBS * factor).labels_, expected.labels_)


def test_columns_of_different_units_count_alike():
    """Income in cents would drown visits; scaled, both decide."""
    visits = np.r_[RNG.normal(2, 0.2, 40), RNG.normal(9, 0.2, 40)]
    income = RNG.normal(5e6, 1e5, 80)
    customers = pd.DataFrame({"visits": visits, "income": income})
    truth = visits > 5
    bare = KMeansSegmenter(2, scale=None, random_state=0).fit(customers).labels_
    auto = KMeansSegmenter(2, random_state=0).fit(customers).labels_
    assert abs(np.corrcoef(auto, truth)[0, 1]) == 1
    assert abs(np.corrcoef(bare, truth)[0, 1]) < 0.5


def test_binary_columns_are_left_alone():
    X = (RNG.random((200, 6)) < 0.4).astype(float)
    auto = KMeansSegmenter(3, random_state=0).fit(X)
    bare = KMeansSegmenter(3, scale=None, random_state=0).fit(X)
    assert set(auto.scaling_["treatment"]) == {"binary"}
    np.testing.assert_array_equal(auto.cluster_centers_, bare.cluster_centers_)
    np.testing.assert_array_equal(auto.labels_, bare.labels_)
    assert auto.inertia_ == bare.inertia_
    flags = pd.DataFrame(X.astype(bool), columns=list("abcdef"))
    np.testing.assert_array_equal(KMeansSegmenter(3, random_state=0).fit(flags).labels_, auto.labels_)


# --- starts


def test_restarts_count_the_starts_that_reached_the_best():
    easy = KMeansSegmenter(3, random_state=0, n_init=20).fit(BLOBS)
    assert easy.restart_inertias_.shape == (20,)
    assert easy.restart_inertias_.min() == easy.inertia_
    close = easy.restart_inertias_ <= easy.inertia_ * (1 + 1e-5)
    assert easy.restarts_ == close.sum() > 10
    hard = KMeansSegmenter(8, random_state=0, n_init=20).fit(RNG.random((300, 5)))
    assert 1 <= hard.restarts_ < 10
    assert KMeansSegmenter(3, n_init=1, random_state=0).fit(BLOBS).restarts_ == 1


def test_more_starts_contain_the_first_ones_and_are_never_worse():
    X = RNG.random((200, 4))
    few = KMeansSegmenter(6, n_init=3, random_state=5).fit(X)
    many = KMeansSegmenter(6, n_init=9, random_state=5).fit(X)
    np.testing.assert_allclose(many.restart_inertias_[:3], few.restart_inertias_)
    assert many.inertia_ <= few.inertia_


def test_the_same_seed_gives_the_same_segments():
    X = RNG.random((150, 3))
    one, two = (KMeansSegmenter(5, random_state=7, n_init=2).fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.cluster_centers_, two.cluster_centers_)
    state = np.random.RandomState(7)
    first = KMeansSegmenter(5, random_state=state, n_init=2).fit(X)
    np.testing.assert_array_equal(first.labels_, one.labels_)
    second = KMeansSegmenter(5, random_state=state, n_init=2).fit(X)
    assert not np.array_equal(second.restart_inertias_, first.restart_inertias_)


def test_starts_run_to_the_end_so_that_equal_solutions_have_equal_objectives():
    """With scikit-learn's default tolerance a start stops early, a little above the solution that it nears."""
    X = RNG.random((5000, 2))
    model = KMeansSegmenter(6, scale=None, n_init=4, random_state=0).fit(X)
    to_the_end = [KMeans(6, n_init=1, tol=0, random_state=int(seed)).fit(X).inertia_ for seed in seeds(0, 4)]
    early = [KMeans(6, n_init=1, random_state=int(seed)).fit(X).inertia_ for seed in seeds(0, 4)]
    np.testing.assert_allclose(model.restart_inertias_, to_the_end, rtol=1e-12)
    assert max(np.divide(early, to_the_end)) > 1 + 1e-5


def test_max_iter_limits_each_start():
    X = RNG.random((300, 5))
    with pytest.warns(FitDiagnosisWarning, match="stopped after max_iter=1 iterations"):
        assert KMeansSegmenter(8, n_init=1, max_iter=1, random_state=0).fit(X).n_iter_ == 1
    assert KMeansSegmenter(8, n_init=1, random_state=0).fit(X).n_iter_ > 1


def test_a_fitted_segmenter_survives_pickling():
    model = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(BLOBS), model.transform(BLOBS))
    pd.testing.assert_frame_equal(again.scaling_, model.scaling_)


# --- what warns, and what is refused


def test_a_segment_below_one_percent_warns():
    X = np.r_[RNG.normal(0, 1, 500), 1000.0, 1001.0][:, None]
    with pytest.warns(
        SmallSegmentWarning,
        match=r"'segment_2 \(2 customers\)' below 1\.0 % of 502 customers, or one alone: more likely",
    ) as warned:
        model = KMeansSegmenter(2, scale="standard", random_state=0).fit(X)
    assert warned[0].filename == __file__
    assert np.bincount(model.labels_).tolist() == [500, 2]


def test_a_segment_of_exactly_one_percent_does_not_warn():
    X = np.r_[np.zeros(198), 1.0, 1.0][:, None]
    assert np.bincount(KMeansSegmenter(2, random_state=0).fit(X).labels_).tolist() == [198, 2]


def test_one_customer_alone_is_no_group():
    X = np.r_[np.zeros(44), 1.0][:, None]
    with pytest.warns(
        SmallSegmentWarning, match=r"'segment_2 \(1 customer\)' below 1\.0 % of 45 customers, or one alone"
    ):
        KMeansSegmenter(2, random_state=0).fit(X)


def test_fewer_different_customers_than_segments_warn_and_the_empty_ones_stay_visible():
    X = pd.DataFrame({"a": [1.0, 1.0, 5.0, 5.0, 5.0]})
    with pytest.warns(EmptySegmentWarning, match=r"2 segments have no customers .*fewer different .*n_clusters=4"):
        model = KMeansSegmenter(4, random_state=0).fit(X)
    assert model.segments_.tolist() == ["segment_1", "segment_2", "segment_3", "segment_4"]
    assert np.bincount(model.labels_, minlength=4).tolist() == [3, 2, 0, 0]
    table = model.assign(X)
    assert table["segment"].value_counts().to_dict() == {
        **{"segment_1": 3, "segment_2": 2},
        **{"segment_3": 0, "segment_4": 0, "unassigned": 0},
    }
    profile = sg.profile_segments(table)
    assert profile["n_customers"].tolist() == [3, 2, 0, 0]


def test_as_many_segments_as_customers():
    X = np.array([[1.0], [2.0], [4.0]])
    model = KMeansSegmenter(3, random_state=0).fit(X)
    assert sorted(model.labels_) == [0, 1, 2]
    assert model.inertia_ == pytest.approx(0)


def test_one_customer_and_one_segment():
    model = KMeansSegmenter(1).fit(pd.DataFrame({"x": [3.0]}, index=["only"]))
    assert model.assign(pd.DataFrame({"x": [99.0]}, index=["new"]))["membership"].to_dict() == {"new": 1.0}
    assert model.centers_.loc["segment_1", "x"] == 3


def test_fewer_customers_than_segments_are_refused():
    with pytest.raises(
        CustomerTableError, match="fewer customers than segments: n_samples=3 should be >= n_clusters=5"
    ):
        KMeansSegmenter().fit([[1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a positive integer, got 0"),
        ({"n_clusters": 2.0}, r"n_clusters must be a positive integer, got 2\.0"),
        ({"n_clusters": True}, "n_clusters must be a positive integer, got True"),
        ({"n_clusters": "5"}, "got '5'"),
        ({"n_init": 0}, "n_init must be a positive integer"),
        ({"n_init": "auto"}, "n_init must be a positive integer, got 'auto'"),
        ({"max_iter": -1}, "max_iter must be a positive integer"),
        ({"scale": "robust"}, "scale must be 'auto', 'standard' or None, got 'robust'"),
        ({"membership": "soft"}, "membership must be 'fuzzy' or 'hard', got 'soft'"),
    ],
)
def test_wrong_parameters_are_refused_in_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        KMeansSegmenter(**({"n_clusters": 2} | parameters)).fit(BLOBS)


def test_numpy_integers_are_integers():
    assert len(KMeansSegmenter(np.int64(2), n_init=np.int32(2)).fit(BLOBS).segments_) == 2


def test_columns_of_fit_are_required():
    customers = pd.DataFrame(BLOBS, columns=["a", "b"])
    model = KMeansSegmenter(2, random_state=0).fit(customers)
    assert list(model.centers_.columns) == ["a", "b"] == model.scaling_.index.tolist()
    with pytest.raises(ColumnError, match="missing: 'b'"):
        model.predict(customers[["a"]])


# --- real customers


@pytest.fixture(scope="module")
def cdnow():
    return features.rfm_table(datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")


@pytest.mark.parametrize("seed", range(4))
def test_no_segment_of_cdnow_is_below_two_percent(cdnow, seed):
    model = KMeansSegmenter(random_state=seed).fit(cdnow)
    assert len(cdnow) == 2357
    assert np.bincount(model.labels_, minlength=5).min() / len(cdnow) > 0.02
    assert model.scaling_["treatment"].tolist() == ["standard", "log1p", "log1p"]


def test_without_a_logarithm_cdnow_gives_segments_of_a_few_customers(cdnow):
    """Why columns are not just standardised."""
    with pytest.warns(SmallSegmentWarning):
        model = KMeansSegmenter(scale="standard", random_state=0).fit(cdnow)
    assert np.bincount(model.labels_).min() < 0.01 * len(cdnow)


@pytest.fixture(scope="module")
def online_retail(shared_data):
    """Order lines with a customer; the nine days that stand in both sheets taken once."""
    columns = ["Customer ID", "InvoiceDate", "Quantity", "Price", "sheet"]
    lines = pd.read_parquet(shared_data / "online_retail_ii" / "online_retail_ii_rebuilt.parquet", columns=columns)
    once = (lines["sheet"] == "Year 2010-2011") | (lines["InvoiceDate"] < "2010-12-01")
    lines = lines[once & lines["Customer ID"].notna()]
    return lines.assign(amount=lines["Quantity"] * lines["Price"])


@pytest.mark.filterwarnings(f"ignore::{DroppedRowsWarning.__module__}.{DroppedRowsWarning.__name__}")
@pytest.mark.parametrize(("refunds", "treatment"), [("net", "asinh"), ("drop", "log1p")])
def test_no_segment_of_online_retail_is_below_two_percent(online_retail, refunds, treatment):
    customers = features.rfm_table(
        online_retail, customer_id="Customer ID", timestamp="InvoiceDate", amount="amount", refunds=refunds
    )
    assert len(customers) > 5800
    assert (customers["total_spend"].min() < 0) == (refunds == "net")
    for seed in range(3):
        model = KMeansSegmenter(random_state=seed).fit(customers)
        assert model.scaling_.loc["total_spend", "treatment"] == treatment
        assert np.bincount(model.labels_, minlength=5).min() / len(customers) > 0.02


@pytest.mark.parametrize(("n_clusters", "best_known"), [(2, 2145.50), (3, 1818.70), (4, 1602.90), (5, 1434.60)])
def test_binary_survey_answers_reach_the_best_known_sum_of_squares(shared_data, n_clusters, best_known):
    """McDonald's brand image: Dolnicar, Gruen, Leisch (2018), Market Segmentation Analysis; best of 3,000 starts."""
    survey = pd.read_parquet(shared_data / "mcdonalds" / "mcdonalds.parquet").iloc[:, :11] == "Yes"
    assert survey.shape == (1453, 11)
    model = KMeansSegmenter(n_clusters, n_init=50, random_state=0).fit(survey)
    assert set(model.scaling_["treatment"]) == {"binary"}
    assert best_known - 0.01 < model.inertia_ <= best_known * 1.0005
    assert 1 <= model.restarts_ <= 50


def test_a_membership_that_does_not_exist_is_refused_after_fit_too():
    model = KMeansSegmenter(3, random_state=0).fit(BLOBS)
    assert set(np.unique(model.set_params(membership="hard").transform(BLOBS))) == {0.0, 1.0}
    with pytest.raises(ValueError, match="membership must be 'fuzzy' or 'hard', got 'bogus'"):
        model.set_params(membership="bogus").transform(BLOBS)
