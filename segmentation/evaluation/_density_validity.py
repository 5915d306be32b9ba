"""DBCV: whether segments are dense within and parted by sparse ground, whatever their shape."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import t as student

from segmentation._progress import progress
from segmentation.evaluation._silhouette import METRICS, Grouped

__all__ = ["DensityValidity", "density_validity"]

ROWS = 256
N_SAMPLES = 5


@dataclass(frozen=True, eq=False)
class DensityValidity:
    """DBCV of a segmentation and of its segments.

    Attributes
    ----------
    value : float
    error : float
        Spread over the samples, as a standard error of their mean; 0 where everybody was used.
    per_segment : ndarray of shape (k,)
        NaN for a segment of one customer, which counts 0.
    n_used : ndarray of shape (k,)
        Customers of each segment used at a time.
    """

    value: float
    error: float
    per_segment: NDArray[np.float64]
    n_used: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Tree:
    """The part of a segment's spanning tree that counts."""

    values: NDArray[np.float64]
    core: NDArray[np.float64]
    sparseness: float


def density_validity(
    grouped: Grouped, n_customers: int, most: int, rng: np.random.RandomState, *, show: bool | None = None
) -> DensityValidity:
    """Compute DBCV [1]_, on samples of segments with more than `most` customers.

    Parameters
    ----------
    grouped : Grouped
        At least two segments.
    n_customers : int
        All customers, the unassigned with them: each of those counts 0.
    most : int
        Customers of a segment used at a time; of a larger one five samples are drawn and the results averaged.
        The density at a customer is a mean over the others of the segment, so that a sample estimates the same.
    rng : RandomState
    show : bool or None

    Notes
    -----
    Mutual reachability makes many links of the spanning tree equally long, and which of them are taken decides who is
    inside the tree. Here a customer is linked to the densest that is as near: the inner customers are those of dense
    ground, as the index means them to be, whatever the order of the rows. ``hdbscan.validity.validity_index`` takes the
    first row that fits, so that its value depends on the order: 0.19 to 0.56 for six orders of the same two moons of
    150 customers each, which have 0.63 here.

    A sample is sparser than what it is drawn from: drawn-out segments hang together less well in it, and the value is
    too low rather than too high (two moons of 1,000 each: 0.73 from all, 0.46 from 120 of each).

    References
    ----------
    .. [1] Moulavi, Jaskowiak, Campello, Zimek, Sander (2014), Density-based clustering validation, SDM,
       doi:10.1137/1.9781611973440.96.
    """
    sizes = grouped.sizes
    used = np.minimum(sizes, most)
    repeats = N_SAMPLES if (used < sizes).any() else 1
    varying = int((np.ptp(grouped.values.astype(np.float64), axis=0) > 0).sum())
    found = np.empty((repeats, len(sizes)))
    with progress(what="DBCV", total=repeats * len(sizes), unit="segment", show=show) as bar:
        for repeat in range(repeats):
            trees = []
            for i, j in pairwise(grouped.starts):
                values = grouped.values[i:j]
                if len(values) > most:
                    values = values[rng.choice(len(values), most, replace=False)]
                trees.append(_tree_of(values, grouped.metric, max(varying, 1)))
                bar.update()
            found[repeat] = _validities(trees, grouped.metric)
    counted = np.where(np.isnan(found), 0.0, found) @ (sizes / n_customers)
    # Student's factor: five samples know little about their own spread
    wide = float(student.ppf(0.97725, repeats - 1)) / 2.0 if repeats > 1 else 0.0
    error = float(counted.std(ddof=1)) / np.sqrt(repeats) * wide if repeats > 1 else 0.0
    return DensityValidity(float(counted.mean()), error, found.mean(axis=0), used)


