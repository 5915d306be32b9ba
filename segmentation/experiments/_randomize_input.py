"""Customers and the strata in which they are randomized."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some
from segmentation._frames import is_frame, is_pandas, kind_of
from segmentation._validation import CUSTOMER_ID, as_customers, customer_index
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments._randomize_hash import id_texts

__all__ = ["EVERYBODY", "Customers", "as_columns", "read_customers"]

EVERYBODY = "all"
MISSING = "missing"


@dataclass(frozen=True)
class Customers:
    """Ids, their texts, and the stratum of each; strata in the order of their names."""

    index: pd.Index
    texts: list[str]
    strata: list[str]
    codes: NDArray[np.intp]
    columns: pd.DataFrame


def as_columns(within: Any) -> tuple[str, ...]:
    """Return the names of the columns that form the strata."""
    if within is None:
        return ()
    names = (within,) if isinstance(within, str) else within
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"within must be the name of a column, a list of names, or None, got {within!r}.")
    if "arm" in names or len(set(names)) < len(names):
        raise ValueError(f"within must be different columns, none of them called 'arm', got {name_some(names)}.")
    return tuple(names)


def read_customers(customers: Any, within: tuple[str, ...], customer_id: Any = None) -> Customers:
    """Read ids and strata from any dataframe, an assignment, or (without strata) a list of ids."""
    table = _table(customers, within, customer_id)
    if not len(table):
        raise CustomerTableError("there is nobody to randomize: the table has no customers (0 rows).")
    missing = [name for name in within if name not in table.columns]
    if missing:
        raise ColumnError(
            f"within= needs the columns that form the segments; {column_difference(within, list(table.columns))}. "
            "Without segments: within=None."
        )
    texts = id_texts(table.index)
    columns = pd.DataFrame({name: _levels(table[name], name) for name in within}, index=table.index, dtype=object)
    if not within:
        return Customers(table.index, texts, [EVERYBODY], np.zeros(len(table), dtype=np.intp), columns)
    by_label: dict[str, tuple[Any, ...]] = {}
    levels = list(zip(*(columns[name] for name in within), strict=True))
    for level in sorted(set(levels), key=_natural):
        label = " | ".join(level)
        if label in by_label:
            raise ColumnError(f"two segments have the same name {label!r}: rename the levels of {name_some(within)}.")
        by_label[label] = level
    place = {level: code for code, level in enumerate(by_label.values())}
    codes = np.fromiter((place[level] for level in levels), dtype=np.intp, count=len(levels))
    return Customers(table.index, texts, list(by_label), codes, columns)


def _table(customers: Any, within: tuple[str, ...], customer_id: Any) -> pd.DataFrame:
    if isinstance(customers, pd.Series):  # an assignment: segments indexed by customer
        name = within[0] if len(within) == 1 else customers.name
        customers = customers.to_frame(name or "segment")
    if is_frame(customers):
        _refuse_row_numbers(customers, customer_id)
        return as_customers(customers, customer_id)
    if isinstance(customers, str | bytes) or not isinstance(customers, Sequence | pd.Index | np.ndarray):
        raise TypeError(
            f"customers must be a dataframe with a column 'customer_id', an assignment, or a list of ids, got "
            f"{kind_of(customers)}."
        )
    if within:
        raise ColumnError(
            f"a list of ids has no columns, and within= asks for {name_some(within)}: give a dataframe, or within=None."
        )
    return pd.DataFrame(index=customer_index(pd.Index(customers, dtype=None if len(customers) else object)))


def _refuse_row_numbers(frame: Any, customer_id: Any) -> None:
    """An arm that hangs on the number of a row is lost when the table is sorted."""
    if customer_id is not None:
        return
    if is_pandas(frame):
        index = frame.index
        if CUSTOMER_ID in frame.columns or index.name is not None or not isinstance(index, pd.RangeIndex):
            return
    else:
        import narwhals as nw

        if CUSTOMER_ID in nw.from_native(frame).collect_schema().names():
            return
    raise ColumnError(
        "the table says nowhere who the customers are, and row numbers change when it is sorted: name the column with "
        "the ids, customer_id='...'."
    )


def _natural(level: tuple[str, ...]) -> tuple[Any, ...]:
    """Order names with numbers in them by the numbers: segment_2 before segment_10."""
    parts = [re.split(r"(\d+)", text) for text in level]
    key = tuple(tuple((int(part), "") if part.isdecimal() else (-1, part) for part in each) for each in parts)
    return (*key, level)


def _levels(column: pd.Series[Any], name: str) -> NDArray[Any]:
    """Write a column of levels as text, each level once."""
    codes, levels = pd.factorize(column.astype(object))
    texts = np.array([*(_level(value, name) for value in levels), _level(None, name)], dtype=object)
    result: NDArray[Any] = texts[codes]
    return result


def _level(value: Any, name: str) -> str:
    """Write the level of a segment as text; numbers alike in every kind of table."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return UNASSIGNED if name == "segment" else MISSING
    if isinstance(value, dt.date | np.datetime64):
        return str(pd.Timestamp(value).isoformat())
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value == -1 and name == "segment":
        return UNASSIGNED
    return str(value)
