"""Is the analysis of experiments honest, and how much slower than a bare group-by: each figure beside its limit.

    python benchmarks/bench_experiments.py [--quick] [--only PART ...]

Parts:
    shuffles    Hillstrom's arms shuffled 2,000 times: the interaction test rejects 5 % +- 1.2 on visit, conversion and
                spend; any claim about segments, in a corrected p-value or in what is printed, at most 6.2 %; the
                pooled-variance F test, and claims without and with other corrections, beside it
    ratio       arms of Hillstrom's customers drawn anew 2,000 times: sample-ratio p-values are uniform
    coverage    2,000 simulated experiments of each kind, 30 events per arm and more: 95 % intervals, raw and adjusted,
                hold the true lift in 95 +- 1.5 %; relative lifts and clusters beside
    speed       10,000,000 rows x 50 segments x 5 outcomes from polars and DuckDB: under 1.5 times a bare group-by of
                the same counts, sums and sums of squares (the faster of two ways to write it); statsmodels and
                tea-tasting (where installed) on the same comparisons, segment by segment: 10 times faster

Needs SEGMENTATION_DATA for the first two, polars, duckdb and statsmodels for the last. Exits with status 1 beyond a
limit. --quick: 200 runs and 1,000,000 rows, limits widened by 2.6 Monte Carlo standard errors.
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
from scipy import stats

from segmentation.experiments import ExperimentAggregates, Outcome, aggregate_experiment, analyze_experiment

MEN, NONE = "Mens E-Mail", "No E-Mail"
OUTCOMES = ["visit", "conversion", "spend"]
FULL_RUNS, QUICK_RUNS = 2000, 200
REJECTS, COVERS = 0.012, 0.015


class Sheet:
    """Prints each figure beside its limit, and remembers whether one was missed."""

    def __init__(self) -> None:
        self.missed = False

    def line(self, what: str, figure: str, limit: str, *, passed: bool | None) -> None:
        verdict = "" if passed is None else "PASS" if passed else "MISS"
        self.missed |= passed is False
        print(f"{what:<62} {figure:>24}   {limit:<22} {verdict}", flush=True)


def hillstrom() -> pd.DataFrame:
    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    return pd.read_parquet(folder / "hillstrom" / "hillstrom.parquet")


def pooled_f(table: pd.DataFrame, outcome: str) -> float:
    """p-value of the usual F test of segment x arm with one variance for all."""
    cells = table.groupby(["history_segment", "segment"], observed=True)[outcome].agg(["size", "mean", "var"])
    n = cells["size"].unstack()  # noqa: PD010
    lift = cells["mean"].unstack().diff(axis=1).iloc[:, 1].to_numpy()  # noqa: PD010
    pooled = float(((cells["size"] - 1) * cells["var"]).sum() / (cells["size"] - 1).sum())
    w = 1 / (pooled * (1 / n).sum(axis=1).to_numpy())
    q = float(w @ (lift - w @ lift / w.sum()) ** 2)
    k = len(lift)
    return float(stats.f.sf(q / (k - 1), k - 1, len(table) - 2 * k))


def shuffles(sheet: Sheet, runs: int) -> None:
    table = hillstrom()[["history_segment", "segment", *OUTCOMES]]
    table = table[table["segment"] != MEN].reset_index(drop=True)
    rng, arms = np.random.default_rng(0), table["segment"].to_numpy()
    p, chi, old = ({name: [] for name in OUTCOMES} for _ in range(3))
    claims: dict[str, list[bool]] = {"any": [], "printed": [], "differs": [], "single": [], "plain": [], "two": []}
    for _ in range(runs):
        shuffled = table.assign(segment=rng.permutation(arms))
        made = aggregate_experiment(shuffled, segment="history_segment", arm="segment", outcomes=OUTCOMES)
        found = analyze_experiment(made, control=NONE)
        tests = found.interaction.set_index("outcome")
        differs, single = (bool((part["p_adjusted"] < 0.05).any()) for part in (tests, found.segments))
        claims["differs"].append(differs)
        claims["single"].append(single)
        claims["any"].append(differs or single)
        claims["printed"].append(celebrated(str(found)))
        p_segments, p_tests = found.segments["p_value"].to_numpy(), tests["p_value"].to_numpy()
        claims["plain"].append(bool(min(p_segments.min(), p_tests.min()) < 0.05))
        claims["two"].append(bool(min(p_segments.min() * len(p_segments), p_tests.min() * len(p_tests)) < 0.05))
        for name in OUTCOMES:
            p[name].append(tests.loc[name, "p_value"])
            chi[name].append(tests.loc[name, "p_chi_squared"])
            old[name].append(pooled_f(shuffled, name))
    room = REJECTS + (0 if runs >= FULL_RUNS else 2.6 * np.sqrt(0.05 * 0.95 / runs))
    for name in OUTCOMES:
        rate = float(np.mean(np.array(p[name]) < 0.05))
        sheet.line(
            f"interaction rejects on shuffled arms: {name}", f"{rate:.2%}", f"5 % +- {room:.1%}",
            passed=abs(rate - 0.05) <= room,
        )  # fmt: skip
        plain, pooled = (float(np.mean(np.array(v[name]) < 0.05)) for v in (chi, old))
        sheet.line("    by chi-squared; by a pooled-variance F test", f"{plain:.2%}; {pooled:.2%}", "", passed=None)
    rates = {name: float(np.mean(values)) for name, values in claims.items()}
    most = 0.05 + room
    for name, what in (
        ("any", "any claim about segments, by corrected p-values"),
        ("printed", "any claim about segments in what is printed"),
    ):
        sheet.line(what, f"{rates[name]:.2%}", f"<= {most:.1%}", passed=rates[name] <= most)
    sheet.line("    that they differ; that one has a lift", f"{rates['differs']:.2%}; {rates['single']:.2%}", "",
               passed=None)  # fmt: skip
    sheet.line("    with two families of Holm; without correction", f"{rates['two']:.2%}; {rates['plain']:.2%}", "",
               passed=None)  # fmt: skip


def celebrated(text: str) -> bool:
    """Tell whether a printed result claims something about segments."""
    return any(
        words in text
        for words in ("effect differs between segments:", "is shown by itself", "the largest lift is that of",
                      "interval above 0 in", "interval below 0 in")
    )  # fmt: skip


def ratio(sheet: Sheet, runs: int) -> None:
    import polars as pl

    table = hillstrom()[["history_segment", "visit"]]
    data = pl.from_pandas(table)
    rng = np.random.default_rng(1)
    overall, segments = [], []
    for _ in range(runs):
        drawn = data.with_columns(arm=pl.Series(rng.integers(0, 3, len(table)).astype(np.int8)))
        found = analyze_experiment(drawn, segment="history_segment", arm="arm", outcomes="visit", control=0)
        overall.append(found.sample_ratio.loc["all", "p_value"])
        segments.append(found.sample_ratio["p_value"].to_numpy()[1:])
    for what, values in (("all customers", np.array(overall)), ("per segment", np.concatenate(segments))):
        p = stats.kstest(values, "uniform").pvalue
        sheet.line(f"sample-ratio p-values uniform: {what} (KS)", f"p = {p:.3f}", "> .01", passed=p > 0.01)
        sheet.line("    below .01; below .001", f"{(values < 0.01).mean():.2%}; {(values < 0.001).mean():.2%}", "",
                   passed=None)  # fmt: skip


def world(runs: int, n: tuple[int, int], draw: Callable[..., dict[str, np.ndarray]], seed: int) -> pd.DataFrame:
    """Experiments side by side, each one a segment."""
    rng = np.random.default_rng(seed)
    size = sum(n)
    treated = np.tile(np.repeat([0, 1], n), runs)
    made = draw(rng, treated, len(treated))
    return pd.DataFrame({"segment": np.repeat(np.arange(runs), size), "arm": np.where(treated, "mail", "none"), **made})


def cover(
    sheet: Sheet, name: str, table: Any, outcome: Any, true: float, rel: float | None, judged: bool = True, **more: Any
) -> None:
    keys = {} if isinstance(table, ExperimentAggregates) else {"segment": "segment", "arm": "arm", "outcomes": outcome}
    rows = analyze_experiment(table, **keys, control="none", **more).segments
    runs = len(rows)
    room = COVERS + (0 if runs >= FULL_RUNS else 2.6 * np.sqrt(0.05 * 0.95 / runs))
    kinds = {"": true}
    if "raw_lift" in rows:
        kinds["raw_"] = true
    for kind, value in kinds.items():
        inside = (rows[f"{kind}lift_low"] <= value) & (rows[f"{kind}lift_high"] >= value)
        label = f"{name}{', raw beside' if kind else ''}"
        sheet.line(label, f"{inside.mean():.2%}", f"95 +- {100 * room:.1f} %" if judged else "",
                   passed=bool(abs(inside.mean() - 0.95) <= room + 1e-9) if judged else None)  # fmt: skip
    if rel is not None:
        known = rows["rel_lift_high"].notna() | rows["rel_lift_low"].notna()
        inside = (rows["rel_lift_low"] <= rel) & ~(rows["rel_lift_high"] < rel)
        sheet.line("    relative lift (where it has bounds)", f"{inside[known].mean():.2%} of {known.sum()}", "",
                   passed=None)  # fmt: skip


def coverage(sheet: Sheet, runs: int) -> None:
    rng = np.random.default_rng(2)
    for n, p in (((300, 300), (0.1, 0.15)), ((10_000, 10_000), (0.003, 0.004)), ((300, 2700), (0.1, 0.1))):
        events = [rng.binomial(size, share, runs) for size, share in zip(n, p, strict=True)]
        sums = pd.concat(
            pd.DataFrame({"segment": range(runs), "arm": arm, "n": size, "sum_y": e, "sum_y_y": e})
            for arm, size, e in zip(("none", "mail"), n, events, strict=True)
        )
        made = ExperimentAggregates.from_sums(sums, segment="segment", arm="arm", outcomes="y")
        label = f"proportions {p[0]:g} and {p[1]:g}, {n[0]:,} and {n[1]:,} customers"
        cover(sheet, label, made, "y", p[1] - p[0], p[1] / p[0] - 1)

    def visits(rng: np.random.Generator, treated: np.ndarray, n: int) -> dict[str, np.ndarray]:
        x = rng.normal(size=n)
        return {"x": x, "y": (rng.random(n) < 0.12 + 0.05 * treated + 0.04 * np.sign(x)).astype(int)}

    table = world(runs, (300, 300), visits, 3)
    for adjust in ("lin", "cuped"):
        cover(sheet, f"proportions adjusted ({adjust})", table, "y", 0.05, 0.05 / 0.12, covariates=["x"], adjust=adjust)

    def spend(rng: np.random.Generator, treated: np.ndarray, n: int) -> dict[str, np.ndarray]:
        x = rng.gamma(2, 1, n)
        return {"x": x, "y": x * (2 + 0.5 * treated) + rng.gamma(1, 3, n), "d": rng.poisson(2, n) + 1}

    table = world(runs, (60, 60), spend, 4)
    for adjust in ("lin", "cuped"):
        cover(sheet, f"means adjusted, effect varies ({adjust}), 60 and 60", table, "y", 1.0, 1 / 7, covariates=["x"],
              adjust=adjust)  # fmt: skip
    cover(sheet, "means adjusted (lin, HC3)", table, "y", 1.0, 1 / 7, covariates=["x"], variance="hc3")
    cover(sheet, "ratio of means, 60 and 60", table, Outcome("y", per="d"), 1 / 3, 1 / 7)

    def money(rng: np.random.Generator, treated: np.ndarray, n: int) -> dict[str, np.ndarray]:
        return {"y": (rng.random(n) < 0.04) * rng.lognormal(4 + 0.2 * treated, 0.8, n)}

    def mean_of(mu: float) -> float:
        return 0.04 * float(np.exp(mu + 0.32))

    table = world(runs, (1000, 1000), money, 5)
    true, relative = mean_of(4.2) - mean_of(4), mean_of(4.2) / mean_of(4) - 1
    cover(sheet, "money, 40 buyers of 1,000 per arm", table, "y", true, relative)
    table = world(runs, (1000, 4000), money, 6)
    cover(sheet, "money, 40 buyers of 1,000 against 160 of 4,000", table, "y", true, relative)

    def stores(rng: np.random.Generator, treated: np.ndarray, n: int) -> dict[str, np.ndarray]:
        size, groups = 10, n // 10
        store, shared = np.repeat(np.arange(groups), size), np.repeat(rng.normal(0, 1, groups), size)
        return {"store": store, "y": shared + rng.normal(0, 2, n) + treated}

    table = world(runs, (100, 100), stores, 7)
    cover(sheet, "clusters, 10 of 10 customers per arm (CR2)", table, "y", 1.0, None, cluster="store")
    cover(sheet, "the same without cluster= (not judged)", table, "y", 1.0, None, judged=False)


def speed(sheet: Sheet, rows: int) -> None:
    import duckdb
    import polars as pl

    rng = np.random.default_rng(0)
    names = [f"y{i}" for i in range(5)]
    data = pl.DataFrame(
        {
            "segment": pl.Series([f"segment {i:02d}" for i in range(50)])[rng.integers(0, 50, rows)],
            "arm": pl.Series(["control", "treated"])[rng.integers(0, 2, rows)],
            **{
                name: (rng.random(rows) < 0.1).astype(float) if i < 2 else rng.lognormal(2, 1, rows)
                for i, name in enumerate(names)
            },
        }
    )
    squares = {name: f"{name}_squared" for name in names}
    plain = [pl.col(name).count().alias(f"n_{name}") for name in names] + [pl.col(name).sum() for name in names]

    def inside() -> Any:
        more = [(pl.col(name) * pl.col(name)).sum().alias(new) for name, new in squares.items()]
        return data.lazy().group_by("segment", "arm").agg(pl.len(), *plain, *more).collect()

    def before() -> Any:
        made = data.lazy().with_columns((pl.col(name) * pl.col(name)).alias(new) for name, new in squares.items())
        return (
            made.group_by("segment", "arm")
            .agg(pl.len(), *plain, *(pl.col(new).sum() for new in squares.values()))
            .collect()
        )

    connection = duckdb.connect()
    connection.register("arrow", data.to_arrow())
    connection.execute("create table data as select * from arrow")
    sums = ", ".join(f"count({name}), sum({name}), sum({name} * {name})" for name in names)

    def sql() -> Any:
        return connection.execute(f"select segment, arm, count(*), {sums} from data group by segment, arm").fetchall()  # noqa: S608

    def ours(source: Any) -> Any:
        return analyze_experiment(source, segment="segment", arm="arm", outcomes=names, control="control")

    for engine, bare, source in (
        ("polars", [inside, before], lambda: data),
        ("polars lazy", [inside, before], data.lazy),
        ("DuckDB", [sql], lambda: connection.table("data")),
    ):
        taken, *others = by_turns([lambda source=source: ours(source()), *bare])
        least = min(others)
        limit = "<= 1.5" if rows >= 10_000_000 else "(10 M rows: <= 1.5)"
        sheet.line(
            f"{engine}, {rows:,} rows: {taken:.2f} s, bare group-by {least:.2f} s", f"{taken / least:.2f} x", limit,
            passed=taken / least <= 1.5 if rows >= 10_000_000 else None,
        )  # fmt: skip
    peer(sheet, data, names)


def peer(sheet: Sheet, data: Any, names: list[str]) -> None:
    """The same means, intervals and p-values by statsmodels and tea-tasting, segment by segment."""
    from statsmodels.stats.api import CompareMeans

    table = data.to_pandas()

    def by_statsmodels() -> list[Any]:
        found = []
        for _, part in table.groupby("segment"):
            control = part["arm"] == "control"
            for name in names:
                both = CompareMeans.from_data(part.loc[~control, name], part.loc[control, name])
                found.append((both.ttest_ind(usevar="unequal"), both.tconfint_diff(usevar="unequal")))
        return found

    def ours() -> Any:
        return analyze_experiment(table, segment="segment", arm="arm", outcomes=names, control="control")

    def from_polars() -> Any:
        return analyze_experiment(data, segment="segment", arm="arm", outcomes=names, control="control")

    ways = {"statsmodels": by_statsmodels}
    try:
        import tea_tasting as tt
    except ImportError:
        print("tea-tasting is not installed: pip install tea-tasting")
    else:
        experiment = tt.Experiment({name: tt.Mean(name) for name in names}, variant="arm")

        def by_tea_tasting() -> Any:
            return [
                experiment.analyze(part, control="control") for part in data.partition_by("segment", include_key=False)
            ]

        ways["tea-tasting"] = by_tea_tasting
    pandas, polars, *slow = by_turns([ours, from_polars, *ways.values()], 2)
    enough = len(table) >= 10_000_000  # with fewer rows what is done once per comparison weighs more
    for name, taken in zip(ways, slow, strict=True):
        figure = f"{taken / polars:.1f} x, {taken / pandas:.1f} x"
        what = f"{name} {taken:.2f} s; here polars {polars:.2f} s, pandas {pandas:.2f} s"
        sheet.line(f"{len(table):,} rows, 50 segments: {what}", figure, ">= 10" if enough else "(10 M rows: >= 10)",
                   passed=taken / polars >= 10 if enough else None)  # fmt: skip


def best(run: Callable[[], Any], times: int = 3) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def by_turns(ways: list[Callable[[], Any]], times: int = 4) -> list[float]:
    """Best time of each, taken in turn, so that a busy moment of the machine hits all of them."""
    taken = [[best(way, 1) for way in ways] for _ in range(times)]
    return [min(column) for column in zip(*taken, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"shuffles": shuffles, "ratio": ratio, "coverage": coverage, "speed": speed}
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    sheet = Sheet()
    for name in chosen.only:
        print(f"\n{name}")
        runs = QUICK_RUNS if chosen.quick else FULL_RUNS
        start = time.perf_counter()
        parts[name](sheet, (1_000_000 if chosen.quick else 10_000_000) if name == "speed" else runs)
        print(f"({time.perf_counter() - start:.0f} s)")
    return int(sheet.missed)


if __name__ == "__main__":
    sys.exit(main())
