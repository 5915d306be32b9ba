"""Which parameters of a family the data can tell, where they are looked for, and which family fits best."""

from __future__ import annotations

import math
import numbers

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.curves._curve import FAMILIES
from segmentation.curves._profile import (
    HIGHEST_RETENTION,
    RETENTION,
    Form,
    held_out_errors,
    n_points,
)
from segmentation.curves._rows import Rows

__all__ = ["check_family", "choose_family", "form_of", "parameter_ranges", "rate_of_half"]

FOLDS = 10
AUTO = "auto"


def check_family(family: str, *, auto: bool = False) -> str:
    """Return the name of a family, or raise ValueError."""
    known = [*FAMILIES, AUTO] if auto else list(FAMILIES)
    if family not in known:
        raise ValueError(f"family must be one of {name_some(known, 9)}, got {family!r}.")
    return family


def rate_of_half(family: str, half: float) -> dict[str, float]:
    """Return the parameter of the form at which `half` is the effort of half the top.

    Of the log curve, which has no top, the effort at which a further unit brings half of what the first brings.
    """
    if isinstance(half, bool) or not isinstance(half, numbers.Real):
        raise TypeError(f"half must be a number, the effort that brings half of the top, got {half!r}.")
    if not (math.isfinite(half) and half > 0):
        raise ValueError(f"half must be a finite effort above 0, got {half!r}.")
    if family == "exponential":
        return {"rate": math.log(2) / half}
    if family == "log":
        return {"rate": 1.0 / half}
    if family == "hill":
        return {"half": float(half)}
    raise ValueError(f"half= has no meaning for the {family} curve: use 'exponential', 'log' or 'hill'.")


def parameter_ranges(family: str, low: float, high: float) -> dict[str, tuple[float, float]]:
    """Return where parameters are looked for, given a low effort above 0 and the highest.

    From a curve that is all but straight over the efforts seen to one that has all its rise before the lowest of them.
    """
    if family == "exponential":
        return {"rate": (0.05 / high, max(4.0 / low, 1.0 / high))}
    if family == "log":
        return {"rate": (0.05 / high, 100.0 / low)}
    if family == "power":
        return {"exponent": (0.02, 1.0)}
    if family == "linear":
        return {"cap": (low, high)}
    return {"half": (low / 5.0, 5.0 * high), "shape": (0.3, 6.0)}


def form_of(
    family: str, rows: Rows, *, carry_over: float | str | None, half: float | None
) -> tuple[Form, tuple[str, ...]]:
    """Return the form that the data can tell, and sentences on what they cannot."""
    effort = rows.effort[rows.keep]
    levels = np.unique(effort)
    notes: list[str] = []
    low, high = float(np.quantile(effort[effort > 0], 0.05)), float(levels[-1])
    one_period = carry_over is None or carry_over == 0
    if len(levels) == 2 and one_period and half is None and family != "linear":
        notes.append(
            f"The effort takes two values ({levels[0]:g} and {levels[1]:g}): that gives one slope and nothing about "
            f"its curvature, so a straight line up to {high:g} stands here instead of the {family} curve. An "
            "assumption in half= (the effort that brings half of the top) gives that curve."
        )
        family = "linear"
    bounds = parameter_ranges(family, low, high)
    if family == "linear" and len(levels) == 2 and one_period:
        bounds = {"cap": (high, high)}
    if half is not None and family != "linear":
        fixed = rate_of_half(family, half)
        bounds.update({name: (value, value) for name, value in fixed.items()})
        if family == "hill" and len(levels) < 4 and one_period:
            bounds["shape"] = (1.0, 1.0)
        notes.append(f"half={half:g} is an assumption, not an estimate; the intervals do not contain its error.")
    elif family == "hill" and len(levels) == 3 and one_period:
        bounds["shape"] = (1.0, 1.0)
        notes.append("The effort takes three values, too few to tell the shape of a Hill curve: shape=1 is assumed.")
    if carry_over == "geometric":
        bounds[RETENTION] = (0.0, HIGHEST_RETENTION)
    elif not one_period:
        bounds[RETENTION] = (float(carry_over), float(carry_over))  # type: ignore[arg-type]
    return Form(family, bounds), tuple(notes)


def choose_family(
    rows: Rows,
    group: NDArray[np.intp],
    rng: np.random.Generator,
    *,
    carry_over: float | str | None,
    half: float | None,
) -> tuple[str, pd.DataFrame, str]:
    """Choose the family of the lowest cross-validated error.

    The Hill curve, which has one parameter more, only if it is better by more than two standard errors.

    Returns
    -------
    family : str
    table : pandas.DataFrame
        Index ``family``, best first: ``cv_error`` (mean squared, of groups left out), ``difference`` to the chosen
        one and its ``standard_error``.
    reason : str
    """
    weight = np.bincount(group, rows.weights[rows.keep])
    fold = rng.permutation(len(weight)) % min(FOLDS, len(weight))
    errors: dict[str, NDArray[np.float64]] = {}
    for family in FAMILIES:
        if half is not None and family in ("power", "linear"):
            continue
        form, _ = form_of(family, rows, carry_over=carry_over, half=half)
        if form.family == family:
            n = n_points(len(form.free))
            errors[family] = held_out_errors(form, rows, group, fold, points_per_axis=n) / weight.sum()
    simple = {name: error.sum() for name, error in errors.items() if name != "hill"}
    chosen = min(simple, key=simple.__getitem__)
    if "hill" in errors:
        gain = errors[chosen] - errors["hill"]
        if gain.sum() > 2 * gain.std() * math.sqrt(len(gain)):
            chosen = "hill"
    table = pd.DataFrame(
        [
            (
                name,
                error.sum(),
                error.sum() - errors[chosen].sum(),
                (error - errors[chosen]).std() * math.sqrt(len(error)),
            )
            for name, error in errors.items()
        ],
        columns=["family", "cv_error", "difference", "standard_error"],
    )
    table = table.sort_values("cv_error", kind="stable").set_index("family")
    return chosen, table, _reason(chosen, table)


def _reason(chosen: str, table: pd.DataFrame) -> str:
    others = table.drop(index=chosen)
    if not len(others):
        return f"Only the {chosen} curve can be fitted to these efforts."
    near = [str(name) for name in others.index[others["difference"] < 2 * others["standard_error"]]]
    text = f"The {chosen} curve has the lowest cross-validated error of {len(table)} families"
    if table.index[0] != chosen:
        text = (
            f"The {chosen} curve has the lowest cross-validated error of the two-parameter families, and the Hill "
            "curve is not better by two standard errors"
        )
    if near:
        text += f"; not told from it by these data: {', '.join(near)}"
    return text + ". The intervals do not contain the choice of the family."
