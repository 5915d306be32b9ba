"""Intervals of the value of overlapping segments: figures added up within each draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.evaluation._overlap_membership import Membership
from segmentation.profile import _draw_table

__all__ = ["draw_intervals"]


def draw_intervals(
    table: pd.DataFrame,
    whole: pd.DataFrame,
    draws: Any,
    values: pd.Series[Any],
    members: Membership,
    known: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    codes: NDArray[np.int64],
    first: NDArray[np.int64],
    level: float,
) -> int:
    """Add ``_low`` and ``_high`` to the figures of `table` and `whole`; return the number of draws."""
    worlds = _worlds(draws, values, members.customers[np.flatnonzero(known)])
    of = codes[known]
    n_segments, n_in = rows.shape[1], rows.sum(axis=1)
    alone, several = n_in == 1, n_in > 1
    sets = rows.astype(np.float64)
    evenly = sets / np.maximum(n_in, 1)[:, None]
    found: dict[str, list[Any]] = {name: [] for name in ("exclusive", "total", "increment", "split_evenly")}
    sums: dict[str, list[float]] = {name: [] for name in whole.index}
    for world in worlds:
        added = np.bincount(of, world, len(rows))
        total = added @ sets
        found["exclusive"].append((added * alone) @ sets)
        found["total"].append(total)
        found["increment"].append(np.bincount(first, added, n_segments + 1)[:n_segments])
        found["split_evenly"].append(added @ evenly)
        everything, once, nobody = added.sum(), added[several].sum(), added[n_in == 0].sum()
        inside = everything - nobody
        figures = (everything, inside - once, once, nobody, inside, total.sum(), total.sum() - inside)
        for name, figure in zip(whole.index, figures, strict=True):
            sums[name].append(float(figure))
    tails = [(1 - level) / 2, (1 + level) / 2]
    arrays = {name: np.array(one) for name, one in found.items()}
    arrays["shared"] = arrays["total"] - arrays["exclusive"]
    for name in ("exclusive", "shared", "total", "increment", "split_evenly"):
        table[f"{name}_low"], table[f"{name}_high"] = np.quantile(arrays[name], tails, axis=0)
    bounds = np.quantile(np.array([sums[name] for name in whole.index]), tails, axis=1)
    whole["value_low"], whole["value_high"] = bounds
    return len(worlds)


def _worlds(draws: Any, values: pd.Series[Any], customers: pd.Index) -> NDArray[np.float64]:
    """Return the draws of these customers, one row per draw."""
    name = str(values.name) if values.name is not None else "value"
    if isinstance(draws, pd.DataFrame) and draws.columns.name == "segment":
        raise ValueError(
            "draws are totals of segments (sample_segments), which no longer say who shares what; give draws of "
            "customers, as sample_customers returns them."
        )
    worlds: NDArray[np.float64] = _draw_table(name, draws, values.index)[list(customers)].to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(worlds).all(axis=0))
    if wrong.size:
        raise ValueError(
            f"draws of {name!r} are not finite for {count(wrong.size, 'customer')} with a value: "
            f"{name_some(customers[wrong])}."
        )
    return worlds
