"""The variables of a description: numbers, yes/no answers and levels, whatever the columns they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError
from segmentation.features._column_values import ColumnValues, as_levels, as_numbers, read_column, refuse_infinite

__all__ = ["Kind", "Variable", "customer_table", "read_variables"]

Kind = Literal["binary", "numeric", "interval", "category"]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# As in a profile: a free-text column would otherwise become thousands of rows.
LEVELS_AT_MOST = 50
# Cubes of larger numbers, and of smaller ones, would leave what a float can hold.
LARGEST, SMALLEST = 1e90, 1e-90
# The first of each pair is the no, the second the yes.
NO_YES = (("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("off", "on"), ("nein", "ja"), ("0", "1"))


@dataclass(frozen=True, eq=False)
class Variable:
    """A column as it is described.

    Attributes
    ----------
    name : str
    kind : {"binary", "numeric", "interval", "category"}
        binary: its mean is the share of a yes; numeric: a quantity with a zero point; interval: numbers of which only
        differences mean something; category: levels.
    numbers : ndarray of shape (n_customers,), float64
        NaN where missing; of a category the code of its level.
    levels : tuple of str
        Of a category.
    """

    name: str
    kind: Kind
    numbers: Floats
    levels: tuple[str, ...] = ()

    @property
    def known(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.numbers)

    @property
    def n_missing(self) -> int:
        return int(np.isnan(self.numbers).sum())

    def columns(self) -> Iterator[tuple[str, Floats]]:
        """Yield (level, values): one column of numbers, or one of 0 and 1 per level; NaN where missing."""
        if self.kind != "category":
            yield "", self.numbers
            return
        for code, level in enumerate(self.levels):
            yield level, np.where(self.known, (self.numbers == code).astype(np.float64), np.nan)


def customer_table(frame: Any, what: str, customers: pd.Index | None = None) -> pd.DataFrame:
    """Return a table indexed by customer; an array has the customers of the assignment, by position."""
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(what if frame.name is None else frame.name)
    if isinstance(frame, np.ndarray) and customers is not None:
        if frame.ndim != 2 or len(frame) != len(customers):
            raise ColumnError(
                f"{what} as an array needs one row per customer of the assignment: shape ({len(customers):,}, "
                f"n_variables), got {frame.shape}."
            )
        frame = pd.DataFrame(frame, index=customers, columns=[f"x{i}" for i in range(frame.shape[1])])
    if not is_frame(frame):
        raise TypeError(f"{what} must be a table with one row per customer, got {kind_of(frame)}.")
    table = as_customers(frame)
    if not len(table.columns):
        raise ColumnError(f"{what} has no column beside the ids.")
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    if not table.columns.is_unique:
        repeated = table.columns[table.columns.duplicated()]
        raise ColumnError(f"{what} has columns of one name when written as text: {name_some(repeated)}.")
    return table


def read_variables(table: pd.DataFrame, kinds: Mapping[str, Kind], what: str) -> list[Variable]:
    """Read every column of a customer table.

    Raises
    ------
    ColumnError
        If a column holds dates, text of too many different values, or infinity, or cannot be of the kind asked for.
    """
    columns = []
    for name in table.columns:
        try:
            columns.append((name, read_column(table[name])))
        except TypeError as error:
            raise ColumnError(f"{what}: {error}") from error
    refuse_infinite(columns)
    for name, values in columns:
        refuse_extreme(values.numbers, f"{what}: column {name!r}")
    return [_variable(name, values, kinds.get(name), what) for name, values in columns]


def refuse_extreme(numbers: Floats | None, what: str) -> None:
    """Raise ColumnError where squares or cubes of numbers would leave what a float can hold."""
    largest = 0.0 if numbers is None else float(np.nanmax(np.abs(numbers), initial=0.0))
    if largest > LARGEST or 0 < largest < SMALLEST:
        raise ColumnError(f"{what} reaches {largest:.3g}, whose powers no float can hold: give it in another unit.")


def _variable(name: str, values: ColumnValues, wanted: Kind | None, what: str) -> Variable:
    if wanted is not None and wanted not in get_args(Kind):
        raise ValueError(f"kinds: {name!r} is asked to be {wanted!r}; it must be one of {name_some(get_args(Kind))}.")
    if values.kind == "date":
        raise ColumnError(
            f"{what}: column {name!r} holds dates, which have no mean that says something. Turn it into days first: "
            f'(pandas.Timestamp("2024-12-31") - table[{name!r}]).dt.days'
        )
    if wanted == "category" or (wanted is None and values.numbers is None and _yes_no(values.levels) is None):
        return _category(name, values, what)
    if wanted == "binary" or (wanted is None and _is_binary(values)):
        return Variable(name, "binary", _as_binary(name, values, what))
    numbers = as_numbers(values)
    lost = ~values.missing & np.isnan(numbers)
    if lost.any():
        raise ColumnError(
            f"{what}: {count(int(lost.sum()), 'value')} of column {name!r} cannot be read as a number; "
            f'kinds={{{name!r}: "category"}} takes its levels.'
        )
    has_no_zero = wanted == "interval" or (wanted is None and bool((numbers < 0).any()))
    return Variable(name, "interval" if has_no_zero else "numeric", numbers)


def _is_binary(values: ColumnValues) -> bool:
    if values.numbers is None or values.kind == "boolean":
        return True
    there = values.numbers[~values.missing]
    return len(there) > 0 and bool(np.isin(there, (0.0, 1.0)).all())


def _yes_no(levels: Sequence[str]) -> tuple[str, str] | None:
    """Return the words for no and yes, where the levels are such a pair (or one of it)."""
    lower = {level.lower() for level in levels}
    if not 1 <= len(levels) <= 2 or len(lower) != len(levels):
        return None
    return next((pair for pair in NO_YES if lower <= set(pair)), None)


def _as_binary(name: str, values: ColumnValues, what: str) -> Floats:
    if values.numbers is None:
        pair = _yes_no(values.levels)
        if pair is None:
            raise ColumnError(
                f"{what}: column {name!r} has the levels {name_some(values.levels)}; a binary one has two such as no "
                "and yes, False and True, or 0 and 1."
            )
        codes, levels = as_levels(values)
        yes = np.array([float(level.lower() == pair[1]) for level in levels] + [np.nan])
        return yes[codes]
    there = values.numbers[~values.missing]
    if not np.isin(there, (0.0, 1.0)).all():
        raise ColumnError(f"{what}: column {name!r} has values other than 0 and 1: {name_some(np.unique(there))}.")
    return values.numbers


def _category(name: str, values: ColumnValues, what: str) -> Variable:
    codes, levels = as_levels(values)
    size = np.bincount(codes[codes >= 0], minlength=len(levels))
    used = [i for i in range(len(levels)) if size[i]]
    if len(used) > LEVELS_AT_MOST:
        raise ColumnError(
            f"{what}: column {name!r} has {len(used):,} different values ({name_some([levels[i] for i in used], 3)}); "
            f"at most {LEVELS_AT_MOST} levels are described. Group the rare ones, drop the column, or make it numeric."
        )
    if values.kind != "ordered":  # an ordered one keeps its order
        used.sort(key=lambda i: levels[i])
    number = np.full(len(levels) + 1, np.nan)
    number[used] = np.arange(len(used))
    return Variable(name, "category", number[codes], tuple(levels[i] for i in used))
