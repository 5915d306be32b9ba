"""Silhouettes in linear memory: exactly for all customers, or exactly for a sample that stands for all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import t as student

from segmentation._progress import progress

__all__ = ["METRICS", "Grouped", "Silhouettes", "exact_silhouettes", "group_customers", "sampled_silhouettes"]

METRICS = {
    "euclidean": "euclidean",
    "sqeuclidean": "sqeuclidean",
    "manhattan": "cityblock",
    "chebyshev": "chebyshev",
    "canberra": "canberra",
    "cosine": "cosine",
    "hamming": "hamming",
    "jaccard": "jaccard",
}
# Distances are worked out in tiles of this many customers a side, which stay in the processor's cache.
TILE = 512
# Beyond so many columns a matrix product is faster than differences, though it loses the smallest distances.
PRODUCT_FROM = 16
LEAST_PER_SEGMENT = 50
# The slope is estimated too and residuals have heavy tails: two standard errors by the formula alone held the exact
# value in 93 to 100 % of 200 samples of each of eight worlds, with this factor in 97 % or more.
CAUTION = 1.25


@dataclass(frozen=True, eq=False)
class Grouped:
    """Assigned customers, sorted by segment, with the segments that have any.

    Attributes
    ----------
    values : ndarray of shape (n, d)
    rows : ndarray of shape (n,)
        Where each customer stood before sorting.
    starts : ndarray of shape (k + 1,)
        First row of each segment, and the end.
    codes : ndarray of shape (k,)
        Code of each segment in the assignment.
    metric : str
    """

    values: NDArray[Any]
    rows: NDArray[np.intp]
    starts: NDArray[np.intp]
    codes: NDArray[np.int64]
    metric: str

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Customers of each segment."""
        return np.diff(self.starts)

    @property
    def owner(self) -> NDArray[np.intp]:
        """Position in `codes` of each customer's segment."""
        return np.repeat(np.arange(len(self.codes)), self.sizes)

    def tiles(self) -> list[tuple[int, int, int]]:
        """Segment, first and last row of every tile; no tile holds two segments."""
        return [
            (k, i, min(i + TILE, int(self.starts[k + 1])))
            for k in range(len(self.codes))
            for i in range(int(self.starts[k]), int(self.starts[k + 1]), TILE)
        ]


@dataclass(frozen=True, eq=False)
class Silhouettes:
    """Silhouettes of some or all customers, and what they say of each segment.

    Attributes
    ----------
    positions : ndarray of shape (m,)
        Whose: positions in the sorted customers.
    scores, nearest : ndarray of shape (m,)
        Silhouette, and position of the other segment that is nearest.
    means, errors : ndarray of shape (k,)
        Mean of each segment and its standard error; 0 where everybody was evaluated.
    mean, error : float
        Of all customers.
    """

    positions: NDArray[np.intp]
    scores: NDArray[np.float64]
    nearest: NDArray[np.intp]
    means: NDArray[np.float64]
    errors: NDArray[np.float64]
    mean: float
    error: float


def group_customers(values: NDArray[np.float64], codes: NDArray[np.int64], metric: str) -> Grouped:
    """Sort the assigned customers by segment."""
    order = np.argsort(codes, kind="stable")
    order = order[int((codes < 0).sum()) :]
    found, sizes = np.unique(codes[order], return_counts=True)
    chosen: NDArray[Any] = values[order]
    if metric == "jaccard":
        chosen = chosen != 0
    elif metric in ("euclidean", "sqeuclidean", "manhattan", "chebyshev") and len(chosen):
        chosen = chosen - chosen.mean(axis=0)  # distances stay; a common offset would cost digits in products
    return Grouped(np.ascontiguousarray(chosen), order, np.append(0, np.cumsum(sizes)), found, metric)


def _distances(a: NDArray[Any], b: NDArray[Any], metric: str) -> NDArray[np.float64]:
    if metric == "euclidean" and a.shape[1] > PRODUCT_FROM:
        squares_a, squares_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
        squared: NDArray[np.float64] = a @ b.T
        squared *= -2.0
        squared += squares_a[:, None]
        squared += squares_b[None, :]
        # what is left of equal customers after rounding is no distance
        squared[squared <= 32 * np.finfo(np.float64).eps * (squares_a[:, None] + squares_b[None, :])] = 0.0
        return np.sqrt(squared, out=squared)
    distances: NDArray[np.float64] = cdist(a, b, METRICS[metric])
    return distances


