"""Checks of rows and ids: rows that repeat, ids that repeat, the same rows under two sources."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_table import Column, Table

__all__ = ["row_checks"]

Hash = NDArray[np.uint64]
MORE_THAN_CHANCE = 5
"""Equal pairs of rows beyond those that two halves of the columns, had they nothing to do with each other, would give.
Columns do have to do with each other, and half as much again or twice as many pairs are no surprise."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


def row_checks(table: Table) -> Iterator[Finding]:
    """Run the checks that look at whole rows."""
    yield from _ids(table)
    if table.n_rows < 2 or not table.columns:
        return
    hashes = Hashes(table)
    duplicated = _repeats(hashes.total)
    yield from _duplicate_rows(table, hashes, duplicated)
    yield from _apart_from_id(table, hashes)
    yield from _in_two_sources(table)


class Hashes:
    """One hash a row, as a sum over columns, so that a column can be taken out again."""

    def __init__(self, table: Table, *, loose: bool = False) -> None:
        self._table = table
        self._loose = loose
        self.total = np.zeros(table.n_rows, dtype=np.uint64)
        for position in range(len(table.columns)):
            self.total += self.of(position)

    def of(self, position: int) -> Hash:
        """Return the hashes of one column; computed again each time, because keeping all would double the table."""
        return self.of_column(self._table.columns[position], position, loose=self._loose)

    @staticmethod
    def of_column(column: Column, position: int, *, loose: bool = False) -> Hash:
        """Return the hashes of a column that stands at a position."""
        series = loosened(column.series) if loose and column.kind == "text" else column.series
        try:
            hashed = np.asarray(pd.util.hash_pandas_object(series, index=False), dtype=np.uint64)
        except TypeError:
            hashed = np.asarray(pd.util.hash_pandas_object(series.astype(str), index=False), dtype=np.uint64)
        # distinct odd factors keep equal values of two columns apart, or (a, b) and (b, a) were one row
        with np.errstate(over="ignore"):
            mixed = (hashed ^ (hashed >> np.uint64(29))) * (_MIX * np.uint64(2 * position + 1) | np.uint64(1))
        return mixed ^ (mixed >> np.uint64(32))


def loosened(series: pd.Series) -> pd.Series:
    """Return text without its differences in spaces and case, by which systems write the same thing."""
    mapping = {
        value: " ".join(value.split()).casefold() if isinstance(value, str) else value
        for value in series.dropna().unique()
    }
    return series.astype(object).map(mapping)


def _repeats(hashes: Hash) -> NDArray[np.bool_]:
    """Return which rows stood before."""
    return np.asarray(pd.Series(hashes).duplicated(keep="first"))


def _ids(table: Table) -> Iterator[Finding]:
    index = table.frame.index
    if not isinstance(index, pd.RangeIndex) and not index.is_unique:
        repeated = np.asarray(index.duplicated(keep=False))
        yield table.finding(
            "duplicate_id", "error", [], repeated,
            f"{count(len(set(index[repeated])), 'index label')} stand more than once",
            "Merge the rows of a customer first: see merge_sources.",
        )  # fmt: skip
    column = table.id_column
    if column is None or not column.names_people or column.n_distinct == 0:
        return
    repeated = np.asarray(column.series.duplicated(keep="first") & column.series.notna())
    if not repeated.any():
        return
    n_ids = column.n_distinct
    if table.one_row_per_customer:
        yield table.finding(
            "duplicate_id", "error", [column.name], repeated,
            f"{count(int(repeated.sum()), 'row')} repeat an id that stood before; "
            f"{n_ids:,} ids in {table.n_rows:,} rows",
            "Merge the rows of a customer into one; the fix keeps the first and counts what it drops.",
            {"action": "drop_duplicates", "columns": [column.name]},
        )  # fmt: skip
    else:
        yield table.finding(
            "repeated_id", "note", [column.name], repeated,
            f"{count(n_ids, 'id')} in {table.n_rows:,} rows: rows are events or links, not customers",
            "Make a table of customers of it (segmentation.features) before you segment.",
        )  # fmt: skip


def _duplicate_rows(table: Table, hashes: Hashes, duplicated: NDArray[np.bool_]) -> Iterator[Finding]:
    """Equal rows; without an id only where they are more than chance makes of such columns (see `_apart_from_id`)."""
    if not duplicated.any():
        return
    ids = table.id_column is not None
    if not ids:
        if duplicated.mean() >= 0.5:  # so few combinations that repeating is the rule
            return
        # a text or an amount that hardly ever repeats makes an equal row remarkable by itself
        telling = any(c.n_distinct >= 0.9 * (table.n_rows - c.n_missing) > 0 for c in table.columns)
        parts = _halves(hashes, list(range(len(table.columns))))
        if not telling and _pairs(hashes.total) < MORE_THAN_CHANCE * _expected_pairs(parts, table.n_rows):
            return
    yield table.finding(
        "duplicate_rows", "warning" if ids else "note", [], duplicated,
        f"{count(int(duplicated.sum()), 'row')} equal to one before in every column"
        + ("" if ids else "; without an id nobody can tell whether they are other customers"),
        "Drop the copies if they were loaded twice; keep them if the same thing can happen twice.",
        {"action": "drop_duplicates", "columns": []},
    )  # fmt: skip


def _halves(hashes: Hashes, positions: list[int]) -> list[Hash]:
    """Hash every other column together."""
    parts = [np.zeros_like(hashes.total), np.zeros_like(hashes.total)]
    for turn, i in enumerate(positions):
        parts[turn % 2] += hashes.of(i)
    return parts


