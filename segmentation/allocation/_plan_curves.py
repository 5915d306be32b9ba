"""The curves that a plan file describes, for the segments of a profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, nearest
from segmentation.curves import LinearCurve, ResponseCurve, from_lift, from_points
from segmentation.curves._curve import FAMILIES
from segmentation.curves._fit import seed_of

__all__ = ["PlanFileError", "by_action", "check_keys", "curve_of", "number_of", "table_of"]

COMMON = ("per", "times", "randomized", "note")
SOURCES: dict[str, tuple[str, ...]] = {
    "points": ("points", "family", "shape", "uncertainty"),
    "effect": ("effect", "effort", "se", "family", "half", "exponent", "shape"),
}


class PlanFileError(ValueError):
    """A plan file that cannot be used; the message names the place in the file."""


def check_keys(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        close = nearest(unknown[0], list(known))
        hint = f" Do you mean {name_some(close)}?" if close else ""
        raise PlanFileError(f"{where} has {name_some(unknown)}, which means nothing there.{hint} Known: {list(known)}.")


def table_of(value: Any, where: str, expected: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PlanFileError(f"{where} must be a table, {expected}; got {value!r}.")
    return dict(value)


def by_action(described: Any) -> dict[str, Any]:
    """Return descriptions by action; the action is "" where the segment has one curve."""
    if isinstance(described, Mapping) and described and all(isinstance(one, Mapping) for one in described.values()):
        return dict(described)
    return {"": described}


def curve_of(given: Any, where: str, row: pd.Series[Any], segment: str, random_state: Any) -> ResponseCurve:
    entries = table_of(given, where, "family and its parameters, points, or effect and effort")
    source = next((key for key in SOURCES if key in entries), "family")
    if source == "family" and "family" not in entries:
        raise PlanFileError(f"{where} says not what the curve is: give family, points, or effect and effort.")
    common = {key: entries.pop(key) for key in COMMON if key in entries}
    try:
        # what is not known about one description is not known about another; segments that share one share the doubt
        rng = np.random.default_rng([seed_of(random_state), *where.encode()])
        curve = _described(entries, source, where, common.get("randomized"), rng)
    except PlanFileError:
        raise
    except (TypeError, ValueError) as error:
        raise PlanFileError(f"{where}: {error}") from error
    note = common.get("note")
    if isinstance(note, str) and note:
        curve = dataclasses.replace(curve, notes=(*curve.notes, note))
    return _for_segment(curve, common, where, row, segment)


def _described(
    entries: dict[str, Any], source: str, where: str, randomized: bool | None, random_state: Any
) -> ResponseCurve:
    if source == "family":
        family = entries.pop("family")
        if family not in FAMILIES:
            raise PlanFileError(f"{where}.family must be one of {list(FAMILIES)}, got {family!r}.")
        names = FAMILIES[family].parameter_names
        check_keys(entries, names, where)
        missing = [name for name in names if name not in entries]
        if missing:
            raise PlanFileError(f"{where} has no {name_some(missing)}, which the {family} curve needs.")
        return FAMILIES[family](**entries, randomized=randomized)
    check_keys(entries, SOURCES[source], where)
    if source == "points":
        points = entries.pop("points")
        return dataclasses.replace(from_points(points, **entries, random_state=random_state), randomized=randomized)
    if "effort" not in entries:
        raise PlanFileError(f"{where} has an effect, but not the effort that had it.")
    ranges: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()}
    return from_lift(**ranges, randomized=randomized, random_state=random_state)


def _for_segment(
    curve: ResponseCurve, common: Mapping[str, Any], where: str, row: pd.Series[Any], segment: str
) -> ResponseCurve:
    """Multiply a curve with the column that it is told in, and with the customers of the segment."""
    per = common.get("per", "segment")
    if per not in ("segment", "customer"):
        raise PlanFileError(f'{where}.per must be "segment" or "customer", got {per!r}.')
    column = common.get("times")
    factor = 1.0 if column is None else number_of(row, column, f"{where}.times", segment)
    if factor < 0:
        raise PlanFileError(f"{where}.times: {column!r} of segment {segment!r} is {factor:g}, which is below 0.")
    n = number_of(row, "n_customers", f"{where}.per", segment) if per == "customer" else 1.0
    if factor == 0 or n == 0:
        what = column if factor == 0 else "n_customers"
        return LinearCurve(
            0.0, np.inf, randomized=curve.randomized, notes=(f"{what} of {segment!r} is 0: no response.",)
        )
    return curve.rescaled(outcome=factor * n, effort=n)


def number_of(row: pd.Series[Any], column: Any, where: str, segment: str) -> float:
    if column not in row.index:
        numeric = [name for name, value in row.items() if isinstance(value, int | float | np.number)]
        raise PlanFileError(f"{where}: the profile has no column {column!r}; it has {name_some(numeric, 12)}.")
    try:
        value = float(row[column])
    except (TypeError, ValueError) as error:
        raise PlanFileError(f"{where}: {column!r} of segment {segment!r} is no number: {row[column]!r}.") from error
    if not np.isfinite(value):
        raise PlanFileError(f"{where}: {column!r} of segment {segment!r} is {value}: give this segment its own curve.")
    return value
