"""The analysis for those who look while the experiment runs: bounds and p-values that hold at every look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from segmentation.experiments._analyze_estimates import Compared
from segmentation.experiments._anytime import TIGHTEST_AT, anytime_p, anytime_reach
from segmentation.experiments._effects import Lifts, fieller
from segmentation.experiments._interaction import Interaction
from segmentation.experiments._moments import Floats
from segmentation.experiments._vectors import widened

__all__ = ["anytime_interaction", "anytime_notes", "at_any_time", "check_anytime", "detectable_at_any_time"]


def check_anytime(anytime: Any) -> float | None:
    """Return at how many customers bounds shall be tightest, or None for one planned look."""
    if anytime is False or anytime is None:
        return None
    if anytime is True:
        return float(TIGHTEST_AT)
    if not isinstance(anytime, int | float | np.number) or not np.isfinite(anytime) or anytime < 1:
        raise ValueError(
            "anytime must be True, False, or the number of customers at which bounds shall be tightest (fixed before "
            f"the experiment), got {anytime!r}."
        )
    return float(anytime)


def _reach(lifts: Lifts, n: Floats, level: float, tightest_at: float) -> Floats:
    """Return how many standard errors the bounds reach; those of few customers reach further, as Student's t does."""
    few = widened(np.ones_like(lifts.lift), np.where(np.isnan(lifts.df), np.inf, lifts.df), level)
    return np.asarray(anytime_reach(np.maximum(n, 1), level, tightest_at) * few, dtype=float)


def at_any_time(compared: Compared, n: Floats, level: float, tightest_at: float) -> Compared:
    """Replace bounds and p-values by those of a confidence sequence.

    Parameters
    ----------
    compared : Compared, of s scopes
    n : array (s,)
        Customers of both arms.
    level, tightest_at : float
    """
    lifts = compared.lifts
    reach = _reach(lifts, n, level, tightest_at)
    known = lifts.variance > 0
    low, high = (np.where(known, lifts.lift + sign * reach * lifts.se, np.nan) for sign in (-1, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        few = reach / anytime_reach(np.maximum(n, 1), level, tightest_at)
        p = anytime_p(lifts.lift / lifts.se / few, np.maximum(n, 1), level, tightest_at)
        # the level at which the usual quantile reaches as far: 1 in its last digit means without bounds
        same: Any = 2 * stats.t.cdf(reach, lifts.df) - 1
    raw = None
    if compared.raw is not None:
        wide = _reach(compared.raw, n, level, tightest_at) * compared.raw.se
        some = compared.raw.variance > 0
        raw = (
            np.where(some, compared.raw.lift - wide, np.nan), np.where(some, compared.raw.lift + wide, np.nan),
        )  # fmt: skip
    rel = fieller(lifts, same)[1:]
    return replace(compared, low=low, high=high, p_value=np.where(known, p, np.nan), rel_bounds=rel, raw_bounds=raw)


def detectable_at_any_time(lifts: Lifts, n: Floats, level: float, tightest_at: float, power: float) -> Floats:
    """Return the lift that a look at n customers shows with this power."""
    return np.asarray((_reach(lifts, n, level, tightest_at) + stats.norm.ppf(power)) * lifts.se)


def anytime_interaction(test: Interaction, lifts: Lifts, n: float, level: float, tightest_at: float) -> Interaction:
    """Test at any time whether effects differ: each segment against the weighted mean of the others, Bonferroni.

    Cochran's Q has no form that holds at every look; if no effects differ, every such contrast is 0 at all times.
    """
    known = np.isfinite(lifts.lift) & (lifts.variance > 0)
    k = int(known.sum())
    if k < 2:
        return test
    few = widened(np.ones(k), lifts.df[known], level)
    w, d = 1 / lifts.variance[known], lifts.lift[known]
    rest = w.sum() - w
    contrast = d - ((w @ d) - w * d) / rest
    z = contrast / np.sqrt(1 / w + 1 / rest) / few
    p = anytime_p(z, max(n, 1.0), level, tightest_at)
    return replace(test, p_value=float(min(1.0, p.min() * (k if k > 2 else 1))))


def anytime_notes(tightest_at: float | None) -> list[str]:
    """Say what holds at every look, and what does not."""
    if tightest_at is None:
        return []
    return [
        f"bounds and p-values of lifts hold at every look (tightest at {tightest_at:,.0f} customers in both arms of a "
        "comparison, which has to be fixed before the first look: anytime=). So does p_value of the interaction: each "
        "segment against the others, corrected for their number; p_chi_squared, pooled effects and the best segment "
        "are for one planned look, as is the sample-ratio check."
    ]
