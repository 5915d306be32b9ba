"""A plan read as amounts by segment, action and period."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.exceptions import ColumnError
from segmentation.monitoring._ledger_entry import as_text, period_text

__all__ = ["PLAN_FOR", "read_plan"]

PLAN_FOR = ("all periods", "each period")
KEYS = ("segment", "action", "period")
PLANNED = ("effort", "cost", "outcome")


def read_plan(plan: Any, groups: list[str], periods: list[str], plan_for: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the planned effort, cost and outcome by `groups`, where the plan states them, and what it leaves open.

    Parameters
    ----------
    plan : Allocation or dataframe
    groups : list of str
        What to sum it to, ``period`` perhaps among them.
    periods : list of str
        Those of the ledger.
    plan_for : {"all periods", "each period"}

    Raises
    ------
    ColumnError, TypeError, ValueError
        If it lacks the columns, or is coarser than the groups.
    """
    table = getattr(plan, "table", plan)
    if not is_frame(table):
        raise TypeError(f"plan must be an Allocation or a table, got {kind_of(plan)}.")
    table = to_pandas(table, name="plan").reset_index(drop=True)
    keys = [name for name in KEYS if name in table.columns]
    stated = [name for name in PLANNED if name in table.columns and table[name].notna().any()]
    if not keys or not stated:
        raise ColumnError(
            f"a plan needs at least one of the columns {name_some(KEYS)} and of {name_some(PLANNED)}; it has "
            f"{name_some(table.columns, 12)}."
        )
    if plan_for == "each period" and "period" in keys:
        raise ValueError("the plan has a column period, so that plan_for='each period' means nothing; leave it out.")
    parts = {
        name: [(period_text if name == "period" else _name(name))(value) for value in table[name]] for name in keys
    }
    amounts = {name: _numbers(table[name], name) for name in stated}
    open_ = {name: int(np.isnan(values).sum()) for name, values in amounts.items()}
    notes = [
        f"{count(n, 'row')} of the plan without a figure of {name}, counted as 0." for name, n in open_.items() if n
    ]
    amounts = {name: np.nan_to_num(values) for name, values in amounts.items()}
    read = pd.DataFrame({**parts, **{f"planned_{name}": values for name, values in amounts.items()}})
    if plan_for == "each period":
        read = read.merge(pd.DataFrame({"period": periods}), how="cross")
        keys = [*keys, "period"]
    if lacking := [name for name in groups if name not in keys]:
        or_else = f", or say that the plan is for each period: plan_for={PLAN_FOR[1]!r}" if "period" in lacking else ""
        raise ValueError(
            f"the plan has no column {name_some(lacking)}, so it cannot be compared by it. Leave it out of by{or_else}."
        )
    columns = [f"planned_{name}" for name in stated]
    if not groups:
        return read[columns].sum().to_frame().T, notes
    return read.groupby(groups, sort=False)[columns].sum().reset_index(), notes


def _name(name: str) -> Any:
    return lambda value: as_text(value, name)


def _numbers(column: pd.Series[Any], name: str) -> Any:
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ColumnError(f"the column {name!r} of the plan must hold numbers: {error}.") from error
    if np.isinf(values).any():
        raise ValueError(f"the column {name!r} of the plan holds infinite values.")
    return values