def _sums_exact(grouped: Grouped, show: bool | None) -> NDArray[np.float64]:
    """Sum of distances of every customer to every segment; each pair of tiles is worked out once."""
    sums = np.zeros((len(grouped.values), len(grouped.codes)))
    tiles = grouped.tiles()
    for position, (k, i, j) in enumerate(progress(tiles, what="silhouette", unit="tile", show=show)):
        for other_k, other_i, other_j in tiles[position:]:
            distances = _distances(grouped.values[i:j], grouped.values[other_i:other_j], grouped.metric)
            sums[i:j, other_k] += distances.sum(axis=1)
            if other_i != i:
                sums[other_i:other_j, k] += distances.sum(axis=0)
    return sums


def _sums_of(grouped: Grouped, positions: NDArray[np.intp], show: bool | None) -> NDArray[np.float64]:
    """Sum of distances of some customers to every segment."""
    sums = np.zeros((len(positions), len(grouped.codes)))
    blocks = range(0, len(positions), TILE)
    for start in progress(blocks, what="silhouette", unit="block", show=show):
        some = grouped.values[positions[start : start + TILE]]
        for k, i, j in grouped.tiles():
            sums[start : start + TILE, k] += _distances(some, grouped.values[i:j], grouped.metric).sum(axis=1)
    return sums


