"""Numbers as people write them: decimal commas and points, thousands, currencies, minus signs of several systems."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.sources._audit_table import Column

__all__ = ["decimal_marks", "numbers_in", "parse_number", "parse_numbers"]

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WITH_POINT = re.compile(r"[+-]?\d{1,3}([,']\d{3})+(\.\d*)?|[+-]?\d{1,3}( \d{3})+(\.\d*)?")
_WITH_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}([.']\d{3})+|\d{1,3}( \d{3})+)(,\d+)?")
_CURRENCY = re.compile(r"(?<![^+-])(EUR|USD|GBP|CHF|[€$£¥%\s])+|(EUR|USD|GBP|CHF|[€$£¥%\s])+$")
# no-break spaces (French thousands), apostrophes (Swiss), the minus of typography
_SAME = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
_LEDGER = re.compile(r"\(([^()+-]+)\)|([^()+-]+)-")
_DECIMAL_COMMA = re.compile(r",\d{1,2}$|,\d{4,}$|\..*,|\..*\.|^[+-]?(0|\d{4,}),|[ '].*,")
_DECIMAL_POINT = re.compile(r"\.\d{0,2}$|\.\d{4,}$|,.*\.|,.*,|^[+-]?(0|\d{4,})?\.|[ '].*\.|\.\d*[eE]")
_EITHER = re.compile(r"[+-]?\d{1,3}[.,]\d{3}")


def _bare(text: str) -> str:
    """Take off currency and spaces, and put the minus of ledgers, ``(12.50)`` and ``12.50-``, in front."""
    text = _CURRENCY.sub("", text.strip().translate(_SAME))
    ledger = _LEDGER.fullmatch(text)
    if ledger is not None:
        text = "-" + _CURRENCY.sub("", (ledger[1] or ledger[2]).strip())
    return text


def parse_number(text: str, *, decimal: str | None = None) -> float:
    """Read a number as people write it; NaN where it is none.

    Parameters
    ----------
    decimal : {".", ","}, optional
        What parts the decimals. Without it each text is read by itself: one point or comma before three digits is then
        a decimal point (``2.429``) or parts thousands (``2,429``).

    Examples
    --------
    >>> parse_number("1,234.50"), parse_number("1.234,50 €"), parse_number("12 %"), parse_number("ten")
    (1234.5, 1234.5, 12.0, nan)
    >>> parse_number("2.429", decimal=","), parse_number("2,429", decimal=","), parse_number("(1 234,5)")
    (2429.0, 2.429, -1234.5)
    """
    if decimal != "," and _PLAIN.fullmatch(text):
        return float(text)
    text = _bare(text)
    if decimal != "," and _PLAIN.fullmatch(text):
        return float(text)
    if decimal != "," and _WITH_POINT.fullmatch(text):
        return float(re.sub(r"[,' ]", "", text))
    if decimal != "." and _WITH_COMMA.fullmatch(text):
        return float(re.sub(r"[.' ]", "", text).replace(",", "."))
    return float("nan")


def decimal_marks(texts: Iterable[str]) -> tuple[str, bool]:
    """Tell which decimal marks values prove, and whether some could be read with the other one.

    ``1.234`` is a thousand in one country and a little more than one in another; its neighbours tell, where one of
    them has two decimals, two kinds of marks, or a zero in front.

    Returns
    -------
    proven : {"", ".", ",", ".,"}
        Marks that at least one value can only be read with.
    open_ : bool
        Whether a value has a point or comma before three digits and nothing else.

    Examples
    --------
    >>> decimal_marks(["2.429", "960,92"]), decimal_marks(["2.429", "5.503"]), decimal_marks(["2,429", "7.5"])
    ((',', True), ('', True), ('.', True))
    """
    comma = point = either = False
    for text in texts:
        if "," not in text and "." not in text:
            continue
        bare = _bare(text)
        if not bare or not (bare[-1].isdigit() or bare[-1] == "."):
            continue
        by_comma = _DECIMAL_COMMA.search(bare) is not None and _WITH_COMMA.fullmatch(bare) is not None
        by_point = _DECIMAL_POINT.search(bare) is not None and (
            _PLAIN.fullmatch(bare) is not None or _WITH_POINT.fullmatch(bare) is not None
        )
        comma |= by_comma and not by_point
        point |= by_point and not by_comma
        either |= _EITHER.fullmatch(bare) is not None and not by_comma and not by_point
    return ("." if point else "") + ("," if comma else ""), either


def mark_of(texts: Iterable[str]) -> str | None:
    """Return the decimal mark of a column: the one that is proven; None where none is, or both are."""
    proven, _ = decimal_marks(texts)
    return proven if len(proven) == 1 else None


def numbers_in(column: Column) -> NDArray[np.float64]:
    """Return the distinct values read as numbers, by the decimal mark that the column proves; NaN where none."""
    # Most text columns are not numbers at all: the first thousand values tell, and spare reading a million
    texts = column.texts
    start = np.array([parse_number(text) for text in texts[:1000]])
    if len(start) == 0 or np.isnan(start).mean() > 0.9:
        return np.full(len(texts), np.nan)
    decimal = mark_of(texts)
    return np.array([parse_number(text, decimal=decimal) for text in texts])


def parse_numbers(series: pd.Series, *, decimal: str | None = None) -> pd.Series:
    """Read a column of numbers kept as text; what is none becomes missing."""
    if pd.api.types.is_numeric_dtype(series):
        return series
    values = {value: str(value) for value in series.dropna().unique()}
    decimal = decimal or mark_of(values.values())
    mapping = {value: parse_number(text, decimal=decimal) for value, text in values.items()}
    return series.astype(object).map(mapping).astype(float)
