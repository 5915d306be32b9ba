"""Behaviour, needs and orders: the population follows the models, and the expected value is the realised one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.linalg import expm
from scipy.special import hyp2f1, softmax

from segmentation.datasets import _market_clock as clock
from segmentation.datasets import _market_needs as needs
from segmentation.datasets import _market_orders as orders
from segmentation.datasets import make_market
from segmentation.features import btyd_table

R, ALPHA, A, B, P, Q, V = 1.2, 50.0, 0.7, 2.8, 6.0, 4.0, 20.0


@pytest.fixture(scope="module")
def plain():
    return make_market(30_000, random_state=11)


@pytest.fixture(scope="module")
def misspecified():
    return make_market(30_000, random_state=11, misspecified=True)


def z_of_mean(differences):
    """Return how many standard errors the mean is away from zero."""
    return np.mean(differences) / (np.std(differences) / np.sqrt(len(differences)))


def customers(n_customers, rate, dropout, shape):
    """Return identical customers."""
    full = np.full(n_customers, 1.0)
    return needs.Latents(
        segment=np.zeros(n_customers, dtype=np.int64),
        rate=rate * full,
        dropout=dropout * full,
        mean_spend=30 * full,
        erlang_shape=np.full(n_customers, shape),
        scores=np.zeros((n_customers, 3)),
    )


# --- the population ------------------------------------------------------------------------------------------


def test_latents_follow_the_models(plain):
    truth = plain.truth
    assert needs.POPULATION.tolist() == [R, ALPHA, A, B, P, Q, V]
    assert stats.kstest(truth["purchase_rate"], stats.gamma(R, scale=1 / ALPHA).cdf).pvalue > 1e-3
    assert stats.kstest(truth["dropout_probability"], stats.beta(A, B).cdf).pvalue > 1e-3
    assert stats.kstest(P / truth["mean_spend"], stats.gamma(Q, scale=1 / V).cdf).pvalue > 1e-3


def test_latents_are_independent_in_the_population_although_segments_differ(plain):
    latents = plain.truth[["purchase_rate", "dropout_probability", "mean_spend"]]
    ranks = latents.rank().corr().to_numpy()[np.triu_indices(3, 1)]
    assert (np.abs(ranks) < 4 / np.sqrt(len(latents))).all()
    within = latents.rank().groupby(plain.truth["segment"], observed=True).mean()
    assert (within.max() - within.min() > 0.2 * len(latents)).all()


def test_intercepts_give_the_shares():
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    mass = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
    table = needs.NEEDS.to_numpy()
    by_hand = mass @ softmax(table[:, 0] + grid @ table[:, 1:].T, axis=1)
    np.testing.assert_allclose(by_hand, needs.SHARES, atol=2e-6)
    np.testing.assert_allclose(mass @ needs.probabilities(grid), by_hand, rtol=1e-12)


def test_segments_are_drawn_with_the_stated_probabilities(plain):
    truth = plain.truth
    scores = np.column_stack(
        [
            stats.norm.ppf(stats.gamma(R, scale=1 / ALPHA).cdf(truth["purchase_rate"])),
            stats.norm.ppf(stats.beta(A, B).cdf(truth["dropout_probability"])),
            stats.norm.ppf(stats.gamma(Q, scale=1 / V).sf(P / truth["mean_spend"])),
        ]
    )
    expected = needs.probabilities(scores)
    for code, segment in enumerate(plain.segments):
        residual = (truth["segment"] == segment) - expected[:, code]
        assert abs(z_of_mean(residual)) < 4
        for column in range(3):
            assert abs(z_of_mean(residual * scores[:, column])) < 4


def expected_repeat_purchases(T):
    """Equation of Batislam, Denizel and Filiztekin (2007) for the expected number of repeat purchases until T."""
    first_term = (ALPHA / (ALPHA + T)) ** R * hyp2f1(R, B + 1, A + B, T / (ALPHA + T))
    return B / (A - 1) * (1 - first_term)


def test_closed_form_of_the_test_is_right():
    """By integrating (1 - p) (1 - exp(-l p t)) / p, the expectation of a known customer, over the population."""

    def integrand(p, t):
        left_by_t = 1 - (ALPHA / (ALPHA + p * t)) ** R  # the mean of 1 - exp(-l p t) over the rates
        return (1 - p) * left_by_t / p * stats.beta.pdf(p, A, B)

    for t in (30.0, 300.0, 731.0):
        value, _ = integrate.quad(integrand, 0, 1, args=(t,))
        assert expected_repeat_purchases(t) == pytest.approx(value, rel=1e-6)


def test_repeat_purchases_equal_the_closed_form(plain):
    counts = plain.orders["customer_id"].value_counts().reindex(plain.truth.index)
    first = plain.orders.drop_duplicates("customer_id").set_index("customer_id")["timestamp"].reindex(counts.index)
    observed = (pd.Timestamp("2025-01-01") - first) / pd.Timedelta(days=1)
    assert abs(z_of_mean(counts - 1 - expected_repeat_purchases(observed))) < 4
    # Also for the customers of each half year: the curve, not only its average.
    for _, chosen in observed.groupby(pd.cut(observed, [0, 180, 365, 550, 740]), observed=True):
        ids = chosen.index
        assert abs(z_of_mean(counts[ids] - 1 - expected_repeat_purchases(observed[ids]))) < 4


def test_share_of_one_time_buyers_equals_the_closed_form(plain):
    counts = plain.orders["customer_id"].value_counts().reindex(plain.truth.index)
    first = plain.orders.drop_duplicates("customer_id").set_index("customer_id")["timestamp"].reindex(counts.index)
    T = (pd.Timestamp("2025-01-01") - first) / pd.Timedelta(days=1)
    none = A / (A + B) + B / (A + B) * (ALPHA / (ALPHA + T)) ** R
    assert abs(z_of_mean((counts == 1) - none)) < 4


def test_first_orders_are_uniform(plain):
    first = plain.orders.drop_duplicates("customer_id")["timestamp"]
    days = (first - plain.start) / pd.Timedelta(days=1)
    assert stats.kstest(days, stats.uniform(0, 701).cdf).pvalue > 1e-3


@pytest.mark.parametrize("which", ["plain", "misspecified"])
def test_amounts_are_gamma_around_the_customers_mean(which, request):
    market = request.getfixturevalue(which)
    sold = pd.concat([market.orders, market.future_orders])
    ratio = sold["amount"].to_numpy() / market.truth["mean_spend"].loc[sold["customer_id"]].to_numpy()
    assert abs(z_of_mean(ratio - 1)) < 4
    assert abs(z_of_mean((ratio - 1) ** 2 - 1 / P)) < 4
    assert stats.kstest(ratio[:20_000], stats.gamma(P, scale=1 / P).cdf).pvalue > 1e-3
    units = sold["quantity"] - 1 - orders.UNITS_PER_AMOUNT * sold["amount"]
    assert abs(z_of_mean(units)) < 4


def test_spend_depends_on_the_rate_only_where_it_says_so(plain, misspecified):
    rate = stats.norm.ppf(plain.truth["purchase_rate"].rank(pct=True).clip(upper=1 - 1e-6))
    spend = [stats.norm.ppf(m.truth["mean_spend"].rank(pct=True).clip(upper=1 - 1e-6)) for m in (plain, misspecified)]
    assert abs(np.corrcoef(rate, spend[0])[0, 1]) < 4 / np.sqrt(len(rate))
    assert np.corrcoef(rate, spend[1])[0, 1] == pytest.approx(0.5, abs=0.02)
    # The distribution of spend by itself is the same.
    assert stats.ks_2samp(plain.truth["mean_spend"], misspecified.truth["mean_spend"]).pvalue > 1e-3


def test_feeds_the_library(plain):
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    table = btyd_table(plain.orders, **columns, observation_end=plain.observation_end)
    assert len(table) == plain.n_customers
    assert table["T"].between(29, 730).all()
    assert (table["frequency"] == 0).mean() == pytest.approx(0.3, abs=0.05)


# --- what the truth expects is what happens ------------------------------------------------------------------


@pytest.mark.parametrize("which", ["plain", "misspecified"])
def test_expected_value_equals_the_realised_one(which, request):
    market = request.getfixturevalue(which)
    truth = market.truth
    future = market.future_orders.groupby("customer_id")["amount"].agg(["size", "sum"])
    future = future.reindex(truth.index, fill_value=0)
    assert (future["size"][~truth["alive"]] == 0).all()
    assert (truth["clv"][~truth["alive"]] == 0).all()
    assert (truth["clv"][truth["alive"]] > 0).all()
    np.testing.assert_allclose(truth["clv"], truth["expected_purchases"] * truth["mean_spend"])
    purchases = (future["size"] - truth["expected_purchases"])[truth["alive"]]
    value = (future["sum"] - truth["clv"])[truth["alive"]]
    groups = [truth["segment"], truth["erlang_shape"], pd.qcut(truth["purchase_rate"], 5, labels=False)]
    groups += [pd.qcut(truth["dropout_probability"], 5, labels=False)]
    assert abs(z_of_mean(purchases)) < 4
    assert abs(z_of_mean(value)) < 4
    for group in groups:
        for _, part in purchases.groupby(group[truth["alive"]], observed=True):
            assert abs(z_of_mean(part)) < 4


def test_well_specified_expectation_is_the_formula(plain):
    truth = plain.truth[plain.truth["alive"]]
    p, rate = truth["dropout_probability"], truth["purchase_rate"]
    np.testing.assert_allclose(truth["expected_purchases"], -np.expm1(-365 * rate * p) / p, rtol=1e-9)


@pytest.mark.parametrize("shape", [1, 2])
def test_expectation_given_how_long_a_customer_has_waited(shape):
    """Identical customers who differ only in their history: no residual may depend on the wait."""
    latents = customers(60_000, rate=1 / 200, dropout=0.15, shape=shape)
    season = clock.Season.by_month()
    history = orders.simulate(latents, season, np.random.default_rng(0))
    expected = orders.expected_purchases(latents, history, season)
    realised = np.bincount(history.customer[history.day >= clock.END], minlength=60_000)
    residual = (realised - expected)[history.alive]
    waiting = history.waiting[history.alive]
    assert abs(z_of_mean(residual)) < 4
    for part in np.array_split(residual[np.argsort(waiting)], 6):
        assert abs(z_of_mean(part)) < 4
    spread = expected[history.alive].std()
    assert spread < 1e-12 if shape == 1 else spread > 0.02, "only regular buyers have a memory"


@pytest.mark.parametrize(("speed", "dropout", "waiting"), [(0.02, 0.3, 40.0), (0.5, 0.05, 0.0), (0.003, 0.9, 500.0)])
def test_two_stages_equal_the_matrix_exponential(speed, dropout, waiting):
    """States: first stage, second stage, gone; the last row counts the orders."""
    move = np.zeros((4, 4))
    move[0, 0], move[1, 0] = -speed, speed
    move[1, 1], move[0, 1], move[2, 1] = -speed, speed * (1 - dropout), speed * dropout
    move[3, 1] = speed
    begun = speed * waiting / (1 + speed * waiting)
    after = expm(365.0 * move) @ [1 - begun, begun, 0, 0]
    ours = orders._two_stages(np.array([speed]), np.array([dropout]), np.array([waiting]), 365.0)
    np.testing.assert_allclose(ours, after[3], rtol=1e-10)


def test_two_stages_without_dropout():
    ours = orders._two_stages(np.array([0.02]), np.array([1e-300, 0.0]), np.array([0.0]), 365.0)
    # A renewal process with Erlang-2 waits: t/2 stages less the odd one.
    span = 0.02 * 365
    np.testing.assert_allclose(ours, span / 2 - (1 - np.exp(-2 * span)) / 4, rtol=1e-12)


def test_regular_buyers_are_regular():
    """The first of two consecutive waits is a Beta(k, k) share of both."""
    for shape in (1, 2):
        latents = customers(4_000, rate=0.1, dropout=1e-6, shape=shape)
        history = orders.simulate(latents, clock.Season.none(), np.random.default_rng(1))
        table = pd.DataFrame({"customer": history.customer, "day": history.day}).sort_values(["customer", "day"])
        times = table.groupby("customer")["day"].apply(lambda day: day.to_numpy()[:3])
        times = np.array([day for day in times if len(day) == 3])
        share = (times[:, 1] - times[:, 0]) / (times[:, 2] - times[:, 0])
        assert stats.kstest(share, stats.beta(shape, shape).cdf).pvalue > 1e-3


# --- the calendar --------------------------------------------------------------------------------------------


def test_season_is_in_the_orders_of_the_misspecified_market_only():
    latents = customers(3_000, rate=0.05, dropout=1e-9, shape=1)
    month_of_day = pd.date_range("2025-01-01", "2025-12-31").month
    days = np.bincount(month_of_day, minlength=13)[1:]
    for season, factors in (
        (clock.Season.none(), np.ones(12)),
        (clock.Season.by_month(), clock.MONTH_FACTORS),
    ):
        history = orders.simulate(latents, season, np.random.default_rng(2))
        future = history.day[history.day >= clock.END]
        counts = np.bincount(month_of_day[np.floor(future - clock.END).astype(int)], minlength=13)[1:]
        expected = days * factors / (days * factors).sum() * counts.sum()
        assert stats.chisquare(counts, expected).pvalue > 1e-3
        assert abs(counts.sum() - 3_000 * 0.05 * 365) < 4 * np.sqrt(3_000 * 0.05 * 365)


def test_season_runs_as_far_as_the_calendar_in_a_year():
    season = clock.Season.by_month()
    even = season.to_even([0, 365, clock.END, clock.END + clock.FUTURE_DAYS])
    assert even[1] == pytest.approx(365)
    assert even[3] - even[2] == pytest.approx(365)
    days = np.random.default_rng(0).uniform(0, 1096, 1000)
    np.testing.assert_allclose(season.to_calendar(season.to_even(days)), days, rtol=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1095.999), min_size=1, max_size=20))
def test_the_rhythm_of_the_day_keeps_days_and_order(days):
    days = np.sort(np.array(days))
    times = clock.timestamps(days)
    assert times.is_monotonic_increasing
    assert ((times.normalize() - clock.FIRST_DAY).days == np.floor(days)).all()
