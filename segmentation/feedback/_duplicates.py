"""Long texts that copy one of another customer, but for a few words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["copies"]

# Shorter texts are alike by chance: "Delivery is too slow."
FEWEST_WORDS = 10
ALIKE = 0.8
BANDS, HASHES_PER_BAND = 6, 3


def copies(
    words: Any, customer: NDArray[np.int64], rng: np.random.Generator, long_enough: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Tell which texts share at least four fifths of their words with an earlier text of another customer.

    Candidates come from hashes (MinHash, Broder 1997, doi:10.1109/SEQUEN.1997.666900), and are then compared exactly.

    Parameters
    ----------
    words : sparse array of shape (n_texts, n_words)
    customer : ndarray of shape (n_texts,)
    long_enough : ndarray of bool, optional
        Other texts are not looked at, whatever their number of words is.
    rng : Generator
        For the hashes; a pair at the threshold is found with a probability of 0.98, a closer one more surely.
    """
    table = sparse.csr_array(words)
    lengths = np.diff(table.indptr)
    long_ = np.flatnonzero((lengths >= FEWEST_WORDS) & (True if long_enough is None else long_enough))
    result = np.zeros(table.shape[0], dtype=np.bool_)
    if not long_.size:
        return result
    table = sparse.csr_array(table[long_])
    table.data = np.ones(len(table.data), dtype=np.int64)
    lengths, who = lengths[long_], customer[long_]
    copied = np.zeros(len(long_), dtype=np.bool_)
    for _ in range(BANDS):
        key = np.zeros(len(long_), dtype=np.uint64)
        for _ in range(HASHES_PER_BAND):
            values = rng.permutation(table.shape[1]).astype(np.uint64)
            smallest = np.minimum.reduceat(values[table.indices], table.indptr[:-1])
            key = key * np.uint64(1_000_003) + smallest
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        model = first[group]
        pair = np.flatnonzero((model != np.arange(len(long_))) & ~copied & (who != who[model]))
        both = np.asarray(table[pair].multiply(table[model[pair]]).sum(axis=1)).ravel()
        either = lengths[pair] + lengths[model[pair]] - both
        copied[pair[both >= ALIKE * either]] = True
    result[long_[copied]] = True
    return result