def _expected_pairs(parts: list[Hash], n: int) -> float:
    """Return how many equal pairs two parts of the columns would give if they had nothing to do with each other."""
    pairs = [_pairs(part) for part in parts]
    return pairs[0] * pairs[1] / (n * (n - 1) / 2)


def _pairs(hashes: Hash) -> float:
    counts = pd.Series(hashes).value_counts(sort=False).to_numpy().astype(float)
    return float((counts * (counts - 1) / 2).sum())


def _apart_from_id(table: Table, hashes: Hashes) -> Iterator[Finding]:
    """Rows equal in everything but the id: one customer under two ids.

    Reported where they are more than chance makes of such columns: the pairs equal in every other column are counted
    in either half of the columns, and five times what the halves give together must not reach what is seen. Where
    half of the rows or more have a twin, the columns do not tell rows apart and nothing is said.
    """
    ids = table.id_column
    if ids is None or ids.n_distinct < 0.9 * table.n_rows or len(table.columns) < 4 or table.n_rows < 50:
        return
    unique = [
        i
        for i, column in enumerate(table.columns)
        if column.name == ids.name or column.looks_like_id or _row_number(column)
    ]
    rest = [i for i in range(len(table.columns)) if i not in unique]
    if len(rest) < 3:
        return
    parts = _halves(hashes, rest)
    both = parts[0] + parts[1]
    extra = _repeats(both) & ~_repeats(hashes.total)
    if not extra.any() or extra.mean() >= 0.5 or _pairs(both) < MORE_THAN_CHANCE * _expected_pairs(parts, table.n_rows):
        return
    columns = [table.columns[i].name for i in rest]
    yield table.finding(
        "duplicate_apart_from_id", "warning", [ids.name], extra,
        f"{count(int(extra.sum()), 'row')} equal to one before in all of the other {len(rest)} columns",
        "Look whether they are the same people under two ids (resolve_identities); inactive customers may be alike.",
        {"action": "drop_duplicates", "columns": columns},
    )  # fmt: skip


def _row_number(column: Column) -> bool:
    if column.kind != "number" or len(column.series) < 20 or column.n_missing:
        return False
    values = column.numbers
    return bool(np.all(np.diff(values) == 1))


def _in_two_sources(table: Table) -> Iterator[Finding]:
    """Rows that stand under two values of one column and agree in every other one: a source loaded twice.

    Text agrees apart from spaces and case.

    Rows may repeat for other reasons too. If the column had nothing to do with it, groups of equal rows would span
    its values as often as rows drawn at random; if it had, less often. More often than that (binomial tail below
    1e-6), or five times as many pairs across as the pairs within call for, is reported.
    """
    # numbers and days that never repeat settle it at once, before any text is read
    plain = np.zeros(table.n_rows, dtype=np.uint64)
    for position, column in enumerate(table.columns):
        if column.kind in {"number", "date", "boolean"}:
            plain += Hashes.of_column(column, position)
    if not _repeats(plain).any():
        return
    hashes: Hashes | None = None
    for position, column in enumerate(table.columns):
        if column.kind not in {"text", "code"} or not 2 <= column.n_distinct <= 50 or column.n_missing:
            continue
        hashes = hashes or Hashes(table, loose=True)
        rest = hashes.total - hashes.of(position)
        if not _repeats(rest).any():
            continue
        levels = pd.Series(pd.factorize(column.series)[0])
        finding = _across(table, column.name, rest, levels.to_numpy())
        if finding is not None:
            yield finding


def _across(table: Table, name: Hashable, rest: Hash, levels: NDArray[np.int64]) -> Finding | None:
    frame = pd.DataFrame({"row": rest, "level": levels})
    frame = frame[frame.duplicated("row", keep=False)]
    sizes = frame.groupby("row")["level"].agg(["size", "nunique"])
    within_counts = frame.value_counts(["row", "level"], sort=False).to_numpy().astype(float)
    within = float((within_counts * (within_counts - 1) / 2).sum())
    n = sizes["size"].to_numpy().astype(float)
    across = float((n * (n - 1) / 2).sum()) - within
    shares = np.bincount(levels) / len(levels)
    same = float((shares**2).sum())
    spanning = int((sizes["nunique"] > 1).sum())
    chance = float((1 - (shares[:, None] ** np.minimum(n, 50)).sum(axis=0)).mean())
    more = stats.binom.sf(spanning - 1, len(sizes), min(max(chance, 0.0), 1.0)) < 1e-6
    if not more and across < 5 * max(within, 1.0) * (1 - same) / same:
        return None
    several = frame[frame["row"].isin(sizes.index[sizes["nunique"] > 1])]
    first = several.groupby("row")["level"].transform("first")
    later = several.index[(several["level"] != first).to_numpy()]
    rows = np.zeros(table.n_rows, dtype=bool)
    rows[later] = True
    if rows.sum() < 5:
        return None
    columns = [column.name for column in table.columns if column.name != name]
    return table.finding(
        "same_rows_in_two_sources", "error", [name], rows,
        f"{count(int(rows.sum()), 'row')} stand again under another value of {name!r}, equal in every other column "
        "but for spaces and case",
        "The sources overlap: keep one of them for that part. The fix keeps the first of all equal rows, those within "
        "one source too.",
        {"action": "drop_duplicates", "columns": columns, "ignore_spaces_and_case": True},
    )  # fmt: skip
