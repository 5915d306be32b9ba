"""How a table of pandas stands in the page: readable numbers, intervals beside the estimate, the value to sort by."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, number, percent
from segmentation.reporting._html import clean

__all__ = ["Cell", "Column", "TableView", "plain_text", "table_view"]

MISSING, HIDDEN = "–", "not shown"  # noqa: RUF001  # an en dash, as in any printed table
# So many rows are shown; the table itself has all.
ROWS_AT_MOST = 500
TEXT_AT_MOST = 20_000
WIDEST_WORD = 24
# From so many letters on, a cell is a paragraph.
PROSE = 150
# An address in memory is another one in every run.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Column:
    """A column of the page: the name in the table, what stands above it, numbers or not, and its width in letters."""

    name: str
    label: str
    numeric: bool
    width: int


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by if that is a number, its interval, and "number", "text" or "none"."""

    text: str
    kind: str
    value: str | None = None
    interval: str = ""


@dataclass(frozen=True)
class TableView:
    """A table as it is shown; the first `n_keys` columns say what a row is about."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_keys: int
    left_out: str

    @property
    def is_prose(self) -> bool:
        """Whether each row is a piece of text, to be read one after the other and not across."""
        cells = [cell for row in self.rows for cell in row[self.n_keys :]]
        if not self.n_keys or any(cell.kind == "number" for cell in cells):
            return False
        told = [[len(cell.text) for cell in row[self.n_keys :] if cell.kind == "text"] for row in self.rows]
        lengths = [max(row) for row in told if row]
        return bool(lengths) and sorted(lengths)[len(lengths) // 2] > PROSE


def table_view(
    table: pd.DataFrame, caption: str, *, hidden: pd.DataFrame | None = None, labels: Mapping[Any, str] | None = None
) -> TableView:
    """Return what the page shows of a table.

    Parameters
    ----------
    table : pandas.DataFrame
    caption : str
    hidden : pandas.DataFrame of bool, optional
        Cells that were blanked: they say so instead of being missing.
    labels : mapping of column name to text, optional
        What stands above a column instead of its name.
    """
    shown = table.iloc[:ROWS_AT_MOST]
    if hidden is not None:
        hidden = hidden[list(table.columns)] if hidden.shape[1] != table.shape[1] else hidden
    keys = _keys(shown)
    names = list(table.columns)
    bounds = {
        name: (names.index(f"{name}_low"), names.index(f"{name}_high"))
        for name in names
        if isinstance(name, str) and f"{name}_low" in names and f"{name}_high" in names
    }
    with_estimate = {place for pair in bounds.values() for place in pair}
    cells: list[list[Cell]] = [[_key_cell(value) for value in values] for _, values in keys]
    columns = [_column(name, name, False, some) for (name, _), some in zip(keys, cells, strict=True)]
    for place, name in enumerate(names):
        if place in with_estimate:
            continue
        values = list(shown.iloc[:, place])
        numeric = _is_numeric(values)
        write = _writer(name, values, [list(shown.iloc[:, i]) for i in bounds.get(name, ())]) if numeric else plain_text
        blank = hidden.iloc[:ROWS_AT_MOST, place].to_list() if hidden is not None else [False] * len(shown)
        column = [_cell(value, write, gone, numeric) for value, gone in zip(values, blank, strict=True)]
        if name in bounds:
            low, high = (list(shown.iloc[:, i]) for i in bounds[name])
            column = [_with_interval(*one, write) for one in zip(column, low, high, strict=True)]
        columns.append(_column(_name(name), (labels or {}).get(name, _name(name)), numeric, column))
        cells.append(column)
    more = len(table) - len(shown)
    left_out = f"{count(more, 'more row')} not shown; the result's table has all {len(table):,}." if more else ""
    rows = tuple(zip(*cells, strict=True)) if cells else ()
    return TableView(clean(caption), tuple(columns), rows, len(keys), left_out)


def plain_text(value: Any) -> str:
    """Write any value in words, the same in every run.

    Examples
    --------
    >>> plain_text({"a": 0.5, "b": [1, 2]}), plain_text(True), plain_text(None)
    ('a = 0.5; b = 1, 2', 'yes', '–')
    """  # noqa: RUF002
    if isinstance(value, Mapping):
        text = "; ".join(f"{key} = {plain_text(one)}" for key, one in value.items())
    elif isinstance(value, list | tuple | pd.Index | np.ndarray | pd.Series):
        text = ", ".join(plain_text(one) for one in list(value)[:50]) + (", ..." if len(value) > 50 else "")
    elif isinstance(value, set | frozenset):
        text = ", ".join(sorted(plain_text(one) for one in value))
    elif isinstance(value, bool | np.bool_):
        text = "yes" if value else "no"
    elif _is_missing(value):
        text = MISSING
    elif isinstance(value, numbers.Integral):
        text = f"{int(value):,}"
    elif isinstance(value, numbers.Real):
        text = number(float(value))
    elif isinstance(value, dt.datetime):
        midnight = value.time() == dt.time() and value.tzinfo is None
        text = value.date().isoformat() if midnight else value.isoformat(sep=" ")
    elif isinstance(value, pd.DataFrame):
        text = f"table of {count(len(value), 'row')} and {count(value.shape[1], 'column')}"
    else:
        text = ADDRESS.sub("", str(value))
    text = clean(text)
    return text if len(text) <= TEXT_AT_MOST else f"{text[:TEXT_AT_MOST]}…"


def _column(name: str, label: str, numeric: bool, cells: list[Cell]) -> Column:
    """Return a column wide enough for its longest word, so that only very long ones are broken, and for sentences."""
    texts = cells if not numeric else []
    longest = max((len(word) for cell in texts for word in cell.text.split()), default=0)
    # beside many figures a column of sentences would be squeezed to one word a line
    told = max((len(cell.text) for cell in texts), default=0)
    return Column(clean(name), clean(label), numeric, max(min(longest, WIDEST_WORD), min(told // 3, WIDEST_WORD)))


def _name(name: Any) -> str:
    return clean(" / ".join(map(str, name)) if isinstance(name, tuple) else name)


def _keys(table: pd.DataFrame) -> list[tuple[str, list[Any]]]:
    """Return the levels of the index that say something, with their names."""
    index = table.index
    if isinstance(index, pd.MultiIndex):
        names = ["" if name is None else str(name) for name in index.names]
        return [(name, list(index.get_level_values(i))) for i, name in enumerate(names)]
    if isinstance(index, pd.RangeIndex) and index.name is None:
        return []
    return [("" if index.name is None else str(index.name), list(index))]


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, numbers.Real) and math.isnan(float(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_numeric(values: list[Any]) -> bool:
    there = [value for value in values if not _is_missing(value)]
    return bool(there) and all(map(_is_number, there))


def _writer(name: Any, values: list[Any], bounds: list[list[Any]]) -> Callable[[Any], str]:
    """Return how the numbers of a column are written: as shares, whole, or all with the same decimals."""
    everything = [float(v) for column in (values, *bounds) for v in column if _is_number(v) and math.isfinite(float(v))]
    text = str(name)
    is_share = text == "share" or text.endswith(("_share", " share")) or "=" in text or text == "membership"
    if is_share and all(0 <= value <= 1 for value in everything):
        return percent
    if all(value == int(value) for value in everything):
        return lambda value: f"{value:,.0f}" if math.isfinite(value) else number(value)
    largest = max(map(abs, everything))
    decimals = 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 1 else 3

    def write(value: float) -> str:
        value = float(value)
        if not math.isfinite(value):
            return number(value)
        lost = value != 0 and abs(value) < 0.5 * 10**-decimals
        return number(value) if lost else f"{value:,.{decimals}f}"

    return write


def _cell(value: Any, write: Callable[[Any], str], gone: bool, numeric: bool) -> Cell:
    if gone:
        # a reason that was blanked says so in its own words
        return Cell(clean(value) if isinstance(value, str) else HIDDEN, "none")
    if _is_missing(value):
        return Cell(MISSING, "none")
    if _is_number(value):
        return Cell(write(value), "number" if numeric else "text", repr(float(value)))
    return Cell(plain_text(value), "text")


def _key_cell(value: Any) -> Cell:
    if _is_number(value) and not _is_missing(value):
        return Cell(str(value), "number", repr(float(value)))
    return Cell(MISSING if _is_missing(value) else clean(value), "text")


def _with_interval(cell: Cell, low: Any, high: Any, write: Callable[[Any], str]) -> Cell:
    if cell.kind != "number" or _is_missing(low) or _is_missing(high):
        return cell
    return Cell(cell.text, cell.kind, cell.value, f"{write(low)} to {write(high)}")
