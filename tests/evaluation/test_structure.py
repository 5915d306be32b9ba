"""Verdicts on worlds whose truth is known; the parts of the procedure; bad input; pictures."""

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from segmentation.evaluation import StructureDisplay, _structure_pool, structure_verdict
from segmentation.evaluation._latent import _covariance, learn_latent
from segmentation.evaluation._refits import Customers
from segmentation.evaluation._structure_columns import few_levels, point_masses, replace_point_masses, spread_ties
from segmentation.evaluation._structure_dip import Passes, in_order, run_passes
from segmentation.evaluation._structure_pool import Fold, judge_groups
from segmentation.evaluation._structure_split import _border, learn_groups
from segmentation.exceptions import OutOfSampleError
from segmentation.segmenters import ClustererSegmenter, HDBSCANSegmenter, KMeansSegmenter, RuleSegmenter

mpl.use("Agg")


def verdict(X, k=3, **settings):
    settings = {"n_segments": [2, 3], "n_passes": 3, "n_pairs": 2, "random_state": 0} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return structure_verdict(KMeansSegmenter(k, n_init=3), X, **settings)


def groups_of(rng, n=800, apart=8.0, d=3):
    return rng.normal(size=(n, d)) + apart * np.eye(3, d)[rng.choice(3, n)]


@pytest.fixture(scope="module")
def natural():
    return verdict(groups_of(np.random.default_rng(0)))


def test_separated_groups_are_natural(natural):
    assert natural.verdict == "natural"
    assert natural.n_segments == 3
    assert natural.table.loc[3, "n_groups"] == 3
    assert natural.table.loc[3, "p_adjusted"] < 0.001
    assert natural.table.loc[3, "distance"] == pytest.approx(8 * np.sqrt(2), rel=0.1)
    assert len(natural.groups) == 3
    assert natural.groups["n_customers"].sum() == 800
    assert bool(natural.table.loc[3, "reproducible"])


def normal(rng):
    return rng.normal(size=(800, 4))


def correlated(rng):
    return 2 * rng.normal(size=(800, 1)) + rng.normal(size=(800, 4))


def uniform(rng):
    return rng.random((800, 3))


def heavy(rng):
    return rng.standard_t(3, (800, 4))


def ratings(rng):
    return np.clip((3 + rng.normal(size=(800, 1)) + rng.normal(size=(800, 4))).round(), 1, 5)


def ring(rng):
    angle = rng.uniform(-np.pi, np.pi, 800)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(0, 0.15, (800, 2))


def zeros(rng):
    return np.where(rng.random((800, 2)) < 0.4, 0.0, np.exp(4 + 0.5 * rng.normal(size=(800, 2))))


@pytest.mark.parametrize("world", [normal, correlated, uniform, heavy, ratings, ring, zeros])
def test_crowds_without_groups_are_not_natural(world):
    assert verdict(world(np.random.default_rng(0))).verdict != "natural"


def test_without_the_look_at_the_border_a_ring_would_be_two_groups(monkeypatch):
    from segmentation.evaluation import _structure_split

    X = ring(np.random.default_rng(0))
    monkeypatch.setattr(_structure_split, "LONELIER", 0.0)
    monkeypatch.setattr(_structure_pool, "LONELIER", 0.0)
    assert verdict(X).verdict == "natural"


def test_zeros_alone_would_be_natural_and_are_reported():
    found = verdict(zeros(np.random.default_rng(0)), k=2)
    assert found.verdict != "natural"
    assert list(found.point_masses["value"]) == [0.0, 0.0]
    assert (found.table["p_adjusted"] <= 0.05).any()
    assert (found.table["p_without_masses"] > 0.05).all()
    assert "no longer without these values" in " ".join(found.evidence)


def test_groups_are_still_natural_beside_zeros():
    rng = np.random.default_rng(1)
    X = groups_of(rng)
    spend = np.where(rng.random(800) < 0.3, 0.0, np.exp(4 + 0.5 * rng.normal(size=800)))
    found = verdict(np.column_stack([X, spend]))
    assert found.verdict == "natural"
    assert found.table["p_without_masses"].min() < 0.05


