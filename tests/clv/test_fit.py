"""Fitting: published parameters, derivatives, the truth of simulated markets, uncertainty, degenerate data."""

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from segmentation.clv import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD
from segmentation.clv._lifetimes import fit_with_lifetimes
from segmentation.clv._optimise import Objective, maximise
from segmentation.clv._rows import Histories, read_histories, unique_rows
from segmentation.exceptions import FitError

MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]
every_model = pytest.mark.parametrize("model", MODELS)

# Sources: Fader, Hardie, Lee (2005), Marketing Science 24(2), doi:10.1287/mksc.1040.0098 (BG/NBD, Pareto/NBD);
# tests of the R package CLVTools (Pareto/NBD); Batislam, Denizel, Filiztekin (2007), IJRM 24(3) and the R package
# BTYDplus (MBG/NBD, its log-likelihood recomputed).
PUBLISHED = {
    BetaGeoNBD: ((0.2426, 4.4136, 0.7929, 2.4259), -9582.429),
    ModifiedBetaGeoNBD: ((0.525, 6.183, 0.891, 1.614), -9582.136),
    ParetoNBD: ((0.5533, 10.578, 0.6062, 11.669), -9594.976),
}
TRUTH = {
    BetaGeoNBD: (0.5, 30.0, 0.8, 2.5),
    ModifiedBetaGeoNBD: (0.8, 40.0, 0.6, 2.0),
    ParetoNBD: (0.55, 60.0, 0.6, 80.0),
}


def history_of(table, unit=1.0):
    return table["frequency"].to_numpy(float), table["recency"].to_numpy() / unit, table["T"].to_numpy() / unit


def market_of(model, n, seed, low=100, high=700):
    T = np.random.default_rng(seed).uniform(low, high, n)
    return model.from_params(*TRUTH[model]).simulate(n, T, random_state=seed)[:3]


@every_model
@pytest.mark.parametrize("unit", [1.0, 7.0])
def test_published_parameters_of_cdnow(model, unit, cdnow):
    """In weeks as published; in days alpha, beta and the log-likelihood are what the change of unit makes them."""
    x, t_x, T = history_of(cdnow, unit)
    found = model().fit(x, t_x, T)
    published, log_likelihood = PUBLISHED[model]
    scales = np.where(model.in_time, 7.0 / unit, 1.0)
    assert list(found.params_.values()) == pytest.approx(np.array(published) * scales, rel=0.005)
    assert found.log_likelihood_ == pytest.approx(log_likelihood + x.sum() * math.log(unit / 7), abs=0.01)
    assert found.converged_
    assert found.diagnosis_ == ()
    assert found.n_customers_ == 2357
    assert found.aic_ == pytest.approx(8 - 2 * found.log_likelihood_)
    assert found.bic_ == pytest.approx(4 * math.log(2357) - 2 * found.log_likelihood_)


@every_model
def test_weights_are_exploded_rows(model, cdnow):
    history = history_of(cdnow.iloc[:600])
    rows, _, counts = unique_rows(*history)
    assert len(counts) < 600
    exploded, collapsed = model().fit(*history), model().fit(*rows, weights=counts)
    assert collapsed.params_ == pytest.approx(exploded.params_, rel=1e-9)
    assert collapsed.log_likelihood_ == pytest.approx(exploded.log_likelihood_, abs=1e-8)
    assert collapsed.n_customers_ == 600
    assert collapsed.log_likelihood(*rows, weights=counts) == pytest.approx(exploded.log_likelihood_, abs=1e-8)
    # a row that stands for nobody changes nothing, however extreme
    padded = [np.append(column, value) for column, value in zip(rows, (7, 9e5, 9e6), strict=True)]
    assert model().fit(*padded, weights=np.append(counts, 0)).params_ == collapsed.params_
    halves = model().fit(*rows, weights=counts / 2)
    assert halves.params_ == pytest.approx(exploded.params_, rel=1e-4)
    assert halves.standard_errors_["r"] == pytest.approx(exploded.standard_errors_["r"] * math.sqrt(2), rel=0.03)


@every_model
def test_result_does_not_depend_on_chance_or_order(model, cdnow):
    some = cdnow.iloc[:300]
    np.random.seed(1)  # noqa: NPY002
    first = model().fit(*history_of(some))
    np.random.seed(2)  # noqa: NPY002
    second = model().fit(*history_of(some.sample(frac=1, random_state=0)))
    assert first.params_ == second.params_
    assert first.log_likelihood_ == second.log_likelihood_


