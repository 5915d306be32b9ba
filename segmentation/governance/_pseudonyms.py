"""Pseudonyms: customer ids replaced by keyed hashes that only the holder of the key can make again."""

from __future__ import annotations

import hmac
import itertools
import math
import re
import uuid
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import column_difference, name_some
from segmentation._frames import is_frame, to_pandas
from segmentation._notes import notes_of, with_notes
from segmentation._validation import CUSTOMER_ID
from segmentation.exceptions import ColumnError

__all__ = ["check_key", "pseudonymize"]

# RFC 2104, section 3: keys shorter than the hash (32 bytes for SHA-256) are strongly discouraged.
KEY_LENGTH = 32
# Far under what 32 random hexadecimal digits show (about 115 bits by their own frequencies), far over what a machine
# can try.
KEY_BITS = 80
# Shannon (1951), doi:10.1002/j.1538-7305.1951.tb01366.x: at most 1.3 bits per letter of English.
BITS_PER_LETTER = 1.3
# What people type who have no key; five letters or more, so that chance does not make them in a random key.
COMMON = re.compile(
    "password|passwort|passwd|secret|qwerty|changeme|letmein|123456|admin|customer|segment|default|test1"
)
SHORTEST = 16


def pseudonymize(
    ids: Any,
    key: str | bytes,
    *,
    columns: Any = None,
    context: str = "",
    length: int = 32,
    return_mapping: bool = False,
) -> Any:
    """Replace customer ids by pseudonyms: HMAC-SHA256 of the id under a secret key.

    Parameters
    ----------
    ids : dataframe, Series, Index, array or sequence
        A table, of which `columns` are replaced, or the ids themselves.
    key : str or bytes
        At least 32 characters or bytes that nobody can guess; ``secrets.token_hex(32)`` makes one. Keep it apart from
        the data. A missing, short, repetitive or common one is refused.
    columns : label or list of labels, optional
        The columns (or the name of the index) of a table that hold ids; ``customer_id`` by default.
    context : str, default=""
        Pseudonyms of different contexts cannot be linked with each other, also under the same key: name the receiver.
    length : int, default=32
        Hexadecimal digits of a pseudonym, 16 to 64; 32 are 128 bits.
    return_mapping : bool, default=False
        Also return the table from id to pseudonym; otherwise it is not kept anywhere.

    Returns
    -------
    The same kind with pseudonyms: a pandas DataFrame for a table, a Series, an Index, or an object array. With
    `return_mapping` a pair, the second a Series of pseudonyms indexed by id.

    Raises
    ------
    ValueError
        If the key is missing or weak, `length` is out of range, or two ids get one pseudonym.
    ColumnError
        If a column is not there, holds something that is no id, or another column repeats the ids.

    Notes
    -----
    The same id, key and context give the same pseudonym on every machine. Ids are typed: the number 1 and the text
    "1" are two customers, while 1 and 1.0 (what a table makes of 1 beside a missing id) are one. Missing ids stay
    missing. Whoever has the key can make the pseudonym of a known id again, so the result is pseudonymous, not
    anonymous; other columns may still tell who it is (see `k_anonymity`), and so may the order of the rows.

    References
    ----------
    Krawczyk, Bellare, Canetti (1997). HMAC: Keyed-Hashing for Message Authentication. RFC 2104,
    doi:10.17487/RFC2104.

    Examples
    --------
    >>> from segmentation.governance import pseudonymize
    >>> key = "1f0c5a9e7b3d4826a1e0937cc5d84b6f"  # for this example only: secrets.token_hex(32)
    >>> pseudonymize(["c-17", "c-18"], key)
    array(['ac662e89573803cb43f160ded7b1a318',
           '706c1c9603a040e3721e5bfd27a3eb5e'], dtype=object)
    """
    secret = check_key(key)
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or not SHORTEST <= length <= 64:
        raise ValueError(f"length must be a whole number of digits between {SHORTEST} and 64, got {length!r}.")
    if not isinstance(context, str):
        raise ValueError(f"context must be a text, got {context!r}.")
    # a length before the context, so that no context and id run into each other
    prefix = f"customer-segments pseudonym 1|{len(context.encode())}|{context}|".encode()
    known: dict[Any, str] = {}

    def replace(values: Any, name: Any) -> Any:
        return _replaced(values, name, secret, prefix, int(length), known)

    result: Any
    if is_frame(ids):
        result = _table(to_pandas(ids), columns, replace)
    elif isinstance(ids, pd.Series):
        result = pd.Series(replace(ids, ids.name), index=ids.index, name=ids.name, dtype=object)
    elif isinstance(ids, pd.Index):
        result = pd.Index(replace(ids, ids.name), name=ids.name, dtype=object)
    elif isinstance(ids, str | bytes) or not hasattr(ids, "__iter__"):
        raise TypeError(f"ids must be a table or a sequence of ids, got {ids!r}.")
    else:
        values = np.empty(len(listed := list(ids)), dtype=object)
        values[:] = listed
        result = replace(values, None)
    _refuse_collisions(known)
    if not return_mapping:
        return result
    originals = pd.Index(list(known), dtype=object, name=CUSTOMER_ID)
    return result, pd.Series(list(known.values()), index=originals.infer_objects(), name="pseudonym", dtype=object)


