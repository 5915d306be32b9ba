"""What the results beside a priority list share: printing, plain values, HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._results import Result, noted

__all__ = ["HeadedTable"]


@dataclass(frozen=True, repr=False, eq=False)
class HeadedTable(Result):
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

    def _opening(self) -> tuple[str, ...]:
        return (self.headline,)

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "settings": self.settings,
            "warnings": self.warnings,
            "table": self.table.reset_index(),
        }

    def _html_tables(self) -> tuple[str, ...]:
        return (self.table.to_html(float_format="{:,.3g}".format),)

    def __str__(self) -> str:
        shown = self.table.to_string(float_format=lambda value: f"{value:,.3g}")
        return "\n".join([self.headline, shown, *noted(self.warnings)])
