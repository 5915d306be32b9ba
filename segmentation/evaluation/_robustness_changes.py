"""What may happen to the data of customers: values missing and filled in, measured with noise, another table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from segmentation._format import name_some, percent
from segmentation._frames import is_frame, kind_of
from segmentation._validation import CUSTOMER_ID, as_customers
from segmentation.evaluation._refits import Customers
from segmentation.exceptions import CustomerTableError

__all__ = ["DEFAULTS", "Change", "apply_change", "as_changes", "impute_some", "measure_again"]

DEFAULTS: Mapping[str, float] = {"imputation": 0.05, "noise": 0.1}


@dataclass(frozen=True, eq=False)
class Change:
    """One perturbation: its name, what it does in words, and the function that does it."""

    name: str
    text: str
    apply: Callable[[pd.DataFrame, np.random.Generator], Any]
    random: bool = True


def as_changes(perturbations: Any, columns: list[Any] | None, imputer: Any, *, is_table: bool) -> list[Change]:
    """Read perturbations: a name, a function, a sequence of these, or a mapping to levels, tables and functions."""
    if isinstance(perturbations, str) or callable(perturbations):
        perturbations = [perturbations]
    if isinstance(perturbations, Mapping):
        named = list(perturbations.items())
    elif isinstance(perturbations, Iterable) and not is_frame(perturbations):
        named = [_named(item) for item in perturbations]
    else:
        raise TypeError(
            "perturbations must be names, functions f(X, rng), or a mapping of names to levels, tables or functions, "
            f"got {kind_of(perturbations)}; a second table needs a name: {{'late data': table}}."
        )
    if not named:
        raise ValueError("perturbations is empty: name at least one, for instance 'noise'.")
    names = [str(name) for name, _ in named]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"perturbations must have different names; repeated: {name_some(repeated)}.")
    return [_as_change(str(name), value, columns, imputer, is_table=is_table) for name, value in named]


def _named(item: Any) -> tuple[str, Any]:
    if isinstance(item, str):
        if item not in DEFAULTS:
            raise ValueError(
                f"a perturbation by name must be one of {name_some(DEFAULTS)}, got {item!r}; another one is a function "
                f"f(X, rng) or a second table: {{{item!r}: table}}."
            )
        return item, DEFAULTS[item]
    if callable(item):
        return str(getattr(item, "__name__", type(item).__name__)), item
    raise TypeError(f"a perturbation is a name or a function f(X, rng), got {kind_of(item)}.")


def _as_change(name: str, value: Any, columns: list[Any] | None, imputer: Any, *, is_table: bool) -> Change:
    if callable(value):
        return Change(name, "your function", value)
    if is_frame(value) or isinstance(value, np.ndarray):
        return Change(
            name, "a second table of the customers", _other_table(name, value, is_table=is_table), random=False
        )
    if name not in DEFAULTS:
        raise ValueError(
            f"perturbation {name!r} must be a function f(X, rng) or a second table, got {value!r}; levels belong to "
            f"{name_some(DEFAULTS)}."
        )
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value) or value < 0:
        raise ValueError(f"the level of {name!r} must be a number of at least 0, got {value!r}.")
    level = float(value)
    if name == "imputation":
        if level > 1:
            raise ValueError(f"the level of 'imputation' is a share of the values, from 0 to 1; got {level!r}.")
        how = {"median": "filled with the median or most frequent value", "none": "left to the segmenter"}
        text = f"{percent(level)} of the values missing at random, {how.get(str(imputer), 'filled by your imputer')}"
        return Change(name, text, lambda X, rng: impute_some(X, rng, level, imputer, columns))
    text = f"numbers with noise of {percent(level)} of their sd; {percent(min(level, 1.0))} of other answers drawn anew"
    return Change(name, text, lambda X, rng: measure_again(X, rng, level, columns))


def _other_table(name: str, value: Any, *, is_table: bool) -> Callable[[pd.DataFrame, np.random.Generator], Any]:
    if is_table and not is_frame(value):
        raise TypeError(f"perturbation {name!r} must be a table with the ids of X, got {kind_of(value)}.")
    other = as_customers(value) if is_frame(value) else np.asarray(value)
    return lambda X, rng: other


def apply_change(change: Change, customers: Customers, rng: np.random.Generator) -> tuple[Customers, NDArray[np.int64]]:
    """Change the customers; return them, and for each where it stood before (-1 for one that is new)."""
    before = customers.data
    if not customers.is_table:
        before = pd.DataFrame(before, index=customers.index)
    after = change.apply(before.copy() if customers.is_table else _given(before, change), rng)
    if is_frame(after):
        table = as_customers(after)
        if customers.is_table:
            positions = customers.index.get_indexer(table.index)
            if not (positions >= 0).any():
                raise CustomerTableError(
                    f"perturbation {change.name!r} shares no customer with X: ids {name_some(table.index)} and "
                    f"{name_some(customers.index)}."
                )
            return Customers(table, table.index), positions.astype(np.int64)
        after = table.to_numpy()
    array = np.asarray(after)
    if array.ndim != 2 or len(array) != len(customers):
        raise CustomerTableError(
            f"perturbation {change.name!r} must keep the {len(customers):,} rows of an array without ids, got shape "
            f"{array.shape}; with a table X, customers are known by their ids and may be left out."
        )
    if customers.is_table:
        array_table = pd.DataFrame(array, index=customers.index, columns=before.columns)
        return Customers(array_table, customers.index), np.arange(len(customers))
    return Customers(array, pd.RangeIndex(len(array), name=CUSTOMER_ID)), np.arange(len(array))


def _given(table: pd.DataFrame, change: Change) -> Any:
    """Hand a user's function an array where X was one; our own work on tables."""
    return table.to_numpy().copy() if change.text == "your function" else table


