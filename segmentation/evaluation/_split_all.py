"""The split tests of all segments together, corrected for being many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._progress import progress
from segmentation._validation import as_customers
from segmentation.evaluation._granularity_input import Inputs
from segmentation.evaluation._split import SplitTest, try_split
from segmentation.evaluation._split_actions import KnownActions, ObservedActions, try_action_split
from segmentation.evaluation._split_rules import candidates_of, check_features
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.governance._association import holm

__all__ = ["SPLIT", "UNPROVEN", "SplitSettings", "split_segments"]

SPLIT = "split"
UNPROVEN = "not shown to be worth it"
NOT_FOUND = "none found"
NOTHING = "nothing to try"
COLUMNS = (
    "segment", "outcome", "rule", "column_share", "n_inside", "n_outside", "direction", "difference", "difference_low",
    "margin", "gain", "gain_low", "action_inside", "action_outside", "action_common", "p_value", "p_adjusted",
    "p_worth_adjusted", "decision",
)  # fmt: skip


@dataclass(frozen=True)
class SplitSettings:
    """How splits are looked for; ``least`` is the smallest size of a part per segment."""

    alpha: float
    n_halvings: int
    n_permutations: int | None
    least: dict[str, float]


def split_segments(
    inputs: Inputs,
    features: Any,
    actions: Any,
    margins: dict[Any, float],
    costs: dict[str, float],
    settings: SplitSettings,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[str]]:
    """Try to split each segment; return the table of `GranularityReport` and what to note beside it."""
    if features is None:
        if actions is not None:
            raise ValueError("actions= is for judging splits, and there are no features= to split on: give both.")
        return pd.DataFrame(columns=list(COLUMNS)), []
    table, notes = _features_of(features, inputs)
    outcomes = list(inputs.outcomes.columns)
    known = None
    if actions is not None:
        known, labels, more = _actions_of(actions, inputs)
        notes += more
        outcomes = outcomes if isinstance(known, pd.Series) else ["actions"]
        if isinstance(known, pd.Series) and len(outcomes) > 1:
            raise ValueError(
                f"actions= judges splits by one outcome, the money, and there are {len(outcomes)}: "
                f"{name_some(outcomes)}. Give that one, or a table of customers by actions with what each brings in."
            )
    else:
        notes.append(
            "a split is judged by the margin: whether such a difference between its parts would change what you do is "
            "yours to say, because no outcomes of different actions were given (actions=)."
        )
    n_tests = len(inputs.segments) * len(outcomes)
    most = settings.n_permutations or max(999, math.ceil(4 * n_tests / settings.alpha))
    has_actions = np.ones(len(table), dtype=bool)
    if known is not None:
        has_actions = pd.DataFrame(known).notna().all(axis=1).to_numpy()
    rows = []
    for code, segment in enumerate(progress(inputs.segments, what="looking for splits")):
        inside = inputs.codes == code
        for outcome in outcomes:
            values: Any = inputs.outcomes[outcome].to_numpy() if outcome in inputs.outcomes else None
            usable = inside.copy()
            if values is not None:
                usable &= np.isfinite(values)
            usable &= has_actions
            least = settings.least[segment]
            enough = int(usable.sum()) if math.isfinite(least) else 0
            cuts = candidates_of(table[usable], math.ceil(least)) if enough >= 2 * least else None
            result: SplitTest | None = None
            if cuts is not None and cuts.inside.shape[1]:
                common: dict[str, Any] = {
                    "alpha": settings.alpha,
                    "n_halvings": settings.n_halvings,
                    "n_permutations": most,
                    "rng": rng,
                }
                if known is None:
                    result = try_split(values[usable], cuts, margin=margins[outcome], **common)
                else:
                    of_segment = (
                        ObservedActions(values[usable], labels.get_indexer(known[usable]), len(labels))
                        if isinstance(known, pd.Series)
                        else KnownActions(known[usable].to_numpy())
                    )
                    result = try_action_split(
                        of_segment, list(labels), cuts, cost_per_customer=costs[segment] / enough, **common
                    )
            rows.append(_row(segment, outcome, result, int(usable.sum()), margins.get(outcome, math.nan)))
    result_table = pd.DataFrame(rows)
    result_table["p_adjusted"] = holm(result_table["p_value"].to_numpy())
    result_table["p_worth_adjusted"] = holm(result_table.pop("p_worth").to_numpy())
    found = result_table["p_adjusted"] < settings.alpha
    worth = found & (result_table["p_worth_adjusted"] < settings.alpha)
    tried = result_table["rule"].notna()
    result_table["decision"] = np.select([worth, found, tried], [SPLIT, UNPROVEN, NOT_FOUND], NOTHING)
    nothing = result_table.loc[~tried, "segment"].unique()
    if len(nothing):
        notes.append(
            f"no split could be tried in {count(len(nothing), 'segment')} ({name_some(nothing)}): parts would be under "
            "the smallest size, or have too few customers with an outcome other than the commonest."
        )
    return result_table[list(COLUMNS)], notes


def _row(segment: str, outcome: Any, test: SplitTest | None, n: int, margin: float) -> dict[str, Any]:
    actions = (None, None, None) if test is None or test.actions is None else test.actions
    return {
        "segment": segment,
        "outcome": outcome,
        "rule": None if test is None else test.rule,
        "column_share": math.nan if test is None else test.column_share,
        "n_inside": 0 if test is None else test.n_inside,
        "n_outside": n if test is None else n - test.n_inside,
        "direction": None if test is None or not test.direction else test.direction,
        "difference": math.nan if test is None else test.difference,
        "difference_low": math.nan if test is None else test.difference_low,
        "margin": margin,
        "gain": math.nan if test is None else test.gain,
        "gain_low": math.nan if test is None else test.gain_low,
        "action_inside": actions[0],
        "action_outside": actions[1],
        "action_common": actions[2],
        "p_value": 1.0 if test is None else test.p_value,
        "p_worth": 1.0 if test is None else test.p_worth,
    }


def _features_of(features: Any, inputs: Inputs) -> tuple[pd.DataFrame, list[str]]:
    """Return the features in the order of the customers; those without are missing in all of them."""
    if isinstance(features, pd.Series):
        features = features.to_frame("feature" if features.name is None else features.name)
    if not is_frame(features):
        raise TypeError(f"features must be a table with one row per customer, got {kind_of(features)}.")
    table = as_customers(features)
    if not len(table.columns):
        raise ColumnError("features has no column beside the ids.")
    check_features(table)
    index = inputs.outcomes.index
    absent = len(index.difference(table.index))
    if absent == len(index):
        raise CustomerTableError(
            f"no customer of the assignment is in features: ids look like {name_some(index[:3])} and "
            f"{name_some(table.index[:3])}."
        )
    notes = [f"{count(absent, 'customer')} not in features, missing in all of them."] if absent else []
    outside = len(table.index.difference(index))
    if outside:
        notes.append(f"{count(outside, 'customer')} of features in no segment, left out.")
    return table.reindex(index), notes


def _actions_of(actions: Any, inputs: Inputs) -> tuple[pd.Series[Any] | pd.DataFrame, pd.Index, list[str]]:
    """Return actions in the order of the customers, their labels, and what they rest on."""
    index = inputs.outcomes.index
    if isinstance(actions, pd.Series):
        if actions.index.has_duplicates:
            raise CustomerTableError("customers stand twice in actions.")
        known: Any = actions.astype(object).reindex(index)
        labels = pd.Index(pd.unique(known.dropna()), dtype=object)
        labels = labels.sort_values() if len({type(label) for label in labels}) == 1 else labels
        kind = "the gain of a split takes actions= as given at random within each segment."
    elif is_frame(actions):
        table = as_customers(actions)
        try:
            known = table.astype("float64").reindex(index)
        except (TypeError, ValueError) as error:
            raise ColumnError(f"a table of actions has what each brings in, in numbers: {error}.") from error
        labels = known.columns
        kind = "the gain of a split takes the worth of each action per customer (actions=) as known without error."
    else:
        raise TypeError(
            f"actions must be a Series of actions or a table of customers by actions, got {kind_of(actions)}."
        )
    if len(labels) < 2:
        raise ValueError(f"actions needs at least two different actions, got {name_some(labels) or 'none'}.")
    missing = int((known.isna() if isinstance(known, pd.Series) else known.isna().any(axis=1)).sum())
    notes = [kind] + ([f"{count(missing, 'customer')} without an action, left out of the splits."] if missing else [])
    return known, labels, notes
