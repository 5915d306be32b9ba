"""A comparison as text, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from segmentation._cli._compare import Comparison
from segmentation._cli._compare_publish import Published
from segmentation._cli._record import Run
from segmentation._cli._show import MISSING, aligned, wrapped
from segmentation._format import count, money, number, percent
from segmentation._plotting import shorten
from segmentation.reporting._publishable import Safe

__all__ = ["moves_in_words", "run_in_words", "show"]

NAME_WIDTH = 24
MOVES = 5
ROWS = 30
SIGNED = ("left", "entered", "moved", "definition", "change")


def show(comparison: Comparison, published: Published) -> str:
    """Return everything that is printed about a comparison."""
    old, new = comparison.runs
    parts = [
        wrapped("Before: ", run_in_words(old)),
        wrapped("After:  ", run_in_words(new)),
        *(wrapped("note: ", note, "  ") for note in comparison.notes),
        "",
        *_segments(comparison, published.parts["match"]),
        "",
        *_migration(comparison, published.parts["migration"]),
        "",
        *_split(comparison, published.parts.get("split")),
        *_changes(comparison, published),
        *_drift(comparison, published.parts.get("drift")),
        "",
        *_advice(comparison, published.parts.get("advice")),
        *_hidden(published),
    ]
    return "\n".join(parts)


def run_in_words(run: Run) -> str:
    """Say what a run was about."""
    n = len(run.assignment["segment"].cat.categories) - 1
    return (
        f"{str(run.folder)!r}, orders of {run.orders}, {run.first_day} to {run.last_day}: "
        f"{count(len(run.assignment), 'customer')} in {count(n, 'segment')}"
    )


def _cell(value: Any, write: Callable[[Any], str]) -> str:
    return MISSING if value is None or pd.isna(value) else write(value)


def _whole(value: Any) -> str:
    return f"{value:,.0f}"


def _name(value: Any) -> str:
    return shorten(value, NAME_WIDTH) if isinstance(value, str) else ""


def _segments(comparison: Comparison, safe: Safe) -> list[str]:
    table = safe.tables["table"]
    lines = [f"What became of the segments (matched by {comparison.matched_by})"]
    if not len(table):
        return [*lines, "  nothing to match"]
    above = ["", "", "", "", "by the", "by the", "by", "share of", "share of"]
    below = ["before", "after", "event", "is called", "first", "second", "both", "first", "second"]
    return [*lines, aligned([above, below, *map(_event, table.head(ROWS).to_dict("records"))])]


def _event(row: Any) -> list[str]:
    return [
        _name(row["old"]),
        _name(row["new"]),
        str(row["event"]),
        _name(row["name"]),
        _cell(row["n_old"], _whole) if isinstance(row["old"], str) else "",
        _cell(row["n_new"], _whole) if isinstance(row["new"], str) else "",
        _cell(row["n_both"], _whole),
        _cell(row["share_of_old"], percent),
        _cell(row["share_of_new"], percent),
    ]


def moves_in_words(safe: Safe, n: int = MOVES) -> list[str]:
    """Return the largest moves that may be shown."""
    table = safe.tables["table"]
    moves = table[(table["kind"] == "moved") & table["n"].notna()].copy()
    moves["n"] = moves["n"].astype(float)
    moves = moves.sort_values("n", ascending=False, kind="stable").head(n)
    return [
        f"{row['n']:,.0f} from {row['from']} to {row['to']} ({percent(row['rate'])}, "
        f"{percent(row['rate_low'])} to {percent(row['rate_high'])})"
        for row in moves.to_dict("records")
    ]


def _migration(comparison: Comparison, safe: Safe) -> list[str]:
    settings = {**comparison.migration.settings, **safe.settings}
    segments = safe.tables["segments"]
    lines = ["Who moved where (customers)"]
    if isinstance(settings["n_both"], str):
        lines.append("  too few moved for their number to be shown")
    else:
        changed = int(comparison.migration.segments["moved_out"].sum())
        lines.append(
            f"  {changed:,} of {count(settings['n_both'], 'customer')} of both runs changed segment "
            f"({percent(changed / settings['n_both'])}); {settings['n_entered']:,} entered, {settings['n_left']:,} left"
        )
    headings = ["n_before", "stayed", "moved_out", "left", "moved_in", "entered", "n_after"]
    carried = [name for name in ("value_before", "value_after") if name in segments]
    above = ["", "", "", "moved", "", "moved", "", "", *([comparison.carried, comparison.carried] if carried else [])]
    below = [
        "segment",
        "before",
        "stayed",
        "out",
        "left",
        "in",
        "entered",
        "after",
        *(["before", "after"] if carried else []),
    ]
    rows = [above, below]
    for name, row in segments.head(ROWS).iterrows():
        cells = [_cell(row[one], _whole) for one in headings] + [_cell(row[one], money) for one in carried]
        rows.append([_name(name), *cells])
    lines.append(aligned(rows))
    return [*lines, *(wrapped("", text, "  ") for text in moves_in_words(safe))]


def _split(comparison: Comparison, safe: Safe | None) -> list[str]:
    lines = ["Customers who moved, and definitions that moved"]
    if comparison.split is None or safe is None:
        return [*lines, "  not told apart: see the notes above", ""]
    summary, table = comparison.split.summary, safe.tables["table"]
    if safe.headline:
        lines.append("  too few changed for their number to be shown")
    elif summary["n_changed"]:
        lines.append(
            f"  of those who changed, {percent(summary['share_moved'])} moved and "
            f"{percent(summary['share_definition'])} are where the definition moved"
        )
    rows = [["segment", "before", "left", "entered", "moved", "definition", "after"]]
    for name, row in table.head(ROWS).iterrows():
        cells = [
            _cell(row[one], _signed if one in SIGNED else _whole)
            for one in ("n_before", "left", "entered", "moved", "definition", "n_after")
        ]
        rows.append([_name(name), *cells])
    return [*lines, aligned(rows), ""]


def _signed(value: Any) -> str:
    return "0" if abs(value) < 0.05 else f"{value:+,.1f}".removesuffix(".0")


def _changes(comparison: Comparison, published: Published) -> list[str]:
    lines = []
    for metric, change in published.changes.items():
        table = published.parts[f"change of {metric}"].tables["table"]
        lines.append(f"What changed {metric}: {money(change.before)} to {money(change.after)} in all")
        rows = [["", "change", "90 % from", "to"]]
        for name, row in table.iterrows():
            if name in ("exits", "entries") and row["estimate"] == 0:
                continue  # nobody left, or nobody came
            rows.append(
                [str(name), *(_cell(row[one], _change) for one in ("estimate", "estimate_low", "estimate_high"))]
            )
        lines += [aligned(rows), *_definitions(comparison, published.by_segment[metric][0]), ""]
    return lines


def _change(value: Any) -> str:
    return "0" if value == 0 else f"{'+' if value > 0 else '-'}{money(abs(value))}"


def _definitions(comparison: Comparison, segments: pd.DataFrame) -> Iterable[str]:
    """Say which segment the new definition gave or took most of a metric; of all customers it changes nothing."""
    if comparison.split is None or "definition" not in segments:
        return
    known = pd.to_numeric(segments["definition"], errors="coerce").dropna()
    if not len(known) or known.abs().max() == 0:
        return
    most = str(known.abs().idxmax())
    text = f"By segment, the definition moves most for {most}: {_change(float(known.loc[most]))} (over all, nothing)."
    yield wrapped("", text, "  ")


def _drift(comparison: Comparison, safe: Safe | None) -> list[str]:
    lines = ["What drifted"]
    if comparison.drift is None or safe is None:
        return [*lines, "  not measured: see the notes above"]
    table = safe.tables["table"]
    drifted = table[table["drifted"]]
    said = f"{len(drifted)} of {count(len(table), 'feature')} (false alarms in at most 5 % of comparisons)"
    lines.append(f"  {said}")
    lines += [
        wrapped(f"{row['feature']}  ", f"{row['what']} (adjusted p {_p(row['p_adjusted'])})", "  ")
        for row in drifted.head(ROWS).to_dict("records")
    ]
    if comparison.missing is None:
        lines.append("  no value is missing in either run")
    else:
        changed = comparison.missing.changed
        lines.append(f"  missing values changed in {count(len(changed), 'comparison')} of segments and features")
    return lines


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else number(value)


def _advice(comparison: Comparison, safe: Safe | None) -> list[str]:
    if not comparison.settings["advice"]:
        return ["Keep, refit or rebuild: not asked (--no-advice)"]
    lines = ["Keep, refit or rebuild (does the earlier definition still serve the later customers?)"]
    if comparison.advice is None or safe is None:
        return [*lines, "  not answered: see the notes above"]
    lines.append(wrapped(f"{comparison.advice.action}: ", safe.findings[0], "  "))
    for _, row in safe.tables["table"].iterrows():
        if row["evidence"] is not None:
            lines.append(wrapped(f"{'yes' if row['found'] else 'no '} ", row["evidence"], "  "))
    return [*lines, *(wrapped("", text, "  ") for text in safe.findings[1:])]


def _hidden(published: Published) -> list[str]:
    if not published.n_hidden:
        return []
    return [
        wrapped(
            "note: ",
            f"{count(published.n_hidden, 'figure')} not shown ({MISSING}), here and in the tables: of few customers, "
            "or needed so that such a figure cannot be computed. --minimum-cell 0 shows all.",
            "  ",
        )
    ]
