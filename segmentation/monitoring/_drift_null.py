"""What the difference of two samples would be by chance, with customers who stand in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Panel", "Rows", "draws_of_gaps", "panels_of"]

# Above so many customers they are flipped in random blocks: the variance is the same, the cost does not grow.
MOST_CLUSTERS = 20_000
BLOCKS = 4_000
CHUNK = 100


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of both tables: which customer each belongs to, and which table it came from."""

    customer: NDArray[np.int64]
    is_current: NDArray[np.bool_]
    n_customers: int
    n_both: int

    @classmethod
    def of(cls, reference: pd.Index, current: pd.Index, *, same_customers: bool) -> Rows:
        """Find the customers of both tables by their ids."""
        is_current = np.repeat([False, True], [len(reference), len(current)])
        if not same_customers:
            n = len(is_current)
            return cls(np.arange(n), is_current, n, 0)
        codes, different = pd.factorize(reference.append(current))
        n_both = len(reference) + len(current) - len(different)
        return cls(codes.astype(np.int64), is_current, len(different), n_both)

    @property
    def how(self) -> str:
        """Which null is drawn from."""
        if self.n_customers > MOST_CLUSTERS:
            return "blocks"
        if not self.n_both:
            return "permutation"
        return "swaps" if 2 * self.n_both == len(self.customer) else "signs"


@dataclass(frozen=True, eq=False)
class Panel:
    """One feature, of all rows or those of one segment: sizes of both samples and shares of the fine bins."""

    feature: int
    segment: int
    sizes: tuple[float, float]
    pooled: NDArray[np.float64]
    gap: NDArray[np.float64]
    first: int


def panels_of(
    codes: Sequence[NDArray[np.int64]], n_fine: Sequence[int], rows: Rows, strata: NDArray[np.int64], n_strata: int
) -> list[Panel]:
    """Return the panel of every feature and stratum that has rows of both tables; -1 is in no stratum."""
    panels, first = [], 0
    for segment in range(n_strata):
        inside = strata == segment
        now = inside & rows.is_current
        then = inside & ~rows.is_current
        sizes = (float(then.sum()), float(now.sum()))
        if not sizes[0] or not sizes[1]:
            continue
        for feature, (code, n) in enumerate(zip(codes, n_fine, strict=True)):
            counts = np.bincount(code[then], minlength=n), np.bincount(code[now], minlength=n)
            panels.append(
                Panel(
                    feature,
                    segment,
                    sizes,
                    (counts[0] + counts[1]) / sum(sizes),
                    counts[1] / sizes[1] - counts[0] / sizes[0],
                    first,
                )
            )
            first += n
    return panels


def draws_of_gaps(
    panels: Sequence[Panel],
    codes: Sequence[NDArray[np.int64]],
    rows: Rows,
    strata: NDArray[np.int64],
    n_draws: int,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.float64]]:
    """Yield differences that chance gives, in chunks of shape (n_bins of all panels, up to 100 draws).

    Without customers in both tables (and strata), rows exchange their tables. Customers in both tables exchange their
    two rows, which is a random sign of what they contribute to the difference; where there are others too, or strata,
    their contribution, as a deviation from the shares of both tables together, gets a random sign as well.
    """
    exact = rows.how == "permutation" and len({panel.segment for panel in panels}) == 1 and bool((strata >= 0).all())
    bins, of_panel = _contributions(panels, codes, rows, strata, scaled=not exact)
    if not exact:
        cluster, n_clusters = _clusters(rows, rng)
        shape = (n_clusters, len(cluster))
        gather = sparse.csr_matrix((np.ones(len(cluster)), (cluster, np.arange(len(cluster)))), shape=shape)
        bins, of_panel = gather @ bins, gather @ of_panel
    by_bin, by_panel = bins.T.tocsr(), of_panel.T.tocsr()
    pooled = np.concatenate([panel.pooled for panel in panels])[:, None]
    owner = np.repeat(np.arange(len(panels)), [len(panel.pooled) for panel in panels])
    for start in range(0, n_draws, CHUNK):
        size = min(CHUNK, n_draws - start)
        if exact:
            yield by_bin @ _labels(rows.is_current, panels[0].sizes, size, rng)
        else:
            signs = 2.0 * rng.integers(0, 2, (by_bin.shape[1], size)) - 1.0
            yield by_bin @ signs - pooled * (by_panel @ signs)[owner]


def _contributions(
    panels: Sequence[Panel],
    codes: Sequence[NDArray[np.int64]],
    rows: Rows,
    strata: NDArray[np.int64],
    *,
    scaled: bool,
) -> tuple[Any, Any]:
    """Return, by row, the bin it lies in and the panels it belongs to, each with its weight in the difference."""
    at_row, at_bin, at_panel, weight = [], [], [], []
    for position, panel in enumerate(panels):
        inside = np.flatnonzero(strata == panel.segment)
        at_row.append(inside)
        at_bin.append(panel.first + codes[panel.feature][inside])
        at_panel.append(np.full(len(inside), position))
        signed = np.where(rows.is_current[inside], 1 / panel.sizes[1], -1 / panel.sizes[0])
        weight.append(signed if scaled else np.ones(len(inside)))
    row, value = np.concatenate(at_row), np.concatenate(weight)
    n_rows, n_bins = len(rows.customer), panels[-1].first + len(panels[-1].pooled)
    return (
        sparse.csr_matrix((value, (row, np.concatenate(at_bin))), shape=(n_rows, n_bins)),
        sparse.csr_matrix((value, (row, np.concatenate(at_panel))), shape=(n_rows, len(panels))),
    )


def _labels(is_current: NDArray[np.bool_], sizes: Any, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    value = np.where(is_current, 1 / sizes[1], -1 / sizes[0])
    shuffled: NDArray[np.float64] = rng.permuted(np.repeat(value[:, None], size, axis=1), axis=0)
    return shuffled


def _clusters(rows: Rows, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    if rows.how != "blocks":
        return rows.customer, rows.n_customers
    block = rng.permutation(rows.n_customers) % BLOCKS
    return block[rows.customer], BLOCKS
