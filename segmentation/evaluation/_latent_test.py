"""Items of few levels: whether segments are apart, and more so than in tables cut from one normal distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.evaluation._latent import learn_latent
from segmentation.evaluation._latent_between import MOST, Items, density_between
from segmentation.evaluation._refits import Customers, draw_rows, refit
from segmentation.evaluation._structure_columns import few_levels
from segmentation.evaluation._structure_space import numeric_part

__all__ = ["APART", "LatentTest", "against_latent_normal"]

# Segments are apart where half as many customers stand between two of them as in the sparser one, or fewer. Of tables
# without groups, one in twenty falls below .67 to .82 at its best number of segments; two or three latent classes that
# answer by .1 and .9 come to 0 (benchmarks/bench_structure_items.py prints both).
APART = 0.5
# Times that the customers are split into halves, each learnt from and tested in turn. The mean over more splits varies
# less about the same value, so that fewer of them in simulated tables make the comparison stricter, not laxer.
SPLITS = 5
SPLITS_SIMULATED = 1
# Simulated tables as extreme as the real one after which nothing can come of the rest (Besag, Clifford 1991,
# doi:10.1093/biomet/78.2.301); looked at in rounds.
ENOUGH = 10
ROUND = 20


@dataclass(frozen=True, eq=False)
class LatentTest:
    """How many customers stand between the segments, in the table and in tables without groups.

    Attributes
    ----------
    between : pandas.Series
        Per number of segments: density of customers between the two segments that are least apart, divided by that of
        the sparser of both, see `against_latent_normal`.
    apart : pandas.Series
        Whether that is .5 or less.
    simulated : pandas.DataFrame
        The densities in the simulated tables, one per row; none where no number of segments is apart.
    p_value, p_adjusted : pandas.Series
        For each number by itself, and corrected for all of them; 1 where segments are not apart.
    """

    between: pd.Series[float]
    apart: pd.Series[bool]
    simulated: pd.DataFrame
    p_value: pd.Series[float]
    p_adjusted: pd.Series[float]


def against_latent_normal(
    models: Mapping[int, Any],
    customers: Customers,
    seeds: Sequence[np.random.SeedSequence],
    bar: Any,
) -> LatentTest:
    """Ask whether segments are apart, and whether they would be without groups.

    The customers are split into halves, five times. From each half come segments and their shares of answers; with
    the other it is told how many customers stand between two neighbours, chance in the answers allowed for
    (`density_between`). Only where that is half as many as in the sparser of both, or fewer, are tables simulated, for
    steep items are all or nothing and leave few between without any groups. Simulated tables are treated like the real
    one, with one split. For the correction, the smallest value over all numbers of segments counts.

    Parameters
    ----------
    models : mapping of int to Segmenter or Pipeline
        By number of segments.
    customers : Customers
    seeds : sequence of SeedSequence
        One for the real table, one for each simulated one.
    bar : progress bar
    """
    table, others = numeric_part(customers)
    values = table.to_numpy()
    filled = _filled(values, np.random.default_rng(seeds[0].spawn(1)[0]))
    few = few_levels(filled)
    numbers = pd.Index(list(models), name="n_segments")
    real = _between(models, customers, values[:, few], seeds[0], SPLITS)
    apart = real <= APART
    simulated: list[NDArray[np.float64]] = []
    if apart.any():
        latent = learn_latent(filled)
        for i, seed in enumerate(seeds[1:], start=1):
            drawn = latent.draw(np.random.default_rng(seed.spawn(1)[0]))
            like = _like(customers, table, drawn, others)
            simulated.append(_between(models, like, drawn[:, few], seed, SPLITS_SIMULATED))
            bar.update()
            if i % ROUND == 0 and (np.array(simulated).min(axis=1) <= real.min()).sum() >= ENOUGH:
                break
    bar.update(len(seeds) - 1 - len(simulated))
    return _compared(real, np.array(simulated).reshape(-1, len(real)), apart, numbers)


def _compared(
    real: NDArray[np.float64], simulated: NDArray[np.float64], apart: NDArray[np.bool_], numbers: pd.Index
) -> LatentTest:
    n = len(simulated) + 1
    p_value = (1 + (simulated <= real).sum(axis=0)) / n
    p_adjusted = (1 + (simulated.min(axis=1, initial=MOST)[:, None] <= real).sum(axis=0)) / n
    return LatentTest(
        pd.Series(real, index=numbers),
        pd.Series(apart, index=numbers),
        pd.DataFrame(simulated, columns=numbers),
        pd.Series(np.where(apart, p_value, 1.0), index=numbers),
        pd.Series(np.where(apart, p_adjusted, 1.0), index=numbers),
    )


def _filled(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the values with missing ones drawn from the others of their column."""
    result = values.copy()
    for column in result.T:
        missing = np.isnan(column)
        if missing.any() and not missing.all():
            column[missing] = rng.choice(column[~missing], int(missing.sum()))
    return result


def _like(customers: Customers, table: pd.DataFrame, drawn: NDArray[np.float64], others: list[Any]) -> Customers:
    """Return simulated customers as a table or an array like the real ones; columns that are no numbers stay."""
    if not customers.is_table:
        return Customers(drawn.astype(np.float64), customers.index, customers.y)
    simulated = customers.data.copy()
    for j, name in enumerate(table.columns):
        simulated[name] = drawn[:, j]
    return Customers(simulated, customers.index, customers.y)


def _between(
    models: Mapping[int, Any],
    customers: Customers,
    values: NDArray[np.float64],
    seed: np.random.SeedSequence,
    n_splits: int,
) -> NDArray[np.float64]:
    """Return the mean density between segments over splits and halves, per number of segments."""
    items = Items.of(values)
    rng = np.random.default_rng(seed.spawn(1)[0])
    found = []
    for split in seed.spawn(n_splits):
        halves = draw_rows(rng, len(customers), "split", 0.5)
        for (learnt, tested), half in zip((halves, halves[::-1]), split.spawn(2), strict=True):
            part, kept, other = customers.rows(learnt), items.rows(learnt), items.rows(tested)
            fits = zip(models.values(), half.spawn(len(models)), strict=True)
            codes = [refit(model, part, fit, customers).codes for model, fit in fits]
            found.append(
                [MOST if c is None else density_between(kept, c[learnt], other, c[tested]) for c in codes],
            )
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean
