"""Columns that name something, a category or a channel: read as text, and the few of them that get columns."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import pandas as pd
from narwhals.dtypes import DType

from segmentation._format import name_some, nearest
from segmentation.features._orders import _is_text, _stripped

__all__ = ["MISSING", "checked_wanted", "choose_labels", "label_columns", "label_text", "no_labels", "plain_labels"]

# Stands for a label that is missing; a text that is empty is missing, so it is free.
MISSING = ""


def plain_labels(column: pd.Series, name: Any, *, what: str, table: str) -> pd.Series:
    """Return labels of pandas as one type; categories as what they name."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if not pd.api.types.is_object_dtype(column.dtype):
        return column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "integer":
        return column.astype("Int64")
    if kind not in {"string", "empty"}:
        raise no_labels(name, kind, what=what, table=table)
    return column.where(column.notna(), None).astype("string" if kind == "empty" else object)


def no_labels(name: Any, found: str, *, what: str, table: str) -> TypeError:
    """Make the error for a column that holds no labels."""
    return TypeError(
        f"the {what} column {name!r} holds {found}; it must hold text or whole numbers, for example "
        f"{table}[{name!r}].astype(str)."
    )


def label_text(column: str, dtype: DType) -> nw.Expr:
    """Return labels as text, `MISSING` where there is none; the type must be text or whole numbers."""
    present = _stripped(nw.col(column), dtype) != "" if _is_text(dtype) else ~nw.col(column).is_null()
    text = nw.col(column) if isinstance(dtype, nw.String) else nw.col(column).cast(nw.String)
    return nw.when(present).then(text.fill_null(MISSING)).otherwise(nw.lit(MISSING))


def checked_wanted(wanted: Any, name: str) -> int | list[str]:
    """Return a number of labels, or a list of different ones; raise for anything else."""
    if isinstance(wanted, numbers.Integral) and not isinstance(wanted, bool):
        if wanted < 0:
            raise ValueError(f"{name} must be a number of columns, 0 or more, or a list of names, got {wanted!r}.")
        return int(wanted)
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise TypeError(f"{name} must be a whole number of columns or a list of names, got {wanted!r}.")
    listed = [str(one) for one in wanted]
    if len(set(listed)) < len(listed) or any(not one.strip() for one in listed):
        raise ValueError(f"{name} must name each one once, and none empty, got {name_some(listed)}.")
    return listed


def choose_labels(n_customers: pd.Series, wanted: int | Sequence[str], name: str) -> list[str]:
    """Return the labels that get a column of their own.

    Parameters
    ----------
    n_customers : Series
        How many customers have each label: a whole number, so that every engine chooses the same. Index: the labels.
    wanted : int or sequence
        So many, those of most customers, ties in the order of the alphabet; or those that are named.
    name : str
        The parameter, for messages.
    """
    present = {str(label): int(n) for label, n in n_customers.items() if label != MISSING}
    if isinstance(wanted, int):
        return sorted(sorted(present, key=lambda label: (-present[label], label))[:wanted])
    if wanted and not set(wanted) & set(present):
        close = {one: nearest(one, list(present)) for one in wanted}
        hints = "".join(f" Is {one!r} meant to be {near[0]!r}?" for one, near in close.items() if near)
        raise ValueError(f"none of {name} is there: {name_some(wanted)}; there are {name_some(present)}.{hints}")
    return list(wanted)


def label_columns(prefix: str, labels: Iterable[str]) -> dict[str, str | None]:
    """Return the names of the columns and the label each is for; None is for all other ones.

    Labels follow an equals sign, so that one called "other" is not taken for the rest.
    """
    named = {f"{prefix}={label}": label for label in labels}
    return {**named, f"{prefix}_other": None, f"{prefix}_missing": MISSING}
