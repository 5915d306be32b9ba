"""Fixtures for features: one table of orders in every dataframe engine, and lifetimes behind a fence."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

ZONE = "Europe/Berlin"

ENGINES = ["pandas", "pandas-nullable", "pandas-arrow", "polars", "polars-lazy", "pyarrow", "duckdb"]


def _pandas(table: pa.Table) -> pd.DataFrame:
    """Build plain pandas: dates and decimals as Python objects, text in whatever type pandas prefers."""
    return table.to_pandas()


def _pandas_nullable(table: pa.Table) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):  # pandas 2 casts infinity to an integer to see whether it is one
        return _pandas(table).convert_dtypes()


def _polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table)


def _duckdb(table: pa.Table) -> Any:
    return _duckdb_connection().from_arrow(table)


@functools.cache
def _duckdb_connection() -> Any:
    """Keep one connection open: a relation of DuckDB before 1.2 does not keep its own alive."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{ZONE}'")
    return connection


BUILDERS: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": _pandas,
    "pandas-nullable": _pandas_nullable,
    "pandas-arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": _polars,
    "polars-lazy": lambda table: _polars(table).lazy(),
    "pyarrow": lambda table: table,
    "duckdb": _duckdb,
}


@pytest.fixture(params=ENGINES)
def build(request: pytest.FixtureRequest) -> Callable[[pa.Table], Any]:
    """Give the function that turns an Arrow table into the frame of one engine."""
    return BUILDERS[request.param]


@pytest.fixture(scope="session")
def builders() -> dict[str, Callable[[pa.Table], Any]]:
    """Give all of them, for tests that compare engines on one draw of data."""
    return BUILDERS


class FencedUtils:
    """`lifetimes.utils`, each call without its warnings and without the pandas option that importing it sets."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            option = "mode.chained_assignment"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                before = pd.get_option(option)
                try:
                    import lifetimes.utils

                    return getattr(lifetimes.utils, name)(*args, **kwargs)
                finally:
                    pd.set_option(option, before)

        return call


@pytest.fixture(scope="session")
def lifetimes_utils() -> FencedUtils:
    """Give the functions of `lifetimes.utils` as an oracle."""
    return FencedUtils()
