"""Rules beside the same conditions written by hand, on a million customers.

    python benchmarks/bench_rules.py [--customers 1000000] [--repeats 5]

Six rules on complete data (where missing values cannot tell the contenders apart): our rules in pandas and in
Polars; pandas boolean masks and ``DataFrame.eval``; Polars expressions. Every contender runs in a process of its
own and returns one column of true and false per rule, and the name of the first that is true. Printed are the best
time, the peak memory above that of the data (Linux only), the ratio to the way by hand in the same dataframe library,
and in how many rows the answers differ from those of the pandas masks, which must be none.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from segmentation.segmenters import RuleSegmenter

RULES = {
    "students": "18 <= age <= 25 and job in ('student', 'pupil')",
    "big baskets": "spend / orders > 30 and not member",
    "best": "spend > 300 or orders > 15 and member",
    "lapsed": "last < '2024-03-01'",
    "retired": "job == 'retired' and age >= 60",
    "small": "spend - 2 * orders < 10",
}
LIMIT = 3.0  # times as long as by hand: twice the comparisons, and asking each column where it is known


def make_customers(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(16, 90, n),
            "spend": rng.gamma(2, 50, n),
            "orders": rng.integers(1, 20, n),
            "job": rng.choice(["student", "clerk", "pupil", "retired"], n),
            "member": rng.random(n) < 0.4,
            "last": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D"),
        }
    )


def ours(customers):
    return RuleSegmenter(RULES).match_table(customers, collect=False)


def with_first(matches: pd.DataFrame) -> pd.DataFrame:
    """Add the name of the first match as pandas users would who care for speed."""
    names = list(matches.columns)
    codes = np.where(matches.any(axis=1), matches.to_numpy().argmax(axis=1), len(names))
    return matches.assign(segment=pd.Categorical.from_codes(codes, [*names, "unassigned"]))


def pandas_masks(c):
    matches = pd.DataFrame(
        {
            "students": (c["age"] >= 18) & (c["age"] <= 25) & c["job"].isin(["student", "pupil"]),
            "big baskets": (c["spend"] / c["orders"] > 30) & ~c["member"],
            "best": (c["spend"] > 300) | ((c["orders"] > 15) & c["member"]),
            "lapsed": c["last"] < pd.Timestamp("2024-03-01"),
            "retired": (c["job"] == "retired") & (c["age"] >= 60),
            "small": c["spend"] - 2 * c["orders"] < 10,
        }
    )
    return with_first(matches)


def pandas_eval(c):
    return with_first(pd.DataFrame({name: c.eval(rule) for name, rule in RULES.items()}))


def polars_by_hand(c):
    col = pl.col
    segment = pl.lit("unassigned")
    for name in reversed(RULES):
        segment = pl.when(col(name)).then(pl.lit(name)).otherwise(segment)
    return (
        c.lazy()
        .select(
            ((col("age") >= 18) & (col("age") <= 25) & col("job").is_in(["student", "pupil"])).alias("students"),
            ((col("spend") / col("orders") > 30) & ~col("member")).alias("big baskets"),
            ((col("spend") > 300) | ((col("orders") > 15) & col("member"))).alias("best"),
            (col("last") < dt.datetime(2024, 3, 1)).alias("lapsed"),
            ((col("job") == "retired") & (col("age") >= 60)).alias("retired"),
            (col("spend") - 2 * col("orders") < 10).alias("small"),
        )
        .with_columns(segment.alias("segment"))
        .collect()
    )


# name -> (library, function); "by hand" is what the ratio refers to
CONTENDERS = {
    "pandas masks by hand": ("pandas", pandas_masks),
    "pandas DataFrame.eval": ("pandas", pandas_eval),
    "our rules in pandas": ("pandas", ours),
    "polars expressions by hand": ("polars", polars_by_hand),
    "our rules in polars": ("polars", ours),
}
BY_HAND = {"pandas": "pandas masks by hand", "polars": "polars expressions by hand"}


STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_mib() -> float:
    """Return the highest memory of this process since `forget_peak`; NaN where there is no such figure."""
    if not STATUS.exists():
        return float("nan")
    return int(re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())[1]) / 1024


def forget_peak() -> None:
    if CLEAR.exists():
        CLEAR.write_text("5")  # see proc(5)


def measure(name: str, n: int, repeats: int) -> None:
    """Run one contender in this process and print what it took."""
    library, function = CONTENDERS[name]
    customers = make_customers(n)
    if library == "polars":
        customers = pl.from_pandas(customers)
    gc.collect()
    forget_peak()
    before = peak_mib()
    seconds = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        function(customers)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(seconds[1:]), "mib": peak_mib() - before}))


def as_text(table) -> np.ndarray:
    columns = [*RULES, "segment"]
    table = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    return table[columns].astype(str).to_numpy()


def rows_that_differ(n: int) -> dict[str, int]:
    customers = make_customers(n)
    expected = pandas_masks(customers).astype(str).to_numpy()
    tables = {"pandas": customers, "polars": pl.from_pandas(customers)}
    return {
        name: int((as_text(function(tables[library])) != expected).any(axis=1).sum())
        for name, (library, function) in CONTENDERS.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        measure(options.contender, options.customers, options.repeats)
        return 0
    results = {}
    for name in CONTENDERS:
        command = [sys.executable, __file__, "--contender", name]
        command += ["--customers", str(options.customers), "--repeats", str(options.repeats)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        results[name] = json.loads(done.stdout)
    differ = rows_that_differ(options.customers)
    print(f"{len(RULES)} rules on {options.customers:,} customers, best of {options.repeats}")
    print(f"{'':28}{'seconds':>10}{'peak MiB':>10}{'x by hand':>11}{'limit':>7}{'rows that differ':>18}{'limit':>7}")
    failed = False
    for name, result in results.items():
        ratio = result["seconds"] / results[BY_HAND[CONTENDERS[name][0]]]["seconds"]
        is_ours = name.startswith("our")
        failed |= differ[name] > 0 or (is_ours and ratio > LIMIT)
        limit = f"{LIMIT:.1f}" if is_ours else ""
        print(f"{name:28}{result['seconds']:10.3f}{result['mib']:10.0f}{ratio:11.2f}{limit:>7}{differ[name]:18,}{0:7}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
