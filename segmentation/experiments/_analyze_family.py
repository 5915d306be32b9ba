"""All claims about segments as one family, whether they differ and each by itself: corrected p-values and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.experiments._moments import Floats
from segmentation.experiments._multiplicity import METHODS, adjusted_p, family_of, interval_level

__all__ = ["check_correction", "corrected_family", "family_p"]

PAIR = ["outcome", "arm"]


def check_correction(correction: str) -> str:
    """Return the correction, or say that there is none of this name."""
    if correction not in METHODS:
        raise ValueError(f"correction must be one of {name_some(METHODS)}, got {correction!r}.")
    return correction


def corrected_family(
    interaction: pd.DataFrame,
    table: pd.DataFrame,
    correction: str,
    level: float,
    bounds: Callable[[float], tuple[Floats, Floats]],
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Correct the tests of a difference between segments and those of single segments as one family.

    For every outcome and arm there are two roads to a claim, so each has half the level until one of them is
    taken: ``p_any``, twice the smaller of the interaction's p-value and the Bonferroni one of the segments, is the
    p-value of no effect in any segment. Once that is rejected both roads have the whole level, because their errors
    exclude each other: where effects do not differ, yet there is one, every segment has it, and where they differ the
    interaction is no error. Outcomes and arms share the level.

    Parameters
    ----------
    interaction : pandas.DataFrame
        One row per outcome and arm, ``p_value``; without rows where there are no two segments.
    table : pandas.DataFrame
        All comparisons of segments.
    correction : str
    level : float
    bounds : callable
        From a level to the bounds of all rows, by the method that made their estimates.

    Returns
    -------
    (pandas.DataFrame, pandas.DataFrame, str)
        The interaction with ``p_any`` and ``p_adjusted``, the table with ``p_adjusted``, ``family_low`` and
        ``family_high``, and what the family is.
    """
    p = table["p_value"].to_numpy(dtype=float)
    m = int(np.isfinite(p).sum())
    family, tests = family_of(table, m), interaction.copy()
    if len(tests):
        places: dict[Any, Any] = table.groupby(PAIR, sort=False).indices
        own = [places[pair] for pair in tests[PAIR].itertuples(index=False, name=None)]
        p_any, whole, corrected = family_p(tests["p_value"].to_numpy(dtype=float), p, own, correction)
        place = list(tests.columns).index("p_value") + 1
        tests.insert(place, "p_any", p_any)
        tests.insert(place + 1, "p_adjusted", whole)
        tested = int(tests["p_value"].notna().sum())
        family += f" and {count(tested, 'test')} of a difference between segments" if tested else ""
    else:
        tests, corrected = tests.assign(p_any=np.nan, p_adjusted=np.nan), adjusted_p(p, correction)
    claimed = corrected < 1 - level
    low, high = bounds(interval_level(level, m, correction, int(claimed.sum())))
    if correction in ("bh", "by"):
        low, high = (np.where(claimed, values, np.nan) for values in (low, high))
    made = table.copy()
    made.insert(list(made.columns).index("p_value") + 1, "p_adjusted", corrected)
    place = list(made.columns).index("lift_high") + 1
    made.insert(place, "family_low", low)
    made.insert(place + 1, "family_high", high)
    return tests, made, family


def family_p(
    p_tests: Floats, p: Floats, own: Sequence[NDArray[np.intp]], correction: str
) -> tuple[Floats, Floats, Floats]:
    """Correct p-values of interactions (pairs,) and of segments (rows,); ``own`` has the rows of each pair.

    Returns
    -------
    (array (pairs,), array (pairs,), array (rows,))
        ``p_any``, and the corrected p-values of both; missing where there is none.
    """
    p_any = np.full(len(p_tests), np.nan)
    for i, rows in enumerate(own):
        here = p[rows][np.isfinite(p[rows])]
        roads = [len(here) * float(here.min())] if len(here) else []
        roads += [float(p_tests[i])] if np.isfinite(p_tests[i]) else []
        if roads:
            p_any[i] = len(roads) * min(roads)
    n = max(1, int(np.isfinite(p_any).sum()))
    p_any = np.minimum(1.0, n * p_any)
    corrected = adjusted_p(p, correction)
    for rows, least in zip(own, p_any, strict=True):
        within = np.minimum(1.0, n * adjusted_p(p[rows], correction)) if correction == "holm" else corrected[rows]
        corrected[rows] = np.maximum(within, least)
    return p_any, np.maximum(p_any, np.minimum(1.0, n * p_tests)), corrected
