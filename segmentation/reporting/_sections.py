"""What a report takes, and how each kind of result is read: headline, table, pictures, what to mind, settings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segmentation._format import count
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation._notes import notes_of
from segmentation.assignment import as_assignment
from segmentation.profile import profile_segments
from segmentation.reporting._html import clean
from segmentation.reporting._html_svg import Picture, drawn, figure_of, is_picture, picture_of
from segmentation.reporting._personas_result import PARTS, TASKS, Personas
from segmentation.reporting._publishable import (
    Safe,
    further_table,
    is_known,
    publishable,
    sentences_left,
    shown_columns,
    title_of,
)
from segmentation.reporting._report_cells import is_customer_table, is_plan, is_profile
from segmentation.reporting._tables import plain_text

__all__ = ["Section", "read"]

# Attributes of results that hold sentences.
FINDINGS = ("findings", "verdicts")
WARNINGS = ("warnings", "notes", "assumptions", "problems")
PER_CUSTOMER = "The table has one row per customer and is not shown (add(..., customers=True) shows it)."
TITLES = {"profile": "The segments", "plan": "What to do first"}


@dataclass(frozen=True)
class Section:
    """One result as it was when it was added, before small cells are blanked."""

    kind: str
    title: str
    text: str = ""
    headline: str = ""
    lines: str = ""
    findings: tuple[str, ...] = ()
    minds: tuple[str, ...] = ()
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    pictures: tuple[tuple[str, Picture], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    asides: tuple[str, ...] = ()
    customers: bool = False
    draw: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    # by the place of the table: cells that are blank already, because they rest on few customers
    blanked: Mapping[int, pd.DataFrame] = field(default_factory=dict)


def read(
    result: Any,
    title: str | None,
    text: str | None,
    *,
    tables: Iterable[str],
    plot: bool,
    customers: bool,
    minimum: int,
) -> Section:
    """Return a section with what a result has to say, or say what a report takes."""
    common: dict[str, Any] = {"text": text or "", "customers": customers, "draw": plot}
    if isinstance(result, str):
        return Section("text", title or "Remarks", **{**common, "text": "\n\n".join(filter(None, (text, result)))})
    if is_picture(result):
        name = title or _title_of(result)
        return Section("figure", name, pictures=((name, _picture(result)),), **common)
    if isinstance(result, pd.Series):
        result = result.to_frame("value" if result.name is None else result.name)
    if is_frame(result):
        return _read_table(result if isinstance(result, pd.DataFrame) else to_pandas(result), title, common)
    if isinstance(result, type) or not any(hasattr(result, name) for name in ("table", "to_pandas", "_repr_html_")):
        raise TypeError(
            "a report takes results of this library, tables, figures and displays of matplotlib, and text, "
            f"got {kind_of(result)}."
        )
    if is_known(result):
        return _read_known(result, title or title_of(result), list(tables), common, minimum)
    return _read_result(result, title or _title_of(result), list(tables), common)


def _read_table(table: pd.DataFrame, title: str | None, common: Mapping[str, Any]) -> Section:
    notes = notes_of(table)
    if {"segment", "membership"} <= set(table.columns) and not common["customers"]:
        # of an assignment the sizes of the segments can be shown
        table = profile_segments(as_assignment(table))
    kind = "profile" if is_profile(table) else "plan" if is_plan(table) else "table"
    name = title or TITLES.get(kind, "Table")
    tables, asides = _allowed([(name, table)], customers=common["customers"])
    return Section(kind, name, minds=tuple(map(clean, notes)), tables=tables, asides=asides, **common)


def _read_result(result: Any, title: str, names: list[str], common: Mapping[str, Any]) -> Section:
    printed = [clean(line) for line in str(result).splitlines() if line.strip()] or [title]
    # many a result opens its findings with its headline, which stands above them already
    findings = tuple(text for text in _sentences(result, FINDINGS) if text.strip() != printed[0].strip())
    found = _tables_of(result, title, names)
    tables, asides = _allowed(found, customers=common["customers"])
    pictures, undrawn = _pictures(result, title) if common["draw"] else ((), ())
    return Section(
        "result",
        title,
        headline="" if asides and _names_customer(printed[0], found) else printed[0].strip(),
        lines="" if found else clean("\n".join(str(result).splitlines()[1:])).strip("\n"),
        findings=findings,
        minds=tuple(
            dict.fromkeys((*_sentences(result, WARNINGS), *(n for _, t in found for n in notes_of(t)), *undrawn))
        ),
        tables=tables,
        pictures=pictures,
        settings=_settings(result),
        asides=asides,
        labels={"paragraph": "", **PARTS, **TASKS} if isinstance(result, Personas) else {},
        **common,
    )


def _read_known(result: Any, title: str, names: list[str], common: Mapping[str, Any], minimum: int) -> Section:
    """Read a result that says itself how many customers are behind its figures: small cells are blanked at once."""
    safe = publishable(result, minimum)
    tables, blanked, asides = _known_tables(result, safe, title, names, minimum, customers=common["customers"])
    pictures: tuple[tuple[str, Picture], ...] = ()
    undrawn: tuple[str, ...] = ()
    if common["draw"] and safe.picture is not None:
        pictures, undrawn = _pictures(safe.picture, title)
    elif common["draw"] and hasattr(result, "plot"):
        asides.append("The picture is not shown: it has figures that are not shown in the table.")
    hidden = int(sum(mask.to_numpy().sum() for mask in blanked.values()))
    if hidden:
        asides.append(
            f"{count(hidden, 'figure')} not shown: of fewer than {minimum} customers, or needed so that such a figure "
            "cannot be computed."
        )
    settings = {**dict(_settings(result)), **{clean(name): plain_text(value) for name, value in safe.settings.items()}}
    return Section(
        "result",
        title,
        headline=clean(safe.headline or str(result).splitlines()[0]),
        findings=tuple(map(clean, safe.findings)),
        minds=tuple(dict.fromkeys((*sentences_left(_sentences(result, WARNINGS), minimum), *undrawn))),
        tables=tuple(tables),
        pictures=pictures,
        settings=tuple(settings.items()),
        asides=(*safe.notes, *asides),
        blanked=blanked,
        **common,
    )


def _known_tables(
    result: Any, safe: Safe, title: str, names: list[str], minimum: int, *, customers: bool
) -> tuple[list[tuple[str, pd.DataFrame]], dict[int, pd.DataFrame], list[str]]:
    tables: list[tuple[str, pd.DataFrame]] = []
    blanked: dict[int, pd.DataFrame] = {}
    asides: list[str] = []
    for name, table in safe.tables.items():
        columns = shown_columns(result, name, table)
        blanked[len(tables)] = safe.hidden[name][columns]
        tables.append((title if name == "table" else f"{title}: {name.replace('_', ' ')}", table[columns]))
    for name in names:
        if not isinstance(getattr(result, name, None), pd.DataFrame):
            raise ValueError(f"{type(result).__name__} has no table {name!r} to show in the report.")
        if name in safe.tables:
            continue
        if is_customer_table(getattr(result, name)) and not customers:
            asides.append(PER_CUSTOMER)
            continue
        found = further_table(result, name, 0 if customers else minimum)
        if found is None:
            asides.append(f"The table {name!r} is not shown: it does not say how many customers are behind a figure.")
            continue
        blanked[len(tables)] = found[1]
        tables.append((f"{title}: {name.replace('_', ' ')}", found[0]))
    return tables, blanked, asides


def _names_customer(line: str, tables: list[tuple[str, pd.DataFrame]]) -> bool:
    """Whether a printed line is about the first customer of a table."""
    firsts = [str(table.index[0]) for _, table in tables if is_customer_table(table) and len(table)]
    return any(line.strip().startswith(f"{first}:") for first in firsts)


def _title_of(result: Any) -> str:
    """Return the name of a result's class in words.

    Examples
    --------
    >>> class SegmentStability: ...
    >>> _title_of(SegmentStability())
    'Segment stability'
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", type(result).__name__.strip("_"))
    text = " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def _tables_of(result: Any, title: str, names: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the main table, and those asked for by name."""
    main = getattr(result, "table", None)
    if not isinstance(main, pd.DataFrame) and callable(getattr(result, "to_pandas", None)):
        main = result.to_pandas()
    first = getattr(type(result), "columns_first", {})
    tables = [(title, _telling_first(main, first.get("table", ())))] if isinstance(main, pd.DataFrame) else []
    for name in names:
        table = getattr(result, name, None)
        if not isinstance(table, pd.DataFrame):
            raise ValueError(f"{type(result).__name__} has no table {name!r} to show in the report.")
        tables.append((f"{title}: {name.replace('_', ' ')}", _telling_first(table, first.get(name, ()))))
    return tables


