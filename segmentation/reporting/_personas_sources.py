"""What personas take from tables of affinities and of pain points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import column_difference, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.exceptions import ColumnError
from segmentation.reporting._phrases import Fact, quoted, share_text

__all__ = ["Hint", "read_affinity", "read_pain_points"]

# What the shares of a table of affinities are shares of, by its measure.
OF_WHAT: Mapping[str, str] = {"customers": "of buyers", "lines": "of order lines", "spend": "of spend"}


@dataclass(frozen=True)
class Hint:
    """One row of such a table, as it is said."""

    direction: str
    text: str
    facts: tuple[Fact, ...] = ()


def read_affinity(affinity: Any, segments: Sequence[str]) -> dict[str, list[Hint]] | None:
    """Return what each segment buys more ("over") and less ("under") than others, in the order of the table.

    Rows that the table itself does not flag as found are left out.
    """
    if affinity is None:
        return None
    table = _table(getattr(affinity, "table", affinity), "affinity", ["segment", "category", "direction"], segments)
    of_what = OF_WHAT[getattr(affinity, "settings", {}).get("measure", "customers")]
    if "found" in table.columns:
        table = table[table["found"].astype(bool)]
    found: dict[str, list[Hint]] = {}
    for row in table.to_dict("records"):
        direction = str(row["direction"])
        if direction in ("over", "under"):
            known = {str(name): value for name, value in row.items()}
            found.setdefault(str(row["segment"]), []).append(_bought(direction, known, of_what))
    return found


def _bought(direction: str, row: Mapping[str, Any], of_what: str) -> Hint:
    segment, category = str(row["segment"]), str(row["category"])
    share, rest = row.get("share"), row.get("share_rest")
    if share is None or rest is None or share != share or rest != rest:
        return Hint(direction, quoted(category))
    texts = {"share": share_text(float(share)), "share_rest": share_text(float(rest))}
    facts = tuple(
        Fact("affinity", segment, category, "", figure, float(row[figure]), text) for figure, text in texts.items()
    )
    return Hint(direction, f"{quoted(category)} {texts['share']} {of_what} (others: {texts['share_rest']})", facts)


def read_pain_points(pain_points: Any, segments: Sequence[str]) -> dict[str, list[Hint]] | None:
    """Return what hurts each segment, in the order of the table."""
    if pain_points is None:
        return None
    if isinstance(pain_points, Mapping):
        rows = [(one, text) for one, texts in pain_points.items() for text in _texts(texts)]
        pain_points = pd.DataFrame(rows, columns=["segment", "pain_point"])
    table = _table(getattr(pain_points, "table", pain_points), "pain_points", ["segment", "pain_point"], segments)
    found: dict[str, list[Hint]] = {}
    for row in table.to_dict("records"):
        segment, what = str(row["segment"]), str(row["pain_point"])
        share = row.get("share")
        if share is None or share != share:
            hint = Hint("over", quoted(what))
        else:
            text = share_text(float(share))
            fact = Fact("pain_points", segment, what, "", "share", float(share), text)
            hint = Hint("over", f"{quoted(what)} ({text} of them)", (fact,))
        found.setdefault(segment, []).append(hint)
    return found


def _texts(texts: Any) -> list[str]:
    return [texts] if isinstance(texts, str) else [str(text) for text in texts]


def _table(given: Any, what: str, needed: Sequence[str], segments: Sequence[str]) -> pd.DataFrame:
    if not is_frame(given):
        raise TypeError(f"{what} must be a table, or a result that has one; got {kind_of(given)}.")
    table = to_pandas(given)
    if any(name not in table.columns for name in needed):
        table = table.reset_index()
    if any(name not in table.columns for name in needed):
        raise ColumnError(f"{what} {column_difference(needed, list(table.columns))}.")
    unknown = sorted(set(table["segment"].astype(str)) - set(segments) - {"unassigned"})
    if unknown:
        raise ValueError(f"{what} names {name_some(unknown)}; the segments are {name_some(segments)}.")
    return table
