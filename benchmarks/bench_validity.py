"""Silhouettes in linear memory: time, peak memory, and how often the sampled value holds the exact one.

    python benchmarks/bench_validity.py [--quick] [--million-exact]

1. One call of ``validity`` on 1,000,000 customers x 10 features in 6 segments, in a process of its own: time and peak
   memory (Linux only), limit 2 GiB.
2. 200 samples of each of several worlds: share in which the sampled mean silhouette lies within two stated standard
   errors of the exact one, limit 95 %; beside it the same share over single segments, the mean of the stated errors,
   the spread of the values, and the standard error of a plain random sample of equal size. ``--million-exact`` takes
   1,000,000 customers for the first world as well, which needs more than an hour.
3. Everybody's silhouette beside ``sklearn.metrics.silhouette_score`` in one run, as a ratio.

Exits with status 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import silhouette_score

import segmentation as sg
from segmentation.evaluation import clustering_space, validity
from segmentation.segmenters import HDBSCANSegmenter, KMeansSegmenter

MEMORY_LIMIT = 2.0  # GiB
SHARE_LIMIT = 0.95
N_SAMPLES = 200


def verdict(passed: bool) -> str:
    return "PASS" if passed else "MISS"


def overlapping(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Six Gaussian groups that run into each other, ten features."""
    rng = np.random.default_rng(0)
    group = rng.choice(6, n, p=[0.3, 0.25, 0.2, 0.12, 0.08, 0.05])
    return rng.normal(size=(n, 10)) + 1.2 * rng.normal(size=(6, 10))[group], group


def unbalanced(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A segment of one in a hundred."""
    rng = np.random.default_rng(1)
    group = (rng.random(n) < 0.01).astype(int)
    return rng.normal(size=(n, 4)) + 3 * group[:, None], group


def heavy_tailed(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Amounts of money that nobody has scaled."""
    rng = np.random.default_rng(2)
    group = rng.integers(0, 4, n)
    return np.exp(rng.normal(size=(n, 3)) + 0.7 * group[:, None]), group


def by_density(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Crowds of different density with noise between, as HDBSCAN finds them."""
    rng = np.random.default_rng(3)
    group = rng.choice(5, n, p=[0.4, 0.2, 0.15, 0.1, 0.15])
    centres = np.array([[0, 0, 0], [7, 0, 0], [0, 7, 0], [0, 0, 7], [3, 3, 3]])
    width = np.array([1.0, 0.7, 0.5, 1.2, 6.0])  # the last is noise
    customers = pd.DataFrame(rng.normal(size=(n, 3)) * width[group, None] + centres[group], columns=["a", "b", "c"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.exceptions.WeakDensityWarning)
        model = HDBSCANSegmenter(max_fit_customers=5_000, random_state=0).fit(customers)
        assignment = sg.assign(model, customers)
    codes = np.where(assignment["segment"] == sg.UNASSIGNED, -1, assignment["segment"].cat.codes)
    return clustering_space(model, customers).to_numpy(), codes


def by_kmeans(n: int) -> tuple[np.ndarray, np.ndarray]:
    """One crowd cut into eight by k-means."""
    X = np.random.default_rng(4).normal(size=(n, 8))
    return X, KMeansSegmenter(n_clusters=8, n_init=1, max_iter=3_000, random_state=0).fit(X).labels_


def million(queue: multiprocessing.Queue) -> None:
    X, group = overlapping(1_000_000)
    start = time.perf_counter()
    report = validity(X, group, random_state=0)
    seconds = time.perf_counter() - start
    queue.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, report))


def measure_million() -> bool:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=million, args=(queue,))
    process.start()
    seconds, peak, report = queue.get()
    process.join()
    passed = peak < MEMORY_LIMIT
    print(
        f"1,000,000 customers x 10: {seconds:.1f} s, peak {peak:.2f} GiB (limit {MEMORY_LIMIT:g}) {verdict(passed)}; "
        f"silhouette {report.silhouette:.5f} +- {2 * report.silhouette_se:.5f}, "
        f"{report.settings['n_evaluated']:,} customers evaluated"
    )
    return passed


def coverage(name: str, X: np.ndarray, codes: np.ndarray, size: int | None, metric: str = "euclidean") -> bool:
    exact = validity(X, codes, metric=metric, sample_size=len(X), dbcv=False)
    silhouettes = exact.samples["silhouette"].to_numpy()
    hits, segment_hits, errors, values = [], [], [], []
    for seed in range(N_SAMPLES):
        drawn = validity(X, codes, metric=metric, sample_size=size, dbcv=False, random_state=seed)
        values.append(drawn.silhouette)
        errors.append(drawn.silhouette_se)
        hits.append(abs(drawn.silhouette - exact.silhouette) <= 2 * drawn.silhouette_se)
        off = (drawn.table["silhouette"] - exact.table["silhouette"]).abs()
        segment_hits.append((off <= 2 * drawn.table["silhouette_se"] + 1e-12)[exact.table["n_customers"] > 0].mean())
    plain = silhouettes.std() / np.sqrt(drawn.settings["n_evaluated"])
    passed = float(np.mean(hits)) >= SHARE_LIMIT
    print(
        f"{name}, {metric}, n {len(X):,}, {exact.settings['n_unassigned']:,} unassigned, "
        f"{drawn.settings['n_evaluated']:,} evaluated: exact {exact.silhouette:.5f}; within two standard errors "
        f"{np.mean(hits):.3f} (limit {SHARE_LIMIT:g}) {verdict(passed)}; single segments {np.mean(segment_hits):.3f}; "
        f"stated {np.mean(errors):.6f}, spread {np.std(values):.6f}, plain random sample {plain:.6f}"
    )
    return passed


def speed(n: int) -> None:
    X, group = overlapping(n)
    times, values = {}, {}
    for name, function in (
        ("validity", lambda: validity(X, group, sample_size=n).silhouette),
        ("sklearn", lambda: float(silhouette_score(X, group))),
    ):
        start = time.perf_counter()
        values[name] = function()
        times[name] = time.perf_counter() - start
    print(
        f"exact, n {n:,}: validity {times['validity']:.2f} s (all indices), silhouette_score {times['sklearn']:.2f} s, "
        f"ratio {times['validity'] / times['sklearn']:.2f}; "
        f"difference {abs(values['validity'] - values['sklearn']):.1e}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5,000 customers per world and 200 evaluated")
    parser.add_argument("--million-exact", action="store_true", help="coverage at 1,000,000 customers too")
    arguments = parser.parse_args()
    n, size = (5_000, 200) if arguments.quick else (30_000, 1_000)
    passed = [measure_million()]
    worlds = {
        "overlapping": overlapping,
        "unbalanced 1:100": unbalanced,
        "heavy-tailed": heavy_tailed,
        "by density": by_density,
        "one crowd cut by k-means": by_kmeans,
    }
    for name, make in worlds.items():
        X, codes = make(n)
        passed += [coverage(name, X, codes, size, metric) for metric in ("euclidean", "manhattan")]
    if arguments.million_exact:
        passed.append(coverage("overlapping", *overlapping(1_000_000), None))
    speed(5_000 if arguments.quick else 20_000)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
