"""Reading the BTYD columns: what may stand in them, and what a wrong value most likely means."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import NAMED_AT_MOST, count, name_some
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["PurchaseTable", "looks_like_rfm", "read_intervals", "read_purchases"]

Floats = NDArray[np.float64]

RFM_COLUMNS = ("days_since_last_purchase", "n_purchases", "total_spend")


class PurchaseTable(NamedTuple):
    """The columns as float arrays of shape (n_customers,); times in days.

    ``mean_spend`` is 0 where a customer has none that can be used: no repeat purchase, or a monetary_value that
    is not positive. It is None where money was not asked for.
    """

    frequency: Floats
    recency: Floats
    T: Floats
    mean_spend: Floats | None


def looks_like_rfm(columns: Any) -> bool:
    """Tell whether these are the columns of an RFM table.

    Examples
    --------
    >>> looks_like_rfm(["n_purchases", "total_spend"])
    True
    """
    return sum(name in RFM_COLUMNS for name in columns) >= 2


def read_purchases(table: pd.DataFrame, who: str, *, spend: bool) -> PurchaseTable:
    """Check the columns and return them as numbers.

    Raises
    ------
    ColumnError
        If a column holds no numbers.
    CustomerTableError
        If values are missing, infinite or impossible; the message names columns and up to five customers.
    """
    ids = table.index
    frequency, recency, T = (_numbers(table[name], who) for name in ("frequency", "recency", "T"))
    for name, values in (("frequency", frequency), ("recency", recency), ("T", T)):
        _refuse(
            ~np.isfinite(values), ids, f"{who}: {name} is missing or infinite for {{}}. Fill it in, or leave them out."
        )
    _refuse(
        (frequency < 0) | (frequency != np.floor(frequency)),
        ids,
        f"{who}: frequency counts repeat purchases, so it is a whole number from 0 on; it is not for {{}}.",
    )
    _refuse((recency < 0) | (T < 0), ids, f"{who}: recency and T are durations in days; negative for {{}}.")
    _refuse(
        recency > T,
        ids,
        f"{who}: recency (first to last purchase) cannot exceed T (first purchase to the end of observation); it "
        "does for {}. Are both in days, and did the observation end after the last purchase?",
    )
    _refuse(
        (frequency == 0) & (recency > 0),
        ids,
        f"{who}: recency is the time from the first to the last purchase, hence 0 where frequency is 0; it is not "
        "for {}. If it means days since the last purchase here, make the table with segmentation.features.btyd_table.",
    )
    _refuse(
        (frequency > 0) & (recency == 0),
        ids,
        f"{who}: repeat purchases need time, but recency is 0 although frequency is positive for {{}}. Either "
        "frequency counts the first purchase too (subtract 1), or several purchases of one day were counted "
        "(segmentation.features.btyd_table counts them once).",
    )
    if not spend:
        return PurchaseTable(frequency, recency, T, None)
    mean_spend = np.where(frequency > 0, _numbers(table["monetary_value"], who), 0.0)
    _refuse(
        ~np.isfinite(mean_spend),
        ids,
        f"{who}: monetary_value is missing or infinite although frequency is positive for {{}}. Fill it in, leave "
        "them out, or score without money: spend_model=None.",
    )
    return PurchaseTable(frequency, recency, T, np.maximum(mean_spend, 0.0))


def read_intervals(table: pd.DataFrame, frequency: Floats, who: str) -> Floats:
    """Check the column sum_log_intervals and return it as numbers, 0 where there is no repeat purchase."""
    values = np.where(frequency > 0, _numbers(table["sum_log_intervals"], who), 0.0)
    _refuse(
        ~np.isfinite(values),
        table.index,
        f"{who}: sum_log_intervals is missing or infinite although frequency is positive for {{}}. Make the table with "
        "segmentation.features.btyd_table.",
    )
    return values


def _numbers(column: pd.Series[Any], who: str) -> Floats:
    """Return a column as floats, missing values as NaN."""
    remedy = "convert it with pandas.to_numeric"
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        remedy = "turn it into days: column / pandas.Timedelta(days=1)"
    elif not _is_text(column) and not pd.api.types.is_datetime64_any_dtype(column.dtype):
        with contextlib.suppress(TypeError, ValueError):  # objects that are no numbers are named below
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = name_some(column.dropna().unique(), 3)
    raise ColumnError(f"{who} takes numbers; column {column.name!r} is {column.dtype} (values: {values}): {remedy}.")


def _is_text(column: pd.Series[Any]) -> bool:
    """Tell whether there is text in the column; text that looks like a number is still text."""
    if column.dtype != object:
        return pd.api.types.is_string_dtype(column.dtype)
    return any(isinstance(value, str) for value in column)


def _refuse(wrong: NDArray[np.bool_], ids: pd.Index, message: str) -> None:
    """Raise with the customers named in the place of ``{}``."""
    if wrong.any():
        named, n_wrong = ids[wrong][:NAMED_AT_MOST], int(wrong.sum())
        who = f"{count(n_wrong, 'customer')} ({name_some(named)}{', ...' if n_wrong > len(named) else ''})"
        raise CustomerTableError(message.format(who))
