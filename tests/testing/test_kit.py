"""Every deliberately broken plug-in is caught by the check meant for it, and by no other check of the kit."""

import numpy as np
import pandas as pd
import pytest

from segmentation import Prioritizer, Scorer, Segmenter
from segmentation.prioritizers import Criterion, ValuePrioritizer, WeightedPrioritizer
from segmentation.segmenters import KMeansSegmenter
from segmentation.testing import (
    check_prioritizer,
    check_scorer,
    check_segmenter,
    list_checks,
    make_customers,
    make_profile,
    parametrize_with_checks,
)


class Halves(Segmenter):
    """A correct segmenter, which each broken one below breaks in one way."""

    def __init__(self, column=0, random_state=None):
        self.column = column
        self.random_state = random_state

    def _fit(self, X, y):
        self.cut_ = np.median(X[:, self.column])
        return ["low", "high"]

    def _membership(self, X):
        high = X[:, self.column] > self.cut_
        return np.column_stack([~high, high]).astype(float)


class NotCloneable(Halves):
    def __init__(self, column=0, random_state=None):
        super().__init__(column + 1, random_state)


class WrongTag(Halves):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.membership = "firm"
        return tags


class OverriddenPredict(Halves):
    def predict(self, X):
        return super().predict(X)


class WrongIndex(Halves):
    def assign(self, X):
        return super().assign(X).reset_index(drop=True)


def all_in_the_first(X):
    return np.zeros(len(X), dtype=np.int64)


class HiddenOnInstance(Halves):
    def __init__(self, column=0, random_state=None):
        super().__init__(column, random_state)
        self.predict = all_in_the_first


class FitDies(Halves):
    def _fit(self, X, y):
        raise RuntimeError("no")


class TwiceTheSameName(Halves):
    def _fit(self, X, y):
        super()._fit(X, y)
        return ["half", "half"]


class ReservedName(Halves):
    def _fit(self, X, y):
        super()._fit(X, y)
        return ["low", "unassigned"]


class LosesCustomers(Halves):
    def _membership(self, X):
        return super()._membership(X)[1:]


class LosesCustomersInCodes(Halves):
    def _codes(self, X, membership):
        return super()._codes(X, membership)[1:]


class MembershipAboveOne(Halves):
    def _membership(self, X):
        return 1.5 * super()._membership(X)


class MembershipMissing(Halves):
    def _membership(self, X):
        return np.where(super()._membership(X) > 0, np.nan, 0.0)


class MembershipTooWide(Halves):
    def _membership(self, X):
        return np.column_stack([super()._membership(X), np.zeros(len(X))])


class SoftUnderHardTag(Halves):
    def _membership(self, X):
        return 0.2 + 0.6 * super()._membership(X)


class SumsAboveOne(Halves):
    def _membership(self, X):
        return np.ones((len(X), 2))


class CodeOutOfRange(Halves):
    def _codes(self, X, membership):
        return super()._codes(X, membership) + 1


class CodesAreFloats(Halves):
    def _codes(self, X, membership):
        return super()._codes(X, membership).astype(float)


class SecretlyUnassigned(Halves):
    def _membership(self, X):
        return np.where(X[:, :1] > 404, 0.0, super()._membership(X))


class MutatesInFit(Halves):
    def _fit(self, X, y):
        X -= X.mean(axis=0)
        return super()._fit(X, y)


class MutatesInPredict(Halves):
    def _membership(self, X):
        result = super()._membership(X)
        X[:, 0] = 0.0
        return result


class UnstableCodes(Halves):
    """Segments come in an order that chance decides, seed or not."""

    def _fit(self, X, y):
        super()._fit(X, y)
        self.flip_ = np.random.default_rng().integers(2**62)  # a new one at each fit
        return ["low", "high"]

    def _membership(self, X):
        rng = np.random.default_rng(self.flip_)
        degree = rng.random()
        return super()._membership(X) * degree

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.membership = "soft"
        return tags