# --- derivatives -----------------------------------------------------------------------------------------------------

POINTS = [
    np.log([0.5, 0.1, 0.8, 2.5]), np.log([0.02, 1e-5, 5.0, 0.01]), np.log([300.0, 40.0, 0.01, 50.0]),
    np.log([1.5, 8.0, 40.0, 0.3]), np.log([0.6, 0.02, 0.6, 0.02]),
]  # fmt: skip


def objective_of(model, seed=3):
    x, t_x, T = market_of(model, 150, seed)
    x, t_x = np.append(x, [400.0, 7.0]), np.append(t_x, [690.0, 700.0])
    (x, t_x, T), _, counts = unique_rows(x, t_x / 700, np.append(T, [700.0, 700.0]) / 700)
    return model()._objective(Histories.of(x, t_x, T, counts * 1.5))


@every_model
@pytest.mark.parametrize("point", POINTS)
def test_gradient_and_hessian_are_the_differences(model, point):
    objective = objective_of(model)
    _, gradient = objective.value_and_gradient(point)
    numeric = approx_central(lambda theta: np.array([objective.value_and_gradient(theta)[0]]), point, 1e-5)[:, 0]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
    hessian = objective.hessian(point)
    numeric = approx_central(lambda theta: objective.value_and_gradient(theta)[1], point, 1e-5)
    np.testing.assert_allclose(hessian, numeric, rtol=1e-5, atol=1e-6 * np.abs(hessian).max())


def approx_central(function, point, step):
    return np.array([(function(point + h) - function(point - h)) / (2 * step) for h in step * np.eye(len(point))])


@every_model
@pytest.mark.parametrize("point", POINTS)
def test_slopes_of_single_customers(model, point):
    """What the likelihood with covariates is made of: one set of parameters for each customer."""
    histories = read_histories(*market_of(model, 40, 5))
    each = [np.exp(value) * np.linspace(0.5, 2, 40) for value in point]
    value, slopes = model()._gradient_rows(each, *histories)
    np.testing.assert_allclose(value, model()._log_likelihood_rows(each, *histories), rtol=1e-12)
    for i in range(4):
        up, down = (
            model()._log_likelihood_rows([v * math.exp(h * (j == i)) for j, v in enumerate(each)], *histories)
            for h in (1e-5, -1e-5)
        )
        np.testing.assert_allclose(slopes[i], (up - down) / 2e-5, rtol=1e-5, atol=1e-6)


def test_summed_likelihood_is_that_of_the_rows():
    for model in MODELS:
        x, t_x, T = market_of(model, 200, 1)
        histories = Histories.of(x, t_x, T, np.linspace(0.5, 2, 200))
        for point in POINTS:
            value = model()._objective(histories).value_and_gradient(point)[0]
            rows = model()._log_likelihood_rows(list(np.exp(point)), x, t_x, T)
            assert value == pytest.approx(float(histories.weights @ rows), rel=1e-11)


# --- uncertainty -----------------------------------------------------------------------------------------------------


@every_model
def test_standard_errors_are_the_inverse_hessian(model):
    """By differences of the plain log-likelihood; 1/49 is what bounds a standard error at 7."""
    history = market_of(model, 2000, 4)
    fitted = model().fit(*history)
    centre = np.log(list(fitted.params_.values()))

    def gradient(theta):
        return approx_fprime(theta, lambda t: model.from_params(*np.exp(t)).log_likelihood(*history), 1e-5)

    information = -approx_central(gradient, centre, 1e-3)
    information = (information + information.T) / 2
    covariance = np.linalg.inv(information + np.eye(4) / 49)
    np.testing.assert_allclose(fitted.covariance_, covariance, rtol=0.01, atol=1e-3 * covariance.max())
    errors = np.sqrt(np.diag(covariance)) * list(fitted.params_.values())
    assert list(fitted.standard_errors_.values()) == pytest.approx(errors, rel=0.01)


@every_model
def test_truth_of_simulated_markets_is_recovered_with_the_stated_spread(model):
    """Errors over standard errors of 30 markets: mean 0, spread 1, within their own Monte Carlo error."""
    z = []
    for seed in range(30):
        fitted = model().fit(*market_of(model, 1500, 100 + seed))
        assert fitted.converged_
        centre = np.log(list(fitted.params_.values()))
        z.append((centre - np.log(TRUTH[model])) / np.sqrt(np.diag(fitted.covariance_)))
    z = np.array(z)
    # three and a half standard errors of a mean, and of a spread, of 30; estimates have a bias of order 1 / n besides
    assert np.all(np.abs(z.mean(axis=0)) < 3.5 / np.sqrt(30) + 0.15)
    assert np.all((z.std(axis=0) > 1 - 3.5 / np.sqrt(60)) & (z.std(axis=0) < 1 + 3.5 / np.sqrt(60)))


