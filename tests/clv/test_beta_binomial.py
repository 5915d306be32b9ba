"""BG/BB: published numbers, oracles (the sum over all stories, lifetimes), properties, degenerate and bad data."""

import itertools
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp2f1

from segmentation.clv import BetaGeoBetaBernoulli
from segmentation.clv._discrete import DIRECT_TERMS, digamma_step, discounted_sum, sum_nodes
from segmentation.clv._opportunities import summed_likelihood
from segmentation.exceptions import CustomerTableError, FitError

PUBLISHED = {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834}
MODEL = BetaGeoBetaBernoulli.from_params(PUBLISHED)

log_shapes = st.tuples(*[st.floats(-4, 4)] * 4)


@pytest.fixture(scope="module")
def lifetimes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lifetimes
        import lifetimes.datasets

        return lifetimes


@pytest.fixture(scope="module")
def donations(lifetimes):
    """11,104 donors, 6 opportunities; carried by the lifetimes distribution."""
    table = lifetimes.datasets.load_donations()
    return [table[name].to_numpy() for name in ("frequency", "recency", "periods", "weights")]


@pytest.fixture(scope="module")
def fitted(donations):
    return BetaGeoBetaBernoulli().fit(*donations)


@st.composite
def histories(draw, most=8):
    """Possible histories of a few customers."""
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        n = draw(st.integers(0, most))
        t_x = draw(st.integers(0, n))
        rows.append((draw(st.integers(1, t_x)) if t_x else 0, t_x, n))
    return [np.array(column) for column in zip(*rows, strict=True)]


def cells(n):
    """All histories of n opportunities, and in how many orders of purchases each comes about."""
    found = {}
    for story in itertools.product([0, 1], repeat=n):
        bought = [i for i, yes in enumerate(story, 1) if yes]
        key = (len(bought), bought[-1] if bought else 0)
        found[key] = found.get(key, 0) + 1
    x, t_x = np.array(list(found)).T
    return x, t_x, np.array(list(found.values()))


# --- published numbers -----------------------------------------------------------------------------------------------


def test_published_fit(fitted):
    """Fader, Hardie, Shang (2010), Marketing Science 29(6)."""
    assert fitted.params_ == pytest.approx(PUBLISHED, rel=0.005)
    assert fitted.log_likelihood_ == pytest.approx(-33225.58, abs=0.01)
    assert fitted.converged_
    assert fitted.diagnosis_ == ()
    assert fitted.n_customers_ == 11104
    assert fitted.aic_ == pytest.approx(2 * 33225.58 + 8, abs=0.02)
    assert fitted.bic_ == pytest.approx(2 * 33225.58 + 4 * math.log(11104), abs=0.02)


def test_published_p_alive(fitted):
    np.testing.assert_array_equal(fitted.p_alive([0, 2, 6], [0, 4, 6], 6).round(2), [0.11, 0.59, 0.93])


def test_standard_errors_agree_with_simulation(fitted):
    """Parametric bootstrap of the logarithms, 40 samples: their spread is known to about a tenth."""
    rng, logs = np.random.default_rng(1), []
    for _ in range(40):
        sample = fitted.simulate(11104, 6, rng)
        logs.append(np.log(list(BetaGeoBetaBernoulli().fit(*sample[:3]).params_.values())))
    errors = np.sqrt(np.diag(fitted.covariance_))
    np.testing.assert_allclose(np.std(logs, axis=0, ddof=1), errors, rtol=0.35)
    values = np.array(list(fitted.params_.values()))
    np.testing.assert_allclose(list(fitted.standard_errors_.values()), values * errors)
    assert np.all(np.abs(np.mean(logs, axis=0) - np.log(values)) < 4 * errors / math.sqrt(40) + 0.01)


# --- oracles ---------------------------------------------------------------------------------------------------------


def test_lifetimes(lifetimes, donations):
    fitter = lifetimes.BetaGeoBetaBinomFitter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter.fit(*donations)
    x, t_x, n, weights = donations
    model = BetaGeoBetaBernoulli.from_params(*fitter.params_)
    rows = fitter._loglikelihood(fitter.params_, x, t_x, n)
    assert model.log_likelihood(x, t_x, n, weights) == pytest.approx(float(weights @ rows), abs=1e-6)
    expected = fitter.conditional_expected_number_of_purchases_up_to_time(5, x, t_x, n)
    np.testing.assert_allclose(model.expected_purchases(5, x, t_x, n), expected, rtol=1e-9)
    np.testing.assert_allclose(model.p_alive(x, t_x, n), fitter.conditional_probability_alive(1, x, t_x, n), rtol=1e-9)
    best = BetaGeoBetaBernoulli().fit(*donations).log_likelihood_
    assert best >= model.log_likelihood(x, t_x, n, weights) - 1e-6


