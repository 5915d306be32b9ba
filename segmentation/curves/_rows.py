"""Rows of effort and outcome: checked, in order, with what is resampled together, carry-over and adjustments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from segmentation._format import count, name_some, number
from segmentation.exceptions import FitError

__all__ = ["ADJUSTMENTS", "Rows", "check_numbers", "codes_of", "control_columns", "read_rows", "uneven_periods"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
ADJUSTMENTS = ("within", "lagged")
# Fewer customers than this say little about what varies between them: their stretches of periods are resampled.
MANY_CUSTOMERS = 20
FEWEST = 8
LARGEST = 1e100
# Shares of the rows that controls could fit by themselves: said above the one, refused above the other.
MUCH_SPENT = 0.25
MOST_SPENT = 0.75


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows sorted by customer and period.

    ``cluster``: code of what is resampled together; ``customer``: code, one for all where none was given; ``rank``:
    position of the period; ``keep``: the rows that are fitted (a first period has no lagged outcome); ``clean``
    takes what customers and controls explain out of columns of the kept rows, in a ``plain`` case the mean only;
    ``spent``: the share of the kept rows that controls (and customers that are not resampled) could fit by themselves.
    """

    effort: Array
    outcome: Array
    weights: Array
    customer: Codes
    rank: Codes
    cluster: Codes
    keep: NDArray[np.bool_]
    clean: Callable[[Array], Array]
    plain: bool
    resampled: str
    notes: tuple[str, ...] = ()
    spent: float = 0.0

    def stock(self, retention: float) -> Array:
        """Return the effort of each kept row with what is left of earlier ones, as a weighted mean.

        ``stock[t] = (1 - retention) * effort[t] + retention * stock[t - 1]``; before its first period a customer is
        taken to have had the mean of the efforts seen.
        """
        if retention == 0.0:
            return self.effort[self.keep]
        n, length = int(self.customer.max()) + 1, int(self.rank.max()) + 1
        grid = np.full((n, length), np.nan)
        grid[self.customer, self.rank] = self.effort
        total = np.bincount(self.customer, self.effort) / np.bincount(self.customer)
        stock = np.empty_like(grid)
        last = total
        for t in range(length):
            now = (1.0 - retention) * grid[:, t] + retention * last
            last = np.where(np.isnan(now), last, now)
            stock[:, t] = now
        return np.asarray(stock[self.customer, self.rank][self.keep])


def check_numbers(values: Any, name: str) -> Array:
    """Return a column of finite numbers, or say which rows are none."""
    kind = getattr(getattr(values, "dtype", None), "kind", None) or np.asarray(values).dtype.kind
    if kind in "mMc":
        what = {"m": "durations", "M": "dates", "c": "complex numbers"}[kind]
        raise TypeError(f"{name} must hold numbers, got {what}: turn them into a number of hours or days first.")
    try:
        if isinstance(values, pd.Series):
            values = values.to_numpy(dtype=np.float64, na_value=np.nan)
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers: {error}.") from error
    if column.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {column.shape}.")
    wrong = np.flatnonzero(~np.isfinite(column))
    if wrong.size:
        raise ValueError(
            f"{name} is missing (NaN) or infinite in {count(wrong.size, 'row')}: {name_some(wrong)}. Leave these rows "
            "out, or put 0 where nothing was done or bought."
        )
    largest = float(np.abs(column).max(initial=0.0))
    if largest > LARGEST or 0 < largest < 1 / LARGEST:
        raise ValueError(f"{name} goes up to {largest:g}, which squares cannot be summed of: use another unit.")
    return column


def codes_of(values: Any, name: str, n: int) -> tuple[Codes, pd.Index]:
    """Return the place of each row among the sorted labels, and these; or say where one is missing."""
    column = pd.Series(np.asarray(values) if not isinstance(values, pd.Series | pd.Index) else values)
    if len(column) != n:
        raise ValueError(f"{name} has {count(len(column), 'row')}, effort has {n:,}.")
    codes, labels = pd.factorize(column, sort=True)
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        raise ValueError(f"{name} is missing in {count(missing.size, 'row')}: {name_some(missing)}.")
    return codes, pd.Index(labels)


