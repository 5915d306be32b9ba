"""An append-only record of effort, cost and outcome per segment, action and period."""

from __future__ import annotations

import numbers
import os
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation.monitoring._ledger_entry import FIELDS, checked_key, content_of, one_entry
from segmentation.monitoring._ledger_errors import LedgerError
from segmentation.monitoring._ledger_import import ON_CHANGE, LedgerImport, read_table
from segmentation.monitoring._ledger_read import read_cells, read_entries
from segmentation.monitoring._ledger_store import FileStore, Store, is_url
from segmentation.monitoring._ledger_write import add_keyed, insert, open_entry, take_keyed, take_whole

__all__ = ["ReturnLedger"]


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
        checked = None if key is None else checked_key(key)
        with self._store.writing() as run:
            return insert(run, entry) if checked is None else add_keyed(run, entry, checked)

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
            old = open_entry(run, entry)
            new = one_entry(old | changes)
            if content_of(new) == content_of(old):
                raise LedgerError(f"the correction of entry {entry} changes nothing.")
            return insert(run, new, corrects=int(entry))

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
            old = open_entry(run, entry)
            return insert(run, old | {"note": note.strip()}, corrects=int(entry), void=1)

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
        with self._store.writing() as run:
            if rows.keys is None:
                return take_whole(run, rows)
            return take_keyed(run, rows, rows.keys, on_change)

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
        with self._store.reading() as run:
            return read_entries(run, history=bool(history))

    def cells(self) -> pd.DataFrame:
        """Return the sums of the entries that count, one row per segment, action, period, arm and unit.

        Returns
        -------
        pandas.DataFrame
            ``segment`` and ``action`` ("" where not stated), ``period``, ``arm``, ``unit``, ``n_entries``, the sums
            ``effort``, ``cost``, ``outcome``, ``n_customers`` (0 where nothing is stated) and how many entries state
            each: ``stated_effort``, ...
        """
        with self._store.reading() as run:
            return read_cells(run)

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


def _reopened(path: str, timeout: float) -> ReturnLedger:
    return ReturnLedger(path, timeout=timeout)
