"""(M)BG/CNBD-k: figures of CDNOW, recovery, and predictions against sums and integrals done the slow way."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln
from scipy.stats import beta as beta_distribution
from scipy.stats import erlang, gamma, nbinom

from segmentation import datasets, features
from segmentation.clv import BetaGeoCNBD, BetaGeoNBD, ModifiedBetaGeoNBD
from segmentation.clv._cnbd import _SummedLikelihood
from segmentation.clv._rows import Histories
from segmentation.clv._special import mean_purchases_while_dying
from segmentation.clv._stages import mean_purchases, n_purchases, p_purchase, silence, stage_weights
from segmentation.exceptions import CustomerTableError, FitError

PARAMS = (1.3, 6.0, 0.7, 2.2)


@pytest.fixture(scope="module")
def cdnow():
    """CDNOW in weeks: histories, and the sums of the logarithms of the intervals."""
    roles = {"customer_id": "customer_id", "timestamp": "timestamp"}
    table = features.btyd_table(datasets.load_cdnow(), **roles, observation_end="1997-09-30")
    logs = table["sum_log_intervals"] - table["frequency"] * np.log(7)
    return (table["frequency"], table["recency"] / 7, table["T"] / 7), logs


def some_histories(n=60, k=2, seed=0):
    market = BetaGeoCNBD.from_params(*PARAMS, k=k).simulate(n, np.linspace(5, 60, n), seed)
    return (market.frequency, market.recency, market.T), market.sum_log_intervals


# --- fitting ---


def test_cdnow_is_bought_at_random(cdnow):
    """The log-likelihoods were computed independently; that of k = 1 is Batislam et al. (2007)'s."""
    history, logs = cdnow
    model = BetaGeoCNBD().fit(*history, sum_log_intervals=logs)
    assert model.k_ == 1
    assert model.candidates_ == pytest.approx({1: -9582.136, 2: -9853.25, 3: -10394.36}, abs=0.01)
    assert list(model.params_.values()) == pytest.approx([0.525, 6.183, 0.891, 1.614], rel=0.005)
    assert model.converged_
    assert model.diagnosis_ == ()


@pytest.mark.parametrize(("modified", "same"), [(True, ModifiedBetaGeoNBD), (False, BetaGeoNBD)])
def test_one_stage_is_the_model_of_random_buying(cdnow, modified, same):
    history, _ = cdnow
    model, other = BetaGeoCNBD(k=1, modified=modified).fit(*history), same().fit(*history)
    assert model.log_likelihood_ == pytest.approx(other.log_likelihood_, abs=1e-6)
    assert list(model.params_.values()) == pytest.approx(list(other.params_.values()), rel=1e-4)
    other = same.from_params(model.params_)
    np.testing.assert_allclose(model.p_alive(*history), other.p_alive(*history), rtol=1e-12)
    np.testing.assert_allclose(
        model.expected_purchases(39, *history), other.expected_purchases(39, *history), rtol=1e-9
    )
    for n in (0, 1, 4):
        np.testing.assert_allclose(
            model.probability_of_purchases(n, 39, *history), other.probability_of_purchases(n, 39, *history), rtol=1e-9
        )
    for ours, theirs in zip(model.next_purchase(39, *history), other.next_purchase(39, *history), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8)


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("k", [2, 4])
def test_regular_buyers_are_recognised(k, modified):
    truth = BetaGeoCNBD.from_params(2.0, 10.0, 0.5, 3.0, k=k, modified=modified)
    market = truth.simulate(3000, 100.0, 1)
    history = (market.frequency, market.recency, market.T)
    model = BetaGeoCNBD(modified=modified).fit(*history, sum_log_intervals=market.sum_log_intervals)
    assert model.k_ == k
    for name, value in truth.params_.items():
        assert abs(np.log(model.params_[name] / value)) < 3 * model.standard_errors_[name] / model.params_[name]
    assert list(model.candidates_) == list(range(1, k + 3))
    assert model.log_likelihood_ >= truth.log_likelihood(*history, sum_log_intervals=market.sum_log_intervals)
    assert model.log_likelihood_ == pytest.approx(
        model.log_likelihood(*history, sum_log_intervals=market.sum_log_intervals), rel=1e-12
    )


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("k", [1, 2, 7])
def test_gradient_is_that_of_the_likelihood(k, modified):
    x, t_x, T = some_histories(k=k)[0]
    weights = np.linspace(0.5, 3, len(x))
    summed = _SummedLikelihood(k, modified, Histories.of(x, t_x, T, weights))
    theta = np.log([0.8, 4.0, 0.6, 1.9])
    value, gradient = summed.value_and_gradient(theta)
    model = BetaGeoCNBD.from_params(*np.exp(theta), k=k, modified=modified)
    assert value == pytest.approx(model.log_likelihood(x, t_x, T, weights), rel=1e-12)
    steps = 1e-5 * np.eye(4)
    numerical = [
        (summed.value_and_gradient(theta + h)[0] - summed.value_and_gradient(theta - h)[0]) / 2e-5 for h in steps
    ]
    np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("k", [1, 3])
