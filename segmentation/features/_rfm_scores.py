"""RFM scores: cuts learnt from customers, and the score of a value. Shared by RFMSegmenter and RFMScorer."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.exceptions import CustomerTableError

__all__ = ["RFM_COLUMNS", "RFMCuts", "learn_cuts"]

RFM_COLUMNS = ("days_since_last_purchase", "n_purchases", "total_spend")
"""Columns of ``rfm_table``, in the order of the letters R, F and M."""

# What any customer who has bought has at least.
LEAST = {"days_since_last_purchase": 0, "n_purchases": 1}

# 1, 2, 3-4, 5-9 and 10 or more purchases. Where most customers bought once, several quintiles of the number of
# purchases coincide and would leave scores that nobody can get.
FREQUENCY_CUTS = (1.0, 2.0, 4.0, 9.0)


@dataclass(frozen=True)
class RFMCuts:
    """Cut points per column, and what they make of a customer.

    Attributes
    ----------
    n_scores : int
        Scores run from 1 (worst) to this number (best).
    cuts : dict of column to tuple of n_scores - 1 floats
        Upper ends of the bins, ascending in the units of the column.
    sources : dict of column to str
        "quantiles", "given", or "fixed" where quantiles of the number of purchases coincide.
    """

    n_scores: int
    cuts: dict[str, tuple[float, ...]]
    sources: dict[str, str]

    def scores(self, table: pd.DataFrame) -> NDArray[np.int64]:
        """Score customers, shape (n_customers, 3), in the order R, F, M.

        Bins contain their upper end: a value takes the score of the lowest bin it reaches, equal values equal
        scores. Few days since the last purchase, many purchases and much spend get high scores.
        """
        columns = []
        for name in RFM_COLUMNS:
            values = table[name].to_numpy(dtype=np.float64)
            bins = np.searchsorted(np.asarray(self.cuts[name]), values, side="left")
            columns.append(self.n_scores - bins if name == RFM_COLUMNS[0] else bins + 1)
        return np.column_stack(columns).astype(np.int64)

    def to_pandas(self) -> pd.DataFrame:
        """Return the cuts as a table: one row per column, ``cut_1`` ... and ``source``."""
        names = [f"cut_{i}" for i in range(1, self.n_scores)]
        table = pd.DataFrame.from_dict(self.cuts, orient="index", columns=names).rename_axis(index="column")
        return table.assign(source=pd.Series(self.sources))


def learn_cuts(table: pd.DataFrame, bins: Any) -> RFMCuts:
    """Learn cut points from customers, or take those given.

    Parameters
    ----------
    table : pandas.DataFrame with the columns of ``rfm_table``
    bins : int, or mapping of column to cut points
        A number of bins of equal size, or ascending upper ends of the bins per column; columns that a mapping does
        not name get as many quantile bins.

    Raises
    ------
    ValueError
        If `bins` is neither, or given cuts do not ascend, differ in number, or name another column.
    CustomerTableError
        If a value is missing or infinite.
    """
    check_values(table)
    given = _given_cuts(bins)
    n_scores = len(next(iter(given.values()))) + 1 if given else bins
    cuts, sources = {}, {}
    for name in RFM_COLUMNS:
        if name in given:
            cuts[name], sources[name] = given[name], "given"
            continue
        shares = np.arange(1, n_scores) / n_scores
        quantiles = np.quantile(table[name].to_numpy(dtype=np.float64), shares)
        cuts[name], sources[name] = tuple(quantiles.tolist()), "quantiles"
        if name == "n_purchases" and n_scores == 5 and len(np.unique(quantiles)) < 4:
            cuts[name], sources[name] = FREQUENCY_CUTS, "fixed"
    return RFMCuts(n_scores, cuts, sources)


def check_values(table: pd.DataFrame) -> None:
    """Refuse missing and infinite values, naming column and customers."""
    for name in RFM_COLUMNS:
        column = table[name]
        if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
            raise CustomerTableError(
                f"column {name!r} must hold numbers, got {column.dtype} (values {name_some(column.unique(), 3)}); "
                "segmentation.features.rfm_table makes these columns from orders."
            )
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = ~np.isfinite(values)
        if bad.any():
            raise CustomerTableError(
                f"column {name!r} must be finite for every customer; it is missing or infinite (NaN or inf) for "
                f"{int(bad.sum()):,}: {name_some(table.index[bad])}. Leave these customers out, or fill the value."
            )
        least = LEAST.get(name)
        if least is not None and (values < least).any():
            low = values < least
            raise CustomerTableError(
                f"column {name!r} must be at least {least}; it is less for {int(low.sum()):,}: "
                f"{name_some(table.index[low])} (values {name_some(values[low], 3)}). A customer in an RFM table has "
                "bought, before the end; check as_of and the orders."
            )


def _given_cuts(bins: Any) -> dict[str, tuple[float, ...]]:
    """Check `bins`; return the given cuts, none for a number of bins."""
    if isinstance(bins, numbers.Integral) and not isinstance(bins, bool):
        if not 2 <= int(bins) <= 10:
            raise ValueError(f"bins must be between 2 and 10, got {bins}.")
        return {}
    if not isinstance(bins, Mapping) or not bins:
        raise ValueError(f"bins must be an integer, or a mapping of RFM column to cut points, got {bins!r}.")
    unknown = [name for name in bins if name not in RFM_COLUMNS]
    if unknown:
        raise ValueError(f"bins names {name_some(unknown)}; the RFM columns are {name_some(RFM_COLUMNS)}.")
    given = {name: _ascending(name, cuts) for name, cuts in bins.items()}
    if len({len(cuts) for cuts in given.values()}) > 1:
        counts = {name: len(cuts) for name, cuts in given.items()}
        raise ValueError(f"bins must have the same number of cut points in every column, got {counts}.")
    return given


def _ascending(name: str, cuts: Sequence[float]) -> tuple[float, ...]:
    try:
        values = tuple(float(cut) for cut in cuts)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bins[{name!r}] must be a sequence of numbers, got {cuts!r}.") from error
    if not values or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise ValueError(f"bins[{name!r}] must be finite and ascend without repeats, got {cuts!r}.")
    if len(values) > 9:
        raise ValueError(f"bins[{name!r}] has {len(values)} cut points; at most 9 (10 scores) are allowed.")
    return values
