"""Estimates, standard errors and names, as the statistics over segments take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._format import name_some
from segmentation._frames import is_frame, to_pandas
from segmentation.experiments._moments import Floats

__all__ = ["Vectors", "as_table", "as_vectors", "check_level", "per_segment", "widened"]

# The square of anything smaller has no digits left.
NOTHING = 1e-150


@dataclass(frozen=True, eq=False)
class Vectors:
    """Checked input: one entry per segment; `known` tells who has an estimate with a standard error."""

    names: pd.Index[Any]
    estimate: Floats
    se: Floats
    df: Floats

    @property
    def known(self) -> Any:
        """Which segments have both."""
        return np.isfinite(self.estimate) & np.isfinite(self.se)


def check_level(level: Any) -> float:
    """Return the level of an interval, or say that it is none."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0.5 <= level < 1:
        raise ValueError(f"level is the share of truths an interval shall hold, .5 and below 1, got {level!r}.")
    return float(level)


def as_table(source: Any) -> Any:
    """Return a dataframe of any library as pandas, its column ``segment`` as index where rows have no names yet.

    What is no dataframe is returned as it is.
    """
    if not is_frame(source):
        return source
    table = to_pandas(source)
    plain = isinstance(table.index, pd.RangeIndex)
    return table.set_index("segment") if plain and "segment" in table.columns else table


def as_vectors(estimates: Any, standard_errors: Any = None, df: Any = None) -> Vectors:
    """Read estimates and standard errors, aligned by name where both have names.

    Parameters
    ----------
    estimates : dataframe, mapping, Series or array of shape (segments,)
        A dataframe has columns ``estimate``, ``se`` and, if there, ``df`` (`ExperimentAnalysis.estimates`), and
        segments in its index or in a column ``segment``.
    standard_errors, df : mapping, Series, number or array, optional

    Raises
    ------
    ValueError
        If sizes or names differ, a standard error is zero or negative, or something is infinite.
    """
    estimates = as_table(estimates)
    if isinstance(estimates, pd.DataFrame):
        lacking = [name for name in ("estimate", "se") if name not in estimates]
        if lacking:
            raise ValueError(
                f"a table of estimates needs columns 'estimate' and 'se'; missing: {name_some(lacking)} "
                "(ExperimentAnalysis.estimates() returns one)."
            )
        if standard_errors is not None:
            raise ValueError("the table of estimates has standard errors in 'se': leave standard_errors out.")
        standard_errors = estimates["se"]
        df = estimates["df"] if df is None and "df" in estimates else df
        estimates = estimates["estimate"]
    if standard_errors is None:
        raise ValueError("standard_errors are missing: an estimate without one cannot be weighed.")
    values, names = _values(estimates, "estimates", None)
    se, _ = _values(standard_errors, "standard_errors", names)
    freedom = np.full(len(values), np.inf) if df is None else _values(df, "df", names)[0]
    if not len(values):
        raise ValueError("estimates are empty: one per segment is expected.")
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        raise ValueError(f"segments are named twice: {name_some(repeated)}; give every segment one estimate.")
    for what, found, bad in (
        ("estimates are infinite", values, np.isinf(values)),
        ("standard errors are infinite", se, np.isinf(se)),
        ("standard errors are negative", se, se < 0),
        ("degrees of freedom are not above 0", freedom, freedom <= 0),
    ):
        if bad.any():
            raise ValueError(f"{what} in segments {name_some(names[bad])}: {name_some(found[bad])}.")
    if (se < NOTHING).any():
        raise ValueError(
            f"standard errors are 0 in segments {name_some(names[se < NOTHING])}, which would say that their effect is "
            "known exactly (an outcome without variation?): give the real ones, or missing values to leave these out."
        )
    return Vectors(names, values, se, np.where(np.isnan(freedom), np.inf, freedom))


def per_segment(values: Any, what: str, names: pd.Index[Any]) -> Floats:
    """Read one number per segment, or one for all."""
    return _values(values, what, names)[0]


def _values(values: Any, what: str, names: pd.Index[Any] | None) -> tuple[Floats, pd.Index[Any]]:
    if isinstance(values, Mapping):
        values = pd.Series(dict(values), dtype=object if not len(values) else None)
    if isinstance(values, pd.Series):
        if names is not None and not (isinstance(values.index, pd.RangeIndex) and isinstance(names, pd.RangeIndex)):
            if isinstance(names, pd.RangeIndex):
                raise ValueError(
                    f"{what} have names and the estimates have none: give both with names, or both without."
                )
            missing = names[~names.isin(values.index)]
            if len(missing) or len(values) != len(names):
                extra = values.index[~values.index.isin(names)]
                raise ValueError(
                    f"{what} and estimates are of different segments: missing {name_some(missing) or 'none'}; "
                    f"not in the estimates {name_some(extra) or 'none'}."
                )
            values = values.reindex(names)
        index = values.index
        raw: Any = values.to_numpy(dtype=object)
    else:
        raw = np.asarray(values, dtype=object)
        if raw.ndim == 0 and names is not None:
            raw = np.full(len(names), raw.item(), dtype=object)
        if raw.ndim != 1:
            raise ValueError(f"{what} must be one number per segment, got an array of {raw.ndim} dimensions.")
        index = pd.RangeIndex(len(raw))
    try:
        numbers = np.array([np.nan if value is None or value is pd.NA else float(value) for value in raw], dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers, got {name_some(raw)}.") from error
    if names is not None and len(numbers) != len(names):
        raise ValueError(f"{what} and estimates must be of one length, got {len(numbers)} and {len(names)}.")
    return numbers, index if names is None else names


def widened(se: Floats, df: Floats, level: float) -> Floats:
    """Widen standard errors so that a normal interval reaches as far as Student's t."""
    reach = stats.t.ppf(0.5 + level / 2, np.where(np.isinf(df), 1e10, df)) / stats.norm.ppf(0.5 + level / 2)
    return np.asarray(np.where(np.isinf(df), se, se * reach), dtype=float)
