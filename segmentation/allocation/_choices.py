"""What makes a problem discrete, from what people write: fixed costs, least amounts of the funded, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._keys import ONLY_ACTION, amount_of, named, spread
from segmentation.allocation._resource import Resource

__all__ = ["read_exclusive", "read_fixed_costs", "read_minimum"]

Array = NDArray[np.float64]
Items = Sequence[tuple[Any, Any]]


def read_minimum(given: Any, items: Items, lower: Array, upper: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the lower bounds, and which items may be 0 although theirs is above it."""
    optional = np.zeros(len(items), dtype=bool)
    if given is None:
        return lower, optional
    least = lower.copy()
    for i, value in spread(given, items, "minimum_if_funded").items():
        amount = amount_of(value, f"minimum_if_funded of {named(items[i])}")
        if amount > upper[i]:
            raise ValueError(
                f"minimum_if_funded of {named(items[i])} is {amount:g}, above its upper bound of {upper[i]:g}; lower "
                "it, or leave the item out where it is not to be funded."
            )
        # what has a lower bound of its own is funded anyway
        optional[i] = amount > 0 and lower[i] == 0
        least[i] = max(least[i], amount)
    return least, optional


def read_fixed_costs(given: Any, items: Items, resources: Sequence[Resource]) -> tuple[Array, Array]:
    """Return what each item takes of each resource, (n, R), and of the outcome, (n,), once it is funded."""
    fixed, money = np.zeros((len(items), len(resources))), np.zeros(len(items))
    if given is None:
        return fixed, money
    place = {resource.name: j for j, resource in enumerate(resources)}
    if isinstance(given, Mapping) and given and all(key in place for key in given):
        given = dict.fromkeys(items, given)
    for i, value in spread(given, items, "fixed_costs").items():
        what = f"fixed_costs of {named(items[i])}"
        if not isinstance(value, Mapping):
            money[i] = amount_of(value, what)
            continue
        for name, amount in value.items():
            if name not in place:
                raise ValueError(f"{what} names {name!r}, which is no resource; resources: {name_some(place)}.")
            taken = amount_of(amount, f"{what} of {name!r}")
            if resources[place[name]].integer and taken != round(taken):
                raise ValueError(f"{what} takes {amount!r} of {name!r}, which comes in whole units.")
            fixed[i, place[name]] = taken
    return fixed, money


def read_exclusive(given: Any, items: Items) -> tuple[NDArray[np.int64], ...]:
    """Return groups of positions of which at most one is funded."""
    if given is None or given is False:
        return ()
    by_segment: dict[Any, list[int]] = {}
    for i, (segment, _) in enumerate(items):
        by_segment.setdefault(segment, []).append(i)
    if given is True:
        groups = list(by_segment.values())
        found = [group for group in groups if len(group) > 1]
        if not found:
            raise ValueError("exclusive=True is for segments with several actions; here each has one.")
    else:
        found = [group for one in _listed(given, items) for group in _groups(one, items, by_segment)]
    return tuple(np.array(sorted(group), dtype=np.int64) for group in dict.fromkeys(map(tuple, map(sorted, found))))


def _listed(given: Any, items: Items) -> list[list[Any]]:
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence | set | frozenset) or not len(given):
        raise TypeError(
            "exclusive must be True, a list of actions such as ['mail', 'call'], or a list of such lists or of lists "
            f"of (segment, action); got {given!r}."
        )
    known = set(items)
    inner = [isinstance(one, list | set | frozenset) or (isinstance(one, tuple) and one not in known) for one in given]
    if any(inner) and not all(inner):
        raise TypeError(f"exclusive must be one group or a list of groups, not a mixture; got {given!r}.")
    return [list(one) for one in given] if all(inner) else [list(given)]


def _groups(group: list[Any], items: Items, by_segment: Mapping[Any, list[int]]) -> list[list[int]]:
    """Return the positions of one group: of actions in each segment that has two of them, or as named."""
    place = {item: i for i, item in enumerate(items)}
    actions = {action for _, action in items} - {ONLY_ACTION}
    if all(one in actions and one not in place for one in group):
        wanted = set(group)
        found = [[i for i in where if items[i][1] in wanted] for where in by_segment.values()]
        found = [where for where in found if len(where) > 1]
        if not found:
            raise ValueError(f"exclusive: no segment has two of the actions {name_some(group)}.")
        return found
    result = []
    for one in group:
        if one in place:
            result.append(place[one])
        elif one in by_segment and len(by_segment[one]) == 1:
            result.append(by_segment[one][0])
        else:
            raise ValueError(
                f"exclusive names {one!r}, which is no action, no (segment, action) and no segment with one action. "
                "A group is of actions, or of (segment, action)."
            )
    if len(set(result)) < 2:
        raise ValueError(f"exclusive: a group needs two members or more, got {group!r}.")
    return [result]