def test_mpmath():
    """The sum over the opportunity before which a customer left, to 40 digits."""
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 40
    for params, (x, t_x, n) in itertools.product(
        [(1.2, 0.75, 0.66, 2.8), (0.01, 30.0, 500.0, 0.02), (2000.0, 5000.0, 1e-3, 1e-3)],
        [(0, 0, 6), (2, 4, 6), (6, 6, 6), (3, 70, 80), (0, 0, 300)],
    ):
        alpha, beta, gamma, delta = map(mp.mpf, params)
        total = mp.beta(alpha + x, beta + n - x) * mp.beta(gamma, delta + n)
        for s in range(t_x, n):
            total += mp.beta(alpha + x, beta + s - x) * mp.beta(gamma + 1, delta + s)
        exact = float(mp.log(total / mp.beta(alpha, beta) / mp.beta(gamma, delta)))
        model = BetaGeoBetaBernoulli.from_params(*params)
        assert model.log_likelihood(x, t_x, n) == pytest.approx(exact, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("rate", [1e-4, 0.01, 0.1, 3.0])
def test_discounted_closed_form(rate):
    """DERT of the paper, with Gauss's hypergeometric function."""
    alpha, beta, gamma, delta = PUBLISHED.values()
    x, t_x, n = np.array([0, 2, 6]), np.array([0, 4, 6]), 6
    closed = (
        MODEL.p_alive(x, t_x, n)
        * (alpha + x)
        / (alpha + beta + n)
        * hyp2f1(1, delta + n + 1, gamma + delta + n + 1, 1 / (1 + rate))
        / (1 + rate)
    )
    np.testing.assert_allclose(MODEL.discounted_expected_purchases(rate, x, t_x, n), closed, rtol=1e-6)


def test_long_sums():
    """Beyond the terms that are added one by one a sum is integrated; here beside the sum itself."""
    x, t_x, n = np.array([0, 3, 40]), np.array([0, 20, 300]), np.array([9000, 8000, 9000])
    for params in [(1.2, 0.75, 0.66, 2.8), (0.3, 80.0, 1.0, 900.0), (50.0, 4000.0, 0.01, 0.01)]:
        model = BetaGeoBetaBernoulli.from_params(*params)
        nodes, weights = sum_nodes(np.array([9000.0]))
        assert nodes.size < 1000 < 9000 == pytest.approx(weights.sum(), rel=1e-6)
        alpha, beta, gamma, delta = params
        lived = np.arange(1, 9001)
        stays = np.cumprod((delta + n[:, None] + lived) / (gamma + delta + n[:, None] + lived), axis=1)
        stays = np.column_stack([np.ones(3), stays[:, :-1]])
        exact = model.p_alive(x, t_x, n) * (alpha + x) / (alpha + beta + n) * stays.sum(axis=1)
        np.testing.assert_allclose(model.expected_purchases(9000, x, t_x, n), exact, rtol=1e-6)
        silent = [model.probability_of_purchases(0, horizon, x, t_x, n) for horizon in (DIRECT_TERMS, 9000)]
        for horizon, probability in zip((DIRECT_TERMS, 9000), silent, strict=True):
            np.testing.assert_allclose(
                model.next_purchase(horizon, x, t_x, n).probability, 1 - probability, rtol=1e-5, atol=1e-9
            )


def test_digamma_step():
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 60
    for z, step in itertools.product([1e-3, 2.5, 9e3, 1.1e4, 1e8, 1e25], [1e-3, 1.0, 5e3]):
        exact = float(mp.psi(0, mp.mpf(z) + mp.mpf(step)) - mp.psi(0, mp.mpf(z)))
        assert float(digamma_step(np.array([z]), step)[0]) == pytest.approx(exact, rel=1e-6)


def test_discounted_sum_of_a_geometric_series():
    total = discounted_sum(lambda i: -0.001 * i, 1, np.inf, 0.0004)
    assert float(total[0]) == pytest.approx(1 / (1 - math.exp(-0.001) / 1.0004), rel=1e-7)


@settings(deadline=None, max_examples=40)
@given(log_shapes, histories())
def test_gradient(theta, rows):
    theta, rows = np.array(theta), [column.astype(float) for column in rows]
    objective = summed_likelihood(tuple(rows), np.arange(1.0, len(rows[0]) + 1))
    _, gradient = objective.value_and_gradient(theta)
    numerical = [
        (objective.value_and_gradient(theta + h)[0] - objective.value_and_gradient(theta - h)[0]) / 2e-5
        for h in 1e-5 * np.eye(4)
    ]
    np.testing.assert_allclose(gradient, numerical, rtol=1e-4, atol=1e-5 * (1 + np.abs(gradient).max()))


# --- properties ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(log_shapes, st.integers(1, 8))
def test_likelihood_is_a_distribution(theta, n):
    model = BetaGeoBetaBernoulli.from_params(*np.exp(theta))
    x, t_x, orders = cells(n)
    logs = np.array([model.log_likelihood(*row, n) for row in zip(x, t_x, strict=True)])
    assert float(orders @ np.exp(logs)) == pytest.approx(1, abs=1e-9)
    # the chance of x purchases is that of all histories with x purchases
    by_count = np.bincount(x, weights=orders * np.exp(logs))
    pmf = model.probability_of_purchases(np.arange(n + 1), n)[0]
    np.testing.assert_allclose(pmf, by_count, atol=1e-9)
    assert model.expected_purchases_new_customer(n) == pytest.approx(float(pmf @ np.arange(n + 1)), rel=1e-8)


@settings(deadline=None, max_examples=40)
@given(log_shapes, histories(), st.integers(1, 12))
def test_predictions(theta, rows, horizon):
    model = BetaGeoBetaBernoulli.from_params(*np.exp(theta))
    alive = model.p_alive(*rows)
    assert np.all((alive >= 0) & (alive <= 1))
    pmf = model.probability_of_purchases(np.arange(horizon + 3), horizon, *rows)
    np.testing.assert_allclose(pmf.sum(axis=1), 1, atol=1e-8)
    assert not pmf[:, horizon + 1 :].any()
    expected = model.expected_purchases(horizon, *rows)
    np.testing.assert_allclose(pmf @ np.arange(horizon + 3), expected, rtol=1e-7, atol=1e-12)
    upcoming = model.next_purchase(horizon, *rows)
    np.testing.assert_allclose(upcoming.probability, 1 - pmf[:, 0], atol=1e-9)
    for wait in (upcoming.low, upcoming.median, upcoming.high):
        assert np.all((wait >= 1) & (wait <= horizon) & (wait % 1 == 0))
    assert np.all((upcoming.low <= upcoming.median) & (upcoming.median <= upcoming.high))
    # the median is the first opportunity by which half of those who buy at all have bought
    buys = np.column_stack([model.next_purchase(k, *rows).probability for k in range(horizon + 1)])
    at = upcoming.median.astype(int)
    half = buys[:, -1] / 2
    assert np.all(np.take_along_axis(buys, at[:, None], 1)[:, 0] >= half * (1 - 1e-9))
    assert np.all(np.take_along_axis(buys, at[:, None] - 1, 1)[:, 0] <= half * (1 + 1e-9))
    assert not model.expected_purchases(0, *rows).any()
    np.testing.assert_allclose(model.discounted_expected_purchases(0, *rows, horizon=horizon), expected, rtol=1e-12)
    assert np.all(model.discounted_expected_purchases(0.1, *rows, horizon=horizon) <= expected / 1.1 * (1 + 1e-12))


@settings(deadline=None, max_examples=25)
@given(log_shapes, histories())
def test_unlimited_wait(theta, rows):
    """A purchase at any time is at least as likely as one within any horizon, and never more than being there."""
    model = BetaGeoBetaBernoulli.from_params(*np.exp(theta))
    ever = model.next_purchase(np.inf, *rows)
    assert np.all(ever.probability <= model.p_alive(*rows) * (1 + 1e-6))
    assert np.all(ever.probability >= model.next_purchase(2000, *rows).probability * (1 - 1e-6))
    assert np.all(np.isfinite(ever.high) & (ever.low >= 1) & (ever.high >= ever.median))


@settings(deadline=None, max_examples=25)
@given(histories(), st.data())
def test_weights_are_exploded_rows(rows, data):
    weights = data.draw(st.lists(st.integers(0, 4), min_size=len(rows[0]), max_size=len(rows[0])))
    many = [np.repeat(column, weights) for column in rows]
    if sum(weights):
        assert MODEL.log_likelihood(*many) == pytest.approx(MODEL.log_likelihood(*rows, weights=weights))
    if many[0].size and many[2].any():
        left, right = BetaGeoBetaBernoulli().fit(*rows, weights=weights), BetaGeoBetaBernoulli().fit(*many)
        assert left.params_ == pytest.approx(right.params_)
        assert left.log_likelihood_ == pytest.approx(right.log_likelihood_)


# --- simulation ------------------------------------------------------------------------------------------------------


def test_recovery():
    truth = BetaGeoBetaBernoulli.from_params(0.8, 2.0, 1.5, 12.0)
    sample = truth.simulate(20000, np.resize([6, 12, 20], 20000), 5)
    model = BetaGeoBetaBernoulli().fit(*sample[:3])
    for name, value in truth.params_.items():
        assert abs(model.params_[name] - value) < 3.5 * model.standard_errors_[name]
    assert model.log_likelihood_ >= truth.log_likelihood(*sample[:3])


def test_simulated_customers_behave_like_the_predictions():
    sample = MODEL.simulate(60000, 6, 7, horizon=5)
    history = sample[:3]
    assert np.array_equal(sample.sum_log_intervals > 0, (sample.recency > sample.frequency))
    expected = MODEL.expected_purchases(5, *history)
    error = 4 * np.std(sample.holdout_frequency - expected) / math.sqrt(60000)
    assert abs(sample.holdout_frequency.mean() - expected.mean()) < error
    alive = MODEL.p_alive(*history)
    assert abs(sample.alive.mean() - alive.mean()) < 4 * 0.5 / math.sqrt(60000)
    for low in np.arange(0, 1, 0.2):  # calibrated, not only right on average
        some = (alive >= low) & (alive < low + 0.2)
        if some.sum() > 500:
            assert abs(sample.alive[some].mean() - alive[some].mean()) < 4 * 0.5 / math.sqrt(some.sum())
    again = MODEL.simulate_purchases(5, *history, random_state=8)
    assert abs(again.mean() - expected.mean()) < error
    counts = np.bincount(again.astype(int), minlength=6) / 60000
    pmf = MODEL.probability_of_purchases(np.arange(6), 5, *history).mean(axis=0)
    assert np.all(np.abs(counts - pmf) < 4 * np.sqrt(pmf / 60000))


def test_same_seed_same_customers():
    for left, right in zip(MODEL.simulate(50, 4, 3, horizon=2), MODEL.simulate(50, 4, 3, horizon=2), strict=True):
        np.testing.assert_array_equal(left, right)


# --- degenerate data -------------------------------------------------------------------------------------------------

BATTERY = {
    "one customer": ([2], [4], [6], None, "few"),
    "one customer, nothing": ([0], [0], [6], None, "nobody bought"),
    "nobody": ([0] * 50, [0] * 50, [6] * 50, None, "nobody bought"),
    "everybody, always": ([6] * 50, [6] * 50, [6] * 50, None, "everybody bought"),
    "one opportunity": ([0, 1], [0, 1], [1, 1], [30, 20], "opportunity"),
    "one opportunity, all": ([1], [1], [1], [20], "everybody bought"),
    "two opportunities": ([0, 1, 1, 2], [0, 1, 2, 2], [2] * 4, [50, 20, 10, 20], "opportunities"),
    "some without opportunities": ([0, 0, 1], [0, 0, 2], [0, 3, 3], None, "few"),
    "all bought first only": ([1] * 40, [1] * 40, [8] * 40, None, "limit|stopped|next to nothing"),
    "all bought last only": ([1] * 40, [8] * 40, [8] * 40, None, "limit|stopped|next to nothing"),
    "huge weights": ([0, 1, 3, 6], [0, 2, 5, 6], [6] * 4, [1e9, 3e8, 2e8, 1e8], None),
    "tiny weights": ([0, 1, 3, 6], [0, 2, 5, 6], [6] * 4, [1e-6, 3e-7, 2e-7, 1e-7], "few"),
    "many opportunities": ([0, 100, 40000], [0, 900, 99000], [100000] * 3, None, "few"),
    "very frequent": ([10000] * 5, [10000] * 5, [10000] * 5, None, "everybody bought"),
    "identical": ([3] * 1000, [5] * 1000, [6] * 1000, None, "stopped|next to nothing"),
}


@pytest.mark.parametrize("case", BATTERY)
def test_degenerate(case):
    """No numerical error, warning, NaN or infinity; the diagnosis says what cannot be known."""
    x, t_x, n, weights, said = BATTERY[case]
    model = BetaGeoBetaBernoulli().fit(x, t_x, n, weights)
    numbers = [*model.params_.values(), *model.standard_errors_.values(), model.log_likelihood_, model.aic_, model.bic_]
    assert np.all(np.isfinite(numbers))
    assert np.all(np.isfinite(model.covariance_))
    if said is not None:
        assert any(word in text for text in model.diagnosis_ for word in said.split("|")), model.diagnosis_
    rows = (np.append(x, 0), np.append(t_x, 0), np.append(n, 0))
    expected = model.expected_purchases(10, *rows)
    assert np.all((expected >= 0) & (expected <= 10))
    alive = model.p_alive(*rows)
    assert np.all((alive >= 0) & (alive <= 1))
    np.testing.assert_allclose(model.probability_of_purchases(np.arange(11), 10, *rows).sum(axis=1), 1, atol=1e-6)
    for horizon in (10, np.inf):
        assert all(np.all(np.isfinite(part)) for part in model.next_purchase(horizon, *rows))
    assert np.all(np.isfinite(model.discounted_expected_purchases(0.01, *rows)))
    assert np.all(np.isfinite(model.simulate_purchases(10, *rows, random_state=0)))
    simulated = model.simulate(20, 6, 0, horizon=3)
    assert np.all(simulated.frequency <= simulated.recency)


def test_sensible_where_undetermined():
    nobody = BetaGeoBetaBernoulli().fit([0], [0], [6], [1000])
    assert nobody.expected_purchases(6, 0, 0, 6)[0] < 0.01
    always = BetaGeoBetaBernoulli().fit([6], [6], [6], [1000])
    assert always.expected_purchases(6, 6, 6, 6)[0] > 5.9


def test_pickle(fitted):
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.p_alive([0, 2], [0, 4], 6), fitted.p_alive([0, 2], [0, 4], 6))
    assert other.params_ == fitted.params_


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (([1], [2.5], [4]), "whole numbers of opportunities"),
        (([1], [2], [4.5]), "row 0 has recency 2 and T 4.5"),
        (([3, 1], [2, 1], [4, 4]), "frequency 3 and recency 2"),
        (([1], [5], [4]), "recency"),
        (([np.nan], [1], [4]), "missing"),
        (([-1], [0], [4]), "whole number"),
    ],
)
def test_impossible_histories(rows, said):
    with pytest.raises(CustomerTableError, match=said):
        BetaGeoBetaBernoulli().fit(*rows)
    with pytest.raises(CustomerTableError, match=said):
        MODEL.p_alive(*rows)


