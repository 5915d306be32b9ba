"""Apply a fitted model, alone or at the end of a scikit-learn Pipeline, and get a table indexed by customer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from segmentation._frames import is_frame, kind_of
from segmentation._notes import notes_of, with_notes
from segmentation._validation import as_customers
from segmentation.base import Scorer, Segmenter
from segmentation.exceptions import CustomerTableError

__all__ = ["assign", "prepared", "score_customers"]


def assign(model: Any, X: Any) -> pd.DataFrame:
    """Put customers into segments.

    Parameters
    ----------
    model : fitted Segmenter, or fitted Pipeline that ends in one
        A pipeline's earlier steps run once.
    X : dataframe or array of shape (n_customers, n_features)
        The customers; an array gets row numbers as ids.

    Returns
    -------
    pandas.DataFrame
        The assignment table: index ``customer_id``; ``segment`` (Categorical: all segments, then "unassigned", so
        that an empty segment stays visible) and ``membership`` (degree in the assigned segment, in [0, 1]; 0 where
        unassigned). A table without rows gives one without rows.

    Raises
    ------
    TypeError
        If `model` is neither.
    CustomerTableError, ColumnError
        If ids are missing or stand twice, or columns are not those of ``fit`` (an earlier step of a pipeline
        raises its own ValueError).

    Examples
    --------
    >>> import pandas as pd
    >>> import segmentation as sg
    >>> from segmentation.segmenters import RuleSegmenter
    >>> people = pd.DataFrame({"age": [22, 64, None]}, index=pd.Index(["a", "b", "c"], name="customer_id"))
    >>> rules = RuleSegmenter({"young": "age < 30", "old": "age >= 60"}).fit(people)
    >>> sg.assign(rules, people)["segment"].to_dict()
    {'a': 'young', 'b': 'old', 'c': 'unassigned'}
    """
    data, index, segmenter = prepared(model, X, Segmenter, "assign")
    table: pd.DataFrame = segmenter.assign(data)
    return table if index is None else with_notes(table.set_axis(index, axis=0), notes_of(table))


def score_customers(model: Any, X: Any) -> pd.DataFrame:
    """Score customers.

    Parameters
    ----------
    model : fitted Scorer, or fitted Pipeline that ends in one
    X : dataframe or array of shape (n_customers, n_features)

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id``, one column per score, the primary one first; NaN where a customer has none.

    Raises
    ------
    TypeError
        If `model` is neither.
    CustomerTableError, ColumnError
        If ids are missing or stand twice, or columns are not those of ``fit`` (an earlier step of a pipeline
        raises its own ValueError).
    """
    data, index, scorer = prepared(model, X, Scorer, "score_customers")
    table: pd.DataFrame = scorer.score_customers(data)
    return table if index is None else table.set_axis(index, axis=0)


def _no_customers(estimator: Any) -> Any:
    """Return a table without rows, of the columns that the estimator has learnt from."""
    empty = np.empty((0, estimator.n_features_in_))
    names = getattr(estimator, "feature_names_in_", None)
    return empty if names is None else pd.DataFrame(empty, columns=names)


def prepared(model: Any, X: Any, kind: Any, function: str) -> tuple[Any, pd.Index | None, Any]:
    """Run the earlier steps of a pipeline; return data for its last step, the ids to use, and that step.

    Ids leave the table before the first step, which would take them for a feature; they come back at the end,
    because a step in the middle may return an array.
    """
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if steps else model
    if not isinstance(last, kind):
        ends = f" that ends in {type(last).__name__}" if steps else ""
        raise TypeError(
            f"{function} takes a fitted {kind.__name__}, or a Pipeline that ends in one; got {kind_of(model)}{ends}."
        )
    check_is_fitted(last)
    if not steps or len(steps) == 1:
        return X, None, last
    customers = as_customers(X) if is_frame(X) else X
    index = customers.index if is_frame(X) else None
    if not (customers.shape[0] if hasattr(customers, "shape") else len(customers)):
        return _no_customers(last), index, last  # the steps of scikit-learn refuse a table without rows
    data = model[:-1].transform(customers)
    if index is not None and data.shape[0] != len(index):
        raise CustomerTableError(
            f"the steps before {type(last).__name__} made {data.shape[0]:,} rows of {len(index):,} customers; "
            "a step must keep one row per customer, or customers are lost."
        )
    return data, index, last
