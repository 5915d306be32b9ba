"""Which segments and which causes the gain of a plan comes from; parts add up to the whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._misallocation_draws import Batch, batch_of, point_batch
from segmentation.allocation._misallocation_study import FEW_WORLDS, PART, Figure, Study, figure_of, n_drawn, net_value
from segmentation.allocation._problem import Problem

__all__ = ["COARSE", "UNUSED", "WRONG_AMOUNTS", "WRONG_SEGMENTS", "alike", "as_it_is", "cause_figures", "changes"]

Array = NDArray[np.float64]
# Parts of a plan: worlds, efforts -> (D, k).
Split = Callable[[Batch, Array], Array]
WRONG_SEGMENTS, WRONG_AMOUNTS, COARSE, UNUSED = (
    "wrong segments",
    "wrong amounts",
    "coarse segmentation",
    "unused resources",
)


def alike(problem: Problem, actual: Array, customers: Array) -> Array:
    """Return today's effort of each action spread over its segments in proportion to customers, taking no more."""
    result = np.zeros(len(actual))
    for action in dict.fromkeys(action for _, action in problem.items):
        members = np.array([i for i, item in enumerate(problem.items) if item[1] == action])
        total = customers[members].sum()
        if total > 0:
            result[members] = actual[members].sum() * customers[members] / total
    used, limit = result @ problem.use, actual @ problem.use
    with np.errstate(all="ignore"):
        part = np.where(used > 0, limit / used, 1.0).min(initial=1.0)
    return np.asarray(result * part)


def figures(study: Study, split: Split, actual: Array, level: float, added: Array | None = None) -> list[Figure]:
    """Return a figure per part; `added` is what belongs to each part and is not uncertain.

    Where `actual` was chosen on the same estimates as the plan, both look better than they are, and nothing is taken
    off their difference.
    """
    seen = split(study.point, study.plan)[0]
    first = split(study.draws, study.plan) - seen
    solved = split(study.solved, study.plan) - seen
    second = split(study.solved, study.plans) - split(study.point, study.plans) - solved
    near = split(study.solved, study.near_plans) - split(study.point, study.near_plans) - solved
    optimism = near.mean(axis=0) / PART
    if study.follows(actual):
        second, optimism = np.zeros_like(second), np.zeros_like(optimism)
    if added is not None:
        seen = seen + added
    return [
        figure_of(float(seen[k]), first[:, k], solved[:, k], second[:, k], float(optimism[k]), level)
        for k in range(len(seen))
    ]


def plain(values: Array) -> list[Figure]:
    """Return figures of curves that are taken as known."""
    return [Figure(float(value), np.nan, np.nan, float(value)) for value in values]


def changes(
    problem: Problem, point: Batch, study: Study | None, plan: Array, actual: Array, groups: Array, level: float
) -> list[Figure]:
    """Return what each row of `groups` (k, n) of items brings more in the plan than in `actual`."""

    def split(worlds: Batch, x: Array) -> Array:
        return np.asarray((net_value(problem, worlds, x) - net_value(problem, worlds, actual)) @ groups.T)

    return plain(split(point, plan)[0]) if study is None else figures(study, split, actual, level)


def as_it_is(problem: Problem, x: Array, level: float) -> Figure:
    """Return what efforts bring that were not chosen on the estimates."""
    seen, available = float(net_value(problem, point_batch(problem), x).sum()), n_drawn(problem)
    if available < FEW_WORLDS:
        return Figure(seen, np.nan, np.nan, seen)
    off = net_value(problem, batch_of(problem, available), x).sum(axis=1) - seen
    return figure_of(seen, off, off, np.zeros(available), 0.0, level)


def cause_figures(
    problem: Problem,
    point: Batch,
    study: Study | None,
    plan: Array,
    actual: Array,
    common: Array | None,
    prices: Array,
    level: float,
) -> dict[str, Figure]:
    """Return the gain by cause.

    On its way from today's effort to the plan's, each item gains or loses outcome, and takes or sets free resources,
    which are charged at their shadow prices: what they bring elsewhere. What is charged and not paid to another item
    was not used today. The stretch between the effort of treating all alike (`common`) and the plan's is the
    segmentation's; the rest is wrong amounts, or wrong segments where one end is 0.
    """

    def halfway(x: Array) -> Array:
        return x if common is None else np.clip(common, np.minimum(actual, x), np.maximum(actual, x))

    def split(worlds: Batch, x: Array) -> Array:
        middle = halfway(x)
        at_middle = net_value(problem, worlds, middle)
        to_middle = at_middle - net_value(problem, worlds, actual)
        rest = net_value(problem, worlds, x) - at_middle
        switched = (actual > 0) != (x > 0)
        return np.stack(
            [
                np.where(switched, to_middle, 0.0).sum(axis=1),
                np.where(switched, 0.0, to_middle).sum(axis=1),
                rest.sum(axis=1),
                np.zeros(len(rest)),
            ],
            axis=1,
        )

    middle = halfway(plan)
    switched = (actual > 0) != (plan > 0)
    charge_first = (problem.taken(middle) - problem.taken(actual)) @ prices
    charge_rest = (problem.taken(plan) - problem.taken(middle)) @ prices
    charged = np.array(
        [
            -charge_first[switched].sum(),
            -charge_first[~switched].sum(),
            -charge_rest.sum(),
            charge_first.sum() + charge_rest.sum(),
        ]
    )
    found = plain(split(point, plan)[0] + charged) if study is None else figures(study, split, actual, level, charged)
    names = [WRONG_SEGMENTS, WRONG_AMOUNTS, COARSE, UNUSED]
    # what cancels but for the last digits is nothing
    noise = 1e-9 * float(np.abs(net_value(problem, point, plan)).sum() + problem.used(plan) @ prices)
    result = {name: _without_noise(figure, noise) for name, figure in zip(names, found, strict=True)}
    # at an estimated price, whose uncertainty is not followed
    unused = found[3].uncorrected
    if abs(unused) <= noise:
        unused = 0.0
    result[UNUSED] = Figure(unused, np.nan, np.nan, unused)
    if common is None:
        del result[COARSE]
    return result


def _without_noise(figure: Figure, noise: float) -> Figure:
    """Return the figure with a plain 0 for what is smaller than rounding."""

    def cleaned(value: float) -> float:
        return 0.0 if abs(value) <= noise else value

    return Figure(*(cleaned(v) for v in (figure.value, figure.low, figure.high, figure.uncorrected)))
