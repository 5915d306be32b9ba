"""What `allocate` is asked, checked: choices, prices, and the splits that a plan is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._cells import Cells
from segmentation.allocation._comparison import split
from segmentation.allocation._contacts import read_customers
from segmentation.allocation._keys import amount_of, as_mapping, by_item, by_segment, named
from segmentation.allocation._problem import Problem
from segmentation.allocation._resource import Resource

__all__ = ["check_choices", "check_search", "counted", "other_splits", "prices_of", "segments_of"]

Array = NDArray[np.float64]
OBJECTIVES = ("return", "cost", "profit")


def segments_of(curves: Any) -> list[Any]:
    """Return the segments of curves; what is wrong with them is said later."""
    named_by = as_mapping(curves)
    keys = named_by if isinstance(named_by, Mapping) else ()
    return list(dict.fromkeys(key[0] if isinstance(key, tuple) and len(key) == 2 else key for key in keys))


def counted(cells: Cells, n_customers: Any) -> Mapping[Any, float]:
    """Return the customers that the overlap counts, and make sure that nobody counted otherwise."""
    if n_customers is not None:
        items = [(segment, None) for segment in cells.segments]
        said = read_customers(n_customers, items)
        differing = [
            f"{s!r}: {n:g}, not {cells.n_customers[s]:g}" for s, n in said.items() if n != cells.n_customers[s]
        ]
        if differing:
            raise ValueError(f"n_customers and overlap count differently: {name_some(differing)}. Give overlap only.")
    return cells.n_customers


def check_search(gap: Any, time_limit: Any) -> None:
    """Check how near and how long a discrete problem is solved."""
    if isinstance(gap, bool) or not isinstance(gap, int | float | np.number) or not 0 < gap < 1:
        raise ValueError(f"gap must be a number above 0 and below 1, such as 1e-4, got {gap!r}.")
    if time_limit is None:
        return
    if isinstance(time_limit, bool) or not isinstance(time_limit, int | float | np.number) or not time_limit > 0:
        raise ValueError(f"time_limit must be seconds above 0, or None, got {time_limit!r}.")


def check_choices(objective: Any, target: Any, level: Any) -> None:
    """Check what is asked for."""
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {name_some(OBJECTIVES)}, got {objective!r}.")
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    if objective != "cost":
        if target is not None:
            raise ValueError('target is for objective="cost", the cheapest way to it; leave it out, or ask for that.')
        return
    if isinstance(target, bool) or not isinstance(target, int | float | np.number) or not math.isfinite(target):
        raise ValueError(f'objective="cost" needs a target, the outcome to reach as a finite number, got {target!r}.')


def prices_of(resources: Sequence[Resource], objective: str) -> Array:
    """Return the price of each resource: 1 for the only one where none is given; NaN where unknown."""
    if len(resources) == 1 and resources[0].price is None:
        return np.ones(1)
    prices = np.array([np.nan if resource.price is None else resource.price for resource in resources])
    if objective != "return":
        without = [f"{r.name!r} ({r.unit or 'no unit'})" for r in resources if r.price is None]
        if without:
            raise ValueError(
                f'objective="{objective}" adds up money, and {", ".join(without)} has no price: say what a unit costs: '
                f"Resource({resources[0].name!r}, {resources[0].amount:g}, price=1.0); 0 where it is paid anyway."
            )
        if not (prices > 0).any():
            raise ValueError(f'objective="{objective}" needs a price above 0 for at least one resource; all are 0.')
    return prices


def other_splits(problem: Problem, current: Any, revenue: Any) -> dict[str, Array]:
    """Return the efforts of the splits that the plan is compared with, by name."""
    result: dict[str, Array] = {}
    if np.isfinite(problem.supply).all():
        result["equal split"] = split(problem)
        if revenue is not None:
            result["split by revenue"] = split(problem, _weights(problem, revenue))
    elif revenue is not None:
        raise ValueError("a split by revenue needs resources with a limit; one has none.")
    if current is not None:
        efforts = np.zeros(len(problem.items))
        for i, effort in by_item(current, problem.items, "current").items():
            efforts[i] = amount_of(effort, f"the current effort of {named(problem.items[i])}")
        result["current"] = efforts
    return result


def _weights(problem: Problem, revenue: Any) -> dict[Any, float]:
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    if not isinstance(as_mapping(revenue), Mapping):
        raise TypeError(f"revenue must map each segment to its revenue, such as {{'loyal': 5000}}, got {revenue!r}.")
    weights = by_segment(revenue, problem.items, "revenue")
    missing = [segment for segment in segments if segment not in weights]
    if missing:
        raise ValueError(f"revenue has nothing for {name_some(missing)}.")
    result = {segment: amount_of(weights[segment], f"the revenue of {segment!r}") for segment in segments}
    if sum(result.values()) <= 0:
        raise ValueError("revenue is 0 for every segment: there is nothing to split by.")
    return result
