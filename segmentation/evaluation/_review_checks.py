"""Checks of a segmentation as such: measurable, large enough, different, with something to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import get_tags

from segmentation._format import count, money, name_some, percent
from segmentation._frames import kind_of
from segmentation.assignment import UNASSIGNED
from segmentation.evaluation._describe import describe_segments
from segmentation.evaluation._review_base import (
    FEWEST,
    ReviewCheck,
    Status,
    customers_of,
    has,
    not_checked,
    sentence,
    whole,
    worst,
)
from segmentation.exceptions import ColumnError

__all__ = ["actionable", "differentiable", "measurable", "substantial"]

# Conventions, stated in the docstring of `review`.
FEW_UNASSIGNED, MANY_UNASSIGNED = 0.05, 0.25
SOME_MISSING, MANY_MISSING = 0.10, 0.50
SMALL_SHARE, SMALL_TOGETHER = 0.01, 0.10
WORTH_TIMES_COST = 2.0
NAMED = 5


def measurable(table: pd.DataFrame, segments: pd.DataFrame, model: Any, features: Any) -> ReviewCheck:
    """Ask whether customers can be placed: today's, those with missing values, tomorrow's."""
    question = "Can every customer be placed in a segment, also a new one?"
    unassigned = float((table["segment"] == UNASSIGNED).mean())
    status: list[Status] = [
        "pass" if unassigned <= FEW_UNASSIGNED else "warn" if unassigned <= MANY_UNASSIGNED else "fail"
    ]
    evidence = [
        f"{percent(unassigned)} of the customers are in no segment."
        if unassigned
        else "Every customer is in a segment."
    ]
    advice = []
    if status[0] != "pass":
        advice.append("say what becomes of the customers in no segment: a rule for the rest, or the nearest segment")
    figures: dict[str, Any] = {"share_unassigned": unassigned}
    if features is not None:
        known, without = customers_of(features, table, "features")
        missing = 1 - known.notna().sum() / len(table)
        most = float(missing.max()) if len(missing) else 0.0
        status.append("pass" if most <= SOME_MISSING else "warn" if most <= MANY_MISSING else "fail")
        figures |= {"share_missing": most, "n_without_features": without}
        if most:
            evidence.append(f"{missing.idxmax()!r} is missing for {percent(most)} of the customers.")
        else:
            evidence.append("No feature has a missing value.")
        if status[-1] != "pass":
            names = name_some(missing.index[missing > SOME_MISSING])
            advice.append(f"do not rest segments on what is seldom known: {names}; assignment_robustness says how many "
                          "customers would move with other values filled in")  # fmt: skip
    if model is not None:
        places = _places_new_customers(model)
        figures["places_new_customers"] = places
        status.append("pass" if places else "warn")
        evidence.append("New customers can be placed." if places else "New customers cannot be placed.")
        if not places:
            advice.append("learn a segmenter that predicts, or describe the segments by rules")
    return ReviewCheck("measurable", question, worst(status), " ".join(evidence), sentence(advice), figures)


def _places_new_customers(model: Any) -> bool:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    has(last, ("__sklearn_tags__",), "model", "fit: a fitted segmenter, or a pipeline that ends in one")
    tags = getattr(get_tags(last), "segmenter_tags", None)
    return hasattr(last, "predict") and (tags is None or tags.out_of_sample)


def substantial(
    table: pd.DataFrame, segments: pd.DataFrame, minimum_size: Any, values: Any, running_cost: Any
) -> ReviewCheck:
    """Ask whether segments are large enough, and worth what they cost."""
    question = "Is every segment large enough, and worth what it costs to serve?"
    if not whole(running_cost) or running_cost < 0:
        raise ValueError(f"running_cost must be a number of at least 0, got {running_cost!r}.")
    needed = _needed(segments, minimum_size, len(table))
    sizes = segments["n_customers"]
    small = sizes[sizes < needed]
    tiny = sizes[sizes < FEWEST]
    held = float(small.sum() / sizes.sum())
    segments["n_needed"] = needed
    status: list[Status] = ["pass" if small.empty else "warn" if tiny.empty and held <= SMALL_TOGETHER else "fail"]
    evidence, advice = [], []
    if small.empty:
        evidence.append(f"The smallest segment, {sizes.idxmin()}, has {count(int(sizes.min()), 'customer')}.")
    else:
        named = [f"{name} ({n:,} of {needed[str(name)]:,} customers needed)" for name, n in small.items()]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        evidence.append(
            f"Too small: {', '.join(named[:NAMED])}{more}, which {'holds' if len(small) == 1 else 'hold'} "
            f"{percent(held)} of the customers."
        )
        advice.append("put small segments together (governance.merge_small_segments) or ask for fewer")
    figures: dict[str, Any] = {
        "smallest": int(sizes.min()), "n_too_small": len(small), "share_too_small": held,
    }  # fmt: skip
    if values is not None:
        worth, without = _worth(table, segments, values)
        segments["value"] = worth
        figures |= {"lowest_value": float(worth.min()), "n_without_value": without}
        lowest = f"{worth.idxmin()} is worth least, {money(float(worth.min()))} in all"
        if running_cost:
            loss, thin = worth[worth < running_cost], worth[worth < WORTH_TIMES_COST * running_cost]
            status.append("fail" if len(loss) else "warn" if len(thin) else "pass")
            evidence.append(f"{lowest}, at a running cost of {money(float(running_cost))}.")
            if len(thin):
                advice.append(f"serve {name_some([str(n) for n in thin.index])} with another segment, or more cheaply")
        else:
            evidence.append(f"{lowest}.")
        if without:
            evidence.append(
                f"{count(without, 'customer')} without a value {'counts' if without == 1 else 'count'} as 0."
            )
    elif running_cost:
        raise ValueError("running_cost needs values: money per customer over the same period, such as a score table.")
    return ReviewCheck("substantial", question, worst(status), " ".join(evidence), sentence(advice), figures)


def _needed(segments: pd.DataFrame, minimum_size: Any, n_customers: int) -> pd.Series[Any]:
    if minimum_size is None:
        least: Any = max(FEWEST, math.ceil(SMALL_SHARE * n_customers))
        return pd.Series(least, index=segments.index)
    if isinstance(minimum_size, Mapping):
        unknown = [name for name in minimum_size if str(name) not in segments.index]
        absent = [name for name in segments.index if name not in {str(one) for one in minimum_size}]
        if unknown or absent:
            raise ColumnError(
                f"minimum_size must name every segment: not there {name_some(unknown)}; not named {name_some(absent)}."
            )
        needed = pd.Series({str(name): size for name, size in minimum_size.items()}).reindex(segments.index)
    else:
        needed = pd.Series(minimum_size, index=segments.index)
    wrong = [value for value in needed.tolist() if not whole(value) or value <= 0]
    if wrong:
        raise ValueError(f"minimum_size must be numbers of customers above 0, got {name_some(wrong)}.")
    return needed.map(math.ceil)


def _worth(table: pd.DataFrame, segments: pd.DataFrame, values: Any) -> tuple[pd.Series[Any], int]:
    """Return what each segment is worth, and how many customers in segments have no value."""
    known, _ = customers_of(values, table, "values")
    if not len(known.columns):
        raise ColumnError("values has no column beside the ids.")
    first = known.iloc[:, 0].infer_objects()
    if not pd.api.types.is_numeric_dtype(first.dtype) or pd.api.types.is_bool_dtype(first.dtype):
        raise ColumnError(f"values must be money; {first.name!r} is {first.dtype}.")
    number = pd.Series(first.to_numpy(dtype=np.float64, na_value=np.nan), index=first.index)
    if np.isinf(number).any() or number.isna().all():
        found = name_some(number.index[np.isinf(number)])
        raise ColumnError(f"values must be money; {first.name!r} is {f'infinite for {found}' if found else 'empty'}.")
    inside = table["segment"][table["segment"] != UNASSIGNED].astype(str)
    number = number.reindex(inside.index)
    total = number.groupby(inside).sum().reindex(segments.index, fill_value=0.0)
    return total, int(number.isna().sum())


def differentiable(
    table: pd.DataFrame,
    segments: pd.DataFrame,
    features: Any,
    descriptors: Any,
    description: Any,
    granularity: Any,
    seed: int,
) -> ReviewCheck:
    """Ask whether every segment is told from the others by something, and whether two could be one."""
    question = "Does every segment differ from the others in something that matters?"
    if description is None and granularity is None and features is None:
        return not_checked("differentiable", question, "features, a description or a granularity report")
    status: list[Status] = []
    evidence: list[str] = []
    advice: list[str] = []
    figures: dict[str, Any] = {}
    if description is not None or features is not None:
        found = _distinguishing(table, segments, features, descriptors, description, seed)
        segments["n_distinguishing"] = found
        nothing = [str(name) for name in found.index[found == 0]]
        figures |= {"n_undistinguished": len(nothing)}
        status.append("pass" if not nothing else "fail" if 2 * len(nothing) >= len(found) else "warn")
        if nothing:
            evidence.append(f"Nothing marks {name_some(nothing)}: no marker variable, no descriptor that stands out.")
            advice.append("look for what these segments have in common, or do without them")
        else:
            evidence.append(f"Every segment has at least {count(int(found.min()), 'variable')} that sets it apart.")
    if granularity is not None:
        has(granularity, ("merges",), "granularity", "review_granularity")
        groups = [list(map(str, group)) for group in granularity.merges["segments"]]
        left = len(segments) - sum(len(group) - 1 for group in groups)
        figures |= {"n_merges": len(groups), "n_left": left}
        status.append("pass" if not groups else "fail" if left <= 1 else "warn")
        if groups:
            named = "; ".join(" + ".join(group) for group in groups)
            evidence.append(f"No decision would differ between {named}.")
            advice.append(f"merge them: {count(left, 'segment')} would do")
        else:
            evidence.append("No two segments are equivalent for the decision at hand.")
    return ReviewCheck("differentiable", question, worst(status), " ".join(evidence), sentence(advice), figures)


def _distinguishing(
    table: pd.DataFrame, segments: pd.DataFrame, features: Any, descriptors: Any, description: Any, seed: int
) -> pd.Series[Any]:
    """Count what tells each segment from the others: marker variables, and contrasts that stand after Holm."""
    if description is None:
        known, _ = customers_of(features, table, "features")
        others = None if descriptors is None else customers_of(descriptors, table, "descriptors")[0]
        description = describe_segments(table.loc[known.index], known, descriptors=others, random_state=seed)
    has(description, ("markers", "contrasts"), "description", "describe_segments")
    found = {str(name): len(marks) for name, marks in description.markers.items()}
    for name in description.contrasts.loc[description.contrasts["differs"].astype(bool), "segment"]:
        found[str(name)] = found.get(str(name), 0) + 1
    absent = [name for name in segments.index if name not in found]
    if absent:
        raise ColumnError(f"the description has no segment {name_some(absent)}: give the one of this segmentation.")
    return pd.Series(found).reindex(segments.index)


def actionable(table: pd.DataFrame, segments: pd.DataFrame, actions: Any) -> ReviewCheck:
    """Ask whether there is something to do with each segment that is not done with the others."""
    question = "Is there something to do with each segment that is not done with the others?"
    if actions is None:
        return not_checked("actionable", question, "actions")
    if isinstance(actions, pd.Series):
        actions = actions.to_dict()
    if not isinstance(actions, Mapping):
        raise TypeError(f"actions must be a mapping of segment to action, got {kind_of(actions)}.")
    unknown = [name for name in actions if str(name) not in set(table["segment"].cat.categories)]
    if unknown:
        raise ColumnError(f"actions name {name_some(unknown)}; segments are {name_some(segments.index)}.")
    given = {str(name): one for name, one in actions.items() if not _is_none(one)}
    without = [name for name in segments.index if name not in given]
    sizes = segments["n_customers"]
    held = float(sizes[without].sum() / sizes.sum())
    there = {name: given[name] for name in segments.index if name in given}
    same: dict[str, list[str]] = {}
    for name, one in there.items():
        same.setdefault(str(one).strip().casefold(), []).append(name)
    shared = [names for names in same.values() if len(names) > 1]
    segments["action"] = [str(given[name]) if name in given else None for name in segments.index]
    all_one = len(segments) > 1 and len(same) == 1 and not without
    status: Status = "fail" if all_one or held > SMALL_TOGETHER else "warn" if shared or without else "pass"
    evidence = [
        f"{len(there):,} of {count(len(segments), 'segment')} {'has' if len(there) == 1 else 'have'} an action; "
        f"{count(len(same), 'different action')}."
    ]
    advice = []
    if without:
        evidence.append(f"Without one: {name_some(without)}, {percent(held)} of the customers.")
        advice.append("decide what to do with segments without an action, or leave them out by decision")
    if shared:
        evidence.append("The same for " + "; ".join(" + ".join(names) for names in shared) + ".")
        advice.append("segments that are treated alike need not be told apart: merge them, or treat them differently")
    figures = {"n_with_action": len(there), "n_different": len(same), "share_without": held}
    return ReviewCheck("actionable", question, status, " ".join(evidence), sentence(advice), figures)


def _is_none(action: Any) -> bool:
    """Whether an action says nothing: missing, or blank."""
    missing = pd.api.types.is_scalar(action) and pd.isna(action)
    return bool(missing) or not str(action).strip()
