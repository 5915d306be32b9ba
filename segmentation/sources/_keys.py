"""Keys by which records are linked: which columns, and what two values must have in common to be the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, nearest
from segmentation.exceptions import ColumnError
from segmentation.sources._records import column_values, function_name, known, near_names, plain_text

__all__ = ["Key", "normalise_email", "normalise_phone", "normalise_text"]

NOT_DIGITS = re.compile(r"\D+")
BLANKS = re.compile(r"\s+")
NAMED = re.compile(r"[^<>]*<([^<>]+)>")
FLOAT = re.compile(r"\d+\.0")


def _folded(text: str) -> str:
    """Write one character one way: full-width forms, digits of other scripts; zero-width and control ones go."""
    if text.isascii():
        return text
    normal = unicodedata.normalize("NFKC", text)
    plain = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in normal if unicodedata.category(c) != "Cf")
    return "".join(plain)


def normalise_email(value: Any, *, ignore_dots_at: Collection[str] = (), ignore_tags: bool = False) -> str | None:
    """Write an e-mail address so that equal mailboxes are equal text.

    Blanks and characters that are not seen are removed, a leading ``mailto:`` too, and case is folded; of
    ``Jane Doe <jane@example.com>`` the address counts. **Not** done unless asked for: the dots of
    ``jane.doe@gmail.com`` stay, because only some providers ignore them, and so does the tag of
    ``jane+shop@example.com``; misspelt domains are never repaired.

    Parameters
    ----------
    value : str
        An address; anything without exactly one ``@`` and something on both sides is none.
    ignore_dots_at : collection of str, default=()
        Domains, in lower case, whose mailboxes do not depend on dots, such as ``("gmail.com", "googlemail.com")``.
    ignore_tags : bool, default=False
        Cut the mailbox at its first ``+``.

    Returns
    -------
    str or None
        None where it is no address.

    Examples
    --------
    >>> normalise_email("  Jane.Doe@Example.COM ")
    'jane.doe@example.com'
    >>> normalise_email("Jane.Doe+shop@gmail.com", ignore_dots_at=("gmail.com",), ignore_tags=True)
    'janedoe@gmail.com'
    >>> normalise_email("none") is None
    True
    """
    text = BLANKS.sub("", _folded(str(value))).casefold()
    named = NAMED.fullmatch(text)
    text = (named[1] if named else text).removeprefix("mailto:")
    mailbox, _, domain = text.partition("@")
    if ignore_tags:
        mailbox = mailbox.partition("+")[0]
    if domain in ignore_dots_at:
        mailbox = mailbox.replace(".", "")
    return f"{mailbox}@{domain}" if mailbox and domain and "@" not in domain else None


def normalise_phone(value: Any, *, country_code: str | None = None, trunk_prefix: str = "0") -> str | None:
    """Write a telephone number as its digits, with ``+`` in front where it is international.

    A leading ``+`` or ``00`` marks an international number; ``(0)`` in one is removed. Without `country_code` a
    national number stays national, so ``030 1234`` and ``+49 30 1234`` do **not** meet. **Not** done: extensions
    are not cut off, letters are not translated, and no plan of numbers is consulted.

    Parameters
    ----------
    value : str or number
        Whole numbers may be floats, also as text (``"4930123.0"``); a leading zero that a numeric column has lost
        cannot be restored.
    country_code : str, optional
        Code of the country of national numbers, such as ``"49"``; they lose one `trunk_prefix` and gain it.
    trunk_prefix : str, default="0"
        What national numbers begin with and international ones do not; ``""`` for Italy, Spain or the United States.

    Returns
    -------
    str or None
        None where there is no digit.

    Examples
    --------
    >>> normalise_phone("+49 (0)30 12-34"), normalise_phone("0049 30 1234"), normalise_phone("030/1234")
    ('+49301234', '+49301234', '0301234')
    >>> normalise_phone("030/1234", country_code="49")
    '+49301234'
    """
    text = _folded(plain_text(value) or "").strip().removeprefix("tel:")
    if FLOAT.fullmatch(text):  # a column of numbers that was written to text
        text = text.removesuffix(".0")
    digits = NOT_DIGITS.sub("", text)
    if not digits:
        return None
    if text.startswith(("+", "(+")):
        return "+" + NOT_DIGITS.sub("", text.replace("(0)", ""))
    if digits.startswith("00") and digits.strip("0"):  # 000-000 is a placeholder, no foreign number
        without = NOT_DIGITS.sub("", text.replace("(0)", ""))
        return "+" + without[2:]
    if country_code is not None and digits.strip("0"):
        return f"+{country_code}{digits.removeprefix(trunk_prefix)}"
    return digits


def normalise_text(value: Any) -> str | None:
    """Fold case and runs of blanks, for names and other words.

    Examples
    --------
    >>> normalise_text("  Ada   LOVELACE ")
    'ada lovelace'
    """
    return BLANKS.sub(" ", plain_text(value) or "").casefold().strip() or None


NORMALISERS: Mapping[str, Callable[[Any], Any]] = {
    "email": normalise_email,
    "exact": plain_text,
    "phone": normalise_phone,
    "text": normalise_text,
}


@dataclass(frozen=True)
class Key:
    """A key: the columns that hold it, and what makes two of its values the same.

    Parameters
    ----------
    columns : str, sequence of str, or mapping from source to either
        One name for all sources that have such a column, or a name per source; a source that a mapping does not
        name has no such key. Several columns make one key together (surname and date of birth); it is missing
        where one of them is.
    normaliser : {"email", "phone", "text", "exact"} or callable, optional
        ``"email"``: `normalise_email`. ``"phone"``: `normalise_phone`. ``"text"``: case and blanks folded.
        ``"exact"``: only outer blanks are removed, and 17, 17.0 and ``"17"`` are the same. A callable gets one
        value that is not missing and returns a hashable one, or None where the value is of no use; it is called once
        per distinct value. By default the one that is called like the key, else ``"exact"``.
    weak : bool, default=False
        A key that different people may well share, such as a surname with a postcode. It links like any other, and
        customers that hang together by weak keys only are reported.

    Examples
    --------
    >>> from functools import partial
    >>> from segmentation.sources import Key, normalise_phone
    >>> Key({"crm": "tel", "shop": "phone_number"}, normaliser=partial(normalise_phone, country_code="49")).weak
    False
    """

    columns: Any
    normaliser: str | Callable[[Any], Any] | None = None
    weak: bool = False

    def __post_init__(self) -> None:
        if self.normaliser is not None and not callable(self.normaliser) and self.normaliser not in NORMALISERS:
            close = nearest(self.normaliser, NORMALISERS)
            raise ValueError(
                f"normaliser must be one of {name_some(NORMALISERS)} or a callable, got {self.normaliser!r}"
                + (f" (nearest: {name_some(close)})." if close else ".")
            )


def read_keys(keys: Any) -> dict[str, Key]:
    """Turn what the caller gave as keys into `Key` objects by name, each with its normaliser."""
    if isinstance(keys, str):
        keys = {keys: keys}
    elif isinstance(keys, Sequence):
        keys = {name: name for name in keys}
    if not isinstance(keys, Mapping) or not keys:
        raise ValueError(
            'keys must be a mapping from key name to column, such as {"email": "email", "phone": {"crm": "tel", '
            f'"shop": "phone"}}}}, with at least one key; got {keys!r}.'
        )
    read = {}
    for name, given in keys.items():
        key = given if isinstance(given, Key) else Key(given)
        default = name if name in NORMALISERS else "exact"
        read[str(name)] = key if key.normaliser is not None else Key(key.columns, default, key.weak)
    return read


def normaliser_name(key: Key) -> str:
    """Name a normaliser for printed settings."""
    given = key.normaliser
    return given if isinstance(given, str) else function_name(given)


def columns_of(key: Key, name: str, tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, list[Any]], list[str]]:
    """Find the columns of a key in each source that has it; and notes about sources that lack it."""
    if isinstance(key.columns, Mapping):
        unknown = [source for source in key.columns if source not in tables]
        if unknown:
            raise ValueError(f"key {name!r} names sources that are not there: {name_some(unknown)}.")
        found = {source: _listed(given) for source, given in key.columns.items()}
        return found, []
    listed = _listed(key.columns)
    having, notes = {}, []
    for source, table in tables.items():
        absent = [column for column in listed if column not in table.columns and column not in table.index.names]
        if absent:
            notes.append(f"{source!r} has no column {absent[0]!r}{near_names(absent[0], table)}: no key {name!r} there")
        else:
            having[source] = listed
    if not having:
        raise ColumnError(f"key {name!r}: no source has the column it needs; {'; '.join(notes)}.")
    return having, notes


def _listed(columns: Any) -> list[Any]:
    return list(columns) if isinstance(columns, list | tuple) else [columns]


@dataclass(frozen=True)
class KeyValues:
    """The normalised values of one key for all rows of all sources, as codes.

    ``codes`` is -1 where there is none; ``texts`` has the value behind each code; ``unusable`` marks rows with a
    value that the normaliser refused.
    """

    codes: NDArray[np.int64]
    texts: NDArray[Any]
    unusable: NDArray[np.bool_]


def key_values(key: Key, name: str, columns: Mapping[str, list[Any]], tables: Mapping[str, pd.DataFrame]) -> KeyValues:
    """Normalise a key in all sources, whose rows follow each other in the order of `tables`."""
    n_parts = {len(listed) for listed in columns.values()}
    if len(n_parts) > 1:
        raise ValueError(f"key {name!r} has a different number of columns in different sources: {dict(columns)!r}.")
    parts = [_part(key, name, columns, tables, position) for position in range(n_parts.pop())]
    codes, texts, unusable = parts[0]
    for other, other_texts, other_unusable in parts[1:]:
        both = (codes >= 0) & (other >= 0)
        combined, pairs = pd.factorize(codes[both] * max(len(other_texts), 1) + other[both])
        first, second = np.divmod(np.asarray(pairs, dtype=np.int64), max(len(other_texts), 1))
        texts = np.array([f"{a} | {b}" for a, b in zip(texts[first], other_texts[second], strict=True)], dtype=object)
        codes = np.where(both, 0, -1)
        codes[both] = combined
        unusable = unusable | other_unusable
    return KeyValues(codes, texts, unusable)


def _part(
    key: Key, name: str, columns: Mapping[str, list[Any]], tables: Mapping[str, pd.DataFrame], position: int
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.bool_]]:
    """Normalise one column of a key: distinct values of a source are normalised once, then meet those of others."""
    normalise = key.normaliser if callable(key.normaliser) else NORMALISERS[str(key.normaliser)]
    codes, refused = [], []
    seen: dict[Any, int] = {}
    for source, table in tables.items():
        if source not in columns:
            codes.append(np.full(len(table), -1, dtype=np.int64))
            refused.append(np.zeros(len(table), dtype=bool))
            continue
        values = column_values(table, columns[source][position], source, f"key {name!r}")
        there = known(values)
        own, distinct = _factorised(values if there.all() else values.where(there), name, source)
        meaning = np.array(
            [_code(normalise, value, seen, name) for value in np.asarray(distinct, dtype=object)] + [-1], dtype=np.int64
        )
        codes.append(meaning[own])
        refused.append(there & (codes[-1] < 0))
    texts = np.empty(len(seen), dtype=object)
    texts[:] = [str(value) for value in seen]
    return np.concatenate(codes), texts, np.concatenate(refused)


def _factorised(values: pd.Series, name: str, source: str) -> tuple[NDArray[np.int64], Any]:
    try:
        return pd.factorize(values)
    except TypeError as error:
        raise ColumnError(
            f"key {name!r}: column {values.name!r} of source {source!r} holds lists or other values that cannot be "
            f"compared ({error}). Make one row per value (DataFrame.explode); rows of one record may repeat."
        ) from error


def _code(normalise: Callable[[Any], Any], value: Any, seen: dict[Any, int], name: str) -> int:
    """Return the code of a value once it is normalised, -1 where nothing is left of it."""
    try:
        result = normalise(value)
    except Exception as error:
        error.add_note(f"the normaliser of key {name!r} failed on {value!r}")
        raise
    if result is None or result is pd.NA or result != result or result == "":
        return -1
    return seen.setdefault(result, len(seen))
