"""The table under audit: what kind each column is, what its name says, and which ids stand for its rows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.sources._audit_finding import Finding

__all__ = ["Column", "Table", "as_dates", "naive", "words_of"]

EXAMPLES = 5
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_ID_WORDS = frozenset({"id", "ids", "uuid", "guid", "key", "custid", "customerid", "userid", "clientid", "memberid"})
_PEOPLE = frozenset(
    {"customer", "cust", "client", "user", "household", "member", "person", "account", "subscriber", "respondent",
     "custid", "customerid", "userid", "clientid", "memberid"}
)  # fmt: skip


def words_of(name: Hashable) -> tuple[str, ...]:
    """Split a column's name into lower-case words.

    Examples
    --------
    >>> words_of("Year_Birth"), words_of("totalSpend2"), words_of("Annual Income (k$)")
    (('year', 'birth'), ('total', 'spend', '2'), ('annual', 'income', 'k'))
    """
    return tuple(word.lower() for word in _WORD.findall(str(name)))


@dataclass
class Column:
    """One column, with what its checks share; distinct values and their counts are worked out once."""

    name: Hashable
    series: pd.Series
    kind: str = ""
    words: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        self.words = frozenset(words_of(self.name))
        self.kind = self.kind or _kind(self.series)
        if self.kind == "number" and _too_long(self.series):
            self.kind = "code"

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value."""
        return np.asarray(self.series.isna().to_numpy(), dtype=bool)

    @property
    def n_missing(self) -> int:
        """Number of rows without a value."""
        return int(self.missing.sum())

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The values as floats, NaN where missing (kind "number")."""
        return np.asarray(self.series.to_numpy(dtype=float, na_value=np.nan))

    @cached_property
    def distinct(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Distinct values without missing ones, and their counts; numbers and dates ascending, infinities left out."""
        if self.kind == "number":
            values = self.numbers[np.isfinite(self.numbers)]
            found, counts = np.unique(values, return_counts=True)
            return found, counts.astype(np.int64)
        if self.kind == "date":
            days = naive(self.series.dropna())
            found, counts = np.unique(days.to_numpy(), return_counts=True)
            return found, counts.astype(np.int64)
        plain = self.series.astype(object) if self.kind == "text" else self.series
        try:
            codes, uniques = pd.factorize(plain)
        except TypeError:  # lists, dictionaries: cells that cannot be compared
            return np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
        return np.asarray(uniques, dtype=object), np.bincount(codes[codes >= 0], minlength=len(uniques)).astype(
            np.int64
        )

    @property
    def n_distinct(self) -> int:
        """Number of distinct values."""
        return len(self.distinct[0])

    @cached_property
    def texts(self) -> list[str]:
        """The distinct values as text (kind "text")."""
        return [value if isinstance(value, str) else str(value) for value in self.distinct[0]]

    @property
    def looks_like_id(self) -> bool:
        """Whether the name says that this is an identifier."""
        joined = str(self.name).lower().replace("_", "").replace(" ", "")
        return bool(self.words & _ID_WORDS) or joined in _ID_WORDS

    @property
    def names_people(self) -> bool:
        """Whether the name says that this identifies customers, or nothing more than that it is an id."""
        return self.looks_like_id and (bool(self.words & _PEOPLE) or self.words <= _ID_WORDS)

    @property
    def is_whole(self) -> bool:
        """Whether every number is a whole one."""
        values = self.distinct[0]
        return self.kind == "number" and bool(np.all(values == np.floor(values)))


def naive(series: pd.Series) -> pd.Series:
    """Dates without their time zone, in UTC."""
    if getattr(series.dtype, "tz", None) is not None:
        return pd.Series(series.dt.tz_convert("UTC").dt.tz_localize(None))
    return series


def _too_long(series: pd.Series) -> bool:
    """Whether whole numbers are so long that floats confuse them: ids of machines, never quantities."""
    whole = pd.api.types.is_integer_dtype(series.dtype) or series.dtype == object
    if not whole or series.isna().all():
        return False
    middle = float(np.nanmedian(series.to_numpy(dtype=float, na_value=np.nan)))
    return abs(middle) > 2**53 and pd.api.types.infer_dtype(series, skipna=True) == "integer"


def _kind(series: pd.Series) -> str:
    types = pd.api.types
    if types.is_bool_dtype(series.dtype):
        return "boolean"
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        return "number"
    if types.is_datetime64_any_dtype(series.dtype):
        return "date"
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "text" if not types.is_numeric_dtype(series.cat.categories.dtype) else "code"
    if types.is_string_dtype(series.dtype) or series.dtype == object:
        return _kind_of_objects(series)
    return "other"


