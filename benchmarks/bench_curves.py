"""Do intervals of response curves hold the truth; how much of a confounded slope the remedies take away; real data.

    python benchmarks/bench_curves.py [--runs 400] [--quick] [--only PART ...]

Parts:
    coverage    randomized data of seven kinds: 90 % intervals of the value at low, middle and high effort hold the true
                value in 86 to 94 % (--runs data sets each, 300 draws)
    market      the curves of `make_market` from a randomized test of their actions: the same limits
    carry       geometric carry-over in panels: intervals of the retention (86 to 94 %) and of the value
    confounded  effort follows the customer's value: bias of the plain fit, and what is left of it under each remedy
    data        robyn_weekly, meridian_geo, cheese, mmm_stan, hillstrom (in SEGMENTATION_DATA), printed
    speed       50,000 rows: under 2 seconds per fit

Exits with status 1 beyond a limit. --quick: 100 runs, limits widened by two Monte Carlo standard errors.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmentation import datasets
from segmentation.curves import (
    ExponentialCurve,
    HillCurve,
    LogCurve,
    PowerCurve,
    ResponseCurve,
    fit_response_curve,
    from_lift,
)

LOW, HIGH = 0.86, 0.94
FULL_RUNS = 400
Sample = dict[str, np.ndarray]


def uniform_levels(rng: np.random.Generator, n: int, levels: int = 7) -> np.ndarray:
    return rng.integers(0, levels, n).astype(float)


def gaussian(rng: np.random.Generator, curve: ResponseCurve, n: int = 2000) -> Sample:
    x = uniform_levels(rng, n)
    return {"effort": x, "outcome": 20 + curve.value(x) + rng.normal(0, 25, n)}


def money(rng: np.random.Generator, curve: ResponseCurve, n: int = 10_000) -> Sample:
    """Nine customers of ten buy nothing; what the others pay is lognormal with sigma 1."""
    x = uniform_levels(rng, n)
    mean = 10 + curve.value(x)
    chance = 0.02 + 0.12 * mean / mean.max()
    paid = rng.lognormal(np.log(mean / chance) - 0.5, 1.0)
    return {"effort": x, "outcome": np.where(rng.random(n) < chance, paid, 0.0)}


def continuous(rng: np.random.Generator, curve: ResponseCurve, n: int = 3000) -> Sample:
    x = np.where(rng.random(n) < 0.3, 0.0, rng.gamma(1.5, 2.0, n))
    return {"effort": x, "outcome": 20 + curve.value(x) + rng.gamma(0.5, 60.0, n) - 30.0}


def customers(rng: np.random.Generator, curve: ResponseCurve, n: int = 150) -> Sample:
    """Ten periods of each customer, who gets the same effort in all of them."""
    who = np.repeat(np.arange(n), 10)
    x = uniform_levels(rng, n)[who]
    outcome = 20 + curve.value(x) + rng.normal(0, 10, n)[who] + rng.normal(0, 15, len(x))
    return {"effort": x, "outcome": outcome, "customer": who}


def few_customers(rng: np.random.Generator, curve: ResponseCurve) -> Sample:
    return customers(rng, curve, 60)


def weeks(rng: np.random.Generator, curve: ResponseCurve, n: int = 208) -> Sample:
    """One series of weeks, whose effort and errors last from one week to the next."""
    lasting = rng.normal(size=(2, n + 50))
    for t in range(1, n + 50):
        lasting[:, t] = 0.5 * lasting[:, t - 1] + np.sqrt(0.75) * lasting[:, t]
    x = np.exp(0.6 * lasting[0, 50:] + 1)
    return {"effort": x, "outcome": 20 + curve.value(x) + 10 * lasting[1, 50:], "period": np.arange(n)}


KINDS: dict[str, tuple[Callable[..., Sample], ResponseCurve]] = {
    "normal errors, exponential": (gaussian, ExponentialCurve(30.0, 0.4)),
    "money, 9 of 10 buy nothing, exponential": (money, ExponentialCurve(20.0, 0.5)),
    "continuous effort, log": (continuous, LogCurve(15.0, 1.0)),
    "normal errors, power": (gaussian, PowerCurve(12.0, 0.5)),
    "continuous effort, Hill": (continuous, HillCurve(50.0, 3.0, 2.0)),
    "150 customers x 10 periods, exponential": (customers, ExponentialCurve(30.0, 0.4)),
    "one series of 208 weeks, exponential": (weeks, ExponentialCurve(30.0, 0.4)),
}
# Beyond what the limits are promised for: printed, and warned of by the fit.
FEW: dict[str, tuple[Callable[..., Sample], ResponseCurve]] = {
    "60 customers x 10 periods, exponential": (few_customers, ExponentialCurve(30.0, 0.4)),
}
AT = np.array([1.0, 3.0, 6.0])


def judge(name: str, hits: np.ndarray, runs: int, quick: bool) -> bool:
    """Print the share of hits beside the limits."""
    share = float(np.mean(hits))
    slack = 2 * np.sqrt(0.09 / runs) if quick else 0.0
    good = LOW - slack <= share <= HIGH + slack
    print(f"  {name:<66}{100 * share:6.1f} %  (86 to 94 %)  {'PASS' if good else 'MISS'}")
    return good


def coverage(runs: int, quick: bool) -> bool:
    print(f"coverage of 90 % intervals of the value, {runs} randomized data sets each")
    good = True
    for name, (draw, curve) in {**KINDS, **FEW}.items():
        inside, error = np.zeros((runs, len(AT))), np.zeros((runs, len(AT)))
        truth = curve.value(AT)
        for run in range(runs):
            data = draw(np.random.default_rng([run, 1]), curve)
            fit = fit_response_curve(**data, family=curve.family, randomized=True, n_draws=300, random_state=run)
            table = fit.at(AT)
            inside[run] = (table["value_low"] <= truth) & (truth <= table["value_high"])
            error[run] = table["value"] / truth - 1
        for i, at in enumerate(AT):
            text = f"{name}, effort {at:g} (mean error {100 * error[:, i].mean():+.1f} %)"
            if name in FEW:
                print(f"  {text:<66}{100 * inside[:, i].mean():6.1f} %  (no limit)")
            else:
                good &= judge(text, inside[:, i], runs, quick)
    return good


def market_test(rng: np.random.Generator, row: pd.Series, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A test of one action: each customer gets a random number of contacts; spend is mostly zero."""
    from segmentation.datasets._market_curves import response

    at = np.array([1.0, 2.0, 4.0])
    x = rng.choice([0.0, 1.0, 2.0, 3.0, 4.0, 6.0], n)
    mean = 5.0 + response(row, x)
    paid = rng.gamma(0.8, mean / 0.4 / 0.8)
    return x, np.where(rng.random(n) < 0.4, paid, 0.0), at


