"""Read who is in which segments, where segments may overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError

__all__ = ["Membership", "between", "combinations_of", "read_membership", "schemes_of"]

NUMBERS = frozenset({"boolean", "integer", "floating", "mixed-integer-float", "decimal"})


@dataclass(frozen=True, eq=False)
class Membership:
    """Who is in which segments.

    Attributes
    ----------
    names : tuple of str
        The segments.
    customers : pandas.Index
    member : ndarray of bool, shape (n_customers, n_segments)
    degrees : ndarray of float, shape (n_customers, n_segments), or None
        Degrees of membership, where they are not all 0 or 1.
    notes : tuple of str
        What had to be left out or taken for something.
    """

    names: tuple[str, ...]
    customers: pd.Index
    member: NDArray[np.bool_]
    degrees: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()


def between(value: Any, name: str, low: float = 0.0, high: float = 1.0, *, ends: str = "neither") -> float:
    """Return a number within bounds; `ends` names the bounds that count ("neither", "high", "both")."""
    if not isinstance(value, bool | np.bool_) and isinstance(value, int | float | np.number):
        above = value >= low if ends == "both" else value > low
        below = value < high if ends == "neither" else value <= high
        if above and below:
            return float(value)
    raise ValueError(f"{name} must be a number between {low:g} and {high:g}, got {value!r}.")


def read_membership(membership: Any, threshold: float, *, fewest: int = 1) -> Membership:
    """Read a table customers x segments of true and false, or of degrees in [0, 1]."""
    table, notes = _segment_columns(membership)
    names = [str(name) for name in table.columns]
    if len(names) < fewest:
        raise ColumnError(
            f"membership needs {'at least two columns' if fewest > 1 else 'a column'}, one per segment; "
            f"got {name_some(names) or 'none'}."
        )
    if len(set(names)) < len(names):
        raise ColumnError(f"segment names must be unique as text, got {name_some(names)}.")
    if not len(table):
        raise CustomerTableError("membership has no customers (0 rows).")
    member = np.zeros(table.shape, dtype=bool)
    degrees: NDArray[np.float64] | None = None
    missing: dict[str, int] = {}
    for j, name in enumerate(names):
        column = table.iloc[:, j]
        if column.dtype == np.bool_:
            member[:, j] = column.to_numpy()
            if degrees is not None:
                degrees[:, j] = member[:, j]
            continue
        values = _degrees(column, name)
        without = np.isnan(values)
        if without.any():
            missing[name] = int(without.sum())
            values = np.where(without, 0.0, values)
        member[:, j] = values >= threshold
        if degrees is None and bool(((values > 0) & (values < 1)).any()):
            degrees = member.astype(np.float64)
        if degrees is not None:
            degrees[:, j] = values
    if missing:
        listed = ", ".join(f"{n:,} for {name!r}" for name, n in list(missing.items())[:5])
        notes.append(f"It is not known of some customers whether they are in a segment, taken as not: {listed}.")
    return Membership(tuple(names), table.index, member, degrees, tuple(notes))


def _segment_columns(membership: Any) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that are segments, and what was left aside."""
    if isinstance(membership, np.ndarray):
        if membership.ndim != 2:
            raise ValueError(f"membership must have shape (n_customers, n_segments), got {membership.shape}.")
        membership = pd.DataFrame(membership)
    if not is_frame(membership):
        raise TypeError(f"membership is a table with a column per segment, got {kind_of(membership)}.")
    table = as_customers(membership)
    if "segment" in table.columns and set(table.columns) <= {"segment", "membership"}:
        raise AssignmentError(
            "one assignment puts every customer into one segment at most, so nothing overlaps: give two or more "
            "assignments, {'name': assignment, ...}, or a table with a column per segment (transform, match_table)."
        )
    notes: list[str] = []
    aside = [name for name in ("segment", UNASSIGNED) if name in table.columns and not _is_segment(table, name)]
    if aside:
        table = table.drop(columns=aside)
        notes.append(f"The column {name_some(aside)} is no segment and was left aside.")
    return table, notes


