"""A metric by segment at each step from before to after, and the pieces of its change; all for many draws at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["COMPONENTS", "State", "Sums", "components_of", "resampled", "sums_of"]

COMPONENTS = ("exits", "size", "mix", "within", "definition", "entries")
# Above so many customers random blocks of them are resampled: equally variable, and of fixed cost.
MOST_CLUSTERS = 20_000
BLOCKS = 2_000
CHUNK = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class State:
    """Some customers at a date, in segments by a definition: positions of customers, codes of segments, amounts."""

    customer: NDArray[np.int64]
    segment: NDArray[np.int64]
    above: Floats
    below: Floats


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums by segment of a state, of shape (n_draws, n_segments): customers, numerator, denominator; customers in all.

    Those of segments that the metric is not about are 0.
    """

    n: Floats
    above: Floats
    below: Floats
    n_all: Floats


def _matrix(states: Sequence[State], n_segments: int, cluster: NDArray[np.int64], n_clusters: int) -> Any:
    """Sums of each state, segment and amount, by cluster of customers."""
    at_row, at_column, value = [], [], []
    for position, state in enumerate(states):
        for amount, what in enumerate((np.ones(len(state.customer)), state.above, state.below)):
            at_row.append(cluster[state.customer])
            at_column.append((3 * position + amount) * n_segments + state.segment)
            value.append(what)
    parts = np.concatenate(value), (np.concatenate(at_row), np.concatenate(at_column))
    return sparse.csr_matrix(parts, shape=(n_clusters, 3 * len(states) * n_segments))


def _split(flat: Floats, n_states: int, n_segments: int, used: NDArray[np.bool_]) -> list[Sums]:
    cube = flat.reshape(len(flat), n_states, 3, n_segments)
    return [
        Sums(cube[:, i, 0] * used, cube[:, i, 1] * used, cube[:, i, 2] * used, cube[:, i, 0].sum(axis=1))
        for i in range(n_states)
    ]


def sums_of(states: Sequence[State], n_segments: int, n_customers: int, used: NDArray[np.bool_]) -> list[Sums]:
    """Return the sums of each state, as one draw."""
    matrix = _matrix(states, n_segments, np.zeros(n_customers, dtype=np.int64), 1)
    return _split(matrix.toarray(), len(states), n_segments, used)


def resampled(
    states: Sequence[State],
    n_segments: int,
    n_customers: int,
    used: NDArray[np.bool_],
    n_draws: int,
    rng: np.random.Generator,
) -> list[Sums]:
    """Return the sums of each state when customers, with all their rows, are drawn with replacement."""
    cluster, n_clusters = np.arange(n_customers), n_customers
    if n_customers > MOST_CLUSTERS:
        cluster, n_clusters = rng.permutation(n_customers) % BLOCKS, BLOCKS
    matrix = _matrix(states, n_segments, cluster, n_clusters).T.tocsr()
    flat = []
    for start in range(0, n_draws, CHUNK):
        size = min(CHUNK, n_draws - start)
        drawn = rng.integers(0, n_clusters, (size, n_clusters)) + np.arange(size)[:, None] * n_clusters
        times = np.bincount(drawn.ravel(), minlength=size * n_clusters).reshape(size, n_clusters)
        flat.append((matrix @ times.T.astype(np.float64)).T)
    return _split(np.concatenate(flat), len(states), n_segments, used)


def _over(above: Floats, below: Floats) -> Floats:
    result: Floats = np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)
    return result


def overall(sums: Sums, kind: str) -> Floats:
    """Return the metric of all segments together, of shape (n_draws,)."""
    above: Floats = sums.above.sum(axis=1)
    if kind == "total":
        return above
    return _over(above, sums.below.sum(axis=1))


def _rates(first: Sums, second: Sums, below: str) -> tuple[Floats, Floats]:
    """Return the metric by segment in both; where a segment is empty in one of them, that of the other."""
    one, two = (_over(sums.above, getattr(sums, below)) for sums in (first, second))
    one, two = np.where(np.isnan(one), two, one), np.where(np.isnan(two), one, two)
    return np.nan_to_num(one), np.nan_to_num(two)


def _weights(sums: Sums) -> Floats:
    return _over(sums.below, sums.below.sum(axis=1, keepdims=True))


def _loose(sums: Sums) -> Floats:
    """Return what segments whose denominator is 0 add to the metric: no share and no metric of theirs shows it."""
    all_below = sums.below.sum(axis=1, keepdims=True)
    result: Floats = np.where(sums.below > 0, 0.0, np.nan_to_num(_over(sums.above, all_below)))
    return result


def _contributions(sums: Sums, kind: str, centre: Floats) -> Floats:
    """Return what each segment contributes to the metric; to a mean, above what an average segment would."""
    if kind == "total":
        return sums.above
    return _weights(sums) * (np.nan_to_num(_over(sums.above, sums.below)) - centre[:, None]) + _loose(sums)


def _behaviour(first: Sums, second: Sums, kind: str, centre: Floats) -> dict[str, Floats]:
    """Return size, mix and within of a change under one definition: midpoint and Shapley formulas."""
    if kind != "total":
        one, two = _rates(first, second, "below")
        share = _weights(first), _weights(second)
        return {
            "mix": (share[1] - share[0]) * ((one + two) / 2 - centre[:, None]) + _loose(second) - _loose(first),
            "within": (share[0] + share[1]) / 2 * (two - one),
        }
    one, two = _rates(first, second, "n")
    n = first.n_all[:, None], second.n_all[:, None]
    w = np.nan_to_num(_over(first.n, n[0])), np.nan_to_num(_over(second.n, n[1]))
    return {
        "size": (n[1] - n[0]) * _average(w, (one, two)),
        "mix": (w[1] - w[0]) * _average(n, (one, two)),
        "within": (two - one) * _average(n, w),
    }


def _average(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> Floats:
    """Average a product of two factors over the orders in which three factors can change (Shapley)."""
    return (a[0] * b[0] + a[1] * b[1]) / 3 + (a[0] * b[1] + a[1] * b[0]) / 6


def components_of(sums: Mapping[str, Sums], kind: str) -> dict[str, Floats]:
    """Return the pieces of the change by segment, each of shape (n_draws, n_segments), in the order of COMPONENTS.

    States: ``before`` and ``after`` (all customers); ``stay_before``, ``stay_after`` (those of both dates, the latter
    by the old definition); ``stay_after_new`` and ``stay_before_new`` (the same by the new definition) where there is
    one.
    """
    centre = (overall(sums["before"], kind) + overall(sums["after"], kind)) / 2
    booked = {name: _contributions(state, kind, centre) for name, state in sums.items()}
    pieces = _behaviour(sums["stay_before"], sums["stay_after"], kind, centre)
    last = "stay_after"
    if "stay_after_new" in sums:
        last = "stay_after_new"
        pieces["definition"] = booked["stay_after_new"] - booked["stay_after"]
    if "stay_before_new" in sums:
        other = _behaviour(sums["stay_before_new"], sums["stay_after_new"], kind, centre)
        other["definition"] = booked["stay_before_new"] - booked["stay_before"]
        pieces = {name: (piece + other[name]) / 2 for name, piece in pieces.items()}
    pieces["exits"] = booked["stay_before"] - booked["before"]
    pieces["entries"] = booked["after"] - booked[last]
    return {name: pieces[name] for name in COMPONENTS if name in pieces}
