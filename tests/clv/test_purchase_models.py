"""Published numbers, integration over hidden rates, properties, and simulation of the purchase models."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import beta as beta_distribution
from scipy.stats import gamma as gamma_distribution

from segmentation.clv import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, _lifetimes
from segmentation.clv._rows import unique_rows
from segmentation.exceptions import CustomerTableError

MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]
ORDINARY = {
    BetaGeoNBD: (1.3, 9.0, 1.4, 2.2),
    ModifiedBetaGeoNBD: (1.3, 9.0, 1.4, 2.2),
    ParetoNBD: (1.3, 9.0, 1.4, 14.0),
}
every_model = pytest.mark.parametrize("model", MODELS)


def make(model, *params):
    return model.from_params(*(params or ORDINARY[model]))


def scalar(array):
    assert array.shape == (1,)
    return float(array[0])


# --- published numbers -----------------------------------------------------------------------------------------------


def test_bg_nbd_numeric_points():
    """Fader, Hardie: Overcoming the BG/NBD model's #NUM! error, http://brucehardie.com/notes/027/."""
    model = make(BetaGeoNBD, 0.25, 4.0, 0.8, 2.5)
    assert model.log_likelihood(0, 0, 40) == pytest.approx(-0.59947, abs=5e-6)
    assert model.log_likelihood(200, 38, 40) == pytest.approx(100.7957, abs=5e-5)


def test_bg_nbd_unconditional_purchases():
    """E[X(t)] of Fader, Hardie, Lee (2005), Marketing Science 24(2), with the parameters fitted to CDNOW."""
    curve = make(BetaGeoNBD, 0.2426, 4.4136, 0.7929, 2.4259).expected_purchases_new_customer([0.1429, 1, 3])
    assert curve == pytest.approx([0.0078, 0.0532, 0.1506], abs=5e-5)


def test_bg_nbd_conditional_purchases():
    """Customer with x = 2, t_x = 30.43, T = 38.86 over 39 weeks: 1.226 (same source)."""
    model = make(BetaGeoNBD, 0.2426, 4.4136, 0.7929, 2.4259)
    assert scalar(model.expected_purchases(39, 2, 30.43, 38.86)) == pytest.approx(1.226, abs=5e-4)


def test_pareto_nbd_does_not_underflow():
    """Reference values in the tests of lifetimes 0.11.3 (test_estimation.py)."""
    values = make(ParetoNBD, 0.55, 10.58, 0.61, 11.67).expected_purchases(10, [132, 133], 200, 200)
    assert values == pytest.approx([6.2061, 6.2529], abs=5e-5)


