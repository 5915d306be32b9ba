"""Which name and which code each new segment gets, so that those of the old ones go on and none is given twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Carried", "are_numbered", "carry_on"]

# What segmenters call segments that nobody has named yet.
NUMBERED = re.compile(r"(?:segment|cluster|class|group|component|type)?[ _-]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Carried:
    """Names of the new segments, their codes, and all names in the order of the codes (gone ones keep theirs)."""

    names: tuple[str, ...]
    codes: tuple[int, ...]
    segments: tuple[str, ...]
    retired: tuple[str, ...]


def are_numbered(names: Sequence[str]) -> bool:
    """Tell whether names are mere numbers, such as "segment_3", that mean nothing by themselves.

    Examples
    --------
    >>> are_numbered(["segment_1", "segment_2"]), are_numbered(["loyal", "new"])
    (True, False)
    """
    return all(NUMBERED.fullmatch(name) for name in names)


def _fresh(name: str, used: set[str]) -> str:
    """Return the name, or one like it that nobody has or had: the next number, or "name (2)"."""
    if name not in used:
        return name
    found = re.fullmatch(r"(.*?)(\d+)", name) if NUMBERED.fullmatch(name) else None
    if found:
        stem = found.group(1)
        numbers = [int(one[len(stem) :]) for one in used if one.startswith(stem) and one[len(stem) :].isdigit()]
        return f"{stem}{max(numbers) + 1}"
    tries = (f"{name} ({number})" for number in range(2, len(used) + 3))
    return next(one for one in tries if one not in used)


def carry_on(
    old: Sequence[str], new: Sequence[str], successor: NDArray[np.int64], *, keep_new_names: bool = False
) -> Carried:
    """Give the new segments names and codes.

    Parameters
    ----------
    old, new : sequences of str
        Names in the order of their codes.
    successor : ndarray of shape (n_old,)
        Code of the new segment that carries an old one on, or -1.
    keep_new_names : bool
        Keep the names of the new segments, and with a name that was there before its code.

    Examples
    --------
    >>> carry_on(["a", "b"], ["segment_1", "segment_2"], np.array([1, -1])).segments
    ('a', 'b', 'segment_1')
    """
    names, codes = [""] * len(new), [-1] * len(new)
    if keep_new_names:
        successor = _by_name(old, new, successor)
    for code, position in enumerate(successor.tolist()):
        if position >= 0:
            names[position], codes[position] = (new[position] if keep_new_names else old[code]), code
    segments, used = list(old), {*old, *(name for name in names if name)}
    for position, name in enumerate(new):
        if codes[position] >= 0:
            segments[codes[position]] = names[position]
            continue
        names[position] = name if keep_new_names else _fresh(name, used)
        used.add(names[position])
        codes[position] = len(segments)
        segments.append(names[position])
    retired = tuple(name for code, name in enumerate(old) if successor[code] < 0)
    return Carried(tuple(names), tuple(codes), tuple(segments), retired)


def _by_name(old: Sequence[str], new: Sequence[str], successor: NDArray[np.int64]) -> NDArray[np.int64]:
    """Let a name that stands on both sides decide; the evidence decides for the rest."""
    result = np.full(len(old), -1, dtype=np.int64)
    both = set(old) & set(new)
    for code, name in enumerate(old):
        if name in both:
            result[code] = new.index(name)
        elif successor[code] >= 0 and new[int(successor[code])] not in both:
            result[code] = successor[code]
    return result
