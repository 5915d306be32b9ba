"""Coverage of the figures of `misallocation_cost` and its relatives where the truth is known; each beside its limit.

    python benchmarks/bench_misallocation.py [--quick] [--only coverage|data|shuffled|markets|speed]

* coverage: known curves, estimates that scatter around them (and draws around the estimates as these do around the
  truth), in at least 500 simulations per scenario: return and gain of the recommended plan, cost of today's split. The
  quantiles of the draws without correction stand beside. A share that is outside of its limits by no more than two
  Monte Carlo errors is decided by four (data: three) times as many other simulations.
* data: the same with curves fitted by `fit_response_curve` to simulated randomized customers.
* shuffled: `value_of_segmentation` of segments that mean nothing, and of ones that do.
* markets: plans on curves from randomized and from confounded data of 200 simulated markets, against an equal split.
* speed: one call at 30 segments and 1,000 draws.
Exits with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from segmentation.allocation import Resource, misallocation_cost, value_of_information, value_of_segmentation
from segmentation.allocation._input import make_problem
from segmentation.allocation._misallocation_draws import batch_of, best_plans, point_batch
from segmentation.allocation._misallocation_optimum import cost_of
from segmentation.allocation._misallocation_parts import changes
from segmentation.allocation._misallocation_study import study_of
from segmentation.allocation._solve import solve
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve, fit_response_curve

missed: list[str] = []
FAMILIES: dict[str, tuple[Any, list[float]]] = {
    "exponential": (ExponentialCurve, [100.0, 0.1]),
    "log": (LogCurve, [50.0, 0.2]),
    "power": (PowerCurve, [20.0, 0.5]),
    "hill": (HillCurve, [100.0, 10.0, 1.0]),
    "linear": (LinearCurve, [4.0, 20.0]),
}
MIXED = ("exponential", "log", "power", "hill")
PER_SEGMENT = 10.0
# segments, families, relative standard error of the height, scatter of the estimates, correlation, today's split
SCENARIOS = [
    (3, "log", 0.2, "normal", 0.0, "best"),
    (3, "log", 0.2, "normal", 0.0, "far"),
    (6, "exponential", 0.1, "normal", 0.0, "best"),
    (6, "exponential", 0.1, "normal", 0.0, "far"),
    (6, "exponential", 0.3, "normal", 0.0, "best"),
    (6, "exponential", 0.3, "normal", 0.0, "far"),
    (6, "exponential", 0.3, "log-normal", 0.0, "near"),
    (6, "hill", 0.2, "log-normal", 0.5, "far"),
    (10, "power", 0.2, "normal", 0.0, "near"),
    (10, "mixed", 0.3, "log-normal", 0.5, "best"),
    (10, "mixed", 0.3, "log-normal", 0.5, "equal"),
    (30, "exponential", 0.1, "normal", 0.0, "near"),
    (30, "exponential", 0.3, "normal", 0.0, "best"),
    (30, "mixed", 0.2, "normal", 0.0, "equal"),
    (30, "mixed", 0.2, "log-normal", 0.0, "far"),
    (6, "linear", 0.2, "normal", 0.0, "far"),
    (6, "linear", 0.1, "normal", 0.0, "equal"),
    (6, "ties", 0.2, "normal", 0.0, "best"),
]


def line(what: str, figure: str, limit: str, passed: bool | None) -> None:
    passed = None if passed is None else bool(passed)
    verdict = "" if passed is None else "PASS" if passed else "MISS"
    print(f"{what:<88} {figure:>18}  {limit:<22} {verdict}", flush=True)
    if passed is False:
        missed.append(what)


def true_curves(rng: np.random.Generator, n: int, families: str) -> list[tuple[Any, np.ndarray]]:
    result = []
    for i in range(n):
        name = MIXED[i % 4] if families == "mixed" else "linear" if families == "ties" else families
        family, typical = FAMILIES[name]
        spread = 0.0 if families == "ties" else 0.5
        params = np.array(typical) * np.exp(
            spread * rng.normal(size=len(typical)) * np.array([1.0, 0.5, 0.0][: len(typical)])
        )
        if name == "linear":
            params[1] = 20.0
        if name == "power":
            params[1] = np.clip(params[1], 0.3, 0.7)
        result.append((family, params))
    return result


def scattered(
    rng: np.random.Generator,
    centre: list[Any],
    truth: list[tuple[Any, np.ndarray]],
    size: int,
    noise: float,
    kind: str,
    correlation: float,
) -> list[np.ndarray]:
    """Return estimates around a centre as they scatter around the truth: (size, n_parameters) per segment."""
    common = rng.normal(size=(size, 2))
    result = []
    for at, (family, true) in zip(centre, truth, strict=True):
        own = rng.normal(size=(size, 2))
        z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        drawn = np.tile(np.asarray(at, dtype=float), (size, 1))
        if kind == "normal":
            drawn[:, 0] = np.maximum(drawn[:, 0] + noise * true[0] * z[:, 0], 0.0)
        else:
            drawn[:, 0] = drawn[:, 0] * np.exp(noise * z[:, 0])
        if family is PowerCurve:
            drawn[:, 1] = np.clip(drawn[:, 1] * np.exp(0.1 * noise * z[:, 1]), 0.01, 0.99)
        elif family is not LinearCurve:
            drawn[:, 1] = drawn[:, 1] * np.exp(0.5 * noise * z[:, 1])
        result.append(drawn)
    return result


def problem_of(truth: list[tuple[Any, np.ndarray]], params: list[Any], draws: list[Any]) -> Any:
    curves = {
        f"s{i}": family(*p, draws=d) for i, ((family, _), p, d) in enumerate(zip(truth, params, draws, strict=True))
    }
    budget = (Resource("budget", PER_SEGMENT * len(truth)),)
    return make_problem(curves, budget, uses=None, bounds=None, min_share=None)


def split_of_today(rng: np.random.Generator, best: np.ndarray, today: str) -> np.ndarray:
    n = len(best)
    if today == "best":
        return best
    if today == "equal":
        return np.full(n, PER_SEGMENT)
    far = rng.dirichlet(np.ones(n)) * PER_SEGMENT * n
    return far if today == "far" else 0.75 * best + 0.25 * far


def one_scenario(
    scenario: tuple[Any, ...], n_sims: int, n_draws: int, seed: int, *, others: bool = False
) -> dict[str, np.ndarray]:
    """Return per simulation: covered or not, of each figure; and the figures. With `others`, of other estimates."""
    n, families, noise, kind, correlation, today = scenario
    rng = np.random.default_rng(seed)
    truth = true_curves(rng, n, families)
    true_problem = problem_of(truth, [p for _, p in truth], [None] * n)
    best = solve(true_problem).x
    actual = split_of_today(rng, best, today)
    world = point_batch(true_problem)
    true_cost = float((world.value(best) - world.value(actual)).sum())
    rows = []
    nothing, whole = np.zeros(n), np.ones((1, n))
    if others:
        rng = np.random.default_rng([seed, 1])
    for _ in range(n_sims):
        estimate = [d[0] for d in scattered(rng, [p for _, p in truth], truth, 1, noise, kind, correlation)]
        draws = scattered(rng, estimate, truth, n_draws, noise, kind, correlation)
        rows.append(one_estimate(problem_of(truth, estimate, draws), actual, world, true_cost, nothing, whole))
    names = list(rows[0])
    return {name: np.array([row[name] for row in rows]) for name in names} | {"true_cost": np.array([true_cost])}


def one_estimate(
    problem: Any, actual: np.ndarray, world: Any, true_cost: float, nothing: np.ndarray, whole: np.ndarray
) -> dict[str, Any]:
    solution = solve(problem)
    plan = solution.x
    study = study_of(problem, plan, None)
    point = point_batch(problem)
    (gain,) = changes(problem, point, study, plan, actual, whole, 0.9)
    (brings,) = changes(problem, point, study, plan, nothing, whole, 0.9)
    cost = cost_of(study, actual, 0.9, solution.shadow_prices, gain)
    true_return = float(world.value(plan).sum())
    true_gain = true_return - float(world.value(actual).sum())
    tenth = 1e-9 * max(true_return, 1.0)
    in_draws = {
        "return": study.draws.value(plan).sum(axis=1),
        "gain": (study.draws.value(plan) - study.draws.value(actual)).sum(axis=1),
        "cost": (study.solved.value(study.plans) - study.solved.value(actual)).sum(axis=1),
    }
    targets = {"return": (brings, true_return), "gain": (gain, true_gain), "cost": (cost, true_cost)}
    row: dict[str, Any] = {"seen": cost.uncorrected, "lower_is_zero": cost.low <= tenth}
    for name, (figure, target) in targets.items():
        row[name] = figure.low - tenth <= target <= figure.high + tenth
        row[f"{name}_bias"] = figure.value - target
        row[f"{name}_seen_bias"] = figure.uncorrected - target
        low, high = np.quantile(in_draws[name], [0.05, 0.95])
        row[f"{name}_naive"] = low <= target <= high
    return row


def widened(low: float, high: float, n: int) -> tuple[float, float]:
    """Widen limits of a share by two Monte Carlo standard errors."""
    error = 2 * np.sqrt(0.9 * 0.1 / n)
    return low - error, high + error


def _once(make: Callable[[], dict[str, np.ndarray]]) -> Callable[[], dict[str, np.ndarray]]:
    """Return what makes other simulations when they are first asked for."""
    return functools.lru_cache(maxsize=1)(make)


def judge(
    what: str,
    told: str,
    found: dict[str, np.ndarray],
    others: Callable[[], dict[str, np.ndarray]],
    limits: tuple[float, float] | None,
) -> None:
    """Print how often a figure was held; other simulations decide where chance may have put that beyond a limit."""
    share = float(found[what].mean())
    if limits is None:
        line(f"  {what:<7} {told}", f"{share:.3f}", "(no limit)", None)
        return
    (low, high), (near, far) = limits, widened(*limits, len(found[what]))
    limit = f"{low:.2f} to {high:.2f}"
    if not low <= share <= high and near <= share <= far:
        line(f"  {what:<7} {told}", f"{share:.3f}", "(decided below)", None)
        again = others()[what]
        share, told = float(again.mean()), f"again, in {len(again):,} other simulations"
    line(f"  {what:<7} {told}", f"{share:.3f}", limit, low <= share <= high)


def coverage(n_sims: int, n_draws: int, *, quick: bool) -> None:
    print(f"\nCoverage at 90 %, {n_sims} simulations per scenario, {n_draws} draws (beside: quantiles of the draws)")
    for k, scenario in enumerate(SCENARIOS):
        found = one_scenario(scenario, n_sims, n_draws, seed=100 + k)
        n, families, noise, kind, correlation, today = scenario
        error = float(found["seen"].std())
        size = float(found["true_cost"][0]) / error
        name = f"{n} segments, {families}, {noise:g} {kind}" + (f", r {correlation:g}" if correlation else "")
        limits = widened(0.86, 0.94, n_sims) if quick else (0.86, 0.94)
        print(f"{name}; today {today}, true cost {size:.1f} standard errors")
        others = _once(lambda k=k, scenario=scenario: one_scenario(scenario, 4 * n_sims, n_draws, 100 + k, others=True))
        for what in ("return", "gain", "cost"):
            naive = float(found[f"{what}_naive"].mean())
            bias, seen = (float(found[f"{what}{end}"].mean()) / error for end in ("_bias", "_seen_bias"))
            told = f"(draws {naive:.2f}; bias {bias:+.2f} of {seen:+.2f} standard errors)"
            judge(what, told, found, others, limits if what != "cost" or size > 2 else None)
        if size == 0:
            zero = float(found["lower_is_zero"].mean())
            least = widened(0.9, 1, n_sims)[0] if quick else 0.9
            line("  cost: lower bound is zero where the true cost is", f"{zero:.3f}", f">= {least:.2f}", zero >= least)


# ---------------------------------------------------------------------- from data
def customers(
    rng: np.random.Generator, truth: list[tuple[Any, np.ndarray]], size: int, *, confounded: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return effort and outcome of `size` customers per segment; the curve of a segment is that of its customers."""
    rows = []
    for family, params in truth:
        lasting = rng.normal(size=size)
        effort = rng.integers(0, 7, size=size).astype(float)
        if confounded:
            # those who buy much anyway are called more
            effort = rng.binomial(6, 1 / (1 + np.exp(-1.2 * lasting))).astype(float)
        per_customer = family._value(params, effort)
        rows.append((effort, 30 + 8 * lasting + per_customer + rng.normal(0, 12, size=size)))
    return rows