def test_heavy_buyers_stay_finite():
    """Heavy buyers for whom CLVTools once returned NaN (its test "Can calculate numerically stable PAlive")."""
    model = make(ParetoNBD, 0.5143, 2.8845, 0.2856, 14.1087)
    heavy = [221, 254, 161, 204], [103.42857, 97.14286, 94.71429, 98.57143], [103.57143, 97.28571, 98.0, 99.42857]
    assert np.isfinite(model.log_likelihood(*heavy))
    assert np.all(model.p_alive(*heavy) > 0.7)
    assert np.all(np.isfinite(model.expected_purchases(52, *heavy)))


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
@pytest.mark.parametrize(("model", "first_may_leave"), [(BetaGeoNBD, 0), (ModifiedBetaGeoNBD, 1)])
def test_bg_family_is_the_mixture(model, first_may_leave, history):
    """Purchases at rate lambda, leaving with probability p after each: average the customer's own figures.

    An active customer buys (1 - exp(-lambda p t)) / p more times in t.
    """
    r, alpha, a, b = ORDINARY[model]
    fitted = make(model)
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
    silent = average(lambda v, p: v**x * np.exp(-v * (T + 20)) * (1 - p) ** chances, rates, leaving)
    assert fitted.log_likelihood(*history) == pytest.approx(math.log(active + left), rel=1e-9)
    assert scalar(fitted.p_alive(*history)) == pytest.approx(active / (active + left), rel=1e-9)
    assert scalar(fitted.expected_purchases(20, *history)) == pytest.approx(bought / (active + left), rel=1e-9)
    none = (silent + left) / (active + left)
    assert scalar(fitted.probability_of_purchases(0, 20, *history)) == pytest.approx(none, rel=1e-9)
    assert scalar(fitted.next_purchase(20, *history).probability) == pytest.approx(1 - none, rel=1e-9)


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize(
    "params", [(1.3, 9.0, 1.2, 14.0), (1.3, 14.0, 1.0, 9.0), (0.9, 7.0, 0.6, 7.0)], ids=["alpha<beta", "s=1", "equal"]
)
def test_pareto_nbd_is_the_mixture(params, history):
    """Purchases at rate lambda, leaving at rate mu: average the customer's own likelihood and forecast."""
    r, alpha, s, beta = params
    fitted = make(ParetoNBD, *params)
    x, t_x, T = history
    hidden = gamma_nodes(r, alpha), gamma_nodes(s, beta)
    active = average(lambda v, m: v**x * np.exp(-(v + m) * T), *hidden)
    left = average(lambda v, m: v**x * m / (v + m) * np.exp(-(v + m) * t_x) * -np.expm1(-(v + m) * (T - t_x)), *hidden)
    bought = average(lambda v, m: v ** (x + 1) * np.exp(-(v + m) * T) * -np.expm1(-m * 20) / m, *hidden)
    buys = average(lambda v, m: v**x * np.exp(-(v + m) * T) * v / (v + m) * -np.expm1(-(v + m) * 20), *hidden)
    ever = average(lambda v, m: v**x * np.exp(-(v + m) * T) * v / (v + m), *hidden)
    total = active + left
    assert fitted.log_likelihood(*history) == pytest.approx(math.log(total), rel=1e-9)
    assert scalar(fitted.p_alive(*history)) == pytest.approx(active / total, rel=1e-9)
    assert scalar(fitted.expected_purchases(20, *history)) == pytest.approx(bought / total, rel=1e-9)
    assert scalar(fitted.next_purchase(20, *history).probability) == pytest.approx(buys / total, rel=1e-9)
    assert scalar(fitted.probability_of_purchases(0, 20, *history)) == pytest.approx(1 - buys / total, rel=1e-9)
    assert scalar(fitted.next_purchase(np.inf, *history).probability) == pytest.approx(ever / total, rel=1e-9)


# --- lifetimes, where it is exact ------------------------------------------------------------------------------------


