"""RFM scores as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._tags import SegmentationTags
from segmentation.base import Scorer
from segmentation.features._rfm_scores import RFM_COLUMNS, check_values, learn_cuts

__all__ = ["RFMScorer"]


class RFMScorer(Scorer):
    """Score customers by how recently, how often and for how much they bought.

    Parameters
    ----------
    bins : int or mapping of column to cut points, default=5
        As for `segmentation.segmenters.RFMSegmenter`.

    Attributes
    ----------
    score_names_ : ndarray
        ``rfm_score`` (the sum of the three, from 3 to 3 times the number of bins), ``r_score``, ``f_score``,
        ``m_score``.
    cuts_ : pandas.DataFrame
        One row per column: ``cut_1``, ... and ``source``.

    Raises
    ------
    ColumnError, CustomerTableError, ValueError
        As `segmentation.segmenters.RFMSegmenter`.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.scorers import RFMScorer
    >>> customers = pd.DataFrame({
    ...     "days_since_last_purchase": [5.0, 50, 90, 200], "n_purchases": [9, 4, 2, 1],
    ...     "total_spend": [900.0, 100, 30, 10]})
    >>> RFMScorer(bins=2).fit(customers).score_samples(customers)
    array([6., 6., 3., 3.])
    """

    def __init__(self, bins: int | Mapping[str, Sequence[float]] = 5) -> None:
        self.bins = bins

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self) -> Sequence[str]:
        return RFM_COLUMNS

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._learnt = learn_cuts(X, self.bins)
        self.cuts_ = self._learnt.to_pandas()
        return ["rfm_score", "r_score", "f_score", "m_score"]

    def _scores(self, X: pd.DataFrame) -> NDArray[np.float64]:
        check_values(X)
        scores = self._learnt.scores(X)
        return np.column_stack([scores.sum(axis=1), scores]).astype(np.float64)
