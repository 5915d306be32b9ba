"""Time, peak memory and likelihood of the native engine and of `CLVScorer`, beside lifetimes.

    python benchmarks/bench_clv.py [--cases bg-days bg-weeks mbg-days pareto cdnow] [--repeat 3] [--pymc]

Cases (T uniform over 30 to 730 days, BG/NBD buyers, gamma-gamma spend, in whole days unless said):

    bg-days   BG/NBD,     1,000,000 customers      fit: at least 10 times faster than lifetimes
    bg-weeks  BG/NBD,     1,000,000, whole weeks   fit: at least 60 times
    mbg-days  MBG/NBD,    1,000,000                (no limit)
    pareto    Pareto/NBD,    20,000                fit: at least 50 times
    cdnow     all three, CDNOW to 1997-09-30       (no limit)

In all: log-likelihood no worse than lifetimes' by more than 0.01; peak memory of fit and of scoring not above
lifetimes'; scoring all columns of 1,000,000 customers at least 5 times faster than lifetimes' predictions plus its
``customer_lifetime_value``. Exits with status 1 if a limit is not held.

fit: the purchase model alone, by its own class (``BetaGeoNBD().fit`` beside ``BetaGeoFitter().fit``); fit all: with
the spend model, ours as ``CLVScorer().fit`` with all its checks. score: purchases in 365 days, P(alive), expected spend
and customer lifetime value, discounted at 10 % a year (lifetimes in 12 steps of a month, ours in weeks). lifetimes is
called as its documentation shows; where it does not converge it is given the tolerance of 1e-4 that its users fall back
on.

Every contender runs in a process of its own, after a small run that is not measured. Time is processor time, the least
of some runs. Peak memory is the high-water mark of the resident set above what was there before (Linux only).
``--pymc`` adds the MAP fit of pymc-marketing on CDNOW, where it is installed.
"""

import argparse
import contextlib
import ctypes
import gc
import io
import multiprocessing
import os
import re
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

RATE = 0.1
LIKELIHOOD_LIMIT = 0.01
SCORING_LIMIT = 5.0
CDNOW = 2357
# name -> (model, customers, days per time unit, how many times faster fit has to be)
CASES = {
    "bg-days": ("bg_nbd", 1_000_000, 1, 10.0),
    "bg-weeks": ("bg_nbd", 1_000_000, 7, 60.0),
    "mbg-days": ("mbg_nbd", 1_000_000, 1, None),
    "pareto": ("pareto_nbd", 20_000, 1, 50.0),
    "cdnow": (None, CDNOW, 1, None),
}
MODELS = ("bg_nbd", "mbg_nbd", "pareto_nbd")


def load_table(n, unit=1):
    """Return a BTYD table of n customers, times in days, or in whole units of so many days."""
    if n == CDNOW:
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
    if unit > 1:
        t_x, T = np.ceil(t_x / unit), np.ceil(T / unit)
    return pd.DataFrame({"frequency": x.astype(int), "recency": t_x, "T": T, "monetary_value": spend})


# --- contenders ------------------------------------------------------------------------------------------------------


class Native:
    """Ours: the class for the fit, CLVScorer for all of the rest."""

    def __init__(self, model):
        from segmentation.clv import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD
        from segmentation.scorers import CLVScorer

        classes = {"bg_nbd": BetaGeoNBD, "mbg_nbd": ModifiedBetaGeoNBD, "pareto_nbd": ParetoNBD}
        self.make, self.note = classes[model], ""
        self.scorer = CLVScorer(model, time_unit="day", annual_discount_rate=RATE)

    def fit(self, table):
        self.purchases = self.make().fit(table["frequency"], table["recency"], table["T"])

    def fit_all(self, table):
        self.scorer.fit(table)

    def score(self, table):
        return self.scorer.score_customers(table)

    def params(self):
        return list(self.purchases.params_.values())


