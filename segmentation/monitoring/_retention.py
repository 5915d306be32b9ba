"""Who is still active after so many periods, by cohort or by segment."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, nearest, percent
from segmentation.assignment import as_assignment
from segmentation.monitoring._retention_estimates import Lapses, lapses, product_limit, wilson
from segmentation.monitoring._retention_read import (
    PERIODS,
    Purchases,
    last_day,
    period_label,
    period_number,
    read_purchases,
    since_day,
)
from segmentation.monitoring._retention_result import Retention

__all__ = ["retention"]

BY = ("cohort", "segment")
EVERYONE = "everyone"
NOT_GIVEN = "(not in the assignment)"
# From this share of returns on, the lapses were pauses.
PAUSES = 0.2


def retention(
    orders: Any,
    assignment: Any = None,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    by: str = "cohort",
    period: str = "month",
    since: Any = None,
    as_of: Any = None,
    inactive_after: int = 180,
    level: float = 0.9,
) -> Retention:
    """Say who is still active after n periods, by cohort or by segment, with intervals and what is not known yet.

    Two meanings of "active", both given:

    * **bought in period n**: the customer bought in the n-th calendar period after the one they started in. A customer
      may be inactive in one period and active in the next. A period counts only for customers for whom it was over when
      the observation ended; for the others it is censored, and they are in neither the numerator nor the denominator.
    * **not yet lapsed**: fewer than `inactive_after` days have passed since the last purchase, at every moment so far.
      A customer lapses on the day on which the last purchase is `inactive_after` days old, with no purchase on that
      day; customers who had not when the observation ended are censored then. The share is the Kaplan-Meier estimate.

    Parameters
    ----------
    orders : dataframe
        One row per order or order line, of any library that `segmentation.features` reads.
    assignment : assignment table, optional
        Who is in which segment; needed with ``by="segment"``. With ``by="cohort"`` only its customers are followed.
    customer_id, timestamp : str
        Columns of the orders, as in `segmentation.features.rfm_table`.
    amount : str, optional
        Column with the money: negative amounts are refunds, which are no purchases. Amounts of 0 are.
    by : {"cohort", "segment"}, default="cohort"
        A cohort is the calendar period of the first purchase.
    period : {"week", "month", "quarter", "year"}, default="month"
    since : date, optional
        Follow customers from this day on, for instance that of the assignment: those who had bought by then, with the
        calendar period of that day as period 0. By default each customer is followed from the first purchase on.
    as_of : date, optional
        Last day that was observed; by default the day of the last order.
    inactive_after : int, default=180
        Days without a purchase after which a customer counts as lapsed.
    level : float, default=0.9
        Level of the intervals, each for itself.

    Returns
    -------
    Retention
        ``table`` with a row per group and n, see there; ``survival``, ``triangle()`` and ``plot()``.

    Raises
    ------
    ColumnError, TypeError, ValueError
        If the orders lack columns, or an argument is not what it should be.
    AssignmentError, CustomerTableError
        If the assignment is none, or none of its customers has a purchase.

    Notes
    -----
    Intervals: Wilson's for the share who bought in period n; Greenwood's on the log(-log) scale for the share not
    lapsed. The Kaplan-Meier estimate takes customers who were observed for a shorter time, those who started later, to
    lapse as those who started earlier. Segments that were learnt from the very orders they are followed through look
    better retained than they are, because buying later is what put customers into them: give `since`.

    References
    ----------
    Kaplan and Meier (1958), doi:10.1080/01621459.1958.10501452.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import retention
    >>> orders = pd.DataFrame({
    ...     "customer": ["a", "a", "b", "b", "c"],
    ...     "day": ["2024-01-05", "2024-02-20", "2024-01-09", "2024-03-01", "2024-02-03"],
    ... })
    >>> found = retention(orders, customer_id="customer", timestamp="day", as_of="2024-03-31")
    >>> found.triangle()
    n           0         1    2
    group
    2024-01   1.0  0.500000  0.5
    2024-02   1.0  0.000000  NaN
    everyone  1.0  0.333333  0.5
    """
    _check(by, period, inactive_after, level)
    if by == "segment" and assignment is None:
        raise ValueError("by='segment' needs an assignment: segmentation.assign(model, customers) makes one.")
    purchases = read_purchases(orders, customer_id, timestamp, amount, as_of)
    notes = _left_out(purchases)
    start_day = since_day(since, purchases, timestamp)
    if start_day is not None and start_day > purchases.end:
        raise ValueError(f"since {_date(start_day)} is after the last day observed, {_date(purchases.end)}.")
    segment, order, purchases, more = _with_assignment(purchases, assignment, by)
    notes += more
    if start_day is not None:
        known = purchases.first <= start_day
        if not known.any():
            raise ValueError(f"no customer had bought by since={_date(start_day)}.")
        if not known.all():
            notes.append(f"{count(int((~known).sum()), 'customer')} first bought after {_date(start_day)}: left out.")
        purchases, segment = purchases.only(known), segment[known]
    first = period_number(purchases.first, period)
    start = first if start_day is None else np.full(len(first), int(period_number(start_day, period)))
    last = int(period_number(purchases.end, period))
    complete = last if last_day(last, period) <= purchases.end else last - 1
    if complete < last:
        notes.append(
            f"{period_label(last, period)} was not over on {_date(purchases.end)} and is not counted "
            "(as_of says if it was observed to its end)."
        )
    groups, names = _groups(by, segment, order, first, period)
    gone = lapses(purchases, int(inactive_after), start_day)
    table = _activity(purchases, groups, names, start, complete, period, level, since=start_day is not None)
    survival, followed_to = _survival(groups, names, gone, level)
    settings = {
        "by": by, "period": period, "since": None if start_day is None else _date(start_day),
        "as_of": _date(purchases.end), "inactive_after": int(inactive_after), "level": float(level),
        "n_customers": len(purchases.customers), "last_complete_period": period_label(complete, period),
        "n_lapsed": int((gone.lapsed & gone.followed).sum()),
        "n_censored": int((~gone.lapsed & gone.followed).sum()),
        "n_returned": int((gone.returned & gone.followed).sum()),
        "n_lapsed_before": int((~gone.followed).sum()),
    }  # fmt: skip
    notes = _reading(settings, purchases, period) + notes
    return Retention(table, survival, settings, tuple(notes), followed_to)


def _check(by: Any, period: Any, inactive_after: Any, level: Any) -> None:
    for name, value, allowed in (("by", by, BY), ("period", period, PERIODS)):
        if value not in allowed:
            close = nearest(value, allowed)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{name} must be one of {name_some(allowed)}, got {value!r}.{hint}")
    whole = isinstance(inactive_after, int | np.integer) and not isinstance(inactive_after, bool)
    if not whole or inactive_after < 1:
        raise ValueError(f"inactive_after must be a whole number of days of at least 1, got {inactive_after!r}.")
    if isinstance(level, bool) or not isinstance(level, int | float | np.floating) or not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}.")


def _date(ordinal: int) -> str:
    return dt.date.fromordinal(ordinal).isoformat()


def _left_out(purchases: Purchases) -> list[str]:
    words = {
        "n_missing_customer": "without a customer id", "n_bad_timestamp": "without a date",
        "n_bad_amount": "without a finite amount", "n_after_end": "after as_of",
        "n_refunds": "that are refunds, which are no purchases",
    }  # fmt: skip
    parts = [f"{number:,} {words[name]}" for name, number in purchases.counts.items()]
    return [f"Order lines left out: {', '.join(parts)}."] if parts else []


def _with_assignment(
    purchases: Purchases, assignment: Any, by: str
) -> tuple[NDArray[np.object_], list[str], Purchases, list[str]]:
    """Return the segment of each customer with a purchase, the order of segments, and who stands on one side only."""
    if assignment is None:
        return np.full(len(purchases.customers), EVERYONE, dtype=object), [], purchases, []
    table = as_assignment(assignment)
    place = table.index.get_indexer(purchases.customers)
    given = place >= 0
    if not given.any():
        raise ValueError(
            f"no customer of the assignment ({name_some(table.index[:5])}) has a purchase in the orders "
            f"({name_some(purchases.customers[:5])}); are the ids of one kind?"
        )
    notes = []
    if absent := len(table) - int(given.sum()):
        notes.append(f"{count(absent, 'customer')} of the assignment without a purchase in the orders: not counted.")
    order = [*map(str, table["segment"].cat.categories), NOT_GIVEN]  # as the segmenter lists them, the unassigned last
    names = table["segment"].astype(object).to_numpy()
    segment = np.where(given, names[place], NOT_GIVEN).astype(object)
    if not given.all():
        n = int((~given).sum())
        if by == "cohort":
            notes.append(f"{count(n, 'customer')} of the orders not in the assignment: not followed.")
            return segment[given], order, purchases.only(given), notes
        notes.append(f"{count(n, 'customer')} of the orders not in the assignment: a group of their own.")
    return segment, order, purchases, notes


def _groups(
    by: str, segment: NDArray[np.object_], order: list[str], first: NDArray[np.int64], period: str
) -> tuple[NDArray[np.int64], list[str]]:
    if by == "cohort":
        numbers, codes = np.unique(first, return_inverse=True)
        return codes.astype(np.int64), [period_label(int(number), period) for number in numbers]
    present = set(segment)
    names = [name for name in order if name in present]
    if EVERYONE in names:
        raise ValueError(f"a segment is called {EVERYONE!r}, as the row of all customers is; rename it with relabel.")
    if names.count(NOT_GIVEN) > 1:
        raise ValueError(f"a segment is called {NOT_GIVEN!r}, as those without one are here; rename it with relabel.")
    code = {name: i for i, name in enumerate(names)}
    return np.array([code[name] for name in segment], dtype=np.int64), names


def _activity(
    purchases: Purchases,
    groups: NDArray[np.int64],
    names: list[str],
    start: NDArray[np.int64],
    complete: int,
    period: str,
    level: float,
    *,
    since: bool,
) -> pd.DataFrame:
    """Return who bought in the n-th period, of those for whom it was over, by group and for everyone."""
    observed = np.maximum(complete - start, 0)  # the last n that counts; 0 always does
    n = period_number(purchases.day, period) - start[purchases.customer]
    active = np.unique(np.column_stack([purchases.customer, n]), axis=0)
    active = active[(active[:, 1] >= 0) & (active[:, 1] <= observed[active[:, 0]])]
    parts = []
    for code, name in [*enumerate(names), (-1, EVERYONE)]:
        own = np.ones(len(groups), dtype=bool) if code < 0 else groups == code
        longest = int(observed[own].max())
        n_observed = own.sum() - np.concatenate([[0], np.cumsum(np.bincount(observed[own]))[:-1]])
        hits = np.bincount(active[own[active[:, 0]], 1], minlength=longest + 1)
        low, high = wilson(hits, n_observed, level)
        part = pd.DataFrame(
            {
                "group": name, "n": np.arange(longest + 1), "n_customers": int(own.sum()), "n_observed": n_observed,
                "n_censored": int(own.sum()) - n_observed, "n_active": hits, "active": hits / n_observed,
                "active_low": low, "active_high": high,
            }
        )  # fmt: skip
        if not since:  # everybody bought in the period they started in: nothing was estimated
            part.loc[0, ["active_low", "active_high"]] = 1.0
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _survival(
    groups: NDArray[np.int64], names: list[str], gone: Lapses, level: float
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the curves below each other, and up to which day each group was observed."""
    parts, followed_to = [], {}
    for code, name in [*enumerate(names), (-1, EVERYONE)]:
        own = gone.followed if code < 0 else gone.followed & (groups == code)
        curve = product_limit(gone.days[own], gone.lapsed[own], level)
        curve.insert(0, "group", name)
        followed_to[name] = int(gone.days[own].max(initial=0))
        parts.append(curve)
    return pd.concat(parts, ignore_index=True), followed_to


