"""What each customer bought of each category: read and added up in the engine that holds the orders."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import as_lazy, is_pandas, to_pandas
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features import _objects
from segmentation.features._labels import MISSING, label_text, no_labels, plain_labels
from segmentation.features._orders import AMOUNT, CUSTOMER, Roles, _has_customer, _is_text, one_row
from segmentation.features._purchases import plain_index

__all__ = ["Baskets", "read_baskets"]

CATEGORY, N_LINES, VALUE, REASON = "category", "n_lines", "value", "reason"
# Sums of larger amounts might be no floats.
LARGEST = 1e290
# Why a line is left out; the first that applies.
USED, NO_CUSTOMER, NO_AMOUNT, REFUND, NO_CATEGORY = range(5)
COUNTS = {
    NO_CUSTOMER: "n_missing_customer",
    NO_AMOUNT: "n_bad_amount",
    REFUND: "n_refunds",
    NO_CATEGORY: "n_missing_category",
}


@dataclass(frozen=True)
class CategoryRoles(Roles):
    """Which columns of the orders are what; there is no time."""

    category: Any = None

    WORDS: ClassVar[str] = "customer_id, category and amount"

    def names(self) -> dict[str, Any]:
        """Return the user's column name for each internal one that is in use."""
        names = {CUSTOMER: self.customer_id, CATEGORY: self.category}
        return names if self.amount is None else {**names, AMOUNT: self.amount}

    def readers(self) -> dict[str, Callable[[pd.Series, Any], pd.Series]]:
        """Return what turns a column of pandas into one that every engine has."""
        return {**super().readers(), CATEGORY: functools.partial(plain_labels, what=CATEGORY, table="orders")}


@dataclass(frozen=True, eq=False)
class Baskets:
    """What each customer bought of each category.

    Attributes
    ----------
    segments : tuple of str
    categories : list of str
    segment : ndarray of shape (n_customers,)
        Position of the segment of each customer who bought something, ``len(segments)`` for unassigned.
    customer, category : ndarray of shape (n_pairs,)
        Positions; one pair for each category that a customer bought.
    lines, value : ndarray of shape (n_pairs,)
        Order lines, and what was paid for them (None without an amount).
    counts : dict
        Rows and customers by what became of them.
    """

    segments: tuple[str, ...]
    categories: list[str]
    segment: NDArray[np.int64]
    customer: NDArray[np.int64]
    category: NDArray[np.int64]
    lines: NDArray[np.float64]
    value: NDArray[np.float64] | None
    counts: dict[str, int]


def read_baskets(assignment: pd.DataFrame, orders: Any, roles: CategoryRoles) -> Baskets:
    """Add the order lines up per customer and category, and put the customers beside their segments."""
    lines, counts = _usable_lines(orders, roles)
    sums = [nw.len().alias(N_LINES)]
    if roles.amount is not None:
        sums.append(nw.col(AMOUNT).sum().alias(VALUE))
    pairs = to_pandas(nw.to_native(lines.group_by(CUSTOMER, CATEGORY).agg(*sums)), name="orders")
    if not len(pairs):
        listed = ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "it has none"
        raise ValueError(f"no row of orders can be used: {listed}.")
    # engines give their groups in any order; the same data must give the same draws and the same table
    who, ids = pd.factorize(plain_index(pairs[CUSTOMER]), sort=True)
    place = assignment.index.get_indexer(ids)
    if (place < 0).all():
        raise CustomerTableError(
            f"no customer of orders is in the assignment: ids of orders look like {name_some(ids[:3])} ({ids.dtype}), "
            f"those of the assignment like {name_some(assignment.index[:3])} ({assignment.index.dtype})."
        )
    known = place >= 0
    inside = known[who]
    counts["n_customers_without_assignment"] = int((~known).sum())
    counts["n_lines_without_assignment"] = int(pairs[N_LINES].to_numpy()[~inside].sum())
    pairs, who = pairs[inside], who[inside]
    new_place = np.cumsum(known) - 1
    labels, category = np.unique(pairs[CATEGORY].to_numpy(dtype=str), return_inverse=True)
    customer: NDArray[np.int64] = new_place[who]
    order = np.lexsort((category, customer))
    segments = tuple(str(name) for name in assignment["segment"].cat.categories[:-1])
    segment: NDArray[np.int64] = np.asarray(assignment["segment"].cat.codes, dtype=np.int64)[place[known]]
    n_of = assignment["segment"].cat.codes.value_counts()
    counts["n_customers"] = int(known.sum())
    counts["n_without_orders"] = len(assignment) - int(known.sum())
    counts["n_unassigned"] = int((segment == len(segments)).sum())
    counts["n_unassigned_without_orders"] = int(n_of.get(len(segments), 0)) - counts["n_unassigned"]
    value = pairs[VALUE].to_numpy(dtype=np.float64)[order] if roles.amount is not None else None
    return Baskets(
        segments,
        labels.tolist(),
        segment,
        customer[order].astype(np.int64),
        np.asarray(category[order], dtype=np.int64),
        pairs[N_LINES].to_numpy(dtype=np.float64)[order],
        value,
        counts,
    )


