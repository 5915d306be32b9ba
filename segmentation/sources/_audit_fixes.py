"""The repairs that findings propose: each one is plain data, a copy goes in, the number of changed cells comes out."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import column_difference, name_some
from segmentation.exceptions import ColumnError
from segmentation.sources._audit_dates import parse_dates
from segmentation.sources._audit_numerals import parse_numbers
from segmentation.sources._audit_table import as_dates, naive
from segmentation.sources._audit_text import repair_encoding
from segmentation.sources._audit_unique import loosened

__all__ = ["ACTIONS", "apply_fix"]

Fix = Mapping[str, Any]
Repair = Callable[[pd.DataFrame, Fix], tuple[pd.DataFrame, int]]


def _columns(table: pd.DataFrame, fix: Fix) -> list[Hashable]:
    columns = list(fix["columns"])
    if any(column not in table.columns for column in columns):
        raise ColumnError(
            f"the fix {fix['action']!r} needs columns that are not there: "
            f"{column_difference(columns, list(table.columns))}."
        )
    return columns


def _replace(table: pd.DataFrame, column: Hashable, new: pd.Series) -> int:
    """Put a new column in place of the old and count the cells that differ."""
    old = table[column]
    same = (old.astype(object) == new.astype(object)).fillna(False).to_numpy(bool) | (
        old.isna() & new.isna()
    ).to_numpy()
    table[column] = new
    return int((~same).sum())


def _set_missing(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    """Blank out `values`, and what lies `below` or `above` a bound."""
    changed = 0
    for column in _columns(table, fix):
        series = table[column]
        bounds = {key: fix[key] for key in ("below", "above") if key in fix}
        values = list(fix.get("values", ()))
        compared = _comparable(series, [*values, *bounds.values()])
        bad = series.isin(values) | compared.isin(values)
        if "below" in bounds:
            bad |= (compared < bounds["below"]).fillna(False).astype(bool)
        if "above" in bounds:
            bad |= (compared > bounds["above"]).fillna(False).astype(bool)
        bad &= series.notna()
        table[column] = _masked(series, bad)
        changed += int(bad.sum())
    return table, changed


def _comparable(series: pd.Series, wanted: list[Any]) -> pd.Series:
    """Return a column as moments in UTC without a zone, or as numbers, where a fix speaks of such."""
    if any(isinstance(value, dt.date | np.datetime64) for value in wanted):
        moments = as_dates(series)
        return naive(moments if pd.api.types.is_datetime64_any_dtype(moments) else parse_dates(series))
    if wanted and all(isinstance(value, int | float | np.number) for value in wanted):
        return parse_numbers(series) if pd.api.types.is_string_dtype(series) else series
    return series


def _masked(series: pd.Series, bad: pd.Series) -> pd.Series:
    """Blank out cells without changing the others: booleans and long whole numbers become nullable, levels go."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        kept = series.mask(bad)
        gone = series[bad].cat.remove_unused_categories().cat.categories
        return kept.cat.remove_categories([level for level in gone if not (kept == level).any()])
    if series.dtype == bool:
        return series.astype("boolean").mask(bad)
    if series.dtype.kind in "iu" and bad.any() and max(abs(int(series.max())), abs(int(series.min()))) > 2**53:
        return series.astype("UInt64" if series.dtype.kind == "u" else "Int64").mask(bad)
    return series.mask(bad)


def _drop_columns(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    columns = _columns(table, fix)
    return table.drop(columns=columns), len(table) * len(columns)


def _text(table: pd.DataFrame, fix: Fix, change: Callable[[str], str]) -> tuple[pd.DataFrame, int]:
    changed = 0
    for column in _columns(table, fix):
        dtype = table[column].dtype
        series = table[column].astype(object)
        mapping = {value: change(value) for value in series.dropna().unique() if isinstance(value, str)}
        new = series.map(lambda value, mapping=mapping: mapping.get(value, value) if isinstance(value, str) else value)
        if isinstance(dtype, pd.CategoricalDtype):  # levels keep their order
            levels = dict.fromkeys(mapping.get(level, level) for level in dtype.categories)
            new = pd.Series(pd.Categorical(new, categories=list(levels), ordered=dtype.ordered), index=series.index)
        elif pd.api.types.is_string_dtype(dtype):
            new = new.astype(dtype)
        changed += _replace(table, column, new.infer_objects())
    return table, changed


def _strip(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    return _text(table, fix, lambda value: " ".join(value.split()))


def _repair_text(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    return _text(table, fix, lambda value: html.unescape(repair_encoding(value) or value))


def _map_values(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    mapping = dict(fix["mapping"])
    return _text(table, fix, lambda value: mapping.get(value, value))


def _to_number(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    changed = 0
    for column in _columns(table, fix):
        numbers = parse_numbers(table[column], decimal=fix.get("decimal"))
        table[column] = numbers
        changed += int(numbers.notna().sum())
    return table, changed


def _to_date(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    changed = 0
    for column in _columns(table, fix):
        dates = parse_dates(table[column], day_first=bool(fix.get("day_first", True)))
        table[column] = dates
        changed += int(dates.notna().sum())
    return table, changed


def _drop_duplicates(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    """Keep the first of rows that agree on `columns` (all columns where none are named)."""
    columns = _columns(table, fix) if fix.get("columns") else list(table.columns)
    compared = table[columns]
    if fix.get("ignore_spaces_and_case"):
        text = [c for c in columns if table[c].dtype == object or pd.api.types.is_string_dtype(table[c].dtype)]
        compared = compared.assign(**{str(c): loosened(table[c]) for c in text})
    extra = compared.duplicated(keep="first").to_numpy()
    return table.loc[~extra], int(extra.sum())


def _reverse(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    """Turn the items of a scale around: low + high - answer."""
    changed = 0
    for column in _columns(table, fix):
        changed += _replace(table, column, fix["low"] + fix["high"] - table[column])
    return table, changed


ACTIONS: Mapping[str, Repair] = {
    "set_missing": _set_missing,
    "drop_columns": _drop_columns,
    "strip_whitespace": _strip,
    "repair_text": _repair_text,
    "map_values": _map_values,
    "to_number": _to_number,
    "to_date": _to_date,
    "drop_duplicates": _drop_duplicates,
    "reverse_scale": _reverse,
}


def apply_fix(table: pd.DataFrame, fix: Fix) -> tuple[pd.DataFrame, int]:
    """Carry out one fix on a table that may be changed; return it and the number of changed cells (or rows).

    Raises
    ------
    ValueError
        If the action is unknown.
    ColumnError
        If a column is not there.
    """
    action = fix.get("action")
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r} in a fix; there are {name_some(sorted(ACTIONS), 20)}.")
    return ACTIONS[str(action)](table, fix)


def plain(value: Any) -> Any:
    """Turn numpy scalars in a fix into Python ones, so that it can be written down."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
