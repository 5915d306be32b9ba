"""What the customers of a segment complain of more than all the others do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

from segmentation._format import count, name_some
from segmentation._frames import kind_of
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.feedback._cells import MINIMUM
from segmentation.feedback._duplicates import copies
from segmentation.feedback._input import Rows, check_level, check_whole, read_rows
from segmentation.feedback._log_odds import PRIOR_STRENGTH, log_odds, prior_of
from segmentation.feedback._masking import MASKS, Masker, readable
from segmentation.feedback._pain_result import PainPoints
from segmentation.feedback._pain_tables import Claims, Feelings, Values, build_tables
from segmentation.feedback._permutation import shuffled_p_values
from segmentation.feedback._quotes import Candidate, Run, candidate_sentences, choose, customers_of_runs, runs_of
from segmentation.feedback._themes import ThemeFinder, found_themes, group_terms, without_repeats
from segmentation.feedback._words import ENGLISH_NEGATIONS, Analyzer, mark_negation, said

__all__ = ["pain_points"]

# Texts that are looked through for quotes of one theme in one segment.
TEXTS_FOR_QUOTES = 300
_UNMASKED = str.maketrans(dict.fromkeys(MASKS, " "))


@dataclass(eq=False)
class _Mentions:
    """Who mentions what: `by_text` (n_texts, n_things), `by_customer` (n_customers, n_things)."""

    things: list[str]
    by_text: Any
    by_customer: Any


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
    random_state : int or Generator, optional

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
    check_whole(1, max_terms=max_terms)
    check_whole(0, max_quotes=max_quotes)
    if not prior_strength > 0:
        raise ValueError(f"prior_strength must be above 0, got {prior_strength!r}.")
    if duplicates not in ("drop", "keep"):
        raise ValueError(f"duplicates must be 'drop' or 'keep', got {duplicates!r}.")
    rng = np.random.default_rng(random_state)
    hashing, shuffling = rng.spawn(2)
    rows = _read(texts, assignment, text, customer_id, rating, minimum)
    raw = [str(value) for value in rows.table[text]]
    masker = Masker(names, keep, capitals=mask_names).learn(raw)
    masked = [masker.mask(value) for value in raw]
    del raw
    if masker.capitals_say_nothing:
        rows.warnings.append(
            "capitals are so frequent inside sentences that names were not told by them; give those you know as names=."
        )
    denied = frozenset(word.lower() for word in negations)
    analyzer, terms, by_text = _count_words(masked, vectorizer, denied, frozenset(word.lower() for word in ignore))
    if duplicates == "drop":
        rows, masked, by_text = _without_copies(rows, masked, terms, by_text, hashing)
        rows, masked, by_text = _large_segments(rows, masked, by_text, minimum)
    words = _frequent(rows, terms, by_text, minimum, max_terms)
    segment = rows.segment_of_customer
    n_segments = len(rows.segments)
    writers = np.bincount(segment, minlength=n_segments)
    if themes is None:
        claims, mentions = _claim_words(
            words, segment, writers, prior_strength, alpha, n_permutations, minimum, shuffling
        )
    else:
        claims, mentions = _claim_themes(
            themes, rows, masked, masker, segment, writers, prior_strength, alpha, n_permutations, minimum, shuffling
        )
    finder = _sentence_finder(claims, analyzer) if themes is None else None
    ratings = None if rating is None else Feelings.of(rows, rating)
    worth = None if values is None else Values.of(values, rows)
    tables = build_tables(rows, claims, mentions.by_text, mentions.by_customer, ratings, worth, level, minimum)
    if tables.not_listed:
        rows.warnings.append(
            f"{count(len(tables.not_listed), 'theme')} not listed: one of its words is more frequent in the segment, "
            "the theme as a whole is not surely so."
        )
    listed = [pair for pair in claims.pairs() if pair not in set(tables.not_listed)]
    quotes = _quotes(rows, masked, claims, listed, mentions, finder, max_quotes, minimum) if max_quotes else []
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


def _read(texts: Any, assignment: Any, text: Any, customer_id: Any, rating: Any, minimum: int) -> Rows:
    columns = [text] if rating is None else [text, rating]
    rows = read_rows(texts, assignment, columns=columns, customer_id=customer_id, what="texts", single=text)
    written = rows.table[text]
    known = written.notna().to_numpy()
    wrong = next((value for value in written[known] if not isinstance(value, str)), None)
    if wrong is not None:
        raise ColumnError(f"the column {text!r} must hold texts, got {kind_of(wrong)} in it; text= names the column.")
    known = known & (written.fillna("").str.strip().to_numpy(dtype=object) != "")
    if rating is not None and not pd.api.types.is_numeric_dtype(rows.table[rating].dtype):
        raise ColumnError(f"the rating {rating!r} must be numbers, got {rows.table[rating].dtype}.")
    if not known.all():
        rows.warnings.append(f"{count(int((~known).sum()), 'row')} without a text left out.")
    rows = rows.keep(known)
    segment = rows.segment
    rows, _, _ = _large_segments(rows, [], None, minimum)
    if np.unique(rows.segment).size < 2:
        sizes = np.unique(segment).size
        raise CustomerTableError(
            f"a segment is compared with the others: at least two need {minimum} customers who wrote something, of "
            f"{count(sizes, 'segment')} with texts {'none has' if not len(rows.ids) else 'only one has'}."
        )
    return rows


def _large_segments(rows: Rows, masked: list[str], by_text: Any, minimum: int) -> tuple[Rows, list[str], Any]:
    """Leave out segments of which fewer than `minimum` customers wrote: not even their size can be computed then."""
    writers = np.bincount(rows.segment_of_customer, minlength=len(rows.segments))
    small = (writers > 0) & (writers < minimum)
    if not small.any():
        return rows, masked, by_text
    names = [rows.segments[i] for i in np.flatnonzero(small)]
    rows.warnings.append(f"left out, fewer than {minimum} customers wrote something: {name_some(names)}.")
    return _keep(rows, masked, by_text, ~small[rows.segment])


def _keep(rows: Rows, masked: list[str], by_text: Any, mask: NDArray[np.bool_]) -> tuple[Rows, list[str], Any]:
    kept = [value for value, flag in zip(masked, mask, strict=True) if flag] if masked else masked
    return rows.keep(mask), kept, None if by_text is None else by_text[np.flatnonzero(mask)]


def _count_words(
    masked: list[str], vectorizer: Any, negations: frozenset[str], ignore: frozenset[str]
) -> tuple[Callable[[str], Any], list[str], Any]:
    """Return what takes a masked text apart, the terms, and which text has which."""
    if vectorizer is None:
        analyzer: Callable[[str], Any] = Analyzer(negations)
        counter = CountVectorizer(analyzer=analyzer, dtype=np.int32)
        table = _fitted(counter, masked)
    else:
        counter = clone(vectorizer)
        table = _fitted(counter, [_marked(value, negations) for value in masked])
        build: Callable[[str], Any] = counter.build_analyzer()
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


def _without_copies(
    rows: Rows, masked: list[str], terms: list[str], by_text: Any, rng: np.random.Generator
) -> tuple[Rows, list[str], Any]:
    single = np.flatnonzero([" " not in term for term in terms])
    copied = copies(by_text[:, single], rows.customer, rng)
    if not copied.any():
        return rows, masked, by_text
    rows.warnings.append(f"{count(int(copied.sum()), 'long text')} left out: copies of another customer's.")
    return _keep(rows, masked, by_text, ~copied)


def _frequent(rows: Rows, terms: list[str], by_text: Any, minimum: int, max_terms: int) -> _Mentions:
    """Keep the terms that at least `minimum` customers use, the most frequent first where they are too many."""
    by_customer = _by_customer(by_text, rows)
    users = np.bincount(by_customer.indices, minlength=by_customer.shape[1])
    kept = np.flatnonzero(users >= minimum)
    if not kept.size:
        raise CustomerTableError(
            f"no word is used by {minimum} customers or more; {count(len(rows.ids), 'customer')} wrote something."
        )
    if kept.size > max_terms:
        rows.warnings.append(
            f"{count(int(kept.size - max_terms), 'rarer word or phrase', 'rarer words and phrases')} not compared: "
            f"max_terms is {max_terms:,}."
        )
        kept = np.sort(kept[np.argsort(-users[kept], kind="stable")[:max_terms]])
    return _Mentions(
        [terms[i] for i in kept], sparse.csr_array(by_text[:, kept]), sparse.csr_array(by_customer[:, kept])
    )


def _by_customer(by_text: Any, rows: Rows) -> Any:
    """Return which customer mentions what at least once."""
    n = len(rows.customer)
    who = sparse.csr_array((np.ones(n, dtype=np.int32), (rows.customer, np.arange(n))), shape=(len(rows.ids), n))
    table = sparse.csr_array(who @ by_text)
    table.eliminate_zeros()
    table.sum_duplicates()
    return table


def _claim_words(
    words: _Mentions,
    segment: NDArray[np.int64],
    writers: NDArray[np.int64],
    prior_strength: float,
    alpha: float,
    n_permutations: int,
    minimum: int,
    rng: np.random.Generator,
) -> tuple[Claims, _Mentions]:
    users = np.bincount(words.by_customer.indices, minlength=len(words.things)).astype(np.float64)
    prior = prior_of(users, prior_strength)

    def statistic(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        delta, error = log_odds(counts, prior, counts.sum(axis=0))
        return delta / error

    tested = np.broadcast_to(writers > 0, (len(words.things), len(writers)))
    z, p, counts = shuffled_p_values(words.by_customer, segment, len(writers), statistic, tested, n_permutations, rng)
    claimed = (p <= alpha) & (counts >= minimum)
    told = without_repeats(words.things, claimed, z)
    used = np.flatnonzero(told.any(axis=1))
    group = group_terms(words.by_text[:, used], told[used])
    n_themes = int(group.max()) + 1 if used.size else 0
    to_theme = sparse.csr_array(
        (np.ones(used.size, dtype=np.int32), (np.arange(used.size), group)), shape=(used.size, n_themes)
    )
    strength = np.where(told[used], z[used], -np.inf)
    names = []
    for theme in range(n_themes):
        members = np.flatnonzero(group == theme)
        order = members[np.argsort(-strength[members].max(axis=1), kind="stable")]
        name = ", ".join(said(words.things[used[i]]) for i in order[:3])
        names.append(name if name not in names else f"{name} ({theme + 1})")
    claims = Claims(
        names=names,
        terms=[words.things[i] for i in used],
        theme_of=group,
        claimed_terms=told[used],
        counts=counts[used],
        prior=prior[used],
        all_counts=counts.sum(axis=0),
        prior_total=float(prior.sum()),
        p_values=p[used],
        strength=z[used],
        writers=writers,
    )
    return claims, _Mentions(
        names,
        sparse.csr_array(words.by_text[:, used] @ to_theme),
        sparse.csr_array(words.by_customer[:, used] @ to_theme),
    )


def _claim_themes(
    themes: Any,
    rows: Rows,
    masked: list[str],
    masker: Masker,
    segment: NDArray[np.int64],
    writers: NDArray[np.int64],
    prior_strength: float,
    alpha: float,
    n_permutations: int,
    minimum: int,
    rng: np.random.Generator,
) -> tuple[Claims, _Mentions]:
    """Test the themes of a finder, customers mentioning them against customers who do not."""
    names, by_text = found_themes(themes, [readable(value) for value in masked])
    by_customer = _by_customer(by_text, rows)
    users = np.bincount(by_customer.indices, minlength=len(names)).astype(np.float64)
    known = np.flatnonzero((users >= minimum) & (users < len(rows.ids)))
    by_text, by_customer = sparse.csr_array(by_text[:, known]), sparse.csr_array(by_customer[:, known])
    prior = prior_of(users[known], prior_strength)
    prior_people = prior_strength * len(rows.ids)
    sizes = writers.astype(np.float64)

    def statistic(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        mine, theirs = counts + prior[:, None], counts.sum(axis=1, keepdims=True) - counts + prior[:, None]
        n_mine, n_theirs = sizes + prior_people, sizes.sum() - sizes + prior_people
        delta = np.log(mine / (n_mine - mine)) - np.log(theirs / (n_theirs - theirs))
        return np.asarray(delta / np.sqrt(1 / mine + 1 / theirs))

    tested = np.broadcast_to(writers > 0, (len(known), len(writers)))
    z, p, counts = shuffled_p_values(by_customer, segment, len(writers), statistic, tested, n_permutations, rng)
    claimed = (p <= alpha) & (counts >= minimum)
    shown = _safe_names([names[i] for i in known], rows, masked, masker, minimum)
    claims = Claims(
        names=shown,
        terms=shown,
        theme_of=np.arange(len(known)),
        claimed_terms=claimed,
        counts=counts,
        prior=prior,
        all_counts=sizes,
        prior_total=prior_people,
        p_values=p,
        strength=z,
        writers=writers,
    )
    return claims, _Mentions(shown, by_text, by_customer)


def _safe_names(names: list[str], rows: Rows, masked: list[str], masker: Masker, minimum: int) -> list[str]:
    """Take out of names of themes what fewer than `minimum` customers wrote."""
    split = [masker.mask(name.replace("_", " ")) for name in names]
    wanted: set[Run] = {(word,) for name in split for run in runs_of(name) for word in run}
    known = customers_of_runs(masked, rows.customer.tolist(), wanted)
    result: list[str] = []
    for i, name in enumerate(split):
        words = [word for run in runs_of(name) for word in run]
        kept = [word for word in dict.fromkeys(words) if known[(word,)] >= minimum]
        text = " ".join(kept) or f"theme {i + 1}"
        result.append(text if text not in result else f"{text} ({i + 1})")
    return result


def _sentence_finder(claims: Claims, analyzer: Callable[[str], Any]) -> Callable[[int], Callable[[str], int]]:
    """Return what counts how many terms of a theme a sentence has."""
    members = [set(terms) for terms in claims.raw_terms_of().values()]

    def of_theme(theme: int) -> Callable[[str], int]:
        return lambda sentence: len(members[theme].intersection(analyzer(sentence)))

    return of_theme


def _quotes(
    rows: Rows,
    masked: list[str],
    claims: Claims,
    pairs: list[tuple[int, int]],
    mentions: _Mentions,
    finder: Callable[[int], Callable[[str], int]] | None,
    most: int,
    minimum: int,
) -> list[dict[str, str]]:
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
