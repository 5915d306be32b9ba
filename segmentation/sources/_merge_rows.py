"""The rows of all sources, each with its customer, its record, its time and the reason why it does not count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.exceptions import ColumnError
from segmentation.sources._identity_result import Identities
from segmentation.sources._merge_events import refuse_events
from segmentation.sources._merge_types import TypeClashError, clash_error, join_columns, without_categories
from segmentation.sources._records import column_values, known, plain_text, record_order, record_values

__all__ = ["NO_TIME", "Rows", "read_rows"]

Ints = NDArray[np.int64]

NO_TIME = np.iinfo(np.int64).min
IDENTITY_COLUMNS = ["source", "record", "customer_id"]


@dataclass(frozen=True)
class Rows:
    """Rows that count, source after source, in the order of the sources.

    ``customer`` is the position in ``customers``; ``record_rank`` orders the records of a source; ``time`` is in
    microseconds since 1970 UTC, `NO_TIME` where there is none; ``tie`` orders rows that agree in all of these.
    """

    tables: Mapping[str, pd.DataFrame]
    customers: pd.Index
    customer: Ints
    source: Ints
    record: NDArray[Any]
    record_rank: Ints
    time: Ints
    tie: Ints
    left_out: pd.DataFrame
    n_rows: Mapping[str, int]
    n_copies: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """One source while it is read; everything is by row."""

    table: pd.DataFrame
    customer: pd.Series
    record: NDArray[Any]
    record_rank: Ints
    time: Ints
    reason: NDArray[Any]


def read_rows(
    tables: Mapping[str, pd.DataFrame],
    identity: Any,
    record_id: Any,
    updated: Any,
    as_of: Any,
    allow_many: Collection[str],
) -> Rows:
    """Give each row of each source its customer, record and time, and take out what does not count."""
    notes: list[str] = []
    customers = _customers_of_rows(tables, identity, record_id, notes)
    last_day = _last_microsecond(as_of)
    read = {
        name: _read_source(name, table, customers[name], identity, record_id, updated, last_day, notes)
        for name, table in tables.items()
    }
    undated = sum(int((each.time == NO_TIME).sum()) for each in read.values())
    if last_day is not None and undated:
        notes.append(f"{count(undated, 'row')} without a time: kept, though nobody knows whether they are after as_of")
    kept = {name: _drop_copies(each) for name, each in read.items()}
    for name, rows in kept.items():
        dated = _column_for(updated, name, tables[name]) is not None
        note = refuse_events(
            name, read[name].table.iloc[rows], read[name].customer.iloc[rows], allowed=name in allow_many or dated
        )
        notes += [note] if note else []
    return _assemble(read, kept, notes)


def _customers_of_rows(
    tables: Mapping[str, pd.DataFrame], identity: Any, record_id: Any, notes: list[str]
) -> dict[str, pd.Series]:
    """Return the customer of every row, missing where there is none."""
    if isinstance(identity, Identities):
        identity = identity.identities
    if is_frame(identity):
        return _by_table(tables, to_pandas(identity), record_id, notes)
    if not isinstance(identity, str | Mapping):
        raise TypeError(
            "identity must be the result of resolve_identities, a dataframe with the columns 'source', 'record' and "
            "'customer_id', a column with the customer id, or a mapping from source to column; "
            f"got {kind_of(identity)}."
        )
    absent = [name for name in tables if isinstance(identity, Mapping) and name not in identity]
    if absent:
        raise ValueError(f"identity names no column for {name_some(absent)}; every source needs one.")
    columns = {
        name: column_values(table, identity[name] if isinstance(identity, Mapping) else identity, name, "identity")
        for name, table in tables.items()
    }
    try:
        joined, note = join_columns({name: without_categories(values) for name, values in columns.items()})
    except TypeClashError as clash:
        raise clash_error({"customer id": str(clash)}) from clash
    if note:
        notes.append(f"customer ids: {note}")
    there = known(joined)
    joined = _whole_ids(joined, there)
    notes.extend(_near_ids(joined[there]))
    ends = np.cumsum([len(values) for values in columns.values()])
    starts = ends - [len(values) for values in columns.values()]
    return {
        name: joined.iloc[start:end].where(there[start:end]).reset_index(drop=True)
        if not there[start:end].all()
        else joined.iloc[start:end].reset_index(drop=True)
        for name, start, end in zip(columns, starts, ends, strict=True)
    }


def _near_ids(ids: pd.Series) -> list[str]:
    """Say which ids of text differ in nothing but blanks and case: they are taken as they stand, as two people."""
    if not (ids.dtype == object or pd.api.types.is_string_dtype(ids.dtype)):
        return []
    distinct = pd.Series(ids.unique(), dtype=object)
    folded = distinct.map(lambda value: " ".join(value.split()).casefold() if isinstance(value, str) else value)
    near = distinct[folded.duplicated(keep=False)]
    if near.empty:
        return []
    groups = folded[near.index].nunique()
    return [
        f"customer ids that differ in blanks or case only are different customers: {name_some(near)} "
        f"({count(groups, 'id')} in {len(near):,} ways of writing)"
    ]


def _whole_ids(values: pd.Series, there: NDArray[np.bool_]) -> pd.Series:
    """Turn float ids that are all whole into integers: a missing id elsewhere in the column made them floats."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return values
    numbers = values[there]
    whole = bool((numbers % 1 == 0).all() and (numbers.abs() < 2**53).all())
    return values.astype("Int64") if whole else values


