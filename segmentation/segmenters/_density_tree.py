"""Where the segments lie: the condensed tree as arrays, and where a customer comes to stand in it.

The rules are those of ``hdbscan.approximate_predict``, except that customers with the very same values always get
the very same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.segmenters._density_package import PackageResult

__all__ = [
    "Density",
    "Places",
    "add_core_distances",
    "build_density",
    "chunks",
    "locate",
    "nearest_codes",
    "reorder",
    "space_tree",
]

KD_TREE_METRICS = ("chebyshev", "euclidean", "manhattan")
# Neighbours that are looked up together: some tens of megabytes at work, whatever the number of customers.
NEIGHBOURS_AT_ONCE = 2**20


@dataclass(frozen=True)
class Density:
    """The fitted state: all that is needed to place a customer. k is the number of segments.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        The customers learnt from, on the scale of the distances.
    core : ndarray of shape (n_rows,)
        Distance to the neighbour that decides how dense it is around each.
    row_node, row_density : ndarrays of shape (n_rows,)
        The node of the condensed tree that each row leaves last, and the density (1 / distance) at which it does;
        the same for identical rows.
    parent, birth, peak, code : ndarrays of shape (n_nodes,)
        Of each node: the node above (-1 at the root), the density at which it came into being, the largest density
        inside, and the segment that it belongs to (-1 for none).
    meet : ndarray of shape (n_nodes, k)
        Density at which the branches of node and segment part; NaN where one lies inside the other.
    segment_peak : ndarray of shape (k,)
        The largest density inside each segment's own node.
    exemplar, exemplar_code : ndarrays of shape (n_exemplars,)
        Rows at the densest places of each segment, sorted by segment.
    """

    rows: NDArray[np.float64]
    core: NDArray[np.float64]
    row_node: NDArray[np.int64]
    row_density: NDArray[np.float64]
    parent: NDArray[np.int64]
    birth: NDArray[np.float64]
    peak: NDArray[np.float64]
    code: NDArray[np.int64]
    meet: NDArray[np.float64]
    segment_peak: NDArray[np.float64]
    exemplar: NDArray[np.int64]
    exemplar_code: NDArray[np.int64]

    @property
    def n_segments(self) -> int:
        """How many segments were found."""
        return int(self.meet.shape[1])


@dataclass(frozen=True)
class Places:
    """Where customers stand: node and density of the nearest customer learnt from, and the segment or -1."""

    node: NDArray[np.int64]
    density: NDArray[np.float64]
    code: NDArray[np.int64]


def chunks(n_rows: int, n_neighbours: int) -> Iterator[slice]:
    """Cut rows, each with so many neighbours, into pieces of bounded size."""
    step = max(1, NEIGHBOURS_AT_ONCE // n_neighbours)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def space_tree(rows: NDArray[np.float64], metric: str) -> Any:
    """Build the tree in which neighbours are looked up; the same kind as in the package."""
    from sklearn.neighbors import BallTree, KDTree

    return (KDTree if metric in KD_TREE_METRICS else BallTree)(rows, metric=metric)


def build_density(
    rows: NDArray[np.float64], group: NDArray[np.intp], found: PackageResult
) -> tuple[Density, NDArray[np.int64]]:
    """Turn what the package found into the state that places customers; core distances are added apart.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    group : ndarray of shape (n_rows,)
        Number of each row's group of identical rows.
    found : PackageResult

    Returns
    -------
    density : Density
    package_codes : ndarray of shape (n_rows,)
        The package's labels in the codes of `density`. A cluster whose rows are all identical to more rows of
        another one is no segment; it has a code beyond the last.
    """
    n_rows = len(rows)
    inner = found.child >= n_rows
    n_nodes = int(found.child[inner].max(initial=n_rows)) - n_rows + 1
    at = _finite(found.density)
    parent, birth = np.full(n_nodes, -1), np.zeros(n_nodes)
    parent[found.child[inner] - n_rows] = found.parent[inner] - n_rows
    birth[found.child[inner] - n_rows] = at[inner]
    peak = np.zeros(n_nodes)
    np.maximum.at(peak, found.parent - n_rows, at)
    row_node, row_density = np.empty(n_rows, dtype=np.int64), np.empty(n_rows)
    row_node[found.child[~inner]] = found.parent[~inner] - n_rows
    row_density[found.child[~inner]] = at[~inner]

    node_label = _label_nodes(parent, row_node, found.labels)
    speaks = _spokesmen(group, found.labels, row_density)
    row_node, row_density = row_node[speaks], row_density[speaks]
    codes = _codes_of_labels(found.labels, node_label[row_node])
    code = codes[node_label]
    n_segments = int(code[row_node].max(initial=-1)) + 1
    code[code >= n_segments] = -1
    tops = _tops(parent, code, n_segments)
    exemplar, exemplar_code = _exemplars(parent, code, row_node, row_density, group)
    density = Density(
        rows=rows,
        core=np.zeros(n_rows),
        row_node=row_node,
        row_density=row_density,
        parent=parent,
        birth=birth,
        peak=peak,
        code=code,
        meet=_meeting_points(parent, birth, tops),
        segment_peak=peak[tops],
        exemplar=exemplar,
        exemplar_code=exemplar_code,
    )
    return density, codes[found.labels]


def _finite(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give rows on top of each other the largest finite density, so that theirs can be compared and divided."""
    finite = density[np.isfinite(density)]
    return np.minimum(density, finite.max() if finite.size else 1.0)


