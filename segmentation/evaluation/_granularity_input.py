"""What `review_granularity` is given, checked and brought together; outcomes that formed the segments are refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count, name_some, nearest
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.assignment import as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments._minimum_size import MinimumSize

__all__ = [
    "Inputs",
    "cut_along",
    "read_inputs",
    "read_margins",
    "read_per_segment",
    "read_sizes",
    "read_stability",
    "refuse_forming",
]

# Squares and cubes of larger numbers, or smaller ones, would leave what a float can hold.
LARGEST, SMALLEST = 1e90, 1e-90
# An outcome that a column tells this well (rank correlation) is that column, rescaled, rounded or transformed.
SAME = 0.99
NUMBERS = frozenset({"boolean", "integer", "floating", "mixed-integer-float", "decimal"})


@dataclass(frozen=True)
class Inputs:
    """Customers who are in a segment: codes and outcomes in one order."""

    segments: list[str]
    codes: NDArray[np.int64]
    outcomes: pd.DataFrame
    notes: list[str]

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.bincount(self.codes, minlength=len(self.segments))


def read_inputs(assignment: Any, outcomes: Any) -> Inputs:
    """Bring assignment and outcomes together; customers on one side only, or in no segment, are counted."""
    table = as_assignment(assignment)
    segments = [str(name) for name in table["segment"].cat.categories[:-1]]
    if not segments:
        raise ValueError("the assignment has no segments: there is nothing to review.")
    known = _outcome_table(outcomes, table.index)
    notes = []
    both = table.index.intersection(known.index)
    if not len(both):
        raise CustomerTableError(
            f"no customer is in both tables: ids of the assignment look like {name_some(table.index[:3])}, those of "
            f"the outcomes like {name_some(known.index[:3])}."
        )
    outside = len(known.index) - len(both)
    if outside:
        notes.append(f"{count(outside, 'customer')} of the outcomes not in the assignment, left out.")
    codes = table["segment"].cat.codes.to_numpy(dtype=np.int64)
    assigned = codes < len(segments)
    if not assigned.all():
        notes.append(f"{count(int((~assigned).sum()), 'customer')} in no segment, left out.")
    known = known.reindex(table.index[assigned])
    for name in known.columns:
        missing = int(known[name].isna().sum())
        if missing:
            notes.append(
                f"{count(missing, 'customer')} without a value of {name!r}, left out of its comparisons; what is said "
                "of the others holds for them only if it is not the value that decides who has none."
            )
    return Inputs(segments, codes[assigned].astype(np.int64), known, notes)


def _outcome_table(outcomes: Any, index: pd.Index) -> pd.DataFrame:
    if isinstance(outcomes, pd.Series):
        outcomes = outcomes.to_frame("outcome" if outcomes.name is None else outcomes.name)
    if isinstance(outcomes, np.ndarray | list):
        array = np.asarray(outcomes)
        if array.ndim not in (1, 2) or len(array) != len(index):
            raise ValueError(
                f"an array of outcomes must have one row per customer of the assignment ({len(index):,}), got shape "
                f"{array.shape}."
            )
        columns = ["outcome"] if array.ndim == 1 else [f"outcome_{i}" for i in range(array.shape[1])]
        outcomes = pd.DataFrame(array.reshape(len(index), -1), columns=columns, index=index)
    if not is_frame(outcomes):
        raise TypeError(f"outcomes must be a pandas Series, a table or an array, got {kind_of(outcomes)}.")
    table = as_customers(outcomes)
    if not len(table.columns):
        raise ColumnError("outcomes has no column beside the ids: give at least one outcome per customer.")
    numbers: dict[Any, pd.Series[Any]] = {}
    for name in table.columns:
        # text that looks like a number is text: nobody knows whether 1.234 is a thousand
        kind = pd.api.types.infer_dtype(table[name], skipna=True)
        if kind not in NUMBERS and not table[name].isna().all():
            raise ColumnError(
                f"the outcome {name!r} must be numbers (true and false are 1 and 0), it holds {kind}: "
                f"{name_some(table[name].dropna().iloc[:3])}."
            )
        plain = table[name].astype(object) if table[name].dtype == object else table[name]
        numbers[name] = plain.where(plain.notna(), np.nan).astype("float64")
        infinite = table.index[np.isinf(numbers[name].to_numpy())]
        if len(infinite):
            raise CustomerTableError(
                f"the outcome {name!r} is infinite for {count(len(infinite), 'customer')}: {name_some(infinite)}."
            )
        largest = float(numbers[name].abs().max())
        if largest > LARGEST or 0 < largest < SMALLEST:
            raise CustomerTableError(
                f"the outcome {name!r} reaches {largest:.3g}, whose powers no float can hold: give it in another unit, "
                "and the margin with it."
            )
    return pd.DataFrame(numbers, index=table.index)


def read_margins(margin: Any, outcomes: Iterable[Any]) -> dict[Any, float]:
    """Return the margin of each outcome from a number or a mapping."""
    names = list(outcomes)
    if isinstance(margin, Mapping | pd.Series):
        given = dict(margin)
        wrong = [name for name in given if name not in names]
        missing = [name for name in names if name not in given]
        if wrong or missing:
            raise ValueError(
                f"margin must name each outcome: missing {name_some(missing) or 'none'}, unknown "
                f"{name_some(wrong) or 'none'}; the outcomes are {name_some(names)}."
            )
    else:
        given = dict.fromkeys(names, margin)
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
            raise ValueError(
                f"the margin of {name!r} must be a positive number in the outcome's own unit per customer, got "
                f"{value!r}: the smallest difference of two segments' means that would change what you do."
            )
        if not SMALLEST <= value <= LARGEST:
            raise ValueError(f"the margin of {name!r} is {value!r}: is it in the outcome's own unit, per customer?")
    return {name: float(given[name]) for name in names}


def read_per_segment(values: Any, segments: list[str], what: str) -> dict[str, float]:
    """Return one number of at least 0 per segment from a number or a mapping."""
    if isinstance(values, Mapping | pd.Series):
        given = {str(name): value for name, value in dict(values).items()}
        missing = [name for name in segments if name not in given]
        if missing:
            close = nearest(missing[0], given)
            raise ValueError(
                f"{what} has no value for {name_some(missing)}; it has {name_some(given)}."
                f"{f' Is it {name_some(close)}?' if close else ''}"
            )
    else:
        given = dict.fromkeys(segments, values)
    for name in segments:
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < math.inf:
            raise ValueError(f"{what} must be a number of at least 0, got {value!r} for {name!r}.")
    return {name: float(given[name]) for name in segments}


def read_sizes(min_size: Any, segments: list[str], least: int) -> dict[str, float]:
    """Return the smallest size wanted per segment, never under the privacy minimum; infinite where none is enough."""
    if min_size is None:
        return dict.fromkeys(segments, float(least))
    if isinstance(min_size, MinimumSize):
        needed = min_size.n_needed.astype("float64")
        if list(needed.index) == ["all"]:
            value = float(needed.iloc[0])
            return dict.fromkeys(segments, max(float(least), math.inf if math.isnan(value) else value))
        unknown = [name for name in segments if name not in {str(label) for label in needed.index}]
        if unknown:
            raise ValueError(f"min_size has no row for {name_some(unknown)}; it has {name_some(needed.index)}.")
        by_name = {str(label): float(value) for label, value in needed.items()}
        return {name: max(float(least), math.inf if math.isnan(by_name[name]) else by_name[name]) for name in segments}
    return {name: max(float(least), size) for name, size in read_per_segment(min_size, segments, "min_size").items()}


def read_stability(stability: Any, segments: list[str]) -> dict[str, float]:
    """Return the median stability per segment from a StabilityReport, its table of values, or one value each."""
    if stability is None:
        return {}
    values = getattr(stability, "slsw", stability)
    if isinstance(values, pd.DataFrame):
        values = values.median()
    if not isinstance(values, pd.Series | Mapping):
        raise TypeError(
            f"stability must come from segment_stability, or be a table of pairs x segments, got {kind_of(stability)}."
        )
    given = {str(name): float(value) for name, value in dict(values).items()}
    missing = [name for name in segments if name not in given]
    if missing:
        raise ValueError(
            f"stability has no value for {name_some(missing)}; it has {name_some(given)}. It must be of the same "
            "segmentation, under the same names."
        )
    return {name: given[name] for name in segments}


def refuse_forming(outcomes: pd.DataFrame, columns: Any, what: str) -> list[str]:
    """Raise ColumnError where an outcome is one of the columns, or follows from them; return what was not checked.

    Parameters
    ----------
    outcomes : DataFrame of numbers
    columns : name, names, or table of customers
    what : str
        The parameter, for the message.
    """
    if columns is None:
        return []
    reason = (
        "segments cut along an outcome differ in it by construction, so their difference says nothing. Take an outcome "
        "of later, or one that played no part"
    )
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, pd.Series):
        columns = columns.to_frame("formed_by" if columns.name is None else columns.name)
    is_table = is_frame(columns)
    if not is_table and (not isinstance(columns, Iterable) or getattr(columns, "ndim", 1) != 1):
        raise TypeError(
            f"{what} must be names of columns, or a table with one row per customer, got {kind_of(columns)}; an array "
            "becomes one by pandas.DataFrame(array, index=assignment.index)."
        )
    table = as_customers(columns) if is_table else None
    names = list(table.columns) if table is not None else list(columns)
    taken = {str(name).casefold(): name for name in names}
    for name in outcomes.columns:
        if str(name).casefold() in taken:
            raise ColumnError(f"the outcome {name!r} is in {what}: {reason}.")
    if table is None:
        return []
    together = outcomes.index.intersection(table.index)
    if not len(together):
        raise CustomerTableError(
            f"no customer of the assignment is in {what}: ids look like {name_some(outcomes.index[:3])} and "
            f"{name_some(table.index[:3])}."
        )
    numbers = table.loc[together].select_dtypes(include=["number", "bool"]).astype("float64")
    for name in outcomes.columns:
        follows = _follows_from(outcomes.loc[together, name], numbers)
        if follows is not None:
            raise ColumnError(f"the outcome {name!r} follows from {follows} of {what}: {reason}.")
    absent = len(outcomes) - len(together)
    if not absent or what != "formed_by":  # of the features it is said where splits are looked for
        return []
    return [
        f"{count(absent, 'customer')} not in {what}: whether an outcome follows from it was looked at without them."
    ]


def _follows_from(outcome: pd.Series[Any], columns: pd.DataFrame) -> str | None:
    """Name the column or columns that tell the outcome nearly without error; None if none does."""
    known = outcome.notna().to_numpy()
    values, columns = outcome[known].to_numpy(), columns[known]
    if len(values) < 10 or np.ptp(values) == 0:
        return None
    varying = [position for position in range(columns.shape[1]) if columns.iloc[:, position].dropna().unique().size > 1]
    for position in varying:
        column = columns.iloc[:, position].to_numpy()
        both = np.isfinite(column)
        if both.sum() < 10 or np.ptp(values[both]) == 0:
            continue
        if abs(_rank_correlation(values[both], column[both])) >= SAME or _steps_of(values[both], column[both]):
            return f"the column {columns.columns[position]!r}"
    together = columns.iloc[:, varying]
    rows = np.isfinite(together.to_numpy()).all(axis=1)
    if len(varying) < 2 or rows.sum() < 10 * len(varying):
        return None
    X, y = together.to_numpy()[rows], values[rows]
    for inputs, target in ((X, y), (_signed_log(X), _signed_log(y))):  # sums, and products
        A = np.column_stack([np.ones(len(y)), inputs])
        fitted = A @ np.linalg.lstsq(A, target, rcond=None)[0]
        left = float(((target - fitted) ** 2).sum() / ((target - target.mean()) ** 2).sum())
        # both: one enormous customer makes any R squared, and ranks alone see no scale
        if left <= 1 - SAME and _rank_correlation(y, fitted) >= SAME:
            return f"the columns {name_some(together.columns)} together"
    return None


def _signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.sign(values) * np.log1p(np.abs(values))
    return logs


def _steps_of(values: NDArray[np.float64], column: NDArray[np.float64]) -> bool:
    """Tell whether the values only rise, or only fall, with the column: a step of it, such as "has bought"."""
    by_value = pd.Series(values).groupby(column)  # in the order of the column
    low, high = by_value.min().to_numpy(), by_value.max().to_numpy()
    return bool((low[1:] >= high[:-1]).all() or (high[1:] <= low[:-1]).all())


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    ranks = stats.rankdata(first), stats.rankdata(second)
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def cut_along(codes: NDArray[np.int64], values: NDArray[np.float64]) -> bool:
    """Tell whether the segments are intervals of an outcome, one above the other."""
    known = np.isfinite(values)
    by_segment = pd.Series(values[known]).groupby(codes[known])
    extent = pd.DataFrame({"low": by_segment.min(), "high": by_segment.max(), "n": by_segment.size()})
    extent = extent.sort_values(["low", "high"])
    if len(extent) < 2 or extent["n"].min() < 2:
        return False
    apart = (extent["low"].to_numpy()[1:] >= extent["high"].to_numpy()[:-1]).all()
    return bool(apart and np.ptp(values[known]) > 0)
