"""Robustness of assignments: planted changes are recovered, per customer and per segment."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

import segmentation as sg
from segmentation import Segmenter
from segmentation.evaluation._robustness import assignment_robustness
from segmentation.evaluation._robustness_changes import impute_some, measure_again
from segmentation.exceptions import CustomerTableError, FitError, OutOfSampleError
from segmentation.segmenters import ClustererSegmenter, KMeansSegmenter, RuleSegmenter

mpl.use("Agg")

RULES = {"low": "x < 50", "high": "x >= 50"}


@pytest.fixture
def customers() -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(100.0), "other": "a"}, index=pd.Index(range(1000, 1100), name="customer_id"))


@pytest.fixture(scope="module")
def groups() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(center, 1, (100, 2)) for center in (0, 15)])
    return pd.DataFrame(values, columns=["a", "b"], index=pd.Index(range(200), name="customer_id"))


def plant(share):
    """Move exactly this share of the customers, drawn at random, to the other side."""

    def moved(X, rng):
        chosen = rng.choice(len(X), round(share * len(X)), replace=False)
        X.iloc[chosen, 0] = 99 - X.iloc[chosen, 0]
        return X

    return moved


class TestPlanted:
    @pytest.mark.parametrize("share", [0.0, 0.07, 0.5, 1.0])
    def test_a_planted_share_is_recovered(self, customers, share):
        report = assignment_robustness(RuleSegmenter(RULES), customers, {"moved": plant(share)}, random_state=0)
        row = report.table.loc["moved"]
        assert [row["changed_share"], row["changed_share_low"], row["changed_share_high"]] == pytest.approx([share] * 3)
        assert row["n_changed"] == pytest.approx(100 * share)
        assert report.customers["moved"].mean() == pytest.approx(share)
        sizes, shares = report.segments["n_customers"], report.segments["changed_share"]
        assert (sizes * shares).sum() == pytest.approx(100 * share)
        assert report.customers["confidence"].mean() == pytest.approx(1 - share)

    def test_planted_customers_are_named(self, customers):
        gone = customers.index[:8]
        report = assignment_robustness(
            RuleSegmenter(RULES), customers, {"late": customers.assign(x=customers["x"].where(customers["x"] >= 8, 70))}
        )
        assert report.customers.index[report.customers["late"] == 1].tolist() == gone.tolist()
        row = report.segments.loc[("late", "low")]
        assert (row["changed_share"], row["moved_to"], row["moved_to_share"]) == (0.16, "high", 1)
        assert report.table.loc["late", "n_repeats"] == 1  # nothing in it is random
        assert np.isnan(report.table.loc["late", "changed_share_low"])

    def test_planted_shares_with_refits(self, groups):
        def moved(X, rng):
            chosen = rng.choice(100, 10, replace=False)
            X.iloc[chosen] += 15  # ten of the first group join the second
            return X

        report = assignment_robustness(
            KMeansSegmenter(2, n_init=3), groups, {"moved": moved}, refit=True, n_repeats=5, random_state=0
        )
        assert report.table.loc["moved", "changed_share"] == pytest.approx(10 / 200)
        assert report.table.loc["refit alone", "changed_share"] == 0
        # sizes change, so k-means orders its segments anew; pairing undoes that
        assert report.segments.loc["moved", "changed_share"].sort_values().tolist() == pytest.approx([0, 0.1])

    def test_intervals_cover_repeats(self, customers):
        def sometimes(X, rng):
            return plant(rng.uniform(0, 0.2))(X, rng)

        report = assignment_robustness(
            RuleSegmenter(RULES), customers, sometimes, n_repeats=200, level=0.8, random_state=0
        )
        row = report.table.loc["sometimes"]
        assert row["changed_share_low"] == pytest.approx(0.02, abs=0.015)
        assert row["changed_share_high"] == pytest.approx(0.18, abs=0.015)
        assert row["ever_changed_share"] == 1

    def test_becoming_unassigned_is_a_change(self, customers):
        late = customers.assign(x=customers["x"].mask(customers["x"] < 25))
        report = assignment_robustness(RuleSegmenter(RULES), customers, {"late": late})
        assert report.table.loc["late", "to_unassigned_share"] == report.table.loc["late", "changed_share"] == 0.25
        assert report.segments.loc[("late", "low"), "moved_to"] == "unassigned"


class TestTables:
    def test_absent_and_new_customers_are_counted(self, customers):
        late = customers.iloc[10:].copy()
        late.loc[5000] = [1.0, "b"]
        report = assignment_robustness(RuleSegmenter(RULES), customers, {"late": late.sample(frac=1, random_state=0)})
        assert report.table.loc["late", "n_compared"] == 90
        assert report.table.loc["late", "changed_share"] == 0
        assert any("10 of 100 customers" in note and "1 there" in note for note in report.warnings)
        assert report.customers["late"].isna().sum() == 10
        assert report.customers["confidence"].isna().sum() == 10

    def test_removed_duplicates_with_refits(self, groups):
        twice = pd.concat([groups, groups.iloc[:100].set_axis(range(200, 300), axis=0)]).rename_axis("customer_id")
        report = assignment_robustness(
            KMeansSegmenter(2, n_init=3), twice, {"without duplicates": groups}, refit=True, n_repeats=3, random_state=0
        )
        assert report.table.loc["without duplicates", "changed_share"] == 0
        assert report.table.loc["without duplicates", "n_compared"] == 200

    def test_other_frames_and_shared_ids(self, customers):
        table = pl.from_pandas(customers.reset_index())
        report = assignment_robustness(RuleSegmenter(RULES), table, {"late": table.with_columns(x=pl.col("x") + 10)})
        assert report.table.loc["late", "changed_share"] == 0.1
        with pytest.raises(CustomerTableError, match="shares no customer with X"):
            assignment_robustness(RuleSegmenter(RULES), customers, {"late": customers.set_axis(range(100), axis=0)})

    def test_arrays(self, groups):
        values = groups.to_numpy()
        model = KMeansSegmenter(2, n_init=2, random_state=0).fit(values)
        given = []

        def swap(X, rng):
            given.append(type(X))
            return X[::-1]

        report = assignment_robustness(model, values, {"swap": swap, "late": values + 0.1}, n_repeats=2)
        assert given == [np.ndarray] * 2
        assert report.table["changed_share"].to_dict() == {"swap": 1.0, "late": 0.0}
        with pytest.raises(CustomerTableError, match="must keep the 200 rows"):
            assignment_robustness(model, values, lambda X, rng: X[1:])


class TestBuiltIn:
    def test_imputation_takes_the_rate_and_fills_with_the_median(self):
        rng = np.random.default_rng(0)
        table = pd.DataFrame({"n": rng.normal(size=4000), "count": rng.integers(0, 9, 4000), "word": ["a", "b"] * 2000})
        table.loc[0, "n"] = np.nan
        result = impute_some(table, np.random.default_rng(1), 0.2, "median", None)
        changed = (result["n"] != table["n"]) & table["n"].notna()
        assert changed.mean() == pytest.approx(0.2, abs=0.03)
        assert len(set(result.loc[changed, "n"])) == 1
        assert result.loc[changed, "n"].iloc[0] == pytest.approx(table.loc[~changed, "n"].median(), abs=1e-9)
        assert result.dtypes.equals(table.dtypes)
        assert set(result["word"]) == {"a", "b"}
        assert result["word"].value_counts().iloc[0] > 2200  # the more frequent one fills
        pd.testing.assert_frame_equal(impute_some(table, rng, 0.0, "median", None), table)

    def test_imputers(self, groups):
        model = make_pipeline(SimpleImputer(), KMeansSegmenter(2, n_init=2, random_state=0)).fit(groups)
        for imputer in ("none", SimpleImputer(strategy="most_frequent")):
            report = assignment_robustness(
                model, groups, {"imputation": 0.3}, imputer=imputer, n_repeats=3, random_state=0
            )
            assert 0 < report.table.loc["imputation", "changed_share"] < 0.5
        bare = KMeansSegmenter(2, n_init=2, random_state=0).fit(groups)
        with pytest.raises(FitError, match="contains NaN"):
            assignment_robustness(bare, groups, "imputation", imputer="none")

    def test_noise_has_the_sd_asked_for_and_keeps_the_kind(self):
        rng = np.random.default_rng(0)
        table = pd.DataFrame(
            {
                "n": rng.normal(5, 3, 20000),
                "count": rng.integers(0, 1000, 20000),
                "flag": rng.integers(0, 2, 20000).astype(float),
                "yes": rng.random(20000) < 0.5,
                "word": pd.Categorical(rng.choice(["a", "b", "c"], 20000)),
                "gap": np.where(rng.random(20000) < 0.5, np.nan, 1.0) * rng.normal(size=20000),
            }
        )
        result = measure_again(table, np.random.default_rng(1), 0.1, None)
        assert (result["n"] - table["n"]).std() == pytest.approx(0.3, rel=0.05)
        assert result["count"].between(0, 999).all()
        assert result.dtypes.equals(table.dtypes)
        assert set(result["flag"]) == {0.0, 1.0}
        # a tenth is drawn anew, half of those get the other answer; of three words two thirds
        assert (result["flag"] != table["flag"]).mean() == pytest.approx(0.05, abs=0.01)
        assert (result["word"] != table["word"]).mean() == pytest.approx(0.1 * 2 / 3, abs=0.01)
        assert result["gap"].isna().equals(table["gap"].isna())

    def test_more_noise_changes_more_and_first_those_near_the_border(self, customers):
        small, large = (
            assignment_robustness(RuleSegmenter(RULES), customers, {"noise": level}, n_repeats=100, random_state=0)
            for level in (0.05, 0.4)
        )
        assert small.table.loc["noise", "changed_share"] < large.table.loc["noise", "changed_share"] / 3
        near = (customers["x"] - 49.5).abs() < 3
        assert small.customers.loc[near, "confidence"].mean() < 0.9
        assert small.customers.loc[~near, "confidence"].mean() > 0.99
        # x = 49 and noise of sd .05 * 28.87 = 1.44, rounded to whole numbers: P(noise >= .5) = .364
        assert small.customers.loc[1049, "noise"] == pytest.approx(0.364, abs=0.13)

    def test_only_columns_that_are_used(self, customers):
        report = assignment_robustness(
            RuleSegmenter(RULES), customers.assign(y=np.nan), {"noise": 0.3}, columns=["other"], random_state=0
        )
        assert report.table.loc["noise", "changed_share"] == 0
        with pytest.raises(ValueError, match="columns 'z' are not in X"):
            assignment_robustness(RuleSegmenter(RULES), customers, columns=["z"])


class TestHow:
    def test_seeds(self, groups):
        model = KMeansSegmenter(3, n_init=1, random_state=0).fit(groups)
        one, two, other = (assignment_robustness(model, groups, n_repeats=3, random_state=s) for s in (1, 1, 2))
        pd.testing.assert_frame_equal(one.customers, two.customers)
        assert not one.customers.equals(other.customers)

    def test_the_segmenter_is_left_alone(self, groups):
        model = KMeansSegmenter(2, n_init=2)
        assignment_robustness(model, groups, "noise", refit=True, n_repeats=2, random_state=0)
        assert not hasattr(model, "labels_")
        before = groups.copy()
        assignment_robustness(model, groups, plant(0.5), n_repeats=2, random_state=0)
        pd.testing.assert_frame_equal(groups, before)

    def test_who_cannot_predict(self, groups):
        model = ClustererSegmenter(AgglomerativeClustering(2))
        with pytest.raises(OutOfSampleError, match="refit=True"):
            assignment_robustness(model, groups)
        report = assignment_robustness(model, groups, "noise", refit=True, n_repeats=2, random_state=0)
        assert report.table["changed_share"].tolist() == [0.0]  # nothing random in it, so no "refit alone"
        fitted = assignment_robustness(model.fit(groups), groups, "noise", refit=True, n_repeats=2, random_state=0)
        assert fitted.table["changed_share"].tolist() == [0.0]

    def test_refits_with_another_number_of_segments(self, groups):
        class Growing(Segmenter):
            def _fit(self, X, y):
                self.cuts_ = [7.5, 16] if X.max() > 100 else [7.5]
                return [f"s{i}" for i in range(len(self.cuts_) + 1)]

            def _membership(self, X):
                return np.eye(len(self.cuts_) + 1)[np.digitize(X[:, 0], self.cuts_)]

        late = groups.copy()
        late.iloc[-1] = 200
        report = assignment_robustness(Growing(), groups, {"late": late}, refit=True)
        n_new = int((groups.iloc[:-1]["a"] >= 16).sum()) + 1
        assert report.table.loc["late", "n_changed"] == pytest.approx(min(n_new, 100 - n_new))
        assert report.segments.loc[("late", "s1"), "moved_to"] == "a new segment"

    def test_failures_are_counted(self, groups):
        class Picky(Segmenter):
            def _fit(self, X, y):
                return ["all"]

            def _membership(self, X):
                if X[0, 0] > 99:
                    raise RuntimeError("too large")
                return np.ones((len(X), 1))

        def sometimes(X, rng):
            X.iloc[0, 0] = 100 if rng.random() < 0.5 else 0
            return X

        report = assignment_robustness(Picky(), groups, sometimes, n_repeats=20, random_state=0)
        assert 3 <= 20 - report.table.loc["sometimes", "n_repeats"] <= 17
        assert any("of 20 repeats failed" in note and "too large" in note for note in report.warnings)
        with pytest.raises(FitError, match="too large"):
            assignment_robustness(Picky(), groups, lambda X, rng: X + 1000)

    @pytest.mark.parametrize(
        ("given", "error", "message"),
        [
            ("dust", ValueError, "must be one of 'imputation', 'noise'"),
            ([], ValueError, "empty"),
            ({"imputation": 1.5}, ValueError, "from 0 to 1"),
            ({"noise": -1}, ValueError, "at least 0"),
            ({"dust": 0.1}, ValueError, "levels belong to"),
            ([3], TypeError, "a name or a function"),
            (3, TypeError, "perturbations must be"),
            (["noise", "noise"], ValueError, "different names"),
            (pd.DataFrame({"a": [1]}), TypeError, "a second table needs a name"),
        ],
    )
    def test_bad_perturbations(self, groups, given, error, message):
        with pytest.raises(error, match=message):
            assignment_robustness(KMeansSegmenter(2, random_state=0), groups, given)

    @pytest.mark.parametrize(
        ("given", "message"),
        [({"n_repeats": 0}, "n_repeats"), ({"level": 1}, "level"), ({"imputer": "mean"}, "imputer must be")],
    )
    def test_bad_parameters(self, groups, given, message):
        with pytest.raises(ValueError, match=message):
            assignment_robustness(KMeansSegmenter(2, random_state=0), groups, **given)


class TestReport:
    def test_what_a_person_reads(self, customers):
        report = assignment_robustness(RuleSegmenter(RULES), customers, {"moved": plant(0.07)}, random_state=0)
        text = str(report)
        assert text.startswith("Robustness of 100 assignments (RuleSegmenter; segments as they are defined)")
        assert "moved: 7.0 % (7.0 % to 7.0 % over repeats) of the customers change segment, most of all in" in text
        assert report.to_dict()["table"][0]["perturbation"] == "moved"
        assert "<table" in report._repr_html_()
        assert report.settings["refit"] is False

    def test_picture(self, groups):
        model = KMeansSegmenter(3, n_init=1, random_state=0).fit(groups)
        report = assignment_robustness(model, groups, n_repeats=3, random_state=0)
        ax = report.plot()
        names = [label.get_text() for label in ax.get_yticklabels()]
        sizes = sg.assign(model, groups)["segment"].value_counts(sort=False)
        assert names == [f"segment_{i} ({sizes[f'segment_{i}']})" for i in (1, 2, 3)]
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["imputation", "noise"]
        mpl.pyplot.close("all")
