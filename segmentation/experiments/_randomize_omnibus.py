"""The omnibus test of balance and its reference distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BalanceTest", "by_permutation", "corrected_by_holm", "n_repeats"]

# Permutations cost about this many customer rows each; more customers than that use the limiting distribution.
MOST_ROWS = 30_000_000


class BalanceTest:
    """The omnibus statistic and those of single covariates, for any assignment of the same customers."""

    def __init__(self, x: NDArray[np.float64], stratum: NDArray[np.intp]) -> None:
        size = np.bincount(stratum).astype(np.float64)
        sums = np.stack([np.bincount(stratum, weights=column) for column in x.T], axis=1)
        self.centred = x - (sums / size[:, None])[stratum]
        self.stratum = stratum
        # a stratum of one customer says nothing; its row is 0 after centring
        weight = np.sqrt(size / np.maximum(size - 1, 1))[stratum]
        scaled = self.centred * weight[:, None]
        scale = np.sqrt((scaled**2).sum(axis=0))
        self.varies = scale > 1e-9 * np.sqrt((x**2).sum(axis=0) + 1e-300)
        self.centred = np.where(self.varies, self.centred / np.where(self.varies, scale, 1.0), 0.0)
        correlation = (self.centred * weight[:, None]).T @ (self.centred * weight[:, None])
        size_of, axes = np.linalg.eigh(correlation)
        kept = size_of > 1e-9 * max(float(size_of.max(initial=0.0)), 1e-300)
        self.rank = int(kept.sum()) if self.varies.any() else 0
        self.axes = axes[:, kept] / np.sqrt(size_of[kept]) if self.rank else np.zeros((x.shape[1], 0))

    def statistics(self, codes: NDArray[np.intp], n_arms: int) -> tuple[float, NDArray[np.float64]]:
        """Return the omnibus statistic, and one per covariate."""
        share = np.bincount(codes, minlength=n_arms) / len(codes)
        sums = np.stack([self.centred[codes == arm].sum(axis=0) for arm in range(n_arms)])
        single = (sums**2 / share[:, None]).sum(axis=0)
        together = float((((sums @ self.axes) ** 2) / share[:, None]).sum())
        return together, single


def n_repeats(n_permutations: Any, n_customers: int) -> int:
    if n_permutations == "auto":
        return 999 if n_customers * 999 <= MOST_ROWS else 0
    if isinstance(n_permutations, bool) or not isinstance(n_permutations, int | np.integer) or n_permutations < 0:
        raise ValueError(f"n_permutations must be 'auto' or a whole number of at least 0, got {n_permutations!r}.")
    return int(n_permutations)


def by_permutation(
    test: BalanceTest,
    codes: NDArray[np.intp],
    n_arms: int,
    observed: tuple[float, NDArray[np.float64]],
    repeats: int,
    random_state: Any,
) -> tuple[float, NDArray[np.float64]]:
    rng = np.random.default_rng(random_state)
    order = np.argsort(test.stratum, kind="stable")
    plain = not test.stratum.any()
    shuffled = codes.copy()
    together, single = 1, np.ones(len(observed[1]))
    # equal up to rounding counts as reached, or discrete covariates would look rarer than they are
    limit, limits = observed[0] * (1 - 1e-9), observed[1] * (1 - 1e-9)
    for _ in range(repeats):
        if plain:
            shuffled = rng.permutation(codes)
        else:
            shuffled[order] = codes[np.lexsort((rng.random(len(codes)), test.stratum))]
        found = test.statistics(shuffled, n_arms)
        together += found[0] >= limit
        single += found[1] >= limits
    return together / (repeats + 1), single / (repeats + 1)


def corrected_by_holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(p, kind="stable")
    result = np.empty(len(p))
    result[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return result
