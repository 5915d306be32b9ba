"""Descriptions of segments: what shuffled segments show, how often intervals hold, how long 100,000 customers take.

    python benchmarks/bench_describe.py            # about half an hour on one core
    python benchmarks/bench_describe.py --quick    # under five minutes

Each figure stands beside its limit, with PASS or MISS; the command ends with an error where one is missed.
"""

import argparse
import sys
import time
import tracemalloc

import numpy as np
import pandas as pd
from scipy import stats

from segmentation.evaluation import describe_segments
from segmentation.evaluation._descriptors_levels import newcombe, table_test
from segmentation.evaluation._descriptors_numeric import explained, shuffle_means

MISSED = []
# Shuffles behind each interval of the coverage runs: 499 cost half of the usual 999, and tell the same.
SHUFFLES = 499


def show(what, value, limit, kept):
    print(f"{what:<72} {value:>16}   limit {limit:<20} {'PASS' if kept else 'MISS'}", flush=True)
    if not kept:
        MISSED.append(what)


def at_most(n, rate=0.05):
    """Upper end of the 99 % binomial band."""
    return int(stats.binom.ppf(0.995, n, rate))


def sizes(n):
    """Five segments of 40 % to 4 %, some customers in none."""
    return np.repeat(["a", "b", "c", "d", "e", "unassigned"], np.array([40, 30, 15, 6, 4, 5]) * n // 100)


def descriptors(kind, n, rng):
    if kind == "normal":
        columns = {f"x{i}": rng.normal(size=n) for i in range(6)}
        columns["age"] = rng.integers(18, 80, n).astype(float)
    elif kind == "heavy-tailed":
        columns = {f"x{i}": rng.lognormal(0, 1.5, n) for i in range(3)}
        columns |= {f"zero{i}": rng.lognormal(0, 1.5, n) * (rng.random(n) < 0.1) for i in range(3)}
        columns["t2"] = rng.standard_t(2, n)
    else:
        share = 1 / np.arange(1, 16) ** 1.5
        columns = {f"c{i}": rng.choice([f"level {j}" for j in range(15)], n, p=share / share.sum()) for i in range(5)}
        columns |= {f"yes{i}": rng.random(n) < 0.02 for i in range(3)}
    table = pd.DataFrame(columns)
    table.iloc[rng.choice(n, n // 20, replace=False), 0] = np.nan  # some do not answer
    return table


def features(n, rng):
    base = rng.normal(size=(n, 3))
    columns = {f"item{i}": (base[:, i % 3] + rng.normal(size=n) > cut) for i, cut in enumerate((0, 1, 1.5, 2, 2.5, 3))}
    columns |= {f"money{i}": rng.lognormal(3, 1.5, n) * (rng.random(n) < 0.4) for i in range(3)}
    columns |= {f"score{i}": base[:, i] for i in range(2)}
    return pd.DataFrame(columns)


def shuffled(n_shuffles, rng):
    limit = at_most(n_shuffles)
    for kind in ("normal", "heavy-tailed", "sparse categories"):
        for n in (200, 1000):
            labels, wrong = sizes(n), 0
            table = descriptors(kind, len(labels), rng)
            only = pd.DataFrame({"f": rng.normal(size=len(labels))})
            for _ in range(n_shuffles):
                found = describe_segments(
                    pd.Series(rng.permutation(labels)), only, descriptors=table, n_permutations=499, random_state=rng
                )
                wrong += bool(found.descriptors["differs"].any() or found.contrasts["differs"].any())
            show(
                f"descriptors differ, shuffled: {kind}, n = {n}",
                f"{wrong} of {n_shuffles}",
                f"<= {limit}",
                wrong <= limit,
            )
    for n in (200, 1000, 5000):
        labels, rule, marker = sizes(n), 0, 0
        for _ in range(n_shuffles):
            found = describe_segments(pd.Series(rng.permutation(labels)), features(len(labels), rng), n_medoids=0)
            rule += bool(found.table["rule"].any())
            marker += bool(found.table["marker"].any())
        show(f"any marker, shuffled, n = {n}", f"{marker} of {n_shuffles}", f"<= {limit}", marker <= limit)
        print(f"    (the rule of thumb alone flags a variable in {rule} of {n_shuffles})")


def coverage(n_tries, rng):
    half = 0.02 + 2.6 * np.sqrt(0.09 / n_tries) if n_tries < 2000 else 0.02
    low, high = 0.9 - half, 0.9 + half
    band = f"{100 * low:.1f} to {100 * high:.1f} %"

    def report(what, hits, tried=n_tries, held=True):
        rate = hits / tried
        if held:
            show(f"90 % interval: {what}", f"{100 * rate:.1f} %", band, low <= rate <= high)
        else:
            print(f"    90 % interval: {what}: {100 * rate:.1f} %, not held to a limit")

    def lognormal(k, scale=1.0, sigma=1.0):
        return scale * rng.lognormal(0, sigma, k)

    def zeros(k, share, draw=lognormal):
        return draw(k) * (rng.random(k) < share)

    def gamma(k):
        return rng.gamma(1, 50, k)

    mean = np.exp(0.5)
    normal, wide = (lambda k: rng.normal(size=k)), (lambda k: rng.normal(0, 2, k))
    heavy, some = (lambda k: lognormal(k, sigma=1.5)), (lambda k: zeros(k, 0.3, gamma))
    few, many = (lambda k: zeros(k, 0.1)), (lambda k: zeros(k, 0.3))
    # the segment, the rest, their sizes, the true difference, and whether the values are alike but for a shift
    for what, own, rest, m, n, truth, held in (
        ("normal, 30 against 270", normal, normal, 30, 270, 0.0, True),
        ("lognormal (1), 30 against 270", lognormal, lognormal, 30, 270, 0.0, True),
        ("lognormal (1), 100 against 900", lognormal, lognormal, 100, 900, 0.0, True),
        ("lognormal (1), shifted by 2, 100 against 900", lambda k: 2 + lognormal(k), lognormal, 100, 900, 2.0, True),
        ("lognormal (1), 300 against 300", lognormal, lognormal, 300, 300, 0.0, True),
        ("lognormal (1.5), 100 against 900", heavy, heavy, 100, 900, 0.0, True),
        ("lognormal (1.5), 900 against 100", heavy, heavy, 900, 100, 0.0, True),
        ("70 % zeros, 400 against 2000", some, some, 400, 2000, 0.0, True),
        ("lognormal (1) x 3, 100 against 900", lambda k: lognormal(k, 3), lognormal, 100, 900, 2 * mean, False),
        (
            "lognormal (1) / 3, 100 against 900",
            lambda k: lognormal(k, 1 / 3),
            lognormal,
            100,
            900,
            -2 / 3 * mean,
            False,
        ),
        ("30 % buy against 10 %, 100 against 900", many, few, 100, 900, 0.2 * mean, False),
        ("10 % buy against 30 %, 400 against 2000", few, many, 400, 2000, -0.2 * mean, False),
        ("normal (sd 2) against lognormal (1), 100 and 900", wide, lognormal, 100, 900, -mean, False),
        ("lognormal (1) against normal (sd 2), 100 and 900", lognormal, wide, 100, 900, mean, False),
    ):
        group, hits, tried = np.repeat([0, 1], [m, n]), 0, max(n_tries // 2, 400)
        for _ in range(tried):
            values = np.concatenate([own(m), rest(n)])[:, None]
            found = shuffle_means(values, group, 1, n_permutations=SHUFFLES, rng=rng, level=0.9)
            hits += found.low[0, 0] <= truth <= found.high[0, 0]
        report(f"means, {what}", hits, tried, held)
    for p, q, m, n in ((0.3, 0.2, 60, 300), (0.04, 0.1, 100, 900)):
        hits = 0
        for a, b in zip(rng.binomial(m, p, n_tries), rng.binomial(n, q, n_tries), strict=True):
            ends = newcombe(a, m, b, n, 0.9)
            hits += ends[0] <= p - q <= ends[1]
        report(f"difference of shares, {p} of {m} against {q} of {n}", hits)
    for shift, noise in ((0.5, "normal"), (0.5, "lognormal")):
        means = shift * np.array([0.0, 1.0, 2.0])
        weight = np.array([0.5, 0.3, 0.2])
        variance = 1.0 if noise == "normal" else float((np.e - 1) * np.e)
        between = float(weight @ (means - weight @ means) ** 2)
        truth, hits = between / (between + variance), 0
        for _ in range(n_tries):
            group = rng.choice(3, 1000, p=weight)
            error = rng.normal(size=1000) if noise == "normal" else rng.lognormal(size=1000)
            _, a, b = explained(means[group] + error, group, 3, 0.9)
            hits += a <= truth <= b
        what = f"share of variance explained ({truth:.2f}), {noise}, n = 1000"
        if noise == "normal":
            report(what, hits)
        else:  # no limit is promised: the variance of heavy-tailed values is itself badly known
            print(f"    90 % interval: {what}: {100 * hits / n_tries:.1f} %, not held to a limit")
    joint = np.array([[0.28, 0.12], [0.17, 0.18], [0.05, 0.20]])
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    truth, hits, tried = float(np.sqrt(((joint - expected) ** 2 / expected).sum())), 0, max(n_tries // 4, 200)
    for _ in range(tried):
        table = rng.multinomial(400, joint.ravel()).reshape(3, 2).astype(float)
        *_, a, b = table_test(table, level=0.9, n_permutations=99, rng=rng)
        hits += a <= truth <= b
    report(f"Cramer's V ({truth:.2f}), n = 400", hits, tried)


def power(rng):
    """What a planted difference looks like: no limit, printed for the reader."""
    for shift in (0.3, 0.5):
        found = 0
        for _ in range(50):
            labels = sizes(1000)
            table = descriptors("heavy-tailed", 1000, rng)
            table["planted"] = rng.normal(size=1000) + shift * (labels == "c")
            result = describe_segments(
                pd.Series(labels), pd.DataFrame({"f": rng.normal(size=1000)}), descriptors=table, random_state=rng
            )
            rows = result.contrasts[result.contrasts["differs"]]
            found += ((rows["descriptor"] == "planted") & (rows["segment"] == "c")).any()
        print(f"    a shift of {shift} sd in a segment of 150 of 1,000 is found in {found} of 50 (8 descriptors)")


def speed(n, rng):
    labels = rng.permutation(sizes(n))
    used = pd.concat([features(n, rng).add_prefix(f"{i}_") for i in range(2)], axis=1).iloc[:, :20]
    parts = [descriptors(kind, n, rng).add_prefix(kind[0]) for kind in ("normal", "heavy-tailed", "sparse categories")]
    other = pd.concat(parts, axis=1).iloc[:, :20]
    start = time.process_time()
    describe_segments(pd.Series(labels), used, descriptors=other, random_state=0)
    seconds = time.process_time() - start
    tracemalloc.start()
    describe_segments(pd.Series(labels), used, descriptors=other, n_permutations=99, random_state=0)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    show(f"{n:,} customers x 20 features and 20 descriptors", f"{seconds:.1f} s CPU", "<= 60 s CPU", seconds <= 60)
    show("    peak memory", f"{peak:,.0f} MiB", "<= 1,024 MiB", peak <= 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["shuffled", "coverage", "power", "speed"])
    options = parser.parse_args()
    rng = np.random.default_rng(20261122)
    jobs = {
        "shuffled": lambda: shuffled(60 if options.quick else 500, rng),
        "coverage": lambda: coverage(400 if options.quick else 4000, rng),
        "power": lambda: power(rng),
        "speed": lambda: speed(20_000 if options.quick else 100_000, rng),
    }
    for name, job in jobs.items():
        if options.only in (None, name):
            job()
    if MISSED:
        print(f"missed: {len(MISSED)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