class RandomPredict(Halves):
    def _membership(self, X):
        high = np.random.default_rng().random(len(X)) < 0.5
        return np.column_stack([~high, high]).astype(float)


class SortsCustomers(Halves):
    """Results come back in another order than the customers: each is given to somebody else."""

    def _membership(self, X):
        return super()._membership(X[np.argsort(X[:, self.column])])


class LooksAtTheOthers(Halves):
    def _membership(self, X):
        high = X[:, self.column] > X[:, self.column].mean()
        return np.column_stack([~high, high]).astype(float)


class LabelsFromElsewhere(Halves):
    def _fit_membership(self, X):
        return super()._fit_membership(X)[:, ::-1]


class KeepsTheFirstFit(Halves):
    def _fit(self, X, y):
        if not hasattr(self, "cut_"):
            super()._fit(X, y)
        return ["low", "high"]


class CannotBePickled(Halves):
    def _fit(self, X, y):
        self.function_ = lambda x: x
        return super()._fit(X, y)


class DiesOnOneCustomer(Halves):
    def _fit(self, X, y):
        if len(X) < 2:
            raise RuntimeError("cannot")
        return super()._fit(X, y)


class ByRegion(Segmenter):
    """A correct segmenter of tables."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self):
        return ["region"]

    def _fit(self, X, y):
        self.regions_ = sorted(X["region"].unique())
        return self.regions_

    def _membership(self, X):
        return np.column_stack([X["region"] == region for region in self.regions_]).astype(float)


class NeedsAllColumns(ByRegion):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _required_columns(self):
        return None


BROKEN_SEGMENTERS = [
    (NotCloneable(), "check_interface"),
    (WrongTag(), "check_interface"),
    (OverriddenPredict(), "check_final_methods"),
    (WrongIndex(), "check_final_methods"),
    (HiddenOnInstance(), "check_final_methods"),
    (FitDies(), "check_fit_runs"),
    (TwiceTheSameName(), "check_names"),
    (ReservedName(), "check_names"),
    (LosesCustomers(), "check_customers_kept"),
    (LosesCustomersInCodes(), "check_customers_kept"),
    (MembershipAboveOne(), "check_membership"),
    (MembershipMissing(), "check_membership"),
    (MembershipTooWide(), "check_membership"),
    (SoftUnderHardTag(), "check_membership"),
    (SumsAboveOne(), "check_membership"),
    (CodeOutOfRange(), "check_codes"),
    (CodesAreFloats(), "check_codes"),
    (SecretlyUnassigned(), "check_codes"),
    (MutatesInFit(), "check_input_unchanged"),
    (MutatesInPredict(), "check_input_unchanged"),
    (UnstableCodes(), "check_same_twice"),
    (RandomPredict(), "check_same_twice"),
    (SortsCustomers(), "check_customer_alone"),
    (LooksAtTheOthers(), "check_customer_alone"),
    (LabelsFromElsewhere(), "check_labels"),
    (KeepsTheFirstFit(), "check_refit"),
    (CannotBePickled(), "check_pickle"),
    (DiesOnOneCustomer(), "check_one_customer"),
    (NeedsAllColumns(), "check_columns"),
]


class Total(Scorer):
    """A correct scorer."""

    def _fit(self, X, y):
        return ["total", "largest"]

    def _scores(self, X):
        return np.column_stack([X.sum(axis=1), X.max(axis=1)])


class Noisy(Total):
    """A correct scorer with draws."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.draws = True
        return tags

    def _sample(self, X, n_draws, rng):
        return X.sum(axis=1) + rng.normal(size=(n_draws, 1))


class OverriddenTransform(Total):
    def transform(self, X):
        return super().transform(X)


class AttributeInInit(Total):
    def __init__(self, weight=1.0):
        self.weight = weight
        self.surprise = 3


class NoNames(Total):
    def _fit(self, X, y):
        return []

    def _scores(self, X):
        return np.zeros((len(X), 0))


class ForgetsScores(Total):
    def _scores(self, X):
        return super()._scores(X)[:-1]


