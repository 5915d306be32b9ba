"""What a plan assumes and where it does not hold, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, number, percent

__all__ = ["plan_warnings"]

# Fewer than so many events in an arm and the normal approximation of a proportion is not to be trusted.
FEWEST_EVENTS = 30


def plan_warnings(
    result: pd.DataFrame,
    table: pd.DataFrame,
    shares: Mapping[str, Fraction],
    metric: str,
    weekly: pd.Series[Any] | None,
    max_weeks: float | None,
) -> list[str]:
    found = []
    impossible = result.index[result["n_needed"].isna()]
    if len(impossible):
        found.append(
            f"no number of customers shows the lift in {name_some(impossible)}: the treated would lie outside 0 to 1, "
            "or the lift is too small to be seen by anybody."
        )
    if metric == "proportion":
        treated = table["mean"] + table["lift"]
        rarest = np.minimum(np.minimum(table["mean"], 1 - table["mean"]), np.minimum(treated, 1 - treated))
        events: pd.Series[Any] = result["n_needed"].astype("float64") * float(min(shares.values())) * rarest
        few = result.index[(events < FEWEST_EVENTS) & result["n_needed"].notna()]
        if len(few):
            found.append(
                f"an experiment of the size needed would have fewer than {FEWEST_EVENTS} events (or non-events) in an "
                f"arm of {name_some(few)}: the normal approximation is rough there. Plan for more customers, or test "
                "exactly."
            )
    elif min(shares.values()) < Fraction(1, 3) and len(shares) == 2:
        found.append(
            f"with one arm of {percent(float(min(shares.values())))} the skewness of money does not cancel: the test's "
            "tails are rough unless the smaller arm is large."
        )
    if metric == "ratio":
        found.append(
            "the ratio is planned by the delta method: arms of less than a few hundred customers are too small."
        )
    if "variance_kept" in result:
        least = result["variance_kept"].min()
        found.append(
            f"the covariate is taken to leave {number(least)} to {number(result['variance_kept'].max())} of the "
            "variance: that holds only if the analysis adjusts for it."
        )
    if weekly is not None and max_weeks is not None and (result["n_available"] > result["n_customers"]).any():
        more = result.index[result["n_available"] > result["n_customers"]]
        found.append(
            f"traffic brings more customers in {max_weeks:g} weeks than the profile has in {name_some(more)}: right "
            "for newcomers, not for the same people coming twice."
        )
    return found
