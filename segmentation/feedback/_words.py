"""Turn a masked text into words and phrases, with what is denied marked as such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

__all__ = ["ENGLISH_NEGATIONS", "NOT", "Analyzer", "mark_negation", "said"]

NOT = "not_"
TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[.,;:!?()\n\ue000-\ue004]")
WORD_CHARACTER = re.compile(r"\w")

_NEGATIONS = """
not no never none nobody nothing neither nor nowhere without hardly cannot cant dont didnt doesnt isnt wasnt wont
wouldnt couldnt havent hasnt arent werent
"""
# A new clause, to which the negation does not reach.
_CLAUSES = """
but although though however because and since when while until so then except yet whereas if
"""
# Words in scikit-learn's list that say something in a complaint.
_TELLING = """
back bill bottom call cry detail down empty fire front full system thick thin move show part fill find several serious
sincere top
"""
_CONTRACTED = """
i'm i've i'd i'll it's that's there's you're you've we're we've they're they've don't didn't doesn't isn't wasn't won't
wouldn't couldn't can't haven't hasn't aren't weren't shouldn't what's he's she's let's im ive id just really also got
get would
"""
ENGLISH_NEGATIONS: frozenset[str] = frozenset(_NEGATIONS.split())
CLAUSE_WORDS = frozenset(_CLAUSES.split())
TELLING = frozenset(_TELLING.split())
CONTRACTED = frozenset(_CONTRACTED.split())
STOP_WORDS = (frozenset(ENGLISH_STOP_WORDS) - TELLING) | CONTRACTED | ENGLISH_NEGATIONS


def mark_negation(text: str, negations: frozenset[str] = ENGLISH_NEGATIONS) -> str:
    """Write ``not_`` before every word that a negation reaches: those after it in its clause.

    Examples
    --------
    >>> mark_negation("Delivery was not late at all, but it wasn't cheap.")
    "Delivery was not not_late not_at not_all, but it wasn't not_cheap."
    """
    parts, at, inside = [], 0, False
    for found in TOKEN.finditer(text):
        token = found.group().lower()
        if not WORD_CHARACTER.match(token) or token in CLAUSE_WORDS:
            inside = False
        elif is_negation(token, negations):
            inside = True
        elif inside:
            parts += [text[at : found.start()], NOT]
            at = found.start()
    return "".join([*parts, text[at:]])


def is_negation(token: str, negations: frozenset[str]) -> bool:
    """Tell whether a lower-case word denies what follows."""
    return token in negations or (bool(negations) and token.endswith(("n't", "n\u2019t")))


class Analyzer:
    """Words and pairs of neighbouring words of a text; stop words and numbers left out, denied words marked.

    A callable, as the parameter ``analyzer`` of scikit-learn's vectorizers takes it.
    """

    def __init__(self, negations: Iterable[str] = ENGLISH_NEGATIONS, stop_words: Iterable[str] = STOP_WORDS) -> None:
        self.negations = frozenset(negations)
        self.stop_words = frozenset(stop_words)

    def __call__(self, text: str) -> list[str]:
        """Return the distinct words and pairs of a text."""
        terms: dict[str, None] = {}
        for clause in self.clauses(text):
            previous = ""
            for word in clause:
                terms[word] = None
                if previous:
                    terms[f"{previous} {word}"] = None
                previous = word
        return list(terms)

    def clauses(self, text: str) -> Iterator[list[str]]:
        """Yield the telling words of each stretch between punctuation marks."""
        negations, stop_words = self.negations, self.stop_words
        clause: list[str] = []
        inside = False
        for token in TOKEN.findall(text.lower()):
            if len(token) == 1 and not token.isalnum():
                if clause:
                    yield clause
                    clause = []
                inside = False
            elif token in CLAUSE_WORDS:
                inside = False
            elif token in negations or token.endswith(("n't", "n\u2019t")):
                inside = bool(negations)
            elif token not in stop_words and len(token) > 1 and not token.isdigit():
                clause.append(NOT + token if inside else token)
        if clause:
            yield clause


def said(term: str) -> str:
    """Write a term as a reader wants it.

    Examples
    --------
    >>> said("not_answers not_phone"), said("not_late"), said("parcel late")
    ('not answers phone', 'not late', 'parcel late')
    """
    return f"not {term.replace(NOT, '')}" if NOT in term else term
