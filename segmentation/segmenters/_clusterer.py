"""Any scikit-learn clusterer as a segmenter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from segmentation._format import name_some
from segmentation._tags import SegmentationTags
from segmentation.base import Segmenter
from segmentation.exceptions import OutOfSampleError, SegmentationWarning

__all__ = ["ClustererSegmenter"]


class ClustererSegmenter(Segmenter):
    """Use a scikit-learn clusterer as a segmenter.

    Parameters
    ----------
    clusterer : estimator with ``fit_predict``
        For instance ``AgglomerativeClustering(n_clusters=4)``, ``GaussianMixture(4)``, ``DBSCAN()``, or a pipeline
        that ends in one. It is cloned, never changed.
    classifier : classifier, optional
        Learns to tell the segments apart, and predicts for customers that the clusterer has not seen. Needed for
        clusterers without ``predict``; where it is given, it decides for everybody.
    random_state : int, RandomState or None, default=None
        Seeds every nested ``random_state`` of the copies. None leaves theirs as they are.

    Attributes
    ----------
    segments_ : ndarray of shape (n_segments,)
        ``"segment_1"``, ...: the largest first; equal sizes by the first coordinate of the mean.
    labels_ : ndarray of shape (n_customers,)
        The same function as ``predict`` where there is one, else the clusterer's own; -1 is unassigned.
    clusterer_ : estimator
        The fitted copy.
    classifier_ : classifier or None
        The fitted copy.
    n_relabelled_ : int
        Customers of ``fit`` for whom ``labels_`` differ from what the clusterer said while fitting.

    Warns
    -----
    SegmentationWarning
        If more than 1 % of the customers are relabelled.

    Raises
    ------
    OutOfSampleError
        By ``predict``, ``transform`` and ``assign`` where the clusterer has no ``predict`` and no `classifier` is
        given; ``fit_predict`` and ``labels_`` work, and ``fit_assign`` gives the assignment table.
    TypeError
        If `clusterer` has no ``fit_predict`` or `classifier` no ``predict``.

    Examples
    --------
    >>> from sklearn.cluster import AgglomerativeClustering
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from segmentation.segmenters import ClustererSegmenter
    >>> X = [[0.0], [0.1], [0.2], [9.0], [9.1]]
    >>> model = ClustererSegmenter(AgglomerativeClustering(2), classifier=KNeighborsClassifier(1)).fit(X)
    >>> model.predict([[8.0], [1.0]])
    array([1, 0])
    """

    def __init__(
        self, clusterer: Any, *, classifier: Any = None, random_state: int | np.random.RandomState | None = None
    ) -> None:
        self.clusterer = clusterer
        self.classifier = classifier
        self.random_state = random_state

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.unassigned = True  # density clusterers leave customers out
        tags.segmenter_tags.out_of_sample = self.classifier is not None or hasattr(self.clusterer, "predict")
        return tags

    def _fit(self, X: NDArray[np.float64], y: Any) -> Sequence[str]:
        if not hasattr(self.clusterer, "fit_predict"):
            raise TypeError(f"clusterer must have fit_predict, got {type(self.clusterer).__name__}.")
        if self.classifier is not None and not hasattr(self.classifier, "predict"):
            raise TypeError(f"classifier must have predict, got {type(self.classifier).__name__}.")
        rng = None if self.random_state is None else check_random_state(self.random_state)
        self.clusterer_ = _seeded(self.clusterer, rng)
        own = _whole_numbers(self.clusterer_.fit_predict(X.copy()), self.clusterer)
        found = np.unique(own[own >= 0])
        if not found.size:
            warnings.warn(
                f"{type(self.clusterer).__name__} found no cluster: everybody is unassigned. Try other parameters.",
                SegmentationWarning,
                stacklevel=4,
            )
        self._canonical = _canonical_order(X, own, found)
        self.classifier_ = None
        if self.classifier is not None and np.unique(own).size > 1:
            self.classifier_ = _seeded(self.classifier, rng).fit(X, own)
        self._only_label = int(own[0]) if self.classifier is not None and self.classifier_ is None else None
        self._own = own  # until _fit_membership has used it
        return [f"segment_{i}" for i in range(1, len(found) + 1)]

    def _fit_membership(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        own = self._one_hot(self.__dict__.pop("_own"))
        if not self.__sklearn_tags__().segmenter_tags.out_of_sample:
            self.n_relabelled_ = 0
            return own
        membership = self._membership(X)
        self.n_relabelled_ = int((membership != own).any(axis=1).sum())
        if self.n_relabelled_ > 0.01 * len(X):
            who = type(self.classifier_ if self.classifier is not None else self.clusterer_).__name__
            warnings.warn(
                f"{self.n_relabelled_:,} of {len(X):,} customers get another segment from {who}.predict than from "
                "fit_predict; labels_ are those of predict. A more flexible classifier may follow the clusters better.",
                SegmentationWarning,
                stacklevel=5,
            )
        return membership

    def _membership(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.classifier is not None:
            if self.classifier_ is None:  # one label only: nothing to learn
                return self._one_hot(np.full(len(X), self._only_label))
            return self._one_hot(_whole_numbers(self.classifier_.predict(X), self.classifier))
        if not hasattr(self.clusterer_, "predict"):
            name = type(self.clusterer).__name__
            raise OutOfSampleError(
                f"{name} cannot predict for other customers than those it was fitted on. Give a classifier that learns "
                f"its segments: ClustererSegmenter({name}(...), classifier=KNeighborsClassifier()); or use "
                "fit_predict, fit_assign or labels_ for the customers of fit."
            )
        return self._one_hot(_whole_numbers(self.clusterer_.predict(X), self.clusterer))

    def _one_hot(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Turn the clusterer's labels into membership in canonical order; a negative label is a row of zeros.

        A label that was not there in ``fit`` (a mixture component without customers) is no segment either.
        """
        same: NDArray[np.bool_] = labels[:, None] == self._canonical[None, :]
        return same.astype(np.float64)


def _seeded(estimator: Any, rng: np.random.RandomState | None) -> Any:
    """Clone an estimator and seed every random_state in it."""
    copy = clone(estimator)
    if rng is not None:
        names = sorted(name for name in copy.get_params() if name.split("__")[-1] == "random_state")
        copy.set_params(**{name: int(rng.randint(np.iinfo(np.int32).max)) for name in names})
    return copy


def _whole_numbers(labels: Any, estimator: Any) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{type(estimator).__name__} returned labels {name_some(array[:3])}, not whole numbers.")
    return array.astype(np.int64)


def _canonical_order(X: NDArray[np.float64], labels: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order the clusterer's labels: the largest first, equal sizes by the coordinates of the mean."""
    keys = {label: (-int((labels == label).sum()), *X[labels == label].mean(axis=0)) for label in found.tolist()}
    return np.array(sorted(keys, key=keys.__getitem__), dtype=np.int64)
