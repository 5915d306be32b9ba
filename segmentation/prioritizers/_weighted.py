"""Priority by several weighted criteria, after knock-out criteria."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from segmentation._format import money
from segmentation.base import Prioritizer
from segmentation.prioritizers._columns import profile_column

__all__ = ["Criterion", "Limits", "WeightedPrioritizer"]


class Criterion(NamedTuple):
    """How much one column of the profile counts, and in which direction.

    Attributes
    ----------
    weight : float
        Positive; weights are divided by their sum.
    higher_is_better : bool, default=True
    """

    weight: float
    higher_is_better: bool = True


class Limits(NamedTuple):
    """What a segment must have to be considered at all; None is no limit, and a limit itself is allowed."""

    minimum: float | None = None
    maximum: float | None = None


class WeightedPrioritizer(Prioritizer):
    """Order segments by the weighted sum of normalised criteria, after knock-out criteria.

    The score of a segment is the sum of weight times normalised value, with weights that add up to 1, so it
    lies in [0, 1] and 1 is a segment that is best in everything.

    Parameters
    ----------
    criteria : mapping of profile column to weight or Criterion
        A plain number is the weight of a criterion of which more is better.
    knock_out : mapping of profile column to number, (minimum, maximum) or Limits, optional
        A plain number is the minimum. A segment outside is excluded, and the reason says why; so is one whose
        value is missing.
    normalization : {"rank", "minmax"}, default="rank"
        "rank": the share of the other segments that it beats, ties shared: robust against one giant segment.
        "minmax": distance between the worst and the best segment: keeps how much better one is. A criterion in
        which all segments are equal counts 0.5 for each.

    Notes
    -----
    Criteria are normalised over the segments that are left after the knock-out. A segment that lacks the value
    of a criterion is listed last with that reason. The weighted sum over segment attractiveness criteria, after
    knock-out criteria, is the procedure of Dolnicar, Grün and Leisch (2018), Market Segmentation Analysis,
    chapters 4 and 8 (doi:10.1007/978-981-10-8818-6).

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.prioritizers import Criterion, WeightedPrioritizer
    >>> profile = pd.DataFrame(
    ...     {"n_customers": [500, 300, 12], "clv_total": [9.0, 8.0, 7.0], "churn_mean": [0.6, 0.1, 0.2]},
    ...     index=["a", "b", "c"])
    >>> plan = WeightedPrioritizer(
    ...     {"clv_total": 0.6, "churn_mean": Criterion(0.4, higher_is_better=False)},
    ...     knock_out={"n_customers": 50}).prioritize(profile)
    >>> plan["priority"].tolist()
    [1, 2, <NA>]
    >>> plan.loc["c", "reason"]
    'excluded: n_customers is 12, minimum 50'
    """

    def __init__(
        self,
        criteria: Mapping[str, float | Criterion],
        *,
        knock_out: Mapping[str, float | tuple[float | None, float | None] | Limits] | None = None,
        normalization: Literal["rank", "minmax"] = "rank",
    ) -> None:
        self.criteria = criteria
        self.knock_out = knock_out
        self.normalization = normalization

    def _exclusions(self, profile: pd.DataFrame) -> Mapping[str, str]:
        reasons: dict[str, list[str]] = {}
        if self.knock_out is not None and not isinstance(self.knock_out, Mapping):
            raise ValueError(f"knock_out must be a mapping of profile column to limits, got {self.knock_out!r}.")
        for name, given in (self.knock_out or {}).items():
            limits = _limits(name, given)
            values = profile_column(profile, name, "WeightedPrioritizer(knock_out=...)")
            for segment, value in zip(profile.index, values, strict=True):
                problem = _violation(name, value, limits)
                if problem:
                    reasons.setdefault(segment, []).append(problem)
        return {segment: f"excluded: {'; '.join(problems)}" for segment, problems in reasons.items()}

    def _priority_scores(self, profile: pd.DataFrame) -> NDArray[np.float64]:
        # a tie is a tie whatever the order of the criteria and the size of the weights: 0.1 + 0.2 is not 0.3
        result: NDArray[np.float64] = self._contributions(profile).sum(axis=1).round(12)
        return result

    def _contributions(self, profile: pd.DataFrame) -> NDArray[np.float64]:
        """Return weight times normalised value, shape (n_segments, n_criteria)."""
        if self.normalization not in ("rank", "minmax"):
            raise ValueError(f"normalization must be 'rank' or 'minmax', got {self.normalization!r}.")
        criteria = _criteria(self.criteria)
        total = sum(criterion.weight for criterion in criteria.values())
        columns = []
        for name, criterion in criteria.items():
            values = profile_column(profile, name, "WeightedPrioritizer(criteria=...)")
            signed = values if criterion.higher_is_better else -values
            columns.append(criterion.weight / total * _normalize(signed, self.normalization))
        return np.column_stack(columns)

    def _reasons(self, profile: pd.DataFrame, scores: NDArray[np.float64]) -> Sequence[str]:
        criteria, parts = _criteria(self.criteria), self._contributions(profile).round(12)
        texts = []
        for row, (_, values) in enumerate(profile.iterrows()):
            named = [
                f"{name} {money(float(values[name]))} adds {parts[row, i]:.2f}"
                for i, name in enumerate(criteria)
                if not np.isnan(parts[row, i])
            ]
            texts.append(f"score {scores[row]:.2f} of 1: {'; '.join(named)}")
        return texts


def _normalize(values: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    """Scale to [0, 1], 1 best; missing values stay missing; 0.5 for all where all are equal."""
    known = ~np.isnan(values)
    result = np.full(len(values), np.nan)
    if not known.any():
        return result
    scores = rankdata(values[known]) if how == "rank" else values[known]
    if how == "rank" and len(scores) > 1:
        # from the fixed ends of the ranking, so that ties share their place and do not stretch the others
        result[known] = (scores - 1) / (len(scores) - 1)
        return result
    spread = scores.max() - scores.min()
    result[known] = (scores - scores.min()) / spread if spread > 0 else 0.5
    return result


def _criteria(given: Any) -> dict[str, Criterion]:
    """Read criteria; plain numbers are weights."""
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"criteria must be a mapping of profile column to weight or Criterion, got {given!r}.")
    criteria = {}
    for name, value in given.items():
        criterion = value if isinstance(value, Criterion) else Criterion(value)
        weight = criterion.weight
        if (
            isinstance(weight, bool)
            or not isinstance(weight, int | float | np.number)
            or not np.isfinite(weight)
            or weight <= 0
        ):
            raise ValueError(
                f"criterion {name!r}: the weight must be a positive number, got {weight!r}. "
                "For 'less is better' keep it positive: Criterion(weight, higher_is_better=False)."
            )
        criteria[name] = Criterion(float(weight), bool(criterion.higher_is_better))
    return criteria


def _limits(name: str, given: Any) -> Limits:
    """Read knock-out limits; a plain number is a minimum."""
    if isinstance(given, tuple) and len(given) == 2:
        limits = Limits(*given)
    elif isinstance(given, int | float | np.number) and not isinstance(given, bool):
        limits = Limits(minimum=float(given))
    else:
        raise ValueError(f"knock_out[{name!r}] must be a minimum, (minimum, maximum) or Limits(...), got {given!r}.")
    low, high = limits
    for limit in limits:
        if limit is not None and (
            isinstance(limit, bool) or not isinstance(limit, int | float | np.number) or np.isnan(limit)
        ):
            raise ValueError(f"knock_out[{name!r}]: a limit must be a number or None, got {limit!r}.")
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        raise ValueError(f"knock_out[{name!r}]: {limits} lets no segment, or every segment, through.")
    return limits


def _violation(name: str, value: float, limits: Limits) -> str | None:
    if np.isnan(value):
        return f"{name} is missing"
    if limits.minimum is not None and value < limits.minimum:
        return f"{name} is {value:,.4g}, minimum {limits.minimum:,.4g}"
    if limits.maximum is not None and value > limits.maximum:
        return f"{name} is {value:,.4g}, maximum {limits.maximum:,.4g}"
    return None
