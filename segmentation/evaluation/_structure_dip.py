"""Separation on customers not learnt from: several passes over the customers, one p-value per number of segments."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.evaluation._refits import Customers, last_step, seeded_clone
from segmentation.evaluation._structure_columns import few_levels, spread_ties
from segmentation.evaluation._structure_pool import Fold, Tested, judge_groups
from segmentation.evaluation._structure_space import space_of
from segmentation.evaluation._structure_split import learn_groups

__all__ = ["Passes", "in_order", "run_passes"]

N_FOLDS = 5
# After so many passes the others are left out where the p-value is above this.
FIRST_LOOK = 2
HOPELESS = 0.3


@dataclass(frozen=True, eq=False)
class Passes:
    """All passes for one number of segments.

    Attributes
    ----------
    tested : Tested or None
        What the passes say together; None where every fit failed.
    n_passes : int
        How many were made: fewer than asked for where the first ones left no hope.
    n_failed : int
        Fits that failed, whose part of the customers was left out.
    error : str
        The first error.
    """

    tested: Tested | None
    n_passes: int = 1
    n_failed: int = 0
    error: str = ""

    @property
    def p_value(self) -> float:
        """Of the least separated group; NaN where nothing was tested."""
        return self.tested.p_value if self.tested else np.nan

    @property
    def apartness(self) -> float:
        """Of the least separated group where the groups were learnt."""
        return self.tested.apartness if self.tested else 0.0


def in_order(passes: Mapping[int, Passes]) -> dict[int, float]:
    """Return the p-value of each number of segments, adjusted for trying several.

    They are tested in the order of how far apart their groups were where they were learnt, until one fails, so each
    p-value is the largest up to it in that order. The first needs no correction.
    """
    order = sorted(passes, key=lambda k: -passes[k].apartness)
    return dict(zip(order, np.maximum.accumulate([passes[k].p_value for k in order]).tolist(), strict=True))


def run_passes(
    model: Any, customers: Customers, seeds: Sequence[np.random.SeedSequence], *, needed: float, bar: Any
) -> Passes:
    """Split the customers into parts anew in every pass, learn groups without each part, and test on all parts.

    Parameters
    ----------
    model : Segmenter or Pipeline
        With the number of segments to test; copied for each fit.
    customers : Customers
    seeds : sequence of SeedSequence
        One per pass.
    needed : float
        The p-value that would count. Where the first two passes are far from it, no others are made: that can only
        make natural rarer.
    bar : progress bar
    """
    folds: list[Fold] = []
    tested: Tested | None = None
    n_failed, error, made = 0, "", 0
    for made, seed in enumerate(seeds, start=1):
        found, failures = _one_pass(model, customers, seed)
        folds += found
        n_failed += len(failures)
        error = error or (failures[0] if failures else "")
        bar.update()
        if made in (FIRST_LOOK, len(seeds)) and folds:
            tested = judge_groups(folds)
        if not folds or (made == FIRST_LOOK and tested is not None and tested.p_value > max(HOPELESS, needed)):
            bar.update(len(seeds) - made)
            break
    return Passes(tested, made, n_failed, error)


def _one_pass(model: Any, customers: Customers, seed: np.random.SeedSequence) -> tuple[list[Fold], list[str]]:
    for_parts, for_jitter, *for_fits = seed.spawn(2 + N_FOLDS)
    part = np.random.default_rng(for_parts).permutation(len(customers)) % N_FOLDS
    jitter = np.random.default_rng(for_jitter)
    folds, failures = [], []
    for number, for_fit in enumerate(for_fits):
        held_out = part == number
        try:
            folds.append(_fold(model, customers, held_out, for_fit, jitter))
        except Exception as problem:  # whatever a plug-in raises, the fit is counted and its error reported
            failures.append(f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]}")
    return folds, failures


def _fold(
    model: Any,
    customers: Customers,
    held_out: NDArray[np.bool_],
    seed: np.random.SeedSequence,
    jitter: np.random.Generator,
) -> Fold:
    learn_from = customers.rows(np.flatnonzero(~held_out), keep_ids=True)
    copy = seeded_clone(model, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit to all customers says what there is to say
        copy.fit(learn_from.data) if learn_from.y is None else copy.fit(learn_from.data, learn_from.y)
        codes = np.asarray(copy.predict(customers.data), dtype=np.int64)
    points = space_of(copy, customers)
    points = spread_ties(points[:, ~few_levels(points)], jitter)
    ways = learn_groups(points[~held_out], codes[~held_out], len(last_step(copy).segments_))
    return Fold(points, codes, held_out, ways)
