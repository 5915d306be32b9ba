"""Response curves of the market: what effort of three kinds brings in each segment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segmentation._format import name_some
from segmentation.datasets._market_needs import SEGMENTS

__all__ = ["ACTIONS", "curve_table", "response"]

# action: form, shape, cost and hours of one contact.
ACTIONS = pd.DataFrame(
    {
        "form": ["exponential", "exponential", "hill"],
        "shape": [np.nan, np.nan, 2.5],
        "unit_cost": [0.6, 2.5, 14.0],
        "unit_hours": [0.0, 0.15, 1.0],
    },
    index=pd.Index(["mail", "call", "visit"], name="action"),
)

# Highest gain and scale per segment (rows) for mail, call, visit.
_CEILINGS = [[3.2, 3.0, 6.0], [4.5, 4.0, 8.0], [5.5, 6.0, 30.0], [2.5, 14.0, 55.0], [0.8, 16.0, 40.0]]
_SCALES = [[2.0, 1.5, 1.0], [1.5, 1.0, 1.2], [3.0, 2.0, 1.5], [2.5, 1.2, 1.4], [2.0, 1.8, 0.9]]


def curve_table() -> pd.DataFrame:
    """Return the parameters, one row per segment and action."""
    keys = pd.MultiIndex.from_product([SEGMENTS, ACTIONS.index], names=["segment", "action"]).to_frame(index=False)
    curves = keys.join(ACTIONS, on="action")
    curves.insert(3, "ceiling", np.ravel(_CEILINGS))
    curves.insert(4, "scale", np.ravel(_SCALES))
    return curves


def response(curve: pd.Series, effort: ArrayLike) -> NDArray[np.float64]:
    """Return the expected gain per customer at the given effort, for one row of the table.

    Examples
    --------
    >>> response(pd.Series({"form": "hill", "ceiling": 8.0, "scale": 2.0, "shape": 3.0}), [0.0, 2.0])
    array([0., 4.])
    """
    effort = np.asarray(effort, dtype=np.float64)
    if not (np.isfinite(effort).all() and (effort >= 0).all()):
        wrong = effort[~(np.isfinite(effort) & (effort >= 0))]
        raise ValueError(f"efforts must be finite and not negative, got {name_some(wrong)}")
    if curve["form"] == "exponential":
        return np.asarray(-curve["ceiling"] * np.expm1(-effort / curve["scale"]))
    power = (effort / curve["scale"]) ** curve["shape"]
    return np.asarray(curve["ceiling"] * power / (1.0 + power))
