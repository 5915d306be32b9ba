"""From scores in many worlds to the probability of each place: pure maths on arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["ahead_probability", "place_probability"]

Array = NDArray[np.float64]


def place_probability(scores: Array, placed: Mapping[int, int | None] | None = None) -> Array:
    """Return the probability of each place, and of none.

    Parameters
    ----------
    scores : ndarray of shape (n_draws, n_segments)
        The larger, the earlier; NaN: not ranked in that draw.
    placed : mapping of segment to place, optional
        Who has a place of its own, from 1, or None for no place; the others keep their order around them. A place
        beyond the number of ranked segments is the last one that is free.

    Returns
    -------
    ndarray of shape (n_segments, n_segments + 1)
        Columns are the places 1, 2, ..., and no place. Equal scores share the places they take.

    Examples
    --------
    >>> place_probability(np.array([[3.0, 2.0, 2.0], [1.0, 5.0, np.nan]])).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.5, 0.25, 0.25, 0.0], [0.0, 0.25, 0.25, 0.5]]
    """
    placed = dict(placed or {})
    n_draws, n = scores.shape
    free_scores = scores.copy()
    free_scores[:, list(placed)] = np.nan  # they are no part of the order of the others
    wanted = {i: place for i, place in placed.items() if place is not None}
    n_ranked = (~np.isnan(free_scores)).sum(axis=1) + len(wanted)
    probability = np.zeros((n, n + 1))
    for m in np.unique(n_ranked):
        rows = free_scores[n_ranked == m]
        taken = _taken(wanted, int(m))
        free = np.array([place for place in range(1, int(m) + 1) if place not in taken.values()], dtype=np.int64)
        for i, place in taken.items():
            probability[i, place - 1] += len(rows)
        for i in set(range(n)) - set(placed):
            probability[i, free - 1] += _shares(rows, i, len(free))
    probability[:, -1] = n_draws - probability[:, :-1].sum(axis=1)
    result: Array = np.clip(probability / n_draws, 0.0, 1.0)
    return result


def _taken(wanted: Mapping[int, int], n_ranked: int) -> dict[int, int]:
    """Return the places of those who have one of their own, where so many are ranked."""
    taken = {i: place for i, place in wanted.items() if place <= n_ranked}
    beyond = sorted((i for i in wanted if i not in taken), key=lambda i: wanted[i], reverse=True)
    last = (place for place in range(n_ranked, 0, -1) if place not in set(taken.values()))
    return taken | dict(zip(beyond, list(last), strict=False))


def _shares(scores: Array, own: int, n_places: int) -> Array:
    """Return how often one segment has each place, (n_places,), ties sharing theirs."""
    there = scores[~np.isnan(scores[:, own])]
    mine = there[:, [own]]
    above, tied = (there > mine).sum(axis=1), (there == mine).sum(axis=1)
    # each draw adds 1 / tied to the places above, ..., above + tied - 1: a step up, a step down, and a running sum
    steps = np.bincount(above, 1 / tied, n_places + 1) - np.bincount(above + tied, 1 / tied, n_places + 1)
    shares: Array = steps.cumsum()[:n_places]
    return shares


def ahead_probability(scores: Array) -> Array:
    """Return the probability that the segment of the row is ahead of that of the column, ties half.

    Among the draws in which both are ranked; NaN where they never are, and 0.5 on the diagonal.
    """
    n = scores.shape[1]
    known = ~np.isnan(scores)
    result = np.full((n, n), np.nan)
    for i in range(n):
        own = scores[:, [i]]
        both = (known & known[:, [i]]).sum(axis=0)
        ahead = (own > scores).sum(axis=0) + (own == scores).sum(axis=0) / 2
        result[i] = np.divide(ahead, both, out=np.full(n, np.nan), where=both > 0)
    return result
