"""Do curves that are fitted together find what each effort brings, and do their intervals hold it.

    python benchmarks/bench_joint_curves.py [--runs 200] [--quick] [--only PART ...]

Parts:
    coverage   two to five efforts, independent and correlated, with and without carry-over, errors that last: 90 %
               intervals of the shares of efforts that work, and of the value at a low, a middle and a high effort hold
               the truth in 86 to 97 % (what is expected of an effort before the data makes intervals of weak ones a
               little too careful, hence not 94); those of all efforts together, and of very weak ones (less than two
               standard errors), in at least 86 %. Efforts that do nothing: the interval holds 0 in at least 90 %, and
               they claim less than 2 % on average, with carry-over, which makes them harder to see, less than 5 %
    single     one effort: estimate and interval beside those of `fit_response_curve` on the same data
    methods    posterior draws beside a residual moving-block bootstrap of the joint least squares: which covers
    apart      what efforts claim that are fitted one by one, the others held equal as straight lines, beside the joint
               fit and the truth
    expected   ten weak efforts and 30 controls: how the intervals depend on what is expected of the efforts
    works      why `works` is 0.9: coverage of one effect of known error, by its size, for other chances; printed
    speed      seconds

Exits with status 1 beyond a limit. --quick: 20 runs, limits widened by two Monte Carlo standard errors.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from segmentation.curves import ExponentialCurve, fit_response_curve, fit_response_curves
from segmentation.curves._joint_forms import carried

FULL_RUNS, QUICK_RUNS = 200, 20
LOW, HIGH, NOTHING, CLAIM, CLAIM_CARRIED = 0.86, 0.97, 0.90, 0.02, 0.05
RATE = 0.4
AT = np.array([1.5, 3.0, 6.0])
N_DRAWS = 400


@dataclass(frozen=True)
class World:
    """What each effort brings, as a share of a baseline of 100, and how efforts and errors behave."""

    shares: tuple[float, ...]
    correlation: float = 0.0
    retention: float = 0.0
    noise: float = 5.0
    n_periods: int = 200
    n_controls: int = 0

    def __str__(self) -> str:
        carry = f", retention {self.retention}" if self.retention else ""
        more = f", {self.n_controls} controls" if self.n_controls else ""
        return f"{len(self.shares)} efforts, correlation {self.correlation:g}{carry}{more}, noise {self.noise:g} %"


WORLDS = (
    World((0.2, 0.1)),
    World((0.2, 0.1), 0.8),
    World((0.2, 0.1, 0.0, 0.05, 0.3), 0.5),
    World((0.02, 0.01, 0.005), 0.3),
    World((0.2, 0.1, 0.0), 0.8, 0.5),
    World((0.2, 0.1, 0.0, 0.05, 0.3), 0.5, 0.5, 10.0),
)
WEAK = World((0.03,) * 10, 0.3, 0.0, 5.0, 200, 30)


@dataclass(frozen=True, eq=False)
class Data:
    efforts: pd.DataFrame
    outcome: np.ndarray
    controls: np.ndarray | None
    shares: np.ndarray
    tops: np.ndarray


def lasting(rng: np.random.Generator, n: int, k: int, correlation: float) -> np.ndarray:
    """Return k series of which half lasts from one period to the next, correlated with each other."""
    new = rng.normal(size=(n + 50, k)) @ np.linalg.cholesky((1 - correlation) * np.eye(k) + correlation).T
    series = np.zeros_like(new)
    for t in range(1, n + 50):
        series[t] = 0.5 * series[t - 1] + np.sqrt(0.75) * new[t]
    return series[50:]


def make(world: World, seed: int) -> Data:
    rng = np.random.default_rng([seed, 7])
    n, k = world.n_periods, len(world.shares)
    x = np.exp(0.6 * lasting(rng, n, k, world.correlation) + 1.0)
    tops = 100.0 * np.array(world.shares) / 0.65
    brought = np.column_stack(
        [
            ExponentialCurve(top, RATE).value(carried(column, world.retention))
            for top, column in zip(tops, x.T, strict=True)
        ]
    )
    outcome = 100.0 + brought.sum(axis=1) + world.noise * lasting(rng, n, 1, 0.0)[:, 0]
    controls = None
    if world.n_controls:
        controls = rng.normal(size=(n, world.n_controls))
        outcome = outcome + controls @ rng.normal(0.0, 2.0, world.n_controls)
    efforts = pd.DataFrame(x, columns=[f"effort {j + 1}" for j in range(k)])
    return Data(efforts, outcome, controls, brought.mean(axis=0) / outcome.mean(), tops)


def fitted(data: Data, world: World, seed: int, **settings: Any) -> Any:
    return fit_response_curves(
        data.efforts,
        data.outcome,
        controls=data.controls,
        carry_over="geometric" if world.retention else None,
        randomized=True,
        n_draws=N_DRAWS,
        random_state=seed,
        **settings,
    )


def judge(text: str, figure: float, low: float, high: float, runs: int, quick: bool) -> bool:
    """Print a share beside its limits."""
    slack = 2 * np.sqrt(0.09 / runs) if quick else 0.0
    good = low - slack <= figure <= high + slack
    limit = f"{100 * low:.0f} to {100 * high:.0f} %" if high < 1 else f"at least {100 * low:.0f} %"
    print(f"  {text:<72}{100 * figure:6.1f} %  ({limit})  {'PASS' if good else 'MISS'}", flush=True)
    return good


def hits_of(fit: Any, data: Data) -> dict[str, np.ndarray]:
    """Return what intervals hold, and what efforts that do nothing claim."""
    table = fit.table.drop(index="baseline")
    works = data.shares > 0
    inside = (table["share_low"].to_numpy() <= data.shares) & (data.shares <= table["share_high"].to_numpy())
    low, high = np.quantile(1 - fit.shares["baseline"], [0.05, 0.95])
    values = []
    for curve, top in zip(np.array(list(fit.curves.values()), dtype=object)[works], data.tops[works], strict=True):
        bottom, up = curve.interval(AT)
        truth = ExponentialCurve(top, RATE).value(AT)
        values.append((bottom <= truth) & (truth <= up))
    return {
        "share of an effort that works": inside[works],
        "all efforts together": np.array([low <= data.shares.sum() <= high]),
        "value at efforts 1.5, 3 and 6": np.array(values),
        "nothing": inside[~works],
        "claim": table["share"].to_numpy()[~works],
    }


def coverage(runs: int, quick: bool) -> bool:
    print(f"90 % intervals of curves fitted together, {runs} series of 200 periods each; half of each error lasts")
    good = True
    for world in WORLDS:
        found: dict[str, list[np.ndarray]] = {}
        for run in range(runs):
            data = make(world, run)
            for name, hits in hits_of(fitted(data, world, run), data).items():
                found.setdefault(name, []).append(hits)
        print(f" {world}")
        for name, hits in found.items():
            figure = float(np.mean(hits)) if np.size(hits) else np.nan
            if name == "nothing" and np.size(hits):
                good &= judge("effort that does nothing: the interval holds 0", figure, NOTHING, 1.0, runs, quick)
            elif name == "claim" and np.size(hits):
                limit = CLAIM_CARRIED if world.retention else CLAIM
                passed = figure < limit
                good &= passed
                print(
                    f"  {'effort that does nothing claims on average':<72}{100 * figure:6.1f} %  "
                    f"(less than {100 * limit:.0f} %)  {'PASS' if passed else 'MISS'}"
                )
            elif np.size(hits):
                careful = name == "all efforts together" or max(world.shares) < 0.03
                high = 1.0 if careful else HIGH
                good &= judge(name, figure, LOW, high, runs, quick)
    return good


def single(runs: int, quick: bool) -> bool:
    """One effort: both ways, on the same data."""
    print("one effort, 400 periods, errors that do not last: joint fit beside fit_response_curve")
    gaps, widths, inside = [], [], {"joint": [], "single": []}
    truth = ExponentialCurve(30.0, RATE)
    for run in range(runs):
        rng = np.random.default_rng([run, 11])
        x = np.exp(0.6 * rng.normal(size=400) + 1.0)
        y = 100.0 + truth.value(x) + rng.normal(0.0, 5.0, 400)
        one = fit_response_curve(x, y, randomized=True, n_draws=N_DRAWS, random_state=run).curve
        many = fit_response_curves({"x": x}, y, randomized=True, n_draws=N_DRAWS, random_state=run).curves["x"]
        (a, b), (c, d) = one.interval(AT), many.interval(AT)
        gaps.append((many.value(AT) - one.value(AT)) / (b - a))
        widths.append((d - c) / (b - a))
        for name, low, high in (("single", a, b), ("joint", c, d)):
            inside[name].append((low <= truth.value(AT)) & (truth.value(AT) <= high))
    gap, width = float(np.mean(gaps)), float(np.median(widths))
    good = abs(gap) < 0.15
    typical = float(np.median(np.abs(gaps)))
    print(
        f"  mean distance of the estimates, in widths of the interval{gap:+24.3f}  (within 0.15)  "
        f"{'PASS' if good else 'MISS'}"
    )
    print(f"  typical distance{typical:65.3f}")
    wide = 0.7 <= width <= 1.3
    print(
        f"  width of the interval over that of the single fit (median){width:23.2f}  (0.7 to 1.3)  "
        f"{'PASS' if wide else 'MISS'}"
    )
    for name, hits in inside.items():
        covered = judge(f"{name}: 90 % interval holds the value", float(np.mean(hits)), LOW, HIGH, runs, quick)
        good &= covered or name == "single"
    return good and wide


def least_squares(x: np.ndarray, y: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Fit baseline + sum of exponential curves: tops 0 or more, rates within the range of the search."""
    k = x.shape[1]

    def residuals(p: np.ndarray) -> np.ndarray:
        return p[0] - (np.expm1(-np.exp(p[1 + k :]) * x) * p[1 : 1 + k]).sum(axis=1) - y

    low = np.r_[0.0, np.zeros(k), np.log(0.05 / x.max(axis=0))]
    high = np.r_[np.inf, np.full(k, np.inf), np.log(4.0 / np.quantile(x, 0.05, axis=0))]
    inside = np.clip(start, low + 1e-6, high - 1e-6)
    found = optimize.least_squares(residuals, inside, bounds=(low, high), x_scale="jac", max_nfev=100)
    return np.asarray(found.x)


