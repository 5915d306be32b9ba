"""From what people write down to the arrays of a problem, with every mistake named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some, nearest
from segmentation.allocation._problem import Floor, Problem
from segmentation.allocation._resource import Resource
from segmentation.curves import ResponseCurve

__all__ = ["ONLY_ACTION", "as_resources", "by_item", "by_segment", "make_problem"]

Array = NDArray[np.float64]
# The action of a segment for which none is named.
ONLY_ACTION = "effort"


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
    if not isinstance(curves, Mapping):
        raise TypeError(
            "curves must map each segment to its ResponseCurve (or to {action: curve}), or (segment, action) to it; "
            f"got {type(curves).__name__}."
        )
    items: list[tuple[Any, Any]] = []
    found: list[ResponseCurve] = []
    for key, value in curves.items():
        pairs = (
            [((key, action), curve) for action, curve in value.items()]
            if not isinstance(value, ResponseCurve) and isinstance(value, Mapping)
            else [(key if _is_pair(key) else (key, ONLY_ACTION), value)]
        )
        for item, curve in pairs:
            if not isinstance(curve, ResponseCurve):
                raise TypeError(
                    f"the curve of {_named(item)} must be a ResponseCurve (segmentation.curves), got {curve!r}."
                )
            items.append(item)
            found.append(curve)
    if not items:
        raise ValueError("curves is empty: there is no segment to allocate to.")
    if len(set(items)) < len(items):
        repeated = list(dict.fromkeys(item for item in items if items.count(item) > 1))
        raise ValueError(f"a segment and action stands twice in curves: {name_some(repeated)}.")
    s_shaped = [item for item, curve in zip(items, found, strict=True) if not curve.concave]
    if s_shaped:
        raise ValueError(
            f"the curves of {name_some(map(_named, s_shaped))} are S-shaped: the first efforts bring little, so more "
            "effort may pay more than the effort before. allocate needs curves that flatten from the start "
            "(curve.concave): for a Hill curve shape <= 1."
        )
    return items, found


def _is_pair(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) == 2


def _named(item: tuple[Any, Any]) -> str:
    segment, action = item
    return repr(segment) if action == ONLY_ACTION else f"{segment!r} ({action})"


def by_item(given: Any, items: Sequence[tuple[Any, Any]], what: str) -> dict[int, Any]:
    """Spread what was given per (segment, action), per action or per segment over the positions of the items.

    The more specific wins. Keys that name nothing are an error.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} must map segments, actions or (segment, action) to values, got {given!r}.")
    segments = {segment for segment, _ in items}
    actions = {action for _, action in items}
    known = set(items)
    unknown = [key for key in given if key not in known and key not in segments and key not in actions]
    if unknown:
        close = [name for key in unknown[:3] for name in nearest(key, [*segments, *actions])]
        hint = f" (nearest: {name_some(dict.fromkeys(close))})" if close else ""
        raise ValueError(
            f"{what} names {name_some(unknown)}, which is no segment, action or (segment, action) of the curves{hint}."
        )
    unclear = [key for key in given if key in segments and key in actions and key not in known]
    if unclear:
        raise ValueError(f"{what}: {name_some(unclear)} is a segment and an action: use (segment, action).")
    result: dict[int, Any] = {}
    for i, item in enumerate(items):
        for key in (item, item[0], item[1]):
            if key in given:
                result[i] = given[key]
                break
    return result


def by_segment(given: Any, items: Sequence[tuple[Any, Any]], what: str) -> dict[Any, Any]:
    """Return what was given per segment, or for every segment where it is one value."""
    segments = list(dict.fromkeys(segment for segment, _ in items))
    if not isinstance(given, Mapping):
        return dict.fromkeys(segments, given)
    unknown = [key for key in given if key not in set(segments)]
    if unknown:
        raise ValueError(f"{what} names {name_some(unknown)}, which is no segment; segments: {name_some(segments)}.")
    return dict(given)


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
        raise ValueError(f"uses does not say what {name_some(map(_named, without))} takes of the resources.")
    result = np.zeros((len(items), len(names)))
    place = {name: j for j, name in enumerate(names)}
    for i, taken in found.items():
        if not isinstance(taken, dict | Mapping):
            raise TypeError(f"uses of {_named(items[i])} must map resources to amounts, got {taken!r}.")
        for name, amount in taken.items():
            if name not in place:
                raise ValueError(
                    f"uses of {_named(items[i])} names {name!r}, which is no resource; resources: {name_some(names)}."
                )
            if isinstance(amount, float) and 0.0 <= amount < math.inf:
                result[i, place[name]] = amount
            else:
                result[i, place[name]] = _amount(amount, f"uses of {_named(items[i])} of {name!r}")
    return result


def _amount(value: Any, what: str, *, infinite: bool = False) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must be a number, got {value!r}.") from error
    if not result >= 0 or (math.isinf(result) and not infinite):
        raise ValueError(f"{what} must be {'' if infinite else 'finite and '}0 or more, got {value!r}.")
    return result


def _bounds(bounds: Any, items: Sequence[tuple[Any, Any]]) -> tuple[Array, Array]:
    lower, upper = np.zeros(len(items)), np.full(len(items), np.inf)
    if bounds is None:
        return lower, upper
    found = (
        by_item(bounds, items, "bounds") if isinstance(bounds, Mapping) else dict.fromkeys(range(len(items)), bounds)
    )
    for i, pair in found.items():
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(f"bounds of {_named(items[i])} must be (least, most), None for an open end, got {pair!r}.")
        if pair[0] is not None:
            lower[i] = _amount(pair[0], f"the lower bound of {_named(items[i])}")
        if pair[1] is not None:
            upper[i] = _amount(pair[1], f"the upper bound of {_named(items[i])}", infinite=True)
    crossed = np.flatnonzero(lower > upper)
    if crossed.size:
        named = name_some(f"{_named(items[i])}: at least {lower[i]:g}, at most {upper[i]:g}" for i in crossed.tolist())
        raise ValueError(f"the lower bound is above the upper bound of {named}.")
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
            value = _amount(share, f"min_share of {segment!r}")
            if value > 1:
                raise ValueError(f"min_share of {segment!r} must be a share between 0 and 1, got {share!r}.")
            j = names.index(name)
            if math.isinf(resources[j].amount):
                raise ValueError(f"min_share of {segment!r}: {name!r} has no limit, so there is no share of it.")
            result[segment, j] = value
    return result


def make_problem(curves: Any, resources: tuple[Resource, ...], *, uses: Any, bounds: Any, min_share: Any) -> Problem:
    """Return the checked problem; shares of segments with one action that takes the resource become lower bounds."""
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
    return Problem(
        items=tuple(items),
        curves=tuple(found),
        use=use,
        supply=np.array([resource.amount for resource in resources]),
        lower=lower,
        upper=upper,
        resources=tuple(resource.name for resource in resources),
        floors=tuple(floors),
    )
