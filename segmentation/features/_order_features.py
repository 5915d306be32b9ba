"""How customers buy: baskets, rhythm, trend, categories, discounts and refunds as one row per customer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Literal, overload

import pandas as pd

from segmentation._format import count
from segmentation.exceptions import DroppedRowsWarning
from segmentation.features._labels import checked_wanted
from segmentation.features._order_features_lines import LineRoles, count_gaps, prepared
from segmentation.features._order_features_parts import category_parts, columns_of, customer_parts
from segmentation.features._order_features_report import UNKNOWN, OrderFeaturesReport
from segmentation.features._orders import CUSTOMER, Refunds, read_orders
from segmentation.features._purchases import finish

__all__ = ["order_features"]


@overload
def order_features(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    order_id: str | None = None,
    category: str | None = None,
    quantity: str | None = None,
    discount: str | None = None,
    categories: int | Iterable[str] = 10,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: Literal[False] = False,
    collect: Literal[True] = True,
) -> pd.DataFrame: ...
@overload
def order_features(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    order_id: str | None = None,
    category: str | None = None,
    quantity: str | None = None,
    discount: str | None = None,
    categories: int | Iterable[str] = 10,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: Literal[True],
    collect: Literal[True] = True,
) -> tuple[pd.DataFrame, OrderFeaturesReport]: ...
@overload
def order_features(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    order_id: str | None = None,
    category: str | None = None,
    quantity: str | None = None,
    discount: str | None = None,
    categories: int | Iterable[str] = 10,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: Literal[False],
) -> Any: ...
def order_features(
    orders: Any,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    order_id: str | None = None,
    category: str | None = None,
    quantity: str | None = None,
    discount: str | None = None,
    categories: int | Iterable[str] = 10,
    as_of: Any = None,
    refunds: Refunds = "net",
    return_report: bool = False,
    collect: bool = True,
) -> Any:
    """Turn order lines into how each customer buys: baskets, rhythm, trend, categories, discounts and refunds.

    What a customer buys and when, beside how much and how lately (`rfm_table`). The work runs in the engine that
    holds the orders; only one row per customer comes back.

    Parameters
    ----------
    orders : dataframe
        One row per order line: pandas, polars (eager or lazy), pyarrow, a DuckDB relation, Dask or PySpark, never
        changed. A lazy one is run two to four times, and once more for the report.
    customer_id, timestamp, amount : str
        Columns, read as in `rfm_table`. `amount` is what was paid for the line, after discounts.
    order_id : str, optional
        Column with the number of the order: text or numbers. Lines of one customer with one number are one order,
        whatever their dates. Without it, and for lines that lack it, the lines of a calendar day are one order.
    category : str, optional
        Column with the category of the line: text or whole numbers, as they are written.
    quantity : str, optional
        Column with the number of units. Those of purchases that are missing, negative or not finite are unknown.
    discount : str, optional
        Column with the money taken off the line, **positive**, in the unit of `amount`; 0 where there was none.
        Missing, negative and not finite ones are unknown.
    categories : int or iterable of str, default=10
        The categories that get a column: so many, those bought by most customers (ties in the order of the
        alphabet); or a list, which gives a later table the same columns. All others share one column.
    as_of : date, datetime, Timestamp or ISO 8601 text, optional
        The last day that counts, as in `rfm_table`.
    refunds : {"net", "drop", "raise"}, default="net"
        What negative amounts do. ``"net"``: they make `refund_share`, and nothing else. ``"drop"``: their rows are left
        out. ``"raise"``: they are an error.
    return_report : bool, default=False
        Return ``(table, report)``. Otherwise `DroppedRowsWarning` counts the rows that were left out, if any
        other than those after `as_of`, and the purchases with an unknown value.
    collect : bool, default=True
        Bring the table to pandas. With False it stays in the engine of `orders`, as in `rfm_table`.

    Returns
    -------
    table : pandas.DataFrame of shape (n_customers, n_columns)
        Index ``customer_id``, sorted, one row per customer with at least one purchase. Purchase *lines* are rows that
        are no refund, purchase *days* the calendar days with one. float64, NaN where said:

        * ``n_orders`` (int64): orders with a purchase line, at least 1;
        * ``lines_per_order``: purchase lines over `n_orders`;
        * ``quantity_per_order`` (with `quantity`): units over the orders of which a quantity is known; NaN if none;
        * ``value_per_order`` (with `amount`): sum of the amounts of purchase lines over `n_orders`;
        * ``tenure_days``: days from the first purchase to `as_of`;
        * ``mean_interval_days``: mean days between successive purchase days; NaN for one purchase day;
        * ``interval_cv``: sample standard deviation of these intervals over their mean; NaN below two intervals;
        * ``interval_regularity``: their geometric over their arithmetic mean, in (0, 1]; NaN below two intervals;
        * ``purchase_trend``: in (-1, 1); 0 for one purchase day;
        * ``spend_trend`` (with `amount`): in (-1, 1); NaN if all purchases cost nothing;
        * ``refund_share`` (with `amount` and ``refunds="net"``): money refunded over money of purchases; may exceed
          1 where purchases lie before the first row; NaN if all purchases cost nothing;
        * ``discount_share`` (with `discount` and `amount`): discount over discount and amount, in [0, 1], of the
          lines whose discount is known; NaN if both are 0;
        * ``discounted_lines_share`` (with `discount`): of those lines, the share with a discount; NaN if none;
        * ``weekend_share``: share of purchase days that are a Saturday or a Sunday;
        * ``category_share=<name>``, ``category_share_other``, ``category_share_missing`` (with `category`): share of
          the money of purchase lines, without `amount` of the lines; together 1; NaN if all purchases cost nothing.
    report : OrderFeaturesReport
        Only with ``return_report=True``.

    Raises
    ------
    ColumnError, ValueError, TypeError
        As `rfm_table`; and if most discounts are negative, none of the listed `categories` is there, or a column has a
        type that cannot be read.

    Warns
    -----
    DroppedRowsWarning
        If rows were left out, or values of purchases are unknown, and no report was asked for.

    Notes
    -----
    **Regularity.** If the intervals of a customer follow a Gamma distribution, its shape k says how regular they are:
    1 is random (exponential), large is like clockwork [1]_ [2]_. ``interval_cv`` estimates 1 / sqrt(k);
    ``interval_regularity`` r is what the maximum-likelihood estimate of k depends on, ``log k - digamma(k) = -log r``:
    it grows with k and, unlike k, stays finite when all intervals are equal. Random intervals give 0.56 in the long run
    (``exp(-0.5772)``), but 0.79 on average from two of them: compare customers with similar numbers of purchases,
    or leave out those with few. The wait from the last purchase to `as_of` is no interval and does not enter.

    **Trend.** The days after the first purchase day up to `as_of` are cut in the middle; a middle day counts in neither
    half. The first purchase is left out, because it is what starts the clock: with it, everybody would seem to decline.
    With e and l purchase days in the early and the late half of n, ``purchase_trend`` is (l - e) / (n + 2): as if one
    more purchase lay in either half. This is 2 p - 1 for the posterior mean p of the share of the late half
    under a uniform prior, so few purchases say little, and none says 0. ``spend_trend`` is the same with the
    money of these days, and the customer's mean money per purchase day added to either half. A customer
    whose rate never changes has 0 on average, whatever the rate.

    **Categories** are counted by customers, not by money, when the ones with a column are chosen: a whole number,
    which no engine rounds, and a category that few buy makes a column of zeros.

    **Hours** of the day are not looked at: many tables of orders have none, or those of the booking.

    Days, missing customers, dates and amounts are as in `rfm_table`. Sums of money agree between engines up
    to the rounding of floating-point addition.

    References
    ----------
    .. [1] Wheat, R. D. and Morrison, D. G. (1990). Estimating purchase regularity with two interpurchase times.
       *Journal of Marketing Research* 27(1), 87-93.
    .. [2] Platzer, M. and Reutterer, T. (2016). Ticking away the moments: timing regularity helps to better predict
       customer activity. *Marketing Science* 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963

    See Also
    --------
    rfm_table : Recency, frequency and money, to be joined with this: ``rfm.join(features)``.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import order_features
    >>> lines = pd.DataFrame(
    ...     [("a", "2024-01-01", 1, "tea", 4.0), ("a", "2024-01-01", 1, "cups", 12.0),
    ...      ("a", "2024-01-11", 2, "tea", 4.0), ("a", "2024-01-21", 3, "tea", 4.0),
    ...      ("b", "2024-01-06", 4, "cups", 12.0)],
    ...     columns=["customer", "day", "order", "kind", "paid"])
    >>> table = order_features(
    ...     lines, customer_id="customer", timestamp="day", amount="paid", order_id="order", category="kind")
    >>> table.round(2).T
    customer_id                 a     b
    n_orders                 3.00   1.0
    lines_per_order          1.33   1.0
    value_per_order          8.00  12.0
    tenure_days             20.00  15.0
    mean_interval_days      10.00   NaN
    interval_cv              0.00   NaN
    interval_regularity      1.00   NaN
    purchase_trend           0.00   0.0
    spend_trend              0.00   0.0
    refund_share             0.00   0.0
    weekend_share            0.33   1.0
    category_share=cups      0.50   1.0
    category_share=tea       0.50   0.0
    category_share_other     0.00   0.0
    category_share_missing   0.00   0.0
    """
    wanted = checked_wanted(categories, "categories")
    roles = LineRoles(customer_id, timestamp, amount, order_id, category, quantity, discount)
    read = read_orders(orders, roles, refunds=refunds, end=as_of, end_name="as_of")
    lines = prepared(read)
    unknown = count_gaps(lines, roles)
    customers = customer_parts(lines, read)
    columns: dict[str, str] = {}
    n_categories = 0
    if category is not None:
        parts, columns, n_categories = category_parts(lines, read, wanted)
        customers = customers.join(parts, on=CUSTOMER, how="left")
    result = finish(columns_of(read, columns), customers, read, return_report=return_report, collect=collect)
    if not return_report:
        _warn_of_unknown(unknown)
        return result
    table, report = result
    named = tuple(name.partition("=")[2] for name in columns if "=" in name)
    more: dict[str, Any] = {**unknown, "n_categories": n_categories, "categories": named}
    return table, OrderFeaturesReport(**vars(report), **more)


def _warn_of_unknown(unknown: dict[str, int]) -> None:
    found = [f"{count(n, 'purchase line')} {UNKNOWN[name]}" for name, n in unknown.items() if n]
    if found:
        warnings.warn(
            f"values left out: {'; '.join(found)}. return_report=True returns all counts and does not warn.",
            DroppedRowsWarning,
            stacklevel=3,
        )
