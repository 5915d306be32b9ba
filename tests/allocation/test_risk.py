"""Risk: criteria by hand, optima against an independent solver, local optima, requirements, reports, bad input."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from segmentation.allocation import (
    CVaR,
    Mean,
    MeanVariance,
    Quantile,
    Resource,
    RiskDisplay,
    UnboundedError,
    allocate,
)
from segmentation.allocation._concave import solve_concave
from segmentation.allocation._problem import Problem
from segmentation.allocation._risk import as_risk
from segmentation.allocation._risk_model import RiskModel
from segmentation.allocation._risk_plan import plan_with_risk
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_risk.py"


@pytest.fixture(scope="module")
def bench():
    """The benchmark's random problems and its oracle."""
    spec = importlib.util.spec_from_file_location("bench_risk", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_risk"] = module
    spec.loader.exec_module(module)
    return module


class TestCriteria:
    def test_by_hand(self):
        totals = np.arange(1.0, 11.0)
        assert Mean().of(totals) == 5.5
        assert Quantile(0.1).of(totals) == 1.0
        assert Quantile(0.11).of(totals) == 2.0
        assert Quantile(0.3).of(totals) == 3.0
        # 7 % of 100 are 7, although 0.07 * 100 is a little more in floating point
        assert Quantile(0.07).of(np.arange(1.0, 101.0)) == 7.0
        assert CVaR(0.2).of(totals) == pytest.approx(1.5)
        assert CVaR(0.25).of(totals) == pytest.approx((1 + 2 + 0.5 * 3) / 2.5)
        assert CVaR(0.01).of(totals) == 1.0
        assert MeanVariance(2.0).of(totals) == pytest.approx(5.5 - 2 * totals.var())

    @pytest.mark.parametrize("share", [0.05, 0.1, 0.37, 0.9])
    def test_cvar_is_the_maximum_over_levels(self, share):
        totals = np.random.default_rng(0).lognormal(0, 1, 101)
        by_level = max(level - np.maximum(level - totals, 0).mean() / share for level in totals)
        assert CVaR(share).of(totals) == pytest.approx(by_level)

    @pytest.mark.parametrize("share", [0.1, 0.25, 0.3])
    def test_quantile_is_numpys(self, share):
        totals = np.random.default_rng(1).normal(size=100)
        assert Quantile(share).of(totals) == np.quantile(totals, share, method="inverted_cdf")

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("mean", Mean()),
            (("quantile", 0.1), Quantile(0.1)),
            (["cvar", 0.2], CVaR(0.2)),
            (("mean-variance", 0.01), MeanVariance(0.01)),
            (CVaR(0.3), CVaR(0.3)),
        ],
    )
    def test_forms(self, given, expected):
        assert as_risk(given) == expected

    @pytest.mark.parametrize("given", ["quantile", "best", ("cvar",), ("var", 0.1), 0.1, None])
    def test_unknown(self, given):
        with pytest.raises(ValueError, match="risk must be"):
            as_risk(given)

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: Quantile(0.0), ValueError, "above 0 and below 1"),
            (lambda: CVaR(10), ValueError, "0.1 is the worst tenth"),
            (lambda: CVaR("0.1"), TypeError, "must be a number"),
            (lambda: Quantile(True), TypeError, "must be a number"),
            (lambda: MeanVariance(-1), ValueError, "0 or more"),
            (lambda: MeanVariance(np.nan), ValueError, "finite"),
            (lambda: Mean().of([]), ValueError, "one number per draw"),
            (lambda: Mean().of([1.0, np.inf]), ValueError, "finite"),
        ],
    )
    def test_bad(self, make, error, message):
        with pytest.raises(error, match=message):
            make()


