"""Several efforts and one series of outcomes: checked, in order, with what is held equal."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.curves._forms import check_family
from segmentation.curves._rows import (
    check_numbers,
    codes_of,
    control_columns,
    uneven_periods,
)
from segmentation.exceptions import FitError

__all__ = [
    "BASELINE",
    "Periods",
    "by_name",
    "check_carry_over",
    "check_families",
    "expected_shares",
    "read_periods",
    "refuse_too_many",
]

Array = NDArray[np.float64]
BASELINE = "baseline"
# Columns of the decomposition beside the efforts.
RESERVED = (BASELINE, "outcome", "left")
WAVES = 2
FEWEST = 8
# Efforts that are as alike as this, or that others explain to this share, cannot be told apart by any data.
SAME = 1e-9
# Periods per figure that is fitted, below which a sentence says so.
FEW_PERIODS = 5.0


@dataclass(frozen=True, eq=False)
class Periods:
    """Periods in order.

    ``efforts`` (n_periods, n_efforts), ``outcome`` (n_periods,), ``held`` (n_periods, n_held): a column of ones, then
    independent columns of what is held equal; ``labels``: of the periods.
    """

    names: tuple[Any, ...]
    efforts: Array
    outcome: Array
    held: Array
    labels: pd.Index
    notes: tuple[str, ...]


def read_periods(
    efforts: Any, outcome: Any, *, period: Any, controls: Any, trend: bool, season: float | None
) -> Periods:
    """Return the periods in order, or say what is wrong with them."""
    names, x = _efforts(efforts)
    y = check_numbers(outcome, "outcome")
    n = len(x)
    if len(y) != n:
        raise ValueError(f"outcome has {count(len(y), 'row')}, efforts have {n:,}.")
    if n < FEWEST:
        raise FitError(f"curves need at least {FEWEST} periods, got {n}: see from_points and from_lift.")
    z = control_columns(controls, n)
    labels, order, notes = _order(period, n)
    x, y, z = x[order], y[order], z[order]
    if (y == y[0]).all():
        raise FitError(f"outcome is {y[0]:g} in every period: there is nothing that efforts could explain.")
    if y.mean() <= 0:
        raise FitError(f"the mean outcome is {y.mean():g}: shares of it need one above 0.")
    held = _held(z, n, trend, season)
    _refuse_alike(names, x, held)
    return Periods(names, x, y, held, labels, notes)


def _efforts(efforts: Any) -> tuple[tuple[Any, ...], Array]:
    if isinstance(efforts, Mapping):
        columns = list(efforts.items())
    elif is_frame(efforts):
        frame = to_pandas(efforts, name="efforts")
        columns = [(name, frame.iloc[:, i]) for i, name in enumerate(frame.columns)]
    else:
        raise TypeError(
            "efforts must be a table with one named column per effort and one row per period (or a mapping of names "
            f"to columns), got {kind_of(efforts)}. A single effort without a name: fit_response_curve."
        )
    names = [name for name, _ in columns]
    if not names:
        raise ValueError("efforts has no column: give one per effort.")
    repeated = list(dict.fromkeys(name for name in names if names.count(name) > 1))
    if repeated:
        raise ValueError(f"efforts must have different names; repeated: {name_some(repeated)}.")
    taken = [name for name in names if name in RESERVED]
    if taken:
        raise ValueError(f"an effort is named {taken[0]!r}, which has a meaning of its own in the results: rename it.")
    parts = [_effort(name, values) for name, values in columns]
    lengths = {name: len(part) for name, part in zip(names, parts, strict=True)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"efforts must have one row per period each, got {lengths}.")
    return tuple(names), np.column_stack(parts)


def _effort(name: Any, values: Any) -> Array:
    column = check_numbers(values, f"effort {name!r}")
    wrong = np.flatnonzero(column < 0)
    if wrong.size:
        raise ValueError(
            f"effort {name!r} must be 0 or more; it is negative in {count(wrong.size, 'row')}: "
            f"{name_some(column[wrong])}."
        )
    if len(column) and (column == column[0]).all():
        raise FitError(
            f"effort {name!r} is {column[0]:g} in every period: what it brings cannot be seen where it does not vary. "
            "Leave it out (what it brings is then part of the baseline), or see from_lift."
        )
    return column


def _order(period: Any, n: int) -> tuple[pd.Index, NDArray[np.intp], tuple[str, ...]]:
    if period is None:
        return pd.RangeIndex(n, name="period"), np.arange(n, dtype=np.intp), ()
    codes, labels = codes_of(period, "period", n)
    if len(labels) < n:
        twice = labels[np.bincount(codes) > 1]
        raise ValueError(
            f"there must be one row per period; several have {name_some(twice.tolist())}. Add them up, or fit one "
            "effort of several customers with fit_response_curve(customer=...)."
        )
    return labels.rename("period"), np.argsort(codes), tuple(uneven_periods(period))


def _held(z: Array, n: int, trend: bool, season: float | None) -> Array:
    """Return ones and independent columns of what is held equal."""
    if not isinstance(trend, bool | np.bool_):
        raise TypeError(f"trend must be True or False, got {trend!r}.")
    t = np.arange(n, dtype=np.float64)
    columns = [z, t[:, None]] if trend else [z]
    if season is not None:
        if isinstance(season, bool) or not isinstance(season, numbers.Real) or not 2 < float(season) < math.inf:
            raise ValueError(f"season must be the number of periods of one cycle, above 2, got {season!r}.")
        waves = [f(2 * np.pi * k * t / float(season)) for k in range(1, WAVES + 1) for f in (np.sin, np.cos)]
        columns.append(np.column_stack(waves))
    every = np.hstack(columns)
    every = every - every.mean(axis=0)
    size = np.sqrt((every**2).mean(axis=0))
    every = every[:, size > SAME * np.maximum(np.abs(np.hstack(columns)).max(axis=0), 1e-300)]
    if every.shape[1]:
        left, values, _ = np.linalg.svd(every / np.sqrt((every**2).mean(axis=0)), full_matrices=False)
        every = left[:, values > SAME * values[0]] * math.sqrt(n)
    return np.column_stack([np.ones(n), every])


def _refuse_alike(names: Sequence[Any], x: Array, held: Array) -> None:
    """Say which efforts no data could tell apart."""
    inner = x - x.mean(axis=0)
    inner = inner / np.sqrt((inner**2).sum(axis=0))
    alike = np.argwhere(np.triu(np.abs(inner.T @ inner), 1) > 1 - SAME)
    if len(alike):
        i, j = alike[0].tolist()
        raise FitError(
            f"efforts {names[i]!r} and {names[j]!r} move exactly together: no data can tell what each of them brings. "
            "Leave one out, or add them up."
        )
    left = inner - held @ np.linalg.lstsq(held, inner, rcond=None)[0]
    gone = np.flatnonzero((left**2).sum(axis=0) < SAME).tolist()
    if gone:
        raise FitError(
            f"controls explain effort {names[gone[0]]!r} wholly: nothing is left to see its response in. Leave out "
            "the controls that are made from it."
        )
    left = left / np.sqrt((left**2).sum(axis=0))
    for j in range(len(names)):
        others = np.delete(np.arange(len(names)), j)
        if not others.size:
            break
        weight = np.linalg.lstsq(left[:, others], left[:, j], rcond=1e-12)[0]
        if ((left[:, j] - left[:, others] @ weight) ** 2).sum() < SAME:
            of = [names[k] for k, w in zip(others.tolist(), weight, strict=True) if abs(w) > 1e-6]
            raise FitError(
                f"effort {names[j]!r} is a sum of others ({name_some(of)}): no data can tell what each of them "
                "brings. Leave out the total, or its parts."
            )


def refuse_too_many(n_periods: int, n_held: int, n_curves: int, n_efforts: int) -> list[str]:
    """Refuse more figures than periods; say where periods are few."""
    n = n_held + n_curves
    what = (
        f"{count(n, 'figure')} ({count(n_held, 'control')} with the constant, {n_curves} of "
        f"{count(n_efforts, 'curve')})"
    )
    if n >= n_periods:
        raise FitError(
            f"{what} cannot be fitted to {count(n_periods, 'period')}: give fewer controls or efforts, or more periods."
        )
    if n_periods < FEW_PERIODS * n:
        return [f"{count(n_periods, 'period')} for {what} are few: intervals rest on what was expected as well."]
    return []


def by_name(value: Any, names: Sequence[Any], what: str, default: Any) -> list[Any]:
    """Return one value per effort from one for all, or from a mapping of some efforts."""
    if not isinstance(value, Mapping):
        return [value] * len(names)
    unknown = [name for name in value if name not in names]
    if unknown:
        raise ValueError(f"{what} names {name_some(unknown)}, no effort; efforts: {name_some(names, 12)}.")
    return [value.get(name, default) for name in names]


def check_carry_over(value: Any, name: Any) -> str | float | None:
    """Return the carry-over of an effort, or raise ValueError."""
    if value is None or (isinstance(value, str) and value == "geometric"):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= float(value) < 1:
        return float(value)
    raise ValueError(f"carry_over of {name!r} must be None, 'geometric' or a retention in [0, 1), got {value!r}.")


def check_families(value: Any, names: Sequence[Any]) -> list[str]:
    """Return the family of each effort."""
    families = by_name(value, names, "family", "exponential")
    if "auto" in families:
        raise ValueError(
            "family='auto' is for a single effort (fit_response_curve): name the family of several, such as "
            "'exponential', or one for each ({'tv': 'hill'})."
        )
    return [check_family(family) for family in families]


def expected_shares(value: Any, names: Sequence[Any], default: float) -> list[float]:
    """Return the share of the outcome that is expected of each effort where it works."""
    found = []
    for name, share in zip(names, by_name(value, names, "expected_share", None), strict=True):
        if share is None:
            found.append(default)
        elif isinstance(share, numbers.Real) and not isinstance(share, bool) and 0 < float(share) < 1:
            found.append(float(share))
        else:
            raise ValueError(f"expected_share of {name!r} must be between 0 and 1, got {share!r}.")
    return found
