"""The questions behind an advice: what was found, its figure beside its limit, and the evidence in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, percent
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import CustomerTableError
from segmentation.monitoring._drift_report import DriftReport
from segmentation.monitoring._match import match_segments
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._refresh_evidence import Noise, best_names, displaced, goes_on, number_of_segments

__all__ = [
    "decide",
    "groups_are_others",
    "of_features",
    "of_groups",
    "of_in_force",
    "of_inside",
    "of_mix",
    "of_number",
    "of_places",
]

# Events that at most this share of refits to the reference show say something.
SELDOM = 0.25

Row = tuple[bool, float, float, str]


def of_features(drift: DriftReport, alpha: float) -> Row:
    """Say which features of all customers moved."""
    least = float(drift.table["p_adjusted"].min())
    names = name_some(drift.drifted)
    text = f"{count(len(drift.drifted), 'feature')} of {len(drift.table)} moved: {names}." if drift.drifted else (
        f"No feature of all customers moved beyond chance (smallest adjusted p {least:.3f}).")  # fmt: skip
    return bool(drift.drifted), least, alpha, text


def of_mix(mix: DriftReport, before: pd.DataFrame, by_model: pd.DataFrame, alpha: float) -> Row:
    """Say whether the mix of segments changed, by the old definition."""
    p = float(mix.table["p_adjusted"].iloc[0])
    shares = [table["segment"].value_counts(normalize=True, sort=False) for table in (before, by_model)]
    change = shares[1] - shares[0]
    most = str(change.abs().idxmax())
    moved = bool(mix.table["drifted"].iloc[0])
    text = (
        f"By the old definition {most!r} went from {percent(shares[0][most])} to {percent(shares[1][most])} of the "
        f"customers{'' if moved else ', within chance'} (p {p:.3f})."
    )
    return moved, p, alpha, text


def of_inside(inside: DriftReport | None, alpha: float) -> Row:
    """Say which features moved inside the segments."""
    if inside is None:
        return False, float("nan"), alpha, "No segment has enough customers at both dates to look inside."
    least = float(inside.table["p_adjusted"].min())
    hits = inside.ranked[inside.ranked["drifted"]]
    if not len(hits):
        return (
            False,
            least,
            alpha,
            f"Inside the segments no feature moved beyond chance (smallest adjusted p {least:.3f}).",
        )
    top = hits.iloc[0]
    text = (
        f"Inside segments {name_some(inside.drifted)} moved, most of all {top['feature']!r} in {top['segment']!r} "
        f"({top['what']})."
    )
    return True, least, alpha, text


def of_number(model: Any, gains: Any) -> Row:
    """Judge whether one segment more suits today's customers, where it did not suit those of then."""
    if gains is None:
        return False, float("nan"), 0.0, "Not asked: the model has no number of segments, or features are no numbers."
    then, now = gains
    _, number = number_of_segments(model) or ("", 0)
    best = max(now, key=lambda n: float(np.median(now[n])))
    gain = float(np.median(now[best]))
    # quartiles: one poor fit among six does not decide
    found = bool(np.quantile(then[best], 0.75) < 0 < np.quantile(now[best], 0.25))
    words = "suit better" if found else "do not suit clearly better"
    return found, gain, 0.0, (
        f"{best} segments instead of {number} {words}: they change the mean silhouette by "
        f"{gain:+.3f} today, by {float(np.median(then[best])):+.3f} then."
    )  # fmt: skip


def of_groups(match: SegmentMatch, how: str, noise: Noise, agreed: float) -> Row:
    """Judge whether a refit finds other groups, where refits to the reference seldom do."""
    usual = float(noise.events.mean())
    others = match.old[~match.old["event"].isin(["continued", "renamed"])]
    born = match.new[~match.new["event"].isin(["continued", "renamed"])]
    if goes_on(match):
        return False, 0.0, usual, f"Refitted, every segment goes on ({how})."
    events = [f"{name} {event}" for name, event in others["event"].items()]
    words = ", ".join(events[:5]) or ", ".join(f"{name} {event}" for name, event in born["event"].items())
    n = float(len(others) + int((born["event"] == "born").sum()))
    if usual > SELDOM:
        return False, n, usual, (
            f"Refitted: {words}; but so it is in {percent(usual)} of refits to resamples of the reference, so it says "
            "nothing."
        )  # fmt: skip
    return (
        True,
        n,
        usual,
        f"Refitted, groups are others: {words} ({percent(agreed)} of refits to today's customers agree; "
        f"{percent(usual)} of refits to the reference do so).",
    )