def _kind_of_objects(series: pd.Series) -> str:
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred in {"mixed", "mixed-integer"} and any(_holds_others(value) for value in series):
        return "other"
    if inferred in {"string", "mixed", "mixed-integer", "empty"}:
        return "text" if inferred != "empty" else "empty"
    if inferred == "boolean":
        return "boolean"
    if inferred in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return "number"
    return "date" if inferred in {"datetime64", "datetime", "date"} else "other"


def _holds_others(value: object) -> bool:
    """Whether a cell is a list, dictionary, array or the like, which no check can compare."""
    return not isinstance(value, str) and (isinstance(value, Collection | np.ndarray) or not _hashable(value))


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


class Table:
    """The table under audit, and the day it is judged from."""

    def __init__(self, frame: pd.DataFrame, as_of: dt.datetime, *, as_of_given: bool) -> None:
        self.frame = frame
        self.as_of = pd.Timestamp(as_of)
        self.as_of_given = as_of_given
        self.n_rows = len(frame)
        self.columns = [Column(name, as_dates(frame[name])) for name in frame.columns]
        self.id_column = self._find_id()

    def __getitem__(self, name: Hashable) -> Column:
        return next(column for column in self.columns if column.name == name)

    def _find_id(self) -> Column | None:
        """Return the column that identifies customers: by its name, and among several the one with most values."""
        named = [
            column for column in self.columns if column.looks_like_id and column.kind in {"number", "text", "code"}
        ]
        named.sort(key=lambda column: (not column.names_people, -column.n_distinct))
        return named[0] if named else None

    @property
    def has_ids(self) -> bool:
        """Whether index or column holds ids of customers."""
        return self.id_column is not None or not isinstance(self.frame.index, pd.RangeIndex)

    @cached_property
    def one_row_per_customer(self) -> bool:
        """Whether rows are customers; not where most ids repeat (an order table).

        Eight in ten ids that occur once are taken as a customer table with duplicates: in a table of events that
        would need eight in ten customers with a single event and nothing to recognise any of them by.
        """
        if self.id_column is None:
            return True
        counts = self.id_column.distinct[1]
        return len(counts) == 0 or float((counts == 1).mean()) >= 0.8

    @cached_property
    def labels(self) -> Any:
        """What to call a row in an example."""
        column = self.id_column
        if column is not None and isinstance(self.frame.index, pd.RangeIndex) and self.one_row_per_customer:
            return pd.Index(column.series)
        return pd.Index(self.frame.index)

    def examples(self, rows: NDArray[np.bool_]) -> tuple[Any, ...]:
        """Return the labels of the first five rows of a mask."""
        first = np.flatnonzero(rows)[:EXAMPLES]
        return tuple(label.item() if isinstance(label, np.generic) else label for label in self.labels[first])

    def finding(
        self,
        check: str,
        severity: str,
        columns: Sequence[Hashable],
        rows: NDArray[np.bool_],
        evidence: str,
        recommendation: str,
        fix: Mapping[str, Any] | None = None,
    ) -> Finding:
        """Build a finding from the rows concerned."""
        rows = np.asarray(rows, dtype=bool)
        count = int(rows.sum())
        return Finding(
            check=check,
            severity=severity,
            columns=tuple(columns),
            count=count,
            share=count / self.n_rows if self.n_rows else 0.0,
            examples=self.examples(rows),
            evidence=evidence,
            recommendation=recommendation,
            fix=None if fix is None else dict(fix),
        )


def as_dates(series: pd.Series) -> pd.Series:
    """Objects and categories that are dates become datetimes, decimals floats; none is lost on the way."""
    if isinstance(series.dtype, pd.CategoricalDtype) and pd.api.types.is_datetime64_any_dtype(
        series.cat.categories.dtype
    ):
        return series.astype(series.cat.categories.dtype)
    if isinstance(series.dtype, pd.ArrowDtype) and series.dtype.kind == "M":  # date32 cannot be compared with times
        series = series.astype(object)
    if series.dtype != object:
        return series
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred in {"datetime", "date"}:
        moments = [_moment(value) for value in series]
        return pd.Series(np.array(moments, dtype="datetime64[us]"), index=series.index, name=series.name)
    if inferred == "decimal":
        return series.astype(float)
    return series


def _moment(value: Any) -> Any:
    """Return a date or time without a zone, in UTC; microseconds reach from the year 1 to 9999, nanoseconds do not."""
    if pd.isna(value):
        return None
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return value.to_pydatetime(warn=False) if isinstance(value, pd.Timestamp) else value