def _by_table(
    tables: Mapping[str, pd.DataFrame], table: pd.DataFrame, record_id: Any, notes: list[str]
) -> dict[str, pd.Series]:
    """Look up the customer of every row by source and record in a table of identities."""
    absent = [column for column in IDENTITY_COLUMNS if column not in table.columns]
    if absent:
        raise ColumnError(f"the table of identities: {column_difference(IDENTITY_COLUMNS, list(table.columns))}.")
    pairs = table[IDENTITY_COLUMNS].drop_duplicates()
    pairs = pairs.assign(record=np.array([plain_text(value) for value in pairs["record"]], dtype=object))
    pairs = pairs[known(pairs["customer_id"])].drop_duplicates()
    twice = pairs.duplicated(["source", "record"], keep=False)
    if twice.any():
        named = (f"{a}:{b}" for a, b in zip(pairs.loc[twice, "source"], pairs.loc[twice, "record"], strict=True))
        raise ValueError(
            f"the table of identities gives one record several customers: {name_some(dict.fromkeys(named))}. "
            "Every pair of source and record must stand there with one customer_id."
        )
    missing = [name for name in tables if name not in set(pairs["source"])]
    if missing:
        notes.append(f"the table of identities has no record of {name_some(missing)}")
    found, unused = {}, 0
    for name, frame in tables.items():
        own = pairs[pairs["source"] == name]
        lookup = pd.Index(own["record"].to_numpy(dtype=object))
        texts = [plain_text(value) for value in record_values(frame, name, record_id)]
        position = lookup.get_indexer(pd.Index(texts, dtype=object))
        unused += len(own) - len(np.unique(position[position >= 0]))
        found[name] = own["customer_id"].reset_index(drop=True).reindex(position).reset_index(drop=True)
    if unused:
        notes.append(f"{count(unused, 'record')} of the table of identities stand in no source that was given")
    return found


def _column_for(given: Any, source: str, table: pd.DataFrame) -> Any:
    """Return the column of a source for a role that is named once for all, or per source; None where it has none."""
    if isinstance(given, Mapping):
        return given.get(source)
    return given if given is not None and given in table.columns else None


def _read_source(
    name: str,
    table: pd.DataFrame,
    customer: pd.Series,
    identity: Any,
    record_id: Any,
    updated: Any,
    last: int | None,
    notes: list[str],
) -> _Source:
    rank, records = record_order(record_values(table, name, record_id), name)
    when = _column_for(updated, name, table)
    if updated is not None and when is None:
        notes.append(f"{name!r} has no time of change, so a dated value of another source counts as more recent")
    time = np.full(len(table), NO_TIME) if when is None else _times(column_values(table, when, name, "updated"), name)
    by_column = isinstance(identity, str | Mapping)
    id_column = (identity[name] if isinstance(identity, Mapping) else identity) if by_column else None
    # None stands for "not given", and is no name here: a column may be called None
    named = (id_column, when, record_id.get(name) if isinstance(record_id, Mapping) else record_id)
    no_values = {column for column in named if column is not None}
    values = table[[column for column in table.columns if column not in no_values]].reset_index(drop=True)
    reason = np.full(len(table), "", dtype=object)
    if last is not None:
        reason[time > last] = "after as_of"
    reason[~known(customer)] = "no customer id" if by_column else "not in the table of identities"
    return _Source(values, customer, records[rank] if len(rank) else records, rank, time, reason)


def _times(values: pd.Series, source: str) -> Ints:
    """Return microseconds since 1970 UTC; times without a zone are read as UTC."""
    there = known(values)
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise TypeError(
            f"source {source!r}: column {values.name!r} (updated) holds numbers; convert it with pandas.to_datetime."
        )
    parsed = pd.to_datetime(values.where(there), utc=True, format="ISO8601", errors="coerce")
    bad = there & parsed.isna().to_numpy()
    if bad.any():
        raise ValueError(
            f"source {source!r}: column {values.name!r} (updated) has {count(int(bad.sum()), 'value')} that are no "
            f"ISO 8601 times: {name_some(values[bad].unique())}. Convert it with pandas.to_datetime."
        )
    as_numbers = parsed.dt.tz_localize(None).astype("datetime64[us]").to_numpy().astype("int64")
    return np.asarray(np.where(there, as_numbers, NO_TIME), dtype=np.int64)


