"""Small tables on which plug-ins are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["make_customers", "make_profile"]


def make_customers(n_customers: int = 120, random_state: int = 0, *, numeric: bool = False) -> pd.DataFrame:
    """Make a customer table with every kind of column, in three well separated groups.

    Parameters
    ----------
    n_customers : int, default=120
    random_state : int, default=0
    numeric : bool, default=False
        Only the RFM columns and ``age``, all numbers without missing values.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id`` (text, in no order). RFM columns ``days_since_last_purchase``, ``n_purchases`` and
        ``total_spend``; ``age``; and unless `numeric`: ``income`` (with missing values), ``region`` (text),
        ``is_member`` (boolean), ``signed_up`` (date), and the BTYD columns ``frequency``, ``recency``, ``T``
        (days) and ``monetary_value``.

    Examples
    --------
    >>> from segmentation.testing import make_customers
    >>> make_customers(3, numeric=True).columns.tolist()
    ['days_since_last_purchase', 'n_purchases', 'total_spend', 'age']
    """
    rng = np.random.default_rng(random_state)
    group = np.arange(n_customers) % 3
    ids = rng.permutation([f"C{i:05d}" for i in range(n_customers)])
    n_purchases = np.array([1.0, 6.0, 20.0])[group] + rng.integers(0, 3, n_customers)
    spend_each = np.array([20.0, 45.0, 90.0])[group] * rng.gamma(20, 1 / 20, n_customers)
    table = pd.DataFrame(
        {
            "days_since_last_purchase": np.array([400.0, 120.0, 12.0])[group] + rng.uniform(0, 9, n_customers),
            "n_purchases": n_purchases,
            "total_spend": n_purchases * spend_each,
            "age": np.array([22.0, 41.0, 67.0])[group] + rng.normal(0, 3, n_customers),
        },
        index=pd.Index(ids, name="customer_id"),
    )
    if numeric:
        return table
    first_to_end = 450 + rng.integers(0, 200, n_customers).astype(float)
    frequency = n_purchases - 1
    recency = np.where(frequency > 0, np.maximum(first_to_end - table["days_since_last_purchase"].round(), 1), 0.0)
    return table.assign(
        income=np.where(rng.random(n_customers) < 0.1, np.nan, rng.lognormal(10, 0.4, n_customers).round()),
        region=np.array(["north", "south", "west"])[rng.integers(0, 3, n_customers)],
        is_member=rng.random(n_customers) < 0.4,
        signed_up=pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n_customers), unit="D"),
        frequency=frequency,
        recency=recency,
        T=first_to_end,
        monetary_value=np.where(frequency > 0, spend_each, 0.0),
    )


def make_profile() -> pd.DataFrame:
    """Make a profile with ordinary, tied, empty and unassigned rows.

    Returns
    -------
    pandas.DataFrame
        Index ``segment``; ``n_customers``, ``share``, figures of the scores ``clv`` and ``churn``, the mean of a
        feature ``age``. Segments "steady" and "occasional" agree in every figure but the size; "dormant" is empty.

    Examples
    --------
    >>> from segmentation.testing import make_profile
    >>> make_profile().index.tolist()
    ['champions', 'steady', 'occasional', 'newcomers', 'dormant', 'unassigned']
    """
    columns: dict[str, Any] = {
        "n_customers": [40, 300, 200, 160, 0, 50],
        "clv_mean": [900.0, 120.0, 120.0, 60.0, np.nan, 15.0],
        "clv_total": [36_000.0, 36_000.0, 24_000.0, 9_600.0, 0.0, 750.0],
        "clv_n": [40, 300, 200, 160, 0, 50],
        "churn_mean": [0.05, 0.3, 0.3, 0.6, np.nan, 0.9],
        "age": [48.0, 41.0, 41.0, 24.0, np.nan, 50.0],
    }
    names = ["champions", "steady", "occasional", "newcomers", "dormant", "unassigned"]
    profile = pd.DataFrame(columns, index=pd.Index(names, name="segment"))
    profile.insert(1, "share", profile["n_customers"] / profile["n_customers"].sum())
    profile.insert(5, "clv_share", profile["clv_total"] / profile["clv_total"].sum())
    return profile
