"""How much two segments share: counts, Jaccard, containment, and the same for degrees of membership."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["pair_table", "shared_counts", "soft_overlaps", "wilson"]

# Rows that are held as floats at one time: 64 MB for 80 segments.
ROWS_AT_ONCE = 100_000

Floats = NDArray[np.float64]


def wilson(successes: Any, trials: Any, level: float) -> tuple[Floats, Floats]:
    """Return Wilson's score interval of shares; missing where there are no trials.

    Source: Wilson (1927), doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson(np.array([5]), np.array([10]), 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.237], [0.763])
    """
    z = float(norm.ppf((1 + level) / 2))
    n = np.where(np.asarray(trials) > 0, trials, np.nan).astype(np.float64)
    p = np.asarray(successes, dtype=np.float64) / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # with all or none the bound is the share itself, which rounding may miss by a hair
    return np.minimum(np.maximum(centre - half, 0.0), p), np.maximum(np.minimum(centre + half, 1.0), p)


def shared_counts(member: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count for each pair of segments who is in both; the diagonal has their sizes."""
    n_segments = member.shape[1]
    counts = np.zeros((n_segments, n_segments))
    for start in range(0, len(member), ROWS_AT_ONCE):
        part = member[start : start + ROWS_AT_ONCE].astype(np.float32)  # whole numbers up to 16 million are exact
        counts += part.T @ part
    return counts.astype(np.int64)


def soft_overlaps(degrees: Floats, pairs: Sequence[tuple[int, int]], level: float) -> tuple[Floats, Floats, Floats]:
    """Return the sum of the smaller over the sum of the larger degrees of each pair, and its interval.

    The interval is that of a ratio of means of independent customers (linearised). Missing where both are all zero.
    """
    z = float(norm.ppf((1 + level) / 2))
    n = len(degrees)
    sums = np.zeros((5, len(pairs)))
    for start in range(0, n, ROWS_AT_ONCE):
        part = np.ascontiguousarray(degrees[start : start + ROWS_AT_ONCE].T)
        for p, (i, j) in enumerate(pairs):
            less, more = np.minimum(part[i], part[j]), np.maximum(part[i], part[j])
            sums[:, p] += less.sum(), more.sum(), less @ less, less @ more, more @ more
    smaller, larger, ss, sl, ll = sums
    larger = np.where(larger > 0, larger, np.nan)
    ratio = smaller / larger
    squares = np.maximum(ss - 2 * ratio * sl + ratio**2 * ll, 0.0)
    half = z * np.sqrt(squares * n / max(n - 1, 1)) / larger
    return ratio, np.maximum(ratio - half, 0.0), np.minimum(ratio + half, 1.0)


def pair_table(
    names: Sequence[str],
    counts: NDArray[np.int64],
    pairs: Sequence[tuple[int, int]],
    *,
    level: float,
    near_duplicate: float,
    contained: float,
) -> pd.DataFrame:
    """Return one row per pair of segments, those that share most first."""
    first = np.array([i for i, _ in pairs], dtype=np.int64)
    second = np.array([j for _, j in pairs], dtype=np.int64)
    size = np.diag(counts)
    n_first, n_second, both = size[first], size[second], counts[first, second]
    either = n_first + n_second - both
    columns: dict[str, Any] = {
        "first": np.array(names, dtype=object)[first],
        "second": np.array(names, dtype=object)[second],
        "n_first": n_first,
        "n_second": n_second,
        "n_both": both,
        "n_either": either,
    }
    for name, whole in (("jaccard", either), ("share_of_first", n_first), ("share_of_second", n_second)):
        columns[name] = both / np.where(whole > 0, whole, np.nan)
        columns[f"{name}_low"], columns[f"{name}_high"] = wilson(both, whole, level)
    table = pd.DataFrame(columns)
    table["near_duplicate"] = table["jaccard"] >= near_duplicate
    inside = np.where(table["share_of_first"] >= contained, "first", "")
    inside = np.where(table["share_of_second"] >= contained, "second", inside)
    table["contained"] = np.where(
        (table[["share_of_first", "share_of_second"]] >= contained).all(axis=1), "both", inside
    )
    table["contained"] = table["contained"].astype(object)
    return table
