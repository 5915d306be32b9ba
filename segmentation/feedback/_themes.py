"""Group words into themes, and the protocol through which other models bring their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from segmentation._format import name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.exceptions import OutputError

__all__ = ["ThemeFinder", "found_themes", "group_terms", "without_repeats"]

# Words of one theme: how much oftener than by chance the rarer stands in texts of the more frequent, on average.
TOGETHER = 0.15


@runtime_checkable
class ThemeFinder(Protocol):
    """What a topic model or an embedding must be wrapped as, for `pain_points` to use it.

    It sees the texts only, never the segments: whether a theme belongs to a segment is tested afterwards.
    """

    def find(self, texts: Sequence[str]) -> Any:
        """Return which text mentions which theme.

        Parameters
        ----------
        texts : sequence of str
            Personal data masked.

        Returns
        -------
        dataframe of shape (n_texts, n_themes)
            True or 1 where a text mentions the theme; its columns are the names of the themes. A text may mention
            several, or none.
        """
        ...


def found_themes(finder: Any, texts: Sequence[str]) -> tuple[list[str], Any]:
    """Ask a finder; return names of themes and a sparse array (n_texts, n_themes)."""
    if isinstance(finder, str | bytes | type) or not callable(getattr(finder, "find", None)):  # a text has a find, too
        raise TypeError(
            f"themes must have a method find(texts) that returns a table of texts by themes, got {kind_of(finder)}."
        )
    table = finder.find(list(texts))
    who = f"{type(finder).__name__}.find"
    if not is_frame(table):
        raise OutputError(f"{who} must return a table of texts by themes, got {kind_of(table)}.")
    table = to_pandas(table)
    if len(table) != len(texts) or not table.shape[1]:
        raise OutputError(
            f"{who} must return {len(texts):,} rows, one per text, and a theme at least, got {table.shape}."
        )
    try:
        values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise OutputError(f"{who} must return true or false (1 or 0): {error}.") from error
    if not np.isin(values, (0.0, 1.0)).all():
        raise OutputError(f"{who} must return true or false (1 or 0), not degrees: cut them at a threshold first.")
    names = [str(name) for name in table.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise OutputError(f"{who}: names of themes must be unique; repeated: {name_some(repeated)}.")
    return names, sparse.csr_array(values)


def without_repeats(
    terms: Sequence[str], claimed: NDArray[np.bool_], strength: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Drop phrases that say no more than one of their words does: (n_terms, n_segments), claimed as before or not.

    A phrase stays claimed for a segment only if it is stronger there than each of its words that is claimed too.
    """
    kept = claimed.copy()
    place = {term: i for i, term in enumerate(terms)}
    for i in np.flatnonzero(claimed.any(axis=1)):
        parts = terms[int(i)].split(" ")
        for part in parts if len(parts) > 1 else ():
            j = place.get(part)
            if j is not None:
                kept[i] &= ~(claimed[j] & (strength[j] >= strength[i]))
    return kept


def group_terms(mentions: Any, claimed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Put terms that stand in the same texts into one theme; return the theme of each, from 0 on.

    Average linkage on how much oftener than by chance the rarer of two terms stands in a text with the other:
    ``(P(both) / P(rarer) - P(other)) / (1 - P(other))``. Nothing random is in it, so equal texts give equal themes.
    This is multiplied by the share of the segments of either that both are claimed for, so that a theme hurts the same
    segments throughout.

    Parameters
    ----------
    mentions : sparse array of shape (n_texts, n_terms)
    claimed : ndarray of shape (n_terms, n_segments)
    """
    n_texts, n_terms = mentions.shape
    if n_terms < 2:
        return np.zeros(n_terms, dtype=np.int64)
    table = sparse.csr_array(mentions, dtype=np.float64)
    both = (table.T @ table).toarray()
    times = np.diag(both)
    rarer, other = np.minimum.outer(times, times), np.maximum.outer(times, times) / n_texts
    alike = (both / rarer - other) / np.maximum(1.0 - other, 1e-12)
    flags = claimed.astype(np.float64)
    common = flags @ flags.T
    own = flags.sum(axis=1)
    common /= own[:, None] + own[None, :] - common
    distance = np.clip(1.0 - alike * common, 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), method="average")
    return np.asarray(fcluster(tree, 1.0 - TOGETHER, criterion="distance") - 1, dtype=np.int64)
