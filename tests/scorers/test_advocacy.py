"""Answers and referrals, shrunk to the segment: against brute force, simulated truth and held-out answers."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.datasets import make_market
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning, FitError
from segmentation.scorers import AdvocacyScorer
from segmentation.scorers._shrinkage import Rates, fit_levels, fit_rates
from segmentation.testing import check_scorer, make_customers

WITHIN, BETWEEN, SEGMENTS = 1.69, 1.0, np.array([6.0, 7.0, 7.5, 8.5])


def simulated(n=3000, seed=0, asked=3, response=0.4):
    """Answers on a continuous scale (nothing cut off, so that the truth is exact), and each customer's true mean."""
    rng = np.random.default_rng(seed)
    segment = rng.choice(4, n, p=[0.4, 0.3, 0.25, 0.05])
    truth = SEGMENTS[segment] * 0.5 + 2.5 + np.sqrt(BETWEEN / 4) * rng.standard_normal(n)
    answers = truth[:, None] + np.sqrt(WITHIN / 4) * rng.standard_normal((n, asked))
    answers[rng.random((n, asked)) > response] = np.nan
    table = pd.DataFrame(np.clip(answers, 0, 10), columns=[f"nps_{i}" for i in range(asked)])
    table.index = pd.Index([f"C{i}" for i in rng.permutation(n)], name="customer_id")
    return table.assign(segment=np.array(list("abcd"))[segment]), truth


ANSWERS = ["nps_0", "nps_1", "nps_2"]


def error(estimate, truth):
    return float(np.sqrt(np.mean((np.asarray(estimate) - truth) ** 2)))


# -- known answers ----------------------------------------------------------------------------------------------------


def test_one_answer_by_hand():
    """Two segments, one answer each customer, prior of one answer: every step on paper."""
    customers = pd.DataFrame({"nps": [10, 9, None, 2, 3, None], "s": list("fffooo")}, index=list("abcdef"))
    model = AdvocacyScorer(segment="s", prior_answers=1).fit(customers)
    # variance of answers (0.5 + 0.5) / (4 - 2) = 0.5, half of it within; a segment's mean has 0.25;
    # DerSimonian-Laird: (2 * 4 * 3.5**2 - 1) / (8 - 32 / 8) = 24.25
    assert model.variance_ == {"within_customer": 0.25, "between_customers": 0.25, "between_segments": 24.25}
    shrinkage = 0.25 / 24.5
    means = [9.5 * (1 - shrinkage) + 6 * shrinkage, 2.5 * (1 - shrinkage) + 6 * shrinkage]
    assert model.segment_means_["answer_expected"].tolist() == pytest.approx(means)
    scores = model.score_customers(customers)
    assert scores["answer_expected"].tolist() == pytest.approx(
        [(10 + means[0]) / 2, (9 + means[0]) / 2, means[0], (2 + means[1]) / 2, (3 + means[1]) / 2, means[1]]
    )
    assert scores["shrinkage"].tolist() == [0.5, 0.5, 1.0, 0.5, 0.5, 1.0]
    assert scores["advocacy"].tolist() == pytest.approx((10 * scores["answer_expected"]).tolist())
    assert model.population_["answer_expected"] == pytest.approx(6.0)
    assert model.answered_share_ == pytest.approx(4 / 6)
    stranger = pd.DataFrame({"nps": [np.nan, np.nan], "s": ["new", None]})
    assert model.transform(stranger)[:, 1].tolist() == pytest.approx([6.0, 6.0])


def test_analysis_of_variance_by_hand():
    """Balanced, one group: the textbook's mean squares."""
    answers = np.array([[8.0, 10.0], [4.0, 6.0], [7.0, 7.0]])
    n, mean = np.full(3, 2.0), answers.mean(axis=1)
    squares = ((answers - mean[:, None]) ** 2).sum(axis=1)
    level = fit_levels(n, mean, squares, np.full(3, -1), 0, None)
    within = (2 + 2 + 0) / 3
    between = (2 * ((9 - 7) ** 2 + (5 - 7) ** 2 + 0) / 2 - within) / 2
    assert (level.within, level.between) == pytest.approx((within, between))
    assert level.population == pytest.approx(7.0)
    weight = 2 / (2 + within / between)
    assert level.expected(n, mean, np.full(3, -1)).tolist() == pytest.approx([7 + 2 * weight, 7 - 2 * weight, 7])