def test_likelihood_is_the_integral_over_rate_and_leaving(k, modified):
    """One customer with purchases at 3, 5 and 9, seen until 14: densities multiplied and integrated."""
    intervals, end = np.array([3.0, 2.0, 4.0]), 14.0
    x, t_x = 3, 9.0
    r, alpha, a, b = PARAMS
    leaving = beta_distribution(a, b)

    stays = x + 1 if modified else x
    active = quad(lambda p: leaving.pdf(p) * (1 - p) ** stays, 0, 1)[0]
    left = quad(lambda p: leaving.pdf(p) * p * (1 - p) ** (stays - 1), 0, 1)[0]

    def given_rate(rate):
        buys = np.prod(erlang.pdf(intervals, k, scale=1 / rate))
        quiet = erlang.sf(end - t_x, k, scale=1 / rate)
        return gamma.pdf(rate, r, scale=1 / alpha) * buys * (active * quiet + left)

    expected = np.log(quad(given_rate, 0, 20, epsabs=0, epsrel=1e-9, limit=200)[0])
    model = BetaGeoCNBD.from_params(*PARAMS, k=k, modified=modified)
    found = model.log_likelihood(x, t_x, end, sum_log_intervals=np.log(intervals).sum())
    assert found == pytest.approx(expected, rel=1e-7)


def test_weights_stand_for_customers():
    (x, t_x, T), logs = some_histories(30)
    weights = np.arange(30) % 4
    exploded = np.repeat(np.arange(30), weights)
    short = BetaGeoCNBD().fit(x, t_x, T, weights=weights, sum_log_intervals=weights * logs)
    long = BetaGeoCNBD().fit(x[exploded], t_x[exploded], T[exploded], sum_log_intervals=logs[exploded])
    assert short.candidates_ == pytest.approx(long.candidates_, rel=1e-9)
    assert list(short.params_.values()) == pytest.approx(list(long.params_.values()), rel=1e-5)
    assert short.n_customers_ == long.n_customers_ == weights.sum()


@pytest.mark.parametrize("factor", [1 / 7, 86400.0, 1e-9])
def test_the_unit_of_time_does_not_matter(factor):
    (x, t_x, T), logs = some_histories(200)
    model = BetaGeoCNBD().fit(x, t_x, T, sum_log_intervals=logs)
    other = BetaGeoCNBD().fit(x, t_x * factor, T * factor, sum_log_intervals=logs + x * np.log(factor))
    assert other.k_ == model.k_
    expected = [value * (factor if name == "alpha" else 1) for name, value in model.params_.items()]
    assert list(other.params_.values()) == pytest.approx(expected, rel=1e-6)
    assert other.log_likelihood_ == pytest.approx(model.log_likelihood_ - x.sum() * np.log(factor), rel=1e-9)
    np.testing.assert_allclose(
        other.expected_purchases(30 * factor, x, t_x * factor, T * factor),
        model.expected_purchases(30, x, t_x, T),
        rtol=1e-5,
    )
    same = model.rescaled(factor)
    assert (same.k_, same.modified) == (model.k_, model.modified)
    np.testing.assert_allclose(same.p_alive(x, t_x * factor, T * factor), model.p_alive(x, t_x, T), rtol=1e-9)


