"""Values that people give per segment, action or both: what they name, and what they may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from segmentation._format import name_some, nearest

__all__ = ["ONLY_ACTION", "amount_of", "as_mapping", "by_item", "by_segment", "listed", "named", "spread"]

# So many are listed, the others counted.
LISTED = 5
# The action of a segment for which none is named.
ONLY_ACTION = "effort"


def named(item: tuple[Any, Any]) -> str:
    """Write a segment, and the action where it has several."""
    segment, action = item
    return repr(segment) if action == ONLY_ACTION else f"{segment!r} ({action})"


def listed(texts: Iterable[str]) -> str:
    """Write the first texts in a row and count the others; what `name_some` is for values, with nothing quoted."""
    every = list(texts)
    more = f", ... ({len(every):,} in all)" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + more


def as_mapping(given: Any) -> Any:
    """Return a pandas Series, such as the efforts of another plan, as a dict; anything else as it is."""
    return given.to_dict() if isinstance(given, pd.Series) else given


def by_item(given: Any, items: Sequence[tuple[Any, Any]], what: str) -> dict[int, Any]:
    """Spread what was given per (segment, action), per action or per segment over the positions of the items.

    The more specific wins; a pandas Series counts as a mapping. Keys that name nothing are an error.
    """
    given = as_mapping(given)
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
    given = as_mapping(given)
    if not isinstance(given, Mapping):
        return dict.fromkeys(segments, given)
    names = set(segments)
    unknown = [key for key in given if key not in names]
    if unknown:
        raise ValueError(f"{what} names {name_some(unknown)}, which is no segment; segments: {name_some(segments)}.")
    return dict(given)


def amount_of(value: Any, what: str, *, infinite: bool = False) -> float:
    """Return a number that is 0 or more, or say what is wrong with it."""
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must be a number, got {value!r}.") from error
    if not result >= 0 or (math.isinf(result) and not infinite):
        raise ValueError(f"{what} must be {'' if infinite else 'finite and '}0 or more, got {value!r}.")
    return result


def spread(given: Any, items: Sequence[tuple[Any, Any]], what: str) -> dict[int, Any]:
    """Return values as `by_item` does, or one value for all."""
    given = as_mapping(given)
    if isinstance(given, Mapping):
        return by_item(given, items, what)
    return dict.fromkeys(range(len(items)), given)