def _label_nodes(
    parent: NDArray[np.int64], row_node: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the package's label of every node: that of its rows, or where it has none, of both nodes below.

    All nodes below a selected one carry its label. A node without rows of its own is inside a selected one where
    both halves agree, and above where they differ. Nodes are numbered from the top.
    """
    result = np.full(len(parent), -1, dtype=np.int64)
    result[row_node] = labels
    settled, half_known = np.zeros(len(parent), dtype=bool), np.zeros(len(parent), dtype=bool)
    settled[row_node] = True
    for node in range(len(parent) - 1, 0, -1):
        above = parent[node]
        if settled[above]:
            continue
        if not half_known[above]:
            result[above], half_known[above] = result[node], True
        elif result[above] != result[node]:
            result[above] = -1
    return result


def _spokesmen(
    group: NDArray[np.intp], labels: NDArray[np.int64], row_density: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return for each row the row that speaks for all identical ones.

    It has the label that most of them have; of equally many, a segment before none, then the lower label; and
    among those the largest density.
    """
    if group.max(initial=0) == len(group) - 1:  # no two are identical
        return np.arange(len(group))
    _, kind, n_alike = np.unique(np.column_stack([group, labels]), axis=0, return_inverse=True, return_counts=True)
    votes = n_alike[kind.ravel()]
    order = np.lexsort((-row_density, labels, labels < 0, -votes, group))
    first = np.searchsorted(group[order], np.arange(group.max() + 1))
    speaks: NDArray[np.intp] = order[first][group]
    return speaks


def _codes_of_labels(labels: NDArray[np.int64], final: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the labels that keep rows from 0; those that lose all come behind. Index -1 gives -1."""
    n_labels = int(labels.max(initial=-1)) + 1
    kept = np.bincount(final[final >= 0], minlength=n_labels) > 0
    codes = np.full(n_labels + 1, -1, dtype=np.int64)
    codes[:-1][kept] = np.arange(kept.sum())
    codes[:-1][~kept] = np.arange(kept.sum(), n_labels)
    return codes


def _tops(parent: NDArray[np.int64], code: NDArray[np.int64], n_segments: int) -> NDArray[np.int64]:
    """Return the highest node of each segment."""
    tops = np.zeros(n_segments, dtype=np.int64)
    for node in range(len(parent) - 1, -1, -1):
        if code[node] >= 0:
            tops[code[node]] = node
    return tops


def _meeting_points(
    parent: NDArray[np.int64], birth: NDArray[np.float64], tops: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the density at which the branches of each node and each segment part, NaN on one and the same branch."""
    above = np.zeros((len(parent), len(tops)), dtype=bool)  # the segment itself or a node above it
    above[tops, np.arange(len(tops))] = True
    for node in range(len(parent) - 1, 0, -1):
        above[parent[node]] |= above[node]
    result = np.full(above.shape, np.nan)
    is_top = np.zeros_like(above)
    is_top[tops, np.arange(len(tops))] = True
    for node in range(1, len(parent)):
        leaves_here = ~above[node] & above[parent[node]] & ~is_top[parent[node]]
        result[node] = np.where(leaves_here, birth[node], np.where(above[node], np.nan, result[parent[node]]))
    return result


def _exemplars(
    parent: NDArray[np.int64],
    code: NDArray[np.int64],
    row_node: NDArray[np.int64],
    row_density: NDArray[np.float64],
    group: NDArray[np.intp],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows at the densest places: the last ones to leave the lowest nodes of every segment.

    Of identical rows one is enough.
    """
    rows = np.flatnonzero(code[row_node] >= 0)
    rows = rows[np.unique(group[rows], return_index=True)[1]]
    lowest = np.ones(len(parent), dtype=bool)
    lowest[parent[1:]] = False
    at_bottom = rows[lowest[row_node[rows]]]
    # where identical rows were brought together, a segment may have none left at the bottom
    bare = np.setdiff1d(code[row_node[rows]], code[row_node[at_bottom]])
    others = rows[np.isin(code[row_node[rows]], bare)]
    place = np.concatenate([row_node[at_bottom], len(parent) + code[row_node[others]]])
    rows = np.concatenate([at_bottom, others])
    best = np.zeros(2 * len(parent) + 1)
    np.maximum.at(best, place, row_density[rows])
    chosen = rows[row_density[rows] == best[place]]
    codes = code[row_node[chosen]]
    order = np.lexsort((chosen, codes))
    return chosen[order], codes[order]


def add_core_distances(density: Density, metric: str, min_samples: int) -> tuple[Density, Places]:
    """Add the core distances, and return the places of the rows: each finds itself or an identical one nearest."""
    n_rows = len(density.rows)
    if not density.n_segments:
        return density, _stand_on(density, np.arange(n_rows))
    tree, k = space_tree(density.rows, metric), _n_neighbours(n_rows, min_samples)
    core, nearest = np.empty(n_rows), np.empty(n_rows, dtype=np.intp)
    for part in chunks(n_rows, k):
        distances, indices = tree.query(density.rows[part], k=k)
        core[part] = distances[:, min(min_samples, n_rows) - 1]
        nearest[part] = indices[:, 0]
    return replace(density, core=core), _stand_on(density, nearest)


def _n_neighbours(n_rows: int, min_samples: int) -> int:
    return min(2 * min_samples, n_rows)


def _stand_on(density: Density, row: NDArray[np.intp]) -> Places:
    """Return the places of customers that are identical to rows."""
    node = density.row_node[row]
    return Places(node, density.row_density[row], density.code[node])


def reorder(density: Density, rank: NDArray[np.int64]) -> Density:
    """Renumber the segments: segment i becomes ``rank[i]``."""
    order = np.argsort(rank)
    with_none = np.append(rank, -1)
    codes = with_none[density.exemplar_code]
    by_code = np.argsort(codes, kind="stable")
    return replace(
        density,
        code=with_none[density.code],
        meet=density.meet[:, order],
        segment_peak=density.segment_peak[order],
        exemplar=density.exemplar[by_code],
        exemplar_code=codes[by_code],
    )


def locate(density: Density, values: NDArray[np.float64], metric: str, min_samples: int) -> Places:
    """Find the place of each customer.

    A customer joins the row that is nearest in mutual reachability distance, the largest of the distance and the
    two core distances, at the density 1 / distance; where the row leaves its node later than that, the customer
    goes up the tree as far as it came into the node at all. Far from everybody that is the root: no segment.
    A customer with the values of a row stands where the row stands.

    Parameters
    ----------
    density : Density
    values : ndarray of shape (n_customers, n_columns)
        On the scale of ``density.rows``.
    metric : str
    min_samples : int

    Returns
    -------
    Places
    """
    n = len(values)
    node, at, code = np.zeros(n, dtype=np.int64), np.zeros(n), np.full(n, -1, dtype=np.int64)
    if not density.n_segments:
        return Places(node, at, code)
    tree, k = space_tree(density.rows, metric), _n_neighbours(len(density.rows), min_samples)
    for part in chunks(n, k):
        distances, indices = tree.query(values[part], k=k)
        node[part], at[part], code[part] = _place(density, distances, indices, min_samples)
    return Places(node, at, code)


def _place(
    density: Density, distances: NDArray[np.float64], indices: NDArray[np.intp], min_samples: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    own_core = distances[:, [min(min_samples, distances.shape[1] - 1)]]
    reach = np.maximum(np.maximum(density.core[indices], own_core), distances)
    best = reach.argmin(axis=1)  # of equally near ones the first: the nearest in plain distance
    every = np.arange(len(reach))
    identical = distances[:, 0] == 0
    best[identical] = 0
    row, reach_of_best = indices[every, best], reach[every, best]
    node, row_density = density.row_node[row], density.row_density[row]
    with np.errstate(divide="ignore"):
        at = np.where(identical, row_density, np.minimum(1.0 / reach_of_best, np.finfo(np.float64).max))
    above = node.copy()
    climbing = row_density > at
    while climbing.any():
        climbing &= (density.parent[above] >= 0) & (density.birth[above] >= at)
        above[climbing] = density.parent[above[climbing]]
    return node, np.minimum(at, row_density), density.code[above]


def nearest_codes(
    density: Density, values: NDArray[np.float64], codes: NDArray[np.int64], metric: str
) -> NDArray[np.int64]:
    """Give customers without a segment that of the nearest row that has one."""
    result, lost = codes.copy(), np.flatnonzero(codes < 0)
    inside = np.flatnonzero(density.code[density.row_node] >= 0)
    if not (lost.size and inside.size):
        return result
    tree = space_tree(density.rows[inside], metric)
    for part in chunks(len(lost), 1):
        row = inside[tree.query(values[lost[part]], k=1, return_distance=False)[:, 0]]
        result[lost[part]] = density.code[density.row_node[row]]
    return result
