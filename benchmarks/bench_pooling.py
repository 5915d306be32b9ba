"""Do intervals over segments hold: pooled ones, the winner's, those of peekers, of many; each figure beside its limit.

    python benchmarks/bench_pooling.py [--quick] [--only PART ...]

Parts:
    pooled      2,000 simulated experiments each: pooled 95 % intervals, averaged over segments and effects drawn from
                the model, hold at least 92 % at a between-segment sd of 0, .5, 1, 3, 10 standard errors with 3, 5, 8,
                20 segments; total squared error below raw up to 1 standard error, at most 10 % above from 3 on. Plug-in
                intervals (DerSimonian and Laird; REML) beside. Standard errors equal, and from 1/3 to 3
    outlier     one segment differs by 2 to 8 standard errors from others that are alike: its coverage, printed
    prior       smallest coverage and largest squared error of other priors' scales, printed
    winner      100,000 experiments each: median bias of the best segment's estimate at most .05 standard errors,
                coverage 95 +- 1.5 %, naive bias printed; independent, unequal, correlated estimates; by split;
                how often a close runner-up squeezes the interval together and whether it holds then, printed
    many        2,000 experiments of segments x outcomes x arms without any effect: any claim in at most 6.2 %; with
                half of the effects real: false share of the claims of Benjamini and Hochberg at most 5 % + error, false
                coverage of their intervals likewise, simultaneous intervals hold together in 95 %
    anytime     2,000 experiments without an effect peeked at 20 times: at most 6.2 % ever shown; the usual interval
                beside; coverage at all looks where there is an effect; heavy-tailed spend, rates, unequal arms
    decision    effects drawn from the model: pooled decisions earn more than raw ones and than treating all, over all
                worlds together, and promise less beyond what they earn; how many of the "sure" ones lose, printed

Needs no data. Exits with status 1 beyond a limit. --quick: a tenth of the runs, limits widened by 2.6 Monte Carlo
standard errors.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from segmentation.experiments import (
    best_segment,
    best_segment_by_split,
    confidence_sequence,
    correct_comparisons,
    decide_segments,
    pool_effects,
)
from segmentation.experiments._pooling import plug_in, posterior_of
from segmentation.experiments._winner import corrected, simultaneous_reach, truncation

SEGMENTS, SPREADS = (3, 5, 8, 20), (0.0, 0.5, 1.0, 3.0, 10.0)
missed: list[str] = []


def line(what: str, figure: str, limit: str = "", passed: bool | None = None) -> None:
    verdict = "" if passed is None else "PASS" if passed else "MISS"
    print(f"{what:<72} {figure:>34}   {limit:<24} {verdict}".rstrip(), flush=True)
    if passed is False:
        missed.append(what)


def widths(k: int, kind: str) -> np.ndarray:
    """Standard errors with a geometric mean of 1."""
    return np.ones(k) if kind == "equal" else np.exp(np.linspace(-np.log(3), np.log(3), k))


def room(values: np.ndarray, quick: bool) -> float:
    """Monte Carlo room of a mean over experiments in quick runs."""
    return 2.6 * float(np.std(values)) / np.sqrt(len(values)) if quick else 0.0


def pooled(quick: bool, runs: int) -> None:
    for kind in ("equal", "unequal"):
        for k in SEGMENTS:
            for spread in SPREADS:
                rng = np.random.default_rng([1, k, int(10 * spread), kind == "equal"])
                se = widths(k, kind)
                inside, dl, reml = (np.zeros(runs) for _ in range(3))
                ours, raw, worst = np.zeros(runs), np.zeros(runs), np.zeros((runs, k))
                for run in range(runs):
                    true = rng.normal(0.3, spread, k)
                    estimate = true + se * rng.standard_normal(k)
                    found = pool_effects(estimate, se).table
                    held = (found["pooled_low"] <= true) & (true <= found["pooled_high"])
                    inside[run], worst[run] = held.mean(), held
                    for which, method in ((dl, "dl"), (reml, "reml")):
                        _, low, high, _ = plug_in(estimate, se, 0.95, method=method)
                        which[run] = np.mean((low <= true) & (true <= high))
                    ours[run] = np.sum((found["pooled"] - true) ** 2)
                    raw[run] = np.sum((estimate - true) ** 2)
                label = f"{k} segments, sd {spread:g} se, {kind} se"
                line(
                    f"pooled coverage: {label}", f"{inside.mean():.2%} (lowest segment {worst.mean(axis=0).min():.1%})",
                    ">= 92 %", bool(inside.mean() + room(inside, quick) >= 0.92),
                )  # fmt: skip
                line("    plug-in: DerSimonian-Laird; REML", f"{dl.mean():.2%}; {reml.mean():.2%}")
                ratio = ours.sum() / raw.sum()
                slack = room(ours - ratio * raw, quick) / float(raw.mean())
                if spread <= 1:
                    line(f"    squared error to raw: {label}", f"{ratio:.3f}", "< 1", bool(ratio - slack < 1))
                elif spread >= 3:
                    line(f"    squared error to raw: {label}", f"{ratio:.3f}", "<= 1.10", bool(ratio - slack <= 1.1))


def outlier(quick: bool, runs: int) -> None:
    for k in SEGMENTS:
        for size in (2, 3, 5, 8):
            rng = np.random.default_rng([2, k, size])
            true = np.zeros(k)
            true[0] = size
            held, plug, moved, named = np.zeros(runs), np.zeros(runs), np.zeros(runs), np.zeros(runs)
            others = np.zeros(runs)
            for run in range(runs):
                estimate = true + rng.standard_normal(k)
                found = pool_effects(estimate, np.ones(k))
                row = found.table.iloc[0]
                inside = (found.table["pooled_low"] <= true) & (true <= found.table["pooled_high"])
                held[run], others[run] = inside.iloc[0], inside.iloc[1:].mean()
                _, low, high, _ = plug_in(estimate, np.ones(k), 0.95, method="reml")
                plug[run] = low[0] <= true[0] <= high[0]
                moved[run] = row["estimate"] - row["pooled"]
                named[run] = any("segment 0 stands alone" in text for text in found.warnings)
            line(
                f"lone outlier of {size} se among {k}: its coverage (plug-in REML)",
                f"{held.mean():.1%} ({plug.mean():.1%})",
            )
            line(
                "    moved towards the others by (se); named; coverage of the others",
                f"{moved.mean():.2f}; {named.mean():.0%}; {others.mean():.1%}",
            )


def prior(quick: bool, runs: int) -> None:
    from segmentation.experiments._normal_mixture import NormalMixture

    def share(mixture: NormalMixture, true: np.ndarray) -> np.ndarray:
        at = mixture.cdf(true)
        return (at > 0.025) & (at < 0.975)

    for scale in (1.0, 2.0, 5.0, 10.0, 30.0, 1e6):
        least, most, where = 1.0, 0.0, ("", "")
        for kind in ("equal", "unequal"):
            for k in (3, 5, 20):
                for spread in SPREADS:
                    rng = np.random.default_rng([3, k, int(10 * spread), kind == "equal"])
                    se = widths(k, kind)
                    held, ours, raw = [], 0.0, 0.0
                    for _ in range(runs // 4):
                        true = rng.normal(0, spread, k)
                        estimate = true + se * rng.standard_normal(k)
                        effects = posterior_of(estimate, se, scale).effects()
                        held.append(share(effects, true).mean())
                        ours += float(np.sum((effects.expectation() - true) ** 2))
                        raw += float(np.sum((estimate - true) ** 2))
                    label = f"{k} segments, sd {spread:g}, {kind}"
                    if np.mean(held) < least:
                        least, where = float(np.mean(held)), (label, where[1])
                    if spread >= 3 and ours / raw > most:
                        most, where = ours / raw, (where[0], label)
        name = "flat" if scale > 1e5 else f"half-Cauchy, scale {scale:g} se"
        line(f"{name}: least coverage ({where[0]})", f"{least:.1%}")
        line(f"    largest squared error to raw from 3 se on ({where[1]})", f"{most:.2f}")


def winner(quick: bool, runs: int) -> None:
    n = runs * 50
    worlds: list[tuple[str, np.ndarray, np.ndarray]] = []
    for k in SEGMENTS:
        worlds += [
            (f"{k} alike", np.zeros(k), np.eye(k)),
            (f"{k} from -1 to 1 se", np.linspace(-1, 1, k), np.eye(k)),
            (f"{k}, one 3 se ahead", np.r_[3.0, np.zeros(k - 1)], np.eye(k)),
            (f"{k} alike, se from 1/3 to 3", np.zeros(k), np.diag(widths(k, "unequal") ** 2)),
            (f"{k} alike, correlation .7", np.zeros(k), 0.3 * np.eye(k) + 0.7),
        ]
    rough = 0.3 - 0.15 * np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    worlds.append(("5 alike, unequal and correlated", np.zeros(5), rough + np.diag([1.0, 2.0, 4.0, 1.0, 0.5])))
    for name, true, covariance in worlds:
        rng = np.random.default_rng([4, len(true), len(name)])
        k = len(true)
        estimates = rng.multivariate_normal(true, covariance, n, method="cholesky")
        best = estimates.argmax(axis=1)
        se = np.sqrt(np.diag(covariance))[best]
        cut = np.array([truncation(each, covariance, int(i)) for each, i in zip(estimates, best, strict=True)])
        x, low, high = estimates[np.arange(n), best] / se, cut[:, 0] / se, cut[:, 1] / se
        truth = true[best] / se
        line(
            f"winner naive, {name}: median bias (se); coverage",
            f"{np.median(x - truth):+.3f}; {np.mean(np.abs(x - truth) <= 1.959964):.2%}",
        )
        for method in ("hybrid", "conditional"):
            middle, bottom, top = corrected(x, low, high, k, 0.95, method)
            bias = float(np.median(middle - truth))
            held = float(np.mean((bottom <= truth) & (truth <= top)))
            error = 2.6 * 0.5 / np.sqrt(n) * float(np.subtract(*np.percentile(middle - truth, [60, 40]))) / 0.2
            slack = 2.6 * np.sqrt(0.95 * 0.05 / n)
            line(f"    {method}: median bias (se)", f"{bias:+.3f} (+- {error:.3f})", "<= .05",
                 abs(bias) <= 0.05 + (error if quick else 0))  # fmt: skip
            line(f"    {method}: coverage; median width (se)", f"{held:.2%}; {np.median(top - bottom):.2f}",
                 "95 +- 1.5 %", abs(held - 0.95) <= 0.015 + (slack if quick else 0))  # fmt: skip
            close = top - bottom < 1.959964
            if method == "hybrid" and close.any():  # the runner-up is so close that the warnings speak of it
                inside = ((bottom <= truth) & (truth <= top))[close].mean()
                wide = (np.abs(x - truth) <= simultaneous_reach(k, 0.95))[close].mean()
                line("    squeezed together: share; it holds; simultaneous one",
                     f"{close.mean():.1%}; {inside:.1%}; {wide:.1%}")  # fmt: skip
    same = 0.0
    rng = np.random.default_rng(5)
    for _ in range(20):
        estimate = rng.standard_normal(6)
        found = best_segment(estimate, np.ones(6)).table.loc["hybrid"].to_numpy(dtype=float)
        order = np.sort(estimate)
        by = corrected(order[-1:], order[-2:-1], np.array([np.inf]), 6, 0.95, "hybrid")
        same = max(same, float(np.max(np.abs(found - np.array(by).ravel()))))
    line("best_segment equals what was simulated", f"{same:.1e}", "<= 1e-9", same <= 1e-9)
    split(quick, max(runs // 4, 50))


def split(quick: bool, runs: int) -> None:
    bias, held = np.zeros(runs), np.zeros(runs)
    for run in range(runs):
        rng = np.random.default_rng([6, run])
        n = 4000
        rows = pd.DataFrame({"segment": rng.integers(0, 5, n), "arm": rng.choice(["mail", "none"], n)})
        rows["spend"] = rng.gamma(1, 10, n)
        found = best_segment_by_split(rows, segment="segment", arm="arm", outcome="spend", control="none",
                                      random_state=run)  # fmt: skip
        bias[run] = found.estimate / found.table.loc[found.segment, "se"]
        held[run] = found.low <= 0 <= found.high
    error = 2.6 * 1.2533 / np.sqrt(runs)
    line("by split, 5 alike: median bias (se)", f"{np.median(bias):+.3f} (+- {error:.3f})", "<= .05 + its error",
         abs(float(np.median(bias))) <= 0.05 + error)  # fmt: skip
    line("    coverage", f"{held.mean():.2%}", "95 +- 1.5 % + its error",
         abs(held.mean() - 0.95) <= 0.015 + 2.6 * np.sqrt(0.05 * 0.95 / runs))  # fmt: skip


def family(segments: int, outcomes: int, arms: int) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([range(outcomes), range(arms), range(segments)],
                                       names=["outcome", "arm", "segment"])  # fmt: skip
    return index.to_frame(index=False)


def noise(rng: np.random.Generator, segments: int, outcomes: int, arms: int) -> np.ndarray:
    """Errors of comparisons: arms share a control (correlation 1/2), outcomes correlate by .5."""
    arm = rng.standard_normal((arms + 1, segments, outcomes))
    arm = np.sqrt(0.5) * arm + np.sqrt(0.5) * rng.standard_normal((arms + 1, segments, 1))
    error = (arm[1:] - arm[:1]) / np.sqrt(2)
    return np.moveaxis(error, 2, 0).reshape(-1)


def many(quick: bool, runs: int) -> None:
    shape = (7, 3, 2)
    keys = family(*shape)
    m = len(keys)
    methods = ("holm", "bonferroni", "sidak", "bh", "by")
    claims = {method: np.zeros(runs) for method in methods}
    plain = np.zeros(runs)
    rng = np.random.default_rng(7)
    for run in range(runs):
        table = keys.assign(lift=noise(rng, *shape), se=1.0)
        for method in methods:
            found = correct_comparisons(table, method=method)
            claims[method][run] = found.settings["n_claimed"] > 0
        plain[run] = np.abs(table["lift"]).max() > 1.959964
    for method in methods:
        line(f"{method}: any claim where nothing is ({m} comparisons)", f"{claims[method].mean():.2%}", "<= 6.2 %",
             bool(claims[method].mean() - room(claims[method], quick) <= 0.062))  # fmt: skip
    line("    uncorrected", f"{plain.mean():.1%}")
    real = np.where(np.arange(m) % 2 == 0, np.linspace(0.5, 5, m), 0.0)
    figures: dict[str, list[np.ndarray]] = {}
    for _ in range(runs):
        table = keys.assign(lift=real + noise(rng, *shape), se=1.0)
        for method in methods:
            t = correct_comparisons(table, method=method).table
            claimed = t["claimed"].to_numpy()
            held = ((t["low"] <= real) & (real <= t["high"])).to_numpy()
            wrong = claimed & (real == 0)
            n = max(claimed.sum(), 1)
            figures.setdefault(method, []).append(
                np.array([wrong.sum() / n, (claimed & ~held).sum() / n, held.all(), wrong.any(), claimed.sum()])
            )
    for method, rows in figures.items():
        all_of = np.array(rows)
        found = all_of.mean(axis=0)
        if method in ("bh", "by"):
            line(f"{method}, half real: false share of the claims ({found[4]:.1f} claims)", f"{found[0]:.2%}",
                 "<= 5 % + error",
                 bool(found[0] <= 0.05 + 2.6 * all_of[:, 0].std() / np.sqrt(runs)))  # fmt: skip
            line("    claims whose interval misses", f"{found[1]:.2%}", "<= 5 % + error",
                 bool(found[1] <= 0.05 + 2.6 * all_of[:, 1].std() / np.sqrt(runs)))  # fmt: skip
        else:
            line(f"{method}, half real: any wrong claim ({found[4]:.1f} claims)", f"{found[3]:.2%}", "<= 6.2 %",
                 bool(found[3] - room(all_of[:, 3], quick) <= 0.062))  # fmt: skip
            line("    all intervals hold together", f"{found[2]:.2%}", ">= 95 % - error",
                 bool(found[2] >= 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / runs)))  # fmt: skip


def looks(values: np.ndarray, treated: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Difference of means and its standard error at each look, from running sums."""
    figures = []
    for arm in (treated, ~treated):
        n = np.cumsum(arm)[at - 1]
        total, squares = np.cumsum(values * arm)[at - 1], np.cumsum(values**2 * arm)[at - 1]
        mean = total / n
        figures.append((mean, (squares - n * mean**2) / (n - 1) / n))
    return figures[0][0] - figures[1][0], np.sqrt(figures[0][1] + figures[1][1])


