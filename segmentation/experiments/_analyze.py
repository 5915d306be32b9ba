"""Analyse an experiment over segments: trust, interaction, all customers, and only then each segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._frames import kind_of
from segmentation.experiments._analyze_aggregates import ExperimentAggregates, aggregate_experiment
from segmentation.experiments._analyze_anytime import (
    anytime_interaction,
    anytime_notes,
    at_any_time,
    check_anytime,
    detectable_at_any_time,
)
from segmentation.experiments._analyze_estimates import Compared, Estimator, Rows
from segmentation.experiments._analyze_family import check_correction, corrected_family
from segmentation.experiments._analyze_input import Request, check_request, of_aggregates, untrimmed
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._analyze_notes import cluster_unit, data_notes
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._analyze_pooled import differing_words
from segmentation.experiments._analyze_result import ExperimentAnalysis
from segmentation.experiments._analyze_table import comparison_table
from segmentation.experiments._analyze_words import headline
from segmentation.experiments._interaction import interaction_test
from segmentation.experiments._moments import Floats
from segmentation.experiments._sample_ratio import check_ratio, planned_shares, ratio_notes
from segmentation.governance._association import holm

__all__ = ["analyze_experiment"]


def analyze_experiment(
    data: Any,
    *,
    segment: str | None = None,
    arm: str | None = None,
    outcomes: Any = None,
    control: Any,
    covariates: Sequence[str] | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    shares: Any = None,
    adjust: str = "auto",
    variance: str = "auto",
    overall: str = "auto",
    segments_from: Iterable[str] | None = None,
    held_out: str | None = None,
    power: float = 0.8,
    correction: str = "holm",
    anytime: bool | float = False,
) -> ExperimentAnalysis:
    """Say what a randomized experiment shows, over all customers and by segment.

    In this order: whether the arms got the customers they were planned to get; whether the effect differs between
    segments at all; the effect on all customers; the effect in each segment, corrected for being many.

    Parameters
    ----------
    data : dataframe or ExperimentAggregates
        One row per customer (pandas, polars eager or lazy, pyarrow, DuckDB, ...), or what `aggregate_experiment` made.
        Where there is a column (or pandas index) ``customer_id``, rows that repeat one are counted and said.
        Both give the same figures. Rows without an arm are left out and counted; rows without a segment, or in the
        segment "unassigned", count for all customers but not as a segment.
    segment, arm : str
        Columns. With aggregates they are known.
    outcomes : str, Outcome, or several
        Columns to compare, see `Outcome` for ratios, logs, caps and trimming. Columns of 0 and 1 (or False and True)
        are proportions, others means. With aggregates, names to choose from them; all by default. A missing outcome
        leaves its customer out for that outcome.
    control : str
        The arm that the others are compared with.
    covariates : sequence of str, optional
        Columns known before the experiment. A missing one counts as the mean of all customers.
    cluster : str, optional
        Column of what was randomized or moves together (household, store). Standard errors then allow for any
        dependence within a cluster.
    level : float, default=0.95
        Of the intervals; 1 - level is the level of the tests.
    shares : mapping, optional
        Planned share of each arm, or segment to such a mapping. Equal shares by default, which the warnings say.
    adjust : {"auto", "lin", "cuped", "none"}, default="auto"
        What covariates are used for. "lin" ("auto" with covariates): a regression in every arm (Lin 2013). "cuped": one
        slope for all arms, for the same column before the experiment (Deng et al. 2013).
    variance : {"auto", "arms", "hc2", "hc3", "cr2", "cr1"}, default="auto"
        "arms" ("auto"): each arm has its own variance, Welch's where nothing is adjusted; needs only aggregates.
        "hc2", "hc3": each customer the own squared residual; needs rows. "cr2" ("auto" with `cluster`): bias-reduced,
        with degrees of freedom of Bell and McCaffrey; "cr1": the plain sandwich with clusters - 1.
    overall : {"auto", "plain", "stratified"}, default="auto"
        Effect on all customers: of the arms as they are, or the mean of the segments' effects by their customers.
        "auto" is stratified where `shares` differ by segment, because the plain difference then mixes segments.
    segments_from : iterable of str, optional
        The columns that the segments were made from. If one is an outcome the analysis is refused, because segments
        learnt from the outcome differ in it by construction, unless `held_out` names customers who were not learnt
        from.
    held_out : str, optional
        Column that is true for customers the segments were not learnt from; only they are analysed (an honest split).
    power : float, default=0.8
        For ``detectable_lift``.
    correction : {"holm", "bonferroni", "sidak", "bh", "by"}, default="holm"
        Over segments x outcomes x arms, see `correct_comparisons`; tests of a difference between segments are in the
        family too, see Notes.
    anytime : bool or number, default=False
        True for those who look while the experiment runs: bounds and p-values then hold at every look, see
        `confidence_sequence`. A number: of customers in both arms at which bounds shall be tightest (True: 1,000).

    Returns
    -------
    ExperimentAnalysis

    Raises
    ------
    ColumnError, CustomerTableError, TypeError, ValueError
        If columns are missing or no numbers, an arm is unknown, options contradict, or what is asked needs rows.

    Notes
    -----
    **Proportions** have score intervals of Miettinen and Nurminen (1985, doi:10.1002/sim.4780040211), for difference
    and ratio; the standard error is that of unequal proportions. **Means** have Welch's. **Ratios** use the delta
    method. Relative lifts of means have Fieller's bounds. With covariates proportions are treated as means, and
    relative lifts are relative to control's adjusted mean. A cell with one customer has no standard error, and one
    without variation in either arm no interval; ``note`` says so. The interaction test compares lifts as differences:
    equal relative lifts over unequal baselines are an interaction here.

    **Claims about segments** are one family: that they differ, and that there is a lift in one of them. If nothing has
    an effect anywhere, the chance of any such claim is at most 1 - level; with ``correction="holm"`` or "bonferroni" so
    is the chance of any wrong one whatever the effects are. For every outcome and arm ``p_any`` comes first
    (no effect in any segment: twice the smaller of the interaction's p-value and the smallest of a segment times their
    number), and no ``p_adjusted`` is below it; then the interaction has its own p-value, and segments are corrected
    for being many. Where ``p_any`` is small the effects exist, and only one of the two further claims can be wrong, so
    they do not share the level (Shaffer 1986, doi:10.2307/2289016). Outcomes and arms share it.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import analyze_experiment
    >>> rows = pd.DataFrame({"tier": ["gold", "basic"] * 500, "arm": ["mail", "mail", "none", "none"] * 250,
    ...                      "bought": [1, 0, 0, 0, 1, 1, 1, 0, 0, 0] * 100})
    >>> found = analyze_experiment(rows, segment="tier", arm="arm", outcomes="bought", control="none")
    >>> found.overall[["control", "treated", "lift"]].round(3).to_dict("records")
    [{'control': 0.4, 'treated': 0.4, 'lift': 0.0}]
    """
    request = check_request(level, power, adjust, variance, overall, covariates, cluster, data)
    correction, tightest_at = check_correction(correction), check_anytime(anytime)
    aggregates = _aggregates(data, segment, arm, outcomes, covariates, cluster, held_out)
    learnt = _check_learnt(aggregates, segments_from)
    arms = _arms(aggregates, control, shares)
    segments = list(aggregates.segments)
    rows = _rows(data, request, aggregates, segment, arm, held_out, segments, arms)
    resolved = request.resolve(bool(aggregates.covariates), aggregates.clustered)
    estimator = Estimator(aggregates, segments, arms, resolved.adjust, resolved.variance, level, rows)

    counts, everyone = estimator.counts()
    planned, given, differs = planned_shares(shares, arms, segments)
    unit, ratio_counts, ratio_everyone = cluster_unit(estimator, counts, everyone)
    weights = ratio_counts.sum(axis=1)
    planned_all = planned.T @ weights / weights.sum() if weights.sum() else np.full(len(arms), 1 / len(arms))
    inside = ratio_counts.sum(axis=0) if differs else ratio_everyone
    ratio = check_ratio(ratio_counts, planned, segments, arms, inside, planned_all)

    stratify = overall == "stratified" or (overall == "auto" and differs)
    tables, tops, tests, pairs = [], [], [], []
    for outcome in aggregates.outcomes:
        for treated in range(1, len(arms)):
            by_segment = estimator.compare(outcome, 0, treated, overall=False)
            if stratify and segments:
                whole = estimator.over_segments(by_segment, counts.sum(axis=1))
            else:
                whole = estimator.compare(outcome, 0, treated, overall=True)
            lifts = by_segment.lifts
            test = interaction_test(lifts.lift, lifts.se, lifts.df)
            n, n_all = counts[:, [0, treated]].sum(axis=1), everyone[[0, treated]].sum(keepdims=True)
            if tightest_at is not None:
                by_segment = at_any_time(by_segment, n, level, tightest_at)
                whole = at_any_time(whole, n_all, level, tightest_at)
                test = anytime_interaction(test, lifts, float(n_all[0]), level, tightest_at)
            table = comparison_table(estimator, outcome, treated, by_segment, overall=False, power=power)
            top = comparison_table(estimator, outcome, treated, whole, overall=True, power=power, stratified=stratify)
            if tightest_at is not None:
                for made, of, size in ((table, by_segment, n), (top, whole, n_all)):
                    made["detectable_lift"] = detectable_at_any_time(of.lifts, size, level, tightest_at, power)
                    made["method"] = made["method"].str.replace(" (score)", "") + ", at any time"
            tables.append(table)
            tops.append(top)
            pairs.append((outcome, treated, by_segment, n))
            tests.append({"outcome": outcome.label, "arm": arms[treated], **vars(test)})
    interaction = pd.DataFrame(tests)
    if len(segments) < 2:
        interaction = interaction.iloc[:0]
    segment_table, overall_table = pd.concat(tables, ignore_index=True), pd.concat(tops, ignore_index=True)
    overall_table.insert(
        list(overall_table.columns).index("p_value") + 1, "p_adjusted", _holm(overall_table["p_value"])
    )
    interaction, segment_table, family = corrected_family(
        interaction, segment_table, correction, level, lambda each: _bounds(estimator, pairs, each, tightest_at)
    )

    settings = {
        "control": arms[0], "arms": arms, "outcomes": [outcome.label for outcome in aggregates.outcomes],
        "covariates": list(aggregates.covariates), "cluster": aggregates.settings.get("cluster"), "level": level,
        "power": power, "correction": correction, "family": family,
        "anytime": False if tightest_at is None else tightest_at, "adjust": resolved.adjust,
        "variance": resolved.variance,
        "overall": "stratified" if stratify else "plain", "shares_given": given, "segments_from": learnt,
        "held_out": aggregates.settings["held_out"], "n_customers": int(everyone.sum()), "n_segments": len(segments),
        "n_unassigned": int(everyone.sum() - counts.sum()), "n_without_arm": aggregates.settings["n_without_arm"],
        "n_not_held_out": aggregates.settings["n_not_held_out"],
        "n_repeated": aggregates.settings.get("n_repeated", 0),
        "from_rows": not isinstance(data, ExperimentAggregates),
    }  # fmt: skip
    notes = [*ratio_notes(ratio, arms, given=given, unit=unit), *data_notes(estimator, settings, counts, stratify)]
    notes += anytime_notes(tightest_at)
    trustworthy = not bool((ratio["verdict"] == "failed").any())
    text = headline(interaction, overall_table, segment_table, settings, trustworthy=trustworthy)
    found = ExperimentAnalysis(
        text,
        interaction,
        overall_table.drop(columns="kind"),
        segment_table.drop(columns="kind"),
        ratio,
        settings,
        tuple(notes),
    )
    return replace(found, headline="\n".join([text, *differing_words(found)]))


def _bounds(
    estimator: Estimator, pairs: list[tuple[Outcome, int, Compared, Floats]], level: float, tightest_at: float | None
) -> tuple[Floats, Floats]:
    """Bounds of all comparisons of segments at another level, by the method that made their estimates."""
    found = []
    for outcome, treated, compared, n in pairs:
        if tightest_at is not None:
            made = at_any_time(compared, n, level, tightest_at)
            found.append((made.low, made.high))
        elif compared.rel_bounds is None:
            found.append(compared.lifts.interval(level))
        else:  # scores of proportions
            made = replace(estimator, level=level).compare(outcome, 0, treated, overall=False)
            found.append((made.low, made.high))
    low, high = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    return low, high


def _aggregates(
    data: Any, segment: str | None, arm: str | None, outcomes: Any, covariates: Any, cluster: str | None,
    held_out: str | None,
) -> ExperimentAggregates:  # fmt: skip
    """Make aggregates from rows, with the moments of trimmed outcomes taken as those of the column."""
    if isinstance(data, ExperimentAggregates):
        return of_aggregates(data, outcomes, covariates, cluster, held_out)
    if segment is None or arm is None or outcomes is None:
        lacking = [
            name for name, value in (("segment", segment), ("arm", arm), ("outcomes", outcomes)) if value is None
        ]
        raise TypeError(f"rows need {name_some(lacking)}: name the columns (only aggregates know them).")
    stated, plain = untrimmed(outcomes)
    made = aggregate_experiment(
        data, segment=segment, arm=arm, outcomes=plain, covariates=covariates, cluster=cluster, held_out=held_out
    )
    return ExperimentAggregates(
        made.cells, made.moments, stated, made.covariates, made.segments, made.n_missing_covariates, made.settings
    )


def _rows(
    data: Any, request: Request, aggregates: ExperimentAggregates, segment: str | None, arm: str | None,
    held_out: str | None, segments: list[str], arms: list[str],
) -> Rows | None:  # fmt: skip
    """Read single customers where an estimate needs them."""
    trims = [outcome for outcome in aggregates.outcomes if outcome.trim is not None]
    sandwich = request.variance in ("hc2", "hc3")
    if not trims and not sandwich:
        return None
    if trims and (aggregates.clustered or aggregates.covariates):
        raise ValueError(
            f"{trims[0].label!r}: trimmed means are not adjusted for covariates and not made robust to clusters here. "
            "Analyse it in a call of its own without them, or use cap= (a fixed amount) instead of trim=."
        )
    if isinstance(data, ExperimentAggregates):
        raise ValueError(
            f"variance={request.variance!r} weighs the residual of every customer, which no aggregates hold: give "
            'rows, or use variance="arms".'
        )
    used = aggregates.outcomes if sandwich else tuple(trims)
    columns = [name for outcome in used for name in outcome.columns] + list(aggregates.covariates)
    return Rows.read(
        data,
        segment=str(segment),
        arm=str(arm),
        columns=columns,
        outcomes=used,
        held_out=held_out,
        segments=segments,
        arms=arms,
    )


def _arms(aggregates: ExperimentAggregates, control: Any, shares: Any) -> list[str]:
    """Return the arms, control first; a planned arm that nobody got is one too."""
    present = aggregates.arms
    planned: list[str] = []
    if isinstance(shares, dict) and shares:
        first = next(iter(shares.values()))
        planned = [str(label_of(name)) for name in (first if isinstance(first, dict) else shares)]
    name = str(label_of(control))
    if name not in present and name not in planned:
        raise ValueError(f"control must be one of the arms {name_some(present, 12)}, got {control!r}.")
    others = [arm for arm in dict.fromkeys([*present, *planned]) if arm != name]
    if not others:
        raise ValueError(f"every customer is in {name!r}: an experiment needs a second arm to compare it with.")
    return [name, *others]


def _check_learnt(aggregates: ExperimentAggregates, segments_from: Any) -> list[str] | None:
    """Refuse segments that were learnt from what they are now compared in."""
    if segments_from is None:
        return None
    if isinstance(segments_from, str):
        segments_from = [segments_from]
    if not isinstance(segments_from, Iterable):
        raise TypeError(f"segments_from lists the columns that segments were made from, got {kind_of(segments_from)}.")
    learnt = [str(name) for name in segments_from]
    clash = sorted({name for outcome in aggregates.outcomes for name in outcome.columns} & set(learnt))
    if clash and aggregates.settings["held_out"] is None:
        raise ValueError(
            f"the segments were learnt from {name_some(clash)}, an outcome of this experiment: they differ in it by "
            "construction, and chance would look like an effect. Learn them from data before the experiment; or "
            "learn them "
            "on one part of the customers, and name the column that is true for all others in held_out=; or leave this "
            "outcome out."
        )
    return learnt


def _holm(p_values: pd.Series[Any]) -> np.ndarray:
    """Correct the p-values that there are."""
    values = p_values.to_numpy(dtype=float)
    result = np.full(len(values), np.nan)
    known = np.isfinite(values)
    if known.any():
        result[known] = holm(values[known])
    return result
