"""The assignment table: which customer is in which segment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, nearest
from segmentation._frames import is_frame, kind_of
from segmentation._notes import notes_of, with_notes
from segmentation._validation import as_customers, customer_index
from segmentation.exceptions import AssignmentError

__all__ = ["UNASSIGNED", "as_assignment", "make_assignment", "relabel"]

UNASSIGNED = "unassigned"
"""Name of being in no segment; never the name of a segment."""


def make_assignment(
    codes: NDArray[np.int64], membership: NDArray[np.float64], segments: Iterable[str], index: pd.Index
) -> pd.DataFrame:
    """Build the assignment table from codes and membership.

    Parameters
    ----------
    codes : ndarray of shape (n_customers,)
        Position in `segments`, -1 for none.
    membership : ndarray of shape (n_customers, n_segments)
    segments : iterable of str
    index : pandas.Index of customer ids

    Returns
    -------
    pandas.DataFrame
        ``segment`` and ``membership``, as `assign` describes them.
    """
    names = list(segments)
    degree = np.zeros(len(codes))
    assigned = codes >= 0
    degree[assigned] = membership[assigned, codes[assigned]]
    categories = pd.Index([*names, UNASSIGNED], dtype=object)
    positions = np.where(assigned, codes, len(names))
    return pd.DataFrame(
        {"segment": pd.Categorical.from_codes(positions, categories=categories), "membership": degree},
        index=index,
    )


def as_assignment(assignment: Any) -> pd.DataFrame:
    """Return a valid assignment table made from a table, or from a Series of segment names.

    Segments that are no Categorical become one, their names in sorted order; a missing segment, and the code -1 among
    whole numbers, become "unassigned", with membership 0; a missing membership column becomes 1 for the assigned.

    Raises
    ------
    AssignmentError
        If there is no column ``segment`` or a membership lies outside [0, 1].
    CustomerTableError
        If ids are missing or stand twice.
    """
    if isinstance(assignment, pd.Series):
        assignment = assignment.rename("segment").to_frame()
    if not is_frame(assignment):
        raise TypeError(f"an assignment is a table with a column 'segment', got {kind_of(assignment)}.")
    table = as_customers(assignment)
    if "segment" not in table.columns:
        raise AssignmentError(
            f"an assignment needs a column 'segment', got {name_some(table.columns)}; "
            "segmentation.assign(model, customers) makes one."
        )
    segment = _as_categories(table["segment"])
    if "membership" in table.columns:
        try:
            membership = table["membership"].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise AssignmentError(f"membership must be numbers in [0, 1]: {error}.") from error
    else:
        membership = (segment != UNASSIGNED).astype(np.float64)
    outside = np.flatnonzero(~((membership >= 0) & (membership <= 1)))
    if outside.size:
        raise AssignmentError(
            f"membership must lie in [0, 1]; it does not for {count(outside.size, 'customer')}: "
            f"{name_some(table.index[outside])} (values {name_some(membership[outside])})."
        )
    membership = np.where(segment == UNASSIGNED, 0.0, membership)
    return pd.DataFrame({"segment": segment, "membership": membership}, index=table.index)


def _as_categories(column: pd.Series[Any]) -> pd.Categorical:
    """Give a column of segment names the categories of an assignment: all segments, then "unassigned"."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = list(column.cat.categories)
    else:
        if pd.api.types.is_integer_dtype(column.dtype):  # labels_ of a clusterer: -1 is in none
            column = column.astype(object).where(column != -1)
        known = column.dropna().unique().tolist()
        try:
            known = sorted(known)  # numbers by their size: 2 before 10
        except TypeError:  # different kinds of names
            known = sorted(known, key=str)
    names = [str(name) for name in known if name != UNASSIGNED]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise AssignmentError(f"segment names must be unique as text; repeated: {name_some(repeated)}.")
    as_text = column.astype(object).map(lambda name: UNASSIGNED if pd.isna(name) else str(name))
    return pd.Categorical(as_text, categories=pd.Index([*names, UNASSIGNED], dtype=object))


def relabel(assignment: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Rename segments; two that get the same name become one.

    Parameters
    ----------
    assignment : pandas.DataFrame
        From `assign`, or any table with a column ``segment`` that is indexed by customer.
    names : mapping of old name to new name
        Segments that are not named keep their name. The new name "unassigned" dissolves a segment.

    Returns
    -------
    pandas.DataFrame
        A new assignment table. A merged segment stands where the first of its parts stood; the membership of a
        customer whose segment was dissolved becomes 0.

    Raises
    ------
    AssignmentError
        If a name to be replaced is no segment, or a new name is not a non-empty text.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import relabel
    >>> table = pd.DataFrame({"segment": ["a", "b", "c"]}, index=pd.Index([7, 8, 9], name="customer_id"))
    >>> relabel(table, {"a": "loyal", "b": "loyal"})["segment"].to_dict()
    {7: 'loyal', 8: 'loyal', 9: 'c'}
    """
    table = as_assignment(assignment)
    old = list(table["segment"].cat.categories[:-1])
    unknown = [name for name in names if name not in old]
    if unknown:
        close = nearest(unknown[0], old)
        raise AssignmentError(
            f"cannot rename {name_some(unknown)}: the segments are {name_some(old)}."
            f"{f' Did you mean {name_some(close)}?' if close else ''}"
            f"{' Being unassigned is no segment and keeps its name.' if UNASSIGNED in unknown else ''}"
        )
    wrong = [name for name in names.values() if not isinstance(name, str) or not name.strip()]
    if wrong:
        raise AssignmentError(f"a new name must be a non-empty text, got {name_some(wrong)}.")
    renamed = {name: names.get(name, name) for name in old} | {UNASSIGNED: UNASSIGNED}
    categories = [*dict.fromkeys(new for new in renamed.values() if new != UNASSIGNED), UNASSIGNED]
    segment = pd.Categorical(
        table["segment"].map(renamed).astype(object), categories=pd.Index(categories, dtype=object)
    )
    membership = np.where(segment == UNASSIGNED, 0.0, table["membership"])
    result = pd.DataFrame({"segment": segment, "membership": membership}, index=customer_index(table.index))
    return with_notes(result, notes_of(assignment))
