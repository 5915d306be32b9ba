"""One column of several sources as one series: which types go together, which need a word, which do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from segmentation._format import name_some, number
from segmentation.exceptions import ColumnError
from segmentation.sources._records import known

__all__ = ["TypeClashError", "clash_error", "join_columns", "with_room_for_missing", "without_categories"]

EXACT = 2**53  # the largest whole number up to which a float holds every one

KINDS = {"boolean": "true/false", "string": "text", "date": "dates", "integer": "numbers", "floating": "numbers"}
KINDS["mixed-integer-float"] = "numbers"


class TypeClashError(Exception):
    """Sources hold kinds of values that have no common type; the message says which."""


def kind(values: pd.Series) -> str:
    """Name what a column holds in plain words."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return kind(pd.Series(dtype.categories))
    if pd.api.types.is_bool_dtype(dtype):
        return "true/false"
    if pd.api.types.is_numeric_dtype(dtype):
        return "numbers"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "times with a zone"
    if pd.api.types.is_datetime64_dtype(dtype):
        return "times without a zone"
    if pd.api.types.is_timedelta64_dtype(dtype):
        return "durations"
    if pd.api.types.is_object_dtype(dtype):
        inferred = pd.api.types.infer_dtype(values[known(values)], skipna=True)
        return KINDS.get(inferred, f"objects ({inferred})")
    return "text" if pd.api.types.is_string_dtype(dtype) else str(dtype)


def join_columns(pieces: Mapping[str, pd.Series]) -> tuple[pd.Series, str | None]:
    """Put the values of one column of several sources below each other, and say what was done to their types.

    Equal types stay. Whole numbers and floats become floats, nullable and plain ones nullable, categories the union
    of the categories in the order of the sources, times of different zones UTC. Sources without a single known value
    have no say.

    Raises
    ------
    TypeClashError
        If there is no common type: text and numbers, times with and without a zone, ordered categories that
        contradict each other.
    """
    telling = {source: values for source, values in pieces.items() if known(values).any()} or _typed(pieces)
    kinds = {source: kind(values) for source, values in telling.items()}
    dtypes = {source: values.dtype for source, values in telling.items()}
    if set(kinds.values()) == {"dates", "times without a zone"}:
        telling = {source: pd.to_datetime(values) for source, values in telling.items()}
    elif len(set(kinds.values())) > 1:
        examples = (f"{what} in {source!r} ({_example(telling[source])})" for source, what in kinds.items())
        raise TypeClashError("; ".join(examples))
    if any(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes.values()):
        ready, said = _categories(telling, pieces)
    else:
        ready, said = _same_kind(telling, pieces, next(iter(kinds.values())))
    if len(set(map(str, dtypes.values()))) == 1 and not said:
        return ready, None
    before = ", ".join(f"{dtype} in {source!r}" for source, dtype in dtypes.items())
    return ready, f"{before}: merged as {ready.dtype}{said}"


def _typed(pieces: Mapping[str, pd.Series]) -> dict[str, pd.Series]:
    """Return the sources whose type counts where none has a value: of one kind, rather a plain one than objects."""
    kinds = {source: kind(values) for source, values in pieces.items()}
    chosen = min(kinds.values(), key=lambda name: (name.startswith("objects"), name))
    return {source: values for source, values in pieces.items() if kinds[source] == chosen}


def _example(values: pd.Series) -> str:
    there = values[known(values)]
    return f"such as {number(there.iloc[0])}" if len(there) else "empty"


