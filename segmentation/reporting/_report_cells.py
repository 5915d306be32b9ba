"""Which figures of a report are about so few customers that they are not published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._notes import notes_of
from segmentation.assignment import UNASSIGNED
from segmentation.governance import suppress_small_cells
from segmentation.governance._cells import protect

__all__ = ["PLAN", "Published", "is_customer_table", "is_plan", "is_profile", "published", "published_profile"]

PLAN = ("priority", "priority_score", "reason")
CUSTOMER = "customer_id"
# Columns of findings that name single customers.
NAMING = (CUSTOMER, "examples", "example_ids", "medoid", "medoid_id")


@dataclass(frozen=True)
class Published:
    """A table as it is published, which of its cells were blanked, and why."""

    table: pd.DataFrame
    hidden: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was blanked."""
        return not self.hidden.to_numpy().any()

    @property
    def segments_not_shown(self) -> frozenset[str]:
        """Of a profile: the segments of which nothing is shown."""
        return frozenset(map(str, self.table.index[self.hidden["n_customers"]]))


def is_customer_table(table: pd.DataFrame) -> bool:
    """Whether the rows are customers."""
    return CUSTOMER in table.index.names or {"segment", "membership"} <= set(table.columns)


def is_profile(table: pd.DataFrame) -> bool:
    """Whether it is a table as `profile_segments` makes it."""
    return {"n_customers", "share"} <= set(table.columns) and table.index.name == "segment" and table.index.is_unique


def is_plan(table: pd.DataFrame) -> bool:
    """Whether it is a table as ``prioritize`` makes it."""
    return set(PLAN) <= set(table.columns) and "n_customers" not in table.columns and table.index.is_unique


def published_profile(
    profile: pd.DataFrame, minimum: int, assignment: pd.DataFrame | None = None, features: pd.DataFrame | None = None
) -> Published:
    """Blank the small cells of a profile, with a plan joined to it or without."""
    if minimum < 2:  # nobody is fewer than one customer
        return Published(pd.DataFrame(profile), _nothing(profile))
    known = {"assignment": assignment, "features": features} if assignment is not None and features is not None else {}
    shown = suppress_small_cells(profile, minimum, **known)
    plain = pd.DataFrame(shown)
    hidden = plain.isna() & profile.notna()
    if "reason" in plain.columns:
        hidden["reason"] = plain["reason"].astype(object).ne(profile["reason"].astype(object))
    notes = tuple(note for note in notes_of(shown) if note not in notes_of(profile))
    return Published(plain, hidden.astype(bool), notes)


def published(
    table: pd.DataFrame, minimum: int, small: frozenset[str], segments: frozenset[str], *, customers: bool
) -> Published:
    """Blank the rows and columns about small segments of any table of segments, and names of customers.

    Parameters
    ----------
    table : pandas.DataFrame
    minimum : int
        Fewest customers that a figure may rest on.
    small, segments : frozenset of str
        Segments of the report that are not shown, and all.
    customers : bool
        Whether columns that name customers stay.
    """
    notes = []
    naming = [] if customers else [name for name in table.columns if name in NAMING]
    if naming:
        table = table.drop(columns=naming)
        verb = "names" if len(naming) == 1 else "name"
        notes.append(
            f"Not shown, because {verb} customers: {count(len(naming), 'column')} {name_some(naming)} (add(..., "
            "customers=True) shows it)."
        )
    hidden = _nothing(table)
    if minimum >= 2:
        rows, keys = _rows_about_small(table, minimum, small, segments)
        columns = [name for name in table.columns if name not in (*keys, "priority")]
        hidden.loc[:, columns] = rows[:, None]
        if small:
            hidden.loc[:, [name for name in columns if str(name) in small]] = True
        hidden &= table.notna()
        if hidden.to_numpy().any():
            notes.append(
                f"{count(int(hidden.to_numpy().sum()), 'figure')} not shown: of segments with fewer than {minimum} "
                "customers, or needed so that the size of such a segment cannot be computed."
            )
    return Published(_blanked(table, hidden), hidden, tuple(notes))


def _nothing(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.zeros(table.shape, dtype=bool), index=table.index, columns=table.columns)


def _rows_about_small(
    table: pd.DataFrame, minimum: int, small: frozenset[str], segments: frozenset[str]
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], list[Any]]:
    """Return which rows are about a segment too small to show, and the columns that name segments."""
    rows = np.zeros(len(table), dtype=bool)
    levels = [table.index.get_level_values(i) for i in range(table.index.nlevels)]
    in_index = [level for level in levels if _names_segments(level.name, level, segments)]
    keys = [name for name in table.columns if _names_segments(name, table[name], segments)]
    for values in (*in_index, *(table[name] for name in keys)):
        rows |= np.array([str(value) in small for value in values], dtype=bool)
    if (in_index or keys) and "n_customers" in table.columns:
        size = pd.to_numeric(table["n_customers"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        size = np.nan_to_num(size)
        one_row_each = len(in_index) == 1 and not keys and table.index.is_unique and table.index.nlevels == 1
        rows |= protect(size, minimum) if one_row_each else (size > 0) & (size < minimum)
    return rows, keys


def _names_segments(name: Any, values: Iterable[Any], segments: frozenset[str]) -> bool:
    """Whether a column or a level of the index says which segment a row is about."""
    there = {str(value) for value in values if isinstance(value, str)}
    if not there:
        return False
    return str(name).startswith("segment") or (bool(segments) and there <= segments | {UNASSIGNED})


def _blanked(table: pd.DataFrame, hidden: pd.DataFrame) -> pd.DataFrame:
    columns = []
    for place in range(table.shape[1]):
        column, gone = table.iloc[:, place], hidden.iloc[:, place].to_numpy()
        # objects hold whole numbers, texts and holes alike; the page writes each as what it is
        columns.append(column.astype(object).mask(gone, None) if gone.any() else column)
    result = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=table.index)
    result.columns = table.columns
    return result
