"""Features as codes of bins: the same bins for both tables, missing values and rare levels among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, number
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["Encoded", "encode"]

# Points at which distribution functions are compared: with more different values, KS is at most 1/128 too small.
GRID = 128
# A bin in which fewer customers are expected tells nothing by itself (Cochran 1954, doi:10.2307/3001666).
FEWEST = 5
MOST_LEVELS = 50
SPREAD_OUT = 0.5
# Bins that are no level; a level that is called so is written in quotation marks.
OWN_BINS = ("rare levels", "missing")


@dataclass(frozen=True, eq=False)
class Encoded:
    """One feature of both tables as bins.

    ``codes`` (reference, then current) are those of the fine bins, in the order of the values, ``missing`` is the code
    of missing values (always the last); ``coarse`` says for each fine bin in which wide bin it lies, ``labels`` what
    the wide bins are.
    """

    name: Any
    kind: str
    codes: NDArray[np.int64]
    n_fine: int
    coarse: NDArray[np.int64]
    labels: list[str]
    new_levels: list[str]
    gone_levels: list[str]

    @property
    def missing(self) -> int:
        """Code of missing values."""
        return self.n_fine - 1


def _kind(column: pd.Series[Any], name: Any, where: str) -> str:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return "categorical"
    if pd.api.types.is_complex_dtype(dtype):
        raise ColumnError(_refusal(name, where, dtype, "split it into its two parts"))
    if pd.api.types.is_numeric_dtype(dtype):
        return "numeric"
    present = column.dropna()
    found = pd.api.types.infer_dtype(present, skipna=True)
    if found in ("string", "boolean") or (found == "empty" and pd.api.types.is_object_dtype(dtype)):
        return "categorical" if len(present) else "empty"
    if found in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numeric"
    if found in ("datetime", "datetime64", "date", "timedelta", "timedelta64", "period", "time"):
        raise ColumnError(_refusal(name, where, dtype, "turn it into a number first, such as days since then"))
    if len(present) == 0:
        return "empty"
    raise ColumnError(
        _refusal(name, where, f"{dtype} ({found})", "give it one type, numbers or texts, or leave it out with columns=")
    )


def _refusal(name: Any, where: str, dtype: Any, remedy: str) -> str:
    return f"drift is measured for numbers, texts, categories and true/false; {name!r} of {where} is {dtype}: {remedy}."


def encode(reference: pd.Series[Any], current: pd.Series[Any], name: Any, n_bins: int) -> Encoded:
    """Cut a feature of both tables into bins that do not depend on which table a value came from.

    Raises
    ------
    ColumnError
        If it is of a type that no distance is defined for, of two kinds in the two tables, or an id.
    CustomerTableError
        If a number is infinite.
    """
    kinds = [_kind(reference, name, "the reference"), _kind(current, name, "the current table")]
    known = {kind for kind in kinds if kind != "empty"}
    if len(known) > 1:
        raise ColumnError(
            f"{name!r} is {kinds[0]} in the reference ({reference.dtype}) and {kinds[1]} in the current table "
            f"({current.dtype}): convert one of them."
        )
    if not known:
        raise ColumnError(f"{name!r} has no value in either table: leave it out with columns=.")
    smaller = min(len(reference), len(current))
    if known == {"numeric"}:
        return _numbers(reference, current, name, max(2, min(n_bins, smaller // FEWEST)))
    return _levels(reference, current, name, smaller)


def _numbers(reference: pd.Series[Any], current: pd.Series[Any], name: Any, n_bins: int) -> Encoded:
    values = np.concatenate([column.astype(object).where(column.notna(), np.nan).to_numpy(dtype=np.float64)
                             if column.dtype == object else column.to_numpy(dtype=np.float64, na_value=np.nan)
                             for column in (reference, current)])  # fmt: skip
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        ids = np.concatenate([reference.index.to_numpy(dtype=object), current.index.to_numpy(dtype=object)])
        raise CustomerTableError(f"{name!r} is infinite for {name_some(ids[infinite])}: make it missing or a number.")
    there = ~np.isnan(values)
    different = np.unique(values[there])
    if not len(different):
        raise ColumnError(f"{name!r} has no value in either table: leave it out with columns=.")
    if len(different) <= GRID:
        tops = different
    else:
        tops = np.unique(np.quantile(values[there], np.linspace(0, 1, GRID + 1)[1:], method="inverted_cdf"))
    codes = np.where(there, np.searchsorted(tops, values), len(tops))
    counts = np.bincount(codes[there], minlength=len(tops)).astype(np.float64)
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    coarse = np.arange(len(tops)) if len(tops) <= n_bins else (middle * n_bins).astype(np.int64)
    _, coarse = np.unique(coarse, return_inverse=True)
    lows, highs = np.r_[different[0], tops[:-1]], tops
    labels = []
    for place in range(int(coarse.max()) + 1):
        inside = np.flatnonzero(coarse == place)
        low, high = lows[inside[0]], highs[inside[-1]]
        single = len(inside) == 1 and len(different) <= GRID
        labels.append(number(high) if single else f"{number(low)} to {number(high)}")
    return Encoded(name, "numeric", codes, len(tops) + 1, np.r_[coarse, coarse.max() + 1], [*labels, "missing"], [], [])


def _levels(reference: pd.Series[Any], current: pd.Series[Any], name: Any, smaller: int) -> Encoded:
    texts = [
        column.astype(object).map(lambda value: None if pd.isna(value) else str(value))
        for column in (reference, current)
    ]
    both = pd.concat(texts, ignore_index=True)
    codes, different = pd.factorize(both, sort=True)
    levels = [str(level) for level in different]
    if len(levels) > max(MOST_LEVELS, SPREAD_OUT * max(text.notna().sum() for text in texts)):
        raise ColumnError(
            f"{name!r} has {len(levels):,} different texts among {len(both):,} rows and looks like an id or free text: "
            "leave it out with columns=, or group its levels."
        )
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    common = counts / len(both) * smaller >= FEWEST
    place = np.where(common, np.cumsum(common) - 1, common.sum())
    labels = [repr(level) if level in OWN_BINS else level for level, keep in zip(levels, common, strict=True) if keep]
    if not common.all():
        labels.append(OWN_BINS[0])
    coarse = np.r_[place, len(labels)].astype(np.int64)
    seen = [set(text.dropna()) for text in texts]
    codes = np.where(codes < 0, len(levels), codes).astype(np.int64)
    return Encoded(
        name,
        "categorical",
        codes,
        len(levels) + 1,
        coarse,
        [*labels, OWN_BINS[1]],
        sorted(seen[1] - seen[0]),
        sorted(seen[0] - seen[1]),
    )
