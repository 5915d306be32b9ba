"""Several scores in one."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.metaestimators import _BaseComposition

from segmentation._format import name_some
from segmentation._tags import SegmentationTags
from segmentation.base import Scorer

__all__ = ["CompositeScorer"]


class CompositeScorer(Scorer, _BaseComposition):
    """Weigh several scorers into one score.

    Each primary score is normalised against the distribution learnt in ``fit``, so one customer alone gets the same
    number as among all. A score of which less is better (tag ``higher_is_better=False``) is turned round first.

    Parameters
    ----------
    scorers : list of (name, Scorer)
        They are cloned, never changed.
    weights : mapping of name to float, optional
        Positive; divided by their sum. By default all equal.
    normalization : {"rank", "zscore"}, default="rank"
        "rank": share of the customers of ``fit`` below the score, ties counted half, in [0, 1]. "zscore": difference
        from their mean in standard deviations; 0 where they have no spread.

    Attributes
    ----------
    score_names_ : ndarray
        ``composite``, then each normalised part under its name.
    scorers_ : list of (name, fitted Scorer)
    weights_ : dict of name to float
        They add up to 1.

    Notes
    -----
    A customer without one of the scores (NaN) has no composite either: a missing part is not an average part.

    Raises
    ------
    TypeError, ValueError
        If `scorers`, `weights` or `normalization` cannot be used, with the name of the offender.

    Examples
    --------
    >>> from segmentation.scorers import CompositeScorer, RFMScorer
    >>> from segmentation.testing import make_customers
    >>> customers = make_customers(30)
    >>> model = CompositeScorer([("value", RFMScorer()), ("loyalty", RFMScorer(bins=2))], weights={
    ...     "value": 3, "loyalty": 1})
    >>> model.fit(customers).score_customers(customers).columns.tolist()
    ['composite', 'value', 'loyalty']
    """

    def __init__(
        self,
        scorers: Sequence[tuple[str, Scorer]],
        *,
        weights: Mapping[str, float] | None = None,
        normalization: Literal["rank", "zscore"] = "rank",
    ) -> None:
        self.scorers = scorers
        self.weights = weights
        self.normalization = normalization

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the scorers as ``<name>__<parameter>``."""
        params: dict[str, Any] = self._get_params("scorers", deep=deep)
        return params

    def set_params(self, **params: Any) -> CompositeScorer:
        """Set parameters, also of the scorers (``<name>__<parameter>``) or a whole scorer (``<name>``)."""
        self._set_params("scorers", **params)
        return self

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        # asked before anything is checked, so anything may stand in scorers
        pairs = self.scorers if isinstance(self.scorers, list | tuple) else []
        parts = [one[1] for one in pairs if isinstance(one, tuple) and len(one) == 2]
        tables = [scorer._needs_table() for scorer in parts if isinstance(scorer, Scorer)]
        tags.scorer_tags.dataframe_only = any(tables)
        tags.input_tags.two_d_array = not any(tables)
        return tags

    def _required_columns(self) -> Sequence[str] | None:
        """All columns that any scorer needs; None where one takes all there are."""
        self._check_parameters()
        needed = [scorer._required_columns() for _, scorer in self.scorers]
        if any(columns is None for columns in needed):
            return None
        return list(dict.fromkeys(column for columns in needed for column in columns or []))

    def _check_parameters(self) -> None:
        pairs = self.scorers
        if not isinstance(pairs, list | tuple) or not pairs:
            remedy = "; list(scorers.items()) makes one of a mapping" if isinstance(pairs, Mapping) else ""
            raise ValueError(f"scorers must be a list of (name, Scorer), got {pairs!r}{remedy}.")
        wrong = [one for one in pairs if not (isinstance(one, tuple) and len(one) == 2 and isinstance(one[1], Scorer))]
        if wrong:
            raise TypeError(f"scorers must be a list of (name, Scorer); {wrong[0]!r} is not such a pair.")
        names = [name for name, _ in pairs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"scorers must have unique names; repeated: {name_some(repeated)}.")
        self._validate_names(names)
        if "composite" in dict(pairs):
            raise ValueError("'composite' is the name of the result; give the scorer another one.")
        if self.normalization not in ("rank", "zscore"):
            raise ValueError(f"normalization must be 'rank' or 'zscore', got {self.normalization!r}.")

    def _fit(self, X: Any, y: Any) -> Sequence[str]:
        self._check_parameters()
        names = [name for name, _ in self.scorers]
        self.weights_ = _shares(self.weights, names)
        self.scorers_ = [(name, clone(scorer).fit(X, y)) for name, scorer in self.scorers]
        self._learnt = [_distribution(column, self.normalization) for column in self._signed(X).T]
        return ["composite", *names]

    def _signed(self, X: Any) -> NDArray[np.float64]:
        """Return the primary scores, larger always better, shape (n_customers, n_scorers)."""
        columns = []
        for _, scorer in self.scorers_:
            better = scorer.__sklearn_tags__().scorer_tags.higher_is_better
            columns.append(scorer.score_samples(X) * (1.0 if better else -1.0))
        return np.column_stack(columns)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        signed = self._signed(X)
        normalise = _share_below if self.normalization == "rank" else _deviations
        parts = np.column_stack([normalise(c, learnt) for c, learnt in zip(signed.T, self._learnt, strict=True)])
        return np.column_stack([parts @ np.array(list(self.weights_.values())), parts])


def _shares(weights: Any, names: list[str]) -> dict[str, float]:
    """Check weights, and divide them by their sum."""
    if weights is None:
        return dict.fromkeys(names, 1.0 / len(names))
    if not isinstance(weights, Mapping) or set(weights) != set(names):
        given = name_some(weights) if isinstance(weights, Mapping) else repr(weights)
        raise ValueError(f"weights must name every scorer once: scorers {name_some(names)}, weights {given}.")
    for name, weight in weights.items():
        number = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
        if not number or not np.isfinite(float(weight)) or weight <= 0:
            raise ValueError(f"weight of {name!r} must be a positive number, got {weight!r}.")
    total = float(sum(weights.values()))
    return {name: float(weights[name]) / total for name in names}


def _distribution(scores: NDArray[np.float64], normalization: str) -> NDArray[np.float64]:
    """Learn what a score is compared with: all sorted scores, or mean and standard deviation."""
    known = np.sort(scores[~np.isnan(scores)])
    if not known.size:
        raise ValueError("one of the scores is missing for every customer of fit, so there is nothing to compare with.")
    return known if normalization == "rank" else np.array([known.mean(), known.std()])


def _share_below(scores: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the learnt scores below each score, ties counted half."""
    below = np.searchsorted(known, scores, side="left")
    not_above = np.searchsorted(known, scores, side="right")
    return np.where(np.isnan(scores), np.nan, (below + not_above) / (2.0 * len(known)))


def _deviations(scores: NDArray[np.float64], learnt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count standard deviations from the mean; 0 where the learnt scores have no spread to speak of."""
    mean, spread = learnt
    if spread <= 8 * np.finfo(np.float64).eps * abs(mean) or spread == 0:
        return np.where(np.isnan(scores), np.nan, 0.0)
    return np.asarray((scores - mean) / spread, dtype=np.float64)
