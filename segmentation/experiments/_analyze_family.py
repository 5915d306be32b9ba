"""Comparisons of all segments, outcomes and arms as one family: corrected p-values and intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation.experiments._moments import Floats
from segmentation.experiments._multiplicity import METHODS, adjusted_p, family_of, interval_level

__all__ = ["check_correction", "corrected_segments"]


def check_correction(correction: str) -> str:
    """Return the correction, or say that there is none of this name."""
    if correction not in METHODS:
        raise ValueError(f"correction must be one of {name_some(METHODS)}, got {correction!r}.")
    return correction


def corrected_segments(
    table: pd.DataFrame, correction: str, level: float, bounds: Callable[[float], tuple[Floats, Floats]]
) -> tuple[pd.DataFrame, str]:
    """Add ``p_adjusted``, ``family_low`` and ``family_high``, and say what the family is.

    Parameters
    ----------
    table : pandas.DataFrame
        All comparisons.
    correction : str
    level : float
    bounds : callable
        From a level to the bounds of all rows, by the method that made their estimates.
    """
    p = table["p_value"].to_numpy(dtype=float)
    corrected = adjusted_p(p, correction)
    claimed = corrected < 1 - level
    m = int(np.isfinite(p).sum())
    low, high = bounds(interval_level(level, m, correction, int(claimed.sum())))
    if correction in ("bh", "by"):
        low, high = (np.where(claimed, values, np.nan) for values in (low, high))
    made = table.copy()
    made.insert(list(made.columns).index("p_value") + 1, "p_adjusted", corrected)
    place = list(made.columns).index("lift_high") + 1
    made.insert(place, "family_low", low)
    made.insert(place + 1, "family_high", high)
    return made, family_of(table, m)
