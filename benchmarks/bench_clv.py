"""Time, peak memory and likelihood of `CLVScorer`, beside bare lifetimes, which stands underneath.

    python benchmarks/bench_clv.py [--customers 2357 200000] [--models mbg_nbd bg_nbd pareto_nbd] [--repeat 3]

2,357 customers are the CDNOW sample, calibration to 1997-09-30; any other number is simulated: BG/NBD buyers, T
uniform over 30 to 730 days, in whole days, gamma-gamma spend. Every contender runs in a process of its own. Time is
processor time, the least of some runs, which other work on the machine disturbs least. Peak memory is the high-water
mark of the resident set above what was there before (Linux only).

fit: purchase and spend model. score: purchases in 365 days, P(alive), expected spend. discounted: the same and
the customer lifetime value at a discount (lifetimes in 12 steps of a month, ours in 53 of a week). Bare lifetimes is
called as its documentation shows, on all customers, with its own tolerances; where it does not converge it is given
the looser tolerance of 1e-4 that its users fall back on. Above 20,000 customers its Pareto/NBD takes minutes and is
left out unless --slow is given.

Quality: log-likelihood of the purchase and of the spend model at the parameters each found, by one formula. Exits
with status 1 if ours is lower by more than the limit.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import io
import multiprocessing
import re
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CDNOW_CUSTOMERS = 2357
LIMIT = 0.01
SLOW_ABOVE = 20_000
RATE = 0.1


def load_table(n: int) -> pd.DataFrame:
    if n == CDNOW_CUSTOMERS:
        from segmentation.datasets import load_cdnow
        from segmentation.features import btyd_table

        names = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
        return btyd_table(load_cdnow(), **names, observation_end="1997-09-30")
    rng = np.random.default_rng(n)
    T = np.floor(rng.uniform(30, 731, n))
    rate, leave = rng.gamma(0.5, 40.0, n) / 1000, rng.beta(0.8, 2.5, n)
    x, t_x, now = np.zeros(n), np.zeros(n), np.zeros(n)
    here = np.arange(n)
    while here.size:
        now[here] += rng.exponential(1 / rate[here])
        here = here[now[here] <= T[here]]
        x[here], t_x[here] = x[here] + 1, now[here]
        here = here[rng.random(here.size) >= leave[here]]
    t_x = np.where(x > 0, np.clip(np.floor(t_x), 1, T), 0.0)
    mean = rng.gamma(6 * np.maximum(x, 1)) / np.maximum(x, 1) / rng.gamma(4.0, 1 / 15.0, n)
    spend = np.where(x > 0, np.maximum(np.round(mean, 2), 0.01), 0.0)
    return pd.DataFrame({"frequency": x.astype(int), "recency": t_x, "T": T, "monetary_value": spend})


# --- contenders: fit, score, score with a discount -------------------------------------------------------------------


class Ours:
    def __init__(self, model: str) -> None:
        from segmentation.scorers import CLVScorer

        self.scorer, self.note = CLVScorer(model, time_unit="day"), ""

    def fit(self, table: pd.DataFrame) -> None:
        self.scorer.fit(table)

    def score(self, table: pd.DataFrame) -> Any:
        self.scorer.set_params(annual_discount_rate=0.0)
        return self.scorer.score_customers(table)["expected_purchases"].to_numpy()

    def discounted(self, table: pd.DataFrame) -> Any:
        self.scorer.set_params(annual_discount_rate=RATE)
        return self.scorer.score_customers(table)["clv"].to_numpy()

    def params(self) -> tuple[list[float], list[float]]:
        values = list(self.scorer.params_.values())
        return values[:4], values[4:]


class Bare:
    def __init__(self, model: str) -> None:
        import lifetimes

        fitters = {
            "bg_nbd": lifetimes.BetaGeoFitter,
            "mbg_nbd": lifetimes.ModifiedBetaGeoFitter,
            "pareto_nbd": lifetimes.ParetoNBDFitter,
        }
        self.purchases, self.spend, self.note = fitters[model](), lifetimes.GammaGammaFitter(), ""

    def fit(self, table: pd.DataFrame) -> None:
        buyers = table[table["frequency"] > 0]
        self._fit(self.purchases, table["frequency"], table["recency"], table["T"])
        self._fit(self.spend, buyers["frequency"], buyers["monetary_value"])

    def _fit(self, fitter: Any, *columns: Any) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # a failure prints the optimiser's state
            try:
                fitter.fit(*columns)
            except Exception as error:  # ConvergenceError, LinAlgError
                self.note = f"{type(fitter).__name__}: {type(error).__name__}, then fitted with tol=1e-4"
                fitter.fit(*columns, tol=1e-4)

    def score(self, table: pd.DataFrame) -> Any:
        history = table["frequency"], table["recency"], table["T"]
        self.purchases.conditional_probability_alive(*history)
        self.spend.conditional_expected_average_profit(table["frequency"], table["monetary_value"])
        return np.asarray(self.purchases.predict(365, *history))

    def discounted(self, table: pd.DataFrame) -> Any:
        self.score(table)
        columns = table["frequency"], table["recency"], table["T"], table["monetary_value"]
        monthly = (1 + RATE) ** (1 / 12) - 1
        return self.spend.customer_lifetime_value(self.purchases, *columns, time=12, discount_rate=monthly, freq="D")

    def params(self) -> tuple[list[float], list[float]]:
        names = ["p", "q", "v"]
        return [float(v) for v in self.purchases.params_], [float(self.spend.params_[name]) for name in names]


CONTENDERS: dict[str, Callable[[str], Any]] = {"lifetimes": Bare, "CLVScorer": Ours}


# --- measuring -------------------------------------------------------------------------------------------------------


def resident(field: str) -> float:
    """Return VmRSS or VmHWM of this process in MiB, NaN where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found.group(1)) / 1024 if found else float("nan")


