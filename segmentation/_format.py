"""One place for the way that numbers, names and lists stand in messages and printed tables."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["column_difference", "count", "money", "name_some", "nearest", "number", "percent"]

NAMED_AT_MOST = 5
# From sixteen digits on nobody counts them, and a float does not hold them.
BEYOND_READING = 1e15


def _plain(value: Any) -> str:
    """Represent a value as a person would write it: numpy scalars without their type."""
    return repr(value.item()) if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else repr(value)


def name_some(values: Iterable[Any], limit: int = NAMED_AT_MOST) -> str:
    """Name at most `limit` values, and say how many there are in all where that is more.

    Examples
    --------
    >>> name_some(["a", "b"])
    "'a', 'b'"
    >>> name_some(range(9))
    '0, 1, 2, 3, 4, ... (9 in all)'
    """
    listed = list(values)
    text = ", ".join(_plain(value) for value in listed[:limit])
    return text if len(listed) <= limit else f"{text}, ... ({len(listed):,} in all)"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> count(1, "customer"), count(2000, "customer")
    ('1 customer', '2,000 customers')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def percent(share: float) -> str:
    """Write a share as a percentage with one decimal.

    Examples
    --------
    >>> percent(0.1234)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"


def money(value: float) -> str:
    """Write an amount with thousands separators; cents only below 1,000; what these would hide in powers of ten.

    Examples
    --------
    >>> money(1234567.8), money(12.3), money(0.0), money(0.0012), money(2e200)
    ('1,234,568', '12.30', '0.00', '0.0012', '2e+200')
    """
    if 0 < abs(value) < 0.005 or abs(value) >= BEYOND_READING:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def nearest(name: Any, candidates: Iterable[Any]) -> list[str]:
    """Return up to three of the candidates that look like `name`, regardless of case.

    Examples
    --------
    >>> nearest("custmer_id", ["customer_id", "amount"])
    ['customer_id']
    """
    by_lower = {str(candidate).lower(): str(candidate) for candidate in candidates}
    close = difflib.get_close_matches(str(name).lower(), list(by_lower), n=3, cutoff=0.6)
    return [by_lower[key] for key in close]


def column_difference(needed: Sequence[Any], present: Sequence[Any]) -> str:
    """Describe which needed columns are missing, what is there, and which names come near.

    Examples
    --------
    >>> print(column_difference(["age", "amount"], ["Amount", "age", "id"]))
    missing: 'amount' (nearest: 'Amount'); present: 'Amount', 'age', 'id'
    """
    missing = [name for name in needed if name not in set(present)]
    parts = []
    for name in missing[:NAMED_AT_MOST]:
        close = nearest(name, present)
        parts.append(repr(name) + (f" (nearest: {name_some(close)})" if close else ""))
    more = f", ... ({len(missing)} in all)" if len(missing) > NAMED_AT_MOST else ""
    return f"missing: {', '.join(parts)}{more}; present: {name_some(present, 12) or 'no column'}"


def number(value: Any) -> str:
    """Write a value of any kind as a reader wants it: numbers with at most four digits that say something.

    Examples
    --------
    >>> number(1234.5678), number(0.00123456), number(3.0), number("north"), number(None)
    ('1,235', '0.001235', '3', "'north'", 'missing')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "missing"
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return repr(plain) if isinstance(plain, str | bool) else str(plain)
    if BEYOND_READING > abs(plain) >= 1000:
        return f"{plain:,.0f}"
    return f"{plain:.4g}"
