"""What the results about overlap and affinity share: how they print."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pandas as pd

from segmentation._results import Result, noted

__all__ = ["ROWS_SHOWN", "Reported", "text_table"]

ROWS_SHOWN = 12


class Reported(Result):
    """A result that prints its headline, the rows a person reads first, and its warnings."""

    @abstractmethod
    def _headline(self) -> str:
        """Return the first line of what is printed."""

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(),)

    def _html_tables(self) -> tuple[str, ...]:
        shown: Any = self._shown()
        return (shown.to_html(escape=True, index=False, na_rep=""),)

    def __str__(self) -> str:
        shown = self._shown()
        lines = [self._headline()]
        if len(shown):
            lines.append(text_table(shown))
        return "\n".join([*lines, *noted(self.warnings)])


def text_table(table: pd.DataFrame) -> str:
    """Write a small table as text; missing figures are left blank."""
    shown: Any = table
    return str(shown.to_string(index=False, na_rep="", max_colwidth=48))
