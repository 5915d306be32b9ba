"""Coverage, false claims, planted themes, time and memory of `segmentation.feedback`; each figure beside its limit.

    python benchmarks/bench_feedback.py [--quick] [--only intervals|claims|themes|speed]

Intervals: exact coverage of the net promoter score and of shares over all outcomes, for 10 to 200 customers and true
shares from all kinds alike to hardly any detractor; with several answers per customer by simulation; false differences.
Claims: how many reports of shuffled segments claim anything. Themes: precision and recall of the themes planted in
`make_market` with 20,000 customers (some 9,000 texts). Speed: 1,000,000 short texts of 20 segments, each with a word of
its own, in a process of its own (peak resident memory, Linux only). Exits with status 1 if a limit is missed.
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
from scipy import stats
from scipy.special import gammaln

missed: list[str] = []


def line(what: str, figure: str, limit: str, passed: bool) -> None:
    print(f"{what:<86} {figure:>16}  limit {limit:<18} {'PASS' if passed else 'MISS'}", flush=True)
    if not passed:
        missed.append(what)


def exact_score(n: int, truths: np.ndarray) -> np.ndarray:
    """Return the chance that the interval of the score holds the truth, for each (up, middle, down)."""
    from segmentation.feedback._intervals import promoter_interval

    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    x, y = x[x + y <= n], y[x + y <= n]
    low, high = promoter_interval(x, y, n, 0.95)
    ways = gammaln(n + 1) - gammaln(x + 1) - gammaln(y + 1) - gammaln(n - x - y + 1)
    result = []
    for up, middle, down in truths:
        chance = np.exp(ways + x * np.log(up) + (n - x - y) * np.log(middle) + y * np.log(down))
        result.append(chance[(low <= up - down + 1e-9) & (up - down - 1e-9 <= high)].sum())
    return np.array(result)


def intervals(quick: bool) -> None:
    from segmentation.feedback._groups import Answers
    from segmentation.feedback._intervals import proportion_interval

    rng = np.random.default_rng(0)
    n_truths = 200 if quick else 1000
    for n in (10, 20, 30, 50, 100, 200):
        for name, parts in (("typical", (4.0, 3.0, 2.0)), ("any", (1.0, 1.0, 1.0)), ("extreme", (1.0, 0.3, 0.1))):
            truths = np.clip(rng.dirichlet(parts, n_truths), 1e-6, 1.0)
            covered = exact_score(n, truths / truths.sum(axis=1, keepdims=True))
            mean = covered.mean()
            worst = np.quantile(covered, 0.05)
            what = f"score of {n} answers, {name} shares: mean coverage (5 % of truths below {worst:.3f})"
            line(what, f"{100 * mean:.2f} %", "95 +- 1.5 %", abs(mean - 0.95) <= 0.015)
    for n in (10, 20, 50, 200):
        truth, k = rng.uniform(size=n_truths), np.arange(n + 1)
        low, high = proportion_interval(k / n, n, 0.95)
        covered = np.array([stats.binom.pmf(k[(low <= p) & (p <= high)], n, p).sum() for p in truth])
        what = f"share of {n} answers: mean coverage (5 % of truths below {np.quantile(covered, 0.05):.3f})"
        line(what, f"{100 * covered.mean():.2f} %", "95 +- 1.5 %", abs(covered.mean() - 0.95) <= 0.015)
    runs = 800 if quick else 6000
    big = repeated(np.random.default_rng(1), 400_000)[1]
    true = {"promoters": (big >= 9).astype(float) - (big <= 6), "share": big >= 9}
    for n in (12, 40, 200):
        inside = {"promoters": 0, "share": 0}
        for _ in range(runs):
            who, values = repeated(rng, n)
            one = np.zeros(who.size, dtype=np.int64)
            for kind, numbers in (
                ("promoters", (values >= 9).astype(float) - (values <= 6)),
                ("share", (values >= 9).astype(float)),
            ):
                group = Answers.of(kind, numbers, who, one).by(one, 1, 0.95)
                inside[kind] += group.low[0] <= true[kind].mean() <= group.high[0]
        margin = 0.015 + 3 * np.sqrt(0.05 * 0.95 / runs) * quick
        for kind, count in inside.items():
            rate = count / runs
            what = f"{kind} of {n} customers with one to four answers each, {runs} samples"
            line(what, f"{100 * rate:.2f} %", f"95 +- {100 * margin:.1f} %", abs(rate - 0.95) <= margin)
    differences(quick)


def repeated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw customers and their answers, alike within customers."""
    who = np.repeat(np.arange(n), rng.integers(1, 5, n))
    return who, np.clip(np.round(7.6 + 1.3 * rng.normal(size=n)[who] + 1.1 * rng.normal(size=who.size)), 0, 10)


