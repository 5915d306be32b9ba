"""CustomerPreprocessor: a customer table of any types becomes numbers of one scale, and centres become words again."""

from __future__ import annotations

import datetime as dt
import numbers
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from segmentation._format import column_difference, count, name_some, percent
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation._validation import as_customers, select_columns
from segmentation.exceptions import ColumnError, CustomerTableError, SegmentationWarning
from segmentation.features._column_codecs import CategoryColumn, Codec, Encoded, losses
from segmentation.features._column_learning import decide_column, learn_codec
from segmentation.features._column_roles import ROLES, Decision
from segmentation.features._column_values import DAY, EPOCH, ColumnValues, as_days, read_column, refuse_infinite

__all__ = ["CustomerPreprocessor"]

ALIASES = {"money": "amount"}


class CustomerPreprocessor(TransformerMixin, BaseEstimator):
    """Turn a customer table as it is into bounded numbers that distances can be computed on.

    Every column gets a role, decided in ``fit`` from its values (from its name only where values cannot tell), and
    the role says what becomes of it. ``decisions_`` is the table of all decisions with their reasons; ``roles``
    overrides them.

    ========  ============================================================  =======================================
    role      recognised by                                                 becomes
    ========  ============================================================  =======================================
    amount    quantity with a heavy tail (skewness above 1), or a name of   ``asinh(x / lower quartile of |x|)`` if
              money ("spend", "Income"); also durations                     heavy-tailed, median and quartiles
    count     whole numbers from 0 with a heavy tail and a median below     ``log(1 + x)`` if heavy-tailed, mean and
              100, or a name of counts ("n_orders", "visits")               standard deviation
    number    any other quantity: age, shares in [0, 1]                     as it is, median and quartiles
    ordinal   whole numbers within a range of 10, ordered categoricals,     value or position in the order, mean and
              text ranges ("18-24", "65+"), words of rating scales          standard deviation
    category  other text; whole numbers named as codes ("region")           a column per level; rare levels together
    boolean   two numbers, booleans, yes and no                             0 and 1
    date      dates; ISO 8601 text; whole numbers yyyymmdd                  days before `as_of`, as a number
    presence  one value and missing ones                                    1 where there is the value
    drop      constant, without any value, ids, free text                   nothing
    ========  ============================================================  =======================================

    Parameters
    ----------
    roles : mapping of column to role, optional
        Overrides: ``{"income": "amount", "region": "category", "remark": "drop"}``; "money" is another word for
        "amount". A list of levels, from low to high, makes an ordinal: ``{"education": ["basic", "master", "phd"]}``.
    as_of : date, datetime, or ISO 8601 text, optional
        The day from which dates are counted; by default the latest date in the table that ``fit`` sees, which
        ``as_of_`` and ``decisions_`` state. A later date gives negative days.
    missing_codes : mapping of column to value or list of values, optional
        Values that stand for missing: ``{"pdays": -1, "job": "unknown"}``. Blank text always does.
    indicators : {"auto", "never"}, default="auto"
        "auto": a column with missing values in ``fit`` gets a column ``<name>_missing`` of 0 and 1 besides.
    min_share : float, default=0.01
        Levels with a smaller share of the customers who have one are merged into ``<name>=(other)``.
    max_levels : int, default=20
        At most so many levels of a category keep a column of their own, the most frequent ones.

    Attributes
    ----------
    decisions_ : pandas.DataFrame
        Index ``column``; ``role``, ``decided`` ("found" or "given"), ``why``, ``treatment``, ``n_missing``, ``fill``
        (what is put in for a missing value), ``outputs`` (names of the columns made), ``loses`` (what
        ``inverse_transform`` cannot give back) and ``note``.
    as_of_ : pandas.Timestamp or None
        The day from which dates are counted; None where there is no date.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,), object
        Columns of ``fit``, where it saw a table; a column ``customer_id`` is the id and not among them.

    Warns
    -----
    SegmentationWarning
        In ``transform``, of values that ``fit`` has not seen in a category, boolean or ordinal, or that cannot be read
        (with their number and up to five of them). In a category they go to ``(other)``, or to no level where there
        is none; elsewhere they count as missing.

    Raises
    ------
    ColumnError
        If columns are not those of ``fit``, `roles` or `missing_codes` name a column that is not there, a column
        holds infinity, or the names of the columns made would clash.
    CustomerTableError
        If no column is left to compute on.
    ValueError
        If a parameter is not allowed, or values cannot be read as the role that was asked for.

    Notes
    -----
    A quantity is centred and divided by its width, then bounded by ``z / sqrt(1 + (z / 3) ** 2)`` [1]_: nearly
    unchanged around 0, never beyond 3, and invertible, so that no customer is farther away than 6 in one column,
    whatever is wrong with a value. Two customers with different levels of a category are as far apart as two with
    different values of a boolean: 1. Amounts are measured in their own typical size, so that the currency does not
    matter.

    Missing quantities are filled with the median, booleans with the more frequent value; a missing category is a
    level of its own. New missing values in a column without an indicator are filled in silence: there is nowhere to
    show them.

    `inverse_transform` gives customers back, `describe_centers` centres. The centre of a bounded column is the value
    whose bounded value is the mean, which lies near the median and below the mean of a heavy tail.

    See Also
    --------
    sklearn.compose.ColumnTransformer : Where every column is assigned by hand.

    References
    ----------
    .. [1] Bounded scaling of this form is that of ``skrub.SquashingScaler``; there too 3 is the default bound.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import CustomerPreprocessor
    >>> customers = pd.DataFrame({
    ...     "spend": [10.0, 25.0, None, 3000.0, 40.0, 15.0],
    ...     "region": ["north", "south", "south", "north", "south", "south"],
    ...     "newsletter": ["yes", "no", "yes", "yes", "no", "no"],
    ... }, index=pd.Index(list("abcdef"), name="customer_id"))
    >>> prepared = CustomerPreprocessor().set_output(transform="pandas").fit(customers)
    >>> prepared.decisions_[["role", "treatment", "n_missing"]]
                    role       treatment  n_missing
    column
    spend         amount  asinh(x / 15)          1
    region      category  one of 2 levels          0
    newsletter   boolean  1 = yes, 0 = no          0
    >>> prepared.transform(customers).round(2).head(3)
                 spend  spend_missing  region=north  region=south  newsletter
    customer_id
    a            -1.01            0.0          0.71          0.00         1.0
    b             0.00            0.0          0.00          0.71         0.0
    c             0.00            1.0          0.00          0.71         1.0
    >>> prepared.inverse_transform(prepared.transform(customers)).equals(customers)
    True
    """

    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        *,
        roles: Mapping[Any, str | Sequence[Any]] | None = None,
        as_of: str | dt.date | pd.Timestamp | None = None,
        missing_codes: Mapping[Any, Any] | None = None,
        indicators: Literal["auto", "never"] = "auto",
        min_share: float = 0.01,
        max_levels: int = 20,
    ) -> None:
        self.roles = roles
        self.as_of = as_of
        self.missing_codes = missing_codes
        self.indicators = indicators
        self.min_share = min_share
        self.max_levels = max_levels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Decide on every column, and learn its scale.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)
        y : ignored

        Returns
        -------
        self
        """
        self._check_parameters()
        table = self._table(X, reset=True)
        names = list(table.columns)
        self._check_names(names)
        columns = self._read(table)
        named = hasattr(self, "feature_names_in_")
        roles = {name: ALIASES.get(role, role) if isinstance(role, str) else role for name, role in self._roles()}
        decisions = {
            name: decide_column(name, values, roles.get(name), named=named) for name, values in columns.items()
        }
        as_of = self._learn_as_of(columns, decisions)
        self._codecs: dict[Any, Codec] = {}
        for name, values in columns.items():
            codec = learn_codec(
                name,
                values,
                decisions[name],
                as_of=as_of,
                indicator=self.indicators == "auto" and bool(values.missing.any()),
                min_share=self.min_share,
                max_levels=self.max_levels,
            )
            if isinstance(codec, CategoryColumn) and codec.names() == [f"{name}={codec.other}"]:
                why = f"none of its {len(codec.merged)} levels is among {percent(self.min_share)} of the customers"
                decisions[name] = Decision("drop", why)
            elif codec is not None:
                self._codecs[name] = codec
        self.decisions_ = self._decision_table(columns, decisions, roles)
        self._refuse_no_output(len(table))
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the customers as bounded numbers.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)
            The columns of ``fit``; a table may have others besides and any order.

        Returns
        -------
        ndarray of shape (n_customers, n_features_out), float64
            A table instead after ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        columns = self._read(self._table(X, reset=False))
        encoded = {name: codec.encode(columns[name]) for name, codec in self._codecs.items()}
        _warn_of_unknown(encoded)
        return np.hstack([part.block for part in encoded.values()])

    def inverse_transform(self, X: Any) -> pd.DataFrame:
        """Return customers in original units.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features_out)
            What ``transform`` returned.

        Returns
        -------
        pandas.DataFrame
            One column per column that was kept, in its place; dropped ones are not there. Whole numbers come back
            as whole numbers, levels of ordinals and categories as text, missing values as missing where there is an
            indicator. ``decisions_["loses"]`` has what cannot come back. The index is that of `X`.
        """
        parts, index = self._parts(X)
        columns = {name: codec.rows(parts[name]) for name, codec in self._codecs.items()}
        return pd.DataFrame({name: column.set_axis(index) for name, column in columns.items()}, index=index)

    def describe_centers(self, centers: Any) -> pd.DataFrame:
        """Return centres of segments in original units.

        Parameters
        ----------
        centers : dataframe or array of shape (n_segments, n_features_out)
            Means of transformed customers: ``cluster_centers_`` or ``centers_`` of a ``KMeansSegmenter(scale=None)``.

        Returns
        -------
        pandas.DataFrame
            Of quantities and dates the value in original units; of ordinal levels the nearest one; of booleans the
            share of 1; ``<column>=<level>`` the share of a level, ``<column>_missing`` the share without a value.
            Shares are exact; a quantity is a typical value, not the mean (see Notes of the class). Both are of the
            customers who have a value: what was put in for the others is taken out again, where there is an indicator.
        """
        parts, index = self._parts(centers)
        columns: dict[str, Any] = {}
        for name, codec in self._codecs.items():
            columns |= codec.centers(parts[name])
        return pd.DataFrame({name: np.asarray(column) for name, column in columns.items()}, index=index)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns of ``transform``.

        Parameters
        ----------
        input_features : sequence of str, optional
            If given, must be the columns of ``fit``.
        """
        check_is_fitted(self)
        if input_features is not None and list(input_features) != self._names_in():
            if len(input_features) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features ({self.n_features_in_}), "
                    f"got {len(input_features)}"
                )
            if hasattr(self, "feature_names_in_"):
                raise ValueError(
                    "input_features is not equal to feature_names_in_: "
                    f"{column_difference(self._names_in(), list(input_features))}"
                )
            renamed = dict(zip(self._names_in(), input_features, strict=True))
            return np.array(
                [
                    str(renamed[key]) + out.removeprefix(str(key))
                    for key, codec in self._codecs.items()
                    for out in codec.names()
                ],
                dtype=object,
            )
        return np.array([out for codec in self._codecs.values() for out in codec.names()], dtype=object)

    # --- what comes in

    def _check_parameters(self) -> None:
        if self.indicators not in ("auto", "never"):
            raise ValueError(f"indicators must be 'auto' or 'never', got {self.indicators!r}.")
        if (
            isinstance(self.max_levels, bool)
            or not isinstance(self.max_levels, numbers.Integral)
            or self.max_levels < 1
        ):
            raise ValueError(f"max_levels must be a positive integer, got {self.max_levels!r}.")
        if not isinstance(self.min_share, numbers.Real) or not 0 <= self.min_share < 1:
            raise ValueError(f"min_share must be a share of the customers in [0, 1), got {self.min_share!r}.")
        for parameter in ("roles", "missing_codes"):
            value = getattr(self, parameter)
            if value is not None and not isinstance(value, Mapping):
                raise TypeError(f"{parameter} must be a mapping of columns, got {kind_of(value)}.")
        for name, role in self._roles():
            if isinstance(role, str) and ALIASES.get(role, role) not in ROLES:
                raise ValueError(
                    f"roles={{{name!r}: {role!r}}}: no such role; there are {name_some(ROLES, len(ROLES))}, or a list "
                    "of the levels of an ordinal from low to high."
                )

    def _roles(self) -> Iterable[tuple[Any, str | Sequence[Any]]]:
        return (self.roles or {}).items()

    def _check_names(self, names: list[Any]) -> None:
        for parameter in ("roles", "missing_codes"):
            strange = [name for name in getattr(self, parameter) or {} if name not in names]
            if strange:
                raise ColumnError(f"{parameter} names columns that are not there; {column_difference(strange, names)}.")

    def _names_in(self) -> list[Any]:
        return list(getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)]))

    def _table(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Return the columns as a pandas table; of an array, one with the names x0, x1, ..."""
        who = type(self).__name__
        if is_frame(X):
            table = as_customers(X)
            if reset:
                if not len(table.columns):
                    raise ColumnError(
                        f"{who} needs at least one column beside the ids, 0 feature(s) came (shape={table.shape})."
                    )
                if not len(table):
                    raise CustomerTableError(f"{who} cannot learn from a table without customers (n_samples=0).")
                validate_data(self, table, reset=True, skip_check_array=True)
            elif hasattr(self, "feature_names_in_"):
                if set(table.columns) != set(self.feature_names_in_) or len(table.columns) != self.n_features_in_:
                    select_columns(table, list(self.feature_names_in_), f"{who} needs columns that are not there;")
                return table[list(self.feature_names_in_)]
            else:
                validate_data(self, table, reset=False, skip_check_array=True)
            return table if hasattr(self, "feature_names_in_") else table.set_axis(self._names_in(), axis=1)
        array = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite=False, ensure_min_samples=1 if reset else 0
        )
        return pd.DataFrame({name: array[:, i] for i, name in enumerate(self._names_in())})

    def _read(self, table: pd.DataFrame) -> dict[Any, ColumnValues]:
        codes = {
            name: [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
            for name, value in (self.missing_codes or {}).items()
        }
        columns = {name: read_column(column, codes.get(name, ())) for name, column in table.items()}
        refuse_infinite(columns.items())
        return columns

    def _parts(self, X: Any) -> tuple[dict[Any, NDArray[np.float64]], pd.Index]:
        """Split transformed rows into the block of each column."""
        check_is_fitted(self)
        names = list(self.get_feature_names_out())
        if is_frame(X):
            table = as_customers(X) if "customer_id" in to_pandas(X).columns else to_pandas(X)
            if all(isinstance(name, str) for name in table.columns) and set(table.columns) >= set(names):
                table = table[names]
            index, array = table.index, table.to_numpy(dtype=np.float64)
        else:
            array = np.asarray(X, dtype=np.float64)
            index = pd.RangeIndex(len(array))
        if array.ndim != 2 or array.shape[1] != len(names):
            raise ValueError(
                f"expected an array or table of the {len(names)} columns that transform makes "
                f"({name_some(names)}), got shape {array.shape}."
            )
        parts, at = {}, 0
        for name, codec in self._codecs.items():
            width = len(codec.names())
            parts[name] = array[:, at : at + width]
            at += width
        return parts, index

    # --- what was decided

    def _learn_as_of(self, columns: dict[Any, ColumnValues], decisions: dict[Any, Decision]) -> float:
        dates = [name for name, decision in decisions.items() if decision.role == "date"]
        self.as_of_: pd.Timestamp | None = None
        if not dates:
            return 0.0
        if self.as_of is None:
            latest = max(float(np.nanmax(as_days(columns[name]))) for name in dates)
            latest = float(np.floor(latest))
        else:
            try:
                latest = (pd.Timestamp(self.as_of).tz_localize(None) - EPOCH) / DAY
            except (TypeError, ValueError) as error:
                raise ValueError(f"as_of must be a date or ISO 8601 text, got {self.as_of!r}.") from error
        self.as_of_ = EPOCH + latest * DAY
        return latest

    def _decision_table(
        self, columns: dict[Any, ColumnValues], decisions: dict[Any, Decision], roles: dict[Any, Any]
    ) -> pd.DataFrame:
        rows = []
        for name, values in columns.items():
            codec, decision = self._codecs.get(name), decisions[name]
            rows.append(
                {
                    "role": decision.role,
                    "decided": "given" if name in roles else "found",
                    "why": decision.why,
                    "treatment": "left out" if codec is None else codec.treatment_text(),
                    "n_missing": int(values.missing.sum()),
                    "fill": "" if codec is None else codec.fill_value(),
                    "outputs": ", ".join(codec.names()) if codec else "",
                    "loses": "the column" if codec is None else losses(codec),
                    "note": decision.note,
                }
            )
        return pd.DataFrame(rows, index=pd.Index(list(columns), name="column"))

    def _refuse_no_output(self, n_customers: int) -> None:
        outputs = [out for codec in self._codecs.values() for out in codec.names()]
        if not outputs:
            reasons = "; ".join(f"{name!r}: {why}" for name, why in self.decisions_["why"].head(5).items())
            raise CustomerTableError(
                f"{type(self).__name__} finds no column to compute on (n_samples={n_customers}): {reasons}. "
                "Give other columns, or set roles."
            )
        repeated = sorted({name for name in outputs if outputs.count(name) > 1})
        if repeated:
            raise ColumnError(
                f"columns of the result would have one name twice: {name_some(repeated)}. Rename a column of the table."
            )


def _warn_of_unknown(encoded: Mapping[Any, Encoded]) -> None:
    """Say which values could not be placed; one warning for all columns."""
    parts = [
        f"{name!r}: {count(part.n_unknown, 'value')} ({name_some(part.unknown)})"
        for name, part in encoded.items()
        if part.n_unknown
    ]
    if parts:
        n = max(len(part.block) for part in encoded.values())
        worst = max(part.n_unknown for part in encoded.values())
        warnings.warn(
            f"values that fit has not seen, or that cannot be read, at most {percent(worst / n)} of a column: "
            f"{'; '.join(parts[:5])}{'; ...' if len(parts) > 5 else ''}. In a category they go to (other) or to no "
            "level, elsewhere they count as missing.",
            SegmentationWarning,
            stacklevel=4,
        )
