"""Take personal data out of texts: e-mails, links, handles, phone and other long numbers, names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from segmentation._frames import kind_of
from segmentation.feedback._names import CAPITALISED_WORDS, GIVEN_NAMES

__all__ = ["MASKS", "Masker", "mask_personal_data", "readable"]

# One character each, of no alphabet, so that no pattern of words takes it for one.
EMAIL, LINK, HANDLE, NUMBER, NAME = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
MASKS = {EMAIL: "[e-mail]", LINK: "[link]", HANDLE: "[handle]", NUMBER: "[number]", NAME: "[name]"}

WORD = re.compile(r"[^\W\d_]+(?:['\u2019\-][^\W\d_]+)*")
_EMAIL = re.compile(
    r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)*"
    r"|[\w.+\-]+ ?[\[(] ?at ?[\])] ?[\w\-]+(?: ?(?:\.|[\[(] ?dot ?[\])]) ?[\w\-]+)+"
    r"|\b[\w.+\-]+ at [\w\-]+(?: dot [\w\-]+)+",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"(?:https?://|www\.)\S+|\b[\w\-]+(?:\.[\w\-]+)*\.(?:com|net|org|info|io|eu|co\.uk|de|at|ch|fr|es|it|nl|pl)\b(?:/\S*)?",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@])@\s?\w[\w.\-]*")
# Six digits and more with what people put between them; four digits in a row; three digits in one piece with letters.
_NUMBER = re.compile(
    r"(?<!\w)\+?\(?\d(?:[\s().\-/]{0,2}\d){5,}(?!\w)"
    r"|\b\d{4,}\b"
    r"|\b(?=[^\W_]*[^\W\d_])(?=(?:[^\W\d_]*\d){3})[^\W_]{4,}\b"
)
_NAMED = re.compile(r"\b(?:my name is|my name's|i am called|mr\.?|mrs\.?|ms\.?|miss|herr|frau)\s+", re.IGNORECASE)
_ONE_OR_TWO = re.compile(r"[^\W\d_][\w'\u2019\-]*(?:\s+[A-Z][\w'\u2019\-]+)?")
_SIGNED = re.compile(
    r"(?P<closing>\b(?:yours(?: sincerely| truly| faithfully)?|(?:kind |best |warm )?regards|cheers|sincerely|"
    r"greetings|best wishes|all the best|signed)[,.!:]?\s+)"
    r"(?P<who>[^\W\d_][\w'\u2019\-]*(?:\s+[^\W\d_][\w'\u2019\-]*)?)(?P<end>\s*[.!]?\s*)$",
    re.IGNORECASE,
)
# After a lower-case word and a blank: inside a sentence.
_CAPITAL_INSIDE = re.compile(
    r"(?<=[^\W\d_A-Z] )(?:[A-Z][^\W\d_]+(?:['\u2019\-][^\W\d_]+)*|[A-Z]['\u2019][A-Z][^\W\d_]+)"
)
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]+")
_TITLES = ("my name", "i am called", "mr ", "mr.", "mrs", "ms ", "ms.", "miss ", "herr ", "frau ")
# A signature stands at the end.
_SIGNED_WITHIN = 80
_WORD_INSIDE = re.compile(r"(?<=[^\W\d_A-Z] )[^\W\d_]+")
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
        kept = {word.lower() for word in keep}
        given = {part for name in names for part in _LETTERS.findall(str(name).lower())}
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
            found = _CAPITAL_INSIDE.findall(text)
            n_inside += len(_WORD_INSIDE.findall(text)) if len(found) or n_inside < 100_000 else 0
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
        self.names |= {part for word in learnt for part in _LETTERS.findall(word) if len(part) > 2} - self.keep
        return self

    def mask(self, text: str) -> str:
        """Return the text with personal data replaced by one-character masks."""
        if "@" in text or " at " in text or "at)" in text or "at]" in text:
            text = _EMAIL.sub(EMAIL, text)
            text = _HANDLE.sub(HANDLE, text)
        if "." in text or "://" in text:
            text = _LINK.sub(LINK, text)
        if _DIGIT.search(text):
            text = _NUMBER.sub(NUMBER, text)
        start = max(0, len(text) - _SIGNED_WITHIN)
        signed = _SIGNED.search(text, start)
        if signed:
            text = f"{text[: signed.start('who')]}{NAME}{signed['end']}"
        low = text.lower()
        if any(title in low for title in _TITLES):
            text = _after_titles(text)
        if not self.names.isdisjoint(_LETTERS.findall(low)):
            text = WORD.sub(lambda found: NAME if _is_name(found.group(), self.names) else found.group(), text)
        return text


def _after_titles(text: str) -> str:
    parts, at = [], 0
    for cue in _NAMED.finditer(text):
        who = _ONE_OR_TWO.match(text, cue.end())
        if who and cue.end() >= at:
            parts += [text[at : cue.end()], NAME]
            at = who.end()
    return "".join([*parts, text[at:]])


def _stem(word: str) -> str:
    """Write a word small and without a possessive."""
    return word.lower().removesuffix("'s").removesuffix("\u2019s")


def _is_name(word: str, names: set[str]) -> bool:
    return not names.isdisjoint(_LETTERS.findall(word.lower()))


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
    No pattern finds everything: a name that nobody writes with a capital, a nickname that is a word, an address in
    words. `pain_points` therefore does not rely on it, but shows only words that many customers use.

    Examples
    --------
    >>> from segmentation.feedback import mask_personal_data
    >>> mask_personal_data(["Write to jo.doe@example.com or @jo_doe, call 030 123 45 67. Yours, Jo"])[0]
    'Write to [e-mail] or [handle], call [number]. Yours, [name]'
    """
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
