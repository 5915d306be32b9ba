"""The best plan by each criterion: proven where the criterion is concave, the best of several searches where not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._comparison import split
from segmentation.allocation._risk import CVaR, Mean, MeanVariance, Quantile, Risk, n_below
from segmentation.allocation._risk_interior import Criterion, Found
from segmentation.allocation._risk_model import RiskModel

__all__ = ["Best", "search"]

Array = NDArray[np.float64]
# A plan is called optimal where it is proven to be this near.
PROVEN = 1e-6
# Windows of draws around the quantile over which it is smoothed, as shares of the draws below it.
WINDOWS = (1.5, 0.75, 0.3, 0.1)
ON_THE_WAY = (0.25, 0.5, 0.75, 1.0)
MM_STEPS = 8
# Plans from which it is climbed, the best of those that are near at hand.
N_CLIMBS = 2
# Of the worst draws, for plans from which the mean less variance is climbed.
SHARES = (0.1, 0.25)
# How well the problems on the way up are solved: where they lead to is judged by the criterion itself.
ROUGH = 1e-5


@dataclass(frozen=True, eq=False)
class Best:
    """A plan: shares, prices of the rows, weights of the draws, criterion, bound of every plan's, words, steps."""

    t: Array
    y: Array
    w: Array
    value: float
    bound: float
    status: str
    steps: int

    @property
    def gap(self) -> float:
        return max(self.bound - self.value, 0.0) / max(abs(self.value), 1e-300)


def search(model: RiskModel, risk: Risk, neutral: Best | None = None) -> Best:
    """Return the best plan; `neutral` is the plan with the highest mean where it is known already."""
    if isinstance(risk, Mean) or (isinstance(risk, MeanVariance) and risk.aversion == 0):
        return neutral or _neutral(model)
    if isinstance(risk, CVaR):
        return _cvar(model, risk.share)
    neutral = neutral or _neutral(model)
    if isinstance(risk, MeanVariance):
        return _mean_variance(model, risk, neutral)
    return _quantile(model, risk, neutral)


def _neutral(model: RiskModel) -> Best:
    n_draws = model.problem.n_draws
    return _proven(model, Mean(), Criterion(weights=np.full(n_draws, 1.0 / n_draws)))


def _cvar(model: RiskModel, share: float) -> Best:
    return _proven(model, CVaR(share), Criterion(most=1.0 / (share * model.problem.n_draws)))


def _proven(model: RiskModel, risk: Risk, criterion: Criterion) -> Best:
    """Maximise a concave criterion, and prove how near that is."""
    found = model.solve(criterion)
    w = found.w if criterion.weights is not None else _feasible_weights(found.w, criterion.most)
    value, bound = risk.of(model.totals(found.t)), model.bound(found.t, found.y, w)
    status = "optimal" if bound - value <= PROVEN * max(abs(value), 1e-300) else "within gap"
    return Best(found.t, found.y, w, value, bound, status, found.steps)


def _feasible_weights(w: Array, most: float) -> Array:
    """Return the weights as such of a worst case: from 0 to `most`, 1 together."""
    w = np.clip(w, 0.0, most)
    missing = 1.0 - float(w.sum())
    if missing <= 0:
        return np.asarray(w / w.sum())
    room = (most if np.isfinite(most) else 1.0) - w
    return np.asarray(w + missing * room / room.sum())


# ---------------------------------------------------------------------- mean less variance
def _mean_variance(model: RiskModel, risk: MeanVariance, neutral: Best) -> Best:
    """Search from the plan that is best where totals above a level may be thrown away, and others.

    That criterion (monotone mean-variance, Maccheroni, Marinacci, Rustichini, Taboga (2009),
    doi:10.1111/j.1467-9965.2008.00354.x) is concave and nowhere below the mean less the variance: its optimum bounds
    every plan, and where nothing is thrown away it is the optimum.
    """
    n_draws, aversion = model.problem.n_draws, risk.aversion
    bend = n_draws / (2 * aversion * model.scale)
    relaxed = model.solve(Criterion(bend=bend))
    w = _feasible_weights(relaxed.w, np.inf)
    spread = (n_draws * float(w @ w) - 1) / (4 * aversion)
    bound = model.bound(relaxed.t, relaxed.y, w) + spread
    value = risk.of(model.totals(relaxed.t))
    if bound - value <= PROVEN * max(abs(value), 1e-300):
        return Best(relaxed.t, relaxed.y, w, value, bound, "optimal", relaxed.steps)
    starts: list[Found | Best] = [relaxed, neutral, *(_cvar(model, share) for share in SHARES), _equal(model)]
    starts.sort(key=lambda one: -risk.of(model.totals(one.t)))
    found = [_climb_mean_variance(model, risk, start, bend) for start in starts[:N_CLIMBS]]
    values = [risk.of(model.totals(one.t)) for one in found]
    best = found[int(np.argmax(values))]
    totals = model.totals(best.t)
    weights = (1 - 2 * aversion * (totals - totals.mean())) / n_draws
    steps = relaxed.steps + sum(one.steps for one in found)
    return Best(best.t, best.y, weights, max(values), bound, "local optimum", steps)


