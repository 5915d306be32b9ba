"""A plan, segments and protected attributes as numbers: how many of each group are where, what each segment gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, number
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.allocation._result import Allocation
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.governance._carriers import LEVELS_AT_MOST, protected_table
from segmentation.governance._cells import protect

__all__ = ["MISSING", "OUTCOME", "Amounts", "Groups", "amounts_of", "groups_of", "matched"]

Array = NDArray[np.float64]
MISSING = "missing"
OUTCOME = "outcome"
EFFORT = "effort"


@dataclass(frozen=True, eq=False)
class Amounts:
    """What each segment gets of each measure, (n_measures, n_segments), and draws of the outcome.

    ``outcome_draws`` is (n_draws, n_segments) or None; ``item_segment`` the position of the segment of each item of a
    plan, None for a table.
    """

    segments: list[str]
    measures: list[str]
    amount: Array
    outcome_draws: Array | None
    item_segment: NDArray[np.int64] | None


def amounts_of(allocation: Any, measures: Any) -> Amounts:
    """Read a plan, or a table of efforts (and outcomes) by segment."""
    if isinstance(allocation, Allocation):
        if measures is not None:
            raise ValueError("measures= is for a table; of a plan each resource and the outcome are compared.")
        return _of_plan(allocation)
    if isinstance(allocation, pd.Series):
        allocation = allocation.to_frame(EFFORT)
    if not is_frame(allocation):
        raise TypeError(
            "allocation must be a plan (segmentation.allocation.allocate) or a table with the effort of each segment, "
            f"got {kind_of(allocation)}."
        )
    return _of_table(to_pandas(allocation, name="allocation"), measures)


def _of_plan(plan: Allocation) -> Amounts:
    names = [str(segment) for segment, _ in plan.problem.items]
    segments = list(dict.fromkeys(names))
    place = np.array([segments.index(name) for name in names], dtype=np.int64)
    each = [*plan.table[list(plan.problem.resources)].to_numpy(dtype=np.float64).T, plan.table[OUTCOME].to_numpy()]
    values = np.array([np.bincount(place, row, len(segments)) for row in each])
    return Amounts(segments, [*plan.problem.resources, OUTCOME], values, _draws(plan, place, len(segments)), place)


def _draws(plan: Allocation, place: NDArray[np.int64], n_segments: int) -> Array | None:
    curves, x = plan.problem.curves, plan.table[EFFORT].to_numpy()
    known = [len(curve.draws) for curve in curves if curve.draws is not None]
    if not known:
        return None
    result = np.zeros((min(known), n_segments))
    for i, curve in enumerate(curves):
        drawn = curve.value(x[i]) if curve.draws is None else curve.value_draws(float(x[i]))[: len(result)]
        result[:, place[i]] += drawn
    return result


def _of_table(table: pd.DataFrame, measures: Any) -> Amounts:
    if "segment" in table.columns:
        table = table.set_index("segment")
    if table.columns.has_duplicates:
        raise ColumnError("allocation has two columns of the same name.")
    if measures is None:
        wanted = [name for name in (EFFORT, OUTCOME) if name in table.columns]
    else:
        wanted = [measures] if isinstance(measures, str) else list(measures)
    missing = [name for name in wanted if name not in table.columns]
    if missing or not wanted:
        raise ColumnError(
            f"allocation has no column {name_some(missing or [EFFORT])}: it needs 'effort' (and 'outcome'), or "
            f"measures= must name the columns to compare; columns: {name_some(table.columns) or 'none'}."
        )
    if not len(table):
        raise ValueError("allocation has no row: there is nothing to share.")
    if table.index.isna().any():
        raise ValueError("allocation has a row without a segment.")
    numbers = {}
    for name in wanted:
        try:
            column = pd.to_numeric(table[name]).to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ColumnError(f"the column {name!r} of allocation must hold numbers: {error}.") from error
        wrong = ~np.isfinite(column) | ((column < 0) & (name != OUTCOME))
        if wrong.any():
            raise ValueError(
                f"{name} of allocation must be finite{'' if name == OUTCOME else ' and 0 or more'}; it is not for "
                f"{name_some(table.index[wrong])} ({name_some(column[wrong])}). Put 0 where a segment gets nothing."
            )
        numbers[str(name)] = column
    names = [str(segment) for segment in table.index]
    segments = list(dict.fromkeys(names))
    place = [segments.index(name) for name in names]
    values = np.array([np.bincount(place, column, len(segments)) for column in numbers.values()])
    return Amounts(segments, list(numbers), values, None, None)


@dataclass(frozen=True, eq=False)
class Groups:
    """Customers of one protected attribute: how many of each group are in each segment.

    ``counts`` is (n_segments + 1, n_groups), the last row those in no segment; ``compared`` (n_groups,): known and not
    too few; ``hidden`` (n_groups,): too few to show; ``hidden_cells`` likewise.
    """

    name: str
    segments: list[str]
    groups: list[str]
    counts: Array
    compared: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    hidden_cells: NDArray[np.bool_]


def groups_of(
    assignment: Any, protected: Any, *, minimum_cell: int, combine: bool
) -> tuple[list[Groups], tuple[str, ...]]:
    """Count customers by segment and group; return sentences on who is on one side only."""
    table = as_assignment(assignment)
    attributes = protected_table(protected)
    both = table.index.intersection(attributes.index)
    if not len(table):
        raise CustomerTableError("the assignment has no customers: nothing can be said of who gets what.")
    if not len(both):
        raise CustomerTableError(
            f"no customer is in both tables: ids of the assignment look like {name_some(table.index[:3])}, those of "
            f"protected like {name_some(attributes.index[:3])}."
        )
    notes = []
    if len(attributes) > len(both):
        notes.append(
            f"{count(len(attributes) - len(both), 'customer')} of protected not in the assignment: not counted at all."
        )
    if len(table) > len(both):
        notes.append(
            f"{count(len(table) - len(both), 'customer')} of the assignment not in protected: counted in the group "
            f"'{MISSING}'."
        )
    named, orders = {}, {}
    for name in attributes.columns:
        named[str(name)], orders[str(name)] = _labels(attributes[name].reindex(table.index))
    if len(named) < len(attributes.columns):
        raise ColumnError("protected has two columns of the same name.")
    if combine and len(named) > 1:
        together = pd.concat(named, axis=1)
        known = together.notna().all(axis=1)
        named[" x ".join(named)] = together.agg(", ".join, axis=1).where(known) if known.any() else together.iloc[:, 0]
    segments = [str(name) for name in table["segment"].cat.categories if name != UNASSIGNED]
    place = {name: i for i, name in enumerate(segments)}
    codes = np.array([place.get(name, len(segments)) for name in table["segment"]], dtype=np.int64)
    found = [_counted(name, column, orders.get(name), codes, segments, minimum_cell) for name, column in named.items()]
    return found, tuple(notes)


def _labels(column: pd.Series[Any]) -> tuple[pd.Series[Any], list[str]]:
    """Return the groups as text, None where missing, and their names in order: of the categories, or by size."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = list(column.cat.categories)
    else:
        levels = column.dropna().unique().tolist()
        try:
            levels = sorted(levels)  # numbers by their size: 2 before 10
        except TypeError:  # different kinds of values
            levels = sorted(levels, key=str)
    # numbers that became floats because others are missing: 1.0 is the group 1
    text = {v: str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in levels}
    return column.astype(object).map(text).where(column.notna(), None), list(dict.fromkeys(text.values()))


