"""What untreated customers do, per segment: measured from data, or a ratio of means put together by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._frames import kind_of
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import CustomerTableError
from segmentation.experiments._plan_input import ALL, is_number, per_segment
from segmentation.experiments._plan_power import ratio_sd

__all__ = ["outcome_baseline", "ratio_baseline"]


def outcome_baseline(assignment: Any, outcome: Any, *, denominator: Any = None, covariate: Any = None) -> pd.DataFrame:
    """Describe an outcome per segment as `minimum_segment_size` and `plan_experiment` need it.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`.
    outcome : Series
        One number per customer, indexed by customer; customers without a value are left out of mean and spread.
    denominator : Series, optional
        For a ratio of means, such as spend per order: the denominator of each customer, 0 allowed.
    covariate : Series, optional
        Something known of each customer before, such as the outcome of the period before.

    Returns
    -------
    pandas.DataFrame
        Index ``segment``; ``mean``, ``sd``, ``sd_se`` (its standard error, from the fourth moment),
        ``n_customers`` (of the segment, with or without an outcome), ``n_known``. An outcome of only 0 and 1 (or False
        and True) has no column ``sd``: it is a proportion. With `denominator`
        ``mean`` is the ratio of the two means, and ``sd`` that of a customer's share in it (delta method). With
        `covariate` also ``covariate_correlation`` with the outcome, within each segment, over those who have both.

    Raises
    ------
    TypeError, CustomerTableError, ValueError
        If the outcome is no Series of numbers, no customer is in both, or a segment's denominators sum to 0.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import outcome_baseline
    >>> segments = pd.Series(["a", "a", "b", "b"], index=pd.Index([1, 2, 3, 4], name="customer_id"))
    >>> outcome_baseline(segments, pd.Series([0, 10, 4, 6], index=segments.index))["mean"].to_dict()
    {'a': 5.0, 'b': 5.0}
    """
    table = as_assignment(assignment)
    values = _values(outcome, table.index, "outcome")
    segment = table["segment"].to_numpy()
    proportion = denominator is None and bool(values.dropna().isin([0.0, 1.0]).all())
    ratio = None
    if denominator is not None:
        below = _values(denominator, table.index, "denominator")
        values, below = values.where(below.notna()), below.where(values.notna())
        totals = below.groupby(segment, observed=False).mean()
        names = [name for name in totals.index if name != UNASSIGNED and totals[name] == 0]
        if names:
            raise ValueError(f"the denominators sum to 0 in {name_some(names)}: there is no ratio.")
        ratio = values.groupby(segment, observed=False).mean() / totals
        own = pd.Series(segment, index=values.index).astype(object)
        # what each customer adds to the ratio's error
        values = (values - own.map(ratio).astype(float) * below) / own.map(totals).astype(float)
    by_segment = values.groupby(segment, observed=False)
    result = pd.DataFrame(
        {
            "mean": by_segment.mean() if ratio is None else ratio,
            "sd": by_segment.std(ddof=1),
            "sd_se": by_segment.apply(_sd_error),
            "n_customers": table["segment"].value_counts(),
            "n_known": by_segment.count(),
        }
    )
    if covariate is not None:
        before = _values(covariate, table.index, "covariate")
        pairs = pd.DataFrame({"outcome": values, "before": before}).groupby(segment, observed=False)
        result["covariate_correlation"] = pd.Series(
            {name: _correlation(part["outcome"], part["before"]) for name, part in pairs}
        )
    segments = [name for name in table["segment"].cat.categories if name != UNASSIGNED]
    result = result.loc[segments]
    result.index.name = "segment"
    return result.drop(columns=["sd", "sd_se"]) if proportion else result


def _values(values: Any, customers: pd.Index, name: str) -> pd.Series[Any]:
    """Return one number per customer of the assignment, missing where there is none."""
    if not isinstance(values, pd.Series):
        raise TypeError(f"{name} must be a Series indexed by customer, got {kind_of(values)}.")
    if values.index.has_duplicates:
        twice = values.index[values.index.duplicated()].unique()
        raise CustomerTableError(f"customers stand twice in the {name}: {name_some(twice)}.")
    if not len(customers.intersection(values.index)):
        raise CustomerTableError(
            f"no customer is in both tables: ids of the assignment look like {name_some(customers[:3])}, those of "
            f"the {name} like {name_some(values.index[:3])}."
        )
    try:
        found = values.reindex(customers).astype("float64")
    except (TypeError, ValueError) as error:
        raise TypeError(f"the {name} must be numbers: {error}.") from error
    infinite = found.index[np.isinf(found.to_numpy())]
    if len(infinite):
        raise ValueError(f"the {name} is infinite for customers {name_some(infinite)}: make it missing, or cut it off.")
    return found


def _sd_error(values: pd.Series[Any]) -> float:
    """Return the standard error of a standard deviation, without assuming normal data."""
    x = values.dropna().to_numpy(dtype=np.float64)
    if len(x) < 2:
        return float("nan")
    around = x - x.mean()
    variance = float((around**2).mean())
    if variance == 0:
        return 0.0
    return float(np.sqrt(max(0.0, float((around**4).mean()) - variance**2) / len(x)) / (2 * np.sqrt(variance)))


def _correlation(first: pd.Series[Any], second: pd.Series[Any]) -> float:
    """Return the correlation over those who have both; 0 where one of them does not vary."""
    both = (first.notna() & second.notna()).to_numpy()
    a, b = first.to_numpy()[both], second.to_numpy()[both]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def ratio_baseline(
    *,
    numerator_mean: Any,
    numerator_sd: Any,
    denominator_mean: Any,
    denominator_sd: Any,
    correlation: Any,
) -> pd.DataFrame:
    """Describe a ratio of means, such as spend per order, from the figures of its two parts.

    Parameters
    ----------
    numerator_mean, numerator_sd, denominator_mean, denominator_sd : number, mapping or Series
        Per customer; one number, or one per segment.
    correlation : number, mapping or Series
        Of a customer's numerator with the denominator, between -1 and 1.

    Returns
    -------
    pandas.DataFrame
        ``mean`` (the ratio of the means) and ``sd`` (of a customer's share in it), as `plan_experiment` takes them with
        ``metric="ratio"``.

    Notes
    -----
    Delta method: the variance of the ratio R of the means of n customers is
    (sd_n^2 + R^2 sd_d^2 - 2 R corr sd_n sd_d) / (n mean_d^2), right for large n.
    A ratio of means is not the mean of customers' ratios.

    Examples
    --------
    >>> from segmentation.experiments import ratio_baseline
    >>> table = ratio_baseline(
    ...     numerator_mean=60, numerator_sd=50, denominator_mean=2, denominator_sd=1.2, correlation=0.7)
    >>> table.round(2).loc["all"].to_dict()
    {'mean': 30.0, 'sd': 17.86}
    """
    given = {
        "numerator_mean": numerator_mean,
        "numerator_sd": numerator_sd,
        "denominator_mean": denominator_mean,
        "denominator_sd": denominator_sd,
        "correlation": correlation,
    }
    segments: list[Any] = []
    for values in given.values():
        if not is_number(values):
            segments = list(pd.Series(dict(values), dtype="float64").index)
            break
    index = pd.Index(segments or [ALL], name="segment")
    table = pd.DataFrame({name: per_segment(values, index, name) for name, values in given.items()})
    if not np.isfinite(table.to_numpy()).all():
        raise ValueError("means, standard deviations and correlation must be finite numbers.")
    if (table["denominator_mean"] == 0).any():
        where = table.index[table["denominator_mean"] == 0]
        raise ValueError(f"denominator_mean must not be 0; it is for {name_some(where)}.")
    if (table[["numerator_sd", "denominator_sd"]] < 0).any(axis=None):
        raise ValueError("numerator_sd and denominator_sd must not be negative.")
    if (table["correlation"].abs() > 1).any():
        where = table.index[table["correlation"].abs() > 1]
        raise ValueError(f"correlation must lie between -1 and 1; it does not for {name_some(where)}.")
    return pd.DataFrame(
        {
            "mean": table["numerator_mean"] / table["denominator_mean"],
            "sd": [ratio_sd(*row) for row in table.itertuples(index=False)],
        },
        index=index,
    )
