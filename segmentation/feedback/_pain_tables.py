"""The tables of `pain_points`: how many mention each theme, how they rate, what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from segmentation.feedback._cells import few_on_a_side, protect
from segmentation.feedback._input import Rows
from segmentation.feedback._intervals import proportion_interval, share_difference
from segmentation.feedback._pain_worth import Feelings, Values
from segmentation.feedback._words import said

__all__ = ["Claims", "Tables", "build_tables", "capped_rest"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Claims:
    """What is claimed for which segment. Arrays of terms have a row per claimed term and a column per segment."""

    names: list[str]  # of themes
    terms: list[str]
    theme_of: NDArray[np.int64]
    claimed_terms: Flags
    counts: Floats
    prior: Floats
    all_counts: Floats  # (n_segments,): of all terms together
    prior_total: float
    p_values: Floats
    strength: Floats
    writers: NDArray[np.int64]

    @property
    def claimed(self) -> Flags:
        """Which theme is claimed for which segment, (n_themes, n_segments)."""
        result = np.zeros((len(self.names), len(self.writers)), dtype=np.bool_)
        np.logical_or.at(result, self.theme_of, self.claimed_terms)
        return result

    def best(self, theme: int, segment: int) -> tuple[float, float]:
        """Return strength and p-value of the strongest term of a theme in a segment."""
        members = np.flatnonzero((self.theme_of == theme) & self.claimed_terms[:, segment])
        first = members[np.argmax(self.strength[members, segment])]
        return float(self.strength[first, segment]), float(self.p_values[first, segment])

    def pairs(self) -> list[tuple[int, int]]:
        """Return all claims as (theme, segment), by segment, the strongest first."""
        found = [(int(theme), int(segment)) for theme, segment in np.argwhere(self.claimed)]
        return sorted(found, key=lambda pair: (pair[1], -self.best(*pair)[0], pair[0]))

    def raw_terms_of(self) -> dict[str, list[str]]:
        """Return the terms of each theme as the analyzer makes them."""
        result: dict[str, list[str]] = {name: [] for name in self.names}
        for term, theme in zip(self.terms, self.theme_of, strict=True):
            result[self.names[theme]].append(term)
        return result


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of the result."""

    themes: pd.DataFrame
    terms: pd.DataFrame
    prevalence: pd.DataFrame
    segments: pd.DataFrame
    not_listed: list[tuple[int, int]]


def capped_rest(counts: Floats, claimed: Flags, minimum: int) -> tuple[Floats, Flags]:
    """Return how many of all other segments mention a thing, and where that is a bound and not the number.

    Those segments for which it is not claimed are together taken as ``minimum - 1`` where they are fewer, so that
    neither the figure nor its difference to that of another segment gives a small count away.

    Examples
    --------
    >>> rest, capped = capped_rest(np.array([[40.0, 3.0, 0.0], [40.0, 30.0, 20.0]]),
    ...                            np.array([[True, False, False], [True, False, False]]), 10)
    >>> rest[:, 0].tolist(), capped.tolist()
    ([9.0, 50.0], [True, False])
    """
    mine = np.where(claimed, counts, 0.0)
    quiet = np.where(claimed, 0.0, counts).sum(axis=1)
    small = (quiet < minimum) & ~claimed.all(axis=1)
    quiet = np.where(small, minimum - 1, quiet)
    return mine.sum(axis=1, keepdims=True) - mine + quiet[:, None], small


