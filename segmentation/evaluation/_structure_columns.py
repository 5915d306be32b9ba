"""What kind of values the columns hold: few levels, tied values, point masses; and the table without the latter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["FEW_LEVELS", "PointMass", "few_levels", "point_masses", "replace_point_masses", "spread_ties"]

# Between three levels or fewer there is no telling a gap between groups from the gap between the levels.
FEW_LEVELS = 3
# A column of a rating scale is discrete throughout; with more levels than this, one value may stand out as a mass.
SCALE_LEVELS = 10
# One value is a point mass where so many customers have it, and so many times more than have the next frequent one.
LEAST_MASS = 0.05
STANDS_OUT = 3.0
MASSES_AT_MOST = 3


@dataclass(frozen=True)
class PointMass:
    """One value that a large share of the customers have, in a column of otherwise many values."""

    column: Any
    value: float
    share: float


def few_levels(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each column whether it has three levels or fewer.

    Examples
    --------
    >>> few_levels(np.array([[0, 1.0], [1, 2.0], [0, 3.0], [1, 4.0]]))
    array([ True, False])
    """
    return np.array([len(np.unique(column)) <= FEW_LEVELS for column in values.T], dtype=np.bool_)


def point_masses(table: pd.DataFrame) -> list[PointMass]:
    """Find the values that stand out in columns of more than ten levels: zeros, caps, codes for "unknown".

    Examples
    --------
    >>> spend = np.r_[np.zeros(50), np.linspace(5, 90, 50)]
    >>> point_masses(pd.DataFrame({"spend": spend}))
    [PointMass(column='spend', value=0.0, share=0.5)]
    """
    found = []
    for name in table.columns:
        levels, times = np.unique(table[name].to_numpy(dtype=np.float64), return_counts=True)
        if len(levels) <= SCALE_LEVELS:
            continue
        order = np.argsort(-times, kind="stable")
        shares = times[order] / times.sum()
        drops = shares[:MASSES_AT_MOST] >= STANDS_OUT * shares[1 : MASSES_AT_MOST + 1]
        n_masses = int(np.flatnonzero(drops & (shares[:MASSES_AT_MOST] >= LEAST_MASS)).max(initial=-1)) + 1
        found += [PointMass(name, float(levels[order[i]]), float(shares[i])) for i in range(n_masses)]
    return found


def replace_point_masses(table: pd.DataFrame, masses: list[PointMass], rng: np.random.Generator) -> pd.DataFrame:
    """Return the table with every value at a point mass replaced by one drawn from the other values of its column.

    Leaving the customers out instead would leave nobody where each of several columns has many zeros.
    """
    result = table.astype(np.float64)
    for name in dict.fromkeys(mass.column for mass in masses):
        values = result[name].to_numpy(copy=True)
        at_mass = np.isin(values, [mass.value for mass in masses if mass.column == name])
        values[at_mass] = rng.choice(values[~at_mass], int(at_mass.sum()))
        result[name] = values
    return result


def spread_ties(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the columns with equal values spread evenly around where they stand, half the way to their neighbours.

    Ratings and counts lie on a grid, and a projection of a grid has gaps that are no gaps between groups. A column
    that has one mode stays so.
    """
    result = np.array(values, dtype=np.float64)
    for j, column in enumerate(values.T):
        levels, where, times = np.unique(column, return_inverse=True, return_counts=True)
        if len(levels) < 2 or times.max() < 2:
            continue
        halves = np.diff(levels) / 2
        below, above = np.append(halves[:1], halves), np.append(halves, halves[-1:])
        tied = times[where] > 1
        place = rng.random(len(column))
        moved = levels[where] - below[where] + place * (below + above)[where]
        result[tied, j] = moved[tied]
    return result