def market(rng: np.random.Generator, n: int) -> list[tuple[Any, np.ndarray]]:
    return [(ExponentialCurve, np.array([rng.lognormal(2.3, 0.6), rng.uniform(0.2, 0.8)])) for _ in range(n)]


def fitted(rows: list[tuple[np.ndarray, np.ndarray]], n_draws: int, seed: int, *, randomized: bool) -> list[Any]:
    return [
        fit_response_curve(x, y, randomized=randomized, n_draws=n_draws, random_state=seed + i).curve
        for i, (x, y) in enumerate(rows)
    ]


def data(n_sims: int, n_draws: int, *, quick: bool) -> None:
    print(f"\nCoverage at 90 % with curves fitted to randomized customers, {n_sims} simulations")
    limits = widened(0.86, 0.94, n_sims) if quick else (0.86, 0.94)
    for size in (400, 1500):
        found = from_data(size, n_sims, n_draws)
        error, true_cost = float(found["seen"].std()), float(found["true_cost"][0])
        print(f"5 segments of {size} customers, today far, true cost {true_cost / error:.1f} standard errors")
        others = _once(lambda size=size: from_data(size, 3 * n_sims, n_draws, others=True))
        for what in ("return", "gain", "cost"):
            ruled = what != "cost" or true_cost > 2 * error
            told = f"(draws {float(found[f'{what}_naive'].mean()):.2f})"
            judge(what, told, found, others, limits if ruled else None)


