"""Fitting: published parameters, the truth of simulated markets, degenerate data."""

import numpy as np
import pytest

from segmentation.clv import _lifetimes
from segmentation.clv._fit import HOPELESS, fit_purchases, fit_spend
from segmentation.clv._formulas import PURCHASE_MODELS, spend_log_likelihood, unique_rows
from segmentation.clv._lifetimes import fit_with_lifetimes
from segmentation.exceptions import FitError

MODELS = sorted(PURCHASE_MODELS)
DAYS_PER_WEEK = 7.0


def fit(model, x, t_x, T):
    rows, _, weights = unique_rows(x, t_x, T)
    return fit_purchases(model, rows, weights, fit_with_lifetimes)


def in_weeks(model, found, x):
    """Parameters and log-likelihood of a fit in days, as they are with times in weeks."""
    params = PURCHASE_MODELS[model].rescale(found.params, 1 / DAYS_PER_WEEK)
    return params, found.log_likelihood + float(np.sum(x)) * np.log(DAYS_PER_WEEK)


# Sources: Fader, Hardie, Lee (2005), Marketing Science 24(2), doi:10.1287/mksc.1040.0098 (BG/NBD, Pareto/NBD);
# tests of the R package CLVTools (Pareto/NBD); Batislam, Denizel, Filiztekin (2007), IJRM 24(3) and the R package
# BTYDplus (MBG/NBD, its log-likelihood recomputed).
PUBLISHED = {
    "bg_nbd": ((0.2426, 4.4136, 0.7929, 2.4259), -9582.429),
    "mbg_nbd": ((0.525, 6.183, 0.891, 1.614), -9582.136),
    "pareto_nbd": ((0.5533, 10.578, 0.6062, 11.669), -9594.976),
}


@pytest.mark.parametrize("model", MODELS)
def test_published_parameters_of_cdnow(model, cdnow):
    found = fit(model, cdnow["frequency"], cdnow["recency"], cdnow["T"])
    params, log_likelihood = in_weeks(model, found, cdnow["frequency"])
    published, published_log_likelihood = PUBLISHED[model]
    assert params == pytest.approx(published, rel=0.005)
    assert log_likelihood == pytest.approx(published_log_likelihood, abs=0.01)
    assert found.converged
    assert not any(found.at_bound + found.undetermined)


def test_published_spend_parameters_of_cdnow(cdnow):
    """Fader, Hardie (2013), http://brucehardie.com/notes/025/: 946 repeat buyers."""
    buyers = cdnow[cdnow["frequency"] > 0]
    assert len(buyers) == 946
    rows, _, weights = unique_rows(buyers["frequency"], buyers["monetary_value"])
    found = fit_spend(rows, weights, fit_with_lifetimes)
    assert found.params == pytest.approx((6.25, 3.74, 15.44), rel=0.005)
    assert found.log_likelihood == pytest.approx(-4055.92, abs=0.01)
    assert found.converged


@pytest.mark.parametrize("model", MODELS)
def test_weights_are_exploded_rows(model, cdnow):
    """One likelihood per unique history times its count is the sum over all customers, and so is the fit."""
    some = cdnow.iloc[:600]
    columns = [some[name].to_numpy(float) for name in ("frequency", "recency", "T")]
    rows, _, weights = unique_rows(*columns)
    assert len(weights) < len(some)
    collapsed = fit_purchases(model, rows, weights, fit_with_lifetimes)
    exploded = fit_purchases(model, columns, np.ones(len(some), dtype=np.int64), fit_with_lifetimes)
    assert collapsed.log_likelihood == pytest.approx(exploded.log_likelihood, abs=1e-6)
    assert collapsed.params == pytest.approx(exploded.params, rel=1e-3)
    total = PURCHASE_MODELS[model].log_likelihood(collapsed.params, *columns).sum()
    assert total == pytest.approx(collapsed.log_likelihood, abs=1e-8)


def standard_errors(model, params, columns):
    """Standard errors of the logarithms of the parameters, from the customers' own gradients."""
    step = 1e-4
    gradients = []
    for i in range(4):
        up, down = (
            PURCHASE_MODELS[model].log_likelihood(
                [p * np.exp(s * step * (j == i)) for j, p in enumerate(params)], *columns
            )
            for s in (1, -1)
        )
        gradients.append((up - down) / (2 * step))
    gradients = np.array(gradients)
    return np.sqrt(np.diag(np.linalg.inv(gradients @ gradients.T)))


TRUTH = {
    "bg_nbd": (0.5, 30.0, 0.8, 2.5),
    "mbg_nbd": (0.8, 40.0, 0.6, 2.0),
    "pareto_nbd": (0.55, 60.0, 0.6, 80.0),
}


