"""On which days customers bought, and what the calendar calls these days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._frames import to_pandas
from segmentation.features._days import as_ordinal
from segmentation.features._orders import CUSTOMER, DAY, IS_REFUND, Roles, read_orders
from segmentation.features._purchases import plain_index

__all__ = ["PERIODS", "Purchases", "last_day", "period_label", "period_number", "read_purchases", "since_day"]

PERIODS = ("week", "month", "quarter", "year")
MONTHS = {"month": 1, "quarter": 3, "year": 12}
COUNTED = ("n_missing_customer", "n_bad_timestamp", "n_bad_amount", "n_after_end", "n_refunds")
EPOCH = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False)
class Purchases:
    """The different days on which each customer bought.

    Attributes
    ----------
    customers : pandas.Index
    customer : ndarray of shape (n_days,)
        Position of the customer, ascending.
    day : ndarray of shape (n_days,)
        Ordinal of the day, ascending within a customer.
    end : int
        Ordinal of the last day that was observed.
    counts : dict
        Rows left out, by reason.
    time_zone : str or None
    """

    customers: pd.Index
    customer: NDArray[np.int64]
    day: NDArray[np.int64]
    end: int
    counts: dict[str, int]
    time_zone: str | None

    @property
    def first(self) -> NDArray[np.int64]:
        """The first day of each customer."""
        starts = np.searchsorted(self.customer, np.arange(len(self.customers)))
        days: NDArray[np.int64] = self.day[starts]
        return days

    def only(self, keep: NDArray[np.bool_]) -> Purchases:
        """Return those of some customers."""
        place = np.cumsum(keep) - 1
        rows = keep[self.customer]
        return Purchases(
            self.customers[keep], place[self.customer[rows]], self.day[rows], self.end, self.counts, self.time_zone
        )


def read_purchases(orders: Any, customer_id: Any, timestamp: Any, amount: Any, as_of: Any) -> Purchases:
    """Bring orders of any engine down to the days on which customers bought; refunds are no purchases."""
    roles = Roles(customer_id, timestamp, amount)
    lines = read_orders(orders, roles, refunds="net", end=as_of, end_name="as_of")
    days = to_pandas(lines.lines.filter(~nw.col(IS_REFUND)).select(CUSTOMER, DAY).unique())
    if not len(days):
        raise ValueError(f"orders has no purchase: every amount in {amount!r} is negative.")
    codes, customers = pd.factorize(plain_index(days[CUSTOMER]), sort=True)
    day = days[DAY].to_numpy(dtype=np.int64)
    order = np.lexsort((day, codes))
    counts = {name: int(lines.counts[name]) for name in COUNTED if lines.counts[name]}
    index = pd.Index(customers, name="customer_id")
    return Purchases(index, codes[order].astype(np.int64), day[order], lines.end, counts, lines.time_zone)


def since_day(value: Any, purchases: Purchases, timestamp: Any) -> int | None:
    """Read the day from which on customers are followed."""
    return as_ordinal(value, name="since", time_zone=purchases.time_zone, column=str(timestamp))


def period_number(day: Any, period: str) -> Any:
    """Return the number of the calendar period of days given as ordinals; consecutive periods differ by 1.

    Examples
    --------
    >>> day = dt.date(2024, 5, 17).toordinal()
    >>> [period_label(int(period_number(day, unit)), unit) for unit in PERIODS]
    ['2024-05-13', '2024-05', '2024Q2', '2024']
    """
    ordinal = np.asarray(day, dtype=np.int64)
    if period == "week":
        return (ordinal - 1) // 7  # ordinal 1 was a Monday
    months = (ordinal - EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return (months + 12 * 1970) // MONTHS[period]


def period_label(number: int, period: str) -> str:
    """Name a calendar period: weeks by their Monday."""
    if period == "week":
        return dt.date.fromordinal(number * 7 + 1).isoformat()
    year, part = divmod(number * MONTHS[period], 12)
    if period == "year":
        return str(year)
    return f"{year}Q{part // 3 + 1}" if period == "quarter" else f"{year}-{part + 1:02d}"


def last_day(number: int, period: str) -> int:
    """Return the ordinal of the last day of a period."""
    if period == "week":
        return number * 7 + 7
    year, month = divmod((number + 1) * MONTHS[period], 12)
    return dt.date(year, month + 1, 1).toordinal() - 1
