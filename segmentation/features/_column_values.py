"""One column of a customer table, whatever its type: as numbers, as days, or as levels."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.exceptions import ColumnError

__all__ = [
    "ColumnValues",
    "as_days",
    "as_levels",
    "as_numbers",
    "level_key",
    "read_column",
    "refuse_infinite",
    "text_day",
    "text_number",
]

Kind = Literal["number", "boolean", "date", "text", "ordered"]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

EPOCH = pd.Timestamp("1970-01-01")
DAY = pd.Timedelta(days=1)
# Only whole ISO 8601 dates: pandas also reads "2012" and "12" as dates.
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T].*)?")
COMPACT_DATE = re.compile(r"(19|20)\d{6}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class ColumnValues:
    """The values of a column in one of two forms.

    Attributes
    ----------
    kind : {"number", "boolean", "date", "text", "ordered"}
    numbers : ndarray of shape (n,), float64, or None
        Of numbers and booleans their value, of dates days since 1970-01-01; NaN where missing. None for text.
    codes : ndarray of shape (n,), int64, or None
        Of text the position in `levels`; -1 where missing.
    levels : tuple of str
        Of text its different values, without the blanks around them; of an ordered categorical in its order.
    """

    kind: Kind
    numbers: Floats | None = None
    codes: Codes | None = None
    levels: tuple[str, ...] = ()

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where there is no value, shape (n,)."""
        return np.isnan(self.numbers) if self.numbers is not None else self._codes < 0

    @property
    def _codes(self) -> Codes:
        assert self.codes is not None  # noqa: S101  # one of the two forms is always there
        return self.codes

    def counts(self) -> Codes:
        """Return how many customers have each level of a text column."""
        return np.bincount(self._codes[self._codes >= 0], minlength=len(self.levels))


def level_key(value: Any) -> str:
    """Write a level as text, one text for 1, 1.0 and "1 ", because files change between these.

    Examples
    --------
    >>> level_key(1.0), level_key(" 1"), level_key(2.5), level_key(True)
    ('1', '1', '2.5', 'True')
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | float | np.integer | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def read_column(series: pd.Series[Any], missing_codes: Iterable[Any] = ()) -> ColumnValues:
    """Read a column of any dtype; blank text, and the codes given, count as missing.

    Raises
    ------
    TypeError
        If it holds lists, dicts or other things that are no single values.
    """
    values = _read(series)
    keys = {level_key(code) for code in missing_codes}
    if not keys:
        return values
    if values.numbers is not None:
        coded = [float(key) for key in keys if NUMBER.fullmatch(key)]
        return ColumnValues(values.kind, np.where(np.isin(values.numbers, coded), np.nan, values.numbers))
    return _of_levels(values._codes, list(values.levels), values.kind, dropped=keys)


def _read(series: pd.Series[Any]) -> ColumnValues:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _read_categorical(series)
    if pd.api.types.is_bool_dtype(dtype):
        return ColumnValues("boolean", series.to_numpy(dtype=np.float64, na_value=np.nan))
    if pd.api.types.is_complex_dtype(dtype):
        raise ValueError(f"Complex data not supported: column {series.name!r}.")
    if pd.api.types.is_numeric_dtype(dtype):
        return ColumnValues("number", series.to_numpy(dtype=np.float64, na_value=np.nan))
    if pd.api.types.is_timedelta64_dtype(dtype):
        return ColumnValues("number", _in_days(series))
    if isinstance(dtype, pd.PeriodDtype):
        return _read(series.dt.to_timestamp())
    if pd.api.types.is_datetime64_any_dtype(dtype) or str(dtype).startswith(("date32", "date64")):
        return ColumnValues("date", _days(series))
    return _read_objects(series)


def _days(series: pd.Series[Any]) -> Floats:
    """Days since 1970 by the clock of the column's own time zone."""
    stamps = pd.to_datetime(series)
    if getattr(stamps.dt, "tz", None) is not None:
        stamps = stamps.dt.tz_localize(None)
    return _in_days(stamps - EPOCH)


def _in_days(durations: Any) -> Floats:
    elapsed: Floats = (durations / DAY).to_numpy(dtype=np.float64, na_value=np.nan)
    return elapsed


def _read_categorical(series: pd.Series[Any]) -> ColumnValues:
    categorical = series.array
    categories = categorical.categories
    codes = np.asarray(categorical.codes, dtype=np.int64)
    if categorical.ordered:
        return _of_levels(codes, [level_key(value) for value in categories], "ordered")
    if not len(categories):
        return ColumnValues("text", codes=codes)
    # the values decide, not the storage: a categorical of numbers is still one of codes
    return _of_levels(codes, [level_key(value) for value in categories], "text")