def _usable_lines(orders: Any, roles: CategoryRoles) -> tuple[nw.LazyFrame[Any], dict[str, int]]:
    """Return the lines that are purchases of a known customer and category, and the counts of all."""
    frame = _columns(orders, roles)
    schema = frame.collect_schema()
    if not (_is_text(schema[CATEGORY]) or schema[CATEGORY].is_integer()):
        raise no_labels(roles.category, str(schema[CATEGORY]), what=CATEGORY, table="orders")
    bad: dict[int, nw.Expr] = {NO_CUSTOMER: ~_has_customer(schema[CUSTOMER])}
    frame = frame.with_columns(label_text(CATEGORY, schema[CATEGORY]).alias(CATEGORY))
    if roles.amount is not None:
        if not schema[AMOUNT].is_numeric():
            raise _objects.no_numbers(roles.amount, str(schema[AMOUNT]))
        frame = frame.with_columns(nw.col(AMOUNT).cast(nw.Float64))
        bad[NO_AMOUNT] = ~(nw.col(AMOUNT).is_finite() & (nw.col(AMOUNT) <= LARGEST)).fill_null(False)
        bad[REFUND] = (nw.col(AMOUNT) < 0).fill_null(False)
    bad[NO_CATEGORY] = nw.col(CATEGORY) == MISSING
    reason: nw.Expr = nw.lit(USED)
    for code, applies in sorted(bad.items(), reverse=True):
        reason = nw.when(applies).then(nw.lit(code)).otherwise(reason)
    frame = frame.with_columns(reason.alias(REASON))
    figures = {"n_rows": nw.len(), "n_used": _number_of(USED)} | {COUNTS[code]: _number_of(code) for code in bad}
    counts = {name: int(value) for name, value in one_row(frame.select(**figures)).items()}
    return frame.filter(nw.col(REASON) == USED), counts


def _number_of(code: int) -> nw.Expr:
    return (nw.col(REASON) == code).cast(nw.Int64).sum()


def _columns(orders: Any, roles: CategoryRoles) -> nw.LazyFrame[Any]:
    """Select the columns that have a role, under their internal names."""
    if not is_pandas(orders):
        lazy = as_lazy(orders, name="orders")
        roles.check(lazy.collect_schema().names())
        return lazy.select(nw.col(name).alias(role) for role, name in roles.names().items())
    roles.check(list(orders.columns))
    readers, columns = roles.readers(), {}
    for role, name in roles.names().items():
        column = orders[name]
        if not isinstance(column, pd.Series):
            raise ColumnError(f"orders has {count(column.shape[1], 'column')} named {name!r}; rename all but one.")
        columns[role] = readers[role](column.reset_index(drop=True), name)
    return as_lazy(pd.DataFrame(columns, copy=False))