def _same_kind(telling: Mapping[str, pd.Series], pieces: Mapping[str, pd.Series], what: str) -> tuple[pd.Series, str]:
    """Concatenate pieces of one kind; those without known values become missing values of the type of the others."""
    dtypes = [values.dtype for values in telling.values()]
    if what == "numbers":
        ready = {source: _numbers(values) for source, values in telling.items()}
        joined = pd.concat([values.iloc[:0] for values in ready.values()]).dtype
        _check_exact(ready, joined)
    elif what == "times with a zone":
        joined = dtypes[0] if len({str(dtype.tz) for dtype in dtypes}) == 1 else None  # type: ignore[union-attr]
        ready = {source: values if joined else values.dt.tz_convert("UTC") for source, values in telling.items()}
        joined = pd.concat([values.iloc[:0] for values in ready.values()]).dtype
    elif what == "text":
        proper = [dtype for dtype in dtypes if not pd.api.types.is_object_dtype(dtype)]
        joined = proper[0] if proper else dtypes[0]
        ready = {
            source: values if values.dtype == joined else values.astype(joined) for source, values in telling.items()
        }
    elif what == "true/false":
        objects = any(pd.api.types.is_object_dtype(dtype) for dtype in dtypes)
        ready = {source: values.astype("boolean") if objects else values for source, values in telling.items()}
        joined = pd.concat([values.iloc[:0] for values in ready.values()]).dtype
    else:
        ready = dict(telling)
        joined = pd.concat([values.iloc[:0] for values in ready.values()]).dtype
    silent = any(source not in telling and len(values) for source, values in pieces.items())
    joined = with_room_for_missing(pd.Series([], dtype=joined)).dtype if silent else joined
    parts = [
        ready[source].astype(joined) if source in ready else pd.Series([None] * len(values), dtype=joined)
        for source, values in pieces.items()
    ]
    return pd.concat(parts, ignore_index=True), ""


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values) if pd.api.types.is_object_dtype(values.dtype) else values


def _check_exact(ready: Mapping[str, pd.Series], joined: Any) -> None:
    """Refuse to write large whole numbers as floats, which would change them in silence."""
    if not pd.api.types.is_float_dtype(joined):
        return
    for source, values in ready.items():
        if pd.api.types.is_integer_dtype(values.dtype) and bool((values.abs() > EXACT).any()):
            raise TypeClashError(
                f"whole numbers in {source!r} that a float cannot hold exactly (such as {values.abs().max()}), "
                "and floats elsewhere"
            )


def _categories(telling: Mapping[str, pd.Series], pieces: Mapping[str, pd.Series]) -> tuple[pd.Series, str]:
    """Join categoricals, with each other or with plain values."""
    plain = [values for values in telling.values() if not isinstance(values.dtype, pd.CategoricalDtype)]
    if plain:
        loose = {source: without_categories(values) for source, values in pieces.items()}
        return join_columns(loose)[0], ""
    levels = [list(values.cat.categories) for values in telling.values()]
    union = list(dict.fromkeys(level for each in levels for level in each))
    ordered = [bool(values.cat.ordered) for values in telling.values()]
    if all(ordered):
        union = max(levels, key=len)
        if any(each != [level for level in union if level in each] for each in levels):
            raise TypeClashError(
                "ordered categories that do not fit into one order: "
                + "; ".join(f"{name_some(each)} in {source!r}" for source, each in zip(telling, levels, strict=True))
            )
    said = "" if all(each == levels[0] for each in levels) else ", with the categories of all"
    said += ", without an order, which only some have" if any(ordered) and not all(ordered) else ""
    dtype = pd.CategoricalDtype(union, ordered=all(ordered))
    if all(values.dtype == dtype for values in pieces.values()):
        return pd.concat(list(pieces.values()), ignore_index=True), said
    parts = [values if source in telling else pd.Series([None] * len(values)) for source, values in pieces.items()]
    loose_values = pd.concat([without_categories(values).astype(object) for values in parts], ignore_index=True)
    return loose_values.astype(dtype), said


def without_categories(values: pd.Series) -> pd.Series:
    """Return the plain values of a categorical; anything else as it is."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values
    plain: pd.Series = values.astype(values.dtype.categories.dtype)
    return plain


def with_room_for_missing(values: pd.Series) -> pd.Series:
    """Make plain whole numbers and booleans nullable, so that a hole does not turn them into floats or objects."""
    if pd.api.types.is_extension_array_dtype(values.dtype):
        return values
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.astype("boolean")
    if pd.api.types.is_integer_dtype(values.dtype):
        nullable: Any = str(values.dtype).replace("int", "Int").replace("uInt", "UInt")
        return values.astype(nullable)
    return values


def clash_error(clashes: Mapping[str, str]) -> ColumnError:
    """Say which columns cannot be merged as they are, and what to do."""
    listed: Sequence[str] = [f"{column!r} has {what}" for column, what in clashes.items()]
    more = f"; and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ColumnError(
        f"the sources disagree about what a column holds: {'. '.join(listed[:5])}{more}. Convert it in one source "
        "(pandas.to_numeric, pandas.to_datetime, .dt.tz_localize, .astype), or rename it if it means something else."
    )