def anytime(quick: bool, runs: int) -> None:
    worlds: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
        "spend (most spend nothing, lognormal tail)": (
            lambda rng, n: np.where(rng.random(n) < 0.2, rng.lognormal(2, 1, n), 0.0), 0.5),
        "a rate of 10 %": (lambda rng, n: (rng.random(n) < 0.1).astype(float), 0.5),
        "a rate of 30 %, 1 in 5 treated": (lambda rng, n: (rng.random(n) < 0.3).astype(float), 0.2),
        "normal": (lambda rng, n: rng.standard_normal(n), 0.5),
    }  # fmt: skip
    spacings = {
        "20 even looks to 20,000": np.arange(1, 21) * 1000,
        "20 looks, 600 to 60,000": np.unique(np.geomspace(600, 60_000, 20).astype(int)),
    }
    for name, (draw, share) in worlds.items():
        for spacing, at in spacings.items():
            shown, usual, missing, late = (np.zeros(runs) for _ in range(4))
            for run in range(runs):
                rng = np.random.default_rng([8, run, len(name), len(spacing)])
                n = int(at[-1])
                treated = rng.random(n) < share
                values = draw(rng, n)
                estimate, se = looks(values, treated, at)
                table = confidence_sequence(estimate, se, at).table
                shown[run] = ((table["low"] > 0) | (table["high"] < 0)).any()
                usual[run] = ((table["fixed_low"] > 0) | (table["fixed_high"] < 0)).any()
                missing[run] = table["running_low"].iloc[-1] > 0 or table["running_high"].iloc[-1] < 0
                late[run] = table["p_value"].min() <= 0.05
            line(f"{name}, {spacing}: ever shown", f"{shown.mean():.2%}", "<= 6.2 %",
                 bool(shown.mean() - room(shown, quick) <= 0.062))  # fmt: skip
            line("    by p-value; by the usual interval at 20 looks", f"{late.mean():.2%}; {usual.mean():.2%}")
    at = spacings["20 even looks to 20,000"]
    for effect in (0.05, 0.1, 0.2):
        first, never, wide = [], np.zeros(runs), 0.0
        for run in range(runs):
            rng = np.random.default_rng([9, run])
            treated = rng.random(at[-1]) < 0.5
            estimate, se = looks(rng.standard_normal(at[-1]) + effect * treated, treated, at)
            found = confidence_sequence(estimate, se, at)
            t = found.table
            never[run] = ((t["low"] > effect) | (t["high"] < effect)).any()
            first.append(found.first_shown or np.inf)
            wide = float((t["high"] - t["low"]).iloc[-1] / (t["fixed_high"] - t["fixed_low"]).iloc[-1])
        line(f"effect {effect:g} sd: bounds miss it at any of 20 looks", f"{never.mean():.2%}", "<= 6.2 %",
             bool(never.mean() - room(never, quick) <= 0.062))  # fmt: skip
        line("    median n when shown; width to the usual at 20,000", f"{np.median(first):,.0f}; {wide:.2f}")


