"""Plans that look at risk: optimality, local optima, fresh draws and time; each figure beside its limit.

    python benchmarks/bench_risk.py [--quick] [--only optimality|local|fresh|speed]

Mean and conditional value at risk on random problems (all families of curves, corners among them, several resources,
bounds, shares) against cvxpy with a conic solver (Clarabel), which knows nothing of this library; quantile and mean
less variance against the plans that they start from; plans chosen on some draws judged on fresh ones; 200 segments with
1,000 draws. Needs cvxpy (skipped by name without it). Exits with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from typing import Any

import numpy as np

from segmentation.allocation import CVaR, Mean, MeanVariance, Quantile
from segmentation.allocation._problem import Floor, Problem
from segmentation.allocation._risk_plan import plan_with_risk
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve

missed: list[str] = []


def line(what: str, figure: str, limit: str, passed: bool | None) -> None:
    verdict = "" if passed is None else "PASS" if passed else "MISS"
    print(f"{what:<78} {figure:>16}  {'limit ' + limit if limit else '':<24} {verdict}", flush=True)
    if passed is False:
        missed.append(what)


def random_curve(rng: np.random.Generator, n_draws: int, *, corners: bool = True) -> Any:
    size, rate, unsure = rng.lognormal(3, 1), rng.lognormal(-1, 0.7), rng.uniform(0.05, 0.8)
    sizes, rates = size * rng.lognormal(0, unsure, n_draws), rate * rng.lognormal(0, 0.3, n_draws)
    kind = rng.integers(0, 6 if corners else 5)
    if kind == 0:
        return ExponentialCurve(size, rate, draws=np.column_stack([sizes, rates]), randomized=True)
    if kind == 1:
        return LogCurve(size, rate, draws=np.column_stack([sizes, rates]), randomized=True)
    if kind == 2:
        return PowerCurve(size, 0.5, draws=np.column_stack([sizes, np.full(n_draws, 0.5)]), randomized=True)
    if kind == 3:
        ones = np.ones(n_draws)
        return HillCurve(size, 1 / rate, 1.0, draws=np.column_stack([sizes, 1 / rates, ones]), randomized=True)
    if kind == 4:
        return ExponentialCurve(size, rate, randomized=True)
    caps = 3 * rng.lognormal(0, 0.3, n_draws)
    return LinearCurve(size / 3, 3.0, draws=np.column_stack([sizes / 3, caps]), randomized=True)


def random_problem(seed: int, *, most: int = 25, n_draws: int | None = None, corners: bool = True) -> Problem:
    """Return a feasible concave problem of 2 to `most` items, some of them of the same segment, 1 to 3 resources."""
    rng = np.random.default_rng(seed)
    n = int(np.exp(rng.uniform(np.log(2), np.log(most + 0.99))))
    n_draws = int(rng.integers(20, 80)) if n_draws is None else n_draws
    n_resources = int(rng.integers(1, 4))
    use = rng.choice([0.0, 0.5, 1.0, 1.0, 2.0], size=(n, n_resources))
    use[use.sum(axis=1) == 0, 0] = 1.0
    segment = np.maximum(np.arange(n) - (rng.random(n) < 0.3), 0)
    lower = np.where(rng.random(n) < 0.2, rng.uniform(0, 0.2, n), 0.0)
    upper = np.where(rng.random(n) < 0.3, rng.uniform(0.2, 6.0, n), np.inf)
    supply = lower @ use + n * rng.uniform(0.3, 2.0, n_resources)
    floors = []
    if rng.random() < 0.4:
        s, j = int(rng.choice(np.unique(segment))), int(rng.integers(n_resources))
        members = np.flatnonzero((segment == s) & (use[:, j] > 0) & ~np.isfinite(upper))
        if len(members):
            floors.append(Floor(f"s{s}", j, members, float(rng.uniform(0.02, 0.1) * supply[j])))
    curves = [random_curve(rng, n_draws, corners=corners) for _ in range(n)]
    if all(curve.draws is None for curve in curves):
        curves[0] = LogCurve(10.0, 1.0, draws=np.column_stack([rng.lognormal(2, 0.3, n_draws), np.ones(n_draws)]))
    return Problem(
        items=tuple((f"s{s}", f"a{i}") for i, s in enumerate(segment)),
        curves=tuple(curves),
        use=use,
        supply=supply,
        lower=lower,
        upper=upper,
        floors=tuple(floors),
    )


def totals(problem: Problem, x: np.ndarray) -> np.ndarray:
    """Return the total of each draw, curve by curve."""
    result: Any = 0.0
    for curve, effort in zip(problem.curves, x, strict=True):
        result = result + (curve.value(effort) if curve.draws is None else curve.value_draws(effort))
    return np.asarray(result)


def conic(problem: Problem, share: float | None) -> float | None:
    """Return the best mean (no share) or conditional value at risk by cvxpy with Clarabel; None where it gives up."""
    import cvxpy as cp

    n, n_draws = len(problem.items), max(len(c.draws) for c in problem.curves if c.draws is not None)
    x = cp.Variable(n)
    parts = []
    for i, curve in enumerate(problem.curves):
        p = np.tile(curve._params, (n_draws, 1)) if curve.draws is None else curve.draws
        one = x[i] * np.ones(n_draws)
        if isinstance(curve, ExponentialCurve):
            parts.append(cp.multiply(p[:, 0], 1 - cp.exp(-cp.multiply(p[:, 1], one))))
        elif isinstance(curve, LogCurve):
            parts.append(cp.multiply(p[:, 0], cp.log1p(cp.multiply(p[:, 1], one))))
        elif isinstance(curve, PowerCurve):
            parts.append(p[:, 0] * cp.sqrt(x[i]))
        elif isinstance(curve, HillCurve):
            parts.append(cp.multiply(p[:, 0], 1 - cp.multiply(p[:, 1], cp.inv_pos(one + p[:, 1]))))
        else:
            parts.append(cp.multiply(p[:, 0], cp.minimum(one, p[:, 1])))
    total = sum(parts[1:], parts[0])
    rules = [x >= problem.lower, problem.use.T @ x <= problem.supply]
    finite = np.flatnonzero(np.isfinite(problem.upper))
    rules += [x[finite] <= problem.upper[finite]] if len(finite) else []
    rules += [x[f.positions] @ problem.use[f.positions, f.resource] >= f.amount for f in problem.floors]
    if share is None:
        goal = cp.sum(total) / n_draws
    else:
        level = cp.Variable()
        goal = level - cp.sum(cp.pos(level - total)) / (share * n_draws)
    found = cp.Problem(cp.Maximize(goal), rules)
    with warnings.catch_warnings():
        # the status says so
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        try:
            found.solve(solver="CLARABEL")
        except cp.error.SolverError:
            return None
    return float(found.value) if found.status == "optimal" else None


def optimality(n_problems: int) -> None:
    try:
        import cvxpy  # noqa: F401
    except ImportError:
        print("optimality: skipped, cvxpy is not installed")
        return
    for name, risk, share in (("mean", Mean(), None), ("CVaR 10 %", CVaR(0.1), 0.1), ("CVaR 37 %", CVaR(0.37), 0.37)):
        off, gaps, smooth, wrong, given_up, seconds = [], [], [], 0, 0, 0.0
        for seed in range(n_problems):
            problem = random_problem(seed)
            start = time.perf_counter()
            plan = plan_with_risk(problem, risk)
            seconds += time.perf_counter() - start
            own = risk.of(totals(problem, plan.solution.x))
            best = conic(problem, share)
            if best is None:
                given_up += 1
            else:
                off.append((best - own) / abs(own))
            gaps.append(plan.solution.gap)
            if not any(isinstance(curve, LinearCurve) for curve in problem.curves):
                smooth.append(plan.solution.gap)
            wrong += not problem.is_feasible(plan.solution.x, 1e-9)
        line(
            f"{name}: largest shortfall against cvxpy, {len(off)} problems ({given_up} it gave up)",
            f"{max(off):.1e}",
            "<= 1e-5",
            max(off) <= 1e-5,
        )
        line(
            f"{name}: largest excess over cvxpy (its own error)",
            f"{max(-min(off), 0):.1e}",
            "<= 1e-5",
            -min(off) <= 1e-5,
        )
        line(f"{name}: problems with a violated requirement (1e-9)", str(wrong), "= 0", wrong == 0)
        line(f"{name}: largest proven gap, smooth curves", f"{max(smooth):.1e}", "<= 1e-6", max(smooth) <= 1e-6)
        line(f"{name}: largest proven gap, with corners", f"{max(gaps):.1e}", "<= 1e-6", max(gaps) <= 1e-6)
        line(f"{name}: seconds per problem, report included", f"{seconds / n_problems:.3f}", "", None)


def local(n_problems: int) -> None:
    worst: dict[str, float] = {"quantile": np.inf, "mean-variance": np.inf}
    proven, gaps = 0, {"quantile": [], "mean-variance": []}  # type: ignore[var-annotated]
    below = 0
    for seed in range(n_problems):
        problem = random_problem(1000 + seed, n_draws=200)
        safe = totals(problem, plan_with_risk(problem, CVaR(0.1)).solution.x)
        neutral = totals(problem, plan_with_risk(problem, Mean()).solution.x)
        aversion = float(np.exp(np.random.default_rng(seed).uniform(-4, 0))) / neutral.std()
        for name, risk in (("quantile", Quantile(0.1)), ("mean-variance", MeanVariance(aversion))):
            plan = plan_with_risk(problem, risk)
            own = risk.of(totals(problem, plan.solution.x))
            scale = max(abs(own), abs(risk.of(neutral)))
            worst[name] = min(worst[name], (own - max(risk.of(safe), risk.of(neutral))) / scale)
            gaps[name].append(plan.solution.gap)
            proven += plan.solution.status == "optimal"
            below += own > plan.report.bound * (1 + 1e-9)
    for name in worst:
        line(
            f"{name}: least advantage over mean and CVaR plans, {n_problems} problems",
            f"{worst[name]:.1e}",
            ">= -1e-6",
            worst[name] >= -1e-6,
        )
        line(f"{name}: median distance of the bound", f"{100 * float(np.median(gaps[name])):.2g} %", "", None)
    line("mean-variance: share proven optimal", f"{100 * proven / n_problems:.0f} %", "", None)
    line("plans above their bound", str(below), "= 0", below == 0)


def fresh(n_markets: int) -> None:
    """Choose on 1,000 draws, judge on 20,000 others of the same curves."""
    gain_quantile, gain_worst, price, optimism = [], [], [], []
    for seed in range(n_markets):
        problem = random_problem(2000 + seed, most=40, n_draws=21_000, corners=False)
        chosen, judged = (_part(problem, part) for part in (slice(0, 1000), slice(1000, None)))
        neutral = totals(judged, plan_with_risk(chosen, Mean()).solution.x)
        for risk, gains in ((Quantile(0.1), gain_quantile), (CVaR(0.1), gain_worst)):
            plan = plan_with_risk(chosen, risk)
            own = totals(judged, plan.solution.x)
            gains.append((risk.of(own) - risk.of(neutral)) / risk.of(neutral))
            if isinstance(risk, CVaR):
                price.append(1 - own.mean() / neutral.mean())
                optimism.append(plan.report.table.loc["this plan", "criterion"] / risk.of(own) - 1)
    for name, gains in (("10 % quantile", gain_quantile), ("mean of the worst 10 %", gain_worst)):
        low = float(np.mean(gains) - 1.645 * np.std(gains) / np.sqrt(len(gains)))
        line(
            f"fresh draws: mean gain of the {name}, {n_markets} markets",
            f"{100 * np.mean(gains):.2f} %",
            "> 0 (lower 95 %)",
            low > 0,
        )
        better = float(np.mean(np.array(gains) > -1e-3))
        line(
            f"fresh draws: markets where the {name} is no worse (0.1 %)",
            f"{100 * better:.0f} %",
            ">= 90 %",
            better >= 0.9,
        )
    line("fresh draws: mean given up by the CVaR plan", f"{100 * np.mean(price):.2f} %", "", None)
    line(
        "fresh draws: criterion on its own draws above that on fresh ones", f"{100 * np.mean(optimism):.2f} %", "", None
    )


def _part(problem: Problem, part: slice) -> Problem:
    import dataclasses

    curves = tuple(
        curve if curve.draws is None else dataclasses.replace(curve, draws=curve.draws[part])
        for curve in problem.curves
    )
    return dataclasses.replace(problem, curves=curves)


def large(n: int, n_draws: int) -> Problem:
    rng = np.random.default_rng(0)
    return Problem(
        items=tuple((f"s{i}", "effort") for i in range(n)),
        curves=tuple(random_curve(rng, n_draws, corners=False) for _ in range(n)),
        use=rng.choice([0.5, 1.0, 2.0], size=(n, 2)),
        supply=n * rng.uniform(0.5, 2.0, 2),
        lower=np.where(rng.random(n) < 0.2, 0.1, 0.0),
        upper=np.where(rng.random(n) < 0.2, 3.0, np.inf),
    )


def speed(quick: bool) -> None:
    n, n_draws = (50, 500) if quick else (200, 1000)
    problem = large(n, n_draws)
    spread = float(plan_with_risk(problem, Mean()).report.table.loc["this plan", "standard_deviation"])
    for risk, limit in ((Mean(), 5), (CVaR(0.1), 10), (MeanVariance(0.1 / spread), 30), (Quantile(0.1), 60)):
        start = time.perf_counter()
        plan = plan_with_risk(problem, risk)
        seconds = time.perf_counter() - start
        words = f"{risk}: {n} segments x {n_draws} draws ({plan.solution.status}, gap {plan.solution.gap:.0e})"
        line(words, f"{seconds:.2f} s", f"<= {limit} s", seconds <= limit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("optimality", "local", "fresh", "speed"))
    arguments = parser.parse_args()
    quick = arguments.quick
    runs: dict[str, Any] = {
        "optimality": lambda: optimality(15 if quick else 100),
        "local": lambda: local(8 if quick else 60),
        "fresh": lambda: fresh(6 if quick else 40),
        "speed": lambda: speed(quick),
    }
    for name, run in runs.items():
        if arguments.only in (None, name):
            run()
    print(f"\n{len(missed)} missed" + (": " + "; ".join(missed) if missed else ""))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