class InfiniteScore(Total):
    def _scores(self, X):
        return super()._scores(X) / 0.0


class NotAProbability(Total):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "probability"
        return tags


class RanksWithinTheTable(Total):
    def _scores(self, X):
        scores = super()._scores(X)
        return scores - scores.mean(axis=0)


class RandomScore(Total):
    def _scores(self, X):
        return np.random.default_rng().random((len(X), 2))


class MutatesScores(Total):
    def _scores(self, X):
        X *= 2
        return super()._scores(X)


class DrawsIgnoreTheSeed(Noisy):
    def _sample(self, X, n_draws, rng):
        return super()._sample(X, n_draws, np.random.default_rng())


class DrawsWithoutSpread(Noisy):
    def _sample(self, X, n_draws, rng):
        return np.repeat(X.sum(axis=1)[None, :], n_draws, axis=0)


BROKEN_SCORERS = [
    (OverriddenTransform(), "check_final_methods"),
    (NoNames(), "check_names"),
    (ForgetsScores(), "check_customers_kept"),
    (InfiniteScore(), "check_scores"),
    (NotAProbability(), "check_scores"),
    (RanksWithinTheTable(), "check_customer_alone"),
    (RandomScore(), "check_same_twice"),
    (MutatesScores(), "check_input_unchanged"),
    (DrawsIgnoreTheSeed(), "check_draws"),
    (DrawsWithoutSpread(), "check_draws"),
]


class LargestFirst(Prioritizer):
    """A correct prioritizer."""

    def _priority_scores(self, profile):
        return profile["n_customers"].to_numpy(float)


class OverriddenPrioritize(LargestFirst):
    def prioritize(self, profile, *, overrides=None):
        return super().prioritize(profile)


class LosesSegments(LargestFirst):
    def _priority_scores(self, profile):
        return super()._priority_scores(profile)[:-1]


class ExcludesStrangers(LargestFirst):
    def _exclusions(self, profile):
        return {"nobody": "unknown"}


class ExcludesSilently(LargestFirst):
    def _exclusions(self, profile):
        return {"steady": ""}


class SaysNothing(LargestFirst):
    def _reasons(self, profile, scores):
        return [""] * len(scores)


class FirstComesFirst(LargestFirst):
    def _priority_scores(self, profile):
        return -np.arange(len(profile), dtype=float)


class RandomOrder(LargestFirst):
    def _priority_scores(self, profile):
        return np.random.default_rng().random(len(profile))


class MutatesProfile(LargestFirst):
    def _priority_scores(self, profile):
        profile["age"] = 0.0
        return super()._priority_scores(profile)


class InfinitePriority(LargestFirst):
    def _priority_scores(self, profile):
        return super()._priority_scores(profile) * np.inf


BROKEN_PRIORITIZERS = [
    (OverriddenPrioritize(), "check_final_methods"),
    (LosesSegments(), "check_scores"),
    (InfinitePriority(), "check_scores"),
    (ExcludesStrangers(), "check_exclusions"),
    (ExcludesSilently(), "check_exclusions"),
    (SaysNothing(), "check_reasons"),
    (MutatesProfile(), "check_input_unchanged"),
    (RandomOrder(), "check_same_twice"),
    (FirstComesFirst(), "check_row_order"),
]


def failed(results):
    return [result.check for result in results if result.status == "failed"]


def name_of(value):
    return type(value).__name__ if not isinstance(value, str) else value


@pytest.mark.parametrize(("plugin", "meant"), BROKEN_SEGMENTERS, ids=name_of)
def test_broken_segmenters(plugin, meant):
    with np.errstate(all="ignore"):
        assert failed(check_segmenter(plugin, on_fail="list", sklearn_checks=False)) == [meant]
        with pytest.raises(AssertionError, match=meant):
            check_segmenter(plugin, sklearn_checks=False)


