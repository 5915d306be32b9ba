"""Words and phrases of texts: who uses which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

from segmentation._format import count
from segmentation.exceptions import CustomerTableError
from segmentation.feedback._input import Rows
from segmentation.feedback._patterns import MASKS
from segmentation.feedback._words import Analyzer, mark_negation, said

__all__ = ["Mentions", "count_words", "customers_who", "frequent"]

_UNMASKED = str.maketrans(dict.fromkeys(MASKS, " "))


@dataclass(eq=False)
class Mentions:
    """Who mentions what: `by_text` (n_texts, n_things), `by_customer` (n_customers, n_things)."""

    things: list[str]
    by_text: Any
    by_customer: Any


def count_words(
    masked: list[str], vectorizer: Any, negations: frozenset[str], ignore: frozenset[str]
) -> tuple[Callable[[str], Any], list[str], Any]:
    """Return what takes a masked text apart, the terms, and which text has which."""
    if vectorizer is None:
        analyzer: Callable[[str], Any] = Analyzer(negations)
        counter = CountVectorizer(analyzer=analyzer, dtype=np.int32)
        table = _fitted(counter, masked)
    else:
        if isinstance(vectorizer, type) or not hasattr(vectorizer, "get_feature_names_out"):
            raise TypeError(
                f"vectorizer must be one of scikit-learn that knows its words, such as CountVectorizer(), got "
                f"{vectorizer!r}."
            )
        counter = clone(vectorizer)
        table = _fitted(counter, [_marked(value, negations) for value in masked])
        # of a fresh copy: the fitted one holds every word of every customer, and the result keeps the analyzer
        build: Callable[[str], Any] = clone(vectorizer).build_analyzer()
        analyzer = _Marking(build, negations)
    terms = [str(term) for term in counter.get_feature_names_out()]
    table = sparse.csr_array(table)
    if ignore:
        wanted = [not ignore & set(said(term).split()) for term in terms]
        table = sparse.csr_array(table[:, np.flatnonzero(wanted)])
        terms = [term for term, flag in zip(terms, wanted, strict=True) if flag]
    return analyzer, terms, table


def _fitted(counter: Any, masked: list[str]) -> Any:
    try:
        return counter.fit_transform(masked)
    except ValueError as error:
        raise CustomerTableError(f"the texts hold no words to compare: {error}") from error


def _marked(value: str, negations: frozenset[str]) -> str:
    return mark_negation(value, negations).translate(_UNMASKED)


class _Marking:
    """Mark what is denied, then take a text apart as a vectorizer does."""

    def __init__(self, build: Callable[[str], Any], negations: frozenset[str]) -> None:
        self.build = build
        self.negations = negations

    def __call__(self, text: str) -> Any:
        return self.build(_marked(text, self.negations))


def frequent(rows: Rows, terms: list[str], by_text: Any, minimum: int, max_terms: int) -> Mentions:
    """Keep the terms that at least `minimum` customers use, the most frequent first where they are too many."""
    by_customer = customers_who(by_text, rows)
    users = np.bincount(by_customer.indices, minlength=by_customer.shape[1])
    kept = np.flatnonzero(users >= minimum)
    if kept.size < 2:
        found = "no word is" if not kept.size else f"only one word ({said(terms[kept[0]])!r}) is"
        raise CustomerTableError(
            f"{found} used by {minimum} customers or more, and words are compared with the others; "
            f"{count(len(rows.ids), 'customer')} wrote something."
        )
    if kept.size > max_terms:
        rows.warnings.append(
            f"{count(int(kept.size - max_terms), 'rarer word or phrase', 'rarer words and phrases')} not compared: "
            f"max_terms is {max_terms:,}."
        )
        kept = np.sort(kept[np.argsort(-users[kept], kind="stable")[:max_terms]])
    return Mentions(
        [terms[i] for i in kept], sparse.csr_array(by_text[:, kept]), sparse.csr_array(by_customer[:, kept])
    )


def customers_who(by_text: Any, rows: Rows) -> Any:
    """Return which customer mentions what at least once."""
    n = len(rows.customer)
    who = sparse.csr_array((np.ones(n, dtype=np.int32), (rows.customer, np.arange(n))), shape=(len(rows.ids), n))
    table = sparse.csr_array(who @ by_text)
    table.eliminate_zeros()
    table.sum_duplicates()
    return table
