"""From sections to what the page shows: small cells blanked, pictures in place, summary and fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from segmentation import __version__
from segmentation._format import count
from segmentation.assignment import UNASSIGNED
from segmentation.governance._cells import protect, score_groups
from segmentation.reporting._figures import profile_figures
from segmentation.reporting._html import clean, paragraphs
from segmentation.reporting._html_svg import Picture, picture_of, pyplot, with_prefix
from segmentation.reporting._report_cells import PLAN, Published, published, published_profile
from segmentation.reporting._report_summary import (
    Fact,
    plan_facts,
    plan_headline,
    profile_facts,
    profile_headline,
    warning_fact,
)
from segmentation.reporting._sections import Section
from segmentation.reporting._tables import TableView, plain_text, table_view

__all__ = ["Context", "Page", "page_of"]

# Packages whose version can move a figure.
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "hdbscan", "lifetimes", "narwhals", "matplotlib")
# A picture may be made this much smaller on a narrow screen before it is scrolled: its letters stay readable.
SMALLEST = 0.66
# Short names are words of the language too; they are looked for in quotes only.
SHORT_NAME = 3
BOUNDS_SAID = "Figures in small print below an estimate are its interval."


@dataclass(frozen=True)
class Context:
    """What holds for the whole report."""

    title: str
    text: str
    minimum: int
    assignment: pd.DataFrame | None
    features: pd.DataFrame | None


@dataclass(frozen=True)
class Shown:
    """A section as it is published."""

    title: str
    text: str
    headline: str
    lines: str
    findings: tuple[str, ...]
    minds: tuple[str, ...]
    asides: tuple[str, ...]
    tables: tuple[TableView, ...]
    pictures: tuple[tuple[str, Picture], ...]
    settings: tuple[tuple[str, str], ...]
    content: tuple[tuple[str, pd.DataFrame], ...]


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    sections: tuple[Shown, ...]
    opening: list[tuple[str, list[str]]]
    facts: list[Fact]
    privacy: str
    versions: list[tuple[str, str]]
    fingerprint: str
    version: str = __version__

    def shown(self) -> list[dict[str, Any]]:
        """Return the sections for the template, every picture with names of its own."""
        numbers = iter(range(1, 1_000_000))
        return [
            {
                **{field.name: getattr(section, field.name) for field in dataclasses.fields(section)},
                "prose": paragraphs(section.text),
                "pictures": [_placed(picture, next(numbers), caption) for caption, picture in section.pictures],
            }
            for section in self.sections
        ]


def _placed(picture: Picture, number: int, caption: str) -> dict[str, Any]:
    attributes = f'aria-label="{escape(clean(caption))}"'
    svg = clean(with_prefix(picture, f"picture-{number}-", attributes))
    return {"svg": svg, "caption": caption, "least": round(SMALLEST * picture.width), "most": picture.width}


def page_of(sections: Sequence[Section], context: Context) -> Page:
    """Return what the page shows of the sections."""
    profiles = _profiles(sections, context)
    small, segments = _segments(sections, profiles, context)
    for number, section in enumerate(sections):
        if section.kind == "plan" and number not in profiles and section.tables:
            profiles[number] = published(section.tables[0][1], context.minimum, small, segments, customers=False)
    shown = tuple(
        _shown(section, profiles.get(number), small, segments, context) for number, section in enumerate(sections)
    )
    versions = _versions()
    facts = [*(Fact(text) for text in _facts(sections, profiles, context)), *warning_fact(shown)]
    return Page(
        sections=shown,
        opening=paragraphs(context.text),
        facts=facts,
        privacy=_privacy(context),
        versions=versions,
        fingerprint=_fingerprint(shown, context, versions),
    )


def _profiles(sections: Sequence[Section], context: Context) -> dict[int, Published]:
    """Return profiles and plans without their small cells, by the number of their section.

    A plan is judged with the first profile that has its segments: its reasons repeat the profile's figures.
    """
    found: dict[int, Published] = {}
    plans = {number: section.tables[0][1] for number, section in enumerate(sections) if section.kind == "plan"}
    for number, section in enumerate(sections):
        if section.kind != "profile":
            continue
        profile = section.tables[0][1]
        first = not found
        people = (context.assignment, context.features) if first else (None, None)
        found[number] = published_profile(profile, context.minimum, *people)
        for place, plan in list(plans.items()):
            if set(plan.index) <= set(profile.index) and not set(PLAN) & set(profile.columns):
                both = published_profile(profile.loc[plan.index].join(plan[list(PLAN)]), context.minimum, *people)
                rest = [name for name in plan.columns if name not in PLAN]
                table = pd.concat([both.table[list(PLAN)], plan[rest]], axis=1)
                nothing = pd.DataFrame(False, index=plan.index, columns=rest)
                found[place] = Published(table, pd.concat([both.hidden[list(PLAN)], nothing], axis=1))
                del plans[place]
    return found


def _segments(
    sections: Sequence[Section], profiles: dict[int, Published], context: Context
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the segments that are not shown, and all that are known."""
    small: set[str] = set()
    segments: set[str] = set()
    if context.assignment is not None:
        size = context.assignment["segment"].value_counts(sort=False)
        segments |= {str(name) for name in size.index if name != UNASSIGNED}
        if context.minimum >= 2:
            small |= set(map(str, size.index[protect(np.asarray(size, dtype=np.float64), context.minimum)]))
    for number, one in profiles.items():
        segments |= set(map(str, one.table.index))
        if sections[number].kind == "profile":
            small |= one.segments_not_shown
    return frozenset(small), frozenset(segments)


