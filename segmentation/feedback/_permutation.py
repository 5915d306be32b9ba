"""How large differences between segments become when customers are shuffled over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation._progress import progress

__all__ = ["count_mentions", "shuffled_p_values"]

Floats = NDArray[np.float64]


def count_mentions(mentions: Any, segment: NDArray[Any], n_segments: int) -> Floats:
    """Count the customers of each segment who mention each thing, (n_things, n_segments).

    Parameters
    ----------
    mentions : sparse array of shape (n_customers, n_things)
        Its stored entries are the mentions.
    segment : ndarray of shape (n_customers,)
        Codes from 0 on.
    """
    table = sparse.csr_array(mentions)
    rows = np.repeat(segment, np.diff(table.indptr))
    cells = table.indices.astype(np.int64) * n_segments + rows
    flat = np.bincount(cells, minlength=table.shape[1] * n_segments)
    return np.asarray(flat, dtype=np.float64).reshape(table.shape[1], n_segments)


def shuffled_p_values(
    mentions: Any,
    segment: NDArray[np.int64],
    n_segments: int,
    statistic: Callable[[Floats], Floats],
    tested: NDArray[np.bool_],
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """Return the statistic of each thing in each segment, p-values corrected for all of them, and the counts.

    Whole customers are shuffled, with all they wrote, and the largest statistic over everything tested is compared
    (Westfall and Young 1993, single step): if segments have nothing to do with texts, the chance that anything at all
    is claimed is at most alpha, however the words hang together.
    """
    table = sparse.csr_array(mentions)
    counted = count_mentions(table, segment, n_segments)
    observed = statistic(counted)
    largest = np.full(n_permutations, -np.inf)
    # whole numbers of the size of a pointer throughout: bincount would copy any other
    row = np.repeat(np.arange(table.shape[0], dtype=np.intp), np.diff(table.indptr))
    offsets = table.indices.astype(np.intp) * n_segments
    codes = segment.astype(np.intp)
    cells = np.empty(offsets.size, dtype=np.intp)
    if tested.any():
        for b in progress(range(n_permutations), what="shuffling customers", unit="shuffle"):
            np.take(rng.permutation(codes), row, out=cells, mode="clip")
            cells += offsets
            flat = np.bincount(cells, minlength=table.shape[1] * n_segments)
            counts = flat.astype(np.float64).reshape(table.shape[1], n_segments)
            largest[b] = statistic(counts)[tested].max()
    ordered = np.sort(largest)
    at_least = n_permutations - np.searchsorted(ordered, observed, side="left")
    p_values = np.where(tested, (1.0 + at_least) / (1.0 + n_permutations), np.nan)
    return observed, p_values, counted
