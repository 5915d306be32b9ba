"""What `acquisition_cost` takes, in all its forms, as numbers per segment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from segmentation._format import name_some, nearest, number
from segmentation.assignment import UNASSIGNED

__all__ = ["Margins", "Values", "plain_numbers", "read_margins", "read_values"]

Array = NDArray[np.float64]
FEWEST_DRAWS = 20
# Of the normal distribution that stands for the interval of a profile.
N_NORMAL = 2000


@dataclass(frozen=True, eq=False)
class Values:
    """Mean value of a customer by segment, draws of it (None: taken as known), and where it comes from."""

    mean: Mapping[Any, float]
    draws: Mapping[Any, Array | None]
    source: str
    score: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Margins:
    """Cumulative margin of a customer by day: draws (or one row) at days that rise from 0."""

    days: Array
    draws: Array
    horizon: float

    def payback(self, money: float, n: int, rate: Array, level: float) -> dict[str, Any]:
        """Return the day on which the margin has paid the cost of a customer, with interval and words."""
        if n == 0 or money == 0:
            free = money == 0 and n > 0
            days = 0.0 if free else np.inf
            text = "at once: nothing was spent" if free else "nobody acquired"
            bounds = (np.nan, np.nan)
        else:
            days = float(self._reached(self.draws.mean(axis=0)[None, :], np.array([money / n]))[0])
            rows = np.resize(np.arange(len(self.draws)), len(rate))
            with np.errstate(divide="ignore"):
                drawn = np.sort(self._reached(self.draws[rows], money / rate))
            tail = (1 - level) / 2
            # order statistics: infinity cannot be interpolated
            places = [int(np.floor(tail * (len(drawn) - 1))), int(np.ceil((1 - tail) * (len(drawn) - 1)))]
            bounds = (float(drawn[places[0]]), float(drawn[places[1]]))
            text = self._words(days, *bounds)
        return {"payback_days": days, "payback_low": bounds[0], "payback_high": bounds[1], "payback": text}

    def _reached(self, curves: Array, cost: Array) -> Array:
        """Return when each curve (row) first reaches its cost, straight lines between days; inf where it does not."""
        result = np.full(len(cost), np.inf)
        for k in range(len(self.days)):
            here = (curves[:, k] >= cost) & np.isinf(result)
            if not here.any():
                continue
            if k == 0:
                result[here] = self.days[0]
                continue
            before, after = curves[here, k - 1], curves[here, k]
            part = (cost[here] - before) / (after - before)
            result[here] = self.days[k - 1] + part * (self.days[k] - self.days[k - 1])
        return np.where(result <= self.horizon, result, np.inf)

    def _words(self, days: float, low: float, high: float) -> str:
        limit = f"{self.horizon:,.0f} days"
        if np.isinf(low):
            return f"not within {limit}"
        until = f"beyond {limit}" if np.isinf(high) else f"{high:,.0f}"
        when = f"not within {limit}" if np.isinf(days) else f"{days:,.0f} days"
        return f"{when} ({low:,.0f} to {until})"


@dataclass(frozen=True, eq=False)
class _Constant(Margins):
    """A constant margin per day; a horizon may be infinite."""

    def _reached(self, curves: Array, cost: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            days = np.where(curves[:, 0] > 0, cost / curves[:, 0], np.inf)
        return np.where(days <= self.horizon, days, np.inf)

    def _words(self, days: float, low: float, high: float) -> str:
        if np.isinf(self.horizon) and np.isinf(low):
            return "never: no margin"
        return super()._words(days, low, high)


def plain_numbers(given: Any, what: str, *, segments: list[Any] | None = None, whole: bool = False) -> dict[Any, float]:
    """Return finite numbers of 0 or more by segment, for exactly these segments where given."""
    if isinstance(given, pd.Series):
        if not given.index.is_unique:
            raise ValueError(f"{what} names a segment twice: {name_some(given.index[given.index.duplicated()])}.")
        given = given.to_dict()
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} must map segments to numbers (a dict or a Series), got {type(given).__name__}.")
    if not given:
        raise ValueError(f"{what} is empty: name at least one segment.")
    if segments is not None:
        _same(segments, list(given), what, exactly=True)
    result = {}
    for segment in segments if segments is not None else given:
        result[segment] = _number(given[segment], f"{what} of {segment!r}")
        if result[segment] < 0:
            raise ValueError(f"{what} of {segment!r} must be 0 or more, got {given[segment]!r}.")
        if whole and result[segment] != round(result[segment]):
            raise ValueError(f"{what} of {segment!r} must be a whole number of customers, got {given[segment]!r}.")
    return result


def _number(value: Any, what: str) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must be a number, got {value!r}.") from error
    if isinstance(value, bool) or not math.isfinite(result):
        raise ValueError(f"{what} must be a finite number, got {value!r}.")
    return result


def _same(segments: list[Any], given: list[Any], what: str, *, exactly: bool) -> list[Any]:
    """Check that all segments are there; return those that are too many."""
    missing = [s for s in segments if s not in set(given)]
    if missing:
        close = [name for s in missing[:3] for name in nearest(s, given)]
        hint = f" (nearest: {name_some(dict.fromkeys(close))})" if close else ""
        raise ValueError(f"{what} has nothing for {name_some(missing)}{hint}.")
    extra = [s for s in given if s not in set(segments) and s != UNASSIGNED]
    if extra and exactly:
        raise ValueError(f"{what} names {name_some(extra)}, for which no spend was given; 0 if there was none.")
    return extra


# ---------------------------------------------------------------------- margins by day
def read_margins(cumulative: Any, per_day: Any, horizon: Any, segments: list[Any]) -> dict[Any, Margins] | None:
    """Return the margins by segment, or None where none were given."""
    if cumulative is not None and per_day is not None:
        raise ValueError("give cumulative_margin or margin_per_day, not both.")
    until = np.inf
    if horizon is not None:
        if cumulative is None and per_day is None:
            raise ValueError("horizon_days is for the payback: give cumulative_margin or margin_per_day as well.")
        until = _number(horizon, "horizon_days")
        if until <= 0:
            raise ValueError(f"horizon_days must be above 0, got {horizon!r}.")
    if per_day is not None:
        return _constant(per_day, until, segments)
    if cumulative is None:
        return None
    if isinstance(cumulative, Mapping):
        _same(segments, list(cumulative), "cumulative_margin", exactly=False)
        return {s: _table(cumulative[s], f"cumulative_margin of {s!r}", until) for s in segments}
    one = _table(cumulative, "cumulative_margin", until)
    return dict.fromkeys(segments, one)


def _constant(per_day: Any, until: float, segments: list[Any]) -> dict[Any, Margins]:
    if isinstance(per_day, Mapping | pd.Series):
        given = dict(per_day)
        _same(segments, list(given), "margin_per_day", exactly=False)
    else:
        given = dict.fromkeys(segments, per_day)
    result: dict[Any, Margins] = {}
    for s in segments:
        margin = _number(given[s], f"margin_per_day of {s!r}")
        result[s] = _Constant(np.zeros(1), np.array([[margin]]), until)
    return result


def _table(given: Any, what: str, until: float) -> Margins:
    if isinstance(given, pd.Series):
        days, draws = given.index, given.to_numpy(dtype=np.float64)[None, :]
    elif isinstance(given, pd.DataFrame):
        days, draws = given.columns, given.to_numpy(dtype=np.float64)
    else:
        raise TypeError(
            f"{what} must be a Series indexed by day, or a table with a row per draw and a column per day, got "
            f"{type(given).__name__}."
        )
    try:
        at = np.asarray(days, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: days must be numbers, got {name_some(days)}.") from error
    if not len(at) or not len(draws) or not np.isfinite(at).all() or (at < 0).any() or (np.diff(at) <= 0).any():
        raise ValueError(f"{what}: days must be finite, 0 or more and rise, got {name_some(at)}.")
    if not np.isfinite(draws).all():
        raise ValueError(f"{what} must be finite; day {name_some(at[~np.isfinite(draws).all(axis=0)])} is not.")
    if at[0] > 0:
        # nothing is known to have come on the day itself
        at, draws = np.append(0.0, at), np.column_stack([np.zeros(len(draws)), draws])
    return Margins(at, draws, float(min(until, at[-1])))


# ---------------------------------------------------------------------- values
def read_values(
    value: Any,
    margins: Mapping[Any, Margins] | None,
    segments: list[Any],
    *,
    n_customers: Any,
    score: str | None,
    level: float,
) -> Values:
    """Return what a customer of each segment is worth."""
    if value is None:
        if margins is None or any(isinstance(m, _Constant) for m in margins.values()):
            raise ValueError(
                "value is missing: give what a customer of each segment is worth, or a cumulative_margin of which the "
                "last day is."
            )
        return _from_margins(margins, segments, n_customers)
    if isinstance(value, pd.DataFrame):
        if any(str(name).endswith("_mean") for name in value.columns):
            return _from_profile(value, segments, score, n_customers, level)
        value = {name: value[name].to_numpy(dtype=np.float64) for name in value.columns}
    if score is not None:
        raise ValueError("score is for a profile from profile_segments; leave it out.")
    if isinstance(value, pd.Series):
        value = value.to_dict()
    if not isinstance(value, Mapping):
        raise TypeError(
            "value must map segments to numbers or draws, or be a table of draws or a profile, got "
            f"{type(value).__name__}."
        )
    extra = _same(segments, list(value), "value", exactly=False)
    notes = [f"The value of {name_some(extra)} is not used: no spend was given for it."] if extra else []
    draws = {s: None if np.ndim(value[s]) == 0 else _draws(value[s], s) for s in segments}
    if n_customers is not None:
        draws = _divided(draws, n_customers, segments)
    sizes = {len(one) for one in draws.values() if one is not None}
    if len(sizes) > 1:
        raise ValueError(f"all segments must have the same number of draws, got {name_some(sorted(sizes))}.")
    mean = {s: _number(value[s], f"value of {s!r}") if one is None else float(one.mean()) for s, one in draws.items()}
    known = [s for s, one in draws.items() if one is None]
    if known:
        notes.append(f"The value of {name_some(known)} is taken as known: intervals are of the cost alone.")
    return Values(mean, draws, "numbers" if len(known) == len(segments) else "draws", notes=tuple(notes))


def _draws(values: Any, segment: Any) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < FEWEST_DRAWS:
        raise ValueError(
            f"draws of the value of {segment!r} must be one number per draw, at least {FEWEST_DRAWS} of them, got "
            f"shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"draws of the value of {segment!r} must be finite.")
    return array


def _divided(draws: Mapping[Any, Array | None], n_customers: Any, segments: list[Any]) -> dict[Any, Array | None]:
    sizes = n_customers.to_dict() if isinstance(n_customers, pd.Series) else n_customers
    if not isinstance(sizes, Mapping):
        raise TypeError(f"n_customers must map segments to numbers, got {type(n_customers).__name__}.")
    _same(segments, list(sizes), "n_customers", exactly=False)
    result: dict[Any, Array | None] = {}
    for s in segments:
        size = _number(sizes[s], f"n_customers of {s!r}")
        if size <= 0:
            raise ValueError(f"n_customers of {s!r} must be above 0 to divide its totals, got {sizes[s]!r}.")
        one = draws[s]
        if one is None:
            raise ValueError(f"n_customers divides draws of totals, and the value of {s!r} is one number.")
        result[s] = one / size
    return result


def _from_margins(margins: Mapping[Any, Margins], segments: list[Any], n_customers: Any) -> Values:
    if n_customers is not None:
        raise ValueError("n_customers divides draws of totals: give them as value, or leave it out.")
    last = {
        s: np.array([np.interp(margins[s].horizon, margins[s].days, row) for row in margins[s].draws]) for s in segments
    }
    draws = {s: one if len(one) >= FEWEST_DRAWS else None for s, one in last.items()}
    horizons = sorted({margins[s].horizon for s in segments})
    within = " or ".join(f"{h:,.0f}" for h in horizons)
    notes = [f"A customer's value is the margin within {within} days; later is not counted."]
    known = [s for s, one in draws.items() if one is None]
    if known:
        notes.append(f"The margin of {name_some(known)} is taken as known: intervals are of the cost alone.")
    if len(horizons) > 1:
        notes.append("Horizons differ between segments, so their values do not compare.")
    return Values({s: float(one.mean()) for s, one in last.items()}, draws, "cumulative_margin", notes=tuple(notes))


def _from_profile(
    profile: pd.DataFrame, segments: list[Any], score: str | None, n_customers: Any, level: float
) -> Values:
    if n_customers is not None:
        raise ValueError("a profile holds means: leave n_customers out.")
    found = [str(name)[: -len("_mean")] for name in profile.columns if str(name).endswith("_mean")]
    if score is None and len(found) > 1:
        raise ValueError(f"the profile has several scores ({name_some(found)}): say which with score=.")
    name = found[0] if score is None else score
    if name not in found:
        raise ValueError(f"the profile has no score {score!r}; scores: {name_some(found)}.")
    extra = _same(segments, list(profile.index), "value", exactly=False)
    notes = [f"The value of {name_some(extra)} is not used: no spend was given for it."] if extra else []
    mean = {s: _number(profile.loc[s, f"{name}_mean"], f"{name}_mean of {s!r}") for s in segments}
    draws: dict[Any, Array | None] = dict.fromkeys(segments)
    if f"{name}_mean_low" in profile.columns:
        grid = ndtri((np.arange(N_NORMAL) + 0.5) / N_NORMAL)
        width = 2 * float(ndtri((1 + level) / 2))
        for k, s in enumerate(segments):
            low, high = float(profile.loc[s, f"{name}_mean_low"]), float(profile.loc[s, f"{name}_mean_high"])
            if not low <= high:
                raise ValueError(
                    f"the bounds of {name}_mean of {s!r} must be numbers, got {number(low)}, {number(high)}."
                )
            shuffled = np.random.default_rng(k).permutation(grid)
            draws[s] = mean[s] + (high - low) / width * shuffled
        notes.append(
            f"The interval of the profile is taken as a normal distribution's at {100 * level:g} %, segments as "
            "independent; draws (sample_segments with n_customers=) need neither."
        )
    else:
        notes.append("The profile has no intervals: values are taken as known, intervals are of the cost alone.")
    notes.append(
        "The value is that of customers who are there already; those newly acquired are mostly worth something else "
        "(newcomer_value)."
    )
    return Values(mean, draws, "profile", name, tuple(notes))
