"""Where a fitted model measured distances: its own scaled columns, not the raw ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from segmentation._frames import is_frame
from segmentation._validation import CUSTOMER_ID, numeric_customers
from segmentation.base import Segmenter
from segmentation.compose import prepared
from segmentation.segmenters._scaling import apply_scaling

__all__ = ["clustering_space", "numbers_of"]


def numbers_of(X: Any, who: str) -> pd.DataFrame:
    """Return customers as a table of finite numbers indexed by customer; `who` asks, for the messages."""
    reader: Any = type(who, (BaseEstimator,), {})()  # validation is scikit-learn's, which asks for an estimator
    values, index = numeric_customers(reader, X, reset=True)
    names = list(getattr(reader, "feature_names_in_", [f"x{i}" for i in range(values.shape[1])]))
    return pd.DataFrame(values, index=index, columns=names)


def clustering_space(model: Any, X: Any) -> pd.DataFrame:
    """Return customers as a fitted model saw them when it measured distances.

    `KMeansSegmenter` and `HDBSCANSegmenter` scale their columns themselves, a pipeline has earlier steps: validity
    and pictures on the raw columns would judge another space than the one the segments were made in.

    Parameters
    ----------
    model : fitted Segmenter, or fitted Pipeline that ends in one
        A segmenter with a table ``scaling_`` is asked for its scaled columns; `ClustererSegmenter` around a
        scikit-learn pipeline for what reached its clusterer; any other is taken to use its columns as they come.
    X : dataframe or array of shape (n_customers, n_features)
        As for ``assign(model, X)``.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id``, one column of numbers per feature.

    Raises
    ------
    TypeError
        If `model` is no segmenter, or one that reads named columns (rules, RFM) and so has no space of distances:
        give numeric columns of your choice instead.
    CustomerTableError, ColumnError
        As in ``assign``.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.evaluation import clustering_space
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> customers = pd.DataFrame({"visits": [1, 2, 3, 4], "spend": [100.0, 200, 300, 400]})
    >>> model = KMeansSegmenter(n_clusters=2, random_state=0).fit(customers)
    >>> clustering_space(model, customers).round(2).values.tolist()
    [[-1.34, -1.34], [-0.45, -0.45], [0.45, 0.45], [1.34, 1.34]]
    """
    data, index, segmenter = prepared(model, X, Segmenter, "clustering_space")
    if segmenter.__sklearn_tags__().segmenter_tags.dataframe_only:
        raise TypeError(
            f"{type(segmenter).__name__} reads named columns and measures no distances, so it has no space: pass the "
            "numeric columns in which the segments are to be judged, on a common scale, and no space."
        )
    values, own = numeric_customers(segmenter, data, reset=False)
    names = [str(name) for name in getattr(segmenter, "feature_names_in_", [])]
    names = names or [f"x{i}" for i in range(values.shape[1])]
    scaling, clusterer = getattr(segmenter, "scaling_", None), getattr(segmenter, "clusterer_", None)
    if isinstance(scaling, pd.DataFrame):
        values = apply_scaling(np.asarray(values, dtype=np.float64), scaling)
    elif isinstance(clusterer, Pipeline) and len(clusterer.steps) > 1:
        values = np.asarray(clusterer[:-1].transform(values), dtype=np.float64)
        names = [f"x{i}" for i in range(values.shape[1])]
    ids = own if index is None else index
    return pd.DataFrame(values, index=ids.rename(CUSTOMER_ID) if is_frame(X) else ids, columns=names)
