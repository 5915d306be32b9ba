"""Text levels that have an order of their own: ranges such as "18-24" and "65+", and the words of rating scales."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["natural_order"]

# Words of common answer scales, each list from little to much. Levels are an ordinal only if one list has them all.
SCALES: tuple[tuple[str, ...], ...] = (
    ("very low", "low", "medium", "high", "very high"),
    ("low", "mid", "high"),
    ("low", "moderate", "high"),
    ("extra small", "small", "medium", "large", "extra large"),
    ("xs", "s", "m", "l", "xl", "xxl"),
    ("never", "rarely", "seldom", "sometimes", "often", "usually", "always"),
    ("never", "yearly", "quarterly", "monthly", "weekly", "daily"),
    ("strongly disagree", "disagree", "somewhat disagree", "neutral", "somewhat agree", "agree", "strongly agree"),
    ("strongly disagree", "disagree", "neither agree nor disagree", "agree", "strongly agree"),
    ("very dissatisfied", "dissatisfied", "neutral", "satisfied", "very satisfied"),
    ("very poor", "poor", "fair", "good", "very good", "excellent"),
    ("very bad", "bad", "average", "good", "very good"),
    ("primary", "secondary", "tertiary"),
    ("bronze", "silver", "gold", "platinum", "diamond"),
    ("q1", "q2", "q3", "q4"),
)
AMOUNT = r"[$€£]?\s*(?P<{0}>\d[\d,]*\.?\d*)\s*(?P<{0}_unit>[kKmM])?\s*[$€£]?"
RANGE = re.compile(
    r"(?:\d+\)\s*)?"  # a leading rank: "2) $100 - $200"
    r"(?P<below>under|below|less than|up to|<=?)?\s*"
    r"(?P<above>over|above|more than|>=?)?\s*"
    + AMOUNT.format("low")
    + r"\s*(?:(?:-|–|to|and)\s*"  # noqa: RUF001  # people write the dash
    + AMOUNT.format("high")
    + r"|(?P<open>\+|or more|and over|and more|or older))?"
    r"\s*(?P<word>[A-Za-z]*)",
    re.IGNORECASE,
)
CUT = re.compile(r"[\[(](?P<low>-?[\d.]+|-inf),\s*(?P<high>-?[\d.]+|inf)[\])]")
UNITS = {"": 1.0, "k": 1e3, "m": 1e6}


def natural_order(levels: Sequence[str]) -> tuple[str, ...] | None:
    """Return the levels from little to much where their text says so, else None.

    Every level has to fit: one that does not ("unknown") leaves the whole column a category.

    Examples
    --------
    >>> natural_order(["35-44", "65+", "18-24", "45-64", "25-34"])
    ('18-24', '25-34', '35-44', '45-64', '65+')
    >>> natural_order(["50-74K", "Under 15K", "250K+", "15-24K"])
    ('Under 15K', '15-24K', '50-74K', '250K+')
    >>> natural_order(["often", "never", "always"])
    ('never', 'often', 'always')
    >>> natural_order(["north", "south"]) is natural_order(["1", "2", "3"]) is None
    True
    """
    if len(levels) < 3:  # two levels have no order that matters to a distance
        return None
    return _by_words(levels) or _by_bounds(levels)


def _by_words(levels: Sequence[str]) -> tuple[str, ...] | None:
    lower = {level.lower().replace("_", " ").replace("-", " "): level for level in levels}
    for scale in SCALES:
        if len(lower) == len(levels) and set(lower) <= set(scale):
            return tuple(lower[word] for word in scale if word in lower)
    return None


def _by_bounds(levels: Sequence[str]) -> tuple[str, ...] | None:
    bounds = [_bounds(level) for level in levels]
    found = [bound for bound in bounds if bound is not None]
    if len(found) < len(levels) or len({key for key, _, _ in found}) < len(levels):
        return None
    words = {word for _, _, word in found if word}
    if len(words) > 1 or not any(is_range for _, is_range, _ in found):  # plain numbers are codes or counts
        return None
    return tuple(level for _, level in sorted(zip([key for key, _, _ in found], levels, strict=True)))


def _bounds(level: str) -> tuple[tuple[float, int], bool, str] | None:
    """Return what to sort a level by, whether it is a range, and the word after it; None for any other text."""
    if cut := CUT.fullmatch(level):
        return (float(cut["low"]), 0), True, ""
    match = RANGE.fullmatch(level)
    if match is None or (match["below"] and match["above"]):
        return None
    unit = match["low_unit"] or (match["high_unit"] if match["high"] else None) or ""
    low = float(match["low"].replace(",", "")) * UNITS[unit.lower()]
    side = -1 if match["below"] else 1 if match["above"] else 0
    is_range = bool(side or match["high"] or match["open"])
    return (low, side), is_range, match["word"].lower().removesuffix("s")
