"""What `make_market` costs, and whether its truth is what happens.

    python benchmarks/bench_market.py [--customers 100000] [--markets 20] [--recovery 20000]

Prints, each figure beside its limit where there is one:

* time and additional peak memory of one market of each kind, each in a process of its own;
* over many markets, how far realised orders and values are from their expectation (standard errors; their mean and
  spread must be near 0 and 1), and the accuracy of the exact posterior of the survey;
* how much of the hidden segments each table gives away, and what `CLVScorer` makes of the orders.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import numpy as np
import pandas as pd

SECONDS, MEBIBYTES = 10.0, 1024.0

ONE_MARKET = """
import resource, sys, time
from segmentation.datasets import make_market
make_market(10, random_state=0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), time.process_time()
market = make_market(int(sys.argv[1]), random_state=0, misspecified=sys.argv[2] == "True")
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
held = sum(table.memory_usage(deep=True).sum() for table in market.to_dict().values()) / 2**20
print(wall, cpu, peak, held, len(market.orders) / market.n_customers)
"""


def cost(n_customers: int) -> None:
    print(f"One market of {n_customers:,} customers")
    for misspecified in (False, True):
        command = [sys.executable, "-c", ONE_MARKET, str(n_customers), str(misspecified)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        wall, cpu, peak, held, orders = map(float, done.stdout.split())
        print(
            f"  misspecified={misspecified!s:5}"
            f"  {wall:.1f} s (cpu {cpu:.1f} s; limit {SECONDS * n_customers / 1e5:.0f} s)"
            f"  peak +{peak:.0f} MiB (limit {MEBIBYTES * n_customers / 1e5:.0f}), tables {held:.0f} MiB"
            f"  orders per customer {orders:.2f} (limit 10)"
        )


def z_of_mean(differences: np.ndarray) -> float:
    return float(differences.mean() / (differences.std() / np.sqrt(differences.size)))


def quality(n_markets: int, n_customers: int = 20_000) -> None:
    from segmentation.datasets import make_market

    print(f"{n_markets} markets of {n_customers:,} customers")
    for misspecified in (False, True):
        purchases, values, accuracy = [], [], []
        for seed in range(n_markets):
            market = make_market(n_customers, random_state=1_000 + seed, misspecified=misspecified)
            truth = market.truth
            future = market.future_orders.groupby("customer_id")["amount"].agg(["size", "sum"])
            future = future.reindex(truth.index, fill_value=0)
            purchases.append(z_of_mean((future["size"] - truth["expected_purchases"]).to_numpy()))
            values.append(z_of_mean((future["sum"] - truth["clv"]).to_numpy()))
            answered = truth.loc[market.survey.index]
            best = answered.filter(like="posterior_").idxmax(axis=1).str.removeprefix("posterior_")
            accuracy.append((best == answered["segment"].astype(str)).mean())
        for name, z in (("orders", purchases), ("value", values)):
            limit = 2.58 / np.sqrt(n_markets)
            print(
                f"  misspecified={misspecified!s:5}  realised less expected {name:6}  mean z {np.mean(z):+.2f}"
                f" (limit +-{limit:.2f})  sd of z {np.std(z):.2f} (near 1)"
            )
        print(
            f"  misspecified={misspecified!s:5}  survey, Bayes classifier: {np.mean(accuracy):.3f} right (.75 to .90)"
        )


def recovery(n_customers: int) -> None:
    from segmentation import features
    from segmentation.datasets import make_market

    market = make_market(n_customers, random_state=0)
    segment = market.truth["segment"].astype(str)
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    behaviour = features.rfm_table(market.orders, **columns).reindex(segment.index)
    clicks = pd.crosstab(market.events["customer_id"], market.events["type"])
    clicks = clicks.reindex(segment.index, fill_value=0)
    profiles = pd.get_dummies(market.profiles, dtype=float)
    answered = market.survey.index
    everything = profiles.join(behaviour).join(clicks).loc[answered].join(market.survey)
    print(f"Segment named rightly, {n_customers:,} customers, gradient boosting, three-fold cross-validation")
    print(f"  largest segment for everybody     {segment.value_counts(normalize=True).max():.3f}")
    for name, table in (
        ("profiles", profiles),
        ("recency, number, total of orders", behaviour),
        ("web events by type", clicks),
        ("survey (respondents)", market.survey),
        ("all of these (respondents)", everything),
    ):
        print(f"  {name:33} {accuracy_of(table, segment.loc[table.index]):.3f}")


def accuracy_of(table: pd.DataFrame, segment: pd.Series) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_score

    return float(cross_val_score(HistGradientBoostingClassifier(max_iter=100), table, segment, cv=3).mean())


def customer_value(n_customers: int) -> None:
    import segmentation as sg
    from segmentation import features
    from segmentation.datasets import make_market
    from segmentation.scorers import CLVScorer

    print(f"CLVScorer with its defaults, {n_customers:,} customers, total over 365 days")
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    for misspecified in (False, True):
        market = make_market(n_customers, random_state=0, misspecified=misspecified)
        table = features.btyd_table(market.orders, **columns, observation_end=market.observation_end)
        scores = sg.score_customers(CLVScorer(horizon_days=365).fit(table), table)["clv"]
        truth = market.truth["clv"]
        print(
            f"  misspecified={misspecified!s:5}  predicted / true {scores.sum() / truth.sum():.3f}"
            f"  realised / true {market.future_orders['amount'].sum() / truth.sum():.3f}"
            f"  rank correlation with the truth {scores.corr(truth.reindex(scores.index), method='spearman'):.3f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000, help="size of the market that is timed")
    parser.add_argument("--markets", type=int, default=20, help="markets over which the truth is compared")
    parser.add_argument("--recovery", type=int, default=20_000, help="size of the market that is segmented and scored")
    arguments = parser.parse_args()
    cost(arguments.customers)
    quality(arguments.markets)
    recovery(arguments.recovery)
    customer_value(arguments.recovery)
