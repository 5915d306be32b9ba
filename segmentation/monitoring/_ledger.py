"""An append-only record of effort, cost and outcome per segment, action and period."""

from __future__ import annotations

import datetime as dt
import numbers
import os
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation.monitoring._ledger_entry import AMOUNTS, CELL, FIELDS, checked_key, content_of, one_entry
from segmentation.monitoring._ledger_errors import LedgerError
from segmentation.monitoring._ledger_import import ON_CHANGE, LedgerImport, compare_with_present, read_table
from segmentation.monitoring._ledger_schema import COLUMNS
from segmentation.monitoring._ledger_store import FileStore, Run, Store, is_url

__all__ = ["ReturnLedger"]

# Up to so many different cells are looked up one by one; more are read all together.
CELLS_ONE_BY_ONE = 50

_INSERT = f"INSERT INTO ledger_entries ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + name for name in COLUMNS)})"  # noqa: S608
_WHERE_CELL = " AND ".join(f"{name} = :{name}" for name in CELL)
# Entries that count: neither corrected by a later one nor retracted.
_COUNTS = "e.void = 0 AND e.entry NOT IN (SELECT corrects FROM ledger_entries WHERE corrects IS NOT NULL)"
_SUMS = ", ".join(f"SUM(e.{name}) AS {name}, COUNT(e.{name}) AS stated_{name}" for name in AMOUNTS)