def build_tables(
    rows: Rows,
    claims: Claims,
    by_text: Any,
    by_customer: Any,
    ratings: Feelings | None,
    worth: Values | None,
    level: float,
    minimum: int,
) -> Tables:
    """Build all tables of the result."""
    n_segments = len(rows.segments)
    segment_of = rows.segment_of_customer
    by_theme = sparse.csc_array(by_customer)
    texts_by_theme = sparse.csc_array(by_text)
    n_themes = len(claims.names)
    mentioned = np.zeros((n_themes, n_segments))
    for theme in range(n_themes):
        mentioned[theme] = np.bincount(segment_of[_column(by_theme, theme)], minlength=n_segments)
    rest, capped = capped_rest(mentioned, claims.claimed, minimum)
    rest = np.minimum(rest, claims.writers.sum() - claims.writers[None, :])
    records: list[dict[str, Any]] = []
    not_listed: list[tuple[int, int]] = []
    with_any = np.zeros(len(rows.ids), dtype=np.bool_)
    with_pain = np.zeros(len(rows.ids), dtype=np.bool_)
    n_claims, n_pains = np.zeros(n_segments, dtype=int), np.zeros(n_segments, dtype=int)
    for theme, segment in claims.pairs():
        here = segment_of == segment
        who = np.zeros(len(rows.ids), dtype=np.bool_)
        who[_column(by_theme, theme)] = True
        hidden = bool(few_on_a_side(mentioned[theme, segment], claims.writers[segment], minimum))
        record: dict[str, Any] = {"segment": rows.segments[segment], "theme": claims.names[theme]}
        n, n_all = claims.writers[segment], claims.writers.sum()
        shares = _shares(mentioned[theme, segment], n, rest[theme, segment], n_all, level)
        if shares["difference_low"] <= 0:  # one of its words is more frequent here, the theme as a whole is not
            not_listed.append((theme, segment))
            continue
        record |= dict.fromkeys(shares, np.nan) if hidden else shares
        _, p_value = claims.best(theme, segment)
        record |= {"others_capped": bool(capped[theme]), "p_adjusted": p_value}
        with_any |= who & here
        n_claims[segment] += 1
        if ratings is not None:
            texts = np.zeros(len(rows.customer), dtype=np.bool_)
            texts[_column(texts_by_theme, theme)] = True
            record |= ratings.compare(texts, segment, level, minimum)
            if record["feeling"] == "pain":
                with_pain |= who & here
                n_pains[segment] += 1
        if worth is not None:
            total = worth.among(here).total(who[here], level)
            record |= dict.fromkeys(total, np.nan) if hidden else total
        records.append(record)
    table = pd.DataFrame(records, columns=None if records else _no_claim_columns(ratings, worth))
    table["segment"] = pd.Categorical(table["segment"], categories=rows.segments)
    segments = _segment_table(rows, claims, segment_of, with_any, n_claims, "theme", worth, level, minimum)
    if ratings is not None:
        pains = _segment_table(rows, claims, segment_of, with_pain, n_pains, "pain", worth, level, minimum)
        segments = segments.join(pains.drop(columns="n_wrote"))
    grid = _grid(rows, claims, mentioned, minimum)
    return Tables(
        table,
        _term_table(rows, claims, set(not_listed), level, minimum),
        grid[grid.index.isin(table["theme"])],
        segments,
        not_listed,
    )


def _column(table: Any, j: int) -> NDArray[Any]:
    return np.asarray(table.indices[table.indptr[j] : table.indptr[j + 1]])


def _no_claim_columns(ratings: Feelings | None, worth: Values | None) -> list[str]:
    names = ["segment", "theme", *_shares(10, 20, 10, 40, 0.9), "others_capped", "p_adjusted"]
    if ratings is not None:
        names += ["rating", "rating_others", "rating_difference", "rating_difference_low", "rating_difference_high"]
        names += ["feeling"]
    return names + (["value_total", "value_total_low", "value_total_high", "value_share"] if worth is not None else [])


def _shares(mine: float, n: float, rest: float, n_all: float, level: float) -> dict[str, float]:
    """Return how many mention a theme in a segment, and elsewhere."""
    share, other = np.array(mine / n), np.array(rest / (n_all - n))
    low, high = proportion_interval(share, n, level)
    gap_low, gap_high = share_difference(share, np.array(n), other, np.array(n_all - n), level)
    figures = {
        "n_customers": mine,
        "prevalence": share,
        "prevalence_low": low,
        "prevalence_high": high,
        "prevalence_others": other,
        "difference": share - other,
        "difference_low": gap_low,
        "difference_high": gap_high,
    }
    return {name: float(value) for name, value in figures.items()}


