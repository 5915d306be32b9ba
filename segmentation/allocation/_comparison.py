"""Other ways to split the same resources, for comparison: equally, by weight, as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.allocation._outcome import Outcome, interval, outcome_of
from segmentation.allocation._problem import Problem

__all__ = ["compare", "split"]

Array = NDArray[np.float64]


def split(problem: Problem, weights: Mapping[Any, float] | None = None) -> Array:
    """Give every segment its share of every resource, and its actions equal parts of it.

    Each action takes as much effort as the scarcest of its parts allows, up to its upper bound; least amounts are not
    looked at. Without weights all segments get the same.
    """
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    weight = dict.fromkeys(segments, 1.0) if weights is None else {s: float(weights[s]) for s in segments}
    n_actions: dict[Any, int] = {}
    for segment, _ in problem.items:
        n_actions[segment] = n_actions.get(segment, 0) + 1
    total = sum(weight.values())
    share = np.array([weight[segment] / total / n_actions[segment] for segment, _ in problem.items])
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(problem.use > 0, share[:, None] * problem.supply / problem.use, np.inf).min(axis=1)
    effort = np.minimum(part, problem.upper)
    # an action that nothing limits stays out of a split
    return np.where(np.isfinite(effort), effort, problem.lower)


def compare(
    problem: Problem, plan: Outcome, cost: float, others: Mapping[str, Array], prices: Array, level: float
) -> pd.DataFrame:
    """Return one row per way to split: its outcome and cost, and what the plan brings above it."""
    low, high = plan.total_interval(level)
    rows: list[dict[str, Any]] = [
        {"split": "this plan", "outcome": plan.total, "outcome_low": low, "outcome_high": high, "cost": cost}
    ]
    for name, x in others.items():
        other = outcome_of(problem, x, level)
        low, high = other.total_interval(level)
        difference = (
            plan.total_draws - other.total_draws
            if plan.total_draws is not None and other.total_draws is not None
            else None
        )
        gain_low, gain_high = interval(difference, level)
        over = [problem.resources[j] for j in np.flatnonzero(problem.used(x) > problem.supply * (1 + 1e-9))]
        rows.append(
            {
                "split": name,
                "outcome": other.total,
                "outcome_low": low,
                "outcome_high": high,
                "cost": float(problem.used(x) @ prices),
                "gain_of_plan": plan.total - other.total,
                "gain_low": gain_low,
                "gain_high": gain_high,
                "takes_too_much_of": ", ".join(over),
            }
        )
    rows[0] |= {"gain_of_plan": 0.0, "gain_low": np.nan, "gain_high": np.nan, "takes_too_much_of": ""}
    return pd.DataFrame(rows).set_index("split")
