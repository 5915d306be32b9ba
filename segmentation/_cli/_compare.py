"""Two runs of the main job compared, out of the library's public parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._cli._compare_options import differences
from segmentation._cli._errors import CommandError
from segmentation._cli._record import Run
from segmentation._format import count, name_some
from segmentation.compose import assign
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.monitoring import (
    ChangeDecomposition,
    DriftReport,
    Migration,
    RefreshAdvice,
    SegmentDrift,
    SegmentMatch,
    SegmentQuality,
    SplitMigration,
    decompose_change,
    feature_drift,
    match_segments,
    migration,
    recommend_refresh,
    segment_drift,
    segment_quality,
    split_migration,
)

__all__ = ["STEPS", "Comparison", "compare"]

STEPS = ("matching segments", "following customers", "measuring drift", "splitting changes", "weighing a refresh")
# The metrics whose change is split, where both runs have them; the first of these is carried by who moved.
METRICS = ("clv", "total_spend", "n_purchases")
# Drift needs as many customers, and a refit as many again, to say anything.
FEWEST = 20
GOES_ON = ("continued", "renamed")


@dataclass(frozen=True)
class Comparison:
    """What the comparison found; parts that were not possible are None, and `notes` say why.

    `before` and `after` are the assignments under names that go on; `matched_by` says how segments were matched;
    `changes` has one decomposition per metric; `customers` one row per customer of either run.
    """

    runs: tuple[Run, Run]
    match: SegmentMatch
    matched_by: str
    before: pd.DataFrame
    after: pd.DataFrame
    migration: Migration
    split: SplitMigration | None
    drift: DriftReport | None
    segment_drift: SegmentDrift
    missing: SegmentQuality | None
    changes: dict[str, ChangeDecomposition]
    advice: RefreshAdvice | None
    customers: pd.DataFrame
    carried: str
    notes: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Sides:
    """Both runs and what both models make of both tables; None where a model cannot be applied."""

    old: Run
    new: Run
    old_now: pd.DataFrame | None = None
    new_then: pd.DataFrame | None = None

    @property
    def crossed(self) -> bool:
        """Whether both models can be applied to both tables."""
        return self.old_now is not None and self.new_then is not None


def compare(
    old: Run, new: Run, *, advice: bool, minimum: int, random_state: int, step: Callable[[str], None]
) -> Comparison:
    """Compare two runs.

    Raises
    ------
    CommandError
        If nothing can be compared: no customer in both, or the later run given first.
    """
    step(STEPS[0])
    notes = [*old.notes, *new.notes, *differences(old, new)]
    _check(old, new)
    sides = _Sides(old, new)
    _cross(sides, notes)
    match, matched_by = _matched(sides)
    before, after = old.assignment, match.relabel(new.assignment)
    step(STEPS[1])
    metrics = _metrics(old, new)
    carried = metrics[0]
    value = (_figures(old)[carried], _figures(new)[carried])
    moved = migration(before, after, value=value, minimum=max(minimum, 1))
    step(STEPS[2])
    drift, drifted_segments = _drift(old, new, before, after, value, random_state, notes)
    step(STEPS[3])
    split = None
    if sides.crossed:
        split = split_migration(old.model, old.features, new.model, new.features, match=match)
    changes = {one: _change(one, sides, before, after, match, random_state) for one in metrics[:2]}
    step(STEPS[4])
    advised = _advice(old, new, random_state, notes) if advice else None
    return Comparison(
        runs=(old, new),
        match=match,
        matched_by=matched_by,
        before=before,
        after=after,
        migration=moved,
        split=split,
        drift=drift,
        segment_drift=drifted_segments,
        missing=_missing(old, new, before, after),
        changes=changes,
        advice=advised,
        customers=_customers(before, after, new.assignment, split, value, carried),
        carried=carried,
        notes=tuple(dict.fromkeys(notes)),
        settings={"minimum_cell": minimum, "random_state": random_state, "advice": advice},
    )


def _check(old: Run, new: Run) -> None:
    if new.last_day < old.last_day:
        raise CommandError(
            f"the run given as AFTER ends on {new.last_day}, before the other one ({old.last_day}): give the earlier "
            "run first."
        )
    if not len(old.assignment.index.intersection(new.assignment.index)):
        raise CommandError(
            f"no customer is in both runs: BEFORE has ids such as {name_some(old.assignment.index, 2)}, AFTER "
            f"{name_some(new.assignment.index, 2)}. Do both use the same column of customers ({_column(old)}, "
            f"{_column(new)})?"
        )


def _column(run: Run) -> str:
    return repr(run.columns.get("customer_id"))


def _cross(sides: _Sides, notes: list[str]) -> None:
    """Apply each model to the other table where that is possible."""
    old, new = sides.old, sides.new
    if old.model is None or new.model is None:
        return  # a note of the run says why
    if list(old.features.columns) != list(new.features.columns):
        notes.append(
            f"the runs have different features ({_named(old)}; then {_named(new)}), so no "
            "model can be applied to the other table: what definitions did is not told from what customers did"
        )
        return
    sides.old_now, sides.new_then = assign(old.model, new.features), assign(new.model, old.features)


def _named(run: Run) -> str:
    return ", ".join(str(name) for name in run.features.columns)


def _matched(sides: _Sides) -> tuple[SegmentMatch, str]:
    """Match by the definitions on today's customers, or by the customers of both runs: the first in which all go on.

    One way in which all go on is enough: where prices rose, the old definition says little about today's customers, but
    the customers are still together. If all go on in none, the first way counts.
    """
    old, new = sides.old, sides.new
    by_customers = match_segments(old.assignment, new.assignment)
    found = [(by_customers, "the customers who are in both runs")]
    if sides.old_now is not None:
        by_definition = match_segments(sides.old_now, new.assignment)
        found.insert(0, (by_definition, "where both definitions put the customers of the later run"))
    for match, how in found:
        if match.old["event"].isin(GOES_ON).all() and match.new["event"].isin(GOES_ON).all():
            return match, how
    return found[0]


def _figures(run: Run) -> pd.DataFrame:
    return run.features if run.scores is None else run.features.join(run.scores)


def _metrics(old: Run, new: Run) -> list[str]:
    """Return the metrics that both runs have and that mean the same in both."""
    same = [one for one in METRICS if one in _figures(old) and one in _figures(new)]
    if "clv" in same and any(
        old.settings.get(name) != new.settings.get(name) for name in ("horizon_days", "margin", "annual_discount_rate")
    ):
        same.remove("clv")
    return same


def _change(
    metric: str, sides: _Sides, before: pd.DataFrame, after: pd.DataFrame, match: SegmentMatch, random_state: int
) -> ChangeDecomposition:
    crossed: dict[str, Any] = {}
    if sides.old_now is not None and sides.new_then is not None:
        crossed = {"after_old": sides.old_now, "before_new": match.relabel(sides.new_then)}
    then, now = (
        pd.DataFrame({"segment": table["segment"], metric: _figures(run)[metric]})
        for table, run in ((before, sides.old), (after, sides.new))
    )
    return decompose_change(metric, then, now, kind="total", random_state=random_state, **crossed)


def _drift(
    old: Run,
    new: Run,
    before: pd.DataFrame,
    after: pd.DataFrame,
    value: tuple[pd.Series[Any], pd.Series[Any]],
    random_state: int,
    notes: list[str],
) -> tuple[DriftReport | None, SegmentDrift]:
    common = [name for name in old.features if name in new.features]
    drift = None
    if min(len(old.features), len(new.features)) >= FEWEST:
        drift = feature_drift(old.features[common], new.features[common], random_state=random_state)
    else:
        notes.append(f"a run has fewer than {FEWEST} customers: drift of features is not measured")
    return drift, segment_drift(before, after, values=value, random_state=random_state)


def _missing(old: Run, new: Run, before: pd.DataFrame, after: pd.DataFrame) -> SegmentQuality | None:
    """Follow missing values where there are any; features of orders have none, scores may."""
    tables = [_figures(old), _figures(new)]
    common = [name for name in tables[0] if name in tables[1]]
    if not any(table[common].isna().any(axis=None) for table in tables):
        return None
    periods = {
        name: (table[common], one)
        for name, table, one in zip(("before", "after"), tables, (before, after), strict=True)
    }
    return segment_quality(periods)


def _advice(old: Run, new: Run, random_state: int, notes: list[str]) -> RefreshAdvice | None:
    if old.model is None:
        return None
    if list(old.features.columns) != list(new.features.columns):
        return None
    fewest = max(FEWEST, 2 * old.model.n_clusters)
    if min(len(old.features), len(new.features)) < fewest:
        notes.append(f"a run has fewer than {count(fewest, 'customer')}: whether to refresh is not asked")
        return None
    later = new.last_day > old.last_day
    values = None if new.scores is None or "clv" not in new.scores else new.scores["clv"]
    try:
        return recommend_refresh(
            old.model,
            old.features,
            new.features,
            values=values,
            reference_date=old.last_day if later else None,
            current_date=new.last_day if later else None,
            random_state=random_state,
        )
    except (ColumnError, CustomerTableError, ValueError) as error:
        notes.append(f"whether to refresh could not be asked: {error}")
        return None


def _customers(
    before: pd.DataFrame,
    after: pd.DataFrame,
    as_it_came: pd.DataFrame,
    split: SplitMigration | None,
    value: tuple[pd.Series[Any], pd.Series[Any]],
    carried: str,
) -> pd.DataFrame:
    """Return where every customer was and is, why that changed, and what they are worth."""
    index = before.index.union(after.index, sort=False)
    table = pd.DataFrame(
        {
            "before": before["segment"].astype(object).reindex(index),
            "after": after["segment"].astype(object).reindex(index),
            "after_as_it_came": as_it_came["segment"].astype(object).reindex(index),
        },
        index=index,
    )
    if split is not None:
        table["cause"] = split.customers["cause"].reindex(index)
    else:
        moved = np.where(table["before"] == table["after"], "stayed", "changed")
        moved = np.where(table["before"].isna(), "entered", np.where(table["after"].isna(), "left", moved))
        table["cause"] = moved
    table[f"{carried}_before"] = value[0].reindex(index)
    table[f"{carried}_after"] = value[1].reindex(index)
    return table.rename_axis("customer_id")
