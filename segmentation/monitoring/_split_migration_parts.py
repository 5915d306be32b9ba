"""The decomposition itself: four labels per customer in, parts per segment out, exactly adding up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDERS", "Labels", "causes", "changed_shares", "parts"]

ORDERS = ("shapley", "moved_first", "definition_first")
PARTS = ("left", "entered", "moved", "definition")


@dataclass(frozen=True, eq=False)
class Labels:
    """Codes of every customer under both definitions at both dates; -1 where the customer is not there at that date.

    ``before`` (old definition, old features), ``old_now`` (old definition, new features), ``new_then`` (new
    definition, old features), ``after`` (new definition, new features); all of shape (n_customers,). Being
    unassigned is the last code.
    """

    before: NDArray[np.int64]
    old_now: NDArray[np.int64]
    new_then: NDArray[np.int64]
    after: NDArray[np.int64]

    @property
    def stays(self) -> NDArray[np.bool_]:
        """Who is there at both dates."""
        return (self.before >= 0) & (self.after >= 0)

    @property
    def leaves(self) -> NDArray[np.bool_]:
        """Who is there at the old date only."""
        return (self.before >= 0) & (self.after < 0)

    @property
    def enters(self) -> NDArray[np.bool_]:
        """Who is there at the new date only."""
        return (self.before < 0) & (self.after >= 0)


def parts(labels: Labels, weights: NDArray[np.float64], k: int, order: str) -> dict[str, NDArray[np.float64]]:
    """Return the parts of the change of every segment's total of `weights`, each of shape (k,).

    With a = before, p = old definition now, q = new definition then, b = after, and [.] the total of a segment:

    - moved_first: moved [p] - [a] and definition [b] - [p] of those who stay; entered and left by the old definition,
      so the definition also changes where those who entered are: [b] - [p].
    - definition_first: definition [q] - [a] of those who were there; moved [b] - [q] of those who stay; entered and
      left by the new definition.
    - shapley: the Shapley value of the three changes (who is there, their features, the definition). Nobody is
      affected by the first two at once, so it is the mean of the two orders.
    """
    if order == "shapley":
        first, second = parts(labels, weights, k, "moved_first"), parts(labels, weights, k, "definition_first")
        return {name: (first[name] + second[name]) / 2 for name in PARTS}
    stays, leaves, enters = labels.stays, labels.leaves, labels.enters

    def total(codes: NDArray[np.int64], who: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(codes[who], weights=weights[who], minlength=k).astype(np.float64)

    if order == "moved_first":
        here = stays | enters
        return {
            "left": 0.0 - total(labels.before, leaves),  # not -0.0, where nobody left
            "entered": total(labels.old_now, enters),
            "moved": total(labels.old_now, stays) - total(labels.before, stays),
            "definition": total(labels.after, here) - total(labels.old_now, here),
        }
    here = stays | leaves
    return {
        "left": 0.0 - total(labels.new_then, leaves),
        "entered": total(labels.after, enters),
        "moved": total(labels.after, stays) - total(labels.new_then, stays),
        "definition": total(labels.new_then, here) - total(labels.before, here),
    }


def changed_shares(labels: Labels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much of each customer's change of segment (1 or 0) is due to features and to the definition.

    The Shapley value of two causes for the outcome "is in another segment than before": they add up to 1 for those who
    changed and to 0 for the others, for whom they are -1/2 and 1/2 where one cause undid the other.
    """
    alone = (labels.old_now != labels.before).astype(np.float64)
    other = (labels.new_then != labels.before).astype(np.float64)
    both = (labels.after != labels.before).astype(np.float64)
    moved = (alone + both - other) / 2
    definition = (other + both - alone) / 2
    stays = labels.stays
    return np.where(stays, moved, 0.0), np.where(stays, definition, 0.0)


def causes(labels: Labels) -> NDArray[np.object_]:
    """Name the cause of each customer's change, in the order in which one can see it: features, then definition.

    "moved": the old definition already says so; "definition": the old definition sees no change; "both": the old
    definition moved them, and the new one elsewhere; "undone": moved by the old definition, and brought back by the
    new one; "stayed": the old definition sees no change, nor the new one.
    """
    moves, redefined = labels.old_now != labels.before, labels.after != labels.old_now
    changed = labels.after != labels.before
    result = np.full(len(moves), "stayed", dtype=object)
    result[moves & ~redefined] = "moved"
    result[~moves & redefined] = "definition"
    result[moves & redefined & changed] = "both"
    result[moves & redefined & ~changed] = "undone"
    result[labels.leaves] = "left"
    result[labels.enters] = "entered"
    return result