def _climb_mean_variance(model: RiskModel, risk: MeanVariance, start: Found | Best, bend: float) -> Found:
    """Climb with totals that are punished for being high replaced by their tangents, which makes the rest concave."""
    t, y, w = start.t, start.y, start.w
    value, steps = risk.of(model.totals(t)), 0
    for _ in range(MM_STEPS):
        totals = model.totals(t)
        equal = 1 - 2 * risk.aversion * (totals - totals.mean()) < 0
        found = model.solve(Criterion(bend=bend, equal=equal), around=t, start=t, tolerance=ROUGH)
        steps += found.steps
        tried = [t + share * (found.t - t) for share in ON_THE_WAY]
        values = [risk.of(model.totals(one)) for one in tried]
        k = int(np.argmax(values))
        if not values[k] > value + 1e-9 * abs(value):
            break
        t, y, w, value = tried[k], found.y, found.w, values[k]
    return Found(t, y, w, steps)


def _equal(model: RiskModel) -> Found:
    """Return the equal split, pulled to where it meets the requirements."""
    n_draws = model.problem.n_draws
    y, w = np.zeros(len(model.reduced.h)), np.full(n_draws, 1.0 / n_draws)
    t = model.share(np.nan_to_num(split(model.problem), posinf=0.0))
    G, h = model.reduced.G, model.reduced.h
    if (G @ t > h * (1 - 1e-9 * np.sign(h))).any():
        # on the way to a plan that meets them all
        inside = model.solve(Criterion(weights=w)).t
        over, room = G @ (t - inside), h - G @ inside
        closer = over > 0
        share = float(np.min(np.maximum(room, 0.0)[closer] / over[closer], initial=1.0))
        t = inside + share * (t - inside)
    return Found(t, y, w, 0)


# ---------------------------------------------------------------------- quantile
def _quantile(model: RiskModel, risk: Quantile, neutral: Best) -> Best:
    """Climb from the best of several plans; the draws that may fall short are chosen anew at every step."""
    starts: list[Found | Best] = [neutral, _equal(model), _cvar(model, risk.share)]
    if 2 * risk.share < 1:
        starts.append(_cvar(model, 2 * risk.share))
    starts.sort(key=lambda one: -risk.of(model.totals(one.t)))
    found = [_climb_quantile(model, risk, start) for start in starts[:N_CLIMBS]]
    values = [risk.of(model.totals(one.t)) for one in found]
    best, value = found[int(np.argmax(values))], max(values)
    bound = _quantile_bound(model, risk, neutral)
    steps = sum(one.steps for one in found) + neutral.steps
    w = best.w / max(best.w.sum(), 1e-300)
    return Best(best.t, best.y, w, value, max(bound, value), "local optimum", steps)


def _climb_quantile(model: RiskModel, risk: Quantile, start: Found | Best) -> Found:
    """Raise the mean over a window of draws around the quantile, the lower ones left out; windows become narrower."""
    t, y, w = start.t, start.y, start.w
    value, steps = risk.of(model.totals(t)), 0
    n_draws = model.problem.n_draws
    below = n_below(risk.share, n_draws)
    for window in WINDOWS:
        width = max(round(window * (below + 1)), 1)
        order = np.argsort(model.totals(t), kind="stable")
        left_out = max(below - width // 2, 0)
        # draws far above have no part in it
        last = min(n_draws, left_out + max(4 * width, n_draws // 2))
        draws = np.sort(order[left_out:last])
        found = model.solve(Criterion(most=1.0 / min(width, len(draws))), draws=draws, start=t, tolerance=ROUGH)
        steps += found.steps
        tried = [t + share * (found.t - t) for share in ON_THE_WAY]
        values = [risk.of(model.totals(one)) for one in tried]
        k = int(np.argmax(values))
        if values[k] > value:
            weights = np.zeros(n_draws)
            weights[draws] = found.w
            t, y, w, value = tried[k], found.y, weights, values[k]
    return Found(t, y, w, steps)


def _quantile_bound(model: RiskModel, risk: Quantile, neutral: Best) -> float:
    """Bound the quantile of every plan.

    Outcomes are never negative, so a quantile exceeded with probability p is at most mean / p (Markov); and no draw
    brings more than it could if it were known.
    """
    n_draws = model.problem.n_draws
    above = 1 - n_below(risk.share, n_draws) / n_draws
    return min(neutral.bound / above, risk.of(model.draw_bounds(neutral.y)))
