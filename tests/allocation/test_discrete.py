"""All-or-nothing problems: against exhaustive search, known answers, proofs, invariance, bad input."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.allocation import InfeasibleError, UnboundedError
from segmentation.allocation._concave import solve_concave
from segmentation.allocation._discrete import solve_discrete
from segmentation.allocation._discrete_order import canonical_order
from segmentation.allocation._problem import Cap, Floor, Problem, with_caps_as_rows
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve, ResponseCurve

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_discrete.py"


@pytest.fixture(scope="module")
def bench():
    """The benchmark's random problems and its exhaustive search."""
    spec = importlib.util.spec_from_file_location("bench_discrete", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_discrete"] = module
    spec.loader.exec_module(module)
    return module


def make(curves, supply, *, use=None, **others):
    n = len(curves)
    supply = np.atleast_1d(np.asarray(supply, dtype=float))
    others = {
        key: np.asarray(value) if key not in ("floors", "exclusive", "caps") else value for key, value in others.items()
    }
    return Problem(
        items=tuple((f"s{i}", "effort") for i in range(n)),
        curves=tuple(curves),
        use=np.ones((n, len(supply))) if use is None else np.asarray(use, dtype=float),
        supply=supply,
        lower=others.pop("lower", np.zeros(n)),
        upper=others.pop("upper", np.full(n, np.inf)),
        **others,
    )


# ---------------------------------------------------------------------- against exhaustive search
# the exhaustive search of the two left out takes a minute
@pytest.mark.parametrize("seed", sorted(set(range(1000, 1031)) - {1018, 1020}))
def test_equals_exhaustive_search(bench, seed):
    problem = bench.small_problem(seed)
    best, plan = bench.exhaustive(problem)
    if plan is None:
        with pytest.raises(InfeasibleError):
            solve_discrete(problem)
        return
    solution = solve_discrete(problem)
    total = bench.net(problem, solution.x)
    size = max(abs(total), 1e-9)
    assert solution.gap <= 1e-4
    assert solution.status in ("optimal", "within gap")
    assert abs(best - total) <= 1e-4 * size
    assert best <= total + (solution.gap + 1e-7) * size
    assert bench.violation(problem, solution.x) <= 1e-9
    assert problem.is_feasible(solution.x)


@pytest.mark.parametrize("seed", range(6))
def test_two_steep_curves_against_a_fine_grid(seed):
    """S-shaped curves only: the best split of one resource over three, on the convex part as well."""
    rng = np.random.default_rng(seed)
    curves = [HillCurve(rng.uniform(50, 200), rng.uniform(1, 6), rng.uniform(1.5, 6)) for _ in range(3)]
    amount = rng.uniform(1, 10)
    grid = np.linspace(0, amount, 1201)
    first, second = np.meshgrid(grid, grid, indexing="ij")
    third = amount - first - second
    value = curves[0].value(first) + curves[1].value(second) + curves[2].value(np.maximum(third, 0))
    best = value[third >= 0].max()
    solution = solve_discrete(make(curves, amount), gap=1e-6)
    total = sum(curve.value(x) for curve, x in zip(curves, solution.x, strict=True))
    assert total >= best * (1 - 1e-6)
    assert total <= best * (1 + 1e-4)
    assert solution.gap <= 1e-6
    assert solution.status == "optimal"


def test_integer_knapsack_by_dynamic_programming():
    """40 projects, all or nothing: the known optimum of a knapsack of whole weights."""
    rng = np.random.default_rng(3)
    weight, worth, room = rng.integers(3, 20, 40), rng.integers(5, 60, 40), 150
    best = np.zeros(room + 1)
    for w, v in zip(weight, worth, strict=True):
        best[w:] = np.maximum(best[w:], best[:-w] + v)
    problem = make(
        [LinearCurve(float(v), 1.0) for v in worth],
        room,
        use=weight[:, None],
        lower=np.ones(40),
        upper=np.ones(40),
        optional=np.ones(40, dtype=bool),
    )
    solution = solve_discrete(problem, gap=1e-6)
    assert problem.total(solution.x) == best[-1]
    assert set(solution.x) == {0.0, 1.0}


def test_whole_units_by_greedy_choice():
    """Concave curves, one resource of whole units, one per unit of effort: the largest differences are best."""
    rng = np.random.default_rng(0)
    curves = [LogCurve(rng.lognormal(3, 1), rng.lognormal(-1, 1)) for _ in range(60)]
    problem = make(curves, 100.0, integer=[True])
    gains = np.concatenate([np.diff(curve.value(np.arange(101.0))) for curve in curves])
    solution = solve_discrete(problem, gap=1e-6)
    assert problem.total(solution.x) == pytest.approx(np.sort(gains)[-100:].sum(), rel=1e-6)
    np.testing.assert_allclose(solution.x, np.round(solution.x), atol=1e-12)
    assert solution.x.sum() == pytest.approx(100)


# ---------------------------------------------------------------------- known answers
def test_all_to_one_where_a_start_is_needed():
    """Two equal S-shaped curves and enough for one: halves would bring less."""
    curve = HillCurve(100.0, 5.0, 4.0)
    solution = solve_discrete(make([curve, curve], 8.0))
    assert sorted(solution.x) == pytest.approx([0.0, 8.0])
    # of equal ones, the first as they stand
    assert solution.x[0] == pytest.approx(8.0)


def test_all_on_the_convex_part():
    """So little that no curve gets beyond its inflection: all to the one that makes most of it."""
    curves = [HillCurve(100.0, 10.0, 3.0), HillCurve(120.0, 10.0, 3.0)]
    solution = solve_discrete(make(curves, 2.0), gap=1e-6)
    assert solution.x.tolist() == pytest.approx([0.0, 2.0])
    assert solution.gap <= 1e-6


def test_fixed_cost_decides_who_is_funded():
    curves = [LinearCurve(3.0, 10.0), LinearCurve(3.0, 4.0)]
    # 3 * 4 = 12 does not pay for 13
    solution = solve_discrete(make(curves, 100.0, fixed_cost=[13.0, 13.0]))
    assert solution.x.tolist() == pytest.approx([10.0, 0.0])
    assert make(curves, 100.0, fixed_cost=[13.0, 13.0]).net(solution.x) == pytest.approx(17.0)


def test_fixed_use_is_taken_from_the_resource():
    """Set-up takes 3 of 10 for each: one funded leaves 7, two leave 4; straight lines want one only."""
    curves = [LinearCurve(2.0), LinearCurve(1.9)]
    problem = make(curves, 10.0, fixed=[[3.0], [3.0]])
    solution = solve_discrete(problem)
    assert solution.x.tolist() == pytest.approx([7.0, 0.0])
    assert problem.used(solution.x) == pytest.approx(10.0)


def test_nothing_is_worth_its_cost():
    solution = solve_discrete(make([LinearCurve(1.0, 5.0)] * 2, 100.0, fixed_cost=[6.0, 7.0]))
    assert solution.x.tolist() == [0.0, 0.0]
    assert solution.gap == 0.0
    assert solution.status == "optimal"


def test_people_come_whole_with_what_they_take_once():
    """1 for 0.4 of effort plus half a person once: whole numbers are 0.2, 0.6, 1.0 of effort, and so on."""
    problem = make([LogCurve(100.0, 1.0)], 3.0, use=[[2.5]], fixed=[[0.5]], integer=[True])
    solution = solve_discrete(problem)
    assert solution.x.tolist() == pytest.approx([1.0])
    assert problem.used(solution.x) == pytest.approx(3.0)


def test_optional_is_nothing_or_at_least_its_least():
    curves = [PowerCurve(10.0, 0.5)] * 2
    free = solve_concave(make(curves, 6.0))
    assert free.x.tolist() == pytest.approx([3.0, 3.0])
    solution = solve_discrete(make(curves, 6.0, lower=[4.0, 4.0], optional=[True, True]))
    assert sorted(solution.x) == pytest.approx([0.0, 6.0])


def test_one_of_each_group_only():
    curves = [LinearCurve(5.0, 1.0), LinearCurve(4.0, 3.0), LinearCurve(1.0, 3.0)]
    solution = solve_discrete(make(curves, 3.0, exclusive=(np.array([0, 1]),)))
    assert solution.x.tolist() == pytest.approx([0.0, 3.0, 0.0])


def test_groups_may_overlap():
    curves = [LinearCurve(3.0, 1.0), LinearCurve(4.0, 1.0), LinearCurve(3.0, 1.0)]
    solution = solve_discrete(make(curves, 9.0, exclusive=(np.array([0, 1]), np.array([1, 2]))))
    assert solution.x.tolist() == pytest.approx([1.0, 0.0, 1.0])


def test_share_of_a_segment_with_exclusive_actions():
    """The better action does not reach what the segment must get: the other does."""
    curves = [LinearCurve(9.0, 2.0), LogCurve(1.0, 1.0), ExponentialCurve(50.0, 0.5)]
    problem = make(
        curves,
        10.0,
        upper=[2.0, np.inf, np.inf],
        floors=(Floor("a", 0, np.array([0, 1]), 4.0), Floor("b", 0, np.array([2]), 1.0)),
        exclusive=(np.array([0, 1]),),
    )
    solution = solve_discrete(problem)
    assert solution.x[0] == 0.0
    assert solution.x[1] >= 4.0 - 1e-9
    assert problem.is_feasible(solution.x)
    assert len(solution.floor_prices) == 2
    # what one unit less of the share brings elsewhere, less what it brings here
    assert solution.floor_prices[0] == pytest.approx(
        curves[2].slope(solution.x[2]) - curves[1].slope(solution.x[1]), rel=1e-6
    )


def test_equals_the_concave_solver_where_nothing_is_discrete():
    rng = np.random.default_rng(5)
    curves = [LogCurve(rng.lognormal(3, 1), rng.lognormal(-1, 1)) for _ in range(30)]
    problem = make(curves, [40.0, 25.0], use=rng.uniform(0.5, 2, (30, 2)))
    ours, concave = solve_discrete(problem), solve_concave(problem)
    assert problem.total(ours.x) == pytest.approx(problem.total(concave.x), rel=1e-9)
    np.testing.assert_allclose(ours.shadow_prices, concave.shadow_prices, rtol=1e-6)


def test_shadow_prices_are_those_with_the_choices_fixed():
    curves = [HillCurve(300.0, 4.0, 3.0), LogCurve(60.0, 0.5), LogCurve(50.0, 0.5)]
    problem = make(curves, 15.0, fixed_cost=[5.0, 5.0, 5.0])
    solution = solve_discrete(problem, gap=1e-6)
    assert (solution.x > 0).all()
    marginal = [curve.slope(x) for curve, x in zip(curves, solution.x, strict=True)]
    np.testing.assert_allclose(marginal, solution.shadow_prices[0], rtol=1e-6)
    more = solve_discrete(dataclasses.replace(problem, supply=problem.supply + 1e-3), gap=1e-6)
    gain = (problem.net(more.x) - problem.net(solution.x)) / 1e-3
    assert gain == pytest.approx(solution.shadow_prices[0], rel=1e-2)


# ---------------------------------------------------------------------- proof and speed
@pytest.mark.parametrize("kind", ["actions", "hill", "hill3"])
def test_many_segments_are_proven(bench, kind):
    problem = {
        "actions": lambda: bench.actions_problem(120, 4),
        "hill": lambda: bench.hill_problem(120, 1, 4),
        "hill3": lambda: bench.hill_problem(60, 3, 4),
    }[kind]()
    solution = solve_discrete(problem, gap=5e-4, time_limit=60)
    assert solution.gap <= 5e-4
    assert bench.violation(problem, solution.x) <= 1e-9


def test_stopped_says_its_honest_gap(bench):
    problem = bench.all_or_nothing(60, 4)
    best = bench.net(problem, solve_discrete(problem, gap=1e-3, time_limit=60).x)
    solution = solve_discrete(problem, gap=1e-9, time_limit=0.3)
    total = bench.net(problem, solution.x)
    assert problem.is_feasible(solution.x)
    assert total + solution.gap * abs(total) >= best * (1 - 1e-9)
    assert (solution.status == "stopped") == (solution.gap > 1e-9 and solution.gap > 1e-6)


def test_no_time_at_all_gives_the_least_plan(bench):
    solution = solve_discrete(bench.all_or_nothing(40, 2), time_limit=0.0)
    assert solution.status == "stopped"
    assert solution.gap > 0


def test_no_time_and_no_plan_that_is_at_hand():
    problem = make(
        [LogCurve(1.0, 1.0)] * 2,
        10.0,
        integer=[True],
        floors=(Floor("a", 0, np.array([0, 1]), 5.0),),
    )
    with pytest.raises(TimeoutError, match="more time"):
        solve_discrete(problem, time_limit=0.0)


# ---------------------------------------------------------------------- invariance
def shuffled(problem, order):
    place = np.argsort(order)
    return dataclasses.replace(
        problem,
        items=tuple((f"other name {k}", "effort") for k in range(len(order))),
        curves=tuple(problem.curves[i] for i in order),
        use=problem.use[order],
        lower=problem.lower[order],
        upper=problem.upper[order],
        floors=tuple(dataclasses.replace(f, positions=place[f.positions]) for f in problem.floors[::-1]),
        optional=problem.optional[order],
        fixed=problem.fixed[order],
        fixed_cost=problem.fixed_cost[order],
        exclusive=tuple(place[g] for g in problem.exclusive[::-1]),
        _stacks_given=None,
    )


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_neither_order_nor_names_matter(bench, seed):
    problem = bench.small_problem(seed)
    order = np.random.default_rng(seed).permutation(len(problem.items))
    other = shuffled(problem, order)
    try:
        one = solve_discrete(problem)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve_discrete(other)
        return
    two = solve_discrete(other)
    np.testing.assert_array_equal(one.x[order], two.x)
    np.testing.assert_array_equal(one.shadow_prices, two.shadow_prices)
    np.testing.assert_array_equal(one.floor_prices, two.floor_prices[::-1])


def test_items_are_told_apart_by_their_groups():
    """Two equal items, one of which shares its group with a third: their order does not depend on position."""
    equal = [LogCurve(5.0, 1.0), LogCurve(5.0, 1.0), LogCurve(9.0, 1.0)]
    first = make(equal, 4.0, exclusive=(np.array([0, 2]),))
    second = make(equal, 4.0, exclusive=(np.array([1, 2]),))
    swap = {0: 1, 1: 0, 2: 2}
    assert [swap[int(i)] for i in canonical_order(first)[0]] == canonical_order(second)[0].tolist()


# ---------------------------------------------------------------------- curves of other classes
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Logistic(ResponseCurve):
    """An S-shaped curve that is none of the library's: a logistic curve, 0 at no effort."""

    top: float
    middle: float

    parameter_names = ("top", "middle")
    family = "logistic"

    @property
    def concave(self):
        return False

    @staticmethod
    def _value(params, effort):
        return params[..., 0] * (1 / (1 + np.exp(params[..., 1] - effort)) - 1 / (1 + np.exp(params[..., 1])))

    @staticmethod
    def _slope(params, effort):
        part = 1 / (1 + np.exp(params[..., 1] - effort))
        return params[..., 0] * part * (1 - part)

    @staticmethod
    def _effort_at(params, slope):
        with np.errstate(all="ignore"):
            ratio = slope / params[..., 0]
            part = 0.5 + np.sqrt(0.25 - ratio)
            x = params[..., 1] + np.log(part / (1 - part))
        return np.where(slope <= 0, np.inf, np.where(ratio <= 0.25, np.maximum(x, 0.0), 0.0))

    @staticmethod
    def _rescaled(params, outcome, effort):
        raise NotImplementedError


class Wavy(Logistic):
    """Rises twice."""

    @staticmethod
    def _value(params, effort):
        return effort + 0.9 * np.sin(effort)

    @staticmethod
    def _slope(params, effort):
        return 1 + 0.9 * np.cos(effort)


def test_s_shaped_curve_of_another_class():
    curves = [Logistic(100.0, 5.0), Logistic(80.0, 3.0), LogCurve(10.0, 1.0)]
    problem = make(curves, 9.0, upper=[20.0, 20.0, 20.0])
    grid = np.linspace(0, 9, 1501)
    first, second = np.meshgrid(grid, grid, indexing="ij")
    third = np.maximum(9 - first - second, 0)
    value = curves[0].value(first) + curves[1].value(second) + curves[2].value(third)
    best = value[first + second <= 9].max()
    solution = solve_discrete(problem, gap=1e-5)
    assert problem.total(solution.x) == pytest.approx(best, rel=1e-4)
    assert problem.total(solution.x) >= best * (1 - 1e-5)


def test_curve_that_rises_twice_is_refused():
    with pytest.raises(ValueError, match=r"'s0'.*Wavy.*neither concave nor S-shaped"):
        solve_discrete(make([Wavy(1.0, 1.0)], 20.0))


def test_s_shaped_curve_of_another_class_needs_an_end():
    with pytest.raises(ValueError, match="give the item an upper bound"):
        solve_discrete(make([Logistic(1.0, 1.0)], np.inf))


# ---------------------------------------------------------------------- what cannot be
def test_two_of_a_group_that_must_be_funded():
    problem = make([LogCurve(1.0, 1.0)] * 3, 10.0, lower=[1.0, 2.0, 0.0], exclusive=(np.array([0, 1, 2]),))
    with pytest.raises(InfeasibleError, match="at most one of") as error:
        solve_discrete(problem)
    assert len(error.value.requirements) == 3


def test_set_up_of_what_must_be_funded_takes_too_much():
    problem = make([LogCurve(1.0, 1.0)] * 2, 5.0, lower=[1.0, 1.0], fixed=[[2.0], [2.0]])
    with pytest.raises(InfeasibleError, match="take once"):
        solve_discrete(problem)
    assert (solve_discrete(dataclasses.replace(problem, optional=np.array([True, False]))).x > 0).tolist() == [
        False,
        True,
    ]


def test_no_whole_unit_within_bounds():
    problem = make([LogCurve(1.0, 1.0)], 5.0, lower=[1.2], upper=[1.8], integer=[True])
    with pytest.raises(InfeasibleError, match="whole units of 'resource 1'"):
        solve_discrete(problem)
    optional = dataclasses.replace(problem, optional=np.array([True]))
    assert solve_discrete(optional).x.tolist() == [0.0]


def test_share_that_whole_units_cannot_reach():
    """2.5 of 3 in whole units of one item that may have 2 at most."""
    problem = make(
        [LogCurve(1.0, 1.0), LogCurve(1.0, 1.0)],
        3.0,
        upper=[2.0, 3.0],
        integer=[True],
        floors=(Floor("a", 0, np.array([0]), 2.5),),
    )
    with pytest.raises(InfeasibleError) as error:
        solve_discrete(problem)
    assert any("'a' gets at least 2.5" in text for text in error.value.requirements)


def test_half_a_person_once_and_none_for_effort():
    """What is taken once must be whole, too."""
    problem = make([LogCurve(9.0, 1.0), LogCurve(1.0, 1.0)], [5.0, 5.0], use=[[1, 0], [1, 0]])
    problem = dataclasses.replace(problem, integer=np.array([False, True]), fixed=np.array([[0, 0.5], [0, 1.0]]))
    assert solve_discrete(problem).x.tolist() == pytest.approx([0.0, 5.0])


def test_without_limit():
    with pytest.raises(UnboundedError, match="nothing limits"):
        solve_discrete(make([LogCurve(1.0, 1.0)], np.inf, fixed_cost=[1.0]))
    saturating = solve_discrete(make([ExponentialCurve(10.0, 1.0)], np.inf, fixed_cost=[1.0]))
    assert saturating.x[0] > 20


def test_too_many_whole_units():
    with pytest.raises(ValueError, match="too many to look at each"):
        solve_discrete(make([LogCurve(1.0, 1.0)], 1e8, integer=[True]))


def test_nothing_there():
    solution = solve_discrete(make([HillCurve(9.0, 1.0, 2.0), LogCurve(1.0, 1.0)], 0.0))
    assert solution.x.tolist() == [0.0, 0.0]
    assert solution.gap == 0.0


def test_no_response():
    solution = solve_discrete(make([HillCurve(0.0, 1.0, 2.0), LinearCurve(0.0)], 5.0, fixed_cost=[1.0, 0.0]))
    assert solution.x[0] == 0.0
    assert solution.gap == 0.0


@pytest.mark.parametrize("factors", [(1e6, 1.0, 1.0), (1e-6, 1.0, 1.0), (1.0, 1e5, 1.0), (1e5, 1e-4, 1e-5)])
@pytest.mark.parametrize("seed", range(3, 8))
def test_units_do_not_matter(bench, factors, seed):
    """The same problem with outcomes, efforts and resources in other units."""
    problem = bench.small_problem(seed)
    outcome, effort, amount = factors
    amounts = np.where(problem.integer, 1.0, amount)
    other = dataclasses.replace(
        problem,
        curves=tuple(curve.rescaled(outcome=outcome, effort=effort) for curve in problem.curves),
        use=problem.use / effort * amounts,
        supply=problem.supply * amounts,
        lower=problem.lower * effort,
        upper=problem.upper * effort,
        fixed=problem.fixed * amounts,
        fixed_cost=problem.fixed_cost * outcome,
        floors=tuple(dataclasses.replace(f, amount=f.amount * amounts[f.resource]) for f in problem.floors),
        _stacks_given=None,
    )
    try:
        best = problem.net(solve_discrete(problem).x)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve_discrete(other)
        return
    found = solve_discrete(other)
    assert other.net(found.x) == pytest.approx(best * outcome, rel=1e-4)
    assert found.gap <= 1e-4


def test_no_gap_at_all_is_the_finest_that_can_be_proven(bench):
    problem = bench.small_problem(2)
    solution = solve_discrete(problem, gap=0.0)
    assert solution.status == "optimal"
    assert solution.gap <= 5e-7


@pytest.mark.parametrize("n_units", [30.0, 20_000.0])
def test_s_shaped_curves_in_whole_units(n_units):
    """Few units are listed on the convex part, many are cut where needed."""
    curves = [HillCurve(100.0, n_units / 3, 3.0), HillCurve(90.0, n_units / 4, 2.5), HillCurve(60.0, n_units / 5, 4.0)]
    problem = make(curves, [n_units, 0.9 * n_units], use=[[1, 0.8], [1, 1.0], [1, 1.3]], integer=[True, False])
    solution = solve_discrete(problem, gap=1e-6)
    grid = np.round(np.linspace(0, n_units, int(min(n_units, 1500)) + 1))
    first, second = np.meshgrid(grid, grid, indexing="ij")
    left = np.minimum(n_units - first - second, (0.9 * n_units - 0.8 * first - second) / 1.3)
    value = curves[0].value(first) + curves[1].value(second) + curves[2].value(np.floor(np.maximum(left, 0) + 1e-9))
    best = value[left >= 0].max()
    assert problem.total(solution.x) >= best * (1 - 1e-6)
    assert problem.total(solution.x) <= best * (1 + (1e-6 if n_units < 100 else 1e-3))
    np.testing.assert_allclose(solution.x, np.round(solution.x), atol=1e-9)


def test_caps_of_contacts_as_rows():
    """Limits of items together come as further resources."""
    curves = [LogCurve(30.0, 1.0), HillCurve(90.0, 3.0, 2.0), LogCurve(20.0, 1.0)]
    problem = make(curves, 20.0, caps=(Cap("a", np.array([0, 1]), np.array([1.0, 2.0]), 8.0),))
    rows = with_caps_as_rows(problem)
    solution = solve_discrete(rows, gap=1e-6)
    assert solution.x[0] + 2 * solution.x[1] <= 8 * (1 + 1e-9)
    grid = np.linspace(0, 8, 4001)
    second = np.maximum((8 - grid) / 2, 0)
    best = (curves[0].value(grid) + curves[1].value(second) + curves[2].value(20 - grid - second)).max()
    assert rows.total(solution.x) == pytest.approx(best, rel=1e-5)
