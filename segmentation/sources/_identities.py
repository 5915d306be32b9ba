"""Who is who: records of several systems that belong to one customer, linked by equal keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.sources._identity_result import Identities
from segmentation.sources._identity_tables import ambiguous_table, key_table, shared_table, summary_table
from segmentation.sources._keys import columns_of, key_values, normaliser_name, read_keys
from segmentation.sources._links import Ints, Records, Used, components, use_key
from segmentation.sources._records import plain_text, read_sources, record_order, record_values

__all__ = ["resolve_identities"]

# A value on more records of ONE source than this does not identify a person. Reasoning, not tuning: within one system
# a customer has one record, or a few after registering again; a family that shares a mailbox or a telephone rarely has
# more than five members who are customers themselves. It counts within a source, so it does not depend on how many
# sources there are.
MAX_SHARED = 5


def resolve_identities(
    sources: Mapping[str, Any],
    keys: Any,
    *,
    record_id: Any = None,
    max_shared: int | None = MAX_SHARED,
    id_source: str | None = None,
) -> Identities:
    """Find out which records of several systems belong to the same customer, by keys that are equal.

    Two records are linked where they have the same value of any key, after normalising it; links are transitive, so
    a customer is a connected component. Nothing is estimated: for linkage by similarity use a package made for it and
    pass its result to `merge_sources` as a table.

    Parameters
    ----------
    sources : mapping from name to dataframe
        pandas, polars, pyarrow or any other; never changed. One source alone is fine: it is deduplicated.
    keys : mapping from name to column, `Key` or mapping from source to column
        What identifies a customer: ``{"email": "email", "phone": {"crm": "tel", "shop": "phone"}}``. A key that is
        called ``"email"``, ``"phone"`` or ``"text"`` is normalised so, any other one is compared exactly, unless a
        `Key` says otherwise. A list of columns is short for keys of those names.
    record_id : str or mapping from source to column, optional
        What names a record within its source. Default: the index of a pandas frame, the row number of another; row
        numbers make the customer ids depend on the order of the rows. Rows with the same id are one record.
    max_shared : int or None, default=5
        A value on more records of a single source than this links nobody (``info@`` addresses, ``000-000``); it is
        listed in ``shared_keys``. None uses every value.
    id_source : str, optional
        Customers with a record in this source take its record id (the smallest of several), as text.

    Returns
    -------
    Identities
        ``identities`` (source, record, customer_id), ``ambiguous``, ``shared_keys``, ``summary``, ``keys``.

    Raises
    ------
    ColumnError
        If a column is not there, or no source has the column of a key.
    ValueError
        If there are no rows, a record has no id, ids look alike as text, a name cannot be used, or `max_shared` is
        below 1.
    TypeError
        If `sources` is no mapping of dataframes.

    Notes
    -----
    **Missing keys never link**: null, NaN, blank text and what a normaliser refuses (an e-mail without ``@``).

    ``customer_id`` is text, ``"<source>:<record>"`` of the customer's first record, sources by name and records by
    value. It does not depend on the order of rows, sources or keys. It does change when a record comes in that
    stands before it, or that joins two customers; keep the table of identities to follow them.

    **Ambiguous** are links that deserve a look. They are reported, never undone:

    * ``several_records``: two or more records of one source. Duplicates in that source, or two people.
    * ``keys_disagree``: a key has two or more usable values within the customer, so another key (or a record that
      has both values) holds them together. Two addresses of one person, or two people.
    * ``weak_key``: without the keys declared ``weak`` the customer falls into parts.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.sources import resolve_identities
    >>> crm = pd.DataFrame(
    ...     {"id": [1, 2, 3], "email": ["Ann@x.com", "bob@x.com", None], "tel": [None, "555-1", "555-2"]}
    ... )
    >>> shop = pd.DataFrame({"id": ["a", "b"], "email": [" ann@X.com", "eve@x.com"], "tel": ["", "5552"]})
    >>> found = resolve_identities({"crm": crm, "shop": shop}, {"email": "email", "phone": "tel"}, record_id="id")
    >>> found.identities
      source record customer_id
    0    crm      1       crm:1
    1    crm      2       crm:2
    2    crm      3       crm:3
    3   shop      a       crm:1
    4   shop      b       crm:3
    >>> found.summary[["n_records", "n_customers", "n_only_here"]]
            n_records  n_customers  n_only_here
    source
    crm             3            3            1
    shop            2            2            0
    """
    tables = read_sources(sources)
    if max_shared is not None and (not isinstance(max_shared, int | np.integer) or max_shared < 1):
        raise ValueError(
            f"max_shared must be at least 1 and a whole number, or None to link by every value; got {max_shared!r}."
        )
    _check_sources_named(record_id, tables, "record_id")
    if id_source is not None and id_source not in tables:
        raise ValueError(f"id_source must be one of the sources, {name_some(tables)}; got {id_source!r}.")
    ordered = {name: tables[name] for name in sorted(tables)}
    records = _records(ordered, record_id)
    notes = _row_number_notes(ordered, record_id)
    used: dict[str, Used] = {}
    for name, key in read_keys(keys).items():
        columns, absent = columns_of(key, name, ordered)
        notes.extend(absent)
        used[name] = use_key(key, key_values(key, name, columns, ordered), records, max_shared)
    _check_keys_per_source(used, records, ordered, notes)
    component = components(list(used.values()), len(records.source))
    identities = pd.DataFrame(
        {
            "source": np.array(records.names, dtype=object)[records.source],
            "record": pd.Series(records.record).infer_objects(),
            "customer_id": _customer_ids(records, component, id_source),
        }
    )
    customer = identities["customer_id"].to_numpy(dtype=object)
    return Identities(
        identities=identities,
        ambiguous=ambiguous_table(used, records, component, customer),
        shared_keys=shared_table(used, records),
        summary=summary_table(used, records, component),
        keys=key_table(used, records),
        settings={
            "keys": {name: normaliser_name(each.key) for name, each in used.items()},
            "max_shared": max_shared,
            "id_source": id_source,
        },
        notes=tuple(notes),
    )


def _check_sources_named(given: Any, tables: Mapping[str, pd.DataFrame], role: str) -> None:
    """Refuse a mapping that names a source which is not there."""
    unknown = [source for source in given if source not in tables] if isinstance(given, Mapping) else []
    if unknown:
        raise ValueError(
            f"{role} names sources that are not there: {name_some(unknown)}; there are {name_some(tables)}."
        )


def _records(tables: Mapping[str, pd.DataFrame], record_id: Any) -> Records:
    """Number the records of all sources in their order."""
    row_node, source, record = [], [], []
    start = 0
    for position, (name, table) in enumerate(tables.items()):
        positions, ids = record_order(record_values(table, name, record_id), name)
        row_node.append(positions + start)
        source.append(np.full(len(ids), position, dtype=np.int64))
        record.append(ids)
        start += len(ids)
    return Records(list(tables), np.concatenate(source), np.concatenate(record), np.concatenate(row_node))


def _row_number_notes(tables: Mapping[str, pd.DataFrame], record_id: Any) -> list[str]:
    given = record_id if isinstance(record_id, Mapping) else dict.fromkeys(tables, record_id)
    numbered = [
        name
        for name, table in tables.items()
        if given.get(name) is None and isinstance(table.index, pd.RangeIndex) and table.index.name is None
    ]
    if not numbered:
        return []
    return [f"records of {name_some(numbered)} are named by row number, so customer ids depend on the order of rows"]


def _check_keys_per_source(
    used: Mapping[str, Used], records: Records, tables: Mapping[str, pd.DataFrame], notes: list[str]
) -> None:
    """Say which sources no key can link, because no record in them has one."""
    linked = {int(position) for each in used.values() for position in np.unique(records.source[each.node])}
    for position, (name, table) in enumerate(tables.items()):
        if len(table) and position not in linked:
            notes.append(f"no record of {name!r} has a usable key: each becomes a customer of its own")


def _customer_ids(records: Records, component: Ints, id_source: str | None) -> NDArray[Any]:
    """Name each component by its first record, or by its first record in the source that was asked for."""
    first = np.unique(component)
    ids = {int(node): records.text(int(node)) for node in first}
    if id_source is not None:
        inside = np.flatnonzero(records.source == records.names.index(id_source))
        owners, position = np.unique(component[inside], return_index=True)
        for owner, node in zip(owners, inside[position], strict=True):
            ids[int(owner)] = str(plain_text(records.record[node]))
        if len(set(ids.values())) < len(ids):
            repeated = pd.Series(list(ids.values()))
            raise ValueError(
                f"record ids of {id_source!r} look like ids of customers who are not in it: "
                f"{name_some(repeated[repeated.duplicated()].unique())}. Leave id_source out, or rename the source."
            )
    names = np.array([ids[int(node)] for node in first], dtype=object)
    return np.asarray(names[np.searchsorted(first, component)], dtype=object)
