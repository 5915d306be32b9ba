"""How the customers who mention a theme rate, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.feedback._input import Rows

__all__ = ["Feelings", "Values"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Feelings:
    """Ratings of texts."""

    name: str
    rating: Floats
    segment: NDArray[np.int64]
    customer: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, name: Any) -> Feelings:
        """Take the ratings of the rows."""
        return cls(str(name), rows.table[name].to_numpy(dtype=np.float64, na_value=np.nan), rows.segment, rows.customer)

    def compare(self, mentioned: Flags, segment: int, level: float, minimum: int) -> dict[str, Any]:
        """Compare how customers of a segment rate with a theme and without."""
        here = (self.segment == segment) & ~np.isnan(self.rating)
        mine, others = (self._by_customer(here & flag) for flag in (mentioned, ~mentioned))
        names = ["rating", "rating_others", "rating_difference", "rating_difference_low", "rating_difference_high"]
        if min(mine.size, others.size) < minimum:
            return dict.fromkeys(names, np.nan) | {"feeling": ""}
        gap = mine.mean() - others.mean()
        parts = np.array([mine.var(ddof=1) / mine.size, others.var(ddof=1) / others.size])
        if parts.sum() > 0:
            freedom = parts.sum() ** 2 / (parts**2 / np.array([mine.size - 1, others.size - 1])).sum()
            half = stats.t.ppf(0.5 + level / 2, freedom) * np.sqrt(parts.sum())
        else:
            half = 0.0
        feeling = "pain" if gap + half < 0 else "praise" if gap - half > 0 else "mixed"
        figures = [mine.mean(), others.mean(), gap, gap - half, gap + half]
        return dict(zip(names, map(float, figures), strict=True)) | {"feeling": feeling}

    def _by_customer(self, rows: Flags) -> Floats:
        """Average over the texts of each customer."""
        who, code = np.unique(self.customer[rows], return_inverse=True)
        return np.bincount(code, self.rating[rows], minlength=who.size) / np.maximum(np.bincount(code), 1)


@dataclass(frozen=True, eq=False)
class Values:
    """What customers are worth; NaN where unknown."""

    name: str
    worth: Floats
    notes: list[str]

    @classmethod
    def of(cls, values: Any, rows: Rows) -> Values:
        """Read the values of the customers who wrote."""
        if isinstance(values, pd.Series):
            values = values.to_frame("value" if values.name is None else values.name)
        if not is_frame(values):
            raise TypeError(
                f"values must be a Series or a table of one column, indexed by customer, got {kind_of(values)}."
            )
        table = as_customers(values)
        if table.shape[1] != 1:
            raise ColumnError(
                f"values must be one column, got {name_some(table.columns)}; choose one: values=table['...']."
            )
        name = str(table.columns[0])
        column = table.iloc[:, 0]
        if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
            raise ColumnError(f"values must be numbers; {name!r} is {column.dtype}.")
        worth = column.reindex(rows.ids).to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(worth).any():
            raise CustomerTableError(f"values must be finite; {name!r} is not for a customer who wrote.")
        if column.isna().all():
            raise CustomerTableError(f"values: {name!r} is missing for every customer.")
        unknown = int(np.isnan(worth).sum())
        if unknown == len(worth):
            raise CustomerTableError(
                f"none of the customers who wrote has a value: ids of values look like {name_some(table.index[:3])}, "
                f"those of the texts like {name_some(rows.ids[:3])}."
            )
        notes = [f"{count(unknown, 'customer')} who wrote without a value, counted as 0."] if unknown else []
        return cls(name, np.nan_to_num(worth), notes)

    def total(self, mention: Flags, level: float) -> dict[str, float]:
        """Return the total of those who mention, of all who wrote in a segment, as if they were a sample of it."""
        own = self.worth
        part = np.where(mention, own, 0.0)
        total, all_ = float(part.sum()), float(own.sum())
        spread = float(stats.norm.ppf(0.5 + level / 2) * np.sqrt(part.size * part.var(ddof=1)))
        low = total - spread if (own < 0).any() else max(total - spread, 0.0)
        return {
            "value_total": total,
            "value_total_low": low,
            "value_total_high": total + spread,
            "value_share": total / all_ if all_ > 0 and not (own < 0).any() else np.nan,
        }

    def among(self, mask: Flags) -> Values:
        """Return the values of some customers."""
        return Values(self.name, self.worth[mask], self.notes)
