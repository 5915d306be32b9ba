"""The states of customers at several dates, on common codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import AssignmentError, CustomerTableError

__all__ = ["ENTERED", "LEFT", "States", "check_level", "check_whole", "states_of", "values_of"]

ENTERED = "(entered)"
LEFT = "(left)"


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
    clash = [name for name in (ENTERED, LEFT) if name in names]
    if clash:
        raise AssignmentError(f"{name_some(clash)} names being no customer here; rename this segment.")
    if any((table["segment"] == UNASSIGNED).any() for table in tables):
        names.append(UNASSIGNED)
    index = tables[0].index
    for table in tables[1:]:
        index = index.append(table.index.difference(index, sort=False))
    if not len(index):
        raise CustomerTableError("the assignments have no customers.")
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
    if isinstance(value, pd.DataFrame) and value.shape[1] == 1:
        value = value.iloc[:, 0]
    if not isinstance(value, pd.Series):
        raise TypeError(f"{what} must be a pandas Series indexed by customer, got {type(value).__name__}.")
    if not value.index.is_unique:
        twice = value.index[value.index.duplicated()].unique()
        raise CustomerTableError(f"{what} must have one row per customer; these stand twice: {name_some(twice)}.")
    found = value.reindex(index).to_numpy(dtype=np.float64, na_value=np.nan)
    missing = int((~np.isfinite(found)).sum())
    if missing == len(index):
        raise CustomerTableError(
            f"{what} has no figure for any customer: ids {name_some(value.index)} and {name_some(index)}."
        )
    if missing:
        notes.append(f"{count(missing, 'customer has', 'customers have')} no {what} and count 0 there.")
    return np.where(np.isfinite(found), found, 0.0)
