"""From the values of a column to its decision, given or found, and from the decision to its codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from segmentation._format import count, name_some
from segmentation.features._column_codecs import (
    BooleanColumn,
    Codec,
    PresenceColumn,
    learn_category,
    learn_scaled,
)
from segmentation.features._column_roles import TRUE, TRUE_FALSE, Decision, decide
from segmentation.features._column_values import ColumnValues, as_days, as_levels, as_numbers, level_key
from segmentation.features._level_order import natural_order

__all__ = ["decide_column", "learn_codec"]


def decide_column(name: Any, values: ColumnValues, given: str | Sequence[Any] | None, *, named: bool) -> Decision:
    """Decide what a column is, or check that it can be what the user says.

    Raises
    ------
    ValueError
        If values cannot be read as the role that was given; the message names them.
    """
    found = decide(name, values, named=named)
    if given is None:
        return found
    if given == "drop":
        return Decision("drop", "left out by roles")
    if found.role == "drop" and (found.why.startswith("constant") or found.why == "no value at all"):
        return replace(found, why=f"{found.why} (the role {given!r} was given)")
    if not isinstance(given, str):
        return _given_order(name, values, given)
    if given == "ordinal":
        return _given_ordinal(name, values, found)
    if given == "boolean":
        return _given_boolean(name, values)
    if given in ("amount", "count", "number", "date"):
        lost = np.isnan(as_days(values) if given == "date" else as_numbers(values)) & ~values.missing
        if lost.any():
            _refuse(name, given, values, lost)
        if given != "date" and values.kind == "date":
            raise ValueError(f"roles={{{name!r}: {given!r}}}: the column holds dates. Its role is 'date', or 'drop'.")
    return Decision(given, "given by roles", note=found.note)  # type: ignore[arg-type]  # the caller has checked it


def _refuse(name: Any, role: str, values: ColumnValues, lost: Any) -> None:
    codes, levels = as_levels(values)
    found = [levels[code] for code in np.unique(codes[lost])]
    raise ValueError(
        f"roles={{{name!r}: {role!r}}}: {count(len(found), 'value')} cannot be read as that: {name_some(found)}. "
        "Correct them, name them in missing_codes, or choose another role."
    )


def _used(values: ColumnValues) -> list[str]:
    codes, levels = as_levels(values)
    return [levels[code] for code in np.unique(codes[codes >= 0])]


def _given_order(name: Any, values: ColumnValues, order: Sequence[Any]) -> Decision:
    keys = tuple(level_key(level) for level in order)
    if len(set(keys)) < len(keys) or len(keys) < 2:
        raise ValueError(f"roles: the levels of {name!r} must be two or more, each once, got {name_some(order, 12)}.")
    strange = [level for level in _used(values) if level not in keys]
    if strange:
        raise ValueError(
            f"roles: the order of {name!r} lacks {count(len(strange), 'level')} of the column: {name_some(strange)}. "
            "Add them to the list, or name them in missing_codes."
        )
    return Decision("ordinal", "order given by roles", keys)


def _given_ordinal(name: Any, values: ColumnValues, found: Decision) -> Decision:
    if found.role == "ordinal":
        return replace(found, why=f"given by roles; {found.why}")
    if values.kind == "number":
        return Decision("ordinal", "given by roles", note=found.note)
    used = _used(values)
    order = natural_order(used) or (tuple(used) if values.kind == "boolean" else None)
    if order is None:
        if not np.isnan(as_numbers(values)[~values.missing]).any():
            return Decision("ordinal", "given by roles; numbers stored as text")
        raise ValueError(
            f"roles={{{name!r}: 'ordinal'}}: the order of its levels is not known ({name_some(used)}). Give them from "
            f"low to high: roles={{{name!r}: [...]}}."
        )
    return Decision("ordinal", "given by roles", order)


def _given_boolean(name: Any, values: ColumnValues) -> Decision:
    used = _used(values)
    if len(used) != 2:
        raise ValueError(
            f"roles={{{name!r}: 'boolean'}}: needs two values, the column has {len(used)}: {name_some(used)}."
        )
    low, high = used
    if {low.lower(), high.lower()} in TRUE_FALSE and low.lower() in TRUE:
        low, high = high, low
    return Decision("boolean", "given by roles", (low, high))


def learn_codec(
    name: Any,
    values: ColumnValues,
    decision: Decision,
    *,
    as_of: float,
    indicator: bool,
    min_share: float,
    max_levels: int,
) -> Codec | None:
    """Learn how a column becomes numbers; None where it is left out."""
    if decision.role == "drop":
        return None
    if decision.role == "presence":
        return PresenceColumn(name, decision.levels[0])
    if decision.role == "category":
        return learn_category(name, values, min_share=min_share, max_levels=max_levels, indicator=indicator)
    if decision.role == "boolean":
        return _boolean(name, values, decision.levels, indicator=indicator)
    if decision.role == "date":
        return learn_scaled(name, as_of - as_days(values), "date", source="date", as_of=as_of, indicator=indicator)
    if decision.levels:
        codes, levels = as_levels(values)
        place = {level: float(i) for i, level in enumerate(decision.levels)}
        x = np.array([place.get(level, np.nan) for level in levels] + [np.nan])[codes]
        return learn_scaled(name, x, decision.role, source="levels", levels=decision.levels, indicator=indicator)
    return learn_scaled(name, as_numbers(values), decision.role, indicator=indicator)


def _boolean(name: Any, values: ColumnValues, levels: Sequence[str], *, indicator: bool) -> BooleanColumn:
    codes, found = as_levels(values)
    low, high = levels
    n_high = int((codes == found.index(high)).sum()) if high in found else 0
    n_low = int((codes == found.index(low)).sum()) if low in found else 0
    pair: tuple[Any, Any] = (low, high)
    if values.kind == "boolean":
        pair = (False, True)
    elif values.kind == "number":
        pair = (_as_number(low), _as_number(high))
    return BooleanColumn(name, low, high, pair, float(n_high > n_low), indicator)


def _as_number(text: str) -> Any:
    value = float(text)
    return int(value) if value.is_integer() else value
