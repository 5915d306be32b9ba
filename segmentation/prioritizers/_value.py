"""Priority by one figure of the profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import money, percent
from segmentation.base import Prioritizer
from segmentation.prioritizers._columns import profile_column

__all__ = ["ValuePrioritizer"]


class ValuePrioritizer(Prioritizer):
    """Put the segment with the largest value first.

    Parameters
    ----------
    by : str
        Column of the profile, for instance ``"clv_total"`` (where the money is) or ``"clv_mean"`` (where one
        customer is worth most): the two orders differ, so there is no default.
    higher_is_better : bool, default=True
        Whether a larger figure comes first.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.prioritizers import ValuePrioritizer
    >>> profile = pd.DataFrame(
    ...     {"n_customers": [100, 20], "clv_total": [1000.0, 3000.0]}, index=["many", "few"])
    >>> ValuePrioritizer(by="clv_total").prioritize(profile)["reason"].to_dict()
    {'few': 'clv_total 3,000, 75.0 % of all segments', 'many': 'clv_total 1,000, 25.0 % of all segments'}
    """

    def __init__(self, by: str, *, higher_is_better: bool = True) -> None:
        self.by = by
        self.higher_is_better = higher_is_better

    def _priority_scores(self, profile: pd.DataFrame) -> NDArray[np.float64]:
        values = profile_column(profile, self.by, "ValuePrioritizer(by=...)")
        return values if self.higher_is_better else -values

    def _reasons(self, profile: pd.DataFrame, scores: NDArray[np.float64]) -> Sequence[str]:
        values = scores if self.higher_is_better else -scores
        direction = "" if self.higher_is_better else " (lower comes first)"
        texts = [f"{self.by} {money(value)}{direction}" for value in values]
        # only of totals is there a share, and only where none of them is negative
        total = np.nansum(values)
        if self.by.endswith("_total") and total > 0 and not (values < 0).any():
            return [f"{t}, {percent(v / total)} of all segments" for t, v in zip(texts, values, strict=True)]
        return texts
