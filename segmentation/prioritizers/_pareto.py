"""Priority without weights: who is beaten by nobody in everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, number
from segmentation.base import Prioritizer
from segmentation.prioritizers._columns import profile_column
from segmentation.prioritizers._criteria import Limits, knocked_out

__all__ = ["ParetoPrioritizer"]

Array = NDArray[np.float64]
WITHIN = ("dominates", "crowding", "size")


class ParetoPrioritizer(Prioritizer):
    """Order segments by non-dominated fronts: no weights, and no common unit.

    A segment dominates another if it is at least as good in every criterion and better in one. The first front are
    those that none dominates, the second those that only the first dominates, and so on.

    Parameters
    ----------
    maximize : str or sequence of str, default=()
        Columns of the profile of which more is better.
    minimize : str or sequence of str, default=()
        Columns of which less is better.
    within : {"dominates", "crowding", "size"}, default="dominates"
        Who comes first within a front. "dominates": who dominates more segments. "crowding": who has fewer segments
        like it in the front, by the crowding distance of NSGA-II; the ends of the front come first. "size": nothing,
        so that the larger segment comes first, then the name, as with every equal score.
    knock_out : mapping of profile column to number, (minimum, maximum) or Limits, optional
        As for `WeightedPrioritizer`.

    Notes
    -----
    The score is the number of fronts behind the segment's own, plus a fraction below 1 for its place within the front.
    Fronts, and "dominates", do not change with the unit of a criterion or with any transformation that keeps its order;
    "crowding" does not change with unit and origin. Equal segments share their front and their crowding distance, which
    is therefore taken between the next different values of the front, divided by their range [1]_.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal and Meyarivan (2002), A fast and elitist multiobjective genetic algorithm: NSGA-II,
       IEEE Transactions on Evolutionary Computation 6(2), doi:10.1109/4235.996017.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.prioritizers import ParetoPrioritizer
    >>> profile = pd.DataFrame(
    ...     {"n_customers": [5, 5, 5], "clv_mean": [90.0, 60.0, 50.0], "churn_mean": [0.4, 0.1, 0.2]},
    ...     index=["a", "b", "c"])
    >>> plan = ParetoPrioritizer(maximize="clv_mean", minimize="churn_mean").prioritize(profile)
    >>> plan["reason"].to_dict()
    {'b': "front 1 of 2: dominated by none; dominates 'c'",
     'a': 'front 1 of 2: dominated by none; dominates none',
     'c': "front 2 of 2: dominated by 'b' (clv_mean 60 against 50, churn_mean 0.1 against 0.2)"}
    """

    def __init__(
        self,
        maximize: str | Sequence[str] = (),
        *,
        minimize: str | Sequence[str] = (),
        within: Literal["dominates", "crowding", "size"] = "dominates",
        knock_out: Mapping[str, float | tuple[float | None, float | None] | Limits] | None = None,
    ) -> None:
        self.maximize = maximize
        self.minimize = minimize
        self.within = within
        self.knock_out = knock_out

    def _exclusions(self, profile: pd.DataFrame) -> Mapping[str, str]:
        return knocked_out(profile, self.knock_out, "ParetoPrioritizer")

    def _priority_scores(self, profile: pd.DataFrame) -> Array:
        if self.within not in WITHIN:
            raise ValueError(f"within must be one of {', '.join(map(repr, WITHIN))}, got {self.within!r}.")
        values = self._values(profile)
        dominates = _dominance(values)
        front = _fronts(dominates, _known(values))
        scores = np.full(len(values), np.nan)
        for number_of_front in np.unique(front[front > 0]):
            rows = np.flatnonzero(front == number_of_front)
            scores[rows] = front.max() - number_of_front + self._place_within(values[rows], dominates[rows])
        return scores

    def _place_within(self, values: Array, dominates: NDArray[np.bool_]) -> Array:
        """Return fractions in [0, 1): the place among the different values of the tie rule."""
        if self.within == "size":
            return np.zeros(len(values))
        key = dominates.sum(axis=1) if self.within == "dominates" else _crowding(values)
        levels, place = np.unique(key, return_inverse=True)
        fractions: Array = place / len(levels)
        return fractions

    def _values(self, profile: pd.DataFrame) -> Array:
        """Return the criteria as columns of which more is better."""
        columns = [
            (1.0 if better == "maximize" else -1.0) * profile_column(profile, name, f"ParetoPrioritizer({better}=...)")
            for name, better in self._directions().items()
        ]
        return np.column_stack(columns)

    def _directions(self) -> dict[Any, str]:
        names = {"maximize": _as_list(self.maximize, "maximize"), "minimize": _as_list(self.minimize, "minimize")}
        listed = names["maximize"] + names["minimize"]
        repeated = [name for i, name in enumerate(listed) if name in listed[:i]]
        if not listed or repeated:
            problem = f"{name_some(repeated)} stands twice" if repeated else "there is none"
            raise ValueError(f"ParetoPrioritizer needs columns to maximize or minimize, each once; {problem}.")
        return {name: direction for direction, columns in names.items() for name in columns}

    def _reasons(self, profile: pd.DataFrame, scores: Array) -> Sequence[str]:
        values = self._values(profile)
        dominates = _dominance(values)
        front = _fronts(dominates, _known(values))
        n_fronts = int(front.max(initial=0))
        names = list(profile.index)
        texts = []
        for i in range(len(names)):
            place = f"front {front[i]} of {n_fronts}"
            above = _by_front(np.flatnonzero(dominates[:, i]), front, names)
            below = _by_front(np.flatnonzero(dominates[i]), front, names)
            if above:
                example = self._comparison(profile, names.index(above[0]), i)
                others = f"; also by {name_some(above[1:])}" if len(above) > 1 else ""
                texts.append(f"{place}: dominated by {name_some(above[:1])} ({example}){others}")
            else:
                texts.append(f"{place}: dominated by none; dominates {name_some(below) or 'none'}")
        return texts

    def _comparison(self, profile: pd.DataFrame, better: int, worse: int) -> str:
        pairs = ((name, profile[name].iloc[better], profile[name].iloc[worse]) for name in self._directions())
        return ", ".join(f"{name} {number(one)} against {number(other)}" for name, one, other in pairs)


def _as_list(given: Any, what: str) -> list[Any]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, Sequence | pd.Index | np.ndarray) and not isinstance(given, bytes):
        return list(given)
    raise ValueError(f"{what} must be a column of the profile or a list of them, got {given!r}.")


def _known(values: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(values).all(axis=1), dtype=np.bool_)


def _dominance(values: Array) -> NDArray[np.bool_]:
    """Return whether the segment of the row dominates that of the column; rows with missing values take no part."""
    result = np.zeros((len(values), len(values)), dtype=bool)
    for i, own in enumerate(values):
        result[i] = (own >= values).all(axis=1) & (own > values).any(axis=1)  # comparisons with NaN are false
    return result


def _fronts(dominates: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of each segment's front, from 1; 0 where a value is missing."""
    front = np.zeros(len(known), dtype=np.int64)
    beaten_by = dominates.sum(axis=0)
    left, current = known.copy(), 0
    while left.any():
        current += 1
        now = left & (beaten_by == 0)
        front[now] = current
        left &= ~now
        beaten_by = beaten_by - dominates[now].sum(axis=0)
    return front


def _crowding(values: Array) -> Array:
    """Return the crowding distance of each segment of a front, infinite at the ends."""
    distance = np.zeros(len(values))
    for column in values.T:
        levels, place = np.unique(column, return_inverse=True)
        if len(levels) == 1:
            continue  # nobody is at an end of a criterion in which all are equal
        gaps = np.full(len(levels), np.inf)
        gaps[1:-1] = (levels[2:] - levels[:-2]) / (levels[-1] - levels[0])
        distance += gaps[place]
    return distance.round(12)


def _by_front(rows: NDArray[np.int64], front: NDArray[np.int64], names: list[Any]) -> list[Any]:
    return [names[i] for i in sorted(rows, key=lambda i: (front[i], str(names[i])))]