class TestOptimum:
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("share", [None, 0.1, 0.37])
    def test_equals_conic_solver(self, bench, seed, share):
        pytest.importorskip("cvxpy", reason="cvxpy is the oracle: pip install cvxpy")
        problem = bench.random_problem(seed, most=12)
        risk = Mean() if share is None else CVaR(share)
        plan = plan_with_risk(problem, risk)
        own = risk.of(bench.totals(problem, plan.solution.x))
        best = bench.conic(problem, share)
        if best is None:
            pytest.skip("the conic solver gave up")
        assert own == pytest.approx(best, rel=1e-5)
        assert problem.is_feasible(plan.solution.x, 1e-9)
        assert own <= plan.report.bound * (1 + 1e-12)
        assert plan.report.table.loc["this plan", "criterion"] == pytest.approx(own)

    @pytest.mark.parametrize("seed", range(8))
    def test_proof(self, bench, seed):
        problem = bench.random_problem(50 + seed, corners=seed % 2 == 0)
        for risk in (Mean(), CVaR(0.1)):
            solution = plan_with_risk(problem, risk).solution
            assert solution.gap <= 1e-6
            assert solution.status == "optimal"
            assert problem.is_feasible(solution.x, 1e-9)

    @pytest.mark.parametrize("risk", [Mean(), CVaR(0.2), MeanVariance(1e-3)])
    def test_shadow_prices_are_what_a_little_more_brings(self, bench, risk):
        rng = np.random.default_rng(3)
        curves = tuple(bench.random_curve(rng, 60, corners=False) for _ in range(8))
        problem = Problem(
            items=tuple((i, "a") for i in range(8)),
            curves=curves,
            use=np.ones((8, 1)),
            supply=np.array([8.0]),
            lower=np.zeros(8),
            upper=np.full(8, np.inf),
        )
        price = plan_with_risk(problem, risk).solution.shadow_prices[0]
        values = []
        for change in (-1e-3, 1e-3):
            other = dataclasses.replace(problem, supply=problem.supply * (1 + change))
            values.append(risk.of(bench.totals(problem, plan_with_risk(other, risk).solution.x)))
        assert price == pytest.approx((values[1] - values[0]) / 0.016, rel=1e-2)

    def test_marginal_is_the_price_where_nothing_binds(self, bench):
        problem = bench.random_problem(52, corners=False)
        free = dataclasses.replace(
            problem, lower=np.zeros(len(problem.lower)), upper=np.full_like(problem.lower, np.inf)
        )
        plan = plan_with_risk(dataclasses.replace(free, floors=()), CVaR(0.1))
        inner = plan.solution.x > 1e-6
        paid = problem.use @ plan.solution.shadow_prices
        np.testing.assert_allclose(plan.marginal[inner], paid[inner], rtol=1e-4)
        assert (plan.marginal[~inner] <= paid[~inner] * (1 + 1e-6)).all()

    def test_mean_over_draws_is_not_the_curve_at_the_point(self):
        """By hand: two capped lines at one unit each; one surely goes on, the other stops at half or goes on twice."""
        draws = np.array([[10.0, 0.5], [10.0, 1.5]])
        curves = {"sure": LinearCurve(7.0, 1.0, randomized=True), "unsure": LinearCurve(10.0, 1.0, draws=draws)}
        problem = _problem(curves, 1.0)
        # the point curve takes all for 10; in the mean only the first half unit brings 10, the next brings 5
        assert solve_concave(problem).x == pytest.approx([0.0, 1.0], abs=1e-6)
        plan = plan_with_risk(problem, Mean())
        assert plan.solution.x == pytest.approx([0.5, 0.5], abs=1e-8)
        assert plan.report.table.loc["this plan", "mean"] == pytest.approx(8.5, rel=1e-6)
        assert plan.report.table.loc["curves taken as known", "mean"] == pytest.approx(7.5, rel=1e-5)

    def test_worst_case_hedges(self):
        """Two curves of which one fails in each draw: the worst is best where both get the same."""
        top = np.array([[100.0, 1.0], [0.0, 1.0]])
        curves = {
            "a": ExponentialCurve(50.0, 1.0, draws=top),
            "b": ExponentialCurve(49.0, 1.0, draws=top[::-1] * [0.98, 1.0]),
        }
        plan = plan_with_risk(_problem(curves, 4.0), CVaR(0.5))
        totals = [100 * (1 - np.exp(-plan.solution.x[0])), 98 * (1 - np.exp(-plan.solution.x[1]))]
        assert totals[0] == pytest.approx(totals[1], rel=1e-8)
        assert plan.solution.status == "optimal"

    def test_order_and_names_change_nothing(self, bench):
        problem = bench.random_problem(53, corners=False)
        problem = dataclasses.replace(problem, floors=())
        turned = np.arange(len(problem.items))[::-1]
        other = Problem(
            items=tuple(problem.items[i] for i in turned),
            curves=tuple(problem.curves[i] for i in turned),
            use=problem.use[turned],
            supply=problem.supply,
            lower=problem.lower[turned],
            upper=problem.upper[turned],
        )
        one, two = (plan_with_risk(p, CVaR(0.1)).solution.x for p in (problem, other))
        np.testing.assert_allclose(one, two[turned], atol=1e-6 * problem.supply.max())

    def test_curves_with_different_numbers_of_draws(self):
        curves = {"a": _drawn(50), "b": _drawn(30), "c": LogCurve(20.0, 1.0)}
        plan = plan_with_risk(_problem(curves, 5.0), CVaR(0.5))
        assert plan.report.settings["n_draws"] == 30
        assert "1 of 3 curves have no draws" in " ".join(plan.report.warnings)


