"""Checks of what is missing: how much, in which columns together, and whether other columns foretell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count, name_some, percent
from segmentation.sources._audit_columns import sample_rows
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_table import Column, Table

__all__ = ["missing_checks"]

ALPHA = 0.01
SMALL_V, SMALL_AUC = 0.1, 0.556
"""Cohen's small effect: w = 0.1 for tables, d = 0.2 (an AUC of 0.556) for two groups (Cohen 1988)."""


def missing_checks(table: Table) -> Iterator[Finding]:
    """Run all checks of missing values."""
    gaps = [column for column in table.columns if column.n_missing]
    for column in gaps:
        yield _missing(table, column)
    yield from _together(table, gaps)
    yield from _depends(table, [column for column in gaps if column.n_missing < table.n_rows])


def _missing(table: Table, column: Column) -> Finding:
    """Up to 5 % is a note (Schafer 1999: inconsequential for most methods), all or an id is an error."""
    share = column.n_missing / table.n_rows
    is_id = table.id_column is not None and table.id_column.name == column.name
    severity = "error" if share == 1 or is_id else "warning" if share > 0.05 else "note"
    advice = "Rows without an id belong to nobody: keep them apart." if is_id else (
        "Leave the column out." if share == 1 else "Impute with an indicator column, or find out why it is missing."
    )  # fmt: skip
    fix = {"action": "drop_columns", "columns": [column.name]} if share == 1 else None
    return table.finding("missing", severity, [column.name], column.missing,
                         f"{percent(share)} of the values are missing", advice, fix)  # fmt: skip


def _together(table: Table, gaps: list[Column]) -> Iterator[Finding]:
    """Columns that are missing in exactly the same rows: a source that does not know these customers.

    Two columns that miss `m` of `n` values each, independently, miss the same ones with probability
    1 / (n choose m): beyond five rows never by chance.
    """
    groups: dict[bytes, list[Column]] = defaultdict(list)
    for column in gaps:
        if 5 <= column.n_missing < table.n_rows:
            groups[np.packbits(column.missing).tobytes()].append(column)
    for group in groups.values():
        if len(group) < 2:
            continue
        inside = group[0].missing
        n = len(group)
        more = [c.name for c in gaps if c not in group and c.missing[inside].all()]
        also = f"; {name_some(more)} are missing there too" if more else ""
        yield table.finding(
            "missing_together", "warning", [column.name for column in group], inside,
            f"{count(n, 'column')} are missing in exactly the same {count(int(inside.sum()), 'row')}{also}",
            "One source does not know these customers: keep an indicator, and do not impute each column for itself.",
        )  # fmt: skip


def _depends(table: Table, gaps: list[Column]) -> Iterator[Finding]:
    """Whether missing values go with values of other columns (Holm over all pairs), strongly enough to matter."""
    if not gaps or table.n_rows < 50:
        return
    rows = sample_rows(table.n_rows)
    tests: list[tuple[float, Column, Hashable, str]] = []
    n_tests = 0
    kept = [c for c in gaps if 10 <= c.missing[rows].sum() <= len(rows) - 10]
    for other in table.columns if kept else []:
        if other.looks_like_id or other.kind not in {"number", "text", "boolean", "date", "code"}:
            continue
        prepared = _Prepared(other, rows)
        if not prepared.usable:
            continue
        for column in kept:
            if column.name == other.name:
                continue
            n_tests += 1
            p, effect, enough = prepared.test(column.missing[rows])
            if enough and p < ALPHA:
                tests.append((p, column, other.name, effect))
    tests.sort(key=lambda test: test[0])
    found: dict[Hashable, list[tuple[Hashable, str]]] = defaultdict(list)
    for step, (p, column, name, effect) in enumerate(tests):
        if p * (n_tests - step) >= ALPHA:
            break
        found[column.name].append((name, effect))
    for column in kept:
        partners = found.get(column.name, [])
        if partners:
            shown = ", ".join(f"{name!r} ({effect})" for name, effect in partners[:5])
            yield table.finding(
                "missing_depends", "warning", [column.name], column.missing,
                f"whether {column.name!r} is missing goes with {shown}"
                + (f" and {len(partners) - 5} more" if len(partners) > 5 else "")
                + f"; {n_tests:,} pairs tested on {len(rows):,} rows, corrected by Holm",
                "Do not drop the rows: the rest is no random part. Impute from these columns and keep an indicator.",
            )  # fmt: skip


class _Prepared:
    """A column made ready to be set against many patterns of missing values: ranks, or codes of at most 20 levels."""

    def __init__(self, column: Column, rows: NDArray[np.int64]) -> None:
        self.known = ~column.missing[rows]
        self.ranked = column.kind in {"number", "date"}
        if self.ranked:
            values = column.numbers[rows] if column.kind == "number" else column.series.iloc[rows].to_numpy()
            values = values[self.known]
            self.values = stats.rankdata(values.astype("int64") if column.kind == "date" else values)
            _, ties = np.unique(self.values, return_counts=True)
            n = float(len(values))
            self.tie_term = float((ties.astype(float) ** 3 - ties).sum() / max(n * (n - 1), 1.0))
            self.usable = len(ties) > 1
        else:
            import pandas as pd

            codes = pd.factorize(column.series.iloc[rows])[0][self.known]
            self.values = codes
            self.n_levels = int(codes.max(initial=-1)) + 1
            self.usable = 2 <= self.n_levels <= 20

    def test(self, missing: NDArray[np.bool_]) -> tuple[float, str, bool]:
        """Return the p-value, the effect in words, and whether it is at least small."""
        y = missing[self.known]
        n, m = len(y), int(y.sum())
        if m < 5 or n - m < 5:
            return 1.0, "", False
        if self.ranked:
            # Mann-Whitney's U with the correction for ties
            auc = (self.values[y].sum() - m * (m + 1) / 2) / (m * (n - m))
            sd = np.sqrt(m * (n - m) / 12 * (n + 1 - self.tie_term)) / (m * (n - m))
            p = 2 * float(stats.norm.sf(abs(auc - 0.5) / sd)) if sd > 0 else 1.0
            word = "higher" if auc > 0.5 else "lower"
            return p, f"{word} where missing, AUC {max(auc, 1 - auc):.2f}", max(auc, 1 - auc) >= SMALL_AUC
        counts = np.bincount(self.values * 2 + y, minlength=2 * self.n_levels).reshape(-1, 2).astype(float)
        expected = counts.sum(1, keepdims=True) * counts.sum(0) / n
        # levels too small for the chi-squared approximation go together (Cochran's five)
        small = expected.min(1) < 5
        if small.any():
            counts = np.vstack([counts[~small], counts[small].sum(0)])
            counts = counts[counts.sum(1) > 0]
            expected = counts.sum(1, keepdims=True) * counts.sum(0) / n
        if len(counts) < 2 or expected.min() < 1:
            return 1.0, "", False
        chi2 = float(((counts - expected) ** 2 / expected).sum())
        v = np.sqrt(chi2 / n)
        return float(stats.chi2.sf(chi2, len(counts) - 1)), f"Cramer's V {v:.2f}", bool(v >= SMALL_V)
