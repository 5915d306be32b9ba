"""Time, peak memory and exactness of `rfm_table` and `btyd_table`, beside the bare libraries and lifetimes.

    python benchmarks/bench_features.py [--rows 1000000] [--repeat 5]

Runs on Online Retail II (1.04 million order lines) where the folder of real data named by SEGMENTATION_DATA holds
it, else, or with --rows, on generated orders. Every contender runs in a process of its own, so that its peak
memory is its own: the high-water mark of the resident set above what the loaded orders take (Linux only).
The bare group-bys do less: no check of ids, dates and amounts, no refunds, no counts. Exits with status 1 if a
figure differs from that of lifetimes by more than the limit.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import multiprocessing
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = {"customer_id": "customer", "timestamp": "time", "amount": "amount"}
LIMIT = 1e-9


def load_orders(rows: int | None) -> tuple[pd.DataFrame, str]:
    """Return orders without refunds and missing values, so that lifetimes can read them too, and their name."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = folder / "online_retail_ii" / "online_retail_ii_rebuilt.parquet"
    if rows is None and path.is_file():
        lines = pd.read_parquet(path, columns=["Customer ID", "InvoiceDate", "Quantity", "Price", "sheet"])
        second = lines["sheet"] == "Year 2010-2011"
        lines = lines[second | (lines["InvoiceDate"] < lines.loc[second, "InvoiceDate"].min().normalize())]
        lines = lines[lines["Customer ID"].notna() & (lines["Quantity"] >= 0)]
        amount = lines["Quantity"] * lines["Price"]
        orders = pd.DataFrame(
            {"customer": lines["Customer ID"].astype("int64"), "time": lines["InvoiceDate"], "amount": amount}
        )
        return orders.reset_index(drop=True), "Online Retail II"
    n = rows or 1_000_000
    rng = np.random.default_rng(0)
    minutes = rng.integers(0, 2 * 365 * 24 * 60, n)
    orders = pd.DataFrame(
        {
            "customer": rng.zipf(1.3, n) % max(n // 20, 1),
            "time": np.datetime64("2023-01-01", "ns") + minutes.astype("timedelta64[m]"),
            "amount": rng.lognormal(3, 1, n).round(2),
        }
    )
    return orders, "generated"


def rfm_ours(orders: Any) -> Any:
    from segmentation.features import rfm_table

    return rfm_table(orders, **COLUMNS)


def rfm_pandas(orders: Any) -> Any:
    days = orders.assign(day=orders["time"].dt.normalize())
    table = days.groupby("customer").agg(last=("day", "max"), n=("day", "nunique"), spend=("amount", "sum"))
    return table.assign(last=(days["day"].max() - table["last"]).dt.days)


def rfm_polars(orders: Any) -> Any:
    import polars as pl

    day = pl.col("time").dt.date()
    query = orders.lazy().group_by("customer").agg(day.max().alias("last"), day.n_unique().alias("n"), pl.sum("amount"))
    return query.sort("customer").collect()


def btyd_ours(orders: Any) -> Any:
    from segmentation.features import btyd_table

    return btyd_table(orders, **COLUMNS)


def btyd_weeks(orders: Any) -> Any:
    from segmentation.features import btyd_table

    return btyd_table(orders, **COLUMNS, granularity="W")


def lifetimes_summary(freq: str) -> Callable[[Any], Any]:
    def run(orders: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from lifetimes.utils import summary_data_from_transaction_data

            return summary_data_from_transaction_data(orders, "customer", "time", "amount", freq=freq)

    return run


# Name -> (engine that holds the orders, function); the first of each group is what the others are compared with.
GROUPS: dict[str, dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "RFM": {
        "pandas group-by, bare": ("pandas", rfm_pandas),
        "polars group-by, bare": ("polars", rfm_polars),
        "rfm_table, pandas": ("pandas", rfm_ours),
        "rfm_table, polars": ("polars", rfm_ours),
        "rfm_table, DuckDB": ("duckdb", rfm_ours),
    },
    "BTYD, days": {
        "lifetimes summary": ("pandas", lifetimes_summary("D")),
        "btyd_table, pandas": ("pandas", btyd_ours),
        "btyd_table, polars": ("polars", btyd_ours),
        "btyd_table, DuckDB": ("duckdb", btyd_ours),
    },
    "BTYD, weeks": {
        "lifetimes summary": ("pandas", lifetimes_summary("W")),
        "btyd_table, pandas": ("pandas", btyd_weeks),
        "btyd_table, polars": ("polars", btyd_weeks),
        "btyd_table, DuckDB": ("duckdb", btyd_weeks),
    },
}


def in_engine(orders: pd.DataFrame, engine: str) -> Any:
    if engine == "polars":
        import polars as pl

        return pl.from_pandas(orders)
    if engine == "duckdb":
        import duckdb

        connection = duckdb.connect()
        connection.register("orders_pandas", orders)
        connection.execute("CREATE TABLE orders AS SELECT * FROM orders_pandas")
        return connection.table("orders")
    return orders


def resident(field: str) -> float:
    """Return VmRSS or VmHWM of this process in MiB, NaN where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found.group(1)) / 1024 if found else float("nan")


def forget_peak() -> None:
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def give_back_memory() -> None:
    """Return freed memory to the system, where it would otherwise hide what a contender takes anew."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def measure(group: str, name: str, path: str, repeat: int, answers: Any) -> None:
    """Run one contender: once to warm up and for its peak, then `repeat` times for the clock."""
    engine, function = GROUPS[group][name]
    orders = in_engine(pd.read_pickle(path), engine)  # noqa: S301 - written by the parent process
    function(orders[:10] if engine != "duckdb" else orders.limit(10))  # imports are not what is measured
    give_back_memory()
    forget_peak()
    before = resident("VmRSS")
    result = function(orders)
    peak = resident("VmHWM") - before
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function(orders)
        seconds.append(time.perf_counter() - start)
    answers.put((min(seconds), peak, result if isinstance(result, pd.DataFrame) else None))


def in_own_process(*args: Any) -> tuple[float, float, pd.DataFrame | None]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(*args, answers))
    process.start()
    answer: tuple[float, float, pd.DataFrame | None] = answers.get(timeout=600)
    process.join()
    return answer


def difference(ours: pd.DataFrame, theirs: pd.DataFrame, days: int) -> float:
    """Return the largest absolute difference of any figure; times of lifetimes are in units of `days`."""
    theirs = theirs.sort_index().assign(recency=theirs["recency"] * days, T=theirs["T"] * days)
    if not ours.index.equals(theirs.index):
        return float("inf")
    return float((ours - theirs).abs().to_numpy().max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="generate so many orders, even where the real ones are there")
    parser.add_argument("--repeat", type=int, default=5, help="runs for the clock; the fastest counts")
    options = parser.parse_args()
    orders, name = load_orders(options.rows)
    print(f"{name}: {len(orders):,} order lines, {orders['customer'].nunique():,} customers")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "orders.pickle")
        orders.to_pickle(path)
        worst = run_groups(path, options.repeat)
    return int(worst > LIMIT)


def run_groups(path: str, repeat: int) -> float:
    """Run and print all groups, and return the largest difference from lifetimes."""
    worst = 0.0
    for group, contenders in GROUPS.items():
        print(f"\n{group:24} {'seconds':>9} {'ratio':>7} {'peak MiB':>9} {'ratio':>7}")
        tables = {}
        reference: tuple[float, float] | None = None
        for contender in contenders:
            seconds, peak, tables[contender] = in_own_process(group, contender, path, repeat)
            reference = reference or (seconds, peak)
            print(f"{contender:24} {seconds:9.3f} {seconds / reference[0]:7.2f} {peak:9.0f} {peak / reference[1]:7.2f}")
        if group.startswith("BTYD"):
            theirs = tables.pop("lifetimes summary")
            days = 7 if group.endswith("weeks") else 1
            largest = max(difference(ours, theirs, days) for ours in tables.values())
            worst = max(worst, largest)
            print(f"largest difference from lifetimes: {largest:.1e} (limit {LIMIT:.0e})")
    return worst


if __name__ == "__main__":
    sys.exit(main())