def _shown(
    section: Section, profile: Published | None, small: frozenset[str], segments: frozenset[str], context: Context
) -> Shown:
    if profile is not None:
        return _shown_profile(section, profile, context)
    asides = list(section.asides)
    tables = []
    for caption, table in section.tables:
        one = published(table, context.minimum, small, segments, customers=section.customers)
        tables.append((caption, one))
        asides += one.notes
    whole = all(one.is_whole for _, one in tables)
    if section.pictures and not whole and section.kind == "result":
        asides.append("The picture is not shown: it has figures that are not shown in the table.")
    blocks = re.split(r"\n\s*\n", section.lines)
    kept_blocks, n_blocks = _without(blocks, small)
    findings, n_findings = _without(section.findings, small)
    minds, n_minds = _without(section.minds, small)
    headline, n_headline = _without([section.headline], small)
    if n := n_blocks + n_findings + n_minds + n_headline:
        verb = "is" if n == 1 else "are"
        asides.append(f"{count(n, 'sentence')} about segments that are not shown {verb} left out.")
    return Shown(
        title=clean(section.title),
        text=section.text,
        headline="".join(headline),
        lines="\n\n".join(kept_blocks),
        findings=findings,
        minds=minds,
        asides=tuple(dict.fromkeys(asides)),
        tables=tuple(
            table_view(one.table, caption, hidden=_all_hidden(section, place, one), labels=section.labels)
            for place, (caption, one) in enumerate(tables)
        ),
        pictures=section.pictures if whole or section.kind != "result" else (),
        settings=section.settings,
        content=tuple((caption, one.table) for caption, one in tables),
    )


def _all_hidden(section: Section, place: int, one: Published) -> pd.DataFrame:
    """Return the cells that were blanked here, or when the result was read."""
    before = section.blanked.get(place)
    if before is None:
        return one.hidden
    return one.hidden | before[list(one.hidden.columns)].to_numpy()


def _shown_profile(section: Section, one: Published, context: Context) -> Shown:
    is_profile = section.kind == "profile"
    labels = _labels(one.table) if is_profile else {}
    headline = profile_headline(one.table, _n_customers(context)) if is_profile else plan_headline(one.table)
    intervals = any(str(name).endswith("_low") for name in one.table.columns)
    return Shown(
        title=clean(section.title),
        text=section.text,
        headline=clean(headline),
        lines="",
        findings=(),
        minds=(*section.minds, *map(clean, one.notes)),
        asides=(*section.asides, *([BOUNDS_SAID] if intervals else [])),
        tables=(table_view(_said_once(one.table), clean(section.title), hidden=one.hidden, labels=labels),),
        pictures=tuple(_drawn(one.table)) if is_profile and section.draw else (),
        settings=section.settings,
        content=((section.title, one.table),),
    )


