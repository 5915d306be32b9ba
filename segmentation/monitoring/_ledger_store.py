"""Where a ledger is kept: an SQLite file, or a database behind SQLAlchemy. Both run the same statements."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from segmentation._format import name_some
from segmentation.monitoring._ledger_errors import LedgerBusyError, LedgerError
from segmentation.monitoring._ledger_schema import APPLICATION_ID, SQLITE, TABLES, TRIGGERS, VERSION

__all__ = ["FileStore", "Run", "Store", "configured", "is_url"]

Run = Callable[..., list[tuple[Any, ...]]]
"""``run(sql, values)``: rows of a statement with :named values; with a list of mappings, once for each, no rows."""

# RETURNING, and upserts, of the SQLite that Python is linked with.
OLDEST_SQLITE = (3, 35, 0)


class Store(Protocol):
    """What a ledger needs of its database."""

    name: str

    def writing(self) -> contextlib.AbstractContextManager[Run]:
        """Begin a transaction that no other writer shares; commit at the end, roll back at an error."""

    def reading(self) -> contextlib.AbstractContextManager[Run]:
        """Begin a transaction that sees one state of the ledger."""

    def check(self) -> list[str]:
        """Return what is damaged, in sentences."""

    def close(self) -> None:
        """Close connections; the next use opens them again."""


def is_url(path: Any) -> bool:
    """Tell whether a text is a SQLAlchemy URL, and not a path."""
    return isinstance(path, str) and "://" in path


class FileStore:
    """A ledger in an SQLite file, in write-ahead mode: readers never wait, writers wait for each other."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.path, self.timeout, self.name = path, timeout, str(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        # Of the process that forked this one: must not be closed here, because that would drop its locks.
        self._inherited: list[Any] = []
        with self.translated():
            self._connection = opened(path, timeout)

    def _own(self) -> threading.RLock:
        """Return the lock of this process; what was inherited from the one that forked it is left alone."""
        if self._pid != os.getpid():
            self._inherited.append(self._connection)
            self._lock, self._connection, self._pid = threading.RLock(), None, os.getpid()
        return self._lock

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = opened(self.path, self.timeout)
        return self._connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Run]:
        with self.translated(), self._own():
            connection = self._connected()
            connection.execute(begin)
            try:
                yield lambda sql, values=(): run_on(connection, sql, values)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def writing(self) -> contextlib.AbstractContextManager[Run]:
        """Begin a transaction that writes."""
        return self._transaction("BEGIN IMMEDIATE")

    def reading(self) -> contextlib.AbstractContextManager[Run]:
        """Begin a transaction that reads."""
        return self._transaction("BEGIN")

    def check(self) -> list[str]:
        """Run SQLite's own checks of pages, indexes and references."""
        with self.translated(), self._own():
            connection = self._connected()
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
            present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        sentences = [] if found == ["ok"] else [f"SQLite finds: {line}." for line in found]
        if broken:
            sentences.append(f"{len(broken)} entries refer to entries or cells that are not there.")
        if gone := sorted(set(TRIGGERS) - present):
            sentences.append(f"triggers that refuse changes are gone: {name_some(gone)}.")
        return sentences

    def close(self) -> None:
        """Close the connection of this process."""
        with self._own():
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Say in the words of a ledger what SQLite reports."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _operational(error, self.name, self.timeout) from error
        except sqlite3.IntegrityError as error:
            raise LedgerError(f"{self.name}: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, str(error)) from error


def _operational(error: sqlite3.OperationalError, name: str, timeout: float) -> Exception:
    text = str(error)
    if "locked" in text or "busy" in text:
        return LedgerBusyError(
            f"{name}: another process held the ledger for {timeout:g} s and nothing was written. Try again, or open "
            "it with a larger timeout."
        )
    if "readonly" in text or "unable to open" in text:
        return OSError(
            f"{name}: {text}; nothing was written. SQLite writes beside a ledger even to read it, so you need the "
            "right to write to the file and its folder: ask for it, or copy the file to a folder of your own."
        )
    if "disk is full" in text or "disk I/O" in text:
        return OSError(f"{name}: {text}; nothing was written.")
    return LedgerError(f"{name}: {text}.")


def _damaged(path: Path, reason: str) -> LedgerError:
    size = path.stat().st_size if path.exists() else 0
    return LedgerError(
        f"{path} ({size:,} bytes) cannot be read as a ledger: {reason}. It was cut off, overwritten, or is no ledger. "
        "Take it from a backup; 'sqlite3 FILE .recover' saves what can be read. Nothing was changed."
    )


def run_on(connection: sqlite3.Connection, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
    """Run a statement on an SQLite connection."""
    if isinstance(values, Mapping) or not values:
        return connection.execute(sql, values).fetchall()
    connection.executemany(sql, values)
    return []


def opened(path: Path, timeout: float) -> sqlite3.Connection:
    """Open a ledger, or make it where there is none."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerError(f"a ledger needs SQLite 3.35 or later; Python is linked with {sqlite3.sqlite_version}.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a ledger is a file in one, for instance {path / 'returns.db'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the ledger does not exist; make it first.")
    if not path.exists():
        _create(path)
    if path.stat().st_size == 0:
        raise LedgerError(
            f"{path} is empty (0 bytes), which a ledger never is: it was cut off, or another program made the file. "
            "Take it from a backup, or delete it to begin a new ledger."
        )
    connection = configured(path, timeout)
    try:
        _refuse_foreign(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def configured(path: Path, timeout: float) -> sqlite3.Connection:
    """Connect to the file of a ledger; every transaction is begun by hand."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    # First of all, so that a foreign file is read and found to be one before anything is written to it.
    if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what is acknowledged outlives a failure of power, too
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _create(path: Path) -> None:
    """Make a ledger beside its place and move it there whole, so that nobody ever meets a half-made one."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    except PermissionError as error:
        raise PermissionError(
            f"no ledger can be made in {path.parent}: {error.strerror}. Give a path in a folder that you may write to."
        ) from error
    os.close(handle)
    made = Path(name)
    try:
        connection = sqlite3.connect(made, isolation_level=None)
        try:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("BEGIN IMMEDIATE")
            for statement in SQLITE:
                connection.execute(statement)
            connection.execute("INSERT INTO ledger_meta VALUES ('version', ?)", (str(VERSION),))
            connection.execute("COMMIT")
        finally:
            connection.close()
        with contextlib.suppress(FileExistsError):  # another process was first: its ledger is the one
            try:
                os.link(made, path)
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                with path.open("xb") as file:
                    file.write(made.read_bytes())
    finally:
        made.unlink()


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        listed = name_some(sorted(tables)) or "none"
        raise LedgerError(
            f"{path} is an SQLite database of something else (tables: {listed}), no ledger; it was not touched. Give "
            "another path."
        )
    if version > VERSION:
        raise LedgerError(
            f"{path} is a ledger of version {version}; this release of customer-segments reads up to version "
            f"{VERSION}. Upgrade it: pip install --upgrade customer-segments."
        )
    if missing := sorted(set(TABLES) - tables):
        raise _damaged(path, f"tables are missing: {name_some(missing)}")