def test_without_intervals_only_the_constant_is_missing():
    (x, t_x, T), logs = some_histories(100)
    whole, less = BetaGeoCNBD(k=2).fit(x, t_x, T, sum_log_intervals=logs), BetaGeoCNBD(k=2).fit(x, t_x, T)
    assert less.params_ == whole.params_
    assert less.log_likelihood_ + logs.sum() == pytest.approx(whole.log_likelihood_)
    assert any("sum_log_intervals was not given" in text for text in less.diagnosis_)
    assert not any("sum_log_intervals" in text for text in whole.diagnosis_)


# --- predictions ---


def slow_purchases(k, R, a, b, elapsed, ahead):
    """Return the sum over purchases, as scipy's negative binomial distribution gives it."""
    weights = stage_weights(k, np.array([R]), np.array([elapsed]))[:, 0]
    m = np.arange(1, 20_001)
    tails = sum(w * nbinom.sf(k * m - j - 1, R + j, 1 / (1 + ahead)) for j, w in enumerate(weights))
    terms = tails * np.exp(betaln(a, b + m - 1) - betaln(a, b))
    assert terms[-1] < 1e-10 * terms.sum()
    return terms.sum()


@settings(deadline=None, max_examples=60)
@given(
    k=st.integers(2, 12),
    log_r=st.floats(-5, 4),
    x=st.integers(0, 1000),
    log_a=st.floats(-6, 6),
    log_b=st.floats(-5, 6),
    elapsed=st.floats(0, 0.999),
    share=st.floats(1e-6, 1),
)
def test_mean_purchases_is_the_sum(k, log_r, x, log_a, log_b, elapsed, share):
    R, a, b = np.exp(log_r) + k * x, np.exp(log_a), np.exp(log_b) + x
    ahead = share * min(20.0, 20_000 / ((R + k) * 40))  # the slow sum has 20,000 terms
    one = np.ones(1)
    found = mean_purchases(k, R * one, a, b * one, elapsed * one, ahead * one)[0]
    assert found == pytest.approx(slow_purchases(k, R, a, b, elapsed, ahead), rel=1e-6)


@pytest.mark.parametrize("a", [0.01, 0.7, 1.0, 1.2, 40.0])
def test_long_horizons_agree_with_the_closed_form_of_one_stage(a):
    """Up to 10^9 purchases, where the sum is an integral; the closed form is itself tested against mpmath."""
    R, b, ahead = (v.ravel() for v in np.meshgrid([0.3, 5.0, 500.0, 1e5], [0.5, 30.0, 1e4], [0.1, 3.0, 100.0, 1e4]))
    found = mean_purchases(1, R, a, b, np.zeros_like(R), ahead)
    np.testing.assert_allclose(found, mean_purchases_while_dying(R, a, b, ahead), rtol=2e-6)


@settings(deadline=None, max_examples=40)
@given(
    k=st.integers(1, 12),
    R=st.floats(0.01, 400),
    elapsed=st.floats(0, 0.99),
    ahead=st.floats(1e-4, 3),
    n=st.integers(0, 30),
)
def test_chances_are_those_of_the_negative_binomial(k, R, elapsed, ahead, n):
    one = np.ones(1)
    args = (R * one, elapsed * one, ahead * one)
    weights = stage_weights(k, *args[:2])[:, 0]

    def at_least(m):
        return sum(w * nbinom.sf(k * m - j - 1, R + j, 1 / (1 + ahead)) for j, w in enumerate(weights))

    exactly, more = n_purchases(k, n, *args)
    assert more[0] == pytest.approx(at_least(n + 1), rel=1e-8, abs=1e-14)
    assert exactly[0] == pytest.approx(at_least(n) - at_least(n + 1) if n else 1 - at_least(1), rel=1e-7, abs=1e-12)
    assert silence(k, *args)[0] + p_purchase(k, *args)[0] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("k", [2, 5])
def test_predictions_are_what_happens_to_such_customers(k, modified):
    """Customers simulated from the model, taken with nearly the same history: a check that knows no formula."""
    model = BetaGeoCNBD.from_params(1.5, 4.0, 0.6, 2.5, k=k, modified=modified)
    market = model.simulate(400_000, 20.0, 5, horizon=15.0)
    chosen = (market.frequency == 1) & (np.abs(market.recency - 9.0) < 0.5)
    history = (market.frequency[chosen], market.recency[chosen], market.T[chosen])
    bought, n = market.holdout_frequency[chosen], int(chosen.sum())
    assert n > 3000

    def close(found, expected, spread):
        assert abs(np.mean(found) - np.mean(expected)) < 4 * spread / np.sqrt(n)

    close(market.alive[chosen], model.p_alive(*history), 0.5)
    close(bought, model.expected_purchases(15.0, *history), bought.std())
    close(model.simulate_purchases(15.0, *history, 3), model.expected_purchases(15.0, *history), bought.std())
    for count in (0, 1, 2):
        close(bought == count, model.probability_of_purchases(count, 15.0, *history), 0.5)
    close(bought > 0, model.next_purchase(15.0, *history).probability, 0.5)


