"""What a ledger loses or doubles when its writers are killed, how fast it adds up, and whether its intervals cover.

    python benchmarks/bench_ledger.py [--quick] [--only kills|sums|coverage] [--place PLACE] [--writes N] [--kills N]

`kills`: two processes write 10,000 entries each; each is killed (SIGKILL, at a random moment while it writes) and
started again 50 times, going on after the last entry that was acknowledged to it, so that an entry written but not
acknowledged is added again with its key. `--place` is the ledger, a new file by default, or a SQLAlchemy URL. `sums`:
`returns` of 1,000,000 entries, beside the bare query without corrections. `coverage`: how often 90 % intervals hold the
true return. Exits with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from segmentation.monitoring import ReturnLedger

SECONDS = 2.0
missed: list[str] = []


def line(what: str, figure: str, limit: str, passed: bool) -> None:
    print(f"{what:<78} {figure:>16}  limit {limit:<18} {'PASS' if passed else 'MISS'}", flush=True)
    if not passed:
        missed.append(what)


# ------------------------------------------------------------------ kills
def write(place: str, name: str, writes: int, log: Path, life: int, seed: int) -> None:
    """Write from the last acknowledged entry on; after `life` of them a thread kills this process, 0 is never."""
    done = acknowledged(log)
    start, rng = (done[-1] + 1 if done else 0), np.random.default_rng(seed)
    # An acknowledgement is one call of the system: it is in the file wholly or not at all, whoever dies afterwards.
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    enough = threading.Event()

    def kill() -> None:
        enough.wait()
        time.sleep(float(rng.uniform(0, 0.01)))
        os.kill(os.getpid(), signal.SIGKILL)

    if life:
        threading.Thread(target=kill, daemon=True).start()
    ledger = ReturnLedger(place, timeout=120)
    for i in range(start, writes):
        ledger.add(segment=name, period=f"{i % 12}", cost=i, key=f"{name} {i}")
        os.write(file, f"{i}\n".encode())
        if i - start >= life:
            enough.set()
    if life:
        enough.set()
        time.sleep(10)


def acknowledged(log: Path) -> list[int]:
    return [int(text) for text in log.read_text().split()] if log.exists() else []


def kills(place: str, writes: int, n_kills: int, folder: Path) -> None:
    """Two writers, each killed and started again; then compare what they were told with what is there."""
    ReturnLedger(place).close()
    names, running, lives, killed = ("a", "b"), {}, dict.fromkeys(("a", "b"), 0), 0
    rng = np.random.default_rng(0)
    start = time.perf_counter()

    def begin(name: str) -> None:
        each = writes // (n_kills + 1)
        life = max(1, int(rng.integers(each // 2, each + 1))) if lives[name] < n_kills else 0
        lives[name] += 1
        seed = int(rng.integers(2**31))
        child = os.fork()
        if not child:
            try:
                write(place, name, writes, folder / f"{name}.log", life, seed)
            finally:
                os._exit(0 if sys.exc_info()[0] is None else 1)
        running[child] = name

    for name in names:
        begin(name)
    failed = 0
    while running:
        child, status = os.wait()
        name = running.pop(child)
        if os.WIFSIGNALED(status):
            killed += os.WTERMSIG(status) == signal.SIGKILL
            begin(name)
        else:
            failed += os.WEXITSTATUS(status) != 0
    seconds = time.perf_counter() - start
    with ReturnLedger(place) as ledger:
        entries, damage = ledger.entries(history=True), ledger.check()
    written = {name: entries.loc[entries["segment"] == name, "cost"].astype(int) for name in names}
    lost = sum(len(set(acknowledged(folder / f"{name}.log")) - set(written[name])) for name in names)
    absent = sum(len(set(range(writes)) - set(written[name])) for name in names)
    doubled = sum(int(written[name].duplicated().sum()) for name in names)
    print(f"2 processes x {writes:,} writes, {killed} kills, {seconds:.0f} s ({2 * writes / seconds:,.0f} per s)")
    line("kills that happened", f"{killed}", f"{2 * n_kills}", killed == 2 * n_kills)
    line("writers that failed otherwise", f"{failed}", "0", failed == 0)
    line("acknowledged entries that are lost", f"{lost}", "0", lost == 0)
    line("entries that are not there at the end", f"{absent}", "0", absent == 0)
    line("entries that are there twice", f"{doubled}", "0", doubled == 0)
    line("damage found by the database", f"{len(damage)}", "0", not damage)


# ------------------------------------------------------------------ sums
def sums(n: int, folder: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "segment": rng.choice([f"segment {i}" for i in range(20)], n),
            "action": rng.choice(["mail", "call", "visit"], n),
            "period": rng.choice([f"2024-{month:02d}" for month in range(1, 13)], n),
            "arm": rng.choice(["treated", "control"], n, p=[0.9, 0.1]),
            "n_customers": 10.0,
            "cost": rng.lognormal(3, 1, n),
            "outcome": rng.lognormal(4, 1, n),
        }
    )
    with ReturnLedger(folder / "sums.db") as ledger:
        start = time.perf_counter()
        ledger.import_table(table)
        print(f"{n:,} entries imported in {time.perf_counter() - start:.1f} s")
        for entry in range(1, 101):
            ledger.correct(entry, note="checked")
        times = {}
        for by in (("segment",), ("segment", "action", "period"), None):
            start, processor = time.perf_counter(), time.process_time()
            result = ledger.returns(by)
            times[str(by)] = time.perf_counter() - start, time.process_time() - processor
        total = float(result.amounts.loc["all entries", "cost"])
    connection = sqlite3.connect(folder / "sums.db")
    start = time.perf_counter()
    connection.execute("SELECT cell, SUM(cost), SUM(outcome) FROM ledger_entries GROUP BY cell").fetchall()
    bare = time.perf_counter() - start
    connection.close()
    print(f"bare query: {bare:.2f} s")
    for by, (seconds, processor) in times.items():
        what = f"returns of {n:,} entries by {by} (processor {processor:.2f} s)"
        line(what, f"{seconds:.2f} s", "2 s", seconds < SECONDS)
    off = abs(total / math.fsum(table["cost"]) - 1)
    line("sum of costs, relative distance from the exact sum", f"{off:.1e}", "1e-12", off < 1e-12)


# ------------------------------------------------------------------ coverage
def coverage(runs: int) -> None:
    """Costs vary from period to period; outcomes are 2.5 times their cost, with an error that grows with it."""
    from segmentation.monitoring._returns_estimates import ratio, trend

    for n in (4, 6, 12, 24):
        rng = np.random.default_rng(n)
        cost = rng.lognormal(7, 0.5, (runs, n))
        outcome = cost * 2.5 * rng.gamma(8, 1 / 8, (runs, n))
        hit = false = 0
        for i in range(runs):
            _, low, high = ratio(cost[i], outcome[i], 0.9)
            hit += low <= 2.5 <= high
            false += trend(np.arange(float(n)), cost[i], outcome[i], 0.9)[3] < 0.1
        band = 2.58 * math.sqrt(0.9 * 0.1 / runs)
        line(
            f"coverage of the 90 % interval of the return, {n} periods", f"{100 * hit / runs:.1f} %",
            f">= {100 * (0.87 - band):.1f} %", hit / runs >= 0.87 - band,
        )  # fmt: skip
        line(
            f"trends found at 10 % where there is none, {n} periods", f"{100 * false / runs:.1f} %",
            f"<= {100 * (0.12 + band):.1f} %", false / runs <= 0.12 + band,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["kills", "sums", "coverage"])
    parser.add_argument("--place")
    parser.add_argument("--writes", type=int)
    parser.add_argument("--kills", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only in (None, "kills"):
            writes = given.writes or (1000 if given.quick else 10_000)
            kills(given.place or str(folder / "kills.db"), writes, given.kills or (10 if given.quick else 50), folder)
        if given.only in (None, "sums"):
            sums(100_000 if given.quick else 1_000_000, folder)
    if given.only in (None, "coverage"):
        coverage(1000 if given.quick else 10_000)
    if missed:
        print(f"missed: {len(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
