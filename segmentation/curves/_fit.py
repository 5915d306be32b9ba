"""Response curves from data."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segmentation._format import count, number, percent
from segmentation.curves._base import ResponseCurve
from segmentation.curves._curve import FAMILIES
from segmentation.curves._forms import AUTO, check_family, choose_family, form_of
from segmentation.curves._profile import (
    HIGHEST_RETENTION,
    RETENTION,
    Fitted,
    Form,
    bootstrap,
    first_pass,
    n_points,
    solve,
)
from segmentation.curves._resample import bootstrap_weights, group_codes, leverages
from segmentation.curves._result import CurveFit
from segmentation.curves._rows import Rows, read_rows

__all__ = ["check_n_draws", "check_options", "fit_response_curve", "seed_of"]

Array = NDArray[np.float64]
LIMITS = {
    "within": (
        "Each customer is compared with itself (fixed effects): what differs between customers and stays as it is no "
        "longer counts. What changes within a customer together with the effort still does: a visit because an order "
        "is expected, a season; and so does a curve that is steeper for customers who get more."
    ),
    "lagged": (
        "The outcome of the period before is held equal: effort that went to those who bought more lately no longer "
        "counts as its cause. What else decided on the effort still does, and a past outcome that is a noisy sign of "
        "a lasting difference between customers takes away only part of it."
    ),
}
FEW_CLUSTERS = 80
N_BINS = 12
GRID = 0.02


def fit_response_curve(
    effort: ArrayLike,
    outcome: ArrayLike,
    *,
    family: str = "exponential",
    randomized: bool | None = None,
    customer: Any = None,
    period: Any = None,
    carry_over: str | float | None = None,
    adjust: str | None = None,
    controls: ArrayLike | None = None,
    half: float | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.9,
    n_draws: int = 1000,
    random_state: Any = None,
) -> CurveFit:
    """Fit what effort brings to rows of effort and outcome, with intervals.

    The mean outcome is ``baseline + curve(effort)``, fitted by least squares: money that is mostly zero and now and
    then large needs no other assumption for its mean. The parameter of the curve that is not linear is found by
    profile over a stated range; the scale is not below 0, and the baseline not where no outcome is. Intervals are
    percentiles of a Bayesian bootstrap of what is independent: customers where there are at least 20 (or no periods are
    given); else stretches of periods, long enough for what lasts from one to the next; else rows. Above 1,000 of them
    random sets are resampled together; few that decide much of the fit get weights that vary more, because their
    residuals are too small.

    Parameters
    ----------
    effort, outcome : array-like of shape (n_rows,)
        Effort, 0 or more, and what came, one row per customer or per customer and period; finite numbers.
    family : {"exponential", "log", "power", "linear", "hill", "auto"}, default="exponential"
        "auto": the lowest cross-validated error (`CurveFit.selection` has them all, the warnings the reason).
    randomized : bool, optional
        Whether chance decided who gets how much. Unless True, a warning stands beside every result.
    customer, period : array-like of shape (n_rows,), optional
        Who, and when (sortable): rows of one customer, or of one stretch of time, are resampled together.
    carry_over : {None, "geometric"} or float, default=None
        Effort still works in later periods: the curve is one of the running mean
        ``(1 - r) * effort + r * mean before``, so that its `effort` is what is spent each period for good. "geometric"
        estimates the retention r, a number in [0, 1) fixes it. Needs `period`, and no gaps in it.
    adjust : {None, "within", "lagged"}, default=None
        A partial remedy where effort was not randomized, see the notes on its limits. "within": each customer is
        compared with itself, needs `customer`. "lagged": the outcome of the period before is held equal, needs
        `period`.
    controls : array-like of shape (n_rows, n_controls), optional
        What else moves the outcome (season, price, trend), held equal linearly.
    half : float, optional
        An assumption instead of an estimate: the effort that brings half of the top (of the log curve: at which one
        more unit brings half of what the first does). With two levels of effort nothing but a straight line can be
        had without it.
    weights : array-like of shape (n_rows,), optional
        Weight of each row, such as the population of a region.
    level : float, default=0.9
        Of the intervals.
    n_draws : int, default=1000
    random_state : int, numpy Generator or RandomState, optional

    Returns
    -------
    CurveFit
        ``table``, ``at_efforts``, ``curve`` (a `ResponseCurve` with draws), ``warnings``, ``settings``, ``plot()``.

    Raises
    ------
    ValueError
        Efforts below 0, NaN, rows that do not match, gaps in the periods where earlier ones count.
    FitError
        Effort or outcome do not vary; too few rows or independent customers or periods.

    Notes
    -----
    With `adjust` or `controls` the baseline is that of the mean customer and period. Means and controls are taken out
    once, before the bootstrap, which is right to first order.

    References
    ----------
    .. [1] Golub, G. H., Pereyra, V. (1973). The differentiation of pseudo-inverses and nonlinear least squares problems
       whose variables separate. SIAM Journal on Numerical Analysis 10. doi:10.1137/0710036
    .. [2] Jin, Y. et al. (2017). Bayesian methods for media mix modeling with carryover and shape effects. Google.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> calls = rng.integers(0, 7, size=4000)
    >>> spend = 20 + 30 * (1 - np.exp(-0.5 * calls)) + rng.normal(0, 25, size=4000)
    >>> fit = fit_response_curve(calls, spend, randomized=True, random_state=0)
    >>> fit.table.loc["top", ["estimate", "low", "high"]].astype(float).round(1).to_list()
    [33.8, 31.0, 37.1]
    >>> fit.curve
    ExponentialCurve(top=33.75, rate=0.3824, 1,000 draws)
    """
    check_family(family, auto=True)
    check_options(level, n_draws, randomized)
    retention = _check_carry_over(carry_over)
    seed = seed_of(random_state)
    rng = np.random.default_rng(seed)
    rows = read_rows(
        effort,
        outcome,
        customer=customer,
        period=period,
        weights=weights,
        controls=controls,
        adjust=adjust,
        ordered=retention not in (None, 0.0),
    )
    group = group_codes(rows, rng)
    notes: list[str] = []
    selection = None
    if family == AUTO:
        family, selection, reason = choose_family(rows, group, rng, carry_over=retention, half=half)
        notes.append(reason)
    form, told = form_of(family, rows, carry_over=retention, half=half)
    n = n_points(len(form.free))
    first = first_pass(form, rows, group, points_per_axis=n)
    point = solve(form, rows, first, points_per_axis=n)
    draw = bootstrap_weights(leverages(form, rows, point, group), n_draws, rng, spent=rows.spent)
    draws = bootstrap(form, rows, group, draw, first, points_per_axis=n)
    notes += [*told, *_diagnosis(form, rows, point, draws), *rows.notes]
    if adjust is not None:
        notes.append(LIMITS[adjust])
    settings: dict[str, Any] = {
        "family": form.family,
        "randomized": None if randomized is None else bool(randomized),
        "carry_over": carry_over,
        "adjust": adjust,
        "half": half,
        "n_controls": 0 if controls is None else int(np.atleast_2d(np.asarray(controls).T).shape[0]),
        "weighted": weights is not None,
        "level": level,
        "n_draws": n_draws,
        "random_state": seed,
        "n_rows": int(rows.keep.sum()),
        "resampled": rows.resampled,
        "n_resampled": int(rows.cluster.max()) + 1,
        "effort_low": float(rows.effort[rows.keep].min()),
        "effort_high": float(rows.effort[rows.keep].max()),
        "share_zero_outcome": float((rows.outcome[rows.keep] == 0).mean()),
        "searched": {name: list(bounds) for name, bounds in form.bounds.items()},
    }
    curve = _curve(form, point, draws, settings["randomized"], tuple(notes))
    return CurveFit(
        curve=curve,
        draws=_draw_table(form, draws),
        estimates={str(name): float(values.iloc[0]) for name, values in _draw_table(form, point).items()},
        bins=_bins(form, rows, point, level),
        efforts=_typical_efforts(rows),
        selection=selection,
        settings=settings,
        warnings=curve.caveats,
    )


def check_options(level: float, n_draws: int, randomized: Any) -> None:
    """Raise where the level of intervals, the number of draws or `randomized` cannot be used."""
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}.")
    check_n_draws(n_draws)
    if randomized is not None and not isinstance(randomized, bool | np.bool_):
        raise TypeError(f"randomized must be True, False or None, got {randomized!r}.")


def check_n_draws(n_draws: Any) -> None:
    """Raise ValueError unless the number of draws is a whole one, large enough for an interval."""
    if isinstance(n_draws, bool) or not isinstance(n_draws, numbers.Integral) or int(n_draws) < 20:
        raise ValueError(f"n_draws must be a whole number of at least 20, got {n_draws!r}.")


def _check_carry_over(carry_over: Any) -> str | float | None:
    if carry_over is None or carry_over == "geometric":
        return carry_over  # type: ignore[no-any-return]
    if isinstance(carry_over, numbers.Real) and not isinstance(carry_over, bool) and 0 <= float(carry_over) < 1:
        return float(carry_over)
    raise ValueError(f"carry_over must be None, 'geometric' or a retention in [0, 1), got {carry_over!r}.")


def seed_of(random_state: Any) -> int:
    """Return the seed to use, drawn from a generator that was given."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, numbers.Integral) and int(random_state) >= 0:
        return int(random_state)
    raise ValueError(f"random_state must be None, a whole number or a generator, got {random_state!r}.")


