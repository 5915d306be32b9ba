"""Segments at two dates: whether their size, their members' membership or their value moved."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from segmentation._format import count, name_some, number, percent
from segmentation._frames import kind_of
from segmentation._results import Result
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import CustomerTableError
from segmentation.monitoring._drift_null import Rows
from segmentation.monitoring._inputs import customer_values, unlike_ids
from segmentation.monitoring._whole_html import whole_html

__all__ = ["SegmentDrift", "segment_drift"]

FEWEST = 20
CHUNK = 100


@dataclass(frozen=True, repr=False, eq=False)
class SegmentDrift(Result):
    """Size, membership and value of segments at two dates.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment and quantity, see `segment_drift`.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def moved(self) -> pd.DataFrame:
        """The rows that moved."""
        return self.table[self.table["moved"]]

    def _facts(self) -> dict[str, Any]:
        return {"settings": self.settings, "warnings": self.warnings, "table": self.table}

    def _headline(self) -> str:
        settings = self.settings
        n_segments = self.table["segment"].nunique()
        return (
            f"Segment drift: {len(self.moved)} of {count(len(self.table), 'figure')} of {count(n_segments, 'segment')} "
            f"moved ({count(settings['n_before'], 'customer')}, then {settings['n_after']:,}; {settings['n_both']:,} "
            f"in both; false alarms in at most {percent(settings['alpha'])} of reports)"
        )

    def __str__(self) -> str:
        lines = [self._headline()]
        for _, row in self.moved.iterrows():
            lines.append(
                f"  {row['segment']}: {row['quantity']} {number(row['before'])} to {number(row['after'])}, "
                f"{row['change']:+.4g} ({number(row['change_low'])} to {number(row['change_high'])})"
            )
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        return f"<p>{html.escape(self._headline())}</p>{whole_html(self.table.round(4), index=False)}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the change of every figure with its interval, see `SegmentDriftDisplay`; return the first axes."""
        from segmentation.monitoring._drift_segments_display import SegmentDriftDisplay

        return SegmentDriftDisplay.from_drift(self).plot(ax).ax_


