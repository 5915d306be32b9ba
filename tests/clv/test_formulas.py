"""Published numbers, integration over the customers' hidden rates, and properties of the formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import beta as beta_distribution
from scipy.stats import gamma as gamma_distribution

from segmentation.clv._formulas import (
    PURCHASE_MODELS,
    expected_spend,
    population_spend,
    spend_log_likelihood,
    unique_rows,
)

BG, MBG, PARETO = (PURCHASE_MODELS[name] for name in ("bg_nbd", "mbg_nbd", "pareto_nbd"))
MODELS = sorted(PURCHASE_MODELS)


def scalar(array):
    assert array.shape == (1,)
    return float(array[0])


# --- published numbers -----------------------------------------------------------------------------------------------


def test_bg_nbd_numeric_points():
    """Fader, Hardie: Overcoming the BG/NBD model's #NUM! error, http://brucehardie.com/notes/027/."""
    values = BG.log_likelihood((0.25, 4.0, 0.8, 2.5), [0, 200], [0, 38], [40, 40])
    assert values == pytest.approx([-0.59947, 100.7957], abs=5e-5)


@pytest.mark.parametrize(("weeks", "expected"), [(0.1429, 0.0078), (1, 0.0532), (3, 0.1506)])
def test_bg_nbd_unconditional_purchases(weeks, expected):
    """E[X(t)] of Fader, Hardie, Lee (2005), Marketing Science 24(2), with the parameters fitted to CDNOW."""
    new_customer = BG.expected_purchases((0.2426, 4.4136, 0.7929, 2.4259), 0, 0, 0, weeks)
    assert scalar(new_customer) == pytest.approx(expected, abs=5e-5)


def test_bg_nbd_conditional_purchases():
    """Customer with x = 2, t_x = 30.43, T = 38.86 over 39 weeks: 1.226 (same source)."""
    value = BG.expected_purchases((0.2426, 4.4136, 0.7929, 2.4259), 2, 30.43, 38.86, 39)
    assert scalar(value) == pytest.approx(1.226, abs=5e-4)


def test_pareto_nbd_does_not_underflow():
    """Reference values in the tests of lifetimes 0.11.3 (test_estimation.py)."""
    values = PARETO.expected_purchases((0.55, 10.58, 0.61, 11.67), [132, 133], 200, 200, 10)
    assert values == pytest.approx([6.2061, 6.2529], abs=5e-5)


HEAVY = (
    np.array([221.0, 254.0, 161.0, 204.0]),
    np.array([103.42857, 97.14286, 94.71429, 98.57143]),
    np.array([103.57143, 97.28571, 98.0, 99.42857]),
)


def test_heavy_buyers_stay_finite():
    """Heavy buyers for whom CLVTools once returned NaN (its test "Can calculate numerically stable PAlive")."""
    params = (0.5143, 2.8845, 0.2856, 14.1087)
    assert np.all(np.isfinite(PARETO.log_likelihood(params, *HEAVY)))
    assert np.all(PARETO.p_alive(params, *HEAVY) > 0.7)
    assert np.all(np.isfinite(PARETO.expected_purchases(params, *HEAVY, 52)))


def test_gamma_gamma_conditional_means():
    """Expected spend of the first ten CDNOW customers, http://brucehardie.com/notes/025/."""
    x = [2, 1, 0, 0, 0, 7, 1, 0, 2, 0]
    mean_spend = [22.35, 11.77, 0, 0, 0, 73.74, 11.77, 0, 25.55, 0]
    published = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    assert expected_spend((6.25, 3.74, 15.44), x, mean_spend) == pytest.approx(published, abs=0.1)


# --- the mixture, integrated numerically -----------------------------------------------------------------------------


def gamma_nodes(shape, rate, n=1500):
    """Nodes and weights of the trapezoidal rule in log(lambda), for lambda ~ Gamma(shape, rate)."""
    y = np.linspace(np.log(shape / rate) - 45 / shape, np.log((shape + 90) / rate), n)
    return np.exp(y), gamma_distribution(shape, scale=1 / rate).pdf(np.exp(y)) * np.exp(y) * (y[1] - y[0])


def beta_nodes(a, b, n=1500):
    """Nodes and weights of the trapezoidal rule in log(p / (1 - p)), for p ~ Beta(a, b)."""
    y = np.linspace(np.log(a / b) - 45 / a, np.log(a / b) + 45 / b, n)
    p = expit(y)
    return p, beta_distribution(a, b).pdf(p) * p * expit(-y) * (y[1] - y[0])


