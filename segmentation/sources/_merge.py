"""One row per customer out of several sources, and an account of every value that was passed over."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation.exceptions import ColumnError, DroppedRowsWarning
from segmentation.sources._merge_result import MergedSources
from segmentation.sources._merge_rows import Rows, read_rows
from segmentation.sources._merge_rules import Chosen, Orders, choose, read_rules
from segmentation.sources._merge_types import TypeClashError, clash_error, join_columns
from segmentation.sources._records import read_sources

__all__ = ["merge_sources"]


def merge_sources(
    sources: Mapping[str, Any],
    *,
    identity: Any,
    precedence: Any = None,
    updated: Any = None,
    as_of: Any = None,
    record_id: Any = None,
    allow_many: Collection[str] = (),
) -> MergedSources:
    """Merge tables of customers into one row per customer; nothing is overwritten in silence.

    Parameters
    ----------
    sources : mapping from name to dataframe
        Tables with one row per customer, more or less: pandas, polars, pyarrow or any other; never changed. Columns
        of the same name mean the same thing; rename those that do not. The order of the mapping is the default
        precedence.
    identity : Identities, dataframe, str or mapping from source to column
        Who the rows are: the result of `resolve_identities`; any table with the columns ``source``, ``record`` and
        ``customer_id``; or the column with the customer id, where the sources share one.
    precedence : list of sources, "most_recent", function, or mapping from column to any of these, optional
        Which value counts where sources disagree. A list of sources: the first that knows one (sources not in the
        list follow in the order of `sources`). ``"most_recent"``: the value of the row changed last, see `updated`;
        undated rows come last, ties go by the order of `sources`. A function gets the different sources' values of
        one customer (a series, index: sources) and returns a value; it is only asked where sources disagree. In a
        mapping ``"*"`` stands for the columns not named. Default: the order of `sources`.
    updated : str or mapping from source to column, optional
        When a row was last changed: dates, timestamps or ISO 8601 text; without a zone read as UTC.
    as_of : date, datetime or ISO 8601 text, optional
        Rows changed after this day (UTC, the whole day counts) are left out. Needs `updated`.
    record_id : str or mapping from source to column, optional
        What names a record within its source, as for `resolve_identities`. Default: the index or row number.
    allow_many : collection of source names, default=()
        Sources that may have many rows per customer.

    Returns
    -------
    MergedSources
        ``customers``, ``lineage``, ``conflicts``, ``unmatched``, ``left_out``, ``summary``, ``notes``; it prints.

    Raises
    ------
    ValueError
        If a source is a table of events (many rows per customer), no row belongs to a customer, a precedence or a
        time cannot be used, or a function returns a missing value.
    ColumnError
        If a column is not there, sources hold kinds of values without a common type (all such columns are named), or
        a column would be called like the index.
    TypeError
        If `sources` is no mapping of dataframes, or `identity` is none of the above.

    Warns
    -----
    DroppedRowsWarning
        If rows belong to no customer; they are in ``left_out``.

    See Also
    --------
    segmentation.features.rfm_table, segmentation.features.btyd_table, segmentation.features.engagement_table : Make
        one row per customer from orders and events.

    Notes
    -----
    **A missing value never beats a known one.** Missing are null, NaN, NaT and text that is empty or only blanks.
    Every rule chooses among known values only, so a value may come from a source that stands behind.

    **Several rows of one customer in one source.** Exact copies (in all columns but the record id) are dropped and
    counted. Of the others, the row changed last counts, then the one with the smallest record id, per column and
    among known values; what differs is a conflict of the source with itself.

    **Values differ** where they are not equal: ``1`` and ``1.0`` do not, ``"Ann"`` and ``"ann"`` do.

    **Types** stay what they are. Whole numbers and booleans with holes become nullable; whole numbers with floats,
    floats; categoricals take the union of their categories; different time zones become UTC; a categorical with
    text, text. Each such change is in ``notes``. Text with numbers, or times with and without a zone, is an error.

    The id column of `identity`, `record_id` and `updated` are no values and are not in ``customers``.

    **The order of rows** never matters where records have ids. The order of `sources` is the default precedence; it
    does not matter where `precedence` names all sources in a list and no type changes. Merging the result with
    itself changes nothing.

    **A table of events** is refused: one that has at least 2 rows per customer, or several rows for most customers,
    and a time that differs between them (without such a time: from 30 customers on). A source with `updated` holds
    versions of a profile and is not refused.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.sources import merge_sources
    >>> crm = pd.DataFrame(
    ...     {"id": [1, 2], "city": ["Ulm", None], "age": [41, 29], "changed": ["2023-05-01", "2024-02-01"]}
    ... )
    >>> shop = pd.DataFrame({"id": [1, 2, 3], "city": ["Bonn", "Kiel", "Trier"], "changed": "2024-01-01"})
    >>> merged = merge_sources(
    ...     {"crm": crm, "shop": shop}, identity="id", precedence={"city": "most_recent"}, updated="changed"
    ... )
    >>> merged.customers
                  city   age
    customer_id
    1             Bonn    41
    2             Kiel    29
    3            Trier  <NA>
    >>> merged.lineage["city"].to_dict()
    {1: 'shop', 2: 'shop', 3: 'shop'}
    >>> print(merged)
    3 customers from 2 sources, 2 columns, 83.3 % of the values known
      crm: 2 rows, 2 used: 2 customers, 0 in no other source
      shop: 3 rows, 3 used: 3 customers, 1 in no other source
    conflicts, 1 of 1 customer:
      city: 1 (most_recent)
    >>> merged.conflicts.iloc[0].to_dict()
    {'customer_id': 1, 'column': 'city', 'kept': 'Bonn', 'kept_from': 'shop', 'other': 'Ulm', 'other_from': 'crm',
     'why': 'more recent: 2024-01-01, not 2023-05-01'}
    """
    tables = read_sources(sources)
    _check_settings(tables, updated, as_of, record_id, allow_many)
    rows = read_rows(tables, identity, record_id, updated, as_of, allow_many)
    columns = list(dict.fromkeys(column for table in rows.tables.values() for column in table.columns))
    if "customer_id" in columns:
        having = [name for name, table in rows.tables.items() if "customer_id" in table.columns]
        raise ColumnError(
            f"{name_some(having)} has a column 'customer_id' that is not the identity; the result's index is called "
            "so. Rename it, or name it as record_id."
        )
    rules = read_rules(precedence, columns, list(tables), dated=updated is not None)
    joined, notes = _join_all(rows, columns)
    orders = Orders(rows, list(tables))
    chosen = {column: choose(column, *joined[column], rules[column], orders) for column in columns}
    _warn_of_left_out(rows)
    return MergedSources(
        customers=_table({column: each.best for column, each in chosen.items()}, rows),
        lineage=_lineage(chosen, rules, list(tables), rows),
        conflicts=_all_conflicts(chosen),
        unmatched=_unmatched(rows, list(tables)),
        left_out=rows.left_out,
        summary=_summary(rows, chosen, list(tables)),
        settings={
            "as_of": None if as_of is None else str(as_of),
            "precedence": {str(column): str(rule) for column, rule in rules.items()},
        },
        notes=(*rows.notes, *notes),
    )


def _check_settings(
    tables: Mapping[str, pd.DataFrame], updated: Any, as_of: Any, record_id: Any, allow_many: Collection[str]
) -> None:
    if as_of is not None and updated is None:
        raise ValueError("as_of needs to know when a row was last changed: give updated= as well.")
    for role, given in {"updated": updated, "record_id": record_id}.items():
        unknown = [name for name in given if name not in tables] if isinstance(given, Mapping) else []
        if unknown:
            raise ValueError(
                f"{role} names sources that are not there: {name_some(unknown)}; there are {name_some(tables)}."
            )
    if isinstance(updated, str) and not any(updated in table.columns for table in tables.values()):
        raise ColumnError(f"updated: no source has a column {updated!r}.")
    unknown = [allow_many] if isinstance(allow_many, str) else [name for name in allow_many if name not in tables]
    if unknown:
        raise ValueError(f"allow_many must be a list of sources, out of {name_some(tables)}; got {name_some(unknown)}.")


def _join_all(rows: Rows, columns: list[Any]) -> tuple[dict[Any, tuple[pd.Series, Any]], list[str]]:
    """Put the values of each column below each other, with the row of each; name all columns whose types clash."""
    ends = np.cumsum([len(table) for table in rows.tables.values()])
    spans = {
        name: np.arange(end - len(table), end) for (name, table), end in zip(rows.tables.items(), ends, strict=True)
    }
    joined, notes, clashes = {}, [], {}
    for column in columns:
        having = {name: table[column] for name, table in rows.tables.items() if column in table.columns}
        try:
            values, note = join_columns(having)
        except TypeClashError as clash:
            clashes[column] = str(clash)
            continue
        joined[column] = (values, np.concatenate([spans[name] for name in having]))
        notes += [f"{column}: {note}"] if note else []
    if clashes:
        raise clash_error(clashes)
    return joined, notes


def _table(columns: Mapping[Any, pd.Series], rows: Rows) -> pd.DataFrame:
    """Give columns by position the customers as index."""
    table = pd.DataFrame(dict(columns), index=range(len(rows.customers)))
    return table.set_axis(rows.customers, axis=0)


def _lineage(chosen: Mapping[Any, Chosen], rules: Mapping[Any, Any], sources: list[str], rows: Rows) -> pd.DataFrame:
    made = dict.fromkeys(str(rule) for rule in rules.values() if rule.function is not None)
    labels = [*sources, *(name for name in made if name not in sources)]
    columns = {}
    for column, each in chosen.items():
        codes = each.lineage.copy()
        if rules[column].function is not None:
            codes[codes == len(sources)] = labels.index(str(rules[column]))
        columns[column] = pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(labels)))
    return _table(columns, rows)


def _all_conflicts(chosen: Mapping[Any, Chosen]) -> pd.DataFrame:
    """Put the conflicts of all columns together, by customer."""
    names = ["customer_id", "column", "kept", "kept_from", "other", "other_from", "why"]
    parts = [each.conflicts for each in chosen.values() if len(each.conflicts)]
    if not parts:
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in names})
    return pd.concat(parts, ignore_index=True).sort_values("customer_id", kind="stable").reset_index(drop=True)


def _unmatched(rows: Rows, sources: list[str]) -> pd.DataFrame:
    """List the customers of one source only."""
    pairs = pd.DataFrame({"source": rows.source, "customer": rows.customer}).drop_duplicates()
    alone = pairs[~pairs["customer"].duplicated(keep=False)].sort_values(["source", "customer"])
    return pd.DataFrame(
        {
            "source": np.array(sources, dtype=object)[alone["source"].to_numpy()],
            "customer_id": rows.customers[alone["customer"].to_numpy()],
        }
    )


def _summary(rows: Rows, chosen: Mapping[Any, Chosen], sources: list[str]) -> pd.DataFrame:
    """Count per source; see `MergedSources`."""
    n = len(sources)
    pairs = pd.DataFrame({"source": rows.source, "customer": rows.customer})
    sizes = pairs.groupby(["source", "customer"]).size().reset_index(name="n")
    alone = ~sizes["customer"].duplicated(keep=False)

    def per_source(codes: Any) -> Any:
        return np.bincount(np.asarray(codes, dtype=np.int64), minlength=n)[:n]

    values = [each.lineage[each.lineage >= 0] for each in chosen.values()]
    left_out = rows.left_out["source"].value_counts()
    return pd.DataFrame(
        {
            "n_rows": [rows.n_rows[name] for name in sources],
            "n_used": per_source(rows.source),
            "n_copies": [rows.n_copies[name] for name in sources],
            "n_left_out": [int(left_out.get(name, 0)) for name in sources],
            "n_customers": per_source(sizes["source"]),
            "n_unmatched": per_source(sizes.loc[alone, "source"]),
            "n_repeated": per_source(sizes.loc[sizes["n"] > 1, "source"]),
            "n_values": per_source(np.concatenate(values)) if values else 0,
            "n_overruled": sum((each.n_overruled for each in chosen.values()), np.zeros(n, dtype=np.int64)),
        },
        index=pd.Index(sources, name="source", dtype=object),
    )


def _warn_of_left_out(rows: Rows) -> None:
    """Warn of rows without a customer; those after as_of were asked for."""
    without = rows.left_out[rows.left_out["reason"] != "after as_of"]
    if without.empty:
        return
    counts = without.groupby(["source", "reason"], sort=False).size()
    told = "; ".join(
        f"{n:,} of {source!r}: {reason}" for (source, reason), n in zip(counts.index.tolist(), counts, strict=True)
    )
    warnings.warn(
        f"{count(len(without), 'row')} left out of the merge ({told}); see left_out.", DroppedRowsWarning, stacklevel=3
    )
