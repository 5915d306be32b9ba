"""Removing people from tables, results and whatever holds them; the same walk finds what is left."""

from __future__ import annotations

import copy
import types
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from segmentation._frames import is_frame, to_pandas
from segmentation._notes import NotedTable, with_notes
from segmentation.governance._traces import FORGOTTEN, Traces

__all__ = ["Eraser"]

LEAVES = (
    bool,
    int,
    float,
    complex,
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    np.generic,
    np.random.Generator,
    np.random.RandomState,
    np.random.BitGenerator,
    np.dtype,
)


class Eraser:
    """Walks through an object and returns it without the people to be forgotten; counts what it removed, and where.

    Objects are copied where something has to be removed, and passed on as they are where not.

    Attributes
    ----------
    removed : Counter of (place, what)
    unsearched : set of str
        Columns with the name of ids that were not named as such and hold values equal to an id to be forgotten.
    """

    def __init__(self, traces: Traces) -> None:
        self.traces = traces
        self.removed: Counter[tuple[str, str]] = Counter()
        self.unsearched: set[str] = set()
        self._done: dict[int, tuple[Any, Any]] = {}

    def clean(self, value: Any, place: str, name: str | None = None) -> Any:
        """Return `value` without the people; `name` is what the value is called where it stands."""
        if value is None or isinstance(value, LEAVES):
            return value
        if isinstance(value, str):
            return self._text(value, place)
        if id(value) in self._done:  # seen before, or a circle
            return self._done[id(value)][1]
        # the value is kept beside its result, so that its id is not given to another object meanwhile
        self._done[id(value)] = (value, value)
        result = self._container(value, place, name)
        self._done[id(value)] = (value, result)
        return result

    def _container(self, value: Any, place: str, name: str | None) -> Any:
        if isinstance(value, pd.DataFrame):
            return self._table(value, place)
        if isinstance(value, pd.Series):
            return self._series(value, place, name)
        if isinstance(value, pd.Index):
            return self._index(value, place, name)
        if isinstance(value, pd.api.extensions.ExtensionArray):
            series = self._series(pd.Series(value, name=name), place, name)
            return series.array if len(series) < len(value) else value
        if isinstance(value, np.ndarray):
            return self._array(value, place, name)
        if isinstance(value, Mapping):
            return self._mapping(value, place, name)
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(value, place, name)
        if isinstance(value, bytes | bytearray):
            return value
        if is_frame(value):
            return self._foreign(value, place)
        return self._object(value, place)

    def _count(self, place: str, what: str, number: int) -> None:
        if number:
            self.removed[place, what] += int(number)

    def _text(self, value: str, place: str) -> str:
        found = self.traces.in_text(value)
        self._count(place, "mentions in text", found)
        return self.traces.without(value) if found else value

    def _foreign(self, value: Any, place: str) -> Any:
        """Clean a table of another library; it comes back as pandas, and only where it had to change."""
        table = to_pandas(value)
        cleaned = self._table(table, place)
        return value if cleaned is table else cleaned

    def _table(self, table: pd.DataFrame, place: str) -> pd.DataFrame:
        before = self.removed.total()
        has_id_column = any(self.traces.is_id_name(name) for name in table.columns)
        lost = self._rows_of_index(table.index, plain=not has_id_column and self._is_outermost(place))
        columns_are_ids = (
            table.columns.nlevels == 1 and table.columns.name is not None and self.traces.is_id_name(table.columns.name)
        )
        for position, name in enumerate(table.columns):
            if self.traces.is_id_name(name):
                lost |= self.traces.rows(table.iloc[:, position])
            elif self.traces.looks_like_id(name) and self.traces.rows(table.iloc[:, position], look_only=True).any():
                self.unsearched.add(str(name))
        gone = self.traces.rows(table.columns) if columns_are_ids else np.zeros(len(table.columns), dtype=bool)
        self._count(place, "rows", lost.sum())
        self._count(place, "columns", gone.sum())
        kept = table.loc[~lost, ~gone] if lost.any() or gone.any() else table
        index = self._without_categories(kept.index, place)
        columns: dict[int, Any] = {}
        for position in range(kept.shape[1]):
            old = kept.iloc[:, position]
            new = self._cells(old, place)
            if new is not old:
                columns[position] = new
        names = kept.columns if columns_are_ids else self._names(kept.columns, place)
        attrs = self.clean(dict(table.attrs), f"{place}.attrs", "attrs")
        if self.removed.total() == before:
            return table
        result = pd.DataFrame(kept).copy()
        for position, new in columns.items():
            result.isetitem(position, new)
        result.index, result.columns, result.attrs = index, names, attrs
        return with_notes(result, attrs.get("notes", ())) if isinstance(table, NotedTable) else result

    def _names(self, columns: pd.Index, place: str) -> pd.Index:
        """Clean names of columns, such as a dummy column per customer."""
        if not any(isinstance(name, str) and self.traces.in_text(name) for name in columns):
            return columns
        new = [self._text(name, place) if isinstance(name, str) else name for name in columns]
        return pd.Index(new, name=columns.name)

    def _series(self, series: pd.Series[Any], place: str, name: str | None) -> pd.Series[Any]:
        before = self.removed.total()
        lost = self._rows_of_index(series.index, plain=self._is_outermost(place))
        called = name if series.name is None else str(series.name)
        if called is not None and self.traces.is_id_name(called):
            lost |= self.traces.rows(series)
        self._count(place, "rows", lost.sum())
        kept = series[~lost] if lost.any() else series
        index = self._without_categories(kept.index, place)
        new = self._cells(kept, place)
        attrs = self.clean(dict(series.attrs), f"{place}.attrs", "attrs")
        if self.removed.total() == before:
            return series
        result = new.copy()
        result.index, result.attrs = index, attrs
        if isinstance(result.name, str):
            result.name = self._text(result.name, place)
        return result

    def _is_outermost(self, place: str) -> bool:
        return "." not in place and "[" not in place

    def _rows_of_index(self, index: pd.Index, *, plain: bool) -> np.ndarray[Any, Any]:
        """Tell which rows the index gives to somebody to be forgotten.

        An index without a name holds ids where it is text, or where the table has nowhere else to have them
        (``plain``); otherwise its numbers are what a filter has left of row numbers.
        """
        lost = np.zeros(len(index), dtype=bool)
        if index.nlevels > 1:
            for position, name in enumerate(index.names):
                if name is not None and self.traces.is_id_name(name):
                    lost |= self.traces.rows(index.get_level_values(position))
            return lost
        text = not pd.api.types.is_numeric_dtype(index.dtype)
        unnamed = index.name is None and not isinstance(index, pd.RangeIndex) and (text or plain)
        if unnamed or (index.name is not None and self.traces.is_id_name(index.name)):
            lost |= self.traces.rows(index)
        return lost

    def _without_categories(self, index: pd.Index, place: str) -> pd.Index:
        """Take the names of removed rows out of the levels and categories, where pandas keeps them."""
        if isinstance(index, pd.MultiIndex):
            return index.remove_unused_levels() if len(index.levels) else index
        if isinstance(index, pd.CategoricalIndex):
            old = pd.Series(index)
            new = self._categories(old, place)
            return index if new is old else pd.CategoricalIndex(new, name=index.name)
        return index

    def _categories(self, column: pd.Series[Any], place: str) -> pd.Series[Any]:
        unused = column.cat.remove_unused_categories().cat.categories
        ids = [
            level
            for level in column.cat.categories.difference(unused, sort=False)
            if self.traces.is_id(level) or (isinstance(level, str) and self.traces.in_text(level))
        ]
        self._count(place, "categories", len(ids))
        column = column.cat.remove_categories(ids) if ids else column
        renamed = {
            level: self.traces.without(level)
            for level in column.cat.categories
            if isinstance(level, str) and self.traces.in_text(level)
        }
        if not renamed:
            return column
        self._count(place, "mentions in text", int(column.isin(list(renamed)).sum()))
        return column.astype(object).replace(renamed).astype("category")

    def _cells(self, column: pd.Series[Any], place: str) -> pd.Series[Any]:
        """Clean the cells of a column that are text, lists or anything but numbers and times."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            return self._categories(column, place)
        if not (pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)):
            return column
        codes_known: dict[str, str] = {}
        values, changed = [], False
        for value in column.array:
            if isinstance(value, str):
                if value not in codes_known:
                    codes_known[value] = self.traces.without(value)
                new: Any = codes_known[value]
                self._count(place, "mentions in text", self.traces.in_text(value) if new != value else 0)
            else:
                new = value if value is pd.NA else self.clean(value, place, str(column.name))
            changed |= new is not value and not (isinstance(value, str) and new == value)
            values.append(new)
        if not changed:
            return column
        result = pd.Series(pd.array(values, dtype=object), index=column.index, name=column.name)
        return result if pd.api.types.is_object_dtype(column.dtype) else result.astype(column.dtype)

    def _index(self, index: pd.Index, place: str, name: str | None) -> pd.Index:
        if index.nlevels == 1 and index.name is None and isinstance(index, pd.RangeIndex):
            return index
        lost = self._rows_of_index(index, plain=self._is_outermost(place))
        if index.nlevels == 1 and self.traces.is_id_place(name):
            lost |= self.traces.rows(index)
        self._count(place, "entries", lost.sum())
        return self._without_categories(index[~lost] if lost.any() else index, place)

    def _array(self, array: np.ndarray[Any, Any], place: str, name: str | None) -> np.ndarray[Any, Any]:
        if array.dtype.kind not in "OUS" and not (array.ndim == 1 and self.traces.is_id_place(name)):
            return array
        if array.ndim == 1 and self.traces.is_id_place(name):
            lost = self.traces.rows(array)
            self._count(place, "entries", lost.sum())
            array = array[~lost] if lost.any() else array
        if array.dtype.kind not in "OU":
            return array
        before = self.removed.total()
        flat = [self.clean(value.item() if isinstance(value, np.str_) else value, place, name) for value in array.flat]
        if self.removed.total() == before:
            return array
        result = np.empty(len(flat), dtype=object)
        result[:] = flat
        return result.reshape(array.shape) if array.dtype.kind == "O" else result.reshape(array.shape).astype(str)

    def _mapping(self, mapping: Mapping[Any, Any], place: str, name: str | None) -> Any:
        before = self.removed.total()
        ids_are_keys = self.traces.is_id_place(name)
        kept: dict[Any, Any] = {}
        for key, value in mapping.items():
            if self._is_person(key, ids_are_keys):
                self._count(place, "entries", 1)
                continue
            if self.traces.is_id_name(key) and not _holds_more(value) and self.traces.is_id(value):
                # a record as a mapping, {"customer_id": ..., ...}, is removed by the list it stands in; alone it
                # loses what says who it is
                self._count(place, "entries", 1)
                value = FORGOTTEN
            here = key if isinstance(key, str) else str(key)
            # a list of ids by source is called after the source: it stays a list of ids
            inner = name if ids_are_keys and not self.traces.is_id_place(here) else here
            new_key = self._text(key, place) if isinstance(key, str) else key
            kept[new_key] = self.clean(value, f"{place}[{self.traces.without(here)!r}]", inner)
        if self.removed.total() == before:
            return mapping
        if type(mapping) is dict:
            return kept
        if isinstance(mapping, types.MappingProxyType):
            return types.MappingProxyType(kept)
        if isinstance(mapping, dict):
            result = copy.copy(mapping)
            result.clear()
            result.update(kept)
            return result
        return kept

    def _is_person(self, value: Any, ids_here: bool) -> bool:
        if isinstance(value, tuple):
            return any(self._is_person(part, ids_here) for part in value)
        if ids_here and self.traces.is_id(value):
            return True
        return isinstance(value, str) and value in self.traces.distinctive and bool(self.traces.in_text(value))

    def _is_record(self, value: Any) -> bool:
        return isinstance(value, Mapping) and any(
            self.traces.is_id_name(key) and not _holds_more(one) and self.traces.is_id(one)
            for key, one in value.items()
        )

    def _list(self, listed: Any, place: str, name: str | None) -> Any:
        before = self.removed.total()
        ids_here = self.traces.is_id_place(name)
        # a tuple with named fields has places, which stay
        fixed = isinstance(listed, tuple) and hasattr(listed, "_fields")
        kept = []
        for value in listed:
            if not fixed and (
                (not isinstance(value, tuple) and self._is_person(value, ids_here)) or self._is_record(value)
            ):
                self._count(place, "entries", 1)
                continue
            kept.append(self.clean(value, place, name))
        if self.removed.total() == before:
            return listed
        return type(listed)(*kept) if fixed else type(listed)(kept)

    def _object(self, value: Any, place: str) -> Any:
        """Clean what an object keeps: its attributes, slots, and what it has computed and kept."""
        state = dict(getattr(value, "__dict__", {}))
        slots = [
            slot
            for kind in type(value).__mro__
            for slot in (
                [kind.__dict__["__slots__"]]
                if isinstance(kind.__dict__.get("__slots__"), str)
                else kind.__dict__.get("__slots__", ())
            )
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot)
        ]
        state |= {slot: getattr(value, slot) for slot in slots}
        if not state:
            return value
        before = self.removed.total()
        cleaned = {key: self.clean(one, f"{place}.{key}", key) for key, one in state.items()}
        if self.removed.total() == before:
            return value
        _refuse_misaligned(state, cleaned, place)
        result = copy.copy(value)
        for key, one in cleaned.items():
            if one is not state[key]:
                object.__setattr__(result, key, one)
        self._done[id(result)] = (result, result)
        return result


def _holds_more(value: Any) -> bool:
    return isinstance(
        value, Mapping | list | tuple | set | frozenset | pd.DataFrame | pd.Series | pd.Index | np.ndarray
    )


def _refuse_misaligned(before: dict[str, Any], after: dict[str, Any], place: str) -> None:
    """Refuse to shorten a list of ids beside an array whose rows they name: nobody could tell whose rows are left."""
    lists = (pd.Index, np.ndarray, list, tuple)
    shortened = {
        key: len(value) for key, value in before.items() if isinstance(value, lists) and len(value) != len(after[key])
    }
    for key, length in shortened.items():
        beside = [
            other
            for other, value in after.items()
            if isinstance(value, np.ndarray) and length in value.shape and other not in shortened
        ]
        if beside:
            raise TypeError(
                f"{place}.{key} names the rows of the array {beside[0]!r} beside it, which has no ids of its own: "
                "make it a table that is indexed by customer, or compute the object again without these customers."
            )
