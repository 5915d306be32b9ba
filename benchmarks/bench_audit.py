"""What the audit finds on generated tables and on the shared data, and what it costs.

    python benchmarks/bench_audit.py [--seeds 10] [--clean 50] [--rows 1000000] [--only generated|shared|cost]

* generated: one planted fault in a clean table, many kinds, sizes and table lengths: recall (right check, columns and
  count), precision over all findings; findings on clean tables.
* shared: the known problems of the data sets in SEGMENTATION_DATA, and findings that are none, set by set.
* cost: seconds and peak memory of a table of 50 columns.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd
from audit_shared import shared_table
from audit_tables import FAULTS, FOLLOWS, TRUE_OF_CLEAN, clean_table

from segmentation import sources

AS_OF = "2024-06-30"
SIZES = (300, 1000, 5000)


def is_alarm(finding: sources.Finding) -> bool:
    return (finding.check, finding.columns) not in TRUE_OF_CLEAN


def clean(n_tables: int, first_seed: int = 0) -> float:
    alarms: list[str] = []
    for seed in range(n_tables):
        report = sources.audit(clean_table(SIZES[seed % 3], first_seed + seed), as_of=AS_OF)
        alarms += [f"{SIZES[seed % 3]} {finding}" for finding in report.findings if is_alarm(finding)]
    print(
        f"clean tables: {len(alarms)} false alarms in {n_tables} tables: {len(alarms) / n_tables:.2f} a table (limit 2)"
    )
    for alarm in alarms:
        print("   ", alarm[:200])
    return len(alarms) / n_tables


def planted(seeds: int, first_seed: int = 1000, *, verbose: bool = True) -> tuple[float, float]:
    found = right = wrong = counted = total = 0
    for number, (name, plant) in enumerate(FAULTS.items()):
        # tables of its own for each fault, or one alarm on a table would count once for every fault
        first = first_seed + 100 * number
        missed, others, counts = [], [], 0
        for seed in range(seeds):
            rng = np.random.default_rng(first + seed)
            n = SIZES[seed % 3]
            table, check, columns, count = plant(clean_table(n, first + seed), rng)
            report = sources.audit(table, as_of=AS_OF)
            hits = [f for f in report.findings if f.check == check and set(f.columns) == set(columns)]
            total += 1
            found += bool(hits)
            counted += any(f.count == count for f in hits)
            counts += any(f.count == count for f in hits)
            right += len(hits)
            if not hits:
                missed.append((n, count))
            extra = [f for f in report.findings
                     if is_alarm(f) and f not in hits and f.check not in FOLLOWS.get(name, set())]  # fmt: skip
            wrong += len(extra)
            others += [str(f)[:120] for f in extra]
        if verbose:
            print(f"  {name:24} found {seeds - len(missed)}/{seeds}, count right {counts}/{seeds}, other {len(others)}",
                  f"missed (rows, planted): {missed}" if missed else "")  # fmt: skip
            for other in sorted(set(others))[:4]:
                print("        also:", other)
    recall, precision = found / total, right / (right + wrong)
    print(f"planted faults: {total}; recall {recall:.3f} (limit .95), right count {counted / total:.3f}, "
          f"precision {precision:.3f} (limit .9)")  # fmt: skip
    return recall, precision


def cost(n: int) -> None:
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {"customer_id": rng.permutation(n)}
    for i in range(20):
        columns[f"amount_{i}"] = rng.lognormal(3, 1, n)
    for i in range(10):
        columns[f"count_{i}"] = rng.poisson(3, n)
    for i in range(10):
        columns[f"class_{i}"] = rng.choice(["north", "south", "east", "west", "centre"], n)
    for i in range(4):
        columns[f"day_{i}"] = np.datetime64("2020-01-01", "s") + rng.integers(0, 10**8, n).astype("timedelta64[s]")
    for i in range(3):
        columns[f"code_{i}"] = np.char.add("K", rng.integers(0, 50_000, n).astype(str)).astype(object)
    columns["email"] = [f"user{i}@example.org" for i in range(n)]
    columns["gap"] = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    table = pd.DataFrame(columns)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall = time.perf_counter()
    report = sources.audit(table, as_of=AS_OF)
    wall = time.perf_counter() - wall
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    held = table.memory_usage(deep=True).sum() / 2**20
    print(f"{n:,} x {table.shape[1]}: {wall:.1f} s (limit 60), peak +{peak:.0f} MiB over a table of {held:.0f} MiB; "
          f"{len(report)} findings")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--clean", type=int, default=50)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--only", choices=["generated", "shared", "cost"])
    chosen = parser.parse_args()
    if chosen.only in (None, "generated"):
        clean(chosen.clean, chosen.first_seed + 50_000)
        planted(chosen.seeds, chosen.first_seed)
    if chosen.only in (None, "shared"):
        shared_table()
    if chosen.only in (None, "cost"):
        cost(chosen.rows)


if __name__ == "__main__":
    main()
