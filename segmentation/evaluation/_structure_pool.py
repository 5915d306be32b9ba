"""Groups learnt without a part of the customers, tested on that part, over all parts and passes together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from segmentation.evaluation._agreement import contingency
from segmentation.evaluation._dip import dip_p_value, dip_statistic
from segmentation.evaluation._structure_split import (
    APART,
    LEAST_IN_BAND,
    LEAST_IN_GROUP,
    LONELIER,
    Learnt,
    band_loneliness,
)

__all__ = ["Fold", "HeldOut", "Tested", "judge_groups"]

# A solution went astray where its groups are less separated than this share of the median; so many of them may.
ASTRAY = 0.6
MAY_FAIL = 0.2


@dataclass(frozen=True, eq=False)
class Fold:
    """One part of the customers, and what was learnt from the others.

    Attributes
    ----------
    points : ndarray of shape (n_customers, n_features)
        All customers, where the solution learnt from the others sees them.
    codes : ndarray of shape (n_customers,)
        The segment it gives them.
    held_out : ndarray of shape (n_customers,), bool
        Whom it was not learnt from.
    ways : tuple of Learnt
        The way to take its segments together as one group, as two, and so on.
    """

    points: NDArray[np.float64]
    codes: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    ways: tuple[Learnt, ...]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A group and its nearest neighbours on customers they were not learnt from.

    Attributes
    ----------
    members : tuple of int
        Codes of the segments of the group in the first fold.
    projection : ndarray
        Customers of both, at the mean over the passes, along the discriminant: 0 is the centre of the group, 1 that of
        the neighbour.
    is_neighbour : ndarray of bool
    window : tuple of float
        The stretch that is tested.
    p_value : float
    distance : float
        Between the two, in standard deviations within them.
    loneliness : float
        Chance that a customer at the border is farther from the neighbours than another.
    """

    members: tuple[int, ...]
    projection: NDArray[np.float64]
    is_neighbour: NDArray[np.bool_]
    window: tuple[float, float]
    p_value: float
    distance: float
    loneliness: float


@dataclass(frozen=True, eq=False)
class Tested:
    """All parts of all passes together.

    Attributes
    ----------
    p_value : float
        That of the least separated group, 1 where there is one group only.
    n_groups : int
    apartness : float
        Of the least separated group where the groups were learnt: mean over the parts, 0 where the solutions do not
        agree. It has not seen, for any part, the customers that the part is tested on.
    groups : tuple of HeldOut
    """

    p_value: float
    n_groups: int
    apartness: float = 0.0
    groups: tuple[HeldOut, ...] = ()


def judge_groups(folds: list[Fold]) -> Tested:
    """Test whether every group is apart from its nearest neighbour on customers it was not learnt from.

    Each customer is projected by the solutions learnt without them, one in each pass, groups of different solutions
    being matched by the customers they share, and stands at the mean. The largest p-value counts, since every group
    must be apart: no correction for their number is needed.

    Parameters
    ----------
    folds : list of Fold
        The parts of every pass; the same customers in the same order in each.
    """
    n_groups, apartness = _number_of_groups(folds)
    if n_groups < 2:
        return Tested(1.0, 1, apartness)
    known = [(fold, fold.ways[n_groups - 1]) for fold in folds if len(fold.ways) >= n_groups]
    enough = ASTRAY * float(np.median([way.separation for _, way in known]))
    # solutions that went astray are left out; where more than one in five do not show the groups, that says something
    chosen = [(fold, way) for fold, way in known if way.separation >= enough and way.apartness > 0]
    if len(chosen) < (1 - MAY_FAIL) * len(folds):
        return Tested(1.0, 1)  # last in the order: what the solutions do not agree on must not stand before the others
    first, way = chosen[0]
    matched = [_matched(way.group_of(first.codes), other.group_of(fold.codes), n_groups) for fold, other in chosen]
    groups = tuple(
        _held_out([(*pair, int(order[group])) for pair, order in zip(chosen, matched, strict=True)], way.groups[group])
        for group in range(n_groups)
    )
    return Tested(max(group.p_value for group in groups), n_groups, apartness, groups)


def _number_of_groups(folds: list[Fold]) -> tuple[int, float]:
    """Return how many groups to take the segments together as, and how far apart those are where they were learnt."""
    most = max(len(fold.ways) for fold in folds)
    apartness = [
        float(np.mean([fold.ways[n].apartness if n < len(fold.ways) else 0.0 for fold in folds])) for n in range(most)
    ]
    apart = [n for n in range(most) if apartness[n] >= APART]
    best = max(apart) if apart else int(np.argmax(apartness))
    return best + 1, apartness[best]


def _matched(first: NDArray[np.int64], other: NDArray[np.int64], n_groups: int) -> NDArray[np.int64]:
    """Return, for each group of the first, its counterpart in the other."""
    table = contingency(first, other, n_groups, n_groups)[:-1, :-1]
    columns: NDArray[np.int64] = linear_sum_assignment(table, maximize=True)[1]
    return columns


def _held_out(chosen: list[tuple[Fold, Learnt, int]], members: tuple[int, ...]) -> HeldOut:
    """Put the customers of one group and its neighbour together, each where solutions learnt without them say."""
    n = len(chosen[0][0].codes)
    places, votes, times, asked = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    windows, lonely = [], []
    for fold, way, position in chosen:
        border = way.borders[position]
        group = way.group_of(fold.codes)
        of_both = (group == border.group) | (group == border.neighbour)
        counted = of_both & fold.held_out
        places[counted] += border.project(fold.points[counted])
        votes[counted] += group[counted] == border.neighbour
        times += counted
        asked += fold.held_out
        windows.append(border.window)
        lonely.append(band_loneliness(fold.points[of_both], border, fold.held_out[of_both]))
    counted = (times > 0) & (times >= asked / 2)
    line, side = places[counted] / times[counted], votes[counted] > times[counted] / 2
    window = _common(windows)
    loneliness, n_band = _together(lonely)
    p_value, distance = 1.0, np.nan
    if min(int(side.sum()), int((~side).sum())) >= LEAST_IN_GROUP:
        inside = line[(line >= window[0]) & (line <= window[1])]
        p_value, distance = dip_p_value(dip_statistic(inside), len(inside)), _distance(line, side)
        if n_band >= LEAST_IN_BAND and loneliness < LONELIER:
            p_value = 1.0
    return HeldOut(members, line, side, window, p_value, distance, loneliness)


def _common(windows: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the middle one of the stretches; at most one of their ends is finite."""
    low, high = np.median([low for low, _ in windows]), np.median([high for _, high in windows])
    return float(low), float(high)


def _together(lonely: list[tuple[float, int]]) -> tuple[float, int]:
    weights = np.array([n for _, n in lonely], dtype=np.float64)
    if not weights.sum():
        return np.nan, 0
    values = np.array([0.0 if not n else value for value, n in lonely])
    return float(values @ weights / weights.sum()), int(weights.sum())


def _distance(line: NDArray[np.float64], side: NDArray[np.bool_]) -> float:
    within = np.sqrt((line[side].var() * side.sum() + line[~side].var() * (~side).sum()) / len(side))
    way = float(line[side].mean() - line[~side].mean())
    return way / float(within) if within > 0 else np.inf
