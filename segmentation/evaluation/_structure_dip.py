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

__all__ = ["Passes", "combine", "in_order", "run_passes"]

N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Passes:
    """All passes for one number of segments.

    Attributes
    ----------
    tested : tuple of Tested
        One per pass.
    n_failed : int
        Fits that failed, whose part of the customers was left out.
    error : str
        The first error.
    """

    tested: tuple[Tested, ...]
    n_failed: int = 0
    error: str = ""

    @property
    def p_value(self) -> float:
        """The passes taken together; NaN where there are none."""
        return combine([one.p_value for one in self.tested])

    @property
    def apartness(self) -> float:
        """Of the least separated group where the groups were learnt: mean over the passes made."""
        return float(np.mean([one.apartness for one in self.tested])) if self.tested else 0.0

    @property
    def typical(self) -> Tested | None:
        """The pass in the middle, by its p-value."""
        ordered = sorted(self.tested, key=lambda one: one.p_value)
        return ordered[(len(ordered) - 1) // 2] if ordered else None


def combine(p_values: Sequence[float]) -> float:
    """Take the p-values of several random splits of the same customers together, whatever their dependence.

    The k-th smallest of R times R / k is a p-value (Rueger 1978, Metrika 25, 171-178); k is the middle, so that
    neither the luckiest nor the unluckiest split decides.

    Examples
    --------
    >>> round(combine([0.001, 0.01, 0.02, 0.4, 0.9]), 4)
    0.0333
    """
    if not len(p_values):
        return np.nan
    k = len(p_values) // 2 + 1
    return float(min(1.0, len(p_values) / k * sorted(p_values)[k - 1]))


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
    """Split the customers into parts anew in every pass, and test the groups learnt without each part on that part.

    Parameters
    ----------
    model : Segmenter or Pipeline
        With the number of segments to test; copied for each fit.
    customers : Customers
    seeds : sequence of SeedSequence
        One per pass.
    needed : float
        The passes end once more than half of them are known to lie above this: nothing could come of the others.
    bar : progress bar
    """
    tested: list[Tested] = []
    n_failed, error, k = 0, "", len(seeds) // 2 + 1
    for i, seed in enumerate(seeds):
        folds, failures = _one_pass(model, customers, seed)
        n_failed += len(failures)
        error = error or (failures[0] if failures else "")
        if folds:
            tested.append(judge_groups(folds))
        bar.update()
        above = sum(one.p_value * len(seeds) / k > needed for one in tested)
        if above >= k or (not folds and i == 0):
            bar.update(len(seeds) - i - 1)
            break
    return Passes(tuple(tested), n_failed, error)


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
