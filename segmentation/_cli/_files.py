"""From a file to a table of orders with the columns that the library takes."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation._cli import _cells
from segmentation._cli._csv import Choose, read_csv
from segmentation._cli._errors import CommandError, needs_extra, one_line
from segmentation._format import column_difference, name_some, nearest
from segmentation.datasets import load_cdnow

__all__ = ["ROLES", "FileOptions", "Orders", "cdnow", "read_orders"]

# The roles of columns, which are also the names that are looked for where no option names a column.
ROLES = ("customer_id", "timestamp", "amount")

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
PARQUET_ENDINGS = (".parquet", ".pq")
EXCEL_ENDINGS = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class FileOptions:
    """What the user said about the file; `columns` has the names that were given, by role."""

    columns: dict[str, str] = field(default_factory=dict)
    timestamp_format: str | None = None
    encoding: str | None = None
    separator: str | None = None
    decimal: str = "."
    sheet: str | None = None


@dataclass(frozen=True)
class Orders:
    """Orders, ready for the library: `columns` are the keyword arguments that name the columns of `table`."""

    table: pd.DataFrame
    columns: dict[str, str]
    source: str
    notes: list[str]


def cdnow() -> Orders:
    """Return the orders that the command shows where no file is given."""
    return Orders(
        load_cdnow(), {role: role for role in ROLES}, "the CDNOW sample, real orders of an online music shop", []
    )


def read_orders(path: Path, options: FileOptions) -> Orders:
    """Read the orders of a CSV, Parquet or Excel file.

    Raises
    ------
    CommandError
        If the file cannot be read, lacks a column, or a cell is neither empty nor what its column must hold.
    """
    ending = _check_file(path)
    notes: list[str] = []
    choose = _chooser(path, options, notes)
    try:
        if ending in TEXT_ENDINGS:
            wanted = set(options.columns.values()) | set(ROLES)
            chosen, cells, lines = read_csv(
                path, choose, wanted=wanted, encoding=options.encoding, separator=options.separator, notes=notes
            )
            return _orders(path, chosen, cells, lambda i: f"line {lines[i]}", options, notes)
        if ending in PARQUET_ENDINGS:
            chosen, columns = _parquet(path, choose)
            return _orders(path, chosen, columns, lambda i: f"row {i + 1}", options, notes)
        chosen, cells, rows = _excel(path, choose, options.sheet, notes)
        return _orders(path, chosen, cells, lambda i: f"row {rows[i]}", options, notes)
    except OSError as error:
        raise CommandError(f"cannot read {str(path)!r}: {one_line(error.strerror or error)}.") from error


def _orders(
    path: Path, chosen: dict[str, str], cells: Any, place: _cells.Place, options: FileOptions, notes: list[str]
) -> Orders:
    """Turn cells into typed columns, under the names they have in the file."""
    table = {
        chosen["customer_id"]: _cells.customer_ids(cells["customer_id"], chosen["customer_id"], notes),
        chosen["timestamp"]: _cells.timestamps(
            cells["timestamp"], chosen["timestamp"], place, options.timestamp_format, notes
        ),
    }
    if "amount" in chosen:
        table[chosen["amount"]] = _cells.amounts(cells["amount"], chosen["amount"], place, options.decimal, notes)
    return Orders(pd.DataFrame(table, copy=False), chosen, repr(str(path)), notes)


def _check_file(path: Path) -> str:
    """Return the ending in small letters, or say why the file cannot be read."""
    if os.path.isdir(path):  # unlike Path.is_dir, it takes names that are too long
        raise CommandError(f"{str(path)!r} is a folder; give one file.")
    if not os.path.exists(path):
        raise CommandError(f"there is no file {str(path)!r}.")
    if not os.path.isfile(path):
        raise CommandError(f"{str(path)!r} is a pipe or a device; it is read more than once, so save it as a file.")
    ending = path.suffix.lower()
    known = (*TEXT_ENDINGS, *PARQUET_ENDINGS, *EXCEL_ENDINGS)
    if ending not in known:
        hint = " Save an .xls workbook as .xlsx first." if ending == ".xls" else ""
        raise CommandError(f"{str(path)!r} ends in {ending!r}, none of {', '.join(known)}.{hint}")
    if not path.stat().st_size:
        raise CommandError(f"{str(path)!r} is empty (0 bytes).")
    return ending


def _chooser(path: Path, options: FileOptions, notes: list[str]) -> Choose:
    """Return the function that picks the columns to read from the names that a file has."""

    def choose(names: list[str]) -> dict[str, str]:
        chosen = {role: options.columns.get(role, role) for role in ROLES}
        if "amount" not in options.columns and "amount" not in names:
            del chosen["amount"]
        if any(name not in names for name in chosen.values()):
            raise CommandError(
                f"{str(path)!r}: {column_difference(list(chosen.values()), names)}. "
                "Name the columns with --customer-id, --timestamp and --amount."
            )
        for name in chosen.values():
            if names.count(name) > 1:
                raise CommandError(f"{str(path)!r} has {names.count(name)} columns named {name!r}; rename all but one.")
        if len(set(chosen.values())) < len(chosen):
            raise CommandError(
                f"customer, timestamp and amount must be different columns, got {name_some(chosen.values())}."
            )
        if "amount" not in chosen:
            close = nearest("amount", [name for name in names if name not in chosen.values()])
            notes.append(
                "no amount column was named and none is called 'amount', so money plays no part"
                + (f" (nearest name: {name_some(close)}; --amount names one)" if close else " (--amount names one)")
            )
        return chosen

    return choose


def _parquet(path: Path, choose: Choose) -> tuple[dict[str, str], dict[str, pd.Series]]:
    if importlib.util.find_spec("pyarrow") is None:
        raise needs_extra("parquet", "pyarrow", "reading a Parquet file")
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except pa.ArrowException as error:
        raise CommandError(f"{str(path)!r} is no readable Parquet file: {one_line(error)}") from error
    chosen = choose([str(name) for name in schema.names])
    for name in chosen.values():
        if pa.types.is_nested(schema.field(name).type):
            raise CommandError(f"column {name!r} holds {schema.field(name).type}, not one value per row.")
    try:
        # the file itself, without looking for a partitioned data set in the names of its folders
        table = parquet.ParquetFile(path).read(columns=list(chosen.values()))
    except (pa.ArrowException, OSError) as error:  # it could be opened a moment ago
        raise CommandError(f"{str(path)!r} is damaged: {one_line(error)}") from error
    if not table.num_rows:
        raise CommandError(f"{str(path)!r} has columns and no rows.")
    # Without the metadata, an index of pandas is a column like any other.
    frame = table.to_pandas(ignore_metadata=True)
    return chosen, {role: _without_categories(frame[name]) for role, name in chosen.items()}


def _without_categories(column: pd.Series) -> pd.Series:
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column


def _excel(
    path: Path, choose: Choose, sheet: str | None, notes: list[str]
) -> tuple[dict[str, str], dict[str, list[Any]], Sequence[int]]:
    if importlib.util.find_spec("openpyxl") is None:
        raise needs_extra("excel", "openpyxl", "reading an Excel workbook")
    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            if sheet is not None and sheet not in sheets:
                raise CommandError(f"{str(path)!r} has no sheet {sheet!r}: {name_some(sheets)}.")
            if sheet is None and len(sheets) > 1:
                notes.append(f"read sheet {sheets[0]!r} only, the first of {len(sheets)} (--sheet names another)")
            frame = pd.read_excel(book, sheet_name=sheet or sheets[0], header=None, dtype=object, na_filter=False)
    except (CommandError, OSError):
        raise
    except Exception as error:  # whatever a damaged workbook makes the reader raise
        raise CommandError(f"{str(path)!r} is no readable Excel workbook: {one_line(error) or repr(error)}") from error
    rows = [(i, row) for i, row in enumerate(frame.itertuples(index=False), start=1) if any(_is_filled(c) for c in row)]
    if not rows:
        raise CommandError(f"{str(path)!r}: the sheet {sheet or sheets[0]!r} is empty.")
    names = [str(cell).strip() for cell in rows[0][1]]
    chosen = choose(names)
    if len(rows) == 1:
        raise CommandError(f"{str(path)!r} has a header and no rows.")
    positions = {role: names.index(name) for role, name in chosen.items()}
    cells = {role: [row[position] for _, row in rows[1:]] for role, position in positions.items()}
    return chosen, cells, [number for number, _ in rows[1:]]


def _is_filled(cell: Any) -> bool:
    return not (cell is None or cell is pd.NaT or cell != cell or (isinstance(cell, str) and not cell.strip()))
