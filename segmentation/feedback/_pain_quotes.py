"""Quotes of each claim, looked for in the texts of its segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from segmentation.feedback._input import Rows
from segmentation.feedback._pain_tables import Claims
from segmentation.feedback._pain_words import Mentions
from segmentation.feedback._quotes import Candidate, candidate_sentences, choose, customers_of_runs, runs_of

__all__ = ["quotes_of", "sentence_finder"]

# Texts that are looked through for quotes of one theme in one segment.
TEXTS_FOR_QUOTES = 300


def sentence_finder(claims: Claims, analyzer: Callable[[str], Any]) -> Callable[[int], Callable[[str], int]]:
    """Return what counts how many terms of a theme a sentence has."""
    members = [set(terms) for terms in claims.raw_terms_of().values()]

    def of_theme(theme: int) -> Callable[[str], int]:
        return lambda sentence: len(members[theme].intersection(analyzer(sentence)))

    return of_theme


def quotes_of(
    rows: Rows,
    masked: list[str],
    claims: Claims,
    pairs: list[tuple[int, int]],
    mentions: Mentions,
    finder: Callable[[int], Callable[[str], int]] | None,
    most: int,
    minimum: int,
) -> list[dict[str, str]]:
    """Return up to `most` quotes of each pair of theme and segment."""
    by_theme = sparse.csc_array(mentions.by_text)
    found: dict[tuple[int, int], list[Candidate]] = {}
    for theme, segment in pairs:
        holding = by_theme.indices[by_theme.indptr[theme] : by_theme.indptr[theme + 1]]
        holding = np.sort(holding[rows.segment[holding] == segment])
        step = max(1, holding.size // TEXTS_FOR_QUOTES)
        texts = ((masked[i], int(rows.customer[i])) for i in holding[::step])
        found[theme, segment] = candidate_sentences(texts, _mention(finder, theme), TEXTS_FOR_QUOTES)
    wanted = {run for group in found.values() for candidate in group for run in runs_of(candidate.sentence)}
    known = customers_of_runs(masked, rows.customer.tolist(), wanted) if wanted else {}
    return [
        {"segment": rows.segments[segment], "theme": claims.names[theme], "quote": quote}
        for (theme, segment), group in found.items()
        for quote in choose(group, known, minimum, most, _mention(finder, theme))
    ]


def _mention(finder: Callable[[int], Callable[[str], int]] | None, theme: int) -> Callable[[str], int]:
    return (lambda _: 1) if finder is None else finder(theme)