@settings(max_examples=40, deadline=None)
@given(st.floats(0.2, 20), st.floats(0.05, 5), st.integers(0, 12), st.floats(0.1, 6))
def test_referrals_are_the_gamma_poisson_posterior(shape, mean, count, exposure):
    """Oracle: the posterior, integrated numerically."""
    rates = Rates(shape, mean, np.zeros(0), np.zeros(0))
    code, counted, time = np.array([-1]), np.array([float(count)]), np.array([exposure])

    # on the logarithm of the rate the integrand is smooth, and the trapezoid exact
    rate = np.exp(np.linspace(-120, 6, 8_001))
    weight = rate * stats.gamma.pdf(rate, shape, scale=mean / shape) * stats.poisson.pmf(count, rate * exposure)
    expected = np.sum(rate * weight) / weight.sum()
    some = np.sum(-np.expm1(-rate) * weight) / weight.sum()
    assert rates.expected(counted, time, code)[0] == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert rates.any(counted, time, code)[0] == pytest.approx(some, rel=1e-4, abs=1e-7)


# -- simulated truth --------------------------------------------------------------------------------------------------


def test_variances_are_recovered():
    customers, _ = simulated(20_000, seed=1)
    model = AdvocacyScorer(ANSWERS, segment="segment").fit(customers)
    assert model.variance_["within_customer"] == pytest.approx(WITHIN / 4, rel=0.05)
    assert model.variance_["between_customers"] == pytest.approx(BETWEEN / 4, rel=0.05)
    assert model.prior_answers_ == pytest.approx(WITHIN / BETWEEN, rel=0.1)
    np.testing.assert_allclose(model.segment_means_["answer_expected"], SEGMENTS * 0.5 + 2.5, atol=0.05)
    assert model.diagnosis_ == ()


@pytest.mark.parametrize("seed", range(5))
def test_shrinkage_reduces_error(seed):
    """Against the truth: raw answers with the mean filled in, the population's mean, the segment's mean."""
    customers, truth = simulated(seed=seed)
    scores = AdvocacyScorer(ANSWERS, segment="segment").fit(customers).score_customers(customers)
    own = customers[ANSWERS].mean(axis=1)
    raw = own.fillna(own.mean())
    segment_mean = customers["segment"].map(own.groupby(customers["segment"]).mean())
    ours = error(scores["answer_expected"], truth)
    assert ours < 0.9 * error(raw, truth)
    assert ours < 0.75 * error(np.full(len(truth), own.mean()), truth)
    assert ours < 0.9 * error(segment_mean, truth)
    # the best that any linear estimate can do, with every variance known
    n = customers[ANSWERS].notna().sum(axis=1).to_numpy()
    best = np.sqrt(np.mean(BETWEEN / 4 * (WITHIN / BETWEEN) / (WITHIN / BETWEEN + n)))
    assert ours < 1.04 * best


def test_small_segments_are_drawn_to_the_others():
    """50 segments of 4 customers: their raw means are noisier than shrunk ones."""
    rng = np.random.default_rng(0)
    centre = 6 + 0.3 * rng.standard_normal(50)
    segment = np.repeat(np.arange(50), 4)
    answers = np.clip(centre[segment] + 1.2 * rng.standard_normal(200), 0, 10)
    customers = pd.DataFrame({"nps": answers, "s": segment})
    model = AdvocacyScorer(segment="s", prior_answers=1.5).fit(customers)
    raw = customers.groupby("s")["nps"].mean()
    assert error(model.segment_means_["answer_expected"], centre) < 0.75 * error(raw, centre)
    assert model.segment_means_["shrinkage"].between(0.3, 1.0).all()


def test_held_out_answers_of_the_market():
    """Learn from half of the customers; of the others, predict the second answer from the first."""
    market = make_market(40_000, random_state=1)
    numbered = market.feedback.assign(which=market.feedback.sort_values("timestamp").groupby("customer_id").cumcount())
    wide = numbered.pivot_table(index="customer_id", columns="which", values="nps")
    wide = wide.reindex(market.truth.index).set_axis(["first", "second"], axis=1)
    wide["segment"] = market.truth["segment"].astype(str)
    half = np.arange(len(wide)) % 2 == 0
    model = AdvocacyScorer(["first", "second"], segment="segment").fit(wide[half])
    others = wide[~half & wide["second"].notna().to_numpy()]
    scores = model.score_customers(others.assign(second=np.nan))
    raw = error(others["first"], others["second"])
    mean = error(np.full(len(others), np.nanmean(wide.loc[half, ["first", "second"]])), others["second"])
    ours = error(scores["answer_expected"], others["second"])
    assert ours < 0.9 * raw
    assert ours < mean
    # promoters: the Brier score, against what they said first and against the share of promoters
    is_promoter = (others["second"] >= 9).to_numpy(float)
    said = (others["first"] >= 9).to_numpy(float)
    assert error(scores["p_promoter"], is_promoter) < error(np.full(len(others), is_promoter.mean()), is_promoter)
    assert error(scores["p_promoter"], is_promoter) < error(said, is_promoter)
    assert scores["p_promoter"].mean() == pytest.approx(is_promoter.mean(), abs=0.03)