def from_data(size: int, n_sims: int, n_draws: int, *, others: bool = False) -> dict[str, np.ndarray]:
    """Return per simulation what `one_scenario` returns, of curves fitted to customers."""
    rng = np.random.default_rng(size)
    truth = market(rng, 5)
    budget = (Resource("contacts", 2.0 * 5),)
    true_problem = make_problem(
        {f"s{i}": f(*p) for i, (f, p) in enumerate(truth)}, budget, uses=None, bounds=None, min_share=None
    )
    world = point_batch(true_problem)
    best = solve(true_problem).x
    actual = rng.dirichlet(np.full(5, 0.5)) * 10.0
    true_cost = float((world.value(best) - world.value(actual)).sum())
    if others:
        rng = np.random.default_rng([size, 1])
    rows = []
    for k in range(n_sims):
        curves = fitted(customers(rng, truth, size, confounded=False), n_draws, 1000 * k, randomized=True)
        problem = make_problem(
            {f"s{i}": c for i, c in enumerate(curves)}, budget, uses=None, bounds=None, min_share=None
        )
        rows.append(one_estimate(problem, actual, world, true_cost, np.zeros(5), np.ones((1, 5))))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} | {"true_cost": np.array([true_cost])}


# ---------------------------------------------------------------------- segments that mean nothing
def shuffled(n_sims: int, *, quick: bool) -> None:
    print(f"\nValue of a segmentation, {n_sims} simulations each")
    least = widened(0.9, 1, n_sims)[0] if quick else 0.9
    for n_segments, lift, meaning in ((6, 0.0, False), (30, 0.0, False), (6, 1.5, False), (6, 1.5, True)):
        holds, hopes, values, truths, covered = [], [], [], [], []
        for k in range(n_sims):
            rng = np.random.default_rng(7000 + k)
            segment = rng.integers(0, n_segments, size=3000)
            arm = rng.choice(["none", "mail", "call"], size=3000)
            effect = np.where(arm == "none", 0.0, lift)
            if meaning:
                effect = np.where(arm == "none", 0.0, np.where((segment % 2 == 0) == (arm == "mail"), 3.0, 0.0))
            y = 20 + effect + rng.normal(0, 12, size=3000)
            found = value_of_segmentation(
                outcome=y, arm=arm, assignment=segment, n_folds=5, n_repeats=2, n_target=1000, random_state=k
            )
            holds.append(found.earns.low <= 0)
            hopes.append(found.earns.uncorrected)
            values.append(found.earns.value)
            truths.append(1500.0 if meaning else 0.0)
            covered.append(found.earns.low <= truths[-1] <= found.earns.high)
        name = f"{n_segments} segments that {'matter' if meaning else 'mean nothing'}, arms {lift:g} apart from none"
        error = np.std(values) / np.sqrt(n_sims)
        print(
            f"{name}: value {np.mean(values):.0f} +- {error:.0f}, on the rows that decide it looks like "
            f"{np.mean(hopes):.0f}, truth {np.mean(truths):.0f}"
        )
        if meaning:
            line("  the lower bound is above zero (power)", f"{1 - np.mean(holds):.3f}", "(no limit)", None)
        else:
            line("  the interval holds zero", f"{np.mean(covered):.3f}", f">= {least:.2f}", np.mean(covered) >= least)
    zero, gain_covered = [], []
    sizes = np.array([0.5, 1.0, 1.5, 2.0, 0.7, 1.3])
    for k in range(n_sims):
        rng = np.random.default_rng(9000 + k)
        same = [(ExponentialCurve, np.array([100.0 * s, 0.1 / s])) for s in sizes]
        estimate = [d[0] for d in scattered(rng, [p for _, p in same], same, 1, 0.2, "normal", 0.0)]
        draws = scattered(rng, estimate, same, 300, 0.2, "normal", 0.0)
        curves = {f"s{i}": ExponentialCurve(*p, draws=d) for i, (p, d) in enumerate(zip(estimate, draws, strict=True))}
        found = value_of_segmentation(
            curves, Resource("budget", 60.0), n_customers={f"s{i}": s for i, s in enumerate(sizes)}
        )
        zero.append(found.potential is not None and found.potential.low <= 1e-9)
        plan = found.table["effort_by_segment"].to_numpy()
        common = found.table["effort_alike"].to_numpy()
        true = sum(
            float(ExponentialCurve._value(p, x) - ExponentialCurve._value(p, a))
            for (_, p), x, a in zip(same, plan, common, strict=True)
        )
        gain_covered.append(found.earns.low <= true <= found.earns.high)
    line("curves of 6 segments that mean nothing: lower bound of the potential is zero", f"{np.mean(zero):.3f}",
         f">= {least:.2f}", np.mean(zero) >= least)  # fmt: skip
    line("  the true (negative) gain of the plan is in its interval", f"{np.mean(gain_covered):.3f}",
         f">= {least - 0.04:.2f}", np.mean(gain_covered) >= least - 0.04)  # fmt: skip


