"""What the customers of a segment complain of more than all the others do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation.feedback._cells import MINIMUM
from segmentation.feedback._input import Rows, check_level, check_positive, check_whole, words_of
from segmentation.feedback._log_odds import PRIOR_STRENGTH
from segmentation.feedback._masking import Masker
from segmentation.feedback._pain_claims import claim_themes, claim_words
from segmentation.feedback._pain_input import check_two, large_segments, read_texts, without_copies
from segmentation.feedback._pain_quotes import quotes_of, sentence_finder
from segmentation.feedback._pain_result import PainPoints
from segmentation.feedback._pain_tables import Claims, build_tables
from segmentation.feedback._pain_words import count_words, frequent
from segmentation.feedback._pain_worth import Feelings, Values
from segmentation.feedback._themes import ThemeFinder
from segmentation.feedback._words import ENGLISH_NEGATIONS

__all__ = ["pain_points"]


def pain_points(
    texts: Any,
    assignment: Any,
    *,
    text: Any = "text",
    customer_id: Any = "customer_id",
    rating: Any = None,
    values: Any = None,
    themes: ThemeFinder | None = None,
    vectorizer: Any = None,
    negations: Iterable[str] = ENGLISH_NEGATIONS,
    ignore: Iterable[str] = (),
    names: Iterable[str] = (),
    keep: Iterable[str] = (),
    mask_names: bool = True,
    duplicates: str = "drop",
    max_terms: int = 5000,
    max_quotes: int = 3,
    minimum: int = MINIMUM,
    level: float = 0.95,
    alpha: float = 0.05,
    n_permutations: int = 299,
    prior_strength: float = PRIOR_STRENGTH,
    random_state: Any = None,
) -> PainPoints:
    """Find the themes that the customers of a segment write about more than all the others.

    Parameters
    ----------
    texts : dataframe, or Series of texts indexed by customer
        One row per text; a customer may have written several.
    assignment : dataframe or Series
        From `segmentation.assign`.
    text, customer_id : column names
    rating : column name, optional
        Numbers of which more is better; then each theme says how those who mention it rate.
    values : Series or dataframe of one column, optional
        What each customer is worth, for instance from `segmentation.score_customers`.
    themes : ThemeFinder, optional
        A topic model or clustered embeddings of your own. By default themes are groups of words.
    vectorizer : scikit-learn vectorizer, optional
        How words are counted, for other languages than English: ``CountVectorizer(stop_words=[...],
        strip_accents="unicode", ngram_range=(1, 2))``. By default words and pairs of words without
        English stop words.
    negations : iterable of str
        Words that deny what follows in their clause; what is denied counts as another word ("not late"). Give those of
        your language, or ``()``.
    ignore : iterable of str, optional
        Words that are of no interest, such as what is sold; pairs with them are left out as well.
    names, keep, mask_names
        As in `mask_personal_data`.
    duplicates : {"drop", "keep"}, default="drop"
        Long texts that copy one of another customer say nothing by themselves; dropped ones are counted.
    max_terms : int, default=5000
        The words used by the most customers are compared.
    max_quotes : int, default=3
        Per theme and segment; 0 for none.
    minimum : int, default=10
        Fewest customers behind anything shown. A word that fewer use is not looked at.
    level : float, default=0.95
        Level of the intervals.
    alpha : float, default=0.05
        Chance to claim anything at all where segments have nothing to do with texts.
    n_permutations : int, default=299
        How often customers are shuffled over segments.
    prior_strength : float, default=0.1
        As in `weighted_log_odds`.
    random_state : int, Generator or RandomState, optional

    Returns
    -------
    PainPoints
        Its ``table`` has one row per segment and theme that is claimed for it.

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError, OutputError
        If a table is not what it should be, there are no two segments of `minimum` customers who wrote, or no word is
        used by as many.

    Notes
    -----
    1. Personal data are masked, denied words marked, copies dropped.
    2. A customer counts once for each word, however often it is used. Words of a segment and of all others are compared
       by `weighted_log_odds`.
    3. A word is claimed for a segment if its ``z`` there is larger than the largest of any word in any segment is in
       all but alpha of the shuffles, in which whole customers change segments with everything they wrote. The ``z`` of
       words alone takes the words of one text as independent, and is no test.
    4. Claimed words that stand in the same texts are grouped (average linkage); a theme is claimed for the segments
       that one of its words is claimed for. Customers mention it if they use any of its words undenied.

    Themes are found in the texts that they are then measured in, so that differences to the others come out too large;
    intervals take the themes as given. The value is that of the customers who mention a theme. It is not lost, and
    nothing says that they would buy more without it.

    What is shown of texts is what at least `minimum` customers have written: a word of a theme; in quotes, every three
    neighbouring words. Counts of the others below `minimum` are taken as ``minimum - 1``, and figures that rest on
    them (column ``others_capped``) are bounds. That many customers of a segment share a theme is shown by design.

    References
    ----------
    Monroe, Colaresi and Quinn (2008), doi:10.1093/pan/mpn018. Westfall and Young (1993), Resampling-Based Multiple
    Testing. Phipson and Smyth (2010), doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> from segmentation.datasets import make_market
    >>> from segmentation.feedback import pain_points
    >>> market = make_market(8_000, random_state=0)
    >>> found = pain_points(market.feedback.dropna(subset=["text"]), market.truth["segment"], random_state=0)
    >>> found.table.groupby("segment", observed=True)["theme"].first().loc["bargain"].split(", ")[0]
    'prices'
    """
    check_level(level=level, alpha=alpha)
    check_whole(2, minimum=minimum)
    check_whole(99, n_permutations=n_permutations)
    check_whole(2, max_terms=max_terms)
    check_whole(0, max_quotes=max_quotes)
    check_positive(prior_strength=prior_strength)
    if duplicates not in ("drop", "keep"):
        raise ValueError(f"duplicates must be 'drop' or 'keep', got {duplicates!r}.")
    denied = frozenset(word.lower() for word in words_of(negations, "negations"))
    dull = frozenset(word.lower() for word in words_of(ignore, "ignore"))
    rng = _generator(random_state)
    hashing, shuffling = rng.spawn(2)
    rows = read_texts(texts, assignment, text, customer_id, rating, minimum)
    raw = [str(value) for value in rows.table[text]]
    masker = Masker(names, keep, capitals=mask_names).learn(raw)
    masked = [masker.mask(value) for value in raw]
    del raw
    if masker.capitals_say_nothing:
        rows.warnings.append(
            "capitals are so frequent inside sentences that names were not told by them; give those you know as names=."
        )
    analyzer, terms, by_text = count_words(masked, vectorizer, denied, dull)
    if duplicates == "drop":
        n_before = np.unique(rows.segment).size
        rows, masked, by_text = without_copies(rows, masked, terms, by_text, hashing)
        rows, masked, by_text = large_segments(rows, masked, by_text, minimum)
        check_two(rows, minimum, n_before)
    words = frequent(rows, terms, by_text, minimum, max_terms)
    segment = rows.segment_of_customer
    n_segments = len(rows.segments)
    writers = np.bincount(segment, minlength=n_segments)
    if themes is None:
        claims, mentions = claim_words(
            words, segment, writers, prior_strength, alpha, n_permutations, minimum, shuffling
        )
    else:
        claims, mentions = claim_themes(
            themes, rows, masked, masker, segment, writers, prior_strength, alpha, n_permutations, minimum, shuffling
        )
    finder = sentence_finder(claims, analyzer) if themes is None else None
    ratings = None if rating is None else Feelings.of(rows, rating)
    worth = None if values is None else Values.of(values, rows)
    tables = build_tables(rows, claims, mentions.by_text, mentions.by_customer, ratings, worth, level, minimum)
    if tables.not_listed:
        rows.warnings.append(
            f"{count(len(tables.not_listed), 'theme')} not listed: one of its words is more frequent in the segment, "
            "the theme as a whole is not surely so."
        )
    listed = [pair for pair in claims.pairs() if pair not in set(tables.not_listed)]
    quotes = quotes_of(rows, masked, claims, listed, mentions, finder, max_quotes, minimum) if max_quotes else []
    members = claims.raw_terms_of()
    settings = {
        "n_texts": len(masked),
        "n_customers": len(rows.ids),
        "n_segments": int((writers > 0).sum()),
        "n_terms": len(words.things),
        "themes": "words" if themes is None else type(themes).__name__,
        "vectorizer": "words and pairs" if vectorizer is None else type(vectorizer).__name__,
        "rating": None if rating is None else str(rating),
        "values": None if worth is None else worth.name,
        "minimum": int(minimum),
        "level": float(level),
        "alpha": float(alpha),
        "n_permutations": int(n_permutations),
        "prior_strength": float(prior_strength),
        "max_terms": int(max_terms),
        "duplicates": duplicates,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
    }
    return PainPoints(
        table=tables.themes,
        terms=tables.terms,
        quotes=pd.DataFrame(quotes, columns=["segment", "theme", "quote"]),
        prevalence=tables.prevalence,
        segments=tables.segments,
        settings=settings,
        warnings=tuple(_warnings(rows, worth, claims, themes is not None)),
        _analyzer=analyzer if themes is None else None,
        _terms_of={} if themes is not None else {name: members[name] for name in tables.prevalence.index},
    )


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)


def _warnings(rows: Rows, worth: Values | None, claims: Claims, own_themes: bool) -> list[str]:
    notes = list(rows.warnings)
    if worth is not None:
        notes += worth.notes
        notes.append("values are those of the customers who mention a theme; they are not lost.")
    if claims.names and not own_themes:
        notes.append(
            "themes are measured in the texts that they were found in: how much more a segment mentions them comes out "
            "too large."
        )
    return notes