def _curve(form: Form, point: Fitted, draws: Fitted, randomized: bool | None, notes: tuple[str, ...]) -> ResponseCurve:
    inner = [i for i, name in enumerate(form.bounds) if name != RETENTION]
    return FAMILIES[form.family](
        *[float(point.scale[0]), *point.points[0, inner].tolist()],
        draws=np.column_stack([draws.scale, draws.points[:, inner]]),
        randomized=randomized,
        notes=notes,
    )


def _draw_table(form: Form, fitted: Fitted) -> pd.DataFrame:
    first = FAMILIES[form.family].parameter_names[0]
    columns: dict[str, Any] = {"baseline": fitted.baseline, first: fitted.scale}
    columns.update({name: fitted.points[:, i] for i, name in enumerate(form.bounds)})
    return pd.DataFrame(columns)


def _typical_efforts(rows: Rows) -> Array:
    """Return low, middle, high and highest of the efforts above 0."""
    effort = rows.effort[rows.keep]
    quantiles = np.quantile(effort[effort > 0], [0.1, 0.5, 0.9, 1.0], method="inverted_cdf")
    return np.unique(quantiles)


def _diagnosis(form: Form, rows: Rows, point: Fitted, draws: Fitted) -> list[str]:
    """Say what in the data makes the curve doubtful."""
    notes = []
    effort, outcome = rows.effort[rows.keep], rows.outcome[rows.keep]
    flat = float((draws.scale == 0).mean())
    if point.scale[0] == 0:
        notes.append("The outcome does not rise with the effort in these data: the curve is 0 everywhere.")
    elif flat >= 0.005:
        notes.append(
            f"In {percent(flat)} of the draws the outcome does not rise with the effort; they stand as no response."
        )
    if point.scale[0] > 0:
        notes += _at_the_end(form, point, float(effort.max()))
        notes += _outside(form, rows, point, draws)
        at_none = outcome[effort == 0]
        none_seen = bool(at_none.size) and float(at_none.mean()) <= 0.05 * float(outcome.mean())
        everything = float((draws.baseline <= 1e-6 * max(float(np.mean(outcome)), 0.0)).mean())
        if outcome.min() >= 0 and everything >= 0.02 and not none_seen:
            notes.append(
                f"In {percent(everything)} of the draws the effort brings the whole outcome, and only that it cannot "
                "bring more bounds it: the data do not."
            )
    if effort.min() > 0:
        notes.append(
            f"No row is without effort (the least is {number(float(effort.min()))}): the baseline, and with it what "
            "all the effort brings, is extrapolated by the form of the curve; differences between efforts seen are not."
        )
    n = int(rows.cluster.max()) + 1
    if n < FEW_CLUSTERS:
        notes.append(
            f"The intervals rest on {count(n, 'independent unit')} ({rows.resampled}) only and may be too short."
        )
    largest = np.abs(outcome * rows.weights[rows.keep])
    if len(outcome) >= 100 and largest.max() > 0.1 * largest.sum():
        notes.append(f"One row holds {percent(float(largest.max() / largest.sum()))} of the whole outcome.")
    return notes


