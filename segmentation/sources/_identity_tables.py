"""The tables that say what linking found: what is doubtful, what was not used, and counts that add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.sources._keys import normaliser_name
from segmentation.sources._links import Ints, Records, Used, components, most_in_one_source
from segmentation.sources._records import plain_text

__all__ = ["ambiguous_table", "key_table", "shared_table", "summary_table"]


def ambiguous_table(
    used: Mapping[str, Used], records: Records, component: Ints, customer: NDArray[Any]
) -> pd.DataFrame:
    """List what deserves a look: one row per customer and reason."""
    size = np.bincount(component, minlength=len(component))
    found = [*_several_records(records, component), *_disagreements(used, component, size), *_weak(used, component)]
    table = pd.DataFrame(found, columns=["node", "reason", "detail"])
    node = table["node"].to_numpy(dtype=np.int64)
    return (
        pd.DataFrame(
            {
                "customer_id": customer[node],
                "reason": table["reason"],
                "n_records": size[node],
                "detail": table["detail"],
            }
        )
        .sort_values(["customer_id", "reason", "detail"], kind="stable")
        .reset_index(drop=True)
    )


def _several_records(records: Records, component: Ints) -> list[tuple[int, str, str]]:
    group = component * len(records.names) + records.source
    found = []
    for which, members in _groups_of_several(group):
        owner, source = divmod(which, len(records.names))
        ids = (plain_text(records.record[node]) for node in members)
        found.append(
            (owner, "several_records", f"{len(members)} records of {records.names[source]!r}: {name_some(ids)}")
        )
    return found


def _disagreements(used: Mapping[str, Used], component: Ints, size: Ints) -> list[tuple[int, str, str]]:
    found = []
    for name, each in used.items():
        owner = component[each.node]
        counts = each.links[each.code] & (size[owner] > 1)
        n_values = max(len(each.normal.texts), 1)
        pairs = np.unique(owner[counts] * n_values + each.code[counts])
        owners, codes = np.divmod(pairs, n_values)
        for which, members in _groups_of_several(owners):
            texts = sorted(each.normal.texts[codes[members]])
            found.append((which, "keys_disagree", f"{count(len(texts), 'value')} of {name!r}: {name_some(texts)}"))
    return found


def _weak(used: Mapping[str, Used], component: Ints) -> list[tuple[int, str, str]]:
    weak = [name for name, each in used.items() if each.key.weak]
    if not weak:
        return []
    strong = components([each for each in used.values() if not each.key.weak], len(component))
    parts = np.unique(strong)
    owners, n_parts = np.unique(component[parts], return_counts=True)
    return [
        (int(owner), "weak_key", f"{number} parts that only {name_some(weak)} holds together")
        for owner, number in zip(owners[n_parts > 1], n_parts[n_parts > 1], strict=True)
    ]


def _groups_of_several(group: Ints) -> list[tuple[int, Ints]]:
    """Return (group, positions) of every group with more than one member, in order."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, np.int64)
    sizes = np.diff(np.append(starts, len(ordered)))
    several = sizes > 1
    return [
        (int(ordered[start]), order[start : start + size])
        for start, size in zip(starts[several], sizes[several], strict=True)
    ]


def shared_table(used: Mapping[str, Used], records: Records) -> pd.DataFrame:
    """List the values that were not used because too many records share them, with up to five examples each."""
    rows = []
    for name, each in used.items():
        most = most_in_one_source(each.code, each.node, records, len(each.normal.texts))
        for code in np.flatnonzero(~each.links):
            low, high = np.searchsorted(each.code, [code, code + 1])
            nodes = each.node[low:high]
            examples = ", ".join(records.text(int(node)) for node in nodes[:5])
            n_sources = len(np.unique(records.source[nodes]))
            rows.append((name, each.normal.texts[code], len(nodes), int(most[code]), n_sources, examples))
    columns = ["key", "value", "n_records", "most_in_one_source", "n_sources", "examples"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["n_records", "key", "value"], ascending=[False, True, True]).reset_index(drop=True)


def summary_table(used: Mapping[str, Used], records: Records, component: Ints) -> pd.DataFrame:
    """Count per source; the columns add up as the class says."""
    n_sources = len(records.names)
    pairs = np.unique(component * n_sources + records.source)
    owner, source = np.divmod(pairs, n_sources)
    in_sources = np.bincount(owner, minlength=len(component))
    alone = in_sources[owner] == 1
    has_key = np.zeros(len(component), dtype=bool)
    for each in used.values():
        has_key[each.node[each.links[each.code]]] = True

    def per_source(values: Ints) -> Ints:
        return np.bincount(values, minlength=n_sources)

    n_records = per_source(records.source)
    n_customers = per_source(source)
    n_only_here = per_source(source[alone])
    return pd.DataFrame(
        {
            "n_rows": per_source(records.source[records.row_node]),
            "n_records": n_records,
            "n_without_key": per_source(records.source[~has_key]),
            "n_customers": n_customers,
            "n_only_here": n_only_here,
            "n_elsewhere_too": n_customers - n_only_here,
        },
        index=pd.Index(records.names, name="source", dtype=object),
    )


def key_table(used: Mapping[str, Used], records: Records) -> pd.DataFrame:
    """Say, for each key, how often it is there and what it did."""
    rows = []
    for each in used.values():
        sizes = np.bincount(each.code, minlength=len(each.normal.texts))
        rows.append(
            (
                normaliser_name(each.key),
                each.key.weak,
                len(np.unique(each.node)),
                len(np.unique(records.row_node[each.normal.unusable])),
                len(sizes),
                int(((sizes > 1) & each.links).sum()),
                int((~each.links).sum()),
                int(sizes[~each.links].sum()),
            )
        )
    columns = [
        "normaliser",
        "weak",
        "n_records",
        "n_unusable",
        "n_values",
        "n_linking_values",
        "n_shared_values",
        "n_shared_records",
    ]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(list(used), name="key", dtype=object))
