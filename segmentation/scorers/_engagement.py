"""Weighted engagement: what customers did, recent events counting more."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._tags import SegmentationTags
from segmentation.base import Scorer
from segmentation.exceptions import CustomerTableError

__all__ = ["EngagementScorer"]


class EngagementScorer(Scorer):
    """Weigh a customer's events of each type into one number.

    Takes the table of `segmentation.features.engagement_table`: per type the number of events, older ones counting
    less. The half-life and the day from which ages are counted belong to that table.

    Parameters
    ----------
    weights : mapping of column to float
        What one event of each type is worth, in any unit. A negative weight (a complaint, an unsubscription) lowers
        the score, which may then be negative. At least one must be positive.

    Attributes
    ----------
    score_names_ : ndarray
        ``engagement``: the weighted sum. A 1 is an event of weight 1 that happened on the day `as_of`, or two a
        half-life ago. ``engagement_rank``: share of the customers of ``fit`` with less, ties counted half, in [0, 1].
    weights_ : dict of column to float

    Raises
    ------
    ValueError, TypeError
        If the weights cannot be used; a weight is named.
    ColumnError, CustomerTableError
        If a column is not there, a count is negative, or one is missing; the customers are named. A customer who is
        in no row of the events has 0 where the log covers everybody, and no engagement where it does not, which
        only you know: ``table.reindex(customers.index, fill_value=0.0)``.

    Notes
    -----
    The weights are a judgement, not an estimate. Weights that predict an outcome can be learnt: the columns are
    features for `PropensityScorer`.

    A customer's ``engagement`` does not depend on other customers; ``engagement_rank`` compares with those of
    ``fit``, so it is the same number for one customer alone as among all.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import engagement_table
    >>> from segmentation.scorers import EngagementScorer
    >>> events = pd.DataFrame({
    ...     "customer": ["a", "a", "b"], "day": ["2024-01-01", "2024-01-31", "2024-01-31"],
    ...     "type": ["visit", "visit", "cart"]})
    >>> table = engagement_table(events, customer_id="customer", timestamp="day", event_type="type")
    >>> EngagementScorer({"visit": 1, "cart": 5}).fit(table).score_customers(table)
                 engagement  engagement_rank
    customer_id
    a                   1.5             0.25
    b                   5.0             0.75
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "index"
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self) -> Sequence[Any]:
        return list(_checked(self.weights))

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self.weights_ = _checked(self.weights)
        self._known = np.sort(self._sums(X))
        return ["engagement", "engagement_rank"]

    def _scores(self, X: pd.DataFrame) -> NDArray[np.float64]:
        sums = self._sums(X)
        below = np.searchsorted(self._known, sums, side="left") + np.searchsorted(self._known, sums, side="right")
        return np.column_stack([sums, below / (2.0 * len(self._known))])

    def _sums(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Add up column by column: the same order for one customer as for all, which a matrix product is not."""
        total = np.zeros(len(X))
        for name, weight in self.weights_.items():
            total = total + weight * _counts(X[name], name)
        return total


def _checked(weights: Any) -> dict[Any, float]:
    if not isinstance(weights, Mapping) or not weights:
        raise TypeError(f"weights must be a mapping of event type to weight, such as {{'visit': 1}}, got {weights!r}.")
    for name, weight in weights.items():
        number = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
        if not number or not np.isfinite(float(weight)):
            raise ValueError(f"weight of {name!r} must be a finite number, got {weight!r}.")
    if not any(weight > 0 for weight in weights.values()):
        raise ValueError(f"no weight is positive, so nothing is engagement: {dict(weights)!r}.")
    return {name: float(weight) for name, weight in weights.items()}


def _counts(column: pd.Series, name: Any) -> NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        raise TypeError(f"column {name!r} must hold decayed counts of events, it is {column.dtype}.")
    values = column.to_numpy(dtype=np.float64)
    wrong = ~(values >= 0) | np.isinf(values)
    if wrong.any():
        customers = column.index[wrong]
        raise CustomerTableError(
            f"column {name!r} must hold decayed counts of events, 0 or more; it does not for "
            f"{count(len(customers), 'customer')}: {name_some(customers)}."
        )
    return values