def _validities(trees: list[_Tree], metric: str) -> NDArray[np.float64]:
    """How much farther the nearest other segment is than the sparsest link within, from -1 to 1."""
    nearest = np.full(len(trees), np.inf)
    for a in range(len(trees)):
        for b in range(a + 1, len(trees)):
            apart = _separation(trees[a], trees[b], metric)
            nearest[a], nearest[b] = min(nearest[a], apart), min(nearest[b], apart)
    sparseness = np.array([tree.sparseness for tree in trees])
    larger = np.maximum(nearest, sparseness)
    values: NDArray[np.float64] = np.where(
        larger > 0, (nearest - sparseness) / np.where(larger > 0, larger, 1.0), larger
    )
    return values


def _separation(a: _Tree, b: _Tree, metric: str) -> float:
    """Smallest mutual reachability between inner customers of two segments."""
    smallest = np.inf
    for i in range(0, len(a.values), ROWS):
        distances = cdist(a.values[i : i + ROWS], b.values, METRICS[metric])
        np.maximum(distances, b.core, out=distances)
        np.maximum(distances, a.core[i : i + ROWS, None], out=distances)
        smallest = min(smallest, float(distances.min()))
    return smallest


def _tree_of(values: NDArray[np.float64], metric: str, dimensions: int) -> _Tree:
    """Return the inner customers of a segment's spanning tree, and its longest inner link."""
    core = _core_distances(values, metric, dimensions)
    if len(values) == 1:
        return _Tree(values, core, np.nan)
    ends, lengths = _spanning_tree(values, core, metric)
    links = np.bincount(ends.ravel(), minlength=len(values))
    inner = np.flatnonzero(links > 1)
    if not inner.size:  # two customers
        return _Tree(values, core, float(lengths.max()))
    within = (links[ends] > 1).all(axis=1)
    return _Tree(values[inner], core[inner], float(lengths[within].max() if within.any() else lengths.max()))


def _core_distances(values: NDArray[np.float64], metric: str, dimensions: int) -> NDArray[np.float64]:
    """All-points core distances: (mean over the others of distance^-d)^(-1/d); those at distance 0 add nothing.

    In units of the smallest distance, so that no power overflows.
    """
    core = np.zeros(len(values))
    for i in range(0, len(values), ROWS):
        distances = cdist(values[i : i + ROWS], values, METRICS[metric])
        distances[distances == 0] = np.inf
        smallest = distances.min(axis=1)
        some = np.isfinite(smallest)
        ratios = smallest[some, None] / distances[some]
        mean = (ratios**dimensions).sum(axis=1) / (len(values) - 1)
        core[i : i + ROWS][some] = smallest[some] * mean ** (-1.0 / dimensions)
    return core


def _spanning_tree(
    values: NDArray[np.float64], core: NDArray[np.float64], metric: str
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Prim's minimum spanning tree of mutual reachability without a matrix; of equal links the one to denser ground.

    Returns
    -------
    ends : ndarray of shape (n - 1, 2)
    lengths : ndarray of shape (n - 1,)
        Mutual reachability of each link.
    """
    n = len(values)
    outside = np.arange(1, n)
    best, denser, parent = np.full(n, np.inf), np.full(n, np.inf), np.zeros(n, dtype=np.intp)
    ends, lengths, last = np.empty((n - 1, 2), dtype=np.intp), np.empty(n - 1), 0
    for step in range(n - 1):
        distances = cdist(values[last : last + 1], values[outside], METRICS[metric])[0]
        reach = np.maximum(distances, np.maximum(core[last], core[outside]))
        dense = np.minimum(core[last], core[outside])
        known = best[outside]
        shorter = (reach < known) | ((reach == known) & (dense < denser[outside]))
        moved = outside[shorter]
        best[moved], denser[moved], parent[moved] = reach[shorter], dense[shorter], last
        known = best[outside]
        ties = np.flatnonzero(known == known.min())
        at = ties[denser[outside[ties]].argmin()]
        last = int(outside[at])
        ends[step], lengths[step] = (parent[last], last), best[last]
        outside[at] = outside[-1]
        outside = outside[:-1]
    return ends, lengths