def decision(quick: bool, runs: int) -> None:
    """Customers cost 0.5 each; true effects scatter around it, or one standard error below or above."""
    sums: dict[str, float] = {}
    for spread, shift in itertools.product((0.0, 0.5, 1.0, 3.0), (-1.0, 0.0, 1.0)):
        earned = {name: np.zeros(runs) for name in ("pooled", "raw", "all", "truth")}
        promised = {"pooled": np.zeros(runs), "raw": np.zeros(runs)}
        called = {"pooled": np.zeros(2), "raw": np.zeros(2)}  # how many, and how many of them lose
        losing = 0
        for run in range(runs):
            rng = np.random.default_rng([10, run, int(10 * spread), int(shift + 1)])
            true = rng.normal(0.5 + shift, spread, 8)
            value, estimate = true - 0.5, true + rng.standard_normal(8)
            found = decide_segments(pool_effects(estimate, np.ones(8)), customers=1.0, cost=0.5)
            treat = {"pooled": (found.table["best_now"] == "treat").to_numpy(), "raw": estimate > 0.5}
            for name, who in {**treat, "all": np.full(8, True), "truth": value > 0}.items():
                earned[name][run] = value[who].sum()
            promised["pooled"][run] = found.total["best_now"]["mean"]
            promised["raw"][run] = (estimate - 0.5)[treat["raw"]].sum()
            losing += int((value < 0).sum())
            for name, sure in (("pooled", (found.table["decision"] == "treat").to_numpy()),
                               ("raw", estimate - 0.5 > 1.2816)):  # fmt: skip
                called[name] += sure.sum(), (sure & (value < 0)).sum()
        line(f"money earned, effects {shift:+g} se from their cost, sd {spread:g} se",
             ", ".join(f"{name} {values.mean():.2f}" for name, values in earned.items()))  # fmt: skip
        gaps = {name: float((promised[name] - earned[name]).mean()) for name in promised}
        line("    promised beyond what is earned: pooled; raw", f"{gaps['pooled']:+.2f}; {gaps['raw']:+.2f}",
             "less than raw", gaps["pooled"] < gaps["raw"])  # fmt: skip
        if losing:
            rate = {name: wrong / losing for name, (_, wrong) in called.items()}
            line("    losing segments called 'treat' (90 % sure): pooled; raw",
                 f"{rate['pooled']:.1%}; {rate['raw']:.1%}")  # fmt: skip
            text = "; ".join(f"{wrong / max(n, 1):.1%} of {n:,.0f}" for n, wrong in called.values())
            line("    of those called 'treat' lose: pooled; raw", text)
        for name, values in earned.items():
            sums[name] = sums.get(name, 0.0) + float(values.mean())
    line("money earned over all of these worlds", ", ".join(f"{name} {value:.1f}" for name, value in sums.items()),
         "pooled above raw and all", sums["pooled"] > max(sums["raw"], sums["all"]))  # fmt: skip


PARTS: dict[str, Callable[[bool, int], None]] = {
    "pooled": pooled, "outlier": outlier, "prior": prior, "winner": winner, "many": many, "anytime": anytime,
    "decision": decision,
}  # fmt: skip


def chosen(only: list[str] | None) -> Iterator[str]:
    for name in PARTS:
        if only is None or name in only:
            yield name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    options = parser.parse_args()
    runs = 200 if options.quick else 2000
    for name in chosen(options.only):
        print(f"-- {name}: {runs:,} experiments each")
        PARTS[name](options.quick, runs)
    print("all limits kept" if not missed else f"MISSED: {len(missed)}: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
