"""Degrees of membership in segments of any shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation.segmenters._density_tree import Density, Places, chunks, space_tree

__all__ = ["soft_membership"]

# Stands for 0 where something is divided by: relative to the largest density, as densities have units.
SMALL = 1e-8
TINY = np.finfo(np.float64).tiny


def soft_membership(density: Density, values: NDArray[np.float64], places: Places, metric: str) -> NDArray[np.float64]:
    """Return the degree to which customers belong to each segment.

    The formula of ``hdbscan.membership_vector``: the product of two shares and of the degree of being in any
    segment. The first share is by the distance to the nearest exemplar (to the power of -1/2), the second by how
    much density is lost on the way from the customer to the segment (softmax of P / (P - m), squared: P the
    largest density where the customer stands, m that at which the ways part).

    Returns
    -------
    ndarray of shape (n_customers, n_segments)
        Rows sum to at most 1: to the customer's density over the largest in its segment.
    """
    result = np.zeros((len(values), density.n_segments))
    if not density.n_segments:
        return result
    trees = [
        space_tree(density.rows[density.exemplar[density.exemplar_code == code]], metric)
        for code in range(density.n_segments)
    ]
    for part in chunks(len(values), density.n_segments):
        node, at = places.node[part], places.density[part]
        distances = np.column_stack([tree.query(values[part], k=1)[0][:, 0] for tree in trees])
        result[part] = _degrees(density, node, at, distances)
    return result


def _degrees(
    density: Density, node: NDArray[np.int64], at: NDArray[np.float64], distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    meet = density.meet[node]
    meet = np.where(np.isnan(meet), at[:, None], meet)
    peak = density.peak[node][:, None]
    lost = peak - meet
    outlyingness = peak / np.where(lost > 0, lost, SMALL * peak)
    # shares are normalised, so that their logarithms need no more than to be right up to a constant
    logs = 2.0 * outlyingness - 0.5 * np.log(np.maximum(distances, TINY))
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    # of segments that are equally near in the tree, as all are to a customer outside of them, the one shared most
    nearest = np.where(meet == meet.max(axis=1, keepdims=True), shares, -1.0).argmax(axis=1)
    inside = meet.max(axis=1) / np.maximum(at, density.segment_peak[nearest])
    degrees: NDArray[np.float64] = shares * np.minimum(inside, 1.0)[:, None]
    return degrees
