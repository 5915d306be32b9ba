"""The tables of a comparison as they are printed and written: small cells blanked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._cli._compare import Comparison
from segmentation.monitoring import ChangeDecomposition
from segmentation.reporting._publishable import Safe, change_by_segment, publishable

__all__ = ["TABLES", "Published", "publish"]

# The tables that may be written; customers_moved has a row per customer and is no table to publish.
TABLES = (
    "matched_segments",
    "migration",
    "migration_segments",
    "split_migration",
    "drift",
    "segment_drift",
    "missing",
    "changes",
    "changes_segments",
    "advice",
    "customers_moved",
)
# Sums of floats leave so much of the metric where nothing is.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Published:
    """Parts of a comparison by name, as they may be shown, and the tables that are written."""

    parts: dict[str, Safe]
    changes: dict[str, ChangeDecomposition]
    by_segment: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
    tables: dict[str, pd.DataFrame]
    n_hidden: int


def publish(comparison: Comparison, minimum: int) -> Published:
    """Blank the small cells of everything that was found."""
    found: dict[str, Any] = {
        "match": comparison.match,
        "migration": comparison.migration,
        "split": comparison.split,
        "drift": comparison.drift,
        "segment_drift": comparison.segment_drift,
        "missing": comparison.missing,
        "advice": comparison.advice,
    }
    parts = {name: publishable(one, minimum) for name, one in found.items() if one is not None}
    moves = parts["migration"].hidden["segments"]
    few = (moves["left"] | moves["entered"]).to_dict()
    changes = {name: _without_dust(one) for name, one in comparison.changes.items()}
    components = {name: publishable(one, minimum) for name, one in changes.items()}
    by_segment = {name: change_by_segment(one, minimum, few) for name, one in changes.items()}
    tables = {
        "matched_segments": parts["match"].tables["table"],
        "migration": parts["migration"].tables["table"],
        "migration_segments": parts["migration"].tables["segments"],
        **{
            name: parts[part].tables["table"]
            for name, part in [
                ("split_migration", "split"),
                ("drift", "drift"),
                ("segment_drift", "segment_drift"),
                ("missing", "missing"),
                ("advice", "advice"),
            ]
            if part in parts
        },
        "changes": _stacked({name: one.tables["table"] for name, one in components.items()}, "component"),
        "changes_segments": _stacked({name: one[0] for name, one in by_segment.items()}, "segment"),
        "customers_moved": comparison.customers,
    }
    n_hidden = sum(one.n_hidden for one in (*parts.values(), *components.values()))
    n_hidden += sum(int(mask.to_numpy().sum()) for _, mask in by_segment.values())
    parts |= {f"change of {name}": one for name, one in components.items()}
    return Published(
        parts, changes, by_segment, {name: _keyed(tables[name]) for name in TABLES if name in tables}, n_hidden
    )


def _stacked(tables: dict[str, pd.DataFrame], level: str) -> pd.DataFrame:
    """Put tables of several metrics below each other."""
    parts = []
    for metric, table in tables.items():
        part = table.rename_axis(level).reset_index()
        part.insert(0, "metric", metric)
        parts.append(part.astype(object))
    return pd.concat(parts, ignore_index=True)


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """Make the first column the index where the index says nothing: tables are written with their index first."""
    if isinstance(table.index, pd.RangeIndex) and table.index.name is None:
        return table.set_index(table.columns[0])
    return table


def _without_dust(change: ChangeDecomposition) -> ChangeDecomposition:
    """Return a decomposition in which what sums of floats leave is 0."""
    limit = ROUNDING * max(abs(change.before), abs(change.after))

    def clean(table: pd.DataFrame) -> pd.DataFrame:
        names = [name for name in table.columns if pd.api.types.is_float_dtype(table[name].dtype)]
        return table.assign(**{name: np.where(table[name].abs() <= limit, 0.0, table[name]) for name in names})

    figures = clean(change.table.drop(columns="share_of_change"))
    return dataclasses.replace(
        change,
        table=figures.join(change.table["share_of_change"].where(figures["estimate"] != 0, 0.0)),
        segments=clean(change.segments),
    )
