"""The words that people write where nothing is known."""

from __future__ import annotations

import re

__all__ = ["SENTINEL_DAYS", "UNSURE_WORDS", "is_blank", "is_missing_word"]

# Written in full they mean "we do not know", in the languages of the larger markets; compared without case, spaces
# at the ends, brackets and full stops.
_MISSING_WORDS = frozenset(
    """
    unknown|unkown|unknow|unk|n/a|n.a|na|#n/a|nan|nat|null|nil|none|missing|undefined|not available|not applicable
    not specified|unspecified|not known|not provided|not given|no answer|no data|no value|no response|refused
    refused to answer|prefer not to say|prefer not to answer|don't know|dont know|do not know|dk|not stated|not set
    to be determined|tbd|tba|blank|empty|void|invalid|error|#value!|#ref!|#name?|#div/0!|#null!|#num!|dummy|xxx|xxxx
    ?|??|???|-|--|---|.|..|...|*|_
    unbekannt|keine angabe|k.a|inconnu|non renseigné|desconocido|sconosciuto|onbekend|okänd|ukendt|nieznany|неизвестно
    """.replace("\n", "|").split("|")
)
_MISSING = frozenset(word.strip() for word in _MISSING_WORDS if word.strip())
UNSURE_WORDS = frozenset({"none", "-", "na", "error", "invalid", "nil", "."})
"""Of these a column may also mean itself: no children, Namibia."""

SENTINEL_DAYS = frozenset(
    {
        "0001-01-01", "1582-10-15", "1753-01-01", "1800-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1900-01-02",
        "1901-01-01", "1904-01-01", "1970-01-01", "2038-01-19", "2049-12-31", "2050-12-31", "2079-06-06", "2099-01-01",
        "2099-12-31", "2100-01-01", "2199-12-31", "2262-04-11", "2500-12-31", "2999-12-31", "3000-01-01", "9999-01-01",
        "9999-12-31", "1111-11-11", "1911-11-11", "1980-01-01", "2000-01-01",
    }
)  # fmt: skip
"""Days on which systems start to count, or that they write for "always" and "never"."""


def is_blank(text: str) -> bool:
    """Whether nothing but spaces stands there."""
    return not text.strip()


def plain_word(text: str) -> str:
    """Write a value as the list above has its words.

    Examples
    --------
    >>> plain_word(" (Unknown) "), plain_word("N/A."), plain_word("?")
    ('unknown', 'n/a', '?')
    """
    word = text.strip().casefold()
    bare = re.sub(r"^[(\[<{]+|[)\]>}]+$", "", word).strip()
    return bare if bare in _MISSING else bare.rstrip(".") or bare


def is_missing_word(text: str) -> bool:
    """Whether a value says that nothing is known.

    Examples
    --------
    >>> is_missing_word("Unknown"), is_missing_word("<NA>"), is_missing_word("north")
    (True, True, False)
    """
    if len(text) > 30:
        return False
    word = text.strip().casefold()
    if word in _MISSING:
        return True
    # a million values pass here: the slow way is for those that could still be one
    if not word or not (word[0] in "([{<" or word[-1] == "." or "_" in word):
        return False
    return plain_word(word.replace("_", " ")) in _MISSING
