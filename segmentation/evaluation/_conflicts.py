"""Customers in conflict: in several segments that exclude each other, or moved between two segmentations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.evaluation._overlap_agreement import Segmentations, crosstab, matching
from segmentation.evaluation._overlap_membership import Membership, combinations_of

__all__ = ["checked_ids", "conflicts_between", "conflicts_within"]

CONFLICT_COLUMNS = ["scheme", "conflict", "segments", "n_customers", "share"]
ID_COLUMNS = ["scheme", "conflict"]


def checked_ids(ids: Any) -> int | None:
    """Return how many ids are to be named: None for all, 0 for none."""
    if isinstance(ids, bool | np.bool_):
        return None if ids else 0
    if isinstance(ids, int | np.integer) and ids >= 0:
        return int(ids)
    raise ValueError(f"ids must be True, False or a number of customers to name, got {ids!r}.")


def conflicts_within(
    members: Membership, schemes: Mapping[str, Sequence[int]], ids: int | None
) -> tuple[pd.DataFrame, pd.DataFrame | None, int, list[str]]:
    """Find customers in two or more segments of a scheme that is meant to be exclusive.

    Returns
    -------
    table : one row per scheme and combination of segments, the most frequent first
    named : the customers, or None
    n_customers : how many are in any conflict
    notes : what was not named
    """
    n = len(members.customers)
    rows: list[dict[str, Any]] = []
    anybody = np.zeros(n, dtype=bool)
    parts: list[tuple[str, NDArray[np.int64], list[str]]] = []
    for scheme, positions in schemes.items():
        inside = members.member[:, list(positions)]
        in_conflict = np.flatnonzero(inside.sum(axis=1) > 1)
        anybody[in_conflict] = True
        if not in_conflict.size:
            continue
        combinations, codes, counts = combinations_of(inside[in_conflict])
        sets = [tuple(members.names[positions[int(j)]] for j in np.flatnonzero(one)) for one in combinations]
        names = [" + ".join(one) for one in sets]
        rows += [
            {"scheme": scheme, "conflict": name, "segments": one, "n_customers": int(k), "share": k / n}
            for name, one, k in zip(names, sets, counts, strict=True)
        ]
        parts.append((scheme, in_conflict, [names[code] for code in codes] if ids != 0 else []))
    named, notes = _named(members.customers, parts, ids)
    return _ordered(rows), named, int(anybody.sum()), notes


def conflicts_between(
    one: Segmentations, ids: int | None
) -> tuple[pd.DataFrame, pd.DataFrame | None, dict[str, int], list[str], dict[str, str]]:
    """Find customers whose segments in two segmentations do not stand for each other.

    Returns
    -------
    table, named, and notes as `conflicts_within`; the number of customers per pair of segmentations; and how the
    segments were matched in each.
    """
    rows: list[dict[str, Any]] = []
    parts: list[tuple[str, NDArray[np.int64], list[str]]] = []
    n_moved: dict[str, int] = {}
    matched: dict[str, str] = {}
    n = len(one.customers)
    for i in range(len(one.names)):
        for j in range(i + 1, len(one.names)):
            scheme = f"{one.names[i]} -> {one.names[j]}"
            table = crosstab(one, i, j)
            match, matched[scheme] = matching(table)
            counts = table.to_numpy()
            for a, b in zip(*np.nonzero(counts), strict=True):
                if match[a] != b:
                    move = (str(table.index[a]), str(table.columns[b]))
                    k = int(counts[a, b])
                    row = {"scheme": scheme, "conflict": " -> ".join(move), "segments": move, "n_customers": k}
                    rows.append({**row, "share": k / n})
            moved = np.flatnonzero(match[one.codes[i]] != one.codes[j])
            n_moved[scheme] = int(moved.size)
            labels: list[str] = []
            if ids != 0:
                pairs = zip(one.codes[i][moved], one.codes[j][moved], strict=True)
                labels = [f"{table.index[a]} -> {table.columns[b]}" for a, b in pairs]
            parts.append((scheme, moved, labels))
    named, notes = _named(one.customers, parts, ids)
    return _ordered(rows), named, n_moved, notes, matched


def _ordered(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=CONFLICT_COLUMNS)
    return table.sort_values(["n_customers", "scheme", "conflict"], ascending=[False, True, True], ignore_index=True)


def _named(
    customers: pd.Index, parts: Sequence[tuple[str, NDArray[np.int64], list[str]]], ids: int | None
) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the customers in conflict by name, as many as may be named."""
    if ids == 0:
        return None, []
    tables = [
        pd.DataFrame({"scheme": scheme, "conflict": labels}, index=customers[rows], columns=ID_COLUMNS)
        for scheme, rows, labels in parts
        if rows.size
    ]
    if not tables:
        return pd.DataFrame(columns=ID_COLUMNS, index=customers[:0], dtype=object), []
    named = pd.concat(tables)
    if ids is None or len(named) <= ids:
        return named, []
    schemes = name_some(dict.fromkeys(named["scheme"]))
    return named.head(ids), [f"{count(ids, 'conflict')} of {len(named):,} ({schemes}) named; ids=True names all."]
