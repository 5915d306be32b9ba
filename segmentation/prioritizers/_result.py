"""What the results beside a priority list share: printing, plain values, HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

__all__ = ["Result"]


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """A table with its headline, settings and warnings.

    Attributes
    ----------
    table : pandas.DataFrame
        The main figures.
    headline : str
        What they say, in one sentence.
    settings : dict
    warnings : tuple of str
        What must be known beside the figures.
    """

    table: pd.DataFrame
    headline: str
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return headline, table, settings and warnings as plain values."""
        return {
            "headline": self.headline,
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
            "table": self.table.reset_index().to_dict("records"),
        }

    def __str__(self) -> str:
        shown = self.table.to_string(float_format=lambda value: f"{value:,.3g}")
        return "\n".join([self.headline, shown, *(f"Note: {text}" for text in self.warnings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(float_format='{:,.3g}'.format)}{notes}"