def _silhouettes(
    sums: NDArray[np.float64], own: NDArray[np.intp], sizes: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return silhouette and nearest other segment from sums of distances; 0 for somebody alone in a segment."""
    rows = np.arange(len(sums))
    within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    nearest = means.argmin(axis=1)
    beyond = means[rows, nearest]
    larger = np.maximum(within, beyond)
    values = np.where((larger > 0) & (sizes[own] > 1), (beyond - within) / np.where(larger > 0, larger, 1.0), 0.0)
    return values, nearest


def exact_silhouettes(grouped: Grouped, *, show: bool | None = None) -> Silhouettes:
    """Work out the silhouette of everybody, from all pairs of customers.

    Parameters
    ----------
    grouped : Grouped
        At least two segments.
    show : bool or None
        Progress.

    References
    ----------
    Rousseeuw (1987), Silhouettes, J. Computational and Applied Mathematics 20, doi:10.1016/0377-0427(87)90125-7.
    """
    own = grouped.owner
    values, nearest = _silhouettes(_sums_exact(grouped, show), own, grouped.sizes)
    means = np.bincount(own, values) / grouped.sizes
    zeros = np.zeros(len(means))
    return Silhouettes(np.arange(len(own)), values, nearest, means, zeros, float(values.mean()), 0.0)


def sampled_silhouettes(
    grouped: Grouped, size: int, rng: np.random.RandomState, *, show: bool | None = None
) -> Silhouettes:
    """Work out the exact silhouette of a sample, each from its distances to **all** customers, and estimate the rest.

    Averages of distances to a few customers would bias the nearest segment, which is a minimum; here only the choice
    of customers is random. They are chosen per segment, in proportion to its size but at least 50, systematically
    along a quick relative of the silhouette that is known for everybody (mean distances replaced by root mean
    squares, which follow from the centres), and the mean is corrected by regression on that relative [1]_. The
    standard error is that of a simple random sample of a segment with this correction, widened by Student's factor and
    by a quarter, so that two of it hold at least 95 %.

    References
    ----------
    .. [1] Cochran (1977), Sampling Techniques, 3rd ed., chapters 5A, 7 and 8.
    """
    sizes, own = grouped.sizes, grouped.owner
    quick = _quick_silhouettes(grouped)
    taken = np.minimum(sizes, np.maximum(LEAST_PER_SEGMENT, np.rint(size * sizes / sizes.sum()).astype(np.intp)))
    chosen = [
        grouped.starts[k] + _systematic(quick[grouped.starts[k] : grouped.starts[k + 1]], int(taken[k]), rng)
        for k in range(len(sizes))
    ]
    positions = np.concatenate(chosen)
    whose = own[positions]
    values, nearest = _silhouettes(_sums_of(grouped, positions, show), whose, sizes)
    mean_quick = np.bincount(own, quick) / sizes
    slope = _slope(values, quick[positions], whose, sizes / sizes.sum() / taken)
    residuals = values - slope * (quick[positions] - mean_quick[whose])
    means = np.bincount(whose, residuals) / taken
    squares = np.bincount(whose, (residuals - means[whose]) ** 2) / np.maximum(taken - 1, 1)
    variances = (1.0 - taken / sizes) * squares / taken
    weights = sizes / sizes.sum()
    parts = weights**2 * variances
    freedom = parts.sum() ** 2 / max(float((parts**2 / np.maximum(taken - 1, 1)).sum()), np.finfo(np.float64).tiny)
    error = float(np.sqrt(parts.sum()) * _widening(np.array([freedom]))[0])
    errors = np.sqrt(variances) * _widening(np.maximum(taken - 1, 1).astype(np.float64))
    return Silhouettes(positions, values, nearest, means, errors, float(weights @ means), error)


def _widening(freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Student's two-sided 95.45 % quantile over the normal one, which is 2, and the margin for caution."""
    wide: NDArray[np.float64] = CAUTION * student.ppf(0.97725, np.maximum(freedom, 1.0)) / 2.0
    return wide


def _systematic(keys: NDArray[np.float64], size: int, rng: np.random.RandomState) -> NDArray[np.intp]:
    """Choose `size` positions at equal steps along the keys, from a random start; equal keys in random order."""
    if size == len(keys):
        return np.arange(len(keys))
    order = np.lexsort((rng.random_sample(len(keys)), keys))
    at = np.floor((rng.random_sample() + np.arange(size)) * (len(keys) / size)).astype(np.intp)
    chosen: NDArray[np.intp] = order[np.minimum(at, len(keys) - 1)]
    return chosen


def _slope(
    y: NDArray[np.float64], z: NDArray[np.float64], whose: NDArray[np.intp], weights: NDArray[np.float64]
) -> float:
    """Regression of y on z within segments, one slope for all; 0 where z does not vary."""
    n = np.maximum(np.bincount(whose), 1)
    deviation = z - (np.bincount(whose, z) / n)[whose]
    spread = float((weights[whose] * deviation**2).sum())
    return float((weights[whose] * deviation * y).sum()) / spread if spread > 0 else 0.0


def _quick_silhouettes(grouped: Grouped) -> NDArray[np.float64]:
    """Silhouettes with root mean squares of Euclidean distances, which follow from centres and spreads."""
    values, sizes, own = grouped.values, grouped.sizes, grouped.owner
    centres = np.stack([values[i:j].mean(axis=0) for i, j in pairwise(grouped.starts)])
    spreads = np.array([_mean_square(values[i:j], centres[k]) for k, (i, j) in enumerate(pairwise(grouped.starts))])
    result = np.empty(len(values))
    step = max(TILE, TILE * TILE // len(sizes))
    for start in range(0, len(values), step):
        some = slice(start, min(start + step, len(values)))
        squares = np.stack([((values[some] - centre) ** 2).sum(axis=1) for centre in centres], axis=1) + spreads
        rows = np.arange(len(squares))
        mine = squares[rows, own[some]] * (sizes / np.maximum(sizes - 1, 1))[own[some]]
        squares[rows, own[some]] = np.inf
        within, beyond = np.sqrt(mine), np.sqrt(squares.min(axis=1))
        larger = np.maximum(within, beyond)
        result[some] = np.where(larger > 0, (beyond - within) / np.where(larger > 0, larger, 1.0), 0.0)
    return result


def _mean_square(values: NDArray[Any], centre: NDArray[np.float64]) -> float:
    """Mean squared distance to the centre, a piece at a time."""
    step = TILE * TILE
    return sum(float(((values[i : i + step] - centre) ** 2).sum()) for i in range(0, len(values), step)) / len(values)
