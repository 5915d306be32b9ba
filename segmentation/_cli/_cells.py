"""Cells of a file as ids, times and amounts: nothing is guessed, and the first that does not fit is named."""

from __future__ import annotations

import datetime as dt
import decimal
import numbers
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from segmentation._cli._errors import CommandError
from segmentation._format import count, name_some
from segmentation.features._days import FIRST_YEAR, ISO_PATTERN, LAST_YEAR

__all__ = ["Place", "amounts", "check_timestamp_format", "customer_ids", "timestamps"]

Place = Callable[[int], str]

# What other programs write where there is nothing; as an id, "NULL" would make one customer of all guests.
MISSING_WORDS = frozenset(["#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null"])

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
ISO = re.compile(ISO_PATTERN)

# Beyond this a float no longer tells cents apart.
LARGEST_AMOUNT = 1e15

DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWcxXGuV%")
YEAR_DIRECTIVES = frozenset("yYGcx")

# Offered where one of them reads the value that was refused; never applied without being asked for.
KNOWN_FORMATS = [
    day + clock
    for day in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%d %b %Y")
    for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
]


def customer_ids(values: Any, name: str, notes: list[str]) -> pd.Series:
    """Return ids as text; a column of a Parquet file that has another type keeps it."""
    if isinstance(values, pd.Series) and values.dtype != object and not isinstance(values.dtype, pd.StringDtype):
        return values
    words: Counter[str] = Counter()
    texts = [_id_text(value, words) for value in values]
    _note_missing(words, name, notes)
    return pd.Series(texts, dtype="string")


def timestamps(values: Any, name: str, place: Place, timestamp_format: str | None, notes: list[str]) -> pd.Series:
    """Return times as ISO 8601 text, or as the dates they already are."""
    if isinstance(values, pd.Series) and is_datetime64_any_dtype(values.dtype):
        if timestamp_format is not None:
            notes.append(f"--timestamp-format is not needed: column {name!r} holds dates already")
        return values
    words: Counter[str] = Counter()
    known: dict[str, str] = {}  # the same second returns again and again, and reading a date is slow
    texts: list[str | None] = []
    for i, value in enumerate(values):
        cell = _text(value, words) if isinstance(value, str) else value
        if isinstance(cell, str) and cell in known:
            texts.append(known[cell])
            continue
        try:
            text = None if _is_missing(cell) else _time_text(cell, timestamp_format)
        except (ValueError, OverflowError) as error:
            raise CommandError(_no_date(value, name, place(i), timestamp_format)) from error
        texts.append(text)
        if isinstance(cell, str) and text is not None:
            known[cell] = text
    _note_missing(words, name, notes)
    return pd.Series(texts, dtype="string")


def amounts(values: Any, name: str, place: Place, decimal_mark: str, notes: list[str]) -> pd.Series:
    """Return amounts as floats, NaN where there is none."""
    if isinstance(values, pd.Series) and is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype):
        result = pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        words: Counter[str] = Counter()
        result = pd.Series(_floats(values, name, place, decimal_mark, words), dtype=np.float64)
        _note_missing(words, name, notes)
    sizes = result.abs().to_numpy()
    too_large = np.flatnonzero((sizes > LARGEST_AMOUNT) & np.isfinite(sizes))
    if too_large.size:
        i = int(too_large[0])
        raise CommandError(
            f"column {name!r} has {result[i]:g} in {place(i)}: above {LARGEST_AMOUNT:g} a sum is no longer "
            "right to the cent. Correct it, or give the amounts in a larger unit."
        )
    return result


def check_timestamp_format(text: str) -> str:
    """Return the format, or say why it is none that could be meant."""
    used = re.findall(r"%(.?)", text)
    unknown = [f"%{letter}" for letter in used if letter not in DIRECTIVES or not letter]
    if unknown:
        raise CommandError(f"{text!r}: {name_some(unknown)} is no directive of strptime")
    if not YEAR_DIRECTIVES & set(used):
        raise CommandError(f"{text!r} has no year; '%d/%m/%Y %H:%M' reads 31/12/2024 08:30")
    try:
        _fits("", text)
    except re.error as error:
        raise CommandError(f"{text!r} has a directive twice") from error
    return text


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _text(value: str, words: Counter[str]) -> str | None:
    """Strip a text; None where it is blank or one of the words for nothing, which are counted."""
    text = value.strip()
    if text in MISSING_WORDS:
        words[text] += 1
        return None
    return text or None


