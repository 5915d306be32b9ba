"""Steps that the net promoter score and satisfaction share: which groups are shown, who is compared with whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation._multiplicity import holm
from segmentation.exceptions import ColumnError
from segmentation.feedback._cells import few_on_a_side, protect, protect_grid
from segmentation.feedback._groups import Answers, Group, compare, merged, slopes
from segmentation.feedback._input import Rows

__all__ = ["Periods", "differences_of", "figures", "hidden_segments", "pairs_of", "periods_of", "trend_of"]

Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]


def customers_by(rows: Rows, group: Codes, n_groups: int) -> NDArray[np.int64]:
    """Count the customers of each group; -1 is in none."""
    inside = group >= 0
    pairs = np.unique(np.column_stack([group[inside], rows.customer[inside]]), axis=0)
    return np.bincount(pairs[:, 0], minlength=n_groups)


def hidden_segments(rows: Rows, minimum: int) -> Flags:
    """Say which segments are not shown: fewer than `minimum` customers answered, or their number would tell of one."""
    return protect(customers_by(rows, rows.segment, len(rows.segments)), minimum)


def figures(group: Group, name: str, scale: float = 1.0) -> dict[str, Any]:
    """Return an estimate with its interval as columns."""
    return {name: scale * group.estimate, f"{name}_low": scale * group.low, f"{name}_high": scale * group.high}


def hide_parts(table: pd.DataFrame, names: list[str], counts: NDArray[Any], whole: Any, minimum: int) -> None:
    """Blank columns, in place, in the rows where a part stands for 1 .. minimum - 1 answers, or its complement does.

    Parameters
    ----------
    counts : ndarray of shape (n_rows, n_parts)
    """
    small = few_on_a_side(counts, np.asarray(whole)[:, None], minimum).any(axis=1)
    table.loc[small, names] = np.nan


def pairs_of(against: Any, segments: list[str], shown: Flags) -> list[tuple[int, int | None]]:
    """Return who is compared with whom; None stands for all the others together."""
    open_ = [int(i) for i in np.flatnonzero(shown)]
    if against == "rest" and "rest" not in segments:
        return [(i, None) for i in open_] if len(open_) > 1 else []
    if against == "pairs" and "pairs" not in segments:
        return [(i, j) for at, i in enumerate(open_) for j in open_[at + 1 :]]
    if against in segments:
        other = segments.index(against)
        if other not in open_:
            raise ValueError(f"against={against!r}: too few customers of this segment answered.")
        return [(i, other) for i in open_ if i != other]
    raise ValueError(f"against must be 'rest', 'pairs' or a segment ({name_some(segments)}), got {against!r}.")


def differences_of(
    answers: Answers,
    rows: Rows,
    pairs: list[tuple[int, int | None]],
    shown: Flags,
    level: float,
    scale: float = 1.0,
) -> pd.DataFrame:
    """Compare segments; p-values are not corrected yet."""
    n = len(rows.segments)
    own = answers.by(rows.segment, n, level)
    rest: dict[int, Group] = {}
    for i, j in pairs:
        if j is None:
            others = np.where(shown[rows.segment] & (rows.segment != i), 0, -1)
            rest[i] = answers.by(others, 1, level)
    records = []
    for i, j in pairs:
        other = rest[i] if j is None else merged(own, [j])
        figure = compare(answers.kind, merged(own, [i]), other, level).iloc[0]
        record = {"segment": rows.segments[i], "other": "all others" if j is None else rows.segments[j]}
        record |= {name: scale * figure[name] for name in ("difference", "difference_low", "difference_high")}
        records.append(record | {"p_value": figure["p_value"]})
    columns = ["segment", "other", "difference", "difference_low", "difference_high", "p_value"]
    return pd.DataFrame(records, columns=columns)


def corrected(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Add p-values corrected for all rows, and what they say."""
    adjusted = holm(table["p_value"].to_numpy(dtype=np.float64))
    return table.assign(p_adjusted=adjusted, differs=adjusted <= alpha)


@dataclass(frozen=True, eq=False)
class Periods:
    """Period of each answer (-1: none) and their names."""

    code: Codes
    names: list[str]


def periods_of(rows: Rows, timestamp: Any, period: Any) -> Periods | None:
    """Read the period of each answer."""
    if timestamp is None:
        if period is not None:
            raise ValueError("period needs the column of the time of an answer: timestamp='...'.")
        return None
    times = rows.table[timestamp]
    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        raise ColumnError(
            f"timestamp: the column {timestamp!r} must hold dates, got {times.dtype}; see pandas.to_datetime."
        )
    if times.dt.tz is not None:
        times = times.dt.tz_localize(None)
    try:
        values = times.dt.to_period("M" if period is None else period)
    except ValueError as error:
        raise ValueError(
            f"period must be a length of time such as 'M', 'Q', 'W' or 'Y', got {period!r}: {error}."
        ) from error
    known = values.dropna()
    whole = (
        pd.period_range(known.min(), known.max(), freq=known.dt.freq) if len(known) else pd.PeriodIndex([], freq="M")
    )
    return Periods(np.asarray(whole.get_indexer(pd.PeriodIndex(values)), dtype=np.int64), [str(name) for name in whole])


def trend_of(
    answers: Answers,
    rows: Rows,
    periods: Periods,
    hidden: Flags,
    name: str,
    level: float,
    minimum: int,
    scale: float = 1.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return figures by segment and period, and the change per period of each segment."""
    n_segments, n_periods = len(rows.segments), len(periods.names)
    cell = np.where(periods.code >= 0, rows.segment * n_periods + periods.code, -1)
    counts = customers_by(rows, cell, n_segments * n_periods).reshape(n_segments, n_periods)
    hide = protect_grid(counts, minimum, hidden) | hidden[:, None]
    group = answers.by(cell, n_segments * n_periods, level)
    table = pd.DataFrame(
        {
            "segment": pd.Categorical(np.repeat(rows.segments, n_periods), categories=rows.segments),
            "period": np.tile(np.array(periods.names, dtype=object), n_segments),
            "n_customers": group.n_customers,
            **figures(group, name, scale),
        }
    )
    table.loc[hide.ravel(), [column for column in table.columns if column not in ("segment", "period")]] = np.nan
    change = slopes(answers, rows.segment, periods.code, ~hide & (counts > 0), level)
    change[["change", "change_low", "change_high"]] *= scale
    change.insert(0, "segment", rows.segments)
    return table, change
