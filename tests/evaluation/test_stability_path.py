"""Stability of segments across solutions: relabelling, origins, every kind of segmenter, the picture."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline

from segmentation import Segmenter
from segmentation.evaluation._stability_display import SLSADisplay, node_grey, track_order
from segmentation.evaluation._stability_path import find_parameter, stability_path
from segmentation.exceptions import FitError
from segmentation.segmenters import ClustererSegmenter, HDBSCANSegmenter, KMeansSegmenter

mpl.use("Agg")


class Planned(Segmenter):
    """Segments as written in the columns: column k holds the codes of the solution with k segments."""

    def __init__(self, n_segments=2, fail=()):
        self.n_segments = n_segments
        self.fail = fail

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.unassigned = True
        return tags

    def _fit(self, X, y):
        if self.n_segments in self.fail:
            raise RuntimeError("no such solution")
        return [f"s{i}" for i in range(self.n_segments)]

    def _membership(self, X):
        codes = X[:, self.n_segments]
        return (codes[:, None] == np.arange(self.n_segments)[None, :]).astype(float)


@pytest.fixture
def plan() -> np.ndarray:
    """Ten customers: two segments; then one splits and names are turned around; then one is put together anew."""
    columns = {
        2: [0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
        3: [2, 2, 2, 0, 0, 0, 1, 1, 1, 1],  # the first six split in halves
        4: [1, 1, 3, 0, 0, 3, 2, 2, 2, 3],  # 3 takes one of each
    }
    table = np.zeros((10, 5))
    for k, codes in columns.items():
        table[:, k] = codes
    return table


@pytest.fixture(scope="module")
def groups() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(center, 1, (60, 2)) for center in (0, 12, 30)])


class TestPath:
    def test_relabelled_and_traced_by_hand(self, plan):
        path = stability_path(Planned(), plan, [2, 3, 4])
        # customers 0..2 or 3..5 continue segment 1 (a tie), the others are new; 6..9 stay segment 2
        three = path.assignments[3].astype(str)
        assert (three[6:] == "segment_2").all()
        assert {three[0], three[3]} == {"segment_1", "segment_3"}
        assert path.table.loc[3, "slsa"].tolist() == [1, 1, 1]
        four = path.table.loc[4]
        assert four.loc[["segment_1", "segment_2", "segment_3"], "slsa"].tolist() == [1, 1, 1]
        # the fourth comes in equal parts from all three
        assert four.loc["segment_4", "slsa"] == pytest.approx(0)
        assert four["n_customers"].to_dict() == {"segment_1": 2, "segment_2": 3, "segment_3": 2, "segment_4": 3}
        assert path.table.loc[2, "slsa"].isna().all()

    def test_flows_add_up(self, plan):
        path = stability_path(Planned(), plan, [2, 3, 4])
        for k in (3, 4):
            flows = path.flows[path.flows["n_segments"] == k]
            assert flows["n_customers"].sum() == 10
            assert flows["share"].sum() == pytest.approx(1)
            by_segment = flows.groupby("segment")[["n_customers", "share_of_segment"]].sum()
            assert by_segment["share_of_segment"].tolist() == pytest.approx([1] * k)
            assert by_segment["n_customers"].to_dict() == path.table.loc[k, "n_customers"].to_dict()
        row = path.flows.query("n_segments == 4 and segment == 'segment_4' and origin == 'segment_2'").iloc[0]
        assert (row["n_customers"], row["share_of_segment"]) == (1, pytest.approx(1 / 3))

    def test_one_segment_before_is_certain(self, plan):
        path = stability_path(Planned(), np.column_stack([plan[:, 0] * 0, np.zeros(10), plan[:, 2:]]), [1, 2])
        assert path.table.loc[2, "slsa"].tolist() == [1, 1]

    def test_unassigned_are_an_origin(self, plan):
        plan[[0, 6], 2] = -1
        path = stability_path(Planned(), plan, [2, 3])
        assert path.solutions.loc[2, "share_unassigned"] == pytest.approx(0.2)
        slsa = path.table.loc[3, "slsa"]
        # a quarter of the old segment 2 was nowhere before; three groups to come from
        entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
        assert slsa["segment_2"] == pytest.approx(1 - entropy / np.log(3))
        assert "unassigned" in path.flows["origin"].tolist()
        assert path.assignments[2].iloc[0] == "unassigned"

    def test_separated_groups_stay_and_are_split(self, groups):
        path = stability_path(KMeansSegmenter(n_init=5), groups, [3, 4, 5], random_state=0)
        assert (path.table.loc[4, "slsa"] == 1).all()
        assert sorted(path.table.loc[3, "n_customers"]) == [60, 60, 60]
        assert path.table.loc[4, "main_origin"].notna().all()
        assert "3 segments go through" not in str(path).splitlines()[0]
        assert "SLSA of at least .75" in str(path)

    def test_figures_of_solutions(self, groups):
        path = stability_path(KMeansSegmenter(n_init=3), groups, [2, 3], random_state=0)
        first, second = (path.assignments[k].astype(str) for k in (2, 3))
        assert path.solutions.loc[3, "ari_previous"] == pytest.approx(adjusted_rand_score(first, second))
        assert np.isnan(path.solutions.loc[2, "ari_previous"])
        assert path.solutions["smallest"].tolist() == [60, 60]

    def test_a_solution_does_not_depend_on_the_others_asked_for(self, groups):
        noise = np.random.default_rng(3).normal(size=(200, 3))
        alone = stability_path(KMeansSegmenter(n_init=1), noise, [5], random_state=0)
        among = stability_path(KMeansSegmenter(n_init=1), noise, [3, 5], random_state=0)
        assert adjusted_rand_score(alone.assignments[5].astype(str), among.assignments[5].astype(str)) == 1
        again = stability_path(KMeansSegmenter(n_init=1), noise, [5, 3, 3], random_state=0)
        pd.testing.assert_frame_equal(again.table, among.table)


class TestEverySegmenter:
    @pytest.mark.parametrize(
        ("model", "parameter"),
        [
            (KMeansSegmenter(), "n_clusters"),
            (ClustererSegmenter(AgglomerativeClustering()), "clusterer__n_clusters"),
            (ClustererSegmenter(GaussianMixture()), "clusterer__n_components"),
            (make_pipeline(PCA(2), KMeansSegmenter(scale=None)), "kmeanssegmenter__n_clusters"),
            (ClustererSegmenter(make_pipeline(PCA(2), KMeans())), "clusterer__kmeans__n_clusters"),
        ],
    )
    def test_the_parameter_is_found(self, groups, model, parameter):
        path = stability_path(model, groups, [3, 4], random_state=0)
        assert path.settings["parameter"] == parameter
        assert sorted(path.table.loc[3, "n_customers"]) == [60, 60, 60]
        assert path.table.loc[4, "slsa"].min() > 0.8

    def test_the_parameter_is_not_guessed(self, groups):
        with pytest.raises(ValueError, match="no parameter for the number of segments"):
            stability_path(HDBSCANSegmenter(), groups)
        two = ClustererSegmenter(make_pipeline(PCA(2), GaussianMixture()))
        with pytest.raises(ValueError, match=r"several .*clusterer__gaussianmixture__n_components"):
            find_parameter(two)
        path = stability_path(two, groups, [2, 3], parameter="clusterer__gaussianmixture__n_components", random_state=0)
        assert list(path.solutions["n_found"]) == [2, 3]
        with pytest.raises(ValueError, match="parameter must be one of"):
            stability_path(KMeansSegmenter(), groups, parameter="k")

    def test_another_parameter_that_drives_the_number(self, groups):
        path = stability_path(HDBSCANSegmenter(), groups, [10, 30], parameter="min_cluster_size")
        assert "10 segments were asked for and 3 found." in path.warnings

    def test_failed_solutions_are_named(self, plan):
        path = stability_path(Planned(fail=(3,)), plan, [2, 3, 4])
        assert list(path.solutions.index) == [2, 4]
        assert any("3 segments: the fit failed" in note and "no such solution" in note for note in path.warnings)
        assert path.flows["previous_n_segments"].unique().tolist() == [2]
        with pytest.raises(FitError, match="no such solution"):
            stability_path(Planned(fail=(3,)), plan, [3])

    @pytest.mark.parametrize("wrong", [[], [0, 2], [2.5], [True]])
    def test_bad_numbers(self, groups, wrong):
        with pytest.raises(ValueError, match="n_segments must be whole numbers"):
            stability_path(KMeansSegmenter(), groups, wrong)


class TestDisplay:
    def test_content(self, plan):
        path = stability_path(Planned(), plan, [2, 3, 4])
        display = SLSADisplay.from_path(path).plot()
        labels = [text.get_text() for text in display.ax_.texts]
        assert labels == ["1", "2", "1", "2", "3", "1", "2", "3", "4"]
        assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["2", "3", "4"]
        assert len(display.ax_.lines) == len(path.flows)
        widths = sorted(line.get_linewidth() for line in display.ax_.lines)
        assert widths[-1] == pytest.approx(0.4 + 26 * path.flows["share"].max())
        nodes = [c for c in display.ax_.collections if len(c.get_offsets())]
        assert len(nodes) == 9
        # segment 4 is mixed, so its node is the lightest of those with a value
        assert nodes[-1].get_facecolor()[0][0] == pytest.approx(node_grey(0.0), abs=0.01)
        mpl.pyplot.close("all")

    def test_a_split_stands_below_where_it_came_from(self):
        nodes = pd.DataFrame(
            {
                "n_segments": [2, 2, 3, 3, 3],
                "segment": ["segment_1", "segment_2", "segment_1", "segment_2", "segment_3"],
                "track": [1, 2, 1, 2, 3],
            }
        )
        flows = pd.DataFrame(
            [
                (3, "segment_1", "segment_1", 0.4),
                (3, "segment_3", "segment_1", 0.2),
                (3, "segment_2", "segment_2", 0.4),
            ],
            columns=["n_segments", "segment", "origin", "share"],
        )
        assert track_order(nodes, flows) == [1, 3, 2]

    def test_html_and_plain(self, plan):
        path = stability_path(Planned(), plan, [2, 3])
        assert "<table" in path._repr_html_()
        assert path.to_dict()["solutions"][0]["n_segments"] == 2
        assert path.plot().get_xlabel() == "number of segments"
        mpl.pyplot.close("all")
