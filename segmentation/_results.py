"""What all results share: they print themselves, show themselves in a notebook and turn into plain values."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

__all__ = ["Result", "noted", "paragraphs", "plain", "records"]


class Result:
    """A result with a `table`, `settings` and `warnings`.

    `str` is a class's own. What stands above the table in a notebook (`_opening`), what is shown of it (`_shown`), what
    stands below (`_closing`) and what `to_dict` holds (`_facts`), a class says where that is more than is said here.
    """

    if TYPE_CHECKING:  # fields of the dataclasses, or properties

        @property
        def table(self) -> pd.DataFrame: ...

        @property
        def settings(self) -> Mapping[str, Any]: ...

        @property
        def warnings(self) -> tuple[str, ...]: ...

    def _opening(self) -> Iterable[str]:
        """Return the sentences above the table, the headline first."""
        return str(self).splitlines()[:1]

    def _shown(self) -> pd.DataFrame:
        """Return the rows and columns that a person reads first."""
        return self.table

    def _html_tables(self) -> Iterable[str]:
        """Return the tables as HTML."""
        shown: Any = self._shown()
        return (shown.round(3).to_html(escape=True, na_rep=""),)

    def _closing(self) -> Iterable[str]:
        """Return the sentences below the table."""
        return noted(self.warnings)

    def _facts(self) -> dict[str, Any]:
        """Return what `to_dict` turns into plain values."""
        return {"table": self.table, "settings": self.settings, "warnings": self.warnings}

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, settings and warnings as plain values that can be written as strict JSON.

        Tables are lists of rows, dates text, missing and infinite figures None.
        """
        return {_key(name): plain(value) for name, value in self._facts().items()}

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return "".join([paragraphs(self._opening()), *self._html_tables(), paragraphs(self._closing())])


def noted(warnings: Iterable[str]) -> list[str]:
    """Write each warning as a note."""
    return [f"Note: {text}" for text in warnings]


def paragraphs(texts: Iterable[str]) -> str:
    """Write each text as an HTML paragraph; names and categories can do no harm in it.

    Examples
    --------
    >>> paragraphs(["<b> & co"])
    '<p>&lt;b&gt; &amp; co</p>'
    """
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def records(table: pd.DataFrame | None, *, index: bool = False) -> list[dict[str, Any]] | None:
    """Return the rows of a table as plain values, its index first where asked for.

    Examples
    --------
    >>> records(pd.DataFrame({"segment": ["a"], "n": [3], "share": [np.nan]}))
    [{'segment': 'a', 'n': 3, 'share': None}]
    """
    if table is None:
        return None
    rows: list[dict[str, Any]] = plain((table.reset_index() if index else table).to_dict(orient="records"))
    return rows


def plain(value: Any) -> Any:
    """Turn a value and all that it holds into what strict JSON knows.

    numpy scalars become Python ones, dates text, what is missing or infinite None, tables a list of rows, a Series a
    mapping, arrays, tuples and sets lists, keys text, and what JSON knows nothing of its text.

    Examples
    --------
    >>> plain({"n": np.int64(3), 2: (np.nan, pd.Timestamp("2024-01-31")), "k": range(2, 4)})
    {'n': 3, '2': [None, '2024-01-31T00:00:00'], 'k': [2, 3]}
    """
    if isinstance(value, pd.DataFrame):
        return plain(value.to_dict(orient="records"))
    if isinstance(value, pd.Series):
        return {_key(name): plain(one) for name, one in value.items()}
    if isinstance(value, Mapping):
        return {_key(name): plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | pd.Index):
        return [plain(one) for one in value.tolist()] if value.ndim else plain(value.item())
    if isinstance(value, list | tuple | range | AbstractSet):
        return [plain(one) for one in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def _key(name: Any) -> str:
    return str(name.item() if isinstance(name, np.generic) else name)
