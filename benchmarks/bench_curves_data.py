"""Response curves and plans on real and published simulated data: fits, intervals, plans, times.

    python benchmarks/bench_curves_data.py [--only NAME ...]

Names: robyn_weekly, meridian_geo, cheese, mmm_stan (observational), hillstrom (from its experiment). The data are those
in SEGMENTATION_DATA. For each: every curve with its 90 % interval at the mean effort, the plan for the present budget
beside the present split, and what stands in doubt. The channels of the two national series are fitted together, with
their carry-over; what fits one by one would claim is printed beside it. Checked:

    * a curve is fitted in under 2 seconds; its interval is finite, holds the estimate or says that it does not, and
      brings less than the whole outcome at the mean effort
    * curves fitted together claim no more than the whole outcome in any draw and add up to it with the baseline; their
      intervals are narrower, on average, than those of fits one by one; efforts of which the data say little are named
    * every observational curve, and every plan from such, says that it is one; those of the experiment do not
    * `allocate` uses the budget and proves its plan to 1e-6

Exits with status 1 beyond a limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmentation.allocation import Allocation, Resource, allocate
from segmentation.curves import CurveFit, CurveFits, ResponseCurve, fit_response_curve, fit_response_curves, from_lift

N_DRAWS = 1000
FAILED: list[str] = []


@dataclass
class Case:
    """Curves of a data set with what they were fitted from, and the plan."""

    fits: dict[Any, CurveFit]
    curves: dict[Any, ResponseCurve]
    seconds: dict[Any, float]
    mean_effort: dict[Any, float]
    mean_outcome: dict[Any, float]
    plan: Allocation
    joint: CurveFits | None = None


def seasons(n_weeks: int) -> np.ndarray:
    t = np.arange(n_weeks) / 52.18
    return np.column_stack([*(f(2 * np.pi * k * t) for k in (1, 2) for f in (np.sin, np.cos)), t])


def fitted(effort: Any, outcome: Any, **settings: Any) -> tuple[CurveFit, float]:
    start = time.perf_counter()
    fit = fit_response_curve(effort, outcome, randomized=False, n_draws=N_DRAWS, random_state=0, **settings)
    return fit, time.perf_counter() - start


def channels(table: pd.DataFrame, names: list[str], outcome: str, period: str, controls: Any, **settings: Any) -> Case:
    """All channels of a national series fitted together, and one by one (others held equal as straight lines).

    The plan is for a week.
    """
    start = time.perf_counter()
    joint = fit_response_curves(
        table[names],
        table[outcome],
        period=table[period],
        carry_over="geometric",
        controls=controls,
        trend=True,
        randomized=False,
        n_draws=N_DRAWS,
        random_state=0,
        **settings,
    )
    seconds = dict.fromkeys(names, (time.perf_counter() - start) / len(names))
    fits = {}
    time_of_year = seasons(len(table)) if settings else np.arange(len(table)) / 52.18
    for name in names:
        others = table[[other for other in names if other != name]]
        fits[name], _ = fitted(
            table[name],
            table[outcome],
            period=table[period],
            carry_over="geometric",
            controls=np.column_stack([time_of_year, controls, others]),
        )
    mean = joint.mean_efforts
    plan = allocate(joint.curves, Resource("budget", sum(mean.values())), bounds=joint.bounds, current=mean)
    outcomes = dict.fromkeys(names, joint.mean_outcome)
    return Case(fits, dict(joint.curves), seconds, mean, outcomes, plan, joint)


def robyn_weekly(folder: Path) -> Case:
    table = pd.read_parquet(folder / "robyn_weekly" / "dt_simulated_weekly.parquet")
    names = ["tv_S", "ooh_S", "print_S", "facebook_S", "search_S"]
    return channels(table, names, "revenue", "DATE", table[["competitor_sales_B"]], season=52.18)


def mmm_stan(folder: Path) -> Case:
    table = pd.read_parquet(folder / "mmm_stan" / "weekly_retail_mmm.parquet")
    names = [name for name in table if name.startswith("mdsp_")]
    known = [name for name in table if name.startswith(("hldy_", "seas_", "va_pub", "me_", "st_ct", "mrkdn"))]
    return channels(table, names, "sales", "wk_strt_dt", table[known])


def meridian_geo(folder: Path) -> Case:
    """Three segments of regions by size, five channels, all per head; a region is compared with itself."""
    table = pd.read_parquet(folder / "meridian_geo" / "geo_all_channels.parquet")
    revenue = table["conversions"] * table["revenue_per_conversion"]
    segment = pd.qcut(table["population"].rank(method="dense"), 3, labels=["small", "middle", "large"])
    names = [f"Channel{i}_spend" for i in range(5)]
    known = ["competitor_sales_control", "sentiment_score_control", "Promo"]
    fits, seconds, curves, mean, outcomes, bounds = {}, {}, {}, {}, {}, {}
    for size in ("small", "middle", "large"):
        part = table[segment == size]
        people, heads = part["population"], float(part.groupby("geo")["population"].first().sum())
        week = pd.factorize(part["time"], sort=True)[0]
        for name in names:
            others = part[[other for other in names if other != name]].div(people, axis=0)
            item = (size, name.removesuffix("_spend"))
            fits[item], seconds[item] = fitted(
                part[name] / people,
                revenue[part.index] / people,
                customer=part["geo"],
                period=part["time"],
                adjust="within",
                weights=people,
                controls=np.column_stack([part[known], others, seasons(week.max() + 1)[week]]),
            )
            curves[item] = fits[item].curve.for_customers(heads)
            bounds[item] = (0, heads * fits[item].settings["effort_high"])
            mean[item] = float(part[name].sum() / part["time"].nunique())
            outcomes[item] = float(revenue[part.index].sum() / part["time"].nunique())
    plan = allocate(curves, Resource("budget", sum(mean.values())), bounds=bounds, current=mean)
    return Case(fits, curves, seconds, mean, outcomes, plan)


def cheese(folder: Path) -> Case:
    """Three segments of retailers by volume; the share of stores with a display is what can be moved."""
    table = pd.read_parquet(folder / "cheese" / "cheese.parquet")
    typical = table.groupby("RETAILER")["VOLUME"].transform("mean")
    segment = pd.qcut(typical.rank(method="dense"), 3, labels=["small", "middle", "large"])
    fits, seconds, curves, mean, outcomes, bounds = {}, {}, {}, {}, {}, {}
    for size in ("small", "middle", "large"):
        part = table[segment == size]
        n = part["RETAILER"].nunique()
        fits[size], seconds[size] = fitted(
            part["DISP"],
            part["VOLUME"],
            customer=part["RETAILER"],
            adjust="within",
            controls=np.log(part["PRICE"]),
        )
        curves[size] = fits[size].curve.for_customers(n)
        mean[size] = float(part.groupby("RETAILER")["DISP"].mean().sum())
        outcomes[size] = float(part.groupby("RETAILER")["VOLUME"].mean().sum())
        bounds[size] = (0, n * fits[size].settings["effort_high"])
    plan = allocate(curves, Resource("displays", sum(mean.values())), bounds=bounds, current=mean)
    return Case(fits, curves, seconds, mean, outcomes, plan)


def hillstrom(folder: Path) -> Case:
    """The lift of an e-mail by what customers spent before; chance decided who got one."""
    table = pd.read_parquet(folder / "hillstrom" / "hillstrom.parquet")
    segment = pd.qcut(table["history"], 3, labels=["low", "middle", "high"])
    curves, seconds, mean, outcomes = {}, {}, {}, {}
    for seed, size in enumerate(("low", "middle", "high")):
        part = table[segment == size]
        mailed = (part["segment"] != "No E-Mail").to_numpy()
        spend = part["spend"].to_numpy()
        start = time.perf_counter()
        effect = spend[mailed].mean() - spend[~mailed].mean()
        error = np.sqrt(spend[mailed].var(ddof=1) / mailed.sum() + spend[~mailed].var(ddof=1) / (~mailed).sum())
        one = from_lift(effect, effort=1, se=error, half=(1, 3), random_state=seed)
        curves[size] = one.for_customers(len(part))
        seconds[size] = time.perf_counter() - start
        mean[size] = float(mailed.sum())
        outcomes[size] = float(spend.sum())
    plan = allocate(curves, Resource("mails", sum(mean.values())), current=mean)
    return Case({}, curves, seconds, mean, outcomes, plan)


CASES = {
    "robyn_weekly": robyn_weekly,
    "meridian_geo": meridian_geo,
    "cheese": cheese,
    "mmm_stan": mmm_stan,
    "hillstrom": hillstrom,
}


def checks(name: str, case: Case) -> dict[str, bool]:
    """Return what must hold of a data set, by what it says."""
    found = {}
    observational = name != "hillstrom"
    said = "assigned at random"
    for item, curve in case.curves.items():
        effort = case.mean_effort[item]
        low, high = curve.interval(effort)
        value = float(curve.value(effort))
        inside = low <= value <= high or any("outside of its own interval" in text for text in curve.caveats)
        found[f"{item}: interval is finite and holds the estimate, or says that it does not"] = bool(
            np.isfinite([low, high]).all() and inside
        )
        found[f"{item}: brings less than all there is"] = high < case.mean_outcome[item]
        found[f"{item}: {'says' if observational else 'does not say'} that it is observational"] = (
            any(said in text for text in curve.caveats) == observational
        )
        found[f"{item}: fitted in under 2 seconds"] = case.seconds[item] < 2
    if case.joint is not None:
        found |= joint_checks(case, case.joint)
    plan = case.plan
    found["the plan says it too"] = any(said in text for text in plan.warnings) == observational
    found["the plan is proven to 1e-6"] = plan.gap <= 1e-6
    found["the plan has an interval"] = bool(plan.total_low < plan.total_high)
    found["the plan brings no less than the present split"] = bool(
        plan.comparison.loc["current", "gain_of_plan"] >= -1e-6 * plan.total
    )
    return found


def joint_checks(case: Case, joint: CurveFits) -> dict[str, bool]:
    """Return what must hold of curves that were fitted together."""
    shares = joint.shares
    table = joint.table.drop(index="baseline")
    wide = (table["outcome_high"] - table["outcome_low"]).mean()
    alone = np.mean([np.diff(fit.curve.interval(case.mean_effort[item]))[0] for item, fit in case.fits.items()])
    little = joint.identification.index[joint.identification["width_left"] > 0.6]
    told = " ".join(joint.warnings)
    return {
        "together they claim no more than there is in any draw": bool((shares["baseline"] >= -1e-9).all()),
        "baseline and efforts add up to the outcome in every draw": bool(np.allclose(shares.sum(axis=1), 1.0)),
        "chains of draws agree": joint.settings["chain_ratio"] < 1.1,
        "intervals are narrower than one by one": bool(wide < alone),
        "efforts of which the data say little are named": all(repr(name) in told for name in little),
    }


def show(name: str, case: Case) -> None:
    print(f"\n== {name}")
    for item, curve in case.curves.items():
        effort = case.mean_effort[item]
        low, high = curve.interval(effort)
        label = item if isinstance(item, str) else " ".join(item)
        print(
            f"  {label:<18}{case.seconds[item]:6.2f} s  effort {effort:12,.4g} (mean) brings "
            f"{curve.value(effort):12,.4g} ({low:,.4g} to {high:,.4g}) of {case.mean_outcome[item]:,.4g}"
        )
    claimed = sum(float(curve.value(case.mean_effort[item])) for item, curve in case.curves.items())
    if name != "hillstrom":
        all_of_it = sum(
            {item if isinstance(item, str) else item[0]: case.mean_outcome[item] for item in case.curves}.values()
        )
        all_of_it = all_of_it if name in ("meridian_geo", "cheese") else next(iter(case.mean_outcome.values()))
        print(f"  all curves together claim {claimed / all_of_it:.0%} of the outcome")
    if case.joint is not None:
        alone = sum(float(fit.curve.value(case.mean_effort[item])) for item, fit in case.fits.items())
        print(f"  fitted one by one they would claim {alone / all_of_it:.0%}")
        print("\n".join(f"  {line}" for line in str(case.joint).splitlines()))
    print("\n".join(str(case.plan).splitlines()[:5]))
    for text in [] if case.joint else sorted({text for fit in case.fits.values() for text in fit.warnings}):
        n = sum(text in fit.warnings for fit in case.fits.values())
        print(f"    [{n} of {len(case.fits)}] {text[:150]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES))
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    options = parser.parse_args()
    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))
    for name in options.only or CASES:
        case = CASES[name](folder)
        show(name, case)
        found = checks(name, case)
        missed = [what for what, good in found.items() if not good]
        FAILED.extend(missed)
        print(
            f"  {len(found) - len(missed)} of {len(found)} checks PASS" + "".join(f"\n  MISS {what}" for what in missed)
        )
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