def _is_segment(table: pd.DataFrame, name: str) -> bool:
    """Tell whether a column called "segment" is one: `match_table` keeps the segment chosen there, as text."""
    return name != UNASSIGNED and pd.api.types.is_numeric_dtype(table[name].dtype)


def _degrees(column: pd.Series[Any], name: str) -> NDArray[np.float64]:
    """Return one column as degrees in [0, 1], NaN where missing."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind not in NUMBERS and not column.isna().all():
        raise ColumnError(
            f"the column {name!r} of membership holds {kind} (values {name_some(column.dropna().iloc[:3])}), not true "
            "and false or degrees in [0, 1]; select the columns that are segments."
        )
    plain = column.astype(object).where(column.notna(), np.nan) if column.dtype == object else column
    values = plain.to_numpy(dtype=np.float64, na_value=np.nan)
    outside = np.flatnonzero((values < 0) | (values > 1))
    if outside.size:
        raise ColumnError(
            f"degrees of membership lie in [0, 1]; those of {name!r} do not for {count(outside.size, 'customer')}: "
            f"{name_some(column.index[outside])} (values {name_some(values[outside])})."
        )
    return values


def combinations_of(member: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Find the different rows of a table of true and false.

    Returns
    -------
    rows : ndarray of bool, shape (n_combinations, n_segments)
    codes : ndarray of int, shape (n_customers,)
        Which of them the row of each customer is.
    n_customers : ndarray of int, shape (n_combinations,)

    Examples
    --------
    >>> rows, codes, n = combinations_of(np.array([[True, False], [True, True], [True, False]]))
    >>> codes.tolist(), n.tolist()
    ([0, 1, 0], [2, 1])
    """
    packed = np.packbits(member, axis=1)
    width = packed.shape[1]
    if width <= 8:  # one whole number is sorted much faster than a row of bytes
        wide = np.zeros((len(packed), 8), dtype=np.uint8)
        wide[:, :width] = packed
        keys: NDArray[Any] = wide.view(np.uint64).ravel()
    else:
        keys = np.ascontiguousarray(packed).view(np.dtype((np.void, width))).ravel()
    _, first, codes, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")  # by first appearance: the bytes of a number depend on the machine
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return member[first[order]], place[codes.ravel()], counts[order].astype(np.int64)


def schemes_of(exclusive: Any, names: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of the segments of each exclusive scheme; by default all are one.

    Examples
    --------
    >>> schemes_of({"value": ["gold", "low"]}, ["gold", "new", "low"])
    {'value': [0, 2]}
    """
    if exclusive is None:
        return {"all segments": list(range(len(names)))}
    if isinstance(exclusive, str):
        raise TypeError(f"exclusive names the segments of a scheme, [{exclusive!r}, ...], got one text.")
    if not isinstance(exclusive, Iterable):
        raise TypeError(f"exclusive names the segments of a scheme, [name, ...], got {kind_of(exclusive)}.")
    given = dict(exclusive) if hasattr(exclusive, "items") else {"exclusive segments": list(exclusive)}
    positions = {name: i for i, name in enumerate(names)}
    schemes: dict[str, list[int]] = {}
    for scheme, listed in given.items():
        if isinstance(listed, str) or not isinstance(listed, Iterable):
            raise TypeError(f"exclusive[{scheme!r}] must list segments, got {listed!r}.")
        members = list(dict.fromkeys(map(str, listed)))  # segments have names as text, also those of columns 0, 1, 2
        unknown = [one for one in members if one not in positions]
        if unknown:
            raise ValueError(f"exclusive names {name_some(unknown)}; the segments are {name_some(names)}.")
        schemes[str(scheme)] = [positions[one] for one in members]
    return schemes
