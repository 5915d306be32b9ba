"""Profiles: their distributions by segment, and incomes that are missing as stated."""

import numpy as np
import pytest
from scipy import optimize, stats

from segmentation.datasets import _market_profiles as profiles
from segmentation.datasets import make_market


@pytest.fixture(scope="module")
def market():
    return make_market(30_000, random_state=31)


@pytest.mark.parametrize(
    ("column", "levels"),
    [("gender", profiles.GENDERS), ("region", profiles.REGIONS), ("channel", profiles.CHANNELS)],
)
def test_categories_have_their_shares_in_every_segment(market, column, levels):
    assert set(market.profiles[column]) == set(levels)
    np.testing.assert_allclose(profiles.TRAITS[list(levels)].sum(axis=1), 1)
    for segment, values in market.profiles[column].groupby(market.truth["segment"], observed=True):
        counts = values.value_counts().reindex(levels, fill_value=0)
        expected = profiles.TRAITS.loc[segment, list(levels)].astype(float) * len(values)
        assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_ages_are_cut_normals(market):
    age = market.profiles["age"]
    assert (age.min(), age.max()) == (18, 90)
    for segment, own in age.groupby(market.truth["segment"], observed=True):
        mean, sd = profiles.TRAITS.loc[segment, ["age_mean", "age_sd"]].astype(float)
        low, high = (18 - mean) / sd, (91 - mean) / sd
        # Completed years: the mean of the continuous age is half a year higher.
        expected = stats.truncnorm(low, high, loc=mean, scale=sd)
        error = own.mean() + 0.5 - expected.mean()
        assert abs(error) < 4 * expected.std() / np.sqrt(len(own)) + 0.01


def test_incomes_follow_age_and_segment(market):
    truth, age = market.truth, market.profiles["age"]
    assert (truth["income"] % 100 == 0).all()
    assert truth["income"].min() > 0
    shift = profiles.TRAITS["income_shift"].loc[truth["segment"].astype(str)].to_numpy(dtype=float)
    expected = np.log(36_000) + shift - 0.00025 * (age.to_numpy() - 52.0) ** 2
    residual = np.log(truth["income"].to_numpy()) - expected
    assert stats.kstest(residual / 0.4, "norm").pvalue > 1e-3
    by_segment = truth["income"].groupby(truth["segment"], observed=True).median()
    assert by_segment["quality"] > 1.5 * by_segment["bargain"]


def missing_and_covariates(market):
    missing = market.profiles["income"].isna().to_numpy()
    decades = (market.profiles["age"].to_numpy() - 45) / 10
    log_income = np.log(market.truth["income"].to_numpy() / 36_000)
    return missing, decades, log_income


def test_incomes_are_missing_with_the_stated_odds(market):
    """A logistic regression on the complete truth finds the three coefficients within four standard errors."""
    missing, decades, log_income = missing_and_covariates(market)
    design = np.column_stack([np.ones(missing.size), decades, log_income])

    def loss(coefficients):
        score = design @ coefficients
        return np.logaddexp(0, score).sum() - score[missing].sum()

    def gradient(coefficients):
        return design.T @ (1 / (1 + np.exp(-design @ coefficients)) - missing)

    fitted = optimize.minimize(loss, np.zeros(3), jac=gradient, method="BFGS").x
    weight = 1 / (2 + 2 * np.cosh(design @ fitted))
    errors = np.sqrt(np.diag(np.linalg.inv((design * weight[:, None]).T @ design)))
    assert (np.abs(fitted - [-1.7, 0.25, 1.5]) < 4 * errors).all()
    assert (np.abs(fitted[1:]) > 10 * errors[1:]).all(), "age and income both matter"
    probability = profiles.income_missing_probability(market.profiles["age"].to_numpy(), market.truth["income"])
    assert abs((missing - probability).mean()) < 4 * np.sqrt((probability * (1 - probability)).mean() / missing.size)


def test_the_gaps_bias_what_is_left(market):
    missing, decades, log_income = missing_and_covariates(market)
    assert 0.1 < missing.mean() < 0.25
    assert log_income[missing].mean() > log_income[~missing].mean() + 0.15
    assert decades[missing].mean() > decades[~missing].mean() + 0.2
    # Not at random: at one age, too, those who do not tell earn more.
    for age in (-1, 0, 1):
        near = np.abs(decades - age) < 0.25
        assert log_income[near & missing].mean() > log_income[near & ~missing].mean() + 0.1


def test_only_incomes_are_missing(market):
    assert not market.profiles.drop(columns="income").isna().to_numpy().any()
    assert not market.truth.isna().to_numpy().any()
