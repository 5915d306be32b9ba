"""What a plan is made from: choices checked, baselines put to segments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation.experiments._plan_input import baseline_table, check_table, is_number, per_segment

__all__ = ["check_choices", "control_arm", "plan_inputs"]

METRICS = ("proportion", "mean", "ratio")
CORRECTIONS = ("bonferroni", "holm", "none")
TABLE_COLUMNS = ("mean", "sd", "sd_se", "n_known", "covariate_correlation")


def check_choices(metric: Any, correction: Any, max_weeks: Any, traffic: Any, privacy_minimum: Any) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {name_some(METRICS)}, got {metric!r}.")
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {name_some(CORRECTIONS)}, got {correction!r}.")
    if max_weeks is not None and (not is_number(max_weeks) or not 0 < max_weeks < math.inf):
        raise ValueError(f"max_weeks must be a number above 0, got {max_weeks!r}.")
    if max_weeks is not None and traffic is None:
        raise ValueError("max_weeks= needs traffic=, the customers who can enter per week.")
    if isinstance(privacy_minimum, bool) or not isinstance(privacy_minimum, int | np.integer) or privacy_minimum < 0:
        raise ValueError(f"privacy_minimum must be a whole number of at least 0, got {privacy_minimum!r}.")


def control_arm(control: str | None, shares: Mapping[str, Fraction]) -> str:
    if control is None:
        return "control" if "control" in shares else next(iter(shares))
    if control not in shares:
        raise ValueError(f"control must be one of the arms {name_some(shares)}, got {control!r}.")
    return control


def plan_inputs(
    sizes: pd.DataFrame, metric: str, baseline: Any, sd: Any, covariate_correlation: Any
) -> tuple[pd.DataFrame, list[str]]:
    """Return mean, sd, n_known and covariate_correlation of the segments that have a baseline, and notes."""
    if isinstance(baseline, str):
        column = per_segment(baseline, sizes.index, "baseline", sizes)
        table = column.to_frame("mean")
        known = baseline.removesuffix("_mean") + "_n"
        if baseline.endswith("_mean") and known in sizes.columns:
            table["n_known"] = sizes[known].astype("float64")
    elif is_number(baseline) or (is_frame(baseline) and list(getattr(baseline, "index", [])) == ["all"]):
        one = baseline_table(baseline, TABLE_COLUMNS).iloc[0]
        table = pd.DataFrame({name: one[name] for name in one.index}, index=sizes.index)
    else:
        table = baseline_table(baseline, TABLE_COLUMNS)
        missing = [name for name in sizes.index if name not in table.index and sizes.loc[name, "n_customers"] > 0]
        if missing:
            raise ValueError(
                f"baseline has nothing for {name_some(missing)}; it has {name_some(table.index)}. Take segments that "
                "are not in the experiment out of the profile."
            )
        table = table.reindex(sizes.index)
    if sd is not None:
        table["sd"] = per_segment(sd, table.index, "sd", sizes)
    if metric == "proportion" and "sd" in table:
        raise ValueError("a proportion has no sd: its spread follows from the baseline. For a mean: metric='mean'.")
    if metric != "proportion" and "sd" not in table:
        how = (
            "outcome_baseline(...)" if metric == "mean" else "ratio_baseline(...) or outcome_baseline(denominator=...)"
        )
        raise ValueError(f"a {metric} needs the sd of a customer's outcome: sd=..., or a baseline from {how}.")
    if covariate_correlation is not None:
        table["covariate_correlation"] = per_segment(covariate_correlation, table.index, "covariate_correlation", sizes)
    empty = (sizes["n_customers"] == 0) & table.isna().any(axis=1)
    notes = []
    if empty.any():
        notes.append(
            f"{count(int(empty.sum()), 'segment')} without customers left out: {name_some(table.index[empty])}."
        )
        table = table[~empty]
    if not len(table):
        raise ValueError("no segment has customers: there is nothing to plan.")
    check_table(table)
    if "covariate_correlation" in table and not (table["covariate_correlation"].abs() < 1).all():
        where = table.index[~(table["covariate_correlation"].abs() < 1)]
        raise ValueError(f"covariate_correlation must lie between -1 and 1; it does not for {name_some(where)}.")
    return table.copy(), notes
