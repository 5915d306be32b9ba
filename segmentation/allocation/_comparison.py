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
NEAR = 1e-9


def split(problem: Problem, weights: Mapping[Any, float] | None = None) -> Array:
    """Give every segment its share of every resource, and its actions equal parts of it.

    Each action takes as much effort as the scarcest of its parts allows once its fixed costs are paid, up to its upper
    bound, in whole units where a resource comes in such. Least amounts, groups and caps are not looked at. Without
    weights all segments get the same.
    """
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    weight = dict.fromkeys(segments, 1.0) if weights is None else {s: float(weights[s]) for s in segments}
    n_actions: dict[Any, int] = {}
    for segment, _ in problem.items:
        n_actions[segment] = n_actions.get(segment, 0) + 1
    total = sum(weight.values())
    share = np.array([weight[segment] / total / n_actions[segment] for segment, _ in problem.items])
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.maximum(share[:, None] * problem.supply - problem.fixed, 0.0)  # type: ignore[operator]
        part = np.where(problem.use > 0, room / problem.use, np.inf).min(axis=1)
    effort = np.minimum(part, problem.upper)
    for j in np.flatnonzero(np.asarray(problem.integer)):
        takes = (problem.use[:, j] > 0) & np.isfinite(effort)
        effort[takes] = np.floor(effort[takes] * problem.use[takes, j] + 1e-9) / problem.use[takes, j]
    # an action that nothing limits stays out of a split
    return np.where(np.isfinite(effort), effort, problem.lower)


def _broken(problem: Problem, x: Array) -> list[str]:
    """Name the kinds of requirements that efforts do not keep, resources left aside."""
    needed = np.where(np.asarray(problem.optional), 0.0, problem.lower)
    units = problem.taken(x)[:, np.asarray(problem.integer)]
    kinds = {
        "least amounts": (x < needed * (1 - NEAR)).any(),
        "least amounts of what is funded": ((x > 0) & (x < problem.lower * (1 - NEAR)) & (needed == 0)).any(),
        "upper bounds": (x > problem.upper * (1 + NEAR)).any(),
        "least shares": any(
            float(x[f.positions] @ problem.use[f.positions, f.resource]) < f.amount * (1 - NEAR) for f in problem.floors
        ),
        "contact caps": any(float(x[c.positions] @ c.weights) > c.amount * (1 + NEAR) for c in problem.caps),
        "groups": any((x[group] > 0).sum() > 1 for group in problem.exclusive),
        "whole units": (np.abs(units - np.round(units)) > 1e-6).any(),
    }
    return [kind for kind, broken in kinds.items() if broken]


def compare(
    problem: Problem,
    plan: Outcome,
    cost: float,
    others: Mapping[str, Array],
    prices: Array,
    level: float,
    *,
    charged: Array | None = None,
    profit: bool = False,
    paid: float = 0.0,
) -> pd.DataFrame:
    """Return one row per way to split: its outcome and cost, and what the plan brings above it.

    `charged` is the money that items take once funded, where the outcome is not what it is taken off. With `profit`,
    what the resources taken cost is taken off the gain; `paid` are the fixed costs of the plan.
    """
    low, high = plan.total_interval(level)
    rows: list[dict[str, Any]] = [
        {"split": "this plan", "outcome": plan.total, "outcome_low": low, "outcome_high": high, "cost": cost}
    ]
    # what the plan takes, without fixed costs: those are taken off its total already
    cost_of_plan = cost - paid
    for name, x in others.items():
        other = outcome_of(problem, x, level)
        low, high = other.total_interval(level)
        difference = (
            plan.total_draws - other.total_draws
            if plan.total_draws is not None and other.total_draws is not None
            else None
        )
        saved = float(problem.used(x) @ prices) - cost_of_plan if profit else 0.0
        gain_low, gain_high = (bound + saved for bound in interval(difference, level))
        money = float(problem.fixed_costs(x).sum()) if charged is None else float(charged[x > 0].sum())
        over = [problem.resources[j] for j in np.flatnonzero(problem.used(x) > problem.supply * (1 + 1e-9))]
        rows.append(
            {
                "split": name,
                "outcome": other.total,
                "outcome_low": low,
                "outcome_high": high,
                "cost": float(problem.used(x) @ prices) + money,
                "gain_of_plan": plan.total - other.total + saved,
                "gain_low": gain_low,
                "gain_high": gain_high,
                "takes_too_much_of": ", ".join(over),
                "breaks": ", ".join(_broken(problem, x)),
            }
        )
    rows[0] |= {"gain_of_plan": 0.0, "gain_low": np.nan, "gain_high": np.nan, "takes_too_much_of": "", "breaks": ""}
    return pd.DataFrame(rows).set_index("split")
