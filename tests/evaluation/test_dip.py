"""The dip statistic against its definition and against another implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from segmentation.evaluation._dip import dip_p_value, dip_statistic
from segmentation.evaluation._dip_table import PROBABILITIES, QUANTILES, SIZES


def dip_by_definition(values):
    """The smallest d for which some distribution with one mode stays within d of the sample's, by linear programs.

    One program per place of the mode: the values of the distribution at the sample, with slopes that rise to the mode
    and fall after it; at the mode itself there may be a jump.
    """
    x = np.sort(values)
    n = len(x)
    best = 1.0
    for mode in range(n):
        # unknown: left limit and value at each point (equal but at the mode), and d
        size = n + 2  # G at 0..n-1, extra left limit at the mode, d
        extra, d = n, n + 1
        rows, bounds = [], []

        def add(coefficients, bound, rows=rows, bounds=bounds, size=size):
            row = np.zeros(size)
            for index, value in coefficients:
                row[index] += value
            rows.append(row)
            bounds.append(bound)

        def before(i, mode=mode, extra=extra):
            return extra if i == mode else i

        for i in range(n):
            add([(i, 1), (d, -1)], (i + 1) / n)
            add([(i, -1), (d, -1)], -(i + 1) / n)
            add([(before(i), 1), (d, -1)], i / n)
            add([(before(i), -1), (d, -1)], -i / n)
        add([(extra, 1), (mode, -1)], 0)
        for i in range(n - 1):
            add([(i, 1), (before(i + 1), -1)], 0)
        for i in range(n - 2):
            a, b = x[i + 1] - x[i], x[i + 2] - x[i + 1]
            if i + 2 <= mode:  # convex
                add([(i + 1, 1 / a + 1 / b), (i, -1 / a), (before(i + 2), -1 / b)], 0)
            if i >= mode:  # concave
                add([(i + 1, -1 / a - 1 / b), (i, 1 / a), (i + 2, 1 / b)], 0)
        cost = np.zeros(size)
        cost[d] = 1
        found = linprog(cost, A_ub=np.array(rows), b_ub=bounds, bounds=[(0, 1)] * size)
        best = min(best, found.fun)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_it_is_what_the_definition_says(seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(size=6), rng.normal(3, 1, 5)])
    assert dip_statistic(values) == pytest.approx(dip_by_definition(values), abs=1e-7)


@pytest.mark.parametrize("draw", ["normal", "two modes", "rounded", "exponential"])
def test_it_agrees_with_diptest(draw):
    diptest = pytest.importorskip("diptest", reason="the other implementation (diptest) is not installed")
    rng = np.random.default_rng(1)
    for _ in range(50):
        n = int(rng.integers(5, 400))
        values = rng.exponential(size=n) if draw == "exponential" else rng.normal(size=n)
        if draw == "two modes":
            values[: n // 3] += 4
        if draw == "rounded":
            values = values.round(1)
        assert dip_statistic(values) == pytest.approx(diptest.dipstat(values), abs=1e-6)


def test_known_values():
    assert dip_statistic(np.arange(10.0)) == pytest.approx(1 / 20)
    assert dip_statistic(np.r_[np.zeros(50), np.ones(50)]) == pytest.approx(0.25, abs=0.01)
    assert dip_statistic(np.full(20, 3.0)) == pytest.approx(1 / 40)
    assert dip_statistic(np.array([1.0, 2.0])) == pytest.approx(1 / 4)


values_of = st.lists(st.floats(-500, 500), min_size=4, max_size=60).map(lambda v: np.array(v).round(3))


@given(values_of, st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=60, deadline=None)
def test_it_does_not_depend_on_units_or_direction(values, scale, shift):
    dip = dip_statistic(values)
    assert 1 / (2 * len(values)) - 1e-12 <= dip <= 0.25 + 1e-6
    # equal values are moved apart by 1e-9 of the range, which shows where other gaps are a millionth of it
    assert dip_statistic(-values) == pytest.approx(dip, abs=1e-4)
    assert dip_statistic(scale * values + shift) == pytest.approx(dip, abs=1e-4)


def test_p_values_are_uniform_for_uniform_samples():
    rng = np.random.default_rng(2)
    p_values = np.array([dip_p_value(dip_statistic(rng.random(n)), n) for n in rng.integers(20, 800, 2000)])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert abs((p_values <= level).mean() - level) < 3.3 * np.sqrt(level * (1 - level) / 2000)


def test_p_value_at_the_edges():
    assert dip_p_value(0.25, 3) == 1.0
    assert dip_p_value(0.0, 100) == 1.0
    assert dip_p_value(0.25, 10_000) == pytest.approx(1 - PROBABILITIES[-1])
    median = PROBABILITIES.index(0.5)
    for n, quantiles in zip(SIZES, QUANTILES, strict=True):
        assert dip_p_value(quantiles[median] / np.sqrt(n), n) == pytest.approx(0.5, abs=0.001)


def test_p_value_falls_with_the_dip():
    p_values = [dip_p_value(dip, 137) for dip in np.linspace(0, 0.1, 50)]
    assert (np.diff(p_values) <= 0).all()
