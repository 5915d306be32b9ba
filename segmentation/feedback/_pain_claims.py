"""Which words or themes are claimed for which segment, tested by shuffled customers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.feedback._input import Rows
from segmentation.feedback._log_odds import log_odds, prior_of
from segmentation.feedback._masking import Masker, readable
from segmentation.feedback._pain_tables import Claims
from segmentation.feedback._pain_words import Mentions, customers_who
from segmentation.feedback._permutation import shuffled_p_values
from segmentation.feedback._quotes import Run, customers_of_runs, runs_of
from segmentation.feedback._themes import found_themes, group_terms, without_repeats
from segmentation.feedback._words import said

__all__ = ["claim_themes", "claim_words"]


def claim_words(
    words: Mentions,
    segment: NDArray[np.int64],
    writers: NDArray[np.int64],
    prior_strength: float,
    alpha: float,
    n_permutations: int,
    minimum: int,
    rng: np.random.Generator,
) -> tuple[Claims, Mentions]:
    """Test the words, group those that are claimed, and say who mentions each group."""
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
    return claims, Mentions(
        names,
        sparse.csr_array(words.by_text[:, used] @ to_theme),
        sparse.csr_array(words.by_customer[:, used] @ to_theme),
    )


def claim_themes(
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
) -> tuple[Claims, Mentions]:
    """Test the themes of a finder, customers mentioning them against customers who do not."""
    names, by_text = found_themes(themes, [readable(value) for value in masked])
    by_customer = customers_who(by_text, rows)
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
    return claims, Mentions(shown, by_text, by_customer)


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
