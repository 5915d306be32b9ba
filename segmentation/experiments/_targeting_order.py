"""Who is treated first: an order of segments, or scores of customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import kind_of
from segmentation.assignment import UNASSIGNED
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._policy_input import Codes, Trial

__all__ = ["places_of"]


def places_of(order: Any, trial: Trial, notes: list[str]) -> tuple[Codes, list[str] | None]:
    """Return the place of each customer (0 first; equal scores share one), and the segments in order if it is theirs.

    Parameters
    ----------
    order : sequence or mapping of segments, column, Series or array
    trial : Trial
    notes : list of str
        Segments that the data do not have are added here.
    """
    if isinstance(order, str):
        if order not in trial.frame:
            raise ValueError(f"order must be a column with scores, segments in order, or scores; got {order!r}.")
        return _by_score(_numbers(trial.frame[order], f"column {order!r}"), trial), None
    if isinstance(order, Mapping):
        return _by_segment(_ranked(dict(order)), trial, notes)
    if isinstance(order, pd.Series):
        labels = {str(label_of(key)) for key in order.index}
        if len(order) != len(trial.kept) and labels >= set(trial.segments):
            return _by_segment(_ranked(order.to_dict()), trial, notes)
        absent = trial.frame.index.difference(order.index)
        if len(absent) or not order.index.is_unique or not trial.frame.index.is_unique:
            raise ValueError(
                "order as a Series is matched by its index, which must have every row of the data once"
                + (f"; it lacks {name_some(absent)}." if len(absent) else ".")
            )
        return _by_score(_numbers(order.reindex(trial.frame.index), "order"), trial), None
    # a column of another library goes by position, as an array does
    if hasattr(order, "__array__") and not isinstance(order, np.ndarray | pd.Index):
        order = np.asarray(order)
    if isinstance(order, np.ndarray) and order.dtype.kind in "fiub" and len(order) == len(trial.kept):
        return _by_score(order[trial.kept].astype(float), trial), None
    if isinstance(order, Sequence | np.ndarray | pd.Index):
        if trial.settings["segment"] is None and len(order) == len(trial.kept):
            raise ValueError("scores of customers come as a column, a Series or an array of numbers, not as a list.")
        return _by_segment([str(label_of(name)) for name in order], trial, notes)
    raise TypeError(
        "order must be segments (first treated first), a mapping of segments to scores (highest first), a column, or "
        f"scores of customers; got {kind_of(order)}."
    )


def _ranked(scores: dict[Any, Any]) -> list[str]:
    try:
        values = {str(label_of(name)): np.nan if value is None else float(value) for name, value in scores.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"order maps segments to scores, which must be numbers: {error}.") from error
    bad = [name for name, value in values.items() if not np.isfinite(value)]
    if bad:
        raise ValueError(f"order has no score for {name_some(bad)}.")
    # equal scores stay in the order that they came in
    return sorted(values, key=lambda name: -values[name])


def _numbers(column: pd.Series[Any], what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must hold scores, numbers that are highest for those treated first.") from error


def _by_segment(names: list[str], trial: Trial, notes: list[str]) -> tuple[Codes, list[str]]:
    if trial.settings["segment"] is None:
        raise ValueError("an order of segments needs segment=: the column that says who is in which.")
    twice = sorted({name for name in names if names.count(name) > 1})
    lacking = [name for name in trial.segments if name not in names]
    if twice or lacking:
        what = f"names {name_some(twice)} twice" if twice else f"lacks {name_some(lacking)}"
        raise ValueError(f"order {what}: every segment of the data stands in it once.")
    absent = [name for name in names if name not in trial.segments and name != UNASSIGNED]
    if absent:
        notes.append(f"The order names {name_some(absent)}, where the data have no customer.")
    used = [name for name in names if name in trial.segments]
    place = np.array([used.index(name) for name in trial.segments], dtype=np.int64)
    return place[trial.segment], used


def _by_score(score: NDArray[np.float64], trial: Trial) -> Codes:
    if np.isnan(score).any():
        raise ValueError(
            f"scores are missing for {count(int(np.isnan(score).sum()), 'customer')}: give them one, or leave them out."
        )
    return np.asarray(np.unique(-score, return_inverse=True)[1], dtype=np.int64).reshape(trial.n)
