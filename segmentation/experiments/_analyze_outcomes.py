"""What is measured in an experiment: outcomes as users state them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from segmentation._format import name_some, number
from segmentation._frames import kind_of

__all__ = ["Outcome", "as_outcomes"]

KINDS = ("auto", "proportion", "mean")


@dataclass(frozen=True)
class Outcome:
    """One outcome of an experiment, where a column by itself does not say enough.

    Parameters
    ----------
    column : str
        Column of the table.
    per : str, optional
        Column to divide by: the outcome is the ratio of both means (spend per order), with the spread of a ratio (delta
        method), never the mean of each customer's ratio.
    log : bool, default=False
        Compare means of ``log(1 + value)``: large amounts count less, and the relative lift is that of the geometric
        mean of 1 + value. It answers another question than money does: a treatment can raise it and lose money.
    cap : float, optional
        Amounts above count as this one, in every arm. Fix it before you see the results.
    trim : float, optional
        Compare trimmed means: in every arm this share of customers is left out at each end (Yuen 1974,
        doi:10.1093/biomet/61.1.165). Needs rows.
    kind : {"auto", "proportion", "mean"}, default="auto"
        An outcome of only 0 and 1 (or False and True) is a proportion, unless "mean" is said.
    name : str, optional
        How results call it; made from the others by default.

    Examples
    --------
    >>> from segmentation.experiments import Outcome
    >>> [Outcome("spend", per="orders").label, Outcome("spend", log=True).label, Outcome("spend", cap=500).label]
    ['spend / orders', 'log(1 + spend)', 'spend capped at 500']
    """

    column: str
    per: str | None = None
    log: bool = False
    cap: float | None = None
    trim: float | None = None
    kind: str = "auto"
    name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise TypeError(f"the column of an outcome must be a name, got {kind_of(self.column)}.")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {name_some(KINDS)}, got {self.kind!r} for {self.column!r}.")
        options = [
            text
            for text, chosen in (
                ("per", self.per is not None), ("log", self.log), ("cap", self.cap is not None),
                ("trim", self.trim is not None),
            ) if chosen
        ]  # fmt: skip
        if len(options) > 1:
            raise ValueError(f"{self.column!r} has {name_some(options)}: at most one of them; make two outcomes.")
        if options and self.kind == "proportion":
            raise ValueError(f"{self.column!r} is a proportion, for which {options[0]!r} has no meaning: leave it out.")
        if self.cap is not None and not math.isfinite(self.cap):
            raise ValueError(f"cap must be a finite amount, got {self.cap!r} for {self.column!r}.")
        if self.trim is not None and not 0 < self.trim < 0.5:
            raise ValueError(
                f"trim is the share left out at each end, above 0 and below .5, got {self.trim!r} for {self.column!r}."
            )

    @property
    def label(self) -> str:
        """What results call it."""
        if self.name is not None:
            return self.name
        if self.per is not None:
            return f"{self.column} / {self.per}"
        if self.log:
            return f"log(1 + {self.column})"
        if self.cap is not None:
            return f"{self.column} capped at {number(self.cap)}"
        return f"{self.column} trimmed {100 * self.trim:g} %" if self.trim is not None else self.column

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is made from."""
        return (self.column,) if self.per is None else (self.column, self.per)


def as_outcomes(outcomes: Any) -> tuple[Outcome, ...]:
    """Read outcomes: a name, an `Outcome`, or several of them.

    Raises
    ------
    TypeError, ValueError
        If one is neither, none is given, or two have one name.
    """
    if isinstance(outcomes, str | Outcome):
        outcomes = [outcomes]
    if not isinstance(outcomes, Iterable):
        raise TypeError(f"outcomes must be column names or Outcome(...), got {kind_of(outcomes)}.")
    read = []
    for item in outcomes:
        if not isinstance(item, str | Outcome):
            raise TypeError(f"an outcome is a column name or Outcome(...), got {kind_of(item)}.")
        read.append(Outcome(item) if isinstance(item, str) else item)
    if not read:
        raise ValueError("outcomes is empty: name at least one column to compare.")
    labels = [outcome.label for outcome in read]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(
            f"outcomes of one name: {name_some(twice)}. Leave one out, or give it a name of its own (name=)."
        )
    return tuple(read)
