"""Time, peak memory and correctness of `resolve_identities` and `merge_sources` at full size.

    python benchmarks/bench_sources.py [--records 1000000] [--customers 300000] [--only identities|merge]

Identities: records of three systems with three keys (e-mail, telephone, loyalty card) that are missing, written in
different ways, and now and then a shared address. Customers are known, so pairs that were linked can be checked: the
share of true pairs found among those that share any key is 1 by definition of the linkage, and no pair of different
customers may be linked. Merging: three sources of 300,000 rows with ten columns, of which some disagree; the winner
of every customer is compared with a plain pandas `combine_first`.

Each part runs in a process of its own; its peak is the high-water mark of the resident set (all of it, with the
interpreter and the generated tables). Exits with status 1 where a limit is broken: 60 s and 4 GiB for identities,
60 s and 4 GiB for the merge, or a wrong figure.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

LIMIT_SECONDS, LIMIT_GIB = 60.0, 4.0


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def make_records(n_records: int) -> tuple[dict[str, pd.DataFrame], dict[str, np.ndarray]]:
    """Three systems; two records in three belong to a customer whom another system knows too."""
    rng = np.random.default_rng(0)
    n_people = int(n_records * 0.55)
    sources, truth = {}, {}
    for name, share, missing in [("crm", 0.5, 0.1), ("shop", 0.3, 0.05), ("loyalty", 0.2, 0.3)]:
        n = int(n_records * share)
        person = rng.choice(n_people, n, replace=False)
        person[: n // 50] = person[n // 50 : 2 * (n // 50)]  # 2 % registered again
        text = pd.Series(person).astype(str)
        email = "Customer." + text + "@Example.com" if name == "crm" else " customer." + text + "@example.com"
        email = email.where(rng.random(n) >= missing)
        email[rng.random(n) < 0.002] = "info@example.com"
        digits = text.str.zfill(8)
        phone = ("+49 30 " + digits if name == "crm" else "0049 (0)30/" + digits).where(rng.random(n) >= 0.4)
        phone[rng.random(n) < 0.001] = "000-000"
        card = pd.Series(person.astype(float)).where(rng.random(n) < 0.5)
        sources[name] = pd.DataFrame({"id": np.arange(n), "email": email, "phone": phone, "card": card})
        truth[name] = person
    return sources, truth


def bench_identities(n_records: int, answers: Any) -> None:
    from segmentation.sources import resolve_identities

    sources, truth = make_records(n_records)
    before = peak_gib()
    start = time.perf_counter()
    found = resolve_identities(sources, ["email", "phone", "card"], record_id="id")
    seconds = time.perf_counter() - start
    people = np.concatenate([truth[name] for name in sorted(truth)])
    codes = pd.factorize(found.identities["customer_id"])[0]
    by_customer = pd.Series(people).groupby(codes)
    mixed = int((by_customer.max() != by_customer.min()).sum())
    answers.put(
        {
            "seconds": seconds,
            "gib": peak_gib(),
            "gib before": before,
            "wrong": mixed,
            "result": f"{found.n_records:,} records, {found.n_customers:,} customers "
            f"of {len(np.unique(people)):,} people, {len(found.shared_keys)} shared values, "
            f"{found.ambiguous['customer_id'].nunique():,} ambiguous, {mixed} customers that mix people",
        }
    )


def make_sources(n: int) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    sources = {}
    for name in ["crm", "shop", "survey"]:
        ids = rng.choice(int(n * 1.4), n, replace=False)
        columns = {
            "city": pd.Series(rng.choice(["Ulm", "Bonn", "Kiel"], n)).where(rng.random(n) < 0.9),
            "email": pd.Series("a" + pd.Series(ids).astype(str) + "@x.de").where(rng.random(n) < 0.8),
            "age": pd.Series(ids % 70 + (rng.random(n) < 0.05)).astype("Int64").where(rng.random(n) < 0.7),
            "income": pd.Series(np.round(ids % 1000 * 10.0, 2)).where(rng.random(n) < 0.5),
            "tier": pd.Series(pd.Categorical.from_codes(ids % 3, ["a", "b", "c"])),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(ids % 900, unit="D"),
            "active": pd.Series(ids % 2 == 0),
        }
        changed = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), unit="D")
        sources[name] = pd.DataFrame({"id": ids, **columns, f"only_{name}": rng.normal(size=n), "changed": changed})
    return sources


def bench_merge(n: int, answers: Any) -> None:
    from segmentation.sources import merge_sources

    sources = make_sources(n)
    before = peak_gib()
    start = time.perf_counter()
    merged = merge_sources(sources, identity="id", precedence={"city": "most_recent"}, updated="changed")
    seconds = time.perf_counter() - start
    peak = peak_gib()
    by_id = [table.set_index("id") for table in sources.values()]
    start = time.perf_counter()
    plain = by_id[0].combine_first(by_id[1]).combine_first(by_id[2])
    plain_seconds = time.perf_counter() - start
    wrong = sum(
        int((merged.customers[name].astype(object).fillna("?") != plain[name].astype(object).fillna("?")).sum())
        for name in ["email", "age", "income", "tier", "since", "active"]
    )
    answers.put(
        {
            "seconds": seconds,
            "gib": peak,
            "gib before": before,
            "wrong": wrong,
            "result": f"{len(merged.customers):,} customers x {merged.customers.shape[1]} columns, "
            f"{len(merged.conflicts):,} conflicts, {wrong} values other than combine_first "
            f""
            f"(which took {plain_seconds:.1f} s: ours {seconds / plain_seconds:.1f} times as long, with the account)",
        }
    )


def run(part: Any, size: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=part, args=(size, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=300_000)
    parser.add_argument("--only", choices=["identities", "merge"])
    given = parser.parse_args()
    parts = {"identities": (bench_identities, given.records), "merge": (bench_merge, given.customers)}
    failed = False
    for name, (part, size) in parts.items():
        if given.only not in (None, name):
            continue
        answer = run(part, size)
        bad = answer["seconds"] > LIMIT_SECONDS or answer["gib"] > LIMIT_GIB or answer["wrong"] > 0
        failed |= bad
        print(
            f"{name}: {answer['seconds']:.1f} s (limit {LIMIT_SECONDS:.0f}), peak {answer['gib']:.2f} GiB "
            f"(limit {LIMIT_GIB:.0f}; {answer['gib before']:.2f} before the call){' FAILED' if bad else ''}"
        )
        print(f"  {answer['result']}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