def _drawn(n_draws, seed=0, family=LogCurve):
    rng = np.random.default_rng(seed)
    return family(20.0, 1.0, draws=np.column_stack([rng.lognormal(3, 0.5, n_draws), np.ones(n_draws)]), randomized=True)


def _problem(curves, amount):
    n = len(curves)
    return Problem(
        items=tuple((name, "effort") for name in curves),
        curves=tuple(curves.values()),
        use=np.ones((n, 1)),
        supply=np.array([amount]),
        lower=np.zeros(n),
        upper=np.full(n, np.inf),
    )


class TestLocal:
    @pytest.mark.parametrize("seed", range(4))
    def test_never_worse_than_mean_and_cvar_plans(self, bench, seed):
        problem = bench.random_problem(70 + seed, most=12, n_draws=120)
        neutral = bench.totals(problem, plan_with_risk(problem, Mean()).solution.x)
        safe = bench.totals(problem, plan_with_risk(problem, CVaR(0.1)).solution.x)
        for risk in (Quantile(0.1), MeanVariance(0.05 / neutral.std()), MeanVariance(0.5 / neutral.std())):
            plan = plan_with_risk(problem, risk)
            own = risk.of(bench.totals(problem, plan.solution.x))
            rest = 1e-6 * max(abs(own), neutral.mean())
            assert own >= max(risk.of(neutral), risk.of(safe)) - rest
            assert own <= plan.report.bound + rest
            assert problem.is_feasible(plan.solution.x, 1e-9)
            if isinstance(risk, Quantile):
                assert plan.solution.status == "local optimum"
            if plan.solution.status == "local optimum":
                assert "local optimum. No plan reaches more than" in plan.report.warnings[0]

    def test_quantile_finds_the_best_of_a_grid(self):
        """Two items and one budget: every plan is a point on a line."""
        rng = np.random.default_rng(4)
        curves = {
            "safe": LogCurve(10.0, 1.0, draws=np.column_stack([rng.normal(10, 0.5, 300), np.ones(300)])),
            "bold": LogCurve(14.0, 1.0, draws=np.column_stack([rng.lognormal(np.log(14), 0.7, 300), np.ones(300)])),
        }
        problem = _problem(curves, 10.0)
        plan = plan_with_risk(problem, Quantile(0.1))
        grid = np.linspace(0, 10, 2001)
        each = curves["safe"].value_draws(grid) + curves["bold"].value_draws(10 - grid)
        best = max(Quantile(0.1).of(totals) for totals in each.T)
        assert plan.report.table.loc["this plan", "criterion"] >= best * (1 - 2e-3)
        assert plan.report.bound >= best

    def test_little_aversion_is_proven(self, bench):
        problem = bench.random_problem(54, corners=False)
        spread = plan_with_risk(problem, Mean()).report.table.loc["this plan", "standard_deviation"]
        plan = plan_with_risk(problem, MeanVariance(0.02 / spread))
        assert plan.solution.status == "optimal"
        assert plan.solution.gap <= 1e-6

    def test_no_aversion_is_the_mean(self, bench):
        problem = bench.random_problem(55, corners=False)
        one, two = plan_with_risk(problem, MeanVariance(0.0)), plan_with_risk(problem, Mean())
        np.testing.assert_array_equal(one.solution.x, two.solution.x)

    def test_fear_of_good_surprises_is_said(self):
        curves = {"a": _drawn(100, 1), "b": _drawn(100, 2)}
        plan = plan_with_risk(_problem(curves, 50.0), MeanVariance(1.0))
        assert any("avoids good surprises" in text for text in plan.report.warnings)