def _id_text(value: Any, words: Counter[str]) -> str | None:
    if isinstance(value, str):
        return _text(value, words)
    if _is_missing(value):
        return None
    # A spreadsheet keeps 12345 as a float.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _time_text(value: Any, timestamp_format: str | None) -> str:
    """Return a time as ISO 8601 text; raise ValueError where it is none."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int | float) and timestamp_format is not None and float(value).is_integer():
        value = str(int(value))  # 20240131
    if not isinstance(value, str):
        raise ValueError("neither a date nor a text")
    if timestamp_format is not None:
        # The day counts as written: an offset is read and not applied, as everywhere in this library.
        return dt.datetime.strptime(value, timestamp_format).replace(tzinfo=None).isoformat()
    if not ISO.match(value):
        _check_placeholder(value)
    return value


def _check_placeholder(text: str) -> None:
    """Let a date of an impossible year pass, which the features count; raise ValueError for any other text."""
    if FIRST_YEAR <= dt.datetime.fromisoformat(text).year <= LAST_YEAR:
        raise ValueError("another way of ISO 8601, such as week dates")


def _no_date(value: Any, name: str, where: str, timestamp_format: str | None) -> str:
    start = f"column {name!r} has {value!r} in {where}, which "
    if timestamp_format is not None:
        return f"{start}does not fit --timestamp-format {timestamp_format!r}."
    if not isinstance(value, str):
        return f"{start}is no date. Numbers such as 20240131 are read with --timestamp-format %Y%m%d."
    fitting = [repr(one) for one in KNOWN_FORMATS if _fits(value, one)]
    remedy = (
        f"Give --timestamp-format {' or '.join(fitting)}" if fitting else "Give --timestamp-format (as for strptime)"
    )
    return (
        f"{start}is no ISO 8601 date such as 2024-01-31 or 2024-01-31T12:30. {remedy}: other formats are not guessed."
    )


def _fits(text: str, timestamp_format: str) -> bool:
    try:
        dt.datetime.strptime(text.strip(), timestamp_format)
    except ValueError:
        return False
    return True


def _floats(
    values: Iterable[Any], name: str, place: Place, decimal_mark: str, words: Counter[str]
) -> list[float | None]:
    result = []
    for i, value in enumerate(values):
        try:
            result.append(_float(value, decimal_mark, words))
        except ValueError as error:
            raise CommandError(_no_number(value, name, place(i), decimal_mark)) from error
    return result


def _float(value: Any, decimal_mark: str, words: Counter[str]) -> float | None:
    if isinstance(value, str):
        text = _text(value, words)
        if text is None:
            return None
        if decimal_mark == ",":
            # Every comma and point changes places, so that 1.234,50 is refused and not read as 1.23450.
            text = text.translate(str.maketrans(",.", ".,"))
        if not NUMBER.fullmatch(text):
            raise ValueError("no number")
        return float(text)
    if _is_missing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real | decimal.Decimal):
        raise ValueError("no number")
    return float(value)


def _no_number(value: Any, name: str, where: str, decimal_mark: str) -> str:
    start = f"column {name!r} has {value!r} in {where}, which is no number"
    text = value.strip() if isinstance(value, str) else ""
    if decimal_mark == "." and re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text):
        return f"{start}: give --decimal ',' if the comma is the decimal mark, or take thousands separators out."
    return f"{start}: digits, a sign and {decimal_mark!r} as decimal mark only; no currency, no thousands separators."


def _note_missing(words: Counter[str], name: str, notes: list[str]) -> None:
    for word, number in words.items():
        notes.append(f"{count(number, 'cell')} of column {name!r} with {word!r}: taken as missing")
