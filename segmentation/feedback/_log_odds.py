"""Which words one group uses more than another: weighted log-odds with an informative Dirichlet prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.feedback._input import check_positive

__all__ = ["log_odds", "prior_of", "weighted_log_odds"]

Floats = NDArray[np.float64]
PRIOR_STRENGTH = 0.1


def prior_of(total: Floats, strength: float) -> Floats:
    """Return the pseudo-counts of words: their counts in all texts times `strength`."""
    return strength * total


def log_odds(counts: Floats, prior: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Return log-odds of each group against the rest, and their standard errors, both (n_words, n_groups).

    Parameters
    ----------
    counts : ndarray of shape (n_words, n_groups)
    prior : ndarray of shape (n_words,)
        Pseudo-counts, added to both sides.
    sizes : ndarray of shape (n_groups,)
        Words (or customers) in each group.
    """
    rest = counts.sum(axis=1, keepdims=True) - counts
    prior_total = prior.sum()
    mine, theirs = counts + prior[:, None], rest + prior[:, None]
    n_mine, n_theirs = sizes + prior_total, sizes.sum() - sizes + prior_total
    delta = np.log(mine / (n_mine - mine)) - np.log(theirs / (n_theirs - theirs))
    return delta, np.sqrt(1.0 / mine + 1.0 / theirs)


def weighted_log_odds(counts: Any, prior: Any = None, *, prior_strength: float = PRIOR_STRENGTH) -> pd.DataFrame:
    """Compare how often each group uses each word with how often all the others do.

    Parameters
    ----------
    counts : dataframe of shape (n_words, n_groups)
        How often each word (index) stands in each group (columns).
    prior : Series, optional
        Pseudo-counts of each word; by default `prior_strength` times its count in all groups together, an informative
        prior that pulls rare words towards "no difference" more than frequent ones.
    prior_strength : float, default=0.1
        A tenth: the prior is worth a tenth of all texts.

    Returns
    -------
    pandas.DataFrame
        One row per word and group: ``word``, ``group``, ``count``, ``count_rest``, ``log_odds``, ``standard_error``,
        ``z``.

    Raises
    ------
    TypeError, ValueError
        If counts are no table of numbers from 0 on, of two groups or more, or a pseudo-count is not above 0.

    Notes
    -----
    Monroe, Colaresi and Quinn (2008), Fightin' Words, Political Analysis 16(4), doi:10.1093/pan/mpn018, equations 16
    to 22, with the approximate variance ``1 / (y_i + a) + 1 / (y_j + a)``. The ``z`` treats every word as drawn by
    itself. Words of one text, and texts of one customer, are not: `pain_points` therefore does not read claims off
    it, but off shuffled customers.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.feedback import weighted_log_odds
    >>> counts = pd.DataFrame({"a": [30, 50], "b": [10, 60]}, index=["late", "good"])
    >>> weighted_log_odds(counts).query("group == 'a'").round(2)[["word", "log_odds", "z"]].values.tolist()
    [['late', 1.04, 3.27], ['good', -1.04, -5.95]]
    """
    if not is_frame(counts):
        raise TypeError(f"counts must be a table, words by groups, got {kind_of(counts)}.")
    table = to_pandas(counts)
    if min(table.shape) < 2:
        raise ValueError(
            f"counts must have two words or more as rows and two groups or more as columns, got shape {table.shape}."
        )
    try:
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"counts must be numbers: {error}.") from error
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("counts must be finite and not negative.")
    if prior is None:
        check_positive(prior_strength=prior_strength)
        pseudo = prior_of(values.sum(axis=1), prior_strength)
    else:
        given = pd.Series(prior)
        if not given.index.is_unique or not table.index.is_unique:
            raise ValueError("every word must stand once in counts, and once in prior.")
        pseudo = given.reindex(table.index).to_numpy(dtype=np.float64)
    if not (pseudo > 0).all():
        bad = table.index[~(pseudo > 0)]
        raise ValueError(
            f"every word needs a pseudo-count above 0, in a prior by its own name; {bad[0]!r} has none: leave out "
            "words that nobody uses."
        )
    delta, spread = log_odds(values, pseudo, values.sum(axis=0))
    words, groups = table.shape
    return pd.DataFrame(
        {
            "word": np.repeat(table.index.to_numpy(), groups),
            "group": np.tile(table.columns.to_numpy(), words),
            "count": values.ravel(),
            "count_rest": (values.sum(axis=1, keepdims=True) - values).ravel(),
            "log_odds": delta.ravel(),
            "standard_error": spread.ravel(),
            "z": (delta / spread).ravel(),
        }
    )
