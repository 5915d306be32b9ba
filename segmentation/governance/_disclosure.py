"""Tables of segments that can be published: no figure about a handful of people, and none that gives one away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._notes import notes_of, with_notes
from segmentation._priorities import check_profile
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED, as_assignment, relabel
from segmentation.exceptions import ColumnError
from segmentation.governance._anonymity import MINIMUM
from segmentation.governance._cells import feature_counts, level_groups, protect, score_groups, yes_shares

__all__ = ["merge_small_segments", "suppress_small_cells"]

# Columns of a plan that may be joined to the profile.
PRIORITY, PRIORITY_SCORE, REASON = "priority", "priority_score", "reason"
HIDDEN_REASON = "not shown: it rests on figures that are suppressed"


def suppress_small_cells(
    profile: pd.DataFrame, minimum: int = MINIMUM, *, assignment: Any = None, features: Any = None
) -> pd.DataFrame:
    """Blank the figures of a profile that rest on fewer than `minimum` customers, or that would give one away.

    Parameters
    ----------
    profile : pandas.DataFrame
        From `segmentation.profile_segments`; a plan (``priority``, ``priority_score``, ``reason``) may be joined to it.
    minimum : int, default=10
        Fewest customers that a figure may rest on.
    assignment, features : optional
        What the profile was made of. With both, it is known for how many customers of each segment a feature has a
        value, and which features are a yes or no; without, shares are taken of all customers of the segment.

    Returns
    -------
    pandas.DataFrame
        A copy with the same rows and columns, blanked cells missing (NaN); its notes say how many and why. Prioritizers
        take it: a blanked segment is listed last, without priority.

    Raises
    ------
    TypeError, ColumnError, ValueError
        If it is no profile, `minimum` is no whole number of at least 2, or only one of `assignment` and `features`
        is given.

    Notes
    -----
    What is blanked, so that nothing below `minimum` can be read **or computed** from the table:

    1. A segment with 1 to minimum - 1 customers: its whole row. The rest of all customers is known from size and share,
       so if the blanked segments are only one, or fewer than `minimum` together, the next smallest goes too.
       Empty segments stay: they are nobody.
    2. A score that fewer have: its figures in that segment, and as in 1. the segment with the next fewest. Where
       fewer than `minimum` have *no* score, its count and mean go and the total stays.
    3. A share ``<feature>=<level>``, or the share of a yes, that stands for 1 to minimum - 1 customers, or whose
       complement does; shares of one feature add up to 1, so a single blanked one, or several that are fewer
       than `minimum` together, take the next smallest with them.
    4. ``priority_score`` and ``reason`` where they show what 1. or 2. have blanked. Their order, ``priority``, stays.

    Not seen from here: other tables about the same people, such as last month's or all customers together, whose
    difference to this one is small; a mean that one very large customer decides; and what a large segment has in
    common (a share of 0 or 1).

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.governance import suppress_small_cells
    >>> profile = pd.DataFrame(
    ...     {"n_customers": [500, 300, 3], "share": [500 / 803, 300 / 803, 3 / 803], "age": [31.0, 44.0, 71.0]},
    ...     index=pd.Index(["a", "b", "c"], name="segment"))
    >>> print(suppress_small_cells(profile).round(2))  # doctest: +NORMALIZE_WHITESPACE
             n_customers  share   age
    segment
    a              500.0   0.62  31.0
    b                NaN    NaN   NaN
    c                NaN    NaN   NaN
    """
    table = check_profile(profile)
    _check_minimum(minimum)
    if (assignment is None) != (features is None):
        raise ValueError("give assignment and features together: both say for how many customers a value is known.")
    people = as_customers(features) if features is not None else None
    size = table["n_customers"].to_numpy(dtype=np.float64, na_value=np.nan)
    counted = np.nan_to_num(size)
    known = {} if people is None else feature_counts(as_assignment(assignment), people, table.index)
    rows = protect(counted, minimum)
    hide = pd.DataFrame(False, index=table.index, columns=table.columns)
    lost = _hide_scores(table, hide, rows, minimum)
    _hide_features(table, hide, counted, minimum, people, known)
    hide.loc[rows, [name for name in table.columns if name != PRIORITY]] = True
    _hide_plan(table, hide, rows | lost)
    return _blanked(table, hide, rows, int(minimum), profile)


def _check_minimum(minimum: Any) -> None:
    if isinstance(minimum, bool) or not isinstance(minimum, int | np.integer) or minimum < 2:
        raise ValueError(f"minimum must be a whole number of at least 2, got {minimum!r}.")


def _hide_scores(table: pd.DataFrame, hide: pd.DataFrame, rows: NDArray[np.bool_], minimum: int) -> NDArray[np.bool_]:
    """Mark figures of scores; return which segments lost the total of one."""
    lost = np.zeros(len(table), dtype=bool)
    size = table["n_customers"].to_numpy(dtype=np.float64, na_value=np.nan)
    for name, columns in score_groups(list(table.columns)).items():
        n = np.nan_to_num(table[f"{name}_n"].to_numpy(dtype=np.float64, na_value=np.nan))
        gone = protect(n, minimum, hidden=rows)
        hide.loc[gone, columns] = True
        lost |= gone & ~rows
        without = size - n
        few_without = (without > 0) & (without < minimum)
        # total and mean together give the count; the total is what segments are ranked by, so it is kept
        spoken = [column for column in columns if column == f"{name}_n" or column.startswith(f"{name}_mean")]
        hide.loc[few_without, spoken] = True
    return lost


def _hide_features(
    table: pd.DataFrame,
    hide: pd.DataFrame,
    size: NDArray[np.float64],
    minimum: int,
    people: pd.DataFrame | None,
    known: Any,
) -> None:
    """Mark shares of levels, shares of a yes, and means over few."""
    columns = list(table.columns)
    levels = level_groups(columns, people)
    for name, shares in levels.items():
        n = known.get(name, size)
        counts = np.nan_to_num(table[shares].to_numpy(dtype=np.float64, na_value=np.nan) * n[:, None]).round(6)
        for row in range(len(table)):
            # levels that the table does not show are the other part of the sum
            rest = round(max(n[row] - counts[row].sum(), 0.0), 6)
            hide.loc[table.index[row], shares] = protect(np.append(counts[row], rest), minimum)[:-1]
    taken = {"n_customers", "share", PRIORITY, PRIORITY_SCORE, REASON}
    taken |= {column for group in [*score_groups(columns).values(), *levels.values()] for column in group}
    others = [name for name in columns if name not in taken]
    if people is not None:
        yes = [
            name
            for name in others
            if name in people.columns and people[name].dropna().isin([0, 1]).all() and people[name].notna().any()
        ]
    else:
        yes = yes_shares(table, size, others)
    for name in yes:
        n = known.get(str(name), size)
        one = np.nan_to_num(table[name].to_numpy(dtype=np.float64, na_value=np.nan) * n).round(6)
        small = [protect(np.array([a, b - a]), minimum).any() for a, b in zip(one, n, strict=True)]
        hide.loc[small, name] = True
    for name in others:
        if str(name) in known:
            n = known[str(name)]
            hide.loc[(n > 0) & (n < minimum), name] = True
    for name, shares in levels.items():
        if name in known:
            hide.loc[(known[name] > 0) & (known[name] < minimum), shares] = True


def _hide_plan(table: pd.DataFrame, hide: pd.DataFrame, lost: NDArray[np.bool_]) -> None:
    """Mark the score and the reason of a plan where they repeat what is hidden."""
    plan = [name for name in (PRIORITY_SCORE, REASON) if name in table.columns]
    if not plan:
        return
    told = lost.copy()
    if REASON in table.columns:
        for row, text in enumerate(table[REASON].astype(str)):
            told[row] |= any(str(name) in text for name in table.columns[hide.iloc[row].to_numpy()])
    hide.loc[told, plan] = True


def _blanked(
    table: pd.DataFrame, hide: pd.DataFrame, rows: NDArray[np.bool_], minimum: int, profile: pd.DataFrame
) -> pd.DataFrame:
    columns: dict[Any, Any] = {}
    for name in table.columns:
        column = table[name]
        if not hide[name].any():
            columns[name] = column
        elif name == REASON:
            columns[name] = column.astype(object).mask(hide[name], HIDDEN_REASON)
        elif pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
            columns[name] = column.mask(hide[name])
        else:
            columns[name] = column.mask(hide[name], np.nan) if column.dtype.kind == "f" else _holed(column, hide[name])
    result = pd.DataFrame(columns, index=table.index)
    # what was counted while matching tables is itself a small figure
    result.attrs = {name: value for name, value in table.attrs.items() if name not in ("unmatched", "notes")}
    was_there = table.notna() & hide
    lonely = int(was_there.to_numpy()[~rows].sum())
    notes = list(notes_of(profile))
    if rows.any():
        names = name_some(list(table.index[rows]))
        notes.append(
            f"{count(int(rows.sum()), 'segment')} blanked ({names}): fewer than {minimum} customers, or needed so "
            "that the size of such a segment cannot be computed."
        )
    if lonely:
        notes.append(
            f"{count(lonely, 'more figure')} blanked: {'it rests' if lonely == 1 else 'they rest'} on fewer than "
            f"{minimum} customers, or would let such a figure be computed."
        )
    return with_notes(result, notes)


def _holed(column: pd.Series[Any], hide: pd.Series[Any]) -> pd.Series[Any]:
    """Return whole numbers with holes: as floats, which every reader of the table takes."""
    return column.astype(np.float64 if isinstance(column.dtype, np.dtype) else column.dtype).mask(hide)


def merge_small_segments(assignment: Any, minimum: int = MINIMUM, *, name: str = "other") -> pd.DataFrame:
    """Put the customers of small segments together into one, so that a profile has nothing to blank for their sake.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`.
    minimum : int, default=10
        Fewest customers of a segment that stays by itself.
    name : str, default="other"
        Name of the segment they make.

    Returns
    -------
    pandas.DataFrame
        An assignment. Segments with fewer than `minimum` customers are one; where they are fewer than `minimum`
        together, or there is only one, the smallest of the others joins. Customers in no segment stay so. Empty
        segments stay. The notes say which were merged.

    Raises
    ------
    AssignmentError
        If it is no assignment, or `name` is not a text.
    ColumnError
        If a segment that stays has this name.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.governance import merge_small_segments
    >>> segments = pd.Series(["a"] * 30 + ["b"] * 20 + ["c"] * 3 + ["d"] * 8,
    ...                      index=pd.RangeIndex(61, name="customer_id"))
    >>> merge_small_segments(segments)["segment"].value_counts().to_dict()
    {'a': 30, 'b': 20, 'other': 11, 'unassigned': 0}
    """
    _check_minimum(minimum)
    table = as_assignment(assignment)
    size = table["segment"].value_counts(sort=False).drop(UNASSIGNED)
    gone = protect(np.asarray(size, dtype=np.float64), minimum)
    small = [str(segment) for segment in size.index[gone]]
    if len(small) < 2:
        return with_notes(table, notes_of(assignment))
    if name in size.index and name not in small:
        raise ColumnError(f"a segment that stays is called {name!r}: give the merged one another name=.")
    merged = relabel(table, dict.fromkeys(small, name))
    note = f"{count(len(small), 'small segment')} put together as {name!r}: {name_some(small)}."
    return with_notes(merged, [*notes_of(assignment), note])
