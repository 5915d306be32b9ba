"""Customers who move between segments, from one date to the next or over many."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, percent
from segmentation._frames import is_frame
from segmentation.monitoring._inputs import date_label
from segmentation.monitoring._migration_history import MigrationHistory
from segmentation.monitoring._migration_input import (
    ALL_SEGMENTS,
    LEFT,
    States,
    check_level,
    check_whole,
    seeds_of,
    states_of,
    values_of,
)
from segmentation.monitoring._migration_intervals import wilson
from segmentation.monitoring._migration_result import Migration
from segmentation.monitoring._migration_stationarity import memory_test, pooled_rates, stationarity_test
from segmentation.monitoring._migration_table import matrix_of, segment_table, transition_table

__all__ = ["migration"]

Values = NDArray[np.float64]
# Cells of fewer customers are marked: their rates say little, and a reader may know who they are.
MINIMUM = 10
# Tables by three dates are large; the second digit of this p-value helps nobody.
MEMORY_SIMULATIONS = 199


@overload
def migration(
    before: Mapping[Any, Any] | Sequence[Any],
    after: None = None,
    *,
    value: Any = None,
    level: float = 0.95,
    minimum: int = MINIMUM,
    n_simulations: int = 999,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
) -> MigrationHistory: ...


@overload
def migration(
    before: Any,
    after: Any,
    *,
    value: Any = None,
    level: float = 0.95,
    minimum: int = MINIMUM,
    n_simulations: int = 999,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
) -> Migration: ...


def migration(
    before: Any,
    after: Any = None,
    *,
    value: Any = None,
    level: float = 0.95,
    minimum: int = MINIMUM,
    n_simulations: int = 999,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
) -> Migration | MigrationHistory:
    """Follow customers from segment to segment.

    Parameters
    ----------
    before, after : assignment tables or Series of segment names, indexed by customer
        The same segmentation at two dates: equal names are the same segment (`match_segments` and `refit` see to that).
        Or `before` alone: a list of assignments in the order of time, or a mapping of date to assignment.
    value : Series indexed by customer, or one Series per date, optional
        What customers are worth; its totals move with them. A single one counts at every date.
    level : float, default=0.95
        Of the intervals.
    minimum : int, default=10
        Cells with fewer customers are marked ``small``.
    n_simulations : int, default=999
        Permutations behind the p-values of a history (at most 199 of them for ``memory_p_value``).
    random_state : int, Generator, RandomState or None, default=0
        Seeds them.

    Returns
    -------
    Migration
        For two assignments: counts, rates with intervals, entries, exits, value carried.
    MigrationHistory
        For a list or mapping: the same for every step, shares over time, a check whether rates were the same in every
        step, and ``ahead(n_steps)``: expected shares.

    Raises
    ------
    CustomerTableError
        If two assignments that follow each other have no customer in common.
    AssignmentError, TypeError, ValueError
        If a table is no assignment, or parameters are out of range.

    Notes
    -----
    Rates are of all customers who were in a segment, those who left included; intervals are Wilson's, one by one.
    They take customers as independent of each other and as a sample of such customers; for the customers themselves
    the counts are exact. Being unassigned is a state like others. Who leaves and comes back has left and entered.

    The check of equal rates compares the likelihood of own rates in every step with that of common ones [1]_; its
    p-values come from dealing the moves out of each segment anew to the steps, not from the chi-squared distribution,
    which does not hold for thin cells. Where customers differ in how easily they move, the check errs to the safe
    side. ``memory_p_value`` asks in the same way whether two dates foretell more than one.

    References
    ----------
    .. [1] Anderson, Goodman (1957), Statistical inference about Markov chains, Annals of Mathematical Statistics
       28(1), doi:10.1214/aoms/1177707039.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import migration
    >>> spring = pd.Series({"a": "loyal", "b": "loyal", "c": "new", "d": "new"})
    >>> summer = pd.Series({"a": "loyal", "b": "new", "c": "loyal", "e": "new"})
    >>> migration(spring, summer).counts
    to         loyal  new  (left)
    from
    loyal          1    1       0
    new            1    0       1
    (entered)      0    1       0
    """
    level, minimum = check_level(level), check_whole("minimum", minimum, 1)
    n_simulations = check_whole("n_simulations", n_simulations, 19)
    if after is not None:
        states = states_of([before, after])
        notes: list[str] = []
        values = _values(value, 2, states, notes)
        pair = None if values is None else (values[0], values[1])
        return _one_step(states, 0, level, minimum, pair, notes, ("before", "after"))
    dates, tables = _dated(before)
    states, notes = states_of(tables), []
    values = _values(value, len(tables), states, notes)
    notes = [*_order_of(dates), *notes]
    seeds = seeds_of(random_state, 2)
    settings = {
        "dates": dates,
        "level": level,
        "minimum": minimum,
        "n_simulations": n_simulations,
        "random_state": random_state if isinstance(random_state, int | np.integer | None) else "generator",
        "n_customers": len(states.index),
        "segments": states.names,
    }
    return _history(states, dates, values, settings, notes, seeds)


def _dated(before: Any) -> tuple[list[Any], list[Any]]:
    """Return dates and assignments of a list or mapping."""
    if is_frame(before) or isinstance(before, pd.Series):
        raise TypeError("one assignment shows no migration: give after too, or a list of assignments.")
    if isinstance(before, Mapping):
        dates, tables = list(before), list(before.values())
    elif isinstance(before, Sequence) and not isinstance(before, str):
        dates, tables = list(range(1, len(before) + 1)), list(before)
    else:
        raise TypeError(f"give two assignments, or a list or mapping of them; got {type(before).__name__}.")
    if len(tables) < 2:
        raise ValueError(f"migration needs at least two dates, got {len(tables)}.")
    return dates, tables


def _order_of(dates: list[Any]) -> list[str]:
    """Say that dates do not ascend, where they can be told to."""
    try:
        back = [second for first, second in itertools.pairwise(dates) if second < first]
    except TypeError:
        return []
    if not back:
        return []
    return [
        f"dates are taken in the order in which they came, which is not ascending ({date_label(back[0])} comes after a "
        "later one): sort them if that is not the order of time."
    ]


def _values(value: Any, n_dates: int, states: States, notes: list[str]) -> list[Values] | None:
    """Return the values of every date in the order of the customers."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        if len(value) != n_dates:
            raise ValueError(f"value must be one Series, or one per date: {len(value)} came for {n_dates} dates.")
        result = []
        for date, one in enumerate(value):
            there = states.codes[:, date] >= 0
            found = np.zeros(len(there))
            found[there] = values_of(one, states.index[there], notes, f"value at date {date + 1}")
            result.append(found)
        return result
    return [values_of(value, states.index, notes)] * n_dates


