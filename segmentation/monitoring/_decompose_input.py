"""Tables, segments and parameters of a decomposition, checked and brought on common names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, name_some, nearest
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError

__all__ = [
    "check_parameters",
    "checked_kind",
    "metric_table",
    "names_of",
    "one_date_only",
    "segments_of",
    "used_segments",
]

KINDS = ("mean", "total", "ratio")


def checked_kind(kind: Any, denominator: Any) -> str:
    """Return the kind of the metric; by default a mean, with a denominator a ratio."""
    found = kind if kind is not None else "mean" if denominator is None else "ratio"
    if found not in KINDS:
        close = nearest(found, KINDS)
        raise ValueError(f"kind must be one of {name_some(KINDS)}, got {found!r}.{f' {close[0]!r}?' if close else ''}")
    if (found == "ratio") != (denominator is not None):
        raise ValueError(f"a denominator belongs to kind='ratio' and only to it, got {found!r} and {denominator!r}.")
    return str(found)


def check_parameters(level: Any, n_resamples: Any) -> None:
    """Raise ValueError unless the level and the number of resamples can be."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    if isinstance(n_resamples, bool) or not isinstance(n_resamples, int | np.integer) or n_resamples < 99:
        raise ValueError(f"n_resamples must be a whole number of at least 99, got {n_resamples!r}.")


def metric_table(frame: Any, name: str, metric: Any, denominator: Any) -> tuple[pd.DataFrame, pd.Index, str]:
    """Return ``segment``, ``above`` and ``below`` of the customers that have a metric, and who has none."""
    if not is_frame(frame):
        raise TypeError(f"{name} must be a table with one row per customer, got {kind_of(frame)}.")
    table = as_customers(frame)
    needed = ["segment", metric, *([] if denominator is None else [denominator])]
    if any(column not in table.columns for column in needed):
        raise ColumnError(f"{name} lacks columns; {column_difference(needed, list(table.columns))}.")
    result = table[["segment"]].copy()
    result["above"] = _numbers(table[metric], metric, name)
    result["below"] = 1.0 if denominator is None else _numbers(table[denominator], denominator, name)
    there = result["above"].notna() & result["below"].notna()
    negative = result.index[there & (result["below"] < 0)]
    if len(negative):
        raise ColumnError(f"the denominator {denominator!r} of {name} is negative for {name_some(negative)}.")
    if not there.any():
        raise CustomerTableError(f"nobody in {name} has a value of {metric!r}.")
    out = result.index[~there]
    return result[there], out, f"{count(len(out), 'customer')} of {name} without a metric left out." if len(out) else ""


def one_date_only(then: pd.Index, now: pd.Index, out_then: pd.Index, out_now: pd.Index) -> list[str]:
    """Say who is in both tables but has a metric in one only, and so counts as come or gone."""
    gone, come = len(then.intersection(out_now)), len(now.intersection(out_then))
    if not gone + come:
        return []
    return [
        f"{count(gone + come, 'customer')} in both tables with a metric at one date only: {gone:,} counted among the "
        f"exits and {come:,} among the entries."
    ]


def _numbers(column: pd.Series[Any], label: Any, name: str) -> NDArray[np.float64]:
    try:
        if isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise TypeError(str(column.dtype))
        values: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ColumnError(f"{label!r} of {name} must hold numbers, it is {column.dtype}.") from error
    if np.isinf(values).any():
        raise CustomerTableError(f"{label!r} of {name} is infinite for {name_some(column.index[np.isinf(values)])}.")
    return values


def segments_of(assignment: Any, index: pd.Index | None, name: str) -> pd.Series[Any]:
    """Return the segments of an assignment, in the order of `index`, all of whose customers it must have."""
    segment: pd.Series[Any] = as_assignment(assignment)["segment"]
    if index is None:
        return segment
    unknown = index.difference(segment.index)
    if len(unknown):
        raise CustomerTableError(f"{name} lacks {count(len(unknown), 'customer')} with a metric: {name_some(unknown)}.")
    return segment.reindex(index)


def names_of(columns: Sequence[pd.Series[Any]]) -> list[str]:
    """Return all names, in the order of the definitions, "unassigned" last and only where somebody is."""
    names = dict.fromkeys(str(name) for column in columns for name in column.cat.categories if name != UNASSIGNED)
    anybody = any((column == UNASSIGNED).any() for column in columns)
    return [*names, *([UNASSIGNED] if anybody else [])]


def used_segments(of: Any, names: list[str]) -> NDArray[np.bool_]:
    """Tell which segments the metric is about."""
    if of is None:
        return np.ones(len(names), dtype=bool)
    wanted = [of] if isinstance(of, str) else list(of)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        close = nearest(unknown[0], names) if unknown else []
        hint = f" Did you mean {name_some(close)}?" if close else ""
        raise AssignmentError(f"of must name segments, got {name_some(unknown)}; there are {name_some(names)}.{hint}")
    return np.isin(np.array(names, dtype=object), np.array(wanted, dtype=object))
