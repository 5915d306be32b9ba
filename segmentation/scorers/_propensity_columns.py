"""Customer tables of mixed columns for classifiers that take numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from segmentation._format import count, name_some
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["codes_encoder", "constant_names", "dummies_encoder", "fingerprints", "numeric_names", "plain_table"]

# HistGradientBoostingClassifier takes at most 255 levels.
MOST_LEVELS = 254
# A level with fewer customers is put together with the other rare ones: nothing can be learnt about it alone.
FEWEST_PER_LEVEL = 10
MOST_DUMMIES = 50


def plain_table(table: pd.DataFrame, who: str) -> pd.DataFrame:
    """Give every column one of two types: float64 (numbers, booleans, days of dates) or objects that are text.

    Missing values become NaN in both. Columns of anything else are refused by name.
    """
    columns = {name: _plain_column(column, name, who) for name, column in table.items()}
    result = pd.DataFrame(columns, index=table.index)
    numbers = [name for name in result if result[name].dtype == np.float64]
    infinite = np.isinf(result[numbers].to_numpy())
    if infinite.any():
        names = [name for name, wrong in zip(numbers, infinite.any(axis=0), strict=True) if wrong]
        customers = table.index[infinite.any(axis=1)]
        raise CustomerTableError(
            f"{who} cannot use infinite values: columns {name_some(names)}, "
            f"{count(len(customers), 'customer')}: {name_some(customers)}. Make them missing (NaN) or a number."
        )
    return result


def _plain_column(column: pd.Series, name: Any, who: str) -> Any:
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
        column = column.astype(object)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _days(pd.to_datetime(column, utc=True).dt.tz_localize(None) - pd.Timestamp(0))
    if pd.api.types.is_timedelta64_dtype(dtype):
        return _days(pd.to_timedelta(column))
    if pd.api.types.is_complex_dtype(dtype):
        raise ColumnError(f"{who} cannot use complex numbers, column {name!r}.")
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        # + 0.0: minus zero is zero
        return column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
    return _plain_objects(column, name, who)


def _days(durations: Any) -> NDArray[np.float64]:
    return np.asarray(durations / pd.Timedelta(days=1), dtype=np.float64)


def _plain_objects(column: pd.Series, name: Any, who: str) -> Any:
    """Read Python objects: all text, or all numbers, or all dates; NaN where missing."""
    missing = column.isna().to_numpy(dtype=bool)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "empty":
        return np.full(len(column), np.nan)
    if kind == "string":
        values = column.to_numpy(dtype=object, na_value=np.nan)
        values = np.where(missing, np.nan, values)
        return pd.Series(values, index=column.index, dtype=object)
    if kind in {"boolean", "integer", "floating", "mixed-integer-float", "decimal"}:
        return column.where(~missing, np.nan).astype(np.float64).to_numpy() + 0.0
    if kind in {"date", "datetime", "datetime64"}:
        return _days(pd.to_datetime(column, utc=True).dt.tz_localize(None) - pd.Timestamp(0))
    present = column.dropna()
    types = sorted({type(value).__name__ for value in present})
    raise ColumnError(
        f"{who} takes numbers, booleans, dates and text; column {name!r} holds {name_some(types)} "
        f"(for example {present.iloc[0]!r}). Make it one of these, or leave it out with columns=[...]."
    )


def numeric_names(plain: pd.DataFrame) -> list[Any]:
    """Return the names of the columns that are numbers."""
    return [name for name in plain if plain[name].dtype == np.float64]


def fingerprints(plain: pd.DataFrame) -> NDArray[np.uint64]:
    """Return one number per customer that tells whether all the values are the same."""
    return np.asarray(pd.util.hash_pandas_object(plain, index=False), dtype=np.uint64)


def codes_encoder(numbers: list[Any], texts: list[Any]) -> ColumnTransformer:
    """Numbers as they are, then text as codes; rare levels together, unknown ones as missing."""
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        min_frequency=FEWEST_PER_LEVEL,
        max_categories=MOST_LEVELS,
    )
    return ColumnTransformer([("numbers", "passthrough", numbers), ("texts", codes, texts)])


def dummies_encoder(numbers: list[Any], texts: list[Any]) -> ColumnTransformer:
    """Numbers with the median where missing, flagged, standardised; a column of 0 and 1 per level of text."""
    filled = Pipeline(
        [
            ("fill", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
        ]
    )
    levels = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=FEWEST_PER_LEVEL,
        max_categories=MOST_DUMMIES,
        sparse_output=False,
    )
    return ColumnTransformer([("numbers", filled, numbers), ("texts", levels, texts)])


def constant_names(plain: pd.DataFrame) -> list[Any]:
    """Return the names of the columns with one value only, missing counted as one."""
    return [name for name in plain if len(pd.unique(plain[name])) <= 1]
