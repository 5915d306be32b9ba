"""The plan that is best by a criterion over the draws of the curves: what `allocate(risk=...)` calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation._format import number, percent
from segmentation.allocation._concave import solve_concave
from segmentation.allocation._problem import Problem, Solution
from segmentation.allocation._risk import CVaR, Mean, MeanVariance, Quantile, Risk
from segmentation.allocation._risk_model import RiskModel
from segmentation.allocation._risk_report import RiskReport, report_on
from segmentation.allocation._risk_search import Best, search

__all__ = ["RiskPlan", "plan_with_risk"]

Array = NDArray[np.float64]
# Of the report where the criterion has no share of its own.
SHARE = 0.1
# Fewer draws than these in the worst share say little about what fresh draws would bring.
FEW = 50


@dataclass(frozen=True, eq=False)
class RiskPlan:
    """What `plan_with_risk` returns.

    Attributes
    ----------
    solution : Solution
        ``x``; ``shadow_prices`` and ``floor_prices`` are what one more unit adds to the criterion (not to the total;
        of a local optimum: to the concave problem that led to it); ``gap`` the proven distance from the best possible
        criterion, relative to it; ``status`` "optimal", "within gap" or "local optimum".
    marginal : ndarray of shape (n,)
        What one more unit of effort adds to the criterion; takes the place of ``problem.slope(x)``.
    each : ndarray of shape (n,)
        Mean of the outcome of each item over the draws.
    report : RiskReport
        The figures for the reader.
    """

    solution: Solution
    marginal: Array
    each: Array
    report: RiskReport


def plan_with_risk(problem: Problem, risk: Risk, *, target: float | None = None, level: float = 0.9) -> RiskPlan:
    """Find the efforts whose total is best by a criterion over the draws of the curves.

    Parameters
    ----------
    problem : Problem
        Feasible (``check_feasible`` was called). Concave curves in every draw; nothing discrete (optional, fixed,
        fixed_cost, integer, exclusive).
    risk : Risk
        From ``as_risk(given)``.
    target : float, optional
        A total; the report gives the probability of bringing less.
    level : float, default=0.9
        Of the intervals of the report.

    Returns
    -------
    RiskPlan

    Raises
    ------
    ValueError
        If no curve has draws, a curve is S-shaped in a draw, or the problem is discrete.

    Notes
    -----
    Mean and conditional value at risk of concave curves are concave: an interior-point method finds the optimum, and
    weights of the draws with prices of the resources prove how near it is. Quantile and mean less variance are not:
    the best of several climbs is returned as a local optimum, never worse by its criterion than the plans with the
    highest mean and the highest conditional value at risk (quantile), with a bound of what any plan could reach.
    """
    model = RiskModel.of(problem)
    neutral = search(model, Mean())
    best = search(model, risk, neutral)
    x = model.reduced.efforts(best.t)
    plans = {"this plan": x}
    if not isinstance(risk, Mean):
        plans["highest mean"] = model.reduced.efforts(neutral.t)
    plans["curves taken as known"] = solve_concave(problem).x
    report = report_on(
        {name: model.problem.value_draws(plan).sum(axis=1) for name, plan in plans.items()},
        risk=risk,
        share=risk.share if isinstance(risk, Quantile | CVaR) else SHARE,
        target=target,
        level=level,
        status=best.status,
        bound=best.bound,
        warnings=_warnings(model, risk, best),
    )
    slopes, values = model.problem.slope_draws(x), model.problem.value_draws(x)
    with np.errstate(invalid="ignore"):
        marginal = np.where(np.isinf(slopes).any(axis=0), np.inf, best.w @ slopes)
    return RiskPlan(_solution(model, best, x), marginal, values.mean(axis=0), report)


def _solution(model: RiskModel, best: Best, x: Array) -> Solution:
    r = model.reduced
    n = len(model.problem.supply)
    prices = np.zeros(n + len(model.problem.floors))
    prices[r.rows] = np.maximum(best.y, 0.0) * r.scale / r.row_scale
    return Solution(x, prices[:n], best.gap, best.status, prices[n:], best.steps)


def _warnings(model: RiskModel, risk: Risk, best: Best) -> tuple[str, ...]:
    n_draws = model.problem.n_draws
    said = []
    if best.status == "local optimum":
        said.append(
            f"The {risk} is not concave: this is the best plan of several searches, a local optimum. No plan reaches "
            f"more than {number(best.bound)}, {percent(best.gap)} above it."
        )
    elif best.status == "within gap":
        said.append(
            f"The plan is proven to be within {best.gap:.1g} of the best possible {risk}, relative to it, only."
        )
    if isinstance(risk, Quantile | CVaR) and risk.share * n_draws < FEW:
        said.append(
            f"The worst {100 * risk.share:g} % are {risk.share * n_draws:.3g} of {n_draws:,} draws, on which the plan "
            "was chosen: fresh draws would look worse. Take more draws."
        )
    if isinstance(risk, MeanVariance) and bool((best.w < -1e-12).any()):
        said.append(
            f"In {percent(float((best.w < -1e-12).mean()))} of the draws the total is so high that the variance costs "
            "more than it adds: the plan avoids good surprises. A conditional value at risk does not."
        )
    known = sum(curve.draws is None for curve in model.problem.curves)
    if known:
        said.append(f"{known} of {len(model.problem.curves)} curves have no draws and count as known for certain.")
    return tuple(said)
