"""The tables of a match: events with their evidence, the fate of every old and new segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import percent
from segmentation.monitoring._match_events import Events
from segmentation.monitoring._match_evidence import Evidence
from segmentation.monitoring._match_names import Carried

__all__ = ["event_table", "new_table", "old_table"]

# What the columns of the table hold, also of one without rows.
COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("event", "old", "new", "name"), object),
    "carried": bool,
    "nearest": object,
    **dict.fromkeys(("n_old", "n_new", "n_both"), np.int64),
    **dict.fromkeys(("n_expected", "jaccard", "share_of_old", "share_of_new", "distance", "p_value"), np.float64),
    "p_adjusted": np.float64,
    "reason": object,
}


def _word(event: str, i: int, j: int, old: list[str], new: list[str]) -> str:
    """Tell a rename from a continuation."""
    return "renamed" if event == "continued" and i >= 0 and j >= 0 and old[i] != new[j] else event


def event_table(
    events: Events,
    evidence: Evidence,
    carried: Carried,
    old: list[str],
    new: list[str],
    called: list[str],
    n_old: NDArray[np.int64],
    n_new: NDArray[np.int64],
) -> pd.DataFrame:
    """Return a row per event with its evidence, in the order of the codes."""
    links = [(i, j, event) for i, j, event in events.links]
    links += [(i, -1, "died") for i in range(len(old)) if events.event_old[i] == "died"]
    links += [(-1, j, "born") for j in range(len(new)) if events.event_new[j] == "born"]
    last = len(old)
    links.sort(key=lambda link: (link[0] if link[0] >= 0 else last, carried.codes[link[1]] if link[1] >= 0 else -1))
    rows = [_row(link, events, evidence, carried, old, new, called, n_old, n_new) for link in links]
    table = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()})
    names = ["old", "new", "name", "nearest"]
    table[names] = table[names].astype(object).where(table[names].notna(), None)  # not NaN, whatever pandas infers
    return table


def _row(
    link: tuple[int, int, str],
    events: Events,
    evidence: Evidence,
    carried: Carried,
    old: list[str],
    new: list[str],
    called: list[str],
    n_old: NDArray[np.int64],
    n_new: NDArray[np.int64],
) -> dict[str, Any]:
    """Return one event with its evidence; of a birth or death, that of the nearest counterpart."""
    i, j, event = link
    near_i, near_j = i, j
    if i < 0 and len(old):
        near_i = int(evidence.jaccard[:, j].argmax())
    if j < 0 and len(new):
        near_j = int(evidence.jaccard[i].argmax())
    there = near_i >= 0 and near_j >= 0 and evidence.both[near_i, near_j] > 0
    event = _word(event, i, j, old, called)
    nearest = (old[near_i] if i < 0 else new[near_j] if j < 0 else None) if there else None

    def figure(name: str, otherwise: float) -> Any:
        return getattr(evidence, name)[near_i, near_j] if there else otherwise

    row = {
        "event": event,
        "old": old[i] if i >= 0 else None,
        "new": new[j] if j >= 0 else None,
        "name": carried.names[j] if j >= 0 else None,
        "carried": bool(i >= 0 and j >= 0 and events.successor[i] == j),
        "nearest": nearest,
        "n_old": int(n_old[i]) if i >= 0 else 0,
        "n_new": int(n_new[j]) if j >= 0 else 0,
        "n_both": int(figure("both", 0)),
        "n_expected": float(figure("expected", 0.0)),
        "jaccard": float(figure("jaccard", 0.0)),
        "share_of_old": float(figure("of_old", 0.0)),
        "share_of_new": float(figure("of_new", 0.0)),
        "distance": float(figure("distance", np.nan)),
        "p_value": float(figure("p_value", 1.0)),
        "p_adjusted": float(figure("p_adjusted", 1.0)),
    }
    row["reason"] = _reason(row)
    return row


def _reason(row: dict[str, Any]) -> str:
    """Say the event in words."""
    of_old, of_new = percent(row["share_of_old"]), percent(row["share_of_new"])
    near = row["nearest"]
    if row["event"] in ("continued", "renamed"):
        if not row["n_both"]:
            return "it has the same name and no customers before and after"
        return f"{of_old} of its customers stay together and are {of_new} of {row['new']!r}"
    if row["event"] == "returned":
        return "it was retired, and a segment of its name is there again"
    if row["event"] == "split":
        return f"{of_old} of {row['old']!r} is in {row['new']!r}, which comes from it by {of_new}"
    if row["event"] == "merged":
        return f"{of_old} of {row['old']!r} went into {row['new']!r} and is {of_new} of it"
    if near is None:
        return "it shares no customers with any other"
    chance = "" if row["p_adjusted"] <= 0.05 else ", which chance could give"
    if row["event"] == "died":
        return f"no new segment is its successor; the nearest, {near!r}, has {of_old} of it and is {of_new} it{chance}"
    return f"no old segment is its origin; the nearest, {near!r}, is {of_new} of it and lost {of_old} to it{chance}"


def old_table(
    events: Events, evidence: Evidence, old: list[str], new: list[str], called: list[str], n: NDArray[np.int64]
) -> pd.DataFrame:
    """Return what became of every old segment."""
    successor = [new[int(j)] if j >= 0 else None for j in events.successor]
    words = [_word(e, i, int(events.successor[i]), old, called) for i, e in enumerate(events.event_old)]
    return pd.DataFrame(
        {
            "code": np.arange(len(old), dtype=np.int64),
            "event": words,
            "successor": pd.Series(successor, dtype=object).to_numpy(),
            "n_customers": n.astype(np.int64),
            "n_compared": evidence.sizes_old.astype(np.int64),
        },
        index=pd.Index(old, name="segment", dtype=object),
    )


def new_table(
    events: Events,
    evidence: Evidence,
    carried: Carried,
    old: list[str],
    new: list[str],
    called: list[str],
    n: NDArray[np.int64],
) -> pd.DataFrame:
    """Return where every new segment comes from, and its code and name from now on."""
    predecessor: list[str | None] = [None] * len(new)
    words = list(events.event_new)
    for i, j in enumerate(events.successor.tolist()):
        if j >= 0:
            predecessor[j] = old[i]
            words[j] = _word(words[j], i, j, old, called)
    return pd.DataFrame(
        {
            "code": np.array(carried.codes, dtype=np.int64),
            "name": list(carried.names),
            "event": words,
            "predecessor": pd.Series(predecessor, dtype=object).to_numpy(),
            "n_customers": n.astype(np.int64),
            "n_compared": evidence.sizes_new.astype(np.int64),
        },
        index=pd.Index(new, name="segment", dtype=object),
    )
