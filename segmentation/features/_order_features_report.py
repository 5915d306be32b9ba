"""What `order_features` read: the counts of every row, and what is unknown of the purchases that count."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, name_some
from segmentation.features._report import OrdersReport

__all__ = ["UNKNOWN", "OrderFeaturesReport"]

# Purchase lines that count, but not in everything.
UNKNOWN = {
    "n_missing_order_id": "without an order id; those of a day make one order",
    "n_missing_category": "without a category; they are in category_share_missing",
    "n_bad_quantity": "with a quantity that is missing, negative or not finite; not in quantity_per_order",
    "n_bad_discount": "with a discount that is missing, negative or not finite; not in the shares of discounts",
}


@dataclass(frozen=True)
class OrderFeaturesReport(OrdersReport):
    """What became of every row of a table of orders; ``n_rows == n_used + n_left_out`` always holds.

    Has all of `OrdersReport`, and:

    Attributes
    ----------
    n_missing_order_id, n_missing_category, n_bad_quantity, n_bad_discount : int
        Purchase lines, among the rows not left out for reasons 1 to 5, whose value in that column is not known
        (missing, or for numbers also negative or not finite). They count, except where the value would be needed. 0
        where the column was not named.
    n_categories : int
        Different categories in those lines.
    categories : tuple of str
        The ones that have a column of their own.
    """

    n_missing_order_id: int = 0
    n_missing_category: int = 0
    n_bad_quantity: int = 0
    n_bad_discount: int = 0
    n_categories: int = 0
    categories: tuple[str, ...] = ()

    @property
    def unknown(self) -> dict[str, int]:
        """Purchase lines with a value that is not known, by the name of the field that counts them."""
        return {name: getattr(self, name) for name in UNKNOWN}

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, dates as ISO 8601 text."""
        return {**super().to_dict(), "categories": list(self.categories)}

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per figure: columns ``value`` (object) and ``meaning``."""
        more = {name: (getattr(self, name), f"purchase lines {meaning}") for name, meaning in UNKNOWN.items()}
        more["n_categories"] = (self.n_categories, "different categories")
        more["categories"] = (list(self.categories), "categories with a column of their own")
        values = pd.Series([value for value, _ in more.values()], dtype=object)
        extra = pd.DataFrame({"value": values, "meaning": [meaning for _, meaning in more.values()]})
        return pd.concat([super().to_pandas(), extra.set_axis(pd.Index(list(more), name="figure"))])

    def _repr_html_(self) -> str:
        right = "style='text-align:right'"
        rows = "".join(
            f"<tr><td>{html.escape(str(meaning))}</td><td {right}>{html.escape(_shown(value))}</td></tr>"
            for value, meaning in self.to_pandas().itertuples(index=False)
            if value is not None
        )
        return f"<table><caption>{html.escape(self._headline())}</caption>{rows}</table>"

    def _notes(self) -> list[str]:
        notes = super()._notes()
        notes += [f"{count(n, 'purchase line')} {UNKNOWN[name]}" for name, n in self.unknown.items() if n]
        if self.n_categories:
            shown = f": {name_some(self.categories)}" if self.categories else ""
            notes.append(f"{self.n_categories:,} different categories, {len(self.categories):,} with a column{shown}")
        return notes


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return name_some(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
