"""Customers and their segments beside each other, for validity and for pictures of segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, number
from segmentation._frames import is_frame, kind_of
from segmentation._validation import CUSTOMER_ID
from segmentation.assignment import as_assignment
from segmentation.evaluation._validity_space import clustering_space, numbers_of
from segmentation.exceptions import AssignmentError, CustomerTableError

__all__ = ["Placed", "place_customers"]

# One column that spreads this many times as much as another decides distances almost alone.
WILD_SCALES = 10.0


@dataclass(frozen=True, eq=False)
class Placed:
    """Customers in a space, with their segments.

    Attributes
    ----------
    points : ndarray of shape (n_customers, n_features)
    codes : ndarray of shape (n_customers,)
        Position in `segments`, -1 for unassigned.
    segments : list of str
        All segments of the assignment, empty ones too.
    ids : pandas.Index
    features : list of str
    space : str
        In words.
    warnings : tuple of str
    """

    points: NDArray[np.float64]
    codes: NDArray[np.int64]
    segments: list[str]
    ids: pd.Index
    features: list[Any]
    space: str
    warnings: tuple[str, ...]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Customers of each segment."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.segments))


def place_customers(X: Any, assignment: Any, space: Any, who: str) -> Placed:
    """Read customers and their segments and put them beside each other.

    Parameters
    ----------
    X : dataframe or array of shape (n_customers, n_features)
    assignment : assignment table, Series of segment names, or sequence of labels
        Tables meet by id; an array on either side is aligned by position.
    space : fitted model, or None
    who : str
        The function that asks, for the messages.

    Raises
    ------
    CustomerTableError
        If lengths differ where positions count, no id is on both sides, or a value is not finite.
    AssignmentError, ColumnError, TypeError
    """
    if space is None:
        table, words = numbers_of(X, who), "the columns as given"
    else:
        table, words = clustering_space(space, X), f"as {_name(space)} measured distances"
    values = table.to_numpy(dtype=np.float64)
    segments, by_position = _read_assignment(assignment, table.index)
    warnings: list[str] = []
    if by_position or not is_frame(X):
        if len(segments) != len(table):
            raise CustomerTableError(
                f"{who} aligns arrays by position, but X has {count(len(table), 'row')} and the assignment "
                f"{len(segments):,}. Give tables indexed by customer, or both in the same order."
            )
    else:
        values, segments, warnings = _meet(table, segments, who)
    names = list(segments["segment"].cat.categories[:-1])
    codes = segments["segment"].cat.codes.to_numpy().astype(np.int64)
    codes[codes == len(names)] = -1
    if space is None:
        warnings += _wild_scales(values, list(table.columns))
    return Placed(values, codes, names, segments.index, list(table.columns), words, tuple(warnings))


def _name(model: Any) -> str:
    steps = getattr(model, "steps", None)
    return " > ".join(type(step).__name__ for _, step in steps) if steps else type(model).__name__


def _read_assignment(assignment: Any, index: pd.Index) -> tuple[pd.DataFrame, bool]:
    """Return the assignment as a table, and whether it has positions instead of ids."""
    if isinstance(assignment, pd.Series) or is_frame(assignment):
        return as_assignment(assignment), False
    labels = np.asarray(assignment)
    if labels.ndim != 1:
        raise AssignmentError(
            f"an assignment is a table from segmentation.assign, or one label per customer; got {kind_of(assignment)} "
            f"of shape {labels.shape}."
        )
    ids = index if len(index) == len(labels) else pd.RangeIndex(len(labels), name=CUSTOMER_ID)
    if labels.dtype.kind in "iu":  # labels of a clusterer: any negative one is noise
        labels = np.where(labels < 0, -1, labels)
    return as_assignment(pd.Series(labels, index=ids)), True


def _meet(table: pd.DataFrame, segments: pd.DataFrame, who: str) -> tuple[NDArray[np.float64], pd.DataFrame, list[str]]:
    """Keep the customers of both tables, in the order of X; say how many are in one only."""
    if table.index.equals(segments.index):
        return table.to_numpy(dtype=np.float64), segments, []
    at = segments.index.get_indexer(table.index)
    both = at >= 0
    if not both.any() and len(table):
        raise CustomerTableError(
            f"{who} found no customer of X in the assignment: ids of X look like {name_some(table.index[:3])}, "
            f"those of the assignment like {name_some(segments.index[:3])}."
        )
    warnings = [
        f"{count(n, 'customer')} of {what} not in {other}: left out."
        for n, what, other in (
            (int((~both).sum()), "X", "the assignment"),
            (len(segments) - int(both.sum()), "the assignment", "X"),
        )
        if n
    ]
    return table.to_numpy(dtype=np.float64)[both], segments.iloc[at[both]], warnings


def _wild_scales(values: NDArray[np.float64], names: list[Any]) -> list[str]:
    """Say where one column would decide distances by its unit."""
    if not len(values):
        return []
    spread = values.std(axis=0)
    varying = np.flatnonzero(spread > 0)
    if varying.size < 2:
        return []
    wide, narrow = varying[spread[varying].argmax()], varying[spread[varying].argmin()]
    hidden = [names[i] for i in varying if spread[i] * WILD_SCALES < spread[wide]]
    if not hidden:
        return []
    return [
        f"column {names[wide]!r} spreads {number(spread[wide] / spread[narrow])} times as much as {names[narrow]!r}: "
        f"distances hardly notice {len(hidden)} of {count(len(names), 'column')} ({name_some(hidden)}). Pass "
        "space=model to judge the segments where the model made them, or scale the columns."
    ]