# ---------------------------------------------------------------------- markets
def markets(n_markets: int) -> None:
    print(f"\nPlans on fitted curves against an equal split, {n_markets} simulated markets of 5 segments")
    for size, confounded in ((200, False), (1000, False), (1000, True)):
        gains = []
        for k in range(n_markets):
            rng = np.random.default_rng(50_000 + k)
            truth = market(rng, 5)
            curves = fitted(customers(rng, truth, size, confounded=confounded), 20, k, randomized=not confounded)
            problem = make_problem(
                {f"s{i}": c for i, c in enumerate(curves)},
                (Resource("contacts", 10.0),),
                uses=None,
                bounds=None,
                min_share=None,
            )
            plan = solve(problem).x
            outcome = [
                sum(float(family._value(p, at)) for (family, p), at in zip(truth, x, strict=True))
                for x in (plan, np.full(5, 2.0))
            ]
            gains.append(outcome[0] / outcome[1] - 1)
        mean, error = float(np.mean(gains)), float(np.std(gains) / np.sqrt(n_markets))
        name = f"{size} {'confounded' if confounded else 'randomized'} customers per segment: average gain"
        worse = float(np.mean(np.array(gains) < 0))
        figure = f"{100 * mean:+.1f} +- {100 * error:.1f} %"
        line(
            f"{name} ({100 * worse:.0f} % of markets worse)",
            figure,
            "(printed)" if confounded else ">= 0 on average",
            None if confounded else mean >= 0,
        )


