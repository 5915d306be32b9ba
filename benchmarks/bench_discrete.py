"""All-or-nothing allocation (S-shaped curves, fixed costs, whole units, exclusive actions): quality, proof and speed.

    python benchmarks/bench_discrete.py [--quick] [--only exhaustive|speed]

200 small problems against exhaustive search, which knows nothing of the solver: it lists every subset, every whole
number and every member of a group, and searches the rest on a grid that it narrows. The total must be the best there
is, to the gap that the solver states, and the bound that it proves must not be below it. Then 200 and 1,000 segments
against the clock, beside HiGHS on the plain form in straight pieces, with the quality that it reaches.
Exits with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time

import numpy as np

from segmentation.allocation._discrete import solve_discrete
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._problem import Floor, Problem
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, LogCurve, PowerCurve

GAP = 1e-4
missed: list[str] = []


def line(what: str, figure: str, limit: str, passed: bool) -> None:
    print(f"{what:<78} {figure:>16}  limit {limit:<18} {'PASS' if passed else 'MISS'}", flush=True)
    if not passed:
        missed.append(what)


def random_curve(rng: np.random.Generator, s_shaped: float) -> ExponentialCurve | HillCurve | LogCurve:
    size = rng.lognormal(3, 1)
    if rng.random() < s_shaped:
        return HillCurve(10 * size, rng.lognormal(1, 0.5), rng.uniform(1.2, 4))
    kind = rng.integers(0, 4)
    if kind == 0:
        return ExponentialCurve(10 * size, rng.lognormal(-1, 0.5))
    if kind == 1:
        return LogCurve(5 * size, rng.lognormal(-1, 0.5))
    if kind == 2:
        return PowerCurve(3 * size, rng.uniform(0.3, 0.9))
    return LinearCurve(2 * size, rng.choice([2.0, 5.0, np.inf]))


def small_problem(seed: int) -> Problem:
    """Return a problem of 2 to 7 items and 1 to 4 resources, of which at most 3 items have efforts of any size."""
    rng = np.random.default_rng(seed)
    n, n_resources = int(rng.integers(2, 8)), int(rng.integers(1, 5))
    n_free = min(n, int(rng.integers(0, 4)))
    whole = np.zeros(n_resources, dtype=bool)
    use = rng.choice([0.0, 0.5, 1.0, 2.0], size=(n, n_resources), p=[0.2, 0.2, 0.4, 0.2])
    use[use.sum(axis=1) == 0, 0] = 1.0
    if n_free < n:
        # the last resource is people: those of the items in whole numbers take some, the others none
        whole[-1] = True
        use[:, -1] = rng.choice([0.5, 1.0, 1.5], size=n)
        use[rng.permutation(n)[:n_free], -1] = 0.0
        if n_resources == 1 and n_free:
            n_resources, whole = 2, np.array([False, True])
            use = np.column_stack([rng.choice([0.5, 1.0, 2.0], n), use])
        use[use.sum(axis=1) == 0, 0] = 1.0
    supply = np.maximum(n * rng.uniform(0.3, 1.5, n_resources), 0.5)
    supply[whole] = np.maximum(np.round(supply[whole]), 1)
    fixed = np.where(rng.random((n, 1)) < 0.4, rng.choice([0.0, 0.25, 0.5], size=(n, n_resources)), 0.0)
    fixed[:, whole] = np.where(rng.random((n, 1)) < 0.3, rng.choice([0.0, 0.5, 1.0], size=(n, 1)), 0.0)
    # people who only set something up come whole, too
    fixed[:, whole] = np.where(use[:, whole] == 0, np.round(fixed[:, whole]), fixed[:, whole])
    lower = np.where(rng.random(n) < 0.3, rng.uniform(0.2, 1.5, n), 0.0)
    upper = np.where(rng.random(n) < 0.3, lower + rng.uniform(0.2, 4.0, n), np.inf)
    groups = []
    if n >= 3 and rng.random() < 0.5:
        groups.append(rng.choice(n, size=int(rng.integers(2, min(n, 4) + 1)), replace=False).astype(np.int64))
    floors = ()
    if rng.random() < 0.25:
        j = int(rng.integers(n_resources))
        taking = np.flatnonzero(use[:, j] > 0)[:2]
        if len(taking):
            floors = (Floor("some", j, taking, float(rng.uniform(0.1, 0.4) * supply[j])),)
    return Problem(
        items=tuple((f"s{i}", "effort") for i in range(n)),
        curves=tuple(random_curve(rng, 0.5) for _ in range(n)),
        use=use,
        supply=supply,
        lower=lower,
        upper=upper,
        floors=floors,
        optional=rng.random(n) < 0.8,
        fixed=fixed,
        fixed_cost=np.where(rng.random(n) < 0.4, rng.lognormal(2.5, 1, n), 0.0),
        integer=whole,
        exclusive=tuple(groups),
    )


# ---------------------------------------------------------------------- exhaustive search
def options(problem: Problem, i: int) -> list[float | None]:
    """Return the efforts that item i may have; None stands for any effort within its bounds."""
    result: list[float | None] = []
    if problem.lower[i] == 0 or problem.optional[i]:
        result.append(0.0)
    moving = np.flatnonzero(problem.integer & (problem.use[i] > 0))
    still = np.flatnonzero(problem.integer & (problem.use[i] == 0))
    if any(problem.fixed[i, j] != round(problem.fixed[i, j]) for j in still):
        return result
    if not len(moving):
        return [*result, None]
    j = moving[0]
    for units in range(1, int(problem.supply[j]) + 1):
        x = (units - problem.fixed[i, j]) / problem.use[i, j]
        others = problem.use[i, moving] * x + problem.fixed[i, moving]
        inside = problem.lower[i] - 1e-9 <= x <= problem.upper[i] + 1e-9
        if x > 1e-9 and inside and np.allclose(others, np.round(others), atol=1e-9, rtol=0):
            result.append(x)
    return result


def exhaustive(problem: Problem) -> tuple[float, np.ndarray | None]:
    """Return the best total and a plan that has it, by looking at everything; None where there is no plan."""
    best, best_x = -np.inf, None
    for chosen in itertools.product(*(options(problem, i) for i in range(len(problem.items)))):
        free = [i for i, x in enumerate(chosen) if x is None]
        x = np.array([0.0 if x is None else x for x in chosen])
        funded = np.array([x is None or x > 0 for x in chosen])
        if any(funded[group].sum() > 1 for group in problem.exclusive):
            continue
        rest = problem.supply - problem.fixed[funded].sum(axis=0) - x @ problem.use
        if (rest < -1e-9 * np.maximum(problem.supply, 1)).any():
            continue
        base = sum(float(problem.curves[i].value(x[i])) for i in range(len(x)) if x[i] > 0)
        base -= float(problem.fixed_cost[funded].sum())
        value, efforts = continuous(problem, free, np.maximum(rest, 0.0), x)
        if efforts is not None and base + value > best:
            best, best_x = base + value, x.copy()
            best_x[free] = efforts
    return best, best_x


def continuous(problem: Problem, free: list[int], rest: np.ndarray, x: np.ndarray) -> tuple[float, np.ndarray | None]:
    """Search the efforts of up to three items on a grid that is narrowed around its best points.

    More effort never harms, so that the last item takes all that it can.
    """
    if not free:
        return 0.0, np.zeros(0) if floors_kept(problem, x[None])[0] else None
    lower = problem.lower[free]
    room = rest - problem.use[free].T @ lower
    if (room < -1e-9 * np.maximum(problem.supply, 1)).any():
        return -np.inf, None
    with np.errstate(all="ignore"):
        most = np.where(problem.use[free] > 0, np.maximum(room, 0) / problem.use[free], np.inf).min(axis=1)
    top = np.minimum(np.minimum(problem.upper[free], lower + most), 1e4)
    first, last = len(free) - 1, free[-1]
    n_points = {0: 1, 1: 801, 2: 81}[first]
    centres, width = [0.5 * (lower + top)[:-1]], 0.5 * (top - lower)[:-1]
    best, best_x = -np.inf, None
    for level in range(30 if first else 1):
        candidates = []
        for centre in centres:
            axes = [
                np.unique(np.clip(np.linspace(c - w, c + w, n_points if level == 0 else 9), low, high))
                for c, w, low, high in zip(centre, width, lower, top[:-1], strict=False)
            ]
            grid = np.meshgrid(*axes, indexing="ij") if axes else [np.zeros(1)]
            candidates.append(np.stack(grid, axis=-1).reshape(-1, len(grid))[:, :first])
        points = np.vstack(candidates)
        left = rest - points @ problem.use[free[:-1]]
        with np.errstate(all="ignore"):
            end = np.where(problem.use[last] > 0, left / problem.use[last], np.inf).min(axis=1)
        end = np.minimum(np.minimum(problem.upper[last], end), 1e4)
        whole = np.tile(x, (len(points), 1))
        whole[:, free[:-1]] = points
        whole[:, last] = end
        fits = (left >= -1e-9).all(axis=1) & (end >= lower[-1] - 1e-12) & floors_kept(problem, whole)
        if not fits.any():
            # what a floor leaves may be narrow: look again, finer
            if level == 0 and first and problem.floors:
                n_points = 4 * n_points
                continue
            return best, best_x
        whole = whole[fits]
        value = sum(problem.curves[i].value(np.maximum(whole[:, i], 0.0)) for i in free)
        order = np.argsort(-value)
        if value[order[0]] > best:
            best, best_x = float(value[order[0]]), whole[order[0]][free]
        centres = [whole[k, free[:-1]] for k in order[: 6 if level else 12]]
        width = width * (8.0 / n_points if level == 0 else 0.4)
    return best, best_x


def floors_kept(problem: Problem, x: np.ndarray) -> np.ndarray:
    result = np.ones(len(x), dtype=bool)
    for floor in problem.floors:
        taken = x[:, floor.positions] @ problem.use[floor.positions, floor.resource]
        result &= taken >= floor.amount * (1 - 1e-9)
    return result


def net(problem: Problem, x: np.ndarray) -> float:
    return float(problem.value(x).sum() - problem.fixed_cost[x > 0].sum())


def violation(problem: Problem, x: np.ndarray) -> float:
    """Return by how much a plan violates what it must keep, relative to each; infinite for a group or whole number."""
    over = [float(((problem.used(x) - problem.supply) / np.maximum(problem.supply, 1e-300)).max())]
    funded = x > 0
    need = ~problem.optional | funded
    over.append(float(np.where(need, problem.lower - x, 0.0).max()))
    over.append(float((x - problem.upper).max()))
    over += [1 - float(x[f.positions] @ problem.use[f.positions, f.resource]) / f.amount for f in problem.floors]
    taken = (problem.use * x[:, None] + problem.fixed * funded[:, None])[:, problem.integer]
    whole = np.abs(taken - np.round(taken)).max(initial=0.0) <= 1e-8
    alone = all(funded[group].sum() <= 1 for group in problem.exclusive)
    return max([*over, 0.0]) if whole and alone else np.inf


def against_exhaustive(n_problems: int) -> None:
    behind, ahead, above = -np.inf, -np.inf, -np.inf
    worst_gap, worst_row, n_impossible, n_wrong = 0.0, 0.0, 0, 0
    ours = search = 0.0
    kinds = np.zeros(5, dtype=int)
    for seed in range(n_problems):
        problem = small_problem(seed)
        kinds += np.array(
            [
                any(not curve.concave for curve in problem.curves),
                problem.fixed.any() or problem.fixed_cost.any(),
                problem.integer.any(),
                bool(problem.exclusive),
                bool(problem.floors),
            ]
        )
        start = time.perf_counter()
        best, x = exhaustive(problem)
        search += time.perf_counter() - start
        start = time.perf_counter()
        try:
            found = solve_discrete(problem, gap=GAP)
        except InfeasibleError:
            n_impossible += 1
            n_wrong += x is not None
            continue
        ours += time.perf_counter() - start
        value = net(problem, found.x)
        size = max(abs(value), 1e-9)
        n_wrong += x is None
        behind = max(behind, (best - value) / size)
        ahead = max(ahead, (value - best) / size)
        above = max(above, (best - value - found.gap * size) / size)
        worst_gap = max(worst_gap, found.gap)
        worst_row = max(worst_row, violation(problem, found.x))
        if (best - value) / size > GAP or (best - value - found.gap * size) / size > 1e-7 or found.gap > GAP:
            print(f"  problem {seed}: {value:.8g}, gap {found.gap:.2e}; exhaustive {best:.8g}")
    print(
        f"{n_problems} problems ({kinds[0]} S-shaped, {kinds[1]} with fixed costs, {kinds[2]} with whole units, "
        f"{kinds[3]} with groups, {kinds[4]} with shares; {n_impossible} without any plan): {ours:.1f} s against "
        f"{search:.1f} s of exhaustive search"
    )
    line("problems where one finds a plan and the other says there is none", str(n_wrong), "0", n_wrong == 0)
    line("furthest behind exhaustive search, relative", f"{behind:.1e}", f"{GAP:.0e}", behind <= GAP)
    line("exhaustive search itself behind, relative", f"{ahead:.1e}", "1e-5", ahead <= 1e-5)
    line("exhaustive search above the proven bound, relative", f"{above:.1e}", "1e-7", above <= 1e-7)
    line("largest stated gap", f"{worst_gap:.1e}", f"{GAP:.0e}", worst_gap <= GAP)
    line("largest violation, relative", f"{worst_row:.1e}", "1e-9", worst_row <= 1e-9)


# ---------------------------------------------------------------------- speed
def actions_problem(n: int, seed: int = 0) -> Problem:
    """Return n segments: a budget, hours, people as whole numbers; fixed costs, set-up, groups, least amounts.

    A third of the segments has S-shaped curves; every fifth may be mailed or visited, not both; half cost something
    once; a fifth gets nothing or a least amount.
    """
    rng = np.random.default_rng(seed)
    use = rng.uniform(0.5, 2, (n, 3))
    use[:, 2] = rng.choice([0.0, 0.5, 1.0], n, p=[0.4, 0.3, 0.3])
    fixed = np.where(rng.random((n, 1)) < 0.4, rng.uniform(0.1, 1, (n, 3)), 0.0)
    fixed[:, 2] = np.round(fixed[:, 2])
    lower = np.where(rng.random(n) < 0.2, rng.uniform(0.5, 2, n), 0.0)
    return Problem(
        items=tuple((f"s{i}", "effort") for i in range(n)),
        curves=tuple(random_curve(rng, 1 / 3) for _ in range(n)),
        use=use,
        supply=np.round(n * rng.uniform(0.8, 1.5, 3)),
        lower=lower,
        upper=np.full(n, np.inf),
        optional=lower > 0,
        fixed=fixed,
        fixed_cost=np.where(rng.random(n) < 0.5, rng.lognormal(2, 1, n), 0.0),
        integer=np.array([False, False, True]),
        exclusive=tuple(np.array([i, i + 1]) for i in range(0, n - 1, 5)),
    )


def hill_problem(n: int, n_resources: int = 1, seed: int = 0) -> Problem:
    """Return n segments with steep S-shaped curves, of which the resources fund about a third."""
    rng = np.random.default_rng(seed)
    use = np.ones((n, 1)) if n_resources == 1 else rng.uniform(0.5, 2, (n, n_resources))
    return Problem(
        items=tuple((f"s{i}", "effort") for i in range(n)),
        curves=tuple(HillCurve(rng.lognormal(6, 0.5), rng.uniform(5, 10), rng.uniform(1.5, 6)) for _ in range(n)),
        use=use,
        supply=np.full(n_resources, 3.0 * n),
        lower=np.zeros(n),
        upper=np.full(n, np.inf),
    )


def all_or_nothing(n: int, n_resources: int, seed: int = 0) -> Problem:
    """Return a knapsack of several resources: n projects that are done or not; the hardest kind for a proof."""
    rng = np.random.default_rng(seed)
    use = rng.uniform(0.5, 2, (n, n_resources))
    return Problem(
        items=tuple((f"s{i}", "project") for i in range(n)),
        curves=tuple(LinearCurve(rng.uniform(0.5, 1) * use[i].sum(), 1.0) for i in range(n)),
        use=use,
        supply=0.5 * use.sum(axis=0),
        lower=np.ones(n),
        upper=np.ones(n),
        optional=np.ones(n, dtype=bool),
    )


def straight_pieces(problem: Problem, n_pieces: int, seconds: float) -> tuple[float, float]:
    """Return the total that bare HiGHS reaches, and its seconds, with every curve cut into straight pieces.

    The usual form: efforts between knots, joined by straight lines; one binary per piece (they fill up in order), one
    for being funded, integers for whole units.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    start = time.perf_counter()
    n, m, fixed = len(problem.items), n_pieces, np.asarray(problem.fixed)
    with np.errstate(divide="ignore"):
        most = np.where(problem.use > 0, problem.supply / problem.use, np.inf).min(axis=1)
    top = np.minimum(np.minimum(problem.upper, most), 60.0)
    knots = top * (np.arange(m + 1) / m)[:, None] ** 1.5
    width = np.diff(knots, axis=0)
    gain = np.diff(np.array([problem.value(knot) for knot in knots]), axis=0)
    # columns: share d of each piece (m, n), full f of each piece (m, n), funded z (n), units k (n, R)
    d, f = np.arange(m * n).reshape(m, n), m * n + np.arange(m * n).reshape(m, n)
    z = 2 * m * n + np.arange(n)
    units = np.flatnonzero(problem.integer)
    k = 2 * m * n + n + np.arange(n * len(units)).reshape(n, len(units))
    size = 2 * m * n + n + k.size
    objective = np.zeros(size)
    objective[d], objective[z] = -gain, problem.fixed_cost
    rows: list[tuple[list[int], list[float], float, float]] = []
    for j in range(len(problem.supply)):
        data = np.concatenate([(width * problem.use[:, j]).ravel(), fixed[:, j]])
        rows.append(([*d.ravel(), *z], [*data], -np.inf, float(problem.supply[j])))
    for i in range(n):
        for p in range(m):
            rows.append(([d[p, i], f[p, i]], [-1.0, 1.0], -np.inf, 0.0))
            rows.append(([d[p, i], f[p - 1, i] if p else z[i]], [1.0, -1.0], -np.inf, 0.0))
        if problem.lower[i] > 0:
            rows.append(([*d[:, i], z[i]], [*width[:, i], -problem.lower[i]], 0.0, np.inf))
        for u, j in enumerate(units):
            rows.append(([*d[:, i], z[i], k[i, u]], [*width[:, i] * problem.use[i, j], fixed[i, j], -1.0], 0.0, 0.0))
    rows += [([*z[group]], [1.0] * len(group), -np.inf, 1.0) for group in problem.exclusive]
    index = np.repeat(np.arange(len(rows)), [len(row[0]) for row in rows])
    columns, data = np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
    whole = np.zeros(size)
    whole[m * n :] = 1
    high = np.ones(size)
    high[k.ravel()] = np.inf
    found = milp(
        objective,
        integrality=whole,
        bounds=Bounds(np.zeros(size), high),
        constraints=LinearConstraint(
            coo_array((data, (index, columns)), shape=(len(rows), size)).tocsr(),
            np.array([row[2] for row in rows]),
            np.array([row[3] for row in rows]),
        ),
        options={"mip_rel_gap": GAP, "time_limit": seconds},
    )
    seconds = time.perf_counter() - start
    if found.x is None:
        return np.nan, seconds
    x = np.where(found.x[z] > 0.5, (found.x[d] * width).sum(axis=0), 0.0)
    return net(problem, np.maximum(x, 0.0)), seconds