class ReturnLedger:
    """An append-only record of effort, cost and outcome per segment, action and period.

    Entries are added and corrected by further entries; nothing is changed or deleted. Several processes may write to
    it at the same time; an entry whose call has returned is on disk, one whose call was interrupted is there wholly or
    not at all.

    Parameters
    ----------
    path : str, Path or SQLAlchemy URL
        An SQLite file, made where there is none; its folder must exist and be a local one, because SQLite's
        write-ahead log does not work over network file systems. Or a URL such as
        ``postgresql+psycopg://user@host/database`` (extra ``sqlalchemy`` and a driver), where a team shares it; the
        tables are called ``ledger_...``.
    timeout : float, default=30
        Seconds to wait for other writers.

    Raises
    ------
    LedgerError
        If the file is empty, cut off or something else, or a ledger of a later version. It is left as it is.

    Notes
    -----
    An entry is about one *cell*: segment, action, period, arm and unit of effort. Without a segment or an action it is
    not attributed, and stays visible as such in every sum. ``arm="control"`` are customers who did not get the action;
    with ``n_customers`` in both arms, `returns` compares them.

    The triggers that refuse changes guard against mistakes, not against somebody who may write to the file and wants
    to: they can be dropped. `check` says if they are gone.

    A ledger can be pickled (to another process of the same machine) where it is a file: by its path. One behind a URL
    refuses, because the URL may hold a password.

    Examples
    --------
    >>> import tempfile
    >>> from segmentation.monitoring import ReturnLedger
    >>> with tempfile.TemporaryDirectory() as folder, ReturnLedger(f"{folder}/returns.db") as ledger:
    ...     first = ledger.add(segment="loyal", action="mail", period="2024-01", cost=100.0, outcome=250.0)
    ...     second = ledger.correct(first, cost=110.0, note="invoice came later")
    ...     ledger.entries()[["entry", "segment", "cost", "outcome", "corrects"]].values.tolist()
    [[2, 'loyal', 110.0, 250.0, 1]]
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, numbers.Real) or not 0 <= float(timeout) < np.inf:
            raise ValueError(f"timeout must be a number of seconds of at least 0, got {timeout!r}.")
        self.timeout: float = float(timeout)
        self._store: Store
        self._path: Path | None = None
        if isinstance(path, str) and is_url(path):
            from segmentation.monitoring._ledger_url import UrlStore

            self._store = UrlStore(path, self.timeout)
        else:
            self._path = Path(path).absolute()
            if Path(path).name == ":memory:":
                raise ValueError("a ledger in memory would record nothing; give the path of a file.")
            self._store = FileStore(self._path, self.timeout)
        weakref.finalize(self, self._store.close)

    # ------------------------------------------------------------------ writing
    def add(
        self,
        *,
        period: Any,
        segment: str | None = None,
        action: str | None = None,
        effort: float | None = None,
        cost: float | None = None,
        outcome: float | None = None,
        n_customers: float | None = None,
        arm: str = "treated",
        unit: str | None = None,
        note: str | None = None,
        key: Any = None,
    ) -> int:
        """Add one entry; it is on disk when the call returns.

        Parameters
        ----------
        period : str, date, pandas.Period or int
            Stored as text. Periods are sorted as people count: "week 9" before "week 10".
        segment, action : str, optional
            What it was spent on; missing is "not attributed".
        effort : float, optional
            At least 0, in `unit`.
        cost : float, optional
            Money spent; negative for a credit note.
        outcome : float, optional
            What came of it, in the money of the cost. For a return on investment: contribution margin, not revenue.
        n_customers : float, optional
            Customers that the entry is about. It is added up within a cell: state it in one of the cell's entries.
        arm : {"treated", "control"}, default="treated"
        unit : str, optional
            Unit of the effort, such as "contacts".
        note : str, optional
        key : str or int, optional
            Import key: an entry with this key and the same content is there once, however often it is added. Whoever
            cannot know whether an interrupted call got through adds again with the same key.

        Returns
        -------
        int
            Number of the entry, from 1.

        Raises
        ------
        LedgerError
            If the key is there with other content.
        LedgerBusyError
            If another writer holds the ledger for longer than the timeout.
        TypeError, ValueError
            If a field is not what it should be.
        """
        given = {
            "segment": segment, "action": action, "period": period, "arm": arm, "unit": unit, "effort": effort,
            "cost": cost, "outcome": outcome, "n_customers": n_customers, "note": note,
        }  # fmt: skip
        entry = one_entry(given)
        keyed = {} if key is None else {"key": checked_key(key), "content": content_of(entry)}
        with self._store.writing() as run:
            if keyed and (
                found := run("SELECT entry, content FROM ledger_entries WHERE key = :key", {"key": keyed["key"]})
            ):
                for number, content in found:
                    if content == keyed["content"]:
                        return int(number)
                raise LedgerError(
                    f"the key {keyed['key']!r} is there with other content (entry {found[-1][0]}); correct that entry: "
                    f"ledger.correct({found[-1][0]}, ...)."
                )
            return self._insert(run, entry, **keyed)

    def correct(self, entry: int, **changes: Any) -> int:
        """Correct an entry by a new one that refers to it; the old one stays and no longer counts.

        Parameters
        ----------
        entry : int
            Number of an entry that has not been corrected yet.
        **changes
            Fields of `add` (not ``key``) with their right values; None clears one. Fields that are not named stay.

        Returns
        -------
        int
            Number of the new entry.

        Raises
        ------
        LedgerError
            If there is no such entry, it has been corrected or retracted already, or nothing would change.
        """
        if unknown := [name for name in changes if name not in FIELDS]:
            raise TypeError(f"an entry has the fields {name_some(FIELDS, len(FIELDS))}; not {name_some(unknown)}.")
        with self._store.writing() as run:
            old = self._open_entry(run, entry)
            new = one_entry(old | changes)
            if content_of(new) == content_of(old):
                raise LedgerError(f"the correction of entry {entry} changes nothing.")
            return self._insert(run, new, corrects=int(entry))

    def retract(self, entry: int, *, note: str) -> int:
        """Take an entry back by a new one that refers to it and says why; neither counts.

        Raises
        ------
        LedgerError
            If there is no such entry, or it has been corrected or retracted already.
        """
        if not isinstance(note, str) or not note.strip():
            raise ValueError("note must say why the entry is retracted.")
        with self._store.writing() as run:
            old = self._open_entry(run, entry)
            return self._insert(run, old | {"note": note.strip()}, corrects=int(entry), void=1)

    def import_table(
        self, frame: Any, *, key: Any = None, columns: Mapping[str, Any] | None = None, on_change: str = "raise"
    ) -> LedgerImport:
        """Add the rows of a table, all or none; a row that is there already is not added again.

        Parameters
        ----------
        frame : dataframe
            pandas, polars, pyarrow, ...; a row per entry, columns named as the parameters of `add`.
        key : column or list of columns, optional
            What tells a row of the source from all others (an invoice number). Rows whose key is there with the same
            content are skipped. Without a key the whole table is the key: the same rows, in whatever order, are added
            once; a table that differs in one row is another table, and all its rows are added.
        columns : mapping of field to column, optional
            Where columns have other names: ``{"period": "month", "cost": "net amount"}``.
        on_change : {"raise", "correct"}, default="raise"
            What to do with rows whose key is there with other content: raise and add nothing, or correct the entry.

        Returns
        -------
        LedgerImport
            How many rows were added, present, corrected.

        Raises
        ------
        LedgerError
            If a key stands twice in the table, or in the ledger with other content.
        ColumnError, TypeError, ValueError
            If columns are missing or fields are not what they should be.
        """
        if on_change not in ON_CHANGE:
            raise ValueError(f"on_change must be one of {name_some(ON_CHANGE)}, got {on_change!r}.")
        rows = read_table(frame, key, columns)
        n = len(rows.entries)
        with self._store.writing() as run:
            if rows.keys is None:
                if not n or run("SELECT 1 FROM ledger_imports WHERE content = :c", {"c": rows.content}):
                    return LedgerImport(n, 0, n_present=n, warnings=rows.notes)
                self._insert_many(run, rows.entries)
                mark = {"c": rows.content, "n": n, "at": _now()}
                run("INSERT INTO ledger_imports (content, n_rows, recorded_at) VALUES (:c, :n, :at)", mark)
                return LedgerImport(n, n, warnings=rows.notes)
            new, n_present, changed, superseded = compare_with_present(run, rows)
            if changed and on_change == "raise":
                named = [rows.keys[i] for i in changed]
                raise LedgerError(
                    f"{count(len(changed), 'key')} in the ledger with other content: {name_some(named)}. Nothing was "
                    "added. on_change='correct' enters the new content as corrections."
                )
            keys = rows.keys
            self._insert_many(run, [rows.entries[i] for i in new], [keys[i] for i in new])
            for i, corrected in changed.items():
                latest = self._latest(run, corrected)
                self._open_entry(run, latest)
                entry = rows.entries[i]
                self._insert(run, entry, key=keys[i], content=content_of(entry), corrects=latest)
        return LedgerImport(n, len(new), n_present, len(changed), len(superseded), rows.notes)

    # ------------------------------------------------------------------ reading
    def entries(self, *, history: bool = False) -> pd.DataFrame:
        """Return the entries.

        Parameters
        ----------
        history : bool, default=False
            Whether entries that were corrected or retracted, and retractions, are among them.

        Returns
        -------
        pandas.DataFrame
            One row per entry, in order: ``entry`` (its number), the fields of `add` (None where not stated),
            ``corrects`` (the entry that it corrects), ``corrected_by``, ``retraction``, ``counts`` (whether it enters
            sums), ``key``, ``recorded_at`` (UTC).
        """
        names = ["entry", *CELL, *AMOUNTS, "note", "corrects", "corrected_by", "void", "key", "recorded_at"]
        which = "" if history else "WHERE e.void = 0 AND later.entry IS NULL "
        columns = ", ".join(
            [*(f"c.{name}" for name in CELL), *(f"e.{name}" for name in (*AMOUNTS, "note", "corrects"))]
        )
        sql = (
            f"SELECT e.entry, {columns}, later.entry, e.void, e.key, e.recorded_at FROM ledger_entries e "  # noqa: S608
            "JOIN ledger_cells c ON c.cell = e.cell LEFT JOIN ledger_entries later ON later.corrects = e.entry "
            f"{which}ORDER BY e.entry"
        )
        with self._store.reading() as run:
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

    def cells(self) -> pd.DataFrame:
        """Return the sums of the entries that count, one row per segment, action, period, arm and unit.

        Returns
        -------
        pandas.DataFrame
            ``segment`` and ``action`` ("" where not stated), ``period``, ``arm``, ``unit``, ``n_entries``, the sums
            ``effort``, ``cost``, ``outcome``, ``n_customers`` (0 where nothing is stated) and how many entries state
            each: ``stated_effort``, ...
        """
        sums = f"SELECT e.cell, COUNT(*) AS n_entries, {_SUMS} FROM ledger_entries e WHERE {_COUNTS} GROUP BY e.cell"  # noqa: S608
        figures = ["n_entries", *(f"{part}{name}" for name in AMOUNTS for part in ("", "stated_"))]
        chosen = ", ".join([*(f"c.{name}" for name in CELL), *(f"s.{name}" for name in figures)])
        sql = f"SELECT {chosen} FROM ({sums}) s JOIN ledger_cells c ON c.cell = s.cell"  # noqa: S608
        with self._store.reading() as run:
            table = pd.DataFrame(run(sql), columns=[*CELL, *figures])
        for name in figures:
            counted = name not in AMOUNTS
            table[name] = table[name].astype("float64").fillna(0.0).astype("int64" if counted else "float64")
        return table

    def returns(
        self,
        by: str | Iterable[str] | None = ("segment",),
        *,
        plan: Any = None,
        plan_for: str = "all periods",
        budget: Any = None,
        level: float = 0.9,
    ) -> Any:
        """Return on investment with intervals, trend, against plan and against control groups; see `LedgerReturns`.

        Parameters
        ----------
        by : "segment", "action", "period", "unit", several of them, or None, default=("segment",)
            What to group by; None is everything together.
        plan : Allocation or dataframe, optional
            What was meant to be done: a column ``segment`` or ``action`` (or both), perhaps ``period``, and at least
            one of ``effort``, ``cost``, ``outcome``.
        plan_for : {"all periods", "each period"}, default="all periods"
            What a plan without a column ``period`` is for: all periods of the ledger together, or each of them.
        budget : float, optional
            Money that there was for all periods together; what was not spent of it is shown.
        level : float, default=0.9
            Level of the intervals.

        Returns
        -------
        LedgerReturns

        Raises
        ------
        LedgerError
            If the ledger has no entries.
        ColumnError, TypeError, ValueError
            If `by`, the plan or the budget is not what it should be.
        """
        from segmentation.monitoring._returns import compute_returns

        return compute_returns(self.cells(), by=by, plan=plan, plan_for=plan_for, budget=budget, level=level)

    def check(self) -> tuple[str, ...]:
        """Read the whole file and say what is damaged: nothing, where the result is empty.

        A PostgreSQL database checks itself; the result is empty there.
        """
        return tuple(self._store.check())

    def __len__(self) -> int:
        """Count all entries, corrected ones and retractions too."""
        with self._store.reading() as run:
            return int(run("SELECT COUNT(*) FROM ledger_entries")[0][0])

    def __bool__(self) -> bool:
        return True

    # ------------------------------------------------------------------ as an object
    def close(self) -> None:
        """Close it; the next use opens it again."""
        self._store.close()

    def __enter__(self) -> ReturnLedger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ReturnLedger({self._store.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is None:
            raise TypeError(f"{self!r} cannot be pickled: its URL may hold a password. Open it in each process.")
        return _reopened, (str(self._path), self.timeout)

    # ------------------------------------------------------------------ inside a transaction
    def _insert(self, run: Run, entry: Mapping[str, Any], **more: Any) -> int:
        row = self._rows(run, [entry])[0] | more
        return int(run(f"{_INSERT} RETURNING entry", row)[0][0])

    def _insert_many(self, run: Run, entries: list[dict[str, Any]], keys: list[str] | None = None) -> None:
        if not entries:
            return
        rows = self._rows(run, entries)
        if keys is not None:
            for row, entry, key in zip(rows, entries, keys, strict=True):
                row |= {"key": key, "content": content_of(entry)}
        run(_INSERT, rows)

    def _rows(self, run: Run, entries: list[Any]) -> list[dict[str, Any]]:
        cells = self._cell_numbers(run, {tuple(entry[name] for name in CELL) for entry in entries})
        now = _now()
        return [
            {
                "cell": cells[tuple(entry[name] for name in CELL)],
                **{name: entry[name] for name in (*AMOUNTS, "note")},
                "key": None, "content": None, "corrects": None, "void": 0, "recorded_at": now,
            }
            for entry in entries
        ]  # fmt: skip

    @staticmethod
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

    def _open_entry(self, run: Run, entry: Any) -> dict[str, Any]:
        """Return the fields of an entry that may still be corrected."""
        if isinstance(entry, bool) or not isinstance(entry, numbers.Integral):
            raise TypeError(f"entry must be the number of an entry, got {entry!r}.")
        columns = ", ".join([*(f"c.{name}" for name in CELL), *(f"e.{name}" for name in (*AMOUNTS, "note", "void"))])
        sql = f"SELECT {columns} FROM ledger_entries e JOIN ledger_cells c ON c.cell = e.cell WHERE e.entry = :entry"  # noqa: S608
        rows = run(sql, {"entry": int(entry)})
        if not rows:
            raise LedgerError(
                f"there is no entry {entry}; the ledger has {count(self._count(run), 'entry', 'entries')}."
            )
        if rows[0][-1]:
            raise LedgerError(f"entry {entry} is a retraction, and cannot be corrected; add a new entry.")
        latest = self._latest(run, int(entry))
        if latest != entry:
            raise LedgerError(f"entry {entry} was corrected already; the entry that stands for it is {latest}.")
        return dict(zip(FIELDS, rows[0][:-1], strict=True))

    @staticmethod
    def _count(run: Run) -> int:
        return int(run("SELECT COUNT(*) FROM ledger_entries")[0][0])

    @staticmethod
    def _latest(run: Run, entry: int) -> int:
        while found := run("SELECT entry FROM ledger_entries WHERE corrects = :entry", {"entry": entry}):
            entry = int(found[0][0])
        return entry


def _all_cells(run: Run) -> dict[tuple[str, ...], int]:
    return {tuple(row[1:]): int(row[0]) for row in run(f"SELECT cell, {', '.join(CELL)} FROM ledger_cells")}  # noqa: S608


def _these_cells(run: Run, cells: list[dict[str, str]]) -> dict[tuple[str, ...], int]:
    sql = f"SELECT cell FROM ledger_cells WHERE {_WHERE_CELL}"  # noqa: S608
    return {tuple(cell.values()): int(number) for cell in cells for (number,) in run(sql, cell)}


def _reopened(path: str, timeout: float) -> ReturnLedger:
    return ReturnLedger(path, timeout=timeout)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
