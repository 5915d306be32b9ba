"""Which figures rest on few customers, or would let one that does be computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MINIMUM", "few_on_a_side", "protect", "protect_grid"]

# Fewest customers behind a figure, as in `segmentation.governance`.
MINIMUM = 10


def protect(counts: NDArray[Any], minimum: int) -> NDArray[np.bool_]:
    """Say which counts of a sum that is known are hidden, so that none in 1 .. minimum - 1 can be computed.

    The rest of the sum is known, so hidden counts must be two or more and `minimum` or more together; else the
    smallest of the others is hidden too. Zeros stay: they are nobody.

    Examples
    --------
    >>> protect(np.array([500, 3, 40, 0]), 10)
    array([False,  True,  True, False])
    """
    hide = (counts > 0) & (counts < minimum)
    open_ = sorted(np.flatnonzero((counts > 0) & ~hide), key=lambda i: (counts[i], i))
    while hide.any() and open_ and (hide.sum() < 2 or counts[hide].sum() < minimum):
        hide[open_.pop(0)] = True
    return np.asarray(hide, dtype=np.bool_)


def protect_grid(counts: NDArray[Any], minimum: int, hidden_rows: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Do the same for a table of which the sums of rows and of columns are known.

    Examples
    --------
    >>> protect_grid(np.array([[3, 50, 60], [40, 50, 60], [70, 80, 90]]), 10).astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 0]])
    """
    hide = (counts > 0) & (counts < minimum)
    if hidden_rows is not None:
        hide |= hidden_rows[:, None] & (counts > 0)
    while True:
        before = hide.sum()
        for line, mask in [*zip(counts, hide, strict=True), *zip(counts.T, hide.T, strict=True)]:
            _widen(line, mask, minimum)
        if hide.sum() == before:
            return np.asarray(hide, dtype=np.bool_)


def _widen(counts: NDArray[Any], hide: NDArray[np.bool_], minimum: int) -> None:
    """Hide more of one line, in place, until what is hidden cannot be computed from its sum."""
    open_ = sorted(np.flatnonzero((counts > 0) & ~hide), key=lambda i: (counts[i], i))
    while hide.any() and open_ and (hide.sum() < 2 or counts[hide].sum() < minimum):
        hide[open_.pop(0)] = True


def few_on_a_side(part: Any, whole: Any, minimum: int) -> NDArray[np.bool_]:
    """Tell where a part of a whole, or what is left of it, is 1 .. minimum - 1 customers.

    Examples
    --------
    >>> few_on_a_side(np.array([3, 20, 0, 30]), 32, 10)
    array([ True, False, False,  True])
    """
    rest = np.asarray(whole) - np.asarray(part)
    small = ((part > 0) & (part < minimum)) | ((rest > 0) & (rest < minimum))
    return np.asarray(small, dtype=np.bool_)
