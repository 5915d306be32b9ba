"""The page of a comparison: the library's own report, of what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from segmentation._cli._compare import Comparison
from segmentation._cli._compare_publish import Published
from segmentation._cli._compare_show import moves_in_words, run_in_words
from segmentation._format import money, percent

if TYPE_CHECKING:
    from segmentation.reporting import Report

__all__ = ["report_of"]

MATCH = "Names go on where the segments do; table and pictures below use the names of the earlier run."
SPLIT = (
    "What the earlier definition says of the later customers is moved; what the later definition changes is "
    "definition. The parts add up to the change of each segment."
)
CHANGE = (
    "exits, mix and within are what customers did, by the earlier definition; definition is what the later one moved "
    "between segments, and adds up to nothing over all customers. The components add up to the total."
)
ADVICE = "Asked of the definition of the earlier run, for the customers of the later one."


def report_of(comparison: Comparison, published: Published, minimum: int) -> Report:
    """Return the report."""
    from segmentation.reporting import Report  # most of the library is behind it

    report = Report("Two runs compared", text=_opening(comparison, published), minimum_cell=minimum)
    report.add(comparison.match, text=f"Matched by {comparison.matched_by}. {MATCH}")
    report.add(
        comparison.migration, text="\n".join(f"- {text}" for text in moves_in_words(published.parts["migration"]))
    )
    if comparison.split is not None:
        report.add(comparison.split, text=SPLIT)
    for metric, change in published.changes.items():
        report.add(change, text=CHANGE)
        table, mask = published.by_segment[metric]
        report.add(_told(table, mask), f"What changed {metric}, by segment", _few(mask))
    if comparison.drift is not None:
        text = "No value is missing in either run." if comparison.missing is None else ""
        report.add(comparison.drift, text=text)
    report.add(comparison.segment_drift, text=f"value is {comparison.carried}.")
    if comparison.missing is not None:
        report.add(comparison.missing)
    if comparison.advice is not None:
        report.add(comparison.advice, text=ADVICE)
    if comparison.notes:
        report.add("\n".join(f"- {text}" for text in comparison.notes), "What to mind about the two runs")
    report.add(_settings(comparison), "The settings")
    return report


def _opening(comparison: Comparison, published: Published) -> str:
    old, new = comparison.runs
    lines = [f"- Before: {run_in_words(old)}.", f"- After: {run_in_words(new)}."]
    settings = published.parts["migration"].settings
    if "n_both" not in settings:
        changed, both = int(comparison.migration.segments["moved_out"].sum()), comparison.migration.settings["n_both"]
        lines.append(f"- {changed:,} of {both:,} customers of both runs changed segment ({percent(changed / both)}).")
    split = published.parts.get("split")
    if (
        comparison.split is not None
        and split is not None
        and comparison.split.summary["n_changed"]
        and not split.headline
    ):
        summary = comparison.split.summary
        lines.append(
            f"- Of these, {percent(summary['share_moved'])} are customers who moved, "
            f"{percent(summary['share_definition'])} definitions that moved."
        )
    for metric, change in published.changes.items():
        lines.append(f"- {metric} in all: {money(change.before)}, then {money(change.after)}.")
    if comparison.advice is not None:
        lines.append(f"- Advice: {comparison.advice.action}. {comparison.advice.reason}")
    return "\n".join(lines)


def _told(table: pd.DataFrame, mask: pd.DataFrame) -> pd.DataFrame:
    """Return the table with words in place of what is blanked, which otherwise looks like nobody."""
    shown = table.drop(columns=["n_before", "n_after"])
    return shown.astype(object).where(~mask[list(shown.columns)], "not shown") if mask.to_numpy().any() else shown


def _few(mask: pd.DataFrame) -> str:
    return "Figures of few customers are not shown." if mask.to_numpy().any() else ""


def _settings(comparison: Comparison) -> pd.DataFrame:
    old, new = comparison.runs
    rows: dict[str, list[Any]] = {
        "folder": [str(run.folder) for run in (old, new)],
        "orders": [run.orders for run in (old, new)],
        "first day": [run.first_day for run in (old, new)],
        "last day": [run.last_day for run in (old, new)],
        **{name: [run.settings.get(name) for run in (old, new)] for name in old.settings},
        **{f"of the comparison: {name}": [value, value] for name, value in comparison.settings.items()},
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after"]).rename_axis("setting")
