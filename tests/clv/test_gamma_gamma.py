"""Gamma-Gamma: published numbers, the mixture, derivatives, fitting, uncertainty, degenerate spend."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma as gamma_distribution

from segmentation.clv import GammaGamma, _lifetimes
from segmentation.clv._gamma_gamma import _objective
from segmentation.clv._lifetimes import fit_with_lifetimes
from segmentation.exceptions import CustomerTableError, FitError

PUBLISHED = (6.25, 3.74, 15.44)


def buyers_of(table):
    buyers = table[table["frequency"] > 0]
    return buyers["frequency"].to_numpy(float), buyers["monetary_value"].to_numpy(float)


def spend_of(n, seed, params=(4.0, 3.5, 30.0)):
    x = np.random.default_rng(seed).integers(0, 6, n)
    return x, GammaGamma.from_params(*params).simulate(x, seed)


def test_published_conditional_means():
    """Expected spend of the first ten CDNOW customers, http://brucehardie.com/notes/025/."""
    x = [2, 1, 0, 0, 0, 7, 1, 0, 2, 0]
    mean_spend = [22.35, 11.77, 0, 0, 0, 73.74, 11.77, 0, 25.55, 0]
    published = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    assert GammaGamma.from_params(*PUBLISHED).expected_spend(x, mean_spend) == pytest.approx(published, abs=0.1)


def test_published_parameters_of_cdnow(cdnow):
    """Fader, Hardie (2013), http://brucehardie.com/notes/025/: 946 repeat buyers; one-time buyers do not matter."""
    fitted = GammaGamma().fit(cdnow["frequency"], cdnow["monetary_value"].fillna(0))
    assert fitted.n_customers_ == 946
    assert list(fitted.params_.values()) == pytest.approx(PUBLISHED, rel=0.005)
    assert fitted.log_likelihood_ == pytest.approx(-4055.92, abs=0.01)
    assert fitted.log_likelihood(*buyers_of(cdnow)) == pytest.approx(fitted.log_likelihood_, abs=1e-8)
    assert fitted.converged_
    assert fitted.diagnosis_ == ()
    assert fitted.n_left_out_ == 0
    p, q, v = fitted.params_.values()
    assert fitted.population_spend_ == pytest.approx(p * v / (q - 1))
    assert fitted.bic_ == pytest.approx(3 * math.log(946) - 2 * fitted.log_likelihood_)


def test_likelihood_is_that_of_lifetimes(cdnow):
    x, mean_spend = buyers_of(cdnow)
    with _lifetimes._fenced():
        import lifetimes

        mean = lifetimes.GammaGammaFitter._negative_log_likelihood(
            np.log(PUBLISHED), x, mean_spend, np.ones(len(x)), 0.0
        )
    assert GammaGamma.from_params(*PUBLISHED).log_likelihood(x, mean_spend) == pytest.approx(-float(mean) * len(x))


def test_engines_find_the_same_and_a_bad_one_is_ignored(cdnow):
    x, mean_spend = buyers_of(cdnow)
    for engine in (fit_with_lifetimes, lambda *arguments: (np.nan,) * 3):
        found = GammaGamma()._fit(x, mean_spend, None, engine)
        assert list(found.params_.values()) == pytest.approx(PUBLISHED, rel=0.005)


def test_it_is_the_mixture():
    """Mean of x gamma(p, nu) purchases with nu ~ Gamma(q, v): average over nu, also its expectation p / nu."""
    p, q, v = 3.2, 2.7, 40.0
    model = GammaGamma.from_params(p, q, v)
    x, mean_spend = 4, 31.0
    y = np.linspace(np.log(q / v) - 45 / q, np.log((q + 90) / v), 3000)
    nu = np.exp(y)
    weights = gamma_distribution(q, scale=1 / v).pdf(nu) * nu * (y[1] - y[0])
    density = gamma_distribution(p * x, scale=1 / (nu * x)).pdf(mean_spend)
    likelihood = weights @ density
    assert model.log_likelihood(x, mean_spend) == pytest.approx(math.log(likelihood), rel=1e-9)
    assert model.expected_spend(x, mean_spend)[0] == pytest.approx(weights @ (density * p / nu) / likelihood, rel=1e-9)
    assert model.population_spend_ == pytest.approx(weights @ (p / nu), rel=1e-9)


