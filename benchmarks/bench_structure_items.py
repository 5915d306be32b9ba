"""How often items of two or three levels are called natural by `structure_verdict`, beside the limits; real surveys.

    python benchmarks/bench_structure_items.py [--runs 60] [--quick] [--only WORLD ...] [--seed 1] [--simulations 99]
    python benchmarks/bench_structure_items.py --surveys [--runs 5]    verdicts on SEGMENTATION_DATA, by seed
    python benchmarks/bench_structure_items.py --null [--runs 60]      the comparison with simulated tables by itself
    python benchmarks/bench_structure_items.py --fit                   do simulated tables look like the surveys?
    python benchmarks/bench_structure_items.py --time                  seconds of a whole verdict, 1,000 x 20

Worlds of 800 to 2,000 customers and 6 to 20 items (latent classes: 8 to 20), drawn anew in every run. Cut from one
normal distribution, or from others without groups, they must be natural in at most 5 % of the runs; the power for
latent classes is printed as it is. Each class answers each item by one of two shares, any two classes differ in at
least three items and each has at least 12 % of the customers. Exits with status 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy.stats import kurtosis, skew

from segmentation.evaluation import _latent_test
from segmentation.evaluation._latent import learn_latent
from segmentation.evaluation._latent_test import LatentTest, against_latent_normal
from segmentation.evaluation._refits import Customers
from segmentation.evaluation._structure import structure_verdict
from segmentation.segmenters import KMeansSegmenter

World = Callable[[np.random.Generator], np.ndarray]
ALPHA = 0.05
N_SIMULATIONS = 99


def size(rng: np.random.Generator, least: int = 6) -> tuple[int, int]:
    return int(rng.integers(800, 2001)), int(rng.integers(least, 21))


def equal(rng: np.random.Generator, n: int, d: int, rho: float) -> np.ndarray:
    return np.sqrt(rho) * rng.normal(size=(n, 1)) + np.sqrt(1 - rho) * rng.normal(size=(n, d))


def factors(rng: np.random.Generator, traits: np.ndarray, d: int) -> np.ndarray:
    """Random loadings; a fifth to nine tenths of each item come from the traits."""
    n, m = traits.shape
    loadings = np.abs(rng.normal(size=(m, d))) if m == 1 else rng.normal(size=(m, d))
    loadings *= np.sqrt(rng.uniform(0.2, 0.9, d) / (loadings**2).sum(axis=0))
    return traits @ loadings + rng.normal(size=(n, d)) * np.sqrt(1 - (loadings**2).sum(axis=0))


def one_factor(rng: np.random.Generator) -> np.ndarray:
    n, d = size(rng)
    return (equal(rng, n, d, rng.uniform(0.1, 0.8)) > rng.normal(0, 0.6, d)).astype(float)


def two_factors(rng: np.random.Generator) -> np.ndarray:
    n, d = size(rng)
    return (factors(rng, rng.normal(size=(n, 2)), d) > rng.normal(0, 0.6, d)).astype(float)


def rare(rng: np.random.Generator) -> np.ndarray:
    """Items that 4 to 31 % say yes to."""
    n, d = size(rng)
    latent = factors(rng, rng.normal(size=(n, int(rng.integers(1, 3)))), d)
    return (latent > rng.uniform(0.5, 1.8, d)).astype(float)


def three_levels(rng: np.random.Generator) -> np.ndarray:
    n, d = size(rng)
    latent = factors(rng, rng.normal(size=(n, int(rng.integers(1, 3)))), d)
    middle, width = rng.normal(0, 0.5, d), rng.uniform(0.2, 0.8, d)
    return (latent > middle - width).astype(float) + (latent > middle + width)


def steep(rng: np.random.Generator) -> np.ndarray:
    """Items that nearly repeat one another: most customers answer all yes or all no."""
    n, d = size(rng)
    return (equal(rng, n, d, rng.uniform(0.8, 0.95)) > rng.normal(0, 0.3, d)).astype(float)


def near_copies(rng: np.random.Generator) -> np.ndarray:
    """Three items that repeat one another with 5 % errors: two latent classes as far as these items go."""
    X = two_factors(rng)
    for j in (1, 2):
        X[:, j] = np.where(rng.random(len(X)) < 0.05, 1 - X[:, 0], X[:, 0])
    return X


def skewed(rng: np.random.Generator) -> np.ndarray:
    n, d = size(rng)
    trait = (rng.exponential(size=(n, 1)) - 1) * rng.choice([-1, 1])
    return (factors(rng, trait, d) > rng.normal(0, 0.6, d)).astype(float)


def straight_liners(rng: np.random.Generator) -> np.ndarray:
    """One in twenty answers all items alike, yes or no."""
    X = one_factor(rng) if rng.random() < 0.5 else two_factors(rng)
    who = rng.permutation(len(X))[: len(X) // 20]
    X[who] = (rng.random(len(who)) < 0.5)[:, None]
    return X


def one_of_four(rng: np.random.Generator) -> np.ndarray:
    """A category of four levels as four columns, beside correlated items."""
    X = two_factors(rng)
    return np.column_stack([X, np.eye(4)[rng.integers(0, 4, len(X))]])


def classes(k: int, share: float, levels: int = 2) -> World:
    def world(rng: np.random.Generator) -> np.ndarray:
        n, d = size(rng, 8)
        while True:
            leaning = rng.random((k, d)) < 0.5
            if (leaning[:, None] != leaning[None]).sum(axis=2)[np.triu_indices(k, 1)].min() >= 3:
                break
        group = rng.choice(k, n, p=0.12 + (1 - 0.12 * k) * rng.dirichlet(np.full(k, 2.0)))
        yes = np.where(leaning, 1 - share, share)[group]
        return (rng.random((levels - 1, n, d)) < yes).sum(axis=0).astype(float)

    return world


# Name: world, and whether natural must be rare.
WORLDS: dict[str, tuple[World, bool]] = {
    "one factor": (one_factor, True),
    "two factors": (two_factors, True),
    "rare items": (rare, True),
    "three levels": (three_levels, True),
    "steep items": (steep, True),
    "near copies": (near_copies, False),
    "skewed trait": (skewed, True),
    "5 % straight-liners": (straight_liners, True),
    "one of four, as columns": (one_of_four, False),
} | {
    f"{k} classes, {share:g} or {1 - share:g}": (classes(k, share), False)
    for share in (0.1, 0.2, 0.25)
    for k in (2, 3, 4, 5)
}


class NoBar:
    def update(self, n: int = 1) -> None:
        """Show nothing."""


def judged(X: np.ndarray, seed: int, numbers: range = range(2, 9), n_simulations: int = N_SIMULATIONS) -> LatentTest:
    """Do what `structure_verdict` does for such items."""
    models = {k: KMeansSegmenter(k, n_init=3) for k in numbers}
    seeds = np.random.SeedSequence(seed).spawn(n_simulations + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return against_latent_normal(models, Customers.of(X), seeds, NoBar())


def rates(runs: int, only: list[str], seed: int, n_simulations: int) -> bool:
    """Print the share of runs that are called natural."""
    highest = int(ALPHA * runs)
    print(f"{runs} runs per world; limit where there are no groups: {highest}")
    good = True
    for number, (name, (world, unstructured)) in enumerate(WORLDS.items()):
        if only and not any(part in name for part in only):
            continue
        start, natural, apart, fullest = time.process_time(), 0, 0, []
        for run in range(runs):
            found = judged(world(np.random.default_rng([seed, number, run])), run, n_simulations=n_simulations)
            natural += bool((found.p_adjusted <= ALPHA).any())
            apart += bool(found.apart.any())
            fullest.append(found.between.min())
        within = natural <= highest
        limit = ("PASS" if within else "MISS") if unstructured else ""
        good &= within or not unstructured
        low, mid, high = np.quantile(fullest, [0.05, 0.5, 0.95])
        print(
            f"  {name:<26} natural {natural:>3} of {runs}, apart {apart:>3}; between, 5/50/95 %: {low:.2f} {mid:.2f} "
            f"{high:.2f}  {(time.process_time() - start) / runs:.1f} s each  {limit}",
            flush=True,
        )
    return good


def null(runs: int, seed: int) -> bool:
    """Print how often the comparison with simulated tables rejects by itself, with every number counted as apart."""
    good = True
    highest = int(ALPHA * runs + 2.6 * np.sqrt(runs * ALPHA * (1 - ALPHA)))
    for number, name in enumerate(["one factor", "two factors", "rare items", "three levels", "steep items"]):
        rejected = 0
        for run in range(runs):
            X = WORLDS[name][0](np.random.default_rng([seed, 100 + number, run]))
            with patch.object(_latent_test, "APART", 1.0):
                rejected += bool((judged(X, run, range(2, 5), 39).p_adjusted <= ALPHA).any())
        good &= rejected <= highest
        print(f"  {name:<26} rejected {rejected} of {runs}  {'PASS' if rejected <= highest else 'MISS'}", flush=True)
    return good


def survey_items() -> dict[str, pd.DataFrame]:
    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    items = {
        "mcdonalds": (pd.read_parquet(folder / "mcdonalds/mcdonalds.parquet").iloc[:, :11] == "Yes").astype(float),
        "vacmot": pd.read_parquet(folder / "vacmot/vacmot.parquet").astype(float),
        "volunteers": pd.read_parquet(folder / "volunteers/volunteers.parquet").iloc[:, 2:].astype(float),
        "ausactiv": pd.read_parquet(folder / "ausactiv/ausActiv.parquet").astype(float),
    }
    return {name: table.reset_index(drop=True) for name, table in items.items()}


def surveys(runs: int) -> None:
    """Print the verdict on each survey, and what stands between segments, by seed."""
    for (name, table), k in zip(survey_items().items(), (4, 6, 5, 6), strict=True):
        for seed in range(runs):
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = structure_verdict(KMeansSegmenter(k), table, n_pairs=10, random_state=seed)
            simulated: Any = found.simulated
            between = " ".join(f"{value:.2f}" for value in simulated.between)
            print(
                f"  {name:<11} seed {seed}: {found.verdict:<13} ARI {found.table.loc[k, 'ari']:.2f}  weakest SLSW "
                f"{found.table.loc[k, 'weakest_slsw']:.2f}  smallest p {found.table['p_adjusted'].min():.2f}  between "
                f"{between}  {time.process_time() - start:.0f} s",
                flush=True,
            )


def fit() -> None:
    """Print moments that simulated tables do not take from the real one, with their range over 99 of them."""
    for name, table in survey_items().items():
        X = table.to_numpy()
        latent, rng = learn_latent(X), np.random.default_rng(0)
        real, drawn = _moments(X, X), np.array([_moments(latent.draw(rng), X) for _ in range(N_SIMULATIONS)])
        print(f"{name}: {X.shape[0]:,} x {X.shape[1]}")
        for j, what in enumerate(MOMENTS):
            low, high = np.quantile(drawn[:, j], [0.025, 0.975])
            print(f"  {what:<38} {real[j]:7.3f}  simulated, 95 %: {low:7.3f} to {high:7.3f}")


MOMENTS = ("deviation of the number of yes", "skewness of it", "excess kurtosis of it", "all no", "all yes", "RMS r")


def _moments(X: np.ndarray, real: np.ndarray) -> list[float]:
    total = X.sum(axis=1)
    away = (np.corrcoef(X, rowvar=False) - np.corrcoef(real, rowvar=False))[np.triu_indices(X.shape[1], 1)]
    ends = [(total == end).mean() for end in (0, X.shape[1])]
    return [total.std(), skew(total), kurtosis(total), *ends, float(np.sqrt((away**2).mean()))]


def seconds() -> bool:
    """Print what a verdict costs with everything at its default, where nothing is apart and where classes are."""
    good = True
    rng = np.random.default_rng(0)
    leaning = rng.random((4, 20)) < 0.5
    group = rng.integers(0, 4, 1000)
    worlds = {
        "one trait": (equal(rng, 1000, 20, 0.4) > 0).astype(float),
        "four latent classes": (rng.random((1000, 20)) < np.where(leaning, 0.9, 0.1)[group]).astype(float),
    }
    for name, X in worlds.items():
        start = time.process_time()
        found = structure_verdict(KMeansSegmenter(4), X, random_state=0)
        spent = time.process_time() - start
        good &= spent < 40
        print(f"{name}, 1,000 x 20: {found.verdict}, {spent:.1f} s; limit 40  {'PASS' if spent < 40 else 'MISS'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--simulations", type=int, default=N_SIMULATIONS)
    parser.add_argument("--quick", action="store_true", help="8 runs per world")
    parser.add_argument("--only", nargs="+", default=[], help="worlds whose names contain one of these")
    for name in ("surveys", "null", "fit", "time"):
        parser.add_argument(f"--{name}", action="store_true")
    given = parser.parse_args()
    if given.surveys:
        surveys(given.runs or 5)
    elif given.fit:
        fit()
    elif given.time:
        return 0 if seconds() else 1
    elif given.null:
        return 0 if null(given.runs or 60, given.seed) else 1
    else:
        return 0 if rates(8 if given.quick else given.runs or 60, given.only, given.seed, given.simulations) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
