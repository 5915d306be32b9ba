"""Whose value counts: rules of precedence, and the choice of one value per customer and column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some
from segmentation._frames import kind_of
from segmentation.exceptions import ColumnError
from segmentation.sources._merge_rows import NO_TIME, Rows
from segmentation.sources._merge_types import with_room_for_missing
from segmentation.sources._records import function_name, known, plain_text

__all__ = ["MOST_RECENT", "Chosen", "Rule", "choose", "read_rules"]

Ints = NDArray[np.int64]

MOST_RECENT = "most_recent"
OTHERS = "*"


@dataclass(frozen=True)
class Rule:
    """How the values of one column compete: an order of the sources, and what comes before it."""

    order: tuple[str, ...]  # all sources, the first wins
    most_recent: bool = False
    function: Callable[[pd.Series], Any] | None = None

    def __str__(self) -> str:
        if self.function is not None:
            return f"{function_name(self.function)}()"
        return MOST_RECENT if self.most_recent else " > ".join(self.order)


def read_rules(precedence: Any, columns: Sequence[Any], sources: Sequence[str], *, dated: bool) -> dict[Any, Rule]:
    """Return the rule of every column."""
    if not isinstance(precedence, Mapping):
        rule = _rule(precedence, sources, dated=dated)
        return dict.fromkeys(columns, rule)
    unknown = [column for column in precedence if column != OTHERS and column not in columns]
    if unknown:
        raise ColumnError(f"precedence: {column_difference(unknown, columns)}.")
    others = _rule(precedence.get(OTHERS), sources, dated=dated)
    own = {column: _rule(given, sources, dated=dated) for column, given in precedence.items() if column != OTHERS}
    return {column: own.get(column, others) for column in columns}


def _rule(given: Any, sources: Sequence[str], *, dated: bool) -> Rule:
    if given is None:
        return Rule(tuple(sources))
    if isinstance(given, str) and given == MOST_RECENT:
        if not dated:
            raise ValueError(
                'precedence "most_recent" needs to know when a row was last changed: give updated="column", or '
                'updated={"crm": "column", ...}.'
            )
        return Rule(tuple(sources), most_recent=True)
    if callable(given):
        return Rule(tuple(sources), function=given)
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValueError(
            f'a precedence is "most_recent", a list of sources such as {list(sources)!r}, or a function of the '
            f"values; got {given!r} ({kind_of(given)})."
        )
    unknown = [name for name in given if name not in sources]
    if unknown or len(set(given)) < len(given):
        raise ValueError(
            f"precedence {list(given)!r} must name each source at most once, out of {name_some(sources)}"
            + (f"; not there: {name_some(unknown)}." if unknown else ".")
        )
    return Rule((*given, *(name for name in sources if name not in given)))


class Orders:
    """Rows sorted by customer and precedence; each order is made once, because many columns share a rule."""

    def __init__(self, rows: Rows, sources: Sequence[str]) -> None:
        self.rows = rows
        self.sources = list(sources)
        self._made: dict[tuple[tuple[str, ...], bool], Ints] = {}

    def of(self, rule: Rule) -> Ints:
        """Return the positions of all rows: customer after customer, the row with the first word first."""
        wanted = (rule.order, rule.most_recent)
        if wanted not in self._made:
            place = np.array([rule.order.index(name) for name in self.sources], dtype=np.int64)[self.rows.source]
            latest_first = ~self.rows.time  # -time - 1, which makes NO_TIME the largest number: undated rows come last
            first = (latest_first, place) if rule.most_recent else (place, latest_first)
            keys = (self.rows.tie, self.rows.record_rank, *reversed(first), self.rows.customer)
            self._made[wanted] = np.lexsort(keys)
        return self._made[wanted]


@dataclass(frozen=True)
class Chosen:
    """One column of the result, and what was passed over on the way."""

    best: pd.Series  # (n_customers,), missing where nobody knows
    lineage: Ints  # (n_customers,) position of the source; -1 nobody knows; n_sources: made by a function
    conflicts: pd.DataFrame
    n_overruled: Ints  # (n_sources,) values that lost against a different one


def choose(column: Any, values: pd.Series, rows_of: Ints, rule: Rule, orders: Orders) -> Chosen:
    """Choose one value per customer from those of one column.

    Parameters
    ----------
    values : pandas.Series of shape (n_candidates,)
        The values of all sources that have the column.
    rows_of : ndarray of shape (n_candidates,)
        The row of each of them.
    """
    rows, sources = orders.rows, orders.sources
    place = np.full(len(rows.customer), -1, dtype=np.int64)
    place[rows_of] = np.arange(len(rows_of))
    sorted_rows = orders.of(rule)
    candidate = place[sorted_rows]
    there = candidate >= 0
    there[there] = known(values)[candidate[there]]
    row, candidate = sorted_rows[there], candidate[there]
    customer = rows.customer[row]
    first = np.flatnonzero(np.append(True, customer[1:] != customer[:-1])) if len(row) else np.empty(0, dtype=np.int64)
    winner = np.repeat(first, np.diff(np.append(first, len(row))))
    codes = _codes(values, candidate, column)
    lineage = np.full(len(rows.customers), -1, dtype=np.int64)
    lineage[customer[first]] = rows.source[row[first]]
    best = values.iloc[candidate[first]]
    result = _spread(best.set_axis(customer[first]), len(rows.customers))
    kept = pd.Series(list(best), dtype=object).set_axis(customer[first])
    if rule.function is not None:
        made = _apply(rule.function, values, candidate, codes, customer, rows.source[row], sources, column)
        lineage[list(made)] = [source for _, source in made.values()]
        result = _replace(result, {who: value for who, (value, _) in made.items()})
        kept = kept.astype(object)
        for who, (value, _) in made.items():
            kept.at[who] = value
    else:
        made = {}
    lost = _losers(codes, winner, customer, kept, values, candidate, made)
    conflicts, overruled = _conflicts(
        column, rule, orders, row, winner, lost, kept, lineage, values, candidate, codes, made
    )
    return Chosen(result, lineage, conflicts, overruled)


def _codes(values: pd.Series, candidate: Ints, column: Any) -> Ints:
    """Give equal values equal numbers."""
    try:
        codes, _ = pd.factorize(values.iloc[candidate])
    except TypeError as error:
        raise ColumnError(f"column {column!r} holds lists or other values that cannot be compared: {error}.") from error
    return np.asarray(codes, dtype=np.int64)


def _spread(best: pd.Series, n_customers: int) -> pd.Series:
    """Give every customer a place, those without a value a missing one, without changing the type for it."""
    if len(best) < n_customers:
        best = with_room_for_missing(best)
    return best.reindex(range(n_customers))


def _apply(
    function: Callable[[pd.Series], Any],
    values: pd.Series,
    candidate: Ints,
    codes: Ints,
    customer: Ints,
    source: Ints,
    sources: Sequence[str],
    column: Any,
) -> dict[int, tuple[Any, int]]:
    """Ask a function where sources disagree: by customer, what it says and which source says so too."""
    made: dict[int, tuple[Any, int]] = {}
    if not len(codes):
        return made
    lead = np.flatnonzero(np.append(True, (customer[1:] != customer[:-1]) | (source[1:] != source[:-1])))
    starts = np.flatnonzero(np.append(True, customer[lead][1:] != customer[lead][:-1]))
    for group in np.split(lead, starts[1:]):
        if len(group) < 2 or (codes[group] == codes[group[0]]).all():
            continue
        offered = values.iloc[candidate[group]].set_axis([sources[i] for i in source[group]])
        answer = function(offered)
        if pd.api.types.is_list_like(answer):
            raise ValueError(
                f"column {column!r}: {function_name(function)}() returned a {type(answer).__name__} for the values "
                f"{offered.to_dict()!r}; return a single value."
            )
        if answer is None or pd.isna(answer) or (isinstance(answer, str) and not answer.strip()):
            raise ValueError(
                f"column {column!r}: {function_name(function)}() returned a missing value for the values "
                f"{offered.to_dict()!r}; a missing value never beats known ones. Return one of them, or a new one."
            )
        same = [int(i) for i, value in zip(source[group], offered, strict=True) if value == answer]
        made[int(customer[group[0]])] = (answer, same[0] if same else len(sources))
    return made


def _replace(result: pd.Series, made: Mapping[int, Any]) -> pd.Series:
    """Put in what a function made; the type stays where it can hold that exactly."""
    if not made:
        return result
    loose = result.astype(object)
    loose.iloc[list(made)] = pd.Series(list(made.values()), dtype=object).to_numpy()
    there = known(loose)
    candidates: list[Any] = [result.dtype]
    if pd.api.types.is_numeric_dtype(result.dtype):
        candidates.append("Float64" if pd.api.types.is_extension_array_dtype(result.dtype) else "float64")
    for dtype in candidates:
        try:
            strict = loose.astype(dtype)
        except (TypeError, ValueError):
            continue
        if known(strict)[there].all() and (strict[there].astype(object) == loose[there]).all():
            return strict
    return loose.infer_objects()


def _losers(
    codes: Ints,
    winner: Ints,
    customer: Ints,
    kept: pd.Series,
    values: pd.Series,
    candidate: Ints,
    made: Mapping[int, tuple[Any, int]],
) -> NDArray[np.bool_]:
    """Tell which candidates differ from the value that was kept."""
    lost = codes != codes[winner] if len(codes) else np.empty(0, dtype=bool)
    for i in np.flatnonzero(np.isin(customer, list(made))) if made else []:
        lost[i] = values.iloc[candidate[i]] != kept.at[customer[i]]
    return np.asarray(lost, dtype=bool)


def _conflicts(
    column: Any,
    rule: Rule,
    orders: Orders,
    row: Ints,
    winner: Ints,
    lost: NDArray[np.bool_],
    kept: pd.Series,
    lineage: Ints,
    values: pd.Series,
    candidate: Ints,
    codes: Ints,
    made: Collection[int],
) -> tuple[pd.DataFrame, Ints]:
    """List what was passed over: a row per customer, source and different value."""
    rows, names = orders.rows, [*orders.sources, str(rule)]
    where = np.flatnonzero(lost)
    loser, best = row[where], row[winner[where]]
    overruled = np.bincount(rows.source[loser], minlength=len(orders.sources))
    distinct = ~pd.DataFrame({"c": rows.customer[loser], "s": rows.source[loser], "v": codes[where]}).duplicated()
    where, loser, best = where[distinct], loser[distinct], best[distinct]
    who = rows.customer[loser]
    why = pd.Series(
        [
            f"{rule} of the values" if customer in made else _why(rule, orders, int(a), int(b))
            for customer, a, b in zip(who.tolist(), best, loser, strict=True)
        ],
        dtype=object,
    )
    table = pd.DataFrame(
        {
            "customer_id": rows.customers[who],
            "column": pd.Series([column] * len(where), dtype=object),
            "kept": kept.loc[pd.Index(who)].to_numpy(dtype=object),
            "kept_from": pd.Series([names[i] for i in lineage[who]], dtype=object),
            "other": pd.Series(list(values.iloc[candidate[where]]), dtype=object),
            "other_from": pd.Series([names[i] for i in rows.source[loser]], dtype=object),
            "why": why,
        }
    )
    return table, np.asarray(overruled, dtype=np.int64)


def _why(rule: Rule, orders: Orders, best: int, loser: int) -> str:
    """Say in words why one row stood before another: the first thing in which they differ."""
    rows, names = orders.rows, orders.sources
    same_source = rows.source[best] == rows.source[loser]
    if (rule.most_recent or same_source) and rows.time[best] != rows.time[loser]:
        return f"more recent: {_when(int(rows.time[best]))}, not {_when(int(rows.time[loser]))}"
    if not same_source:
        tie = "equally recent; " if rule.most_recent else ""
        return f"{tie}{names[rows.source[best]]} stands before {names[rows.source[loser]]}"
    if rows.record_rank[best] != rows.record_rank[loser]:
        first, second = plain_text(rows.record[best]), plain_text(rows.record[loser])
        return f"same source: record {first} stands before {second}"
    return "same record twice: the first by its values"


@lru_cache(maxsize=10_000)  # many rows are of the same day
def _when(time: int) -> str:
    if time == NO_TIME:
        return "undated"
    moment = pd.Timestamp(int(time), unit="us")
    return moment.date().isoformat() if moment == moment.normalize() else moment.isoformat(sep=" ", timespec="seconds")
