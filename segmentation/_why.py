"""The reasons for one customer's segment, and the way to find them for any segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import number

__all__ = ["Evidence", "Why", "by_substitution", "second_best", "sort_evidence", "typical_values", "what_decides"]


@dataclass(frozen=True)
class Evidence:
    """What one column says about one customer.

    Attributes
    ----------
    column : str
    value : Any
        The customer's value.
    own : Any
        What is typical of the customer's segment; None where nothing is.
    other : Any
        What is typical of the alternative; None where nothing is.
    contribution : float
        Positive: speaks for the segment and against the alternative. In the unit of the method.
    """

    column: str
    value: Any
    own: Any
    other: Any
    contribution: float


@dataclass(frozen=True)
class Why:
    """Why a customer is in a segment and not in the nearest alternative.

    Attributes
    ----------
    alternative : int
        Code of the nearest other segment, -1 for none.
    margin : float
        How far the decision is from the alternative, never negative; NaN where the method has no distance.
    text : str
        In plain words.
    evidence : tuple of Evidence
        The columns, those that speak most for the segment first.
    """

    alternative: int
    margin: float
    text: str
    evidence: tuple[Evidence, ...] = ()


def second_best(membership: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the code of the largest degree that is not the assigned one; -1 where there is none.

    For a customer in no segment it is the segment with the largest degree above zero.
    """
    n, k = membership.shape
    if k == 0:
        return np.full(n, -1, dtype=np.int64)
    others = membership.copy()
    assigned = np.flatnonzero(codes >= 0)
    others[assigned, codes[assigned]] = -1.0
    best = others.argmax(axis=1)
    largest = others[np.arange(n), best]
    # with one segment there is no other; a customer in none needs a degree to be near anything
    none = np.where(codes >= 0, largest < 0, largest <= 0)
    return np.where(none, -1, best).astype(np.int64)


def typical_values(X: Any, names: Sequence[Any], codes: NDArray[np.int64], n_segments: int) -> pd.DataFrame:
    """Return what is typical of each segment: the median of numbers, the most frequent of anything else.

    Returns
    -------
    pandas.DataFrame of shape (n_segments, n_columns), object
        None for a segment without customers.
    """
    table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=list(names))
    typical = pd.DataFrame(index=range(n_segments), columns=list(table.columns), dtype=object)
    for code in range(n_segments):
        members = table.iloc[np.flatnonzero(codes == code)]
        for name in table.columns if len(members) else ():
            column = members[name].dropna()
            if not len(column):
                continue
            numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
            typical.at[code, name] = float(column.median()) if numeric else column.mode().iloc[0]
    return typical


def by_substitution(
    segmenter: Any, X: Any, membership: NDArray[np.float64], codes: NDArray[np.int64], typical: pd.DataFrame
) -> list[Why]:
    """Explain any segmenter: give a customer, one column at a time, what is typical of the alternative.

    The contribution of a column is how much the lead of the customer's segment over the alternative, in degrees of
    membership, shrinks by that. Lead and contributions come from the model itself.
    """
    alternatives = second_best(membership, codes)
    lead = _lead(membership, codes, alternatives)
    table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=list(typical.columns))
    contributions = np.zeros((len(table), table.shape[1]))
    for j, name in enumerate(table.columns):
        for code in np.unique(alternatives[alternatives >= 0]):
            value, rows = typical.at[code, name], np.flatnonzero(alternatives == code)
            if value is None or (isinstance(value, float) and np.isnan(value)):
                continue
            changed = table.iloc[rows].copy()
            changed[name] = pd.Series([value] * len(rows), index=changed.index).astype(
                changed[name].dtype, errors="ignore"
            )
            data = changed if isinstance(X, pd.DataFrame) else changed.to_numpy(dtype=np.float64)
            new = segmenter._checked_membership(segmenter._membership(data), len(rows))
            contributions[rows, j] = lead[rows] - _lead(new, codes[rows], alternatives[rows])
    names = list(segmenter.segments_)
    result = []
    for i in range(len(table)):
        own, other = int(codes[i]), int(alternatives[i])
        evidence = sort_evidence(
            Evidence(
                str(name),
                table.iloc[i, j],
                typical.at[own, name] if own >= 0 else None,
                typical.at[other, name] if other >= 0 else None,
                float(contributions[i, j]),
            )
            for j, name in enumerate(table.columns)
        )
        result.append(
            Why(other, max(float(lead[i]), 0.0), _in_words(names, own, other, membership[i], evidence), evidence)
        )
    return result


def _lead(membership: NDArray[np.float64], codes: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """Degree of the assigned segment less that of the alternative; being in none has degree 0."""
    rows = np.arange(len(codes))
    padded = np.column_stack([membership, np.zeros(len(membership))])  # code -1 takes the last column
    lead: NDArray[np.float64] = padded[rows, codes] - padded[rows, others]
    return lead


def sort_evidence(evidence: Any) -> tuple[Evidence, ...]:
    """Put what speaks most for the segment first."""
    return tuple(sorted(evidence, key=lambda one: -one.contribution))


def _in_words(
    names: list[str], own: int, other: int, degrees: NDArray[np.float64], evidence: tuple[Evidence, ...]
) -> str:
    if own < 0:
        near = f"; nearest is {names[other]!r} (degree {degrees[other]:.2f})" if other >= 0 else ""
        return f"in no segment{near}"
    text = f"degree {degrees[own]:.2f} in {names[own]!r}"
    if other < 0:
        return text
    return f"{text}, {degrees[other]:.2f} in {names[other]!r}; {what_decides(names, own, other, evidence)}"


def what_decides(names: Sequence[str], own: int, other: int, evidence: tuple[Evidence, ...]) -> str:
    """Name the columns that speak most for the segment, and the one that speaks most against it."""
    speaking = [one for one in evidence if one.contribution > 0][:2]
    if not speaking:
        return "no single column decides"
    parts = []
    for one in speaking:
        if one.own is None or one.other is None:
            parts.append(f"{one.column} is {number(one.value)}")
            continue
        parts.append(
            f"{one.column} is {number(one.value)} (typical of {names[own]!r}: {number(one.own)}, "
            f"of {names[other]!r}: {number(one.other)})"
        )
    text = f"decided by {' and '.join(parts)}"
    against = evidence[-1]
    if against.contribution < 0:
        text += f"; against it speaks {against.column}, {number(against.value)}"
    return text