@every_model
def test_likelihood_and_forecast_are_those_of_lifetimes(model, cdnow):
    params = {
        BetaGeoNBD: (0.2426, 30.9, 0.7929, 2.4259),
        ModifiedBetaGeoNBD: (0.525, 43.3, 0.891, 1.614),
        ParetoNBD: (0.5533, 74.0, 0.6062, 81.7),
    }[model]
    x, t_x, T = (cdnow[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    with _lifetimes._fenced():
        import lifetimes

        fitter = {
            BetaGeoNBD: lifetimes.BetaGeoFitter,
            ModifiedBetaGeoNBD: lifetimes.ModifiedBetaGeoFitter,
            ParetoNBD: lifetimes.ParetoNBDFitter,
        }[model]()
        fitter.params_ = dict(zip(model.parameters, params, strict=True))
        scale = np.array(params) if model is ParetoNBD else np.log(params)
        mean = fitter._negative_log_likelihood(scale, x, t_x, T, np.ones(len(x)), 0.0)
        total = -float(mean) * (1 if model is ParetoNBD else len(x))
        purchases = fitter.conditional_expected_number_of_purchases_up_to_time(365, x, t_x, T)
        p_alive = fitter.conditional_probability_alive(x, t_x, T)
        new = None
        if model is not ParetoNBD:
            new = [float(fitter.expected_number_of_purchases_up_to_time(t)) for t in (7.0, 365.0)]
    ours = make(model, *params)
    assert ours.log_likelihood(x, t_x, T) == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(ours.expected_purchases(365, x, t_x, T), purchases, rtol=1e-8)
    np.testing.assert_allclose(ours.p_alive(x, t_x, T), p_alive, rtol=1e-8)
    if new is not None:
        assert ours.expected_purchases_new_customer([7.0, 365.0]) == pytest.approx(new, rel=1e-8)


# --- properties ------------------------------------------------------------------------------------------------------

shapes = st.floats(0.02, 50)
times = st.floats(0.5, 500)
histories = st.tuples(
    st.one_of(st.just(0), st.integers(1, 30), st.integers(200, 10_000)), st.floats(0.001, 1), st.floats(1, 2000)
).map(lambda drawn: (drawn[0], drawn[1] * drawn[2] if drawn[0] else 0.0, drawn[2]))


def drawn_model(model, first, time, third, fourth):
    return make(model, first, time, third, fourth * time if model.in_time[3] else fourth)


@every_model
@settings(deadline=None, max_examples=50)
@given(shapes, times, shapes, shapes, histories, st.floats(0.01, 3000))
def test_predictions_stay_in_range(model, first, time, third, fourth, history, horizon):
    fitted = drawn_model(model, first, time, third, fourth)
    x, _, T = history
    assert np.isfinite(fitted.log_likelihood(*history))
    p_alive = scalar(fitted.p_alive(*history))
    assert 0 <= p_alive <= 1
    soon, later, never = (scalar(fitted.expected_purchases(h, *history)) for h in (horizon, 2 * horizon, 1e-9))
    assert 0 <= soon <= later * (1 + 1e-6)
    # nobody can be expected to buy more often than an active customer who never leaves
    assert later <= (first + x) * 2 * horizon / (time + T) * (1 + 1e-6)
    assert never <= (first + x) * 1e-9 / time * (1 + 1e-6)
    assert scalar(fitted.expected_purchases(0, *history)) == 0
    coming = fitted.next_purchase(horizon, *history)
    assert 0 <= scalar(coming.probability) <= min(p_alive, soon) * (1 + 1e-6)
    assert 0 <= scalar(coming.low) <= scalar(coming.median) <= scalar(coming.high) <= horizon * (1 + 1e-9)
    none = scalar(fitted.probability_of_purchases(0, horizon, *history))
    assert scalar(coming.probability) == pytest.approx(1 - none, abs=1e-9)


@every_model
@settings(deadline=None, max_examples=30)
@given(shapes, times, shapes, shapes, histories, st.floats(0.01, 100))
def test_change_of_the_time_unit(model, first, time, third, fourth, history, factor):
    fitted = drawn_model(model, first, time, third, fourth)
    x, t_x, T = history
    scaled = fitted.rescaled(factor)
    for name, timed in zip(model.parameters, model.in_time, strict=True):
        assert scaled.params_[name] == pytest.approx(fitted.params_[name] * (factor if timed else 1), rel=1e-14)
    before = fitted.log_likelihood(x, t_x, T)
    after = scaled.log_likelihood(x, t_x * factor, T * factor)
    assert after == pytest.approx(before - x * math.log(factor), rel=1e-8, abs=1e-8)
    expected = scalar(fitted.expected_purchases(30.0, x, t_x, T))
    rescaled = scalar(scaled.expected_purchases(30.0 * factor, x, t_x * factor, T * factor))
    assert rescaled == pytest.approx(expected, rel=1e-6, abs=1e-12)


@every_model
@pytest.mark.parametrize(
    ("horizon", "history", "many"),
    [(20, (0, 0, 0), 200), (20, (3, 20.0, 26.0), 200), (10, (300, 190.0, 200.0), 200), (3, (10_000, 700, 701), 400)],
)
def test_probabilities_of_purchases_sum_to_one_with_the_right_mean(model, horizon, history, many):
    """Narrow peaks of heavy buyers included."""
    n = np.arange(many)
    fitted = make(model)
    probabilities = fitted.probability_of_purchases(n, horizon, *history)[0]
    assert probabilities.sum() == pytest.approx(1, abs=1e-9)
    assert probabilities @ n == pytest.approx(scalar(fitted.expected_purchases(horizon, *history)), rel=1e-7)


@every_model
def test_density_of_the_first_purchase_integrates_to_its_probability(model):
    """No repeat purchase by T, or the first one at some t: the likelihood of (1, t, t) is the density of t."""
    fitted, T = make(model), 30.0
    none = math.exp(fitted.log_likelihood(0, 0, T))
    first = quad(lambda t: math.exp(fitted.log_likelihood(1, t, t)), 0, T)[0]
    assert none + first == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("x", [10_000, 100_000])
@every_model
def test_ten_thousand_purchases(model, x):
    fitted = make(model, 0.6, 9.0, 0.8, 30.0 if model is ParetoNBD else 2.0)
    t_x = np.array([1.0, 500.0, 729.9, 730.0])
    assert np.isfinite(fitted.log_likelihood(x, t_x, 730.0))
    assert np.all(np.diff(fitted.p_alive(x, t_x, 730.0)) >= 0)
    assert np.all(np.isfinite(fitted.expected_purchases(365.0, x, t_x, 730.0)))


def test_bg_nbd_is_certain_about_one_time_buyers():
    """In the BG/NBD nobody leaves before a repeat purchase; in the MBG/NBD that is possible."""
    params = (0.25, 30.0, 0.8, 2.5)
    assert scalar(make(BetaGeoNBD, *params).p_alive(0, 0, 1000)) == 1.0
    assert scalar(make(ModifiedBetaGeoNBD, *params).p_alive(0, 0, 1000)) < 0.7


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 0.5])), min_size=1, max_size=30))
def test_unique_rows_are_the_input(rows):
    columns = np.array(rows, dtype=float).T
    unique, inverse, counts = unique_rows(*columns)
    assert counts.sum() == len(rows)
    assert len(counts) == len(set(rows))
    for column, values in zip(columns, unique, strict=True):
        np.testing.assert_array_equal(values[inverse], column)
    again, none, counts_again = unique_rows(*columns, inverse=False)
    assert not len(none)
    np.testing.assert_array_equal(again, unique)
    np.testing.assert_array_equal(counts_again, counts)


