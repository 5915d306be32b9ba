"""What the columns of a table are to the rule language, whatever dataframe they come in.

A column becomes a `Typed`: one of a few kinds, with one narwhals expression for its values and one that says
where they are known. What engines do differently with types is settled here; the compiler only combines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, timezone, tzinfo
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._frames import as_lazy, is_pandas
from segmentation.exceptions import ColumnError
from segmentation.segmenters._rule_logic import Truth
from segmentation.segmenters._rule_pandas import EXACT_IN_FLOAT, Tidy, tidy_series

__all__ = ["Kind", "Table", "Typed", "column_names", "read_table", "refuse_qualified_names"]

HALF = 2**26  # splits 64 bits into two parts that floats hold exactly


class Kind(Enum):
    """What a value is to the language; the text is for messages."""

    NUMBER = "a number"
    TEXT = "text"
    BOOLEAN = "true or false"
    DATE = "a date"
    TIME = "a date and time"
    EMPTY = "missing for everybody"
    OTHER = "of a type that rules cannot use"


@dataclass(frozen=True, eq=False)
class Typed:
    """A column as the compiler sees it.

    Attributes
    ----------
    kind : Kind
    written : str
        The type as the dataframe calls it.
    values : narwhals.Expr
        The values, ready to be compared: decimals and small floats as Float64, categories as text.
    known : narwhals.Expr or True
        Where there is a value: neither null nor NaN.
    floats : narwhals.Expr
        Numbers as Float64, for arithmetic.
    bounds : (int, int), optional
        Smallest and largest value of an integer type; None for other types.
    unit : str
        Resolution of a date and time.
    zone : tzinfo, optional
        The time zone in which a text without an offset is read; None for a column without time zone.
    stored_zone : tzinfo, optional
        The time zone that a literal must have to be compared by this engine.
    zone_name : str, optional
        The name of the stored zone.
    nan_is_null : bool
        Whether the engine itself takes NaN for missing in this column.
    """

    kind: Kind
    written: str
    values: nw.Expr
    known: Truth
    floats: nw.Expr
    bounds: tuple[int, int] | None = None
    unit: str = ""
    zone: tzinfo | None = None
    stored_zone: tzinfo | None = None
    zone_name: str | None = None
    nan_is_null: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A dataframe made ready for rules, and what its columns are."""

    frame: Any
    columns: dict[str, Typed]
    engine: nw.Implementation

    def without_values(self, names: Sequence[str]) -> list[str]:
        """Return which of the named columns are missing for everybody; a lazy table is run for it."""
        counts = {
            f"column_{i}": nw.col(name).count() if isinstance(known, bool) else known.cast(nw.Int64).sum()
            for i, (name, known) in enumerate((name, self.columns[name].known) for name in names)
        }
        found = self.frame.lazy().select(**counts).collect().to_dict(as_series=False)
        return [name for name, (count,) in zip(names, found.values(), strict=True) if not count]

    def emptied(self, names: Iterable[str]) -> Table:
        """Return the table with the named columns taken for missing, whatever their type."""
        columns = {name: replace(self.columns[name], kind=Kind.EMPTY) for name in names}
        return replace(self, columns=self.columns | columns)


def column_names(frame: Any) -> list[Any]:
    """Return the column names of any dataframe, without collecting a lazy one."""
    return list(frame.columns) if is_pandas(frame) else list(as_lazy(frame).collect_schema().names())


def refuse_qualified_names(engine: nw.Implementation, names: Iterable[str]) -> None:
    """Refuse names that DuckDB before 2.0 reads as something else: to it ``a.b`` is column b of table a."""
    if engine is not nw.Implementation.DUCKDB or int(engine.to_native_namespace().__version__.split(".")[0]) >= 2:
        return
    qualified = [name for name in names if "." in name or '"' in name]
    if qualified:
        raise ColumnError(
            f"DuckDB before 2.0 does not find columns with a dot or a quote in their name ({name_some(qualified)}) "
            "reliably; rename them, or upgrade it (pip install 'duckdb>=2')."
        )


def read_table(frame: Any, names: Sequence[str]) -> Table:
    """Make a dataframe ready for rules on the named columns, which must be there.

    A pandas frame is reduced to them and its loosely typed columns get a type (objects, categories); any other
    frame is left alone.
    """
    if is_pandas(frame):
        return _read_pandas(frame, names)
    lazy = as_lazy(frame)
    schema, engine = lazy.collect_schema(), lazy.implementation
    refuse_qualified_names(engine, names)
    columns = {name: _typed(name, schema[name], lazy, engine) for name in names}
    return Table(lazy, columns, engine)


def _typed(name: str, dtype: nw.dtypes.DType, frame: Any, engine: nw.Implementation) -> Typed:
    """Find out what a column is, from its type alone."""
    column, written = nw.col(name), str(dtype)
    arrow = engine is nw.Implementation.PYARROW
    if dtype.is_numeric():
        wide = arrow and dtype in (nw.Int64, nw.UInt64) and _is_wide(frame, name)
        return _number(column, dtype, written, arrow=arrow, wide=wide)
    if isinstance(dtype, nw.Datetime):
        name_of_zone = dtype.time_zone
        zone = stored = _zone(name_of_zone) if name_of_zone else None
        if zone and arrow:  # PYARROW_IGNORE_TIMEZONE, which pandera and pyspark.pandas set, drops the offset of times
            stored, name_of_zone = UTC, "UTC"
        return _plain(
            Kind.TIME, column, written, unit=dtype.time_unit, zone=zone, stored_zone=stored, zone_name=name_of_zone
        )
    if dtype in (nw.Categorical, nw.Enum):
        return _plain(Kind.TEXT, column.cast(nw.String), written, known=~column.is_null())
    for plain, kind in ((nw.String, Kind.TEXT), (nw.Boolean, Kind.BOOLEAN), (nw.Date, Kind.DATE)):
        if dtype == plain:
            return _plain(kind, column, written)
    return _plain(Kind.OTHER, column, written)


