"""What figures of stability mean, in plain words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["LIMITS", "NOISE_FREE", "optimiser_reading", "readings"]

# Mean Jaccard coefficients by which Hennig reads stability. 0.5 (dissolved) and 0.75 (recovered) are those of Hennig
# (2007), doi:10.1016/j.csda.2006.11.025 and (2008), doi:10.1016/j.jmva.2007.07.002; with 0.6 and 0.85 they stand in the
# documentation of his R package fpc (clusterboot). He means Jaccard coefficients among the customers that were drawn;
# here they are over all customers.
LIMITS = (
    (0.85, "highly stable"),
    (0.75, "stable"),
    (0.6, "a pattern, but who belongs to it is doubtful"),
    (0.5, "not to be trusted"),
    (-np.inf, "dissolved: other samples do not give it"),
)
# Above this mean Jaccard coefficient restarts give the same segment but for a few customers on its border.
NOISE_FREE = 0.95


def readings(table: pd.DataFrame) -> list[str]:
    """Return one sentence per segment from the columns ``mean`` and ``restart_mean``."""
    return [
        _reading(float(mean), float(restart))
        for mean, restart in zip(table["mean"], table["restart_mean"], strict=True)
    ]


def _reading(mean: float, restart: float) -> str:
    """Say how stable, and whether that is the customers' doing.

    Examples
    --------
    >>> _reading(0.7, 0.99)
    'a pattern, but who belongs to it is doubtful'
    >>> _reading(0.7, 0.75)
    'a pattern, but who belongs to it is doubtful; what it lacks is mostly optimiser noise: more starts first'
    """
    if np.isnan(mean):
        return "empty in the base solution"
    text = next(words for limit, words in LIMITS if mean >= limit and (limit != 0.5 or mean > limit))
    if np.isnan(restart) or restart >= NOISE_FREE:
        return text
    if (1 - restart) >= 0.5 * (1 - mean):
        return f"{text}; what it lacks is mostly optimiser noise: more starts first"
    return f"{text}; what it lacks is partly optimiser noise"


def optimiser_reading(agreement: NDArray[np.float64], starts: str) -> str:
    """Say how far fits to the same customers agree."""
    if starts.startswith("nothing"):
        return f"Optimiser noise: none, {starts}."
    if not agreement.size:
        return f"Optimiser noise: not measured ({starts})."
    low, mid, high = np.quantile(agreement, [0.05, 0.5, 0.95])
    if low == 1:
        verdict = "there is none"
    elif mid >= NOISE_FREE:
        verdict = "little"
    else:
        verdict = "other starts give other segments; raise the number of starts before judging the customers"
    return (
        f"Optimiser noise: {verdict}. Same customers, other starts: ARI {mid:.2f} (5 to 95 %: {low:.2f} to "
        f"{high:.2f}); {starts}."
    )
