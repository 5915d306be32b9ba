"""What an analysis says once segments are weighed against each other: pooled effects, and the best segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation.experiments._pooling import pool_effects
from segmentation.experiments._pooling_result import PooledEffects
from segmentation.experiments._winner import BestSegment, best_segment

__all__ = ["best_of", "best_table", "differing_words", "pool_of", "pooled_table", "pooled_words"]

POOLED = ["outcome", "arm", "segment", "estimate", "se", "pooled", "pooled_low", "pooled_high", "own_weight",
          "probability_positive"]  # fmt: skip
BEST = ["outcome", "arm", "segment", "runner_up", "as_measured", "estimate", "low", "high"]


def _estimates(analysis: Any, outcome: str, arm: str, *, relative: bool) -> pd.DataFrame:
    """Return estimates that can be weighed: without variation there is no standard error to weigh by."""
    rows = analysis.segments
    part = rows[(rows["outcome"] == outcome) & (rows["arm"] == arm)].set_index("segment")
    names = ("rel_lift", "rel_se") if relative else ("lift", "se")
    made: pd.DataFrame = part[[*names, "df"]].set_axis(["estimate", "se", "df"], axis=1)
    return made.assign(se=made["se"].where((made["se"] > 0) & np.isfinite(made["se"])))


def _usable(table: pd.DataFrame) -> bool:
    return bool((table["estimate"].notna() & table["se"].notna()).any())


def pool_of(analysis: Any, outcome: str, arm: str, *, relative: bool = False) -> PooledEffects:
    """Pool one outcome and arm."""
    table = _estimates(analysis, outcome, arm, relative=relative)
    if not _usable(table):
        raise ValueError(
            f"no segment has an estimate of {arm!r} on {outcome!r} with a standard error: nothing to pool."
        )
    return pool_effects(table, level=analysis.settings["level"])


def best_of(analysis: Any, outcome: str, arm: str, **options: Any) -> BestSegment:
    """Correct the best segment of one outcome and arm."""
    table = _estimates(analysis, outcome, arm, relative=False)
    if not _usable(table):
        raise ValueError(f"no segment has an estimate of {arm!r} on {outcome!r}: none can be the best.")
    return best_segment(table, level=analysis.settings["level"], **options)


def _pairs(analysis: Any) -> list[tuple[str, str]]:
    rows = analysis.segments
    pairs = rows[["outcome", "arm"]].drop_duplicates().itertuples(index=False)
    return [(str(outcome), str(arm)) for outcome, arm in pairs]


def pooled_table(analysis: Any) -> pd.DataFrame:
    """Pool every outcome and arm that has three segments with an estimate."""
    parts = []
    for outcome, arm in _pairs(analysis):
        table = _estimates(analysis, outcome, arm, relative=False)
        if not _usable(table):
            continue
        found = pool_effects(table, level=analysis.settings["level"])
        if found.pooled:
            parts.append(found.table.reset_index().assign(outcome=outcome, arm=arm)[POOLED])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=POOLED)


def best_table(analysis: Any) -> pd.DataFrame:
    """Correct the best segment of every outcome and arm that has two segments with an estimate."""
    rows = []
    for outcome, arm in _pairs(analysis):
        table = _estimates(analysis, outcome, arm, relative=False)
        if int((table["estimate"].notna() & table["se"].notna()).sum()) < 2:
            continue
        found = best_segment(table, level=analysis.settings["level"])
        naive = float(found.table.loc["naive", "estimate"])  # type: ignore[arg-type]
        rows.append([outcome, arm, found.segment, found.runner_up, naive, found.estimate, found.low, found.high])
    return pd.DataFrame(rows, columns=BEST)


def pooled_words(analysis: Any) -> list[str]:
    """Say what pooling leaves of the differences between segments, and who stands alone."""
    table, tests = analysis.pooled, analysis.interaction
    said = []
    for outcome, arm in table[["outcome", "arm"]].drop_duplicates().itertuples(index=False):
        part = table[(table["outcome"] == outcome) & (table["arm"] == arm)]
        low, high = part["pooled"].min(), part["pooled"].max()
        text = f"{arm!r} on {outcome!r}: pooled lifts from {low:.4g} to {high:.4g}, "
        p = float(tests.loc[(tests["outcome"] == outcome) & (tests["arm"] == arm), "p_any"].iloc[0])
        above, below = list(part["segment"][part["pooled_low"] > 0]), list(part["segment"][part["pooled_high"] < 0])
        where = [f"{word} 0 in {name_some(names)}" for names, word in ((above, "above"), (below, "below")) if names]
        if not where:
            said.append(f"{text}every interval holds 0.")
        elif p < 1 - analysis.settings["level"]:
            said.append(f"{text}interval {' and '.join(where)}.")
        else:  # each interval is for itself: without an effect one of several outcomes would often name segments
            n = len(above) + len(below)
            said.append(
                f"{text}interval without 0 in {n} of {len(part)} segments by itself, which is not shown once corrected."
            )
    return said


def differing_words(analysis: Any) -> list[str]:
    """Name the best segment where a corrected test shows that segments differ, and only there."""
    tests = analysis.interaction
    differ = tests[tests["p_adjusted"] < 1 - analysis.settings["level"]] if len(tests) else tests
    said = []
    for outcome, arm in differ[["outcome", "arm"]].itertuples(index=False):
        found = best_of(analysis, str(outcome), str(arm))
        naive = float(found.table.loc["naive", "estimate"])  # type: ignore[arg-type]
        said.append(
            f"{arm!r} on {outcome!r}: the largest lift is that of segment {found.segment!r}, {found.estimate:.4g} "
            f"({found.low:.4g} to {found.high:.4g}) once corrected for having been picked, {naive:.4g} as measured."
        )
    return said