def _said_once(profile: pd.DataFrame) -> pd.DataFrame:
    """Leave out how many customers have a score where all of them have."""
    if "n_customers" not in profile.columns:
        return profile
    size = profile["n_customers"]
    same = [f"{name}_n" for name in score_groups(list(profile.columns)) if profile[f"{name}_n"].equals(size)]
    return profile.drop(columns=same)


def _drawn(profile: pd.DataFrame) -> Iterable[tuple[str, Picture]]:
    plt = pyplot()
    with plt.ioff():
        for caption, figure in profile_figures(profile):
            try:
                yield caption, picture_of(figure, names_are_literal=True)
            finally:
                plt.close(figure)


def _labels(profile: pd.DataFrame) -> dict[Any, str]:
    """Return what stands above the columns of a profile."""
    labels = {"n_customers": "customers", "share": "share of customers", "priority_score": "priority score"}
    for name in score_groups(list(profile.columns)):
        words = str(name).replace("_", " ")
        labels[f"{name}_mean"] = f"{words}, mean"
        labels[f"{name}_total"] = f"{words}, total"
        labels[f"{name}_share"] = f"{words}, share of total"
        labels[f"{name}_n"] = f"customers with {words}"
    others = {name: str(name).replace("_", " ") for name in profile.columns if "=" not in str(name)}
    return {**others, **labels}


def _without(texts: Iterable[str], small: frozenset[str]) -> tuple[tuple[str, ...], int]:
    """Return the texts that name no segment that is not shown, and how many do."""
    listed = [text for text in texts if text]
    if not small:
        return tuple(listed), 0
    patterns = [
        rf"(?<!\w){re.escape(name)}(?!\w)" if len(name) >= SHORT_NAME else rf"['\"]{re.escape(name)}['\"]"
        for name in sorted(small)
    ]
    naming = re.compile("|".join(patterns))
    kept = tuple(text for text in listed if not naming.search(text))
    return kept, len(listed) - len(kept)


def _facts(sections: Sequence[Section], profiles: dict[int, Published], context: Context) -> list[str]:
    facts: list[str] = []
    for number, one in sorted(profiles.items()):
        if sections[number].kind == "profile":
            facts += profile_facts(one.table, _n_customers(context))
            if not one.is_whole:
                gone = len(one.segments_not_shown)
                what = count(gone, "segment") if gone else "Some figures"
                verb = "is" if gone == 1 else "are"
                facts.append(f"{what} {verb} not shown, because of groups of fewer than {context.minimum} customers.")
            break
    plans = [one.table for _, one in sorted(profiles.items()) if set(PLAN) <= set(one.table.columns)]
    if plans:
        facts += plan_facts(plans[0])
    return [clean(fact) for fact in facts]


def _n_customers(context: Context) -> int | None:
    return len(context.assignment) if context.assignment is not None else None


def _privacy(context: Context) -> str:
    if context.minimum < 2:
        return "All figures are shown, also those about a handful of customers: this is no report to publish."
    return (
        f"Figures of segments that rest on fewer than {context.minimum} customers are not shown, nor are those from "
        "which such a figure could be computed. Tables with a row per customer are not shown unless a section says so."
    )


def _versions() -> list[tuple[str, str]]:
    found = [("customer-segments", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _fingerprint(sections: Sequence[Shown], context: Context, versions: list[tuple[str, str]]) -> str:
    """Hash what is published: a hash of blanked figures could be undone by trying the few that they can be."""
    content = {
        "title": context.title,
        "text": context.text,
        "minimum_cell": context.minimum,
        "versions": versions,
        "sections": [
            {
                **{
                    name: getattr(section, name)
                    for name in ("title", "text", "headline", "lines", "findings", "minds", "settings")
                },
                "tables": [(caption, _exact(table)) for caption, table in section.content],
            }
            for section in sections
        ],
    }
    written = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(written.encode("ascii")).hexdigest()


def _exact(table: pd.DataFrame) -> dict[str, Any]:
    """Write every cell of a table with all its digits."""

    def cell(value: Any) -> str:
        plain = value.item() if isinstance(value, np.generic) else value
        return repr(plain) if isinstance(plain, int | float | bool | str) else plain_text(plain)

    return {
        "columns": [str(name) for name in table.columns],
        "index": [str(value) for value in table.index],
        "cells": [[cell(value) for value in table.iloc[:, place]] for place in range(table.shape[1])],
    }
