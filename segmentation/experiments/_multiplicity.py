"""Many comparisons at once: corrected p-values and intervals, and the family that they are corrected over."""

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
from segmentation.experiments._vectors import check_level
from segmentation.governance._association import holm

__all__ = ["CorrectedComparisons", "adjusted_p", "correct_comparisons", "family_of", "interval_level"]

METHODS = ("holm", "bonferroni", "sidak", "bh", "by")
KEYS = ("outcome", "arm", "segment")


@dataclass(frozen=True, repr=False, eq=False)
class CorrectedComparisons(Result):
    """Comparisons corrected for being many.

    Attributes
    ----------
    headline : str
        What is claimed, out of which family.
    table : pandas.DataFrame
        The keys given, ``estimate``, ``se``, ``p_value``, ``p_adjusted``, ``claimed``, ``low``, ``high`` (corrected),
        ``single_low``, ``single_high`` (as if it were the only comparison).
    family : str
        Over what the correction runs.
    settings : mapping
    warnings : tuple of str
    """

    headline: str
    table: pd.DataFrame
    family: str
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def claimed(self) -> pd.DataFrame:
        """The comparisons that survive."""
        rows: pd.DataFrame = self.table[self.table["claimed"]]
        return rows

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "table": self.table, "family": self.family,
            "settings": self.settings, "warnings": self.warnings,
        }  # fmt: skip

    def __str__(self) -> str:
        shown = self.table.to_string(index=False, float_format="{:.4g}".format)
        return "\n".join([self.headline, "", shown, "", *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(index=False, float_format='{:.4g}'.format)}{notes}"


def adjusted_p(p_values: Any, method: str = "holm") -> Floats:
    """Correct p-values; missing ones stay missing and do not count.

    Parameters
    ----------
    p_values : array of shape (comparisons,)
    method : {"holm", "bonferroni", "sidak", "bh", "by"}

    Examples
    --------
    >>> adjusted_p([0.01, 0.04, 0.03, float("nan")], "bh").round(3).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    given = np.asarray(p_values, dtype=float)
    result = np.full(len(given), np.nan)
    known = np.isfinite(given)
    p, m = given[known], int(known.sum())
    if not m:
        return result
    if method == "holm":
        made = holm(p)
    elif method == "bonferroni":
        made = np.minimum(1.0, m * p)
    elif method == "sidak":
        made = -np.expm1(m * np.log1p(-np.minimum(p, 1 - 1e-16)))
    else:
        # Benjamini and Yekutieli's factor pays for any dependence
        factor = float(np.sum(1 / np.arange(1, m + 1))) if method == "by" else 1.0
        order = np.argsort(p, kind="stable")[::-1]
        steps = np.minimum.accumulate(factor * m / np.arange(m, 0, -1) * p[order])
        made = np.empty(m)
        made[order] = np.minimum(1.0, steps)
    result[known] = made
    return result


def interval_level(level: float, m: int, method: str, n_claimed: int = 0) -> float:
    """Return the level of each single interval, so that all (or those of the claimed) hold as said.

    Holm has no intervals of its own that say more than yes or no, so it gets Bonferroni's. For Benjamini and Hochberg
    the claimed ones get 1 - R alpha / m (false coverage rate, Benjamini and Yekutieli 2005,
    doi:10.1198/016214504000001907), R the number claimed.
    """
    alpha = 1 - level
    if m < 1:
        return level
    if method == "sidak":
        return float(level ** (1 / m))
    if method == "bh":
        return 1 - max(n_claimed, 1) * alpha / m
    if method == "by":
        return 1 - max(n_claimed, 1) * alpha / m / float(np.sum(1 / np.arange(1, m + 1)))
    return 1 - alpha / m


def family_of(table: pd.DataFrame, m: int) -> str:
    """Say what the comparisons are: how many segments, outcomes and arms."""
    parts = [count(table[key].nunique(), key) for key in reversed(KEYS) if key in table]
    text = f"{count(m, 'comparison')}"
    if parts:
        text += f" ({' x '.join(parts)})"
    missing = len(table) - m
    return text + (f", {missing} more without a p-value" if missing else "")


def correct_comparisons(
    table: Any, *, method: str = "holm", level: float = 0.95, estimate: str = "lift", se: str = "se", df: str = "df",
    p_value: str = "p_value",
) -> CorrectedComparisons:  # fmt: skip
    """Correct all comparisons of a table for being many: segments x outcomes x arms are one family.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per comparison: the rows of `ExperimentAnalysis.segments`, those of several analyses one below the
        other, or any table with an estimate and its standard error. ``outcome``, ``arm`` and ``segment`` name the
        comparisons where they are there.
    method : {"holm", "bonferroni", "sidak", "bh", "by"}, default="holm"
        "holm", "bonferroni" and "sidak" keep the probability of any wrong claim below 1 - level: use them to act on
        single segments. "bh" (Benjamini, Hochberg 1995) keeps the expected share of wrong ones among the claims below
        it, where comparisons are independent or positively dependent: use it to choose what to test next. "by"
        (Benjamini, Yekutieli 2001) does so under any dependence.
    level : float, default=0.95
    estimate, se, df, p_value : str
        Columns. Without `df` normal quantiles are used, without `p_value` it is that of estimate / se.

    Returns
    -------
    CorrectedComparisons

    Raises
    ------
    ValueError
        If a column is missing, the method unknown, a p-value outside 0 to 1, or a standard error negative.

    Notes
    -----
    The corrected intervals hold **all together** in a share `level` of experiments ("holm" has Bonferroni's, so a claim
    close to the limit can have an interval with 0 in it). With "bh" and "by" only claims get an interval: of those at
    most 1 - level are expected to be wrong. They are estimate +- quantile x se; `ExperimentAnalysis.segments` has
    corrected intervals of the method that its estimates have.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import correct_comparisons
    >>> lifts = pd.DataFrame({"segment": ["a", "b", "c"], "lift": [3.0, 2.2, 0.1], "se": [1.0, 1.0, 1.0]})
    >>> found = correct_comparisons(lifts)
    >>> found.family
    '3 comparisons (3 segments)'
    >>> found.table[["segment", "p_adjusted", "claimed", "low", "high"]].round(3).values.tolist()
    [['a', 0.008, True, 0.606, 5.394], ['b', 0.056, False, -0.194, 4.594], ['c', 0.92, False, -2.294, 2.494]]
    """
    level = check_level(level)
    if method not in METHODS:
        raise ValueError(f"method must be one of {name_some(METHODS)}, got {method!r}.")
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"table must be a pandas dataframe with one row per comparison, got {type(table).__name__}.")
    values = {name: _numbers(table, column, name) for name, column in (("estimate", estimate), ("se", se))}
    if (values["se"] < 0).any():
        raise ValueError(f"column {se!r} has negative standard errors: {name_some(values['se'][values['se'] < 0])}.")
    freedom = _numbers(table, df, "df") if df in table else np.full(len(table), np.inf)
    freedom = np.where(np.isnan(freedom), np.inf, freedom)
    if (freedom <= 0).any():
        raise ValueError(f"column {df!r} has degrees of freedom not above 0: {name_some(freedom[freedom <= 0])}.")
    for name, column in (("estimate", estimate), ("se", se)):
        if np.isinf(values[name]).any():
            raise ValueError(f"column {column!r} has infinite values: make them missing to leave a comparison out.")
    spread = np.where(values["se"] > 0, values["se"], np.nan)
    if p_value in table:
        p = _numbers(table, p_value, "p_value")
        if ((p < 0) | (p > 1)).any():
            raise ValueError(f"column {p_value!r} has values that are no p-values: {name_some(p[(p < 0) | (p > 1)])}.")
    else:
        p = np.asarray(2 * stats.t.sf(np.abs(values["estimate"] / spread), freedom))
    corrected = adjusted_p(p, method)
    m = int(np.isfinite(p).sum())
    claimed = corrected < 1 - level
    each = interval_level(level, m, method, int(claimed.sum()))
    made = table[[key for key in KEYS if key in table]].reset_index(drop=True)
    made = made.assign(estimate=values["estimate"], se=values["se"], p_value=p, p_adjusted=corrected, claimed=claimed)
    reach, single = (np.asarray(stats.t.ppf(0.5 + q / 2, freedom)) * spread for q in (each, level))
    if method in ("bh", "by"):
        reach = np.where(claimed, reach, np.nan)
    made = made.assign(
        low=values["estimate"] - reach, high=values["estimate"] + reach, single_low=values["estimate"] - single,
        single_high=values["estimate"] + single,
    )  # fmt: skip
    family = family_of(table, m)
    settings = {"method": method, "level": level, "n_comparisons": m, "n_claimed": int(claimed.sum()),
                "interval_level": each}  # fmt: skip
    return CorrectedComparisons(
        _headline(method, level, made, family), made, family, settings, tuple(_notes(method, level, made, m))
    )


def _numbers(table: pd.DataFrame, column: str, what: str) -> Floats:
    if column not in table:
        raise ValueError(
            f"the table has no column {column!r} ({what}); it has {name_some(table.columns, 12)}. Name it by {what}=."
        )
    try:
        return np.asarray(table[column].to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {column!r} must hold numbers, got {name_some(table[column])}.") from error


def _headline(method: str, level: float, table: pd.DataFrame, family: str) -> str:
    names = {"holm": "Holm", "bonferroni": "Bonferroni", "sidak": "Sidak", "bh": "Benjamini-Hochberg",
             "by": "Benjamini-Yekutieli"}  # fmt: skip
    found = int(table["claimed"].sum())
    plain = int((table["p_value"] < 1 - level).sum())
    return (
        f"{found} of {family} claimed after correction by {names[method]} at {100 * (1 - level):.3g} %; {plain} are "
        f"below {1 - level:.3g} before it."
    )


def _notes(method: str, level: float, table: pd.DataFrame, m: int) -> list[str]:
    notes = []
    if not m:
        return ["no comparison has a p-value: nothing was tested."]
    if method in ("bh", "by"):
        notes.append(
            f"of the claims {100 * (1 - level):.3g} % are expected to be wrong; intervals stand at claims only, and "
            "allow for their selection (false coverage rate)."
        )
    if method == "bh":
        notes.append("comparisons are taken as independent or positively dependent (method='by' needs neither).")
    wide = table["claimed"] & (table["low"] <= 0) & (table["high"] >= 0)
    if method == "holm" and wide.any():
        notes.append(
            f"{count(int(wide.sum()), 'claim')} with 0 inside the corrected interval: Holm's test is sharper than the "
            "simultaneous interval that stands beside it."
        )
    unknown = table["p_value"].isna()
    if unknown.any():
        notes.append(f"{count(int(unknown.sum()), 'comparison')} without a p-value: not in the family, never claimed.")
    return notes
