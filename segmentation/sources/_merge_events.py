"""Tables of customers told from tables of events, which have many rows per customer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["refuse_events"]

# Rows per customer at which a table is taken for one of events: on average as many repeated rows as customers, or most
# customers with several rows. No table of customers is that full of duplicates; a table of orders nearly always is.
ROWS_PER_CUSTOMER = 2.0
# Without a time that differs between the rows of a customer only a table of some size says what it is.
ENOUGH_CUSTOMERS = 30
ISO_DATE = r"^\s*\d{4}-\d{2}-\d{2}"


def refuse_events(name: str, table: pd.DataFrame, customer: pd.Series, *, allowed: bool) -> str | None:
    """Refuse a table of events, which has many rows per customer: each of them is a fact, none is a duplicate.

    Returns a note where there are as many rows and that is allowed.
    """
    codes, distinct = pd.factorize(customer)
    n_customers = len(distinct)
    if n_customers == 0:
        return None
    sizes = np.bincount(codes)
    mean = len(table) / n_customers
    if mean < ROWS_PER_CUSTOMER and (sizes > 1).sum() <= n_customers / 2:
        return None
    found = f"source {name!r} has {mean:.1f} rows per customer ({len(table):,} rows, {n_customers:,} customers)"
    if allowed:
        return f"{found}; the rows of a customer were merged into one"
    moment = _differing_time(table, codes)
    if moment is None and n_customers < ENOUGH_CUSTOMERS:
        return None
    told = f", with times in {moment!r} that differ between them" if moment is not None else ""
    raise ValueError(
        f"{found}{told}: that is a table of events (orders, visits, mailings), not of customers, and merging it would "
        "throw all but one of them away. Make one row per customer first: features.rfm_table, features.btyd_table or "
        "features.order_features for orders, features.engagement_table for events, and merge their result. If these "
        f"are versions of a profile, name the time of change (updated={{{name!r}: ...}}); if they are duplicates, "
        f"allow_many=[{name!r}]."
    )


def _differing_time(values: pd.DataFrame, codes: NDArray[np.int64]) -> Any:
    """Return the first column of times that differ within a customer, or None."""
    for column in values.columns:
        series = values[column]
        sample = series.dropna().head(100)
        if sample.empty or not (_is_time(series) or _looks_like_time(sample)):
            continue
        pairs = pd.DataFrame({"customer": codes, "time": series.to_numpy()}).dropna().drop_duplicates()
        if pairs["customer"].duplicated().any():
            return column
    return None


def _is_time(values: pd.Series) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(values.dtype))


def _looks_like_time(sample: pd.Series) -> bool:
    """Tell whether values, as text, begin with an ISO 8601 date; date objects do."""
    if not (sample.dtype == object or pd.api.types.is_string_dtype(sample.dtype)):
        return False
    return bool(sample.astype(str).str.match(ISO_DATE).all())
