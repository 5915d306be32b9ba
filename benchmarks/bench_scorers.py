"""Propensity, engagement and advocacy at full size, each figure beside its limit.

    python benchmarks/bench_scorers.py [propensity] [engagement] [advocacy]

propensity: calibration slope out of fold on both files of bank_marketing without the duration of the call (which is
known only after the outcome), for several classifiers, calibrated and raw. Needs the folder of real data named by
SEGMENTATION_DATA. engagement: 1,000,000 events, time and largest difference, beside bare pandas and polars.
advocacy: root mean squared error on simulated answers with known truth, as a ratio of ours to what people do.
Exits with status 1 if a figure is outside its limit.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DATA = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def propensity() -> list[str]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    from segmentation.exceptions import FitDiagnosisWarning
    from segmentation.scorers import PropensityScorer

    failed = []
    classifiers: dict[str, Any] = {
        "default": None,
        "LogisticRegression": LogisticRegression(max_iter=1000),
        "GaussianNB": GaussianNB(),
        "RandomForest(20)": RandomForestClassifier(20, max_depth=12),
    }
    print(
        f"{'file':22}{'classifier':20}{'calibration':12}{'slope (90 %)':>22}"
        f"{'Brier':>8}{'log loss':>9}{'AUC':>7}{'s':>7}"
    )
    for file in ("bank_full", "bank_additional_full"):
        path = DATA / "bank_marketing" / f"{file}.parquet"
        if not path.is_file():
            print("bank_marketing is not here: set SEGMENTATION_DATA")
            return []
        table = pd.read_parquet(path).drop(columns="duration")
        y = table.pop("y")
        for name, classifier in classifiers.items():
            for calibration in ("sigmoid", None) if name == "RandomForest(20)" else ("sigmoid", "isotonic", None):
                model = PropensityScorer(classifier, calibration=calibration, positive="yes", random_state=0)
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FitDiagnosisWarning)
                    model.fit(table, y)
                seconds = time.perf_counter() - start
                slope, low, high = model.performance_.loc["calibration_slope"]
                print(
                    f"{file:22}{name:20}{calibration!s:12}{slope:8.3f} ({low:.3f}, {high:.3f}){model.brier_:8.4f}"
                    f"{model.log_loss_:9.4f}{model.roc_auc_:7.3f}{seconds:7.1f}",
                    flush=True,
                )
                if name == "default" and calibration == "sigmoid" and not 0.9 <= slope <= 1.1:
                    failed.append(f"{file}: slope {slope:.3f} outside 0.9 to 1.1")
    return failed


def engagement(n_events: int = 1_000_000) -> list[str]:
    import polars as pl

    from segmentation.features import engagement_table

    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "customer": rng.zipf(1.3, n_events) % (n_events // 20),
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365 * 86_400, n_events), unit="s"),
            "type": rng.choice(["view", "search", "cart", "wishlist", "help"], n_events),
        }
    )
    columns = {"customer_id": "customer", "timestamp": "time", "event_type": "type"}

    def bare() -> pd.DataFrame:
        day = events["time"].dt.normalize()
        weight = 0.5 ** ((day.max() - day).dt.days / 30)
        return weight.groupby([events["customer"], events["type"]]).sum().unstack(fill_value=0.0)  # noqa: PD010

    polars_events = pl.from_pandas(events)
    contenders = {
        "bare pandas, no checks": bare,
        "engagement_table, pandas": lambda: engagement_table(events, **columns),
        "engagement_table, polars": lambda: engagement_table(polars_events, **columns),
    }
    times, results = {}, {}
    for name, run in contenders.items():
        each = []
        for _ in range(3):
            start = time.perf_counter()
            results[name] = run()
            each.append(time.perf_counter() - start)
        times[name] = min(each)
    expected = results["bare pandas, no checks"]
    failed = []
    for name, table in results.items():
        difference = float(np.abs(table[expected.columns] - expected).max().max())
        ratio = times[name] / times["bare pandas, no checks"]
        print(
            f"{name:28}{times[name]:7.2f} s, {ratio:.2f} times bare; largest difference {difference:.1e} (limit 1e-8)"
        )
        if difference > 1e-8:
            failed.append(f"{name}: differs by {difference:.1e}")
    shuffled = engagement_table(events.sample(frac=1, random_state=0), **columns)
    same = bool((shuffled == results["engagement_table, pandas"]).all(axis=None))
    print(f"shuffled events give the same table to the bit: {same}")
    return failed if same else [*failed, "the order of events changes the table"]


def advocacy(n_runs: int = 200, n_customers: int = 2000) -> list[str]:
    from segmentation.scorers import AdvocacyScorer

    worlds = {
        "3 asked, 40 % answer": (3, 0.4, 1.0),
        "2 asked, 15 % answer": (2, 0.15, 1.0),
        "5 asked, 80 % answer": (5, 0.8, 1.0),
        "customers hardly differ": (3, 0.4, 0.1),
    }
    failed = []
    print(
        f"{'world':28}{'to raw, mean filled':>22}{'to population mean':>22}"
        f"{'to segment mean':>18}{'to best linear':>18}"
    )
    for name, (asked, response, between) in worlds.items():
        ratios = np.array(
            [_advocacy_run(AdvocacyScorer, seed, n_customers, asked, response, between) for seed in range(n_runs)]
        )
        mean = ratios.mean(axis=0)
        print(
            f"{name:28}{mean[0]:22.3f}{mean[1]:22.3f}{mean[2]:18.3f}{mean[3]:18.3f}"
            f"  worst {ratios[:, :2].max():.3f} (limit 1)"
        )
        if ratios[:, :2].max() >= 1:
            failed.append(f"{name}: shrinkage did not reduce the error")
    return failed


def _advocacy_run(scorer: Any, seed: int, n: int, asked: int, response: float, between: float) -> list[float]:
    rng = np.random.default_rng(seed)
    within = 1.7
    segment = rng.choice(5, n, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    truth = np.array([6.0, 6.5, 7.0, 7.5, 5.5])[segment] + np.sqrt(between) * rng.standard_normal(n)
    answers = truth[:, None] + np.sqrt(within) * rng.standard_normal((n, asked))
    answers = np.clip(np.round(answers), 0, 10)  # what a questionnaire keeps of it
    answers[rng.random((n, asked)) > response] = np.nan
    names = [f"nps_{i}" for i in range(asked)]
    table = pd.DataFrame(answers, columns=names).assign(segment=segment)
    model = scorer(names, segment="segment")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimate = model.fit(table).score_customers(table)["answer_expected"]
    own = table[names].mean(axis=1)
    n_answers = table[names].notna().sum(axis=1)
    k = (within + 1 / 12) / between
    rivals = [own.fillna(own.mean()), np.full(n, own.mean()), table["segment"].map(own.groupby(segment).mean())]
    best = np.sqrt(np.mean(between * k / (k + n_answers)))
    errors = [np.sqrt(np.mean((one - truth) ** 2)) for one in [estimate, *rivals]]
    return [errors[0] / one for one in [*errors[1:], best]]


def main() -> None:
    parts = {"propensity": propensity, "engagement": engagement, "advocacy": advocacy}
    chosen = sys.argv[1:] or list(parts)
    failed = []
    for name in chosen:
        print(f"\n{name}")
        failed += parts[name]()
    for one in failed:
        print("FAILED", one)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
