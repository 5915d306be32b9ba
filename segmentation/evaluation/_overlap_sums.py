"""Sums of money that add up to the last bit.

Floats added in groups, and the groups added again, differ from the floats added at once. Here the sum of each group is
exact, and the groups are rounded to one grid so that they add up to the rounded whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "exact_sums"]

# A float holds whole numbers up to 2 ** MANTISSA exactly.
MANTISSA = 53
# Below this power of two there are no floats.
SMALLEST_BIT = -1074
# Share of a power of two that is kept free for rounding: room for thousands of parts.
ROOM = Fraction(1, 2**40)
ROWS_AT_ONCE = 100_000


def exact_sums(
    values: NDArray[np.float64], codes: NDArray[np.int64], groups: NDArray[np.bool_] | None, n_codes: int
) -> list[Fraction]:
    """Sum values by code without rounding, and these sums by groups of codes.

    Parameters
    ----------
    values : ndarray of shape (n_customers,), finite
    codes : ndarray of shape (n_customers,), in 0 .. n_codes - 1
    groups : ndarray of bool, shape (n_codes, n_groups), or None
        Which codes each sum takes; None: each its own.
    n_codes : int

    Notes
    -----
    Values are cut into slices of so few bits that floats add a slice without rounding, in any order (Rump, Ogita and
    Oishi 2008, doi:10.1137/050645671); the sums of the slices are added as fractions.

    Examples
    --------
    >>> values = np.array([0.1, 0.2, 1e20, -1e20])
    >>> one, = exact_sums(values, np.zeros(4, dtype=np.int64), None, 1)
    >>> float(one) == math.fsum(values)
    True
    """
    n_sums = n_codes if groups is None else groups.shape[1]
    sums = [Fraction(0)] * n_sums
    rest = np.asarray(values, dtype=np.float64)
    spare = math.ceil(math.log2(len(rest) + 1)) + 1
    while rest.size and (largest := float(np.abs(rest).max())) > 0:
        lowest_bit = max(math.frexp(largest)[1] + spare - MANTISSA, SMALLEST_BIT)
        slice_ = np.ldexp(np.rint(np.ldexp(rest, -lowest_bit)), lowest_bit)
        rest = rest - slice_
        added = np.bincount(codes, slice_, n_codes).astype(np.float64)
        by_group = added if groups is None else _by_group(added, groups)
        sums = [one + Fraction(float(more)) for one, more in zip(sums, by_group, strict=True)]
    return sums


def _by_group(added: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    total = np.zeros(groups.shape[1])
    for start in range(0, len(added), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        total += added[part] @ groups[part].astype(np.float64)
    return total


class Grid:
    """Round exact sums to multiples of one power of two, so that floats add them up without rounding.

    Parameters
    ----------
    sets : sequences of Fraction
        Parts that are to be added up, set by set. No sum of parts of a set loses a bit.

    Examples
    --------
    >>> parts = [Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)]
    >>> grid = Grid(parts)
    >>> sum(grid.parts(parts, grid.one(sum(parts))))
    1.0
    """

    def __init__(self, *sets: Sequence[Fraction]) -> None:
        size = max((sum((abs(part) for part in one), Fraction(0)) for one in sets), default=Fraction(0))
        exponent = _exponent(size)
        if size > Fraction(2) ** exponent * (1 - ROOM):  # rounding up must not need one bit more
            exponent += 1
        self.unit = Fraction(2) ** max(exponent - MANTISSA, SMALLEST_BIT)

    def one(self, value: Fraction) -> float:
        """Return the float on the grid that is nearest to an exact sum."""
        return float(round(value / self.unit) * self.unit)

    def parts(self, parts: Sequence[Fraction], whole: float) -> list[float]:
        """Round parts so that they add up to `whole`; those nearest to the next step give way."""
        exact = [part / self.unit for part in parts]
        units = [math.floor(one) for one in exact]
        left = int(Fraction(whole) / self.unit) - sum(units)
        by_loss = sorted(range(len(parts)), key=lambda i: (units[i] - exact[i], i))
        for step in range(left):
            units[by_loss[step % len(parts)]] += 1
        for step in range(-left):
            units[by_loss[-1 - step % len(parts)]] -= 1
        return [float(one * self.unit) for one in units]


def _exponent(size: Fraction) -> int:
    """Return the smallest whole number whose power of two is above `size`, 0 for nothing.

    Examples
    --------
    >>> _exponent(Fraction(5)), _exponent(Fraction(8)), _exponent(Fraction(1, 5))
    (3, 4, -2)
    """
    if not size:
        return 0
    near = size.numerator.bit_length() - size.denominator.bit_length()
    return near + 1 if size >= Fraction(2) ** near else near