def test_unique_rows_of_wide_ranges():
    """Too many possible values for a table, and numbers too large to pack."""
    rng = np.random.default_rng(0)
    for top in (10**6, 10**14):
        columns = [rng.integers(0, top, 500).repeat(2).astype(float) for _ in range(2)]
        unique, inverse, counts = unique_rows(*columns)
        assert np.all(counts == 2)
        np.testing.assert_array_equal(unique[1][inverse], columns[1])


# --- the next purchase -----------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("horizon", [20.0, np.inf])
def test_quantiles_of_the_next_purchase(model, horizon):
    """The probability of a purchase until the quantile is its share of that within the horizon."""
    fitted, history = make(model), tuple(np.array(column, float) for column in zip(*HISTORIES, strict=True))
    coming = fitted.next_purchase(horizon, *history, level=0.8)
    for time, share in ((coming.low, 0.1), (coming.median, 0.5), (coming.high, 0.9)):
        until = np.array([fitted.next_purchase(t, *(c[i] for c in history)).probability[0] for i, t in enumerate(time)])
        np.testing.assert_allclose(until, share * coming.probability, rtol=1e-9)


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD])
@pytest.mark.parametrize("horizon", [20.0, np.inf])
def test_closed_form_of_the_waiting_time_is_bisection(model, horizon):
    fitted, history = make(model), tuple(np.array(column, float) for column in zip(*HISTORIES, strict=True))
    params, buys = (
        fitted._params(None, 4),
        fitted._buys_if_alive(fitted._params(None, 4), np.full(4, horizon), *history),
    )
    by_bisection = super(BetaGeoNBD.__mro__[1], fitted)._waiting_time(params, 0.5 * buys, horizon, *history)
    np.testing.assert_allclose(fitted._waiting_time(params, 0.5 * buys, horizon, *history), by_bisection, rtol=1e-8)


# --- simulation ------------------------------------------------------------------------------------------------------


@every_model
def test_simulated_customers_are_those_of_the_model(model):
    """Counts, leaving and the holdout, within four standard errors; the packages' own story is an oracle of its own."""
    fitted, n = make(model), 40_000
    market = fitted.simulate(n, 30.0, random_state=1, horizon=20.0)
    assert np.all(market.recency <= market.T)
    assert np.all((market.frequency > 0) == (market.recency > 0))

    def agrees(seen, expected):
        error = (seen - expected).std() / np.sqrt(n)
        assert abs((seen - expected).mean()) < 4 * max(error, 1e-12)

    agrees(market.frequency, np.full(n, fitted.expected_purchases_new_customer(30.0)))
    for k, probability in enumerate(fitted.probability_of_purchases(np.arange(5), 30.0)[0]):
        agrees((market.frequency == k).astype(float), np.full(n, probability))
    history = market.frequency, market.recency, market.T
    agrees(market.alive.astype(float), fitted.p_alive(*history))
    agrees(market.holdout_frequency, fitted.expected_purchases(20.0, *history))
    many = market.frequency >= 3
    assert abs((market.alive - fitted.p_alive(*history))[many].mean()) < 4 * 0.5 / np.sqrt(many.sum())
    # a first purchase within the horizon has the stated quantiles
    bought = market.holdout_frequency > 0
    agrees(bought.astype(float), fitted.next_purchase(20.0, *history).probability)
    one = market.frequency == 1
    np.testing.assert_allclose(market.sum_log_intervals[one], np.log(market.recency[one]), rtol=1e-12)


