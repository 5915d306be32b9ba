"""What segments that overlap are worth: every customer's value counted once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.evaluation._overlap_membership import Membership, between, combinations_of, read_membership
from segmentation.evaluation._overlap_sums import Grid, exact_sums
from segmentation.evaluation._overlap_value_draws import draw_intervals
from segmentation.evaluation._overlap_value_result import OverlapValue
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["overlap_value"]

# Beyond it the sum of many values might not be a float.
LARGEST = 1e290


def overlap_value(
    membership: Any,
    values: Any,
    *,
    order: Any = "given",
    by: str | None = None,
    threshold: float = 0.5,
    draws: Any = None,
    level: float = 0.9,
) -> OverlapValue:
    """Count the value of customers in overlapping segments once: exclusive, shared, and added in an order.

    Parameters
    ----------
    membership : dataframe or array of shape (n_customers, n_segments)
        One row per customer and a column per segment: true and false, or degrees in [0, 1] that count from `threshold`
        on. The table of `RuleSegmenter.match_table` will do.
    values : Series, dataframe or array
        One number per customer, negative ones allowed: a Series or a table of one column, indexed by customer; an array
        is in the order of the rows of `membership`.
    order : {"given", "greedy"} or list of segments, default="given"
        In which order segments take their customers: as the columns stand (so does `RuleSegmenter` decide), always
        the one that adds most next, or as listed (all of them).
    by : str, optional
        The column of `values`, where there are several.
    threshold : float, default=0.5
        From which degree on a customer counts as being in a segment.
    draws : array or dataframe of shape (n_draws, n_customers), optional
        Draws of the values, as ``sample_customers`` returns them; columns of an array are the customers of `values`.
    level : float, default=0.9
        Level of the intervals from `draws`.

    Returns
    -------
    OverlapValue
        ``table`` has one row per segment, as the columns stand:

        ``segment``, ``n_customers``, ``n_exclusive``, ``n_without_value``
            Customers in it, those in no other, and those whose value is missing (they add nothing).
        ``exclusive``, ``shared``, ``total``
            Value of its customers who are in no other segment, who are, and both.
        ``share_of_total``
            ``total`` over the value of all customers; missing where that is not above 0 or the share would leave [0,
            1]. The shares of overlapping segments add up to more than the share of customers in any.
        ``position``, ``n_new``, ``increment``, ``cumulative``, ``cumulative_share``
            Place in the order; customers that no earlier segment took, and their value; its sum up to here, and as a
            share of all.
        ``split_evenly``
            The value of each customer divided equally among the segments it is in: a share that no order decides.
        ``exclusive_low``, ``exclusive_high`` and likewise ``shared``, ``total``, ``increment``, ``split_evenly``
            With `draws`: quantiles of figures that were added up within each draw.

        ``whole`` has the value of all: in one segment, in several, in none, and how much is counted twice or more.

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError
        If a table or the order is not what it should be, a value is infinite or beyond 1e290, or no customer has one.

    Notes
    -----
    Everything adds up **to the last bit** in floats, in any order of adding: ``exclusive`` of all segments, ``shared``
    and ``nobody`` of ``whole`` to ``total``; ``exclusive`` and ``shared`` of a segment to its ``total``; the increments
    to ``in_segments``, and so does ``split_evenly``. Sums are exact before they are rounded to one common grid, so
    ``total`` is that of `math.fsum` for values that are not negative (with negative ones nearest to it on the grid).

    In any order a segment adds at least its ``exclusive`` value, as the last one, and at most its ``total``, as the
    first, where no value is negative. The order does not change what all of them are worth, only whom it is told of.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.evaluation import overlap_value
    >>> ids = pd.Index(["a", "b", "c", "d"], name="customer_id")
    >>> members = pd.DataFrame({"young": [1, 1, 0, 0], "urban": [0, 1, 1, 0]}, index=ids).astype(bool)
    >>> print(overlap_value(members, pd.Series([10.0, 20, 5, 1], index=ids, name="clv")))
    2 segments of 4 customers: 35.00 of 36.00 in segments; their sum exceeds that by 20.00 because of double counting
               segment customers exclusive shared total of all  adds as no.
                 young         2     10.00  20.00 30.00 83.3 % 30.00      1
                 urban         2      5.00  20.00 25.00 69.4 %  5.00      2
     all, counted once         4     15.00  20.00 36.00        35.00
    """
    level = between(level, "level")
    members = read_membership(membership, between(threshold, "threshold", ends="high"))
    given = _value_series(values, by, members)
    aligned, n_outside = _aligned(given, members.customers)
    known = ~np.isnan(aligned)
    if not known.any():
        raise CustomerTableError("no customer of membership has a value: all are missing.")
    rows, codes, _ = combinations_of(members.member)
    sums = np.bincount(codes[known], aligned[known], len(rows)).astype(np.float64)
    places = _resolved_order(order, members.names, rows, sums)
    first = _first_taken(rows, places)
    table, whole = _figures(members, aligned, known, rows, codes, first, places)
    settings: dict[str, Any] = {
        "order": order if isinstance(order, str) else "listed",
        "segments_in_order": [members.names[k] for k in places],
        "value": str(given.name) if given.name is not None else "value",
        "threshold": float(threshold),
        "level": level,
        "n_customers": len(members.customers),
        "n_without_value": int((~known).sum()),
        "n_not_in_membership": n_outside,
        "n_draws": 0,
    }
    if draws is not None:
        settings["n_draws"] = draw_intervals(table, whole, draws, given, members, known, rows, codes, first, level)
    warnings = list(members.notes)
    if settings["n_without_value"]:
        warnings.append(f"{count(settings['n_without_value'], 'customer')} without a value: they add nothing.")
    if n_outside:
        warnings.append(
            f"{count(n_outside, 'customer')} of the values not in membership, left out of the total: they belong to no "
            "segment, and are not counted as in none either."
        )
    n_negative = int((aligned[known] < 0).sum())
    if n_negative:
        warnings.append(f"{count(n_negative, 'customer')} with a negative value: parts may exceed the whole.")
    return OverlapValue(table, whole, settings, tuple(warnings))


def _value_series(values: Any, by: str | None, members: Membership) -> pd.Series[Any]:
    """Return the values as one column, indexed by customer."""
    if isinstance(values, pd.Series):
        values = values.to_frame("value" if values.name is None else values.name)
    elif not is_frame(values):
        array = np.asarray(values)
        if array.ndim != 1 or len(array) != len(members.customers):
            raise ValueError(
                f"an array of values needs one per customer of membership, shape ({len(members.customers)},), got "
                f"{kind_of(values)} of shape {array.shape}; or give a Series indexed by customer."
            )
        values = pd.DataFrame({"value": array}, index=members.customers)
    table = as_customers(values)
    if by is not None and by not in table.columns:
        raise ColumnError(f"values has no column {by!r}, but {name_some(table.columns)}.")
    if by is None and len(table.columns) != 1:
        raise ColumnError(
            f"values has {count(len(table.columns), 'column')} ({name_some(table.columns)}): say which with by=..."
        )
    column = table[by] if by is not None else table.iloc[:, 0]
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        kind = pd.api.types.infer_dtype(column, skipna=True)
        if kind not in {"integer", "floating", "mixed-integer-float", "decimal"}:
            raise ColumnError(f"the values {column.name!r} hold {kind}, not numbers: {name_some(column.iloc[:3])}.")
        column = column.astype(object).where(column.notna(), np.nan)
    return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=table.index, name=column.name)


def _aligned(values: pd.Series[Any], customers: pd.Index) -> tuple[NDArray[np.float64], int]:
    """Return the values in the order of the customers, and how many belong to none of them."""
    there = values.index.isin(customers)
    if not there.any():
        raise CustomerTableError(
            f"no customer of values is in membership: its ids look like {name_some(values.index[:3])} "
            f"({values.index.dtype}), those of membership like {name_some(customers[:3])} ({customers.dtype})."
        )
    aligned = values.reindex(customers).to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(np.abs(aligned) > LARGEST)
    if wrong.size:
        raise ColumnError(f"values are infinite, or beyond {LARGEST:g}, for {name_some(customers[wrong])}.")
    return aligned, int((~there & values.notna().to_numpy()).sum())


def _resolved_order(order: Any, names: Sequence[str], rows: NDArray[np.bool_], sums: NDArray[np.float64]) -> list[int]:
    """Return the positions of the segments in the order in which they take their customers."""
    if isinstance(order, str):
        if order == "given":
            return list(range(len(names)))
        if order == "greedy":
            return _greedy(rows, sums)
        raise ValueError(f"order must be 'given', 'greedy' or a list of all segments, got {order!r}.")
    if not isinstance(order, Iterable):
        raise TypeError(f"order must be 'given', 'greedy' or a list of all segments, got {kind_of(order)}.")
    listed = [str(name) for name in order]
    if sorted(listed) != sorted(names):
        wrong = [name for name in listed if name not in names] or [name for name in names if name not in listed]
        raise ValueError(
            f"order must list every segment once: {name_some(wrong or listed)}; they are {name_some(names)}."
        )
    return [list(names).index(name) for name in listed]


def _greedy(rows: NDArray[np.bool_], sums: NDArray[np.float64]) -> list[int]:
    """Take always the segment that adds most; of equals the first."""
    left = list(range(rows.shape[1]))
    order = []
    while left:
        added = [float(sums[rows[:, k]].sum()) for k in left]
        best = left[int(np.argmax(added))]
        order.append(best)
        left.remove(best)
        remain = ~rows[:, best]
        rows, sums = rows[remain], sums[remain]
    return order


def _first_taken(rows: NDArray[np.bool_], places: Sequence[int]) -> NDArray[np.int64]:
    """Return for each combination the segment that takes it, the number of segments where there is none."""
    ordered = rows[:, list(places)]
    first: NDArray[np.int64] = np.where(ordered.any(axis=1), np.array(places)[ordered.argmax(axis=1)], rows.shape[1])
    return first


def _figures(
    members: Membership,
    values: NDArray[np.float64],
    known: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    codes: NDArray[np.int64],
    first: NDArray[np.int64],
    places: Sequence[int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add everything up exactly, and round it to one grid."""
    n_segments = len(members.names)
    n_in = rows.sum(axis=1)
    own, of = values[known], codes[known]
    total = [Fraction(0)] * n_segments
    exclusive, split = list(total), list(total)
    shared = nobody = Fraction(0)
    sets = np.column_stack([rows, np.ones(len(rows), dtype=bool)])
    for number in np.unique(n_in).tolist():
        those = n_in[of] == number
        *each, once = exact_sums(own[those], of[those], sets, len(rows))
        total = [a + b for a, b in zip(total, each, strict=True)]
        if number == 0:
            nobody = once
            continue
        split = [a + b / number for a, b in zip(split, each, strict=True)]
        if number == 1:
            exclusive = each
        else:
            shared += once
    added = exact_sums(own, first[of], None, n_segments + 1)[:n_segments]
    both = [a - b for a, b in zip(total, exclusive, strict=True)]
    grid = Grid([*exclusive, shared, nobody], [*added, nobody], [*split, nobody], *([one] for one in [*total, *both]))
    all_of_it = grid.one(sum(exclusive, Fraction(0)) + shared + nobody)
    *alone, shared_once, in_none = grid.parts([*exclusive, shared, nobody], all_of_it)
    inside = all_of_it - in_none
    totals = [grid.one(one) for one in total]
    counts = np.bincount(codes, minlength=len(rows))
    by_segment = counts @ rows
    table = pd.DataFrame(
        {
            "segment": pd.Series(members.names, dtype=object),
            "n_customers": by_segment,
            "n_exclusive": (counts * (n_in == 1)) @ rows,
            "n_without_value": by_segment - np.bincount(of, minlength=len(rows)) @ rows,
            "exclusive": alone,
            "shared": np.subtract(totals, alone),
            "total": totals,
            "share_of_total": _shares(totals, all_of_it),
            "position": np.argsort(places) + 1,
            "n_new": np.bincount(first, counts, n_segments + 1)[:n_segments].astype(np.int64),
            "increment": grid.parts(added, inside),
            "split_evenly": grid.parts(split, inside),
        }
    )
    running = np.empty(n_segments)
    running[list(places)] = np.cumsum(table["increment"].to_numpy()[list(places)])
    table.insert(11, "cumulative", running)
    table.insert(12, "cumulative_share", _shares(running.tolist(), all_of_it))
    whole = {
        "total": (len(codes), all_of_it),
        "exclusive": (counts[n_in == 1].sum(), inside - shared_once),
        "shared": (counts[n_in > 1].sum(), shared_once),
        "nobody": (counts[n_in == 0].sum(), in_none),
        "in_segments": (counts[n_in > 0].sum(), inside),
        "sum_of_segments": (by_segment.sum(), float(sum((Fraction(one) for one in totals), Fraction(0)))),
    }
    several = by_segment.sum() - counts[n_in > 0].sum()
    excess = float(sum((Fraction(one) for one in totals), Fraction(0)) - Fraction(inside))
    whole["double_counted"] = (several, excess)
    table_of_whole = pd.DataFrame(whole, index=["n_customers", "value"]).T.rename_axis("figure")
    return table, table_of_whole.astype({"n_customers": np.int64})


def _shares(parts: Sequence[float], whole: float) -> NDArray[np.float64]:
    """Divide parts by the whole; missing where that is no share of it."""
    share = np.array(parts) / whole if whole > 0 else np.full(len(parts), np.nan)
    return np.where((share >= 0) & (share <= 1), share, np.nan)
