"""What became of each segment: continued, renamed, split, merged, born or died, by fixed rules on the evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from segmentation.monitoring._match_evidence import Evidence

__all__ = ["Events", "MAJORITY", "events_of"]

# More than half: two disjoint groups cannot both be it, so whoever has it is the only one.
MAJORITY = 0.5
# Twice as many as all the others together: a segment that falls apart into two others has a majority, by a hair, too.
TOGETHER = 2 / 3
# A segment that carries an id on counts as split or merged, and not simply as continued, from this share on.
SMALLEST_PART = 0.1


@dataclass(frozen=True, eq=False)
class Events:
    """The result of the rules, on codes.

    ``successor`` (of each old segment: the new one that carries its id on, or -1), ``event_old`` and ``event_new``
    ("continued", "split", "merged", "died" or "born"; a rename is seen by the names), and ``links``: pairs
    (old, new) of every continuation, split and merger with the event they belong to.
    """

    successor: NDArray[np.int64]
    event_old: list[str]
    event_new: list[str]
    links: list[tuple[int, int, str]]


def _pairing(evidence: Evidence, min_jaccard: float) -> NDArray[np.int64]:
    """Pair segments one to one so that as many customers as possible keep theirs, among admissible pairs only."""
    half = (evidence.of_old > MAJORITY) | (evidence.of_new > MAJORITY)
    allowed = evidence.related & half & (evidence.jaccard >= min_jaccard)
    successor = np.full(len(evidence.sizes_old), -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(-np.where(allowed, evidence.both, 0))
    chosen = allowed[rows, columns]
    successor[rows[chosen]] = columns[chosen]
    return successor


def _groups(link: NDArray[np.bool_], share: NDArray[np.float64], successor: NDArray[np.int64]) -> list[list[int]]:
    """Return, for each row, its parts: columns that come mostly from it, if together they are most of it.

    The column that carries on the row's id is always one of them; alone it is no split.
    """
    groups = []
    for row in range(len(link)):
        parts = set(np.flatnonzero(link[row]).tolist())
        if successor[row] >= 0:
            parts.add(int(successor[row]))
        ordered = sorted(parts, key=lambda column: (-share[row, column], column))
        enough = len(ordered) > 1 and share[row, ordered].sum() >= MAJORITY
        groups.append(ordered if enough else [])
    return groups


def _matters(group: list[int], main: int, share: NDArray[np.float64]) -> bool:
    """Tell whether the parts beside the main one are large enough to speak of a split or a merger."""
    return bool(group) and (main < 0 or sum(share[part] for part in group if part != main) >= SMALLEST_PART)


def events_of(evidence: Evidence, min_jaccard: float) -> Events:
    """Apply the rules."""
    n_old, n_new = evidence.both.shape
    successor = _pairing(evidence, min_jaccard)
    splits, mergers = _both_groups(evidence, successor)
    # In a split or a merger the id goes on only where the pair is the same segment by majority.
    for old in range(n_old):
        new = int(successor[old])
        if new >= 0 and evidence.jaccard[old, new] <= MAJORITY:
            is_part = bool(evidence.of_new[old, new] > TOGETHER)
            is_source = bool(evidence.of_old[old, new] > TOGETHER)
            parts = is_part and _matters(splits[old], new, evidence.of_old[old])
            sources = is_source and _matters(mergers[new], old, evidence.of_new[:, new])
            if parts or sources:
                successor[old] = -1
    splits, mergers = _both_groups(evidence, successor)
    predecessor = np.full(n_new, -1, dtype=np.int64)
    predecessor[successor[successor >= 0]] = np.flatnonzero(successor >= 0)
    event_old, event_new = ["died"] * n_old, ["born"] * n_new
    links: dict[tuple[int, int], str] = {}
    for old, new in enumerate(successor.tolist()):
        if new >= 0:
            event_old[old] = event_new[new] = links[old, new] = "continued"
    for new, group in enumerate(mergers):
        main = int(predecessor[new])
        whole = _matters(group, main, evidence.of_new[:, new])
        for old in group:
            if old != main or whole:
                event_old[old] = links[old, new] = "merged"
        if whole:
            event_new[new] = "merged"
    for old, group in enumerate(splits):
        main = int(successor[old])
        whole = _matters(group, main, evidence.of_old[old])
        for new in group:
            if new != main or (whole and links[old, new] != "merged"):
                event_new[new] = links[old, new] = "split"
        if whole:
            event_old[old] = "split"
    return Events(successor, event_old, event_new, [(old, new, event) for (old, new), event in links.items()])


def _both_groups(evidence: Evidence, successor: NDArray[np.int64]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the parts of every old segment and the sources of every new one."""
    predecessor = np.full(evidence.both.shape[1], -1, dtype=np.int64)
    predecessor[successor[successor >= 0]] = np.flatnonzero(successor >= 0)
    taken = predecessor >= 0
    gone = successor >= 0
    from_one = evidence.related & (evidence.of_new > TOGETHER) & ~taken[None, :]
    into_one = evidence.related & (evidence.of_old > TOGETHER) & ~gone[:, None]
    splits = _groups(from_one, evidence.of_old, successor)
    mergers = _groups(into_one.T, evidence.of_new.T, predecessor)
    return splits, mergers
