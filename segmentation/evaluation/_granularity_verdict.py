"""One verdict per segment, with its evidence in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, number
from segmentation.evaluation._equivalence import CANNOT_TELL, DIFFERENT, EQUIVALENT, LEAST_EVENTS
from segmentation.evaluation._granularity_input import Inputs
from segmentation.evaluation._split_all import SPLIT, UNPROVEN

__all__ = ["segment_table", "why_undecided"]

FEW = "fewer than"
IMPRECISE = "the margin is only"


def why_undecided(row: Any) -> str:
    """Say why a pair cannot be decided; nothing where it is."""
    if row["decision"] != CANNOT_TELL:
        return ""
    if row["few_events"]:
        return f"{FEW} {LEAST_EVENTS} customers of a segment have an outcome other than the commonest one"
    if not row["precise"]:
        return f"{IMPRECISE} {row['margin_in_se']:.1f} standard errors of the difference"
    return "the interval of the difference reaches across the edge of the margin"


def segment_table(
    inputs: Inputs,
    pairs: pd.DataFrame,
    merges: pd.DataFrame,
    splits: pd.DataFrame,
    wanted: dict[str, float],
    medians: dict[str, float],
    min_stability: float,
) -> pd.DataFrame:
    """Return the table of `GranularityReport`."""
    groups = {name: row for row in merges.to_dict("records") for name in row["segments"]}
    to_split = set(splits.loc[splits["decision"] == SPLIT, "segment"])
    rows = []
    for name, size in zip(inputs.segments, inputs.sizes.tolist(), strict=True):
        own = pairs[(pairs["first"] == name) | (pairs["second"] == name)]
        tried = splits[splits["segment"] == name]
        worth = tried[tried["decision"] == SPLIT]
        group = groups.get(name)
        small, median = size < wanted[name], medians.get(name, math.nan)
        unstable = median < min_stability
        undecided = own[own["decision"] == CANNOT_TELL]
        verdict = (
            "merge"
            if group
            else "too small"
            if small
            else "unstable"
            if unstable
            else "split"
            if len(worth)
            else CANNOT_TELL
            if len(undecided)
            else "keep"
        )
        others = [other for other in group["segments"] if other != name] if group else []
        sentences = [
            _merge_words(group, others) if group else "",
            _size_words(size, wanted[name], group) if small else "",
            f"Unstable: its median stability is {median:.2f}, under {min_stability:g}." if unstable else "",
            *(_split_words(row) for row in tried.to_dict("records")),
            _pair_words(name, own, others, to_split),
        ]
        rows.append(
            {
                "n_customers": size,
                "verdict": verdict,
                "merge_with": others,
                "split_on": worth["rule"].iloc[0] if len(worth) else None,
                "min_size": wanted[name],
                "n_needed": _needed(name, undecided, wanted[name], small=small and not group),
                **({"stability": median} if medians else {}),
                "evidence": " ".join(sentence for sentence in sentences if sentence),
            }
        )
    table = pd.DataFrame(rows, index=pd.Index(inputs.segments, name="segment"))
    return table.astype({"n_needed": "Int64", "split_on": object})


def _needed(name: str, undecided: pd.DataFrame, wanted: float, *, small: bool) -> Any:
    """Customers of the segment that it takes: for its size, and for every pair that some number would decide."""
    of_first = undecided.loc[undecided["first"] == name, "n_first_needed"].dropna()
    of_second = undecided.loc[undecided["second"] == name, "n_second_needed"].dropna()
    needs = [int(n) for n in (*of_first, *of_second)]
    if small and math.isfinite(wanted):
        needs.append(math.ceil(wanted))
    return max(needs) if needs else pd.NA


def _merge_words(group: Mapping[Any, Any], others: list[str]) -> str:
    saved = f"; saves {number(group['saves'])}" if group["saves"] else ""
    return (
        f"Within the margin of {name_some(others)}: whatever two of them, {group['outcome']!r} differs by at most "
        f"{number(group['largest_difference'])} (margin {number(group['margin'])}){saved}."
    )


def _size_words(size: int, wanted: float, group: Mapping[Any, Any] | None) -> str:
    if math.isinf(wanted):
        return f"Too small: no number of customers is enough for the size asked for; it has {size:,}."
    text = f"Too small: {count(size, 'customer')} of {math.ceil(wanted):,} needed"
    return f"{text}; merged it is one of {group['n_customers']:,}." if group else f"{text}."


def _split_words(row: Mapping[Any, Any]) -> str:
    p = f"p {row['p_adjusted']:.2g} corrected"
    if row["decision"] == SPLIT and row["action_common"] is not None:
        return (
            f"Splitting on {row['rule']} is worth {number(row['gain'])} (at least {number(row['gain_low'])}; {p}): "
            f"{row['action_inside']!r} there and {row['action_outside']!r} for the others, instead of "
            f"{row['action_common']!r} for all."
        )
    if row["decision"] == SPLIT:
        return (
            f"Two in one: those with {row['rule']} have {number(row['difference'])} {row['direction']} of "
            f"{row['outcome']!r} (at least {number(row['difference_low'])}; margin {number(row['margin'])}; {p})."
        )
    if row["decision"] == UNPROVEN:
        against = "the margin" if row["action_common"] is None else "what one more segment costs"
        return f"Not the same throughout ({row['rule']}; {p}), but not shown to exceed {against}."
    return ""


def _pair_words(name: str, own: pd.DataFrame, others: list[str], to_split: set[str]) -> str:
    """Say whom the segment differs from, and of whom the data cannot tell."""
    if not len(own):
        return "There is no other segment to compare it with."
    other = own["first"].where(own["second"] == name, own["second"])
    by_decision = {decision: list(dict.fromkeys(rows)) for decision, rows in other.groupby(own["decision"])}
    sentences = []
    apart = by_decision.get(DIFFERENT, [])
    if apart:
        whom = "every other segment" if len(apart) == other.nunique() else name_some(apart)
        sentences.append(f"Differs from {whom} by more than the margin.")
    near = [segment for segment in by_decision.get(EQUIVALENT, []) if segment not in others]
    if near and (name in to_split or to_split.issuperset(near)):
        sentences.append(f"Within the margin of {name_some(near)} on average, but what is two in one is not merged.")
    elif near:
        sentences.append(
            f"Within the margin of {name_some(near)} too, but {'they are' if len(near) > 1 else 'that is'} not in its "
            "group: every two of a group must be."
        )
    unknown = own[own["decision"] == CANNOT_TELL]
    # pairs with too few events, pairs that more customers of both would decide, and pairs that hardly any number would
    few = unknown["reason"].str.startswith(FEW)
    open_ended = unknown["n_first_needed"].isna()
    for kind in (few & open_ended, few & ~open_ended, ~few & ~open_ended, ~few & open_ended):
        if kind.any():
            names = name_some(dict.fromkeys(other[unknown.index][kind]))
            sentences.append(f"Cannot tell from {names}: {_unknown_words(name, unknown[kind])}.")
    return " ".join(sentences)


def _unknown_words(name: str, rows: pd.DataFrame) -> str:
    """Say why pairs of one kind cannot be decided, and what it takes."""
    reasons = list(dict.fromkeys(rows["reason"]))
    if reasons[0].startswith(FEW):
        if rows["n_first_needed"].isna().any():
            return f"{reasons[0]}, one of them none at all: no number of customers can be named"
        needed = _needed(name, rows, 0.0, small=False)
        is_first = (rows["first"] == name).to_numpy()
        if needed > int(rows["n_first"].where(is_first, rows["n_second"]).max()):
            return f"{reasons[0]}; needs about {needed:,} customers of this segment"
        others = rows["n_second_needed"].where(is_first, rows["n_first_needed"])
        return f"{reasons[0]}; not this one: the other needs about {int(others.max()):,}"
    if rows["n_first_needed"].isna().any():
        if all(reason.startswith(IMPRECISE) for reason in reasons):
            return f"{reasons[0]}, and no number of customers within reach would make it more"
        return "the difference is about as large as the margin, so hardly any number of customers would decide"
    needed = _needed(name, rows, 0.0, small=False)
    return f"{reasons[0]}; needs about {needed:,} customers of this segment, the others growing as much"
