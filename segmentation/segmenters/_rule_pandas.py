"""What pandas leaves open about a column, settled: objects, categories, and storage that cannot compute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from segmentation._format import name_some

__all__ = ["EXACT_IN_FLOAT", "Tidy", "tidy_series"]

# Up to here every whole number is a float; Arrow refuses to convert what lies beyond.
EXACT_IN_FLOAT = 2**53


@dataclass(frozen=True, eq=False)
class Tidy:
    """A column of a definite type.

    Attributes
    ----------
    column : pandas.Series
        Of dtype object only where there is no one type; times with a zone are in UTC.
    written : str
        The type it came with, for messages.
    zone : tzinfo, optional
        The time zone it came with.
    """

    column: pd.Series[Any]
    written: str
    zone: tzinfo | None = None


def tidy_series(column: pd.Series[Any]) -> Tidy:
    """Give a column a definite type, if its values have one.

    Examples
    --------
    >>> tidy_series(pd.Series([True, None, False], dtype=object)).column.dtype
    BooleanDtype
    """
    written = str(column.dtype)
    column = _without_categories(column)
    if column.dtype == object:
        column, written = _from_objects(column)
    column = _computable(column)
    zone = _zone(column)
    return Tidy(column if zone is None else column.dt.tz_convert("UTC"), written, zone)


def _zone(column: pd.Series[Any]) -> tzinfo | None:
    dtype = column.dtype
    aware = isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, pd.ArrowDtype) and "tz=" in str(dtype))
    return _standard_zone(column.dt.tz) if aware else None


def _standard_zone(zone: Any) -> tzinfo:
    """Replace a zone of pytz, which older pandas uses, and which a time cannot simply be given."""
    if not hasattr(zone, "localize"):
        standard: tzinfo = zone
        return standard
    return ZoneInfo(zone.zone) if zone.zone else timezone(zone.utcoffset(None))


def _without_categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """Replace a category by what its categories are: text, numbers, dates. Only these few are looked at."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    categories, _ = _from_objects(pd.Series(column.dtype.categories, dtype=object))
    values = categories.array.take(column.cat.codes.to_numpy(), allow_fill=True)
    return pd.Series(values, index=column.index, dtype=categories.dtype)


def _from_objects(column: pd.Series[Any]) -> tuple[pd.Series[Any], str]:
    """Give a column of Python objects the type of its values; it stays one where they differ."""
    found = pd.api.types.infer_dtype(column, skipna=True)
    written = f"objects ({found})"
    if found == "string":
        return column.astype("string"), written
    if found == "boolean":
        return column.astype("boolean"), written
    if found in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return _numbers_from_objects(column, found), written
    if found in {"date", "datetime", "datetime64"}:
        times = _times_from_objects(column)
        return times, "times of several time zones" if times.dtype == object else written
    types = sorted({type(value).__name__ for value in column.dropna().head(1000)})
    return column, f"Python objects: {name_some(types) or 'no value'}"


def _numbers_from_objects(column: pd.Series[Any], found: str) -> pd.Series[Any]:
    floats = column.mask(column.isna(), np.nan).astype("float64")
    beyond_64_bits = floats.abs().max() >= 2.0**63
    return floats if found != "integer" or beyond_64_bits else column.astype("Int64")


def _times_from_objects(column: pd.Series[Any]) -> pd.Series[Any]:
    """Convert Python dates and times; where they have several time zones they stay objects."""
    there = column.notna().to_numpy()
    values = column[there]
    zones = {value.tzinfo and _standard_zone(value.tzinfo) for value in values if hasattr(value, "tzinfo")}
    if len(zones) > 1:
        return column
    zone = next(iter(zones), None)
    if zone is not None:
        values = values.map(lambda value: value.astimezone(UTC).replace(tzinfo=None))
    times = np.full(len(column), np.datetime64("NaT", "us"))
    times[there] = values.to_numpy().astype("datetime64[us]")
    result = pd.Series(times, index=column.index)
    return result if zone is None else result.dt.tz_localize("UTC").dt.tz_convert(zone)


def _computable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Replace storage on which pandas or Arrow cannot compute as they do on other columns."""
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        return pd.Series(np.asarray(column), index=column.index)
    if isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize not in {4, 8}:
        return column.astype("float64")
    if str(dtype) in {"int64[pyarrow]", "uint64[pyarrow]"}:
        wide = any(abs(int(value)) > EXACT_IN_FLOAT for value in (column.min(), column.max()) if not pd.isna(value))
        return column.astype("UInt64" if "uint" in str(dtype) else "Int64") if wide else column
    return column
