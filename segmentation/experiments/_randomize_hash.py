"""Ids as text, salted hashes of them, and exact shares: the same on every machine and in every dataframe library."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import kind_of
from segmentation.exceptions import CustomerTableError

__all__ = [
    "BITS",
    "arm_codes",
    "as_salt",
    "digests",
    "exact_share",
    "exact_shares",
    "fingerprint",
    "fingerprints",
    "id_texts",
    "units",
]

BITS = 52
"""Bits of the hash that are used: 13 hexadecimal digits, which every database can turn into a number."""
WHOLE_AT_MOST = 2**53
SEPARATOR = ":"


def id_texts(ids: pd.Index | Sequence[Any]) -> list[str]:
    """Write ids as the text that is hashed.

    Whole numbers of any type are written in digits (a float, which is what a number becomes beside a missing value, if
    it is whole and below 2^53), text as it is, UUIDs in their usual form.

    Raises
    ------
    CustomerTableError
        If an id is of another kind, or two different ids have the same text (the number 1 and the text "1").

    Examples
    --------
    >>> id_texts([1, 2.0, "c3"])
    ['1', '2', 'c3']
    """
    values = ids.tolist() if isinstance(ids, pd.Index) else list(ids)
    kinds = set(map(type, values))
    if kinds == {str}:
        texts = [str(value) for value in values]
    elif kinds == {int}:
        texts = list(map(str, values))
    else:
        texts = [_id_text(value) for value in values]
    if len(set(texts)) < len(texts):
        seen = pd.Index(texts)
        twice = seen[seen.duplicated()].unique()
        raise CustomerTableError(
            f"{count(len(twice), 'id stands', 'ids stand')} twice: {name_some(twice)}. Ids are compared as text, so "
            "the number 1 and the text '1' are one customer: make the ids unique as text."
        )
    return texts


def _id_text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Number | np.number | Decimal):
        raise CustomerTableError(
            f"an id must be text or a whole number, got {value!r} ({kind_of(value)}): turn the ids into text first, so "
            "that it is written down what identifies a customer."
        )
    number: Any = value
    if isinstance(value, numbers.Integral):
        return str(int(value))
    try:
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != number or (not isinstance(value, Decimal) and abs(whole) >= WHOLE_AT_MOST):
        raise CustomerTableError(
            f"an id must be text or a whole number, got {value!r}: numbers with decimals, and floats from 2^53 on, do "
            "not identify anybody safely. Read the column as text or as whole numbers."
        )
    return str(whole)


def as_salt(salt: Any, name: str = "salt") -> str:
    """Return the salt, or say what is wrong with it."""
    if not isinstance(salt, str) or not salt.strip():
        raise ValueError(f"{name} must be a text that names the experiment, such as 'spring-mail', got {salt!r}.")
    if SEPARATOR in salt:
        raise ValueError(f"{name} must not contain {SEPARATOR!r}, which stands between salt and id, got {salt!r}.")
    return salt


def digests(texts: Iterable[str], salt: str) -> NDArray[np.uint8]:
    """Return SHA-256 of ``salt:id`` in UTF-8, one row of 32 bytes per id."""
    sha256 = hashlib.sha256
    prefix = f"{salt}{SEPARATOR}"
    try:
        joined = b"".join([sha256(f"{prefix}{text}".encode()).digest() for text in texts])
    except UnicodeEncodeError as error:
        raise CustomerTableError(f"an id is no valid text ({error}): read the file with its right encoding.") from error
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 32)


def units(digest: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the first 13 hexadecimal digits of each digest as a whole number below 2^52."""
    first = np.ascontiguousarray(digest[:, :8]).view(">u8").ravel()
    return (first >> np.uint64(64 - BITS)).astype(np.int64)


def fingerprints(digest: NDArray[np.uint8], group: NDArray[np.intp], n_groups: int) -> list[str]:
    """Return for each group the sum of its digests modulo 2^256, in hexadecimal: the order of rows does not matter."""
    words = np.ascontiguousarray(digest).view(">u4").astype(np.uint64)  # sums of 2^32 rows still fit
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=n_groups))
    found = []
    for part in np.split(order, ends[:-1]):
        total = 0
        for word in words[part].sum(axis=0, dtype=np.uint64).tolist():
            total = (total << 32) + word
        found.append(f"{total % 2**256:064x}")
    return found


def fingerprint(digest: NDArray[np.uint8]) -> str:
    """Return the fingerprint of all digests together."""
    return fingerprints(digest, np.zeros(len(digest), dtype=np.intp), 1)[0]


def exact_share(value: Any, name: str) -> Fraction:
    """Return a share as the fraction that its decimals say: 0.1 is a tenth."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction | Decimal | np.number):
        raise TypeError(f"{name} must be a number between 0 and 1, got {value!r}.")
    try:
        return Fraction(value) if isinstance(value, Fraction | Decimal) else Fraction(repr(float(value)))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.") from error


def exact_shares(arms: Any, reserved: str | None = None) -> dict[str, Fraction]:
    """Return the arms and their exact shares, which sum to 1.

    Parameters
    ----------
    arms : mapping of name to share, or sequence of names
        Names alone get equal shares.
    reserved : str, optional
        A name that no arm may have.
    """
    if isinstance(arms, Mapping):
        shares = {name: exact_share(share, f"the share of {name!r}") for name, share in arms.items()}
    elif isinstance(arms, Sequence) and not isinstance(arms, str):
        if len(set(arms)) < len(arms):
            raise ValueError(f"arms must have different names, got {name_some(arms)}.")
        shares = {name: Fraction(1, len(arms)) for name in arms}
    else:
        raise TypeError(f"arms must be a mapping of names to shares, or a list of names, got {kind_of(arms)}.")
    wrong = [name for name in shares if not isinstance(name, str) or not name.strip()]
    if wrong:
        raise TypeError(f"the name of an arm must be a non-empty text, got {name_some(wrong)}.")
    if len(shares) < 2:
        raise ValueError(f"an experiment needs two arms or more, got {name_some(shares) or 'none'}.")
    if reserved in shares:
        raise ValueError(f"no arm may be called {reserved!r}: that is the name of those held out (holdout=...).")
    outside = [name for name, share in shares.items() if not 0 < share < 1]
    total = sum(shares.values(), Fraction(0))
    if outside or abs(total - 1) > Fraction(1, 10**6):
        raise ValueError(
            f"shares must lie between 0 and 1 and sum to 1, got "
            f"{', '.join(f'{name} {float(share):g}' for name, share in shares.items())} (sum {float(total):g})."
        )
    return {name: share / total for name, share in shares.items()}


def arm_codes(unit: NDArray[np.int64], shares: Iterable[Fraction]) -> NDArray[np.intp]:
    """Return for each unit the position of its share: whole numbers are compared, nothing is rounded twice."""
    ends, total = [], Fraction(0)
    for share in shares:
        total += share
        ends.append(int(total * 2**BITS))
    return np.searchsorted(np.array(ends[:-1], dtype=np.int64), unit, side="right")
