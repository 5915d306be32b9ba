"""The survey: its answers, and the posterior of the segments against an independent computation."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import ndtr

from segmentation.datasets import _market_survey as survey
from segmentation.datasets import make_market
from segmentation.datasets._market_needs import SEGMENTS, SHARES


@pytest.fixture(scope="module")
def market():
    return make_market(25_000, random_state=21)


def posterior_of(truth):
    return truth[[f"posterior_{name}" for name in SEGMENTS]].to_numpy()


def codes(truth):
    return truth["segment"].cat.codes.to_numpy()


def test_answers(market):
    answers = market.survey
    assert answers.shape[1] == 20
    assert set(np.unique(answers)) == set(range(1, 8))
    assert (answers.mean().between(2.5, 5.5)).all()
    assert (answers.std() > 1.2).all()
    share = answers.stack().value_counts(normalize=True)
    assert share.min() > 0.04


def test_share_that_answers_depends_on_the_segment_as_stated(market):
    answered = market.truth.index.isin(market.survey.index)
    for code, expected in enumerate(survey.ANSWERED):
        own = answered[codes(market.truth) == code]
        assert abs(own.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / own.size)


def test_reversed_items_are_those_listed(market):
    """Agreement with a reversed item goes against agreement with the others of its need, in each style apart."""
    plain = market.truth["response_style"].loc[market.survey.index] == "plain"
    items = market.survey_items
    assert items["reversed"].sum() == 5
    assert (items.groupby("need").size() == 4).all()
    for _, own in items.groupby("need"):
        correlations = market.survey[plain][own.index].corr()
        for one, other in itertools.combinations(own.index, 2):
            same = own.loc[one, "reversed"] == own.loc[other, "reversed"]
            assert (correlations.loc[one, other] > 0.2) if same else (correlations.loc[one, other] < -0.2)


def test_styles(market):
    style = market.truth["response_style"]
    for name, share in zip(survey.STYLES, survey.STYLE_SHARES, strict=True):
        assert abs((style == name).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(style))
    of_respondents = style.loc[market.survey.index]
    constant = market.survey.nunique(axis=1) == 1
    assert constant[of_respondents == "straight"].all()
    assert constant[of_respondents != "straight"].mean() < 1e-3
    means = market.survey.mean(axis=1).groupby(of_respondents).mean()
    assert means["agreeing"] > means["plain"] + 0.3
    values = market.survey["q01"][of_respondents == "straight"].value_counts().sort_index()
    assert stats.chisquare(values, survey.STRAIGHT_ANSWER * values.sum()).pvalue > 1e-3


def test_bayes_classifier_is_right_for_75_to_90_percent(market):
    truth = market.truth.loc[market.survey.index]
    posterior = posterior_of(truth)
    right = posterior.argmax(axis=1) == codes(truth)
    assert 0.75 < right.mean() < 0.90
    # A true posterior is right as often as it says.
    residual = right - posterior.max(axis=1)
    assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(right.size)
    # In no segment is the survey useless or decisive.
    by_segment = [right[codes(truth) == code].mean() for code in range(5)]
    assert min(by_segment) > 0.6
    assert max(by_segment) < 0.97


def test_posterior_is_calibrated_for_every_segment(market):
    for customers in (market.survey.index, market.truth.index.difference(market.survey.index)):
        truth = market.truth.loc[customers]
        posterior = posterior_of(truth)
        np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-12)
        for code in range(5):
            residual = (codes(truth) == code) - posterior[:, code]
            assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(residual.size)
            for part in np.array_split(residual[np.argsort(posterior[:, code])], 5):
                assert abs(part.mean()) < 4 * max(part.std(), 1e-3) / np.sqrt(part.size)


def test_without_answers_the_posterior_is_that_of_not_answering(market):
    silent = market.truth.index.difference(market.survey.index)
    weight = SHARES * (1 - survey.ANSWERED)
    np.testing.assert_allclose(posterior_of(market.truth.loc[silent])[0], weight / weight.sum(), rtol=1e-12)
    assert market.truth.loc[silent].filter(like="posterior_").nunique().max() == 1


def likelihood_by_quadrature(answers, segment, shift):
    """Return P(20 answers | segment, style that adds `shift`): one adaptive integral per need."""
    edges = np.concatenate([[-np.inf], survey.THRESHOLDS, [np.inf]])
    product = 1.0
    for need, own in survey.ITEMS.assign(answer=answers).groupby("need"):
        mean = survey.STRENGTHS.loc[segment, need]
        items = list(own[["loading", "shift", "answer"]].itertuples(index=False, name=None))

        def integrand(strength, items=items, mean=mean):
            value = math.exp(-0.5 * ((strength - mean) / survey.NEED_SD) ** 2)
            for loading, item_shift, answer in items:
                location = loading * strength + item_shift + shift
                upper, lower = (edges[level] - location for level in (answer, answer - 1))
                value *= ndtr(upper / survey.NOISE_SD) - ndtr(lower / survey.NOISE_SD)
            return value / (survey.NEED_SD * math.sqrt(2 * math.pi))

        product *= integrate.quad(integrand, mean - 7, mean + 7, epsabs=1e-15, epsrel=1e-10)[0]
    return product


@pytest.mark.parametrize("kind", ["typical", "constant"])
def test_posterior_equals_adaptive_quadrature(market, kind):
    varied = market.survey[market.survey.nunique(axis=1) > 4]
    answers = varied.iloc[0].to_numpy() if kind == "typical" else np.full(20, 4)
    expected = np.zeros(5)
    for code, segment in enumerate(SEGMENTS):
        plain, agreeing = (likelihood_by_quadrature(answers, segment, s) for s in (0.0, survey.YES_SAYING))
        straight = survey.STRAIGHT_ANSWER[answers[0] - 1] if kind == "constant" else 0.0
        mixed = survey.STYLE_SHARES @ [plain, agreeing, straight]
        expected[code] = SHARES[code] * survey.ANSWERED[code] * mixed
    ours = survey.posterior(np.array([True]), answers[None, :])
    np.testing.assert_allclose(ours[0], expected / expected.sum(), rtol=1e-7)


def test_tables_hold_every_pattern_once():
    tables = np.exp(survey._pattern_tables())
    assert tables.shape == (2, 5, 7**4, 5)
    np.testing.assert_allclose(tables.sum(axis=2), 1, rtol=1e-12)
    # The pattern that a code stands for: all ones first, all sevens last, the first item counting most.
    answers = np.ones((3, 20), dtype=np.int64)
    answers[1, :4] = [1, 1, 1, 2]
    answers[2, 16:] = 7
    assert survey._pattern_codes(answers).tolist() == [[0] * 5, [1, 0, 0, 0, 0], [0, 0, 0, 0, 7**4 - 1]]