def speed(quick: bool) -> None:
    kinds: list[tuple[str, Problem, float | None, float | None]] = [
        ("200 segments, whole people, fixed costs, groups, 3 resources", actions_problem(200), 10.0, GAP),
        ("200 S-shaped curves, 1 resource", hill_problem(200), 10.0, GAP),
        ("200 S-shaped curves, 3 resources", hill_problem(200, 3), 10.0, GAP),
        ("200 projects, all or nothing, 2 resources", all_or_nothing(200, 2), 10.0, GAP),
        # beyond what is promised: no such solver proves this kind quickly; the gap is what it states
        ("200 projects, all or nothing, 4 resources, stopped after 9 s", all_or_nothing(200, 4), 10.0, None),
    ]
    if not quick:
        kinds += [
            ("1,000 segments, whole people, fixed costs, groups, 3 resources", actions_problem(1000), None, GAP),
            ("1,000 S-shaped curves, 1 resource", hill_problem(1000), None, GAP),
        ]
    for name, problem, limit, allowed in kinds:
        start = time.perf_counter()
        found = solve_discrete(problem, gap=GAP, time_limit=9.0 if "stopped" in name else 60.0)
        seconds = time.perf_counter() - start
        total = net(problem, found.x)
        print(name)
        if limit is None:
            print(f"{'  seconds':<78} {seconds:>16.2f}")
        else:
            line("  seconds", f"{seconds:.2f}", f"{limit:g}", seconds < limit)
        if allowed is None:
            print(f"{'  proven gap':<78} {found.gap:>16.1e}")
        else:
            line("  proven gap", f"{found.gap:.1e}", f"{allowed:.0e}", found.gap <= allowed)
        line(
            "  largest violation, relative",
            f"{violation(problem, found.x):.1e}",
            "1e-9",
            violation(problem, found.x) <= 1e-9,
        )
        for pieces in () if "projects" in name else (10, 40) if not quick else (10,):
            other, other_seconds = straight_pieces(problem, pieces, 30.0)
            print(
                f"{f'  bare HiGHS on {pieces} straight pieces: seconds; how far below our total':<78} "
                f"{other_seconds:>16.2f}; {(total - other) / total:.1e}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 small problems; 200 segments only")
    parser.add_argument("--only", choices=("exhaustive", "speed"))
    chosen = parser.parse_args()
    if chosen.only in (None, "exhaustive"):
        against_exhaustive(40 if chosen.quick else 200)
    if chosen.only in (None, "speed"):
        speed(chosen.quick)
    if missed:
        sys.exit(f"{len(missed)} limits missed: {missed}")


if __name__ == "__main__":
    main()