def _telling_first(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Put the columns that tell most first: of a wide table a screen shows the left part."""
    leading = [name for name in names if name in table.columns]
    return table[[*leading, *(name for name in table.columns if name not in leading)]] if leading else table


def _allowed(
    tables: list[tuple[str, pd.DataFrame]], *, customers: bool
) -> tuple[tuple[tuple[str, pd.DataFrame], ...], tuple[str, ...]]:
    """Return copies of the tables that may be shown, and what to say of the others."""
    shown = tuple((name, table.copy()) for name, table in tables if customers or not is_customer_table(table))
    return shown, (PER_CUSTOMER,) if len(shown) < len(tables) else ()


def _sentences(result: Any, names: Iterable[str]) -> tuple[str, ...]:
    """Return the texts among these attributes; findings that are objects stand in the table."""
    values = (getattr(result, name, ()) for name in names)
    listed = [value for value in values if isinstance(value, list | tuple)]
    return tuple(dict.fromkeys(clean(text) for value in listed for text in value if isinstance(text, str)))


def _settings(result: Any) -> tuple[tuple[str, str], ...]:
    settings = getattr(result, "settings", None)
    if not isinstance(settings, Mapping):
        return ()
    return tuple((clean(name), plain_text(value)) for name, value in settings.items())


def _pictures(result: Any, title: str) -> tuple[tuple[tuple[str, Picture], ...], tuple[str, ...]]:
    """Draw a result that can draw itself without being told more; else say why there is no picture."""
    plot = getattr(result, "plot", None)
    if not callable(plot):
        return (), ()
    needed = [
        one
        for one in inspect.signature(plot).parameters.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    if needed:
        return (), ()
    try:
        with drawn(result) as figure:
            return ((title, picture_of(figure, names_are_literal=True)),), ()
    except ValueError as error:  # what a result says that has nothing to draw; the rest of the report stands
        return (), (clean(f"No picture: {error}"),)


def _picture(value: Any) -> Picture:
    if hasattr(value, "savefig") or hasattr(value, "get_figure") or hasattr(value, "figure_"):
        return picture_of(figure_of(value))
    with drawn(value) as figure:
        return picture_of(figure, names_are_literal=True)