def test_elongated_is_reproducible_and_round_is_constructive():
    rng = np.random.default_rng(0)
    long = np.column_stack([6 * rng.normal(size=1000), rng.normal(size=(1000, 2))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmenter = KMeansSegmenter(2, scale=None)
        found = structure_verdict(segmenter, long, n_segments=None, n_pairs=10, random_state=0)
    assert found.verdict == "reproducible"
    assert verdict(rng.normal(size=(1000, 6)), k=3).verdict == "constructive"


def test_small_samples_without_groups_cannot_tell():
    found = verdict(np.random.default_rng(0).normal(size=(200, 3)))
    assert found.verdict == "cannot tell"
    assert "too few" in found.evidence[-1]


def classes(rng):
    answers = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0, 1, 1, 1, 1]])
    return (rng.random((800, 10)) < np.where(answers, 0.92, 0.08)[rng.choice(3, 800)]).astype(float)


def one_factor(rng):
    return (rng.normal(size=(800, 1)) + rng.normal(size=(800, 8)) > rng.normal(0, 0.5, 8)).astype(float)


def test_items_of_two_levels_are_compared_with_a_latent_normal():
    found = verdict(classes(np.random.default_rng(0)))
    assert found.settings["tests"] == ["latent normal"]
    assert found.verdict == "natural"
    assert found.table["p_adjusted"].min() == pytest.approx(0.01)
    assert verdict(one_factor(np.random.default_rng(0))).verdict != "natural"


def test_a_flag_beside_measured_columns_makes_no_groups():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=(800, 2)), 4 * (rng.random(800) < 0.5)])
    found = verdict(X)
    assert found.verdict != "natural"
    assert any("three levels or fewer" in note for note in found.warnings)


def test_segmenters_of_other_kinds():
    rng = np.random.default_rng(0)
    X = groups_of(rng, 500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"n_pairs": 3, "n_passes": 3, "random_state": 0}
        dense = structure_verdict(HDBSCANSegmenter(min_cluster_size=40), X, **settings)
        piped = structure_verdict(make_pipeline(PCA(2), KMeansSegmenter(3, n_init=3)), X, n_segments=[3], **settings)
        table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(name="x")
        rules = RuleSegmenter({"right": "a > 4", "left": "a <= 4"})
        ruled = structure_verdict(rules, table, **settings)
    assert dense.verdict == piped.verdict == ruled.verdict == "natural"
    assert dense.settings["scheme"] == "subsample"
    assert list(ruled.table.index) == [2]
    assert any("'name'" in note for note in ruled.warnings)


def test_equal_seeds_give_equal_results(natural):
    again = verdict(groups_of(np.random.default_rng(0)))
    pd.testing.assert_frame_equal(again.table, natural.table)
    assert again.evidence == natural.evidence


def test_a_sample_of_many_is_said():
    found = verdict(groups_of(np.random.default_rng(0)), max_customers=500, n_segments=None)
    assert found.settings["n_customers"] == 500
    assert any("500 of 800" in note for note in found.warnings)


def test_what_people_read(natural):
    text = str(natural)
    assert text.splitlines()[0].startswith("Verdict on 800 customers (KMeansSegmenter): natural")
    assert "3 (own)" in text
    assert "<table" in natural._repr_html_()
    plain = natural.to_dict()
    assert plain["verdict"] == "natural"
    assert [row["n_segments"] for row in plain["table"]] == [2, 3]
    assert natural.to_pandas().equals(natural.table)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0}, "alpha must be"),
        ({"n_passes": 0}, "n_passes must be"),
        ({"n_pairs": 1}, "n_pairs must be"),
        ({"n_simulations": 20}, "cannot give a p-value"),
        ({"max_customers": 10}, "max_customers must be"),
        ({"n_segments": [1]}, "n_segments must be"),
    ],
)
def test_parameters_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        verdict(np.zeros((50, 2)) + np.arange(50)[:, None], **settings)


def test_segmenters_that_cannot_be_used():
    from sklearn.cluster import AgglomerativeClustering, KMeans

    with pytest.raises(TypeError, match="structure_verdict takes a Segmenter"):
        structure_verdict(KMeans(2), np.zeros((50, 2)))
    with pytest.raises(OutOfSampleError):
        structure_verdict(ClustererSegmenter(AgglomerativeClustering(2)), np.zeros((50, 2)))


# --- parts ---


def test_bivariate_normal_covariance():
    """Of two binary items: P(both) - P(one) P(other)."""
    for a, b, r in [(0.3, -0.5, 0.6), (0.0, 0.0, -0.4), (1.2, 0.7, 0.95)]:
        both = multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([a, b])
        apart = multivariate_normal(0, 1).cdf(a) * multivariate_normal(0, 1).cdf(b)
        assert _covariance(np.array([a]), np.array([b]), r) == pytest.approx(both - apart, abs=1e-5)


