"""How often a customer may be contacted, from what people write."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segmentation._format import name_some
from segmentation.allocation._keys import amount_of, as_mapping, by_segment, named, spread
from segmentation.allocation._problem import Cap

__all__ = ["read_caps", "read_customers"]

Items = Sequence[tuple[Any, Any]]


def read_customers(given: Any, items: Items) -> dict[Any, float]:
    """Return the number of customers by segment."""
    plain = as_mapping(given)
    if not isinstance(plain, Mapping):
        raise TypeError(f"n_customers must map each segment to its number of customers, got {given!r}.")
    found = by_segment(plain, items, "n_customers")
    return {segment: amount_of(n, f"n_customers of {segment!r}") for segment, n in found.items()}


def read_caps(contact_cap: Any, contacts: Any, n_customers: Any, items: Items) -> tuple[Cap, ...]:
    """Return one cap per segment: contacts of all its actions, at most so many per customer."""
    if contact_cap is None:
        if contacts is not None:
            raise ValueError("contacts (per unit of effort) is for contact_cap, which is not given.")
        return () if n_customers is None else _empty(read_customers(n_customers, items), items)
    if n_customers is None:
        raise ValueError(
            "contact_cap is per customer: give n_customers, such as {'loyal': 1200}, or overlap, which counts them."
        )
    customers = read_customers(n_customers, items)
    limits = by_segment(contact_cap, items, "contact_cap")
    without = [segment for segment in limits if segment not in customers]
    if without:
        raise ValueError(f"contact_cap needs n_customers of {name_some(without)}.")
    each = np.ones(len(items))
    if contacts is not None:
        for i, value in spread(contacts, items, "contacts").items():
            each[i] = amount_of(value, f"contacts of {named(items[i])}")
    result = list(_empty({s: n for s, n in customers.items() if s not in limits}, items))
    positions = _positions(items)
    for segment, limit in limits.items():
        most = amount_of(limit, f"contact_cap of {segment!r}", infinite=True)
        counted = np.array([i for i in positions[segment] if each[i] > 0], dtype=np.int64)
        if len(counted) and not math.isinf(most):
            result.append(Cap(segment, counted, each[counted], most * customers[segment]))
    return tuple(result)


def _positions(items: Items) -> dict[Any, list[int]]:
    result: dict[Any, list[int]] = {}
    for i, (segment, _) in enumerate(items):
        result.setdefault(segment, []).append(i)
    return result


def _empty(customers: Mapping[Any, float], items: Items) -> tuple[Cap, ...]:
    """A segment without customers can take nothing."""
    return tuple(
        Cap(segment, np.array([i]), np.ones(1), 0.0)
        for segment, where in _positions(items).items()
        if customers.get(segment) == 0
        for i in where
    )
