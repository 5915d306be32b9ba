"""A baseline that knows nothing."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from segmentation._tags import SegmentationTags
from segmentation._why import Why
from segmentation.base import Segmenter

__all__ = ["DummySegmenter"]


class DummySegmenter(Segmenter):
    """Put customers into segments by chance: a baseline that any real segmentation must beat.

    The segment of a customer depends on the customer id and the seed alone, so it is the same in every table and in
    every order of rows. No column is used.

    Parameters
    ----------
    n_segments : int, default=5
        Equally likely segments; 1 puts everybody into one.
    random_state : int, RandomState or None, default=None
        Seed.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.segmenters import DummySegmenter
    >>> customers = pd.DataFrame(index=pd.Index(["a", "b", "c"], name="customer_id"))
    >>> model = DummySegmenter(n_segments=2, random_state=0).fit(customers)
    >>> (model.predict(customers) == model.predict(customers.iloc[::-1])[::-1]).all()
    np.True_
    """

    salt_: int

    def __init__(self, n_segments: int = 5, *, random_state: int | np.random.RandomState | None = None) -> None:
        self.n_segments = n_segments
        self.random_state = random_state

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self) -> Sequence[str]:
        return []

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        n = self.n_segments
        if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1:
            raise ValueError(f"n_segments must be a positive integer, got {n!r}.")
        self.salt_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return [f"segment_{i}" for i in range(1, n + 1)]

    def _explain(self, X: Any, membership: NDArray[np.float64], codes: NDArray[np.int64]) -> list[Why]:
        return [Why(-1, np.nan, "by chance: no column decides") for _ in codes]

    def _membership(self, X: pd.DataFrame) -> NDArray[np.float64]:
        n = len(self.segments_)
        codes = [
            int.from_bytes(hashlib.blake2b(f"{self.salt_}:{one}".encode(), digest_size=8).digest(), "big") % n
            for one in X.index
        ]
        return np.eye(n)[codes]
