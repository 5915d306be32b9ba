"""Removing people from files that this library writes: CSV, Parquet, JSON and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation._format import name_some
from segmentation.governance._erase import Eraser

__all__ = ["READABLE", "clean_file", "files_in"]

DELIMITERS = (",", ";", "\t", "|")


def files_in(paths: Any) -> list[Path]:
    """Return all files that are named, and all that lie in folders that are named.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If a file that is named is of a kind that cannot be rewritten.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: list[Path] = []
    for one in map(Path, given):
        if not one.exists():
            raise FileNotFoundError(f"there is no file or folder {str(one)!r} to remove customers from.")
        if one.is_dir():
            found += sorted(path for path in one.rglob("*") if path.is_file())
        elif one.suffix.lower() in READABLE:
            found.append(one)
        else:
            raise ValueError(
                f"{str(one)!r} cannot be rewritten without knowing what made it; {name_some(READABLE)} can. Delete it, "
                "or load it, call forget on what it holds, and save that again."
            )
    return list(dict.fromkeys(found))


def clean_file(path: Path, eraser: Eraser, place: str) -> bool:
    """Remove people from one file, written anew only where it has to change; tell whether it could be read.

    The new file takes the place of the old one in one step. Copies elsewhere (backups, versions) are not reached.
    """
    clean = READABLE.get(path.suffix.lower())
    if clean is None:
        return False
    before = eraser.removed.total()
    try:
        content = clean(path, eraser, place)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        # the message of the original may quote the very person
        raise ValueError(f"{str(path)!r} cannot be read as {path.suffix} ({type(error).__name__}).") from None
    if eraser.removed.total() > before:
        draft = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            content(draft)
            draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    return True


Writer = Callable[[Path], Any]


def _csv(path: Path, eraser: Eraser, place: str) -> Writer:
    """Remove records; the ones that stay are the same bytes as before."""
    raw = path.read_bytes()
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    text = raw[len(mark) :].decode("utf-8")
    records = _records(text)
    header = next(records, None)
    if header is None:
        return lambda draft: draft.write_bytes(raw)
    names, kept = header[0], [eraser.traces.without(header[1])]
    eraser.removed[place, "mentions in text"] += eraser.traces.in_text(header[1])
    # the first column without a name is what pandas writes of an index without one
    places = [i for i, name in enumerate(names) if eraser.traces.is_id_name(name) or (i == 0 and not name)]
    likely = [i for i, name in enumerate(names) if eraser.traces.looks_like_id(name) and i not in places]
    for cells, original in records:
        if any(i < len(cells) and _is_cell_of(eraser, cells[i]) for i in places):
            eraser.removed[place, "rows"] += 1
            continue
        for i in likely:
            if i < len(cells) and eraser.traces.is_id(cells[i], look_only=True):
                eraser.unsearched.add(names[i])
        eraser.removed[place, "mentions in text"] += eraser.traces.in_text(original)
        kept.append(eraser.traces.without(original))
    return lambda draft: draft.write_bytes(mark + "".join(kept).encode("utf-8"))


def _is_cell_of(eraser: Eraser, cell: str) -> bool:
    """Tell whether a cell holds an id, also as 7.0, and behind the apostrophe that guards against spreadsheets."""
    forms = {cell, cell.strip(), cell.removeprefix("'")}
    forms |= {form.removesuffix(".0") for form in forms}
    return any(eraser.traces.is_id(form) for form in forms)


def _records(text: str) -> Iterator[tuple[list[str], str]]:
    """Return each record as cells and as it stands, line ends inside of quotes and all."""
    lines = io.StringIO(text, newline="")
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    used: list[str] = []

    def feed() -> Iterator[str]:
        for line in lines:
            used.append(line)
            yield line

    for cells in csv.reader(feed(), delimiter=delimiter):
        yield cells, "".join(used)
        used.clear()


def _parquet(path: Path, eraser: Eraser, place: str) -> Writer:
    table = pd.read_parquet(path)
    cleaned = eraser.clean(table, place)
    if isinstance(table.index, pd.RangeIndex) and table.index.name is None:
        cleaned = cleaned.reset_index(drop=True)  # row numbers, not ids
    return lambda draft: cleaned.to_parquet(draft)


def _json(path: Path, eraser: Eraser, place: str) -> Writer:
    document = json.loads(path.read_text(encoding="utf-8"))
    cleaned = eraser.clean([document], place)
    return lambda draft: draft.write_text(
        json.dumps(cleaned[0] if cleaned else None, ensure_ascii=False, indent=2), encoding="utf-8"
    )


def _json_lines(path: Path, eraser: Eraser, place: str) -> Writer:
    """Remove records; lines that say nothing of these people stay as they are."""
    kept = []
    with path.open(encoding="utf-8", newline="") as file:
        for line in file:
            if not line.strip():
                kept.append(line)
                continue
            record = json.loads(line)
            cleaned = eraser.clean([record], place)
            if not cleaned:
                continue
            end = line[len(line.rstrip("\r\n")) :]
            kept.append(line if cleaned[0] == record else json.dumps(cleaned[0], ensure_ascii=False) + end)
    return lambda draft: draft.write_bytes("".join(kept).encode("utf-8"))


READABLE: dict[str, Callable[[Path, Eraser, str], Writer]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _json_lines,
}