def test_latent_normal_recovers_correlations_and_keeps_columns():
    rng = np.random.default_rng(0)
    truth = np.array([[1, 0.7, -0.4], [0.7, 1, 0.1], [-0.4, 0.1, 1]])
    Z = rng.multivariate_normal(np.zeros(3), truth, 6000)
    X = np.column_stack([Z[:, 0] > 0.5, np.digitize(Z[:, 1], [-0.5, 0.8]), np.exp(Z[:, 2])]).astype(float)
    latent = learn_latent(X)
    assert latent.correlation == pytest.approx(truth, abs=0.06)
    drawn = latent.draw(rng)
    assert (np.sort(drawn, axis=0) == np.sort(X, axis=0)).all()
    assert np.corrcoef(drawn, rowvar=False) == pytest.approx(np.corrcoef(X, rowvar=False), abs=0.06)


def test_point_masses_are_found_and_replaced():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "spend": np.where(rng.random(500) < 0.4, 0, rng.lognormal(size=500)),
            "rating": rng.integers(1, 6, 500),
            "orders": 1 + rng.poisson(3, 500),
            "even": rng.normal(size=500),
        }
    )
    masses = point_masses(table)
    assert [(mass.column, mass.value) for mass in masses] == [("spend", 0.0)]
    replaced = replace_point_masses(table, masses, rng)
    assert (replaced["spend"] > 0).all()
    assert set(replaced["spend"]) <= set(table["spend"])
    assert (replaced["orders"] == table["orders"]).all()


def test_ties_are_spread_no_farther_than_half_the_way():
    X = np.random.default_rng(0).choice([1.0, 2.0, 4.0], (300, 1))
    spread = spread_ties(X, np.random.default_rng(1))
    low, high = {1.0: 0.5, 2.0: 1.5, 4.0: 3.0}, {1.0: 1.5, 2.0: 3.0, 4.0: 5.0}
    for level in (1.0, 2.0, 4.0):
        moved = spread[level == X]
        assert low[level] <= moved.min() < moved.max() <= high[level]
    alone = np.linspace(0, 1, 7)[:, None]
    assert (spread_ties(alone, np.random.default_rng(0)) == alone).all()
    assert few_levels(X).tolist() == [True]


def fold_of(X, codes, held_out):
    return Fold(X, codes, held_out, learn_groups(X[~held_out], codes[~held_out], 2))


def test_customers_stand_at_the_mean_of_what_the_passes_say():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) + np.where(np.arange(400)[:, None] < 150, [7, 0], 0)
    codes = (np.arange(400) < 150).astype(int)
    parts = [rng.permutation(400) % 5 for _ in range(2)]
    folds = [fold_of(X, codes, part == number) for part in parts for number in range(5)]
    one, two, both = judge_groups(folds[:5]), judge_groups(folds[5:]), judge_groups(folds)
    assert both.n_groups == 2
    assert both.p_value < 0.001
    means = (one.groups[0].projection + two.groups[0].projection) / 2
    assert both.groups[0].projection == pytest.approx(means)
    assert [len(group.projection) for group in both.groups] == [400, 400]
    by_hand = [fold.ways[1].borders[0].project(X)[fold.held_out] for fold in folds[:5]]
    found = np.concatenate([one.groups[0].projection[fold.held_out] for fold in folds[:5]])
    assert found == pytest.approx(np.concatenate(by_hand))


def test_a_solution_that_went_astray_is_left_out_and_two_of_five_are_not():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) + np.where(np.arange(400)[:, None] < 150, [7, 0], 0)
    codes, wrong = (np.arange(400) < 150).astype(int), (X[:, 1] > 0).astype(int)
    part = np.arange(400) % 5
    good = [fold_of(X, codes, part == number) for number in range(5)]
    bad = [fold_of(X, wrong, part == number) for number in range(5)]
    found = judge_groups([*good[:4], bad[4]])
    assert found.p_value < 0.001
    assert len(found.groups[0].projection) == 320
    none = judge_groups([*good[:3], *bad[3:]])
    assert (none.p_value, none.apartness) == (1, 0)


class Bar:
    n = 0

    def update(self, n=1):
        self.n += n