def test_nothing_to_learn():
    for rows in (([], [], []), ([0, 0], [0, 0], [0, 0])):
        with pytest.raises(FitError, match="at least one opportunity"):
            BetaGeoBetaBernoulli().fit(*rows)
    with pytest.raises(FitError):
        BetaGeoBetaBernoulli().fit([0, 1], [0, 1], [0, 3], weights=[5, 0])


def test_bad_arguments():
    for call in (
        lambda: MODEL.expected_purchases(1.5, 0, 0, 6),
        lambda: MODEL.next_purchase(1.5, 0, 0, 6),
        lambda: MODEL.probability_of_purchases(0, 2.5),
        lambda: MODEL.simulate(5, 6, 0, horizon=0.5),
        lambda: MODEL.discounted_expected_purchases(0.1, 0, 0, 6, horizon=1.5),
    ):
        with pytest.raises(ValueError, match="whole number"):
            call()
    with pytest.raises(ValueError, match="positive discount rate"):
        MODEL.discounted_expected_purchases(0, 0, 0, 6)
    with pytest.raises(ValueError, match="from 0 on"):
        MODEL.discounted_expected_purchases(-0.1, 0, 0, 6)
    with pytest.raises(ValueError, match="whole numbers of opportunities"):
        MODEL.simulate(3, [1.5, 2, 3])
    with pytest.raises(ValueError, match="no other unit"):
        MODEL.rescaled(7)
    with pytest.raises(ValueError, match="no parameters yet"):
        BetaGeoBetaBernoulli().p_alive(0, 0, 1)
