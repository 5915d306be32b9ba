"""Do two segmentations say the same: adjusted Rand and mutual information, crosstab, and who fits whom best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import CustomerTableError

__all__ = [
    "Segmentations",
    "adjusted_rand",
    "agreement_row",
    "best_matches",
    "crosstab",
    "matching",
    "read_segmentations",
]

N_BOOTSTRAP = 500

Counts = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segmentations:
    """Two or more segmentations of the same customers.

    Attributes
    ----------
    names : tuple of str
    customers : pandas.Index
        Those that stand in all of them.
    segments : list of list of str
        The segments of each, without "unassigned".
    codes : list of ndarray
        Position in `segments` of each customer; unassigned is the last, ``len(segments)``.
    n_left_out : dict
        Customers of each that do not stand in all others.
    """

    names: tuple[str, ...]
    customers: pd.Index
    segments: list[list[str]]
    codes: list[NDArray[np.int64]]
    n_left_out: dict[str, int]

    def notes(self) -> list[str]:
        """Say who is left out."""
        return [
            f"{count(n, 'customer')} of {name!r} {'is' if n == 1 else 'are'} not in all other segmentations, left out."
            for name, n in self.n_left_out.items()
            if n
        ]


def read_segmentations(given: Any) -> Segmentations:
    """Read a mapping or a list of assignments, and find the customers that stand in all."""
    named = dict(given) if isinstance(given, Mapping) else {f"{i + 1}": one for i, one in enumerate(given)}
    if len(named) < 2:
        raise ValueError(f"comparing segmentations takes two or more of them, got {len(named)}.")
    tables = {str(name): as_assignment(one) for name, one in named.items()}
    if len(tables) < len(named):
        raise ValueError(f"segmentations need names that differ as text, got {name_some(named)}.")
    first, *others = tables.values()
    customers = first.index
    for table in others:
        customers = customers[customers.isin(table.index)]
    if not len(customers):
        looks = "; ".join(
            f"{name!r}: {name_some(table.index[:2])} ({table.index.dtype})" for name, table in tables.items()
        )
        raise CustomerTableError(f"no customer is in all segmentations; their ids look like {looks}.")
    codes: list[NDArray[np.int64]] = [
        np.asarray(table["segment"].cat.codes.reindex(customers), dtype=np.int64) for table in tables.values()
    ]
    return Segmentations(
        tuple(tables),
        customers,
        [[str(name) for name in table["segment"].cat.categories[:-1]] for table in tables.values()],
        codes,
        {name: len(table) - len(customers) for name, table in tables.items()},
    )


def crosstab(one: Segmentations, i: int, j: int) -> pd.DataFrame:
    """Count the customers in each segment of one segmentation by those of another, "unassigned" last."""
    rows, columns = [*one.segments[i], UNASSIGNED], [*one.segments[j], UNASSIGNED]
    cells = np.bincount(one.codes[i] * len(columns) + one.codes[j], minlength=len(rows) * len(columns))
    return pd.DataFrame(
        cells.reshape(len(rows), len(columns)),
        index=pd.Index(rows, name=one.names[i], dtype=object),
        columns=pd.Index(columns, name=one.names[j], dtype=object),
    )


def adjusted_rand(tables: Counts) -> Counts:
    """Return the adjusted Rand index of tables of counts, shape (..., n_rows, n_columns).

    1 where both sides are the same, also where both put all into one; Hubert and Arabie (1985),
    doi:10.1007/BF01908075.

    Examples
    --------
    >>> float(adjusted_rand(np.array([[2.0, 0.0], [0.0, 3.0]])))
    1.0
    """
    n = tables.sum(axis=(-2, -1))
    both = _pairs(tables).sum(axis=(-2, -1))
    rows, columns = _pairs(tables.sum(axis=-1)).sum(axis=-1), _pairs(tables.sum(axis=-2)).sum(axis=-1)
    expected = rows * columns / np.maximum(_pairs(n), 1.0)
    most = (rows + columns) / 2
    same = most - expected
    result: Counts = np.where(same > 0, (both - expected) / np.where(same > 0, same, 1.0), 1.0)
    return result


def _pairs(n: Counts) -> Counts:
    return n * (n - 1) / 2


def agreement_row(one: Segmentations, i: int, j: int, level: float, rng: np.random.Generator) -> dict[str, Any]:
    """Measure how far two segmentations agree, without the unassigned and with them as a group of their own."""
    from sklearn.metrics import adjusted_mutual_info_score

    whole = crosstab(one, i, j).to_numpy(dtype=np.float64)
    inner = whole[:-1, :-1]
    here = (one.codes[i] < len(one.segments[i])) & (one.codes[j] < len(one.segments[j]))
    row: dict[str, Any] = {
        "first": one.names[i],
        "second": one.names[j],
        "n_customers": len(one.customers),
        "n_assigned_in_both": int(here.sum()),
        "n_unassigned_in_first_only": int(whole[-1, :-1].sum()),
        "n_unassigned_in_second_only": int(whole[:-1, -1].sum()),
        "n_unassigned_in_both": int(whole[-1, -1]),
    }
    for name, table, kept in (("", inner, here), ("_with_unassigned", whole, np.ones_like(here))):
        n = int(table.sum())
        if n < 2:
            row |= {f"ari{name}": np.nan, f"ari{name}_low": np.nan, f"ari{name}_high": np.nan, f"ami{name}": np.nan}
            continue
        again = rng.multinomial(n, table.ravel() / n, size=N_BOOTSTRAP).reshape(-1, *table.shape).astype(np.float64)
        low, high = np.quantile(adjusted_rand(again), [(1 - level) / 2, (1 + level) / 2])
        ari = float(adjusted_rand(table))
        row[f"ari{name}"] = ari
        row[f"ari{name}_low"], row[f"ari{name}_high"] = min(float(low), ari), max(float(high), ari)
        row[f"ami{name}"] = float(adjusted_mutual_info_score(one.codes[i][kept], one.codes[j][kept]))
    return row


def best_matches(table: pd.DataFrame, first: str, second: str) -> list[dict[str, Any]]:
    """Find for each segment of the first segmentation the one of the second that shares most with it (Jaccard)."""
    counts = table.to_numpy(dtype=np.float64)
    either = counts.sum(axis=1)[:-1, None] + counts.sum(axis=0)[None, :-1] - counts[:-1, :-1]
    jaccard = np.divide(counts[:-1, :-1], either, out=np.zeros_like(either), where=either > 0)
    rows = []
    for k, segment in enumerate(table.index[:-1]):
        size = counts[k].sum()
        found = jaccard.shape[1] > 0 and jaccard[k].max() > 0
        best = int(jaccard[k].argmax()) if found else -1
        rows.append(
            {
                "segmentation": first,
                "segment": segment,
                "other": second,
                "best_match": table.columns[best] if found else None,
                "n_customers": int(size),
                "n_both": int(counts[k, best]) if found else 0,
                "jaccard": float(jaccard[k, best]) if found else np.nan,
                "share_in_match": float(counts[k, best] / size) if found else np.nan,
                "share_unassigned": float(counts[k, -1] / size) if size else np.nan,
            }
        )
    return rows


def matching(table: pd.DataFrame) -> tuple[NDArray[np.int64], str]:
    """Say which segment of the second segmentation stands for each of the first, -1 for none; and how it was found.

    Segments of the same name are the same. Where no name is in both, those are matched that leave the most customers in
    a matched pair (assignment problem). "unassigned" stands for itself.
    """
    from scipy.optimize import linear_sum_assignment

    first, second = list(table.index), list(table.columns)
    match = np.full(len(first), -1, dtype=np.int64)
    match[-1] = len(second) - 1
    position = {name: j for j, name in enumerate(second[:-1])}
    if set(first[:-1]) & set(second[:-1]):
        for i, name in enumerate(first[:-1]):
            match[i] = position.get(name, -1)
        return match, "name"
    counts = table.to_numpy()[:-1, :-1]
    rows, columns = linear_sum_assignment(counts, maximize=True)
    match[rows] = np.where(counts[rows, columns] > 0, columns, -1)
    return match, "largest shared numbers"
