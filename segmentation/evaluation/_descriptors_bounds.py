"""Bounds of a difference of means by inverting the test that shuffles customers.

A bound is the shift at which the test of "the segment lies so far from the rest" just fails. With a statistic that is
divided by its standard error, the shuffled values have the skewness and the tails of **all** customers, where bounds
that take them from the segment alone are too short: a hundred customers of lognormal money show half of their skewness.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Shuffled", "Sums", "enough_shuffles", "mean_and_variance", "shift_bounds"]

Floats = NDArray[np.float64]

# A bound lies within so many standard errors, or the customers bound nothing.
FIRST_REACH, DOUBLINGS = 6.0, 8
# Halvings of the reach: to a thousandth of a standard error.
HALVINGS = 14


class Sums(NamedTuple):
    """Number of known values, their sum and their sum of squares."""

    n: Floats
    s: Floats
    q: Floats


class Shuffled(NamedTuple):
    """Sums of what each shuffle put into each segment, shape (n_shuffles, n_segments, n_variables).

    ``n_own`` and ``s_own`` are of those among them who are in the segment anyway: they carry its shift.
    """

    n: Floats
    s: Floats
    q: Floats
    n_own: Floats
    s_own: Floats


def enough_shuffles(n: int, level: float) -> bool:
    """Whether so many shuffles have tails of this level at all."""
    return (n + 1) * (1 - level) / 2 >= 1


def mean_and_variance(sums: Sums) -> tuple[Floats, Floats]:
    """Means, and variances with n - 1."""
    n = np.maximum(sums.n, 1.0)
    mean = sums.s / n
    return mean, np.maximum(sums.q - sums.s * mean, 0.0) / np.maximum(sums.n - 1, 1.0)


def shift_bounds(own: Sums, whole: Sums, shuffled: Shuffled, level: float) -> tuple[Floats, Floats]:
    """Return the bounds of the difference of each segment's mean from that of the rest, (n_segments, n_variables).

    Exact where the values of the segment are those of the rest but for a shift, whatever their shape; right in large
    samples where only the means are compared and shape or spread are not the same (Janssen 1997). NaN where a side has
    fewer than two values or there is no spread, and where so few customers bound nothing.
    """
    rest = Sums(*(total - part for total, part in zip(whole, own, strict=True)))
    (mean, variance), (other, other_variance) = mean_and_variance(own), mean_and_variance(rest)
    squared = variance / np.maximum(own.n, 1.0) + other_variance / np.maximum(rest.n, 1.0)
    usable = (own.n >= 2) & (rest.n >= 2) & (squared > 1e-9)
    error, difference = np.sqrt(np.where(usable, squared, 1.0)), mean - other
    tail = (1 - level) / 2
    # the rule of thumb of Welch, to begin near where the bound will be
    start = float(stats.norm.ppf(1 - tail))
    bounds = []
    for sign in (-1.0, 1.0):
        low, high = np.zeros_like(error), np.full_like(error, max(FIRST_REACH, 2 * start))
        inside = usable & (_share_beyond(own, whole, shuffled, difference + sign * high * error, sign) > tail)
        for _ in range(DOUBLINGS):
            if not inside.any():
                break
            high = np.where(inside, 2 * high, high)
            inside &= _share_beyond(own, whole, shuffled, difference + sign * high * error, sign) > tail
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            kept = _share_beyond(own, whole, shuffled, difference + sign * middle * error, sign) > tail
            low, high = np.where(kept, middle, low), np.where(kept, high, middle)
        bounds.append(np.where(usable & ~inside, difference + sign * high * error, np.nan))
    return bounds[0], bounds[1]


def _share_beyond(own: Sums, whole: Sums, shuffled: Shuffled, shift: Floats, sign: float) -> Floats:
    """P-value of "the segment lies this much above the rest": the share of shuffles as far on the side of `sign`."""
    total = Sums(whole.n, whole.s - shift * own.n, whole.q - shift * (2 * own.s - shift * own.n))
    seen = _welch(Sums(own.n, own.s - shift * own.n, own.q - shift * (2 * own.s - shift * own.n)), total)
    drawn = _welch(
        Sums(
            shuffled.n,
            shuffled.s - shift * shuffled.n_own,
            shuffled.q - shift * (2 * shuffled.s_own - shift * shuffled.n_own),
        ),
        total,
    )
    # beyond the upper bound the segment lies too low, beyond the lower one too high
    as_far = (-sign * (drawn - seen) >= -1e-9 * (1 + np.abs(seen))).sum(axis=0)
    result: Floats = (1 + as_far) / (1 + len(drawn))
    return result


def _welch(part: Sums, whole: Sums) -> Floats:
    rest = Sums(*(total - some for total, some in zip(whole, part, strict=True)))
    (mean, variance), (other, other_variance) = mean_and_variance(part), mean_and_variance(rest)
    squared = variance / np.maximum(part.n, 1.0) + other_variance / np.maximum(rest.n, 1.0)
    result: Floats = (mean - other) / np.sqrt(np.maximum(squared, 1e-18))
    return result
