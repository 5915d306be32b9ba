"""The states of customers at several dates, on common codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import AssignmentError, CustomerTableError
from segmentation.monitoring._inputs import customer_values

__all__ = [
    "ALL_SEGMENTS",
    "ENTERED",
    "LEFT",
    "States",
    "check_level",
    "check_whole",
    "seeds_of",
    "states_of",
    "values_of",
]

ENTERED = "(entered)"
LEFT = "(left)"
ALL_SEGMENTS = "(all segments)"
RESERVED = (ENTERED, LEFT, ALL_SEGMENTS)


@dataclass(frozen=True, eq=False)
class States:
    """Where every customer is at every date.

    ``codes`` has shape (n_customers, n_dates); the last code of ``names`` may be the unassigned; -1 is not being there.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]
    index: pd.Index

    def counts(self, step: int) -> NDArray[np.int64]:
        """Count transitions from date `step` to the next: shape (n_states + 1, n_states + 1), the last is outside."""
        k = len(self.names)
        first, second = self.codes[:, step], self.codes[:, step + 1]
        there = (first >= 0) | (second >= 0)
        rows, columns = np.where(first < 0, k, first)[there], np.where(second < 0, k, second)[there]
        return np.bincount(rows * (k + 1) + columns, minlength=(k + 1) ** 2).reshape(k + 1, k + 1).astype(np.int64)


def states_of(assignments: Sequence[Any]) -> States:
    """Bring assignments on common customers and states; the order of segments is that of their first appearance."""
    tables = []
    for position, assignment in enumerate(assignments):
        if not is_frame(assignment) and not isinstance(assignment, pd.Series):
            raise TypeError(
                f"assignment {position + 1} of {len(assignments)} must be an assignment table or a Series of segment "
                f"names, got {type(assignment).__name__}."
            )
        tables.append(as_assignment(assignment))
    names = list(dict.fromkeys(str(name) for table in tables for name in table["segment"].cat.categories[:-1]))
    clash = [name for name in RESERVED if name in names]
    if clash:
        raise AssignmentError(
            f"a segment is called {name_some(clash)}, which means something else in the tables of a migration; rename "
            "it: segmentation.relabel(assignment, {...})."
        )
    if any((table["segment"] == UNASSIGNED).any() for table in tables):
        names.append(UNASSIGNED)
    index = tables[0].index
    for table in tables[1:]:
        index = index.append(table.index.difference(index, sort=False))
    empty = [position + 1 for position, table in enumerate(tables) if not len(table)]
    if empty:
        raise CustomerTableError(f"no customers in assignment {name_some(empty)} of {len(tables)}: leave it out.")
    for first, second in itertools.pairwise(tables):
        if not len(first.index.intersection(second.index)):
            raise CustomerTableError(
                f"no customer is in two assignments that follow each other: ids {name_some(first.index)} and "
                f"{name_some(second.index)}, so nobody can be followed. Do both use the same ids?"
            )
    place = {name: code for code, name in enumerate(names)}
    codes = np.full((len(index), len(tables)), -1, dtype=np.int64)
    for date, table in enumerate(tables):
        own = table["segment"].astype(object).map(lambda name: place.get(str(name), len(names)))
        codes[index.get_indexer(table.index), date] = own.to_numpy(dtype=np.int64)
    return States(codes, tuple(names), index.rename("customer_id"))


def check_level(level: Any) -> float:
    """Return the level of intervals, or raise ValueError."""
    if isinstance(level, bool) or not isinstance(level, float | int | np.floating) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    return float(level)


def check_whole(name: str, value: Any, least: int) -> int:
    """Return a whole number, or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return int(value)


def values_of(value: Any, index: pd.Index, notes: list[str], what: str = "value") -> NDArray[np.float64]:
    """Return one value per customer in the order of `index`; those who have none count 0 and are said."""
    found = customer_values(value, index, what)
    missing = int(np.isnan(found).sum())
    if missing:
        notes.append(f"{count(missing, 'customer has', 'customers have')} no {what} and count 0 there.")
    return np.where(np.isnan(found), 0.0, found)


def seeds_of(random_state: Any, n: int) -> list[int]:
    """Return seeds from a number, a RandomState, a Generator or None."""
    most = np.iinfo(np.int32).max
    if isinstance(random_state, np.random.Generator):
        return [int(seed) for seed in random_state.integers(most, size=n)]
    return [int(seed) for seed in check_random_state(random_state).randint(most, size=n)]