def _reading(settings: dict[str, Any], purchases: Purchases, period: str) -> list[str]:
    """Say what the figures rest on."""
    days = settings["inactive_after"]
    notes = [
        f"Active in period n means: bought in it; only for customers for whom it was over by {settings['as_of']}, so "
        "that late periods are about those who started early.",
        f"Lapsed means: no purchase for {days} days; {settings['n_censored']:,} of "
        f"{count(settings['n_lapsed'] + settings['n_censored'], 'customer')} had not lapsed when the observation ended "
        "(censored).",
    ]
    if settings["n_lapsed_before"]:
        notes.append(
            f"{count(settings['n_lapsed_before'], 'customer')} had lapsed by {settings['since']} already: not among "
            "those who may lapse, but among those who may be active."
        )
    if settings["n_lapsed"] and settings["n_returned"] / settings["n_lapsed"] > PAUSES:
        notes.append(
            f"{percent(settings['n_returned'] / settings['n_lapsed'])} of those who lapsed bought again later: "
            f"{days} days are a pause for many; a longer inactive_after tells lapses better."
        )
    if settings["since"] is None:
        begin = period_label(int(period_number(int(purchases.first.min()), period)), period)
        notes.append(
            f"The orders begin in {begin}: customers who bought before that are taken as new there, so that the first "
            "cohort holds old customers too."
        )
        if settings["by"] == "segment":
            notes.append(
                "Customers are followed from their first purchase on; if their segments were learnt from purchases "
                "after it, the segments of frequent buyers look better retained than they are. since=, the day of the "
                "assignment, avoids it."
            )
    return notes