@pytest.mark.parametrize("model", MODELS)
def test_truth_of_a_simulated_market_is_recovered(model, simulate):
    rng = np.random.default_rng(20240501)
    columns = simulate(model, TRUTH[model], rng.uniform(100, 700, 8000), rng)
    found = fit(model, *columns)
    errors = standard_errors(model, TRUTH[model], columns)
    z = np.log(np.array(found.params) / TRUTH[model]) / errors
    # four standard errors for each of 12 parameters: one market in a thousand would fail by chance
    assert np.all(np.abs(z) < 4)
    assert np.all(errors < 0.25)  # or the test would accept anything
    truth = PURCHASE_MODELS[model].log_likelihood(TRUTH[model], *columns).sum()
    # twice the difference is chi-squared with 4 degrees of freedom; 23.5 is its 99.99 % point
    assert 0 <= found.log_likelihood - truth < 23.5 / 2


def test_forecast_of_a_simulated_market(simulate):
    """Total purchases of the next year, drawn from the same customers, lie within the noise of the forecast."""
    rng = np.random.default_rng(7)
    n, calibration, horizon = 8000, 300.0, 200.0
    r, alpha, a, b = TRUTH["mbg_nbd"]
    rate, p_leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    x, t_x, after = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        now, active = 0.0, rng.random() >= p_leave[i]
        while active:
            now += rng.exponential(1 / rate[i])
            if now > calibration + horizon:
                break
            if now <= calibration:
                x[i], t_x[i] = x[i] + 1, now
            else:
                after[i] += 1
            active = rng.random() >= p_leave[i]
    T = np.full(n, calibration)
    found = fit("mbg_nbd", x, t_x, T)
    expected = PURCHASE_MODELS["mbg_nbd"].expected_purchases(found.params, x, t_x, T, horizon)
    assert abs(expected.sum() - after.sum()) < 4 * np.sqrt(n) * (after - expected).std()
    by_size = np.argsort(expected)
    top = by_size[-n // 10 :]
    assert abs(expected[top].sum() - after[top].sum()) < 4 * np.sqrt(len(top)) * (after - expected)[top].std()


# --- agreement with lifetimes itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_our_likelihood_and_forecast_are_those_of_lifetimes(model, cdnow):
    params = {
        "bg_nbd": (0.2426, 30.9, 0.7929, 2.4259),
        "mbg_nbd": (0.525, 43.3, 0.891, 1.614),
        "pareto_nbd": (0.5533, 74.0, 0.6062, 81.7),
    }[model]
    names, functions = PURCHASE_MODELS[model].parameters, PURCHASE_MODELS[model]
    x, t_x, T = (cdnow[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    with _lifetimes._fenced():
        import lifetimes

        fitter = {
            "bg_nbd": lifetimes.BetaGeoFitter,
            "mbg_nbd": lifetimes.ModifiedBetaGeoFitter,
            "pareto_nbd": lifetimes.ParetoNBDFitter,
        }[model]()
        fitter.params_ = dict(zip(names, params, strict=True))
        scale = np.array(params) if model == "pareto_nbd" else np.log(params)
        mean = fitter._negative_log_likelihood(scale, x, t_x, T, np.ones(len(x)), 0.0)
        total = -float(mean) * (1 if model == "pareto_nbd" else len(x))
        purchases = fitter.conditional_expected_number_of_purchases_up_to_time(365, x, t_x, T)
        p_alive = fitter.conditional_probability_alive(x, t_x, T)
    assert functions.log_likelihood(params, x, t_x, T).sum() == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(functions.expected_purchases(params, x, t_x, T, 365), purchases, rtol=1e-8)
    np.testing.assert_allclose(functions.p_alive(params, x, t_x, T), p_alive, rtol=1e-8)


def test_our_spend_likelihood_is_that_of_lifetimes(cdnow):
    buyers = cdnow[cdnow["frequency"] > 0]
    x, mean_spend = buyers["frequency"].to_numpy(float), buyers["monetary_value"].to_numpy(float)
    with _lifetimes._fenced():
        import lifetimes

        mean = lifetimes.GammaGammaFitter._negative_log_likelihood(
            np.log([6.25, 3.74, 15.44]), x, mean_spend, np.ones(len(x)), 0.0
        )
    assert spend_log_likelihood((6.25, 3.74, 15.44), x, mean_spend).sum() == pytest.approx(-float(mean) * len(x))


# --- degenerate data -------------------------------------------------------------------------------------------------


def poisson(n, rate, rng):
    """Customers who all buy at the same rate and never leave."""
    T = rng.uniform(50, 300, n)
    times = [np.sort(rng.uniform(0, t, rng.poisson(rate * t))) for t in T]
    return np.array([len(t) for t in times], float), np.array([t[-1] if len(t) else 0.0 for t in times]), T


def degenerate():
    rng = np.random.default_rng(3)
    T = rng.uniform(30, 700, 60)
    heavy = (np.array([0.0, 1, 2, 0, 5, 0, 1, 10_000]), np.array([0.0, 5, 90, 0, 300, 0, 7, 690]), np.full(8, 700.0))
    return {
        "one customer": (np.array([3.0]), np.array([40.0]), np.array([90.0])),
        "all alike": poisson(60, 0.05, rng),
        "all left at once": (np.ones(60), np.full(60, 1.0), T),
        "one heavy buyer": heavy,
        "one repeater": (np.r_[1.0, np.zeros(59)], np.r_[20.0, np.zeros(59)], T),
        "two customers": (np.array([3.0, 0]), np.array([40.0, 0]), np.array([90.0, 5])),
        "all bought on the last day": (np.ones(60), T, T),
        "perfectly regular": (np.floor(T / 30), np.floor(T / 30) * 30, T),
        "most are new": tuple(np.r_[np.zeros(50), some] for some in (np.full(10, 2.0), T[50:] / 2, T[50:])),
        "seconds": (heavy[0], heavy[1] * 86_400, heavy[2] * 86_400),
        "years": (heavy[0], heavy[1] / 365, heavy[2] / 365),
    }


# All of them for the default model, the first four for the others.
CASES = [(name, "mbg_nbd") for name in degenerate()]
CASES += [(name, model) for name in list(degenerate())[:4] for model in ("bg_nbd", "pareto_nbd")]


@pytest.mark.parametrize(("name", "model"), CASES)
def test_degenerate_data_give_finite_forecasts_and_say_so(name, model):
    x, t_x, T = degenerate()[name]
    functions, found = PURCHASE_MODELS[model], fit(model, x, t_x, T)
    assert np.isfinite(found.log_likelihood)
    assert found.log_likelihood == pytest.approx(functions.log_likelihood(found.params, x, t_x, T).sum())
    p_alive = functions.p_alive(found.params, x, t_x, T)
    assert np.all((p_alive >= 0) & (p_alive <= 1))
    soon, later = (functions.expected_purchases(found.params, x, t_x, T, h * T.max()) for h in (0.5, 1.0))
    assert np.all(np.isfinite(later))
    assert np.all((soon >= 0) & (soon <= later * (1 + 1e-6)))
    if name not in ("one heavy buyer", "seconds", "years"):
        assert any(found.at_bound + found.undetermined)


def test_customers_who_are_alike_are_forecast_at_their_common_rate():
    """Homogeneous Poisson buyers: the fit says so, and continues the common rate."""
    x, t_x, T = poisson(400, 0.05, np.random.default_rng(0))
    found = fit("mbg_nbd", x, t_x, T)
    assert found.at_bound[0] or found.params[0] > 30
    forecast = PURCHASE_MODELS["mbg_nbd"].expected_purchases(found.params, x, t_x, T, 100.0)
    assert forecast.sum() == pytest.approx(400 * 0.05 * 100, rel=0.05)


def test_result_does_not_depend_on_chance_or_order(cdnow):
    some = cdnow.iloc[:300]
    np.random.seed(1)  # noqa: NPY002  (lifetimes would start the Pareto/NBD from this)
    first = fit("pareto_nbd", some["frequency"], some["recency"], some["T"])
    np.random.seed(2)  # noqa: NPY002
    shuffled = some.sample(frac=1, random_state=0)
    assert fit("pareto_nbd", shuffled["frequency"], shuffled["recency"], shuffled["T"]) == first


# --- when the engine fails -------------------------------------------------------------------------------------------


def test_an_engine_that_stops_short_is_brought_to_the_maximum(cdnow):
    """Whatever the engine proposes, our likelihood decides."""
    rows, _, weights = unique_rows(cdnow["frequency"], cdnow["recency"], cdnow["T"])
    found = fit_purchases("bg_nbd", rows, weights, lambda model, data, weights, start, bounds: tuple(start))
    params, log_likelihood = in_weeks("bg_nbd", found, cdnow["frequency"])
    assert params == pytest.approx(PUBLISHED["bg_nbd"][0], rel=0.005)
    assert log_likelihood == pytest.approx(PUBLISHED["bg_nbd"][1], abs=0.01)


def test_an_engine_that_returns_nan_is_ignored(cdnow):
    buyers = cdnow[cdnow["frequency"] > 0]
    rows, _, weights = unique_rows(buyers["frequency"], buyers["monetary_value"])
    found = fit_spend(rows, weights, lambda *arguments: (np.nan,) * 3)
    assert found.params == pytest.approx((6.25, 3.74, 15.44), rel=0.005)


def test_data_beyond_floating_point_are_a_diagnosis():
    with pytest.raises(FitError, match="cannot be computed"):
        fit_spend((np.array([1.0, 2.0]), np.array([1e-300, 1e300])), np.array([1, 1]), lambda *arguments: (np.nan,) * 3)


def test_objective_that_cannot_be_computed_counts_as_hopeless():
    """lifetimes' own Pareto/NBD likelihood overflows here; the optimiser must walk away, not stop."""
    x, t_x, T = np.array([0.0, 500.0]), np.array([0.0, 0.9]), np.array([1.0, 1.0])
    found = fit_with_lifetimes(
        "pareto_nbd", (x, t_x, T), np.array([1, 1]), np.log([0.5, 1e-4, 0.5, 50.0]), [(-18, 18)] * 4
    )
    assert np.all(np.isfinite(found))
    assert HOPELESS == _lifetimes.HOPELESS
