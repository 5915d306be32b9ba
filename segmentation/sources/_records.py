"""Sources as they come: a name and a table each, rows that are named by a record id, values that are missing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some, nearest
from segmentation._frames import kind_of, to_pandas
from segmentation.exceptions import ColumnError

__all__ = [
    "column_values",
    "function_name",
    "known",
    "near_names",
    "plain_text",
    "read_sources",
    "record_order",
    "record_values",
]


def read_sources(sources: Any) -> dict[str, pd.DataFrame]:
    """Turn a mapping from name to dataframe into pandas tables, or say what is wrong with it."""
    if not isinstance(sources, Mapping):
        raise TypeError(
            f'sources must be a mapping from name to dataframe, such as {{"crm": crm, "shop": shop}}, '
            f"got {kind_of(sources)}."
        )
    if not sources:
        raise ValueError('sources is empty: give at least one dataframe, such as {"crm": crm}.')
    for name in sources:
        if not isinstance(name, str) or not name.strip() or ":" in name:
            raise ValueError(
                f"the name of a source must be text, not blank and without a colon (customer ids look like 'crm:17'), "
                f"got {name!r}."
            )
    tables = {name: to_pandas(frame, name=f"sources[{name!r}]") for name, frame in sources.items()}
    for name, table in tables.items():
        if table.columns.nlevels > 1:
            raise ColumnError(
                f"source {name!r} has {table.columns.nlevels} levels of column names, such as {table.columns[0]!r}; "
                "flatten them first: table.columns = ['_'.join(map(str, names)) for names in table.columns]."
            )
        if not table.columns.is_unique:
            twice = table.columns[table.columns.duplicated()].unique()
            raise ColumnError(f"source {name!r} has columns of the same name: {name_some(twice)}. Rename one of them.")
    if not any(len(table) for table in tables.values()):
        raise ValueError(f"no rows in any source ({name_some(tables)}): there is nobody to identify or to merge.")
    return tables


def column_values(table: pd.DataFrame, column: Any, source: str, role: str) -> pd.Series:
    """Return a column, or the index of that name, as a series by position."""
    if column in table.columns:
        values: pd.Series = table[column].reset_index(drop=True)
        return values
    if column is not None and column in table.index.names:
        return pd.Series(table.index.get_level_values(column)).reset_index(drop=True)
    raise ColumnError(f"source {source!r} has no column {column!r} ({role}); {_difference(column, table)}.")


def _difference(column: Any, table: pd.DataFrame) -> str:
    return column_difference([column], [*table.columns, *(name for name in table.index.names if name is not None)])


def near_names(column: Any, table: pd.DataFrame) -> str:
    """Say which columns look like one that is not there; empty where none does."""
    close = nearest(column, table.columns)
    return f" (nearest: {name_some(close)})" if close else ""


def record_values(table: pd.DataFrame, source: str, record_id: Any) -> pd.Series:
    """Return the record id of every row by position: whole floats as integers, never missing, clear as text.

    Parameters
    ----------
    record_id : str, mapping from source to column, or None
        None, and sources that a mapping does not name, take the index of the table.
    """
    column = record_id.get(source) if isinstance(record_id, Mapping) else record_id
    if column is not None:
        values = column_values(table, column, source, "record_id")
    elif table.index.nlevels > 1:
        raise ColumnError(
            f"source {source!r} has an index of {table.index.nlevels} levels, which names no record: give record_id=."
        )
    else:
        values = pd.Series(table.index)
    usable = known(values)
    if not usable.all():
        raise ValueError(
            f"source {source!r}: {int((~usable).sum()):,} of {len(values):,} rows have no record id "
            f"({'index' if column is None else repr(column)}; rows {name_some(np.flatnonzero(~usable).tolist())}). "
            "Fill or drop them, or give record_id=None to name records by the index."
        )
    return _whole(values)


def _whole(values: pd.Series) -> pd.Series:
    """Turn floats that are all whole into integers: 17.0 is an id that lost its type beside a missing one."""
    if pd.api.types.is_float_dtype(values.dtype) and len(values):
        numbers = values.to_numpy(dtype="float64")
        if np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all() and (abs(numbers) < 2**53).all():
            return pd.Series(numbers.astype("int64"))
    return values


def record_order(values: pd.Series, source: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Give every row the position of its record among the sorted distinct ones: numbers by value, others as text.

    Returns
    -------
    positions : ndarray of shape (n_rows,)
    records : ndarray of shape (n_records,), object
        The distinct record ids, sorted.
    """
    codes, distinct = pd.factorize(values.to_numpy(dtype=object) if values.dtype == object else values)
    records = np.asarray(distinct, dtype=object)
    texts = np.array([plain_text(value) for value in records], dtype=object)
    if len(set(texts)) < len(texts):
        repeated = pd.Series(texts)
        raise ValueError(
            f"source {source!r}: record ids that differ look alike as text, for instance 1 and '1': "
            f"{name_some(repeated[repeated.duplicated()].unique())}. Give them one type."
        )
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    order = np.argsort(records.astype("float64") if numeric and len(records) and _small(records) else texts)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes] if len(codes) else np.empty(0, dtype=np.int64), records[order]


def _small(records: NDArray[Any]) -> bool:
    """Tell whether floats hold all the numbers exactly."""
    return all(abs(value) < 2**53 for value in records)


def function_name(function: Any) -> str:
    """Name a function as its caller wrote it, a partial one with its arguments.

    Examples
    --------
    >>> from functools import partial
    >>> function_name(max), function_name(partial(round, ndigits=2))
    ('max', 'round(ndigits=2)')
    """
    if isinstance(function, partial):
        given = [*map(repr, function.args), *(f"{name}={value!r}" for name, value in function.keywords.items())]
        return f"{function_name(function.func)}({', '.join(given)})"
    return str(getattr(function, "__name__", type(function).__name__))


def plain_text(value: Any) -> str | None:
    """Write one value as text that compares across types, None where it is missing.

    Whole numbers lose their ``.0``, dates and midnights become ISO dates, text its outer blanks.

    Examples
    --------
    >>> plain_text(17.0), plain_text(" A 1 "), plain_text(pd.Timestamp("1980-01-31")), plain_text("  ")
    ('17', 'A 1', '1980-01-31', None)
    """
    if isinstance(value, str):
        return value.strip() or None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else repr(float(value))
    if isinstance(value, dt.datetime):
        at_midnight = value.tzinfo is None and value.time() == dt.time()
        return value.date().isoformat() if at_midnight else value.isoformat()
    if isinstance(value, np.datetime64):
        return plain_text(pd.Timestamp(value))
    return str(value).strip() or None


def known(values: pd.Series) -> NDArray[np.bool_]:
    """Tell which values are there: not null, not NaN, no text that is empty or only blanks."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = known(pd.Series(values.cat.categories))
        codes = values.cat.codes.to_numpy()
        return np.asarray((codes >= 0) & np.append(levels, False)[codes])  # code -1 reads the False at the end
    there = values.notna().to_numpy(dtype=bool)
    if pd.api.types.is_object_dtype(values.dtype):  # cells may be lists, which nothing can factorise
        blank = np.array([isinstance(value, str) and not value.strip() for value in values], dtype=bool)
        return np.asarray(there & ~blank)
    if pd.api.types.is_string_dtype(values.dtype):
        codes, distinct = pd.factorize(values)
        blank = np.array([not value.strip() for value in np.asarray(distinct, dtype=object)], dtype=bool)
        there = there & ~np.append(blank, False)[codes]
    return there
