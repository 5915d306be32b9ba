"""What a column of a customer table is: decided from its values, its name only where values cannot tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, number, percent
from segmentation._validation import ID_NAME
from segmentation.features._column_values import (
    COMPACT_DATE,
    ISO_DATE,
    ColumnValues,
    as_levels,
    as_numbers,
    text_day,
    text_number,
)
from segmentation.features._level_order import natural_order

__all__ = ["ROLES", "Decision", "decide", "skewness"]

Role = Literal["amount", "count", "number", "ordinal", "category", "boolean", "date", "presence", "drop"]
ROLES = ("amount", "count", "number", "ordinal", "category", "boolean", "date", "drop")

# Skewness of the exponential distribution is 2, of a normal one 0; above 1 a column is commonly called highly skewed.
HEAVY_TAIL_SKEWNESS = 1.0
# The longest rating scale in common use runs from 0 to 10.
LONGEST_SCALE = 10
# Where the typical count is 100, one more or less is 1 % of it: it behaves as an amount.
LARGE_COUNT = 100.0
# Ten numbers drawn from ten are all different and without a gap once in 2,755 times (10! / 10 ** 10).
FEWEST_FOR_IDS = 10
# Two to a level on average: no group of customers can be formed by it.
FREE_TEXT_SHARE = 0.5


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
AMOUNT_WORDS = _words(
    "amount amt balance betrag budget charge charges cost costs debt eur fee fees gbp income mnt montant monto "
    "payment payments price profit revenue salary sales spend spending spent turnover umsatz usd value wage wages"
)
COUNT_WORDS = _words(
    "clicks cnt count counts logins n num number orders purchases qty quantity sessions transactions trips trx visits"
)
CODE_WORDS = _words(
    "branch category channel city cluster code cohort country county department group plz postcode region segment "
    "state status store type zip zipcode"
)
MEASURE_WORDS = _words("age birth index pct percent rate rating ratio score share year years")
TRUE_FALSE = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"}, {"ja", "nein"}, {"0", "1"})
TRUE = frozenset({"yes", "y", "true", "t", "on", "ja", "1"})


@dataclass(frozen=True)
class Decision:
    """What a column is taken for, why, and the order of its levels where it has levels that matter."""

    role: Role
    why: str
    levels: tuple[str, ...] = ()
    note: str = ""


def skewness(x: NDArray[np.float64]) -> float:
    """Third standardised moment of finite values, 0 where there is no spread."""
    largest = np.abs(x).max(initial=0.0)
    if largest == 0:
        return 0.0
    shares = x / largest  # squares of 1e200 are no numbers
    deviation = shares - shares.mean()
    width = float(deviation.std())
    return float(((deviation / width) ** 3).mean()) if width > 1e-12 else 0.0


def decide(name: Any, values: ColumnValues, *, named: bool) -> Decision:
    """Decide what a column is.

    Parameters
    ----------
    name : column label
    values : ColumnValues
    named : bool
        Whether `name` is the user's own; the columns of an array have none.
    """
    missing = values.missing
    n_missing, n = int(missing.sum()), len(missing)
    words = frozenset(word.lower() for word in TOKEN.findall(str(name))) if named else frozenset()
    if n_missing == n:
        return Decision("drop", "no value at all")
    if _is_constant(values):
        only = _first_value(values)
        if n_missing:
            return Decision("presence", f"the only value is {only}: whether there is one is all it tells", (only,))
        return Decision("drop", f"constant: every customer has {only}")
    if values.kind == "boolean":
        return Decision("boolean", "boolean values", ("False", "True"))
    if values.kind == "date":
        return Decision("date", "dates")
    if values.kind == "ordered":
        return Decision("ordinal", "an ordered categorical, in its order", values.levels)
    if values.kind == "text":
        return _decide_text(name, values, words)
    assert values.numbers is not None  # noqa: S101  # neither text nor ordered
    return _decide_number(name, values.numbers[~missing], words, named=named, complete=not n_missing)


def _is_constant(values: ColumnValues) -> bool:
    if values.numbers is None:
        return int((values.counts() > 0).sum()) == 1
    low, high = np.nanmin(values.numbers), np.nanmax(values.numbers)
    return bool(low == high)


def _first_value(values: ColumnValues) -> str:
    codes, levels = as_levels(values)
    return levels[int(codes[codes >= 0][0])]


# --- numbers


def _decide_number(
    name: Any, x: NDArray[np.float64], words: frozenset[str], *, named: bool, complete: bool
) -> Decision:
    whole = bool((x == np.round(x)).all())
    distinct = np.unique(x)
    if len(distinct) == 2:
        return Decision(
            "boolean", f"two values, {number(distinct[0])} and {number(distinct[1])}", _pair_of_numbers(distinct)
        )
    if named and whole:
        decision = _whole_number_by_form(name, x, distinct, words, complete=complete)
        if decision is not None:
            return decision
    if whole and distinct[-1] - distinct[0] <= LONGEST_SCALE:
        return Decision(
            "ordinal", f"{len(distinct)} whole numbers from {number(distinct[0])} to {number(distinct[-1])}"
        )
    return _quantity(x, words, whole=whole, note=_code_note(x))


def _pair_of_numbers(distinct: NDArray[np.float64]) -> tuple[str, ...]:
    codes, levels = as_levels(ColumnValues("number", distinct))
    return tuple(levels[code] for code in codes)


def _whole_number_by_form(
    name: Any, x: NDArray[np.float64], distinct: NDArray[np.float64], words: frozenset[str], *, complete: bool
) -> Decision | None:
    """Whole numbers that are no quantities: ids, dates written as yyyymmdd, codes."""
    if distinct[0] >= 19000101 and distinct[-1] <= 20991231:
        keys = [str(int(value)) for value in distinct]
        if all(COMPACT_DATE.fullmatch(key) and np.isfinite(text_day(key)) for key in keys):
            return Decision("date", "whole numbers that are all dates written as yyyymmdd")
    unique, n = len(distinct) == len(x), len(x)
    if unique and ID_NAME.search(str(name)) and not words & (AMOUNT_WORDS | (COUNT_WORDS - {"number", "n"})):
        return Decision("drop", "an id: every value is different, and the name says so")
    if unique and complete and n >= FEWEST_FOR_IDS and distinct[-1] - distinct[0] == n - 1:
        return Decision("drop", f"row numbers: every value from {number(distinct[0])} to {number(distinct[-1])} once")
    # with more levels than customers in each, codes would be as good as ids
    if words & CODE_WORDS and not words & (AMOUNT_WORDS | COUNT_WORDS) and len(distinct) <= np.sqrt(n):
        return Decision("category", f"codes: {len(distinct)} whole numbers, and the name says so")
    return None


def _quantity(x: NDArray[np.float64], words: frozenset[str], *, whole: bool, note: str, as_text: str = "") -> Decision:
    """Tell amount, count and number apart; all three are quantities and differ in the unit of their logarithm."""
    skew = skewness(x)
    heavy = skew > HEAVY_TAIL_SKEWNESS
    shape = f"skewness {skew:.1f}"
    if words & COUNT_WORDS and whole and x.min() >= 0:
        return Decision("count", f"{as_text}whole numbers, and the name says a count; {shape}", note=note)
    if x.min() >= 0 and x.max() <= 1 and not whole:
        return Decision("number", f"{as_text}shares between 0 and 1: no tail to draw in ({shape})", note=note)
    if words & MEASURE_WORDS:
        return Decision("number", f"{as_text}the name says a measure; {shape}", note=note)
    if words & AMOUNT_WORDS:
        return Decision("amount", f"{as_text}the name says an amount; {shape}", note=note)
    if not heavy:
        return Decision("number", f"{as_text}no heavy tail ({shape})", note=note)
    typical = float(np.median(np.abs(x[x != 0])))
    if whole and x.min() >= 0 and typical < LARGE_COUNT:
        return Decision(
            "count", f"{as_text}whole numbers from {number(x.min())} with a heavy tail ({shape})", note=note
        )
    return Decision("amount", f"{as_text}heavy tail ({shape})", note=note)


def _code_note(x: NDArray[np.float64]) -> str:
    """Point at one value that sits far from the rest of a non-negative column, as codes for missing do."""
    low = x.min()
    if low >= 0 or (x < 0).sum() != (x == low).sum() or (x == low).sum() < 2:
        return ""
    share = float((x == low).mean())
    return f"the only negative value, {number(low)} ({percent(share)}), may be a code for missing: see missing_codes"


# --- text


def _decide_text(name: Any, values: ColumnValues, words: frozenset[str]) -> Decision:
    counts, levels = values.counts(), values.levels
    used = [level for level, n in zip(levels, counts, strict=True) if n]
    n = int(counts.sum())
    if len(used) == 2 and {level.lower() for level in used} in TRUE_FALSE:
        high = next(level for level in used if level.lower() in TRUE)
        low = next(level for level in used if level.lower() not in TRUE)
        return Decision("boolean", f"two words, {low!r} and {high!r}", (low, high))
    if _are_dates(used):
        return Decision("date", "text that is an ISO 8601 date everywhere")
    as_text = _numbers_as_text(values, used, words)
    if as_text is not None:
        return as_text
    if (order := natural_order(used)) is not None:
        return Decision("ordinal", f"levels with an order: {_listed(order)}", order)
    if len(used) > FREE_TEXT_SHARE * n and n >= FEWEST_FOR_IDS:
        what = "an id" if len(used) == n and (ID_NAME.search(str(name)) or " " not in "".join(used)) else "free text"
        return Decision("drop", f"{what}: {count(len(used), 'different value')} among {count(n, 'customer')}")
    return Decision("category", f"{count(len(used), 'level')} without an order")


def _listed(levels: Sequence[str]) -> str:
    return " < ".join(levels) if len(levels) <= 5 else f"{levels[0]} < {levels[1]} < ... < {levels[-1]}"


def _are_dates(used: list[str]) -> bool:
    if not all(ISO_DATE.fullmatch(level) or COMPACT_DATE.fullmatch(level) for level in used):
        return False
    return all(np.isfinite(text_day(level)) for level in used)


def _numbers_as_text(values: ColumnValues, used: list[str], words: frozenset[str]) -> Decision | None:
    """Numbers that were stored as text: quantities, unless they look like codes."""
    if not all(np.isfinite(text_number(level)) for level in used):
        return None
    x = as_numbers(values)
    x = x[~np.isnan(x)]
    if any("." in level for level in used) or words & (AMOUNT_WORDS | COUNT_WORDS):
        return _quantity(x, words, whole=bool((x == np.round(x)).all()), note="", as_text="numbers stored as text; ")
    leading_zero = any(len(level) > 1 and level.startswith("0") for level in used)
    one_width = len({len(level) for level in used}) == 1 and len(used[0]) > 1
    if leading_zero or one_width or len(used) <= np.sqrt(len(x)):
        return None  # codes: a post code, a product group
    return _quantity(x, words, whole=True, note="", as_text="numbers stored as text; ")