class Lifetimes:
    def __init__(self, model):
        import lifetimes

        fitters = {
            "bg_nbd": lifetimes.BetaGeoFitter,
            "mbg_nbd": lifetimes.ModifiedBetaGeoFitter,
            "pareto_nbd": lifetimes.ParetoNBDFitter,
        }
        self.make = fitters[model]
        self.purchases, self.spend, self.note = self.make(), lifetimes.GammaGammaFitter(), ""

    def fit(self, table):
        self._fit(self.purchases, table["frequency"], table["recency"], table["T"])

    def fit_all(self, table):
        self.fit(table)
        buyers = table[table["frequency"] > 0]
        self._fit(self.spend, buyers["frequency"], buyers["monetary_value"])

    def _fit(self, fitter, *columns):
        with contextlib.redirect_stdout(io.StringIO()):  # a failure prints the optimiser's state
            try:
                fitter.fit(*columns)
            except Exception as error:  # ConvergenceError, LinAlgError
                self.note = f"{type(fitter).__name__}: {type(error).__name__}, then fitted with tol=1e-4"
                fitter.fit(*columns, tol=1e-4)

    def score(self, table):
        history = table["frequency"], table["recency"], table["T"]
        monthly = (1 + RATE) ** (1 / 12) - 1
        return pd.DataFrame(
            {
                "clv": self.spend.customer_lifetime_value(
                    self.purchases, *history, table["monetary_value"], time=12, discount_rate=monthly, freq="D"
                ),
                "expected_purchases": self.purchases.predict(365, *history),
                "expected_value": self.spend.conditional_expected_average_profit(
                    table["frequency"], table["monetary_value"]
                ),
                "p_alive": self.purchases.conditional_probability_alive(*history),
            }
        )

    def params(self):
        return [float(v) for v in self.purchases.params_]


CONTENDERS = {"lifetimes": Lifetimes, "ours": Native}


# --- measuring -------------------------------------------------------------------------------------------------------


def resident(field):
    """Return VmRSS or VmHWM of this process in MiB, NaN where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found.group(1)) / 1024 if found else float("nan")


def settle():
    """Give freed memory back, forget the peak, and return what is resident."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return resident("VmRSS")


def clock(function, repeat):
    """Return the least processor time, the peak memory of the first run in MiB, and the result."""
    before = settle()
    start = time.process_time()
    result = function()
    seconds = [time.process_time() - start]
    peak = resident("VmHWM") - before
    while len(seconds) < repeat and seconds[0] < 20:
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds), peak, result


def measure(name, model, n, unit, repeat, answers):
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    np.random.seed(0)  # noqa: NPY002  (lifetimes starts its Pareto/NBD from it)
    table, small = load_table(n, unit), load_table(3000, unit)
    warm = CONTENDERS[name](model)  # imports are not what is measured
    warm.fit(small)
    warm.fit_all(small)
    warm.score(small)
    contender = CONTENDERS[name](model)
    row = {}
    row["fit s"], row["fit MiB"], _ = clock(lambda: contender.fit(table), repeat)
    params = contender.params()
    row["fit all s"], row["fit all MiB"], _ = clock(lambda: contender.fit_all(table), repeat)
    row["score s"], row["score MiB"], scores = clock(lambda: contender.score(table), repeat)
    answers.put((row, params, scores.sum().to_dict(), contender.note))


def in_own_process(*args):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(*args, answers))
    process.start()
    answer = answers.get(timeout=1800)
    process.join()
    return answer