@every_model
def test_simulation_is_that_of_the_story_step_by_step(model, simulate):
    names = {BetaGeoNBD: "bg_nbd", ModifiedBetaGeoNBD: "mbg_nbd", ParetoNBD: "pareto_nbd"}
    n, T = 20_000, np.full(20_000, 30.0)
    x, t_x, _ = simulate(names[model], ORDINARY[model], T, np.random.default_rng(2))
    market = make(model).simulate(n, T, random_state=3)
    for seen, told in ((market.frequency, x), (market.recency, t_x), (market.frequency**2, x**2)):
        assert abs(seen.mean() - told.mean()) < 4 * np.sqrt((seen.var() + told.var()) / n)


@every_model
def test_mean_of_drawn_purchases_is_the_expectation(model):
    fitted, n = make(model), 40_000
    for history in HISTORIES:
        drawn = fitted.simulate_purchases(20.0, *(np.full(n, value) for value in history), random_state=0)
        expected = scalar(fitted.expected_purchases(20.0, *history))
        assert abs(drawn.mean() - expected) < 4 * drawn.std() / np.sqrt(n)
        none = scalar(fitted.probability_of_purchases(0, 20.0, *history))
        assert abs((drawn == 0).mean() - none) < 4 * 0.5 / np.sqrt(n)


@every_model
def test_simulation_follows_the_seed_and_refuses_nonsense(model):
    fitted = make(model)
    first, second = (fitted.simulate(50, [10.0] * 50, random_state=5, horizon=3) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(fitted.simulate(0, 10.0).frequency) == 0
    for n, T in ((-1, 10.0), (2.5, 10.0), (True, 10.0), (3, [1.0, 2.0]), (3, -1.0), (3, np.nan)):
        with pytest.raises(ValueError, match=r"n_customers|T must"):
            fitted.simulate(n, T)


# --- discounting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "rate"),
    [
        ((0.5533, 10.578, 0.6062, 11.669), 0.0027),
        ((1.3, 9.0, 1.0, 14.0), 0.05),
        ((1.0, 5.0, 900.0, 40_000.0), 0.001),
        ((50.0, 5.0, 0.001, 0.1), 0.5),
        ((0.5, 5.0, 3.0, 9.0), 1e-9),
    ],
)
def test_discounted_residual_purchases(params, rate):
    """Fader, Hardie, Lee (2005), JMR 42(4), equation (3), with Tricomi's function; and as an integral."""
    mpmath = pytest.importorskip("mpmath", reason="the oracle of this test")
    model = make(ParetoNBD, *params)
    r, alpha, s, beta = params
    for x, t_x, T in HISTORIES:
        with mpmath.workdps(30):
            scale = mpmath.mpf(beta) + T
            expected = (r + x) / (alpha + T) * scale * mpmath.hyperu(1, 2 - mpmath.mpf(s), rate * scale)
        value = scalar(model.discounted_expected_purchases(rate, x, t_x, T))
        assert value == pytest.approx(float(expected) * scalar(model.p_alive(x, t_x, T)), rel=1e-9)
    if rate > 1e-3:
        step = 1.0 / rate / 4000
        ends = np.arange(1, 160_001) * step  # forty times the time in which a purchase loses two thirds of its value
        growth = np.log1p(ends / (beta + T))
        slopes = np.expm1((1 - s) * growth) / (1 - s) if s != 1 else growth
        total = (r + x) * (beta + T) / (alpha + T) * np.diff(slopes, prepend=0.0) @ np.exp(-rate * (ends - step / 2))
        assert value == pytest.approx(float(total) * scalar(model.p_alive(x, t_x, T)), rel=1e-5)


