"""The dip test of unimodality: how far the distribution of a sample is from any with a single mode.

Hartigan and Hartigan (1985), The dip test of unimodality, Annals of Statistics 13(1), 70-84,
doi:10.1214/aos/1176346577.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from segmentation.evaluation._dip_table import PROBABILITIES, QUANTILES, SIZES

__all__ = ["dip_p_value", "dip_statistic"]

# Equal values are moved apart by this share of the range: a point mass is a very steep stretch, as in the limit.
APART = 1e-9
# Below this size the dip is 1 / (2 n) whatever the values, or nearly so.
LEAST = 4


def dip_statistic(values: NDArray[np.float64]) -> float:
    """Return the dip: the largest distance of the sample's distribution to the nearest unimodal one.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite values in any order; equal ones count as a point mass.

    Returns
    -------
    float
        Between 1 / (2 n) and 1 / 4; 1 / (2 n) where there are fewer than four values or one value only.

    Notes
    -----
    The modal interval is narrowed pass by pass (section 3 of the paper): in each, the greatest convex minorant and the
    least concave majorant of the distribution inside it; where they are farthest apart is the next interval, and what
    is cut off on its sides must be convex on the left and concave on the right. A pass costs time linear in the
    values of the interval: minorant and majorant are isotonic regressions of the slopes.

    Examples
    --------
    >>> one, two = np.linspace(0, 1, 9), np.array([0.0, 0.1, 0.2, 0.3, 9.0, 9.1, 9.2, 9.3])
    >>> round(dip_statistic(one), 3), round(dip_statistic(two), 3)
    (0.056, 0.242)
    """
    n = len(values)
    least = 1.0 / (2 * max(n, 1))
    if n < LEAST:
        return least
    places = _places(values)
    if len(places) == 1:
        return least
    lower, upper = np.arange(n) / n, np.arange(1, n + 1) / n
    first, last, dip = 0, len(places) - 1, 1.0 / n
    while last > first:
        inside = slice(first, last + 1)
        x, low, high = places[inside], lower[inside], upper[inside]
        minorant, touches_low = _convex_minorant(x, low)
        majorant, touches_high = _concave_majorant(x, high)
        gap = majorant - minorant
        # the widest gap is at a point of contact of one of them
        at_low = touches_low[int(gap[touches_low].argmax())]
        at_high = touches_high[int(gap[touches_high].argmax())]
        if gap[at_low] > gap[at_high]:
            widest, left, right = gap[at_low], at_low, touches_high[int(np.searchsorted(touches_high, at_low))]
        else:
            widest, right = gap[at_high], at_high
            left = touches_low[int(np.searchsorted(touches_low, at_high, side="right")) - 1]
        if widest <= dip:
            break
        dip = max(
            dip,
            float((high[: left + 1] - minorant[: left + 1]).max()),
            float((majorant[right:] - low[right:]).max()),
        )
        if left == 0 and right == len(x) - 1:
            break
        first, last = first + int(left), first + int(right)
    return dip / 2


def _places(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values in order on a scale of 0 to 1, equal ones moved apart by next to nothing."""
    ordered = np.sort(values)
    width = ordered[-1] - ordered[0]
    if not width > 0:
        return ordered[:1]
    shift = APART * np.arange(len(ordered))
    places: NDArray[np.float64] = np.maximum.accumulate((ordered - ordered[0]) / width - shift) + shift
    return places


def _convex_minorant(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the greatest convex function below the points, and the indices where it touches them."""
    if len(x) == 1:
        return y.copy(), np.zeros(1, dtype=np.int64)
    steps = np.diff(x)
    slopes = isotonic_regression(np.diff(y) / steps, weights=steps).x
    touches = np.flatnonzero(np.concatenate([[True], np.diff(slopes) != 0, [True]]))
    return np.interp(x, x[touches], y[touches]), touches


def _concave_majorant(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the least concave function above the points, and the indices where it touches them."""
    minorant, touches = _convex_minorant(x, -y)
    return -minorant, touches


def dip_p_value(dip: float, n: int) -> float:
    """Return how often a uniform sample, the hardest unimodal one to tell from two modes, has such a dip or a larger.

    Parameters
    ----------
    dip : float
        From `dip_statistic`.
    n : int
        Size of the sample.

    Returns
    -------
    float
        1 to 0.00001, the smallest that the table tells: 100,000 samples for each of several sizes, between which
        sqrt(n) * dip is interpolated in 1 / sqrt(n).

    Examples
    --------
    >>> dip_p_value(0.03, 100) > 0.5, dip_p_value(0.08, 100) < 0.001
    (True, True)
    """
    if n < LEAST:
        return 1.0
    scaled = float(np.sqrt(n) * dip)
    size = 1.0 / np.sqrt(min(max(n, SIZES[0]), SIZES[-1]))
    where = 1.0 / np.sqrt(np.asarray(SIZES, dtype=np.float64))
    table = np.asarray(QUANTILES, dtype=np.float64)
    quantiles = np.array([np.interp(size, where[::-1], column[::-1]) for column in table.T])
    if scaled <= quantiles[0]:
        return 1.0
    upper_tail = np.log1p(-np.asarray(PROBABILITIES, dtype=np.float64))
    return float(np.exp(np.interp(scaled, quantiles, upper_tail)))
