"""Plan an experiment in segments: how many customers, how long, and what it will be able to show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation.experiments._plan_checks import check_choices, control_arm, plan_inputs
from segmentation.experiments._plan_input import check_shares, lifts, per_segment, profile_sizes
from segmentation.experiments._plan_pooling import holm_power
from segmentation.experiments._plan_power import SIDES, Comparison
from segmentation.experiments._plan_result import ExperimentPlan
from segmentation.experiments._plan_segments import plan_pooling, plan_row, plan_totals, weeks_of, with_range
from segmentation.experiments._plan_words import plan_warnings
from segmentation.experiments._randomize_hash import exact_share, exact_shares
from segmentation.governance._anonymity import MINIMUM

__all__ = ["plan_experiment"]


def plan_experiment(
    profile: Any,
    *,
    metric: str,
    baseline: Any,
    minimum_lift: Any = None,
    minimum_rel_lift: Any = None,
    sd: Any = None,
    covariate_correlation: Any = None,
    power: float = 0.8,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    arms: Any = ("control", "treated"),
    control: str | None = None,
    correction: str = "bonferroni",
    traffic: Any = None,
    max_weeks: float | None = None,
    holdout: Any = 0,
    between_sd: Any = None,
    privacy_minimum: int = MINIMUM,
) -> ExperimentPlan:
    """Tell how many customers an experiment needs in each segment, and what it can show with those there are.

    Parameters
    ----------
    profile : dataframe, Series or mapping
        From `segmentation.profile_segments`; an assignment, which is counted; or customers per segment.
    metric : {"proportion", "mean", "ratio"}
        What is compared: a share of customers, a mean per customer, or a ratio of two means (spend per order).
    baseline : number, mapping, Series, dataframe or str
        What untreated customers do: one number, one per segment, what `outcome_baseline` or `ratio_baseline` returns,
        or the name of a column of the profile.
    minimum_lift, minimum_rel_lift : number, mapping, Series or str
        Smallest difference (treated - control) worth finding: absolute, or as a share of the baseline. Exactly one of
        both; negative ones are allowed. For a proportion 0.02 is two percentage points.
    sd : number, mapping, Series or str, optional
        Standard deviation of a customer's outcome, zeros included (for a ratio: that of `ratio_baseline`). Needed for
        means and ratios unless the baseline has it.
    covariate_correlation : number, mapping, Series or str, optional
        Correlation of the outcome with a covariate from before, which the analysis will adjust for (CUPED, regression):
        the variance becomes 1 - correlation^2 of what it was. By default that of the baseline table, else 0.
    power : float, default=0.8
        Chance to find the lift in a segment where it is there.
    alpha : float, default=0.05
        Chance to find anything in an experiment where nothing works (with ``correction="none"``: per comparison).
    alternative : {"two-sided", "one-sided"}, default="two-sided"
    arms : mapping of name to share, or sequence of names, default=("control", "treated")
        As in `randomize`. Each treatment is compared with the control.
    control : str, optional
        By default "control", or the first arm.
    correction : {"bonferroni", "holm", "none"}, default="bonferroni"
        Over treatments times segments. Holm never finds less than Bonferroni, whatever the other lifts are: it is
        planned by Bonferroni, which is its guarantee, and ``power_holm`` says what it brings where all lifts are there.
    traffic : number, mapping, Series or str, optional
        Customers per week who can enter the experiment for the first time, per segment.
    max_weeks : float, optional
        With `traffic`: what can be shown is told for those who come in so many weeks, instead of all of the profile.
    holdout : number, default=0
        Share of customers who are held out of every experiment.
    between_sd : number or sequence, optional
        Assumed standard deviations of the true effects between segments, in the unit of the lift, for what partial
        pooling buys. By default 0, half the lift and the lift (median over the segments).
    privacy_minimum : int, default=10
        No segment needs fewer.

    Returns
    -------
    ExperimentPlan

    Raises
    ------
    ValueError, TypeError, ColumnError
        If a figure is impossible, both or no lifts are given, segments have no baseline, ...

    Notes
    -----
    Power and size are those of `minimum_segment_size`: proportions with the pooled variance under the null and separate
    ones under the alternative, means and ratios by the t test with equal variances, found in the right direction. With
    several treatments the segment is as large as the hardest comparison needs. A ratio uses the delta method with the
    spread of the untreated, for large samples. The correlation with the covariate is taken as known, and the same in
    all arms.

    `analyze_experiment` tests in the same family whether segments differ. Where several segments have the lift that
    costs next to nothing; where one has it alone, its p-value has to be below alpha / (2 comparisons): plan with half
    the `alpha` to be sure of that case too.

    The size for all customers together is that of an analysis stratified by segment, the segments in their present
    shares, corrected for the treatments only: it shows the average lift, and not where it is.

    ``n_needed_low`` and ``n_needed_high`` (where the baseline says from how many customers it is) come from the 95 %
    interval of the baseline: Wilson's for a proportion, normal for mean and standard deviation (whose error is that of
    the data where the baseline has ``sd_se``, else that of normal data, which is less than that of money). They do not
    count that next month differs from last month.

    Examples
    --------
    >>> from segmentation.experiments import plan_experiment
    >>> plan = plan_experiment(
    ...     {"loyal": 20_000, "new": 6_000, "lapsed": 9_000}, metric="proportion",
    ...     baseline={"loyal": 0.18, "new": 0.10, "lapsed": 0.05}, minimum_lift=0.02, traffic=1_000)
    >>> plan.table[["n_needed", "n_available", "enough", "detectable_lift", "weeks"]].round(4)
             n_needed  n_available  enough  detectable_lift  weeks
    segment
    loyal       16110        20000    True           0.0179     17
    new         10248         6000   False           0.0265     11
    lapsed       5902         9000    True           0.0159      6
    >>> plan.too_small
    ['new']
    """
    check_shares(power, alpha, alternative)
    check_choices(metric, correction, max_weeks, traffic, privacy_minimum)
    sizes, notes = profile_sizes(profile)
    shares = exact_shares(arms)
    control = control_arm(control, shares)
    held = exact_share(holdout, "holdout")
    if not 0 <= held < 1:
        raise ValueError(f"holdout must be a share from 0 to below 1, got {float(held):g}.")
    table, left_out = plan_inputs(sizes, metric, baseline, sd, covariate_correlation)
    notes += left_out
    table["lift"] = lifts(minimum_lift, minimum_rel_lift, table, ("minimum_lift", "minimum_rel_lift"), sizes)
    table["n_customers"] = sizes["n_customers"].reindex(table.index)
    table["n_available"] = np.floor(table["n_customers"] * float(1 - held) + 1e-9)
    weekly = None
    if traffic is not None:
        weekly = per_segment(traffic, table.index, "traffic", sizes) * float(1 - held)
        if not (np.isfinite(weekly) & (weekly >= 0)).all():
            raise ValueError(
                f"traffic must be 0 or more customers per week, got {name_some(weekly / float(1 - held))}."
            )
        if max_weeks is not None:
            table["n_available"] = np.floor(weekly * max_weeks + 1e-9)
    treatments = [name for name in shares if name != control]
    m = 1 if correction == "none" else len(treatments) * len(table)
    comparisons = [
        Comparison(alpha / m, power, SIDES[alternative], float(shares[name] / shares[control])) for name in treatments
    ]
    share = float(shares[control])
    rows = [plan_row(row, comparisons, share, privacy_minimum, shares, control) for _, row in table.iterrows()]
    result = pd.DataFrame([row["figures"] for row in rows], index=table.index).astype({"n_needed": "Int64"})
    result = with_range(result, table, comparisons, share, minimum_rel_lift, metric, privacy_minimum)
    if correction == "holm":
        reached = np.array([row["powers"] for row in rows])
        ratio = np.array([comparison.ratio for comparison in comparisons])
        result["power_holm"] = holm_power(reached, ratio, alpha, SIDES[alternative]).min(axis=1)
    if weekly is not None:
        result["weeks"] = weeks_of(result["n_needed"], weekly)
    by_arm = pd.DataFrame([row["arms"] for row in rows], index=table.index, columns=list(shares)).astype("Int64")
    several = 1 if correction == "none" else len(treatments)
    alone = [replace(comparison, alpha=alpha / several) for comparison in comparisons]
    totals = plan_totals(result, table, shares, control, alone, weekly)
    pooling, assumed = plan_pooling(table, comparisons, shares, control, between_sd)
    settings = {
        "metric": metric,
        "power": power,
        "alpha": alpha,
        "alternative": alternative,
        "arms": {name: float(value) for name, value in shares.items()},
        "control": control,
        "correction": correction,
        "n_comparisons": m,
        "alpha_per_comparison": alpha / m,
        "holdout": float(held),
        "between_sd": assumed,
        "max_weeks": max_weeks,
        "privacy_minimum": privacy_minimum,
        "totals": totals,
    }
    notes += plan_warnings(result, table, shares, metric, weekly, max_weeks)
    return ExperimentPlan(result, by_arm, pooling, totals, settings, tuple(notes))
