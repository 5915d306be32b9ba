"""Items of few levels: segments compared with those of tables cut from one correlated normal distribution."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from segmentation.evaluation._latent import learn_latent
from segmentation.evaluation._refits import Customers, last_step, seeded_clone
from segmentation.evaluation._structure_columns import few_levels
from segmentation.evaluation._structure_space import numeric_part, space_of

__all__ = ["LatentTest", "against_latent_normal"]

# Simulated tables as extreme as the real one after which nothing can come of the rest (Besag, Clifford 1991,
# doi:10.1093/biomet/78.2.301); looked at in rounds.
ENOUGH = 10
ROUND = 20
STATISTICS = ("least", "mean")


@dataclass(frozen=True, eq=False)
class LatentTest:
    """How far apart the segments are, in the table and in tables without groups.

    Attributes
    ----------
    statistic : pandas.DataFrame
        Per number of segments, of the real table: ``least`` and ``mean``, see `against_latent_normal`.
    simulated : pandas.DataFrame
        The same of the simulated tables, one per row.
    p_value, p_adjusted : pandas.Series
        For each number by itself, and corrected for all of them.
    """

    statistic: pd.DataFrame
    simulated: pd.DataFrame
    p_value: pd.Series[float]
    p_adjusted: pd.Series[float]


def against_latent_normal(
    models: Mapping[int, Any],
    customers: Customers,
    seeds: Sequence[np.random.SeedSequence],
    bar: Any,
) -> LatentTest:
    """Compare the separation of segments with that in simulated tables.

    Every table is segmented like the real one. The statistics are the mean of the shadow complement, (distance to the
    second nearest centre - distance to the nearest) / distance to the second nearest, in the columns of few levels: 0
    on a border, 1 on a centre; for the customers of the least separated segment, and for all. Each is brought to mean
    0 and standard deviation 1 over all tables, the real one included, and the larger of both is compared; for the
    correction, the largest over all numbers of segments.

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
    filled = _filled(table.to_numpy(), np.random.default_rng(seeds[0].spawn(1)[0]))
    latent = learn_latent(filled)
    numbers = list(models)
    values = [_statistics(models, customers, seeds[0])]
    for i, seed in enumerate(seeds[1:], start=1):
        drawn = latent.draw(np.random.default_rng(seed.spawn(1)[0]))
        values.append(_statistics(models, _like(customers, table, drawn, others), seed))
        bar.update()
        if i % ROUND == 0 and _as_extreme(values) >= ENOUGH:
            bar.update(len(seeds) - 1 - i)
            break
    return _compared(np.array(values), numbers)


def _compared(values: NDArray[np.float64], numbers: list[int]) -> LatentTest:
    """Return p-values from statistics of shape (tables, numbers of segments, 2), the real table first."""
    scaled = _scaled(values).max(axis=2)
    largest, n = scaled.max(axis=1), len(values)
    p_value = [float((scaled[:, j] >= scaled[0, j]).sum() / n) for j in range(len(numbers))]
    p_adjusted = [float((1 + (largest[1:] >= scaled[0, j]).sum()) / n) for j in range(len(numbers))]
    index = pd.Index(numbers, name="n_segments")
    names = pd.MultiIndex.from_product([numbers, STATISTICS], names=["n_segments", "statistic"])
    return LatentTest(
        pd.DataFrame(values[0], index=index, columns=list(STATISTICS)),
        pd.DataFrame(values[1:].reshape(n - 1, -1), columns=names),
        pd.Series(p_value, index=index),
        pd.Series(np.maximum(p_adjusted, p_value), index=index),
    )


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring every statistic to mean 0 and standard deviation 1 over the tables, so that they can be compared."""
    width = values.std(axis=0)
    scaled: NDArray[np.float64] = (values - values.mean(axis=0)) / np.where(width > 0, width, 1.0)
    return scaled


def _as_extreme(values: list[Any]) -> int:
    """Count the simulated tables that are as extreme as the real one."""
    largest = _scaled(np.array(values)).max(axis=(1, 2))
    return int((largest[1:] >= largest[0]).sum())


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


def _statistics(
    models: Mapping[int, Any], customers: Customers, seed: np.random.SeedSequence
) -> list[tuple[float, float]]:
    fits = seed.spawn(len(models) + 1)[1:]
    return [_one(model, customers, fit) for model, fit in zip(models.values(), fits, strict=True)]


def _one(model: Any, customers: Customers, seed: np.random.SeedSequence) -> tuple[float, float]:
    """Segment a table and return how separated its least separated segment and all are; 0 where that is impossible."""
    copy = seeded_clone(model, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            copy.fit(customers.data) if customers.y is None else copy.fit(customers.data, customers.y)
            codes = np.asarray(last_step(copy).labels_)
            points = space_of(copy, customers)
        except Exception:
            return 0.0, 0.0
    few = few_levels(points)
    points = points[:, few] if few.any() else points
    present = np.unique(codes[codes >= 0])
    if len(present) < 2:
        return 0.0, 0.0
    centres = np.array([points[codes == k].mean(axis=0) for k in present])
    distances = np.sort(cdist(points, centres), axis=1)
    nearest, second = distances[:, 0], distances[:, 1]
    complement = np.divide(second - nearest, second, out=np.zeros_like(second), where=second > 0)
    return float(min(complement[codes == k].mean() for k in present)), float(complement[codes >= 0].mean())
