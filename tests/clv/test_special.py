"""The integral against high-precision quadrature of its definition, and at its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.clv import _special
from segmentation.clv._special import mean_purchases_while_dying

mpmath = pytest.importorskip("mpmath", reason="the oracle of these tests")

shapes = st.floats(0.01, 100)
repeats = st.integers(0, 300)


def one(*values):
    return [np.array([float(v)]) for v in values]


def dying(shape, a, b, span):
    shape, b, span = one(shape, b, span)
    return float(mean_purchases_while_dying(shape, a, b, span)[0])


def dying_oracle(shape, a, b, span):
    """E[(1 - (1 + p h)^-R) / p] over the beta distribution, integrated over y = log(p / (1 - p))."""
    with mpmath.workdps(25):
        shape, a, b, span = map(mpmath.mpf, (shape, a, b, span))

        def value(y):
            p, q = 1 / (1 + mpmath.exp(-y)), 1 / (1 + mpmath.exp(y))
            purchases = -mpmath.expm1(-shape * mpmath.log1p(p * span)) / p
            return mpmath.exp(a * mpmath.log(p) + b * mpmath.log(q)) / mpmath.beta(a, b) * purchases

        centre, spread = mpmath.log(a / b), mpmath.sqrt(1 / a + 1 / b)
        low, high = centre - 10 * spread - 60 / a, centre + 10 * spread + 60 / b
        points = [low, centre - 6 * spread, centre - spread, centre + spread, centre + 6 * spread, high]
        return float(mpmath.quad(value, sorted({low, high, *(p for p in points if low < p < high)}), maxdegree=9))


@pytest.mark.parametrize(
    ("shape", "a", "b", "span"),
    [
        (0.25, 0.8, 2.5, 1.0),  # an ordinary one-time buyer
        (2.25, 0.8, 4.5, 0.9),
        (2.0, 1.0, 3.0, 1.0),  # at the removable singularity
        (2.0, 1.0 + 1e-9, 3.0, 1.0),
        (200.25, 0.8, 202.5, 0.5),  # heavy buyers
        (10_000.3, 0.6, 10_002.5, 1.5),
        (0.3, 0.3, 0.4, 8.0),  # a + b < 1: the hypergeometric parameter is negative
        (0.3, 0.4, 0.6, 8.0),  # a + b = 1: it is zero
        (900.0, 0.9, 3.0, 0.2),  # customers alike
        (0.5, 900.0, 900.0, 0.4),  # leaving probabilities alike
        (0.5, 0.01, 900.0, 2.0),  # nobody leaves
        (0.5, 0.5, 2.0, 400.0),  # a horizon of many lifetimes
        (0.5, 0.5, 2.0, 1e-6),  # and a tiny one
        (28.0, 24.0, 138.0, 13.15),  # whole parameters, for which scipy's function can be wrong by more than half
        (13.0, 28.0, 134.0, 11.19),
        (5.0, 6.0, 87.0, 10.0),
    ],
)
def test_purchases_of_an_active_customer(shape, a, b, span):
    expected = dying_oracle(shape, a, b, span)
    assert dying(shape, a, b, span) == pytest.approx(expected, rel=1e-7)
    summed = _special._sum_over_dropout(*one(shape, a, b, span))
    assert float(summed[0]) == pytest.approx(expected, rel=1e-7)


@settings(deadline=None, max_examples=60)
@given(shapes, repeats, shapes, shapes, st.floats(1e-3, 50))
def test_closed_form_and_sum_agree(r, x, a, b, span):
    summed = _special._sum_over_dropout(*one(r + x, a, b + x, span))
    assert dying(r + x, a, b + x, span) == pytest.approx(float(summed[0]), rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(shapes, repeats, shapes, shapes, st.floats(1e-4, 50), st.floats(1.001, 5))
def test_purchases_grow_with_the_horizon_within_bounds(r, x, a, b, span, factor):
    sooner, later = dying(r + x, a, b + x, span), dying(r + x, a, b + x, span * factor)
    assert 0 < sooner <= (r + x) * span * (1 + 1e-9)
    assert sooner <= later * (1 + 1e-6)


def test_smooth_through_the_singularity():
    values = [dying(3.0, 1.0 + offset, 5.0, 2.0) for offset in (-1e-3, -1e-6, 0.0, 1e-6, 1e-3)]
    assert np.all(np.diff(values) < 0)
    assert values[2] == pytest.approx((values[0] + values[4]) / 2, rel=1e-6)


def test_no_time_no_purchases():
    np.testing.assert_array_equal(mean_purchases_while_dying(np.ones(2), 0.8, np.ones(2), np.array([0.0, 0.0])), 0.0)


def test_many_rows_are_computed_in_blocks():
    n = _special.BLOCK + 7
    b = np.linspace(1.0, 9.0, n)
    whole = mean_purchases_while_dying(np.full(n, 2.0), 1.0, b, np.full(n, 1.5))
    some = [0, _special.BLOCK - 1, _special.BLOCK, n - 1]
    np.testing.assert_allclose(whole[some], [dying(2.0, 1.0, b[i], 1.5) for i in some], rtol=1e-12)
