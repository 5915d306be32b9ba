"""Time, peak memory and exactness of `order_features` and the activity of `engagement_table`, beside pandas by hand.

    python benchmarks/bench_order_features.py [--rows 1000000] [--repeat 3]

The order lines are generated. Every contender runs in a process of its own, so that its peak memory is its own: the
high-water mark of the resident set above what the loaded lines take (Linux only). Pandas by hand computes the same
columns with the group-bys that one would write in a notebook; it checks no ids, dates and amounts and counts nothing.
Exits with status 1 if a figure differs from pandas by hand by more than the limit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bench_features import forget_peak, give_back_memory, resident

LINES = {
    "customer_id": "customer", "timestamp": "time", "amount": "amount", "order_id": "order", "category": "kind",
    "quantity": "units", "discount": "off",
}  # fmt: skip
EVENTS = {"customer_id": "customer", "timestamp": "time", "event_type": "kind"}
N_CATEGORIES = 5
LIMIT = 1e-9


def generate(rows: int) -> pd.DataFrame:
    """Return order lines: a quarter as many orders, of one customer and time each; 3 % of the lines are refunds."""
    rng = np.random.default_rng(0)
    n_orders = max(rows // 4, 1)
    customer = rng.zipf(1.3, n_orders) % max(rows // 40, 1)
    minutes = rng.integers(0, 2 * 365 * 24 * 60, n_orders)
    when = np.datetime64("2023-01-01", "ns") + minutes.astype("timedelta64[m]")
    order = rng.integers(0, n_orders, rows)
    amount = rng.lognormal(2, 1, rows).round(2)
    return pd.DataFrame(
        {
            "customer": customer[order],
            "time": when[order],
            "order": order,
            "kind": np.array([f"kind {i:02}" for i in range(20)])[rng.zipf(1.5, rows) % 20],
            "units": rng.integers(1, 6, rows),
            "amount": np.where(rng.random(rows) < 0.03, -amount, amount),
            "off": (rng.random(rows) < 0.3) * rng.lognormal(0, 1, rows).round(2),
        }
    )


def lines_ours(lines: Any) -> Any:
    from segmentation.features import order_features

    with warnings.catch_warnings():  # some customers have nothing but refunds
        warnings.simplefilter("ignore")
        return order_features(lines, **LINES, categories=N_CATEGORIES)


def lines_by_hand(lines: pd.DataFrame) -> pd.DataFrame:
    lines = lines.assign(day=lines["time"].dt.normalize())
    end = lines["day"].max()
    buys = lines[lines["amount"] >= 0]
    by = buys.groupby("customer")
    sums = by[["units", "amount", "off"]].sum()
    n_orders, n_lines = by["order"].nunique(), by.size()
    days = buys.groupby(["customer", "day"])["amount"].sum().reset_index()
    first = days.groupby("customer")["day"].transform("min")
    gap = days.groupby("customer")["day"].diff().dt.days
    by_day = days.assign(gap=gap, log=np.log(gap), weekend=days["day"].dt.dayofweek >= 5).groupby("customer")
    n_days, span = by_day.size(), (by_day["day"].max() - by_day["day"].min()).dt.days
    tenure = (end - by_day["day"].min()).dt.days
    middle = 2 * (days["day"] - first).dt.days - ((end - first).dt.days + 1)
    drift = np.sign(middle).where(days["day"] > first, 0)
    drifts = days.assign(drift=drift, money=drift * days["amount"]).groupby("customer")[["drift", "money"]].sum()
    repeat = days[days["day"] > first].groupby("customer")["amount"].sum().reindex(n_days.index, fill_value=0.0)
    mean_gap = by_day["gap"].mean()
    few = n_days < 3
    table = pd.DataFrame(
        {
            "n_orders": n_orders,
            "lines_per_order": n_lines / n_orders,
            "quantity_per_order": sums["units"] / n_orders,
            "value_per_order": sums["amount"] / n_orders,
            "tenure_days": tenure.astype(float),
            "mean_interval_days": (span / (n_days - 1)).where(n_days > 1),
            "interval_cv": (by_day["gap"].std() / mean_gap).mask(few),
            "interval_regularity": (np.exp(by_day["log"].mean()) / mean_gap).mask(few),
            "purchase_trend": drifts["drift"] / (n_days + 1),
            "spend_trend": drifts["money"] / (repeat + 2 * sums["amount"] / n_days),
            "refund_share": -lines[lines["amount"] < 0].groupby("customer")["amount"].sum() / sums["amount"],
            "discount_share": sums["off"] / (sums["off"] + sums["amount"]),
            "discounted_lines_share": buys.assign(has=buys["off"] > 0).groupby("customer")["has"].mean(),
            "weekend_share": by_day["weekend"].mean(),
        }
    ).loc[n_orders.index]
    table["refund_share"] = table["refund_share"].fillna(0.0)
    reach = buys.groupby("kind")["customer"].nunique().sort_index().sort_values(ascending=False, kind="stable")
    named = sorted(reach.index[:N_CATEGORIES])
    kind = buys["kind"].where(buys["kind"].isin(named), "_other")
    money = buys.assign(kind=kind).pivot_table(index="customer", columns="kind", values="amount", aggfunc="sum")
    shares = money.reindex(columns=[*named, "_other"]).fillna(0.0).div(sums["amount"], axis=0)
    shares.columns = [f"category_share{'' if name == '_other' else '='}{name}" for name in shares.columns]
    return table.join(shares).assign(category_share_missing=0.0)


def events_ours(events: Any) -> Any:
    from segmentation.features import engagement_table

    return engagement_table(events, **EVENTS, activity=True)


def events_by_hand(events: pd.DataFrame) -> pd.DataFrame:
    day = events["time"].dt.normalize()
    age = (day.max() - day).dt.days
    decayed = events.assign(weight=0.5 ** (age / 30)).pivot_table(
        index="customer", columns="kind", values="weight", aggfunc="sum", fill_value=0.0
    )
    ordered = events.sort_values(["customer", "time"])
    starts = ~(ordered.groupby("customer")["time"].diff() < pd.Timedelta(minutes=30))
    by = events.assign(day=day, age=age).groupby("customer")
    return decayed.assign(
        days_since_last_event=by["age"].min().astype(float),
        n_events=by.size(),
        n_active_days=by["day"].nunique(),
        n_sessions=starts.groupby(ordered["customer"]).sum(),
        decayed_events=decayed.sum(axis=1),
    )


# Name -> (engine that holds the lines, function); the first of each group is what the others are compared with.
GROUPS: dict[str, dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "order lines": {
        "pandas by hand": ("pandas", lines_by_hand),
        "order_features, pandas": ("pandas", lines_ours),
        "order_features, polars": ("polars", lines_ours),
    },
    "events": {
        "pandas by hand": ("pandas", events_by_hand),
        "engagement_table, pandas": ("pandas", events_ours),
        "engagement_table, polars": ("polars", events_ours),
    },
}


def in_engine(lines: pd.DataFrame, engine: str) -> Any:
    if engine == "pandas":
        return lines
    import polars as pl

    return pl.from_pandas(lines)


def measure(group: str, name: str, path: str, repeat: int, answers: Any) -> None:
    """Run one contender: once to warm up and for its peak, then `repeat` times for the clock."""
    engine, function = GROUPS[group][name]
    lines = in_engine(pd.read_pickle(path), engine)  # noqa: S301 - written by the parent process
    function(lines[:1000])  # imports are not what is measured
    give_back_memory()
    forget_peak()
    before = resident("VmRSS")
    result = function(lines)
    peak = resident("VmHWM") - before
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function(lines)
        seconds.append(time.perf_counter() - start)
    answers.put((min(seconds), peak, result))


def in_own_process(*args: Any) -> tuple[float, float, pd.DataFrame]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(*args, answers))
    process.start()
    answer: tuple[float, float, pd.DataFrame] = answers.get(timeout=600)
    process.join()
    return answer


def difference(ours: pd.DataFrame, by_hand: pd.DataFrame) -> float:
    """Return the largest difference of any figure, infinite where one has a value and the other has none."""
    theirs = by_hand.sort_index()
    if not ours.index.equals(theirs.index) or list(ours.columns) != list(theirs.columns):
        return float("inf")
    a, b = ours.to_numpy(dtype=float), theirs.to_numpy(dtype=float)
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    return float(np.nanmax(np.abs(a - b) / np.maximum(1, np.abs(b))))


def run_groups(path: str, repeat: int) -> float:
    """Run and print all groups, and return the largest difference from pandas by hand."""
    worst = 0.0
    for group, contenders in GROUPS.items():
        print(f"\n{group:26} {'seconds':>9} {'ratio':>7} {'peak MiB':>9} {'ratio':>7}")
        reference: tuple[float, float, pd.DataFrame] | None = None
        for contender in contenders:
            seconds, peak, table = in_own_process(group, contender, path, repeat)
            reference = reference or (seconds, peak, table)
            worst = max(worst, difference(table, reference[2]))
            print(f"{contender:26} {seconds:9.3f} {seconds / reference[0]:7.2f} {peak:9.0f} {peak / reference[1]:7.2f}")
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="order lines to generate")
    parser.add_argument("--repeat", type=int, default=3, help="runs for the clock; the fastest counts")
    options = parser.parse_args()
    lines = generate(options.rows)
    print(f"{len(lines):,} order lines of {lines['customer'].nunique():,} customers")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lines.pickle")
        lines.to_pickle(path)
        worst = run_groups(path, options.repeat)
    print(f"\nlargest relative difference from pandas by hand: {worst:.1e} (limit {LIMIT:.0e})")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
