"""What several functions of this package ask of their input, and how they write it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.exceptions import CustomerTableError

__all__ = ["customer_values", "date_label", "numbers_of", "unlike_ids"]


def numbers_of(column: pd.Series[Any], what: str) -> NDArray[np.float64]:
    """Return a column as numbers, missing ones NaN.

    Raises
    ------
    TypeError
        If it holds anything else, such as texts or dates.
    """
    kind = pd.api.types.infer_dtype(column, skipna=True)
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype)
    if not numeric and kind not in ("integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"):
        shown = name_some(column.dropna().iloc[:1])
        raise TypeError(
            f"{what} must hold numbers, got {column.dtype} ({kind}, for instance {shown}): convert them, for instance "
            "with pandas.to_numeric."
        )
    values: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def customer_values(value: Any, index: pd.Index, what: str = "value") -> NDArray[np.float64]:
    """Return one finite value per customer in the order of `index`; NaN for those who have none.

    Raises
    ------
    TypeError
        If it is no Series of numbers (or table of one column).
    CustomerTableError
        If an id stands twice, a value is infinite, or no customer has one.
    """
    if isinstance(value, pd.DataFrame) and value.shape[1] == 1:
        value = value.iloc[:, 0]
    if not isinstance(value, pd.Series):
        raise TypeError(f"{what} must be a pandas Series indexed by customer, got {type(value).__name__}.")
    if not value.index.is_unique:
        twice = value.index[value.index.duplicated()].unique()
        raise CustomerTableError(f"{what} must have one row per customer; these stand twice: {name_some(twice)}.")
    numbers = numbers_of(value, what)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise CustomerTableError(
            f"{what} is infinite for {count(int(infinite.sum()), 'customer')}: {name_some(value.index[infinite])}. "
            "Make it a number, or missing."
        )
    found = np.asarray(pd.Series(numbers, index=value.index).reindex(index), dtype=np.float64)
    if len(index) and np.isnan(found).all():
        raise CustomerTableError(
            f"{what} has no figure for any customer: ids {name_some(value.index)} and {name_some(index)}. Do both use "
            "the same ids?"
        )
    return found


def date_label(date: Any) -> str:
    """Return a date as text; midnight is not said.

    Examples
    --------
    >>> date_label(pd.Timestamp("2024-03-31")), date_label("2024Q1"), date_label(3)
    ('2024-03-31', '2024Q1', '3')
    """
    if isinstance(date, np.datetime64):
        date = pd.Timestamp(date)
    if isinstance(date, pd.Timestamp) and not pd.isna(date) and date == date.normalize():
        return str(date.date())
    return str(date)


def unlike_ids(first: pd.Index, second: pd.Index) -> list[str]:
    """Say that nobody stands in both tables where their ids are of different kinds, such as numbers and texts."""
    if not len(first) or not len(second) or len(first.intersection(second)):
        return []
    kinds = [pd.api.types.infer_dtype(index, skipna=True) for index in (first, second)]
    if kinds[0] == kinds[1]:
        return []
    return [
        f"ids are of different kinds ({kinds[0]}, {kinds[1]}: {name_some(first[:1])} and {name_some(second[:1])}), so "
        "no customer is taken to be in both tables; give both the same kind if some are."
    ]