def compare(model, n, unit, faster, repeat):
    """Print the contenders beside each other; tell whether the limits are held."""
    from segmentation.clv import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD

    cls = {"bg_nbd": BetaGeoNBD, "mbg_nbd": ModifiedBetaGeoNBD, "pareto_nbd": ParetoNBD}[model]
    found = {name: in_own_process(name, model, n, unit, repeat) for name in CONTENDERS}
    source = "CDNOW" if n == CDNOW else f"simulated, in {'days' if unit == 1 else 'weeks'}"
    table = pd.DataFrame({name: row for name, (row, *_) in found.items()}).T
    table.loc["lifetimes / ours"] = table.loc["lifetimes"] / table.loc["ours"]
    print(f"\n{cls.title}, {n:,} customers ({source})\n{table.round(3).to_string()}")
    data = load_table(n, unit)
    history = [data[c].to_numpy(float) for c in ("frequency", "recency", "T")]
    level = {
        name: cls.from_params(*params).log_likelihood(*history) if min(params) > 0 else -np.inf
        for name, (_, params, _, _) in found.items()
    }
    for name, (_, params, scores, note) in found.items():
        shown = ", ".join(f"{v:.4g}" for v in params)
        totals = ", ".join(f"{k} {v:,.0f}" for k, v in scores.items())
        print(f"{name:10} log-likelihood {level[name]:.4f} at ({shown}); totals: {totals} {note}")
    gain = level["ours"] - level["lifetimes"]
    ratio = table.loc["lifetimes / ours"]
    checks = {f"log-likelihood gained {gain:.4f} (at least -{LIKELIHOOD_LIMIT})": gain >= -LIKELIHOOD_LIMIT}
    if faster is not None:
        checks[f"fit {ratio['fit s']:.1f} times faster (at least {faster:.0f})"] = ratio["fit s"] >= faster
    if n >= 1_000_000:
        checks[f"scoring {ratio['score s']:.1f} times faster (at least {SCORING_LIMIT:.0f})"] = (
            ratio["score s"] >= SCORING_LIMIT
        )
        for what in ("fit", "score"):
            checks[f"memory of {what}: lifetimes / ours {ratio[f'{what} MiB']:.2f} (at least 1)"] = (
                ratio[f"{what} MiB"] >= 1
            )
    for text, good in checks.items():
        print(f"  {'ok    ' if good else 'NOT OK'} {text}")
    return all(checks.values())


def pymc():
    """Fit the MAP of pymc-marketing to CDNOW, in weeks."""
    try:
        from pymc_marketing.clv import BetaGeoModel
    except ImportError:
        print("\npymc-marketing is not installed: left out")
        return
    from segmentation.clv import BetaGeoNBD

    table = load_table(CDNOW)
    data = pd.DataFrame(
        {
            "customer_id": table.index,
            "frequency": table["frequency"].to_numpy(float),
            "recency": table["recency"].to_numpy() / 7,
            "T": table["T"].to_numpy() / 7,
        }
    )
    warnings.simplefilter("ignore")
    history = [data[c].to_numpy() for c in ("frequency", "recency", "T")]
    seconds = []
    for _ in range(3):  # the first run compiles
        start = time.perf_counter()
        model = BetaGeoModel(data=data)
        model.fit(method="map", progressbar=False)
        seconds.append(time.perf_counter() - start)
    posterior = model.idata.posterior
    params = [float(posterior[name].to_numpy().ravel()[0]) for name in ("r", "alpha", "a", "b")]
    ours, times = None, []
    for _ in range(3):
        start = time.perf_counter()
        ours = BetaGeoNBD().fit(*history)
        times.append(time.perf_counter() - start)
    print(
        f"\nBG/NBD on CDNOW, pymc-marketing MAP with its default priors: {min(seconds):.2f} s, ours {min(times):.4f} s"
    )
    theirs = BetaGeoNBD.from_params(*params).log_likelihood(*history)
    print(f"log-likelihood {theirs:.3f}, ours {ours.log_likelihood_:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeat", type=int, default=3, help="runs for the clock; the fastest counts")
    parser.add_argument("--pymc", action="store_true", help="the MAP fit of pymc-marketing too")
    options = parser.parse_args()
    good = []
    for case in options.cases:
        model, n, unit, faster = CASES[case]
        good += [compare(one, n, unit, faster, options.repeat) for one in (MODELS if model is None else [model])]
    if options.pymc:
        pymc()
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
