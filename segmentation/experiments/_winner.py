"""The best of many segments, its estimate corrected for having been picked because it looked best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._format import count, name_some
from segmentation._results import Result
from segmentation.experiments._moments import Floats
from segmentation.experiments._truncated import conditional_mean, hybrid_mean
from segmentation.experiments._vectors import as_table, as_vectors, check_level

__all__ = ["BestSegment", "best_segment", "corrected", "truncation"]

# Share of the error that the hybrid spends on its simultaneous interval: Andrews, Kitagawa and McCloskey's choice.
SPENT = 0.1
FEW = 30
# In standard errors: closer to the runner-up than this is a tie, where no estimate is above the truth in half.
TIE = 1e-6


@dataclass(frozen=True, repr=False, eq=False)
class BestSegment(Result):
    """The best segment with its effect, corrected for the selection.

    Attributes
    ----------
    headline : str
    segment : object
        The one with the best estimate; that it is truly the best is not shown.
    estimate, low, high : float
        Of the method asked for.
    table : pandas.DataFrame
        Index ``method``: "naive" (as measured, too good), "hybrid", "conditional", "simultaneous"; ``estimate``,
        ``low``, ``high``. Conditional bounds can be infinite.
    runner_up : object
        Second best, or None.
    segments : pandas.DataFrame
        Index ``segment``: ``estimate``, ``se`` of all, as given.
    settings : mapping
    warnings : tuple of str
    """

    headline: str
    segment: Any
    estimate: float
    low: float
    high: float
    table: pd.DataFrame
    runner_up: Any
    segments: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "segment": self.segment, "estimate": self.estimate, "low": self.low,
            "high": self.high, "table": self.table.reset_index(), "runner_up": self.runner_up,
            "segments": self.segments.reset_index(), "settings": self.settings,
            "warnings": self.warnings,
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw all segments as measured, and the best one corrected (`BestSegmentDisplay`)."""
        from segmentation.experiments._winner_display import BestSegmentDisplay

        return BestSegmentDisplay.from_best(self).plot(ax).ax_

    def __str__(self) -> str:
        shown = self.table.to_string(float_format="{:.4g}".format)
        return "\n".join([self.headline, "", shown, "", *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(float_format='{:.4g}'.format)}{notes}"


def truncation(values: Floats, covariance: Floats, best: int) -> tuple[float, float]:
    """Return between which values the best estimate could have moved and still be the best.

    Given what the others show beside it: the part of each estimate that does not move with that of the best.
    """
    slope = covariance[:, best] / covariance[best, best]
    rest = values - slope * values[best]
    others = np.arange(len(values)) != best
    low, high = -np.inf, np.inf
    gap = 1 - slope
    below, above = others & (gap > 1e-12), others & (gap < -1e-12)
    if below.any():
        low = float(np.max(rest[below] / gap[below]))
    if above.any():
        high = float(np.min(rest[above] / gap[above]))
    return low, high


def corrected(x: Floats, low: Floats, high: Floats, n: int, level: float, method: str) -> tuple[Floats, Floats, Floats]:
    """Return estimate and bounds of best ones, in units of their standard error (arrays over experiments)."""
    alpha = 1 - level
    if method == "conditional":
        return tuple(conditional_mean(x, low, high, p) for p in (0.5, 1 - alpha / 2, alpha / 2))  # type: ignore[return-value]
    beta = SPENT * alpha
    reach = simultaneous_reach(n, 1 - beta)
    inner = (alpha - beta) / (1 - beta)
    return tuple(hybrid_mean(x, low, high, p, reach) for p in (0.5, 1 - inner / 2, inner / 2))  # type: ignore[return-value]


def simultaneous_reach(n: int, level: float) -> float:
    """Return how far n estimates reach so that all hold together: Sidak's, valid for any correlation of normals."""
    return float(stats.norm.isf(-np.expm1(np.log(level) / n) / 2))


def best_segment(
    estimates: Any, standard_errors: Any = None, *, covariance: Any = None, df: Any = None, method: str = "hybrid",
    largest: bool = True, level: float = 0.95,
) -> BestSegment:  # fmt: skip
    """Estimate the effect in the segment that did best, corrected for choosing it (the winner's curse).

    The best of many estimates is best partly by luck: as it stands it is too large, and its interval misses the truth
    too often. The corrected estimate lies above the truth in half of all experiments.

    Parameters
    ----------
    estimates, standard_errors, df
        As for `pool_effects`.
    covariance : array of shape (segments, segments), optional
        Of the estimates, instead of standard errors, where they are not independent (clusters across segments).
    method : {"hybrid", "conditional"}, default="hybrid"
        Both of Andrews, Kitagawa and McCloskey (2024, doi:10.1093/qje/qjad043). "conditional" uses where the others
        cut the best one off, and is exactly median-unbiased; with a close runner-up it becomes very uncertain, even
        infinite. "hybrid" also uses that no estimate strays further than a simultaneous interval, keeps it finite, and
        is median-unbiased up to a probability of .0025.
    largest : bool, default=True
        False: best is smallest (churn, returns).
    level : float, default=0.95

    Returns
    -------
    BestSegment

    Raises
    ------
    ValueError
        If input is malformed, or no segment has an estimate.

    Notes
    -----
    Normal estimates with known covariance are assumed. The interval holds for the chosen segment whatever the true
    effects are; it says nothing on whether another would be better. The hybrid interval holds in 95 to 95.5 %.

    **A very close runner-up.** The correction asks by how little the best one won. In one or two of a hundred
    experiments the runner-up is only about a hundredth of a standard error behind; the hybrid interval is then squeezed
    together some three standard errors from what was measured and hardly ever holds. It holds in 95 % because of all
    the others. ``warnings`` say when it is so; the simultaneous interval, which is wider, does not depend on how close
    it was. At a tie that one is given, its end as the estimate.

    Examples
    --------
    >>> from segmentation.experiments import best_segment
    >>> found = best_segment({"new": 2.4, "regular": 2.0, "lapsed": -0.5}, {"new": 1.0, "regular": 1.0, "lapsed": 1.0})
    >>> found.segment, round(found.estimate, 2), round(found.low, 2), round(found.high, 2)
    ('new', 0.96, -0.73, 4.19)
    """
    level = check_level(level)
    if not isinstance(largest, bool | np.bool_):
        raise ValueError(f"largest must be True (best is largest) or False (smallest), got {largest!r}.")
    if method not in ("hybrid", "conditional"):
        raise ValueError(f"method must be 'hybrid' or 'conditional', got {method!r}.")
    estimates = as_table(estimates)
    if covariance is not None:
        if standard_errors is not None:
            raise ValueError("give either standard_errors or covariance: its diagonal has the standard errors.")
        table = isinstance(estimates, pd.DataFrame)
        values = estimates["estimate"] if table else estimates
        given = as_vectors(values, _diagonal(covariance, values), df)
        matrix = _checked(covariance, given.names)
    else:
        given = as_vectors(estimates, standard_errors, df)
        matrix = np.diag(given.se**2)
    known = given.known
    if not known.any():
        raise ValueError("no segment has an estimate with a standard error: none can be the best.")
    names, matrix = given.names[known], matrix[np.ix_(known, known)]
    sign = 1.0 if largest else -1.0
    x = sign * given.estimate[known]
    k, best = len(x), int(np.argmax(x))
    se = float(np.sqrt(matrix[best, best]))
    cut = np.array([end / se for end in truncation(x, matrix, best)])
    standard = np.array([x[best] / se])
    z = stats.norm.ppf(0.5 + level / 2)
    wide = simultaneous_reach(k, level)
    rows = {"naive": (standard[0], standard[0] - z, standard[0] + z)}
    for each in ("hybrid", "conditional"):
        if k == 1:
            rows[each] = rows["naive"]
            continue
        rows[each] = tuple(v.item() for v in corrected(standard, cut[:1], cut[1:], k, level, each))  # type: ignore[assignment]
    gap = float(min(standard[0] - cut[0], cut[1] - standard[0]))
    tied = k > 1 and gap <= TIE
    if tied:  # the limit of both has no width; what holds whoever is chosen stays
        side = -1.0 if standard[0] - cut[0] <= TIE else 1.0
        rows["hybrid"] = (standard[0] + side * wide, standard[0] - wide, standard[0] + wide)
        rows["conditional"] = (np.array(side * np.inf), np.array(-np.inf), np.array(np.inf))
    rows["simultaneous"] = (standard[0], standard[0] - wide, standard[0] + wide)
    shown = pd.DataFrame(rows, index=["estimate", "low", "high"]).T.rename_axis("method") * se
    if not largest:
        shown = pd.DataFrame({"estimate": -shown["estimate"], "low": -shown["high"], "high": -shown["low"]})
    winner = names[best]
    second = names[int(np.argsort(-x, kind="stable")[1])] if k > 1 else None
    chosen: Any = shown.loc[method]
    every = pd.DataFrame({"estimate": given.estimate, "se": given.se}, index=given.names.rename("segment"))
    settings = {
        "method": method, "level": level, "largest": bool(largest), "n_segments": k, "n_left_out": int((~known).sum()),
        "independent": covariance is None, "se": se, "gap": gap if k > 1 else None, "tied": tied,
    }  # fmt: skip
    return BestSegment(
        _headline(winner, shown, method, level, k), winner, float(chosen["estimate"]), float(chosen["low"]),
        float(chosen["high"]), shown, second, every, settings,
        (
            *_notes(given.names[~known], k, x, best, names, given.df[known], covariance is None, chosen),
            *_closeness(shown, method, gap, tied=tied),
        ),
    )  # fmt: skip


def _closeness(table: pd.DataFrame, method: str, gap: float, *, tied: bool) -> tuple[str, ...]:
    """Say where the runner-up is so close that the corrected figures must not be read by themselves."""
    if tied and method == "hybrid":
        return (
            "at a tie no estimate is above the truth in half of all experiments: the interval is the simultaneous one, "
            "which holds whichever segment is taken, and the estimate is its end.",
        )
    width = table["high"] - table["low"]
    if method == "hybrid" and width["hybrid"] < width["naive"] / 2:
        return (
            f"the runner-up is only {gap:.2g} standard errors behind, and the corrected interval is squeezed "
            "together far from what was measured. Over all experiments it holds as often as it says; in one as close "
            "as this hardly ever: go by the simultaneous interval.",
        )
    return ()


def _diagonal(covariance: Any, values: Any) -> Any:
    try:
        matrix = np.asarray(covariance, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"covariance must be a matrix of numbers, got {covariance!r:.60}.") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] != len(values):
        raise ValueError(
            f"covariance must have one row and column per segment ({len(values)}), got the shape {matrix.shape}."
        )
    with np.errstate(invalid="ignore"):
        diagonal = np.where(np.diag(matrix) < 0, -1.0, np.sqrt(np.abs(np.diag(matrix))))
    if isinstance(covariance, pd.DataFrame):
        return pd.Series(diagonal, index=covariance.index)
    return pd.Series(diagonal, index=pd.Series(values).index)