def _chosen(table: pd.DataFrame, columns: list[Any] | None) -> list[Any]:
    return list(table.columns) if columns is None else [name for name in table.columns if name in set(columns)]


def impute_some(
    table: pd.DataFrame, rng: np.random.Generator, rate: float, imputer: Any, columns: list[Any] | None
) -> pd.DataFrame:
    """Take values away at random, and fill what is missing then.

    With "median", numbers get the median of what is left of their column and other values the most frequent one;
    only what was taken away is filled, so that a value that was missing before stays so. "none" fills nothing.
    """
    names = _chosen(table, columns)
    taken = rng.random((len(table), len(names))) < rate
    result = table.copy()
    for j, name in enumerate(names):
        gone = taken[:, j]
        if not gone.any():
            continue
        left = table[name][~gone].dropna()
        if isinstance(imputer, str) and imputer == "median":
            result[name] = _filled(table[name], gone, left)
        else:
            result[name] = table[name].mask(gone)
    if isinstance(imputer, str):
        return result
    filled = clone(imputer).fit_transform(result[names])
    if hasattr(filled, "toarray"):
        filled = filled.toarray()
    if filled.shape != (len(table), len(names)):
        raise ValueError(
            f"the imputer made {filled.shape[1]} columns of {len(names)}; it must keep every column it is given, also "
            "one without any value."
        )
    result[names] = np.asarray(filled)
    return result


def _filled(column: pd.Series[Any], gone: NDArray[np.bool_], left: pd.Series[Any]) -> pd.Series[Any]:
    if left.empty:  # nothing to learn a filler from: the column stays as it is
        return column
    numeric = _is_number(column)
    filler = left.median() if numeric else left.mode().iloc[0]
    if numeric and pd.api.types.is_integer_dtype(column.dtype):
        filler = round(float(filler))
    return column.mask(gone, filler)


def measure_again(
    table: pd.DataFrame, rng: np.random.Generator, level: float, columns: list[Any] | None
) -> pd.DataFrame:
    """Measure with noise: numbers by normal noise relative to the column's sd, other answers drawn anew.

    A number stays within the range that its column had, and whole where the column was. Of columns with two values,
    and of those that are no numbers, a share `level` of the answers is replaced by that of a customer drawn at random
    (who may have given the same one). Missing values stay missing.
    """
    result = table.copy()
    for name in _chosen(table, columns):
        column = table[name]
        known = column.notna().to_numpy()
        if not known.any():
            continue
        if _is_number(column) and column.nunique() > 2:
            result[name] = _noisy(column, rng, level)
        else:
            again = known & (rng.random(len(column)) < level)
            drawn = rng.choice(np.flatnonzero(known), int(again.sum()))
            values = column.array.copy()
            values[again] = column.array[drawn]
            result[name] = pd.Series(values, index=column.index)
    return result


def _noisy(column: pd.Series[Any], rng: np.random.Generator, level: float) -> pd.Series[Any]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    noisy = values + rng.normal(0.0, 1.0, len(values)) * level * np.nanstd(values)
    noisy = np.clip(noisy, np.nanmin(values), np.nanmax(values))
    if np.array_equal(values, np.round(values), equal_nan=True):
        noisy = np.round(noisy)
    series = pd.Series(noisy, index=column.index)
    return series.astype(column.dtype) if pd.api.types.is_integer_dtype(column.dtype) else series


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype))