@pytest.mark.parametrize("modified", [True, False])
def test_new_customers_buy_as_simulated(modified):
    model = BetaGeoCNBD.from_params(*PARAMS, k=3, modified=modified)
    market = model.simulate(100_000, np.repeat([10.0, 60.0], 50_000), 2)
    for part, T in ((slice(0, 50_000), 10.0), (slice(50_000, None), 60.0)):
        x = market.frequency[part]
        assert abs(x.mean() - model.expected_purchases_new_customer(T)) < 4 * x.std() / np.sqrt(50_000)
        zero = model.probability_of_purchases(0, T)[0]
        assert abs((x == 0).mean() - zero) < 4 * 0.5 / np.sqrt(50_000)
    repeated = market.frequency > 0
    assert (market.recency[~repeated] == 0).all()
    most = market.frequency[repeated] * np.log(market.recency[repeated] / market.frequency[repeated])
    assert (market.sum_log_intervals[repeated] <= most + 1e-9).all()


@settings(deadline=None, max_examples=20)
@given(
    k=st.integers(1, 12),
    modified=st.booleans(),
    logs=st.tuples(*[st.floats(-3, 3)] * 4),
    x=st.integers(0, 40),
    parts=st.tuples(st.floats(0.01, 1), st.floats(1, 100), st.floats(0.1, 50)),
)
def test_properties(k, modified, logs, x, parts):
    model = BetaGeoCNBD.from_params(*np.exp(logs), k=k, modified=modified)
    share, T, horizon = parts
    history = (x, share * T if x else 0.0, T)
    alive = model.p_alive(*history)[0]
    mean = model.expected_purchases(horizon, *history)[0]
    assert 0 <= alive <= 1
    assert 0 <= mean < np.inf
    assert mean <= model.expected_purchases(1.5 * horizon, *history)[0]
    assert model.expected_purchases(0, *history)[0] == 0
    pmf = model.probability_of_purchases(range(300), horizon, *history)[0]
    assert (pmf >= 0).all()
    rest = 1 - pmf.sum()
    assert rest > -1e-9
    assert pmf @ np.arange(300) <= mean * (1 + 1e-6) + 1e-12
    if rest < 1e-12:
        assert pmf @ np.arange(300) == pytest.approx(mean, rel=1e-5, abs=1e-9)  # purchases beyond 299
    coming = model.next_purchase(horizon, *history)
    assert coming.probability[0] == pytest.approx(1 - pmf[0], abs=1e-9)
    assert 0 <= coming.low[0] <= coming.median[0] <= coming.high[0] <= horizon * (1 + 1e-9)


# --- hard data ---

