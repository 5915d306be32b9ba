"""Is a segment two: find a split on one half of its customers, test it on the other, many times over.

A split that is tested on the customers it was found on is always significant. One random half decides by luck. So the
segment is halved many times; each half finds for the other, and twice the median of all p-values is a p-value again,
however they depend on each other (Rueschendorf 1982; DiCiccio, DiCiccio and Romano 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.evaluation._equivalence import LEAST_EVENTS
from segmentation.evaluation._split_difference import difference_of
from segmentation.evaluation._split_rules import Candidates

__all__ = ["SplitTest", "best_cut", "permutation_p", "try_split"]

Array = NDArray[np.float64]

# A permutation test of a split that is nothing stops after this many permutations that look as good (Besag and Clifford
# 1991): the p-value is still exact, and most segments cost a few dozen permutations instead of thousands.
ENOUGH_AS_GOOD = 10
BATCH = 64
CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class SplitTest:
    """What many halvings of one segment say about splitting it.

    ``p_value`` is for there being any difference, ``p_worth`` for it being larger than the margin; ``difference`` and
    ``gain`` are means over the halves that did not find the split; ``column_share`` is how many found the same column.
    """

    rule: str
    column: Any
    n_inside: int
    column_share: float
    difference: float
    difference_low: float
    p_value: float
    p_worth: float
    direction: str = ""  # whether those inside have "more" or "less"
    gain: float = math.nan
    gain_low: float = math.nan
    actions: tuple[Any, Any, Any] | None = None  # inside, outside, and the best common one


def try_split(
    values: Array,
    candidates: Candidates,
    *,
    margin: float,
    alpha: float,
    n_halvings: int,
    n_permutations: int,
    rng: np.random.Generator,
) -> SplitTest | None:
    """Test the best split of one segment in one outcome; None where there is nothing to try.

    Parameters
    ----------
    values : ndarray of shape (n_customers,)
        Outcome, finite.
    candidates : Candidates of the same customers
    margin : float
        Difference of the two parts' means that would be worth having.
    alpha : float
        Level of the one-sided bound ``difference_low``.
    n_halvings, n_permutations : int
    rng : Generator
    """
    moments = _sums(values)
    whole = best_cut(candidates.inside, moments)
    if whole is None:
        return None
    place, sign_of_all = whole
    inside = candidates.inside[:, place]
    found, p_values, p_worth, differences, lows = [], [], [], [], []
    for _ in range(n_halvings):
        order = rng.permutation(len(values))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for find, test in (halves, halves[::-1]):
            cut = best_cut(candidates.inside[find], moments[find])
            if cut is None:  # counts as having found nothing
                p_values.append(1.0)
                p_worth.append(1.0)
                continue
            best, sign = cut
            side = candidates.inside[test, best] if sign > 0 else ~candidates.inside[test, best]
            figures = difference_of(values[test], side)
            enough = figures.events >= LEAST_EVENTS / 2
            found.append(candidates.columns[best])
            differences.append(figures.difference)
            lows.append(figures.low(alpha))
            p_values.append(permutation_p([(values[test], side, 1.0)], n_permutations, rng) if enough else 1.0)
            p_worth.append(figures.p_above(margin) if enough else 1.0)
    column = candidates.columns[place]
    same = sum(name == column for name in found)
    return SplitTest(
        rule=candidates.rules[place],
        column=column,
        n_inside=int(inside.sum()),
        column_share=same / len(p_values),
        difference=float(np.mean(differences)) if differences else math.nan,
        difference_low=float(np.median(lows)) if lows else math.nan,
        p_value=twice_median(p_values),
        p_worth=twice_median(p_worth),
        direction="more" if sign_of_all > 0 else "less",
    )


def twice_median(p_values: list[float]) -> float:
    """Combine p-values that depend on each other in an unknown way.

    Examples
    --------
    >>> twice_median([0.01, 0.02, 0.5])
    0.04
    """
    ordered = np.sort(p_values)
    return float(min(1.0, 2 * ordered[len(ordered) // 2]))  # the upper one of two medians: never too small


def _sums(values: Array) -> Array:
    """Columns to be summed over any group: 1, value, square, and whether it differs from the commonest value."""
    levels, sizes = np.unique(values, return_counts=True)
    event = (values != levels[np.argmax(sizes)]).astype(np.float64)
    centred = values - values.mean()  # sums of squares of large amounts would lose their digits
    return np.column_stack([np.ones(len(values)), centred, centred**2, event])


def best_cut(inside: NDArray[np.bool_], moments: Array) -> tuple[int, int] | None:
    """Return the cut with the largest studentised difference and its sign, or None if no cut has enough events."""
    sums = inside.T.astype(np.float64) @ moments
    rest = moments.sum(axis=0) - sums
    usable = (np.minimum(sums[:, 3], rest[:, 3]) >= LEAST_EVENTS / 2) & (np.minimum(sums[:, 0], rest[:, 0]) >= 2)
    if not usable.any():
        return None
    t = np.zeros(len(sums))
    t[usable] = _combined([_gap(sums[usable], rest[usable])])
    place = int(np.argmax(np.abs(t)))
    return (place, int(np.sign(t[place]))) if t[place] != 0 else None


def _gap(sums: Array, rest: Array) -> tuple[Array, Array]:
    """Difference of means and its squared standard error, a variance for each side; columns n, sum, sum of squares."""
    parts = []
    for side in (sums, rest):
        n, mean = side[..., 0], side[..., 1] / side[..., 0]
        variance = np.maximum(side[..., 2] / n - mean**2, 0.0) * n / np.maximum(n - 1, 1)
        parts.append((mean, variance / n))
    (mean, error), (other, other_error) = parts
    return mean - other, error + other_error


def permutation_p(
    parts: Sequence[tuple[Array, NDArray[np.bool_], float]], n_permutations: int, rng: np.random.Generator
) -> float:
    """One-sided p-value of "the customers of the side have more", by permutation of a studentised difference.

    Exact where both sides have the same distribution, whatever its shape; and right in large samples where only the
    means are the same and shape or spread are not (Janssen 1997; Chung and Romano 2013).

    Parameters
    ----------
    parts : sequence of (values, side, weight)
        Customers are permuted within each part, and the parts' differences added with their weights.
    """
    strata = [_Stratum.of(values, side, weight) for values, side, weight in parts]
    observed = _combined([stratum.observed() for stratum in strata])[0]
    if not math.isfinite(observed):
        return 1 / (n_permutations + 1) if observed > 0 else 1.0
    threshold = observed - 1e-9 * abs(observed)  # equal but for rounding counts as equal
    most = max(1, CELLS_AT_ONCE // max(stratum.n_drawn for stratum in strata))
    done = as_good = 0
    batch = BATCH
    while done < n_permutations:
        size = min(batch, n_permutations - done, most)
        hits = np.flatnonzero(_combined([stratum.drawn(size, rng) for stratum in strata]) >= threshold)
        if as_good + len(hits) >= ENOUGH_AS_GOOD:
            return ENOUGH_AS_GOOD / (done + int(hits[ENOUGH_AS_GOOD - 1 - as_good]) + 1)
        as_good += len(hits)
        done += size
        batch *= 2
    return (as_good + 1) / (n_permutations + 1)


def _combined(gaps: Sequence[tuple[Array, Array]]) -> Array:
    """Studentised sum of (difference, squared standard error) over parts."""
    gap = np.sum([difference for difference, _ in gaps], axis=0)
    scale = np.sqrt(np.sum([error for _, error in gaps], axis=0))
    # no spread on either side: infinite where they differ, nothing where they do not
    empty = np.where(gap > 0, np.inf, np.where(gap < 0, -np.inf, 0.0))
    combined: Array = np.divide(gap, scale, out=empty, where=scale > 0)
    return combined


@dataclass(frozen=True)
class _Stratum:
    """One part in which customers are permuted; the smaller of its two sides is the one drawn."""

    values: Array
    drawn_side: NDArray[np.bool_]
    weight: float  # negative where the side drawn is the other one
    total: Array

    @classmethod
    def of(cls, values: Array, side: NDArray[np.bool_], weight: float) -> _Stratum:
        shifted = values - values.mean()
        total = np.array([len(values), shifted.sum(), (shifted**2).sum()])
        if 2 * int(side.sum()) > len(values):
            return cls(shifted, ~side, -weight, total)
        return cls(shifted, side, weight, total)

    @property
    def n_drawn(self) -> int:
        return int(self.drawn_side.sum())

    def observed(self) -> tuple[Array, Array]:
        inside = self.values[self.drawn_side]
        return self._weighted(np.array([[len(inside), inside.sum(), (inside**2).sum()]]))

    def drawn(self, times: int, rng: np.random.Generator) -> tuple[Array, Array]:
        sums, squares = _draw(self.values, self.n_drawn, times, rng)
        return self._weighted(np.column_stack([np.full(times, float(self.n_drawn)), sums, squares]))

    def _weighted(self, sums: Array) -> tuple[Array, Array]:
        gap, error = _gap(sums, self.total - sums)
        return self.weight * gap, self.weight**2 * error


def _draw(values: Array, n_drawn: int, times: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sum and sum of squares of `n_drawn` of the values without replacement, `times` times.

    The commonest value (for money: zero) is drawn as a number of customers, hypergeometric, not customer by customer.
    """
    levels, sizes = np.unique(values, return_counts=True)
    common = float(levels[np.argmax(sizes)])
    others = values[values != common]
    if len(others) > 0.9 * len(values):
        others, taken = values, np.full(times, n_drawn)
    else:
        taken = rng.hypergeometric(len(others), len(values) - len(others), n_drawn, size=times)
    order = np.broadcast_to(others, (times, len(others)))
    most = int(taken.max()) if times else 0
    shuffled = rng.permuted(order, axis=1)[:, :most]
    rows = np.arange(times)
    result = []
    for power in (1, 2):
        running = np.zeros((times, most + 1))
        np.cumsum(shuffled**power, axis=1, out=running[:, 1:])
        result.append(running[rows, taken] + (n_drawn - taken) * (common**power if others is not values else 0.0))
    return result[0], result[1]
