"""A baseline that knows nothing."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.base import Scorer

__all__ = ["DummyScorer"]


class DummyScorer(Scorer):
    """Give every customer the same score: a baseline that any real scorer must beat.

    Parameters
    ----------
    constant : float, optional
        The score. By default the mean of `y` in ``fit``, or 0 without one.
    name : str, default="dummy"
        Name of the score.

    Attributes
    ----------
    constant_ : float
        The score that everybody gets.

    Examples
    --------
    >>> from segmentation.scorers import DummyScorer
    >>> DummyScorer().fit([[1.0], [2.0]], y=[10.0, 20.0]).score_samples([[7.0]])
    array([15.])
    """

    constant_: float

    def __init__(self, constant: float | None = None, *, name: str = "dummy") -> None:
        self.constant = constant
        self.name = name

    def _fit(self, X: NDArray[np.float64], y: Any) -> Sequence[str]:
        if self.constant is not None:
            if isinstance(self.constant, bool) or not isinstance(self.constant, numbers.Real):
                raise ValueError(f"constant must be a number or None, got {self.constant!r}.")
            self.constant_ = float(self.constant)
        else:
            self.constant_ = 0.0 if y is None else float(np.mean(np.asarray(y, dtype=np.float64)))
        if not np.isfinite(self.constant_):
            raise ValueError(f"the constant score must be finite, got {self.constant_!r}.")
        return [self.name]

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full((X.shape[0], 1), self.constant_)