def test_fresh_draws(bench):
    """Plans chosen on 500 draws keep their promise on 10,000 others."""
    gains = []
    for seed in range(4):
        problem = bench.random_problem(2000 + seed, n_draws=10_500, corners=False)
        chosen, judged = (bench._part(problem, part) for part in (slice(0, 500), slice(500, None)))
        neutral = bench.totals(judged, plan_with_risk(chosen, Mean()).solution.x)
        careful = bench.totals(judged, plan_with_risk(chosen, Quantile(0.1)).solution.x)
        gains.append(Quantile(0.1).of(careful) / Quantile(0.1).of(neutral) - 1)
    assert np.mean(gains) > 0.005
    assert min(gains) > -0.005


@pytest.fixture(scope="module")
def report():
    curves = {"a": _drawn(400, 1), "b": _drawn(400, 2), "c": LogCurve(19.0, 1.0, randomized=True)}
    return plan_with_risk(_problem(curves, 20.0), CVaR(0.1), target=60.0).report


class TestReport:
    def test_figures_from_the_totals(self, report):
        own, neutral = report.draws["this plan"], report.draws["highest mean"]
        row = report.table.loc["this plan"]
        assert row["mean"] == pytest.approx(own.mean())
        assert row["quantile"] == np.quantile(own, 0.1, method="inverted_cdf")
        assert row["worst_mean"] == pytest.approx(np.sort(own)[:40].mean())
        assert row["p_below_mean_plan"] == (own < neutral.mean()).mean()
        assert row["p_below_target"] == (own < 60).mean()
        assert report.p_below(60.0)["this plan"] == row["p_below_target"]
        assert report.price_of_caution == pytest.approx(neutral.mean() - own.mean())
        assert report.price_of_caution > 0
        assert report.price_low < report.price_of_caution < report.price_high
        assert row["worst_mean"] > report.table.loc["highest mean", "worst_mean"]

    def test_text(self, report):
        text = str(report)
        assert text.startswith("Risk: mean of the worst 10 % of 400 draws, optimal: ")
        assert "Price of caution: " in text
        assert "Less than the target of 60 in" in text
        assert "Note: The worst 10 % are 40 of 400 draws" in text
        assert "<table" in report._repr_html_()
        assert report.to_dict()["settings"]["risk"] == "mean of the worst 10 %"
        assert report.to_pandas() is not report.table

    def test_neutral_plan_has_no_price(self):
        report = plan_with_risk(_problem({"a": _drawn(40, 1), "b": _drawn(40, 2)}, 5.0), Mean()).report
        assert report.price_of_caution == 0
        assert list(report.table.index) == ["this plan", "curves taken as known"]
        assert "Price of caution" not in str(report)

    def test_display(self, report):
        display = RiskDisplay.from_report(report).plot()
        named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert [name.split(":")[0] for name in named] == ["this plan", "highest mean", "curves taken as known"]
        steps = [line for line in display.ax_.lines if len(line.get_xdata()) == 400]
        assert len(steps) == 3
        np.testing.assert_array_equal(steps[0].get_xdata(), np.sort(report.draws["this plan"]))
        assert "target" in " ".join(text.get_text() for text in display.ax_.texts)
        plt.close(display.figure_)