def _outside(form: Form, rows: Rows, point: Fitted, draws: Fitted) -> list[str]:
    """Say where the estimate is not in its own interval: resampled data prefer another curve, and so may other data."""
    efforts = _typical_efforts(rows)
    value = point.scale[0] * form.values(efforts, point.points)[:, 0]
    drawn = form.values(efforts, draws.points) * draws.scale
    low, high = np.quantile(drawn, [0.05, 0.95], axis=1)
    # draws lie on a grid: without noise they miss the estimate by its steps, which says nothing
    slack = GRID * np.abs(value).max()
    outside = np.flatnonzero((value < low - slack) | (value > high + slack))
    if not outside.size:
        return []
    i = int(outside[0])
    return [
        f"The estimate at effort {number(float(efforts[i]))} ({number(float(value[i]))}) lies outside of its own "
        f"interval ({number(float(low[i]))} to {number(float(high[i]))}): with some rows weighed otherwise another "
        "curve fits best, so neither of the two is to be relied on."
    ]


def _at_the_end(form: Form, point: Fitted, highest: float) -> list[str]:
    """Say where a parameter lies at an end of its range: the data do not bound it on that side."""
    notes = []
    for i, (name, (low, high)) in enumerate(form.bounds.items()):
        if low == high:
            continue
        at = float(point.points[0, i])
        close = 1e-3 * abs(float(form.to_search(name, high) - form.to_search(name, low)))
        at_low = abs(float(form.to_search(name, at) - form.to_search(name, low))) < close
        at_high = abs(float(form.to_search(name, high) - form.to_search(name, at))) < close
        straight = (at_low and name == "rate") or (at_high and name in ("cap", "half", "exponent"))
        if straight:
            notes.append(
                f"No saturation is seen up to the highest effort ({number(highest)}): {name} is at the end of its "
                f"range ({number(at)}), and what the curve says beyond that effort is not from the data."
            )
        elif (at_high or at_low) and not (name == RETENTION and at_low):
            end = HIGHEST_RETENTION if name == RETENTION else at
            notes.append(
                f"{name} is at the end of the range that is searched ({number(end)}): the data do not bound it."
            )
    return notes