def _usual_most(noise: Noise) -> float:
    """Return the upper quartile: a fit in ten that ends in a poor optimum, and so spoils two pairs, is not the rule."""
    return float(np.quantile(noise.displaced, 0.75))


def of_places(moved: NDArray[np.bool_], noise: Noise, tolerance: float) -> Row:
    """Judge whether a refit puts more customers elsewhere than can be lived with, and than refits do anyway."""
    share, most = float(moved.mean()), _usual_most(noise)
    limit = max(tolerance, most)
    text = (
        f"A refit puts {percent(share)} of the customers elsewhere; three quarters of refits to resamples of the "
        f"reference do so with at most {percent(most)}, and {percent(tolerance)} can be lived with."
    )
    return share > limit, share, limit, text


def of_in_force(
    in_force: Any, by_model: pd.DataFrame, noise: Noise, tolerance: float
) -> tuple[dict[str, Row], dict[str, str], NDArray[np.bool_], list[str]]:
    """Judge whether what is in force is another definition, or has other names; say who of it is not asked about."""
    used = as_assignment(in_force)
    unknown = by_model.index.difference(used.index)
    if len(unknown):
        raise CustomerTableError(
            f"in_force lacks {count(len(unknown), 'customer')} of the current table: {name_some(unknown)}."
        )
    spare = len(used) - len(by_model)
    said = [f"{count(spare, 'customer')} of in_force not in the current table: not compared."] if spare else []
    used = used.reindex(by_model.index)
    used["segment"] = used["segment"].fillna(UNASSIGNED)
    sizes = used["segment"].value_counts()
    known = set(by_model["segment"].cat.categories)
    used["segment"] = used["segment"].cat.remove_categories(  # retired ones, of which the model knows nothing
        [name for name in used["segment"].cat.categories if not sizes[name] and name not in known]
    )
    names = best_names(by_model, used)
    away = displaced(by_model, used, names)
    limit = max(tolerance, _usual_most(noise))
    other = bool(away.mean() > limit) or not goes_on(match_segments(by_model, used))
    renamed = {new: old for new, old in names.items() if new != old}
    rows: dict[str, Row] = {
        "definition": (
            other,
            float(away.mean()),
            limit,
            f"What is in force puts {percent(float(away.mean()))} of the customers elsewhere than the model does"
            f"{'' if other else ', its segments are the same groups'}.",
        ),
        "names": (
            bool(renamed) and not other,
            float(len(renamed)),
            0.0,
            "It has other names for them: " + name_some(f"{old} is now {new}" for new, old in renamed.items()) + "."
            if renamed and not other
            else "It calls the same groups by the same names."
            if not other
            else "Names of other groups do not compare.",
        ),
    }  # fmt: skip
    plain = used["segment"].astype(object).to_numpy() != by_model["segment"].astype(object).to_numpy()
    return rows, names, away if other else plain, said


def something_moved(table: pd.DataFrame) -> bool:
    """Where no feature moved, there is nothing that a new fit could follow."""
    return bool(table.loc[["features", "mix", "inside"], "found"].any())


def groups_are_others(table: pd.DataFrame) -> bool:
    """Where something moved: whether the segments, or their number, are others."""
    return something_moved(table) and bool(table.loc[["groups", "number"], "found"].any())


def decide(table: pd.DataFrame) -> tuple[str, str]:
    """Return the first action that the evidence asks for, and why."""
    found = table["found"]
    if groups_are_others(table):
        return "rebuild", (
            "The groups among today's customers are not those that the segments describe: choose their number anew, "
            "describe and name them, and start their records over."
        )
    if found.get("definition", False):
        return "rebuild", (
            "What is in force is another definition than the model: settle on one, name its segments, and start their "
            "records over; split_migration shows whom the definition moved."
        )
    if something_moved(table) and found["places"]:
        return "refit", (
            "The groups are the same, but they lie elsewhere: fit the same segmentation to today's customers with "
            "refit(model, current, previous=...), so that names and ids go on."
        )
    if found.get("names", False):
        return (
            "rename",
            "The segments in force are the model's under other names: map the names, and nothing else changes.",
        )
    if found["mix"]:
        return "keep", (
            "The segments still describe today's customers; their sizes changed: bring targets and budgets up to date."
        )
    return "keep", "The segments still describe today's customers."
