"""Whether the purchase and spend models survive data that break them elsewhere.

    python benchmarks/bench_clv_robustness.py [--repeats 16] [--no-lifetimes] [--families NAME ...]

Data sets of 20 families (one customer, no repeaters, 10,000 purchases per customer, seconds as unit, ...), `--repeats`
of each, are fitted by every model and by `CLVScorer`, with every warning turned into an error. A run survives if
nothing is raised but a `FitError` where there is nothing to learn, every output is finite, and predictions make sense:
probabilities between 0 and 1, purchases that grow with the horizon and stay within ten times what the customer or the
population ever did, quantiles in order, a diagnosis that names each parameter that the data leave open.

Printed beside each other: the share of data sets that ours and lifetimes' fitters survive (lifetimes with its
defaults; only that it raises nothing and that fit and predictions are finite), and the times of our fits. Exits with
status 1 if one of ours fails.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segmentation.clv import BetaGeoCNBD, BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD
from segmentation.exceptions import FitDiagnosisWarning, FitError
from segmentation.scorers import CLVScorer

DAY_SECONDS = 86_400.0
# A prediction this many times what was ever seen is not sensible.
GENEROUS = 10.0
# Customers whose next purchase is dated, which takes the longest.
SOME = 25


class Data(NamedTuple):
    """Purchase histories; times in any unit."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    spend: np.ndarray
    logs: np.ndarray

    def in_unit(self, factor: float) -> Data:
        return Data(self.x, self.t_x * factor, self.T * factor, self.spend, self.logs + self.x * np.log(factor))

    def only(self, chosen: np.ndarray) -> Data:
        return Data(*(column[chosen] for column in self))

    def table(self) -> pd.DataFrame:
        columns = dict(zip(("frequency", "recency", "T", "monetary_value", "sum_log_intervals"), self, strict=True))
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.x), name="customer_id"))


def from_times(times: list[np.ndarray], T: np.ndarray, rng: np.random.Generator) -> Data:
    """Histories of customers from the times of their repeat purchases, with spend that varies between them."""
    x = np.array([len(t) for t in times], dtype=float)
    t_x = np.array([t[-1] if len(t) else 0.0 for t in times])
    logs = np.array([np.log(np.diff(t, prepend=0.0)).sum() for t in times])
    own = 4.0 * rng.gamma(4.0, 10.0) / rng.gamma(4.0, size=len(x))
    spend = np.where(x > 0, own * rng.gamma(4.0 * np.maximum(x, 1)) / (4.0 * np.maximum(x, 1)), 0.0)
    return Data(x, t_x, np.asarray(T, dtype=float), spend, logs)


def buyers(
    rng: np.random.Generator,
    n: int,
    *,
    T: Any = None,
    r: float = 0.6,
    mean_rate: float = 0.03,
    a: float = 0.7,
    b: float = 2.0,
    grid: float = 0.0,
) -> Data:
    """Ordinary customers: MBG/NBD, T between 30 and 700 days; on a grid of days where one is given."""
    T = np.broadcast_to(rng.uniform(30, 700, n) if T is None else T, (n,)).astype(float)
    if grid:
        T = np.ceil(T / grid) * grid
    rates = np.maximum(rng.gamma(r, mean_rate / r, n), 1e-6)
    leaving = np.clip(rng.beta(a, b, n), 1e-6, 1.0) if a > 0 else np.full(n, 1e-12)
    times = []
    for rate, leave, end in zip(rates, leaving, T, strict=True):
        at_most = rng.geometric(leave) - 1
        waits = rng.exponential(1 / rate, min(at_most, int(3 * rate * end + 20)))
        days = np.cumsum(waits)
        if grid:
            days = np.unique(np.ceil(days / grid) * grid)
        times.append(days[days <= end])
    return from_times(times, T, rng)


def poisson(rng: np.random.Generator, n: int, rate: float, T: np.ndarray) -> Data:
    times = [np.sort(rng.uniform(0, end, rng.poisson(rate * end))) for end in T]
    return from_times(times, T, rng)


def size(rng: np.random.Generator) -> int:
    return int(rng.choice([20, 60, 200, 400]))


def one_customer(rng: np.random.Generator) -> Data:
    T = rng.uniform(5, 700, 1)
    return from_times([np.sort(rng.uniform(0, T[0], int(rng.choice([1, 2, 5, 50]))))], T, rng)


def no_repeaters(rng: np.random.Generator) -> Data:
    n = size(rng)
    return from_times([np.zeros(0)] * n, rng.uniform(0, 700, n), rng)