def average(function, *distributions):
    """E[function(...)] over one or two independent hidden rates."""
    nodes = np.meshgrid(*(d[0] for d in distributions), indexing="ij")
    weights = np.prod(np.meshgrid(*(d[1] for d in distributions), indexing="ij"), axis=0)
    return float(np.sum(function(*nodes) * weights))


HISTORIES = [(0, 0.0, 30.0), (1, 5.0, 30.0), (3, 20.0, 26.0), (12, 29.0, 30.0)]


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize(("model", "first_may_leave"), [(BG, 0), (MBG, 1)], ids=["bg", "mbg"])
def test_bg_family_is_the_mixture(model, first_may_leave, history):
    """Purchases at rate lambda, leaving with probability p after each: average the customer's own figures.

    An active customer buys (1 - exp(-lambda p t)) / p more times in t.
    """
    r, alpha, a, b = params = (1.3, 9.0, 1.4, 2.2)
    x, t_x, T = history
    rates, leaving = gamma_nodes(r, alpha), beta_nodes(a, b)
    chances = x + first_may_leave  # to leave, so far
    active = average(lambda v, p: v**x * np.exp(-v * T) * (1 - p) ** chances, rates, leaving)
    left = 0.0
    if chances:
        left = average(lambda v, p: v**x * np.exp(-v * t_x) * p * (1 - p) ** (chances - 1), rates, leaving)
    bought = average(
        lambda v, p: v**x * np.exp(-v * T) * (1 - p) ** chances * -np.expm1(-v * p * 20) / p, rates, leaving
    )
    assert scalar(model.log_likelihood(params, *history)) == pytest.approx(math.log(active + left), rel=1e-9)
    assert scalar(model.p_alive(params, *history)) == pytest.approx(active / (active + left), rel=1e-9)
    assert scalar(model.expected_purchases(params, *history, 20)) == pytest.approx(bought / (active + left), rel=1e-9)


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize(
    "params", [(1.3, 9.0, 1.2, 14.0), (1.3, 14.0, 1.0, 9.0), (0.9, 7.0, 0.6, 7.0)], ids=["alpha<beta", "s=1", "equal"]
)
def test_pareto_nbd_is_the_mixture(params, history):
    """Purchases at rate lambda, leaving at rate mu: average the customer's own likelihood and forecast."""
    r, alpha, s, beta = params
    x, t_x, T = history
    hidden = gamma_nodes(r, alpha), gamma_nodes(s, beta)
    active = average(lambda v, m: v**x * np.exp(-(v + m) * T), *hidden)
    left = average(lambda v, m: v**x * m / (v + m) * np.exp(-(v + m) * t_x) * -np.expm1(-(v + m) * (T - t_x)), *hidden)
    bought = average(lambda v, m: v ** (x + 1) * np.exp(-(v + m) * T) * -np.expm1(-m * 20) / m, *hidden)
    assert scalar(PARETO.log_likelihood(params, *history)) == pytest.approx(math.log(active + left), rel=1e-9)
    assert scalar(PARETO.p_alive(params, *history)) == pytest.approx(active / (active + left), rel=1e-9)
    assert scalar(PARETO.expected_purchases(params, *history, 20)) == pytest.approx(bought / (active + left), rel=1e-9)


def test_gamma_gamma_is_the_mixture():
    """Mean of x gamma(p, nu) purchases with nu ~ Gamma(q, v): average over nu, also its expectation p / nu."""
    p, q, v = params = (3.2, 2.7, 40.0)
    x, mean_spend = 4, 31.0
    rates = gamma_nodes(q, v)

    def density(nu):
        return gamma_distribution(p * x, scale=1 / (nu * x)).pdf(mean_spend)

    likelihood = average(density, rates)
    spend = average(lambda nu: density(nu) * p / nu, rates) / likelihood
    assert scalar(spend_log_likelihood(params, x, mean_spend)) == pytest.approx(math.log(likelihood), rel=1e-9)
    assert scalar(expected_spend(params, x, mean_spend)) == pytest.approx(spend, rel=1e-9)
    assert population_spend(params) == pytest.approx(average(lambda nu: p / nu, rates), rel=1e-9)


# --- properties ------------------------------------------------------------------------------------------------------

shapes = st.floats(0.02, 50)
times = st.floats(0.5, 500)
histories = st.tuples(
    st.one_of(st.just(0), st.integers(1, 30), st.integers(200, 10_000)), st.floats(0.001, 1), st.floats(1, 2000)
).map(lambda drawn: (drawn[0], drawn[1] * drawn[2] if drawn[0] else 0.0, drawn[2]))


