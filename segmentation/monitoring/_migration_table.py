"""The tables of one step: transitions with intervals, and what each segment kept, lost and won."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.monitoring._migration_input import ENTERED, LEFT, States
from segmentation.monitoring._migration_intervals import wilson

__all__ = ["matrix_of", "segment_table", "transition_table"]


def matrix_of(values: NDArray[np.float64] | NDArray[np.int64], states: States) -> pd.DataFrame:
    """Return counts or rates as a square table: the last row is who entered, the last column who left."""
    rows = pd.Index([*states.names, ENTERED], name="from", dtype=object)
    return pd.DataFrame(values, index=rows, columns=pd.Index([*states.names, LEFT], name="to", dtype=object))


def _sums(first: NDArray[np.int64], second: NDArray[np.int64], k: int, weights: NDArray[np.float64]) -> NDArray:  # type: ignore[type-arg]
    rows, columns = np.where(first < 0, k, first), np.where(second < 0, k, second)
    return np.bincount(rows * (k + 1) + columns, weights=weights, minlength=(k + 1) ** 2).reshape(k + 1, k + 1)


def transition_table(
    states: States,
    step: int,
    level: float,
    minimum: int,
    values: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> pd.DataFrame:
    """Return one row per transition that somebody made, in the order of the segments."""
    k = len(states.names)
    counts = states.counts(step)
    sizes = counts.sum(axis=1)
    rows, columns = np.nonzero(counts)
    n, of = counts[rows, columns], sizes[rows]
    low, high = wilson(n, of, level)
    names_from, names_to = np.array([*states.names, ENTERED]), np.array([*states.names, LEFT])
    entered = rows == k
    table = pd.DataFrame(
        {
            "from": names_from[rows].astype(object),
            "to": names_to[columns].astype(object),
            "n": n,
            "n_from": of,
            "rate": n / of,
            "rate_low": low,
            "rate_high": high,
            "kind": np.select(
                [entered, columns == k, rows == columns], ["entered", "left", "stayed"], default="moved"
            ).astype(object),
            "small": (of < minimum) | (n < minimum),
        }
    )
    if values is not None:
        first, second = states.codes[:, step], states.codes[:, step + 1]
        there = (first >= 0) | (second >= 0)
        for name, worth, present in (("value_before", values[0], first >= 0), ("value_after", values[1], second >= 0)):
            weights = np.where(present, worth, 0.0)[there]
            table[name] = _sums(first[there], second[there], k, weights)[rows, columns]
        table.loc[table["from"] == ENTERED, "value_before"] = 0.0
    return table


def segment_table(
    states: States,
    step: int,
    level: float,
    minimum: int,
    values: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> pd.DataFrame:
    """Return one row per segment: who stayed, moved out and in, left and entered, with the rate of staying."""
    counts = states.counts(step)
    k = len(states.names)
    inner = counts[:k, :k]
    stayed = np.diag(inner)
    before, after = counts.sum(axis=1)[:k], counts.sum(axis=0)[:k]
    low, high = wilson(stayed, before, level)
    with np.errstate(invalid="ignore"):
        rate = np.where(before > 0, stayed / np.maximum(before, 1), np.nan)
    table = pd.DataFrame(
        {
            "n_before": before,
            "stayed": stayed,
            "moved_out": inner.sum(axis=1) - stayed,
            "left": counts[:k, k],
            "moved_in": inner.sum(axis=0) - stayed,
            "entered": counts[k, :k],
            "n_after": after,
            "share_before": before / max(int(before.sum()), 1),
            "share_after": after / max(int(after.sum()), 1),
            "stay_rate": rate,
            "stay_rate_low": low,
            "stay_rate_high": high,
            "small": before < minimum,
        },
        index=pd.Index(states.names, name="segment", dtype=object),
    )
    if values is not None:
        for name, worth, date in (("value_before", values[0], step), ("value_after", values[1], step + 1)):
            codes = states.codes[:, date]
            there = codes >= 0
            table[name] = np.bincount(codes[there], weights=worth[there], minlength=k)
    return table