def all_repeaters(rng: np.random.Generator) -> Data:
    data = buyers(rng, size(rng), T=rng.uniform(100, 700), a=rng.uniform(0.1, 2))
    return data.only(data.x > 0) if data.x.any() else one_customer(rng)


def homogeneous(rng: np.random.Generator) -> Data:
    n = size(rng)
    return poisson(rng, n, np.exp(rng.uniform(-5, 0)), rng.uniform(50, 300, n))


def ten_thousand(rng: np.random.Generator) -> Data:
    """A few customers with about 10,000 purchases, alone or among ordinary ones."""
    n = int(rng.integers(1, 6))
    T = rng.uniform(300, 700, n)
    heavy = poisson(rng, n, 1.0, T)
    times = [np.sort(rng.uniform(0, end, rng.poisson(10_000))) for end in T]
    heavy = from_times(times, T, rng)
    return heavy if rng.random() < 0.3 else join(heavy, buyers(rng, size(rng)))


def join(*parts: Data) -> Data:
    return Data(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def seconds(rng: np.random.Generator) -> Data:
    return buyers(rng, size(rng)).in_unit(DAY_SECONDS)


def years(rng: np.random.Generator) -> Data:
    return buyers(rng, size(rng)).in_unit(1 / 365.25)


def same_length(rng: np.random.Generator) -> Data:
    return buyers(rng, size(rng), T=rng.uniform(30, 700), grid=rng.choice([0.0, 1.0]))


def tiny(rng: np.random.Generator) -> Data:
    return buyers(rng, int(rng.integers(2, 11)), mean_rate=np.exp(rng.uniform(-5, -1)), a=rng.uniform(0.1, 2))


def constant_spend(rng: np.random.Generator) -> Data:
    data = buyers(rng, size(rng))
    return data._replace(spend=np.where(data.x > 0, np.exp(rng.uniform(-3, 8)), 0.0))


def growing_spend(rng: np.random.Generator) -> Data:
    data = buyers(rng, size(rng))
    return data._replace(spend=np.where(data.x > 0, 5 * data.x ** rng.uniform(0.3, 3), 0.0))


def heavy_tailed_spend(rng: np.random.Generator) -> Data:
    data = buyers(rng, size(rng))
    amounts = np.minimum(rng.pareto(rng.uniform(0.3, 1.5), len(data.x)), 1e12) + 0.01
    return data._replace(spend=np.where(data.x > 0, amounts, 0.0))


def giant(rng: np.random.Generator) -> Data:
    count = int(np.exp(rng.uniform(5, 11)))
    one = from_times([np.sort(rng.uniform(0, 700, count))], np.array([700.0]), rng)
    one.spend[:] *= np.exp(rng.uniform(0, 10))
    return join(one, buyers(rng, size(rng)))


def leave_at_once(rng: np.random.Generator) -> Data:
    """Everybody buys a few times in the first days, then never again."""
    n = size(rng)
    most = int(rng.choice([1, 1, 3, 10]))
    times = [np.sort(rng.uniform(0, rng.uniform(0.5, 3), rng.integers(rng.integers(0, 2), most + 1))) for _ in range(n)]
    if not any(len(t) for t in times):
        times[0] = np.array([1.0])
    return from_times(times, rng.uniform(200, 700, n), rng)


def nobody_leaves(rng: np.random.Generator) -> Data:
    return buyers(rng, size(rng), r=rng.uniform(0.3, 5), a=0.0)


def bought_at_the_end(rng: np.random.Generator) -> Data:
    """The last purchase on the last day, for all."""
    data = buyers(rng, size(rng), r=2.0)
    times = [np.sort(np.append(rng.uniform(0, T, rng.integers(0, 4)), T)) for T in data.T]
    return from_times(times, data.T, rng)


def huge_counts(rng: np.random.Generator) -> Data:
    n = int(rng.integers(3, 60))
    T = rng.uniform(100, 700, n)
    x = np.floor(np.exp(rng.uniform(8, 15, n)))
    t_x = T * rng.uniform(0.2, 1, n) ** (1 / 8)
    spend = rng.gamma(5, 8, n)
    return Data(x, t_x, T, spend, x * np.log(t_x / x) - 0.577 * x)


def fractional(rng: np.random.Generator) -> Data:
    return buyers(rng, size(rng), mean_rate=0.1).in_unit(np.exp(rng.uniform(-9, 0)))


def weekly(rng: np.random.Generator) -> Data:
    return buyers(rng, size(rng), grid=7.0)


def mostly_new(rng: np.random.Generator) -> Data:
    """Most came on the last day."""
    n = size(rng)
    some = buyers(rng, max(3, n // 10), r=2.0, mean_rate=0.05)
    if not some.x.any():
        some = one_customer(rng)
    return join(from_times([np.zeros(0)] * n, np.zeros(n), rng), some)


FAMILIES: dict[str, Callable[[np.random.Generator], Data]] = {
    "one customer": one_customer,
    "no repeaters": no_repeaters,
    "all repeaters": all_repeaters,
    "homogeneous Poisson": homogeneous,
    "10,000 purchases": ten_thousand,
    "seconds": seconds,
    "years": years,
    "equal T": same_length,
    "cohorts of 2 to 10": tiny,
    "constant spend": constant_spend,
    "spend grows with frequency": growing_spend,
    "heavy-tailed spend": heavy_tailed_spend,
    "one giant": giant,
    "all leave at once": leave_at_once,
    "nobody leaves": nobody_leaves,
    "T equals recency": bought_at_the_end,
    "huge counts": huge_counts,
    "fractional times": fractional,
    "weekly grid": weekly,
    "mostly new": mostly_new,
}

PURCHASE_MODELS: dict[str, Callable[[], Any]] = {
    "BG/NBD": BetaGeoNBD,
    "MBG/NBD": ModifiedBetaGeoNBD,
    "Pareto/NBD": ParetoNBD,
    "MBG/CNBD-k": BetaGeoCNBD,
}
# Each data set is scored with one of these in turn.
SCORERS = ("mbg_nbd", "bg_nbd", "pareto_nbd", "mbg_cnbd")
# Families in which some parameters cannot be known.
UNIDENTIFIED = ("one customer", "homogeneous Poisson", "T equals recency")


def make_data(family: str, number: int) -> Data:
    return FAMILIES[family](np.random.default_rng([number, list(FAMILIES).index(family)]))


def data_sets(repeats: int, families: list[str] | None = None) -> Iterator[tuple[str, int, Data]]:
    """Yield family, number and data."""
    for name in FAMILIES:
        if families is None or name in families:
            for i in range(repeats):
                yield name, i, make_data(name, i)


# --- checks: each yields what is wrong ---


def finite(**outputs: Any) -> Iterator[str]:
    for name, values in outputs.items():
        array = np.asarray(values, dtype=float)
        if not np.all(np.isfinite(array)):
            yield f"{name} is not finite ({int((~np.isfinite(array)).sum())} of {array.size})"


def fit_purchases(make: Callable[[], Any], data: Data) -> Any:
    model = make()
    if isinstance(model, BetaGeoCNBD):
        return model.fit(data.x, data.t_x, data.T, sum_log_intervals=data.logs)
    return model.fit(data.x, data.t_x, data.T)


def check_purchases(model: Any, data: Data, family: str) -> Iterator[str]:
    history = (data.x, data.t_x, data.T)
    horizon = float(data.T.max())
    yield from finite(
        params=list(model.params_.values()),
        standard_errors=list(model.standard_errors_.values()),
        covariance=model.covariance_,
        log_likelihood=[model.log_likelihood_, model.aic_, model.bic_],
        draws=model.draw_params(20, random_state=0),
    )
    if not isinstance(model, BetaGeoCNBD):
        again = model.log_likelihood(*history)
        if abs(again - model.log_likelihood_) > 1e-9 * (abs(again) + float(data.x.sum())) + 1e-6:
            yield f"log_likelihood_ is {model.log_likelihood_}, at the parameters {again}"
    open_ = [
        name
        for name, error, timed in zip(model.parameters, np.sqrt(np.diag(model.covariance_)), model.in_time, strict=True)
        if error > 3 and not timed
    ]
    text = " ".join(model.diagnosis_)
    if any(f" {name} " not in text and f" {name};" not in text for name in open_):
        yield f"parameters {open_} are open, and diagnosis_ does not say so"
    if family in UNIDENTIFIED and not model.diagnosis_:
        yield "no diagnosis"
    if not model.converged_:
        yield "not converged"
    alive = model.p_alive(*history)
    soon, later = (model.expected_purchases(h, *history) for h in (horizon / 2, horizon))
    pmf = model.probability_of_purchases([0, 1, 3, 50], horizon / 2, *history)
    curve = model.expected_purchases_new_customer(np.array([0.0, horizon / 10, horizon]))
    drawn = model.simulate_purchases(horizon, *history, random_state=0)
    yield from finite(p_alive=alive, expected=later, pmf=pmf, curve=curve, simulated=drawn)
    if alive.min() < 0 or alive.max() > 1:
        yield f"p_alive in {alive.min()} ... {alive.max()}"
    if (
        soon.min() < 0
        or np.any(soon > later * (1 + 1e-6))
        or curve[0] != 0
        or np.any(np.diff(curve) < -1e-9 * curve[-1])
    ):
        yield "expected purchases do not grow with the horizon"
    if pmf.min() < 0 or pmf.max() > 1 + 1e-9:
        yield f"probabilities in {pmf.min()} ... {pmf.max()}"
    own = np.divide(data.x, data.t_x, out=np.zeros_like(data.x), where=data.x > 0)
    limit = GENEROUS * horizon * (own + data.x.sum() / data.t_x.sum())
    if np.any(later > limit):
        worst = int(np.argmax(later / limit))
        row = ", ".join(f"{column[worst]:g}" for column in history)
        yield f"{later[worst]:g} purchases expected within {horizon:g} of (x, t_x, T) = ({row})"
    for ahead in (horizon / 2, np.inf):
        coming = model.next_purchase(ahead, *(column[:SOME] for column in history))
        yield from finite(**{f"next_purchase({ahead:g}).{k}": v for k, v in coming._asdict().items()})
        ordered = (coming.low <= coming.median * (1 + 1e-9)) & (coming.median <= coming.high * (1 + 1e-9))
        if not np.all(ordered) or coming.low.min() < 0 or np.any(coming.high > ahead * (1 + 1e-9)):
            yield f"times of the next purchase within {ahead:g} are not in order"
        if np.isfinite(ahead) and np.any(np.abs(coming.probability - (1 - pmf[:SOME, 0])) > 1e-6):
            yield "probability of a purchase is not that of more than none"


def check_spend(model: GammaGamma, data: Data) -> Iterator[str]:
    spend = model.expected_spend(data.x, data.spend)
    future = np.where(data.x > 0, 3.0, 1.0)
    drawn = model.simulate_spend(future, data.x, data.spend, random_state=0)
    yield from finite(
        params=list(model.params_.values()),
        standard_errors=list(model.standard_errors_.values()),
        log_likelihood=[model.log_likelihood_, model.aic_, model.bic_],
        population=model.population_spend_,
        draws=model.draw_params(20, random_state=0),
        spend=spend,
        drawn=drawn,
    )
    seen = data.spend[data.x > 0]
    if spend.min() < 0 or spend.max() > max(3 * seen.mean(), seen.max()) * (1 + 1e-6):
        yield f"expected spend {spend.min():g} ... {spend.max():g}, seen {seen.min():g} ... {seen.max():g}"
    if not model.converged_:
        yield "not converged"


def check_scorer(scorer: CLVScorer, table: pd.DataFrame) -> Iterator[str]:
    scores = scorer.score_customers(table)
    draws = scorer.sample_customers(table, n_draws=20, random_state=0)
    yield from finite(scores=scores.to_numpy(), draws=np.asarray(draws))
    if (scores.to_numpy() < 0).any():
        yield "negative scores"


class Result(NamedTuple):
    """What went wrong, and the processor time of the fit (0 where there was none)."""

    problems: list[str]
    seconds: float


def survive(fit: Callable[[], Any], check: Callable[[Any], Iterator[str]], learnable: bool) -> Result:
    """Run with warnings as errors; a FitError is right only where there is nothing to learn."""
    seconds = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        try:
            begin = time.process_time()
            model = fit()
            seconds = time.process_time() - begin
            problems = list(check(model))
        except FitError as error:
            problems = [f"FitError: {error}"] if learnable else []
        except Exception as error:  # whatever it is, it is what this looks for
            problems = [f"{type(error).__name__}: {error}"]
    return Result(problems, seconds)


def ours(family: str, number: int, data: Data) -> dict[str, Result]:
    """Survive with every model."""
    learnable = bool(data.x.any() and data.T.any())
    results = {}
    for name, make in PURCHASE_MODELS.items():
        results[name] = survive(
            lambda make=make: fit_purchases(make, data),
            lambda model: check_purchases(model, data, family),
            learnable,
        )
    pays = bool((data.spend[data.x > 0] > 0).any())
    results["Gamma-Gamma"] = survive(
        lambda: GammaGamma().fit(data.x, data.spend), lambda model: check_spend(model, data), pays
    )
    table = data.table()
    scorer = CLVScorer(SCORERS[number % len(SCORERS)], annual_discount_rate=0.1)
    results["CLVScorer"] = survive(
        lambda: scorer.fit(table), lambda fitted: check_scorer(fitted, table), learnable and pays
    )
    return results


def theirs(data: Data) -> dict[str, bool]:
    """Whether lifetimes' fitters survive: nothing raised, fit and predictions finite."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    import contextlib
    import io

    import lifetimes

    horizon = float(data.T.max())
    table = pd.DataFrame({"x": data.x, "t_x": data.t_x, "T": data.T})
    fitters = {
        "BG/NBD": lifetimes.BetaGeoFitter,
        "MBG/NBD": lifetimes.ModifiedBetaGeoFitter,
        "Pareto/NBD": lifetimes.ParetoNBDFitter,
    }
    alive = {}
    learnable, pays = bool(data.x.any() and data.T.any()), bool((data.spend[data.x > 0] > 0).any())
    np.random.seed(0)  # noqa: NPY002  (its Pareto/NBD starts from it)
    for name, fitter in fitters.items():
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                model = fitter().fit(table["x"], table["t_x"], table["T"])
                outputs = [
                    model.params_,
                    model.conditional_expected_number_of_purchases_up_to_time(
                        horizon, table["x"], table["t_x"], table["T"]
                    ),
                    model.conditional_probability_alive(table["x"], table["t_x"], table["T"]),
                ]
                alive[name] = all(np.all(np.isfinite(np.asarray(o, dtype=float))) for o in outputs)
            except Exception:  # whatever it is, it has not survived, unless there is nothing to learn
                alive[name] = not learnable
    some = data.x > 0
    try:
        spend = lifetimes.GammaGammaFitter().fit(pd.Series(data.x[some]), pd.Series(data.spend[some]))
        values = spend.conditional_expected_average_profit(pd.Series(data.x), pd.Series(data.spend))
        alive["Gamma-Gamma"] = bool(np.all(np.isfinite(values)) and np.all(np.isfinite(spend.params_)))
    except Exception:
        alive["Gamma-Gamma"] = not pays
    return alive


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=16, help="data sets of each family")
    parser.add_argument("--families", nargs="+")
    parser.add_argument("--no-lifetimes", action="store_true")
    options = parser.parse_args()
    names = [*PURCHASE_MODELS, "Gamma-Gamma", "CLVScorer"]
    good: dict[str, dict[str, list[bool]]] = {}
    good_theirs: dict[str, dict[str, list[bool]]] = {}
    slowest: list[tuple[float, str, str, int]] = []
    total = failures = 0
    for family, number, data in data_sets(options.repeats, options.families):
        total += 1
        for name, result in ours(family, number, data).items():
            good.setdefault(name, {}).setdefault(family, []).append(not result.problems)
            slowest.append((result.seconds, name, family, number))
            if result.problems:
                failures += 1
                print(f"{family} {number}, {name}: {'; '.join(result.problems)}", flush=True)
        if not options.no_lifetimes:
            with warnings.catch_warnings(), np.errstate():
                for name, survived in theirs(data).items():
                    good_theirs.setdefault(name, {}).setdefault(family, []).append(survived)
    print(f"\nShare that survives, ours / lifetimes, {total} data sets")
    print(f"{'':28}" + "".join(f"{name:>16}" for name in names))
    for family in [*dict.fromkeys(f for one in good.values() for f in one), "all"]:
        cells = []
        for name in names:
            shares = []
            for results in (good, good_theirs):
                of = results.get(name, {})
                flags = [flag for f, some in of.items() if family in ("all", f) for flag in some]
                shares.append(f"{np.mean(flags):.0%}" if flags else "-")
            cells.append(f"{' / '.join(shares):>16}")
        print(f"{family:28}" + "".join(cells))
    print("\nOur fits, seconds of processor time (limit 2 for each):")
    for name in names:
        spent = [s for s, n, *_ in slowest if n == name]
        print(f"{name:14} median {np.median(spent):.3f}, 95 % {np.quantile(spent, 0.95):.3f}, most {max(spent):.3f}")
    for spent, name, family, number in sorted(slowest, reverse=True)[:5]:
        print(f"  {spent:.2f} s: {name}, {family} {number}")
    print(f"{failures} failures (limit 0) {'ok' if not failures else 'NOT OK'}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