def speed() -> None:
    print("\nSpeed, 30 segments, 1,000 draws")
    rng = np.random.default_rng(0)
    truth = true_curves(rng, 30, "mixed")
    draws = scattered(rng, [p for _, p in truth], truth, 1000, 0.2, "normal", 0.0)
    curves = {f"s{i}": f(*p, draws=d) for i, ((f, p), d) in enumerate(zip(truth, draws, strict=True))}
    today = {f"s{i}": PER_SEGMENT for i in range(30)}
    start = time.perf_counter()
    misallocation_cost(today, curves, Resource("budget", 300.0), n_customers=dict.fromkeys(curves, 100))
    seconds = time.perf_counter() - start
    line("misallocation_cost, one resource", f"{seconds:.2f} s", "<= 10 s", seconds <= 10)
    two = [Resource("budget", 300.0), Resource("hours", 200.0)]
    uses = {f"s{i}": {"budget": 1.0, "hours": 0.4 + 0.02 * i} for i in range(30)}
    start = time.perf_counter()
    misallocation_cost(today, curves, two, uses=uses)
    seconds = time.perf_counter() - start
    line("misallocation_cost, two resources (300 draws)", f"{seconds:.2f} s", "<= 10 s", seconds <= 10)
    start = time.perf_counter()
    value_of_information(curves, Resource("budget", 300.0))
    seconds = time.perf_counter() - start
    line("value_of_information, one resource", f"{seconds:.2f} s", "<= 10 s", seconds <= 10)
    worlds = batch_of(make_problem(curves, (two[0],), uses=None, bounds=None, min_share=None), 1000)
    problem = make_problem(curves, (two[0],), uses=None, bounds=None, min_share=None)
    start = time.perf_counter()
    best_plans(problem, worlds)
    line("1,000 problems solved at once", f"{time.perf_counter() - start:.2f} s", "(printed)", None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer simulations; limits widened by their error")
    parser.add_argument("--only", choices=["coverage", "data", "shuffled", "markets", "speed"])
    args = parser.parse_args()
    wanted = [args.only] if args.only else ["speed", "markets", "shuffled", "data", "coverage"]
    for part in wanted:
        if part == "speed":
            speed()
        elif part == "markets":
            markets(40 if args.quick else 200)
        elif part == "shuffled":
            shuffled(60 if args.quick else 500, quick=args.quick)
        elif part == "data":
            data(40 if args.quick else 500, 200 if args.quick else 500, quick=args.quick)
        else:
            coverage(60 if args.quick else 500, 150 if args.quick else 300, quick=args.quick)
    print(f"\n{len(missed)} limits missed" + "".join(f"\n  {what}" for what in missed))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
