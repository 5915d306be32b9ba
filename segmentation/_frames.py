"""The one boundary to dataframe libraries: any frame in, pandas (or the engine's own lazy frame) inside.

Everything this library knows about kinds of dataframes stands here and goes through `narwhals`.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import narwhals as nw
import pandas as pd

__all__ = ["as_eager", "as_lazy", "is_frame", "is_pandas", "kind_of", "to_pandas"]


def is_pandas(frame: Any) -> TypeGuard[pd.DataFrame]:
    """Tell whether `frame` is a pandas DataFrame."""
    return isinstance(frame, pd.DataFrame)


def is_frame(frame: Any) -> bool:
    """Tell whether `frame` is a dataframe, eager or lazy, of any library that narwhals knows."""
    if is_pandas(frame):
        return True
    wrapped = nw.from_native(frame, pass_through=True)
    return isinstance(wrapped, nw.DataFrame | nw.LazyFrame)


def kind_of(frame: Any) -> str:
    """Name the kind of an object in the words of its users, for error messages.

    Examples
    --------
    >>> kind_of([1, 2])
    'list'
    """
    return f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}".removeprefix("builtins.")


def as_lazy(frame: Any, *, name: str = "frame") -> nw.LazyFrame[Any]:
    """Wrap any dataframe as a narwhals LazyFrame; heavy expressions then run in its own engine.

    Parameters
    ----------
    frame : dataframe
        pandas, polars (eager or lazy), pyarrow, DuckDB, or anything else that narwhals supports.
    name : str, default="frame"
        What the caller calls it, for the error message.

    Raises
    ------
    TypeError
        If it is no dataframe.
    """
    wrapped = nw.from_native(frame, pass_through=True)
    if isinstance(wrapped, nw.DataFrame):
        return wrapped.lazy()
    if isinstance(wrapped, nw.LazyFrame):
        return wrapped
    raise TypeError(
        f"{name} must be a dataframe (pandas, polars, pyarrow, DuckDB, ...), got {kind_of(frame)}. "
        "Wrap it first, for instance pandas.DataFrame(...)."
    )


def as_eager(frame: Any, *, name: str = "frame") -> nw.DataFrame[Any]:
    """Wrap a dataframe as a narwhals DataFrame, collecting a lazy one in its own engine."""
    if is_pandas(frame):
        return nw.from_native(frame, eager_only=True)
    lazy = as_lazy(frame, name=name)
    try:
        return lazy.collect()
    except ImportError as error:
        raise _needs_pyarrow(frame, error) from error


def to_pandas(frame: Any, *, name: str = "frame") -> pd.DataFrame:
    """Turn any dataframe into pandas; a pandas one is returned as it is, never copied.

    Decimals become floats on the way, because pandas would keep them as Python objects that no numeric
    operation takes. A lazy frame is collected, its rows in whatever order the engine gives them.

    Raises
    ------
    TypeError
        If it is no dataframe.
    ImportError
        If the conversion needs pyarrow and it is not installed; the message has the command.
    """
    if is_pandas(frame):
        return frame
    eager = as_eager(frame, name=name)
    try:
        decimals = [name for name, dtype in eager.schema.items() if dtype == nw.Decimal]
        if not decimals:
            return eager.to_pandas()
        numbers = nw.col(*decimals)
        if eager.implementation is nw.Implementation.PYARROW:  # its cast of 0.57 gives 0.5700000000000001
            numbers = numbers.cast(nw.String)
        return eager.with_columns(numbers.cast(nw.Float64)).to_pandas()
    except ImportError as error:
        raise _needs_pyarrow(frame, error) from error


def _needs_pyarrow(frame: Any, error: ImportError) -> ImportError:
    return ImportError(
        f"reading a {kind_of(frame)} needs the package {error.name or 'pyarrow'!r}, in a version that works with the "
        f"installed numpy ({error}): pip install --upgrade 'customer-segments[parquet]' (or pyarrow)."
    )
