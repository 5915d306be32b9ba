"""What was read from a table of orders, what was left out, and what is worth knowing about the rest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, money

__all__ = ["OrdersReport"]


# What each figure is, in the words of the printed report and of the table.
MEANINGS = {
    "n_rows": "rows in the table",
    "n_used": "rows used",
    "n_customers": "customers in the result",
    "n_missing_customer": "without a customer id",
    "n_bad_timestamp": "with a timestamp that is missing or no date",
    "n_bad_amount": "with an amount that is missing or not finite",
    "n_after_end": "after the end that was given",
    "n_refunds_dropped": 'with a negative amount (refunds="drop")',
    "n_refund_only_rows": "of customers with refunds and no purchase",
    "n_new_in_holdout_rows": "of customers who first bought after the calibration period",
    "n_refund_only_customers": "customers with refunds and no purchase",
    "n_new_in_holdout_customers": "customers who first bought after the calibration period",
    "n_refunds": "refunds (negative amounts) on or before the end",
    "refunds_total": "sum of those refunds",
    "n_zero_amounts": "purchases that cost nothing; they count as purchases",
    "n_duplicates": "rows that repeat an earlier one; kept, they may be equal articles",
    "observation_start": "day of the first order",
    "observation_end": "last day that counts",
    "calibration_end": "last day of the calibration period",
    "refunds": "treatment of refunds that was asked for",
}

# The reasons to leave a row out, in the order in which they apply.
LEFT_OUT = (
    "n_missing_customer",
    "n_bad_timestamp",
    "n_bad_amount",
    "n_after_end",
    "n_refunds_dropped",
    "n_refund_only_rows",
    "n_new_in_holdout_rows",
)


@dataclass(frozen=True)
class OrdersReport:
    """What became of every row of a table of orders.

    Each row that is not used is counted for exactly one reason, the first that applies in the order below, so
    ``n_rows == n_used + n_left_out`` always holds.

    Attributes
    ----------
    n_rows : int
        Rows in the table that was given.
    n_used : int
        Rows that stand behind the result: the orders and refunds of the customers in it.
    n_customers : int
        Customers in the result.
    n_missing_customer : int
        Left out, reason 1: no customer id (null, NaN, infinite, or text that is empty or only blanks).
    n_bad_timestamp : int
        Left out, reason 2: no timestamp, text that is no ISO 8601 date, or a year before 1700 or after 2199.
    n_bad_amount : int
        Left out, reason 3: no amount, NaN or infinite. 0 where no amount column was named.
    n_after_end : int
        Left out, reason 4: after the `as_of` or `observation_end` that was given.
    n_refunds_dropped : int
        Left out, reason 5: negative amounts, with ``refunds="drop"``.
    n_refund_only_rows : int
        Left out, reason 6: refunds of customers without any purchase.
    n_new_in_holdout_rows : int
        Left out, reason 7: orders and refunds of customers whose first purchase is after `calibration_end`.
    n_refund_only_customers, n_new_in_holdout_customers : int
        The customers behind reasons 6 and 7; they are not in the result.
    n_refunds : int
        Negative amounts among the rows not left out for reasons 1 to 4.
    refunds_total : float
        Sum of those amounts, at most 0.
    n_zero_amounts : int
        Purchases that cost nothing, among the rows not left out for reasons 1 to 5; they count as purchases.
    n_duplicates : int
        Rows, not left out for reasons 1 to 5, that repeat an earlier one exactly in customer, timestamp and
        amount. They are **kept**: two equal lines may be two equal articles, and three columns cannot tell.
    observation_start : datetime.date
        Day of the first row not left out for reasons 1 to 5.
    observation_end : datetime.date
        The day up to which, and including which, orders count.
    calibration_end : datetime.date or None
        Last day of the calibration period, where there is one.
    refunds : {"net", "drop", "raise"} or None
        What was asked for; None where no amount column was named, because refunds cannot be seen then.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import rfm_table
    >>> orders = pd.DataFrame({
    ...     "customer": ["a", "a", None, "b", "b"],
    ...     "day": ["2024-01-05", "2024-03-01", "2024-03-02", "2024-03-04", "soon"],
    ...     "amount": [10.0, 20.0, 5.0, 0.0, 7.0],
    ... })
    >>> table, report = rfm_table(
    ...     orders, customer_id="customer", timestamp="day", amount="amount", return_report=True
    ... )
    >>> print(report)
    5 rows read, 3 used: 2 customers, 2024-01-05 to 2024-03-04
    left out, 2 rows:
      1 without a customer id
      1 with a timestamp that is missing or no date
    kept, worth knowing:
      1 purchase that cost nothing
    >>> report.n_left_out
    2
    """

    n_rows: int
    n_used: int
    n_customers: int
    n_missing_customer: int
    n_bad_timestamp: int
    n_bad_amount: int
    n_after_end: int
    n_refunds_dropped: int
    n_refund_only_rows: int
    n_new_in_holdout_rows: int
    n_refund_only_customers: int
    n_new_in_holdout_customers: int
    n_refunds: int
    refunds_total: float
    n_zero_amounts: int
    n_duplicates: int
    observation_start: dt.date
    observation_end: dt.date
    calibration_end: dt.date | None = None
    refunds: str | None = None

    @property
    def left_out(self) -> dict[str, int]:
        """Rows left out, by the name of the field that counts them, in the order in which reasons apply."""
        return {name: getattr(self, name) for name in LEFT_OUT}

    @property
    def n_left_out(self) -> int:
        """Rows left out, for whatever reason."""
        return sum(self.left_out.values())

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values; dates as ISO 8601 text, so the result can be written as JSON."""
        values = dataclasses.asdict(self)
        return {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in values.items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with a row per figure: index ``figure``, columns ``value`` (object) and ``meaning``."""
        return pd.DataFrame(
            {
                "value": pd.Series([getattr(self, name) for name in MEANINGS], dtype=object),
                "meaning": [("left out: " if name in LEFT_OUT else "") + MEANINGS[name] for name in MEANINGS],
            }
        ).set_axis(pd.Index(list(MEANINGS), name="figure"))

    def __str__(self) -> str:
        lines = [self._headline()]
        if self.n_left_out:
            lines.append(f"left out, {count(self.n_left_out, 'row')}:")
            lines.extend(f"  {line}" for line in self._reasons())
        if notes := self._notes():
            lines.append("kept, worth knowing:")
            lines.extend(f"  {note}" for note in notes)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(str(meaning))}</td><td style='text-align:right'>{_shown(value)}</td></tr>"
            for value, meaning in self.to_pandas().itertuples(index=False)
            if value is not None
        )
        return f"<table><caption>{html.escape(self._headline())}</caption>{rows}</table>"

    def _headline(self) -> str:
        calibration = f" (calibration to {self.calibration_end})" if self.calibration_end else ""
        return (
            f"{count(self.n_rows, 'row')} read, {self.n_used:,} used: {count(self.n_customers, 'customer')}, "
            f"{self.observation_start} to {self.observation_end}{calibration}"
        )

    def _reasons(self) -> list[str]:
        """Say how many rows are left out for which reason, with the customers where whole ones are."""
        customers = {
            "n_refund_only_rows": self.n_refund_only_customers,
            "n_new_in_holdout_rows": self.n_new_in_holdout_customers,
        }
        return [
            f"{number:,} {MEANINGS[name]}" + (f" ({count(customers[name], 'customer')})" if name in customers else "")
            for name, number in self.left_out.items()
            if number
        ]

    def _notes(self) -> list[str]:
        """Say what is unusual among the rows that were kept."""
        notes = []
        if self.n_refunds and self.refunds == "net":
            notes.append(f"{count(self.n_refunds, 'refund')}, together {money(self.refunds_total)}")
        if self.n_zero_amounts:
            notes.append(f"{count(self.n_zero_amounts, 'purchase')} that cost nothing")
        if self.n_duplicates:
            notes.append(
                f"{count(self.n_duplicates, 'row')} equal to an earlier one in all columns used (may be equal articles)"
            )
        return notes


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else html.escape(str(value))