def _one_step(
    states: States,
    step: int,
    level: float,
    minimum: int,
    values: tuple[Values, Values] | None,
    notes: list[str],
    dates: tuple[Any, Any],
) -> Migration:
    counts = states.counts(step)
    k = len(states.names)
    table = transition_table(states, step, level, minimum, values)
    segments = segment_table(states, step, level, minimum, values)
    inner = counts[:k, :k]
    n_both = int(inner.sum())
    changed = n_both - int(np.trace(inner))
    low, high = wilson(changed, n_both, level)
    sizes = counts.sum(axis=1, keepdims=True)
    rates = np.divide(counts, sizes, out=np.full(counts.shape, np.nan), where=sizes > 0)
    settings = {
        "dates": dates,
        "level": level,
        "minimum": minimum,
        "n_both": n_both,
        "n_changed": changed,
        "changed_low": float(low),
        "changed_high": float(high),
        "n_entered": int(counts[k, :k].sum()),
        "n_left": int(counts[:k, k].sum()),
        "segments": states.names,
    }
    remarks = [*notes, *_remarks(table, segments, minimum)]
    return Migration(table, segments, matrix_of(counts, states), matrix_of(rates, states), settings, tuple(remarks))


def _remarks(table: pd.DataFrame, segments: pd.DataFrame, minimum: int) -> list[str]:
    """Say what a reader of the figures must know."""
    remarks = []
    small = int(table["small"].sum())
    if small:
        remarks.append(
            f"{count(small, 'transition rests', 'transitions rest')} on fewer than {minimum} customers and "
            f"{'is' if small == 1 else 'are'} marked small; suppress them before the table leaves the house."
        )
    left = float(segments["left"].sum() / max(segments["n_before"].sum(), 1))
    if left > 0.5:
        remarks.append(
            f"{percent(left)} of the customers left: rates within the segments are of all who were there; if the "
            "tables hold only active customers, leaving means being inactive."
        )
    gone = [str(name) for name in segments.index[(segments["n_before"] > 0) & (segments["n_after"] == 0)]]
    new = [str(name) for name in segments.index[(segments["n_before"] == 0) & (segments["n_after"] > 0)]]
    if gone and new:
        remarks.append(
            f"{count(len(gone), 'segment')} emptied and {len(new)} filled from nothing: if they are the same under "
            "other names, run match_segments(before, after).relabel(after) first."
        )
    return remarks