@pytest.mark.parametrize("point", [(6.25, 3.74, 0.5), (0.02, 0.3, 40.0), (900.0, 900.0, 1.0), (0.5, 50.0, 1e4)])
def test_gradient_and_hessian_are_the_differences(point):
    x, spend = spend_of(200, 0)
    objective = _objective((x[x > 0].astype(float), spend[x > 0] / 40), np.linspace(0.5, 2, int((x > 0).sum())))
    theta, steps = np.log(point), 1e-5 * np.eye(3)
    value = lambda t: objective.value_and_gradient(t)[0]  # noqa: E731
    slope = lambda t: objective.value_and_gradient(t)[1]  # noqa: E731
    numeric = [(value(theta + h) - value(theta - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(slope(theta), numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())
    numeric = np.array([(slope(theta + h) - slope(theta - h)) / 2e-5 for h in steps])
    np.testing.assert_allclose(objective.hessian(theta), numeric, rtol=1e-5, atol=1e-6 * np.abs(numeric).max())


def test_weights_are_exploded_rows():
    x, spend = spend_of(400, 1)
    spend = np.round(spend, -1) + 5 * (x > 0)
    rows, counts = np.unique(np.stack([x, spend]), axis=1, return_counts=True)
    exploded, collapsed = GammaGamma().fit(x, spend), GammaGamma().fit(*rows, weights=counts)
    assert collapsed.params_ == pytest.approx(exploded.params_, rel=1e-8)
    assert collapsed.log_likelihood_ == pytest.approx(exploded.log_likelihood_, abs=1e-8)
    assert collapsed.n_customers_ == (x > 0).sum()


@settings(deadline=None, max_examples=6)
@given(st.floats(-6, 6))
def test_change_of_the_currency(log_factor):
    factor = np.exp(log_factor)
    x, spend = spend_of(200, 2)
    euros, other = GammaGamma().fit(x, spend), GammaGamma().fit(x, spend * factor)
    assert [other.params_[k] for k in "pq"] == pytest.approx([euros.params_[k] for k in "pq"], rel=1e-4)
    assert other.params_["v"] == pytest.approx(euros.params_["v"] * factor, rel=1e-4)
    assert other.log_likelihood_ == pytest.approx(euros.log_likelihood_ - (x > 0).sum() * log_factor, abs=1e-4)
    np.testing.assert_allclose(
        other.expected_spend(x, spend * factor), euros.expected_spend(x, spend) * factor, rtol=1e-4
    )


def test_truth_is_recovered_with_the_stated_spread():
    truth, z = (4.0, 3.5, 30.0), []
    for seed in range(40):
        fitted = GammaGamma().fit(*spend_of(1500, seed, truth))
        z.append((np.log(list(fitted.params_.values())) - np.log(truth)) / np.sqrt(np.diag(fitted.covariance_)))
    z = np.array(z)
    assert np.all(np.abs(z.mean(axis=0)) < 3.5 / np.sqrt(40) + 0.1)
    assert np.all(np.abs(z.std(axis=0) - 1) < 3.5 / np.sqrt(80))


def test_simulated_spend_is_what_is_expected():
    model, n = GammaGamma.from_params(4.0, 6.0, 30.0), 100_000
    x = np.full(n, 3)
    seen = model.simulate(x, 0)
    assert abs(seen.mean() - model.population_spend_) < 4 * seen.std() / np.sqrt(n)
    assert model.simulate([0, 2], 0)[0] == 0
    # the next two purchases of those same customers cost what the model expects of each
    nu = np.random.default_rng(1).gamma(6.0, 1 / 30.0, n)
    past = np.random.default_rng(2).gamma(4.0 * 3, 1 / nu) / 3
    for future in (model.simulate_spend(np.full(n, 2.0), x, past, 3), np.random.default_rng(4).gamma(8.0, 1 / nu)):
        error = future - 2 * model.expected_spend(x, past)
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(n)
    assert model.simulate_spend([0, 0], [3, 0], [9.0, 0], 0).tolist() == [0, 0]


def test_a_mean_that_does_not_exist():
    model = GammaGamma.from_params(6.0, 0.9, 10.0)
    assert model.population_spend_ == math.inf
    with pytest.raises(ValueError, match=r"infinite for q <= 1 \(q is 0.9"):
        model.expected_spend([0], [0])


def test_a_tail_beyond_belief_takes_the_observed_mean():
    x, spend = np.full(60, 20), 5.0 * (1 - np.arange(0.5, 60) / 60) ** -2  # Pareto's law with an infinite mean
    fitted = GammaGamma().fit(x, spend)
    assert fitted.population_spend_ == pytest.approx(spend.mean())
    assert any("is used in its place" in text for text in fitted.diagnosis_)
    few, many = (fitted.expected_spend(n, 1000 * spend.mean())[0] for n in (1, 1000))
    assert spend.mean() < few < many < 1000 * spend.mean()
    for draws in fitted.draw_params(20, 0):
        p, q, v = fitted._prior(draws)
        assert p * v / (q - 1) == pytest.approx(spend.mean())
    again = GammaGamma.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again.population_spend_ == fitted.population_spend_
    np.testing.assert_array_equal(again.expected_spend([1, 0], [3.0, 0]), fitted.expected_spend([1, 0], [3.0, 0]))
    np.testing.assert_array_equal(again.draw_params(4, 0), fitted.draw_params(4, 0))


def test_infinite_variance_is_said():
    fitted = GammaGamma().fit(*spend_of(3000, 4, (5.0, 1.7, 4.0)))
    assert 1 < fitted.params_["q"] <= 2
    assert any("variance of spend is infinite" in text for text in fitted.diagnosis_)


def test_constant_spend_is_everybodys():
    fitted = GammaGamma().fit([1, 2, 3, 0], [20.0, 20.0, 20.0, 0])
    assert fitted.expected_spend([0, 1, 9], [0, 20.0, 20.0]) == pytest.approx(20, rel=1e-3)
    assert any("spend the same per purchase" in text for text in fitted.diagnosis_)
    assert fitted.converged_


def test_spend_without_value_is_left_out_and_counted():
    x, spend = spend_of(300, 5)
    fitted = GammaGamma().fit(np.append(x, [3, 2, 0]), np.append(spend, [0.0, -5.0, np.nan]))
    assert fitted.n_left_out_ == 2
    assert fitted.params_ == pytest.approx(GammaGamma().fit(x, spend).params_, rel=1e-9)
    assert any("2 repeat customers" in text for text in fitted.diagnosis_)
    np.testing.assert_array_equal(fitted.expected_spend(2, -5.0), fitted.expected_spend(2, 0.0))


def test_nothing_to_learn_and_bad_input():
    for x, spend in (([0, 0], [0, 0]), ([2, 1], [0, -3.0])):
        with pytest.raises(FitError, match="no spend to learn from"):
            GammaGamma().fit(x, spend)
    for x, spend, message in (
        ([np.nan], [1.0], "frequency counts"), ([-1], [1.0], "frequency counts"), ([2], [np.nan], "row 0: nan"),
        ([2], [np.inf], "missing or infinite"),
    ):  # fmt: skip
        with pytest.raises(CustomerTableError, match=message):
            GammaGamma().fit(x, spend)
    with pytest.raises(ValueError, match="lengths"):
        GammaGamma().fit([1, 2], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="weights"):
        GammaGamma().fit([1, 2], [1.0, 2.0], weights=[1.0])
    with pytest.raises(FitError, match="cannot be computed"):
        GammaGamma().fit([1, 2], [1e-300, 1e99])


def test_stored_models_are_the_same():
    x, spend = spend_of(200, 6)
    fitted = GammaGamma().fit(x, spend)
    for other in (
        pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted),
        GammaGamma.from_dict(json.loads(json.dumps(fitted.to_dict()))),
    ):  # fmt: skip
        assert other.to_dict() == fitted.to_dict()
        np.testing.assert_array_equal(other.expected_spend(x, spend), fitted.expected_spend(x, spend))
        np.testing.assert_array_equal(other.draw_params(5, 1), fitted.draw_params(5, 1))
