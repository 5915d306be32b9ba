"""Checks that every estimator shares: customers in, names and ids right, values finite."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_frame, is_pandas, kind_of, to_pandas
from segmentation.exceptions import ColumnError, CustomerTableError, SegmentationWarning

__all__ = ["CUSTOMER_ID", "as_customers", "customer_index", "numeric_customers", "refuse_missing", "select_columns"]

CUSTOMER_ID = "customer_id"

# What columns of ids are called: id, customer_id, CustomerID, customerId, user_number, ...
ID_NAME = re.compile(r"(?i:(^|[ _.\-])(id|ids|uuid|number|no|nr))$|[a-z](ID|Id)$")
# What pandas.api.types.infer_dtype calls dates and times.
TIMES = frozenset({"date", "datetime", "datetime64", "period", "timedelta", "timedelta64"})


def as_customers(frame: Any, customer_id: Any = None) -> pd.DataFrame:
    """Turn any dataframe into the customer table: pandas, one row per customer, index ``customer_id``.

    Parameters
    ----------
    frame : dataframe
        pandas, polars, pyarrow, DuckDB or any other frame that narwhals knows; a lazy one is collected.
    customer_id : column label, optional
        The column (or the name of the pandas index) with the ids. By default the column ``customer_id``
        where there is one, else the index of a pandas frame, else the row number: so a column called
        ``customer_id`` is an id everywhere in this library and never a feature.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id``, unique and without missing ids; the other columns unchanged, in their order.
        The input is never modified. A table without rows is returned as such.

    Raises
    ------
    TypeError
        If `frame` is no dataframe.
    ColumnError
        If the id column is not there, a column name stands twice, or two places could hold the ids.
    CustomerTableError
        If ids are missing or stand twice; the message names up to five of them.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import as_customers
    >>> frame = pd.DataFrame({"id": ["c2", "c1"], "age": [31, 45]})
    >>> as_customers(frame, customer_id="id")["age"].to_dict()
    {'c2': 31, 'c1': 45}
    """
    if not is_frame(frame):
        raise TypeError(
            f"expected a dataframe with one row per customer (pandas, polars, pyarrow, ...), got {kind_of(frame)}."
        )
    ids_from_index = is_pandas(frame)
    table = to_pandas(frame)
    _refuse_repeated_columns(table)
    if customer_id is None and CUSTOMER_ID in table.columns:
        customer_id = CUSTOMER_ID
    if customer_id is not None and customer_id in table.columns:
        also = [name for name in table.index.names if name is not None and name in (customer_id, CUSTOMER_ID)]
        if also:
            raise ColumnError(
                f"there is a column {customer_id!r}, and an index that is called {also[0]!r}: which of them "
                "holds the ids? Drop one: frame.reset_index(drop=True) or frame.drop(columns=...)."
            )
        table = table.set_index(customer_id)
    elif customer_id is not None and not (ids_from_index and customer_id in table.index.names):
        raise ColumnError(
            f"no column {customer_id!r} to take customer ids from; "
            f"{column_difference([customer_id], list(table.columns))}."
        )
    table = table.set_axis(customer_index(table.index), axis=0)
    if customer_id != CUSTOMER_ID and CUSTOMER_ID in table.columns:
        raise ColumnError(
            f"ids are taken from {customer_id!r}, and there is another column {CUSTOMER_ID!r}: "
            "rename or drop it, so that nobody mistakes it for the id."
        )
    return table


def customer_index(index: pd.Index) -> pd.Index:
    """Return the index, named ``customer_id``, or raise CustomerTableError where it cannot identify customers."""
    if index.nlevels > 1:
        raise CustomerTableError(
            f"a customer needs one id, but the index has {index.nlevels} levels ({name_some(index.names)}): "
            "join them into one column first."
        )
    missing = np.flatnonzero(_missing(index))
    if missing.size:
        raise CustomerTableError(
            f"{count(missing.size, 'row has', 'rows have')} no customer id (rows {name_some(missing)}). "
            "Drop them, or give each its id: a customer without one cannot be followed."
        )
    if not index.is_unique:
        repeated = index[index.duplicated()].unique()
        raise CustomerTableError(
            f"{count(len(repeated), 'customer id stands', 'customer ids stand')} in more than one row: "
            f"{name_some(repeated)}. The customer table has one row per customer: aggregate or "
            "de-duplicate first; orders and events become customers through segmentation.features."
        )
    return index if index.name == CUSTOMER_ID else index.rename(CUSTOMER_ID)


def _missing(index: pd.Index) -> NDArray[np.bool_]:
    """Tell where an id is missing; to pandas, NaN in an Arrow column of floats is a value."""
    missing = np.asarray(index.isna())
    if pd.api.types.is_float_dtype(index.dtype) and not isinstance(index.dtype, np.dtype):
        missing = missing | np.isnan(index.to_numpy(dtype=np.float64, na_value=np.nan))
    return missing


def _refuse_repeated_columns(table: pd.DataFrame) -> None:
    if table.columns.nlevels > 1:
        raise ColumnError(
            f"columns have {table.columns.nlevels} levels; flatten them to single names first, for instance "
            "frame.columns = ['_'.join(map(str, c)) for c in frame.columns]."
        )
    if not table.columns.is_unique:
        repeated = table.columns[table.columns.duplicated()].unique()
        raise ColumnError(f"column names must be unique; repeated: {name_some(repeated)}.")


def select_columns(table: pd.DataFrame, needed: Sequence[Any], who: str) -> pd.DataFrame:
    """Take the needed columns in their order, or raise ColumnError with the difference and the nearest names."""
    if any(name not in table.columns for name in needed):
        raise ColumnError(f"{who} {column_difference(needed, list(table.columns))}.")
    return table if list(table.columns) == list(needed) else table[list(needed)]


def _as_numbers(table: pd.DataFrame, who: str) -> pd.DataFrame:
    """Give every column a numpy dtype that holds numbers; a column that is none is named with a remedy."""
    result = table
    for name, column in table.items():
        dtype = column.dtype
        if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
            continue
        if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
            if pd.api.types.is_complex_dtype(dtype):
                continue  # scikit-learn's own message on complex data is clear
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif isinstance(dtype, np.dtype) and dtype.kind == "O":
            values = _numbers_of_objects(column, name, who)
        else:
            raise ColumnError(_not_numeric(column, name, who))
        if result is table:
            result = table.copy(deep=False)
        result[name] = values
    return result


def _numbers_of_objects(column: pd.Series[Any], name: Any, who: str) -> Any:
    """Accept numbers (and missing ones) kept as Python objects; text that looks like a number is still text."""
    present = column.dropna()
    if present.map(lambda value: isinstance(value, str)).any():
        raise ColumnError(_not_numeric(column, name, who))
    try:
        return column.where(column.notna(), np.nan).astype(np.float64).to_numpy()
    except (TypeError, ValueError) as error:
        raise ColumnError(_not_numeric(column, name, who)) from error


def _not_numeric(column: pd.Series[Any], name: Any, who: str) -> str:
    present = column.dropna()
    different = {repr(value): value for value in present.iloc[:100]}  # lists and dictionaries have no hash
    values = name_some([*different.values()][:3])
    remedy = (
        "turn it into a number first, such as days since then"
        if pd.api.types.infer_dtype(present.iloc[:100]) in TIMES
        else "encode it (sklearn.preprocessing.OneHotEncoder), convert it with pandas.to_numeric, or drop it"
    )
    return f"{who} takes numbers; column {name!r} is {column.dtype} (values: {values or 'none'}): {remedy}."


def _text_names(table: pd.DataFrame) -> pd.DataFrame:
    """Write column labels that are no text as text: scikit-learn keeps and compares names only if all are text.

    A table with the columns 0 and 1 would otherwise be accepted with the two exchanged, in silence.
    """
    if all(isinstance(name, str) for name in table.columns):
        return table
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    _refuse_repeated_columns(table)
    return table


def refuse_missing(table: pd.DataFrame, who: str) -> None:
    """Raise CustomerTableError where a column has missing values, naming columns and customers."""
    missing = table.isna()
    if not missing.to_numpy().any():
        return
    per_column = ", ".join(f"{name!r}: {n:,}" for name, n in missing.sum().items() if n)
    customers = table.index[missing.any(axis=1)]
    raise CustomerTableError(
        f"{who} cannot use missing values (NaN). Values by column: {per_column}; "
        f"{count(len(customers), 'customer')}: {name_some(customers)}. Fill them, or leave these customers out."
    )


def numeric_customers(estimator: Any, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
    """Validate customers for an estimator that computes on numbers.

    Returns
    -------
    X : ndarray of shape (n_customers, n_features), float64
    index : pandas.Index
        The ids, named ``customer_id``; a RangeIndex where `X` was an array.
    """
    who = type(estimator).__name__
    index = None
    if is_frame(X):
        X = _text_names(as_customers(X))
        index = X.index
        if not len(X.columns):
            raise ColumnError(f"{who} needs at least one column beside the ids, 0 feature(s) came (shape={X.shape}).")
        if reset and not len(X):
            raise CustomerTableError(f"{who} cannot learn from a table without customers (0 rows, n_samples=0).")
        if reset:
            _warn_of_id_column(X, who)
        else:
            _refuse_other_columns(estimator, X)
        X = _as_numbers(X, who)
    elif isinstance(X, pd.Series):
        raise ValueError(
            f"Expected 2D array or dataframe, got a pandas Series instead: {who} takes one row per customer and "
            "one column per feature; series.to_frame() makes a table of one column."
        )
    allow_nan = bool(estimator.__sklearn_tags__().input_tags.allow_nan)
    names = list(X.columns) if isinstance(X, pd.DataFrame) else None
    # 1.6 and later take ensure_all_finite; finiteness is checked below, where columns can be named
    array = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=np.float64,
        ensure_all_finite=False,
        ensure_min_samples=1 if reset else 0,
    )
    _refuse_infinite(array, names, index, who, allow_nan=allow_nan)
    if index is None:
        index = pd.RangeIndex(array.shape[0], name=CUSTOMER_ID)
    return array, index


def _refuse_other_columns(estimator: Any, table: pd.DataFrame) -> None:
    """Raise ColumnError, with scikit-learn's text and ours, unless the columns are those of ``fit``, in their order.

    Before any look at the values: of a column that does not belong there, the type is beside the point.
    """
    names = list(table.columns)
    fitted = list(getattr(estimator, "feature_names_in_", names))
    if names == fitted:
        return
    try:
        validate_data(estimator, pd.DataFrame(np.zeros((1, len(names))), columns=names), reset=False)
    except ValueError as error:
        what = (
            column_difference(fitted, names)
            if set(fitted) - set(names)
            else f"all columns are there; take those of fit, in their order: {name_some(fitted, 12)}"
        )
        raise ColumnError(f"{error}\n{type(estimator).__name__}: {what}.") from error


def _warn_of_id_column(table: pd.DataFrame, who: str) -> None:
    """Warn where a column looks like the customer id, and the index does not hold one."""
    if not isinstance(table.index, pd.RangeIndex) or len(table) < 2:
        return
    for name, column in table.items():
        if ID_NAME.search(str(name)) and pd.api.types.is_integer_dtype(column.dtype) and column.is_unique:
            warnings.warn(
                f"{who} takes the column {name!r} as a feature, and it looks like the customer id: use "
                f"segmentation.as_customers(frame, customer_id={name!r}) first, or give it another name.",
                SegmentationWarning,
                stacklevel=6,
            )


def _refuse_infinite(array: Any, names: list[Any] | None, index: pd.Index | None, who: str, *, allow_nan: bool) -> None:
    """Raise CustomerTableError where a value is not finite, naming columns and customers."""
    with np.errstate(over="ignore", invalid="ignore"):
        # one pass decides for clean data; an overflow of the sum only costs the second
        if np.isfinite(array.sum()):
            return
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if not bad.any():
        return
    what = "infinity (inf)" if np.isinf(array).any() else "NaN"
    columns = np.flatnonzero(bad.any(axis=0))
    labels = [names[i] if names else f"x{i}" for i in columns]
    per_column = ", ".join(
        f"{label!r}: {int(bad[:, i].sum()):,}" for label, i in zip(labels[:5], columns[:5], strict=True)
    )
    rows = np.flatnonzero(bad.any(axis=1))
    # an array has no ids: its row numbers are not to be taken for any
    customers = (
        f"{count(len(rows), 'customer')}: {name_some(index[rows])}"
        if index is not None
        else (f"{count(len(rows), 'row')}: {name_some(rows)}")
    )
    raise CustomerTableError(
        f"Input X contains {what}: {who} needs a finite number for every customer. Values by column: {per_column}"
        f"{', ...' if len(columns) > 5 else ''}; {customers}. "
        "Impute them (sklearn.impute.SimpleImputer in a pipeline before this step), or leave these customers out."
    )