def blocks(rng: np.random.Generator, residuals: np.ndarray, length: int = 9) -> np.ndarray:
    starts = rng.integers(0, len(residuals) - length + 1, len(residuals) // length + 1)
    return np.concatenate([residuals[s : s + length] for s in starts])[: len(residuals)]


def methods(runs: int, quick: bool) -> bool:
    runs = max(runs // 4, 10)
    world = World((0.2, 0.1), 0.8)
    print(f"posterior draws beside a bootstrap of residuals in blocks of 9 periods, {runs} series; {world}")
    inside: dict[str, list[np.ndarray]] = {"posterior draws": [], "block bootstrap of least squares": []}
    widths: dict[str, list[float]] = {name: [] for name in inside}
    for run in range(runs):
        data, rng = make(world, run), np.random.default_rng([run, 13])
        x, k = data.efforts.to_numpy(), data.efforts.shape[1]
        start = np.r_[100.0, np.full(k, 20.0), np.full(k, np.log(0.3))]
        point = least_squares(x, data.outcome, start)
        curves = -np.expm1(-np.exp(point[1 + k :]) * x) * point[1 : 1 + k]
        left = data.outcome - point[0] - curves.sum(axis=1)
        left = (left - left.mean()) * np.sqrt(len(left) / (len(left) - len(point)))
        shares = []
        for _ in range(100):
            drawn = least_squares(x, point[0] + curves.sum(axis=1) + blocks(rng, left), point)
            shares.append(
                (-np.expm1(-np.exp(drawn[1 + k :]) * x) * drawn[1 : 1 + k]).mean(axis=0) / data.outcome.mean()
            )
        table = fitted(data, world, run).table.drop(index="baseline")
        ends = {
            "posterior draws": table[["share_low", "share_high"]].to_numpy().T,
            "block bootstrap of least squares": np.quantile(shares, [0.05, 0.95], axis=0),
        }
        for name, (low, high) in ends.items():
            inside[name].append((low <= data.shares) & (data.shares <= high))
            widths[name].append(float(np.mean(high - low)))
    for name, hits in inside.items():
        print(
            f"  {name:<40} 90 % intervals hold the share in {100 * np.mean(hits):5.1f} %, mean width "
            f"{100 * np.mean(widths[name]):.1f} % of the outcome"
        )
    return True


def apart(runs: int, quick: bool) -> bool:
    runs = max(runs // 20, 5)
    good = True
    print(f"share of the outcome that all efforts claim together, mean of {runs} series")
    for world in (World((0.05,) * 5, 0.8), World((0.05,) * 10, 0.5, 0.0, 5.0, 200, 30)):
        truth, together, alone = [], [], []
        for run in range(runs):
            data = make(world, run)
            truth.append(data.shares.sum())
            together.append(1 - fitted(data, world, run).shares["baseline"].mean())
            claims = 0.0
            for name, column in data.efforts.items():
                others = data.efforts.drop(columns=name)
                held = others if data.controls is None else np.column_stack([others, data.controls])
                fit = fit_response_curve(
                    column,
                    data.outcome,
                    period=np.arange(len(column)),
                    controls=held,
                    randomized=True,
                    n_draws=20,
                    random_state=run,
                )
                claims += float(fit.curve.value(column.to_numpy()).mean() / data.outcome.mean())
            alone.append(claims)
        near = abs(np.mean(together) - np.mean(truth)) < abs(np.mean(alone) - np.mean(truth))
        good &= near
        print(
            f"  {world!s:<60} truth {100 * np.mean(truth):.0f} %, one by one {100 * np.mean(alone):.0f} %, together "
            f"{100 * np.mean(together):.0f} %  (nearer than one by one)  {'PASS' if near else 'MISS'}"
        )
    return good


def expected(runs: int, quick: bool) -> bool:
    runs = max(runs // 4, 5)
    print(f"what is expected before the data, {runs} series; {WEAK}; truth 2.3 % each, 23 % together")
    for settings in ({}, {"expected_share": 0.2}, {"expected_share": 0.03}, {"works": 0.5}):
        inside, total, width, claim = [], [], [], []
        for run in range(runs):
            data = make(WEAK, run)
            fit = fitted(data, WEAK, run, **settings)
            hits = hits_of(fit, data)
            inside.append(hits["share of an effort that works"])
            total.append(hits["all efforts together"])
            table = fit.table.drop(index="baseline")
            width.append(float((table["share_high"] - table["share_low"]).mean()))
            claim.append(1 - fit.shares["baseline"].mean())
        print(
            f"  {settings or 'as it comes'!s:<26} share of each held in {100 * np.mean(inside):5.1f} %, of all in "
            f"{100 * np.mean(total):5.1f} %; mean width {100 * np.mean(width):.1f} %, together they claim "
            f"{100 * np.mean(claim):.0f} %",
            flush=True,
        )
    return True


def works(runs: int, quick: bool) -> bool:
    """One effect with a normal error of 1; the prior is nothing, or exponential with a mean of 1 / ratio."""
    grid = np.linspace(0.0, 12.0, 2401)
    sizes = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
    print("share of 90 % intervals that hold an effect of so many standard errors (1,500 draws of the data each)")
    print(f"  {'expected where it works / works':<34}" + "".join(f"{size:>7g}" for size in sizes))
    for mean in (50.0, 20.0, 5.0):
        for chance in (0.5, 0.8, 0.9):
            shares = []
            for size in sizes:
                seen = np.random.default_rng(0).normal(size, 1.0, 1500)
                density = np.exp(-0.5 * (grid - seen[:, None]) ** 2 - grid / mean) * grid[1] / mean
                nothing = (1 - chance) / chance * np.exp(-0.5 * seen**2)
                below = nothing[:, None] + density.cumsum(axis=1)
                below /= below[:, -1:]
                low, high = (grid[np.minimum((below < q - 1e-12).sum(axis=1), len(grid) - 1)] for q in (0.05, 0.95))
                shares.append(np.mean((low <= size + 1e-9) & (size <= high + 1e-9)))
            text = f"{mean:g} standard errors, works {chance}"
            print(f"  {text:<34}" + "".join(f"{100 * share:6.0f} %"[:7] for share in shares))
    return True


def speed(runs: int, quick: bool) -> bool:
    good = True
    print("seconds for 200 periods, 1,000 draws (limits hold on a quiet machine)")
    for k, carry, limit in ((3, None, 4.0), (10, None, 12.0), (10, "geometric", 24.0), (30, None, 40.0)):
        data = make(World((0.4 / k,) * k, 0.3), 0)
        start = time.perf_counter()
        fit_response_curves(data.efforts, data.outcome, carry_over=carry, randomized=True, random_state=0)
        seconds = time.perf_counter() - start
        good &= seconds < limit
        what = f"{k} efforts{', carry-over' if carry else ''}"
        print(f"  {what:<40}{seconds:6.1f}  (under {limit:g})  {'PASS' if seconds < limit else 'MISS'}", flush=True)
    return good


PARTS = {
    "coverage": coverage,
    "single": single,
    "methods": methods,
    "apart": apart,
    "expected": expected,
    "works": works,
    "speed": speed,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=FULL_RUNS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    runs = min(options.runs, QUICK_RUNS) if options.quick else options.runs
    good = [PARTS[part](runs, options.quick) for part in options.only]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
