"""What a backtest compares: each customer's past and holdout, the naive forecasts, and purchases week by week."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._frames import to_pandas
from segmentation.features import OrdersReport, calibration_holdout
from segmentation.features._days import Granularity, period_start
from segmentation.features._orders import AMOUNT, CUSTOMER, DAY, IS_REFUND, Refunds, Roles, read_orders
from segmentation.features._purchases import plain_index

__all__ = ["BacktestData", "naive_forecasts", "read_backtest", "weeks_of"]

Floats = NDArray[np.float64]

DAYS_PER_WEEK = 7
CALIBRATION_COLUMNS = ["frequency", "recency", "T", "monetary_value", "sum_log_intervals"]


@dataclass(frozen=True)
class BacktestData:
    """Orders cut in two.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``customer_id``, the columns a purchase model takes, at the end of the calibration.
    first, end, last : int
        Ordinals of the first day, of the last day of the calibration and of the last day of the holdout.
    first_purchase : ndarray of shape (n_customers,)
        Ordinal of the first day of each customer's first purchase period.
    cells : pandas.DataFrame
        One row per customer and purchase period with a purchase or a refund: ``position`` in `table`, ``day``,
        ``bought``, ``in_holdout``, ``is_repeat`` (after the customer's first period), ``amount`` (0 without money).
    n_new_purchases, new_value
        Purchases and money in the holdout of customers who first bought in it; they are not in `table`.
    """

    table: pd.DataFrame
    report: OrdersReport
    first: int
    end: int
    last: int
    first_purchase: NDArray[np.int64]
    cells: pd.DataFrame
    has_amount: bool
    n_new_purchases: int
    new_value: float

    @property
    def horizon(self) -> int:
        """Days of the holdout."""
        return self.last - self.end

    @property
    def window(self) -> int:
        """Days of the last period before the holdout: as long as it, or what there is."""
        return min(self.horizon, self.end - self.first + 1)

    def total(self, rows: pd.Series, *, money: bool) -> Floats:
        """Add up purchases or money of some cells for each customer."""
        chosen = self.cells[rows] if money else self.cells[rows & self.cells["bought"]]
        weights = chosen["amount"].to_numpy() if money else None
        sums = np.bincount(chosen["position"].to_numpy(), weights, minlength=len(self.table))
        return sums.astype(np.float64)


def read_backtest(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None,
    calibration_end: Any,
    observation_end: Any,
    granularity: Granularity,
    refunds: Refunds,
) -> BacktestData:
    """Cut orders at the end of the calibration; errors are those of `segmentation.features.calibration_holdout`."""
    table, report = calibration_holdout(
        orders,
        customer_id=customer_id,
        timestamp=timestamp,
        amount=amount,
        calibration_end=calibration_end,
        observation_end=observation_end,
        granularity=granularity,
        refunds=refunds,
        return_report=True,
    )
    if report.calibration_end is None:
        raise AssertionError("calibration_holdout always reports its calibration_end")
    end = report.calibration_end.toordinal()
    cells = _cells(orders, Roles(customer_id, timestamp, amount), observation_end, end, granularity, refunds)
    cells["position"] = table.index.get_indexer(plain_index(cells[CUSTOMER]))
    known = cells["position"] >= 0
    new = cells[~known & cells["in_holdout"]]
    new = new[new[CUSTOMER].isin(new.loc[new["bought"], CUSTOMER])]
    cells = cells[known].sort_values(["position", "period", "in_holdout"], ignore_index=True)
    bought_before = cells[cells["bought"] & ~cells["in_holdout"]]
    first_purchase = bought_before.groupby("position")["period"].min().to_numpy(np.int64)
    cells["is_repeat"] = cells["period"].to_numpy() > first_purchase[cells["position"].to_numpy()]
    return BacktestData(
        table=table[[name for name in CALIBRATION_COLUMNS if name in table]],
        report=report,
        first=report.observation_start.toordinal(),
        end=end,
        last=report.observation_end.toordinal(),
        first_purchase=first_purchase,
        cells=cells.drop(columns=[CUSTOMER, "period"]),
        has_amount=amount is not None,
        n_new_purchases=int(new["bought"].sum()),
        new_value=float(new["amount"].sum()),
    )


def _cells(
    orders: Any, roles: Roles, observation_end: Any, end: int, granularity: Granularity, refunds: Refunds
) -> pd.DataFrame:
    """Return one row per customer, purchase period and side of the cut, grouped in the orders' own engine."""
    lines = read_orders(orders, roles, refunds=refunds, end=observation_end, end_name="observation_end")
    money = nw.col(AMOUNT) if lines.has_amount else nw.lit(0.0)
    grouped = (
        lines.lines.with_columns(
            period_start(nw.col(DAY), granularity).alias("period"),
            (nw.col(DAY) > end).alias("in_holdout"),
            (~nw.col(IS_REFUND)).cast(nw.Int64).alias("bought"),
            money.alias("money"),
        )
        .group_by(CUSTOMER, "period", "in_holdout")
        .agg(nw.col("bought").max(), nw.col("money").sum().alias("amount"), nw.col(DAY).min().alias("day"))
    )
    cells = to_pandas(grouped)
    return cells.assign(
        period=cells["period"].to_numpy(np.int64),
        day=cells["day"].to_numpy(np.int64),
        in_holdout=cells["in_holdout"].to_numpy(bool),
        bought=cells["bought"].to_numpy(np.int64) > 0,
        amount=cells["amount"].to_numpy(np.float64),
    )


def naive_forecasts(data: BacktestData) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Forecast purchases and money without a model.

    Returns
    -------
    purchases, value : dict of str to ndarray of shape (n_customers,)
        ``historical_rate``: frequency / T * horizon, 0 where T is 0; in money times the mean spend of all purchases,
        the first included. ``last_period``: repeat purchases of the last days before the cut, as many as the
        holdout has, and the money after the first purchase in them; scaled up where there are fewer days.
    """
    frequency, T = (data.table[name].to_numpy(np.float64) for name in ("frequency", "T"))
    rate = np.divide(frequency, T, out=np.zeros_like(T), where=T > 0) * data.horizon
    in_holdout = data.cells["in_holdout"]
    recent = ~in_holdout & data.cells["is_repeat"] & (data.cells["day"] > data.end - data.window)
    scale = data.horizon / data.window
    purchases = {"historical_rate": rate, "last_period": scale * data.total(recent, money=False)}
    if not data.has_amount:
        return purchases, {}
    spend_per_purchase = data.total(~in_holdout, money=True) / (frequency + 1)
    return purchases, {
        "historical_rate": rate * spend_per_purchase,
        "last_period": scale * data.total(recent, money=True),
    }


def weeks_of(data: BacktestData) -> pd.DataFrame:
    """Return the weeks of both periods with the purchases that happened; weeks are counted from the cut both ways.

    The first week of the calibration and the last of the holdout may be shorter.
    """
    before = np.arange(data.end, data.first - 1, -DAYS_PER_WEEK)[::-1]
    after = np.append(np.arange(data.end + DAYS_PER_WEEK, data.last, DAYS_PER_WEEK), data.last)
    lasts = np.concatenate([before, after])
    firsts = np.concatenate([[data.first], lasts[:-1] + 1])
    counted = data.cells[data.cells["bought"] & (data.cells["in_holdout"] | data.cells["is_repeat"])]
    week = np.searchsorted(lasts, counted["day"].to_numpy())
    return pd.DataFrame(
        {
            "period": np.where(lasts <= data.end, "calibration", "holdout"),
            "first_day": [dt.date.fromordinal(int(day)) for day in firsts],
            "last_day": [dt.date.fromordinal(int(day)) for day in lasts],
            "days": lasts - firsts + 1,
            "actual": np.bincount(week, minlength=len(lasts)).astype(np.float64),
        },
        index=pd.RangeIndex(1, len(lasts) + 1, name="week"),
    )
