"""Items of a questionnaire that are keyed against the others of their scale."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from segmentation._format import name_some, number
from segmentation.sources._audit_columns import sample_rows
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_table import Column, Table

__all__ = ["scale_checks"]

MIN_CORRELATION = 0.1
"""Cohen's small correlation (1988): an item that hangs on its scale by less cannot be said to be turned around."""


def scale_checks(table: Table) -> Iterator[Finding]:
    """Find items with reverse keying.

    A scale is three or more columns named alike but for a number (``A1`` ... ``A5``), with whole answers from one range
    of 3 to 11 steps. Signs are those of the first principal component, the majority taken as positive; an item is
    reversed where the mean of the others, so turned, correlates with it by less than -0.1 and five standard errors.
    """
    if table.n_rows < 50:
        return
    groups: dict[tuple[str, float], list[Column]] = defaultdict(list)
    for column in table.columns:
        match = re.fullmatch(r"(.*?)[ _.]?\d+", str(column.name))
        if match is None or column.kind != "number" or not column.is_whole or not 3 <= column.n_distinct <= 11:
            continue
        values = column.distinct[0]
        if values[0] in (0, 1) and values[-1] <= 10:
            groups[match.group(1), float(values[0])].append(column)
    rows = sample_rows(table.n_rows)
    for (_, low), items in groups.items():
        high = max(float(item.distinct[0][-1]) for item in items)
        if len(items) < 3 or high - low < 2:
            continue
        reversed_ = _reversed(np.column_stack([item.numbers[rows] for item in items]))
        if reversed_.any():
            names = [item.name for item, turned in zip(items, reversed_, strict=True) if turned]
            kept = [item.name for item, turned in zip(items, reversed_, strict=True) if not turned]
            answered = ~np.all([table[name].missing for name in names], axis=0)
            yield table.finding(
                "reverse_keyed", "note", names, answered,
                f"{name_some(names)} run against {name_some(kept)}: high answers go with low ones",
                f"Turn them around ({number(low)} + {number(high)} - answer) before adding up a scale.",
                {"action": "reverse_scale", "columns": names, "low": low, "high": high},
            )  # fmt: skip


def _reversed(answers: np.ndarray) -> np.ndarray:
    """Tell which items run against the others of their scale."""
    n_items = answers.shape[1]
    none = np.zeros(n_items, dtype=bool)
    whole = answers[np.isfinite(answers).all(axis=1)]
    if len(whole) < 50 or np.any(whole.std(axis=0) == 0):
        return none
    _, vectors = np.linalg.eigh(np.corrcoef(whole, rowvar=False))
    signs = np.where(vectors[:, -1] < 0, -1.0, 1.0)
    if signs.sum() < 0 or (signs.sum() == 0 and signs[0] < 0):
        signs = -signs
    if (signs > 0).all():
        return none
    standard = (whole - whole.mean(axis=0)) / whole.std(axis=0) * signs
    limit = max(MIN_CORRELATION, 5 / np.sqrt(len(whole)))
    hangs = []
    for i in range(n_items):
        rest = np.delete(standard, i, axis=1).mean(axis=1)
        hangs.append(float(np.corrcoef(standard[:, i], rest)[0, 1]) >= limit)
    # one item hanging loose says nothing of the others; fewer than two that hold together are no scale
    return (signs < 0) & np.array(hangs) if (np.array(hangs) & (signs > 0)).sum() >= 2 else none
