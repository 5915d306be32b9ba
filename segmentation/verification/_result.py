"""What a verification found."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count
from segmentation._results import records

__all__ = ["Verification"]

COLUMNS = ("published", "computed", "difference", "tolerance")


@dataclass(frozen=True, repr=False, eq=False)
class Verification:
    """Published figures beside those that this library computes.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per figure: ``group``, ``what``, ``published``, ``computed`` (NaN where it could not be), ``difference``
        (computed - published), ``tolerance``, ``passed``, ``source``.
    problems : tuple of str
        What kept figures from being computed at all; empty as a rule.
    """

    table: pd.DataFrame
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every figure came out as published."""
        return self.n_failed == 0

    @property
    def n_figures(self) -> int:
        """How many were compared."""
        return len(self.table)

    @property
    def n_failed(self) -> int:
        """How many did not come out as published."""
        return int((~self.table["passed"].astype(bool)).sum())

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.passed:
            return f"All {count(self.n_figures, 'published figure')} reproduced."
        return f"FAILED: {self.n_failed} of {count(self.n_figures, 'published figure')} not reproduced."

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that can be written as JSON; None for a figure that could not be computed."""
        return {
            "passed": self.passed,
            "n_figures": self.n_figures,
            "n_failed": self.n_failed,
            "problems": list(self.problems),
            "figures": records(self.table),
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        sources = list(dict.fromkeys(self.table["source"]))
        numbers = {source: i for i, source in enumerate(sources, 1)}
        width = max((len(what) for what in self.table["what"]), default=0)
        lines = []
        for group, rows in self.table.groupby("group", sort=False):
            lines += ["", str(group), f"  {'':{width}}" + "".join(f"{name:>11}" for name in COLUMNS)]
            for row in rows.to_dict(orient="records"):
                verdict = "pass" if row["passed"] else "FAIL"
                cells = _cells(row["published"], row["computed"], row["tolerance"])
                shown = "".join(f"{cell:>11}" for cell in cells)
                lines.append(f"  {row['what']:{width}}{shown}  {verdict}  [{numbers[row['source']]}]")
        if self.problems:
            lines += ["", "Could not be computed", *(f"  {problem}" for problem in self.problems)]
        lines += ["", "Sources", *(f"  [{number}] {source}" for source, number in numbers.items())]
        return "\n".join([*lines[1:], "", self.verdict])

    def __repr__(self) -> str:
        return f"<Verification: {self.verdict}>"

    def _repr_html_(self) -> str:
        verdict = html.escape(self.verdict)
        problems = "".join(f"<p>{html.escape(problem)}</p>" for problem in self.problems)
        return f"<p><b>{verdict}</b></p>{problems}{self.table.to_html(index=False, escape=True)}"


def _cells(published: float, computed: float, tolerance: float) -> list[str]:
    """Write the figures of a row: the published one as it is printed, the others with the digits that matter."""
    digits = 0 if tolerance >= 0.5 else 1 - math.floor(math.log10(tolerance))
    if not math.isfinite(computed):
        return [f"{published:.10g}", "none", "", f"{tolerance:.2g}"]
    return [
        f"{published:.10g}",
        f"{computed:.{digits}f}",
        f"{computed - published:+.{digits}f}",
        f"{tolerance:.2g}",
    ]
