"""Intervals against an optimiser, against statsmodels, and by enumeration of every possible outcome."""

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import gammaln

from segmentation._multiplicity import holm
from segmentation.feedback._intervals import (
    FEW,
    FROM,
    alike_within_customers,
    effective_sizes,
    promoter_interval,
    proportion_interval,
    share_difference,
)


def score_by_optimiser(x, y, n, d):
    """Score statistic of promoters - detractors = d; the share of detractors by numeric maximum likelihood."""

    def minus_log_likelihood(q):
        parts = np.clip([q + d, q, 1 - 2 * q - d], 1e-300, 1)
        return -(x * np.log(parts[0]) + y * np.log(parts[1]) + (n - x - y) * np.log(parts[2]))

    low, high = max(0.0, -d), (1 - d) / 2
    q = optimize.minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return (x - y - n * d) / np.sqrt(n * (2 * q + d - d**2))


@pytest.mark.parametrize(("x", "y", "n"), [(12, 5, 30), (3, 9, 14), (25, 1, 60), (40, 41, 200), (9, 2, 11)])
def test_promoter_interval_ends_where_the_score_test_rejects(x, y, n):
    low, high = promoter_interval(x, y, n, 0.95)
    z2 = stats.norm.ppf(0.975) ** 2
    z = np.sqrt(z2 * n / (n + FEW * (z2 - FROM)))  # shorter for few answers
    assert score_by_optimiser(x, y, n, float(low)) == pytest.approx(z, abs=2e-4)
    assert score_by_optimiser(x, y, n, float(high)) == pytest.approx(-z, abs=2e-4)


@pytest.mark.parametrize(("x", "y", "n"), [(10, 0, 10), (0, 10, 10), (0, 0, 10), (7, 0, 10), (0, 1, 10)])
def test_promoter_interval_at_the_edges(x, y, n):
    low, high = (float(bound) for bound in promoter_interval(x, y, n, 0.95))
    assert -1 <= low <= (x - y) / n <= high <= 1
    assert high > low
    mirrored = promoter_interval(y, x, n, 0.95)
    assert (low, high) == (pytest.approx(-float(mirrored[1]), abs=1e-9), pytest.approx(-float(mirrored[0]), abs=1e-9))


def test_proportions_equal_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for k, n in [(0, 12), (3, 10), (10, 10), (55, 400)]:
        ours = [float(bound) for bound in proportion_interval(k / n, n, 0.95)]
        theirs = proportion.proportion_confint(k, n, 0.05, method="wilson")
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    low, high = share_difference(np.array(0.7), np.array(80), np.array(0.6), np.array(80), 0.95)
    # Newcombe (1998), table II, example (a), method 10: 56/70 against 48/80
    low, high = share_difference(np.array(56 / 70), np.array(70), np.array(48 / 80), np.array(80), 0.95)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize("n", [10, 12, 20, 40])
@pytest.mark.parametrize("kinds", [(4.0, 3.0, 2.0), (1.0, 1.0, 1.0), (1.0, 0.3, 0.1), (4.0, 1.0, 3.0)])
def test_coverage_of_the_score_by_enumeration(n, kinds):
    """Exact coverage for each of 200 markets, from hardly any detractor to few passives; its mean is 95 +- 1.5 %."""
    truths = np.clip(np.random.default_rng(1).dirichlet(kinds, 200), 1e-6, 1.0)
    truths /= truths.sum(axis=1, keepdims=True)
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    x, y = x[x + y <= n], y[x + y <= n]
    low, high = promoter_interval(x, y, n, 0.95)
    ways = gammaln(n + 1) - gammaln(x + 1) - gammaln(y + 1) - gammaln(n - x - y + 1)
    covered = []
    for up, middle, down in truths:
        chance = np.exp(ways + x * np.log(up) + (n - x - y) * np.log(middle) + y * np.log(down))
        covered.append(chance[(low <= up - down + 1e-9) & (up - down - 1e-9 <= high)].sum())
    assert abs(np.mean(covered) - 0.95) < 0.015


def test_customers_who_answer_the_same_every_time_count_once():
    customer = np.repeat(np.arange(100), 3)
    group = np.zeros(300, dtype=int)
    same = np.repeat(np.random.default_rng(0).normal(size=100), 3)
    assert alike_within_customers(same, customer, group) == pytest.approx(1.0)
    assert effective_sizes(customer, group, 1, 1.0, 0.95)[0] == pytest.approx(100, rel=0.03)
    other = np.random.default_rng(0).normal(size=300)
    assert alike_within_customers(other, customer, group) < 0.1
    assert effective_sizes(customer, group, 1, 0.0, 0.95)[0] == 300


def test_alike_recovers_the_correlation():
    rng = np.random.default_rng(2)
    times = rng.integers(1, 5, 4000)
    customer = np.repeat(np.arange(4000), times)
    values = rng.normal(size=4000)[customer] * np.sqrt(0.3) + rng.normal(size=customer.size) * np.sqrt(0.7)
    assert alike_within_customers(values, customer, customer % 3) == pytest.approx(0.3, abs=0.04)


def test_holm_equals_statsmodels():
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    p = np.random.default_rng(3).uniform(size=20) ** 2
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
