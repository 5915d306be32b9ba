"""Which figures of a profile rest on few people, or could be used to compute one that does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["feature_counts", "level_groups", "protect", "score_groups", "yes_shares"]

BOUNDS = ("", "_low", "_high")
# Shares come from divisions of whole numbers: times the size they are whole again but for rounding.
ROUNDING = 1e-6


def protect(counts: NDArray[np.float64], minimum: int, hidden: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Say which counts of a sum that is known must be hidden, so that no small one can be computed.

    All counts in 1 .. minimum - 1 are hidden. The rest of the sum is then known, so hidden counts must be two or more
    and `minimum` or more together; else the smallest of the others is hidden too. Zeros stay: they are nobody.

    Examples
    --------
    >>> protect(np.array([500.0, 3.0, 40.0, 0.0]), 10)
    array([False,  True,  True, False])
    """
    hide = (counts > 0) & (counts < minimum)
    if hidden is not None:
        hide = hide | (hidden & (counts > 0))
    open_ = sorted(np.flatnonzero((counts > 0) & ~hide), key=lambda i: (counts[i], i))
    while hide.any() and open_ and (hide.sum() < 2 or counts[hide].sum() < minimum):
        hide[open_.pop(0)] = True
    return hide


def score_groups(columns: list[Any]) -> dict[str, list[str]]:
    """Return the columns of each score of a profile, by its name."""
    there = {name for name in columns if isinstance(name, str)}
    names = [name.removesuffix("_n") for name in columns if isinstance(name, str) and name.endswith("_n")]
    return {
        name: [
            column
            for column in columns
            if column == f"{name}_n"
            or column in {f"{name}_{figure}{bound}" for figure in ("mean", "total", "share") for bound in BOUNDS}
        ]
        for name in names
        if {f"{name}_mean", f"{name}_total"} <= there
    }


def level_groups(columns: list[Any], features: pd.DataFrame | None) -> dict[str, list[str]]:
    """Return the columns ``<feature>=<level>`` of each feature, by its name."""
    groups: dict[str, list[str]] = {}
    known = sorted((str(name) for name in features.columns), key=len, reverse=True) if features is not None else []
    for column in columns:
        if not isinstance(column, str) or "=" not in column:
            continue
        # the longest name that fits; without features, all up to the first sign
        name = next((one for one in known if column.startswith(f"{one}=")), column.split("=", 1)[0])
        groups.setdefault(name, []).append(column)
    return groups


def yes_shares(profile: pd.DataFrame, size: NDArray[np.float64], candidates: list[Any]) -> list[Any]:
    """Return the columns that are shares of a yes: in [0, 1], and whole numbers when multiplied by the size."""
    found = []
    some = size > 0
    for name in candidates:
        column = profile[name]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            continue
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)[some]
        there = ~np.isnan(values)
        times = values[there] * size[some][there]
        inside = (values[there] >= 0) & (values[there] <= 1)
        if there.any() and inside.all() and (np.abs(times - times.round()) <= ROUNDING * size[some][there]).all():
            found.append(name)
    return found


def feature_counts(
    assignment: pd.DataFrame, features: pd.DataFrame, segments: pd.Index
) -> Mapping[str, NDArray[np.float64]]:
    """Return per feature how many customers of each segment have a value, shape (n_segments,)."""
    known = features.notna().reindex(assignment.index, fill_value=False)
    per_segment = known.groupby(assignment["segment"].astype(object)).sum().reindex(segments, fill_value=0)
    return {str(name): per_segment[name].to_numpy(dtype=np.float64) for name in per_segment.columns}
