"""Recognising the people to be forgotten: in columns of ids, in keys, in running text, in bytes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._validation import CUSTOMER_ID, ID_NAME

__all__ = ["FORGOTTEN", "Traces", "as_text"]

FORGOTTEN = "[forgotten]"
# Shorter texts occur in others by chance: "a", "north", "12" are also values and counts of other people.
SHORTEST_TEXT, SHORTEST_NUMBER = 5, 6
# Where lists of ids stand in results, whatever their own name: {"shop": [...]} under unmatched.
LISTS_OF_IDS = re.compile("example|unmatched|customer|left_out|lineage|member|conflict|ambiguous", re.IGNORECASE)


def as_text(value: Any) -> str | None:
    """Write an id as it stands in a file; None where a value can be no id.

    Examples
    --------
    >>> as_text(7.0), as_text("c-7"), as_text(np.int64(7)), as_text(7.5), as_text(True)
    ('7', 'c-7', '7', None, None)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int | uuid.UUID):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return value.decode("latin-1") if isinstance(value, bytes) else None


class Traces:
    """The ids, in the forms in which they can be met.

    An id that is met as 7, 7.0 or "7" is the same: whoever is to be forgotten should not stay because a file keeps
    numbers as text. Where ids stand (a column or index of ids, a list of examples) every id is recognised; in other
    cells and in running text only one that cannot be there by chance.
    """

    def __init__(self, ids: Iterable[Any], also: Iterable[str], id_columns: Iterable[Any]) -> None:
        texts = {as_text(value) for value in ids}
        self.ids = frozenset(text for text in texts if text is not None)
        numbers = [int(text) for text in self.ids if re.fullmatch("-?(0|[1-9][0-9]*)", text)]
        self.numbers = np.asarray([n for n in numbers if abs(n) < 2**63], dtype=np.int64)
        self.id_columns = frozenset(map(str, id_columns)) | {CUSTOMER_ID}
        distinctive = {text for text in self.ids if _is_distinctive(text)} | set(also)
        self.distinctive = frozenset(distinctive)
        self.n_short = len(self.ids - distinctive)
        self._pattern = _pattern(distinctive)
        self._byte_forms = _byte_forms(distinctive)
        self.seen: set[str] = set()

    def is_id_name(self, name: Any) -> bool:
        """Tell whether a column or index of this name holds ids."""
        return str(name) in self.id_columns

    def looks_like_id(self, name: Any) -> bool:
        """Tell whether a column that was not named as one of ids has the name of one, such as ``household_id``."""
        return not self.is_id_name(name) and bool(ID_NAME.search(str(name)))

    def is_id_place(self, name: str | None) -> bool:
        """Tell whether a list, or the keys of a mapping, of this name hold ids."""
        return name is not None and (self.is_id_name(name) or bool(LISTS_OF_IDS.search(name)))

    def is_id(self, value: Any, *, look_only: bool = False) -> bool:
        """Tell whether a value that stands for an id is one of those to be forgotten."""
        text = as_text(value)
        if text is None or text not in self.ids:
            return False
        if not look_only:
            self.seen.add(text)
        return True

    def rows(self, values: Any, *, look_only: bool = False) -> NDArray[np.bool_]:
        """Tell which of the values of a column or index of ids are to be forgotten."""
        series = pd.Series(values)
        if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
            found = np.asarray(series.isin(self.numbers))
            for value in series[found].unique():
                self.is_id(value, look_only=look_only)
            return found
        codes, unique = pd.factorize(series.astype(object).to_numpy())
        hit = np.asarray([self.is_id(value, look_only=look_only) for value in unique] + [False], dtype=bool)
        result: NDArray[np.bool_] = hit[codes]
        return result

    def in_text(self, text: str) -> int:
        """Count the places in a text that name somebody to be forgotten."""
        return len(self._found(text))

    def without(self, text: str) -> str:
        """Return the text with "[forgotten]" in these places."""
        if self._pattern is None or not self._found(text):
            return text
        return self._pattern.sub(FORGOTTEN, text)

    def _found(self, text: str) -> list[str]:
        found = [match.group() for match in self._pattern.finditer(text)] if self._pattern else []
        self.seen.update(one for one in found if one in self.ids)
        return found

    def in_bytes(self, data: bytes) -> int:
        """Count the places in bytes (of a pickle, of a file) where a distinctive id stands as text."""
        # a plain search first: it is many times faster than one pattern of all forms
        return sum(len(pattern.findall(data)) for form, pattern in self._byte_forms if form in data)


def _is_distinctive(text: str) -> bool:
    if text.isdigit():
        return len(text) >= SHORTEST_NUMBER
    has_sign = any(not letter.isalpha() for letter in text)
    return len(text) >= SHORTEST_TEXT and has_sign


def _pattern(texts: Iterable[str]) -> re.Pattern[str] | None:
    """Find any of the texts where it is not part of a longer word, number or id (c-7 in c-7-2); the longest first."""
    listed = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, listed)) + r")(?!\w|-\w)") if listed else None


def _byte_forms(texts: Iterable[str]) -> list[tuple[bytes, re.Pattern[bytes]]]:
    """Return each form of the texts in bytes, and how it looks where it is not part of a longer word or number.

    Only a digit beside a digit and a letter beside a letter make it longer: binary files put texts side by side.
    """
    forms = {}
    for text in texts:
        plain = text.encode("utf-8", "surrogatepass")
        before, after = _not_beside(plain[:1], "(?<!%s)"), _not_beside(plain[-1:], "(?!%s)")
        forms[plain] = before + re.escape(plain) + after + b"(?!-[0-9A-Za-z])"
        others = [text.encode(code, "surrogatepass") for code in ("utf-16-le", "utf-32-le")]
        if text.isdigit() and int(text) < 2**63:  # as tables keep whole numbers: eight bytes each
            others.append(int(text).to_bytes(8, "little"))
        forms |= {other: re.escape(other) for other in others}
    return [(form, re.compile(pattern, re.DOTALL)) for form, pattern in forms.items()]


def _not_beside(end: bytes, look: str) -> bytes:
    kind = "[0-9]" if end.isdigit() else "[A-Za-z]" if end.isalpha() else ""
    return (look % kind).encode() if kind else b""
