"""Priority by what the next unit of effort brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, nearest, number
from segmentation._frames import kind_of
from segmentation.base import Prioritizer
from segmentation.prioritizers._columns import profile_column
from segmentation.prioritizers._criteria import is_number

__all__ = ["ReturnPrioritizer"]

Array = NDArray[np.float64]


class HasSlope(Protocol):
    """What is asked of a response curve."""

    def slope(self, effort: Any) -> Any:
        """Return what a little more effort brings, per unit of effort."""


class ReturnPrioritizer(Prioritizer):
    """Put the segment first in which one more unit of effort brings most.

    That is not the segment that is worth most, nor the one in which all effort so far brought most: what is spent
    already is spent, and a saturated segment has little more to give.

    Parameters
    ----------
    curves : mapping of segment to response curve, optional
        From `segmentation.curves`, or any object with ``slope(effort)``. A segment without one is excluded.
    effort : number, str or mapping of segment to number, optional
        The present effort, needed with `curves`, in their unit: one for all, a column of the profile, or one per
        segment.
    by : str, optional
        Instead of curves: the column of the profile that holds the marginal return.
    unit_cost : number, str or mapping of segment to number, default=1.0
        What one unit of effort costs, where units differ (a call, a visit); positive. Returns are divided by it.
    step : float, optional
        Take the mean return of so many units more instead of the very next: where the slope is infinite (a power curve
        at no effort), or effort comes in lumps. The curves then need ``value(effort)``.

    Notes
    -----
    With diminishing returns, moving a little effort from the last to the first of the list gains the difference of
    their scores per unit of cost; how much to move is `segmentation.allocation`'s question. On an S-shaped curve the
    next unit can return little where many would return much; the reason says so. It also says where the effort behind a
    curve was not randomized: its slope is then an association.

    Examples
    --------
    Both segments have the curve 100 * (1 - exp(-x)); b has had more effort.

    >>> import numpy as np, pandas as pd
    >>> from segmentation.prioritizers import ReturnPrioritizer
    >>> class Saturating:
    ...     def slope(self, effort):
    ...         return 100 * np.exp(-effort)
    >>> profile = pd.DataFrame({"n_customers": [10, 10]}, index=["a", "b"])
    >>> plan = ReturnPrioritizer({"a": Saturating(), "b": Saturating()}, effort={"a": 1, "b": 2}).prioritize(profile)
    >>> plan["priority_score"].round(2).to_dict()
    {'a': 36.79, 'b': 13.53}
    """

    def __init__(
        self,
        curves: Mapping[str, HasSlope] | None = None,
        effort: float | str | Mapping[str, float] | None = None,
        *,
        by: str | None = None,
        unit_cost: float | str | Mapping[str, float] = 1.0,
        step: float | None = None,
    ) -> None:
        self.curves = curves
        self.effort = effort
        self.by = by
        self.unit_cost = unit_cost
        self.step = step

    # ------------------------------------------------------------------ hooks
    def _exclusions(self, profile: pd.DataFrame) -> Mapping[str, str]:
        curves = self._curves()
        if curves is None:
            return {}
        reasons = {}
        for name in profile.index:
            if name not in curves:
                close = nearest(name, [other for other in curves if other not in profile.index])
                hint = f" (there is one for {name_some(close)})" if close else ""
                reasons[name] = f"excluded: no response curve{hint}"
        return reasons

    def _priority_scores(self, profile: pd.DataFrame) -> Array:
        curves = self._curves()
        if curves is None:
            return profile_column(profile, self.by, "ReturnPrioritizer(by=...)") / self._costs(profile)
        efforts = self._efforts(profile)
        returns = np.array(
            [_marginal(curves[name], x, self.step, name) for name, x in zip(profile.index, efforts, strict=True)]
        )
        result: Array = returns.reshape(len(profile)) / self._costs(profile)
        return result

    def _score_draws(self, profile: pd.DataFrame, n_draws: int, rng: np.random.RandomState) -> Array | None:
        """Return draws of the scores from the draws of the curves, (n_draws, n_segments); None where there are none."""
        curves = self._curves()
        if curves is None:
            return None
        drawn = [getattr(curves[name], "draws", None) for name in profile.index]
        if all(draws is None for draws in drawn):
            return None
        now = self._priority_scores(profile)
        scores = np.repeat(now[None, :], n_draws, axis=0)
        efforts, costs = self._efforts(profile), self._costs(profile)
        # Shuffled, since curves that were fitted with the same seed would else rise and fall together; in the order
        # of the scores, so that the order and the names of segments change nothing.
        for i in np.argsort(now, kind="stable"):
            if drawn[i] is not None:
                returns = _marginal_draws(curves[profile.index[i]], efforts[i], self.step, profile.index[i])
                rounds = [rng.permutation(returns) for _ in range(-(-n_draws // len(returns)))]
                scores[:, i] = np.concatenate(rounds)[:n_draws] / costs[i]
        return scores

    def _reasons(self, profile: pd.DataFrame, scores: Array) -> Sequence[str]:
        curves, costs = self._curves(), self._costs(profile)
        efforts = None if curves is None else self._efforts(profile)
        texts = []
        for i, name in enumerate(profile.index):
            unit = f"{number(float(self.step))} more units bring" if self.step is not None else "the next unit brings"
            per = " each" if self.step is not None else ""
            text = f"{unit} {number(float(scores[i] * costs[i]))}{per}"
            if costs[i] != 1:
                text += f" at a cost of {number(float(costs[i]))}: {number(float(scores[i]))} per unit of cost"
            if curves is not None and efforts is not None:
                text += f" (at an effort of {number(float(efforts[i]))}){_caveat(curves[name])}"
            texts.append(text)
        return texts

    # ------------------------------------------------------------------ parameters
    def _curves(self) -> Mapping[str, Any] | None:
        """Return the curves, None where a column of the profile holds the returns."""
        if (self.curves is None) == (self.by is None):
            raise ValueError("ReturnPrioritizer needs either curves (with effort) or by, the column of the returns.")
        if self.curves is None:
            if self.effort is not None or self.step is not None:
                raise ValueError("effort and step belong to curves; by= names returns that are computed already.")
            return None
        if not isinstance(self.curves, Mapping):
            raise TypeError(f"curves must be a mapping of segment to response curve, got {kind_of(self.curves)}.")
        lacking = [name for name, curve in self.curves.items() if not callable(getattr(curve, "slope", None))]
        if lacking:
            raise TypeError(
                f"curves need a method slope(effort), those of {name_some(lacking)} have none; see segmentation.curves."
            )
        if self.effort is None:
            raise ValueError("curves need the present effort: effort=0.0, a column of the profile, or one per segment.")
        if self.step is not None and not (is_number(self.step) and np.isfinite(self.step) and self.step > 0):
            raise ValueError(f"step must be a positive number or None, got {self.step!r}.")
        return self.curves

    def _efforts(self, profile: pd.DataFrame) -> Array:
        return _per_segment(profile, self.effort, "effort", positive=False)

    def _costs(self, profile: pd.DataFrame) -> Array:
        return _per_segment(profile, self.unit_cost, "unit_cost", positive=True)


def _per_segment(profile: pd.DataFrame, given: Any, what: str, *, positive: bool) -> Array:
    """Read one number for all, a column, or one number per segment."""
    if isinstance(given, Mapping):
        lacking = [name for name in profile.index if name not in given]
        if lacking:
            close = nearest(lacking[0], [name for name in given if name not in profile.index])
            raise ValueError(
                f"{what} lacks {name_some(lacking)}{f' (there is {name_some(close)})' if close else ''}: "
                "give one number per segment."
            )
        values = [given[name] for name in profile.index]
        wrong = [name for name, value in zip(profile.index, values, strict=True) if not is_number(value)]
        if wrong:
            raise ValueError(
                f"{what} must be numbers, not so for {name_some(wrong)}: {name_some(given[w] for w in wrong)}"
            )
        array = np.array(values, dtype=np.float64)
    elif is_number(given):
        array = np.full(len(profile), float(given))
    else:
        array = profile_column(profile, given, f"ReturnPrioritizer({what}=...)")
    bad = ~np.isfinite(array) | ((array <= 0) if positive else (array < 0))
    if bad.any():
        wanted = "finite and above 0" if positive else "finite and 0 or more"
        raise ValueError(f"{what} must be {wanted}, got {name_some(array[bad])} for {name_some(profile.index[bad])}.")
    return array


def _marginal(curve: Any, effort: float, step: float | None, name: Any) -> float:
    """Return the slope at an effort, or the mean over a step."""
    if step is None:
        result = float(curve.slope(effort))
    else:
        result = float(curve.value(effort + step) - curve.value(effort)) / step
    _check_return(np.array([result]), effort, name)
    return result


def _marginal_draws(curve: Any, effort: float, step: float | None, name: Any) -> Array:
    if step is None:
        result = np.asarray(curve.slope_draws(effort), dtype=np.float64)
    else:
        result = np.asarray(curve.value_draws(effort + step) - curve.value_draws(effort), dtype=np.float64) / step
    _check_return(result, effort, name)
    return result.reshape(-1)


def _check_return(values: Array, effort: float, name: Any) -> None:
    if not np.isfinite(values).all():
        raise ValueError(
            f"the slope of the curve of {name!r} at an effort of {number(effort)} is "
            f"{name_some(values[~np.isfinite(values)][:1])}, which cannot be compared: give step=..., the number of "
            "units that would come next."
        )


def _caveat(curve: Any) -> str:
    """Say what must stand beside a slope."""
    parts = []
    randomized = getattr(curve, "randomized", True)
    if randomized is None:
        parts.append("nobody said whether the effort behind the curve was randomized")
    elif not randomized:
        parts.append("the effort behind the curve was not randomized: an association")
    if not getattr(curve, "concave", True):
        parts.append("S-shaped: many units can return more each than the next one")
    return "".join(f"; {part}" for part in parts)
