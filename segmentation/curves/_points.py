"""A response curve from the points that an expert names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from segmentation._format import count, name_some, number, percent
from segmentation.curves._base import ResponseCurve
from segmentation.curves._curve import FAMILIES, HillCurve
from segmentation.curves._fit import check_n_draws, seed_of
from segmentation.curves._forms import check_family
from segmentation.curves._lift import finite

__all__ = ["from_points"]

Array = NDArray[np.float64]
ZOOM = 15
ZOOMS = 12


def from_points(
    points: Sequence[tuple[float, float]],
    *,
    family: str = "exponential",
    shape: float | None = None,
    uncertainty: float | None = None,
    n_draws: int = 1000,
    random_state: Any = None,
) -> ResponseCurve:
    """Return the curve through what an expert says: "two visits bring 300 above none, six bring 500".

    Parameters
    ----------
    points : sequence of (effort, outcome)
        At least two; outcomes are those **above** no effort. Two determine an exponential, log, power or linear curve
        (and a Hill curve of given `shape`), three a Hill curve; through more it goes by least squares.
    family : {"exponential", "log", "power", "linear", "hill"}, default="exponential"
    shape : float, optional
        Of a Hill curve, where it is known. Through two points it is 1 by default.
    uncertainty : float, optional
        How far off each outcome may be, as a share of it (one standard deviation of its log). With it the curve has
        draws: curves through points that are moved independently; positive by construction.
    n_draws : int, default=1000
    random_state : int, numpy Generator or RandomState, optional

    Returns
    -------
    ResponseCurve
        Its ``randomized`` is None: nobody measured it.

    Examples
    --------
    >>> curve = from_points([(2, 300), (6, 500)], uncertainty=0.2, random_state=0)
    >>> curve.value([2, 6]).round(6)
    array([300., 500.])
    >>> print(curve.notes[0])
    The curve goes through 2 points that a person named; nothing of it was measured.
    """
    check_family(family)
    check_n_draws(n_draws)
    if shape is not None and family != "hill":
        raise ValueError(f"shape= has no meaning for the {family} curve, only for 'hill'.")
    effort, outcome = _checked_points(points)
    if family == "hill" and shape is None and len(effort) == 2:
        shape = 1.0
    notes = [f"The curve goes through {count(len(effort), 'point')} that a person named; nothing of it was measured."]
    if family == "hill" and len(effort) == 2:
        notes.append(f"Two points do not tell the shape of a Hill curve: {number(float(shape or 1.0))} is assumed.")
    ends = _search_ends(family, effort, shape)
    params = _nearest_curve(family, ends, effort, outcome[None, :], exact=True)
    if sum(low < high for low, high in ends) > 1:
        params = _polished(params, ends, effort, outcome)
    _refuse_misfit(family, params[0], effort, outcome, notes, n_free=1 + sum(low < high for low, high in ends))
    draws = None
    if uncertainty is not None:
        spread = finite(uncertainty, "uncertainty")
        if spread <= 0:
            raise ValueError(f"uncertainty must be above 0, such as 0.2 for 20 %, got {uncertainty!r}.")
        rng = np.random.default_rng(seed_of(random_state))
        moved = outcome * np.exp(spread * rng.standard_normal((n_draws, len(outcome))))
        draws = _nearest_curve(family, ends, effort, moved, exact=False)
        notes.append(f"The draws move each outcome by about {percent(spread)}, as the person's own doubt.")
    return FAMILIES[family](*params[0].tolist(), draws=draws, notes=tuple(notes))


def _checked_points(points: Any) -> tuple[Array, Array]:
    try:
        array = np.array([[float(x), float(y)] for x, y in points])
    except (TypeError, ValueError) as error:
        raise ValueError(f"points must be pairs (effort, outcome), got {points!r}.") from error
    if not np.isfinite(array).all():
        raise ValueError(f"points must be finite, got {name_some(map(tuple, array.tolist()))}.")
    array = array[np.argsort(array[:, 0], kind="stable")] if len(array) else array.reshape(0, 2)
    at_none = array[array[:, 0] == 0]
    if (at_none[:, 1] != 0).any():
        raise ValueError(
            f"without effort the outcome is {at_none[0, 1]:g} here; outcomes are those above no effort: take it off."
        )
    array = array[array[:, 0] != 0]
    effort, outcome = array[:, 0], array[:, 1]
    if (array < 0).any():
        raise ValueError(f"efforts and outcomes must be 0 or more, got {name_some(map(tuple, array.tolist()))}.")
    if len(effort) < 2:
        raise ValueError(
            f"at least two points with effort are needed, got {len(effort)}: of one effort, see from_lift."
        )
    if (np.diff(effort) == 0).any():
        raise ValueError(f"each effort may stand once, got {name_some(effort)}.")
    if (np.diff(outcome) < 0).any() or not outcome.any():
        raise ValueError(f"outcomes must not fall with more effort, and not all be 0, got {name_some(outcome)}.")
    return effort, outcome


def _search_ends(family: str, effort: Array, shape: float | None) -> list[tuple[float, float]]:
    low, high = float(effort[0]), float(effort[-1])
    if family == "exponential":
        return [(1e-5 / high, 40.0 / low)]
    if family == "log":
        return [(1e-5 / high, 1e8 / low)]
    if family == "power":
        return [(1e-4, 1.0)]
    if family == "linear":
        return [(low, high)]
    return [(low / 100.0, 100.0 * high), (0.1, 12.0) if shape is None else (shape, shape)]


def _nearest_curve(
    family: str, ends: list[tuple[float, float]], effort: Array, outcomes: Array, *, exact: bool
) -> Array:
    """Return parameters of the least squares curve for each row of outcomes, by grids that close in on it.

    ``exact``: more rounds, for one row.
    """
    n = len(outcomes)
    free = [i for i, (low, high) in enumerate(ends) if low < high]
    low = np.tile(np.log([low for low, _ in ends]), (n, 1))
    high = np.tile(np.log([high for _, high in ends]), (n, 1))
    first, last = low[0].copy(), high[0].copy()
    size = ZOOM if len(free) > 1 or not exact else 200
    rounds = (ZOOMS * 3 if len(free) > 1 else ZOOMS) if exact else ZOOMS // 2
    steps = np.stack(
        np.meshgrid(*[np.linspace(0, 1, size if i in free else 1) for i in range(len(ends))], indexing="ij")
    )
    steps = steps.reshape(len(ends), -1).T
    best = low
    scale = np.zeros(n)
    for _ in range(rounds):
        logs = low[:, None, :] + steps[None, :, :] * (high - low)[:, None, :]
        params = np.concatenate([np.ones((*logs.shape[:2], 1)), np.exp(logs)], axis=2)
        if family == "power":
            params[..., 1] = np.minimum(params[..., 1], 1.0)
        g = FAMILIES[family]._value(params[:, :, None, :], effort)
        square = np.maximum((g * g).sum(axis=2), 1e-300)
        scales = np.maximum((g * outcomes[:, None, :]).sum(axis=2) / square, 0.0)
        error = ((outcomes[:, None, :] - scales[:, :, None] * g) ** 2).sum(axis=2)
        chosen = np.argmin(error, axis=1)
        rows = np.arange(n)
        best, scale = logs[rows, chosen], scales[rows, chosen]
        # a valley may run across a grid of two: close in by half there, to the neighbours otherwise
        width = (high - low) * (0.3 if len(free) > 1 else 1.0 / (size - 1))
        low, high = np.maximum(best - width, first), np.minimum(best + width, last)
    return np.column_stack([scale, np.minimum(np.exp(best), 1.0) if family == "power" else np.exp(best)])


def _polished(params: Array, ends: list[tuple[float, float]], effort: Array, outcome: Array) -> Array:
    """Return the better of the Hill curve found and those that Newton's method finds from other shapes.

    With half and shape free the error has long valleys, on which a grid that closes in may stop too early.
    """
    low, high = np.log(np.array([(1e-3 * outcome.max(), 1e3 * outcome.max()), *ends])).T

    def miss(logs: Array) -> Array:
        return np.asarray((HillCurve._value(np.exp(logs), effort) - outcome) / outcome.max())

    starts = [np.log(params[0])]
    for shape in (0.3, 0.7, 1.5, 3.0, 5.0):
        one = _nearest_curve("hill", [ends[0], (shape, shape)], effort, outcome[None, :], exact=True)[0]
        starts.append(np.log(one))
    inside = [np.clip(start, low + 1e-9, high - 1e-9) for start in starts]
    found = [optimize.least_squares(miss, start, bounds=(low, high), xtol=1e-15, ftol=1e-15) for start in inside]
    best = min(found, key=lambda one: float(one.cost))
    return np.asarray(np.exp(best.x)[None, :])


def _refuse_misfit(family: str, params: Array, effort: Array, outcome: Array, notes: list[str], *, n_free: int) -> None:
    """Raise where a curve that has enough parameters misses the points; say by how much where it has too few."""
    fitted = FAMILIES[family]._value(params, effort)
    miss = float(np.max(np.abs(fitted - outcome)) / outcome.max())
    if miss < 1e-3:
        return
    gain = outcome / effort
    if n_free >= len(effort):
        bent = (np.diff(gain) > 0).any()
        what = (
            "the outcome rises faster than the effort, which no concave curve does: family='hill' with a third point "
            "or a shape above 1 can"
            if bent and family != "hill"
            else "take another family, or points that differ more"
        )
        pairs = name_some(zip(effort.tolist(), outcome.tolist(), strict=True))
        raise ValueError(f"no {family} curve goes through the points {pairs}: {what}.")
    notes.append(f"The curve misses the points by up to {percent(miss)} of the highest outcome.")