def _plain(kind: Kind, values: nw.Expr, written: str, *, known: Truth | None = None, **more: Any) -> Typed:
    return Typed(kind, written, values, ~values.is_null() if known is None else known, values, **more)


def _number(
    column: nw.Expr,
    dtype: nw.dtypes.DType,
    written: str,
    *,
    arrow: bool = False,
    wide: bool = False,
    nan_is_null: bool = False,
    complete: bool = False,
) -> Typed:
    """Describe a column of numbers.

    Parameters
    ----------
    arrow : bool
        Whether Arrow computes.
    wide : bool
        Whether there are integers that Arrow refuses to convert to float.
    nan_is_null : bool
        Whether the engine itself takes NaN for missing.
    complete : bool
        Whether the type cannot hold missing values.
    """
    if dtype.is_integer():
        floats = _joined_halves(column, dtype) if wide else column.cast(nw.Float64)
        known: Truth = True if complete else ~column.is_null()
        return Typed(Kind.NUMBER, written, column, known, floats, bounds=_bounds(dtype), nan_is_null=nan_is_null)
    if dtype == nw.Decimal:
        floats = _decimals(column, arrow=arrow)
        return Typed(Kind.NUMBER, written, floats, ~column.is_null(), floats)
    floats = column if dtype == nw.Float64 else column.cast(nw.Float64)
    known = ~column.is_null() if nan_is_null else ~column.is_null() & ~column.is_nan()
    return Typed(Kind.NUMBER, written, floats, known, floats, nan_is_null=nan_is_null)


def _decimals(column: nw.Expr, *, arrow: bool) -> nw.Expr:
    """Convert decimals to the nearest float; Arrow's own conversion makes 0.5700000000000001 of 0.57."""
    return column.cast(nw.String).cast(nw.Float64) if arrow else column.cast(nw.Float64)


def _joined_halves(column: nw.Expr, dtype: nw.dtypes.DType) -> nw.Expr:
    """Convert wide integers to float in two halves, each of them exact, so that only the sum is rounded."""
    half = nw.lit(HALF, dtype=dtype)
    return (column // half).cast(nw.Float64) * float(HALF) + (column % half).cast(nw.Float64)


def _bounds(dtype: nw.dtypes.DType) -> tuple[int, int]:
    """Return the smallest and largest value of an integer type, from its name."""
    bits = int("".join(character for character in str(dtype) if character.isdigit()))
    return (0, 2**bits - 1) if dtype.is_unsigned_integer() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _is_wide(frame: nw.LazyFrame[Any], name: str) -> bool:
    import pyarrow.compute as pc  # the frame is one of its tables

    extremes = pc.min_max(frame.collect().to_native()[name]).as_py().values()
    return any(value is not None and abs(value) > EXACT_IN_FLOAT for value in extremes)


def _zone(name: str) -> tzinfo:
    """Find a time zone by its name or by its offset, as in "+05:30"."""
    digits = name.removeprefix("UTC")
    if digits[:1] in {"+", "-"} and digits[1:3].isdigit():
        minutes = 60 * int(digits[1:3]) + int(digits[-2:] if len(digits) > 3 else 0)
        return timezone(timedelta(minutes=minutes if digits[0] == "+" else -minutes))
    return ZoneInfo(name)


def _read_pandas(frame: pd.DataFrame, names: Iterable[str]) -> Table:
    tidied, columns = {}, {}
    for name in names:
        column = frame[name]
        if isinstance(column, pd.DataFrame):
            raise ColumnError(f"column {name!r} stands {column.shape[1]} times in the table; names must be unique.")
        tidy = tidy_series(column)
        tidied[name], columns[name] = tidy.column, _typed_series(name, tidy)
    return Table(nw.from_native(pd.DataFrame(tidied, index=frame.index)), columns, nw.Implementation.PANDAS)


def _typed_series(name: str, tidy: Tidy) -> Typed:
    """Describe a column of pandas: numpy's types say more than narwhals' do."""
    column, numpy = nw.col(name), isinstance(tidy.column.dtype, np.dtype)
    dtype = nw.from_native(tidy.column, series_only=True).dtype
    if dtype.is_numeric():
        arrow = isinstance(tidy.column.dtype, pd.ArrowDtype)
        return _number(column, dtype, tidy.written, arrow=arrow, nan_is_null=numpy, complete=numpy)
    if tidy.zone is not None:
        unit = getattr(dtype, "time_unit", "us")
        return _plain(Kind.TIME, column, tidy.written, unit=unit, zone=tidy.zone, stored_zone=UTC, zone_name="UTC")
    if dtype == nw.Boolean and numpy:
        return _plain(Kind.BOOLEAN, column, tidy.written, known=True)
    if tidy.column.dtype == object:
        return _plain(Kind.OTHER, column, tidy.written)
    return replace(_typed(name, dtype, None, nw.Implementation.PANDAS), written=tidy.written)