def market(runs: int, quick: bool) -> bool:
    from segmentation.datasets._market_curves import response

    table = datasets.make_market(n_customers=200, random_state=0).curves
    each = max(runs // 5, 20)
    print(f"curves of make_market from a randomized test of 4,000 customers per segment and action, {each} runs each")
    good = True
    for action, rows in table.groupby("action", sort=False):
        inside, error = [], []
        for i, (_, row) in enumerate(rows.iterrows()):
            for run in range(each):
                x, y, at = market_test(np.random.default_rng([run, i, 2]), row)
                fit = fit_response_curve(x, y, family=row["form"], randomized=True, n_draws=300, random_state=run)
                values, truth = fit.at(at), response(row, at)
                inside.append((values["value_low"] <= truth) & (truth <= values["value_high"]))
                error.append(values["value"] - truth)
        typical = np.mean([response(row, 2.0) for _, row in rows.iterrows()])
        bias = 100 * np.mean(error) / typical
        good &= judge(
            f"{action} ({rows['form'].iloc[0]}; mean error {bias:+.1f} % of the effect)",
            np.array(inside),
            len(inside),
            quick,
        )
    return good


def panel(rng: np.random.Generator, retention: float, n: int = 200, periods: int = 20) -> dict[str, np.ndarray]:
    """Customers with random effort each period; the effort goes on working; spend of a customer hangs together."""
    curve = ExponentialCurve(30.0, 0.4)
    effort = rng.integers(0, 7, (n, periods + 20)).astype(float)
    stock = np.zeros_like(effort)
    last = np.full(n, 3.0)
    for t in range(effort.shape[1]):
        last = stock[:, t] = (1 - retention) * effort[:, t] + retention * last
    outcome = 20 + curve.value(stock) + rng.normal(0, 5, (n, 1)) + rng.normal(0, 15, effort.shape)
    who, when = np.indices((n, periods))
    return {
        "effort": effort[:, 20:].ravel(),
        "outcome": outcome[:, 20:].ravel(),
        "customer": who.ravel(),
        "period": when.ravel(),
    }


def carry(runs: int, quick: bool) -> bool:
    runs = max(runs // 2, 50)
    print(f"geometric carry-over, panels of 200 customers x 20 periods, {runs} each")
    truth = ExponentialCurve(30.0, 0.4).value(AT)
    good = True
    for retention in (0.3, 0.6):
        inside, values, found = [], [], []
        for run in range(runs):
            data = panel(np.random.default_rng([run, 3]), retention)
            fit = fit_response_curve(**data, carry_over="geometric", randomized=True, n_draws=300, random_state=run)
            row, at = fit.table.loc["retention"], fit.at(AT)
            found.append(row["estimate"])
            inside.append(row["low"] <= retention <= row["high"])
            values.append((at["value_low"] <= truth) & (truth <= at["value_high"]))
        good &= judge(f"retention {retention} (mean estimate {np.mean(found):.3f})", np.array(inside), runs, quick)
        good &= judge(f"value at efforts 1, 3, 6, retention {retention}", np.array(values), runs, quick)
        blind = [
            fit_response_curve(
                **panel(np.random.default_rng([run, 3]), retention), randomized=True, n_draws=50, random_state=run
            )
            for run in range(5)
        ]
        short = 100 * (np.mean([fit.curve.value(3.0) for fit in blind]) / truth[1] - 1)
        print(f"  value at effort 3 where the carry-over is ignored: {short:+.0f} % off")
    return good


def confounded_panel(rng: np.random.Generator, kind: str, n: int = 1500, periods: int = 8) -> dict[str, np.ndarray]:
    """Heavier customers are visited more.

    "level": by their lasting value; "past": by what they bought in the period before; "expected": because an order is
    expected in this very period; "slope": by lasting value, and visits bring more with heavier customers.
    """
    curve = ExponentialCurve(30.0, 0.4)
    lasting = rng.gamma(2.0, 20.0, (n, 1))
    shock = rng.gamma(1.0, 20.0, (n, periods + 1))
    effort, outcome = np.zeros((n, periods + 1)), np.zeros((n, periods + 1))
    before = lasting[:, 0] + 15.0
    strength = lasting[:, 0] / 40.0 if kind == "slope" else np.ones(n)
    for t in range(periods + 1):
        signal = {"past": before, "expected": 2 * shock[:, t]}.get(kind, lasting[:, 0])
        effort[:, t] = rng.poisson(0.05 * signal)
        base = (40.0 if kind == "past" else lasting[:, 0]) + shock[:, t]
        if kind == "past":  # what a customer buys lasts from one period to the next
            base = base * 0.5 + 0.5 * before
        outcome[:, t] = base + strength * curve.value(effort[:, t])
        before = outcome[:, t]
    who, when = np.indices((n, periods))
    return {
        "effort": effort[:, 1:].ravel(),
        "outcome": outcome[:, 1:].ravel(),
        "customer": who.ravel(),
        "period": when.ravel(),
    }


def confounded(runs: int, quick: bool) -> bool:
    runs = max(runs // 20, 5)
    truth = ExponentialCurve(30.0, 0.4).value(3.0)
    print(
        f"confounded effort: value at effort 3, truth {truth:.1f}; mean of {runs} panels of 1,500 customers x 8 periods"
    )
    print(f"  {'who is visited more':<40}{'plain':>12}{'within':>20}{'lagged':>20}")
    told = {
        "level": "those who always buy more",
        "past": "those who bought more last period",
        "expected": "those who are about to order",
        "slope": "those who respond more (and buy more)",
    }
    for kind, words in told.items():
        bias = {}
        for adjust in (None, "within", "lagged"):
            values = []
            for run in range(runs):
                data = confounded_panel(np.random.default_rng([run, 4]), kind)
                fit = fit_response_curve(**data, adjust=adjust, randomized=False, n_draws=20, random_state=run)
                values.append(fit.curve.value(3.0))
            bias[adjust] = np.mean(values) - truth
        cells = [f"{bias[None]:+.1f}"]
        cells += [
            f"{bias[a]:+.1f} ({100 * (1 - abs(bias[a]) / abs(bias[None])):.0f} % off)" for a in ("within", "lagged")
        ]
        print(f"  {words:<40}" + f"{cells[0]:>12}" + "".join(f"{cell:>20}" for cell in cells[1:]))
    print("  (% off: share of the plain bias that the remedy takes away; negative: it makes it larger)")
    return True


def speed(runs: int, quick: bool) -> bool:
    rng = np.random.default_rng(0)
    n = 50_000
    x = rng.gamma(1, 3, n) * (rng.random(n) < 0.7)
    y = rng.gamma(0.5, 60, n) * (rng.random(n) < 0.1) * (1 + 2 * (1 - np.exp(-0.3 * x)))
    series = {"customer": np.repeat(np.arange(5000), 10), "period": np.tile(np.arange(10), 5000)}
    good = True
    print("seconds for 50,000 rows, 1,000 draws (limit 2)")
    for name, settings in {
        "exponential": {},
        "hill": {"family": "hill"},
        "auto": {"family": "auto"},
        "exponential, within customers": {"adjust": "within", **series},
        "hill, within customers": {"adjust": "within", "family": "hill", **series},
        "exponential, carry-over": {"carry_over": "geometric", **series},
    }.items():
        start = time.perf_counter()
        fit_response_curve(x, y, randomized=True, random_state=0, **settings)
        seconds = time.perf_counter() - start
        good &= seconds < 2
        print(f"  {name:<58}{seconds:6.2f}  {'PASS' if seconds < 2 else 'MISS'}")
    return good


def season(weeks: int) -> np.ndarray:
    """Two waves a year and a trend."""
    t = np.arange(weeks) / 52.18
    waves = [f(2 * np.pi * k * t) for k in (1, 2) for f in (np.sin, np.cos)]
    return np.column_stack([*waves, t])


def data_fits(folder: Path) -> dict[str, Any]:
    """Return a fit (or a curve) per data set; tests use it too."""
    robyn = pd.read_parquet(folder / "robyn_weekly" / "dt_simulated_weekly.parquet")
    fits: dict[str, Any] = {
        f"robyn_weekly, {column}": fit_response_curve(
            robyn[column],
            robyn["revenue"],
            period=robyn["DATE"],
            carry_over="geometric",
            controls=np.column_stack([season(len(robyn)), robyn["competitor_sales_B"]]),
            random_state=0,
        )
        for column in ("facebook_S", "tv_S")
    }
    meridian = pd.read_parquet(folder / "meridian_geo" / "geo_all_channels.parquet")
    revenue = meridian["conversions"] * meridian["revenue_per_conversion"] / meridian["population"]
    others = meridian[["competitor_sales_control", "sentiment_score_control", "Promo"]]
    fits["meridian_geo, Channel0 per person"] = fit_response_curve(
        meridian["Channel0_spend"] / meridian["population"],
        revenue,
        customer=meridian["geo"],
        period=meridian["time"],
        adjust="within",
        controls=others,
        random_state=0,
    )
    cheese = pd.read_parquet(folder / "cheese" / "cheese.parquet")
    fits["cheese, display"] = fit_response_curve(
        cheese["DISP"],
        cheese["VOLUME"],
        customer=cheese["RETAILER"],
        adjust="within",
        controls=np.log(cheese["PRICE"]),
        random_state=0,
    )
    retail = pd.read_parquet(folder / "mmm_stan" / "weekly_retail_mmm.parquet")
    holidays = retail.filter(like="hldy_").to_numpy().sum(axis=1)
    fits["mmm_stan, direct mail"] = fit_response_curve(
        retail["mdsp_dm"],
        retail["sales"],
        period=retail["wk_strt_dt"],
        carry_over="geometric",
        controls=np.column_stack([season(len(retail)), holidays, retail["me_ics_all"], retail["mrkdn_pdm"]]),
        random_state=0,
    )
    return fits


def hillstrom_curves(folder: Path) -> dict[str, ResponseCurve]:
    """Spend per customer that one e-mail brings, by history segment, from the experiment."""
    table = pd.read_parquet(folder / "hillstrom" / "hillstrom.parquet")
    curves = {}
    for name, rows in table.groupby("history_segment"):
        arms = {mail: group["spend"] for mail, group in rows.groupby(rows["segment"] != "No E-Mail")}
        effect = arms[True].mean() - arms[False].mean()
        se = np.sqrt(sum(arm.var() / len(arm) for arm in arms.values()))
        curves[str(name)] = from_lift(effect, effort=1, se=se, half=(1, 3), random_state=0)
    return curves


def data(runs: int, quick: bool) -> bool:
    folder = Path(os.environ.get("SEGMENTATION_DATA", "../shared/data"))
    if not folder.exists():
        print(f"data: {folder} is absent, skipped")
        return True
    for name, fit in data_fits(folder).items():
        print(name, fit, sep="\n")
    for name, curve in hillstrom_curves(folder).items():
        low, high = curve.interval(1.0)
        print(f"hillstrom, {name}: an e-mail brings {curve.value(1.0):.2f} ({low:.2f} to {high:.2f})")
    return True


PARTS = {"coverage": coverage, "market": market, "carry": carry, "confounded": confounded, "data": data, "speed": speed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=FULL_RUNS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    runs = min(options.runs, 100) if options.quick else options.runs
    good = [PARTS[part](runs, options.quick) for part in options.only]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