class TestAllocate:
    def test_plan_carries_the_report(self):
        curves = {"a": _drawn(100, 1), "b": _drawn(100, 2)}
        plan = allocate(curves, Resource("budget", 10.0), risk=("cvar", 0.2))
        assert plan.risk.settings["risk"] == "mean of the worst 20 %"
        direct = plan_with_risk(_problem(curves, 10.0), CVaR(0.2))
        np.testing.assert_allclose(plan.efforts.to_numpy(), direct.solution.x)

    def test_no_draws(self):
        with pytest.raises(ValueError, match="risk needs curves with draws"):
            allocate({"a": LogCurve(1.0, 1.0)}, Resource("budget", 10.0), risk="mean")

    def test_s_shaped_in_some_draws(self):
        curve = HillCurve(10.0, 1.0, 0.9, draws=np.array([[10.0, 1.0, 0.9], [10.0, 1.0, 1.2]]))
        with pytest.raises(ValueError, match=r"S-shaped: \"\('a', 'effort'\) \(in 1 draw\)\""):
            allocate({"a": curve}, Resource("budget", 10.0), risk="mean")

    def test_discrete(self):
        with pytest.raises(ValueError, match="divided at will, and the problem has fixed costs"):
            allocate({"a": _drawn(30)}, Resource("budget", 10.0), risk="mean", fixed_costs={"a": 1.0})

    def test_without_limit(self):
        with pytest.raises(UnboundedError, match="nothing limits the effort"):
            plan_with_risk(_problem({"a": _drawn(30)}, np.inf), Mean())

    def test_without_limit_but_flat(self):
        draws = np.column_stack([[10.0, 20.0, 30.0], [0.5, 1.0, 2.0]])
        plan = plan_with_risk(_problem({"a": ExponentialCurve(20.0, 1.0, draws=draws)}, np.inf), CVaR(0.4))
        assert plan.solution.status == "optimal"
        assert plan.report.table.loc["this plan", "mean"] == pytest.approx(20.0)

    def test_nothing_to_give(self):
        plan = plan_with_risk(_problem({"a": _drawn(30), "b": _drawn(30)}, 0.0), CVaR(0.4))
        np.testing.assert_array_equal(plan.solution.x, 0.0)
        assert plan.report.table.loc["this plan", "mean"] == 0


@pytest.mark.parametrize("family", [ExponentialCurve, LogCurve, PowerCurve, HillCurve, LinearCurve])
def test_kernels_are_those_of_the_curves(family):
    rng = np.random.default_rng(0)
    draws = rng.uniform(0.2, 0.9, (7, len(family.parameter_names)))
    curves = {"x": family(*draws[0], draws=draws), "known": LogCurve(3.0, 1.0)}
    model = RiskModel.of(_problem(curves, 1.0))
    x = np.array([0.4, 0.3])
    expected = np.column_stack([curves["x"].value_draws(0.4), np.full(7, curves["known"].value(0.3))])
    np.testing.assert_allclose(model.problem.value_draws(x), expected)
    slopes = np.column_stack([curves["x"].slope_draws(0.4), np.full(7, curves["known"].slope(0.3))])
    np.testing.assert_allclose(model.problem.slope_draws(x), slopes)
    value, slope, bend = model.problem.with_curvature(x)
    np.testing.assert_allclose(value, expected)
    step = 1e-5
    up, down = (model.problem.slope_draws(x + sign * step) for sign in (1, -1))
    np.testing.assert_allclose((down - up) / (2 * step), bend, rtol=1e-5, atol=1e-9)
    assert slope.shape == bend.shape == (7, 2)


def test_corners_are_taken_out_and_put_back():
    """Totals without corners plus the corners are the totals; their places are where lines end inside the range."""
    rng = np.random.default_rng(0)
    lines = LinearCurve(5.0, 2.0, draws=np.column_stack([rng.uniform(4, 6, 40), rng.uniform(0, 9, 40)]))
    model = RiskModel.of(_problem({"line": lines, "other": _drawn(40), "known": LinearCurve(3.0, 1.0)}, 3.0))
    corners = model._corners
    # the range of an item goes up to twice what the budget allows
    assert (corners.item == 0).sum() == (lines.draws[:, 1] < 6).sum()
    # and that of a line that is known, to its end
    assert (corners.item == 2).sum() == 0
    t = np.random.default_rng(0).random(model.n)
    bare, slope, _ = model._curves(t)
    inside = corners.by_draw(corners.height * np.minimum(t[corners.item], corners.cap), len(bare))
    np.testing.assert_allclose((bare + inside) * model.scale, model.totals(t))
    assert (slope[corners.draw, corners.item] == 0).all()