def _bins(form: Form, rows: Rows, point: Fitted, level: float) -> pd.DataFrame:
    """Return the mean outcome by effort, other things equal, for the picture."""
    g = form.columns(rows, point.points)
    x = rows.stock(form.retention(point.points))
    w = rows.weights[rows.keep]
    raw = rows.outcome[rows.keep]
    scale = float(point.scale[0])
    # what is left after customers and controls, put back on the curve
    y = rows.clean(raw[:, None] - scale * g)[:, 0] + float(point.baseline[0]) + scale * g[:, 0]
    levels, code = np.unique(x, return_inverse=True)
    if len(levels) > N_BINS + 1:
        edges = np.unique(np.quantile(x[x > 0], np.linspace(0, 1, N_BINS + 1)))
        code = np.where(x == 0, 0, 1 + np.searchsorted(edges[1:-1], x, side="left"))
    frame = pd.DataFrame({"bin": code, "w": w, "wx": w * x, "wy": w * y, "wyy": w * y * y, "n": 1})
    sums = frame.groupby("bin").sum()
    mean = sums["wy"] / sums["w"]
    spread = np.sqrt(np.maximum(sums["wyy"] / sums["w"] - mean**2, 0.0) / np.maximum(sums["n"] - 1, 1))
    return pd.DataFrame(
        {"effort": sums["wx"] / sums["w"], "outcome": mean, "standard_error": spread, "n_rows": sums["n"]}
    ).reset_index(drop=True)
