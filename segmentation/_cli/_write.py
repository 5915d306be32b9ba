"""Writing the tables: whole or not at all, and harmless when a spreadsheet opens them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from segmentation._cli._errors import CommandError, needs_extra, one_line
from segmentation._format import count, name_some

__all__ = ["FORMATS", "NEEDS", "TABLE_FILES", "check_output", "digest", "harmless", "original", "write_tables"]

FORMATS = ("csv", "parquet", "xlsx")
NEEDS = {"parquet": ("parquet", "pyarrow"), "xlsx": ("excel", "openpyxl")}
TABLE_FILES = tuple(f"{name}.{kind}" for name in ("customers", "segments") for kind in FORMATS)

# What makes a spreadsheet take a cell for a formula (https://owasp.org/www-community/attacks/CSV_Injection), and
# the same (the last four: full-width = + - @) with apostrophes before it, so that two different texts never become one.
DANGEROUS = re.compile("'*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")

# Not in XML; a carriage return would come back as a line feed.
NOT_IN_EXCEL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
EXCEL_ROWS, EXCEL_TEXT, EXCEL_DIGITS = 1_048_576, 32_767, 15


def check_output(folder: Path, names: list[str], kind: str, *, force: bool, others: Sequence[str] = ()) -> None:
    """Say before the work begins what would keep its results from being written.

    Raises
    ------
    CommandError
        If a package is missing, the folder is a file or cannot be written to, or files would be replaced without
        ``--force``.
    """
    if kind in NEEDS and importlib.util.find_spec(NEEDS[kind][1]) is None:
        raise needs_extra(*NEEDS[kind], f"--format {kind}")
    existing = next(part for part in [folder, *folder.absolute().parents] if os.path.lexists(part))
    if not os.path.isdir(existing):
        raise CommandError(f"--output {str(folder)!r}: {str(existing)!r} is a file, not a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CommandError(f"--output {str(folder)!r}: writing to {str(existing)!r} is not permitted.")
    there = [name for name in (*(f"{name}.{kind}" for name in names), *others) if os.path.lexists(folder / name)]
    if there and not force:
        raise CommandError(
            f"--output {str(folder)!r} has {name_some(there)} already: give --force to replace them, or another folder."
        )
    for name in there:
        if os.path.isdir(folder / name):
            raise CommandError(f"{str(folder / name)!r} is a folder and cannot be replaced.")


def write_tables(
    tables: dict[str, pd.DataFrame],
    folder: Path,
    kind: str,
    pages: dict[str, str] | None = None,
    records: dict[str, dict[str, Any]] | None = None,
) -> list[Path]:
    """Write each table, its index as the first column, to ``folder/<name>.<kind>``, each page to ``<name>.html``.

    A record goes to ``<name>.json``, with the fingerprints of the tables. All are written under other names first and
    then renamed, so that a file is never there in part.
    """
    kinds = {
        **dict.fromkeys(tables, kind),
        **dict.fromkeys(pages or {}, "html"),
        **dict.fromkeys(records or {}, "json"),
    }
    targets = {name: folder / f"{name}.{ending}" for name, ending in kinds.items()}
    drafts = {name: folder / f".{name}.{os.getpid()}.{ending}" for name, ending in kinds.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            _write(table.reset_index(), drafts[name], kind, name)
        for name, text in (pages or {}).items():
            drafts[name].write_text(text, encoding="utf-8", newline="\n")
        files = {name: {"file": targets[name].name, "sha256": digest(drafts[name])} for name in tables}
        for name, record in (records or {}).items():
            text = json.dumps({**record, "files": files}, indent=1)
            drafts[name].write_text(f"{text}\n", encoding="utf-8", newline="\n")
        for name, draft in drafts.items():
            draft.replace(targets[name])
    except OSError as error:
        raise CommandError(f"cannot write to {str(folder)!r}: {one_line(error.strerror or error)}.") from error
    finally:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    return list(targets.values())


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts, in cells and headers, that a spreadsheet would take for a formula.

    Numbers stay numbers, also negative ones. The text without the first apostrophe is the original.

    Examples
    --------
    >>> harmless(pd.DataFrame({"id": ["=1+1", "a-b"], "x": [-1.0, 2.0]})).to_dict("list")
    {'id': ["'=1+1", 'a-b'], 'x': [-1.0, 2.0]}
    """
    columns = {
        name: column if is_numeric_dtype(column.dtype) else column.astype(object).map(_harmless_cell)
        for name, column in table.items()
    }
    return pd.DataFrame(columns).rename(columns=_harmless_cell)


def original(cell: Any) -> Any:
    """Take the apostrophe away again that `harmless` has put before a text.

    Examples
    --------
    >>> [original(cell) for cell in ("'=1+1", "a-b", "'a", -1.0)]
    ['=1+1', 'a-b', "'a", -1.0]
    """
    if isinstance(cell, str) and cell.startswith("'") and DANGEROUS.match(cell[1:]):
        return cell[1:]
    return cell


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _harmless_cell(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and DANGEROUS.match(cell) else cell


def _write(table: pd.DataFrame, path: Path, kind: str, name: str) -> None:
    if kind == "parquet":
        table.to_parquet(path, index=False, engine="pyarrow")
    elif kind == "csv":
        # CRLF as in RFC 4180; it also makes the writer put quotes around a text that holds either of the two
        harmless(table).to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8")
    else:
        _write_excel(harmless(table), path, name)


def _write_excel(table: pd.DataFrame, path: Path, sheet: str) -> None:
    if len(table) >= EXCEL_ROWS:
        raise CommandError(
            f"{len(table):,} rows do not fit into an Excel sheet ({EXCEL_ROWS:,} at most): "
            "use --format csv or --format parquet."
        )
    first = table.columns[0]
    ids = table[first]
    if not is_numeric_dtype(ids.dtype):
        table = table.assign(**{first: _excel_texts(ids.map(str))})
    elif ids.abs().max() >= 10**EXCEL_DIGITS:
        table = table.assign(**{first: ids.map(str)})  # Excel would round the id of a customer
    table.to_excel(path, index=False, sheet_name=sheet, engine="openpyxl")


def _excel_texts(texts: pd.Series) -> pd.Series:
    """Return the texts, or refuse one that a cell would hold only in part or changed."""
    for text in texts:
        if len(text) > EXCEL_TEXT or NOT_IN_EXCEL.search(text):
            raise CommandError(
                f"an Excel cell cannot hold the id {text[:20]!r} ({count(len(text), 'letter')}): at most "
                f"{EXCEL_TEXT:,} letters, and no control characters. Use --format csv or --format parquet."
            )
    return texts
