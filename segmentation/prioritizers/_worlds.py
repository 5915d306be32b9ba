"""Possible worlds: what the figures of a profile could be, and the scores that a prioritizer gives in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation._progress import progress
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import ColumnError, OutputError

__all__ = ["figures_from_draws", "figures_from_intervals", "scores_in_worlds"]

Array = NDArray[np.float64]
# Column of the profile -> what it is in each world, (n_draws, n_segments).
Figures = dict[Any, Array]
KINDS = ("_total", "_mean", "_share")


def figures_from_draws(profile: pd.DataFrame, segments: pd.Index, draws: Any) -> Figures:
    """Read draws of one or several figures; rows of several belong to the same world.

    Parameters
    ----------
    profile : pandas.DataFrame
    segments : pandas.Index
        Those that can be ranked.
    draws : dataframe of shape (n_draws, n_segments), or mapping of score or column to one
        A table that knows its score (``attrs["score"]``) or is keyed by one holds totals.

    Returns
    -------
    dict of column to ndarray of shape (n_draws, n_segments)
    """
    if not isinstance(draws, Mapping):
        score = getattr(draws, "attrs", {}).get("score")
        if score is None:
            raise ValueError(
                "draws do not say which figure of the profile they are: give a mapping such as {'clv_total': draws}, "
                "or the table that segmentation.sample_segments returns."
            )
        draws = {score: draws}
    if not draws:
        raise ValueError("draws is an empty mapping: nothing varies.")
    figures: Figures = {}
    for name, given in draws.items():
        table = _draw_table(given, name)
        own = _columns_of(profile, segments, name, table)
        twice = [column for column in own if column in figures]
        if twice:
            raise ColumnError(f"draws give {name_some(twice)} twice.")
        figures |= own
    lengths = {name: len(to_pandas(given)) for name, given in draws.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"draws must have the same number of rows, one per world; got {lengths}.")
    return figures


def _draw_table(given: Any, name: Any) -> pd.DataFrame:
    if not is_frame(given):
        raise TypeError(f"draws of {name!r} must be a dataframe with one column per segment, got {kind_of(given)}.")
    table = to_pandas(given)
    table = table.set_axis([str(column) for column in table.columns], axis=1)
    if not len(table) or not table.columns.is_unique:
        raise ColumnError(f"draws of {name!r} need rows, and one column per segment; got {name_some(table.columns)}.")
    try:
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ColumnError(f"draws of {name!r} must be numbers: {error}") from error
    wrong = table.columns[~np.isfinite(values).all(axis=0)]
    if len(wrong):
        raise ColumnError(f"draws of {name!r} are missing or infinite for {name_some(wrong)}.")
    return pd.DataFrame(values, columns=table.columns)


def _columns_of(profile: pd.DataFrame, segments: pd.Index, name: Any, table: pd.DataFrame) -> Figures:
    """Return the columns of the profile that follow from draws of a column, or of the totals of a score."""
    known = {str(segment) for segment in profile.index}
    unknown = [column for column in table.columns if column not in known and column != UNASSIGNED]
    lacking = [segment for segment in segments if str(segment) not in table.columns]
    if unknown or lacking:
        raise ValueError(
            f"draws of {name!r} are not those of this profile: "
            + "; ".join(
                [f"they lack {name_some(lacking)}"] * bool(lacking)
                + [f"the profile has no {name_some(unknown)}"] * bool(unknown)
            )
            + "."
        )
    values = table[[str(segment) for segment in segments]].to_numpy()
    if name in profile.columns:
        return {name: values}
    if f"{name}_total" not in profile.columns and f"{name}_mean" not in profile.columns:
        raise ColumnError(
            f"draws of {name!r} are neither of a column of the profile nor of the totals of a score "
            f"({name}_total); {column_difference([f'{name}_total'], list(profile.columns))}."
        )
    n = profile.loc[segments, f"{name}_n" if f"{name}_n" in profile.columns else "n_customers"].to_numpy(np.float64)
    whole = table.to_numpy()
    total = whole.sum(axis=1, keepdims=True)
    no_share = (total <= 0) | (whole < 0).any(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, values / n, np.nan)
        share = np.where(no_share, np.nan, values / total)
    own = {f"{name}_total": values, f"{name}_mean": mean, f"{name}_share": share}
    return {column: figure for column, figure in own.items() if column in profile.columns}


def figures_from_intervals(
    profile: pd.DataFrame, segments: pd.Index, n_draws: int, level: float, rng: np.random.RandomState
) -> tuple[Figures, list[str]]:
    """Draw figures from their intervals: median at the figure, quantiles at ``_low`` and ``_high``, normal tails.

    Total, mean and share of one score rise and fall together; different scores, and segments, are independent.
    """
    rows = profile.loc[segments]
    names = [c for c in rows.columns if f"{c}_low" in rows.columns and f"{c}_high" in rows.columns]
    if not names:
        raise ValueError(
            "nothing says how uncertain the scores are: give draws= (segmentation.sample_segments), a profile with "
            "intervals (profile_segments(..., draws=...)), or curves with draws."
        )
    bounds = {name: rows[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=np.float64) for name in names}
    for name, values in bounds.items():
        crossed = rows.index[(values[:, 1] > values[:, 2]) | np.isinf(values).any(axis=1)]
        if len(crossed):
            raise ValueError(f"{name}_low must not be above {name}_high, nor infinite; see {name_some(crossed)}.")
    # draws belong to values, not to rows: the order and the names of segments change nothing
    everything = np.column_stack([bounds[name] for name in names])
    order = np.lexsort(np.column_stack([everything, rows["n_customers"].to_numpy(dtype=np.float64)]).T)
    quantile = float(norm.ppf((1 + level) / 2))
    figures, beside, without = {}, set(), set()
    normals: dict[str, Array] = {}
    for name in names:
        family = next((str(name).removesuffix(kind) for kind in KINDS if str(name).endswith(kind)), str(name))
        if family not in normals:
            drawn = np.empty((n_draws, len(rows)))
            drawn[:, order] = rng.standard_normal((n_draws, len(rows)))
            normals[family] = drawn / quantile
        figures[name], outside, unknown = _stretched(bounds[name], normals[family])
        beside |= {(name, segment) for segment in rows.index[outside]}
        without |= {(name, segment) for segment in rows.index[unknown]}
    notes = [
        f"worlds are drawn from the {100 * level:g} % intervals of {name_some(names)}: independent between segments, "
        "median at the figure, normal tails scaled to each bound; draws of segments (sample_segments) need no such "
        "assumption"
    ]
    if beside:
        named = name_some(sorted({str(segment) for _, segment in beside}))
        notes.append(f"some figures of {named} lie outside of their interval; the nearer bound is taken as the median")
    if without:
        notes.append(
            f"{count(len(without), 'figure has', 'figures have')} no interval and "
            f"{'is' if len(without) == 1 else 'are'} taken as known: "
            f"{name_some(sorted(f'{name} of {segment}' for name, segment in without))}"
        )
    return figures, notes


def _stretched(bounds: Array, normals: Array) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return draws; for whom the figure lies outside of its interval; for whom there is none."""
    figure, low, high = bounds.T
    unknown = (np.isnan(low) | np.isnan(high)) & ~np.isnan(figure)
    median = np.where(unknown, figure, np.clip(figure, low, high))
    down = np.where(unknown, 0.0, median - low)
    up = np.where(unknown, 0.0, high - median)
    return (
        median + np.where(normals < 0, down, up) * normals,
        ~unknown & ~np.isnan(figure) & (median != figure),
        unknown,
    )


def scores_in_worlds(
    prioritizer: Any, candidates: pd.DataFrame, figures: Figures, show_progress: bool | None = None
) -> Array:
    """Return the scores of the candidates in each world, NaN where they are excluded or have none."""
    n_draws = len(next(iter(figures.values())))
    scores = np.full((n_draws, len(candidates)), np.nan)
    for i in progress(range(n_draws), what="ranking", total=n_draws, unit="draw", show=show_progress):
        world = candidates.copy(deep=False)
        for name, values in figures.items():
            world[name] = values[i]
        excluded = list(prioritizer._exclusions(world))
        eligible = world.drop(index=excluded) if excluded else world
        if not len(eligible):
            continue
        own = np.asarray(prioritizer._priority_scores(eligible))
        if own.shape != (len(eligible),) or own.dtype.kind not in "fiub":
            raise OutputError(
                f"{type(prioritizer).__name__}: _priority_scores must return one number per segment, shape "
                f"({len(eligible)},); got {own.dtype} of shape {own.shape}."
            )
        scores[i, candidates.index.get_indexer(eligible.index)] = own
    return scores
