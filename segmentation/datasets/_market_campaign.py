"""The campaign of the market: an invitation to a sister shop, sent to a random half of the customers.

Its visits, purchases and spend happen in the sister shop and stand in no other table, so that the campaign does not
disturb the orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from segmentation.datasets._market_clock import CAMPAIGN_START
from segmentation.datasets._market_needs import SEGMENTS, Latents

__all__ = ["ACTIVE_EFFECT", "ARMS", "RATE_EFFECT", "RESPONSE", "SPEND_RATIO", "SPEND_SHAPE", "TREATED_SHARE"]
__all__ += ["draw", "effects"]

Floats = NDArray[np.float64]

ARMS = ("control", "treated")
TREATED_SHARE = 0.5

# Log odds of a visit, and of a purchase given a visit: without the invitation, and what the invitation adds.
RESPONSE = pd.DataFrame(
    {
        "visit": [-2.2, -2.5, -2.1, -2.6, -2.8],
        "visit_added": [0.90, 0.35, 0.65, 0.0, -0.35],
        "convert": [-1.0, -0.8, -1.1, -0.8, -0.9],
        "convert_added": [0.15, 0.0, -0.40, 0.0, 0.0],
    },
    index=pd.Index(SEGMENTS, name="segment"),
)
RATE_EFFECT = 0.4  # on the log odds of a visit, per unit of the normal score of the purchase rate
ACTIVE_EFFECT = 0.7  # on the same, if the customer had not left when the campaign began

# Spend of those who buy: Gamma with this shape, around this ratio of the customer's mean order.
SPEND_RATIO, SPEND_SHAPE = 0.8, 2.0


def _chances(latents: Latents, left: Floats, treated: NDArray[np.bool_] | bool) -> tuple[Floats, Floats]:
    """Return each customer's probability of a visit and of a purchase given a visit."""
    visit, visit_added, convert, convert_added = RESPONSE.to_numpy()[latents.segment].T
    at_work = np.asarray(treated, dtype=np.float64)
    logit = visit + RATE_EFFECT * latents.scores[:, 0] + ACTIVE_EFFECT * (left > CAMPAIGN_START)
    return np.asarray(expit(logit + visit_added * at_work)), np.asarray(expit(convert + convert_added * at_work))


def effects(latents: Latents, left: Floats) -> dict[str, Floats]:
    """Return the true effect of the invitation on each customer: expected outcome with it less without it."""
    visit_1, convert_1 = _chances(latents, left, True)
    visit_0, convert_0 = _chances(latents, left, False)
    converted = visit_1 * convert_1 - visit_0 * convert_0
    return {
        "effect_visited": visit_1 - visit_0,
        "effect_converted": converted,
        "effect_spend": converted * SPEND_RATIO * latents.mean_spend,
    }


def draw(latents: Latents, left: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the arms and the outcomes of everybody."""
    n_customers = latents.segment.size
    for_arm, for_visit, for_purchase, for_spend = rng.spawn(4)
    treated = for_arm.random(n_customers) < TREATED_SHARE
    visit, convert = _chances(latents, left, treated)
    visited = for_visit.random(n_customers) < visit
    converted = visited & (for_purchase.random(n_customers) < convert)
    mean = SPEND_RATIO * latents.mean_spend
    spend = np.maximum(np.round(for_spend.gamma(SPEND_SHAPE, mean / SPEND_SHAPE), 2), 0.01)
    return {
        "arm": np.array(ARMS, dtype=object)[treated.astype(np.int64)],
        "visited": visited,
        "converted": converted,
        "spend": np.where(converted, spend, 0.0),
    }
