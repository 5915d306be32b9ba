"""Read answers and texts: rows of a table, brought together with the segments of those who gave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["Rows", "check_level", "check_positive", "check_whole", "read_rows", "words_of"]


@dataclass(eq=False)
class Rows:
    """Answers or texts, sorted by customer.

    ``table`` has one row each; ``customer`` and ``segment`` are codes from 0 on, ``segments`` the names.
    """

    table: pd.DataFrame
    customer: NDArray[np.int64]
    segment: NDArray[np.int64]
    ids: pd.Index
    segments: list[str]
    warnings: list[str] = field(default_factory=list)

    def keep(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows of the mask, customers counted anew."""
        used, codes = np.unique(self.customer[mask], return_inverse=True)
        return Rows(
            self.table[mask],
            codes.astype(np.int64),
            self.segment[mask],
            self.ids[used],
            self.segments,
            list(self.warnings),
        )

    @property
    def segment_of_customer(self) -> NDArray[np.int64]:
        """Segment code of each customer."""
        result = np.empty(len(self.ids), dtype=np.int64)
        result[self.customer] = self.segment
        return result


def read_rows(
    frame: Any, assignment: Any, *, columns: Sequence[Any], customer_id: Any, what: str, single: Any = None
) -> Rows:
    """Read a table with several rows per customer; `single` is the column that a Series stands for."""
    if isinstance(frame, pd.Series) and single is not None:
        frame = frame.rename(single).to_frame()
        frame.index.name = customer_id
    if not is_frame(frame):
        raise TypeError(f"{what} must be a table with one row per {what.rstrip('s')}, got {kind_of(frame)}.")
    table = to_pandas(frame)
    if customer_id in table.columns:
        ids = table[customer_id]
    elif table.index.name == customer_id:
        ids = pd.Series(table.index, index=table.index)
    else:
        raise ColumnError(
            f"{what} need the customer of each row. {column_difference([customer_id], list(table.columns))}; "
            "name the column with customer_id=."
        )
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ColumnError(f"{what}: {column_difference(list(columns), list(table.columns))}.")
    twice = [name for name in dict.fromkeys([customer_id, *columns]) if (table.columns == name).sum() > 1]
    if twice:
        raise ColumnError(f"{what}: columns of the same name: {name_some(twice)}; rename or drop one.")
    if not len(table):
        raise CustomerTableError(f"{what} has no rows.")
    assigned = as_assignment(assignment)
    names = list(assigned["segment"].cat.categories)
    position = assigned.index.get_indexer(pd.Index(ids.to_numpy()))
    codes = np.where(position >= 0, assigned["segment"].cat.codes.to_numpy()[position], -1).astype(np.int64)
    unknown = position < 0
    nowhere = (codes == names.index(UNASSIGNED)) & ~unknown
    inside = ~unknown & ~nowhere
    if not inside.any():
        raise CustomerTableError(
            f"no {what.rstrip('s')} is of a customer in a segment ({len(table):,} came): ids of the {what} look like "
            f"{name_some(list(ids[:3]))} ({ids.dtype}), those of the assignment like "
            f"{name_some(list(assigned.index[:3]))} ({assigned.index.dtype})."
        )
    notes = []
    if unknown.any():
        notes.append(f"{_some(unknown, what)} left out: their customers are not in the assignment.")
    if nowhere.any():
        notes.append(f"{_some(nowhere, what)} left out: their customers are in no segment.")
    order = np.flatnonzero(inside)
    code, known = pd.factorize(pd.Index(ids.to_numpy()[order]))
    order = order[np.argsort(code, kind="stable")]
    code = np.sort(code, kind="stable").astype(np.int64)
    kept = table.iloc[order][list(dict.fromkeys(columns))].reset_index(drop=True)
    return Rows(kept, code, codes[order], pd.Index(known), names[:-1], notes)


def _some(mask: NDArray[np.bool_], what: str) -> str:
    return count(int(mask.sum()), what.rstrip("s"))


def check_level(**settings: Any) -> None:
    """Raise unless every setting is a number between 0 and 1."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")


def check_positive(**settings: Any) -> None:
    """Raise unless every setting is a finite number above 0."""
    for name, value in settings.items():
        known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not known or not 0 < value < np.inf:
            raise ValueError(f"{name} must be above 0, got {value!r}.")


def words_of(values: Iterable[str], name: str) -> list[str]:
    """Return the words of a setting; a single text would be taken letter by letter."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of words, got {values!r}; one word is a list, too: {name}=['...'].")
    words = list(values)
    wrong = next((word for word in words if not isinstance(word, str)), None)
    if wrong is not None:
        raise TypeError(f"{name} must be words, got {wrong!r} among them.")
    return words


def check_whole(least: int, **settings: Any) -> None:
    """Raise unless every setting is a whole number of at least `least`."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