def settle() -> float:
    """Give freed memory back, forget the peak, and return what is resident."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return resident("VmRSS")


def clock(function: Callable[[], Any], repeat: int) -> tuple[float, float, Any]:
    """Return the fastest processor time, the peak memory of the first run in MiB, and the result."""
    before = settle()
    start = time.process_time()
    result = function()
    seconds = [time.process_time() - start]
    peak = resident("VmHWM") - before
    while len(seconds) < repeat and seconds[0] < 30:
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds), peak, result


def measure(name: str, model: str, n: int, repeat: int, answers: Any) -> None:
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    np.random.seed(0)  # noqa: NPY002  (lifetimes starts its Pareto/NBD from it)
    table, small = load_table(n), load_table(3000)
    warm = CONTENDERS[name](model)  # imports are not what is measured
    warm.fit(small)
    warm.discounted(small)
    contender = CONTENDERS[name](model)
    row = {}
    row["fit s"], row["fit MiB"], _ = clock(lambda: contender.fit(table), repeat)
    row["score s"], row["score MiB"], purchases = clock(lambda: contender.score(table), repeat)
    row["discounted s"], row["discounted MiB"], value = clock(lambda: contender.discounted(table), repeat)
    answers.put((row, contender.params(), float(np.sum(purchases)), float(np.sum(value)), contender.note))


def in_own_process(*args: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(*args, answers))
    process.start()
    answer = answers.get(timeout=1800)
    process.join()
    return answer


def compare(model: str, n: int, repeat: int, slow: bool) -> bool:
    """Print the contenders beside each other; tell whether our likelihood is at least theirs."""
    from segmentation.clv._formulas import PURCHASE_MODELS, spend_log_likelihood

    columns = [f"{what} {unit}" for what in ("fit", "score", "discounted") for unit in ("s", "MiB")]
    source = "CDNOW" if n == CDNOW_CUSTOMERS else "simulated"
    title = f"{PURCHASE_MODELS[model].title}, {n:,} customers ({source})"
    print(f"\n{title:46}" + "".join(f"{c:>15} {'ratio':>6}" for c in columns), flush=True)
    names = list(CONTENDERS)
    if model == "pareto_nbd" and n > SLOW_ABOVE and not slow:
        names.remove("lifetimes")
    found = {}
    for name in names:
        found[name] = row, *_, note = in_own_process(name, model, n, repeat)
        reference = found[names[0]][0]
        print(f"{name:46}" + "".join(f"{row[c]:15.3f} {row[c] / reference[c]:6.2f}" for c in columns), note, flush=True)
    table = load_table(n)
    history = [table[c].to_numpy(float) for c in ("frequency", "recency", "T")]
    buyers = table[table["frequency"] > 0]
    spend = buyers["frequency"].to_numpy(float), buyers["monetary_value"].to_numpy(float)
    levels = {}
    for name, (_, (purchase_params, spend_params), purchases, value, _) in found.items():
        levels[name] = (
            float(PURCHASE_MODELS[model].log_likelihood(purchase_params, *history).sum()),
            float(spend_log_likelihood(spend_params, *spend).sum()),
        )
        print(
            f"{name:20} log-likelihood {levels[name][0]:18.4f}  of spend {levels[name][1]:16.4f}  "
            f"purchases in a year {purchases:14,.1f}  discounted value {value:16,.0f}"
        )
    if "lifetimes" not in levels:
        print("lifetimes left out (--slow measures it too)")
        return True
    gain = [ours - theirs for ours, theirs in zip(levels["CLVScorer"], levels["lifetimes"], strict=True)]
    good = min(gain) >= -LIMIT
    verdict = f"(limit -{LIMIT}) {'ok' if good else 'NOT OK'}"
    print(f"log-likelihood gained over lifetimes: {gain[0]:.4f}, of spend {gain[1]:.4f} {verdict}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[CDNOW_CUSTOMERS, 200_000])
    parser.add_argument("--models", nargs="+", default=["mbg_nbd", "bg_nbd", "pareto_nbd"])
    parser.add_argument("--repeat", type=int, default=3, help="runs for the clock; the fastest counts")
    parser.add_argument("--slow", action="store_true", help="lifetimes' Pareto/NBD however many customers")
    options = parser.parse_args()
    good = [compare(model, n, options.repeat, options.slow) for n in options.customers for model in options.models]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