def test_passes_without_hope_are_not_made():
    def passes(X):
        bar = Bar()
        customers = Customers.of(X)
        seeds = np.random.SeedSequence(0).spawn(4)
        found = run_passes(KMeansSegmenter(2, n_init=2), customers, seeds, needed=0.05, bar=bar)
        assert bar.n == 4
        return found

    rng = np.random.default_rng(0)
    none = passes(rng.normal(size=(500, 2)))
    assert none.n_passes == 2
    assert none.p_value > 0.3
    two = passes(np.concatenate([rng.normal(size=(300, 2)), rng.normal(6, 1, (200, 2))]))
    assert two.n_passes == 4
    assert two.p_value < 0.001


def test_the_border_is_learnt_anew_without_the_edge_of_the_large_group():
    """Segments as k-means makes them: the small one has the edge of the large one on one side of it."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(740, 2)), rng.normal([5, 0], 1, (60, 2))])
    true = np.arange(800) >= 740
    lent = true | (X @ [0.8, 0.6] > 1.5)
    assert 20 < (lent & ~true).sum() < 60
    border = _border(0, 1, X[~lent], X[lent])
    angle = np.degrees(np.arccos(border.weights[0] / np.linalg.norm(border.weights)))
    assert angle < 6
    assert border.project(X[true]).mean() == pytest.approx(1, abs=0.05)
    assert border.window[1] == np.inf
    inside = border.project(X) >= border.window[0]
    assert inside.sum() == pytest.approx(1.55 * 60, rel=0.15)
    assert inside[true].mean() > 0.97


def test_halves_of_a_group_are_taken_together():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 2)), rng.normal([9, 0], 1, (100, 2))])
    codes = np.where(np.arange(300) >= 200, 2, (X[:, 1] > 0).astype(int))
    one, two, three = learn_groups(X, codes, 3)
    assert one.groups == ((0, 1, 2),)
    assert sorted(two.groups) == [(0, 1), (2,)]
    assert sorted(three.groups) == [(0,), (1,), (2,)]
    assert one.apartness == 0
    assert three.apartness < 0.5 < two.apartness
    left, right = two.groups.index((0, 1)), two.groups.index((2,))
    assert two.group_of(np.array([0, 1, 2, -1])).tolist() == [left, left, right, -1]
    assert two.borders[left].project(X[codes < 2]).mean() == pytest.approx(0)
    assert two.borders[left].project(X[codes == 2]).mean() == pytest.approx(1)
    assert two.borders[right].project(X[codes == 2]).mean() == pytest.approx(0)


def test_a_small_group_is_set_against_all_parts_of_a_large_one_and_tested_beside_its_border():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(1150, 2)), rng.normal([6, 0], 1, (100, 2))])
    codes = np.where(np.arange(1250) >= 1150, 4, (X[:, 0] > 0) + 2 * (X[:, 1] > 0))
    two = learn_groups(X, codes, 5)[1]
    assert sorted(two.groups) == [(0, 1, 2, 3), (4,)]
    border = two.borders[two.groups.index((4,))]
    assert two.apartness == border.apartness > 0.7
    inside = (border.project(X) >= border.window[0]) & (border.project(X) <= border.window[1])
    assert inside[1150:].mean() > 0.97
    assert inside[:1150].mean() < 0.2


def test_numbers_are_tested_in_the_order_of_what_was_learnt():
    def passes(p_value, apartness):
        return Passes(_structure_pool.Tested(p_value, 2, apartness))

    adjusted = in_order({2: passes(0.2, 0.5), 3: passes(0.01, 0.9), 4: passes(0.03, 0.3), 5: passes(0.001, 0.7)})
    assert adjusted == {3: 0.01, 5: 0.01, 2: 0.2, 4: 0.2}


def test_a_group_of_eight_percent_is_found():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(800, 3)) + 5.5 / np.sqrt(3) * (np.arange(800)[:, None] < 64)
    found = verdict(X, n_segments=[2, 4])
    assert found.verdict == "natural"
    assert found.groups["n_customers"].min() == pytest.approx(64, abs=12)


# --- pictures ---


def test_picture(natural):
    display = StructureDisplay.from_verdict(natural).plot()
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert len(labels) == 3
    assert all("customers" in label and "p = " in label for label in labels)
    assert "natural" in display.ax_.get_title(loc="left")
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["group", "nearest neighbour"]
    fewer = StructureDisplay.from_verdict(natural).plot(max_groups=2)
    assert "1 better separated" in fewer.ax_.get_title(loc="left")
    mpl.pyplot.close("all")


def test_picture_without_groups():
    ax = verdict(ring(np.random.default_rng(0)), k=2, n_segments=None).plot()
    assert "one group" in ax.texts[0].get_text()
    mpl.pyplot.close("all")
