"""Areas under a curve of cumulative gain, and how they move with it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from segmentation.experiments._moments import Floats
from segmentation.experiments._policy_input import Codes

__all__ = ["AREAS", "Area", "area_of", "permuted"]

AREAS = ("qini", "autoc")
# All orders of so many segments are looked at; of more, some at random.
ALL_ORDERS = 7
CELLS = 20_000_000


@dataclass(frozen=True, eq=False)
class Area:
    """An area, and its derivatives by the heights (gain) and places (share) of the knots."""

    value: float
    by_gain: Floats
    by_share: Floats


def area_of(what: str, share: Floats, gain: Floats) -> Area:
    """Return the area of a gain that runs straight between knots (share, gain), from (0, 0) to share 1.

    "qini": the area between the gain and the straight line to its end. "autoc": the mean over u of gain(u) / u (what
    those treated gain each) less the gain of all.
    """
    u0, g0 = np.concatenate([[0.0], share[:-1]]), np.concatenate([[0.0], gain[:-1]])
    width, by_gain, by_share = share - u0, np.zeros(len(share)), np.zeros(len(share))
    if what == "qini":
        value = float(np.sum(width * (gain + g0)) / 2 - gain[-1] / 2)
        by_gain += width / 2
        by_gain[:-1] += width[1:] / 2
        by_gain[-1] -= 0.5
        by_share += (gain + g0) / 2
        by_share[:-1] -= (gain + g0)[1:] / 2
        return Area(value, by_gain, by_share)
    # on the first piece gain / u is constant; on each other it is slope + start / u
    u0, u1, g0, g1, d = u0[1:], share[1:], g0[1:], gain[1:], width[1:]
    slope, log = (g1 - g0) / d, np.log(u1 / u0)
    start = g0 - slope * u0
    by_gain[1:] -= u0 / d * log
    by_gain[:-1] += u1 / d * log
    by_share[1:] += slope * u0 / d * log + start / u1
    by_share[:-1] -= slope * u1 / d * log + start / u0
    return Area(float(np.sum(start * log)), by_gain, by_share)


def _areas(what: str, share: Floats, gain: Floats) -> Floats:
    """Areas of many curves, one per row."""
    if what == "qini":
        width = np.diff(share, axis=1, prepend=0.0)
        before = np.concatenate([np.zeros((len(gain), 1)), gain[:, :-1]], axis=1)
        return np.asarray((width * (gain + before)).sum(axis=1) / 2 - gain[:, -1] / 2)
    u0, u1, g0, g1 = share[:, :-1], share[:, 1:], gain[:, :-1], gain[:, 1:]
    return np.asarray(((g0 * u1 - g1 * u0) / (u1 - u0) * np.log(u1 / u0)).sum(axis=1))


def permuted(
    size: Floats, total: Floats, group: Codes, score: Floats, n_permutations: int, rng: np.random.Generator, *,
    whole: bool,
) -> tuple[dict[str, float], int]:  # fmt: skip
    """Return the share of orders at random with an area at least as large, and how many orders there were.

    Parameters
    ----------
    size, total : arrays (k,)
        Share of customers and their summed effect scores over n, in the order that is tested.
    group, score : arrays (n,)
        Place of each customer in the order, and effect score.
    whole : bool
        Whether groups are put in another order as they are (segments), or customers are.
    """
    k = len(size)
    share, gain = np.cumsum(size), np.cumsum(total)
    share[-1] = 1.0
    found = {what: area_of(what, share, gain).value for what in AREAS}
    tolerance = 1e-12 * max(float(np.abs(total).sum()), 1e-300)
    if whole:
        exact = k <= ALL_ORDERS
        if exact:
            orders = np.array(list(permutations(range(k))), dtype=np.int64).reshape(-1, k)
        else:
            orders = np.argsort(rng.random((n_permutations, k)), axis=1)
        shares, gains = np.cumsum(size[orders], axis=1), np.cumsum(total[orders], axis=1)
        shares[:, -1] = 1.0
        beyond = {what: int((_areas(what, shares, gains) >= found[what] - tolerance).sum()) for what in AREAS}
        n = len(orders)
        return {what: b / n if exact else (1 + b) / (1 + n) for what, b in beyond.items()}, n
    n = max(199, min(n_permutations, CELLS // max(len(score), 1)))
    # with places fixed the area is linear in the scores
    weights = {what: np.cumsum(area_of(what, share, gain).by_gain[::-1])[::-1][group] for what in AREAS}
    beyond = dict.fromkeys(AREAS, 0)
    for _ in range(n):
        shuffled = rng.permutation(score)
        for what in AREAS:
            beyond[what] += float(weights[what] @ shuffled) / len(score) >= found[what] - tolerance
    return {what: (1 + b) / (1 + n) for what, b in beyond.items()}, n
