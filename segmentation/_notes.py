"""Tables that say, when they are printed, what a reader must know about them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import pandas as pd

__all__ = ["NotedTable", "notes_of", "with_notes"]

NOTES = "notes"


class NotedTable(pd.DataFrame):
    """A DataFrame that prints the sentences in ``attrs["notes"]`` below itself; any operation gives a plain one."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        return "\n".join([super().__repr__(), *(f"Note: {note}" for note in notes_of(self))])

    def _repr_html_(self) -> str | None:
        table: str | None = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]  # the stubs do not know it
        return None if table is None else table + "".join(f"<p>Note: {escape(note)}</p>" for note in notes_of(self))


def notes_of(table: Any) -> tuple[str, ...]:
    """Return the notes of a table, none for a plain one."""
    return tuple(getattr(table, "attrs", {}).get(NOTES, ()))


def with_notes(table: pd.DataFrame, notes: Iterable[str]) -> pd.DataFrame:
    """Return the table with notes, or as it is where there are none.

    Examples
    --------
    >>> print(with_notes(pd.DataFrame({"n": [1]}), ["only one customer"]))
       n
    0  1
    Note: only one customer
    """
    listed = tuple(dict.fromkeys(notes))
    if not listed:
        return table
    noted = NotedTable(table)
    noted.attrs = {**table.attrs, NOTES: listed}
    return noted
