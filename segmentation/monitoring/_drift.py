"""Whether features of customers moved between two dates, with false alarms held down for the report as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.monitoring._drift_encode import Encoded, encode
from segmentation.monitoring._drift_measures import GammaNull, measures
from segmentation.monitoring._drift_null import Panel, Rows, draws_of_gaps, panels_of
from segmentation.monitoring._drift_report import DriftReport
from segmentation.monitoring._drift_table import bins_table, drift_row, remarks_of
from segmentation.monitoring._inputs import unlike_ids

__all__ = ["feature_drift"]

# A segment with fewer customers at either date shows nothing, and its few rows make the bins empty.
FEWEST_IN_SEGMENT = 20
# Random signs are exact only where all or no customers stand in both; 200 gave up to 9 % false alarms instead of 5 %.
FEW_FOR_SIGNS = 500


def feature_drift(
    reference: Any,
    current: Any,
    *,
    columns: Sequence[Any] | None = None,
    within: tuple[Any, Any] | None = None,
    same_customers: bool | None = None,
    n_bins: int = 10,
    alpha: float = 0.05,
    n_draws: int = 999,
    random_state: Any = None,
) -> DriftReport:
    """Compare the features of customers at two dates, with limits that know how many customers and columns there are.

    Parameters
    ----------
    reference, current : dataframe
        One row per customer, columns of numbers, texts, categories or true/false. A column that only `current` has is
        named in the warnings.
    columns : sequence of labels, optional
        Features to compare, by default all columns of `reference`.
    within : (assignment, assignment), optional
        Segments of the customers of `reference` and of `current`, by one definition. Then features are compared inside
        each segment: what moved although the mix of segments is taken out. Unassigned customers and segments with
        fewer than 20 customers at a date are left out and counted.
    same_customers : bool, optional
        Whether one id means one customer in both tables. By default, ids that stand in both do.
    n_bins : int, default=10
        Bins of a number, with about equally many customers of both tables together; fewer where a bin would expect
        fewer than 5. Missing values have a bin of their own; so has each level of a text for which 5 customers are
        expected, the others share one.
    alpha : float, default=0.05
        Chance that a report on tables that differ by chance only names any feature.
    n_draws : int, default=999
        Draws from what chance gives; as many again for the curves of the limits.
    random_state : int or Generator, optional
        A number makes the report repeatable.

    Returns
    -------
    DriftReport
        ``table`` has one row per feature (and segment): ``drifted``; ``p_adjusted``, corrected for all rows;
        ``psi``, ``jensen_shannon`` (distance, base 2), ``ks`` (numbers; among known values) and ``chi2``, each with
        its ``_limit``; ``superiority``, the chance that a customer of `current` has the greater value (0.5: no
        direction; ties count half); ``missing_reference``, ``missing_current`` (shares); ``n_new_levels`` (levels
        that `reference` does not have); ``n_reference``, ``n_current``; ``what``, the greatest change in words.

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError
        If a table is none or empty, a column is of a type without distances (dates, lists), of two kinds, or an id.

    Notes
    -----
    **Nulls.** Where no customer stands in both tables, rows exchange their tables at random. Customers who stand in
    both exchange *their own two rows*, so that the likeness of a customer to themself is not taken for stability, nor
    many customers for many facts. Where only some stand in both, every customer's contribution to the difference gets
    a random sign (a multiplier bootstrap, exact in the two cases before, else approximate). Whole rows move, so the
    dependence of columns is kept. Above 20,000 customers, 4,000 random blocks of customers are flipped together.

    **Limits.** Each measure of each column gets the chance of so much or more from a gamma distribution with mean and
    variance of draws made for it; a feature drifted where the least chance of its measures is smaller than the least of
    *all* columns and measures is in all but ``alpha`` of the draws (Westfall and Young
    1993). The limits are the same rule, said for each measure: a measure beyond its limit and ``drifted`` are one. PSI
    adds half a customer to each bin. The well-known limits of 0.1 and 0.25 for PSI know neither customers nor
    columns: its mean under no change is about (1 / n_reference + 1 / n_current) * (bins - 1).

    **What it cannot tell.** Everybody's calendar is the same: a season or a promotion moves features, and is drift
    here. Drift that is found is not drift that matters: look at `superiority` and at what it does to segments
    (`recommend_refresh`).

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards, Wiley: 0.1 and 0.25. Yurdakul (2018), Statistical properties of population
    stability index, dissertation, Western Michigan University: the chi-squared null. Lin (1991), Divergence measures
    based on the Shannon entropy, doi:10.1109/18.61115. Westfall and Young (1993), Resampling-based multiple testing.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.monitoring import feature_drift
    >>> rng = np.random.default_rng(0)
    >>> then = pd.DataFrame({"age": rng.normal(40, 10, 500), "spend": rng.lognormal(3, 1, 500)})
    >>> now = pd.DataFrame({"age": rng.normal(40, 10, 500), "spend": rng.lognormal(3.4, 1, 500)})
    >>> report = feature_drift(then, now, same_customers=False, random_state=0)
    >>> report.drifted
    ('spend',)
    """
    _check(n_bins, alpha, n_draws)
    before, after = _table(reference, "reference"), _table(current, "current")
    names, warnings = _columns(before, after, columns)
    if same_customers is not False:
        warnings += unlike_ids(before.index, after.index)
    if same_customers is None:
        same_customers = True
    features = [encode(before[name], after[name], name, n_bins) for name in names]
    rows = Rows.of(before.index, after.index, same_customers=bool(same_customers))
    strata, segments, said = _strata(within, before.index, after.index)
    warnings += said
    if rows.how == "signs" and rows.n_customers < FEW_FOR_SIGNS:
        warnings.append(
            "few customers, of whom only some stand in both tables: false alarms may be somewhat more frequent."
        )
    codes = [feature.codes for feature in features]
    panels = panels_of(codes, [feature.n_fine for feature in features], rows, strata, max(len(segments), 1))
    if not panels:
        raise CustomerTableError("no segment has 20 customers at both dates: there is nothing to compare within.")
    rng = np.random.default_rng(random_state)
    found = _observed(panels, features)
    # The curves are fitted to draws of their own: those compared would lie too well under curves fitted to them.
    fitted = _drawn(panels, features, rows, strata, n_draws, rng)
    nulls = [GammaNull(fitted[:, i]) for i in range(len(panels))]
    draws = _drawn(panels, features, rows, strata, n_draws, rng)
    least = np.min([null.log_chance(draws[:, i]).min(axis=1) for i, null in enumerate(nulls)], axis=0)
    own = np.array([null.log_chance(values) for null, values in zip(nulls, found, strict=True)])
    adjusted = (1 + (least[None, :] <= own.min(axis=1)[:, None] + 1e-12).sum(axis=1)) / (n_draws + 1)
    # p <= alpha needs at most so many draws that are as extreme
    rank = int(np.floor(alpha * (n_draws + 1) + 1e-9)) - 1
    cut = float(np.sort(least)[rank]) if rank >= 0 else -np.inf
    table = pd.DataFrame(
        [
            drift_row(panel, features[panel.feature], segments, p, alpha, values, null.limit(cut), rows, strata)
            for panel, p, values, null in zip(panels, adjusted, found, nulls, strict=True)
        ]
    )
    settings = {
        "alpha": alpha,
        "n_bins": n_bins,
        "n_draws": n_draws,
        "null": rows.how if within is None else "blocks" if rows.how == "blocks" else "signs",
        "within": within is not None,
        "n_reference": len(before),
        "n_current": len(after),
        "n_both": rows.n_both,
        "n_tests": len(table),
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
    }
    return DriftReport(
        table if within is not None else table.drop(columns="segment"),
        bins_table(panels, features, segments),
        settings,
        tuple(warnings + remarks_of(features, alpha, n_draws)),
    )


def _check(n_bins: Any, alpha: Any, n_draws: Any) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float | np.number) or not 0 < alpha < 1:
        raise ValueError(f"alpha must be a number between 0 and 1, got {alpha!r}.")
    for name, value, least in (("n_bins", n_bins, 2), ("n_draws", n_draws, 99)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _table(frame: Any, name: str) -> pd.DataFrame:
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("value" if frame.name is None else frame.name)
    if not is_frame(frame):
        raise TypeError(f"{name} must be a table with one row per customer, got {kind_of(frame)}.")
    table = as_customers(frame)
    if len(table) < 2 * 5:
        raise CustomerTableError(f"{name} has {count(len(table), 'customer')}; drift needs at least 10 at each date.")
    return table


def _columns(before: pd.DataFrame, after: pd.DataFrame, columns: Any) -> tuple[list[Any], list[str]]:
    if isinstance(columns, str):
        raise TypeError(f"columns must be a list of labels, got the text {columns!r}: write [{columns!r}].")
    names = list(before.columns) if columns is None else list(columns)
    if not names:
        raise ColumnError("there is no column to compare.")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ColumnError(f"columns names some twice: {name_some(twice)}.")
    for table, where in ((before, "the reference"), (after, "the current table")):
        if any(name not in table.columns for name in names):
            raise ColumnError(
                f"{where} lacks columns; {column_difference(names, list(table.columns))}. A feature that is gone "
                "cannot be compared: name those to compare with columns=."
            )
    extra = [name for name in after.columns if name not in before.columns] if columns is None else []
    said = f"{count(len(extra), 'column')} only in the current table, not compared: {name_some(extra)}."
    return names, [said] if extra else []


def _strata(within: Any, before: pd.Index, after: pd.Index) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """Return the segment of each row (0 for all where none are given, -1 for left out), names and what is said."""
    if within is None:
        return np.zeros(len(before) + len(after), dtype=np.int64), [], []
    if not isinstance(within, tuple | list) or len(within) != 2:
        raise TypeError(f"within must be two assignments, (reference, current), got {kind_of(within)}.")
    tables = [as_assignment(table) for table in within]
    names = list(dict.fromkeys(str(s) for table in tables for s in table["segment"].cat.categories[:-1]))
    parts = []
    for table, index, where in zip(tables, (before, after), ("reference", "current"), strict=True):
        unknown = index.difference(table.index)
        if len(unknown):
            raise CustomerTableError(
                f"within: {count(len(unknown), 'customer')} of the {where} table not in its "
                f"assignment: {name_some(unknown)}."
            )
        segment = table["segment"].reindex(index).astype(object).to_numpy()
        parts.append(np.array([names.index(s) if s != UNASSIGNED else -1 for s in segment], dtype=np.int64))
    n_out = sum(int((part < 0).sum()) for part in parts)
    said = [f"{count(n_out, 'row')} of unassigned customers left out."] if n_out else []
    sizes = np.array([[(part == i).sum() for i in range(len(names))] for part in parts])
    small = [name for i, name in enumerate(names) if sizes[:, i].min() < FEWEST_IN_SEGMENT]
    if small:
        said.append(f"segments with fewer than {FEWEST_IN_SEGMENT} customers at a date left out: {name_some(small)}.")
    strata = np.concatenate(parts)
    return np.where(np.isin(strata, [names.index(name) for name in small]), -1, strata), names, said


def _observed(panels: Sequence[Panel], features: Sequence[Encoded]) -> list[NDArray[np.float64]]:
    return [_measured(panel, features[panel.feature], panel.gap[None, :])[0] for panel in panels]


def _measured(panel: Panel, feature: Encoded, gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    return measures(panel.pooled, gaps, panel.sizes, feature.coarse, ordered=feature.kind == "numeric")


def _drawn(
    panels: Sequence[Panel],
    features: Sequence[Encoded],
    rows: Rows,
    strata: NDArray[np.int64],
    n_draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the measures of all draws, of shape (n_draws, n_panels, 4)."""
    found = []
    for gaps in draws_of_gaps(panels, [feature.codes for feature in features], rows, strata, n_draws, rng):
        chunk = [
            _measured(panel, features[panel.feature], gaps[panel.first : panel.first + len(panel.pooled)].T)
            for panel in panels
        ]
        found.append(np.stack(chunk, axis=1))
    return np.concatenate(found)
