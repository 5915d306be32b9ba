"""What waiting exposes, and when to ask again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, percent
from segmentation.monitoring._inputs import customer_values
from segmentation.monitoring._refresh_evidence import Noise

__all__ = ["as_date", "cost_of_waiting", "days_to_review", "elapsed_days", "growth_of"]

# A review looks no further ahead than twice the time it has looked back on, and waits at least a quarter of it.
LONGEST, SHORTEST = 2.0, 0.25
Z = 1.645
N_BOOTSTRAP = 500


def as_date(value: Any, name: str) -> dt.date:
    """Return the day of a date given in any form that pandas reads."""
    try:
        stamp = pd.Timestamp(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a date such as '2024-03-31', got {value!r}.") from error
    if pd.isna(stamp):
        raise ValueError(f"{name} must be a date such as '2024-03-31', got {value!r}.")
    day: dt.date = stamp.date()
    return day


def elapsed_days(reference_date: Any, current_date: Any) -> int | None:
    """Return the days between the dates; None where none are given."""
    if (reference_date is None) != (current_date is None):
        raise ValueError("reference_date and current_date go together: give both or neither.")
    if reference_date is None:
        return None
    days = (as_date(current_date, "current_date") - as_date(reference_date, "reference_date")).days
    if days <= 0:
        raise ValueError(f"current_date must lie after reference_date, it lies {-days} days before.")
    return days


def growth_of(share: float, usual: float, noise: Noise, n: int) -> float:
    """Return the share displaced beyond the usual, at its upper 95 % bound."""
    excess = max(share - usual, 0.0)
    spread = np.hypot(np.sqrt(max(share * (1 - share), 0.0) / n), noise.displaced.std())
    return float(excess + Z * spread)


def days_to_review(elapsed: int | None, growth: float, tolerance: float, action: str) -> int | None:
    """Return the days until the next review; None without dates."""
    if elapsed is None:
        return None
    left = tolerance if action != "keep" else max(tolerance - growth, 0.0)
    wait = elapsed * left / growth if growth > 0 else np.inf
    return max(round(float(np.clip(wait, SHORTEST * elapsed, LONGEST * elapsed))), 1)


def cost_of_waiting(
    who: NDArray[np.bool_],
    usual: float,
    values: Any,
    index: pd.Index,
    refresh_cost: float | None,
    elapsed: int | None,
    days: int | None,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[str]]:
    """Return what is exposed now and by the next review, and what has to be said of it."""
    said = []
    amounts = {"customers": np.ones(len(who))}
    if values is not None:
        money = customer_values(values, index, "values")
        n_out = int(np.isnan(money).sum())
        if n_out:
            said.append(f"{count(n_out, 'customer')} without a value counted as 0.")
        amounts["value"] = np.nan_to_num(money)
    rows = {}
    draws = rng.integers(0, len(who), (N_BOOTSTRAP, len(who))) if len(who) <= 5_000 else None
    for name, amount in amounts.items():
        each = amount * (who - usual)
        if draws is not None:
            low, high = np.quantile(each[draws].sum(axis=1), [0.05, 0.95])
        else:
            spread = Z * np.sqrt(len(each)) * each.std()
            low, high = each.sum() - spread, each.sum() + spread
        now = max(float(each.sum()), 0.0)
        per_day = now / elapsed if elapsed else np.nan
        later = now + per_day * days if elapsed and days else np.nan
        rows[name] = {
            "now": now,
            "now_low": max(float(low), 0.0),
            "now_high": max(float(high), 0.0),
            "added_per_day": per_day,
            "at_next_review": later,
        }
    if refresh_cost is not None:
        exposed = rows["value"]["now"]
        said.append(
            f"a refresh for {refresh_cost:,.0f} pays within a period if being handled as another segment costs "
            f"more than {percent(refresh_cost / exposed)} of the value exposed."
            if exposed > 0
            else "no value is exposed beyond what refits do anyway: a refresh does not pay."
        )
    return pd.DataFrame.from_dict(rows, orient="index"), said