def _table(table: pd.DataFrame, columns: Any, replace: Any) -> pd.DataFrame:
    names = _id_columns(table, columns)
    result = table.copy()
    result.attrs = {}
    for name in names:
        if name not in table.columns:
            levels = [
                replace(table.index.get_level_values(i), name) if level == name else table.index.get_level_values(i)
                for i, level in enumerate(table.index.names)
            ]
            result.index = (
                pd.Index(levels[0], name=name, dtype=object)
                if len(levels) == 1
                else pd.MultiIndex.from_arrays(levels, names=table.index.names)
            )
            continue
        _refuse_copies(table, name, names)
        result[name] = pd.Series(replace(table[name], name), index=result.index, dtype=object)
    return with_notes(result, notes_of(table))


def _id_columns(table: pd.DataFrame, columns: Any) -> list[Any]:
    names = [CUSTOMER_ID] if columns is None else list(columns) if isinstance(columns, list | tuple) else [columns]
    there = [*table.columns, *(name for name in table.index.names if name is not None)]
    if any(name not in there for name in names):
        raise ColumnError(f"pseudonymize: {column_difference(names, there)}; name the ids with columns=.")
    return names


def _refuse_copies(table: pd.DataFrame, name: Any, names: list[Any]) -> None:
    """Refuse a table in which another column still has the ids: a pseudonym beside the id hides nothing."""
    ids = table[name].astype(object)
    others = [other for other in table.columns if other not in names]
    copies = [other for other in others if len(ids) and ids.notna().any() and table[other].astype(object).equals(ids)]
    if (
        table.index.name not in names
        and len(ids)
        and pd.Series(table.index.astype(object)).equals(ids.reset_index(drop=True))
    ):
        copies.append(f"index {table.index.name!r}")
    if copies:
        raise ColumnError(
            f"{name_some(copies)} repeats the ids of {name!r}, so a pseudonym would hide nothing: drop it, or name it "
            "in columns= too."
        )


def _replaced(values: Any, name: Any, key: bytes, prefix: bytes, length: int, known: dict[Any, str]) -> Any:
    """Return the pseudonyms of values as an object array, and add them to the ones known."""
    codes, unique = pd.factorize(pd.Series(values).astype(object).to_numpy(), use_na_sentinel=True)
    pseudonyms = np.empty(len(unique) + 1, dtype=object)
    pseudonyms[-1] = None  # code -1: a missing id
    for position, value in enumerate(unique):
        pseudonyms[position] = known[value] = _digest(key, prefix + _typed(value, name))[:length]
    result: Any = pseudonyms[codes]
    return result


def _digest(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256").hex()


def _typed(value: Any, name: Any) -> bytes:
    """Write an id with its type as bytes, the same on every machine."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    if isinstance(plain, str):
        return b"text:" + plain.encode("utf-8", "surrogatepass")
    if isinstance(plain, bytes):
        return b"bytes:" + plain
    if isinstance(plain, uuid.UUID):
        return b"uuid:" + plain.bytes
    if isinstance(plain, int) and not isinstance(plain, bool):
        return f"number:{plain}".encode()
    where = "" if name is None else f" in {name!r}"
    raise ColumnError(f"an id is a text, a whole number, bytes or a UUID; got {type(plain).__name__}{where}.")


def _refuse_collisions(known: dict[Any, str]) -> None:
    if len(set(known.values())) < len(known):
        twice = len(known) - len(set(known.values()))
        raise ValueError(f"{twice:,} pseudonyms stand for more than one id: make them longer (length=64).")


def check_key(key: Any) -> bytes:
    """Return the key as bytes, or raise ValueError where it is missing or weak; no message repeats it.

    Examples
    --------
    >>> check_key("password" * 5)
    Traceback (most recent call last):
        ...
    ValueError: the key is weak (it is made of words that many people use): secrets.token_hex(32) makes a good one.
    """
    if key is None or not isinstance(key, str | bytes | bytearray) or not key:
        raise ValueError(
            f"a secret key is needed, as text or bytes, got {'none' if not key else type(key).__name__}: "
            "secrets.token_hex(32) makes one; keep it apart from the data."
        )
    secret = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else bytes(key)
    problem = _weakness(secret)
    if problem:
        raise ValueError(f"the key is weak ({problem}): secrets.token_hex(32) makes a good one.")
    return secret


def _weakness(secret: bytes) -> str | None:
    if len(secret) < KEY_LENGTH:
        return f"{len(secret)} of at least {KEY_LENGTH} characters"
    text = secret.decode("latin-1")
    if len(COMMON.sub("", text.lower())) < min(KEY_LENGTH, len(secret)):
        return "it is made of words that many people use"
    if text in (text + text)[1:-1] or any(
        text == (text[:p] * len(text))[: len(text)] for p in range(1, len(text) // 2)
    ):
        return "it repeats itself"
    steps = Counter(b - a for a, b in itertools.pairwise(secret))
    if steps.most_common(1)[0][1] > len(secret) // 2:
        return "it is a sequence"
    frequencies = [n / len(secret) for n in Counter(secret).values()]
    bits = -len(secret) * sum(p * math.log2(p) for p in frequencies)
    letters = re.fullmatch(r"[^\W\d_]+([\s,.'_-]+[^\W\d_]+)*[.!?]?", text)
    words = re.findall(r"[^\W\d_]+", text)
    if letters and all(word in {word.lower(), word.upper(), word.capitalize()} for word in words):
        bits = min(bits, BITS_PER_LETTER * len(text))
    return f"about {bits:.0f} bits, {KEY_BITS} are needed" if bits < KEY_BITS else None
