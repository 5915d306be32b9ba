"""Coverage of the intervals of segment totals: simulated markets, what really happened, and how often it was inside.

    python benchmarks/bench_clv_coverage.py [--markets 300] [--customers 2000] [--draws 400] [--first-seed 0]

Each market is cut into five segments by what is known at the end of the observation (how often and how recently
somebody bought). `CLVScorer` is fitted to the past; the 90 % intervals of the value and the share of each segment over
the next 365 days come from its draws, aggregated within each draw. Beside them: plug-in intervals, which take the
fitted parameters for the truth and draw customers only. The second world breaks the assumptions of the models.

Limits: pooled over segments 86 to 94 %, each segment 83 to 97 % (specified world only).
"""

import argparse
import os
import sys
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import segmentation as sg
from segmentation.datasets import make_market
from segmentation.exceptions import FitDiagnosisWarning
from segmentation.features import btyd_table
from segmentation.scorers import CLVScorer

LEVEL = 0.9
POOLED, EACH = (0.86, 0.94), (0.83, 0.97)
SEGMENTS = ["once, early", "once, lately", "lapsed", "regular", "frequent"]


def segments_of(purchases):
    """Cut customers by what is known of them: frequency and the time since the last purchase."""
    frequency, silence = purchases["frequency"], purchases["T"] - purchases["recency"]
    repeat = frequency > 0
    often = repeat & (frequency >= max(frequency[repeat].quantile(0.75), 2)) & (silence <= 180)
    names = np.select(
        [~repeat & (silence > 365), ~repeat, silence > 180, often], [*SEGMENTS[:3], SEGMENTS[4]], SEGMENTS[3]
    )
    return pd.Series(pd.Categorical(names, categories=SEGMENTS), index=purchases.index, name="segment")


def plug_in_draws(scorer, purchases, codes, n_draws, rng):
    """Totals with the fitted parameters taken for the truth."""
    history = [purchases[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    spend = purchases["monetary_value"].to_numpy(dtype=float)
    totals = np.empty((n_draws, len(SEGMENTS)))
    for i in range(n_draws):
        bought = scorer.purchase_model_.simulate_purchases(scorer.horizon_days, *history, rng)
        value = scorer.spend_model_.simulate_spend(bought, history[0], spend, rng)
        totals[i] = np.bincount(codes, value, len(SEGMENTS))
    return totals


def inside(draws, actual):
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return (low <= actual) & (actual <= high)


def one_market(seed, n_customers, n_draws, *, misspecified, purchase_model):
    market = make_market(n_customers, seed, misspecified=misspecified)
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    purchases = btyd_table(market.orders, **columns, observation_end=market.observation_end)
    future = market.future_orders.groupby("customer_id")["amount"].sum().reindex(purchases.index, fill_value=0.0)
    segment = segments_of(purchases)
    codes = segment.cat.codes.to_numpy()
    actual = np.bincount(codes, future.to_numpy(), len(SEGMENTS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        scorer = CLVScorer(purchase_model, horizon_days=365).fit(purchases)
    draws = sg.sample_segments(scorer, purchases, segment, n_draws=n_draws, random_state=seed).to_numpy()
    plug_in = plug_in_draws(scorer, purchases, codes, n_draws, np.random.default_rng(seed))
    whole = draws.sum(axis=1)
    return {
        "draws": inside(draws, actual),
        "plug_in": inside(plug_in, actual),
        "share": inside(draws / whole[:, None], actual / actual.sum()),
        "total": inside(whole[:, None], actual.sum())[0],
        "width": np.diff(np.quantile(draws, [0.05, 0.95], axis=0), axis=0)[0] / np.maximum(actual, 1.0),
        "ratio": draws.mean(axis=0).sum() / actual.sum(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=300)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--model", default="mbg_nbd")
    arguments = parser.parse_args()
    failed = False
    for misspecified in (False, True):
        start = time.perf_counter()
        results = [
            one_market(
                arguments.first_seed + i,
                arguments.customers,
                arguments.draws,
                misspecified=misspecified,
                purchase_model=arguments.model,
            )
            for i in range(arguments.markets)
        ]
        table = pd.DataFrame(
            {
                "interval": np.mean([r["draws"] for r in results], axis=0),
                "plug-in": np.mean([r["plug_in"] for r in results], axis=0),
                "of the share": np.mean([r["share"] for r in results], axis=0),
                "width / actual": np.median([r["width"] for r in results], axis=0),
            },
            index=SEGMENTS,
        )
        table.loc["pooled"] = [*table.iloc[:, :3].mean(), np.nan]
        world = "misspecified (no limit)" if misspecified else "as the models assume"
        print(f"\n{arguments.markets} markets of {arguments.customers:,} customers, {world}; {arguments.model}")
        print(table.round(3).to_string(na_rep=""))
        print(f"total of all segments inside: {np.mean([r['total'] for r in results]):.3f}")
        print(f"predicted / actual total: {np.mean([r['ratio'] for r in results]):.3f}")
        print(f"{(time.perf_counter() - start) / arguments.markets:.2f} s per market")
        if not misspecified:
            # in a smaller run the limits widen by its own Monte Carlo error
            slack = 0.0 if arguments.markets >= 300 else 2.6 * np.sqrt(0.09 / arguments.markets)
            pooled, each = table.loc["pooled", "interval"], table["interval"].iloc[:-1]
            good = POOLED[0] - slack <= pooled <= POOLED[1] + slack
            good &= bool(each.between(EACH[0] - slack, EACH[1] + slack).all())
            print(f"limits {POOLED} pooled, {EACH} each: {'held' if good else 'NOT HELD'}")
            failed |= not good
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
