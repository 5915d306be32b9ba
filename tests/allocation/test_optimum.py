"""The optimum against an independent solver (cvxpy with Clarabel) and against finite differences."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from segmentation.allocation import Resource, allocate
from segmentation.allocation._concave import solve_concave
from segmentation.allocation._cost import solve_cost
from segmentation.allocation._problem import CURVATURES, Problem
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_allocation.py"


@pytest.fixture(scope="module")
def bench():
    """The benchmark's random problems and its oracle."""
    spec = importlib.util.spec_from_file_location("bench_allocation", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_allocation"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(25))
def test_equals_conic_solver(bench, seed):
    pytest.importorskip("cvxpy", reason="cvxpy is the oracle: pip install cvxpy")
    problem = bench.random_problem(seed)
    solution = solve_concave(problem)
    total = problem.total(solution.x)
    best, _, _ = bench.conic(problem)
    assert total == pytest.approx(best, rel=1e-6)
    assert solution.gap <= 1e-6
    assert solution.status == "optimal"
    assert bench.violation(problem, solution.x) <= 1e-9


@pytest.mark.parametrize("seed", range(100, 130))
def test_proof_and_prices(bench, seed):
    """The gap is proven, no plan nearby is better, and prices are what a little more brings."""
    problem = dataclasses.replace(bench.random_problem(seed), floors=())
    solution = solve_concave(problem)
    assert solution.gap <= 1e-7
    for j, price in enumerate(solution.shadow_prices):
        rates = []
        for step in (-1e-4, 1e-4):
            supply = problem.supply.copy()
            supply[j] *= 1 + step
            other = solve_concave(dataclasses.replace(problem, supply=supply))
            rates.append((problem.total(other.x) - problem.total(solution.x)) / (problem.supply[j] * step))
        slack = 1e-6 * problem.total(solution.x) / problem.supply[j] + 1e-2 * rates[0]
        # where both sides differ, any price between them is right
        assert rates[1] - slack <= price <= rates[0] + slack


@pytest.mark.parametrize("seed", range(12))
def test_cheapest_plan_is_proven(bench, seed):
    """No plan can be cheaper than tangents of the best return allow; what is paid for is reached."""
    problem = bench.random_problem(seed)
    rng = np.random.default_rng(seed)
    price = rng.choice([0.0, 1.0, 3.0], size=len(problem.supply))
    price[0] = 1.0
    most, least = problem.total(solve_concave(problem).x), problem.total(problem.lower)
    target = least + (most - least) * rng.uniform(0.05, 0.98)
    solution, _ = solve_cost(problem, price, target)
    assert solution.gap <= 1e-6
    assert problem.total(solution.x) >= target * (1 - 1e-9)
    assert bench.violation(problem, solution.x) <= 1e-9


def test_extreme_scales(bench):
    for seed in range(200, 240):
        rng = np.random.default_rng(seed)
        problem = dataclasses.replace(bench.random_problem(seed), floors=())
        supply = problem.lower @ problem.use + problem.supply * 10 ** rng.uniform(-4, 4)
        problem = dataclasses.replace(problem, supply=supply)
        solution = solve_concave(problem)
        assert solution.gap <= 1e-6
        assert bench.violation(problem, solution.x) <= 1e-9


def test_steep_curves_that_once_stalled():
    """Slopes without limit at 0 beside lines: exponents from 0.05 to 0.999 and Hill curves of shape 0.3."""
    rng = np.random.default_rng(5)
    curves = [PowerCurve(rng.lognormal(3, 2), e) for e in np.linspace(0.05, 0.999, 40)]
    curves += [HillCurve(rng.lognormal(5, 2), rng.lognormal(0, 2), s) for s in np.linspace(0.3, 1, 40)]
    curves += [LinearCurve(float(s), 3.0) for s in range(1, 21)]
    use = rng.choice([0.5, 1.0, 2.0], size=(100, 2))
    problem = Problem(
        items=tuple((i, "a") for i in range(100)),
        curves=tuple(curves),
        use=use,
        supply=np.array([60.0, 40.0]),
        lower=np.zeros(100),
        upper=np.full(100, np.inf),
    )
    solution = solve_concave(problem)
    assert solution.gap <= 1e-7
    assert problem.is_feasible(solution.x)


def test_curvatures_are_second_derivatives():
    x = np.array([0.3, 1.0, 2.7])
    for curve in (
        ExponentialCurve(3, 0.7),
        LogCurve(3, 0.7),
        PowerCurve(3, 0.7),
        LinearCurve(3),
        HillCurve(3, 0.7, 0.6),
    ):
        problem = Problem(
            items=tuple((i, "a") for i in range(3)),
            curves=(curve,) * 3,
            use=np.ones((3, 1)),
            supply=np.ones(1),
            lower=np.zeros(3),
            upper=np.full(3, np.inf),
        )
        step = 1e-6
        numerical = (curve.slope(x - step) - curve.slope(x + step)) / (2 * step)
        assert type(curve).__name__ in CURVATURES
        assert problem.curvature(x) == pytest.approx(numerical, rel=1e-6, abs=1e-8)


class _Root(PowerCurve):
    """A family that the solver does not know by name."""


def test_curve_of_another_family():
    def problem(family):
        return Problem(
            items=(("a", "m"), ("b", "m")),
            curves=(family(3.0, 0.5), family(1.0, 0.5)),
            use=np.ones((2, 1)),
            supply=np.array([10.0]),
            lower=np.zeros(2),
            upper=np.full(2, np.inf),
        )

    assert solve_concave(problem(_Root)).x == pytest.approx([9.0, 1.0], rel=1e-6)


def test_shares_of_segments_with_and_without_a_flat_end():
    curves = {
        ("a", "x"): ExponentialCurve(10.0, 1.0),
        ("a", "y"): LogCurve(5.0, 1.0),
        ("b", "x"): LogCurve(4.0, 1.0),
        ("b", "y"): LogCurve(3.0, 1.0),
    }
    plan = allocate(curves, Resource("budget", 200.0), bounds=(0, 150), min_share=0.3)
    taken = plan.table.groupby("segment")["budget"].sum()
    assert taken.sum() == pytest.approx(200.0)
    assert (taken >= 60.0 - 1e-6).all()
    assert plan.gap <= 1e-6
