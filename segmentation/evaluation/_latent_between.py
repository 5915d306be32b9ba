"""How many customers stand between two segments of items with few levels, once chance in their answers is allowed for.

Answers have gaps by themselves, so customers cannot be counted on the line between two segments. But each answer is
a draw: with the shares of answers P and Q of two segments, a customer at place t of the line between them answers by
shares proportional to ``P ** (1 - t) * Q ** t``, item by item. How many customers stand at which t follows from the
answers of many (deconvolution by a few steps of EM from an even start: Laird 1978, doi:10.1080/01621459.1978.10480103;
stopped early, as in Eggermont and LaRiccia 1995, doi:10.1214/aos/1176324317, it stays even where answers say little).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "Items", "density_between"]

Points = NDArray[np.float64]

# Places on the line: 0 and 1 are the two segments. Beyond -0.25 and 1.25 stand the extremes, which count for neither.
GRID = np.linspace(-0.5, 1.5, 17)
FIRST, BETWEEN, SECOND = np.abs(GRID) < 0.3, np.abs(GRID - 0.5) < 0.2, np.abs(GRID - 1) < 0.3
STEPS = 50
BINS = 80
# More customers between than in a segment is no more of a sign than as many.
MOST = 1.0
# Fewer customers than this, learnt from or tested on, are no group.
LEAST_IN_GROUP = 10


@dataclass(frozen=True, eq=False)
class Items:
    """The answers of customers, one column for each level of each item.

    Attributes
    ----------
    given : ndarray of shape (n_customers, n_levels)
        1 where the customer gave the answer; a missing answer is 0 at all levels of its item.
    starts : ndarray of shape (n_items,)
        First column of each item.
    """

    given: Points
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, values: Points) -> Items:
        """Take items as columns; those with a single level say nothing and are left out."""
        columns: list[NDArray[np.bool_]] = []
        for item in values.T:
            levels = np.unique(item[~np.isnan(item)])
            if len(levels) > 1:
                columns.append(item[:, None] == levels)
        starts = np.cumsum([0, *(part.shape[1] for part in columns)])[:-1]
        given = np.concatenate(columns, axis=1) if columns else np.zeros((len(values), 0))
        return cls(given.astype(np.float64), starts)

    def rows(self, positions: NDArray[np.int64]) -> Items:
        """Return those customers."""
        return Items(self.given[positions], self.starts)


def density_between(learnt: Items, codes: NDArray[np.int64], tested: Items, predicted: NDArray[np.int64]) -> float:
    """Return how many customers stand between segments: 0 for nobody, 1 for as many as in the segments, or more.

    Of each segment and its nearest neighbour, the density of customers in the middle of the line between them,
    divided by that of the sparser of the two segments, on customers that were not learnt from. The largest counts.

    Parameters
    ----------
    learnt, tested : Items
        Of the customers the segments were learnt from, and of others.
    codes, predicted : ndarray of int
        Their segments; -1 for none.
    """
    present = np.unique(codes[codes >= 0])
    sizes = np.array([(codes == k).sum() for k in present])
    there = np.array([(predicted == k).sum() for k in present])
    if len(present) < 2 or not learnt.given.shape[1] or np.minimum(sizes, there).min() < LEAST_IN_GROUP:
        return MOST
    logs = _log_shares(learnt, codes, present, sizes)
    neighbour = _neighbours(logs, learnt.starts)
    weights = logs[neighbour] - logs
    member = (predicted == present[:, None]) | (predicted == present[neighbour][:, None])
    density = _density(tested.given @ weights.T, member, _normaliser(logs, weights, learnt.starts))
    sides = np.minimum(density[:, FIRST].mean(axis=1), density[:, SECOND].mean(axis=1))
    middle = density[:, BETWEEN].mean(axis=1)
    return float(np.divide(middle, sides, out=np.full_like(middle, MOST), where=middle < MOST * sides).max())


def _log_shares(
    learnt: Items, codes: NDArray[np.int64], present: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Points:
    """Return log shares of answers per segment, with one customer of average answers added to each."""
    totals = np.stack([learnt.given[codes == k].sum(axis=0) for k in present])
    overall = (learnt.given.sum(axis=0) + 0.5) / (len(learnt.given) + 1)
    shares = (totals + overall) / (sizes[:, None] + 1)
    lengths = np.diff(np.append(learnt.starts, shares.shape[1]))
    shares /= np.repeat(np.add.reduceat(shares, learnt.starts, axis=1), lengths, axis=1)
    logs: Points = np.log(shares)
    return logs


def _neighbours(logs: Points, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each segment the one whose answers are most like its own (Bhattacharyya's coefficient)."""
    roots = np.exp((logs[:, None, :] + logs[None, :, :]) / 2)
    alike = np.log(np.add.reduceat(roots, starts, axis=2)).sum(axis=2)
    np.fill_diagonal(alike, -np.inf)
    nearest: NDArray[np.int64] = alike.argmax(axis=1)
    return nearest


def _normaliser(logs: Points, weights: Points, starts: NDArray[np.int64]) -> Points:
    """Return the log of what makes shares of answers add up to one, per pair and place on the line."""
    tilted = np.exp(logs[:, None, :] + weights[:, None, :] * GRID[None, :, None])
    total: Points = np.log(np.add.reduceat(tilted, starts, axis=2)).sum(axis=2)
    return total


def _density(scores: Points, member: NDArray[np.bool_], normaliser: Points) -> Points:
    """Return the share of customers at each place, per pair, from the scores in which all is said about the place."""
    counts, middles = [], []
    for score, inside in zip(scores.T, member, strict=True):
        times, edges = np.histogram(score[inside], BINS)
        counts.append(times)
        middles.append((edges[:-1] + edges[1:]) / 2)
    logs = np.array(middles)[:, :, None] * GRID - normaliser[:, None, :]
    likelihood = np.exp(logs - logs.max(axis=2, keepdims=True))
    share = np.array(counts, dtype=np.float64)
    share /= share.sum(axis=1, keepdims=True)
    turned = np.swapaxes(likelihood, 1, 2)
    density = np.full((len(share), len(GRID), 1), 1 / len(GRID))
    for _ in range(STEPS):
        density = density * (turned @ (share[:, :, None] / (likelihood @ density)))
    found: Points = density[:, :, 0]
    return found