@every_model
def test_drawn_parameters_spread_as_the_covariance_says(model):
    fitted = model().fit(*market_of(model, 3000, 8))
    draws = np.log(fitted.draw_params(4000, random_state=0))
    centre, errors = np.log(list(fitted.params_.values())), np.sqrt(np.diag(fitted.covariance_))
    assert np.all(np.abs(draws.mean(axis=0) - centre) < 4 * errors / np.sqrt(4000))
    assert draws.std(axis=0) == pytest.approx(errors, rel=0.06)
    np.testing.assert_array_equal(fitted.draw_params(3, 1), fitted.draw_params(3, 1))


@every_model
def test_draws_are_resampled_customers_where_the_likelihood_is_no_parabola(model):
    """Buyers alike: r runs away, and draws stay where the data are, not on a normal distribution 7 wide."""
    T = np.random.default_rng(0).uniform(50, 300, 60)
    x = np.round(0.05 * T)
    t_x = T * x / (x + 1)
    fitted = model().fit(x, t_x, T)
    assert any("r ran towards infinity" in text for text in fitted.diagnosis_)
    draws = fitted.draw_params(200, random_state=0)
    assert np.all(np.isfinite(draws))
    rates = draws[:, 0] / draws[:, 1]
    assert rates.mean() == pytest.approx(0.05, rel=0.15)
    assert 0 < rates.std() < 0.01
    assert len(np.unique(rates)) > 20


# --- degenerate data -------------------------------------------------------------------------------------------------


def poisson(n, rate, rng):
    """Customers who all buy at the same rate and never leave."""
    T = rng.uniform(50, 300, n)
    times = [np.sort(rng.uniform(0, t, rng.poisson(rate * t))) for t in T]
    return np.array([len(t) for t in times], float), np.array([t[-1] if len(t) else 0.0 for t in times]), T


@every_model
def test_customers_who_are_alike_are_forecast_at_their_common_rate(model):
    x, t_x, T = poisson(400, 0.05, np.random.default_rng(0))
    fitted = model().fit(x, t_x, T)
    assert fitted.params_["r"] > 20
    assert fitted.converged_
    assert fitted.expected_purchases(100.0, x, t_x, T).sum() == pytest.approx(x.sum() / T.sum() * 400 * 100, rel=0.05)


@every_model
def test_nothing_to_learn_is_an_error_that_says_why(model):
    with pytest.raises(FitError, match="none of the 3 customers has bought again"):
        model().fit([0, 0, 0], [0, 0, 0], [3.0, 4.0, 5.0])
    with pytest.raises(FitError, match="T is 0 for all 2 customers"):
        model().fit([0, 0], [0, 0], [0, 0])
    with pytest.raises(FitError, match="none of the 1 customer has"):
        model().fit([0, 3], [0, 2.0], [3.0, 4.0], weights=[1, 0])


@every_model
def test_few_repeaters_are_said(model):
    fitted = model().fit([0, 3, 0, 1], [0, 20.0, 0, 3.0], [30.0, 40.0, 50.0, 60.0])
    assert any(text.startswith("only 2 of 4 customers have bought again") for text in fitted.diagnosis_)


# --- the optimiser, and engines that climb for it --------------------------------------------------------------------


@every_model
def test_an_engine_that_stops_short_is_brought_to_the_maximum(model, cdnow):
    """Whatever the engine proposes, our likelihood decides."""
    for proposal in (lambda model, data, weights, start, bounds: start, lambda *arguments: (np.nan,) * 4):
        fitted = model()._fit(read_histories(*history_of(cdnow, 7.0)), None, None, proposal)
        assert list(fitted.params_.values()) == pytest.approx(PUBLISHED[model][0], rel=0.005)
        assert fitted.log_likelihood_ == pytest.approx(PUBLISHED[model][1], abs=0.01)


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD])
def test_both_engines_find_the_same(model, cdnow):
    history = read_histories(*history_of(cdnow.iloc[:800], 7.0))
    theirs = model()._fit(history, None, None, fit_with_lifetimes)
    ours = model().fit(*history)
    assert ours.params_ == pytest.approx(theirs.params_, rel=1e-4)
    assert ours.log_likelihood_ >= theirs.log_likelihood_ - 1e-6


