"""Plans and randomization: power, pooling, uniform arms, honest balance tests and speed, each beside its limit.

    python benchmarks/bench_plan.py [--quick] [--only power|pooling|salts|balance|speed]

Power of plans is compared with statsmodels (skipped by name without it) and with simulated experiments analysed by the
test that was planned; arms over 10,000 salts with coins; the p-value of the balance test over 2,000 randomizations with
the uniform distribution; speed in seconds of one core (processor time). Exits with status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time

import numpy as np
import pandas as pd
from scipy import stats

from segmentation.experiments import check_balance, plan_experiment, randomize, ratio_baseline
from segmentation.experiments._plan_pooling import pooling_table
from segmentation.experiments._plan_power import Comparison
from segmentation.experiments._randomize_draw import block_codes, hash_codes
from segmentation.experiments._randomize_hash import digests, exact_shares

missed: list[str] = []


def line(what: str, figure: str, limit: str, passed: bool) -> None:
    print(f"{what:<84} {figure:>16}  limit {limit:<18} {'PASS' if passed else 'MISS'}", flush=True)
    if not passed:
        missed.append(what)


def band(rate: float, runs: int) -> tuple[float, float]:
    """Return the 99 % binomial band of a rate."""
    low, high = stats.binom.ppf([0.005, 0.995], runs, rate) / runs
    return float(low), float(high)


def rate_line(what: str, found: float, planned: float, runs: int, slack: float = 0.0) -> None:
    low, high = band(planned, runs)
    inside = low - slack <= found <= high + slack
    line(what, f"{found:.4f}", f"{low - slack:.4f}..{high + slack:.4f}", inside)


def power(quick: bool) -> None:
    try:
        from statsmodels.stats.power import TTestIndPower
        from statsmodels.stats.proportion import power_proportions_2indep
    except ImportError:
        print("statsmodels is not installed: comparison of power with it skipped")
    else:
        worst_mean = worst_rate = 0.0
        for ratio in (0.1, 0.5, 1, 4):
            for n in (10, 100, 1_000, 30_000, 1_000_000):
                for alpha in (0.05, 0.05 / 60):
                    ours = Comparison(alpha, 0.8, 1, ratio)
                    for effect in (0.005, 0.05, 0.3):
                        theirs = TTestIndPower().power(effect, n, alpha, ratio, alternative="larger")
                        worst_mean = max(worst_mean, abs(ours.reached(0, effect, 1.0, n) - theirs))
                    for rate, lift in ((0.01, 0.002), (0.1, 0.03), (0.5, 0.05)):
                        theirs = power_proportions_2indep(
                            lift, rate, n * ratio, 1 / ratio, alpha, alternative="larger", return_results=False
                        )
                        worst_rate = max(worst_rate, abs(ours.reached(rate, lift, None, n) - theirs))
        line(
            "power of means, largest distance to statsmodels (120 cases)",
            f"{worst_mean:.1e}",
            "1e-8",
            worst_mean <= 1e-8,
        )
        line(
            "power of rates, largest distance to statsmodels (120 cases)",
            f"{worst_rate:.1e}",
            "1e-8",
            worst_rate <= 1e-8,
        )
    runs = 4_000 if quick else 40_000
    rng = np.random.default_rng(0)
    cases = [(0.1, 0.02, [0.5, 0.5]), (0.3, -0.05, [0.2, 0.8]), (0.05, 0.02, [0.8, 0.2])]
    for rate, lift, shares in cases:
        arms = {"control": shares[0], "treated": shares[1]}
        plan = plan_experiment({"a": 1}, metric="proportion", baseline=rate, minimum_lift=lift, arms=arms)
        control, treated = plan.arms.loc["a"].astype(int)
        a, b = rng.binomial(control, rate, runs), rng.binomial(treated, rate + lift, runs)
        pooled = (a + b) / (control + treated)
        z = (b / treated - a / control) / np.sqrt(pooled * (1 - pooled) * (1 / control + 1 / treated))
        found = float(np.mean(z * np.sign(lift) > stats.norm.isf(0.025)))
        # the formula is an approximation of the binomial; one point is what it is trusted to here
        rate_line(f"power planned .80, proportions {rate} {lift:+} in arms {shares}, simulated", found, 0.8, runs, 0.01)
    runs //= 4
    plan = plan_experiment({"a": 1}, metric="mean", baseline=10, sd=5, minimum_lift=1.5, covariate_correlation=0.7)
    n = int(plan.arms.loc["a", "control"])
    found_n = 0
    design = np.column_stack([np.ones(2 * n), np.repeat([0.0, 1.0], n)])
    for _ in range(runs):
        before = rng.normal(size=2 * n)
        y = 5 * (0.7 * before + math.sqrt(0.51) * rng.normal(size=2 * n)) + 1.5 * design[:, 1]
        x = np.column_stack([design, before])
        inverse = np.linalg.inv(x.T @ x)
        beta = inverse @ x.T @ y
        rest = y - x @ beta
        found_n += beta[1] > stats.t.isf(0.025, 2 * n - 3) * math.sqrt(rest @ rest / (2 * n - 3) * inverse[1, 1])
    rate_line("power planned .80, means with a covariate (correlation .7), simulated", found_n / runs, 0.8, runs, 0.01)
    table = ratio_baseline(numerator_mean=60, numerator_sd=30, denominator_mean=2, denominator_sd=0.8, correlation=0.5)
    n = int(plan_experiment({"a": 1}, metric="ratio", baseline=table, minimum_lift=1.5).arms.loc["a", "control"])
    covariance = [[900.0, 12.0], [12.0, 0.64]]
    z = []
    for _ in range(runs):
        estimates = []
        for lift in (0.0, 1.5):
            draws = rng.multivariate_normal([2 * (30 + lift), 2], covariance, n)
            mean, cov = draws.mean(axis=0), np.cov(draws.T)
            ratio = mean[0] / mean[1]
            variance = (cov[0, 0] + ratio**2 * cov[1, 1] - 2 * ratio * cov[0, 1]) / mean[1] ** 2 / n
            estimates.append((ratio, variance))
        z.append((estimates[1][0] - estimates[0][0]) / math.sqrt(estimates[0][1] + estimates[1][1]))
    rate_line("power planned .80, ratio of means, simulated", float(np.mean(np.array(z) > 1.96)), 0.8, runs, 0.01)


def pooling(quick: bool) -> None:
    runs = 20_000 if quick else 200_000
    rng = np.random.default_rng(0)
    worst_power = worst_coverage = 0.0
    for k in (3, 5, 8, 20):
        v = rng.lognormal(0, 0.7, k)
        for t in (0.0, 0.5, 1.0, 3.0):
            table = pooling_table(pd.Series(2.0, index=range(k)), pd.Series(v), [t], 0.05, 2)
            effects = 2 + t * rng.normal(size=(runs, k))
            y = effects + np.sqrt(v) * rng.normal(size=(runs, k))
            weight = 1 / (t**2 + v)
            mean = (y * weight).sum(axis=1, keepdims=True) / weight.sum()
            pooled = mean + (y - mean) * t**2 / (t**2 + v)
            half = table["half_width_pooled"].to_numpy()
            claims = (pooled > half).mean(axis=0) - table["power_pooled"].to_numpy()
            worst_power = max(worst_power, float(np.abs(claims).max()))
            covered = (np.abs(pooled - effects) <= half).mean(axis=0) - 0.95
            worst_coverage = max(worst_coverage, float(np.abs(covered).max()))
    limit = 4.5 * 0.5 / math.sqrt(runs)
    line(
        "pooled power by formula, largest distance to simulation (144 segments)",
        f"{worst_power:.4f}",
        f"{limit:.4f}",
        worst_power <= limit,
    )
    line(
        "pooled intervals' coverage with known sd, distance to .95",
        f"{worst_coverage:.4f}",
        f"{limit / 2:.4f}",
        worst_coverage <= limit / 2,
    )


def salts(quick: bool) -> None:
    runs = 2_000 if quick else 10_000
    texts = [str(number) for number in range(100)]
    stratum = np.repeat(np.arange(10), 10)
    names = [f"s{k}" for k in range(10)]
    rng = np.random.default_rng(0)
    covariate = rng.lognormal(0, 1, 100)
    covariate -= covariate.mean()
    shares = list(exact_shares({"control": 0.5, "mail": 0.3, "call": 0.2}).values())
    share = np.array([0.5, 0.3, 0.2])
    for method in ("hash", "blocks"):
        codes = np.empty((runs, 100), dtype=np.int8)
        for k in range(runs):
            digest = digests(texts, f"salt-{k}")
            codes[k] = (
                hash_codes(digest, shares)
                if method == "hash"
                else block_codes(digest, stratum, names, shares, f"salt-{k}")
            )
        counts = np.stack([(codes == arm).sum(axis=0) for arm in range(3)], axis=1)
        p = stats.chi2.sf(((counts - runs * share) ** 2 / (runs * share)).sum(axis=1), 2)
        line(
            f"{method}: everybody's share of each arm over {runs:,} salts, smallest p of 100",
            f"{p.min():.4f}",
            ">= 0.0001",
            p.min() >= 1e-4,
        )
        agree = float((codes[1:] == codes[:-1]).mean())
        expected = float((share**2).sum())
        per_salt = (codes[1:] == codes[:-1]).mean(axis=1)
        z = (agree - expected) / (per_salt.std() / math.sqrt(len(per_salt)))
        line(
            f"{method}: arms of consecutive salts agree as by chance ({expected:.2f}), in standard errors",
            f"{z:+.2f}",
            "within 3.3",
            abs(z) < 3.3,
        )
        table = np.zeros((3, 3))
        np.add.at(table, (codes[:-1].ravel(), codes[1:].ravel()), 1)
        if method == "hash":
            p_pair = float(stats.chi2_contingency(table).pvalue)
            line(
                "hash: arm under one salt and the next are independent, chi-squared p",
                f"{p_pair:.4f}",
                ">= 0.001",
                p_pair >= 1e-3,
            )
        within = covariate if method == "hash" else covariate - covariate.reshape(10, 10).mean(axis=1).repeat(10)
        size = float((within**2).sum()) * (1.0 if method == "hash" else 10 / 9)
        scores = ((codes == 0) - 0.5) @ within / math.sqrt(0.25 * size)
        line(
            f"{method}: a covariate's difference over salts: mean, in standard errors",
            f"{scores.mean() * math.sqrt(runs):+.2f}",
            "within 3.3",
            abs(scores.mean()) * math.sqrt(runs) < 3.3,
        )
        off = scores.var() - 1
        limit = 4 * math.sqrt(stats.kurtosis(scores, fisher=False) - 1) / math.sqrt(runs)
        line(
            f"{method}: and its variance over that of random assignment, minus 1",
            f"{off:+.3f}",
            f"within {limit:.3f}",
            abs(off) < limit,
        )


def balance(quick: bool) -> None:
    runs = 200 if quick else 2_000
    rng = np.random.default_rng(0)
    ids = pd.RangeIndex(600, name="customer_id")
    segments = pd.Series(rng.choice(["a", "b", "c"], 600), index=ids)
    age = pd.Series(rng.normal(40, 12, 600), index=ids)
    covariates = pd.DataFrame(
        {"age": age, "spend": rng.lognormal(0, 1.5, 600), "region": rng.choice(list("ns"), 600)}, index=ids
    )
    for method, repeats in (("hash", 0), ("blocks", 0), ("hash", 199), ("blocks", 199)):
        p = []
        for k in range(runs if not repeats else runs // 4):
            result = randomize(segments, salt=f"s{k}", method=method, arms=["control", "a", "b"])
            p.append(check_balance(result, covariates, n_permutations=repeats, random_state=k).p_value)
        uniform = float(stats.kstest(p, "uniform").pvalue)
        how = f"{repeats} permutations" if repeats else "chi-squared"
        line(
            f"balance test, {method}, {how}: p-values uniform over {len(p):,} salts (Kolmogorov p)",
            f"{uniform:.3f}",
            ">= 0.001",
            uniform >= 1e-3,
        )
        rate_line(f"balance test, {method}, {how}: share below .05", float(np.mean(np.array(p) <= 0.05)), 0.05, len(p))


def speed(quick: bool) -> None:
    n = 200_000 if quick else 1_000_000
    rng = np.random.default_rng(0)
    ids = pd.RangeIndex(n, name="customer_id")
    segments = pd.Series(pd.Categorical.from_codes(rng.integers(0, 20, n), [f"s{k}" for k in range(20)]), index=ids)
    limit = 5.0 * n / 1e6
    for method in ("hash", "blocks"):
        start = time.process_time()
        result = randomize(segments, salt="spring-mail", method=method)
        seconds = time.process_time() - start
        line(
            f"randomize {n:,} customers in 20 segments by {method}, seconds of one core",
            f"{seconds:.2f}",
            f"{limit:.1f}",
            seconds <= limit,
        )
        start = time.process_time()
        result.manifest.replay(segments)
        seconds = time.process_time() - start
        line(f"replay them, {method}, seconds of one core", f"{seconds:.2f}", f"{limit:.1f}", seconds <= limit)
    covariates = pd.DataFrame(rng.normal(size=(n, 20)), index=ids, columns=[f"c{k}" for k in range(20)])
    start = time.process_time()
    result.balance(covariates)
    seconds = time.process_time() - start
    line(
        f"balance of {n:,} customers on 20 covariates in 20 blocks, seconds of one core",
        f"{seconds:.2f}",
        f"{limit:.1f}",
        seconds <= limit,
    )


PARTS = {"power": power, "pooling": pooling, "salts": salts, "balance": balance, "speed": speed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.only in (None, name):
            part(options.quick)
    print(f"missed: {len(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
