"""Named segments from recency, frequency and monetary value."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation._tags import SegmentationTags
from segmentation._why import Evidence, Why, sort_evidence
from segmentation.assignment import UNASSIGNED
from segmentation.base import Segmenter
from segmentation.exceptions import FitDiagnosisWarning
from segmentation.features._rfm_scores import RFM_COLUMNS, check_values, learn_cuts

__all__ = ["RFMSegmenter"]

# Recency score (rows, 1 to 5) by the mean of the frequency and monetary scores, rounded half up (columns, 1 to 5).
_STANDARD_NAMES = (
    "champions",
    "loyal",
    "potential loyalists",
    "new",
    "promising",
    "need attention",
    "about to sleep",
    "at risk",
    "cannot lose",
    "hibernating",
)
_STANDARD_GRID = (
    ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    ("about to sleep", "about to sleep", "need attention", "loyal", "loyal"),
    ("promising", "potential loyalists", "potential loyalists", "loyal", "loyal"),
    ("new", "potential loyalists", "potential loyalists", "champions", "champions"),
)
_LETTERS = ("r", "f", "m", "fm")

Ranges = Mapping[str, tuple[int, int] | int]


class RFMSegmenter(Segmenter):
    """Put customers into named segments by how recently, how often and for how much they bought.

    Parameters
    ----------
    bins : int or mapping of column to cut points, default=5
        Number of scores per column, cut at quantiles learnt in ``fit``; or ascending cut points per column, each
        the upper end of a bin (that is part of it). Columns that a mapping leaves out are cut at as many quantiles.
    segments : "standard" or mapping of name to score ranges, default="standard"
        "standard": ten names on the grid of the recency score and the mean of the frequency and monetary scores
        (rounded half up), see Notes. Or your own, for instance
        ``{"vip": {"r": (4, 5), "f": (4, 5)}, "asleep": {"r": 1}}``: a range ``(low, high)`` or one score of ``r``,
        ``f``, ``m`` or ``fm``; letters left out may be anything. Segments must not overlap; customers outside all
        of them are unassigned.

    Attributes
    ----------
    segments_ : ndarray of shape (n_segments,)
        Names in their declared order.
    labels_ : ndarray of shape (n_customers,)
    cuts_ : pandas.DataFrame
        One row per column: ``cut_1``, ... and ``source``: "quantiles", "given", or "fixed" where fewer than four of
        the quintiles of ``n_purchases`` differ: then 1, 2, 3-4, 5-9 and 10 or more purchases.
    score_counts_ : pandas.DataFrame
        Customers of ``fit`` per score (rows) and column; a zero is a score that nobody got.

    Warns
    -----
    FitDiagnosisWarning
        If nobody got one of the scores, because many customers share a value.

    Raises
    ------
    ColumnError
        If one of the columns of ``rfm_table`` is missing.
    CustomerTableError
        If a value is missing or infinite.
    ValueError
        If `bins` or `segments` cannot be used; overlapping segments are named with a score they share.

    See Also
    --------
    segmentation.features.rfm_table : Makes the columns from orders; purchases are distinct days.
    segmentation.scorers.RFMScorer : The scores as numbers.

    Notes
    -----
    Scores run from 1 (worst) to ``bins`` (best); few days since the last purchase are good. Equal values always get
    equal scores, and a value takes the score of the lowest bin it reaches, so segments need not be of equal size.
    New customers are scored with the learnt cuts. With another number of bins the standard grid is stretched.

    The standard grid, with the recency score ``r`` down and ``fm``, the mean of the other two, across::

        r      fm = 1          2                     3                     4            5
        5      new             potential loyalists   potential loyalists   champions    champions
        4      promising       potential loyalists   potential loyalists   loyal        loyal
        3      about to sleep  about to sleep        need attention        loyal        loyal
        1, 2   hibernating     hibernating           at risk               at risk      cannot lose

    References
    ----------
    .. [1] Hughes (1994), Strategic Database Marketing, Probus: scoring by quintiles.
    .. [2] Fader, Hardie, Lee (2005), RFM and CLV: using iso-value curves for customer base analysis, Journal of
       Marketing Research 42(4), doi:10.1509/jmkr.2005.42.4.415.

    Examples
    --------
    >>> from segmentation import assign, datasets, features
    >>> from segmentation.segmenters import RFMSegmenter
    >>> customers = features.rfm_table(
    ...     datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
    >>> model = RFMSegmenter().fit(customers)
    >>> model.cuts_.loc["n_purchases", "source"]
    'fixed'
    >>> assign(model, customers)["segment"].value_counts().head(3).to_dict()
    {'hibernating': 782, 'champions': 390, 'about to sleep': 352}
    """

    def __init__(
        self,
        bins: int | Mapping[str, Sequence[float]] = 5,
        *,
        segments: Literal["standard"] | Mapping[str, Ranges] = "standard",
    ) -> None:
        self.bins = bins
        self.segments = segments

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.unassigned = not isinstance(self.segments, str)
        tags.segmenter_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self) -> Sequence[str]:
        return RFM_COLUMNS

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._learnt = learn_cuts(X, self.bins)
        names, self._code_of_scores = _segment_of_scores(self.segments, self._learnt.n_scores)
        self.cuts_ = self._learnt.to_pandas()
        self.score_counts_ = _count_scores(self._learnt.scores(X), self._learnt.n_scores)
        _warn_of_empty_scores(self.score_counts_, self._learnt.sources)
        return names

    _explanation_unit = "score points to the nearest other segment"

    def _explain(self, X: pd.DataFrame, membership: NDArray[np.float64], codes: NDArray[np.int64]) -> list[Why]:
        """Name the scores, and the smallest change of scores that leads to another segment."""
        names, grid = [*self.segments_, UNASSIGNED], self._code_of_scores
        cells = np.array(list(np.ndindex(*grid.shape)))
        nearest: dict[tuple[int, ...], tuple[int, NDArray[np.int64]] | None] = {}
        result = []
        scores = self._learnt.scores(X)
        for values, cell in zip(X.to_numpy(dtype=np.float64), scores, strict=True):
            key = tuple(cell.tolist())
            if key not in nearest:
                nearest[key] = _nearest_other(cells, grid, cell - 1)
            r, f, m = key
            text = f"scores r={r}, f={f}, m={m} (fm={_half_up(f, m)}) make {names[grid[r - 1, f - 1, m - 1]]!r}"
            found = nearest[key]
            if found is None:
                result.append(Why(-1, np.nan, text))
                continue
            other, target = found
            steps = np.abs(target + 1 - cell)
            change = ", ".join(
                f"{letter}={new}" for letter, new, step in zip("rfm", target + 1, steps, strict=True) if step
            )
            evidence = sort_evidence(
                Evidence(name, float(value), int(score), int(new), float(step))
                for name, value, score, new, step in zip(RFM_COLUMNS, values, cell, target + 1, steps, strict=True)
            )
            text += f"; with {change} it would be {names[other]!r}"
            result.append(Why(other, float(steps.sum()), text, evidence))
        return result

    def _membership(self, X: pd.DataFrame) -> NDArray[np.float64]:
        check_values(X)
        r, f, m = (self._learnt.scores(X) - 1).T
        codes = self._code_of_scores[r, f, m]
        # one column per segment; the code -1 matches none of them
        same: NDArray[np.bool_] = codes[:, None] == np.arange(len(self.segments_))
        return same.astype(np.float64)


def _nearest_other(
    cells: NDArray[np.int64], grid: NDArray[np.int64], cell: NDArray[np.int64]
) -> tuple[int, NDArray[np.int64]] | None:
    """Return code and scores (from 0) of the nearest combination that makes another segment; None without one."""
    codes = grid[tuple(cells.T)]
    others = cells[codes != grid[tuple(cell)]]
    if not len(others):
        return None
    target = others[np.abs(others - cell).sum(axis=1).argmin()]
    return int(grid[tuple(target)]), target


def _count_scores(scores: NDArray[np.int64], n_scores: int) -> pd.DataFrame:
    """Count customers per score and column."""
    counts = [np.bincount(column, minlength=n_scores + 1)[1:] for column in scores.T]
    index = pd.RangeIndex(1, n_scores + 1, name="score")
    return pd.DataFrame(np.column_stack(counts), index=index, columns=list(RFM_COLUMNS))


def _warn_of_empty_scores(counts: pd.DataFrame, sources: Mapping[str, str]) -> None:
    """Say which scores nobody gets, and why: shared values with quantiles, nobody so far out with other cuts."""
    causes = {
        "quantiles": "many customers share one value",
        "fixed": "nobody is between the fixed cuts",
        "given": "nobody is between the cuts given",
    }
    empty = [
        f"{name}: {name_some(counts.index[counts[name] == 0])} ({causes[sources[name]]})"
        for name in counts.columns
        if (counts[name] == 0).any()
    ]
    if empty:
        warnings.warn(
            f"nobody gets these scores: {'; '.join(empty)}. The segments that need them stay empty; fewer bins, or cut "
            "points that fit the data (cuts_ has those in use), avoid it.",
            FitDiagnosisWarning,
            stacklevel=5,
        )


def _segment_of_scores(segments: Any, n_scores: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return segment names, and the code of each combination of scores, shape (n_scores, n_scores, n_scores)."""
    scores = range(1, n_scores + 1)
    codes = np.full((n_scores,) * 3, -1, dtype=np.int64)
    if isinstance(segments, str):
        if segments != "standard":
            raise ValueError(f"segments must be 'standard' or a mapping of name to score ranges, got {segments!r}.")
        for r, f, m in itertools.product(scores, repeat=3):
            row, column = (-(-5 * score // n_scores) for score in (r, _half_up(f, m)))  # stretched to 1..5
            codes[r - 1, f - 1, m - 1] = _STANDARD_NAMES.index(_STANDARD_GRID[row - 1][column - 1])
        return list(_STANDARD_NAMES), codes
    if not isinstance(segments, Mapping) or not segments:
        raise ValueError(f"segments must be 'standard' or a mapping of name to score ranges, got {segments!r}.")
    names = list(segments)
    ranges = [_checked_ranges(name, segments[name], n_scores) for name in names]
    for r, f, m in itertools.product(scores, repeat=3):
        have = {"r": r, "f": f, "m": m, "fm": _half_up(f, m)}
        matching = [i for i, one in enumerate(ranges) if all(lo <= have[k] <= hi for k, (lo, hi) in one.items())]
        if len(matching) > 1:
            raise ValueError(
                f"segments {name_some(names[i] for i in matching)} overlap: both take the scores r={r}, f={f}, m={m}. "
                "Narrow one of them; a customer has one RFM segment."
            )
        if matching:
            codes[r - 1, f - 1, m - 1] = matching[0]
    return names, codes


def _half_up(f: int, m: int) -> int:
    """Mean of the frequency and monetary scores, rounded half up."""
    return (f + m + 1) // 2


def _checked_ranges(name: str, given: Any, n_scores: int) -> dict[str, tuple[int, int]]:
    """Check the score ranges of one segment; a single score is a range of one."""
    if not isinstance(given, Mapping):
        raise ValueError(f"segments[{name!r}] must be a mapping such as {{'r': (4, 5)}}, got {given!r}.")
    ranges = {}
    for letter, value in given.items():
        low, high = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
        whole = all(isinstance(end, int | np.integer) and not isinstance(end, bool) for end in (low, high))
        if letter not in _LETTERS or not whole or not 1 <= low <= high <= n_scores:
            raise ValueError(
                f"segments[{name!r}][{letter!r}] is {value!r}; expected one of {name_some(_LETTERS)} with a score or a "
                f"range (low, high) within 1..{n_scores}."
            )
        ranges[letter] = (int(low), int(high))
    return ranges
