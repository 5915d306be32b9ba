"""The calendar of the market: its fixed dates, the rhythm of the day, and the season.

Every process of the market runs on a clock of its own, in days since the start, on which it is stationary. Two
increasing functions lead from there to the calendar: the season (which may stretch December and shrink January) and
the rhythm of the day. A change of clock keeps order and counts, so what is exact on the even clock stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "CAMPAIGN_DAYS",
    "CAMPAIGN_START",
    "END",
    "EVENT_DAYS",
    "FEEDBACK_DAYS",
    "FIRST_DAY",
    "FUTURE_DAYS",
    "LAST_FIRST_ORDER",
    "MONTH_FACTORS",
    "Season",
    "timestamps",
]

Floats = NDArray[np.float64]

FIRST_DAY = pd.Timestamp("2023-01-01")
END = 731  # 2023 and 2024, a leap year: the observation ends with 2024-12-31
FUTURE_DAYS = 365  # the year 2025
LAST_FIRST_ORDER = 701  # everyone is observed for 30 days at least
CAMPAIGN_START = 702  # after the last first order, so that everyone takes part ...
CAMPAIGN_DAYS = END - CAMPAIGN_START - 1  # ... and 28 days before the end
EVENT_DAYS = 365  # the web log is kept for a year
FEEDBACK_DAYS = 180

SECONDS_PER_DAY = 86_400

# Share of the day's activity in each hour from midnight, in thousandths: quiet nights, a busy evening.
HOUR_WEIGHTS = np.array([8, 4, 2, 2, 3, 6, 14, 25, 38, 48, 55, 58, 62, 56, 52, 52, 55, 62, 72, 86, 92, 78, 48, 22])

# Purchase rate by month, relative to the average of a year of 365 days; only the misspecified market has a season.
MONTH_FACTORS = np.array([0.75, 0.80, 0.90, 0.95, 1.00, 0.90, 0.80, 0.80, 0.95, 1.05, 1.35, 1.75])


@dataclass(frozen=True)
class Season:
    """An increasing, piecewise linear function from calendar days to days on the even clock of the purchases.

    Attributes
    ----------
    calendar, even : ndarray of shape (n_knots,)
        Days since the start on the two clocks.
    """

    calendar: Floats
    even: Floats

    @classmethod
    def none(cls) -> Season:
        """Return the season of a market without one: both clocks are the same."""
        knots = np.array([0.0, END + FUTURE_DAYS])
        return cls(knots, knots)

    @classmethod
    def by_month(cls) -> Season:
        """Return the season in which each month has its factor of `MONTH_FACTORS`.

        Examples
        --------
        >>> season = Season.by_month()
        >>> [round(float(days), 6) for days in season.to_even([0, END, END + FUTURE_DAYS])]
        [0.0, 730.799015, 1095.799015]
        """
        edges = pd.date_range(FIRST_DAY, periods=37, freq="MS")
        calendar = np.asarray((edges - FIRST_DAY).days, dtype=np.float64)
        lengths = np.diff(calendar)
        factors = np.tile(MONTH_FACTORS, 3)
        # Over the 365 days of the first year, like those of the future one, the two clocks run equally far.
        factors = factors * lengths[:12].sum() / (factors[:12] @ lengths[:12])
        return cls(calendar, np.concatenate([[0.0], np.cumsum(factors * lengths)]))

    def to_even(self, days: Floats | float | list[int]) -> Floats:
        """Return calendar days as days on the even clock."""
        return np.asarray(np.interp(days, self.calendar, self.even))

    def to_calendar(self, days: Floats) -> Floats:
        """Return days on the even clock as calendar days."""
        return np.asarray(np.interp(days, self.even, self.calendar))


def timestamps(days: Floats) -> pd.DatetimeIndex:
    """Turn days since the start into timestamps of whole seconds, with the rhythm of the day.

    Examples
    --------
    >>> print(*timestamps(np.array([0.0, 0.5, 730.999999])), sep="; ")
    2023-01-01 00:00:00; 2023-01-01 16:16:21; 2024-12-31 23:59:59
    """
    day = np.floor(days)
    elapsed = np.concatenate([[0.0], np.cumsum(HOUR_WEIGHTS)]) / HOUR_WEIGHTS.sum()
    hours = np.interp(days - day, elapsed, np.arange(25.0))
    second = np.minimum(np.floor(hours * 3600.0), SECONDS_PER_DAY - 1)
    seconds = (day * SECONDS_PER_DAY + second).astype(np.int64)
    # The unit is fixed because it would otherwise depend on the version of pandas.
    start = np.datetime64(FIRST_DAY.isoformat(), "s")
    return pd.DatetimeIndex((start + seconds.astype("timedelta64[s]")).astype("datetime64[ns]"))