def _segment_table(
    rows: Rows,
    claims: Claims,
    segment_of: NDArray[np.int64],
    mention: Flags,
    n_themes: NDArray[Any],
    prefix: str,
    worth: Values | None,
    level: float,
    minimum: int,
) -> pd.DataFrame:
    """Return, per segment, how many mention any of its themes, and what they are worth."""
    records = []
    for segment in range(len(rows.segments)):
        here = segment_of == segment
        n = int(here.sum())
        record: dict[str, Any] = {"n_wrote": float(n) if n else np.nan, f"n_{prefix}s": int(n_themes[segment])}
        part = mention[here]
        hidden = not n or bool(few_on_a_side(np.array(part.sum()), n, minimum))
        record[f"{prefix}_share"] = np.nan if hidden else float(part.mean())
        if worth is not None:
            names = [f"{prefix}_value_total", f"{prefix}_value_total_low", f"{prefix}_value_total_high"]
            names += [f"{prefix}_value_share"]
            total = (
                dict.fromkeys(names, np.nan)
                if hidden
                else dict(zip(names, worth.among(here).total(part, level).values(), strict=True))
            )
            record |= total
        records.append(record)
    return pd.DataFrame(records, index=pd.Index(rows.segments, name="segment", dtype=object))


def _term_table(
    rows: Rows, claims: Claims, not_listed: set[tuple[int, int]], level: float, minimum: int
) -> pd.DataFrame:
    """Return the words behind the claims, with log-odds against the other segments."""
    rest, capped = capped_rest(claims.counts, claims.claimed_terms, minimum)
    n_mine = claims.all_counts[None, :] + claims.prior_total
    n_theirs = claims.all_counts.sum() - claims.all_counts[None, :] + claims.prior_total
    # pseudo-counts are a part of the total, which must not give a small number of the others away
    strength = claims.prior / claims.counts.sum(axis=1)
    prior = strength[:, None] * (claims.counts + rest)
    mine, theirs = claims.counts + prior, rest + prior
    with np.errstate(invalid="ignore", divide="ignore"):  # in segments that a word is not claimed for
        delta = np.log(mine / (n_mine - mine)) - np.log(theirs / (n_theirs - theirs))
    half = stats.norm.ppf(0.5 + level / 2) * np.sqrt(1 / mine + 1 / theirs)
    records = []
    for theme, segment in (pair for pair in claims.pairs() if pair not in not_listed):
        members = np.flatnonzero((claims.theme_of == theme) & claims.claimed_terms[:, segment])
        for i in members[np.argsort(-claims.strength[members, segment], kind="stable")]:
            records.append(  # noqa: PERF401
                {
                    "segment": rows.segments[segment],
                    "theme": claims.names[theme],
                    "term": said(claims.terms[i]),
                    "n_customers": int(claims.counts[i, segment]),
                    "log_odds": float(delta[i, segment]),
                    "log_odds_low": float((delta - half)[i, segment]),
                    "log_odds_high": float((delta + half)[i, segment]),
                    "others_capped": bool(capped[i]),
                    "p_adjusted": float(claims.p_values[i, segment]),
                }
            )
    columns = ["segment", "theme", "term", "n_customers", "log_odds", "log_odds_low", "log_odds_high"]
    table = pd.DataFrame(records, columns=[*columns, "others_capped", "p_adjusted"])
    table["segment"] = pd.Categorical(table["segment"], categories=rows.segments)
    return table


def _grid(rows: Rows, claims: Claims, mentioned: Floats, minimum: int) -> pd.DataFrame:
    """Return the share of each segment that mentions each theme; small cells missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = mentioned / claims.writers[None, :]
    hide = few_on_a_side(mentioned, claims.writers[None, :], minimum)
    for i, claimed in enumerate(claims.claimed):
        open_ = np.flatnonzero(~claimed)
        hide[i, open_] |= protect(mentioned[i, open_], minimum)
    shares[hide] = np.nan
    index = pd.Index(claims.names, name="theme", dtype=object)
    return pd.DataFrame(shares, index=index, columns=pd.Index(rows.segments, name="segment", dtype=object))
