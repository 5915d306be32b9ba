"""The integrals over the time of leaving against high-precision quadrature and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.clv._dropout_time import BLOCK, dropout_nodes, log_peaked_integral

mpmath = pytest.importorskip("mpmath", reason="the oracle of these tests")


def one(*values):
    return [np.array([float(v)]) for v in values]


def nodes_of(*arguments):
    (nodes,) = dropout_nodes(*one(*arguments))
    return nodes


def oracle(power_a, power_b, A, B, length):
    """The integral over y = log(1 + u / min(A, B)), cut where its features are."""
    with mpmath.workdps(25):
        power_a, power_b, A, B, length = map(mpmath.mpf, (power_a, power_b, A, B, length))
        small = min(A, B)
        end = mpmath.log1p(length / small)
        cuts, cut = [mpmath.mpf(0)], 1 / (power_a * small / A + power_b * small / B)
        while cut < min(end, 2):
            cuts.append(cut)
            cut *= 2
        pieces = int(min(mpmath.ceil((end - cuts[-1]) / 2), 60))
        cuts += [cuts[-1] + (end - cuts[-1]) * i / pieces for i in range(1, pieces + 1)]

        def value(y):
            u = small * mpmath.expm1(y)
            return small * mpmath.exp(y - power_a * mpmath.log1p(u / A) - power_b * mpmath.log1p(u / B))

        return float(mpmath.log(mpmath.quad(value, cuts, maxdegree=5)))


GRID = [
    (r + x, s + 1, alpha + t_x, beta + t_x, 1 - t_x)
    for r, x, t_x in ((0.001, 0, 0.0), (0.5, 0, 0.0), (0.5, 3, 0.4), (0.3, 10_000, 0.999), (1000.0, 200, 0.1))
    for s in (0.001, 0.6, 1000.0)
    for alpha, beta in ((1e-7, 1e-3), (0.05, 8000.0), (2.0, 0.1), (0.3, 0.3), (1e4, 1e-4))
]
# both factors long and slow, so that neither alone says where to stop
GRID += [(2.29, 3.04, 3.2e-8, 0.005, 1.0), (1.5, 1.5, 1e-8, 1e-8, 1.0), (3.54, 5.02, 3.27e-8, 0.0559, 1.0)]


@pytest.mark.parametrize("arguments", GRID)
def test_quadrature(arguments):
    assert nodes_of(*arguments).log_total[0] == pytest.approx(oracle(*arguments), abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(
    st.floats(-7, 7),
    st.sampled_from([0, 1, 5, 300]),
    st.floats(-7, 7),
    st.floats(-16, 9),
    st.floats(-9, 9),
    st.floats(-10, 0),
)
def test_quadrature_anywhere(log_r, x, log_s, log_alpha, log_beta, log_length):
    r, s, alpha, beta, length = np.exp([log_r, log_s, log_alpha, log_beta, log_length])
    arguments = (r + x, s + 1, alpha, beta, length)
    assert nodes_of(*arguments).log_total[0] == pytest.approx(oracle(*arguments), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.05, 300), st.floats(0.01, 300), st.floats(1e-4, 1e4), st.floats(1e-4, 1e4))
def test_unlimited_time_is_the_hypergeometric_function(power_a, power_b, A, B):
    """p / (A + B - 1) 2F1(1, B; A + B; 1 - p / q) for p < q: Fader, Hardie, http://brucehardie.com/notes/009/."""
    power_a += 1.0
    ours = nodes_of(power_a, power_b, A, B, min(A, B) * 1e200).log_total[0]
    if A > B:
        power_a, power_b, A, B = power_b, power_a, B, A
    # with large powers the series loses tens of digits before it converges
    with mpmath.workdps(80):
        z = 1 - mpmath.mpf(A) / mpmath.mpf(B)
        total = mpmath.mpf(power_a) + mpmath.mpf(power_b)
        value = mpmath.log(A / (total - 1) * mpmath.hyp2f1(1, power_b, total, z))
    assert ours == pytest.approx(float(value), abs=1e-9)


def test_shares_sum_to_one_and_are_means():
    nodes = nodes_of(3.0, 1.7, 0.4, 0.9, 1.0)
    assert nodes.share.sum() == pytest.approx(1, abs=1e-14)
    # the mean of (1 + u/A)^-1 is the same integral with one power more, over itself
    more = nodes_of(4.0, 1.7, 0.4, 0.9, 1.0).log_total - nodes.log_total
    assert (nodes.share * np.exp(-nodes.log_a)).sum() == pytest.approx(float(np.exp(more[0])), rel=1e-12)


def test_every_row_comes_once_and_alone_gives_the_same():
    rng = np.random.default_rng(0)
    n = 3 * BLOCK
    columns = [np.exp(rng.uniform(*ends, n)) for ends in ((-3, 8), (0.01, 2), (-10, 3), (-5, 5), (-6, 0))]
    columns[4][::7] = 0.0
    seen, total = np.zeros(n), np.full(n, np.nan)
    for nodes in dropout_nodes(*columns):
        seen[nodes.rows] += 1
        total[nodes.rows] = nodes.log_total
    np.testing.assert_array_equal(seen, columns[4] > 0)
    for i in rng.choice(np.flatnonzero(seen), 20):
        assert total[i] == pytest.approx(nodes_of(*(c[i] for c in columns)).log_total[0], abs=1e-9)


@pytest.mark.parametrize("n", [1, 4, 60, 3000])
@pytest.mark.parametrize(
    ("shape", "power_b", "A", "B", "length"),
    [
        (0.5, 1.6, 10.0, 12.0, 39.0),
        (500.0, 1.01, 300.0, 5000.0, 30.0),
        (0.01, 900.0, 1e-4, 20.0, 5.0),
        (10_000.0, 1.5, 700.0, 2.0, 365.0),
    ],
)
def test_peaked_integral(n, shape, power_b, A, B, length):
    value = float(log_peaked_integral(n, *one(shape + n, power_b, A, B), length)[0])
    # the same by the trapezoidal rule on a fine grid, first found where it counts

    def log_value(z):
        fall = shape * np.logaddexp(0, z - np.log(A)) + power_b * np.logaddexp(0, z - np.log(B))
        return (n + 1) * z - n * np.logaddexp(0, z - np.log(A)) - fall

    coarse = np.linspace(np.log(length) - 60, np.log(length), 100_001)
    counts = np.flatnonzero(log_value(coarse) > log_value(coarse).max() - 50)
    z = np.linspace(coarse[max(counts[0] - 1, 0)], coarse[min(counts[-1] + 1, 100_000)], 200_001)
    logs = log_value(z)
    density = np.exp(logs - logs.max())
    expected = logs.max() + np.log((density.sum() - (density[0] + density[-1]) / 2) * (z[1] - z[0]))
    assert value == pytest.approx(expected, abs=1e-7)
