"""The cost of a split against the optimum that nobody knows, with its interval.

The interval holds those costs under which the cost seen would be among neither the smallest nor the largest that
errors make of them. Which curves bring which cost is chosen along two ways from the estimates:

* down, to nothing: the plans come nearer to each other. The loss grows with the square of how far apart they are and
  the error with the distance, which is exact for normal errors and quadratic losses; at the end both are the best.
* up: the curves move as errors do that would hide so much cost, which is the likeliest way to have missed it (the least
  favourable family of [1]_). Plans are made again there, so nothing is taken for quadratic, and the error is that of
  dearer worlds, not that of the estimates: where one strong segment holds most of the cost, an estimate that is too low
  looks surer than it is.

.. [1] DiCiccio, T., Efron, B. (1992). More accurate confidence intervals in exponential families. Biometrika 79.
   doi:10.1093/biomet/79.2.231
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import skew

from segmentation.allocation._misallocation_draws import Batch, best_plans
from segmentation.allocation._misallocation_study import Figure, Study
from segmentation.curves import LinearCurve

__all__ = ["cost_of"]

Array = NDArray[np.float64]
# Steps of the scale along which lower costs are tested, and its end relative to what is seen.
SCALES = np.linspace(0.0, 1.0, 101)
# Dearer worlds are searched by secants of normal scores: so many times, no further than so many standard errors.
SEARCHES = 3
FARTHEST = 5.0
# The estimates look dearer than the truth by what choosing on their noise brings, the regret. In a quadratic loss that
# makes errors larger as any other cost does; where one segment holds the cost, it makes them no larger. In between,
# this part of it is taken for no cost of the worlds whose errors are looked at.
NO_COST = 0.5
# A share of worlds this near to the one looked for is it.
NEAR = 0.004


def cost_of(study: Study, actual: Array, level: float, prices: Array, gain: Figure) -> Figure:
    """Return the cost of `actual` against the unknown optimum, not below 0, and its interval.

    The best split is as good as the plan or better, so the cost, its lower and its upper bound are nowhere below those
    of the `gain` of the plan.
    """
    point, solved = study.point, study.solved
    seen = float((study.value(point, study.plan) - study.value(point, actual)).sum())
    change = study.value(solved, study.plan) - study.value(solved, actual)
    off = change.sum(axis=1) - seen
    regret = float(study.regret.mean())
    # a maximum of estimates is too high by what choosing on them brings
    value = max(seen - float(off.mean()) - regret, 0.0)
    most = float(np.quantile(study.regret, (1 + level) / 2))
    if study.follows(actual):
        # what was chosen on these estimates costs what they are off
        value = max(gain.value, 0.0) + regret
        return _at_least(Figure(value, 0.0, max(most, value), seen), gain)
    if seen <= 0:
        return _at_least(Figure(0.0, 0.0, most, seen), gain)
    low = _lowest(study, off, seen, (1 - level) / 2)
    if _may_be_best(study, actual, seen, prices, (1 - level) / 2):
        low = 0.0
    # the best plan that estimates allow costs so much: a split from before them is not surely nearer to the best
    high = max(_highest(study, actual, off, seen, (1 + level) / 2), regret, value)
    return _at_least(Figure(value, min(low, value), high, seen), gain)


def _at_least(cost: Figure, gain: Figure) -> Figure:
    """Return the cost with each of its figures no less than that of the gain."""
    return Figure(max(cost.value, gain.value), max(cost.low, gain.low), max(cost.high, gain.high), cost.uncorrected)


def _lowest(study: Study, off: Array, seen: float, share: float) -> float:
    """Return the cost, down from the one seen, of which a share of the worlds would show as much as was seen.

    The cost seen is C + s l + Q: C = s^2 `seen`, l what fixed efforts are `off`, Q what the best efforts make of the
    errors, never below 0.
    """
    would_be = SCALES[:, None] ** 2 * seen + SCALES[:, None] * (2 * off.mean() - off) + study.regret
    above = np.maximum.accumulate((would_be >= seen).mean(axis=1))
    return 0.0 if above[0] >= share else float(np.interp(share, above, SCALES)) ** 2 * seen


def _highest(study: Study, actual: Array, off: Array, seen: float, share: float) -> float:
    """Return the cost, up from the one seen, of which a share of the worlds would show as much as was seen."""
    if not off.std() > 0:
        return seen
    way, noise = _way(study, off), NO_COST * float(study.regret.mean())

    def dearer(steps: float) -> tuple[float, float]:
        """Return the cost so many standard errors up, and the normal score of the share that would show more."""
        point, worlds = (_moved(batch, way, steps) for batch in (study.point, study.solved))
        (cost,), shown = (_cost_in(study, batch, actual) for batch in (point, worlds))
        return float(cost), score(shown)

    def score(shown: Array) -> float:
        rest = 0.5 / len(shown)
        return float(ndtri(np.clip((shown >= seen + noise).mean(), rest, 1 - rest)))

    wanted, near = float(ndtri(share)), NEAR / float(np.exp(-0.5 * ndtri(share) ** 2) / np.sqrt(2 * np.pi))
    here = study.value(study.solved, study.plans) - study.value(study.solved, actual)
    tried = {0.0: (seen, score(here.sum(axis=1)))}
    steps, slope = 0.0, 1.0
    for _ in range(SEARCHES):
        missing = wanted - tried[steps][1]
        if missing <= near and (steps == 0 or missing >= -near):
            break
        steps = float(np.clip(steps + missing / slope, 0.0, FARTHEST))
        if steps in tried:
            break
        tried[steps] = dearer(steps)
        slope = max((tried[steps][1] - tried[0.0][1]) / steps, 0.3)
    order = sorted(tried)
    scores = np.maximum.accumulate([tried[s][1] for s in order])
    return float(np.interp(wanted, scores, [tried[s][0] for s in order])) - noise


def _cost_in(study: Study, worlds: Batch, actual: Array) -> Array:
    """Return the cost of `actual` against the best in each world."""
    best = best_plans(study.problem, worlds)
    return np.asarray(np.maximum((study.value(worlds, best) - study.value(worlds, actual)).sum(axis=1), 0.0))


def _way(study: Study, off: Array) -> list[tuple[NDArray[np.bool_], Array]]:
    """Return how parameters move with one standard error of the cost: in logs or not (k, p), and by how much (k, p).

    The form moves in logs; the first parameter, in which curves are linear, in logs where these scatter less unevenly.
    """
    scaled = (off - off.mean()) / off.std()
    way: list[tuple[NDArray[np.bool_], Array]] = []
    for _, _, drawn in study.solved.stacks:
        positive = np.asarray((np.isfinite(drawn) & (drawn > 0)).all(axis=0))
        logs = np.log(np.where(positive, drawn, 1.0))
        uneven, uneven_logs = (_skewness(values[..., 0]) for values in (drawn, logs))
        in_logs = positive.copy()
        in_logs[:, 0] &= uneven_logs < uneven
        moving = np.where(in_logs, logs, np.where(np.isfinite(drawn).all(axis=0), drawn, 0.0))
        way.append((in_logs, np.tensordot(scaled, moving - moving.mean(axis=0), axes=1) / len(scaled)))
    return way


def _skewness(values: Array) -> Array:
    varies = np.ptp(values, axis=0) > 1e-9 * np.abs(values).max(axis=0)
    return np.asarray(np.abs(skew(np.where(varies, values, np.arange(len(values))[:, None]), axis=0)), dtype=np.float64)


def _moved(worlds: Batch, way: list[tuple[NDArray[np.bool_], Array]], steps: float) -> Batch:
    """Move all worlds so many standard errors of the cost up; a parameter that would leave its range stays."""
    stacks = []
    for (family, where, start), (in_logs, by) in zip(worlds.stacks, way, strict=True):
        moved = np.where(in_logs, start * np.exp(np.where(in_logs, steps * by, 0.0)), start + steps * by)
        for j, name in enumerate(family.parameter_names):
            stays = ~family._allowed(name, moved[..., j])
            moved[..., j] = np.where(stays, start[..., j], moved[..., j])
        stacks.append((family, where, moved))
    return Batch(tuple(stacks), worlds.n_worlds, worlds.n_items)


def _may_be_best(study: Study, actual: Array, seen: float, prices: Array, share: float) -> bool:
    """Test where curves are straight, whose ties no quadratic shows, whether `actual` may be best after all.

    The curves are raised or lowered until their slopes at `actual` are in balance, and scattered as the draws are.
    """
    if not any(isinstance(curve, LinearCurve) for curve in study.problem.curves):
        return False
    use = study.problem.use @ prices
    slope = study.point.slope(actual)[0]
    held = actual > study.problem.lower
    if (use <= 0).any() or (slope[held] <= 0).any():
        return False
    with np.errstate(all="ignore"):
        factor = use / slope
        worth = study.point.value(actual)[0]
        scale = float(worth[held].sum() / (factor * worth)[held].sum()) if held.any() else 1.0
        factor = np.where(held, factor * scale, np.minimum(factor * scale, 1.0))
    stacks = []
    for (family, where, start), (_, _, end) in zip(study.point.stacks, study.solved.stacks, strict=True):
        params = end.copy()
        params[..., 0] = np.maximum(factor[where] * start[..., 0] + end[..., 0] - start[..., 0], 0.0)
        stacks.append((family, where, params))
    worlds = Batch(tuple(stacks), study.solved.n_worlds, study.solved.n_items)
    best = study.value(worlds, best_plans(study.problem, worlds)) - study.value(worlds, actual)
    return bool((best.sum(axis=1) >= seen).mean() > share)
