"""Take a table into a ledger once, however often it is brought."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import column_difference, count, name_some
from segmentation._frames import to_pandas
from segmentation._results import plain
from segmentation.exceptions import ColumnError
from segmentation.monitoring._ledger_entry import FIELDS, checked_key, content_of, table_entries
from segmentation.monitoring._ledger_errors import LedgerError

__all__ = ["LedgerImport", "Rows", "compare_with_present", "read_table"]

KEYS_AT_ONCE = 400
ON_CHANGE = ("raise", "correct")


@dataclass(frozen=True)
class LedgerImport:
    """What became of the rows of an imported table; every row is counted once.

    Attributes
    ----------
    n_rows : int
        Rows of the table.
    n_added : int
        New entries.
    n_present : int
        Rows that are in the ledger already, the same in every field; nothing was written for them.
    n_corrected : int
        Rows whose key is in the ledger with other content; they became corrections (``on_change="correct"``).
    n_superseded : int
        Rows that equal an earlier version of an entry that has been corrected since; nothing was written for them.
    warnings : tuple of str
    """

    n_rows: int
    n_added: int
    n_present: int = 0
    n_corrected: int = 0
    n_superseded: int = 0
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that can be written as JSON."""
        facts: dict[str, Any] = plain(dataclasses.asdict(self))
        return facts

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per figure."""
        figures = {name: value for name, value in self.to_dict().items() if name != "warnings"}
        return pd.DataFrame({"rows": figures}).rename_axis("figure")

    def __str__(self) -> str:
        parts = [f"{self.n_added:,} added"]
        parts += [f"{self.n_present:,} there already"] if self.n_present else []
        parts += [f"{self.n_corrected:,} corrected"] if self.n_corrected else []
        parts += [f"{self.n_superseded:,} of earlier versions left aside"] if self.n_superseded else []
        notes = [f"Note: {text}" for text in self.warnings]
        return "\n".join([f"{count(self.n_rows, 'row')}: {', '.join(parts)}", *notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in str(self).splitlines())


@dataclass(frozen=True)
class Rows:
    """A table as entries, with their keys (None without) and the hash of all of them."""

    entries: list[dict[str, Any]]
    keys: list[str] | None
    content: str
    notes: tuple[str, ...]


def read_table(frame: Any, key: Any, columns: Mapping[str, Any] | None) -> Rows:
    """Read a table of any dataframe library as entries."""
    table = to_pandas(frame, name="frame").reset_index(drop=True)
    names = {name: name for name in FIELDS if name in table.columns} | dict(columns or {})
    if unknown := [name for name in names if name not in FIELDS]:
        raise ColumnError(
            f"columns names fields of an entry, {name_some(FIELDS, len(FIELDS))}; not {name_some(unknown)}."
        )
    keys = [] if key is None else [key] if isinstance(key, str) or not isinstance(key, Sequence) else list(key)
    needed = [*names.values(), *keys]
    if "period" not in names or any(name not in table.columns for name in needed):
        needed = [*needed, *([] if "period" in names else ["period"])]
        raise ColumnError(
            f"the table lacks columns: {column_difference(needed, list(table.columns))}. "
            "columns={'period': 'month'} says which column holds a field."
        )
    if twice := sorted({str(name) for name in needed if list(table.columns).count(name) > 1}):
        raise ColumnError(f"the table has several columns called {name_some(twice)}; rename all but one.")
    picked = pd.DataFrame({field: table[column] for field, column in names.items()})
    entries = table_entries(picked)
    unused = [name for name in table.columns if name not in needed]
    notes = (f"columns that no field of an entry takes: {name_some(unused)}.",) if unused else ()
    hashes = sorted(content_of(entry) for entry in entries) if key is None else []
    content = hashlib.sha256("".join(hashes).encode()).hexdigest()
    return Rows(entries, _keys(table, keys) if keys else None, content, notes)


def _keys(table: pd.DataFrame, names: list[Any]) -> list[str]:
    parts = [[_key_part(value, name, i) for i, value in enumerate(table[name])] for name in names]
    keys = parts[0] if len(parts) == 1 else [json.dumps(row, ensure_ascii=False) for row in zip(*parts, strict=True)]
    seen = pd.Series(keys, dtype=object)
    if len(twice := seen[seen.duplicated()].unique()):
        raise LedgerError(
            f"the key {name_some(names)} does not tell rows apart: {name_some(twice)} stand more than once. Name more "
            "columns, or leave key out: then the whole table is the key."
        )
    return keys


def _key_part(value: Any, name: Any, row: int) -> str:
    try:
        return checked_key(str(value.date()) if isinstance(value, pd.Timestamp) else value)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"the key {name!r} of row {row} cannot be used: {error}") from error


def compare_with_present(run: Any, rows: Rows) -> tuple[list[int], int, dict[int, int], list[int]]:
    """Compare keyed rows with the ledger.

    Returns
    -------
    new : list of positions
    n_present : int
    changed : dict of position to the entry that it corrects, which is the latest of its key
    superseded : list of positions
    """
    assert rows.keys is not None  # noqa: S101  (only called for keyed rows)
    present = _present(run, rows.keys)
    new, changed, superseded, n_present = [], {}, [], 0
    for i, (key, entry) in enumerate(zip(rows.keys, rows.entries, strict=True)):
        versions = present.get(key)
        if versions is None:
            new.append(i)
            continue
        content = content_of(entry)
        latest = max(versions.values())
        if versions.get(content) == latest:
            n_present += 1
        elif content in versions:
            superseded.append(i)
        else:
            changed[i] = latest
    return new, n_present, changed, superseded


def _present(run: Any, keys: list[str]) -> dict[str, dict[str, int]]:
    """Return for each key that is there its versions: content to entry."""
    found: dict[str, dict[str, int]] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = {f"k{i}": key for i, key in enumerate(keys[start : start + KEYS_AT_ONCE])}
        placed = ", ".join(f":{name}" for name in some)
        for key, content, entry in run(f"SELECT key, content, entry FROM ledger_entries WHERE key IN ({placed})", some):  # noqa: S608
            found.setdefault(key, {})[content] = entry
    return found