def _efforts_and_outcomes(effort: Any, outcome: Any, weights: Any) -> tuple[Array, Array, Array]:
    x, y = check_numbers(effort, "effort"), check_numbers(outcome, "outcome")
    w = np.ones_like(x) if weights is None else check_numbers(weights, "weights")
    for name, column in (("outcome", y), ("weights", w)):
        if len(column) != len(x):
            raise ValueError(f"{name} has {count(len(column), 'row')}, effort has {len(x):,}.")
    if len(x) < FEWEST:
        raise FitError(f"a curve needs at least {FEWEST} rows, got {len(x)}: see from_points and from_lift.")
    if (x < 0).any():
        wrong = np.flatnonzero(x < 0)
        raise ValueError(
            f"effort must be 0 or more; it is negative in {count(wrong.size, 'row')}: {name_some(x[wrong])}."
        )
    if (w < 0).any() or not (w > 0).any():
        raise ValueError(f"weights must be 0 or more, and some above 0, got {name_some(w[w <= 0])}.")
    if (x == x[0]).all():
        raise FitError(
            f"effort is {x[0]:g} in every row: what it brings cannot be seen where it does not vary. Take rows with "
            "less or none of it, or an experiment (from_lift)."
        )
    if (y == y[0]).all():
        raise FitError(
            f"outcome is {y[0]:g} in every row: there is no response to fit. Take more customers or a longer period, "
            "or an outcome that happens more often (visits instead of purchases)."
        )
    return x, y, w


def read_rows(
    effort: Any,
    outcome: Any,
    *,
    customer: Any,
    period: Any,
    weights: Any,
    controls: Any,
    adjust: str | None,
    ordered: bool,
) -> Rows:
    """Check the input and put it in order; `ordered`: earlier efforts count, so no period may be missing or twice."""
    x, y, w = _efforts_and_outcomes(effort, outcome, weights)
    n = len(x)
    if adjust not in (None, *ADJUSTMENTS):
        raise ValueError(f"adjust must be None or one of {name_some(ADJUSTMENTS)}, got {adjust!r}.")
    who = np.zeros(n, dtype=np.intp) if customer is None else codes_of(customer, "customer", n)[0]
    when = np.zeros(n, dtype=np.intp) if period is None else codes_of(period, "period", n)[0]
    z = control_columns(controls, n)
    if adjust == "within" and customer is None:
        raise ValueError('adjust="within" compares each customer with itself: give customer=.')
    if (ordered or adjust == "lagged") and period is None:
        raise ValueError("earlier periods count (carry_over or adjust='lagged'): give period=.")
    order = np.lexsort((when, who))
    x, y, w, who, when, z = x[order], y[order], w[order], who[order], when[order], z[order]
    rank = when
    notes: list[str] = []
    if ordered or adjust == "lagged":
        _refuse_gaps(who, when)
        notes += uneven_periods(period)
    cluster, resampled = _clusters(who, when, customer is not None, period is not None)
    keep = w > 0
    if (~keep).any():
        notes.append(f"{count(int((~keep).sum()), 'row')} of weight 0 left out.")
    if adjust == "lagged":
        first = np.r_[True, who[1:] != who[:-1]]
        z = np.column_stack([z, np.r_[0.0, y[:-1]]])
        keep &= ~first
        notes.append(f"{count(int(first.sum()), 'row')} left out: the first period has no outcome before it.")
        if keep.sum() < FEWEST:
            raise FitError(f"only {count(int(keep.sum()), 'row')} with an outcome in the period before.")
    _refuse_constant_effort(x, who, keep, adjust)
    clean, n_fitted = _cleaner(who[keep], w[keep], z[keep], within=adjust == "within")
    cluster = np.unique(cluster[keep], return_inverse=True)[1]
    if cluster.max() + 1 < FEWEST:
        raise FitError(
            f"the interval needs at least {FEWEST} independent {resampled}, got {cluster.max() + 1}: give more "
            "customers or periods."
        )
    plain = adjust != "within" and not z.shape[1]
    if adjust == "within" and resampled != "customers":
        n_fitted += len(np.unique(who[keep])) - 1
    spent = n_fitted / int(keep.sum())
    if spent > MOST_SPENT:
        raise FitError(
            f"controls{' and customers' if adjust == 'within' else ''} could fit {n_fitted:,} of {int(keep.sum()):,} "
            "rows by themselves: too little is left to see an effort in. Give fewer controls or more rows."
        )
    if spent > MUCH_SPENT:
        notes.append(
            f"{count(n_fitted, 'control')} for {count(int(keep.sum()), 'row')} are many: intervals are made wider for "
            "it, and are rough."
        )
    return Rows(x, y, w, who, rank, cluster, keep, clean, plain, resampled, tuple(notes), spent)


