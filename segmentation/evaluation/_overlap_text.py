"""What the results about overlap and affinity share: how they print, and what they give back."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from typing import Any

import pandas as pd

__all__ = ["Reported", "records", "text_table"]

ROWS_SHOWN = 12


class Reported(ABC):
    """A result with a headline, a `table`, `settings` and `warnings` that prints itself."""

    table: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @abstractmethod
    def _headline(self) -> str:
        """Return the first line of what is printed."""

    @abstractmethod
    def _shown(self) -> pd.DataFrame:
        """Return the rows and columns that a person reads first."""

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def __str__(self) -> str:
        shown = self._shown()
        lines = [self._headline()]
        if len(shown):
            lines.append(text_table(shown))
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        shown: Any = self._shown()
        return f"<p>{html.escape(self._headline())}</p>{shown.to_html(escape=True, index=False, na_rep='')}{notes}"


def text_table(table: pd.DataFrame) -> str:
    """Write a small table as text; missing figures are left blank."""
    shown: Any = table
    return str(shown.to_string(index=False, na_rep="", max_colwidth=48))


def records(table: pd.DataFrame | None) -> list[dict[str, Any]] | None:
    """Return the rows of a table as plain values, missing ones as None."""
    if table is None:
        return None
    rows = table.to_dict(orient="records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value
