"""Take personal data out of texts: e-mails, links, handles, phone and other long numbers, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from segmentation._frames import kind_of
from segmentation.feedback import _patterns as patterns
from segmentation.feedback._input import words_of
from segmentation.feedback._names import CAPITALISED_WORDS, GIVEN_NAMES
from segmentation.feedback._patterns import LETTERS, MASKS, NAME, WORD
from segmentation.feedback._words import STOP_WORDS

__all__ = ["Masker", "mask_personal_data", "readable"]

# Where more than this share of the words inside sentences has a capital, capitals say nothing (German nouns).
CAPITALS_AT_MOST = 0.12
# A name is hardly ever written small.
SMALL_AT_MOST = 0.2


class Masker:
    """Masks learnt from all texts together: which capitalised words are names.

    Parameters
    ----------
    names : iterable of str
        Known names, masked wherever they stand.
    keep : iterable of str
        Words that are never taken for names, such as brands.
    capitals : bool
        Whether capitalised words inside sentences are taken for names.
    """

    def __init__(self, names: Iterable[str] = (), keep: Iterable[str] = (), *, capitals: bool = True) -> None:
        kept = {word.lower() for word in words_of(keep, "keep")}
        given = {part for name in words_of(names, "names") for part in LETTERS.findall(name.lower())}
        self.names: set[str] = {*(GIVEN_NAMES - kept), *given}
        self.keep = kept | CAPITALISED_WORDS
        self.capitals = capitals
        self.capitals_say_nothing = False

    def learn(self, texts: Sequence[str]) -> Masker:
        """Find the words that are written with a capital inside sentences and hardly ever small."""
        if not self.capitals:
            return self
        inside: Counter[str] = Counter()
        n_inside = 0
        for text in texts:
            found = patterns.CAPITAL_INSIDE.findall(text)
            n_inside += len(patterns.WORD_INSIDE.findall(text)) if len(found) or n_inside < 100_000 else 0
            inside.update(word for word in found if not word.isupper())
        if n_inside and sum(inside.values()) > CAPITALS_AT_MOST * n_inside:
            self.capitals_say_nothing = True
            return self
        candidates = {_stem(word) for word in inside}
        small: Counter[str] = Counter()
        for text in texts:
            small.update(word for word in WORD.findall(text) if word in candidates)
        written: Counter[str] = Counter()
        for word, times in inside.items():
            written[_stem(word)] += times
        learnt = [word for word, n in written.items() if word not in self.keep and small[word] <= SMALL_AT_MOST * n]
        # parts of a name are names, single letters are not
        self.names |= {part for word in learnt for part in LETTERS.findall(word) if len(part) > 2} - self.keep
        return self

    def mask(self, text: str) -> str:
        """Return the text with personal data replaced by one-character masks."""
        low = text.lower()
        if not low.isascii():
            text = text.translate(patterns.INVISIBLE)
            low = text.lower()
        text = patterns.emails(text, low)
        text = patterns.handles(text, low)
        text = patterns.links(text)
        text = patterns.numbers(text, low)
        text = patterns.signed(text, STOP_WORDS)
        text = patterns.named(text, low, STOP_WORDS)
        if not self.names.isdisjoint(LETTERS.findall(low)):
            text = WORD.sub(lambda found: NAME if _is_name(found.group(), self.names) else found.group(), text)
        return text


def _stem(word: str) -> str:
    """Write a word small and without a possessive."""
    return word.lower().removesuffix("'s").removesuffix("\u2019s")


def _is_name(word: str, names: set[str]) -> bool:
    return not names.isdisjoint(LETTERS.findall(word.lower()))


def readable(text: str) -> str:
    """Write masks as a reader wants them."""
    for mark, name in MASKS.items():
        text = text.replace(mark, name)
    return text


def mask_personal_data(
    texts: Any, *, names: Iterable[str] = (), keep: Iterable[str] = (), mask_names: bool = True
) -> pd.Series[Any]:
    """Replace e-mails, links, handles, long numbers and names in texts by ``[e-mail]`` and so on.

    Parameters
    ----------
    texts : Series or list of str
        Missing ones stay missing.
    names : iterable of str, optional
        Names you know (customers, staff): masked wherever they stand, however written.
    keep : iterable of str, optional
        Words that are no names, such as brands.
    mask_names : bool, default=True
        Whether words are taken for names that are written with a capital inside sentences and hardly ever small; not
        in texts where capitals are so frequent that they say nothing, such as German ones. Frequent given names,
        titles ("Mrs ...") and signatures are masked in any case.

    Returns
    -------
    pandas.Series of str

    Raises
    ------
    TypeError
        If texts are none.

    Notes
    -----
    No pattern finds everything: a name that nobody writes with a capital, or that only begins sentences, a nickname
    that is a word, the address of a house. `pain_points` therefore does not rely on it, but shows only words that many
    customers use.

    Examples
    --------
    >>> from segmentation.feedback import mask_personal_data
    >>> mask_personal_data(["Write to jo.doe@example.com or @jo_doe, call 030 123 45 67. Yours, Jo"])[0]
    'Write to [e-mail] or [handle], call [number]. Yours, [name]'
    """
    if isinstance(texts, str | bytes | pd.DataFrame) or not isinstance(texts, Iterable):
        raise TypeError(f"texts must be a Series or a list of str, got {kind_of(texts)}.")
    series = texts if isinstance(texts, pd.Series) else pd.Series(list(texts), dtype=object)
    known = series.notna()
    wrong = next((value for value in series[known] if not isinstance(value, str)), None)
    if wrong is not None:
        raise TypeError(f"texts must be str or missing, got {kind_of(wrong)}.")
    present = [str(value) for value in series[known]]
    masker = Masker(names, keep, capitals=mask_names).learn(present)
    result = series.astype(object)
    result[known] = [readable(masker.mask(text)) for text in present]
    return result
