"""Why a metric changed: other segments grew, segments changed, definitions changed, or customers came and went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.exceptions import CustomerTableError
from segmentation.monitoring._decompose_input import (
    check_parameters,
    checked_kind,
    metric_table,
    names_of,
    one_date_only,
    segments_of,
    used_segments,
)
from segmentation.monitoring._decompose_result import ChangeDecomposition
from segmentation.monitoring._decompose_states import State, Sums, components_of, overall, resampled, sums_of
from segmentation.monitoring._inputs import unlike_ids

__all__ = ["decompose_change"]

# With fewer customers in common, "came" and "went" would be about nearly everybody and say nothing of segments.
SAME_FROM = 0.5


def decompose_change(
    metric: Any,
    before: Any,
    after: Any,
    *,
    kind: str | None = None,
    denominator: Any = None,
    after_old: Any = None,
    before_new: Any = None,
    of: Sequence[str] | None = None,
    separate: bool | None = None,
    level: float = 0.9,
    n_resamples: int = 999,
    random_state: Any = None,
) -> ChangeDecomposition:
    r"""Split the change of a metric into mix, within segments, definition, entries and exits, adding up exactly.

    Parameters
    ----------
    metric : column label
        Column of numbers in `before` and `after`. Customers without one are left out and counted.
    before, after : dataframe
        One row per customer, with a column ``segment`` (segments of the definition in force at that date) and the
        metric. Segments are matched by name: carry names on first (`refit`, `match_segments`).
    kind : {"mean", "total", "ratio"}, optional
        Mean per customer (default), sum, or, with `denominator`, the ratio of two sums, such as spend per order.
    denominator : column label, optional
        What the metric is divided by in a ratio; never negative.
    after_old : assignment, optional
        Segments of the customers of `after` by the definition of `before`. With it, what the new definition did is
        told from what customers did.
    before_new : assignment, optional
        Segments of the customers of `before` by the definition of `after`. With both, the new definition is brought in
        last and first, and the two results are averaged.
    of : sequence of str, optional
        The metric of these segments together only. By default of all customers, the unassigned among them.
    separate : bool, optional
        Whether customers of one date only are told from those of both. By default, if those of both dates are at least
        half of either.
    level : float, default=0.9
        Level of the intervals.
    n_resamples : int, default=999
        Bootstrap draws of customers, each with all their rows (above 20,000, of 2,000 random blocks of customers).
    random_state : int or Generator, optional
        A number makes the intervals repeatable.

    Returns
    -------
    ChangeDecomposition
        ``table``: one row per component and their ``total``: ``estimate``, ``_low``, ``_high``. ``segments``: the
        same for each segment. Rows and columns add up to the change, to rounding.

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, AssignmentError, ValueError
        If a column is missing or no number, a denominator negative, a name in `of` is no segment, or nobody is left.

    Notes
    -----
    With :math:`w_s` the share of a segment (in a ratio, of the denominator) and :math:`m_s` its metric, a mean is
    :math:`M = \sum_s w_s m_s`. From before (0) to after (1), by one definition,

    * mix: :math:`(w_{1s} - w_{0s}) (\bar m_s - \bar M)`, where a bar is the average of both dates;
    * within: :math:`\bar w_s (m_{1s} - m_{0s})`.

    This is Kitagawa's (1955) symmetric decomposition, for two factors the Shapley value. :math:`\bar M` cancels in the
    sum and lets a segment's mix say whether its growth raises or lowers the average. A total is
    :math:`\sum_s N w_s m_s`; size (:math:`N`), mix and within are the Shapley values of the three factors. A segment
    that is empty at one date, or whose denominator is 0 there, has the metric of the other date: its change is mix.

    Steps, in this order: *exits* (customers of `before` only leave), mix and within (of those who stay, by the old
    definition), *definition* (those who stay, after, are put in the new segments), *entries* (customers of `after` only
    come). Where dates are not separated there is no exit or entry, and a total has *size*.

    A definition cannot change a mean or total of all customers: it moves amounts from segment to segment, so its sum is
    0 there and its rows say what was moved. With `of` its sum is what the new definition did to the figure.

    References
    ----------
    Kitagawa (1955), Components of a difference between two rates, doi:10.1080/01621459.1955.10501299. Shorrocks (2013),
    Decomposition procedures for distributional analysis: the Shapley value, doi:10.1007/s10888-011-9214-z.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import decompose_change
    >>> ids = pd.RangeIndex(4, name="customer_id")
    >>> then = pd.DataFrame({"segment": ["a", "a", "a", "b"], "spend": [10, 10, 10, 50]}, index=ids)
    >>> now = pd.DataFrame({"segment": ["a", "a", "b", "b"], "spend": [12, 12, 50, 50]}, index=ids)
    >>> change = decompose_change("spend", then, now, random_state=0)
    >>> change.table["estimate"].round(2).to_dict()
    {'exits': 0.0, 'mix': 9.75, 'within': 1.25, 'definition': 0.0, 'entries': 0.0, 'total': 11.0}
    """
    kind = checked_kind(kind, denominator)
    check_parameters(level, n_resamples)
    tables = [metric_table(frame, name, metric, denominator) for frame, name in ((before, "before"), (after, "after"))]
    said = [note for table, _, note in tables if note]
    then, now = tables[0][0], tables[1][0]
    said += unlike_ids(then.index, now.index)
    old, new = segments_of(then["segment"], None, "before"), segments_of(now["segment"], None, "after")
    crossed = {
        "after_old": None if after_old is None else segments_of(after_old, now.index, "after_old"),
        "before_new": None if before_new is None else segments_of(before_new, then.index, "before_new"),
    }
    if before_new is not None and after_old is None:
        raise ValueError("before_new needs after_old beside it: without it nothing tells definitions from customers.")
    names = names_of([old, new, *(column for column in crossed.values() if column is not None)])
    used = used_segments(of, names)
    stay = then.index.intersection(now.index)
    in_both = len(stay) / max(len(then), len(now))
    together = separate is False or (separate is None and in_both < SAME_FROM)
    if not together and not len(stay):
        raise CustomerTableError(
            "separate=True: no customer is in both tables; with different customers use separate=False."
        )
    if not together:
        said += one_date_only(then.index, now.index, tables[0][1], tables[1][1])
    states, n_customers = _states(then, now, old, new, crossed, stay, names, together=together)
    sums = dict(zip(states, sums_of(list(states.values()), len(names), n_customers, used), strict=True))
    _refuse_nothing(sums, kind, of)
    rng = np.random.default_rng(random_state)
    drawn = resampled(list(states.values()), len(names), n_customers, used, n_resamples, rng)
    draws = dict(zip(states, drawn, strict=True))
    pieces, spread = _shown(components_of(sums, kind), kind, together), components_of(draws, kind)
    for found in (pieces, spread):
        _nothing_of_nobody(found, sums, kind)
    change = {name: values[0] for name, values in pieces.items()}
    change["total"] = sum(change.values(), np.zeros(len(names)))
    spread = {name: spread.get(name, np.zeros((n_resamples, len(names)))) for name in pieces}
    spread["total"] = sum(spread.values(), np.zeros((n_resamples, len(names))))
    table = _overall_table(change, spread, level)
    segments = _segment_table(change, spread, sums, names, used, kind, level)
    settings = {
        "metric": metric,
        "kind": kind,
        "denominator": denominator,
        "of": list(of) if of is not None else None,
        "separate": not together,
        "definition": "none" if after_old is None else "one order" if before_new is None else "both orders",
        "level": level,
        "n_resamples": n_resamples,
        "n_before": len(then),
        "n_after": len(now),
        "n_both": len(stay),
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
    }
    ends = [float(overall(sums[name], kind)[0]) for name in ("before", "after")]
    return ChangeDecomposition(
        table, segments, ends[0], ends[1], settings, tuple(said + _remarks(settings, sums, names, used))
    )


def _states(
    then: pd.DataFrame,
    now: pd.DataFrame,
    old: pd.Series[Any],
    new: pd.Series[Any],
    crossed: dict[str, pd.Series[Any] | None],
    stay: pd.Index,
    names: list[str],
    *,
    together: bool,
) -> tuple[dict[str, State], int]:
    everybody = then.index.append(now.index.difference(then.index, sort=False))

    def state(table: pd.DataFrame, segment: pd.Series[Any], who: pd.Index) -> State:
        rows = table.loc[who]
        codes = pd.Categorical(segment.loc[who].astype(object), categories=names).codes.astype(np.int64)
        return State(everybody.get_indexer(who), codes, rows["above"].to_numpy(), rows["below"].to_numpy())

    first, last = (then.index, now.index) if together else (stay, stay)
    after_old, before_new = crossed["after_old"], crossed["before_new"]
    states = {
        "before": state(then, old, then.index),
        "after": state(now, new, now.index),
        "stay_before": state(then, old, first),
        "stay_after": state(now, new if after_old is None else after_old, last),
    }
    if after_old is not None:
        states["stay_after_new"] = state(now, new, last)
    if before_new is not None:
        states["stay_before_new"] = state(then, before_new, first)
    return states, len(everybody)


def _refuse_nothing(sums: dict[str, Sums], kind: str, of: Any) -> None:
    for name, state in sums.items():
        if kind != "total" and not state.below.sum() > 0:
            who = "the denominator is 0" if kind == "ratio" else "there is nobody"
            raise CustomerTableError(f"{who}{f' in {name_some(of)}' if of else ''} ({name}): no {kind} can be formed.")


def _nothing_of_nobody(pieces: dict[str, Any], sums: dict[str, Sums], kind: str) -> None:
    """Put 0 for exits and entries where nobody left or came, in place of what rounding leaves."""
    last = "stay_after_new" if "stay_after_new" in sums else "stay_after"
    for name, all_of, stayed in (("exits", "before", "stay_before"), ("entries", "after", last)):
        nobody = sums[all_of].n[0] == sums[stayed].n[0]
        if name in pieces and (kind == "total" or nobody.all()):  # of a mean, who leaves one segment concerns them all
            pieces[name] = np.where(nobody, 0.0, pieces[name])


def _shown(pieces: dict[str, Any], kind: str, together: bool) -> dict[str, Any]:
    """Keep the pieces that can be other than 0, and the definition, whose 0 says something."""
    drop = {"exits", "entries"} if together else {"size"}
    kept = {name: piece for name, piece in pieces.items() if name not in drop}
    if "definition" not in kept:
        order = list(kept)
        at = order.index("within") + 1
        zero = np.zeros_like(kept["within"])
        kept = {name: kept.get(name, zero) for name in [*order[:at], "definition", *order[at:]]}
    return kept


def _bounds(draws: NDArray[np.float64], level: float) -> tuple[Any, Any]:
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _overall_table(change: dict[str, Any], spread: dict[str, Any], level: float) -> pd.DataFrame:
    rows = {}
    for name, values in change.items():
        draws, scale = spread[name].sum(axis=1), 1e-12 * max(np.abs(values).sum(), 1e-300)
        found = np.array([values.sum(), *_bounds(draws, level)])
        found[np.abs(found) < scale] = 0.0  # what rounding left of a sum that is 0 by theory
        rows[name] = dict(zip(("estimate", "estimate_low", "estimate_high"), found.tolist(), strict=True))
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "component"
    whole = float(change["total"].sum())
    table["share_of_change"] = table["estimate"] / whole if whole else np.nan
    return table


def _segment_table(
    change: dict[str, Any],
    spread: dict[str, Any],
    sums: dict[str, Sums],
    names: list[str],
    used: NDArray[np.bool_],
    kind: str,
    level: float,
) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for when in ("before", "after"):
        columns[f"n_{when}"] = sums[when].n[0].astype(np.int64)
    for when in ("before", "after"):
        below = np.ones(len(names)) if kind == "total" else sums[when].below[0]
        metric = np.divide(sums[when].above[0], below, out=np.full(len(names), np.nan), where=below > 0)
        columns[f"metric_{when}"] = metric
    for name, values in change.items():
        low, high = _bounds(spread[name], level)
        columns |= {name: values, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(columns, index=pd.Index(names, name="segment"))[used]


def _remarks(settings: dict[str, Any], sums: dict[str, Sums], names: list[str], used: NDArray[np.bool_]) -> list[str]:
    said = []
    if settings["definition"] == "none":
        said.append("segments of both dates are taken to be of one definition; pass after_old= if they are not.")
    elif settings["definition"] == "one order":
        said.append("the new definition is brought in last; with before_new= its place does not matter.")
    if settings["separate"] and settings["n_both"] < max(settings["n_before"], settings["n_after"]) / 10:
        said.append(
            f"only {count(settings['n_both'], 'customer')} in both tables: mix and within are about them alone."
        )
    empty = (sums["stay_before"].n[0] > 0) != (sums["stay_after"].n[0] > 0)
    gone = [name for name, odd in zip(names, empty & used, strict=True) if odd]
    if gone:
        said.append(f"{name_some(gone)} {'is' if len(gone) == 1 else 'are'} empty at one date: the change is all mix.")
    loose = np.any([(s.below[0] <= 0) & (s.above[0] != 0) for s in sums.values()], axis=0) & used
    if settings["kind"] == "ratio" and loose.any():
        held = name_some(name for name, odd in zip(names, loose, strict=True) if odd)
        said.append(f"the denominator of {held} is 0 at a date, its {settings['metric']!r} is not: this is mix.")
    said.append("shares of the change say where it arose, not why.")
    return said
