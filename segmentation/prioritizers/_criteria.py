"""What criteria and knock-outs are, and how figures of different units become comparable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from segmentation._format import name_some
from segmentation.prioritizers._columns import profile_column

__all__ = [
    "Criterion",
    "Limits",
    "Rating",
    "check_normalization",
    "is_number",
    "knocked_out",
    "normalized",
    "read_criteria",
]

Array = NDArray[np.float64]


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


class Rating(NamedTuple):
    """A criterion that people rated on a scale with fixed ends, which are kept: 7 of 10 stays 7 of 10.

    Attributes
    ----------
    weight : float
        Positive; weights are divided by their sum.
    low, high : float, default=1 and 10
        Ends of the scale. A rating outside is refused.
    higher_is_better : bool, default=True
    """

    weight: float
    low: float = 1.0
    high: float = 10.0
    higher_is_better: bool = True


class Limits(NamedTuple):
    """What a segment must have to be considered at all; None is no limit, and a limit itself is allowed."""

    minimum: float | None = None
    maximum: float | None = None


def is_number(value: Any) -> bool:
    """Tell whether a parameter is a plain number, infinities and NaN among them."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def check_normalization(given: Any) -> None:
    """Refuse an unknown way to make figures comparable."""
    if given not in ("rank", "minmax"):
        raise ValueError(f"normalization must be 'rank' or 'minmax', got {given!r}.")


def read_criteria(given: Any, what: str = "criteria") -> dict[str, Criterion | Rating]:
    """Read criteria; plain numbers are weights."""
    if not isinstance(given, Mapping) or not given:
        raise ValueError(
            f"{what} must be a mapping of profile column to weight or Criterion or Rating, with one entry at least; "
            f"got {given!r}."
        )
    criteria: dict[str, Criterion | Rating] = {}
    for name, value in given.items():
        criterion = value if isinstance(value, Criterion | Rating) else Criterion(value)
        weight = criterion.weight
        if not is_number(weight) or not np.isfinite(weight) or weight <= 0:
            raise ValueError(
                f"criterion {name!r}: the weight must be a positive number, got {weight!r}. "
                "For 'less is better' keep it positive: Criterion(weight, higher_is_better=False)."
            )
        if isinstance(criterion, Rating):
            _check_scale(name, criterion)
        criteria[name] = criterion._replace(weight=float(weight), higher_is_better=bool(criterion.higher_is_better))
    return criteria


def _check_scale(name: str, rating: Rating) -> None:
    ends = (rating.low, rating.high)
    if not all(is_number(end) and np.isfinite(end) for end in ends) or rating.low >= rating.high:
        raise ValueError(f"criterion {name!r}: a rating needs finite ends, low below high; got {ends}.")


def normalized(profile: pd.DataFrame, name: str, criterion: Criterion | Rating, how: str, who: str) -> Array:
    """Return a criterion as numbers in [0, 1], 1 best; missing stays missing."""
    values = profile_column(profile, name, who)
    if isinstance(criterion, Rating):
        low, high = float(criterion.low), float(criterion.high)
        outside = (values < low) | (values > high)
        if outside.any():
            raise ValueError(
                f"{who}: ratings in {name!r} must lie in {low:g} to {high:g}, got {name_some(values[outside])} "
                f"for {name_some(profile.index[outside])}. Give the ends of the scale: Rating(weight, low, high)."
            )
        share = (values - low) / (high - low)
        return share if criterion.higher_is_better else 1 - share
    return _normalize(values if criterion.higher_is_better else -values, how)


def _normalize(values: Array, how: str) -> Array:
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


def knocked_out(profile: pd.DataFrame, given: Any, who: str) -> dict[str, str]:
    """Return the segments that miss a knock-out criterion, each with all reasons."""
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"knock_out must be a mapping of profile column to limits, got {given!r}.")
    reasons: dict[str, list[str]] = {}
    for name, limit in (given or {}).items():
        limits = _limits(name, limit)
        values = profile_column(profile, name, f"{who}(knock_out=...)")
        for segment, value in zip(profile.index, values, strict=True):
            problem = _violation(name, value, limits)
            if problem:
                reasons.setdefault(segment, []).append(problem)
    return {segment: f"excluded: {'; '.join(problems)}" for segment, problems in reasons.items()}


def _limits(name: str, given: Any) -> Limits:
    """Read knock-out limits; a plain number is a minimum."""
    if isinstance(given, tuple) and len(given) == 2:
        limits = Limits(*given)
    elif is_number(given):
        limits = Limits(minimum=float(given))
    else:
        raise ValueError(f"knock_out[{name!r}] must be a minimum, (minimum, maximum) or Limits(...), got {given!r}.")
    low, high = limits
    for limit in limits:
        if limit is not None and (not is_number(limit) or np.isnan(limit)):
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