def segment_drift(
    before: Any,
    after: Any,
    *,
    values: tuple[Any, Any] | None = None,
    level: float = 0.9,
    alpha: float = 0.05,
    n_draws: int = 999,
    random_state: Any = None,
) -> SegmentDrift:
    """Compare share, mean membership and mean value of each segment at two dates.

    Parameters
    ----------
    before, after : assignment
        By one definition, or with names carried on (`refit`).
    values : (Series, Series), optional
        Value of the customers at each date, such as spend or a score. Missing ones are left out.
    level : float, default=0.9
        Level of each interval.
    alpha : float, default=0.05
        Chance that a report in which nothing moved says of any figure that it did.
    n_draws : int, default=999
        Draws from what chance gives.
    random_state : int or Generator, optional

    Returns
    -------
    SegmentDrift
        ``table``: ``segment``, ``quantity`` ("share" of all customers, "membership" and "value" as means of the
        segment's), ``n_before``, ``n_after``, ``before``, ``after``, ``change`` with ``_low`` and ``_high``,
        ``p_adjusted`` (for all rows), ``moved``.

    Raises
    ------
    TypeError, AssignmentError, CustomerTableError, ValueError
        If a table is not what it should be.

    Notes
    -----
    The standard error of a change sums what each *customer* contributes at both dates, so that customers in both count
    once. Every change, divided by it, is compared with the greatest of all rows when contributions get random signs (a
    wild bootstrap). Intervals are normal ones: for segments of few customers with very unequal values they are too
    narrow. Means of segments with fewer than 20 customers at a date are not compared.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.monitoring import segment_drift
    >>> ids = pd.RangeIndex(400, name="customer_id")
    >>> then = pd.Series(np.repeat(["a", "b"], 200), index=ids)
    >>> now = pd.Series(np.repeat(["a", "b"], [150, 250]), index=ids)
    >>> segment_drift(then, now, random_state=0).moved[["segment", "quantity", "change"]].values.tolist()
    [['a', 'share', -0.125], ['b', 'share', 0.125]]
    """
    for name, value in (("level", level), ("alpha", alpha)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if isinstance(n_draws, bool) or not isinstance(n_draws, int | np.integer) or n_draws < 99:
        raise ValueError(f"n_draws must be a whole number of at least 99, got {n_draws!r}.")
    tables = [as_assignment(table) for table in (before, after)]
    if not len(tables[0]) or not len(tables[1]):
        raise CustomerTableError("an assignment has no customers: there is nothing to compare.")
    rows = Rows.of(tables[0].index, tables[1].index, same_customers=True)
    names = list(dict.fromkeys(str(n) for t in tables for n in t["segment"].cat.categories if n != UNASSIGNED))
    if any((table["segment"] == UNASSIGNED).any() for table in tables):
        names.append(UNASSIGNED)
    segment = np.concatenate([table["segment"].astype(object).map(str).to_numpy() for table in tables])
    amounts = {"membership": np.concatenate([table["membership"].to_numpy() for table in tables])}
    if values is not None:
        if not isinstance(values, tuple | list) or len(values) != 2:
            raise TypeError(f"values must be two Series, (before, after), got {kind_of(values)}.")
        amounts["value"] = np.concatenate(
            [
                _values(series, table.index, f"values {when}")
                for series, table, when in zip(values, tables, ("before", "after"), strict=True)
            ]
        )
    found, contributions, spread, left_out = [], [], [], []
    for name in names:
        inside = segment == name
        found.append(_share(name, inside, rows))
        everybody = np.ones(len(inside), dtype=bool)
        contributions.append(_by_customer(inside - inside.mean(), everybody, rows))
        own = np.where(rows.is_current, found[-1]["after"], found[-1]["before"])
        spread.append(_by_customer(inside - own, everybody, rows))
        for quantity, amount in amounts.items():
            used = inside & ~np.isnan(amount)
            row = _mean(name, quantity, amount, used, rows)
            if min(row["n_before"], row["n_after"]) < FEWEST or np.ptp(amount[used]) == 0:
                if name != UNASSIGNED and min(row["n_before"], row["n_after"]) < FEWEST:
                    left_out.append(name)
                continue
            deviation = amount - np.where(rows.is_current, row["after"], row["before"])
            found.append(row)
            contributions.append(_by_customer(np.where(used, deviation, 0.0), used, rows))
            spread.append(contributions[-1])
    half = norm.ppf((1 + level) / 2) * np.sqrt((np.column_stack(spread) ** 2).sum(axis=0))
    table = _tested(pd.DataFrame(found), np.column_stack(contributions), half, alpha, n_draws, random_state)
    warnings = unlike_ids(tables[0].index, tables[1].index)
    for i, when in enumerate(("before", "after")) if "value" in amounts else ():
        unknown = int(np.isnan(amounts["value"][rows.is_current == bool(i)]).sum())
        if unknown:
            warnings.append(f"{count(unknown, 'customer')} without a value {when}, left out of its means.")
    if left_out:
        warnings.append(
            f"means of segments with fewer than {FEWEST} customers at a date not compared: "
            f"{name_some(dict.fromkeys(left_out))}."
        )
    settings = {
        "level": level,
        "alpha": alpha,
        "n_draws": n_draws,
        "n_before": len(tables[0]),
        "n_after": len(tables[1]),
        "n_both": rows.n_both,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
    }
    return SegmentDrift(table, settings, tuple(warnings))


def _values(series: Any, index: pd.Index, what: str) -> NDArray[np.float64]:
    if isinstance(series, pd.Series):
        unknown = index.difference(series.index)
        if len(unknown):
            raise CustomerTableError(
                f"{what} lack {count(len(unknown), 'customer')} of the assignment: {name_some(unknown)}."
            )
    return customer_values(series, index, what)


def _share(name: str, inside: NDArray[np.bool_], rows: Rows) -> dict[str, Any]:
    then, now = inside[~rows.is_current], inside[rows.is_current]
    return {
        "segment": name,
        "quantity": "share",
        "n_before": int(then.sum()),
        "n_after": int(now.sum()),
        "before": float(then.mean()),
        "after": float(now.mean()),
    }


def _mean(name: str, quantity: str, amount: Any, used: NDArray[np.bool_], rows: Rows) -> dict[str, Any]:
    then, now = amount[used & ~rows.is_current], amount[used & rows.is_current]
    return {
        "segment": name,
        "quantity": quantity,
        "n_before": len(then),
        "n_after": len(now),
        "before": float(then.mean()) if len(then) else np.nan,
        "after": float(now.mean()) if len(now) else np.nan,
    }


def _by_customer(deviation: NDArray[np.float64], used: NDArray[np.bool_], rows: Rows) -> NDArray[np.float64]:
    """Return what each customer contributes to the difference of two means."""
    n_now, n_then = int((used & rows.is_current).sum()), int((used & ~rows.is_current).sum())
    weighted = np.where(rows.is_current, deviation / n_now, -deviation / n_then)
    sums = np.bincount(rows.customer, weights=np.where(used, weighted, 0.0), minlength=rows.n_customers)
    return sums.astype(np.float64)


def _tested(
    table: pd.DataFrame,
    contributions: NDArray[np.float64],
    half: NDArray[np.float64],
    alpha: float,
    n_draws: int,
    seed: Any,
) -> pd.DataFrame:
    """Test all rows together, `contributions` as they are when nothing moved; `half` is that of the intervals."""
    rng = np.random.default_rng(seed)
    error = np.sqrt((contributions**2).sum(axis=0))
    change = (table["after"] - table["before"]).to_numpy()
    safe = np.where(error > 0, error, np.inf)
    size = np.abs(change) / safe
    greatest = []
    for start in range(0, n_draws, CHUNK):
        signs = 2.0 * rng.integers(0, 2, (min(CHUNK, n_draws - start), len(contributions))) - 1.0
        greatest.append(np.abs(signs @ contributions / safe).max(axis=1))
    largest = np.concatenate(greatest)
    p = (1 + (largest[None, :] >= size[:, None] - 1e-12).sum(axis=1)) / (n_draws + 1)
    return table.assign(
        change=change,
        change_low=change - half,
        change_high=change + half,
        p_adjusted=p,
        moved=(p <= alpha) & (size > 0),
    )
