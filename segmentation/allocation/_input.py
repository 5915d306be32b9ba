"""From what people write down to the arrays of a problem, with every mistake named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.allocation._choices import read_exclusive, read_fixed_costs, read_minimum
from segmentation.allocation._contacts import read_caps
from segmentation.allocation._keys import ONLY_ACTION, amount_of, as_mapping, by_item, by_segment, listed, named
from segmentation.allocation._problem import Floor, Problem
from segmentation.allocation._resource import Resource
from segmentation.curves import ResponseCurve

__all__ = ["ONLY_ACTION", "amount_of", "as_resources", "by_item", "by_segment", "make_problem", "named"]

Array = NDArray[np.float64]


def as_resources(resources: Any) -> tuple[Resource, ...]:
    """Return one or several resources as a tuple, or say what is wrong with them."""
    given = (resources,) if isinstance(resources, Resource) else resources
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(r, Resource) for r in given):
        raise TypeError(
            f'resources must be a Resource or a list of them, such as [Resource("budget", 50_000)], got {resources!r}.'
        )
    if not given:
        raise ValueError("no resource was given: name at least one, such as Resource('budget', 50_000).")
    names = [resource.name for resource in given]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"resources must have different names; repeated: {name_some(repeated)}.")
    return tuple(given)


def _items(curves: Any) -> tuple[list[tuple[Any, Any]], list[ResponseCurve]]:
    curves = as_mapping(curves)
    if not isinstance(curves, Mapping):
        raise TypeError(
            "curves must map each segment to its ResponseCurve (or to {action: curve}), or (segment, action) to it; "
            f"got {type(curves).__name__}."
        )
    items: list[tuple[Any, Any]] = []
    found: list[ResponseCurve] = []
    for key, value in curves.items():
        if isinstance(value, Mapping) and not value:
            raise ValueError(f"curves has no action for {key!r}: leave it out, or give it a curve.")
        pairs = (
            [((key, action), curve) for action, curve in value.items()]
            if isinstance(value, Mapping)
            else [(key if _is_pair(key) else (key, ONLY_ACTION), value)]
        )
        for item, curve in pairs:
            if not isinstance(curve, ResponseCurve):
                raise TypeError(
                    f"the curve of {named(item)} must be a ResponseCurve (segmentation.curves), got {curve!r}."
                )
            items.append(item)
            found.append(curve)
    if not items:
        raise ValueError("curves is empty: there is no segment to allocate to.")
    if len(set(items)) < len(items):
        repeated = list(dict.fromkeys(item for item in items if items.count(item) > 1))
        raise ValueError(f"a segment and action stands twice in curves: {name_some(repeated)}.")
    return items, found


def _is_pair(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) == 2


def _use(uses: Any, items: Sequence[tuple[Any, Any]], resources: tuple[Resource, ...]) -> Array:
    names = [resource.name for resource in resources]
    if uses is None:
        if len(names) > 1:
            raise ValueError(
                f"with {len(names)} resources ({name_some(names)}) uses must say what one unit of effort takes of "
                "each, such as uses={'call': {'budget': 2.0, 'hours': 0.25}}."
            )
        return np.ones((len(items), 1))
    if isinstance(uses, Mapping) and uses and all(key in names for key in uses):
        uses = dict.fromkeys(items, uses)
    found = by_item(uses, items, "uses")
    without = [items[i] for i in range(len(items)) if i not in found]
    if without:
        raise ValueError(f"uses does not say what {listed(map(named, without))} takes of the resources.")
    result = np.zeros((len(items), len(names)))
    place = {name: j for j, name in enumerate(names)}
    for i, taken in found.items():
        if not isinstance(taken, dict | Mapping):
            raise TypeError(f"uses of {named(items[i])} must map resources to amounts, got {taken!r}.")
        for name, amount in taken.items():
            if name not in place:
                raise ValueError(
                    f"uses of {named(items[i])} names {name!r}, which is no resource; resources: {name_some(names)}."
                )
            if isinstance(amount, float) and 0.0 <= amount < math.inf:
                result[i, place[name]] = amount
            else:
                result[i, place[name]] = amount_of(amount, f"uses of {named(items[i])} of {name!r}")
    return result


def _bounds(bounds: Any, items: Sequence[tuple[Any, Any]]) -> tuple[Array, Array]:
    lower, upper = np.zeros(len(items)), np.full(len(items), np.inf)
    if bounds is None:
        return lower, upper
    found = (
        by_item(bounds, items, "bounds")
        if isinstance(as_mapping(bounds), Mapping)
        else dict.fromkeys(range(len(items)), bounds)
    )
    for i, pair in found.items():
        if isinstance(pair, str) or not isinstance(pair, Sequence | np.ndarray) or len(pair) != 2:
            raise TypeError(f"bounds of {named(items[i])} must be (least, most), None for an open end, got {pair!r}.")
        if pair[0] is not None:
            lower[i] = amount_of(pair[0], f"the lower bound of {named(items[i])}")
        if pair[1] is not None:
            upper[i] = amount_of(pair[1], f"the upper bound of {named(items[i])}", infinite=True)
    crossed = np.flatnonzero(lower > upper)
    if crossed.size:
        which = listed(f"{named(items[i])}: at least {lower[i]:g}, at most {upper[i]:g}" for i in crossed.tolist())
        raise ValueError(f"the lower bound is above the upper bound of {which}.")
    return lower, upper


def _shares(
    min_share: Any, items: Sequence[tuple[Any, Any]], resources: tuple[Resource, ...]
) -> dict[tuple[Any, int], float]:
    """Return the least share of a resource by (segment, position of the resource)."""
    result: dict[tuple[Any, int], float] = {}
    if min_share is None:
        return result
    names = [resource.name for resource in resources]
    for segment, given in by_segment(min_share, items, "min_share").items():
        if isinstance(given, Mapping):
            unknown = [name for name in given if name not in names]
            if unknown:
                raise ValueError(
                    f"min_share of {segment!r} names {name_some(unknown)}, which is no resource; "
                    f"resources: {name_some(names)}."
                )
            shares = given
        elif len(names) == 1:
            shares = {names[0]: given}
        else:
            raise ValueError(
                f"min_share of {segment!r} is {given!r}: with several resources say of which, "
                f"such as {{{segment!r}: {{{names[0]!r}: {given!r}}}}}."
            )
        for name, share in shares.items():
            value = amount_of(share, f"min_share of {segment!r}")
            if value > 1:
                raise ValueError(f"min_share of {segment!r} must be a share between 0 and 1, got {share!r}.")
            j = names.index(name)
            if math.isinf(resources[j].amount):
                raise ValueError(f"min_share of {segment!r}: {name!r} has no limit, so there is no share of it.")
            result[segment, j] = value
    return result


def make_problem(
    curves: Any,
    resources: tuple[Resource, ...],
    *,
    uses: Any,
    bounds: Any,
    min_share: Any,
    fixed_costs: Any = None,
    minimum_if_funded: Any = None,
    exclusive: Any = None,
    contact_cap: Any = None,
    contacts: Any = None,
    n_customers: Any = None,
) -> Problem:
    """Return the checked problem."""
    items, found = _items(curves)
    use = _use(uses, items, resources)
    lower, upper = _bounds(bounds, items)
    positions: dict[Any, list[int]] = {}
    for i, (segment, _) in enumerate(items):
        positions.setdefault(segment, []).append(i)
    floors = []
    for (segment, j), share in _shares(min_share, items, resources).items():
        amount = share * resources[j].amount
        taking = [i for i in positions[segment] if use[i, j] > 0]
        if amount > 0:
            floors.append(Floor(segment, j, np.array(taking, dtype=np.int64), amount))
    lower, optional = read_minimum(minimum_if_funded, items, lower, upper)
    fixed, fixed_cost = read_fixed_costs(fixed_costs, items, resources)
    problem = Problem(
        items=tuple(items),
        curves=tuple(found),
        use=use,
        supply=np.array([resource.amount for resource in resources]),
        lower=lower,
        upper=upper,
        resources=tuple(resource.name for resource in resources),
        floors=tuple(floors),
        optional=optional,
        fixed=fixed,
        fixed_cost=fixed_cost,
        integer=np.array([resource.integer for resource in resources]),
        exclusive=read_exclusive(exclusive, items),
        caps=read_caps(contact_cap, contacts, n_customers, items),
    )
    _check_values(problem)
    return problem


def _check_values(problem: Problem) -> None:
    """A family of curves that is none of ours may give anything."""
    for x in (np.zeros(len(problem.items)), np.maximum(problem.lower, 1.0)):
        wrong = [named(problem.items[i]) for i in np.flatnonzero(~np.isfinite(problem.value(x)))]
        if wrong:
            raise ValueError(f"the curve of {listed(wrong)} gives NaN or infinity; a value must be a finite number.")
