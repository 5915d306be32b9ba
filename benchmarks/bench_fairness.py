"""Fairness of plans: the price of parity against a conic solver, ratios against fairlearn, coverage, speed.

    python benchmarks/bench_fairness.py [--quick] [--only PART ...]

Parts:
    price       best plans with parity on random problems (1 to 4 resources, 2 to 200 items, 2 to 5 groups, some with
                least shares): equal to cvxpy with Clarabel to 1e-6 of the total; limits and parity kept to 1e-9.
                Efforts with an endless slope at 0 that limits and parity hold at 0, by linear programmes, are left
                out of the conic problem, whose tolerance would let it have some
    ratios      where effort is 0 or 1: fairlearn's demographic parity ratio and difference
    coverage    with resample=True: 90 % intervals of a group's amount per customer, and of the smallest ratio, over
                samples of customers hold the truth in 86 to 94 % (of 1,000; --quick: of 300, widened by two standard
                errors)
    speed       100,000 customers, 4 attributes; the price for 200 and 1,000 segments

Exits with status 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from segmentation.allocation import Resource, allocate, allocation_fairness
from segmentation.allocation._fairness_price import plan_with_parity
from segmentation.allocation._problem import Problem
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve

FAILED: list[str] = []


def line(what: str, figure: str, limit: str, passed: bool) -> None:
    print(f"{what:<78} {figure:>12}  {limit:<20} {'PASS' if passed else 'MISS'}")
    if not passed:
        FAILED.append(what)


def random_problem(seed: int) -> tuple[Problem, np.ndarray, float]:
    """Return a problem of `bench_allocation`, what each group gets per head of a unit of each item, and a parity."""
    path = Path(__file__).with_name("bench_allocation.py")
    spec = importlib.util.spec_from_file_location("bench_allocation", path)
    other: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules["bench_allocation"] = other
    spec.loader.exec_module(other)  # type: ignore[union-attr]
    problem = other.random_problem(seed)
    rng = np.random.default_rng(seed + 10_000)
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    place = np.array([segments.index(segment) for segment, _ in problem.items])
    n_groups = int(rng.integers(2, 6))
    counts = rng.integers(1, 200, (len(segments), n_groups)).astype(float)
    each = counts / counts.sum(axis=1, keepdims=True) / counts.sum(axis=0)
    j = int(rng.integers(problem.use.shape[1]))
    return problem, (each[place] * problem.use[:, [j]]).T, float(rng.choice([0.5, 0.8, 0.95, 1.0]))


def has_no_room(problem: Problem, per_head: np.ndarray, parity: float) -> np.ndarray:
    """Tell which items with an endless slope at 0 the limits and parity hold at 0, by linear programmes of HiGHS.

    A conic solver keeps limits to 1e-10. That much effort of a curve with the exponent 1/3 is worth 5e-4 of a unit, so
    that its total would be that of a plan that breaks the limits; the effort is therefore left out of its problem.
    """
    n = len(problem.items)
    with np.errstate(all="ignore"):
        endless = ~np.isfinite(problem.slope(np.zeros(n))) & (problem.lower == 0)
        reach = np.where(problem.use > 0, problem.supply / problem.use, np.inf).min(axis=1)
    reach = np.minimum(np.minimum(reach, problem.upper), 1e6)
    got = per_head / per_head.max() * reach
    rows = [problem.use[:, j] * reach / problem.supply[j] for j in range(len(problem.supply))]
    limits = [1.0] * len(rows)
    for floor in problem.floors:
        row = np.zeros(n)
        row[floor.positions] = -problem.use[floor.positions, floor.resource] * reach[floor.positions] / floor.amount
        rows.append(row)
        limits.append(-1.0)
    rows += [parity * got[h] - got[g] for g in range(len(got)) for h in range(len(got)) if g != h]
    limits += [0.0] * (len(rows) - len(limits))
    bounds = np.column_stack([problem.lower / reach, np.ones(n)])
    result = np.zeros(n, dtype=bool)
    known = np.zeros(n, dtype=bool)
    for i in np.flatnonzero(endless).tolist():
        if known[i]:
            continue
        found = linprog(-np.eye(n)[i], A_ub=np.array(rows), b_ub=limits, bounds=bounds, method="highs",
                        options={"primal_feasibility_tolerance": 1e-10})  # fmt: skip
        if found.x is None:
            break
        known |= found.x > 1e-6
        result[i] = found.x[i] <= 1e-6
    return result


def conic(problem: Problem, per_head: np.ndarray, parity: float) -> float:
    """Return the largest total with parity by cvxpy and Clarabel; NaN where it finds none."""
    import cvxpy as cp

    out = has_no_room(problem, per_head, parity)
    n = len(problem.items)
    x = cp.Variable(n)
    scale = max(float(np.median(problem.value(np.full(n, 1.0)))), 1e-9)
    parts = []
    for family, where, p in problem.stacks:
        kept = ~out[where]
        index, p = np.arange(n)[where][kept], p[kept]
        if not len(index):
            continue
        effort = x[index]
        if family is ExponentialCurve:
            parts.append(p[:, 0] / scale @ (1 - cp.exp(-cp.multiply(p[:, 1], effort))))
        elif family is LogCurve:
            parts.append(p[:, 0] / scale @ cp.log1p(cp.multiply(p[:, 1], effort)))
        elif family is PowerCurve:
            for exponent in np.unique(p[:, 1]):
                same = p[:, 1] == exponent
                parts.append(p[same, 0] / scale @ cp.power(x[index[same]], exponent))
        elif family is HillCurve:
            parts.append(cp.sum(cp.multiply(p[:, 0] / scale, 1 - cp.multiply(p[:, 1], cp.inv_pos(p[:, 1] + effort)))))
        elif family is LinearCurve:
            cap = np.where(np.isfinite(p[:, 1]), p[:, 1], 1e6)
            parts.append(p[:, 0] / scale @ cp.minimum(effort, cap))
    limits = [problem.use[:, j] @ x <= problem.supply[j] for j in range(len(problem.supply))]
    limits.append(x >= problem.lower)
    if out.any():
        limits.append(x[np.flatnonzero(out)] == 0)
    bounded = np.flatnonzero(np.isfinite(problem.upper))
    if len(bounded):
        limits.append(x[bounded] <= problem.upper[bounded])
    limits += [problem.use[f.positions, f.resource] @ x[f.positions] / f.amount >= 1 for f in problem.floors]
    got = per_head / per_head.max() @ x
    if parity == 1:
        limits += [got[g] == got[0] for g in range(1, len(per_head))]
    else:
        limits += [got[g] >= parity * got[h] for g in range(len(per_head)) for h in range(len(per_head)) if g != h]
    found = cp.Problem(cp.Maximize(sum(parts)), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            found.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        except cp.SolverError:
            return math.nan
    return float(found.value) * scale if found.status in ("optimal", "optimal_inaccurate") else math.nan


def violation(problem: Problem, per_head: np.ndarray, parity: float, x: np.ndarray) -> float:
    got = per_head @ x
    worst = max(0.0, float(((problem.used(x) - problem.supply) / problem.supply).max()))
    worst = max(worst, float((problem.lower - x).max()), float((x - problem.upper).max()))
    worst = max([worst, *(1 - float(problem.use[f.positions, f.resource] @ x[f.positions]) / f.amount
                          for f in problem.floors)])  # fmt: skip
    return max(worst, parity - float(got.min() / got.max())) if got.max() > 0 else worst


def price(n_problems: int) -> None:
    differences, violations, gaps, seconds, unsolved, disagree = [], [], [], [], 0, 0
    for seed in range(n_problems):
        problem, per_head, parity = random_problem(seed)
        start = time.perf_counter()
        found = plan_with_parity(problem, per_head, parity)
        seconds.append(time.perf_counter() - start)
        best = conic(problem, per_head, parity)
        if found.x is None or math.isnan(best):
            unsolved += 1
            disagree += (found.x is None) != math.isnan(best)
            continue
        differences.append(abs(found.total - best) / best)
        violations.append(violation(problem, per_head, parity, found.x))
        gaps.append(found.gap)
    worst = max(differences)
    line(
        f"{len(differences)} problems: total against the conic solver, worst, relative",
        f"{worst:.1e}",
        "<= 1e-6",
        worst <= 1e-6,
    )
    line(
        "limits, least shares and parity kept, worst, relative",
        f"{max(violations):.1e}",
        "<= 1e-9",
        max(violations) <= 1e-9,
    )
    line("gap that is proven, worst", f"{max(gaps):.1e}", "<= 1e-6", max(gaps) <= 1e-6)
    line(f"{unsolved} without a plan: the two disagree on", f"{disagree}", "0", disagree == 0)
    print(f"    seconds: median {np.median(seconds):.3f}, worst {max(seconds):.2f}")


def ratios(n_tables: int) -> None:
    from fairlearn.metrics import demographic_parity_difference, demographic_parity_ratio

    worst = 0.0
    for seed in range(n_tables):
        rng = np.random.default_rng(seed)
        n, n_segments, n_groups = int(rng.integers(200, 2000)), int(rng.integers(2, 8)), int(rng.integers(2, 5))
        ids = pd.RangeIndex(n, name="customer_id")
        segment = pd.Series(rng.integers(0, n_segments, n).astype(str), index=ids)
        group = pd.Series(rng.choice(list("abcd")[:n_groups], n), index=ids, name="g")
        chosen = rng.random(n_segments) < 0.5
        chosen[0] = True
        selected = chosen[segment.astype(int)].astype(int)
        effort = pd.Series(chosen * np.bincount(segment.astype(int), minlength=n_segments),
                           index=[str(s) for s in range(n_segments)])  # fmt: skip
        row = allocation_fairness(effort, segment, group, minimum_cell=1).summary.iloc[0]
        ratio = demographic_parity_ratio(selected, selected, sensitive_features=group)
        difference = demographic_parity_difference(selected, selected, sensitive_features=group)
        worst = max(worst, abs(row["minimum_ratio"] - ratio), abs(row["difference"] - difference))
    line(
        f"{n_tables} tables: ratio and difference against fairlearn, worst", f"{worst:.1e}", "<= 1e-12", worst <= 1e-12
    )


def coverage(runs: int, low: float, high: float) -> None:
    """Effort per customer of each segment is known; the customers are a sample of a population with these shares."""
    cells = np.array([[0.20, 0.10], [0.15, 0.15], [0.05, 0.15], [0.08, 0.12]])
    each = np.array([3.0, 1.0, 0.5, 0.0])
    truth = each @ cells / cells.sum(axis=0)
    held = np.zeros(3)
    for run in range(runs):
        rng = np.random.default_rng(run)
        counts = rng.multinomial(600, cells.ravel()).reshape(cells.shape)
        segment = np.repeat(np.repeat(["a", "b", "c", "d"], 2), counts.ravel())
        group = np.repeat(np.tile(["f", "m"], 4), counts.ravel())
        ids = pd.RangeIndex(600, name="customer_id")
        effort = pd.Series(each * counts.sum(axis=1), index=list("abcd"))
        fair = allocation_fairness(effort, pd.Series(segment, index=ids), pd.Series(group, index=ids),
                                   resample=True, n_resamples=400, random_state=run)  # fmt: skip
        for g in range(2):
            row = fair.table.iloc[g]
            held[g] += row["per_customer_low"] <= truth[g] <= row["per_customer_high"]
        row = fair.summary.iloc[0]
        held[2] += row["minimum_ratio_low"] <= truth.min() / truth.max() <= row["minimum_ratio_high"]
    for what, share in zip(
        ("per customer, group f", "per customer, group m", "smallest ratio"), held / runs, strict=True
    ):
        line(
            f"coverage of 90 % intervals, {what}, {runs} samples of 600",
            f"{share:.3f}",
            f"{low:.3f} to {high:.3f}",
            low <= share <= high,
        )


def speed() -> None:
    rng = np.random.default_rng(0)
    for n_customers, n_segments in ((100_000, 12), (100_000, 200), (100_000, 1000)):
        names = [f"s{i}" for i in range(n_segments)]
        curves = {name: ExponentialCurve(rng.lognormal(8, 1), rng.lognormal(-3, 1), randomized=True) for name in names}
        plan = allocate(curves, Resource("budget", 20.0 * n_segments))
        ids = pd.RangeIndex(n_customers, name="customer_id")
        segment = pd.Series(rng.choice(names, n_customers), index=ids)
        protected = pd.DataFrame({f"a{k}": rng.choice(list("abcde"), n_customers) for k in range(4)}, index=ids)
        start = time.perf_counter()
        allocation_fairness(plan, segment, protected, parity=None)
        shown = time.perf_counter() - start
        start = time.perf_counter()
        fair = allocation_fairness(plan, segment, protected[["a0"]])
        priced = time.perf_counter() - start
        gap = float(fair.price["gap"].max())
        line(
            f"{n_customers:,} customers, {n_segments} segments, 4 attributes: seconds",
            f"{shown:.2f}",
            "<= 5",
            shown <= 5,
        )
        what = f"  one attribute with the price of parity (gap {gap:.0e}): seconds"
        if n_segments <= 200:
            line(what, f"{priced:.2f}", "<= 10", priced <= 10)
        else:
            print(f"{what:<78} {priced:>12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=["price", "ratios", "coverage", "speed"])
    options = parser.parse_args()
    wanted = options.only or ["price", "ratios", "coverage", "speed"]
    if "price" in wanted:
        price(40 if options.quick else 300)
    if "ratios" in wanted:
        ratios(20 if options.quick else 200)
    if "coverage" in wanted:
        runs = 300 if options.quick else 1000
        wide = 2 * math.sqrt(0.9 * 0.1 / runs) if options.quick else 0.0
        coverage(runs, 0.86 - wide, 0.94 + wide)
    if "speed" in wanted:
        speed()
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
