"""Checks of what a column can say at all: constant, an identifier, a copy of another one, the outcome in disguise."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import number
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_numerals import parse_number
from segmentation.sources._audit_table import Column, Table

__all__ = ["column_checks", "constant", "pair_checks", "sample_rows"]

LEAK_AUC, SURE_AUC = 0.8, 0.975
"""From 0.8 a whole model is called excellent (Hosmer & Lemeshow, Applied Logistic Regression); one column alone that
gets there is more often the outcome itself, or known only after it."""
_OUTCOMES = frozenset(
    {
        "y", "target", "label", "outcome", "churn", "churned", "response", "responded", "converted",
        "conversion", "purchased", "purchase", "default", "defaulted",
        "subscribed", "cancelled", "revenue", "bought", "attrition",
    }
)  # fmt: skip
SAMPLE = 20_000


def sample_rows(n_rows: int) -> NDArray[np.int64]:
    """Return the rows that pairs of columns are compared on: all, or 20,000 drawn with a fixed seed."""
    if n_rows <= SAMPLE:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, SAMPLE, replace=False))


def column_checks(table: Table, column: Column) -> Iterator[Finding]:
    """Constant and near-unique columns."""
    found = list(constant(table, column))
    yield from found
    if found or (table.id_column is not None and column.name == table.id_column.name):
        return
    why = _identifies(column, table.n_rows - column.n_missing)
    if why:
        yield table.finding(
            "identifier_like", "note", [column.name], ~column.missing, why,
            "Use it to link tables, not as a feature: it tells every customer from every other.",
            {"action": "drop_columns", "columns": [column.name]},
        )  # fmt: skip


def constant(table: Table, column: Column) -> Iterator[Finding]:
    """One value in every row that has one."""
    n_known = table.n_rows - column.n_missing
    if n_known < 2 or column.kind == "other":
        return
    distinct = int(column.series.nunique()) if column.kind in {"boolean", "code", "empty"} else column.n_distinct
    if distinct == 1:
        rest = f" where it is not missing ({column.n_missing:,})" if column.n_missing else ""
        yield table.finding(
            "constant", "warning", [column.name], ~column.missing,
            f"one value, {number(column.series.dropna().iloc[0])}, everywhere{rest}",
            "Leave it out: it tells nobody apart.", {"action": "drop_columns", "columns": [column.name]},
        )  # fmt: skip


def _identifies(column: Column, n_known: int) -> str:
    """Say why a column names rows rather than describing them; empty where it does not.

    Numbers: a row number, or called an id. Text of at least 50 rows: 95 in 100 values occur once only. Long ints
    such as amounts in cents are distinct by nature and no ids.
    """
    n_distinct = column.n_distinct
    if n_known < 50 or n_distinct < 0.95 * n_known:
        return ""
    if column.kind == "text" and not _sentences(column) and not _measured(column):
        return f"{n_distinct:,} different values in {n_known:,} rows"
    if column.kind == "code" and n_distinct == n_known and pd.api.types.infer_dtype(column.series) == "integer":
        return f"whole numbers of more than 15 digits, {n_distinct:,} different ones in {n_known:,} rows"
    if column.kind == "number" and column.is_whole and n_distinct == n_known:
        values = column.distinct[0]
        if values[-1] - values[0] + 1 == n_distinct:
            stray = " of a saved index" if re.match(r"(Unnamed|index|level_\d|row)", str(column.name)) else ""
            return f"the row number{stray}: every whole number from {number(values[0])} to {number(values[-1])} once"
        if column.looks_like_id:
            return f"an id: {n_distinct:,} different values in {n_known:,} rows"
    return ""


def _measured(column: Column) -> bool:
    """Whether text holds numbers with decimals, a sign or a currency: quantities, which differ by nature."""
    sample = column.texts[:500]
    numbers_ = ~np.isnan([parse_number(text) for text in sample])
    return not column.looks_like_id and bool(numbers_.mean() > 0.9) and not all(t.strip().isdigit() for t in sample)


def _sentences(column: Column) -> bool:
    return float(np.mean([len(text.split()) for text in column.texts[:500]])) > 4


def pair_checks(table: Table) -> Iterator[Finding]:
    """Columns that repeat another column, and columns that give an outcome away."""
    if table.n_rows < 30:
        return
    rows = sample_rows(table.n_rows)
    features = [c for c in table.columns if c.kind in {"number", "text", "boolean", "date", "code"}]
    coded = {c.name: _codes(c, rows) for c in features}
    repeated: set[object] = set()
    for i, column in enumerate(features):
        for other in features[:i]:
            if other.name not in repeated and _same(column, other, coded):
                repeated.add(column.name)
                yield table.finding(
                    "redundant_column", "note", [column.name, other.name], ~column.missing,
                    f"{column.name!r} says the same as {other.name!r}: "
                    "each value of one goes with one value of the other",
                    "Keep one of them: twice the same counts twice in every distance.",
                    {"action": "drop_columns", "columns": [column.name]},
                )  # fmt: skip
                break
    yield from _leaks(table, features, coded, rows)


def _codes(column: Column, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    series = column.series.iloc[rows]
    try:
        return np.asarray(pd.factorize(series, sort=False)[0], dtype=np.int64)
    except TypeError:
        return np.asarray(pd.factorize(series.astype(str))[0], dtype=np.int64)


def _same(column: Column, other: Column, coded: dict[object, NDArray[np.int64]]) -> bool:
    """Whether two columns are one to one, and take so many values (or rows) that this is no accident."""
    a, b = coded[column.name], coded[other.name]
    n = int(a.max()) + 1
    if n < 2 or n != int(b.max()) + 1 or column.looks_like_id or other.looks_like_id:
        return False
    # most values once: such columns name rows and are one to one by necessity (also where rows were loaded twice),
    # unless they are numbers in one order
    if n > 0.5 * len(a):
        return bool(column.kind == other.kind == "number" and _same_order(column, other))
    # factorize numbers values by first appearance: one to one means the same codes
    return bool(np.array_equal(a, b)) and np.bincount(a[a >= 0]).max() < len(a) - 2


def _same_order(column: Column, other: Column) -> bool:
    """Whether two columns of numbers put all rows in the same order, or the opposite one.

    Of `n` different values one order in `n`! is the same by chance. A row of numbers that counts up, as time does, is
    in one order with every other such row and says nothing.
    """
    rows = sample_rows(len(column.series))
    x, y = column.numbers[rows], other.numbers[rows]
    known = np.isfinite(x) & np.isfinite(y)
    if len(np.unique(x[known])) < 30 or np.any(np.isfinite(x) != np.isfinite(y)):
        return False
    first, second = stats.rankdata(x[known]), stats.rankdata(y[known])
    counts_up = np.all(np.diff(first) >= 0) or np.all(np.diff(first) <= 0)
    same = np.array_equal(first, second) or np.array_equal(first, len(first) + 1 - second)
    return bool(same and (not counts_up or _linear(x[known], y[known])))


def _linear(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    slope, level = np.polyfit(x, y, 1)
    return bool(np.abs(y - slope * x - level).max() <= 1e-6 * np.ptp(y))


def _leaks(
    table: Table, features: list[Column], coded: dict[object, NDArray[np.int64]], rows: NDArray[np.int64]
) -> Iterator[Finding]:
    """Columns that alone separate the two values of an outcome (recognised by its name)."""
    for outcome in _outcomes(features):
        codes = coded[outcome.name]
        if codes.max() != 1 or codes.min() < 0:
            continue
        smaller = min(int((codes == 0).sum()), int((codes == 1).sum()))
        if smaller < 20:
            continue
        for column in features:
            if column.name == outcome.name or column.looks_like_id:
                continue
            auc = _separation(column, coded[column.name], rows, codes)
            if auc >= LEAK_AUC:
                yield table.finding(
                    "leaks_outcome", "error" if auc >= SURE_AUC else "warning", [column.name, outcome.name],
                    ~column.missing,
                    f"{column.name!r} alone tells the values of {outcome.name!r} apart with an AUC of {auc:.2f}",
                    "Make sure that it is known before the outcome; if not, leave it out of features and models.",
                    {"action": "drop_columns", "columns": [column.name]},
                )  # fmt: skip


def _outcomes(features: list[Column]) -> list[Column]:
    """Return the columns that are called outcomes; where one is called so in as many words, only that."""
    named = [c for c in features if len(c.words) <= 2 and c.words & _OUTCOMES and not c.looks_like_id]
    plain = [c for c in named if c.words & {"y", "target", "label", "outcome"}]
    return plain or named


def _separation(column: Column, codes: NDArray[np.int64], rows: NDArray[np.int64], outcome: NDArray[np.int64]) -> float:
    """Return the AUC of an outcome by one column: of its values, or of the shares of its levels (at most 50)."""
    known = codes >= 0
    y = outcome[known]
    if y.min(initial=1) == y.max(initial=0):
        return 0.5
    if column.kind == "number":
        ranks = stats.rankdata(column.numbers[rows][known])
    elif codes.max() < 50:
        shares = np.bincount(codes[known], weights=y) / np.maximum(np.bincount(codes[known]), 1)
        ranks = stats.rankdata(shares[codes[known]])
    else:
        return 0.5
    n_one = int(y.sum())
    auc = (ranks[y == 1].sum() - n_one * (n_one + 1) / 2) / (n_one * (len(y) - n_one))
    return float(max(auc, 1 - auc))
