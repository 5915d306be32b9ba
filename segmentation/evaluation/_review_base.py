"""What the checks of a review share: what a check says, how tables are matched, how advice is put into a sentence."""

from __future__ import annotations

import math
import numbers
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.exceptions import CustomerTableError

__all__ = [
    "FEWEST",
    "NOT_CHECKED",
    "ReviewCheck",
    "Status",
    "customers_of",
    "has",
    "not_checked",
    "one_sided",
    "sentence",
    "span",
    "whole",
    "worst",
]

Status = Literal["pass", "warn", "fail", "not checked"]
NOT_CHECKED: Status = "not checked"
# Fewest customers of whom a figure may be published, as in governance.suppress_small_cells.
FEWEST = 10


@dataclass(frozen=True)
class ReviewCheck:
    """One check: its name, what it asks, its status, what was found, the figures behind it, and what to do."""

    name: str
    question: str
    status: Status
    evidence: str
    recommendation: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def not_checked(name: str, question: str, needs: str) -> ReviewCheck:
    """Return the check as one that could not be made, with what it needs."""
    return ReviewCheck(name, question, NOT_CHECKED, f"Not checked: {needs} not given.", f"Give {needs}.")


def worst(statuses: list[Status]) -> Status:
    """Return the worst of several statuses."""
    return next(status for status in ("fail", "warn", "pass") if status in statuses)


def customers_of(frame: Any, table: pd.DataFrame, what: str) -> tuple[pd.DataFrame, int]:
    """Return the rows of a customer table for the customers of the assignment, and how many of them have none.

    Raises
    ------
    TypeError
        If it is neither a table nor a Series.
    CustomerTableError
        If no customer is in both.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(what if frame.name is None else frame.name)
    if not is_frame(frame):
        raise TypeError(f"{what} must be a table with one row per customer, or a Series, got {kind_of(frame)}.")
    known = as_customers(frame)
    together = table.index.intersection(known.index)
    if not len(together):
        raise CustomerTableError(
            f"no customer of the assignment is in {what}: ids look like {name_some(table.index[:3])} there and "
            f"{name_some(known.index[:3])} here."
        )
    return known.loc[together], len(table) - len(together)


def one_sided(frame: Any, table: pd.DataFrame, what: str) -> list[str]:
    """Say how many ids stand on one side only, in a table that `customers_of` takes."""
    if frame is None:
        return []
    known = frame.index if isinstance(frame, pd.Series) else as_customers(frame).index
    lacking, strange = len(table.index.difference(known)), len(known.difference(table.index))
    said = [f"{count(lacking, 'customer')} of the assignment not in it"] if lacking else []
    said += [f"{count(strange, 'customer')} in it not in the assignment"] if strange else []
    return [f"{what}: {', '.join(said)}."] if said else []


def has(result: Any, attributes: tuple[str, ...], what: str, maker: str) -> None:
    """Refuse what is no such result.

    Raises
    ------
    TypeError
    """
    if not all(hasattr(result, name) for name in attributes):
        raise TypeError(f"{what} must come from {maker}, got {kind_of(result)}.")


def whole(value: Any) -> bool:
    """Whether a value is a finite number, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_) and math.isfinite(value)


def sentence(parts: list[str]) -> str:
    """Join pieces of advice to one sentence; nothing where there is none."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def span(figures: pd.Series[Any]) -> str:
    """Say the lowest and the highest of figures per segment, and whose they are."""
    low, high = f"{figures.min():.2f}", f"{figures.max():.2f}"
    if low == high:
        return f"{low} ({figures.idxmin()})" if len(figures) == 1 else f"{low} for every segment"
    return f"{low} ({figures.idxmin()}) to {high} ({figures.idxmax()})"
