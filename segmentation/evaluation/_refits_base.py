"""The solution whose segments are judged: fitted here, fitted before, or given as an assignment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation.assignment import as_assignment
from segmentation.evaluation._refits import (
    Customers,
    check_segmenter,
    last_step,
    name_of,
    seeded_clone,
    starts_of,
    was_fitted,
)
from segmentation.evaluation._refits_run import Base
from segmentation.exceptions import AssignmentError, FitError

__all__ = ["base_solution"]


def base_solution(
    segmenter: Any, customers: Customers, base: Any, seed: np.random.SeedSequence, notes: list[str]
) -> tuple[Base, Customers, str]:
    """Return the solution to be judged, the customers it is about, and a sentence on where it comes from."""
    given = base is not None
    if not given and was_fitted(segmenter):
        base = segmenter
    if base is None:
        model = seeded_clone(segmenter, seed)
        model.fit(customers.data) if customers.y is None else model.fit(customers.data, customers.y)
        last = last_step(model)
        solution = Base(np.asarray(last.labels_), tuple(str(name) for name in last.segments_))
        origin = f"a copy fitted to all customers; {starts_of(segmenter)}"
    elif is_frame(base) or isinstance(base, pd.Series):
        solution, customers = _of_assignment(base, customers, notes)
        origin = "an assignment that was given; how many starts it took is not known"
    else:
        check_segmenter(base, "base")
        solution = Base(
            np.asarray(base.predict(customers.data)), tuple(str(name) for name in last_step(base).segments_)
        )
        origin = f"{'the fitted model given as base' if given else 'the segmenter, fitted as it came'}; "
        origin += starts_of(base)
    if not (solution.codes >= 0).any():
        raise FitError(
            f"the base solution puts none of {count(len(customers), 'customer')} into a segment, so there is nothing "
            f"whose stability could be measured; look at {name_of(segmenter)} on all customers first."
        )
    return solution, customers, origin


def _of_assignment(base: Any, customers: Customers, notes: list[str]) -> tuple[Base, Customers]:
    """Read an assignment as the base solution, for the customers who stand in both tables."""
    table = as_assignment(base)
    if not customers.is_table and len(table) != len(customers):
        raise AssignmentError(
            f"base has {count(len(table), 'customer')} and X, an array without ids, {len(customers):,}: give X as a "
            "table with the same ids, or an assignment of just these customers in their order."
        )
    positions = table.index.get_indexer(customers.index) if customers.is_table else np.arange(len(customers))
    there = np.flatnonzero(positions >= 0)
    if not there.size:
        raise AssignmentError(
            f"base and X have no customer in common: ids {name_some(table.index)} and {name_some(customers.index)}."
        )
    only_x, only_base = len(customers) - there.size, len(table) - there.size
    if only_x or only_base:
        notes.append(
            f"{count(only_x, 'customer stands', 'customers stand')} in X only and {only_base:,} in base only; both "
            f"are left out, and {there.size:,} remain."
        )
        customers = customers.rows(there, keep_ids=True)
    segments = tuple(str(name) for name in table["segment"].cat.categories[:-1])
    codes = table["segment"].cat.codes.to_numpy(dtype=np.int64)[positions[there]]
    return Base(np.where(codes == len(segments), -1, codes), segments), customers
