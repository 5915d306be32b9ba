"""What two segmentations have in common, segment by segment, and how much of it chance would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import hypergeom

from segmentation._multiplicity import holm

__all__ = ["Evidence", "chance_of", "count_pairs", "evidence_of_customers"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Counts of all pairs of segments and what follows from them; arrays of shape (n_old, n_new).

    ``sizes_old`` and ``sizes_new`` are those among the customers compared; ``related`` says which overlaps are beyond
    chance; ``distance`` is that of the centres, NaN where customers were compared.
    """

    both: NDArray[np.int64]
    sizes_old: NDArray[np.int64]
    sizes_new: NDArray[np.int64]
    n_compared: int
    p_value: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    related: NDArray[np.bool_]
    distance: NDArray[np.float64]
    identical: bool

    @property
    def of_old(self) -> NDArray[np.float64]:
        """Share of each old segment that is in each new one."""
        return _divide(self.both, self.sizes_old[:, None])

    @property
    def of_new(self) -> NDArray[np.float64]:
        """Share of each new segment that was in each old one."""
        return _divide(self.both, self.sizes_new[None, :])

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """Customers in both, divided by those in at least one."""
        return _divide(self.both, self.sizes_old[:, None] + self.sizes_new[None, :] - self.both)

    @property
    def expected(self) -> NDArray[np.float64]:
        """Customers in both if the two segmentations had nothing to do with each other."""
        return np.outer(self.sizes_old, self.sizes_new) / max(self.n_compared, 1)

    def table(self, old: Any, new: Any) -> pd.DataFrame:
        """Return one row per pair that shares customers, the most first."""
        rows, columns = np.nonzero(self.both)
        table = pd.DataFrame(
            {
                "old": np.asarray(old, dtype=object)[rows],
                "new": np.asarray(new, dtype=object)[columns],
                "n_both": self.both[rows, columns],
                "n_expected": self.expected[rows, columns],
                "jaccard": self.jaccard[rows, columns],
                "share_of_old": self.of_old[rows, columns],
                "share_of_new": self.of_new[rows, columns],
                "distance": self.distance[rows, columns],
                "p_value": self.p_value[rows, columns],
                "p_adjusted": self.p_adjusted[rows, columns],
                "related": self.related[rows, columns],
            }
        )
        return table.sort_values("n_both", ascending=False, kind="stable", ignore_index=True)


def _divide(above: Any, below: Any) -> NDArray[np.float64]:
    """Divide, with 0 where there is nothing to divide by: nobody shares nothing."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))
    result: NDArray[np.float64] = np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
    return result


def count_pairs(old: Codes, new: Codes, n_old: int, n_new: int) -> NDArray[np.int64]:
    """Count the customers of every combination; the last row and column are those in no segment.

    Examples
    --------
    >>> count_pairs(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 1]), 2, 2)
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 1, 0]])
    """
    rows, columns = np.where(old < 0, n_old, old), np.where(new < 0, n_new, new)
    counts = np.bincount(rows * (n_new + 1) + columns, minlength=(n_old + 1) * (n_new + 1))
    return counts.reshape(n_old + 1, n_new + 1).astype(np.int64)


def chance_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the chance of sharing at least as many customers if the sizes were all that is given (hypergeometric).

    `counts` come from `count_pairs`; the result has no row and column of the unassigned. Overlaps of nobody get 1.
    """
    n, rows, columns = counts.sum(), counts.sum(axis=1)[:-1, None], counts.sum(axis=0)[None, :-1]
    both = counts[:-1, :-1]
    if not both.size or not n:
        return np.ones(both.shape)
    tail = hypergeom.sf(both - 1, n, rows, columns)
    result: NDArray[np.float64] = np.where(both > 0, np.clip(tail, 0.0, 1.0), 1.0)
    return result


def same_groups(counts: NDArray[np.int64]) -> bool:
    """Tell whether both segmentations make exactly the same groups, the unassigned among them."""
    inner = counts[:-1, :-1] > 0
    return bool(
        not counts[-1, :-1].any()
        and not counts[:-1, -1].any()
        and (inner.sum(axis=0) <= 1).all()
        and (inner.sum(axis=1) <= 1).all()
    )


def evidence_of_customers(counts: NDArray[np.int64], alpha: float) -> Evidence:
    """Judge the overlaps of customers who stand in both tables."""
    p = chance_of(counts)
    adjusted, identical = holm(p), same_groups(counts)
    both = counts[:-1, :-1]
    # Of four customers in two pairs nothing is beyond chance, but the same groups are the same groups.
    related = (both > 0) if identical else (both > 0) & (adjusted <= alpha)
    return Evidence(
        both,
        counts.sum(axis=1)[:-1],
        counts.sum(axis=0)[:-1],
        int(counts.sum()),
        p,
        adjusted,
        related,
        np.full(both.shape, np.nan),
        identical,
    )
