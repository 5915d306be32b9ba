"""Frequency, recency and age as purchase and spend models need them ("buy till you die")."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, cast, overload

import narwhals as nw
import pandas as pd

from segmentation.features._days import Granularity, as_ordinal, period_start
from segmentation.features._intervals import LOG_INTERVALS
from segmentation.features._orders import OrderLines, Refunds, Roles, check_choice, read_orders
from segmentation.features._purchases import counted, customer_periods, finish, per_purchase
from segmentation.features._report import OrdersReport

__all__ = ["btyd_table", "calibration_holdout"]


@overload
def btyd_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: Literal[False] = False,
    collect: Literal[True] = True,
) -> pd.DataFrame: ...
@overload
def btyd_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: Literal[True],
    collect: Literal[True] = True,
) -> tuple[pd.DataFrame, OrdersReport]: ...
@overload
def btyd_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: Literal[False],
) -> Any: ...
def btyd_table(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: bool = True,
) -> Any:
    """Turn order lines into what purchase and spend models are fitted to: one row per customer.

    Times are always in days. *Recency* here is the time from the first to the last purchase, as in the
    literature on these models, not the time since the last one (that is in `rfm_table`).

    Parameters
    ----------
    orders, customer_id, timestamp, amount, return_report, collect
        As in `rfm_table`, also for what counts as missing, as a date and as a day.
    observation_end : date, datetime, Timestamp or ISO 8601 text, optional
        Last day of the observation. The whole day counts, and with ``granularity="W"`` the whole week that
        holds it; later rows are left out. Default: as for `as_of` in `rfm_table`.
    granularity : {"D", "W"}, default="D"
        Which purchases of a customer count as one: those of the same calendar day, or those of the same week,
        Monday to Sunday. It is no unit of time: with weeks, times are still days, in multiples of 7.
    refunds : {"net", "drop", "raise"}, default="net"
        What negative amounts do. ``"net"``: they are no purchases, and those after the first purchase period
        reduce `monetary_value`. ``"drop"``: their rows are left out. ``"raise"``: they are an error.

    Returns
    -------
    table : pandas.DataFrame of shape (n_customers, 4 or 5)
        Index ``customer_id``, sorted, one row per customer with at least one purchase:

        * ``frequency`` (int64): repeat purchases, that is periods with a purchase, without the first;
        * ``recency`` (float64): days from the first to the last purchase period, 0 where there is no repeat;
        * ``T`` (float64): days from the first purchase period to the one that holds the end;
        * ``monetary_value`` (float64), only where `amount` is named: all money after the first purchase period,
          refunds subtracted under ``"net"``, divided by `frequency`: the mean spend per repeat purchase, with
          lines of the same period summed. 0.0 where there is no repeat purchase. It is negative where refunds
          exceed the spend; refunds in or before the first period do not enter;
        * ``sum_log_intervals`` (float64): sum of the natural logarithms of the days between consecutive purchase
          periods, 0.0 where there is no repeat purchase. It is how regularly the customer buys: `BetaGeoCNBD` needs
          it to choose k.
    report : OrdersReport
        Only with ``return_report=True``.

    Raises
    ------
    ColumnError, ValueError, TypeError
        As `rfm_table`.

    Warns
    -----
    DroppedRowsWarning
        If rows were left out, other than after `observation_end`, and no report was asked for.

    Notes
    -----
    On orders without refunds the figures are those of ``lifetimes.utils.summary_data_from_transaction_data``
    (0.11.3) with ``freq="D"``, and with ``freq="W"`` times 7. That function adds refunds up like purchases, so a
    day with nothing but a refund counts as one there.

    The two granularities are different models' data: on CDNOW to 1997-09-30 there are 2,457 repeat purchases by
    day and 2,248 by week. The parameters published for it are fitted to days [1]_.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S., Lee, K. L. (2005), "'Counting Your Customers' the Easy Way: An
       Alternative to the Pareto/NBD Model", Marketing Science 24(2), 275-284,
       https://doi.org/10.1287/mksc.1040.0098

    Examples
    --------
    >>> from segmentation.datasets import load_cdnow
    >>> from segmentation.features import btyd_table
    >>> columns = dict(customer_id="customer_id", timestamp="timestamp", amount="amount")
    >>> purchases = btyd_table(load_cdnow(), **columns, observation_end="1997-09-30")
    >>> purchases.head(3)
                 frequency  recency      T  monetary_value  sum_log_intervals
    customer_id
    4                    2    213.0  272.0          22.345           8.111328
    18                   0      0.0  269.0           0.000           0.000000
    21                   1     12.0  272.0          11.770           2.484907
    >>> int(purchases["frequency"].sum())
    2457
    """
    check_choice(granularity, "granularity", Granularity)
    lines = read_orders(
        orders,
        Roles(customer_id, timestamp, amount),
        refunds=refunds,
        end=observation_end,
        end_name="observation_end",
        granularity=granularity,
    )
    customers = customer_periods(lines, granularity=granularity, repeat_spend=True, intervals=True)
    columns = _summary(lines, lines.end, granularity)
    return finish(columns, customers, lines, return_report=return_report, collect=collect)


@overload
def calibration_holdout(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    calibration_end: Any,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: Literal[False] = False,
    collect: Literal[True] = True,
) -> pd.DataFrame: ...
@overload
def calibration_holdout(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    calibration_end: Any,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: Literal[True],
    collect: Literal[True] = True,
) -> tuple[pd.DataFrame, OrdersReport]: ...
@overload
def calibration_holdout(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    calibration_end: Any,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: Literal[False],
) -> Any: ...
def calibration_holdout(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    calibration_end: Any,
    observation_end: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: bool = True,
) -> Any:
    """Split orders in time: what a model may learn from, and what it is then compared with.

    Parameters
    ----------
    orders, customer_id, timestamp, amount, granularity, refunds, return_report, collect
        As in `btyd_table`.
    calibration_end : date, datetime, Timestamp or ISO 8601 text
        Last day of the calibration period, cut at the end of that **day** at either granularity: nothing of the
        holdout enters the calibration columns.
    observation_end : date, datetime, Timestamp or ISO 8601 text, optional
        Last day of the holdout, cut at the end of that day too; later rows are left out. Default: as for
        `as_of` in `rfm_table`.

    Returns
    -------
    table : pandas.DataFrame of shape (n_customers, 6 or 8)
        Index ``customer_id``, sorted, one row per customer with a purchase on or before `calibration_end`. First
        the columns of `btyd_table` for the calibration period, under the same names, so the table goes into a
        scorer as it is; then

        * ``frequency_holdout`` (int64): periods with a purchase in the holdout, all of them;
        * ``monetary_value_holdout`` (float64), only where `amount` is named: all money of the holdout, refunds
          subtracted under ``"net"``, divided by `frequency_holdout`; 0.0 where that is 0;
        * ``duration_holdout`` (float64): calendar days from `calibration_end` to `observation_end`.
    report : OrdersReport
        Only with ``return_report=True``; it counts the customers first seen after `calibration_end`.

    Raises
    ------
    ValueError
        Also if `calibration_end` lies before the first purchase, if no order lies after it, or if
        `observation_end` is not after it.
    ColumnError, TypeError
        As `rfm_table`.

    Warns
    -----
    DroppedRowsWarning
        If rows were left out and no report was asked for; rows after `observation_end` and those of customers
        first seen in the holdout follow from the dates given and do not warn.

    Notes
    -----
    With ``granularity="W"`` the week that holds `calibration_end` is divided: its days up to `calibration_end`
    belong to the calibration, the others to the holdout, and purchases on both sides count once on each. So the
    figures differ from ``btyd_table(observation_end=calibration_end, granularity="W")``, which takes the whole
    week (2,216 and 2,248 repeat purchases on CDNOW).

    Two differences from ``lifetimes.utils.calibration_and_holdout_data`` (0.11.3, ``lifetimes/utils.py``): its
    `monetary_value_holdout` is the mean of single lines (``groupby(customer_id_col)[monetary_value_col].mean()``),
    so two lines of one day count as two purchases in the money and as one in the frequency; and with weeks its
    `duration_holdout` is a number of calendar weeks, which is 0 where both ends lie in one week.

    Examples
    --------
    >>> from segmentation.datasets import load_cdnow
    >>> from segmentation.features import calibration_holdout
    >>> columns = dict(customer_id="customer_id", timestamp="timestamp", amount="amount")
    >>> split = calibration_holdout(load_cdnow(), **columns, calibration_end="1997-09-30")
    >>> split[["frequency", "T", "frequency_holdout", "duration_holdout"]].head(3)
                 frequency      T  frequency_holdout  duration_holdout
    customer_id
    4                    2  272.0                  1             273.0
    18                   0  269.0                  0             273.0
    21                   1  272.0                  0             273.0
    >>> int(split["frequency_holdout"].sum())
    1882
    """
    check_choice(granularity, "granularity", Granularity)
    if calibration_end is None:
        raise ValueError("calibration_end must be given: the last day a model may learn from.")
    lines = read_orders(
        orders,
        Roles(customer_id, timestamp, amount),
        refunds=refunds,
        end=observation_end,
        end_name="observation_end",
    )
    split = _calibration_day(calibration_end, observation_end, lines)
    customers = customer_periods(
        lines, granularity=granularity, calibration_end=split, repeat_spend=True, intervals=True
    )
    columns = _summary(lines, split, granularity)
    columns["frequency_holdout"] = counted("holdout_periods")
    if lines.has_amount:
        columns["monetary_value_holdout"] = per_purchase("holdout_spend", nw.col("holdout_periods"))
    columns["duration_holdout"] = (nw.col("n_rows") * 0 + (lines.end - split)).cast(nw.Float64)
    return finish(columns, customers, lines, return_report=return_report, collect=collect, calibration_end=split)


def _summary(lines: OrderLines, end: int, granularity: Granularity) -> dict[str, nw.Expr]:
    """Frequency, recency, T, with amounts the money per repeat purchase, and the logarithms of the intervals."""
    columns = {
        "frequency": (nw.col("n_periods") - 1).cast(nw.Int64),
        "recency": (nw.col("last") - nw.col("first")).cast(nw.Float64),
        "T": (nw.lit(period_start(end, granularity)) - nw.col("first")).cast(nw.Float64),
    }
    if lines.has_amount:
        columns["monetary_value"] = per_purchase("repeat_spend", nw.col("n_periods") - 1)
    columns["sum_log_intervals"] = nw.col(LOG_INTERVALS).cast(nw.Float64)
    return columns


def _calibration_day(calibration_end: Any, observation_end: Any, lines: OrderLines) -> int:
    """Read the end of the calibration and refuse one that leaves either side without orders."""
    given = as_ordinal(
        calibration_end,
        name="calibration_end",
        time_zone=lines.time_zone,
        column=str(lines.roles.timestamp),
    )
    split = cast("int", given)  # None was refused before
    first, last = (dt.date.fromordinal(int(lines.counts[name])) for name in ("first_day", "last_day"))
    day = dt.date.fromordinal(split)
    if observation_end is not None and lines.end <= split:
        end = dt.date.fromordinal(lines.end)
        raise ValueError(f"observation_end ({end}) must be after calibration_end ({day}).")
    if split < lines.first_day:
        raise ValueError(
            f"calibration_end ({day}) lies before the first order ({first}), so there is nothing to learn from. "
            f"Choose a day from {first} to before {last}."
        )
    if last <= day:
        raise ValueError(
            f"no order lies after calibration_end ({day}): the last one used is of {last}, so there is nothing to "
            "compare with. Choose an earlier calibration_end."
        )
    return split
