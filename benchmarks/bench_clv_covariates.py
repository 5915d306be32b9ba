"""Whether intervals of covariate coefficients cover, and the likelihood-ratio test keeps its size.

    python benchmarks/bench_clv_covariates.py [--markets 300] [--customers 1000] [--models BetaGeoNBD ...]

Markets are simulated from each model with two covariates, one normal and one 0/1, correlated with each other, that
change purchases and dropout; the same markets without any effect serve the test. Printed for each model: the share of
90 % intervals (estimate +- 1.645 standard errors) that hold the truth, per coefficient and pooled (limit 86 to 94 %
pooled), mean and spread of errors over standard errors, and the share of true null hypotheses that the test rejects at
5 % (limit: the 99 % binomial band). Exits with status 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from scipy.stats import binom

from segmentation.clv import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD

MODELS = {model.__name__: model for model in (BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD)}
BASE = {
    "BetaGeoNBD": {"r": 0.8, "alpha": 20.0, "a": 0.8, "b": 2.5},
    "ModifiedBetaGeoNBD": {"r": 0.8, "alpha": 20.0, "a": 0.6, "b": 2.0},
    "ParetoNBD": {"r": 0.8, "alpha": 20.0, "s": 0.8, "beta": 80.0},
}
EFFECTS = {"purchase_z1": 0.4, "purchase_z2": -0.5, "dropout_z1": 0.3, "dropout_z2": 0.5}
T_RANGE = 150, 500
LEVEL, Z = 0.9, 1.6449
LIMITS = 0.86, 0.94
SIZE = 0.05


def market(name: str, n: int, seed: int, effects: dict[str, float]):
    """Return histories and covariates of one simulated market."""
    rng = np.random.default_rng([seed, sorted(MODELS).index(name)])
    z1 = rng.normal(size=n)
    z2 = (rng.normal(size=n) + 0.5 * z1 > 0).astype(float)
    covariates = np.column_stack([z1, z2])
    model = MODELS[name].from_params(BASE[name] | effects)
    simulated = model.simulate(n, rng.uniform(*T_RANGE, n), rng, covariates=covariates)
    return simulated[:3], covariates


def errors_of(name: str, n: int, seed: int) -> tuple[np.ndarray, bool]:
    """Return errors of the coefficients over their standard errors, and whether the fit converged."""
    history, covariates = market(name, n, seed, EFFECTS)
    fitted = MODELS[name]().fit(*history, covariates=covariates)
    z = [(fitted.params_[key] - truth) / fitted.standard_errors_[key] for key, truth in EFFECTS.items()]
    return np.array(z), fitted.converged_


def p_value(name: str, n: int, seed: int) -> float:
    """Return the p-value of the test of covariates that do nothing."""
    history, covariates = market(name, n, seed, dict.fromkeys(EFFECTS, 0.0))
    model = MODELS[name]
    return model().fit(*history, covariates=covariates).likelihood_ratio_test(model().fit(*history)).p_value


def study(name: str, markets: int, n: int) -> bool:
    begin = time.perf_counter()
    results = [errors_of(name, n, seed) for seed in range(markets)]
    seconds = (time.perf_counter() - begin) / markets
    z = np.array([errors for errors, _ in results])
    converged = np.mean([flag for _, flag in results])
    inside = np.abs(z) < Z
    print(f"\n{name}: {markets} markets of {n:,} customers, {seconds:.2f} s each, {converged:.1%} converged")
    print(f"{'':14}{'coverage':>10}{'mean z':>10}{'spread z':>10}")
    for i, key in enumerate(EFFECTS):
        print(f"{key:14}{inside[:, i].mean():10.1%}{z[:, i].mean():10.2f}{z[:, i].std():10.2f}")
    pooled = inside.mean()
    good = LIMITS[0] <= pooled <= LIMITS[1]
    print(f"pooled {pooled:.1%} (limit {LIMITS[0]:.0%} to {LIMITS[1]:.0%}) {'ok' if good else 'NOT OK'}")
    rejected = sum(p_value(name, n, 10_000 + seed) < SIZE for seed in range(markets))
    low, high = binom.interval(0.99, markets, SIZE)
    sized = low <= rejected <= high
    verdict = f"(limit {low:.0f} to {high:.0f}) {'ok' if sized else 'NOT OK'}"
    print(f"test of no effect rejects {rejected} of {markets} {verdict}", flush=True)
    return bool(good and sized)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=300)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    options = parser.parse_args()
    good = [study(name, options.markets, options.customers) for name in options.models]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