def test_rates_are_recovered_and_beat_raw_rates():
    rng = np.random.default_rng(0)
    n = 20_000
    segment = rng.integers(0, 3, n)
    rate = rng.gamma(0.8, np.array([0.2, 0.5, 1.0])[segment] / 0.8)
    exposure = rng.uniform(0.2, 4, n)
    referred = rng.poisson(rate * exposure).astype(float)
    fitted = fit_rates(referred, exposure, segment, 3)
    assert fitted.shape == pytest.approx(0.8, rel=0.1)
    np.testing.assert_allclose(fitted.segments, [0.2, 0.5, 1.0], rtol=0.06)
    ours = error(fitted.expected(referred, exposure, segment), rate)
    assert ours < 0.8 * error(referred / exposure, rate)
    assert ours < 0.8 * error(np.full(n, referred.sum() / exposure.sum()), rate)


def test_answers_missing_for_a_reason_are_not_corrected():
    """The unhappy stay silent: the figures are too high, and the page says that nothing corrects it."""
    customers, truth = simulated(response=1.0)
    silent = truth < np.median(truth)
    customers.loc[silent, ANSWERS] = np.nan
    model = AdvocacyScorer(ANSWERS, segment="segment").fit(customers)
    assert model.population_["answer_expected"] > truth.mean() + 0.2
    assert model.answered_share_ == pytest.approx(0.5, abs=0.01)
    assert "Nothing here corrects" in AdvocacyScorer.__doc__


# -- properties -------------------------------------------------------------------------------------------------------

