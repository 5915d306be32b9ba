"""Values that stand in for missing ones: words, number codes, zeros where none can be, one value far too often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import name_some, number
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_numerals import numbers_in
from segmentation.sources._audit_table import Column, Table
from segmentation.sources._audit_words import UNSURE_WORDS, is_blank, is_missing_word, plain_word

__all__ = ["code_values", "placeholder_words", "spikes", "zeros"]

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

_NEGATIVE_CODES = (-1.0, -2.0, -7.0, -8.0, -9.0)
_NEAR_NINES = frozenset({"77", "97", "98", "997", "998", "9997", "9998", "99997", "99998"})
_LIMITS = (
    2147483647.0,
    -2147483648.0,
    32767.0,
    -32768.0,
    4294967295.0,
    9.223372036854775807e18,
    -9.223372036854775808e18,
)
_ALPHA = 1e-4  # per value tried: a table of 50 columns with two candidates each then errs once in a hundred tables


def placeholder_words(table: Table, column: Column) -> Iterator[Finding]:
    """Words and blanks that say "unknown"."""
    raw, counts = column.distinct
    blank = [value for value, text in zip(raw, column.texts, strict=True) if is_blank(text)]
    if blank:
        yield table.finding(
            "blank_text", "warning", [column.name], np.asarray(column.series.isin(blank)),
            "nothing but spaces, where a missing value is meant", "Set missing.",
            {"action": "set_missing", "columns": [column.name], "values": blank},
        )  # fmt: skip
    words = [
        (value, text, int(n))
        for value, text, n in zip(raw, column.texts, counts, strict=True)
        if not is_blank(text) and is_missing_word(text)
    ]
    if words and len(words) < len(raw):
        unsure = all(_may_mean_itself(text, column) for _, text, _ in words)
        shown = ", ".join(f"{text!r} ({n:,})" for _, text, n in sorted(words, key=lambda w: -w[2])[:5])
        yield table.finding(
            "placeholder_word", "note" if unsure else "warning", [column.name],
            np.asarray(column.series.isin([value for value, _, _ in words])),
            f"says that nothing is known: {shown}"
            + ("; it may also mean itself (none at all, a code such as Namibia's)" if unsure else ""),
            "Set missing, so that it is counted as such and is no category of its own.",
            {"action": "set_missing", "columns": [column.name], "values": [value for value, _, _ in words]},
        )  # fmt: skip


def _may_mean_itself(text: str, column: Column) -> bool:
    word = plain_word(text)
    return word in UNSURE_WORDS and not (word == "na" and not _two_capitals(column))


def _two_capitals(column: Column) -> bool:
    """Whether the column holds codes of two capitals, as countries have."""
    return float(np.mean([len(t) == 2 and t.isupper() for t in column.texts])) > 0.8


def _is_code(value: float) -> bool:
    """Whether people use the number as a code: all nines or eights, -1, the limits of an integer."""
    if value in _NEGATIVE_CODES or value in _LIMITS:
        return True
    digits = f"{abs(value):.10g}".replace(".", "")
    return 2 <= len(digits) <= 12 and (set(digits) in ({"9"}, {"8"}) or digits in _NEAR_NINES)


def code_values(values: Numbers, counts: Counts, *, is_price: bool = False) -> NDArray[np.bool_]:
    """Tell which distinct values are codes for a missing number.

    A number that people use as code (`_is_code`) is one where it

    * is negative and no other value is, on at least six others;
    * or lies beyond all others, three times the quartile distance outside the quartiles (on the scale of the values or,
      where all are positive, of their logarithms: both must say so), further from its neighbour than the others span
      between the quartiles, and occurs twice or more;
    * or occurs far more often than the ten values around it: a Poisson tail below 1e-4 against three times their
      largest count. Not for prices, which end in nines by themselves.

    Parameters
    ----------
    values : array of shape (n_distinct,)
        Ascending.
    counts : array of shape (n_distinct,)
        How often each one occurs.
    is_price : bool, default=False

    Returns
    -------
    chosen : array of bool, shape (n_distinct,)
    """
    chosen = np.zeros(len(values), dtype=bool)
    candidates = np.array([_is_code(v) for v in values]) if len(values) < 5000 else _few_codes(values)
    others = ~candidates
    if not candidates.any() or others.sum() < 3:
        return chosen
    rest, weights = values[others], counts[others]
    whole = bool(np.all(rest == np.floor(rest)))
    for i in np.flatnonzero(candidates):
        v = values[i]
        if v < 0 and rest[0] >= 0 and len(rest) >= 6 and (whole or v != -1.0 or counts[i] >= 2):
            chosen[i] = counts[i] >= 2 or v <= -9
        elif _far_beyond(v, rest, weights) and counts[i] >= 2:
            chosen[i] = True
        elif not is_price and counts[i] >= 5 and abs(v) > 10:
            near = np.argsort(np.abs(rest - v), kind="stable")[:10]
            chosen[i] = len(rest) >= 20 and stats.poisson.sf(counts[i] - 1, 3.0 * weights[near].max()) < _ALPHA
    return chosen


def _few_codes(values: Numbers) -> NDArray[np.bool_]:
    """Mark codes among many values without asking each one."""
    known: list[float] = []
    for digit in "89":
        for n in range(2, 13):
            for cut in range(n):
                text = digit * n
                text = text if cut == 0 else f"{text[:-cut]}.{text[-cut:]}"
                known += [float(text), -float(text)]
    known += [*_NEGATIVE_CODES, *_LIMITS, *(s * float(v) for s in (1.0, -1.0) for v in _NEAR_NINES)]
    return np.isin(values, known)


def _quartiles(values: Numbers, weights: Counts) -> tuple[float, float]:
    cumulative = np.cumsum(weights) / weights.sum()
    return (float(values[np.searchsorted(cumulative, 0.25)]), float(values[np.searchsorted(cumulative, 0.75)]))


def _far_beyond(v: float, rest: Numbers, weights: Counts) -> bool:
    """Whether a value lies beyond all others and far from them."""
    if rest[0] <= v <= rest[-1]:
        return False
    low, high = _quartiles(rest, weights)
    spread = max(high - low, 1e-9 * max(abs(v), 1.0), (rest[-1] - rest[0]) / 20)
    edge = rest[-1] if v > rest[-1] else rest[0]
    if not (v > high + 3 * spread or v < low - 3 * spread) or abs(v - edge) <= spread:
        return False
    if v > 0 and rest[0] >= 0:
        positive = rest > 0
        if positive.sum() < 3:
            return False
        logs = np.log(rest[positive])
        low, high = _quartiles(logs, weights[positive])
        spread = max(high - low, float(logs[-1] - logs[0]) / 20, 0.05)
        # counts have a short reach upwards on a logarithmic scale: doubling beyond the largest is enough there
        gap = np.log(v) - logs[-1]
        return bool(gap > min(spread, np.log(2)) and np.log(v) > high + spread)
    return True


def spikes(values: Numbers, counts: Counts) -> NDArray[np.bool_]:
    """Tell which single inner value occurs far too often in a column that takes many values.

    At least 50 distinct values; the value is not 0 and neither the smallest nor the largest (zeros, floors and caps
    are natural); it occurs five times as often as the next most frequent one and its count has a Poisson tail below
    1e-4 against three times the largest count of the ten values around it.
    """
    chosen = np.zeros(len(values), dtype=bool)
    if len(values) < 50:
        return chosen
    inside = inner(values)
    if not inside.any():
        return chosen
    # the edges are natural heaps themselves and must not hide a heap inside
    order = np.argsort(np.where(inside, counts, -1), kind="stable")[::-1]
    top = int(order[0])
    second = int(counts[order[1]]) if len(order) > 1 and inside[order[1]] else 0
    near = [i for i in range(max(0, top - 5), min(len(values), top + 6)) if i != top]
    local = 3.0 * float(counts[near].max())
    if counts[top] >= max(10, 5 * second) and stats.poisson.sf(counts[top] - 1, local) < _ALPHA:
        chosen[top] = True
    return chosen


def inner(values: Numbers) -> NDArray[np.bool_]:
    """Mark the values where no heap is natural: neither 0, nor the ends, nor the floor of what is above zero."""
    inside = np.ones(len(values), dtype=bool)
    inside[[0, -1]] = False
    inside &= values != 0
    positive = values > 0
    if positive.any():
        inside[np.argmax(positive)] = False
    return inside


def zeros(values: Numbers, counts: Counts) -> bool:
    """Tell whether 0 lies far below all other values of a positive column: where zero cannot be.

    Below the lower quartile of the others by three quartile distances, and further from the smallest of them than
    they span between the quartiles. Amounts that vary by more than a fifth or so never reach that: their quartile
    distance exceeds a third of the lower quartile.
    """
    if len(values) < 12 or values[0] != 0:
        return False
    rest, weights = values[1:], counts[1:]
    low, high = _quartiles(rest, weights)
    spread = max(high - low, (rest[-1] - rest[0]) / 20)
    return bool(low - 3 * spread > 0 and rest[0] > spread)


def code_finding(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Finding:
    """Report the codes found."""
    rows = np.isin(numbers, values)
    rest = numbers[np.isfinite(numbers) & ~rows]
    shown = ", ".join(f"{number(v)} ({n:,})" for v, n in zip(values, counts, strict=True))
    return table.finding(
        "placeholder_number", "warning", [column.name], rows,
        f"{shown} stands apart from the others, which run from {number(rest.min())} to {number(rest.max())}",
        "Set missing, or keep it as a flag of its own: averages and distances are wrong with it.",
        {"action": "set_missing", "columns": [column.name], "values": fix_values(column, values)},
    )  # fmt: skip


def fix_values(column: Column, values: Numbers) -> list[object]:
    """Return values as they stand in the column, which may be text."""
    if column.kind != "text":
        return [float(v) if v != int(v) else int(v) for v in values]
    read = numbers_in(column)
    return [raw for raw, number_ in zip(column.distinct[0], read, strict=True) if number_ in set(values.tolist())]


def spike_finding(table: Table, column: Column, numbers: Numbers, value: float, n: int, next_most: int) -> Finding:
    """Report one value that occurs far too often."""
    return table.finding(
        "spike", "warning", [column.name], numbers == value,
        f"{number(value)} occurs {n:,} times, the next most frequent value inside the range {next_most:,} times: "
        "a default, a mean filled in, or a cap",
        "Ask what it stands for; set missing if it was filled in.",
        {"action": "set_missing", "columns": [column.name], "values": fix_values(column, np.array([value]))},
    )  # fmt: skip


def zero_finding(table: Table, column: Column, numbers: Numbers, why: str) -> Finding:
    """Report zeros where none can be."""
    return table.finding(
        "zero_for_missing", "warning", [column.name], numbers == 0, why,
        "Set missing where nothing was measured.",
        {"action": "set_missing", "columns": [column.name], "values": fix_values(column, np.array([0.0]))},
    )  # fmt: skip


def listed(values: Numbers) -> str:
    """Name a few numbers.

    Examples
    --------
    >>> listed(np.array([1.0, 2.5]))
    '1, 2.5'
    """
    return name_some(values).replace(".0,", ",").removesuffix(".0")