def _read_objects(series: pd.Series[Any]) -> ColumnValues:
    try:
        codes, found = pd.factorize(np.asarray(series, dtype=object), use_na_sentinel=True)
    except TypeError as error:
        raise _no_value(series) from error
    codes = codes.astype(np.int64)
    if len(found) and all(isinstance(value, bool | np.bool_) for value in found):
        return ColumnValues("boolean", _spread(codes, [float(value) for value in found]))
    if len(found) and all(_is_number(value) for value in found):
        return ColumnValues("number", _spread(codes, [float(value) for value in found]))
    if len(found) and all(isinstance(value, dt.date) for value in found):
        naive = [pd.Timestamp(value).tz_localize(None) for value in found]
        return ColumnValues("date", _spread(codes, [(stamp - EPOCH) / DAY for stamp in naive]))
    if not all(isinstance(value, str | dt.date | pd.Interval) or _is_number(value) for value in found):
        raise _no_value(series)
    return _of_levels(codes, [level_key(value) for value in found], "text")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_ | decimal.Decimal)


def _no_value(series: pd.Series[Any]) -> TypeError:
    kinds = sorted({type(value).__name__ for value in series.dropna().head(1000)})
    return TypeError(
        f"column {series.name!r} holds {', '.join(kinds)}: argument must be a string or a number, a date or a boolean "
        "in every cell. Turn it into such columns first."
    )


def _spread(codes: Codes, values: Sequence[float]) -> Floats:
    """Give every row the value of its code; NaN for code -1."""
    return np.append(np.asarray(values, dtype=np.float64), np.nan)[codes]


def _of_levels(codes: Codes, keys: list[str], kind: Kind, dropped: Iterable[str] = ()) -> ColumnValues:
    """Join codes whose keys are equal; blanks and dropped keys are missing."""
    leave_out = {"", *dropped}
    levels = list(dict.fromkeys(key for key in keys if key not in leave_out))
    position = {key: i for i, key in enumerate(levels)}
    new = np.array([position.get(key, -1) for key in keys] + [-1], dtype=np.int64)
    return ColumnValues(kind, codes=new[codes], levels=tuple(levels))


def text_number(text: str) -> float:
    """Read a plain decimal number, NaN where the text is none.

    Examples
    --------
    >>> text_number("29.85"), text_number("1e3"), text_number("18-24")
    (29.85, 1000.0, nan)
    """
    return float(text) if NUMBER.fullmatch(text) else np.nan


def text_day(text: str) -> float:
    """Read an ISO 8601 date (or yyyymmdd) as days since 1970-01-01, NaN where the text is none.

    Examples
    --------
    >>> text_day("1970-01-03"), text_day("19700103"), text_day("2012")
    (2.0, 2.0, nan)
    """
    if not (ISO_DATE.fullmatch(text) or COMPACT_DATE.fullmatch(text)):
        return np.nan
    try:
        stamp = pd.Timestamp(text)
    except ValueError:
        return np.nan
    return float((stamp.tz_localize(None) - EPOCH) / DAY)


def as_numbers(values: ColumnValues) -> Floats:
    """Return the values as numbers; NaN where they are missing or cannot be read."""
    if values.numbers is not None:
        return values.numbers
    return _spread(values._codes, [text_number(level) for level in values.levels])


def as_days(values: ColumnValues) -> Floats:
    """Return the values as days since 1970-01-01; NaN where they are missing or cannot be read."""
    if values.kind == "date" and values.numbers is not None:
        return values.numbers
    codes, levels = as_levels(values)
    return _spread(codes, [text_day(level) for level in levels])


def as_levels(values: ColumnValues) -> tuple[Codes, tuple[str, ...]]:
    """Return the values as codes, -1 where missing, and the levels behind them."""
    if values.numbers is None:
        return values._codes, values.levels
    codes, found = pd.factorize(values.numbers, use_na_sentinel=True, sort=True)
    if values.kind == "boolean":
        keys = [str(bool(value)) for value in found]
    elif values.kind == "date":
        keys = [(EPOCH + float(value) * DAY).isoformat() for value in found]
    else:
        keys = [level_key(value) for value in found]
    return codes.astype(np.int64), tuple(keys)


def refuse_infinite(columns: Iterable[tuple[Any, ColumnValues]]) -> None:
    """Raise ColumnError where a column holds infinity, naming the columns."""
    bad = [name for name, values in columns if values.numbers is not None and np.isinf(values.numbers).any()]
    if bad:
        raise ColumnError(
            f"Input X contains infinity (inf) in {bad[:5]}: no scale holds it. Replace it by a number, or by NaN for "
            "a value that is missing."
        )