def test_discounting_at_zero():
    model = make(ParetoNBD, 0.5, 5.0, 3.0, 9.0)
    limit = model.discounted_expected_purchases(1e-12, 2, 3.0, 10.0)
    np.testing.assert_allclose(model.discounted_expected_purchases(0, 2, 3.0, 10.0), limit, rtol=1e-6)
    np.testing.assert_allclose(model.expected_purchases(1e12, 2, 3.0, 10.0), limit, rtol=1e-6)
    with pytest.raises(ValueError, match=r"infinite for s <= 1 \(s is 0.6"):
        make(ParetoNBD, 0.5, 5.0, 0.6, 9.0).discounted_expected_purchases(0, 2, 3.0, 10.0)
    with pytest.raises(ValueError, match="discount_rate"):
        model.discounted_expected_purchases(-0.1, 2, 3.0, 10.0)


# --- making and storing ----------------------------------------------------------------------------------------------


@every_model
def test_from_params(model):
    values = ORDINARY[model]
    by_name = dict(zip(model.parameters, values, strict=True))
    assert model.from_params(*values).params_ == model.from_params(**by_name).params_ == by_name
    assert model.from_params(by_name).params_ == by_name
    for wrong, message in (
        (values[:3], "missing"),
        ((*values, 1.0), "got 5 values"),
        ((0.0, *values[1:]), "r must be a positive number"),
        ((np.nan, *values[1:]), "r must be"),
        ((values[0], np.inf, *values[2:]), "alpha must be"),
    ):
        with pytest.raises(ValueError, match=message):
            model.from_params(*wrong)
    with pytest.raises(TypeError):
        model.from_params(*values, gamma=3)
    with pytest.raises(ValueError, match="was made from given parameters"):
        model.from_params(*values).draw_params(3)
    with pytest.raises(ValueError, match="no parameters yet"):
        model().p_alive(0, 0, 1)


@every_model
def test_stored_models_are_the_same_bit_by_bit(model, cdnow):
    some = cdnow.iloc[:300]
    history = some["frequency"], some["recency"], some["T"]
    for fitted in (model().fit(*history), make(model)):
        others = [
            pickle.loads(pickle.dumps(fitted)),
            copy.deepcopy(fitted),
            model.from_dict(json.loads(json.dumps(fitted.to_dict()))),
        ]
        for other in others:
            assert other.params_ == fitted.params_
            assert repr(other) == repr(fitted)
            np.testing.assert_array_equal(
                other.expected_purchases(50, *history), fitted.expected_purchases(50, *history)
            )
            if hasattr(fitted, "covariance_"):
                assert other.aic_ == fitted.aic_
                assert other.diagnosis_ == fitted.diagnosis_
                assert other.standard_errors_ == fitted.standard_errors_
                np.testing.assert_array_equal(other.draw_params(5, 1), fitted.draw_params(5, 1))
    with pytest.raises(ValueError, match="this describes a"):
        model.from_dict({"model": "Other"})


@every_model
@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        (([1, 2], [1.0], [3.0, 3.0, 3.0]), ValueError, "lengths"),
        (([[1, 2]], [1.0, 1.0], [3.0, 3.0]), ValueError, "one dimension"),
        (([np.nan, 1], [1.0, 1.0], [3.0, 3.0]), CustomerTableError, r"frequency is missing.*row 0"),
        (([1, 1], [1.0, 1.0], [3.0, np.inf]), CustomerTableError, r"T is missing or infinite.*row 1"),
        (([-1, 1], [1.0, 1.0], [3.0, 3.0]), CustomerTableError, "whole number"),
        (([1.5, 1], [1.0, 1.0], [3.0, 3.0]), CustomerTableError, "whole number"),
        (([1, 1], [-1.0, 1.0], [3.0, 3.0]), CustomerTableError, "not negative"),
        (([1, 1], [4.0, 1.0], [3.0, 3.0]), CustomerTableError, "cannot exceed T"),
        (([0, 1], [1.0, 1.0], [3.0, 3.0]), CustomerTableError, "0 where frequency is 0"),
        (([1, 1], [0.0, 1.0], [3.0, 3.0]), CustomerTableError, "positive elsewhere"),
    ],
)
def test_bad_histories(model, history, error, message):
    fitted = make(model)
    calls = (model().fit, fitted.p_alive, fitted.log_likelihood, lambda *h: fitted.expected_purchases(3, *h))
    for call in calls:
        with pytest.raises(error, match=message):
            call(*history)