def _checked(covariance: Any, names: pd.Index[Any]) -> Floats:
    if isinstance(covariance, pd.DataFrame):
        if not set(covariance.columns) == set(covariance.index):
            raise ValueError("covariance must name the same segments in rows and columns.")
        covariance = covariance.loc[names, names]
    matrix = np.asarray(covariance, dtype=float)
    usable = np.isfinite(np.diag(matrix))
    inside = matrix[np.ix_(usable, usable)]
    if not np.isfinite(inside).all() or not np.allclose(inside, inside.T, rtol=1e-8, atol=0):
        raise ValueError("covariance must be symmetric, and finite where its diagonal is.")
    smallest = float(np.linalg.eigvalsh(inside)[0]) if len(inside) else 0.0
    if smallest < -1e-8 * float(np.abs(inside).max(initial=0.0)):
        raise ValueError(f"covariance has a negative eigenvalue ({smallest:.3g}): no estimates vary like that.")
    return matrix


def _headline(winner: Any, table: pd.DataFrame, method: str, level: float, k: int) -> str:
    row, naive = table.loc[method], table.loc["naive"]
    if k == 1:
        return f"Only segment {winner!r} has an estimate: nothing was selected, it stands as {naive['estimate']:.4g}."
    return (
        f"Best of {k}: segment {winner!r}, effect {row['estimate']:.4g} ({row['low']:.4g} to {row['high']:.4g}, "
        f"{100 * level:g} %) corrected for its selection; {naive['estimate']:.4g} as measured."
    )


def _notes(
    left: pd.Index[Any], k: int, x: Floats, best: int, names: pd.Index[Any], df: Floats, independent: bool, chosen: Any,
) -> list[str]:  # fmt: skip
    notes = []
    if len(left):
        notes.append(
            f"{count(len(left), 'segment')} without an estimate or standard error left out: {name_some(left)}."
        )
    if k == 1:
        return [*notes, "one segment: no selection to correct for."]
    ties = names[x == x[best]]
    if len(ties) > 1:
        notes.append(f"segments {name_some(ties)} are equally good; the first is taken.")
    if df[best] < FEW:
        notes.append(
            f"the standard error of {names[best]!r} has {df[best]:.3g} degrees of freedom; the correction takes it as "
            "known, so that the interval is somewhat short."
        )
    if independent:
        notes.append("estimates are taken as independent: no customer in two segments, no cluster across segments.")
    if not np.isfinite(chosen.to_numpy(dtype=float)).all():
        notes.append("a bound is infinite because the runner-up is close: method='hybrid' stays finite.")
    return notes
