"""Indices from centres and spreads: Calinski-Harabasz, Davies-Bouldin, dispersion."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["CentreIndices", "centre_indices"]


@dataclass(frozen=True, eq=False)
class CentreIndices:
    """What centres and distances to them say.

    Attributes
    ----------
    calinski_harabasz, davies_bouldin : float
        NaN where they are not defined.
    dispersion : ndarray of shape (k,)
        Mean distance of a segment's customers to their centre.
    closeness : ndarray of shape (k,)
        Each segment's term in Davies-Bouldin: dispersion of it and of its worst neighbour, over the distance of their
        centres.
    """

    calinski_harabasz: float
    davies_bouldin: float
    dispersion: NDArray[np.float64]
    closeness: NDArray[np.float64]


def centre_indices(values: NDArray[np.float64], starts: NDArray[np.intp]) -> CentreIndices:
    """Compute the indices; Euclidean, whatever the metric of the silhouette.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Sorted by segment.
    starts : ndarray of shape (k + 1,)
        First row of each segment, and the end; no segment is empty.

    References
    ----------
    Calinski, Harabasz (1974), doi:10.1080/03610927408827101. Davies, Bouldin (1979), doi:10.1109/TPAMI.1979.4766909.
    """
    n, k, sizes = len(values), len(starts) - 1, np.diff(starts)
    centres, squares, dispersion = np.empty((k, values.shape[1])), np.empty(k), np.empty(k)
    for segment, (i, j) in enumerate(pairwise(starts)):
        centres[segment] = values[i:j].mean(axis=0)
        off = values[i:j] - centres[segment]
        distances = np.sqrt(np.einsum("ij,ij->i", off, off))
        squares[segment], dispersion[segment] = float(distances @ distances), float(distances.mean())
    if k < 2:
        return CentreIndices(np.nan, np.nan, dispersion, np.full(k, np.nan))
    overall = sizes @ centres / n
    between = float(sizes @ ((centres - overall) ** 2).sum(axis=1))
    return CentreIndices(
        _ratio(between * (n - k), float(squares.sum()) * (k - 1)),
        float((closeness := _closeness(centres, dispersion)).mean()),
        dispersion,
        closeness,
    )


def _ratio(above: float, below: float) -> float:
    """Quotient; infinite over nothing, undefined where both are nothing."""
    if below > 0:
        return above / below
    return np.inf if above > 0 else np.nan


def _closeness(centres: NDArray[np.float64], dispersion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Worst neighbour of each segment; infinite where another has the same centre."""
    worst = np.empty(len(centres))
    for segment, centre in enumerate(centres):
        apart = np.sqrt(((centres - centre) ** 2).sum(axis=1))
        both = dispersion + dispersion[segment]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(apart > 0, both / apart, np.inf)
        worst[segment] = np.delete(ratios, segment).max()
    return worst
