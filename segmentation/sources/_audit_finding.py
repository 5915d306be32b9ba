"""One thing that an audit found: what, where, how many, why it is thought so, and what can be done."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation._format import percent

__all__ = ["SEVERITIES", "Finding"]

SEVERITIES = ("error", "warning", "note")
"""Worst first: what cannot be right, what is probably not, what is worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One finding of an audit.

    Attributes
    ----------
    check : str
        Name of the check, for instance ``"placeholder_number"``.
    severity : {"error", "warning", "note"}
        Cannot be right; probably is not right; worth knowing.
    columns : tuple of hashable
        The columns concerned; empty where it is about the rows.
    count : int
        Customers (rows) concerned.
    share : float
        `count` as a share of all rows, in [0, 1].
    examples : tuple
        Up to five ids of rows concerned: of the id column or the index, or row labels where there is neither.
    evidence : str
        What was seen, with figures.
    recommendation : str
        What to do about it.
    fix : mapping or None
        Machine-readable repair, for `DataQualityReport.apply`: ``{"action": ..., ...}``. None where only a person can
        decide.
    """

    check: str
    severity: str
    columns: tuple[Hashable, ...]
    count: int
    share: float
    examples: tuple[Any, ...]
    evidence: str
    recommendation: str
    fix: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of this finding in its report: the check and its columns.

        Examples
        --------
        >>> Finding("outlier", "warning", ("income",), 1, 0.1, (7,), "far off", "look at it").name
        'outlier:income'
        """
        return f"{self.check}:{'+'.join(str(column) for column in self.columns)}" if self.columns else self.check

    def to_dict(self) -> dict[str, Any]:
        """Return every field, and the name, as plain values."""
        return {
            "name": self.name,
            "check": self.check,
            "severity": self.severity,
            "columns": list(self.columns),
            "count": self.count,
            "share": self.share,
            "examples": list(self.examples),
            "evidence": self.evidence,
            "recommendation": self.recommendation,
            "fix": dict(self.fix) if self.fix is not None else None,
        }

    def __str__(self) -> str:
        return f"{self.severity:7} {self.name}: {self.count:,} ({percent(self.share)}). {self.evidence}"
