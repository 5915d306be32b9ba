"""Shares with their intervals, and the product-limit estimate of not having lapsed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation.monitoring._retention_read import Purchases

__all__ = ["Lapses", "lapses", "product_limit", "wilson"]


def wilson(hits: Any, trials: Any, level: float) -> tuple[Any, Any]:
    """Return Wilson's interval of shares, NaN where there are no trials.

    Wilson (1927), doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> [round(float(end), 4) for end in wilson(3, 10, 0.95)]
    [0.1078, 0.6032]
    """
    z = float(stats.norm.ppf(0.5 + level / 2))
    n = np.where(trials > 0, trials, np.nan).astype(np.float64)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


@dataclass(frozen=True, eq=False)
class Lapses:
    """How long each customer was observed before lapsing, or without doing so.

    Attributes
    ----------
    days : ndarray of shape (n_customers,)
        From the start to the lapse, or to the end of the observation.
    lapsed : ndarray of bool
        False is censored: not lapsed when the observation ended.
    followed : ndarray of bool
        Whether the customer had not lapsed at the start already.
    returned : ndarray of bool
        Whether the customer lapsed and bought again later.
    """

    days: NDArray[np.int64]
    lapsed: NDArray[np.bool_]
    followed: NDArray[np.bool_]
    returned: NDArray[np.bool_]


def lapses(purchases: Purchases, inactive_after: int, since: int | None) -> Lapses:
    """Find the first lapse of each customer: the day on which the last purchase is `inactive_after` days old."""
    n = len(purchases.customers)
    who, day = purchases.customer, purchases.day
    never = np.iinfo(np.int64).max
    following = np.append(day[1:], never)
    following[np.append(who[1:] != who[:-1], True)] = never
    lapse = day + inactive_after
    happened = (following > lapse) & (lapse <= purchases.end)
    start = purchases.first if since is None else np.full(n, since, dtype=np.int64)
    # Of those followed from a day on: the purchase before it decides whether they had lapsed by then.
    before = happened & (lapse <= start[who]) & (following > start[who])
    gone = np.zeros(n, dtype=bool)
    gone[who[before]] = True
    first = np.full(n, never)
    counted = happened & (lapse > start[who])
    np.minimum.at(first, who[counted], lapse[counted])
    lapsed = first != never
    returned = np.zeros(n, dtype=bool)
    later = day > first[who]
    returned[who[later]] = True
    return Lapses(np.where(lapsed, first, purchases.end) - start, lapsed, ~gone, returned & lapsed)


def product_limit(days: NDArray[np.int64], lapsed: NDArray[np.bool_], level: float) -> pd.DataFrame:
    """Return the Kaplan-Meier estimate of not having lapsed, at each day on which somebody did.

    The interval is Greenwood's on the scale of log(-log) (Kalbfleisch and Prentice (2002), section 1.4.1). Those who
    are censored on the day of a lapse count as at risk on it.

    Returns
    -------
    pandas.DataFrame
        ``day``, ``n_at_risk``, ``n_lapsed``, ``n_censored`` (from this row's day until before the next one's),
        ``not_lapsed``, ``not_lapsed_low``, ``not_lapsed_high``; the first row is day 0.

    Examples
    --------
    >>> product_limit(np.array([5, 5, 7, 9]), np.array([True, False, True, False]), 0.9)["not_lapsed"].tolist()
    [1.0, 0.75, 0.375]
    """
    if not len(days):
        unknown = {f"not_lapsed{end}": [np.nan] for end in ("", "_low", "_high")}
        return pd.DataFrame({"day": [0], "n_at_risk": [0], "n_lapsed": [0], "n_censored": [0], **unknown})
    times = np.unique(np.append(days[lapsed], 0))
    at = np.searchsorted(times, days, side="right") - 1
    n_lapsed = np.bincount(at[lapsed], minlength=len(times))
    n_censored = np.bincount(at[~lapsed], minlength=len(times))
    at_risk = len(days) - np.concatenate([[0], np.cumsum(n_lapsed + n_censored)[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(at_risk > 0, 1 - n_lapsed / at_risk, 1.0)
        survival = np.cumprod(share)
        greenwood = np.cumsum(np.where(n_lapsed > 0, n_lapsed / (at_risk * (at_risk - n_lapsed)), 0.0))
        error = np.sqrt(greenwood) / np.abs(np.log(survival))
        z = float(stats.norm.ppf(0.5 + level / 2))
        low, high = survival ** np.exp(z * error), survival ** np.exp(-z * error)
    certain = survival == 1
    low[certain] = high[certain] = 1.0
    if len(times) > 1 and survival[-1] == 0:  # the scale ends there: what was known before is the upper bound
        low[-1], high[-1] = 0.0, high[-2]
    return pd.DataFrame(
        {
            "day": times, "n_at_risk": at_risk, "n_lapsed": n_lapsed, "n_censored": n_censored,
            "not_lapsed": survival, "not_lapsed_low": low, "not_lapsed_high": high,
        }
    )  # fmt: skip
