"""Entries into the tables of a ledger, inside a transaction."""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Mapping
from typing import Any

from segmentation._format import count, name_some
from segmentation.monitoring._ledger_entry import AMOUNTS, CELL, FIELDS, content_of
from segmentation.monitoring._ledger_errors import LedgerError
from segmentation.monitoring._ledger_import import LedgerImport, Rows, compare_with_present
from segmentation.monitoring._ledger_schema import COLUMNS
from segmentation.monitoring._ledger_store import Run

__all__ = ["add_keyed", "insert", "open_entry", "take_keyed", "take_whole"]

# Up to so many different cells are looked up one by one; more are read all together.
CELLS_ONE_BY_ONE = 50

_INSERT = f"INSERT INTO ledger_entries ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + name for name in COLUMNS)})"  # noqa: S608
_WHERE_CELL = " AND ".join(f"{name} = :{name}" for name in CELL)


def insert(run: Run, entry: Mapping[str, Any], **more: Any) -> int:
    """Add an entry and return its number."""
    row = _rows(run, [entry])[0] | more
    return int(run(f"{_INSERT} RETURNING entry", row)[0][0])


def add_keyed(run: Run, entry: Mapping[str, Any], key: str) -> int:
    """Add an entry with an import key, or return the number of the one that is there with the same content."""
    content = content_of(entry)
    found = run("SELECT entry, content FROM ledger_entries WHERE key = :key", {"key": key})
    for number, known in found:
        if known == content:
            return int(number)
    if found:
        raise LedgerError(
            f"the key {key!r} is there with other content (entry {found[-1][0]}); correct that entry: "
            f"ledger.correct({found[-1][0]}, ...)."
        )
    return insert(run, entry, key=key, content=content)


def open_entry(run: Run, entry: Any) -> dict[str, Any]:
    """Return the fields of an entry that may still be corrected."""
    if isinstance(entry, bool) or not isinstance(entry, numbers.Integral):
        raise TypeError(f"entry must be the number of an entry, got {entry!r}.")
    columns = ", ".join([*(f"c.{name}" for name in CELL), *(f"e.{name}" for name in (*AMOUNTS, "note", "void"))])
    sql = f"SELECT {columns} FROM ledger_entries e JOIN ledger_cells c ON c.cell = e.cell WHERE e.entry = :entry"  # noqa: S608
    rows = run(sql, {"entry": int(entry)})
    if not rows:
        n = int(run("SELECT COUNT(*) FROM ledger_entries")[0][0])
        raise LedgerError(f"there is no entry {entry}; the ledger has {count(n, 'entry', 'entries')}.")
    if rows[0][-1]:
        raise LedgerError(f"entry {entry} is a retraction, and cannot be corrected; add a new entry.")
    latest = _latest(run, int(entry))
    if latest != entry:
        raise LedgerError(f"entry {entry} was corrected already; the entry that stands for it is {latest}.")
    return dict(zip(FIELDS, rows[0][:-1], strict=True))


def take_whole(run: Run, rows: Rows) -> LedgerImport:
    """Add the rows of a table without keys, unless this table was added before."""
    n = len(rows.entries)
    if not n or run("SELECT 1 FROM ledger_imports WHERE content = :c", {"c": rows.content}):
        return LedgerImport(n, 0, n_present=n, warnings=rows.notes)
    _insert_many(run, rows.entries)
    mark = {"c": rows.content, "n": n, "at": _now()}
    run("INSERT INTO ledger_imports (content, n_rows, recorded_at) VALUES (:c, :n, :at)", mark)
    return LedgerImport(n, n, warnings=rows.notes)


def take_keyed(run: Run, rows: Rows, keys: list[str], on_change: str) -> LedgerImport:
    """Add the rows that are new by their key; raise at, or correct, those that are there with other content."""
    new, n_present, changed, superseded = compare_with_present(run, rows)
    if changed and on_change == "raise":
        named = [keys[i] for i in changed]
        raise LedgerError(
            f"{count(len(changed), 'key')} in the ledger with other content: {name_some(named)}. Nothing was "
            "added. on_change='correct' enters the new content as corrections."
        )
    _insert_many(run, [rows.entries[i] for i in new], [keys[i] for i in new])
    for i, corrected in changed.items():
        latest = _latest(run, corrected)
        open_entry(run, latest)
        entry = rows.entries[i]
        insert(run, entry, key=keys[i], content=content_of(entry), corrects=latest)
    return LedgerImport(len(rows.entries), len(new), n_present, len(changed), len(superseded), rows.notes)


def _insert_many(run: Run, entries: list[dict[str, Any]], keys: list[str] | None = None) -> None:
    if not entries:
        return
    rows = _rows(run, entries)
    if keys is not None:
        for row, entry, key in zip(rows, entries, keys, strict=True):
            row |= {"key": key, "content": content_of(entry)}
    run(_INSERT, rows)


def _rows(run: Run, entries: list[Any]) -> list[dict[str, Any]]:
    cells = _cell_numbers(run, {tuple(entry[name] for name in CELL) for entry in entries})
    now = _now()
    return [
        {
            "cell": cells[tuple(entry[name] for name in CELL)],
            **{name: entry[name] for name in (*AMOUNTS, "note")},
            "key": None, "content": None, "corrects": None, "void": 0, "recorded_at": now,
        }
        for entry in entries
    ]  # fmt: skip


def _cell_numbers(run: Run, wanted: set[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """Return the numbers of cells, making those that are new.

    None are remembered from one transaction to the next: one that is rolled back takes its cells with it.
    """
    cells = [dict(zip(CELL, cell, strict=True)) for cell in sorted(wanted)]
    many = len(cells) > CELLS_ONE_BY_ONE
    found = _all_cells(run) if many else _these_cells(run, cells)
    new = [cell for cell in cells if tuple(cell.values()) not in found]
    if not new:
        return found
    run(f"INSERT INTO ledger_cells ({', '.join(CELL)}) VALUES (:{', :'.join(CELL)})", new)  # noqa: S608
    return _all_cells(run) if many else _these_cells(run, cells)


def _all_cells(run: Run) -> dict[tuple[str, ...], int]:
    return {tuple(row[1:]): int(row[0]) for row in run(f"SELECT cell, {', '.join(CELL)} FROM ledger_cells")}  # noqa: S608


def _these_cells(run: Run, cells: list[dict[str, str]]) -> dict[tuple[str, ...], int]:
    sql = f"SELECT cell FROM ledger_cells WHERE {_WHERE_CELL}"  # noqa: S608
    return {tuple(cell.values()): int(number) for cell in cells for (number,) in run(sql, cell)}


def _latest(run: Run, entry: int) -> int:
    while found := run("SELECT entry FROM ledger_entries WHERE corrects = :entry", {"entry": entry}):
        entry = int(found[0][0])
    return entry


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
