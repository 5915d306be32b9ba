"""What `segment_stability` costs beside the bare fits and predictions it needs.

    python benchmarks/bench_stability_cost.py [--quick] [--skip-jobs]

1. Processor time of 100 pairs, beside a loop of the same fits (copies with the same seeds, on the same samples, drawn
   beforehand) and predictions: at most 1.25 times.
2. Wall-clock time with n_jobs=1 over that with n_jobs=2, start of the processes included: at least 1.6 times. It
   needs two free cores.
3. Peak memory of 50 pairs on 100,000 customers x 10 features, k = 6, in a process of its own: under 2 GiB (Linux).

Results of the three are the same numbers as in the bare loop: a quality figure stands beside each. ``--quick`` makes
20, 60 and 4 pairs. Exits with status 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from threadpoolctl import threadpool_limits

from segmentation.evaluation import segment_stability
from segmentation.evaluation._agreement import adjusted_rand, contingency
from segmentation.evaluation._refits import Customers, draw_rows, seeded_clone, seeds_of
from segmentation.segmenters import HDBSCANSegmenter, KMeansSegmenter

COST_LIMIT, SPEEDUP_LIMIT, MEMORY_LIMIT = 1.25, 1.6, 2 * 1024**3
N_RESTARTS = 10


def make_customers(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, d))[rng.integers(6, size=n)] * 3 + rng.normal(size=(n, d))


def bare(model: Any, X: np.ndarray, n_pairs: int, n_restarts: int, seed: int) -> tuple[float, list[float]]:
    """Time the fits and predictions only; return processor seconds and the adjusted Rand indices."""
    customers = Customers.of(X)
    (for_base,), for_restarts, for_pairs = seeds_of(seed, 1, n_restarts, n_pairs)
    spent, aris = 0.0, []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in [for_base, *for_restarts]:
            copy = seeded_clone(model, one)
            began = time.process_time()
            copy.fit(X)
            spent += time.process_time() - began
        for one in for_pairs:
            for_rows, *for_fits = one.spawn(3)
            rows = draw_rows(np.random.default_rng(for_rows), len(X), "bootstrap", 0.8)
            codes, sizes = [], []
            for sample, fit_seed in zip(rows, for_fits, strict=True):
                copy, drawn = seeded_clone(model, fit_seed), customers.data[sample]
                began = time.process_time()
                codes.append(copy.fit(drawn).predict(X))
                spent += time.process_time() - began
                sizes.append(len(copy.segments_))
            aris.append(adjusted_rand(contingency(*codes, *sizes)))
    return spent, aris


def cost(n_pairs: int, failures: list[str]) -> None:
    print(f"1. processor time of {n_pairs} pairs and {N_RESTARTS} restarts beside the bare fits and predictions")
    cases = [
        ("k-means, 1,500 x 11, 10 starts", KMeansSegmenter(4), make_customers(1500, 11), n_pairs, True),
        (
            "k-means, 20,000 x 10, 3 starts",
            KMeansSegmenter(6, n_init=3),
            make_customers(20_000, 10),
            n_pairs // 2,
            True,
        ),
        ("HDBSCAN, 1,500 x 4", HDBSCANSegmenter(), make_customers(1500, 4), n_pairs // 5, True),
        ("k-means, 300 x 3, a single start", KMeansSegmenter(3, n_init=1), make_customers(300, 3), n_pairs, False),
    ]
    for name, model, X, n, held in cases:
        n_restarts = N_RESTARTS if isinstance(model, KMeansSegmenter) else 0
        needed, aris = bare(model, X, n, n_restarts, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.process_time()
            report = segment_stability(model, X, n, n_restarts=n_restarts, random_state=0)
            spent = time.process_time() - began
        same = np.allclose(aris, report.global_stability)
        ratio = spent / needed
        passed = same and (ratio <= COST_LIMIT or not held)
        if not passed:
            failures.append(f"cost of {name}")
        word = ("PASS" if passed else "MISS") if held else "not held to it: nothing but overhead"
        print(
            f"  {name:34} {spent:7.1f} s / {needed:7.1f} s = {ratio:.3f} (limit {COST_LIMIT}) {word}; "
            f"same figures: {same}; median ARI {np.median(report.global_stability):.2f}"
        )


def speedup(n_pairs: int, failures: list[str]) -> None:
    print(f"\n2. wall-clock time of {n_pairs} pairs, 50,000 x 10, k = 6, 10 starts (load {os.getloadavg()[0]:.1f})")
    X, times, figures = make_customers(50_000, 10), {}, {}
    for n_jobs in (1, 2):
        began = time.perf_counter()
        report = segment_stability(KMeansSegmenter(6), X, n_pairs, n_restarts=0, n_jobs=n_jobs, random_state=0)
        times[n_jobs] = time.perf_counter() - began
        figures[n_jobs] = report.slsw.to_numpy()
    ratio, same = times[1] / times[2], bool((figures[1] == figures[2]).all())
    passed = ratio >= SPEEDUP_LIMIT and same
    if not passed:
        failures.append("n_jobs=2")
    print(
        f"  n_jobs=1 {times[1]:.1f} s, n_jobs=2 {times[2]:.1f} s: {ratio:.2f} times (limit {SPEEDUP_LIMIT}) "
        f"{'PASS' if passed else 'MISS'}; equal figures: {same}"
    )


def _large(n_pairs: int, queue: Any) -> None:
    import resource

    X = make_customers(100_000, 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began = time.perf_counter()
    report = segment_stability(KMeansSegmenter(6, n_init=3), X, n_pairs, n_restarts=2, random_state=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((before, peak, time.perf_counter() - began, float(report.table["median"].min())))


def memory(n_pairs: int, failures: list[str]) -> None:
    print(f"\n3. memory of {n_pairs} pairs, 100,000 x 10, k = 6, 3 starts (it does not grow with the pairs)")
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=_large, args=(n_pairs, queue))
    process.start()
    before, peak, seconds, lowest = queue.get()
    process.join()
    passed = peak < MEMORY_LIMIT
    if not passed:
        failures.append("memory")
    print(
        f"  peak {peak / 2**20:,.0f} MiB of {MEMORY_LIMIT / 2**20:,.0f} MiB ({before / 2**20:,.0f} MiB before, with "
        f"data and libraries) {'PASS' if passed else 'MISS'}; {seconds:.0f} s; lowest median SLSW {lowest:.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--skip-jobs", action="store_true", help="leave out part 2, which needs two free cores")
    arguments = parser.parse_args()
    failures: list[str] = []
    cost(20 if arguments.quick else 100, failures)
    if not arguments.skip_jobs:
        speedup(60 if arguments.quick else 100, failures)
    memory(4 if arguments.quick else 50, failures)
    print(f"\n{'MISS: ' + ', '.join(failures) if failures else 'all within limits'}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
