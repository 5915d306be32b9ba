"""Drift and refresh advice: false alarms, power, and whether the advice is right in histories with a known answer.

    python benchmarks/bench_drift.py [--quick] [--seed N] [--only alarms|power|advice|intervals] [--world WORLD]

1. False alarms per report over 500 stationary pairs of tables, 10 columns (four of them nearly the same, tied,
   heavy-tailed, with many zeros, categories, missing values, true/false), 1,000 customers: others at the second date,
   the same, 60 % the same, and 700 customers to whom 300 are added. Limit: 5 %, and its Monte Carlo error.
2. Power: one column of 10 moves by 0.25 standard deviations (on its log scale), 1,000 customers at each date; limit .9.
3. Advice in 100 histories of each world, limit 90. Four groups of customers in four features, 5 standard deviations
   apart in some, with shares .4, .3, .2 and .1; 1,000 customers at each date; k-means with 4 clusters.

   nothing     the second table is drawn as the first was                                             -> keep
   mix         shares become .2, .25, .2 and .35, the groups stay where they are                     -> keep (mix named)
   drift       all customers move by 2 and 1 standard deviations in two features, customers are others -> refit
   drift_same  the same customers all move by 4 standard deviations in two features                    -> refit
   groups      a fifth group appears and takes a quarter of the customers                              -> rebuild
   names       nothing moved, but what is in force has other names                                     -> rename
   definition  nothing moved, but what is in force was cut by one feature alone                        -> rebuild

4. Coverage of the 90 % intervals of ``decompose_change`` (mean, same customers), 300 tables: 87 to 93 %.

``--quick``: 60 pairs, 30 shifts, 8 histories, 60 tables, limits widened by their Monte Carlo errors (2.6 standard
errors). Exits with status 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import segmentation as sg
from segmentation.monitoring import decompose_change, feature_drift, recommend_refresh
from segmentation.segmenters import KMeansSegmenter

CENTRES = np.array([[0.0, 0, 0, 0], [5, 0, 0, 2], [0, 5, 2, 0], [5, 5, 0, 0]])
SHARES = [0.4, 0.3, 0.2, 0.1]
RIGHT = {
    "nothing": "keep",
    "mix": "keep",
    "drift": "refit",
    "drift_same": "refit",
    "groups": "rebuild",
    "names": "rename",
    "definition": "rebuild",
}
Z = 2.6
SEED = 0
WORLDS = list(RIGHT)


def features(latent: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    noise = rng.normal(size=(len(latent), 10))
    table = pd.DataFrame({f"alike_{i}": latent[:, 0] + 0.3 * noise[:, i] for i in range(4)})
    table["tied"] = np.floor(np.exp(latent[:, 1]))
    table["heavy"] = np.exp(2 * latent[:, 2] + noise[:, 5])
    table["zeros"] = np.where(noise[:, 6] > 0, 0, np.exp(latent[:, 2]))
    table["category"] = np.array(list("abcdefgh"))[np.clip((np.abs(latent[:, 3]) * 3).astype(int), 0, 7)]
    table["gaps"] = np.where(noise[:, 7] > 1, np.nan, latent[:, 1])
    table["flag"] = noise[:, 8] > 1.5
    return table


def stationary(n: int, mode: str, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    latent = rng.normal(size=(n, 4))
    then = features(latent, rng)
    if mode == "others":
        now = features(rng.normal(size=(n, 4)), rng)
        return then, now.set_axis(now.index + n, axis=0)
    now = features(0.9 * latent + np.sqrt(1 - 0.81) * rng.normal(size=latent.shape), rng)
    if mode == "some":
        return then.iloc[: int(0.8 * n)], now.iloc[int(0.2 * n) :]
    return (then.iloc[: int(0.7 * n)] if mode == "growth" else then), now


def history(world: str, seed: int, n: int = 1000) -> tuple[object, pd.DataFrame, pd.DataFrame, dict[str, object]]:
    rng = np.random.default_rng(seed)

    def people(shares: list[float], centres: np.ndarray = CENTRES, group: np.ndarray | None = None) -> pd.DataFrame:
        group = rng.choice(len(centres), n, p=shares) if group is None else group
        return pd.DataFrame(centres[group] + rng.normal(size=(n, 4)), columns=list("abcd"))

    group = rng.choice(4, n, p=SHARES)
    then = people(SHARES, group=group)
    model = KMeansSegmenter(4, random_state=0).fit(then)
    given: dict[str, object] = {}
    if world == "drift_same":
        return model, then, people(SHARES, CENTRES + np.array([4.0, 4, 0, 0]), group), given
    now = {
        "mix": lambda: people([0.2, 0.25, 0.2, 0.35]),
        "drift": lambda: people(SHARES, CENTRES + np.array([2.0, 0, 0, 1])),
        "groups": lambda: people([0.3, 0.2, 0.15, 0.1, 0.25], np.vstack([CENTRES, [10.0, 10, 5, 5]])),
    }.get(world, lambda: people(SHARES))()
    now.index = now.index + n
    if world == "names":
        table = sg.assign(model, now)
        names = dict(zip(model.segments_, ["gold", "silver", "bronze", "tin"], strict=True))
        given["in_force"] = sg.relabel(table, names)
    if world == "definition":
        given["in_force"] = sg.assign(KMeansSegmenter(4, random_state=0).fit(now[["a"]]), now[["a"]])
    return model, then, now, given


def verdict(passed: bool, what: str, failures: list[str]) -> str:
    if not passed:
        failures.append(what)
    return "PASS" if passed else "MISS"


def alarms(n_pairs: int, failures: list[str]) -> None:
    limit = 0.05 + Z * np.sqrt(0.05 * 0.95 / n_pairs)
    print(f"false alarms per report, {n_pairs} stationary pairs, 1,000 customers (5 %, with its error {limit:.3f})")
    for seed, mode in enumerate(("others", "same", "some", "growth")):
        rng, began = np.random.default_rng(SEED + seed), time.perf_counter()
        found = [
            bool(feature_drift(*stationary(1000, mode, rng), n_draws=499, random_state=i).drifted)
            for i in range(n_pairs)
        ]
        share = float(np.mean(found))
        word = verdict(share <= limit, f"alarms, {mode}", failures)
        print(f"  {mode:10} {share:.3f}  {word}  [{time.perf_counter() - began:.0f} s]", flush=True)


def power(n_pairs: int, failures: list[str]) -> None:
    limit = 0.9 - (Z * np.sqrt(0.09 / n_pairs) if n_pairs < 200 else 0)
    print(f"power, 0.25 standard deviations in one of 10 columns, {n_pairs} pairs (at least {limit:.2f})")
    for seed, mode in enumerate(("others", "same")):
        rng, found = np.random.default_rng(SEED + 100 + seed), []
        for i in range(n_pairs):
            then, now = stationary(1000, mode, rng)
            now["heavy"] *= np.exp(0.25 * np.sqrt(5))
            found.append("heavy" in feature_drift(then, now, n_draws=499, random_state=i).drifted)
        share = float(np.mean(found))
        print(f"  {mode:10} {share:.3f}  {verdict(share >= limit, f'power, {mode}', failures)}", flush=True)


def advice(n_histories: int, failures: list[str]) -> None:
    limit = 0.9 - (Z * np.sqrt(0.09 / n_histories) if n_histories < 100 else 0)
    print(f"advice, {n_histories} histories of each world (right in at least {limit:.2f})")
    for world in WORLDS:
        right = RIGHT[world]
        began, got, mix = time.perf_counter(), collections.Counter(), 0
        for seed in range(SEED, SEED + n_histories):
            model, then, now, given = history(world, seed)
            found = recommend_refresh(model, then, now, n_draws=499, random_state=seed, **given)
            got[found.action] += 1
            mix += bool(found.table.loc["mix", "found"])
        n_right = min(got[right], mix) if world == "mix" else got[right]
        word = verdict(n_right / n_histories >= limit, f"advice, {world}", failures)
        print(f"  {world:10} {right:8} {n_right:3} of {n_histories}  {word}  {dict(got)}  "
              f"[{(time.perf_counter() - began) / n_histories:.1f} s each]", flush=True)  # fmt: skip


def intervals(n_tables: int, failures: list[str]) -> None:
    """True pieces from the formulas on expectations: two segments, means 10 and 30, shares .5 to .4, means up by 1."""
    truth = {"mix": 0.1 * (30.5 - 10.5), "within": 1.0, "total": 3.0}
    rng, hits = np.random.default_rng(SEED + 7), collections.Counter()
    for i in range(n_tables):
        chance = rng.random(600)
        then, now = np.where(chance < 0.5, "a", "b"), np.where(chance < 0.4, "a", "b")
        own = rng.gamma(2.0, 0.5, 600)  # what a customer keeps
        tables = [
            pd.DataFrame({"segment": s, "spend": own * rng.gamma(4.0, 0.25, 600) * (np.where(s == "a", 10, 30) + up)})
            for s, up in ((then, 0.0), (now, 1.0))
        ]
        table = decompose_change("spend", *tables, n_resamples=399, random_state=i).table
        for name, value in truth.items():
            hits[name] += table.loc[name, "estimate_low"] <= value <= table.loc[name, "estimate_high"]
    slack = 0.03 + (Z * np.sqrt(0.09 / n_tables) if n_tables < 300 else 0)
    print(f"coverage of 90 % intervals of decompose_change, {n_tables} tables (within {slack:.2f} of .90)")
    for name, n in hits.items():
        share = n / n_tables
        print(f"  {name:10} {share:.3f}  {verdict(abs(share - 0.9) <= slack, f'coverage, {name}', failures)}")


def main() -> int:
    global SEED, WORLDS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["alarms", "power", "advice", "intervals"])
    parser.add_argument("--seed", type=int, default=0, help="other simulations: this is added to their numbers")
    parser.add_argument("--world", choices=list(RIGHT), nargs="+", help="advice in these worlds only")
    arguments = parser.parse_args()
    SEED, WORLDS = arguments.seed, arguments.world or WORLDS
    failures: list[str] = []
    sizes = {alarms: (500, 60), power: (200, 30), intervals: (300, 60), advice: (100, 8)}
    for task, (full, small) in sizes.items():
        if arguments.only in (None, task.__name__):
            task(small if arguments.quick else full, failures)
    print(f"\n{'MISS: ' + ', '.join(failures) if failures else 'all within limits'}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
