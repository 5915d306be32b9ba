"""Backtests of customer value on real orders, each measure beside forecasts that need no model.

    python benchmarks/bench_backtest.py [--models mbg_nbd bg_nbd pareto_nbd] [--resamples 1000] [--plots FOLDER]

CDNOW (shipped): calibration to 1997-09-30, 39 weeks of holdout. Online Retail II, where the folder named by
SEGMENTATION_DATA holds it: calibration to 2011-06-09, 183 days of holdout; without its doubled days and without lines
that are no goods, as in docs/online_retail.md. Prints the whole report of the first model, and for the others the
total and the best decile. Published for BG/NBD on CDNOW: 1,653 purchases expected where 1,882 happened. Exits with
status 1 if that total is off by more than the limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation.datasets import load_cdnow
from segmentation.scorers import CLVBacktest, CLVScorer, backtest_clv

PUBLISHED, LIMIT = 1653, 0.5
NOT_GOODS = ["POST", "DOT", "C2", "C3", "BANK CHARGES", "AMAZONFEE", "CRUK", "B", "S", "D", "M"]
NOT_GOODS += ["ADJUST", "ADJUST2", "TEST001", "TEST002"]


def cdnow() -> tuple[pd.DataFrame, dict[str, Any]]:
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    return load_cdnow(), {**columns, "calibration_end": "1997-09-30"}


def online_retail() -> tuple[pd.DataFrame, dict[str, Any]] | None:
    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = folder / "online_retail_ii" / "online_retail_ii_rebuilt.parquet"
    if not path.is_file():
        return None
    columns = ["Customer ID", "InvoiceDate", "StockCode", "Quantity", "Price", "sheet"]
    raw = pd.read_parquet(path, columns=columns)
    second = raw["sheet"] == "Year 2010-2011"
    lines = raw[second | (raw["InvoiceDate"] < raw.loc[second, "InvoiceDate"].min().normalize())]
    lines = lines[~lines["StockCode"].str.upper().isin(NOT_GOODS)]
    lines = lines.assign(amount=lines["Quantity"] * lines["Price"])
    columns = {"customer_id": "Customer ID", "timestamp": "InvoiceDate", "amount": "amount"}
    return lines, {**columns, "calibration_end": "2011-06-09"}


def short(result: CLVBacktest) -> str:
    purchases, value = result.figures("purchases"), result.figures("value")
    return (
        f"  {result.scorer.purchase_model:12s} purchases {purchases['predicted']:>9,.0f} (actual "
        f"{purchases['actual']:,.0f}), spend {value['predicted']:>12,.0f} (actual {value['actual']:,.0f}), best decile "
        f"{100 * purchases['best_decile']:.1f} % of the purchases, {100 * value['best_decile']:.1f} % of the spend"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mbg_nbd", "bg_nbd", "pareto_nbd"])
    parser.add_argument("--resamples", type=int, help="1,000 by default")
    parser.add_argument("--plots", type=Path, help="folder to draw the pictures into")
    options = parser.parse_args()
    failed = False
    for name, data in (("CDNOW", cdnow()), ("Online Retail II", online_retail())):
        print(f"\n== {name}\n")
        if data is None:
            print("not here: set SEGMENTATION_DATA")
            continue
        orders, settings = data
        for i, model in enumerate(options.models):
            start = time.process_time()
            result = backtest_clv(orders, CLVScorer(model), **settings, n_resamples=options.resamples)
            seconds = time.process_time() - start
            print(result if i == 0 else short(result))
            print(f"  {seconds:.1f} s of processor time for {model}\n")
            if options.plots is not None and i == 0:
                import matplotlib

                matplotlib.use("Agg")
                options.plots.mkdir(parents=True, exist_ok=True)
                result.plot().savefig(options.plots / f"backtest_{name.lower().replace(' ', '_')}.png", dpi=80)
            if name == "CDNOW" and model == "bg_nbd":
                total = result.figures("purchases")["predicted"]
                failed = abs(total - PUBLISHED) > LIMIT
                print(
                    f"  published {PUBLISHED:,}, computed {total:,.2f}, limit {LIMIT}: {'FAILED' if failed else 'ok'}\n"
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
