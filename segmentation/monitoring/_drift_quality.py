"""Whether features are still filled in, segment by segment and period by period."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, norm

from segmentation._format import column_difference, count, name_some, percent
from segmentation._frames import is_frame, kind_of
from segmentation._multiplicity import holm
from segmentation._results import Result
from segmentation._validation import as_customers
from segmentation.assignment import as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.monitoring._inputs import date_label
from segmentation.monitoring._whole_html import whole_html

__all__ = ["SegmentQuality", "segment_quality"]

SHOWN = 8


@dataclass(frozen=True, repr=False, eq=False)
class SegmentQuality(Result):
    """Missing values by period, segment and feature.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per period, segment and feature, see `segment_quality`.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def changed(self) -> pd.DataFrame:
        """The rows whose share of missing values differs from the first period's."""
        return self.table[self.table["changed"]]

    def _facts(self) -> dict[str, Any]:
        return {"settings": self.settings, "warnings": self.warnings, "table": self.table}

    def _headline(self) -> str:
        return (
            f"Data quality of {count(self.settings['n_features'], 'feature')} by segment over "
            f"{count(self.settings['n_periods'], 'period')}: missingness changed in {len(self.changed)} of "
            f"{self.settings['n_tests']} comparisons with {date_label(self.settings['first'])}"
        )

    def __str__(self) -> str:
        lines = [self._headline()]
        for _, row in self.changed.sort_values("p_adjusted", kind="stable").head(SHOWN).iterrows():
            lines.append(
                f"  {date_label(row['period'])}, {row['segment']}: {row['feature']!r} missing for "
                f"{percent(row['missing'])} ({percent(row['missing_low'])} to {percent(row['missing_high'])}), at "
                f"first {percent(row['missing_first'])}"
            )
        if len(self.changed) > SHOWN:
            lines.append(f"  ... {len(self.changed) - SHOWN} more in .changed")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table = self.table.assign(period=self.table["period"].map(date_label)).round(4)
        return f"<p>{html.escape(self._headline())}</p>{whole_html(table, index=False)}{notes}"

    def plot(self, ax: Any = None, *, period: Any = None) -> Any:
        """Draw the shares missing by segment and feature, see `SegmentQualityDisplay`; return the axes."""
        from segmentation.monitoring._drift_quality_display import SegmentQualityDisplay

        return SegmentQualityDisplay.from_quality(self, period=period).plot(ax).ax_


