"""Fit a segmentation anew without losing what its segments are called."""

from __future__ import annotations

from typing import Any, Literal

from sklearn.frozen import FrozenEstimator

from segmentation._frames import is_frame, kind_of
from segmentation.base import Segmenter
from segmentation.monitoring._match import FIVEFOLD
from segmentation.monitoring._refit_segmenter import ContinuedSegmenter, last_step, unfrozen

__all__ = ["refit"]


def refit(
    segmenter: Any,
    X_new: Any,
    *,
    previous: Any,
    y: Any = None,
    names: Literal["auto", "previous", "new"] = "auto",
    retired: Literal["keep", "drop"] = "keep",
    min_jaccard: float = FIVEFOLD,
    alpha: float = 0.01,
) -> ContinuedSegmenter:
    """Fit a segmenter to new data so that codes and names of its segments go on where they can.

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        It is cloned and fitted to `X_new`; one that came from ``refit`` is fitted anew.
    X_new : dataframe or array of shape (n_customers, n_features)
    previous : fitted Segmenter or Pipeline, or assignment table
        What is to go on. A model is asked where it puts the new customers: two definitions are compared on the same
        data, and customers need not be the same as before. An assignment is matched on the customers who stand in
        both, so that their moves count too; use it where a model cannot predict, or where all values have shifted
        (prices, say) and the old definition says nothing any more.
    y : array, optional
        Passed on to ``fit``.
    names, retired, min_jaccard, alpha
        See `ContinuedSegmenter`.

    Returns
    -------
    ContinuedSegmenter
        Fitted: ``predict`` gives the codes that go on, ``segments_`` their names, ``match_`` what became of each old
        segment and why, ``match_.colours()`` their colours. A pipeline is inside it, so it takes what the pipeline
        takes. It is itself a `previous` for the next time.

    Raises
    ------
    TypeError, NotFittedError, OutOfSampleError, AssignmentError
        See `ContinuedSegmenter`.

    Notes
    -----
    The segments are exactly those that the segmenter finds by itself: only their order and names change. Segments
    that do not continue are never given an old name or code.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import refit
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> ids = pd.Index(list("abcdef"), name="customer_id")
    >>> then = pd.DataFrame({"spend": [5.0, 6, 5, 6, 90, 95]}, index=ids)
    >>> now = pd.DataFrame({"spend": [5.0, 6, 85, 90, 91, 97]}, index=ids)
    >>> old = KMeansSegmenter(2, random_state=0).fit(then)
    >>> old.predict(now)  # segment_1 is the one that spends little
    array([0, 0, 1, 1, 1, 1])
    >>> KMeansSegmenter(2, random_state=0).fit(now).predict(now)  # the larger one is the first
    array([1, 1, 0, 0, 0, 0])
    >>> refit(old, now, previous=old).predict(now)
    array([0, 0, 1, 1, 1, 1])
    """
    if isinstance(segmenter, ContinuedSegmenter):
        segmenter = segmenter.segmenter
    if isinstance(segmenter, type) or not isinstance(last_step(segmenter), Segmenter):
        raise TypeError(
            f"refit takes a Segmenter, or a Pipeline that ends in one; got {kind_of(segmenter)}. A clusterer of "
            "scikit-learn becomes one by segmentation.segmenters.ClustererSegmenter(clusterer)."
        )
    if previous is None:
        raise TypeError("previous is what is to go on: a fitted model or an assignment table; got None.")
    model = unfrozen(previous)
    if hasattr(model, "get_params") and not is_frame(model):
        previous = FrozenEstimator(model)  # clone would unfit it
    continued = ContinuedSegmenter(
        segmenter, previous=previous, names=names, retired=retired, min_jaccard=min_jaccard, alpha=alpha
    )
    return continued.fit(X_new, y)
