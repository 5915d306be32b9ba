"""What is to be fitted and which tests fit the columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from segmentation._format import name_some
from segmentation.evaluation._refits import Customers, last_step, name_of
from segmentation.evaluation._stability_path import find_parameter
from segmentation.evaluation._structure_columns import few_levels
from segmentation.evaluation._structure_space import space_of
from segmentation.exceptions import SegmentationWarning

__all__ = ["Plan", "plan_of", "with_starts"]

# Fewer items than this have too few combinations of answers to form groups of their own.
LEAST_ITEMS = 3
STARTS_NAMES = ("n_init", "n_starts", "n_restarts")


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done.

    Attributes
    ----------
    models : dict of int to Segmenter or Pipeline
        Unfitted, by number of segments.
    own : int
        Number of segments of the segmenter as it came.
    parameter : str or None
        What holds the number.
    dip, latent : bool
        Which tests are made.
    notes : tuple of str
    """

    models: dict[int, Any]
    own: int
    parameter: str | None
    dip: bool
    latent: bool
    notes: tuple[str, ...]

    @property
    def n_tests(self) -> int:
        """How many tests there are, for the correction."""
        return int(self.dip) + int(self.latent)

    @property
    def tests(self) -> list[str]:
        """Names of the tests."""
        return ["dip"] * self.dip + ["latent normal"] * self.latent


def with_starts(model: Any, n_starts: int, *, exactly: bool = False) -> Any:
    """Return an unfitted copy with at least so many starts, or exactly so many, where a parameter holds them."""
    copy = clone(model)
    for name, value in copy.get_params(deep=True).items():
        if name.split("__")[-1] in STARTS_NAMES:
            known = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if (exactly and (not known or value > n_starts)) or (not exactly and (not known or value < n_starts)):
                copy.set_params(**{name: n_starts})
    return copy


def plan_of(
    segmenter: Any, customers: Customers, values: pd.DataFrame, n_segments: Iterable[int] | None, parameter: str | None
) -> Plan:
    """Fit once to see what the segmenter makes of the customers, and choose tests by the kind of their columns."""
    fitted = clone(segmenter)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        fitted.fit(customers.data)
    own = len(last_step(fitted).segments_)
    models, name, notes = _models(segmenter, own, len(customers), n_segments, parameter)
    notes += [str(warning.message) for warning in heard if issubclass(warning.category, SegmentationWarning)]
    few = few_levels(values.to_numpy())
    kept = int(few_levels(space_of(fitted, customers)).sum())
    n_few, n_other = int(few.sum()), int((~few).sum())
    if kept < n_few:  # the pipeline mixes items with other columns: their gaps are everywhere
        return Plan(models, own, name, False, True, tuple(notes))
    dip, latent = n_other > 0, n_few >= LEAST_ITEMS or not n_other
    if n_few and not latent:
        left = name_some(values.columns[few])
        notes.append(f"Columns of three levels or fewer were not looked at for groups, being fewer than three: {left}.")
    return Plan(models, own, name, dip, latent, tuple(notes))


def _models(
    segmenter: Any, own: int, n_customers: int, n_segments: Iterable[int] | None, parameter: str | None
) -> tuple[dict[int, Any], str | None, list[str]]:
    """Return the segmenter with each number of segments."""
    name, notes = parameter, []
    if name is None and n_segments is not None:
        try:
            name = find_parameter(segmenter)
        except ValueError:
            notes.append(
                f"{name_of(segmenter)} has no parameter for the number of segments that is known by its name: "
                "only its own solution was judged."
            )
    if name is None or n_segments is None:
        return {own: segmenter}, None, notes
    numbers = _numbers(n_segments)
    configured = segmenter.get_params(deep=True).get(name)
    own_number = int(configured) if isinstance(configured, int | np.integer) else own
    tried = [k for k in sorted({*numbers, own_number}) if 2 <= k <= n_customers // 5]
    left_out = [k for k in numbers if k not in tried]
    if left_out:
        notes.append(
            f"Numbers of segments that leave fewer than five customers to each were not tried: {name_some(left_out)}."
        )
    models = {k: clone(segmenter).set_params(**{name: k}) for k in tried}
    return (models or {own: segmenter}), name, notes


def _numbers(n_segments: Iterable[int]) -> list[int]:
    if not isinstance(n_segments, Iterable):
        raise TypeError(f"n_segments must be numbers of segments such as range(2, 9), got {n_segments!r}.")
    numbers = list(n_segments)
    wrong = [k for k in numbers if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2]
    if wrong or not numbers:
        raise ValueError(f"n_segments must be whole numbers of at least 2, got {name_some(wrong) or 'none'}.")
    return [int(k) for k in numbers]
