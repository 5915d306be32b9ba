"""A ledger in a database that SQLAlchemy reaches: PostgreSQL for a team, or an SQLite file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segmentation.monitoring._ledger_errors import LedgerBusyError, LedgerError
from segmentation.monitoring._ledger_schema import POSTGRES, TABLES, VERSION
from segmentation.monitoring._ledger_store import FileStore, Run, opened

__all__ = ["UrlStore"]

# Any number that nobody else takes: one client at a time makes the tables.
CREATION_LOCK = 0x53674C64


class UrlStore:
    """A ledger behind a SQLAlchemy engine; the statements are those of `FileStore`."""

    def __init__(self, url: str, timeout: float) -> None:
        self._sqlalchemy = _imported()
        try:
            parsed = self._sqlalchemy.make_url(url)
        except self._sqlalchemy.exc.ArgumentError as error:
            raise LedgerError(
                "the text is no SQLAlchemy URL such as postgresql+psycopg://user@host/database."
            ) from error
        self.timeout = timeout
        self.name = parsed.render_as_string(hide_password=True)
        self.kind = parsed.get_backend_name()
        self._file: FileStore | None = None
        self._pid = os.getpid()
        if self.kind == "sqlite":
            self._engine = self._of_file(parsed)
        elif self.kind == "postgresql":
            self._engine = self._sqlalchemy.create_engine(parsed, pool_pre_ping=True)
            with self.translated():
                self._prepare()
        else:
            raise LedgerError(f"{self.name}: a ledger lives in SQLite or PostgreSQL, not in {self.kind}.")

    def _of_file(self, url: Any) -> Any:
        if not url.database or url.database == ":memory:":
            raise LedgerError(f"{self.name}: a ledger is a file, for instance sqlite:///returns.db, not memory.")
        path = Path(url.database)
        self._file = FileStore(path, self.timeout)  # for its checks, and for making it
        engine = self._sqlalchemy.create_engine(
            url, creator=lambda: opened(path, self.timeout), poolclass=self._sqlalchemy.pool.NullPool
        )

        def begin(connection: Any) -> None:
            connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

        self._sqlalchemy.event.listen(engine, "begin", begin)
        return engine

    def _prepare(self) -> None:
        """Make the tables of a PostgreSQL ledger where there are none; refuse those of a later version."""
        inspect = self._sqlalchemy.inspect
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({CREATION_LOCK})")
            present = set(inspect(connection).get_table_names()) & set(TABLES)
            if not present:
                for statement in POSTGRES:
                    connection.exec_driver_sql(statement)
                connection.exec_driver_sql(f"INSERT INTO ledger_meta VALUES ('version', '{VERSION}')")  # noqa: S608
                return
            if missing := sorted(set(TABLES) - present):
                raise LedgerError(f"{self.name} holds a part of a ledger only; tables are missing: {missing}.")
            found = connection.exec_driver_sql("SELECT value FROM ledger_meta WHERE name = 'version'").scalar()
        if found is None or not str(found).isdigit() or int(found) > VERSION:
            raise LedgerError(
                f"{self.name} holds a ledger of version {found}; this release reads up to version {VERSION}. Upgrade "
                "it: pip install --upgrade customer-segments."
            )

    def _connect(self, **options: Any) -> Any:
        """Connect; never on a connection of the process that forked this one."""
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._pid = os.getpid()
        return self._engine.connect().execution_options(**options)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Run]:
        """Begin a transaction that writes."""
        with self.translated(), self._connect(begin="BEGIN IMMEDIATE") as connection, connection.begin():
            if self.kind == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(1000 * self.timeout)}")
                connection.exec_driver_sql("LOCK TABLE ledger_entries IN SHARE ROW EXCLUSIVE MODE")
            yield self._runner(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Run]:
        """Begin a transaction that sees one state."""
        level = {"isolation_level": "REPEATABLE READ"} if self.kind == "postgresql" else {}
        with self.translated(), self._connect(**level) as connection, connection.begin():
            yield self._runner(connection)

    def _runner(self, connection: Any) -> Run:
        def run(sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
            result = connection.execute(self._sqlalchemy.text(sql), values or None)
            return [tuple(row) for row in result] if result.returns_rows else []

        return run

    def check(self) -> list[str]:
        """Run the checks of the database, where it has them."""
        return [] if self._file is None else self._file.check()

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()
        if self._file is not None:
            self._file.close()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Say in the words of a ledger what the database reports; never with the password of the URL."""
        errors = self._sqlalchemy.exc
        try:
            if self._file is None:
                yield
            else:
                with self._file.translated():
                    yield
        except errors.OperationalError as error:
            text = str(error.orig).strip()
            if "lock" in text:
                raise LedgerBusyError(
                    f"{self.name}: another writer held the ledger for {self.timeout:g} s and nothing was written."
                ) from error
            raise LedgerError(f"{self.name}: {text}.") from error
        except errors.DBAPIError as error:
            raise LedgerError(f"{self.name}: {str(error.orig).strip()}.") from error


def _imported() -> Any:
    """Import SQLAlchemy, or say how to get it."""
    try:
        import sqlalchemy
        import sqlalchemy.event
        import sqlalchemy.exc
        import sqlalchemy.pool
    except ImportError as error:
        raise ImportError(
            "a ledger behind a URL needs SQLAlchemy, which is not installed: "
            'pip install "customer-segments[sqlalchemy]" (and a driver, for instance psycopg). A path needs neither.'
        ) from error
    return sqlalchemy