def _counted(
    name: str,
    column: pd.Series[Any],
    order: list[str] | None,
    segment: NDArray[np.int64],
    segments: list[str],
    minimum_cell: int,
) -> Groups:
    present = set(column.dropna())
    levels = sorted(present) if order is None else [level for level in order if level in present]
    number = {level: g for g, level in enumerate(levels)}
    codes = np.array([number.get(value, -1) for value in column], dtype=np.int64)
    if len(levels) > LEVELS_AT_MOST:
        raise ColumnError(
            f"the protected attribute {name!r} has {len(levels):,} values ({name_some(levels, 3)}), at most "
            f"{LEVELS_AT_MOST} are compared: cut it into groups first, for instance pandas.cut(ages, [0, 30, 50, 120])."
        )
    if not len(levels):
        raise ColumnError(f"the protected attribute {name!r} has no value for any customer of the assignment.")
    groups = list(levels)
    unknown = codes < 0
    if unknown.any():
        groups.append(f"{MISSING} (no value)" if MISSING in groups else MISSING)
        codes = np.where(unknown, len(levels), codes)
    counts = np.zeros((len(segments) + 1, len(groups)))
    np.add.at(counts, (segment, codes), 1.0)
    # that nothing is known of somebody tells nothing, so only those of known groups are hidden
    known = np.arange(len(groups)) < len(levels)
    hidden, cells = np.zeros(len(groups), dtype=bool), np.zeros(counts.shape, dtype=bool)
    hidden[known] = protect(counts[:, known].sum(axis=0), minimum_cell)
    cells[:, known] = _hidden_cells(counts[:, known], hidden[known], minimum_cell)
    return Groups(name, segments, groups, counts, known & ~hidden, hidden, cells)