def control_columns(controls: Any, n: int) -> Array:
    """Return the columns of controls, finite, of shape (n, n_controls), or say what is wrong with them."""
    if controls is None:
        return np.empty((n, 0))
    try:
        columns = np.asarray(controls, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"controls must hold numbers: {error}. Turn categories into columns of 0 and 1 (pandas.get_dummies)."
        ) from error
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or len(columns) != n:
        raise ValueError(f"controls must have one row for each of the {n:,} efforts, got shape {columns.shape}.")
    if not np.isfinite(columns).all():
        wrong = np.flatnonzero(~np.isfinite(columns).all(axis=1))
        raise ValueError(f"controls are missing or infinite in {count(wrong.size, 'row')}: {name_some(wrong)}.")
    if np.abs(columns).max(initial=0.0) > LARGEST:
        raise ValueError(f"controls go up to {np.abs(columns).max():g}: use another unit.")
    return columns


def _refuse_gaps(who: Codes, when: Codes) -> None:
    step = np.diff(when)[who[1:] == who[:-1]]
    if (step == 0).any():
        raise ValueError(
            f"{count(int((step == 0).sum()), 'row')} of a customer in a period that has one already: add efforts and "
            "outcomes up, one row per customer and period."
        )
    if (step > 1).any():
        raise ValueError(
            f"periods are missing between two rows of a customer ({count(int((step > 1).sum()), 'gap')}): put in rows "
            "with the effort and outcome of these periods, 0 where nothing was done."
        )


def uneven_periods(period: Any) -> list[str]:
    """Say where dates are missing for all customers: by their order alone nothing is missing."""
    dates = pd.Series(np.asarray(period)).drop_duplicates().sort_values()
    if dates.dtype.kind != "M" or len(dates) < 3:
        return []
    steps = dates.diff().dropna()
    days = steps.dt.total_seconds().to_numpy() / 86_400
    usual, largest = float(np.median(days)), float(days.max())
    if largest < 1.9 * usual:
        return []
    return [
        f"Between two periods lie up to {number(largest)} days, usually {number(usual)}: earlier efforts are counted "
        "as if no period were missing. Put in the missing ones, with 0 where nothing was done."
    ]


def _clusters(who: Codes, when: Codes, has_customer: bool, has_period: bool) -> tuple[Codes, str]:
    """Return what is resampled together: customers, stretches of periods, or rows."""
    if has_customer and (who.max() + 1 >= MANY_CUSTOMERS or not has_period):
        return who, "customers"
    if not has_period:
        return np.arange(len(who), dtype=np.intp), "rows"
    # Stretches of about 1.5 n^(1/3) periods, so that what lasts from one period to the next stays together.
    n_periods = int(when.max()) + 1
    length = max(int(np.ceil(1.5 * n_periods ** (1 / 3))), 1)
    length = min(length, max(n_periods // FEWEST, 1))
    stretch = when // length
    # periods are common to all customers, and so is what happens in them
    return stretch, "stretches of periods" if length > 1 else "periods"


def _refuse_constant_effort(x: Array, who: Codes, keep: NDArray[np.bool_], adjust: str | None) -> None:
    kept = x[keep]
    if (kept == kept[0]).all():
        raise FitError(f"effort is {kept[0]:g} in every row that is used: it must vary.")
    if adjust == "within":
        mean = np.bincount(who[keep], kept) / np.maximum(np.bincount(who[keep]), 1)
        if np.allclose(kept, mean[who[keep]], rtol=1e-12, atol=0):
            raise FitError(
                "no customer's effort differs between its rows, so customers cannot be compared with themselves "
                '(adjust="within"): give several periods with more and with less effort.'
            )


def _cleaner(who: Codes, w: Array, z: Array, *, within: bool) -> tuple[Callable[[Array], Array], int]:
    """Return the function that takes means (of each customer if `within`) and controls out of columns.

    And how many independent controls there are.
    """
    group = np.unique(who, return_inverse=True)[1] if within else np.zeros_like(who)
    total = np.bincount(group, w)
    # a sparse product sums columns by group several times faster than ufunc.reduceat
    averages = sparse.csr_matrix((w / total[group], (group, np.arange(len(w)))), shape=(len(total), len(w)))

    def centred(columns: Array) -> Array:
        return np.asarray(columns - (averages @ columns)[group])

    if not z.shape[1]:
        return centred, 0
    inner = centred(z)
    size = np.sqrt((inner**2).mean(axis=0))
    varies = size > 1e-10 * np.abs(z).max(axis=0)
    root = np.sqrt(w)[:, None]
    left, values, _ = np.linalg.svd(inner[:, varies] / size[varies] * root, full_matrices=False)
    basis = left[:, values > 1e-10 * values.max(initial=0.0)]

    def cleaned(columns: Array) -> Array:
        inner = centred(columns)
        return np.asarray(inner - basis @ (basis.T @ (inner * root)) / root)

    return cleaned, basis.shape[1]