def differences(quick: bool) -> None:
    from segmentation.feedback import net_promoter

    rng = np.random.default_rng(2)
    runs = 100 if quick else 500
    wrong = 0
    for _ in range(runs):
        who, values = repeated(rng, 300)
        sizes = np.repeat(np.arange(6), [12, 20, 30, 48, 70, 120])
        segments = pd.Series([f"s{code}" for code in sizes], index=pd.RangeIndex(300, name="customer_id"))
        answers = pd.DataFrame({"customer_id": who, "nps": values.astype(int)})
        wrong += bool(net_promoter(answers, segments).differences["differs"].any())
    most = int(stats.binom.ppf(0.995, runs, 0.05))
    line(
        f"reports with a false difference, 6 segments of 12 to 120 customers, of {runs}",
        str(wrong),
        f"<= {most}",
        wrong <= most,
    )


def claims(quick: bool) -> None:
    from segmentation.datasets import make_market
    from segmentation.feedback import pain_points

    market = make_market(3_000, random_state=0)
    feedback = market.feedback.dropna(subset=["text"])
    rng = np.random.default_rng(0)
    runs = 60 if quick else 500
    names = market.truth["segment"].astype(str).to_numpy()
    wrong = 0
    for _ in range(runs):
        shuffled = pd.Series(rng.permutation(names), index=market.truth.index)
        wrong += len(pain_points(feedback, shuffled, n_permutations=99, random_state=rng, max_quotes=0).table) > 0
    most = int(stats.binom.ppf(0.995, runs, 0.05))
    line(f"reports that claim anything for shuffled segments, of {runs}", str(wrong), f"<= {most}", wrong <= most)


def themes(quick: bool) -> None:
    from segmentation.datasets import make_market
    from segmentation.feedback import pain_points

    figures = []
    for seed in range(2 if quick else 5):
        market = make_market(20_000, random_state=seed)
        result = pain_points(market.feedback, market.truth["segment"], random_state=0, max_quotes=0)
        truth = market.feedback_truth.reindex(market.feedback["feedback_id"])
        what = truth["theme"].where(truth["theme"].notna(), truth["kind"].astype(str)).to_numpy(dtype=object)
        segment = truth["segment"].astype(str).to_numpy()
        rows = market.theme_truth[market.theme_truth["planted"]]
        planted = set(rows[["segment", "theme"]].itertuples(index=False, name=None))
        mentions = result.mentions(market.feedback["text"])
        found, reached = [], {pair: np.zeros(len(what), dtype=bool) for pair in planted}
        for of, theme in result.table[["segment", "theme"]].itertuples(index=False):
            here = mentions[theme].to_numpy() & (segment == of)
            claim = (of, pd.Series(what[here]).mode()[0])
            found.append(claim)
            if claim in reached:
                reached[claim] |= here
        covered = np.mean(
            [(reached[of, t] & (what == t)).sum() / ((what == t) & (segment == of)).sum() for of, t in planted]
        )
        precision = np.mean([claim in planted for claim in found])
        figures.append((precision, len(planted & set(found)) / len(planted), covered, len(found)))
    precision, recall, covered, n = np.mean(figures, axis=0)
    line("planted themes, 20,000 customers: precision of claims", f"{precision:.3f}", ">= 0.9", precision >= 0.9)
    line("planted themes, 20,000 customers: recall of planted themes", f"{recall:.3f}", ">= 0.9", recall >= 0.9)
    print(f"  {n:.0f} themes claimed on average for 10 planted ones, reaching {100 * covered:.0f} % of complaints")


def one_million(n: int, queue: Any) -> None:
    from segmentation.datasets import make_market
    from segmentation.feedback import pain_points

    texts = make_market(40_000, random_state=0).feedback["text"].dropna().to_numpy(dtype=object)
    rng = np.random.default_rng(0)
    n_customers = int(0.7 * n)
    # a word of its own in each text, as typing errors make them: they cost memory
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, n_customers, n),
            "text": [f"{text} x{number:x}" for number, text in enumerate(rng.choice(texts, n))],
        }
    )
    segments = pd.Series(rng.integers(0, 20, n_customers), index=pd.RangeIndex(n_customers, name="customer_id"))
    segments = segments.map(lambda code: f"segment {code}")
    start, cpu = time.perf_counter(), time.process_time()
    result = pain_points(frame, segments, random_state=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    queue.put((time.perf_counter() - start, time.process_time() - cpu, peak, len(result.table)))


def speed(quick: bool) -> None:
    n = 100_000 if quick else 1_000_000
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=one_million, args=(n, queue))
    process.start()
    wall, cpu, peak, _ = queue.get()
    process.join()
    line(f"{n:,} texts of 20 segments: seconds ({cpu:.0f} of the processor)", f"{wall:.0f} s", "300 s", wall <= 300)
    line(f"{n:,} texts of 20 segments: peak resident memory", f"{peak:.2f} GiB", "6 GiB", peak <= 6)


PARTS = {"intervals": intervals, "claims": claims, "themes": themes, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    for name, part in PARTS.items():
        if arguments.only in (None, name):
            part(arguments.quick)
    if missed:
        sys.exit(f"{len(missed)} missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
