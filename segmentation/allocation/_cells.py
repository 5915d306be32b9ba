"""Who is in which segments, as groups of customers in the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation._validation import as_customers
from segmentation.allocation._keys import amount_of
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import CustomerTableError

__all__ = ["Cells", "read_cells"]

COUNTS = "n_customers"


@dataclass(frozen=True, eq=False)
class Cells:
    """Groups of customers that are in the same segments.

    Attributes
    ----------
    segments : tuple, K of them
    member : ndarray of bool, shape (C, K)
        The segments of each group, one or more.
    size : ndarray of shape (C,)
        Customers of each group, above 0.
    notes : tuple of str
        Who was left out.
    """

    segments: tuple[Any, ...]
    member: NDArray[np.bool_]
    size: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @property
    def n_customers(self) -> dict[Any, float]:
        """Members of each segment, shared ones among them."""
        return dict(zip(self.segments, (self.size @ self.member).tolist(), strict=True))

    @property
    def names(self) -> list[str]:
        """A name for each group: its segments."""
        return [" + ".join(str(self.segments[k]) for k in np.flatnonzero(row)) for row in self.member]


def read_cells(given: Any, segments: Sequence[Any]) -> Cells:
    """Read membership customers x segments, several assignments, or numbers of customers per combination.

    Segments that have no curve are left aside.
    """
    if isinstance(given, Mapping) and given and all(isinstance(key, tuple | frozenset) for key in given):
        table, size, notes = _from_counts(given, segments)
    elif isinstance(given, Mapping):
        table, size, notes = _from_assignments(given, segments)
    elif is_frame(given):
        table, size, notes = _from_table(given, segments)
    else:
        raise TypeError(
            "overlap takes a table of true and false, customers x segments (with a column 'n_customers' it is one of "
            "groups); several assignments, {'name': assignment}; or {('a', 'b'): number in both only, ('a',): ...}; "
            f"got {type(given).__name__}."
        )
    lone = [name for k, name in enumerate(segments) if not (size @ table[:, k]) > 0]
    if lone:
        raise ValueError(f"overlap has no customers in {name_some(lone)}: leave out the curve, or correct the names.")
    served = table.any(axis=1)
    outside = float(size[~served].sum())
    if outside > 0:
        notes.append(f"{count(round(outside), 'customer')} of overlap are in no segment that has a curve: left out.")
    rows, inverse = np.unique(table[served], axis=0, return_inverse=True)
    totals = np.bincount(inverse.ravel(), weights=size[served], minlength=len(rows)).astype(np.float64)
    keep = totals > 0
    return Cells(tuple(segments), rows[keep].astype(bool), totals[keep], tuple(notes))


Read = tuple[NDArray[np.bool_], NDArray[np.float64], list[str]]


def _left_aside(others: Sequence[Any]) -> list[str]:
    return [f"Segments of overlap without a curve were left aside: {name_some(others)}."] if others else []


def _without(segments: Sequence[Any], present: Sequence[Any]) -> None:
    missing = [name for name in segments if name not in set(present)]
    if missing:
        raise ValueError(
            f"overlap does not say who is in {name_some(missing)}; it has the segments {name_some(present)}."
        )


def _from_counts(given: Mapping[Any, Any], segments: Sequence[Any]) -> Read:
    present = list(dict.fromkeys(name for key in given for name in key))
    _without(segments, present)
    table = np.array([[name in key for name in segments] for key in given], dtype=bool)
    size = np.array([amount_of(n, f"overlap: the number of customers in {name_some(key)}") for key, n in given.items()])
    return table, size, _left_aside([name for name in present if name not in set(segments)])


def _from_table(given: Any, segments: Sequence[Any]) -> Read:
    frame = as_customers(given)
    if set(frame.columns) <= {"segment", "membership"}:
        raise ValueError("one assignment puts each customer into one segment at most, so nothing overlaps.")
    if COUNTS in frame.columns and COUNTS not in segments:
        size = np.array([amount_of(n, f"overlap: {COUNTS}") for n in frame[COUNTS].tolist()])
        frame = frame.drop(columns=COUNTS)
    else:
        size = np.ones(len(frame))
    aside = [name for name in ("segment", UNASSIGNED) if name in frame.columns and name not in segments]
    frame = frame.drop(columns=aside)
    _without(segments, list(frame.columns))
    table = np.zeros((len(frame), len(segments)), dtype=bool)
    for k, name in enumerate(segments):
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isin(values, (0.0, 1.0)).all():
            raise ValueError(
                f"overlap must be true or false for each customer and segment; {name!r} holds other values. Degrees "
                "of membership: cut them first, such as membership >= 0.5."
            )
        table[:, k] = values == 1.0
    return table, size, _left_aside([name for name in frame.columns if name not in set(segments)])


def _from_assignments(given: Mapping[Any, Any], segments: Sequence[Any]) -> Read:
    """A segment of one assignment is called by its name, or "assignment: segment" where names repeat."""
    if len(given) < 2:
        raise ValueError("one assignment puts each customer into one segment at most: overlap takes two or more.")
    tables = {str(name): as_assignment(one) for name, one in given.items()}
    customers = next(iter(tables.values())).index
    for one in tables.values():
        customers = customers.union(one.index)
    if sum(map(len, tables.values())) == len(customers):
        raise CustomerTableError("overlap: no customer stands in two of the assignments; do their ids look alike?")
    columns: dict[Any, NDArray[np.bool_]] = {}
    for name, one in tables.items():
        codes = one["segment"].cat.codes.reindex(customers, fill_value=-1).to_numpy()
        for code, segment in enumerate(one["segment"].cat.categories[:-1]):
            plain = segment in segments and f"{name}: {segment}" not in segments
            if plain and segment in columns:
                raise ValueError(f"overlap: {segment!r} is in two assignments: call it '{name}: {segment}' in curves.")
            columns[segment if plain else f"{name}: {segment}"] = codes == code
    _without(segments, list(columns))
    table = np.column_stack([columns[name] for name in segments])
    return table, np.ones(len(customers)), _left_aside([name for name in columns if name not in set(segments)])