def _history(
    states: States,
    dates: list[Any],
    values: list[Values] | None,
    settings: dict[str, Any],
    notes: list[str],
    seeds: list[int],
) -> MigrationHistory:
    level, minimum = settings["level"], settings["minimum"]
    pairs = [None if values is None else (values[i], values[i + 1]) for i in range(len(dates) - 1)]
    steps = tuple(
        _one_step(states, i, level, minimum, pairs[i], [], (dates[i], dates[i + 1])) for i in range(len(dates) - 1)
    )
    counts = [states.counts(i) for i in range(len(steps))]
    stationarity = stationarity_test(counts, states, settings["n_simulations"], seeds[0])
    memory = memory_test(states, min(settings["n_simulations"], MEMORY_SIMULATIONS), seeds[1])
    transitions = pd.concat(
        [
            step.table.assign(date_from=dates[i], date_to=dates[i + 1])[["date_from", "date_to", *step.table.columns]]
            for i, step in enumerate(steps)
        ],
        ignore_index=True,
    )
    names = np.array([*states.names, None], dtype=object)
    customers = pd.DataFrame(
        {date: names[states.codes[:, i]] for i, date in enumerate(dates)}, index=states.index, dtype=object
    )
    rates = pd.DataFrame(
        pooled_rates(counts),
        index=pd.Index(states.names, name="from", dtype=object),
        columns=pd.Index([*states.names, LEFT], name="to", dtype=object),
    )
    remarks = [*notes, *_history_remarks(stationarity, memory, transitions, minimum)]
    return MigrationHistory(
        _shares(states, dates, values, level),
        transitions,
        steps,
        rates,
        stationarity,
        memory,
        customers,
        settings,
        tuple(remarks),
        states,
    )


def _history_remarks(stationarity: pd.DataFrame, memory: float, table: pd.DataFrame, minimum: int) -> list[str]:
    remarks = []
    small = int(table["small"].sum())
    if small:
        remarks.append(
            f"{small:,} of {count(len(table), 'transition')} of single steps rest on fewer than {minimum} customers "
            "and are marked small."
        )
    if float(stationarity["p_value"].to_dict()[ALL_SEGMENTS]) <= 0.05:
        remarks.append(
            "rates differed between steps, so shares ahead are drawn from single steps, with wider intervals; with "
            "many customers small differences are found too: see largest_difference."
        )
    if memory <= 0.05:
        remarks.append(
            "where customers were before matters for where they go, so customers in one segment do not move alike: "
            "shares ahead by more than one step are rough."
        )
    return remarks


def _shares(states: States, dates: list[Any], values: list[Values] | None, level: float) -> pd.DataFrame:
    rows = []
    k = len(states.names)
    for i, date in enumerate(dates):
        codes = states.codes[:, i]
        there = codes >= 0
        n = np.bincount(codes[there], minlength=k)
        low, high = wilson(n, n.sum(), level)
        row = {"date": date, "segment": list(states.names), "n": n, "share": n / max(int(n.sum()), 1)}
        row |= {"share_low": low, "share_high": high}
        if values is not None:
            row["value"] = np.bincount(codes[there], weights=values[i][there], minlength=k)
        rows.append(pd.DataFrame(row))
    return pd.concat(rows, ignore_index=True)
