"""Which segments may be merged: groups in which every two are equivalent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.evaluation._equivalence import EQUIVALENT

__all__ = ["group_equivalent", "merge_table"]


def group_equivalent(pairs: pd.DataFrame, n_segments: int) -> list[list[int]]:
    """Return groups of codes in which every two segments are equivalent, the surest joined first.

    Equivalence is not transitive: a may be within the margin of b and b of c while a and c differ. So two groups are
    joined only if every segment of the one is equivalent to every one of the other (complete linkage), in the order of
    the largest difference that the data leave possible, as a share of the margin.
    """
    bound = np.full((n_segments, n_segments), np.inf)
    reach = np.maximum(pairs["difference_low"].abs(), pairs["difference_high"].abs()) / pairs["margin"]
    reach = reach.where(pairs["decision"] == EQUIVALENT, np.inf)
    for (first, second), worst in reach.groupby([pairs["first"], pairs["second"]]).max().items():
        bound[first, second] = bound[second, first] = worst
    groups = [[code] for code in range(n_segments)]
    while True:
        nearest = _nearest(groups, bound)
        if nearest is None:
            return [sorted(group) for group in groups if len(group) > 1]
        into, gone = nearest
        groups[into] += groups.pop(gone)


def _nearest(groups: Sequence[Sequence[int]], bound: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the two groups that can be joined and whose largest possible difference is smallest."""
    best, found = np.inf, None
    for i, group in enumerate(groups):
        for j in range(i + 1, len(groups)):
            worst = bound[np.ix_(group, groups[j])].max()
            if worst < best:
                best, found = worst, (i, j)
    return found


def merge_table(
    groups: Sequence[Sequence[int]],
    segments: Sequence[str],
    pairs: pd.DataFrame,
    sizes: NDArray[np.int64],
    running_cost: Mapping[str, float],
) -> pd.DataFrame:
    """Return one row per group to be merged: its segments, size, spread and what it saves."""
    rows: list[dict[str, Any]] = []
    taken = set(segments)
    for group in groups:
        inside = pairs[pairs["first"].isin(group) & pairs["second"].isin(group)]
        reach = np.maximum(inside["difference_low"].abs(), inside["difference_high"].abs())
        names = [segments[code] for code in group]
        costs = [running_cost[name] for name in names]
        worst = (reach / inside["margin"]).idxmax()
        merged = " + ".join(names)
        while merged in taken:  # a segment that is called like the merged ones would be merged along with them
            merged += " (merged)"
        taken.add(merged)
        rows.append(
            {
                "merged": merged,
                "segments": names,
                "n_customers": int(sizes[list(group)].sum()),
                "largest_difference": float(reach[worst]),
                "outcome": inside.loc[worst, "outcome"],
                "margin": float(inside.loc[worst, "margin"]),
                # who runs the merged group pays what its dearest part costs today
                "saves": sum(costs) - max(costs),
            }
        )
    columns = ["merged", "segments", "n_customers", "largest_difference", "outcome", "margin", "saves"]
    return pd.DataFrame(rows, columns=columns)
