"""Who gets which arm: by the hash of each customer alone, or in blocks with exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from segmentation.experiments._randomize_hash import BITS, arm_codes, digests, units

__all__ = ["HELD_OUT", "block_codes", "hash_codes", "held_out"]

HELD_OUT = -1


def held_out(texts: Sequence[str], share: Fraction, salt: str) -> NDArray[np.bool_]:
    """Tell who is in the hold-out: it depends on its own salt and share only, never on the experiment."""
    if not share:
        return np.zeros(len(texts), dtype=np.bool_)
    return units(digests(texts, salt)) < int(share * 2**BITS)


def hash_codes(digest: NDArray[np.uint8], shares: Sequence[Fraction]) -> NDArray[np.intp]:
    """Return the arm of each customer from the digest of salt and id."""
    return arm_codes(units(digest), shares)


def block_codes(
    digest: NDArray[np.uint8],
    stratum: NDArray[np.intp],
    names: Sequence[str],
    shares: Sequence[Fraction],
    salt: str,
) -> NDArray[np.intp]:
    """Return arms with exact counts per stratum; within it the digests decide, so the order of rows does not matter.

    Counts differ from ``share * n`` by less than one. Where that is no whole number, one hash per stratum decides who
    gets the odd customer, so that everybody has each arm with exactly its share as probability.
    """
    result = np.empty(len(digest), dtype=np.intp)
    # the whole digest, not its first bits: two customers never tie
    keys = np.ascontiguousarray(digest).view(">u8").reshape(-1, 4).astype(np.uint64)
    order = np.lexsort((keys[:, 0], stratum))
    if (np.diff(keys[order, 0]) == 0).any():
        order = np.lexsort((keys[:, 3], keys[:, 2], keys[:, 1], keys[:, 0], stratum))
    ends = np.cumsum(np.bincount(stratum, minlength=len(names)))
    starts = units(digests(names, f"{salt}/blocks"))
    for code, (end, start) in enumerate(zip(ends, starts, strict=True)):
        n = int(end - (ends[code - 1] if code else 0))
        counts = block_counts(n, shares, Fraction(int(start), 2**BITS))
        result[order[end - n : end]] = np.repeat(np.arange(len(shares)), counts)
    return result


def block_counts(n: int, shares: Sequence[Fraction], start: Fraction) -> list[int]:
    """Round ``share * n`` up or down, with `start` in [0, 1) deciding, so that the sum is `n`.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> block_counts(4, [half, half], Fraction(1, 3)), block_counts(5, [half, half], Fraction(1, 3))
    ([2, 2], [2, 3])
    """
    total, reached, counts = Fraction(0), 0, []
    for share in shares:
        total += share
        up_to = int(total * n + start)  # positive, so int() is the floor
        counts.append(up_to - reached)
        reached = up_to
    return counts