def _last_microsecond(as_of: Any) -> int | None:
    """Return the last moment of the day of `as_of`: the whole day counts."""
    if as_of is None:
        return None
    try:
        moment = pd.Timestamp(as_of)
    except (TypeError, ValueError) as error:
        raise ValueError(f"as_of must be a date, a timestamp or ISO 8601 text, got {as_of!r}.") from error
    if pd.isna(moment):
        raise ValueError(f"as_of must be a date, got {as_of!r}.")
    moment = moment if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)
    end = dt.datetime.combine(moment.date(), dt.time()) + dt.timedelta(days=1)
    return (end - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1) - 1


def _drop_copies(each: _Source) -> NDArray[np.int64]:
    """Return the positions of the rows that count, without those that repeat another one of the customer wholly.

    Of equal rows the one with the smallest record stays, whatever their order in the table.
    """
    position = np.flatnonzero(each.reason == "")
    position = position[np.argsort(each.record_rank[position], kind="stable")]
    codes, _ = pd.factorize(each.customer.iloc[position])
    several = np.bincount(codes)[codes] > 1 if len(codes) else np.empty(0, dtype=bool)
    suspects = position[several]
    rows = each.table.iloc[suspects].set_axis(range(each.table.shape[1]), axis=1)
    rows = rows.assign(customer=codes[several], time=each.time[suspects])
    try:
        copies = rows.duplicated().to_numpy()
    except TypeError as error:
        raise ColumnError(f"cells hold lists or others that cannot be compared ({error}). Flatten them.") from error
    drop = np.zeros(len(each.reason), dtype=bool)
    drop[suspects[copies]] = True
    return np.sort(position[~drop[position]])


def _assemble(read: Mapping[str, _Source], kept: Mapping[str, Ints], notes: list[str]) -> Rows:
    """Put the rows that count below each other."""
    customer = pd.concat([each.customer.iloc[kept[name]] for name, each in read.items()], ignore_index=True)
    left_out = _left_out(read)
    if customer.empty:
        reasons = left_out["reason"].value_counts().to_dict()
        raise ValueError(f"no row of any source belongs to a customer: {reasons}. Check identity= and record_id=.")
    codes, distinct = pd.factorize(customer, sort=True)
    customers = pd.Index(distinct, name="customer_id")
    if pd.api.types.is_integer_dtype(customers.dtype):
        customers = customers.astype("int64")
    source = np.concatenate([np.full(len(kept[name]), i, dtype=np.int64) for i, name in enumerate(read)])
    rank = np.concatenate([each.record_rank[kept[name]] for name, each in read.items()])
    time = np.concatenate([each.time[kept[name]] for name, each in read.items()])
    tables = {name: each.table.iloc[kept[name]].reset_index(drop=True) for name, each in read.items()}
    return Rows(
        tables=tables,
        customers=customers,
        customer=np.asarray(codes, dtype=np.int64),
        source=source,
        record=np.concatenate([each.record[kept[name]] for name, each in read.items()]),
        record_rank=rank,
        time=time,
        tie=_ties(tables, pd.DataFrame({"customer": codes, "source": source, "record": rank, "time": time})),
        left_out=left_out,
        n_rows={name: len(each.reason) for name, each in read.items()},
        n_copies={name: int((each.reason == "").sum()) - len(kept[name]) for name, each in read.items()},
        notes=tuple(notes),
    )


def _left_out(read: Mapping[str, _Source]) -> pd.DataFrame:
    parts = []
    for name, each in read.items():
        rows = np.flatnonzero(each.reason != "")
        rows = rows[np.argsort(each.record_rank[rows], kind="stable")]
        parts.append(pd.DataFrame({"source": name, "record": each.record[rows], "reason": each.reason[rows]}))
    return pd.concat(parts, ignore_index=True)


def _ties(tables: Mapping[str, pd.DataFrame], places: pd.DataFrame) -> Ints:
    """Order rows of one record that differ in nothing but their values, by those: any order will do that is the same.

    Without it the order of the rows in the table would decide.
    """
    tie = np.zeros(len(places), dtype=np.int64)
    tied = np.flatnonzero(places.duplicated(keep=False).to_numpy())
    start = 0
    for table in tables.values():
        own = tied[(tied >= start) & (tied < start + len(table))]
        texts = [repr(row) for row in table.iloc[own - start].itertuples(index=False, name=None)]
        tie[own] = np.unique(texts, return_inverse=True)[1] if texts else 0
        start += len(table)
    return tie
