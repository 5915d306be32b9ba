"""The tables of a ledger, and the triggers that keep what was written."""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "COLUMNS", "POSTGRES", "SQLITE", "TABLES", "TRIGGERS", "VERSION"]

# "SgLd" in the header of an SQLite file says what the file is.
APPLICATION_ID = int.from_bytes(b"SgLd", "big")
VERSION = 1
TABLES = ("ledger_cells", "ledger_entries", "ledger_imports", "ledger_meta")
# Columns of an entry as they are written; the rest of an entry is its cell.
COLUMNS = (
    "cell", "effort", "cost", "outcome", "n_customers", "note", "key", "content", "corrects", "void", "recorded_at",
)  # fmt: skip

REFUSED = "the ledger is append-only: entries are corrected by new entries, never changed or deleted"

_META = "CREATE TABLE ledger_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_IMPORTS = """
CREATE TABLE ledger_imports (
    content TEXT PRIMARY KEY, n_rows INTEGER NOT NULL, first_entry BIGINT, recorded_at TEXT NOT NULL)"""
# What an entry is about. Empty text is "not stated", because a NULL is unequal to itself in a unique index.
_CELLS = """
CREATE TABLE ledger_cells (
    cell {identity}, segment TEXT NOT NULL, action TEXT NOT NULL, period TEXT NOT NULL CHECK (period <> ''),
    arm TEXT NOT NULL CHECK (arm IN ('treated', 'control')), unit TEXT NOT NULL,
    UNIQUE (segment, action, period, arm, unit))"""
_ENTRIES = """
CREATE TABLE ledger_entries (
    entry {identity}, cell BIGINT NOT NULL REFERENCES ledger_cells (cell),
    effort {real}, cost {real}, outcome {real}, n_customers {real},
    note TEXT NOT NULL, key TEXT, content TEXT, corrects BIGINT REFERENCES ledger_entries (entry),
    void INTEGER NOT NULL CHECK (void IN (0, 1)), recorded_at TEXT NOT NULL)"""
_INDEXES = (
    # Sums by cell are read off it in order, without the entries themselves.
    "CREATE INDEX ledger_sums ON ledger_entries (cell, void, effort, cost, outcome, n_customers)",
    "CREATE UNIQUE INDEX ledger_by_key ON ledger_entries (key, content) WHERE key IS NOT NULL",
    # An entry is corrected once; a correction is corrected in turn.
    "CREATE UNIQUE INDEX ledger_by_corrected ON ledger_entries (corrects) WHERE corrects IS NOT NULL",
)


def _sqlite_triggers() -> dict[str, str]:
    triggers = {}
    for table in TABLES:
        for event in ("UPDATE", "DELETE"):
            name = f"{table}_no_{event.lower()}"
            triggers[name] = (
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            )
    # INSERT OR REPLACE deletes rows without firing the trigger of DELETE.
    replaced = {
        "ledger_cells": "SELECT 1 FROM ledger_cells WHERE cell = NEW.cell",
        "ledger_entries": (
            "SELECT 1 FROM ledger_entries WHERE entry = NEW.entry OR corrects = NEW.corrects "
            "OR (key = NEW.key AND content = NEW.content)"
        ),
        "ledger_imports": "SELECT 1 FROM ledger_imports WHERE content = NEW.content",
        "ledger_meta": "SELECT 1 FROM ledger_meta WHERE name = NEW.name",
    }
    for table, found in replaced.items():
        name = f"{table}_no_replace"
        triggers[name] = (
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN EXISTS ({found}) "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )
    return triggers


TRIGGERS = _sqlite_triggers()

SQLITE = (
    _META,
    _IMPORTS,
    _CELLS.format(identity="INTEGER PRIMARY KEY AUTOINCREMENT"),
    _ENTRIES.format(identity="INTEGER PRIMARY KEY AUTOINCREMENT", real="REAL"),
    *_INDEXES,
    *TRIGGERS.values(),
)

POSTGRES = (
    _META,
    _IMPORTS,
    _CELLS.format(identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    _ENTRIES.format(identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", real="DOUBLE PRECISION"),
    *_INDEXES,
    f"""
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{REFUSED}'; END $$""",
    *(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        for table in TABLES
    ),
)
