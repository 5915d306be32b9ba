"""Turning segments, features and protected attributes into groups of customers that can be counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError

__all__ = ["FEWEST", "N_FOLDS", "carrier_codes", "protected_codes", "protected_table"]

N_FOLDS = 5
# Two customers of each level in each fold, at least; with fewer nothing can be learnt and checked.
FEWEST = 2 * N_FOLDS
# A protected attribute is a handful of groups; ages and incomes are to be cut by somebody who knows where.
LEVELS_AT_MOST = 20
BINS_AT_MOST = 10
# Expected customers per cell that the usual rule for chi-squared asks for (Cochran 1954); the null does not need it,
# the corrections of bias do.
PER_CELL = 5


def protected_table(protected: Any) -> pd.DataFrame:
    """Return protected attributes as a customer table."""
    if isinstance(protected, pd.Series):
        protected = protected.to_frame("protected" if protected.name is None else protected.name)
    if not is_frame(protected):
        raise TypeError(f"protected must be a Series or a table, indexed by customer; got {kind_of(protected)}.")
    table = as_customers(protected)
    if not len(table.columns):
        raise ColumnError("protected has no column beside the ids.")
    return table


def protected_codes(column: pd.Series[Any], name: Any) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """Return a code per customer (-1 = left out), the names of the levels, and what was left out, in words."""
    codes, levels = pd.factorize(column, sort=False)
    if len(levels) > LEVELS_AT_MOST:
        raise ColumnError(
            f"the protected attribute {name!r} has {len(levels):,} values ({name_some(levels, 3)}), at most "
            f"{LEVELS_AT_MOST} are compared: cut it into groups first, for instance pandas.cut(ages, [0, 30, 50, 120])."
        )
    size = np.bincount(codes[codes >= 0], minlength=len(levels))
    notes = []
    missing = int((codes < 0).sum())
    if missing:
        notes.append(f"{name}: not known for {count(missing, 'customer')}, who are left out")
    rare = [i for i in range(len(levels)) if size[i] < FEWEST]
    if rare:
        notes.append(
            f"{name}: {count(len(rare), 'group')} of fewer than {FEWEST} customers left out "
            f"({count(int(size[rare].sum()), 'customer')}); nothing can be said about them"
        )
    kept = [i for i in range(len(levels)) if i not in rare]
    kept.sort(key=lambda i: str(levels[i]))
    if len(kept) < 2:
        raise ColumnError(
            f"the protected attribute {name!r} has {count(len(kept), 'group')} of at least {FEWEST} customers among "
            "those in the assignment; two are needed to compare."
        )
    number = np.full(len(levels) + 1, -1)
    number[kept] = np.arange(len(kept))
    return number[codes], [str(levels[i]) for i in kept], notes


def carrier_codes(column: pd.Series[Any], n_levels: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return a code per customer and the names of the codes: levels, or bins of a number with equally many customers.

    Missing values are a group of their own, because who does not answer may be telling. Levels of very few are one
    group.
    """
    plain = column.dtype
    if pd.api.types.is_datetime64_any_dtype(plain) or pd.api.types.is_timedelta64_dtype(plain):
        column = pd.Series(column.to_numpy().astype("int64"), index=column.index).astype(float).where(column.notna())
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    bins = int(np.clip(len(column) // (PER_CELL * n_levels), 2, BINS_AT_MOST))
    if numeric and column.nunique() > bins:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        there = ~np.isnan(values)
        # the same cut for equal values; where many are equal there are fewer bins
        edges = np.unique(np.quantile(values[there], np.linspace(0, 1, bins + 1)[1:-1]))
        codes = np.where(there, np.searchsorted(edges, values, side="left"), -1)
        names = [f"bin {i + 1}" for i in range(len(edges) + 1)]
    else:
        found, levels = pd.factorize(column.astype(object), sort=False)
        codes, names = _rare_together(found, [str(level) for level in levels])
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names = [*names, "missing"]
    return codes.astype(np.int64), names


def _rare_together(codes: NDArray[np.int64], names: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    size = np.bincount(codes[codes >= 0], minlength=len(names))
    rare = size < PER_CELL
    if rare.sum() < 2:
        return codes, names
    number = np.full(len(names) + 1, -1)
    number[:-1][~rare] = np.arange(int((~rare).sum()))
    number[:-1][rare] = int((~rare).sum())
    return number[codes], [*(name for name, few in zip(names, rare, strict=True) if not few), "other"]