def test_many_rows_climb_on_a_sample_to_the_same_maximum(monkeypatch):
    history = market_of(BetaGeoNBD, 3000, 2)
    whole = BetaGeoNBD().fit(*history)
    monkeypatch.setattr("segmentation.clv._purchase_fit.MANY_ROWS", 500)
    monkeypatch.setattr("segmentation.clv._purchase_fit.SAMPLE_ROWS", 200)
    sampled = BetaGeoNBD().fit(*history)
    assert sampled.converged_
    assert sampled.params_ == pytest.approx(whole.params_, rel=1e-4)
    assert sampled.log_likelihood_ == pytest.approx(whole.log_likelihood_, abs=1e-5)


BOX = -5 * np.ones(2), 5 * np.ones(2)


def test_optimiser_finds_maxima_inside_and_at_limits():
    tilted = np.array([[2.0, 0.9], [0.9, 0.5]])
    for centre in (np.array([1.0, -2.0]), np.array([9.0, 0.0]), np.array([0.0, -30.0])):
        objective = Objective(lambda t, c=centre: (float(-(t - c) @ tilted @ (t - c) / 2), -tilted @ (t - c)))
        found = maximise(objective, [np.zeros(2)], *BOX, 1.0, climb=lambda start: (start, None))
        grid = np.stack(np.meshgrid(*[np.linspace(-5, 5, 401)] * 2), axis=-1).reshape(-1, 2)
        best = max(-(t - centre) @ tilted @ (t - centre) / 2 for t in grid)
        assert found.converged
        assert found.value >= best - 1e-6
        assert found.at_bound.any() == bool(np.abs(centre).max() > 5)


def test_optimiser_leaves_a_saddle_and_says_where_it_is_flat():
    saddle = Objective(
        lambda t: (float(t[0] ** 2 / 2 - t[0] ** 4 / 4 - t[1] ** 2), np.array([t[0] - t[0] ** 3, -2 * t[1]]))
    )
    found = maximise(saddle, [np.zeros(2), np.array([0.1, 0.0])], *BOX, 1.0)
    assert np.abs(found.theta) == pytest.approx([1, 0], abs=1e-3)
    flat = Objective(lambda t: (float(-((t[0] - 1) ** 2) * 50), np.array([-100 * (t[0] - 1), 0.0])))
    found = maximise(flat, [np.zeros(2)], *BOX, 1.0)
    assert found.converged
    assert not found.sharp
    assert found.undetermined.tolist() == [False, True]
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), [0.1, 7.0], rtol=1e-3)


def test_optimiser_takes_exponentially_flat_tails_to_the_limit():
    """A likelihood that approaches its supremum like 1 - e^-t gains a little at every step, and must not stop."""
    tail = Objective(lambda t: (float(-1e3 * np.exp(-t).sum()), 1e3 * np.exp(-t)))
    found = maximise(tail, [np.zeros(2)], -30 * np.ones(2), 30 * np.ones(2), 1.0, climb=lambda start: (start, None))
    assert found.converged
    assert found.value > -1e-5


def test_optimiser_tries_further_starts_where_nothing_can_be_computed():
    def half(theta):
        inside = theta[0] > 1
        return (float(-(theta @ theta)) if inside else np.nan), -2 * theta

    found = maximise(Objective(half), [np.zeros(2), -np.ones(2), np.array([3.0, 1.0])], *BOX, 1.0)
    assert found.value > -10
    with pytest.raises(FitError, match="cannot be computed"):
        maximise(Objective(lambda theta: (np.nan, theta)), [np.zeros(2)] * 3, *BOX, 1.0)


def test_objective_of_lifetimes_that_cannot_be_computed_counts_as_hopeless():
    """lifetimes' own Pareto/NBD likelihood overflows here; the optimiser must walk away, not stop."""
    x, t_x, T = np.array([0.0, 500.0]), np.array([0.0, 0.9]), np.array([1.0, 1.0])
    found = fit_with_lifetimes(
        "Pareto/NBD", (x, t_x, T), np.array([1, 1]), np.log([0.5, 1e-4, 0.5, 50.0]), [(-18, 18)] * 4
    )
    assert np.all(np.isfinite(found))
