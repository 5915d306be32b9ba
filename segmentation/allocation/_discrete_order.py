"""An order of items and resources that depends on their numbers only: neither names nor order matter."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._problem import Problem

__all__ = ["canonical_order", "reordered"]

Index = NDArray[np.int64]
# Rounds in which items and resources are told apart by what they take, or by whom they are taken.
ROUNDS = 3


def canonical_order(problem: Problem) -> tuple[Index, Index]:
    """Return the positions of the items and of the resources, sorted by their own numbers.

    Equal ones stay in the order given.
    """
    n = len(problem.items)
    names = sorted({type(curve).__name__ for curve in problem.curves})
    width = max(params.shape[1] for _, _, params in problem.stacks)
    curves = np.full((n, width + 1), -1.0)
    for family, where, params in problem.stacks:
        curves[where, 0] = names.index(family.__name__)
        rows = np.arange(n)[where]
        curves[rows[:, None], np.arange(1, params.shape[1] + 1)] = params
    columns = [
        curves, np.asarray(problem.fixed_cost)[:, None], problem.lower[:, None], problem.upper[:, None],
        np.asarray(problem.optional)[:, None],
    ]  # fmt: skip
    _, colour = np.unique(np.hstack(columns).astype(np.float64), axis=0, return_inverse=True)
    colour = colour.ravel()
    shade = _ranks(list(zip(problem.supply.tolist(), np.asarray(problem.integer).tolist(), strict=True)))
    taken = _takers(problem)
    # told apart by what they take, what takes them, and whom they share groups and floors with
    for _ in range(ROUNDS):
        company = _company(problem, colour, shade)
        of_item: list[list[Any]] = [[] for _ in range(n)]
        of_resource: list[list[Any]] = [[] for _ in problem.supply]
        for i, j, use, fixed in taken:
            of_item[i].append((int(shade[j]), use, fixed))
            of_resource[j].append((int(colour[i]), use, fixed))
        told = [(int(c), tuple(sorted(t)), *e) for c, t, e in zip(colour, of_item, company, strict=True)]
        shade = _ranks([(int(c), tuple(sorted(t))) for c, t in zip(shade, of_resource, strict=True)])
        colour = _ranks(told)
    return np.argsort(colour, kind="stable"), np.argsort(shade, kind="stable")


def _takers(problem: Problem) -> list[tuple[int, int, float, float]]:
    use, fixed = problem.use, np.asarray(problem.fixed)
    rows, columns = np.nonzero((use > 0) | (fixed > 0))
    return list(
        zip(rows.tolist(), columns.tolist(), use[rows, columns].tolist(), fixed[rows, columns].tolist(), strict=True)
    )


def _company(problem: Problem, colour: Index, shade: Index) -> list[tuple[Any, ...]]:
    """Return for each item the groups and floors that it is in, by the colours of those in them."""
    groups: list[list[Any]] = [[] for _ in problem.items]
    floors: list[list[Any]] = [[] for _ in problem.items]
    for group in problem.exclusive:
        signature = tuple(sorted(colour[group].tolist()))
        for i in group.tolist():
            groups[i].append(signature)
    for floor in problem.floors:
        signature = (int(shade[floor.resource]), floor.amount, *sorted(colour[floor.positions].tolist()))
        for i in floor.positions.tolist():
            floors[i].append(signature)
    return [(tuple(sorted(g)), tuple(sorted(f))) for g, f in zip(groups, floors, strict=True)]


def _ranks(keys: Sequence[Hashable]) -> Index:
    place = {key: k for k, key in enumerate(sorted(set(keys)))}  # type: ignore[type-var]
    return np.array([place[key] for key in keys], dtype=np.int64)


def reordered(problem: Problem, order: Index, columns: Index) -> tuple[Problem, list[int]]:
    """Return the problem with items and resources in another order, and where its floors stood before."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    place_of = np.empty(len(columns), dtype=np.int64)
    place_of[columns] = np.arange(len(columns))
    moved = [
        dataclasses.replace(floor, positions=np.sort(place[floor.positions]), resource=int(place_of[floor.resource]))
        for floor in problem.floors
    ]
    ranks = sorted(range(len(moved)), key=lambda k: (moved[k].resource, moved[k].amount, moved[k].positions.tolist()))
    groups = sorted((np.sort(place[group]) for group in problem.exclusive), key=lambda group: group.tolist())
    result = dataclasses.replace(
        problem,
        items=tuple(problem.items[i] for i in order),
        curves=tuple(problem.curves[i] for i in order),
        use=problem.use[np.ix_(order, columns)],
        supply=problem.supply[columns],
        resources=tuple(problem.resources[j] for j in columns),
        lower=problem.lower[order],
        upper=problem.upper[order],
        floors=tuple(moved[k] for k in ranks),
        optional=np.asarray(problem.optional)[order],
        fixed=np.asarray(problem.fixed)[np.ix_(order, columns)],
        fixed_cost=np.asarray(problem.fixed_cost)[order],
        integer=np.asarray(problem.integer)[columns],
        exclusive=tuple(groups),
        _stacks_given=None,
    )
    return result, ranks
