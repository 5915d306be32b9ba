"""Evidence for tables of different customers: who would be where, by the nearest centre."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some
from segmentation._multiplicity import holm
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.monitoring._match_evidence import Evidence, chance_of, count_pairs

__all__ = ["FARTHEST", "evidence_of_centres", "feature_values"]

# Two normal groups of equal size and spread whose centres are at most two standard deviations apart have one peak
# together: nothing between them shows that they are two.
FARTHEST = 2.0
# A spread of zero would make any distance infinite by rounding alone.
TINY = 1e-12


def feature_values(features: Any, assignment: pd.DataFrame, columns: list[Any] | None, what: str) -> pd.DataFrame:
    """Return the numeric features of the customers of an assignment, in its order."""
    table = as_customers(features)
    names = list(table.select_dtypes(include=["number", "bool"]).columns) if columns is None else columns
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ColumnError(f"{what} lacks columns of the other table: {column_difference(names, list(table.columns))}.")
    if not names:
        raise ColumnError(f"{what} has no numeric column to work out centres from: {name_some(table.columns)}.")
    absent = assignment.index.difference(table.index)
    if len(absent):
        raise CustomerTableError(f"{what} lacks customers of the assignment: {name_some(absent)}.")
    values = table.loc[assignment.index, names].astype(np.float64)
    bad = ~np.isfinite(values.to_numpy())
    if bad.any():
        raise ColumnError(
            f"{what} has values that are missing or infinite in {name_some(values.columns[bad.any(axis=0)])}; centres "
            "need numbers: fill them as for the segmenter, or leave these columns out."
        )
    return values


def _centres(values: NDArray[np.float64], codes: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Return the mean of each segment; NaN for one without customers."""
    centres = np.full((k, values.shape[1]), np.nan)
    for code in range(k):
        members = values[codes == code]
        if len(members):
            centres[code] = members.mean(axis=0)
    return centres


def _nearest(values: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the code of the nearest centre, -1 where there is none."""
    there = np.flatnonzero(~np.isnan(centres[:, 0]))
    if not there.size:
        return np.full(len(values), -1, dtype=np.int64)
    squared = (centres[there] ** 2).sum(axis=1) - 2 * values @ centres[there].T
    nearest: NDArray[np.int64] = there[squared.argmin(axis=1)]
    return nearest


def _covariances(
    values: NDArray[np.float64], codes: NDArray[np.int64], centres: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the covariance within each segment, shape (k, p, p)."""
    k, p = centres.shape
    result = np.zeros((k, p, p))
    for code in range(k):
        members = values[codes == code]
        if len(members) > 1:
            rest = members - centres[code]
            result[code] = rest.T @ rest / len(members)
    return result


def _distances(
    first: NDArray[np.float64], second: NDArray[np.float64], spread: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return distances of centres in standard deviations, of the wider segment, along the line that joins them."""
    result = np.full((len(first), len(second)), np.inf)
    for i in range(len(first)):
        for j in range(len(second)):
            line = first[i] - second[j]
            length = float(line @ line)
            if not np.isfinite(length):
                continue
            variance = float(max(line @ spread[i] @ line, line @ other[j] @ line))  # times the squared length
            result[i, j] = 0.0 if length <= TINY else length / np.sqrt(max(variance, TINY * length))
    return result


def evidence_of_centres(
    old: NDArray[np.int64],
    new: NDArray[np.int64],
    values_old: NDArray[np.float64],
    values_new: NDArray[np.float64],
    sizes: tuple[int, int],
    alpha: float,
) -> Evidence:
    """Judge overlaps by where the customers of each table would be among the centres of the other.

    The old customers have their segment and the nearest new centre, the new ones their segment and the nearest old
    centre; both are counted. An overlap must be beyond chance in both tables, and the centres near.
    """
    pooled = np.concatenate([values_old, values_new])
    scale = pooled.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    values_old, values_new = values_old / scale, values_new / scale
    centres_old, centres_new = _centres(values_old, old, sizes[0]), _centres(values_new, new, sizes[1])
    by_old = count_pairs(old, np.where(old < 0, -1, _nearest(values_old, centres_new)), *sizes)
    by_new = count_pairs(np.where(new < 0, -1, _nearest(values_new, centres_old)), new, *sizes)
    p = np.maximum(chance_of(by_old), chance_of(by_new))
    adjusted, counts = holm(p), by_old + by_new
    distance = _distances(
        centres_old,
        centres_new,
        _covariances(values_old, old, centres_old),
        _covariances(values_new, new, centres_new),
    )
    both = counts[:-1, :-1]
    related = (both > 0) & (adjusted <= alpha) & (distance <= FARTHEST)
    return Evidence(
        both,
        counts.sum(axis=1)[:-1],
        counts.sum(axis=0)[:-1],
        int(counts.sum()),
        p,
        adjusted,
        related,
        distance,
        False,
    )