@every_model
def test_bad_horizons_counts_and_weights(model):
    fitted = make(model)
    for horizon in (-1, np.nan, np.inf, [1, 2]):
        with pytest.raises(ValueError, match="horizon must be"):
            fitted.expected_purchases(horizon, 0, 0, 1)
    for n in (-1, 0.5, [[1]], True, "a"):
        with pytest.raises(ValueError, match="whole numbers of purchases"):
            fitted.probability_of_purchases(n, 3)
    for level in (0, 1, -0.5):
        with pytest.raises(ValueError, match="level"):
            fitted.next_purchase(3, 0, 0, 1, level=level)
    for weights in ([1.0], [1, -1], [0, 0], [np.nan, 1]):
        with pytest.raises(ValueError, match="weights"):
            model().fit([0, 2], [0, 3], [9, 9], weights=weights)
        with pytest.raises(ValueError, match="weights"):
            fitted.log_likelihood([0, 2], [0, 3], [9, 9], weights=weights)
    with pytest.raises(ValueError, match="covariates"):
        fitted.p_alive([0, 2], [0, 3], [9, 9], covariates=[[1], [2]])


def test_customers_who_leave_at_once_or_stay_have_a_second_maximum():
    """From the usual start alone the fit ends 50 units below the truth, at customers who all leave now and then."""
    from segmentation.clv import BetaGeoCNBD

    truth = ModifiedBetaGeoNBD.from_params(r=2.15, alpha=27.0, a=0.08, b=0.06)
    T = np.round(np.random.default_rng(1).uniform(1, 100, 1400), 1)
    market = truth.simulate(1400, T, 1)
    history = (market.frequency, market.recency, market.T)
    for model in (ModifiedBetaGeoNBD().fit(*history), BetaGeoCNBD(k=1).fit(*history)):
        assert model.log_likelihood_ >= truth.log_likelihood(*history)
        assert model.p_alive(*history).mean() == pytest.approx(market.alive.mean(), abs=0.05)


@pytest.mark.parametrize("model", [ModifiedBetaGeoNBD, BetaGeoNBD, ParetoNBD])
def test_no_fit_is_below_the_truth(model):
    """U-shaped chances to leave included."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        low, high = np.log([0.05, 0.05]), np.log([0.5, 1.0])
        truth = model.from_params(*np.exp([rng.uniform(-1, 1.5), rng.uniform(1, 4), *rng.uniform(low, high)]))
        market = truth.simulate(500, np.round(rng.uniform(1, 100, 500), 1), rng)
        history = (market.frequency, market.recency, market.T)
        assert model().fit(*history).log_likelihood_ >= truth.log_likelihood(*history)


@pytest.mark.parametrize("model", [ModifiedBetaGeoNBD, BetaGeoNBD, ParetoNBD])
def test_arguments_that_mean_nothing(model):
    fitted = model.from_params(0.5, 6.0, 0.6, 10.0)
    assert np.array_equal(fitted.next_purchase(0, [1.0], [2.0], [3.0]), np.zeros((4, 1)))
    assert fitted.probability_of_purchases([], 5.0, [1.0], [2.0], [3.0]).shape == (1, 0)
    for n in (np.inf, 1.5, -1, "two", 10**12):
        with pytest.raises(ValueError, match=r"n (must be whole numbers|is at most)"):
            fitted.probability_of_purchases(n, 5.0)
    for horizon in ("ten", None, True, -1.0, np.nan, [1.0, 2.0]):
        with pytest.raises(ValueError, match="horizon must be one number from 0 on"):
            fitted.expected_purchases(horizon, 0, 0, 1)
    for level in ("0.9", 0, 1, 90):
        with pytest.raises(ValueError, match="level must lie between 0 and 1"):
            fitted.next_purchase(5.0, 0, 0, 1, level=level)
    with pytest.raises(ValueError, match=r"weights add up to 1e\+20 customers"):
        model().fit([1, 0], [1, 0], [2, 2], weights=[1e20, 1.0])


def test_simulated_customers_by_name_and_position():
    market = BetaGeoNBD.from_params(0.5, 6.0, 0.6, 2.0).simulate(20, 30.0, 0)
    assert market["frequency"] is market.frequency is market[0]
    assert list(market)[1] is market["recency"]
    assert market[:3][2] is market["T"]
