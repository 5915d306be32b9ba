"""Entries and their sums out of the tables of a ledger, as tables of pandas."""

from __future__ import annotations

import pandas as pd

from segmentation.monitoring._ledger_entry import AMOUNTS, CELL
from segmentation.monitoring._ledger_store import Run

__all__ = ["read_cells", "read_entries"]

# Entries that count: neither corrected by a later one nor retracted.
_COUNTS = "e.void = 0 AND e.entry NOT IN (SELECT corrects FROM ledger_entries WHERE corrects IS NOT NULL)"
_SUMS = ", ".join(f"SUM(e.{name}) AS {name}, COUNT(e.{name}) AS stated_{name}" for name in AMOUNTS)


def read_entries(run: Run, *, history: bool) -> pd.DataFrame:
    """Return the entries, see `ReturnLedger.entries`."""
    names = ["entry", *CELL, *AMOUNTS, "note", "corrects", "corrected_by", "void", "key", "recorded_at"]
    which = "" if history else "WHERE e.void = 0 AND later.entry IS NULL "
    columns = ", ".join([*(f"c.{name}" for name in CELL), *(f"e.{name}" for name in (*AMOUNTS, "note", "corrects"))])
    sql = (
        f"SELECT e.entry, {columns}, later.entry, e.void, e.key, e.recorded_at FROM ledger_entries e "  # noqa: S608
        "JOIN ledger_cells c ON c.cell = e.cell LEFT JOIN ledger_entries later ON later.corrects = e.entry "
        f"{which}ORDER BY e.entry"
    )
    table = pd.DataFrame(run(sql), columns=names)
    for name in ("segment", "action", "unit", "note", "key"):
        table[name] = table[name].astype(object).where(table[name].notna() & (table[name] != ""), None)
    for name in AMOUNTS:
        table[name] = table[name].astype("float64")
    for name in ("corrects", "corrected_by"):
        table[name] = table[name].astype("Int64")
    table["retraction"] = table.pop("void").astype(bool)
    table["counts"] = ~table["retraction"] & table["corrected_by"].isna()
    table["recorded_at"] = pd.to_datetime(table["recorded_at"], utc=True, format="ISO8601")
    return table[[*names[:12], "corrected_by", "retraction", "counts", "key", "recorded_at"]]


def read_cells(run: Run) -> pd.DataFrame:
    """Return the sums of the entries that count, see `ReturnLedger.cells`."""
    sums = f"SELECT e.cell, COUNT(*) AS n_entries, {_SUMS} FROM ledger_entries e WHERE {_COUNTS} GROUP BY e.cell"  # noqa: S608
    figures = ["n_entries", *(f"{part}{name}" for name in AMOUNTS for part in ("", "stated_"))]
    chosen = ", ".join([*(f"c.{name}" for name in CELL), *(f"s.{name}" for name in figures)])
    sql = f"SELECT {chosen} FROM ({sums}) s JOIN ledger_cells c ON c.cell = s.cell"  # noqa: S608
    table = pd.DataFrame(run(sql), columns=[*CELL, *figures])
    for name in figures:
        counted = name not in AMOUNTS
        table[name] = table[name].astype("float64").fillna(0.0).astype("int64" if counted else "float64")
    return table