tables = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(0, 10)),
        st.one_of(st.none(), st.integers(0, 10)),
        st.one_of(st.none(), st.integers(0, 30)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(tables, st.sampled_from([None, 0, 0.5, 3]), st.sampled_from([0.0, 0.5, 1.0]))
def test_every_score_stays_in_its_range(rows, prior, weight):
    customers = pd.DataFrame(rows, columns=["s", "first", "second", "brought"]).astype(
        {"first": float, "second": float, "brought": float}
    )
    model = AdvocacyScorer(
        ["first", "second"], segment="s", referrals="brought", prior_answers=prior, referral_weight=weight
    )
    if customers[["first", "second"]].isna().all(axis=None) or customers["brought"].isna().all():
        with pytest.raises(FitError, match=r"nobody has answered|no referrals are known"):
            model.fit(customers)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        model.fit(customers)
    scores = model.score_customers(customers)
    assert np.isfinite(scores).all(axis=None)
    limits = {
        "advocacy": (0, 100), "answer_expected": (0, 10), "nps_expected": (-100, 100), "p_promoter": (0, 1),
        "referral_rate": (0, 30), "shrinkage": (0, 1),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        assert scores[name].between(low - 1e-9, high + 1e-9).all(), name
    given = customers[["first", "second"]].notna().sum(axis=1)
    assert (scores.loc[given == 0, "shrinkage"] == 1).all()
    if prior == 0:
        own = customers[["first", "second"]].mean(axis=1)[given > 0]
        np.testing.assert_allclose(scores.loc[given > 0, "answer_expected"], own)


def test_more_answers_shrink_less_and_order_is_nothing():
    customers, _ = simulated()
    model = AdvocacyScorer(ANSWERS, segment="segment").fit(customers)
    n = customers[ANSWERS].notna().sum(axis=1)
    assert model.score_customers(customers)["shrinkage"].groupby(n).first().is_monotonic_decreasing
    again = AdvocacyScorer(ANSWERS[::-1], segment="segment").fit(customers.sample(frac=1, random_state=0))
    np.testing.assert_allclose(again.transform(customers), model.transform(customers), rtol=1e-10)


# -- what is said and refused -----------------------------------------------------------------------------------------


def test_single_answers_rest_on_an_assumption_that_is_said():
    customers = pd.DataFrame({"nps": [1.0, 5, 9, 10]})
    with pytest.warns(FitDiagnosisWarning, match=r"0 customers have several answers.*worth 1 answer") as caught:
        model = AdvocacyScorer().fit(customers)
    assert caught[0].filename == __file__
    assert model.prior_answers_ == 1.0
    assert model.segment_means_.empty
    said = AdvocacyScorer(prior_answers=1).fit(customers)
    np.testing.assert_array_equal(said.transform(customers), model.transform(customers))
    assert said.diagnosis_ == ()


def test_customers_who_do_not_differ():
    customers = pd.DataFrame(np.tile([4.0, 6.0], (20, 1)), columns=["x", "y"])
    with pytest.warns(FitDiagnosisWarning, match="do not differ beyond the noise"):
        model = AdvocacyScorer(["x", "y"]).fit(customers)
    assert np.isinf(model.prior_answers_)
    assert model.score_customers(customers)["answer_expected"].tolist() == pytest.approx([5.0] * 20)


@pytest.fixture
def table():
    return pd.DataFrame(
        {"nps": [9.0, 3, np.nan], "brought": [1, 0, 4], "years": [1.0, 2, 3], "s": ["a", "b", "a"]},
        index=pd.Index(["x", "y", "z"], name="customer_id"),
    )


@pytest.mark.parametrize(
    ("change", "parameters", "error_", "message"),
    [
        ({"nps": [11, -1, 5]}, {}, CustomerTableError, r"must lie in 0 to 10; 2 customers with -1.0, 11.0: 'x', 'y'"),
        ({"nps": [np.inf, 1, 5]}, {}, CustomerTableError, r"must lie in 0 to 10; 1 customer with inf: 'x'"),
        ({"nps": ["ten", "2", "3"]}, {}, ColumnError, "column 'nps' must hold answers from 0 to 10"),
        ({"nps": [np.nan] * 3}, {}, FitError, "nobody has answered: 'nps' are empty"),
        (
            {"brought": [-1, 0, 1.5]},
            {"referrals": "brought"},
            CustomerTableError,
            "whole numbers, 0 or more; 2 customers",
        ),
        ({"brought": [np.nan] * 3}, {"referrals": "brought"}, FitError, "no referrals are known"),
        ({"years": [0.0, 1, 1]}, {"referrals": "brought", "exposure": "years"}, CustomerTableError, "must be positive"),
        ({}, {"exposure": "years"}, ValueError, "no referrals are named"),
        ({}, {"segment": "nps"}, ValueError, "must be different columns"),
        ({}, {"answers": []}, ValueError, "must be different columns"),
        ({}, {"answers": "np"}, ColumnError, r"missing: 'np' \(nearest: 'nps'\)"),
        ({}, {"prior_answers": -1}, ValueError, "prior_answers must be a number, 0 or more, got -1"),
        ({}, {"referral_weight": 1.5}, ValueError, "referral_weight must be a number, from 0 to 1, got 1.5"),
    ],
)
def test_what_is_refused(table, change, parameters, error_, message):
    with pytest.raises(error_, match=message):
        AdvocacyScorer(**{"prior_answers": 1, **parameters}).fit(table.assign(**change))


def test_columns_as_they_come(table):
    model = AdvocacyScorer(referrals="brought", exposure="years", segment="s", prior_answers=1).fit(table)
    expected = model.transform(table)
    forms = table.assign(nps=[9, 3, None], brought=pd.array([1, 0, 4], "Int64"), s=table["s"].astype("category"))
    np.testing.assert_array_equal(model.transform(forms), expected)
    np.testing.assert_array_equal(model.transform(forms.assign(nps=table["nps"].astype(object))), expected)
    np.testing.assert_array_equal(model.transform(forms.assign(nps=table["nps"].astype("Int64"))), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(table), expected)
    unknown = model.score_customers(table.assign(brought=np.nan, nps=np.nan))
    assert unknown.loc["x", "referral_rate"] == pytest.approx(model.segment_means_.loc["a", "referral_rate"])


def test_conformance():
    customers = make_customers(90)
    rng = np.random.default_rng(0)
    customers["nps"] = np.where(rng.random(90) < 0.4, np.nan, rng.integers(0, 11, 90))
    customers["brought"] = rng.poisson(0.5, 90)
    model = AdvocacyScorer(referrals="brought", segment="region", prior_answers=2)
    results = check_scorer(model, customers)
    assert [result.check for result in results if result.status != "passed"] == ["check_draws"]
