"""Are there too many segments, or too few: by what people who act on them would do differently."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation.evaluation._equivalence import LEAST_EVENTS, Levels, Moments, compare_pairs, decide, moments_of
from segmentation.evaluation._equivalence_groups import group_equivalent, merge_table
from segmentation.evaluation._granularity_input import (
    Inputs,
    cut_along,
    read_inputs,
    read_margins,
    read_per_segment,
    read_sizes,
    read_stability,
    refuse_forming,
)
from segmentation.evaluation._granularity_report import GranularityReport
from segmentation.evaluation._granularity_verdict import segment_table, why_undecided
from segmentation.evaluation._split_all import SPLIT, SplitSettings, split_segments
from segmentation.governance._anonymity import MINIMUM

__all__ = ["review_granularity"]

# More customers than this are as good as none: nobody has them.
MOST_NEEDED = 1e15


def review_granularity(
    assignment: Any,
    outcomes: Any,
    *,
    margin: Any,
    min_size: Any = None,
    running_cost: Any = 0.0,
    features: Any = None,
    formed_by: Any = None,
    actions: Any = None,
    stability: Any = None,
    min_stability: float = 0.6,
    alpha: float = 0.05,
    power: float = 0.9,
    n_halvings: int = 10,
    n_permutations: int | None = None,
    privacy_minimum: int = MINIMUM,
    random_state: Any = None,
) -> GranularityReport:
    """Ask which segments could be merged without anybody deciding differently, and which should be two.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`.
    outcomes : Series, dataframe or array
        What is decided by, per customer: money of the time after the segments were formed, a response, a count. Several
        columns are several outcomes; segments are merged only if they are equivalent in all of them. An array is taken
        in the order of the assignment. A missing value leaves the customer out of that outcome.
    margin : number, or mapping of outcome to number
        Largest difference of two segments' means, per customer and in the outcome's unit, that would change nothing you
        do. No default can know it: see docs/granularity.md.
    min_size : int, mapping, Series or MinimumSize, optional
        Fewest customers of a segment, as `experiments.minimum_segment_size` gives it for the experiment you mean to
        run. By default the privacy minimum only.
    running_cost : number, or mapping of segment to number, default=0
        What running a segment of its own costs, in money: own text, own offer, own report.
    features : dataframe, optional
        What segments may be split on: numbers, true/false, categories; one row per customer. Without it no split is
        looked for. What formed the segments may be among them, an outcome may not.
    formed_by : names or dataframe, optional
        What formed the segments. An outcome that is among it, or follows from it, is refused. A table is searched by
        values too, names only by name.
    actions : Series or dataframe, optional
        What was done: a Series of the action that each customer got **at random within each segment**; or a table of
        customers by actions with what each would bring in. Then a split is judged by the gain of acting differently
        on its parts, else by the margin.
    stability : StabilityReport, dataframe or Series, optional
        From `segment_stability` of this segmentation; medians per segment are compared with `min_stability`.
    min_stability : float, default=0.6
        Below it a segment is called unstable (Hennig 2007 and his package fpc: under .6 not to be trusted).
    alpha : float, default=0.05
        Chance of any wrong decision about pairs in a report: half of it for a wrong "equivalent", half for a wrong
        "different"; and as much again for a wrong split.
    power : float, default=0.9
        A pair is called equivalent only where the data would find equal segments equivalent this often: the margin must
        be at least 3.6 standard errors of the difference.
    n_halvings : int, default=10
        Times that a segment is cut into random halves which find and test a split for each other.
    n_permutations : int, optional
        Most permutations of each such test; by default enough for the correction, 999 at least.
    privacy_minimum : int, default=10
        No segment, and no part of one, may be smaller.
    random_state : int or Generator, optional
        A number makes the report repeatable. Only splits depend on it.

    Returns
    -------
    GranularityReport

    Raises
    ------
    ColumnError
        If an outcome formed the segments, is among the features, or is not numeric.
    CustomerTableError, AssignmentError, TypeError, ValueError
        If tables do not fit together, or a figure is impossible.

    Notes
    -----
    *Too many.* Every two segments are compared by two one-sided tests (Schuirmann 1987), studentised with a variance
    for each segment and with Hall's (1992) transformation against skewness (at most .15 of it); Holm's correction is
    over all pairs that are not clearly apart (Romano, Shaikh and Wolf 2014). A pair is "equivalent" if it is within the
    margin in every outcome, "different" if it is beyond it in any (corrected over pairs and outcomes), and else "cannot
    tell", with the customers that it would take: never a merge or a keep by default. It cannot tell either where a
    segment has fewer than 20 customers whose outcome is other than its commonest (for money: other than zero). Groups
    are merged only if every two of their segments are equivalent. Zero-inflated lognormal money and sizes of 1 : 20
    raise the chance of a wrong merge of two segments that differ by exactly the margin from 2.5 % to about 5 %
    (benchmarks/bench_granularity.py).

    *Too few.* Half of a segment's customers find the cut with the largest studentised difference, the other half tests
    it by a studentised permutation test (Janssen 1997; Chung and Romano 2013), and the other way round, `n_halvings`
    times; twice the median of the p-values is a valid p-value however they depend (DiCiccio, DiCiccio and Romano 2020).
    Holm corrects over segments and outcomes. A split is recommended if there is a difference by that test *and* it is
    shown to exceed the margin (or with `actions`: there is a gain, and it exceeds the running cost). No split found is
    no proof that there is none. A segment that should be split is in no merge group: it is not the same throughout.

    References
    ----------
    Schuirmann (1987), doi:10.1007/BF01068419. Hall (1992), J. Royal Statistical Society B 54, 221-228. Zhou and Dinh
    (2005), Biostatistics 6, 187-200. Romano, Shaikh and Wolf (2014), doi:10.3982/ECTA11011. Janssen (1997),
    doi:10.1016/S0167-7152(97)00043-6. Chung and Romano (2013), doi:10.1214/13-AOS1090. DiCiccio, DiCiccio and Romano
    (2020), doi:10.1016/j.spl.2020.108865. Hennig (2007), doi:10.1016/j.csda.2006.11.025.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.evaluation import review_granularity
    >>> rng = np.random.default_rng(0)
    >>> ids = pd.RangeIndex(6000, name="customer_id")
    >>> segments = pd.Series(np.repeat(["a", "b", "c"], 2000), index=ids)
    >>> spend = pd.Series(rng.gamma(2, np.repeat([10, 10, 15], 2000)), index=ids, name="spend")
    >>> report = review_granularity(segments, spend, margin=3, running_cost=500)
    >>> report.table["verdict"].to_dict()
    {'a': 'merge', 'b': 'merge', 'c': 'keep'}
    >>> report.merges[["merged", "n_customers", "saves"]].to_dict("records")
    [{'merged': 'a + b', 'n_customers': 4000, 'saves': 500.0}]
    >>> report.apply(segments)["segment"].value_counts().to_dict()
    {'a + b': 4000, 'c': 2000, 'unassigned': 0}
    """
    _check_settings(alpha, power, min_stability, n_halvings, n_permutations, privacy_minimum)
    inputs = read_inputs(assignment, outcomes)
    notes = [
        *refuse_forming(inputs.outcomes, formed_by, "formed_by"),
        *refuse_forming(inputs.outcomes, features, "features"),
    ]
    margins = read_margins(margin, inputs.outcomes.columns)
    costs = read_per_segment(running_cost, inputs.segments, "running_cost")
    wanted = read_sizes(min_size, inputs.segments, privacy_minimum)
    medians = read_stability(stability, inputs.segments)
    levels = Levels(alpha, power)
    splits, of_splits = split_segments(
        inputs,
        features,
        actions,
        margins,
        costs,
        SplitSettings(alpha, n_halvings, n_permutations, wanted),
        np.random.default_rng(random_state),
    )
    rows, moments = _decided(inputs, margins, levels)
    pairs = _readable(rows, moments, inputs.segments)
    to_split = splits.loc[splits["decision"] == SPLIT, "segment"].map(inputs.segments.index)
    same_throughout = ~(rows["first"].isin(to_split) | rows["second"].isin(to_split))
    groups = group_equivalent(rows[same_throughout], len(inputs.segments))
    merges = merge_table(groups, inputs.segments, rows, inputs.sizes, costs)
    table = segment_table(inputs, pairs, merges, splits, wanted, medians, min_stability)
    settings = {
        "margin": margins,
        "running_cost": running_cost,
        "min_size": wanted,
        "alpha": alpha,
        "power": power,
        "margin_in_se_at_least": levels.gate,
        "least_events": LEAST_EVENTS,
        "min_stability": min_stability if medians else None,
        "n_halvings": n_halvings,
        "n_permutations": n_permutations,
        "privacy_minimum": privacy_minimum,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
        "n_customers": len(inputs.codes),
    }
    warnings = [*inputs.notes, *notes, *_doubts(inputs, formed_by), *of_splits]
    return GranularityReport(table, pairs, merges, splits, settings, tuple(warnings))


def _decided(inputs: Inputs, margins: dict[Any, float], levels: Levels) -> tuple[pd.DataFrame, dict[Any, Moments]]:
    """Compare and decide all pairs of segments that have customers; return them by code, and the moments."""
    there = np.flatnonzero(inputs.sizes > 0)
    parts, moments = [], {}
    for name in inputs.outcomes.columns:
        values = inputs.outcomes[name].to_numpy()
        known = np.isfinite(values)
        moments[name] = moments_of(values[known], inputs.codes[known], len(inputs.segments))
        compared = compare_pairs(moments[name], margins[name], name)
        parts.append(compared[compared["first"].isin(there) & compared["second"].isin(there)])
    return decide(pd.concat(parts, ignore_index=True), levels), moments


def _readable(rows: pd.DataFrame, moments: dict[Any, Moments], segments: Sequence[str]) -> pd.DataFrame:
    """Name the segments, and say how many customers of each an undecided pair needs."""
    columns: dict[str, list[float]] = {"n_first": [], "n_second": [], "n_first_needed": [], "n_second_needed": []}
    for row in rows.to_dict("records"):
        known = moments[row["outcome"]]
        sides = ("first", "second")
        events = [known.n_events[row[side]] for side in sides]
        for side, own in zip(sides, events, strict=True):
            n, times = known.n[row[side]], row["times_needed"]
            if row["few_events"]:  # at the rate of events seen; where one has none, no number of the other decides
                times = max(1.0, LEAST_EVENTS / own) if min(events) else math.inf
            columns[f"n_{side}"].append(n)
            needed = n * times - 1e-9 if math.isfinite(times) else math.inf
            columns[f"n_{side}_needed"].append(math.ceil(needed) if needed < MOST_NEEDED else math.nan)
    names = np.array(segments, dtype=object)
    result = pd.DataFrame(
        {
            "first": names[rows["first"].to_numpy(dtype=int)],
            "second": names[rows["second"].to_numpy(dtype=int)],
            "outcome": rows["outcome"],
            "difference": rows["difference"],
            "difference_low": rows["difference_low"],
            "difference_high": rows["difference_high"],
            "margin": rows["margin"],
            "margin_in_se": rows["margin_in_se"],
            "decision": rows["decision"],
            "p_equivalent": rows["p_adjusted_equivalent"],
            "p_different": rows["p_adjusted_different"],
            "level": rows["level"],
            **columns,
            "reason": [why_undecided(row) for _, row in rows.iterrows()],
        }
    )
    return result.astype(dict.fromkeys(columns, "Int64"))


def _doubts(inputs: Inputs, formed_by: Any) -> list[str]:
    """Return what to doubt about the outcomes."""
    found = [
        f"the segments are intervals of {name!r}, one above the other: if it formed them, ignore what is said of it."
        for name in inputs.outcomes.columns
        if cut_along(inputs.codes, inputs.outcomes[name].to_numpy())
    ]
    if formed_by is None:
        found.append(
            "formed_by= does not say what formed the segments, so nobody checked that no outcome did; segments cut "
            "along an outcome differ in it by construction."
        )
    empty = [name for name, size in zip(inputs.segments, inputs.sizes, strict=True) if not size]
    if empty:
        found.append(f"{count(len(empty), 'segment')} without customers, compared with nobody: {', '.join(empty[:5])}.")
    return found


def _check_settings(
    alpha: Any, power: Any, min_stability: Any, n_halvings: Any, n_permutations: Any, privacy_minimum: Any
) -> None:
    for name, value, low, high in (
        ("alpha", alpha, 0, 0.5),
        ("power", power, 0, 1),
        ("min_stability", min_stability, -1e-9, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low < value < high:
            raise ValueError(f"{name} must be a number between {max(low, 0):g} and {high:g}, got {value!r}.")
    for name, value, least in (
        ("n_halvings", n_halvings, 1),
        ("n_permutations", n_permutations, 99),
        ("privacy_minimum", privacy_minimum, 1),
    ):
        if value is None and name == "n_permutations":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
