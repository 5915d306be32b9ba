"""Texts of customers in segments that are large enough, without empty ones and copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import kind_of
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.feedback._duplicates import copies
from segmentation.feedback._input import Rows, read_rows

__all__ = ["check_two", "large_segments", "read_texts", "without_copies"]


# A text of ten words that say something has more.
FEWEST_LETTERS = 40


def read_texts(texts: Any, assignment: Any, text: Any, customer_id: Any, rating: Any, minimum: int) -> Rows:
    """Read the texts of the customers of segments in which at least `minimum` wrote."""
    columns = [text] if rating is None else [text, rating]
    rows = read_rows(texts, assignment, columns=columns, customer_id=customer_id, what="texts", single=text)
    written = rows.table[text]
    known = written.notna().to_numpy()
    wrong = next((value for value in written[known] if not isinstance(value, str)), None)
    if wrong is not None:
        raise ColumnError(f"the column {text!r} must hold texts, got {kind_of(wrong)} in it; text= names the column.")
    known = known & (written.fillna("").str.strip().to_numpy(dtype=object) != "")
    if rating is not None:
        dtype = rows.table[rating].dtype
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            raise ColumnError(f"the rating {rating!r} must be numbers, got {dtype}.")
        if np.isinf(rows.table[rating].to_numpy(dtype=np.float64, na_value=np.nan)).any():
            raise ColumnError(f"the rating {rating!r} must be finite, or missing.")
    if not known.all():
        rows.warnings.append(f"{count(int((~known).sum()), 'row')} without a text left out.")
    rows = rows.keep(known)
    segment = rows.segment
    rows, _, _ = large_segments(rows, [], None, minimum)
    check_two(rows, minimum, np.unique(segment).size)
    return rows


def check_two(rows: Rows, minimum: int, n_before: int) -> None:
    """Raise unless there are two segments left of those with texts."""
    if np.unique(rows.segment).size < 2:
        raise CustomerTableError(
            f"a segment is compared with the others: at least two need {minimum} customers who wrote something, of "
            f"{count(n_before, 'segment')} with texts {'none has' if not len(rows.ids) else 'only one has'}."
        )


def large_segments(rows: Rows, masked: list[str], by_text: Any, minimum: int) -> tuple[Rows, list[str], Any]:
    """Leave out segments of which fewer than `minimum` customers wrote: not even their size can be computed then."""
    writers = np.bincount(rows.segment_of_customer, minlength=len(rows.segments))
    small = (writers > 0) & (writers < minimum)
    if not small.any():
        return rows, masked, by_text
    names = [rows.segments[i] for i in np.flatnonzero(small)]
    rows.warnings.append(f"left out, fewer than {minimum} customers wrote something: {name_some(names)}.")
    return _keep(rows, masked, by_text, ~small[rows.segment])


def without_copies(
    rows: Rows, masked: list[str], terms: list[str], by_text: Any, rng: np.random.Generator
) -> tuple[Rows, list[str], Any]:
    """Leave out long texts that copy one of another customer."""
    single = np.flatnonzero([" " not in term for term in terms])
    # pieces of words are many in short texts as well
    long_enough = np.array([len(value) >= FEWEST_LETTERS for value in masked], dtype=np.bool_)
    copied = copies(by_text[:, single], rows.customer, rng, long_enough)
    if not copied.any():
        return rows, masked, by_text
    rows.warnings.append(f"{count(int(copied.sum()), 'long text')} left out: copies of another customer's.")
    return _keep(rows, masked, by_text, ~copied)


def _keep(rows: Rows, masked: list[str], by_text: Any, mask: NDArray[np.bool_]) -> tuple[Rows, list[str], Any]:
    kept = [value for value, flag in zip(masked, mask, strict=True) if flag] if masked else masked
    return rows.keep(mask), kept, None if by_text is None else by_text[np.flatnonzero(mask)]