def segment_quality(
    periods: Mapping[Any, tuple[Any, Any]], *, level: float = 0.9, alpha: float = 0.05
) -> SegmentQuality:
    """Follow missing values of each feature in each segment over periods.

    Parameters
    ----------
    periods : mapping of period to (features, assignment)
        In their order; at least two. The columns are those of the first period's features; others are named in the
        warnings. Customers of one of the two tables only are left out and counted; "unassigned" is a segment here. An
        infinite value counts as missing, and is counted.
    level : float, default=0.9
        Level of the (Wilson) intervals.
    alpha : float, default=0.05
        Chance of any false alarm in the whole table.

    Returns
    -------
    SegmentQuality
        ``table``: ``period``, ``segment``, ``feature``, ``n_customers``, ``n_missing``, ``missing`` (share) with
        ``_low`` and ``_high``, ``n_different`` (known values), ``missing_first``, ``p_adjusted``, ``changed``.

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError
        If there are no two periods, a column is gone, or no customer has features and a segment.

    Notes
    -----
    Each period is compared with the first by Fisher's exact test, all p-values adjusted after Holm. The test takes the
    customers of two periods for different people; where they are the same, whose gaps mostly stay, it finds less than
    it might, and no more false alarms.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.monitoring import segment_quality
    >>> ids = pd.RangeIndex(200, name="customer_id")
    >>> segments = pd.Series(np.repeat(["a", "b"], 100), index=ids)
    >>> whole = pd.DataFrame({"age": 30.0}, index=ids)
    >>> holes = whole.assign(age=whole["age"].where(ids < 160))
    >>> report = segment_quality({"May": (whole, segments), "June": (holes, segments)})
    >>> report.changed[["period", "segment", "feature", "missing"]].values.tolist()
    [['June', 'b', 'age', 0.4]]
    """
    for name, value in (("level", level), ("alpha", alpha)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if not isinstance(periods, Mapping) or len(periods) < 2:
        raise TypeError("periods must be a mapping of two periods or more to (features, assignment).")
    columns: list[Any] = []
    parts, warnings = [], []
    for period, pair in periods.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not is_frame(pair[0]):
            raise TypeError(f"period {period!r} must be (features, assignment), got {kind_of(pair)}.")
        table, assignment = as_customers(pair[0]), as_assignment(pair[1])
        columns = columns or list(table.columns)
        if any(name not in table.columns for name in columns) or not columns:
            raise ColumnError(f"period {period!r} lacks columns; {column_difference(columns, list(table.columns))}.")
        together = table.index.intersection(assignment.index)
        if not len(together):
            raise CustomerTableError(
                f"no customer of period {period!r} is in features and assignment: ids {name_some(table.index)} and "
                f"{name_some(assignment.index)}. Do both use the same ids?"
            )
        segment = assignment.loc[together, "segment"].astype(object).map(str)
        known, said = _finite(table.loc[together, columns])
        for n, what in ((len(table), "segment"), (len(assignment), "features")):
            said += [f"{count(n - len(together), 'customer')} without {what} left out"] if n > len(together) else []
        extra = [name for name in table.columns if name not in columns]
        said += [f"columns that the first period does not have are not looked at: {name_some(extra)}"] if extra else []
        warnings += [f"{date_label(period)}: {text}." for text in said]
        parts.append(_counts(period, known, segment))
    result = pd.concat(parts, ignore_index=True)
    result, n_tests = _compared(result, next(iter(periods)), level, alpha)
    settings = {
        "level": level,
        "alpha": alpha,
        "first": next(iter(periods)),
        "n_periods": len(periods),
        "n_features": len(columns),
        "n_tests": n_tests,
    }
    at_first = result["period"] == settings["first"]
    fresh = result["missing_first"].isna() & ~at_first
    if fresh.any():
        names = name_some(result.loc[fresh, "segment"].unique())
        warnings.append(f"segments that the first period does not have are not compared: {names}.")
    for period in list(periods)[1:]:
        there = set(result.loc[result["period"] == period, "segment"])
        gone = [name for name in result.loc[at_first, "segment"].unique() if name not in there]
        if gone:
            warnings.append(f"{date_label(period)}: segments of the first period without customers: {name_some(gone)}.")
    return SegmentQuality(result, settings, tuple(warnings))


def _finite(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with infinite values as missing ones, and say where they were."""
    said, columns = [], {}
    for name, column in table.items():
        if pd.api.types.is_float_dtype(column.dtype):
            infinite = np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan))
            if infinite.any():
                said.append(f"{name!r} is infinite for {count(int(infinite.sum()), 'customer')}, counted as missing")
                column = column.mask(infinite)
        columns[name] = column
    return pd.DataFrame(columns, index=table.index), said


def _different(column: pd.Series[Any]) -> int:
    """Count different known values, also of lists and the like, by what they look like."""
    try:
        return int(column.nunique())
    except TypeError:
        return int(column.dropna().map(repr).nunique())


def _counts(period: Any, table: pd.DataFrame, segment: pd.Series[Any]) -> pd.DataFrame:
    rows = [
        {
            "period": period,
            "segment": name,
            "feature": column,
            "n_customers": len(part),
            "n_missing": int(part[column].isna().sum()),
            "n_different": _different(part[column]),
        }
        for name, part in table.groupby(segment.to_numpy(), sort=True)
        for column in table.columns
    ]
    return pd.DataFrame(rows)


def _compared(table: pd.DataFrame, first: Any, level: float, alpha: float) -> tuple[pd.DataFrame, int]:
    n, k = table["n_customers"].to_numpy(dtype=float), table["n_missing"].to_numpy(dtype=float)
    z = float(norm.ppf((1 + level) / 2))
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    table = table.assign(
        missing=k / n, missing_low=np.maximum(middle - half, 0), missing_high=np.minimum(middle + half, 1)
    )
    start = table[table["period"] == first].set_index(["segment", "feature"])
    keys = list(zip(table["segment"], table["feature"], strict=True))
    base = start.reindex(pd.MultiIndex.from_tuples(keys))
    table["missing_first"] = base["missing"].to_numpy()
    later = np.flatnonzero((table["period"] != first).to_numpy() & base["n_customers"].notna().to_numpy())
    p = np.array(
        [
            fisher_exact(
                [
                    [int(k[i]), int(n[i] - k[i])],
                    [int(base["n_missing"].iloc[i]), int(base["n_customers"].iloc[i] - base["n_missing"].iloc[i])],
                ]
            ).pvalue
            for i in later
        ]
    )
    adjusted = np.full(len(table), np.nan)
    adjusted[later] = holm(p) if len(p) else p
    columns = ["period", "segment", "feature", "n_customers", "n_missing", "missing", "missing_low", "missing_high"]
    table = table.assign(p_adjusted=adjusted, changed=np.nan_to_num(adjusted, nan=1.0) <= alpha)
    return table[[*columns, "n_different", "missing_first", "p_adjusted", "changed"]], len(later)
