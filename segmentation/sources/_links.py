"""Records, the values of their keys, and the components that equal values make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from segmentation.sources._keys import Key, KeyValues
from segmentation.sources._records import plain_text

__all__ = ["Ints", "Records", "Used", "components", "most_in_one_source", "use_key"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Records:
    """All records in their order: sources by name, then record ids. A node is a position in that order."""

    names: list[str]
    source: Ints  # (n_records,) position in `names`
    record: NDArray[Any]  # (n_records,) the ids as they came
    row_node: Ints  # (n_rows,) the record of every row

    def text(self, node: int) -> str:
        return f"{self.names[self.source[node]]}:{plain_text(self.record[node])}"


@dataclass(frozen=True)
class Used:
    """What one key contributes: which record has which value, and which values may link."""

    key: Key
    normal: KeyValues
    node: Ints  # (n_pairs,) distinct pairs of record and value code, sorted by code, then record
    code: Ints
    links: NDArray[np.bool_]  # (n_values,) False where too many records share the value


def use_key(key: Key, values: KeyValues, records: Records, max_shared: int | None) -> Used:
    """Reduce a key to distinct pairs of record and value, and mark the values that may link."""
    n_values = len(values.texts)
    row = np.flatnonzero(values.codes >= 0)
    n_records = len(records.source)
    pairs = np.unique(values.codes[row] * n_records + records.row_node[row])
    code, node = np.divmod(pairs, n_records)
    return Used(key, values, node, code, most_in_one_source(code, node, records, n_values) <= (max_shared or n_records))


def most_in_one_source(code: Ints, node: Ints, records: Records, n_values: int) -> Ints:
    """Count, for each value, its records in the source that has most of them."""
    groups, sizes = np.unique(code * len(records.names) + records.source[node], return_counts=True)
    most = np.zeros(n_values, dtype=np.int64)
    np.maximum.at(most, groups // len(records.names), sizes)
    return most


def components(used: list[Used], n_records: int) -> Ints:
    """Return, for every record, the first record of its component."""
    starts, ends = [], []
    for each in used:
        may = each.links[each.code]
        node, code = each.node[may], each.code[may]
        same = code[1:] == code[:-1]  # records with one value form a chain, which connects them as well as all pairs do
        starts.append(node[:-1][same])
        ends.append(node[1:][same])
    start = np.concatenate([*starts, np.empty(0, dtype=np.int64)])
    end = np.concatenate([*ends, np.empty(0, dtype=np.int64)])
    graph = coo_matrix((np.ones(len(start), dtype=np.int8), (start, end)), shape=(n_records, n_records))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    return np.asarray(first[labels], dtype=np.int64)