@pytest.mark.parametrize(("plugin", "meant"), BROKEN_SCORERS, ids=name_of)
def test_broken_scorers(plugin, meant):
    with np.errstate(all="ignore"):
        assert failed(check_scorer(plugin, on_fail="list", sklearn_checks=False)) == [meant]
        with pytest.raises(AssertionError, match=meant):
            check_scorer(plugin, sklearn_checks=False)


@pytest.mark.parametrize(("plugin", "meant"), BROKEN_PRIORITIZERS, ids=name_of)
def test_broken_prioritizers(plugin, meant):
    with np.errstate(all="ignore"):
        assert failed(check_prioritizer(plugin, on_fail="list")) == [meant]
        with pytest.raises(AssertionError, match=meant):
            check_prioritizer(plugin)


def test_every_check_catches_something():
    """No check that cannot fail; those that look at what the interface itself guarantees are named here."""
    meant = {check for _, check in [*BROKEN_SEGMENTERS, *BROKEN_SCORERS, *BROKEN_PRIORITIZERS]}
    guaranteed = {
        "check_assignment",
        "check_bad_tables",
        "check_one_segment",
        "check_overrides",
        "check_pipeline",
        "check_runs",
        "check_table",
    }
    every = {*list_checks("segmenter"), *list_checks("scorer"), *list_checks("prioritizer")}
    assert every - guaranteed == meant


def test_correct_plugins_pass_with_sklearn_checks():
    for check, plugin in ((check_segmenter, Halves()), (check_scorer, Total()), (check_scorer, Noisy())):
        results = check(plugin)
        assert {result.status for result in results if not result.check.startswith("sklearn.")} <= {"passed", "skipped"}
        assert sum(result.check.startswith("sklearn.") for result in results) > 30
    assert failed(check_segmenter(ByRegion())) == []


def test_sklearn_failures_are_reported():
    results = check_scorer(AttributeInInit(), on_fail="list")
    assert failed(results) == ["sklearn.check_no_attributes_set_in_init"]
    with pytest.raises(AssertionError, match=r"sklearn\.check_no_attributes_set_in_init"):
        check_scorer(AttributeInInit())


@parametrize_with_checks(
    [
        KMeansSegmenter(n_clusters=3),
        KMeansSegmenter(n_clusters=3, scale=None, membership="hard"),
        (ByRegion(), make_customers(60)),
        Noisy(),
        ValuePrioritizer(by="clv_total"),
        ValuePrioritizer(by="churn_mean", higher_is_better=False),
        WeightedPrioritizer({"clv_total": 0.6, "churn_mean": Criterion(0.4, higher_is_better=False)}),
        WeightedPrioritizer({"clv_mean": 1.0}, knock_out={"n_customers": 150}, normalization="minmax"),
    ]
)
def test_builtins(plugin, check):
    check(plugin)


def test_the_kit_refuses_what_it_cannot_check():
    with pytest.raises(TypeError, match="give an instance, not the class: Halves"):
        check_segmenter(Halves)
    with pytest.raises(TypeError, match="is no Segmenter, Scorer or Prioritizer"):
        parametrize_with_checks([object()])
    with pytest.raises(ValueError, match="on_fail must be"):
        check_segmenter(Halves(), on_fail="ignore")
    with pytest.raises(TypeError, match="data must be a dataframe"):
        check_segmenter(Halves(), np.zeros((3, 3)))


def test_data_factories_are_what_they_say():
    customers = make_customers(90, random_state=1)
    assert customers.index.name == "customer_id"
    assert customers.index.is_unique
    assert not customers.index.is_monotonic_increasing
    assert (customers["recency"] <= customers["T"]).all()
    assert ((customers["recency"] == 0) == (customers["frequency"] == 0)).all()
    pd.testing.assert_frame_equal(customers, make_customers(90, random_state=1))
    numeric = make_customers(numeric=True)
    assert numeric.notna().all(axis=None)
    assert set(numeric.dtypes) == {np.dtype(float)}
    profile = make_profile()
    assert profile["share"].sum() == pytest.approx(1)
    assert profile["clv_share"].sum() == pytest.approx(1)