def _hidden_cells(counts: Array, hidden: NDArray[np.bool_], minimum: int) -> NDArray[np.bool_]:
    """Hide small cells, and others until none can be computed from the sums of rows and columns."""
    cells = ((counts > 0) & (counts < minimum)) | (hidden[None, :] & (counts > 0))
    while True:
        before = cells.copy()
        for s in range(len(counts)):
            cells[s] = protect(counts[s], minimum, cells[s])
        for g in range(counts.shape[1]):
            if not hidden[g]:
                cells[:, g] = protect(counts[:, g], minimum, cells[:, g])
        if (cells == before).all():
            return cells


def matched(amounts: Amounts, groups: Groups) -> tuple[Array, tuple[str, ...]]:
    """Return what one customer of each segment of the assignment gets, (n_measures, n_segments + 1), and sentences.

    The last column is that of customers in no segment: nothing.
    """
    place = {name: i for i, name in enumerate(amounts.segments)}
    if not any(name in place for name in groups.segments):
        raise ValueError(
            f"no segment of the allocation ({name_some(amounts.segments)}) is a segment of the assignment "
            f"({name_some(groups.segments)})."
        )
    size = groups.counts.sum(axis=1)
    notes = []
    values = np.zeros((len(amounts.measures), len(size)))
    for s, name in enumerate(groups.segments):
        if name in place and size[s] > 0:
            values[:, s] = amounts.amount[:, place[name]] / size[s]
    without = [name for s, name in enumerate(groups.segments) if name not in place and size[s] > 0]
    if without:
        n = int(sum(size[groups.segments.index(name)] for name in without))
        notes.append(
            f"{count(len(without), 'segment')} of the assignment not in the allocation ({name_some(without)}): "
            f"{count(n, 'customer')} counted as getting nothing."
        )
    present = {name for s, name in enumerate(groups.segments) if size[s] > 0}
    nobody = [i for i, name in enumerate(amounts.segments) if name not in present]
    for m, measure in enumerate(amounts.measures):
        lost = float(amounts.amount[m, nobody].sum())
        if lost != 0:
            notes.append(
                f"{number(lost)} of {measure} goes to segments without a customer in the assignment "
                f"({name_some(amounts.segments[i] for i in nobody)}): in no group's amount."
            )
    if size[-1] > 0:
        notes.append(f"{count(int(size[-1]), 'customer')} in no segment: counted as getting nothing.")
    return values, tuple(notes)
