"""The figures of each segment, of all together, and of pooling, for a plan."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from segmentation.experiments._plan_input import is_number
from segmentation.experiments._plan_pooling import FEWEST_POOLED, pooling_table
from segmentation.experiments._plan_power import Comparison, difference_variance
from segmentation.experiments._plan_uncertainty import needed_range

__all__ = ["plan_pooling", "plan_row", "plan_totals", "weeks_of", "with_range"]


def _spread(row: pd.Series[Any]) -> tuple[float, float, float | None, float]:
    """Return mean, lift, sd and the share of the variance that the covariate leaves."""
    sd = float(row["sd"]) if "sd" in row.index else None
    kept = 1 - float(row.get("covariate_correlation", 0.0)) ** 2
    return float(row["mean"]), float(row["lift"]), sd, kept


def needed(row: pd.Series[Any], comparisons: Iterable[Comparison], share: float, least: float) -> float:
    """Return the customers of a segment, all arms together, that the hardest comparison needs."""
    mean, lift, sd, kept = _spread(row)
    smallest = max(2.0, least * share)
    return max(max(smallest, each.n_control(mean, lift, sd, kept)) for each in comparisons) / share


def plan_row(
    row: pd.Series[Any],
    comparisons: list[Comparison],
    share: float,
    least: float,
    shares: Mapping[str, Fraction],
    control: str,
) -> dict[str, Any]:
    mean, lift, sd, kept = _spread(row)
    total = needed(row, comparisons, share, least)
    possible = math.isfinite(total)
    by_arm = {name: math.ceil(total * float(part) - 1e-9) if possible else pd.NA for name, part in shares.items()}
    n = sum(by_arm.values()) if possible else pd.NA
    available = float(row["n_available"])
    in_control = available * share
    some = in_control >= 2 and comparisons[0].possible(mean, lift, sd)
    powers = [each.reached(mean, lift, sd, in_control, kept) if some else 0.0 for each in comparisons]
    found = [each.detectable(mean, sd, in_control, math.copysign(1, lift), kept) for each in comparisons]
    detectable = max(found, key=lambda size: math.inf if math.isnan(size) else abs(size))
    figures = {
        "baseline": mean,
        **({} if sd is None else {"sd": sd}),
        **({"variance_kept": kept} if "covariate_correlation" in row.index else {}),
        "lift": lift,
        "n_needed": n,
        "n_customers": int(row["n_customers"]),
        "n_available": int(available),
        "enough": bool(possible and available >= n),
        "power": min(powers),
        "detectable_lift": detectable,
    }
    return {"figures": figures, "arms": by_arm, "powers": powers}


def with_range(
    result: pd.DataFrame,
    table: pd.DataFrame,
    comparisons: list[Comparison],
    share: float,
    relative: Any,
    metric: str,
    least: float,
) -> pd.DataFrame:
    """Add how far the size needed may be off because the baseline is an estimate."""
    if "n_known" not in table:
        return result
    size = lambda row: needed(row, comparisons, share, least)  # noqa: E731
    ranges = [
        needed_range(row, size, relative=relative is not None, proportion=metric == "proportion")
        for _, row in table.iterrows()
    ]
    place = list(result.columns).index("n_needed")
    for shift, name in enumerate(("n_needed_low", "n_needed_high")):
        values = [pd.NA if not math.isfinite(pair[shift]) else math.ceil(pair[shift] - 1e-9) for pair in ranges]
        result.insert(place + 1 + shift, name, pd.Series(pd.array(values, dtype="Int64"), index=result.index))
    return result


def weeks_of(n_needed: pd.Series[Any], weekly: pd.Series[Any]) -> pd.Series[Any]:
    values = [
        pd.NA if n is pd.NA or rate <= 0 else math.ceil(n / rate - 1e-9)
        for n, rate in zip(n_needed, weekly, strict=True)
    ]
    return pd.Series(pd.array(values, dtype="Int64"), index=n_needed.index)


def _together(table: pd.DataFrame, comparisons: list[Comparison], share: float) -> int | None:
    """Return the customers for the average lift of all segments in an analysis stratified by segment."""
    if not len(table):
        return None
    sizes = table["n_customers"].to_numpy()
    weight = sizes / sizes.sum() if sizes.sum() else np.full(len(sizes), 1 / len(sizes))
    rho = table["covariate_correlation"].to_numpy() if "covariate_correlation" in table else np.zeros(len(table))
    whole = {"mean": float(weight @ table["mean"]), "lift": float(weight @ table["lift"])}
    if whole["lift"] == 0:
        return None
    if "sd" in table:
        whole["sd"] = math.sqrt(float(weight @ (table["sd"].to_numpy() ** 2 * (1 - rho**2))))
    else:
        spread = (table["mean"] * (1 - table["mean"])).to_numpy()
        # strata and covariate leave this share of the variance of everybody's zeros and ones
        everybody = whole["mean"] * (1 - whole["mean"])
        left = float(weight @ (spread * (1 - rho**2))) / everybody if everybody else 1.0
        whole["covariate_correlation"] = math.sqrt(max(0.0, 1 - left))
    n = needed(pd.Series(whole), comparisons, share, 0)
    return math.ceil(n - 1e-9) if math.isfinite(n) else None


def plan_totals(
    result: pd.DataFrame,
    table: pd.DataFrame,
    shares: Mapping[str, Fraction],
    control: str,
    comparisons: list[Comparison],
    weekly: pd.Series[Any] | None,
) -> dict[str, Any]:
    """Return what the experiment needs in all, in the segments one by one and analysed together.

    `comparisons` are those of the treatments, corrected for each other and not for the segments.
    """
    together = _together(table[result["n_needed"].notna()], comparisons, float(shares[control]))
    impossible = int(result["n_needed"].isna().sum())
    totals: dict[str, Any] = {
        "n_needed": int(result["n_needed"].sum()),
        "n_impossible": impossible,
        "n_customers": int(result["n_customers"].sum()),
        "n_available": int(result["n_available"].sum()),
        "n_together": together,
    }
    if weekly is not None:
        weeks = result["weeks"]
        totals["weeks"] = None if weeks.isna().any() else int(weeks.max())
        rate = float(weekly.sum())
        totals["weeks_together"] = (
            math.ceil(totals["n_together"] / rate - 1e-9) if rate > 0 and totals["n_together"] is not None else None
        )
    return totals


def plan_pooling(
    table: pd.DataFrame,
    comparisons: list[Comparison],
    shares: Mapping[str, Fraction],
    control: str,
    between_sd: Any,
) -> tuple[pd.DataFrame | None, list[float]]:
    """Return what pooling buys at the present sizes, for the smallest treatment arm."""
    given = [between_sd] if is_number(between_sd) else between_sd
    if given is None:
        typical = float(table["lift"].abs().median())
        given = [0.0, typical / 2, typical]
    try:
        assumed = [float(value) for value in given]
    except (TypeError, ValueError) as error:
        raise TypeError(f"between_sd must be one or several numbers of at least 0, got {between_sd!r}.") from error
    if not assumed or not all(math.isfinite(value) and value >= 0 for value in assumed):
        raise ValueError(f"between_sd must be one or several numbers of at least 0, got {between_sd!r}.")
    hardest = min(comparisons, key=lambda each: each.ratio)
    in_control = table["n_available"] * float(shares[control])
    possible = np.array([comparisons[0].possible(*_spread(row)[:3]) for _, row in table.iterrows()])
    usable = table[(in_control >= 2) & (in_control * hardest.ratio >= 2) & possible]
    if len(usable) < FEWEST_POOLED:
        return None, assumed
    variances = []
    for _, row in usable.iterrows():
        mean, lift, sd, kept = _spread(row)
        n = float(row["n_available"]) * float(shares[control])
        variances.append(kept * difference_variance(mean, lift, sd, n, n * hardest.ratio))
    variance = pd.Series(variances, index=usable.index)
    positive = variance > 0
    if positive.sum() < FEWEST_POOLED:
        return None, assumed
    pooled = pooling_table(usable["lift"][positive], variance[positive], assumed, hardest.alpha, hardest.sides)
    return pooled, assumed
