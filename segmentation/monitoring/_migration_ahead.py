"""Where the customers would be some steps ahead, if they went on moving as they did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.monitoring._migration_input import States
from segmentation.monitoring._migration_intervals import dirichlet_rows

__all__ = ["simulate_ahead"]

Counts = NDArray[np.int64]


def _drawn(
    steps: Sequence[Counts], n_draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw rates (n_draws, K, K + 1) and expected entries (n_draws, K) given that these steps are one sample."""
    total = np.sum(steps, axis=0)
    # a segment that nobody was in has no rates; the prior alone would scatter its newcomers evenly: they stay
    rows = total[:-1].astype(np.float64)
    prior = np.full(rows.shape, 1.0 / rows.shape[1])
    empty = rows.sum(axis=1) == 0
    prior[empty] = 0.0
    prior[empty, np.flatnonzero(empty)] = 1.0
    rates = dirichlet_rows(rows, n_draws, rng, prior)
    entries = rng.gamma(total[-1, :-1] + 0.5, 1.0, (n_draws, rows.shape[0])) / len(steps)
    return rates, np.where(total[-1, :-1] > 0, entries, 0.0)


def simulate_ahead(
    states: States,
    steps: Sequence[Counts],
    n_steps: int,
    *,
    vary: bool,
    entries: bool,
    level: float,
    n_draws: int,
    seed: int,
) -> pd.DataFrame:
    """Return expected numbers and shares per future step and segment, with predictive intervals.

    `vary`: every future step takes the rates of one of the past steps, by lot; else one set of rates holds for all.
    Both the rates (a Dirichlet posterior) and the customers (each goes its own way) are drawn.
    """
    rng = np.random.default_rng(seed)
    k = len(states.names)
    last = states.codes[:, -1]
    sizes = np.bincount(last[last >= 0], minlength=k)
    now = np.broadcast_to(sizes, (n_draws, k)).astype(np.int64)
    samples = [[counts] for counts in steps] if vary else [list(steps)]
    sets = [_drawn(sample, n_draws, rng) for sample in samples]
    rows, of_all = [], np.arange(n_draws)
    tails = [(1 - level) / 2, (1 + level) / 2]
    for ahead in range(1, n_steps + 1):
        chosen = rng.integers(len(sets), size=n_draws)
        rates = np.stack([one[0] for one in sets])[chosen, of_all]
        moved = rng.multinomial(now, rates)[:, :, :k].sum(axis=1)
        if entries:
            moved = moved + rng.poisson(np.stack([one[1] for one in sets])[chosen, of_all])
        now = moved
        shares = now / np.maximum(now.sum(axis=1, keepdims=True), 1)
        low, high = np.quantile(now, tails, axis=0)
        share_low, share_high = np.quantile(shares, tails, axis=0)
        rows.append(
            pd.DataFrame(
                {
                    "step": ahead,
                    "segment": list(states.names),
                    "n": now.mean(axis=0),
                    "n_low": low,
                    "n_high": high,
                    "share": shares.mean(axis=0),
                    "share_low": share_low,
                    "share_high": share_high,
                }
            )
        )
    return pd.concat(rows).set_index(["step", "segment"])
