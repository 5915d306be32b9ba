"""Text tables: their encoding, their separator, and every line with as many fields as the header."""

from __future__ import annotations

import codecs
import csv
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segmentation._cli._errors import CommandError
from segmentation._format import count

__all__ = ["SEPARATORS", "read_csv"]

SEPARATORS = (",", ";", "\t", "|")
ENCODING_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# cp1252 is what most programs that say Latin-1 mean; latin-1 itself reads any byte, so one of them always does.
FALLBACKS = ("cp1252", "latin-1")
HEAD_BYTES = 65536

Choose = Callable[[list[str]], dict[str, str]]


def read_csv(
    path: Path, choose: Choose, *, wanted: set[str], encoding: str | None, separator: str | None, notes: list[str]
) -> tuple[dict[str, str], dict[str, list[str]], array[int]]:
    """Read the columns of a text table that `choose` picks from its header.

    Returns
    -------
    chosen : dict of role to column name
    cells : dict of role to list of str
    lines : array of int
        The line on which each row begins, counted from 1.
    """
    head = path.read_bytes() if path.stat().st_size < HEAD_BYTES else _head(path)
    marked = ENCODING_MARKS.get(head[:2])
    if encoding is None and marked is None and b"\0" in head:
        raise CommandError(
            f"{str(path)!r} holds NUL bytes, so it is no text file. If it is UTF-16 without a mark, give "
            "--encoding utf-16-le; a workbook needs its extension .xlsx, a Parquet file .parquet."
        )
    if encoding is not None and codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"  # also reads what has no mark
    tries = [encoding] if encoding else [marked] if marked else ["utf-8-sig", *FALLBACKS]
    for attempt in tries:
        try:
            result = _read(path, choose, wanted, attempt, separator)
        except UnicodeError as error:
            if attempt == tries[-1]:
                raise CommandError(
                    f"{str(path)!r} cannot be read as {attempt}: {getattr(error, 'reason', error)}. Give its encoding, "
                    "for instance --encoding cp1252."
                ) from error
            continue
        if attempt in FALLBACKS:
            notes.append(f"the file is not UTF-8 and was read as {attempt}; give --encoding if letters look wrong")
        return result
    raise AssertionError("latin-1 reads every file")


def _head(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(HEAD_BYTES)


def _read(
    path: Path, choose: Choose, wanted: set[str], encoding: str, separator: str | None
) -> tuple[dict[str, str], dict[str, list[str]], array[int]]:
    delimiter = separator or _likely_separator(path, encoding, wanted)
    rows = _rows(path, encoding, delimiter)
    _, header = next(rows, (0, []))
    if not header:
        raise CommandError(f"{str(path)!r} is empty: it has no header line.")
    names = [name.strip() for name in header]
    chosen = choose(names)
    positions = {role: names.index(name) for role, name in chosen.items()}
    cells: dict[str, list[str]] = {role: [] for role in chosen}
    columns = [(cells[role].append, position) for role, position in positions.items()]
    lines = array("q")
    width = len(header)
    for line, row in rows:
        if len(row) != width:
            raise _ragged(line, row, width, delimiter)
        lines.append(line)
        for append, position in columns:
            append(row[position])
    if not lines:
        raise CommandError(f"{str(path)!r} has a header and no rows.")
    return chosen, cells, lines


def _rows(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line on which it begins."""
    with path.open(encoding=encoding, newline="") as handle:
        # strict: a quote that is never closed would otherwise swallow the rest of the file without a word
        reader = csv.reader(handle, delimiter=delimiter, strict=True, skipinitialspace=delimiter not in " \t")
        line = 1
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise _broken_quotes(line, error) from error


def _likely_separator(path: Path, encoding: str, wanted: set[str]) -> str:
    """Choose the separator by which the header has most of the wanted names, then by which it has most fields."""

    def merit(separator: str) -> tuple[int, int]:
        try:
            _, header = next(_rows(path, encoding, separator), (0, []))
        except CommandError:  # this separator makes no sense of the header's quotes
            return (-1, 0)
        names = [name.strip() for name in header]
        return len(wanted & set(names)), len(names)

    return max(SEPARATORS, key=merit)


def _ragged(line: int, row: list[str], width: int, delimiter: str) -> CommandError:
    shown = "tab" if delimiter == "\t" else repr(delimiter)
    return CommandError(
        f"line {line} has {count(len(row), 'field')} and the header {width} (separator {shown}). Fields that hold the "
        "separator need quotes around them; another separator is given with --separator."
    )


def _broken_quotes(line: int, error: Any) -> CommandError:
    return CommandError(
        f"the quotes of the row that begins in line {line} are broken ({error}): a field that begins with a quote "
        'must end with one, and a quote inside is doubled ("").'
    )
