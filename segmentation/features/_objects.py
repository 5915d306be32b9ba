"""Columns of pandas that hold Python objects or categories, turned into ones every engine has.

Other engines have a type per column; pandas may hide dates, decimals, or a mixture, behind `object`. What is one
thing becomes that thing, and what is a mixture is refused with the types that were found.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import narwhals as nw
import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_object_dtype, is_scalar

from segmentation._format import name_some

__all__ = ["no_numbers", "plain_amounts", "plain_ids", "plain_times", "readable_zone"]


def plain_ids(column: pd.Series, name: Any) -> pd.Series:
    """Return customer ids as one type."""
    column = _without_categories(column)
    if not is_object_dtype(column.dtype):
        return column
    kind = infer_dtype(column, skipna=True)
    if kind == "empty":
        return pd.Series(np.nan, index=column.index, dtype="float64")
    if kind == "integer":
        return column.astype("Int64")
    if kind in {"floating", "mixed-integer-float"}:
        return column.where(column.notna(), np.nan).astype("float64")
    types = {type(value) for value in column.dropna()}
    if len(types) > 1:
        found = sorted(kind.__name__ for kind in types)
        raise TypeError(
            f"the customer id column {name!r} mixes types ({name_some(found)}), so one customer may stand in it "
            f"under two ids. Make it one type first, for example orders[{name!r}].astype(str)."
        )
    return column


def plain_times(column: pd.Series, name: Any) -> pd.Series:
    """Return timestamps as a datetime type or as text; dates become their ISO 8601 text."""
    column = _without_categories(column)
    if isinstance(column.dtype, pd.ArrowDtype) and column.dtype.kind == "M":
        return _without_arrow(column, column.dtype.pyarrow_dtype)
    if not is_object_dtype(column.dtype) or infer_dtype(column, skipna=True) == "string":
        return column
    if column.isna().all():
        return pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns]")
    return pd.Series([_iso_text(value, name) for value in column], index=column.index, dtype=object)


def readable_zone(column: pd.Series) -> tuple[pd.Series, str | None]:
    """Return times of pandas as narwhals can read them, and their zone where it is told apart from them.

    narwhals 2.29 does not know the type of a column whose zone has an underscore or a plus in its name, such as
    America/New_York: such times go in as the wall clock of their zone.
    """
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        return column, None
    if isinstance(nw.from_native(column, series_only=True).dtype, nw.Datetime):
        return column, None
    local: pd.Series = column.dt.tz_localize(None)
    return local, str(column.dtype.tz)


def plain_amounts(column: pd.Series, name: Any) -> pd.Series:
    """Return amounts as numbers; `decimal.Decimal` objects become floats."""
    if not is_object_dtype(column.dtype):
        return column
    kind = infer_dtype(column, skipna=True)
    if kind not in {"decimal", "integer", "floating", "mixed-integer-float", "mixed-integer", "mixed", "empty"}:
        raise no_numbers(name, kind)
    if any(isinstance(value, str | bool) for value in column):
        raise no_numbers(name, "a mixture with text or booleans")
    try:
        return column.where(column.notna(), np.nan).astype("float64")
    except (TypeError, ValueError) as error:
        raise no_numbers(name, "a mixture of objects") from error


def no_numbers(name: Any, found: str) -> TypeError:
    """Make the error for an amount column that holds no numbers."""
    return TypeError(
        f"the amount column {name!r} holds {found}, no numbers. Convert it first, for example with "
        f"pandas.to_numeric(orders[{name!r}]), after removing currency signs and thousands separators."
    )


def _without_categories(column: pd.Series) -> pd.Series:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    target: Any = column.cat.categories.dtype
    if isinstance(target, np.dtype) and target.kind in "iu":
        # NumPy's integers have no missing value; the nullable ones of pandas are called Int64, UInt64, ...
        target = cast("Any", target.name.replace("int", "Int").replace("uI", "UI"))
    plain: pd.Series = column.astype(target)
    return plain


def _without_arrow(column: pd.Series, arrow_type: Any) -> pd.Series:
    """Return Arrow-backed dates and timestamps as the types of pandas itself.

    In pandas 2 the Arrow-backed ones give the wall clock of UTC where they are asked for that of their zone.
    """
    unit: Any = getattr(arrow_type, "unit", "s")  # dates have no unit; seconds hold every one
    zone = getattr(arrow_type, "tz", None)
    target: Any = f"datetime64[{unit}]" if zone is None else pd.DatetimeTZDtype(unit, zone)
    plain: pd.Series = column.astype(target)
    return plain


def _iso_text(value: Any, name: Any) -> str | None:
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(
        f"the timestamp column {name!r} holds {type(value).__name__} objects, for example {value!r}, no dates. "
        f"Convert it first, for example numbers such as 20240131 with pandas.to_datetime(orders[{name!r}]"
        ".astype(str), format='%Y%m%d')."
    )