def parameters(model, first, time, third, fourth):
    return (first, time, third, fourth * time if PURCHASE_MODELS[model].in_time[3] else fourth)


@pytest.mark.parametrize("model", MODELS)
@settings(deadline=None, max_examples=60)
@given(shapes, times, shapes, shapes, histories, st.floats(0.01, 3000))
def test_predictions_stay_in_range(model, first, time, third, fourth, history, horizon):
    functions, params = PURCHASE_MODELS[model], parameters(model, first, time, third, fourth)
    x, _, T = history
    assert np.isfinite(scalar(functions.log_likelihood(params, *history)))
    p_alive = scalar(functions.p_alive(params, *history))
    assert 0 <= p_alive <= 1
    soon, later, never = (
        scalar(functions.expected_purchases(params, *history, h)) for h in (horizon, 2 * horizon, 1e-9)
    )
    assert 0 <= soon <= later * (1 + 1e-6)
    # nobody can be expected to buy more often than an active customer who never leaves
    assert later <= (first + x) * 2 * horizon / (time + T) * (1 + 1e-6)
    assert never <= (first + x) * 1e-9 / time * (1 + 1e-6)


@pytest.mark.parametrize("model", MODELS)
@settings(deadline=None, max_examples=40)
@given(shapes, times, shapes, shapes, histories, st.floats(0.01, 100))
def test_change_of_the_time_unit(model, first, time, third, fourth, history, factor):
    functions, params = PURCHASE_MODELS[model], parameters(model, first, time, third, fourth)
    x, t_x, T = history
    scaled = functions.rescale(params, factor)
    assert scaled[0] == params[0]
    assert scaled[1] == pytest.approx(params[1] * factor)
    before = scalar(functions.log_likelihood(params, x, t_x, T))
    after = scalar(functions.log_likelihood(scaled, x, t_x * factor, T * factor))
    assert after == pytest.approx(before - x * math.log(factor), rel=1e-8, abs=1e-8)
    expected = scalar(functions.expected_purchases(params, x, t_x, T, 30.0))
    rescaled = scalar(functions.expected_purchases(scaled, x, t_x * factor, T * factor, 30.0 * factor))
    assert rescaled == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_probabilities_of_no_purchase_and_of_the_first_time_sum_to_one(model):
    """No repeat purchase by T, or the first one at some t: the likelihood of (1, t, t) is the density of t."""
    functions, T = PURCHASE_MODELS[model], 30.0
    params = (1.3, 9.0, 1.4, 2.2 if model != "pareto_nbd" else 14.0)
    none = math.exp(scalar(functions.log_likelihood(params, 0, 0, T)))
    first = quad(lambda t: math.exp(scalar(functions.log_likelihood(params, 1, t, t))), 0, T)[0]
    assert none + first == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("x", [10_000, 100_000])
@pytest.mark.parametrize("model", MODELS)
def test_ten_thousand_purchases(model, x):
    functions = PURCHASE_MODELS[model]
    params = (0.6, 9.0, 0.8, 2.0 if model != "pareto_nbd" else 30.0)
    for t_x in (1.0, 500.0, 729.9, 730.0):
        values = [
            functions.log_likelihood(params, x, t_x, 730.0),
            functions.p_alive(params, x, t_x, 730.0),
            functions.expected_purchases(params, x, t_x, 730.0, 365.0),
        ]
        assert np.all(np.isfinite(values))


def test_bg_nbd_is_certain_about_one_time_buyers():
    """In the BG/NBD nobody leaves before a repeat purchase; in the MBG/NBD that is possible."""
    params = (0.25, 30.0, 0.8, 2.5)
    assert scalar(BG.p_alive(params, 0, 0, 1000)) == 1.0
    assert scalar(MBG.p_alive(params, 0, 0, 1000)) < 0.7


def test_spend_without_a_finite_mean_uses_the_fallback():
    assert population_spend((6.0, 0.9, 10.0)) == math.inf
    values = expected_spend((0.05, 0.3, 10.0), [0, 1, 1000], [0.0, 80.0, 80.0], fallback=20.0)
    assert values[0] == 20.0
    assert 20 < values[1] < values[2] < 80


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_unique_rows_are_the_input(rows):
    columns = np.array(rows, dtype=float).T
    unique, inverse, counts = unique_rows(*columns)
    assert counts.sum() == len(rows)
    assert len(counts) == len(set(rows))
    for column, values in zip(columns, unique, strict=True):
        np.testing.assert_array_equal(values[inverse], column)
