"""The first lines of a report, in plain words: only what the results in it say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, money, percent
from segmentation.assignment import UNASSIGNED
from segmentation.governance._disclosure import HIDDEN_REASON
from segmentation.reporting._figures import value_of

__all__ = ["Fact", "plan_facts", "plan_headline", "profile_facts", "profile_headline", "warning_fact"]

# A segment is worth a line of its own where its share of the value is this multiple of its share of the customers.
REMARKABLE = 1.25


@dataclass(frozen=True)
class Fact:
    """A sentence, and the numbers and titles of the sections it leads to."""

    text: str
    links: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.text, *filter(None, [", ".join(name for _, name in self.links)])])


def profile_headline(profile: pd.DataFrame, n_customers: int | None) -> str:
    """Say how many customers are in how many segments; `n_customers` where it is known in spite of blanked cells."""
    n_segments = int((profile.index != UNASSIGNED).sum())
    known = profile["n_customers"].notna().all()
    total = int(profile["n_customers"].sum()) if known else n_customers
    who = count(total, "customer") if total is not None else "Customers"
    return f"{who} in {count(n_segments, 'segment')}"


def profile_facts(profile: pd.DataFrame, n_customers: int | None) -> list[str]:
    """Say how many were segmented, which segment is the largest, which is worth the most, and what is not shown."""
    facts = [f"{profile_headline(profile, n_customers)}."]
    rows: Any = profile.to_dict("index")
    size = profile["n_customers"]
    nobody = rows.get(UNASSIGNED)
    if nobody is not None and pd.notna(nobody["n_customers"]) and nobody["n_customers"] > 0:
        facts.append(f"{count(int(nobody['n_customers']), 'customer')} ({percent(nobody['share'])}) in no segment.")
    shown = profile[size.notna() & (size.fillna(0) > 0) & (profile.index != UNASSIGNED)]
    gone = int(size.isna().sum())
    of_shown = " of those shown" if gone else ""
    if len(shown):
        largest = shown["n_customers"].astype(float).idxmax()
        row = rows[largest]
        facts.append(
            f"The largest{of_shown} is {largest}: {count(int(row['n_customers']), 'customer')} "
            f"({percent(row['share'])})."
        )
        facts += _value_facts(shown, of_shown)
    empty = profile.index[(size == 0).fillna(False) & (profile.index != UNASSIGNED)]
    if len(empty):
        facts.append(f"{count(len(empty), 'segment')} without any customer.")
    return facts


def _value_facts(shown: pd.DataFrame, of_shown: str) -> list[str]:
    value = value_of(shown)
    if value is None:
        return []
    shares = shown[f"{value}_share"].astype(float)
    most = shares.idxmax()
    rows: Any = shown.to_dict("index")
    row = rows[most]
    interval = ""
    if pd.notna(row.get(f"{value}_share_low")) and pd.notna(row.get(f"{value}_share_high")):
        interval = f", interval {percent(row[f'{value}_share_low'])} to {percent(row[f'{value}_share_high'])}"
    total = money(row[f"{value}_total"])
    text = (
        f"The most {value}{of_shown} is in {most}: {total}, {percent(row[f'{value}_share'])} of all{interval}, "
        f"from {percent(row['share'])} of the customers."
    )
    mean = f"{value}_mean"
    if not shown[mean].notna().any():
        return [text]
    best = shown[mean].astype(float).idxmax()
    if best == most or not row["share"] or row[f"{value}_share"] / row["share"] >= REMARKABLE:
        return [text]
    return [text, f"Per customer {best} has the most {value}: {money(rows[best][mean])} on average."]


def plan_headline(plan: pd.DataFrame) -> str:
    """Say which segment comes first, and why."""
    first = plan[plan["priority"] == 1]
    if not len(first):
        return "No segment has a priority."
    return f"First: {first.index[0]}. {_sentence(first['reason'].iloc[0])}"


def plan_facts(plan: pd.DataFrame) -> list[str]:
    """Say what to do first."""
    first = plan[plan["priority"] == 1]
    return [f"What to do first: act on {first.index[0]}. {_sentence(first['reason'].iloc[0])}"] if len(first) else []


def _sentence(reason: Any) -> str:
    text = str(reason).strip().removesuffix(".")
    if not text:
        return ""
    return f"The reason is {text}." if text == HIDDEN_REASON else f"The reason: {text}."


def warning_fact(sections: Sequence[Any]) -> list[Fact]:
    """Say how many remarks there are to mind, and where."""
    where = [(number, section.title, len(section.minds)) for number, section in enumerate(sections, 1) if section.minds]
    total = sum(n for _, _, n in where)
    if not total:
        return []
    text = f"{count(total, 'remark')} to mind, in {'this section' if len(where) == 1 else 'these sections'}:"
    return [Fact(text, tuple((number, title) for number, title, _ in where))]