HARD = {
    "one customer": ([3], [20.0], [30.0]),
    "two alike": ([1, 1], [5.0, 5.0], [9.0, 9.0]),
    "no variance": ([4] * 50, [40.0] * 50, [50.0] * 50),
    "huge counts": ([10_000, 9_000, 0], [360.0, 100.0, 0.0], [365.0, 365.0, 365.0]),
    "all at once": ([1, 2, 0], [1e-7, 2e-7, 0.0], [1e6, 1e6, 1e6]),
    "seconds": ([2, 1, 0, 0], [4e7, 2e7, 0.0, 0.0], [6e7, 5e7, 4e7, 3e7]),
    "tiny units": ([2, 1, 0, 0], [4e-9, 2e-9, 0.0, 0.0], [6e-9, 5e-9, 4e-9, 3e-9]),
    "nobody leaves": ([9] * 40 + [10] * 40, [99.0] * 80, [100.0] * 80),
    "all leave": ([1] + [0] * 99, [1.0] + [0.0] * 99, [1000.0] * 100),
    "clockwork": ([10] * 30 + [5] * 30, [70.0] * 30 + [35.0] * 30, [75.0] * 60),
}


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("name", HARD)
def test_hard_data_give_finite_results(name, modified):
    x, t_x, T = (np.asarray(column, dtype=float) for column in HARD[name])
    logs = np.where(x > 0, x * np.log(np.where(x > 0, t_x, 1) / np.maximum(x, 1)), 0.0)  # as regular as can be
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = BetaGeoCNBD(modified=modified).fit(x, t_x, T, sum_log_intervals=logs)
        horizon = 3 * T.max()
        found = [
            model.p_alive(x, t_x, T),
            model.expected_purchases(horizon, x, t_x, T),
            model.probability_of_purchases(2, horizon, x, t_x, T),
            model.simulate_purchases(horizon, x, t_x, T, 0),
            *model.next_purchase(horizon, x, t_x, T),
            [*model.params_.values(), *model.standard_errors_.values(), model.log_likelihood_, model.aic_, model.bic_],
            model.covariance_,
        ]
    assert all(np.isfinite(values).all() for values in found)
    assert model.diagnosis_


def test_clockwork_is_named():
    x, t_x, T = (np.asarray(column, dtype=float) for column in HARD["clockwork"])
    model = BetaGeoCNBD().fit(x, t_x, T, sum_log_intervals=x * np.log(7))
    assert model.k_ == 12
    assert any("as if by the clock" in text for text in model.diagnosis_)


def test_an_undecided_choice_is_named():
    model = BetaGeoCNBD().fit([1, 0, 2], [5.0, 0, 11], [20.0, 20, 20], sum_log_intervals=[np.log(5), 0, np.log(4 * 7)])
    assert any("how regularly customers buy is not settled" in text for text in model.diagnosis_)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(FitError, match="none of the 2 customers has bought again"):
        BetaGeoCNBD(k=2).fit([0, 0], [0, 0], [5, 9])
    with pytest.raises(FitError, match="T is 0 for all"):
        BetaGeoCNBD(k=2).fit([0, 0], [0, 0], [0, 0])
    with pytest.raises(ValueError, match="choosing k needs sum_log_intervals"):
        BetaGeoCNBD().fit([1], [2], [3])
    for k in (0, 31, 2.5, True, "2"):
        with pytest.raises(ValueError, match="k must be a whole number from 1 to 30"):
            BetaGeoCNBD(k=k).fit([1], [2], [3])
    with pytest.raises(ValueError, match="from_params needs k"):
        BetaGeoCNBD.from_params(*PARAMS)


def test_intervals_in_another_unit_are_refused():
    (x, t_x, T), logs = some_histories(50)
    with pytest.raises(CustomerTableError, match=r"If recency was divided by 7, subtract frequency \* log\(7\)"):
        BetaGeoCNBD().fit(x, t_x / 7, T / 7, sum_log_intervals=logs)
    with pytest.raises(CustomerTableError, match="row 0: 1, at most 0"):
        BetaGeoCNBD().fit([0, 1], [0, 2], [3, 3], sum_log_intervals=[1.0, np.log(2)])
    with pytest.raises(CustomerTableError, match="row 1: nan"):
        BetaGeoCNBD().fit([0, 1], [0, 2], [3, 3], sum_log_intervals=[0.0, np.nan])
    with pytest.raises(ValueError, match="one per row: 1 for 2 rows"):
        BetaGeoCNBD().fit([0, 1], [0, 2], [3, 3], sum_log_intervals=[0.0])


def test_a_fitted_model_can_be_stored_and_rebuilt():
    (x, t_x, T), logs = some_histories(100)
    model = BetaGeoCNBD(modified=False).fit(x, t_x, T, sum_log_intervals=logs)
    again = pickle.loads(pickle.dumps(model))
    rebuilt = BetaGeoCNBD.from_params(model.params_, k=model.k_, modified=False)
    for other in (again, rebuilt):
        np.testing.assert_array_equal(other.expected_purchases(30, x, t_x, T), model.expected_purchases(30, x, t_x, T))
    assert again.candidates_ == model.candidates_


def test_the_simulation_is_reproducible():
    model = BetaGeoCNBD.from_params(*PARAMS, k=2)
    first, second = (model.simulate(500, 30.0, 7, horizon=10.0) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
