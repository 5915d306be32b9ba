"""Groups learnt without a part of the customers, tested on that part, over all parts together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from segmentation.evaluation._agreement import contingency
from segmentation.evaluation._dip import dip_p_value, dip_statistic
from segmentation.evaluation._structure_split import (
    LEAST_IN_BAND,
    LEAST_IN_GROUP,
    LONELIER,
    Learnt,
    band_loneliness,
)

__all__ = ["Fold", "HeldOut", "Tested", "judge_groups"]


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
    learnt : Learnt
    """

    points: NDArray[np.float64]
    codes: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    learnt: Learnt


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A group and its nearest neighbours on customers they were not learnt from.

    Attributes
    ----------
    members : tuple of int
        Codes of the segments of the group in the first fold.
    projection : ndarray
        Customers of both along the discriminant: 0 is the centre of the group, 1 that of the neighbour.
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
    """One pass over all parts: `p_value` is that of the least separated group, 1 where there is one group only."""

    p_value: float
    n_groups: int
    groups: tuple[HeldOut, ...] = ()


def judge_groups(folds: list[Fold]) -> Tested:
    """Test whether every group is apart from its nearest neighbour on customers it was not learnt from.

    Each customer is projected by a solution learnt without them; the projections of all parts are put together, groups
    of different parts being matched by the customers they share. Parts that found another number of groups than most
    are left out; where more than one of them found a single group, so does the pass. The largest p-value counts, since
    every group must be apart: no correction for their number is needed.
    """
    numbers = [len(fold.learnt.groups) for fold in folds]
    n_groups = int(np.bincount(numbers).argmax())
    if n_groups < 2 or numbers.count(1) > 1:  # parts that see one group only say something: they are no failures
        return Tested(1.0, n_groups)
    kept = [fold for fold, number in zip(folds, numbers, strict=True) if number == n_groups]
    matched = [_matched(kept[0], fold) for fold in kept]
    groups = tuple(
        _held_out(kept, [order[group] for order in matched], kept[0].learnt.groups[group]) for group in range(n_groups)
    )
    return Tested(max(group.p_value for group in groups), n_groups, groups)


def _matched(first: Fold, other: Fold) -> NDArray[np.int64]:
    """Return, for each group of the first fold, its counterpart in the other."""
    n_groups = len(first.learnt.groups)
    table = contingency(first.learnt.group_of(first.codes), other.learnt.group_of(other.codes), n_groups, n_groups)[
        :-1, :-1
    ]
    columns: NDArray[np.int64] = linear_sum_assignment(table, maximize=True)[1]
    return columns


def _held_out(folds: list[Fold], positions: list[int], members: tuple[int, ...]) -> HeldOut:
    """Put the held-out customers of one group and its neighbour together over the folds, and test them."""
    lines, sides, windows, lonely = [], [], [], []
    for fold, position in zip(folds, positions, strict=True):
        border = fold.learnt.borders[int(position)]
        group = fold.learnt.group_of(fold.codes)
        of_both = (group == border.group) | (group == border.neighbour)
        counted = of_both & fold.held_out
        lines.append(border.project(fold.points[counted]))
        sides.append(group[counted] == border.neighbour)
        windows.append(border.window)
        lonely.append(band_loneliness(fold.points[of_both], border, fold.held_out[of_both]))
    line, side = np.concatenate(lines), np.concatenate(sides)
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
